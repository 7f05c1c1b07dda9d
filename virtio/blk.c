/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The block device: features, config space, queues. [virtio-1.2 5.2] What one request says and does is in blk-request.c.
 *
 * Left out on purpose: SIZE_MAX (no limit), GEOMETRY (nobody counts cylinders), LIFETIME, SECURE_ERASE, legacy SCSI and BARRIER.
 *
 * Invariants:
 * 1. Only queue_notify pops, so once the core took a queue's kick source off the loop nothing new begins on it. A queue that ran out
 *    of requests is kicked again, not popped from a completion.
 * 2. Every popped chain is one blk_req until blk_complete(), which is called once for it on every path.
 * 3. inflight counts a request until its interrupt was considered; queue_stop and stop wait for 0.
 * 4. One run of queue_notify takes at most BLK_POOL chains; a driver that never stops kicking does not keep the loop's thread from
 *    other queues, completions, or its own end.
 *
 * Threads: one event loop of the disk's own, made by prepare: queue_notify, done() and blk_settle() run on it. Config space,
 * start, stop and reset come with vdev->lock held, on vCPU threads or the main thread.
 */
#include "virtio/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "vmm/state.h"
#include "vmm/virtio.h"

/* struct virtio_blk_config [5.2.4] */
enum {
	CFG_CAPACITY = 0,
	CFG_SEG_MAX = 12,
	CFG_BLK_SIZE = 20,
	CFG_PHYSICAL_BLOCK_EXP = 24,
	CFG_MIN_IO_SIZE = 26,
	CFG_WRITEBACK = 32,
	CFG_NUM_QUEUES = 34,
	CFG_MAX_DISCARD_SECTORS = 36,
	CFG_MAX_DISCARD_SEG = 40,
	CFG_DISCARD_SECTOR_ALIGNMENT = 44,
	CFG_MAX_WRITE_ZEROES_SECTORS = 48,
	CFG_MAX_WRITE_ZEROES_SEG = 52,
	CFG_WRITE_ZEROES_MAY_UNMAP = 56,
	CFG_SIZE = 72,		/* with the fields of SECURE_ERASE, which are 0 */
};

static void blk_config_read(struct virtio_dev *vdev, unsigned int off, void *buf, unsigned int len)
{
	struct virtio_blk *blk = to_blk(vdev);
	u32 block = disk_block_size(blk->disk), ratio = disk_physical_block_size(blk->disk) / block;
	u8 cfg[CFG_SIZE] = { 0 };

	put_le64(cfg + CFG_CAPACITY, disk_size(blk->disk) / BLK_SECTOR);
	put_le32(cfg + CFG_SEG_MAX, BLK_SEG_MAX);
	put_le32(cfg + CFG_BLK_SIZE, block);
	cfg[CFG_PHYSICAL_BLOCK_EXP] = (u8)__builtin_ctz(ratio);
	put_le16(cfg + CFG_MIN_IO_SIZE, (u16)ratio);
	cfg[CFG_WRITEBACK] = atomic_load(&blk->writeback);
	put_le16(cfg + CFG_NUM_QUEUES, (u16)vdev->nr_queues);
	if (disk_can_discard(blk->disk)) {
		put_le32(cfg + CFG_MAX_DISCARD_SECTORS, BLK_DISCARD_SECTORS);
		put_le32(cfg + CFG_MAX_DISCARD_SEG, BLK_SEGMENTS);
		put_le32(cfg + CFG_DISCARD_SECTOR_ALIGNMENT, block * ratio / BLK_SECTOR);
	}
	if (disk_can_write_zeroes(blk->disk)) {
		put_le32(cfg + CFG_MAX_WRITE_ZEROES_SECTORS, BLK_ZEROES_SECTORS);
		put_le32(cfg + CFG_MAX_WRITE_ZEROES_SEG, BLK_SEGMENTS);
		cfg[CFG_WRITE_ZEROES_MAY_UNMAP] = disk_can_discard(blk->disk);
	}
	memcpy(buf, cfg + off, len);
}

static void blk_config_write(struct virtio_dev *vdev, unsigned int off, const void *buf, unsigned int len)
{
	/* [5.2.5] writeback is the one field the driver may write, and with CONFIG_WCE only. */
	if (virtio_has(vdev, BLK_F_CONFIG_WCE) && off <= CFG_WRITEBACK && len > CFG_WRITEBACK - off)
		atomic_store(&to_blk(vdev)->writeback, ((const u8 *)buf)[CFG_WRITEBACK - off] != 0);
}

static void blk_features_ok(struct virtio_dev *vdev)
{
	struct virtio_blk *blk = to_blk(vdev);

	/* [5.2.5.2, 5.2.6.2] A driver that cannot flush gets writes that are stable. */
	atomic_store(&blk->writeback, !blk->writethrough && virtio_has(vdev, BLK_F_FLUSH));
}

