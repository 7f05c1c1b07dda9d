/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks at work: every engine, through the page cache and around it, on real files.
 * links: disk/open.c disk/disk.c disk/probe.c disk/sync.c disk/aio.c disk/uring.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk/engine.h"
#include "tests/tap.h"
#include "util/log.h"

enum { SIZE = 1 << 20, MANY = 300, RQ_BYTES = 4096 };

static char dir[64], path[128];
static struct event_loop *loop;
static struct disk *disk;
static u8 *mem;			/* SIZE bytes and more, page aligned */

/* What is under test now; set by main(). */
static enum disk_engine engine;
static bool direct;

/* --- a rig: requests from the loop's thread --- */

struct rq {
	struct disk_req req;
	struct iovec iov[8];
	int res;
	unsigned int done;
	void (*then)(struct rq *rq);	/* in done() */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static unsigned int nr_done, nr_batches, done_since_batch;

struct batch {
	struct event_work work;
	struct rq *rq;
	unsigned int nr;
};

static void rq_done(struct disk_req *req, int res)
{
	struct rq *rq = container_of(req, struct rq, req);

	pthread_mutex_lock(&lock);
	rq->res = res;
	rq->done++;
	nr_done++;
	done_since_batch++;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
	if (rq->then)
		rq->then(rq);
}

static void batch_done(void *arg)
{
	pthread_mutex_lock(&lock);
	if (arg == mem)
		nr_batches++;
	done_since_batch = 0;
	pthread_mutex_unlock(&lock);
}

static void submit_batch(struct event_work *w)
{
	struct batch *b = container_of(w, struct batch, work);
	unsigned int i;

	for (i = 0; i < b->nr; i++)
		disk_submit(disk, &b->rq[i].req);
	disk_commit(disk);
}

/* Submits all in one batch, waits for all. */
static void run(struct rq *rq, unsigned int nr)
{
	struct batch b = { .rq = rq, .nr = nr };
	unsigned int i;

	nr_done = 0;
	for (i = 0; i < nr; i++) {
		rq[i].done = 0;
		rq[i].req.done = rq_done;
	}
	event_post(loop, &b.work, submit_batch);
	pthread_mutex_lock(&lock);
	while (nr_done < nr)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	event_work_cancel(loop, &b.work);
	disk_drain(disk);
}

static int one(enum disk_op op, u64 off, void *buf, u64 len, bool may_unmap)
{
	struct rq rq = { .req = { .op = op, .off = off, .len = len, .may_unmap = may_unmap } };

	rq.iov[0] = (struct iovec){ buf, len };
	rq.req.iov = rq.iov;
	rq.req.iovcnt = 1;
	run(&rq, 1);
	return rq.done == 1 ? rq.res : -9999;
}

static int open_on(const char *file, bool readonly)
{
	struct disk_config cfg = { .path = file, .readonly = readonly, .direct = direct, .engine = engine };
	struct error err;
	int r = disk_open(&cfg, &err, &disk);

	if (r < 0) {
		printf("# %s\n", err.msg);
		disk = NULL;
		return r;
	}
	return disk_attach(disk, loop, batch_done, mem);
}

static bool up(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, SIZE) < 0)
		abort();
	close(fd);
	memset(mem, 0, 2 * SIZE);
	return open_on(path, false) == 0;
}

static void down(void)
{
	disk_close(disk);
	disk = NULL;
}

#define UP()                                                                                                           \
	do {                                                                                                           \
		if (!up())                                                                                             \
			SKIP("this engine does not work here");                                                        \
	} while (0)

static bool is_all(const u8 *p, u8 byte, size_t len)
{
	while (len && *p == byte) {
		p++;
		len--;
	}
	return !len;
}

