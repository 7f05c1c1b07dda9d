/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk at work: takes requests, checks their bounds, sends each to the engine or to the worker threads, and calls done().
 *
 * What O_DIRECT cannot take (memory, offset or length aligned to less than it wants) goes through the page cache, on a worker
 * thread. That is the bounce buffer, and the kernel keeps it coherent with direct I/O as long as no dirty cached page meets a
 * direct write beside it in the same page. So:
 *
 * Invariants:
 * 1. A page-cache write of a direct disk is alone: it begins when nothing is active, and nothing begins before it has finished.
 * 2. A request is on exactly one of: backlog, the engine or pool ("active"), ready. inflight counts all of them, and those in done().
 * 3. done() is called from deliver() only, which never nests, so a guest that keeps the ring full cannot keep the loop
 *    from its other work: what finishes meanwhile waits for the next round.
 * 4. inflight falls only after batch_done(): once disk_drain() returns nobody has guest memory in hand.
 *
 * The image may change size under us: a read that meets its end is -EIO, not what was in the buffer.
 *
 * Threads: disk_submit, disk_commit and everything below on the loop's thread; attach, detach, drain, close on another. Between the
 * two, event_add() and event_del() of the loop order the accesses.
 */
#include "vmm/disk.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/engine.h"

static const struct {
	enum disk_engine id;
	const char *name;
	const struct disk_engine_ops *ops;
	bool built;
} engines[] = {
#ifdef HAVE_URING
	{ DISK_ENGINE_URING, "io_uring", &disk_uring_ops, true },
#else
	{ DISK_ENGINE_URING, "io_uring", NULL, false },
#endif
#ifdef HAVE_AIO
	{ DISK_ENGINE_AIO, "aio", &disk_aio_ops, true },
#else
	{ DISK_ENGINE_AIO, "aio", NULL, false },
#endif
	{ DISK_ENGINE_SYNC, "sync", NULL, true },
};

u64 disk_size(const struct disk *d)
{
	return d->size;
}

u32 disk_block_size(const struct disk *d)
{
	return d->block_size;
}

u32 disk_physical_block_size(const struct disk *d)
{
	return d->physical_block_size;
}

bool disk_readonly(const struct disk *d)
{
	return d->readonly;
}

bool disk_can_discard(const struct disk *d)
{
	return d->can_discard;
}

bool disk_can_write_zeroes(const struct disk *d)
{
	return !d->readonly;
}

const char *disk_path(const struct disk *d)
{
	return d->path;
}

const char *disk_engine_name(const struct disk *d)
{
	return !d->engine_ready ? "auto" : d->ops ? d->ops->name : "sync";
}

void disk_serial(const struct disk *d, char serial[20])
{
	memcpy(serial, d->serial, sizeof(d->serial));
}

/* --- engine --- */

static int use_engine(struct disk *d, const struct disk_engine_ops *ops)
{
	int r = ops ? ops->create(d) : 0;

	if (r < 0)
		return r;
	d->ops = ops;
	d->engine_ready = true;
	return 0;
}

/*
 * The fastest that works. libaio only with O_DIRECT: on the page cache its io_submit() does the transfer before it returns, and would
 * hold up the loop that the threads of engine=sync leave free.
 */
static int use_best(struct disk *d)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		if (!engines[i].built || (engines[i].id == DISK_ENGINE_AIO && d->direct_fd < 0))
			continue;
		if (use_engine(d, engines[i].ops) == 0)
			return 0;
	}
	return -ENOSYS;	/* not reached: the threads always work */
}

static int engine_error(struct disk *d, unsigned int i, int code, struct error *err)
{
	const char *others = "";

#if defined(HAVE_URING) && defined(HAVE_AIO)
	others = engines[i].id == DISK_ENGINE_URING ? "aio or " : "io_uring or ";
#elif defined(HAVE_URING)
	others = engines[i].id == DISK_ENGINE_URING ? "" : "io_uring or ";
#elif defined(HAVE_AIO)
	others = engines[i].id == DISK_ENGINE_URING ? "aio or " : "";
#endif
	if (!engines[i].built)
		return error_set(err, -EOPNOTSUPP, "disk '%s': engine=%s is not in this build: want %ssync", d->path, engines[i].name,
				 others);
	return error_set(err, code, "disk '%s': engine=%s does not work on this host (%s): want %ssync", d->path, engines[i].name,
			 strerror(-code), others);
}

