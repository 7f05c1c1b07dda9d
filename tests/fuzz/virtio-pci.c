/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hostile driver on a PCI virtio device: libFuzzer drives config space, BARs, guest memory and the VM's own operations
 * of a small device over the real PCI code, transports, core and rings. No thread: the loop is turned between steps,
 * so an input always does the same.
 *
 * After each input the device must still come back by a reset and serve one request, and hold no ioeventfd when gone.
 *
 * links: util/iov.c util/json.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/mmio.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/fuzz/input.h"
#include "tests/fuzz/save-load.h"
#include "tests/virtio/pci-rig.h"

static struct vm *vm;
static struct echo *echo;
static struct drv drv[ECHO_QUEUES];

static void end_turn(struct event_work *w)
{
	event_loop_stop(vm->loop);
}

/* Everything that is ready is handled, then the posted end. */
static void turn(void)
{
	struct event_work w = { 0 };

	event_post(vm->loop, &w, end_turn);
	if (event_loop_run(vm->loop) < 0)
		abort();
}

static u64 bar(unsigned int n)
{
	u32 reg = cfg_read(vm, 0x10 + 4 * n, 4);

	return reg & 1 ? reg & ~3U : reg & ~0xfU;
}

static enum io_space regs_space(void)
{
	return echo->vdev.legacy ? IO_PORT : IO_MMIO;
}

/* The registers where a driver finds them, whatever the input made of BAR and COMMAND. */
static void open_registers(void)
{
	cfg_write(vm, 4, 2, 0);
	cfg_write(vm, 0x10, 4, echo->vdev.legacy ? RIG_IO : RIG_MEM32);
	cfg_write(vm, 4, 2, 7);
}

static void reg(unsigned int off, unsigned int size, u64 val)
{
	rig_write(vm, regs_space(), bar(0) + off, size, val);
}

static void bring_up_legacy(u64 features)
{
	unsigned int q;

	reg(18, 1, 0);
	reg(18, 1, 3);
	reg(4, 4, features);
	for (q = 0; q < ECHO_QUEUES; q++) {
		drv_init(&drv[q], vm, q, ECHO_SIZE);
		reg(14, 2, q);
		reg(8, 4, drv[q].desc / 4096);
	}
	reg(18, 1, 7);
}

static void bring_up_modern(u64 features)
{
	unsigned int q;

	reg(0x14, 1, 0);
	reg(0x14, 1, 3);
	reg(8, 4, 0);
	reg(0xc, 4, (u32)features);
	reg(8, 4, 1);
	reg(0xc, 4, features >> 32 | 1);
	reg(0x14, 1, 11);
	for (q = 0; q < ECHO_QUEUES; q++) {
		drv_init(&drv[q], vm, q, ECHO_SIZE);
		reg(0x16, 2, q);
		reg(0x20, 8, drv[q].desc);
		reg(0x28, 8, drv[q].avail);
		reg(0x30, 8, drv[q].used);
		reg(0x1c, 2, 1);
	}
	reg(0x14, 1, 15);
}

static void bring_up(u64 features)
{
	open_registers();
	if (echo->vdev.legacy)
		bring_up_legacy(features);
	else
		bring_up_modern(features);
	turn();
}

static void kick(unsigned int q)
{
	if (echo->vdev.legacy)
		reg(16, 2, q);
	else
		reg(0x3000 + 4 * q, 2, q);
	turn();
}

static void step(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1), off, size, q;
	enum io_space space;
	u64 addr;

	switch (op % 12) {
	case 0:
	case 1:
		size = take_size(in);
		off = (unsigned int)take(in, 2) & 0x7fff;
		space = regs_space();
		reg(off & (space == IO_PORT ? 0x3f : 0x7fff), space == IO_PORT && size == 8 ? 4 : size, take(in, size));
		break;
	case 2:
		size = take_size(in);
		addr = bar(op & 0x80 ? 1 : 0) + (take(in, 2) & 0x7fff);
		rig_read(vm, op & 0x40 ? IO_PORT : IO_MMIO, addr, size);
		break;
	case 3:
		size = take_size(in) & 7;
		size = size ? size : 4;
		cfg_write(vm, (unsigned int)take(in, 1) & ~(size - 1), size, (u32)take(in, size));
		break;
	case 4:
		size = take_size(in) & 7;
		size = size ? size : 4;
		cfg_read(vm, (unsigned int)take(in, 1) & ~(size - 1), size);
		break;
	case 5:		/* anywhere in the rings' memory */
		size = take_size(in);
		off = (unsigned int)take(in, 3) % (0x60000 - 8);
		addr = take(in, size);
		memcpy(at(vm, RAM_BASE + off), &addr, size);
		break;
	case 6:
		bring_up(take(in, 8));
		break;
	case 7:
		drv_add(&drv[op >> 7], (u8)take(in, 1), (u32)take(in, 1));
		break;
	case 8:
		q = (unsigned int)take(in, 1) & 3;
		kick(q);
		break;
	case 9:
		save_and_load(vm, in, false);
		break;
	case 10:
		save_and_load(vm, in, true);
		break;
	case 11:
		devices_stop(vm);
		if (op & 0x80)
			devices_reset(vm);
		devices_start(vm);
		break;
	}
	if (op & 0x10)
		turn();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int kind, i;

	log_set_level(LOG_ERROR);
	kind = (unsigned int)take(&in, 1);
	vm = rig_pci_vm(kind & 1 ? VIRTIO_PCI_LEGACY : VIRTIO_PCI_MODERN, false);
	vm->cfg.virtio_packed = kind & 2;
	vm->cfg.virtio_in_order = kind & 4;
	rig.ioeventfd_error = kind & 8 ? -EEXIST : 0;
	echo = echo_create(vm);
	for (i = 0; i < ECHO_QUEUES; i++)
		drv_init(&drv[i], vm, i, ECHO_SIZE);
	if (pci_assign_bars(vm->pci, NULL) < 0)
		abort();
	devices_start(vm);
	for (i = 0; i < 200 && in.left; i++)
		step(&in);

	bring_up(0);
	drv_add(&drv[0], 1, 1);
	kick(0);
	if (drv_used(&drv[0]) != 1)
		abort();
	devices_stop(vm);
	if (rig_ioeventfds())
		abort();
	rig_pci_vm_free(vm);
	return 0;
}
