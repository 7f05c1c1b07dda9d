/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI functions: config space masks, BARs that are sized, moved, overlapped and switched, the capability list,
 * the bus, reset and state.
 *
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vmm/pci.h"

#include <sched.h>

#include "pci-fake.h"

enum { COMMAND = 4, STATUS = 6, BAR0 = 0x10, ROM = 0x30, CMD_IO = 1, CMD_MEM = 2, CMD_INTX_OFF = 0x400 };

static u32 cr(struct vm *vm, u8 devfn, unsigned int off, unsigned int size)
{
	return pci_config_read(vm->pci, 0, devfn, off, size);
}

static void cw(struct vm *vm, u8 devfn, unsigned int off, unsigned int size, u32 val)
{
	pci_config_write(vm->pci, 0, devfn, off, size, val);
}

/* 08: I/O BAR 0 of 32 bytes, memory BAR 1 of 4 KiB, 64-bit prefetchable BAR 2 of 64 KiB, ROM of 64 KiB */
enum { FN = 8 };

static struct vm *one_device(struct fake_dev *d)
{
	struct vm *vm = fake_vm();

	fake_dev_init(d, 0xaa00);
	pci_dev_add_bar(&d->pdev, 0, PCI_BAR_IO, 32, &fake_bar_io);
	pci_dev_add_bar(&d->pdev, 1, PCI_BAR_MEM32, 4096, &fake_bar_io);
	pci_dev_add_bar(&d->pdev, 2, PCI_BAR_MEM64_PREFETCH, 64 * KIB, &fake_bar_io);
	pci_dev_add_bar(&d->pdev, PCI_ROM, PCI_BAR_ROM, 64 * KIB, &fake_bar_io);
	if (pci_plug(vm->pci, &d->pdev, -1) < 0)
		abort();
	return vm;
}

static void one_device_free(struct vm *vm, struct fake_dev *d)
{
	pci_dev_cleanup(&d->pdev);
	fake_vm_free(vm);
}

TEST(header_reads_what_the_device_says)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	CHECK_EQ(d.pdev.devfn, FN);
	CHECK_EQ(cr(vm, FN, 0, 4), 0x56781234);
	CHECK_EQ(cr(vm, FN, 8, 4), 0x01020307);
	CHECK_EQ(cr(vm, FN, 0x2c, 4), 0xdef09abc);
	CHECK_EQ(cr(vm, FN, 2, 2), 0x5678);
	CHECK_EQ(cr(vm, FN, 0x0b, 1), 0x01);
	CHECK_EQ(cr(vm, FN, 0x0e, 1), 0);
	CHECK_EQ(cr(vm, FN, 0x3c, 2), 0x010b);	/* line of device 1 pin A: entry 1 */
	CHECK_EQ(cr(vm, FN, COMMAND, 2), 0);
	one_device_free(vm, &d);
}

TEST(read_only_bytes_survive_writes_of_any_size)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);
	u32 before[64];
	unsigned int off, size, i;
	static const u8 writable[] = { 0x0c, 0x3c };

	for (off = 0; off < 256; off += 4)
		before[off / 4] = cr(vm, FN, off, 4);
	for (size = 1; size <= 4; size *= 2)
		for (off = 0; off < 256; off += size)
			if (off >= 0x34 || off < 0x10)
				cw(vm, FN, off, size, 0xffffffff);
	for (i = 0; i < 64; i++) {
		u32 mask = 0xffffffff;

		if (i * 4 >= 0x10 && i * 4 < 0x34)
			continue;
		if (i == 1)
			mask = ~0x0547U;	/* IO MEM MASTER PARITY SERR INTX_DISABLE */
		if (i * 4 == writable[0] || i * 4 == writable[1])
			mask = 0xffffff00;
		CHECK_EQ(cr(vm, FN, i * 4, 4) & mask, before[i] & mask);
	}
	CHECK_EQ(cr(vm, FN, COMMAND, 2), 0x0547);
	one_device_free(vm, &d);
}

TEST(command_bits_without_a_bar_of_that_space_read_0)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;

	fake_dev_init(&d, 1);
	pci_plug(vm->pci, &d.pdev, -1);
	cw(vm, FN, COMMAND, 2, CMD_IO | CMD_MEM);
	CHECK_EQ(cr(vm, FN, COMMAND, 2), 0);
	one_device_free(vm, &d);
}

/* [pci-3.0 6.2.3] */
TEST(status_bits_clear_by_writing_ones)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	put_le16(d.pdev.config + STATUS, get_le16(d.pdev.config + STATUS) | 0xf900);
	cw(vm, FN, STATUS, 2, 0);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 0xf900, 0xf900);
	cw(vm, FN, STATUS, 2, 0x2000);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 0xf900, 0xd900);
	cw(vm, FN, COMMAND, 4, 0xffff0000);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 0xf900, 0);
	one_device_free(vm, &d);
}

TEST(accesses_outside_of_config_space_or_odd_ones_read_ones)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	CHECK_EQ(cr(vm, FN, 256, 4), 0xffffffff);	/* conventional: no extended space */
	CHECK_EQ(cr(vm, FN, 4096, 4), 0xffffffff);
	CHECK_EQ(cr(vm, FN, 1, 2), 0xffff);
	CHECK_EQ(cr(vm, FN, 2, 4), 0xffffffff);
	CHECK_EQ(cr(vm, FN, 0, 3), 0xffffff);
	CHECK_EQ(pci_config_read(vm->pci, 1, FN, 0, 4), 0xffffffff);
	CHECK_EQ(cr(vm, 0x50, 0, 2), 0xffff);
	cw(vm, FN, 256, 4, 0);
	cw(vm, FN, 0xffffffff, 4, 0);
	cw(vm, FN, 0x3d, 2, 0);
	pci_config_write(vm->pci, 1, FN, 0x3c, 1, 0x77);
	cw(vm, 0x50, 0x3c, 1, 0x77);
	CHECK_EQ(cr(vm, FN, 0x3c, 2), 0x010b);
	CHECK_EQ(d.config_writes, 0);
	one_device_free(vm, &d);
}

TEST(device_callbacks_see_config_accesses)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	d.override_config = true;
	CHECK_EQ(cr(vm, FN, 0x3c, 4), 0x12345678);
	cw(vm, FN, 0x40, 4, 0xcafe);
	CHECK_EQ(d.config_writes, 1);
	CHECK_EQ(d.last_config_val, 0xcafe);
	CHECK_EQ(cr(vm, FN, 0x40, 4), 0);
	one_device_free(vm, &d);
}

/* --- BARs --- */

TEST(bars_that_cannot_be_are_refused)
{
	struct fake_dev d;

	fake_dev_init(&d, 0);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_IO, 2, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_IO, 24, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_IO, 128 * KIB, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM32, 8, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM32, 0, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM32, 4 * GIB, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM64, 5000, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_NONE, 4096, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_ROM, 4096, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, PCI_ROM, PCI_BAR_MEM32, 4096, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, PCI_ROM, PCI_BAR_ROM, 1024, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 7, PCI_BAR_MEM32, 4096, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 5, PCI_BAR_MEM64, 4096, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 2, PCI_BAR_MEM64, 4096, NULL), 0);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 2, PCI_BAR_MEM32, 4096, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 3, PCI_BAR_MEM32, 4096, NULL), -EINVAL);	/* upper half of 2 */
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 1, PCI_BAR_MEM64, 4096, NULL), -EINVAL);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 4, PCI_BAR_IO, 4, NULL), 0);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, PCI_ROM, PCI_BAR_ROM, 2048, NULL), 0);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, PCI_ROM, PCI_BAR_ROM, 2048, NULL), -EINVAL);
	pci_dev_cleanup(&d.pdev);
	pci_dev_cleanup(&d.pdev);	/* twice is fine */
}

