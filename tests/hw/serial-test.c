// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 16550A register by register, with a fake bus, wire and back end. [PC16550D]
 * links: hw/serial.c device.c state.c util/str.c util/json.c util/error.c
 */
#include "tests/hw/serial-fake.h"

/* --- tests --- */

TEST(power_on_values_are_those_of_the_chip)
{
	CHECK_EQ(in(IER), 0);
	CHECK_EQ(in(IIR), 1);
	CHECK_EQ(in(LCR), 0);
	CHECK_EQ(in(MCR), 0);
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(in(MSR), 0xb0);
	CHECK_EQ(in(SCR), 0);
	CHECK(!wire.level);
}

TEST(scratch_and_line_control_keep_what_is_written)
{
	out(SCR, 0xa5);
	out(LCR, 0x1b);
	CHECK_EQ(in(SCR), 0xa5);
	CHECK_EQ(in(LCR), 0x1b);
}

TEST(upper_bits_of_ier_and_mcr_read_zero)
{
	out(IER, 0xff);
	out(MCR, 0xff);
	CHECK_EQ(in(IER), 0x0f);
	CHECK_EQ(in(MCR), 0x1f);
}

TEST(divisor_latch_hides_data_and_ier)
{
	out(IER, 0);
	out(LCR, 0x83);
	out(DATA, 1);
	out(IER, 2);
	CHECK_EQ(in(DATA), 1);
	CHECK_EQ(in(IER), 2);
	CHECK_EQ(line.len, 0);
	out(LCR, 3);
	CHECK_EQ(in(IER), 0);
	out(DATA, 'x');
	CHECK_EQ(line.len, 1);
}

TEST(bytes_written_reach_the_back_end)
{
	out(DATA, 'o');
	out(DATA, 'k');
	CHECK_EQ(line.len, 2);
	CHECK_EQ(line.out[0], 'o');
	CHECK_EQ(line.out[1], 'k');
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(line.waited, 0);
}

TEST(full_back_end_loses_output_without_wait_for_room)
{
	line.room = 1;
	out(DATA, 'a');
	out(DATA, 'b');
	CHECK_EQ(line.len, 1);
	CHECK_EQ(in(LSR), 0x60);
}

TEST(iir_tells_fifos_are_enabled)
{
	CHECK_EQ(in(IIR), 0x01);
	out(FCR, 1);
	CHECK_EQ(in(IIR), 0xc1);
	out(FCR, 0xc6);	/* bit 0 clear: off, and the rest is not programmed */
	CHECK_EQ(in(IIR), 0x01);
}

TEST(without_fifo_one_byte_is_taken)
{
	CHECK_EQ(feed("ab"), 1);
	CHECK_EQ(in(LSR), 0x61);
	CHECK_EQ(line.resumed, 0);
	CHECK_EQ(in(DATA), 'a');
	CHECK_EQ(line.resumed, 1);
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(in(DATA), 'a');	/* nothing new: the old one */
	CHECK_EQ(line.resumed, 1);
}

TEST(fifo_takes_sixteen_and_asks_for_more_when_empty)
{
	unsigned int i;

	out(FCR, 1);
	CHECK_EQ(feed("0123456789abcdefgh"), 16);
	for (i = 0; i < 16; i++) {
		CHECK_EQ(line.resumed, 0);
		CHECK_EQ(in(LSR) & 1, 1);
		CHECK_EQ(in(DATA), "0123456789abcdef"[i]);
	}
	CHECK_EQ(in(LSR) & 1, 0);
	CHECK_EQ(line.resumed, 1);
	CHECK_EQ(feed("gh"), 2);
	CHECK_EQ(in(DATA), 'g');
	CHECK_EQ(in(DATA), 'h');
	CHECK_EQ(line.resumed, 1);
}

