/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A block request: header, command, range, status. [virtio-1.2 5.2.6]
 *
 * The driver may cut a request into descriptors as it likes [2.7.4]: the header is the first 16 readable bytes, the
 * status the last writable byte, data what is between them. Header and segments are copied once.
 *
 * Left out: SCSI passthrough, barrier (legacy), secure erase, lifetime: not offered, so UNSUPP.
 *
 * Threads: the disk's loop thread.
 */
#include <errno.h>
#include <string.h>

#include "virtio/blk.h"

#define refuse(blk, ...) log_ratelimited(&(blk)->debug_rate, LOG_DEBUG, (blk)->vdev.name, __VA_ARGS__)

static struct virtio_blk *blk_of(const struct blk_req *req)
{
	return req->q->blk;
}

static void count_request(struct blk_req *req, u8 status)
{
	_Atomic u64 *c = blk_of(req)->counter;

	if (status != BLK_S_OK) {
		counter_add(&c[BLK_C_FAILED], 1);
		return;
	}
	switch (req->type) {
	case BLK_T_IN:
		counter_add(&c[BLK_C_READS], 1);
		counter_add(&c[BLK_C_READ_BYTES], req->written);
		break;
	case BLK_T_OUT:
		counter_add(&c[BLK_C_WRITES], 1);
		counter_add(&c[BLK_C_WRITE_BYTES], req->disk.len);
		break;
	case BLK_T_FLUSH:
		counter_add(&c[BLK_C_FLUSHES], 1);
		break;
	case BLK_T_DISCARD:
		counter_add(&c[BLK_C_DISCARDS], 1);
		break;
	case BLK_T_WRITE_ZEROES:
		counter_add(&c[BLK_C_ZEROES], 1);
		break;
	default:
		counter_add(&c[BLK_C_OTHERS], 1);
	}
}

void blk_complete(struct blk_req *req, u8 status)
{
	struct blk_queue *q = req->q;

	count_request(req, status);
	if (req->status) {
		*req->status = status;
		/* [2.7.8.2] The driver is told of no byte behind one that was not written. */
		if (req->written == req->chain.in_len - 1)
			req->written++;
	}
	virtq_push(virtio_queue(&q->blk->vdev, q->index), &req->chain, (u32)req->written);
	q->completed++;
	req->next = q->free;
	q->free = req;
}

static void submit(struct blk_req *req, enum disk_op op)
{
	struct virtio_blk *blk = blk_of(req);

	req->disk.op = op;
	blk->uncommitted = true;
	disk_submit(blk->disk, &req->disk);
}

/* Are @len bytes from @sector on the disk? In the form that cannot wrap. */
static bool in_range(const struct virtio_blk *blk, u64 sector, u64 len)
{
	u64 size = disk_size(blk->disk);

	return sector <= size / BLK_SECTOR && len <= size - sector * BLK_SECTOR;
}

static void submit_segment(struct blk_req *req)
{
	const struct blk_segment *s = &req->seg[req->segment];

	req->disk.off = s->off;
	req->disk.len = s->len;
	req->disk.may_unmap = s->unmap;
	submit(req, req->type == BLK_T_DISCARD ? DISK_DISCARD : DISK_WRITE_ZEROES);
}

static u8 disk_status(struct blk_req *req, int res)
{
	static const char *const names[] = {
		[DISK_READ] = "read", [DISK_WRITE] = "write", [DISK_FLUSH] = "flush", [DISK_DISCARD] = "discard",
		[DISK_WRITE_ZEROES] = "write of zeroes",
	};
	struct virtio_blk *blk = blk_of(req);

	if (!res)
		return BLK_S_OK;
	if (res == -EOPNOTSUPP)
		return BLK_S_UNSUPP;
	log_ratelimited(&blk->rate, LOG_WARNING, blk->vdev.name, "disk '%s': %s of %llu bytes at %llu failed: %s",
			disk_path(blk->disk), names[req->disk.op], req->disk.op == DISK_FLUSH ? 0 : (unsigned long long)req->disk.len,
			req->disk.op == DISK_FLUSH ? 0 : (unsigned long long)req->disk.off, strerror(-res));
	return BLK_S_IOERR;
}

static void request_done(struct disk_req *disk, int res)
{
	struct blk_req *req = container_of(disk, struct blk_req, disk);
	u8 status = disk_status(req, res);

	if (req->type == BLK_T_IN)
		req->written = disk->done_len;
	if (status == BLK_S_OK && ++req->segment < req->nr_segments) {
		submit_segment(req);
		return;
	}
	/* [5.2.6.2] Without a write cache a write is stable when it completes. */
	if (status == BLK_S_OK && req->type != BLK_T_IN && req->type != BLK_T_FLUSH && !req->flushing &&
	    !atomic_load(&blk_of(req)->writeback)) {
		req->flushing = true;
		submit(req, DISK_FLUSH);
		return;
	}
	blk_complete(req, status);
}

