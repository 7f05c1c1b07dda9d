#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What stock guests have drivers for among lkvm_vdev's personalities: a PCI serial port, and a DSA device where the CPU has MOVDIR64B, without which
# idxd does not load. On a host without an IOMMU, where a real device is refused.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "idxd is for x86-64"
if [ -z "${LAB-}" ]; then
	modules=$("$here/../../kernel/build" "$LAB_ARCH" $usual 2>&1) || lab_skip "no modules for $usual: ${modules##*$'\n'}"
	export LAB_MODULES=${modules##*$'\n'}
fi
host+=(-D e1000e,netdev=n0)
lab_enter 40 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1
insmod "$LAB_MODULES/lkvm_vdev.ko" devices=2 personality=serial,dsa || exit 125

e1000e=$(pci 8086:10d3) pinned=$(pins)
vfio_refused "$e1000e" "no IOMMU" "[Ii][Oo][Mm][Mm][Uu]" --vfio-pci "$e1000e"

devices=(--vfio /sys/bus/platform/devices/lkvm_vdev.0) run=given-serial
if grep -qw movdir64b /proc/cpuinfo; then
	devices+=(--vfio /sys/bus/platform/devices/lkvm_vdev.1) run=given-serial,given-dsa
fi
PARAMS="lkvm.given=1234:4c53,8086:0b25" boot $usual 2 $run "${devices[@]}"
is $status 0 "ends well" || evidence out err
has out '^lkvm given: serial [^ ]* .* driver=serial good=100' "serial port: 100 lines come back"
has out "$(line ttyS[0-9])" "serial port: interrupts by line"
if [ $run = given-serial ]; then
	tests=$((tests + 1))
	echo "ok $tests - DSA # SKIP this CPU has no MOVDIR64B, without which idxd does not load"
else
	has out '^lkvm given: dsa .* driver=idxd .*state=enabled' "DSA: idxd enables it"
	has out '^lkvm given: dsa wq .*state=enabled' "DSA: and its work queue"
	has out "$(msix idxd)" "DSA: its interrupts come"
fi
vfio_clean
rmmod lkvm_vdev
ok $? "the module goes"
vfio_clean
done_testing
