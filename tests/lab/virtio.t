#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A stock guest's drivers with each form of virtio that lkvm can offer: packed rings, in-order completion, both, and the
# legacy interface; over MMIO where the machine has that. The disk is judged by checksums as in disk.t, the rest of the devices by working.

. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 90 "$0"

mmio=()
[ $LAB_ARCH = x86_64 ] || mmio=("--virtio-transport mmio" "--virtio-transport mmio --virtio-packed" "--virtio-transport mmio-legacy")
seed=200
for release in "${releases[@]}"; do
	for form in --virtio-packed --virtio-in-order "--virtio-packed --virtio-in-order" "--virtio-transport pci-legacy" "${mmio[@]}"; do
		[ "$release $form" != "6.1 --virtio-in-order" ] || continue
		name="$release $form"
		head -c 2097152 /dev/urandom >disk.img
		cp disk.img disk.orig
		seed=$((seed + 1))
		PARAMS="lkvm.seed=$seed" boot $release 2 disk,rng,queues -d disk.img --rng --console virtio $form
		is $status 0 "$name: ends well" || evidence out err
		want=$(second_half disk.orig $seed)
		is "$(value out cached)" "$want" "$name: disk reads back what was written"
		is "$(value out direct)" "$want" "$name: and directly"
		is "$(tail -c 1048576 disk.img | sum)" "$want" "$name: and on the host"
		is "$(value out bytes)" 1024 "$name: random numbers"
		hasnt out cannot "$name: no request failed"
	done
done

done_testing
