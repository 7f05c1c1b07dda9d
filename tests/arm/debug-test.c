/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks of stage 1 page tables, right and hostile ones, with each granule; and the dump of a vCPU whose registers are ours. [Arm ARM D8]
 * links: arm/debug.c arm/paging.c dump.c memory.c util/str.c util/json.c util/json-parse.c util/error.c
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "arm/paging.h"
#include "arm/regs.h"
#include "tests/tap.h"
#include "util/endian.h"
#include "util/json.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

enum { RAM = 256 * 1024, TABLE = 3, PAGE = 3, BLOCK = 1, AF = 0x400, USER = 0x40, RO = 0x80 };
#define BASE		0x80000000ULL
#define PXN		BIT_ULL(53)
#define UXN		BIT_ULL(54)
#define TCR_4K_39	(25ULL | 25ULL << 16 | 2ULL << 30)			/* TG0 0, TG1 2 */
#define TCR_4K_48	(16ULL | 16ULL << 16 | 2ULL << 30)
#define TCR_16K_48	(16ULL | 16ULL << 16 | 2ULL << 14 | 1ULL << 30)
#define TCR_64K_48	(16ULL | 16ULL << 16 | 1ULL << 14 | 3ULL << 30)
#define TCR_DS		BIT_ULL(59)
#define TCR_IPS52	(6ULL << 32)

static u8 ram[RAM] __attribute__((aligned(65536)));
static struct vm vm;
static struct arch_vm arch;
static struct paging paging;
static struct walk w;

static void set64(u64 gpa, u64 v) { put_le64(ram + (gpa - BASE), v); }

static void setup(u64 tcr)
{
	memset(ram, 0, sizeof(ram));
	memset(&vm, 0, sizeof(vm));
	memset(&arch, 0, sizeof(arch));
	vm.arch = &arch;
	if (guest_mem_add(&vm.mem, BASE, RAM, ram) < 0)
		abort();
	paging = (struct paging){ .sctlr = 1, .tcr = tcr, .ttbr0 = BASE, .ttbr1 = BASE + 0x1000 };
}

static enum walk_end walk(u64 addr)
{
	paging_walk(&vm.mem, &paging, addr, &w);
	return w.end;
}

/* 0xffff800010001000 -> BASE + 0x7000 */
static void four_levels(void)
{
	setup(TCR_4K_48);
	set64(BASE + 0x1000 + 256 * 8, (BASE + 0x2000) | TABLE);
	set64(BASE + 0x2000, (BASE + 0x3000) | TABLE);
	set64(BASE + 0x3000 + 128 * 8, (BASE + 0x4000) | TABLE);
	set64(BASE + 0x4008, (BASE + 0x7000) | PAGE | AF | UXN);
}

TEST(four_levels_are_walked)
{
	four_levels();
	CHECK_EQ(walk(0xffff800010001234), WALK_MAPPED);
	CHECK_EQ(w.gpa, BASE + 0x7234);
	CHECK_EQ(w.page_size, 4096);
	CHECK_EQ(w.nr, 4);
	CHECK_EQ(w.step[0].level, 0);
	CHECK_EQ(w.step[0].gpa, BASE + 0x1800);
	CHECK_EQ(w.step[3].level, 3);
	CHECK_EQ(w.step[3].gpa, BASE + 0x4008);
	CHECK(w.writable && !w.user && w.exec_kernel && !w.exec_user && w.accessed);
	CHECK_STR(w.mode, "TTBR1, 4 KiB, 48 bits");
	CHECK_EQ(walk(0xffff800010002000), WALK_NOT_VALID);
	CHECK_EQ(w.nr, 4);
	CHECK_EQ(walk(0xffff000010001000), WALK_NOT_VALID);
	CHECK_EQ(w.nr, 1);
}

