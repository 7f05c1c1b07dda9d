#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lkvm_vdev's migration, both protocols of it, its logs of written memory, and its personalities serial and dsa: programs of tests/kernel use them
# through VFIO, without lkvm, on hosts with the stock Debian kernels. Needs no IOMMU.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 arm64 -- "stock riscv64 kernels have no VFIO container"

programs="vdev-migration vdev-migration-v1 vdev-dirty vdev-serial vdev-dsa"

# --- here: builds, and runs this test again on a host with each kernel

compile() {
	local cc=gcc p
	[ "$LAB_ARCH" = "$(uname -m | sed 's/aarch64/arm64/')" ] || cc=aarch64-linux-gnu-gcc
	command -v $cc >/dev/null || lab_skip "no $cc"
	for p in $programs; do
		$cc -O1 -g -Wall -Werror -I"$here/../../include" -static -o "$LAB_BIN/$p" "$here"/../kernel/{"$p",vdev-user,vdev-state}.c ||
			lab_skip "no static programs: $cc fails"
	done
}

# The lines of a host's run, with our numbers
relay() {
	local line
	while IFS= read -r line; do
		case $line in
		"ok "*)		ok 0 "$release: ${line#* - }" ;;
		"not ok "*)	ok 1 "$release: ${line#* - }" ;;
		"# "*)		echo "$line" ;;
		esac
	done
}

if [ -z "${LAB-}" ]; then
	LAB_BIN=$(mktemp -d)
	export LAB_BIN
	trap 'rm -rf "$LAB_BIN"' EXIT
	compile
	for release in "${releases[@]}"; do
		folder=$("$here/../../kernel/build" "$LAB_ARCH" "$release" 2>"$LAB_BIN/log") || lab_skip "no modules for $release: $(tail -n 1 "$LAB_BIN/log")"
		why=$("$here/host" -a "$LAB_ARCH" -k "$release" -d -n 2>&1) || lab_skip "no host: ${why//$'\n'/; }"
		LAB_MODULES=$folder "$here/host" -a "$LAB_ARCH" -k "$release" -d -b -t $((300 * patience)) -- "$(readlink -f "$0")" >"$LAB_BIN/out"
		status=$?
		relay <"$LAB_BIN/out"
		is $status 0 "$release: the host ends well"
	done
	done_testing
fi

# --- there

. "$here/vfio.sh"
W=$(mktemp -d)
cd "$W" || exit 125
trap 'lab_leave' EXIT
vfio_host vfio_pci vfio_iommu_type1
begun=$(pins)

# load PARAMETER...
load() {
	insmod "$LAB_MODULES/lkvm_vdev.ko" "$@"
	ok $? "the module loads with $*" || done_testing
}

# program NAME N MIG: its tests with devices N and N + 1, which offer MIG, are ours
program() {
	local count=0 line name="$1 mig=$3"
	timeout $((100 * patience)) "$LAB_BIN/$1" "lkvm_vdev.$2" "lkvm_vdev.$(($2 + 1))" "$3" >log 2>&1
	status=$?
	while IFS= read -r line; do
		case $line in
		"ok "*)		ok 0 "$name: ${line#* - }"; count=$((count + 1)) ;;
		"not ok "*)	ok 1 "$name: ${line#* - }"; count=$((count + 1)) ;;
		"1..$count")	count=all ;;
		*)		note "$line" ;;
		esac
	done <log
	is "$status $count" "0 all" "$name: comes to its end"
}

# 1 stop-copy, 2 pre-copy, 4 P2P, 8 version 1, 16 log
load devices=14 personality=plain,plain,plain,plain,plain,plain,plain,plain,plain,plain,serial,serial,dsa,dsa mig=31,31,3,3,1,1,5,5,8,8,31
for pair in 0:31 2:3 4:1 6:5; do
	program vdev-migration ${pair/:/ }
done
program vdev-migration-v1 0 31
program vdev-migration-v1 8 8
program vdev-dirty 0 31
program vdev-serial 10 31
program vdev-dsa 12 31
rmmod lkvm_vdev
ok $? "the module goes"
load devices=2 mig=31 v1_mmap=1
program vdev-migration-v1 0 31

rmmod lkvm_vdev
ok $? "the module goes"
is "$(pins)" "$begun" "no page stays pinned"
dmesg >dmesg
hasnt dmesg 'WARNING:|BUG:|Oops|Call [Tt]race|refcount|leak|hung task|soft lockup' "the kernel has nothing to complain of"
done_testing
