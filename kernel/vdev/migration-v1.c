// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: VFIO migration, version 1: a region of type VFIO_REGION_TYPE_MIGRATION_DEPRECATED
 * [include/uapi/linux/vfio.h before Linux 5.18, struct vfio_device_migration_info]. Registers at 0,
 * each accessed whole; the data, of which user space may map all with v1_mmap=1, and which is at no
 * page's beginning without.
 *
 *	STOP 0 -- RUNNING 1 -- RUNNING|SAVING 3 -> SAVING 2	from each to RUNNING and to STOP
 *	RESUMING 4	from STOP and RUNNING; back to them when the stream was good, otherwise to
 *	ERROR 6		out of which a reset leads
 *
 * Saving: pending_bytes says how much there is, data_offset puts the next piece there, data_size is
 * its length; reading pending_bytes again takes it as read. Before the stop there may be any number
 * of pieces, and the user need not have read them to the end. Resuming: data_offset, the data, then
 * its length written to data_size.
 *
 * Callers: reads and writes of the region, under state_lock, which guards all here but the mapped
 * data.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "migration.h"

enum { V1_WINDOW = 64 * 1024, V1_DATA = 0x40 };
enum {
	V1_RUNNING = VFIO_DEVICE_STATE_V1_RUNNING,
	V1_SAVING = VFIO_DEVICE_STATE_V1_SAVING,
	V1_RESUMING = VFIO_DEVICE_STATE_V1_RESUMING,
	V1_ERROR = V1_SAVING | V1_RESUMING,
};

static bool v1_mmap;
module_param(v1_mmap, bool, 0444);
MODULE_PARM_DESC(v1_mmap, "the data of the migration region may be mapped");

struct vdev_v1 {
	u32 state;
	u8 *data;
	size_t data_off;	/* in the region */
	size_t staged;		/* of what is to be read is in data */
	struct vdev_out out;
	struct vdev_in in;
};

static const char *const v1_names[] = {
	"V1_STOP", "V1_RUNNING", "V1_SAVING", "V1_RUNNING|SAVING", "V1_RESUMING", "", "V1_ERROR",
};

static bool allowed(u32 from, u32 to)
{
	switch (to) {
	case 0:
	case V1_RUNNING:
		return from != V1_ERROR;
	case V1_RUNNING | V1_SAVING:
		return from == V1_RUNNING;
	case V1_SAVING:
		return !(from & V1_RESUMING);
	case V1_RESUMING:
		return !(from & V1_SAVING);
	default:
		return false;
	}
}

static void become(struct vdev *v, struct vdev_v1 *m, u32 to)
{
	vdev_mig_note(v, v1_names[m->state], v1_names[to]);
	m->state = to;
}

static void streams_free(struct vdev_v1 *m)
{
	vdev_out_free(&m->out);
	vdev_in_free(&m->in);
	m->staged = 0;
}

static int set_state(struct vdev *v, struct vdev_v1 *m, u32 to)
{
	u32 from = m->state;
	int r = 0;

	if (to == from)
		return from == V1_ERROR ? -EINVAL : 0;
	if (!allowed(from, to) || v->mig->state != VFIO_DEVICE_STATE_RUNNING)
		return -EINVAL;
	if (vdev_mig_fault(VDEV_FAULT_TRANSITION))
		return -EIO;
	if (vdev_mig_fault(VDEV_FAULT_ERROR)) {
		vdev_stop(v);
		become(v, m, V1_ERROR);
		return -EIO;
	}
	if (!(to & V1_RUNNING))
		vdev_stop(v);
	if (from == V1_RESUMING)
		r = vdev_in_apply(v, &m->in);
	if (to == V1_SAVING)
		r = vdev_out_last(v, &m->out);
	if (!(to & V1_SAVING))
		streams_free(m);
	if (r) {
		if (from == V1_RESUMING)
			become(v, m, V1_ERROR);
		else if (from & V1_RUNNING)
			vdev_start(v);
		return r;
	}
	if (to & V1_RUNNING)
		vdev_start(v);
	become(v, m, to);
	return 0;
}

static u64 pending(struct vdev *v, struct vdev_v1 *m)
{
	if (!(m->state & V1_SAVING) || m->state == V1_ERROR)
		return 0;
	vdev_out_took(&m->out, m->staged);
	m->staged = 0;
	/* Without memory for them the pages go with the last frame. */
	if (!vdev_out_left(&m->out) && (m->state & V1_RUNNING))
		vdev_out_pages(v, &m->out);
	return vdev_out_left(&m->out);
}

static u64 data_offset(struct vdev_v1 *m)
{
	if ((m->state & V1_SAVING) && m->state != V1_ERROR && !m->staged) {
		m->staged = min_t(size_t, vdev_out_left(&m->out), V1_WINDOW);
		vdev_mig_slow(&m->staged);
		memcpy(m->data, vdev_out_next(&m->out), m->staged);
	}
	return m->data_off;
}

