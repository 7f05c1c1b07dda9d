/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `--cpu host[,+feat,-feat,+feat=force]`: the names are those of Linux' /proc/cpuinfo; where that has none
 * (it merges some bits into one), the ones of other VMMs, with underscores. [Intel SDM 2A CPUID; AMD APM 3 appendix E]
 *
 * A removed feature takes along all that builds on it, and is gone from every
 * leaf that tells of it: its bits, leaves of its own, state components in leaf 0xD and their sizes, and AMD's copies of
 * leaf 1 in 0x80000001. A name may have several bits (each vendor's own): it is there if one is.
 *
 * Only what KVM lists can be had, so +feat takes back an earlier -feat or asks for certainty. +feat=force tells the guest of it all the
 * same, for those who want to see what a guest does with it: an instruction that the host's CPU lacks is still #UD. Only what is a bit and
 * no more can be forced: not what has a state of its own in XSAVE, which KVM would not keep, or builds on such a state that is not
 * there; not what has a leaf of its own that is not there; no number.
 * Bits without a name here stay as KVM gives them.
 */
#include "x86/cpuid.h"

#include <errno.h>
#include <string.h>

struct feature {
	const char *name;
	u32 leaf;
	u8 subleaf;
	u8 reg;
	u32 mask;
};

#define F(n, l, s, r, b) { n, l, s, R_##r, BIT(b) }

static const struct feature features[] = {
	F("fpu", 1, 0, EDX, 0), F("vme", 1, 0, EDX, 1), F("de", 1, 0, EDX, 2), F("pse", 1, 0, EDX, 3),
	F("tsc", 1, 0, EDX, 4), F("msr", 1, 0, EDX, 5), F("pae", 1, 0, EDX, 6), F("mce", 1, 0, EDX, 7),
	F("cx8", 1, 0, EDX, 8), F("apic", 1, 0, EDX, 9), F("sep", 1, 0, EDX, 11), F("mtrr", 1, 0, EDX, 12),
	F("pge", 1, 0, EDX, 13), F("mca", 1, 0, EDX, 14), F("cmov", 1, 0, EDX, 15), F("pat", 1, 0, EDX, 16),
	F("pse36", 1, 0, EDX, 17), F("clflush", 1, 0, EDX, 19), F("mmx", 1, 0, EDX, 23), F("fxsr", 1, 0, EDX, 24),
	F("sse", 1, 0, EDX, 25), F("sse2", 1, 0, EDX, 26), F("ss", 1, 0, EDX, 27),

	F("pni", 1, 0, ECX, 0), F("pclmulqdq", 1, 0, ECX, 1), F("dtes64", 1, 0, ECX, 2), F("ds_cpl", 1, 0, ECX, 4),
	F("vmx", 1, 0, ECX, 5), F("ssse3", 1, 0, ECX, 9), F("fma", 1, 0, ECX, 12), F("cx16", 1, 0, ECX, 13),
	F("pdcm", 1, 0, ECX, 15), F("pcid", 1, 0, ECX, 17), F("sse4_1", 1, 0, ECX, 19), F("sse4_2", 1, 0, ECX, 20),
	F("x2apic", 1, 0, ECX, 21), F("movbe", 1, 0, ECX, 22), F("popcnt", 1, 0, ECX, 23),
	F("tsc_deadline_timer", 1, 0, ECX, 24), F("aes", 1, 0, ECX, 25), F("xsave", 1, 0, ECX, 26),
	F("avx", 1, 0, ECX, 28), F("f16c", 1, 0, ECX, 29), F("rdrand", 1, 0, ECX, 30),
	F("hypervisor", 1, 0, ECX, 31),

	F("arat", 6, 0, EAX, 2),

	F("fsgsbase", 7, 0, EBX, 0), F("tsc_adjust", 7, 0, EBX, 1), F("sgx", 7, 0, EBX, 2), F("bmi1", 7, 0, EBX, 3),
	F("hle", 7, 0, EBX, 4), F("avx2", 7, 0, EBX, 5), F("smep", 7, 0, EBX, 7), F("bmi2", 7, 0, EBX, 8),
	F("erms", 7, 0, EBX, 9), F("invpcid", 7, 0, EBX, 10), F("rtm", 7, 0, EBX, 11), F("mpx", 7, 0, EBX, 14),
	F("avx512f", 7, 0, EBX, 16), F("avx512dq", 7, 0, EBX, 17), F("rdseed", 7, 0, EBX, 18), F("adx", 7, 0, EBX, 19),
	F("smap", 7, 0, EBX, 20), F("avx512ifma", 7, 0, EBX, 21), F("clflushopt", 7, 0, EBX, 23),
	F("clwb", 7, 0, EBX, 24), F("intel_pt", 7, 0, EBX, 25), F("avx512pf", 7, 0, EBX, 26),
	F("avx512er", 7, 0, EBX, 27), F("avx512cd", 7, 0, EBX, 28), F("sha_ni", 7, 0, EBX, 29),
	F("avx512bw", 7, 0, EBX, 30), F("avx512vl", 7, 0, EBX, 31),

	F("avx512vbmi", 7, 0, ECX, 1), F("umip", 7, 0, ECX, 2), F("pku", 7, 0, ECX, 3), F("waitpkg", 7, 0, ECX, 5),
	F("avx512_vbmi2", 7, 0, ECX, 6), F("user_shstk", 7, 0, ECX, 7), F("gfni", 7, 0, ECX, 8), F("vaes", 7, 0, ECX, 9),
	F("vpclmulqdq", 7, 0, ECX, 10), F("avx512_vnni", 7, 0, ECX, 11), F("avx512_bitalg", 7, 0, ECX, 12),
	F("avx512_vpopcntdq", 7, 0, ECX, 14), F("la57", 7, 0, ECX, 16), F("rdpid", 7, 0, ECX, 22),
	F("bus_lock_detect", 7, 0, ECX, 24), F("cldemote", 7, 0, ECX, 25), F("movdiri", 7, 0, ECX, 27),
	F("movdir64b", 7, 0, ECX, 28), F("sgx_lc", 7, 0, ECX, 30), F("pks", 7, 0, ECX, 31),

	F("avx512_4vnniw", 7, 0, EDX, 2), F("avx512_4fmaps", 7, 0, EDX, 3), F("fsrm", 7, 0, EDX, 4),
	F("avx512_vp2intersect", 7, 0, EDX, 8), F("md_clear", 7, 0, EDX, 10), F("serialize", 7, 0, EDX, 14),
	F("tsxldtrk", 7, 0, EDX, 16), F("arch_lbr", 7, 0, EDX, 19), F("ibt", 7, 0, EDX, 20),
	F("amx_bf16", 7, 0, EDX, 22), F("avx512_fp16", 7, 0, EDX, 23), F("amx_tile", 7, 0, EDX, 24),
	F("amx_int8", 7, 0, EDX, 25), F("spec_ctrl", 7, 0, EDX, 26), F("intel_stibp", 7, 0, EDX, 27),
	F("flush_l1d", 7, 0, EDX, 28), F("arch_capabilities", 7, 0, EDX, 29), F("spec_ctrl_ssbd", 7, 0, EDX, 31),

	F("avx_vnni", 7, 1, EAX, 4), F("avx512_bf16", 7, 1, EAX, 5), F("cmpccxadd", 7, 1, EAX, 7),
	F("fzrm", 7, 1, EAX, 10), F("fsrs", 7, 1, EAX, 11), F("fsrc", 7, 1, EAX, 12), F("amx_fp16", 7, 1, EAX, 21),
	F("avx_ifma", 7, 1, EAX, 23), F("lam", 7, 1, EAX, 26), F("avx_vnni_int8", 7, 1, EDX, 4),
	F("avx_ne_convert", 7, 1, EDX, 5), F("amx_complex", 7, 1, EDX, 8), F("avx_vnni_int16", 7, 1, EDX, 10),
	F("prefetchiti", 7, 1, EDX, 14), F("avx10", 7, 1, EDX, 19),

	{ "arch_perfmon", 0xa, 0, R_EAX, 0xff },

	F("xsaveopt", 0xd, 1, EAX, 0), F("xsavec", 0xd, 1, EAX, 1), F("xgetbv1", 0xd, 1, EAX, 2),
	F("xsaves", 0xd, 1, EAX, 3), F("xfd", 0xd, 1, EAX, 4),

	F("syscall", 0x80000001, 0, EDX, 11), F("mp", 0x80000001, 0, EDX, 19), F("nx", 0x80000001, 0, EDX, 20),
	F("mmxext", 0x80000001, 0, EDX, 22), F("fxsr_opt", 0x80000001, 0, EDX, 25),
	F("pdpe1gb", 0x80000001, 0, EDX, 26), F("rdtscp", 0x80000001, 0, EDX, 27), F("lm", 0x80000001, 0, EDX, 29),
	F("3dnowext", 0x80000001, 0, EDX, 30), F("3dnow", 0x80000001, 0, EDX, 31),

	F("lahf_lm", 0x80000001, 0, ECX, 0), F("svm", 0x80000001, 0, ECX, 2), F("cr8_legacy", 0x80000001, 0, ECX, 4),
	F("abm", 0x80000001, 0, ECX, 5), F("sse4a", 0x80000001, 0, ECX, 6), F("misalignsse", 0x80000001, 0, ECX, 7),
	F("3dnowprefetch", 0x80000001, 0, ECX, 8), F("osvw", 0x80000001, 0, ECX, 9), F("xop", 0x80000001, 0, ECX, 11),
	F("fma4", 0x80000001, 0, ECX, 16), F("tbm", 0x80000001, 0, ECX, 21), F("topoext", 0x80000001, 0, ECX, 22),
	F("perfctr_core", 0x80000001, 0, ECX, 23),

	F("nonstop_tsc", 0x80000007, 0, EDX, 8), F("invtsc", 0x80000007, 0, EDX, 8),

	F("clzero", 0x80000008, 0, EBX, 0), F("xsaveerptr", 0x80000008, 0, EBX, 2), F("wbnoinvd", 0x80000008, 0, EBX, 9),
	F("amd_ibpb", 0x80000008, 0, EBX, 12), F("amd_ibrs", 0x80000008, 0, EBX, 14),
	F("amd_stibp", 0x80000008, 0, EBX, 15), F("amd_ssbd", 0x80000008, 0, EBX, 24),
	F("virt_ssbd", 0x80000008, 0, EBX, 25), F("amd_psfd", 0x80000008, 0, EBX, 28),
	F("ibpb", 7, 0, EDX, 26), F("ibpb", 0x80000008, 0, EBX, 12),
	F("ibrs", 7, 0, EDX, 26), F("ibrs", 0x80000008, 0, EBX, 14),
	F("stibp", 7, 0, EDX, 27), F("stibp", 0x80000008, 0, EBX, 15),
	F("ssbd", 7, 0, EDX, 31), F("ssbd", 0x80000008, 0, EBX, 24), F("ssbd", 0x80000008, 0, EBX, 25),

	F("npt", 0x8000000a, 0, EDX, 0), F("nrip_save", 0x8000000a, 0, EDX, 3), F("pausefilter", 0x8000000a, 0, EDX, 10),
	F("v_vmsave_vmload", 0x8000000a, 0, EDX, 15), F("vgif", 0x8000000a, 0, EDX, 16), F("vnmi", 0x8000000a, 0, EDX, 25),

	F("perfmon_v2", 0x80000022, 0, EAX, 0),
};

enum { NR_FEATURES = ARRAY_SIZE(features) };

/* The first cannot be without the second. */
static const struct { const char *name, *needs; } needs[] = {
	{ "fxsr", "fpu" }, { "mmx", "fpu" }, { "sse", "fxsr" }, { "sse2", "sse" }, { "pni", "sse2" },
	{ "fxsr_opt", "fxsr" }, { "mmxext", "mmx" }, { "3dnow", "mmx" }, { "3dnowext", "3dnow" },
	{ "ssse3", "pni" }, { "sse4_1", "ssse3" }, { "sse4_2", "sse4_1" }, { "sse4a", "pni" }, { "misalignsse", "sse" },
	{ "aes", "sse2" }, { "pclmulqdq", "sse2" }, { "sha_ni", "sse2" }, { "gfni", "sse2" },

	{ "xsave", "fxsr" }, { "xsaveopt", "xsave" }, { "xsavec", "xsave" }, { "xgetbv1", "xsave" },
	{ "xsaves", "xsavec" }, { "xfd", "xsave" }, { "xsaveerptr", "xsave" }, { "mpx", "xsave" }, { "pku", "xsave" },
	{ "avx", "xsave" }, { "avx", "sse4_2" }, { "fma", "avx" }, { "f16c", "avx" }, { "avx2", "avx" }, { "xop", "avx" },
	{ "fma4", "avx" }, { "vaes", "avx" }, { "vaes", "aes" }, { "vpclmulqdq", "avx" }, { "vpclmulqdq", "pclmulqdq" },
	{ "avx_vnni", "avx2" }, { "avx_ifma", "avx2" }, { "avx_vnni_int8", "avx2" }, { "avx_vnni_int16", "avx2" },
	{ "avx_ne_convert", "avx2" },
	{ "avx512f", "avx2" }, { "avx512f", "fma" }, { "avx512f", "f16c" },
	{ "avx512dq", "avx512f" }, { "avx512ifma", "avx512f" }, { "avx512pf", "avx512f" }, { "avx512er", "avx512f" },
	{ "avx512cd", "avx512f" }, { "avx512bw", "avx512f" }, { "avx512vl", "avx512f" },
	{ "avx512vbmi", "avx512bw" }, { "avx512_vbmi2", "avx512bw" }, { "avx512_bitalg", "avx512bw" },
	{ "avx512_bf16", "avx512bw" }, { "avx512_fp16", "avx512bw" }, { "avx512_fp16", "avx512vl" },
	{ "avx512_fp16", "avx512dq" }, { "avx512_vnni", "avx512f" }, { "avx512_vpopcntdq", "avx512f" },
	{ "avx512_vp2intersect", "avx512f" }, { "avx512_4vnniw", "avx512f" }, { "avx512_4fmaps", "avx512f" },
	{ "avx10", "avx512f" },
	{ "amx_tile", "xfd" }, { "amx_bf16", "amx_tile" }, { "amx_int8", "amx_tile" }, { "amx_fp16", "amx_tile" },
	{ "amx_complex", "amx_tile" },

	{ "x2apic", "apic" }, { "tsc_deadline_timer", "apic" }, { "tsc_deadline_timer", "tsc" }, { "arat", "apic" },
	{ "tsc_adjust", "tsc" }, { "rdtscp", "tsc" }, { "nonstop_tsc", "tsc" }, { "invpcid", "pcid" }, { "pcid", "lm" },
	{ "mca", "mce" }, { "pse36", "pse" }, { "nx", "pae" }, { "lm", "pae" }, { "lm", "nx" },
	{ "lm", "syscall" }, { "lm", "sse2" }, { "pdpe1gb", "lm" }, { "la57", "lm" }, { "lahf_lm", "lm" }, { "cx16", "lm" },
	{ "fsgsbase", "lm" }, { "lam", "lm" }, { "pks", "lm" }, { "vmx", "msr" }, { "svm", "msr" }, { "sgx_lc", "sgx" },
	{ "arch_perfmon", "msr" }, { "pdcm", "arch_perfmon" }, { "arch_lbr", "arch_perfmon" },
	{ "perfmon_v2", "perfctr_core" }, { "tsxldtrk", "rtm" },
};

/* Leaves that tell of nothing but one feature. */
static const struct { const char *name; u32 leaf; } leaves[] = {
	{ "xsave", 0xd }, { "arch_perfmon", 0xa }, { "sgx", 0x12 }, { "intel_pt", 0x14 }, { "arch_lbr", 0x1c },
	{ "amx_tile", 0x1d }, { "amx_tile", 0x1e }, { "avx10", 0x24 }, { "svm", 0x8000000a }, { "topoext", 0x8000001d },
	{ "topoext", 0x8000001e }, { "perfmon_v2", 0x80000022 },
};

/* State components of XCR0 and IA32_XSS: there while one of their features is. [SDM 1 13.1] */
static const struct { u8 bit; const char *name; } components[] = {
	{ 2, "avx" }, { 3, "mpx" }, { 4, "mpx" }, { 5, "avx512f" }, { 6, "avx512f" }, { 7, "avx512f" }, { 8, "intel_pt" },
	{ 9, "pku" }, { 11, "user_shstk" }, { 11, "ibt" }, { 12, "user_shstk" }, { 12, "ibt" }, { 15, "arch_lbr" },
	{ 17, "amx_tile" }, { 18, "amx_tile" },
};

/* Same bits in leaf 1 and 0x80000001, EDX, on AMD. [APM 3 E.4.2] */
static const u32 amd_copies = 0x0183f3ff;

struct feature_set {
	bool in[NR_FEATURES];
};

static bool set_has(const struct feature_set *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_FEATURES; i++)
		if (s->in[i] && !strcmp(features[i].name, name))
			return true;
	return false;
}

