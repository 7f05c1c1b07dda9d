/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PLIC: every rule of its document that a guest can see, what it refuses, its state as a stream.
 * links: riscv/plic.c dt/tree.c device.c state.c util/str.c util/error.c util/log.c util/io.c util/cleanup.c
 */
#include "tests/riscv/plic-rig.h"

/* Source @n at priority @prio, enabled for @hart. */
static void enable(unsigned int hart, u32 n, u32 prio)
{
	wr(reg_priority(n), prio);
	wr(reg_enable(hart, n / 32), rd(reg_enable(hart, n / 32)) | BIT(n % 32));
}

static bool pending(u32 n)
{
	return rd(reg_pending(n / 32)) >> (n % 32) & 1;
}

TEST(wire_reaches_a_hart_that_enabled_it)
{
	rig_up(2);
	enable(1, 33, 1);
	CHECK_EQ(wire_set(33, true), 0);
	CHECK(!line[0] && line[1]);
	CHECK_EQ(rd(reg_claim(0)), 0);
	CHECK_EQ(rd(reg_claim(1)), 33);
	CHECK(!line[1]);
	CHECK_EQ(rd(reg_claim(1)), 0);
	CHECK_EQ(wrong, 0);
	rig_down();
}

TEST(wires_are_those_of_the_sources)
{
	rig_up(1);
	CHECK_EQ(wire_set(0, true), -EINVAL);
	CHECK_EQ(wire_set(IRQ_SOURCES, true), -EINVAL);
	CHECK_EQ(wire_set(~0U, true), -EINVAL);
	CHECK_EQ(arch.sources, SOURCES);
	CHECK_EQ(wire_set(SOURCES, true), 0);
	CHECK(pending(SOURCES));
	rig_down();
}

/* [PLIC 3] "interrupt source 0 does not exist" */
TEST(source_0_is_not_there)
{
	rig_up(1);
	wr(reg_priority(0), 7);
	wr(reg_enable(0, 0), ~0U);
	CHECK_EQ(rd(reg_priority(0)), 0);
	CHECK_EQ(rd(reg_enable(0, 0)), ~1U);
	rig_down();
}

TEST(registers_hold_the_bits_they_have)
{
	rig_up(1);
	wr(reg_priority(5), ~0U);
	CHECK_EQ(rd(reg_priority(5)), 7);
	wr(reg_threshold(0), ~0U);
	CHECK_EQ(rd(reg_threshold(0)), 7);
	wr(reg_enable(0, 2), ~0U);
	CHECK_EQ(rd(reg_enable(0, 2)), ~0U);
	wr(reg_pending(1), ~0U);
	CHECK_EQ(rd(reg_pending(1)), 0);
	rig_down();
}

/* Each first and last word of what is not there: beyond sources, words, contexts, and the region's end. */
TEST(rest_of_the_region_reads_0_and_takes_nothing)
{
	static const u64 nowhere[] = {
		4 * IRQ_SOURCES, 0xffc, 0x1000 + 4 * 3, 0x1ffc, 0x2000 + 4 * 3, 0x2000 + 0x7c, 0x2000 + 2 * 0x80, 0x1f1ffc, 0x1f2000, 0x1ffffc,
		0x200008, 0x200ffc, 0x202000, 0x202004, 0x3fffffc,
	};
	unsigned int i;

	rig_up(2);
	for (i = 1; i < IRQ_SOURCES; i++)
		wire_set(i, true);
	for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
		wr(IRQCHIP_BASE + nowhere[i], ~0U);
		CHECK_EQ(rd(IRQCHIP_BASE + nowhere[i]), 0);
	}
	CHECK_EQ(calls, 0);
	CHECK_EQ(region[0]->size, 0x4000000);
	CHECK_EQ(region[0]->ops->sizes, 4);
	rig_down();
}

TEST(the_last_of_many_harts_has_its_registers)
{
	rig_up(MAX_HARTS);
	enable(MAX_HARTS - 1, 95, 1);
	wire_set(95, true);
	CHECK(line[MAX_HARTS - 1]);
	CHECK_EQ(calls, 1);
	CHECK_EQ(rd(reg_claim(MAX_HARTS - 1)), 95);
	rig_down();
}

