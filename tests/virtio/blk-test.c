/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The block device over the real core and ring, on a back end that is memory: it completes in any order, late, or with an error,
 * as a test wants. [virtio-1.2 5.2]
 * links: util/iov.c util/json.c virtio/blk.c virtio/blk-request.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/blk-rig.h"

enum { SIZE = 4 << 20, SECTORS = SIZE / 512 };

/* --- the back end --- */

struct disk {
	bool readonly, no_discard;
	u32 block, physical;
	struct event_loop *loop;
	void (*batch_done)(void *arg);
	void *arg;
	struct event_work work;
	bool freed;

	pthread_mutex_t lock;		/* guards the rest */
	pthread_cond_t idle;
	struct disk_req *sent, *submitted;	/* newest first: so completion is in reverse order */
	unsigned int inflight, nr_sent, count[5];
	bool hold;
	int fail_op, fail_with;		/* requests of this op end so */
	unsigned int fail_after;	/* after so many good ones */
	u64 partial;			/* a failed read has done so much */
	bool prepared;
	int unready;			/* -errno of disk_prepare() */
};

static struct disk fake;
static u8 *platter;

u64 disk_size(const struct disk *d) { return SIZE; }
u32 disk_block_size(const struct disk *d) { return d->block; }
u32 disk_physical_block_size(const struct disk *d) { return d->physical; }
bool disk_readonly(const struct disk *d) { return d->readonly; }
bool disk_can_discard(const struct disk *d) { return !d->readonly && !d->no_discard; }
bool disk_can_write_zeroes(const struct disk *d) { return !d->readonly; }
const char *disk_path(const struct disk *d) { return "fake"; }
void disk_serial(const struct disk *d, char serial[20]) { memcpy(serial, "serial-0123456789ab!", 20); }
void disk_close(struct disk *d) { d->freed = true; }

int disk_prepare(struct disk *d, struct error *err)
{
	d->prepared = true;
	return d->unready ? error_set(err, d->unready, "not ready") : 0;
}

int disk_attach(struct disk *d, struct event_loop *loop, void (*batch_done)(void *arg), void *arg)
{
	d->loop = loop;
	d->batch_done = batch_done;
	d->arg = arg;
	return 0;
}

void disk_detach(struct disk *d)
{
	event_work_cancel(d->loop, &d->work);
	d->loop = NULL;
}

static int carry_out(struct disk *d, struct disk_req *req)
{
	if (req->op != DISK_FLUSH && (req->off > SIZE || req->len > SIZE - req->off))
		abort();	/* the device let it pass */
	if (d->readonly && req->op != DISK_READ && req->op != DISK_FLUSH)
		abort();
	req->done_len = 0;
	if ((int)req->op == d->fail_op && d->fail_with && !d->fail_after) {
		req->done_len = d->partial;
		return d->fail_with;
	}
	if ((int)req->op == d->fail_op && d->fail_after)
		d->fail_after--;
	switch (req->op) {
	case DISK_READ:
		req->done_len = iov_from_buf(req->iov, req->iovcnt, 0, platter + req->off, req->len);
		return req->done_len == req->len ? 0 : -EFAULT;
	case DISK_WRITE:
		return iov_to_buf(req->iov, req->iovcnt, 0, platter + req->off, req->len) == req->len ? 0 : -EFAULT;
	case DISK_DISCARD:
		memset(platter + req->off, 0xdd, req->len);
		return 0;
	case DISK_WRITE_ZEROES:
		memset(platter + req->off, req->may_unmap ? 0 : 0x01, req->len);	/* tells the two apart */
		return 0;
	case DISK_FLUSH:
		return 0;
	}
	return -EINVAL;
}

static void deliver(struct event_work *w)
{
	struct disk *d = container_of(w, struct disk, work);
	struct disk_req *req, *next;
	unsigned int n = 0;

	pthread_mutex_lock(&d->lock);
	req = d->sent;
	d->sent = NULL;
	d->nr_sent = 0;
	pthread_mutex_unlock(&d->lock);
	for (; req; req = next, n++) {
		next = req->next;
		pthread_mutex_lock(&d->lock);
		d->count[req->op]++;
		req->res = carry_out(d, req);
		pthread_mutex_unlock(&d->lock);
		req->done(req, req->res);
	}
	if (n)
		d->batch_done(d->arg);
	pthread_mutex_lock(&d->lock);
	d->inflight -= n;
	pthread_cond_broadcast(&d->idle);
	pthread_mutex_unlock(&d->lock);
}

void disk_submit(struct disk *d, struct disk_req *req)
{
	pthread_mutex_lock(&d->lock);
	req->next = d->submitted;
	d->submitted = req;
	d->inflight++;
	pthread_mutex_unlock(&d->lock);
}

void disk_commit(struct disk *d)
{
	struct disk_req *req;
	bool go;

	pthread_mutex_lock(&d->lock);
	while ((req = d->submitted)) {
		d->submitted = req->next;
		req->next = d->sent;
		d->sent = req;
		d->nr_sent++;
	}
	go = d->sent && !d->hold;
	pthread_mutex_unlock(&d->lock);
	if (go)
		event_post(d->loop, &d->work, deliver);
}

