/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PL061: eight general purpose lines with interrupts, of which line 3 is the power button. [ARM DDI 0190B] The others hang in the air and read 0
 * as inputs.
 *
 * The button is held until the guest has seen it pressed: it read the line as 1, and cleared the interrupt of the press if it had asked for one.
 * Then it goes up, which is the other edge. Linux' gpio-keys clears first and reads later, others the other way.
 *
 * Left out: hardware control (GPIOAFSEL reads back and does nothing).
 *
 * Threads: vCPU threads; the button comes from any. g->lock guards all that changes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "vmm/hw.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

/* [ARM DDI 0190B 3.2] */
enum {
	GPIODATA_END = 0x400, GPIODIR = 0x400, GPIOIS = 0x404, GPIOIBE = 0x408, GPIOIEV = 0x40c, GPIOIE = 0x410, GPIORIS = 0x414,
	GPIOMIS = 0x418, GPIOIC = 0x41c, GPIOAFSEL = 0x420, ID_FIRST = 0xfe0,
	BUTTON = 1 << PL061_POWER_LINE, VERSION = 1,
};

struct pl061 {
	struct device dev;
	struct io_region regs;
	struct irq_line *irq;	/* owned end */

	pthread_mutex_t lock;
	u8 in;			/* what is outside: the button */
	bool seen;		/* while it is pressed: the guest read so */
	u8 out, dir;		/* what the guest drives, and which lines it drives */
	u8 level, both, event;	/* GPIOIS, GPIOIBE, GPIOIEV: what makes an interrupt */
	u8 enabled, edges;	/* GPIOIE; edges seen and not cleared */
	u8 afsel;
};

static u8 lines(const struct pl061 *g)
{
	return (u8)((g->out & g->dir) | (g->in & ~g->dir));
}

/* [ARM DDI 0190B 2.3 table "Interrupt trigger"] level lines follow, edge lines are remembered. */
static u8 raw(const struct pl061 *g)
{
	return (u8)((g->edges & ~g->level) | (~(lines(g) ^ g->event) & g->level));
}

static void update(struct pl061 *g)
{
	irq_line_set(g->irq, (raw(g) & g->enabled) != 0);
}

/* Lines were @old: notes the edges that matter. */
static void note_edges(struct pl061 *g, u8 old)
{
	u8 now = lines(g), changed = old ^ now;

	g->edges |= changed & ~g->level & (g->both | (u8)~(now ^ g->event));
}

static void set_input(struct pl061 *g, u8 in)
{
	u8 old = lines(g);

	g->in = in;
	note_edges(g, old);
}

/* Once the press was seen the button goes up. */
static void release(struct pl061 *g)
{
	if (!g->seen || (g->edges & g->enabled & ~g->level & BUTTON))
		return;
	g->seen = false;
	set_input(g, g->in & (u8)~BUTTON);
	update(g);
}

static u8 identification(u64 off)
{
	/* [ARM DDI 0190B 3.3.10, 3.3.11] PL061, ARM, revision 0; PrimeCell */
	static const u8 id[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	return id[(off - ID_FIRST) / 4];
}

/* Those that are a byte of storage. */
static u8 *stored(struct pl061 *g, u64 off)
{
	switch (off) {
	case GPIODIR:
		return &g->dir;
	case GPIOIS:
		return &g->level;
	case GPIOIBE:
		return &g->both;
	case GPIOIEV:
		return &g->event;
	case GPIOIE:
		return &g->enabled;
	case GPIOAFSEL:
		return &g->afsel;
	default:
		return NULL;
	}
}

/* Address bits 9:2 of the data register say which lines are meant. [ARM DDI 0190B 3.3.1] */
static u8 data_mask(u64 off)
{
	return (u8)(off >> 2);
}

static u8 read_data(struct pl061 *g, u64 off)
{
	u8 v = lines(g) & data_mask(off);

	if (v & g->in & ~g->dir & BUTTON) {
		g->seen = true;
		release(g);
	}
	return v;
}

/* Registers are eight bits wide, each in a word of its own. */
static u64 pl061_read(struct io_region *r, u64 off, unsigned int size)
{
	struct pl061 *g = container_of(r, struct pl061, regs);
	const u8 *reg = stored(g, off);
	u8 v = 0;

	if (off % 4)
		return 0;
	pthread_mutex_lock(&g->lock);
	if (off < GPIODATA_END)
		v = read_data(g, off);
	else if (reg)
		v = *reg;
	else if (off == GPIORIS)
		v = raw(g);
	else if (off == GPIOMIS)
		v = raw(g) & g->enabled;
	else if (off >= ID_FIRST)
		v = identification(off);
	pthread_mutex_unlock(&g->lock);
	return v;
}

static void pl061_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pl061 *g = container_of(r, struct pl061, regs);
	u8 *reg = stored(g, off), old, mask;

	if (off % 4)
		return;
	pthread_mutex_lock(&g->lock);
	old = lines(g);
	if (off < GPIODATA_END) {
		mask = data_mask(off) & g->dir;
		g->out = (u8)((g->out & ~mask) | ((u8)val & mask));
	} else if (reg) {
		*reg = (u8)val;
	} else if (off == GPIOIC) {
		g->edges &= (u8)~val;
	}
	note_edges(g, old);
	release(g);
	update(g);
	pthread_mutex_unlock(&g->lock);
}