TEST(data_interrupt_at_the_trigger_level_and_timeout_below)
{
	static const struct { u8 fcr; unsigned int level; } t[] = { { 0x01, 1 }, { 0x41, 4 }, { 0x81, 8 }, { 0xc1, 14 } };
	unsigned int i, n;

	out(IER, 1);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		out(FCR, t[i].fcr | 2);
		CHECK_EQ(in(IIR), 0xc1);
		CHECK(!wire.level);
		for (n = 1; n <= 16; n++) {
			CHECK_EQ(feed("x"), 1);
			CHECK_EQ(in(IIR), n >= t[i].level ? 0xc4 : 0xcc);
			CHECK(wire.level);
		}
		while (n-- > 1) {
			CHECK(wire.level);
			in(DATA);
		}
		CHECK(!wire.level);
	}
}

TEST(no_interrupt_for_what_is_not_enabled)
{
	feed("x");
	CHECK_EQ(in(IIR), 1);
	CHECK(!wire.level);
	out(IER, 1);
	CHECK(wire.level);
	out(IER, 0);
	CHECK(!wire.level);
}

TEST(clearing_the_receive_fifo_drops_it_and_resumes_input)
{
	out(IER, 1);
	out(FCR, 1);
	feed("0123456789abcdef+");
	out(FCR, 3);
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(line.resumed, 1);
}

TEST(changing_the_fifo_mode_empties_it)
{
	out(FCR, 1);
	feed("abc");
	out(FCR, 0);
	CHECK_EQ(in(LSR), 0x60);
}

TEST(thre_interrupt_comes_when_enabled_and_goes_with_iir_read)
{
	out(IER, 2);
	CHECK(wire.level);
	CHECK_EQ(in(IIR), 2);
	CHECK(!wire.level);
	CHECK_EQ(in(IIR), 1);
	out(IER, 2);	/* already enabled: no new one */
	CHECK(!wire.level);
	out(IER, 0);
	out(IER, 2);
	CHECK_EQ(in(IIR), 2);
}

TEST(thre_interrupt_comes_again_after_each_byte)
{
	out(IER, 2);
	in(IIR);
	out(DATA, 'x');
	CHECK(wire.level);
	CHECK_EQ(line.len, 1);
	CHECK_EQ(in(IIR), 2);
	CHECK(!wire.level);
}

TEST(iir_read_of_another_source_keeps_thre)
{
	out(IER, 3);
	feed("x");
	CHECK_EQ(in(IIR), 4);
	CHECK_EQ(in(IIR), 4);
	in(DATA);
	CHECK_EQ(in(IIR), 2);
	CHECK_EQ(in(IIR), 1);
}

TEST(sources_rank_line_data_thre_modem)
{
	out(FCR, 1);
	out(IER, 15);
	line.connected = false;
	line.client->changed(line.client);
	feed("x");
	line.client->line_break(line.client);
	in(DATA);	/* brings the BREAK to the top */
	CHECK_EQ(in(IIR), 0xc6);
	CHECK_EQ(in(LSR), 0xf1);	/* BI and an error in the FIFO */
	CHECK_EQ(in(IIR), 0xc4);
	CHECK_EQ(in(DATA), 0);
	CHECK_EQ(in(IIR), 0xc2);
	CHECK_EQ(in(IIR), 0xc0);
	CHECK_EQ(in(MSR), 0x1a);	/* CTS; DDSR, DDCD */
	CHECK_EQ(in(IIR), 0xc1);
	CHECK(!wire.level);
}

TEST(sysrq_is_break_and_key)
{
	out(FCR, 1);
	out(IER, 1);
	CHECK_EQ(offer("a"), 1);
	CHECK_EQ(serial_send_sysrq(&vm, &line, 'h'), 0);
	CHECK_EQ(offer("b"), 1);
	CHECK(wire.level);
	CHECK_EQ(in(DATA), 'a');
	CHECK_EQ(in(LSR), 0xf1);
	CHECK_EQ(in(DATA), 0);
	CHECK_EQ(in(LSR), 0x61);
	CHECK_EQ(in(DATA), 'h');
	CHECK_EQ(in(DATA), 'b');
	CHECK_EQ(in(LSR), 0x60);
}