/* [PLIC 4] "ties ... are broken by the Interrupt ID" */
TEST(claims_come_by_priority_then_number)
{
	rig_up(1);
	enable(0, 3, 2);
	enable(0, 40, 5);
	enable(0, 41, 5);
	enable(0, 95, 7);
	wire_set(3, true);
	wire_set(41, true);
	wire_set(40, true);
	wire_set(95, true);
	CHECK_EQ(rd(reg_claim(0)), 95);
	CHECK_EQ(rd(reg_claim(0)), 40);
	CHECK_EQ(rd(reg_claim(0)), 41);
	CHECK_EQ(rd(reg_claim(0)), 3);
	CHECK_EQ(rd(reg_claim(0)), 0);
	rig_down();
}

/* [PLIC 4] "a priority value of 0 is reserved to mean never interrupt" */
TEST(priority_0_never_interrupts)
{
	rig_up(1);
	enable(0, 9, 0);
	wire_set(9, true);
	CHECK(pending(9) && !line[0]);
	CHECK_EQ(rd(reg_claim(0)), 0);
	wr(reg_priority(9), 1);
	CHECK(line[0]);
	rig_down();
}

/* [PLIC 7], and [PLIC 8] "the claim operation is not affected by the setting of the priority threshold register" */
TEST(threshold_masks_the_notification_and_not_the_claim)
{
	rig_up(1);
	enable(0, 9, 3);
	wr(reg_threshold(0), 3);
	wire_set(9, true);
	CHECK(!line[0]);
	wr(reg_threshold(0), 2);
	CHECK(line[0]);
	wr(reg_threshold(0), 7);
	CHECK(!line[0]);
	CHECK_EQ(rd(reg_claim(0)), 9);
	CHECK_EQ(wrong, 0);
	rig_down();
}

/* [PLIC 1.2] level triggered: one request at a time, the next after completion while the wire is high */
TEST(high_wire_asks_again_after_completion_only)
{
	rig_up(1);
	enable(0, 8, 1);
	wire_set(8, true);
	CHECK_EQ(rd(reg_claim(0)), 8);
	wire_set(8, false);
	wire_set(8, true);
	CHECK(!pending(8) && !line[0]);
	wr(reg_claim(0), 8);
	CHECK(pending(8) && line[0]);
	CHECK_EQ(rd(reg_claim(0)), 8);
	wire_set(8, false);
	wr(reg_claim(0), 8);
	CHECK(!pending(8) && !line[0]);
	wire_set(8, true);
	CHECK(pending(8) && line[0]);
	rig_down();
}

/* [PLIC 1.2] "the interrupt request remains present in the IP bit" */
TEST(request_stays_when_the_wire_falls)
{
	rig_up(1);
	enable(0, 8, 1);
	wire_set(8, true);
	wire_set(8, false);
	CHECK(line[0]);
	CHECK_EQ(rd(reg_claim(0)), 8);
	wr(reg_claim(0), 8);
	CHECK(!pending(8));
	rig_down();
}

TEST(claim_of_one_hart_is_gone_for_the_others)
{
	rig_up(3);
	enable(0, 20, 1);
	enable(1, 20, 1);
	enable(2, 20, 1);
	wire_set(20, true);
	CHECK(line[0] && line[1] && line[2]);
	CHECK_EQ(rd(reg_claim(1)), 20);
	CHECK(!line[0] && !line[1] && !line[2]);
	CHECK_EQ(rd(reg_claim(0)), 0);
	/* [PLIC 9] who completes need not be who claimed */
	wr(reg_claim(2), 20);
	CHECK(line[0] && line[1] && line[2]);
	CHECK_EQ(wrong, 0);
	rig_down();
}

/* [PLIC 9] "if the completion ID does not match an interrupt source that is currently enabled ... silently ignored" */
TEST(completion_of_what_is_not_enabled_is_ignored)
{
	rig_up(2);
	enable(0, 20, 1);
	wire_set(20, true);
	CHECK_EQ(rd(reg_claim(0)), 20);
	wr(reg_claim(1), 20);
	CHECK(!pending(20));
	wr(reg_enable(0, 0), 0);
	wr(reg_claim(0), 20);
	CHECK(!pending(20));
	wr(reg_enable(0, 0), BIT(20));
	wr(reg_claim(0), 20);
	CHECK(pending(20));
	rig_down();
}

