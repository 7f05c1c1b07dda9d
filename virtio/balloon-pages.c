// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon's pages: inflate and deflate lists [virtio-1.2 5.5.6], and reports of free pages [5.5.6.7].
 *
 * A chain may hold or name up to 4 GiB, and giving memory back costs host time by the page and by the call. So work is
 * counted, and a handler that has done RUN_COST of it leaves the loop to others and comes back; the chain stays in hand between runs.
 * The pages of a chain are ours until it is acknowledged, and nothing is discarded afterwards.
 *
 * Threads: the main loop's.
 */
#include <errno.h>
#include <string.h>

#include "virtio/balloon.h"

enum {
	RUN_COST = 8192,	/* of one handler's run; one is about a page given back */
	CHAIN_COST = 16, DISCARD_COST = 8,	/* beside the pages */
	BATCH = 512,		/* page numbers copied at a time */
};
#define REPORT_STEP (4 * MIB)

/* What guest_discard() gave. */
static void discarded(struct virtio_balloon *b, int r, u64 done)
{
	b->discarded_bytes += done;
	if (r == -EBUSY) {
		if (!b->pinned_told)
			log_info(b->vdev.name, "guest memory is in use by a device of the host: none of it is given back");
		b->pinned_told = true;
		return;
	}
	b->pinned_told = false;
	if (r < 0)
		log_ratelimited(&b->rate, LOG_WARNING, b->vdev.name, "cannot give memory back: %s", strerror(-r));
}

/* --- inflate --- */

static int discard_run(struct virtio_balloon *b, u64 first, u64 nr)
{
	u64 done;
	int r;

	if (!nr)
		return 0;
	r = guest_discard(&b->vdev.vm->mem, balloon_bytes(first), balloon_bytes(nr), &done);
	discarded(b, r, done);
	return DISCARD_COST + (int)nr;
}

/* Neighbours go together, whether the list runs upwards or downwards. Gives the cost. */
static int inflate_batch(struct virtio_balloon *b, const u8 *list, unsigned int nr)
{
	u64 first = 0, len = 0, pfn;
	unsigned int i;
	int cost = 0;

	for (i = 0; i < nr; i++) {
		pfn = get_le32(list + 4U * i);
		if (!guest_is_ram(&b->vdev.vm->mem, balloon_bytes(pfn), 1U << BALLOON_PFN_SHIFT)) {
			b->ignored++;
			cost++;
			log_ratelimited(&b->rate, LOG_DEBUG, b->vdev.name, "page %#llx for the balloon is not RAM",
					(unsigned long long)pfn);
			continue;
		}
		b->inflated++;
		if (len && pfn == first + len) {
			len++;
		} else if (len && pfn + 1 == first) {
			first--;
			len++;
		} else {
			cost += discard_run(b, first, len);
			first = pfn;
			len = 1;
		}
	}
	return cost + discard_run(b, first, len);
}

/* Takes the next page numbers off the chain. Gives whether that was the end of it; what is left below four bytes is none. */
static bool inflate_step(struct virtio_balloon *b, struct balloon_job *j, int *left)
{
	u8 list[BATCH * 4];
	size_t n = iov_to_buf(j->piece, j->pieces, 0, list, sizeof(list));

	/* [5.5.6] 4 KiB each */
	*left -= inflate_batch(b, list, (unsigned int)(n / 4));
	if (n < sizeof(list))
		return true;
	j->pieces = iov_skip(j->piece, j->pieces, n);
	return false;
}

/* --- free page reports --- */

/* May the content of reported pages change to zeroes? [5.5.6.7] */
static bool zeroes_will_do(struct virtio_balloon *b)
{
	bool yes;

	pthread_mutex_lock(&b->lock);
	yes = !virtio_has(&b->vdev, BALLOON_F_PAGE_POISON) || !b->poison;
	pthread_mutex_unlock(&b->lock);
	return yes;
}

static bool report_step(struct virtio_balloon *b, struct balloon_job *j, int *left)
{
	const struct guest_mem *gm = &b->vdev.vm->mem;
	u64 step = MAX(REPORT_STEP, gm->host_page), at, done;
	struct iovec part;
	int r;

	if (!j->pieces)
		return true;
	/* Steps end at multiples of their size, so that none cuts a page of the host's in two. */
	at = (uintptr_t)j->piece->iov_base;
	part = *j->piece;
	part.iov_len = MIN((u64)part.iov_len, align_up(at + 1, step) - at);
	b->reported_bytes += part.iov_len;
	if (zeroes_will_do(b)) {
		r = guest_discard_piece(gm, &part, &done);
		discarded(b, r, done);
		*left -= gm->host_page ? (int)(done / gm->host_page) : 0;
	}
	*left -= DISCARD_COST;
	j->pieces = iov_skip(j->piece, j->pieces, part.iov_len);
	return !j->pieces;
}

/* --- both --- */

static bool next_chain(struct virtio_balloon *b, unsigned int queue, bool in, int *left)
{
	struct balloon_job *j = &b->job[queue];

	if (j->active)
		return true;
	j->c = (struct virtq_chain){ .iov = j->iov, .room = BALLOON_IOV };
	if (virtq_pop(virtio_queue(&b->vdev, queue), &j->c) <= 0)
		return false;
	*left -= CHAIN_COST;
	/* Buffers of the other direction are the driver's mistake, and ignored. */
	j->piece = in ? j->iov + j->c.out_cnt : j->iov;
	j->pieces = in ? j->c.in_cnt : j->c.out_cnt;
	j->active = true;
	return true;
}

static void serve(struct virtio_balloon *b, unsigned int queue, bool in,
		  bool (*step)(struct virtio_balloon *b, struct balloon_job *j, int *left))
{
	struct virtq *q = virtio_queue(&b->vdev, queue);
	struct balloon_job *j = &b->job[queue];
	int left = RUN_COST;

	do {
		virtq_disable_notify(q);
		while (left > 0 && next_chain(b, queue, in, &left)) {
			if (!step(b, j, &left))
				continue;
			virtq_push(q, &j->c, 0);
			j->active = false;
		}
	} while (left > 0 && virtq_enable_notify(q));
	virtio_queue_interrupt(&b->vdev, queue);
	if (left <= 0)
		virtio_queue_kick(&b->vdev, queue);	/* goes on when the loop comes round */
}

void balloon_inflate_notify(struct virtio_balloon *b, unsigned int queue)
{
	serve(b, queue, false, inflate_step);
}

void balloon_report_notify(struct virtio_balloon *b, unsigned int queue)
{
	serve(b, queue, true, report_step);
}

/* --- deflate: the pages come back when they are touched --- */

static bool deflate_step(struct virtio_balloon *b, struct balloon_job *j, int *left)
{
	b->deflated += j->c.out_len / 4;
	return true;
}

void balloon_deflate_notify(struct virtio_balloon *b, unsigned int queue)
{
	serve(b, queue, false, deflate_step);
}
