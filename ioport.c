/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port I/O exits: from a port to an io_region; nothing else. [Documentation/virt/kvm/api 5 KVM_EXIT_IO]
 *
 * A string instruction is one exit with several transfers at the same port, in order; KVM bounds them by the page
 * that holds the data. Only x86 has these exits; elsewhere PCI I/O space is a window in MMIO and this file is idle.
 *
 * Threads: vCPU threads.
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
