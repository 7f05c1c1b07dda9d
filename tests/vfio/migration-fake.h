/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fake migratable devices in place of vfio/device.c and vfio/sys.c. One has 4 KiB of state, which it gives and takes as frames
 *
 *	u32 tag (1: in advance, 2: the last), u32 length, bytes, u32 sum of the bytes
 *
 * through either protocol, with the rules of the kernel's: v2 finds its own way from state to state and streams through real
 * files; v1 has a region in which a chunk is gone once the next one is asked for.
 */
#ifndef TESTS_VFIO_MIGRATION_FAKE_H
#define TESTS_VFIO_MIGRATION_FAKE_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/endian.h"
#include "vfio/migration.h"
#include "vmm/vm.h"

enum { FAKE_IMAGE = 4096, FAKE_DEVICES = 3, FAKE_STREAM_MAX = 1 << 22, FAKE_REGION = 9 * 4096, FAKE_STEPS = 64 };
enum { FRAME_EARLY = 1, FRAME_LAST = 2, FRAME_EXTRA = 12 };

struct fake_device {
	struct vfio_device vd;		/* first */
	struct vfio_config cfg;
	struct vfio_region regions[10];
	char name;
	u8 image[FAKE_IMAGE], initial[FAKE_IMAGE];
	u32 id[16];			/* the first words of config space */
	unsigned int resets;
	bool no_reset;

	/* v2 */
	u64 flags;			/* VFIO_MIGRATION_*; 0: it has no v2 */
	int flags_error;
	u32 state;
	int stream;			/* the device's side of its file; -1 */
	int given;			/* user space's number of it */
	size_t max_io;			/* bytes a read or write takes at most */
	bool no_data_size, no_file_info;
	/* what it does wrong */
	u32 refuses;			/* a bit for each state: the step to it fails, the device stays where it is */
	u32 breaks;			/* a bit for each state: the step to it fails, the device is in ERROR */
	u32 lies;			/* a bit for each state: a SET of it says that it was done, and did nothing */
	bool no_file, extra_file;	/* none where there is to be one, one where there is none */
	int io_error;			/* of reads and writes */
	bool zero_write;

	/* v1 */
	bool v1;
	int region_fd;
	u32 v1_state;
	u8 *in;				/* owned: bytes taken while RESUMING */
	size_t in_len;
	u8 *out;			/* owned: bytes to be given */
	size_t out_len, out_at, chunk, open;	/* open: bytes of the chunk that was asked for */
	u64 data_at;			/* where in the region the data is */
	bool was_reset, quiet_error, reset_is_enough;
	u64 wrong_offset, wrong_size;	/* not 0: what the registers say */
	bool endless;			/* pending_bytes never ends, data_size is 0 */
	unsigned int odd_accesses, through_map, through_pread;
	unsigned int fail_at;		/* that access of a region from now on fails; 0: none */
	bool no_map;
	bool log;			/* has a DMA log */
};

static struct fake_device *fakes[FAKE_DEVICES];
static unsigned int nr_fakes;
static struct vm fake_vm;
static struct vfio_host fake_host;
/* Every state that a device came to, in order. */
static struct { char name; u32 state; } fake_step[FAKE_STEPS];
static unsigned int fake_steps;

static inline struct fake_device *fake_of(struct vfio_device *vd)
{
	return container_of(vd, struct fake_device, vd);
}

/* --- the state of the device --- */

static inline u32 fake_sum(const u8 *p, size_t len)
{
	u32 sum = 1;

	while (len--)
		sum = sum * 31 + *p++;
	return sum;
}

static inline size_t fake_frame(struct fake_device *f, u32 tag, u8 *out)
{
	put_le32(out, tag);
	put_le32(out + 4, FAKE_IMAGE);
	memcpy(out + 8, f->image, FAKE_IMAGE);
	put_le32(out + 8 + FAKE_IMAGE, fake_sum(f->image, FAKE_IMAGE));
	return FAKE_IMAGE + FRAME_EXTRA;
}

