#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A device given to a guest by VFIO: QEMU's NVMe disk behind an Intel IOMMU in a Debian 6.12 guest, lkvm beside kvmtool, and beside the host's own driver, the
# floor. What is left of a small request is an interrupt, on its way from the device to the guest's driver, and a doorbell; of a large one the same for each
# 512 KiB, which the device copies into the guest's memory by itself.
#   Instructions of the whole host for each operation (bench/icount.sh), and how often an operation leaves the guest. The disk, of which nothing is kept, works
#   in QEMU's own time: the time in which the host is idle is left out, so these are the latencies that a device without any would have. KVM does not spin for an
#   interrupt here. It depends on that time whether a request ends before the guest idles (one exit, its interrupt) or after (two), so each figure is the
#   least of TIMES runs. An interrupt may be lost, in QEMU (see tests/lab/host-init), and a run with it.
: "${TIMES:=3}" "${LIMIT:=300}"
. "$(dirname "$0")/lib.sh"
. bench/icount.sh
icount_arch x86_64
# msix-exclusive-bar: kvmtool takes a BAR that holds the table for nothing else, so that its guest has no registers of QEMU's usual NVMe disk.
# iommu=pt: the host's own driver need not set up the IOMMU for each request, as the guest's need not
qemu+=(-device "intel-iommu,intremap=on" -blockdev "driver=null-co,node-name=nothing,size=67108864,read-zeroes=on"
	-device "nvme,drive=nothing,serial=bench,addr=0x10,msix-exclusive-bar=on")
append="$append intel_iommu=on iommu=pt io=nvme"

$CC -O2 -Wall -D_GNU_SOURCE -static -o "$work/io-guest" bench/io-guest.c
$CC -O2 -static -o "$work/boot-count" bench/boot-count.c
make_initramfs "$work/nvme.cpio" "$busybox" "$kernel" "$work/io-guest" nvme
icount_base nvme vfio_pci vfio_iommu_type1

# measure VMM.RUN: its log goes to $out/vfio-VMM.RUN.log
measure() {
	local root=$work/root.$1 program more=
	mkdir -p "$root/bin"
	cp "$work/boot-count" "$work/io-guest" "$root/bin/"
	cp "$kernel/vmlinuz" "$work/nvme.cpio" "$root/"
	program=$(realpath "$LKVM")
	if [ "${1%.*}" = kvmtool ]; then
		program=$(realpath "$KVMTOOL") more="--network mode=none"
	fi
	with_libs "$program" "$root"
	cat > "$root/run.sh" <<- END
		boot-count /host.log /bin/io-guest | sed 's/^COUNT/HOST/'
		d=/sys/bus/pci/devices/0000:00:10.0
		echo 0000:00:10.0 > \$d/driver/unbind
		echo vfio-pci > \$d/driver_override
		echo 0000:00:10.0 > /sys/bus/pci/drivers_probe
		echo 0 > /sys/module/kvm/parameters/halt_poll_ns
		boot-count /guest.log $program run -k /vmlinuz -i /nvme.cpio -m 256 -c 1 --vfio-pci 00:10.0 $more -p "quiet io=nvme"
		cat /guest.log
	END
	icount_host "$root" "$out/vfio-$1.log"
}

[ "$KVMTOOL" ] || echo "kvmtool is left out: KVMTOOL= names none"
rm -f "$out"/vfio-*.log
todo=
for n in $(seq "$TIMES"); do
	todo="$todo lkvm.$n ${KVMTOOL:+kvmtool.$n}"
done
# shellcheck disable=SC2086
each measure $todo

# figures VMM HOST|COUNT MEASURE: of an operation: instructions; exits: all, by port, by MMIO to user space. Without what a measure of nothing takes. The
# least of all runs.
figures() {
	awk -v who="$2" -v m="$3" '$1 != who { next }
		$2 == "begin" && NF == 6 { exits = $3; port = $4; mmio = $5; busy = $6 }
		$2 == "nothing" && NF == 7 { none_exits = $4 - exits; none_port = $5 - port; none_mmio = $6 - mmio; none = $7 - busy }
		$2 == m && NF == 7 { printf "%d %.2f %.2f %.2f\n", ($7 - busy - none) / $3, ($4 - exits - none_exits) / $3, ($5 - port - none_port) / $3,
			($6 - mmio - none_mmio) / $3 }' \
		"$out/vfio-$1".*.log 2> /dev/null | sort -n | head -n 1	# there may be none
}
ratio() { awk -v a="${1:-0}" -v b="${2:-0}" 'BEGIN { if (a && b) printf "%.3f", a / b; else print "-" }'; }

printf '%-12s %10s %10s %10s %10s %10s    %s\n' "instructions" host lkvm kvmtool lkvm/host lkvm/kvmtl "exits (ports, mmio) lkvm; kvmtool"
failed=0
for m in read-4k write-4k read-1M write-1M; do
	h=$(figures lkvm HOST $m)
	a=$(figures lkvm COUNT $m)
	b=$(figures kvmtool COUNT $m)
	h=${h%% *} ea=${a#* } eb=${b#* } a=${a%% *} b=${b%% *}
	r=$(ratio "$a" "$b")
	printf '%-12s %10s %10s %10s %10s %10s    %s; %s\n' "$m" "${h:--}" "${a:--}" "${b:--}" "$(ratio "$a" "$h")" "$r" "${ea:--}" "${eb:--}"
	[ -z "$h" ] || row "$m" host "$h" insn
	[ "$a" ] || failed=1
	[ -z "$a" ] || row "$m" lkvm "$a" insn
	[ -z "$a" ] || row "$m-exits" lkvm "${ea%% *}" exits
	[ -z "$b" ] || row "$m" kvmtool "$b" insn
	[ -z "$b" ] || row "$m-exits" kvmtool "${eb%% *}" exits
	# No request leaves the kernel, so both are the same code.
	[ "$r" = - ] || row "$m" lkvm/kvmtool "$r" x 1.03
done
# What lkvm says is in $out/vfio-lkvm.RUN.log.
exit $failed
