/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bus, a wire and a back end for tests of the serial port.
 */
#ifndef TESTS_HW_SERIAL_FAKE_H
#define TESTS_HW_SERIAL_FAKE_H

#include "tests/tap.h"

#include <errno.h>

#include "vmm/chardev.h"
#include "vmm/hw.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

struct irq_line { bool level; unsigned int changes; };
struct chardev {
	struct chardev_client *client;
	u8 out[256];
	size_t len, room;
	bool connected;
	unsigned int resumed, waited;
};

static struct irq_line wire;
static struct chardev line;
static struct io_region *bus;
static struct vm vm;

int irq_line_get(struct vm *v, u32 gsi, struct irq_line **ret)
{
	if (gsi != 4)
		return -EINVAL;
	*ret = &wire;
	return 0;
}

void irq_line_put(struct irq_line *l)
{
	if (l)
		l->level = false;
}

void irq_line_set(struct irq_line *l, bool level)
{
	l->changes++;
	l->level = level;
}

int io_map_region(struct vm *v, struct io_region *r, enum io_space space, u64 base, u64 size, const struct io_ops *ops,
		  const char *name)
{
	if (base + size > 0x10000)
		return -EINVAL;
	r->space = space;
	r->base = base;
	r->size = size;
	r->ops = ops;
	r->mapped = true;
	bus = r;
	return 0;
}

void io_unmap_region(struct vm *v, struct io_region *r)
{
	r->mapped = false;
	bus = NULL;
}

size_t chardev_write(struct chardev *cd, const u8 *buf, size_t len)
{
	if (len > cd->room)
		len = cd->room;
	memcpy(cd->out + cd->len, buf, len);
	cd->len += len;
	cd->room -= len;
	return len;
}

void chardev_write_all(struct chardev *cd, const u8 *buf, size_t len)
{
	cd->waited++;
	chardev_write(cd, buf, len);
}

void chardev_set_client(struct chardev *cd, struct chardev_client *client) { cd->client = client; }
void chardev_resume_input(struct chardev *cd) { cd->resumed++; }
bool chardev_connected(struct chardev *cd) { return cd->connected; }

/* --- helpers --- */

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = 2 };

static inline u8 in(unsigned int reg) { return (u8)bus->ops->read(bus, reg, 1); }
static inline void out(unsigned int reg, u8 val) { bus->ops->write(bus, reg, val, 1); }
static inline size_t offer(const char *s) { return line.client->receive(line.client, (const u8 *)s, strlen(s)); }

/* What a guest that polls for input does. */
static inline void poll_input(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		in(LSR);
}

/* Input for a guest that listens. */
static inline size_t feed(const char *s)
{
	poll_input();
	return offer(s);
}

static inline struct device *dev(void) { return device_find(&vm, DEV_UART_16550, 0); }

static inline void make(struct serial_config cfg)
{
	memset(&vm, 0, sizeof(vm));
	list_init(&vm.devices);
	memset(&wire, 0, sizeof(wire));
	memset(&line, 0, sizeof(line));
	line.room = sizeof(line.out);
	line.connected = true;
	if (serial_create(&vm, &cfg) < 0)
		abort();
}

static inline void setup(void)
{
	make((struct serial_config){ .space = IO_PORT, .base = 0x3f8, .gsi = 4, .cd = &line });
}

static inline void teardown(void)
{
	devices_free(&vm);
}

#endif
