/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 64-bit Linux entry, checked against the offsets of [Linux x86 boot] and [zero-page].
 *
 * links: x86/boot.c x86/boot-bzimage.c x86/boot-elf.c x86/boot-multiboot.c x86/boot-flat.c boot-image.c boot-guess.c memory.c
 * links: util/decompress.c util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "tests/x86/boot-fake.h"

static u8 img[BZ_SIZE];
static u8 initrd[5000];

static u8 *zp(unsigned int off)
{
	return ram(0x8000) + off;
}

TEST(kernel_is_read_to_its_preferred_address)
{
	make_bzimage(img);
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK(!memcmp(ram(16 * MIB), img + (BZ_SECTS + 1) * 512, BZ_PAYLOAD));
	CHECK_EQ(fake_entry.mode, BOOT_LONG64);
	CHECK_EQ(fake_entry.rip, 16 * MIB + 0x200);
	CHECK_EQ(fake_entry.rsi, 0x8000);
}

TEST(zero_page_has_the_setup_header_and_nothing_behind_it)
{
	make_bzimage(img);
	memset(zp(0), 0xff, 4096);	/* what a guest left there */
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(get_le16(zp(0x1fe)), 0xaa55);
	CHECK_EQ(get_le32(zp(0x202)), 0x53726448);
	CHECK_EQ(get_le16(zp(0x206)), 0x20f);
	CHECK_EQ(*zp(0x210), 0xff);
	CHECK_EQ(get_le32(zp(0x260)), MIB);
	CHECK_EQ(get_le32(zp(0x264)), 0x190);
	CHECK_EQ(*zp(0x26e), 0);	/* [boot] the header ends at 0x202 + the byte at 0x201 */
	CHECK_EQ(*zp(0x1ef), 0);	/* sentinel */
	CHECK_EQ(*zp(0), 0);
	CHECK_EQ(get_le64(zp(0x70)), FAKE_RSDP);
}

TEST(zero_page_has_the_memory_map)
{
	make_bzimage(img);
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(*zp(0x1e8), 5);
	CHECK_EQ(get_le64(zp(0x2d0)), 0);
	CHECK_EQ(get_le64(zp(0x2d8)), 0x9fc00);
	CHECK_EQ(get_le32(zp(0x2e0)), 1);
	CHECK_EQ(get_le32(zp(0x2d0 + 20 + 16)), 2);
	CHECK_EQ(get_le64(zp(0x2d0 + 4 * 20)), 4 * GIB);
	CHECK_EQ(get_le64(zp(0x2d0 + 4 * 20 + 8)), 64 * MIB);
}

TEST(command_line_is_passed)
{
	u64 at;

	make_bzimage(img);
	fake.cfg.params = "quiet";
	CHECK_BOOTS(boot(img, BZ_SIZE));
	at = get_le32(zp(0x228)) | (u64)get_le32(zp(0xc8)) << 32;
	CHECK_STR((char *)ram(at), "console=ttyS0 quiet");
}

TEST(command_line_may_be_as_long_as_the_kernel_says)
{
	char params[2049];

	make_bzimage(img);
	memset(params, 'a', sizeof(params));
	params[2047] = '\0';
	fake.cfg.params = params;
	fake.cfg.nodefaults = true;
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_STR((char *)ram(0x20000), params);
}

TEST(longer_command_line_is_refused_with_both_numbers)
{
	char params[2049];

	make_bzimage(img);
	memset(params, 'a', sizeof(params));
	params[2048] = '\0';
	fake.cfg.params = params;
	fake.cfg.nodefaults = true;
	CHECK_REFUSED(boot(img, BZ_SIZE), -E2BIG, "of 2048 characters is too long");
	CHECK_REFUSED(boot(img, BZ_SIZE), -E2BIG, "takes 2047 ");
}

static u64 initrd_at(void)
{
	return get_le32(zp(0x218)) | (u64)get_le32(zp(0xc0)) << 32;
}

static u64 initrd_len(void)
{
	return get_le32(zp(0x21c)) | (u64)get_le32(zp(0xc4)) << 32;
}

TEST(without_initrd_its_fields_are_zero)
{
	make_bzimage(img);
	put_le32(img + 0x218, 0x12345678);
	put_le32(img + 0x21c, 0x1000);
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(initrd_at(), 0);
	CHECK_EQ(initrd_len(), 0);
}

TEST(initrd_goes_to_the_top_of_all_ram)
{
	make_bzimage(img);
	fake.cfg.initrd = file_with(initrd, sizeof(initrd));
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(initrd_at(), 4 * GIB + 64 * MIB - 8192);
	CHECK_EQ(initrd_len(), sizeof(initrd));
	CHECK(!memcmp(ram(initrd_at()), initrd, sizeof(initrd)));
}

