/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network device's queues as no driver should fill them: frames of every size, headers that make no sense, receive buffers of every
 * size, control commands cut short, unknown and oversized. [virtio-1.2 5.1.6] The device drops, refuses or breaks, and works on.
 *
 * Wants a network whose 192.168.33.1 answers ARP, and a second device as bystander. Kernel command line: every=1 sends each size up to
 * 70000, not only the ones that matter.
 */
#include "hostile.h"

enum { RX = 0, TX = 1, FRAME_MAX = 70000, ACK_OK = 0, ACK_ERR = 1, BUF = 2048, PATIENCE_RX = 3000 };
#define DATA RAM_SPOT

#define F_MQ (1ULL << 22)
#define F_CONTROL (F_NET_CTRL_VQ | 1ULL << 18 | 1ULL << 19 | 1ULL << 20 | 1ULL << 21 | 1ULL << 23 | 1ULL << 2)
/* checksums and segmentation, both ways */
#define F_OFFLOADS (1ULL << 0 | 1ULL << 1 | 0x7fULL << 7 | 1ULL << 15)

static u8 rx[BUF + 512] __attribute__((aligned(64))), arp[12 + 60] __attribute__((aligned(64)));
static u16 control;

static unsigned int header(void) { return dut.legacy && !(dut_features & dut.offered & 1ULL << 15) ? 10 : 12; }

static u8 config8(unsigned int off) { return dut.legacy ? in8((u16)(dut.io + L_CONFIG + off)) : read8(dut.v.device + off); }

/* Who has 192.168.33.1? With its header in front; gives its length. */
static u32 make_arp(void)
{
	static const u8 rest[] = { 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1 }, from[] = { 192, 168, 33, 15 }, to[] = { 192, 168, 33, 1 };
	u8 *f = arp + header();
	unsigned int i;

	h_zero(arp, sizeof(arp));
	for (i = 0; i < 6; i++) {
		f[i] = 0xff;
		f[6 + i] = f[22 + i] = config8(i);
	}
	for (i = 0; i < sizeof(rest); i++)
		f[12 + i] = rest[i];
	for (i = 0; i < 4; i++) {
		f[28 + i] = from[i];
		f[38 + i] = to[i];
	}
	return header() + 60;
}

/* A frame out, and its answer in. What else the network says is for us too. */
static bool arp_works(struct hdev *h)
{
	struct hqueue *q = &h->q[RX];
	u8 *f = rx + header();
	unsigned int n;
	long len;

	for (n = 0; n < 50; n++) {
		hq_put(h, q, (const struct helem[]){ E_IN(rx, BUF) }, 1);
		hq_kick(h, q);
		if (!n && hq_do(h, TX, E_OUT(arp, make_arp())) != 0)
			return false;
		len = hq_wait(h, q);
		if (len < 0)
			return false;
		if (len >= (long)header() + 42 && f[12] == 8 && f[13] == 6 && f[21] == 2 && f[31] == 1)
			return true;
	}
	return false;
}

/* Nothing broke; all works after a reset. */
static void expect(bool good, const char *what)
{
	if (h_status(&dut) & S_NEEDS_RESET) {
		print("# broke\n");
		good = false;
	}
	good &= recovered();
	attack_check(good, what);
}

/* --- transmit --- */

static bool matters(u32 size)
{
	return size < 200 || (size > 1400 && size < 1600) || (size > 65500 && size < 65620) || size > FRAME_MAX - 20 || !(size % 509) ||
	       !(size & (size - 1));
}

static void sizes(void)
{
	bool every = cmdline_number("every", 0), good = true;
	unsigned int n = 0;
	u32 size;

	for (size = 0; size <= FRAME_MAX && good; size++) {
		if (!every && !matters(size))
			continue;
		hq_put(&dut, &dut.q[TX], (const struct helem[]){ E_OUT(DATA, size) }, 1);
		if (++n < 8 && size < FRAME_MAX)
			continue;
		hq_kick(&dut, &dut.q[TX]);
		for (; n; n--)
			good &= hq_wait(&dut, &dut.q[TX]) == 0;
	}
	expect(good, "frames of 0 to 70000 bytes, header included");
}