/* @name is the first @len characters of what a user wrote. */
static bool is_called(const char *entry, const char *name, size_t len)
{
	return !strncmp(entry, name, len) && !entry[len];
}

static bool known(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < NR_FEATURES; i++)
		if (is_called(features[i].name, name, len))
			return true;
	return false;
}

/* All rows that share a bit with a row called @name: another name of the same thing goes with it. */
static void set_put(struct feature_set *s, const char *name, size_t len, bool in)
{
	unsigned int i, j;

	for (i = 0; i < NR_FEATURES; i++) {
		if (!is_called(features[i].name, name, len))
			continue;
		for (j = 0; j < NR_FEATURES; j++)
			if (features[j].leaf == features[i].leaf && features[j].subleaf == features[i].subleaf &&
			    features[j].reg == features[i].reg && features[j].mask == features[i].mask)
				s->in[j] = in;
	}
}

static bool supported(const struct cpuid *c, const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < NR_FEATURES; i++)
		if (is_called(features[i].name, name, len) &&
		    cpuid_get(c, features[i].leaf, features[i].subleaf, features[i].reg) & features[i].mask)
			return true;
	return false;
}

/* "+feat", "-feat" or "+feat=force" */
struct word {
	char sign;
	bool force;
	const char *name;
	size_t len;
};

