// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file that takes a console's output: created or truncated, never read.
 * What is no regular file (a FIFO, a tty, /dev/null) is taken too; its
 * description is our own, so it is simply non-blocking.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chardev/private.h"

static ssize_t file_write(struct chardev *cd, const u8 *buf, size_t len)
{
	ssize_t n = write(cd->out_fd, buf, len);

	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

static void file_close(struct chardev *cd)
{
	if (cd->out_fd >= 0)
		close(cd->out_fd);
	chardev_cleanup(cd);
	free(cd);
}

static const struct chardev_ops file_ops = { .write = file_write, .close = file_close };

int chardev_file_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret)
{
	struct chardev *cd = calloc(1, sizeof(*cd));
	int fd, r;

	if (!cd || chardev_init(cd, &file_ops, cfg, "file", loop) < 0) {
		free(cd);
		return error_set_errno(err, -ENOMEM, "file:%s", cfg->path);
	}
	cd->path = strdup(cfg->path);
	/* Read access keeps a FIFO from being refused, or broken, while nobody else has it open. */
	fd = open(cfg->path, O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EACCES)
		fd = open(cfg->path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (fd < 0 || !cd->path) {
		r = fd < 0 ? -errno : -ENOMEM;
		cd->out_fd = fd;
		file_close(cd);
		return error_set_errno(err, r, "file:%s", cfg->path);
	}
	chardev_attach(cd, -1, fd);
	*ret = cd;
	return 0;
}
