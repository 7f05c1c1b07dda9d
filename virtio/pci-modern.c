/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio over PCI: the modern register layout. [virtio-1.2 4.1]
 *
 * One 32-bit memory BAR, not prefetchable since reading ISR has a side effect, with a page for each structure, so that
 * a guest can map them apart:
 *
 *	0x0000 common configuration    0x1000 ISR    0x2000 device configuration
 *	0x3000 notify, four bytes for each queue     0x4000 MSI-X table    0x4800 PBA
 *
 * Each queue has a notify address of its own; what is written there is not looked at.
 * Fields take accesses of their own width, 64-bit ones as halves [4.1.3.1]; others read as ones and write nothing.
 *
 * Left out: an I/O BAR for notification, shared memory and vendor capabilities, the admin queue.
 *
 * Threads: registers on vCPU threads; PCI_CFG under the PCI host's lock.
 */
#include "virtio/pci.h"

#include <errno.h>
#include <linux/kvm.h>

#include "util/endian.h"

enum {
	BAR_REGS = 0,
	COMMON_OFF = 0x0000,
	ISR_OFF = 0x1000,
	DEVICE_OFF = 0x2000,
	NOTIFY_OFF = 0x3000,
	MSIX_OFF = 0x4000,
	PBA_OFF = 0x4800,
	BAR_SIZE = 0x8000,
	STRUCT_SIZE = 0x1000,
	NOTIFY_MULTIPLIER = 4,
};

/* struct virtio_pci_cap [4.1.4] */
enum {
	CAP_VENDOR = 9,
	CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_SIZE = 16,
	CAP_EXTRA = 16,		/* notify_off_multiplier, pci_cfg_data */

	CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_ISR = 3, CFG_DEVICE = 4, CFG_PCI = 5,
};

/* struct virtio_pci_common_cfg [4.1.4.3] */
enum {
	C_DEVICE_FEATURE_SELECT = 0x00, C_DEVICE_FEATURE = 0x04, C_DRIVER_FEATURE_SELECT = 0x08, C_DRIVER_FEATURE = 0x0c,
	C_CONFIG_VECTOR = 0x10, C_NUM_QUEUES = 0x12, C_STATUS = 0x14, C_GENERATION = 0x15,
	C_QUEUE_SELECT = 0x16, C_QUEUE_SIZE = 0x18, C_QUEUE_VECTOR = 0x1a, C_QUEUE_ENABLE = 0x1c, C_QUEUE_NOTIFY_OFF = 0x1e,
	C_QUEUE_DESC = 0x20, C_QUEUE_DRIVER = 0x28, C_QUEUE_DEVICE = 0x30, C_QUEUE_NOTIFY_DATA = 0x38, C_QUEUE_RESET = 0x3a,
	C_SIZE = 0x3c,
};

static const u8 common_width[C_SIZE] = {
	[C_DEVICE_FEATURE_SELECT] = 4, [C_DEVICE_FEATURE] = 4, [C_DRIVER_FEATURE_SELECT] = 4, [C_DRIVER_FEATURE] = 4,
	[C_CONFIG_VECTOR] = 2, [C_NUM_QUEUES] = 2, [C_STATUS] = 1, [C_GENERATION] = 1,
	[C_QUEUE_SELECT] = 2, [C_QUEUE_SIZE] = 2, [C_QUEUE_VECTOR] = 2, [C_QUEUE_ENABLE] = 2, [C_QUEUE_NOTIFY_OFF] = 2,
	[C_QUEUE_DESC] = 4, [C_QUEUE_DESC + 4] = 4, [C_QUEUE_DRIVER] = 4, [C_QUEUE_DRIVER + 4] = 4,
	[C_QUEUE_DEVICE] = 4, [C_QUEUE_DEVICE + 4] = 4, [C_QUEUE_NOTIFY_DATA] = 2, [C_QUEUE_RESET] = 2,
};

