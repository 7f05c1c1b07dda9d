/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BARs of a VFIO PCI function. [pci-3.0 6.2.5.1]
 *
 * The whole of a BAR traps: an access goes to the device by read and write on its file, one access of the same width, and those to the
 * MSI-X table and PBA to pci-msi.c. Over that lie memory slots for the pieces that the host lets us map, less the host pages in which the
 * table or the PBA is, so that the guest reaches the device's registers beside them, too. Everything is mapped once, here, when the
 * function is made; this process never touches such memory: it is gone (SIGBUS) while the device does not decode.
 *
 * 1. A slot exists only while its BAR is decoded, and the device took the COMMAND that says so: the pci core calls bar_activated() after
 *    COMMAND reached the device, and bar_deactivating() before (pci_dev_ops.decoding), so KVM never finds the memory gone.
 * 2. A piece that another slot is in the way of stays trapped, and is tried again when a BAR of any VFIO function leaves.
 * 3. A target of DMA (p2p) is one only while it has its slot.
 *
 * BARs smaller than a host page only trap. Left out on purpose: the VGA region, and BARs whose size is no power of two.
 *
 * Threads: trapped accesses on vCPU threads without a lock; activated and deactivating under the PCI host's lock, which guards slot, dma
 * and on of all functions; the rest on the main thread.
 */
#include "vfio/pci.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/endian.h"
#include "vmm/vm.h"

enum {
	BASE_ADDRESS_0 = 0x10,
	/* [pci-3.0 6.2.5.1] the low bits of a BAR register */
	BAR_IO = 1,
	BAR_TYPE = 6,
	BAR_TYPE_64 = 4,
	BAR_PREFETCH = 8,

	MAX_PIECES = VFIO_AREAS + 2,	/* two holes */
};

/* --- trapped accesses --- */

static u64 bar_read(struct io_region *r, u64 off, unsigned int size)
{
	struct pci_bar *pb = pci_bar_of(r);
	struct vfio_pci *vp = vfio_pci_of(pb->pdev);
	unsigned int i = (unsigned int)(pb - pb->pdev->bar);
	struct vfio_pci_bar *b = &vp->bar[i];
	u64 val;
	int ret;

	if (i == vp->msix_bar && pci_msix_read(&vp->pdev, off, size, &val))
		return val;
	ret = vfio_region_read(vp->vd, b->region, off, size, &val);
	if (!ret)
		return val;
	log_ratelimited(&b->rate, LOG_DEBUG, vp->pdev.dev.name, "BAR %u: read of %u bytes at 0x%" PRIx64 ": %s", i, size, off, strerror(-ret));
	return ones(size);
}

static void bar_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pci_bar *pb = pci_bar_of(r);
	struct vfio_pci *vp = vfio_pci_of(pb->pdev);
	unsigned int i = (unsigned int)(pb - pb->pdev->bar);
	struct vfio_pci_bar *b = &vp->bar[i];
	int ret;

	if (i == vp->msix_bar && pci_msix_write(&vp->pdev, off, val, size))
		return;
	ret = vfio_region_write(vp->vd, b->region, off, size, val);
	if (ret < 0)
		log_ratelimited(&b->rate, LOG_DEBUG, vp->pdev.dev.name, "BAR %u: write of %u bytes at 0x%" PRIx64 ": %s", i, size, off,
				strerror(-ret));
}

static const struct io_ops mem_io = { .read = bar_read, .write = bar_write, .sizes = 1 | 2 | 4 | 8 };
static const struct io_ops port_io = { .read = bar_read, .write = bar_write, .sizes = 1 | 2 | 4 };

/* --- pieces in the guest --- */

