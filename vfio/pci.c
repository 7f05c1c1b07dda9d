/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO PCI functions as devices of the VM: made, reset, stopped, saved, freed. And vfio_create(), which makes all that the user named.
 *
 * A stop lasts from the last instruction of the guest to its next one. A device that can be migrated is told to stop, too. Another one
 * cannot be held without harm: what it does meanwhile by DMA is as if the guest's CPUs were slow, and its interrupts wait in KVM. So it
 * cannot be saved, either: devices_save() finds that it has no save() and names it.
 *
 * What the guest asked of the device by passed registers is the device's own state and in its own stream; config space as the guest sees
 * it is ours.
 *
 * Threads: the main thread.
 */
#include "vfio/pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "vfio/migration.h"
#include "vmm/hw.h"
#include "vmm/state.h"
#include "vmm/vm.h"

static struct vfio_pci *to_vfio_pci(struct device *dev)
{
	return container_of(dev, struct vfio_pci, pdev.dev);
}

static void pci_reset(struct device *dev)
{
	vfio_pci_function_reset(to_vfio_pci(dev));
}

/* Those of all functions: each of them is told to be quiet before any is stopped, since one may write to another. */
static void pci_stop(struct device *dev)
{
	struct vfio_pci *vp = to_vfio_pci(dev);
	struct error err = { .msg = "" };

	if (!vp->stopped && vfio_migration_quiesce_all(dev->vm, VFIO_MIG_STOP, &err) < 0)
		log_warn(dev->name, "%s", err.msg);
	vp->stopped = true;
}

static void pci_start(struct device *dev)
{
	struct vfio_pci *vp = to_vfio_pci(dev);
	struct error err = { .msg = "" };

	if (vp->stopped && vfio_migration_run_all(dev->vm, &err) < 0)
		log_warn(dev->name, "%s", err.msg);
	vp->stopped = false;
}

/* A section of ours, then those of the device's stream. */
static int pci_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct vfio_pci *vp = to_vfio_pci(dev);

	state_begin(w, dev->name, 1);
	pci_dev_save(&vp->pdev, w);
	state_end(w);
	return vfio_migration_save(vp->vd->migration, w, err);
}

static int pci_load(struct device *dev, struct state_reader *r)
{
	struct vfio_pci *vp = to_vfio_pci(dev);
	struct error err = { .msg = "" };
	u32 version;
	int ret;

	ret = state_open(r, dev->name, 1, &version);
	if (ret == 0)
		ret = vfio_pci_config_load(vp, r);
	if (ret == 0)
		ret = state_close(r);
	if (ret < 0)
		return ret;
	ret = vfio_migration_load(vp->vd->migration, r, &err);
	if (ret < 0)
		log_err(dev->name, "%s", err.msg);
	else
		vp->stopped = true;	/* till pci_start(), also in a VM that did not run yet */
	return ret;
}

static void bar_stats(struct vfio_pci *vp, struct strbuf *b)
{
	u64 mapped = 0, all = 0;
	unsigned int i, j;

	for (i = 0; i < PCI_BARS; i++) {
		for (j = 0; j < vp->bar[i].nr_pieces; j++)
			mapped += vp->bar[i].piece[j].area.size;
		all += vp->bar[i].region ? vp->bar[i].region->size : 0;
	}
	json_u64(b, "bar_bytes", all);
	json_u64(b, "bar_bytes_mapped", mapped);
}

static void pci_stats(struct device *dev, struct strbuf *b)
{
	struct vfio_pci *vp = to_vfio_pci(dev);

	json_str(b, "device", vfio_device_name(vp->vd));
	json_str(b, "iommu", vp->vd->iommu->ops->name);
	bar_stats(vp, b);
	vfio_pci_irq_stats(vp, b);
	vfio_migration_stats(vp->vd, b);
}

static void device_close(struct vfio_device *vd)
{
	if (!vd)
		return;
	vfio_dirty_forget(vd);
	vfio_migration_free(vd->migration);
	vd->migration = NULL;
	vfio_device_close(vd);
}

/* All but the device. A half made one is fine. */
static void function_free(struct vfio_pci *vp)
{
	vfio_pci_irq_free(vp);
	pci_dev_cleanup(&vp->pdev);
	vfio_pci_bars_free(vp);
	vfio_pci_rom_free(vp);
	vfio_pci_config_free(vp);
	free(vp);
}

static void pci_leave(struct device *dev)
{
	to_vfio_pci(dev)->leaving = true;
}

