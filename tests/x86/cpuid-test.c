/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID on crafted lists: topology of each vCPU, and features that leave every leaf that tells of them.
 *
 * links: x86/cpuid.c x86/cpu-features.c util/error.c
 */
#include <asm/kvm_para.h>
#include <errno.h>

#include "tests/tap.h"
#include "util/error.h"
#include "x86/cpuid.h"

#define ALL 0xffffffffU

static struct cpuid table;

static struct kvm_cpuid_entry2 *put(u32 leaf, int subleaf, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	struct kvm_cpuid_entry2 *e = &table.e[table.nr++];

	*e = (struct kvm_cpuid_entry2){ .function = leaf, .eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx };
	if (subleaf >= 0) {
		e->index = (u32)subleaf;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
	return e;
}

/* A CPU that has everything: each feature bit set. Cache leaves tell of another machine's sharing. */
static void make(const char *vendor, u32 max)
{
	u32 b, c, d, i;

	free(table.e);
	table = (struct cpuid){ .room = 80, .e = calloc(80, sizeof(*table.e)) };
	memcpy(&b, vendor, 4);
	memcpy(&d, vendor + 4, 4);
	memcpy(&c, vendor + 8, 4);
	put(0, -1, max, b, c, d);
	put(1, -1, 0x00a10f11, 0x55550800, ALL, ALL);
	for (i = 0; i < 4; i++)
		put(4, (int)i, (i ? i : 1) << 5 | 1 | 0xfc000000 | 5 << 14, 0, 0, 0);
	put(4, 4, 0, 0, 0, 0);
	put(5, -1, 64, 64, 3, 0);
	put(6, -1, 0x77, 2, 9, 0);
	put(7, 0, 2, ALL, ALL, ALL);
	put(7, 1, ALL, 0, 0, ALL);
	put(0xa, -1, 0x07300805, 0, 0, 0x603);
	put(0xb, 0, 1, 2, 0x100, 77);
	put(0xd, 0, 0x602e7, 11008, 11008, 0);
	put(0xd, 1, 0x1f, 0, 0x1800, 0);
	put(0xd, 2, 256, 576, 0, 0);
	put(0xd, 5, 64, 1088, 0, 0);
	put(0xd, 6, 512, 1152, 0, 0);
	put(0xd, 7, 1024, 1664, 0, 0);
	put(0xd, 9, 8, 2688, 0, 0);
	put(0xd, 11, 16, 0, 1, 0);
	put(0xd, 12, 24, 0, 1, 0);
	put(0xd, 17, 64, 2752, 2, 0);
	put(0xd, 18, 8192, 2816, 6, 0);
	put(0x1d, 0, 1, 0, 0, 0);
	put(0x1e, 0, 0, 0, 0, 0);
	put(0x24, 0, 0, 0, 0, 0);
	put(0x80000000, -1, 0x80000026, b, c, d);
	put(0x80000001, -1, 0, 0, ALL, ALL);
	put(0x80000007, -1, 0, 0, 0, 0x100);
	put(0x80000008, -1, 0x3030, ALL, 0x7001, 0);
	put(0x8000000a, -1, 1, 0, 0, ALL);
	put(0x8000001d, 0, 0x121 | 9 << 14, 0, 0, 0);
	put(0x8000001d, 1, 0x163 | 9 << 14, 0, 0, 0);
	put(0x8000001d, 2, 0, 0, 0, 0);
	put(0x8000001e, -1, 88, 0x0305, 7, 0);
	put(0x80000022, -1, 1, 6, 0, 0);
	put(0x80000026, 0, 1, 2, 3, 4);
	put(KVM_CPUID_SIGNATURE, -1, KVM_CPUID_FEATURES, 0x4b4d564b, 0x564b4d56, 0x4d);
	put(KVM_CPUID_FEATURES, -1, 0x7efb, 0, 0, 0);
}

static const struct cpuid_caps caps = { .tsc_deadline = true };

static void make_amd(void)
{
	make("AuthenticAMD", 0x1c);
	cpuid_prepare(&table, &caps);
}

static void make_intel(void)
{
	make("GenuineIntel", 0x24);
	cpuid_prepare(&table, &caps);
}

static u32 reg(u32 leaf, u32 sub, enum cpuid_reg r)
{
	return cpuid_get(&table, leaf, sub, r);
}

static int apply(const char *spec)
{
	static struct error err;

	return cpu_spec_apply(&table, spec, &err);
}

/* --- what all vCPUs have in common --- */

TEST(monitor_is_hidden_and_hypervisor_shown)
{
	make_intel();
	CHECK_EQ(reg(1, 0, R_ECX) >> 3 & 1, 0);
	CHECK(!cpuid_find(&table, 5, 0));
	CHECK_EQ(reg(1, 0, R_ECX) >> 31, 1);
	CHECK_EQ(reg(1, 0, R_ECX) >> 27 & 1, 0);	/* OSXSAVE follows CR4 */
	CHECK_EQ(reg(7, 0, R_ECX) >> 4 & 1, 0);		/* OSPKE */
	CHECK_EQ(reg(6, 0, R_EAX), 4);			/* ARAT alone */
	CHECK_EQ(reg(6, 0, R_ECX), 0);
}

TEST(stolen_time_can_be_hidden)
{
	const struct cpuid_caps hidden = { .no_steal_time = true };

	make("GenuineIntel", 0x24);
	cpuid_prepare(&table, &caps);
	CHECK_EQ(reg(KVM_CPUID_FEATURES, 0, R_EAX), 0x7efb);
	CHECK(cpuid_has_steal_time(&table));
	make("GenuineIntel", 0x24);
	cpuid_prepare(&table, &hidden);
	CHECK_EQ(reg(KVM_CPUID_FEATURES, 0, R_EAX), 0x7efb & ~BIT(KVM_FEATURE_STEAL_TIME));
	CHECK(!cpuid_has_steal_time(&table));
}

TEST(tsc_deadline_comes_from_the_capability)
{
	const struct cpuid_caps none = { 0 };

	make("GenuineIntel", 0x1f);
	cpuid_find(&table, 1, 0)->ecx = 0;
	cpuid_prepare(&table, &none);
	CHECK_EQ(reg(1, 0, R_ECX) >> 24 & 1, 0);
	cpuid_prepare(&table, &caps);
	CHECK_EQ(reg(1, 0, R_ECX) >> 24 & 1, 1);
}

TEST(no_pmu_version_no_pmu_at_all)
{
	make("GenuineIntel", 0x1f);
	cpuid_find(&table, 0xa, 0)->eax = 0;
	cpuid_prepare(&table, &caps);
	CHECK(!cpuid_find(&table, 0xa, 0));
	CHECK_EQ(reg(1, 0, R_ECX) >> 15 & 1, 0);
	make_intel();
	CHECK_EQ(reg(0xa, 0, R_EAX) & 0xff, 5);
	CHECK_EQ(reg(1, 0, R_ECX) >> 15 & 1, 1);
}

TEST(extended_msi_ids_are_told_only_when_there)
{
	const struct cpuid_caps ext = { .msi_ext_dest_id = true };

	make("AuthenticAMD", 0x1c);
	cpuid_prepare(&table, &caps);
	CHECK_EQ(reg(KVM_CPUID_FEATURES, 0, R_EAX) >> 15 & 1, 0);
	cpuid_prepare(&table, &ext);
	CHECK_EQ(reg(KVM_CPUID_FEATURES, 0, R_EAX) >> 15 & 1, 1);
}

TEST(physical_bits_are_the_smaller_of_both)
{
	make_amd();
	CHECK_EQ(cpuid_phys_bits(&table), 48);
	cpuid_find(&table, 0x80000008, 0)->eax = 0x2c3034;
	CHECK_EQ(cpuid_phys_bits(&table), 44);
	cpuid_drop_leaf(&table, 0x80000008);
	CHECK_EQ(cpuid_phys_bits(&table), 36);
}

/* --- topology --- */

TEST(each_vcpu_has_its_own_ids)
{
	static const unsigned int cpus[] = { 1, 2, 3, 4, 255, 256, 257, 288, 4096 };
	static const unsigned int bits[] = { 0, 1, 2, 2, 8, 8, 9, 9, 12 };
	unsigned int i, k, last, ids[2];

	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		ids[0] = 0;
		ids[1] = last = cpus[i] - 1;
		for (k = 0; k < 2; k++) {
			make_intel();
			CHECK_EQ(cpuid_set_vcpu(&table, ids[k], cpus[i]), 0);
			CHECK_EQ(reg(1, 0, R_EBX) >> 24, ids[k] & 0xff);
			CHECK_EQ(reg(1, 0, R_EBX) >> 16 & 0xff, cpus[i] > 255 ? 255 : cpus[i]);
			CHECK_EQ(reg(1, 0, R_EBX) & 0xffff, 0x0800);
			CHECK_EQ(reg(1, 0, R_EDX) >> 28 & 1, cpus[i] > 1);
			CHECK_EQ(reg(0xb, 0, R_EDX), ids[k]);
			CHECK_EQ(reg(0xb, 2, R_EDX), ids[k]);
			CHECK_EQ(reg(0xb, 0, R_EAX), 0);
			CHECK_EQ(reg(0xb, 0, R_EBX), 1);
			CHECK_EQ(reg(0xb, 0, R_ECX), 0x100);
			CHECK_EQ(reg(0xb, 1, R_EAX), bits[i]);
			CHECK_EQ(reg(0xb, 1, R_EBX), cpus[i]);
			CHECK_EQ(reg(0xb, 1, R_ECX), 0x201);
			CHECK_EQ(reg(0xb, 2, R_EBX), 0);
			CHECK_EQ(reg(0xb, 2, R_ECX), 2);
			CHECK_EQ(reg(0x1f, 1, R_EAX), bits[i]);
			CHECK_EQ(reg(0x1f, 1, R_EDX), ids[k]);
		}
		CHECK(last >> bits[i] == 0);
	}
}

