/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The block device with two queues under a hostile driver, before a disk that is memory, and completes late, in the order the input says,
 * and with errors. [virtio-1.2 5.2]
 *
 * Where the device waits for its thread to complete what is in flight, there is none: the disk completes all of it there and then. A request
 * that is lost would leave the device waiting for ever: that is found at once.
 *
 * links: util/iov.c virtio/blk-request.c
 * links: util/json.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/mmio.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include <pthread.h>

static void wait_idle(pthread_mutex_t *lock);

#define pthread_cond_wait(cond, lock) wait_idle(lock)
#include "virtio/blk.c"
#undef pthread_cond_wait

/* blk.c has one of this name */
#define take take_number
#include "tests/fuzz/virtio.h"

/* --- the disk --- */

enum { SECTORS = 64, SIZE = SECTORS * 512, HELD = 2 * BLK_POOL };

struct disk {
	bool readonly, poor;
	struct event_loop *loop;
	void (*batch_done)(void *arg);
	void *arg;
	struct disk_req *held[HELD];
	unsigned int nr, committed;
	u8 fails[5];			/* requests of each kind to come */
	u8 platter[SIZE];
};

static struct disk fake;

u64 disk_size(const struct disk *d) { return SIZE; }
u32 disk_block_size(const struct disk *d) { return 512; }
u32 disk_physical_block_size(const struct disk *d) { return 4096; }
bool disk_readonly(const struct disk *d) { return d->readonly; }
bool disk_can_discard(const struct disk *d) { return !d->readonly && !d->poor; }
bool disk_can_write_zeroes(const struct disk *d) { return !d->readonly && !d->poor; }
const char *disk_path(const struct disk *d) { return "fake"; }
void disk_serial(const struct disk *d, char serial[20]) { memcpy(serial, "serial-0123456789ab!", 20); }
void disk_close(struct disk *d) { MUST(!d->nr && !d->loop); }
int disk_prepare(struct disk *d, struct error *err) { return 0; }
void disk_drain(struct disk *d) { MUST(!d->nr); }
void disk_commit(struct disk *d) { d->committed = d->nr; }

int disk_attach(struct disk *d, struct event_loop *loop, void (*batch_done)(void *arg), void *arg)
{
	MUST(!d->loop && !d->nr);
	d->loop = loop;
	d->batch_done = batch_done;
	d->arg = arg;
	return 0;
}

void disk_detach(struct disk *d)
{
	MUST(!d->nr);
	d->loop = NULL;
}

void disk_submit(struct disk *d, struct disk_req *req)
{
	MUST(d->loop && d->nr < HELD);
	d->held[d->nr++] = req;
}

static int carry_out(struct disk *d, struct disk_req *req)
{
	static const int errors[] = { -EIO, -ENOSPC, -EOPNOTSUPP, -ETIMEDOUT };
	int r = 0;

	MUST(req->op == DISK_FLUSH || (req->off <= SIZE && req->len <= SIZE - req->off));
	MUST(!d->readonly || req->op == DISK_READ || req->op == DISK_FLUSH);
	req->done_len = req->op == DISK_READ ? req->len / 2 : 0;
	if (d->fails[req->op])
		return errors[--d->fails[req->op] & 3];
	switch (req->op) {
	case DISK_READ:
		req->done_len = iov_from_buf(req->iov, req->iovcnt, 0, d->platter + req->off, req->len);
		MUST(req->done_len == req->len);
		break;
	case DISK_WRITE:
		MUST(iov_to_buf(req->iov, req->iovcnt, 0, d->platter + req->off, req->len) == req->len);
		break;
	case DISK_DISCARD:
	case DISK_WRITE_ZEROES:
		memset(d->platter + req->off, 0, req->len);
		break;
	case DISK_FLUSH:
		break;
	}
	return r;
}

/* One of those that were sent out. */
static void finish(unsigned int i)
{
	struct disk_req *req = fake.held[i];

	memmove(fake.held + i, fake.held + i + 1, (fake.nr - i - 1) * sizeof(*fake.held));
	fake.nr--;
	fake.committed--;
	req->done(req, carry_out(&fake, req));
}

static void finish_all(void)
{
	while (fake.committed) {
		while (fake.committed)
			finish(fake.committed - 1);
		fake.batch_done(fake.arg);
	}
}

