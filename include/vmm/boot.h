/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernels, initrds and firmware as files: opened once, judged by their first
 * bytes, and read (unpacked, if compressed) straight into guest RAM. What a
 * file means is the arch's business; this knows only bytes and places.
 *
 * Used on the main thread while no vCPU runs. Files are the user's and not
 * trusted: each offset and length is checked here against file and RAM.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include "util/decompress.h"
#include "util/error.h"
#include "vmm/memory.h"

enum { BOOT_IMAGE_HEAD = 16 * 1024 };

struct boot_image {
	const char *what;	/* "kernel": for messages */
	const char *path;	/* borrowed */
	int fd;			/* owned unless @borrowed; -1: the file is @mem */
	bool borrowed;
	const u8 *mem;		/* borrowed */
	u64 base;		/* where in the file it begins */
	u64 file_size;
	u64 size;		/* of the content; UINT64_MAX while it is compressed: not known */
	enum compression packed;
	u64 max;		/* most bytes of content, when compressed */
	struct decompress *dec;	/* owned; stands at @pos of the content */
	u64 pos;
	size_t head_len;	/* the whole content when shorter than head[] */
	u8 head[BOOT_IMAGE_HEAD];
};

/*
 * Opens a regular, non-empty file and reads its first bytes. Never waits (a
 * FIFO is refused). The line in @err starts with "Unable to open kernel PATH" when it
 * cannot be opened or read.
 * @keep, unless NULL: the descriptor of a boot before this one, which is read again, or -1: then this one's stays open there, the
 * caller's to close. The sandbox lets nothing be opened at a restart.
 */
int boot_image_open(struct boot_image *img, const char *what, const char *path, int *keep, struct error *err);
/* The same over memory that outlives it, @size > 0; @path is for messages. */
void boot_image_wrap(struct boot_image *img, const char *what, const char *path, const void *mem, u64 size);
/*
 * From here on the file is the @size bytes at @off of it, for a container with the image inside. Before boot_image_unpack(). -ENODATA and a line
 * when they are not all there.
 */
int boot_image_narrow(struct boot_image *img, u64 off, u64 size, struct error *err);
/*
 * If the file is compressed: from here on its content is the unpacked one, of at most @max bytes.
 * -EOPNOTSUPP names the format and what is missing.
 */
int boot_image_unpack(struct boot_image *img, u64 max, struct error *err);
/* All of it or -errno with a line in @err. Going back in a compressed image, other than into head[], unpacks again. */
int boot_image_read(struct boot_image *img, u64 off, void *buf, size_t len, struct error *err);
/* The same into RAM, which must hold it in one piece: -EFAULT otherwise. */
int boot_image_load(struct boot_image *img, u64 off, const struct guest_mem *gm, gpa_t gpa, u64 len, struct error *err);
/*
 * As boot_image_load(), for a content that may end up to @slack bytes early; the rest is zeroed.
 */
int boot_image_load_slack(struct boot_image *img, u64 off, const struct guest_mem *gm, gpa_t gpa, u64 len, u64 slack,
			  struct error *err);
void boot_image_close(struct boot_image *img);

struct vm;

struct boot_area {
	gpa_t start, end;	/* end is one past it */
};

struct boot_place {
	gpa_t floor;			/* not below */
	gpa_t limit;			/* ends at or below; UINT64_MAX: anywhere */
	const struct boot_area *avoid;
	unsigned int nr_avoid;
	bool lowest;			/* the lowest address that suits, not the highest */
};

/* An @align-ed address in RAM that suits; @align is a power of two, @size > 0. -ENOSPC: none. */
int boot_place(const struct guest_mem *gm, u64 size, u64 align, const struct boot_place *where, gpa_t *ret);
/* Opens @path, finds a page aligned place for it and reads it there. @keep: as for boot_image_open(). */
int boot_initrd_load(const struct guest_mem *gm, const char *path, int *keep, const struct boot_place *where,
		     struct boot_area *ret, struct error *err);

/*
 * The kernel's command line: console and root, unless cfg.nodefaults, then cfg.params.
 * The caller frees; NULL: no memory.
 */
char *boot_cmdline(const struct vm *vm);

/* Are the @len bytes of @magic at @off of its content? */
bool boot_image_has(const struct boot_image *img, size_t off, const char *magic, size_t len);
/* What it looks like, "an arm64 kernel Image"; NULL: anything, so perhaps flat code. */
const char *boot_image_describe(const struct boot_image *img);

/* "1.5 MiB", "300 bytes". */
struct size_text { char s[32]; };
struct size_text boot_size_text(u64 size);
#define SIZE_TEXT(size) (boot_size_text(size).s)

#endif
