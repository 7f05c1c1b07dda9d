#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boot: Debian's 6.12 kernel with an initramfs, from exec of the VMM to the guest's /init to the VMM's exit, counted in instructions of
# the whole host (bench/icount.sh). Each VMM has a host of its own. One takes about a minute.
#   SUBJECTS="lkvm lkvm-pvh ..."   which ones, default all
. "$(dirname "$0")/lib.sh"
. bench/icount.sh
[ -x "$O/lkvm-static" ] || skip "no $O/lkvm-static (make lkvm-static)"
icount_arch x86_64
: "${SUBJECTS:=lkvm lkvm-pvh kvmtool microvm microvm-pvh}"
memory=256
[ "$KVMTOOL" ] || { SUBJECTS=${SUBJECTS/ kvmtool/}; echo "kvmtool is left out: KVMTOOL= names none"; }

mkdir -p "$work/guest/dev"
$CC -O2 -static -o "$work/guest/init" bench/boot-init.c
$CC -O2 -static -o "$work/boot-count" bench/boot-count.c
pack "$work/guest" > "$work/guest.cpio"
icount_base

# subject NAME ROOT: puts what NAME needs into ROOT and prints its command line
subject() {
	local qemu image=vmlinuz
	[ "$1" = "${1%-pvh}" ] || image=vmlinux
	cp "$kernel/$image" "$work/guest.cpio" "$2/"
	case $1 in
	lkvm*)	strip -o "$2/bin/lkvm" "$O/lkvm-static"
		echo "/bin/lkvm run -k /$image -i /guest.cpio -m $memory -c 1 -p quiet" ;;
	kvmtool)
		with_libs "$(realpath "$KVMTOOL")" "$2"
		echo "$(realpath "$KVMTOOL") run -k /$image -i /guest.cpio -m $memory -c 1 -p quiet --network mode=none" ;;
	*)	qemu=$(command -v qemu-system-x86_64)
		with_libs "$qemu" "$2"
		mkdir -p "$2/usr/share/qemu" "$2/usr/share/seabios"
		cp -L /usr/share/qemu/*.bin "$2/usr/share/qemu/" 2> /dev/null || true
		cp -L /usr/share/seabios/*.bin "$2/usr/share/seabios/"
		echo "$qemu -M ${1%-pvh} -accel kvm -cpu host -m $memory -smp 1 -nodefaults -no-user-config -display none" \
			"-no-reboot -serial stdio -kernel /$image -initrd /guest.cpio" \
			"-append 'console=ttyS0 quiet reboot=t panic=-1'" ;;
	esac
}

# count NAME: its line of figures goes to $work/NAME, which stays empty when the guest did not get to its /init
count() {
	local root=$work/root.$1
	mkdir -p "$root/bin"
	cp "$work/boot-count" "$root/bin/"
	printf 'echo "RESULT $(boot-count /guest.log %s)"\ncat /guest.log\n' "$(subject "$1" "$root")" > "$root/run.sh"
	icount_host "$root" "$out/boot-$1.log"
	: > "$work/$1"
	! grep -aq '^guest init' "$out/boot-$1.log" || sed -n 's/^RESULT //p' "$out/boot-$1.log" > "$work/$1"
}
each count $SUBJECTS

best_bz=$(cat "$work"/{kvmtool,microvm} 2> /dev/null | sort -k 2n | awk 'NR == 1 { print $2 }')
best_pvh=$(cat "$work/microvm-pvh" 2> /dev/null | awk '{ print $2 }')
printf '%-12s %6s %14s %10s %10s %10s %9s\n' "" status instructions exits pio mmio "to best"
for s in $SUBJECTS; do
	if ! [ -s "$work/$s" ]; then
		echo "$s: the guest's init was not reached; see $out/boot-$s.log"
		continue
	fi
	read -r status ns exits pio mmio < "$work/$s"
	best=$best_bz
	[ "$s" = "${s%-pvh}" ] || best=$best_pvh
	ratio=$(awk -v a="$ns" -v b="${best:-0}" 'BEGIN { if (b) printf "%.3f", a / b; else print "-" }')
	printf '%-12s %6s %14s %10s %10s %10s %9s\n' "$s" "$status" "$ns" "$exits" "$pio" "$mmio" "$ratio"
	row "instructions" "$s" "$(awk -v a="$ns" 'BEGIN { printf "%.4f", a / 1e9 }')" G
	row "exits" "$s" "$exits" ""
	row "port exits" "$s" "$pio" ""
	row "MMIO exits" "$s" "$mmio" ""
	case $s,$ratio in
	*,-)	;;
	lkvm*)	row "to the best peer" "$s" "$ratio" x 0.95 ;;
	esac
done
