/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of devices: creation order is reset and start order, and the reverse of it is stop and free order.
 * The list is fixed while vCPUs run; all of this is the main thread's.
 */
#include "vmm/device.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmm/state.h"
#include "vmm/vm.h"

void device_add(struct vm *vm, struct device *dev, const struct device_ops *ops, const char *fmt, ...)
{
	va_list ap;

	assert(ops->free);
	va_start(ap, fmt);
	vsnprintf(dev->name, sizeof(dev->name), fmt, ap);
	va_end(ap);
	dev->vm = vm;
	dev->ops = ops;
	list_add_tail(&vm->devices, &dev->node);
}

static struct dev_resource *free_resource(struct device *dev)
{
	unsigned int i;

	for (i = 0; i < DEV_RESOURCES; i++)
		if (dev->res[i].type == DEV_RES_NONE)
			return &dev->res[i];
	assert(!"device has too many resources");
	return NULL;
}

void device_describe_io(struct device *dev, enum io_space space, u64 base, u64 size)
{
	*free_resource(dev) = (struct dev_resource){
		.type = DEV_RES_IO, .space = space, .base = base, .size = size,
	};
}

void device_describe_irq(struct device *dev, u32 gsi, bool level)
{
	*free_resource(dev) = (struct dev_resource){ .type = DEV_RES_IRQ, .irq = gsi, .level = level };
}

struct device *device_find(struct vm *vm, enum dev_kind kind, unsigned int index)
{
	struct device *dev;

	list_for_each(dev, &vm->devices, node)
		if (dev->kind == kind && !index--)
			return dev;
	return NULL;
}

int devices_prepare(struct vm *vm, struct error *err)
{
	struct device *dev;
	int r;

	list_for_each(dev, &vm->devices, node) {
		r = dev->ops->prepare ? dev->ops->prepare(dev, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

void devices_reset(struct vm *vm)
{
	struct device *dev;

	list_for_each(dev, &vm->devices, node)
		if (dev->ops->reset)
			dev->ops->reset(dev);
}

void devices_stop(struct vm *vm)
{
	struct device *dev;

	list_for_each_reverse(dev, &vm->devices, node)
		if (dev->ops->stop)
			dev->ops->stop(dev);
}

void devices_start(struct vm *vm)
{
	struct device *dev;

	list_for_each(dev, &vm->devices, node)
		if (dev->ops->start)
			dev->ops->start(dev);
}

static void free_device(struct device *dev)
{
	list_del(&dev->node);
	dev->ops->free(dev);
}

void device_remove(struct device *dev)
{
	assert(dev->ops->leave);
	dev->ops->leave(dev);
	free_device(dev);
}

void devices_free(struct vm *vm)
{
	while (!list_empty(&vm->devices))
		free_device(list_entry(vm->devices.prev, struct device, node));
}

int devices_save(struct vm *vm, struct state_writer *w, struct error *err)
{
	struct device *dev;
	int r;

	list_for_each(dev, &vm->devices, node)
		if (!dev->ops->save || !dev->ops->load)
			return error_set(err, -EOPNOTSUPP, "%s cannot be saved", dev->name);
	list_for_each(dev, &vm->devices, node) {
		r = dev->ops->save(dev, w, err);
		if (r < 0)
			return r;
		if (w->buf.failed)
			return error_set_errno(err, -ENOMEM, "state of %s", dev->name);
	}
	return 0;
}

int devices_load(struct vm *vm, struct state_reader *r, struct error *err)
{
	struct device *dev;
	int ret;

	list_for_each(dev, &vm->devices, node) {
		if (!dev->ops->load)
			return error_set(err, -EOPNOTSUPP, "%s cannot be restored", dev->name);
		ret = dev->ops->load(dev, r);
		if (ret < 0)
			return error_set_errno(err, ret, "state of %s", dev->name);
	}
	return 0;
}
