/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BARs of a VFIO function: what is mapped into the guest, what traps, and that both follow the guest's COMMAND and addresses.
 *
 * links: vfio/pci-bar.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vfio/pci.h"

#include <sched.h>

#include "fake-device.h"

enum { FN = 8, COMMAND = 4, MEM = 2, IO = 1, BAR0 = 0x10, READWRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE };

#define AT 0x80000000ULL
#define PIECES(f, n) ((f)->vp.bar[n].nr_pieces)

static void fake_config_was_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val)
{
}

/* pci-irq.c's, not linked here */
void vfio_pci_vector_changed(struct pci_dev *pdev, unsigned int vector)
{
}

static void cw(struct vm *vm, u8 fn, unsigned int off, unsigned int size, u32 val)
{
	pci_config_write(vm->pci, 0, fn, off, size, val);
}

static u32 cr(struct vm *vm, u8 fn, unsigned int off, unsigned int size)
{
	return pci_config_read(vm->pci, 0, fn, off, size);
}

/* Type bits of the register, size; all of it may be mapped. */
static void bar(struct fake_vfio *f, unsigned int i, u32 reg, u64 size)
{
	f->bar_reg[i] = reg;
	f->region[i] = (struct vfio_region){ .index = i, .flags = READWRITE, .size = size };
	if (reg & 1 || size < FAKE_PAGE)
		return;
	f->region[i].flags |= VFIO_REGION_INFO_FLAG_MMAP;
	f->region[i].nr_areas = 1;
	f->region[i].area[0] = (struct vfio_area){ 0, size };
}

static void ready(struct vm *vm, struct fake_vfio *f)
{
	struct error err = { "" };

	if (vfio_pci_bars_init(&f->vp, &err) < 0 || pci_plug(vm->pci, &f->vp.pdev, -1) < 0) {
		printf("# %s\n", err.msg);
		abort();
	}
}

static void end(struct vm *vm, struct fake_vfio *f)
{
	pci_dev_cleanup(&f->vp.pdev);
	vfio_pci_bars_free(&f->vp);
	fake_vfio_end(vm, f);
}

static unsigned int slots(void)
{
	return fake.slot_adds - fake.slot_dels;
}

/* The slot at @gpa is @size bytes and shows what was mapped for piece @p of @bar. */
static bool shows(const struct fake_vfio *f, unsigned int bar_index, unsigned int p, gpa_t gpa, u64 size)
{
	const struct vfio_piece *piece = &f->vp.bar[bar_index].piece[p];
	unsigned int i;

	for (i = 0; i < FAKE_SLOTS; i++)
		if (fake.slot[i].used && fake.slot[i].gpa == gpa && fake.slot[i].size == size)
			return fake.slot[i].hva == piece->hva && piece->slot == (int)i && !fake.slot[i].flags;
	return false;
}

static struct vm *one_bar(struct fake_vfio **ret, u64 size)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	bar(f, 0, 0, size);
	ready(vm, f);
	cw(vm, FN, BAR0, 4, (u32)AT);
	*ret = f;
	return vm;
}

/* --- kinds and sizes --- */

TEST(bars_keep_their_size_and_nature)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	bar(f, 0, 4 | 8, 8 * GIB);
	bar(f, 2, 0, 64 * KIB);
	bar(f, 3, 8, 32);
	bar(f, 4, 1, 128);
	bar(f, 5, 2, 1 * MIB);		/* below 1 MiB in 1995; a 32-bit one [pci-3.0 6.2.5.1] */
	ready(vm, f);
	CHECK_EQ(f->vp.pdev.bar[0].type, PCI_BAR_MEM64_PREFETCH);
	CHECK_EQ(f->vp.pdev.bar[1].type, PCI_BAR_NONE);
	CHECK_EQ(f->vp.pdev.bar[2].type, PCI_BAR_MEM32);
	CHECK_EQ(f->vp.pdev.bar[3].type, PCI_BAR_MEM32_PREFETCH);
	CHECK_EQ(f->vp.pdev.bar[4].type, PCI_BAR_IO);
	CHECK_EQ(f->vp.pdev.bar[5].type, PCI_BAR_MEM32);
	cw(vm, FN, 0x10, 4, ~0U);
	cw(vm, FN, 0x14, 4, ~0U);
	cw(vm, FN, 0x18, 4, ~0U);
	cw(vm, FN, 0x20, 4, ~0U);
	CHECK_EQ(cr(vm, FN, 0x10, 4), 0xc);
	CHECK_EQ(cr(vm, FN, 0x14, 4), 0xfffffffe);
	CHECK_EQ(cr(vm, FN, 0x18, 4), 0xffff0000);
	CHECK_EQ(cr(vm, FN, 0x20, 4), 0xffffff81);
	CHECK_EQ(f->maps, 3);
	end(vm, f);
	CHECK_EQ(fake_unmaps, 3);
}

