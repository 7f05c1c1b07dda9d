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

lkvm_run -k "$GUESTS/hello.bin" --serial 0,null --console-log "$T/log"; want_status 0
[ -s "$T/out" ] && problem "stdout is not empty"
grep -q hello "$T/log" || problem "nothing in the log"
report "--serial 0,null silences the console, and the log is still kept"

lkvm_run -k "$GUESTS/panic-reset.bin" --serial 0,null; want_status 126
report "... and a panic is still noticed"

lkvm_run -k "$GUESTS/hello.bin" --serial 0,null --no-serial; want_status 0; want_out hello
report "--no-serial takes it back"

(ulimit -f 8; lkvm_run -k "$GUESTS/flood.bin" --console-log "$T/log"; echo "$status" > "$T/status")
status=$(cat "$T/status")
[ "$(wc -c < "$T/log")" -le 8192 ] || problem "the limit had no effect"
want_status 0; want_err "--console-log '$T/log': File too large"
report "a console log at the file size limit does not end the guest"

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

# script(1) gives a terminal; where stdio belongs to another port, its keys must still work
if command -v script > /dev/null; then
	for where in 0,stdio 1,stdio; do
		status=0
		(sleep 1; printf '\001x'; sleep 1) | timeout -k 5 30 script -qefc \
			"'$LKVM' run -m 64 -c 1 -k '$GUESTS/spin.bin' --serial $where --timeout 20" /dev/null > "$T/out" 2> "$T/err" || status=$?
		want_status 0
		report "Ctrl-A x ends a guest from a terminal on serial port ${where%,*}"
	done
else
	skip "Ctrl-A x ends a guest from a terminal" "no script(1)"
fi

finish
