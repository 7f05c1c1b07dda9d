/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory in pieces. The pieces may be guest memory: each byte is read or written once.
 *
 * Threads: any.
 */
#include "util/iov.h"

#include <string.h>

size_t iov_size(const struct iovec *iov, unsigned int cnt)
{
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < cnt; i++)
		size += iov[i].iov_len;
	return size;
}

static size_t iov_copy(const struct iovec *iov, unsigned int cnt, size_t off, u8 *buf, size_t len, bool to_buf)
{
	size_t done = 0, n;
	unsigned int i;
	u8 *p;

	for (i = 0; i < cnt && done < len; i++) {
		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		p = (u8 *)iov[i].iov_base + off;
		n = MIN(iov[i].iov_len - off, len - done);
		if (to_buf)
			memcpy(buf + done, p, n);
		else
			memcpy(p, buf + done, n);
		done += n;
		off = 0;
	}
	return done;
}

size_t iov_to_buf(const struct iovec *iov, unsigned int cnt, size_t off, void *buf, size_t len)
{
	return iov_copy(iov, cnt, off, buf, len, true);
}

size_t iov_from_buf(const struct iovec *iov, unsigned int cnt, size_t off, const void *buf, size_t len)
{
	return iov_copy(iov, cnt, off, (u8 *)buf, len, false);
}

unsigned int iov_skip(struct iovec *iov, unsigned int cnt, size_t n)
{
	unsigned int skip = 0;

	while (skip < cnt && n >= iov[skip].iov_len)
		n -= iov[skip++].iov_len;
	memmove(iov, iov + skip, sizeof(*iov) * (cnt - skip));
	cnt -= skip;
	if (cnt) {
		iov[0].iov_base = (char *)iov[0].iov_base + n;
		iov[0].iov_len -= n;
	}
	return cnt;
}
