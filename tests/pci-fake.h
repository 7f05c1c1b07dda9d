/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM around the PCI code without KVM: interrupt lines, messages, routes, irqfds and slots are written down, buses
 * are real, and a test device has a register bank behind each BAR. For the pci*-test.c files, one each.
 */
#ifndef TESTS_PCI_FAKE_H
#define TESTS_PCI_FAKE_H

#include <errno.h>
#include <pthread.h>

#include <linux/kvm.h>

#include "tap.h"
#include "util/endian.h"
#include "util/log.h"
#include "vmm/memslot.h"
#include "vmm/pci.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	ECAM = 0x70000000,
	MEM32 = 0x80000000,
	MEM32_SIZE = 0x40000000,
	IO_BASE = 0x1000,
	IO_SIZE = 0xf000,
	FAKE_GSIS = 24,
	FAKE_ROUTES = 4,	/* GSIs 24..27, and more where a test asks for it */
	FAKE_ROUTES_MAX = 256,
	FAKE_SLOTS = 300,
};

#define MEM64 0x4000000000ULL
#define MEM64_SIZE 0x4000000000ULL

struct irq_line {
	u32 gsi;
	bool level;
};

static struct fake {
	pthread_mutex_t lock;
	bool level[FAKE_GSIS];		/* of the last line set */
	unsigned int lines, sets;
	struct msi_msg msg[64];		/* sent, newest last */
	unsigned int msgs;
	struct { bool used; struct msi_msg msg; int fd; } route[FAKE_ROUTES_MAX];
	unsigned int more_routes;
	struct { bool joined; int fd, resample; } pin[FAKE_GSIS];	/* irqfds of lines */
	bool no_resample;
	bool no_msi;		/* the machine takes none */
	u64 refused_addr;		/* KVM takes no route there */
	int route_error;		/* irq_route_update gives it */
	int irqfd_error;		/* irq_irqfd_add gives it */
	struct { bool used; gpa_t gpa; u64 size; const u8 *hva; unsigned int flags; } slot[FAKE_SLOTS];
	unsigned int slot_adds, slot_dels;
	int slot_error;			/* memslot_add gives it */
	bool no_readonly;
	bool writable_slots;		/* the test has such */
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct vcpu *fake_current;

struct vcpu *vcpu_current(void)
{
	return fake_current;
}

int vm_check_cap(const struct vm *vm, unsigned int cap)
{
	return (cap == KVM_CAP_READONLY_MEM && !fake.no_readonly) || (cap == KVM_CAP_IRQFD_RESAMPLE && !fake.no_resample);
}

int irq_line_get(struct vm *vm, u32 gsi, struct irq_line **ret)
{
	if (gsi >= FAKE_GSIS)
		return -EINVAL;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->gsi = gsi;
	fake.lines++;
	return 0;
}

void irq_line_put(struct irq_line *line)
{
	if (!line)
		return;
	fake.level[line->gsi] = false;
	fake.lines--;
	free(line);
}

void irq_line_set(struct irq_line *line, bool level)
{
	pthread_mutex_lock(&fake.lock);
	fake.level[line->gsi] = level;
	fake.sets++;
	pthread_mutex_unlock(&fake.lock);
}

int irq_msi_send(struct vm *vm, const struct msi_msg *msg)
{
	pthread_mutex_lock(&fake.lock);
	if (fake.msgs < ARRAY_SIZE(fake.msg))
		fake.msg[fake.msgs] = *msg;
	fake.msgs++;
	pthread_mutex_unlock(&fake.lock);
	return 0;
}

int irq_route_add(struct vm *vm, const struct msi_msg *msg, u32 *ret_gsi)
{
	u32 i;

	if (fake.refused_addr && msg->addr == fake.refused_addr)
		return -EINVAL;
	for (i = 0; i < FAKE_ROUTES + fake.more_routes; i++) {
		if (fake.route[i].used)
			continue;
		fake.route[i].used = true;
		fake.route[i].msg = *msg;
		fake.route[i].fd = -1;
		*ret_gsi = FAKE_GSIS + i;
		return 0;
	}
	return -ENOSPC;
}

int irq_route_update(struct vm *vm, u32 gsi, const struct msi_msg *msg)
{
	if (fake.refused_addr && msg->addr == fake.refused_addr)
		return -EINVAL;
	if (fake.route_error)
		return fake.route_error;
	fake.route[gsi - FAKE_GSIS].msg = *msg;
	return 0;
}

void irq_route_del(struct vm *vm, u32 gsi)
{
	fake.route[gsi - FAKE_GSIS].used = false;
}

int irq_irqfd_add(struct vm *vm, u32 gsi, int fd, int resample_fd)
{
	if (fake.irqfd_error)
		return fake.irqfd_error;
	if (gsi < FAKE_GSIS) {
		if (fake.pin[gsi].joined)
			return -EBUSY;
		fake.pin[gsi].joined = true;
		fake.pin[gsi].fd = fd;
		fake.pin[gsi].resample = resample_fd;
		return 0;
	}
	fake.route[gsi - FAKE_GSIS].fd = fd;
	return 0;
}

void irq_irqfd_del(struct vm *vm, u32 gsi, int fd)
{
	if (gsi < FAKE_GSIS)
		fake.pin[gsi].joined = false;
	else if (fake.route[gsi - FAKE_GSIS].fd == fd)
		fake.route[gsi - FAKE_GSIS].fd = -1;
}

static int fake_slot_add_locked(gpa_t gpa, u64 size, const void *hva)
{
	int i;

	for (i = 0; i < FAKE_SLOTS; i++)
		if (fake.slot[i].used && gpa < fake.slot[i].gpa + fake.slot[i].size && fake.slot[i].gpa < gpa + size)
			return -EEXIST;
	for (i = 0; i < FAKE_SLOTS && fake.slot[i].used; i++)
		;
	if (i == FAKE_SLOTS)
		return -ENOSPC;
	fake.slot[i].used = true;
	fake.slot[i].gpa = gpa;
	fake.slot[i].size = size;
	fake.slot[i].hva = hva;
	fake.slot_adds++;
	return i;
}

int memslot_add(struct vm *vm, gpa_t gpa, u64 size, void *hva, unsigned int flags)
{
	int r;

	if (fake.slot_error)
		return fake.slot_error;
	if (flags != MEMSLOT_READONLY && !fake.writable_slots)
		return -EINVAL;
	pthread_mutex_lock(&fake.lock);
	r = fake_slot_add_locked(gpa, size, hva);
	if (r >= 0)
		fake.slot[r].flags = flags;
	pthread_mutex_unlock(&fake.lock);
	return r;
}

void memslot_del(struct vm *vm, int slot)
{
	pthread_mutex_lock(&fake.lock);
	fake.slot[slot].used = false;
	fake.slot_dels++;
	pthread_mutex_unlock(&fake.lock);
}

/* --- the VM --- */

enum { FAKE_VCPUS = 8 };

struct fake_vm {
	struct vm vm;
	struct vcpu vcpu[FAKE_VCPUS];
};

static const struct pci_host_config fake_host_config = {
	.ecam_base = ECAM, .ecam_buses = 4, .cf8 = true,
	.io = { IO_BASE, IO_SIZE }, .mem32 = { MEM32, MEM32_SIZE }, .mem64 = { MEM64, MEM64_SIZE },
	.intx_gsi = { 16, 17, 18, 19, 20, 21, 22, 23 },
	.intx_line = { 10, 11, 5, 9, 10, 11, 5, 9 },
	.firmware_io = 0x2000,
};

static struct vm *fake_vm_with(const struct pci_host_config *cfg)
{
	struct fake_vm *f = calloc(1, sizeof(*f));
	unsigned int i, s;

