/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port I/O exits: from a port to an io_region; nothing else. [Documentation/virt/kvm/api 5 KVM_EXIT_IO]
 *
 * A string instruction is one exit with several transfers at the same port, in order; KVM bounds them by the page
 * that holds the data. Only x86 has these exits; elsewhere ports are a window in memory, for PCI. [pci-3.0 3.2.2]
 *
 * Threads: vCPU threads; the window is made by the main thread.
 */
#include "util/endian.h"
#include "vmm/iomap.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

void ioport_access(struct vcpu *vcpu, u16 port, u8 *data, unsigned int size, u32 count, bool is_write)
{
	struct io_map *map = &vcpu->vm->io[IO_PORT];
	struct io_reader *rd = &vcpu->reader[IO_PORT];
	u64 val;

	for (; count; count--, data += size) {
		if (is_write) {
			io_map_write(map, rd, port, size, get_le(data, size));
		} else {
			io_map_read(map, rd, port, size, &val);
			put_le(data, size, val);
		}
	}
}

static struct io_reader *port_reader(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_current();

	return vcpu ? &vcpu->reader[IO_PORT] : &vm->main_reader[IO_PORT];
}

static u64 window_read(struct io_region *r, u64 off, unsigned int size)
{
	struct vm *vm = container_of(r, struct vm, port_window);
	u64 val;

	io_map_read(&vm->io[IO_PORT], port_reader(vm), off, size, &val);
	return val;
}

static void window_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct vm *vm = container_of(r, struct vm, port_window);

	io_map_write(&vm->io[IO_PORT], port_reader(vm), off, size, val);
}

int ioport_window_create(struct vm *vm, u64 base)
{
	static const struct io_ops window = { .read = window_read, .write = window_write, .sizes = 1 | 2 | 4 };

	return io_map_region(vm, &vm->port_window, IO_MMIO, base, 0x10000, &window, "ports");
}
