#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# How a run ends, seen by the script that started it.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

lkvm_run -k "$GUESTS/tiny.bin"; want_status 0; report "a guest's status 0 is 0"
lkvm_run "$GUESTS/status7.bin"; want_status 7; report "a guest's status comes out; the kernel may be positional"
lkvm_run -k "$GUESTS/status200.bin"; want_status 123; report "a status above 123 is 123"
lkvm_run -k "$GUESTS/tiny-reset.bin"; want_status 0; report "a reset by the keyboard controller ends the run"
lkvm_run -k "$GUESTS/reset-cf9.bin"; want_status 0; report "a reset by port 0xcf9 ends the run"
lkvm_run -k "$GUESTS/triple.elf"; want_status 126; want_err "triple fault"; report "a triple fault is a crash"
lkvm_run -k "$GUESTS/boots.bin" --reboot; want_status 5; report "--reboot restarts in place"
lkvm_run -k "$GUESTS/unclaimed.bin"; want_status 0; report "unclaimed ports read all ones"
lkvm_run -k "$GUESTS/panic-reset.bin"; want_status 126; report "a panic line and then a reset is a crash"
lkvm_run -k "$GUESTS/panic-reset.bin" --reboot; want_status 126; report "... with --reboot too"
lkvm_run -k "$GUESTS/panic-reset.bin" --on-panic ignore; want_status 0; report "... unless panics are ignored"
lkvm_run -k "$GUESTS/panic-silent.bin" --panic-silence 0.5 --timeout 30; want_status 126; report "a panic line and then silence is a crash"
lkvm_run -k "$GUESTS/panic-silent.bin" --panic-silence 0.2 --on-panic ignore --timeout 1; want_status 124
report "... unless panics are ignored"
lkvm_run -k "$GUESTS/hang.bin" --timeout 0.3; want_status 124; report "--timeout ends a guest that halts"
lkvm_run -k "$GUESTS/spin.bin" --timeout 0.3; want_status 124; report "--timeout ends a guest that spins"

lkvm_run -k "$GUESTS/mark.bin" --json "$T/json"; want_status 0
grep -q '"event":"mark".*"value":1' "$T/json" || problem "no mark 1"
grep -q '"event":"mark".*"value":2' "$T/json" || problem "no mark 2"
[ "$(head -n 1 "$T/json" | grep -c '"event":"started"')" = 1 ] || problem "first line is not started"
[ "$(tail -n 1 "$T/json" | grep -c '"event":"exit".*"cause":"status","status":0')" = 1 ] || problem "last line is not exit"
if command -v python3 > /dev/null; then
	python3 -c 'import json,sys; [json.loads(l) for l in open(sys.argv[1])]' "$T/json" || problem "not JSON"
fi
report "--json FILE has one object an event"

exec 7> "$T/json7"
lkvm_run -k "$GUESTS/panic-reset.bin" --json fd:7; want_status 126
grep -q '"event":"panic"' "$T/json7" || problem "no panic event"
grep -q '"cause":"panic","status":126' "$T/json7" || problem "no cause"
exec 7>&-
report "--json fd:N writes to an open descriptor"

# With job control a background job does not ignore INT and QUIT.
set -m
exec 3>&2 2> /dev/null	# the shell tells of every job that ends
for sig in HUP:129 INT:130 QUIT:131 TERM:143; do
	rm -f "$T/json"
	"$LKVM" run -m 64 -c 1 -k "$GUESTS/spin.bin" --json "$T/json" < /dev/null > "$T/out" 2> "$T/err" &
	pid=$!
	for _ in $(seq 200); do grep -q started "$T/json" 2> /dev/null && break; sleep 0.05; done
	kill -"${sig%:*}" $pid
	status=0
	wait $pid || status=$?
	want_status "${sig#*:}"
	grep -q '"cause":"signal"' "$T/json" || problem "no cause"
	report "SIG${sig%:*} ends the run with status ${sig#*:}"
done
exec 2>&3
set +m

# A guest that restarts all the time does not outlast what ends a run
bad=0
for i in $(seq 10); do
	lkvm_run -k "$GUESTS/tiny-reset.bin" --reboot --timeout "0.2$i"
	[ "$status" = 124 ] || problem "run $i: status $status, want 124"
	timeout --foreground -s TERM -k 5 "0.2$i" "$LKVM" run -m 64 -c 1 -k "$GUESTS/tiny-reset.bin" --reboot --timeout 20 \
		< /dev/null > "$T/out" 2> "$T/err"
	tail -n 1 "$T/err" | grep -q 'signal 15' || problem "run $i: $(tail -n 1 "$T/err")"
done
report "--reboot loses no time-out and no signal"

mkfifo "$T/fifo"
exec 7<> "$T/fifo"	# a reader that never reads, and a pipe that is soon full (F_SETPIPE_SZ)
python3 -c 'import fcntl; fcntl.fcntl(7, 1031, 4096)' 2> /dev/null
lkvm_run -k "$GUESTS/tiny-reset.bin" --reboot --timeout 4 --json fd:7; want_status 124; want_err "--json 'fd:7'"
exec 7>&-
report "a reader of --json that does not read does not hold the run up"

lkvm_run -k "$GUESTS/hello.bin" --json fd:1; want_status 0; want_out "hello from a flat guest"; want_out '"event":"exit"'
report "--json fd:1 leaves the console its stdout"

# What the caller had us ignore stays ignored
rm -f "$T/json"
(trap '' HUP; exec "$LKVM" run -m 64 -c 1 -k "$GUESTS/spin.bin" --json "$T/json" --timeout 2 < /dev/null > "$T/out" 2> "$T/err") &
pid=$!
for _ in $(seq 200); do grep -q started "$T/json" 2> /dev/null && break; sleep 0.05; done
kill -HUP $pid
status=0
wait $pid || status=$?
want_status 124
report "an ignored SIGHUP (nohup) stays ignored"

finish
