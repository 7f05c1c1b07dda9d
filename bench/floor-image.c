/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The floor of a start, as bench/floor.c, of the machines that start a Linux Image: RAM with guard pages, KVM's irqchip if there is one, one
 * vCPU, entered at the image's first byte, till the guest is off by the firmware's call. What it writes to the UART comes out. No device
 * tree, no device, no thread, no option. floor.h is the machine's own: bench/arm64, bench/riscv64.
 *
 *	floor IMAGE [MEM_MIB]
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD 0x10000UL
#define RAM_BASE 0x80000000UL
#define LOAD 0x200000UL

static void die(const char *what)
{
	perror(what);
	exit(125);
}

#include "floor.h"

int main(int argc, char **argv)
{
	size_t size = (argc > 2 ? strtoul(argv[2], NULL, 10) : 256) << 20;
	struct kvm_userspace_memory_region region = { .guest_phys_addr = RAM_BASE, .memory_size = size };
	int kvm, vm, vcpu, fd;
	struct kvm_run *run;
	char *ram;

	if (argc < 2)
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
	irqchip_create(vm);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (vcpu < 0 || run == MAP_FAILED)
		die("vCPU");
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, ram + LOAD, 0x10000) <= 0)
		die(argv[1]);
	close(fd);
	vcpu_start(vm, vcpu, RAM_BASE + LOAD);
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) < 0)
			die("KVM_RUN");
		if (run->exit_reason == KVM_EXIT_SYSTEM_EVENT)
			return 0;
		if (run->exit_reason != KVM_EXIT_MMIO)
			return 126;
		if (run->mmio.is_write && run->mmio.phys_addr == UART && write(1, run->mmio.data, 1) != 1)
			die("output");
	}
}
