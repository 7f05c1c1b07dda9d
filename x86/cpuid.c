/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID [Intel SDM 2A CPUID; AMD APM 3 appendix E]: KVM's list of supported leaves
 * [Documentation/virt/kvm/api 4.46], and on top of it what only we know: each vCPU's APIC id
 * and the shape of the machine. Every leaf that tells of topology is written here, so
 * that none is left to contradict another.
 *
 * The machine is one package of single-threaded cores, numbered as the vCPUs. L1 and L2 are a
 * core's own, L3 is the package's.
 *
 * KVM itself keeps up what follows the guest's registers: OSXSAVE, OSPKE, the
 * APIC bit, sizes in leaf 0xD.
 *
 * Left out: MONITOR/MWAIT (an exit each, unless the host CPU is given away).
 */
#include "x86/cpuid.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	LIST_FIRST = 128,
	LIST_MOST = 4096,
	LIST_EXTRA = 8,		/* entries cpuid_set_vcpu() may add */
	APIC_ID_8BIT_MAX = 255,
};

int cpuid_get_supported(int kvm_fd, struct cpuid *ret, struct error *err)
{
	struct kvm_cpuid2 *list = NULL;
	unsigned int n;
	int r = -E2BIG;

	for (n = LIST_FIRST; r == -E2BIG && n <= LIST_MOST; n *= 2) {
		free(list);
		list = calloc(1, sizeof(*list) + n * sizeof(list->entries[0]));
		if (!list)
			return error_set_errno(err, -ENOMEM, "CPUID list");
		list->nent = n;
		r = ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, list) < 0 ? -errno : 0;
	}
	if (r < 0) {
		free(list);
		return error_set_errno(err, r, "KVM_GET_SUPPORTED_CPUID");
	}
	ret->nr = list->nent;
	ret->room = list->nent + LIST_EXTRA;
	ret->e = calloc(ret->room, sizeof(*ret->e));
	if (ret->e)
		memcpy(ret->e, list->entries, ret->nr * sizeof(*ret->e));
	free(list);
	return ret->e ? 0 : error_set_errno(err, -ENOMEM, "CPUID list");
}

void cpuid_free(struct cpuid *c)
{
	free(c->e);
	memset(c, 0, sizeof(*c));
}

int cpuid_copy(struct cpuid *dst, const struct cpuid *src)
{
	struct kvm_cpuid_entry2 *e = calloc(src->nr + LIST_EXTRA, sizeof(*e));

	if (!e)
		return -ENOMEM;
	memcpy(e, src->e, src->nr * sizeof(*e));
	*dst = (struct cpuid){ .nr = src->nr, .room = src->nr + LIST_EXTRA, .e = e };
	return 0;
}

struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid *c, u32 leaf, u32 subleaf)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->e[i].function == leaf &&
		    (!(c->e[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || c->e[i].index == subleaf))
			return &c->e[i];
	return NULL;
}

u32 *cpuid_reg(struct kvm_cpuid_entry2 *e, enum cpuid_reg reg)
{
	switch (reg) {
	case R_EAX:
		return &e->eax;
	case R_EBX:
		return &e->ebx;
	case R_ECX:
		return &e->ecx;
	default:
		return &e->edx;
	}
}

u32 cpuid_get(const struct cpuid *c, u32 leaf, u32 subleaf, enum cpuid_reg reg)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(c, leaf, subleaf);

	return e ? *cpuid_reg(e, reg) : 0;
}

void cpuid_drop_leaf(struct cpuid *c, u32 leaf)
{
	unsigned int i, n = 0;

	for (i = 0; i < c->nr; i++)
		if (c->e[i].function != leaf)
			c->e[n++] = c->e[i];
	c->nr = n;
}