TEST(caches_are_shared_at_level_three)
{
	make_intel();
	CHECK_EQ(cpuid_set_vcpu(&table, 1, 6), 0);
	CHECK_EQ(reg(4, 0, R_EAX) >> 14 & 0xfff, 0);
	CHECK_EQ(reg(4, 2, R_EAX) >> 14 & 0xfff, 0);
	CHECK_EQ(reg(4, 3, R_EAX) >> 14 & 0xfff, 7);
	CHECK_EQ(reg(4, 0, R_EAX) >> 26, 7);
	CHECK_EQ(reg(4, 4, R_EAX), 0);
	make_intel();
	CHECK_EQ(cpuid_set_vcpu(&table, 1, 288), 0);
	CHECK_EQ(reg(4, 3, R_EAX) >> 14 & 0xfff, 511);
	CHECK_EQ(reg(4, 3, R_EAX) >> 26, 63);		/* all the field can say */
}

TEST(amd_leaves_agree)
{
	make_amd();
	CHECK_EQ(cpuid_set_vcpu(&table, 3, 6), 0);
	CHECK_EQ(reg(0x80000008, 0, R_ECX), 0x3005);
	CHECK_EQ(reg(0x8000001e, 0, R_EAX), 3);
	CHECK_EQ(reg(0x8000001e, 0, R_EBX), 3);
	CHECK_EQ(reg(0x8000001e, 0, R_ECX), 0);
	CHECK_EQ(reg(0x8000001d, 0, R_EAX) >> 14, 0);
	CHECK_EQ(reg(0x8000001d, 1, R_EAX) >> 14, 7);
	CHECK_EQ(reg(0x80000001, 0, R_ECX) >> 1 & 1, 1);
	CHECK(!cpuid_find(&table, 0x80000026, 0));
	CHECK(!cpuid_find(&table, 0x1f, 0));		/* beyond leaf 0's number */
	make_amd();
	CHECK_EQ(cpuid_set_vcpu(&table, 0, 1), 0);
	CHECK_EQ(reg(0x80000001, 0, R_ECX) >> 1 & 1, 0);
	CHECK_EQ(reg(0x80000008, 0, R_ECX), 0);
}