/* Frames, the last one of them the last. Takes it only if all of it is right. */
static inline bool fake_take(struct fake_device *f, const u8 *p, size_t len)
{
	const size_t frame = FAKE_IMAGE + FRAME_EXTRA;

	if (!len || len % frame)
		return false;
	for (; len; p += frame, len -= frame) {
		u32 tag = get_le32(p);

		if (tag != (len == frame ? FRAME_LAST : FRAME_EARLY) || get_le32(p + 4) != FAKE_IMAGE ||
		    get_le32(p + 8 + FAKE_IMAGE) != fake_sum(p + 8, FAKE_IMAGE))
			return false;
	}
	memcpy(f->image, p - frame + 8, FAKE_IMAGE);
	return true;
}

/* --- v2 --- */

enum { SAVING = BIT(VFIO_MIG_STOP_COPY) | BIT(VFIO_MIG_PRE_COPY) | BIT(VFIO_MIG_PRE_COPY_P2P), LOADING = BIT(VFIO_MIG_RESUMING) };

static inline u32 fake_states(const struct fake_device *f)
{
	u32 set = BIT(VFIO_MIG_STOP) | BIT(VFIO_MIG_RUNNING) | BIT(VFIO_MIG_STOP_COPY) | BIT(VFIO_MIG_RESUMING);

	if (f->flags & VFIO_MIGRATION_P2P)
		set |= BIT(VFIO_MIG_RUNNING_P2P);
	if (f->flags & VFIO_MIGRATION_PRE_COPY)
		set |= BIT(VFIO_MIG_PRE_COPY) | (f->flags & VFIO_MIGRATION_P2P ? BIT(VFIO_MIG_PRE_COPY_P2P) : 0);
	return set;
}

/* The states one step from @state. [include/uapi/linux/vfio.h, enum vfio_device_mig_state] */
static inline u32 fake_arcs(const struct fake_device *f, u32 state)
{
	const bool p2p = f->flags & VFIO_MIGRATION_P2P;

	switch (state) {
	case VFIO_MIG_STOP:
		return BIT(p2p ? VFIO_MIG_RUNNING_P2P : VFIO_MIG_RUNNING) | BIT(VFIO_MIG_STOP_COPY) | BIT(VFIO_MIG_RESUMING);
	case VFIO_MIG_RUNNING:
		return BIT(p2p ? VFIO_MIG_RUNNING_P2P : VFIO_MIG_STOP) | BIT(VFIO_MIG_PRE_COPY);
	case VFIO_MIG_RUNNING_P2P:
		return BIT(VFIO_MIG_RUNNING) | BIT(VFIO_MIG_STOP) | BIT(VFIO_MIG_PRE_COPY_P2P);
	case VFIO_MIG_PRE_COPY:
		return BIT(VFIO_MIG_RUNNING) | BIT(p2p ? VFIO_MIG_PRE_COPY_P2P : VFIO_MIG_STOP_COPY);
	case VFIO_MIG_PRE_COPY_P2P:
		return BIT(VFIO_MIG_PRE_COPY) | BIT(VFIO_MIG_RUNNING_P2P) | BIT(VFIO_MIG_STOP_COPY);
	case VFIO_MIG_STOP_COPY:
	case VFIO_MIG_RESUMING:
		return BIT(VFIO_MIG_STOP);
	}
	return 0;
}

/*
 * The first step of the shortest way, or ERROR. States with a stream are only its ends, but that a way inside the group that
 * saves stays in it. Found from behind: who is a step away from what is already near.
 */
static inline u32 fake_next(const struct fake_device *f, u32 from, u32 to)
{
	u32 near = BIT(to), inside = fake_states(f), s, added;

	inside &= BIT(from) & SAVING && BIT(to) & SAVING ? SAVING : ~(u32)(SAVING | LOADING);
	for (;;) {
		if (fake_arcs(f, from) & fake_states(f) & near)
			return (u32)__builtin_ctz(fake_arcs(f, from) & fake_states(f) & near);
		for (added = 0, s = VFIO_MIG_STOP; s <= VFIO_MIG_PRE_COPY_P2P; s++)
			if (BIT(s) & inside & ~near && fake_arcs(f, s) & near)
				added |= BIT(s);
		if (!added)
			return VFIO_MIG_ERROR;
		near = added;
		inside &= ~added;
	}
}

