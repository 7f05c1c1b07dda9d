/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rings and chains as no driver should make them, against each kind of device that is there, split and packed, modern and legacy.
 * [virtio-1.2 2.6, 2.7, 2.8] Wants a second device as bystander: a disk, or random numbers.
 *
 * Left out: what is inside a well-formed chain, which is hostile-blk.c's, hostile-net.c's and so on.
 */
#include "hostile.h"

static const struct subject subjects[] = {
	{ "rng", ID_RNG, 0, 0, rng_works },
	{ "blk", ID_BLK, 0, 0, blk_works },
	{ "console", ID_CONSOLE, 1, 0, console_works },
	{ "console control", ID_CONSOLE, 3, F_CONSOLE_MULTIPORT, console_works },
	{ "net", ID_NET, 1, 0, net_works },
	{ "net control", ID_NET, 2, F_NET_CTRL_VQ, net_works },
	{ "balloon", ID_BALLOON, 1, 0, balloon_works },	/* deflate: what it is told of it does not take away */
};

enum { TABLE = 1026, ROUNDS = 30 };

static u16 at;				/* the queue under attack */
static u8 buf[4096] __attribute__((aligned(4096)));
static volatile struct vdesc table[TABLE] __attribute__((aligned(4096)));

/* --- chains that are wrong in split and packed rings alike --- */

static void bad_elements(void)
{
	u64 end = ram_end(), bar = pci_bar(dut.v.devfn, dut.legacy ? 1 : 0);

	attack(BREAKS, at, "a buffer where no RAM is", E_OUT(WINDOW_HOLE, 16));
	attack(BREAKS, at, "a buffer in the device's own BAR", E_IN(bar, 16));
	attack(BREAKS, at, "a buffer in ECAM", E_OUT(ECAM, 16));
	attack(BREAKS, at, "a buffer where firmware would be", E_IN(FIRMWARE_HOLE, 64));
	attack(BREAKS, at, "a buffer that begins in RAM and ends behind it", E_OUT(end - 8, 16));
	attack(BREAKS, at, "a buffer right behind RAM", E_IN(end, 1));
	attack(BREAKS, at, "an address and length that wrap", E_OUT(~0ULL - 7, 16));
	attack(BREAKS, at, "an address and length that wrap to 0", E_OUT(~0ULL - 15, 16));
	attack(BREAKS, at, "an address beyond what the CPU has", E_IN(1ULL << 60, 16));
	attack(BREAKS, at, "the longest length there is", E_IN(buf, 0xffffffff));
	attack(BREAKS, at, "a device-readable buffer behind a writable one", E_IN(buf, 16), E_OUT(buf, 16));
	attack(BREAKS, at, "a right buffer and a wrong one", E_OUT(buf, 16), E_OUT(end, 16));
	attack(EITHER, at, "a buffer without bytes", E_IN(buf, 0));
	attack(EITHER, at, "a buffer without bytes at no address", E_OUT(~0ULL, 0), E_IN(~0ULL, 0));
	attack(EITHER, at, "all of RAM to be read", E_OUT(ram_start(), (u32)(end - ram_start())));
}

static void set_table(unsigned int i, u64 addr, u32 len, u16 flags, u16 next)
{
	h_table(&table[i], dut.packed, addr, len, flags, next);
}

#define INDIRECT(p, bytes) { (u64)(p), (bytes), D_INDIRECT }

