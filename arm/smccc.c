/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's hypercalls (HVC and SMC) that KVM does not answer itself. [Arm DEN0028 SMC Calling Convention],
 * [Documentation/virt/kvm/devices/vm 5. KVM_ARM_VM_SMCCC_CTRL], [Documentation/virt/kvm/api 5 KVM_EXIT_HYPERCALL]
 *
 * One table says of ranges of function ids whether KVM answers them as without us, answers NOT_SUPPORTED, or hands them to a function
 * here. Ids in no range are KVM's to answer: NOT_SUPPORTED for all it does not know. A host before Linux 6.4 has no filter, and the
 * guest gets NOT_SUPPORTED from KVM for everything of ours.
 *
 * Whether a call came by HVC or SMC, or from a 16-bit instruction, makes no difference here: KVM has moved PC behind any of them.
 *
 * Threads: smccc_exit() the vCPU's own; smccc_init() the main thread's.
 */
#include "arm/smccc.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "arm/regs.h"
#include "vmm/vm.h"

/* Not in the headers of Linux 6.1. */
enum { VM_SMCCC_CTRL = 0, VM_SMCCC_FILTER = 0 };
struct filter {
	u32 base;
	u32 nr_functions;
	u8 action;
	u8 pad[15];
};
_Static_assert(sizeof(struct filter) == 24, "KVM's ABI");

#define NOT_SUPPORTED	(~0ULL)

/* [DEN0028 6.2] Neither the count of calls, which is deprecated, nor any but these two. */
static bool oem_query(struct vcpu *vcpu, u32 id, u64 ret[SMCCC_RESULTS])
{
	static const u32 uid[SMCCC_RESULTS] = LKVM_SMCCC_UID;
	unsigned int i;

	switch (id) {
	case SMCCC_OEM_UID:
		for (i = 0; i < SMCCC_RESULTS; i++)
			ret[i] = uid[i];
		return true;
	case SMCCC_OEM_REVISION:
		ret[0] = LKVM_SMCCC_REVISION_MAJOR;
		ret[1] = LKVM_SMCCC_REVISION_MINOR;
		return true;
	default:
		return false;
	}
}

const struct smccc_range smccc_table[] = {
	{ SMCCC_OEM_QUERIES, 0x100, SMCCC_FORWARD, oem_query },
};
const unsigned int smccc_table_nr = ARRAY_SIZE(smccc_table);

bool smccc_has_filter(const struct vm *vm)
{
	struct kvm_device_attr attr = { .group = VM_SMCCC_CTRL, .attr = VM_SMCCC_FILTER };

	return ioctl(vm->vm_fd, KVM_HAS_DEVICE_ATTR, &attr) == 0;
}

int smccc_filter(struct vm *vm, const struct smccc_range *table, unsigned int nr, struct error *err)
{
	struct kvm_device_attr attr = { .group = VM_SMCCC_CTRL, .attr = VM_SMCCC_FILTER };
	struct filter f;
	unsigned int i;

	if (!smccc_has_filter(vm)) {
		log_debug("smccc", "KVM has no filter: the guest has no hypercalls of lkvm's");
		return 0;
	}
	for (i = 0; i < nr; i++) {
		f = (struct filter){ .base = table[i].first, .nr_functions = table[i].count, .action = (u8)table[i].action };
		attr.addr = (uintptr_t)&f;
		if (f.action != SMCCC_HANDLE && ioctl(vm->vm_fd, KVM_SET_DEVICE_ATTR, &attr) < 0)
			return error_set_errno(err, -errno, "hypercalls 0x%08x to 0x%08x: KVM's filter", f.base,
					       f.base + f.nr_functions - 1);
	}
	return 0;
}

static bool call(struct vcpu *vcpu, const struct smccc_range *table, unsigned int nr, u32 id, u64 ret[SMCCC_RESULTS])
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (id - table[i].first < table[i].count)
			return table[i].action == SMCCC_FORWARD && table[i].call(vcpu, id, ret);
	return false;
}

int smccc_serve(struct vcpu *vcpu, const struct smccc_range *table, unsigned int nr, u32 id)
{
	u64 ret[SMCCC_RESULTS] = { 0 };
	unsigned int i, results = SMCCC_RESULTS;
	int r = 0;

	/* [DEN0028 5.1] -1 in the first register is all that says so */
	if (!call(vcpu, table, nr, id, ret)) {
		ret[0] = NOT_SUPPORTED;
		results = 1;
	}
	for (i = 0; i < results && !r; i++)
		r = arm_set_reg(vcpu, REG_X(i), &ret[i]);
	return r;
}

int smccc_init(struct vm *vm, struct error *err)
{
	return smccc_filter(vm, smccc_table, smccc_table_nr, err);
}

int smccc_exit(struct vcpu *vcpu)
{
	u32 id = (u32)vcpu->run->hypercall.nr;
	unsigned int i;

	for (i = 0; i < pvlock_table_nr; i++)
		if (id - pvlock_table[i].first < pvlock_table[i].count)
			return smccc_serve(vcpu, pvlock_table, pvlock_table_nr, id);
	return smccc_serve(vcpu, smccc_table, smccc_table_nr, id);
}
