#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A network card and an NVMe disk of a host with an AMD IOMMU and the older kernel, in a guest of that kernel.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "for hosts with an AMD IOMMU; vfio-arm64.t has SMMUv3"
host+=(-k 6.1 -I amd -D e1000e,netdev=n0 -D nvme,drive=image,serial=known)
lab_enter 70 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1

e1000e=$(pci 8086:10d3) nvme=$(pci 1b36:0010) pinned=$(pins) seed=300
bind vfio-pci "$e1000e" "$nvme"
PARAMS="lkvm.seed=$seed lkvm.given=8086:10d3,1b36:0010" boot $other/vmlinux 2 given,given-rebind,given-move --vfio-pci "$e1000e" --vfio-pci "$nvme"
is $status 0 "ends well" || evidence out err
nic_ok e1000e first 8086:10d3 1
disk_ok nvme first 1b36:0010 1
nic_ok e1000e rebound 8086:10d3 2
disk_ok nvme rebound 1b36:0010 2
nic_ok e1000e moved 8086:10d3 3
disk_ok nvme moved 1b36:0010 3
moved_ok e1000e 8086:10d3
moved_ok nvme 1b36:0010
has out "$(msix eth0-rx-0)" "e1000e: interrupts by MSI-X"
has out "$(msix nvme0q1)" "nvme: interrupts by MSI-X"
vfio_clean
done_testing