/* So much of the data is there. */
static int taken(struct vdev *v, struct vdev_v1 *m, u64 len)
{
	size_t slow = len;
	int r;

	if (m->state != V1_RESUMING || len > V1_WINDOW)
		return -EINVAL;
	vdev_mig_slow(&slow);
	r = vdev_in_write(v, &m->in, m->data, len);
	if (r)
		become(v, m, V1_ERROR);
	return r;
}

/* A register whose width is 4 at 0 and 4, and 8 behind them. */
static int v1_register(struct vdev *v, struct vdev_v1 *m, loff_t off, u64 *val, bool write)
{
	switch (off) {
	case offsetof(struct vfio_device_migration_info, device_state):
		if (write)
			return set_state(v, m, *val);
		*val = m->state;
		return 0;
	case offsetof(struct vfio_device_migration_info, reserved):
		if (!write)
			*val = 0;
		return 0;
	case offsetof(struct vfio_device_migration_info, pending_bytes):
		if (write)
			return -EINVAL;
		*val = pending(v, m);
		return 0;
	case offsetof(struct vfio_device_migration_info, data_offset):
		if (write)
			return -EINVAL;
		*val = data_offset(m);
		return 0;
	case offsetof(struct vfio_device_migration_info, data_size):
		if (write)
			return taken(v, m, *val);
		*val = m->staged;
		return 0;
	default:
		return -EINVAL;
	}
}

static ssize_t v1_data(struct vdev_v1 *m, size_t off, char __user *ubuf, size_t len, bool write)
{
	if (off >= V1_WINDOW)
		return -EINVAL;
	len = min_t(size_t, len, V1_WINDOW - off);
	if (write ? copy_from_user(m->data + off, ubuf, len) : copy_to_user(ubuf, m->data + off, len))
		return -EFAULT;
	return len;
}

static ssize_t v1_access(struct vdev *v, struct vdev_v1 *m, loff_t off, char __user *ubuf, size_t len, bool write)
{
	u32 dword = 0;
	u64 val = 0;
	int r;

	if (off >= m->data_off)
		return v1_data(m, off - m->data_off, ubuf, len, write);
	if (len != (off < 8 ? 4 : 8))
		return -EINVAL;
	if (write && copy_from_user(len == 4 ? (void *)&dword : &val, ubuf, len))
		return -EFAULT;
	if (len == 4)
		val = dword;
	r = v1_register(v, m, off, &val, write);
	if (r)
		return r;
	dword = val;
	if (!write && copy_to_user(ubuf, len == 4 ? (void *)&dword : &val, len))
		return -EFAULT;
	return len;
}

ssize_t vdev_v1_access(struct vdev *v, loff_t off, char __user *ubuf, size_t len, bool write)
{
	ssize_t r;

	if (!v->mig || !v->mig->v1 || off < 0)
		return -EINVAL;
	mutex_lock(&v->state_lock);
	r = v1_access(v, v->mig->v1, off, ubuf, len, write);
	mutex_unlock(&v->state_lock);
	return r;
}

size_t vdev_v1_region_size(struct vdev *v)
{
	return v->mig && v->mig->v1 ? v->mig->v1->data_off + V1_WINDOW : 0;
}

void *vdev_v1_map(struct vdev *v, u64 *ret_off, u64 *ret_size)
{
	if (!v->mig || !v->mig->v1 || v->mig->v1->data_off == V1_DATA)
		return NULL;
	*ret_off = v->mig->v1->data_off;
	*ret_size = V1_WINDOW;
	return v->mig->v1->data;
}

int vdev_v1_init(struct vdev *v, struct vdev_v1 **ret)
{
	struct vdev_v1 *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return -ENOMEM;
	m->data = vmalloc_user(V1_WINDOW);
	if (!m->data) {
		kfree(m);
		return -ENOMEM;
	}
	m->data_off = v1_mmap ? PAGE_SIZE : V1_DATA;
	m->state = V1_RUNNING;
	vdev_out_init(&m->out);
	vdev_in_init(&m->in);
	*ret = m;
	return 0;
}

/* Nobody has it open. Why: vdev_bar_renew(). */
int vdev_v1_renew(struct vdev_v1 *m)
{
	void *fresh = vmalloc_user(V1_WINDOW);

	if (!fresh)
		return -ENOMEM;
	vfree(m->data);
	m->data = fresh;
	return 0;
}

void vdev_v1_free(struct vdev_v1 *m)
{
	if (!m)
		return;
	streams_free(m);
	vfree(m->data);
	kfree(m);
}

void vdev_v1_reset(struct vdev *v, struct vdev_v1 *m)
{
	streams_free(m);
	memset(m->data, 0, V1_WINDOW);	/* not for who opens it next */
	if (m->state != V1_RUNNING)
		become(v, m, V1_RUNNING);
}

bool vdev_v1_idle(const struct vdev_v1 *m)
{
	return m->state == V1_RUNNING;
}
