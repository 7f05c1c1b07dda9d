// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: a PCI device in software, given to user space through VFIO, on any machine: no IOMMU,
 * no mdev, no PCI bus. Each is a platform device "lkvm_vdev.N" in an emulated IOMMU group of its
 * own; include/uapi/lkvm/vdev.h has what its registers do. It is there to show and test every part
 * of a VMM's VFIO code, so it does what vfio-pci does wherever that is more than the header says:
 * accesses to a memory BAR while COMMAND has memory off fail with EIO, interrupts are as in irq.c,
 * the device is reset when its last file is closed.
 *
 * Here: the module, its parameters and counters, and the VFIO operations. Those may come from
 * several threads at once.
 */
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vdev.h"

enum { DEVICES_MAX = 16 };

/* Those with a value for each device: the last one given is for all the rest. */
static unsigned int devices = 1;
static char *personality[DEVICES_MAX] = { "plain" };
static unsigned int mig[DEVICES_MAX] = {
	VDEV_MIG_STOP_COPY | VDEV_MIG_PRE_COPY | VDEV_MIG_P2P | VDEV_MIG_LOG,
};
static unsigned int irq[DEVICES_MAX] = { VDEV_IRQ_INTX | VDEV_IRQ_MSI | VDEV_IRQ_MSIX };
static int personalities = 1, migs = 1, irqs = 1;
unsigned int vdev_faults;

module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "how many (1..16)");
module_param_array(personality, charp, &personalities, 0444);
MODULE_PARM_DESC(personality, "plain, serial or dsa");
module_param_array(mig, uint, &migs, 0444);
MODULE_PARM_DESC(mig,
		 "migration offered: 1 v2 stop-copy, 2 v2 pre-copy, 4 v2 P2P, 8 v1, 16 DMA logging");
module_param_array(irq, uint, &irqs, 0444);
MODULE_PARM_DESC(irq,
		 "interrupts offered: 1 INTx, 2 MSI, 4 MSI-X, 8 MSI-X vectors can be added while it is on");
module_param_named(faults, vdev_faults, uint, 0644);
MODULE_PARM_DESC(faults,
		 "of migration: 1 bad stream, 2 slow, 4 next transition fails, 8 and ends in ERROR, 16 stream ends early");

static const struct vdev_personality *const all_personalities[] = {
	&vdev_plain,
	&vdev_serial,
	&vdev_dsa,
};

static struct platform_device *platform[DEVICES_MAX];

static const struct vdev_personality *find_personality(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all_personalities); i++)
		if (!strcmp(all_personalities[i]->name, name))
			return all_personalities[i];
	return NULL;
}

static unsigned int parameter(const unsigned int *values, int count, int id)
{
	return values[min(id, count - 1)];
}

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

static void power_on(struct vdev *v)
{
	mutex_lock(&v->state_lock);
	vdev_migration_reset(v);
	vdev_stop(v);
	mutex_lock(&v->lock);
	vdev_config_reset(v);
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
	power_on(v);
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
	power_on(v);
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
	int id = to_platform_device(vfio->dev)->id, r;

	v->dev = vfio->dev;
	v->p = find_personality(personality[min(id, personalities - 1)]);
	v->irq_offer = parameter(irq, irqs, id);
	mutex_init(&v->state_lock);
	mutex_init(&v->lock);
	vdev_irq_init(v);
	vdev_dma_init(v);
	r = vdev_config_init(v);
	if (!r)
		r = v->p->init(v);
	if (!r)
		r = vdev_migration_init(v, parameter(mig, migs, id));
	if (r) {
		vdev_destroy(v);
		return r;
	}
	vdev_config_finish(v);
	power_on(v);
	return 0;
}

static void vdev_release(struct vfio_device *vfio)
{
	vdev_destroy(vdev_of(vfio));
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	vfio_free_device(vfio);
#endif
}

static const struct vfio_device_ops vdev_ops = {
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
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#endif
};

/* --- sysfs: counters since the device was made, but pinned: now */