static inline void fake_drop_stream(struct fake_device *f)
{
	if (f->stream >= 0)
		close(f->stream);
	f->stream = f->given = -1;
}

static inline void fake_append(struct fake_device *f, u32 tag)
{
	u8 frame[FAKE_IMAGE + FRAME_EXTRA];
	size_t len = fake_frame(f, tag, frame);

	if (pwrite(f->stream, frame, len, lseek(f->stream, 0, SEEK_END)) != (ssize_t)len)
		abort();
}

static inline bool fake_loaded(struct fake_device *f)
{
	u8 *buf = malloc(FAKE_STREAM_MAX);
	ssize_t n = pread(f->stream, buf, FAKE_STREAM_MAX, 0);
	bool ok = n >= 0 && fake_take(f, buf, (size_t)n);

	free(buf);
	return ok;
}

/* One step. */
static inline int fake_step_to(struct fake_device *f, u32 to)
{
	bool fresh = BIT(to) & (SAVING | LOADING) && !(BIT(f->state) & (BIT(to) & SAVING ? SAVING : LOADING));

	if (f->refuses & BIT(to))
		return -EBUSY;
	if (f->breaks & BIT(to) || (f->state == VFIO_MIG_RESUMING && !fake_loaded(f))) {
		f->state = VFIO_MIG_ERROR;
		fake_drop_stream(f);
		return -EINVAL;
	}
	if (fresh) {
		fake_drop_stream(f);
		f->stream = memfd_create("stream", MFD_CLOEXEC);
	} else if (!(BIT(to) & (SAVING | LOADING))) {
		fake_drop_stream(f);
	}
	if (to == VFIO_MIG_STOP_COPY)
		fake_append(f, FRAME_LAST);
	else if (BIT(to) & SAVING && fresh)
		fake_append(f, FRAME_EARLY);
	f->state = to;
	if (fake_steps < FAKE_STEPS) {
		fake_step[fake_steps].name = f->name;
		fake_step[fake_steps++].state = to;
	}
	return 0;
}

static inline int fake_set(struct fake_device *f, struct vfio_device_feature_mig_state *s)
{
	const u32 to = s->device_state, from = f->state;
	int r;

	s->data_fd = -1;
	if (to > VFIO_MIG_PRE_COPY_P2P || !(fake_states(f) & BIT(to)))
		return -EINVAL;
	if (f->lies & BIT(to))
		return 0;
	while (f->state != to) {
		u32 next = f->state == VFIO_MIG_ERROR ? (u32)VFIO_MIG_ERROR : fake_next(f, f->state, to);

		if (next == VFIO_MIG_ERROR)
			return -EINVAL;
		r = fake_step_to(f, next);
		if (r < 0)
			return r;
	}
	if (BIT(to) & (SAVING | LOADING) && !(BIT(from) & SAVING && BIT(to) & SAVING) && from != to && !f->no_file) {
		/* a file of its own position, as the driver does not move the user's */
		char path[32];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", f->stream);
		f->given = s->data_fd = open(path, O_RDWR | O_CLOEXEC);
	} else if (f->extra_file) {
		s->data_fd = memfd_create("extra", MFD_CLOEXEC);
	}
	return 0;
}

int vfio_feature(struct vfio_device *vd, u32 flags, void *data, size_t len)
{
	struct fake_device *f = fake_of(vd);
	struct vfio_device_feature_mig_state *s = data;

	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_MIGRATION:
		if (f->flags_error)
			return f->flags_error;
		if (!f->flags)
			return -ENOTTY;
		((struct vfio_device_feature_migration *)data)->flags = f->flags;
		return 0;
	case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
		if (flags & VFIO_DEVICE_FEATURE_SET)
			return fake_set(f, s);
		s->device_state = f->state;
		s->data_fd = -1;
		return 0;
	case VFIO_DEVICE_FEATURE_MIG_DATA_SIZE:
		if (f->no_data_size)
			return -ENOTTY;
		((struct uapi_vfio_mig_data_size *)data)->stop_copy_length = FAKE_IMAGE + FRAME_EXTRA;
		return 0;
	}
	return f->log && flags == (VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START) ? 0 : -ENOTTY;
}

