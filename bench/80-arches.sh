#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Start, memory and size of lkvm for the other architectures: cross-built here, run in a host that QEMU emulates, one CPU, whose clock is
# its instructions (bench/icount.sh), so a microsecond is 1000 of them. An image of a few instructions, 256 MiB, 1 vCPU, default devices,
# beside the bare ioctls (bench/floor-image.c) and kvmtool.
#   ARCHES="arm64 riscv64"     which ones
#   OPTIONS=--no-sandbox-vmm   more options of lkvm
#   KVMTOOL_arm64=PATH KVMTOOL_riscv64=PATH   kvmtool's static binaries, when there are some
. "$(dirname "$0")/lib.sh"
. bench/icount.sh
: "${ARCHES:=arm64 riscv64}" "${KVMTOOL_arm64:=}" "${KVMTOOL_riscv64:=}" "${ARCH_RUNS:=20}" "${OPTIONS:=}"
options="-m 256 -c 1"

# image ARCH NAME [-DHANG]: a guest
image() {
	"${cross}gcc" -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-Ttext=0 ${3-} -o "$r/$2" "bench/$1/guest.S"
	"${cross}objcopy" -O binary "$r/$2"
}

# build ARCH: $b/lkvm, lkvm-static, lkvm-minimal, and what runs them there
build() {
	local cc=${cross}gcc root
	command -v "$cc" > /dev/null || skip "no $cc (make cross gets it)"
	root=$(scripts/sysroot --find "$1") && [ "$root" ] || skip "no libraries of $1 (make cross gets them)"
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CC make -s O="$b" ARCH="$1" CROSS_COMPILE="$cross" all lkvm-static minimal > "$out/arches-$1.build" 2>&1 ||
		{ cat "$out/arches-$1.build"; return 1; }
	mkdir -p "$r/bin" "$r/lib"
	$cc -O2 -Wall -static -D_GNU_SOURCE "-Ibench/$1" -o "$r/bin/floor" bench/floor-image.c
	$cc -O2 -Wall -static -D_GNU_SOURCE -o "$r/bin/compare" bench/compare.c
	image "$1" first-byte
	image "$1" hang -DHANG
	for s in lkvm lkvm-static lkvm-minimal; do
		"${cross}strip" -o "$r/bin/$s" "$b/$s"
	done
	foreign_libs "$r/bin/lkvm" "$(tests/lab/rootfs "$1")" "$r"
	cp bench/beyond-ram.awk "$r/"
}

# What the host does, in busybox' shell: the figures come out on its console.
script() {
	cat <<-END
		set -- floor /bin/floor /first-byte 256
		options() { [ \$1 = kvmtool ] || echo "$OPTIONS"; }
		for s in $*; do set -- "\$@" -- \$s /bin/\$s run -k /first-byte $options \$(options \$s); done
		compare -n $ARCH_RUNS "\$@" > /start.txt
		sed 's/^/START /' /start.txt
		for s in $*; do
			/bin/\$s run -k /hang $options \$(options \$s) < /dev/null > /dev/null 2>&1 &
			pid=\$!
			sleep 2
			echo "MEMORY \$s \$(awk -f /beyond-ram.awk /proc/\$pid/status /proc/\$pid/smaps)"
			kill -KILL \$pid
			wait \$pid
		done
	END
}

measure() { # ARCH: all of it, in a process of its own
	local b=$O/$1 r=$work/root.$1 cross=$1 log=$out/arches-$1.log subjects="lkvm lkvm-static lkvm-minimal" peer=KVMTOOL_$1
	cross=${cross/arm64/aarch64}-linux-gnu-
	rm -rf "$r"
	build "$1"
	icount_arch "$1"
	if [ "${!peer}" ]; then
		cp "${!peer}" "$r/bin/kvmtool"
		subjects="$subjects kvmtool"
	fi
	for s in lkvm lkvm-static lkvm-minimal; do
		echo "$s $(wc -c < "$r/bin/$s")"
	done > "$work/sizes"
	script $subjects > "$r/run.sh"
	icount_base
	icount_host "$r" "$log"
	table "$1" "$log" "$work/sizes" | tee "$work/table"
	grep -q '^ *kvmtool\|^ *lkvm ' "$work/table" || { tail -n 20 "$log"; return 1; }
	sed -n 's/^START //p' "$log" | tail -n +2 | while read -r subject status wall ratio mark cpu faults rss; do
		row "exec to exit, $1" "$subject" "$wall" Minsn
		row "CPU time, $1" "$subject" "$cpu" Minsn
	done
	sed -n 's/^MEMORY //p' "$log" | while read -r subject peak private; do
		row "peak RSS beyond guest RAM, $1" "$subject" "$peak" KiB "$(limit "$subject" 3072 2048 2048)"
	done
	while read -r subject bytes; do
		row "stripped, $1" "$subject" "$bytes" bytes
	done < "$work/sizes"
}

# limit SUBJECT DYNAMIC STATIC MINIMAL
limit() {
	case $1 in
	lkvm)	      echo "$2" ;;
	lkvm-static)  echo "$3" ;;
	lkvm-minimal) echo "$4" ;;
	esac
}

# table ARCH LOG SIZES: a line a subject; "to kvmtool" only where it ran
table() {
	tr -d '\r' < "$2" | awk -v arch="$1" -v sizes="$3" '
		BEGIN { while ((getline < sizes) > 0) size[$1] = $2 }
		$1 == "START" && $2 != "status" { name[n++] = $2; wall[$2] = $4; mark[$2] = $6; cpu[$2] = $7; faults[$2] = $8 }
		$1 == "MEMORY" { peak[$2] = $3; own[$2] = $4 }
		function to(s, peer) { return peer in cpu && cpu[peer] > 0 ? sprintf("%.2f", cpu[s] / cpu[peer]) : "-" }
		END {
			printf "%-14s %11s %11s %11s %9s %11s %7s %9s %9s %9s\n", arch, "wall Minsn", "first @", "CPU Minsn", "to floor", "to kvmtool",
				"faults", "peak KiB", "private", "bytes"
			for (i = 0; i < n; i++) {
				s = name[i]
				printf "%-14s %11.3f %11.3f %11.3f %9s %11s %7d %9s %9s %9s\n", s, wall[s], mark[s], cpu[s], to(s, "floor"), to(s, "kvmtool"),
					faults[s], peak[s], own[s], size[s]
			}
		}'
}

failed=0
for arch in $ARCHES; do
	measure "$arch" &	# set -e would not hold in a list
	wait $! || failed=1
done
exit $failed
