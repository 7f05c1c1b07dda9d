/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The root bus: ECAM [pcie-4.0 7.2.2], configuration mechanism #1 [pci-3.0 3.2.2.3.2], the host bridge function 00.0,
 * and the part of firmware that gives BARs their first addresses.
 *
 * Absent functions. A read of a function that is not there gives ones and costs an exit. The first one has KVM
 * map a read-only slot of ones over the whole gap of absent functions around it on its bus, if KVM has
 * read-only slots: the rest of the guest's scan does not leave the guest, and a run that never looks pays
 * nothing. All gaps show the same 64 KiB of memory. On a host with the module lkvm_ones, whose mappings may be of any size, the further buses,
 * on which there is nothing, are one gap. Writes to them still exit and are dropped. pci_plug() takes
 * the slot away that covers the new function; the next read maps what is left of it.
 *
 * The bridge's id is 1b36:0008, the generic PCIe host bridge of Red Hat's range: no driver binds to it and no
 * guest has quirks for it. It has no BARs.
 *
 * Left out on purpose: further buses (they are in the ECAM window and read ones), 4-bit extended register numbers in
 * CONFIG_ADDRESS.
 *
 * Threads: config accesses on vCPU threads, serialised by host->lock; the rest on the main thread.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "pci-internal.h"
#include "uapi/lkvm/ones.h"
#include "util/endian.h"
#include "vmm/memslot.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	CF8_PORT = 0xcf8,
	CF8_DATA = 0xcfc,
	CF8_ENABLE = 0x80000000,
	CF8_BITS = 0x80fffffc,		/* what can be written; the rest reads 0 */

	ECAM_BUS_SHIFT = 20,
	ECAM_FUNCTION_SHIFT = 12,

	ONES_FILE_SIZE = 64 * 1024,
	ONES_SIZE = 1024 * 1024,	/* one bus */
};

/* --- all-ones slots --- */

static int fill_ones(int fd)
{
	u8 page[4096];
	unsigned int off;

	memset(page, 0xff, sizeof(page));
	for (off = 0; off < ONES_FILE_SIZE; off += sizeof(page))
		if (pwrite(fd, page, sizeof(page), off) != (ssize_t)sizeof(page))
			return -EIO;
	return 0;
}