static bool has_state(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(components); i++)
		if (is_called(components[i].name, name, len))
			return true;
	return false;
}

/* The next word at *@p, which is at a comma; 0 at the end. */
static int next_word(const char *spec, const char **p, struct word *w, struct error *err)
{
	static const char force[] = "=force";
	const size_t tail = sizeof(force) - 1;
	size_t len;

	if (!**p)
		return 0;
	(*p)++;		/* the comma */
	len = strcspn(*p, ",");
	if (len < 2 || (**p != '+' && **p != '-'))
		return error_set(err, -EINVAL, "--cpu '%s': '%.*s' is neither +FEATURE nor -FEATURE", spec, (int)len, *p);
	*w = (struct word){ .sign = **p, .name = *p + 1, .len = len - 1 };
	if (w->sign == '+' && w->len > tail && !strncmp(w->name + w->len - tail, force, tail)) {
		w->force = true;
		w->len -= tail;
	}
	if (memchr(w->name, '=', w->len))
		return error_set(err, -EINVAL, "--cpu '%s': '%.*s': no value but =force, after +FEATURE", spec, (int)len, w->name - 1);
	if (!known(w->name, w->len))
		return error_set(err, -EINVAL, "--cpu '%s': no CPU feature is called '%.*s'", spec, (int)w->len, w->name);
	if (w->force && has_state(w->name, w->len))
		return error_set(err, -EINVAL, "--cpu '%s': '%.*s' has a state that KVM would not keep: it cannot be forced", spec,
				 (int)w->len, w->name);
	*p += len;
	return 1;
}

