/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-blk by a driver that does it right, and then wrong: requests, limits, interrupts by MSI-X and INTx, rings a device must refuse.
 * Wants one writable disk of 1 MiB whose sector n begins with the byte n.
 */
#include "virtio.h"

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZEROES = 13, OK = 0, IOERR = 1, UNSUPP = 2 };

#define F_VERSION_1 (1ULL << 32)
#define F_INDIRECT (1ULL << 28)
#define F_FLUSH (1ULL << 9)

static struct vdev d;
static volatile u8 buf[4096] __attribute__((aligned(4096)));

static bool start(u64 features, u16 vector)
{
	if (!vdev_negotiate(&d, features))
		return false;
	vdev_queue(&d, 0, vector);
	vdev_set_status(&d, 15);
	return true;
}

static void right(void)
{
	unsigned int i;
	u8 sum = 0;

	check(start(F_VERSION_1 | F_FLUSH, 0xffff), "features are accepted");
	check(read32(d.device) == 2048 && read32(d.device + 4) == 0, "capacity is 2048 sectors");
	check(blk_request(&d, T_IN, 5, buf, 1024, true) == OK, "a read");
	check(buf[0] == 5 && buf[512] == 6, "gives the right sectors");
	for (i = 0; i < 4096; i++)
		buf[i] = (u8)(i * 7);
	check(blk_request(&d, T_OUT, 100, buf, 4096, false) == OK, "a write");
	for (i = 0; i < 4096; i++)
		buf[i] = 0;
	check(blk_request(&d, T_FLUSH, 0, buf, 0, false) == OK, "a flush");
	check(blk_request(&d, T_IN, 100, buf, 4096, true) == OK, "and reading it back");
	for (i = 0; i < 4096; i++)
		sum |= buf[i] ^ (u8)(i * 7);
	check(!sum, "gives what was written");
	check(blk_request(&d, T_GET_ID, 0, buf, 20, true) == OK && buf[0], "an id");
}

static void limits(void)
{
	check(blk_request(&d, T_IN, 2048, buf, 512, true) == IOERR, "a read past the end fails");
	check(blk_request(&d, T_IN, 2047, buf, 1024, true) == IOERR, "a read across the end fails");
	check(blk_request(&d, T_OUT, 2047, buf, 1024, false) == IOERR, "a write across the end fails");
	check(blk_request(&d, T_IN, ~0ULL, buf, 512, true) == IOERR, "a sector that wraps fails");
	check(blk_request(&d, T_IN, ~0ULL / 512, buf, 512, true) == IOERR, "another one");
	check(blk_request(&d, T_IN, 0, buf, 100, true) == IOERR, "a length of no whole sectors fails");
	check(blk_request(&d, 77, 0, buf, 512, true) == UNSUPP, "an unknown type is unsupported");
	check(blk_request(&d, T_IN, 2047, buf, 512, true) == OK, "the last sector is there");
}

static bool broke(void)
{
	unsigned int n;

	for (n = 0; n < 2000000; n++)
		if (vdev_status(&d) & 64)
			return true;
	return false;
}

static bool works_again(void)
{
	return start(F_VERSION_1, 0xffff) && blk_request(&d, T_IN, 9, buf, 512, true) == OK && buf[0] == 9;
}

static void offer_and_kick(u16 head)
{
	vdev_offer(&d, head);
	vdev_kick(&d, 0);
}

static void wrong(void)
{
	check(start(F_VERSION_1, 0xffff), "again");
	vdev_desc(&d, 0, buf, 16, D_NEXT, 1);
	vdev_desc(&d, 1, buf, 16, D_NEXT, 0);
	offer_and_kick(0);
	check(broke(), "a descriptor loop breaks the device");
	check(works_again(), "until it is reset");

	vdev_desc(&d, 0, buf, 16, D_NEXT, VQ_SIZE);
	offer_and_kick(0);
	check(broke(), "a next beyond the table");
	check(works_again(), "until reset");

	offer_and_kick(VQ_SIZE + 3);
	check(broke(), "a head beyond the table");
	check(works_again(), "until reset");

	vdev_desc(&d, 0, (void *)(~0ULL - 7), 16, 0, 0);
	offer_and_kick(0);
	check(broke(), "an address that wraps");
	check(works_again(), "until reset");

	vdev_desc(&d, 0, (void *)WINDOW_HOLE, 16, 0, 0);
	offer_and_kick(0);
	check(broke(), "an address outside RAM");
	check(works_again(), "until reset");

	*(volatile u16 *)&d.avail.idx = d.avail.idx + VQ_SIZE + 1;
	vdev_kick(&d, 0);
	check(broke(), "an index that jumps");
	check(works_again(), "until reset");

	vdev_negotiate(&d, F_VERSION_1);
	write16(d.common + C_QSELECT, 0);
	write16(d.common + C_QSIZE, 0x8000);
	check(read16(d.common + C_QSIZE) != 0x8000, "a size above the maximum is not taken");
	write16(d.common + C_QSELECT, 999);
	check(read16(d.common + C_QSIZE) == 0, "an absent queue has size 0");
	write16(d.common + C_QENABLE, 1);
	write16(d.common + C_QSELECT, 0);
	vdev_queue(&d, 0, 777);
	check(read16(d.common + C_QVECTOR) == 0xffff, "a vector out of range reads back as none");
	vdev_write64(d.common + C_QDESC, 0x1000);
	check(read32(d.common + C_QDESC) == (u32)(u64)d.desc, "addresses are frozen once enabled");
	check(!vdev_negotiate(&d, ~0ULL), "features that were not offered are refused");
	check(works_again(), "and it works after all that");
	for (unsigned int i = 0; i < 5000; i++)
		write16(d.notify + (u64)d.notify_off * d.notify_multiplier, (u16)i);
	check(works_again(), "a notify storm, absent queues included, changes nothing");
}

