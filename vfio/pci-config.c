/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The config space of a VFIO PCI function: each bit is emulated (pci.c and its masks answer), or the device answers it
 * (vfio_pci.passed_read), and a write of the guest reaches the device or not (passed_write). What is neither reads 0 and is not written.
 * [pci-3.0 6.2], [pci-pm-1.2 3.2.4], [pcie-4.0 7.5.3.4] for Function Level Reset, [pci-af-ecn] for the same of conventional functions.
 *
 *	ids, class, subsystem, capability ids and links	emulated: what the device said when it was opened, for good
 *	COMMAND		emulated, and told to the device in decoding(): BARs are gone from the guest before the device stops to answer, and the
 *			device answers before they are there
 *	STATUS		error bits and Interrupt Status the device's, the rest emulated
 *	BARs, ROM	emulated: where the device has its own is the host's business
 *	Cache Line Size, Interrupt Line	emulated; BIST, Latency Timer: not there
 *	Interrupt Pin	the device's, if the host can give us its interrupt and KVM its end
 *	power state	emulated, and told to the device: BARs leave for any state but D0. Back from D3hot without No_Soft_Reset is a reset.
 *	FLR		caught: interrupts go off, the host resets the device, config is as at power on
 *
 * A device that does not complete reads ones, as on a bus.
 *
 * Threads: accesses on vCPU threads under the PCI host's lock; making, reset and load on the main thread.
 */
#include "vfio/pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kvm.h>
#include <linux/pci_regs.h>

#include "util/endian.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	COMMAND_PASSED = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR,
	STATUS_ERRORS = 0xf900,		/* write one to clear */
	STATUS_INTERRUPT = 0x0008,
	STATUS_CONST = 0x06a0,		/* 66 MHz, fast back to back, DEVSEL timing */
	POWER_STATE = 3,
	D3HOT = 3,
	MSIX_ENTRY = 16,
};

/* --- the device's own --- */

static int warn(struct vfio_pci *vp, const char *what, unsigned int off, int r)
{
	log_ratelimited(&vp->rate, LOG_WARNING, vfio_device_name(vp->vd), "%s of config space at 0x%x: %s", what, off, strerror(-r));
	return r;
}

int vfio_pci_device_read(struct vfio_pci *vp, unsigned int off, unsigned int size, u32 *ret)
{
	const struct vfio_region *region = vfio_region_get(vp->vd, VFIO_PCI_CONFIG_REGION_INDEX);
	u64 val;
	int r = region ? vfio_region_read(vp->vd, region, off, size, &val) : -EINVAL;

	if (r < 0)
		return warn(vp, "read", off, r);
	*ret = (u32)val;
	return 0;
}

int vfio_pci_device_write(struct vfio_pci *vp, unsigned int off, unsigned int size, u32 val)
{
	const struct vfio_region *region = vfio_region_get(vp->vd, VFIO_PCI_CONFIG_REGION_INDEX);
	int r = region ? vfio_region_write(vp->vd, region, off, size, val) : -EINVAL;

	return r < 0 ? warn(vp, "write", off, r) : 0;
}

void vfio_pci_pass_read(struct vfio_pci *vp, unsigned int off, unsigned int len)
{
	memset(vp->passed_read + off, 0xff, len);
}

void vfio_pci_pass_write(struct vfio_pci *vp, unsigned int off, unsigned int len)
{
	memset(vp->passed_write + off, 0xff, len);
}

void vfio_pci_pass_write_bits(struct vfio_pci *vp, unsigned int off, unsigned int size, u32 mask)
{
	put_le(vp->passed_write + off, size, mask);
}

void vfio_pci_config_read(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 *val)
{
	struct vfio_pci *vp = vfio_pci_of(pdev);
	u32 mask = (u32)get_le(vp->passed_read + off, size), device;

	if (!mask)
		return;
	if (vfio_pci_device_read(vp, off, size, &device) < 0)
		device = ~0U;
	*val = (*val & ~mask) | (device & mask);
}

static bool each_byte(u32 mask, unsigned int size)
{
	for (; size; size--, mask >>= 8)
		if (!(mask & 0xff))
			return false;
	return true;
}

/*
 * Writes what of @val is passed. Registers beside it are not written at all where they lie in bytes of their own; bits beside it in the
 * same byte are written as they are, but write-one-to-clear ones.
 */