static u64 common_read(struct virtio_pci *vp, u64 off, unsigned int size)
{
	struct virtio_dev *vdev = vp->vdev;
	u16 sel = atomic_load(&vp->queue_select);

	if (off >= C_SIZE || common_width[off] != size)
		return ones(size);
	switch (off) {
	case C_DEVICE_FEATURE_SELECT:
		return atomic_load(&vp->device_feature_select);
	case C_DEVICE_FEATURE:
		return virtio_get_features(vdev, atomic_load(&vp->device_feature_select));
	case C_DRIVER_FEATURE_SELECT:
		return atomic_load(&vp->driver_feature_select);
	case C_DRIVER_FEATURE:
		return virtio_get_accepted(vdev, atomic_load(&vp->driver_feature_select));
	case C_CONFIG_VECTOR:
		return atomic_load(&vp->config_vector);
	case C_NUM_QUEUES:
		return vdev->nr_queues;
	case C_STATUS:
		return virtio_get_status(vdev);
	case C_GENERATION:
		return virtio_get_generation(vdev);
	case C_QUEUE_SELECT:
		return sel;
	case C_QUEUE_SIZE:
		return virtio_queue_read(vdev, sel, VIRTIO_Q_SIZE);
	case C_QUEUE_VECTOR:
		return virtio_queue_read(vdev, sel, VIRTIO_Q_VECTOR);
	case C_QUEUE_ENABLE:
		return virtio_queue_read(vdev, sel, VIRTIO_Q_ENABLE);
	case C_QUEUE_NOTIFY_OFF:
	case C_QUEUE_NOTIFY_DATA:
		return virtio_queue_get(vdev, sel) ? sel : 0;
	case C_QUEUE_DESC:
		return (u32)virtio_queue_read(vdev, sel, VIRTIO_Q_DESC);
	case C_QUEUE_DESC + 4:
		return virtio_queue_read(vdev, sel, VIRTIO_Q_DESC) >> 32;
	case C_QUEUE_DRIVER:
		return (u32)virtio_queue_read(vdev, sel, VIRTIO_Q_DRIVER);
	case C_QUEUE_DRIVER + 4:
		return virtio_queue_read(vdev, sel, VIRTIO_Q_DRIVER) >> 32;
	case C_QUEUE_DEVICE:
		return (u32)virtio_queue_read(vdev, sel, VIRTIO_Q_DEVICE);
	case C_QUEUE_DEVICE + 4:
		return virtio_queue_read(vdev, sel, VIRTIO_Q_DEVICE) >> 32;
	}
	return 0;	/* queue_reset: a reset is over when its write returns */
}

static void common_write(struct virtio_pci *vp, u64 off, u64 val, unsigned int size)
{
	struct virtio_dev *vdev = vp->vdev;
	u16 sel = atomic_load(&vp->queue_select);

	if (off >= C_SIZE || common_width[off] != size)
		return;
	switch (off) {
	case C_DEVICE_FEATURE_SELECT:
		atomic_store(&vp->device_feature_select, (u32)val);
		break;
	case C_DRIVER_FEATURE_SELECT:
		atomic_store(&vp->driver_feature_select, (u32)val);
		break;
	case C_DRIVER_FEATURE:
		virtio_set_accepted(vdev, atomic_load(&vp->driver_feature_select), (u32)val);
		break;
	case C_CONFIG_VECTOR:
		atomic_store(&vp->config_vector, virtio_pci_vector(vp, val));
		break;
	case C_STATUS:
		virtio_set_status(vdev, (u8)val);
		break;
	case C_QUEUE_SELECT:
		atomic_store(&vp->queue_select, (u16)val);
		break;
	case C_QUEUE_SIZE:
		virtio_queue_set_size(vdev, sel, (u16)val);
		break;
	case C_QUEUE_VECTOR:
		virtio_queue_set_vector(vdev, sel, virtio_pci_vector(vp, val));
		break;
	case C_QUEUE_ENABLE:
		if (val == 1)	/* [4.1.4.3.2] the driver does not write 0 */
			virtio_queue_set_enable(vdev, sel);
		break;
	case C_QUEUE_DESC:
	case C_QUEUE_DESC + 4:
		virtio_queue_set_addr(vdev, sel, VIRTIO_AREA_DESC, off != C_QUEUE_DESC, (u32)val);
		break;
	case C_QUEUE_DRIVER:
	case C_QUEUE_DRIVER + 4:
		virtio_queue_set_addr(vdev, sel, VIRTIO_AREA_DRIVER, off != C_QUEUE_DRIVER, (u32)val);
		break;
	case C_QUEUE_DEVICE:
	case C_QUEUE_DEVICE + 4:
		virtio_queue_set_addr(vdev, sel, VIRTIO_AREA_DEVICE, off != C_QUEUE_DEVICE, (u32)val);
		break;
	case C_QUEUE_RESET:
		if (val == 1)
			virtio_queue_set_reset(vdev, sel);
		break;
	}
}