static bool refused(u32 reg, unsigned int i, u64 size, const char *text)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);
	struct error err = { "" };
	bool ok;

	bar(f, 0, 0, 8192);
	bar(f, i, reg, size);
	ok = vfio_pci_bars_init(&f->vp, &err) == -EINVAL && strstr(err.msg, text) && strstr(err.msg, "--vfio '0000:01:00.0': BAR");
	ok &= fake_unmaps == f->maps && !f->vp.bar[0].region;
	pci_dev_cleanup(&f->vp.pdev);
	fake_vfio_end(vm, f);
	return ok;
}

TEST(bars_that_cannot_be_are_refused_by_name)
{
	struct fake_vfio *f;
	struct vm *vm;
	struct error err = { "" };

	CHECK(refused(0, 1, 3 * FAKE_PAGE, "BAR 1 with type bits 0x0 cannot have 0x3000 bytes"));
	CHECK(refused(0, 1, 8, "BAR 1"));
	CHECK(refused(1, 2, 2, "BAR 2"));
	CHECK(refused(1, 2, 128 * KIB, "BAR 2 with type bits 0x1"));
	CHECK(refused(0, 2, 4 * GIB, "BAR 2"));
	CHECK(refused(4, 5, 64 * KIB, "BAR 5 with type bits 0x4"));	/* its second half is no BAR */
	vm = fake_vm();
	f = fake_vfio(vm);
	bar(f, 0, 4, 64 * KIB);
	bar(f, 1, 0, 64 * KIB);						/* where BAR 0 has its */
	CHECK_EQ(vfio_pci_bars_init(&f->vp, &err), -EINVAL);
	CHECK(strstr(err.msg, "BAR 1"));
	pci_dev_cleanup(&f->vp.pdev);
	fake_vfio_end(vm, f);
}

TEST(register_that_cannot_be_read_is_told)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);
	struct error err = { "" };

	bar(f, 2, 0, 8192);
	f->config_error = true;
	CHECK_EQ(vfio_pci_bars_init(&f->vp, &err), -EIO);
	CHECK(strstr(err.msg, "register of BAR 2"));
	pci_dev_cleanup(&f->vp.pdev);
	fake_vfio_end(vm, f);
}

/* --- what is mapped --- */

TEST(bar_is_in_the_guest_while_it_is_decoded_and_moves)
{
	struct fake_vfio *f;
	struct vm *vm = one_bar(&f, 64 * KIB);
	unsigned int i;

	CHECK_EQ(slots(), 0);
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK(shows(f, 0, 0, AT, 64 * KIB));
	cw(vm, FN, COMMAND, 2, 0);
	CHECK_EQ(slots(), 0);
	cw(vm, FN, COMMAND, 2, MEM);
	for (i = 1; i < 64; i++) {
		cw(vm, FN, BAR0, 4, (u32)(AT + i * MIB));
		CHECK_EQ(slots(), 1);
		CHECK(shows(f, 0, 0, AT + i * MIB, 64 * KIB));
	}
	cw(vm, FN, BAR0, 4, ~0U);	/* sizing while decoded: outside of the window */
	CHECK_EQ(slots(), 0);
	CHECK_EQ(f->maps, 1);
	CHECK_EQ(f->reads, 0);
	end(vm, f);
}