static void write_passed(struct vfio_pci *vp, unsigned int off, unsigned int size, u32 val)
{
	u32 mask = (u32)get_le(vp->passed_write + off, size), w1c = (u32)get_le(vp->pdev.w1c + off, size), old;

	if (!mask)
		return;
	if (!each_byte(mask, size)) {
		write_passed(vp, off, size / 2, val);
		write_passed(vp, off + size / 2, size / 2, val >> size / 2 * 8);
		return;
	}
	if (mask != (u32)ones(size)) {
		if (vfio_pci_device_read(vp, off, size, &old) < 0)
			return;
		val = (old & ~(mask | w1c)) | (val & mask);
	}
	vfio_pci_device_write(vp, off, size, val);
}

void vfio_pci_decoding(struct pci_dev *pdev, u16 command)
{
	struct vfio_pci *vp = vfio_pci_of(pdev);
	bool known = vp->command_known;
	u32 old;

	command &= COMMAND_PASSED;
	if (known && vp->command == command)
		return;
	/* INTx Disable stays as it is there: how the device interrupts is pci-irq.c's to say */
	vp->command_known = vfio_pci_device_read(vp, PCI_COMMAND, 2, &old) == 0 &&
			    vfio_pci_device_write(vp, PCI_COMMAND, 2, (old & 0xffff & ~(u32)COMMAND_PASSED) | command) == 0;
	vp->command = command;
	if (vp->command_known != known)
		vfio_pci_bars_command(vp);
}

/* --- power states and resets --- */

static void device_power(struct vfio_pci *vp, u8 state)
{
	vfio_pci_device_write(vp, vp->pm_cap + PCI_PM_CTRL, 2, state);
	vp->power = state;
}

/* The device's registers are as at power on. */
static void soft_reset(struct vfio_pci *vp)
{
	vfio_pci_irq_off(vp);
	vp->command_known = false;	/* the host may have restored it */
	pci_dev_reset_locked(&vp->pdev);
	vfio_pci_irq_update(vp);
}

/* Config has another power state than the device. */
static void power_sync(struct vfio_pci *vp)
{
	u8 *control = vp->pdev.config + vp->pm_cap + PCI_PM_CTRL, from = vp->power, to;

	if (!vp->pm_cap)
		return;
	to = *control & POWER_STATE;
	if (!(vp->power_states & BIT(to))) {	/* [pci-pm-1.2 3.2.4] the data is discarded */
		*control = (*control & (u8)~POWER_STATE) | from;
		return;
	}
	if (to == from)
		return;
	if (to && !from)
		pci_dev_sleep_locked(&vp->pdev, true);
	device_power(vp, to);
	if (to)
		return;
	if (from == D3HOT && !(*control & PCI_PM_CTRL_NO_SOFT_RESET))
		soft_reset(vp);
	else
		pci_dev_sleep_locked(&vp->pdev, false);
}

static void reset_begin(struct vfio_pci *vp)
{
	vfio_pci_irq_off(vp);
	if (vp->power)
		device_power(vp, 0);
}

static void reset_failed(struct vfio_pci *vp, int r)
{
	if (vp->vd->clean)
		return;
	if (r == -EAGAIN && (vp->leaving || vp->requested))	/* who takes it back has it locked, and waits for us to close it */
		log_ratelimited(&vp->rate, LOG_INFO, vfio_device_name(vp->vd), "not reset, as the host is taking it back");
	else
		log_ratelimited(&vp->rate, LOG_WARNING, vfio_device_name(vp->vd), "not reset, and as the guest left it: %s", strerror(-r));
}

static void reset_end(struct vfio_pci *vp)
{
	int r = vfio_device_reset(vp->vd);

	if (r < 0)
		reset_failed(vp, r);
	vp->command_known = false;
	vfio_pci_irq_update(vp);
}

/* COMMAND reaches the device as 0 before the reset: hosts restore what they find. */
void vfio_pci_function_reset(struct vfio_pci *vp)
{
	reset_begin(vp);
	pci_dev_reset(&vp->pdev);
	reset_end(vp);
}

void vfio_pci_function_reset_locked(struct vfio_pci *vp)
{
	reset_begin(vp);
	pci_dev_reset_locked(&vp->pdev);
	reset_end(vp);
}

