/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console device's protocol as no driver should speak it: control messages cut short, oversized, of no port, out of turn; output in
 * odd pieces; input into buffers of no use. [virtio-1.2 5.3]
 *
 * Wants a second port besides the console's, a bystander, and on the console an input that never ends. TAP goes over the serial port.
 */
#include "hostile.h"

enum { RX = 0, TX = 1, TO_DRIVER = 2, FROM_DRIVER = 3, RX1 = 4, TX1 = 5 };
enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };
#define ANYWHERE RAM_SPOT

static struct { u32 id; u16 event, value; } msg __attribute__((aligned(16)));
static u8 in[8192] __attribute__((aligned(4096)));

static bool say(u32 id, u16 event, u16 value)
{
	msg.id = id;
	msg.event = event;
	msg.value = value;
	return hq_do(&dut, FROM_DRIVER, E_OUT(&msg, 8)) == 0;
}

/* A message that was heard makes the device say PORT_ADD for each port; control and output work. */
static bool multiport_works(struct hdev *h)
{
	static struct { u32 id; u16 event, value; } add;
	bool good;

	hq_put(h, &h->q[TO_DRIVER], (const struct helem[]){ E_IN(&add, 8) }, 1);
	hq_kick(h, &h->q[TO_DRIVER]);
	good = say(0, DEVICE_READY, 1) && hq_wait(h, &h->q[TO_DRIVER]) == 8 && add.event == PORT_ADD && add.id < 2;
	return good && console_works(h);
}

/* The device goes on; then everything works, and again after a reset. */
static void goes_on(bool good, const char *what)
{
	if (h_status(&dut) & S_NEEDS_RESET) {
		print("# broke\n");
		good = false;
	}
	good &= recovered();
	attack_check(good, what);
}