void disk_drain(struct disk *d)
{
	pthread_mutex_lock(&d->lock);
	while (d->inflight)
		pthread_cond_wait(&d->idle, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

static void hold(void)
{
	pthread_mutex_lock(&fake.lock);
	fake.hold = true;
	pthread_mutex_unlock(&fake.lock);
}

static void let_go(void)
{
	pthread_mutex_lock(&fake.lock);
	fake.hold = false;
	pthread_mutex_unlock(&fake.lock);
	event_post(fake.loop, &fake.work, deliver);
}

static unsigned int count(enum disk_op op)
{
	unsigned int n;

	pthread_mutex_lock(&fake.lock);
	n = fake.count[op];
	pthread_mutex_unlock(&fake.lock);
	return n;
}

static void fail(int op, int with, unsigned int after, u64 partial)
{
	pthread_mutex_lock(&fake.lock);
	fake.fail_op = op;
	fake.fail_with = with;
	fake.fail_after = after;
	fake.partial = partial;
	pthread_mutex_unlock(&fake.lock);
}

static bool holds(void *arg)
{
	bool yes;

	pthread_mutex_lock(&fake.lock);
	yes = fake.nr_sent == *(unsigned int *)arg;
	pthread_mutex_unlock(&fake.lock);
	return yes;
}

/* --- set-up --- */

#define F(bit) BIT_ULL(BLK_F_##bit)
static const u64 ALL = F(SEG_MAX) | F(BLK_SIZE) | F(FLUSH) | F(TOPOLOGY) | F(CONFIG_WCE) | F(DISCARD) | F(WRITE_ZEROES);

static void make(unsigned int queues, bool writethrough)
{
	rig_up();
	log_set_level(LOG_ERROR);
	if (virtio_blk_create(&rig.vm, &fake, queues, writethrough, NULL) < 0)
		abort();
	rig_prepare();
}

static void fresh(void)
{
	fake = (struct disk){
		.block = 512, .physical = 4096, .lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER, .fail_op = -1,
	};
	memset(platter, 0xa5, SIZE);
}

static void up(u64 features)
{
	fresh();
	make(1, false);
	if (!rig_driver(features))
		abort();
}

static bool is_all(const void *p, u8 byte, size_t len)
{
	const u8 *b = p;

	while (len && *b == byte) {
		b++;
		len--;
	}
	return !len;
}

static u8 config8(unsigned int off)
{
	u8 v;

	virtio_config_read(rig.vdev, off, &v, 1);
	return v;
}

static u64 config(unsigned int off, unsigned int len)
{
	u8 v[8];

	virtio_config_read(rig.vdev, off, v, len);
	return get_le(v, len);
}

static u64 offered(void)
{
	return virtio_get_features(rig.vdev, 0) | (u64)virtio_get_features(rig.vdev, 1) << 32;
}

/* --- features and config space --- */

TEST(config_space_says_what_the_disk_is)
{
	fresh();
	fake.block = 1024;
	make(3, false);
	CHECK_EQ(offered() & 0xffffff, ALL | F(MQ));
	CHECK_EQ(config(0, 8), SECTORS);
	CHECK_EQ(config(8, 4), 0);		/* size_max, not offered */
	CHECK_EQ(config(12, 4), 254);		/* seg_max */
	CHECK_EQ(config(16, 4), 0);		/* geometry */
	CHECK_EQ(config(20, 4), 1024);		/* blk_size */
	CHECK_EQ(config8(24), 2);		/* physical block: 4 logical ones */
	CHECK_EQ(config8(25), 0);
	CHECK_EQ(config(26, 2), 4);		/* min_io_size */
	CHECK_EQ(config(28, 4), 0);
	CHECK_EQ(config8(32), 1);		/* writeback */
	CHECK_EQ(config(34, 2), 3);		/* num_queues */
	CHECK_EQ(config(36, 4), BLK_DISCARD_SECTORS);
	CHECK_EQ(config(40, 4), BLK_SEGMENTS);
	CHECK_EQ(config(44, 4), 8);		/* discard_sector_alignment */
	CHECK_EQ(config(48, 4), BLK_ZEROES_SECTORS);
	CHECK_EQ(config(52, 4), BLK_SEGMENTS);
	CHECK_EQ(config8(56), 1);
	CHECK_EQ(config(60, 8), 0);
	rig_down();
	CHECK(fake.freed);
}

TEST(read_only_disk_offers_ro_and_nothing_that_changes_it)
{
	fresh();
	fake.readonly = true;
	make(1, false);
	CHECK_EQ(offered() & 0xffffff, F(SEG_MAX) | F(RO) | F(BLK_SIZE) | F(FLUSH) | F(TOPOLOGY));
	CHECK_EQ(config(36, 4), 0);
	CHECK_EQ(config(48, 4), 0);
	rig_down();
}

TEST(disk_that_cannot_discard_offers_no_discard)
{
	fresh();
	fake.no_discard = true;
	make(1, false);
	CHECK_EQ(offered() & (F(DISCARD) | F(WRITE_ZEROES)), F(WRITE_ZEROES));
	CHECK_EQ(config8(56), 0);
	rig_down();
}

TEST(failed_creation_leaves_the_disk_to_the_caller)
{
	struct error err;

	fresh();
	rig_up();
	rig.refuse = true;
	CHECK_EQ(virtio_blk_create(&rig.vm, &fake, 1, false, &err), -ENOSPC);
	CHECK(!fake.freed);
	rig_down();
}

TEST(no_thread_before_the_guest_is_about_to_run)
{
	fresh();
	rig_up();
	CHECK_EQ(virtio_blk_create(&rig.vm, &fake, 1, false, NULL), 0);
	CHECK(!fake.prepared);
	CHECK(!to_blk(rig.vdev)->loop);
	rig_prepare();
	CHECK(fake.prepared);
	CHECK(to_blk(rig.vdev)->loop);
	CHECK(!fake.loop);	/* the driver is not there yet */
	rig_down();
}

TEST(disk_that_cannot_get_ready_is_said_before_the_guest_runs)
{
	struct error err = { "" };

	fresh();
	fake.unready = -ENOMEM;
	rig_up();
	CHECK_EQ(virtio_blk_create(&rig.vm, &fake, 1, false, NULL), 0);
	CHECK_EQ(rig.vdev->ops->prepare(rig.vdev, &err), -ENOMEM);
	CHECK_STR(err.msg, "not ready");
	CHECK(!to_blk(rig.vdev)->loop);
	rig_down();
}

/* --- reading and writing --- */

TEST(write_and_read_move_bytes)
{
	u32 len;

	up(ALL);
	memset(ram(DATA), 0x5c, 4096);
	CHECK_EQ(q_one(BLK_T_OUT, 8, DATA, 4096, &len), BLK_S_OK);
	CHECK_EQ(len, 1);
	CHECK(is_all(platter + 4096, 0x5c, 4096) && is_all(platter, 0xa5, 4096) && is_all(platter + 8192, 0xa5, 4096));
	CHECK_EQ(q_one(BLK_T_IN, 7, DATA + 0x10000, 1536, &len), BLK_S_OK);
	CHECK_EQ(len, 1537);
	CHECK(is_all(ram(DATA + 0x10000), 0xa5, 512) && is_all(ram(DATA + 0x10000 + 512), 0x5c, 1024));
	CHECK(is_all(ram(DATA + 0x10000 + 1536), 0, 4096));
	rig_down();
}

static bool stats_have(const char *what)
{
	struct strbuf b = { 0 };
	bool has;

	rig.vdev->ops->stats(rig.vdev, &b);
	strbuf_add(&b, "", 1);
	has = strstr(b.s, what);
	if (!has)
		printf("# not in: %s\n", b.s);
	strbuf_free(&b);
	return has;
}

TEST(requests_are_counted_by_what_they_did)
{
	up(ALL);
	CHECK_EQ(q_one(BLK_T_OUT, 8, DATA, 4096, NULL), BLK_S_OK);
	CHECK_EQ(q_one(BLK_T_IN, 7, DATA, 1536, NULL), BLK_S_OK);
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(q_one(BLK_T_FLUSH, 0, 0, 0, NULL), BLK_S_OK);
	CHECK_EQ(q_one(BLK_T_GET_ID, 0, DATA, 20, NULL), BLK_S_OK);
	memset(ram(DATA), 0, 16);
	CHECK_EQ(q_one(BLK_T_DISCARD, 0, DATA, 16, NULL), BLK_S_OK);
	CHECK_EQ(q_one(BLK_T_WRITE_ZEROES, 0, DATA, 16, NULL), BLK_S_OK);
	CHECK_EQ(q_one(77, 0, DATA, 512, NULL), BLK_S_UNSUPP);
	CHECK_EQ(q_one(BLK_T_IN, SECTORS, DATA, 512, NULL), BLK_S_IOERR);
	CHECK(stats_have("\"reads\":2,\"read_bytes\":2048,\"writes\":1,\"write_bytes\":4096,\"flushes\":1,\"discards\":1,"
			 "\"write_zeroes\":1,\"others\":1,\"failed\":2,\"in_flight\":"));
	rig_down();
}

TEST(pieces_may_be_cut_anywhere)
{
	gpa_t h, s = DATA + 0x9000;
	unsigned int i;
	u32 id, len;

	up(ALL);
	for (i = 0; i < 1024; i++)
		((u8 *)ram(DATA + 16))[i] = (u8)(i * 7);
	/* Header in three pieces, the last of which runs on into the data; data end in one byte alone. */
	h = q_header(0, BLK_T_OUT, 2);
	memcpy(ram(DATA), ram(h), 16);
	q_chain(0, (struct seg[]){ { DATA, 3 }, { DATA + 3, 6 }, { DATA + 9, 507 }, { DATA + 516, 523 }, { DATA + 1039, 1 },
				   { s, 1, true } }, 6);
	CHECK(q_run(0, 1));
	CHECK_EQ(*(u8 *)ram(s), BLK_S_OK);
	for (i = 0; i < 1024; i++)
		CHECK_EQ(platter[1024 + i], (u8)(i * 7));
	/* Status in one piece with data, and data in odd pieces. */
	h = q_header(0, BLK_T_IN, 2);
	memset(ram(s), 0xff, 2000);
	q_chain(0, (struct seg[]){ { h, 16 }, { s, 1, true }, { s + 1, 600, true }, { s + 601, 424, true } }, 4);
	CHECK(q_run(0, 2));
	CHECK(q_take(0, &id, &len) && q_take(0, &id, &len));
	CHECK_EQ(len, 1025);
	for (i = 0; i < 1024; i++)
		CHECK_EQ(((u8 *)ram(s))[i], (u8)(i * 7));
	CHECK_EQ(((u8 *)ram(s))[1024], BLK_S_OK);
	CHECK_EQ(((u8 *)ram(s))[1025], 0xff);
	rig_down();
}

TEST(largest_request_the_driver_is_told_of_works)
{
	struct seg seg[256];
	gpa_t s = DATA + 0x200000;
	unsigned int i;

	up(ALL);
	seg[0] = (struct seg){ q_header(0, BLK_T_IN, 0), 16 };
	for (i = 0; i < BLK_SEG_MAX; i++)
		seg[1 + i] = (struct seg){ DATA + i * 4096, 512, true };
	seg[255] = (struct seg){ s, 1, true };
	for (i = 0; i < BLK_SEG_MAX; i++)
		memset(platter + i * 512, (int)i, 512);
	q_chain(0, seg, 256);
	CHECK(q_run(0, 1));
	CHECK_EQ(*(u8 *)ram(s), BLK_S_OK);
	for (i = 0; i < BLK_SEG_MAX; i++)
		CHECK(is_all(ram(DATA + i * 4096), (u8)i, 512));
	rig_down();
}

TEST(length_of_no_whole_sectors_is_an_error)
{
	static const u32 lens[] = { 1, 511, 513, 1000 };
	unsigned int i;
	u32 len;

	up(ALL);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		memset(ram(DATA), 0x11, 1024);
		CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, lens[i], NULL), BLK_S_IOERR);
		CHECK_EQ(q_one(BLK_T_IN, 0, DATA, lens[i], &len), BLK_S_IOERR);
		CHECK_EQ(len, 0);	/* no data, so no byte behind them */
		CHECK(is_all(ram(DATA), 0x11, 1024));
	}
	CHECK(is_all(platter, 0xa5, 4096));
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 0, &len), BLK_S_OK);
	CHECK_EQ(len, 1);
	rig_down();
}