int cpu_spec_check(const char *spec, struct error *err)
{
	const char *p = spec + strcspn(spec, ",");
	struct word w;
	int r;

	if (p - spec != 4 || strncmp(spec, "host", 4))
		return error_set(err, -EINVAL, "--cpu '%s': want host[,+FEATURE|,-FEATURE|,+FEATURE=force]...", spec);
	do
		r = next_word(spec, &p, &w, err);
	while (r > 0);
	return r;
}

/* Grows @gone by all that builds on it; gives the one @kept that would be lost, or -1. */
static int close_over(struct feature_set *gone, const struct feature_set *kept)
{
	unsigned int i, j;
	bool again;

	do {
		again = false;
		for (i = 0; i < ARRAY_SIZE(needs); i++) {
			if (!set_has(gone, needs[i].needs) || set_has(gone, needs[i].name))
				continue;
			set_put(gone, needs[i].name, strlen(needs[i].name), true);
			again = true;
		}
	} while (again);
	for (j = 0; j < NR_FEATURES; j++)
		if (gone->in[j] && kept->in[j])
			return (int)j;
	return -1;
}

/* Components of which a feature went and none is left. The features' bits are cleared already. */
static u64 unused_components(const struct cpuid *c, const struct feature_set *gone)
{
	u64 drop = 0, keep = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(components); i++) {
		if (set_has(gone, components[i].name))
			drop |= BIT_ULL(components[i].bit);
		else if (supported(c, components[i].name, strlen(components[i].name)))
			keep |= BIT_ULL(components[i].bit);
	}
	return drop & ~keep;
}

