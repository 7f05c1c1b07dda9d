#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Disk and network in a Debian 6.12 guest, lkvm beside kvmtool: an image in a tmpfs around the guest's page cache, and TCP to the host over a
# tap and vhost-net. Instructions of the whole host for each operation (bench/icount.sh), idle time counted as
# time, so a ratio here is one of throughput or latency.
#   SUBJECTS="blk tap vhost"        which ones. "user" is the user-mode network: it is left out because on such a host the stream stops half way, with
#                                   kvmtool as with lkvm, while with an ordinary clock (tests/lab/net.t) it goes through
#   DISK=",engine=sync"             options of lkvm's disk
#   OPTIONS=--no-sandbox-vmm        more options of lkvm
. "$(dirname "$0")/lib.sh"
. bench/icount.sh
icount_arch x86_64
: "${SUBJECTS:=blk tap vhost}" "${DISK:=}" "${OPTIONS:=}"

$CC -O2 -Wall -D_GNU_SOURCE -static -o "$work/io-guest" bench/io-guest.c
$CC -O2 -Wall -D_GNU_SOURCE -static -o "$work/io-peer" bench/io-peer.c
$CC -O2 -static -o "$work/boot-count" bench/boot-count.c	# also a clock: an emulated host that sleeps may not wake up
make_initramfs "$work/blk.cpio" "$busybox" "$kernel" "$work/io-guest" virtio_pci virtio_blk
make_initramfs "$work/net.cpio" "$busybox" "$kernel" "$work/io-guest" virtio_pci virtio_net
icount_base tun vhost_net

# options VMM SUBJECT: the command line's part that differs
options() {
	local tap=mode=tap,host_ip=192.168.77.1,guest_ip=192.168.77.2
	case $1-$2 in
	lkvm-blk)	echo "-d /run/disk$DISK" ;;
	kvmtool-blk)	echo "-d /run/disk --network mode=none" ;;
	*-tap)		echo "-n $tap" ;;
	*-vhost)	echo "-n $tap,vhost=1" ;;
	*-user)		echo "-n mode=user" ;;
	esac
}

# measure VMM-SUBJECT: its log goes to $out/io-VMM-SUBJECT.log
measure() {
	local vmm=${1%-*} what=${1#*-} root=$work/root.$1 program lib more params initrd=net.cpio
	mkdir -p "$root/bin"
	cp "$work/io-peer" "$work/boot-count" "$root/bin/"
	case $what in
	blk)	initrd=blk.cpio params="io=blk" ;;
	user)	params="io=net guest=192.168.33.15 peer=192.168.33.1" ;;
	*)	params="io=net guest=192.168.77.2 peer=192.168.77.1" ;;
	esac
	cp "$kernel/vmlinuz" "$work/$initrd" "$root/"
	if [ "$vmm" = kvmtool ]; then
		program=$(realpath "$KVMTOOL") more=
	else
		more=$OPTIONS
		program=$(realpath "$LKVM")
		for lib in $(ldconfig -p | sed -n 's/.*libslirp\.so\.0 .*x86-64.* => //p'); do with_libs "$lib" "$root"; done
	fi
	with_libs "$program" "$root"
	cat > "$root/run.sh" <<- END
		io-peer &
		dd if=/dev/zero of=/run/disk bs=1M count=64 2> /dev/null
		boot-count /guest.log $program run -k /vmlinuz -i /$initrd -m 256 -c 1 $(options "$vmm" "$what") $more -p "quiet $params"
		cat /guest.log
	END
	icount_host "$root" "$out/io-$1.log"
}

todo=
for s in $SUBJECTS; do
	todo="$todo lkvm-$s"
	[ -z "$KVMTOOL" ] || todo="$todo kvmtool-$s"
done
[ "$KVMTOOL" ] || echo "kvmtool is left out: KVMTOOL= names none"
each measure $todo

failed=0
figure() { sed -n "s/^IO $2 //p" "$out/io-$1.log" 2> /dev/null | head -n 1; }
printf '%-24s %12s %12s %14s\n' "instructions each" lkvm kvmtool "kvmtool/lkvm"
for s in $SUBJECTS; do
	case $s in
	blk)	measures="read-4k write-4k read-1M write-1M" ;;
	*)	measures="stream-out-64k stream-in-64k round-trip-64" ;;
	esac
	for m in $measures; do
		a=$(figure "lkvm-$s" $m)
		b=$(figure "kvmtool-$s" $m)
		ratio=$(awk -v a="${a:-0}" -v b="${b:-0}" 'BEGIN { if (a && b) printf "%.2f", b / a; else print "-" }')
		printf '%-24s %12s %12s %14s\n' "$s $m" "${a:--}" "${b:--}" "$ratio"
		[ "$a" ] || failed=1
		[ -z "$a" ] || row "$m" "lkvm-$s" "$a" insn
		[ -z "$b" ] || row "$m" "kvmtool-$s" "$b" insn
		[ "$ratio" = - ] || row "$m" "lkvm-$s/kvmtool" "$(awk -v r="$ratio" 'BEGIN { printf "%.3f", 1 / r }')" x 1
	done
done
# What lkvm says is in $out/io-lkvm-*.log.
exit $failed
