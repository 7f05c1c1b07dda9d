/* SPDX-License-Identifier: GPL-2.0-only */
/* What lkvm says on standard error between hear() and heard(), for tests that read it. */
#ifndef TESTS_VFIO_HEARD_H
#define TESTS_VFIO_HEARD_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/log.h"

struct hearing {
	int fd, old;
	char text[2048];
};

static void hear(struct hearing *h, enum log_level level)
{
	h->fd = memfd_create("stderr", MFD_CLOEXEC);
	h->old = dup(STDERR_FILENO);
	if (h->fd < 0 || h->old < 0 || dup2(h->fd, STDERR_FILENO) < 0)
		abort();
	log_set_level(level);
}

/* Good as long as @h. */
static const char *heard(struct hearing *h)
{
	ssize_t n;

	log_set_level(LOG_ERROR);
	dup2(h->old, STDERR_FILENO);
	n = pread(h->fd, h->text, sizeof(h->text) - 1, 0);
	h->text[n < 0 ? 0 : n] = '\0';
	close(h->fd);
	close(h->old);
	return h->text;
}

#endif