static void bad_indirect(void)
{
	unsigned int i;

	set_table(0, (u64)buf, 16, 0, 0);
	h_start(&dut, dut_base);
	attack(BREAKS, at, "an indirect table without the feature", INDIRECT(table, 16));
	attack(BREAKS, at, "an indirect table of no bytes", INDIRECT(table, 0));
	attack(BREAKS, at, "an indirect table of half a descriptor", INDIRECT(table, 8));
	attack(BREAKS, at, "an indirect table of one and a half", INDIRECT(table, 24));
	attack(BREAKS, at, "an indirect table as long as can be", INDIRECT(table, 0xfffffff0));
	attack(BREAKS, at, "an indirect table longer than any queue", INDIRECT(table, TABLE * 16));
	attack(BREAKS, at, "an indirect table where no RAM is", INDIRECT(WINDOW_HOLE, 64));
	h_table((struct vdesc *)(ram_end() - 16), dut.packed, (u64)buf, 16, D_NEXT, 1);
	attack(BREAKS, at, "an indirect table that ends behind RAM", INDIRECT(ram_end() - 16, 64));
	attack(BREAKS, at, "an indirect table that wraps", INDIRECT(~0ULL - 31, 64));
	attack(BREAKS, at, "an indirect table behind a buffer that goes on", E_OUT(buf, 16), INDIRECT(table, 16 + 8));
	attack(EITHER, at, "an indirect table at an odd address", INDIRECT((u64)table + 1, 16));
	attack(EITHER, at, "an indirect table over the ring itself", INDIRECT(dut.q[at].desc, 64));

	for (i = 0; i < TABLE; i++)
		set_table(i, 0, 0, i + 1 < TABLE - 2 ? D_NEXT : 0, (u16)(i + 1));
	attack(EITHER, at, "the longest indirect table, of nothing", INDIRECT(table, (TABLE - 2) * 16));
	for (i = 0; i < TABLE; i++)
		set_table(i, ram_start(), (u32)(ram_end() - ram_start()), i + 1 < TABLE - 2 ? D_NEXT : 0, (u16)(i + 1));
	attack(BREAKS, at, "more than 4 GiB in one chain", INDIRECT(table, (TABLE - 2) * 16));
	for (i = 0; i < TABLE; i++)
		set_table(i, (u64)buf + i, 1, i + 1 < TABLE - 2 ? D_NEXT : 0, (u16)(i + 1));
	attack(EITHER, at, "1024 buffers of one byte", INDIRECT(table, (TABLE - 2) * 16));
	/* [2.7.5.3.1]; in a packed ring's table only WRITE counts [2.8.7] */
	set_table(0, (u64)table, 16, D_INDIRECT, 0);
	attack(dut.packed ? EITHER : BREAKS, at, "an indirect table in an indirect table", INDIRECT(table, 16));
	set_table(0, (u64)buf, 16, D_NEXT | D_INDIRECT, 0);
	attack(dut.packed ? EITHER : BREAKS, at, "one that goes on as well", INDIRECT(table, 16));
	set_table(0, (u64)buf, 16, D_WRITE, 0);
	set_table(1, (u64)buf, 16, 0, 0);
	set_table(0, (u64)buf, 16, D_WRITE | D_NEXT, 1);
	attack(BREAKS, at, "a readable buffer behind a writable one in a table", INDIRECT(table, 32));
}

/* --- split: heads, links and the available ring --- */

/* The chain's links are made wrong between laying it and making it available. */
static void attack_link(const char *what, unsigned int n, unsigned int which, u16 flags, u16 next)
{
	struct hqueue *q = &dut.q[at];
	const struct helem e[3] = { E_OUT(buf, 16), E_OUT(buf, 16), E_OUT(buf, 16) };
	u16 head = hq_lay(&dut, q, e, n);
	volatile struct vdesc *d = &q->desc[(head + which) % q->size];

	d->flags = flags;
	d->next = next;
	hq_publish(&dut, q, head, n);
	hq_kick(&dut, q);
	verdict(BREAKS, at, what);
}

static void split_links(void)
{
	struct hqueue *q = &dut.q[at];

	attack_link("a descriptor whose next is itself", 1, 0, D_NEXT, q->next);
	attack_link("a loop of three", 3, 2, D_NEXT, q->next);
	attack_link("a next just behind the table", 2, 0, D_NEXT, q->size);
	attack_link("a next far behind it", 2, 1, D_NEXT, 0xffff);
	attack_link("an indirect descriptor that goes on", 2, 0, D_NEXT | D_INDIRECT, 1);

	set_table(0, (u64)buf, 1, D_NEXT, 1);
	set_table(1, (u64)buf, 1, D_NEXT, 0);
	attack(BREAKS, at, "a loop in an indirect table", INDIRECT(table, 32));
	set_table(1, (u64)buf, 1, D_NEXT, 2);
	attack(BREAKS, at, "a next behind the indirect table", INDIRECT(table, 32));

	hq_publish(&dut, q, q->size, 1);
	hq_kick(&dut, q);
	verdict(BREAKS, at, "a head just behind the table");
	hq_publish(&dut, q, 0xffff, 1);
	hq_kick(&dut, q);
	verdict(BREAKS, at, "a head far behind it");
	q->driver[1] = (u16)(q->driver[1] + q->size + 1);
	hq_kick(&dut, q);
	verdict(BREAKS, at, "an available index that jumps by more than the ring");
	q->driver[1]--;
	hq_kick(&dut, q);
	verdict(BREAKS, at, "an available index that goes back");
}