/* [pci-3.0 6.2.5.1] */
TEST(all_ones_sizing_tells_size_and_type)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);
	unsigned int i;

	for (i = 0; i < 6; i++)
		cw(vm, FN, BAR0 + i * 4, 4, 0xffffffff);
	CHECK_EQ(cr(vm, FN, BAR0, 4), 0xffffffe1);
	CHECK_EQ(cr(vm, FN, BAR0 + 4, 4), 0xfffff000);
	CHECK_EQ(cr(vm, FN, BAR0 + 8, 4), 0xffff000c);
	CHECK_EQ(cr(vm, FN, BAR0 + 12, 4), 0xffffffff);
	CHECK_EQ(cr(vm, FN, BAR0 + 16, 4), 0);
	CHECK_EQ(cr(vm, FN, BAR0 + 20, 4), 0);
	cw(vm, FN, ROM, 4, 0xfffff800);
	CHECK_EQ(cr(vm, FN, ROM, 4), 0xffff0000);
	/* type bits stay whatever is written */
	cw(vm, FN, BAR0, 4, 0);
	cw(vm, FN, BAR0 + 8, 4, 3);
	CHECK_EQ(cr(vm, FN, BAR0, 4), 1);
	CHECK_EQ(cr(vm, FN, BAR0 + 8, 4), 0xc);
	one_device_free(vm, &d);
}

TEST(sizing_a_64_bit_bar_beyond_4_gib_uses_both_halves)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;

	fake_dev_init(&d, 1);
	CHECK_EQ(pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM64, 16 * GIB, NULL), 0);
	pci_plug(vm->pci, &d.pdev, -1);
	cw(vm, FN, BAR0, 4, 0xffffffff);
	cw(vm, FN, BAR0 + 4, 4, 0xffffffff);
	CHECK_EQ(cr(vm, FN, BAR0, 4), 4);
	CHECK_EQ(cr(vm, FN, BAR0 + 4, 4), 0xfffffffc);
	one_device_free(vm, &d);
}

TEST(sub_dword_writes_of_a_bar_merge)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	cw(vm, FN, COMMAND, 1, CMD_MEM);
	cw(vm, FN, BAR0 + 4, 1, 0xff);		/* below its size: read-only */
	cw(vm, FN, BAR0 + 5, 1, 0x57);
	cw(vm, FN, BAR0 + 6, 2, 0x8123);
	CHECK_EQ(cr(vm, FN, BAR0 + 4, 4), 0x81235000);
	CHECK_EQ(mem_read(vm, 0x81235000, 4), 0xaa01);
	one_device_free(vm, &d);
}

TEST(bars_are_decoded_only_while_command_says)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	cw(vm, FN, BAR0, 4, 0x3000);
	cw(vm, FN, BAR0 + 4, 4, 0x80000000);
	CHECK_EQ(port_read(vm, 0x3000, 2), 0xffff);
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xffffffff);
	cw(vm, FN, COMMAND, 2, CMD_IO);
	CHECK_EQ(port_read(vm, 0x3000, 2), 0xaa00);
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xffffffff);
	cw(vm, FN, COMMAND, 2, CMD_MEM);
	CHECK_EQ(port_read(vm, 0x3000, 2), 0xffff);
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xaa01);
	cw(vm, FN, COMMAND, 2, 0);
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xffffffff);
	CHECK_EQ(d.activated[0], 1);
	CHECK_EQ(d.deactivated[0], 1);
	CHECK_EQ(d.activated[1], 1);
	CHECK_EQ(d.deactivated[1], 1);
	CHECK_EQ(d.activated[2], 0);
	one_device_free(vm, &d);
}

TEST(bar_moves_while_decoded_and_the_old_place_reads_ones)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);
	u64 at, old = 0;
	unsigned int i;

	cw(vm, FN, COMMAND, 2, CMD_MEM | CMD_IO);
	for (i = 0; i < 64; i++) {
		at = MEM32 + (u64)(i * 7919 % 262144) * 4096;
		cw(vm, FN, BAR0 + 4, 4, (u32)at);
		CHECK_EQ(mem_read(vm, at, 4), 0xaa01);
		if (old && old != at)
			CHECK_EQ(mem_read(vm, old, 4), 0xffffffff);
		old = at;
	}
	cw(vm, FN, BAR0, 4, 0x4000);
	CHECK_EQ(port_read(vm, 0x401c, 4), 0xaa00);
	cw(vm, FN, BAR0, 4, 0x4020);
	CHECK_EQ(port_read(vm, 0x401c, 4), 0xffffffff);
	CHECK_EQ(port_read(vm, 0x4020, 4), 0xaa00);
	one_device_free(vm, &d);
}

TEST(writing_the_same_address_again_moves_nothing)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	cw(vm, FN, COMMAND, 2, CMD_MEM);
	cw(vm, FN, BAR0 + 4, 4, 0x80000000);
	cw(vm, FN, BAR0 + 4, 4, 0x80000000);
	cw(vm, FN, COMMAND, 2, CMD_MEM | CMD_INTX_OFF);
	CHECK_EQ(d.activated[1], 1);
	CHECK_EQ(d.deactivated[1], 0);
	one_device_free(vm, &d);
}

TEST(sizing_while_decoded_leaves_and_comes_back)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	cw(vm, FN, BAR0 + 4, 4, 0x80000000);
	cw(vm, FN, COMMAND, 2, CMD_MEM);
	cw(vm, FN, BAR0 + 4, 4, 0xffffffff);
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, 0xfffff000, 4), 0xffffffff);
	cw(vm, FN, BAR0 + 4, 4, 0x80000000);
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xaa01);
	one_device_free(vm, &d);
}

TEST(a_64_bit_bar_moves_above_4_gib_in_two_halves)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	cw(vm, FN, COMMAND, 2, CMD_MEM);
	cw(vm, FN, BAR0 + 8, 4, 0x90000000);
	CHECK_EQ(mem_read(vm, 0x90000000, 4), 0xaa02);	/* a 64-bit BAR may lie below 4 GiB */
	cw(vm, FN, BAR0 + 12, 4, 0x41);
	CHECK_EQ(mem_read(vm, 0x90000000, 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, 0x4190000000ULL, 8), 0xaa02);
	cw(vm, FN, BAR0 + 8, 4, 0x00010000);
	CHECK_EQ(mem_read(vm, 0x4190000000ULL, 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, 0x4100010000ULL, 4), 0xaa02);
	CHECK_EQ(cr(vm, FN, BAR0 + 8, 4), 0x0001000c);
	CHECK_EQ(cr(vm, FN, BAR0 + 12, 4), 0x41);
	one_device_free(vm, &d);
}

TEST(bars_outside_of_the_windows_are_not_decoded)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	cw(vm, FN, COMMAND, 2, CMD_MEM | CMD_IO);
	cw(vm, FN, BAR0 + 4, 4, MEM32 - 0x1000);
	CHECK_EQ(mem_read(vm, MEM32 - 0x1000, 4), 0xffffffff);
	cw(vm, FN, BAR0 + 4, 4, MEM32 + MEM32_SIZE - 0x1000);
	CHECK_EQ(mem_read(vm, MEM32 + (u64)MEM32_SIZE - 4, 4), 0xaa01);
	cw(vm, FN, BAR0 + 4, 4, 0xc0000000);
	CHECK_EQ(mem_read(vm, 0xc0000000, 4), 0xffffffff);
	cw(vm, FN, BAR0 + 4, 4, ECAM);		/* over config space */
	CHECK_EQ(mem_read(vm, ECAM, 4), 0x00081b36);
	cw(vm, FN, BAR0, 4, 0xcf8 & ~31);
	cw(vm, FN, BAR0, 4, 0x13000);		/* above 64 KiB is not 0x3000 */
	CHECK_EQ(port_read(vm, 0x3000, 4), 0xffffffff);
	CHECK_EQ(d.activated[0], 0);
	/* from the window into 64-bit nowhere */
	cw(vm, FN, BAR0 + 8, 4, 0x90000000);
	cw(vm, FN, BAR0 + 12, 4, 0xffffffff);
	CHECK_EQ(mem_read(vm, 0xffffffff90000000ULL, 4), 0xffffffff);
	one_device_free(vm, &d);
}

