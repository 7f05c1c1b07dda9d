/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock chip with a clock and a timer of the test's own. [MC146818A]
 * links: hw/rtc.c device.c state.c util/str.c util/error.c
 */
#include "tests/hw/hw-fake.h"

#include "vmm/event.h"

enum { INDEX = 0x70, DATA = 0x71, GSI = 8 };
enum { SEC, SEC_AL, MIN, MIN_AL, HOUR, HOUR_AL, WDAY, DAY, MONTH, YEAR, A, B, C, D, CENTURY = 0x32 };
enum { SET = 0x80, PIE = 0x40, AIE = 0x20, UIE = 0x10, DM = 4, H24 = 2, UIP = 0x80, IRQF = 0x80, PF = 0x40, AF = 0x20, UF = 0x10 };

#define S 1000000000ULL
#define LEAP_DAY 1709210096ULL	/* Thursday, 2024-02-29 12:34:56 UTC */

static u64 now;			/* the host's */
static struct event_timer *timer;
static u64 timer_ns;		/* 0: not armed */
static unsigned int timer_sets;
static struct event_loop *loop = (struct event_loop *)&now;

static u64 clock_now(void)
{
	return now;
}

int event_timer_set(struct event_loop *l, struct event_timer *t, u64 ns, void (*fn)(struct event_timer *t))
{
	if (l != loop)
		abort();
	t->src.loop = l;
	t->fn = fn;
	timer = t;
	timer_ns = ns;
	timer_sets++;
	return 0;
}

void event_timer_del(struct event_timer *t)
{
	t->src.loop = NULL;
	timer = NULL;
	timer_ns = 0;
}

/* Time passes; the timer fires when it should. */
static void pass(u64 ns)
{
	u64 end = now + ns;

	while (timer_ns && timer_ns <= end - now) {
		now += timer_ns;
		timer_ns = 0;
		timer->fn(timer);
	}
	if (timer_ns)
		timer_ns -= end - now;
	now = end;
}

static u8 get(u8 reg)
{
	out(INDEX, reg);
	return in(DATA);
}

static void put(u8 reg, u8 v)
{
	out(INDEX, reg);
	out(DATA, v);
}

static void make(u64 low, u64 high)
{
	const struct rtc_config cfg = {
		.space = IO_PORT, .base = INDEX, .gsi = GSI, .ram_below_4g = low, .ram_above_4g = high, .utc_ns = clock_now,
	};

	fake_vm();
	vm.loop = loop;
	timer = NULL;
	timer_ns = timer_sets = 0;
	now = LEAP_DAY * S;
	if (rtc_create(&vm, &cfg) < 0)
		abort();
}

static void setup(void)
{
	make(512 * MIB, 0);
}

static void teardown(void)
{
	devices_free(&vm);
}

/* The time as the registers have it, in their own coding: 0xCCYYMMDDhhmmss. */
static u64 time_regs(void)
{
	static const u8 reg[] = { CENTURY, YEAR, MONTH, DAY, HOUR, MIN, SEC };
	unsigned int i;
	u64 v = 0;

	for (i = 0; i < ARRAY_SIZE(reg); i++)
		v = v << 8 | get(reg[i]);
	return v;
}

static void set_time_regs(u64 v)
{
	static const u8 reg[] = { SEC, MIN, HOUR, DAY, MONTH, YEAR, CENTURY };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reg); i++)
		put(reg[i], (u8)(v >> (8 * i)));
}

/* --- time --- */

TEST(tells_the_hosts_time_in_bcd)
{
	setup();
	CHECK_EQ(time_regs(), 0x20240229123456);
	CHECK_EQ(get(WDAY), 5);		/* Sunday is 1 */
	pass(4 * S);
	CHECK_EQ(time_regs(), 0x20240229123500);
	pass(12 * 3600 * S);
	CHECK_EQ(time_regs(), 0x20240301003500);
	CHECK_EQ(get(WDAY), 6);
	teardown();
}

TEST(tells_it_in_binary_too)
{
	setup();
	put(B, H24 | DM);
	CHECK_EQ(time_regs(), 0x1418021d0c2238);
	teardown();
}

