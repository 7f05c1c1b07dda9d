/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bus, wires, a timer and a VM that notes what is asked of it, for tests of the small chips.
 */
#ifndef TESTS_HW_HW_FAKE_H
#define TESTS_HW_HW_FAKE_H

#include "tests/tap.h"

#include <errno.h>
#include <stdarg.h>

#include "vmm/hw.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum { FAKE_WIRES = 16, FAKE_REGIONS = 8 };

struct irq_line { bool level, taken; unsigned int changes; };

static struct vm vm;
static struct irq_line wire[FAKE_WIRES];
static struct io_region *region[FAKE_REGIONS];
static unsigned int regions, map_fails_at;	/* the n-th mapping from now on, 0: none */

/* What the VM was asked. */
static struct { unsigned int count; enum vm_exit_cause cause; int status; } asked;
static struct { unsigned int count; enum vm_event_kind kind; unsigned int value; } told;
static unsigned int panics;

int irq_line_get(struct vm *v, u32 gsi, struct irq_line **ret)
{
	if (gsi >= FAKE_WIRES)
		return -EINVAL;
	wire[gsi].taken = true;
	*ret = &wire[gsi];
	return 0;
}

void irq_line_put(struct irq_line *l)
{
	if (l)
		*l = (struct irq_line){ .level = false };
}

void irq_line_set(struct irq_line *l, bool level)
{
	l->changes += l->level != level;
	l->level = level;
}

int io_map_region(struct vm *v, struct io_region *r, enum io_space space, u64 base, u64 size, const struct io_ops *ops,
		  const char *name)
{
	if (map_fails_at && !--map_fails_at)
		return -ENOMEM;
	if (regions == FAKE_REGIONS)
		abort();
	r->space = space;
	r->base = base;
	r->size = size;
	r->ops = ops;
	r->mapped = true;
	region[regions++] = r;
	return 0;
}

void io_unmap_region(struct vm *v, struct io_region *r)
{
	unsigned int i;

	if (!r->mapped)
		return;
	r->mapped = false;
	for (i = 0; region[i] != r; i++)
		;
	region[i] = region[--regions];
}

void vm_request_exit(struct vm *v, enum vm_exit_cause cause, int status, const char *fmt, ...)
{
	asked.count++;
	asked.cause = cause;
	asked.status = status;
}

void vm_emit(struct vm *v, enum vm_event_kind kind, unsigned int value, const char *text)
{
	told.count++;
	told.kind = kind;
	told.value = value;
}

void vm_guest_panicked(struct vm *v, const char *how)
{
	panics++;
}

/* --- the guest's side --- */

static inline struct io_region *at(u64 addr, unsigned int size)
{
	unsigned int i;

	for (i = 0; i < regions; i++)
		if (addr >= region[i]->base && addr - region[i]->base < region[i]->size && region[i]->ops->sizes & size)
			return region[i];
	printf("# nothing takes %u bytes at 0x%llx\n", size, (unsigned long long)addr);
	abort();
}

static inline u64 in_n(u64 addr, unsigned int size)
{
	struct io_region *r = at(addr, size);

	return r->ops->read(r, addr - r->base, size);
}

static inline void out_n(u64 addr, u64 val, unsigned int size)
{
	struct io_region *r = at(addr, size);

	r->ops->write(r, addr - r->base, val, size);
}

static inline u8 in(u64 addr) { return (u8)in_n(addr, 1); }
static inline void out(u64 addr, u8 val) { out_n(addr, val, 1); }

/* --- the VM's side --- */

static inline void fake_vm(void)
{
	memset(&vm, 0, sizeof(vm));
	memset(wire, 0, sizeof(wire));
	memset(&asked, 0, sizeof(asked));
	memset(&told, 0, sizeof(told));
	list_init(&vm.devices);
	regions = panics = map_fails_at = 0;
}

/* The newest device. */
static inline struct device *dev(void)
{
	return list_entry(vm.devices.prev, struct device, node);
}

static inline void dev_reset(void) { dev()->ops->reset(dev()); }
static inline void dev_save(struct state_writer *w)
{
	*w = (struct state_writer){ .open = false };
	if (dev()->ops->save(dev(), w, NULL) < 0)
		abort();
}

static inline int dev_load(const void *p, size_t len)
{
	struct state_reader r;

	state_reader_init(&r, p, len);
	return dev()->ops->load(dev(), &r);
}

/* Every stream that is too short is refused; each is copied so that ASan sees a read past its end. */
static inline bool truncations_refused(void)
{
	struct state_writer w;
	bool ok = true;
	size_t len;
	char *copy;

	dev_save(&w);
	for (len = 0; len < w.buf.len; len++) {
		copy = malloc(len ? len : 1);
		memcpy(copy, w.buf.s, len);
		ok = ok && dev_load(copy, len) < 0;
		free(copy);
	}
	state_writer_free(&w);
	return ok;
}

/* No wire held, no region mapped, no device. */
static inline bool nothing_left(void)
{
	unsigned int i;

	for (i = 0; i < FAKE_WIRES; i++)
		if (wire[i].taken)
			return false;
	return !regions && list_empty(&vm.devices);
}

#endif