static inline struct fake_device *fake_by_fd(int fd)
{
	unsigned int i;

	for (i = 0; i < nr_fakes; i++)
		if (fd >= 0 && fakes[i]->given == fd)
			return fakes[i];
	return NULL;
}

ssize_t vfio_sys_read(int fd, void *buf, size_t len)
{
	struct fake_device *f = fake_by_fd(fd);
	ssize_t n;

	if (!f || !(BIT(f->state) & SAVING))
		return -ENODEV;
	if (f->io_error)
		return f->io_error;
	n = read(fd, buf, f->max_io ? MIN(len, f->max_io) : len);
	return n || f->state == VFIO_MIG_STOP_COPY ? n : -ENOMSG;
}

ssize_t vfio_sys_write(int fd, const void *buf, size_t len)
{
	struct fake_device *f = fake_by_fd(fd);

	if (!f || f->state != VFIO_MIG_RESUMING)
		return -ENODEV;
	if (f->io_error)
		return f->io_error;
	return f->zero_write ? 0 : write(fd, buf, f->max_io ? MIN(len, f->max_io) : len);
}

int vfio_sys_ioctl(int fd, unsigned long request, void *arg)
{
	struct uapi_vfio_precopy_info *info = arg;
	struct fake_device *f = fake_by_fd(fd);

	if (!f || request != VFIO_MIG_GET_PRECOPY_INFO || f->no_file_info)
		return -ENOTTY;
	if (f->state != VFIO_MIG_PRE_COPY && f->state != VFIO_MIG_PRE_COPY_P2P)
		return -EINVAL;
	if (info->argsz < sizeof(*info))
		return -EINVAL;
	info->initial_bytes = (u64)(lseek(f->stream, 0, SEEK_END) - lseek(fd, 0, SEEK_CUR));
	info->dirty_bytes = 7;
	return 0;
}

void vfio_sys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vfio_sys_munmap(void *p, size_t len)
{
	munmap(p, len);
}

static inline void fake_v1_forget(struct fake_device *f)
{
	free(f->in);
	free(f->out);
	f->in = f->out = NULL;
	f->in_len = f->out_len = f->out_at = f->open = 0;
}

int vfio_device_reset(struct vfio_device *vd)
{
	struct fake_device *f = fake_of(vd);

	if (f->no_reset)
		return -ENOTTY;
	f->resets++;
	memcpy(f->image, f->initial, FAKE_IMAGE);
	f->state = VFIO_MIG_RUNNING;
	fake_drop_stream(f);
	f->was_reset = true;
	fake_v1_forget(f);
	if (f->reset_is_enough || f->v1_state != 6)
		f->v1_state = 1;
	return 0;
}

const char *vfio_device_name(const struct vfio_device *vd)
{
	return "fake";
}

/* --- v1 --- */

static inline void fake_poison(struct fake_device *f)
{
	u8 junk[512];
	u64 at;

	memset(junk, 0xee, sizeof(junk));
	for (at = sizeof(struct vfio_device_migration_info); at + sizeof(junk) <= FAKE_REGION; at += sizeof(junk))
		if (pwrite(f->region_fd, junk, sizeof(junk), (off_t)at) < 0)
			abort();
}

static inline void fake_emit(struct fake_device *f, u32 tag)
{
	f->out = realloc(f->out, f->out_len + FAKE_IMAGE + FRAME_EXTRA);
	f->out_len += fake_frame(f, tag, f->out + f->out_len);
}

/* [struct vfio_device_migration_info] 0 stop, 1 running, 2 stop-and-copy, 3 pre-copy, 4 resuming, 6 error */
static inline int fake_v1_set(struct fake_device *f, u32 to)
{
	const u32 from = f->v1_state;
	static const u8 ways[7] = { [0] = BIT(1) | BIT(2) | BIT(4), [1] = BIT(0) | BIT(2) | BIT(3) | BIT(4), [2] = BIT(0) | BIT(1),
				    [3] = BIT(0) | BIT(1) | BIT(2), [4] = BIT(1) };

	if (to > 6 || (to != from && !(from == 6 && f->was_reset && to == 1) && !(ways[from] & BIT(to))))
		return -EINVAL;
	if (f->breaks & BIT(to) || (from == 4 && to == 1 && !fake_take(f, f->in, f->in_len))) {
		f->v1_state = 6;
		f->was_reset = false;
		fake_v1_forget(f);
		return f->quiet_error ? 0 : -EIO;
	}
	if (from != 3 || to != 2)
		fake_v1_forget(f);
	if (to == 3)
		fake_emit(f, FRAME_EARLY);
	if (to == 2)
		fake_emit(f, FRAME_LAST);
	f->v1_state = to;
	return 0;
}

