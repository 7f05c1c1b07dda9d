#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A virtual function of an SR-IOV network card, which QEMU has from version 8 on. Its vendor and device id are only in the function's SR-IOV
# parent, its BARs cannot be moved on the host, and it has MSI-X only.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "shown on x86-64"
host+=(-q 10 -I intel -D pcie-root-port,id=rp0 -D igb,bus=rp0,netdev=n0)
lab_enter 70 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1 igb

pf=$(pci 8086:10c9) pinned=$(pins) seed=400
echo 2 >"/sys/bus/pci/devices/$pf/sriov_numvfs"
ip link set "$(ls "/sys/bus/pci/devices/$pf/net")" up
vf=$(pci 8086:10ca)
bind vfio-pci "$vf"
PARAMS="lkvm.seed=$seed lkvm.given=8086:10ca" boot $usual 1 given,given-rebind,given-move --vfio-pci "$vf"
is $status 0 "ends well" || evidence out err
nic_ok igbvf first 8086:10ca 1
nic_ok igbvf rebound 8086:10ca 2
nic_ok igbvf moved 8086:10ca 3
moved_ok igbvf 8086:10ca
has out "$(msix eth0-rx-0)" "interrupts by MSI-X"
vfio_clean
done_testing