TEST(bar_of_a_device_that_did_not_take_command_traps)
{
	struct fake_vfio *f, *other;
	struct vm *vm = one_bar(&f, 64 * KIB);

	other = fake_vfio(vm);
	bar(other, 0, 0, 64 * KIB);
	ready(vm, other);
	cw(vm, FN + 8, BAR0, 4, (u32)AT);
	f->vp.command_known = false;		/* as pci-config.c has it then */
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 0);
	CHECK_EQ(mem_read(vm, AT + 4, 4), 4);	/* by the device, if it answers at all */
	cw(vm, FN + 8, COMMAND, 2, MEM);
	CHECK(shows(other, 0, 0, AT, 64 * KIB));
	cw(vm, FN + 8, COMMAND, 2, 0);		/* nor when somebody leaves */
	CHECK_EQ(slots(), 0);
	f->vp.command_known = true;
	vfio_pci_bars_command(&f->vp);
	CHECK(shows(f, 0, 0, AT, 64 * KIB));
	/* lost later: who waited for the place has it */
	cw(vm, FN + 8, COMMAND, 2, MEM);
	f->vp.command_known = false;
	vfio_pci_bars_command(&f->vp);
	CHECK_EQ(slots(), 1);
	CHECK(shows(other, 0, 0, AT, 64 * KIB));
	end(vm, other);
	CHECK_EQ(slots(), 0);
	end(vm, f);
}

TEST(bar_leaves_the_guest_with_the_function)
{
	struct fake_vfio *f;
	struct vm *vm = one_bar(&f, 64 * KIB);

	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 1);
	pci_dev_reset(&f->vp.pdev);
	CHECK_EQ(slots(), 0);
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN, COMMAND, 2, MEM);
	end(vm, f);
	CHECK_EQ(slots(), 0);
	CHECK_EQ(fake_unmaps, 1);
}

TEST(holes_between_areas_trap)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	bar(f, 0, 0, 64 * KIB);
	f->region[0].nr_areas = 2;
	f->region[0].area[0] = (struct vfio_area){ 0x2000, 0x1000 };
	f->region[0].area[1] = (struct vfio_area){ 0x8000, 0x4000 };
	ready(vm, f);
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 2);
	CHECK(shows(f, 0, 0, AT + 0x2000, 0x1000));
	CHECK(shows(f, 0, 1, AT + 0x8000, 0x4000));
	CHECK_EQ(mem_read(vm, AT + 0x1000, 4), 0x1000);
	end(vm, f);
}

TEST(bar_smaller_than_a_page_traps)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	bar(f, 0, 0, 1024);
	f->region[0].flags |= VFIO_REGION_INFO_FLAG_MMAP;	/* as mdevs have it, that map the whole page */
	f->region[0].nr_areas = 1;
	f->region[0].area[0] = (struct vfio_area){ 0, 4096 };
	ready(vm, f);
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 0);
	CHECK_EQ(f->maps, 0);
	CHECK_EQ(mem_read(vm, AT + 0x3fc, 4), 0x3fc);
	end(vm, f);
}

TEST(region_that_cannot_be_written_is_a_read_only_slot)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	bar(f, 0, 0, 8192);
	bar(f, 1, 0, 8192);
	f->region[0].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP;
	f->region[1].flags = VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP;	/* KVM has no such slot */
	ready(vm, f);
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN, 0x14, 4, (u32)AT + 0x10000);
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 1);
	CHECK_EQ(fake.slot[f->vp.bar[0].piece[0].slot].flags, MEMSLOT_READONLY);
	CHECK_EQ(f->maps, 1);
	mem_write(vm, AT, 4, 1);	/* as KVM tells of it */
	CHECK_EQ(f->writes, 1);
	end(vm, f);
}

