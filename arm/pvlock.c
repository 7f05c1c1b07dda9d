/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --pv-lock: the guest finds by hypercalls where each vCPU's preempted flag is, an le64 at the beginning of 64 bytes. Two interfaces were
 * proposed to Linux, neither is in it; guests that have either need no other host:
 *
 *   second	0xc6000020 PV_LOCK_FEATURES(id): 0 or -1;  0xc6000021 PV_LOCK_PREEMPTED: the flag's address, in memory of the host's
 *   first	0xc5000040 PV_LOCK_FEATURES(id): the same; 0xc5000041 PV_LOCK_PREEMPTED(address): there, in the guest's RAM, from now on
 *
 * Both begin with SMCCC_ARCH_FEATURES of an id of theirs, which only a KVM that is patched for it answers: the attribute
 * KVM_ARM_VCPU_PVLOCK_CTRL of its vCPUs tells it of the addresses, and it serves the second interface alone. Any other KVM hands the calls
 * over to us, from Linux 6.4 on, and the module lkvm_pvlock writes the flags (vmm/pvlock.h).
 *
 * kernel/patches has that patch, which no released kernel has; what it must offer is what offered_by_kvm() and tell_kvm() ask for.
 *
 * The flags, 64 bytes each by the vCPU's index, are in memory of their own at PVLOCK_BASE, which is no RAM that the guest is told of.
 *
 * Threads: pvlock_call() a vCPU's own, the rest the main thread's.
 */
#include "vmm/pvlock.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "arm/arm.h"
#include "arm/regs.h"
#include "arm/smccc.h"
#include "vmm/memory.h"
#include "vmm/memslot.h"
#include "vmm/vm.h"

/* Linux may give the group's number another meaning, so the second attribute, read only, tells: it is the function's id. */
enum { VCPU_PVLOCK_CTRL = 3, PVLOCK_IPA = 0, PVLOCK_FUNCTION = 1 };

#define V1_FEATURES	0xc5000040U
#define V1_PREEMPTED	0xc5000041U
#define V2_FEATURES	0xc6000020U
#define V2_PREEMPTED	0xc6000021U

#define OK		0ULL
#define NOT_SUPPORTED	(~0ULL)

static u64 flag_gpa(const struct vcpu *vcpu)
{
	return PVLOCK_BASE + (u64)vcpu->index * PVLOCK_STRUCT;
}

/* What is no RAM stays where it is. Whatever happens, the flag is somewhere. */
static u64 move_flag(struct vcpu *vcpu, u64 gpa)
{
	void *guest = gpa % PVLOCK_STRUCT ? NULL : guest_ptr(&vcpu->vm->mem, gpa, PVLOCK_STRUCT);

	if (!guest)
		return NOT_SUPPORTED;
	vcpu->pvlock.guest = guest;
	if (pvlock_update(vcpu) == 0)
		return OK;
	vcpu->pvlock.guest = NULL;
	if (pvlock_update(vcpu) < 0)
		vcpu_crashed(vcpu, "--pv-lock: the flag is lost");
	return NOT_SUPPORTED;
}

static bool pvlock_call(struct vcpu *vcpu, u32 id, u64 ret[SMCCC_RESULTS])
{
	u64 arg;

	if (arm_get_reg(vcpu, REG_X(1), &arg) < 0)
		return false;
	switch (id) {
	case V1_FEATURES:
		ret[0] = arg == V1_FEATURES || arg == V1_PREEMPTED ? OK : NOT_SUPPORTED;
		return true;
	case V2_FEATURES:
		ret[0] = arg == V2_FEATURES || arg == V2_PREEMPTED ? OK : NOT_SUPPORTED;
		return true;
	case V1_PREEMPTED:
		ret[0] = move_flag(vcpu, arg);
		return true;
	case V2_PREEMPTED:
		ret[0] = flag_gpa(vcpu);
		return true;
	default:
		return false;
	}
}

const struct smccc_range pvlock_table[] = {
	{ V1_FEATURES, 2, SMCCC_FORWARD, pvlock_call },
	{ V2_FEATURES, 2, SMCCC_FORWARD, pvlock_call },
};
const unsigned int pvlock_table_nr = ARRAY_SIZE(pvlock_table);

static bool offered_by_kvm(struct vm *vm)
{
	u64 function = 0;
	struct kvm_device_attr ipa = { .group = VCPU_PVLOCK_CTRL, .attr = PVLOCK_IPA };
	struct kvm_device_attr which = { .group = VCPU_PVLOCK_CTRL, .attr = PVLOCK_FUNCTION, .addr = (uintptr_t)&function };

	return ioctl(vm->vcpu[0].fd, KVM_HAS_DEVICE_ATTR, &ipa) == 0 && ioctl(vm->vcpu[0].fd, KVM_GET_DEVICE_ATTR, &which) == 0 &&
	       function == V2_FEATURES;
}

static int tell_kvm(struct vcpu *vcpu)
{
	u64 gpa = flag_gpa(vcpu);
	struct kvm_device_attr attr = { .group = VCPU_PVLOCK_CTRL, .attr = PVLOCK_IPA, .addr = (uintptr_t)&gpa };

	if (ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &attr) < 0)
		return -errno;
	atomic_store(&vcpu->pvlock.kind, PVLOCK_KVM);
	return 0;
}

static int add_memory(struct vm *vm, struct error *err)
{
	void *mem = mmap(NULL, PVLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	if (mem == MAP_FAILED)
		return error_set_errno(err, -errno, "--pv-lock");
	vm->arch->pvlock = mem;
	/* The module pins its pages: a child's copy of them would be no use. */
	madvise(mem, PVLOCK_SIZE, MADV_DONTFORK);
	r = memslot_add(vm, PVLOCK_BASE, PVLOCK_SIZE, mem, 0);
	return r < 0 ? error_set_errno(err, r, "--pv-lock: memory at 0x%llx", PVLOCK_BASE) : 0;
}

int pvlock_create(struct vm *vm, struct error *err)
{
	bool kvm;
	unsigned int i;
	int r;

	if (!vm->cfg.pv_lock)
		return 0;
	if (vm->cfg.cpus > PVLOCK_SIZE / PVLOCK_STRUCT)
		return error_set(err, -EINVAL, "--pv-lock: room for %llu vCPUs", PVLOCK_SIZE / PVLOCK_STRUCT);
	kvm = offered_by_kvm(vm);
	if (!kvm && !smccc_has_filter(vm))
		return error_set(err, -EOPNOTSUPP, "--pv-lock: this host's KVM neither does it itself nor hands hypercalls over (Linux 6.4)");
	r = kvm ? 0 : pvlock_open(vm, err);
	if (!r)
		r = add_memory(vm, err);
	if (!r && !kvm)
		r = smccc_filter(vm, pvlock_table, pvlock_table_nr, err);
	if (r < 0)
		return r;
	for (i = 0; i < vm->cfg.cpus && !r; i++) {
		if (kvm)
			r = tell_kvm(&vm->vcpu[i]);
		else
			vm->vcpu[i].pvlock.home = (char *)vm->arch->pvlock + i * PVLOCK_STRUCT;
	}
	return r < 0 ? error_set_errno(err, r, "--pv-lock: vCPU %u", i - 1) : 0;
}

void pvlock_free(struct vm *vm)
{
	if (vm->arch->pvlock)
		munmap(vm->arch->pvlock, PVLOCK_SIZE);
	vm->arch->pvlock = NULL;
}

void pvlock_reset(struct vcpu *vcpu)
{
	vcpu->pvlock.guest = NULL;
}