int disk_engine_setup(struct disk *d, struct error *err)
{
	unsigned int i;
	int r;

	if (d->event_fd < 0) {
		d->event_fd = eventfd_create();
		if (d->event_fd < 0)
			return error_set_errno(err, d->event_fd, "disk '%s': eventfd", d->path);
	}
	if (d->wanted == DISK_ENGINE_AUTO)
		return use_best(d);
	for (i = 0; engines[i].id != d->wanted; i++)
		;
	r = engines[i].built ? use_engine(d, engines[i].ops) : -EOPNOTSUPP;
	return r < 0 ? engine_error(d, i, r, err) : 0;
}

/* --- a request's way --- */

static void make_ready(struct disk *d, struct disk_req *req, int res)
{
	req->res = res;
	disk_list_add(&d->ready, req);
}

static void finish(struct disk *d, struct disk_req *req, int res)
{
	d->active--;
	if (req->alone)
		d->alone = false;
	make_ready(d, req, res);
}

unsigned int disk_io_rest(struct disk_req *req, const struct iovec **ret_iov)
{
	u64 skip = req->done_len, most = req->op == DISK_WRITE ? req->disk->write_piece : UINT64_MAX, len;
	unsigned int i = 0, n;

	while (i < req->iovcnt && skip >= req->iov[i].iov_len)
		skip -= req->iov[i++].iov_len;
	if (skip || req->iov[i].iov_len > most) {
		req->tail[0].iov_base = (char *)req->iov[i].iov_base + skip;
		req->tail[0].iov_len = MIN(req->iov[i].iov_len - skip, most);
		*ret_iov = req->tail;
		return 1;
	}
	*ret_iov = req->iov + i;
	if (req->len - req->done_len <= most)
		return MIN(req->iovcnt - i, (unsigned int)IOV_MAX);
	for (n = 0, len = 0; i + n < req->iovcnt && n < IOV_MAX; n++) {
		len += req->iov[i + n].iov_len;
		if (len > most)
			break;
	}
	return n;
}

void disk_io_done(struct disk *d, struct disk_req *req, ssize_t res)
{
	bool moves = req->op == DISK_READ || req->op == DISK_WRITE;

	if (res == -EAGAIN || res == -EINTR || (req->op == DISK_FLUSH && (res == -EINVAL || res == -EOPNOTSUPP))) {
		/* This way it cannot be done, or not now; a system call that may sleep can. */
		req->blocking = true;
	} else if (res < 0 || !moves) {
		finish(d, req, res < 0 ? (int)res : 0);
		return;
	} else if (!res) {
		finish(d, req, -EIO);	/* the image ends before its end */
		return;
	} else {
		req->done_len += MIN((u64)res, req->len - req->done_len);
		if (req->done_len == req->len) {
			finish(d, req, 0);
			return;
		}
		req->blocking = !is_aligned(req->done_len, d->dio_off_align);
	}
	if (req->blocking || !d->ops->queue(d, req))
		disk_pool_queue(d, req);
}

/* 0 with *ret_aligned: may O_DIRECT have it? */
static int check(const struct disk *d, const struct disk_req *req, bool *ret_aligned)
{
	bool aligned = is_aligned(req->off, d->dio_off_align) && is_aligned(req->len, d->dio_off_align);
	unsigned int i;
	u64 sum = 0;

	if (req->op != DISK_READ && req->op != DISK_FLUSH && d->readonly)
		return -EROFS;
	if (req->op == DISK_FLUSH) {
		*ret_aligned = true;
		return 0;
	}
	if (req->off > d->size || req->len > d->size - req->off)
		return -EIO;
	if (req->op == DISK_READ || req->op == DISK_WRITE) {
		for (i = 0; i < req->iovcnt; i++) {
			sum += req->iov[i].iov_len;
			aligned = aligned && is_aligned((uintptr_t)req->iov[i].iov_base, d->dio_mem_align) &&
				  is_aligned(req->iov[i].iov_len, d->dio_off_align);
		}
		assert(sum == req->len);
	}
	*ret_aligned = aligned;
	return 0;
}