/* ONES_SIZE bytes of ones in ONES_FILE_SIZE bytes of memory, or NULL. */
static void *ones_create(void)
{
	AUTO_CLOSE int fd = memfd_create("lkvm-ones", MFD_CLOEXEC);
	unsigned int off;
	u8 *p;

	if (fd < 0 || fill_ones(fd) < 0)
		return NULL;
	p = mmap(NULL, ONES_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	for (off = 0; off < ONES_SIZE; off += ONES_FILE_SIZE) {
		if (mmap(p + off, ONES_FILE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
			munmap(p, ONES_SIZE);
			return NULL;
		}
	}
	return p;
}

static u64 ecam_size(const struct pci_host *host)
{
	return (u64)host->cfg.ecam_buses << ECAM_BUS_SHIFT;
}

/* Ones for the whole window by the module, if this host has it. While files can still be opened: before vCPUs run. */
static void ones_from_module(struct pci_host *host)
{
	AUTO_CLOSE int fd = open(LKVM_ONES_PATH, O_RDONLY | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, ecam_size(host), PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (p == MAP_FAILED)
		return;
	host->ones = p;
	host->ones_size = ecam_size(host);
	log_debug(host->dev.name, LKVM_ONES_PATH " is what absent functions read");
}

/* Called once. */
static bool holes_init_locked(struct pci_host *host)
{
	/* at most every other function of bus 0, and one slot for each other bus */
	unsigned int room = PCI_FUNCTIONS / 2 + host->cfg.ecam_buses;

	if (vm_check_cap(host->dev.vm, KVM_CAP_READONLY_MEM) <= 0)
		return false;
	host->hole = calloc(room, sizeof(*host->hole));
	if (!host->hole)
		return false;
	host->room = room;
	if (!host->ones) {
		host->ones = ones_create();
		host->ones_size = ONES_SIZE;
	}
	return host->ones != NULL;
}

static struct pci_hole *hole_at_locked(struct pci_host *host, u8 bus, unsigned int devfn)
{
	unsigned int i;

	for (i = 0; i < host->nr_holes; i++)
		if (bus >= host->hole[i].bus && bus <= host->hole[i].last_bus && devfn >= host->hole[i].first && devfn <= host->hole[i].last)
			return &host->hole[i];
	return NULL;
}

static bool absent_locked(struct pci_host *host, u8 bus, unsigned int devfn)
{
	return devfn < PCI_FUNCTIONS && (bus || !host->fn[devfn]) && !hole_at_locked(host, bus, devfn);
}

static void hole_add_locked(struct pci_host *host, u8 bus, u8 devfn)
{
	unsigned int first = devfn, last = devfn, last_bus = bus;
	u64 off, size;
	int slot;

	if (host->holes_off || hole_at_locked(host, bus, devfn))	/* another vCPU was faster */
		return;
	if (!host->hole && !holes_init_locked(host)) {
		host->holes_off = true;
		return;
	}
	if (host->nr_holes == host->room)
		return;
	while (first && absent_locked(host, bus, first - 1))
		first--;
	while (absent_locked(host, bus, last + 1))
		last++;
	if (bus && host->ones_size > ONES_SIZE) {
		bus = 1;
		last_bus = host->cfg.ecam_buses - 1;
	}
	off = ((u64)bus << ECAM_BUS_SHIFT) + ((u64)first << ECAM_FUNCTION_SHIFT);
	size = ((u64)(last_bus - bus) << ECAM_BUS_SHIFT) + ((u64)(last - first + 1) << ECAM_FUNCTION_SHIFT);
	/* At the same place in both, as far as that goes, so that KVM can map it by large pages. */
	slot = memslot_add(host->dev.vm, host->cfg.ecam_base + off, size, (u8 *)host->ones + (host->ones_size > ONES_SIZE ? off : 0),
			   MEMSLOT_READONLY);
	if (slot < 0) {
		host->holes_off = true;		/* as before, only slower */
		log_debug(host->dev.name, "no read-only slot for absent functions: %s", strerror(-slot));
		return;
	}
	host->hole[host->nr_holes++] = (struct pci_hole){ bus, (u8)last_bus, (u8)first, (u8)last, slot };
}

void pci_host_unhole_locked(struct pci_host *host, u8 devfn)
{
	struct pci_hole *hole = hole_at_locked(host, 0, devfn);

	if (!hole)
		return;
	memslot_del(host->dev.vm, hole->slot);
	*hole = host->hole[--host->nr_holes];
}

/* --- config access --- */

/* Inside the function's 4 KiB, and aligned: then it is also inside a dword. */
static bool access_ok(unsigned int off, unsigned int size)
{
	return (size == 1 || size == 2 || size == 4) && off < PCIE_CONFIG_SIZE && is_aligned(off, size);
}

static struct pci_dev *function_locked(struct pci_host *host, u8 bus, u8 devfn)
{
	return bus ? NULL : host->fn[devfn];
}

u32 pci_config_read(struct pci_host *host, u8 bus, u8 devfn, unsigned int off, unsigned int size)
{
	struct pci_dev *pdev;
	u32 val = (u32)ones(size);

	if (!access_ok(off, size))
		return val;
	pthread_mutex_lock(&host->lock);
	pdev = function_locked(host, bus, devfn);
	if (pdev)
		val = pci_dev_config_read_locked(pdev, off, size);
	pthread_mutex_unlock(&host->lock);
	return val;
}

void pci_config_write(struct pci_host *host, u8 bus, u8 devfn, unsigned int off, unsigned int size, u32 val)
{
	struct pci_dev *pdev;

	if (!access_ok(off, size))
		return;
	pthread_mutex_lock(&host->lock);
	pdev = function_locked(host, bus, devfn);
	if (pdev)
		pci_dev_config_write_locked(pdev, off, size, val);
	pthread_mutex_unlock(&host->lock);
}

static u64 ecam_read(struct io_region *r, u64 off, unsigned int size)
{
	struct pci_host *host = container_of(r, struct pci_host, ecam);
	u8 bus = (u8)(off >> ECAM_BUS_SHIFT), devfn = (u8)(off >> ECAM_FUNCTION_SHIFT);
	struct pci_dev *pdev;
	u32 val = (u32)ones(size);

	pthread_mutex_lock(&host->lock);
	pdev = function_locked(host, bus, devfn);
	if (pdev)
		val = pci_dev_config_read_locked(pdev, off % PCIE_CONFIG_SIZE, size);
	else
		hole_add_locked(host, bus, devfn);
	pthread_mutex_unlock(&host->lock);
	return val;
}

static void ecam_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pci_host *host = container_of(r, struct pci_host, ecam);

	pci_config_write(host, (u8)(off >> ECAM_BUS_SHIFT), (u8)(off >> ECAM_FUNCTION_SHIFT), off % PCIE_CONFIG_SIZE,
			 size, (u32)val);
}

static const struct io_ops ecam_io = { .read = ecam_read, .write = ecam_write, .sizes = 1 | 2 | 4 };

static u64 address_read(struct io_region *r, u64 off, unsigned int size)
{
	struct pci_host *host = container_of(r, struct pci_host, config_address);
	u32 val;

	pthread_mutex_lock(&host->lock);
	val = host->cf8;
	pthread_mutex_unlock(&host->lock);
	return val;
}

static void address_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pci_host *host = container_of(r, struct pci_host, config_address);

	pthread_mutex_lock(&host->lock);
	host->cf8 = (u32)val & CF8_BITS;
	pthread_mutex_unlock(&host->lock);
}

/* Bytes and words are not for CONFIG_ADDRESS; with nobody else there they read ones. */
static const struct io_ops address_io = { .read = address_read, .write = address_write, .sizes = 4 };

static u32 cf8_get(struct pci_host *host)
{
	u32 cf8;

	pthread_mutex_lock(&host->lock);
	cf8 = host->cf8;
	pthread_mutex_unlock(&host->lock);
	return cf8;
}

static u64 data_read(struct io_region *r, u64 off, unsigned int size)
{
	struct pci_host *host = container_of(r, struct pci_host, config_data);
	u32 cf8 = cf8_get(host);

	if (!(cf8 & CF8_ENABLE))
		return ones(size);
	return pci_config_read(host, (u8)(cf8 >> 16), (u8)(cf8 >> 8), (cf8 & 0xfc) + (unsigned int)off, size);
}

static void data_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pci_host *host = container_of(r, struct pci_host, config_data);
	u32 cf8 = cf8_get(host);

	if (cf8 & CF8_ENABLE)
		pci_config_write(host, (u8)(cf8 >> 16), (u8)(cf8 >> 8), (cf8 & 0xfc) + (unsigned int)off, size,
				 (u32)val);
}

