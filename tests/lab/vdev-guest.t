#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lkvm_vdev's PCI serial port, which stock guests have a driver for. On a host without an IOMMU, where a real device is refused. The DSA device has a
# test of its own, vdev-dsa.t.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "another architecture's hosts are tried with vdev-6.1.t and vdev-6.12.t"
lab_modules $usual
host+=(-D e1000e,netdev=n0)
lab_enter 40 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1
insmod "$LAB_MODULES/lkvm_vdev.ko" personality=serial || exit 125

e1000e=$(pci 8086:10d3) pinned=$(pins)
vfio_refused "$e1000e" "no IOMMU" "[Ii][Oo][Mm][Mm][Uu]" --vfio-pci "$e1000e"

PARAMS="lkvm.given=1234:4c53" boot $usual 2 given-serial --vfio /sys/bus/platform/devices/lkvm_vdev.0
is $status 0 "ends well" || evidence out err
has out '^lkvm given: serial [^ ]* .* driver=serial good=100' "serial port: 100 lines come back"
has out "$(line ttyS[0-9])" "serial port: interrupts by line"
vfio_clean
rmmod lkvm_vdev
ok $? "the module goes"
vfio_clean
done_testing