TEST(piece_the_host_does_not_map_traps)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	bar(f, 0, 0, 64 * KIB);
	f->region[0].nr_areas = 3;
	f->region[0].area[0] = (struct vfio_area){ 0, 0x1000 };
	f->region[0].area[1] = (struct vfio_area){ 0x2000, 0x1000 };
	f->region[0].area[2] = (struct vfio_area){ 0x4000, 0x1000 };
	f->refuse_map = 2;
	ready(vm, f);
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(PIECES(f, 0), 2);
	CHECK(shows(f, 0, 0, AT, 0x1000));
	CHECK(shows(f, 0, 1, AT + 0x4000, 0x1000));
	end(vm, f);
	CHECK_EQ(fake_unmaps, 2);
}

/* --- the MSI-X table in it --- */

struct place {
	u32 table, table_len, pba, pba_len;
	struct vfio_area piece[4];	/* what is left of 64 KiB; size 0: the end */
};

static bool left_over(const struct place *p, bool same_bar)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);
	unsigned int i;
	bool ok = true;

	bar(f, 2, 0, 64 * KIB);
	bar(f, 4, 0, 64 * KIB);
	f->vp.msix_bar = same_bar ? 2 : 4;
	f->vp.msix_table = p->table;
	f->vp.msix_table_len = p->table_len;
	f->vp.msix_pba = p->pba;
	f->vp.msix_pba_len = p->pba_len;
	ready(vm, f);
	for (i = 0; i < ARRAY_SIZE(p->piece) && p->piece[i].size; i++)
		ok &= i < PIECES(f, 2) && f->vp.bar[2].piece[i].area.off == p->piece[i].off &&
		      f->vp.bar[2].piece[i].area.size == p->piece[i].size;
	ok &= i == PIECES(f, 2);
	end(vm, f);
	return ok;
}

TEST(pages_of_msix_table_and_pba_are_left_out)
{
	static const struct place place[] = {
		{ 0x2000, 0x1000, 0x3000, 8, { { 0, 0x2000 }, { 0x4000, 0xc000 } } },
		{ 0x2000, 0x100, 0x2800, 8, { { 0, 0x2000 }, { 0x3000, 0xd000 } } },	/* one page has both */
		{ 0x2ff0, 0x20, 0x8000, 8, { { 0, 0x2000 }, { 0x4000, 0x4000 }, { 0x9000, 0x7000 } } },	/* over a page's end */
		{ 0, 0x10, 0xfff8, 8, { { 0x1000, 0xe000 } } },
		{ 0x9000, 0x10, 0x1000, 8, { { 0, 0x1000 }, { 0x2000, 0x7000 }, { 0xa000, 0x6000 } } },	/* PBA first */
		{ 0, 0x8000, 0x8000, 0x100, { { 0x9000, 0x7000 } } },
		{ 0x4000, 0x10, 0x4000, 0, { { 0, 0x4000 }, { 0x5000, 0xb000 } } },	/* the PBA is elsewhere */
		{ 0, 0x8000, 0x8000, 0x8000, { { 0, 0 } } },
	};
	static const struct place whole = { 0x2000, 0x100, 0x2800, 8, { { 0, 0x10000 } } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(place); i++)
		CHECK_EQ(i, left_over(&place[i], true) ? i : i + 1000);
	CHECK(left_over(&whole, false));
}

