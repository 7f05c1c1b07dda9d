#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Stock Debian kernels boot to user space, with one and with four CPUs, on x86 as bzImage and as the ELF file inside it (PVH), on
# the others as Image and as one packed by gzip; they see the machine they were given and power off.

. "$(dirname "$0")/lab.sh"
lab_enter 120 "$0"

# what each architecture calls its CPUs
case $LAB_ARCH in
x86_64)	files="vmlinuz vmlinux" ids=apicids ;;
arm64)	files=vmlinuz ids=mpidrs ;;
riscv64) files=vmlinuz ids=harts ;;
esac

for release in "${releases[@]}"; do
	for file in $files; do
		for cpus in 1 4; do
			name="$release $file, $cpus cpus"
			boot $release/$file $cpus hello,cpus --json json
			is $status 0 "$name: power-off is status 0" || evidence out err
			has out "^lkvm guest: Linux $release\\.[^ ]* on $cpus cpus" "$name: reaches user space with all CPUs"
			is "$(value out $ids | sed 's/0*\([0-9]\),/\1,/g')" "$(seq -s , 0 $((cpus - 1)))," "$name: $ids in order"
			memory=$(value out memory)
			[ "${memory:-0}" -gt 180000 ] && [ "$memory" -le 262144 ]
			ok $? "$name: sees 256 MiB" || note "memory=$memory kB"
			has json '"event": *"mark"' "$name: start of user space is timed"
		done
	done
done

if [ $LAB_ARCH != x86_64 ]; then
	gzip -1 <"$(kernel $usual)" >Image.gz
	boot "$usual/$W/Image.gz" 1 hello
	is $status 0 "$usual packed by gzip: power-off is status 0" || evidence out err
	has out "^lkvm guest: Linux $usual\\." "$usual packed by gzip: reaches user space"
fi

# What lkvm says and what the guest says never mix.
is "$(wc -c <err)" 0 "lkvm itself is silent when all is well" || evidence err
hasnt out '^\{' "no JSON among the guest's output"

# The kernel's own complaints about the machine: firmware bugs, ACPI errors, lost interrupts, stuck CPUs.
PARAMS="loglevel=5" boot $usual 4 hello,irqs
has out '^lkvm guest:' "boots with warnings shown"
grep -aE 'ACPI (BIOS )?(Error|Warning)|\[Firmware (Bug|Warn)|nobody cared|WARNING:|BUG:|Call Trace|soft lockup|rcu.*stall|timed out' out | grep -v hw-vuln >bad
is "$(cat bad)" "" "the kernel has nothing to complain about"

done_testing