/* What the disk's thread would do meanwhile. */
static void wait_idle(pthread_mutex_t *lock)
{
	MUST(fake.committed);		/* nobody would ever end the wait */
	pthread_mutex_unlock(lock);
	finish_all();
	pthread_mutex_lock(lock);
}

/* --- the target --- */

static void target_create(struct input *in)
{
	unsigned int how = (unsigned int)take(in, 1);

	memset(&fake, 0, sizeof(fake));
	fake.readonly = (how & 7) == 7;
	fake.poor = (how & 0x38) == 0x38;
	MUST(!virtio_blk_create(vm, &fake, how & 0x40 ? 1 : 2, how & 0x80, NULL));
	vdev = newest();
	to_blk(vdev)->loop = vm->loop;
}

/* Discard and write-zeroes: segments. [5.2.6] */
static u32 segments(struct input *in, u8 *p)
{
	u32 nr = (u32)take(in, 1), i;

	nr = nr & 0x80 ? nr & 31 : nr & 3;
	for (i = 0; i < nr; i++, p += 16) {
		put_le64(p, take(in, 1));
		put_le32(p + 8, (u32)take(in, 1));
		put_le32(p + 12, (u32)take(in, 1) & 3);
	}
	return 16 * nr;
}

static void target_request(struct input *in, unsigned int q)
{
	static const u8 types[] = { BLK_T_IN, BLK_T_OUT, BLK_T_FLUSH, BLK_T_GET_ID, BLK_T_DISCARD, BLK_T_WRITE_ZEROES };
	static u8 buf[BLK_HEADER_SIZE + SIZE + 0x200];
	unsigned int how = (unsigned int)take(in, 1), sector = (unsigned int)take(in, 1);
	u32 type = (how & 7) < ARRAY_SIZE(types) ? types[how & 7] : how >> 3, out = 0, room = 0;
	u32 data = how & 0x80 ? (u32)take(in, 2) & 0x7fff : (how >> 3 & 7) * 512;

	put_le32(buf, type);
	put_le32(buf + 4, 0);
	put_le64(buf + 8, sector < 0xf0 ? sector : ~0ULL << (sector & 15) * 4);
	switch (type) {
	case BLK_T_IN:
		room = data;
		break;
	case BLK_T_GET_ID:
		room = how & 0x80 ? data & 31 : BLK_ID_SIZE;
		break;
	case BLK_T_OUT:
		out = data;
		break;
	case BLK_T_DISCARD:
	case BLK_T_WRITE_ZEROES:
		out = segments(in, buf + BLK_HEADER_SIZE) + (how & 0x80 ? data & 15 : 0);
		break;
	}
	target_offer(in, q, buf, BLK_HEADER_SIZE + out, room + 1);
}

static void target_event(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1), n;

	switch (op & 3) {
	case 0:
	case 1:
		for (n = (op >> 4) + 1; n && fake.committed; n--)
			finish((unsigned int)take(in, 1) % fake.committed);
		if (fake.loop)
			fake.batch_done(fake.arg);
		break;
	case 2:
		finish_all();
		break;
	case 3:
		fake.fails[op / 4 % 5] = (u8)take(in, 1) & 7;
		break;
	}
}

static void target_willing(void)
{
	finish_all();
}

static bool target_completes(unsigned int q)
{
	return q < to_blk(vdev)->nr_queues;
}

/* Reads a sector. */
static bool target_serves(void)
{
	u8 header[BLK_HEADER_SIZE] = { BLK_T_IN };
	gpa_t in = place_in(513);
	struct piece p[2] = { { place_out(header, sizeof(header)), sizeof(header), false }, { in, 513, true } };

	memset(fake.fails, 0, sizeof(fake.fails));
	fake.platter[511] = 0x5a;
	put_le32(ram(in + 509), ~0U);
	queue_add(&queue[0], p, 2, false);
	kick(0);
	turn();
	finish_all();
	reap();
	return queue[0].completed == 1 && queue[0].len == 513 && *(u8 *)ram(in + 511) == 0x5a && *(u8 *)ram(in + 512) == BLK_S_OK;
}

static void target_free(void)
{
	to_blk(vdev)->loop = NULL;
}