TEST(nothing_beyond_capacity)
{
	static const struct {
		u64 sector;
		u32 len;
	} bad[] = {
		{ SECTORS, 512 }, { SECTORS - 1, 1024 }, { SECTORS + 1, 0 }, { ~0ULL, 512 }, { ~0ULL - 1, 1024 }, { 1ULL << 55, 512 },
		{ 1ULL << 63, 512 }, { (1ULL << 55) + 1, 512 }, { SECTORS - 7, 4096 },
	};
	unsigned int i;

	up(ALL);
	memset(ram(DATA), 0x11, 8192);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(q_one(BLK_T_OUT, bad[i].sector, DATA, bad[i].len, NULL), BLK_S_IOERR);
		CHECK_EQ(q_one(BLK_T_IN, bad[i].sector, DATA, bad[i].len, NULL), BLK_S_IOERR);
		CHECK(is_all(ram(DATA), 0x11, 8192));
	}
	CHECK(is_all(platter, 0xa5, SIZE));
	CHECK_EQ(count(DISK_READ) + count(DISK_WRITE), 0);
	CHECK_EQ(q_one(BLK_T_OUT, SECTORS - 1, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(q_one(BLK_T_IN, SECTORS, DATA, 0, NULL), BLK_S_OK);
	rig_down();
}

TEST(read_only_is_ioerr_for_whatever_writes)
{
	fresh();
	fake.readonly = true;
	make(1, false);
	CHECK(rig_driver(F(RO) | F(FLUSH)));
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_IOERR);
	CHECK_EQ(q_one(BLK_T_DISCARD, 0, DATA, 16, NULL), BLK_S_IOERR);
	CHECK_EQ(q_one(BLK_T_WRITE_ZEROES, 0, DATA, 16, NULL), BLK_S_IOERR);
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(q_one(BLK_T_FLUSH, 0, 0, 0, NULL), BLK_S_OK);
	CHECK(is_all(platter, 0xa5, SIZE));
	rig_down();
}

