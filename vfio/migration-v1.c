/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first migration protocol: a region of type MIGRATION whose first 32 bytes are registers, and somewhere behind them,
 * where the device says, the data. [include/uapi/linux/vfio.h, Linux 5.8, struct vfio_device_migration_info; deprecated by
 * 5.18]
 *
 * Saving goes by chunks: pending_bytes is read (which ends the chunk before), then data_offset, data_size, then the data. A
 * chunk is taken whole, however little of it was asked for: so neither a state change nor a look at pending_bytes cuts one.
 * Loading: data_offset, the data, then its length into data_size.
 *
 * Nothing that the device says of offsets and lengths is used before it was found to be inside the region. Registers are
 * accessed at their own width; data where SPARSE_MMAP allows through a mapping, else by pread and pwrite.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfio/migration-protocol.h"

#define REG(name) offsetof(struct vfio_device_migration_info, name)

enum { REGS_SIZE = sizeof(struct vfio_device_migration_info), CHUNK_MAX = 1 << 30 };

struct v1 {
	struct vfio_migration m;	/* first */
	const struct vfio_region *region;	/* borrowed from the device */
	void *map[VFIO_AREAS];		/* owned: of region->area[]; NULL: not mapped */
	u8 *chunk;			/* owned: what the device gave and nobody took yet: [chunk_at, chunk_len) */
	size_t chunk_at, chunk_len;
};

static struct v1 *v1_of(struct vfio_migration *m)
{
	return container_of(m, struct v1, m);
}

static int get(struct v1 *v, unsigned int reg, u64 *ret)
{
	return vfio_region_read(v->m.vd, v->region, reg, 8, ret);
}

static const u32 bits_of[] = {
	[VFIO_MIG_STOP] = VFIO_DEVICE_STATE_V1_STOP,
	[VFIO_MIG_RUNNING] = VFIO_DEVICE_STATE_V1_RUNNING,
	[VFIO_MIG_STOP_COPY] = VFIO_DEVICE_STATE_V1_SAVING,
	[VFIO_MIG_RESUMING] = VFIO_DEVICE_STATE_V1_RESUMING,
	[VFIO_MIG_PRE_COPY] = VFIO_DEVICE_STATE_V1_RUNNING | VFIO_DEVICE_STATE_V1_SAVING,
};

static enum vfio_mig_state v1_state(struct vfio_migration *m)
{
	u64 v;

	if (vfio_region_read(m->vd, v1_of(m)->region, REG(device_state), 4, &v) < 0)
		return VFIO_MIG_ERROR;
	switch (v & VFIO_DEVICE_STATE_MASK) {
	case VFIO_DEVICE_STATE_V1_STOP:
		return VFIO_MIG_STOP;
	case VFIO_DEVICE_STATE_V1_RUNNING:
		return VFIO_MIG_RUNNING;
	case VFIO_DEVICE_STATE_V1_SAVING:
		return VFIO_MIG_STOP_COPY;
	case VFIO_DEVICE_STATE_V1_RUNNING | VFIO_DEVICE_STATE_V1_SAVING:
		return VFIO_MIG_PRE_COPY;
	case VFIO_DEVICE_STATE_V1_RESUMING:
		return VFIO_MIG_RESUMING;
	}
	return VFIO_MIG_ERROR;	/* SAVING|RESUMING is its name; no other one with RESUMING is valid */
}

/* Bits that the protocol does not define keep what the device has in them. */
static int v1_set_state(struct vfio_migration *m, enum vfio_mig_state from, enum vfio_mig_state to)
{
	struct v1 *v = v1_of(m);
	u64 val;
	int r = vfio_region_read(m->vd, v->region, REG(device_state), 4, &val);

	if (r < 0)
		return r;
	val = (val & ~(u64)VFIO_DEVICE_STATE_MASK) | bits_of[to];
	return vfio_region_write(m->vd, v->region, REG(device_state), 4, val);
}

static void v1_arrived(struct vfio_migration *m, enum vfio_mig_state state)
{
	struct v1 *v = v1_of(m);

	if (vfio_mig_saves(state))
		return;
	free(v->chunk);
	v->chunk = NULL;
	v->chunk_at = v->chunk_len = 0;
}

/* The mapping that has @off, or NULL; *len is cut where that ends. */
static u8 *mapped(struct v1 *v, u64 off, size_t *len)
{
	unsigned int i;

	for (i = 0; i < v->region->nr_areas; i++) {
		const struct vfio_area *a = &v->region->area[i];

		if (!v->map[i])
			continue;
		if (off < a->off) {
			*len = (size_t)MIN((u64)*len, a->off - off);
		} else if (off - a->off < a->size) {
			*len = (size_t)MIN((u64)*len, a->size - (off - a->off));
			return (u8 *)v->map[i] + (off - a->off);
		}
	}
	return NULL;
}

/* From the region at @off to @out, or, where that is NULL, from @in into it. [off, off+len) is inside. */
static int copy(struct v1 *v, u64 off, u8 *out, const u8 *in, size_t len)
{
	size_t at, n;
	u8 *p;
	int r = 0;

	for (at = 0; at < len && r >= 0; at += n) {
		n = len - at;
		p = mapped(v, off + at, &n);
		if (p)
			memcpy(out ? out + at : p, out ? p : in + at, n);
		else if (out)
			r = vfio_region_pread(v->m.vd, v->region, off + at, out + at, n);
		else
			r = vfio_region_pwrite(v->m.vd, v->region, off + at, in + at, n);
	}
	return MIN(r, 0);
}

