/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio over MMIO: one register page and one level-triggered line for each device, which the guest learns of from the firmware's
 * tables. Version 2 [virtio-1.2 4.2.2, 4.2.3] and the legacy interface, version 1 [4.2.4].
 *
 * Registers take aligned 32-bit accesses only; the device's configuration behind them takes all widths. What is not there, not in this
 * version, or not to be read, reads as ones. Slots without a device are not described and have no registers.
 *
 * All queues share the notify register: KVM signals a queue's eventfd for the write of its number. Interrupts have a status register
 * that the driver reads, so nobody outside lkvm can interrupt here: vhost's calls come by the loop (vhost.c).
 *
 * Left out: shared memory regions (none of our devices has one), NOTIFICATION_DATA.
 *
 * Threads: registers on vCPU threads; interrupts from any thread; the device's operations on the main thread.
 */
#include "virtio/mmio.h"

#include <errno.h>
#include <stdlib.h>

#include "util/endian.h"
#include "vmm/irq.h"
#include "vmm/state.h"

/* [4.2.2] Where a name differs, version 1 calls it something else. */
enum {
	R_MAGIC = 0x000, R_VERSION = 0x004, R_DEVICE_ID = 0x008, R_VENDOR_ID = 0x00c,
	R_DEVICE_FEATURES = 0x010, R_DEVICE_FEATURES_SEL = 0x014, R_DRIVER_FEATURES = 0x020, R_DRIVER_FEATURES_SEL = 0x024,
	R_QUEUE_SEL = 0x030, R_QUEUE_NUM_MAX = 0x034, R_QUEUE_NUM = 0x038, R_QUEUE_READY = 0x044, R_QUEUE_NOTIFY = 0x050,
	R_INTERRUPT_STATUS = 0x060, R_INTERRUPT_ACK = 0x064, R_STATUS = 0x070,
	R_QUEUE_DESC = 0x080, R_QUEUE_DRIVER = 0x090, R_QUEUE_DEVICE = 0x0a0,	/* low; high 4 behind */
	R_SHM_SEL = 0x0ac, R_SHM_LEN = 0x0b0, R_SHM_BASE = 0x0b8, R_QUEUE_RESET = 0x0c0, R_CONFIG_GENERATION = 0x0fc,
	R_CONFIG = 0x100,
	/* version 1 only [4.2.4] */
	L_GUEST_PAGE_SIZE = 0x028, L_QUEUE_ALIGN = 0x03c, L_QUEUE_PFN = 0x040,
};

enum {
	MAGIC = 0x74726976,	/* "virt" */
	VENDOR = 0x4d564b4c,	/* "LKVM" */
	LEGACY_ALIGN = 4096,	/* until the driver says otherwise */
};

/* Who may do what in which version. */
enum { RD = 1, WR = 2, RD1 = 4, WR1 = 8, BOTH_RD = RD | RD1, BOTH_WR = WR | WR1 };

static const u8 reg_access[R_CONFIG / 4] = {
	[R_MAGIC / 4] = BOTH_RD, [R_VERSION / 4] = BOTH_RD, [R_DEVICE_ID / 4] = BOTH_RD, [R_VENDOR_ID / 4] = BOTH_RD,
	[R_DEVICE_FEATURES / 4] = BOTH_RD, [R_DEVICE_FEATURES_SEL / 4] = BOTH_WR,
	[R_DRIVER_FEATURES / 4] = BOTH_WR, [R_DRIVER_FEATURES_SEL / 4] = BOTH_WR,
	[L_GUEST_PAGE_SIZE / 4] = WR1, [R_QUEUE_SEL / 4] = BOTH_WR, [R_QUEUE_NUM_MAX / 4] = BOTH_RD,
	[R_QUEUE_NUM / 4] = BOTH_WR, [L_QUEUE_ALIGN / 4] = WR1, [L_QUEUE_PFN / 4] = RD1 | WR1,
	[R_QUEUE_READY / 4] = RD | WR, [R_QUEUE_NOTIFY / 4] = BOTH_WR,
	[R_INTERRUPT_STATUS / 4] = BOTH_RD, [R_INTERRUPT_ACK / 4] = BOTH_WR, [R_STATUS / 4] = BOTH_RD | BOTH_WR,
	[R_QUEUE_DESC / 4] = WR, [R_QUEUE_DESC / 4 + 1] = WR, [R_QUEUE_DRIVER / 4] = WR, [R_QUEUE_DRIVER / 4 + 1] = WR,
	[R_QUEUE_DEVICE / 4] = WR, [R_QUEUE_DEVICE / 4 + 1] = WR,
	/* No region has any length or place, whichever is selected: all ones, as [4.2.2] wants it of absent ones. */
	[R_SHM_SEL / 4] = 0, [R_SHM_LEN / 4] = 0, [R_SHM_LEN / 4 + 1] = 0, [R_SHM_BASE / 4] = 0, [R_SHM_BASE / 4 + 1] = 0,
	[R_QUEUE_RESET / 4] = RD | WR, [R_CONFIG_GENERATION / 4] = RD,
};