TEST(three_levels_of_39_bits_begin_at_1)
{
	setup(TCR_4K_39);
	set64(BASE + 8, (BASE + 0x2000) | TABLE);
	set64(BASE + 0x2000, 0xc0000000 | BLOCK | AF | USER | RO);
	CHECK_EQ(walk(0x40012345), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0xc0012345);
	CHECK_EQ(w.page_size, 2 * MIB);
	CHECK_EQ(w.step[0].level, 1);
	CHECK_EQ(w.nr, 2);
	CHECK(!w.writable && w.user);
	CHECK_STR(w.mode, "TTBR0, 4 KiB, 39 bits");
	set64(BASE + 8, 0x140000000 | BLOCK);
	CHECK_EQ(walk(0x40012345), WALK_MAPPED);
	CHECK_EQ(w.page_size, GIB);
	CHECK_EQ(w.gpa, 0x140012345);
	CHECK(!w.accessed);
}

TEST(granules_of_16_and_64_kib_are_walked)
{
	setup(TCR_16K_48);
	paging.ttbr0 = BASE + 0x8000;		/* level 0: one bit, two entries */
	set64(BASE + 0x8008, (BASE + 0xc000) | TABLE);
	set64(BASE + 0xc000, (BASE + 0x10000) | TABLE);
	set64(BASE + 0x10008, (BASE + 0x14000) | TABLE);
	set64(BASE + 0x14010, (BASE + 0x18000) | PAGE | AF);
	CHECK_EQ(walk(BIT_ULL(47) + BIT_ULL(25) + 2 * 0x4000 + 0x3abc), WALK_MAPPED);
	CHECK_EQ(w.gpa, BASE + 0x18000 + 0x3abc);
	CHECK_EQ(w.page_size, 16 * KIB);
	CHECK_EQ(w.nr, 4);
	CHECK_STR(w.mode, "TTBR0, 16 KiB, 48 bits");
	setup(TCR_64K_48);
	paging.ttbr0 = BASE + 0x10000;
	set64(BASE + 0x10008, (BASE + 0x20000) | TABLE);
	set64(BASE + 0x20010, 0x4000000000 | BLOCK | AF);
	CHECK_EQ(walk(BIT_ULL(42) + 2 * BIT_ULL(29) + 0x12345678), WALK_MAPPED);
	CHECK_EQ(w.gpa, 0x4000000000 + 0x12345678);
	CHECK_EQ(w.page_size, 512 * MIB);
	CHECK_EQ(w.nr, 2);
	CHECK_STR(w.mode, "TTBR0, 64 KiB, 48 bits");
}

TEST(wide_addresses_have_their_bits_where_the_granule_says)
{
	/* 64 KiB: bits 15 to 12 of an entry are bits 51 to 48 */
	setup((TCR_64K_48 & ~63ULL) | 12 | TCR_IPS52);
	paging.ttbr0 = BASE;
	set64(BASE, 0x40000000000 | 0x5000 | BLOCK | AF);	/* level 1: 4 TiB */
	CHECK_EQ(walk(0x1234567), WALK_MAPPED);
	CHECK_EQ(w.gpa, (5ULL << 48) + 0x40000000000 + 0x1234567);
	CHECK_EQ(w.page_size, BIT_ULL(42));
	CHECK_STR(w.mode, "TTBR0, 64 KiB, 52 bits");
	/* without them such a block is none, and 52 bits of virtual address are no matter */
	paging.tcr &= ~TCR_IPS52;
	CHECK_EQ(walk(0x1234567), WALK_RESERVED);
	/* 4 KiB: level -1, and bits 9 and 8 are bits 51 and 50 */
	setup((TCR_4K_48 & ~63ULL) | 12 | TCR_DS);
	set64(BASE + 8 * 2, (BASE + 0x2000) | TABLE);
	set64(BASE + 0x2000, (BASE + 0x3000) | TABLE);
	set64(BASE + 0x3000, (BASE + 0x4000) | TABLE);
	set64(BASE + 0x4000, (BASE + 0x5000) | TABLE);
	set64(BASE + 0x5000, (3ULL << 48) + 0x7000 + 0x200 + PAGE);
	CHECK_EQ(walk(2 * BIT_ULL(48) + 0x123), WALK_MAPPED);
	CHECK_EQ(w.step[0].level, -1);
	CHECK_EQ(w.nr, PAGING_LEVELS);
	CHECK_EQ(w.gpa, (2ULL << 50) + (3ULL << 48) + 0x7123);
	/* the register's bits 5 to 2 are high ones too, and a small table still begins at 64 bytes */
	paging.ttbr0 = BASE + 0x40 + (1 << 2);
	CHECK_EQ(walk(0), WALK_OUTSIDE);
	CHECK_EQ(w.step[0].gpa, BIT_ULL(48) + BASE);
}