TEST(address_0_is_not_programmed_even_inside_a_window)
{
	struct pci_host_config cfg = fake_host_config;
	struct fake_dev d;
	struct vm *vm;

	cfg.io = (struct pci_window){ 0, 0x10000 };
	vm = fake_vm_with(&cfg);
	fake_dev_init(&d, 0xaa00);
	pci_dev_add_bar(&d.pdev, 0, PCI_BAR_IO, 32, &fake_bar_io);
	pci_plug(vm->pci, &d.pdev, -1);
	cw(vm, FN, COMMAND, 2, CMD_IO);
	CHECK_EQ(port_read(vm, 0, 4), 0xffffffff);
	cw(vm, FN, BAR0, 4, 32);
	CHECK_EQ(port_read(vm, 32, 4), 0xaa00);
	one_device_free(vm, &d);
}

TEST(rom_needs_its_own_enable_bit_too)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);

	cw(vm, FN, ROM, 4, 0xa0000000);
	cw(vm, FN, COMMAND, 2, CMD_MEM);
	CHECK_EQ(mem_read(vm, 0xa0000000, 4), 0xffffffff);
	cw(vm, FN, ROM, 1, 1);
	CHECK_EQ(mem_read(vm, 0xa0000000, 4), 0xaa06);
	CHECK_EQ(cr(vm, FN, ROM, 4), 0xa0000001);
	cw(vm, FN, COMMAND, 2, 0);
	CHECK_EQ(mem_read(vm, 0xa0000000, 4), 0xffffffff);
	one_device_free(vm, &d);
}

TEST(a_bar_without_handlers_is_only_told)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;

	fake_dev_init(&d, 1);
	pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM32, 4096, NULL);
	pci_plug(vm->pci, &d.pdev, -1);
	cw(vm, FN, BAR0, 4, 0x80000000);
	cw(vm, FN, COMMAND, 2, CMD_MEM);
	CHECK_EQ(d.activated[0], 1);
	CHECK_EQ(d.last_addr[0], 0x80000000);
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xffffffff);
	cw(vm, FN, BAR0, 4, 0x80001000);
	CHECK_EQ(d.deactivated[0], 1);
	CHECK_EQ(d.last_addr[0], 0x80001000);
	one_device_free(vm, &d);
	CHECK_EQ(d.deactivated[0], 2);		/* leaving the bus */
}

static void two_devices(struct vm *vm, struct fake_dev *a, struct fake_dev *b)
{
	fake_dev_init(a, 0xaa00);
	fake_dev_init(b, 0xbb00);
	pci_dev_add_bar(&a->pdev, 0, PCI_BAR_MEM32, 4096, &fake_bar_io);
	pci_dev_add_bar(&b->pdev, 0, PCI_BAR_MEM32, 4096, &fake_bar_io);
	pci_plug(vm->pci, &a->pdev, -1);
	pci_plug(vm->pci, &b->pdev, -1);
	cw(vm, 8, COMMAND, 2, CMD_MEM);
	cw(vm, 16, COMMAND, 2, CMD_MEM);
}

/* [BAR reassignment] the guest may overlap two devices for a while; when either leaves, the other decodes */
TEST(overlapping_bars_decode_again_when_either_leaves)
{
	struct vm *vm = fake_vm();
	struct fake_dev a, b;
	unsigned int who;

	two_devices(vm, &a, &b);
	for (who = 0; who < 2; who++) {
		cw(vm, 8, BAR0, 4, 0x80000000);
		cw(vm, 16, BAR0, 4, 0x80000000);
		CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xaa00);
		if (who == 0) {
			cw(vm, 8, BAR0, 4, 0x80001000);
			CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xbb00);
			CHECK_EQ(mem_read(vm, 0x80001000, 4), 0xaa00);
			cw(vm, 16, BAR0, 4, 0x80002000);
		} else {
			cw(vm, 16, COMMAND, 2, 0);
			CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xaa00);
		}
	}
	pci_dev_cleanup(&a.pdev);
	pci_dev_cleanup(&b.pdev);
	fake_vm_free(vm);
}

TEST(two_bars_swap_places)
{
	struct vm *vm = fake_vm();
	struct fake_dev a, b;

	two_devices(vm, &a, &b);
	cw(vm, 8, BAR0, 4, 0x80000000);
	cw(vm, 16, BAR0, 4, 0x80001000);
	cw(vm, 8, BAR0, 4, 0x80001000);		/* both on 1000, none on 0 */
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, 0x80001000, 4), 0xbb00);
	cw(vm, 16, BAR0, 4, 0x80000000);
	CHECK_EQ(mem_read(vm, 0x80000000, 4), 0xbb00);
	CHECK_EQ(mem_read(vm, 0x80001000, 4), 0xaa00);
	pci_dev_cleanup(&a.pdev);
	pci_dev_cleanup(&b.pdev);
	fake_vm_free(vm);
}

/* --- capabilities --- */

TEST(capabilities_form_a_list_the_guest_cannot_change)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;
	int a, b;

	fake_dev_init(&d, 1);
	a = pci_dev_add_cap(&d.pdev, 9, 13);
	b = pci_dev_add_cap(&d.pdev, 0x11, 12);
	CHECK_EQ(a, 0x40);
	CHECK_EQ(b, 0x50);
	pci_config_set_wmask(&d.pdev, (unsigned int)a + 4, 4, 0x00ff00ff);
	pci_plug(vm->pci, &d.pdev, -1);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 0x10, 0x10);
	CHECK_EQ(cr(vm, FN, 0x34, 1), 0x40);
	CHECK_EQ(cr(vm, FN, 0x40, 2), 0x5009);
	CHECK_EQ(cr(vm, FN, 0x50, 2), 0x0011);
	cw(vm, FN, 0x40, 4, 0xffffffff);
	cw(vm, FN, 0x44, 4, 0xffffffff);
	cw(vm, FN, 0x34, 1, 0xff);
	CHECK_EQ(cr(vm, FN, 0x40, 4), 0x5009);
	CHECK_EQ(cr(vm, FN, 0x44, 4), 0x00ff00ff);
	CHECK_EQ(cr(vm, FN, 0x34, 1), 0x40);
	one_device_free(vm, &d);
}

TEST(capabilities_that_do_not_fit_are_refused)
{
	struct fake_dev d;

	fake_dev_init(&d, 1);
	CHECK_EQ(pci_dev_add_cap(&d.pdev, 9, 1), -ENOSPC);
	CHECK_EQ(pci_dev_add_cap(&d.pdev, 9, 0xc1), -ENOSPC);
	CHECK_EQ(pci_dev_add_cap(&d.pdev, 9, 0xb0), 0x40);
	CHECK_EQ(pci_dev_add_cap(&d.pdev, 9, 0x11), -ENOSPC);
	CHECK_EQ(pci_dev_add_cap(&d.pdev, 9, 0x10), 0xf0);
	CHECK_EQ(pci_dev_add_cap(&d.pdev, 9, 2), -ENOSPC);
	CHECK_EQ(d.pdev.config[0xf1], 0);
	pci_dev_cleanup(&d.pdev);
}

/* [pcie-4.0 7.5.3] */
TEST(pcie_function_has_4_kib_and_its_capability)
{
	struct pci_ids ids = fake_ids;
	struct vm *vm = fake_vm();
	struct fake_dev d = { .tag = 1 };

	ids.pcie = true;
	CHECK_EQ(pci_dev_init(&d.pdev, &fake_dev_ops, &ids), 0);
	pci_plug(vm->pci, &d.pdev, -1);
	CHECK_EQ(cr(vm, FN, 0x34, 1), 0x40);
	CHECK_EQ(cr(vm, FN, 0x40, 4), 0x00920010);
	CHECK_EQ(cr(vm, FN, 0x100, 4), 0);		/* no extended capability */
	CHECK_EQ(mem_read(vm, ECAM + (FN << 12) + 0xffc, 4), 0);
	cw(vm, FN, 0x48, 2, 0xffff);
	CHECK_EQ(cr(vm, FN, 0x48, 2), 0x781f);		/* payload size and FLR stay 0 */
	cw(vm, FN, 0x100, 4, 0xffffffff);
	CHECK_EQ(cr(vm, FN, 0x100, 4), 0);
	one_device_free(vm, &d);
}

/* --- the bus --- */