/* Leaf 0xD after state components left: masks, the components' subleaves, and the size of all. [SDM 1 13.2] */
static void fix_xstate(struct cpuid *c, const struct feature_set *gone)
{
	enum { LEGACY_AND_HEADER = 576 };
	u64 drop = unused_components(c, gone);
	u32 size = LEGACY_AND_HEADER;
	struct kvm_cpuid_entry2 *e;
	unsigned int i, n = 0;

	if (!drop)
		return;
	for (i = 0; i < c->nr; i++) {
		e = &c->e[i];
		if (e->function == 0xd && e->index >= 2 && e->index < 64 && drop & BIT_ULL(e->index))
			continue;
		if (e->function == 0xd && e->index < 2) {
			*(e->index ? &e->ecx : &e->eax) &= (u32)~drop;
			e->edx &= (u32)(~drop >> 32);
		}
		/* ecx bit 0: a supervisor state, which has no place in the standard form */
		if (e->function == 0xd && e->index >= 2 && !(e->ecx & 1))
			size = MAX(size, e->eax + e->ebx);
		c->e[n++] = *e;
	}
	c->nr = n;
	e = cpuid_find(c, 0xd, 0);
	if (e)
		e->ebx = e->ecx = size;		/* ebx: KVM follows XCR0 */
}

