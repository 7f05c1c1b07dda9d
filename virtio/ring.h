/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtqueue seen from the device, split [virtio-1.2 2.7] or packed [2.8],
 * behind one interface. All of it is driver-controlled memory: descriptors
 * are copied once, the copy is checked and used.
 *
 * A queue belongs to one thread at a time (its device's loop thread); only
 * virtq_enable/disable/save/load are called elsewhere, while that thread is kept out.
 */
#ifndef VIRTIO_RING_H
#define VIRTIO_RING_H

#include "util/iov.h"
#include "util/log.h"
#include "vmm/memory.h"

struct state_reader;
struct state_writer;

/*
 * Entries of a ring, and of an indirect table: a power of two. Drivers may choose smaller rings, and still hand over indirect
 * tables that are longer than their ring: Linux takes the device's own limits (seg_max) for the length of a request.
 */
enum { VIRTQ_MAX_SIZE = 1024 };

struct virtq_config {
	u16 size;		/* entries. Split: a power of two */
	gpa_t desc, driver, device;	/* descriptor table/ring; avail / driver event; used / device event */
	bool packed, indirect, event_idx, in_order;	/* negotiated features */
};

/*
 * One request: what the driver made available. The caller gives iov storage once
 * (room entries) and reuses it; out pieces (device reads) come first. Zero-length elements leave no piece. Everything
 * but iov and room is the ring's: a copy of id, ndesc, seq and in_len is enough to push.
 */
struct virtq_chain {
	struct iovec *iov;
	unsigned int room;

	unsigned int out_cnt, in_cnt;	/* iov[0..out) device-readable, iov[out..out+in) device-writable */
	u64 out_len, in_len;	/* together at most 4 GiB [2.7.5.2] */
	u16 id;			/* split: head index; packed: buffer id */
	u16 ndesc;		/* entries it takes of the descriptor table or ring */
	u16 seq;		/* in-order bookkeeping */
};

struct virtq;
struct virtq_held;
struct virtq_ring_ops;

struct virtq {
	struct virtq_config cfg;
	const struct guest_mem *gm;	/* borrowed */
	bool enabled;
	bool broken;		/* after virtq_break(): pops nothing, pushes nothing */
	/* The driver broke a rule. Set by the owner; called once, on the thread that found it. */
	void (*on_break)(struct virtq *q, const char *why);

	/* The rest is the ring's own. */
	const struct virtq_ring_ops *ops;
	void *desc, *driver, *device;	/* host pointers, valid while enabled */

	u16 last_avail;		/* next to pop: split: free running; packed: position */
	u16 used_idx;		/* next to complete, likewise */
	u16 avail_seen;		/* split: avail idx as last read */
	u16 next_head;		/* split with in-order: where the driver's next chain must begin */
	bool avail_wrap, used_wrap;	/* packed */
	bool notify_off;	/* we told the driver not to kick */
	u32 unsignalled;	/* entries completed since the last interrupt decision */

	bool together;		/* between push_begin and push_end */
	bool first_held;	/* packed: and the flags below are still to be written */
	u16 first_pos, first_flags;

	u16 inflight_cnt;	/* popped and not pushed */
	u16 busy;		/* popped and not written back: chains (split) or descriptors (packed) */
	struct virtq_held *held;	/* owned; in-order: a ring of completions that wait for earlier ones */
	u16 held_first, held_cnt;	/* the oldest chain not written back; how many there are */
};

/*
 * Checks size, alignment [2.7, 2.8.10.1] and that each of the three areas is RAM in
 * one range. -EINVAL (@why says what is wrong) or -ENOMEM. Touches no guest memory.
 */
int virtq_enable(struct virtq *q, const struct guest_mem *gm, const struct virtq_config *cfg, const char **why);
/* Forgets the ring. Nothing may be in flight that will still be pushed. */
void virtq_disable(struct virtq *q);

/* 1: got one; 0: none, or not enabled: @c is as it was; -EIO: broken (now or before), and @c is of no use. */
int virtq_pop(struct virtq *q, struct virtq_chain *c);
/* Puts the chain popped last back, unprocessed. Only when nothing was popped after it. */
void virtq_unpop(struct virtq *q, const struct virtq_chain *c);
/*
 * Completes a popped chain with @written bytes of its in part. With in-order, completions are held back until
 * those before them are done. Each popped chain is pushed exactly once, on a broken ring too.
 */
void virtq_push(struct virtq *q, const struct virtq_chain *c, u32 written);
/*
 * What is pushed in between the driver sees all at once or not yet: the buffers of one received frame [5.1.6.4.1]. Not nested, and
 * nothing but pushes in between.
 */
void virtq_push_begin(struct virtq *q);
void virtq_push_end(struct virtq *q);
/* After one or more pushes: does the driver want an interrupt? [2.7.7.2, 2.8.10] */
bool virtq_should_interrupt(struct virtq *q);

/*
 * Tells the driver whether kicks are wanted. Enabling gives true when more is already
 * available, so that the caller goes round again.
 */
bool virtq_enable_notify(struct virtq *q);
void virtq_disable_notify(struct virtq *q);
bool virtq_empty(struct virtq *q);

/*
 * For what serves a split ring outside lkvm (vhost): its areas as addresses of this process, and where it is; and on the way back where it
 * was left. Nothing in flight.
 */
struct virtq_place {
	u64 desc, driver, device;
	u16 size, next;
};
struct virtq_place virtq_lend(const struct virtq *q);
void virtq_return(struct virtq *q, u16 next);

/* Declares the queue broken and tells the owner. Gives -EIO. */
int virtq_break(struct virtq *q, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Ring positions; nothing in flight. The queue's addresses travel with the transport. */
void virtq_save(const struct virtq *q, struct state_writer *w);
/* Into an enabled queue. Values are checked against its size. 0 or -EBADMSG; on failure the queue is as it was. */
int virtq_load(struct virtq *q, struct state_reader *r);

#endif
