// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: config space [PCI-3.0 6.1, PCIe-4.0 7.5], as bytes and a mask of the bits that can be
 * written. An endpoint with a PM, a PCI Express and a vendor capability, MSI and MSI-X as the
 * personality says, and two extended capabilities. BARs are sized by their masks. Left out:
 * expansion ROM; power states other than D0 and D3hot.
 *
 * Whether interrupts are sent by MSI or MSI-X is VFIO_DEVICE_SET_IRQS' decision, as with vfio-pci,
 * and that sets the enable bits here, which are read-only. MSI's mask bits and COMMAND's INTx
 * Disable are obeyed.
 */
#include <linux/platform_device.h>

#include "vdev.h"

/* The vendor capability after its length: a signature, and a dword that keeps what is written */
enum { VENDOR_CAP_LEN = 16, VENDOR_CAP_SIGNATURE = 0x6d766b6c };
enum { EXT_CAP_SERIAL_LEN = 12, EXT_CAP_VENDOR_LEN = 16 };
enum { MSI_CAP_LEN = 24 };	/* with 64-bit address and masks */

static u32 get(const u8 *p, unsigned int size)
{
	u32 val = 0;

	while (size--)
		val = val << 8 | p[size];
	return val;
}

static void put(u8 *p, unsigned int size, u32 val)
{
	for (; size--; val >>= 8)
		*p++ = val;
}

void vdev_config_set(struct vdev *v, unsigned int off, unsigned int size, u32 val, u32 writable)
{
	put(v->config + off, size, val);
	put(v->wmask + off, size, writable);
}

u32 vdev_config_get(struct vdev *v, unsigned int off, unsigned int size)
{
	return get(v->config + off, size);
}

void vdev_config_ids(struct vdev *v, u16 vendor, u16 device, u32 class, u8 revision)
{
	vdev_config_set(v, PCI_VENDOR_ID, 2, vendor, 0);
	vdev_config_set(v, PCI_DEVICE_ID, 2, device, 0);
	vdev_config_set(v, PCI_CLASS_REVISION, 4, class << 8 | revision, 0);
	vdev_config_set(v, PCI_SUBSYSTEM_VENDOR_ID, 2, vendor, 0);
	vdev_config_set(v, PCI_SUBSYSTEM_ID, 2, device, 0);
}

int vdev_config_add_cap(struct vdev *v, u8 id, unsigned int len)
{
	unsigned int off = v->cap_end;

	if (len > PCI_CFG_SPACE_SIZE - off)
		return -ENOSPC;
	v->cap_end = off + ALIGN(len, 4);
	vdev_config_set(v, off, 2, id, 0);
	if (v->cap_last)
		vdev_config_set(v, v->cap_last + PCI_CAP_LIST_NEXT, 1, off, 0);
	else
		vdev_config_set(v, PCI_CAPABILITY_LIST, 1, off, 0);
	v->cap_last = off;
	return off;
}

int vdev_config_add_ext(struct vdev *v, u16 id, u8 version, unsigned int len)
{
	unsigned int off = v->ext_end;

	if (len > VDEV_CONFIG_SIZE - off)
		return -ENOSPC;
	v->ext_end = off + ALIGN(len, 4);
	vdev_config_set(v, off, 4, id | version << 16, 0);
	if (v->ext_last)
		vdev_config_set(v, v->ext_last + 2, 2, off << 4 | v->config[v->ext_last + 2], 0);
	v->ext_last = off;
	return off;
}

static void add_pm(struct vdev *v, int off)
{
	v->pm_cap = off;
	vdev_config_set(v, off + PCI_PM_PMC, 2, 3, 0);
	vdev_config_set(v, off + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK);
}

static void add_express(struct vdev *v, int off)
{
	v->pcie_cap = off;
	vdev_config_set(v, off + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ENDPOINT << 4, 0);
	vdev_config_set(v, off + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER, 0);
	/* FLR reads as zero: vdev_config_write() takes the bit out */
	vdev_config_set(v, off + PCI_EXP_DEVCTL, 2,
			PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_READRQ_512B,
			0x7fff | PCI_EXP_DEVCTL_BCR_FLR);
	vdev_config_set(v, off + PCI_EXP_LNKCAP, 4, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4, 0);
	vdev_config_set(v, off + PCI_EXP_LNKCTL, 2, 0, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC);
	vdev_config_set(v, off + PCI_EXP_LNKSTA, 2,
			PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1, 0);
}

static int add_extended(struct vdev *v)
{
	int off = vdev_config_add_ext(v, PCI_EXT_CAP_ID_DSN, 1, EXT_CAP_SERIAL_LEN);

	if (off < 0)
		return off;
	vdev_config_set(v, off + 4, 4, VENDOR_CAP_SIGNATURE, 0);
	/* The same number for all: a guest that migrates from one to another must not see it. */
	vdev_config_set(v, off + 8, 4, VENDOR_CAP_SIGNATURE, 0);
	off = vdev_config_add_ext(v, PCI_EXT_CAP_ID_VNDR, 1, EXT_CAP_VENDOR_LEN);
	if (off < 0)
		return off;
	vdev_config_set(v, off + PCI_VNDR_HEADER, 4, 1 | 1 << 16 | EXT_CAP_VENDOR_LEN << 20, 0);
	vdev_config_set(v, off + 8, 4, VENDOR_CAP_SIGNATURE, 0);
	vdev_config_set(v, off + 12, 4, 0, ~0u);
	return 0;
}

