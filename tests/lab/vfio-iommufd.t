#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What only the host kernel of our own has (see mkkernel): devices by their character devices and iommufd, and mediated ones.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "the kernel of our own is for x86-64"
# shellcheck disable=SC2015
[ "${LAB-}" ] || "$here/mkkernel" ${LAB_NO_BUILD:+-n} >/dev/null || lab_unbuilt $? "host kernel with iommufd" "see above"
host+=(-k own -I intel -D e1000e,netdev=n0 -D nvme,drive=image,serial=known)
lab_enter 90 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1 mdev mtty

e1000e=$(pci 8086:10d3) nvme=$(pci 1b36:0010) pinned=$(pins) seed=600
bind vfio-pci "$e1000e" "$nvme"
cdev=/dev/vfio/devices/$(ls "/sys/bus/pci/devices/$nvme/vfio-dev")
uuid=6c6b766d-0000-4000-8000-000000000001
mdev=/sys/bus/mdev/devices/$uuid
# It does not say that it can be reset, and is not: it is made anew for each guest.
make_mdev() { echo $uuid >/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-1/create; }
remove_mdev() {
	echo 1 >$mdev/remove
	[ ! -e $mdev ]
	ok $? "$1: the mediated device can be removed"
}

# --- iommufd: by PCI address, by character device; a mediated one beside them

make_mdev
PARAMS="lkvm.seed=$seed lkvm.given=8086:10d3,1b36:0010,4348:3253" boot $usual 1 given,given-rebind,given-move,given-serial \
	--vfio "$e1000e,iommu=iommufd" --vfio "$cdev" --vfio "$mdev,iommu=iommufd"
is $status 0 "iommufd: ends well" || evidence out err
nic_ok "iommufd, e1000e" first 8086:10d3 1
disk_ok "iommufd, nvme" first 1b36:0010 1
nic_ok "iommufd, e1000e" rebound 8086:10d3 2
disk_ok "iommufd, nvme" rebound 1b36:0010 2
nic_ok "iommufd, e1000e" moved 8086:10d3 3
disk_ok "iommufd, nvme" moved 1b36:0010 3
moved_ok "iommufd, e1000e" 8086:10d3
moved_ok "iommufd, nvme" 1b36:0010
has out "$(msix eth0-rx-0)" "iommufd, e1000e: interrupts by MSI-X"
has out "$(msix nvme0q1)" "iommufd, nvme: interrupts by MSI-X"
has out '^lkvm given: serial 4348:3253 .* driver=serial good=100' "iommufd, mtty: its serial port answers"
vfio_clean $uuid
remove_mdev iommufd

# --- the same by groups and a container

make_mdev
PARAMS="lkvm.seed=$seed lkvm.given=8086:10d3,4348:3253" boot $usual 1 given,given-serial \
	--vfio "$e1000e,iommu=group" --vfio "$mdev,iommu=group"
is $status 0 "group: ends well" || evidence out err
nic_ok "group, e1000e" first 8086:10d3 1
has out "$(msix eth0-rx-0)" "group, e1000e: interrupts by MSI-X"
has out '^lkvm given: serial 4348:3253 .* driver=serial good=100' "group, mtty: its serial port answers"
vfio_clean $uuid
remove_mdev group

# --- killed

PARAMS="lkvm.seed=$seed lkvm.given=8086:10d3" start $usual 1 given-busy --vfio "$e1000e,iommu=iommufd"
wait_for out 'given: busy=[1-9]' 90
ok $? "a card has traffic"
kill -KILL $pid
wait $pid 2>/dev/null
is "$(pins)" "$pinned" "killed: nothing is pinned any more"
vfio_clean
done_testing
