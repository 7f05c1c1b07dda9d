/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver of the balloon that does it right: 32 MiB are filled, given away as the target says, taken back, and reported as free.
 * Each "waiting:" line is for the test on the host, which then looks at what the host has, and changes the target. Parameter: list=N
 * page numbers in a list, a power of two of at most 512. With mmio=1 it is in the first slot of virtio-mmio, else on PCI.
 */
#include "virtio.h"

#define FIRST RAM_SPOT	/* of the pages that come and go */
enum {
	INFLATE, DEFLATE, STATS, HINTS, REPORTING, QUEUES,
	NUM_PAGES = 0, ACTUAL = 4, POISON = 12,
	PAGE = 4096, BYTES = 32 << 20, PAGES = BYTES / PAGE, LIST_MAX = 512, REPORT = 4 << 20, GO = 256,
};

#define F_VERSION_1 (1ULL << 32)
#define F_ALL 0x36ULL	/* STATS_VQ, DEFLATE_ON_OOM, PAGE_POISON, REPORTING */

static struct vdev q[QUEUES];
static struct { u16 tag; u64 val; } __attribute__((packed)) stats[3];
static u32 list[LIST_MAX];
static unsigned int rounds;

static u64 word(unsigned int page, unsigned int at)
{
	return FIRST + (u64)page * PAGE + at * 8;
}

static void fill(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		*(volatile u64 *)word(i, 0) = i + 1;
		*(volatile u64 *)word(i, 511) = ~(u64)i;
	}
}

static bool all(u64 first, u64 mul)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		if (*(volatile u64 *)word(i, 0) != first + i * mul || *(volatile u64 *)word(i, 511) != (mul ? ~(u64)i : 0))
			return false;
	return true;
}

static void stats_offer(void)
{
	rounds++;
	stats[0].tag = 5;	/* total */
	stats[0].val = 64 << 20;
	stats[1].tag = 4;	/* free */
	stats[1].val = rounds << 20;
	stats[2].tag = 999;
	stats[2].val = 1;
	vdev_desc(&q[STATS], 0, stats, sizeof(stats), 0, 0);
	vdev_offer(&q[STATS], 0);
	vdev_kick(&q[STATS], STATS);
}

/* Answers for statistics until the target is @pages. */
static void wait_target(u32 pages)
{
	while (read32(q[0].device + NUM_PAGES) != pages) {
		if (*(volatile u16 *)&q[STATS].used.idx == q[STATS].seen)
			continue;
		q[STATS].seen++;
		stats_offer();
	}
}

/* The chain at descriptor 0, however long the host takes for it. False: the device is broken, or says that it wrote. */
static bool run(unsigned int queue)
{
	struct vdev *d = &q[queue];

	vdev_offer(d, 0);
	vdev_kick(d, (u16)queue);
	while (*(volatile u16 *)&d->used.idx == d->seen)
		if (vdev_status(d) & 64)
			return false;
	barrier();
	return !*(volatile u32 *)&d->used.ring[d->seen++ % VQ_SIZE].len;
}

static bool lists(unsigned int queue)
{
	unsigned int len = (unsigned int)cmdline_number("list", 256), i, k;

	for (i = 0; i < PAGES; i += len) {
		for (k = 0; k < len; k++)
			list[k] = (u32)(FIRST / PAGE) + PAGES - 1 - i - k;
		vdev_desc(&q[queue], 0, list, len * 4, 0, 0);
		if (!run(queue))
			return false;
	}
	return true;
}

static bool report_free(void)
{
	unsigned int i;

	for (i = 0; i < BYTES / REPORT; i++)
		vdev_desc(&q[REPORTING], i, (void *)(FIRST + i * REPORT), REPORT,
			  D_WRITE | (i + 1 < BYTES / REPORT ? D_NEXT : 0), (u16)(i + 1));
	return run(REPORTING);
}

static unsigned int queues(void)
{
	unsigned int n = 0;

	if (!q[0].mmio)
		return read16(q[0].common + C_NUMQ);
	do
		write32(q[0].mmio + M_QSELECT, n);
	while (read32(q[0].mmio + M_QMAX) && ++n);
	return n;
}

int guest_main(void)
{
	unsigned int i;

	check(cmdline_number("mmio", 0) ? vdev_find_mmio(&q[0], VIRTIO_MMIO, 5) : vdev_find(&q[0], pci_find_id(0x1af4, 0x1045, 0)),
	      "the balloon is there");
	check((vdev_features(&q[0]) & 0x3f) == F_ALL, "with the features that it should have");
	check(queues() == QUEUES, "and queues");
	check(vdev_negotiate(&q[0], F_ALL | F_VERSION_1), "it takes them");
	for (i = 0; i < QUEUES; i++) {
		q[i].mmio = q[0].mmio;
		q[i].common = q[0].common;
		q[i].notify = q[0].notify;
		q[i].device = q[0].device;
		q[i].notify_multiplier = q[0].notify_multiplier;
		if (i != HINTS)
			vdev_queue(&q[i], (u16)i, 0xffff);
	}
	write32(q[0].device + POISON, 0);
	vdev_set_status(&q[0], 15);
	stats_offer();
	check(read32(q[0].device + NUM_PAGES) == 0 && read32(q[0].device + ACTUAL) == 0, "nothing is asked for yet");

	fill();
	print("waiting: filled\n");
	wait_target(PAGES);
	check(lists(INFLATE), "all lists are acknowledged");
	write32(q[0].device + ACTUAL, PAGES);
	print("waiting: inflated\n");
	wait_target(0);
	check(lists(DEFLATE), "and when deflating");
	write32(q[0].device + ACTUAL, 0);
	check(all(0, 0), "what was given away reads zero");
	fill();
	check(all(1, 1), "and is ordinary memory again");
	print("waiting: deflated\n");
	wait_target(GO);
	check(report_free(), "free pages are reported");
	print("waiting: reported\n");
	wait_target(0);
	check(all(0, 0), "they read zero");
	fill();

	write32(q[0].device + POISON, 0xaaaaaaaa);
	check(report_free(), "poisoned pages are reported");
	check(all(1, 1), "and keep their content");
	return checks_done();
}
