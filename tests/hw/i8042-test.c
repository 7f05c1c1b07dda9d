/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keyboard controller without a keyboard. [IBM PS/2 TR, Keyboard/Auxiliary Device Controller]
 * links: hw/i8042.c device.c state.c util/str.c util/error.c
 */
#include "tests/hw/hw-fake.h"

enum { DATA = 0x60, CMD = 0x64, KBD = 1, AUX = 12 };
enum { OBF = 1, SYS = 4, LAST_CMD = 8, UNLOCKED = 16, AUX_OBF = 32, TIMEOUT = 64 };

static void setup(void)
{
	const struct i8042_config cfg = { .base = DATA, .gsi_kbd = KBD, .gsi_aux = AUX };

	fake_vm();
	if (i8042_create(&vm, &cfg) < 0)
		abort();
}

static void teardown(void)
{
	devices_free(&vm);
}

/* Writes a command and takes the answer, or gives -1 without one. */
static int ask(u8 cmd)
{
	out(CMD, cmd);
	return in(CMD) & OBF ? in(DATA) : -1;
}

static void write_ctr(u8 v)
{
	out(CMD, 0x60);
	out(DATA, v);
}

TEST(idle_after_power_on)
{
	setup();
	CHECK_EQ(in(CMD), UNLOCKED | SYS);
	CHECK(!wire[KBD].level && !wire[AUX].level);
	CHECK_EQ(ask(0x20), 0x34);	/* interfaces off, system flag */
	teardown();
}

TEST(self_test_passes)
{
	setup();
	out(CMD, 0xaa);
	CHECK_EQ(in(CMD), UNLOCKED | SYS | LAST_CMD | OBF);
	CHECK_EQ(in(DATA), 0x55);
	CHECK_EQ(in(CMD), UNLOCKED | SYS | LAST_CMD);
	teardown();
}

TEST(line_tests_pass)
{
	setup();
	CHECK_EQ(ask(0xab), 0);
	CHECK_EQ(ask(0xa9), 0);
	teardown();
}

TEST(ram_keeps_what_is_written)
{
	unsigned int i;

	setup();
	for (i = 1; i < 32; i++) {
		out(CMD, (u8)(0x60 + i));
		CHECK_EQ(in(CMD) & LAST_CMD, LAST_CMD);
		out(DATA, (u8)(0xf0 ^ i));
		CHECK_EQ(in(CMD) & LAST_CMD, 0);
	}
	for (i = 1; i < 32; i++)
		CHECK_EQ(ask((u8)(0x20 + i)), 0xf0 ^ i);
	teardown();
}

TEST(command_byte_keeps_its_bits_and_shows_the_system_flag)
{
	setup();
	write_ctr(0xff);
	CHECK_EQ(ask(0x20), 0x77);
	write_ctr(0x40);
	CHECK_EQ(ask(0x20), 0x40);
	CHECK_EQ(in(CMD) & SYS, 0);
	write_ctr(0x44);
	CHECK_EQ(in(CMD) & SYS, SYS);
	teardown();
}

TEST(interface_commands_change_the_command_byte)
{
	setup();
	CHECK_EQ(ask(0xae), -1);
	CHECK_EQ(ask(0x20), 0x24);
	CHECK_EQ(ask(0xa8), -1);
	CHECK_EQ(ask(0x20), 0x04);
	CHECK_EQ(ask(0xad), -1);
	CHECK_EQ(ask(0xa7), -1);
	CHECK_EQ(ask(0x20), 0x34);
	teardown();
}