#define refuse(vdev, ...) log_ratelimited(&(vdev)->debug_rate, LOG_DEBUG, (vdev)->name, __VA_ARGS__)

/* --- interrupts: any thread --- */

static void isr_change_locked(struct virtio_mmio *m, u32 set, u32 clear)
{
	m->isr = (m->isr | set) & ~clear;
	irq_line_set(m->line, m->isr);
}

static void queue_interrupt(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_mmio *m = vdev->transport;

	pthread_mutex_lock(&m->isr_lock);
	isr_change_locked(m, MMIO_ISR_QUEUE, 0);
	pthread_mutex_unlock(&m->isr_lock);
}

static void config_interrupt(struct virtio_dev *vdev)
{
	struct virtio_mmio *m = vdev->transport;

	pthread_mutex_lock(&m->isr_lock);
	/* A reset clears status, and then isr under this lock: nothing of the past comes after it. [2.4.1] */
	if (atomic_load(&vdev->status) & VIRTIO_S_DRIVER_OK)
		isr_change_locked(m, MMIO_ISR_CONFIG, 0);
	pthread_mutex_unlock(&m->isr_lock);
}

static u32 isr_read(struct virtio_mmio *m)
{
	u32 isr;

	pthread_mutex_lock(&m->isr_lock);
	isr = m->isr;
	pthread_mutex_unlock(&m->isr_lock);
	return isr;
}

static void isr_clear(struct virtio_mmio *m, u32 bits)
{
	pthread_mutex_lock(&m->isr_lock);
	isr_change_locked(m, 0, bits);
	pthread_mutex_unlock(&m->isr_lock);
}

static int queue_irqfd(struct virtio_dev *vdev, unsigned int queue)
{
	return -ENOTSUP;	/* nothing outside lkvm could set InterruptStatus */
}

/* --- kicks by ioeventfd: vdev->lock held --- */

static int queue_started(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_mmio *m = vdev->transport;
	int r = ioeventfd_add(vdev->vm, IO_MMIO, m->regs.base + R_QUEUE_NOTIFY, 4, true, queue,
			      atomic_load(&vdev->queue[queue].kick_fd));

	if (!r)
		m->ioeventfds |= BIT_ULL(queue);
	return r;
}

static void queue_stopping(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_mmio *m = vdev->transport;

	if (!(m->ioeventfds & BIT_ULL(queue)))
		return;
	m->ioeventfds &= ~BIT_ULL(queue);
	ioeventfd_del(vdev->vm, IO_MMIO, m->regs.base + R_QUEUE_NOTIFY, 4, true, queue,
		      atomic_load(&vdev->queue[queue].kick_fd));
}

/* The page size stays: drivers of version 1 tell it once, and then reset the device. */
static void transport_reset(struct virtio_dev *vdev)
{
	struct virtio_mmio *m = vdev->transport;
	unsigned int i;

	atomic_store(&m->device_features_sel, 0);
	atomic_store(&m->driver_features_sel, 0);
	atomic_store(&m->queue_sel, 0);
	for (i = 0; i < vdev->nr_queues; i++)
		atomic_store(&m->queue_align[i], LEGACY_ALIGN);
	isr_clear(m, ~0U);
}

static const struct virtio_transport_ops mmio_transport = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
	.queue_started = queue_started,
	.queue_stopping = queue_stopping,
	.queue_irqfd = queue_irqfd,
	.reset = transport_reset,
};

/* --- registers: vCPU threads --- */