TEST(intel_does_not_get_amd_topology)
{
	make_intel();
	CHECK_EQ(cpuid_set_vcpu(&table, 3, 6), 0);
	CHECK_EQ(reg(0x80000008, 0, R_ECX), 0x7001);
	CHECK_EQ(reg(0x8000001e, 0, R_EAX), 88);
}

TEST(x2apic_ids_are_told_even_by_a_short_list)
{
	make("AuthenticAMD", 7);
	cpuid_prepare(&table, &caps);
	CHECK_EQ(cpuid_set_vcpu(&table, 280, 288), 0);
	CHECK_EQ(reg(0, 0, R_EAX), 0xb);
	CHECK_EQ(reg(0xb, 1, R_EDX), 280);
}

TEST(a_full_list_is_an_error)
{
	make_intel();
	while (table.nr < table.room)
		put(0x4000ffff, -1, 0, 0, 0, 0);
	cpuid_drop_leaf(&table, 5);
	CHECK_EQ(cpuid_set_vcpu(&table, 0, 1), -ENOMEM);
}

/* --- --cpu --- */

TEST(removed_avx_is_gone_everywhere)
{
	make_intel();
	CHECK_EQ(apply("host,-avx"), 0);
	CHECK_EQ(reg(1, 0, R_ECX) & (BIT(12) | BIT(28) | BIT(29)), 0);		/* fma avx f16c */
	CHECK_EQ(reg(1, 0, R_ECX) >> 26 & 1, 1);				/* xsave stays */
	CHECK_EQ(reg(7, 0, R_EBX) & (BIT(5) | 0xdc230000), 0);			/* avx2, avx512 */
	CHECK_EQ(reg(7, 0, R_EBX) >> 3 & 1, 1);					/* bmi1 stays */
	CHECK_EQ(reg(7, 0, R_ECX) & (BIT(1) | BIT(6) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14)), 0);
	CHECK_EQ(reg(7, 0, R_EDX) & (BIT(2) | BIT(3) | BIT(8) | BIT(23)), 0);
	CHECK_EQ(reg(7, 1, R_EAX) & (BIT(4) | BIT(5) | BIT(23)), 0);
	CHECK_EQ(reg(7, 1, R_EDX) >> 19 & 1, 0);
	CHECK(!cpuid_find(&table, 0x24, 0));					/* avx10 */
	CHECK_EQ(reg(0xd, 0, R_EAX), 0x60203);					/* x87 sse pkru tile */
	CHECK(!cpuid_find(&table, 0xd, 2) && !cpuid_find(&table, 0xd, 5) && !cpuid_find(&table, 0xd, 7));
	CHECK(cpuid_find(&table, 0xd, 9));
	CHECK_EQ(reg(0xd, 0, R_ECX), 2816 + 8192);
}