TEST(devices_get_the_next_free_number_until_the_bus_is_full)
{
	struct vm *vm = fake_vm();
	static struct fake_dev d[32];
	unsigned int i;

	for (i = 0; i < 32; i++)
		fake_dev_init(&d[i], i);
	for (i = 0; i < 31; i++) {
		CHECK_EQ(pci_plug(vm->pci, &d[i].pdev, -1), 0);
		CHECK_EQ(d[i].pdev.devfn, (i + 1) * 8);
		CHECK(pci_find(vm->pci, (u8)((i + 1) * 8)) == &d[i].pdev);
	}
	CHECK_EQ(pci_plug(vm->pci, &d[31].pdev, -1), -ENOSPC);
	CHECK_EQ(pci_plug(vm->pci, &d[31].pdev, 256), -ENOSPC);
	CHECK_EQ(pci_plug(vm->pci, &d[31].pdev, 0), -EBUSY);
	CHECK_EQ(pci_plug(vm->pci, &d[31].pdev, 8), -EBUSY);
	CHECK(!d[31].pdev.host);
	pci_dev_cleanup(&d[4].pdev);
	CHECK(!pci_find(vm->pci, 5 * 8));
	CHECK_EQ(cr(vm, 5 * 8, 0, 4), 0xffffffff);
	CHECK_EQ(pci_plug(vm->pci, &d[31].pdev, -1), 0);
	CHECK_EQ(d[31].pdev.devfn, 5 * 8);
	for (i = 0; i < 32; i++)
		pci_dev_cleanup(&d[i].pdev);
	CHECK_EQ(fake.lines, 0);
	fake_vm_free(vm);
}

/* [pci-3.0 6.2.1] */
TEST(further_functions_set_the_multifunction_bit)
{
	struct vm *vm = fake_vm();
	struct fake_dev a, b, c;

	fake_dev_init(&a, 1);
	fake_dev_init(&b, 2);
	fake_dev_init(&c, 3);
	CHECK_EQ(pci_plug(vm->pci, &a.pdev, 0x18), 0);
	CHECK_EQ(cr(vm, 0x18, 0x0e, 1), 0);
	CHECK_EQ(pci_plug(vm->pci, &b.pdev, 0x1a), 0);
	CHECK_EQ(cr(vm, 0x18, 0x0e, 1), 0x80);
	CHECK_EQ(cr(vm, 0x1a, 0, 4), 0x56781234);
	CHECK_EQ(cr(vm, 0x19, 0, 4), 0xffffffff);
	pci_dev_reset(&a.pdev);
	CHECK_EQ(cr(vm, 0x18, 0x0e, 1), 0x80);
	CHECK_EQ(pci_plug(vm->pci, &c.pdev, -1), 0);
	CHECK_EQ(c.pdev.devfn, 8);
	pci_dev_cleanup(&b.pdev);
	CHECK_EQ(cr(vm, 0x18, 0x0e, 1), 0);
	pci_dev_cleanup(&a.pdev);
	pci_dev_cleanup(&c.pdev);
	fake_vm_free(vm);
}

TEST(a_line_that_does_not_exist_keeps_the_device_off_the_bus)
{
	struct pci_host_config cfg = fake_host_config;
	struct fake_dev d;
	struct vm *vm;

	cfg.intx_gsi[1] = FAKE_GSIS;
	vm = fake_vm_with(&cfg);
	fake_dev_init(&d, 1);
	CHECK_EQ(pci_plug(vm->pci, &d.pdev, -1), -EINVAL);
	CHECK(!pci_find(vm->pci, 8));
	one_device_free(vm, &d);
}

/* --- firmware's part --- */

TEST(assigned_bars_are_aligned_disjoint_in_their_windows_and_off)
{
	struct vm *vm = fake_vm();
	struct { u64 base, end; bool io; } got[32];
	static struct fake_dev d[4];
	unsigned int i, j, k, n = 0;
	struct error err;
	struct pci_bar *b;

	for (i = 0; i < 4; i++) {
		fake_dev_init(&d[i], i);
		pci_dev_add_bar(&d[i].pdev, 0, PCI_BAR_IO, 16U << i, &fake_bar_io);
		pci_dev_add_bar(&d[i].pdev, 1, PCI_BAR_MEM32, 256U << i * 4, &fake_bar_io);
		pci_dev_add_bar(&d[i].pdev, 2, PCI_BAR_MEM64_PREFETCH, 16 * MIB << i * 3, &fake_bar_io);
		pci_dev_add_bar(&d[i].pdev, 4, PCI_BAR_MEM64, 16384, &fake_bar_io);
		pci_dev_add_bar(&d[i].pdev, PCI_ROM, PCI_BAR_ROM, 65536, &fake_bar_io);
		pci_plug(vm->pci, &d[i].pdev, -1);
	}
	CHECK_EQ(pci_assign_bars(vm->pci, &err), 0);
	for (i = 0; i < 4; i++) {
		CHECK_EQ(cr(vm, (u8)((i + 1) * 8), COMMAND, 2), 0);
		for (j = 0; j <= PCI_ROM; j++) {
			b = &d[i].pdev.bar[j];
			if (!b->type)
				continue;
			CHECK(!b->active);
			CHECK(is_aligned(b->addr, b->size));
			got[n].base = b->addr;
			got[n].end = b->addr + b->size;
			got[n].io = b->type == PCI_BAR_IO;
			if (got[n].io)
				CHECK(b->addr >= 0x2000 && got[n].end <= 0x10000);
			else if (j == 2 || j == 4)
				CHECK(b->addr >= MEM64 && got[n].end <= MEM64 + MEM64_SIZE);
			else
				CHECK(b->addr >= MEM32 && got[n].end <= (u64)MEM32 + MEM32_SIZE);
			for (k = 0; k < n; k++)
				CHECK(got[k].io != got[n].io || got[k].end <= got[n].base || got[n].end <= got[k].base);
			n++;
		}
	}
	CHECK_EQ(cr(vm, 8, ROM, 4) & 1, 0);
	CHECK_EQ(cr(vm, 8, BAR0, 4) & 3, 1);
	CHECK_EQ(cr(vm, 8, BAR0 + 8, 4) & 15, 12);
	CHECK_EQ(cr(vm, 8, BAR0 + 12, 4), d[0].pdev.bar[2].addr >> 32);
	cw(vm, 8, COMMAND, 2, CMD_IO | CMD_MEM);
	CHECK_EQ(mem_read(vm, d[0].pdev.bar[4].addr, 4), 4);
	CHECK_EQ(port_read(vm, (u16)d[0].pdev.bar[0].addr, 4), 0);
	for (i = 0; i < 4; i++)
		pci_dev_cleanup(&d[i].pdev);
	fake_vm_free(vm);
}

TEST(bars_of_64_bits_go_below_4_gib_without_a_window_above)
{
	struct pci_host_config cfg = fake_host_config;
	struct fake_dev d;
	struct vm *vm;

	cfg.mem64.size = 0;
	vm = fake_vm_with(&cfg);
	fake_dev_init(&d, 1);
	pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM64, 1 * MIB, &fake_bar_io);
	pci_plug(vm->pci, &d.pdev, -1);
	CHECK_EQ(pci_assign_bars(vm->pci, NULL), 0);
	CHECK_EQ(d.pdev.bar[0].addr, MEM32);
	CHECK_EQ(cr(vm, FN, BAR0 + 4, 4), 0);
	one_device_free(vm, &d);
}

TEST(bars_without_room_are_an_error_that_names_the_device)
{
	static const struct {
		enum pci_bar_type type;
		u64 size;
		unsigned int count;
	} t[] = { { PCI_BAR_MEM32, 2 * GIB, 1 }, { PCI_BAR_MEM32, 1 * GIB, 2 }, { PCI_BAR_MEM64, 512 * GIB, 1 },
		  { PCI_BAR_IO, 64 * KIB, 1 }, { PCI_BAR_IO, 32 * KIB, 2 } };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct vm *vm = fake_vm();
		struct error err = { "" };
		struct fake_dev d;

		fake_dev_init(&d, 1);
		str_copy(d.pdev.dev.name, sizeof(d.pdev.dev.name), "greedy0");
		for (j = 0; j < t[i].count; j++)
			CHECK_EQ(pci_dev_add_bar(&d.pdev, j, t[i].type, t[i].size, &fake_bar_io), 0);
		pci_plug(vm->pci, &d.pdev, -1);
		CHECK_EQ(pci_assign_bars(vm->pci, &err), -ENOSPC);
		CHECK(strstr(err.msg, "greedy0"));
		CHECK_EQ(d.pdev.bar[0].addr, 0);
		one_device_free(vm, &d);
	}
}