static void split_rest(void)
{
	struct hqueue *q = &dut.q[at];
	struct helem e = E_OUT(buf, 8);
	unsigned int i;

	for (i = 0; i < q->size; i++) {
		u16 head = hq_lay(&dut, q, &e, 1);

		hq_publish(&dut, q, head, 1);
		q->next = head;
	}
	hq_kick(&dut, q);
	verdict(EITHER, at, "the same descriptor available as often as can be");

	q->driver[0] = 0xffff;
	q->driver[2 + q->size] = 0x1234;
	attack(EITHER, at, "flags and used_event without meaning", E_OUT(buf, 8));
	h_start(&dut, dut_base | F_EVENT_IDX | F_INDIRECT);
	q->driver[2 + q->size] = 0x8000;
	for (i = 0; i < 3; i++)
		hq_put(&dut, q, &e, 1);
	attack(EITHER, at, "a used_event half the numbers away", E_OUT(buf, 8));
}

/* --- packed: lists and wrap counters --- */

static void packed_lists(void)
{
	struct hqueue *q = &dut.q[at];
	struct helem e[2 * HQ_SIZE];
	unsigned int i;
	u16 head;

	for (i = 0; i < 2 * HQ_SIZE; i++)
		e[i] = (struct helem)E_OUT(buf, 1);
	head = hq_lay(&dut, q, e, q->size);
	q->desc[(head + q->size - 1) % q->size].next |= D_NEXT;
	hq_publish(&dut, q, head, q->size);
	hq_kick(&dut, q);
	verdict(BREAKS, at, "a list round the whole ring that goes on");
	head = hq_lay(&dut, q, e, 3);
	q->desc[(head + 1) % q->size].next &= (u16)~(P_AVAIL | P_USED);
	q->desc[(head + 1) % q->size].next |= (packed_flags(q, (u16)(head + 1)) ^ P_AVAIL ^ P_USED);
	hq_publish(&dut, q, head, 3);
	hq_kick(&dut, q);
	verdict(BREAKS, at, "a list with a descriptor that is not available");
	head = hq_lay(&dut, q, e, 2);
	q->desc[(head + 1) % q->size].next |= D_INDIRECT;
	hq_publish(&dut, q, head, 2);
	hq_kick(&dut, q);
	verdict(BREAKS, at, "an indirect descriptor at a list's end");
	head = hq_lay(&dut, q, e, 2);
	q->desc[head].next |= D_INDIRECT;
	hq_publish(&dut, q, head, 2);
	hq_kick(&dut, q);
	verdict(BREAKS, at, "an indirect descriptor that goes on");

	for (i = 0; i < q->size; i++)
		q->desc[i].next = P_AVAIL;
	for (i = 0; i < q->size; i++)
		q->desc[i].next = P_AVAIL | P_USED;
	hq_kick(&dut, q);
	verdict(EITHER, at, "a ring where all is used already");
	for (i = 0; i < q->size; i++)
		h_table(&q->desc[i], true, (u64)buf, 8, P_AVAIL, 0xffff);
	hq_kick(&dut, q);
	verdict(EITHER, at, "a ring where all is available, under one id");
	q->driver[0] = 0xffff;
	q->driver[1] = 0xfffe;
	attack(EITHER, at, "event flags and an offset without meaning", E_OUT(buf, 8));
	h_start(&dut, dut_base | F_EVENT_IDX);
	q->driver[1] = 2;
	q->driver[0] = 0x7fff;
	attack(EITHER, at, "an event offset behind the ring", E_OUT(buf, 8));
}

/* --- where rings are --- */

/* Area @area of the queue is at @addr. */
static void bad_ring(const char *what, unsigned int area, u64 addr)
{
	struct hqueue *q = &dut.q[at];
	bool good;

	h_negotiate(&dut, dut_features);
	h_prepare(&dut, at);
	h_areas(&dut, area == 0 ? addr : (u64)q->desc, area == 1 ? addr : (u64)q->driver, area == 2 ? addr : (u64)q->device);
	write16(dut.v.common + C_QENABLE, 1);
	good = !read16(dut.v.common + C_QENABLE) && (h_status(&dut) & S_NEEDS_RESET);
	if (!good)
		print("# enabled %u, status %x\n", read16(dut.v.common + C_QENABLE), h_status(&dut));
	h_live(&dut);
	hq_kick(&dut, q);
	good &= recovered();
	attack_check(good, what);
}