/* Where the device has or wants its data; *ret_room: from there to the region's end, not 0. */
static int data_place(struct v1 *v, u64 *ret_off, u64 *ret_room)
{
	u64 off;
	int r = get(v, REG(data_offset), &off);

	if (r < 0)
		return r;
	if (off < REGS_SIZE || off >= v->region->size)
		return -EPROTO;
	*ret_off = off;
	*ret_room = v->region->size - off;
	return 0;
}

/* Opens the next chunk. 1; 0: the end; -EAGAIN. */
static int next_chunk(struct v1 *v, u64 *ret_off, size_t *ret_size)
{
	bool pre = vfio_mig_pre_copies(v->m.state);
	u64 pending, off, room, size;
	int r = get(v, REG(pending_bytes), &pending);

	if (r < 0)
		return r;
	if (!pending)
		return pre ? -EAGAIN : 0;
	r = data_place(v, &off, &room);
	if (r < 0)
		return r;
	r = get(v, REG(data_size), &size);
	if (r < 0)
		return r;
	if (!size)
		return pre ? -EAGAIN : -EPROTO;	/* bytes pending, and none given: it would be asked for ever */
	if (size > room || size > CHUNK_MAX)
		return -EPROTO;
	*ret_off = off;
	*ret_size = (size_t)size;
	return 1;
}

static ssize_t take_rest(struct v1 *v, void *buf, size_t len)
{
	size_t n = MIN(len, v->chunk_len - v->chunk_at);

	memcpy(buf, v->chunk + v->chunk_at, n);
	v->chunk_at += n;
	if (v->chunk_at == v->chunk_len) {
		free(v->chunk);
		v->chunk = NULL;
		v->chunk_at = v->chunk_len = 0;
	}
	return (ssize_t)n;
}

static ssize_t v1_read(struct vfio_migration *m, void *buf, size_t len)
{
	struct v1 *v = v1_of(m);
	size_t size;
	u64 off;
	u8 *chunk;
	int r;

	if (v->chunk)
		return take_rest(v, buf, len);
	r = next_chunk(v, &off, &size);
	if (r <= 0)
		return r;
	if (size <= len) {
		r = copy(v, off, buf, NULL, size);
		return r < 0 ? r : (ssize_t)size;
	}
	chunk = malloc(size);
	if (!chunk)
		return -ENOMEM;
	r = copy(v, off, chunk, NULL, size);
	if (r < 0) {
		free(chunk);
		return r;
	}
	v->chunk = chunk;
	v->chunk_len = size;
	return take_rest(v, buf, len);
}

static int v1_write(struct vfio_migration *m, const void *buf, size_t len)
{
	struct v1 *v = v1_of(m);
	const u8 *p = buf;
	u64 off, room;
	size_t n;
	int r;

	for (; len; p += n, len -= n) {
		r = data_place(v, &off, &room);
		if (r < 0)
			return r;
		n = (size_t)MIN((u64)len, room);
		r = copy(v, off, NULL, p, n);
		if (r < 0)
			return r;
		r = vfio_region_write(m->vd, v->region, REG(data_size), 8, n);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Before the stop none of it must be read: it may all come later. */
static int v1_pending(struct vfio_migration *m, struct vfio_mig_pending *ret)
{
	struct v1 *v = v1_of(m);
	u64 pending, here = v->chunk_len - v->chunk_at;
	int r = get(v, REG(pending_bytes), &pending);

	if (r < 0)
		return r;
	pending = pending > ~0ULL - here ? ~0ULL : pending + here;
	*ret = (struct vfio_mig_pending){ 0 };
	*(vfio_mig_pre_copies(m->state) ? &ret->dirty : &ret->stop_copy) = pending;
	return 0;
}

static void v1_free(struct vfio_migration *m)
{
	struct v1 *v = v1_of(m);
	unsigned int i;

	for (i = 0; i < v->region->nr_areas; i++)
		if (v->map[i])
			vfio_sys_munmap(v->map[i], (size_t)v->region->area[i].size);
	free(v->chunk);
	free(v);
}

static const struct vfio_migration_ops v1_ops = {
	.name = "v1", .number = 1, .loaded = VFIO_MIG_RESUMING,	/* the protocol knows of no way from there but to RUNNING */
	.state = v1_state, .set_state = v1_set_state, .arrived = v1_arrived,
	.pending = v1_pending, .read = v1_read, .write = v1_write, .free = v1_free,
};

int vfio_migration_v1_create(struct vfio_device *vd, struct vfio_migration **ret)
{
	const u32 need = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	const struct vfio_region *region =
		vfio_region_find(vd, VFIO_REGION_TYPE_MIGRATION_DEPRECATED, VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED);
	struct v1 *v;
	unsigned int i;

	*ret = NULL;
	if (!region)
		return 0;
	if (region->size <= REGS_SIZE || (region->flags & need) != need)
		return -EPROTO;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->m = (struct vfio_migration){ .ops = &v1_ops, .vd = vd, .abilities = VFIO_MIG_CAN_PRE_COPY };
	v->region = region;
	for (i = 0; i < region->nr_areas; i++)
		if (vfio_region_mmap(vd, region, &region->area[i], &v->map[i]) < 0)
			v->map[i] = NULL;	/* by pread, then */
	*ret = &v->m;
	return 0;
}