static const struct io_ops data_io = { .read = data_read, .write = data_write, .sizes = 1 | 2 | 4 };

struct pci_dev *pci_find(struct pci_host *host, u8 devfn)
{
	struct pci_dev *pdev;

	pthread_mutex_lock(&host->lock);
	pdev = host->fn[devfn];
	pthread_mutex_unlock(&host->lock);
	return pdev;
}

const struct pci_host_config *pci_host_config(const struct pci_host *host)
{
	return &host->cfg;
}

/* --- firmware's part --- */

struct wanted {
	struct pci_dev *pdev;
	unsigned int bar;
	u64 addr;
};

struct allocator {
	u64 next, end;
};

static struct allocator allocator_of(const struct pci_window *w, u64 from)
{
	return (struct allocator){ w->size ? MAX(w->base, from) : 0, w->size ? w->base + w->size : 0 };
}

/* 0: no room. Address 0 is never given. */
static u64 allocate(struct allocator *a, u64 size, u64 align)
{
	u64 at = align_up(a->next ? a->next : 1, align);

	if (at < a->next || at >= a->end || size > a->end - at)
		return 0;
	a->next = at + size;
	return at;
}

/* Largest first leaves no gaps: each is aligned to its size. Ties in bus order, so that every run looks the same. */
static int by_size(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	u64 sx = x->pdev->bar[x->bar].size, sy = y->pdev->bar[y->bar].size;

	if (sx != sy)
		return sx < sy ? 1 : -1;
	if (x->pdev->devfn != y->pdev->devfn)
		return x->pdev->devfn < y->pdev->devfn ? -1 : 1;
	return x->bar < y->bar ? -1 : 1;
}