TEST(xstate_size_shrinks_with_its_last_component)
{
	make_intel();
	CHECK_EQ(apply("host,-amx_tile,-pku"), 0);
	CHECK_EQ(reg(0xd, 0, R_EAX), 0xe7);
	CHECK_EQ(reg(0xd, 0, R_ECX), 2688);
	CHECK_EQ(reg(0xd, 0, R_EBX), 2688);
	CHECK(!cpuid_find(&table, 0x1d, 0) && !cpuid_find(&table, 0x1e, 0));
	CHECK_EQ(reg(7, 0, R_EDX) & (BIT(22) | BIT(24) | BIT(25)), 0);
	CHECK_EQ(reg(7, 0, R_ECX) >> 3 & 1, 0);
	/* a supervisor state has no place in the standard form, and stays */
	CHECK(cpuid_find(&table, 0xd, 11));
	CHECK_EQ(apply("host,-user_shstk"), 0);
	CHECK(cpuid_find(&table, 0xd, 11));		/* ibt needs it too */
	CHECK_EQ(apply("host,-user_shstk,-ibt"), 0);
	CHECK(!cpuid_find(&table, 0xd, 11) && !cpuid_find(&table, 0xd, 12));
	CHECK_EQ(reg(0xd, 1, R_ECX), 0);
}

TEST(removed_xsave_takes_leaf_d_along)
{
	make_amd();
	CHECK_EQ(apply("host,-xsave"), 0);
	CHECK(!cpuid_find(&table, 0xd, 0) && !cpuid_find(&table, 0xd, 1) && !cpuid_find(&table, 0xd, 2));
	CHECK_EQ(reg(1, 0, R_ECX) & (BIT(26) | BIT(28)), 0);
	CHECK_EQ(reg(7, 0, R_EBX) & (BIT(5) | BIT(16)), 0);
	CHECK_EQ(reg(7, 0, R_ECX) >> 3 & 1, 0);					/* pku */
	CHECK_EQ(reg(0x80000001, 0, R_ECX) & (BIT(11) | BIT(16)), 0);		/* xop fma4 */
	CHECK_EQ(reg(1, 0, R_ECX) >> 20 & 1, 1);				/* sse4_2 stays */
}

TEST(amd_copies_follow_leaf_1)
{
	make_amd();
	CHECK_EQ(apply("host,-mtrr,-mmx"), 0);
	CHECK_EQ(reg(1, 0, R_EDX) & (BIT(12) | BIT(23)), 0);
	CHECK_EQ(reg(0x80000001, 0, R_EDX) & (BIT(12) | BIT(23)), 0);
	CHECK_EQ(reg(0x80000001, 0, R_EDX) & (BIT(22) | BIT(30) | BIT(31)), 0);	/* mmxext 3dnow */
	CHECK_EQ(reg(0x80000001, 0, R_EDX) >> 20 & 1, 1);
	CHECK_EQ(reg(0x80000001, 0, R_EDX) >> 4 & 1, 1);
}

