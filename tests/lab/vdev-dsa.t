#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lkvm_vdev's DSA device: its work queue in a guest of ours (tests/guest/dsa.c), then the device under a stock guest's idxd, which enables it and its
# queue. idxd does not load on a CPU without MOVDIR64B, which it executes only to submit work, so where the host's KVM does not offer that, the guest is
# told of it all the same. Needs no IOMMU.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "idxd is for x86-64"
lab_guests dsa
lab_modules $usual
lab_enter 30 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1
insmod "$LAB_MODULES/lkvm_vdev.ko" personality=dsa || exit 125
dsa=/sys/bus/platform/devices/lkvm_vdev.0
pinned=$(pins)

timeout $((100 * patience)) "$lkvm" run --loglevel warning -m 64 -c 1 -k "$GUESTS/dsa.elf" --vfio $dsa --timeout $((60 * patience)) </dev/null >tap 2>err
status=$?
as_ours queue <tap
is "$status $ours" "0 all" "queue: the guest comes to its end" || evidence tap err
is "$(cat err)" "" "queue: lkvm has nothing to complain about"
is "$(pins)" "$pinned" "queue: nothing is pinned any more"

cpu=host,+movdir64b=force
before=$(cat $dsa/irqs)
PARAMS="lkvm.given=8086:0b25" boot $usual 1 given-dsa --cpu $cpu --vfio $dsa
is $status 0 "idxd: ends well" || evidence out err
has out '^lkvm given: dsa dsa0 driver=idxd version=0x100 configurable=0 state=enabled errors=0' "idxd: enables the device"
has out '^lkvm given: dsa wq mode=dedicated size=16 type=kernel state=enabled' "idxd: and its one dedicated queue, for the kernel's use"
has out "$(msix idxd)" "idxd: interrupts tell of its commands"
[ "$(cat $dsa/irqs)" -gt "$before" ]
ok $? "idxd: which the device has sent"
vfio_clean

rmmod lkvm_vdev
ok $? "the module goes"
done_testing
