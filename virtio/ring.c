/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What split and packed virtqueues share: set-up, the elements of a chain, in-order completion, breaking, state.
 * [virtio-1.2 2.6, 2.7, 2.8]
 *
 * Left out on purpose: ACCESS_PLATFORM (addresses are guest physical), big-endian legacy guests [2.7.3],
 * polling. Threads: see ring.h; nothing here locks.
 *
 * Invariants:
 * 1. desc, driver and device point at whole areas inside one RAM range for as long as q->enabled.
 * 2. What decides is a copy: nothing in guest memory is read twice to be checked and then used.
 * 3. No more is popped and not written back than the ring has entries (q->busy <= size): a driver cannot make the device
 *    hold an unbounded number of requests by making the same descriptors available again.
 * 4. A walk is finite: along the ring it takes at most size descriptors, in an indirect table at most its length.
 * 5. In-order: q->held is a ring of size entries, the oldest at held_first; written back are whole runs of done ones from there.
 */
#include "virtio/ring.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/ring-private.h"
#include "vmm/state.h"

/* A chain between pop and write-back. */
struct virtq_held {
	bool done;
	bool full;		/* wholly written: may be skipped in a batch */
	u16 id, ndesc;
	u32 written;
};

enum { UNSIGNALLED_MAX = 0x10000 };	/* as far as a free-running 16-bit index can tell */

static int area(const struct guest_mem *gm, gpa_t gpa, u64 bytes, u64 align, void **ret)
{
	void *p;

	if (!is_aligned(gpa, align))
		return -EINVAL;
	p = guest_ptr(gm, gpa, bytes);
	if (!p || !is_aligned((uintptr_t)p, align))
		return -EINVAL;
	*ret = p;
	return 0;
}

int virtq_enable(struct virtq *q, const struct guest_mem *gm, const struct virtq_config *cfg, const char **why)
{
	const struct virtq_ring_ops *ops = cfg->packed ? &virtq_packed_ops : &virtq_split_ops;
	struct virtq_held *held = NULL;
	void *desc, *driver, *device;
	u64 bytes[3], align[3];

	assert(!q->enabled);
	if (!cfg->size || cfg->size > VIRTQ_MAX_SIZE) {
		*why = "bad queue size";
		return -EINVAL;
	}
	if (!cfg->packed && !is_power_of_two(cfg->size)) {	/* [2.7]; a packed ring may have any [2.8.10.1] */
		*why = "queue size is no power of two";
		return -EINVAL;
	}
	ops->layout(cfg->size, bytes, align);
	if (area(gm, cfg->desc, bytes[0], align[0], &desc) < 0) {
		*why = "descriptor area is misaligned or not RAM";
		return -EINVAL;
	}
	if (area(gm, cfg->driver, bytes[1], align[1], &driver) < 0) {
		*why = "driver area is misaligned or not RAM";
		return -EINVAL;
	}
	if (area(gm, cfg->device, bytes[2], align[2], &device) < 0) {
		*why = "device area is misaligned or not RAM";
		return -EINVAL;
	}
	if (cfg->in_order) {
		held = calloc(cfg->size, sizeof(*held));
		if (!held) {
			*why = "out of memory";
			return -ENOMEM;
		}
	}
	*q = (struct virtq){
		.cfg = *cfg, .gm = gm, .enabled = true, .on_break = q->on_break, .ops = ops,
		.desc = desc, .driver = driver, .device = device, .held = held,
	};
	ops->start(q);
	return 0;
}

void virtq_disable(struct virtq *q)
{
	free(q->held);
	*q = (struct virtq){ .on_break = q->on_break };
}

int virtq_break(struct virtq *q, const char *fmt, ...)
{
	char why[128];
	va_list ap;

	if (q->broken)
		return -EIO;
	q->broken = true;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (q->on_break)
		q->on_break(q, why);
	return -EIO;
}

/* --- the elements of a chain --- */

int virtq_indirect_table(struct virtq *q, u64 addr, u32 len, struct virtq_table *ret)
{
	if (!q->cfg.indirect)	/* [2.7.5.3.1, 2.8.19] */
		return virtq_break(q, "indirect descriptor without the feature");
	if (!len || len % VIRTQ_DESC_SIZE)
		return virtq_break(q, "indirect table of %u bytes", len);
	if (len / VIRTQ_DESC_SIZE > VIRTQ_MAX_SIZE)	/* [2.7.4.1] a reasonable limit */
		return virtq_break(q, "indirect table of %u descriptors", len / VIRTQ_DESC_SIZE);
	if (addr + len < addr)
		return virtq_break(q, "indirect table at 0x%llx wraps", (unsigned long long)addr);
	*ret = (struct virtq_table){ .hva = guest_ptr(q->gm, addr, len), .gpa = addr, .num = len / VIRTQ_DESC_SIZE };
	return 0;
}

