/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI function: config space as bytes and masks, BARs that the guest moves, the capability list, plugging,
 * state. [pci-3.0 6], [pcie-4.0 7.5] for the PCI Express capability of a root complex integrated endpoint.
 *
 * BARs. What a BAR register says is one thing, whether and where it is decoded another: decode() compares the
 * two after each write to COMMAND or a BAR register and moves the region. A BAR is decoded while its COMMAND
 * bit is set (and the ROM's own enable bit) and it lies in one of the host bridge's windows as a whole. Address
 * 0 is "not programmed". The intermediate addresses of a 64-bit BAR written in two halves, and the all-ones of
 * sizing, are not special: they decode where they point, mostly outside of the windows, so nowhere. Overlaps
 * are the bus's business (iomap.c).
 *
 * A device that has another one behind it (VFIO) hears of COMMAND between the two halves of decode(): what leaves is gone when that other
 * one stops answering, and what comes is not there before it answers.
 *
 * Left out on purpose: BIST, PCI-to-PCI bridges; Power Management and Function Level Reset are the business of devices that have them.
 *
 * Threads: config writes, and so BAR moves, on vCPU threads under the host's lock; the rest on the main thread.
 */
#include "vmm/pci.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pci-internal.h"
#include "util/endian.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum { PCIE_CAP_LEN = 0x3c };

const char *pci_dev_name(const struct pci_dev *pdev)
{
	return pdev->dev.name[0] ? pdev->dev.name : "pci";
}

/* --- making one --- */

void pci_config_set_wmask(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 mask)
{
	put_le(pdev->wmask + off, size, mask);
}

/*
 * [pcie-4.0 7.5.3] Link, Slot and Root registers do not exist on this type and read 0; no FLR, payloads of 128
 * bytes.
 */
static int add_pcie_cap(struct pci_dev *pdev)
{
	int cap = pci_dev_add_cap(pdev, PCI_CAP_ID_EXP, PCIE_CAP_LEN);

	if (cap < 0)
		return cap;
	put_le16(pdev->config + cap + 2, 9 << 4 | 2);		/* integrated endpoint, version 2 */
	put_le32(pdev->config + cap + 4, 1U << 15);		/* Role-Based Error Reporting is required */
	put_le16(pdev->config + cap + 8, 0x2810);		/* relaxed ordering, no snoop, reads of 512 bytes */
	pci_config_set_wmask(pdev, (unsigned int)cap + 8, 2, 0x781f);
	put_le16(pdev->w1c + cap + 10, 0xf);			/* errors detected */
	return 0;
}

int pci_dev_init(struct pci_dev *pdev, const struct pci_dev_ops *ops, const struct pci_ids *ids)
{
	unsigned int size = ids->pcie || ids->extended ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE;
	u8 *c = calloc(4, size);
	int r;

	if (!c)
		return -ENOMEM;
	pdev->config = c;
	pdev->wmask = c + size;
	pdev->w1c = c + 2 * size;
	pdev->initial = c + 3 * size;
	pdev->config_size = size;
	pdev->pops = ops;
	pdev->cap_end = PCI_HEADER_END;
	pdev->cap_used = 0;
	pdev->asleep = false;
	pdev->host = NULL;
	pthread_mutex_init(&pdev->irq_lock, NULL);
	atomic_init(&pdev->intx_asserted, false);

	put_le16(c + PCI_VENDOR_ID, ids->vendor);
	put_le16(c + PCI_DEVICE_ID, ids->device);
	put_le16(c + PCI_SUBSYSTEM_VENDOR_ID, ids->sub_vendor);
	put_le16(c + PCI_SUBSYSTEM_ID, ids->sub_device);
	put_le32(c + PCI_REVISION_ID, ids->class_code << 8 | ids->revision);
	c[PCI_INTERRUPT_PIN] = ids->pin;
	/* IO and MEMORY become writable with the first BAR of that space */
	pci_config_set_wmask(pdev, PCI_COMMAND, 2,
			     PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	put_le16(pdev->w1c + PCI_STATUS, PCI_STATUS_W1C);
	pdev->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
	pdev->wmask[PCI_INTERRUPT_LINE] = 0xff;
	r = ids->pcie ? add_pcie_cap(pdev) : 0;
	if (r < 0)
		pci_dev_cleanup(pdev);
	return r;
}

/* The dwords of [off, off+len), as bits. */
static u64 dwords(unsigned int off, unsigned int len)
{
	u64 n = ((u64)len + off % 4 + 3) / 4;

	return (n < 64 ? BIT_ULL(n) - 1 : ~0ULL) << off / 4;
}

int pci_dev_add_cap_at(struct pci_dev *pdev, unsigned int off, u8 id, unsigned int len)
{
	unsigned int at = PCI_CAPABILITY_LIST;

	if (off < PCI_HEADER_END || off >= PCI_CONFIG_SIZE || !is_aligned(off, 4) || len < 2 || len > PCI_CONFIG_SIZE - off ||
	    (pdev->cap_used & dwords(off, len)))
		return -EINVAL;
	while (pdev->config[at])	/* our own list: the guest cannot write these bytes */
		at = pdev->config[at] + 1U;
	pdev->config[at] = (u8)off;
	pdev->config[off] = id;
	pdev->config[off + 1] = 0;
	pdev->cap_used |= dwords(off, len);
	pdev->cap_end = MAX(pdev->cap_end, off + (unsigned int)align_up(len, 4));
	put_le16(pdev->config + PCI_STATUS, get_le16(pdev->config + PCI_STATUS) | PCI_STATUS_CAP_LIST);
	return (int)off;
}

int pci_dev_add_cap(struct pci_dev *pdev, u8 id, unsigned int len)
{
	int r = pci_dev_add_cap_at(pdev, pdev->cap_end, id, len);

	return r < 0 ? -ENOSPC : r;
}

static bool is_mem64(enum pci_bar_type type)
{
	return type == PCI_BAR_MEM64 || type == PCI_BAR_MEM64_PREFETCH;
}

/* [pci-3.0 6.2.5.1] the type bits of a BAR register */
static u32 bar_type_bits(enum pci_bar_type type)
{
	switch (type) {
	case PCI_BAR_IO:
		return 1;
	case PCI_BAR_MEM64:
		return 4;
	case PCI_BAR_MEM64_PREFETCH:
		return 4 | 8;
	case PCI_BAR_MEM32_PREFETCH:
		return 8;
	default:
		return 0;
	}
}

unsigned int pci_bar_offset(unsigned int bar)
{
	return bar == PCI_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + bar * 4;
}

static bool bar_size_ok(enum pci_bar_type type, u64 size)
{
	if (!is_power_of_two(size))
		return false;
	switch (type) {
	case PCI_BAR_IO:
		return size >= 4 && size <= 64 * KIB;
	case PCI_BAR_ROM:
		return size >= 2 * KIB && size <= 2 * GIB;
	case PCI_BAR_MEM32:
	case PCI_BAR_MEM32_PREFETCH:
		return size >= 16 && size <= 2 * GIB;
	case PCI_BAR_MEM64:
	case PCI_BAR_MEM64_PREFETCH:
		return size >= 16;
	default:
		return false;
	}
}

static bool bar_index_free(const struct pci_dev *pdev, unsigned int bar, enum pci_bar_type type)
{
	if (type == PCI_BAR_ROM || bar >= PCI_BARS)
		return type == PCI_BAR_ROM && bar == PCI_ROM && !pdev->bar[bar].type;
	if (pdev->bar[bar].type || (bar && is_mem64(pdev->bar[bar - 1].type)))
		return false;
	return !is_mem64(type) || (bar + 1 < PCI_BARS && !pdev->bar[bar + 1].type);
}

int pci_dev_add_bar(struct pci_dev *pdev, unsigned int bar, enum pci_bar_type type, u64 size, const struct io_ops *ops)
{
	unsigned int off = pci_bar_offset(bar);
	u64 mask = ~(size - 1);

	if (!bar_size_ok(type, size) || !bar_index_free(pdev, bar, type))
		return -EINVAL;
	pdev->bar[bar] = (struct pci_bar){ .type = type, .size = size, .ops = ops, .pdev = pdev };
	put_le32(pdev->config + off, bar_type_bits(type));
	pci_config_set_wmask(pdev, off, 4, type == PCI_BAR_ROM ? (u32)mask | PCI_ROM_ENABLE : (u32)mask);
	if (is_mem64(type))
		pci_config_set_wmask(pdev, off + 4, 4, (u32)(mask >> 32));
	pdev->wmask[PCI_COMMAND] |= type == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	return 0;
}

/* --- BARs: what the registers say, and what is decoded --- */

static u64 bar_address(const struct pci_dev *pdev, unsigned int bar)
{
	const u8 *reg = pdev->config + pci_bar_offset(bar);

	switch (pdev->bar[bar].type) {
	case PCI_BAR_IO:
		return get_le32(reg) & ~3U;
	case PCI_BAR_ROM:
		return get_le32(reg) & ~0x7ffU;
	case PCI_BAR_MEM64:
	case PCI_BAR_MEM64_PREFETCH:
		return get_le64(reg) & ~0xfULL;
	default:
		return get_le32(reg) & ~0xfU;
	}
}

static void put_bar(u8 *config, const struct pci_dev *pdev, unsigned int bar, u64 addr)
{
	u8 *reg = config + pci_bar_offset(bar);

	put_le32(reg, (u32)addr | bar_type_bits(pdev->bar[bar].type));
	if (is_mem64(pdev->bar[bar].type))
		put_le32(reg + 4, (u32)(addr >> 32));
}

static bool in_window(const struct pci_window *w, u64 addr, u64 size)
{
	return size <= w->size && addr >= w->base && addr - w->base <= w->size - size;
}

static bool bar_decoded(const struct pci_dev *pdev, unsigned int bar, u64 addr)
{
	const struct pci_host_config *cfg = &pdev->host->cfg;
	const struct pci_bar *b = &pdev->bar[bar];
	u16 command = get_le16(pdev->config + PCI_COMMAND);

	if (!addr || pdev->asleep)
		return false;
	if (b->type == PCI_BAR_IO)
		return (command & PCI_COMMAND_IO) && in_window(&cfg->io, addr, b->size);
	if (b->type == PCI_BAR_ROM && !(pdev->config[PCI_ROM_ADDRESS] & PCI_ROM_ENABLE))
		return false;
	return (command & PCI_COMMAND_MEMORY) &&
	       (in_window(&cfg->mem32, addr, b->size) || in_window(&cfg->mem64, addr, b->size));
}

static void bar_deactivate(struct pci_dev *pdev, unsigned int bar)
{
	struct pci_bar *b = &pdev->bar[bar];

	if (pdev->pops->bar_deactivating)
		pdev->pops->bar_deactivating(pdev, bar);
	if (b->ops)
		io_unmap_region(pdev->host->dev.vm, &b->region);
	b->active = false;
}

static void bar_activate(struct pci_dev *pdev, unsigned int bar)
{
	struct pci_bar *b = &pdev->bar[bar];
	int r = 0;

	if (b->ops)
		r = io_map_region(pdev->host->dev.vm, &b->region, b->type == PCI_BAR_IO ? IO_PORT : IO_MMIO, b->addr,
				  b->size, b->ops, pci_dev_name(pdev));
	if (r < 0) {
		log_ratelimited(&pdev->host->rate, LOG_WARNING, pci_dev_name(pdev), "BAR %u at 0x%" PRIx64 ": %s", bar,
				b->addr, strerror(-r));
		return;
	}
	b->active = true;
	if (pdev->pops->bar_activated)
		pdev->pops->bar_activated(pdev, bar);
}

/*
 * Makes what is decoded agree with the registers. All that leave do so before any comes: two BARs of one function
 * may swap places.
 */
static void decode_locked(struct pci_dev *pdev)
{
	bool want[PCI_BARS + 1] = { false };
	unsigned int i;
	u64 addr;

	for (i = 0; i <= PCI_ROM; i++) {
		if (!pdev->bar[i].type)
			continue;
		addr = bar_address(pdev, i);
		want[i] = bar_decoded(pdev, i, addr);
		if (pdev->bar[i].active && (!want[i] || pdev->bar[i].addr != addr))
			bar_deactivate(pdev, i);
		pdev->bar[i].addr = addr;
	}
	if (pdev->pops->decoding)
		pdev->pops->decoding(pdev, get_le16(pdev->config + PCI_COMMAND));
	for (i = 0; i <= PCI_ROM; i++)
		if (want[i] && !pdev->bar[i].active)
			bar_activate(pdev, i);
}

void pci_dev_sleep_locked(struct pci_dev *pdev, bool asleep)
{
	pdev->asleep = asleep;
	decode_locked(pdev);
}

/* What firmware does: it lasts over a reset, as firmware would do the same again. */
void pci_bar_set_address_locked(struct pci_dev *pdev, unsigned int bar, u64 addr)
{
	put_bar(pdev->config, pdev, bar, addr);
	put_bar(pdev->initial, pdev, bar, addr);
	decode_locked(pdev);
}

static void decode_nothing_locked(struct pci_dev *pdev)
{
	unsigned int i;

	for (i = 0; i <= PCI_ROM; i++)
		if (pdev->bar[i].active)
			bar_deactivate(pdev, i);
}

/* --- config space --- */

u32 pci_dev_config_read_locked(struct pci_dev *pdev, unsigned int off, unsigned int size)
{
	u32 val;

	/* extended config space of a conventional function: nobody completes that */
	if (off >= pdev->config_size || size > pdev->config_size - off)
		return (u32)ones(size);
	val = (u32)get_le(pdev->config + off, size);
	/* [pci-3.0 6.2.3] Interrupt Status is the device's state, INTx Disable or not */
	if (pci_touches(off, size, PCI_STATUS, 1) && atomic_load(&pdev->intx_asserted))
		val |= PCI_STATUS_INTERRUPT << (PCI_STATUS - off) * 8;
	pci_msi_config_read(pdev, off, size, &val);
	if (pdev->pops->config_read)
		pdev->pops->config_read(pdev, off, size, &val);
	return val;
}

void pci_dev_config_write_locked(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val)
{
	u32 mask, new;

	if (off >= pdev->config_size || size > pdev->config_size - off)
		return;
	mask = (u32)get_le(pdev->wmask + off, size);
	new = ((u32)get_le(pdev->config + off, size) & ~mask) | (val & mask);
	new &= ~(val & (u32)get_le(pdev->w1c + off, size));
	put_le(pdev->config + off, size, new);

	if (pci_touches(off, size, PCI_COMMAND, 2)) {
		pthread_mutex_lock(&pdev->irq_lock);
		pdev->intx_disabled = get_le16(pdev->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
		pci_intx_update_locked(pdev);
		pthread_mutex_unlock(&pdev->irq_lock);
	}
	if (pci_touches(off, size, PCI_COMMAND, 2) || pci_touches(off, size, PCI_BASE_ADDRESS_0, 4 * PCI_BARS) ||
	    pci_touches(off, size, PCI_ROM_ADDRESS, 4))
		decode_locked(pdev);
	pci_msi_config_written(pdev, off, size);
	if (pdev->pops->config_written)
		pdev->pops->config_written(pdev, off, size, val);
}

/* --- on and off the bus --- */

/* [pci-3.0 6.2.1] Header Type bit 7, in all functions of the device */
static void update_multifunction_locked(struct pci_host *host, unsigned int device)
{
	struct pci_dev **fn = &host->fn[device * 8];
	bool many = false;
	unsigned int i;

	for (i = 1; i < 8; i++)
		many |= fn[i] != NULL;
	for (i = 0; i < 8; i++) {
		if (!fn[i])
			continue;
		fn[i]->config[PCI_HEADER_TYPE] = many ? PCI_HEADER_MULTIFUNCTION : 0;
		fn[i]->initial[PCI_HEADER_TYPE] = fn[i]->config[PCI_HEADER_TYPE];
	}
}

/* The INTx line of a function as @devfn; -1: it has none. */
static int line_of(const struct pci_dev *pdev, unsigned int devfn)
{
	unsigned int pin = pdev->config[PCI_INTERRUPT_PIN];

	return pin ? (int)pci_intx_line(devfn / 8, pin) : -1;
}

/* A function with a pin on @line whose level is KVM's, or is not; or NULL. */
static const struct pci_dev *on_line_locked(const struct pci_host *host, int line, bool by_kvm)
{
	unsigned int i;

	for (i = 0; i < PCI_FUNCTIONS; i++)
		if (host->fn[i] && host->fn[i]->intx_by_kvm == by_kvm && line_of(host->fn[i], i) == line)
			return host->fn[i];
	return NULL;
}

const char *pci_intx_rival(const struct pci_dev *pdev)
{
	struct pci_host *host = pdev->host;
	const struct pci_dev *other = NULL;
	int line;

	if (!host || !host->cfg.intx_one_level)
		return NULL;
	pthread_mutex_lock(&host->lock);
	line = line_of(pdev, pdev->devfn);
	if (line >= 0)
		other = on_line_locked(host, line, !pdev->intx_by_kvm);
	pthread_mutex_unlock(&host->lock);
	return other ? pci_dev_name(other) : NULL;
}

/*
 * How far device number @device is from what @pdev should have, 0: not at all. Where KVM keeps one level a line, a function that KVM drives
 * has a line of its own, or else one that only such functions are on, since KVM asks them all again at an end of interrupt. The others,
 * which are many and come first, leave KEPT_LINE to those until the rest of the bus is full.
 */
static unsigned int line_cost_locked(const struct pci_host *host, const struct pci_dev *pdev, unsigned int device)
{
	enum { KEPT_LINE = 0 };		/* has one number less than the others for the rest: the bridge's */
	int line = line_of(pdev, device * 8);

	if (line < 0 || !host->cfg.intx_one_level)
		return 0;
	if (on_line_locked(host, line, !pdev->intx_by_kvm))
		return 2;
	return pdev->intx_by_kvm ? on_line_locked(host, line, true) != NULL : line == KEPT_LINE;
}

static bool device_free_locked(const struct pci_host *host, unsigned int device)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (host->fn[device * 8 + i])
			return false;
	return true;
}

/* The first of those that cost least. */
static int choose_devfn_locked(const struct pci_host *host, const struct pci_dev *pdev)
{
	unsigned int device, cost, least = ~0U;
	int ret = -ENOSPC;

	for (device = 0; device < PCI_FUNCTIONS / 8; device++) {
		if (!device_free_locked(host, device))
			continue;
		cost = line_cost_locked(host, pdev, device);
		if (cost < least) {
			least = cost;
			ret = (int)device * 8;
		}
	}
	return ret;
}

int pci_plug(struct pci_host *host, struct pci_dev *pdev, int devfn)
{
	int line, r = 0;

	pthread_mutex_lock(&host->lock);
	if (devfn < 0)
		devfn = choose_devfn_locked(host, pdev);
	else if (devfn >= PCI_FUNCTIONS)
		devfn = -ENOSPC;
	else if (host->fn[devfn])
		devfn = -EBUSY;
	if (devfn < 0) {
		r = devfn;
		goto out;
	}
	line = line_of(pdev, (unsigned int)devfn);
	if (line >= 0) {
		r = irq_line_get(host->dev.vm, host->cfg.intx_gsi[line], &pdev->intx);
		if (r < 0)
			goto out;
		pdev->config[PCI_INTERRUPT_LINE] = host->cfg.intx_line[line];
	}
	pdev->host = host;
	pdev->devfn = (u8)devfn;
	memcpy(pdev->initial, pdev->config, pdev->config_size);
	host->fn[devfn] = pdev;
	update_multifunction_locked(host, (unsigned int)devfn / 8);
	pci_host_unhole_locked(host, (u8)devfn);
out:
	pthread_mutex_unlock(&host->lock);
	return r;
}

static void unplug(struct pci_dev *pdev)
{
	struct pci_host *host = pdev->host;

	pthread_mutex_lock(&host->lock);
	decode_nothing_locked(pdev);
	if (pdev->pops->decoding)
		pdev->pops->decoding(pdev, 0);
	host->fn[pdev->devfn] = NULL;
	update_multifunction_locked(host, pdev->devfn / 8U);
	pthread_mutex_unlock(&host->lock);
}

void pci_dev_cleanup(struct pci_dev *pdev)
{
	if (!pdev->config)
		return;
	if (pdev->host)
		unplug(pdev);
	pci_msi_free(pdev);
	irq_line_put(pdev->intx);
	pdev->intx = NULL;
	pdev->host = NULL;
	pthread_mutex_destroy(&pdev->irq_lock);
	free(pdev->config);
	pdev->config = pdev->wmask = pdev->w1c = pdev->initial = NULL;
}

/* --- reset and state --- */

void pci_dev_reset_locked(struct pci_dev *pdev)
{
	decode_nothing_locked(pdev);
	memcpy(pdev->config, pdev->initial, pdev->config_size);
	pdev->asleep = false;
	decode_locked(pdev);	/* COMMAND is 0: for the addresses, and the device */
	pci_msi_reset(pdev);
}

void pci_dev_reset(struct pci_dev *pdev)
{
	if (!pdev->host)
		return;
	pthread_mutex_lock(&pdev->host->lock);
	pci_dev_reset_locked(pdev);
	pthread_mutex_unlock(&pdev->host->lock);
}

/* u32 size, bytes config; then pci-msi.c's part. */
void pci_dev_save(struct pci_dev *pdev, struct state_writer *w)
{
	pthread_mutex_lock(&pdev->host->lock);
	state_put_u32(w, pdev->config_size);
	state_put_bytes(w, pdev->config, pdev->config_size);
	pci_msi_save(pdev, w);
	pthread_mutex_unlock(&pdev->host->lock);
}

/*
 * Same device: all that the guest cannot write in the header, and the places of the capabilities, are as we
 * have them.
 */
static bool same_device(const struct pci_dev *pdev, const u8 *config)
{
	unsigned int i;

	for (i = 0; i < PCI_HEADER_END; i++)
		if ((config[i] ^ pdev->config[i]) & (u8)~(pdev->wmask[i] | pdev->w1c[i]))
			return false;
	for (i = pdev->config[PCI_CAPABILITY_LIST]; i; i = pdev->config[i + 1])
		if (config[i] != pdev->config[i] || config[i + 1] != pdev->config[i + 1])
			return false;
	return true;
}

int pci_dev_load(struct pci_dev *pdev, struct state_reader *r)
{
	u8 config[PCIE_CONFIG_SIZE], writable;
	struct pci_msi_state *msi;
	unsigned int i;

	if (state_get_u32(r) != pdev->config_size)
		state_fail(r);
	state_get_bytes(r, config, pdev->config_size);
	if (!r->error && !same_device(pdev, config))
		state_fail(r);
	msi = pci_msi_load(pdev, r);
	if (!msi)
		return r->error ? r->error : -ENOMEM;

	pthread_mutex_lock(&pdev->host->lock);
	decode_nothing_locked(pdev);
	pdev->asleep = false;
	for (i = 0; i < pdev->config_size; i++) {
		writable = pdev->wmask[i] | pdev->w1c[i];
		pdev->config[i] = (pdev->config[i] & (u8)~writable) | (config[i] & writable);
	}
	decode_locked(pdev);
	pci_msi_load_commit(pdev, msi);
	pthread_mutex_unlock(&pdev->host->lock);
	return 0;
}
