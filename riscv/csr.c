/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CSRs that KVM leaves to us: SEED, the entropy source. [riscv-crypto-spec-scalar 1.0.1, 4.1 "The seed CSR"], [Documentation/virt/kvm/api 5, KVM_EXIT_RISCV_CSR]
 *
 * A CSR that KVM does not know is an illegal instruction to the guest and never gets here, and we have no way to make one so: KVM takes a
 * value, or nothing. What it forwards beside SEED reads as 0 and is not written: STOPEI of a hart with AIA whose machine has no IMSIC (so
 * nothing is ever pending there), and whatever a newer KVM may add.
 *
 * The vCPU's thread.
 */
#include <errno.h>
#include <sys/random.h>

#include "riscv/riscv.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

enum { CSR_SEED = 0x15 };
enum { SEED_WAIT = 1U << 30 };
#define SEED_ES16 (2U << 30)

/* 16 fresh bits, or "none yet": also to an access that only reads, which the specification forbids for it would leave a copy. */
static unsigned long seed(bool written)
{
	u16 bits;

	if (!written || getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
		return SEED_WAIT;
	return SEED_ES16 | bits;
}

int csr_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->riscv_csr.csr_num) {
	case CSR_SEED:
		run->riscv_csr.ret_value = seed(run->riscv_csr.write_mask);
		break;
	default:
		log_ratelimited(&vcpu->arch->rate, LOG_DEBUG, "vcpu", "vCPU %u: CSR 0x%lx is none of ours", vcpu->index,
				(unsigned long)run->riscv_csr.csr_num);
		run->riscv_csr.ret_value = 0;
	}
	return 0;
}
