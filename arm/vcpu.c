/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An arm64 vCPU: what it is made with, its registers at the start, and the exits only arm64 knows.
 * [Documentation/virt/kvm/api 4.82 KVM_ARM_VCPU_INIT, 4.83 KVM_ARM_PREFERRED_TARGET], [Documentation/arch/arm64/booting 4.]
 *
 * KVM_ARM_VCPU_INIT brings all a vCPU has, timers, counters and debug registers too, to what it is at power on; so a restart in place
 * is the same call again, with the same features. vCPU 0 enters the guest; the others wait for PSCI CPU_ON, as after a real reset.
 *
 * Left out: NMI. GICv3.3 has one, no KVM does.
 *
 * Threads: arch_vcpu_exit() is the vCPU's own; the rest the main thread's.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "arm/regs.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

enum { VCPU_HAS_EL2 = 7 };	/* KVM_ARM_VCPU_HAS_EL2, Linux 6.11 */
enum { VLS_WORDS = 8, VQ_BITS = 128 };
#define MPIDR_AFFINITY	0xff00ffffffULL

_Static_assert(REG_PC == (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc)), "core registers");
_Static_assert(REG_FPCR == (KVM_REG_ARM64 | KVM_REG_SIZE_U32 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(fp_regs.fpcr)), "core registers");
_Static_assert(REG_MPIDR_EL1 == ARM64_SYS_REG(3, 0, 0, 0, 5) && REG_CNTV_CVAL_EL0 == KVM_REG_ARM_TIMER_CVAL, "system registers");
_Static_assert(REG_SVE_VLS == KVM_REG_ARM64_SVE_VLS && REG_STD_HYP_BMAP == KVM_REG_ARM_STD_HYP_BMAP, "other registers");

int arm_get_reg(struct vcpu *vcpu, u64 id, void *val)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)val };

	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) < 0 ? -errno : 0;
}

int arm_set_reg(struct vcpu *vcpu, u64 id, const void *val)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)val };

	return ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg) < 0 ? -errno : 0;
}

/* --- power on --- */

static void add_feature(struct kvm_vcpu_init *init, unsigned int bit, bool on)
{
	if (on)
		init->features[bit / 32] |= 1U << bit % 32;
}

static int init_vcpu(struct vcpu *vcpu)
{
	const struct arm_features *f = &vcpu->vm->arch->features;
	struct kvm_vcpu_init init = { .target = vcpu->arch->target };

	add_feature(&init, KVM_ARM_VCPU_PSCI_0_2, true);
	add_feature(&init, KVM_ARM_VCPU_POWER_OFF, vcpu->index > 0);
	add_feature(&init, KVM_ARM_VCPU_EL1_32BIT, f->aarch32);
	add_feature(&init, KVM_ARM_VCPU_PMU_V3, f->pmu);
	add_feature(&init, KVM_ARM_VCPU_SVE, f->sve);
	add_feature(&init, KVM_ARM_VCPU_PTRAUTH_ADDRESS, f->pauth);
	add_feature(&init, KVM_ARM_VCPU_PTRAUTH_GENERIC, f->pauth);
	add_feature(&init, VCPU_HAS_EL2, f->nested);
	return ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &init) < 0 ? -errno : 0;
}

/* Vectors longer than --sve-max-vl are gone: KVM takes any set that has all the host's lengths up to some longest. */
static int limit_vectors(struct vcpu *vcpu, unsigned int max_vl)
{
	unsigned int vq = max_vl / VQ_BITS, i;
	u64 vls[VLS_WORDS];
	int r;

	r = arm_get_reg(vcpu, REG_SVE_VLS, vls);
	if (r < 0)
		return r;
	for (i = 0; i < VLS_WORDS; i++) {
		if (vq <= i * 64)
			vls[i] = 0;
		else if (vq < i * 64 + 64)
			vls[i] &= BIT_ULL(vq - i * 64) - 1;
	}
	return arm_set_reg(vcpu, REG_SVE_VLS, vls);
}

/* What is said once in a vCPU's life. */
static int finalize(struct vcpu *vcpu)
{
	const struct arm_features *f = &vcpu->vm->arch->features;
	int feature = KVM_ARM_VCPU_SVE, r = 0;

	if (!f->sve)
		return 0;
	if (f->sve_max_vl)
		r = limit_vectors(vcpu, f->sve_max_vl);
	if (!r && ioctl(vcpu->fd, KVM_ARM_VCPU_FINALIZE, &feature) < 0)
		r = -errno;
	return r;
}