/* --- malformed chains --- */

TEST(short_header_is_an_error)
{
	gpa_t h, s = DATA + 0x1000;

	up(ALL);
	h = q_header(0, BLK_T_FLUSH, 0);
	q_chain(0, (struct seg[]){ { h, 15 }, { s, 1, true } }, 2);
	CHECK(q_run(0, 1));
	CHECK_EQ(*(u8 *)ram(s), BLK_S_IOERR);
	*(u8 *)ram(s) = 0xff;
	q_chain(0, (struct seg[]){ { s, 1, true } }, 1);
	CHECK(q_run(0, 2));
	CHECK_EQ(*(u8 *)ram(s), BLK_S_IOERR);
	CHECK_EQ(q_one(BLK_T_FLUSH, 0, 0, 0, NULL), BLK_S_OK);
	rig_down();
}

TEST(chain_without_a_status_byte_breaks_the_device_until_reset)
{
	up(ALL);
	q_chain(0, (struct seg[]){ { q_header(0, BLK_T_OUT, 0), 16 }, { DATA, 512 } }, 2);
	virtio_queue_kicked(rig.vdev, 0);
	CHECK(rig_wait_for(rig_broken, NULL));
	CHECK(is_all(platter, 0xa5, 512));
	CHECK(rig_driver(ALL));
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	rig_down();
}

TEST(unknown_types_are_unsupported)
{
	static const u32 types[] = { 2, 3, 5, 6, 7, 9, 10, 12, 14, 15, 0x80000000, 0x80000001, ~0U };
	unsigned int i;
	u32 len;

	up(ALL);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		CHECK_EQ(q_one(types[i], 0, DATA, 512, &len), BLK_S_UNSUPP);
		CHECK_EQ(len, 1);
	}
	rig_down();
}

TEST(bad_chain_while_others_are_in_flight_breaks_only_this_device)
{
	unsigned int two = 2;

	up(ALL);
	hold();
	q_request(0, BLK_T_IN, 0, DATA, 512);
	q_request(0, BLK_T_OUT, 8, DATA, 512);
	virtio_queue_kicked(rig.vdev, 0);
	CHECK(rig_wait_for(holds, &two));
	q_publish(0, 0x7fff);
	virtio_queue_kicked(rig.vdev, 0);
	CHECK(rig_wait_for(rig_broken, NULL));
	let_go();
	CHECK(rig_driver(ALL));		/* the reset waited for both */
	CHECK_EQ(fake.inflight, 0);
	CHECK_EQ(q_completed(0), 0);	/* and no stale completion came in the new ring */
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 512, NULL), BLK_S_OK);
	rig_down();
}