static bool file_is(u64 off, u8 byte, size_t len)
{
	static u8 buf[SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && pread(fd, buf, len, (off_t)off) == (ssize_t)len && is_all(buf, byte, len);

	close(fd);
	return ok;
}

/* --- tests, each for every engine --- */

TEST(what_is_written_is_read_back_and_on_the_host)
{
	UP();
	memset(mem, 0x5a, 8192);
	CHECK_EQ(one(DISK_WRITE, 4096, mem, 8192, false), 0);
	CHECK_EQ(one(DISK_FLUSH, 0, NULL, 0, false), 0);
	CHECK_EQ(one(DISK_READ, 0, mem + 65536, 16384, false), 0);
	CHECK(is_all(mem + 65536, 0, 4096));
	CHECK(is_all(mem + 65536 + 4096, 0x5a, 8192));
	CHECK(is_all(mem + 65536 + 12288, 0, 4096));
	CHECK(file_is(4096, 0x5a, 8192) && file_is(0, 0, 4096) && file_is(12288, 0, SIZE - 12288));
	down();
}

TEST(scattered_pieces_are_one_transfer)
{
	struct rq rq = { .req = { .op = DISK_WRITE, .off = 8192, .len = 5 * 4096, .iovcnt = 5 } };
	unsigned int i;

	UP();
	rq.req.iov = rq.iov;
	for (i = 0; i < 5; i++) {
		memset(mem + i * 16384, (int)(i + 1), 4096);
		rq.iov[i] = (struct iovec){ mem + i * 16384, 4096 };
	}
	run(&rq, 1);
	CHECK_EQ(rq.res, 0);
	for (i = 0; i < 5; i++)
		CHECK(file_is(8192 + 4096 * i, (u8)(i + 1), 4096));
	for (i = 0; i < 5; i++)
		memset(mem + i * 16384, 0, 4096);
	rq.req.op = DISK_READ;
	run(&rq, 1);
	CHECK_EQ(rq.res, 0);
	CHECK_EQ(rq.req.done_len, 5 * 4096);
	for (i = 0; i < 5; i++)
		CHECK(is_all(mem + i * 16384, (u8)(i + 1), 4096));
	down();
}

/* As on tmpfs: a system call writes so much at most. */
TEST(write_in_several_calls_is_whole)
{
	static const u32 len[] = { 512, 9 * 4096, 3 * 4096, 40960, 512, 512, 4096 };
	struct rq rq = { .req = { .op = DISK_WRITE, .off = 4096, .iovcnt = ARRAY_SIZE(len) } };
	unsigned int i;
	u64 off = 0;

	UP();
	disk->write_piece = 3 * 4096;
	rq.req.iov = rq.iov;
	for (i = 0; i < ARRAY_SIZE(len); i++) {
		memset(mem + i * 65536, (int)(i + 1), len[i]);
		rq.iov[i] = (struct iovec){ mem + i * 65536, len[i] };
		rq.req.len += len[i];
	}
	run(&rq, 1);
	CHECK_EQ(rq.res, 0);
	CHECK_EQ(rq.req.done_len, rq.req.len);
	for (i = 0; i < ARRAY_SIZE(len); i++) {
		CHECK(file_is(4096 + off, (u8)(i + 1), len[i]));
		off += len[i];
	}
	CHECK(file_is(4096 + off, 0, 4096));
	down();
}

TEST(memory_offset_and_length_need_no_alignment)
{
	static const struct {
		u32 off, at, len;
	} odd[] = { { 512, 1, 512 }, { 0, 3, 4096 }, { 1536, 4096, 1024 }, { 512 * 7, 7 * 512 + 2, 512 * 9 }, { 4096, 77, 65536 } };
	unsigned int i;

	UP();
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		memset(mem + odd[i].at, (int)(0x10 + i), odd[i].len);
		CHECK_EQ(one(DISK_WRITE, odd[i].off, mem + odd[i].at, odd[i].len, false), 0);
		CHECK(file_is(odd[i].off, (u8)(0x10 + i), odd[i].len));
		memset(mem, 0, SIZE);
		CHECK_EQ(one(DISK_READ, odd[i].off, mem + odd[i].at, odd[i].len, false), 0);
		CHECK(is_all(mem + odd[i].at, (u8)(0x10 + i), odd[i].len));
		CHECK_EQ(mem[odd[i].at + odd[i].len], 0);
	}
	down();
}

