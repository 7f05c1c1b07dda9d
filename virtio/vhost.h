/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues of a device that the host's kernel serves: one /dev/vhost-* descriptor. [drivers/vhost, <linux/vhost.h>]
 *
 * Between vhost_start() and vhost_stop() the rings belong to the kernel; afterwards struct virtq knows where it left them, so that they are
 * saved, or served here, as if it had never been. The device gives each vring its back end in between.
 *
 * Threads: vhost_init, vhost_own, vhost_cleanup: main thread. The rest with vdev->lock held.
 */
#ifndef VIRTIO_VHOST_H
#define VIRTIO_VHOST_H

#include "virtio/virtio.h"

enum { VHOST_MAX_VRINGS = 2 };

struct vhost_vring {
	struct event_source call;	/* on vdev->loop while there is no irqfd */
	int call_fd;			/* owned */
	struct virtio_queue *queue;	/* whose it is, while running */
	bool running;
};

struct vhost {
	struct virtio_dev *vdev;
	int fd;				/* borrowed */
	u64 features;			/* what it can do */
	unsigned int first_queue, nr;	/* vring i is queue first_queue + i */
	struct vhost_vring vring[VHOST_MAX_VRINGS];
	struct event_source err;
	int err_fd;			/* owned */
};

/* Learns what @fd can do. @vdev need not be created yet. 0 or -errno; vhost_cleanup() is due only after 0. */
int vhost_init(struct vhost *vh, struct virtio_dev *vdev, int fd, unsigned int first_queue, unsigned int nr);
/* Once, before vhost_start(), from the device's prepare(): the kernel makes a thread, in this process' memory. */
int vhost_own(struct vhost *vh);
void vhost_cleanup(struct vhost *vh);

/* Of the features @offered those that rings served by @vh may have. @own: device type bits that vhost must know too. */
u64 vhost_offer(const struct vhost *vh, u64 offered, u64 own);

/*
 * Negotiated features, memory, and each enabled queue's ring. @own as above. The queues are external from now on; vhost_running() tells
 * which have a vring. On failure it is stopped.
 */
int vhost_start(struct vhost *vh, u64 own);
static inline bool vhost_running(const struct vhost *vh, unsigned int vring)
{
	return vh->vring[vring].running;
}
/* vrings have no back end any more. Stopped already is fine. */
void vhost_stop(struct vhost *vh);
/* For ops->queue_irq_changed(). */
void vhost_irq_changed(struct vhost *vh, unsigned int vring);

/* vhost-net: the tap that vring @vring sends to or receives from; -1: none, and the kernel has let go of the ring. 0 or -errno. */
int vhost_net_set_backend(struct vhost *vh, unsigned int vring, int tap);

#endif
