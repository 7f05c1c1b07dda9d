/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The split virtqueue. [virtio-1.2 2.7]
 *
 * Three areas: the descriptor table, which the device only reads; the available ring, the driver's; the used ring, ours. Indices
 * run free in 16 bits, entries are taken modulo the size.
 *
 *	avail:	flags idx ring[size] used_event		u16 each
 *	used:	flags idx {id len}[size] avail_event	u16, entries 2 * u32
 */
#include "virtio/ring-private.h"

#include <errno.h>

enum { RING_FLAGS = 0, RING_IDX = 2, RING_ENTRIES = 4 };	/* byte offsets in both rings */
enum {
	AVAIL_F_NO_INTERRUPT = 1,
	USED_F_NO_NOTIFY = 1,
};

static inline u8 *avail(const struct virtq *q, unsigned int off)
{
	return (u8 *)q->driver + off;
}

static inline u8 *used(const struct virtq *q, unsigned int off)
{
	return (u8 *)q->device + off;
}

static inline u16 mask(const struct virtq *q, u16 idx)
{
	return idx & (u16)(q->cfg.size - 1);
}

static void split_layout(u16 size, u64 bytes[3], u64 align[3])	/* [2.7] */
{
	bytes[0] = 16ULL * size;
	bytes[1] = 6 + 2ULL * size;
	bytes[2] = 6 + 8ULL * size;
	align[0] = 16;
	align[1] = 2;
	align[2] = 4;
}

static void split_start(struct virtq *q)
{
}

/* With in-order the driver goes round the table, and along an indirect one. [2.7.5.2, 2.7.5.3.1] */
static u32 in_order_next(const struct virtq_table *t, u32 i, bool indirect)
{
	return !indirect && i + 1 == t->num ? 0 : i + 1;
}

static int walk(struct virtq *q, struct virtq_chain *c)
{
	struct virtq_table t = { .hva = q->desc, .num = q->cfg.size };
	bool indirect = false;
	struct virtq_desc d;
	u32 i = c->id, n = 0;
	u16 flags, next;

	for (;;) {
		if (n++ == t.num)	/* [2.7.5.2] loops are forbidden (inv. 4) */
			return virtq_break(q, "chain of more than %u descriptors", t.num);
		if (virtq_read_desc(q, &t, i, &d) < 0)
			return -EIO;
		flags = d.lo;
		next = d.hi;
		if (!indirect)
			c->ndesc++;
		if (flags & VIRTQ_DESC_F_INDIRECT) {	/* its WRITE flag is ignored [2.7.5.3.2] */
			if (indirect)	/* [2.7.5.3.1] */
				return virtq_break(q, "indirect descriptor in an indirect table");
			if (flags & VIRTQ_DESC_F_NEXT)	/* [2.7.5.3.1] */
				return virtq_break(q, "indirect descriptor with a next one");
			if (virtq_indirect_table(q, d.addr, d.len, &t) < 0)
				return -EIO;
			indirect = true;
			i = n = 0;
			continue;
		}
		if (virtq_add_element(q, c, d.addr, d.len, flags & VIRTQ_DESC_F_WRITE) < 0)
			return -EIO;
		if (!(flags & VIRTQ_DESC_F_NEXT))
			return 0;
		if (next >= t.num)
			return virtq_break(q, "next descriptor %u of %u", next, t.num);
		if (q->cfg.in_order && next != in_order_next(&t, i, indirect))
			return virtq_break(q, "descriptor %u after %u is out of order", next, i);
		i = next;
	}
}

/* More than was seen last time? Fills avail_seen. */
static bool look(struct virtq *q)
{
	if (q->avail_seen != q->last_avail)
		return true;
	/* Pairs with the driver's barrier before it raises idx [2.7.13.3.1]: entries and descriptors below idx are there. */
	q->avail_seen = ring_load16_acquire(avail(q, RING_IDX));
	return q->avail_seen != q->last_avail;
}

static int split_pop(struct virtq *q, struct virtq_chain *c)
{
	u16 ahead, head;

	if (!look(q))
		return 0;
	/* Every chain takes a descriptor, so no more than size can be out at a time. [2.7.13] (inv. 3) */
	ahead = (u16)(q->avail_seen - q->last_avail);
	if (ahead > q->cfg.size - q->busy)
		return virtq_break(q, "available index jumps by %u, %u of %u in use", ahead, q->busy, q->cfg.size);
	head = ring_load16(avail(q, RING_ENTRIES + 2U * mask(q, q->last_avail)));
	if (head >= q->cfg.size)
		return virtq_break(q, "available entry names descriptor %u of %u", head, q->cfg.size);
	if (q->cfg.in_order && head != q->next_head)	/* [2.7.5] */
		return virtq_break(q, "chain begins at descriptor %u, in order it is %u", head, q->next_head);
	virtq_chain_begin(c);
	c->id = head;
	if (walk(q, c) < 0)
		return -EIO;
	q->last_avail++;
	q->next_head = mask(q, (u16)(head + c->ndesc));
	return 1;
}

static void split_unpop(struct virtq *q, const struct virtq_chain *c)
{
	q->last_avail--;
	q->next_head = c->id;
}

static void split_publish(struct virtq *q)
{
	/* [2.7.8.2] the entries and the data first. Pairs with the driver's read barrier after it saw idx. */
	ring_store16_release(used(q, RING_IDX), q->used_idx);
}

static void split_write_used(struct virtq *q, u16 id, u32 written, u16 chains, u16 ndesc)
{
	u8 *entry = used(q, RING_ENTRIES + 8U * mask(q, q->used_idx));

	ring_store32(entry, id);
	ring_store32(entry + 4, written);
	q->used_idx += chains;
	if (!q->together)
		split_publish(q);
}

static bool split_wants_interrupt(struct virtq *q, u32 fresh)
{
	u16 event;

	if (!q->cfg.event_idx)	/* [2.7.7.2] used_event is ignored then */
		return !(ring_load16(avail(q, RING_FLAGS)) & AVAIL_F_NO_INTERRUPT);
	/* Was the entry with index used_event among the last @fresh? [2.7.7.2] flags are ignored then */
	event = ring_load16(avail(q, RING_ENTRIES + 2U * q->cfg.size));
	return (u16)(q->used_idx - event - 1) < fresh;
}

static void split_enable_notify(struct virtq *q)
{
	if (q->cfg.event_idx)	/* [2.7.10.2] kick when the next one is there */
		ring_store16(used(q, RING_ENTRIES + 8U * q->cfg.size), q->last_avail);
	else
		ring_store16(used(q, RING_FLAGS), 0);
}

static void split_disable_notify(struct virtq *q)
{
	/* [2.7.10.2] With event index flags stay 0, and an avail_event that is passed already asks for nothing. */
	if (!q->cfg.event_idx)
		ring_store16(used(q, RING_FLAGS), USED_F_NO_NOTIFY);
}

static bool split_empty(struct virtq *q)
{
	return !look(q);
}

static bool split_positions_valid(const struct virtq *q)
{
	return q->next_head < q->cfg.size && !q->avail_wrap;
}

const struct virtq_ring_ops virtq_split_ops = {
	.layout = split_layout, .start = split_start, .pop = split_pop, .unpop = split_unpop,
	.write_used = split_write_used, .publish = split_publish, .wants_interrupt = split_wants_interrupt,
	.enable_notify = split_enable_notify, .disable_notify = split_disable_notify,
	.empty = split_empty, .positions_valid = split_positions_valid,
};
