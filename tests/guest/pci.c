/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI as a guest's kernel uses and abuses it: absent functions, sizing, decode bits, BARs that move, overlap and leave. Wants two
 * disks, whose virtio registers are what answers.
 */
#include "virtio.h"

static struct vdev a, b;

static u32 cf8_read(u8 devfn, unsigned int off)
{
	out32(0xcf8, 0x80000000U | (u32)devfn << 8 | (off & 0xfc));
	return in32(0xcfc);
}

/* Which BAR holds the common configuration, and how far into it. */
static unsigned int common_bar(struct vdev *d, u32 *off)
{
	unsigned int cap;

	for (cap = pci_find_cap(d->devfn, 9, 0); cap; cap = pci_find_cap(d->devfn, 9, cap))
		if (pci_read(d->devfn, cap + 3, 1) == CAP_COMMON) {
			*off = pci_read(d->devfn, cap + 8, 4);
			return pci_read(d->devfn, cap + 4, 1);
		}
	return 0;
}

static void set_bar(u8 devfn, unsigned int bar, u64 addr)
{
	bool wide = (pci_read(devfn, 0x10 + bar * 4, 4) & 6) == 4;

	pci_write(devfn, 0x10 + bar * 4, 4, (u32)addr);
	if (wide)
		pci_write(devfn, 0x14 + bar * 4, 4, (u32)(addr >> 32));
}

/* Does the block device's common configuration answer at @at? num_queues is 1 with one vCPU. */
static bool answers(u64 at)
{
	return read16(at + C_NUMQ) == 1;
}

static bool silent(u64 at)
{
	return read16(at + C_NUMQ) == 0xffff && read8(at + C_STATUS) == 0xff;
}

static void absent_functions(void)
{
	unsigned int devfn, wrong = 0, present = 0;

	for (devfn = 0; devfn < 256; devfn++) {
		u32 ecam = pci_read((u8)devfn, 0, 4), cf8 = HAVE_PORTS ? cf8_read((u8)devfn, 0) : ecam;

		wrong += ecam != cf8;
		present += ecam != 0xffffffff;
	}
	check(present >= 3, "the scan finds bridge and disks");
	check(!wrong, "ECAM and CF8 agree on every function");
	pci_write(0xf8, 0, 4, 0x12345678);
	pci_write(0xf8, 0x10, 1, 0);
	check(pci_read(0xf8, 0, 4) == 0xffffffff && pci_read(0xf8, 0x10, 1) == 0xff, "an absent function reads ones after writes");
	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	wrong = 0;
	for (devfn = 1; devfn < 256; devfn++)
		wrong += read32(ECAM + ((u64)devfn << 20)) != 0xffffffff;
	check(!wrong, "absent buses read ones");
}

static void sizing(void)
{
	u32 off, low, mask;
	unsigned int bar = common_bar(&a, &off);
	u64 was = pci_bar(a.devfn, bar);

	low = pci_read(a.devfn, 0x10 + bar * 4, 4);
	pci_write(a.devfn, 0x10 + bar * 4, 4, 0xffffffff);
	mask = pci_read(a.devfn, 0x10 + bar * 4, 4);
	check((mask & 0xf) == (low & 0xf), "type bits of a BAR are read-only");
	check((mask & ~0xfU) && !((~(mask & ~0xfU) + 1) & (~(mask & ~0xfU))), "all ones give a power of two");
	pci_write(a.devfn, 0x10 + bar * 4, 4, low);
	check(pci_bar(a.devfn, bar) == was, "the address comes back");
	/* byte by byte */
	pci_write(a.devfn, 0x10 + bar * 4 + 2, 1, 0xff);
	pci_write(a.devfn, 0x10 + bar * 4 + 2, 2, low >> 16);
	check(pci_bar(a.devfn, bar) == was, "sub-dword writes are put together");
	check(answers(was + off), "and the device answers there");
	/* read-only things stay */
	pci_write(a.devfn, 0, 4, 0);
	pci_write(a.devfn, 0x34, 1, 0);
	pci_write(a.devfn, 8, 4, 0);
	check(pci_read(a.devfn, 0, 2) == 0x1af4 && pci_read(a.devfn, 0x34, 1), "ids and capability pointer are read-only");
}

