/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The balloon's queues as no driver should fill them: lists of odd length, pages that are no RAM or come twice, statistics cut short,
 * reports of anything. [virtio-1.2 5.5.6] Pages named are taken from memory that nobody here uses, or are none.
 *
 * Wants a second device as bystander.
 */
#include "hostile.h"

enum { INFLATE = 0, DEFLATE = 1, STATS = 2, REPORT = 4, SPARE_SIZE = 0x1000000 };
#define SPARE (RAM_SPOT + 0x1000000)
#define SPARE_PFN ((u32)(SPARE >> 12))
enum { LIST = 4096 };

#define F_STATS (1ULL << 1)
#define F_POISON (1ULL << 4)
#define F_REPORTING (1ULL << 5)

static u32 list[LIST] __attribute__((aligned(4096)));
static struct { u16 tag; u64 value; } __attribute__((packed)) stats[512] __attribute__((aligned(16)));

/* The chain came back and the device goes on; then all works, and again after a reset. */
static void expect(bool good, const char *what)
{
	if (h_status(&dut) & S_NEEDS_RESET) {
		print("# broke\n");
		good = false;
	}
	good &= dut_works(&dut);
	good &= recovered();
	attack_check(good, what);
}

static bool listed(u16 queue, u32 bytes)
{
	return hq_do(&dut, queue, E_OUT(list, bytes)) == 0;
}

static void lists(u16 queue)
{
	unsigned int i;
	bool good = true;

	for (i = 0; i < LIST; i++)
		list[i] = SPARE_PFN + i % 64;
	for (i = 0; i < 40; i++)
		good &= listed(queue, i);
	expect(good, "lists of 0 to 39 bytes");
	expect(listed(queue, 3) && listed(queue, 5) && listed(queue, LIST * 4 - 1), "lists that end inside a number");
	expect(hq_do(&dut, queue, E_OUT(list, 1), E_OUT((u8 *)list + 1, 1), E_OUT((u8 *)list + 2, 5)) == 0, "numbers in pieces");
	expect(listed(queue, LIST * 4), "4096 pages, each 64 times");
	for (i = 0; i < LIST; i++)
		list[i] = SPARE_PFN + 7;
	expect(listed(queue, LIST * 4), "one page 4096 times");
	for (i = 0; i < LIST; i++)
		list[i] = i & 1 ? 0xffffffff - i : (u32)(ram_end() >> 12) + i;
	expect(listed(queue, LIST * 4), "pages behind RAM and at the end of all");
	for (i = 0; i < LIST; i++)
		list[i] = 0xd0000 + i * 64;
	expect(listed(queue, LIST * 4), "pages of BARs, ECAM, the local APIC");
	for (i = 0; i < LIST; i++)
		list[i] = h_random() & 1 ? SPARE_PFN + h_random() % (SPARE_SIZE >> 12) : (u32)(ram_end() >> 12) + (h_random() >> 4);
	expect(listed(queue, LIST * 4), "pages at random, RAM and not");
	expect(hq_do(&dut, queue, E_IN(list, 64)) == 0, "a list in writable memory");
	attack(BREAKS, queue, "a list where no RAM is", E_OUT(WINDOW_HOLE, 64));
	attack(BREAKS, queue, "a list that ends behind RAM", E_OUT(ram_end() - 4, 8));
	/* the list is in one of its own pages */
	h_set((void *)SPARE, 0, 4096);
	for (i = 0; i < 1024; i++)
		((volatile u32 *)SPARE)[i] = SPARE_PFN;
	expect(hq_do(&dut, queue, E_OUT(SPARE, 4096)) == 0, "a list of the page that it is in");
	for (i = 0; i < 1024; i++)
		((volatile u32 *)(u64)SPARE)[i] = SPARE_PFN + 2 + i;
	expect(hq_do(&dut, queue, E_OUT(SPARE, SPARE_SIZE / 2)) == 0, "a list of two million numbers");
}

/* The device holds the buffer: a kick, a reset and what works afterwards are the judgement. */
static void stat(const char *what, const struct helem *e, unsigned int n)
{
	hq_put(&dut, &dut.q[STATS], e, n);
	hq_kick(&dut, &dut.q[STATS]);
	expect(true, what);
}
#define statistics(what, ...) stat(what, (const struct helem[]){ __VA_ARGS__ }, sizeof((struct helem[]){ __VA_ARGS__ }) / sizeof(struct helem))

