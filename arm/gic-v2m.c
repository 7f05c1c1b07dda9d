/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GICv2m: one frame of registers that turns a written message into an edge on an SPI. [Arm DEN0029 SBSA, GICv2m architecture]
 *
 *   0x008 MSI_TYPER	25:16 first INTID, 9:0 how many
 *   0x040 MSI_SETSPI	9:0 the INTID to pulse: write only. Also what PCI functions write to
 *   0xfcc MSI_IIDR	who made it
 *
 * It has no state. Accesses of other sizes than a word read ones and are dropped, other registers read 0.
 *
 * Threads: vCPU threads.
 */
#include "arm/arm.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/arch.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	MSI_TYPER = 0x008,
	MSI_SETSPI = 0x040,
	MSI_IIDR = 0xfcc,
	SETSPI_MASK = 0x3ff,
	IIDR = 'L' << 20 | 0x43b,	/* product, architecture 0, revision 0, JEP106 code of Arm as in the GIC that KVM shows */
	V2M_FIRST_INTID = GSI_V2M + SPI_FIRST_INTID,
	VERSION = 1,
};

struct v2m {
	struct device dev;
	struct io_region regs;
};

int gic_v2m_gsi(const struct msi_msg *msg, u32 *ret)
{
	u32 intid = msg->data & SETSPI_MASK;

	if (msg->addr != V2M_BASE + MSI_SETSPI || intid < V2M_FIRST_INTID || intid >= V2M_FIRST_INTID + V2M_SPIS)
		return -EINVAL;
	*ret = intid - SPI_FIRST_INTID;
	return 0;
}

static u64 v2m_read(struct io_region *r, u64 off, unsigned int size)
{
	switch (off) {
	case MSI_TYPER:
		return V2M_FIRST_INTID << 16 | V2M_SPIS;
	case MSI_IIDR:
		return IIDR;
	default:
		return 0;
	}
}

static void v2m_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct vm *vm = container_of(r, struct v2m, regs)->dev.vm;
	const struct msi_msg msg = { .addr = V2M_BASE + off, .data = (u32)val };

	if (off == MSI_SETSPI)
		arch_msi_send(vm, &msg);
}

static const struct io_ops v2m_io = { .read = v2m_read, .write = v2m_write, .sizes = 4 };

static int v2m_save(struct device *dev, struct state_writer *w, struct error *err)
{
	state_begin(w, dev->name, VERSION);
	state_end(w);
	return 0;
}

static int v2m_load(struct device *dev, struct state_reader *r)
{
	u32 version;
	int ret = state_open(r, dev->name, VERSION, &version);

	return ret < 0 ? ret : state_close(r);
}

static void v2m_free(struct device *dev)
{
	struct v2m *v = container_of(dev, struct v2m, dev);

	io_unmap_region(dev->vm, &v->regs);
	free(v);
}

static const struct device_ops v2m_ops = { .save = v2m_save, .load = v2m_load, .free = v2m_free };

int gic_v2m_create(struct vm *vm, struct error *err)
{
	struct v2m *v = calloc(1, sizeof(*v));
	int r = v ? io_map_region(vm, &v->regs, IO_MMIO, V2M_BASE, V2M_SIZE, &v2m_io, "gicv2m") : -ENOMEM;

	if (r < 0) {
		free(v);
		return error_set_errno(err, r, "GICv2m");
	}
	device_add(vm, &v->dev, &v2m_ops, "gicv2m");
	return 0;
}