TEST(tells_hours_by_twelve)
{
	static const struct { unsigned int hour; u8 bcd; } t[] = {
		{ 0, 0x12 }, { 1, 0x01 }, { 11, 0x11 }, { 12, 0x92 }, { 13, 0x81 }, { 23, 0x91 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup();
		put(B, 0);
		now = (LEAP_DAY / 86400 * 86400 + t[i].hour * 3600) * S;
		CHECK_EQ(get(HOUR), t[i].bcd);
		/* and takes it so */
		put(B, SET);
		put(HOUR, t[i].bcd);
		put(B, 0);
		put(B, H24);
		CHECK_EQ(get(HOUR), t[i].hour / 10 << 4 | t[i].hour % 10);
		teardown();
	}
}

TEST(set_freezes_and_then_time_goes_on_from_what_was_written)
{
	setup();
	put(B, SET | H24);
	CHECK_EQ(time_regs(), 0x20240229123456);
	pass(100 * S);
	CHECK_EQ(time_regs(), 0x20240229123456);
	set_time_regs(0x19991231235958);
	pass(3 * S);
	CHECK_EQ(time_regs(), 0x19991231235958);
	put(B, H24);
	CHECK_EQ(time_regs(), 0x19991231235958);
	pass(2 * S);
	CHECK_EQ(time_regs(), 0x20000101000000);
	CHECK_EQ(get(WDAY), 7);
	teardown();
}

TEST(time_is_taken_in_the_coding_that_holds_when_set_ends)
{
	setup();
	put(B, SET | DM | H24);
	set_time_regs(0x14180c1f173b3b);	/* 2024-12-31 23:59:59 in binary */
	put(B, DM | H24);
	pass(S);
	put(B, H24);
	CHECK_EQ(time_regs(), 0x20250101000000);
	teardown();
}

TEST(byte_written_while_running_counts)
{
	setup();
	put(MIN, 0x01);
	CHECK_EQ(time_regs(), 0x20240229120156);
	pass(5 * S);
	CHECK_EQ(time_regs(), 0x20240229120201);
	teardown();
}

TEST(any_nonsense_gives_some_time_and_goes_on)
{
	unsigned int v;

	for (v = 0; v < 256; v++) {
		setup();
		put(B, (u8)(SET | (v & 6)));
		set_time_regs(0x01010101010101ULL * v);
		put(B, v & 6);
		time_regs();
		put(B, (v & 6) | AIE | UIE | PIE);
		pass(3 * S);
		CHECK(get(C) & UF);
		dev()->ops->stop(dev());
		teardown();
	}
}

TEST(update_in_progress_shows_before_the_second_ends)	/* [Register A, UIP] */
{
	setup();
	CHECK_EQ(get(A), 0x26);
	now += S - 245000;
	CHECK_EQ(get(A), 0x26);
	now += 1000;
	CHECK_EQ(get(A), 0xa6);
	now += 243999;
	CHECK_EQ(get(A), 0xa6);
	CHECK_EQ(get(SEC), 0x56);
	now++;
	CHECK_EQ(get(A), 0x26);
	CHECK_EQ(get(SEC), 0x57);
	now += S - 1;
	put(B, SET | H24);	/* [Register B, SET] no update, no UIP */
	CHECK_EQ(get(A), 0x26);
	teardown();
}

/* --- registers --- */

TEST(power_on_registers)
{
	setup();
	CHECK_EQ(get(A), 0x26);
	CHECK_EQ(get(B), H24);
	CHECK_EQ(get(C), 0);
	CHECK_EQ(get(D), 0x80);
	CHECK_EQ(in(INDEX), 0xff);	/* write-only */
	CHECK_EQ(timer_sets, 0);
	teardown();
}

TEST(read_only_bits_stay)
{
	setup();
	put(A, 0xff);
	CHECK_EQ(get(A), 0x7f);
	put(C, 0xff);
	CHECK_EQ(get(C), 0);
	put(D, 0);
	CHECK_EQ(get(D), 0x80);
	put(B, 0x09);		/* no square wave, no daylight saving */
	CHECK_EQ(get(B), 0);
	teardown();
}

TEST(ram_keeps_what_is_written)
{
	unsigned int i;

	setup();
	for (i = 14; i < 128; i++)
		if (i != CENTURY)
			put((u8)i, (u8)~i);
	for (i = 14; i < 128; i++)
		if (i != CENTURY)
			CHECK_EQ(get((u8)i), (u8)~i);
	CHECK_EQ(get(0x80 | 0x0f), (u8)~0x0f);	/* bit 7 of the index masks NMIs */
	teardown();
}

TEST(memory_size_is_where_firmware_puts_it)
{
	make(64 * MIB, 0);
	CHECK_EQ(get(0x15) | get(0x16) << 8, 640);
	CHECK_EQ(get(0x17) | get(0x18) << 8, 63 * 1024);
	CHECK_EQ(get(0x30) | get(0x31) << 8, 63 * 1024);
	CHECK_EQ(get(0x34) | get(0x35) << 8, 48 * 16);
	CHECK_EQ(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 0);
	teardown();
	make(3 * GIB, 6 * GIB);
	CHECK_EQ(get(0x30) | get(0x31) << 8, 0xffff);
	CHECK_EQ(get(0x34) | get(0x35) << 8, (3 * 1024 - 16) * 16);
	CHECK_EQ(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, 6 * 1024 * 16);
	teardown();
	make(512 * KIB, 0);
	CHECK_EQ(get(0x15) | get(0x16) << 8, 512);
	CHECK_EQ(get(0x30) | get(0x31) << 8, 0);
	CHECK_EQ(get(0x34) | get(0x35) << 8, 0);
	teardown();
}

/* --- flags and interrupts --- */

TEST(flags_show_without_any_timer)
{
	setup();
	pass(S / 2);
	CHECK_EQ(get(C), PF);		/* 1024 Hz from power on */
	CHECK_EQ(get(C), 0);		/* reading cleared it */
	pass(S);
	CHECK_EQ(get(C), PF | UF);
	put(SEC_AL, 0x00);
	put(MIN_AL, 0xff);
	put(HOUR_AL, 0xff);
	pass(60 * S);
	CHECK_EQ(get(C), PF | AF | UF);
	CHECK_EQ(timer_sets, 0);
	CHECK_EQ(wire[GSI].changes, 0);
	teardown();
}

TEST(update_ended_interrupts_once_until_it_is_read)
{
	setup();
	put(A, 0x20);		/* no periodic rate */
	pass(S / 4);
	put(B, H24 | UIE);
	CHECK_EQ(timer_ns, 3 * S / 4);
	pass(S / 2);
	CHECK(!wire[GSI].level);
	pass(S / 4);
	CHECK(wire[GSI].level);
	CHECK_EQ(timer_ns, 0);		/* pending: nothing to wait for */
	pass(10 * S);
	CHECK_EQ(wire[GSI].changes, 1);
	CHECK_EQ(get(C), IRQF | UF);
	CHECK(!wire[GSI].level);
	CHECK_EQ(timer_ns, S);
	pass(S);
	CHECK(wire[GSI].level);
	put(B, H24);
	CHECK(!wire[GSI].level);
	CHECK_EQ(timer_ns, 0);
	teardown();
}

TEST(enabling_what_is_flagged_interrupts_at_once)
{
	setup();
	pass(2 * S);
	put(B, H24 | UIE);
	CHECK(wire[GSI].level);
	CHECK_EQ(get(C), IRQF | PF | UF);
	CHECK(!wire[GSI].level);
	teardown();
}

/* The timer's thread is late, and the guest writes what it rearms the timer for. */
TEST(register_writes_lose_no_interrupt_that_is_due)
{
	static const u8 at[] = { A, SEC_AL, MIN_AL, HOUR_AL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		setup();
		put(A, 0x26);
		get(C);
		put(B, H24 | PIE);
		now += S;
		put(at[i], 0x26);
		CHECK(wire[GSI].level);
		CHECK_EQ(get(C) & (IRQF | PF), IRQF | PF);
		teardown();
	}
}

TEST(periodic_rates_are_those_of_the_table)	/* [MC146818A, Periodic Interrupt Rate] */
{
	static const struct { u8 rs; unsigned int hz; } t[] = {
		{ 1, 256 }, { 2, 128 }, { 3, 8192 }, { 4, 4096 }, { 6, 1024 }, { 10, 64 }, { 15, 2 },
	};
	unsigned int i, n, got;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup();
		put(A, 0x20 | t[i].rs);
		get(C);
		put(B, H24 | PIE);
		got = 0;
		for (n = 0; n < 20000 && now < (LEAP_DAY + 1) * S; n++) {
			pass(timer_ns);
			CHECK(wire[GSI].level);
			CHECK_EQ(get(C) & (IRQF | PF), IRQF | PF);
			got += now <= (LEAP_DAY + 1) * S;
		}
		CHECK(got >= t[i].hz && got <= t[i].hz + 1);
		teardown();
	}
	setup();
	put(A, 0x20);
	put(B, H24 | PIE);
	CHECK_EQ(timer_ns, 0);
	teardown();
}

