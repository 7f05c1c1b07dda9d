/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the modern (pci-modern.c) and the legacy (pci-legacy.c) register layouts share (pci.c): the PCI function, its
 * interrupts, and where kicks arrive.
 */
#ifndef VIRTIO_PCI_H
#define VIRTIO_PCI_H

#include "virtio/virtio.h"
#include "vmm/pci.h"

enum { VIRTIO_PCI_VENDOR = 0x1af4, VIRTIO_PCI_MODERN_ID = 0x1040, VIRTIO_PCI_MODERN_SUBSYSTEM = 0x40 };

/* ISR status [virtio-1.2 4.1.4.5] */
enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

struct virtio_pci;

/* The guest write that kicks a queue, as KVM is told to look for it. */
struct virtio_pci_kick {
	u64 off;		/* in the register BAR */
	unsigned int len;	/* 0: any */
	bool match;		/* only with the queue's number as value */
};

struct virtio_pci_layout {
	unsigned int bar;	/* the one with the registers */
	struct virtio_pci_kick (*kick)(const struct virtio_pci *vp, unsigned int queue);
	const struct pci_dev_ops *pops;
};

struct virtio_pci {
	struct pci_dev pdev;
	struct virtio_dev *vdev;	/* owned */
	const struct virtio_pci_layout *layout;
	unsigned int cfg_cap;		/* modern: offset of the PCI_CFG capability */
	unsigned int kick_len;		/* modern: see kick() */

	pthread_mutex_t isr_lock;	/* guards isr, and orders the INTx level and config interrupts with it; inside vdev->lock */
	u8 isr;
	_Atomic u16 config_vector;
	bool msix_on;			/* as last told to the core. Host's lock */

	/* registers that only select others */
	_Atomic u32 device_feature_select, driver_feature_select;
	_Atomic u16 queue_select;

	/* guarded by vdev->lock */
	bool decoded;			/* the register BAR answers, at base in space */
	enum io_space space;
	u64 base;
	u64 ioeventfds;			/* queues whose kicks KVM signals */
};

static inline struct virtio_pci *virtio_pci_of(struct pci_dev *pdev)
{
	return container_of(pdev, struct virtio_pci, pdev);
}

/* The function without BARs; @ids->pin and vendor are filled in here. On failure nothing is left. */
int virtio_pci_init(struct vm *vm, struct virtio_dev *vdev, const struct virtio_pci_layout *layout,
		    struct pci_ids *ids, struct virtio_pci **ret);
/* Takes the device onto the bus and into the VM, or undoes virtio_pci_init. */
int virtio_pci_finish(struct vm *vm, struct virtio_pci *vp, struct error *err);
void virtio_pci_undo(struct virtio_pci *vp);
int virtio_pci_modern_create(struct vm *vm, struct virtio_dev *vdev, struct error *err);
int virtio_pci_legacy_create(struct vm *vm, struct virtio_dev *vdev, struct error *err);

/* pci_dev_ops of both layouts. Host's lock held. */
void virtio_pci_bar_activated(struct pci_dev *pdev, unsigned int bar);
void virtio_pci_bar_deactivating(struct pci_dev *pdev, unsigned int bar);

/* For config_written() of both layouts. Host's lock held. */
void virtio_pci_msix_moved(struct virtio_pci *vp);

/* Registers of both layouts; vCPU threads. */
u8 virtio_pci_isr_read(struct virtio_pci *vp);
u16 virtio_pci_vector(const struct virtio_pci *vp, u64 val);	/* NO_VECTOR if there is no such one [4.1.5.1.2.1] */

#endif