/* --- other commands --- */

TEST(get_id_gives_the_serial_within_its_room)
{
	u32 len;

	up(ALL);
	CHECK_EQ(q_one(BLK_T_GET_ID, 0, DATA, 20, &len), BLK_S_OK);
	CHECK_EQ(len, 21);
	CHECK(!memcmp(ram(DATA), "serial-0123456789ab!", 20));
	memset(ram(DATA), 0, 64);
	CHECK_EQ(q_one(BLK_T_GET_ID, 0, DATA, 7, &len), BLK_S_OK);
	CHECK_EQ(len, 8);
	CHECK(!memcmp(ram(DATA), "serial-\0", 8));
	CHECK_EQ(q_one(BLK_T_GET_ID, 0, DATA, 40, &len), BLK_S_OK);
	CHECK_EQ(len, 20);	/* bytes 20 to 39 were not written, so what follows is not told */
	CHECK(is_all(ram(DATA + 20), 0, 20));
	rig_down();
}

TEST(flush_reaches_the_disk_and_its_error_the_driver)
{
	up(ALL);
	CHECK_EQ(q_one(BLK_T_FLUSH, 12345, 0, 0, NULL), BLK_S_OK);	/* sector is not looked at */
	CHECK_EQ(count(DISK_FLUSH), 1);
	fail(DISK_FLUSH, -EIO, 0, 0);
	CHECK_EQ(q_one(BLK_T_FLUSH, 0, 0, 0, NULL), BLK_S_IOERR);
	rig_down();
}

static gpa_t segment(unsigned int i, u64 sector, u32 sectors, u32 flags)
{
	u8 *p = ram(DATA + 16ULL * i);

	put_le64(p, sector);
	put_le32(p + 8, sectors);
	put_le32(p + 12, flags);
	return DATA;
}

TEST(discard_and_zeroes_do_each_segment)
{
	unsigned int i;

	up(ALL);
	for (i = 0; i < BLK_SEGMENTS; i++)
		segment(i, i * 4, 2, 0);
	CHECK_EQ(q_one(BLK_T_DISCARD, 99, DATA, 16 * BLK_SEGMENTS, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_DISCARD), BLK_SEGMENTS);
	for (i = 0; i < BLK_SEGMENTS; i++) {
		CHECK(is_all(platter + i * 2048, 0xdd, 1024));
		CHECK(is_all(platter + i * 2048 + 1024, 0xa5, 1024));
		segment(i, i * 4 + 2, 1, i & 1);
	}
	CHECK_EQ(q_one(BLK_T_WRITE_ZEROES, 0, DATA, 16 * BLK_SEGMENTS, NULL), BLK_S_OK);
	for (i = 0; i < BLK_SEGMENTS; i++) {
		CHECK(is_all(platter + i * 2048 + 1024, i & 1 ? 0 : 1, 512));
		CHECK(is_all(platter + i * 2048 + 1536, 0xa5, 512));
	}
	segment(0, SECTORS, 0, 0);	/* nothing, at the very end */
	CHECK_EQ(q_one(BLK_T_DISCARD, 0, DATA, 16, NULL), BLK_S_OK);
	rig_down();
}

TEST(segments_are_judged_before_any_is_done)
{
	static const struct {
		u32 type;
		u64 sector;
		u32 sectors, flags;
		u8 status;
	} bad[] = {
		{ BLK_T_DISCARD, 0, 8, BLK_SEGMENT_UNMAP, BLK_S_UNSUPP },	/* [5.2.6.2] */
		{ BLK_T_DISCARD, 0, 8, 2, BLK_S_UNSUPP },
		{ BLK_T_WRITE_ZEROES, 0, 8, 2, BLK_S_UNSUPP },
		{ BLK_T_WRITE_ZEROES, 0, 8, 0x80000001, BLK_S_UNSUPP },
		{ BLK_T_DISCARD, SECTORS, 1, 0, BLK_S_IOERR },
		{ BLK_T_WRITE_ZEROES, SECTORS - 1, 2, 0, BLK_S_IOERR },
		{ BLK_T_DISCARD, ~0ULL, 2, 0, BLK_S_IOERR },
		{ BLK_T_DISCARD, 1ULL << 55, 8, 0, BLK_S_IOERR },
		{ BLK_T_DISCARD, 0, BLK_DISCARD_SECTORS + 1, 0, BLK_S_IOERR },
		{ BLK_T_WRITE_ZEROES, 0, BLK_ZEROES_SECTORS + 1, 0, BLK_S_IOERR },
		{ BLK_T_WRITE_ZEROES, 0, ~0U, 0, BLK_S_IOERR },
	};
	static const u32 lens[] = { 0, 1, 15, 17, 16 * BLK_SEGMENTS + 16, 16 * BLK_SEGMENTS + 1 };
	unsigned int i;

	up(ALL);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		segment(0, 16, 8, 0);
		segment(1, bad[i].sector, bad[i].sectors, bad[i].flags);
		CHECK_EQ(q_one(bad[i].type, 0, DATA, 32, NULL), bad[i].status);
	}
	for (i = 0; i < BLK_SEGMENTS + 2; i++)
		segment(i, 0, 8, 0);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		CHECK_EQ(q_one(BLK_T_DISCARD, 0, DATA, lens[i], NULL), BLK_S_IOERR);
		CHECK_EQ(q_one(BLK_T_WRITE_ZEROES, 0, DATA, lens[i], NULL), BLK_S_IOERR);
	}
	CHECK_EQ(count(DISK_DISCARD) + count(DISK_WRITE_ZEROES), 0);
	CHECK(is_all(platter, 0xa5, SIZE));
	rig_down();
}