static void piece_map(struct vfio_pci *vp, unsigned int i, struct vfio_piece *p)
{
	gpa_t gpa = vp->pdev.bar[i].addr + p->area.off;
	struct vfio_pci_bar *b = &vp->bar[i];
	bool writable = b->region->flags & VFIO_REGION_INFO_FLAG_WRITE;
	int r;

	r = memslot_add(vp->vd->host->vm, gpa, p->area.size, p->hva, writable ? 0 : MEMSLOT_READONLY);
	if (r < 0) {
		log_ratelimited(&b->rate, LOG_WARNING, vp->pdev.dev.name,
				"BAR %u: 0x%" PRIx64 " bytes at 0x%" PRIx64 " are slow, each access ends in lkvm: %s", i, p->area.size, gpa,
				r == -EEXIST ? "other memory is in the way" : strerror(-r));
		return;
	}
	p->slot = r;
	if (!vp->vd->cfg->p2p)
		return;
	r = vfio_iommu_map_bar(vp->vd->iommu, gpa, p->area.size, p->hva);
	if (r < 0)
		log_ratelimited(&b->rate, LOG_WARNING, vp->pdev.dev.name, "BAR %u at 0x%" PRIx64 ": no DMA from other devices: %s", i, gpa,
				strerror(-r));
	p->dma = r == 0;
}

static void piece_unmap(struct vfio_pci *vp, unsigned int i, struct vfio_piece *p)
{
	if (p->dma)
		vfio_iommu_unmap_bar(vp->vd->iommu, vp->pdev.bar[i].addr + p->area.off, p->area.size);
	if (p->slot >= 0)
		memslot_del(vp->vd->host->vm, p->slot);
	p->dma = false;
	p->slot = -1;
}

static void map_pieces(struct vfio_pci *vp, unsigned int i)
{
	struct vfio_pci_bar *b = &vp->bar[i];
	unsigned int j;

	for (j = 0; b->on && vp->command_known && j < b->nr_pieces; j++)
		if (b->piece[j].slot < 0)
			piece_map(vp, i, &b->piece[j]);
}

/* (2.) Something left: who was in its way? */
static void retry_all(struct vfio_host *host)
{
	struct vfio_device *vd;
	unsigned int i;

	list_for_each(vd, &host->devices, node)
		for (i = 0; vd->pci && i < PCI_BARS; i++)
			map_pieces(vd->pci, i);
}

static void unmap_pieces(struct vfio_pci *vp, unsigned int i)
{
	struct vfio_pci_bar *b = &vp->bar[i];
	bool left = false;
	unsigned int j;

	for (j = 0; j < b->nr_pieces; j++) {
		left |= b->piece[j].slot >= 0;
		piece_unmap(vp, i, &b->piece[j]);
	}
	if (left)
		retry_all(vp->vd->host);
}

void vfio_pci_bars_command(struct vfio_pci *vp)
{
	unsigned int i;

	for (i = 0; i < PCI_BARS; i++) {
		if (vp->command_known)
			map_pieces(vp, i);
		else
			unmap_pieces(vp, i);
	}
}

void vfio_pci_bar_activated(struct pci_dev *pdev, unsigned int bar)
{
	struct vfio_pci *vp = vfio_pci_of(pdev);

	if (bar >= PCI_BARS)	/* the ROM is a copy of ours */
		return;
	vp->bar[bar].on = true;
	map_pieces(vp, bar);
}

void vfio_pci_bar_deactivating(struct pci_dev *pdev, unsigned int bar)
{
	struct vfio_pci *vp = vfio_pci_of(pdev);

	if (bar >= PCI_BARS)
		return;
	vp->bar[bar].on = false;
	unmap_pieces(vp, bar);
}

/* --- making them --- */

/* Takes the host pages of [@off, @off+@len) out of @area. Gives how many areas there are then. */
static unsigned int cut(struct vfio_area *area, unsigned int nr, u64 off, u64 len, u64 page)
{
	u64 from = align_down(off, page), to = align_up(off + len, page), end;
	struct vfio_area old[MAX_PIECES];
	unsigned int i, n = 0;

	if (!len)
		return nr;
	memcpy(old, area, nr * sizeof(*area));
	for (i = 0; i < nr; i++) {
		end = old[i].off + old[i].size;
		if (end <= from || old[i].off >= to) {
			area[n++] = old[i];
			continue;
		}
		if (old[i].off < from)
			area[n++] = (struct vfio_area){ old[i].off, from - old[i].off };
		if (end > to)
			area[n++] = (struct vfio_area){ to, end - to };
	}
	return n;
}