	pthread_mutex_lock(&fake.lock);
	memset((char *)&fake + sizeof(fake.lock), 0, sizeof(fake) - sizeof(fake.lock));
	pthread_mutex_unlock(&fake.lock);
	log_set_level(LOG_ERROR);	/* overlaps are part of the tests */
	io_map_init(&f->vm.io[IO_MMIO], ~0ULL);
	io_map_init(&f->vm.io[IO_PORT], 0xffff);
	list_init(&f->vm.devices);
	for (i = 0; i < FAKE_VCPUS; i++) {
		f->vcpu[i].vm = &f->vm;
		for (s = 0; s < IO_SPACES; s++)
			io_reader_add(&f->vm.io[s], &f->vcpu[i].reader[s]);
	}
	f->vm.vcpu = f->vcpu;
	if (cfg && pci_host_create(&f->vm, cfg) < 0)
		abort();
	return &f->vm;
}

UNUSED static struct vm *fake_vm(void)
{
	return fake_vm_with(&fake_host_config);
}

/* The devices of the test must be gone. */
static void fake_vm_free(struct vm *vm)
{
	devices_free(vm);
	io_map_free(&vm->io[IO_MMIO]);
	io_map_free(&vm->io[IO_PORT]);
	free(container_of(vm, struct fake_vm, vm));
}

UNUSED static u64 mem_read(struct vm *vm, u64 addr, unsigned int size)
{
	u64 val = 0;
	u8 data[8];

	mmio_access(&vm->vcpu[0], addr, data, size, false);
	memcpy(&val, data, size);
	return le64toh(val);
}

UNUSED static void mem_write(struct vm *vm, u64 addr, unsigned int size, u64 val)
{
	u8 data[8];

	put_le64(data, val);
	mmio_access(&vm->vcpu[0], addr, data, size, true);
}

UNUSED static u32 port_read(struct vm *vm, u16 port, unsigned int size)
{
	u8 data[4] = { 0 };

	ioport_access(&vm->vcpu[0], port, data, size, 1, false);
	return get_le32(data);
}

UNUSED static void port_write(struct vm *vm, u16 port, unsigned int size, u32 val)
{
	u8 data[4];

	put_le32(data, val);
	ioport_access(&vm->vcpu[0], port, data, size, 1, true);
}

/* --- a device --- */

struct fake_dev {
	struct pci_dev pdev;
	u32 tag;			/* what its BARs read, plus the BAR's number */
	unsigned int activated[PCI_BARS + 1], deactivated[PCI_BARS + 1];
	u64 last_addr[PCI_BARS + 1];
	unsigned int config_writes, vector_changes;
	u32 last_config_val;
	bool override_config;		/* config_read answers 0x12345678 at 0x3c */
};

static u64 fake_bar_read(struct io_region *r, u64 off, unsigned int size)
{
	struct pci_bar *bar = pci_bar_of(r);
	struct fake_dev *d = container_of(bar->pdev, struct fake_dev, pdev);

	return d->tag + (u32)(bar - bar->pdev->bar);
}

static void fake_bar_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
}

