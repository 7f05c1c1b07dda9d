/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small driver of modern virtio for bare-metal guests, over PCI or MMIO: split ring, one queue, polled. [virtio-1.2 2.7, 3.1, 4.1, 4.2]
 */
#ifndef GUEST_VIRTIO_H
#define GUEST_VIRTIO_H

#include "guest.h"

enum {
	VQ_SIZE = 16,
	CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_PCI_CFG = 5,
	/* common configuration [4.1.4.3] */
	C_DFSELECT = 0, C_DF = 4, C_GFSELECT = 8, C_GF = 12, C_CONFIG_VECTOR = 16, C_NUMQ = 18, C_STATUS = 20, C_GENERATION = 21,
	C_QSELECT = 22, C_QSIZE = 24, C_QVECTOR = 26, C_QENABLE = 28, C_QNOTIFY = 30, C_QDESC = 32, C_QDRIVER = 40, C_QDEVICE = 48,
	/* registers in memory [4.2.2] */
	M_MAGIC = 0, M_VERSION = 4, M_DEVICE_ID = 8, M_DF = 0x10, M_DFSELECT = 0x14, M_GF = 0x20, M_GFSELECT = 0x24, M_QSELECT = 0x30,
	M_QMAX = 0x34, M_QSIZE = 0x38, M_QREADY = 0x44, M_NOTIFY = 0x50, M_ISR = 0x60, M_ACK = 0x64, M_STATUS = 0x70, M_QDESC = 0x80,
	M_QDRIVER = 0x90, M_QDEVICE = 0xa0, M_QRESET = 0xc0, M_GENERATION = 0xfc, M_CONFIG = 0x100,
	D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4,
};

struct vdesc { u64 addr; u32 len; u16 flags, next; };
struct vavail { u16 flags, idx, ring[VQ_SIZE], used_event; };
struct vused { u16 flags, idx; struct { u32 id, len; } ring[VQ_SIZE]; u16 avail_event; };

struct vdev {
	u64 mmio;			/* its registers; 0: it is on PCI, and has what the next four lines say */
	u8 devfn;
	u64 common, notify, isr, device;
	u32 notify_multiplier;
	unsigned int cfg_cap;		/* PCI_CFG capability's offset */
	struct vdesc desc[VQ_SIZE] __attribute__((aligned(4096)));
	struct vavail avail __attribute__((aligned(64)));
	struct vused used __attribute__((aligned(64)));
	u16 seen, notify_off;
};

/* Finds the registers through the capabilities; memory decode and bus mastering on. False: one is missing. */
static inline bool vdev_find(struct vdev *d, int devfn)
{
	unsigned int cap;

	if (devfn < 0)
		return false;
	d->mmio = 0;
	d->devfn = (u8)devfn;
	d->common = d->notify = d->isr = d->device = 0;
	d->cfg_cap = 0;
	pci_write(d->devfn, 4, 2, 6);
	for (cap = pci_find_cap(d->devfn, 9, 0); cap; cap = pci_find_cap(d->devfn, 9, cap)) {
		u8 type = (u8)pci_read(d->devfn, cap + 3, 1);
		u64 at;

		if (type == CAP_PCI_CFG) {
			d->cfg_cap = cap;
			continue;
		}
		at = pci_bar(d->devfn, pci_read(d->devfn, cap + 4, 1)) + pci_read(d->devfn, cap + 8, 4);
		map_gib(at & ~0x3fffffffULL);
		if (type == CAP_COMMON)
			d->common = at;
		if (type == CAP_NOTIFY) {
			d->notify = at;
			d->notify_multiplier = pci_read(d->devfn, cap + 16, 4);
		}
		if (type == CAP_ISR)
			d->isr = at;
		if (type == CAP_DEVICE)
			d->device = at;
	}
	return d->common && d->notify && d->isr && d->device;
}

/* The device in the slot at @base; its isr and device, as on PCI, say where those are. False: another one is, or none. */
static inline bool vdev_find_mmio(struct vdev *d, u64 base, u32 device_id)
{
	map_gib(base & ~0x3fffffffULL);
	if (read32(base + M_MAGIC) != 0x74726976 || read32(base + M_VERSION) != 2 || read32(base + M_DEVICE_ID) != device_id)
		return false;
	d->mmio = base;
	d->common = 0;
	d->notify = base + M_NOTIFY;
	d->isr = base + M_ISR;
	d->device = base + M_CONFIG;
	return true;
}

static inline u8 vdev_status(struct vdev *d)
{
	return d->mmio ? (u8)read32(d->mmio + M_STATUS) : read8(d->common + C_STATUS);
}

static inline void vdev_set_status(struct vdev *d, u8 s)
{
	if (d->mmio)
		write32(d->mmio + M_STATUS, s);
	else
		write8(d->common + C_STATUS, s);
}

