/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device tree as a file, for people: whole or not at all. It is written under a name of its own and renamed; what is no regular file (a pipe,
 * /dev/stdout, a symbolic link) cannot be replaced so, and is written to.
 *
 * Main thread.
 */
#include "dt/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"
#include "util/str.h"

static int failed(struct error *err, int r, const char *path)
{
	return error_set_errno(err, r, "--dump-dtb '%s'", path);
}

static int write_to(const char *path, const void *data, size_t len, struct error *err)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return failed(err, -errno, path);
	r = io_write_patient(fd, data, len);
	return r < 0 ? failed(err, r, path) : 0;
}

static int replace(const char *path, const void *data, size_t len, struct error *err)
{
	AUTO_FREE char *name = str_printf("%s.XXXXXX", path);
	mode_t mask;
	int fd, r;

	if (!name)
		return failed(err, -ENOMEM, path);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return failed(err, -errno, path);
	mask = umask(0);
	umask(mask);
	r = io_write_full(fd, data, len);
	if (!r && fchmod(fd, 0666 & ~mask) < 0)
		r = -errno;
	if (close(fd) < 0 && !r)
		r = -errno;
	if (!r && rename(name, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(name);
		return failed(err, r, path);
	}
	return 0;
}

int dt_dump(const char *path, const void *data, size_t len, struct error *err)
{
	struct stat st;

	if (!lstat(path, &st) && !S_ISREG(st.st_mode))
		return write_to(path, data, len, err);
	return replace(path, data, len, err);
}