TEST(commands_that_were_not_negotiated_are_unsupported)
{
	up(F(FLUSH));
	segment(0, 0, 8, 0);
	CHECK_EQ(q_one(BLK_T_DISCARD, 0, DATA, 16, NULL), BLK_S_UNSUPP);
	CHECK_EQ(q_one(BLK_T_WRITE_ZEROES, 0, DATA, 16, NULL), BLK_S_UNSUPP);
	CHECK(is_all(platter, 0xa5, SIZE));
	rig_down();
}

/* --- host errors --- */

TEST(full_disk_is_ioerr_and_the_device_lives)
{
	up(ALL);
	fail(DISK_WRITE, -ENOSPC, 0, 0);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_IOERR);
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 512, NULL), BLK_S_OK);
	fail(-1, 0, 0, 0);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	rig_down();
}

TEST(failed_read_tells_of_no_byte_it_did_not_write)
{
	u32 len;

	up(ALL);
	fail(DISK_READ, -EIO, 0, 1024);
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 4096, &len), BLK_S_IOERR);
	CHECK_EQ(len, 1024);
	fail(DISK_READ, -EIO, 0, 0);
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 4096, &len), BLK_S_IOERR);
	CHECK_EQ(len, 0);
	rig_down();
}

TEST(discard_the_host_cannot_do_is_unsupported)
{
	up(ALL);
	segment(0, 0, 8, 0);
	fail(DISK_DISCARD, -EOPNOTSUPP, 0, 0);
	CHECK_EQ(q_one(BLK_T_DISCARD, 0, DATA, 16, NULL), BLK_S_UNSUPP);
	rig_down();
}

TEST(failed_segment_ends_the_request)
{
	unsigned int i;

	up(ALL);
	for (i = 0; i < 5; i++)
		segment(i, i * 8, 8, 0);
	fail(DISK_DISCARD, -EIO, 2, 0);
	CHECK_EQ(q_one(BLK_T_DISCARD, 0, DATA, 5 * 16, NULL), BLK_S_IOERR);
	CHECK_EQ(count(DISK_DISCARD), 3);
	rig_down();
}

/* --- the write cache --- */

static void set_wce(u8 v)
{
	virtio_config_write(rig.vdev, 32, &v, 1);
}

TEST(write_cache_off_makes_each_write_stable)
{
	up(ALL);
	CHECK_EQ(config8(32), 1);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 0);
	set_wce(0);
	CHECK_EQ(config8(32), 0);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 1);
	segment(0, 0, 8, 0);
	segment(1, 8, 8, 0);
	CHECK_EQ(q_one(BLK_T_WRITE_ZEROES, 0, DATA, 32, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 2);
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 2);
	CHECK_EQ(q_one(BLK_T_FLUSH, 0, 0, 0, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 3);
	fail(DISK_FLUSH, -EIO, 0, 0);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_IOERR);
	fail(-1, 0, 0, 0);
	set_wce(7);	/* not 0 */
	CHECK_EQ(config8(32), 1);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 4);
	rig_down();
}

TEST(write_cache_is_the_drivers_only_with_config_wce_and_only_that_byte)
{
	u8 junk[72];
	u64 capacity;

	up(ALL & ~F(CONFIG_WCE));
	set_wce(0);
	CHECK_EQ(config8(32), 1);
	rig_down();
	up(ALL);
	capacity = config(0, 8);
	memset(junk, 0, sizeof(junk));
	virtio_config_write(rig.vdev, 0, junk, 32);
	CHECK_EQ(config8(32), 1);
	virtio_config_write(rig.vdev, 33, junk, 39);
	CHECK_EQ(config8(32), 1);
	virtio_config_write(rig.vdev, 28, junk, 8);	/* across it */
	CHECK_EQ(config8(32), 0);
	CHECK_EQ(config(0, 8), capacity);
	CHECK_EQ(config(34, 2), 1);
	rig_down();
}

TEST(driver_that_cannot_flush_gets_stable_writes)
{
	up(0);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 1);
	rig_down();
	up(F(CONFIG_WCE));	/* [5.2.5.2] */
	CHECK_EQ(config8(32), 0);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 1);
	rig_down();
	up(F(FLUSH));
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 0);
	rig_down();
}

TEST(cache_writethrough_is_where_reset_returns_to)
{
	fresh();
	make(1, true);
	CHECK_EQ(config8(32), 0);
	CHECK(rig_driver(ALL));
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 1);
	set_wce(1);
	CHECK_EQ(config8(32), 1);
	virtio_set_status(rig.vdev, 0);
	CHECK_EQ(config8(32), 0);
	rig_down();
}

/* --- queues --- */

