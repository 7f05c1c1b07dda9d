/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks of page tables, right and hostile ones, in each paging mode; and the dump of a vCPU whose registers are ours. [Intel SDM 3A 4]
 * links: x86/debug.c x86/paging.c dump.c memory.c util/str.c util/json.c util/json-parse.c util/error.c
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "tests/tap.h"
#include "util/endian.h"
#include "util/json.h"
#include "vmm/arch.h"
#include "vmm/vm.h"
#include "x86/paging.h"
#include "x86/x86.h"

enum { RAM = 64 * 1024, P = 1, RW = 2, US = 4, PS = 0x80 };
#define NX BIT_ULL(63)
#define PG BIT_ULL(31)
enum { PSE = 0x10, PAE = 0x20, LA57 = 0x1000, LMA = 0x500, NXE = 0x800 };

static u8 ram[RAM] __attribute__((aligned(4096)));
static struct vm vm;
static struct arch_vm arch;
static struct paging paging;
static struct walk w;

static void set64(u64 gpa, u64 v) { put_le64(ram + gpa, v); }
static void set32(u64 gpa, u32 v) { put_le32(ram + gpa, v); }

static void setup(u64 cr4, u64 efer)
{
	memset(ram, 0, sizeof(ram));
	memset(&vm, 0, sizeof(vm));
	if (guest_mem_add(&vm.mem, 0, RAM, ram) < 0)
		abort();
	paging = (struct paging){ .cr0 = PG | 1, .cr3 = 0x1000, .cr4 = cr4, .efer = efer, .phys_bits = 40, .gib_pages = true };
}

static enum walk_end walk(u64 addr)
{
	paging_walk(&vm.mem, &paging, addr, &w);
	return w.end;
}

/* 0xffffffff80001000 -> 0x7000 by four tables. */
static void four_levels(void)
{
	setup(PAE, LMA | NXE);
	set64(0x1ff8, 0x2000 | P | RW | US);
	set64(0x2ff0, 0x3000 | P | RW);
	set64(0x3000, 0x4000 | P | RW | US);
	set64(0x4008, 0x7000 | P | RW | NX);
}

TEST(four_levels_are_walked)
{
	four_levels();
	CHECK_EQ(walk(0xffffffff80001234), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x7234);
	CHECK_EQ(w.page_size, 4096);
	CHECK_EQ(w.nr, 4);
	CHECK_STR(w.step[0].name, "PML4");
	CHECK_EQ(w.step[0].gpa, 0x1ff8);
	CHECK_EQ(w.step[3].gpa, 0x4008);
	CHECK_EQ(w.step[3].entry, 0x7000 | P | RW | NX);
	CHECK(w.writable && !w.user && !w.exec);
	CHECK_STR(w.mode, "4-level");
}

TEST(five_levels_are_walked)
{
	four_levels();
	set64(0x5000, 0x1000 | P | RW | US);	/* PML5 */
	paging.cr3 = 0x5000;
	paging.cr4 |= LA57;
	set64(0x1000, 0x2000 | P);
	set64(0x2010, 0x3000 | P | RW);
	CHECK_EQ(walk(0x80001234), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x7234);
	CHECK_EQ(w.nr, 5);
	CHECK(!w.writable);
	CHECK_STR(w.mode, "5-level");
	CHECK_EQ(walk(0x01000000000000), WALK_NOT_PRESENT);
	CHECK_EQ(walk(0x0100000000000000), WALK_NONCANONICAL);
}

TEST(large_pages_end_a_walk)
{
	four_levels();
	set64(0x3000, 0x600000 | P | PS | BIT_ULL(12));	/* PAT, not an address bit */
	CHECK_EQ(walk(0xffffffff80001234), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x601234);
	CHECK_EQ(w.page_size, 2 * MIB);
	CHECK_EQ(w.nr, 3);
	set64(0x2ff0, 0x40000000 | P | PS);
	CHECK_EQ(walk(0xffffffff80001234), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x40001234);
	CHECK_EQ(w.page_size, GIB);
}

