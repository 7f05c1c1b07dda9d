/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks of page tables, right and hostile ones, in each mode; and the dump of a vCPU whose registers are ours. [riscv-privileged 12.3]
 * links: riscv/debug.c riscv/paging.c riscv/onereg.c dump.c memory.c util/str.c util/json.c util/json-parse.c util/error.c util/log.c
 */
#include "tests/riscv/onereg-fake.h"

#include "riscv/paging.h"
#include "tests/tap.h"
#include "util/endian.h"
#include "util/json.h"
#include "vmm/arch.h"

enum { RAM_SIZE = 64 * 1024, V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128 };
#define RAM 0x80000000ULL
#define SV39 (8ULL << 60)
#define SV48 (9ULL << 60)
#define SV57 (10ULL << 60)

static u8 ram[RAM_SIZE] __attribute__((aligned(4096)));
static struct guest_mem mem;
static u64 satp;
static struct walk w;

static u64 ptr(u64 gpa) { return gpa >> 12 << 10; }	/* an entry's address part */
static void set(u64 off, u64 entry) { put_le64(ram + off, entry); }

static void setup(u64 mode)
{
	memset(ram, 0, sizeof(ram));
	memset(&mem, 0, sizeof(mem));
	if (guest_mem_add(&mem, RAM, RAM_SIZE, ram) < 0)
		abort();
	satp = mode | (RAM + 0x1000) >> 12;
}

static enum walk_end walk(u64 addr)
{
	paging_walk(&mem, satp, addr, &w);
	return w.end;
}

/* 0xffffffc000001000 -> RAM + 0x7000 by three tables. */
static void three_levels(void)
{
	setup(SV39);
	set(0x1800, ptr(RAM + 0x2000) | V);
	set(0x2000, ptr(RAM + 0x3000) | V);
	set(0x3008, ptr(RAM + 0x7000) | V | R | W | A | D);
}

TEST(sv39_is_walked)
{
	three_levels();
	CHECK_EQ(walk(0xffffffc000001234), WALK_MAPPED);
	CHECK_EQ(w.gpa, RAM + 0x7234);
	CHECK_EQ(w.page_size, 4096);
	CHECK_EQ(w.nr, 3);
	CHECK_EQ(w.step[0].gpa, RAM + 0x1800);
	CHECK_EQ(w.step[2].gpa, RAM + 0x3008);
	CHECK_EQ(w.step[2].entry, ptr(RAM + 0x7000) | V | R | W | A | D);
	CHECK(w.read && w.write && !w.exec && !w.user);
	CHECK_STR(w.mode, "Sv39");
}

TEST(sv48_and_sv57_are_walked)
{
	three_levels();
	satp = SV48 | (RAM + 0x4000) >> 12;
	set(0x4ff8, ptr(RAM + 0x1000) | V);
	CHECK_EQ(walk(0xffffffc000001234), WALK_MAPPED);
	CHECK_EQ(w.gpa, RAM + 0x7234);
	CHECK_EQ(w.nr, 4);
	CHECK_STR(w.mode, "Sv48");
	satp = SV57 | (RAM + 0x5000) >> 12;
	set(0x5ff8, ptr(RAM + 0x4000) | V);
	CHECK_EQ(walk(0xffffffc000001234), WALK_MAPPED);
	CHECK_EQ(w.nr, 5);
	CHECK_EQ(w.gpa, RAM + 0x7234);
	CHECK_STR(w.mode, "Sv57");
}

TEST(addresses_beyond_the_mode_are_none)
{
	three_levels();
	CHECK_EQ(walk(0x0000004000000000), WALK_NONCANONICAL);
	CHECK_EQ(w.nr, 0);
	CHECK_EQ(walk(0xffffffbfffffffff), WALK_NONCANONICAL);
	CHECK_EQ(walk(0x0000003fffffffff), WALK_INVALID);
	satp = SV48;
	CHECK_EQ(walk(0x0000800000000000), WALK_NONCANONICAL);
	satp = SV57;
	CHECK_EQ(walk(0x0100000000000000), WALK_NONCANONICAL);
}

TEST(large_pages_are_pages)
{
	three_levels();
	set(0x1000, ptr(0x40000000) | V | R | X | U);
	CHECK_EQ(walk(0x12345678), WALK_MAPPED);
	CHECK_EQ(w.page_size, 1ULL << 30);
	CHECK_EQ(w.gpa, 0x40000000 + 0x12345678);
	CHECK(w.exec && w.user && !w.write);
	set(0x2008, ptr(0x40200000) | V | X);
	CHECK_EQ(walk(0xffffffc000212345), WALK_MAPPED);
	CHECK_EQ(w.page_size, 2ULL << 20);
	CHECK_EQ(w.gpa, 0x40212345);
	CHECK(!w.read && w.exec);
	set(0x2008, ptr(0x40201000) | V | R);
	CHECK_EQ(walk(0xffffffc000212345), WALK_MISALIGNED);
	set(0x1000, ptr(0x40200000) | V | R);
	CHECK_EQ(walk(0x12345678), WALK_MISALIGNED);
}