/* --- INTx --- */

/* [pci-3.0 6.2.2, 6.2.3] */
TEST(intx_follows_the_device_unless_disabled)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);
	enum { GSI = 17 };	/* device 1, pin A */

	CHECK_EQ(cr(vm, FN, STATUS, 2) & 8, 0);
	pci_intx_set(&d.pdev, true);
	CHECK(fake.level[GSI]);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 8, 8);
	CHECK_EQ(cr(vm, FN, COMMAND, 4) & 0x80000, 0x80000);
	CHECK_EQ(cr(vm, FN, STATUS, 1) & 8, 8);
	CHECK_EQ(cr(vm, FN, STATUS + 1, 1) & 8, 0);
	cw(vm, FN, COMMAND, 2, CMD_INTX_OFF);
	CHECK(!fake.level[GSI]);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 8, 8);		/* the device still wants service */
	cw(vm, FN, STATUS, 2, 0xffff);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 8, 8);
	cw(vm, FN, COMMAND + 1, 1, 0);
	CHECK(fake.level[GSI]);
	pci_intx_set(&d.pdev, false);
	CHECK(!fake.level[GSI]);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 8, 0);
	one_device_free(vm, &d);
}

TEST(pins_are_swizzled_over_the_lines)
{
	struct pci_ids ids = fake_ids;
	struct vm *vm = fake_vm();
	struct fake_dev d = { .tag = 1 };

	ids.pin = 3;
	pci_dev_init(&d.pdev, &fake_dev_ops, &ids);
	pci_plug(vm->pci, &d.pdev, 7 * 8 + 2);		/* (7 + 2) % 8 = 1 */
	pci_intx_set(&d.pdev, true);
	CHECK(fake.level[17]);
	CHECK_EQ(cr(vm, 7 * 8 + 2, 0x3c, 2), 0x030b);
	one_device_free(vm, &d);
	CHECK(!fake.level[17]);
}

/* --- lines where KVM keeps one level for each --- */

enum { OURS, KVMS };

struct line_bus {
	struct vm *vm;
	struct fake_dev d[32];
	unsigned int nr;
};

static void line_bus_begin(struct line_bus *b, bool one_level)
{
	struct pci_host_config cfg = fake_host_config;

	cfg.intx_one_level = one_level;
	b->vm = fake_vm_with(&cfg);
	b->nr = 0;
}

static void line_bus_end(struct line_bus *b)
{
	while (b->nr)
		pci_dev_cleanup(&b->d[--b->nr].pdev);
	fake_vm_free(b->vm);
}

/* The device number it got. */
static int plug_pin(struct line_bus *b, int whose, u8 pin)
{
	struct fake_dev *d = &b->d[b->nr++];
	struct pci_ids ids = fake_ids;

	memset(d, 0, sizeof(*d));
	ids.pin = pin;
	if (pci_dev_init(&d->pdev, &fake_dev_ops, &ids) < 0)
		abort();
	snprintf(d->pdev.dev.name, sizeof(d->pdev.dev.name), "fake%u", b->nr - 1);
	d->pdev.intx_by_kvm = whose == KVMS;
	return pci_plug(b->vm->pci, &d->pdev, -1) < 0 ? -1 : d->pdev.devfn / 8;
}

static const char *last_rival(const struct line_bus *b)
{
	return pci_intx_rival(&b->d[b->nr - 1].pdev);
}

TEST(functions_driven_by_kvm_have_lines_of_their_own_while_there_are)
{
	static struct line_bus b;
	int i;

	line_bus_begin(&b, true);
	for (i = 1; i <= 3; i++)
		CHECK_EQ(plug_pin(&b, OURS, 1), i);
	for (i = 4; i <= 8; i++) {
		CHECK_EQ(plug_pin(&b, KVMS, 1), i);
		CHECK(!last_rival(&b));
	}
	/* no line is left: 1..3 are lkvm's, so it shares with one of its own */
	CHECK_EQ(plug_pin(&b, KVMS, 1), 12);
	CHECK(!last_rival(&b));
	/* and one of lkvm's goes where there are only those */
	CHECK_EQ(plug_pin(&b, OURS, 1), 9);
	CHECK(!last_rival(&b));
	line_bus_end(&b);
}

TEST(a_line_of_its_own_is_better_than_the_next_number)
{
	static struct line_bus b;

	line_bus_begin(&b, true);
	CHECK_EQ(plug_pin(&b, KVMS, 2), 1);	/* line 2 */
	CHECK_EQ(plug_pin(&b, KVMS, 1), 3);
	CHECK_EQ(plug_pin(&b, OURS, 1), 4);
	CHECK_EQ(plug_pin(&b, OURS, 2), 5);	/* line 6; 2 would be line 3 */
	CHECK(!last_rival(&b));
	line_bus_end(&b);
}

TEST(a_line_is_kept_for_functions_driven_by_kvm)
{
	static struct line_bus b;
	unsigned int i;

	line_bus_begin(&b, true);
	for (i = 0; i < 14; i++)
		CHECK_EQ(plug_pin(&b, OURS, 1), i + 1 + (i >= 7));	/* not 8 */
	CHECK_EQ(plug_pin(&b, KVMS, 1), 8);
	CHECK(!last_rival(&b));
	CHECK_EQ(plug_pin(&b, KVMS, 2), 23);	/* line 0 by INTB */
	CHECK(!last_rival(&b));
	CHECK_EQ(plug_pin(&b, KVMS, 1), 16);
	CHECK(!last_rival(&b));
	CHECK_EQ(plug_pin(&b, KVMS, 0), 17);	/* the next number does for one without a pin */
	CHECK(!last_rival(&b));
	line_bus_end(&b);
}

TEST(rivals_on_a_line_know_of_each_other_when_the_bus_is_full)
{
	static struct line_bus b;
	unsigned int i;

	line_bus_begin(&b, true);
	for (i = 0; i < 28; i++)
		CHECK(plug_pin(&b, OURS, 1) % 8);
	CHECK_EQ(plug_pin(&b, OURS, 1), 8);	/* the kept line's numbers are used in the end */
	CHECK_EQ(plug_pin(&b, OURS, 1), 16);
	CHECK(!last_rival(&b));
	CHECK_EQ(plug_pin(&b, KVMS, 1), 24);
	CHECK_STR(last_rival(&b), "fake28");
	CHECK_STR(pci_intx_rival(&b.d[28].pdev), "fake30");
	CHECK(!pci_intx_rival(&b.d[0].pdev));
	CHECK_EQ(plug_pin(&b, KVMS, 1), -1);
	CHECK(!last_rival(&b));		/* not plugged */
	line_bus_end(&b);
}

TEST(lines_are_no_matter_where_kvm_keeps_the_levels_apart)
{
	static struct line_bus b;
	int i;

	line_bus_begin(&b, false);
	for (i = 1; i <= 31; i++) {
		CHECK_EQ(plug_pin(&b, i > 20 ? KVMS : OURS, 1), i);
		CHECK(!last_rival(&b));
	}
	line_bus_end(&b);
}

/* --- reset and state --- */

TEST(reset_gives_firmware_addresses_back_and_switches_off)
{
	struct fake_dev d;
	struct vm *vm = one_device(&d);
	u64 addr[3];
	unsigned int i;

	pci_assign_bars(vm->pci, NULL);
	for (i = 0; i < 3; i++)
		addr[i] = d.pdev.bar[i].addr;
	cw(vm, FN, BAR0 + 4, 4, 0x81000000);
	cw(vm, FN, COMMAND, 2, CMD_MEM | CMD_IO | CMD_INTX_OFF);
	cw(vm, FN, 0x3c, 1, 0x77);
	pci_intx_set(&d.pdev, true);
	pci_dev_reset(&d.pdev);
	CHECK_EQ(cr(vm, FN, COMMAND, 2), 0);
	CHECK_EQ(cr(vm, FN, 0x3c, 1), 11);
	CHECK_EQ(cr(vm, FN, STATUS, 2) & 8, 0);
	CHECK_EQ(mem_read(vm, 0x81000000, 4), 0xffffffff);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(d.pdev.bar[i].addr, addr[i]);
		CHECK(!d.pdev.bar[i].active);
	}
	/* INTx is not disabled any more either */
	pci_intx_set(&d.pdev, true);
	CHECK(fake.level[17]);
	one_device_free(vm, &d);
}

