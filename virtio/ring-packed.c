/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packed virtqueue. [virtio-1.2 2.8]
 *
 * One ring of descriptors that both sides write, in order, each with a position and a wrap counter that flips when the
 * position passes the end [2.8.1]. A descriptor is available when its AVAIL bit equals the driver's counter and its USED bit
 * does not; it is used when both equal the device's. Each side has four bytes to say which events it wants:
 *
 *	event:	u16 offset:15 wrap:1, u16 flags:2
 *
 * A used descriptor stands for a whole list or batch and is written where its first descriptor was, or whatever lies there by
 * now when lists complete out of order; then as many are skipped as the list had.
 */
#include "virtio/ring-private.h"

#include <errno.h>

enum {
	DESC_LEN = 8, DESC_ID = 12, DESC_FLAGS = 14,	/* byte offsets in struct pvirtq_desc [2.8.13] */
	EVENT_OFF_WRAP = 0, EVENT_FLAGS = 2,		/* in struct pvirtq_event_suppress [2.8.14] */
	EVENT_SIZE = 4,
	EVENT_WRAP = 1 << 15,
};
enum {
	RING_EVENT_FLAGS_ENABLE = 0,
	RING_EVENT_FLAGS_DISABLE = 1,
	RING_EVENT_FLAGS_DESC = 2,
	RING_EVENT_FLAGS_MASK = 3,
};

static void packed_layout(u16 size, u64 bytes[3], u64 align[3])	/* [2.8.10.1] */
{
	bytes[0] = (u64)VIRTQ_DESC_SIZE * size;
	bytes[1] = bytes[2] = EVENT_SIZE;
	align[0] = 16;
	align[1] = align[2] = 4;
}

static void packed_start(struct virtq *q)	/* [2.8.1] */
{
	q->avail_wrap = q->used_wrap = true;
}

static inline u8 *desc_at(const struct virtq *q, u16 pos)
{
	return (u8 *)q->desc + (size_t)pos * VIRTQ_DESC_SIZE;
}

static void advance(const struct virtq *q, u16 *pos, bool *wrap, u16 by)
{
	*pos += by;	/* both at most VIRTQ_MAX_SIZE */
	if (*pos >= q->cfg.size) {
		*pos -= q->cfg.size;
		*wrap = !*wrap;
	}
}

static bool is_avail(u16 flags, bool wrap)
{
	return !!(flags & VIRTQ_DESC_F_AVAIL) == wrap && !!(flags & VIRTQ_DESC_F_USED) != wrap;
}

/* An indirect table is taken from its start to its end; WRITE is the only flag that counts in it [2.8.7], so it cannot nest. */
static int walk_indirect(struct virtq *q, struct virtq_chain *c, const struct virtq_desc *ref)
{
	struct virtq_table t;
	struct virtq_desc d;
	u32 i;

	if (virtq_indirect_table(q, ref->addr, ref->len, &t) < 0)
		return -EIO;
	for (i = 0; i < t.num; i++) {
		if (virtq_read_desc(q, &t, i, &d) < 0)
			return -EIO;
		if (virtq_add_element(q, c, d.addr, d.len, d.hi & VIRTQ_DESC_F_WRITE) < 0)
			return -EIO;
	}
	return 0;
}

/* From the position of q->last_avail, whose flags were read as @flags. Leaves id and ndesc in @c. */
static int walk(struct virtq *q, struct virtq_chain *c, u16 flags)
{
	const struct virtq_table ring = { .hva = q->desc, .num = q->cfg.size };
	u16 pos = q->last_avail, room = q->cfg.size - q->busy;
	bool wrap = q->avail_wrap;
	struct virtq_desc d;

	for (;;) {
		/* [2.8.17] never longer than the queue; and what we hold is not free to be made available again (inv. 3, 4) */
		if (c->ndesc == room)
			return virtq_break(q, "list of more than %u descriptors, %u of %u in use", room, q->busy, q->cfg.size);
		if (virtq_read_desc(q, &ring, pos, &d) < 0)
			return -EIO;
		if (!c->ndesc)
			d.hi = flags;	/* those that were judged */
		else if (!is_avail(d.hi, wrap))	/* [2.8.6, 2.8.17] */
			return virtq_break(q, "descriptor %u of a list is not available", pos);
		c->ndesc++;
		if (d.hi & VIRTQ_DESC_F_INDIRECT) {
			if (c->ndesc > 1 || d.hi & VIRTQ_DESC_F_NEXT)	/* [2.8.5, 2.8.19] */
				return virtq_break(q, "indirect descriptor in a list");
			c->id = d.lo;
			return walk_indirect(q, c, &d);
		}
		if (virtq_add_element(q, c, d.addr, d.len, d.hi & VIRTQ_DESC_F_WRITE) < 0)
			return -EIO;
		advance(q, &pos, &wrap, 1);
		if (!(d.hi & VIRTQ_DESC_F_NEXT))
			break;
	}
	c->id = d.lo;	/* [2.8.6] that of the last descriptor */
	return 0;
}