TEST(napot_pages_are_64_kib)
{
	three_levels();
	set(0x3008, ptr(RAM + 0x8000) | V | R | BIT_ULL(63));
	CHECK_EQ(walk(0xffffffc000001234), WALK_MAPPED);
	CHECK_EQ(w.page_size, 65536);
	CHECK_EQ(w.gpa, RAM + 0x1234);
	set(0x3008, ptr(RAM + 0x4000) | V | R | BIT_ULL(63));
	CHECK_EQ(walk(0xffffffc000001234), WALK_RESERVED);
	set(0x2000, ptr(0x40008000) | V | R | BIT_ULL(63));	/* only the last level has them */
	CHECK_EQ(walk(0xffffffc000001234), WALK_RESERVED);
}

TEST(bad_entries_end_the_walk)
{
	static const u64 bad[] = {
		V | W, V | W | X, BIT_ULL(54) | V | R, BIT_ULL(60) | V | R, 3ULL << 61 | V | R,
		/* that point to a table: */
		V | A, V | D, V | U, 1ULL << 61 | V, BIT_ULL(63) | V,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		three_levels();
		set(0x2000, ptr(RAM + 0x3000) | bad[i]);
		CHECK_EQ(walk(0xffffffc000001234), WALK_RESERVED);
		CHECK_EQ(w.nr, 2);
	}
	three_levels();
	set(0x3008, ptr(RAM + 0x7000) | V);	/* a table below the last level */
	CHECK_EQ(walk(0xffffffc000001234), WALK_RESERVED);
	set(0x2000, 0xfffffffffffffffe);
	CHECK_EQ(walk(0xffffffc000001234), WALK_INVALID);
	CHECK_EQ(w.nr, 2);
}

TEST(tables_outside_ram_are_not_read)
{
	three_levels();
	set(0x1800, ptr(0x1000) | V);
	CHECK_EQ(walk(0xffffffc000001234), WALK_OUTSIDE);
	CHECK_EQ(w.nr, 2);
	set(0x1800, ((1ULL << 44) - 1) << 10 | V);
	CHECK_EQ(walk(0xffffffc000001234), WALK_OUTSIDE);
	satp = SV39 | ((1ULL << 44) - 1);
	CHECK_EQ(walk(0xffffffc000001234), WALK_OUTSIDE);
	CHECK_EQ(w.nr, 1);
}

TEST(table_that_points_to_itself_ends)
{
	setup(SV57);
	set(0x1000, ptr(RAM + 0x1000) | V);
	CHECK_EQ(walk(0), WALK_RESERVED);
	CHECK_EQ(w.nr, PAGING_LEVELS);
}

TEST(bare_and_unknown_modes)
{
	setup(0);
	CHECK_EQ(walk(RAM + 5), WALK_BARE);
	CHECK_EQ(w.gpa, RAM + 5);
	CHECK_STR(w.mode, "bare");
	setup(1ULL << 60);
	CHECK_EQ(walk(RAM), WALK_MODE);
	setup(15ULL << 60);
	CHECK_EQ(walk(RAM), WALK_MODE);
	CHECK_STR(w.mode, "unknown");
}

TEST(reading_ends_where_pages_end)
{
	u8 buf[64];

	three_levels();
	memset(ram + 0x7ff0, 'r', 16);
	CHECK_EQ(paging_read(&mem, satp, 0xffffffc000001ff0, buf, sizeof(buf)), 16);
	CHECK_EQ(buf[15], 'r');
	CHECK_EQ(paging_read(&mem, satp, 0xffffffc000005000, buf, sizeof(buf)), 0);
	set(0x3008, ptr(0x1000) | V | R);	/* a device's, or nothing */
	CHECK_EQ(paging_read(&mem, satp, 0xffffffc000001ff0, buf, sizeof(buf)), 0);
}

/* --- the dump --- */

static void put_reg(u64 id, u64 val)
{
	struct fake_reg *r = fake_find(id);

	if (r)
		memcpy(r->val, &val, sizeof(val));
}

static void a_kernel(void)
{
	three_levels();
	fake_full();
	fake_vm.mem = mem;
	put_le32(ram + 0x7100, 0x10500073);	/* wfi */
	put_le64(ram + 0x7ff0, 0x1122334455667788);
	put_reg(ONEREG_CORE_ID(CORE_PC), 0xffffffc000001100);
	put_reg(ONEREG_CORE_ID(CORE_SP), 0xffffffc000001ff0);
	put_reg(ONEREG_CORE_ID(CORE_MODE), MODE_S);
	put_reg(ONEREG_CSR_ID(CSR_SATP), satp | 0x12ULL << 44);
	put_reg(ONEREG_CSR_ID(CSR_SCAUSE), 1ULL << 63 | 5);
	put_reg(ONEREG_CSR_ID(CSR_SSTATUS), 0x8000000200006122);
	put_reg(ONEREG_CSR_ID(CSR_SIE), 0x222);
	put_reg(ONEREG_CSR_ID(CSR_SIP), 0x20);
}

static struct strbuf out;

static bool says(const char *text)
{
	return !out.failed && out.s && strstr(out.s, text);
}

