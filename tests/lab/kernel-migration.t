#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lkvm_vdev's migration, both protocols of it, its logs of written memory, and its personalities serial and dsa: programs of tests/kernel use them
# through VFIO, without lkvm, on hosts with the stock Debian kernels and, where it is in the cache, our own (see mkkernel). Needs no IOMMU.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 arm64 -- "stock riscv64 kernels have no VFIO container"
. "$here/programs.sh"
for p in vdev-migration vdev-migration-v1 vdev-dirty vdev-serial vdev-dsa vdev-no-irq; do
	compile_program $p vdev-user.c vdev-state.c
done
programs_on_hosts "$0" 50
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1
begun=$(pins)

# load PARAMETER...
load() {
	insmod "$LAB_MODULES/lkvm_vdev.ko" "$@"
	ok $? "the module loads with $*" || done_testing
}

# with NAME N MIG: that program, with devices N and N + 1, which offer MIG
with() { program "$1 mig=$3" "$1" "lkvm_vdev.$2" "lkvm_vdev.$(($2 + 1))" "$3"; }

# 1 stop-copy, 2 pre-copy, 4 P2P, 8 version 1, 16 log
load devices=16 personality=plain,plain,plain,plain,plain,plain,plain,plain,plain,plain,serial,serial,dsa,dsa,plain mig=31,31,3,3,1,1,5,5,8,8,31 \
	irq=7,7,7,7,7,7,7,7,7,7,7,7,7,7,0
for pair in 0:31 2:3 4:1 6:5; do
	with vdev-migration ${pair/:/ }
done
with vdev-migration-v1 0 31
with vdev-migration-v1 8 8
with vdev-dirty 0 31
[ ! -e /dev/iommu ] || VDEV_IOMMUFD=1 program "by iommufd, vdev-dirty mig=31" vdev-dirty lkvm_vdev.0 lkvm_vdev.1 31
with vdev-serial 10 31
with vdev-dsa 12 31
with vdev-no-irq 14 31
rmmod lkvm_vdev
ok $? "the module goes"
load devices=2 mig=31 v1_mmap=1
with vdev-migration-v1 0 31

rmmod lkvm_vdev
ok $? "the module goes"
is "$(pins)" "$begun" "no page stays pinned"
kernel_is_quiet
done_testing
