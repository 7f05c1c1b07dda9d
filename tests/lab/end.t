#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The exit status of `lkvm run` says how the guest ended: reset, crash with and without a pvpanic driver, time-out, a
# status of its own, a signal.

. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 150 "$0"

# --- reset, by each method that Linux knows; x86's default is ACPI's reset register, the others have the firmware's call only

methods=default
[ $LAB_ARCH != x86_64 ] || methods="default k p"
for method in $methods; do
	params=
	[ $method = default ] || params="reboot=$method"
	PARAMS=$params boot $usual 1 reboot
	is $status 0 "reset ($method) ends the run with 0" || evidence out err
	is "$(grep -ac '^lkvm guest' out)" 1 "reset ($method): the guest booted once"
done
if [ $LAB_ARCH = x86_64 ]; then
	PARAMS="reboot=t" boot $other 1 reboot
	is $status 126 "a triple fault is a crash" || evidence out err
fi

for release in "${releases[@]}"; do
	truncate -s 1M once.img
	dd if=/dev/zero of=once.img bs=512 count=1 conv=notrunc 2>/dev/null
	boot $release 4 reboot-once -d once.img --reboot
	is $status 0 "--reboot, $release: ends at power-off" || evidence out err
	has out 'reboot_once: first boot' "--reboot, $release: boots"
	has out 'reboot_once: second boot' "--reboot, $release: boots again in place, with what it wrote"
	is "$(grep -ac "^lkvm guest: .* on 4 cpus" out)" 2 "--reboot, $release: all CPUs both times"
done

# --- crash. Debian has no pvpanic driver for arm64 and riscv64: the line that a panic prints tells, there as here without it.

for release in "${releases[@]}"; do
	PARAMS="panic=0" boot $release 2 panic --json json
	is $status 126 "panic, $release: lkvm is told" || evidence out err
	has out 'Kernel panic - not syncing' "panic, $release: its message is on the console"
	has json '"event": *"panic"' "panic, $release: and an event in --json"
done
PARAMS="lkvm.no=pvpanic_pci panic=-1" boot $usual 1 panic
is $status 126 "panic line, then reset, without the driver" || evidence out err
PARAMS="lkvm.no=pvpanic_pci panic=0" boot $other 1 panic
is $status 126 "panic line, then silence, without the driver" || evidence out err
PARAMS="panic=-1" boot $usual 1 panic --reboot
is $status 126 "a panic is no reset that --reboot would go on after" || evidence out err

# --- time-out, status, signal

before=$(now_ms)
boot $usual 4 hang --timeout 12
took=$(($(now_ms) - before))
is $status 124 "--timeout is status 124" || evidence out err
[ $took -ge 11500 ] && [ $took -lt $((12000 + 8000 * patience)) ]
ok $? "and comes when it should" || note "after $took ms of 12000"

for n in 1 42 123; do
	PARAMS="lkvm.status=$n" boot $usual 1 status
	is $status $n "the guest's own status $n comes out" || evidence out err
done

for signal in TERM INT HUP; do
	start $usual 2 hang
	wait_for out 'hang: now'
	kill -$signal $pid
	finish 10
	is $status $((128 + $(kill -l $signal))) "SIG$signal ends a running guest" || evidence out err
done

done_testing