int virtq_read_desc(struct virtq *q, const struct virtq_table *t, u32 i, struct virtq_desc *ret)
{
	u8 copy[VIRTQ_DESC_SIZE];
	size_t off = (size_t)i * VIRTQ_DESC_SIZE;

	if (t->hva) {
		memcpy(copy, (const u8 *)t->hva + off, sizeof(copy));
		/* The compiler must not go back to guest memory for what it has copied. (inv. 2) */
		__asm__ volatile("" ::: "memory");
	} else if (guest_read(q->gm, t->gpa + off, copy, sizeof(copy)) < 0) {
		return virtq_break(q, "indirect table at 0x%llx is not RAM", (unsigned long long)t->gpa);
	}
	*ret = (struct virtq_desc){
		.addr = get_le64(copy), .len = get_le32(copy + 8), .lo = get_le16(copy + 12), .hi = get_le16(copy + 14),
	};
	return 0;
}

int virtq_add_element(struct virtq *q, struct virtq_chain *c, u64 addr, u32 len, bool write)
{
	unsigned int used = c->out_cnt + c->in_cnt;
	int r;

	/*
	 * No clause forbids an element without bytes, and it moves none: its address means nothing and it leaves no piece.
	 */
	if (!len)
		return 0;
	if (!write && c->in_cnt)	/* [2.7.4.2, 2.8.17] */
		return virtq_break(q, "device-readable descriptor after a device-writable one");
	if (len > (1ULL << 32) - c->out_len - c->in_len)	/* [2.7.5.2] */
		return virtq_break(q, "chain of more than 4 GiB");
	r = guest_iov(q->gm, addr, len, write ? HOST_TO_GUEST : GUEST_TO_HOST, c->iov + used, c->room - used);
	if (r == -E2BIG)	/* [2.7.4.1] the device may limit the descriptors of a chain */
		return virtq_break(q, "chain of more than %u pieces", c->room);
	if (r < 0)
		return virtq_break(q, "%u bytes at 0x%llx are not RAM", len, (unsigned long long)addr);
	if (write) {
		c->in_cnt += (unsigned int)r;
		c->in_len += len;
	} else {
		c->out_cnt += (unsigned int)r;
		c->out_len += len;
	}
	return 0;
}

/* --- pop and push --- */

int virtq_pop(struct virtq *q, struct virtq_chain *c)
{
	u16 at;
	int r;

	if (q->broken)
		return -EIO;
	if (!q->enabled)
		return 0;
	r = q->ops->pop(q, c);
	if (r <= 0)
		return r;
	q->inflight_cnt++;
	q->busy += q->cfg.packed ? c->ndesc : 1;
	if (q->held) {
		at = (u16)((q->held_first + q->held_cnt++) % q->cfg.size);
		q->held[at].done = false;
		c->seq = at;
	}
	return 1;
}

void virtq_unpop(struct virtq *q, const struct virtq_chain *c)
{
	q->inflight_cnt--;
	if (q->broken || !q->enabled)
		return;
	q->busy -= q->cfg.packed ? c->ndesc : 1;
	if (q->held)
		q->held_cnt--;
	q->ops->unpop(q, c);
}

static void write_back(struct virtq *q, u16 id, u32 written, u16 chains, u16 ndesc)
{
	u16 entries = q->cfg.packed ? ndesc : chains;

	q->ops->write_used(q, id, written, chains, ndesc);
	q->busy -= entries;
	q->unsignalled = MIN(q->unsignalled + entries, (u32)UNSIGNALLED_MAX);
}

/*
 * Writes back what is done and has nothing undone before it, a batch as one entry that names its last chain. The driver takes
 * the skipped ones for wholly written, so a chain that is not can only be the last of its batch. [2.7.9, 2.8.8]
 */
static void write_back_run(struct virtq *q)
{
	struct virtq_held *h;
	u16 chains, ndesc;
	bool more;

	while (q->held_cnt && q->held[q->held_first].done) {
		chains = ndesc = 0;
		do {
			h = &q->held[q->held_first];
			q->held_first = (u16)((q->held_first + 1) % q->cfg.size);
			q->held_cnt--;
			chains++;
			ndesc += h->ndesc;
			more = h->full && q->held_cnt && q->held[q->held_first].done;
		} while (more);
		write_back(q, h->id, h->written, chains, ndesc);
	}
}