TEST(entries_of_a_kind_the_level_has_not_end_a_walk)
{
	four_levels();
	set64(BASE + 0x4008, (BASE + 0x7000) | BLOCK);	/* level 3 has pages alone */
	CHECK_EQ(walk(0xffff800010001000), WALK_RESERVED);
	CHECK_EQ(w.nr, 4);
	set64(BASE + 0x1000 + 256 * 8, BLOCK);		/* level 0 none at all */
	CHECK_EQ(walk(0xffff800010001000), WALK_RESERVED);
	CHECK_EQ(w.nr, 1);
	paging.tcr |= TCR_DS;				/* but with 52 bits */
	CHECK_EQ(walk(0xffff800010001000), WALK_MAPPED);
	CHECK_EQ(w.page_size, 512 * GIB);
	setup(TCR_16K_48);
	paging.ttbr0 = BASE + 0x8000;
	set64(BASE + 0x8000, (BASE + 0xc000) | TABLE);
	set64(BASE + 0xc000, BLOCK);			/* 16 KiB: level 1 has none */
	CHECK_EQ(walk(0), WALK_RESERVED);
	CHECK_EQ(w.nr, 2);
}

TEST(rights_of_tables_count_unless_switched_off)
{
	four_levels();
	set64(BASE + 0x4008, (BASE + 0x7000) | PAGE | AF | USER);
	set64(BASE + 0x2000, (BASE + 0x3000) | TABLE | BIT_ULL(62) | BIT_ULL(61) | BIT_ULL(60) | BIT_ULL(59));
	CHECK_EQ(walk(0xffff800010001000), WALK_MAPPED);
	CHECK(!w.writable && !w.user && !w.exec_kernel && !w.exec_user);
	paging.tcr |= BIT_ULL(42);	/* HPD1 */
	CHECK_EQ(walk(0xffff800010001000), WALK_MAPPED);
	CHECK(w.writable && w.user && w.exec_kernel && w.exec_user);
}

TEST(addresses_in_no_half_are_known)
{
	four_levels();
	CHECK_EQ(walk(0x0000800010001000), WALK_NOT_VALID);	/* TTBR0's: 48 bits of it */
	CHECK_STR(w.mode, "TTBR0, 4 KiB, 48 bits");
	CHECK_EQ(walk(0x0001000000000000), WALK_NONCANONICAL);
	CHECK_EQ(walk(0xfffe800010001000), WALK_NONCANONICAL);
	CHECK_EQ(walk(0x12ff800010001000), WALK_NONCANONICAL);
	CHECK_EQ(w.nr, 0);
	paging.tcr |= BIT_ULL(38);	/* TBI1: the top byte is a tag */
	CHECK_EQ(walk(0x12ff800010001000), WALK_MAPPED);
	CHECK_EQ(walk(0x1200000000000000), WALK_NONCANONICAL);
	paging.tcr |= BIT_ULL(37);
	CHECK_EQ(walk(0x1200000000000000), WALK_NOT_VALID);
	paging.tcr |= BIT_ULL(23);	/* EPD1 */
	CHECK_EQ(walk(0xffff800010001000), WALK_NONCANONICAL);
	paging.tcr |= BIT_ULL(7);
	CHECK_EQ(walk(0), WALK_NONCANONICAL);
}

