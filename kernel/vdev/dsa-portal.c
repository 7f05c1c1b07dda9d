// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev, personality "dsa": the work queue. Its portals are memory that the guest may write at
 * any time without our knowing (include/uapi/lkvm/dsa.h), so a thread looks at them while the queue
 * is enabled. A descriptor is copied, then judged; its data goes page by page, so that a fault has
 * an address.
 *
 * Operations: no-op, batch, drain, move, fill, compare, compare with a pattern, dualcast, CRC
 * (32C), copy with CRC, cache flush. Left out: delta records, DIF, everything by which a
 * descriptor's flags ask for another treatment of caches or orders of writes: all are in order.
 *
 * Threads: the one here, and writers of the command register. Everything is under the device's
 * lock, which is dropped between descriptors.
 */
#include <linux/crc32.h>
#include <linux/delay.h>
#include <linux/idxd.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#include "dsa.h"

enum { SLOTS = LKVM_DSA_PORTAL_SIZE / LKVM_DSA_SLOT_SIZE, PAGE = 4096 };
enum { IDLE_ROUNDS = 1000 };	/* looks at empty portals, until the thread sleeps for longer between them */

/* Flags that change what a descriptor means, and which the operations here do not know */
enum { REFUSED_FLAGS = IDXD_OP_FLAG_BOF | 0xff0000 };

struct result {
	u8 status, result;
	u32 done;
	u64 fault, crc;
};

static_assert(sizeof(struct dsa_hw_desc) == LKVM_DSA_SLOT_SIZE);
static_assert(sizeof(struct dsa_completion_record) == 32);

u64 dsa_opcap(void)
{
	return BIT_ULL(DSA_OPCODE_NOOP) | BIT_ULL(DSA_OPCODE_BATCH) | BIT_ULL(DSA_OPCODE_DRAIN) |
	       BIT_ULL(DSA_OPCODE_MEMMOVE) | BIT_ULL(DSA_OPCODE_MEMFILL) |
	       BIT_ULL(DSA_OPCODE_COMPARE) | BIT_ULL(DSA_OPCODE_COMPVAL) | BIT_ULL(DSA_OPCODE_DUALCAST) |
	       BIT_ULL(DSA_OPCODE_CRCGEN) | BIT_ULL(DSA_OPCODE_COPY_CRC) | BIT_ULL(DSA_OPCODE_CFLUSH);
}

/* --- data --- */

/* @len bytes at @addr, within a page. On a fault @r tells of it. */
static bool dma(struct dsa *d, u64 addr, void *buf, size_t len, bool write, struct result *r)
{
	if (!vdev_dma_rw(d->v, addr, buf, len, write))
		return true;
	r->status = DSA_COMP_PAGE_FAULT_NOBOF | (write ? DSA_COMP_STATUS_WRITE : 0);
	r->fault = addr & ~(u64)(PAGE - 1);
	return false;
}

/* How much can be done in one piece from @done on, where each of two addresses stays in its page */
static size_t piece(u64 a, u64 b, u64 left)
{
	return min3(left, PAGE - (a & (PAGE - 1)), PAGE - (b & (PAGE - 1)));
}

/* As piece(), backwards: before these addresses */
static size_t piece_before(u64 a, u64 b, u64 left)
{
	return min3(left, ((a - 1) & (PAGE - 1)) + 1, ((b - 1) & (PAGE - 1)) + 1);
}

static void copy_up(struct dsa *d, u64 src, u64 dst, u32 size, u32 *crc, struct result *r)
{
	while (r->done < size) {
		size_t n = piece(src + r->done, dst + r->done, size - r->done);

		if (!dma(d, src + r->done, d->buf, n, false, r) || !dma(d, dst + r->done, d->buf, n, true, r))
			return;
		if (crc)
			*crc = __crc32c_le(*crc, d->buf, n);
		r->done += n;
	}
}

/* For a destination that overlaps the source from above. Bytes done are those at the end then. */
static void copy_down(struct dsa *d, u64 src, u64 dst, u32 size, struct result *r)
{
	while (r->done < size) {
		u32 left = size - r->done;
		size_t n = piece_before(src + left, dst + left, left);

		if (!dma(d, src + left - n, d->buf, n, false, r) || !dma(d, dst + left - n, d->buf, n, true, r)) {
			r->result = 1;	/* the direction */
			return;
		}
		r->done += n;
	}
}