TEST(more_requests_than_the_engine_holds_all_complete_once)
{
	static struct rq rq[MANY];
	unsigned int i;

	UP();
	for (i = 0; i < MANY; i++) {	/* writes; every seventh is one that O_DIRECT cannot take */
		u8 *p = mem + (u64)i * 2048 + (i % 7 ? 0 : 1);

		memset(p, (int)(i | 1), 1024);
		rq[i] = (struct rq){ .req = { .op = DISK_WRITE, .off = i * 3072ULL, .len = 1024, .iov = rq[i].iov, .iovcnt = 1 } };
		rq[i].iov[0] = (struct iovec){ p, 1024 };
	}
	run(rq, MANY);
	for (i = 0; i < MANY; i++) {
		CHECK_EQ(rq[i].done, 1);
		CHECK_EQ(rq[i].res, 0);
	}
	memset(mem, 0, SIZE);
	for (i = 0; i < MANY; i++)
		rq[i].req.op = i == 100 ? DISK_FLUSH : DISK_READ;
	run(rq, MANY);
	for (i = 0; i < MANY; i++) {
		CHECK_EQ(rq[i].done, 1);
		CHECK_EQ(rq[i].res, 0);
		if (i != 100)
			CHECK(is_all(rq[i].iov[0].iov_base, (u8)(i | 1), 1024));
		CHECK(file_is(i * 3072ULL, (u8)(i | 1), 1024));
	}
	down();
}

TEST(neighbouring_sectors_written_together_do_not_lose_each_other)
{
	static struct rq rq[64];
	unsigned int i, round;

	UP();
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 64; i++) {	/* direct and through the page cache, in the same pages */
			u8 *p = mem + i * 1024 + (i % 3 == 1);

			memset(p, (int)(round + i + 1), 512);
			rq[i] = (struct rq){ .req = { .op = DISK_WRITE, .off = i * 512ULL, .len = 512, .iov = rq[i].iov, .iovcnt = 1 } };
			rq[i].iov[0] = (struct iovec){ p, 512 };
		}
		run(rq, 64);
		for (i = 0; i < 64; i++) {
			CHECK_EQ(rq[i].res, 0);
			CHECK(file_is(i * 512, (u8)(round + i + 1), 512));
		}
	}
	down();
}

TEST(nothing_beyond_the_end)
{
	static const struct {
		u64 off, len;
	} bad[] = {
		{ SIZE, 512 }, { SIZE - 512, 1024 }, { SIZE + 512, 0 }, { 1ULL << 63, 512 }, { ~0ULL - 511, 512 }, { 0, SIZE + 512 },
	};
	struct stat st;
	unsigned int i;

	UP();
	memset(mem, 0xee, 2 * SIZE);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(one(DISK_READ, bad[i].off, mem, bad[i].len, false), -EIO);
		CHECK_EQ(one(DISK_WRITE, bad[i].off, mem, bad[i].len, false), -EIO);
		CHECK_EQ(one(DISK_DISCARD, bad[i].off, NULL, bad[i].len, false), -EIO);
		CHECK_EQ(one(DISK_WRITE_ZEROES, bad[i].off, NULL, bad[i].len, true), -EIO);
		CHECK(is_all(mem, 0xee, SIZE));
	}
	CHECK_EQ(one(DISK_WRITE, SIZE - 512, mem, 512, false), 0);
	CHECK_EQ(one(DISK_READ, SIZE, mem, 0, false), 0);
	stat(path, &st);
	CHECK_EQ(st.st_size, SIZE);
	CHECK(file_is(0, 0, SIZE - 512));
	down();
}

