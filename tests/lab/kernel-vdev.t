#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lkvm_vdev, the software PCI device of kernel/, by itself: programs of tests/kernel use all of it through VFIO, without lkvm, on hosts with the stock
# Debian kernels, and on our own (see mkkernel) where that is in the cache, there by iommufd too. Then it is killed while it is in use, unbound
# while it is busy, and the module goes. Needs no IOMMU.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 arm64 -- "stock riscv64 kernels have no VFIO container"

programs="vdev vdev-irq vdev-dma"

# --- here: builds, and runs this test again on a host with each kernel

compile() {
	local cc=gcc p
	[ "$LAB_ARCH" = "$(uname -m | sed 's/aarch64/arm64/')" ] || cc=aarch64-linux-gnu-gcc
	command -v $cc >/dev/null || lab_skip "no $cc"
	for p in $programs; do
		$cc -O1 -g -Wall -Werror -I"$here/../../include" -static -o "$LAB_BIN/$p" "$here/../kernel/$p.c" "$here/../kernel/vdev-user.c" || lab_skip "no static programs: $cc fails"
	done
}

# The folder of modules for a kernel
modules_for() {
	local build
	if [ "$1" != own ]; then
		"$here/../../kernel/build" "$LAB_ARCH" "$1" 2>"$LAB_BIN/log"
		return
	fi
	build=$("$here/mkkernel" -n)/build
	mkdir -p "$LAB_BIN/own/include"
	cp -r "$here/../../kernel" "$LAB_BIN/own"
	cp -r "$here/../../include/uapi" "$LAB_BIN/own/include"
	make -C "$build" M="$LAB_BIN/own/kernel" modules >"$LAB_BIN/log" 2>&1 && echo "$LAB_BIN/own/kernel"
}

# The lines of a host's run, with our numbers
relay() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok "*)		ok 0 "$release: ${line#* - }" ;;
		"not ok "*)	ok 1 "$release: ${line#* - }" ;;
		"# "*)		echo "$line" ;;
		esac
	done
}

if [ -z "${LAB-}" ]; then
	LAB_BIN=$(mktemp -d)
	export LAB_BIN
	trap 'rm -rf "$LAB_BIN"' EXIT
	compile
	if [ "$LAB_ARCH" = x86_64 ] && "$here/mkkernel" -n >/dev/null 2>&1; then
		releases+=(own)
	fi
	for release in "${releases[@]}"; do
		folder=$(modules_for "$release") || lab_skip "no modules for $release: $(tail -n 1 "$LAB_BIN/log")"
		why=$("$here/host" -a "$LAB_ARCH" -k "$release" -d -n 2>&1) || lab_skip "no host: ${why//$'\n'/; }"
		LAB_MODULES=$folder "$here/host" -a "$LAB_ARCH" -k "$release" -d -b -t $((300 * patience)) -- "$(readlink -f "$0")" >"$LAB_BIN/out"
		status=$?
		relay <"$LAB_BIN/out"
		is $status 0 "$release: the host ends well"
	done
	done_testing
fi

# --- there

. "$here/vfio.sh"
W=$(mktemp -d)
cd "$W" || exit 125
trap 'lab_leave' EXIT
vfio_host vfio_pci vfio_iommu_type1
bus=/sys/bus/platform
vdev=$bus/devices/lkvm_vdev.0
module=$LAB_MODULES/lkvm_vdev.ko
begun=$(pins)

refused() {
	! insmod "$module" "$@" 2>/dev/null
	ok $? "parameters: $* is refused"
}
refused devices=0
refused devices=17
refused personality=plain,none
[ ! -e /sys/module/lkvm_vdev ]
ok $? "parameters: and no module stays"

# the second one's MSI-X vectors can be added while it is on
insmod "$module" devices=3 personality=plain irq=7,15,0
ok $? "the module loads" || done_testing
is "$(cat $vdev/personality)" plain "a plain device"
[ -c "/dev/vfio/$(basename "$(readlink $vdev/iommu_group)")" ]
ok $? "with a group of its own"

# program DEVICE NAME [HOW]: its tests are ours
program() {
	local count=0 line how=${3-}
	timeout $((100 * patience)) "$LAB_BIN/$2" "$1" >log 2>&1
	status=$?
	while IFS= read -r line; do
		case $line in
		"ok "*)		ok 0 "$how$1 $2: ${line#* - }"; count=$((count + 1)) ;;
		"not ok "*)	ok 1 "$how$1 $2: ${line#* - }"; count=$((count + 1)) ;;
		"1..$count")	count=all ;;
		*)		note "$line" ;;
		esac
	done <log
	is "$status $count" "0 all" "$how$1 $2: comes to its end"
}
for p in $programs; do
	program lkvm_vdev.0 $p
done
program lkvm_vdev.1 vdev-irq
if [ -e /dev/iommu ]; then
	export VDEV_IOMMUFD=1
	for p in $programs; do
		program lkvm_vdev.0 $p "by iommufd, "
	done
fi
is "$(pins)" "$begun" "no page stays pinned"
is "$(cat $vdev/pinned)" 0 "and the device says so"

# busy: $pid has the device, DMA is under way, its memory is pinned
busy() {
	"$LAB_BIN/vdev" lkvm_vdev.0 hold >hold &
	pid=$!
	wait_for hold busy
	[ "$(pins)" -gt "$begun" ]
	ok $? "$1: in use, with pages pinned" || note "pins: $(pins), before $begun"
}

# by iommufd where there is one
for n in 1 2 3; do
	busy "kill -9 #$n"
	kill -9 $pid
	wait $pid 2>/dev/null
	is "$(pins) $(cat $vdev/pinned)" "$begun 0" "kill -9 #$n: no page stays pinned"
done
unset VDEV_IOMMUFD
program lkvm_vdev.0 vdev-dma

busy unload
! rmmod lkvm_vdev 2>/dev/null
ok $? "unload: refused while the device is in use"
kill -0 $pid
ok $? "unload: which its user does not notice"
echo lkvm_vdev.0 >$bus/drivers/lkvm_vdev/unbind
wait $pid
is $? 0 "unbind: the user is asked to give the device back, and does"
is "$(pins)" "$begun" "unbind: no page stays pinned"
[ ! -e $vdev/iommu_group ]
ok $? "unbind: the group is gone"
echo lkvm_vdev.0 >$bus/drivers/lkvm_vdev/bind
program lkvm_vdev.0 vdev

for n in 1 2 3; do
	rmmod lkvm_vdev
	ok $? "the module goes #$n"
	insmod "$module" devices=3
done
rmmod lkvm_vdev
ok $? "the module goes for good"
is "$(ls -d $bus/devices/lkvm_vdev.* /sys/kernel/iommu_groups/* 2>/dev/null)" "" "and nothing of it stays"
dmesg >dmesg
hasnt dmesg 'WARNING:|BUG:|Oops|Call [Tt]race|refcount|leak|lkvm_vdev lkvm_vdev.*(fail|error)|hung task|soft lockup' "the kernel has nothing to complain of"
done_testing
