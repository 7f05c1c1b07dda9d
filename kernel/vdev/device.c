// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: one device as the VFIO core knows it: made, opened, closed, asked by ioctls, stopped,
 * reset. It does what vfio-pci does wherever that is more than the header says: accesses to a
 * memory BAR while COMMAND has memory off fail with EIO, interrupts are as in irq.c, config space
 * outlives a reset as in config.c, the device is reset when its last file is closed.
 *
 * Operations may come from several threads at once.
 */
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vdev.h"

/* --- run, stop, reset */

static void set_running(struct vdev *v, bool running)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	WRITE_ONCE(v->running, running);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

void vdev_stop(struct vdev *v)
{
	lockdep_assert_held(&v->state_lock);
	if (v->p->quiesce)
		v->p->quiesce(v);
	mutex_lock(&v->lock);
	set_running(v, false);
	mutex_unlock(&v->lock);
}

void vdev_start(struct vdev *v)
{
	lockdep_assert_held(&v->state_lock);
	mutex_lock(&v->lock);
	set_running(v, true);
	mutex_unlock(&v->lock);
	if (v->p->resume)
		v->p->resume(v);
	vdev_irq_kick(v);
}

static void power_on(struct vdev *v, bool restore)
{
	mutex_lock(&v->state_lock);
	vdev_migration_reset(v);
	vdev_stop(v);
	mutex_lock(&v->lock);
	vdev_config_reset(v, restore);
	vdev_irq_reset(v);
	vdev_bar_clear(v);
	v->p->reset(v);
	mutex_unlock(&v->lock);
	vdev_dma_unpin_all(v);
	vdev_start(v);
	mutex_unlock(&v->state_lock);
}

void vdev_reset(struct vdev *v)
{
	power_on(v, true);
	mutex_lock(&v->lock);
	v->resets++;
	mutex_unlock(&v->lock);
}

/* --- operations */

static ssize_t vdev_read(struct vfio_device *vfio, char __user *buf, size_t count, loff_t *pos)
{
	return vdev_region_rw(vdev_of(vfio), buf, count, pos, false);
}

static ssize_t vdev_write(struct vfio_device *vfio, const char __user *buf, size_t count,
			  loff_t *pos)
{
	return vdev_region_rw(vdev_of(vfio), (char __user *)buf, count, pos, true);
}

static int vdev_mmap(struct vfio_device *vfio, struct vm_area_struct *vma)
{
	return vdev_region_mmap(vdev_of(vfio), vma);
}

static long get_info(struct vdev *v, struct vfio_device_info __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info = { };

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS + (vdev_v1_region_size(v) ? 1 : 0);
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long get_irq_info(struct vdev *v, struct vfio_irq_info __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.flags = vdev_irq_flags(v, info.index);
	info.count = vdev_irq_count(v, info.index);
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static long set_irqs(struct vdev *v, struct vfio_irq_set __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set set;
	void *data = NULL;
	size_t size = 0;
	long r;

	if (copy_from_user(&set, arg, minsz))
		return -EFAULT;
	r = vfio_set_irqs_validate_and_prepare(&set, vdev_irq_count(v, set.index),
					       VFIO_PCI_NUM_IRQS, &size);
	if (r)
		return r;
	if (size) {
		data = memdup_user(arg->data, size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}
	mutex_lock(&v->lock);
	r = vdev_irq_set(v, &set, data);
	mutex_unlock(&v->lock);
	kfree(data);
	return r;
}

static long vdev_ioctl(struct vfio_device *vfio, unsigned int cmd, unsigned long arg)
{
	struct vdev *v = vdev_of(vfio);
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return get_info(v, uarg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return vdev_region_info(v, uarg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return get_irq_info(v, uarg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(v, uarg);
	case VFIO_DEVICE_RESET:
		vdev_reset(v);
		return 0;
	}
	return -ENOTTY;
}

/* --- from open to close, and the device as such */

static int vdev_open(struct vfio_device *vfio)
{
	struct vdev *v = vdev_of(vfio);
	int r = vdev_bar_renew(v);

	if (!r)
		r = vdev_migration_open(v);
	if (r)
		return r;
	vdev_dma_open(v);
	atomic64_inc(&v->opens);
	return 0;
}

static void vdev_close(struct vfio_device *vfio)
{
	struct vdev *v = vdev_of(vfio);

	vdev_migration_close(v);
	mutex_lock(&v->lock);
	vdev_irq_free(v);
	mutex_unlock(&v->lock);
	power_on(v, false);
}

static void vdev_request(struct vfio_device *vfio, unsigned int count)
{
	vdev_irq_notify(vdev_of(vfio), VFIO_PCI_REQ_IRQ_INDEX);
}

static void vdev_dma_unmap(struct vfio_device *vfio, u64 iova, u64 len)
{
	vdev_dma_unmapped(vdev_of(vfio), iova, len);
}

/* What the core does not know; it has the migration features by itself. */
static int vdev_feature(struct vfio_device *vfio, u32 flags, void __user *arg, size_t argsz)
{
	return -ENOTTY;
}

static void vdev_destroy(struct vdev *v)
{
	vdev_migration_free(v);
	v->p->exit(v);
	vdev_bar_free(v);
}

static int vdev_init(struct vfio_device *vfio)
{
	struct vdev *v = vdev_of(vfio);
	struct vdev_offer offer = vdev_offer(to_platform_device(vfio->dev)->id);
	int r;

	v->dev = vfio->dev;
	v->p = offer.p;
	v->irq_offer = offer.irq;
	mutex_init(&v->state_lock);
	mutex_init(&v->lock);
	vdev_irq_init(v);
	vdev_dma_init(v);
	r = vdev_config_init(v);
	if (!r)
		r = v->p->init(v);
	if (!r)
		r = vdev_migration_init(v, offer.mig);
	if (r) {
		vdev_destroy(v);
		return r;
	}
	vdev_config_finish(v);
	power_on(v, false);
	return 0;
}

static void vdev_release(struct vfio_device *vfio)
{
	vdev_destroy(vdev_of(vfio));
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	vfio_free_device(vfio);
#endif
}

const struct vfio_device_ops vdev_ops = {
	.name = "lkvm_vdev",
	.init = vdev_init,
	.release = vdev_release,
	.open_device = vdev_open,
	.close_device = vdev_close,
	.read = vdev_read,
	.write = vdev_write,
	.ioctl = vdev_ioctl,
	.mmap = vdev_mmap,
	.request = vdev_request,
	.dma_unmap = vdev_dma_unmap,
	.device_feature = vdev_feature,
#if IS_ENABLED(CONFIG_IOMMUFD)
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#endif
#endif
};
