/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of a virtqueue, split or packed, for tests: well behaved by itself, with its memory in reach of a test
 * that is not. [virtio-1.2 2.7.13, 2.7.14, 2.8.21, 2.8.22] Buffer ids are slots of the driver's own bookkeeping; data is wherever the
 * test says.
 *
 * One thread may be the driver while another is the device: shared fields are accessed as the specification's barriers ask.
 */
#ifndef TESTS_VIRTIO_RING_DRIVER_H
#define TESTS_VIRTIO_RING_DRIVER_H

#include <assert.h>

#include "tests/tap.h"
#include "virtio/ring.h"

enum {
	DRV_GPA = 0x100000,
	DRV_DESC = DRV_GPA,			/* up to 1024 entries */
	DRV_DRIVER = DRV_GPA + 0x4000,
	DRV_DEVICE = DRV_GPA + 0x5000,
	DRV_TABLES = DRV_GPA + 0x8000,		/* indirect tables, DRV_TABLE_LEN each, by slot */
	DRV_TABLE_LEN = 256,
	DRV_DATA = DRV_GPA + 0x48000,		/* free for tests */
	DRV_RAM = 0x60000,
	DRV_END = DRV_GPA + DRV_RAM,
	DRV_ROOM = 16,				/* elements of an indirect table */
};

enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4, D_AVAIL = 0x80, D_USED = 0x8000 };

struct drv_seg {
	u64 addr;
	u32 len;
	bool write;
};

struct drv {
	struct guest_mem gm;
	u8 *ram;
	struct virtq_config cfg;
	u16 free;		/* descriptors */
	u16 added;		/* split: avail idx; packed: position */
	u16 seen;		/* split: used idx; packed: position */
	bool wrap, seen_wrap;
	u16 next_desc;		/* in-order split */
	struct { bool busy; u16 ndesc; } slot[VIRTQ_MAX_SIZE];	/* by id */
	u16 next_free[VIRTQ_MAX_SIZE], first_free;	/* split, free descriptors; packed, free ids */
	u16 order[VIRTQ_MAX_SIZE], order_first, order_cnt;	/* ids in the order they were added */
	u16 batch_left, batch_id;	/* in-order: chains that the last used entry told of */
	u32 batch_len;
};

static inline u8 *drv_at(struct drv *d, u64 gpa)
{
	assert(gpa >= DRV_GPA && gpa < DRV_END);
	return d->ram + (gpa - DRV_GPA);
}

static inline u16 drv_r16(struct drv *d, u64 gpa) { return __atomic_load_n((u16 *)drv_at(d, gpa), __ATOMIC_SEQ_CST); }
static inline u32 drv_r32(struct drv *d, u64 gpa) { return __atomic_load_n((u32 *)drv_at(d, gpa), __ATOMIC_SEQ_CST); }
static inline void drv_w16(struct drv *d, u64 gpa, u16 v) { __atomic_store_n((u16 *)drv_at(d, gpa), v, __ATOMIC_SEQ_CST); }

/* A read-modify-write is a full barrier and, unlike a fence, known to TSan. */
static inline void drv_barrier(void)
{
	static int nothing;

	__atomic_fetch_add(&nothing, 1, __ATOMIC_SEQ_CST);
}

static inline struct virtq_config drv_config(u16 size, bool packed)
{
	return (struct virtq_config){
		.size = size, .packed = packed, .desc = DRV_DESC, .driver = DRV_DRIVER, .device = DRV_DEVICE,
	};
}

static inline void drv_init(struct drv *d, const struct virtq_config *cfg)
{
	unsigned int i;

	memset(d, 0, sizeof(*d));
	d->ram = aligned_alloc(4096, DRV_RAM);
	if (!d->ram)
		abort();
	memset(d->ram, 0, DRV_RAM);
	if (guest_mem_add(&d->gm, DRV_GPA, DRV_RAM, d->ram) < 0)
		abort();
	d->cfg = *cfg;
	d->free = cfg->size;
	d->wrap = d->seen_wrap = true;
	for (i = 0; i < cfg->size; i++)
		d->next_free[i] = (u16)(i + 1);
}

static inline void drv_free(struct drv *d)
{
	free(d->ram);
}

/* All of a descriptor but its last field: @lo is flags (split) or id (packed). */
static inline void drv_desc_body(struct drv *d, u64 at, u64 addr, u32 len, u16 lo)
{
	u8 *p = drv_at(d, at);

	put_le64(p, addr);
	put_le32(p + 8, len);
	put_le16(p + 12, lo);
}

/* @hi is next (split) or flags (packed). */
static inline void drv_desc(struct drv *d, u64 at, u64 addr, u32 len, u16 lo, u16 hi)
{
	drv_desc_body(d, at, addr, len, lo);
	put_le16(drv_at(d, at + 14), hi);
}

static inline u16 drv_packed_flags(const struct drv *d, bool wrap)
{
	return wrap ? D_AVAIL : D_USED;
}

