/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SBI calls that KVM hands to us: the console by legacy calls and by DBCN, addresses that are none, suspend, and what there is not.
 * [riscv-sbi 2.0: 5, 12, 13]
 * links: riscv/sbi.c riscv/onereg.c memory.c util/error.c util/log.c util/str.c
 */
#include "tests/riscv/onereg-fake.h"

#include <pthread.h>

#include "tests/tap.h"
#include "vmm/chardev.h"

enum { SUCCESS = 0, NOT_SUPPORTED = -2, INVALID_PARAM = -3 };
enum { PUTCHAR = 1, GETCHAR = 2, DBCN = 0x4442434e, SUSP = 0x53555350 };
enum { WRITE, READ, WRITE_BYTE };
#define RAM 0x80000000ULL
enum { HALF = 0x1000 };

static u8 low[HALF], high[HALF];	/* two ranges, one after the other */
static char out[4096];
static size_t out_len, out_room;
static unsigned int resumed, waited;
static struct chardev_client *reader;
static struct chardev *const console = (struct chardev *)&out;

size_t chardev_write(struct chardev *cd, const u8 *buf, size_t len)
{
	size_t n = MIN(len, out_room - out_len);

	memcpy(out + out_len, buf, n);
	out_len += n;
	return n;
}

void chardev_write_all(struct chardev *cd, const u8 *buf, size_t len)
{
	waited++;
	chardev_write(cd, buf, len);
}

void chardev_divert_input(struct chardev *cd, struct chardev_client *r) { reader = r; }
void chardev_resume_input(struct chardev *cd) { resumed++; }

static int start(void)
{
	fake_setup();
	memset(low, 0, sizeof(low));
	memset(high, 0, sizeof(high));
	memset(out, 0, sizeof(out));
	out_len = 0;
	out_room = sizeof(out);
	resumed = waited = 0;
	reader = NULL;
	fake_vm.console = console;
	return guest_mem_add(&fake_vm.mem, RAM, HALF, low) || guest_mem_add(&fake_vm.mem, RAM + HALF, HALF, high) || sbi_init(&fake_vm);
}

static long call(unsigned long ext, unsigned long func, unsigned long a0, unsigned long a1, unsigned long a2)
{
	fake_run.riscv_sbi.extension_id = ext;
	fake_run.riscv_sbi.function_id = func;
	fake_run.riscv_sbi.args[0] = a0;
	fake_run.riscv_sbi.args[1] = a1;
	fake_run.riscv_sbi.args[2] = a2;
	fake_run.riscv_sbi.ret[0] = fake_run.riscv_sbi.ret[1] = 0x5a5a;
	return sbi_exit(&fake_vcpu) ? -1000 : (long)fake_run.riscv_sbi.ret[0];
}

static unsigned long value(void) { return fake_run.riscv_sbi.ret[1]; }

TEST(putchar_writes_a_byte_and_keeps_a1)
{
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(PUTCHAR, 0, 'x', 0x1234, 0), SUCCESS);
	CHECK_EQ(value(), 0x1234);
	CHECK_STR(out, "x");
	CHECK_EQ(waited, 1);
	sbi_free(&fake_vm);
}

TEST(getchar_never_waits)
{
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(GETCHAR, 0, 0, 7, 0), -1);
	CHECK_EQ(value(), 7);
	CHECK(reader);		/* input is ours from now on */
	CHECK_EQ(reader->receive(reader, (const u8 *)"\xff" "b", 2), 2);
	CHECK_EQ(call(GETCHAR, 0, 0, 0, 0), 0xff);
	CHECK_EQ(call(GETCHAR, 0, 0, 0, 0), 'b');
	CHECK_EQ(call(GETCHAR, 0, 0, 0, 0), -1);
	sbi_free(&fake_vm);
}

TEST(input_is_not_taken_before_somebody_reads)
{
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(PUTCHAR, 0, 'x', 0, 0), SUCCESS);
	CHECK_EQ(call(DBCN, WRITE_BYTE, 'x', 0, 0), SUCCESS);
	CHECK_EQ(call(DBCN, READ, 0, RAM, 0), SUCCESS);
	CHECK_EQ(call(DBCN, READ, 1, 0, 0), INVALID_PARAM);
	CHECK(!reader);
	sbi_free(&fake_vm);
}

