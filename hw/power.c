/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Power: the sleep and reset registers of hardware-reduced ACPI, and a power button that tells by a level interrupt, which the
 * firmware tables turn into a generic event. [acpi-6.4 4.8.3.6, 4.8.3.7, 5.6.9]
 *
 * Left out: sleep states but S5, wake-up. The event register is ours; its layout is in vmm/hw.h.
 *
 * Threads: vCPU threads; the button comes from any. p->lock guards events.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "vmm/hw.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum { SLP_EN = 1 << 5, SLP_TYP_SHIFT = 2, SLP_TYP_MASK = 7, EVENT_BUTTON = 1, VERSION = 1 };

struct power {
	struct device dev;
	struct io_region regs;
	struct irq_line *irq;	/* owned end */
	pthread_mutex_t lock;
	u32 events;		/* pending, EVENT_* */
};

static void set_events(struct power *p, u32 clear, u32 set)
{
	pthread_mutex_lock(&p->lock);
	p->events = (p->events & ~clear) | set;
	irq_line_set(p->irq, p->events != 0);
	pthread_mutex_unlock(&p->lock);
}

static u64 power_read(struct io_region *r, u64 off, unsigned int size)
{
	struct power *p = container_of(r, struct power, regs);
	u64 v = 0;

	if (off == POWER_EVENT && size == 4) {
		pthread_mutex_lock(&p->lock);
		v = p->events;
		pthread_mutex_unlock(&p->lock);
	}
	return v;	/* WAK_STS is never set: no sleep is ever entered */
}

static void power_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct power *p = container_of(r, struct power, regs);

	if (off == POWER_EVENT && size == 4)
		set_events(p, (u32)val, 0);
	if (size != 1)
		return;
	if (off == POWER_SLEEP_CONTROL && (val & SLP_EN) && (val >> SLP_TYP_SHIFT & SLP_TYP_MASK) == POWER_S5)
		vm_request_exit(p->dev.vm, VM_EXIT_POWEROFF, 0, "ACPI S5");
	if (off == POWER_RESET && val == POWER_RESET_VALUE)
		vm_request_exit(p->dev.vm, VM_EXIT_RESET, 0, "ACPI reset register");
}

static const struct io_ops power_io = { .read = power_read, .write = power_write, .sizes = 1 | 4 };

static void power_reset(struct device *dev)
{
	set_events(container_of(dev, struct power, dev), ~0U, 0);
}

static int power_save(struct device *dev, struct state_writer *w, struct error *err)
{
	state_begin(w, dev->name, VERSION);
	state_put_u32(w, container_of(dev, struct power, dev)->events);
	state_end(w);
	return 0;
}

static int power_load(struct device *dev, struct state_reader *r)
{
	struct power *p = container_of(dev, struct power, dev);
	u32 version, events;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (ret < 0)
		return ret;
	events = state_get_u32_max(r, EVENT_BUTTON);
	ret = state_close(r);
	if (!ret)
		set_events(p, ~0U, events);
	return ret;
}

static void power_free(struct device *dev)
{
	struct power *p = container_of(dev, struct power, dev);

	io_unmap_region(dev->vm, &p->regs);
	irq_line_put(p->irq);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void power_button(struct device *dev)
{
	set_events(container_of(dev, struct power, dev), 0, EVENT_BUTTON);
}

static const struct device_ops power_ops = {
	.reset = power_reset, .save = power_save, .load = power_load, .free = power_free, .power_button = power_button,
};

static struct device *find_button(const struct vm *vm)
{
	struct device *dev;

	list_for_each(dev, &vm->devices, node)
		if (dev->ops->power_button)
			return dev;
	return NULL;
}

bool power_button_there(const struct vm *vm)
{
	return find_button(vm) != NULL;
}

int power_button_press(struct vm *vm)
{
	struct device *dev = find_button(vm);

	if (!dev)
		return -ENODEV;
	dev->ops->power_button(dev);
	return 0;
}

int power_create(struct vm *vm, const struct power_config *cfg)
{
	struct power *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	r = irq_line_get(vm, cfg->gsi, &p->irq);
	if (r < 0)
		goto free_power;
	r = io_map_region(vm, &p->regs, cfg->space, cfg->base, POWER_SIZE, &power_io, "power");
	if (r < 0)
		goto put_irq;
	p->dev.kind = DEV_POWER;
	device_describe_io(&p->dev, cfg->space, cfg->base, POWER_SIZE);
	device_describe_irq(&p->dev, cfg->gsi, true);
	device_add(vm, &p->dev, &power_ops, "power");
	return 0;

put_irq:
	irq_line_put(p->irq);
free_power:
	pthread_mutex_destroy(&p->lock);
	free(p);
	return r;
}