static u32 legacy_pfn_read(struct virtio_mmio *m, u32 sel)
{
	u32 page_size = atomic_load(&m->guest_page_size);

	return page_size ? (u32)(virtio_queue_read(m->vdev, sel, VIRTIO_Q_DESC) / page_size) : 0;
}

static void legacy_pfn_write(struct virtio_mmio *m, u32 sel, u32 pfn)
{
	u32 page_size = atomic_load(&m->guest_page_size);

	if (pfn && !page_size)
		refuse(m->vdev, "queue %u at page %#x, but GuestPageSize is not set", sel, pfn);
	else if (virtio_queue_get(m->vdev, sel))
		virtio_queue_set_legacy(m->vdev, sel, (u64)pfn * page_size, atomic_load(&m->queue_align[sel]));
}

/* Page size and alignment: powers of two. */
static void legacy_set_power(struct virtio_mmio *m, _Atomic u32 *reg, u32 val)
{
	if (is_power_of_two(val))
		atomic_store(reg, val);
	else
		refuse(m->vdev, "page size or alignment %#x", val);
}

static u32 reg_read(struct virtio_mmio *m, u64 off)
{
	struct virtio_dev *vdev = m->vdev;
	u32 sel = atomic_load(&m->queue_sel);
	struct virtio_queue *q = virtio_queue_get(vdev, sel);

	switch (off) {
	case R_MAGIC:
		return MAGIC;
	case R_VERSION:
		return vdev->legacy ? 1 : 2;
	case R_DEVICE_ID:
		return vdev->ops->id;
	case R_VENDOR_ID:
		return VENDOR;
	case R_DEVICE_FEATURES:
		return virtio_get_features(vdev, atomic_load(&m->device_features_sel));
	case R_QUEUE_NUM_MAX:
		return q ? q->max_size : 0;
	case L_QUEUE_PFN:
		return legacy_pfn_read(m, sel);
	case R_QUEUE_READY:
		return (u32)virtio_queue_read(vdev, sel, VIRTIO_Q_ENABLE);
	case R_INTERRUPT_STATUS:
		return isr_read(m);
	case R_STATUS:
		return virtio_get_status(vdev);
	case R_CONFIG_GENERATION:
		return virtio_get_generation(vdev);
	}
	return 0;	/* QueueReset: it is over when its write returns */
}

static void reg_write(struct virtio_mmio *m, u64 off, u32 val)
{
	struct virtio_dev *vdev = m->vdev;
	u32 sel = atomic_load(&m->queue_sel);

	switch (off) {
	case R_DEVICE_FEATURES_SEL:
		atomic_store(&m->device_features_sel, val);
		break;
	case R_DRIVER_FEATURES:
		virtio_set_accepted(vdev, atomic_load(&m->driver_features_sel), val);
		break;
	case R_DRIVER_FEATURES_SEL:
		atomic_store(&m->driver_features_sel, val);
		break;
	case L_GUEST_PAGE_SIZE:
		legacy_set_power(m, &m->guest_page_size, val);
		break;
	case R_QUEUE_SEL:
		atomic_store(&m->queue_sel, val);
		break;
	case R_QUEUE_NUM:
		virtio_queue_set_size(vdev, sel, val <= 0xffff ? (u16)val : 0);
		break;
	case L_QUEUE_ALIGN:
		if (virtio_queue_get(vdev, sel))
			legacy_set_power(m, &m->queue_align[sel], val);
		break;
	case L_QUEUE_PFN:
		legacy_pfn_write(m, sel, val);
		break;
	case R_QUEUE_READY:
		if (val == 1)
			virtio_queue_set_enable(vdev, sel);
		else if (!val)
			virtio_queue_set_disable(vdev, sel);
		break;
	case R_QUEUE_NOTIFY:
		virtio_queue_kicked(vdev, val);
		break;
	case R_INTERRUPT_ACK:
		isr_clear(m, val);
		break;
	case R_STATUS:
		/* More than a status holds is none: not the reset that its low byte might be. */
		if (val <= 0xff)
			virtio_set_status(vdev, (u8)val);
		break;
	case R_QUEUE_DESC:
	case R_QUEUE_DESC + 4:
		virtio_queue_set_addr(vdev, sel, VIRTIO_AREA_DESC, off != R_QUEUE_DESC, val);
		break;
	case R_QUEUE_DRIVER:
	case R_QUEUE_DRIVER + 4:
		virtio_queue_set_addr(vdev, sel, VIRTIO_AREA_DRIVER, off != R_QUEUE_DRIVER, val);
		break;
	case R_QUEUE_DEVICE:
	case R_QUEUE_DEVICE + 4:
		virtio_queue_set_addr(vdev, sel, VIRTIO_AREA_DEVICE, off != R_QUEUE_DEVICE, val);
		break;
	case R_QUEUE_RESET:
		if (val == 1)
			virtio_queue_set_reset(vdev, sel);
		break;
	}
}

