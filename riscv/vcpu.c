/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A riscv64 vCPU: registers at power on or at a kernel's entry, and the exits only riscv knows.
 * [Linux Documentation/arch/riscv/boot], [riscv-sbi 2.0, 9 HSM], [Documentation/virt/kvm/api 4.38, 4.68]
 *
 * A new vCPU of KVM is at its power-on state: in S mode, address translation and interrupts off. vCPU 0 gets its entry point; the others are
 * stopped until the guest starts them by SBI, which KVM serves and which resets them to that state. A vCPU's hart id is its index.
 *
 * For a later reset (cfg.reboot) the first has kept all registers.
 *
 * Left out: the clock goes on over a restart in place, as it does on boards; performance counters go on until the kernel stops them.
 *
 * Threads: arch_vcpu_exit() is the vCPU's own; the rest the main thread's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "riscv/onereg.h"
#include "riscv/riscv.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

static int enter_kernel(struct vcpu *vcpu)
{
	const struct { u64 id, val; } entry[] = {
		{ ONEREG_CORE_ID(CORE_PC), vcpu->vm->arch->entry.kernel },
		{ ONEREG_CORE_ID(CORE_A0), vcpu->index },
		{ ONEREG_CORE_ID(CORE_A1), vcpu->vm->arch->entry.dtb },
		{ ONEREG_CORE_ID(CORE_MODE), MODE_S },
	};
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < ARRAY_SIZE(entry); i++)
		r = riscv_set_reg(vcpu, entry[i].id, entry[i].val);
	return r;
}

static int reset_registers(struct vcpu *vcpu, struct error *err)
{
	char name[ONEREG_NAME];
	u64 id = 0;
	int r;

	if (vcpu->arch->was_reset) {
		r = onereg_put_back(vcpu, vcpu->arch->kept, false, &id);
		onereg_name(id, name);
		return r < 0 ? error_set_errno(err, r, "vCPU %u: setting register %s back", vcpu->index, name) : 0;
	}
	r = vcpu->vm->cfg.reboot ? onereg_keep(vcpu, &vcpu->arch->kept) : 0;
	return r < 0 ? error_set_errno(err, r, "vCPU %u: reading registers", vcpu->index) : 0;
}

int arch_vcpu_reset(struct vcpu *vcpu, struct error *err)
{
	struct kvm_mp_state mp = { .mp_state = vcpu->index ? KVM_MP_STATE_STOPPED : KVM_MP_STATE_RUNNABLE };
	int r;

	r = reset_registers(vcpu, err);
	if (r < 0)
		return r;
	if (!vcpu->index) {
		sbi_reset(vcpu->vm);
		r = enter_kernel(vcpu);
	}
	if (!r && ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp) < 0)
		r = -errno;
	if (r < 0)
		return error_set_errno(err, r, "vCPU %u: setting registers", vcpu->index);
	vcpu->arch->was_reset = true;
	return 0;
}

int arch_vcpu_init(struct vcpu *vcpu, struct error *err)
{
	struct arch_vm *arch = vcpu->vm->arch;
	int r;

	vcpu->arch = calloc(1, sizeof(*vcpu->arch));
	r = vcpu->arch ? 0 : -ENOMEM;
	if (!r && !arch->console)
		r = sbi_init(vcpu->vm);
	if (r < 0)
		return error_set_errno(err, r, "vCPU %u", vcpu->index);
	r = isa_apply(vcpu, err);
	if (r < 0 || arch->timebase)
		return r;
	r = riscv_get_reg(vcpu, ONEREG_TIMER_ID(TIMER_FREQUENCY), &arch->timebase);
	return r < 0 ? error_set_errno(err, r, "vCPU %u: frequency of the timer", vcpu->index) : 0;
}

void arch_vcpu_free(struct vcpu *vcpu)
{
	if (!vcpu->arch)
		return;
	onereg_forget(vcpu->arch->kept);
	free(vcpu->arch);
	vcpu->arch = NULL;
	sbi_free(vcpu->vm);
}

int arch_vcpu_exit(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_RISCV_SBI:
		vcpu->pending_io = true;
		return sbi_exit(vcpu);
	case KVM_EXIT_RISCV_CSR:
		vcpu->pending_io = true;
		return csr_exit(vcpu);
	}
	return -ENOSYS;
}

/* There is no interrupt that a guest cannot mask. */
int arch_vcpu_nmi(struct vcpu *vcpu)
{
	return -EOPNOTSUPP;
}

/* KVM has no way to tell the guest. */
void arch_vcpu_paused(struct vcpu *vcpu)
{
}