TEST(initrd_stays_below_the_kernels_limit)
{
	make_bzimage(img);
	put_le16(img + 0x236, 1);		/* not above 4 GiB */
	put_le32(img + 0x22c, 32 * MIB - 1);	/* its last byte */
	fake.cfg.initrd = file_with(initrd, sizeof(initrd));
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(initrd_at(), 32 * MIB - 8192);
	CHECK(!memcmp(ram(initrd_at()), initrd, sizeof(initrd)));
}

TEST(initrd_goes_below_a_kernel_that_fills_the_top)
{
	make_bzimage(img);
	put_le32(img + 0x260, 48 * MIB);	/* 16 MiB .. 64 MiB */
	fake.cfg.initrd = file_with(initrd, sizeof(initrd));
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(initrd_at(), 16 * MIB - 8192);
}

TEST(initrd_without_room_is_refused_with_the_sizes)
{
	make_bzimage(img);
	put_le32(img + 0x260, 48 * MIB);
	put_le64(img + 0x258, 2 * MIB);
	put_le16(img + 0x236, 1);
	put_le32(img + 0x22c, MIB + 4096 - 1);
	fake.cfg.initrd = file_with(initrd, sizeof(initrd));
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOSPC, "no room for its 5000 bytes");
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOSPC, "guest's 64 MiB of RAM");
}

TEST(missing_initrd_is_named)
{
	make_bzimage(img);
	fake.cfg.initrd = "/nonexistent/initrd";
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOENT, "Unable to open initrd /nonexistent/initrd: No such file");
}

TEST(setup_sects_zero_means_four)
{
	static u8 big[5 * 512 + BZ_PAYLOAD];

	make_bzimage(img);
	memcpy(big, img, 512 * 4);
	memcpy(big + 5 * 512, img + (BZ_SECTS + 1) * 512, BZ_PAYLOAD);
	big[0x1f1] = 0;
	CHECK_BOOTS(boot(big, sizeof(big)));
	CHECK(!memcmp(ram(16 * MIB), img + (BZ_SECTS + 1) * 512, BZ_PAYLOAD));
}

TEST(last_paragraph_may_be_cut)
{
	make_bzimage(img);
	memset(ram(16 * MIB), 0xff, BZ_PAYLOAD);
	CHECK_BOOTS(boot(img, BZ_SIZE - 15));
	CHECK_EQ(*ram(16 * MIB + BZ_PAYLOAD - 16), img[BZ_SIZE - 16]);
	CHECK_EQ(*ram(16 * MIB + BZ_PAYLOAD - 15), 0);
}

TEST(truncated_kernel_is_refused)
{
	make_bzimage(img);
	CHECK_REFUSED(boot(img, BZ_SIZE - 16), -ENODATA, "truncated: the file has 10224 bytes");
	CHECK_REFUSED(boot(img, 0x230), -ENODATA, "truncated");
	CHECK_REFUSED(boot(img, 0x100), -ENOEXEC, "truncated bzImage");
}

TEST(load_address_is_aligned_up)
{
	make_bzimage(img);
	put_le64(img + 0x258, 16 * MIB + 4096);
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(fake_entry.rip, 18 * MIB + 0x200);
}

TEST(kernel_that_is_not_relocatable_gets_its_address)
{
	make_bzimage(img);
	img[0x234] = 0;
	put_le32(img + 0x230, 0);
	put_le64(img + 0x258, 3 * MIB);
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(fake_entry.rip, 3 * MIB + 0x200);
}

TEST(init_size_must_fit_in_ram)
{
	make_bzimage(img);
	put_le32(img + 0x260, 48 * MIB + 1);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOSPC, "the guest has 128 MiB in all; give more with --mem");
	put_le32(img + 0x260, 48 * MIB);
	CHECK_BOOTS(boot(img, BZ_SIZE));
}

TEST(payload_larger_than_init_size_must_fit)
{
	make_bzimage(img);
	put_le32(img + 0x1f4, 0x0fffffff);
	put_le32(img + 0x260, 0);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOSPC, "it needs 4096.0 MiB of RAM");
}

TEST(wild_addresses_are_refused)
{
	make_bzimage(img);
	put_le64(img + 0x258, UINT64_MAX);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "pref_address is 0xffffffffffffffff");
	put_le64(img + 0x258, 4 * GIB);		/* RAM, but not mapped by our page tables */
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "pref_address is 0x100000000");
	put_le64(img + 0x258, 16 * MIB);
	put_le32(img + 0x230, 3);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "kernel_alignment is 0x3");
	put_le32(img + 0x230, 0);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "kernel_alignment is 0x0");
	img[0x234] = 0;
	put_le64(img + 0x258, 0x8000);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "pref_address is 0x8000");
}

TEST(empty_kernel_is_refused)
{
	make_bzimage(img);
	put_le32(img + 0x1f4, 0);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "0 bytes of kernel");
}

TEST(old_protocol_is_refused_by_number)
{
	make_bzimage(img);
	put_le16(img + 0x206, 0x20b);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "boot protocol 2.11 is too old: the 64-bit entry needs 2.12");
}

