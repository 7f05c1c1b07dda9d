#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Growth: what the start of a guest costs against vCPUs, RAM and devices, exec to exit. CPU time of process and kernel, beside the bare
# ioctls for the same VM (bench/floor.c), is medians of RUNS; peak RSS has the few pages of RAM that are touched in it; instructions in user space are
# counted one by one (bench/steps.c), exact, at both ends and between. A line through the points gives the cost of one more, and "bend"
# compares the upper half's slope with the lower's: more than 1 is worse than linear. What grows by less than a tenth is flat: bend 1.
#   RUNS=15   AXES="vcpus ram devices"   STEPS=0: no counting of instructions
: "${RUNS:=15}"
. "$(dirname "$0")/lib.sh"
need_kvm
: "${AXES:=vcpus ram devices}" "${STEPS:=1}"
compare=$(tool compare) floor=$(tool floor) steps=$(tool steps)
guest=$guests/first-byte.bin
program=$LKVM
[ ! -x "$O/lkvm-static" ] || program=$O/lkvm-static	# for instructions: the same code without the dynamic loader's
disks=$(mktemp -d)
trap 'rm -rf "$disks"' EXIT
for i in $(seq 28); do truncate -s 1M "$disks/$i"; done

# shape AXIS X: the options of that machine, and of the floor's (its MiB and vCPUs)
shape() {
	local i
	case $1 in
	vcpus)	options=(-m 256 -c "$2") bare=(256 "$2") ;;
	ram)	options=(-m "$2" -c 1) bare=("$2" 1) ;;
	devices)
		options=(-m 256 -c 1) bare=(256 1)
		for i in $(seq $(($2 < 28 ? $2 : 28))); do options+=(-d "$disks/$i"); done
		[ "$2" -lt 29 ] || options+=(--rng)
		[ "$2" -lt 30 ] || options+=(--balloon) ;;
	esac
}

# line FILE: slope and bend of its rows "X Y"
line() {
	awk '
		{ x[NR] = $1; y[NR] = $2; sx += $1; sy += $2; sxx += $1 * $1; sxy += $1 * $2; if ($2 > top) top = $2; if (!low || $2 < low) low = $2 }
		END {
			for (m = 2; m < NR - 1 && x[m] < x[NR] / 2; m++)
				;
			slope = (NR * sxy - sx * sy) / (NR * sxx - sx * sx)
			below = (y[m] - y[1]) / (x[m] - x[1])
			above = (y[NR] - y[m]) / (x[NR] - x[m])
			flat = top <= low * 1.1 || y[NR] <= y[1] * 1.1 || below <= 0
			printf "%.4g %.2f\n", slope, flat ? 1 : above / below
		}' "$1"
}

# curve AXIS WHAT UNIT LIMIT SUBJECT FILE: its points and its line to the table; LIMIT is the bend's, or nothing
curve() {
	local slope bend x y per
	case $1 in vcpus) per=vCPU ;; ram) per=GiB ;; devices) per=device ;; esac
	while read -r x y; do point "$2 against $1" "$5" "$x" "$y" "$3"; done < "$6"
	read -r slope bend < <(line "$6")
	[ "$1" != ram ] || slope=$(awk -v s="$slope" 'BEGIN { printf "%.4g", s * 1024 }')
	printf '%-28s %-8s %12s %-4s a %-7s bend %s\n' "$2 against $1" "$5" "$slope" "$3" "$per" "$bend"
	row "$2, one more $per" "$5" "$slope" "$3"
	row "bend of $2 against $1" "$5" "$bend" "" "$4"
}

measure() { # AXIS X...
	local axis=$1 x subject wall cpu rss rest middle
	shift
	rm -f "$disks"/*.points
	for x in "$@"; do
		shape "$axis" "$x"
		"$compare" -n "$RUNS" floor "$floor" "$guest" "${bare[@]}" -- lkvm "$LKVM" run -k "$guest" "${options[@]}" > "$disks/table"
		while read -r subject rest wall rest rest cpu rest rss; do
			echo "$x $cpu" >> "$disks/cpu.$subject.points"
			echo "$x $wall" >> "$disks/wall.$subject.points"
			echo "$x $rss" >> "$disks/rss.$subject.points"
		done < <(tail -n +2 "$disks/table")
	done
	middle=$(($# / 2 + 1))
	[ "$axis" != vcpus ] || middle=$(($# - 1))
	for x in "$1" "${!middle}" "${!#}"; do
		[ "$STEPS" = 1 ] || break
		shape "$axis" "$x"
		"$steps" "$program" run -k "$guest" "${options[@]}" > "$disks/steps"
		awk -v x="$x" '$1 == "all" { print x, $2 }' "$disks/steps" >> "$disks/steps.points"
	done
	curve "$axis" "wall time" ms "" floor "$disks/wall.floor.points"
	curve "$axis" "wall time" ms "" lkvm "$disks/wall.lkvm.points"
	curve "$axis" "CPU time" ms "" floor "$disks/cpu.floor.points"
	curve "$axis" "CPU time" ms 1.5 lkvm "$disks/cpu.lkvm.points"
	curve "$axis" "peak RSS" KiB 1.1 lkvm "$disks/rss.lkvm.points"
	[ "$STEPS" != 1 ] || curve "$axis" "instructions" insn 1.1 lkvm "$disks/steps.points"
}

for axis in $AXES; do
	case $axis in
	vcpus)	measure vcpus 1 2 4 8 16 32 64 ;;
	ram)	measure ram 64 256 1024 4096 8192 16384 ;;
	devices)	measure devices 1 4 8 15 22 30 ;;
	esac
done