TEST(sizes_and_granules_that_there_are_not_end_a_walk)
{
	unsigned int size, granule;

	setup(0);
	for (size = 0; size < 64; size++)
		for (granule = 0; granule < 4; granule++) {
			paging.tcr = size | (u64)granule << 14;
			walk(0);
			CHECK(w.nr <= PAGING_LEVELS);
			if (granule == 3 || size < 12 || size > 48 || (granule != 1 && size < 16) || (granule == 1 && size == 48)) {
				CHECK_EQ(w.end, WALK_BAD_TCR);
				CHECK_EQ(w.nr, 0);
			} else {
				CHECK_EQ(w.end, WALK_NOT_VALID);
			}
		}
	paging.tcr = 16ULL << 16;	/* TG1 0 */
	CHECK_EQ(walk(~0ULL), WALK_BAD_TCR);
}

TEST(tables_outside_ram_end_a_walk)
{
	four_levels();
	set64(BASE + 0x2000, (BASE + RAM) | TABLE);
	CHECK_EQ(walk(0xffff800010001000), WALK_OUTSIDE);
	CHECK_EQ(w.nr, 3);
	CHECK_EQ(w.step[2].gpa, BASE + RAM + 128 * 8);
	paging.ttbr1 = ~0ULL;
	CHECK_EQ(walk(0xffff800010001000), WALK_OUTSIDE);
	CHECK_EQ(w.nr, 1);
	paging.ttbr1 = 0;
	CHECK_EQ(walk(0xffff800010001000), WALK_OUTSIDE);
}

TEST(tables_that_are_their_own_table_end)
{
	unsigned int i;

	setup((TCR_4K_48 & ~63ULL) | 12 | TCR_DS);
	for (i = 0; i < 512; i++)
		set64(BASE + 8 * i, BASE | TABLE | AF);
	CHECK_EQ(walk(0x7ffffffffffff), WALK_MAPPED);
	CHECK_EQ(w.nr, PAGING_LEVELS);
	CHECK_EQ(w.gpa, BASE + 0xfff);
}

TEST(reads_end_where_the_mapping_does)
{
	u8 buf[64];

	four_levels();
	memset(ram + 0x7ff0, 0xab, 16);
	CHECK_EQ(paging_read(&vm.mem, &paging, 0xffff800010001ff0, buf, 32), 16);
	CHECK_EQ(buf[15], 0xab);
	paging.sctlr = 0;
	CHECK_EQ(paging_read(&vm.mem, &paging, BASE + 0x7ff0, buf, 32), 32);
	CHECK_EQ(paging_read(&vm.mem, &paging, BASE + RAM - 8, buf, 32), 8);
	CHECK_EQ(paging_read(&vm.mem, &paging, ~0ULL - 3, buf, 32), 0);
	CHECK_EQ(walk(0x123), WALK_UNPAGED);
	CHECK_STR(w.mode, "off");
}

/* --- the dump --- */

static u64 pstate, pc, sp_el0, sp_el1, esr;
static bool dead, no_state;
static u32 mp_state;

int arm_get_reg(struct vcpu *v, u64 id, void *val)
{
	u64 r = id & 0xffff;

	if (dead)
		return -EIO;
	if (id == REG_PC)
		r = pc;
	else if (id == REG_PSTATE)
		r = pstate;
	else if (id == REG_SP_EL0)
		r = sp_el0;
	else if (id == REG_SP_EL1)
		r = sp_el1;
	else if (id == REG_ESR_EL1)
		r = esr;
	else if (id == REG_SCTLR_EL1)
		r = paging.sctlr;
	else if (id == REG_TCR_EL1)
		r = paging.tcr;
	else if (id == REG_TTBR0_EL1)
		r = paging.ttbr0;
	else if (id == REG_TTBR1_EL1)
		r = paging.ttbr1;
	else if (id >= REG_X(0) && id <= REG_X(30))
		r = 0x1000 + (id - REG_X(0)) / 2;
	else if (id == REG_AFSR1_EL1)
		return -ENOENT;
	memcpy(val, &r, id >> 52 == 0x602 ? 4 : 8);
	return 0;
}

int ioctl(int fd, unsigned long req, ...)
{
	va_list ap;

	if (req != KVM_GET_MP_STATE || no_state) {
		errno = EINVAL;
		return -1;
	}
	va_start(ap, req);
	va_arg(ap, struct kvm_mp_state *)->mp_state = mp_state;
	va_end(ap);
	return 0;
}