TEST(reserved_bits_end_a_walk)
{
	four_levels();
	set64(0x1ff8, 0x2000 | P | PS);
	CHECK_EQ(walk(0xffffffff80001000), WALK_RESERVED);
	CHECK_EQ(w.nr, 1);
	four_levels();
	set64(0x2ff0, 0x3000 | P | BIT_ULL(40));	/* beyond the physical address */
	CHECK_EQ(walk(0xffffffff80001000), WALK_RESERVED);
	CHECK_EQ(w.nr, 2);
	set64(0x2ff0, 0x3000 | P | BIT_ULL(52) | BIT_ULL(62));	/* ignored */
	CHECK_EQ(walk(0xffffffff80001000), WALK_MAPPED);
	paging.efer = LMA;	/* without NXE */
	CHECK_EQ(walk(0xffffffff80001000), WALK_RESERVED);
	CHECK_EQ(w.nr, 4);
	four_levels();
	set64(0x3000, 0x600000 | P | PS | BIT_ULL(13));
	CHECK_EQ(walk(0xffffffff80001000), WALK_RESERVED);
	four_levels();
	set64(0x2ff0, 0x40000000 | P | PS | BIT_ULL(29));
	CHECK_EQ(walk(0xffffffff80001000), WALK_RESERVED);
	set64(0x2ff0, 0x40000000 | P | PS);
	paging.gib_pages = false;
	CHECK_EQ(walk(0xffffffff80001000), WALK_RESERVED);
}

TEST(tables_outside_ram_end_a_walk)
{
	four_levels();
	set64(0x2ff0, RAM | P);
	CHECK_EQ(walk(0xffffffff80001000), WALK_OUTSIDE);
	CHECK_EQ(w.nr, 3);
	CHECK_EQ(w.step[2].gpa, RAM);
	paging.cr3 = ~0ULL;
	CHECK_EQ(walk(0xffffffff80001000), WALK_OUTSIDE);
	CHECK_EQ(w.nr, 1);
}

TEST(tables_that_are_their_own_table_end)
{
	unsigned int i;

	setup(PAE, LMA);
	for (i = 0; i < 512; i++)
		set64(0x1000 + 8 * i, 0x1000 | P | RW | US);
	CHECK_EQ(walk(0x7fffffffffff), WALK_MAPPED);
	CHECK_EQ(w.nr, 4);
	CHECK_EQ(w.gpa, 0x1fff);
}

TEST(an_address_must_be_canonical)
{
	four_levels();
	CHECK_EQ(walk(0x0000800000000000), WALK_NONCANONICAL);
	CHECK_EQ(walk(0xffff7fffffffffff), WALK_NONCANONICAL);
	CHECK_EQ(w.nr, 0);
	CHECK_EQ(walk(0x00007fffffffffff), WALK_NOT_PRESENT);
	CHECK_EQ(walk(0xffff800000000000), WALK_NOT_PRESENT);
}

TEST(pae_is_walked)
{
	setup(PAE, NXE);
	paging.cr3 = 0x1020;	/* 32 bytes aligned are enough */
	set64(0x1020 + 3 * 8, 0x2000 | P);
	set64(0x2000 + 8, 0x3000 | P | RW | US);
	set64(0x3000 + 16, 0x7000 | P | RW | US);
	CHECK_EQ(walk(0xc0202abc), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x7abc);
	CHECK(w.writable && w.user && w.exec);	/* the top entry has no such rights */
	CHECK_STR(w.mode, "PAE");
	set64(0x2000 + 8, 0x800000 | P | PS | NX);
	CHECK_EQ(walk(0xc0202abc), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x802abc);
	CHECK(!w.exec);
	set64(0x2000 + 8, 0x3000 | P | BIT_ULL(52));	/* reserved with PAE */
	CHECK_EQ(walk(0xc0202abc), WALK_RESERVED);
	set64(0x1020 + 3 * 8, 0x2000 | P | RW);
	CHECK_EQ(walk(0xc0202abc), WALK_RESERVED);
	CHECK_EQ(w.nr, 1);
	set64(0x1020 + 3 * 8, 0x2000 | P | NX);
	CHECK_EQ(walk(0xc0202abc), WALK_RESERVED);
	CHECK_EQ(walk(0x1c0202abc), WALK_NONCANONICAL);
}

