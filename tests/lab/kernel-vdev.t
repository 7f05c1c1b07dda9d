#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lkvm_vdev, the software PCI device of kernel/, by itself: programs of tests/kernel use all of it through VFIO, without lkvm, on hosts with the stock
# Debian kernels, and on our own (see mkkernel) where that is in the cache, there by iommufd too. Then it is killed while it is in use, unbound
# while it is busy, and the module goes. Needs no IOMMU.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 arm64 -- "stock riscv64 kernels have no VFIO container"
. "$here/programs.sh"
programs="vdev vdev-irq vdev-dma"
for p in $programs; do
	compile_program $p vdev-user.c
done
programs_on_hosts "$0" 50
. "$here/vfio.sh"
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

for p in $programs; do
	program "lkvm_vdev.0 $p" $p lkvm_vdev.0
done
program "lkvm_vdev.1 vdev-irq" vdev-irq lkvm_vdev.1
if [ -e /dev/iommu ]; then
	echo lkvm_vdev.0 >$bus/drivers/lkvm_vdev/unbind	# it counts who opened it
	echo lkvm_vdev.0 >$bus/drivers/lkvm_vdev/bind
	export VDEV_IOMMUFD=1
	for p in $programs; do
		program "by iommufd, lkvm_vdev.0 $p" $p lkvm_vdev.0
	done
fi
is "$(pins)" "$begun" "no page stays pinned"
is "$(cat $vdev/pinned)" 0 "and the device says so"

# busy: $pid has the device, DMA is under way, its memory is pinned
busy() {
	: >hold	# what the last one said
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
program "lkvm_vdev.0 vdev-dma" vdev-dma lkvm_vdev.0

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
program "lkvm_vdev.0 vdev" vdev lkvm_vdev.0

for n in 1 2 3; do
	rmmod lkvm_vdev
	ok $? "the module goes #$n"
	insmod "$module" devices=3
done
rmmod lkvm_vdev
ok $? "the module goes for good"
is "$(ls -d $bus/devices/lkvm_vdev.* /sys/kernel/iommu_groups/* 2>/dev/null)" "" "and nothing of it stays"
kernel_is_quiet
done_testing
