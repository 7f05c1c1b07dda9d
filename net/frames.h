/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bounded queue of frames, by copy.
 *
 * Threads: one at a time.
 */
#ifndef NET_FRAMES_H
#define NET_FRAMES_H

#include <sys/uio.h>

#include "util/types.h"

struct frames {
	u8 *buf;		/* owned; a ring of u32 length and bytes */
	size_t size;		/* a power of two */
	size_t head, used;	/* where the oldest begins; bytes taken */
	unsigned int nr;
};

/* 0 or -ENOMEM. @size is a power of two. */
int frames_init(struct frames *f, size_t size);
void frames_free(struct frames *f);	/* all zero is fine */
/* False: no room. */
bool frames_push(struct frames *f, const void *data, size_t len);
/* Takes the oldest; @zeroes bytes of 0, then the frame, into the pieces; what does not fit is cut off. Bytes given. */
size_t frames_pop(struct frames *f, size_t zeroes, const struct iovec *iov, unsigned int cnt);

#endif