/* Linux uses bytes, and 32 bits for the identification. */
static const struct io_ops pl061_io = { .read = pl061_read, .write = pl061_write, .sizes = 1 | 2 | 4 };

/* --- the VM's side --- */

static void pl061_power_button(struct device *dev)
{
	struct pl061 *g = container_of(dev, struct pl061, dev);

	pthread_mutex_lock(&g->lock);
	set_input(g, g->in | BUTTON);
	update(g);
	pthread_mutex_unlock(&g->lock);
}

static void pl061_reset(struct device *dev)
{
	struct pl061 *g = container_of(dev, struct pl061, dev);

	pthread_mutex_lock(&g->lock);
	g->in = g->out = g->dir = g->level = g->both = g->event = g->enabled = g->edges = g->afsel = 0;
	g->seen = false;
	update(g);
	pthread_mutex_unlock(&g->lock);
}

static u8 *saved(struct pl061 *g, unsigned int i)
{
	u8 *const regs[] = { &g->in, &g->out, &g->dir, &g->level, &g->both, &g->event, &g->enabled, &g->edges, &g->afsel };

	return i < ARRAY_SIZE(regs) ? regs[i] : NULL;
}

static int pl061_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct pl061 *g = container_of(dev, struct pl061, dev);
	unsigned int i;

	state_begin(w, dev->name, VERSION);
	pthread_mutex_lock(&g->lock);
	for (i = 0; saved(g, i); i++)
		state_put_u8(w, *saved(g, i));
	state_put_u8(w, g->seen);
	pthread_mutex_unlock(&g->lock);
	state_end(w);
	return 0;
}

static int pl061_load(struct device *dev, struct state_reader *r)
{
	struct pl061 *g = container_of(dev, struct pl061, dev), n;
	unsigned int i;
	u32 version;
	u8 seen;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (ret < 0)
		return ret;
	for (i = 0; saved(&n, i); i++)
		*saved(&n, i) = state_get_u8(r);
	seen = state_get_u8(r);
	if ((n.in & ~BUTTON) || seen > 1 || (seen && !(n.in & BUTTON)))
		state_fail(r);
	ret = state_close(r);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&g->lock);
	for (i = 0; saved(g, i); i++)
		*saved(g, i) = *saved(&n, i);
	g->seen = seen;
	update(g);
	pthread_mutex_unlock(&g->lock);
	return 0;
}

static void pl061_free(struct device *dev)
{
	struct pl061 *g = container_of(dev, struct pl061, dev);

	io_unmap_region(dev->vm, &g->regs);
	irq_line_put(g->irq);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static const struct device_ops pl061_ops = {
	.reset = pl061_reset, .save = pl061_save, .load = pl061_load, .free = pl061_free, .power_button = pl061_power_button,
};

int gpio_pl061_create(struct vm *vm, const struct gpio_pl061_config *cfg)
{
	struct pl061 *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	pthread_mutex_init(&g->lock, NULL);
	r = irq_line_get(vm, cfg->gsi, &g->irq);
	if (r < 0)
		goto free_pl061;
	r = io_map_region(vm, &g->regs, IO_MMIO, cfg->base, PL061_SIZE, &pl061_io, "gpio");
	if (r < 0)
		goto put_irq;
	g->dev.kind = DEV_GPIO_PL061;
	device_describe_io(&g->dev, IO_MMIO, cfg->base, PL061_SIZE);
	device_describe_irq(&g->dev, cfg->gsi, true);
	device_add(vm, &g->dev, &pl061_ops, "gpio");
	return 0;

put_irq:
	irq_line_put(g->irq);
free_pl061:
	pthread_mutex_destroy(&g->lock);
	free(g);
	return r;
}
