/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * engine=aio: Linux native AIO through libaio [io_submit(2)]; a commit is one io_submit(), completions come by the disk's eventfd.
 * Asynchronous with O_DIRECT only: through the page cache io_submit() does the transfer itself.
 *
 * What the kernel does not take (a file system without an asynchronous fdatasync, no room) goes to the worker threads.
 *
 * Threads: the disk's loop thread; create and free while no loop is attached.
 */
#ifdef HAVE_AIO
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>

#include "disk/engine.h"

struct aio {
	io_context_t ctx;
	struct iocb iocb[DISK_DEPTH];
	struct iocb *unused[DISK_DEPTH];	/* a stack */
	unsigned int nr_unused;
	struct iocb *batch[DISK_DEPTH];		/* goes out at the next commit */
	unsigned int nr_batch;
};

static int aio_create(struct disk *d)
{
	struct aio *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	r = io_setup(DISK_DEPTH, &a->ctx);
	if (r < 0) {
		free(a);
		return r;
	}
	while (a->nr_unused < DISK_DEPTH) {
		a->unused[a->nr_unused] = &a->iocb[a->nr_unused];
		a->nr_unused++;
	}
	d->engine = a;
	return 0;
}

static void aio_free(struct disk *d)
{
	struct aio *a = d->engine;

	io_destroy(a->ctx);
	free(a);
}

static bool aio_queue(struct disk *d, struct disk_req *req)
{
	struct aio *a = d->engine;
	const struct iovec *iov;
	struct iocb *cb;
	unsigned int cnt;

	if (!a->nr_unused)
		return false;
	cb = a->unused[--a->nr_unused];
	if (req->op == DISK_FLUSH) {
		io_prep_fdsync(cb, d->io_fd);
	} else {
		cnt = disk_io_rest(req, &iov);
		if (req->op == DISK_READ)
			io_prep_preadv(cb, d->io_fd, iov, (int)cnt, (long long)(req->off + req->done_len));
		else
			io_prep_pwritev(cb, d->io_fd, iov, (int)cnt, (long long)(req->off + req->done_len));
	}
	cb->data = req;
	io_set_eventfd(cb, d->event_fd);
	a->batch[a->nr_batch++] = cb;
	return true;
}

static void aio_commit(struct disk *d)
{
	struct aio *a = d->engine;
	unsigned int sent = 0;
	struct iocb *cb;
	int r;

	while (sent < a->nr_batch) {
		r = io_submit(a->ctx, a->nr_batch - sent, a->batch + sent);
		if (r == -EINTR)
			continue;
		if (r > 0) {
			sent += (unsigned int)r;
			continue;
		}
		/* It is the first of the rest that was not taken. */
		cb = a->batch[sent++];
		a->unused[a->nr_unused++] = cb;
		disk_pool_queue(d, cb->data);
	}
	a->nr_batch = 0;
}

static void aio_reap(struct disk *d)
{
	struct timespec now = { 0 };
	struct aio *a = d->engine;
	struct io_event ev[32];
	int i, n;

	do {
		n = io_getevents(a->ctx, 0, ARRAY_SIZE(ev), ev, &now);
		for (i = 0; i < n; i++) {
			a->unused[a->nr_unused++] = ev[i].obj;
			disk_io_done(d, ev[i].data, (ssize_t)(long)ev[i].res);
		}
	} while (n == ARRAY_SIZE(ev) || n == -EINTR);
}

const struct disk_engine_ops disk_aio_ops = {
	.name = "aio",
	.create = aio_create,
	.free = aio_free,
	.queue = aio_queue,
	.commit = aio_commit,
	.reap = aio_reap,
};
#else
typedef int disk_aio_not_built;	/* a file must not be empty */
#endif