/* The only reset there is may be one of its bus, where others stay. The host makes that when it can. */
static bool reset_harms(const struct vfio_pci *vp)
{
	const struct vfio_device *vd = vp->vd, *other;

	if (!vp->leaving || vd->flags & VFIO_DEVICE_FLAGS_RESET)
		return false;
	list_for_each(other, &vd->host->devices, node)
		if (other != vd)
			return true;
	return false;
}

/* The host resets it again when it is closed, but only if nothing else of its group is open. */
static void pci_free(struct device *dev)
{
	struct vfio_pci *vp = to_vfio_pci(dev);
	struct vfio_device *vd = vp->vd;

	if (!vp->leaving)
		vd->host->ending = true;
	vfio_pci_irq_free(vp);
	if (!reset_harms(vp))
		vfio_pci_function_reset(vp);
	function_free(vp);
	device_close(vd);
}

static const struct device_ops ops = { .reset = pci_reset, .stats = pci_stats, .leave = pci_leave, .free = pci_free };

static const struct device_ops migratable_ops = {
	.reset = pci_reset, .stop = pci_stop, .start = pci_start, .save = pci_save, .load = pci_load, .stats = pci_stats,
	.leave = pci_leave, .free = pci_free,
};

/* Whether what the user wants done when the host asks for the device back can be done here. The function is plugged. */
static int request_init(struct vfio_pci *vp, struct error *err)
{
	const struct vfio_config *cfg = vp->vd->cfg;
	const bool button = power_button_there(vp->pdev.dev.vm);
	int r = 0;

	if (cfg->on_request == VFIO_REQUEST_AUTO || cfg->on_request == VFIO_REQUEST_UNPLUG)
		r = pci_eject_allow(&vp->pdev);
	if (r < 0 && cfg->on_request == VFIO_REQUEST_UNPLUG)
		return error_set(err, r, "%s '%s': on-request 'unplug': this machine has no ACPI tables of ours, which its guest would be asked by; "
				 "want %sreport", cfg->option, cfg->device, button ? "poweroff or " : "");
	if (cfg->on_request == VFIO_REQUEST_POWEROFF && !button)
		return error_set(err, -EOPNOTSUPP, "%s '%s': on-request 'poweroff': this machine has no power button; want report", cfg->option,
				 cfg->device);
	return 0;
}

static int function_init(struct vm *vm, struct vfio_pci *vp, struct error *err)
{
	const struct vfio_config *cfg = vp->vd->cfg;
	int r;

	r = vfio_pci_config_init(vp, err);
	if (r == 0)
		r = vfio_pci_bars_init(vp, err);
	if (r == 0)
		r = vfio_pci_rom_init(vp, err);
	if (r < 0)
		return r;
	vfio_pci_caps_init(vp);
	vfio_pci_decoding(&vp->pdev, 0);	/* whatever who had it before left there */
	r = pci_plug(vm->pci, &vp->pdev, -1);
	if (r < 0)
		return error_set_errno(err, r, "%s '%s': no place on the PCI bus", cfg->option, cfg->device);
	r = request_init(vp, err);
	return r < 0 ? r : vfio_pci_irq_init(vp, err);
}

int vfio_pci_create(struct vm *vm, struct vfio_device *vd, struct error *err)
{
	struct vfio_pci *vp = calloc(1, sizeof(*vp));
	unsigned int index = (unsigned int)(vd->cfg - vm->cfg.vfio);
	int r;

	if (!vp)
		return error_set_errno(err, -ENOMEM, "%s '%s'", vd->cfg->option, vd->cfg->device);
	vp->vd = vd;
	vp->pdev.dev.vm = vm;
	snprintf(vp->pdev.dev.name, sizeof(vp->pdev.dev.name), "vfio%u", index);	/* for what is logged on the way */
	r = function_init(vm, vp, err);
	if (r < 0) {
		function_free(vp);
		return r;
	}
	device_add(vm, &vp->pdev.dev, vd->migration ? &migratable_ops : &ops, "vfio%u", index);
	return 0;
}

static int create_one(struct vm *vm, const struct vfio_config *cfg, struct error *err)
{
	struct vfio_device *vd;
	int r;

	r = vfio_device_open(vm, cfg, &vd, err);
	if (r < 0)
		return r;
	r = vfio_migration_create(vd, &vd->migration, err);
	if (r == 0)
		r = vfio_pci_create(vm, vd, err);
	if (r < 0)
		device_close(vd);
	return r;
}

int vfio_create(struct vm *vm, struct error *err)
{
	unsigned int i;
	int r = 0;

	for (i = 0; r == 0 && i < vm->cfg.nr_vfio; i++)
		r = create_one(vm, &vm->cfg.vfio[i], err);
	return r;
}