TEST(reset_gives_input_back)
{
	CHECK_EQ(start(), 0);
	call(GETCHAR, 0, 0, 0, 0);
	CHECK(reader);
	CHECK_EQ(reader->receive(reader, (const u8 *)"old", 3), 3);
	sbi_reset(&fake_vm);
	CHECK(!reader);
	CHECK_EQ(call(GETCHAR, 0, 0, 0, 0), -1);
	CHECK(reader);
	sbi_free(&fake_vm);
}

TEST(full_buffer_takes_no_more_until_read)
{
	u8 many[5000];
	size_t n;

	memset(many, 'm', sizeof(many));
	CHECK_EQ(start(), 0);
	call(GETCHAR, 0, 0, 0, 0);
	n = reader->receive(reader, many, sizeof(many));
	CHECK(n > 0 && n < sizeof(many));
	CHECK_EQ(reader->receive(reader, many, sizeof(many)), 0);
	CHECK_EQ(resumed, 0);
	CHECK_EQ(call(GETCHAR, 0, 0, 0, 0), 'm');
	CHECK_EQ(resumed, 1);
	CHECK_EQ(reader->receive(reader, many, sizeof(many)), 1);
	sbi_free(&fake_vm);
}

TEST(dbcn_writes_across_ranges)
{
	CHECK_EQ(start(), 0);
	memcpy(low + HALF - 3, "abc", 3);
	memcpy(high, "def", 3);
	CHECK_EQ(call(DBCN, WRITE, 6, RAM + HALF - 3, 0), SUCCESS);
	CHECK_EQ(value(), 6);
	CHECK_STR(out, "abcdef");
	CHECK_EQ(waited, 0);
	sbi_free(&fake_vm);
}

TEST(dbcn_write_is_partial_when_the_console_is_full)
{
	CHECK_EQ(start(), 0);
	memset(low, 'w', sizeof(low));
	out_room = 10;
	CHECK_EQ(call(DBCN, WRITE, 100, RAM, 0), SUCCESS);
	CHECK_EQ(value(), 10);
	CHECK_EQ(call(DBCN, WRITE, 100, RAM, 0), SUCCESS);
	CHECK_EQ(value(), 0);
	sbi_free(&fake_vm);
}

TEST(dbcn_call_is_bounded)
{
	CHECK_EQ(start(), 0);
	memset(low, 'w', sizeof(low));
	CHECK_EQ(call(DBCN, WRITE, 2 * HALF, RAM, 0), SUCCESS);
	CHECK(value() > 0 && value() < 2 * HALF);
	CHECK_EQ(value(), out_len);
	sbi_free(&fake_vm);
}

TEST(dbcn_refuses_what_is_no_memory)
{
	static const struct { u64 len, lo, hi; } bad[] = {
		{ 1, 0, 0 }, { 1, RAM - 1, 0 }, { 1, RAM + 2 * HALF, 0 }, { 2, RAM + 2 * HALF - 1, 0 }, { 1, RAM, 1 }, { 1, RAM, ~0ULL },
		{ ~0ULL, RAM, 0 }, { 16, ~0ULL - 7, 0 }, { 2 * HALF + 1, RAM, 0 }, { 1ULL << 63, RAM, 0 },
	};
	unsigned int i;

	CHECK_EQ(start(), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(call(DBCN, WRITE, bad[i].len, bad[i].lo, bad[i].hi), INVALID_PARAM);
		CHECK_EQ(value(), 0);
		CHECK_EQ(call(DBCN, READ, bad[i].len, bad[i].lo, bad[i].hi), INVALID_PARAM);
		CHECK_EQ(value(), 0);
	}
	CHECK_EQ(out_len, 0);
	CHECK_EQ(call(DBCN, WRITE, 0, 0, 0), SUCCESS);
	CHECK_EQ(value(), 0);
	sbi_free(&fake_vm);
}

TEST(dbcn_reads_what_there_is)
{
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(DBCN, READ, 10, RAM + HALF - 2, 0), SUCCESS);
	CHECK_EQ(value(), 0);
	CHECK_EQ(reader->receive(reader, (const u8 *)"hello", 5), 5);
	CHECK_EQ(call(DBCN, READ, 3, RAM + HALF - 2, 0), SUCCESS);
	CHECK_EQ(value(), 3);
	CHECK(!memcmp(low + HALF - 2, "he", 2) && high[0] == 'l' && !high[1]);
	CHECK_EQ(call(DBCN, READ, 10, RAM, 0), SUCCESS);
	CHECK_EQ(value(), 2);
	CHECK(!memcmp(low, "lo", 3));
	sbi_free(&fake_vm);
}