TEST(interrupt_lines_follow_the_output_buffer)
{
	setup();
	write_ctr(0x47);
	out(CMD, 0xd2);		/* as if from the keyboard */
	out(DATA, 0x1c);
	CHECK(wire[KBD].level && !wire[AUX].level);
	CHECK_EQ(in(CMD) & (OBF | AUX_OBF), OBF);
	CHECK_EQ(in(DATA), 0x1c);
	CHECK(!wire[KBD].level);
	out(CMD, 0xd3);		/* as if from the mouse */
	out(DATA, 0x5a);
	CHECK(!wire[KBD].level && wire[AUX].level);
	CHECK_EQ(in(CMD) & (OBF | AUX_OBF), OBF | AUX_OBF);
	CHECK_EQ(in(DATA), 0x5a);
	CHECK(!wire[AUX].level);
	CHECK_EQ(in(CMD) & (OBF | AUX_OBF), 0);
	teardown();
}

TEST(no_interrupt_unless_enabled)
{
	setup();
	write_ctr(0x44);
	out(CMD, 0xd2);
	out(DATA, 1);
	CHECK(!wire[KBD].level);
	write_ctr(0x45);	/* enabling while it waits */
	CHECK(wire[KBD].level);
	write_ctr(0x44);
	CHECK(!wire[KBD].level);
	teardown();
}

TEST(nobody_answers_and_the_controller_says_so)
{
	setup();
	write_ctr(0x47);
	out(DATA, 0xf2);	/* to the keyboard */
	CHECK_EQ(in(CMD) & (OBF | AUX_OBF | TIMEOUT), OBF | TIMEOUT);
	CHECK(wire[KBD].level);
	CHECK_EQ(in(DATA), 0xfe);
	CHECK_EQ(in(CMD) & (OBF | TIMEOUT), 0);
	out(CMD, 0xd4);
	out(DATA, 0xf2);	/* to the mouse */
	CHECK_EQ(in(CMD) & (OBF | AUX_OBF | TIMEOUT), OBF | AUX_OBF | TIMEOUT);
	CHECK(wire[AUX].level);
	CHECK_EQ(in(DATA), 0xfe);
	CHECK_EQ(ask(0xaa), 0x55);
	CHECK_EQ(in(CMD) & TIMEOUT, 0);
	teardown();
}

TEST(pulse_of_the_reset_line_resets)
{
	unsigned int cmd;

	for (cmd = 0xf0; cmd <= 0xff; cmd++) {
		setup();
		out(CMD, (u8)cmd);
		CHECK_EQ(asked.count, !(cmd & 1));
		if (asked.count)
			CHECK_EQ(asked.cause, VM_EXIT_RESET);
		teardown();
	}
}

TEST(output_port_holds_a20_on_and_resets)
{
	setup();
	CHECK_EQ(ask(0xd0), 3);
	out(CMD, 0xd1);
	out(DATA, 1);		/* A20 off: it stays on */
	CHECK_EQ(asked.count, 0);
	CHECK_EQ(ask(0xd0), 3);
	out(CMD, 0xd1);
	out(DATA, 0xdf);
	CHECK_EQ(ask(0xd0), 0xdf);
	CHECK_EQ(asked.count, 0);
	out(CMD, 0xd1);
	out(DATA, 0xde);
	CHECK_EQ(asked.count, 1);
	CHECK_EQ(asked.cause, VM_EXIT_RESET);
	teardown();
}

TEST(input_port_says_unlocked)
{
	setup();
	CHECK_EQ(ask(0xc0), 0x80);
	teardown();
}

TEST(unknown_commands_are_ignored)
{
	unsigned int cmd;

	setup();
	for (cmd = 0; cmd < 0x20; cmd++)
		CHECK_EQ(ask((u8)cmd), -1);
	for (cmd = 0xe0; cmd < 0xf0; cmd++)
		CHECK_EQ(ask((u8)cmd), -1);
	CHECK_EQ(asked.count, 0);
	teardown();
}

TEST(a_command_cancels_one_that_waits_for_its_byte)
{
	setup();
	out(CMD, 0x60);
	out(CMD, 0xaa);
	CHECK_EQ(in(DATA), 0x55);
	out(DATA, 0x77);	/* for the keyboard, not the command byte */
	in(DATA);
	CHECK_EQ(ask(0x20), 0x34);
	teardown();
}

