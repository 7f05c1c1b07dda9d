/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Single ports of the PC: diagnostics, A20 and fast reset, reset control.
 * links: hw/pcports.c device.c state.c util/str.c util/error.c
 */
#include "tests/hw/hw-fake.h"

enum { DIAG = 0x80, PORT_A = 0x92, RESET = 0xcf9 };

static void setup(void)
{
	fake_vm();
	if (pcports_create(&vm) < 0)
		abort();
}

static void teardown(void)
{
	devices_free(&vm);
}

TEST(diagnostic_port_keeps_its_byte)
{
	setup();
	CHECK_EQ(in(DIAG), 0);
	out(DIAG, 0xa5);
	CHECK_EQ(in(DIAG), 0xa5);
	teardown();
}

TEST(a20_is_always_on)
{
	setup();
	CHECK_EQ(in(PORT_A), 2);
	out(PORT_A, 0);
	CHECK_EQ(in(PORT_A), 2);
	out(PORT_A, 0xfe);
	CHECK_EQ(in(PORT_A), 2);
	CHECK_EQ(asked.count, 0);
	teardown();
}

TEST(fast_reset_is_on_the_rise_of_its_bit)
{
	setup();
	out(PORT_A, 3);
	CHECK_EQ(asked.count, 1);
	CHECK_EQ(asked.cause, VM_EXIT_RESET);
	CHECK_EQ(in(PORT_A), 3);
	out(PORT_A, 3);
	CHECK_EQ(asked.count, 1);
	out(PORT_A, 2);
	out(PORT_A, 1);
	CHECK_EQ(asked.count, 2);
	teardown();
}

TEST(reset_control_is_on_the_rise_of_its_bit)
{
	setup();
	CHECK_EQ(in(RESET), 0);
	out(RESET, 2);		/* hard reset chosen, not asked for */
	CHECK_EQ(asked.count, 0);
	CHECK_EQ(in(RESET), 2);
	out(RESET, 6);
	CHECK_EQ(asked.count, 1);
	CHECK_EQ(asked.cause, VM_EXIT_RESET);
	out(RESET, 0xe);
	CHECK_EQ(asked.count, 1);
	out(RESET, 0xf1);
	CHECK_EQ(in(RESET), 0);
	CHECK_EQ(asked.count, 1);
	out(RESET, 4);
	CHECK_EQ(asked.count, 2);
	teardown();
}

TEST(reset_gives_power_on_state)
{
	setup();
	out(DIAG, 1);
	out(PORT_A, 3);
	out(RESET, 6);
	dev_reset();
	CHECK_EQ(in(DIAG), 0);
	CHECK_EQ(in(PORT_A), 2);
	CHECK_EQ(in(RESET), 0);
	teardown();
}

TEST(state_goes_round)
{
	struct state_writer w;

	setup();
	out(DIAG, 0x42);
	out(PORT_A, 3);
	out(RESET, 6);
	dev_save(&w);
	dev_reset();
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK_EQ(in(DIAG), 0x42);
	CHECK_EQ(in(PORT_A), 3);
	CHECK_EQ(in(RESET), 6);
	CHECK_EQ(asked.count, 2);
	CHECK(truncations_refused());
	state_writer_free(&w);
	teardown();
}

TEST(impossible_state_is_refused)
{
	static const u8 bad[][2] = { { 4, 0 }, { 2, 1 }, { 2, 0x10 } };
	struct state_writer w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		setup();
		w = (struct state_writer){ .open = false };
		state_begin(&w, "pcports", 1);
		state_put_u8(&w, 9);
		state_put_u8(&w, bad[i][0]);
		state_put_u8(&w, bad[i][1]);
		state_end(&w);
		CHECK_EQ(dev_load(w.buf.s, w.buf.len), -EBADMSG);
		CHECK_EQ(in(DIAG), 0);
		state_writer_free(&w);
		teardown();
	}
}

TEST(failed_creation_is_freed_with_the_vm)
{
	unsigned int n;

	for (n = 1; n <= 3; n++) {
		fake_vm();
		map_fails_at = n;
		CHECK_EQ(pcports_create(&vm), -ENOMEM);
		devices_free(&vm);
		CHECK(nothing_left());
	}
}

int main(void)
{
	RUN(diagnostic_port_keeps_its_byte);
	RUN(a20_is_always_on);
	RUN(fast_reset_is_on_the_rise_of_its_bit);
	RUN(reset_control_is_on_the_rise_of_its_bit);
	RUN(reset_gives_power_on_state);
	RUN(state_goes_round);
	RUN(impossible_state_is_refused);
	RUN(failed_creation_is_freed_with_the_vm);
	return tap_done();
}