static void headers(void)
{
	static u8 frame[2048];
	struct helem e[HQ_SIZE];
	unsigned int i, j;
	bool good = true;

	for (i = 0; i < 400; i++) {
		make_arp();
		for (j = 0; j < 72; j++)
			frame[j] = arp[j];
		for (j = 0; j < header(); j++)
			frame[j] = (u8)(h_random() & 1 ? h_random() : h_random() & 7);
		if (i < 256)
			frame[1] = (u8)i;
		good &= hq_do(&dut, TX, E_OUT(frame, header() + 14 + h_random() % 1500)) == 0;
	}
	expect(good, "headers with any flags, any segmentation");
	for (i = 0; i < HQ_SIZE; i++)
		e[i] = (struct helem)E_OUT(arp + i, 1);
	e[HQ_SIZE - 1].len = 60;
	make_arp();
	expect(hq_run(&dut, TX, e, HQ_SIZE) == 0, "a header in pieces of one byte");
	h_set(rx, 0x77, 64);
	expect(hq_do(&dut, TX, E_IN(rx, 64)) == 0 && h_is(rx, 0x77, 64), "a frame in writable memory");
	expect(hq_do(&dut, TX, E_OUT(arp, header())) == 0, "a header and no frame");
	expect(hq_do(&dut, TX, E_OUT(arp, 0), E_OUT(arp, make_arp()), E_OUT(arp, 0)) == 0, "a frame between buffers of no bytes");
	expect(hq_do(&dut, TX, E_OUT(ram_start(), (u32)(ram_end() - ram_start()))) == 0, "a frame of all of RAM");
	attack(BREAKS, TX, "a frame where no RAM is", E_OUT(arp, 12), E_OUT(WINDOW_HOLE, 60));
}

/* --- receive --- */

static void receive(void)
{
	unsigned int size, n;
	bool good = true;

	for (size = 0; size < 2000 && good; size = size < 80 ? size + 1 : size * 2) {
		h_set(rx, 0x77, sizeof(rx));
		for (n = 0; n < 8; n++)
			hq_put(&dut, &dut.q[RX], (const struct helem[]){ E_IN(rx, size) }, 1);
		hq_kick(&dut, &dut.q[RX]);
		good = hq_do(&dut, TX, E_OUT(arp, make_arp())) == 0;
		for (n = 0; n < PATIENCE_RX / 100 && hq_used(&dut, &dut.q[RX]) < 0; n++)	/* may come, or not */
			h_status(&dut);
		good &= h_is(rx + size, 0x77, sizeof(rx) - size) && !(h_status(&dut) & S_NEEDS_RESET) && recovered();
	}
	attack_check(good, "receive buffers of every size: nothing is written behind them");
	hq_put(&dut, &dut.q[RX], (const struct helem[]){ E_OUT(rx, BUF) }, 1);
	hq_kick(&dut, &dut.q[RX]);
	expect(hq_do(&dut, TX, E_OUT(arp, make_arp())) == 0, "receive buffers that are readable");
	hq_put(&dut, &dut.q[RX], (const struct helem[]){ E_OUT(rx, 10), E_IN(rx, 1), E_IN(rx + 1, 0), E_IN(rx + 1, 12), E_IN(rx + 13, 1000) }, 5);
	hq_kick(&dut, &dut.q[RX]);
	expect(hq_do(&dut, TX, E_OUT(arp, make_arp())) == 0, "receive buffers in odd pieces");
	hq_put(&dut, &dut.q[RX], (const struct helem[]){ E_IN(WINDOW_HOLE, BUF) }, 1);
	hq_kick(&dut, &dut.q[RX]);
	hq_do(&dut, TX, E_OUT(arp, make_arp()));
	verdict(BREAKS, RX, "a receive buffer where no RAM is");
	hq_put(&dut, &dut.q[RX], (const struct helem[]){ E_IN(ram_end() - 100, BUF) }, 1);
	hq_kick(&dut, &dut.q[RX]);
	hq_do(&dut, TX, E_OUT(arp, make_arp()));
	verdict(BREAKS, RX, "a receive buffer that ends behind RAM");
}