static inline u64 fake_v1_get(struct fake_device *f, u64 off)
{
	switch (off) {
	case 0:
		return f->v1_state | 0xa0;	/* reserved bits, which are to stay */
	case 8:
		if (f->open)
			fake_poison(f);
		f->out_at += f->open;
		f->open = 0;
		return f->endless ? 100 : f->out_len - f->out_at;
	case 16:
		return f->wrong_offset ? f->wrong_offset : f->data_at;
	case 24:
		if (f->endless)
			return 0;
		f->open = MIN(f->chunk, f->out_len - f->out_at);
		if (pwrite(f->region_fd, f->out + f->out_at, f->open, (off_t)f->data_at) < 0)
			abort();
		return f->wrong_size ? f->wrong_size : f->open;
	}
	f->odd_accesses++;
	return 0;
}

static inline bool fake_fails(struct fake_device *f)
{
	return f->fail_at && !--f->fail_at;
}

int vfio_region_read(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 *ret)
{
	struct fake_device *f = fake_of(vd);

	if (fake_fails(f))
		return -ENXIO;
	if (r->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		*ret = f->id[off / 4];
		return 0;
	}
	f->odd_accesses += size != (off ? 8 : 4);
	*ret = fake_v1_get(f, off);
	return f->io_error;
}

int vfio_region_write(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 val)
{
	struct fake_device *f = fake_of(vd);

	if (fake_fails(f))
		return -ENXIO;
	f->odd_accesses += size != (off ? 8 : 4);
	if (!off) {
		f->odd_accesses += (val & ~7ULL) != 0xa0;
		return fake_v1_set(f, val & 7);
	}
	if (off != 24 || f->v1_state != 4 || val > FAKE_REGION - f->data_at) {
		f->odd_accesses++;
		return -EINVAL;
	}
	f->in = realloc(f->in, f->in_len + val + 1);
	if (pread(f->region_fd, f->in + f->in_len, val, (off_t)f->data_at) != (ssize_t)val)
		abort();
	f->in_len += val;
	fake_poison(f);
	return 0;
}

static inline void fake_in_area(const struct vfio_region *r, struct fake_device *f, u64 off, size_t len)
{
	unsigned int i;

	f->through_pread++;
	for (i = 0; i < r->nr_areas && !f->no_map; i++)
		if (off < r->area[i].off + r->area[i].size && off + len > r->area[i].off)
			f->odd_accesses++;	/* that was to go through the mapping */
}

int vfio_region_pread(struct vfio_device *vd, const struct vfio_region *r, u64 off, void *buf, size_t len)
{
	struct fake_device *f = fake_of(vd);

	if (fake_fails(f))
		return -ENXIO;
	fake_in_area(r, f, off, len);
	return len <= r->size - off && pread(f->region_fd, buf, len, (off_t)off) == (ssize_t)len ? f->io_error : -EINVAL;
}

int vfio_region_pwrite(struct vfio_device *vd, const struct vfio_region *r, u64 off, const void *buf, size_t len)
{
	struct fake_device *f = fake_of(vd);

	if (fake_fails(f))
		return -ENXIO;
	fake_in_area(r, f, off, len);
	return len <= r->size - off && pwrite(f->region_fd, buf, len, (off_t)off) == (ssize_t)len ? f->io_error : -EINVAL;
}

int vfio_region_mmap(struct vfio_device *vd, const struct vfio_region *r, const struct vfio_area *area, void **ret)
{
	struct fake_device *f = fake_of(vd);
	void *p = mmap(NULL, area->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->region_fd, (off_t)area->off);

	if (p == MAP_FAILED)
		return -errno;
	if (f->no_map) {
		munmap(p, area->size);
		return -EPERM;
	}
	f->through_map++;
	*ret = p;
	return 0;
}

