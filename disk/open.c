/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From "image,option..." to an open, locked, measured disk. Every refusal is one line that names the disk and the value.
 *
 * Two descriptors when `direct` is asked for: one with O_DIRECT, and one through the page cache for what O_DIRECT cannot
 * take. The lock is an open file description lock [fcntl(2)] on the latter: it belongs to no process, so two VMs in one process
 * exclude each other too, and it goes with the descriptor however lkvm ends. A block device that is written is opened with
 * O_EXCL besides: then the kernel refuses while anything of the host holds it (a mount in any namespace, swap, LVM, RAID), and
 * refuses to mount it while we have it.
 *
 * Threads: the main thread only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "disk/engine.h"
#include "util/io.h"
#include "util/log.h"
#include "util/str.h"

enum { SERIAL_MAX = 20, QUEUES_MAX = 64 };

/* --- parsing --- */

struct choice {
	const char *name;
	int value;
};

static const struct choice engines[] = {
	{ "auto", DISK_ENGINE_AUTO }, { "sync", DISK_ENGINE_SYNC }, { "aio", DISK_ENGINE_AIO }, { "io_uring", DISK_ENGINE_URING },
	{ NULL, 0 },
};
static const struct choice formats[] = { { "auto", DISK_FORMAT_AUTO }, { "raw", DISK_FORMAT_RAW }, { NULL, 0 } };
static const struct choice caches[] = { { "writeback", 0 }, { "writethrough", 1 }, { NULL, 0 } };

static int choose(const struct choice *c, const char *value)
{
	for (; c->name; c++)
		if (!strcmp(c->name, value))
			return c->value;
	return -EINVAL;
}

/* -EINVAL: @value is not one of @want, which tells what is. -ENOENT: no such key. */
static int parse_value(struct disk_config *cfg, const char *key, const char *value, const char **want)
{
	u64 n;
	int v;

	if (!strcmp(key, "engine")) {
		*want = "auto, sync, aio or io_uring";
		v = choose(engines, value);
		if (v >= 0)
			cfg->engine = v;
	} else if (!strcmp(key, "format")) {
		*want = "auto or raw";
		v = choose(formats, value);
		if (v >= 0)
			cfg->format = v;
	} else if (!strcmp(key, "cache")) {
		*want = "writeback or writethrough";
		v = choose(caches, value);
		if (v >= 0)
			cfg->writethrough = v;
	} else if (!strcmp(key, "serial")) {
		*want = "1 to 20 bytes";
		v = *value && strlen(value) <= SERIAL_MAX ? 0 : -EINVAL;
		if (v >= 0)
			cfg->serial = value;
	} else if (!strcmp(key, "queues")) {
		*want = "a number from 1 to 64";
		v = str_to_u64(value, QUEUES_MAX, &n) || !n ? -EINVAL : 0;
		if (v >= 0)
			cfg->queues = (unsigned int)n;
	} else {
		return -ENOENT;
	}
	return v < 0 ? -EINVAL : 0;
}

static int parse_option(struct disk_config *cfg, char *opt, struct error *err)
{
	char *value = strchr(opt, '=');
	const char *want = "no value";
	int r;

	if (value)
		*value++ = '\0';
	if (!strcmp(opt, "ro") || !strcmp(opt, "direct")) {
		if (value)
			return error_set(err, -EINVAL, "disk '%s': %s='%s': %s takes no value", cfg->path, opt, value, opt);
		if (opt[0] == 'r')
			cfg->readonly = true;
		else
			cfg->direct = true;
		return 0;
	}
	r = parse_value(cfg, opt, value ? value : "", &want);
	if (r == -ENOENT)
		return error_set(err, -EINVAL,
				 "disk '%s': unknown option '%s': want ro, direct, engine=, format=, serial=, queues= or cache=",
				 cfg->path, opt);
	if (r < 0)
		return error_set(err, r, "disk '%s': %s '%s': want %s", cfg->path, opt, value ? value : "", want);
	return 0;
}

int disk_parse(char *spec, struct disk_config *ret, struct error *err)
{
	struct disk_config cfg = { .path = spec };
	char *opt = strchr(spec, ','), *next;
	int r;

	for (next = opt; next; ) {
		*next++ = '\0';
		opt = next;
		next = strchr(opt, ',');
		if (next)
			*next = '\0';
		r = parse_option(&cfg, opt, err);
		if (r < 0)
			return r;
	}
	if (!*spec)
		return error_set(err, -EINVAL, "disk '': the image's path is missing");
	*ret = cfg;
	return 0;
}

/* --- opening --- */

bool disk_mounted_at(const char *mountinfo, dev_t dev, char *where, size_t room)
{
	FILE *f = fopen(mountinfo, "re");
	unsigned int maj, min;
	char at[256], *line = NULL;
	size_t len = 0;
	bool found = false;

	if (!f)
		return false;
	/* "36 35 98:0 /root /mount/point rw,..." */
	while (!found && getline(&line, &len, f) > 0) {
		found = sscanf(line, "%*u %*u %u:%u %*s %255s", &maj, &min, at) == 3 && makedev(maj, min) == dev;
		if (found)
			str_copy(where, room, at);
	}
	free(line);
	fclose(f);
	return found;
}