static int packed_pop(struct virtq *q, struct virtq_chain *c)
{
	/* Pairs with the driver's barrier before it sets flags [2.8.21.1.1]: the whole list was written before. */
	u16 flags = ring_load16_acquire(desc_at(q, q->last_avail) + DESC_FLAGS);

	if (!is_avail(flags, q->avail_wrap))
		return 0;
	virtq_chain_begin(c);
	if (walk(q, c, flags) < 0)
		return -EIO;
	advance(q, &q->last_avail, &q->avail_wrap, c->ndesc);
	return 1;
}

static void packed_unpop(struct virtq *q, const struct virtq_chain *c)
{
	if (q->last_avail < c->ndesc) {
		q->last_avail += q->cfg.size;
		q->avail_wrap = !q->avail_wrap;
	}
	q->last_avail -= c->ndesc;
}

static void packed_write_used(struct virtq *q, u16 id, u32 written, u16 chains, u16 ndesc)
{
	u8 *d = desc_at(q, q->used_idx);
	u16 flags = q->used_wrap ? VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED : 0;	/* [2.8.1] */

	if (written)
		flags |= VIRTQ_DESC_F_WRITE;	/* [2.8.3] */
	ring_store32(d + DESC_LEN, written);
	ring_store16(d + DESC_ID, id);
	if (q->together && !q->first_held) {
		/* A driver that does not see this one does not look at those behind it. */
		q->first_held = true;
		q->first_pos = q->used_idx;
		q->first_flags = flags;
	} else {
		/* Id, length and data first. Pairs with the driver's read barrier after it saw flags [2.8.22]. */
		ring_store16_release(d + DESC_FLAGS, flags);
	}
	advance(q, &q->used_idx, &q->used_wrap, ndesc);
}

static void packed_publish(struct virtq *q)
{
	if (q->first_held)
		ring_store16_release(desc_at(q, q->first_pos) + DESC_FLAGS, q->first_flags);
	q->first_held = false;
}

static bool packed_wants_interrupt(struct virtq *q, u32 fresh)
{
	/* The driver writes the position before the flags that make it count. */
	u16 flags = ring_load16_acquire((u8 *)q->driver + EVENT_FLAGS) & RING_EVENT_FLAGS_MASK;
	u16 off_wrap;
	int event;

	if (flags == RING_EVENT_FLAGS_DISABLE)
		return false;
	if (flags != RING_EVENT_FLAGS_DESC || !q->cfg.event_idx)	/* the rest is reserved: better one too many */
		return true;
	if (fresh >= q->cfg.size)
		return true;	/* a whole round: every position was passed */
	off_wrap = ring_load16((u8 *)q->driver + EVENT_OFF_WRAP);
	/* On the scale of our position, the round before has negative numbers. */
	event = off_wrap & ~EVENT_WRAP;
	if (!!(off_wrap & EVENT_WRAP) != q->used_wrap)
		event -= q->cfg.size;
	return event < q->used_idx && event >= q->used_idx - (int)fresh;
}

static void packed_enable_notify(struct virtq *q)
{
	u16 off_wrap = q->last_avail | (q->avail_wrap ? EVENT_WRAP : 0);

	if (!q->cfg.event_idx) {
		ring_store16((u8 *)q->device + EVENT_FLAGS, RING_EVENT_FLAGS_ENABLE);
		return;
	}
	ring_store16((u8 *)q->device + EVENT_OFF_WRAP, off_wrap);
	/* Position first. Pairs with a driver that reads flags and then the position. */
	ring_store16_release((u8 *)q->device + EVENT_FLAGS, RING_EVENT_FLAGS_DESC);
}

static void packed_disable_notify(struct virtq *q)
{
	ring_store16((u8 *)q->device + EVENT_FLAGS, RING_EVENT_FLAGS_DISABLE);
}

static bool packed_empty(struct virtq *q)
{
	return !is_avail(ring_load16(desc_at(q, q->last_avail) + DESC_FLAGS), q->avail_wrap);
}

static bool packed_positions_valid(const struct virtq *q)
{
	return q->last_avail < q->cfg.size && !q->next_head;
}

const struct virtq_ring_ops virtq_packed_ops = {
	.layout = packed_layout, .start = packed_start, .pop = packed_pop, .unpop = packed_unpop,
	.write_used = packed_write_used, .publish = packed_publish, .wants_interrupt = packed_wants_interrupt,
	.enable_notify = packed_enable_notify, .disable_notify = packed_disable_notify,
	.empty = packed_empty, .positions_valid = packed_positions_valid,
};
