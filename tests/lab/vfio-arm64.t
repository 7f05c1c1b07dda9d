#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Devices of an arm64 host with SMMUv3, given to stock guests: messages go through the ITS, lines through the GIC.

. "$(dirname "$0")/lab.sh"
lab_only arm64 -- "for arm64 hosts; vfio-x86.t and vfio-amd.t have those of x86"
host+=(-I smmuv3 -D e1000e,netdev=n0 -D nvme,drive=image,serial=known -D e1000,netdev=n1)
lab_enter 90 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1

e1000e=$(pci 8086:10d3) nvme=$(pci 1b36:0010) e1000=$(pci 8086:100e) pinned=$(pins) seed=500
vfio_refused "$e1000e" "no driver for it" "vfio-pci" --vfio-pci "$e1000e"
bind vfio-pci "$e1000e" "$nvme" "$e1000"
truncate -s 1M once.img
PARAMS="lkvm.seed=$seed lkvm.given=8086:10d3,1b36:0010,8086:100e" boot $usual 2 given,reboot-once,given-rebind,given-move -d once.img --reboot \
	--vfio-pci "$e1000e" --vfio-pci "$nvme" --vfio-pci "$e1000"
is $status 0 "ends well" || evidence out err
boots
for from in out.1 out.2; do
	nic_ok "e1000e, ${from/out./boot }" first 8086:10d3 1
	disk_ok "nvme, ${from/out./boot }" first 1b36:0010 1
	nic_ok "e1000, ${from/out./boot }" first 8086:100e 1
done
nic_ok e1000e rebound 8086:10d3 2
disk_ok nvme rebound 1b36:0010 2
nic_ok e1000 rebound 8086:100e 2
nic_ok e1000e moved 8086:10d3 3
disk_ok nvme moved 1b36:0010 3
nic_ok e1000 moved 8086:100e 3
moved_ok e1000e 8086:10d3
moved_ok e1000 8086:100e
has out.2 "$(msix 'eth[01]-rx-0')" "e1000e: messages through the ITS"
has out.2 "$(msix nvme0q1)" "nvme: messages through the ITS"
has out.2 "$(line 'eth[01]')" "e1000: interrupts by line"
vfio_clean "$e1000"

# --- no messages: all by line. KVM has one level for each; there are so many disks that lkvm's own devices are on all lines but the one that
# is left to what the host gives.

disks=()
for i in 1 2 3 4 5 6 7 8; do
	truncate -s 1M $i.img
	disks+=(-d $i.img)
done
PARAMS="pci=nomsi lkvm.seed=$seed lkvm.given=8086:10d3,1b36:0010,8086:100e" boot $usual 2 given "${disks[@]}" \
	--vfio-pci "$e1000e" --vfio-pci "$nvme" --vfio-pci "$e1000"
is $status 0 "all by line: ends well" || evidence out err
from=out
nic_ok "e1000e by line" first 8086:10d3 1
disk_ok "nvme by line" first 1b36:0010 1
nic_ok "e1000 by line" first 8086:100e 1
has out "lkvm given: first 8086:100e at=0000:00:(08|10|18).0 " "e1000: in a slot with that line"
has out "$(line 'eth[01]')" "e1000e and e1000: interrupts by line"
has out 'irqs: .*(nvme0q[01], .*eth[01]|eth[01], .*nvme0q[01])' "the host's devices share one"
hasnt out 'irqs: .*(virtio[^ ]*, .*(eth|nvme)|(eth|nvme)[^ ]*, .*virtio)' "with none of lkvm's"
vfio_clean "$e1000"
done_testing