static char text[16384];

static const char *dump(void)
{
	struct vcpu v = { .vm = &vm, .index = 3 };
	struct strbuf b = { 0 };

	arch_vcpu_dump(&v, &b);
	snprintf(text, sizeof(text), "%s", b.s && !b.failed ? b.s : "");
	strbuf_free(&b);
	return text;
}

static void kernel(void)
{
	four_levels();
	pc = 0xffff800010001010;
	sp_el1 = 0xffff800010001fd8;
	sp_el0 = 0x1234;
	pstate = 0x600003c5;	/* nZCv DAIF, EL1h */
	esr = 0x96000045;
	dead = no_state = false;
	mp_state = KVM_MP_STATE_RUNNABLE;
	put_le32(ram + 0x7010, 0xd503207f);
	put_le64(ram + 0x7fd8, 0x1122334455667788);
}

TEST(a_kernel_is_told_in_full)
{
	kernel();
	dump();
	CHECK(strstr(text, "vCPU 3 runnable, EL1h, nZCv DAIF\n"));
	CHECK(strstr(text, "pc     ffff800010001010"));
	CHECK(strstr(text, "x30    000000000000101e"));
	CHECK(strstr(text, "esr_el1        0000000096000045"));
	CHECK(strstr(text, "last exception to EL1: data abort\n"));
	CHECK(strstr(text, "<7f> 20 03 d5"));
	CHECK(strstr(text, "stack 1122334455667788 0000000000000000"));
	CHECK(strstr(text, " --\nwalk pc ffff800010001010, paging TTBR1, 4 KiB, 48 bits\n  L0  0000000080001800: 0000000080002003 V T\n"));
	CHECK(strstr(text, "  L3  0000000080004008: 0040000080007403 V T AF UXN\n"));
	CHECK(strstr(text, "  = gpa 0000000080007010, page of 4 KiB, kernel write exec-kernel\n"));
	CHECK(!strstr(text, "afsr1"));	/* KVM has it not */
	CHECK(strstr(text, "fpsr 00000000000000d4"));
}

TEST(other_modes_are_told_apart)
{
	kernel();
	pstate = 0x3c4;
	CHECK(strstr(dump(), "EL1t"));
	CHECK(strstr(text, "walk sp 0000000000001234"));
	pstate = 0;
	pc = 0xdead000;
	CHECK(strstr(dump(), "runnable, EL0, nzcv daif"));
	CHECK(strstr(text, "= not valid\n"));
	CHECK(strstr(text, "code -- --"));
	pstate = 0x1d3;
	CHECK(strstr(dump(), "AArch32 svc"));
	CHECK(strstr(text, "walk sp 0000000000001013"));	/* x19 */
	pstate = 0xa0000010;
	CHECK(strstr(dump(), "AArch32 usr, NzCv daif"));
	pstate = 0x3cd;
	CHECK(strstr(dump(), "no known mode"));
	pstate = 0x1d9;
	CHECK(strstr(dump(), "no known mode"));
	pstate = 0x3c9;
	CHECK(strstr(dump(), "EL2h"));
	CHECK(strstr(text, "EL2's page tables are not followed\n"));
	CHECK(!strstr(text, "walk"));
	pstate = 0x1d3;
	arch.features.aarch32 = true;
	CHECK(strstr(dump(), "a 32-bit kernel's page tables"));
	paging.sctlr = 0;
	CHECK(strstr(dump(), "walk pc 000000000dead000, paging off\n  = not paged\n"));
}

TEST(states_are_told)
{
	kernel();
	mp_state = KVM_MP_STATE_STOPPED;
	CHECK(strstr(dump(), "vCPU 3 off,"));
	mp_state = 10;
	CHECK(strstr(dump(), "vCPU 3 suspended,"));
	mp_state = 99;
	CHECK(strstr(dump(), "in an unknown state"));
	no_state = true;
	CHECK(strstr(dump(), "in an unknown state"));
	dead = true;
	CHECK_STR(dump(), "registers cannot be read: Input/output error\n");
}