static unsigned int collect_bars(struct pci_host *host, struct wanted *list)
{
	unsigned int fn, bar, n = 0;

	for (fn = 0; fn < PCI_FUNCTIONS; fn++)
		for (bar = 0; host->fn[fn] && bar <= PCI_ROM; bar++)
			if (host->fn[fn]->bar[bar].type)
				list[n++] = (struct wanted){ host->fn[fn], bar, 0 };
	return n;
}

static int place_bars(struct pci_host *host, struct wanted *list, unsigned int n, struct error *err)
{
	const struct pci_host_config *cfg = &host->cfg;
	struct allocator io = allocator_of(&cfg->io, cfg->firmware_io);
	struct allocator mem32 = allocator_of(&cfg->mem32, 0), mem64 = allocator_of(&cfg->mem64, 0);
	const struct pci_bar *b;
	unsigned int i;
	u64 align;

	for (i = 0; i < n; i++) {
		b = &list[i].pdev->bar[list[i].bar];
		align = MAX(b->size, 4 * KIB);	/* no two memory BARs share a page */
		if (b->type == PCI_BAR_IO)
			list[i].addr = allocate(&io, b->size, b->size);
		else if (b->type == PCI_BAR_MEM64 || b->type == PCI_BAR_MEM64_PREFETCH)
			list[i].addr = allocate(&mem64, b->size, align);
		if (b->type != PCI_BAR_IO && !list[i].addr)
			list[i].addr = allocate(&mem32, b->size, align);
		if (!list[i].addr)
			return error_set(err, -ENOSPC, "%s: no room for BAR %u of %llu bytes",
					 pci_dev_name(list[i].pdev), list[i].bar, (unsigned long long)b->size);
	}
	return 0;
}

int pci_assign_bars(struct pci_host *host, struct error *err)
{
	AUTO_FREE struct wanted *list = calloc(PCI_FUNCTIONS * (PCI_BARS + 1), sizeof(*list));
	unsigned int i, n;
	int r;

	if (!list)
		return error_set_errno(err, -ENOMEM, "PCI");
	pthread_mutex_lock(&host->lock);
	n = collect_bars(host, list);
	qsort(list, n, sizeof(*list), by_size);
	r = place_bars(host, list, n, err);
	for (i = 0; r == 0 && i < n; i++)
		pci_bar_set_address_locked(list[i].pdev, list[i].bar, list[i].addr);
	pthread_mutex_unlock(&host->lock);
	return r;
}

/* --- the device --- */

static void host_reset(struct device *dev)
{
	struct pci_host *host = container_of(dev, struct pci_host, dev);

	pci_dev_reset(&host->bridge);
	pthread_mutex_lock(&host->lock);
	host->cf8 = 0;
	pthread_mutex_unlock(&host->lock);
}

/* All-ones slots are no state: they come back with the first read. */
static int host_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct pci_host *host = container_of(dev, struct pci_host, dev);

	state_begin(w, dev->name, 1);
	state_put_u32(w, host->cf8);
	pci_dev_save(&host->bridge, w);
	state_end(w);
	return 0;
}