TEST(completion_of_nonsense_is_ignored)
{
	static const u32 bad[] = { 0, IRQ_SOURCES, 1023, 0x10014, ~0U };
	unsigned int i;

	rig_up(1);
	for (i = 0; i < 3; i++)
		wr(reg_enable(0, i), ~0U);
	wr(reg_priority(20), 1);
	wire_set(20, true);
	CHECK_EQ(rd(reg_claim(0)), 20);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		wr(reg_claim(0), bad[i]);
	CHECK(!pending(20));
	/* what was never claimed: its request stays the only one */
	wire_set(21, true);
	wr(reg_claim(0), 21);
	CHECK(pending(21));
	wire_set(21, false);
	wr(reg_priority(21), 1);
	CHECK_EQ(rd(reg_claim(0)), 21);
	CHECK(!pending(21));
	rig_down();
}

/* Else a guest could have two requests of one source under way. */
TEST(completion_of_what_was_not_claimed_opens_no_gateway)
{
	rig_up(1);
	enable(0, 21, 1);
	wire_set(21, true);
	wire_set(21, false);
	wr(reg_claim(0), 21);
	CHECK_EQ(rd(reg_claim(0)), 21);
	wire_set(21, true);
	CHECK(!pending(21) && !line[0]);
	wr(reg_claim(0), 21);
	CHECK(pending(21));
	rig_down();
}

TEST(disabling_withdraws_and_keeps_the_request)
{
	rig_up(1);
	enable(0, 20, 1);
	wire_set(20, true);
	wr(reg_enable(0, 0), 0);
	CHECK(!line[0] && pending(20));
	wr(reg_enable(0, 0), BIT(20));
	CHECK(line[0]);
	CHECK_EQ(wrong, 0);
	rig_down();
}

/* Claims of what is high for ever: each read ends, and each source comes once. */
TEST(all_sources_are_claimed_once)
{
	u32 seen[IRQ_SOURCES] = { 0 };
	unsigned int i;

	rig_up(1);
	for (i = 1; i < IRQ_SOURCES; i++) {
		enable(0, i, 1 + i % 7);
		wire_set(i, true);
	}
	for (i = 1; i < IRQ_SOURCES; i++)
		seen[rd(reg_claim(0)) % IRQ_SOURCES]++;
	for (i = 1; i < IRQ_SOURCES; i++)
		CHECK_EQ(seen[i], 1);
	CHECK_EQ(rd(reg_claim(0)), 0);
	CHECK(!line[0]);
	rig_down();
}

TEST(change_is_told_to_kvm_once)
{
	rig_up(1);
	enable(0, 1, 1);
	enable(0, 2, 1);
	wire_set(1, true);
	wire_set(2, true);
	wr(reg_priority(1), 4);
	CHECK_EQ(calls, 1);
	CHECK_EQ(rd(reg_claim(0)), 1);
	CHECK_EQ(calls, 1);
	CHECK_EQ(rd(reg_claim(0)), 2);
	CHECK_EQ(calls, 2);
	rig_down();
}

/* As KVM's reset of a vCPU that SBI starts does, of which there is no exit. */
TEST(hart_that_lost_its_interrupt_has_it_again_when_it_sets_its_threshold)
{
	rig_up(2);
	enable(1, 1, 1);
	wire_set(1, true);
	CHECK(line[1]);
	line[1] = false;
	wr(reg_threshold(1), 0);
	CHECK(line[1]);
	wr(reg_threshold(1), 7);
	CHECK(!line[1]);
	CHECK_EQ(wrong, 0);
	rig_down();
}

TEST(refusal_by_kvm_is_survived)
{
	rig_up(1);
	log_set_level(LOG_ERROR);
	kvm_fails = true;
	enable(0, 1, 1);
	wire_set(1, true);
	CHECK_EQ(calls, 1);
	CHECK_EQ(rd(reg_claim(0)), 1);
	CHECK_EQ(calls, 2);
	rig_down();
}