/* --- making available --- */

static inline u64 drv_indirect(struct drv *d, u16 slot, const struct drv_seg *seg, unsigned int n)
{
	u64 table = DRV_TABLES + (u64)slot * DRV_TABLE_LEN;
	unsigned int i;
	u16 flags;

	assert(n <= DRV_ROOM);
	for (i = 0; i < n; i++) {
		flags = seg[i].write ? D_WRITE : 0;
		if (d->cfg.packed)
			drv_desc(d, table + 16 * i, seg[i].addr, seg[i].len, 0, flags);
		else
			drv_desc(d, table + 16 * i, seg[i].addr, seg[i].len, flags | (i + 1 < n ? D_NEXT : 0),
				 (u16)(i + 1 < n ? i + 1 : 0));
	}
	return table;
}

static inline int drv_split_add(struct drv *d, const struct drv_seg *seg, unsigned int n, bool indirect)
{
	u16 head = d->cfg.in_order ? d->next_desc : d->first_free, at = head, next = head;
	unsigned int i, ndesc = indirect ? 1 : n;
	struct drv_seg ref;

	if (indirect) {
		ref = (struct drv_seg){ .addr = drv_indirect(d, head, seg, n), .len = 16 * n };
		seg = &ref;
	}
	for (i = 0; i < ndesc; i++) {
		at = next;
		next = d->cfg.in_order ? (u16)((at + 1) % d->cfg.size) : d->next_free[at];
		drv_desc(d, d->cfg.desc + 16ULL * at, seg[i].addr, seg[i].len,
			 (indirect ? D_INDIRECT : seg[i].write ? D_WRITE : 0) | (i + 1 < ndesc ? D_NEXT : 0),
			 i + 1 < ndesc ? next : 0);
	}
	d->first_free = next;
	d->next_desc = next;
	drv_w16(d, d->cfg.driver + 4 + 2ULL * (d->added % d->cfg.size), head);
	d->added++;
	drv_w16(d, d->cfg.driver + 2, d->added);
	return head;
}

static inline int drv_packed_add(struct drv *d, const struct drv_seg *seg, unsigned int n, bool indirect)
{
	u16 first = d->added, first_flags = 0, id = d->first_free, flags;
	unsigned int i, ndesc = indirect ? 1 : n;
	struct drv_seg ref;

	if (indirect) {
		ref = (struct drv_seg){ .addr = drv_indirect(d, id, seg, n), .len = 16 * n };
		seg = &ref;
	}
	d->first_free = d->next_free[id];
	for (i = 0; i < ndesc; i++) {
		flags = drv_packed_flags(d, d->wrap) | (i + 1 < ndesc ? D_NEXT : 0) |
			(indirect ? D_INDIRECT : seg[i].write ? D_WRITE : 0);
		if (i) {
			drv_desc(d, d->cfg.desc + 16ULL * d->added, seg[i].addr, seg[i].len, id, flags);
		} else {	/* its flags come last, and make the list available */
			first_flags = flags;
			drv_desc_body(d, d->cfg.desc + 16ULL * d->added, seg[i].addr, seg[i].len, id);
		}
		if (++d->added == d->cfg.size) {
			d->added = 0;
			d->wrap = !d->wrap;
		}
	}
	drv_w16(d, d->cfg.desc + 16ULL * first + 14, first_flags);
	return id;
}

/* Gives the id that the device will return, or -1: no room. */
static inline int drv_add(struct drv *d, const struct drv_seg *seg, unsigned int n, bool indirect)
{
	unsigned int ndesc = indirect ? 1 : n;
	int id;

	if (ndesc > d->free)
		return -1;
	id = d->cfg.packed ? drv_packed_add(d, seg, n, indirect) : drv_split_add(d, seg, n, indirect);
	d->free -= ndesc;
	assert(!d->slot[id].busy);
	d->slot[id].busy = true;
	d->slot[id].ndesc = (u16)ndesc;
	d->order[(d->order_first + d->order_cnt++) % d->cfg.size] = (u16)id;
	return id;
}

/* One readable element of @out bytes and one writable of @in (0: none) at a place of their own by @tag. */
static inline int drv_add_simple(struct drv *d, unsigned int tag, u32 out, u32 in)
{
	struct drv_seg seg[2];
	unsigned int n = 0;

	if (out)
		seg[n++] = (struct drv_seg){ .addr = DRV_DATA + tag * 64ULL, .len = out };
	if (in)
		seg[n++] = (struct drv_seg){ .addr = DRV_DATA + 0x8000 + tag * 64ULL, .len = in, .write = true };
	return drv_add(d, seg, n, false);
}