TEST(two_levels_are_walked)
{
	setup(PSE, 0);
	set32(0x1000 + 4 * 0x300, 0x2000 | P | RW | US);
	set32(0x2000 + 4, 0x7000 | P | US);
	CHECK_EQ(walk(0xc0001abc), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x7abc);
	CHECK(!w.writable && w.user && w.exec);
	CHECK_EQ(w.page_size, 4096);
	set32(0x1000 + 4 * 0x300, 0x00c00000 | P | PS | 0x5 << 13);	/* address bits 34..32 */
	CHECK_EQ(walk(0xc0201abc), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x500e01abcULL);
	CHECK_EQ(w.page_size, 4 * MIB);
	set32(0x1000 + 4 * 0x300, 0x00c00000 | P | PS | BIT(21));
	CHECK_EQ(walk(0xc0201abc), WALK_RESERVED);
	paging.phys_bits = 36;
	set32(0x1000 + 4 * 0x300, 0x00c00000 | P | PS | 0x10 << 13);
	CHECK_EQ(walk(0xc0201abc), WALK_RESERVED);
	paging.cr4 = 0;		/* PS means nothing */
	set32(0x1000 + 4 * 0x300, 0x2000 | P | PS);
	CHECK_EQ(walk(0xc0001abc), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x7abc);
}

TEST(without_paging_an_address_is_itself)
{
	setup(0, 0);
	paging.cr0 = 1;
	CHECK_EQ(walk(0x1234), WALK_UNPAGED);
	CHECK_EQ(w.gpa, 0x1234);
}

TEST(reading_stops_where_it_must)
{
	u8 buf[8192];

	four_levels();
	memset(ram + 0x7000, 0x5a, 0x1000);
	set64(0x4010, 0x9000 | P);
	memset(ram + 0x9000, 0xa5, 0x1000);
	CHECK_EQ(paging_read(&vm.mem, &paging, 0xffffffff80001800, buf, sizeof(buf)), 0x1800);
	CHECK_EQ(buf[0x7ff], 0x5a);
	CHECK_EQ(buf[0x800], 0xa5);
	set64(0x4008, RAM | P);		/* mapped, but to no RAM */
	CHECK_EQ(paging_read(&vm.mem, &paging, 0xffffffff80001000, buf, 8), 0);
	setup(0, 0);
	paging.cr0 = 1;
	CHECK_EQ(paging_read(&vm.mem, &paging, RAM - 16, buf, 16), 16);
	CHECK_EQ(paging_read(&vm.mem, &paging, ~0ULL - 3, buf, 16), 0);
}

/* --- the dump --- */

static struct kvm_regs regs;
static struct kvm_sregs sregs;
static bool dead, bare;		/* nothing can be read; only the two sets of registers can */
static unsigned int nmis;
static struct vcpu vcpu = { .vm = &vm, .index = 3 };

u32 cpuid_get(const struct cpuid *c, u32 leaf, u32 subleaf, enum cpuid_reg reg) { return 0; }

static int give(void *to, const void *from, size_t len)
{
	if (dead) {
		errno = EIO;
		return -1;
	}
	memcpy(to, from, len);
	return 0;
}