static void remove_features(struct cpuid *c, const struct feature_set *gone)
{
	struct kvm_cpuid_entry2 *e;
	unsigned int i;

	for (i = 0; i < NR_FEATURES; i++) {
		e = gone->in[i] ? cpuid_find(c, features[i].leaf, features[i].subleaf) : NULL;
		if (e)
			*cpuid_reg(e, features[i].reg) &= ~features[i].mask;
	}
	for (i = 0; i < ARRAY_SIZE(leaves); i++)
		if (set_has(gone, leaves[i].name))
			cpuid_drop_leaf(c, leaves[i].leaf);
	fix_xstate(c, gone);
	e = cpuid_find(c, 0x80000001, 0);
	if (e)
		e->edx &= ~amd_copies | cpuid_get(c, 1, 0, R_EDX);
}

/* A leaf that tells of nothing but @name is not there: the bit would have the guest read it all the same. */
static bool lacks_leaf(const struct cpuid *c, const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaves); i++)
		if (!strcmp(leaves[i].name, name) && !cpuid_find(c, leaves[i].leaf, 0))
			return true;
	return false;
}

/* @name builds, over however many steps, on a state that KVM does not keep. */
static bool lacks_state(const struct cpuid *c, const char *name)
{
	struct feature_set below = { 0 };
	unsigned int i;
	bool again;

	set_put(&below, name, strlen(name), true);
	do {
		again = false;
		for (i = 0; i < ARRAY_SIZE(needs); i++) {
			if (!set_has(&below, needs[i].name) || set_has(&below, needs[i].needs))
				continue;
			set_put(&below, needs[i].needs, strlen(needs[i].needs), true);
			again = true;
		}
	} while (again);
	for (i = 0; i < NR_FEATURES; i++)
		if (below.in[i] && has_state(features[i].name, strlen(features[i].name)) &&
		    !supported(c, features[i].name, strlen(features[i].name)))
			return true;
	return false;
}

