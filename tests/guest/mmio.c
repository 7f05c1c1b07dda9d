/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A block device in a slot of virtio-mmio [virtio-1.2 4.2.2], by a driver that does it right, and then wrong. Wants one writable disk of
 * 1 MiB whose sector n begins with the byte n in the machine's first slot, and no other device; slots are 512 bytes. A PC has no slots: there
 * this fails.
 */
#include "virtio.h"

enum { T_IN = 0, T_OUT = 1, OK = 0, SLOT = 0x200, ALL_OK = 15, NEEDS_RESET = 64 };

#define F_VERSION_1 (1ULL << 32)

static struct vdev d;
static volatile u8 buf[4096] __attribute__((aligned(4096)));

static u32 rd(unsigned int off) { return read32(d.mmio + off); }
static void wr(unsigned int off, u32 v) { write32(d.mmio + off, v); }

static bool start(void)
{
	if (!vdev_negotiate(&d, F_VERSION_1))
		return false;
	vdev_queue(&d, 0, 0xffff);
	vdev_set_status(&d, ALL_OK);
	return rd(M_STATUS) == ALL_OK;
}

static bool works(void)
{
	buf[0] = 0;
	return blk_request(&d, T_IN, 5, buf, 512, true) == OK && buf[0] == 5;
}

static void right(u64 base)
{
	unsigned int i;
	u8 sum = 0;

	check(vdev_find_mmio(&d, base, 2), "a block device of version 2");
	d.mmio = base;
	check(read32(base + SLOT + M_MAGIC) == ~0U, "there is nothing in the next slot");
	check(start(), "features are accepted");
	check(rd(M_CONFIG) == 2048 && rd(M_CONFIG + 4) == 0, "capacity is 2048 sectors");
	check(!rd(M_ISR), "no interrupt yet");
	check(works(), "a read gives the right sector");
	check(rd(M_ISR) == 1, "and an interrupt");
	wr(M_ACK, 1);
	check(!rd(M_ISR), "which is acknowledged");
	for (i = 0; i < 4096; i++)
		buf[i] = (u8)(i * 7);
	check(blk_request(&d, T_OUT, 100, buf, 4096, false) == OK, "a write");
	mem_set(buf, 0, 4096);
	check(blk_request(&d, T_IN, 100, buf, 4096, true) == OK, "and reading it back");
	for (i = 0; i < 4096; i++)
		sum |= buf[i] ^ (u8)(i * 7);
	check(!sum, "gives what was written");
	for (i = 0; i < 1000 && works(); i++)
		;
	check(i == 1000, "a thousand reads");
}

static void queues(void)
{
	wr(M_QSELECT, 0);
	check(rd(M_QMAX) >= VQ_SIZE && rd(M_QREADY) == 1, "the queue is there and ready");
	wr(M_QDESC, 0x1000);
	wr(M_QREADY, 2);
	check(works(), "a ready queue does not change");
	wr(M_QREADY, 0);
	check(!rd(M_QREADY), "not ready reads back");
	vdev_kick(&d, 0);
	vdev_queue(&d, 0, 0xffff);
	check(rd(M_QREADY) == 1 && works(), "and ready again it works");
	wr(M_QSELECT, 0x10000);
	check(!rd(M_QMAX) && !rd(M_QREADY), "an absent queue has no size");
	wr(M_QREADY, 1);
	wr(M_QREADY, 0);
	wr(M_NOTIFY, 0x10000);
	wr(M_NOTIFY, ~0U);
	check(rd(M_STATUS) == ALL_OK && works(), "and does nothing");
}

static void odd_accesses(void)
{
	unsigned int off, i;
	bool ones = true;

	for (off = 0; off < M_CONFIG; off += 4) {
		ones &= read8(d.mmio + off) == 0xff && read16(d.mmio + off) == 0xffff;
		if (off % 8 == 0)
			ones &= read64(d.mmio + off) == ~0ULL;
		write8(d.mmio + off, 0);
		write16(d.mmio + off, 0);
		if (off % 8 == 0)
			write64(d.mmio + off, 0);
	}
	check(ones, "registers read as ones but by words");
	check(rd(M_STATUS) == ALL_OK && works(), "and are written by words only");
	for (i = 0; i < 8; i++)
		wr(M_CONFIG + SLOT / 2 - 4, i);
	wr(M_STATUS, 0x100);
	check(rd(M_STATUS) == ALL_OK && works(), "what no status is does nothing");
	check(read8(d.device) == 0 && read8(d.device + 1) == 8 && read16(d.device) == 2048 && read64(d.device) == 2048,
	      "configuration takes any width");
}

/* Every word of the page with all kinds of numbers, over and over. */
static void storm(void)
{
	static const u32 values[] = { 0, 1, 2, 3, 7, 11, 15, 16, 0xff, 0x100, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff };
	unsigned int round, off, i;

	for (round = 0; round < 4; round++)
		for (off = 0; off < M_CONFIG; off += 4)
			for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
				wr(off, values[i]);
				rd(off);
			}
	check(start() && works(), "after any write a reset gives a device that works");
}

static void broken(void)
{
	vdev_desc(&d, 0, (void *)~0ULL, 512, D_NEXT, 0);
	check(vdev_run(&d, 0, 0) < 0 && (rd(M_STATUS) & NEEDS_RESET), "a bad ring needs a reset");
	check(rd(M_ISR) & 2, "and interrupts for it");
	vdev_set_status(&d, 0);
	check(!rd(M_STATUS) && !rd(M_ISR), "a reset ends both");
	check(start() && works(), "and it works again");
}

int guest_main(void)
{
	right(VIRTIO_MMIO);
	queues();
	odd_accesses();
	storm();
	broken();
	return checks_done();
}
