/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest RAM in two ranges that the host has guard pages around, and a driver's side of a virtqueue, split or packed: makes
 * chains available in the order of the ring and holds the device to what it may complete. [virtio-1.2 2.7, 2.8]
 *
 *	RAM:	rings and indirect tables | what devices read | a gap that nobody names | what devices write, in both ranges
 */
#ifndef TESTS_FUZZ_VIRTIO_DRIVER_H
#define TESTS_FUZZ_VIRTIO_DRIVER_H

#include <sys/mman.h>

#include "tests/fuzz/input.h"
#include "vmm/memory.h"

enum {
	LOW = 0x100000, LOW_SIZE = 0x180000, HIGH = LOW + LOW_SIZE, HIGH_SIZE = 0x80000, GUARD = 0x10000,
	RINGS = LOW, RINGS_SIZE = 0x80000,
	OUT = LOW + 0x80000, OUT_SIZE = 0x40000,
	GAP = OUT + OUT_SIZE, GAP_SIZE = 0x2000,
	IN = LOW + 0x100000, IN_SIZE = 0x100000,
	QUEUES = 8, QUEUE_BYTES = 0x10000, QUEUE_MAX = 256, TABLES = 0x4000, PIECES = 12,
};

/* --- memory --- */

static u8 *low, *high;
static u8 written[OUT_SIZE];		/* what was put into OUT, and is to stay there */
static u32 out_next, out_end, in_next;

static inline void *ram(gpa_t gpa)
{
	return gpa < HIGH ? low + (gpa - LOW) : high + (gpa - HIGH);
}

/* All zeroes, as a new VM's. */
static inline void ram_up(struct guest_mem *mem)
{
	u8 *p;

	if (!low) {
		p = mmap(NULL, LOW_SIZE + HIGH_SIZE + 3 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		MUST(p != MAP_FAILED);
		high = p + GUARD;	/* not beside what comes before it */
		low = high + HIGH_SIZE + GUARD;
		MUST(!mprotect(low, LOW_SIZE, PROT_READ | PROT_WRITE) && !mprotect(high, HIGH_SIZE, PROT_READ | PROT_WRITE));
	}
	MUST(!madvise(low, LOW_SIZE, MADV_DONTNEED) && !madvise(high, HIGH_SIZE, MADV_DONTNEED));
	memset(mem, 0, sizeof(*mem));
	mem->host_page = 4096;
	MUST(!guest_mem_add(mem, LOW, LOW_SIZE, low) && !guest_mem_add(mem, HIGH, HIGH_SIZE, high));
	out_next = out_end = in_next = 0;
}

/* Is what devices only read as the driver wrote it, and the gap untouched? */
static inline bool ram_intact(void)
{
	const u8 *gap = ram(GAP);

	return !memcmp(written, ram(OUT), out_end) && !gap[0] && !memcmp(gap, gap + 1, GAP_SIZE - 1);
}

static inline gpa_t place_out(const void *p, u32 len)
{
	u32 at = len > OUT_SIZE - out_next ? 0 : out_next;

	memcpy(written + at, len ? p : "", len);
	memcpy(ram(OUT + at), written + at, len);
	out_next = at + len;
	out_end = MAX(out_end, out_next);
	return OUT + at;
}

static inline gpa_t place_in(u32 len)
{
	u32 at = len > IN_SIZE - in_next ? 0 : in_next;

	in_next = at + len;
	return IN + at;
}

/* --- a queue --- */

struct piece {
	gpa_t gpa;
	u32 len;
	bool write;
};

struct queue {
	gpa_t desc, driver, device, tables;
	u16 size;
	bool packed, in_order, indirect;	/* negotiated */
	u16 next, avail;		/* descriptor of the next chain; split: chains so far */
	u16 used;			/* next completion: free running, packed: position */
	bool wrap, used_wrap;
	unsigned int free;		/* descriptors */
	struct { u16 id, ndesc; bool done; } chain[QUEUE_MAX];	/* a ring, in the order they were made available */
	u16 first, cnt;
	unsigned int completed;
	u32 len;			/* of the last completion */
};

enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4, D_AVAIL = 1 << 7, D_USED = 1 << 15 };

/* As legacy lays it out, which modern takes too. */
static inline void queue_init(struct queue *q, unsigned int n, u16 size)
{
	gpa_t base = RINGS + (gpa_t)n * QUEUE_BYTES;

	*q = (struct queue){ .desc = base, .driver = base + 16ULL * size, .tables = base + TABLES, .size = size,
			     .free = size, .wrap = true, .used_wrap = true };
	q->device = align_up(q->driver + 6 + 2ULL * size, 4096);
	memset(ram(base), 0, TABLES);
}

static inline void put_desc(gpa_t at, gpa_t gpa, u32 len, u16 lo, u16 hi)
{
	u8 *d = ram(at);

	put_le64(d, gpa);
	put_le32(d + 8, len);
	put_le16(d + 12, lo);
	put_le16(d + 14, hi);
}