TEST(alarm_interrupts_at_its_time)
{
	setup();
	put(A, 0x20);
	put(SEC_AL, 0x10);
	put(MIN_AL, 0x35);
	put(HOUR_AL, 0x12);
	put(B, H24 | AIE);
	CHECK_EQ(timer_ns, 14 * S);
	pass(13 * S);
	CHECK(!wire[GSI].level);
	pass(S);
	CHECK(wire[GSI].level);
	CHECK_EQ(get(C), IRQF | AF | UF);
	pass(86399 * S);
	CHECK(!wire[GSI].level);
	pass(S);		/* a day later */
	CHECK(wire[GSI].level);
	teardown();
}

TEST(alarm_sleeps_in_steps_and_follows_a_clock_that_is_set)
{
	unsigned int sets;

	setup();
	put(A, 0x20);
	put(SEC_AL, 0);
	put(MIN_AL, 0);
	put(HOUR_AL, 0x20);
	put(B, H24 | AIE);
	CHECK_EQ(timer_ns, 60 * S);
	sets = timer_sets;
	pass(600 * S);
	CHECK_EQ(timer_sets - sets, 10);
	now += 8 * 3600 * S;	/* the host's clock jumps ahead, past the alarm */
	pass(60 * S);
	CHECK(wire[GSI].level);
	teardown();
}

