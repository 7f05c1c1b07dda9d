/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests as plain system calls on worker threads: all of engine=sync, and for every engine what it has no asynchronous
 * form for (discard, zeroes, what O_DIRECT cannot take). A thread is made when work waits and none is idle, up to
 * DISK_THREADS; it stays until the disk is closed, and has all signals blocked.
 *
 * Threads: queue, commit and reap on the loop's thread; pool_thread() is the workers'; free when no loop is attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk/engine.h"
#include "util/thread.h"

enum {
	ZERO_PIECE = 64 * 1024,		/* mapped once, never written: the kernel's one zero page behind all of it */
	ZERO_PIECES = 16,		/* of them in one write */
};

static int transfer(struct disk *d, struct disk_req *req)
{
	const struct iovec *iov;
	unsigned int cnt;
	ssize_t n;
	int fd;

	while (req->done_len < req->len) {
		cnt = disk_io_rest(req, &iov);
		/* A direct transfer that was cut in mid-block can go on only through the page cache. */
		fd = req->page_cache || !is_aligned(req->done_len, d->dio_off_align) ? d->fd : d->io_fd;
		if (req->op == DISK_READ)
			n = preadv(fd, iov, (int)cnt, (off_t)(req->off + req->done_len));
		else
			n = pwritev(fd, iov, (int)cnt, (off_t)(req->off + req->done_len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;	/* 0: the image ends before its end */
		req->done_len += (u64)n;
	}
	return 0;
}

static int write_zeroes_plainly(struct disk *d, const struct disk_req *req)
{
	void *zero = mmap(NULL, ZERO_PIECE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov[ZERO_PIECES];
	u64 done = 0, want;
	unsigned int cnt;
	int fd, r = 0;
	ssize_t n;

	if (zero == MAP_FAILED)
		return -errno;
	while (done < req->len) {
		want = MIN(req->len - done, (u64)ZERO_PIECE * ZERO_PIECES);
		for (cnt = 0; want; cnt++, want -= iov[cnt - 1].iov_len)
			iov[cnt] = (struct iovec){ zero, MIN(want, (u64)ZERO_PIECE) };
		fd = req->page_cache || !is_aligned(done, d->dio_off_align) ? d->fd : d->io_fd;
		n = pwritev(fd, iov, (int)cnt, (off_t)(req->off + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : -EIO;
			break;
		}
		done += (u64)n;
	}
	munmap(zero, ZERO_PIECE);
	return r;
}

/* fallocate() with an answer that tells "cannot" from "failed". */
static int punch(const struct disk *d, int mode, const struct disk_req *req)
{
	int r;

	do
		r = fallocate(d->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)req->off, (off_t)req->len);
	while (r < 0 && errno == EINTR);
	if (!r)
		return 0;
	return errno == ENOSYS || errno == ENODEV || errno == EINVAL ? -EOPNOTSUPP : -errno;
}

/* Block devices have the same two modes, in terms of their own commands. Zeroes can always be written. */
static int write_zeroes(struct disk *d, const struct disk_req *req)
{
	u64 range[2] = { req->off, req->len };
	int r = req->may_unmap ? punch(d, FALLOC_FL_PUNCH_HOLE, req) : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		r = punch(d, FALLOC_FL_ZERO_RANGE, req);
	if (r == -EOPNOTSUPP && d->is_block && ioctl(d->fd, BLKZEROOUT, range) == 0)
		r = 0;
	return r == -EOPNOTSUPP ? write_zeroes_plainly(d, req) : r;
}

static int discard(struct disk *d, const struct disk_req *req)
{
	u64 range[2] = { req->off, req->len };

	if (!d->is_block)
		return punch(d, FALLOC_FL_PUNCH_HOLE, req);
	if (ioctl(d->fd, BLKDISCARD, range) == 0)
		return 0;
	return errno == ENOTTY || errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

static int run(struct disk *d, struct disk_req *req)
{
	switch (req->op) {
	case DISK_READ:
	case DISK_WRITE:
		return transfer(d, req);
	case DISK_FLUSH:
		return fdatasync(d->fd) < 0 ? -errno : 0;
	case DISK_DISCARD:
		return discard(d, req);
	case DISK_WRITE_ZEROES:
		return write_zeroes(d, req);
	}
	return -EOPNOTSUPP;
}

/* Takes the lock and gives it back around each request. */
static void run_next_locked(struct disk *d)
{
	struct disk_pool *p = &d->pool;
	struct disk_req *req = disk_list_take(&p->todo);
	bool first;

	p->nr_todo--;
	pthread_mutex_unlock(&p->lock);
	req->res = run(d, req);
	pthread_mutex_lock(&p->lock);
	first = !p->done.head;
	disk_list_add(&p->done, req);
	if (first)
		eventfd_signal(d->event_fd);
}

static void *pool_thread(void *arg)
{
	struct disk *d = arg;
	struct disk_pool *p = &d->pool;

	thread_begin(THREAD_WORKER, "disk-worker");
	pthread_mutex_lock(&p->lock);
	while (!p->end) {
		if (p->todo.head) {
			run_next_locked(d);
			continue;
		}
		p->nr_idle++;
		pthread_cond_wait(&p->work, &p->lock);
		p->nr_idle--;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static bool add_thread_locked(struct disk *d)
{
	struct disk_pool *p = &d->pool;

	if (p->nr_threads == DISK_THREADS || thread_start(&p->thread[p->nr_threads], pool_thread, d) < 0)
		return false;
	p->nr_threads++;
	return true;
}

void disk_pool_queue(struct disk *d, struct disk_req *req)
{
	disk_list_add(&d->pool.staged, req);
	d->pool.nr_staged++;
}

void disk_pool_commit(struct disk *d)
{
	struct disk_pool *p = &d->pool;
	struct disk_req *req;
	unsigned int i, want;

	if (!p->staged.head)
		return;
	pthread_mutex_lock(&p->lock);
	while ((req = disk_list_take(&p->staged)))
		disk_list_add(&p->todo, req);
	p->nr_todo += p->nr_staged;
	p->nr_staged = 0;
	want = p->nr_todo;
	for (i = 0; i < want && i < p->nr_idle; i++)
		pthread_cond_signal(&p->work);
	for (; i < want && add_thread_locked(d); i++)
		;
	/* Not one thread to be had: then here, slowly. */
	while (!p->nr_threads && p->todo.head)
		run_next_locked(d);
	pthread_mutex_unlock(&p->lock);
}

struct disk_list disk_pool_reap(struct disk *d)
{
	struct disk_list done;

	pthread_mutex_lock(&d->pool.lock);
	done = disk_list_take_all(&d->pool.done);
	pthread_mutex_unlock(&d->pool.lock);
	return done;
}

void disk_pool_init(struct disk_pool *p)
{
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
}

void disk_pool_free(struct disk_pool *p)
{
	unsigned int i;

	pthread_mutex_lock(&p->lock);
	p->end = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->nr_threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}