/* The vendor's name: ebx, edx, ecx. */
static bool vendor_is(const struct cpuid *c, const char *name)
{
	char s[13] = { 0 };
	struct kvm_cpuid_entry2 *e = cpuid_find(c, 0, 0);

	if (!e)
		return false;
	memcpy(s, &e->ebx, 4);
	memcpy(s + 4, &e->edx, 4);
	memcpy(s + 8, &e->ecx, 4);
	return !strcmp(s, name);
}

bool cpuid_is_amd(const struct cpuid *c)
{
	return vendor_is(c, "AuthenticAMD") || vendor_is(c, "HygonGenuine");
}

unsigned int cpuid_phys_bits(const struct cpuid *c)
{
	u32 eax = cpuid_get(c, 0x80000008, 0, R_EAX);
	unsigned int bits = eax & 0xff, guest = eax >> 16 & 0xff;

	/* [APM 3 E.4.7] GuestPhysAddrSize, when not zero, is the limit under nested paging */
	if (guest && guest < bits)
		bits = guest;
	return bits ? bits : 36;	/* [SDM 2A CPUID] without the leaf it is 36 */
}

static void clear_bits(struct cpuid *c, u32 leaf, u32 subleaf, enum cpuid_reg reg, u32 bits)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(c, leaf, subleaf);

	if (e)
		*cpuid_reg(e, reg) &= ~bits;
}

static void set_bits(struct cpuid *c, u32 leaf, u32 subleaf, enum cpuid_reg reg, u32 bits)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(c, leaf, subleaf);

	if (e)
		*cpuid_reg(e, reg) |= bits;
}

void cpuid_prepare(struct cpuid *c, const struct cpuid_caps *caps)
{
	struct kvm_cpuid_entry2 *e;

	clear_bits(c, 1, 0, R_ECX, BIT(3) | BIT(27));	/* MONITOR; OSXSAVE: no CR4 yet */
	cpuid_drop_leaf(c, 5);				/* MONITOR/MWAIT */
	set_bits(c, 1, 0, R_ECX, BIT(31));		/* a hypervisor is present */
	if (caps->tsc_deadline)
		set_bits(c, 1, 0, R_ECX, BIT(24));
	clear_bits(c, 7, 0, R_ECX, BIT(4));		/* OSPKE: no CR4 yet */

	/* Power management: only that the APIC timer runs on (ARAT); no turbo, no energy bias, no HWP. */
	e = cpuid_find(c, 6, 0);
	if (e)
		*e = (struct kvm_cpuid_entry2){ .function = 6, .flags = e->flags, .eax = e->eax & BIT(2) };

	/* [SDM 3B 20.2] no version means no PMU: then PDCM, which tells of a PMU register, is not there either */
	if (!(cpuid_get(c, 0xa, 0, R_EAX) & 0xff)) {
		cpuid_drop_leaf(c, 0xa);
		clear_bits(c, 1, 0, R_ECX, BIT(15));
	}
	if (caps->msi_ext_dest_id)
		set_bits(c, KVM_CPUID_FEATURES, 0, R_EAX, BIT(KVM_FEATURE_MSI_EXT_DEST_ID));
	if (caps->no_steal_time)
		clear_bits(c, KVM_CPUID_FEATURES, 0, R_EAX, BIT(KVM_FEATURE_STEAL_TIME));
	/* Topology of the host, which newer AMD CPUs prefer to ours in leaf 0xB. */
	cpuid_drop_leaf(c, 0x80000026);
}

bool cpuid_has_steal_time(const struct cpuid *c)
{
	return cpuid_get(c, KVM_CPUID_FEATURES, 0, R_EAX) & BIT(KVM_FEATURE_STEAL_TIME);
}

/* --- topology --- */

/* Bits that hold 0 .. n-1. */
static unsigned int bits_for(unsigned int n)
{
	return n > 1 ? 32 - (unsigned int)__builtin_clz(n - 1) : 0;
}

static int append(struct cpuid *c, const struct kvm_cpuid_entry2 *e)
{
	if (c->nr == c->room)
		return -ENOMEM;
	c->e[c->nr++] = *e;
	return 0;
}

