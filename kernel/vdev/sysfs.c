// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: what sysfs shows of a device: counters since it was made, but pinned: now; its latest
 * changes of migration state; and a way to have it report an error.
 */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "vdev.h"

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
static const struct attribute_group vdev_group = { .attrs = vdev_attrs };

const struct attribute_group *vdev_groups[] = { &vdev_group, NULL };