static inline u64 vdev_features(struct vdev *d)
{
	u64 select = d->mmio ? d->mmio + M_DFSELECT : d->common + C_DFSELECT, at = d->mmio ? d->mmio + M_DF : d->common + C_DF, f;

	write32(select, 1);
	f = (u64)read32(at) << 32;
	write32(select, 0);
	return f | read32(at);
}

/* Reset, acknowledge, features; true when the device keeps FEATURES_OK. */
static inline bool vdev_negotiate(struct vdev *d, u64 features)
{
	u64 select = d->mmio ? d->mmio + M_GFSELECT : d->common + C_GFSELECT, at = d->mmio ? d->mmio + M_GF : d->common + C_GF;
	unsigned int n = 0;

	vdev_set_status(d, 0);
	while (vdev_status(d) && n++ < 100000)
		;
	vdev_set_status(d, 1);
	vdev_set_status(d, 3);
	write32(select, 0);
	write32(at, (u32)features);
	write32(select, 1);
	write32(at, (u32)(features >> 32));
	vdev_set_status(d, 11);
	return vdev_status(d) & 8;
}

static inline void vdev_write64(u64 at, u64 v)
{
	write32(at, (u32)v);
	write32(at + 4, (u32)(v >> 32));
}

static inline void vdev_queue_mmio(struct vdev *d, u16 q)
{
	write32(d->mmio + M_QSELECT, q);
	write32(d->mmio + M_QSIZE, VQ_SIZE);
	vdev_write64(d->mmio + M_QDESC, (u64)d->desc);
	vdev_write64(d->mmio + M_QDRIVER, (u64)&d->avail);
	vdev_write64(d->mmio + M_QDEVICE, (u64)&d->used);
	write32(d->mmio + M_QREADY, 1);
}

/* Sets queue @q up over our one set of rings; on PCI without interrupts unless @vector, which MMIO has not. */
static inline void vdev_queue(struct vdev *d, u16 q, u16 vector)
{
	unsigned int i;

	for (i = 0; i < sizeof(d->avail); i++)
		((volatile u8 *)&d->avail)[i] = 0;
	for (i = 0; i < sizeof(d->used); i++)
		((volatile u8 *)&d->used)[i] = 0;
	d->seen = 0;
	if (d->mmio) {
		vdev_queue_mmio(d, q);
		return;
	}
	write16(d->common + C_QSELECT, q);
	write16(d->common + C_QSIZE, VQ_SIZE);
	write16(d->common + C_QVECTOR, vector);
	vdev_write64(d->common + C_QDESC, (u64)d->desc);
	vdev_write64(d->common + C_QDRIVER, (u64)&d->avail);
	vdev_write64(d->common + C_QDEVICE, (u64)&d->used);
	d->notify_off = read16(d->common + C_QNOTIFY);
	write16(d->common + C_QENABLE, 1);
}

static inline void vdev_desc(struct vdev *d, unsigned int i, const volatile void *p, u32 len, u16 flags, u16 next)
{
	d->desc[i] = (struct vdesc){ (u64)p, len, flags, next };
}

static inline void vdev_kick(struct vdev *d, u16 q)
{
	if (d->mmio)
		write32(d->notify, q);
	else
		write16(d->notify + (u64)d->notify_off * d->notify_multiplier, q);
}

static inline void vdev_offer(struct vdev *d, u16 head)
{
	d->avail.ring[d->avail.idx % VQ_SIZE] = head;
	barrier();
	*(volatile u16 *)&d->avail.idx = d->avail.idx + 1;
	full_barrier();
}

/* One chain from descriptor @head, waited for. Gives the used length, or -1 when nothing comes back. */
static inline int vdev_run(struct vdev *d, u16 q, u16 head)
{
	unsigned int n;

	vdev_offer(d, head);
	vdev_kick(d, q);
	for (n = 0; n < 3000000 && *(volatile u16 *)&d->used.idx == d->seen; n++) {
		if (!(n & 0xfff) && vdev_status(d) & 64)
			return -1;
		cpu_pause();
	}
	if (*(volatile u16 *)&d->used.idx == d->seen)
		return -1;
	return (int)d->used.ring[d->seen++ % VQ_SIZE].len;
}

/* --- block requests [5.2.6] --- */

struct blk_head { u32 type, reserved; u64 sector; };

/* A request with one data buffer on queue 0. Gives the status byte, or 0xff when nothing came back. */
static inline u8 blk_request(struct vdev *d, u32 type, u64 sector, volatile void *data, u32 len, bool to_guest)
{
	static struct blk_head head __attribute__((aligned(16)));
	static volatile u8 status;

	head = (struct blk_head){ type, 0, sector };
	status = 0xff;
	vdev_desc(d, 0, &head, sizeof(head), D_NEXT, len ? 1 : 2);
	vdev_desc(d, 1, data, len, D_NEXT | (to_guest ? D_WRITE : 0), 2);
	vdev_desc(d, 2, &status, 1, D_WRITE, 0);
	if (vdev_run(d, 0, 0) < 0)
		return 0xff;
	return status;
}

#endif