/* [SDM 2A CPUID leaf 0BH] Levels: threads of a core, cores of a package, none. Leaf 0x1F has the same form. */
static int set_extended_topology(struct cpuid *c, u32 leaf, unsigned int index, unsigned int cpus)
{
	enum { SMT = 1 << 8, CORE = 2 << 8 };
	const struct kvm_cpuid_entry2 level[] = {
		{ .eax = 0, .ebx = 1, .ecx = SMT },
		{ .eax = bits_for(cpus), .ebx = cpus, .ecx = 1 | CORE },
		{ .ecx = 2 },
	};
	struct kvm_cpuid_entry2 e;
	unsigned int i;
	int r = 0;

	cpuid_drop_leaf(c, leaf);
	for (i = 0; i < ARRAY_SIZE(level) && !r; i++) {
		e = level[i];
		e.function = leaf;
		e.index = i;
		e.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		e.edx = index;
		r = append(c, &e);
	}
	return r;
}

/*
 * Leaf 4 and AMD's 0x8000001D: who shares a cache. [SDM 2A CPUID leaf 04H], [APM 3 E.4.15]
 * @cores: leaf 4 also tells the cores of the package.
 */
static void set_caches(struct cpuid *c, u32 leaf, unsigned int cpus, bool cores)
{
	u32 ids = (1U << bits_for(cpus)) - 1, share;
	struct kvm_cpuid_entry2 *e;
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		e = &c->e[i];
		if (e->function != leaf || !(e->eax & 0x1f))
			continue;
		share = (e->eax >> 5 & 7) >= 3 ? MIN(ids, 0xfffU) : 0;
		e->eax = (e->eax & 0x3fff) | share << 14;
		if (cores)
			e->eax |= MIN(ids, 0x3fU) << 26;
	}
}

static void set_amd_topology(struct cpuid *c, unsigned int index, unsigned int cpus)
{
	struct kvm_cpuid_entry2 *e;

	if (cpus > 1)
		set_bits(c, 0x80000001, 0, R_ECX, BIT(1));	/* CmpLegacy */
	else
		clear_bits(c, 0x80000001, 0, R_ECX, BIT(1));
	e = cpuid_find(c, 0x80000008, 0);
	if (e)	/* [APM 3 E.4.7] NC and ApicIdSize */
		e->ecx = (e->ecx & ~0xf0ffU) | MIN(cpus - 1, 0xffU) | MIN(bits_for(cpus), 0xfU) << 12;
	e = cpuid_find(c, 0x8000001e, 0);
	if (e) {	/* [APM 3 E.4.16] APIC id; core id, one thread per core; node 0 of 1 */
		e->eax = index;
		e->ebx = index & 0xff;
		e->ecx = 0;
		e->edx = 0;
	}
}

int cpuid_set_vcpu(struct cpuid *c, unsigned int index, unsigned int cpus)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(c, 1, 0);
	u32 max;
	int r;

	if (e) {
		e->ebx = (e->ebx & 0xffff) | MIN(cpus, (unsigned int)APIC_ID_8BIT_MAX) << 16 | (index & 0xff) << 24;
		e->edx &= ~BIT(28);
		if (cpus > 1)
			e->edx |= BIT(28);	/* HTT: the count in ebx holds */
	}
	set_caches(c, 4, cpus, true);
	if (cpuid_is_amd(c)) {
		set_caches(c, 0x8000001d, cpus, false);
		set_amd_topology(c, index, cpus);
	}
	e = cpuid_find(c, 0, 0);
	max = e ? e->eax : 0;
	/* x2APIC ids are told nowhere else. */
	if (e && max < 0xb && cpuid_get(c, 1, 0, R_ECX) & BIT(21))
		e->eax = max = 0xb;
	r = max >= 0xb ? set_extended_topology(c, 0xb, index, cpus) : 0;
	if (!r)
		r = max >= 0x1f ? set_extended_topology(c, 0x1f, index, cpus) : 0;
	return r;
}