static u64 struct_read(struct virtio_pci *vp, u64 off, unsigned int size)
{
	u8 buf[4];

	switch (off & ~(u64)(STRUCT_SIZE - 1)) {
	case COMMON_OFF:
		return common_read(vp, off - COMMON_OFF, size);
	case ISR_OFF:
		return off == ISR_OFF ? virtio_pci_isr_read(vp) : ones(size);
	case DEVICE_OFF:
		virtio_config_read(vp->vdev, (unsigned int)(off - DEVICE_OFF), buf, size);
		return get_le(buf, size);
	}
	return ones(size);
}

static void struct_write(struct virtio_pci *vp, u64 off, u64 val, unsigned int size)
{
	u8 buf[4];

	switch (off & ~(u64)(STRUCT_SIZE - 1)) {
	case COMMON_OFF:
		common_write(vp, off - COMMON_OFF, val, size);
		break;
	case DEVICE_OFF:
		put_le(buf, size, val);
		virtio_config_write(vp->vdev, (unsigned int)(off - DEVICE_OFF), buf, size);
		break;
	case NOTIFY_OFF:
		if (is_aligned(off, NOTIFY_MULTIPLIER) && size >= 2)
			virtio_queue_kicked(vp->vdev, (u32)(off - NOTIFY_OFF) / NOTIFY_MULTIPLIER);
		break;
	}
}

static u64 regs_read(struct io_region *r, u64 off, unsigned int size)
{
	struct virtio_pci *vp = virtio_pci_of(pci_bar_of(r)->pdev);
	u64 val = ones(size);

	if (off < MSIX_OFF)
		return struct_read(vp, off, size);
	pci_msix_read(&vp->pdev, off, size, &val);
	return val;
}

static void regs_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct virtio_pci *vp = virtio_pci_of(pci_bar_of(r)->pdev);

	if (off < MSIX_OFF)
		struct_write(vp, off, val, size);
	else
		pci_msix_write(&vp->pdev, off, val, size);
}

static const struct io_ops regs_io = { .read = regs_read, .write = regs_write, .sizes = 1 | 2 | 4 };

/*
 * PCI_CFG: a window in config space on the structures in the BAR [4.1.4.9]. Bar, offset and length are the guest's to write,
 * so they are judged at each use. True: they name @ret_len bytes at @ret_off inside the structures.
 */
static bool window_target(const struct virtio_pci *vp, u64 *ret_off, unsigned int *ret_len)
{
	const u8 *cap = vp->pdev.config + vp->cfg_cap;
	u32 off = get_le32(cap + CAP_OFFSET), len = get_le32(cap + CAP_LENGTH);

	if (cap[CAP_BAR] != BAR_REGS || (len != 1 && len != 2 && len != 4) || !is_aligned(off, len) || off >= MSIX_OFF)
		return false;
	*ret_off = off;
	*ret_len = len;
	return true;
}

static bool touches_window(const struct virtio_pci *vp, unsigned int off, unsigned int size)
{
	return off + size > vp->cfg_cap + CAP_EXTRA && off < vp->cfg_cap + CAP_EXTRA + 4;
}

static void modern_config_read(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 *val)
{
	struct virtio_pci *vp = virtio_pci_of(pdev);
	u8 *data = pdev->config + vp->cfg_cap + CAP_EXTRA;
	unsigned int len;
	u64 at;

	if (!touches_window(vp, off, size))
		return;
	if (window_target(vp, &at, &len))
		put_le(data, len, struct_read(vp, at, len));
	else
		put_le32(data, ~0U);
	*val = (u32)get_le(pdev->config + off, size);
}

static void modern_config_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val)
{
	struct virtio_pci *vp = virtio_pci_of(pdev);
	unsigned int len;
	u64 at;

	virtio_pci_msix_moved(vp);
	if (touches_window(vp, off, size) && window_target(vp, &at, &len))
		struct_write(vp, at, get_le(pdev->config + vp->cfg_cap + CAP_EXTRA, len), len);
}