static void window(void)
{
	u32 v;

	/* [virtio-1.2 4.1.4.9]: common configuration through config space */
	pci_write(d.devfn, d.cfg_cap + 4, 1, pci_read(d.devfn, pci_find_cap(d.devfn, 9, 0) + 4, 1));
	pci_write(d.devfn, d.cfg_cap + 8, 4, C_NUMQ);
	pci_write(d.devfn, d.cfg_cap + 12, 4, 2);
	v = pci_read(d.devfn, d.cfg_cap + 16, 2);
	check(v == 1, "PCI_CFG reads the BAR");
	pci_write(d.devfn, d.cfg_cap + 8, 4, 0xfffffff0);
	v = pci_read(d.devfn, d.cfg_cap + 16, 4);
	check(1, "and an offset outside does no harm");
}

static void messages(void)
{
	unsigned int cap = pci_find_cap(d.devfn, 0x11, 0), bir, n;
	u64 table;
	u32 was;

	irq_setup();
	check(cap, "there is an MSI-X capability");
	bir = pci_read(d.devfn, cap + 4, 4) & 7;
	table = pci_bar(d.devfn, bir) + (pci_read(d.devfn, cap + 4, 4) & ~7U);
	write32(table + 16, (u32)irq_msi_addr());
	write32(table + 20, 0);
	write32(table + 24, 0x41);
	write32(table + 28, 0);
	pci_write(d.devfn, cap + 2, 2, 0x8000);
	check(start(F_VERSION_1, 1), "with vector 1");
	check(read16(d.common + C_QVECTOR) == 1, "which reads back");
	was = irq_count[1];
	check(blk_request(&d, T_IN, 1, buf, 512, true) == OK, "a read");
	for (n = 0; n < 1000000 && irq_count[1] == was; n++)
		;
	check(irq_count[1] == was + 1, "raises MSI-X vector 1 once");

	write32(table + 28, 1);
	was = irq_count[1];
	check(blk_request(&d, T_IN, 1, buf, 512, true) == OK, "a read while the vector is masked");
	for (n = 0; n < 20000; n++)
		cpu_pause();
	check(irq_count[1] == was, "raises nothing");
	{
		unsigned int pbir = pci_read(d.devfn, cap + 8, 4) & 7;
		u64 pba = pci_bar(d.devfn, pbir) + (pci_read(d.devfn, cap + 8, 4) & ~7U);

		check(read32(pba) == 2, "but is pending");
		write32(table + 28, 0);
		for (n = 0; n < 1000000 && irq_count[1] == was; n++)
			;
		check(irq_count[1] == was + 1 && !(read32(pba) & 2), "and comes when it is unmasked");
	}
	pci_write(d.devfn, cap + 2, 2, 0);
}

static void wired(void)
{
	check(start(F_VERSION_1, 0xffff), "without MSI-X");
	check(blk_request(&d, T_IN, 1, buf, 512, true) == OK, "a read");
	check(pci_read(d.devfn, 6, 2) & 8, "sets the interrupt status bit");
	check(read8(d.isr) & 1, "ISR tells the queue");
	check(!(read8(d.isr) & 1) && !(pci_read(d.devfn, 6, 2) & 8), "and reading it clears both");
}

int guest_main(void)
{
	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	check(vdev_find(&d, pci_find_id(0x1af4, 0x1042, 0)), "the disk has all capabilities");
	right();
	limits();
	wrong();
	window();
	if (HAVE_MSI)
		messages();
	wired();
	return checks_done();
}
