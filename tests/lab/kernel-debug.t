#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The modules of kernel/ on a host kernel with KASAN and lockdep ("mkkernel debug"): what kernel-vdev.t and kernel-migration.t do, then lkvm_pvlock
# and lkvm_ones. The kernel takes long to build, once, and is slow.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "the kernel of our own is for x86-64"
[ "${LAB-}${LAB_FULL-}" ] || lab_skip "a kernel with KASAN and lockdep is slow, to build and to run; LAB_FULL=1 does it"
export LAB_KERNELS=own-debug
. "$here/programs.sh"
compile_program pvlock
compile_program ones

if [ -z "${LAB-}" ]; then
	"$here/mkkernel" debug >/dev/null || lab_unbuilt $? "host kernel with KASAN and lockdep" "see above"
	for test in kernel-vdev kernel-migration; do
		"$here/$test.t" >"$LAB_BIN/said"
		status=$?
		as_ours $test <"$LAB_BIN/said"
		is "$status $ours" "0 all" "$test: comes to its end"
	done
fi
programs_on_hosts "$0" 30

dmesg -C
for name in pvlock ones; do
	module_program $name
done
kernel_is_quiet
done_testing