/* Bit @mask of the byte @reg is in what the guest wrote, as 1. */
static bool writes_bit(unsigned int off, unsigned int size, u32 val, unsigned int reg, u8 mask)
{
	return pci_touches(off, size, reg, 1) && (val >> (reg - off) * 8 & mask);
}

static bool resets(const struct vfio_pci *vp, unsigned int off, unsigned int size, u32 val)
{
	const u8 *c = vp->pdev.config;

	if (vp->exp_cap && get_le32(c + vp->exp_cap + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR &&
	    writes_bit(off, size, val, vp->exp_cap + PCI_EXP_DEVCTL + 1, PCI_EXP_DEVCTL_BCR_FLR >> 8))
		return true;
	return vp->af_cap && c[vp->af_cap + PCI_AF_CAP] & PCI_AF_CAP_FLR &&
	       writes_bit(off, size, val, vp->af_cap + PCI_AF_CTRL, PCI_AF_CTRL_FLR);
}

void vfio_pci_config_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val)
{
	struct vfio_pci *vp = vfio_pci_of(pdev);

	write_passed(vp, off, size, val);
	if (resets(vp, off, size, val)) {
		vfio_pci_function_reset_locked(vp);
		return;
	}
	if (vp->pm_cap && pci_touches(off, size, vp->pm_cap + PCI_PM_CTRL, 1))
		power_sync(vp);
	/* messages and masks come by vector_changed() */
	if (pci_touches(off, size, PCI_COMMAND, 2) || (vp->msi_cap && pci_touches(off, size, vp->msi_cap + PCI_MSI_FLAGS, 2)) ||
	    (vp->msix_cap && pci_touches(off, size, vp->msix_cap + PCI_MSIX_FLAGS, 2)))
		vfio_pci_irq_update(vp);
}

/* BARs may come during the load: the device is awake for it, whatever the guest thought. */
int vfio_pci_config_load(struct vfio_pci *vp, struct state_reader *r)
{
	int ret;

	if (vp->power)
		device_power(vp, 0);
	vp->command_known = false;
	ret = pci_dev_load(&vp->pdev, r);
	power_sync(vp);
	vfio_pci_irq_update(vp);
	return ret;
}

/* --- making it --- */

static int refuse(struct vfio_pci *vp, struct error *err, int r, const char *why)
{
	return error_set(err, r, "%s '%s': %s", vp->vd->cfg->option, vp->vd->cfg->device, why);
}

