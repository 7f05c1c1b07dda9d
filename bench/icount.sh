# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the parts that count instructions of a whole host: one that QEMU emulates with -icount shift=0, in which a nanosecond is an
# instruction. That makes a run exact: the same figures each time, however busy this machine is. Only an initramfs is used, as a
# disk or 9p would bring this machine's timing in.
#   JOBS=2    hosts at once
: "${JOBS:=2}"

command -v qemu-system-x86_64 > /dev/null || skip "no qemu-system-x86_64"
[ -x "$O/lkvm-static" ] || skip "no $O/lkvm-static (make lkvm-static)"
. tests/lab/initramfs.sh
kernel=$(tests/lab/fetch 6.12) || skip "no Debian kernel"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pack() { (cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet); }

# with_libs PROGRAM ROOT: a program of this machine with all it loads, at the same paths
with_libs() { cp -L --parents "$1" $(ldd "$1" 2> /dev/null | grep -o '/[^ ]*') "$2/"; }

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
	make_initramfs "$work/base.cpio" "$kernel" "$work/host-init" kvm_amd "$@"
}

# icount_host ROOT LOG: a host whose initramfs is the base and ROOT, which is taken away; its console goes to LOG
icount_host() {
	{ cat "$work/base.cpio"; pack "$1"; } > "$1.initrd"
	rm -rf "$1"
	timeout 1200 qemu-system-x86_64 -M q35 -cpu EPYC,+svm,+npt,-xsave,-avx,-avx2,-fma,-f16c \
		-accel tcg,thread=single,tb-size=512 -icount shift=0,sleep=off -rtc base=2026-01-01,clock=vm -seed 42 \
		-smp 1 -m 2048 -nodefaults -no-user-config -display none -no-reboot -serial stdio -monitor none \
		-kernel "$kernel/vmlinux" -initrd "$1.initrd" \
		-append "console=ttyS0 quiet panic=-1 nokaslr random.trust_cpu=on mitigations=off" \
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