static void bad_places(void)
{
	static const char *const names[] = { "descriptors", "driver area", "device area" };
	u64 end = ram_end(), bar = pci_bar(dut.v.devfn, 0);
	static char what[80];
	unsigned int area;
	char *p;

	for (area = 0; area < 3; area++) {
		p = h_append(what, names[area]);
		h_append(p, " where no RAM is");
		bad_ring(what, area, WINDOW_HOLE);
		h_append(p, " in the device's own BAR");
		bad_ring(what, area, bar);
		h_append(p, " in ECAM");
		bad_ring(what, area, ECAM);
		h_append(p, " that begin in RAM and end behind it");
		bad_ring(what, area, end - (area && dut.packed ? 0 : 4 - 4 * (area == 0) + 16 * (area == 0)));
		h_append(p, " that wrap");
		bad_ring(what, area, ~0ULL & ~15ULL);
		h_append(p, " beyond what the CPU has");
		bad_ring(what, area, 1ULL << 52);
		h_append(p, " misaligned");
		bad_ring(what, area, (u64)dut.q[at].mem + (area == 0 ? 8 : 1));
	}
}

static void rewritten(void)
{
	struct hqueue *q = &dut.q[at];
	bool good;

	h_select(&dut, at);
	write16(dut.v.common + C_QSIZE, 4);
	h_areas(&dut, 0x1000, 0x2000, 0x3000);
	write16(dut.v.common + C_QENABLE, 0);
	write16(dut.v.common + C_QENABLE, 1);
	good = read16(dut.v.common + C_QSIZE) == q->size && read32(dut.v.common + C_QDESC) == (u32)(u64)q->desc &&
	       read32(dut.v.common + C_QDRIVER) == (u32)(u64)q->driver && read32(dut.v.common + C_QDEVICE) == (u32)(u64)q->device &&
	       read16(dut.v.common + C_QENABLE) == 1 && dut_works(&dut);
	good &= recovered();
	attack_check(good, "size and addresses written after enable: they stay, and it works on");

	good = true;
	h_negotiate(&dut, dut_base);
	for (unsigned int i = 0; i <= 0xffff; i = i < 40 ? i + 1 : i * 2 + 1) {
		h_select(&dut, at);
		write16(dut.v.common + C_QSIZE, (u16)i);
		good &= read16(dut.v.common + C_QSIZE) && read16(dut.v.common + C_QSIZE) <= HQ_MAX;
		if (!dut.packed)
			good &= !(read16(dut.v.common + C_QSIZE) & (read16(dut.v.common + C_QSIZE) - 1));
	}
	write16(dut.v.common + C_QSIZE, 0x8000);
	good &= read16(dut.v.common + C_QSIZE) != 0x8000;
	good &= recovered();
	attack_check(good, "every kind of queue size: only right ones are taken");

	h_negotiate(&dut, dut_base);
	h_prepare(&dut, at);
	h_set_status(&dut, 15);
	hq_kick(&dut, q);
	write16(dut.v.common + C_QENABLE, 1);
	good = read16(dut.v.common + C_QENABLE) == 1;
	good &= recovered();
	attack_check(good, "kicked while disabled, enabled after DRIVER_OK");
}

/* All three areas are one, and the device's data go over them too. */
static void overlapping(void)
{
	struct hqueue *q = &dut.q[at];

	h_negotiate(&dut, dut_features);
	h_prepare(&dut, at);
	h_areas(&dut, (u64)q->mem, (u64)q->mem, (u64)q->mem);
	write16(dut.v.common + C_QENABLE, 1);
	h_live(&dut);
	h_table(&q->desc[0], dut.packed, (u64)q->mem, 256, D_WRITE | (dut.packed ? P_AVAIL : 0), 1);
	hq_kick(&dut, q);
	verdict(EITHER, at, "all areas in one place");
	attack(EITHER, at, "data over the rings", E_OUT(buf, 16), E_IN(q->mem, 8192));
	attack(EITHER, at, "data over the rings alone", E_IN(q->mem, 8192));
}