static const char *file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFCHR:
		return "a character device";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "no file";
	}
}

static int open_error(const struct disk_config *cfg, int code, struct error *err)
{
	if (!cfg->readonly && (code == -EACCES || code == -EROFS || code == -EPERM))
		return error_set(err, code, "disk '%s': cannot be written: %s (',ro' opens it read-only)", cfg->path, strerror(-code));
	return error_set_errno(err, code, "disk '%s'", cfg->path);
}

/* Looks before it opens: opening a device can have effects. */
static int open_image(struct disk *d, const struct disk_config *cfg, struct error *err)
{
	int flags = O_CLOEXEC | O_NOCTTY | (cfg->readonly ? O_RDONLY : O_RDWR);
	char where[256];
	struct stat st;

	if (stat(cfg->path, &st) < 0)
		return error_set_errno(err, -errno, "disk '%s'", cfg->path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, -EINVAL, "disk '%s': is %s, not an image or block device", cfg->path, file_kind(st.st_mode));
	d->is_block = S_ISBLK(st.st_mode);
	if (d->is_block && !cfg->readonly) {
		if (disk_mounted_at("/proc/self/mountinfo", st.st_rdev, where, sizeof(where)))
			return error_set(err, -EBUSY, "disk '%s': is mounted at '%s'", cfg->path, where);
		flags |= O_EXCL;
	}
	d->fd = open(cfg->path, flags);
	if (d->fd < 0 && errno == EBUSY)
		return error_set(err, -EBUSY, "disk '%s': the host uses it (a mount, swap, LVM, RAID ...)", cfg->path);
	if (d->fd < 0)
		return open_error(cfg, -errno, err);
	if (fstat(d->fd, &st) < 0)
		return error_set_errno(err, -errno, "disk '%s'", cfg->path);
	if (d->is_block ? !S_ISBLK(st.st_mode) : !S_ISREG(st.st_mode))
		return error_set(err, -EAGAIN, "disk '%s': was replaced while being opened", cfg->path);
	snprintf(where, sizeof(where), "%llu%llu%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_rdev,
		 (unsigned long long)st.st_ino);
	memcpy(d->serial, where, MIN(strlen(where), sizeof(d->serial)));
	return 0;
}

