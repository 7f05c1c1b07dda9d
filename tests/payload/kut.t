#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# kvm-unit-tests' x86 images [https://gitlab.com/kvm-unit-tests/kvm-unit-tests] under lkvm, and under QEMU on the same /dev/kvm: the same
# PASS, FAIL and SKIP lines, and the same exit code. What they fail in is then KVM's business, not ours.
#
#	KUT=DIR     a built checkout (./configure --arch=x86_64 && make)
#	KUT_ONLY=   names from the list below, to run only those
#
# QEMU has no pc-testdev here and the images are told so (TEST_DEVICE=0), as lkvm has none.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

: "${KUT:=}" "${KUT_ONLY:=}" "${QEMU:=qemu-system-x86_64}"
[ -n "$KUT" ] || skip_all "KUT= names no kvm-unit-tests checkout"
ls "$KUT"/x86/*.flat > /dev/null 2>&1 || skip_all "no x86/*.flat in $KUT: build it"

# name, image, vCPUs, MiB, CPU features, arguments
list='
smptest			smptest			2 256 -
smptest3		smptest			3 256 -
vmexit_cpuid		vmexit			1 256 - cpuid
vmexit_mov_from_cr8	vmexit			1 256 - mov_from_cr8
vmexit_mov_to_cr8	vmexit			1 256 - mov_to_cr8
vmexit_inl_pmtimer	vmexit			1 256 - inl_from_pmtimer
vmexit_ipi		vmexit			2 256 - ipi
vmexit_ipi_halt		vmexit			2 256 - ipi_halt
vmexit_ple_round_robin	vmexit			1 256 - ple_round_robin
vmexit_tscdeadline	vmexit			1 256 - tscdeadline
vmexit_tscdeadline_immed vmexit			1 256 - tscdeadline_immed
vmexit_cr0_wp		vmexit			2 256 - toggle_cr0_wp
vmexit_cr4_pge		vmexit			2 256 - toggle_cr4_pge
access			access_test		1 256 -
smap			smap			1 256 -
pku			pku			1 256 -
pks			pks			1 256 -
eventinj		eventinj		1 256 -
idt_test		idt_test		1 256 -
init			init			2 256 -
memory			memory			1 256 -
pmu_lbr			pmu_lbr			1 256 -
pmu_pebs		pmu_pebs		1 256 -
setjmp			setjmp			1 256 -
syscall			syscall			1 256 -
tsc			tsc			1 256 -
tsc_adjust		tsc_adjust		1 256 -
xsave			xsave			1 256 -
rmap_chain		rmap_chain		1 256 -
svm			svm			2 4096 - -pause_filter_test
svm_npt			svm_npt			2 4096 -
pcid-enabled		pcid			1 256 -
pcid-disabled		pcid			1 256 ,-pcid,-invpcid
pcid-asymmetric		pcid			1 256 ,-pcid
rdpru			rdpru			1 256 -
umip			umip			1 256 -
la57			la57			1 256 -
vmx			vmx			1 256 -
hyperv_synic		hyperv_synic		2 256 -
hyperv_connections	hyperv_connections	2 256 -
hyperv_stimer		hyperv_stimer		2 256 -
hyperv_clock		hyperv_clock		2 256 -
tsx-ctrl		tsx-ctrl		1 256 -
cet			cet			2 2048 -
lam			lam			1 256 -
dummy			dummy			1 256 -
'

# Left out, and why:
#	ioapic			pc-testdev's interrupt wires
#	emulator		pc-testdev's RAM at 0xff000000; without it they read nothing: ones here, zeroes in QEMU
#	realmode		waits for pc-testdev's interrupt 11. Its 69 verdicts until then are QEMU's
#	s3			FACS and sleep registers: our ACPI is hardware-reduced and has no S3
#	vmware_backdoors	QEMU's vmport device
#	intel-iommu		QEMU's IOMMU and edu device
#	hpet_read_test		an HPET: our machine has none
#	msr			walks the machine check banks: QEMU has KVM make 10, we leave KVM's own number
#	apic, vmexit vmcall, hypercall, asyncpf, pmu, sieve, debug, kvmclock_test, tscdeadline_latency	measure time or last for minutes

# The verdicts of one run, without what differs from run to run: addresses, counts and times.
verdicts() {
	tr -d '\r' < "$1" | grep -aE '^(PASS|FAIL|SKIP|XFAIL|XPASS|SUMMARY)' | sed -E 's/(0x)?[0-9a-f]{8,}/N/g'
}

# qboot starts an image at once; the PC BIOS has much to do first
bios=
for f in /usr/share/qemu/qboot.rom /usr/share/seabios/qboot.rom; do
	[ -r "$f" ] && bios="-bios $f" && break
done
qemu_works=
if command -v "$QEMU" > /dev/null; then
	qemu_works=yes
else
	echo "# no $QEMU: the images must only come to their end"
fi

# A VM that KVM gives up on ends lkvm, and stops QEMU, which then waits for somebody to look at it.
kvm_gave_up() { grep -aq '^KVM internal error\|^Code=' "$T/qemu.err"; }

qemu_run() { # CPUS MEM CPU IMAGE ARGS
	local append=() pid
	[ -z "$5" ] || append=(-append "$5")
	qemu_status=0
	: > "$T/qemu.err"
	# arch-capabilities: QEMU gives up where KVM lists that MSR and does not take it
	timeout -k 5 100 "$QEMU" -accel kvm -nodefaults -no-reboot $bios -device isa-debug-exit,iobase=0xf4,iosize=0x4 -display none \
		-serial stdio -smp "$1" -m "$2" -cpu "host,migratable=off,-arch-capabilities$3" -kernel "$4" -initrd "$T/env" \
		"${append[@]}" < /dev/null > "$T/qemu" 2> "$T/qemu.err" &
	pid=$!
	while kill -0 $pid 2> /dev/null; do
		kvm_gave_up && kill $pid 2> /dev/null
		sleep 0.1
	done
	wait $pid || qemu_status=$?
}

LIMIT=110
while read -r name image cpus mem cpu args; do
	[ -n "$name" ] || continue
	[ -z "$KUT_ONLY" ] || [[ " $KUT_ONLY " == *" $name "* ]] || continue
	if [ ! -r "$KUT/x86/$image.flat" ]; then
		skip "$name" "no $image.flat"
		continue
	fi
	[ "$cpu" = - ] && cpu=
	printf 'NR_CPUS=%s\nMEMSIZE=%s\nTEST_DEVICE=0\nBOOTLOADER=0\n' "$cpus" "$mem" > "$T/env"
	options=(--nodefaults -m "$mem" -c "$cpus" -k "$KUT/x86/$image.flat" -i "$T/env" --timeout 100)
	[ -z "$args" ] || options+=(-p "$args")
	[ -z "$cpu" ] || options+=(--cpu "host$cpu")
	lkvm_run "${options[@]}"
	verdicts "$T/out" > "$T/ours"
	summary=$(grep -a '^SUMMARY' "$T/ours" | tail -n 1)
	gave_up=
	grep -q "KVM internal error" "$T/err" && gave_up=yes
	[ "$status" -lt 124 ] || [ -n "$gave_up" ] || problem "status $status"
	if [ -n "$qemu_works" ]; then
		qemu_run "$cpus" "$mem" "$cpu" "$KUT/x86/$image.flat" "$args"
		verdicts "$T/qemu" > "$T/theirs"
		diff "$T/theirs" "$T/ours" > "$T/diff" || problem "QEMU (<) and lkvm (>) differ: $(head -n 20 "$T/diff")"
		if [ -n "$gave_up" ]; then
			kvm_gave_up || problem "KVM gave up under lkvm only"
			summary="this KVM gives up after $(wc -l < "$T/ours") verdicts"
		elif [ "$status $qemu_status" = "0 0" ]; then
			summary="ends by a reset"
		elif [ "$qemu_status" != $((status * 2 + 1)) ]; then	# isa-debug-exit makes an odd number of the code
			problem "status $status; QEMU's $qemu_status, want $((status * 2 + 1))"
		fi
	elif [ -n "$gave_up" ]; then
		skip "$name" "this KVM cannot run it: $(grep -o 'KVM internal error.*' "$T/err" | head -n 1)"
		continue
	fi
	report "$name${summary:+: ${summary#SUMMARY: }}"
done <<< "$list"

finish