UNUSED static const struct io_ops fake_bar_io = {
	.read = fake_bar_read, .write = fake_bar_write, .sizes = 1 | 2 | 4 | 8,
};

static void fake_activated(struct pci_dev *pdev, unsigned int bar)
{
	struct fake_dev *d = container_of(pdev, struct fake_dev, pdev);

	d->activated[bar]++;
	d->last_addr[bar] = pdev->bar[bar].addr;
}

static void fake_deactivating(struct pci_dev *pdev, unsigned int bar)
{
	struct fake_dev *d = container_of(pdev, struct fake_dev, pdev);

	d->deactivated[bar]++;
	if (pdev->bar[bar].addr != d->last_addr[bar])	/* still where it was activated */
		abort();
}

static void fake_config_read(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 *val)
{
	if (container_of(pdev, struct fake_dev, pdev)->override_config && off == 0x3c && size == 4)
		*val = 0x12345678;
}

static void fake_config_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val)
{
	struct fake_dev *d = container_of(pdev, struct fake_dev, pdev);

	d->config_writes++;
	d->last_config_val = val;
}

static void fake_vector_changed(struct pci_dev *pdev, unsigned int vector)
{
	container_of(pdev, struct fake_dev, pdev)->vector_changes++;
}

static const struct pci_dev_ops fake_dev_ops = {
	.bar_activated = fake_activated, .bar_deactivating = fake_deactivating, .config_read = fake_config_read,
	.config_written = fake_config_written, .vector_changed = fake_vector_changed,
};

static const struct pci_ids fake_ids = {
	.vendor = 0x1234, .device = 0x5678, .sub_vendor = 0x9abc, .sub_device = 0xdef0, .class_code = 0x010203,
	.revision = 7, .pin = 1,
};

UNUSED static void fake_dev_init(struct fake_dev *d, u32 tag)
{
	memset(d, 0, sizeof(*d));
	d->tag = tag;
	if (pci_dev_init(&d->pdev, &fake_dev_ops, &fake_ids) < 0)
		abort();
}

#endif
