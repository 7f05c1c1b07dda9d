/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PL061 and the power button on it. [ARM DDI 0190B]
 * links: hw/gpio-pl061.c hw/power.c device.c state.c util/str.c util/error.c
 */
#include "tests/hw/hw-fake.h"

enum {
	BASE = 0x1040000, GSI = 5, DIR = BASE + 0x400, IS = BASE + 0x404, IBE = BASE + 0x408, IEV = BASE + 0x40c, IE = BASE + 0x410,
	RIS = BASE + 0x414, MIS = BASE + 0x418, IC = BASE + 0x41c, AFSEL = BASE + 0x420, ALL = BASE + 0x3fc, KEY = 8,
	LINE = BASE + (KEY << 2),
};

static void setup(void)
{
	const struct gpio_pl061_config cfg = { .base = BASE, .gsi = GSI };

	fake_vm();
	if (gpio_pl061_create(&vm, &cfg) < 0)
		abort();
}

static void teardown(void)
{
	devices_free(&vm);
}

TEST(identification_is_a_pl061)
{
	static const u8 id[] = { 0x61, 0x10, 0x04, 0, 0x0d, 0xf0, 0x05, 0xb1 };
	unsigned int i;

	setup();
	for (i = 0; i < 8; i++) {
		CHECK_EQ(in_n(BASE + 0xfe0 + i * 4, 4), id[i]);
		out_n(BASE + 0xfe0 + i * 4, 0xff, 4);
		CHECK_EQ(in(BASE + 0xfe0 + i * 4), id[i]);
		CHECK_EQ(in(BASE + 0xfe1 + i * 4), 0);
	}
	CHECK_EQ(in_n(BASE + 0x424, 4), 0);
	CHECK_EQ(in_n(BASE + 0xfdc, 4), 0);
	teardown();
}

TEST(address_masks_the_data)
{
	setup();
	out(DIR, 0xf0);
	out(ALL, 0xff);
	CHECK_EQ(in(ALL), 0xf0);	/* inputs are not driven */
	CHECK_EQ(in(BASE + (0x90 << 2)), 0x90);
	out(BASE + (0x30 << 2), 0);
	CHECK_EQ(in(ALL), 0xc0);
	CHECK_EQ(in(BASE), 0);
	out(BASE, 0xff);
	CHECK_EQ(in(ALL), 0xc0);
	out(BASE + 0x3fd, 0);		/* no byte of a register */
	CHECK_EQ(in(ALL), 0xc0);
	CHECK_EQ(in(BASE + 0x3fd), 0);
	CHECK_EQ(in_n(ALL, 4), 0xc0);
	teardown();
}

TEST(registers_read_back)
{
	static const u64 regs[] = { DIR, IS, IBE, IEV, IE, AFSEL };
	unsigned int i;

	setup();
	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		CHECK_EQ(in(regs[i]), 0);
		out(regs[i], (u8)(0xa1 + i));
		CHECK_EQ(in(regs[i]), 0xa1 + i);
	}
	dev_reset();
	for (i = 0; i < ARRAY_SIZE(regs); i++)
		CHECK_EQ(in(regs[i]), 0);
	teardown();
}

/* As Linux' gpio-keys with gpio-pl061: both edges; acknowledged at once, read a little later. */
TEST(press_is_two_edges_to_linux)
{
	setup();
	out(IBE, KEY);
	out(IE, KEY);
	CHECK_EQ(in(LINE), 0);
	CHECK_EQ(power_button_press(&vm), 0);
	CHECK(wire[GSI].level);
	CHECK_EQ(in(MIS), KEY);
	out(IC, KEY);
	CHECK(!wire[GSI].level);
	CHECK_EQ(in(MIS), 0);
	CHECK_EQ(in(LINE), KEY);	/* pressed */
	CHECK(wire[GSI].level);		/* and up again */
	CHECK_EQ(in(MIS), KEY);
	out(IC, KEY);
	CHECK(!wire[GSI].level);
	CHECK_EQ(in(LINE), 0);
	CHECK(!wire[GSI].level);
	CHECK_EQ(power_button_press(&vm), 0);	/* and once more */
	CHECK(wire[GSI].level);
	teardown();
}

TEST(press_read_before_it_is_acknowledged)
{
	setup();
	out(IBE, KEY);
	out(IE, KEY);
	power_button_press(&vm);
	CHECK_EQ(in(LINE), KEY);
	CHECK_EQ(in(LINE), KEY);	/* held till it is cleared */
	out(IC, KEY);
	CHECK(wire[GSI].level);		/* the other edge */
	CHECK_EQ(in(LINE), 0);
	out(IC, KEY);
	CHECK(!wire[GSI].level);
	teardown();
}

TEST(press_seen_by_polling)
{
	setup();
	power_button_press(&vm);
	CHECK(!wire[GSI].level);
	CHECK_EQ(in(BASE + (0xf7 << 2)), 0);	/* other lines */
	CHECK_EQ(in(ALL), KEY);
	CHECK_EQ(in(ALL), 0);
	teardown();
}

