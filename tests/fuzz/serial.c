// SPDX-License-Identifier: GPL-2.0-only
/*
 * The serial port under any sequence of register accesses, input, breaks, pauses, resets and loaded states. What must
 * always hold: the wire says what IIR says, the transmitter is empty, and input is not taken beyond the FIFO.
 *
 *	op := kind (low 3 bits), register (3 bits) | value or length
 *
 * links: hw/serial.c device.c state.c util/str.c util/json.c util/error.c
 */
#include "tests/hw/serial-fake.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void round_trip(void)
{
	struct state_writer w = { .open = false };
	struct state_reader r;

	dev()->ops->stop(dev());
	check(!dev()->ops->save(dev(), &w, NULL));
	state_reader_init(&r, w.buf.s, w.buf.len);
	check(dev()->ops->load(dev(), &r) == 0);
	dev()->ops->start(dev());
	state_writer_free(&w);
}

/* The next @len bytes as the fields of a state section. */
static void load_any(const u8 *p, size_t len)
{
	struct state_writer w = { .open = false };
	struct state_reader r;

	state_begin(&w, "serial0", 1);
	strbuf_add(&w.buf, p, len);
	state_end(&w);
	state_reader_init(&r, w.buf.s, w.buf.len);
	dev()->ops->stop(dev());
	dev()->ops->load(dev(), &r);
	dev()->ops->start(dev());
	state_writer_free(&w);
}

static void invariants(void)
{
	bool level = wire.level;

	check(level == !(in(IIR) & 1));
	check((in(LSR) & 0x60) == 0x60);
}

static void one_op(u8 op, u8 val, const u8 *rest, size_t left)
{
	size_t n;

	switch (op & 7) {
	case 0:
	case 1:
		out(op >> 3 & 7, val);
		line.len = 0;
		line.room = sizeof(line.out);
		break;
	case 2:
		in(op >> 3 & 7);
		break;
	case 3:
		n = MIN((size_t)val, left);
		check(line.client->receive(line.client, rest, n) <= 16);
		break;
	case 4:
		line.client->line_break(line.client);
		break;
	case 5:
		line.connected = val & 1;
		line.client->changed(line.client);
		break;
	case 6:
		if (val & 1)
			round_trip();
		else
			dev()->ops->reset(dev());
		break;
	case 7:
		load_any(rest, MIN((size_t)val, left));
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	size_t i;

	setup();
	for (i = 0; i + 1 < size; i += 2) {
		one_op(data[i], data[i + 1], data + i + 2, size - i - 2);
		invariants();
	}
	teardown();
	return 0;
}