/* --- requests --- */

/* A free request of the queue, or NULL. */
static struct blk_req *get_request(struct blk_queue *q)
{
	struct blk_req *req = q->free;

	if (req) {
		q->free = req->next;
	} else if (q->nr_used < BLK_POOL) {
		req = &q->pool[q->nr_used++];
		req->q = q;
	}
	return req;
}

static void put_request(struct blk_req *req)
{
	req->next = req->q->free;
	req->q->free = req;
}

/* After a run of completions: interrupts, and whoever waits for the end. */
static void blk_settle(void *arg)
{
	struct virtio_blk *blk = arg;
	struct blk_queue *q;
	unsigned int n;

	if (blk->uncommitted) {		/* done() went on with another step */
		blk->uncommitted = false;
		disk_commit(blk->disk);
	}
	for (q = blk->queue; q < blk->queue + blk->nr_queues; q++) {
		n = q->completed;
		if (!n)
			continue;
		q->completed = 0;
		virtio_queue_interrupt(&blk->vdev, q->index);
		if (q->starved) {	/* (inv. 1) */
			q->starved = false;
			virtio_queue_kick(&blk->vdev, q->index);
		}
		if (atomic_fetch_sub(&q->inflight, n) == n) {	/* (inv. 3) */
			pthread_mutex_lock(&blk->lock);
			pthread_cond_broadcast(&blk->idle);
			pthread_mutex_unlock(&blk->lock);
		}
	}
}

/* Takes what is there, @room chains at most; gives how many. */
static unsigned int take(struct blk_queue *q, struct virtq *vq, unsigned int room)
{
	struct blk_req *req;
	unsigned int n;

	for (n = 0; n < room; n++) {
		req = get_request(q);
		if (!req) {
			q->starved = true;
			break;
		}
		req->chain = (struct virtq_chain){ .iov = req->iov, .room = BLK_IOV };
		if (virtq_pop(vq, &req->chain) <= 0) {
			put_request(req);
			break;
		}
		atomic_fetch_add(&q->inflight, 1);
		blk_request(req);
	}
	return n;
}

static void blk_notify(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_blk *blk = to_blk(vdev);
	struct blk_queue *q = &blk->queue[queue];
	struct virtq *vq = virtio_queue(vdev, queue);
	unsigned int n = 0;

	q->starved = false;
	do {
		virtq_disable_notify(vq);
		n += take(q, vq, BLK_POOL - n);
	} while (n < BLK_POOL && !q->starved && virtq_enable_notify(vq));
	if (n == BLK_POOL)		/* (inv. 4) */
		virtio_queue_kick(vdev, queue);
	blk_settle(blk);		/* also sends out what was submitted */
}

/* --- life --- */

static int blk_prepare(struct virtio_dev *vdev, struct error *err)
{
	struct virtio_blk *blk = to_blk(vdev);
	int r;

	r = disk_prepare(blk->disk, err);
	if (r < 0)
		return r;
	r = event_loop_create(vdev->name, &blk->loop);
	if (!r)
		r = event_loop_start_thread(blk->loop);
	return r < 0 ? error_set_errno(err, r, "disk '%s': its thread", disk_path(blk->disk)) : 0;
}

static int blk_start(struct virtio_dev *vdev)
{
	struct virtio_blk *blk = to_blk(vdev);
	unsigned int i;
	int r;

	for (i = 0; i < blk->nr_queues; i++) {
		if (!blk->queue[i].pool)
			blk->queue[i].pool = calloc(BLK_POOL, sizeof(struct blk_req));
		if (!blk->queue[i].pool)
			return -ENOMEM;
	}
	r = disk_attach(blk->disk, blk->loop, blk_settle, blk);
	if (r < 0)
		return r;
	vdev->loop = blk->loop;
	return 0;
}

static void blk_queue_stop(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_blk *blk = to_blk(vdev);

	pthread_mutex_lock(&blk->lock);
	while (atomic_load(&blk->queue[queue].inflight))
		pthread_cond_wait(&blk->idle, &blk->lock);
	pthread_mutex_unlock(&blk->lock);
}

static void blk_stop(struct virtio_dev *vdev)
{
	struct virtio_blk *blk = to_blk(vdev);
	unsigned int i;

	for (i = 0; i < blk->nr_queues; i++)
		blk_queue_stop(vdev, i);
	disk_drain(blk->disk);
	disk_detach(blk->disk);
}

static void blk_reset(struct virtio_dev *vdev)
{
	struct virtio_blk *blk = to_blk(vdev);

	atomic_store(&blk->writeback, !blk->writethrough);
}

static void blk_save(struct virtio_dev *vdev, struct state_writer *w)
{
	state_put_u8(w, atomic_load(&to_blk(vdev)->writeback));
}