/* An access that the CPU does not describe is told to us, for KVM would end the VM with an error that does not say where it was. */
static void want_undescribed_accesses(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_NISV_TO_USER };

	if (vm_check_cap(vm, KVM_CAP_ARM_INJECT_EXT_DABT) && ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap) < 0)
		log_debug("vcpu", "KVM does not tell of accesses it cannot decode");
}

int arch_vcpu_init(struct vcpu *vcpu, struct error *err)
{
	struct kvm_vcpu_init target;
	int r;

	vcpu->arch = calloc(1, sizeof(*vcpu->arch));
	if (!vcpu->arch)
		return error_set_errno(err, -ENOMEM, "vCPU %u", vcpu->index);
	if (!vcpu->index)
		want_undescribed_accesses(vcpu->vm);
	r = ioctl(vcpu->vm->vm_fd, KVM_ARM_PREFERRED_TARGET, &target) < 0 ? -errno : 0;
	if (r < 0)
		return error_set_errno(err, r, "vCPU %u: KVM has no guests on this CPU", vcpu->index);
	vcpu->arch->target = target.target;
	r = init_vcpu(vcpu);
	if (r < 0)
		return error_set_errno(err, r, "vCPU %u: KVM does not take these features together (--cpu, --nested, --aarch32)",
				       vcpu->index);
	r = finalize(vcpu);
	if (r < 0)
		return error_set_errno(err, r, "vCPU %u: SVE", vcpu->index);
	r = arm_get_reg(vcpu, REG_MPIDR_EL1, &vcpu->arch->mpidr);
	vcpu->arch->mpidr &= MPIDR_AFFINITY;
	return r < 0 ? error_set_errno(err, r, "vCPU %u: MPIDR_EL1", vcpu->index) : 0;
}

void arch_vcpu_free(struct vcpu *vcpu)
{
	free(vcpu->arch);
	vcpu->arch = NULL;
}

/* [arm64 booting 4.]; of a 32-bit kernel [Documentation/arch/arm/booting 5.]: r1 is no machine's number, r2 the tree. */
static int set_entry(struct vcpu *vcpu)
{
	const struct arch_vm *arch = vcpu->vm->arch;
	bool aarch32 = arch->features.aarch32;
	const struct { u64 id, val; } reg[] = {
		{ REG_X(0), aarch32 ? 0 : arch->entry.dtb },
		{ REG_X(1), aarch32 ? 0xffffffff : 0 },
		{ REG_X(2), aarch32 ? arch->entry.dtb : 0 },
		{ REG_X(3), 0 },
		{ REG_PC, arch->entry.kernel },
		{ REG_PSTATE, aarch32 ? PSTATE_SVC | PSTATE_A | PSTATE_I | PSTATE_F :
			      PSTATE_DAIF | (arch->features.nested ? PSTATE_EL2H : PSTATE_EL1H) },
	};
	unsigned int i;
	int r = 0;

	for (i = 0; i < ARRAY_SIZE(reg) && !r; i++)
		r = arm_set_reg(vcpu, reg[i].id, &reg[i].val);
	return r;
}

int arch_vcpu_reset(struct vcpu *vcpu, struct error *err)
{
	int r = 0;

	pvlock_reset(vcpu);
	if (vcpu->arch->was_reset)	/* the first has all from arch_vcpu_init() */
		r = init_vcpu(vcpu);
	if (!r && !vcpu->index)
		r = set_entry(vcpu);
	if (r < 0)
		return error_set_errno(err, r, "vCPU %u: setting registers", vcpu->index);
	vcpu->arch->was_reset = true;
	return 0;
}

/* --- exits --- */

/*
 * A load or store of a device's memory that the CPU gives no syndrome for: of a pair, with write-back, of a vector. KVM has not moved
 * PC. Answered as a bus that has no such access: an external abort, which a guest kernel turns into a signal of the process that did it.
 */
static int undescribed_access(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };
	u64 pc = 0;

	arm_get_reg(vcpu, REG_PC, &pc);
	log_ratelimited(&vcpu->arch->nisv_rate, LOG_WARNING, "vcpu",
			"vCPU %u, PC %016llx: an access to 0x%llx that cannot be emulated (pair, write-back or vector): external abort",
			vcpu->index, (unsigned long long)pc, (unsigned long long)vcpu->run->arm_nisv.fault_ipa);
	return ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) < 0 ? -errno : 0;
}

int arch_vcpu_exit(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_HYPERCALL:
		return smccc_exit(vcpu);
	case KVM_EXIT_ARM_NISV:
		return undescribed_access(vcpu);
	default:
		return -ENOSYS;
	}
}

int arch_vcpu_nmi(struct vcpu *vcpu)
{
	return -EOPNOTSUPP;
}

/* KVM has no way to tell the guest. */
void arch_vcpu_paused(struct vcpu *vcpu)
{
}