TEST(alarm_fields_may_not_care)
{
	setup();
	put(A, 0x20);
	put(SEC_AL, 0xc0);
	put(MIN_AL, 0xff);
	put(HOUR_AL, 0xff);
	put(B, H24 | AIE);
	CHECK_EQ(timer_ns, S);		/* every second */
	put(SEC_AL, 0x30);
	CHECK_EQ(timer_ns, 34 * S);
	put(SEC_AL, 0xff);
	put(MIN_AL, 0x35);
	CHECK_EQ(timer_ns, 4 * S);
	teardown();
}

TEST(alarm_goes_by_the_twelve_hour_clock)
{
	setup();
	put(A, 0x20);
	put(B, 0);
	put(SEC_AL, 0x57);
	put(MIN_AL, 0x34);
	put(HOUR_AL, 0x92);	/* 12 PM: noon */
	put(B, AIE);
	CHECK_EQ(timer_ns, S);
	pass(S);
	CHECK(wire[GSI].level);
	teardown();
}

TEST(alarm_that_never_comes_waits_for_nothing)
{
	static const struct { u8 sec, min, hour; } t[] = {
		{ 0x60, 0xff, 0xff }, { 0x00, 0x60, 0xff }, { 0x00, 0x00, 0x24 }, { 0x99, 0x99, 0x99 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup();
		put(A, 0x20);
		put(SEC_AL, t[i].sec);
		put(MIN_AL, t[i].min);
		put(HOUR_AL, t[i].hour);
		put(B, H24 | AIE);
		CHECK_EQ(timer_ns, 0);
		pass(3 * 86400 * S);
		CHECK_EQ(get(C), UF);
		teardown();
	}
}

TEST(alarm_missed_while_nobody_looked_is_flagged)
{
	setup();
	put(SEC_AL, 0x00);
	put(MIN_AL, 0x00);
	put(HOUR_AL, 0x00);
	get(C);
	pass(1000 * 86400 * S);
	CHECK_EQ(get(C) & AF, AF);
	teardown();
}

TEST(set_clears_update_interrupt_and_holds_alarms)
{
	setup();
	put(A, 0x20);
	put(B, H24 | UIE);
	put(B, SET | H24 | UIE | AIE);
	CHECK_EQ(get(B), SET | H24 | AIE);
	CHECK_EQ(timer_ns, 0);
	get(C);
	pass(10 * S);
	CHECK_EQ(get(C), 0);
	teardown();
}

TEST(clock_set_back_does_no_harm)
{
	setup();
	put(A, 0x20);
	put(B, H24 | UIE);
	now -= 3600 * S;
	pass(timer_ns);
	CHECK_EQ(time_regs(), 0x20240229113457);
	pass(2 * S);
	CHECK(wire[GSI].level);
	teardown();
}

/* --- the VM's side --- */

TEST(reset_disables_interrupts_and_keeps_time_and_ram)	/* [MC146818A RESET] */
{
	setup();
	put(0x0f, 0x0a);
	put(B, SET | H24);
	set_time_regs(0x20300101000000);
	put(B, H24 | UIE | PIE | AIE);
	pass(2 * S);
	CHECK(wire[GSI].level);
	dev_reset();
	CHECK(!wire[GSI].level);
	CHECK_EQ(timer_ns, 0);
	CHECK_EQ(get(B), H24);
	CHECK_EQ(get(0x0f), 0x0a);
	CHECK_EQ(time_regs(), 0x20300101000002);
	teardown();
}

TEST(stopped_leaves_the_wire_and_start_catches_up)
{
	setup();
	put(A, 0x20);
	put(B, H24 | UIE);
	dev()->ops->stop(dev());
	CHECK_EQ(timer_ns, 0);
	now += 5 * S + S / 2;
	CHECK(!wire[GSI].level);
	dev()->ops->start(dev());
	CHECK(wire[GSI].level || timer_ns == S / 2);
	pass(S);
	CHECK(wire[GSI].level);
	teardown();
}

TEST(state_goes_round)
{
	struct state_writer w;

	setup();
	put(A, 0x20);
	put(0x40, 0x77);
	put(B, SET | H24);
	set_time_regs(0x20300101000000);
	put(B, H24 | UIE);
	pass(S);
	CHECK(wire[GSI].level);
	out(INDEX, 0x40);
	dev()->ops->stop(dev());
	dev_save(&w);
	teardown();
	setup();
	dev()->ops->stop(dev());
	now += 5 * S;
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	dev()->ops->start(dev());
	CHECK(wire[GSI].level);
	CHECK_EQ(in(DATA), 0x77);
	CHECK_EQ(time_regs(), 0x20300101000005);	/* it is a clock: the pause counts */
	CHECK_EQ(get(C), IRQF | UF);
	CHECK_EQ(timer_ns, S);
	CHECK(truncations_refused());
	state_writer_free(&w);
	teardown();
}

TEST(impossible_state_is_refused)
{
	static const struct { u8 index, a, b, d; } bad[] = {
		{ 128, 0x26, 2, 0x80 }, { 0, 0xa6, 2, 0x80 }, { 0, 0x26, 3, 0x80 }, { 0, 0x26, 2, 0 },
	};
	u8 cmos[128] = { 0 };
	struct state_writer w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		setup();
		w = (struct state_writer){ .open = false };
		state_begin(&w, "rtc", 1);
		state_put_u8(&w, bad[i].index);
		state_put_u64(&w, 0);
		state_put_u64(&w, 0);
		cmos[A] = bad[i].a;
		cmos[B] = bad[i].b;
		cmos[D] = bad[i].d;
		state_put_bytes(&w, cmos, sizeof(cmos));
		state_end(&w);
		CHECK_EQ(dev_load(w.buf.s, w.buf.len), -EBADMSG);
		CHECK_EQ(get(A), 0x26);
		CHECK_EQ(time_regs(), 0x20240229123456);
		state_writer_free(&w);
		teardown();
	}
}