TEST(reset_leaves_the_wires_alone)
{
	rig_up(2);
	enable(0, 1, 3);
	enable(1, 2, 3);
	wr(reg_threshold(1), 1);
	wire_set(1, true);
	wire_set(2, true);
	wire_set(2, false);
	CHECK(line[0] && line[1]);
	CHECK_EQ(plic_irqchip.reset(&vm, NULL), 0);
	CHECK(!line[0] && !line[1]);
	CHECK_EQ(rd(reg_priority(1)) + rd(reg_enable(0, 0)) + rd(reg_threshold(1)), 0);
	CHECK(pending(1) && !pending(2));
	enable(0, 1, 1);
	CHECK(line[0]);
	CHECK_EQ(wrong, 0);
	rig_down();
}

/* --- many threads: what KVM is told stays in order --- */

enum { ROUNDS = 5000 };

static void *toggle_wires(void *arg)
{
	u32 n = *(u32 *)arg;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		wire_set(n, true);
		wire_set(n, false);
	}
	return NULL;
}

static void *serve_hart(void *arg)
{
	unsigned int hart = *(u32 *)arg, i;

	for (i = 0; i < ROUNDS; i++) {
		wr(reg_claim(hart), rd(reg_claim(hart)));
		wr(reg_threshold(hart), i & 1);
	}
	return NULL;
}

TEST(wires_and_harts_at_once)
{
	u32 wires[] = { 8, 40 }, harts[] = { 0, 1 }, n;
	pthread_t t[4];
	unsigned int i;

	rig_up(2);
	for (i = 0; i < 2; i++) {
		enable(i, 8, 1);
		enable(i, 40, 2);
	}
	for (i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, toggle_wires, &wires[i]) || pthread_create(&t[2 + i], NULL, serve_hart, &harts[i]))
			abort();
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (i = 0; i < 2; i++)
		wr(reg_threshold(i), 0);
	for (i = 0; (n = rd(reg_claim(0))); i++)
		wr(reg_claim(0), n);
	CHECK(i <= 2);
	CHECK(!line[0] && !line[1]);
	CHECK_EQ(wrong, 0);
	rig_down();
}

/* --- state --- */

TEST(saved_state_is_the_same_after_a_load)
{
	struct state_writer w, again;

	rig_up(3);
	enable(0, 1, 3);
	enable(2, 70, 5);
	wr(reg_threshold(2), 2);
	wire_set(1, true);
	wire_set(70, true);
	CHECK_EQ(rd(reg_claim(2)), 70);
	dev_save(&w);
	rig_down();

	rig_up(3);
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK(line[0] && !line[2]);
	CHECK_EQ(rd(reg_priority(70)), 5);
	CHECK_EQ(rd(reg_threshold(2)), 2);
	dev_save(&again);
	CHECK(again.buf.len == w.buf.len && !memcmp(again.buf.s, w.buf.s, w.buf.len));
	/* the device raises its wire when it is loaded: inside already, so nothing is new till the completion */
	wire_set(70, true);
	CHECK(!pending(70));
	wr(reg_claim(2), 70);
	CHECK(pending(70) && line[2]);
	state_writer_free(&again);
	state_writer_free(&w);
	rig_down();
}

TEST(load_lets_a_high_wire_in)
{
	struct state_writer w;

	rig_up(1);
	enable(0, 4, 1);
	dev_save(&w);
	wire_set(4, true);
	CHECK_EQ(rd(reg_claim(0)), 4);
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK(pending(4) && line[0]);
	state_writer_free(&w);
	rig_down();
}

TEST(short_streams_are_refused)
{
	rig_up(2);
	CHECK(truncations_refused());
	rig_down();
}

