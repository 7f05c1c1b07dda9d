/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MMIO exits, and the mapping shorthands of both spaces: from a VM and an address to an io_region; nothing else.
 * [Documentation/virt/kvm/api 5 KVM_EXIT_MMIO]
 *
 * KVM hands over the bytes of the guest's register, little endian on every arch we run; len is what the
 * instruction moved, or the part of it on one page when it crosses two: any number from 1 to 8.
 *
 * Threads: mmio_access() on vCPU threads; mapping on the main thread and, from PCI config handlers, on vCPU threads.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/endian.h"
#include "util/log.h"
#include "vmm/iomap.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

int io_map_region(struct vm *vm, struct io_region *r, enum io_space space, u64 base, u64 size,
		  const struct io_ops *ops, const char *name)
{
	struct io_map *map = &vm->io[space];
	struct io_overlap other;
	int ret;

	if (r->mapped)
		return -EBUSY;
	r->space = space;
	r->name = name;
	ret = io_map_add(map, r, base, size, ops, &other);
	if (ret < 0)
		return ret;
	if (other.name[0])
		log_ratelimited(&map->overlaps, LOG_WARNING, name, "%s 0x%" PRIx64 "+0x%" PRIx64
				" overlaps %s at 0x%" PRIx64 ", which answers where both do",
				space == IO_PORT ? "ports" : "memory", base, size, other.name, other.base);
	return 0;
}

void io_unmap_region(struct vm *vm, struct io_region *r)
{
	struct vcpu *vcpu = vcpu_current();

	io_map_del(&vm->io[r->space], r, vcpu ? &vcpu->reader[r->space] : NULL);
}

void mmio_access(struct vcpu *vcpu, u64 addr, u8 *data, unsigned int len, bool is_write)
{
	struct io_map *map = &vcpu->vm->io[IO_MMIO];
	struct io_reader *rd = &vcpu->reader[IO_MMIO];
	u64 val;

	if (len > 8)		/* kvm_run.mmio.data holds no more */
		len = 8;
	if (is_write) {
		io_map_write(map, rd, addr, len, get_le(data, len));
	} else {
		io_map_read(map, rd, addr, len, &val);
		put_le(data, len, val);
	}
}