static void all_statistics(void)
{
	unsigned int i;

	for (i = 0; i < 512; i++) {
		stats[i].tag = (u16)i;
		stats[i].value = ~0ULL - i;
	}
	statistics("no statistics", E_OUT(stats, 0));
	statistics("statistics of one byte", E_OUT(stats, 1));
	statistics("statistics of 9 bytes", E_OUT(stats, 9));
	statistics("statistics that end inside the second", E_OUT(stats, 19));
	statistics("512 statistics, most of no known tag", E_OUT(stats, sizeof(stats)));
	for (i = 0; i < 512; i++)
		stats[i].tag = i & 1 ? 0xffff : 3;
	statistics("statistics of one tag, over and over", E_OUT(stats, sizeof(stats)));
	statistics("16 MiB of statistics", E_OUT(SPARE, SPARE_SIZE));
	statistics("statistics in writable memory", E_IN(stats, 100));
	statistics("statistics in pieces", E_OUT(stats, 1), E_OUT((u8 *)stats + 1, 1), E_OUT((u8 *)stats + 2, 3), E_OUT((u8 *)stats + 5, 15));
	attack(BREAKS, STATS, "statistics where no RAM is", E_OUT(WINDOW_HOLE, 100));
	for (i = 0; i < 8; i++)
		hq_put(&dut, &dut.q[STATS], (const struct helem[]){ E_OUT(stats, 100) }, 1);
	statistics("nine buffers of statistics at once", E_OUT(stats, 100));
}

static bool reported(u64 addr, u32 len) { return hq_do(&dut, REPORT, E_IN(addr, len)) >= 0; }

static void reports(void)
{
	h_set((void *)SPARE, 0x66, 8192);
	expect(reported(SPARE + 1, 4094), "a report of less than a page");
	attack_check(h_is((void *)SPARE, 0x66, 1) && h_is((void *)(SPARE + 4095), 0x66, 4097), "leaves what is around it");
	expect(reported(SPARE + 4095, 2), "a report of two bytes across pages");
	attack_check(h_is((void *)SPARE, 0x66, 1) && h_is((void *)(SPARE + 4097), 0x66, 4095), "leaves both pages");
	expect(reported(SPARE, 0), "a report of nothing");
	expect(reported(SPARE, SPARE_SIZE), "a report of 16 MiB");
	expect(reported(SPARE, SPARE_SIZE) && reported(SPARE, SPARE_SIZE), "the same reported twice");
	expect(hq_do(&dut, REPORT, E_IN(SPARE, 8192), E_IN(SPARE + 4096, 8192), E_IN(SPARE + 100, 10000)) >= 0, "a report that overlaps itself");
	expect(hq_do(&dut, REPORT, E_OUT(SPARE, 8192)) >= 0, "a report of readable memory");
	attack(BREAKS, REPORT, "a report of what is no RAM", E_IN(WINDOW_HOLE, 4096));
	attack(BREAKS, REPORT, "a report of the end of RAM and on", E_IN(ram_end() - 4096, 8192));
	attack(BREAKS, REPORT, "a report that wraps", E_IN(~0ULL - 4095, 8192));
	h_start(&dut, dut_base | F_POISON);
	if (!dut.legacy)
		write32(dut.v.device + 12, 0x12345678);
	h_set((void *)SPARE, 0x66, 8192);
	reported(SPARE, 8192);
	attack_check(dut.legacy || h_is((void *)SPARE, 0x66, 8192), "a report with poison leaves the pages");
	expect(true, "and all works");
}

static void config(void)
{
	unsigned int i;
	bool good = true;

	for (i = 0; i < 64; i++) {
		if (dut.legacy) {
			if (i < 12)
				out8((u16)(dut.io + L_CONFIG + i), 0xff);
			continue;
		}
		write8(dut.v.device + i, 0xff);
		write16(dut.v.device + i, 0xffff);
		write32(dut.v.device + i, 0xffffffff);
		good &= i < 16 || read8(dut.v.device + i) == 0xff;
	}
	good &= dut.legacy ? in32(dut.io + L_CONFIG) == 0 : read32(dut.v.device) == 0;
	expect(good, "config space written all over: the target stays");
}

/* Queues whose features were not taken. */
static void not_negotiated(void)
{
	u16 i;

	h_start(&dut, 0);
	for (i = STATS; i < dut.nr; i++) {
		hq_put(&dut, &dut.q[i], (const struct helem[]){ E_IN(SPARE, 4096) }, 1);
		hq_kick(&dut, &dut.q[i]);
	}
	expect(true, "queues of features that were not taken");
}

int guest_main(void)
{
	bool packed;

	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	for (packed = false;; packed = true) {
		if (!h_find(&dut, ID_BALLOON, 0) || (packed && !(dut.offered & F_PACKED)))
			break;
		dut.packed = packed;
		dut_works = balloon_works;
		dut_base = F_STATS | F_REPORTING;
		dut_features = dut_base | F_INDIRECT;
		label = packed ? "packed: " : "split: ";
		attack_check(bystander_start(ID_BALLOON) && recovered(), "works, and a bystander does");
		label = packed ? "packed inflate: " : "split inflate: ";
		lists(INFLATE);
		label = packed ? "packed deflate: " : "split deflate: ";
		lists(DEFLATE);
		label = packed ? "packed: " : "split: ";
		all_statistics();
		if (dut.offered & F_REPORTING && dut.nr > REPORT)
			reports();
		config();
		not_negotiated();
		h_set_status(&dut, 0);
		if (packed)
			break;
	}
	return checks_done();
}
