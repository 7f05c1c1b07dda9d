#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What only arm64 vCPUs have: hypercalls that are lkvm's own where KVM has a filter for them, and NOT_SUPPORTED for all that are nobody's;
# accesses that the CPU does not describe; features that a host has or has not; 32-bit guests.
set -u
cd "$(dirname "$0")/../.." || exit
. tests/payload/lib.sh
[ -e "$GUESTS/smccc.elf" ] || skip_all "not arm64"

lkvm_run --debug -k "$GUESTS/smccc.elf" -p hypercalls=0
if grep -q 'KVM has no filter' "$T/err"; then
	guest smccc -p hypercalls=0
else
	guest smccc -p hypercalls=1
fi

guest nisv
want_err 'an access to 0x1000005 that cannot be emulated'
report "an undescribed access is told with its address"

# Each is either there, and then the guest runs, or refused by its name.
for feature in sve pauth mte pmu; do
	for option in "--cpu=host,+$feature" "--cpu=host,-$feature"; do
		lkvm_run -k "$GUESTS/uart.elf" "$option"
		case $option in
		*+*)	[ "$status" = 0 ] || { want_status 125; want_err "KVM on this host does not offer it"; want_err "$feature"; } ;;
		*)	want_status 0 ;;
		esac
	done
	report "--cpu host,+$feature and host,-$feature"
done

# ldrb r1, [r2], the first byte of the device tree, 0xd0; less 0x80, strb it to the debug-exit
printf '\001\004\240\343\003\010\200\342\000\020\322\345\200\020\101\342\000\020\300\345\376\377\377\352' > "$T/arm32"
lkvm_run --aarch32 --kernel-format flat -k "$T/arm32" --timeout 50
if grep -q 'no 32-bit EL1' "$T/err"; then
	skip "--aarch32" "this host's CPUs have no 32-bit EL1"
else
	want_status 80
	report "--aarch32: a 32-bit guest finds the device tree by r2"
fi
finish