TEST(table_and_pba_are_ours_and_the_rest_of_their_page_is_the_devices)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	bar(f, 0, 0, 8192);
	bar(f, 1, 0, 2048);
	f->vp.msix_bar = 0;
	f->vp.msix_table = 0x100;
	f->vp.msix_table_len = 4 * 16;
	f->vp.msix_pba = 0x200;
	f->vp.msix_pba_len = 8;
	if (vfio_pci_bars_init(&f->vp, NULL) < 0 || pci_dev_add_msix(&f->vp.pdev, 4, 0, 0x100, 0x200) < 0 ||
	    pci_plug(vm->pci, &f->vp.pdev, -1) < 0)
		abort();
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN, 0x14, 4, (u32)AT + 0x10000);
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 1);
	CHECK(shows(f, 0, 0, AT + 0x1000, 0x1000));
	CHECK_EQ(mem_read(vm, AT + 0x10108, 4), 0x10108);	/* another BAR */
	mem_write(vm, AT + 0x10108, 4, 0x44);
	CHECK_EQ(f->last_val, 0x44);
	f->reads = f->writes = 0;
	mem_write(vm, AT + 0x108, 4, 0x55);
	CHECK_EQ(mem_read(vm, AT + 0x108, 4), 0x55);
	CHECK_EQ(mem_read(vm, AT + 0x10c, 4), 1);	/* masked */
	CHECK_EQ(mem_read(vm, AT + 0x200, 8), 0);
	CHECK_EQ(f->reads, 0);
	CHECK_EQ(f->writes, 0);
	CHECK_EQ(mem_read(vm, AT + 0xfc, 4), 0xfc);
	CHECK_EQ(mem_read(vm, AT + 0x140, 4), 0x140);
	CHECK_EQ(mem_read(vm, AT + 0x208, 4), 0x208);
	mem_write(vm, AT + 0x140, 2, 0xabcd);
	CHECK_EQ(f->reads, 3);
	CHECK_EQ(f->writes, 1);
	CHECK_EQ(f->last_val, 0xabcd);
	end(vm, f);
}

/* --- trapped accesses --- */

TEST(trapped_accesses_keep_their_width)
{
	struct fake_vfio *f;
	struct vm *vm = one_bar(&f, 2048);
	unsigned int size;

	cw(vm, FN, COMMAND, 2, MEM);
	for (size = 1; size <= 8; size *= 2) {
		f->reads = f->writes = 0;
		CHECK_EQ(mem_read(vm, AT + 0x40, size), 0x1122334400000040ULL & ones(size));
		mem_write(vm, AT + 0x48, size, 0xa1b2c3d4e5f60718ULL);
		CHECK_EQ(f->reads, 1);
		CHECK_EQ(f->writes, 1);
		CHECK_EQ(f->last_off, 0x48);
		CHECK_EQ(f->last_size, size);
		CHECK_EQ(f->last_val, 0xa1b2c3d4e5f60718ULL & ones(size));
	}
	end(vm, f);
}

TEST(ports_are_forwarded)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);
	unsigned int size;

	bar(f, 4, 1, 64);
	ready(vm, f);
	cw(vm, FN, 0x20, 4, 0x3000);
	cw(vm, FN, COMMAND, 2, IO);
	CHECK_EQ(slots(), 0);
	for (size = 1; size <= 4; size *= 2) {
		f->reads = f->writes = 0;
		CHECK_EQ(port_read(vm, 0x3010, size), (4 << 16 | 0x10) & ones(size));
		port_write(vm, 0x3014, size, 0xa1b2c3d4);
		CHECK_EQ(f->reads, 1);
		CHECK_EQ(f->writes, 1);
		CHECK_EQ(f->last_off, 0x14);
		CHECK_EQ(f->last_size, size);
	}
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(port_read(vm, 0x3010, 4), 0xffffffff);
	end(vm, f);
}

TEST(device_that_fails_reads_ones)
{
	struct fake_vfio *f;
	struct vm *vm = one_bar(&f, 2048);

	cw(vm, FN, COMMAND, 2, MEM);
	f->io_error = -EIO;
	CHECK_EQ(mem_read(vm, AT + 4, 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, AT + 8, 1), 0xff);
	mem_write(vm, AT + 4, 4, 1);
	CHECK_EQ(f->writes, 1);
	f->io_error = 0;
	CHECK_EQ(mem_read(vm, AT + 4, 4), 4);
	end(vm, f);
}

/* --- in each other's way --- */