TEST(walks_that_leave_ram_say_so)
{
	kernel();
	paging.ttbr1 = 0x1000;
	CHECK(strstr(dump(), "  L0  0000000000001800: --\n  = table outside RAM\n"));
	CHECK(strstr(text, "stack --\n"));
}

TEST(every_class_of_exception_has_a_text)
{
	unsigned int ec;

	kernel();
	for (ec = 0; ec < 64; ec++) {
		esr = (u64)ec << 26;
		CHECK(!strstr(dump(), "EL1: (null)") && strstr(text, "EL1: "));
	}
	esr = 0x3fULL << 26;
	CHECK(strstr(dump(), "EL1: another reason\n"));
}

static struct json_value node[512];

static const struct json_value *dump_json(void)
{
	struct vcpu v = { .vm = &vm, .index = 3 };
	const struct json_value *root = NULL;
	struct strbuf b = { 0 };

	json_begin(&b, NULL);
	arch_vcpu_dump_json(&v, &b);
	json_end(&b);
	snprintf(text, sizeof(text), "%s", b.s && !b.failed ? b.s : "");
	strbuf_free(&b);
	return json_parse(text, node, ARRAY_SIZE(node), &root) < 0 ? NULL : root;
}

static const char *member(const struct json_value *o, const char *a, const char *b)
{
	const char *s = NULL;

	if (b)
		o = json_member(o, a);
	return o && json_get_str(o, b ? b : a, &s) == 0 ? s : "";
}

TEST(json_says_the_same)
{
	const struct json_value *root, *walk_pc;
	u64 n;

	kernel();
	root = dump_json();
	CHECK(root);
	CHECK_STR(member(root, "state", NULL), "runnable");
	CHECK_STR(member(root, "mode", NULL), "EL1h");
	CHECK_EQ(json_get_u64(root, "el", 3, &n), 0);
	CHECK_EQ(n, 1);
	CHECK_STR(member(root, "general", "pc"), "0xffff800010001010");
	CHECK_STR(member(root, "system", "esr_el1"), "0x96000045");
	CHECK_STR(member(root, "exception", NULL), "data abort");
	CHECK_STR(member(root, "stack", "addr"), "0xffff800010001fd8");
	CHECK_STR(member(root, "code", "addr"), "0xffff800010001000");
	walk_pc = json_member(json_member(root, "walk"), "pc");
	CHECK(walk_pc);
	CHECK_STR(member(walk_pc, "end", NULL), "mapped");
	CHECK_STR(member(walk_pc, "gpa", NULL), "0x80007010");
	paging.ttbr1 = 0;
	root = dump_json();
	CHECK(root);
	CHECK_STR(member(json_member(json_member(root, "walk"), "pc"), "end", NULL), "table outside RAM");
	pstate = 0x3c9;
	root = dump_json();
	CHECK(root && !json_member(root, "walk"));
	dead = true;
	root = dump_json();
	CHECK(root);
	CHECK_STR(member(root, "error", NULL), "Input/output error");
}

int main(void)
{
	RUN(four_levels_are_walked);
	RUN(three_levels_of_39_bits_begin_at_1);
	RUN(granules_of_16_and_64_kib_are_walked);
	RUN(wide_addresses_have_their_bits_where_the_granule_says);
	RUN(entries_of_a_kind_the_level_has_not_end_a_walk);
	RUN(rights_of_tables_count_unless_switched_off);
	RUN(addresses_in_no_half_are_known);
	RUN(sizes_and_granules_that_there_are_not_end_a_walk);
	RUN(tables_outside_ram_end_a_walk);
	RUN(tables_that_are_their_own_table_end);
	RUN(reads_end_where_the_mapping_does);
	RUN(a_kernel_is_told_in_full);
	RUN(other_modes_are_told_apart);
	RUN(states_are_told);
	RUN(walks_that_leave_ram_say_so);
	RUN(every_class_of_exception_has_a_text);
	RUN(json_says_the_same);
	return tap_done();
}
