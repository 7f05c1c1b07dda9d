#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The console of a bare-metal guest: pipes, files, floods, readers that go away, a terminal.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

lkvm_run -k "$GUESTS/hello.bin"; want_status 0
[ "$(cat "$T/out")" = "hello from a flat guest" ] || problem "stdout: $(cat "$T/out")"
report "console output is stdout, and nothing else is"

lkvm_run -k "$GUESTS/hello.bin" --console-log "$T/log"; want_status 0
cmp -s "$T/out" "$T/log" || problem "the log differs"
report "--console-log keeps a copy"

lkvm_run -k "$GUESTS/hello.bin" --loglevel error; want_status 0
[ -s "$T/err" ] && problem "stderr is not empty"
report "--loglevel error is silent when nothing is wrong"

printf 'GdkknLnnmq' > "$T/in"
STDIN=$T/in lkvm_run -k "$GUESTS/echo.bin" --timeout 30; want_status 3
want_out HelloMoon
report "stdin from a file feeds the console"

status=0
(sleep 0.2; printf 'GdkknLnnmq') | timeout 60 "$LKVM" run -m 64 -c 1 -k "$GUESTS/echo.bin" --timeout 30 > "$T/out" 2> "$T/err" || status=$?
want_status 3; want_out HelloMoon
report "stdin from a pipe feeds the console"

status=0
head -c 5000 /dev/zero | tr '\0' a | sed 's/$/q/' | timeout 60 "$LKVM" run -m 64 -c 1 -k "$GUESTS/echo.bin" --timeout 50 > "$T/out" 2> "$T/err" || status=$?
want_status 3
[ "$(tr -cd b < "$T/out" | wc -c)" = 5000 ] || problem "$(tr -cd b < "$T/out" | wc -c) of 5000 bytes came back"
report "bulk input is not lost"

lkvm_run -k "$GUESTS/flood.bin"; want_status 0
[ "$(wc -c < "$T/out")" = 100000 ] || problem "$(wc -c < "$T/out") bytes"
report "a flood of output comes out whole"

status=0
timeout 60 "$LKVM" run -m 64 -c 1 -k "$GUESTS/flood.bin" --timeout 50 2> "$T/err" < /dev/null | (sleep 1; cat) > "$T/out"
status=${PIPESTATUS[0]}
want_status 0
[ "$(wc -c < "$T/out")" = 100000 ] || problem "$(wc -c < "$T/out") bytes"
report "a slow reader loses nothing"

timeout 60 "$LKVM" run -m 64 -c 1 -k "$GUESTS/flood.bin" --timeout 50 2> "$T/err" < /dev/null | head -c 10 > "$T/out"
status=${PIPESTATUS[0]}
want_status 0
report "a reader that goes away does not end the guest"

status=0
timeout 60 "$LKVM" run -m 64 -c 1 -k "$GUESTS/flood.bin" --timeout 1 2> "$T/err" < /dev/null > >(sleep 3) || status=$?
case $status in 0 | 124) ;; *) problem "status $status" ;; esac
report "a reader that never reads does not outlast --timeout"

status=0
timeout 60 "$LKVM" run -m 64 -c 1 -k "$GUESTS/hello.bin" 2> "$T/err" < /dev/null >&- || status=$?
want_status 0
report "a closed stdout is survived"

lkvm_run -k "$GUESTS/hello.bin" --serial "0,file:$T/serial"; want_status 0
grep -q hello "$T/serial" || problem "nothing in the file"
[ -s "$T/out" ] && problem "stdout is not empty"
report "--serial 0,file: takes the console elsewhere"

finish