/* A stream with @what as the device has it. Gives load's answer. */
static int load_with(u32 sources, u32 harts, u8 prio0, u8 prio1, u32 pend, u32 closed, u32 en, u8 threshold)
{
	struct state_writer w = { .open = false };
	u8 prio[IRQ_SOURCES] = { prio0, prio1 };
	unsigned int i;
	int r;

	state_begin(&w, dev()->name, 1);
	state_put_u32(&w, sources);
	state_put_u32(&w, harts);
	state_put_bytes(&w, prio, sizeof(prio));
	for (i = 0; i < 3; i++) {
		state_put_u32(&w, i ? 0 : pend);
		state_put_u32(&w, i ? 0 : closed);
	}
	for (i = 0; i < 3; i++)
		state_put_u32(&w, i ? 0 : en);
	state_put_u8(&w, threshold);
	state_end(&w);
	r = dev_load(w.buf.s, w.buf.len);
	state_writer_free(&w);
	return r;
}

TEST(unsound_streams_are_refused_and_change_nothing)
{
	rig_up(1);
	enable(0, 4, 6);
	CHECK_EQ(load_with(IRQ_SOURCES + 1, 1, 0, 1, 0, 0, 0, 0), -EBADMSG);
	CHECK_EQ(load_with(IRQ_SOURCES, 2, 0, 1, 0, 0, 0, 0), -EBADMSG);
	CHECK_EQ(load_with(IRQ_SOURCES, 1, 1, 1, 0, 0, 0, 0), -EBADMSG);
	CHECK_EQ(load_with(IRQ_SOURCES, 1, 0, 8, 0, 0, 0, 0), -EBADMSG);
	CHECK_EQ(load_with(IRQ_SOURCES, 1, 0, 1, 2, 0, 0, 0), -EBADMSG);
	CHECK_EQ(load_with(IRQ_SOURCES, 1, 0, 1, 1, 1, 0, 0), -EBADMSG);
	CHECK_EQ(load_with(IRQ_SOURCES, 1, 0, 1, 0, 0, 1, 0), -EBADMSG);
	CHECK_EQ(load_with(IRQ_SOURCES, 1, 0, 1, 0, 0, 0, 8), -EBADMSG);
	CHECK_EQ(rd(reg_priority(4)), 6);
	CHECK_EQ(rd(reg_enable(0, 0)), BIT(4));
	CHECK_EQ(load_with(IRQ_SOURCES, 1, 0, 1, 2, 2, 2, 0), 0);
	CHECK(line[0]);
	rig_down();
}

TEST(region_that_cannot_be_mapped_is_told)
{
	struct error err;

	rig_up(1);
	io_unmap_region(&vm, region[0]);
	map_fails_at = 1;
	CHECK_EQ(plic_irqchip.init(&vm, &err), -ENOMEM);
	CHECK(strstr(err.msg, "PLIC"));
	rig_down();
}

int main(void)
{
	RUN(wire_reaches_a_hart_that_enabled_it);
	RUN(wires_are_those_of_the_sources);
	RUN(source_0_is_not_there);
	RUN(registers_hold_the_bits_they_have);
	RUN(rest_of_the_region_reads_0_and_takes_nothing);
	RUN(the_last_of_many_harts_has_its_registers);
	RUN(claims_come_by_priority_then_number);
	RUN(priority_0_never_interrupts);
	RUN(threshold_masks_the_notification_and_not_the_claim);
	RUN(high_wire_asks_again_after_completion_only);
	RUN(request_stays_when_the_wire_falls);
	RUN(claim_of_one_hart_is_gone_for_the_others);
	RUN(completion_of_what_is_not_enabled_is_ignored);
	RUN(completion_of_nonsense_is_ignored);
	RUN(completion_of_what_was_not_claimed_opens_no_gateway);
	RUN(disabling_withdraws_and_keeps_the_request);
	RUN(all_sources_are_claimed_once);
	RUN(change_is_told_to_kvm_once);
	RUN(hart_that_lost_its_interrupt_has_it_again_when_it_sets_its_threshold);
	RUN(refusal_by_kvm_is_survived);
	RUN(reset_leaves_the_wires_alone);
	RUN(wires_and_harts_at_once);
	RUN(saved_state_is_the_same_after_a_load);
	RUN(load_lets_a_high_wire_in);
	RUN(short_streams_are_refused);
	RUN(unsound_streams_are_refused_and_change_nothing);
	RUN(region_that_cannot_be_mapped_is_told);
	return tap_done();
}