static bool may(const struct virtio_mmio *m, u64 off, unsigned int size, unsigned int what)
{
	return size == 4 && (reg_access[off / 4] >> (m->vdev->legacy ? 2 : 0) & what);
}

/* The configuration is little endian: in version 1 the guest's own order, which it is on all our machines. */
static u64 regs_read(struct io_region *r, u64 off, unsigned int size)
{
	struct virtio_mmio *m = container_of(r, struct virtio_mmio, regs);
	u8 buf[8];

	if (off < R_CONFIG)
		return may(m, off, size, RD) ? reg_read(m, off) : ones(size);
	virtio_config_read(m->vdev, (unsigned int)off - R_CONFIG, buf, size);
	return get_le(buf, size);
}

static void regs_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct virtio_mmio *m = container_of(r, struct virtio_mmio, regs);
	u8 buf[8];

	if (off < R_CONFIG) {
		if (may(m, off, size, WR))
			reg_write(m, off, (u32)val);
		return;
	}
	put_le(buf, size, val);
	virtio_config_write(m->vdev, (unsigned int)off - R_CONFIG, buf, size);
}

/* 8 too, so that a pair of registers is not written by halves. */
static const struct io_ops regs_io = { .read = regs_read, .write = regs_write, .sizes = 1 | 2 | 4 | 8 };

/* --- the device in the VM: main thread, vCPUs stopped --- */

static struct virtio_mmio *mmio_of_device(struct device *dev)
{
	return container_of(dev, struct virtio_mmio, dev);
}

static int mmio_prepare(struct device *dev, struct error *err)
{
	struct virtio_dev *vdev = mmio_of_device(dev)->vdev;

	return vdev->ops->prepare ? vdev->ops->prepare(vdev, err) : 0;
}

static void mmio_reset(struct device *dev)
{
	struct virtio_mmio *m = mmio_of_device(dev);

	virtio_dev_reset(m->vdev);
	atomic_store(&m->guest_page_size, 0);
}

static void mmio_stop(struct device *dev)
{
	virtio_dev_stop(mmio_of_device(dev)->vdev);
}

static void mmio_start(struct device *dev)
{
	virtio_dev_start(mmio_of_device(dev)->vdev);
}

static void mmio_stats(struct device *dev, struct strbuf *b)
{
	virtio_dev_stats(mmio_of_device(dev)->vdev, b);
}

/* Section: u32 selectors of device features, driver features, queue; u32 isr, u32 page size; u32 alignment of each queue; core.c's */
static int mmio_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct virtio_mmio *m = mmio_of_device(dev);
	unsigned int i;

	state_begin(w, dev->name, 1);
	state_put_u32(w, atomic_load(&m->device_features_sel));
	state_put_u32(w, atomic_load(&m->driver_features_sel));
	state_put_u32(w, atomic_load(&m->queue_sel));
	state_put_u32(w, isr_read(m));
	state_put_u32(w, atomic_load(&m->guest_page_size));
	for (i = 0; i < m->vdev->nr_queues; i++)
		state_put_u32(w, atomic_load(&m->queue_align[i]));
	virtio_dev_save(m->vdev, w);
	state_end(w);
	return 0;
}

