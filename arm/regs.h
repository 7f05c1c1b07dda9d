/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's numbers of a vCPU's registers, for arm_get_reg() and arm_set_reg(). [Documentation/virt/kvm/api 4.68 KVM_SET_ONE_REG]
 *
 * Written out, and not taken from the kernel's headers, so that what uses them can be built and tested on any machine. arm/vcpu.c
 * checks them against the headers.
 */
#ifndef ARM_REGS_H
#define ARM_REGS_H

#include "util/types.h"

#define ARM_REG_U32		0x6020000000000000ULL
#define ARM_REG_U64		0x6030000000000000ULL
#define ARM_REG_U128		0x6040000000000000ULL
#define ARM_REG_U512		0x6060000000000000ULL

/* By the place in struct kvm_regs, in units of 4 bytes. */
#define REG_CORE(place)		(ARM_REG_U64 | 0x100000 | (place))
#define REG_X(n)		REG_CORE(2 * (u64)(n))
#define REG_SP_EL0		REG_CORE(62)
#define REG_PC			REG_CORE(64)
#define REG_PSTATE		REG_CORE(66)
#define REG_SP_EL1		REG_CORE(68)
#define REG_ELR_EL1		REG_CORE(70)
#define REG_SPSR_EL1		REG_CORE(72)
#define REG_FPSR		(ARM_REG_U32 | 0x100000 | 212)
#define REG_FPCR		(ARM_REG_U32 | 0x100000 | 213)

#define REG_SYS(op0, op1, crn, crm, op2) \
	(ARM_REG_U64 | 0x130000 | (u64)(op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define REG_MIDR_EL1		REG_SYS(3, 0, 0, 0, 0)
#define REG_MPIDR_EL1		REG_SYS(3, 0, 0, 0, 5)
#define REG_SCTLR_EL1		REG_SYS(3, 0, 1, 0, 0)
#define REG_CPACR_EL1		REG_SYS(3, 0, 1, 0, 2)
#define REG_TTBR0_EL1		REG_SYS(3, 0, 2, 0, 0)
#define REG_TTBR1_EL1		REG_SYS(3, 0, 2, 0, 1)
#define REG_TCR_EL1		REG_SYS(3, 0, 2, 0, 2)
#define REG_AFSR0_EL1		REG_SYS(3, 0, 5, 1, 0)
#define REG_AFSR1_EL1		REG_SYS(3, 0, 5, 1, 1)
#define REG_ESR_EL1		REG_SYS(3, 0, 5, 2, 0)
#define REG_FAR_EL1		REG_SYS(3, 0, 6, 0, 0)
#define REG_PAR_EL1		REG_SYS(3, 0, 7, 4, 0)
#define REG_MAIR_EL1		REG_SYS(3, 0, 10, 2, 0)
#define REG_AMAIR_EL1		REG_SYS(3, 0, 10, 3, 0)
#define REG_VBAR_EL1		REG_SYS(3, 0, 12, 0, 0)
#define REG_CONTEXTIDR_EL1	REG_SYS(3, 0, 13, 0, 1)
#define REG_TPIDR_EL1		REG_SYS(3, 0, 13, 0, 4)
#define REG_TPIDR_EL0		REG_SYS(3, 3, 13, 0, 2)
#define REG_TPIDRRO_EL0		REG_SYS(3, 3, 13, 0, 3)
#define REG_CNTKCTL_EL1		REG_SYS(3, 0, 14, 1, 0)
#define REG_CNTP_CTL_EL0	REG_SYS(3, 3, 14, 2, 1)
#define REG_CNTP_CVAL_EL0	REG_SYS(3, 3, 14, 2, 2)
#define REG_CNTV_CTL_EL0	REG_SYS(3, 3, 14, 3, 1)
/* KVM gives these two each other's encodings, and that is its ABI. */
#define REG_CNTV_CVAL_EL0	REG_SYS(3, 3, 14, 0, 2)
#define REG_CNTVCT_EL0		REG_SYS(3, 3, 14, 3, 2)

/* 8 words: bit n of all is set when vectors of (n + 1) * 128 bits can be had. */
#define REG_SVE_VLS		(ARM_REG_U512 | 0x15ffff)

/* What KVM's firmware offers; bits may be cleared before the first run. [Documentation/virt/kvm/arm/fw-pseudo-registers] */
#define REG_STD_HYP_BMAP	(ARM_REG_U64 | 0x160001)
#define STD_HYP_PV_TIME		1ULL

enum {
	PSTATE_AARCH32 = 0x10, PSTATE_THUMB = 0x20, PSTATE_F = 0x40, PSTATE_I = 0x80, PSTATE_A = 0x100, PSTATE_D = 0x200,
	PSTATE_DAIF = PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F,
	PSTATE_EL1H = 5, PSTATE_EL2H = 9, PSTATE_MODE = 0xf,
	PSTATE_SVC = PSTATE_AARCH32 | 3,
};

#endif
