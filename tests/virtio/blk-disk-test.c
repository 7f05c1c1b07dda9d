/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The block device on the real back end: random requests on several queues beside a model, with resets in between while requests
 * are in flight, for every engine around the page cache and through it.
 * links: util/iov.c util/json.c virtio/blk.c virtio/blk-request.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: disk/open.c disk/disk.c disk/probe.c disk/sync.c disk/aio.c disk/uring.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include <fcntl.h>
#include <unistd.h>

#include "tests/virtio/blk-rig.h"

enum { SIZE = 2 << 20, SECTORS = SIZE / 512, QUEUES = 2, PER_ROUND = 40, AREA = SECTORS / PER_ROUND };

static char path[128];
static u8 model[SIZE];
static u64 seed = 88172645463325252ULL;
static enum disk_engine engine;
static bool direct;

static u32 pick(u32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 11) % below;
}

static int make(void)
{
	struct disk_config cfg = { .path = path, .engine = engine, .direct = direct, .format = DISK_FORMAT_RAW };
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct disk *disk;
	int r;

	if (fd < 0 || ftruncate(fd, SIZE) < 0)
		abort();
	close(fd);
	memset(model, 0, sizeof(model));
	r = disk_open(&cfg, NULL, &disk);
	if (r < 0)
		return r;
	rig_up();
	log_set_level(LOG_ERROR);
	if (virtio_blk_create(&rig.vm, disk, QUEUES, false, NULL) < 0)
		abort();
	rig_prepare();
	return 0;
}

static bool file_is_model(void)
{
	static u8 buf[SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool same = fd >= 0 && pread(fd, buf, SIZE, 0) == SIZE && !memcmp(buf, model, SIZE);

	close(fd);
	return same;
}

struct request {
	unsigned int queue;
	u32 type, sectors;
	u64 sector;
	gpa_t data;
	u16 head;
};

/* Requests of one round touch areas of their own, so their order does not matter. */
static void make_request(struct request *rq, unsigned int i)
{
	static const u32 types[] = { BLK_T_IN, BLK_T_OUT, BLK_T_OUT, BLK_T_FLUSH, BLK_T_WRITE_ZEROES, BLK_T_IN };
	u8 *p;

	rq->queue = i % QUEUES;
	rq->type = types[pick(ARRAY_SIZE(types))];
	rq->sectors = 1 + pick(AREA - 1);
	rq->sector = (u64)i * AREA + pick(AREA - rq->sectors + 1);
	rq->data = DATA + (u64)i * 0x10000 + (pick(3) ? 0 : 4 * pick(64));	/* not always as O_DIRECT wants it */
	p = ram(rq->data);
	if (rq->type == BLK_T_OUT) {
		memset(p, (int)pick(256), rq->sectors * 512);
		memset(p, (int)pick(256), 512);
	} else {
		memset(p, 0xee, rq->sectors * 512);
	}
	if (rq->type == BLK_T_WRITE_ZEROES) {
		put_le64(p, rq->sector);
		put_le32(p + 8, rq->sectors);
		put_le32(p + 12, pick(2));
	}
	rq->head = q_request(rq->queue, rq->type, rq->sector, rq->data,
			     rq->type == BLK_T_FLUSH ? 0 : rq->type == BLK_T_WRITE_ZEROES ? 16 : rq->sectors * 512);
}

static bool settle_request(const struct request *rq)
{
	u8 *m = model + rq->sector * 512;

	if (*q_status_at(rq->queue, rq->head) != BLK_S_OK)
		return false;
	if (rq->type == BLK_T_IN)
		return !memcmp(ram(rq->data), m, rq->sectors * 512);
	if (rq->type == BLK_T_OUT)
		memcpy(m, ram(rq->data), rq->sectors * 512);
	if (rq->type == BLK_T_WRITE_ZEROES)
		memset(m, 0, rq->sectors * 512);
	return true;
}

static bool driver(void)
{
	return rig_driver(BIT_ULL(BLK_F_MQ) | BIT_ULL(BLK_F_FLUSH) | BIT_ULL(BLK_F_WRITE_ZEROES) | BIT_ULL(BLK_F_DISCARD));
}

TEST(random_requests_do_what_a_model_does)
{
	struct request rq[PER_ROUND];
	unsigned int round, i;
	u16 sent[QUEUES] = { 0 };

	if (make() < 0)
		SKIP("this engine does not work here");
	CHECK(driver());
	for (round = 0; round < 50; round++) {
		for (i = 0; i < PER_ROUND; i++) {
			make_request(&rq[i], i);
			sent[rq[i].queue]++;
		}
		for (i = 0; i < QUEUES; i++)
			virtio_queue_kicked(rig.vdev, i);
		for (i = 0; i < QUEUES; i++)
			CHECK(q_run(i, sent[i]));
		for (i = 0; i < PER_ROUND; i++)
			CHECK(settle_request(&rq[i]));
	}
	CHECK(file_is_model());
	rig_down();
}

TEST(reset_in_full_flight_leaves_memory_alone)
{
	struct request rq;
	unsigned int round, i;
	u8 *all;

	if (make() < 0)
		SKIP("this engine does not work here");
	for (round = 0; round < 30; round++) {
		CHECK(driver());
		for (i = 0; i < PER_ROUND; i++)
			make_request(&rq, i);
		for (i = 0; i < QUEUES; i++)
			virtio_queue_kicked(rig.vdev, i);
		usleep(round * 50);	/* not sched_yield(): on a busy machine each gives up a whole slice */
		virtio_set_status(rig.vdev, 0);
		/* Now it is the guest's own again: whoever writes it from here on is caught. */
		all = ram(RAM_BASE);
		memset(all, 0x99, RAM_SIZE);
		for (i = 0; i < 20; i++)
			sched_yield();
		for (i = 0; i < RAM_SIZE && all[i] == 0x99; i++)
			;
		CHECK_EQ(i, RAM_SIZE);
	}
	rig_down();
}

#define RUN_AS(name)                                                                                                   \
	do {                                                                                                           \
		char label_[128];                                                                                      \
		snprintf(label_, sizeof(label_), "%s%s: %s", engine_name, direct ? ",direct" : "", #name);             \
		tap_run(label_, name);                                                                                 \
	} while (0)

static void run_all(const char *engine_name, enum disk_engine e)
{
	engine = e;
	for (int i = 0; i < 2; i++) {
		direct = i;
		RUN_AS(random_requests_do_what_a_model_does);
		RUN_AS(reset_in_full_flight_leaves_memory_alone);
	}
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	snprintf(path, sizeof(path), "%s/lkvm-blk-XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	if (fd < 0)
		abort();
	close(fd);
	run_all("sync", DISK_ENGINE_SYNC);
#ifdef HAVE_AIO
	run_all("aio", DISK_ENGINE_AIO);
#endif
#ifdef HAVE_URING
	run_all("io_uring", DISK_ENGINE_URING);
#endif
	unlink(path);
	return tap_done();
}