static int mmio_load(struct device *dev, struct state_reader *r)
{
	struct virtio_mmio *m = mmio_of_device(dev);
	u32 version, device_sel, driver_sel, queue_sel, isr, page_size, align[VIRTIO_MAX_QUEUES];
	unsigned int i;
	int ret;

	ret = state_open(r, dev->name, 1, &version);
	if (ret < 0)
		return ret;
	device_sel = state_get_u32(r);
	driver_sel = state_get_u32(r);
	queue_sel = state_get_u32(r);
	isr = state_get_u32_max(r, MMIO_ISR_QUEUE | MMIO_ISR_CONFIG);
	page_size = state_get_u32(r);
	if (page_size && !is_power_of_two(page_size))
		state_fail(r);
	for (i = 0; i < m->vdev->nr_queues; i++) {
		align[i] = state_get_u32(r);
		if (!is_power_of_two(align[i]))
			state_fail(r);
	}
	if (r->error)
		return r->error;
	ret = virtio_dev_load(m->vdev, r);	/* begins with a reset, so the registers come after it */
	if (ret < 0)
		return ret;
	ret = state_close(r);
	if (ret < 0) {
		virtio_dev_reset(m->vdev);
		return ret;
	}
	atomic_store(&m->device_features_sel, device_sel);
	atomic_store(&m->driver_features_sel, driver_sel);
	atomic_store(&m->queue_sel, queue_sel);
	atomic_store(&m->guest_page_size, page_size);
	for (i = 0; i < m->vdev->nr_queues; i++)
		atomic_store(&m->queue_align[i], align[i]);
	pthread_mutex_lock(&m->isr_lock);
	isr_change_locked(m, isr, 0);
	pthread_mutex_unlock(&m->isr_lock);
	return 0;
}

static void mmio_free(struct device *dev)
{
	struct virtio_mmio *m = mmio_of_device(dev);

	virtio_dev_stop(m->vdev);
	io_unmap_region(dev->vm, &m->regs);
	virtio_dev_free(m->vdev);
	irq_line_put(m->line);
	pthread_mutex_destroy(&m->isr_lock);
	free(m);
}

static const struct device_ops mmio_ops = {
	.prepare = mmio_prepare,
	.reset = mmio_reset,
	.stop = mmio_stop,
	.start = mmio_start,
	.save = mmio_save,
	.load = mmio_load,
	.free = mmio_free,
	.stats = mmio_stats,
};

/* The next slot's line and registers. */
static int take_slot(struct vm *vm, struct virtio_mmio *m)
{
	struct virtio_mmio_slots *s = &vm->virtio_mmio;
	u64 base = s->base + (u64)s->used * s->stride;
	u32 gsi = s->gsi + s->used;
	int r;

	r = irq_line_get(vm, gsi, &m->line);
	if (r < 0)
		return r;
	r = io_map_region(vm, &m->regs, IO_MMIO, base, s->stride, &regs_io, m->vdev->name);
	if (r < 0) {
		irq_line_put(m->line);
		return r;
	}
	m->dev.kind = DEV_VIRTIO_MMIO;
	m->dev.index = s->used++;
	device_describe_io(&m->dev, IO_MMIO, base, s->stride);
	device_describe_irq(&m->dev, gsi, true);
	return 0;
}

int virtio_mmio_create(struct vm *vm, struct virtio_dev *vdev, struct error *err)
{
	struct virtio_mmio *m;
	unsigned int i;
	int r;

	if (vdev->legacy && !vdev->ops->legacy_pci_id)
		return error_set(err, -ENOTSUP, "%s: this device has no legacy interface (--virtio-transport mmio)", vdev->name);
	if (vm->virtio_mmio.used >= vm->virtio_mmio.nr)
		return error_set(err, -ENOSPC, "%s: all %u virtio-mmio slots of this machine are in use", vdev->name,
				 vm->virtio_mmio.nr);
	m = calloc(1, sizeof(*m));
	if (!m)
		return error_set_errno(err, -ENOMEM, "%s", vdev->name);
	pthread_mutex_init(&m->isr_lock, NULL);
	m->vdev = vdev;
	for (i = 0; i < vdev->nr_queues; i++)
		atomic_init(&m->queue_align[i], LEGACY_ALIGN);
	vdev->transport = m;
	vdev->tops = &mmio_transport;
	r = take_slot(vm, m);
	if (r < 0) {
		pthread_mutex_destroy(&m->isr_lock);
		free(m);
		return error_set_errno(err, r, "%s: virtio-mmio slot %u", vdev->name, vm->virtio_mmio.used);
	}
	device_add(vm, &m->dev, &mmio_ops, "%s", vdev->name);
	return 0;
}
