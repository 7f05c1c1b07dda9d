/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between ring.c, which is the same for both, and the two ring formats.
 *
 * Ring fields are little endian and shared with the driver's CPUs: each is read or written whole, by the accessors below,
 * with the order it needs in the name. The other side of each pair is said where it is used.
 */
#ifndef VIRTIO_RING_PRIVATE_H
#define VIRTIO_RING_PRIVATE_H

#include "virtio/ring.h"

struct virtq_ring_ops {
	/* Bytes and alignment of the three areas for @size entries. */
	void (*layout)(u16 size, u64 bytes[3], u64 align[3]);
	void (*start)(struct virtq *q);
	/* 1, 0 (leaving @c alone) or virtq_break(). */
	int (*pop)(struct virtq *q, struct virtq_chain *c);
	void (*unpop)(struct virtq *q, const struct virtq_chain *c);
	/* Writes one used entry that stands for @chains chains of @ndesc descriptors in all. */
	void (*write_used)(struct virtq *q, u16 id, u32 written, u16 chains, u16 ndesc);
	/* The end of virtq_push_begin(): lets the driver see what was written since. */
	void (*publish)(struct virtq *q);
	/* Entries completed since the last decision: @fresh > 0. A full barrier came before. */
	bool (*wants_interrupt)(struct virtq *q, u32 fresh);
	void (*enable_notify)(struct virtq *q);
	void (*disable_notify)(struct virtq *q);
	bool (*empty)(struct virtq *q);
	/* Are the positions just loaded possible, with nothing in flight? */
	bool (*positions_valid)(const struct virtq *q);
};

extern const struct virtq_ring_ops virtq_split_ops, virtq_packed_ops;

/* struct virtq_desc [2.7.5] and struct pvirtq_desc [2.8.13] in host order: a copy, so it can be judged. */
struct virtq_desc {
	u64 addr;
	u32 len;
	u16 lo, hi;		/* the last two fields: flags and next (split), id and flags (packed) */
};

enum {
	VIRTQ_DESC_SIZE = 16,
	VIRTQ_DESC_F_NEXT = 1,
	VIRTQ_DESC_F_WRITE = 2,
	VIRTQ_DESC_F_INDIRECT = 4,
	VIRTQ_DESC_F_AVAIL = 1 << 7,	/* packed */
	VIRTQ_DESC_F_USED = 1 << 15,
};

/* Where descriptors are read from: the ring's own table, or an indirect one. */
struct virtq_table {
	const void *hva;	/* NULL: not in one piece */
	gpa_t gpa;
	u32 num;
};

/* The table that an indirect descriptor names. 0 or virtq_break(). */
int virtq_indirect_table(struct virtq *q, u64 addr, u32 len, struct virtq_table *ret);
/* Copies descriptor @i < table->num. 0 or virtq_break(). */
int virtq_read_desc(struct virtq *q, const struct virtq_table *t, u32 i, struct virtq_desc *ret);
/* Appends one element to @c. 0 or virtq_break(). */
int virtq_add_element(struct virtq *q, struct virtq_chain *c, u64 addr, u32 len, bool write);

/* A chain nothing was found out of yet. */
static inline void virtq_chain_begin(struct virtq_chain *c)
{
	c->out_cnt = c->in_cnt = 0;
	c->out_len = c->in_len = 0;
	c->ndesc = c->seq = 0;
}

static inline u16 ring_load16(const void *p)
{
	return le16toh(__atomic_load_n((const u16 *)p, __ATOMIC_RELAXED));
}

static inline u16 ring_load16_acquire(const void *p)
{
	return le16toh(__atomic_load_n((const u16 *)p, __ATOMIC_ACQUIRE));
}

static inline void ring_store16(void *p, u16 v)
{
	__atomic_store_n((u16 *)p, htole16(v), __ATOMIC_RELAXED);
}

static inline void ring_store32(void *p, u32 v)
{
	__atomic_store_n((u32 *)p, htole32(v), __ATOMIC_RELAXED);
}

static inline void ring_store16_release(void *p, u16 v)
{
	__atomic_store_n((u16 *)p, htole16(v), __ATOMIC_RELEASE);
}

/* Our stores before it are seen before our loads after it. TSan knows no fences, and needs none of these to follow the data. */
static inline void ring_full_barrier(void)
{
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

#endif
