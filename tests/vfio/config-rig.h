/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VFIO PCI function's config space over a device that is a plain array of bytes: no host, no interrupts, one memory BAR and one I/O BAR.
 * What reaches the device, and what comes and goes in the guest, is written down in order. Around it the bus of tests/pci-fake.h. For
 * pci-config-test.c, pci-caps-test.c, pci-rom-test.c and the fuzzer.
 */
#ifndef TESTS_VFIO_CONFIG_RIG_H
#define TESTS_VFIO_CONFIG_RIG_H

#include <stdarg.h>

#include <linux/pci_regs.h>

#include "../pci-fake.h"
#include "vfio/pci.h"

enum { RIG_FN = 8, RIG_BAR0_SIZE = 0x10000, RIG_BAR1_SIZE = 32 };

static struct rig {
	struct vfio_pci *vp;
	struct vfio_device vd;
	struct vfio_config cfg;
	struct vfio_region region[VFIO_PCI_NUM_REGIONS];
	struct vfio_irq irq[VFIO_PCI_NUM_IRQS];
	struct vm *vm;
	u8 dev[PCIE_CONFIG_SIZE];	/* the device's config space */
	int read_error, write_error, reset_error;
	const u8 *rom;			/* what its ROM region reads */
	int rom_error;
	bool rom_needs_memory;		/* as real hosts: no read while COMMAND.MEM is clear */
	unsigned int reads, resets, irq_updates, irq_offs, vector_changes;
	bool written[PCIE_CONFIG_SIZE];
	char log[4096];			/* "w4.2=0006 +0 " */
	bool lost;			/* the device did not take COMMAND */
	bool quiet;			/* no log: the fuzzer */
} rig;

static void PRINTF_LIKE(1, 2) rig_log(const char *fmt, ...)
{
	size_t len = strlen(rig.log);
	va_list ap;

	if (rig.quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(rig.log + len, sizeof(rig.log) - len, fmt, ap);
	va_end(ap);
}

/* What happened since the last call. */
UNUSED static const char *rig_happened(void)
{
	static char last[sizeof(rig.log)];

	memcpy(last, rig.log, sizeof(last));
	rig.log[0] = 0;
	return last;
}

/* --- the host's side --- */

const char *vfio_device_name(const struct vfio_device *vd)
{
	return vd->place.name;
}

const struct vfio_region *vfio_region_get(const struct vfio_device *vd, u32 index)
{
	return index < VFIO_PCI_NUM_REGIONS && rig.region[index].size ? &rig.region[index] : NULL;
}

static void rig_check_access(const struct vfio_region *r, u64 off, u64 size)
{
	if (r != &rig.region[VFIO_PCI_CONFIG_REGION_INDEX] || off > r->size || size > r->size - off)
		abort();
}

int vfio_region_read(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 *ret)
{
	rig_check_access(r, off, size);
	if (!is_aligned(off, size) || size > 4)
		abort();
	rig.reads++;
	if (rig.read_error)
		return rig.read_error;
	*ret = get_le(rig.dev + off, size);
	return 0;
}

int vfio_region_write(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 val)
{
	rig_check_access(r, off, size);
	if (!is_aligned(off, size) || size > 4)
		abort();
	rig_log("w%x.%u=%0*x ", (unsigned int)off, size, (int)size * 2, (u32)(val & ones(size)));
	if (rig.write_error)
		return rig.write_error;
	put_le(rig.dev + off, size, val);
	memset(rig.written + off, true, size);
	return 0;
}

int vfio_region_pread(struct vfio_device *vd, const struct vfio_region *r, u64 off, void *buf, size_t len)
{
	if (r == &rig.region[VFIO_PCI_ROM_REGION_INDEX]) {
		if (rig.rom_needs_memory && !(rig.dev[PCI_COMMAND] & PCI_COMMAND_MEMORY))
			return -EIO;
		if (!rig.rom_error)
			memcpy(buf, rig.rom + off, len);
		return rig.rom_error;
	}
	rig_check_access(r, off, len);
	if (rig.read_error)
		return rig.read_error;
	memcpy(buf, rig.dev + off, len);
	return 0;
}

int vfio_irq_get(struct vfio_device *vd, u32 index, struct vfio_irq *ret)
{
	*ret = rig.irq[index];
	return 0;
}

int vfio_device_reset(struct vfio_device *vd)
{
	rig.resets++;
	rig_log("reset ");
	return rig.reset_error;
}

/* --- the function's other parts --- */

static u64 rig_bar_read(struct io_region *r, u64 off, unsigned int size)
{
	struct pci_bar *bar = pci_bar_of(r);
	u64 val;

	if ((unsigned int)(bar - bar->pdev->bar) == rig.vp->msix_bar && pci_msix_read(bar->pdev, off, size, &val))
		return val;
	return 0x77 & ones(size);
}

static void rig_bar_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct pci_bar *bar = pci_bar_of(r);

	if ((unsigned int)(bar - bar->pdev->bar) == rig.vp->msix_bar)
		pci_msix_write(bar->pdev, off, val, size);
}

