// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: the file by which a device's state comes and goes in VFIO's migration, version 2
 * [include/uapi/linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, VFIO_MIG_GET_PRECOPY_INFO].
 * Read while saving, written while RESUMING. It may outlive the state it was opened for, and the
 * device: it only fails then, with ENODEV.
 *
 * Callers: transitions of the device, under state_lock; the file's own users. The file's lock is
 * inside of state_lock and outside of the device's.
 */
#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "migration.h"

struct vdev_mig_file {
	struct mutex lock;	/* guards all of it */
	wait_queue_head_t wait;
	struct vdev *v;		/* NULL: the state it was for is over, or the device is */
	struct file *filp;	/* the device's own reference while v is set */
	enum vfio_device_mig_state state;	/* the device's */
	struct vdev_out out;
	struct vdev_in in;
};

void vdev_mig_slow(size_t *len)
{
	if (READ_ONCE(vdev_faults) & VDEV_FAULT_SLOW) {
		*len = min_t(size_t, *len, 512);
		usleep_range(1000, 2000);
	}
}

static ssize_t mig_read(struct file *filp, char __user *ubuf, size_t len, loff_t *pos)
{
	struct vdev_mig_file *f = filp->private_data;
	ssize_t r = 0;

	if (mutex_lock_interruptible(&f->lock))
		return -ERESTARTSYS;
	if (!f->v)
		r = -ENODEV;
	else if (!vdev_out_left(&f->out) && f->state != VFIO_DEVICE_STATE_STOP_COPY)
		r = vdev_out_pages(f->v, &f->out) ?: -ENOMSG;
	if (r >= 0) {
		len = min(len, vdev_out_left(&f->out));
		vdev_mig_slow(&len);
		r = len;
		if (copy_to_user(ubuf, vdev_out_next(&f->out), len))
			r = -EFAULT;
		else
			vdev_out_took(&f->out, len);
	}
	mutex_unlock(&f->lock);
	return r;
}

static ssize_t mig_write(struct file *filp, const char __user *ubuf, size_t len, loff_t *pos)
{
	struct vdev_mig_file *f = filp->private_data;
	ssize_t r = 0;
	void *buf;

	len = min_t(size_t, len, SZ_64K);	/* a short write, otherwise */
	vdev_mig_slow(&len);
	buf = vmemdup_user(ubuf, len);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	if (mutex_lock_interruptible(&f->lock))
		r = -ERESTARTSYS;
	if (!r) {
		r = f->v ? vdev_in_write(f->v, &f->in, buf, len) ?: len : -ENODEV;
		mutex_unlock(&f->lock);
	}
	kvfree(buf);
	return r;
}

/*
 * While the device runs, its memory changes without our knowing: poll says whether there is
 * something now, and wakes up for changes of state only.
 */
static __poll_t mig_poll(struct file *filp, struct poll_table_struct *wait)
{
	struct vdev_mig_file *f = filp->private_data;
	__poll_t events = 0;

	poll_wait(filp, &f->wait, wait);
	mutex_lock(&f->lock);
	if (!f->v)
		events = EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;	/* read says that it is over */
	else if (f->state == VFIO_DEVICE_STATE_RESUMING)
		events = EPOLLOUT | EPOLLWRNORM;
	else if (f->state == VFIO_DEVICE_STATE_STOP_COPY || vdev_out_left(&f->out) || vdev_out_dirty(f->v, &f->out))
		events = EPOLLIN | EPOLLRDNORM;
	mutex_unlock(&f->lock);
	return events;
}

static long mig_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct vdev_mig_file *f = filp->private_data;
	size_t minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);
	struct vfio_precopy_info info;
	int r = 0;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	mutex_lock(&f->lock);
	if (!f->v) {
		r = -ENODEV;
	} else if (f->state != VFIO_DEVICE_STATE_PRE_COPY && f->state != VFIO_DEVICE_STATE_PRE_COPY_P2P) {
		r = -EINVAL;
	} else {
		info.flags = 0;
		info.initial_bytes = f->out.initial;
		info.dirty_bytes = vdev_out_left(&f->out) - f->out.initial + vdev_out_dirty(f->v, &f->out);
	}
	mutex_unlock(&f->lock);
	return r ? r : copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

static int mig_release(struct inode *inode, struct file *filp)
{
	struct vdev_mig_file *f = filp->private_data;

	vdev_out_free(&f->out);
	vdev_in_free(&f->in);
	mutex_destroy(&f->lock);
	kfree(f);
	return 0;
}

static const struct file_operations save_fops = {
	.owner = THIS_MODULE,
	.read = mig_read,
	.poll = mig_poll,
	.unlocked_ioctl = mig_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = mig_release,
};

static const struct file_operations load_fops = {
	.owner = THIS_MODULE,
	.write = mig_write,
	.poll = mig_poll,
	.unlocked_ioctl = mig_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = mig_release,
};

struct file *vdev_mig_open(struct vdev *v, enum vfio_device_mig_state state)
{
	bool load = state == VFIO_DEVICE_STATE_RESUMING;
	struct vdev_mig_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	int r = 0;

	if (!f)
		return ERR_PTR(-ENOMEM);
	mutex_init(&f->lock);
	init_waitqueue_head(&f->wait);
	vdev_out_init(&f->out);
	vdev_in_init(&f->in);
	f->v = v;
	f->state = state;
	f->filp = anon_inode_getfile("[lkvm_vdev migration]", load ? &load_fops : &save_fops, f, load ? O_WRONLY : O_RDONLY);
	if (IS_ERR(f->filp)) {
		r = PTR_ERR(f->filp);
		kfree(f);
		return ERR_PTR(r);
	}
	stream_open(file_inode(f->filp), f->filp);
	if (state == VFIO_DEVICE_STATE_STOP_COPY)
		r = vdev_out_last(v, &f->out);
	else if (!load)
		r = vdev_out_pages(v, &f->out);
	if (r < 0) {
		fput(f->filp);
		return ERR_PTR(r);
	}
	get_file(f->filp);
	v->mig->file = f;
	return f->filp;
}

int vdev_mig_keep(struct vdev *v, enum vfio_device_mig_state state)
{
	struct vdev_mig_file *f = v->mig->file;
	int r = 0;

	mutex_lock(&f->lock);
	if (state == VFIO_DEVICE_STATE_STOP_COPY)
		r = vdev_out_last(v, &f->out);
	if (!r)
		f->state = state;
	mutex_unlock(&f->lock);
	wake_up_poll(&f->wait, EPOLLIN);
	return r;
}

int vdev_mig_close(struct vdev *v, bool apply)
{
	struct vdev_mig_file *f = v->mig->file;
	int r = 0;

	if (!f)
		return 0;
	mutex_lock(&f->lock);
	if (apply)
		r = vdev_in_apply(v, &f->in);
	f->v = NULL;
	mutex_unlock(&f->lock);
	wake_up_poll(&f->wait, EPOLLIN | EPOLLHUP);
	v->mig->file = NULL;
	fput(f->filp);
	return r;
}
