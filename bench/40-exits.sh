#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Exits: instructions in user space for a write to a port, a read of a device's register and a kick with an empty disk request, from the
# exit to the next entry, or to the used ring, all threads together. Counted one by one (bench/steps.c): slow, and exact but for the kick, where
# a loop that is awake may find the next request before it sleeps.
#   EXITS=500   of each kind
. "$(dirname "$0")/lib.sh"
need_kvm
: "${EXITS:=500}"
steps=$(tool steps)
disk=$out/exits.img
dd if=/dev/zero of="$disk" bs=1M count=1 2> /dev/null
base=$(flat_guest exits -DKIND=0 -DN=0)

# count COMMAND...: instructions of one run, all threads; nothing if the guest did not get to its end
count() {
	timeout 600 "$steps" "$@" > "$out/steps.txt" || return 0
	awk '$1 == "status" && $2 { exit } $1 == "all" { print $2 }' "$out/steps.txt"
}

# measure SUBJECT COMMAND..., all of it but the kernel
measure() {
	subject=$1
	shift
	start=$(count "$@" -m 64 -c 1 -d "$disk" -k "$base")
	line=$(printf '%-16s' "$subject")
	kind=0
	for what in "port write" "register read" "disk kick"; do
		all=$(count "$@" -m 64 -c 1 -d "$disk" -k "$(flat_guest exits -DKIND=$kind -DN="$EXITS")")
		each=$(awk -v a="$all" -v b="$start" -v n="$EXITS" 'BEGIN { if (a > b && b) printf "%.0f", (a - b) / n }')
		line=$line$(printf ' %14s' "${each:-failed}")
		[ -z "$each" ] || row "$what" "$subject" "$each" insn "$(limit $kind)"
		[ -z "$each" ] || echo "$each" > "$out/exits.$subject.$kind"
		kind=$((kind + 1))
	done
	echo "$line"
}

# limit KIND: what kvmtool needs is the most we may, where it was measured before
limit() {
	case $subject in
	lkvm*)	cat "$out/exits.kvmtool.$1" 2> /dev/null || : ;;
	esac
}

rm -f "$out"/exits.*.[0-9]
printf '%-16s %14s %14s %14s\n' "instructions" "port write" "register read" "disk kick"
if kvmtool_runs; then
	measure kvmtool $kvmtool_env "$KVMTOOL" run --network mode=none
fi
subject=lkvm program=$LKVM
[ ! -x "$O/lkvm-static" ] || { subject=lkvm-static program=$O/lkvm-static; }	# the same code, and less of a start to count
measure $subject "$program" run
rm -f "$disk" "$out"/exits.*.[0-9]