/* --- control --- */

static u8 command[8] __attribute__((aligned(16)));
static volatile u8 ack;

/* The device's answer to @class, @cmd and @len bytes at @data; 0xff without one. */
static u8 ask(u8 class, u8 cmd, const volatile void *data, u32 len)
{
	command[0] = class;
	command[1] = cmd;
	ack = 0xee;
	if (hq_do(&dut, control, E_OUT(command, 2), E_OUT(data, len), E_IN(&ack, 1)) != 1)
		return 0xff;
	return ack;
}

static bool refused(u8 class, u8 cmd, const volatile void *data, u32 len) { return ask(class, cmd, data, len) == ACK_ERR; }

static void commands(void)
{
	static u8 any[32];
	unsigned int class, cmd, len;
	bool good = true;

	for (class = 0; class < 256; class = class < 8 ? class + 1 : class * 2 + 1)
		for (cmd = 0; cmd < 8; cmd++)
			for (len = 0; len < 14; len++) {
				u8 a = ask((u8)class, (u8)cmd, any, len);

				good &= a == ACK_ERR || (a == ACK_OK && class < 6);
			}
	expect(good, "every class and command with 0 to 13 bytes is answered");
	good = hq_do(&dut, control, E_OUT(command, 0), E_IN(&ack, 1)) == 1 && ack == ACK_ERR;
	good &= hq_do(&dut, control, E_OUT(command, 1), E_IN(&ack, 1)) == 1 && ack == ACK_ERR;
	good &= hq_do(&dut, control, E_IN(&ack, 1)) == 1 && ack == ACK_ERR;
	expect(good, "commands cut short are refused");
	command[0] = command[1] = 0;
	good = hq_do(&dut, control, E_OUT(command, 3)) == 0;
	expect(good, "a command without a byte for the answer");
	h_set(rx, 0x77, 64);
	good = hq_do(&dut, control, E_OUT(command, 3), E_IN(rx, 64)) == 1 && h_is(rx + 1, 0x77, 63);
	expect(good, "an answer of 64 bytes takes one");
	good = hq_do(&dut, control, E_OUT(command, 1), E_OUT(command + 1, 1), E_OUT(command + 2, 1), E_IN(&ack, 1)) == 1;
	expect(good, "a command in pieces");
	attack(BREAKS, control, "a command where no RAM is", E_OUT(WINDOW_HOLE, 8), E_IN(&ack, 1));
}

/* A table of @n addresses that says it has @say, and a second one that says @say2 and has none. */
static u8 mac_table(u32 say, u32 n, u32 say2)
{
	volatile u8 *p = (volatile u8 *)DATA;

	h_set(p, 0x02, 4 + n * 6 + 4);
	*(volatile u32 *)p = say;
	*(volatile u32 *)(p + 4 + n * 6) = say2;
	return ask(1, 0, p, 4 + n * 6 + 4);
}

static void tables(void)
{
	bool good;

	good = mac_table(0xffffffff, 2, 0) == ACK_ERR && mac_table(0x2aaaaaab, 2, 0) == ACK_ERR && mac_table(3, 2, 0) == ACK_ERR &&
	       mac_table(1, 1, 0xffffffff) == ACK_ERR && mac_table(1, 1, 1) == ACK_ERR;
	expect(good, "address tables that say more than they have");
	good = mac_table(64, 64, 0) <= ACK_ERR && mac_table(65, 65, 0) <= ACK_ERR && mac_table(100000, 100000, 0) <= ACK_ERR &&
	       mac_table(1, 2, 0) == ACK_ERR;
	expect(good, "address tables of 64, 65 and 100000");
	h_set((void *)DATA, 0, 64);
	good = refused(1, 1, (void *)DATA, 5) && refused(1, 1, (void *)DATA, 7) && refused(1, 0, (void *)DATA, 3) &&
	       refused(1, 0, (void *)DATA, 4) && refused(1, 0, (void *)DATA, 9);
	expect(good, "an address or table a byte too short or long");
}

