/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the balloon device: balloon.c is the device and what the user asks of it, balloon-pages.c the queues of pages,
 * balloon-stats.c the queue of statistics.
 */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include "virtio/virtio.h"

/* [virtio-1.2 5.5.3] */
enum {
	BALLOON_F_STATS_VQ = 1, BALLOON_F_DEFLATE_ON_OOM = 2, BALLOON_F_PAGE_POISON = 4, BALLOON_F_REPORTING = 5,
};

enum {
	BALLOON_STATS_QUEUE = 2, BALLOON_QUEUES = 5, BALLOON_QUEUE_SIZE = 128,	/* Linux wants at least 32 for reporting */
	BALLOON_IOV = BALLOON_QUEUE_SIZE + GUEST_RAM_RANGES,
	BALLOON_PFN_SHIFT = 12,		/* whatever size the guest's pages have [5.5.6] */
	BALLOON_STATS = 16,		/* tags we know */
};

enum balloon_role { BALLOON_NO_QUEUE, BALLOON_INFLATE, BALLOON_DEFLATE, BALLOON_STATISTICS, BALLOON_REPORT };

/* A chain in hand. One that takes long is gone on with in later runs; that of the statistics is held until new ones are wanted. */
struct balloon_job {
	bool active;
	struct virtq_chain c;
	struct iovec *piece;		/* what is left to do, in iov */
	unsigned int pieces;
	struct iovec iov[BALLOON_IOV];
};

struct virtio_balloon {
	struct virtio_dev vdev;
	struct balloon_job job[BALLOON_QUEUES];

	pthread_mutex_t lock;		/* guards all below but the counters; taken with vdev.lock held, and in handlers */
	bool running;			/* between start and stop: the driver may be told of a new target */
	bool untold;			/* the target changed in between */
	u32 num_pages;			/* the target. It is the user's: the guest's resets leave it */
	u8 config[16];			/* what the driver wrote, as it came */
	u32 actual, poison;		/* of that, what came whole */

	bool refresh;			/* new statistics are wanted */
	bool stats_old;			/* the buffer that comes next, or is held, holds nothing new */
	u32 stats_present;		/* bit n: tag n */
	u64 stats[BALLOON_STATS];
	u64 stats_seq, stats_ns;	/* how many came; when the last */

	bool pinned_told;
	/* Main thread. Pages of 4 KiB as the driver told; bytes as they went back to the host. */
	u64 inflated, deflated, ignored, reported_bytes, discarded_bytes;
	struct log_rate rate;
};

static inline struct virtio_balloon *to_balloon(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_balloon, vdev);
}

static inline u64 balloon_bytes(u64 pages)
{
	return pages << BALLOON_PFN_SHIFT;
}

/* What queue @queue is with the features that were negotiated. */
enum balloon_role balloon_role(const struct virtio_dev *vdev, unsigned int queue);

/* balloon-pages.c; loop's thread */
void balloon_inflate_notify(struct virtio_balloon *b, unsigned int queue);
void balloon_deflate_notify(struct virtio_balloon *b, unsigned int queue);
void balloon_report_notify(struct virtio_balloon *b, unsigned int queue);

/* balloon-stats.c; loop's thread, the last one main thread */
void balloon_stats_notify(struct virtio_balloon *b, unsigned int queue);
void balloon_stats_json(struct virtio_balloon *b, struct strbuf *s);

#endif
