/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * debug-exit: statuses, marks, its two spaces.
 * links: hw/debug-exit.c device.c state.c util/str.c util/error.c
 */
#include "tests/hw/hw-fake.h"

static void setup(enum io_space space, u64 base)
{
	const struct debug_exit_config cfg = { .space = space, .base = base };

	fake_vm();
	if (debug_exit_create(&vm, &cfg) < 0)
		abort();
}

static void teardown(void)
{
	devices_free(&vm);
}

TEST(number_written_is_the_status)
{
	static const struct { u64 val; unsigned int size; int status; } t[] = {
		{ 0, 1, 0 }, { 1, 1, 1 }, { 123, 1, 123 }, { 124, 1, 123 }, { 255, 1, 123 },
		{ 7, 2, 7 }, { 0x0107, 2, 123 }, { 42, 4, 42 }, { 0xffffffff, 4, 123 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(IO_PORT, 0xf4);
		out_n(0xf4, t[i].val, t[i].size);
		CHECK_EQ(asked.count, 1);
		CHECK_EQ(asked.cause, VM_EXIT_STATUS);
		CHECK_EQ(asked.status, t[i].status);
		teardown();
	}
}

TEST(mark_is_told_and_ends_nothing)
{
	setup(IO_PORT, 0xf4);
	out(0xf5, 0xab);
	CHECK_EQ(told.count, 1);
	CHECK_EQ(told.kind, VM_EVENT_MARK);
	CHECK_EQ(told.value, 0xab);
	CHECK_EQ(asked.count, 0);
	teardown();
}

TEST(other_bytes_do_nothing)
{
	setup(IO_PORT, 0xf4);
	out(0xf6, 1);
	out(0xf7, 1);
	out_n(0xf6, 1, 2);
	CHECK_EQ(asked.count + told.count, 0);
	teardown();
}

TEST(reads_tell_who_it_is)
{
	setup(IO_MMIO, 0x10000000);
	CHECK_EQ(in(0x10000000), 'L');
	CHECK_EQ(in(0x10000001), 'K');
	CHECK_EQ(in_n(0x10000000, 2), 'L' | 'K' << 8);
	CHECK_EQ(in_n(0x10000000, 4), 'L' | 'K' << 8);
	CHECK_EQ(in_n(0x10000002, 2), 0);
	out_n(0x10000000, 3, 4);
	CHECK_EQ(asked.status, 3);
	CHECK_EQ(asked.count, 1);
	teardown();
}

TEST(both_forms_have_names_of_their_own)
{
	const struct debug_exit_config mmio = { .space = IO_MMIO, .base = 0x10000000 };

	setup(IO_PORT, 0xf4);
	CHECK_EQ(debug_exit_create(&vm, &mmio), 0);
	CHECK_STR(device_find(&vm, DEV_DEBUG_EXIT, 0)->name, "debug-exit-port");
	CHECK_STR(device_find(&vm, DEV_DEBUG_EXIT, 1)->name, "debug-exit-mmio");
	CHECK_EQ(device_find(&vm, DEV_DEBUG_EXIT, 1)->res[0].base, 0x10000000);
	teardown();
}

TEST(state_is_an_empty_section)
{
	struct state_writer w;

	setup(IO_PORT, 0xf4);
	dev_save(&w);
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK(truncations_refused());
	state_writer_free(&w);
	teardown();
}

TEST(failed_creation_leaves_nothing)
{
	const struct debug_exit_config cfg = { .space = IO_PORT, .base = 0xf4 };

	fake_vm();
	map_fails_at = 1;
	CHECK_EQ(debug_exit_create(&vm, &cfg), -ENOMEM);
	CHECK(nothing_left());
}

int main(void)
{
	RUN(number_written_is_the_status);
	RUN(mark_is_told_and_ends_nothing);
	RUN(other_bytes_do_nothing);
	RUN(reads_tell_who_it_is);
	RUN(both_forms_have_names_of_their_own);
	RUN(state_is_an_empty_section);
	RUN(failed_creation_leaves_nothing);
	return tap_done();
}