static void fill(struct dsa *d, const struct dsa_hw_desc *desc, struct result *r)
{
	while (r->done < desc->xfer_size) {
		size_t n = piece(desc->dst_addr + r->done, desc->dst_addr + r->done, desc->xfer_size - r->done);

		for (size_t i = 0; i < n; i++)
			d->buf[i] = desc->pattern >> (8 * ((r->done + i) & 7));
		if (!dma(d, desc->dst_addr + r->done, d->buf, n, true, r))
			return;
		r->done += n;
	}
}

/*
 * With another buffer, or with a pattern of 8 bytes. The result is whether they differ; bytes done
 * are those that do not.
 */
static void compare(struct dsa *d, const struct dsa_hw_desc *desc, struct result *r)
{
	u8 *other = d->buf + PAGE;

	while (r->done < desc->xfer_size) {
		u64 a = desc->src_addr + r->done, b = desc->opcode == DSA_OPCODE_COMPARE ? desc->src2_addr + r->done : a;
		size_t n = piece(a, b, desc->xfer_size - r->done);

		if (!dma(d, a, d->buf, n, false, r))
			return;
		if (desc->opcode == DSA_OPCODE_COMPARE) {
			if (!dma(d, b, other, n, false, r))
				return;
		} else {
			for (size_t i = 0; i < n; i++)
				other[i] = desc->comp_pattern >> (8 * ((r->done + i) & 7));
		}
		for (size_t i = 0; i < n; i++, r->done++) {
			if (d->buf[i] != other[i]) {
				r->result = 1;
				return;
			}
		}
	}
}

static void crc(struct dsa *d, const struct dsa_hw_desc *desc, struct result *r)
{
	u32 sum = ~desc->crc_seed;

	if (desc->opcode == DSA_OPCODE_COPY_CRC) {
		copy_up(d, desc->src_addr, desc->dst_addr, desc->xfer_size, &sum, r);
	} else {
		while (r->done < desc->xfer_size) {
			size_t n = piece(desc->src_addr + r->done, desc->src_addr + r->done, desc->xfer_size - r->done);

			if (!dma(d, desc->src_addr + r->done, d->buf, n, false, r))
				return;
			sum = __crc32c_le(sum, d->buf, n);
			r->done += n;
		}
	}
	r->crc = (u32)~sum;
}

static void move(struct dsa *d, const struct dsa_hw_desc *desc, struct result *r)
{
	if (desc->dst_addr - desc->src_addr < desc->xfer_size)
		copy_down(d, desc->src_addr, desc->dst_addr, desc->xfer_size, r);
	else
		copy_up(d, desc->src_addr, desc->dst_addr, desc->xfer_size, NULL, r);
}

static void dualcast(struct dsa *d, const struct dsa_hw_desc *desc, struct result *r)
{
	if ((desc->dst_addr ^ desc->dest2) & (PAGE - 1)) {
		r->status = DSA_COMP_DCAST_ERR;
		return;
	}
	while (r->done < desc->xfer_size) {
		size_t n = piece(desc->src_addr + r->done, desc->dst_addr + r->done, desc->xfer_size - r->done);

		if (!dma(d, desc->src_addr + r->done, d->buf, n, false, r) ||
		    !dma(d, desc->dst_addr + r->done, d->buf, n, true, r) ||
		    !dma(d, desc->dest2 + r->done, d->buf, n, true, r))
			return;
		r->done += n;
	}
}

static bool wraps(u64 addr, u32 size)
{
	return addr + size < addr;
}

/* --- descriptors --- */

static void batch(struct dsa *d, const struct dsa_hw_desc *desc, struct result *r);

