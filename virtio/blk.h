/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between blk.c, the device, and blk-request.c, which takes one request from its chain to its status byte.
 */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include <pthread.h>
#include <stdatomic.h>

#include "virtio/virtio.h"
#include "vmm/disk.h"

/* [virtio-1.2 5.2.3] */
enum {
	BLK_F_SEG_MAX = 2, BLK_F_RO = 5, BLK_F_BLK_SIZE = 6, BLK_F_FLUSH = 9, BLK_F_TOPOLOGY = 10, BLK_F_CONFIG_WCE = 11,
	BLK_F_MQ = 12, BLK_F_DISCARD = 13, BLK_F_WRITE_ZEROES = 14,
};

/* [5.2.6] */
enum {
	BLK_T_IN = 0, BLK_T_OUT = 1, BLK_T_FLUSH = 4, BLK_T_GET_ID = 8, BLK_T_DISCARD = 11, BLK_T_WRITE_ZEROES = 13,
};
enum { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };
enum { BLK_SEGMENT_UNMAP = 1 };

enum {
	BLK_QUEUE_SIZE = 256,
	BLK_SEG_MAX = BLK_QUEUE_SIZE - 2,	/* a chain as long as the ring: header, data, status */
	BLK_IOV = BLK_QUEUE_SIZE + 8,		/* pieces of one request; some room for RAM that is not in one range */
	BLK_POOL = 128,				/* requests in flight of one queue */
	BLK_SECTOR = 512,			/* the protocol's unit, whatever the disk's [5.2.6] */
	BLK_HEADER_SIZE = 16,
	BLK_ID_SIZE = 20,
	BLK_SEGMENTS = 16,			/* of one discard or write-zeroes request */
	BLK_DISCARD_SECTORS = 1 << 22,		/* of one segment */
	BLK_ZEROES_SECTORS = 1 << 17,		/* smaller: it may have to be written, and a reset waits for it */
};

/* struct virtio_blk_discard_write_zeroes [5.2.6], in host order once copied */
struct blk_segment {
	u64 off, len;		/* bytes */
	bool unmap;
};

struct blk_req {
	struct disk_req disk;
	struct blk_queue *q;
	struct blk_req *next;		/* free list */
	struct virtq_chain chain;
	u8 *status;			/* in guest memory: the last writable byte */
	u32 type;
	u64 written;			/* bytes of the writable part filled, from its start */
	u16 nr_segments, segment;	/* discard, write-zeroes: how many, and which is under way */
	bool flushing;			/* the write is done and is being made stable */
	struct blk_segment seg[BLK_SEGMENTS];
	struct iovec iov[BLK_IOV];
};

struct blk_queue {
	struct virtio_blk *blk;
	unsigned int index;

	/* loop's thread */
	struct blk_req *pool;		/* owned, BLK_POOL of them; memory is touched as they are used */
	unsigned int nr_used;		/* of the pool, so far; those behind were never used */
	struct blk_req *free;		/* of those before it, last used first */
	unsigned int completed;		/* pushed since the last blk_settle() */
	bool starved;			/* a chain may wait for a request to become free */

	_Atomic unsigned int inflight;	/* popped; their interrupt not yet considered */
};

/* Requests completed. The loop's thread counts, the main thread reads. */
enum blk_counter {
	BLK_C_READS, BLK_C_READ_BYTES, BLK_C_WRITES, BLK_C_WRITE_BYTES, BLK_C_FLUSHES, BLK_C_DISCARDS, BLK_C_ZEROES,
	BLK_C_OTHERS, BLK_C_FAILED, BLK_COUNTERS,
};

struct virtio_blk {
	struct virtio_dev vdev;
	struct disk *disk;		/* owned */
	bool writethrough;		/* how the write cache is at power on: off */
	_Atomic bool writeback;		/* the write cache is on. vCPU threads write it, the loop reads */
	struct event_loop *loop;	/* owned; NULL before the first start */
	struct blk_queue *queue;	/* owned, nr_queues of them */
	unsigned int nr_queues;
	struct log_rate rate, debug_rate;
	bool uncommitted;		/* loop's thread: something was submitted */
	_Atomic u64 counter[BLK_COUNTERS];

	pthread_mutex_t lock;		/* with idle: waiting for a queue's inflight to become 0 */
	pthread_cond_t idle;
};

static inline struct virtio_blk *to_blk(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_blk, vdev);
}

/* Begins a request whose chain was just popped. Completes it by blk_complete(), now or later. Loop's thread. */
void blk_request(struct blk_req *req);
/* Writes the status and pushes the chain; the request is free. Loop's thread. */
void blk_complete(struct blk_req *req, u8 status);

#endif