TEST(reset_gives_power_on_state)
{
	setup();
	write_ctr(0x47);
	out(DATA, 1);
	CHECK(wire[KBD].level);
	dev_reset();
	CHECK(!wire[KBD].level);
	CHECK_EQ(in(CMD), UNLOCKED | SYS);
	CHECK_EQ(ask(0x20), 0x34);
	teardown();
}

TEST(state_goes_round)
{
	struct state_writer w;

	setup();
	write_ctr(0x47);
	out(CMD, 0xd3);
	out(DATA, 0x99);
	out(CMD, 0x65);		/* waits for its byte */
	dev_save(&w);
	dev_reset();
	CHECK(!wire[AUX].level);
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK(wire[AUX].level);
	CHECK_EQ(in(CMD), UNLOCKED | SYS | LAST_CMD | OBF | AUX_OBF);
	out(DATA, 0x31);
	CHECK_EQ(in(DATA), 0x99);
	CHECK_EQ(ask(0x25), 0x31);
	CHECK_EQ(ask(0x20), 0x47);
	CHECK(truncations_refused());
	state_writer_free(&w);
	teardown();
}

TEST(impossible_state_is_refused)
{
	static const struct { u8 str, ctr; } bad[] = { { 0x80, 0 }, { 2, 0 }, { 0, 0x88 } };
	u8 ram[32] = { 0 };
	struct state_writer w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		setup();
		w = (struct state_writer){ .open = false };
		state_begin(&w, "i8042", 1);
		state_put_u8(&w, bad[i].str);
		state_put_u8(&w, 0);
		state_put_u8(&w, 3);
		state_put_u8(&w, 0);
		ram[0] = bad[i].ctr;
		state_put_bytes(&w, ram, sizeof(ram));
		state_end(&w);
		CHECK_EQ(dev_load(w.buf.s, w.buf.len), -EBADMSG);
		CHECK_EQ(in(CMD), UNLOCKED | SYS);
		state_writer_free(&w);
		teardown();
	}
}

TEST(failed_creation_leaves_nothing)
{
	struct i8042_config cfg = { .base = DATA, .gsi_kbd = FAKE_WIRES, .gsi_aux = AUX };

	fake_vm();
	CHECK_EQ(i8042_create(&vm, &cfg), -EINVAL);
	CHECK(nothing_left());
	cfg.gsi_kbd = KBD;
	cfg.gsi_aux = FAKE_WIRES;
	CHECK_EQ(i8042_create(&vm, &cfg), -EINVAL);
	CHECK(nothing_left());
	cfg.gsi_aux = AUX;
	map_fails_at = 1;
	CHECK_EQ(i8042_create(&vm, &cfg), -ENOMEM);
	CHECK(nothing_left());
	map_fails_at = 2;
	CHECK_EQ(i8042_create(&vm, &cfg), -ENOMEM);
	CHECK(nothing_left());
}

int main(void)
{
	RUN(idle_after_power_on);
	RUN(self_test_passes);
	RUN(line_tests_pass);
	RUN(ram_keeps_what_is_written);
	RUN(command_byte_keeps_its_bits_and_shows_the_system_flag);
	RUN(interface_commands_change_the_command_byte);
	RUN(interrupt_lines_follow_the_output_buffer);
	RUN(no_interrupt_unless_enabled);
	RUN(nobody_answers_and_the_controller_says_so);
	RUN(pulse_of_the_reset_line_resets);
	RUN(output_port_holds_a20_on_and_resets);
	RUN(input_port_says_unlocked);
	RUN(unknown_commands_are_ignored);
	RUN(a_command_cancels_one_that_waits_for_its_byte);
	RUN(reset_gives_power_on_state);
	RUN(state_goes_round);
	RUN(impossible_state_is_refused);
	RUN(failed_creation_leaves_nothing);
	return tap_done();
}
