/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which of the guest's hypercalls come to us, and who answers them. Private to arm/ and its tests.
 */
#ifndef ARM_SMCCC_H
#define ARM_SMCCC_H

#include "util/error.h"
#include "util/types.h"

struct vcpu;
struct vm;

/* As KVM numbers them. [Documentation/virt/kvm/devices/vm 5.1] */
enum smccc_action { SMCCC_HANDLE, SMCCC_DENY, SMCCC_FORWARD };

enum { SMCCC_RESULTS = 4 };

struct smccc_range {
	u32 first, count;		/* function ids. No two ranges overlap, nor one KVM's own: Arm's, 0x80000000 and 0xc0000000 on */
	enum smccc_action action;
	/*
	 * SMCCC_FORWARD: serves call @id. @ret is x0 to x3, zeroes until then. Arguments are read by arm_get_reg(). False: there is no such
	 * call. vCPU's thread.
	 */
	bool (*call)(struct vcpu *vcpu, u32 id, u64 ret[SMCCC_RESULTS]);
};

extern const struct smccc_range smccc_table[];
extern const unsigned int smccc_table_nr;
/* pvlock.c's: forwarded with --pv-lock, where KVM does not answer them */
extern const struct smccc_range pvlock_table[];
extern const unsigned int pvlock_table_nr;

/* Does KVM have a filter of hypercalls? */
bool smccc_has_filter(const struct vm *vm);
/* Tells KVM of @nr ranges. 0, also where KVM has no filter; -errno. */
int smccc_filter(struct vm *vm, const struct smccc_range *table, unsigned int nr, struct error *err);
/* Answers call @id of @vcpu by @table. 0 or -errno. */
int smccc_serve(struct vcpu *vcpu, const struct smccc_range *table, unsigned int nr, u32 id);

/*
 * Our own calls: the general queries of the OEM service calls, SMC32. The maker of this platform is lkvm; vendor specific hypervisor
 * calls (0x86000000 on) are KVM's, and their UID says so. [DEN0028 6.1, 6.2]
 */
enum { LKVM_SMCCC_REVISION_MAJOR = 1, LKVM_SMCCC_REVISION_MINOR = 0 };
#define SMCCC_OEM_QUERIES	0x8300ff00U
#define SMCCC_OEM_UID		0x8300ff01U
#define SMCCC_OEM_REVISION	0x8300ff03U
/* 57dba185-1248-4141-afca-8645a30f972a, byte 0 in the low bits of the first word */
#define LKVM_SMCCC_UID		{ 0x85a1db57, 0x41414812, 0x4586caaf, 0x2a970fa3 }

#endif
