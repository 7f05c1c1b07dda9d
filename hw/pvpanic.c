/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvpanic: a PCI function through which a guest's kernel tells that it panicked. Its ids and its one byte of register are those
 * that guests' drivers know: 1b36:0011, BAR 0 of 16 bytes. [QEMU docs/specs/pvpanic]
 *
 * Reading gives the events we understand; writing one tells it: bit 0 the guest panicked, bit 1 it panicked and its
 * crash kernel takes over, which is left to run.
 *
 * Threads: vCPU threads.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/hw.h"
#include "vmm/pci.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum { EVENT_PANICKED = 1, EVENT_CRASH_LOADED = 2, PVPANIC_BAR_SIZE = 16, VERSION = 1 };

struct pvpanic {
	struct pci_dev pdev;
};

static u64 pvpanic_read(struct io_region *r, u64 off, unsigned int size)
{
	return off ? 0 : EVENT_PANICKED | EVENT_CRASH_LOADED;
}

static void pvpanic_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct vm *vm = pci_bar_of(r)->pdev->dev.vm;

	if (off)
		return;
	if (val & EVENT_PANICKED)
		vm_guest_panicked(vm, "pvpanic");
	else if (val & EVENT_CRASH_LOADED)
		vm_emit(vm, VM_EVENT_PANIC, 0, "pvpanic: the guest's crash kernel takes over");
}

static const struct io_ops pvpanic_io = { .read = pvpanic_read, .write = pvpanic_write, .sizes = 1 };

static void pvpanic_reset(struct device *dev)
{
	pci_dev_reset(container_of(dev, struct pci_dev, dev));
}

static int pvpanic_save(struct device *dev, struct state_writer *w, struct error *err)
{
	state_begin(w, dev->name, VERSION);
	pci_dev_save(container_of(dev, struct pci_dev, dev), w);
	state_end(w);
	return 0;
}

static int pvpanic_load(struct device *dev, struct state_reader *r)
{
	u32 version;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (!ret)
		ret = pci_dev_load(container_of(dev, struct pci_dev, dev), r);
	return ret < 0 ? ret : state_close(r);
}

static void pvpanic_free(struct device *dev)
{
	struct pvpanic *p = container_of(dev, struct pvpanic, pdev.dev);

	pci_dev_cleanup(&p->pdev);
	free(p);
}

static const struct device_ops pvpanic_ops = {
	.reset = pvpanic_reset, .save = pvpanic_save, .load = pvpanic_load, .free = pvpanic_free,
};

int pvpanic_pci_create(struct vm *vm)
{
	static const struct pci_dev_ops no_callbacks;
	static const struct pci_ids ids = {
		.vendor = 0x1b36, .device = 0x0011, .sub_vendor = 0x1af4, .sub_device = 0x1100, .class_code = 0x088000, .revision = 1,
	};
	struct pvpanic *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = pci_dev_init(&p->pdev, &no_callbacks, &ids);
	if (r < 0)
		goto free_pvpanic;
	r = pci_dev_add_bar(&p->pdev, 0, PCI_BAR_MEM32, PVPANIC_BAR_SIZE, &pvpanic_io);
	if (!r)
		r = pci_plug(vm->pci, &p->pdev, -1);
	if (r < 0)
		goto cleanup;
	device_add(vm, &p->pdev.dev, &pvpanic_ops, "pvpanic");
	return 0;

cleanup:
	pci_dev_cleanup(&p->pdev);
free_pvpanic:
	free(p);
	return r;
}