static int read_raw(struct vfio_pci *vp, struct error *err)
{
	const struct vfio_region *region = vfio_region_get(vp->vd, VFIO_PCI_CONFIG_REGION_INDEX);
	int r;

	if (!region || region->size < PCI_STD_HEADER_SIZEOF)
		return refuse(vp, err, -EINVAL, "the host shows no config space of it");
	vp->config_size = region->size >= PCIE_CONFIG_SIZE ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE;
	vp->raw = calloc(1, vp->config_size);
	if (!vp->raw)
		return error_set_errno(err, -ENOMEM, "%s '%s'", vp->vd->cfg->option, vp->vd->cfg->device);
	/* A mediated device need not have all 256 bytes: Linux's mtty has 255. */
	r = vfio_region_pread(vp->vd, region, 0, vp->raw, region->size < vp->config_size ? region->size : vp->config_size);
	if (r < 0)
		return error_set_errno(err, r, "%s '%s': reading its config space", vp->vd->cfg->option, vp->vd->cfg->device);
	if (get_le16(vp->raw + PCI_VENDOR_ID) == 0xffff)
		return refuse(vp, err, -EIO, "the device does not answer, its config space reads ones");
	if ((vp->raw[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		return refuse(vp, err, -EINVAL, "it is a bridge, and those cannot be given to a guest");
	return 0;
}

static u8 pin(struct vfio_pci *vp)
{
	u8 pin = vp->raw[PCI_INTERRUPT_PIN];
	struct vfio_irq irq;

	if (pin > 4 || vfio_irq_get(vp->vd, VFIO_PCI_INTX_IRQ_INDEX, &irq) < 0 || irq.count != 1)
		return 0;
	vp->pin_lost = pin && vm_check_cap(vp->pdev.dev.vm, KVM_CAP_IRQFD_RESAMPLE) <= 0;
	return vp->pin_lost ? 0 : pin;
}

static int init_header(struct vfio_pci *vp)
{
	static const struct pci_dev_ops ops = {
		.bar_activated = vfio_pci_bar_activated, .bar_deactivating = vfio_pci_bar_deactivating, .decoding = vfio_pci_decoding,
		.config_read = vfio_pci_config_read, .config_written = vfio_pci_config_written, .vector_changed = vfio_pci_vector_changed,
	};
	const u8 *raw = vp->raw;
	const struct pci_ids ids = {
		.vendor = get_le16(raw + PCI_VENDOR_ID), .device = get_le16(raw + PCI_DEVICE_ID),
		.sub_vendor = get_le16(raw + PCI_SUBSYSTEM_VENDOR_ID), .sub_device = get_le16(raw + PCI_SUBSYSTEM_ID),
		.class_code = get_le32(raw + PCI_CLASS_REVISION) >> 8, .revision = raw[PCI_CLASS_REVISION],
		.extended = vp->config_size > PCI_CONFIG_SIZE, .pin = pin(vp),
	};
	int r = pci_dev_init(&vp->pdev, &ops, &ids);

	if (r < 0)
		return r;
	vp->pdev.intx_by_kvm = true;
	put_le16(vp->pdev.config + PCI_STATUS, get_le16(raw + PCI_STATUS) & STATUS_CONST);
	memcpy(vp->pdev.config + PCI_MIN_GNT, raw + PCI_MIN_GNT, 2);
	put_le16(vp->passed_read + PCI_STATUS, STATUS_ERRORS | STATUS_INTERRUPT);
	vfio_pci_pass_write_bits(vp, PCI_STATUS, 2, STATUS_ERRORS);
	return 0;
}

/*
 * Where its MSI-X table and PBA are: known before the BARs are mapped, because these must trap. A capability that points outside of the
 * device's BARs is hidden (pci-caps.c finds that pci_dev_add_msix_at() refuses it).
 */
static void find_msix(struct vfio_pci *vp)
{
	unsigned int cap = vfio_pci_cap_find(vp, PCI_CAP_ID_MSIX), vectors;
	u32 table, pba;

	vp->msix_bar = PCI_BARS;
	if (!cap || cap > PCI_CONFIG_SIZE - PCI_CAP_MSIX_SIZEOF)
		return;
	vectors = (get_le16(vp->raw + cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1U;
	table = get_le32(vp->raw + cap + PCI_MSIX_TABLE);
	pba = get_le32(vp->raw + cap + PCI_MSIX_PBA);
	if ((table & PCI_MSIX_TABLE_BIR) >= PCI_BARS)
		return;
	vp->msix_bar = table & PCI_MSIX_TABLE_BIR;
	vp->msix_table = table & PCI_MSIX_TABLE_OFFSET;
	vp->msix_table_len = vectors * MSIX_ENTRY;
	vp->msix_pba = vp->msix_table;
	if ((pba & PCI_MSIX_PBA_BIR) == vp->msix_bar) {
		vp->msix_pba = pba & PCI_MSIX_PBA_OFFSET;
		vp->msix_pba_len = (vectors + 63) / 64 * 8;
	}
}

int vfio_pci_config_init(struct vfio_pci *vp, struct error *err)
{
	int r = read_raw(vp, err);

	if (r < 0)
		return r;
	vp->passed_read = calloc(2, vp->config_size);
	if (!vp->passed_read)
		return error_set_errno(err, -ENOMEM, "%s '%s'", vp->vd->cfg->option, vp->vd->cfg->device);
	vp->passed_write = vp->passed_read + vp->config_size;
	vp->flr = vp->vd->flags & VFIO_DEVICE_FLAGS_RESET;
	vp->power_states = BIT(0);
	find_msix(vp);
	r = init_header(vp);
	return r < 0 ? error_set_errno(err, r, "%s '%s'", vp->vd->cfg->option, vp->vd->cfg->device) : 0;
}

void vfio_pci_config_free(struct vfio_pci *vp)
{
	free(vp->passed_read);
	free(vp->raw);
	vp->passed_read = vp->passed_write = vp->raw = NULL;
}
