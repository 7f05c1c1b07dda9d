/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test device of dev.h behind the real PCI code, or in a slot of virtio-mmio, and buses. KVM is played by lists: lines, messages and ioeventfds are
 * written down, and a guest's write looks for an ioeventfd first, as KVM does.
 */
#ifndef TESTS_VIRTIO_PCI_RIG_H
#define TESTS_VIRTIO_PCI_RIG_H

#include <errno.h>
#include <linux/kvm.h>

#include "tests/virtio/dev.h"
#include "vmm/memslot.h"
#include "vmm/pci.h"

enum { RIG_MEM32 = 0x80000000, RIG_IO = 0x1000, RIG_GSI = 16, RIG_IOEVENTFDS = 64 };
/* Slots of virtio-mmio */
enum { RIG_SLOTS = 0x3000000, RIG_STRIDE = 0x200, RIG_SLOT_GSI = 40, RIG_NR_SLOTS = 6 };

struct irq_line {
	u32 gsi;
};

struct rig_ioeventfd {
	bool used;
	enum io_space space;
	u64 addr;
	unsigned int len;
	bool match;
	u64 data;
	int fd;
};

/* What the VM told "KVM". One VM at a time. */
static struct rig {
	pthread_mutex_t lock;
	bool level;			/* of the line that was set last: most tests have one */
	bool levels[64];		/* of each GSI */
	int irqfd_error;		/* irq_irqfd_add gives it */
	int line_error;			/* irq_line_get gives it */
	unsigned int msis;
	struct msi_msg last_msi;
	struct rig_ioeventfd io[RIG_IOEVENTFDS];
	unsigned int ioeventfd_adds, exits;
	int ioeventfd_error;
	bool any_length;
} rig = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct vcpu *vcpu_current(void)
{
	return NULL;
}

int vm_check_cap(const struct vm *vm, unsigned int cap)
{
	return cap == KVM_CAP_IOEVENTFD_ANY_LENGTH && rig.any_length;
}

int irq_line_get(struct vm *vm, u32 gsi, struct irq_line **ret)
{
	if (rig.line_error)
		return rig.line_error;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->gsi = gsi;
	return *ret ? 0 : -ENOMEM;
}

void irq_line_put(struct irq_line *line)
{
	free(line);
}

void irq_line_set(struct irq_line *line, bool level)
{
	pthread_mutex_lock(&rig.lock);
	rig.level = rig.levels[line->gsi % ARRAY_SIZE(rig.levels)] = level;
	pthread_mutex_unlock(&rig.lock);
}

int irq_msi_send(struct vm *vm, const struct msi_msg *msg)
{
	pthread_mutex_lock(&rig.lock);
	rig.msis++;
	rig.last_msi = *msg;
	pthread_mutex_unlock(&rig.lock);
	return 0;
}

int irq_route_add(struct vm *vm, const struct msi_msg *msg, u32 *ret_gsi)
{
	*ret_gsi = 24;
	return 0;
}

int irq_route_update(struct vm *vm, u32 gsi, const struct msi_msg *msg)
{
	return 0;
}

void irq_route_del(struct vm *vm, u32 gsi)
{
}

int irq_irqfd_add(struct vm *vm, u32 gsi, int fd, int resample_fd)
{
	return rig.irqfd_error;
}

void irq_irqfd_del(struct vm *vm, u32 gsi, int fd)
{
}

int memslot_add(struct vm *vm, gpa_t gpa, u64 size, void *hva, unsigned int flags)
{
	return -ENOSPC;
}

void memslot_del(struct vm *vm, int slot)
{
}

int ioeventfd_add(struct vm *vm, enum io_space space, u64 addr, unsigned int len, bool match, u64 data, int fd)
{
	struct rig_ioeventfd *e, *room = NULL;

	if (rig.ioeventfd_error)
		return rig.ioeventfd_error;
	for (e = rig.io; e < rig.io + RIG_IOEVENTFDS; e++) {
		if (!e->used)
			room = room ? room : e;
		else if (e->space == space && e->addr == addr && (!match || !e->match || e->data == data))
			return -EEXIST;
	}
	if (!room)
		return -ENOSPC;
	*room = (struct rig_ioeventfd){ true, space, addr, len, match, data, fd };
	rig.ioeventfd_adds++;
	return 0;
}