#define COUNTER(name)							\
static ssize_t name##_show(struct device *dev,				\
			   struct device_attribute *attr, char *buf)	\
{									\
	struct vdev *v = dev_get_drvdata(dev);				\
									\
	return sysfs_emit(buf, "%lld\n", atomic64_read(&v->name));	\
}									\
static DEVICE_ATTR_RO(name)

COUNTER(opens);
COUNTER(irqs);
COUNTER(dma_read);
COUNTER(dma_written);
COUNTER(pinned);

static ssize_t resets_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vdev *v = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", READ_ONCE(v->resets));
}
static DEVICE_ATTR_RO(resets);

static ssize_t personality_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vdev *v = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", v->p->name);
}
static DEVICE_ATTR_RO(personality);

static ssize_t transitions_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return vdev_migration_transitions(dev_get_drvdata(dev), buf);
}
static DEVICE_ATTR_RO(transitions);

static ssize_t inject_error_store(struct device *dev, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	vdev_irq_notify(dev_get_drvdata(dev), VFIO_PCI_ERR_IRQ_INDEX);
	return count;
}
static DEVICE_ATTR_WO(inject_error);

static struct attribute *vdev_attrs[] = {
	&dev_attr_opens.attr,
	&dev_attr_resets.attr,
	&dev_attr_irqs.attr,
	&dev_attr_dma_read.attr,
	&dev_attr_dma_written.attr,
	&dev_attr_pinned.attr,
	&dev_attr_personality.attr,
	&dev_attr_transitions.attr,
	&dev_attr_inject_error.attr,
	NULL
};
ATTRIBUTE_GROUPS(vdev);

/* --- the module */

static int vdev_probe(struct platform_device *pdev)
{
	struct vdev *v = vfio_alloc_device(vdev, vfio, &pdev->dev, &vdev_ops);
	int r;

	if (IS_ERR(v))
		return PTR_ERR(v);
	r = vfio_register_emulated_iommu_dev(&v->vfio);
	if (r) {
		vfio_put_device(&v->vfio);
		return r;
	}
	platform_set_drvdata(pdev, v);
	return 0;
}

static LKVM_REMOVE_TYPE vdev_remove(struct platform_device *pdev)
{
	struct vdev *v = platform_get_drvdata(pdev);

	vfio_unregister_group_dev(&v->vfio);
	vfio_put_device(&v->vfio);
	LKVM_REMOVE_RETURN;
}

static struct platform_driver vdev_driver = {
	.probe = vdev_probe,
	.remove = vdev_remove,
	.driver = {
		.name = "lkvm_vdev",
		.dev_groups = vdev_groups,
	},
	.driver_managed_dma = true,
};

static int check_parameters(void)
{
	unsigned int i;

	if (!devices || devices > DEVICES_MAX) {
		pr_err("lkvm_vdev: devices=%u is not 1 to %d\n", devices, DEVICES_MAX);
		return -EINVAL;
	}
	for (i = 0; i < personalities; i++) {
		if (find_personality(personality[i]))
			continue;
		pr_err("lkvm_vdev: no personality=%s\n", personality[i]);
		return -EINVAL;
	}
	return 0;
}

static void remove_devices(void)
{
	unsigned int i;

	for (i = devices; i--;)
		platform_device_unregister(platform[i]);
}

static int __init vdev_module_init(void)
{
	unsigned int i;
	int r = check_parameters();

	if (!r)
		r = platform_driver_register(&vdev_driver);
	if (r)
		return r;
	for (i = 0; i < devices && !r; i++) {
		platform[i] = platform_device_register_simple("lkvm_vdev", i, NULL, 0);
		if (IS_ERR(platform[i])) {
			r = PTR_ERR(platform[i]);
			platform[i] = NULL;
		} else if (!platform_get_drvdata(platform[i])) {
			r = -ENODEV;	/* the probe failed, and said so */
		}
	}
	if (r) {
		remove_devices();
		platform_driver_unregister(&vdev_driver);
	}
	return r;
}

static void __exit vdev_module_exit(void)
{
	remove_devices();
	platform_driver_unregister(&vdev_driver);
}

module_init(vdev_module_init);
module_exit(vdev_module_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A PCI device in software, given to user space through VFIO");