/* READ and WRITE: the data are @cnt pieces at @iov, @len bytes. */
static void transfer(struct blk_req *req, u64 sector, struct iovec *iov, unsigned int cnt, u64 len)
{
	struct virtio_blk *blk = blk_of(req);

	if (len % BLK_SECTOR || !in_range(blk, sector, len)) {	/* [5.2.6.1] */
		refuse(blk, "%llu bytes at sector %llu of %llu", (unsigned long long)len, (unsigned long long)sector,
		       (unsigned long long)disk_size(blk->disk) / BLK_SECTOR);
		blk_complete(req, BLK_S_IOERR);
		return;
	}
	req->disk.off = sector * BLK_SECTOR;
	req->disk.len = len;
	req->disk.iov = iov;
	req->disk.iovcnt = cnt;
	submit(req, req->type == BLK_T_IN ? DISK_READ : DISK_WRITE);
}

/* Judges one segment. [5.2.6.2] */
static u8 take_segment(struct blk_req *req, const u8 raw[16], struct blk_segment *ret)
{
	u32 max = req->type == BLK_T_DISCARD ? BLK_DISCARD_SECTORS : BLK_ZEROES_SECTORS;
	u32 known = req->type == BLK_T_DISCARD ? 0 : BLK_SEGMENT_UNMAP;
	u64 sector = get_le64(raw);
	u32 count = get_le32(raw + 8), flags = get_le32(raw + 12);

	if (flags & ~known)
		return BLK_S_UNSUPP;
	if (count > max || !in_range(blk_of(req), sector, (u64)count * BLK_SECTOR))
		return BLK_S_IOERR;
	*ret = (struct blk_segment){ .off = sector * BLK_SECTOR, .len = (u64)count * BLK_SECTOR, .unmap = flags };
	return BLK_S_OK;
}

/* DISCARD and WRITE_ZEROES: all segments are judged before the first is carried out. */
static void segments(struct blk_req *req, const struct iovec *iov, unsigned int cnt, u64 len)
{
	unsigned int i, feature = req->type == BLK_T_DISCARD ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES;
	u8 raw[BLK_SEGMENTS][16], status = BLK_S_OK;

	if (!virtio_has(&blk_of(req)->vdev, feature))
		status = BLK_S_UNSUPP;
	else if (!len || len % sizeof(raw[0]) || len > sizeof(raw))
		status = BLK_S_IOERR;
	else
		iov_to_buf(iov, cnt, 0, raw, len);
	for (i = 0; status == BLK_S_OK && i < len / sizeof(raw[0]); i++)
		status = take_segment(req, raw[i], &req->seg[i]);
	if (status != BLK_S_OK) {
		refuse(blk_of(req), "request type %u, %llu bytes of segments: refused", req->type, (unsigned long long)len);
		blk_complete(req, status);
		return;
	}
	req->nr_segments = (u16)i;
	submit_segment(req);
}

static void get_id(struct blk_req *req, const struct iovec *iov, unsigned int cnt)
{
	char id[BLK_ID_SIZE];

	disk_serial(blk_of(req)->disk, id);
	req->written = iov_from_buf(iov, cnt, 0, id, sizeof(id));
	blk_complete(req, BLK_S_OK);
}

void blk_request(struct blk_req *req)
{
	struct virtio_blk *blk = blk_of(req);
	struct virtq_chain *c = &req->chain;
	struct iovec *in = c->iov + c->out_cnt, *last;
	unsigned int in_cnt = c->in_cnt, out_cnt;
	u8 header[BLK_HEADER_SIZE];
	u64 sector;

	req->disk.done = request_done;
	req->status = NULL;
	req->written = 0;
	req->nr_segments = req->segment = 0;
	req->flushing = false;
	if (!c->in_len) {
		virtq_break(virtio_queue(&blk->vdev, req->q->index), "request without a status byte");
		blk_complete(req, BLK_S_IOERR);
		return;
	}
	last = &in[in_cnt - 1];
	req->status = (u8 *)last->iov_base + --last->iov_len;
	if (!last->iov_len)
		in_cnt--;
	if (iov_to_buf(c->iov, c->out_cnt, 0, header, sizeof(header)) < sizeof(header)) {
		refuse(blk, "request with a header of %llu bytes", (unsigned long long)c->out_len);
		blk_complete(req, BLK_S_IOERR);
		return;
	}
	req->type = get_le32(header);
	sector = get_le64(header + 8);
	out_cnt = iov_skip(c->iov, c->out_cnt, sizeof(header));

	switch (req->type) {
	case BLK_T_IN:
		transfer(req, sector, in, in_cnt, c->in_len - 1);
		break;
	case BLK_T_FLUSH:
		submit(req, DISK_FLUSH);
		break;
	case BLK_T_GET_ID:
		get_id(req, in, in_cnt);
		break;
	case BLK_T_OUT:
	case BLK_T_DISCARD:
	case BLK_T_WRITE_ZEROES:
		if (disk_readonly(blk->disk))	/* [5.2.6.2] */
			blk_complete(req, BLK_S_IOERR);
		else if (req->type == BLK_T_OUT)
			transfer(req, sector, c->iov, out_cnt, c->out_len - sizeof(header));
		else
			segments(req, c->iov, out_cnt, c->out_len - sizeof(header));
		break;
	default:
		refuse(blk, "request of type %u", req->type);
		blk_complete(req, BLK_S_UNSUPP);
		break;
	}
}
