/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of a disk share. disk.c takes requests, bounds them and gives each to the engine or to the worker
 * threads; engines (aio.c, uring.c) hand system calls to the kernel and report what came of them; sync.c has the threads, which
 * are the whole of engine=sync and serve all engines for what those cannot do.
 */
#ifndef DISK_ENGINE_H
#define DISK_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "vmm/disk.h"
#include "vmm/event.h"

enum {
	DISK_SECTOR = 512,
	DISK_THREADS = 8,	/* worker threads of one disk */
	DISK_DEPTH = 128,	/* requests of one disk that an engine has with the kernel */
};

struct disk_list {
	struct disk_req *head, *tail;
};

static inline void disk_list_add(struct disk_list *l, struct disk_req *req)
{
	req->next = NULL;
	if (l->head)
		l->tail->next = req;
	else
		l->head = req;
	l->tail = req;
}

static inline struct disk_req *disk_list_take(struct disk_list *l)
{
	struct disk_req *req = l->head;

	if (req)
		l->head = req->next;
	return req;
}

static inline struct disk_list disk_list_take_all(struct disk_list *l)
{
	struct disk_list all = *l;

	l->head = NULL;
	return all;
}

/* All on the loop's thread but create and free, which the main thread calls while no loop is attached. */
struct disk_engine_ops {
	const char *name;
	/* -errno: it does not work on this host. d->event_fd is there. */
	int (*create)(struct disk *d);
	void (*free)(struct disk *d);
	/* READ, WRITE or FLUSH from req->done_len on. False: as many as it can have are with the kernel. */
	bool (*queue)(struct disk *d, struct disk_req *req);
	void (*commit)(struct disk *d);
	/* d->event_fd was signalled: disk_io_done() for what the kernel has finished. */
	void (*reap)(struct disk *d);
};

extern const struct disk_engine_ops disk_aio_ops, disk_uring_ops;

struct disk_pool {
	struct disk_list staged;	/* loop's thread only: goes to todo at the next commit */
	unsigned int nr_staged;

	pthread_mutex_t lock;		/* guards the rest; a leaf */
	pthread_cond_t work;
	struct disk_list todo, done;
	unsigned int nr_todo, nr_idle, nr_threads;
	bool end;
	pthread_t thread[DISK_THREADS];
};

struct disk {
	char *path;			/* owned */
	int fd;				/* owned; through the page cache; bears the lock */
	int direct_fd;			/* owned; O_DIRECT; -1: not asked for */
	int io_fd;			/* borrowed: direct_fd if there, else fd */
	bool readonly, is_block, can_discard;
	u64 size;
	u32 block_size, physical_block_size;
	u32 dio_mem_align, dio_off_align;	/* what O_DIRECT wants; 1 without it */
	u64 write_piece;		/* most bytes that one system call should write */
	char serial[20];

	enum disk_engine wanted;
	bool engine_ready;		/* ops below is decided */
	const struct disk_engine_ops *ops;	/* NULL: worker threads only */
	void *engine;			/* owned by ops */
	struct disk_pool pool;

	int event_fd;			/* owned eventfd: something finished; -1 before it is needed */
	struct event_source events;
	struct event_loop *loop;	/* attached to; NULL: not */
	void (*batch_done)(void *arg);
	void *batch_arg;

	/* loop's thread only */
	struct disk_list backlog;	/* submitted; waits for commit, for room in the engine, or for those before it to finish */
	struct disk_list ready;		/* finished; done() is due */
	unsigned int active;		/* with the engine or the threads */
	bool alone;			/* the one active request is an alone one */
	bool delivering;		/* in done() or batch_done() */

	_Atomic unsigned int inflight;	/* submitted, batch of its done() not over */
	pthread_mutex_t lock;		/* with idle: waiting for inflight to become 0 */
	pthread_cond_t idle;
};

/* probe.c: what @head (first bytes of an image) and @tail (its last 512) say it is, or NULL. Nothing but those bytes is looked at. */
enum { DISK_PROBE_HEAD = 512, DISK_PROBE_TAIL = 512 };
const char *disk_probe(const u8 head[DISK_PROBE_HEAD], const u8 tail[DISK_PROBE_TAIL]);

/* open.c: is block device @dev in a file of mountinfo's form [proc(5)]? Then also where. */
bool disk_mounted_at(const char *mountinfo, dev_t dev, char *where, size_t room);

/* disk.c: sets up what d->wanted names; AUTO: what works. */
int disk_engine_setup(struct disk *d, struct error *err);
/*
 * An engine's system call for @req gave @res (bytes, or -errno). Goes on with the rest of a short transfer, or finishes
 * the request. Loop's thread.
 */
void disk_io_done(struct disk *d, struct disk_req *req, ssize_t res);
/* What is left of a READ or WRITE, or as much as one call should take: *ret_iov and the count, both good while the request is not touched. */
unsigned int disk_io_rest(struct disk_req *req, const struct iovec **ret_iov);

/* sync.c */
void disk_pool_init(struct disk_pool *p);
/* Ends and joins the threads. Nothing in flight. */
void disk_pool_free(struct disk_pool *p);
/* Loop's thread. */
void disk_pool_queue(struct disk *d, struct disk_req *req);
void disk_pool_commit(struct disk *d);
struct disk_list disk_pool_reap(struct disk *d);	/* each with its res */

#endif
