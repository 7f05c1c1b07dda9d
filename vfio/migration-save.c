/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A whole device as sections of the state stream, and back:
 *
 *	"vfio-migration"	u8 protocol; u32 x3: words 0 (vendor, device), 8 (revision, class), 0x2c (subsystem) of config space;
 *				u64 x7: sizes of regions BAR 0..5 and config space, 0 where there is none
 *	"vfio-migration-data"	u32 number from 0; u8 last; bytes, 1 MiB at most. One or more; the last one ends with u64: bytes in all
 *
 * The device's own stream is opaque. All that is ours of it is checked before the device is given a byte.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfio/migration-protocol.h"

enum { CHUNK = 1 << 20, VERSION = 1, IDS = 3, REGIONS = 7 };

static const char *const HEAD = "vfio-migration";
static const char *const DATA = "vfio-migration-data";

struct identity {
	u32 id[IDS];
	u64 size[REGIONS];
};

static int identify(struct vfio_device *vd, struct identity *ret)
{
	static const unsigned int words[IDS] = { 0x00, 0x08, 0x2c };
	static const u32 regions[REGIONS] = {
		VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_BAR1_REGION_INDEX, VFIO_PCI_BAR2_REGION_INDEX, VFIO_PCI_BAR3_REGION_INDEX,
		VFIO_PCI_BAR4_REGION_INDEX, VFIO_PCI_BAR5_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
	};
	const struct vfio_region *config = vfio_region_get(vd, VFIO_PCI_CONFIG_REGION_INDEX);
	unsigned int i;
	int r;

	*ret = (struct identity){ 0 };
	for (i = 0; i < REGIONS; i++) {
		const struct vfio_region *region = vfio_region_get(vd, regions[i]);

		ret->size[i] = region ? region->size : 0;
	}
	for (i = 0; config && i < IDS; i++) {
		u64 v;

		r = vfio_region_read(vd, config, words[i], 4, &v);
		if (r < 0)
			return r;
		ret->id[i] = (u32)v;
	}
	return 0;
}

static int fail(struct vfio_migration *m, int r, const char *what, struct error *err)
{
	return error_set_errno(err, r, VFIO_WHO_FMT ": %s", VFIO_WHO(m->vd), what);
}

/* --- save --- */

static int put_head(struct vfio_migration *m, struct state_writer *w, struct error *err)
{
	struct identity id;
	unsigned int i;
	int r = identify(m->vd, &id);

	if (r < 0)
		return fail(m, r, "config space", err);
	state_begin(w, HEAD, VERSION);
	state_put_u8(w, (u8)m->ops->number);
	for (i = 0; i < IDS; i++)
		state_put_u32(w, id.id[i]);
	for (i = 0; i < REGIONS; i++)
		state_put_u64(w, id.size[i]);
	state_end(w);
	return 0;
}

