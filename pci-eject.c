/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI functions that leave while the guest runs: the registers behind the hot-plug objects of an ACPI machine (x86/acpi-dsdt.c), and the
 * leaving itself. [acpi-6.4 5.6.6 Eject Request, 5.6.9 for the event, 6.3.3 _EJ0] Layout of the registers: vmm/pci.h.
 *
 *	pci_eject_ask()	-> ASKED, interrupt -> the event's method acknowledges and notifies the slot -> the guest's driver lets go
 *	-> _EJ0 writes NOW -> all vCPUs stand still -> the main loop frees the functions -> they go on
 *
 * The guest may give back what nobody asked for: that is its own loss, and what an administrator does with a slot's switch. It never gets
 * it back. Bits of slots that are not there, or that left already, do nothing: so each slot costs the guest one such stop, and no more.
 *
 * A guest that was asked and does nothing (it has no hot-plug, or is stuck) is asked again as often as pci_eject_ask() is called, and
 * loses the slot at the VM's reset, when nobody uses it.
 *
 * 1. A function is freed with all vCPUs parked, on the main thread, so nothing of the guest's is in one of its handlers, or comes there.
 * 2. Who makes `leaving` other than 0 holds the vCPUs and posts the work; the work lets them go. In between only stop() and reset() may
 *    have made it 0 again, with all vCPUs parked. So the vCPU that wrote NOW runs on when the function is gone.
 *
 * Threads: registers on vCPU threads, pci_eject_ask() on any; the rest on the main thread. e->lock guards the masks, and is held around
 * the interrupt line only.
 */
#include "vmm/pci.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "pci-internal.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/event.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum { VERSION = 1, SLOTS = 32, FUNCTIONS = 8 };

struct pci_eject {
	struct device dev;
	struct pci_host *host;		/* borrowed: a device that is freed after this one */
	struct io_region regs;
	struct irq_line *irq;		/* owned end */
	struct event_work work;
	pthread_mutex_t lock;		/* guards what follows: a bit for each slot */
	u32 slots;			/* that may leave */
	u32 asked;			/* the register */
	u32 wanted;			/* asked for, and still there */
	u32 leaving;			/* given back, and still there */
	bool stopped;			/* by device_ops.stop: what is asked for then is told at start() */
};

static void update_line_locked(struct pci_eject *e)
{
	irq_line_set(e->irq, e->asked != 0);
}

/* --- leaving --- */

/* vCPUs are paused. */
static void remove_slots(struct pci_eject *e, u32 slots, const char *how)
{
	unsigned int devfn;
	struct pci_dev *pdev;

	pthread_mutex_lock(&e->lock);
	e->slots &= ~slots;
	e->asked &= ~slots;
	e->wanted &= ~slots;
	update_line_locked(e);
	pthread_mutex_unlock(&e->lock);
	for (devfn = 0; devfn < SLOTS * FUNCTIONS; devfn++) {
		pdev = slots & BIT(devfn / FUNCTIONS) ? pci_find(e->host, (u8)devfn) : NULL;
		if (!pdev)
			continue;
		log_info(pci_dev_name(pdev), "%s", how);
		device_remove(&pdev->dev);
	}
}

static void remove_leaving(struct pci_eject *e)
{
	u32 slots;

	pthread_mutex_lock(&e->lock);
	slots = e->leaving;
	e->leaving = 0;
	pthread_mutex_unlock(&e->lock);
	remove_slots(e, slots, "the guest gave it back");
}

/* Main loop. */
static void leave(struct event_work *work)
{
	struct pci_eject *e = container_of(work, struct pci_eject, work);
	struct vm *vm = e->dev.vm;
	unsigned int i;

	vm_hold_vcpus(vm);
	remove_leaving(e);
	for (i = 0; i < vm->cfg.cpus; i++)	/* closing a device may take its host's driver half a minute */
		arch_vcpu_paused(&vm->vcpu[i]);
	vm_release_vcpus(vm);
	vcpus_resume(vm);	/* give_back()'s hold */
}

static void give_back(struct pci_eject *e, u32 slots)
{
	bool first;

	pthread_mutex_lock(&e->lock);
	slots &= e->slots;
	first = slots && !e->leaving;
	e->leaving |= slots;
	pthread_mutex_unlock(&e->lock);
	if (!first)	/* none, or the vCPUs are held already (inv. 2) */
		return;
	vcpus_hold(e->dev.vm);
	event_post(e->dev.vm->loop, &e->work, leave);
}

/* --- registers --- */

static u64 eject_read(struct io_region *r, u64 off, unsigned int size)
{
	struct pci_eject *e = container_of(r, struct pci_eject, regs);
	u64 val;

	pthread_mutex_lock(&e->lock);
	val = off == PCI_EJECT_ASKED ? e->asked : e->slots & ~e->leaving;
	pthread_mutex_unlock(&e->lock);
	return val;
}