static int lock_image(struct disk *d, struct error *err)
{
	struct flock fl = { .l_type = d->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };	/* the whole file */

	if (fcntl(d->fd, F_OFD_SETLK, &fl) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return error_set(err, -EBUSY, "disk '%s': is locked: %s", d->path,
				 d->readonly ? "a VM or program that writes it has it open" :
					       "another VM or program has it open (',ro' disks can share an image)");
	if (errno != ENOLCK && errno != ENOSYS && errno != EOPNOTSUPP && errno != EINVAL)
		return error_set_errno(err, -errno, "disk '%s': lock", d->path);
	log_warn(NULL, "disk '%s': its file system has no locks: nothing keeps a second writer away", d->path);
	return 0;
}

static int measure(struct disk *d, struct error *err)
{
	unsigned int phys = 0;
	int logical = 0;
	struct stat st;

	if (fstat(d->fd, &st) < 0)
		return error_set_errno(err, -errno, "disk '%s'", d->path);
	if (d->is_block) {
		if (ioctl(d->fd, BLKGETSIZE64, &d->size) < 0 || ioctl(d->fd, BLKSSZGET, &logical) < 0)
			return error_set_errno(err, -errno, "disk '%s': size", d->path);
		ioctl(d->fd, BLKPBSZGET, &phys);
	} else {
		/*
		 * The guest's partition tables count in this unit, so it must be the same on whatever host the image lies;
		 * the host's own block size is only a hint.
		 */
		d->size = (u64)st.st_size;
		logical = DISK_SECTOR;
		phys = (unsigned int)st.st_blksize;
	}
	if (!d->size)
		return error_set(err, -EINVAL, "disk '%s': is empty", d->path);
	if (d->size % DISK_SECTOR)
		return error_set(err, -EINVAL, "disk '%s': its size, %llu bytes, is not a multiple of 512", d->path,
				 (unsigned long long)d->size);
	if (logical < DISK_SECTOR || logical > 65536 || !is_power_of_two((u64)logical))
		return error_set(err, -EINVAL, "disk '%s': its block size, %d, is none we can show a guest", d->path, logical);
	d->block_size = (u32)logical;
	d->physical_block_size = phys > d->block_size && phys <= 65536 && is_power_of_two(phys) ? phys : d->block_size;
	return 0;
}

static int refuse_formats(const struct disk *d, struct error *err)
{
	u8 head[DISK_PROBE_HEAD], tail[DISK_PROBE_TAIL];
	const char *format;
	int r;

	r = io_pread_full(d->fd, head, sizeof(head), 0);
	if (!r)
		r = io_pread_full(d->fd, tail, sizeof(tail), d->size - sizeof(tail));
	if (r < 0)
		return error_set_errno(err, r, "disk '%s': read", d->path);
	format = disk_probe(head, tail);
	if (format)
		return error_set(err, -EINVAL, "disk '%s': looks like a %s image, which lkvm does not read "
				 "(',format=raw' gives the guest its bytes as they are)", d->path, format);
	return 0;
}

/*
 * Alignment O_DIRECT wants of memory and of offsets and lengths. Where the kernel does not tell (before 6.1) a block device
 * wants its logical block; a file at most its file system's block, and what is aligned to less goes the slower way.
 */
static void direct_alignment(struct disk *d, u32 *ret_mem, u32 *ret_off)
{
	struct stat st;

	*ret_mem = *ret_off = d->block_size;
	if (!d->is_block && fstat(d->direct_fd, &st) == 0 && is_power_of_two((u64)st.st_blksize) && st.st_blksize >= DISK_SECTOR)
		*ret_mem = *ret_off = (u32)MIN((u64)st.st_blksize, 65536ULL);
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (statx(d->direct_fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 && (stx.stx_mask & STATX_DIOALIGN)) {
		*ret_mem = stx.stx_dio_mem_align;
		*ret_off = stx.stx_dio_offset_align;
	}
#endif
}

static int open_direct(struct disk *d, struct error *err)
{
	struct stat a, b;
	u32 mem, off;
	int flags = O_CLOEXEC | O_NOCTTY | O_DIRECT | (d->readonly ? O_RDONLY : O_RDWR);

	d->direct_fd = open(d->path, flags);
	if (d->direct_fd < 0 && errno == EINVAL)
		return error_set(err, -EINVAL, "disk '%s': direct: its file system has no O_DIRECT", d->path);
	if (d->direct_fd < 0 || fstat(d->fd, &a) < 0 || fstat(d->direct_fd, &b) < 0)
		return error_set_errno(err, -errno, "disk '%s': direct", d->path);
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return error_set(err, -EAGAIN, "disk '%s': was replaced while being opened", d->path);
	direct_alignment(d, &mem, &off);
	if (!is_power_of_two(mem) || !is_power_of_two(off))
		return error_set(err, -EINVAL, "disk '%s': direct: its file system has no O_DIRECT for this file", d->path);
	d->dio_mem_align = mem;
	d->dio_off_align = off;
	d->io_fd = d->direct_fd;
	return 0;
}

/* Files are punched; whether their file system can is seen at the first try. A device tells. */
static bool can_discard(const struct disk *d)
{
	static const char *const where[] = { "", "../" };	/* a partition's queue is its disk's */
	unsigned long long max = 0;
	char path[96];
	struct stat st;
	unsigned int i;
	FILE *f;
	int n;

	if (d->readonly || !d->is_block)
		return !d->readonly;
	if (fstat(d->fd, &st) < 0)
		return false;
	for (i = 0; i < ARRAY_SIZE(where); i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/discard_max_bytes", major(st.st_rdev), minor(st.st_rdev),
			 where[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		n = fscanf(f, "%llu", &max);
		fclose(f);
		return n == 1 && max;
	}
	return false;
}

/*
 * tmpfs looks, for each page it copies, at the user memory of all that is left of the call, so that one call of n pages costs n * n (seen in
 * Linux 6.12: generic_perform_write() with a mapping that may have large folios, and has none).
 */
static u64 write_piece(const struct disk *d)
{
	enum { TMPFS_PIECE = 128 * 1024 };
	struct statfs fs;

	return fstatfs(d->fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC ? TMPFS_PIECE : UINT64_MAX;
}

int disk_open(const struct disk_config *cfg, struct error *err, struct disk **ret)
{
	struct disk *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_set_errno(err, -ENOMEM, "disk '%s'", cfg->path);
	d->fd = d->direct_fd = d->event_fd = -1;
	d->readonly = cfg->readonly;
	d->wanted = cfg->engine;
	d->dio_mem_align = d->dio_off_align = 1;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->idle, NULL);
	disk_pool_init(&d->pool);
	d->path = strdup(cfg->path);
	r = d->path ? 0 : error_set_errno(err, -ENOMEM, "disk '%s'", cfg->path);
	if (!r)
		r = open_image(d, cfg, err);
	if (!r)
		r = lock_image(d, err);
	if (!r)
		r = measure(d, err);
	if (!r && cfg->format == DISK_FORMAT_AUTO)
		r = refuse_formats(d, err);
	d->io_fd = d->fd;
	if (!r && cfg->direct)
		r = open_direct(d, err);
	if (!r && cfg->engine != DISK_ENGINE_AUTO)
		r = disk_engine_setup(d, err);
	if (r < 0) {
		disk_close(d);
		return r;
	}
	d->can_discard = can_discard(d);
	d->write_piece = write_piece(d);
	if (cfg->serial) {
		memset(d->serial, 0, sizeof(d->serial));
		memcpy(d->serial, cfg->serial, MIN(strlen(cfg->serial), sizeof(d->serial)));
	}
	*ret = d;
	return 0;
}