/* After adds, from avail position @old (d->added and d->wrap before them): does the device want a kick? */
static inline bool drv_must_kick(struct drv *d, u16 old, unsigned int added)
{
	u16 flags, off;
	int event, now;

	drv_barrier();
	if (!d->cfg.packed) {
		if (!d->cfg.event_idx)
			return !(drv_r16(d, d->cfg.device) & 1);
		off = drv_r16(d, d->cfg.device + 4 + 8ULL * d->cfg.size);
		return (u16)(d->added - off - 1) < (u16)(d->added - old);
	}
	flags = drv_r16(d, d->cfg.device + 2) & 3;
	if (flags != 2)
		return flags == 0;
	off = drv_r16(d, d->cfg.device);
	event = off & 0x7fff;
	now = d->added;
	if (!!(off & 0x8000) != d->wrap)
		event -= d->cfg.size;
	return event < now && event >= now - (int)added;
}

/* --- taking back --- */

static inline void drv_release(struct drv *d, u16 id)
{
	u16 at = id, i;

	assert(d->slot[id].busy);
	d->slot[id].busy = false;
	d->free += d->slot[id].ndesc;
	if (d->cfg.packed) {
		d->next_free[id] = d->first_free;
		d->first_free = id;
	} else if (!d->cfg.in_order) {
		for (i = 1; i < d->slot[id].ndesc; i++)
			at = d->next_free[at];
		d->next_free[at] = d->first_free;
		d->first_free = id;
	}
	for (i = 0; i < d->order_cnt; i++)	/* mostly the first */
		if (d->order[(d->order_first + i) % d->cfg.size] == id)
			break;
	assert(i < d->order_cnt);
	for (; i > 0; i--)
		d->order[(d->order_first + i) % d->cfg.size] = d->order[(d->order_first + i - 1) % d->cfg.size];
	d->order_first = (u16)((d->order_first + 1) % d->cfg.size);
	d->order_cnt--;
}

/* Moves on over one chain. */
static inline void drv_step(struct drv *d, u16 id)
{
	if (!d->cfg.packed) {
		d->seen++;
		return;
	}
	d->seen += d->slot[id].ndesc;
	if (d->seen >= d->cfg.size) {
		d->seen -= d->cfg.size;
		d->seen_wrap = !d->seen_wrap;
	}
}

/* Is there a used entry at d->seen? */
static inline bool drv_used_entry(struct drv *d, u32 *id, u32 *len)
{
	u64 at;
	u16 flags;

	if (!d->cfg.packed) {
		if (drv_r16(d, d->cfg.device + 2) == d->seen)
			return false;
		at = d->cfg.device + 4 + 8ULL * (d->seen % d->cfg.size);
		*id = drv_r32(d, at);
		*len = drv_r32(d, at + 4);
		return true;
	}
	at = d->cfg.desc + 16ULL * d->seen;
	flags = drv_r16(d, at + 14);
	if (!!(flags & D_AVAIL) != d->seen_wrap || !!(flags & D_USED) != d->seen_wrap)
		return false;
	*id = drv_r16(d, at + 12);
	*len = flags & D_WRITE ? drv_r32(d, at + 8) : 0;
	return true;
}

/* The next completed id, or -1. With in-order a batch comes one by one; *len is ~0 for those that were skipped. */
static inline int drv_used(struct drv *d, u32 *len)
{
	u32 id, l;
	u16 oldest;

	if (!d->batch_left) {
		if (!drv_used_entry(d, &id, &l))
			return -1;
		assert(id < d->cfg.size && d->slot[id].busy);
		if (!d->cfg.in_order) {
			drv_step(d, (u16)id);
			drv_release(d, (u16)id);
			*len = l;
			return (int)id;
		}
		d->batch_id = (u16)id;
		d->batch_len = l;
		do {
			assert(d->batch_left < d->order_cnt);
			oldest = d->order[(d->order_first + d->batch_left++) % d->cfg.size];
		} while (oldest != id);
	}
	d->batch_left--;
	oldest = d->order[d->order_first];
	*len = oldest == d->batch_id ? d->batch_len : ~0U;
	drv_step(d, oldest);
	drv_release(d, oldest);
	return oldest;
}

/* Wants an interrupt for every completion from now on (or, with event index, for the next one); true: look again. */
static inline bool drv_enable_interrupts(struct drv *d)
{
	u32 id, len;

	if (!d->cfg.packed) {
		if (d->cfg.event_idx)
			drv_w16(d, d->cfg.driver + 4 + 2ULL * d->cfg.size, d->seen);
		else
			drv_w16(d, d->cfg.driver, 0);
	} else if (d->cfg.event_idx) {
		drv_w16(d, d->cfg.driver, (u16)(d->seen | (d->seen_wrap ? 0x8000 : 0)));
		drv_w16(d, d->cfg.driver + 2, 2);
	} else {
		drv_w16(d, d->cfg.driver + 2, 0);
	}
	drv_barrier();
	return drv_used_entry(d, &id, &len);
}

static inline void drv_disable_interrupts(struct drv *d)
{
	if (d->cfg.packed)
		drv_w16(d, d->cfg.driver + 2, 1);
	else if (!d->cfg.event_idx)
		drv_w16(d, d->cfg.driver, 1);
}

#endif
