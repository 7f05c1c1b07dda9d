/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disk back ends: an image or block device, and an engine that moves bytes.
 * They know iovecs and offsets, not virtio. All requests of one disk are
 * submitted and completed on the thread of the loop it is attached to.
 */
#ifndef VMM_DISK_H
#define VMM_DISK_H

#include <sys/uio.h>

#include "util/error.h"
#include "util/types.h"

struct disk;
struct event_loop;

enum disk_engine { DISK_ENGINE_AUTO, DISK_ENGINE_SYNC, DISK_ENGINE_AIO, DISK_ENGINE_URING };
enum disk_format { DISK_FORMAT_AUTO, DISK_FORMAT_RAW };

struct disk_config {
	const char *path;
	bool readonly;
	bool direct;		/* O_DIRECT */
	enum disk_engine engine;
	enum disk_format format;	/* AUTO refuses what bears the signature of another format */
	const char *serial;	/* at most 20 bytes; NULL: made from the file's identity */
	unsigned int queues;	/* 0: one per vCPU, at most 8 */
	bool writethrough;	/* start with the write cache off */
};

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

struct disk_req {
	enum disk_op op;
	u64 off;		/* bytes */
	u64 len;		/* bytes: READ, WRITE: exactly the iovec's; FLUSH: not looked at */
	const struct iovec *iov;	/* caller's until done() */
	unsigned int iovcnt;
	bool may_unmap;		/* WRITE_ZEROES: freeing the space is fine */
	/*
	 * Loop's thread, once for each submitted request, never from within disk_submit(), perhaps from within disk_commit().
	 * @res 0 or -errno; -EOPNOTSUPP: the image cannot do that at all. May submit again, this request too.
	 */
	void (*done)(struct disk_req *req, int res);

	/* Back end's, from submit to done(). */
	struct disk_req *next;
	struct disk *disk;
	u64 done_len;		/* moved so far; on done() of a failed READ the first done_len bytes of the iovec are good */
	int res;
	bool page_cache;	/* O_DIRECT cannot take it */
	bool alone;		/* nothing else may be in flight beside it */
	bool blocking;		/* for the worker threads, whatever the engine */
	struct iovec tail[1];	/* what a short transfer left of one piece */
};

/*
 * What "path[,ro][,direct][,engine=auto|sync|aio|io_uring][,format=auto|raw][,serial=S][,queues=N][,cache=writeback|writethrough]"
 * says; cuts @spec in place, and @ret points into it. Refuses unknown keys by name.
 */
int disk_parse(char *spec, struct disk_config *ret, struct error *err);

/*
 * Opens and locks (-EBUSY: another writer, or a reader meets a writer; OFD locks) the image,
 * reads its size. Refuses directories, mounted block devices, sizes that are no
 * multiple of 512, and with DISK_FORMAT_AUTO anything with a known signature
 * (qcow, qcow2, vmdk, vhd, vhdx, vdi ...). An engine that was asked for by name is set up here, so that a refusal is
 * told; "auto" waits for disk_prepare(). Starts no thread.
 */
int disk_open(const struct disk_config *cfg, struct error *err, struct disk **ret);
/* Whatever is left to be opened before requests can come: what the sandbox denies later. The first disk_attach() does it too. */
int disk_prepare(struct disk *d, struct error *err);
/* Nothing in flight. NULL is fine. */
void disk_close(struct disk *d);

u64 disk_size(const struct disk *d);			/* bytes */
u32 disk_block_size(const struct disk *d);		/* logical, >= 512 */
u32 disk_physical_block_size(const struct disk *d);
bool disk_readonly(const struct disk *d);
bool disk_can_discard(const struct disk *d);
bool disk_can_write_zeroes(const struct disk *d);
const char *disk_path(const struct disk *d);		/* for messages */
/* "auto" before disk_prepare(), if that was asked for. */
const char *disk_engine_name(const struct disk *d);
/* 20 bytes, zero padded, not terminated. [virtio-1.2 5.2.6] */
void disk_serial(const struct disk *d, char serial[20]);

/*
 * Has requests run and complete on @loop's thread, this time or again after a detach. @batch_done (may be NULL) is called there after
 * each run of done() calls: the moment for one interrupt. Nothing in flight. 0 or -errno.
 */
int disk_attach(struct disk *d, struct event_loop *loop, void (*batch_done)(void *arg), void *arg);
/* No callback runs once it returned. Nothing in flight. Not on the loop's thread. */
void disk_detach(struct disk *d);

/*
 * Takes the request; goes out at the next disk_commit(). Bounds are checked again here: beyond the end is -EIO, a change of a
 * read-only image -EROFS, both by done(). Requests in flight together run in any order; a flush covers those that were done before it
 * was submitted. Loop's thread.
 */
void disk_submit(struct disk *d, struct disk_req *req);
void disk_commit(struct disk *d);
/* Waits until nothing is in flight; not on the loop's thread; the caller made sure nothing new comes. */
void disk_drain(struct disk *d);

#endif
