/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls of vfio/, so that tests can put a host of theirs in this file's place. Any thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vfio/vfio.h"

int vfio_sys_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void vfio_sys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int vfio_sys_ioctl(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

/* A device's answer is one access of that size: no second try for the rest of it. */
int vfio_sys_pread(int fd, void *buf, size_t len, u64 off)
{
	ssize_t n = pread(fd, buf, len, (off_t)off);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int vfio_sys_pwrite(int fd, const void *buf, size_t len, u64 off)
{
	ssize_t n = pwrite(fd, buf, len, (off_t)off);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

ssize_t vfio_sys_read(int fd, void *buf, size_t len)
{
	ssize_t n;

	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t vfio_sys_write(int fd, const void *buf, size_t len)
{
	ssize_t n;

	do
		n = write(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int vfio_sys_mmap(int fd, size_t len, int prot, u64 off, void **ret)
{
	void *p = mmap(NULL, len, prot, MAP_SHARED, fd, (off_t)off);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

void vfio_sys_munmap(void *p, size_t len)
{
	munmap(p, len);
}

int vfio_sys_read_file(const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int vfio_sys_read_link(const char *path, char *buf, size_t size)
{
	char target[4096];
	const char *last;
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) >= size)
		return -ENAMETOOLONG;
	strcpy(buf, last);
	return 0;
}

bool vfio_sys_exists(const char *path)
{
	return !access(path, F_OK);
}

static int no_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
}

int vfio_sys_list(const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	struct dirent **entry;
	int i, n = scandir(path, &entry, no_dots, alphasort);

	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		each(arg, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	return 0;
}

int vfio_sys_memlock(u64 *ret_soft, u64 *ret_hard)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_MEMLOCK, &lim) < 0)
		return -errno;
	*ret_soft = lim.rlim_cur == RLIM_INFINITY ? ~0ULL : lim.rlim_cur;
	*ret_hard = lim.rlim_max == RLIM_INFINITY ? ~0ULL : lim.rlim_max;
	return 0;
}

int vfio_sys_set_memlock(u64 soft)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_MEMLOCK, &lim) < 0)
		return -errno;
	lim.rlim_cur = soft == ~0ULL ? RLIM_INFINITY : (rlim_t)soft;
	return setrlimit(RLIMIT_MEMLOCK, &lim) < 0 ? -errno : 0;
}
