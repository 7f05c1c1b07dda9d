/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * debug-exit: how a guest passes a status to the script that started it. A device of lkvm's own, at the port where
 * users of QEMU put isa-debug-exit (0xf4); Documentation/exit-status.md tells its use.
 *
 * Offset 0, write: ends the run with that status, 123 if it is more. Offset 1, write: a mark, stamped with the time.
 * Reads give 'L' and 'K', so that a driver can tell it from an empty bus. It has no state.
 *
 * Threads: vCPU threads.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/hw.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum { REG_STATUS = 0, REG_MARK = 1, STATUS_MAX = 123, VERSION = 1 };

struct debug_exit {
	struct device dev;
	struct io_region regs;
};

static u64 debug_exit_read(struct io_region *r, u64 off, unsigned int size)
{
	static const u8 id[DEBUG_EXIT_SIZE] = { 'L', 'K' };
	u64 v = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		v |= (u64)id[off + i] << (8 * i);
	return v;
}

static void debug_exit_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct vm *vm = container_of(r, struct debug_exit, regs)->dev.vm;

	if (off == REG_STATUS)
		vm_request_exit(vm, VM_EXIT_STATUS, (int)MIN(val, (u64)STATUS_MAX), "debug-exit");
	else if (off == REG_MARK && size == 1)
		vm_emit(vm, VM_EVENT_MARK, (unsigned int)val, NULL);
}

static const struct io_ops debug_exit_io = { .read = debug_exit_read, .write = debug_exit_write, .sizes = 1 | 2 | 4 };

static int debug_exit_save(struct device *dev, struct state_writer *w, struct error *err)
{
	state_begin(w, dev->name, VERSION);
	state_end(w);
	return 0;
}

static int debug_exit_load(struct device *dev, struct state_reader *r)
{
	u32 version;
	int ret = state_open(r, dev->name, VERSION, &version);

	return ret < 0 ? ret : state_close(r);
}

static void debug_exit_free(struct device *dev)
{
	struct debug_exit *d = container_of(dev, struct debug_exit, dev);

	io_unmap_region(dev->vm, &d->regs);
	free(d);
}

static const struct device_ops debug_exit_ops = {
	.save = debug_exit_save, .load = debug_exit_load, .free = debug_exit_free,
};

int debug_exit_create(struct vm *vm, const struct debug_exit_config *cfg)
{
	struct debug_exit *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	r = io_map_region(vm, &d->regs, cfg->space, cfg->base, DEBUG_EXIT_SIZE, &debug_exit_io, "debug-exit");
	if (r < 0) {
		free(d);
		return r;
	}
	d->dev.kind = DEV_DEBUG_EXIT;
	device_describe_io(&d->dev, cfg->space, cfg->base, DEBUG_EXIT_SIZE);
	device_add(vm, &d->dev, &debug_exit_ops, "debug-exit-%s", cfg->space == IO_PORT ? "port" : "mmio");
	return 0;
}
