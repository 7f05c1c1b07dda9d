/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio over PCI: the modern register layout [virtio-1.2 4.1], and what it shares with the legacy one: interrupts,
 * ioeventfds, life.
 *
 * One 32-bit memory BAR, not prefetchable since reading ISR has a side effect, with a page for each structure, so that
 * a guest can map them apart:
 *
 *	0x0000 common configuration    0x1000 ISR    0x2000 device configuration
 *	0x3000 notify, four bytes for each queue     0x4000 MSI-X table    0x4800 PBA
 *
 * Each queue has a notify address of its own; what is written there is not looked at. KVM signals the queue's eventfd for it
 * while the BAR is decoded and the queue runs; where KVM refuses (an overlap with another device's), kicks come as exits.
 * Fields take accesses of their own width, 64-bit ones as halves [4.1.3.1]; others read as ones and write nothing.
 *
 * Left out: an I/O BAR for notification, shared memory and vendor capabilities, the admin queue.
 *
 * Threads: registers on vCPU threads; BAR callbacks under the PCI host's lock, which therefore nests outside vdev->lock and
 * is never taken here; interrupts from any thread.
 */
#include "virtio/pci.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>

#include "util/endian.h"
#include "vmm/state.h"

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

/* --- interrupts --- */

static void queue_interrupt(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_pci *vp = vdev->transport;

	/* [4.1.5.3] With MSI-X, ISR is not used for queues. */
	if (pci_msix_enabled(&vp->pdev)) {
		pci_msix_notify(&vp->pdev, atomic_load(&vdev->queue[queue].vector));
		return;
	}
	pthread_mutex_lock(&vp->isr_lock);
	vp->isr |= VIRTIO_ISR_QUEUE;
	pci_intx_set(&vp->pdev, true);
	pthread_mutex_unlock(&vp->isr_lock);
}

static void config_interrupt(struct virtio_dev *vdev)
{
	struct virtio_pci *vp = vdev->transport;

	pthread_mutex_lock(&vp->isr_lock);
	/* A reset clears status, and then ISR under this lock: nothing of the past comes after it. [2.4.1] */
	if (atomic_load(&vdev->status) & VIRTIO_S_DRIVER_OK) {
		/* [4.1.4.5.1] ISR with MSI-X too. Which of the two goes out is pci.c's: never the pin while MSI-X is on. */
		vp->isr |= VIRTIO_ISR_CONFIG;
		pci_intx_set(&vp->pdev, true);
		pci_msix_notify(&vp->pdev, atomic_load(&vp->config_vector));
	}
	pthread_mutex_unlock(&vp->isr_lock);
}

u8 virtio_pci_isr_read(struct virtio_pci *vp)
{
	u8 isr;

	pthread_mutex_lock(&vp->isr_lock);
	isr = vp->isr;
	vp->isr = 0;
	pci_intx_set(&vp->pdev, false);
	pthread_mutex_unlock(&vp->isr_lock);
	return isr;
}

u16 virtio_pci_vector(const struct virtio_pci *vp, u64 val)
{
	return val < pci_msix_vectors(&vp->pdev) ? (u16)val : VIRTIO_NO_VECTOR;
}

static int queue_irqfd(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_pci *vp = vdev->transport;
	u16 vector = atomic_load(&vdev->queue[queue].vector);

	if (!pci_msix_enabled(&vp->pdev) || vector == VIRTIO_NO_VECTOR)
		return -ENOTSUP;	/* nothing that could set ISR or stay silent outside lkvm */
	return pci_msix_irqfd(&vp->pdev, vector);
}

static void transport_reset(struct virtio_dev *vdev)
{
	struct virtio_pci *vp = vdev->transport;

	atomic_store(&vp->config_vector, VIRTIO_NO_VECTOR);
	atomic_store(&vp->device_feature_select, 0);
	atomic_store(&vp->driver_feature_select, 0);
	atomic_store(&vp->queue_select, 0);
	virtio_pci_isr_read(vp);
}

/* --- kicks by ioeventfd: vdev->lock held --- */

static int kick_add_locked(struct virtio_pci *vp, unsigned int queue)
{
	struct virtio_pci_kick k = vp->layout->kick(vp, queue);
	int r;

	if (!vp->decoded || (vp->ioeventfds & BIT_ULL(queue)))
		return 0;
	r = ioeventfd_add(vp->vdev->vm, vp->space, vp->base + k.off, k.len, k.match, queue,
			  atomic_load(&vp->vdev->queue[queue].kick_fd));
	if (!r)
		vp->ioeventfds |= BIT_ULL(queue);
	return r;
}

static void kick_del_locked(struct virtio_pci *vp, unsigned int queue)
{
	struct virtio_pci_kick k = vp->layout->kick(vp, queue);

	if (!(vp->ioeventfds & BIT_ULL(queue)))
		return;
	vp->ioeventfds &= ~BIT_ULL(queue);
	ioeventfd_del(vp->vdev->vm, vp->space, vp->base + k.off, k.len, k.match, queue,
		      atomic_load(&vp->vdev->queue[queue].kick_fd));
}

static int queue_started(struct virtio_dev *vdev, unsigned int queue)
{
	return kick_add_locked(vdev->transport, queue);
}

static void queue_stopping(struct virtio_dev *vdev, unsigned int queue)
{
	kick_del_locked(vdev->transport, queue);
}

void virtio_pci_bar_activated(struct pci_dev *pdev, unsigned int bar)
{
	struct virtio_pci *vp = virtio_pci_of(pdev);
	struct virtio_dev *vdev = vp->vdev;
	unsigned int i;

	if (bar != vp->layout->bar)
		return;
	pthread_mutex_lock(&vdev->lock);
	vp->decoded = true;
	vp->space = pdev->bar[bar].region.space;
	vp->base = pdev->bar[bar].region.base;
	for (i = 0; i < vdev->nr_queues; i++)
		if (vdev->running && vdev->queue[i].enabled)
			kick_add_locked(vp, i);
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_pci_bar_deactivating(struct pci_dev *pdev, unsigned int bar)
{
	struct virtio_pci *vp = virtio_pci_of(pdev);
	unsigned int i;

	if (bar != vp->layout->bar)
		return;
	pthread_mutex_lock(&vp->vdev->lock);
	for (i = 0; i < vp->vdev->nr_queues; i++)
		kick_del_locked(vp, i);
	vp->decoded = false;
	pthread_mutex_unlock(&vp->vdev->lock);
}

static const struct virtio_transport_ops pci_transport = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
	.queue_started = queue_started,
	.queue_stopping = queue_stopping,
	.queue_irqfd = queue_irqfd,
	.reset = transport_reset,
};

/* --- the device in the VM: main thread, vCPUs stopped --- */

static struct virtio_pci *vp_of_device(struct device *dev)
{
	return container_of(dev, struct virtio_pci, pdev.dev);
}

static void vp_reset(struct device *dev)
{
	struct virtio_pci *vp = vp_of_device(dev);

	virtio_dev_reset(vp->vdev);
	pci_dev_reset(&vp->pdev);
}

static void vp_stop(struct device *dev)
{
	virtio_dev_stop(vp_of_device(dev)->vdev);
}

static void vp_start(struct device *dev)
{
	virtio_dev_start(vp_of_device(dev)->vdev);
}

static void vp_save(struct device *dev, struct state_writer *w)
{
	struct virtio_pci *vp = vp_of_device(dev);

	state_begin(w, dev->name, 1);
	pci_dev_save(&vp->pdev, w);
	state_put_u32(w, atomic_load(&vp->device_feature_select));
	state_put_u32(w, atomic_load(&vp->driver_feature_select));
	state_put_u16(w, atomic_load(&vp->queue_select));
	state_put_u16(w, atomic_load(&vp->config_vector));
	state_put_u8(w, vp->isr);
	virtio_dev_save(vp->vdev, w);
	state_end(w);
}

static bool vector_valid(const struct virtio_pci *vp, u16 vector)
{
	return vector == VIRTIO_NO_VECTOR || virtio_pci_vector(vp, vector) == vector;
}

static int vp_load(struct device *dev, struct state_reader *r)
{
	struct virtio_pci *vp = vp_of_device(dev);
	u32 version, device_select, driver_select;
	u16 queue_select, config_vector;
	unsigned int i;
	u8 isr;
	int ret;

	ret = state_open(r, dev->name, 1, &version);
	if (ret < 0)
		return ret;
	ret = pci_dev_load(&vp->pdev, r);
	if (ret < 0)
		return ret;
	device_select = state_get_u32(r);
	driver_select = state_get_u32(r);
	queue_select = state_get_u16(r);
	config_vector = state_get_u16(r);
	isr = state_get_u8(r);
	if (r->error || !vector_valid(vp, config_vector) || (isr & ~(VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG))) {
		state_fail(r);
		return r->error;
	}
	ret = virtio_dev_load(vp->vdev, r);	/* begins with a reset, so the registers come after it */
	if (ret < 0)
		return ret;
	for (i = 0; i < vp->vdev->nr_queues; i++)
		if (!vector_valid(vp, atomic_load(&vp->vdev->queue[i].vector)))
			state_fail(r);
	atomic_store(&vp->device_feature_select, device_select);
	atomic_store(&vp->driver_feature_select, driver_select);
	atomic_store(&vp->queue_select, queue_select);
	atomic_store(&vp->config_vector, config_vector);
	vp->isr = isr;
	pci_intx_set(&vp->pdev, isr);
	ret = state_close(r);
	if (ret < 0)
		virtio_dev_reset(vp->vdev);
	return ret;
}

static void vp_free(struct device *dev)
{
	struct virtio_pci *vp = vp_of_device(dev);

	virtio_dev_stop(vp->vdev);
	pci_dev_cleanup(&vp->pdev);	/* its BAR callbacks still see vdev */
	virtio_dev_free(vp->vdev);
	pthread_mutex_destroy(&vp->isr_lock);
	free(vp);
}

static const struct device_ops vp_ops = {
	.reset = vp_reset,
	.stop = vp_stop,
	.start = vp_start,
	.save = vp_save,
	.load = vp_load,
	.free = vp_free,
};

int virtio_pci_init(struct vm *vm, struct virtio_dev *vdev, const struct virtio_pci_layout *layout,
		    struct pci_ids *ids, struct virtio_pci **ret)
{
	struct virtio_pci *vp = calloc(1, sizeof(*vp));
	int r;

	if (!vp)
		return -ENOMEM;
	ids->vendor = ids->sub_vendor = VIRTIO_PCI_VENDOR;
	ids->class_code = vdev->ops->pci_class;
	ids->pin = 1;
	r = pci_dev_init(&vp->pdev, layout->pops, ids);
	if (r < 0) {
		free(vp);
		return r;
	}
	pthread_mutex_init(&vp->isr_lock, NULL);
	vp->vdev = vdev;
	vp->layout = layout;
	vp->config_vector = VIRTIO_NO_VECTOR;
	vdev->transport = vp;
	vdev->tops = &pci_transport;
	*ret = vp;
	return 0;
}

void virtio_pci_undo(struct virtio_pci *vp)
{
	pci_dev_cleanup(&vp->pdev);
	pthread_mutex_destroy(&vp->isr_lock);
	free(vp);
}

int virtio_pci_finish(struct vm *vm, struct virtio_pci *vp, struct error *err)
{
	int r = pci_plug(vm->pci, &vp->pdev, -1);

	if (r < 0) {
		error_set(err, r, r == -ENOSPC ? "%s: the PCI bus has no free slot" : "%s: cannot be put on the PCI bus",
			  vp->vdev->name);
		virtio_pci_undo(vp);
		return r;
	}
	device_add(vm, &vp->pdev.dev, &vp_ops, "%s", vp->vdev->name);
	return 0;
}

int virtio_pci_create(struct vm *vm, struct virtio_dev *vdev, struct error *err)
{
	return vdev->legacy ? virtio_pci_legacy_create(vm, vdev, err) : virtio_pci_modern_create(vm, vdev, err);
}

/* --- the modern layout --- */

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
