/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that tests need a path of, and that are nowhere on a disk.
 */
#ifndef TESTS_FILES_H
#define TESTS_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/types.h"

static int file_fd[64];
static char file_name[64][40];
static unsigned int files;

/* A file with this content; gives a path that is good until file_end(). */
static inline const char *file_with(const void *data, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || files == ARRAY_SIZE(file_fd) || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
	file_fd[files] = fd;
	snprintf(file_name[files], sizeof(file_name[0]), "/proc/self/fd/%d", fd);
	return file_name[files++];
}

static inline void file_end(void)
{
	while (files)
		close(file_fd[--files]);
}

#endif