TEST(image_that_shrank_gives_errors_not_old_data)
{
	struct rq rq = { .req = { .op = DISK_READ, .off = SIZE / 2 - 4096, .len = 8192, .iovcnt = 1 } };

	UP();
	memset(mem, 0x77, SIZE);
	CHECK_EQ(one(DISK_WRITE, 0, mem, SIZE, false), 0);
	CHECK_EQ(truncate(path, SIZE / 2), 0);
	CHECK_EQ(one(DISK_READ, SIZE / 2, mem, 4096, false), -EIO);
	memset(mem, 0xee, 8192);
	rq.req.iov = rq.iov;
	rq.iov[0] = (struct iovec){ mem, 8192 };
	run(&rq, 1);
	CHECK_EQ(rq.res, -EIO);
	CHECK_EQ(rq.req.done_len, 4096);	/* what was read is told */
	CHECK(is_all(mem, 0x77, 4096));
	CHECK_EQ(truncate(path, SIZE / 2 + 100), 0);	/* not even a whole sector */
	CHECK_EQ(one(DISK_READ, SIZE / 2, mem, 512, false), -EIO);
	CHECK_EQ(one(DISK_READ, 0, mem, 4096, false), 0);
	down();
}

TEST(image_that_grew_is_as_large_as_it_was)
{
	UP();
	CHECK_EQ(truncate(path, 2 * SIZE), 0);
	CHECK_EQ(one(DISK_READ, SIZE, mem, 512, false), -EIO);
	CHECK_EQ(disk_size(disk), SIZE);
	down();
}

TEST(read_only_is_read_only)
{
	UP();
	down();
	CHECK_EQ(open_on(path, true), 0);
	CHECK_EQ(one(DISK_READ, 0, mem, 4096, false), 0);
	memset(mem, 0x11, 4096);
	CHECK_EQ(one(DISK_WRITE, 0, mem, 4096, false), -EROFS);
	CHECK_EQ(one(DISK_DISCARD, 0, NULL, 4096, false), -EROFS);
	CHECK_EQ(one(DISK_WRITE_ZEROES, 0, NULL, 4096, false), -EROFS);
	CHECK_EQ(one(DISK_FLUSH, 0, NULL, 0, false), 0);
	CHECK(file_is(0, 0, 4096));
	down();
}

TEST(discard_frees_and_zeroes_are_zeroes)
{
	struct stat before, after;
	unsigned int unmap;

	UP();
	memset(mem, 0x33, SIZE);
	CHECK_EQ(one(DISK_WRITE, 0, mem, SIZE, false), 0);
	CHECK_EQ(one(DISK_FLUSH, 0, NULL, 0, false), 0);
	stat(path, &before);
	CHECK_EQ(one(DISK_DISCARD, SIZE / 2, NULL, SIZE / 2, false), 0);
	stat(path, &after);
	CHECK(after.st_blocks < before.st_blocks);
	CHECK_EQ(after.st_size, SIZE);
	CHECK(file_is(SIZE / 2, 0, SIZE / 2) && file_is(0, 0x33, SIZE / 2));
	for (unmap = 0; unmap < 2; unmap++) {	/* aligned to nothing */
		CHECK_EQ(one(DISK_WRITE, 0, mem, SIZE, false), 0);
		CHECK_EQ(one(DISK_WRITE_ZEROES, 512 * 3, NULL, 512 * 21, unmap), 0);
		CHECK(file_is(512 * 3, 0, 512 * 21));
		CHECK(file_is(0, 0x33, 512 * 3) && file_is(512 * 24, 0x33, SIZE - 512 * 24));
		CHECK_EQ(one(DISK_READ, 512, mem + SIZE, 512 * 30, false), 0);
		CHECK(is_all(mem + SIZE, 0x33, 1024) && is_all(mem + SIZE + 1024, 0, 512 * 21));
	}
	stat(path, &after);
	CHECK_EQ(after.st_size, SIZE);
	down();
}

static void write_after_read(struct rq *rq)
{
	rq->then = NULL;
	rq->req.op = DISK_WRITE;
	rq->req.off = SIZE / 2;
	disk_submit(disk, &rq->req);
	disk_commit(disk);
}

TEST(done_may_submit_again)
{
	struct rq rq = { .req = { .op = DISK_READ, .len = 4096, .iovcnt = 1, .done = rq_done }, .then = write_after_read };
	struct batch b = { .rq = &rq, .nr = 1 };

	UP();
	memset(mem, 0x44, 4096);
	CHECK_EQ(one(DISK_WRITE, 0, mem, 4096, false), 0);
	memset(mem, 0, 4096);
	rq.req.iov = rq.iov;
	rq.iov[0] = (struct iovec){ mem, 4096 };
	nr_done = 0;
	event_post(loop, &b.work, submit_batch);
	pthread_mutex_lock(&lock);
	while (nr_done < 2)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	event_work_cancel(loop, &b.work);
	disk_drain(disk);
	CHECK_EQ(rq.res, 0);
	CHECK(file_is(SIZE / 2, 0x44, 4096));
	down();
}

