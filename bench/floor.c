/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The floor of a start: the fewest system calls that make the VM lkvm makes for a flat image - irqchip, PIT, RAM with guard pages,
 * one vCPU with CPUID, real mode at 1000:0 - and run it until it writes port 0xf4, whose value is the exit status, or resets by port 0x64; what
 * it writes to port 0x3f8 comes out. No device, no thread, no option. RAM before the irqchip, as lkvm has it and for its reason (vmm/arch.h).
 * Of several vCPUs the first one runs; the guest would have to start the others.
 *
 *	floor IMAGE [MEM_MIB [CPUS]]
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD 0x10000UL
#define LOAD 0x10000
#define LOW_RAM 0xd0000000UL	/* the rest of it is from 4 GiB on */

static void die(const char *what)
{
	perror(what);
	exit(125);
}

int main(int argc, char **argv)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} cpuid = { .head.nent = 256 };
	size_t size = (argc > 2 ? strtoul(argv[2], NULL, 10) : 256) << 20;
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_userspace_memory_region region = { .memory_size = size > LOW_RAM ? LOW_RAM : size };
	struct kvm_regs regs = { .rflags = 2, .rsp = 0x8000 };
	int kvm, vm, vcpu, fd, run_size, cpus = argc > 3 ? atoi(argv[3]) : 1, i;
	struct kvm_sregs sregs;
	struct kvm_run *run;
	unsigned char *byte;
	char *ram;

	if (argc < 2 || cpus < 1)
		return 129;
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0 || ioctl(kvm, KVM_GET_API_VERSION, 0) != 12)
		die("/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
	if (vm < 0)
		die("VM");
	ram = mmap(NULL, size + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED || mprotect(ram + GUARD, size, PROT_READ | PROT_WRITE) < 0)
		die("RAM");
	ram += GUARD;
	region.userspace_addr = (unsigned long)ram;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		die("memory slot");
	if (size > LOW_RAM) {
		region = (struct kvm_userspace_memory_region){ .slot = 1, .guest_phys_addr = 1UL << 32, .memory_size = size - LOW_RAM,
							       .userspace_addr = (unsigned long)ram + LOW_RAM };
		if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
			die("second memory slot");
	}
	if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL) < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0 ||
	    ioctl(vm, KVM_CREATE_PIT2, &pit) < 0)
		die("irqchip");
	run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0)
		die("CPUID");
	for (i = cpus - 1; i >= 0; i--) {	/* the first one last: it stays in vcpu, run */
		vcpu = ioctl(vm, KVM_CREATE_VCPU, (unsigned long)i);
		run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
		if (vcpu < 0 || run == MAP_FAILED || ioctl(vcpu, KVM_SET_CPUID2, &cpuid) < 0)
			die("vCPU");
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, ram + LOAD, 0x10000) <= 0)
		die(argv[1]);
	close(fd);
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		die("registers");
	sregs.cs.selector = sregs.ds.selector = sregs.es.selector = sregs.ss.selector = LOAD >> 4;
	sregs.cs.base = sregs.ds.base = sregs.es.base = sregs.ss.base = LOAD;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		die("registers");
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) < 0)
			die("KVM_RUN");
		if (run->exit_reason == KVM_EXIT_SHUTDOWN)
			return 126;
		if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT)
			continue;
		byte = (unsigned char *)run + run->io.data_offset;
		if (run->io.port == 0xf4)
			return *byte;
		if (run->io.port == 0x64)
			return 0;
		if (run->io.port == 0x3f8 && write(1, byte, 1) != 1)
			die("output");
	}
}
