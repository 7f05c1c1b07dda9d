/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rings served by the host's kernel. See vhost.h.
 *
 *	kick	the queue's eventfd, which KVM signals for the guest's write; the core does not watch it meanwhile
 *	call	the MSI-X vector's irqfd; without one (MMIO, INTx, no vector, KVM cannot) an eventfd of ours, from which the loop's
 *		thread interrupts as for any other queue
 *	err	the kernel found the ring bad: the device needs a reset
 *
 * Left out: dirty logging, an IOTLB (there is no virtual IOMMU yet), busy polling, workers of one's own. Packed and in-order
 * rings are not offered: where the kernel left one cannot be told to struct virtq.
 *
 * All state of the kernel's is set anew at each start, so a driver that was unbound, or another one, finds nothing of the last.
 */
#include "virtio/vhost.h"

#include <errno.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Ring features that vhost must know when negotiated. What a transport does by itself (RING_RESET) it need not hear of. */
#define RING_FEATURES (BIT_ULL(VIRTIO_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_F_EVENT_IDX) | BIT_ULL(VIRTIO_F_VERSION_1))

static int vhost_ioctl(const struct vhost *vh, unsigned long req, void *arg)
{
	int r;

	do
		r = ioctl(vh->fd, req, arg);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static struct virtio_queue *queue_of(const struct vhost *vh, unsigned int vring)
{
	return &vh->vdev->queue[vh->first_queue + vring];
}

/* --- events: loop's thread --- */

static void called(struct event_source *src, u32 events)
{
	struct vhost_vring *vr = container_of(src, struct vhost_vring, call);
	struct virtio_queue *q = vr->queue;

	eventfd_drain(src->fd);
	/* Whether the driver wanted it the kernel has looked at. */
	counter_add(&q->interrupts, 1);
	q->vdev->tops->queue_interrupt(q->vdev, q->index);
}

static void erred(struct event_source *src, u32 events)
{
	struct vhost *vh = container_of(src, struct vhost, err);

	eventfd_drain(src->fd);
	virtio_needs_reset(vh->vdev, "vhost found a bad ring");
}

/* --- one vring --- */

static int set_fd(struct vhost *vh, unsigned long req, unsigned int vring, int fd)
{
	struct vhost_vring_file file = { .index = vring, .fd = fd };

	return vhost_ioctl(vh, req, &file);
}

static int set_call(struct vhost *vh, unsigned int vring)
{
	struct vhost_vring *vr = &vh->vring[vring];
	struct virtio_dev *vdev = vh->vdev;
	int fd = vdev->tops->queue_irqfd(vdev, vh->first_queue + vring), r;

	if (fd >= 0) {
		event_del(&vr->call);
	} else {
		fd = vr->call_fd;
		r = vr->call.loop ? 0 : event_add(vdev->loop, &vr->call, fd, EPOLLIN, called);
		if (r < 0)
			return r;
	}
	r = set_fd(vh, VHOST_SET_VRING_CALL, vring, fd);
	return r < 0 ? r : fd;
}

void vhost_irq_changed(struct vhost *vh, unsigned int vring)
{
	int fd;

	if (!vh->vring[vring].running)
		return;
	fd = set_call(vh, vring);
	if (fd < 0)
		virtio_needs_reset(vh->vdev, "vhost takes no eventfd for interrupts");
	else
		eventfd_signal(fd);	/* what was signalled where nobody looks any more */
}

static int vring_start(struct vhost *vh, unsigned int vring)
{
	struct virtio_queue *q = queue_of(vh, vring);
	struct virtq_place place = virtq_lend(&q->vq);
	struct vhost_vring_state num = { .index = vring, .num = place.size }, base = { .index = vring, .num = place.next };
	struct vhost_vring_addr addr = {
		.index = vring, .desc_user_addr = place.desc, .avail_user_addr = place.driver, .used_user_addr = place.device,
	};
	int r;

	r = vhost_ioctl(vh, VHOST_SET_VRING_NUM, &num);
	if (!r)
		r = vhost_ioctl(vh, VHOST_SET_VRING_BASE, &base);
	if (!r)
		r = vhost_ioctl(vh, VHOST_SET_VRING_ADDR, &addr);
	if (r < 0)
		return r;
	vh->vring[vring].queue = q;
	vh->vring[vring].running = q->external = true;
	r = set_fd(vh, VHOST_SET_VRING_ERR, vring, vh->err_fd);
	if (r < 0)
		return r;
	r = set_call(vh, vring);
	if (r < 0)
		return r;
	return set_fd(vh, VHOST_SET_VRING_KICK, vring, atomic_load(&q->kick_fd));
}

static void vring_stop(struct vhost *vh, unsigned int vring)
{
	struct virtio_queue *q = queue_of(vh, vring);
	struct vhost_vring *vr = &vh->vring[vring];
	struct vhost_vring_state base = { .index = vring };

	if (!vr->running)
		return;
	set_fd(vh, VHOST_SET_VRING_KICK, vring, -1);
	if (vhost_ioctl(vh, VHOST_GET_VRING_BASE, &base) == 0)
		virtq_return(&q->vq, (u16)base.num);
	else
		virtio_needs_reset(vh->vdev, "vhost does not say where a ring is");
	set_fd(vh, VHOST_SET_VRING_CALL, vring, -1);
	event_del(&vr->call);
	/* A call that nobody has seen: the driver is told, rather once too often. */
	if (eventfd_drain(vr->call_fd))
		vh->vdev->tops->queue_interrupt(vh->vdev, q->index);
	set_fd(vh, VHOST_SET_VRING_ERR, vring, -1);
	vr->running = q->external = false;
}

/* --- all of it --- */

static int set_memory(struct vhost *vh)
{
	const struct guest_mem *gm = &vh->vdev->vm->mem;
	u64 room[(sizeof(struct vhost_memory) + GUEST_RAM_RANGES * sizeof(struct vhost_memory_region)) / sizeof(u64)] = { 0 };
	struct vhost_memory *table = (struct vhost_memory *)room;
	unsigned int i;

	table->nregions = gm->nr;
	for (i = 0; i < gm->nr; i++)
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = gm->ram[i].gpa, .memory_size = gm->ram[i].size,
			.userspace_addr = (uintptr_t)gm->ram[i].hva,
		};
	return vhost_ioctl(vh, VHOST_SET_MEM_TABLE, table);
}