static void save(struct pci_dev *pdev, struct state_writer *w)
{
	*w = (struct state_writer){ 0 };
	state_begin(w, "dev", 1);
	pci_dev_save(pdev, w);
	state_end(w);
}

static int load(struct pci_dev *pdev, const void *p, size_t len)
{
	struct state_reader r;
	u32 version;
	int ret;

	state_reader_init(&r, p, len);
	ret = state_open(&r, "dev", 1, &version);
	if (ret < 0)
		return ret;
	ret = pci_dev_load(pdev, &r);
	return ret < 0 ? ret : state_close(&r);
}

TEST(state_comes_back_with_its_bars_decoded)
{
	struct fake_dev a, b;
	struct vm *vm = one_device(&a), *other;
	struct state_writer w;

	cw(vm, FN, BAR0, 4, 0x3000);
	cw(vm, FN, BAR0 + 4, 4, 0x81000000);
	cw(vm, FN, BAR0 + 8, 4, 0x00010000);
	cw(vm, FN, BAR0 + 12, 4, 0x41);
	cw(vm, FN, COMMAND, 2, CMD_MEM | CMD_IO);
	cw(vm, FN, 0x3c, 1, 0x77);
	pci_intx_set(&a.pdev, true);
	save(&a.pdev, &w);
	one_device_free(vm, &a);

	other = one_device(&b);
	cw(other, FN, BAR0 + 4, 4, 0x82000000);
	cw(other, FN, COMMAND, 2, CMD_MEM);
	CHECK_EQ(load(&b.pdev, w.buf.s, w.buf.len), 0);
	CHECK_EQ(mem_read(other, 0x82000000, 4), 0xffffffff);
	CHECK_EQ(mem_read(other, 0x81000000, 4), 0xaa01);
	CHECK_EQ(mem_read(other, 0x4100010000ULL, 4), 0xaa02);
	CHECK_EQ(port_read(other, 0x3000, 4), 0xaa00);
	CHECK_EQ(cr(other, FN, 0x3c, 1), 0x77);
	CHECK(fake.level[17]);
	CHECK_EQ(cr(other, FN, STATUS, 2) & 8, 8);
	one_device_free(other, &b);
	state_writer_free(&w);
}

TEST(state_of_another_device_or_cut_short_is_refused_and_changes_nothing)
{
	struct fake_dev a;
	struct vm *vm = one_device(&a);
	struct state_writer w;
	unsigned int body = 13 + 3, config;
	size_t cut;
	u8 *p;

	cw(vm, FN, BAR0 + 4, 4, 0x81000000);
	cw(vm, FN, COMMAND, 2, CMD_MEM);
	save(&a.pdev, &w);
	p = (u8 *)w.buf.s;
	config = body + 5 + 5;
	CHECK_EQ(get_le16(p + config), 0x1234);
	p[config] ^= 1;				/* vendor */
	CHECK_EQ(load(&a.pdev, p, w.buf.len), -EBADMSG);
	p[config] ^= 1;
	p[config + 0x10] ^= 1;			/* BAR type */
	CHECK_EQ(load(&a.pdev, p, w.buf.len), -EBADMSG);
	p[config + 0x10] ^= 1;
	p[body + 1] ^= 1;			/* config size */
	CHECK_EQ(load(&a.pdev, p, w.buf.len), -EBADMSG);
	p[body + 1] ^= 1;
	for (cut = 0; cut < w.buf.len - body; cut++) {
		put_le32(p + 8, (u32)cut);	/* section length */
		CHECK_EQ(load(&a.pdev, p, body + cut), -EBADMSG);
	}
	put_le32(p + 8, (u32)(w.buf.len - body));
	CHECK_EQ(a.activated[1], 1);
	CHECK_EQ(a.deactivated[1], 0);
	CHECK_EQ(mem_read(vm, 0x81000000, 4), 0xaa01);
	/* what the guest could not have written beyond the header is not taken over */
	p[config + 0x80] = 0x55;
	CHECK_EQ(load(&a.pdev, p, w.buf.len), 0);
	CHECK_EQ(cr(vm, FN, 0x80, 1), 0);
	one_device_free(vm, &a);
	state_writer_free(&w);
}

/* --- threads --- */

enum { MOVES = 10000, READ_THREADS = 4, MOVE_THREADS = 2, PLACES = 8 };

/* @live and @tag are plain: the thread sanitizer sees a handler that runs after the unmapping returned. */
struct stress_dev {
	struct pci_dev pdev;
	bool live;
	u32 tag;
};

static u64 stress_read(struct io_region *r, u64 off, unsigned int size)
{
	struct stress_dev *d = container_of(pci_bar_of(r)->pdev, struct stress_dev, pdev);

	return d->live ? d->tag : 0xdead;
}

static const struct io_ops stress_io = { .read = stress_read, .sizes = 4 };

static void stress_activated(struct pci_dev *pdev, unsigned int bar)
{
}

static const struct pci_dev_ops stress_ops = { .bar_activated = stress_activated };

struct stress {
	struct vm *vm;
	struct stress_dev dev[MOVE_THREADS];
	_Atomic bool stop;
	_Atomic unsigned int bad, served;
	_Atomic unsigned int next_vcpu;
	_Atomic unsigned int next_mover;
};

static void *stress_mover(void *arg)
{
	struct stress *s = arg;
	unsigned int i, me = atomic_fetch_add(&s->next_mover, 1);
	u8 devfn = (u8)((me + 1) * 8);
	u64 ecam = ECAM + ((u64)devfn << 12);
	u32 state = me + 1;
	u8 data[4];

	fake_current = &s->vm->vcpu[atomic_fetch_add(&s->next_vcpu, 1)];
	for (i = 0; i < MOVES; i++) {
		state = state * 1664525 + 1013904223;
		if (i % 4 == 3) {
			/* out of the map: now nobody may be inside, so the plain fields may change */
			put_le32(data, 0);
			mmio_access(fake_current, ecam + COMMAND, data, 2, true);
			s->dev[me].live = false;
			s->dev[me].tag = 0xdead;
			s->dev[me].tag = 0xaa00 + me;
			s->dev[me].live = true;
			put_le32(data, CMD_MEM);
			mmio_access(fake_current, ecam + COMMAND, data, 2, true);
		} else {
			put_le32(data, MEM32 + (state >> 16) % PLACES * 4096);
			mmio_access(fake_current, ecam + BAR0, data, 4, true);
		}
	}
	return NULL;
}

static void *stress_reader(void *arg)
{
	struct stress *s = arg;
	u32 at = 0, val;
	u8 data[4];

	fake_current = &s->vm->vcpu[atomic_fetch_add(&s->next_vcpu, 1)];
	while (!atomic_load(&s->stop)) {
		mmio_access(fake_current, MEM32 + (at++ % PLACES) * 4096, data, 4, false);
		val = get_le32(data);
		if (val >= 0xaa00 && val < 0xaa00 + MOVE_THREADS)
			atomic_fetch_add(&s->served, 1);
		else if (val != 0xffffffff)
			atomic_fetch_add(&s->bad, 1);
	}
	return NULL;
}

