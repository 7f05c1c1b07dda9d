/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host for vfio/, in place of vfio/sys.c: a table of paths (sysfs and /dev), files with references as the kernel's, so that what was
 * left open is seen, and errors on request. What the files answer is tests/vfio/fake-host.h's.
 */
#ifndef TESTS_VFIO_FAKE_SYS_H
#define TESTS_VFIO_FAKE_SYS_H

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "../tap.h"
#include "vfio/vfio.h"

enum { FAKE_FD = 1000, FAKE_FDS = 64, FAKE_PATHS = 256, FAKE_FAILS = 4 };

struct fake_file {
	const char *kind;	/* what it is: compared by address */
	void *obj;
	unsigned int refs;	/* descriptors, and KVM's */
	bool kvm;		/* has one */
};

static struct {
	struct { char path[200], text[200]; bool link; } path[FAKE_PATHS];	/* link: text is its target */
	unsigned int nr_paths;
	struct fake_file *fd[FAKE_FDS];
	unsigned int files;	/* alive */
	/* The next @nth call of @request after skipping some fails. request 0: unused */
	struct { unsigned long request; unsigned int skip; int error; } fail[FAKE_FAILS];
	struct { const char *path; int error; } open_fail;
	u64 soft, hard;		/* RLIMIT_MEMLOCK */
	int io_error;		/* of all reads and writes */
	char log[4096];		/* words, one for each thing that a test may ask the order of */
} fake;

/* fake-host.h's, or the test's own */
static int fake_open_path(const char *path);
static int fake_ioctl_file(struct fake_file *f, unsigned long request, void *arg);
static int fake_access_file(struct fake_file *f, void *in, const void *out, size_t len, u64 off);
static void fake_last_close(struct fake_file *f);

static UNUSED void fake_log(const char *fmt, ...) PRINTF_LIKE(1, 2);
static UNUSED void fake_log(const char *fmt, ...)
{
	size_t n = strlen(fake.log);
	va_list ap;

	if (n && n + 1 < sizeof(fake.log))
		fake.log[n++] = ' ';
	va_start(ap, fmt);
	vsnprintf(fake.log + n, sizeof(fake.log) - n, fmt, ap);
	va_end(ap);
}

static UNUSED void fake_fail(unsigned long request, unsigned int skip, int error)
{
	unsigned int i;

	for (i = 0; i < FAKE_FAILS && fake.fail[i].request; i++)
		;
	fake.fail[i].request = request;
	fake.fail[i].skip = skip;
	fake.fail[i].error = error;
}

/* --- paths --- */

static UNUSED void fake_path(bool link, const char *text, const char *fmt, ...) PRINTF_LIKE(3, 4);
static UNUSED void fake_path(bool link, const char *text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake.path[fake.nr_paths].path, sizeof(fake.path[0].path), fmt, ap);
	va_end(ap);
	snprintf(fake.path[fake.nr_paths].text, sizeof(fake.path[0].text), "%s", text);
	fake.path[fake.nr_paths++].link = link;
}

static UNUSED void fake_path_del(const char *path)
{
	unsigned int i;

	for (i = 0; i < fake.nr_paths; i++)
		if (!strcmp(fake.path[i].path, path))
			fake.path[i].path[0] = '\0';
}

static int fake_find(const char *path)
{
	unsigned int i;

	for (i = 0; i < fake.nr_paths; i++)
		if (!strcmp(fake.path[i].path, path))
			return (int)i;
	return -1;
}

/* One with such a folder before it: the rest, or NULL. */
static const char *fake_below(unsigned int i, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(fake.path[i].path, dir, n) && fake.path[i].path[n] == '/' ? fake.path[i].path + n + 1 : NULL;
}

bool vfio_sys_exists(const char *path)
{
	unsigned int i;

	for (i = 0; i < fake.nr_paths; i++)
		if (!strcmp(fake.path[i].path, path) || fake_below(i, path))
			return true;
	return false;
}

int vfio_sys_read_file(const char *path, char *buf, size_t size)
{
	int i = fake_find(path);

	if (i < 0)
		return -ENOENT;
	snprintf(buf, size, "%s", fake.path[i].text);
	return 0;
}

