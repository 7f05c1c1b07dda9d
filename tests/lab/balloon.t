#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The balloon with Linux's driver: what a guest gives away or reports as free is the host's again; statistics; a guest that runs
# out of memory gets some back by itself; changes while the VM is paused.

. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 90 "$0"

mib=1024	# of kB
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$pid/status; }
# the balloon's own view: bytes
actual() { "$lkvm" balloon -n lab --json 2>>err | grep -oE '"actual": *[0-9]+' | grep -oE '[0-9]+$'; }

reported() { "$lkvm" stat -n lab --json 2>>err | grep -oE '"reported": *[0-9]+' | grep -oE '[0-9]+$'; }

# until FUNCTION gives a number that is -le or -ge N; the bound is for failure
until_is() { # until_is FUNCTION -le|-ge N [SECONDS]
	local end=$(($(now_ms) + ${4:-300} * 1000)) got
	while got=$($1); ! { [ -n "$got" ] && [ "$got" "$2" "$3" ]; }; do
		[ "$(now_ms)" -lt $end ] || { note "$1 is '$got', not $2 $3"; return 1; }
		sleep 0.1
	done
}

# tell WORD ANSWER: the guest does it and says so; $answer is the line
tell() {
	local before=$(grep -ac -- "$2" out)
	echo "$1" >&5
	local end=$(($(now_ms) + 300000))
	until [ "$(grep -ac -- "$2" out)" -gt "$before" ]; do
		[ "$(now_ms)" -lt $end ] || { note "no answer to: $1"; evidence out err; return 1; }
		sleep 0.05
	done
	answer=$(grep -a -- "$2" out | tail -n 1 | tr -d '\r')
}
field() { sed -n "s/.*$1=\([0-9]*\).*/\1/p" <<<"$answer"; }

mem_free() { tell mem 'oom=[0-9]* mem' >&2 && field MemFree; }

# begin RELEASE: a guest with a balloon, at the console by fd 5
begin() {
	rm -f in
	mkfifo in
	STDIN=in start "$1" 1 balloon --balloon --name lab --timeout $((500 * patience))
	exec 5>in
	wait_for out 'balloon: ready' 300
}
end() {
	echo end >&5
	exec 5>&-
	finish 300
	is $status 0 "$1: and powers off" || evidence out err
}

# --- free page reports

for release in "${releases[@]}"; do
	begin $release
	is "$(value out features | cut -c1-6)" 011001 "$release: its driver takes statistics, deflate on OOM and reporting"
	tell "eat 120" 'ate=125829120'
	full=$(rss)
	[ "$full" -ge $((120 * mib)) ]
	ok $? "$release: a guest that filled 120 MiB has them of the host" || note "RSS $full kB"
	tell free 'freed'
	until_is rss -le $((full - 90 * mib))
	ok $? "$release: freed, they are the host's again" || evidence err
	[ $release = ${releases[-1]} ] || end "$release"
done

# --- pause, statistics, refusals, on the last of these guests

"$lkvm" pause -n lab >said 2>&1
"$lkvm" balloon -n lab -i 64 >said 2>&1
is "$? $(cat said)" "0 " "inflate a paused guest"
is "$(actual)" 0 "which has not seen it"
"$lkvm" resume -n lab >said 2>&1
until_is actual -ge $((64 * 1024 * 1024))
ok $? "but does when it is resumed" || evidence err said
tell mem 'oom=[0-9]* mem'
"$lkvm" stat -m -n lab >said 2>&1
grep -qw $(($(field MemTotal) * 1024)) said
ok $? "stat -m shows the guest's own total" || { note "$answer"; evidence said; }
"$lkvm" balloon -n lab --target 300M >said 2>&1
is "$? $(grep -c 'target 300M' said)" "125 1" "more than all is refused"
end $release

# --- inflation alone: pages that hold a poison keep it, so that reports give nothing back

PARAMS="page_poison=1"
begin $usual
is "$(value out features | cut -c5-6)" 11 "a guest that poisons free pages says so, and reports them"
tell "eat 120" 'ate=125829120'
full=$(rss)
tell free 'freed'
until_is reported -ge $((90 * 1024 * 1024))
ok $? "what it frees is reported" || evidence err
now=$(rss)
[ "$now" -ge $((full - 8 * mib)) ]
ok $? "they stay as they are" || note "RSS $full kB, then $now kB"
"$lkvm" balloon -n lab -i 64 2>&1
until_is actual -ge $((64 * 1024 * 1024))
ok $? "it inflates by what it was told"
now=$(rss)
[ "$now" -le $((full - 50 * mib)) ]
ok $? "and the host has that" || note "RSS $full kB, then $now kB"
inflated=$(mem_free)
"$lkvm" balloon -n lab -d 64 2>&1
until_is actual -le 0
ok $? "it deflates"
until_is mem_free -ge $((inflated + 60 * mib))	# at times later: pages that are being reported are not free
ok $? "and the guest has that again" || note "MemFree inflated: $inflated kB"

# --- out of memory

"$lkvm" balloon -n lab --target 130M 2>&1
until_is actual -ge $((130 * 1024 * 1024))
ok $? "most of the guest's memory is in the balloon"
tell "eat 100" 'ate='
is "$answer" "lkvm balloon: ate=104857600" "a guest that needs it all the same gets it"
left=$(actual)
[ "$left" -lt $((110 * 1024 * 1024)) ]
ok $? "out of the balloon" || note "still $left bytes in it"
tell mem 'oom=[0-9]* mem'
is "$(field oom)" 0 "and none of its processes dies"
end "poisoned $usual"

done_testing