void disk_submit(struct disk *d, struct disk_req *req)
{
	bool aligned = true, moves = req->op == DISK_READ || req->op == DISK_WRITE;
	int r;

	atomic_fetch_add(&d->inflight, 1);
	req->disk = d;
	req->done_len = 0;
	r = check(d, req, &aligned);
	if (r < 0 || (req->op == DISK_FLUSH ? d->readonly : !req->len)) {
		make_ready(d, req, r);
		return;
	}
	req->page_cache = !aligned;
	req->alone = !aligned && req->op != DISK_READ;
	req->blocking = !d->ops || !aligned || !(moves || req->op == DISK_FLUSH);
	disk_list_add(&d->backlog, req);
}

/* Sends out what may go. */
static void dispatch(struct disk *d)
{
	struct disk_req *req;

	while ((req = d->backlog.head) && !d->alone && !(req->alone && d->active)) {
		struct disk_req *next = req->next;

		if (req->blocking)
			disk_pool_queue(d, req);
		else if (!d->ops->queue(d, req))
			break;
		d->backlog.head = next;
		d->active++;
		d->alone = req->alone;
	}
	if (d->ops)
		d->ops->commit(d);
	disk_pool_commit(d);
}

static void deliver(struct disk *d)
{
	struct disk_list now = disk_list_take_all(&d->ready);
	struct disk_req *req;
	unsigned int n = 0;

	if (!now.head)
		return;
	d->delivering = true;
	for (; (req = disk_list_take(&now)); n++)
		req->done(req, req->res);
	if (d->batch_done)
		d->batch_done(d->batch_arg);
	d->delivering = false;
	if (d->ready.head)
		eventfd_signal(d->event_fd);	/* (inv. 3) */
	if (atomic_fetch_sub(&d->inflight, n) == n) {	/* (inv. 4) */
		pthread_mutex_lock(&d->lock);
		pthread_cond_broadcast(&d->idle);
		pthread_mutex_unlock(&d->lock);
	}
}

void disk_commit(struct disk *d)
{
	dispatch(d);
	if (!d->delivering)
		deliver(d);
}

static void finished(struct event_source *src, u32 events)
{
	struct disk *d = container_of(src, struct disk, events);
	struct disk_list done;
	struct disk_req *req;

	eventfd_drain(src->fd);
	if (d->ops)
		d->ops->reap(d);
	done = disk_pool_reap(d);
	while ((req = disk_list_take(&done)))
		finish(d, req, req->res);
	disk_commit(d);
}

/* --- attach, detach, close: not the loop's thread --- */

int disk_prepare(struct disk *d, struct error *err)
{
	return d->engine_ready ? 0 : disk_engine_setup(d, err);
}

int disk_attach(struct disk *d, struct event_loop *loop, void (*batch_done)(void *arg), void *arg)
{
	int r;

	assert(!d->loop);
	r = disk_prepare(d, NULL);
	if (r < 0)
		return r;
	d->batch_done = batch_done;
	d->batch_arg = arg;
	r = event_add(loop, &d->events, d->event_fd, EPOLLIN, finished);
	if (r < 0)
		return r;
	d->loop = loop;
	return 0;
}

void disk_drain(struct disk *d)
{
	pthread_mutex_lock(&d->lock);
	while (atomic_load(&d->inflight))
		pthread_cond_wait(&d->idle, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

void disk_detach(struct disk *d)
{
	event_del(&d->events);
	d->loop = NULL;
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	disk_detach(d);
	disk_pool_free(&d->pool);
	if (d->ops)
		d->ops->free(d);
	if (d->event_fd >= 0)
		close(d->event_fd);
	if (d->direct_fd >= 0)
		close(d->direct_fd);
	if (d->fd >= 0)
		close(d->fd);
	pthread_cond_destroy(&d->idle);
	pthread_mutex_destroy(&d->lock);
	free(d->path);
	free(d);
}
