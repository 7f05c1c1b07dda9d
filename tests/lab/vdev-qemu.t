#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU as another user of lkvm_vdev: a stock guest under QEMU 7.2 (whose VFIO migrates by the v1 region) and 10 (by v2's states) has its plain device, at
# work for a script; meanwhile QEMU saves the machine to a file, another QEMU goes on from that, and guest and device have not noticed: registers, BAR
# memory and what the device wrote to RAM are as they were. Needs no IOMMU.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "QEMU as a user of KVM is tried on x86-64"
lab_modules $usual
[ "${LAB-}" ] || "$here/host" -d -q 10 -n >/dev/null 2>&1	# has QEMU 10 in the cache, if that can be
lab_enter 90 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1
# offered to QEMU 7.2: v1; to QEMU 10: v2
insmod "$LAB_MODULES/lkvm_vdev.ko" devices=2 personality=plain mig=8,7 || exit 125
bus=/sys/bus/platform/devices
pinned=$(pins)

# The guest: one line for each round, in which the device is given a number in three ways. $ram is reserved: nobody's but the device's.
ram=0x6000000
cat >init <<-EOF
	#!/bin/busybox sh
	/bin/busybox --install -s /bin
	mount -t devtmpfs dev /dev
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	for d in /sys/bus/pci/devices/*; do
		[ "\$(cat \$d/vendor):\$(cat \$d/device)" != 0x1234:0x4c4b ] || plain=\$d
	done
	echo 1 >\$plain/enable
	setpci() { dd of=\$plain/config bs=1 seek=4 conv=notrunc 2>/dev/null; }
	printf '\\006' | setpci	# memory, bus master
	bar() { sed -n "\$((\$1 + 1))s/ .*//p" \$plain/resource; }
	reg=\$(bar 0) mem=\$((\$(bar 2) + 0x2000))
	get() { printf %d "\$(devmem \$1 32)"; }
	set_reg() { devmem \$((reg + \$1)) 32 \$2; }
	n=0
	set_reg 0x48 $ram
	set_reg 0x50 65536
	while :; do
		[ \$n = 0 ] || for is in reg=\$(get \$((reg + 8))) mem=\$(get \$mem) dma=\$(get $ram) last=\$(get \$(($ram + 65532))); do
			[ "\${is#*=}" = \$n ] || echo "wrong in round \$n: \$is"
		done
		n=\$((n + 1))
		set_reg 8 \$n
		devmem \$mem 32 \$n
		set_reg 0x60 \$n
		set_reg 0x54 2
		echo "round \$n"
		sleep 0.2
	done
EOF
. "$here/initramfs.sh"
make_initramfs "$W/guest.cpio" "$(lab_busybox x86_64)" "${kernel_dir[${usual#*.}]}" init

# qemu FILE OPTION...: with device number $device, whose option $migrates is on. The guest's console goes to FILE; commands come from &8.
qemu() {
	mkfifo monitor
	exec 8<>monitor
	"${program[@]}" -M q35,accel=kvm -cpu host -smp 1 -m 128 -nodefaults -display none -monitor stdio -serial "file:$W/$1" -no-reboot \
		-kernel "$(kernel $usual)" -initrd guest.cpio -append "console=ttyS0 quiet memmap=1M\$$ram" \
		-device "vfio-pci,sysfsdev=$bus/lkvm_vdev.$device,$migrates=on" "${@:2}" <&8 >said 2>err 8>&- &
	pid=$!
	rm monitor
}
# five_rounds FILE: until the guest is through with as many, or QEMU is gone
five_rounds() {
	for _ in {1..400}; do
		[ "$(cat "$1" 2>/dev/null | grep -c '^round')" -lt 5 ] || return 0
		kill -0 $pid 2>/dev/null || return 1
		sleep 0.3
	done
	return 1
}
# without_gap FILE...: the rounds of all are 1, 2, 3, ... A machine may be saved within a line, whose rest is in the next file; the last one's end is missing.
without_gap() {
	local n=0 line
	while read -r line; do
		case $line in
		"round $((n + 1))") n=$((n + 1)) ;;
		round*)		    note "after round $n: $line"; return 1 ;;
		esac
	done < <(cat "$@" | tr -d '\r')
	[ $n -gt 5 ]
}
until_ended() {
	for _ in {1..600}; do
		kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	kill -9 $pid 2>/dev/null
	wait $pid
	status=$?
	exec 8>&-
}
# ask REGEX: "info migrate" until it says so
ask() {
	for _ in {1..300}; do
		echo info migrate >&8
		sleep 0.3
		! grep -qE "$1" said || return 0
	done
	return 1
}

# by_qemu NAME
by_qemu() {
	rm -f state before after
	qemu before
	five_rounds before
	ok $? "$1: drives it" || evidence said err before
	echo "migrate -d \"exec:cat >state\"" >&8
	ask 'Migration status: (completed|failed)'
	grep -q 'Migration status: completed' said
	ok $? "$1: saves it with the machine" || evidence said err
	echo quit >&8
	until_ended
	is $status 0 "$1: ends well"
	hasnt before 'wrong|\[ *[0-9.]+\]' "$1: nothing was wrong" || evidence before
	qemu after -incoming "exec:cat state"
	five_rounds after
	ok $? "$1: another one takes it" || evidence said err after
	echo quit >&8
	until_ended
	without_gap before after
	ok $? "$1: and goes on where the first one was" || evidence before after
	hasnt after 'wrong|\[ *[0-9.]+\]' "$1: registers, memory and what the device wrote to RAM are as they were"
	is "$(pins)" "$pinned" "$1: nothing is pinned any more"
}

program=(qemu-system-x86_64) device=0 migrates=x-enable-migration
version=$("${program[@]}" --version 2>/dev/null | sed -n 's/^QEMU emulator version \([0-9]*\).*/\1/p')
version=${version:-0}
if [ "$version" = 7 ]; then
	by_qemu "QEMU 7.2, v1"
else
	ok 0 "v1 # SKIP QEMU $version knows no v1"
fi

q=${LKVM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lkvm}/qemu-trixie-x86
loader=$q/usr/lib64/ld-linux-x86-64.so.2
[ -x "$loader" ] || loader=$q/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
device=1 migrates=enable-migration
if [ "$version" -ge 9 ]; then
	by_qemu "QEMU $version, v2"
elif [ -x "$loader" ]; then
	program=("$loader" --library-path "$q/usr/lib/x86_64-linux-gnu" "$q/usr/bin/qemu-system-x86_64"
		-L "$q/usr/share/qemu" -L "$q/usr/share/seabios" -L "$q/usr/lib/ipxe/qemu")
	export QEMU_MODULE_DIR=/nonexistent
	by_qemu "QEMU 10, v2"
else
	ok 0 "v2 # SKIP no QEMU 10 in the cache"
fi

dmesg >dmesg
hasnt dmesg "$trouble" "the host's kernel has nothing to complain about"
rmmod lkvm_vdev
ok $? "the module goes"
done_testing