static u8 check(const struct dsa_hw_desc *desc, bool batched)
{
	if (desc->opcode >= 64 || !(dsa_opcap() & BIT_ULL(desc->opcode)) ||
	    (batched && desc->opcode == DSA_OPCODE_BATCH))
		return DSA_COMP_BAD_OPCODE;
	if (desc->flags & REFUSED_FLAGS)
		return DSA_COMP_INVALID_FLAGS;
	if ((desc->rsvd & ~(LKVM_DSA_VALID >> 20)) || desc->rsvd1)
		return DSA_COMP_NOZERO_RESERVE;
	if ((desc->flags & IDXD_OP_FLAG_RCI) && desc->int_handle != DSA_INT_HANDLE)
		return DSA_COMP_INT_HANDLE_INVAL;
	switch (desc->opcode) {
	case DSA_OPCODE_NOOP:
	case DSA_OPCODE_DRAIN:
	case DSA_OPCODE_CFLUSH:
		return 0;
	case DSA_OPCODE_BATCH:
		if (desc->desc_list_addr % LKVM_DSA_SLOT_SIZE)
			return DSA_COMP_DESCLIST_ALIGN;
		return desc->desc_count < 2 || desc->desc_count > 1 << DSA_BATCH_SHIFT ? DSA_COMP_DESC_CNT_ERANGE : 0;
	}
	/* Where others have an address, these have a pattern, or nothing. */
	if (!desc->xfer_size || desc->xfer_size > 1 << DSA_XFER_SHIFT ||
	    (desc->opcode != DSA_OPCODE_MEMFILL && wraps(desc->src_addr, desc->xfer_size)) ||
	    (desc->opcode != DSA_OPCODE_COMPVAL && desc->opcode != DSA_OPCODE_CRCGEN && wraps(desc->dst_addr, desc->xfer_size)))
		return DSA_COMP_XFER_ERANGE;
	return 0;
}

static void operate(struct dsa *d, const struct dsa_hw_desc *desc, struct result *r)
{
	switch (desc->opcode) {
	case DSA_OPCODE_BATCH:
		batch(d, desc, r);
		break;
	case DSA_OPCODE_MEMMOVE:
		move(d, desc, r);
		break;
	case DSA_OPCODE_MEMFILL:
		fill(d, desc, r);
		break;
	case DSA_OPCODE_COMPARE:
	case DSA_OPCODE_COMPVAL:
		compare(d, desc, r);
		break;
	case DSA_OPCODE_DUALCAST:
		dualcast(d, desc, r);
		break;
	case DSA_OPCODE_CRCGEN:
	case DSA_OPCODE_COPY_CRC:
		crc(d, desc, r);
		break;
	}	/* the others: what came before is done, and no cache is behind */
}

/*
 * The record's first 8 bytes, which say that it is there, are written last and at once. False: it
 * cannot be written.
 */
static bool write_record(struct dsa *d, const struct dsa_hw_desc *desc, const struct result *r)
{
	struct dsa_completion_record record = {
		.result = r->result,
		.bytes_completed = r->done,
		.fault_addr = r->fault,
		.crc_val = r->crc,
	};
	u64 addr = desc->completion_addr;

	record.status = r->status;
	return !vdev_dma_rw(d->v, addr + 8, (u8 *)&record + 8, sizeof(record) - 8, true) &&
	       !vdev_dma_rw(d->v, addr, &record, 8, true);
}

/* False: it failed. */
static bool execute(struct dsa *d, const struct dsa_hw_desc *desc, bool batched)
{
	struct result r = { .status = check(desc, batched) };
	bool record = desc->flags & IDXD_OP_FLAG_CRAV, ok;

	if (!r.status)
		operate(d, desc, &r);
	if (!r.status)
		r.status = (desc->flags & IDXD_OP_FLAG_CR) && r.result != (desc->expected_res & 3)
				   ? DSA_COMP_SUCCESS_PRED
				   : DSA_COMP_SUCCESS;
	ok = r.status == DSA_COMP_SUCCESS;
	if (record && desc->completion_addr % 32)
		dsa_swerr(d, DSA_COMP_CRA_ALIGN, desc, desc->completion_addr);
	else if (record && ((desc->flags & IDXD_OP_FLAG_RCR) || !ok) && !write_record(d, desc, &r))
		dsa_swerr(d, DSA_COMP_CRA_XLAT, desc, desc->completion_addr);
	else if (!record && !ok)
		dsa_swerr(d, r.status, desc, r.fault);
	if ((desc->flags & IDXD_OP_FLAG_RCI) && desc->int_handle == DSA_INT_HANDLE)
		vdev_irq_send(d->v, desc->int_handle);
	return ok;
}

