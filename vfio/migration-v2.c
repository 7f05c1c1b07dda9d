/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second migration protocol: states by VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, the stream through a file that comes with
 * the arc into the group of states that saves, or into RESUMING, and is of no use when the device has left them.
 * [include/uapi/linux/vfio.h, Linux 5.18; pre-copy 6.2]
 *
 * The kernel finds the way from one state to another. No way passes through a state of the saving group or RESUMING without
 * ending there, so whether a new file comes is decided by both ends alone. Not here: PRECOPY_INFO's REINIT flag, which needs
 * VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2.
 */
#include <errno.h>
#include <stdlib.h>

#include "vfio/migration-protocol.h"

struct v2 {
	struct vfio_migration m;	/* first */
	int data_fd;			/* owned; -1 outside the states that have one */
};

static struct v2 *v2_of(struct vfio_migration *m)
{
	return container_of(m, struct v2, m);
}

/* Our numbers of states are the protocol's. */
_Static_assert((int)VFIO_MIG_ERROR == VFIO_DEVICE_STATE_ERROR && (int)VFIO_MIG_STOP == VFIO_DEVICE_STATE_STOP &&
	       (int)VFIO_MIG_RUNNING == VFIO_DEVICE_STATE_RUNNING && (int)VFIO_MIG_STOP_COPY == VFIO_DEVICE_STATE_STOP_COPY &&
	       (int)VFIO_MIG_RESUMING == VFIO_DEVICE_STATE_RESUMING && (int)VFIO_MIG_RUNNING_P2P == VFIO_DEVICE_STATE_RUNNING_P2P,
	       "states");

/* Which stream a state has: none, the one that is read, the one that is written. */
enum stream { NO_STREAM, SAVED, LOADED };

static enum stream stream_of(enum vfio_mig_state state)
{
	return vfio_mig_saves(state) ? SAVED : state == VFIO_MIG_RESUMING ? LOADED : NO_STREAM;
}

static void drop_file(struct v2 *v)
{
	vfio_sys_close(v->data_fd);
	v->data_fd = -1;
}

static enum vfio_mig_state v2_state(struct vfio_migration *m)
{
	struct vfio_device_feature_mig_state s = { .data_fd = -1 };
	int r = vfio_feature(m->vd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &s, sizeof(s));

	return r < 0 || s.device_state > VFIO_MIG_PRE_COPY_P2P ? VFIO_MIG_ERROR : (enum vfio_mig_state)s.device_state;
}

static int v2_set_state(struct vfio_migration *m, enum vfio_mig_state from, enum vfio_mig_state to)
{
	struct v2 *v = v2_of(m);
	struct vfio_device_feature_mig_state s = { .device_state = to, .data_fd = -1 };
	bool new_stream = stream_of(to) != NO_STREAM && stream_of(to) != stream_of(from);
	int r = vfio_feature(m->vd, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &s, sizeof(s));

	if (r < 0)
		return r;
	if (!new_stream) {
		vfio_sys_close(s.data_fd);	/* -1, unless the device makes things up */
		return 0;
	}
	drop_file(v);
	v->data_fd = s.data_fd;
	return v->data_fd < 0 ? -EPROTO : 0;
}

static void v2_arrived(struct vfio_migration *m, enum vfio_mig_state state)
{
	if (stream_of(state) == NO_STREAM)
		drop_file(v2_of(m));
}

static int v2_pending(struct vfio_migration *m, struct vfio_mig_pending *ret)
{
	struct uapi_vfio_precopy_info info = { .argsz = sizeof(info) };
	struct uapi_vfio_mig_data_size size = { 0 };
	int r;

	/* [VFIO_MIG_GET_PRECOPY_INFO] EINVAL in any other state */
	if (vfio_mig_pre_copies(m->state)) {
		r = vfio_sys_ioctl(v2_of(m)->data_fd, VFIO_MIG_GET_PRECOPY_INFO, &info);
		if (r < 0)
			return r;
	}
	r = vfio_feature(m->vd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size, sizeof(size));
	/* Linux 6.1 has no such feature, and it is an estimate anyway */
	*ret = (struct vfio_mig_pending){ info.initial_bytes, info.dirty_bytes, r < 0 ? 0 : size.stop_copy_length };
	return 0;
}

static ssize_t v2_read(struct vfio_migration *m, void *buf, size_t len)
{
	bool pre = vfio_mig_pre_copies(m->state);
	ssize_t n = vfio_sys_read(v2_of(m)->data_fd, buf, len);

	/* ENOMSG: the end for now [VFIO_DEVICE_STATE_PRE_COPY]. There is no other end before STOP_COPY. */
	if (pre && (n == -ENOMSG || !n))
		return -EAGAIN;
	return n == -EAGAIN || n == -ENOMSG || n > (ssize_t)len ? -EIO : n;
}

static int v2_write(struct vfio_migration *m, const void *buf, size_t len)
{
	const u8 *p = buf;
	ssize_t n;

	for (; len; p += n, len -= (size_t)n) {
		n = vfio_sys_write(v2_of(m)->data_fd, p, len);
		if (n < 0)
			return (int)n;
		if (!n || (size_t)n > len)
			return -EIO;
	}
	return 0;
}

static void v2_free(struct vfio_migration *m)
{
	drop_file(v2_of(m));
	free(v2_of(m));
}

static const struct vfio_migration_ops v2_ops = {
	.name = "v2", .number = 2, .loaded = VFIO_MIG_STOP,	/* leaving RESUMING is when the device judges what it was given */
	.state = v2_state, .set_state = v2_set_state, .arrived = v2_arrived,
	.pending = v2_pending, .read = v2_read, .write = v2_write, .free = v2_free,
};

int vfio_migration_v2_create(struct vfio_device *vd, struct vfio_migration **ret)
{
	struct vfio_device_feature_migration can = { 0 };
	struct v2 *v;
	int r = vfio_feature(vd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, &can, sizeof(can));

	*ret = NULL;
	if (r == -ENOTTY)
		return 0;
	if (r < 0)
		return r;
	/* [VFIO_DEVICE_FEATURE_MIGRATION] at least STOP_COPY */
	if (!(can.flags & VFIO_MIGRATION_STOP_COPY))
		return -EPROTO;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->m = (struct vfio_migration){ .ops = &v2_ops, .vd = vd };
	v->data_fd = -1;
	if (can.flags & VFIO_MIGRATION_P2P)
		v->m.abilities |= VFIO_MIG_CAN_P2P;
	if (can.flags & VFIO_MIGRATION_PRE_COPY)
		v->m.abilities |= VFIO_MIG_CAN_PRE_COPY;
	*ret = &v->m;
	return 0;
}
