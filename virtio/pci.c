/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio over PCI: what the modern layout (pci-modern.c) and the legacy one (pci-legacy.c) share: interrupts, kicks by
 * ioeventfd, life and state. [virtio-1.2 4.1]
 *
 * KVM signals a queue's eventfd for the write that kicks it while the register BAR is decoded and the queue runs. Where KVM refuses
 * (an overlap with another device's), kicks come as exits.
 *
 * Threads: BAR callbacks under the PCI host's lock, which therefore nests outside vdev->lock and is never taken here;
 * interrupts from any thread; the device's operations on the main thread.
 */
#include "virtio/pci.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/state.h"

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

void virtio_pci_msix_moved(struct virtio_pci *vp)
{
	bool on = pci_msix_enabled(&vp->pdev);

	if (on == vp->msix_on)
		return;
	vp->msix_on = on;
	virtio_irqs_changed(vp->vdev);	/* what queue_irqfd() gave is no longer right */
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

static int vp_save(struct device *dev, struct state_writer *w, struct error *err)
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
	return 0;
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
	vp->msix_on = pci_msix_enabled(&vp->pdev);
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

static void vp_stats(struct device *dev, struct strbuf *b)
{
	virtio_dev_stats(vp_of_device(dev)->vdev, b);
}

static int vp_prepare(struct device *dev, struct error *err)
{
	struct virtio_dev *vdev = vp_of_device(dev)->vdev;

	return vdev->ops->prepare ? vdev->ops->prepare(vdev, err) : 0;
}

static const struct device_ops vp_ops = {
	.prepare = vp_prepare,
	.reset = vp_reset,
	.stop = vp_stop,
	.start = vp_start,
	.save = vp_save,
	.load = vp_load,
	.free = vp_free,
	.stats = vp_stats,
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
