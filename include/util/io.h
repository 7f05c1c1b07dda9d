/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * File I/O that retries on EINTR and short transfers.
 */
#ifndef UTIL_IO_H
#define UTIL_IO_H

#include <sys/uio.h>

#include "util/types.h"

/* Reads all @len bytes at @off, or -errno; -ENODATA at end of file. */
int io_pread_full(int fd, void *buf, size_t len, u64 off);
/* Writes all of it or -errno. */
int io_write_full(int fd, const void *buf, size_t len);
/* The same for what may be a pipe whose reader does not read: -ETIMEDOUT when it took nothing for IO_PATIENCE_MS. */
enum { IO_PATIENCE_MS = 1000 };
int io_write_patient(int fd, const void *buf, size_t len);
/* Monotonic clock in nanoseconds. */
u64 time_now_ns(void);

#endif