int ioctl(int fd, unsigned long req, ...)
{
	struct kvm_lapic_state *lapic;
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_HALTED };
	va_list ap;
	void *arg;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (req == KVM_GET_REGS)
		return give(arg, &regs, sizeof(regs));
	if (req == KVM_GET_SREGS)
		return give(arg, &sregs, sizeof(sregs));
	errno = EINVAL;
	if (bare || dead)
		return -1;
	switch (req) {
	case KVM_GET_MP_STATE:
		return give(arg, &mp, sizeof(mp));
	case KVM_GET_LAPIC:
		lapic = arg;
		memset(lapic, 0, sizeof(*lapic));
		put_le32(lapic->regs + 0x210, BIT(4));	/* IRR: vector 0x24 */
		return 0;
	case KVM_GET_MSRS:
		if (((struct kvm_msrs *)arg)->entries[0].index != 0xc0000082)
			return 0;
		((struct kvm_msrs *)arg)->entries[0].data = 0xffffffff81000000;
		return 1;
	case KVM_NMI:
		nmis++;
		return 0;
	}
	return -1;
}

static void a_kernel(void)
{
	four_levels();
	arch.phys_bits = 40;
	vm.arch = &arch;
	memset(&regs, 0, sizeof(regs));
	memset(&sregs, 0, sizeof(sregs));
	regs.rip = 0xffffffff80001100;
	regs.rsp = 0xffffffff80001fe8;
	regs.rax = 0x1122334455667788;
	sregs.cr0 = paging.cr0;
	sregs.cr3 = paging.cr3;
	sregs.cr4 = paging.cr4;
	sregs.efer = paging.efer;
	sregs.cs.l = 1;
	memset(ram + 0x7000, 0x90, 0x1000);
	set64(0x7fe8, 0xabcdef);
	dead = bare = false;
}

static bool dump_has(const char *what)
{
	struct strbuf b = { 0 };
	bool has;

	arch_vcpu_dump(&vcpu, &b);
	strbuf_add(&b, "", 1);
	has = b.s && strstr(b.s, what);
	if (!has)
		printf("# not in the dump: %s\n# %s\n", what, b.s);
	strbuf_free(&b);
	return has;
}

TEST(a_dump_has_what_the_vcpu_does)
{
	a_kernel();
	CHECK(dump_has("vCPU 3 halted, 64-bit mode, CPL 0\n"));
	CHECK(dump_has("rip    ffffffff80001100 "));
	CHECK(dump_has("1122334455667788"));
	CHECK(dump_has("lstar ffffffff81000000\n"));
	CHECK(dump_has("irr: 24\n"));
	CHECK(dump_has("code 90 90"));
	CHECK(dump_has(" <90> 90"));
	CHECK(dump_has("stack 0000000000abcdef 9090909090909090 9090909090909090 --\n"));
	CHECK(dump_has("walk rip ffffffff80001100, paging 4-level\n  PML4 0000000000001ff8: 0000000000002007 P RW US\n"));
	CHECK(dump_has("  PT   0000000000004008: 8000000000007003 P RW NX\n  = gpa 0000000000007100, page of 4 KiB, kernel write\n"));
}

TEST(a_dump_of_nonsense_says_so)
{
	a_kernel();
	bare = true;
	regs.rip = 0x123456789abcdef0;
	regs.rsp = 0;
	set64(0x1000, BIT_ULL(45) | P);
	CHECK(dump_has("in an unknown state"));
	CHECK(dump_has("walk rip 123456789abcdef0, paging 4-level\n  = not canonical\n"));
	CHECK(dump_has("code -- --"));
	CHECK(dump_has("stack --\n"));
	CHECK(dump_has("  = reserved bit set\n"));
	regs.rsp = 0xffffffff80001000;
	set64(0x3000, RAM | P);
	CHECK(dump_has("  PT   0000000000010008: --\n  = table outside RAM\n"));
	dead = true;
	CHECK(dump_has("registers cannot be read"));
}

