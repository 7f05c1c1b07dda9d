/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sleep and reset registers, and the power button. [acpi-6.4 4.8.3.6, 4.8.3.7]
 * links: hw/power.c device.c state.c util/str.c util/error.c
 */
#include "tests/hw/hw-fake.h"

enum { BASE = 0x600, GSI = 9, S5 = 1 << 5 | POWER_S5 << 2 };

static void setup(void)
{
	const struct power_config cfg = { .space = IO_PORT, .base = BASE, .gsi = GSI };

	fake_vm();
	if (power_create(&vm, &cfg) < 0)
		abort();
}

static void teardown(void)
{
	devices_free(&vm);
}

TEST(sleep_enable_with_the_type_of_s5_powers_off)
{
	unsigned int typ;

	for (typ = 0; typ < 8; typ++) {
		setup();
		out(BASE + POWER_SLEEP_CONTROL, (u8)(typ << 2));	/* not enabled */
		CHECK_EQ(asked.count, 0);
		out(BASE + POWER_SLEEP_CONTROL, (u8)(1 << 5 | typ << 2));
		CHECK_EQ(asked.count, typ == POWER_S5);
		teardown();
	}
	setup();
	out(BASE + POWER_SLEEP_CONTROL, S5 | 0xc3);	/* reserved bits */
	CHECK_EQ(asked.count, 1);
	CHECK_EQ(asked.cause, VM_EXIT_POWEROFF);
	teardown();
}

TEST(reset_register_takes_its_value_only)
{
	unsigned int v;

	setup();
	for (v = 0; v < 256; v++)
		if (v != POWER_RESET_VALUE)
			out(BASE + POWER_RESET, (u8)v);
	CHECK_EQ(asked.count, 0);
	out(BASE + POWER_RESET, POWER_RESET_VALUE);
	CHECK_EQ(asked.count, 1);
	CHECK_EQ(asked.cause, VM_EXIT_RESET);
	teardown();
}

TEST(wake_status_is_never_set)
{
	setup();
	out(BASE + POWER_SLEEP_STATUS, 0x80);
	CHECK_EQ(in(BASE + POWER_SLEEP_STATUS), 0);
	CHECK_EQ(in(BASE + POWER_SLEEP_CONTROL), 0);
	CHECK_EQ(asked.count, 0);
	teardown();
}

TEST(button_holds_the_wire_until_cleared)
{
	setup();
	CHECK_EQ(in_n(BASE + POWER_EVENT, 4), 0);
	CHECK(!wire[GSI].level);
	CHECK(power_button_there(&vm));
	CHECK_EQ(power_button_press(&vm), 0);
	CHECK(wire[GSI].level);
	CHECK_EQ(power_button_press(&vm), 0);
	CHECK_EQ(in_n(BASE + POWER_EVENT, 4), 1);
	CHECK(wire[GSI].level);		/* reading clears nothing */
	out_n(BASE + POWER_EVENT, 0xfffffffe, 4);
	CHECK(wire[GSI].level);
	out_n(BASE + POWER_EVENT, 1, 4);
	CHECK(!wire[GSI].level);
	CHECK_EQ(in_n(BASE + POWER_EVENT, 4), 0);
	CHECK_EQ(wire[GSI].changes, 2);
	CHECK_EQ(asked.count, 0);
	teardown();
}

TEST(events_cannot_be_set_by_the_guest)
{
	setup();
	out_n(BASE + POWER_EVENT, 0xffffffff, 4);
	CHECK_EQ(in_n(BASE + POWER_EVENT, 4), 0);
	CHECK(!wire[GSI].level);
	teardown();
}

TEST(wide_write_over_sleep_and_reset_does_nothing)
{
	setup();
	out_n(BASE, S5 | POWER_RESET_VALUE << 16, 4);
	CHECK_EQ(asked.count, 0);
	CHECK_EQ(in_n(BASE, 4), 0);
	teardown();
}

TEST(no_button_without_the_device)
{
	fake_vm();
	CHECK(!power_button_there(&vm));
	CHECK_EQ(power_button_press(&vm), -ENODEV);
}

TEST(reset_lets_the_button_go)
{
	setup();
	power_button_press(&vm);
	dev_reset();
	CHECK(!wire[GSI].level);
	CHECK_EQ(in_n(BASE + POWER_EVENT, 4), 0);
	teardown();
}

TEST(state_goes_round)
{
	struct state_writer w;

	setup();
	power_button_press(&vm);
	dev_save(&w);
	dev_reset();
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK(wire[GSI].level);
	CHECK_EQ(in_n(BASE + POWER_EVENT, 4), 1);
	CHECK(truncations_refused());
	state_writer_free(&w);
	teardown();
}

TEST(state_with_unknown_events_is_refused)
{
	struct state_writer w = { .open = false };

	setup();
	state_begin(&w, "power", 1);
	state_put_u32(&w, 2);
	state_end(&w);
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), -EBADMSG);
	CHECK(!wire[GSI].level);
	state_writer_free(&w);
	teardown();
}

TEST(failed_creation_leaves_nothing)
{
	struct power_config cfg = { .space = IO_PORT, .base = BASE, .gsi = FAKE_WIRES };

	fake_vm();
	CHECK_EQ(power_create(&vm, &cfg), -EINVAL);
	CHECK(nothing_left());
	cfg.gsi = GSI;
	map_fails_at = 1;
	CHECK_EQ(power_create(&vm, &cfg), -ENOMEM);
	CHECK(nothing_left());
}

int main(void)
{
	RUN(sleep_enable_with_the_type_of_s5_powers_off);
	RUN(reset_register_takes_its_value_only);
	RUN(wake_status_is_never_set);
	RUN(button_holds_the_wire_until_cleared);
	RUN(events_cannot_be_set_by_the_guest);
	RUN(wide_write_over_sleep_and_reset_does_nothing);
	RUN(no_button_without_the_device);
	RUN(reset_lets_the_button_go);
	RUN(state_goes_round);
	RUN(state_with_unknown_events_is_refused);
	RUN(failed_creation_leaves_nothing);
	return tap_done();
}
