#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# --pv-lock on a KVM that does it itself: tests/payload/pvlock.t on hosts with the patches of kernel/patches. No stock kernel has those, so these are built.

. "$(dirname "$0")/lab.sh"
lab_only arm64 -- "kernel/patches is about KVM/arm64"
[ "${LAB-}${LAB_FULL-}" ] || lab_skip "two host kernels with patches take long to build; LAB_FULL=1 does it"
lab_guests pvlock
lab_bin

if [ -z "${LAB-}" ]; then
	export LKVM=$lkvm
	for release in 6.1 6.12; do
		said=$("$here/mkkernel" pvlock-$release 2>&1 >/dev/null) || lab_unbuilt $? "host kernel $release with PV-lock" "$said"
	done
	for release in 6.1 6.12; do
		"$here/host" -a arm64 -k own-pvlock-$release -d -b -t $((60 * 6 * patience)) -- "$(readlink -f "$0")" >"$LAB_BIN/out"
		status=$?
		as_ours "$release" <"$LAB_BIN/out"
		is "$status $ours" "0 all" "$release: the host ends well"
	done
	done_testing
fi

W=$(mktemp -d)
trap 'lab_leave' EXIT
dmesg -C
cd "$here/../.." || exit 125
PV_LOCK_HOST=patched LKVM_SIGNALS=default bash tests/payload/pvlock.t >"$W/tap"
as_ours payload <"$W/tap"
is "$ours" all "payload: ran to its end"
kernel_is_quiet
done_testing