static int host_load(struct device *dev, struct state_reader *r)
{
	struct pci_host *host = container_of(dev, struct pci_host, dev);
	u32 version, cf8;
	int ret;

	ret = state_open(r, dev->name, 1, &version);
	if (ret < 0)
		return ret;
	cf8 = state_get_u32(r);
	ret = pci_dev_load(&host->bridge, r);
	if (ret < 0)
		return ret;
	ret = state_close(r);
	if (ret < 0)
		return ret;
	host->cf8 = cf8 & CF8_BITS;
	return 0;
}

/* The devices on the bus came later, so they are gone. */
static void host_free(struct device *dev)
{
	struct pci_host *host = container_of(dev, struct pci_host, dev);
	struct vm *vm = dev->vm;

	pci_dev_cleanup(&host->bridge);
	if (host->ecam.mapped)
		io_unmap_region(vm, &host->ecam);
	if (host->config_address.mapped)
		io_unmap_region(vm, &host->config_address);
	if (host->config_data.mapped)
		io_unmap_region(vm, &host->config_data);
	while (host->nr_holes)
		memslot_del(vm, host->hole[--host->nr_holes].slot);
	if (host->ones)
		munmap(host->ones, host->ones_size);
	free(host->hole);
	pthread_mutex_destroy(&host->lock);
	if (vm->pci == host)
		vm->pci = NULL;
	free(host);
}

static const struct device_ops host_ops = {
	.reset = host_reset, .save = host_save, .load = host_load, .free = host_free,
};

static const struct pci_dev_ops bridge_ops = { 0 };

static int map_regions(struct pci_host *host, struct vm *vm)
{
	const struct pci_host_config *cfg = &host->cfg;
	int r = 0;

	if (cfg->ecam_base)
		r = io_map_region(vm, &host->ecam, IO_MMIO, cfg->ecam_base, (u64)cfg->ecam_buses << ECAM_BUS_SHIFT,
				  &ecam_io, "pci-ecam");
	if (r == 0 && cfg->cf8) {
		/* not io_map_region(): sharing 0xcf9 with a reset control register is no overlap to warn of */
		host->config_address.space = IO_PORT;
		host->config_address.name = "pci-config-address";
		r = io_map_add(&vm->io[IO_PORT], &host->config_address, CF8_PORT, 4, &address_io, NULL);
	}
	if (r == 0 && cfg->cf8)
		r = io_map_region(vm, &host->config_data, IO_PORT, CF8_DATA, 4, &data_io, "pci-config-data");
	return r;
}

static void describe(struct pci_host *host)
{
	const struct pci_host_config *cfg = &host->cfg;

	host->dev.kind = DEV_PCI_HOST;
	if (cfg->ecam_base)
		device_describe_io(&host->dev, IO_MMIO, cfg->ecam_base, (u64)cfg->ecam_buses << ECAM_BUS_SHIFT);
	if (cfg->cf8)
		device_describe_io(&host->dev, IO_PORT, CF8_PORT, 8);
}

int pci_host_create(struct vm *vm, const struct pci_host_config *cfg)
{
	static const struct pci_ids ids = {
		.vendor = 0x1b36, .device = 0x0008, .sub_vendor = 0x1b36, .sub_device = 0x0008, .class_code = 0x060000,
	};
	struct pci_host *host = calloc(1, sizeof(*host));
	int r;

	assert(cfg->ecam_buses <= 256 && is_aligned(cfg->ecam_base, BIT(ECAM_BUS_SHIFT)));
	if (!host)
		return -ENOMEM;
	host->cfg = *cfg;
	host->dev.vm = vm;
	pthread_mutex_init(&host->lock, NULL);
	r = pci_dev_init(&host->bridge, &bridge_ops, &ids);
	if (r == 0)
		r = pci_plug(host, &host->bridge, 0);
	if (r == 0)
		r = map_regions(host, vm);
	if (r == 0 && cfg->ecam_base)
		ones_from_module(host);
	if (r < 0) {
		host_free(&host->dev);
		return r;
	}
	device_add(vm, &host->dev, &host_ops, "pci");
	describe(host);
	vm->pci = host;
	return 0;
}