TEST(completion_in_any_order_with_one_interrupt_for_a_batch)
{
	unsigned int i, irqs, sixty = 60;
	u16 head[60];
	u32 id, len;

	up(ALL);
	hold();
	for (i = 0; i < 60; i++)
		head[i] = q_request(0, BLK_T_IN, i, DATA + i * 512, 512);
	for (i = 0; i < 60; i++)
		memset(platter + i * 512, (int)i, 512);
	virtio_queue_kicked(rig.vdev, 0);
	CHECK(rig_wait_for(holds, &sixty));
	irqs = atomic_load(&rig.irqs);
	let_go();
	CHECK(q_run(0, 60));
	for (i = 0; i < 60; i++) {	/* the back end does the last first */
		CHECK(q_take(0, &id, &len));
		CHECK_EQ(len, 513);
		CHECK_EQ(*q_status_at(0, head[i]), BLK_S_OK);
		CHECK(is_all(ram(DATA + i * 512), (u8)i, 512));
	}
	virtio_dev_stop(rig.vdev);	/* whatever it was to send it has sent */
	CHECK_EQ(atomic_load(&rig.irqs), irqs + 1);
	virtio_dev_start(rig.vdev);
	CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 512, NULL), BLK_S_OK);
	rig_down();
}

TEST(in_order_is_in_order_though_the_disk_is_not)
{
	unsigned int i, nine = 9, seen;
	u16 head[10];
	u32 id, len;

	fresh();
	rig_up();
	rig.vm.cfg.virtio_in_order = true;
	log_set_level(LOG_ERROR);
	CHECK_EQ(virtio_blk_create(&rig.vm, &fake, 1, false, NULL), 0);
	rig_prepare();
	CHECK(offered() & BIT_ULL(VIRTIO_F_IN_ORDER));
	CHECK(rig_driver(ALL | BIT_ULL(VIRTIO_F_IN_ORDER)));
	hold();
	for (i = 0; i < 10; i++)
		head[i] = q_request(0, i == 4 ? 77 : BLK_T_IN, i, DATA + i * 512, 512);
	virtio_queue_kicked(rig.vdev, 0);
	/* One is refused at once, and held back by the ring. */
	CHECK(rig_wait_for(holds, &nine));
	CHECK_EQ(q_completed(0), 0);
	let_go();
	CHECK(q_run(0, 10));
	for (seen = 0; seen < 10; seen = i + 1) {	/* a batch is one entry, that of its last, and skips the others [2.7.9] */
		CHECK(q_take(0, &id, &len));
		for (i = seen; i < 10 && head[i] != id; i++)
			;
		CHECK(i < 10);
		rig.q[0].used += (u16)(i - seen);
	}
	for (i = 0; i < 10; i++)
		CHECK_EQ(*q_status_at(0, head[i]), i == 4 ? BLK_S_UNSUPP : BLK_S_OK);
	rig_down();
}

TEST(more_chains_than_requests_all_complete)
{
	unsigned int i, pool = BLK_POOL, rest = 200 - BLK_POOL;
	u32 id, len, seen[Q_SIZE] = { 0 };

	up(ALL | BIT_ULL(VIRTIO_F_INDIRECT_DESC));
	hold();
	for (i = 0; i < 200; i++)
		q_chain_indirect(0, (struct seg[]){ { q_header(0, BLK_T_IN, i), 16 }, { DATA + i * 512, 512, true },
						    { q_base(0) + STATUS + i, 1, true } }, 3);
	virtio_queue_kicked(rig.vdev, 0);
	CHECK(rig_wait_for(holds, &pool));
	virtio_queue_kicked(rig.vdev, 0);	/* no more are taken, however often it asks */
	virtio_queue_kicked(rig.vdev, 0);
	event_post(fake.loop, &fake.work, deliver);
	CHECK(rig_wait_for(holds, &rest));	/* and nobody has to kick again */
	let_go();
	CHECK(q_run(0, 200));
	for (i = 0; i < 200; i++) {
		CHECK(q_take(0, &id, &len));
		CHECK_EQ(len, 513);
		CHECK_EQ(seen[id]++, 0);
		CHECK_EQ(*q_status_at(0, (u16)i), BLK_S_OK);
	}
	rig_down();
}

static void *let_go_later(void *arg)
{
	struct timespec ms = { .tv_nsec = 20000000 };

	nanosleep(&ms, NULL);
	let_go();
	return NULL;
}

TEST(reset_waits_for_requests_in_flight)
{
	unsigned int i, round, forty = 40;
	pthread_t t;

	up(ALL);
	for (round = 0; round < 5; round++) {
		hold();
		for (i = 0; i < 40; i++)
			q_request(0, i & 1 ? BLK_T_IN : BLK_T_OUT, i, DATA + i * 512, 512);
		virtio_queue_kicked(rig.vdev, 0);
		CHECK(rig_wait_for(holds, &forty));
		pthread_create(&t, NULL, let_go_later, NULL);
		virtio_set_status(rig.vdev, 0);
		CHECK_EQ(fake.inflight, 0);	/* no lock: nobody else is left */
		pthread_join(t, NULL);
		memset(ram(RAM_BASE), 0xee, RAM_SIZE);
		CHECK(rig_driver(ALL));
		CHECK_EQ(q_one(BLK_T_IN, 0, DATA, 512, NULL), BLK_S_OK);
		CHECK(is_all(ram(DATA + 512), 0xee, 0x10000));	/* nothing of before the reset came later */
	}
	rig_down();
}

TEST(one_queue_is_reset_while_the_other_is_busy)
{
	unsigned int three = 3;
	pthread_t t;

	fresh();
	make(2, false);
	CHECK(rig_driver(ALL | F(MQ) | BIT_ULL(VIRTIO_F_RING_RESET)));
	hold();
	q_request(0, BLK_T_IN, 0, DATA, 512);
	q_request(0, BLK_T_IN, 1, DATA + 512, 512);
	q_request(1, BLK_T_IN, 2, DATA + 1024, 512);
	virtio_queue_kicked(rig.vdev, 0);
	virtio_queue_kicked(rig.vdev, 1);
	CHECK(rig_wait_for(holds, &three));
	pthread_create(&t, NULL, let_go_later, NULL);
	virtio_queue_set_reset(rig.vdev, 1);
	pthread_join(t, NULL);
	CHECK(q_run(0, 2));
	q_enable(1);
	q_request(1, BLK_T_IN, 2, DATA + 1024, 512);
	CHECK(q_run(1, 1));
	CHECK_EQ(q_one(BLK_T_FLUSH, 0, 0, 0, NULL), BLK_S_OK);
	rig_down();
}