int vhost_start(struct vhost *vh, u64 own)
{
	u64 features = vh->vdev->accepted & vh->features & (RING_FEATURES | own);
	unsigned int i;
	int r;

	r = vhost_ioctl(vh, VHOST_SET_FEATURES, &features);
	if (!r)
		r = set_memory(vh);
	if (!r)
		r = event_add(vh->vdev->loop, &vh->err, vh->err_fd, EPOLLIN, erred);
	for (i = 0; !r && i < vh->nr; i++)
		if (queue_of(vh, i)->enabled)
			r = vring_start(vh, i);
	if (r < 0)
		vhost_stop(vh);
	return r;
}

void vhost_stop(struct vhost *vh)
{
	unsigned int i;

	for (i = 0; i < vh->nr; i++)
		vring_stop(vh, i);
	event_del(&vh->err);
	eventfd_drain(vh->err_fd);
}

int vhost_net_set_backend(struct vhost *vh, unsigned int vring, int tap)
{
	return set_fd(vh, VHOST_NET_SET_BACKEND, vring, tap);
}

u64 vhost_offer(const struct vhost *vh, u64 offered, u64 own)
{
	offered &= ~(BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_F_IN_ORDER));
	return offered & (vh->features | ~(RING_FEATURES | own));
}

int vhost_init(struct vhost *vh, struct virtio_dev *vdev, int fd, unsigned int first_queue, unsigned int nr)
{
	unsigned int i;
	int r;

	*vh = (struct vhost){ .vdev = vdev, .fd = fd, .first_queue = first_queue, .nr = nr, .err_fd = -1 };
	for (i = 0; i < VHOST_MAX_VRINGS; i++)
		vh->vring[i].call_fd = -1;
	r = vhost_ioctl(vh, VHOST_GET_FEATURES, &vh->features);
	if (r < 0)
		return r;
	r = vh->err_fd = eventfd_create();
	for (i = 0; r >= 0 && i < nr; i++)
		r = vh->vring[i].call_fd = eventfd_create();
	if (r < 0)
		vhost_cleanup(vh);
	return r < 0 ? r : 0;
}

int vhost_own(struct vhost *vh)
{
	return vhost_ioctl(vh, VHOST_SET_OWNER, NULL);
}

void vhost_cleanup(struct vhost *vh)
{
	unsigned int i;

	for (i = 0; i < vh->nr; i++)
		if (vh->vring[i].call_fd >= 0)
			close(vh->vring[i].call_fd);
	if (vh->err_fd >= 0)
		close(vh->err_fd);
}
