/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A ring of frames.
 */
#include "net/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int frames_init(struct frames *f, size_t size)
{
	*f = (struct frames){ .buf = malloc(size), .size = size };
	return f->buf ? 0 : -ENOMEM;
}

void frames_free(struct frames *f)
{
	free(f->buf);
	*f = (struct frames){ 0 };
}

static void put(struct frames *f, const void *data, size_t len)
{
	size_t at = (f->head + f->used) & (f->size - 1), first = MIN(len, f->size - at);

	memcpy(f->buf + at, data, first);
	memcpy(f->buf, (const u8 *)data + first, len - first);
	f->used += len;
}

static void get(struct frames *f, void *data, size_t len)
{
	size_t first = MIN(len, f->size - f->head);

	memcpy(data, f->buf + f->head, first);
	memcpy((u8 *)data + first, f->buf, len - first);
	f->head = (f->head + len) & (f->size - 1);
	f->used -= len;
}

bool frames_push(struct frames *f, const void *data, size_t len)
{
	u32 n = (u32)len;

	if (len > f->size || sizeof(n) + len > f->size - f->used)
		return false;
	put(f, &n, sizeof(n));
	put(f, data, len);
	f->nr++;
	return true;
}

size_t frames_pop(struct frames *f, size_t zeroes, const struct iovec *iov, unsigned int cnt)
{
	size_t given = 0, off, n;
	unsigned int i;
	u32 left;

	get(f, &left, sizeof(left));
	f->nr--;
	for (i = 0; i < cnt; i++) {
		off = MIN(zeroes, iov[i].iov_len);
		memset(iov[i].iov_base, 0, off);
		zeroes -= off;
		n = MIN((size_t)left, iov[i].iov_len - off);
		get(f, (u8 *)iov[i].iov_base + off, n);
		left -= (u32)n;
		given += off + n;
	}
	f->head = (f->head + left) & (f->size - 1);
	f->used -= left;
	return given;
}