TEST(bar_over_another_waits_until_that_leaves)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *a = fake_vfio(vm), *b = fake_vfio(vm);

	bar(a, 0, 0, 64 * KIB);
	bar(b, 0, 0, 64 * KIB);
	ready(vm, a);
	ready(vm, b);
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN + 8, BAR0, 4, (u32)AT);
	cw(vm, FN, COMMAND, 2, MEM);
	cw(vm, FN + 8, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 1);
	CHECK(shows(a, 0, 0, AT, 64 * KIB));
	CHECK_EQ(b->vp.bar[0].piece[0].slot, -1);
	cw(vm, FN, BAR0, 4, (u32)(AT + MIB));
	CHECK_EQ(slots(), 2);
	CHECK(shows(a, 0, 0, AT + MIB, 64 * KIB));
	CHECK(shows(b, 0, 0, AT, 64 * KIB));
	/* and the other leaves by COMMAND */
	cw(vm, FN, BAR0, 4, (u32)AT);
	CHECK_EQ(slots(), 1);
	cw(vm, FN + 8, COMMAND, 2, 0);
	CHECK_EQ(slots(), 1);
	CHECK(shows(a, 0, 0, AT, 64 * KIB));
	/* one that leaves does not come back in its own retry */
	cw(vm, FN, COMMAND, 2, 0);
	CHECK_EQ(slots(), 0);
	cw(vm, FN, COMMAND, 2, MEM);
	cw(vm, FN + 8, COMMAND, 2, MEM);
	end(vm, a);
	CHECK(shows(b, 0, 0, AT, 64 * KIB));
	end(vm, b);
	CHECK_EQ(slots(), 0);
}

TEST(bars_of_one_function_swap_places)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	bar(f, 0, 0, 64 * KIB);
	bar(f, 1, 0, 64 * KIB);
	ready(vm, f);
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN, 0x14, 4, (u32)(AT + MIB));
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 2);
	cw(vm, FN, BAR0, 4, (u32)(AT + MIB));
	CHECK_EQ(slots(), 1);
	CHECK(shows(f, 1, 0, AT + MIB, 64 * KIB));
	cw(vm, FN, 0x14, 4, (u32)AT);
	CHECK(shows(f, 0, 0, AT + MIB, 64 * KIB));
	CHECK(shows(f, 1, 0, AT, 64 * KIB));
	end(vm, f);
}

TEST(slot_that_kvm_refuses_traps)
{
	struct fake_vfio *f;
	struct vm *vm = one_bar(&f, 8192);

	fake.slot_error = -ENOSPC;
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 0);
	CHECK_EQ(mem_read(vm, AT + 8, 4), 8);
	fake.slot_error = 0;
	cw(vm, FN, COMMAND, 2, 0);
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 1);
	end(vm, f);
}

/* --- p2p --- */

TEST(bars_are_no_targets_of_dma_unless_asked)
{
	struct fake_vfio *f;
	struct vm *vm = one_bar(&f, 8192);

	fake_p2p = f;
	cw(vm, FN, COMMAND, 2, MEM);
	cw(vm, FN, COMMAND, 2, 0);
	CHECK_EQ(f->dma_maps + f->dma_unmaps, 0);
	end(vm, f);
}

TEST(p2p_target_lives_within_its_slot)
{
	struct vm *vm = fake_vm();
	struct fake_vfio *f = fake_vfio(vm);

	fake_p2p = f;
	f->cfg.p2p = true;
	bar(f, 0, 0, 8192);
	ready(vm, f);
	cw(vm, FN, BAR0, 4, (u32)AT);
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(f->dma_maps, 1);
	cw(vm, FN, BAR0, 4, (u32)(AT + MIB));
	CHECK_EQ(f->dma_maps, 2);
	CHECK_EQ(f->dma_unmaps, 1);
	cw(vm, FN, COMMAND, 2, 0);
	CHECK_EQ(f->dma_unmaps, 2);
	f->dma_error = -ENOMEM;		/* the guest has its slot all the same */
	cw(vm, FN, COMMAND, 2, MEM);
	CHECK_EQ(slots(), 1);
	cw(vm, FN, COMMAND, 2, 0);
	CHECK_EQ(f->dma_unmaps, 2);
	end(vm, f);
}

/* --- all at once --- */

enum { ROUNDS = 2000, READERS = 3 };

