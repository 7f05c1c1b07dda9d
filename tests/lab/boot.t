#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Stock Debian kernels boot to user space, with one and with four CPUs, as bzImage and as the ELF file inside it (PVH);
# they see the machine they were given and power off.

. "$(dirname "$0")/lab.sh"
lab_enter 120 "$0"

for release in 6.1 6.12; do
	for file in vmlinuz vmlinux; do
		for cpus in 1 4; do
			name="$release $file, $cpus cpus"
			boot $release/$file $cpus hello,cpus --json json
			is $status 0 "$name: power-off is status 0" || evidence out err
			has out "^lkvm guest: Linux $release\\.[^ ]* on $cpus cpus" "$name: reaches user space with all CPUs"
			is "$(value out apicids)" "$(seq -s , 0 $((cpus - 1)))," "$name: APIC ids in order"
			memory=$(value out memory)
			[ "${memory:-0}" -gt 180000 ] && [ "$memory" -le 262144 ]
			ok $? "$name: sees 256 MiB" || note "memory=$memory kB"
			has json '"event": *"mark"' "$name: start of user space is timed"
		done
	done
done

# What lkvm says and what the guest says never mix.
is "$(wc -c <err)" 0 "lkvm itself is silent when all is well" || evidence err
hasnt out '^\{' "no JSON among the guest's output"

# The kernel's own complaints about the machine: firmware bugs, ACPI errors, lost interrupts, stuck CPUs.
PARAMS="loglevel=5" boot 6.12 4 hello,irqs
has out '^lkvm guest:' "boots with warnings shown"
grep -aE 'ACPI (BIOS )?(Error|Warning)|\[Firmware (Bug|Warn)|nobody cared|WARNING:|BUG:|Call Trace|soft lockup|rcu.*stall|timed out' out | grep -v hw-vuln >bad
is "$(cat bad)" "" "the kernel has nothing to complain about"

done_testing