/* [BAR reassignment] vCPUs toggle and move through config space while others read */
TEST(bars_toggle_and_move_while_others_read)
{
	pthread_t thread[MOVE_THREADS + READ_THREADS];
	static struct stress s;
	unsigned int i;

	s.vm = fake_vm();
	for (i = 0; i < MOVE_THREADS; i++) {
		s.dev[i].live = true;
		s.dev[i].tag = 0xaa00 + i;
		pci_dev_init(&s.dev[i].pdev, &stress_ops, &fake_ids);
		pci_dev_add_bar(&s.dev[i].pdev, 0, PCI_BAR_MEM32, 4096, &stress_io);
		pci_plug(s.vm->pci, &s.dev[i].pdev, -1);
		cw(s.vm, (u8)((i + 1) * 8), COMMAND, 2, CMD_MEM);
	}
	for (i = 0; i < MOVE_THREADS + READ_THREADS; i++)
		pthread_create(&thread[i], NULL, i < MOVE_THREADS ? stress_mover : stress_reader, &s);
	for (i = 0; i < MOVE_THREADS; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&s.stop, true);
	for (; i < MOVE_THREADS + READ_THREADS; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(atomic_load(&s.bad), 0);
	CHECK(atomic_load(&s.served) > 0);
	/* and in the end each decodes where its register says */
	for (i = 0; i < MOVE_THREADS; i++) {
		cw(s.vm, (u8)((i + 1) * 8), BAR0, 4, MEM32 + 0x100000 * (i + 1));
		CHECK_EQ(mem_read(s.vm, MEM32 + 0x100000 * (u64)(i + 1), 4), 0xaa00 + i);
	}
	for (i = 0; i < MOVE_THREADS; i++)
		pci_dev_cleanup(&s.dev[i].pdev);
	fake_vm_free(s.vm);
}

/* --- a function that stands for another one --- */

TEST(capabilities_lie_where_they_are_put)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;

	fake_dev_init(&d, 1);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0xe0, 9, 32), 0xe0);
	d.pdev.config[0x51] = 0x77;	/* another one's link */
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x50, 0x0d, 8), 0x50);
	CHECK_EQ(pci_dev_add_cap(&d.pdev, 9, 4), -ENOSPC);	/* after the last one */
	pci_plug(vm->pci, &d.pdev, -1);
	CHECK_EQ(cr(vm, FN, 0x34, 1), 0xe0);
	CHECK_EQ(cr(vm, FN, 0xe0, 2), 0x5009);
	CHECK_EQ(cr(vm, FN, 0x50, 2), 0x000d);
	one_device_free(vm, &d);
}

TEST(capabilities_over_others_or_the_header_are_refused)
{
	struct fake_dev d;

	fake_dev_init(&d, 1);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x3c, 9, 8), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0, 9, 8), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x52, 9, 8), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x100, 9, 4), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0xfc, 9, 5), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x50, 9, 1), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x50, 9, 0xffffffff), -EINVAL);
	CHECK_EQ(d.pdev.config[0x34], 0);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x50, 9, 9), 0x50);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x58, 9, 4), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x4c, 9, 5), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x50, 9, 2), -EINVAL);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x4c, 9, 4), 0x4c);
	CHECK_EQ(pci_dev_add_cap_at(&d.pdev, 0x5c, 9, 0xa4), 0x5c);
	CHECK_EQ(pci_dev_add_msi_at(&d.pdev, 0, 1, true, true), -EINVAL);
	CHECK_EQ(pci_dev_add_msi_at(&d.pdev, 0x50, 1, true, true), -EINVAL);
	CHECK(!d.pdev.msi);
	pci_dev_cleanup(&d.pdev);
}

/* Only what a layout has can be written, and a message is sent with it. [pci-3.0 6.8.1] */
static void msi_layout(bool addr64, bool maskable)
{
	unsigned int data = addr64 ? 0x5c : 0x58, mask = data + 4, len = data + (maskable ? 12U : 2U);
	struct vm *vm = fake_vm();
	struct fake_dev d;
	unsigned int i;

	fake_dev_init(&d, 1);
	CHECK_EQ(pci_dev_add_msi_at(&d.pdev, 0x50, 4, addr64, maskable), 0);
	CHECK_EQ(pci_dev_add_msi_at(&d.pdev, 0x90, 4, addr64, maskable), -EINVAL);
	pci_plug(vm->pci, &d.pdev, -1);
	for (i = 0x54; i < 0x90; i += 2)
		cw(vm, FN, i, 2, 0xffff);
	CHECK_EQ(cr(vm, FN, 0x52, 2), 2U << 1 | (addr64 ? 0x80U : 0) | (maskable ? 0x100U : 0));
	CHECK_EQ(cr(vm, FN, 0x54, 4), 0xfffffffc);
	CHECK_EQ(cr(vm, FN, data, 2), 0xffff);
	CHECK_EQ(cr(vm, FN, data + 2, 2), 0);
	CHECK_EQ(cr(vm, FN, mask, 4), maskable ? 0xf : 0);
	for (i = (unsigned int)align_up(len, 4); i < 0x90; i += 4)
		CHECK_EQ(cr(vm, FN, i, 4), 0);
	cw(vm, FN, 0x54, 4, 0xfee01000);
	if (addr64)
		cw(vm, FN, 0x58, 4, 0x12);
	cw(vm, FN, data, 2, 0x4560);
	cw(vm, FN, mask, 4, 2);
	cw(vm, FN, 0x52, 2, 0x21);		/* four vectors, on */
	pci_msi_notify(&d.pdev, 3);
	CHECK_EQ(fake.msgs, 1);
	CHECK_EQ(fake.msg[0].addr, 0xfee01000 + (addr64 ? 0x1200000000ULL : 0));
	CHECK_EQ(fake.msg[0].data, 0x4563);
	pci_msi_notify(&d.pdev, 1);
	CHECK_EQ(fake.msgs, maskable ? 1 : 2);
	CHECK_EQ(cr(vm, FN, mask + 4, 4), maskable ? 2 : 0);
	one_device_free(vm, &d);
}

TEST(msi_has_four_layouts)
{
	msi_layout(true, true);
	msi_layout(true, false);
	msi_layout(false, true);
	msi_layout(false, false);
}

TEST(msix_lies_where_it_is_put_with_its_pending_bits_in_another_bar)
{
	struct pci_msix_place at = { .bar = 1, .table_off = 0x100, .pba_bar = 2, .pba_off = 0x100 };
	struct fake_dev d;
	u64 val = 1;

	fake_dev_init(&d, 1);
	pci_dev_add_bar(&d.pdev, 0, PCI_BAR_IO, 32, &fake_bar_io);
	pci_dev_add_bar(&d.pdev, 1, PCI_BAR_MEM32, 4096, &fake_bar_io);
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x60, 2, &at), -EINVAL);	/* no such BAR */
	at.pba_bar = 0;
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x60, 2, &at), -EINVAL);
	at.pba_bar = 7;
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x60, 2, &at), -EINVAL);
	at.pba_bar = 1;							/* over each other */
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x60, 2, &at), -EINVAL);
	pci_dev_add_bar(&d.pdev, 2, PCI_BAR_MEM32, 4096, &fake_bar_io);
	at.pba_bar = 2;
	at.pba_off = 0xffc;
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x60, 2, &at), -EINVAL);
	at.pba_off = 0x1000;
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x60, 2, &at), -EINVAL);
	at.pba_off = 0x100;
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0, 2, &at), -EINVAL);
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x3c, 2, &at), -EINVAL);
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x60, 0, &at), -EINVAL);
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x60, 2, &at), 0);
	CHECK_EQ(pci_dev_add_msix_at(&d.pdev, 0x80, 2, &at), -EINVAL);
	CHECK_EQ(get_le16(d.pdev.config + 0x60), 0x11);
	CHECK_EQ(get_le32(d.pdev.config + 0x64), 0x101);
	CHECK_EQ(get_le32(d.pdev.config + 0x68), 0x102);
	CHECK(pci_msix_read(&d.pdev, 0x10c, 4, &val));
	CHECK_EQ(val, 1);
	CHECK(!pci_msix_read(&d.pdev, 0x120, 4, &val));
	CHECK(!pci_msix_write(&d.pdev, 0x120, 4, 4));
	pci_dev_cleanup(&d.pdev);
}

TEST(a_function_with_4_kib_brings_its_own_capabilities)
{
	static const struct pci_ids ids = { .vendor = 1, .device = 2, .extended = true };
	struct vm *vm = fake_vm();
	struct fake_dev d = { .tag = 1 };

	CHECK_EQ(pci_dev_init(&d.pdev, &fake_dev_ops, &ids), 0);
	pci_plug(vm->pci, &d.pdev, -1);
	CHECK_EQ(cr(vm, FN, 0x34, 1), 0);
	CHECK_EQ(cr(vm, FN, STATUS, 2), 0);
	CHECK_EQ(cr(vm, FN, 0xffc, 4), 0);
	one_device_free(vm, &d);
}