static int blk_load(struct virtio_dev *vdev, struct state_reader *r)
{
	u8 writeback = state_get_u8(r);

	if (r->error || writeback > 1)
		return -EBADMSG;
	atomic_store(&to_blk(vdev)->writeback, writeback);
	return 0;
}

static void blk_stats(struct virtio_dev *vdev, struct strbuf *b)
{
	static const char *const name[BLK_COUNTERS] = {
		[BLK_C_READS] = "reads", [BLK_C_READ_BYTES] = "read_bytes", [BLK_C_WRITES] = "writes",
		[BLK_C_WRITE_BYTES] = "write_bytes", [BLK_C_FLUSHES] = "flushes", [BLK_C_DISCARDS] = "discards",
		[BLK_C_ZEROES] = "write_zeroes", [BLK_C_OTHERS] = "others", [BLK_C_FAILED] = "failed",
	};
	struct virtio_blk *blk = to_blk(vdev);
	unsigned int i, inflight = 0;

	for (i = 0; i < BLK_COUNTERS; i++)
		json_u64(b, name[i], counter_get(&blk->counter[i]));
	for (i = 0; i < blk->nr_queues; i++)
		inflight += atomic_load(&blk->queue[i].inflight);
	json_u64(b, "in_flight", inflight);
}

static void blk_free_all(struct virtio_blk *blk)
{
	unsigned int i;

	event_loop_free(blk->loop);
	for (i = 0; blk->queue && i < blk->nr_queues; i++)
		free(blk->queue[i].pool);
	free(blk->queue);
	pthread_cond_destroy(&blk->idle);
	pthread_mutex_destroy(&blk->lock);
	free(blk);
}

static void blk_free(struct virtio_dev *vdev)
{
	struct virtio_blk *blk = to_blk(vdev);
	struct disk *disk = blk->disk;

	blk_free_all(blk);
	disk_close(disk);
}

static const struct virtio_ops blk_ops = {
	.id = VIRTIO_ID_BLOCK,
	.pci_class = 0x018000,
	.legacy_pci_id = 0x1001,
	.prepare = blk_prepare,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.features_ok = blk_features_ok,
	.start = blk_start,
	.stop = blk_stop,
	.queue_stop = blk_queue_stop,
	.queue_notify = blk_notify,
	.reset = blk_reset,
	.save = blk_save,
	.load = blk_load,
	.stats = blk_stats,
	.free = blk_free,
};

static u64 features(const struct disk *disk, unsigned int queues)
{
	u64 f = BIT_ULL(BLK_F_SEG_MAX) | BIT_ULL(BLK_F_BLK_SIZE) | BIT_ULL(BLK_F_FLUSH) | BIT_ULL(BLK_F_TOPOLOGY);

	f |= disk_readonly(disk) ? BIT_ULL(BLK_F_RO) : BIT_ULL(BLK_F_CONFIG_WCE);
	if (queues > 1)
		f |= BIT_ULL(BLK_F_MQ);
	if (disk_can_discard(disk))
		f |= BIT_ULL(BLK_F_DISCARD);
	if (disk_can_write_zeroes(disk))
		f |= BIT_ULL(BLK_F_WRITE_ZEROES);
	return f;
}

/* How many of us the VM has. */
static unsigned int next_index(struct vm *vm)
{
	struct device *dev;
	unsigned int n = 0;

	list_for_each(dev, &vm->devices, node)
		n += !strncmp(dev->name, "virtio-blk", strlen("virtio-blk"));
	return n;
}

int virtio_blk_create(struct vm *vm, struct disk *disk, unsigned int queues, bool writethrough, struct error *err)
{
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	u16 sizes[VIRTIO_MAX_QUEUES];
	struct virtio_init init = {
		.ops = &blk_ops,
		.features = features(disk, queues),
		.config_size = CFG_SIZE,
		.nr_queues = queues,
		.queue_sizes = sizes,
		.in_order_ok = true,
		.index = next_index(vm),
		.kind = "blk",
	};
	unsigned int i;
	int r;

	if (!blk)
		return error_set_errno(err, -ENOMEM, "virtio-blk");
	pthread_mutex_init(&blk->lock, NULL);
	pthread_cond_init(&blk->idle, NULL);
	blk->nr_queues = queues;
	blk->queue = calloc(queues, sizeof(*blk->queue));
	if (!blk->queue) {
		r = error_set_errno(err, -ENOMEM, "virtio-blk");
		goto free_blk;
	}
	for (i = 0; i < queues; i++) {
		sizes[i] = BLK_QUEUE_SIZE;
		blk->queue[i].blk = blk;
		blk->queue[i].index = i;
	}
	blk->disk = disk;
	blk->writethrough = writethrough;
	atomic_init(&blk->writeback, !writethrough);
	r = virtio_dev_create(vm, &blk->vdev, &init, err);
	if (r < 0)
		goto free_blk;
	return 0;

free_blk:
	blk_free_all(blk);
	return r;
}
