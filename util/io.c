/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * File I/O that retries, and the clock.
 */
#include "util/io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

int io_pread_full(int fd, void *buf, size_t len, u64 off)
{
	ssize_t n;

	while (len) {
		n = pread(fd, buf, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ENODATA;
		buf = (char *)buf + n;
		len -= n;
		off += n;
	}
	return 0;
}

int io_write_full(int fd, const void *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf = (const char *)buf + n;
		len -= n;
	}
	return 0;
}

int io_write_patient(int fd, const void *buf, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	u64 since = time_now_ns(), waited;
	ssize_t n;

	while (len) {
		waited = (time_now_ns() - since) / 1000000;
		if (waited >= IO_PATIENCE_MS)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, (int)(IO_PATIENCE_MS - waited)) <= 0)
			continue;
		n = write(fd, buf, MIN(len, (size_t)PIPE_BUF));	/* what a pipe that polls writable takes at once */
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			continue;
		buf = (const char *)buf + n;
		len -= (size_t)n;
		since = time_now_ns();
	}
	return 0;
}

u64 time_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000ULL + (u64)ts.tv_nsec;
}