/* The register that has a bit called so, if that bit is all that the feature takes: no number, and no leaf or state that is not there. */
static u32 *forced(const struct cpuid *c, const struct word *w, u32 *ret_mask)
{
	const struct feature *f;
	struct kvm_cpuid_entry2 *e;
	unsigned int i;

	for (i = 0; w->force && i < NR_FEATURES; i++) {
		f = &features[i];
		if (!is_called(f->name, w->name, w->len))
			continue;
		e = cpuid_find(c, f->leaf, f->subleaf);
		if (!e || f->mask & (f->mask - 1) || lacks_leaf(c, f->name) || lacks_state(c, f->name))
			continue;
		*ret_mask = f->mask;
		return cpuid_reg(e, f->reg);
	}
	return NULL;
}

static void force_features(struct cpuid *c, const char *spec)
{
	const char *p = spec + strcspn(spec, ",");
	struct error err;
	struct word w;
	u32 mask, *r;

	while (next_word(spec, &p, &w, &err) > 0) {
		r = supported(c, w.name, w.len) ? NULL : forced(c, &w, &mask);
		if (r)
			*r |= mask;
	}
}

int cpu_spec_apply(struct cpuid *c, const char *spec, struct error *err)
{
	const char *p = spec + strcspn(spec, ",");
	struct feature_set gone = { 0 }, kept = { 0 };
	struct word w;
	int lost, r;
	u32 mask;

	r = cpu_spec_check(spec, err);
	if (r < 0)
		return r;
	while (next_word(spec, &p, &w, err) > 0) {
		if (w.sign == '+' && !supported(c, w.name, w.len) && !forced(c, &w, &mask))
			return error_set(err, -EINVAL, "--cpu '%s': KVM on this host does not offer '%.*s'%s", spec, (int)w.len, w.name,
					 w.force ? ", nor what it takes beside its bit: it cannot be forced" : "");
		set_put(&gone, w.name, w.len, w.sign == '-');
		set_put(&kept, w.name, w.len, w.sign == '+');
	}
	lost = close_over(&gone, &kept);
	if (lost >= 0)
		return error_set(err, -EINVAL, "--cpu '%s': '%s' cannot be without what is removed", spec,
				 features[lost].name);
	force_features(c, spec);
	remove_features(c, &gone);
	return 0;
}
