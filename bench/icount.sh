# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the parts that count instructions of a whole host: one that QEMU emulates with -icount shift=0, in which a nanosecond is an
# instruction. That makes a run exact: the same figures each time, however busy this machine is. Only an initramfs is used, as a
# disk or 9p would bring this machine's timing in.
#   JOBS=2    hosts at once
#   LIMIT=1200	seconds that one may take, for parts whose hosts may stand still
: "${JOBS:=2}" "${LIMIT:=1200}"
here=tests/lab
. tests/lab/initramfs.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# icount_arch x86_64|arm64|riscv64: whose hosts they are; skips where there can be none
icount_arch() {
	local release=6.12
	append="quiet panic=-1 nokaslr random.trust_cpu=on mitigations=off"
	case $1 in
	x86_64)	qemu=(qemu-system-x86_64 -M q35 -cpu EPYC,+svm,+npt,-xsave,-avx,-avx2,-fma,-f16c)
		kvm=kvm_amd image=vmlinux append="console=ttyS0 $append" ;;
	arm64)	qemu=(qemu-system-aarch64 -M virt,virtualization=on,gic-version=3,dtb-randomness=off -cpu cortex-a72)
		kvm="" image=Image append="console=ttyAMA0 $append" release=6.1 ;;
	riscv64) qemu=(qemu-system-riscv64 -M virt -cpu "rv64,h=true")
		kvm=kvm image=Image append="console=ttyS0 $append" ;;
	esac
	command -v "${qemu[0]}" > /dev/null || skip "no ${qemu[0]}"
	kernel=$(tests/lab/fetch -a "$1" $release) || skip "no Debian kernel"
	busybox=$(lab_busybox "$1") || skip "no busybox"
}

pack() { (cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet); }

# with_libs PROGRAM ROOT: a program of this machine with all it loads, at the same paths
with_libs() { cp -L --parents "$1" $(ldd "$1" 2> /dev/null | grep -o '/[^ ]*') "$2/"; }

# foreign_libs PROGRAM ROOTFS ROOT: what a program of another machine loads, from its Debian, to where its loader looks
foreign_libs() {
	local file=$1 lib at
	for lib in $(readelf -ld "$file" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p; s/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
		at=$3/lib/${lib##*/}
		[ ! -e "$at" ] || continue
		cp -L "$(find "$2/lib" "$2/usr/lib" -name "${lib##*/}" | head -n 1)" "$at"
		foreign_libs "$at" "$2" "$3"
	done
}

# icount_base MODULE...: the host's initramfs, to which each run adds its own; it sources /run.sh
icount_base() {
	cat > "$work/host-init" << 'END'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debugfs /sys/kernel/debug
mkdir -p /run
mount -t tmpfs run /run
ip link set lo up
for m in $(cat /lib/modules/order); do insmod /lib/modules/$m; done
. /run.sh
poweroff -f
END
	make_initramfs "$work/base.cpio" "$busybox" "$kernel" "$work/host-init" $kvm "$@"
}

# icount_host ROOT LOG: a host whose initramfs is the base and ROOT, which is taken away; its console goes to LOG
icount_host() {
	{ cat "$work/base.cpio"; pack "$1"; } > "$1.initrd"
	rm -rf "$1"
	timeout "$LIMIT" "${qemu[@]}" -accel tcg,thread=single,tb-size=512 -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 42 \
		-smp 1 -m 2048 -nodefaults -no-user-config -display none -no-reboot -serial stdio -monitor none \
		-kernel "$kernel/$image" -initrd "$1.initrd" -append "$append" \
		< /dev/null 2> /dev/null | tr -d '\r' > "$2"
	rm -f "$1.initrd"
}

# each FUNCTION NAME...: JOBS of them at once
each() {
	local run=$1 running=0 n
	shift
	for n in "$@"; do
		"$run" "$n" &
		running=$((running + 1))
		[ $running -lt "$JOBS" ] || { wait -n; running=$((running - 1)); }
	done
	wait
}