static void batch(struct dsa *d, const struct dsa_hw_desc *desc, struct result *r)
{
	struct dsa_hw_desc one;
	bool failed = false;

	for (; r->done < desc->desc_count; r->done++) {
		if (fatal_signal_pending(current)) {
			failed = true;
			break;
		}
		if (vdev_dma_rw(d->v, desc->desc_list_addr + r->done * sizeof(one), &one, sizeof(one), false)) {
			r->status = DSA_COMP_BATCH_PAGE_FAULT;
			r->fault = desc->desc_list_addr + r->done * sizeof(one);
			return;
		}
		/* Behind a fence nothing is done after a failure. */
		if (failed && (one.flags & IDXD_OP_FLAG_FENCE))
			break;
		failed |= !execute(d, &one, true);
	}
	if (failed)
		r->status = DSA_COMP_BATCH_FAIL;
}

/* --- portals --- */

static u64 *slot(struct dsa *d, unsigned int portal, unsigned int n)
{
	return d->v->bar[DSA_PORTAL_BAR].mem + portal * LKVM_DSA_PORTAL_SIZE + n * LKVM_DSA_SLOT_SIZE;
}

/* The next descriptor of a portal, if there is one. */
static bool take(struct dsa *d, unsigned int portal, struct dsa_hw_desc *desc)
{
	for (unsigned int n = 0; n < SLOTS; n++) {
		u64 *p = slot(d, portal, d->s.next[portal]), first = READ_ONCE(*p);

		d->s.next[portal] = (d->s.next[portal] + 1) % SLOTS;
		if (!first)
			continue;
		smp_rmb();	/* the guest writes these 8 bytes last */
		memcpy(desc, p, sizeof(*desc));
		memcpy(desc, &first, sizeof(first));
		smp_store_release(p, 0);
		return true;
	}
	return false;
}

/* One descriptor, of the portals in turn. False: there is none, or the device may not. */
static bool run_one(struct dsa *d)
{
	struct dsa_hw_desc desc;

	dsa_check_master(d);
	if (!d->s.wq_enabled || !d->v->running)
		return false;
	for (unsigned int n = 0; n < LKVM_DSA_PORTALS; n++) {
		d->turn = (d->turn + 1) % LKVM_DSA_PORTALS;
		if (take(d, d->turn, &desc)) {
			execute(d, &desc, false);
			return true;
		}
	}
	return false;
}

void dsa_portal_run(struct dsa *d)
{
	/* Not those that come meanwhile, too. All may be gigabytes: a vCPU that is killed meanwhile leaves the rest. */
	for (unsigned int n = 0; n < LKVM_DSA_PORTALS * SLOTS && !fatal_signal_pending(current) && run_one(d); n++)
		;
}

void dsa_portal_clear(struct dsa *d)
{
	memset(d->v->bar[DSA_PORTAL_BAR].mem, 0, LKVM_DSA_PORTALS * LKVM_DSA_PORTAL_SIZE);
}

static bool look(struct dsa *d)
{
	bool any;

	mutex_lock(&d->v->lock);
	any = run_one(d);
	mutex_unlock(&d->v->lock);
	return any;
}

static int poll_portals(void *data)
{
	struct dsa *d = data;
	unsigned int idle = 0;

	while (!kthread_should_stop()) {
		wait_event_interruptible(d->wait, kthread_should_stop() ||
						  (READ_ONCE(d->s.wq_enabled) && READ_ONCE(d->v->running)));
		if (look(d)) {
			idle = 0;
			cond_resched();
		} else if (idle < IDLE_ROUNDS) {
			idle++;
			usleep_range(20, 50);
		} else {
			usleep_range(500, 1000);
		}
	}
	return 0;
}

int dsa_portal_start(struct dsa *d)
{
	struct task_struct *thread = kthread_run(poll_portals, d, "%s-dsa", dev_name(d->v->dev));

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	d->thread = thread;
	return 0;
}

void dsa_portal_stop(struct dsa *d)
{
	if (d->thread)
		kthread_stop(d->thread);
}