static void eject_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pci_eject *e = container_of(r, struct pci_eject, regs);

	if (off == PCI_EJECT_NOW) {
		give_back(e, (u32)val);
		return;
	}
	pthread_mutex_lock(&e->lock);
	e->asked &= ~(u32)val;
	update_line_locked(e);
	pthread_mutex_unlock(&e->lock);
}

static const struct io_ops eject_io = { .read = eject_read, .write = eject_write, .sizes = 4 };

/* --- for the functions --- */

static u32 slot_of(const struct pci_dev *pdev)
{
	return BIT(pdev->devfn / FUNCTIONS);
}

int pci_eject_allow(struct pci_dev *pdev)
{
	struct pci_eject *e = pdev->host->eject;

	if (!e)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&e->lock);
	e->slots |= slot_of(pdev);
	pthread_mutex_unlock(&e->lock);
	return 0;
}

int pci_eject_ask(struct pci_dev *pdev)
{
	struct pci_eject *e = pdev->host->eject;
	u32 slot = slot_of(pdev);

	if (!e)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&e->lock);
	slot &= e->slots;
	e->asked |= slot;
	e->wanted |= slot;
	if (!e->stopped)
		update_line_locked(e);
	pthread_mutex_unlock(&e->lock);
	return slot ? 0 : -EOPNOTSUPP;
}

u32 pci_eject_slots(const struct pci_host *host)
{
	struct pci_eject *e = host->eject;
	u32 slots;

	if (!e)
		return 0;
	pthread_mutex_lock(&e->lock);
	slots = e->slots;
	pthread_mutex_unlock(&e->lock);
	return slots;
}

/* --- the device --- */

/* What the guest gave back is gone before state is saved, and before it is started again. */
static void eject_stop(struct device *dev)
{
	struct pci_eject *e = container_of(dev, struct pci_eject, dev);

	remove_leaving(e);
	pthread_mutex_lock(&e->lock);
	e->stopped = true;
	pthread_mutex_unlock(&e->lock);
}

static void eject_start(struct device *dev)
{
	struct pci_eject *e = container_of(dev, struct pci_eject, dev);

	pthread_mutex_lock(&e->lock);
	e->stopped = false;
	update_line_locked(e);
	pthread_mutex_unlock(&e->lock);
}

static void eject_reset(struct device *dev)
{
	struct pci_eject *e = container_of(dev, struct pci_eject, dev);
	u32 slots;

	remove_leaving(e);
	pthread_mutex_lock(&e->lock);
	slots = e->wanted;
	e->asked = 0;
	pthread_mutex_unlock(&e->lock);
	remove_slots(e, slots, "it goes back as the guest is reset");	/* and the line is low */
}

/* Which there are. Who asks for them is the host's business, and not another one's. */
static int eject_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct pci_eject *e = container_of(dev, struct pci_eject, dev);

	pthread_mutex_lock(&e->lock);
	state_begin(w, dev->name, VERSION);
	state_put_u32(w, e->slots);
	state_end(w);
	pthread_mutex_unlock(&e->lock);
	return 0;
}

/* What the guest gave back there was made here like the others, and leaves. Its functions, which have no state, come later in the walk. */
static int eject_load(struct device *dev, struct state_reader *r)
{
	struct pci_eject *e = container_of(dev, struct pci_eject, dev);
	u32 have = pci_eject_slots(e->host), version, slots;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (ret < 0)
		return ret;
	slots = state_get_u32(r);
	if (slots & ~have)
		state_fail(r);
	ret = state_close(r);
	if (ret < 0)
		return ret;
	remove_slots(e, have & ~slots, "it was given back before the state was saved");
	return 0;
}

static void eject_free(struct device *dev)
{
	struct pci_eject *e = container_of(dev, struct pci_eject, dev);

	event_work_cancel(dev->vm->loop, &e->work);
	e->host->eject = NULL;
	io_unmap_region(dev->vm, &e->regs);
	irq_line_put(e->irq);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static const struct device_ops eject_ops = {
	.stop = eject_stop, .start = eject_start, .reset = eject_reset, .save = eject_save, .load = eject_load, .free = eject_free,
};

int pci_eject_create(struct vm *vm, const struct pci_eject_config *cfg)
{
	struct pci_eject *e = calloc(1, sizeof(*e));
	int r;

	assert(!vm->pci->eject);
	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	r = irq_line_get(vm, cfg->gsi, &e->irq);
	if (r < 0)
		goto free_eject;
	r = io_map_region(vm, &e->regs, cfg->space, cfg->base, PCI_EJECT_SIZE, &eject_io, "pci-eject");
	if (r < 0)
		goto put_irq;
	e->host = vm->pci;
	vm->pci->eject = e;
	e->dev.kind = DEV_PCI_EJECT;
	device_describe_io(&e->dev, cfg->space, cfg->base, PCI_EJECT_SIZE);
	device_describe_irq(&e->dev, cfg->gsi, true);
	device_add(vm, &e->dev, &eject_ops, "pci-eject");
	return 0;

put_irq:
	irq_line_put(e->irq);
free_eject:
	pthread_mutex_destroy(&e->lock);
	free(e);
	return r;
}