static const struct io_ops rig_bar_io = { .read = rig_bar_read, .write = rig_bar_write, .sizes = 1 | 2 | 4 | 8 };

void vfio_pci_bar_activated(struct pci_dev *pdev, unsigned int bar)
{
	rig_log("+%u ", bar);
	/* the device answers by now */
	if (bar < PCI_BARS && !rig.write_error && !rig.read_error && !(rig.dev[PCI_COMMAND] & (pdev->bar[bar].type == PCI_BAR_IO ? 1 : 2)))
		abort();
}

void vfio_pci_bar_deactivating(struct pci_dev *pdev, unsigned int bar)
{
	rig_log("-%u ", bar);
}

void vfio_pci_bars_command(struct vfio_pci *vp)
{
	if (vp->command_known != rig.lost)
		return;
	rig.lost = !vp->command_known;
	rig_log(rig.lost ? "lost " : "back ");
}

void vfio_pci_vector_changed(struct pci_dev *pdev, unsigned int vector)
{
	rig.vector_changes++;
}

void vfio_pci_irq_update(struct vfio_pci *vp)
{
	rig.irq_updates++;
	rig_log("irq ");
}

void vfio_pci_irq_off(struct vfio_pci *vp)
{
	rig.irq_offs++;
	rig_log("irqoff ");
}

/* --- making it --- */

/* A conventional device without capabilities. */
UNUSED static void rig_init(void)
{
	struct rig *r = &rig;

	memset(r, 0, sizeof(*r));
	r->vm = fake_vm();
	r->cfg = (struct vfio_config){ .device = "0000:01:00.0", .option = "--vfio" };
	r->vd.cfg = &r->cfg;
	r->vd.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI;
	memcpy(r->vd.place.name, "0000:01:00.0", 13);
	r->region[VFIO_PCI_CONFIG_REGION_INDEX].size = PCI_CONFIG_SIZE;
	r->irq[VFIO_PCI_INTX_IRQ_INDEX].count = 1;
	r->irq[VFIO_PCI_MSI_IRQ_INDEX].count = 32;
	r->irq[VFIO_PCI_MSIX_IRQ_INDEX].count = 2048;
	put_le32(r->dev, 0x10d38086);
	put_le32(r->dev + PCI_CLASS_REVISION, 0x02000003);
	put_le32(r->dev + PCI_SUBSYSTEM_VENDOR_ID, 0xa01f8086);
	r->dev[PCI_INTERRUPT_PIN] = 1;
}

/* Puts a capability of the device's where the guest's list ends. */
UNUSED static void rig_cap(unsigned int off, u8 id)
{
	unsigned int at = PCI_CAPABILITY_LIST;

	while (rig.dev[at])
		at = rig.dev[at] + 1U;
	rig.dev[at] = (u8)off;
	rig.dev[off] = id;
	rig.dev[off + 1] = 0;
	rig.dev[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

UNUSED static int rig_make(struct error *err)
{
	struct vfio_pci *vp = calloc(1, sizeof(*vp));
	int r;

	rig.vp = vp;
	vp->vd = &rig.vd;
	r = vfio_pci_config_init(vp, err);
	if (r < 0)
		return r;
	if (pci_dev_add_bar(&vp->pdev, 0, PCI_BAR_MEM64, RIG_BAR0_SIZE, &rig_bar_io) < 0 ||
	    pci_dev_add_bar(&vp->pdev, 2, PCI_BAR_IO, RIG_BAR1_SIZE, &rig_bar_io) < 0)
		abort();
	return 0;
}

UNUSED static void rig_plug(void)
{
	vfio_pci_caps_init(rig.vp);
	if (pci_plug(rig.vm->pci, &rig.vp->pdev, -1) < 0 || pci_assign_bars(rig.vm->pci, NULL) < 0)
		abort();
	rig.log[0] = 0;
}

UNUSED static void rig_start(void)
{
	if (rig_make(NULL) < 0)
		abort();
	rig_plug();
}

UNUSED static void rig_free(void)
{
	pci_dev_cleanup(&rig.vp->pdev);
	vfio_pci_config_free(rig.vp);
	free(rig.vp);
	fake_vm_free(rig.vm);
}

UNUSED static u32 cr(unsigned int off, unsigned int size)
{
	return pci_config_read(rig.vm->pci, 0, RIG_FN, off, size);
}

UNUSED static void cw(unsigned int off, unsigned int size, u32 val)
{
	pci_config_write(rig.vm->pci, 0, RIG_FN, off, size, val);
}

#endif