/* Bytes read: less than CHUNK at the end only. */
static ssize_t fill(struct vfio_migration *m, u8 *buf)
{
	size_t at = 0;
	ssize_t n;

	while (at < CHUNK) {
		n = vfio_migration_read(m, buf + at, CHUNK - at);
		if (n < 0)
			return n;
		if (!n)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static int put_stream(struct vfio_migration *m, struct state_writer *w, u8 *buf, struct error *err)
{
	u64 total = 0;
	u32 i = 0;
	ssize_t n;

	do {
		n = fill(m, buf);
		if (n < 0)
			return fail(m, (int)n, "the device does not give its state", err);
		total += (u64)n;
		if (total > m->most)
			return error_set(err, -EFBIG, VFIO_WHO_FMT ": the device's state is larger than %llu MiB", VFIO_WHO(m->vd),
					 (unsigned long long)(m->most / MIB));
		state_begin(w, DATA, VERSION);
		state_put_u32(w, i++);
		state_put_u8(w, n < CHUNK);
		state_put_bytes(w, buf, (u32)n);
		if (n < CHUNK)
			state_put_u64(w, total);
		state_end(w);
	} while (n == CHUNK && !w->buf.failed);
	return w->buf.failed ? fail(m, -ENOMEM, "its state", err) : 0;
}

/* From wherever it is to the start of a stream that has all of it. */
static int begin(struct vfio_migration *m, struct error *err)
{
	enum vfio_mig_state now = vfio_migration_state(m);
	int r = 0;

	if (vfio_mig_saves(now) && m->taken)
		r = vfio_migration_set_state(m, VFIO_MIG_STOP, err);
	return r < 0 ? r : vfio_migration_set_state(m, VFIO_MIG_STOP_COPY, err);
}

int vfio_migration_save(struct vfio_migration *m, struct state_writer *w, struct error *err)
{
	size_t mark = w->buf.len;
	u8 *buf = malloc(CHUNK);
	int r;

	if (!buf)
		return fail(m, -ENOMEM, "its state", err);
	r = begin(m, err);
	if (!r)
		r = put_head(m, w, err);
	if (!r)
		r = put_stream(m, w, buf, err);
	free(buf);
	if (!r)
		r = vfio_migration_set_state(m, VFIO_MIG_STOP, err);
	if (!r)
		return 0;
	w->buf.len = MIN(w->buf.len, mark);
	if (vfio_migration_set_state(m, VFIO_MIG_STOP, NULL) < 0)
		vfio_migration_reset(m, NULL);
	return r;
}

/* --- load --- */

static int check_head(struct vfio_migration *m, struct state_reader *r, struct error *err)
{
	struct identity mine, saved;
	unsigned int i;
	u32 version;
	u8 protocol;
	int ret;

	state_open(r, HEAD, VERSION, &version);
	protocol = state_get_u8(r);
	for (i = 0; i < IDS; i++)
		saved.id[i] = state_get_u32(r);
	for (i = 0; i < REGIONS; i++)
		saved.size[i] = state_get_u64(r);
	ret = state_close(r);
	if (ret < 0)
		return fail(m, ret, "the saved state", err);
	if (protocol != m->ops->number)
		return error_set(err, -EINVAL, VFIO_WHO_FMT ": the state was saved by migration protocol v%u, the device has %s", VFIO_WHO(m->vd),
				 protocol, m->ops->name);
	ret = identify(m->vd, &mine);
	if (ret < 0)
		return fail(m, ret, "config space", err);
	if (memcmp(saved.id, mine.id, sizeof(mine.id)))
		return error_set(err, -EINVAL, VFIO_WHO_FMT ": the state is of a device %04x:%04x (class and revision %08x, subsystem %08x), "
				 "this is %04x:%04x (%08x, %08x)", VFIO_WHO(m->vd), saved.id[0] & 0xffff, saved.id[0] >> 16, saved.id[1],
				 saved.id[2], mine.id[0] & 0xffff, mine.id[0] >> 16, mine.id[1], mine.id[2]);
	for (i = 0; i < REGIONS; i++)
		if (saved.size[i] != mine.size[i])
			return error_set(err, -EINVAL, VFIO_WHO_FMT ": region %u has %#llx bytes in the saved state, %#llx here", VFIO_WHO(m->vd), i,
					 (unsigned long long)saved.size[i], (unsigned long long)mine.size[i]);
	return 0;
}

/* All sections of data, to the device if @give. -EBADMSG, or what the device says of it. */
static int each_chunk(struct vfio_migration *m, struct state_reader *r, bool give, u8 *buf)
{
	u64 total = 0;
	u32 i, len, version;
	u8 last = 0;
	int ret;

	for (i = 0; !last; i++) {
		state_open(r, DATA, VERSION, &version);
		if (state_get_u32(r) != i)
			state_fail(r);
		last = state_get_u8(r);
		len = state_get_blob(r, buf, CHUNK);
		total += len;
		if (last > 1 || (!last && len != CHUNK) || total > m->most || (last && state_get_u64(r) != total))
			state_fail(r);
		ret = state_close(r);
		if (ret < 0)
			return ret;
		ret = give ? vfio_migration_write(m, buf, len) : 0;
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int load_checked(struct vfio_migration *m, struct state_reader *r, u8 *buf, struct error *err)
{
	struct error reset = { "" };
	int ret = vfio_migration_set_state(m, VFIO_MIG_RESUMING, err);

	if (!ret) {
		ret = each_chunk(m, r, true, buf);
		if (ret < 0)
			fail(m, ret, "the device refuses its state", err);
	}
	if (!ret)
		ret = vfio_migration_set_state(m, m->ops->loaded, err);
	if (ret < 0 && vfio_migration_reset(m, &reset) < 0 && err) {
		struct error first = *err;

		error_set(err, ret, "%.300s; then %.200s", first.msg, reset.msg);
	}
	return ret;
}

int vfio_migration_load(struct vfio_migration *m, struct state_reader *r, struct error *err)
{
	struct state_reader scan;
	u8 *buf;
	int ret = check_head(m, r, err);

	if (ret < 0)
		return ret;
	buf = malloc(CHUNK);
	if (!buf)
		return fail(m, -ENOMEM, "its state", err);
	scan = *r;
	ret = each_chunk(m, &scan, false, buf);
	if (ret < 0) {
		state_fail(r);
		fail(m, ret, "the saved state", err);
	} else {
		ret = load_checked(m, r, buf, err);
	}
	free(buf);
	return ret;
}
