/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What CPUID tells the guest: KVM's list of what it can do, edited. Private to x86/.
 * Tables are plain memory, so that tests can craft them. Main thread.
 */
#ifndef X86_CPUID_H
#define X86_CPUID_H

#include <linux/kvm.h>

#include "util/error.h"
#include "util/types.h"

enum cpuid_reg { R_EAX, R_EBX, R_ECX, R_EDX };

struct cpuid {
	unsigned int nr, room;
	struct kvm_cpuid_entry2 *e;	/* owned */
};

/* KVM_GET_SUPPORTED_CPUID, however long it is. */
int cpuid_get_supported(int kvm_fd, struct cpuid *ret, struct error *err);
void cpuid_free(struct cpuid *c);
int cpuid_copy(struct cpuid *dst, const struct cpuid *src);

/* NULL: the list has no such leaf, so it reads as zeroes. */
struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid *c, u32 leaf, u32 subleaf);
u32 *cpuid_reg(struct kvm_cpuid_entry2 *e, enum cpuid_reg reg);
u32 cpuid_get(const struct cpuid *c, u32 leaf, u32 subleaf, enum cpuid_reg reg);
void cpuid_drop_leaf(struct cpuid *c, u32 leaf);
/* AMD and those that follow it (Hygon). */
bool cpuid_is_amd(const struct cpuid *c);
/* Bits of a guest physical address. */
unsigned int cpuid_phys_bits(const struct cpuid *c);

struct cpuid_caps {
	bool no_steal_time;	/* the guest is not told how long its CPUs were kept from running */
	bool tsc_deadline;	/* KVM_CAP_TSC_DEADLINE_TIMER: the list of older kernels does not tell */
	bool msi_ext_dest_id;	/* MSI addresses carry 15 bits of APIC id: see x86_msi_address() */
};

/* From KVM's list to what is the same for each vCPU, before the user's wishes. */
void cpuid_prepare(struct cpuid *c, const struct cpuid_caps *caps);
/* KVM tells the guest of stolen time and, beside it, whether the vCPU is off its CPU. [Documentation/virt/kvm/x86/msr MSR_KVM_STEAL_TIME] */
bool cpuid_has_steal_time(const struct cpuid *c);
/* APIC ids and topology: one package of @cpus cores. -ENOMEM. */
int cpuid_set_vcpu(struct cpuid *c, unsigned int index, unsigned int cpus);

/* --- cpu-features.c: names of features, and what hangs on what --- */

/* "host[,+feat|-feat]...": is it well formed, and are the names known? */
int cpu_spec_check(const char *spec, struct error *err);
/* Applies it. -EINVAL names the feature that KVM does not have, or that needs a removed one. */
int cpu_spec_apply(struct cpuid *c, const char *spec, struct error *err);

#endif
