#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Memory: a guest that hangs, 256 MiB, default devices. Peak RSS of the process (VmHWM) without what the guest's RAM has of it, and what
# of that belongs to this process alone.
. "$(dirname "$0")/lib.sh"
need_kvm

beyond_ram() { awk -f bench/beyond-ram.awk "/proc/$1/status" "/proc/$1/smaps" 2> /dev/null; }

measure() { # subject, limit or nothing, command...
	subject=$1 limit=$2
	shift 2
	env "$@" -k "$guests/hang.bin" -m 256 -c 1 < /dev/null > /dev/null 2>&1 &
	pid=$!
	for i in 1 2 3 4 5 6 7 8 9 10; do
		sleep 0.2
		figures=$(beyond_ram $pid) && break
	done
	sleep 0.2	# the guest has run by now, whoever loaded it
	figures=$(beyond_ram $pid) || figures=
	kill -KILL $pid
	wait $pid 2> /dev/null || :
	[ "$figures" ] || { echo "$subject: did not run"; return 1; }
	set -- $figures
	printf '%-16s %16d %16d\n' "$subject" "$1" "$2"
	row "peak RSS beyond guest RAM" "$subject" "$1" KiB "$limit"
	row "of one process alone" "$subject" "$2" KiB
}

printf '%-16s %16s %16s\n' "KiB beyond RAM" "peak RSS" "private"
measure lkvm 3072 "$LKVM" run
[ ! -x "$O/lkvm-static" ] || measure lkvm-static 2048 "$O/lkvm-static" run
[ ! -x "$O/lkvm-minimal" ] || measure lkvm-minimal 2048 "$O/lkvm-minimal" run
if kvmtool_runs; then
	measure kvmtool "" $kvmtool_env "$KVMTOOL" run
fi