TEST(every_queue_is_served)
{
	unsigned int n;

	fresh();
	make(4, false);
	CHECK(rig_driver(ALL | F(MQ)));
	for (n = 0; n < 4; n++)
		q_request(n, BLK_T_OUT, n, DATA + n * 512, 512);
	for (n = 0; n < 4; n++)
		memset(ram(DATA + n * 512), (int)n + 1, 512);
	for (n = 0; n < 4; n++)
		CHECK(q_run(n, 1));
	for (n = 0; n < 4; n++) {
		CHECK_EQ(*q_status_at(n, 0), BLK_S_OK);
		CHECK(is_all(platter + n * 512, (u8)(n + 1), 512));
	}
	rig_down();
}

static bool wants_kicks(void *arg)
{
	return !(__atomic_load_n((u16 *)ram(q_base(0) + USED), __ATOMIC_ACQUIRE) & htole16(1));
}

TEST(kicks_are_wanted_again_when_the_ring_is_empty)
{
	unsigned int i;

	up(ALL);
	for (i = 0; i < 600; i++) {	/* more than the ring and the pool hold */
		CHECK_EQ(q_one(BLK_T_IN, i % SECTORS, DATA, 512, NULL), BLK_S_OK);
		CHECK(rig_wait_for(wants_kicks, NULL));
	}
	rig_down();
}

/* --- state --- */

TEST(state_holds_the_write_cache)
{
	struct state_writer w = { 0 };
	struct state_reader r;
	u32 version;

	up(ALL);
	set_wce(0);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	virtio_dev_stop(rig.vdev);
	state_begin(&w, "blk", 1);
	virtio_dev_save(rig.vdev, &w);
	state_end(&w);
	virtio_dev_reset(rig.vdev);
	CHECK_EQ(config8(32), 1);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "blk", 1, &version), 0);
	CHECK_EQ(virtio_dev_load(rig.vdev, &r), 0);
	CHECK_EQ(state_close(&r), 0);
	CHECK_EQ(config8(32), 0);
	virtio_dev_start(rig.vdev);
	CHECK_EQ(q_one(BLK_T_OUT, 0, DATA, 512, NULL), BLK_S_OK);
	CHECK_EQ(count(DISK_FLUSH), 2);

	virtio_dev_stop(rig.vdev);
	w.buf.s[w.buf.len - 1] = 2;	/* the last field */
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "blk", 1, &version), 0);
	CHECK_EQ(virtio_dev_load(rig.vdev, &r), -EBADMSG);
	state_writer_free(&w);
	rig_down();
}

int main(void)
{
	platter = malloc(SIZE);
	if (!platter)
		abort();
	RUN(config_space_says_what_the_disk_is);
	RUN(read_only_disk_offers_ro_and_nothing_that_changes_it);
	RUN(disk_that_cannot_discard_offers_no_discard);
	RUN(failed_creation_leaves_the_disk_to_the_caller);
	RUN(no_thread_before_the_guest_is_about_to_run);
	RUN(disk_that_cannot_get_ready_is_said_before_the_guest_runs);
	RUN(write_and_read_move_bytes);
	RUN(requests_are_counted_by_what_they_did);
	RUN(pieces_may_be_cut_anywhere);
	RUN(largest_request_the_driver_is_told_of_works);
	RUN(length_of_no_whole_sectors_is_an_error);
	RUN(nothing_beyond_capacity);
	RUN(read_only_is_ioerr_for_whatever_writes);
	RUN(short_header_is_an_error);
	RUN(chain_without_a_status_byte_breaks_the_device_until_reset);
	RUN(unknown_types_are_unsupported);
	RUN(bad_chain_while_others_are_in_flight_breaks_only_this_device);
	RUN(get_id_gives_the_serial_within_its_room);
	RUN(flush_reaches_the_disk_and_its_error_the_driver);
	RUN(discard_and_zeroes_do_each_segment);
	RUN(segments_are_judged_before_any_is_done);
	RUN(commands_that_were_not_negotiated_are_unsupported);
	RUN(full_disk_is_ioerr_and_the_device_lives);
	RUN(failed_read_tells_of_no_byte_it_did_not_write);
	RUN(discard_the_host_cannot_do_is_unsupported);
	RUN(failed_segment_ends_the_request);
	RUN(write_cache_off_makes_each_write_stable);
	RUN(write_cache_is_the_drivers_only_with_config_wce_and_only_that_byte);
	RUN(driver_that_cannot_flush_gets_stable_writes);
	RUN(cache_writethrough_is_where_reset_returns_to);
	RUN(completion_in_any_order_with_one_interrupt_for_a_batch);
	RUN(in_order_is_in_order_though_the_disk_is_not);
	RUN(more_chains_than_requests_all_complete);
	RUN(reset_waits_for_requests_in_flight);
	RUN(one_queue_is_reset_while_the_other_is_busy);
	RUN(every_queue_is_served);
	RUN(kicks_are_wanted_again_when_the_ring_is_empty);
	RUN(state_holds_the_write_cache);
	free(platter);
	return tap_done();
}
