#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Start: a flat image of a few instructions with default devices, from exec to the first byte it writes and to exit, beside the bare ioctls (bench/floor.c) and kvmtool.
. "$(dirname "$0")/lib.sh"
need_kvm
compare=$(tool compare)
floor=$(tool floor)
# kvmtool knows no exit port: its guest ends by a keyboard controller reset, and so does ours, to be compared
tiny=$guests/first-byte.bin
set -- floor "$floor" "$tiny" 256 -- lkvm "$LKVM" run -k "$tiny" -m 256 -c 1
[ ! -x "$O/lkvm-static" ] || set -- "$@" -- lkvm-static "$O/lkvm-static" run -k "$tiny" -m 256 -c 1
[ ! -x "$O/lkvm-minimal" ] || set -- "$@" -- lkvm-minimal "$O/lkvm-minimal" run -k "$tiny" -m 256 -c 1
if kvmtool_runs; then
	set -- "$@" -- kvmtool $kvmtool_env "$KVMTOOL" run -k "$tiny" -m 256 -c 1
fi
echo "A byte to the console and a reset, 256 MiB, 1 vCPU, exec to exit, medians of $RUNS"
"$compare" -n "$RUNS" "$@" > "$out/start.txt"
cat "$out/start.txt"
tail -n +2 "$out/start.txt" | while read -r subject status wall ratio mark cpu faults rss; do
	row "exec to exit" "$subject" "$wall" ms
	row "exec to the first byte" "$subject" "$mark" ms
	row "CPU time" "$subject" "$cpu" ms
	row "page faults" "$subject" "$faults" ""
	case $subject in
	lkvm*)	row "beside the floor" "$subject" "$ratio" x 1.15 ;;
	*)	row "beside the floor" "$subject" "$ratio" x ;;
	esac
done