static void decode_bits(void)
{
	pci_write(a.devfn, 4, 2, 4);
	check(silent(a.common), "memory decode off: ones");
	pci_write(a.devfn, 4, 2, 6);
	check(answers(a.common), "memory decode on: the device");
	pci_write(a.devfn, 4, 1, 0);
	pci_write(a.devfn, 5, 1, 0);
	check(silent(a.common), "a byte write turns it off too");
	pci_write(a.devfn, 4, 2, 6);
}

static void moves(void)
{
	u32 off, seed = 12345;
	unsigned int bar = common_bar(&a, &off), i, wrong = 0;
	u64 old = pci_bar(a.devfn, bar), home = old, to;
	bool wide = (pci_read(a.devfn, 0x10 + bar * 4, 4) & 6) == 4;

	for (i = 0; i < 64; i++) {
		seed = seed * 1103515245 + 12345;
		to = MEM_WINDOW + 0x8000000ULL + ((u64)(seed >> 8 & 0x7f) << 20);
		if (to == old)
			continue;
		set_bar(a.devfn, bar, to);
		wrong += !answers(to + off) || (old != pci_bar(b.devfn, bar) && !silent(old + off));
		old = to;
	}
	check(!wrong, "a BAR moves 64 times: new address answers, old one is silent");
	if (wide) {
		map_gib(MEM64_SPOT);
		set_bar(a.devfn, bar, MEM64_SPOT + 0x100000ULL);
		check(answers(MEM64_SPOT + 0x100000ULL + off), "and above 4 GiB");
		check(silent(old + off), "the old address is silent");
		set_bar(a.devfn, bar, home);
		check(silent(MEM64_SPOT + 0x100000ULL + off) && answers(home + off), "and back");
	} else {
		set_bar(a.devfn, bar, home);
	}
}

static void overlap(void)
{
	u32 off;
	unsigned int bar = common_bar(&a, &off);
	u64 home_a = pci_bar(a.devfn, bar), home_b = pci_bar(b.devfn, bar), at = MEM_WINDOW + 0xc000000ULL;

	/* told apart by the status register */
	vdev_set_status(&a, 1);
	vdev_set_status(&b, 3);
	set_bar(a.devfn, bar, at);
	set_bar(b.devfn, bar, at);
	check(read8(at + off + C_STATUS) == 1, "where two overlap, the first one answers");
	set_bar(a.devfn, bar, home_a);
	check(read8(at + off + C_STATUS) == 3, "when it leaves, the other one does");
	check(read8(home_a + off + C_STATUS) == 1, "the first one answers at home");
	set_bar(a.devfn, bar, at);
	set_bar(b.devfn, bar, home_b);
	check(read8(at + off + C_STATUS) == 1 && read8(home_b + off + C_STATUS) == 3, "and the other way round");
	set_bar(a.devfn, bar, home_a);
	vdev_set_status(&a, 0);
	vdev_set_status(&b, 0);
}

static void hostile_places(void)
{
	static const struct { u32 at; const char *what; } places[] = { BAD_PLACES };
	static volatile u32 word = 0x5a5a5a5a;
	u32 off;
	unsigned int bar = common_bar(&a, &off), i;
	u64 home = pci_bar(a.devfn, bar);
	u32 id = pci_read(a.devfn, 0, 4);

	set_bar(a.devfn, bar, (u64)&word & ~0x3fffffULL);
	check(word == 0x5a5a5a5a, "a BAR over RAM: RAM answers");
	set_bar(a.devfn, bar, ECAM);
	check(pci_read(a.devfn, 0, 4) == id, "a BAR over ECAM: ECAM answers");
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		set_bar(a.devfn, bar, places[i].at);
	set_bar(a.devfn, bar, ~0ULL);
	set_bar(a.devfn, bar, home);
	check(answers(home + off), "and it comes home");
}

int guest_main(void)
{
	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	check(vdev_find(&a, pci_find_id(0x1af4, 0x1042, 0)), "the first disk has all capabilities");
	check(vdev_find(&b, pci_find_id(0x1af4, 0x1042, 1)), "so has the second");
	absent_functions();
	sizing();
	decode_bits();
	moves();
	overlap();
	hostile_places();
	return checks_done();
}