TEST(drain_returns_after_the_last_batch_hook)
{
	static struct rq rq[40];
	unsigned int i, round;

	UP();
	for (round = 0; round < 30; round++) {
		for (i = 0; i < 40; i++) {
			rq[i] = (struct rq){ .req = { .op = i % 8 ? DISK_READ : DISK_FLUSH, .off = i * 4096, .len = 4096, .iov = rq[i].iov,
					     .iovcnt = 1 } };
			rq[i].iov[0] = (struct iovec){ mem + i * 4096, 4096 };
		}
		run(rq, 40);
		CHECK_EQ(done_since_batch, 0);	/* no lock: nobody else is left */
		CHECK_EQ(nr_done, 40);
	}
	CHECK(nr_batches);
	down();
}

TEST(disk_moves_from_loop_to_loop)
{
	struct event_loop *first = loop, *second;
	int r;

	UP();
	memset(mem, 0x21, 4096);
	CHECK_EQ(one(DISK_WRITE, 0, mem, 4096, false), 0);
	disk_detach(disk);
	CHECK_EQ(event_loop_create("second", &second), 0);
	CHECK_EQ(event_loop_start_thread(second), 0);
	CHECK_EQ(disk_attach(disk, second, batch_done, mem), 0);
	loop = second;
	r = one(DISK_READ, 0, mem + 8192, 4096, false);
	disk_detach(disk);
	loop = first;
	event_loop_free(second);
	CHECK_EQ(r, 0);
	CHECK(is_all(mem + 8192, 0x21, 4096));
	CHECK_EQ(disk_attach(disk, loop, batch_done, mem), 0);
	CHECK_EQ(one(DISK_READ, 0, mem, 4096, false), 0);
	down();
}

