/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * engine=io_uring: one ring for a disk [io_uring(7)]; a commit is one io_uring_enter(), completions come by the disk's eventfd.
 * Needs a kernel whose completion queue never drops (5.5) and that lets a ring be narrowed down (5.10): a ring can open files and
 * connect sockets, past any seccomp filter, so ours is told for good which three operations it may do. Administrators and seccomp may
 * forbid io_uring; then create() says so.
 *
 * Left out: registered buffers and files, polled I/O, a kernel-side submission thread.
 *
 * Threads: the disk's loop thread; create and free while no loop is attached.
 */
#ifdef HAVE_URING
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "disk/engine.h"

struct uring {
	struct io_uring ring;
	unsigned int nr;	/* with the kernel, or waiting in the submission queue */
	unsigned int unsent;	/* of those, the latter */
};

/* The ring, which is disabled till then, does what uring_queue() asks for, and nothing else may be registered with it. */
static int restrict_ring(struct io_uring *ring)
{
	static const u8 ops[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC };
	struct io_uring_restriction only[ARRAY_SIZE(ops)] = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		only[i].opcode = IORING_RESTRICTION_SQE_OP;
		only[i].sqe_op = ops[i];
	}
	/* liburing's own functions for this are missing from the shared library of some releases */
	if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, only, ARRAY_SIZE(only)) < 0 ||
	    syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int uring_create(struct disk *d)
{
	struct uring *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	r = io_uring_queue_init(DISK_DEPTH, &u->ring, IORING_SETUP_R_DISABLED);
	if (r < 0)
		goto free_engine;
	r = u->ring.features & IORING_FEAT_NODROP ? 0 : -EOPNOTSUPP;
	if (!r)
		r = io_uring_register_eventfd(&u->ring, d->event_fd);
	if (!r)
		r = restrict_ring(&u->ring);
	if (r < 0)
		goto exit_ring;
	d->engine = u;
	return 0;

exit_ring:
	io_uring_queue_exit(&u->ring);
free_engine:
	free(u);
	return r;
}

static void uring_free(struct disk *d)
{
	struct uring *u = d->engine;

	io_uring_queue_exit(&u->ring);
	free(u);
}

static bool uring_queue(struct disk *d, struct disk_req *req)
{
	struct uring *u = d->engine;
	struct io_uring_sqe *sqe = u->nr < DISK_DEPTH ? io_uring_get_sqe(&u->ring) : NULL;
	const struct iovec *iov;
	unsigned int cnt;

	if (!sqe)
		return false;
	if (req->op == DISK_FLUSH) {
		io_uring_prep_fsync(sqe, d->io_fd, IORING_FSYNC_DATASYNC);
	} else {
		cnt = disk_io_rest(req, &iov);
		if (req->op == DISK_READ)
			io_uring_prep_readv(sqe, d->io_fd, iov, cnt, req->off + req->done_len);
		else
			io_uring_prep_writev(sqe, d->io_fd, iov, cnt, req->off + req->done_len);
	}
	io_uring_sqe_set_data(sqe, req);
	u->nr++;
	u->unsent++;
	return true;
}

static void uring_commit(struct disk *d)
{
	struct uring *u = d->engine;
	int r;

	while (u->unsent) {
		r = io_uring_submit(&u->ring);
		if (r == -EINTR)
			continue;
		if (r <= 0) {
			/* The kernel is short of memory or has completions to be reaped first: once more next time round. */
			eventfd_signal(d->event_fd);
			return;
		}
		u->unsent -= MIN((unsigned int)r, u->unsent);
	}
}

static void uring_reap(struct disk *d)
{
	struct uring *u = d->engine;
	struct io_uring_cqe *cqe;
	struct disk_req *req;
	int res;

	while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
		req = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&u->ring, cqe);
		u->nr--;
		disk_io_done(d, req, res);
	}
}

const struct disk_engine_ops disk_uring_ops = {
	.name = "io_uring",
	.create = uring_create,
	.free = uring_free,
	.queue = uring_queue,
	.commit = uring_commit,
	.reap = uring_reap,
};
#else
typedef int disk_uring_not_built;	/* a file must not be empty */
#endif