void virtq_push(struct virtq *q, const struct virtq_chain *c, u32 written)
{
	assert(q->inflight_cnt);
	q->inflight_cnt--;
	if (q->broken || !q->enabled)
		return;
	if (written > c->in_len)	/* [2.7.8.2] never tell the driver of bytes that were not written */
		written = (u32)c->in_len;
	if (!q->held) {
		write_back(q, c->id, written, 1, c->ndesc);
		return;
	}
	q->held[c->seq] = (struct virtq_held){
		.done = true, .full = written == c->in_len, .id = c->id, .ndesc = c->ndesc, .written = written,
	};
	write_back_run(q);
}

void virtq_push_begin(struct virtq *q)
{
	assert(!q->together);
	q->together = true;
}

void virtq_push_end(struct virtq *q)
{
	q->together = false;
	if (q->enabled && !q->broken)
		q->ops->publish(q);
}

/* --- notifications, both ways --- */

bool virtq_should_interrupt(struct virtq *q)
{
	u32 fresh = q->unsignalled;

	if (!q->enabled || q->broken || !fresh)
		return false;
	q->unsignalled = 0;
	/*
	 * The used entries above, then the driver's wish. Pairs with the barrier of a driver between saying that it wants
	 * interrupts and looking for used entries once more. [2.7.14, 2.8.22]
	 */
	ring_full_barrier();
	return q->ops->wants_interrupt(q, fresh);
}

bool virtq_enable_notify(struct virtq *q)
{
	if (!q->enabled || q->broken)
		return false;
	q->notify_off = false;
	q->ops->enable_notify(q);
	/*
	 * Our wish, then what is available. Pairs with the driver's barrier between making available and looking at our
	 * wish [2.7.13.4.1, 2.8.21.2.1]: one of the two sees the other, so no kick is lost.
	 */
	ring_full_barrier();
	return !q->ops->empty(q);
}

void virtq_disable_notify(struct virtq *q)
{
	if (!q->enabled || q->broken || q->notify_off)
		return;
	q->notify_off = true;
	q->ops->disable_notify(q);
}

bool virtq_empty(struct virtq *q)
{
	return !q->enabled || q->broken || q->ops->empty(q);
}

/* --- served by others --- */

struct virtq_place virtq_lend(const struct virtq *q)
{
	assert(q->enabled && !q->cfg.packed && !q->inflight_cnt);
	return (struct virtq_place){
		.desc = (uintptr_t)q->desc, .driver = (uintptr_t)q->driver, .device = (uintptr_t)q->device,
		.size = q->cfg.size, .next = q->last_avail,
	};
}

void virtq_return(struct virtq *q, u16 next)
{
	assert(q->enabled && !q->cfg.packed && !q->cfg.in_order && !q->inflight_cnt);
	q->last_avail = q->used_idx = q->avail_seen = next;
	q->unsignalled = 0;	/* they told the driver */
	q->notify_off = false;
}

/* --- state --- */

void virtq_save(const struct virtq *q, struct state_writer *w)
{
	assert(q->enabled && !q->inflight_cnt);
	state_put_u8(w, q->broken);
	state_put_u8(w, q->notify_off);
	state_put_u16(w, q->last_avail);
	state_put_u8(w, q->avail_wrap);
	state_put_u16(w, q->next_head);
	state_put_u32(w, q->unsignalled);
}

int virtq_load(struct virtq *q, struct state_reader *r)
{
	struct virtq n = *q;
	u8 broken = state_get_u8(r), notify_off = state_get_u8(r), wrap;

	n.last_avail = n.used_idx = n.avail_seen = state_get_u16(r);	/* nothing is in flight */
	wrap = state_get_u8(r);
	n.next_head = state_get_u16(r);
	n.unsignalled = state_get_u32_max(r, UNSIGNALLED_MAX);
	n.broken = broken;
	n.notify_off = notify_off;
	n.avail_wrap = n.used_wrap = wrap;
	if (r->error || broken > 1 || notify_off > 1 || wrap > 1 || !q->enabled || q->inflight_cnt ||
	    !n.ops->positions_valid(&n)) {
		state_fail(r);
		return -EBADMSG;
	}
	n.busy = n.held_first = n.held_cnt = 0;
	*q = n;
	return 0;
}
