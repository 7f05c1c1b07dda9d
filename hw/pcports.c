/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports of the PC that are one register each: system control port A (0x92: A20, fast reset) [IBM PS/2 TR], the reset control register
 * (0xcf9) [Intel ICH9 13.7.5] and the diagnostic port (0x80).
 *
 * Port 0x61 is KVM's, with its PIT. 0xcf9 lies inside the PCI configuration mechanism's ports: this device is created before the
 * PCI host, so that the byte is answered here and the dword at 0xcf8 there.
 *
 * Threads: vCPU threads; each register is one atomic byte.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "vmm/hw.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	PORT_DIAG = 0x80, PORT_A = 0x92, PORT_RESET = 0xcf9,
	A_FAST_RESET = 1, A_A20 = 2,
	RESET_CPU = 4, RESET_BITS = 0xe,
	VERSION = 1,
};

struct pcport {
	struct io_region region;
	_Atomic u8 value;
};

struct pcports {
	struct device dev;
	struct pcport diag, a, reset;
};

static u64 pcport_read(struct io_region *r, u64 off, unsigned int size)
{
	return container_of(r, struct pcport, region)->value;
}

static void diag_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	container_of(r, struct pcport, region)->value = (u8)val;
}

static void a_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pcports *p = container_of(r, struct pcports, a.region);

	if (val & ~p->a.value & A_FAST_RESET)
		vm_request_exit(p->dev.vm, VM_EXIT_RESET, 0, "port 0x92");
	p->a.value = (u8)((val & A_FAST_RESET) | A_A20);	/* A20 is always on */
}

static void reset_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pcports *p = container_of(r, struct pcports, reset.region);

	if (val & ~p->reset.value & RESET_CPU)	/* on the bit's rise; soft, hard or full: the same here */
		vm_request_exit(p->dev.vm, VM_EXIT_RESET, 0, "port 0xcf9");
	p->reset.value = (u8)(val & RESET_BITS);
}

static const struct io_ops diag_io = { .read = pcport_read, .write = diag_write, .sizes = 1 };
static const struct io_ops a_io = { .read = pcport_read, .write = a_write, .sizes = 1 };
static const struct io_ops reset_io = { .read = pcport_read, .write = reset_write, .sizes = 1 };

static void pcports_reset(struct device *dev)
{
	struct pcports *p = container_of(dev, struct pcports, dev);

	p->diag.value = 0;
	p->a.value = A_A20;
	p->reset.value = 0;
}

static int pcports_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct pcports *p = container_of(dev, struct pcports, dev);

	state_begin(w, dev->name, VERSION);
	state_put_u8(w, p->diag.value);
	state_put_u8(w, p->a.value);
	state_put_u8(w, p->reset.value);
	state_end(w);
	return 0;
}

static int pcports_load(struct device *dev, struct state_reader *r)
{
	struct pcports *p = container_of(dev, struct pcports, dev);
	u8 diag, a, reset;
	u32 version;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (ret < 0)
		return ret;
	diag = state_get_u8(r);
	a = state_get_u8(r);
	reset = state_get_u8(r);
	if ((a & ~(A_A20 | A_FAST_RESET)) || (reset & ~RESET_BITS))
		state_fail(r);
	ret = state_close(r);
	if (ret < 0)
		return ret;
	p->diag.value = diag;
	p->a.value = a;
	p->reset.value = reset;
	return 0;
}

static void pcports_free(struct device *dev)
{
	struct pcports *p = container_of(dev, struct pcports, dev);

	io_unmap_region(dev->vm, &p->diag.region);
	io_unmap_region(dev->vm, &p->a.region);
	io_unmap_region(dev->vm, &p->reset.region);
	free(p);
}

static const struct device_ops pcports_ops = {
	.reset = pcports_reset, .save = pcports_save, .load = pcports_load, .free = pcports_free,
};

int pcports_create(struct vm *vm)
{
	struct pcports *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	pcports_reset(&p->dev);
	r = io_map_region(vm, &p->diag.region, IO_PORT, PORT_DIAG, 1, &diag_io, "port 0x80");
	if (!r)
		r = io_map_region(vm, &p->a.region, IO_PORT, PORT_A, 1, &a_io, "port 0x92");
	if (!r)
		r = io_map_region(vm, &p->reset.region, IO_PORT, PORT_RESET, 1, &reset_io, "port 0xcf9");
	device_add(vm, &p->dev, &pcports_ops, "pcports");	/* if one could not be mapped the VM frees it with the rest */
	return r;
}