TEST(addresses_follow_the_mode)
{
	a_kernel();
	sregs.efer = sregs.cr0 = sregs.cr4 = 0;
	sregs.cs.l = 0;
	sregs.cs.base = 0xf000;
	sregs.ss.base = 0x100;
	regs.rip = 0xfff0;
	regs.rsp = 0x123450020;
	CHECK(dump_has("real mode"));
	CHECK(dump_has("walk rip 000000000001eff0, paging none\n  = not paged\n"));
	CHECK(dump_has("walk rsp 0000000000000120"));
	sregs.cr0 = 1;
	sregs.ss.db = 1;
	CHECK(dump_has("16-bit mode"));
	CHECK(dump_has("walk rsp 0000000023450120"));
	sregs.cs.db = 1;
	CHECK(dump_has("32-bit mode"));
	regs.rflags = 0x20000;
	CHECK(dump_has("virtual-8086 mode"));
}

static const struct json_value *parsed(struct strbuf *b)
{
	static struct json_value node[1024];
	const struct json_value *v = NULL;

	json_begin(b, NULL);
	arch_vcpu_dump_json(&vcpu, b);
	json_end(b);
	strbuf_add(b, "", 1);
	if (json_parse(b->s, node, ARRAY_SIZE(node), &v) < 0)
		return NULL;
	return v;
}

TEST(the_dump_as_json_says_the_same)
{
	struct strbuf b = { 0 };
	const struct json_value *v;
	const char *s;
	u64 n;

	a_kernel();
	v = parsed(&b);
	CHECK(v);
	CHECK(!json_get_str(json_member(v, "general"), "rax", &s));
	CHECK_STR(s, "0x1122334455667788");
	CHECK(!json_get_str(json_member(v, "msr"), "lstar", &s));
	CHECK_STR(s, "0xffffffff81000000");
	CHECK_STR(json_member(v, "irr")->child->str, "36");
	CHECK(!json_get_str(json_member(json_member(v, "walk"), "rsp"), "gpa", &s));
	CHECK_STR(s, "0x7fe8");
	CHECK(!json_get_u64(json_member(json_member(v, "walk"), "rsp"), "page_size", ~0ULL, &n));
	CHECK_EQ(n, 4096);
	CHECK(!json_get_str(json_member(v, "code"), "bytes", &s));
	CHECK_EQ(strlen(s), 128);
	strbuf_free(&b);
}

TEST(json_of_nonsense_is_json)
{
	struct strbuf b = { 0 };
	const struct json_value *v;
	const char *s;

	a_kernel();
	bare = true;
	regs.rip = regs.rsp = 0x123456789abcdef0;
	v = parsed(&b);
	CHECK(v);
	CHECK(!json_get_str(json_member(json_member(v, "walk"), "rip"), "end", &s));
	CHECK_STR(s, "not canonical");
	strbuf_free(&b);
	dead = true;
	v = parsed(&b);
	CHECK(v && json_member(v, "error"));
	strbuf_free(&b);
}

TEST(an_nmi_is_injected_or_the_failure_told)
{
	nmis = 0;
	dead = bare = false;
	CHECK_EQ(arch_vcpu_nmi(&vcpu), 0);
	CHECK_EQ(nmis, 1);
	dead = true;
	CHECK_EQ(arch_vcpu_nmi(&vcpu), -EINVAL);
}

int main(void)
{
	RUN(four_levels_are_walked);
	RUN(five_levels_are_walked);
	RUN(large_pages_end_a_walk);
	RUN(reserved_bits_end_a_walk);
	RUN(tables_outside_ram_end_a_walk);
	RUN(tables_that_are_their_own_table_end);
	RUN(an_address_must_be_canonical);
	RUN(pae_is_walked);
	RUN(two_levels_are_walked);
	RUN(without_paging_an_address_is_itself);
	RUN(reading_stops_where_it_must);
	RUN(a_dump_has_what_the_vcpu_does);
	RUN(a_dump_of_nonsense_says_so);
	RUN(addresses_follow_the_mode);
	RUN(the_dump_as_json_says_the_same);
	RUN(json_of_nonsense_is_json);
	RUN(an_nmi_is_injected_or_the_failure_told);
	return tap_done();
}