/* All that does not depend on the personality */
int vdev_config_init(struct vdev *v)
{
	int pm, express, vendor;

	v->cap_end = PCI_STD_HEADER_SIZEOF;
	v->ext_end = PCI_CFG_SPACE_SIZE;
	vdev_config_set(v, PCI_COMMAND, 2, 0,
			PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
				PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	vdev_config_set(v, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	vdev_config_set(v, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	vdev_config_set(v, PCI_INTERRUPT_LINE, 1, 0, 0xff);
	pm = vdev_config_add_cap(v, PCI_CAP_ID_PM, PCI_PM_SIZEOF);
	express = vdev_config_add_cap(v, PCI_CAP_ID_EXP, PCI_CAP_EXP_ENDPOINT_SIZEOF_V2);
	vendor = vdev_config_add_cap(v, PCI_CAP_ID_VNDR, VENDOR_CAP_LEN);
	if (pm < 0 || express < 0 || vendor < 0)
		return -ENOSPC;
	add_pm(v, pm);
	add_express(v, express);
	vdev_config_set(v, vendor + 2, 1, VENDOR_CAP_LEN, 0);
	vdev_config_set(v, vendor + 4, 4, VENDOR_CAP_SIGNATURE, 0);
	vdev_config_set(v, vendor + 8, 4, 0, ~0u);
	return add_extended(v);
}

int vdev_config_add_msi(struct vdev *v, unsigned int vectors)
{
	u16 flags = PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | ilog2(vectors) << 1;
	int off;

	if (!(v->irq_offer & VDEV_IRQ_MSI))
		return 0;
	off = vdev_config_add_cap(v, PCI_CAP_ID_MSI, MSI_CAP_LEN);
	if (off < 0)
		return off;
	vdev_config_set(v, off + PCI_MSI_FLAGS, 2, flags, 0);
	vdev_config_set(v, off + PCI_MSI_ADDRESS_LO, 4, 0, ~3u);
	vdev_config_set(v, off + PCI_MSI_ADDRESS_HI, 4, 0, ~0u);
	vdev_config_set(v, off + PCI_MSI_DATA_64, 2, 0, 0xffff);
	vdev_config_set(v, off + PCI_MSI_MASK_64, 4, 0, GENMASK(vectors - 1, 0));
	v->msi_vectors = vectors;
	v->msi_cap = off;
	return 0;
}

int vdev_config_add_msix(struct vdev *v, unsigned int vectors, unsigned int bar, u32 table, u32 pba)
{
	int off;

	if (!(v->irq_offer & VDEV_IRQ_MSIX))
		return 0;
	off = vdev_config_add_cap(v, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	if (off < 0)
		return off;
	vdev_config_set(v, off + PCI_MSIX_FLAGS, 2, vectors - 1, PCI_MSIX_FLAGS_MASKALL);
	vdev_config_set(v, off + PCI_MSIX_TABLE, 4, table | bar, 0);
	vdev_config_set(v, off + PCI_MSIX_PBA, 4, pba | bar, 0);
	v->msix_vectors = vectors;
	v->msix_bar = bar;
	v->msix_table_off = table;
	v->msix_pba_off = pba;
	v->msix_cap = off;
	return 0;
}

void vdev_config_finish(struct vdev *v)
{
	unsigned int i, off;

	for (i = 0; i < VDEV_BARS; i++) {
		struct vdev_bar *bar = &v->bar[i];
		u64 mask = ~(bar->size - 1);

		if (!bar->size)
			continue;
		off = PCI_BASE_ADDRESS_0 + 4 * i;
		vdev_config_set(v, off, 4, bar->flags, mask);
		if (bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
			vdev_config_set(v, off + 4, 4, 0, mask >> 32);
	}
	if (v->irq_offer & VDEV_IRQ_INTX)
		vdev_config_set(v, PCI_INTERRUPT_PIN, 1, 1, 0);
	memcpy(v->initial, v->config, sizeof(v->initial));
}

static bool in_d0(struct vdev *v)
{
	return !(READ_ONCE(v->config[v->pm_cap + PCI_PM_CTRL]) & PCI_PM_CTRL_STATE_MASK);
}

bool vdev_bus_master(struct vdev *v)
{
	return (READ_ONCE(v->config[PCI_COMMAND]) & PCI_COMMAND_MASTER) && in_d0(v);
}

bool vdev_memory_enabled(struct vdev *v)
{
	return (v->config[PCI_COMMAND] & PCI_COMMAND_MEMORY) && in_d0(v);
}

static u8 read_byte(struct vdev *v, unsigned int off)
{
	unsigned int pending = off - (v->msi_cap + PCI_MSI_PENDING_64);
	u8 val = v->config[off];

	if (off == PCI_STATUS && READ_ONCE(v->intx_level))
		val |= PCI_STATUS_INTERRUPT;
	if (v->msi_cap && pending < 4 && vdev_irq_kind(v) == VFIO_PCI_MSI_IRQ_INDEX)
		val |= READ_ONCE(v->pending) >> 8 * pending;
	return val;
}

u32 vdev_config_read(struct vdev *v, unsigned int off, unsigned int size)
{
	u32 val = 0;

	while (size--)
		val = val << 8 | read_byte(v, off + size);
	return val;
}

/* A state that the device does not have is not taken [PCI-PM-1.2 3.2.4]. */
static void fix_power_state(struct vdev *v, u8 old)
{
	u8 *ctrl = &v->config[v->pm_cap + PCI_PM_CTRL], state = *ctrl & PCI_PM_CTRL_STATE_MASK;

	if (state == 1 || state == 2)
		*ctrl = (*ctrl & ~PCI_PM_CTRL_STATE_MASK) | (old & PCI_PM_CTRL_STATE_MASK);
}

void vdev_config_write(struct vdev *v, unsigned int off, unsigned int size, u32 val)
{
	u8 *flr = &v->config[v->pcie_cap + PCI_EXP_DEVCTL + 1];
	u8 old = v->config[v->pm_cap + PCI_PM_CTRL];
	bool disabled = vdev_intx_disabled(v);
	unsigned int i;

	for (i = 0; i < size; i++, val >>= 8) {
		u8 mask = v->wmask[off + i];

		WRITE_ONCE(v->config[off + i], (v->config[off + i] & ~mask) | (val & mask));
	}
	if (*flr & PCI_EXP_DEVCTL_BCR_FLR >> 8) {
		*flr &= ~(PCI_EXP_DEVCTL_BCR_FLR >> 8);
		v->flr = true;
	}
	fix_power_state(v, old);
	if (disabled && !vdev_intx_disabled(v))
		vdev_intx_mask(v, false);
	else
		vdev_irq_kick(v);
}

/* MSI's and MSI-X's enable bits are what SET_IRQS made of them, whatever the state says. */
static u16 enable_bits(struct vdev *v, unsigned int cap, u16 bit)
{
	return cap ? vdev_config_get(v, cap + PCI_MSI_FLAGS, 2) & bit : 0;
}

static void replace(struct vdev *v, const u8 *config)
{
	u16 msi = enable_bits(v, v->msi_cap, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	u16 msix = enable_bits(v, v->msix_cap, PCI_MSIX_FLAGS_ENABLE);
	unsigned int i;

	for (i = 0; i < VDEV_CONFIG_SIZE; i++)
		WRITE_ONCE(v->config[i],
			   (v->initial[i] & ~v->wmask[i]) | (config[i] & v->wmask[i]));
	if (v->msi_cap)
		put(v->config + v->msi_cap + PCI_MSI_FLAGS, 2,
		    vdev_config_get(v, v->msi_cap + PCI_MSI_FLAGS, 2) | msi);
	if (v->msix_cap)
		put(v->config + v->msix_cap + PCI_MSIX_FLAGS, 2,
		    vdev_config_get(v, v->msix_cap + PCI_MSIX_FLAGS, 2) | msix);
}

static bool inside(unsigned int off, unsigned int cap, unsigned int len)
{
	return cap && off - cap < len;
}

/* The header and the capabilities that are drivers/pci's own; but the device is in D0 again. */
static bool restored(struct vdev *v, unsigned int off)
{
	return off < PCI_STD_HEADER_SIZEOF ||
	       inside(off, v->pcie_cap, PCI_CAP_EXP_ENDPOINT_SIZEOF_V2) ||
	       inside(off, v->msi_cap, MSI_CAP_LEN) || inside(off, v->msix_cap, PCI_CAP_MSIX_SIZEOF);
}

void vdev_config_reset(struct vdev *v, bool restore)
{
	unsigned int i;

	for (i = 0; i < VDEV_CONFIG_SIZE; i++)
		if (!restore || !restored(v, i))
			WRITE_ONCE(v->config[i], v->initial[i]);
	v->flr = false;
}

/* The bytes with those bits: a saved device's are not looked at. */
static bool has_enable_bits(struct vdev *v, unsigned int off)
{
	return (v->msi_cap && off - (v->msi_cap + PCI_MSI_FLAGS) < 2) ||
	       (v->msix_cap && off - (v->msix_cap + PCI_MSIX_FLAGS) < 2);
}

int vdev_config_load(struct vdev *v, const u8 config[VDEV_CONFIG_SIZE])
{
	u8 power = config[v->pm_cap + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK;
	unsigned int i;

	/* a state that it does not have, a reset still to come */
	if (power == 1 || power == 2 ||
	    config[v->pcie_cap + PCI_EXP_DEVCTL + 1] & PCI_EXP_DEVCTL_BCR_FLR >> 8)
		return -EINVAL;
	for (i = 0; i < VDEV_CONFIG_SIZE; i++)
		if (((config[i] ^ v->initial[i]) & ~v->wmask[i]) && !has_enable_bits(v, i))
			return -EINVAL;
	replace(v, config);
	return 0;
}
