/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory as devices see it: RAM ranges in guest physical space, and the
 * only functions that turn a guest address into a host pointer. Guest RAM is
 * another CPU's memory: it changes between two reads. Copy once, check the
 * copy, use the copy.
 *
 * The set of ranges is fixed while vCPUs run, so every function here that
 * takes a const guest_mem may be called from any thread without a lock.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <sys/uio.h>

#include "util/endian.h"
#include "util/error.h"
#include "util/types.h"

typedef u64 gpa_t;

struct vm;

#define GUEST_RAM_RANGES 4

struct guest_range {
	gpa_t gpa;
	u64 size;	/* bytes; gpa + size never wraps */
	void *hva;	/* borrowed: PROT_NONE pages lie on both sides */
};

struct guest_mem {
	struct guest_range ram[GUEST_RAM_RANGES];	/* sorted, disjoint */
	unsigned int nr;

	/* For guest_discard(): how the host backs all of it. Whoever mapped it sets this before vCPUs run. */
	u64 host_page;		/* bytes, a power of two; 0: not to be given back */
	bool shared;		/* a shared file mapping; else private and anonymous */
	unsigned int pins;	/* main thread: guest_mem_pin() */
};

enum guest_dir {
	GUEST_TO_HOST,	/* the device reads guest memory */
	HOST_TO_GUEST,	/* the device writes guest memory */
};

/* Adds RAM. -EINVAL: wraps or overlaps; -ENOSPC: too many ranges. Before vCPUs run. */
int guest_mem_add(struct guest_mem *gm, gpa_t gpa, u64 size, void *hva);

/* All of it or -EFAULT. A copy may cross from one range into an adjacent one. */
int guest_read(const struct guest_mem *gm, gpa_t gpa, void *dst, size_t len) MUST_CHECK;
int guest_write(const struct guest_mem *gm, gpa_t gpa, const void *src, size_t len) MUST_CHECK;
int guest_fill(const struct guest_mem *gm, gpa_t gpa, u8 byte, u64 len) MUST_CHECK;

/*
 * Host pointer to @len bytes of RAM that lie in one range, or NULL. @len 0
 * gives NULL. For rings and boot loading only: everyone else copies.
 */
void *guest_ptr(const struct guest_mem *gm, gpa_t gpa, u64 len);

/*
 * Bulk data: the host pieces behind [gpa, gpa+len). Gives the pieces used, or
 * -EFAULT outside RAM, -E2BIG when @room is too small, -EINVAL for @len 0.
 */
int guest_iov(const struct guest_mem *gm, gpa_t gpa, u64 len, enum guest_dir dir, struct iovec *iov,
	      unsigned int room);

/* Is all of [gpa, gpa+len) RAM? */
bool guest_is_ram(const struct guest_mem *gm, gpa_t gpa, u64 len);

/*
 * Gives the host back the memory behind [gpa, gpa+len), or behind one piece of a guest_iov(): only whole pages of the host's, which
 * read as zeroes afterwards; one that is covered in part keeps its content. *ret_done is set in any case: the bytes given back.
 * 0; -EFAULT: not all of it is RAM, nothing was done; -EBUSY: pinned, nothing was done; -EOPNOTSUPP: memory of which none can be
 * given back; or the host's -errno. Takes time with the number of pages: callers bound @len. Main thread.
 */
int guest_discard(const struct guest_mem *gm, gpa_t gpa, u64 len, u64 *ret_done);
int guest_discard_piece(const struct guest_mem *gm, const struct iovec *piece, u64 *ret_done);

/*
 * While a device of the host's has guest memory mapped (VFIO DMA), a page given back would be replaced by another one that the
 * device does not know. Between pin and unpin, which count, guest_discard() refuses. Main thread.
 */
void guest_mem_pin(struct guest_mem *gm);
void guest_mem_unpin(struct guest_mem *gm);

/* One past the highest RAM address below @limit; 0 without any. */
gpa_t guest_ram_end(const struct guest_mem *gm, gpa_t limit);

/* Bytes of RAM in all. */
u64 guest_ram_size(const struct guest_mem *gm);

#endif