TEST(one_name_may_be_several_bits)
{
	make_amd();
	CHECK_EQ(apply("host,-ibpb"), 0);
	CHECK_EQ(reg(7, 0, R_EDX) >> 26 & 1, 0);
	CHECK_EQ(reg(0x80000008, 0, R_EBX) >> 12 & 1, 0);
	CHECK_EQ(reg(0x80000008, 0, R_EBX) >> 14 & 1, 1);
}

TEST(one_bit_may_have_several_names)
{
	make_amd();
	CHECK_EQ(apply("host,-invtsc,+nonstop_tsc"), 0);
	CHECK_EQ(reg(0x80000007, 0, R_EDX), 0x100);
	CHECK_EQ(apply("host,-invtsc"), 0);
	CHECK_EQ(reg(0x80000007, 0, R_EDX), 0);
}

TEST(leaves_go_with_their_feature)
{
	make_amd();
	CHECK_EQ(apply("host,-svm,-topoext,-arch_perfmon"), 0);
	CHECK(!cpuid_find(&table, 0x8000000a, 0) && !cpuid_find(&table, 0x8000001e, 0) && !cpuid_find(&table, 0xa, 0));
	CHECK(!cpuid_find(&table, 0x8000001d, 0));
	CHECK_EQ(reg(1, 0, R_ECX) >> 15 & 1, 0);
	/* and topology is then told without them */
	CHECK_EQ(cpuid_set_vcpu(&table, 1, 2), 0);
	CHECK(!cpuid_find(&table, 0x8000001e, 0));
}

TEST(plain_host_changes_nothing)
{
	struct cpuid before;

	make_intel();
	CHECK_EQ(cpuid_copy(&before, &table), 0);
	CHECK_EQ(apply("host"), 0);
	CHECK_EQ(apply("host,+avx2,-avx2,+avx2"), 0);
	CHECK_EQ(before.nr, table.nr);
	CHECK(!memcmp(before.e, table.e, table.nr * sizeof(*table.e)));
	cpuid_free(&before);
}

TEST(plus_needs_kvm_to_have_it)
{
	struct error err;

	make_amd();
	cpuid_find(&table, 1, 0)->ecx &= ~BIT(5);
	CHECK_EQ(cpu_spec_apply(&table, "host,+vmx", &err), -EINVAL);
	CHECK(strstr(err.msg, "'vmx'"));
	CHECK_EQ(cpu_spec_apply(&table, "host,+svm", &err), 0);
}

TEST(plus_against_what_is_removed_is_refused)
{
	struct error err;

	make_amd();
	CHECK_EQ(cpu_spec_apply(&table, "host,+avx2,-avx", &err), -EINVAL);
	CHECK(strstr(err.msg, "'avx2'"));
	CHECK_EQ(reg(1, 0, R_ECX) >> 28 & 1, 1);	/* and nothing was changed */
}

TEST(plus_can_be_forced)
{
	struct error err;
	u32 others;

	make_amd();
	others = cpuid_find(&table, 7, 0)->ecx &= ~BIT(28);
	CHECK_EQ(cpu_spec_apply(&table, "host,+movdir64b", &err), -EINVAL);
	CHECK_EQ(cpu_spec_apply(&table, "host,+movdir64b=force,+avx2,-avx", &err), -EINVAL);
	CHECK_EQ(reg(7, 0, R_ECX), others);		/* nothing was changed */
	CHECK_EQ(apply("host,+movdir64b=force"), 0);
	CHECK_EQ(reg(7, 0, R_ECX), others | BIT(28));
	CHECK_EQ(apply("host,+movdir64b=force,-movdir64b"), 0);
	CHECK_EQ(reg(7, 0, R_ECX), others);
	cpuid_drop_leaf(&table, 7);
	CHECK_EQ(cpu_spec_apply(&table, "host,+movdir64b=force", &err), -EINVAL);
}

/* A feature that is gone with all that it takes, as on a host without. */
static void lacks(const char *spec)
{
	make("GenuineIntel", 0x24);
	cpuid_prepare(&table, &caps);
	CHECK_EQ(apply(spec), 0);
}