TEST(sysrq_waits_for_room_and_nothing_comes_between)
{
	unsigned int i;

	out(FCR, 1);
	out(IER, 1);
	CHECK_EQ(offer("0123456789abcdefgh"), 16);
	CHECK_EQ(serial_send_sysrq(&vm, &line, 'h'), 0);
	CHECK_EQ(serial_send_sysrq(&vm, &line, 'i'), -EBUSY);
	CHECK_EQ(in(DATA), '0');
	CHECK_EQ(offer("gh"), 0);	/* BREAK took the room */
	CHECK_EQ(serial_send_sysrq(&vm, &line, 'i'), -EBUSY);
	CHECK_EQ(in(DATA), '1');
	CHECK_EQ(serial_send_sysrq(&vm, &line, 'i'), 0);
	for (i = 2; i < 16; i++)
		in(DATA);
	CHECK_EQ(in(LSR), 0xf1);
	CHECK_EQ(in(DATA), 0);
	CHECK_EQ(in(DATA), 'h');
	CHECK_EQ(in(LSR), 0xf1);
	CHECK_EQ(in(DATA), 0);
	CHECK_EQ(in(DATA), 'i');
	CHECK_EQ(offer("g"), 1);
}

TEST(sysrq_works_without_fifos)
{
	out(IER, 1);
	CHECK_EQ(serial_send_sysrq(&vm, &line, 'h'), 0);
	CHECK_EQ(in(LSR), 0x71);
	CHECK_EQ(in(DATA), 0);
	CHECK_EQ(in(LSR), 0x61);
	CHECK_EQ(in(DATA), 'h');
	CHECK_EQ(in(LSR), 0x60);
}

TEST(sysrq_is_refused_where_nobody_listens)
{
	struct chardev other = { .len = 0 };

	CHECK_EQ(serial_send_sysrq(&vm, &line, 'h'), -EAGAIN);
	CHECK_EQ(serial_send_sysrq(&vm, &other, 'h'), -ENODEV);
	out(IER, 1);
	dev()->ops->stop(dev());
	CHECK_EQ(serial_send_sysrq(&vm, &line, 'h'), -EAGAIN);
	dev()->ops->start(dev());
	CHECK_EQ(serial_send_sysrq(&vm, &line, 'h'), 0);
	dev()->ops->reset(dev());	/* forgets what was not read */
	CHECK_EQ(in(LSR), 0x60);
}

TEST(bytes_are_counted)
{
	struct strbuf b = { 0 };

	out(DATA, 'o');
	out(DATA, 'k');
	out(IER, 1);
	CHECK_EQ(offer("x"), 1);
	dev()->ops->stats(dev(), &b);
	strbuf_add(&b, "", 1);
	CHECK_STR(b.s, "\"bytes_sent\":2,\"bytes_received\":1");
	strbuf_free(&b);
}

TEST(break_shows_when_its_character_is_at_the_top)
{
	out(FCR, 1);
	feed("a");
	line.client->line_break(line.client);
	CHECK_EQ(in(LSR), 0xe1);	/* somewhere in the FIFO */
	CHECK_EQ(in(DATA), 'a');
	CHECK_EQ(in(LSR), 0xf1);
	CHECK_EQ(in(LSR), 0x61);
	CHECK_EQ(in(DATA), 0);
	CHECK_EQ(in(LSR), 0x60);
}

TEST(modem_lines_follow_the_other_end)
{
	out(IER, 8);
	CHECK_EQ(in(MSR), 0xb0);
	line.connected = false;
	line.client->changed(line.client);
	CHECK(wire.level);
	CHECK_EQ(in(IIR), 0);
	CHECK_EQ(in(MSR), 0x1a);
	CHECK(!wire.level);
	line.connected = true;
	line.client->changed(line.client);
	CHECK_EQ(in(MSR), 0xba);
	CHECK_EQ(in(MSR), 0xb0);
}

TEST(loopback_returns_what_is_sent)
{
	out(MCR, 0x10);
	out(DATA, 'L');
	CHECK_EQ(line.len, 0);
	CHECK_EQ(in(LSR), 0x61);
	CHECK_EQ(in(DATA), 'L');
	CHECK_EQ(feed("x"), 0);	/* the line is disconnected */
	out(MCR, 0);
	CHECK_EQ(line.resumed, 1);
	CHECK_EQ(feed("x"), 1);
}