/* The pieces of BAR @i. Where the host does not let us map one after all, it traps. */
static int pieces_init(struct vfio_pci *vp, unsigned int i, u64 page)
{
	struct vfio_pci_bar *b = &vp->bar[i];
	const struct vfio_region *r = b->region;
	struct vfio_area area[MAX_PIECES];
	unsigned int j, nr = r->nr_areas;
	struct vfio_piece *p;
	int err;

	if (!nr || r->size < page || !(r->flags & VFIO_REGION_INFO_FLAG_READ))
		return 0;
	memcpy(area, r->area, nr * sizeof(*area));
	if (i == vp->msix_bar) {
		nr = cut(area, nr, vp->msix_table, vp->msix_table_len, page);
		nr = cut(area, nr, vp->msix_pba, vp->msix_pba_len, page);
	}
	b->piece = calloc(nr ? nr : 1, sizeof(*b->piece));
	if (!b->piece)
		return -ENOMEM;
	for (j = 0; j < nr; j++) {
		p = &b->piece[b->nr_pieces];
		err = vfio_region_mmap(vp->vd, r, &area[j], &p->hva);
		if (err < 0) {
			log_warn(vfio_device_name(vp->vd), "BAR %u: 0x%" PRIx64 " bytes at 0x%" PRIx64 " cannot be mapped and will be slow: %s", i,
				 area[j].size, area[j].off, strerror(-err));
			continue;
		}
		p->area = area[j];
		p->slot = -1;
		b->nr_pieces++;
	}
	return 0;
}

static enum pci_bar_type bar_type(u32 reg)
{
	if (reg & BAR_IO)
		return PCI_BAR_IO;
	if ((reg & BAR_TYPE) == BAR_TYPE_64)
		return reg & BAR_PREFETCH ? PCI_BAR_MEM64_PREFETCH : PCI_BAR_MEM64;
	return reg & BAR_PREFETCH ? PCI_BAR_MEM32_PREFETCH : PCI_BAR_MEM32;
}

static int bar_init(struct vfio_pci *vp, unsigned int i, u64 page, struct error *err)
{
	const struct vfio_config *cfg = vp->vd->cfg;
	const struct vfio_region *region = vfio_region_get(vp->vd, VFIO_PCI_BAR0_REGION_INDEX + i);
	enum pci_bar_type type;
	u32 reg;
	int r;

	if (!region)
		return 0;
	r = vfio_pci_device_read(vp, BASE_ADDRESS_0 + i * 4, 4, &reg);
	if (r < 0)
		return error_set_errno(err, r, "%s '%s': register of BAR %u", cfg->option, cfg->device, i);
	type = bar_type(reg);
	r = pci_dev_add_bar(&vp->pdev, i, type, region->size, type == PCI_BAR_IO ? &port_io : &mem_io);
	if (r < 0)
		return error_set(err, r, "%s '%s': BAR %u with type bits 0x%x cannot have 0x%" PRIx64 " bytes", cfg->option, cfg->device, i,
				 reg & 0xf, region->size);
	vp->bar[i].region = region;
	r = type == PCI_BAR_IO ? 0 : pieces_init(vp, i, page);
	return r < 0 ? error_set_errno(err, r, "%s '%s': BAR %u", cfg->option, cfg->device, i) : 0;
}

int vfio_pci_bars_init(struct vfio_pci *vp, struct error *err)
{
	u64 page = (u64)sysconf(_SC_PAGESIZE);
	unsigned int i;
	int r;

	for (i = 0; i < PCI_BARS; i++) {
		r = bar_init(vp, i, page, err);
		if (r < 0) {
			vfio_pci_bars_free(vp);
			return r;
		}
	}
	vp->vd->pci = vp;
	return 0;
}

void vfio_pci_bars_free(struct vfio_pci *vp)
{
	struct vfio_pci_bar *b;
	unsigned int i, j;

	if (vp->vd)
		vp->vd->pci = NULL;
	for (i = 0; i < PCI_BARS; i++) {
		b = &vp->bar[i];
		for (j = 0; j < b->nr_pieces; j++)
			vfio_sys_munmap(b->piece[j].hva, b->piece[j].area.size);
		free(b->piece);
		*b = (struct vfio_pci_bar){ 0 };
	}
}
