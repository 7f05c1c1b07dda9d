#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A network card given to a Debian 6.12 guest by VFIO, lkvm beside kvmtool: an emulated e1000e behind an Intel IOMMU, connected to a second one that the
# host itself drives. Instructions of the whole host for each operation (bench/icount.sh): a round trip is two interrupts to the guest's
# driver and its registers, the streams are DMA. Much of either is the two drivers, which are the same for both programs.
. "$(dirname "$0")/lib.sh"
. bench/icount.sh
[ -x "$O/lkvm-static" ] || skip "no $O/lkvm-static (make lkvm-static)"
icount_arch x86_64
qemu+=(-device intel-iommu,intremap=on)
append="$append intel_iommu=on"
for nic in 0 1; do
	qemu+=(-netdev "hubport,id=h$nic,hubid=0" -device "e1000e,netdev=h$nic,addr=0x1$nic")
done

$CC -O2 -Wall -D_GNU_SOURCE -static -o "$work/io-guest" bench/io-guest.c
$CC -O2 -Wall -D_GNU_SOURCE -static -o "$work/io-peer" bench/io-peer.c
$CC -O2 -static -o "$work/boot-count" bench/boot-count.c
make_initramfs "$work/net.cpio" "$kernel" "$work/io-guest" e1000e
icount_base vfio_pci vfio_iommu_type1 e1000e

# measure VMM: its log goes to $out/vfio-VMM.log
measure() {
	local root=$work/root.$1 program more=
	mkdir -p "$root/bin"
	cp "$work/io-peer" "$work/boot-count" "$root/bin/"
	cp "$kernel/vmlinuz" "$work/net.cpio" "$root/"
	program=$(realpath "$LKVM")
	if [ "$1" = kvmtool ]; then
		program=$(realpath "$KVMTOOL") more="--network mode=none"
	fi
	with_libs "$program" "$root"
	cat > "$root/run.sh" <<- END
		d=/sys/bus/pci/devices/0000:00:10.0
		echo 0000:00:10.0 > \$d/driver/unbind
		echo vfio-pci > \$d/driver_override
		echo 0000:00:10.0 > /sys/bus/pci/drivers_probe
		for eth in /sys/class/net/eth*; do eth=\${eth##*/}; done
		ip addr add 192.168.77.1/24 dev \$eth
		ip link set \$eth up
		io-peer &
		boot-count /guest.log $program run -k /vmlinuz -i /net.cpio -m 256 -c 1 --vfio-pci 00:10.0 $more -p "quiet io=net guest=192.168.77.2 peer=192.168.77.1"
		cat /guest.log
	END
	icount_host "$root" "$out/vfio-$1.log"
}

todo=lkvm
if [ "$KVMTOOL" ]; then
	todo="lkvm kvmtool"
else
	echo "kvmtool is left out: KVMTOOL= names none"
fi
# shellcheck disable=SC2086
each measure $todo

figure() { sed -n "s/^IO $2 //p" "$out/vfio-$1.log" 2> /dev/null | head -n 1; }
printf '%-24s %12s %12s %14s\n' "instructions each" lkvm kvmtool "kvmtool/lkvm"
for m in round-trip-64 stream-out-64k stream-in-64k; do
	a=$(figure lkvm $m)
	b=$(figure kvmtool $m)
	ratio=$(awk -v a="${a:-0}" -v b="${b:-0}" 'BEGIN { if (a && b) printf "%.2f", b / a; else print "-" }')
	printf '%-24s %12s %12s %14s\n' "$m" "${a:--}" "${b:--}" "$ratio"
	[ -z "$a" ] || row "$m" lkvm "$a" insn
	[ -z "$b" ] || row "$m" kvmtool "$b" insn
	[ "$ratio" = - ] || row "$m" lkvm/kvmtool "$(awk -v r="$ratio" 'BEGIN { printf "%.3f", 1 / r }')" x 1
done