static const struct pci_dev_ops modern_pops = {
	.bar_activated = virtio_pci_bar_activated,
	.bar_deactivating = virtio_pci_bar_deactivating,
	.config_read = modern_config_read,
	.config_written = modern_config_written,
};

/*
 * Any value and, where KVM can, any width: a write of the wrong width costs its driver a spurious kick, and in return KVM does
 * not have to decode the instruction (its fast path for MMIO). Else the width that drivers use. [api 4.59]
 */
static struct virtio_pci_kick modern_kick(const struct virtio_pci *vp, unsigned int queue)
{
	return (struct virtio_pci_kick){ .off = NOTIFY_OFF + queue * NOTIFY_MULTIPLIER, .len = vp->kick_len };
}

static const struct virtio_pci_layout modern_layout = {
	.bar = BAR_REGS,
	.kick = modern_kick,
	.pops = &modern_pops,
};

/* Gives the capability's offset, or -ENOSPC. */
static int add_cap(struct virtio_pci *vp, u8 type, unsigned int extra, u32 off, u32 len)
{
	int at = pci_dev_add_cap(&vp->pdev, CAP_VENDOR, CAP_SIZE + extra);
	u8 *cap;

	if (at < 0)
		return at;
	cap = vp->pdev.config + at;
	cap[2] = (u8)(CAP_SIZE + extra);
	cap[CAP_TYPE] = type;
	cap[CAP_BAR] = BAR_REGS;
	put_le32(cap + CAP_OFFSET, off);
	put_le32(cap + CAP_LENGTH, len);
	return at;
}

static int add_caps(struct virtio_pci *vp)
{
	struct virtio_dev *vdev = vp->vdev;
	int at;

	at = add_cap(vp, CFG_COMMON, 0, COMMON_OFF, C_SIZE);
	if (at < 0)
		return at;
	at = add_cap(vp, CFG_ISR, 0, ISR_OFF, 1);
	if (at < 0)
		return at;
	if (vdev->config_size) {
		at = add_cap(vp, CFG_DEVICE, 0, DEVICE_OFF, vdev->config_size);
		if (at < 0)
			return at;
	}
	at = add_cap(vp, CFG_NOTIFY, 4, NOTIFY_OFF, vdev->nr_queues * NOTIFY_MULTIPLIER);
	if (at < 0)
		return at;
	put_le32(vp->pdev.config + at + CAP_EXTRA, NOTIFY_MULTIPLIER);
	at = add_cap(vp, CFG_PCI, 4, 0, 0);
	if (at < 0)
		return at;
	vp->cfg_cap = (unsigned int)at;
	pci_config_set_wmask(&vp->pdev, vp->cfg_cap + CAP_BAR, 1, 0xff);
	pci_config_set_wmask(&vp->pdev, vp->cfg_cap + CAP_OFFSET, 4, ~0U);
	pci_config_set_wmask(&vp->pdev, vp->cfg_cap + CAP_LENGTH, 4, ~0U);
	pci_config_set_wmask(&vp->pdev, vp->cfg_cap + CAP_EXTRA, 4, ~0U);
	return 0;
}

int virtio_pci_modern_create(struct vm *vm, struct virtio_dev *vdev, struct error *err)
{
	/* [4.1.2.1] */
	struct pci_ids ids = {
		.device = (u16)(VIRTIO_PCI_MODERN_ID + vdev->ops->id),
		.sub_device = (u16)(VIRTIO_PCI_MODERN_SUBSYSTEM + vdev->ops->id),
		.revision = 1,
	};
	struct virtio_pci *vp;
	int r;

	r = virtio_pci_init(vm, vdev, &modern_layout, &ids, &vp);
	if (r < 0)
		return error_set_errno(err, r, "%s", vdev->name);
	vp->kick_len = vm_check_cap(vm, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0 ? 0 : 2;
	r = pci_dev_add_bar(&vp->pdev, BAR_REGS, PCI_BAR_MEM32, BAR_SIZE, &regs_io);
	if (!r)
		r = pci_dev_add_msix(&vp->pdev, vdev->nr_queues + 1, BAR_REGS, MSIX_OFF, PBA_OFF);
	if (r >= 0)
		r = add_caps(vp);
	if (r < 0) {
		virtio_pci_undo(vp);
		return error_set_errno(err, r, "%s: PCI capabilities", vdev->name);
	}
	return virtio_pci_finish(vm, vp, err);
}
