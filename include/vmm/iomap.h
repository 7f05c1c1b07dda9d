/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bus: from an address in MMIO or port space to the region that answers.
 *
 * A lookup takes no lock. The map is an immutable, sorted, flattened snapshot;
 * a change builds the next one and swaps it in. Every dispatching thread owns
 * an io_reader in which it publishes the map it searches and the region whose
 * handler it runs; a removal waits until no other reader shows that region, so
 * a removed region's handler is never running after io_unmap() returns.
 *
 * Rules for handlers:
 * - Offset and size are inside the region, the size is one of ops->sizes and
 *   the offset is aligned to it. Numbers are in host order.
 * - Only handlers of regions that are never unmapped (PCI config space) may map or unmap.
 * - Nobody holds a lock that a handler takes while unmapping its region.
 * - A handler does not dispatch through the reader it was called by.
 *
 * Regions may overlap: where they do, the one mapped first answers, and when it
 * leaves the next one does. Reads nobody claims give all ones, writes are dropped.
 *
 * An access is cut into the largest aligned pieces that its region takes, lowest address first. Who answers at
 * a piece's first byte gets as much of it as lies inside that region, another region on later bytes or not: a
 * dword at 0xcf8 is CONFIG_ADDRESS though a byte at 0xcf9 may be somebody else's. What is too small or too odd
 * for any size the region takes (a byte of one that takes dwords only) reads ones and is dropped: no handler
 * sees half a register. Nor does a guest while regions come and go: where nobody answers at a first byte, nobody does for as
 * many bytes as were unclaimed at that moment, and a read's pieces stay with the region that answered the first.
 */
#ifndef VMM_IOMAP_H
#define VMM_IOMAP_H

#include <pthread.h>
#include <stdatomic.h>

#include "util/list.h"
#include "util/log.h"
#include "util/types.h"

struct vm;
struct io_region;
struct io_snapshot;

enum io_space { IO_MMIO, IO_PORT, IO_SPACES };

struct io_ops {
	/* vCPU threads (or a bus master's); several at once. */
	u64 (*read)(struct io_region *r, u64 off, unsigned int size);
	void (*write)(struct io_region *r, u64 off, u64 val, unsigned int size);
	unsigned int sizes;	/* mask of access sizes taken whole: 1|2|4|8. Others are cut into pieces that fit */
};

struct io_region {
	struct list_node node;	/* on the map's list while mapped */
	const struct io_ops *ops;
	const char *name;	/* borrowed; for messages */
	u64 base, size;
	enum io_space space;
	bool mapped;
};

struct io_reader {
	_Atomic(struct io_snapshot *) snapshot;
	_Atomic(struct io_region *) region;
	unsigned int last_found;	/* the owner's alone: where its search ended */
	struct list_node node;
};

struct io_map {
	_Atomic(struct io_snapshot *) cur;
	pthread_mutex_t lock;		/* guards the next three and serialises changes */
	struct list_node regions;	/* io_region.node, oldest first */
	unsigned int nr_regions;
	struct io_snapshot *retired;	/* owned: replaced, but a reader may still search them */
	struct list_node readers;	/* io_reader.node; fixed while vCPUs run */
	u64 limit;			/* highest address */
	_Atomic unsigned int waiters;	/* removals that wait for a handler */
	pthread_mutex_t wait_lock;	/* leaf; pairs with wait_cond */
	pthread_cond_t wait_cond;	/* a reader left a region */
	struct log_rate overlaps;
};

int io_map_init(struct io_map *map, u64 limit);
void io_map_free(struct io_map *map);

/* Main thread, while no other thread dispatches through @map. */
void io_reader_add(struct io_map *map, struct io_reader *rd);
void io_reader_del(struct io_map *map, struct io_reader *rd);

/* Whom a new region overlaps, as it was: a copy, for the region may leave any time. */
struct io_overlap {
	char name[24];		/* empty: nobody */
	u64 base;
};

/*
 * Maps @r at [base, base+size). -EINVAL: empty or beyond the space; -EBUSY: @r is mapped;
 * -ENOMEM. @ret_overlap (may be NULL) tells the oldest region it overlaps.
 */
int io_map_add(struct io_map *map, struct io_region *r, u64 base, u64 size, const struct io_ops *ops,
	       struct io_overlap *ret_overlap);
/*
 * After it returns no handler of @r is running, @self's own aside. Not mapped: nothing.
 * @self is the calling thread's own reader when called from a handler, else NULL.
 */
void io_map_del(struct io_map *map, struct io_region *r, struct io_reader *self);

/*
 * One guest access of 1 to 8 bytes at any alignment. False: some byte of it was
 * served by nobody (read as ones, or dropped).
 */
bool io_map_read(struct io_map *map, struct io_reader *rd, u64 addr, unsigned int size, u64 *ret);
bool io_map_write(struct io_map *map, struct io_reader *rd, u64 addr, unsigned int size, u64 val);

/* Shorthands on a VM's own maps, in mmio.c. An overlap is logged as a warning, rate-limited: a guest can cause it. */
int io_map_region(struct vm *vm, struct io_region *r, enum io_space space, u64 base, u64 size,
		  const struct io_ops *ops, const char *name);
void io_unmap_region(struct vm *vm, struct io_region *r);

/* The calling thread's readers, set by the vCPU loop, so that a handler can unmap. NULL elsewhere. */
struct vcpu;
struct vcpu *vcpu_current(void);

/* vCPU exits. @data is KVM's buffer of @len bytes. Any length up to 8. */
void mmio_access(struct vcpu *vcpu, u64 addr, u8 *data, unsigned int len, bool is_write);
/* All 64 KiB of port space at @base in memory, for a machine without port instructions; for the VM's life. Main thread. 0 or -errno. */
int ioport_window_create(struct vm *vm, u64 base);
/* @count transfers of @size bytes each at the same @port. */
void ioport_access(struct vcpu *vcpu, u16 port, u8 *data, unsigned int size, u32 count, bool is_write);

#endif
