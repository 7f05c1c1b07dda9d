#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Devices of a host with an Intel IOMMU, given to stock guests: what the guests' own drivers make of them, what is refused, and what is left on
# the host afterwards. QEMU's default NVMe disk has its MSI-X table in the BAR of its registers; its e1000 has interrupts by line only; its
# virtio network card finds its registers by vendor capabilities.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "for hosts with an Intel IOMMU; vfio-arm64.t has SMMUv3"
host+=(-I intel -D e1000e,netdev=n0 -D nvme,drive=image,serial=known -D e1000,netdev=n1
	-D virtio-net-pci,netdev=n2,disable-legacy=on,iommu_platform=on,ats=on)
lab_enter 150 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1

e1000e=$(pci 8086:10d3) nvme=$(pci 1b36:0010) e1000=$(pci 8086:100e) virtio=$(pci 1af4:1041)
pinned=$(pins)

# --- what is refused

bind vfio-pci "$e1000e" "$nvme" "$e1000"
vfio_refused "$virtio" "bound to a driver of the host" "virtio-pci" --vfio-pci "$virtio"
vfio_refused "$e1000e" "given twice" "" --vfio-pci "$e1000e" --vfio-pci "$e1000e"
vfio_refused 00:1e.7 "a device that is not there" "" --vfio-pci 00:1e.7

# The three functions 00:1f.* are one group.
bind vfio-pci 0000:00:1f.3
vfio_host ahci
vfio_refused 00:1f.3 "another one of its group is bound" "00:1f\.2.*ahci" --vfio-pci 00:1f.3

# one who may not lock that much memory
chmod 755 . && chmod 666 /dev/kvm
cp "$(kernel $usual)" kernel && cp "$(initrd $usual)" initrd && chmod 644 kernel initrd
chown 65534 "/dev/vfio/$(group "$e1000e")"
(ulimit -l 8192; setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all \
	"$lkvm" run -k "$W/kernel" -i "$W/initrd" -m 256 --name locked --vfio-pci "$e1000e" --timeout 60) </dev/null >out 2>err
is $? 125 "no more memory may be locked: refused" || evidence out err
has err "(memlock|MEMLOCK|locked|ulimit).*[0-9]" "no more memory may be locked: says what would be needed"
is "$(pins)" "$pinned" "what is refused leaves nothing pinned"

# --- killed in the middle of traffic

seed=100
PARAMS="lkvm.seed=$seed lkvm.given=8086:10d3" start $usual 1 given-busy --vfio "$e1000e,on-request=report"
wait_for out 'given: busy=[1-9]' 90
ok $? "a card has traffic"
[ "$(locked $pid)" -ge 262144 ]
ok $? "the guest's memory is locked" || note "VmLck $(locked $pid) kB"
[ $(($(pins) - pinned)) -ge 65536 ]
ok $? "and pinned" || note "$(($(pins) - pinned)) pages"
echo "$e1000e" >/sys/bus/pci/drivers/vfio-pci/unbind &
unbind=$!
wait_for err "${e1000e#0000:}.* back" 60
ok $? "the host asks for the card back: lkvm says so"
kill -KILL $pid
wait $pid 2>/dev/null
is "$(pins)" "$pinned" "killed: nothing is pinned any more"
wait $unbind
is "$(driver "$e1000e")" "" "and the host has its card"
# What VFIO resets QEMU's e1000e by, its power states, does not stop it: it goes on with the rings it had until a driver resets it. What of that gets
# as far as the host's log is not lkvm's to answer for.
vfio_host e1000e
bind e1000e "$e1000e"
is "$(ls "/sys/bus/pci/devices/$e1000e/net" | wc -l)" 1 "its driver takes it"
bind vfio-pci "$e1000e"
dmesg -C

# --- two devices at once: network card by MSI-X, disk whose MSI-X table shares the BAR of its registers

truncate -s 1M once.img
PARAMS="lkvm.seed=$seed lkvm.given=8086:10d3,1b36:0010" boot $usual 1 given,reboot-once,given-rebind,given-move -d once.img --reboot \
	--vfio-pci "$e1000e" --vfio-pci "$nvme"
is $status 0 "e1000e and nvme: ends well" || evidence out err
boots
for from in out.1 out.2; do
	nic_ok "e1000e, ${from/out./boot }" first 8086:10d3 1
	disk_ok "nvme, ${from/out./boot }" first 1b36:0010 1
done
has out.2 'given: unbound 8086:10d3' "e1000e: driver unbound"
nic_ok e1000e rebound 8086:10d3 2
disk_ok nvme rebound 1b36:0010 2
nic_ok e1000e moved 8086:10d3 3
disk_ok nvme moved 1b36:0010 3
moved_ok e1000e 8086:10d3
moved_ok nvme 1b36:0010
has out.2 "$(msix eth0-rx-0)" "e1000e: interrupts by MSI-X"
has out.2 "$(msix nvme0q1)" "nvme: interrupts by MSI-X"
vfio_clean
vfio_host nvme
bind nvme "$nvme"
is "$(disk_half /dev/nvme0n1)" "$(disk_written 3)" "the host's driver takes the disk back, and finds what the guest wrote"

# --- interrupts by line; vendor capabilities

bind vfio-pci "$virtio"
PARAMS="lkvm.seed=$seed lkvm.given=8086:100e,1af4:1041" boot $other/vmlinux 2 given,given-rebind,given-move --vfio-pci "$e1000" --vfio-pci "$virtio"
is $status 0 "e1000 and virtio-net: ends well" || evidence out err
from=out
nic_ok e1000 first 8086:100e 1
nic_ok virtio-net first 1af4:1041 1
nic_ok e1000 rebound 8086:100e 2
nic_ok virtio-net rebound 1af4:1041 2
nic_ok e1000 moved 8086:100e 3
nic_ok virtio-net moved 1af4:1041 3
moved_ok e1000 8086:100e
moved_ok virtio-net 1af4:1041
has out "$(line eth)" "e1000: interrupts by line"
has out "$(msix 'virtio[0-9]+-input')" "virtio-net: interrupts by MSI-X"
vfio_clean "$e1000" "$virtio"

# --- a line that it shares with disks of lkvm's: eight have all lines

disks=()
for n in {1..8}; do
	truncate -s 1M $n.img
	disks+=(-d $n.img)
done
PARAMS="pci=nomsi lkvm.seed=$seed lkvm.given=8086:100e" boot $usual 1 given "${disks[@]}" --vfio-pci "$e1000"
is $status 0 "e1000 beside disks: ends well" || evidence out err
nic_ok "e1000 beside disks" first 8086:100e 1
has out 'irqs: .*(virtio[^ ]*, .*eth0|eth0, .*virtio)' "e1000: shares its line with a disk"
vfio_clean "$e1000"

done_testing
