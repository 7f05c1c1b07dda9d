/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory in pieces, as readv(2) has it: copies to and from a flat buffer, sizes. Any thread.
 */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include <sys/uio.h>

#include "util/types.h"

/* Give the bytes copied: the smaller of @len and what the pieces hold past @off. */
size_t iov_to_buf(const struct iovec *iov, unsigned int cnt, size_t off, void *buf, size_t len);
size_t iov_from_buf(const struct iovec *iov, unsigned int cnt, size_t off, const void *buf, size_t len);
size_t iov_size(const struct iovec *iov, unsigned int cnt);
/* Drops the first @n bytes in place; gives the new count. @n must not exceed the size. */
unsigned int iov_skip(struct iovec *iov, unsigned int cnt, size_t n);

#endif