/* A descriptor of the ring: the @i-th of chain @id. */
static inline void ring_desc(struct queue *q, u16 i, u16 id, gpa_t gpa, u32 len, u16 flags)
{
	u16 at = (u16)((q->next + i) % q->size);
	bool wrap = q->wrap ^ (q->next + i >= q->size);

	if (q->packed)
		put_desc(q->desc + 16ULL * at, gpa, len, id, flags | (wrap ? D_AVAIL : D_USED));
	else
		put_desc(q->desc + 16ULL * at, gpa, len, flags, (u16)((at + 1) % q->size));
}

static inline void table_desc(struct queue *q, gpa_t table, u16 i, const struct piece *p, bool last)
{
	u16 flags = p->write ? D_WRITE : 0;

	if (q->packed)
		put_desc(table + 16ULL * i, p->gpa, p->len, 0, flags);
	else
		put_desc(table + 16ULL * i, p->gpa, p->len, flags | (last ? 0 : D_NEXT), (u16)(i + 1));
}

/* False: there is no room for it. */
static inline bool queue_add(struct queue *q, const struct piece *p, unsigned int nr, bool indirect)
{
	u16 slot = (u16)((q->first + q->cnt) % q->size), id = q->packed ? slot : q->next, ndesc, i;
	gpa_t table = q->tables + slot * 16ULL * PIECES;

	indirect &= q->indirect;
	ndesc = (u16)(indirect ? 1 : nr);
	if (!ndesc || ndesc > q->free)
		return false;
	for (i = 0; indirect && i < nr; i++)
		table_desc(q, table, i, &p[i], i + 1U == nr);
	if (indirect)
		ring_desc(q, 0, id, table, 16 * nr, D_INDIRECT);
	for (i = 0; !indirect && i < nr; i++)
		ring_desc(q, i, id, p[i].gpa, p[i].len, (p[i].write ? D_WRITE : 0) | (i + 1U == nr ? 0 : D_NEXT));
	if (!q->packed) {
		put_le16(ram(q->driver + 4 + 2ULL * (q->avail % q->size)), q->next);
		put_le16(ram(q->driver + 2), ++q->avail);
	}
	q->chain[slot].id = id;
	q->chain[slot].ndesc = ndesc;
	q->chain[slot].done = false;
	q->cnt++;
	q->free -= ndesc;
	q->wrap ^= q->next + ndesc >= q->size;
	q->next = (u16)((q->next + ndesc) % q->size);
	return true;
}

/* The device says that the chain is done; gives how many descriptors it had. Each at most once. */
static inline u16 complete(struct queue *q, u16 id)
{
	u16 i, at;

	for (i = 0; i < q->cnt; i++) {
		at = (u16)((q->first + i) % q->size);
		if (q->chain[at].done || q->chain[at].id != id)
			continue;
		q->chain[at].done = true;
		q->completed++;
		return q->chain[at].ndesc;
	}
	abort();
}

/* In order: all up to this one are; -1: the oldest one alone. */
static inline u16 complete_up_to(struct queue *q, int id)
{
	u16 ndesc = 0, i;

	for (i = 0; i < q->cnt && q->chain[(q->first + i) % q->size].done; i++)
		;
	for (; i < q->cnt; i++) {
		u16 oldest = q->chain[(q->first + i) % q->size].id;

		ndesc += complete(q, oldest);
		if (id < 0 || oldest == id)
			return ndesc;
	}
	abort();
}

static inline bool reap_split(struct queue *q)
{
	u16 idx = get_le16(ram(q->device + 2));
	u8 *e = ram(q->device + 4 + 8ULL * (q->used % q->size));

	if (idx == q->used)
		return false;
	MUST((u16)(idx - q->used) <= q->cnt);
	q->len = get_le32(e + 4);
	if (q->in_order)	/* [2.7.9] the entries of those that are skipped are not written */
		complete_up_to(q, -1);
	else
		complete(q, (u16)get_le32(e));
	q->used++;
	return true;
}

static inline bool reap_packed(struct queue *q)
{
	u8 *d = ram(q->desc + 16ULL * q->used);
	u16 flags = get_le16(d + 14), ndesc, id = get_le16(d + 12);

	if (!q->cnt || !(flags & D_AVAIL) != !(flags & D_USED) || !(flags & D_USED) == q->used_wrap)
		return false;
	q->len = get_le32(d + 8);
	ndesc = q->in_order ? complete_up_to(q, id) : complete(q, id);
	q->used_wrap ^= q->used + ndesc >= q->size;
	q->used = (u16)((q->used + ndesc) % q->size);
	return true;
}

static inline void queue_reap(struct queue *q)
{
	while (q->packed ? reap_packed(q) : reap_split(q))
		while (q->cnt && q->chain[q->first].done) {
			q->free += q->chain[q->first].ndesc;
			q->first = (u16)((q->first + 1) % q->size);
			q->cnt--;
		}
}

#endif
