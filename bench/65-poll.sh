#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A disk on a tmpfs, driven by a guest that polls from ring 3 (bench/guest/poll.c): random 4 KiB and sequential 1 MiB, reads and writes,
# one request in flight and 32, each engine beside kvmtool. Native figures even where KVM emulates ring 0, for the guest stays in ring
# 3. VMMs take turns; each figure is the best of RUNS, for other programs of the machine only ever take from it.
#   RUNS=5   SCRATCH=/dev/shm   where the image is
: "${RUNS:=5}" "${SCRATCH:=/dev/shm}"
. "$(dirname "$0")/lib.sh"
need_kvm
mib=64
[ -w "$SCRATCH" ] || skip "no $SCRATCH to write to"
work=$(mktemp -d -p "$SCRATCH")
trap 'rm -rf "$work"' EXIT
guest=$(flat_guest poll -DSECTORS=$((mib * 2048)))
tsc_khz=$(tool tsc-khz)
khz=$("$tsc_khz")
dd if=/dev/zero of="$work/disk" bs=1M count=$mib 2> /dev/null

# once SUBJECT COMMAND...: adds "SUBJECT NAME REQUESTS CYCLES" lines
once() {
	subject=$1
	shift
	timeout 120 env "$@" -k "$guest" -m 256 -c 1 > "$work/out" 2> "$out/poll.$subject.log" < /dev/null || :
	tr -d '\r' < "$work/out" | sed -n "s/^\([a-z]*-[14][kM]-[0-9]* [0-9]* [0-9]*\)$/$subject \1/p" >> "$work/all"
	# a request with a status that is not 0
	! grep -q '^status' "$work/out" || echo "$subject: $(grep -c '^status' "$work/out") failed requests"
}

kvmtool=
! kvmtool_runs || kvmtool=kvmtool
i=0
while [ $i -lt "$RUNS" ]; do
	for engine in sync aio io_uring; do
		once lkvm-$engine "$LKVM" run -d "$work/disk,engine=$engine"
	done
	[ -z "$kvmtool" ] || once kvmtool $kvmtool_env "$KVMTOOL" run -d "$work/disk" --network mode=none
	i=$((i + 1))
done

# "NAME UNIT SUBJECT BEST", in the order of the guest
awk -v khz="$khz" '
	{
		rate = $3 * khz * 1000 / $4
		if ($2 ~ /1M/)
			rate *= 1.048576
		if (!(($2, $1) in best))
			order[++n] = $2 SUBSEP $1
		if (rate > best[$2, $1])
			best[$2, $1] = rate
	}
	END {
		for (i = 1; i <= n; i++) {
			split(order[i], at, SUBSEP)
			printf "%s %s %s %.0f\n", at[1], at[1] ~ /1M/ ? "MB/s" : "ops/s", at[2], best[order[i]]
		}
	}' "$work/all" > "$work/best"
[ -s "$work/best" ] || { cat "$out"/poll.*.log; echo "the guest never came to its end"; exit 1; }

printf '%-14s %-6s' "best of $RUNS" ""
subjects="lkvm-sync lkvm-aio lkvm-io_uring $kvmtool"
for s in $subjects; do printf ' %14s' "$s"; done
echo
for name in read-4k-1 write-4k-1 read-4k-32 write-4k-32 read-1M-1 write-1M-1 read-1M-32 write-1M-32; do
	unit=$(awk -v n=$name '$1 == n { print $2; exit }' "$work/best")
	printf '%-14s %-6s' "$name" "$unit"
	most=0
	for s in $subjects; do
		best=$(awk -v n=$name -v s="$s" '$1 == n && $3 == s { print $4 }' "$work/best")
		printf ' %14s' "${best:--}"
		[ -z "$best" ] || row "$name" "$s" "$best" "$unit"
		case $s in
		lkvm*)	[ "${best:-0}" -le $most ] || most=$best ;;
		*)	ratio=$(awk -v a="${best:-0}" -v b=$most 'BEGIN { printf "%.2f", b ? a / b : 99 }')
			printf '   kvmtool/lkvm %s' "$ratio"
			row "kvmtool's to lkvm's best engine" "$name" "$ratio" x 1 ;;
		esac
	done
	echo
done
