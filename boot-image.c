/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Boot files: opened, judged by the first bytes, read straight into guest RAM.
 * A compressed file is unpacked the same way, as a stream that is read
 * forwards; loaders ask for its parts in order, so nothing is buffered whole.
 * Main thread only.
 */
#include "vmm/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POPULATE_MIN = 1024 * 1024 };

struct size_text boot_size_text(u64 size)
{
	struct size_text t;

	if (size < 64 * KIB)
		snprintf(t.s, sizeof(t.s), "%llu bytes", (unsigned long long)size);
	else
		snprintf(t.s, sizeof(t.s), "%.*f MiB", !is_aligned(size, MIB), (double)size / MIB);
	return t;
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

/* Up to @len bytes of the file as it lies on disk: 0 at its end, or -errno. */
static ssize_t file_read(struct boot_image *img, void *buf, size_t len, u64 off)
{
	ssize_t n;

	if (off >= img->file_size)
		return 0;
	len = (size_t)MIN((u64)len, img->file_size - off);
	if (img->mem) {
		memcpy(buf, img->mem + img->base + off, len);
		return (ssize_t)len;
	}
	do {
		n = pread(img->fd, buf, len, (off_t)(img->base + off));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t dec_source(void *arg, void *buf, size_t len, u64 off)
{
	return file_read(arg, buf, len, off);
}

/* Up to @len bytes of the content at @off, fewer only at its end. */
static ssize_t content_read(struct boot_image *img, u64 off, void *buf, size_t len)
{
	size_t done = 0;
	char skip[4096];
	ssize_t n;
	int r;

	if (off < img->head_len && len <= img->head_len - off) {
		memcpy(buf, img->head + off, len);
		return (ssize_t)len;
	}
	if (img->packed == COMPRESSION_NONE) {
		while (done < len) {
			n = file_read(img, (char *)buf + done, len - done, off + done);
			if (n < 0)
				return n;
			if (!n)
				break;
			done += n;
		}
		return (ssize_t)done;
	}
	if (off > img->max)
		return -EFBIG;
	if (!img->dec || off < img->pos) {
		decompress_close(img->dec);
		img->dec = NULL;
		img->pos = 0;
		r = decompress_open(img->packed, dec_source, img, img->max, &img->dec);
		if (r < 0)
			return r;
	}
	while (img->pos < off) {
		n = decompress_read(img->dec, skip, (size_t)MIN((u64)sizeof(skip), off - img->pos));
		if (n <= 0)
			return n;
		img->pos += n;
	}
	n = decompress_read(img->dec, buf, len);
	if (n > 0)
		img->pos += n;
	return n;
}

static int read_failed(struct boot_image *img, int r, struct error *err)
{
	const char *format = compression_name(img->packed);

	if (img->packed != COMPRESSION_NONE) {
		switch (r) {
		case -EBADMSG:
			return error_set(err, r, "%s '%s': corrupt %s data", img->what, img->path, format);
		case -ENODATA:
			return error_set(err, r, "%s '%s': truncated %s data", img->what, img->path, format);
		case -EFBIG:
			return error_set(err, r, "%s '%s': unpacks to more than the %s that fit in the guest's RAM",
					 img->what, img->path, SIZE_TEXT(img->max));
		}
	}
	return error_set_errno(err, r, "Unable to read %s %s", img->what, img->path);
}

int boot_image_open(struct boot_image *img, const char *what, const char *path, int *keep, struct error *err)
{
	bool kept = keep && *keep >= 0;
	struct stat st;
	ssize_t n;
	int fd, r;

	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	fd = kept ? *keep : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_set_errno(err, -errno, "Unable to open %s %s", what, path);
	if (fstat(fd, &st) < 0) {
		r = error_set_errno(err, -errno, "Unable to open %s %s", what, path);
		goto close_fd;
	}
	if (!S_ISREG(st.st_mode)) {
		r = error_set(err, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL,
			      "Unable to open %s %s: it is %s, not a file", what, path, kind_of(st.st_mode));
		goto close_fd;
	}
	if (!st.st_size) {
		r = error_set(err, -ENODATA, "%s '%s': the file is empty", what, path);
		goto close_fd;
	}
	boot_image_wrap(img, what, path, NULL, st.st_size);
	img->fd = fd;
	n = content_read(img, 0, img->head, (size_t)MIN(img->size, (u64)sizeof(img->head)));
	if (n <= 0) {
		r = error_set_errno(err, n ? (int)n : -ENODATA, "Unable to open %s %s", what, path);
		goto close_fd;
	}
	img->head_len = n;
	if (keep)
		*keep = fd;
	img->borrowed = keep != NULL;
	return 0;

close_fd:
	if (!kept)
		close(fd);
	img->fd = -1;
	img->dec = NULL;
	return r;
}

void boot_image_wrap(struct boot_image *img, const char *what, const char *path, const void *mem, u64 size)
{
	memset(img, 0, offsetof(struct boot_image, head));
	img->what = what;
	img->path = path;
	img->fd = -1;
	img->mem = mem;
	img->file_size = img->size = size;
	if (mem) {
		img->head_len = (size_t)MIN(size, (u64)sizeof(img->head));
		memcpy(img->head, mem, img->head_len);
	}
}

int boot_image_narrow(struct boot_image *img, u64 off, u64 size, struct error *err)
{
	ssize_t n;

	if (!size || off > img->file_size || size > img->file_size - off)
		return error_set(err, -ENODATA, "%s '%s': truncated: it names %llu bytes at %llu, and the file has %llu", img->what,
				 img->path, (unsigned long long)size, (unsigned long long)off, (unsigned long long)img->file_size);
	img->base += off;
	img->file_size = img->size = size;
	img->head_len = 0;
	n = content_read(img, 0, img->head, (size_t)MIN(size, (u64)sizeof(img->head)));
	if (n <= 0)
		return read_failed(img, n < 0 ? (int)n : -ENODATA, err);
	img->head_len = (size_t)n;
	return 0;
}

int boot_image_unpack(struct boot_image *img, u64 max, struct error *err)
{
	enum compression c = compression_detect(img->head, img->head_len);
	struct error why;
	ssize_t n;

	if (c == COMPRESSION_NONE || img->packed != COMPRESSION_NONE)
		return 0;
	if (!compression_library(c))
		return error_set(err, -EOPNOTSUPP, "%s '%s': %s-compressed, which lkvm does not unpack", img->what,
				 img->path, compression_name(c));
	if (!compression_supported(c))
		return error_set(err, -EOPNOTSUPP,
				 "%s '%s': %s-compressed, and this lkvm was built without %s; unpack the file, or build lkvm with it",
				 img->what, img->path, compression_name(c), compression_library(c));
	n = compression_load(c, &why);
	if (n < 0)
		return error_set(err, (int)n, "%s '%s': %s-compressed: %s", img->what, img->path, compression_name(c), why.msg);
	img->packed = c;
	img->size = UINT64_MAX;
	img->max = max;
	img->head_len = 0;
	n = content_read(img, 0, img->head, (size_t)MIN((u64)sizeof(img->head), max));
	if (n < 0)
		return read_failed(img, (int)n, err);
	if (!n)
		return error_set(err, -ENODATA, "%s '%s': unpacks to nothing", img->what, img->path);
	img->head_len = n;
	return 0;
}

/* All but the last @slack bytes must be there; gives how many are. */
static int read_exact(struct boot_image *img, u64 off, void *buf, u64 len, u64 slack, u64 *ret_got, struct error *err)
{
	u64 end;
	ssize_t n;

	if (__builtin_add_overflow(off, len, &end) || len > SSIZE_MAX)
		return error_set(err, -EINVAL, "%s '%s': names bytes beyond any file's end", img->what, img->path);
	if (img->size != UINT64_MAX && end > img->size && end - img->size > MIN(slack, len))
		return error_set(err, -ENODATA, "%s '%s': truncated: the file has %llu bytes, its header speaks of %llu",
				 img->what, img->path, (unsigned long long)img->size, (unsigned long long)end);
	if (!len) {
		*ret_got = 0;
		return 0;
	}
	n = content_read(img, off, buf, len);
	if (n < 0)
		return read_failed(img, (int)n, err);
	if (len - n > slack)
		return error_set(err, -ENODATA, "%s '%s': truncated: its header speaks of %llu bytes, and there are fewer",
				 img->what, img->path, (unsigned long long)end);
	*ret_got = n;
	return 0;
}

int boot_image_read(struct boot_image *img, u64 off, void *buf, size_t len, struct error *err)
{
	u64 got;

	return read_exact(img, off, buf, len, 0, &got, err);
}

/*
 * RAM about to be filled: one call in place of a page fault for each page. A hint.
 */
static void populate(u8 *hva, u64 len)
{
#ifdef MADV_POPULATE_WRITE
	uintptr_t start = align_down((uintptr_t)hva, 4096), end = align_up((uintptr_t)hva + len, 4096);

	if (len >= POPULATE_MIN)
		madvise((void *)start, end - start, MADV_POPULATE_WRITE);
#endif
}

int boot_image_load_slack(struct boot_image *img, u64 off, const struct guest_mem *gm, gpa_t gpa, u64 len, u64 slack,
			  struct error *err)
{
	u8 *hva = guest_ptr(gm, gpa, len);
	u64 got;
	int r;

	if (!len)
		return 0;
	if (!hva)
		return error_set(err, -EFAULT, "%s '%s': %s at address 0x%llx lie outside the guest's RAM", img->what,
				 img->path, SIZE_TEXT(len), (unsigned long long)gpa);
	if (img->size != UINT64_MAX && img->size > off)
		populate(hva, MIN(len, img->size - off));
	r = read_exact(img, off, hva, len, slack, &got, err);
	if (r < 0)
		return r;
	memset(hva + got, 0, len - got);
	return 0;
}

int boot_image_load(struct boot_image *img, u64 off, const struct guest_mem *gm, gpa_t gpa, u64 len, struct error *err)
{
	return boot_image_load_slack(img, off, gm, gpa, len, 0, err);
}

void boot_image_close(struct boot_image *img)
{
	decompress_close(img->dec);
	img->dec = NULL;
	if (img->fd >= 0 && !img->borrowed)
		close(img->fd);
	img->fd = -1;
}

/* The area that [at, at + size) touches, or NULL. */
static const struct boot_area *touches(const struct boot_place *where, gpa_t at, u64 size)
{
	unsigned int i;

	for (i = 0; i < where->nr_avoid; i++)
		if (at < where->avoid[i].end && where->avoid[i].start < at + size)
			return &where->avoid[i];
	return NULL;
}

/* The place in [start, end) that suits, or false. An area in the way narrows the search to one side of it. */
static bool place_in(gpa_t start, gpa_t end, u64 size, u64 align, const struct boot_place *where, gpa_t *ret)
{
	const struct boot_area *a;
	gpa_t at;

	for (;;) {
		if (start > end || end - start < size || (where->lowest && start > UINT64_MAX - align))
			return false;
		at = where->lowest ? align_up(start, align) : align_down(end - size, align);
		if (at < start || at > end - size)
			return false;
		a = touches(where, at, size);
		if (!a) {
			*ret = at;
			return true;
		}
		if (where->lowest)
			start = a->end;
		else
			end = a->start;
	}
}

int boot_place(const struct guest_mem *gm, u64 size, u64 align, const struct boot_place *where, gpa_t *ret)
{
	const struct guest_range *r;
	unsigned int i;

	for (i = 0; i < gm->nr; i++) {
		r = &gm->ram[where->lowest ? i : gm->nr - 1 - i];
		if (place_in(MAX(r->gpa, where->floor), MIN(r->gpa + r->size, where->limit), size, align, where, ret))
			return 0;
	}
	return -ENOSPC;
}

int boot_initrd_load(const struct guest_mem *gm, const char *path, int *keep, const struct boot_place *where,
		     struct boot_area *ret, struct error *err)
{
	struct boot_image img;
	gpa_t at;
	int r;

	r = boot_image_open(&img, "initrd", path, keep, err);
	if (r < 0)
		return r;
	r = boot_place(gm, img.size, 4096, where, &at);
	if (r < 0) {
		error_set(err, r,
			  "initrd '%s': no room for its %s beside the kernel in the guest's %s of RAM; give more with --mem",
			  path, SIZE_TEXT(img.size), SIZE_TEXT(guest_ram_size(gm)));
		goto close_img;
	}
	r = boot_image_load(&img, 0, gm, at, img.size, err);
	if (r < 0)
		goto close_img;
	*ret = (struct boot_area){ at, at + img.size };

close_img:
	boot_image_close(&img);
	return r;
}