TEST(dbcn_byte_is_waited_for)
{
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(DBCN, WRITE_BYTE, 0x1ff00 + 'y', 1, 2), SUCCESS);
	CHECK_EQ(value(), 0);
	CHECK_STR(out, "y");
	CHECK_EQ(waited, 1);
	sbi_free(&fake_vm);
}

TEST(without_a_console_output_is_dropped_and_input_is_none)
{
	CHECK_EQ(start(), 0);
	fake_vm.console = NULL;
	CHECK_EQ(call(PUTCHAR, 0, 'x', 0, 0), SUCCESS);
	CHECK_EQ(call(GETCHAR, 0, 0, 0, 0), -1);
	CHECK_EQ(call(DBCN, WRITE, 5, RAM, 0), SUCCESS);
	CHECK_EQ(value(), 5);
	CHECK_EQ(call(DBCN, READ, 5, RAM, 0), SUCCESS);
	CHECK_EQ(value(), 0);
	CHECK_EQ(call(DBCN, WRITE_BYTE, 5, 0, 0), SUCCESS);
	CHECK(!reader);
	sbi_reset(&fake_vm);
	sbi_free(&fake_vm);
	sbi_free(&fake_vm);
}

TEST(suspend_wakes_at_once)
{
	CHECK_EQ(start(), 0);
	CHECK_EQ(call(SUSP, 0, 0, RAM, 0), SUCCESS);
	CHECK_EQ(call(SUSP, 0, 1, RAM, 0), INVALID_PARAM);
	CHECK_EQ(call(SUSP, 0, 0xffffffff00000000UL, RAM, 0), SUCCESS);	/* 32 bit wide [13.1] */
	CHECK_EQ(call(SUSP, 1, 0, RAM, 0), NOT_SUPPORTED);
	sbi_free(&fake_vm);
}

TEST(what_there_is_not_is_said_to_be_so)
{
	static const unsigned long ext[] = { 0, 3, 8, 0x10, 0x504d55, 0x08000000, 0x09000000, ~0UL };
	unsigned int i;

	CHECK_EQ(start(), 0);
	for (i = 0; i < ARRAY_SIZE(ext); i++) {
		CHECK_EQ(call(ext[i], 0, 0, 0, 0), NOT_SUPPORTED);
		CHECK_EQ(value(), 0);
	}
	CHECK_EQ(call(DBCN, 3, 0, 0, 0), NOT_SUPPORTED);
	CHECK_EQ(call(DBCN, ~0UL, 0, 0, 0), NOT_SUPPORTED);
	sbi_free(&fake_vm);
}

enum { STREAM = 20000 };

static void *feed(void *arg)
{
	u8 piece[7];
	unsigned int sent = 0, i;

	while (sent < STREAM) {
		for (i = 0; i < sizeof(piece); i++)
			piece[i] = (u8)(sent + i);
		sent += (unsigned int)reader->receive(reader, piece, MIN((unsigned int)sizeof(piece), STREAM - sent));
	}
	return NULL;
}

TEST(bytes_come_in_order_while_the_loop_fills)
{
	unsigned int got = 0, bad = 0, i;
	pthread_t thread;

	CHECK_EQ(start(), 0);
	call(GETCHAR, 0, 0, 0, 0);
	CHECK_EQ(pthread_create(&thread, NULL, feed, NULL), 0);
	while (got < STREAM && call(DBCN, READ, 5, RAM, 0) == SUCCESS)
		for (i = 0; i < value(); i++, got++)
			bad += low[i] != (u8)got;
	pthread_join(thread, NULL);
	CHECK_EQ(got, STREAM);
	CHECK_EQ(bad, 0);
	sbi_free(&fake_vm);
}

int main(void)
{
	RUN(putchar_writes_a_byte_and_keeps_a1);
	RUN(getchar_never_waits);
	RUN(input_is_not_taken_before_somebody_reads);
	RUN(reset_gives_input_back);
	RUN(full_buffer_takes_no_more_until_read);
	RUN(dbcn_writes_across_ranges);
	RUN(dbcn_write_is_partial_when_the_console_is_full);
	RUN(dbcn_call_is_bounded);
	RUN(dbcn_refuses_what_is_no_memory);
	RUN(dbcn_reads_what_there_is);
	RUN(dbcn_byte_is_waited_for);
	RUN(without_a_console_output_is_dropped_and_input_is_none);
	RUN(suspend_wakes_at_once);
	RUN(what_there_is_not_is_said_to_be_so);
	RUN(bytes_come_in_order_while_the_loop_fills);
	return tap_done();
}
