/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * lkvm_vdev: the registers of the software PCI device that the module gives to VFIO, for its drivers (guests) and tests.
 *
 * Personality "plain". Registers are 32 bits, little endian, accessed at their own size and alignment but where said; 64-bit ones are two.
 *
 *	BAR 0	4 KiB, 32-bit memory		the registers below, trapped
 *	BAR 1	64 bytes of I/O			dwords: 0 keeps what is written; 4 IRQ_FIRE, 8 IRQ_ACK, 12 IRQ_SENT as below
 *	BAR 2	64 KiB, 64-bit prefetchable	memory: the first page is trapped, the rest may be mapped (sparse)
 *	BAR 4	16 KiB, 64-bit			the registers again at 0; MSI-X table at 0x2000, PBA at 0x3000; 0x1000..0x1fff is memory
 */
#ifndef _UAPI_LKVM_VDEV_H
#define _UAPI_LKVM_VDEV_H

#define LKVM_VDEV_VENDOR	0x1234
#define LKVM_VDEV_DEVICE	0x4c4b

#define LKVM_VDEV_MSIX_VECTORS	16
#define LKVM_VDEV_MSIX_TABLE	0x2000
#define LKVM_VDEV_MSIX_PBA	0x3000
#define LKVM_VDEV_MSI_VECTORS	4

#define LKVM_VDEV_ID		0x000	/* RO: LKVM_VDEV_MAGIC */
#define LKVM_VDEV_MAGIC		0x6b766476
#define LKVM_VDEV_VERSION	0x004	/* RO: 1 */
#define LKVM_VDEV_SCRATCH	0x008	/* keeps what is written */
#define LKVM_VDEV_RESETS	0x00c	/* RO: resets since the module made the device; a reset does not clear it */

/* Interrupts: by MSI-X, else MSI, whichever is enabled, else INTx, whose level stays until it is acknowledged. */
#define LKVM_VDEV_IRQ_FIRE	0x010	/* W: vector (INTx: any): one interrupt */
#define LKVM_VDEV_IRQ_TRAIN	0x014	/* W: count << 8 | vector: one now, the next at each IRQ_ACK, count in all */
#define LKVM_VDEV_IRQ_ACK	0x018	/* W: the INTx level falls; a train goes on. R: interrupts of the train still to come */
#define LKVM_VDEV_IRQ_SENT	0x01c	/* RO: interrupts sent since reset */
#define LKVM_VDEV_IRQ_STATUS	0x020	/* RO: bit 0 INTx level, bits 8-9 kind: 0 INTx 1 MSI 2 MSI-X */

/* DMA: addresses are the guest's (IOVA). Up to LKVM_VDEV_DMA_MAX bytes; done when CMD's write is, or later with DMA_ASYNC. */
#define LKVM_VDEV_DMA_SRC	0x040	/* 64 bits */
#define LKVM_VDEV_DMA_DST	0x048	/* 64 bits */
#define LKVM_VDEV_DMA_LEN	0x050
#define LKVM_VDEV_DMA_CMD	0x054	/* W: operation and flags */
#define LKVM_VDEV_DMA_STATUS	0x058	/* RO */
#define LKVM_VDEV_DMA_RESULT	0x05c	/* RO: CRC-32 (IEEE 802.3, reflected, of DMA_CRC), or bytes done */
#define LKVM_VDEV_DMA_PATTERN	0x060	/* DMA_FILL's 32 bits */
#define LKVM_VDEV_DMA_MAX	(1 << 20)
#define LKVM_VDEV_DMA_COPY	1	/* SRC to DST */
#define LKVM_VDEV_DMA_FILL	2	/* PATTERN to DST; LEN a multiple of 4 */
#define LKVM_VDEV_DMA_CRC	3	/* of SRC */
#define LKVM_VDEV_DMA_TO_BAR	4	/* SRC to BAR 2 at offset DST */
#define LKVM_VDEV_DMA_FROM_BAR	5	/* BAR 2 at offset SRC to DST */
#define LKVM_VDEV_DMA_PIN	0x100	/* flag: by pinned pages, not vfio_dma_rw */
#define LKVM_VDEV_DMA_ASYNC	0x200	/* flag: later, on a worker of its own */
#define LKVM_VDEV_DMA_IRQ	0x400	/* flag: then vector VECTOR fires */
#define LKVM_VDEV_DMA_VECTOR_SHIFT	16
#define LKVM_VDEV_DMA_DONE	0
#define LKVM_VDEV_DMA_BUSY	1	/* commands are dropped meanwhile */
#define LKVM_VDEV_DMA_BAD	2	/* no such command, or a length or offset out of bounds */
#define LKVM_VDEV_DMA_FAULT	3	/* an address that is not the guest's memory */
#define LKVM_VDEV_DMA_OFF	4	/* Bus Master Enable is clear */

/* A FIFO of 16 words, for what migration must keep in order. */
#define LKVM_VDEV_FIFO		0x080	/* W: push; R: pop, 0 when empty */
#define LKVM_VDEV_FIFO_LEVEL	0x084	/* RO; bit 31: a push was lost */

#endif