TEST(loopback_wires_modem_outputs_to_inputs)
{
	static const struct { u8 mcr, msr; } t[] = {
		{ 0x10, 0x00 }, { 0x11, 0x20 }, { 0x12, 0x10 }, { 0x14, 0x40 }, { 0x18, 0x80 }, { 0x1f, 0xf0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		out(MCR, t[i].mcr);
		CHECK_EQ(in(MSR) & 0xf0, t[i].msr);
	}
	out(MCR, 0);
	CHECK_EQ(in(MSR) & 0xf0, 0xb0);
}

TEST(ring_indicator_tells_its_trailing_edge_only)
{
	out(MCR, 0x10);
	in(MSR);
	out(MCR, 0x14);
	CHECK_EQ(in(MSR), 0x40);
	out(MCR, 0x10);
	CHECK_EQ(in(MSR), 0x04);
	CHECK_EQ(in(MSR), 0x00);
}

TEST(loopback_overrun_with_fifo_keeps_the_old)
{
	unsigned int i;

	out(FCR, 1);
	out(IER, 4);
	out(MCR, 0x10);
	for (i = 0; i < 17; i++)
		out(DATA, 'a' + i);
	CHECK_EQ(in(IIR), 0xc6);
	CHECK_EQ(in(LSR), 0x63);
	CHECK_EQ(in(LSR), 0x61);
	for (i = 0; i < 16; i++)
		CHECK_EQ(in(DATA), 'a' + i);
	CHECK_EQ(in(LSR), 0x60);
}

TEST(loopback_overrun_without_fifo_keeps_the_new)
{
	out(MCR, 0x10);
	out(DATA, 'a');
	out(DATA, 'b');
	CHECK_EQ(in(LSR), 0x63);
	CHECK_EQ(in(DATA), 'b');
	CHECK_EQ(in(LSR), 0x60);
}

TEST(lsr_and_msr_are_read_only)
{
	in(MSR);
	out(LSR, 0xff);
	out(MSR, 0xff);
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(in(MSR), 0xb0);
}

TEST(wire_is_told_changes_only)
{
	unsigned int before;

	out(IER, 1);
	feed("x");
	before = wire.changes;
	in(LSR);
	in(IIR);
	out(SCR, 1);
	out(DATA, 'x');
	CHECK_EQ(wire.changes, before);
}

TEST(stopped_takes_no_input_and_leaves_the_wire)
{
	unsigned int before;

	out(IER, 1);
	dev()->ops->stop(dev());
	before = wire.changes;
	CHECK_EQ(feed("x"), 0);
	line.client->line_break(line.client);
	line.connected = false;
	line.client->changed(line.client);
	CHECK_EQ(wire.changes, before);
	dev()->ops->start(dev());
	CHECK_EQ(line.resumed, 1);
	CHECK_EQ(feed("x"), 1);
	CHECK(wire.level);
}

TEST(input_waits_until_somebody_listens)
{
	unsigned int i;

	CHECK_EQ(offer("early"), 0);
	/* A driver starts: FIFOs emptied, a look at each register, a byte sent by polling. */
	out(FCR, 7);
	for (i = 0; i < 8; i++)
		in(i);
	for (i = 0; i < 100; i++) {
		in(LSR);
		out(DATA, 'x');
		in(LSR);
	}
	CHECK_EQ(offer("early"), 0);
	CHECK_EQ(line.resumed, 0);
	out(IER, 1);
	CHECK_EQ(line.resumed, 1);
	CHECK_EQ(offer("early"), 5);
	while (in(LSR) & 1)
		in(DATA);
	out(IER, 0);
	CHECK_EQ(offer("late"), 0);
}

TEST(a_polling_guest_gets_input_until_the_next_driver_starts)
{
	CHECK_EQ(offer("a"), 0);
	poll_input();
	CHECK_EQ(line.resumed, 1);
	CHECK_EQ(offer("a"), 1);
	CHECK_EQ(in(DATA), 'a');
	CHECK_EQ(offer("b"), 1);
	out(FCR, 7);
	CHECK_EQ(offer("c"), 0);
}


TEST(reset_gives_power_on_state)
{
	out(FCR, 1);
	out(IER, 15);
	out(MCR, 11);
	out(SCR, 1);
	feed("abc");
	CHECK(wire.level);
	dev()->ops->reset(dev());
	CHECK(!wire.level);
	power_on_values_are_those_of_the_chip();
}

static void save_state(struct state_writer *w)
{
	out(LCR, 0x80);
	out(DATA, 7);
	out(LCR, 3);
	out(FCR, 0x81);
	out(IER, 7);
	out(MCR, 0x0b);
	out(SCR, 99);
	feed("abc");
	line.client->line_break(line.client);
	dev()->ops->stop(dev());
	CHECK_EQ(dev()->ops->save(dev(), w, NULL), 0);
}

TEST(state_goes_round)
{
	struct state_writer w = { .open = false };
	struct state_reader r;

	save_state(&w);
	teardown();
	setup();
	dev()->ops->stop(dev());
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(dev()->ops->load(dev(), &r), 0);
	CHECK(!wire.level);
	dev()->ops->start(dev());
	CHECK(wire.level);
	CHECK_EQ(in(IIR), 0xcc);
	CHECK_EQ(in(IER), 7);
	CHECK_EQ(in(MCR), 0x0b);
	CHECK_EQ(in(SCR), 99);
	CHECK_EQ(in(DATA), 'a');
	CHECK_EQ(in(DATA), 'b');
	CHECK_EQ(in(DATA), 'c');
	CHECK_EQ(in(LSR), 0xf1);
	CHECK_EQ(in(DATA), 0);
	CHECK_EQ(in(IIR), 0xc2);
	out(LCR, 0x80);
	CHECK_EQ(in(DATA), 7);
	state_writer_free(&w);
}

TEST(bad_state_is_refused_and_changes_nothing)
{
	struct state_writer w = { .open = false };
	struct state_reader r;
	size_t i, header;

	out(SCR, 5);
	/* rx_len of 17, and of 2 without FIFO */
	for (i = 0; i < 2; i++) {
		unsigned int k;

		state_begin(&w, "serial0", 1);
		for (k = 0; k < 9; k++)
			state_put_u8(&w, k == 1 && !i);	/* fcr */
		state_put_u8(&w, 0);
		state_put_u8(&w, 0);
		state_put_u32(&w, i ? 2 : 17);
		for (k = 0; k < 34; k++)
			state_put_u8(&w, 0);
		state_end(&w);
		state_reader_init(&r, w.buf.s, w.buf.len);
		CHECK(dev()->ops->load(dev(), &r) < 0);
		state_writer_free(&w);
		memset(&w, 0, sizeof(w));
	}
	/* every truncation */
	save_state(&w);
	out(SCR, 5);
	header = 0;
	for (i = header; i < w.buf.len; i++) {
		state_reader_init(&r, w.buf.s, i);
		CHECK(dev()->ops->load(dev(), &r) < 0);
		CHECK_EQ(in(SCR), 5);
	}
	state_writer_free(&w);
}

TEST(describes_itself_to_firmware)
{
	struct device *d = dev();

	CHECK_STR(d->name, "serial0");
	CHECK_EQ(d->res[0].type, DEV_RES_IO);
	CHECK_EQ(d->res[0].base, 0x3f8);
	CHECK_EQ(d->res[0].size, 8);
	CHECK_EQ(d->res[1].type, DEV_RES_IRQ);
	CHECK_EQ(d->res[1].irq, 4);
	CHECK(!d->res[1].level);
}

TEST(second_port_is_numbered_on)
{
	struct serial_config cfg = { .space = IO_PORT, .base = 0x2f8, .gsi = 4 };

	CHECK_EQ(serial_create(&vm, &cfg), 0);
	CHECK_STR(device_find(&vm, DEV_UART_16550, 1)->name, "serial1");
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(in(MSR), 0x10);	/* nothing behind it */
	out(DATA, 'x');
}

TEST(failed_creation_leaves_nothing)
{
	struct serial_config bad_irq = { .space = IO_PORT, .base = 0x2f8, .gsi = 9 };
	struct serial_config bad_base = { .space = IO_PORT, .base = 0xffff, .gsi = 4 };

	CHECK_EQ(serial_create(&vm, &bad_irq), -EINVAL);
	CHECK_EQ(serial_create(&vm, &bad_base), -EINVAL);
	CHECK(!device_find(&vm, DEV_UART_16550, 1));
}

static void with_port(const char *name, void (*fn)(void))
{
	setup();
	tap_run(name, fn);
	teardown();
}
#define RUN_PORT(name) with_port(#name, name)

TEST(wait_for_room_waits)
{
	make((struct serial_config){ .space = IO_PORT, .base = 0x3f8, .gsi = 4, .cd = &line, .wait_for_room = true });
	out(DATA, 'x');
	out(IER, 2);
	out(DATA, 'y');
	CHECK_EQ(line.waited, 2);
	teardown();
}

TEST(registers_can_be_four_bytes_apart)
{
	make((struct serial_config){ .space = IO_MMIO, .base = 0x1000, .gsi = 4, .cd = &line, .reg_shift = 2 });
	CHECK_EQ(bus->size, 32);
	CHECK_EQ(in(5 << 2), 0x60);
	out(7 << 2, 0x77);
	out((7 << 2) + 1, 0x88);	/* upper byte of a wide write */
	CHECK_EQ(in(7 << 2), 0x77);
	CHECK_EQ(in((7 << 2) + 1), 0);
	CHECK(dev()->res[1].level);
	teardown();
}

int main(void)
{
	RUN_PORT(power_on_values_are_those_of_the_chip);
	RUN_PORT(scratch_and_line_control_keep_what_is_written);
	RUN_PORT(upper_bits_of_ier_and_mcr_read_zero);
	RUN_PORT(divisor_latch_hides_data_and_ier);
	RUN_PORT(bytes_written_reach_the_back_end);
	RUN_PORT(full_back_end_loses_output_without_wait_for_room);
	RUN_PORT(iir_tells_fifos_are_enabled);
	RUN_PORT(without_fifo_one_byte_is_taken);
	RUN_PORT(fifo_takes_sixteen_and_asks_for_more_when_empty);
	RUN_PORT(data_interrupt_at_the_trigger_level_and_timeout_below);
	RUN_PORT(no_interrupt_for_what_is_not_enabled);
	RUN_PORT(clearing_the_receive_fifo_drops_it_and_resumes_input);
	RUN_PORT(changing_the_fifo_mode_empties_it);
	RUN_PORT(thre_interrupt_comes_when_enabled_and_goes_with_iir_read);
	RUN_PORT(thre_interrupt_comes_again_after_each_byte);
	RUN_PORT(iir_read_of_another_source_keeps_thre);
	RUN_PORT(sources_rank_line_data_thre_modem);
	RUN_PORT(break_shows_when_its_character_is_at_the_top);
	RUN_PORT(sysrq_is_break_and_key);
	RUN_PORT(sysrq_waits_for_room_and_nothing_comes_between);
	RUN_PORT(sysrq_works_without_fifos);
	RUN_PORT(sysrq_is_refused_where_nobody_listens);
	RUN_PORT(bytes_are_counted);
	RUN_PORT(modem_lines_follow_the_other_end);
	RUN_PORT(loopback_returns_what_is_sent);
	RUN_PORT(loopback_wires_modem_outputs_to_inputs);
	RUN_PORT(ring_indicator_tells_its_trailing_edge_only);
	RUN_PORT(loopback_overrun_with_fifo_keeps_the_old);
	RUN_PORT(loopback_overrun_without_fifo_keeps_the_new);
	RUN_PORT(lsr_and_msr_are_read_only);
	RUN_PORT(wire_is_told_changes_only);
	RUN_PORT(stopped_takes_no_input_and_leaves_the_wire);
	RUN_PORT(input_waits_until_somebody_listens);
	RUN_PORT(a_polling_guest_gets_input_until_the_next_driver_starts);
	RUN_PORT(reset_gives_power_on_state);
	RUN_PORT(state_goes_round);
	RUN_PORT(bad_state_is_refused_and_changes_nothing);
	RUN_PORT(describes_itself_to_firmware);
	RUN_PORT(second_port_is_numbered_on);
	RUN_PORT(failed_creation_leaves_nothing);
	RUN(wait_for_room_waits);
	RUN(registers_can_be_four_bytes_apart);
	return tap_done();
}