TEST(any_offset_from_a_stream_is_survived)
{
	static const u64 offset[] = { ~0ULL, 1ULL << 63, ~0ULL >> 1, 1ULL << 34, -LEAP_DAY, -LEAP_DAY - 1 };
	u8 cmos[128] = { 0 };
	struct state_writer w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		setup();
		w = (struct state_writer){ .open = false };
		state_begin(&w, "rtc", 1);
		state_put_u8(&w, 0);
		state_put_u64(&w, offset[i]);
		state_put_u64(&w, offset[i] * 3);
		cmos[A] = 0x26;
		cmos[B] = H24 | AIE;
		cmos[D] = 0x80;
		state_put_bytes(&w, cmos, sizeof(cmos));
		state_end(&w);
		CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
		dev()->ops->start(dev());
		time_regs();
		pass(10 * S);
		get(C);
		state_writer_free(&w);
		teardown();
	}
}

TEST(host_clock_is_the_default)
{
	const struct rtc_config cfg = { .space = IO_PORT, .base = INDEX, .gsi = GSI };

	fake_vm();
	vm.loop = loop;
	CHECK_EQ(rtc_create(&vm, &cfg), 0);
	CHECK(get(CENTURY) >= 0x20);
	CHECK(get(CENTURY) > 0x20 || get(YEAR) >= 0x24);
	teardown();
}

