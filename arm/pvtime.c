/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stolen time: KVM tells each vCPU how long it was kept from running, in a structure that the guest finds by a hypercall.
 * [Arm DEN0057A], [Documentation/virt/kvm/arm/pvtime], [Documentation/virt/kvm/devices/vcpu 3. KVM_ARM_VCPU_PVTIME_CTRL]
 *
 * The structures, 64 bytes each by the vCPU's index, are in memory of their own at PVTIME_BASE, which the guest is not told of as RAM.
 * KVM writes them from the moment a vCPU asks for its own, and a restart in place goes on with the same ones.
 *
 * Main thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "arm/arm.h"
#include "arm/regs.h"
#include "vmm/memslot.h"
#include "vmm/vm.h"

enum { PVTIME_STRUCT = 64 };
/* Of a vCPU's attributes; <asm/kvm.h> has them for arm64 only. */
enum { VCPU_PVTIME_CTRL = 2, PVTIME_IPA = 0 };

/* Without this KVM still says that the calls exist, to fail them one by one. For all vCPUs at once. */
static void hide_calls(struct vcpu *vcpu)
{
	u64 bits;

	if (arm_get_reg(vcpu, REG_STD_HYP_BMAP, &bits) < 0)
		return;		/* Linux before 5.19 */
	bits &= ~STD_HYP_PV_TIME;
	if (arm_set_reg(vcpu, REG_STD_HYP_BMAP, &bits) < 0)
		log_debug("pvtime", "the calls cannot be hidden");
}

static int tell_vcpu(struct vcpu *vcpu)
{
	u64 ipa = PVTIME_BASE + (u64)vcpu->index * PVTIME_STRUCT;
	struct kvm_device_attr attr = { .group = VCPU_PVTIME_CTRL, .attr = PVTIME_IPA, .addr = (uintptr_t)&ipa };

	return ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
}

static bool offered(struct vm *vm)
{
	struct kvm_device_attr attr = { .group = VCPU_PVTIME_CTRL, .attr = PVTIME_IPA };

	return vm_check_cap(vm, KVM_CAP_STEAL_TIME) && ioctl(vm->vcpu[0].fd, KVM_HAS_DEVICE_ATTR, &attr) == 0;
}

int pvtime_create(struct vm *vm, struct error *err)
{
	unsigned int i;
	void *mem;
	int r = 0;

	if (vm->cfg.machine.no_pvtime) {
		hide_calls(&vm->vcpu[0]);
		return 0;
	}
	if (!offered(vm)) {
		log_debug("pvtime", "KVM on this host has no stolen time");
		return 0;
	}
	if (vm->cfg.cpus > PVTIME_SIZE / PVTIME_STRUCT)
		return error_set(err, -EINVAL, "--cpus %u: room for the stolen time of %llu (--no-pvtime)", vm->cfg.cpus,
				 PVTIME_SIZE / PVTIME_STRUCT);
	mem = mmap(NULL, PVTIME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return error_set_errno(err, -errno, "stolen time");
	vm->arch->pvtime = mem;
	r = memslot_add(vm, PVTIME_BASE, PVTIME_SIZE, mem, 0);
	if (r < 0)
		return error_set_errno(err, r, "stolen time: memory at 0x%llx", PVTIME_BASE);
	/* KVM wants the memory to be there. [devices/vcpu 3.1] */
	for (i = 0, r = 0; i < vm->cfg.cpus && !r; i++)
		r = tell_vcpu(&vm->vcpu[i]);
	return r < 0 ? error_set_errno(err, r, "stolen time of vCPU %u (--no-pvtime goes without)", i - 1) : 0;
}

void pvtime_free(struct vm *vm)
{
	if (vm->arch->pvtime)
		munmap(vm->arch->pvtime, PVTIME_SIZE);
	vm->arch->pvtime = NULL;
}