TEST(press_waits_for_a_driver)
{
	setup();
	power_button_press(&vm);
	power_button_press(&vm);
	out(IBE, KEY);
	out(IE, KEY);
	CHECK_EQ(in(LINE), KEY);
	CHECK_EQ(in(LINE), 0);
	teardown();
}

TEST(level_interrupt_follows_the_line)
{
	setup();
	out(IS, KEY);
	out(IEV, KEY);
	out(IE, KEY);
	CHECK(!wire[GSI].level);
	power_button_press(&vm);
	CHECK(wire[GSI].level);
	out(IC, KEY);
	CHECK(wire[GSI].level);		/* [2.3] cannot be cleared */
	CHECK_EQ(in(LINE), KEY);
	CHECK(!wire[GSI].level);
	out(IEV, 0);			/* low level */
	CHECK(wire[GSI].level);
	CHECK_EQ(in(RIS), KEY);
	teardown();
}

TEST(single_edges_are_told_apart)
{
	setup();
	out(IEV, KEY);			/* rising */
	power_button_press(&vm);
	CHECK_EQ(in(RIS), KEY);
	CHECK(!wire[GSI].level);	/* not enabled */
	out(IC, KEY);
	CHECK_EQ(in(LINE), KEY);
	CHECK_EQ(in(RIS), 0);		/* it fell */
	out(IEV, 0);			/* falling */
	power_button_press(&vm);
	CHECK_EQ(in(RIS), 0);
	CHECK_EQ(in(LINE), KEY);
	CHECK_EQ(in(RIS), KEY);
	teardown();
}

TEST(driven_line_is_the_guests)
{
	setup();
	out(IBE, 0xff);
	out(IE, 0xff);
	out(DIR, KEY);
	power_button_press(&vm);
	CHECK(!wire[GSI].level);
	CHECK_EQ(in(LINE), 0);
	out(LINE, KEY);			/* an edge of its own making */
	CHECK(wire[GSI].level);
	CHECK_EQ(in(LINE), KEY);
	CHECK_EQ(in(LINE), KEY);
	out(LINE, 0);
	out(IC, 0xff);
	CHECK(!wire[GSI].level);
	out(DIR, 0);			/* and the button shows */
	CHECK(wire[GSI].level);
	teardown();
}

TEST(reset_lets_the_button_go)
{
	setup();
	out(IBE, KEY);
	out(IE, KEY);
	power_button_press(&vm);
	dev_reset();
	CHECK(!wire[GSI].level);
	CHECK_EQ(in(LINE), 0);
	CHECK_EQ(in(RIS), 0);
	teardown();
}

TEST(state_goes_round)
{
	struct state_writer w;

	setup();
	out(IBE, KEY);
	out(IE, KEY);
	out(DIR, 0x10);
	out(ALL, 0x10);
	out(AFSEL, 0x11);
	power_button_press(&vm);
	CHECK_EQ(in(LINE), KEY);	/* seen, not cleared */
	dev_save(&w);
	dev_reset();
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK(wire[GSI].level);
	CHECK_EQ(in(AFSEL), 0x11);
	CHECK_EQ(in(ALL), 0x18);
	out(IC, KEY);
	CHECK_EQ(in(ALL), 0x10);
	CHECK(wire[GSI].level);
	CHECK(truncations_refused());
	state_writer_free(&w);
	teardown();
}

TEST(impossible_state_is_refused)
{
	static const struct { u8 in, seen; } bad[] = { { 0x09, 0 }, { 0, 1 }, { 8, 2 } };
	struct state_writer w;
	unsigned int i, k;

	setup();
	out(IE, 0x55);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		w = (struct state_writer){ .open = false };
		state_begin(&w, "gpio", 1);
		state_put_u8(&w, bad[i].in);
		for (k = 1; k < 9; k++)
			state_put_u8(&w, 0);
		state_put_u8(&w, bad[i].seen);
		state_end(&w);
		CHECK_EQ(dev_load(w.buf.s, w.buf.len), -EBADMSG);
		CHECK_EQ(in(IE), 0x55);
		state_writer_free(&w);
	}
	teardown();
}

TEST(failed_creation_leaves_nothing)
{
	struct gpio_pl061_config cfg = { .base = BASE, .gsi = FAKE_WIRES };

	fake_vm();
	CHECK_EQ(gpio_pl061_create(&vm, &cfg), -EINVAL);
	CHECK(nothing_left());
	cfg.gsi = GSI;
	map_fails_at = 1;
	CHECK_EQ(gpio_pl061_create(&vm, &cfg), -ENOMEM);
	CHECK(nothing_left());
}

int main(void)
{
	RUN(identification_is_a_pl061);
	RUN(address_masks_the_data);
	RUN(registers_read_back);
	RUN(press_is_two_edges_to_linux);
	RUN(press_read_before_it_is_acknowledged);
	RUN(press_seen_by_polling);
	RUN(press_waits_for_a_driver);
	RUN(level_interrupt_follows_the_line);
	RUN(single_edges_are_told_apart);
	RUN(driven_line_is_the_guests);
	RUN(reset_lets_the_button_go);
	RUN(state_goes_round);
	RUN(impossible_state_is_refused);
	RUN(failed_creation_leaves_nothing);
	return tap_done();
}
