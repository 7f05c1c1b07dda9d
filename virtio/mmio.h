/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device in a slot of registers in memory. See mmio.c.
 */
#ifndef VIRTIO_MMIO_H
#define VIRTIO_MMIO_H

#include "virtio/virtio.h"
#include "vmm/irq.h"

/* InterruptStatus [virtio-1.2 4.2.2] */
enum { MMIO_ISR_QUEUE = 1, MMIO_ISR_CONFIG = 2 };

struct virtio_mmio {
	struct device dev;
	struct io_region regs;
	struct virtio_dev *vdev;	/* owned */
	struct irq_line *line;		/* owned */

	pthread_mutex_t isr_lock;	/* guards isr, and orders the line's level with it; inside vdev->lock */
	u32 isr;

	/* registers that only select others, or say how a later one is meant */
	_Atomic u32 device_features_sel, driver_features_sel, queue_sel;
	_Atomic u32 guest_page_size;			/* legacy; 0: not told yet */
	_Atomic u32 queue_align[VIRTIO_MAX_QUEUES];	/* legacy */

	u64 ioeventfds;			/* queues whose kicks KVM signals; guarded by vdev->lock */
};

#endif