int vfio_sys_read_link(const char *path, char *buf, size_t size)
{
	int i = fake_find(path);
	const char *last;

	if (i < 0)
		return -ENOENT;
	if (!fake.path[i].link)
		return -EINVAL;
	last = strrchr(fake.path[i].text, '/');
	last = last ? last + 1 : fake.path[i].text;
	if (strlen(last) >= size)
		return -ENAMETOOLONG;
	strcpy(buf, last);
	return 0;
}

int vfio_sys_list(const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	char told[FAKE_PATHS][64], name[64];
	unsigned int i, k, n = 0;
	const char *rest;

	for (i = 0; i < fake.nr_paths; i++) {
		rest = fake_below(i, path);
		if (!rest)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(rest, "/"), rest);
		for (k = 0; k < n && strcmp(told[k], name); k++)
			;
		if (k < n)
			continue;
		strcpy(told[n++], name);
		each(arg, name);
	}
	return n ? 0 : -ENOENT;
}

/* --- files --- */

static UNUSED int fake_fd_new(const char *kind, void *obj)
{
	struct fake_file *f = calloc(1, sizeof(*f));
	int i;

	for (i = 0; i < FAKE_FDS && fake.fd[i]; i++)
		;
	if (!f || i == FAKE_FDS)
		abort();
	f->kind = kind;
	f->obj = obj;
	f->refs = 1;
	fake.fd[i] = f;
	fake.files++;
	return FAKE_FD + i;
}

static UNUSED void fake_file_put(struct fake_file *f)
{
	if (--f->refs)
		return;
	fake_last_close(f);
	fake.files--;
	free(f);
}

static struct fake_file *fake_file(int fd)
{
	return fd >= FAKE_FD && fd < FAKE_FD + FAKE_FDS ? fake.fd[fd - FAKE_FD] : NULL;
}

int vfio_sys_open(const char *path, int flags)
{
	if (fake.open_fail.path && !strcmp(fake.open_fail.path, path))
		return fake.open_fail.error;
	return fake_find(path) < 0 ? -ENOENT : fake_open_path(path);
}

void vfio_sys_close(int fd)
{
	struct fake_file *f = fake_file(fd);

	if (fd < 0)
		return;
	if (!f) {
		fake_log("bad-close");
		return;
	}
	fake.fd[fd - FAKE_FD] = NULL;
	fake_file_put(f);
}

int vfio_sys_ioctl(int fd, unsigned long request, void *arg)
{
	struct fake_file *f = fake_file(fd);
	unsigned int i;

	if (!f)
		return -EBADF;
	for (i = 0; i < FAKE_FAILS; i++) {
		if (fake.fail[i].request != request || fake.fail[i].skip--)
			continue;
		fake.fail[i].request = 0;
		return fake.fail[i].error;
	}
	return fake_ioctl_file(f, request, arg);
}

int vfio_sys_pread(int fd, void *buf, size_t len, u64 off)
{
	struct fake_file *f = fake_file(fd);

	if (!f || fake.io_error)
		return f ? fake.io_error : -EBADF;
	return fake_access_file(f, buf, NULL, len, off);
}

int vfio_sys_pwrite(int fd, const void *buf, size_t len, u64 off)
{
	struct fake_file *f = fake_file(fd);

	if (!f || fake.io_error)
		return f ? fake.io_error : -EBADF;
	return fake_access_file(f, NULL, buf, len, off);
}

int vfio_sys_mmap(int fd, size_t len, int prot, u64 off, void **ret)
{
	void *p;

	if (!fake_file(fd))
		return -EBADF;
	p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	fake_log("mmap-%llx+%zx-%d", (unsigned long long)off, len, prot);
	*ret = p;
	return 0;
}

void vfio_sys_munmap(void *p, size_t len)
{
	munmap(p, len);
}

int vfio_sys_memlock(u64 *ret_soft, u64 *ret_hard)
{
	*ret_soft = fake.soft;
	*ret_hard = fake.hard;
	return 0;
}

int vfio_sys_set_memlock(u64 soft)
{
	fake.soft = soft;
	return 0;
}

#endif