static void control_messages(void)
{
	static const u32 ports[] = { 0, 1, 2, 3, 31, 0x7fffffff, 0x80000000, 0xffffffff };
	static const u16 values[] = { 0, 1, 2, 0x8000, 0xffff };
	unsigned int i, event, v;
	bool good = true;

	msg.id = 0;
	msg.event = PORT_OPEN;
	msg.value = 1;
	for (i = 0; i < 8; i++)
		good &= hq_do(&dut, FROM_DRIVER, E_OUT(&msg, i)) == 0;
	goes_on(good, "messages of 0 to 7 bytes");
	good = hq_do(&dut, FROM_DRIVER, E_IN(in, 64)) == 0 && h_is(in, 0, 64);
	goes_on(good, "a message in writable memory");
	good = hq_do(&dut, FROM_DRIVER, E_OUT(&msg, 4), E_IN(in, 4)) == 0;
	goes_on(good, "half a message, and the rest writable");
	good = true;
	for (i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		for (event = 0; event < 12; event++)
			for (v = 0; v < sizeof(values) / sizeof(values[0]); v++)
				good &= say(ports[i], (u16)(event < 10 ? event : event < 11 ? 0x100 : 0xffff), values[v]);
	goes_on(good, "every event for every kind of port");
	msg.event = PORT_NAME;
	good = hq_do(&dut, FROM_DRIVER, E_OUT(&msg, 8), E_OUT(ANYWHERE, 1 << 20)) == 0;
	goes_on(good, "a message of a megabyte");
	good = true;
	for (i = 0; i < 300; i++)
		good &= say(0, DEVICE_READY, 1) && say(i & 1, PORT_READY, (u16)(i & 2)) && say(i & 1, PORT_OPEN, (u16)(i & 4));
	goes_on(good, "300 times ready and open, with nowhere to put the answers");
	for (i = 0; i < 8; i++)
		hq_put(&dut, &dut.q[FROM_DRIVER], (const struct helem[]){ { (u64)&msg + i, 1, 0 } }, 1);
	hq_kick(&dut, &dut.q[FROM_DRIVER]);
	for (i = 0, good = true; i < 8; i++)
		good &= hq_wait(&dut, &dut.q[FROM_DRIVER]) == 0;
	goes_on(good, "a message in eight chains is eight short ones");
}

/* The device's messages into @n buffers of @len bytes: never more than fits is written, and nothing behind it. */
static void answers_into(u32 len, const char *what)
{
	unsigned int i;
	long got;
	bool good;

	h_set(in, 0x77, sizeof(in));
	for (i = 0; i < 4; i++)
		hq_put(&dut, &dut.q[TO_DRIVER], (const struct helem[]){ { (u64)in + i * 256, len, D_WRITE } }, 1);
	hq_kick(&dut, &dut.q[TO_DRIVER]);
	good = say(0, DEVICE_READY, 1);
	say(1, PORT_READY, 1);
	for (i = 0; i < 2; i++) {	/* one PORT_ADD for each port at least */
		got = hq_wait(&dut, &dut.q[TO_DRIVER]);
		good &= got >= 0 && got <= (long)len;
	}
	for (i = 0; i < 4; i++)
		good &= h_is(in + i * 256 + len, 0x77, 256 - len);
	goes_on(good, what);
}

static void answers(void)
{
	bool good;

	answers_into(0, "control buffers of no bytes");
	answers_into(1, "control buffers of one byte");
	answers_into(7, "control buffers of 7 bytes");
	answers_into(8, "control buffers of 8 bytes");
	h_set(in, 0x77, 64);
	hq_put(&dut, &dut.q[TO_DRIVER], (const struct helem[]){ E_OUT(in, 64) }, 1);
	hq_kick(&dut, &dut.q[TO_DRIVER]);
	good = say(0, DEVICE_READY, 1) && hq_wait(&dut, &dut.q[TO_DRIVER]) == 0 && h_is(in, 0x77, 64);
	goes_on(good, "control buffers that are readable only");
	hq_put(&dut, &dut.q[TO_DRIVER], (const struct helem[]){ { WINDOW_HOLE, 64, D_WRITE } }, 1);
	hq_kick(&dut, &dut.q[TO_DRIVER]);
	say(0, DEVICE_READY, 1);
	verdict(BREAKS, TO_DRIVER, "a control buffer where no RAM is");
}

static void output(void)
{
	struct helem e[HQ_SIZE];
	unsigned int i, size;
	bool good = true;

	for (size = 0; size < 300; size++)
		good &= hq_do(&dut, TX, E_OUT(ANYWHERE, size)) == 0;
	goes_on(good, "output of 0 to 299 bytes");
	for (i = 0; i < HQ_SIZE; i++)
		e[i] = (struct helem)E_OUT(ANYWHERE + i, i & 1);
	goes_on(hq_run(&dut, TX, e, HQ_SIZE) == 0, "output in 16 pieces, half of them empty");
	goes_on(hq_do(&dut, TX, E_OUT(ANYWHERE, 100000)) == 0, "output of 100000 bytes");
	h_set(in, 0x77, 64);
	goes_on(hq_do(&dut, TX, E_IN(in, 64)) == 0 && h_is(in, 0x77, 64), "output that is writable");
	for (good = true, size = 0; size < 200; size += 7)
		good &= hq_do(&dut, TX1, E_OUT(ANYWHERE, size)) == 0;
	goes_on(good, "output to a port that was never opened");
}

static void config(void)
{
	unsigned int i;

	for (i = 0; i < 64; i++) {
		u64 at = dut.v.device + i;

		write8(at, 'e');
		write16(at, 'e');
		write32(at, 'e');
		read8(at);
		read16(at);
		read32(at);
	}
	h_set_status(&dut, 0);
	for (i = 0; i < 200; i++)
		write32(dut.v.device + 8, 'e');
	goes_on(read32(dut.v.device + 4) == 2, "config space written all over; emergency output without a driver");
}

/* Queues of MULTIPORT used without it. */
static void not_negotiated(void)
{
	u16 i;

	dut_works = console_works;
	dut_base = dut_features = 0;
	h_start(&dut, 0);
	for (i = TO_DRIVER; i <= TX1; i++) {
		hq_put(&dut, &dut.q[i], (const struct helem[]){ E_OUT(&msg, 8) }, 1);
		hq_kick(&dut, &dut.q[i]);
	}
	goes_on(console_works(&dut), "the other ports' queues without MULTIPORT");
}

static bool input_works(struct hdev *h)
{
	long len = hq_do(h, RX, E_IN(in, 64));

	return len > 0 && len <= 64 && console_works(h);
}

static void input(void)
{
	unsigned int size;
	bool good = true;
	long len;

	dut_works = input_works;
	attack_check(recovered(), "input comes in");
	for (size = 0; size < 200; size++) {
		h_set(in, 0x77, 512);
		len = hq_do(&dut, RX, E_IN(in, size));
		good &= len >= 0 && len <= (long)size && h_is(in + size, 0x77, 512 - size);
	}
	goes_on(good, "input into buffers of 0 to 199 bytes");
	h_set(in, 0x77, 512);
	len = hq_do(&dut, RX, E_OUT(in, 256));
	goes_on(!len && h_is(in, 0x77, 256), "input into readable memory");
	len = hq_do(&dut, RX, E_OUT(in, 8), E_IN(in + 256, 0), E_IN(in + 256, 1), E_IN(in + 300, 0), E_IN(in + 301, 16));
	goes_on(len > 0 && len <= 17 && in[257] == 0x77, "input into five odd pieces");
	attack(BREAKS, RX, "input to where no RAM is", E_IN(WINDOW_HOLE, 64));
	attack(BREAKS, RX, "input to the end of RAM and on", E_IN(ram_end() - 1, 2));
}

int guest_main(void)
{
	bool packed;

	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	for (packed = false;; packed = true) {
		if (!h_find(&dut, ID_CONSOLE, 0) || (packed && !(dut.offered & F_PACKED)))
			break;
		dut.packed = packed;
		dut_works = multiport_works;
		dut_base = F_CONSOLE_MULTIPORT;
		dut_features = dut_base | F_INDIRECT;
		label = packed ? "packed: " : "split: ";
		attack_check(bystander_start(ID_CONSOLE) && recovered(), "works, and a bystander does");
		control_messages();
		answers();
		output();
		if (!dut.legacy)
			config();
		not_negotiated();
		input();
		h_set_status(&dut, 0);
		if (packed)
			break;
	}
	return checks_done();
}