TEST(text_has_what_a_reader_wants)
{
	a_kernel();
	arch_vcpu_dump(&fake_vcpu, &out);
	CHECK(says("vCPU 0 runnable, S mode\n"));
	CHECK(says("pc   ffffffc000001100 ra "));
	CHECK(says("\nsstatus    8000000200006122 sie        0000000000000222 stvec "));
	CHECK(says("sstatus: SIE SPIE SPP SD, fp dirty, vector off\n"));
	CHECK(says("scause: timer interrupt\n"));
	CHECK(says("enabled: software timer external\n"));
	CHECK(says("pending: timer\n"));
	CHECK(says("satp: Sv39, asid 18, root 0000000080001000\n"));
	CHECK(says("extensions: a c d f i m svpbmt sstc"));
	CHECK(says(" sbi.sta\n"));
	CHECK(says(" <73> 00 50 10 "));
	CHECK(says("stack 1122334455667788 0000000000000000 --\n"));
	CHECK(says("walk pc ffffffc000001100, Sv39\n"));
	CHECK(says("  = gpa 0000000080007100, page of 4 KiB, kernel read write\n"));
	strbuf_free(&out);
}

TEST(text_shows_what_cannot_be_read)
{
	a_kernel();
	set(0x1800, ptr(0x1000) | V);
	fake.mp_state = KVM_MP_STATE_STOPPED;
	put_reg(ONEREG_CORE_ID(CORE_MODE), MODE_U);
	put_reg(ONEREG_CSR_ID(CSR_SCAUSE), 13);
	arch_vcpu_dump(&fake_vcpu, &out);
	CHECK(says("vCPU 0 stopped, U mode\n"));
	CHECK(says("scause: load page fault\n"));
	CHECK(says(" <--> -- "));
	CHECK(says("stack --\n"));
	CHECK(says("  0000000000001000: --\n  = table outside RAM\n"));
	strbuf_free(&out);
	put_reg(ONEREG_CSR_ID(CSR_SCAUSE), ~0ULL);
	put_reg(ONEREG_CSR_ID(CSR_SATP), 0);
	arch_vcpu_dump(&fake_vcpu, &out);
	CHECK(says("scause: reserved\n"));
	CHECK(says("walk sp ffffffc000001ff0, bare\n  = not translated\n"));
	strbuf_free(&out);
}

TEST(json_has_every_register_by_name)
{
	enum { NODES = 1024 };
	static struct json_value node[NODES];
	const struct json_value *top, *regs;
	char name[ONEREG_NAME];
	const char *s = NULL;
	unsigned int i;

	a_kernel();
	json_begin(&out, NULL);
	arch_vcpu_dump_json(&fake_vcpu, &out);
	json_end(&out);
	CHECK(!out.failed);
	CHECK_EQ(json_parse(out.s, node, NODES, &top), 0);
	regs = json_member(top, "registers");
	CHECK(regs);
	for (i = 0; i < fake.nr; i++) {
		onereg_name(fake.reg[i].id, name);
		CHECK_EQ(json_get_str(regs, name, &s), 0);
	}
	CHECK_EQ(json_get_str(regs, "core.pc", &s), 0);
	CHECK_STR(s, "0xffffffc000001100");
	CHECK_EQ(json_get_str(regs, "vector.v31", &s), 0);
	CHECK_STR(s, "0000000000000000000000000000001f");
	CHECK_EQ(json_get_str(top, "state", &s), 0);
	CHECK_STR(s, "runnable");
	CHECK_EQ(json_get_str(top, "cause", &s), 0);
	CHECK_STR(s, "timer interrupt");
	CHECK_EQ(json_get_str(json_member(json_member(top, "walk"), "pc"), "gpa", &s), 0);
	CHECK_STR(s, "0x80007100");
	CHECK_EQ(json_get_str(json_member(top, "code"), "addr", &s), 0);
	CHECK_STR(s, "0xffffffc0000010f0");
	strbuf_free(&out);
}

TEST(vcpu_that_cannot_be_read_says_so)
{
	a_kernel();
	fake.list_error = EIO;
	arch_vcpu_dump(&fake_vcpu, &out);
	CHECK(says("registers cannot be read: Input/output error\n"));
	strbuf_free(&out);
	json_begin(&out, NULL);
	arch_vcpu_dump_json(&fake_vcpu, &out);
	json_end(&out);
	CHECK_STR(out.s, "{\"error\":\"Input/output error\"}");
	strbuf_free(&out);
}

int main(void)
{
	RUN(sv39_is_walked);
	RUN(sv48_and_sv57_are_walked);
	RUN(addresses_beyond_the_mode_are_none);
	RUN(large_pages_are_pages);
	RUN(napot_pages_are_64_kib);
	RUN(bad_entries_end_the_walk);
	RUN(tables_outside_ram_are_not_read);
	RUN(table_that_points_to_itself_ends);
	RUN(bare_and_unknown_modes);
	RUN(reading_ends_where_pages_end);
	RUN(text_has_what_a_reader_wants);
	RUN(text_shows_what_cannot_be_read);
	RUN(json_has_every_register_by_name);
	RUN(vcpu_that_cannot_be_read_says_so);
	return tap_done();
}