struct stress {
	struct vm *vm;
	unsigned int n;
	_Atomic bool *stop;
	_Atomic unsigned int *wrong;
};

static void *toggle(void *arg)
{
	struct stress *s = arg;
	u8 fn = (u8)(FN + 8 * s->n);
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		cw(s->vm, fn, BAR0, 4, (u32)(AT + (i * 7 + s->n) % 3 * 0x10000));
		cw(s->vm, fn, COMMAND, 2, i % 4 ? MEM : 0);
	}
	return NULL;
}

/* What is read is from one device or another, whole, or nobody's. */
static void *reader(void *arg)
{
	struct stress *s = arg;
	unsigned int i = 0;
	u64 val, off;
	u8 data[8];

	fake_current = &s->vm->vcpu[1 + s->n];
	while (!atomic_load(s->stop)) {
		off = i++ % 0x30000 & ~7U;
		mmio_access(fake_current, AT + off, data, 8, false);
		val = get_le64(data);
		if (val != ~0ULL && val != (0x1122334400000000ULL | (off & 0xffff)))
			atomic_fetch_add(s->wrong, 1);
		mmio_access(fake_current, AT + off, data, 4, true);
		sched_yield();
	}
	return NULL;
}

TEST(toggles_and_moves_while_others_read)
{
	_Atomic unsigned int wrong = 0;
	_Atomic bool stop = false;
	struct stress s[READERS + 2];
	pthread_t thread[READERS + 2];
	struct vm *vm = fake_vm();
	struct fake_vfio *f[2] = { fake_vfio(vm), fake_vfio(vm) };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		bar(f[i], 0, 0, 0x10000);
		f[i]->cfg.p2p = true;
		ready(vm, f[i]);
	}
	fake_p2p = f[0];
	for (i = 0; i < READERS + 2; i++) {
		s[i] = (struct stress){ vm, i < 2 ? i : i - 2, &stop, &wrong };
		if (pthread_create(&thread[i], NULL, i < 2 ? toggle : reader, &s[i]))
			abort();
	}
	for (i = 0; i < READERS + 2; i++) {
		if (i == 2)
			atomic_store(&stop, true);
		pthread_join(thread[i], NULL);
	}
	CHECK_EQ(wrong, 0);
	CHECK(fake.slot_adds > ROUNDS / 8);
	cw(vm, FN, COMMAND, 2, 0);
	cw(vm, FN + 8, COMMAND, 2, 0);
	CHECK_EQ(slots(), 0);
	CHECK_EQ(f[0]->dma_maps, f[0]->dma_unmaps);
	end(vm, f[0]);
	end(vm, f[1]);
	CHECK_EQ(fake_unmaps, 2);
}

int main(void)
{
	RUN(bars_keep_their_size_and_nature);
	RUN(bars_that_cannot_be_are_refused_by_name);
	RUN(register_that_cannot_be_read_is_told);
	RUN(bar_is_in_the_guest_while_it_is_decoded_and_moves);
	RUN(bar_of_a_device_that_did_not_take_command_traps);
	RUN(bar_leaves_the_guest_with_the_function);
	RUN(holes_between_areas_trap);
	RUN(bar_smaller_than_a_page_traps);
	RUN(region_that_cannot_be_written_is_a_read_only_slot);
	RUN(piece_the_host_does_not_map_traps);
	RUN(pages_of_msix_table_and_pba_are_left_out);
	RUN(table_and_pba_are_ours_and_the_rest_of_their_page_is_the_devices);
	RUN(trapped_accesses_keep_their_width);
	RUN(ports_are_forwarded);
	RUN(device_that_fails_reads_ones);
	RUN(bar_over_another_waits_until_that_leaves);
	RUN(bars_of_one_function_swap_places);
	RUN(slot_that_kvm_refuses_traps);
	RUN(bars_are_no_targets_of_dma_unless_asked);
	RUN(p2p_target_lives_within_its_slot);
	RUN(toggles_and_moves_while_others_read);
	return tap_done();
}