TEST(only_what_is_a_bit_and_no_more_can_be_forced)
{
	static const struct { const char *without, *spec; bool can; } row[] = {
		{ "host,-arch_perfmon", "host,+arch_perfmon=force", false },	/* a version, and its leaf */
		{ "host,-svm", "host,+svm=force", false }, { "host,-sgx", "host,+sgx=force", false },
		{ "host,-topoext", "host,+topoext=force", false }, { "host,-avx10", "host,+avx10=force", false },
		{ "host,-avx512f", "host,+avx512bw=force", false }, { "host,-avx512f", "host,+avx512_fp16=force", false },
		{ "host,-avx512bw", "host,+avx512bw=force", true },
		{ "host,-amx_tile", "host,+amx_int8=force", false }, { "host,-amx_int8", "host,+amx_int8=force", true },
		{ "host,-avx", "host,+avx2=force", false }, { "host,-avx", "host,+fma=force", false },
		{ "host,-avx", "host,+avx_vnni=force", false },			/* by way of avx2 */
		{ "host,-avx2", "host,+avx2=force", true }, { "host,-fma", "host,+fma=force", true },
		{ "host,-avx", "host,+sha_ni=force,+movdiri=force", true },
	};
	struct cpuid before;
	struct error err;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(row); i++) {
		lacks(row[i].without);
		CHECK_EQ(cpuid_copy(&before, &table), 0);
		CHECK_EQ(cpu_spec_apply(&table, row[i].spec, &err), row[i].can ? 0 : -EINVAL);
		if (!row[i].can) {
			CHECK(strstr(err.msg, row[i].spec) && strstr(err.msg, "it cannot be forced"));
			CHECK(before.nr == table.nr && !memcmp(before.e, table.e, table.nr * sizeof(*table.e)));
		}
		cpuid_free(&before);
	}
	make_amd();
	cpuid_find(&table, 0xa, 0)->eax = 0;	/* a leaf that says: none */
	CHECK_EQ(cpu_spec_apply(&table, "host,+arch_perfmon=force", &err), -EINVAL);
	CHECK_EQ(reg(0xa, 0, R_EAX), 0);
}

TEST(bad_specs_are_named)
{
	static const struct { const char *spec, *named; } bad[] = {
		{ "", "host[" }, { "max", "host[" }, { "hosta", "host[" }, { "host,", "''" }, { "host,avx", "'avx'" },
		{ "host,-", "'-'" }, { "host,-nosuch", "'nosuch'" }, { "host,+av", "'av'" }, { "host,-avx,,-sse", "''" },
		{ "host,-avx,+sse9", "'sse9'" },
		{ "host,-avx=force", "'-avx=force'" }, { "host,+=force", "'+=force'" }, { "host,+sse9=force", "'sse9'" },
		{ "host,+sse2=forc", "'+sse2=forc'" }, { "host,+avx=force", "'avx'" },
	};
	struct error err;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(cpu_spec_check(bad[i].spec, &err), -EINVAL);
		CHECK(strstr(err.msg, bad[i].named));
		CHECK(strstr(err.msg, "--cpu"));
	}
	CHECK_EQ(cpu_spec_check("host", &err), 0);
	CHECK_EQ(cpu_spec_check("host,-avx,+sse4_2", &err), 0);
}

int main(void)
{
	RUN(monitor_is_hidden_and_hypervisor_shown);
	RUN(stolen_time_can_be_hidden);
	RUN(tsc_deadline_comes_from_the_capability);
	RUN(no_pmu_version_no_pmu_at_all);
	RUN(extended_msi_ids_are_told_only_when_there);
	RUN(physical_bits_are_the_smaller_of_both);
	RUN(each_vcpu_has_its_own_ids);
	RUN(caches_are_shared_at_level_three);
	RUN(amd_leaves_agree);
	RUN(intel_does_not_get_amd_topology);
	RUN(x2apic_ids_are_told_even_by_a_short_list);
	RUN(a_full_list_is_an_error);
	RUN(removed_avx_is_gone_everywhere);
	RUN(xstate_size_shrinks_with_its_last_component);
	RUN(removed_xsave_takes_leaf_d_along);
	RUN(amd_copies_follow_leaf_1);
	RUN(one_name_may_be_several_bits);
	RUN(one_bit_may_have_several_names);
	RUN(leaves_go_with_their_feature);
	RUN(plain_host_changes_nothing);
	RUN(plus_needs_kvm_to_have_it);
	RUN(plus_against_what_is_removed_is_refused);
	RUN(plus_can_be_forced);
	RUN(only_what_is_a_bit_and_no_more_can_be_forced);
	RUN(bad_specs_are_named);
	free(table.e);
	return tap_done();
}