TEST(kernel_of_32_bit_is_refused)
{
	make_bzimage(img);
	put_le16(img + 0x236, 0x3e);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "a 32-bit kernel");
}

TEST(zimage_is_refused)
{
	make_bzimage(img);
	img[0x211] = 0;
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "a zImage");
}

TEST(too_little_ram_for_anything_is_an_error)
{
	struct guest_range all = fake.mem.ram[0];
	int r;

	make_bzimage(img);
	img[0x234] = 0;
	put_le64(img + 0x258, MIB);
	/* RAM begins above the page tables' place */
	fake.mem.ram[0].gpa = 0x10000;
	r = boot(img, BZ_SIZE);
	fake.mem.ram[0] = all;
	CHECK_REFUSED(r, -EFAULT, "too little to boot");
}

TEST(entry_is_identity_mapped_with_flat_segments)
{
	u64 pml4, pdpt, pd;
	unsigned int i;

	make_bzimage(img);
	CHECK_BOOTS(boot(img, BZ_SIZE));
	/* [Intel SDM 3A 4.5.4] */
	pml4 = get_le64(ram(fake_entry.cr3));
	CHECK_EQ(pml4 & 0xfff, 3);
	for (i = 0; i < 2048; i++) {
		pdpt = get_le64(ram((pml4 & ~0xfffULL) + i / 512 * 8));
		CHECK_EQ(pdpt & 0xfff, 3);
		pd = get_le64(ram((pdpt & ~0xfffULL) + i % 512 * 8));
		CHECK_EQ(pd, i * 2 * MIB + 0x83);
	}
	CHECK_EQ(get_le64(ram((pml4 & ~0xfffULL) + 4 * 8)), 0);
	CHECK_EQ(fake_entry.gdt_size, 32);
	CHECK_EQ(get_le64(ram(fake_entry.gdt_gpa + 0x10)), 0x00af9b000000ffff);	/* present, code, L */
	CHECK_EQ(get_le64(ram(fake_entry.gdt_gpa + 0x18)), 0x00cf93000000ffff);
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(initrd); i++)
		initrd[i] = (u8)(i * 11 + 1);
	RUN_IN_VM(kernel_is_read_to_its_preferred_address, 64 * MIB, 0);
	RUN_IN_VM(zero_page_has_the_setup_header_and_nothing_behind_it, 64 * MIB, 0);
	RUN_IN_VM(zero_page_has_the_memory_map, 64 * MIB, 64 * MIB);
	RUN_IN_VM(command_line_is_passed, 64 * MIB, 0);
	RUN_IN_VM(command_line_may_be_as_long_as_the_kernel_says, 64 * MIB, 0);
	RUN_IN_VM(longer_command_line_is_refused_with_both_numbers, 64 * MIB, 0);
	RUN_IN_VM(without_initrd_its_fields_are_zero, 64 * MIB, 0);
	RUN_IN_VM(initrd_goes_to_the_top_of_all_ram, 64 * MIB, 64 * MIB);
	RUN_IN_VM(initrd_stays_below_the_kernels_limit, 64 * MIB, 64 * MIB);
	RUN_IN_VM(initrd_goes_below_a_kernel_that_fills_the_top, 64 * MIB, 0);
	RUN_IN_VM(initrd_without_room_is_refused_with_the_sizes, 64 * MIB, 0);
	RUN_IN_VM(missing_initrd_is_named, 64 * MIB, 0);
	RUN_IN_VM(setup_sects_zero_means_four, 64 * MIB, 0);
	RUN_IN_VM(last_paragraph_may_be_cut, 64 * MIB, 0);
	RUN_IN_VM(truncated_kernel_is_refused, 64 * MIB, 0);
	RUN_IN_VM(load_address_is_aligned_up, 64 * MIB, 0);
	RUN_IN_VM(kernel_that_is_not_relocatable_gets_its_address, 64 * MIB, 0);
	RUN_IN_VM(init_size_must_fit_in_ram, 64 * MIB, 64 * MIB);
	RUN_IN_VM(payload_larger_than_init_size_must_fit, 64 * MIB, 0);
	RUN_IN_VM(wild_addresses_are_refused, 64 * MIB, 64 * MIB);
	RUN_IN_VM(empty_kernel_is_refused, 64 * MIB, 0);
	RUN_IN_VM(old_protocol_is_refused_by_number, 64 * MIB, 0);
	RUN_IN_VM(kernel_of_32_bit_is_refused, 64 * MIB, 0);
	RUN_IN_VM(zimage_is_refused, 64 * MIB, 0);
	RUN_IN_VM(too_little_ram_for_anything_is_an_error, 64 * MIB, 0);
	RUN_IN_VM(entry_is_identity_mapped_with_flat_segments, 64 * MIB, 0);
	return tap_done();
}