static void numbers(void)
{
	static const u16 vlans[] = { 4096, 0x7fff, 0xffff };
	u16 n, max = dut.nr > 3 ? config8(8) | config8(9) << 8 : 1;
	unsigned int i;
	bool good = true;
	u64 offloads;

	for (i = 0; i < sizeof(vlans) / sizeof(vlans[0]); i++)
		good &= refused(2, 0, &vlans[i], 2) && refused(2, 1, &vlans[i], 2);
	for (i = 0; i < 4096; i += 97) {
		n = (u16)i;
		good &= ask(2, (u8)(i & 1), &n, 2) <= ACK_ERR;
	}
	expect(good, "VLANs that there are not");
	for (n = 0, good = true; n < 2; n++) {
		static u16 pairs[4];

		pairs[0] = n ? 0xffff : 0;
		good &= refused(4, 0, pairs, 2);
		pairs[0] = n ? 0x8001 : (u16)(max + 1);
		good &= refused(4, 0, pairs, 2);
	}
	expect(good, "no queue pairs, and more than there are");
	offloads = ~0ULL;
	good = refused(5, 0, &offloads, 8);
	offloads = 1ULL << 63;
	good &= refused(5, 0, &offloads, 8) && refused(5, 0, &offloads, 7);
	offloads = 0;
	expect(good && ask(5, 0, &offloads, 8) <= ACK_ERR, "offloads that were not offered");
	for (i = 0, good = true; i < 256; i++)
		good &= ask(0, (u8)(i % 7), &i, 1) <= ACK_ERR;
	expect(good, "receive modes with any value");
}

/* Frames of the second pair wait while there is but one, and go out when it is back. */
static void pairs_storm(void)
{
	static u16 n;
	unsigned int i;
	bool good = true;

	if (!(dut.offered & dut_features & F_MQ) || dut.nr < 5)
		return;
	for (i = 0; i < 50 && good; i++) {
		n = 1;
		good &= ask(4, 0, &n, 2) == ACK_OK;
		hq_put(&dut, &dut.q[3], (const struct helem[]){ E_OUT(arp, make_arp()) }, 1);
		hq_kick(&dut, &dut.q[3]);
		n = 2;
		good &= ask(4, 0, &n, 2) == ACK_OK && hq_wait(&dut, &dut.q[3]) == 0;
	}
	expect(good, "queue pairs up and down with frames in the second");
}

static void all(bool packed, u64 features, const char *name)
{
	if (!h_find(&dut, ID_NET, 0) || (packed && !(dut.offered & F_PACKED)))
		return;
	dut.packed = packed;
	dut_works = arp_works;
	dut_base = features;
	dut_features = features | F_INDIRECT;
	control = features & F_MQ & dut.offered ? 2 * (u16)(config8(8) | config8(9) << 8) : 2;
	label = name;
	attack_check(bystander_start(ID_NET) && recovered(), "works, and a bystander does");
	sizes();
	headers();
	receive();
	if (!(features & F_NET_CTRL_VQ) || control >= dut.nr || !(dut.offered & F_NET_CTRL_VQ))
		return;
	commands();
	tables();
	numbers();
	pairs_storm();
}

int guest_main(void)
{
	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	all(false, 0, "plain: ");
	all(false, F_CONTROL | F_OFFLOADS | F_MQ, "split: ");
	all(true, F_CONTROL | F_OFFLOADS, "packed: ");
	h_set_status(&dut, 0);
	return checks_done();
}
