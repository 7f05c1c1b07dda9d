/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio over PCI for drivers from before virtio 1.0: registers in I/O BAR 0, page frame numbers for queues, 32 feature
 * bits. [virtio-1.2 4.1.4.10, 4.1.5.1.3.1; virtio-0.9.5 2]
 *
 * Not transitional: the modern capabilities are absent, so that every driver takes this interface.
 * While MSI-X is enabled two vector registers sit between header and device configuration.
 *
 * Threads: registers on vCPU threads.
 */
#include "virtio/pci.h"

#include <errno.h>

#include "util/endian.h"

enum {
	BAR_REGS = 0,
	BAR_MSIX = 1,
	MSIX_BAR_SIZE = 0x1000,
	PBA_OFF = 0x800,
	LEGACY_PAGE = 4096,
};

enum {
	L_HOST_FEATURES = 0x00, L_GUEST_FEATURES = 0x04, L_QUEUE_PFN = 0x08, L_QUEUE_SIZE = 0x0c, L_QUEUE_SELECT = 0x0e,
	L_QUEUE_NOTIFY = 0x10, L_STATUS = 0x12, L_ISR = 0x13, L_HEADER = 0x14,
	L_CONFIG_VECTOR = 0x14, L_QUEUE_VECTOR = 0x16, L_HEADER_MSIX = 0x18,
};

static const u8 header_width[L_HEADER_MSIX] = {
	[L_HOST_FEATURES] = 4, [L_GUEST_FEATURES] = 4, [L_QUEUE_PFN] = 4, [L_QUEUE_SIZE] = 2, [L_QUEUE_SELECT] = 2,
	[L_QUEUE_NOTIFY] = 2, [L_STATUS] = 1, [L_ISR] = 1, [L_CONFIG_VECTOR] = 2, [L_QUEUE_VECTOR] = 2,
};

static unsigned int header_size(const struct virtio_pci *vp)
{
	return pci_msix_enabled(&vp->pdev) ? L_HEADER_MSIX : L_HEADER;
}

static u64 header_read(struct virtio_pci *vp, u64 off, unsigned int size)
{
	struct virtio_dev *vdev = vp->vdev;
	u16 sel = atomic_load(&vp->queue_select);

	if (header_width[off] != size)
		return ones(size);
	switch (off) {
	case L_HOST_FEATURES:
		return virtio_get_features(vdev, 0);
	case L_GUEST_FEATURES:
		return virtio_get_accepted(vdev, 0);
	case L_QUEUE_PFN:
		return (u32)(virtio_queue_read(vdev, sel, VIRTIO_Q_DESC) / LEGACY_PAGE);
	case L_QUEUE_SIZE:
		return virtio_queue_read(vdev, sel, VIRTIO_Q_SIZE);
	case L_QUEUE_SELECT:
		return sel;
	case L_STATUS:
		return virtio_get_status(vdev);
	case L_ISR:
		return virtio_pci_isr_read(vp);
	case L_CONFIG_VECTOR:
		return atomic_load(&vp->config_vector);
	case L_QUEUE_VECTOR:
		return virtio_queue_read(vdev, sel, VIRTIO_Q_VECTOR);
	}
	return 0;	/* queue_notify is for writing */
}

static void header_write(struct virtio_pci *vp, u64 off, u64 val, unsigned int size)
{
	struct virtio_dev *vdev = vp->vdev;
	u16 sel = atomic_load(&vp->queue_select);

	if (header_width[off] != size)
		return;
	switch (off) {
	case L_GUEST_FEATURES:
		virtio_set_accepted(vdev, 0, (u32)val);
		break;
	case L_QUEUE_PFN:
		virtio_queue_set_legacy_pfn(vdev, sel, (u32)val, LEGACY_PAGE);
		break;
	case L_QUEUE_SELECT:
		atomic_store(&vp->queue_select, (u16)val);
		break;
	case L_QUEUE_NOTIFY:
		virtio_queue_kicked(vdev, (u16)val);
		break;
	case L_STATUS:
		virtio_set_status(vdev, (u8)val);
		break;
	case L_CONFIG_VECTOR:
		atomic_store(&vp->config_vector, virtio_pci_vector(vp, val));
		break;
	case L_QUEUE_VECTOR:
		virtio_queue_set_vector(vdev, sel, virtio_pci_vector(vp, val));
		break;
	}
}

/* The device's own part takes any width [4.1.4.10]; little endian, as all our guests are. */
static u64 legacy_read(struct io_region *r, u64 off, unsigned int size)
{
	struct virtio_pci *vp = virtio_pci_of(pci_bar_of(r)->pdev);
	unsigned int header = header_size(vp);
	u8 buf[4];

	if (off < header)
		return header_read(vp, off, size);
	virtio_config_read(vp->vdev, (unsigned int)off - header, buf, size);
	return get_le(buf, size);
}

static void legacy_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct virtio_pci *vp = virtio_pci_of(pci_bar_of(r)->pdev);
	unsigned int header = header_size(vp);
	u8 buf[4];

	if (off < header) {
		header_write(vp, off, val, size);
		return;
	}
	put_le(buf, size, val);
	virtio_config_write(vp->vdev, (unsigned int)off - header, buf, size);
}

static const struct io_ops legacy_io = { .read = legacy_read, .write = legacy_write, .sizes = 1 | 2 | 4 };

static void legacy_config_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val)
{
	virtio_pci_msix_moved(virtio_pci_of(pdev));
}

static const struct pci_dev_ops legacy_pops = {
	.bar_activated = virtio_pci_bar_activated,
	.bar_deactivating = virtio_pci_bar_deactivating,
	.config_written = legacy_config_written,
};

/* All queues share one notify register, and the value tells them apart. */
static struct virtio_pci_kick legacy_kick(const struct virtio_pci *vp, unsigned int queue)
{
	return (struct virtio_pci_kick){ .off = L_QUEUE_NOTIFY, .len = 2, .match = true };
}

static const struct virtio_pci_layout legacy_layout = {
	.bar = BAR_REGS,
	.kick = legacy_kick,
	.pops = &legacy_pops,
};

int virtio_pci_legacy_create(struct vm *vm, struct virtio_dev *vdev, struct error *err)
{
	/* [4.1.2.3] */
	struct pci_ids ids = { .device = vdev->ops->legacy_pci_id, .sub_device = vdev->ops->id, .revision = 0 };
	struct virtio_pci *vp;
	u64 size = 32;
	int r;

	if (!vdev->ops->legacy_pci_id)
		return error_set(err, -ENOTSUP, "%s: this device has no legacy interface (--virtio-transport pci)",
				 vdev->name);
	while (size < L_HEADER_MSIX + vdev->config_size)
		size *= 2;
	r = virtio_pci_init(vm, vdev, &legacy_layout, &ids, &vp);
	if (r < 0)
		return error_set_errno(err, r, "%s", vdev->name);
	r = pci_dev_add_bar(&vp->pdev, BAR_REGS, PCI_BAR_IO, size, &legacy_io);
	if (!r)
		r = pci_dev_add_bar(&vp->pdev, BAR_MSIX, PCI_BAR_MEM32, MSIX_BAR_SIZE, &pci_msix_io);
	if (!r)
		r = pci_dev_add_msix(&vp->pdev, vdev->nr_queues + 1, BAR_MSIX, 0, PBA_OFF);
	if (r < 0) {
		virtio_pci_undo(vp);
		return error_set_errno(err, r, "%s: PCI capabilities", vdev->name);
	}
	return virtio_pci_finish(vm, vp, err);
}