const struct vfio_region *vfio_region_get(const struct vfio_device *vd, u32 index)
{
	return index < vd->nr_regions && vd->region[index].size ? &vd->region[index] : NULL;
}

const struct vfio_region *vfio_region_find(const struct vfio_device *vd, u32 type, u32 subtype)
{
	unsigned int i;

	for (i = 0; i < vd->nr_regions; i++)
		if (vd->region[i].size && vd->region[i].type == type && vd->region[i].subtype == subtype)
			return &vd->region[i];
	return NULL;
}

/* --- life --- */

static inline struct fake_device *fake_new(u64 v2_flags, bool v1)
{
	struct fake_device *f = calloc(1, sizeof(*f));
	unsigned int i;

	if (!nr_fakes) {
		list_init(&fake_host.devices);
		fake_vm.vfio = &fake_host;
		fake_steps = 0;
	}
	f->name = (char)('A' + nr_fakes);
	f->cfg = (struct vfio_config){ .device = "0000:00:01.0", .option = "--vfio" };
	f->vd.cfg = &f->cfg;
	f->vd.region = f->regions;
	f->vd.nr_regions = ARRAY_SIZE(f->regions);
	f->vd.fd = -1;
	for (i = 0; i < f->vd.nr_regions; i++)
		f->regions[i].index = i;
	f->regions[0].size = 4096;
	f->regions[2].size = 65536;
	f->regions[VFIO_PCI_CONFIG_REGION_INDEX].size = 4096;
	f->id[0] = 0x4c4b1234;
	f->id[2] = 0x02000001;
	f->id[11] = 0x00011234;
	for (i = 0; i < FAKE_IMAGE; i++)
		f->image[i] = f->initial[i] = (u8)(i * 7 + f->name);
	f->flags = v2_flags;
	f->state = VFIO_MIG_RUNNING;
	f->stream = f->given = f->region_fd = -1;
	f->v1 = v1;
	if (v1) {
		f->regions[9] = (struct vfio_region){
			.index = 9, .size = FAKE_REGION, .flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
			.type = VFIO_REGION_TYPE_MIGRATION_DEPRECATED, .subtype = VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED,
		};
		f->region_fd = memfd_create("region", MFD_CLOEXEC);
		if (ftruncate(f->region_fd, FAKE_REGION) < 0)
			abort();
		f->v1_state = 1;
		f->chunk = 1000;
		f->data_at = 4096;
	}
	list_add_tail(&fake_host.devices, &f->vd.node);
	fakes[nr_fakes++] = f;
	return f;
}

static inline void fake_free_all(void)
{
	while (nr_fakes) {
		struct fake_device *f = fakes[--nr_fakes];

		vfio_migration_free(f->vd.migration);
		fake_drop_stream(f);
		fake_v1_forget(f);
		if (f->region_fd >= 0)
			close(f->region_fd);
		free(f);
	}
}

/* --- what tests do with a device --- */

static UNUSED struct error err;

static inline int set(struct fake_device *f, enum vfio_mig_state state)
{
	return vfio_migration_set_state(f->vd.migration, state, &err);
}

/* Reads to the end, @step bytes at a time. */
static inline ssize_t read_all(struct fake_device *f, u8 *buf, size_t room, size_t step)
{
	size_t at = 0;
	ssize_t n;

	while (at < room) {
		n = vfio_migration_read(f->vd.migration, buf + at, MIN(step, room - at));
		if (n < 0)
			return n == -EAGAIN ? (ssize_t)at : n;
		if (!n)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static inline int load(struct fake_device *f, const struct state_writer *w)
{
	u8 *copy = malloc(w->buf.len + !w->buf.len);	/* of exact size, so that a byte too far is seen */
	struct state_reader r;
	int ret;

	if (w->buf.len)
		memcpy(copy, w->buf.s, w->buf.len);
	state_reader_init(&r, copy, w->buf.len);
	ret = vfio_migration_load(f->vd.migration, &r, &err);
	if (!ret && r.off != r.len)
		ret = -E2BIG;
	free(copy);
	return ret;
}

#endif
