#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The console both ways, by pipe: lines and bulk data with checksums, over the serial port and over virtio; its copy in a
# file; further ports of the virtio console; the end of standard input.

. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 120 "$0"

bulk() { seq -w 10000000 99999999 | head -c "$1"; }

# talk NAME BYTES OPTION...
talk() {
	local name=$1 n=$2 want
	shift 2
	rm -f in
	mkfifo in
	STDIN=in start $usual 1 console --console-log log "$@"
	exec 5>in
	wait_for out 'console: ready'
	sleep 0.2
	echo "hello from the host" >&5
	wait_for out 'HELLO FROM THE HOST' 10
	ok $? "$name: a line goes in and comes back" || { kill $pid; finish 10; exec 5>&-; return; }
	echo "bulk $n" >&5
	wait_for out 'console: bulk' 10
	bulk "$n" >&5
	wait_for out 'console: got=' 60
	want=$(bulk "$n" | md5sum | cut -c1-32)
	is "$(value out got)" "$want" "$name: $n bytes reach the guest unharmed"
	wait_for out 'console: sent=' 60
	sed -n '/console: got=/,/console: sent=/p' out | tr -d '\r' | sed '1d;$d' >middle
	sed -n 's/lkvm console: sent=.*//p' out >>middle
	is "$(head -c "$n" middle | md5sum | cut -c1-32)" "$want" "$name: $n bytes come out of it unharmed"
	echo end >&5
	exec 5>&-	# the end of input does not end the guest: it has still to power off
	finish 30
	is $status 0 "$name: ends by power-off" || evidence out err
	has out 'console: end' "$name: last words are not lost"
	cmp out log >cmp 2>&1
	ok $? "$name: --console-log has the same" || evidence cmp
}

talk serial 16000
talk virtio 300000 --console virtio

# Nobody reads what the guest says: the guest waits, and a signal still ends it.
mkfifo unread
exec 6<>unread
guest $usual 1 flood
set -m
"${cmd[@]}" </dev/null >unread 2>err &
pid=$!
set +m
timeout $((60 * patience)) sed '/flood: now/q' <&6 | grep -q 'flood: now' || note "the guest did not begin"
sleep 3
kill -TERM $pid
finish 10
is $status 143 "a console that nobody reads does not hold up a signal" || evidence err
exec 6>&-

# A reader that goes away is no reason to end, and no crash.
PARAMS="lkvm.status=7" guest $usual 1 hello,status
{ timeout -s KILL $((100 * patience)) "${cmd[@]}" </dev/null 2>err; echo $? >rc; } | head -c 10 >/dev/null
is "$(cat rc)" 7 "the guest goes on when its reader has gone" || evidence err

# By hand, at a terminal: what is typed arrives, Ctrl-A x ends the run, and the terminal is as it was.
mkfifo keys
guest $usual 1 console
{
	echo 'stty -a >before'
	printf '%q ' "${cmd[@]}"
	printf '\n%s\n' 'echo $? >rc' 'stty -a >after'
} >by-hand
script -qfc "bash by-hand" typed <keys >/dev/null 2>&1 &
pid=$!
exec 5>keys
wait_for typed 'console: ready'
printf 'typed by hand\n' >&5
wait_for typed 'TYPED BY HAND' 10
ok $? "terminal: what is typed arrives"
printf '\001x' >&5
finish 20
exec 5>&-
is "$(cat rc)" 0 "terminal: Ctrl-A x ends the run"
cmp before after >cmp 2>&1
ok $? "terminal: its settings are as before" || evidence before after

done_testing
