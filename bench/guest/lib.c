/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmark's guests use of tests/guest/guest.h, for any VMM: PCI by the configuration ports, bus 0 [pci-3.0 3.2.2.3.2].
 */
#include "bench.h"

static void put_number(u64 v)
{
	char buf[24];
	int n = 0;

	do
		buf[n++] = (char)('0' + v % 10);
	while ((v /= 10));
	while (n--)
		outb(0x3f8, (u8)buf[n]);
}

void say(const char *s, u64 a, u64 b)
{
	for (; *s; s++)
		outb(0x3f8, (u8)*s);
	outb(0x3f8, ' ');
	put_number(a);
	outb(0x3f8, ' ');
	put_number(b);
	outb(0x3f8, '\n');
}

static void config_address(u8 devfn, unsigned int off)
{
	outl(0xcf8, 0x80000000U | (u32)devfn << 8 | (off & ~3U));
}

u32 pci_read(u8 devfn, unsigned int off, unsigned int size)
{
	u32 v;

	config_address(devfn, off);
	v = inl(0xcfc) >> (off & 3) * 8;
	return size == 1 ? v & 0xff : size == 2 ? v & 0xffff : v;
}

void pci_write(u8 devfn, unsigned int off, unsigned int size, u32 val)
{
	config_address(devfn, off);
	if (size == 2)
		outw((u16)(0xcfc + (off & 2)), (u16)val);
	else
		outl(0xcfc, val);
}

int pci_find_id(u16 vendor, u16 device, unsigned int nth)
{
	int devfn;

	for (devfn = 0; devfn < 256; devfn += 8)
		if (pci_read((u8)devfn, 0, 4) == ((u32)device << 16 | vendor) && !nth--)
			return devfn;
	return -1;
}

unsigned int pci_find_cap(u8 devfn, u8 id, unsigned int after)
{
	unsigned int off = pci_read(devfn, after ? after + 1 : 0x34, 1), n;

	for (n = 0; off && n < 48; n++, off = pci_read(devfn, off + 1, 1))
		if (pci_read(devfn, off, 1) == id)
			return off;
	return 0;
}

u64 pci_bar(u8 devfn, unsigned int bar)
{
	u32 low = pci_read(devfn, 0x10 + bar * 4, 4);

	return (low & 6) == 4 ? (u64)pci_read(devfn, 0x14 + bar * 4, 4) << 32 | (low & ~0xfU) : low & ~0xfU;
}

/* All below 4 GiB is there; a BAR above it is none that a VMM of ours or of theirs gives. */
void map_gib(u64 addr)
{
	if (addr >> 32)
		say("BAR above 4 GiB", addr >> 32, 0);
}

bool disk_start(struct disk *k)
{
	struct vdev *d = &k->dev;
	unsigned int i;

	if (!vdev_find(d, pci_find_id(0x1af4, 0x1042, 0)) || !vdev_negotiate(d, 1ULL << 32))
		return false;
	write16(d->common + C_QSELECT, 0);
	k->num = read16(d->common + C_QSIZE);	/* kvmtool's rings have that size whatever is written */
	k->notify_at = d->notify + (u64)read16(d->common + C_QNOTIFY) * d->notify_multiplier;
	k->desc = (struct vdesc *)RINGS;
	k->avail = (volatile u16 *)(RINGS + 0x8000);
	k->used = (volatile u16 *)(RINGS + 0x10000);
	k->avail[0] = 1;			/* no interrupts */
	write16(d->common + C_QVECTOR, 0xffff);
	vdev_write64(d->common + C_QDESC, (u64)k->desc);
	vdev_write64(d->common + C_QDRIVER, (u64)k->avail);
	vdev_write64(d->common + C_QDEVICE, (u64)k->used);
	write16(d->common + C_QENABLE, 1);
	vdev_set_status(d, 15);
	for (i = 0; i < DEPTH_MAX; i++)
		k->status[i] = 0xff;
	return k->num >= DEPTH_MAX * 3;
}

/* Request @slot, three descriptors; offered, not kicked. */
void disk_offer(struct disk *k, unsigned int slot, u32 type, u64 sector, u64 data, u32 len)
{
	struct vdesc *c = &k->desc[slot * 3];

	k->head[slot] = (struct blk_head){ type, 0, sector };
	c[0] = (struct vdesc){ (u64)&k->head[slot], sizeof(k->head[slot]), D_NEXT, (u16)(slot * 3 + 1) };
	c[1] = (struct vdesc){ data, len, (u16)(type == 1 ? D_NEXT : D_NEXT | D_WRITE), (u16)(slot * 3 + 2) };
	c[2] = (struct vdesc){ (u64)&k->status[slot], 1, D_WRITE, 0 };
	k->avail[2 + k->offered++ % k->num] = (u16)(slot * 3);
	barrier();
	k->avail[1] = k->offered;
	__asm__ volatile("mfence" ::: "memory");
}

void disk_kick(struct disk *k)
{
	if (!(k->used[0] & 1))
		write16(k->notify_at, 0);
}

unsigned int disk_wait(struct disk *k)
{
	unsigned int slot;

	while (k->used[1] == k->seen)
		__asm__ volatile("pause");
	barrier();
	slot = *(volatile u32 *)&k->used[2 + k->seen++ % k->num * 4] / 3;
	if (k->status[slot])
		say("status", k->status[slot], slot);
	return slot;
}