TEST(a_full_host_is_an_error_of_the_write_alone)
{
	char small[96], img[128];
	int fd, r, r2, r3, big;

	snprintf(small, sizeof(small), "%s/small", dir);
	snprintf(img, sizeof(img), "%s/disk.img", small);
	mkdir(small, 0700);
	if (mount("tmpfs", small, "tmpfs", 0, "size=256k") < 0) {
		rmdir(small);
		SKIP("cannot mount a small tmpfs here");
	}
	fd = open(img, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	r = fd < 0 || ftruncate(fd, SIZE) < 0 ? -1 : open_on(img, false);
	close(fd);
	if (r) {
		umount(small);
		rmdir(small);
		SKIP("no O_DIRECT on this host's tmpfs, or no such engine");
	}
	memset(mem, 0x66, SIZE);
	r = one(DISK_WRITE, 0, mem, 65536, false);
	big = one(DISK_WRITE, 0, mem, SIZE, false);
	r2 = one(DISK_READ, 0, mem + SIZE, 65536, false);
	r3 = one(DISK_FLUSH, 0, NULL, 0, false);
	down();
	unlink(img);
	umount(small);
	rmdir(small);
	CHECK_EQ(r, 0);
	CHECK_EQ(big, -ENOSPC);
	CHECK_EQ(r2, 0);
	CHECK_EQ(r3, 0);
	CHECK(is_all(mem + SIZE, 0x66, 65536));
}

TEST(a_file_size_limit_is_an_error_too)
{
	struct rlimit old, lim;
	int r, r2;

	UP();
	getrlimit(RLIMIT_FSIZE, &old);
	lim = (struct rlimit){ SIZE / 2, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &lim);
	r = one(DISK_WRITE, SIZE / 2 - 4096, mem, 8192, false);
	r2 = one(DISK_WRITE, 0, mem, 4096, false);
	setrlimit(RLIMIT_FSIZE, &old);
	CHECK_EQ(r, -EFBIG);	/* and no SIGXFSZ */
	CHECK_EQ(r2, 0);
	down();
}

static unsigned int threads(void)
{
	unsigned int n;

	pthread_mutex_lock(&disk->pool.lock);
	n = disk->pool.nr_threads;
	pthread_mutex_unlock(&disk->pool.lock);
	return n;
}

TEST(threads_are_made_as_needed_and_bounded)
{
	static struct rq rq[MANY];
	unsigned int i;

	UP();
	CHECK_EQ(threads(), 0);
	CHECK_EQ(one(DISK_READ, 0, mem, 4096, false), 0);
	CHECK_EQ(threads(), engine == DISK_ENGINE_SYNC ? 1 : 0);
	for (i = 0; i < MANY; i++)
		rq[i] = (struct rq){ .req = { .op = DISK_WRITE_ZEROES, .off = i * 512, .len = 512 } };
	run(rq, MANY);
	CHECK(threads() >= 1 && threads() <= DISK_THREADS);
	down();
}

TEST(auto_is_the_best_that_works)
{
	enum disk_engine was = engine;

	engine = DISK_ENGINE_AUTO;
	UP();
	engine = was;
#ifdef HAVE_URING
	CHECK(!strcmp(disk_engine_name(disk), "io_uring") || !strcmp(disk_engine_name(disk), direct ? "aio" : "sync"));
#else
	CHECK(!strcmp(disk_engine_name(disk), "sync") || direct);
#endif
	CHECK_EQ(one(DISK_READ, 0, mem, 4096, false), 0);
	down();
}

#define RUN_AS(name)                                                                                                   \
	do {                                                                                                           \
		char label_[128];                                                                                      \
		snprintf(label_, sizeof(label_), "%s%s: %s", engine_name, direct ? ",direct" : "", #name);             \
		tap_run(label_, name);                                                                                 \
		if (disk)                                                                                              \
			down();	/* a failed test left it */                                                            \
	} while (0)

static void run_all(const char *engine_name)
{
	RUN_AS(what_is_written_is_read_back_and_on_the_host);
	RUN_AS(scattered_pieces_are_one_transfer);
	RUN_AS(write_in_several_calls_is_whole);
	RUN_AS(memory_offset_and_length_need_no_alignment);
	RUN_AS(more_requests_than_the_engine_holds_all_complete_once);
	RUN_AS(neighbouring_sectors_written_together_do_not_lose_each_other);
	RUN_AS(nothing_beyond_the_end);
	RUN_AS(image_that_shrank_gives_errors_not_old_data);
	RUN_AS(image_that_grew_is_as_large_as_it_was);
	RUN_AS(read_only_is_read_only);
	RUN_AS(discard_frees_and_zeroes_are_zeroes);
	RUN_AS(done_may_submit_again);
	RUN_AS(drain_returns_after_the_last_batch_hook);
	RUN_AS(disk_moves_from_loop_to_loop);
	RUN_AS(a_full_host_is_an_error_of_the_write_alone);
	RUN_AS(a_file_size_limit_is_an_error_too);
	RUN_AS(threads_are_made_as_needed_and_bounded);
	RUN_AS(auto_is_the_best_that_works);
}

int main(void)
{
	snprintf(dir, sizeof(dir), "%s/lkvm-disk-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/a.img", dir);
	/* A mount of ours is to go with us. */
	if (unshare(CLONE_NEWNS) == 0)
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	mem = mmap(NULL, 2 * SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || event_loop_create("disk-test", &loop) < 0 || event_loop_start_thread(loop) < 0)
		abort();
	log_set_level(LOG_ERROR);
	for (int i = 0; i < 2; i++) {
		direct = i;
		engine = DISK_ENGINE_SYNC;
		run_all("sync");
#ifdef HAVE_AIO
		engine = DISK_ENGINE_AIO;
		run_all("aio");
#endif
#ifdef HAVE_URING
		engine = DISK_ENGINE_URING;
		run_all("io_uring");
#endif
	}
	event_loop_free(loop);
	unlink(path);
	rmdir(dir);
	return tap_done();
}