/* KVM wants exactly what was added. */
void ioeventfd_del(struct vm *vm, enum io_space space, u64 addr, unsigned int len, bool match, u64 data, int fd)
{
	struct rig_ioeventfd *e;

	for (e = rig.io; e < rig.io + RIG_IOEVENTFDS; e++) {
		if (e->used && e->space == space && e->addr == addr && e->len == len && e->match == match && e->data == data &&
		    e->fd == fd) {
			e->used = false;
			return;
		}
	}
	abort();
}

static inline unsigned int rig_ioeventfds(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < RIG_IOEVENTFDS; i++)
		n += rig.io[i].used;
	return n;
}

/* --- the guest's accesses --- */

static inline void rig_write(struct vm *vm, enum io_space space, u64 addr, unsigned int size, u64 val)
{
	struct rig_ioeventfd *e;

	for (e = rig.io; e < rig.io + RIG_IOEVENTFDS; e++) {
		if (e->used && e->space == space && e->addr == addr && (!e->len || e->len == size) &&
		    (!e->match || e->data == val)) {
			eventfd_signal(e->fd);
			return;
		}
	}
	rig.exits++;
	io_map_write(&vm->io[space], &vm->main_reader[space], addr, size, val);
}

static inline u64 rig_read(struct vm *vm, enum io_space space, u64 addr, unsigned int size)
{
	u64 val;

	io_map_read(&vm->io[space], &vm->main_reader[space], addr, size, &val);
	return val;
}

enum { RIG_DEVFN = 8 };

static inline u32 cfg_read(struct vm *vm, unsigned int off, unsigned int size)
{
	return pci_config_read(vm->pci, 0, RIG_DEVFN, off, size);
}

static inline void cfg_write(struct vm *vm, unsigned int off, unsigned int size, u32 val)
{
	pci_config_write(vm->pci, 0, RIG_DEVFN, off, size, val);
}

/* The n-th capability @id, or 0. */
static inline unsigned int cfg_cap(struct vm *vm, u8 id, unsigned int n)
{
	unsigned int at, left = 48;

	for (at = cfg_read(vm, 0x34, 1); at && left; at = cfg_read(vm, at + 1, 1), left--)
		if (cfg_read(vm, at, 1) == id && !n--)
			return at;
	return 0;
}

/* The virtio structure capability of @type, or 0. [virtio-1.2 4.1.4] */
static inline unsigned int cfg_virtio_cap(struct vm *vm, u8 type)
{
	unsigned int at, n;

	for (n = 0; (at = cfg_cap(vm, 9, n)); n++)
		if (cfg_read(vm, at + 3, 1) == type)
			return at;
	return 0;
}

/* --- the VM --- */

static inline struct vm *rig_pci_vm(enum virtio_transport_kind kind, bool threaded)
{
	static const struct pci_host_config host = {
		.io = { RIG_IO, 0xe000 }, .mem32 = { RIG_MEM32, 0x10000000 }, .mem64 = { 1ULL << 38, 1ULL << 36 },
		.intx_gsi = { RIG_GSI, 17, 18, 19, 20, 21, 22, 23 }, .firmware_io = RIG_IO,
	};
	struct vm *vm = malloc(sizeof(*vm));
	int s;

	if (!vm)
		abort();
	memset((char *)&rig + sizeof(rig.lock), 0, sizeof(rig) - sizeof(rig.lock));
	rig.any_length = true;
	rig_vm(vm, threaded);
	vm->cfg.virtio_transport = kind;
	vm->virtio_mmio = (struct virtio_mmio_slots){
		.base = RIG_SLOTS, .stride = RIG_STRIDE, .gsi = RIG_SLOT_GSI, .nr = RIG_NR_SLOTS,
	};
	for (s = 0; s < IO_SPACES; s++) {
		if (io_map_init(&vm->io[s], s == IO_PORT ? 0xffff : ~0ULL) < 0)
			abort();
		io_reader_add(&vm->io[s], &vm->main_reader[s]);
	}
	if (pci_host_create(vm, &host) < 0)
		abort();
	return vm;
}

static inline void rig_pci_vm_free(struct vm *vm)
{
	int s;

	devices_stop(vm);
	devices_free(vm);
	for (s = 0; s < IO_SPACES; s++) {
		io_reader_del(&vm->io[s], &vm->main_reader[s]);
		io_map_free(&vm->io[s]);
	}
	rig_vm_free(vm);
	free(vm);
}

#endif