static void bad_pfn(void)
{
	static const u32 pfns[] = { 0xdff00, 0xe0000, 0xfee00, 0xffffffff, 0x80000000, 0x7fffffff };
	unsigned int i;
	bool good = true;

	for (i = 0; i <= sizeof(pfns) / sizeof(pfns[0]); i++) {
		u32 pfn = i < sizeof(pfns) / sizeof(pfns[0]) ? pfns[i] : (u32)(ram_end() >> 12) - 1;

		h_negotiate(&dut, dut_base);
		h_select(&dut, at);
		if (!i)
			pfn = (u32)(pci_bar(dut.v.devfn, 1) >> 12);
		out32(dut.io + L_PFN, pfn);
		good &= h_broke(&dut);
		out16(dut.io + L_NOTIFY, at);
		h_live(&dut);
		out16(dut.io + L_NOTIFY, at);
		out32(dut.io + L_PFN, 0);
		out32(dut.io + L_PFN, (u32)((u64)dut.q[at].mem >> 12));
		out16(dut.io + L_NOTIFY, at);
		good &= recovered();
	}
	attack_check(good, "page frames outside RAM, in BARs, at its end");

	h_select(&dut, at);
	out32(dut.io + L_PFN, 0x1234);
	out16(dut.io + L_QSIZE, 4);
	good = in32(dut.io + L_PFN) == (u32)((u64)dut.q[at].mem >> 12) && in16(dut.io + L_QSIZE) == dut.q[at].size && dut_works(&dut);
	good &= recovered();
	attack_check(good, "page frame and size written after enable: they stay, and it works on");
}

/* --- anything --- */

/* Addresses that matter; what the device may write is only the scratch buffer. */
static struct helem any_element(void)
{
	const u64 places[] = {
		(u64)buf, (u64)buf + 1, (u64)table, (u64)dut.q[at].mem, 0, WINDOW_HOLE, ECAM, ~0ULL, ram_end() - 16, 0x1000,
	};
	const u32 lengths[] = { 0, 1, 8, 16, 17, 32, 512, 4096, 65536, 0xffffffff };
	struct helem e = { places[h_random() % 10], lengths[h_random() % 10], 0 };

	if (h_random() & 1)
		e = (struct helem){ (u64)buf, h_random() % 4097, D_WRITE };
	if (!(h_random() & 7))
		e.flags |= D_INDIRECT;
	return e;
}

static void anything(void)
{
	struct hqueue *q = &dut.q[at];
	unsigned int round, i, n, chains;
	struct helem e[8];
	bool good = true;

	for (round = 0; round < ROUNDS && good; round++) {
		for (i = 0; i < 64; i++) {
			e[0] = any_element();
			set_table(i, e[0].addr, e[0].len, (u16)(e[0].flags | (h_random() & 3 ? D_NEXT : 0)), (u16)(h_random() % 66));
		}
		for (chains = h_random() % 8; chains; chains--) {
			n = 1 + h_random() % 4;
			for (i = 0; i < n; i++)
				e[i] = any_element();
			hq_put(&dut, q, e, n);
			if (!(h_random() & 3))
				hq_kick(&dut, q);
		}
		if (!(h_random() & 7))
			q->driver[h_random() % 2] = (u16)h_random();
		if (!(h_random() & 7))
			((volatile u32 *)q->mem)[h_random() % 128] = h_random();
		hq_kick(&dut, q);
		good = recovered();
	}
	attack_check(good, "chains made up at random");
}

static void all(const struct subject *s, bool packed)
{
	static char name[64];

	if (!h_find(&dut, s->id, 0) || (packed && !(dut.offered & F_PACKED)) || s->queue >= dut.nr ||
	    (dut.offered & s->features) != s->features)
		return;
	dut.packed = packed;
	dut.nr = s->queue + 1U;	/* no more than it needs: each takes KVM its time */
	dut_works = s->works;
	dut_base = s->features;
	dut_features = dut_base | F_INDIRECT;
	at = s->queue;
	h_append(h_append(h_append(name, s->name), dut.legacy ? " legacy" : packed ? " packed" : " split"), ": ");
	label = name;
	attack_check(bystander_start(s->id) && recovered(), "works, and a bystander does");
	bad_elements();
	bad_indirect();
	if (packed) {
		packed_lists();
	} else {
		split_links();
		split_rest();
	}
	if (dut.legacy) {
		bad_pfn();
	} else {
		bad_places();
		rewritten();
		overlapping();
	}
	anything();
	h_set_status(&dut, 0);
	h_set_status(&bystander, 0);
}

int guest_main(void)
{
	unsigned int i;

	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		all(&subjects[i], false);
		all(&subjects[i], true);
	}
	return checks_done();
}