/* What came and went, and what the device was told, in order: "-1 =0000 " */
static char order[256];

static void order_add(char what, unsigned int n)
{
	snprintf(order + strlen(order), sizeof(order) - strlen(order), "%c%x ", what, n);
}

static void order_activated(struct pci_dev *pdev, unsigned int bar)
{
	order_add('+', bar);
}

static void order_deactivating(struct pci_dev *pdev, unsigned int bar)
{
	order_add('-', bar);
}

static void order_decoding(struct pci_dev *pdev, u16 command)
{
	order_add('=', command);
}

static const char *order_now(void)
{
	static char last[sizeof(order)];

	memcpy(last, order, sizeof(last));
	order[0] = 0;
	return last;
}

static struct vm *order_device(struct fake_dev *d)
{
	static const struct pci_dev_ops ops = {
		.bar_activated = order_activated, .bar_deactivating = order_deactivating, .decoding = order_decoding,
	};
	struct vm *vm = fake_vm();

	memset(d, 0, sizeof(*d));
	if (pci_dev_init(&d->pdev, &ops, &fake_ids) < 0)
		abort();
	pci_dev_add_bar(&d->pdev, 0, PCI_BAR_IO, 32, &fake_bar_io);
	pci_dev_add_bar(&d->pdev, 1, PCI_BAR_MEM32, 4096, &fake_bar_io);
	if (pci_plug(vm->pci, &d->pdev, -1) < 0 || pci_assign_bars(vm->pci, NULL) < 0)
		abort();
	order[0] = 0;
	return vm;
}

TEST(device_hears_of_command_after_bars_left_and_before_they_come)
{
	struct fake_dev d;
	struct vm *vm = order_device(&d);

	cw(vm, FN, COMMAND, 2, CMD_MEM);
	CHECK_STR(order_now(), "=2 +1 ");
	cw(vm, FN, COMMAND, 2, CMD_IO);
	CHECK_STR(order_now(), "-1 =1 +0 ");
	cw(vm, FN, COMMAND, 1, CMD_IO | CMD_MEM);
	CHECK_STR(order_now(), "=3 +1 ");
	cw(vm, FN, 0x14, 4, MEM32 + 0x100000);
	CHECK_STR(order_now(), "-1 =3 +1 ");
	cw(vm, FN, COMMAND, 4, 0);
	CHECK_STR(order_now(), "-0 -1 =0 ");
	cw(vm, FN, COMMAND, 2, CMD_MEM);
	order_now();
	pci_dev_reset(&d.pdev);
	CHECK_STR(order_now(), "-1 =0 ");
	cw(vm, FN, COMMAND, 2, CMD_MEM);
	order_now();
	pci_dev_cleanup(&d.pdev);
	CHECK_STR(order_now(), "-1 =0 ");
	fake_vm_free(vm);
}

TEST(device_hears_of_command_when_state_is_loaded)
{
	struct state_writer w = { .open = false };
	struct state_reader r;
	struct fake_dev d;
	struct vm *vm = order_device(&d);
	u32 version;

	cw(vm, FN, COMMAND, 2, CMD_MEM);
	state_begin(&w, "dev", 1);
	pci_dev_save(&d.pdev, &w);
	state_end(&w);
	cw(vm, FN, COMMAND, 2, CMD_IO);
	order_now();
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "dev", 1, &version), 0);
	CHECK_EQ(pci_dev_load(&d.pdev, &r), 0);
	CHECK_STR(order_now(), "-0 =2 +1 ");
	state_writer_free(&w);
	one_device_free(vm, &d);
}

TEST(a_function_that_sleeps_decodes_nothing_until_it_wakes)
{
	struct fake_dev d;
	struct vm *vm = order_device(&d);

	cw(vm, FN, COMMAND, 2, CMD_MEM);
	order_now();
	pci_dev_sleep_locked(&d.pdev, true);
	CHECK_STR(order_now(), "-1 =2 ");
	cw(vm, FN, 0x14, 4, MEM32 + 0x100000);
	cw(vm, FN, COMMAND, 2, CMD_MEM | CMD_IO);
	CHECK_STR(order_now(), "=2 =3 ");
	CHECK_EQ(mem_read(vm, MEM32 + 0x100000, 4), 0xffffffff);
	pci_dev_sleep_locked(&d.pdev, false);
	CHECK_STR(order_now(), "=3 +0 +1 ");
	CHECK_EQ(mem_read(vm, MEM32 + 0x100000, 4), 1);
	pci_dev_sleep_locked(&d.pdev, true);
	pci_dev_reset(&d.pdev);
	order_now();
	cw(vm, FN, COMMAND, 2, CMD_IO);
	CHECK_STR(order_now(), "=1 +0 ");
	one_device_free(vm, &d);
}

int main(void)
{
	RUN(header_reads_what_the_device_says);
	RUN(read_only_bytes_survive_writes_of_any_size);
	RUN(command_bits_without_a_bar_of_that_space_read_0);
	RUN(status_bits_clear_by_writing_ones);
	RUN(accesses_outside_of_config_space_or_odd_ones_read_ones);
	RUN(device_callbacks_see_config_accesses);
	RUN(bars_that_cannot_be_are_refused);
	RUN(all_ones_sizing_tells_size_and_type);
	RUN(sizing_a_64_bit_bar_beyond_4_gib_uses_both_halves);
	RUN(sub_dword_writes_of_a_bar_merge);
	RUN(bars_are_decoded_only_while_command_says);
	RUN(bar_moves_while_decoded_and_the_old_place_reads_ones);
	RUN(writing_the_same_address_again_moves_nothing);
	RUN(sizing_while_decoded_leaves_and_comes_back);
	RUN(a_64_bit_bar_moves_above_4_gib_in_two_halves);
	RUN(bars_outside_of_the_windows_are_not_decoded);
	RUN(address_0_is_not_programmed_even_inside_a_window);
	RUN(rom_needs_its_own_enable_bit_too);
	RUN(a_bar_without_handlers_is_only_told);
	RUN(overlapping_bars_decode_again_when_either_leaves);
	RUN(two_bars_swap_places);
	RUN(capabilities_form_a_list_the_guest_cannot_change);
	RUN(capabilities_that_do_not_fit_are_refused);
	RUN(pcie_function_has_4_kib_and_its_capability);
	RUN(devices_get_the_next_free_number_until_the_bus_is_full);
	RUN(further_functions_set_the_multifunction_bit);
	RUN(a_line_that_does_not_exist_keeps_the_device_off_the_bus);
	RUN(assigned_bars_are_aligned_disjoint_in_their_windows_and_off);
	RUN(bars_of_64_bits_go_below_4_gib_without_a_window_above);
	RUN(bars_without_room_are_an_error_that_names_the_device);
	RUN(intx_follows_the_device_unless_disabled);
	RUN(pins_are_swizzled_over_the_lines);
	RUN(functions_driven_by_kvm_have_lines_of_their_own_while_there_are);
	RUN(a_line_of_its_own_is_better_than_the_next_number);
	RUN(a_line_is_kept_for_functions_driven_by_kvm);
	RUN(rivals_on_a_line_know_of_each_other_when_the_bus_is_full);
	RUN(lines_are_no_matter_where_kvm_keeps_the_levels_apart);
	RUN(reset_gives_firmware_addresses_back_and_switches_off);
	RUN(state_comes_back_with_its_bars_decoded);
	RUN(state_of_another_device_or_cut_short_is_refused_and_changes_nothing);
	RUN(bars_toggle_and_move_while_others_read);
	RUN(capabilities_lie_where_they_are_put);
	RUN(capabilities_over_others_or_the_header_are_refused);
	RUN(msi_has_four_layouts);
	RUN(msix_lies_where_it_is_put_with_its_pending_bits_in_another_bar);
	RUN(a_function_with_4_kib_brings_its_own_capabilities);
	RUN(device_hears_of_command_after_bars_left_and_before_they_come);
	RUN(device_hears_of_command_when_state_is_loaded);
	RUN(a_function_that_sleeps_decodes_nothing_until_it_wakes);
	return tap_done();
}
