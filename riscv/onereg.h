/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of a vCPU by KVM's typed numbers: what is there, what it is called, how wide it is, reading and writing. Private to riscv/ and
 * its tests. [Documentation/virt/kvm/api 4.68 KVM_SET_ONE_REG, 4.69, 4.84 KVM_GET_REG_LIST]
 *
 * The numbers are KVM's ABI. They are written here, since headers as old as Linux 6.1's lack half of them and have others in other places.
 */
#ifndef RISCV_ONEREG_H
#define RISCV_ONEREG_H

#include <linux/kvm.h>

#include "util/types.h"

struct vcpu;

enum onereg_type {
	ONEREG_CONFIG = 1, ONEREG_CORE, ONEREG_CSR, ONEREG_TIMER, ONEREG_FP_F, ONEREG_FP_D, ONEREG_ISA_EXT, ONEREG_SBI_EXT,
	ONEREG_VECTOR, ONEREG_SBI_STATE,
	ONEREG_TYPES
};

/* Subtypes */
enum { ONEREG_CSR_GENERAL, ONEREG_CSR_AIA, ONEREG_CSR_SMSTATEEN };
enum { ONEREG_EXT_SINGLE, ONEREG_EXT_MULTI_EN, ONEREG_EXT_MULTI_DIS };
enum { ONEREG_SBI_STA, ONEREG_SBI_FWFT };

#define ONEREG_U64(type, sub, index) (KVM_REG_RISCV | KVM_REG_SIZE_U64 | (u64)(type) << 24 | (u64)(sub) << 16 | (u64)(index))

/* Indices */
enum {
	CONFIG_ISA, CONFIG_ZICBOM_BLOCK_SIZE, CONFIG_MVENDORID, CONFIG_MARCHID, CONFIG_MIMPID, CONFIG_ZICBOZ_BLOCK_SIZE,
	CONFIG_SATP_MODE, CONFIG_ZICBOP_BLOCK_SIZE
};
enum { CORE_PC = 0, CORE_RA = 1, CORE_SP = 2, CORE_A0 = 10, CORE_A1 = 11, CORE_MODE = 32 };
enum { CSR_SSTATUS, CSR_SIE, CSR_STVEC, CSR_SSCRATCH, CSR_SEPC, CSR_SCAUSE, CSR_STVAL, CSR_SIP, CSR_SATP, CSR_SCOUNTEREN, CSR_SENVCFG };
enum { TIMER_FREQUENCY, TIMER_TIME, TIMER_COMPARE, TIMER_STATE };
enum { MODE_U, MODE_S };		/* values of CORE_MODE */
enum { TIMER_OFF, TIMER_ON };		/* values of TIMER_STATE */

#define ONEREG_CORE_ID(index)	ONEREG_U64(ONEREG_CORE, 0, index)
#define ONEREG_CSR_ID(index)	ONEREG_U64(ONEREG_CSR, ONEREG_CSR_GENERAL, index)
#define ONEREG_TIMER_ID(index)	ONEREG_U64(ONEREG_TIMER, 0, index)
#define ONEREG_CONFIG_ID(index)	ONEREG_U64(ONEREG_CONFIG, 0, index)
#define ONEREG_ISA_ID(ext)	ONEREG_U64(ONEREG_ISA_EXT, ONEREG_EXT_SINGLE, ext)
#define ONEREG_SBI_ID(ext)	ONEREG_U64(ONEREG_SBI_EXT, ONEREG_EXT_SINGLE, ext)

enum {
	ONEREG_NAME = 48,	/* room for a name */
	ONEREG_BYTES = 8192,	/* of the widest: a vector register of 65536 bits */
};

enum onereg_type onereg_type(u64 id);
unsigned int onereg_size(u64 id);	/* bytes; 0: none that a register can have */
/* "csr.sstatus", "core.a0", "isa.zba", "sbi.sta"; one that is not known: "reg.0x8030000003000099". */
void onereg_name(u64 id, char ret[ONEREG_NAME]);

/* Exactly onereg_size() bytes: -EINVAL when @size is another number. */
int onereg_get(struct vcpu *vcpu, u64 id, void *ret, unsigned int size);
/* One that has the value already is set, even where KVM then refuses (a timer that is off, extensions of a vCPU that ran). */
int onereg_set(struct vcpu *vcpu, u64 id, const void *val, unsigned int size);

/* The numbers of all registers that the vCPU has, in KVM's order; the caller frees *ret_id. */
int onereg_list(struct vcpu *vcpu, u64 **ret_id, unsigned int *ret_nr);
/* Calls @fn with each; one that is listed and cannot be read is left out. Stops when @fn gives other than 0, and gives that. */
typedef int (*onereg_fn)(void *arg, u64 id, const u8 *val, unsigned int size);
int onereg_each(struct vcpu *vcpu, onereg_fn fn, void *arg);

/* All registers as they are, and back in an order KVM takes. */
struct riscv_kept;
int onereg_keep(struct vcpu *vcpu, struct riscv_kept **ret);
/* Without @time the guest's clock goes on. Everything is tried; the first error is given, and the register in *ret_id. */
int onereg_put_back(struct vcpu *vcpu, const struct riscv_kept *kept, bool time, u64 *ret_id);
void onereg_forget(struct riscv_kept *kept);

#endif