TEST(failed_creation_leaves_nothing)
{
	struct rtc_config cfg = { .space = IO_PORT, .base = INDEX, .gsi = FAKE_WIRES };

	fake_vm();
	CHECK_EQ(rtc_create(&vm, &cfg), -EINVAL);
	CHECK(nothing_left());
	cfg.gsi = GSI;
	map_fails_at = 1;
	CHECK_EQ(rtc_create(&vm, &cfg), -ENOMEM);
	CHECK(nothing_left());
}

int main(void)
{
	RUN(tells_the_hosts_time_in_bcd);
	RUN(tells_it_in_binary_too);
	RUN(tells_hours_by_twelve);
	RUN(set_freezes_and_then_time_goes_on_from_what_was_written);
	RUN(time_is_taken_in_the_coding_that_holds_when_set_ends);
	RUN(byte_written_while_running_counts);
	RUN(any_nonsense_gives_some_time_and_goes_on);
	RUN(update_in_progress_shows_before_the_second_ends);
	RUN(power_on_registers);
	RUN(read_only_bits_stay);
	RUN(ram_keeps_what_is_written);
	RUN(memory_size_is_where_firmware_puts_it);
	RUN(flags_show_without_any_timer);
	RUN(update_ended_interrupts_once_until_it_is_read);
	RUN(enabling_what_is_flagged_interrupts_at_once);
	RUN(register_writes_lose_no_interrupt_that_is_due);
	RUN(periodic_rates_are_those_of_the_table);
	RUN(alarm_interrupts_at_its_time);
	RUN(alarm_sleeps_in_steps_and_follows_a_clock_that_is_set);
	RUN(alarm_fields_may_not_care);
	RUN(alarm_goes_by_the_twelve_hour_clock);
	RUN(alarm_that_never_comes_waits_for_nothing);
	RUN(alarm_missed_while_nobody_looked_is_flagged);
	RUN(set_clears_update_interrupt_and_holds_alarms);
	RUN(clock_set_back_does_no_harm);
	RUN(reset_disables_interrupts_and_keeps_time_and_ram);
	RUN(stopped_leaves_the_wire_and_start_catches_up);
	RUN(state_goes_round);
	RUN(impossible_state_is_refused);
	RUN(any_offset_from_a_stream_is_survived);
	RUN(host_clock_is_the_default);
	RUN(failed_creation_leaves_nothing);
	return tap_done();
}
