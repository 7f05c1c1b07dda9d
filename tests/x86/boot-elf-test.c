/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ELF kernels: segments, the PVH entry [Xen public/arch-x86/hvm/start_info.h] and the 64-bit Linux entry.
 *
 * links: x86/boot.c x86/boot-bzimage.c x86/boot-elf.c x86/boot-multiboot.c x86/boot-flat.c boot-image.c boot-guess.c memory.c
 * links: util/decompress.c util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "tests/x86/boot-fake.h"

static u8 img[ELF_SIZE];

static u8 *info(unsigned int off)
{
	return ram(0x9000) + off;
}

static void make_pvh(void)
{
	make_elf64(img, pvh_note, sizeof(pvh_note));
}

TEST(segments_are_read_to_physical_addresses)
{
	make_pvh();
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK(!memcmp(ram(2 * MIB), img + ELF_DATA, ELF_SIZE - ELF_DATA));
}

TEST(pvh_note_is_the_entry)
{
	make_pvh();
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.mode, BOOT_PROT32);
	CHECK_EQ(fake_entry.rip, 0x200020);
	CHECK_EQ(fake_entry.rbx, 0x9000);
	CHECK_EQ(get_le64(ram(fake_entry.gdt_gpa + 0x10)), 0x00cf9b000000ffff);	/* flat, 32 bit */
	CHECK_EQ(get_le64(ram(fake_entry.gdt_gpa + 0x18)), 0x00cf93000000ffff);
}

TEST(start_info_is_version_1)
{
	u64 map;

	make_pvh();
	fake.cfg.params = "quiet";
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(get_le32(info(0)), 0x336ec578);
	CHECK_EQ(get_le32(info(4)), 1);
	CHECK_EQ(get_le32(info(8)), 0);
	CHECK_EQ(get_le32(info(12)), 0);	/* modules */
	CHECK_EQ(get_le64(info(16)), 0);
	CHECK_STR((char *)ram(get_le64(info(24))), "console=ttyS0 quiet");
	CHECK_EQ(get_le64(info(32)), FAKE_RSDP);
	CHECK_EQ(get_le32(info(48)), 5);
	map = get_le64(info(40));
	CHECK_EQ(get_le64(ram(map)), 0);
	CHECK_EQ(get_le64(ram(map + 8)), 0x9fc00);
	CHECK_EQ(get_le32(ram(map + 16)), 1);
	CHECK_EQ(get_le64(ram(map + 4 * 24)), 4 * GIB);
	CHECK_EQ(get_le64(ram(map + 4 * 24 + 8)), 64 * MIB);
}

TEST(initrd_is_the_first_module_below_4_gib)
{
	u64 mod;

	make_pvh();
	fake.cfg.initrd = file_with("initrd!", 7);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(get_le32(info(12)), 1);
	mod = get_le64(info(16));
	CHECK_EQ(get_le64(ram(mod)), 64 * MIB - 4096);
	CHECK_EQ(get_le64(ram(mod + 8)), 7);
	CHECK_EQ(get_le64(ram(mod + 16)), 0);
	CHECK(!memcmp(ram(get_le64(ram(mod))), "initrd!", 7));
}

TEST(long_command_line_is_refused)
{
	static char params[64 * KIB + 1];

	make_pvh();
	memset(params, 'a', sizeof(params) - 1);
	fake.cfg.params = params;
	fake.cfg.nodefaults = true;
	CHECK_REFUSED(boot(img, ELF_SIZE), -E2BIG, "of 65536 characters is too long");
	params[64 * KIB - 1] = '\0';
	CHECK_BOOTS(boot(img, ELF_SIZE));
}

TEST(note_in_a_loaded_segment_is_found)
{
	make_elf64(img, NULL, 0);
	memcpy(img + 0x1800, pvh_note, sizeof(pvh_note));
	put_le64(img + 64 + 56 + 8, 0x1800);
	put_le64(img + 64 + 56 + 32, sizeof(pvh_note));
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.rip, 0x200020);
}

TEST(pvh_entry_in_32_bit_elf_is_taken)
{
	u8 *ph = img + 52 + 32;

	make_elf32(img);
	put_le16(img + 44, 2);
	put_le32(ph, 4);
	put_le32(ph + 4, ELF_NOTE);
	put_le32(ph + 16, sizeof(pvh_note));
	memcpy(img + ELF_NOTE, pvh_note, sizeof(pvh_note));
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.mode, BOOT_PROT32);
	CHECK_EQ(fake_entry.rip, 0x200020);
}

/* Each spoils the note so that it is none; the file then boots by its 64-bit entry. */
TEST(bad_notes_are_passed_over)
{
	static const struct { u8 off, val; } spoil[] = {
		{ 20, 3 },		/* owner's length */
		{ 20, 0xff },		/* owner beyond the note */
		{ 23, 0xff },
		{ 24, 3 },		/* descriptor too short */
		{ 24, 0xff },		/* and beyond the note */
		{ 27, 0xff },
		{ 28, 17 },		/* type */
		{ 32, 'Y' },		/* owner */
		{ 0, 0xff },		/* the note before it */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(spoil); i++) {
		make_pvh();
		img[ELF_NOTE + spoil[i].off] = spoil[i].val;
		CHECK_BOOTS(boot(img, ELF_SIZE));
		CHECK_EQ(fake_entry.mode, BOOT_LONG64);
		file_end();
	}
}

TEST(empty_note_is_passed_over)
{
	make_elf64(img, NULL, 0);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.mode, BOOT_LONG64);
}

TEST(note_beyond_the_file_is_refused)
{
	make_pvh();
	put_le64(img + 64 + 56 + 8, 0x2ff0);
	put_le64(img + 64 + 56 + 32, 0x100);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENODATA, "truncated");
	put_le64(img + 64 + 56 + 8, UINT64_MAX - 4);
	CHECK_REFUSED(boot(img, ELF_SIZE), -EINVAL, "beyond any file's end");
}

TEST(missing_initrd_is_refused_by_both_entries)
{
	make_pvh();
	fake.cfg.initrd = "/nonexistent";
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOENT, "Unable to open initrd /nonexistent");
	fake.cfg.kernel_format = KERNEL_ELF;
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOENT, "Unable to open initrd /nonexistent");
}

TEST(pvh_entry_outside_ram_is_refused)
{
	make_pvh();
	put_le32(img + ELF_NOTE + sizeof(pvh_note) - 8, 0xd0000000);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "PVH entry 0xd0000000 is outside");
}

TEST(without_note_the_64_bit_entry_is_taken)
{
	u8 *zp;

	make_elf64(img, NULL, 0);
	fake.cfg.initrd = file_with("initrd!", 7);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.mode, BOOT_LONG64);
	CHECK_EQ(fake_entry.rip, 0x200010);
	CHECK_EQ(fake_entry.rsi, 0x8000);
	zp = ram(0x8000);
	CHECK_EQ(get_le16(zp + 0x1fe), 0xaa55);
	CHECK_EQ(get_le32(zp + 0x202), 0x53726448);
	CHECK_EQ(zp[0x210], 0xff);
	CHECK_EQ(zp[0x211], 1);
	CHECK_EQ(get_le32(zp + 0x228), 0x20000);
	CHECK_EQ(get_le32(zp + 0x218), 64 * MIB - 4096);
	CHECK_EQ(get_le32(zp + 0x21c), 7);
	CHECK_EQ(zp[0x1e8], 5);
}

TEST(virtual_entry_is_translated)
{
	make_elf64(img, NULL, 0);
	put_le64(img + 24, 0xffffffff80200010);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.rip, 0x200010);
}

TEST(entry_outside_ram_is_refused)
{
	make_elf64(img, NULL, 0);
	put_le64(img + 24, 0x7f0000000000);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "entry 0x7f0000000000 is outside");
	make_elf64(img, NULL, 0);
	put_le64(img + 64 + 24, 4 * GIB);	/* RAM, but not mapped by our page tables */
	put_le64(img + 24, 4 * GIB);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "entry 0x100000000 is outside the guest's RAM below 4 GiB");
}

TEST(forced_elf_ignores_the_note)
{
	make_pvh();
	fake.cfg.kernel_format = KERNEL_ELF;
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.mode, BOOT_LONG64);
}

TEST(forced_pvh_needs_the_note)
{
	make_elf64(img, NULL, 0);
	fake.cfg.kernel_format = KERNEL_PVH;
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "without a PVH entry note");
	make_bzimage(img);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "not an ELF file");
	make_pvh();
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.mode, BOOT_PROT32);
}

TEST(bss_is_zeroed_at_a_restart)
{
	make_pvh();
	memset(ram(2 * MIB + 0x2000), 0xff, 0x1001);
	fake_vcpu.started = true;
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(*ram(2 * MIB + 0x2000), 0);
	CHECK_EQ(*ram(2 * MIB + 0x2fff), 0);
	CHECK_EQ(*ram(2 * MIB + 0x3000), 0xff);
}

TEST(bss_is_not_touched_at_the_first_boot)
{
	make_pvh();
	*ram(2 * MIB + 0x2000) = 0xff;
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(*ram(2 * MIB + 0x2000), 0xff);
}

TEST(segment_outside_ram_is_refused_with_the_sizes)
{
	make_pvh();
	put_le64(img + 64 + 24, 64 * MIB - 0x2fff);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOSPC, "12288 bytes at address 0x3ffd001 does not fit in the guest's 64 MiB");
	put_le64(img + 64 + 24, 0xd0000000);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOSPC, "at address 0xd0000000 does not fit");
	put_le64(img + 64 + 40, 1ULL << 60);
	put_le64(img + 64 + 24, 2 * MIB);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOSPC, "does not fit");
}

TEST(segment_that_wraps_is_refused)
{
	make_pvh();
	put_le64(img + 64 + 24, UINT64_MAX - 0xfff);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "wraps");
	make_pvh();
	put_le64(img + 64 + 8, UINT64_MAX - 0xfff);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "wraps");
}

TEST(segment_below_1_mib_is_refused)
{
	make_pvh();
	put_le64(img + 64 + 24, 0x7000);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "linked to address 0x7000, below 1 MiB");
}

TEST(segment_larger_in_the_file_is_refused)
{
	make_pvh();
	put_le64(img + 64 + 40, ELF_SIZE - ELF_DATA - 1);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "larger in the file");
}

TEST(truncated_file_is_refused)
{
	make_pvh();
	CHECK_REFUSED(boot(img, ELF_SIZE - 1), -ENODATA, "truncated: the file has 12287 bytes, its header speaks of 12288");
	CHECK_REFUSED(boot(img, 100), -ENODATA, "truncated");
	CHECK_REFUSED(boot(img, 30), -ENODATA, "truncated");
	CHECK_REFUSED(boot(img, 8), -ENODATA, "truncated");
}

static int with_header(unsigned int off, unsigned int size, u64 val)
{
	make_pvh();
	put_le(img + off, size, val);
	return boot(img, ELF_SIZE);
}

TEST(other_elf_files_are_refused_by_what_they_are)
{
	CHECK_REFUSED(with_header(18, 2, 183), -ENOEXEC, "a 64-bit ELF file for another machine (arm64, number 183)");
	CHECK_REFUSED(with_header(18, 2, 243), -ENOEXEC, "(riscv, number 243)");
	CHECK_REFUSED(with_header(18, 2, 3), -ENOEXEC, "(i386, number 3)");
	CHECK_REFUSED(with_header(18, 2, 9999), -ENOEXEC, "(unknown, number 9999)");
	CHECK_REFUSED(with_header(4, 1, 3), -ENOEXEC, "neither 32 nor 64 bit");
	CHECK_REFUSED(with_header(5, 1, 2), -ENOEXEC, "big-endian");
	CHECK_REFUSED(with_header(16, 2, 1), -ENOEXEC, "an ELF object file");
	CHECK_REFUSED(with_header(16, 2, 4), -ENOEXEC, "core dump");
	CHECK_REFUSED(with_header(16, 2, 9), -ENOEXEC, "cannot run");
	CHECK_REFUSED(with_header(64, 4, 3), -ENOEXEC, "an ELF program for an operating system");
}

TEST(bad_program_headers_are_refused)
{
	CHECK_REFUSED(with_header(56, 2, 0), -ENOEXEC, "without program headers");
	CHECK_REFUSED(with_header(56, 2, 129), -ENOEXEC, "bad ELF program headers");
	CHECK_REFUSED(with_header(54, 2, 55), -ENOEXEC, "bad ELF program headers");
	CHECK_REFUSED(with_header(32, 8, UINT64_MAX - 8), -ENOEXEC, "beyond any file's end");
	CHECK_REFUSED(with_header(32, 8, 1ULL << 40), -ENODATA, "truncated");
	CHECK_REFUSED(with_header(64, 4, 0), -ENOEXEC, "without anything to load");
	put_le16(img + 56, 1);
	put_le32(img + 64, 1);
	put_le64(img + 64 + 40, 0);
	put_le64(img + 64 + 32, 0);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "without anything to load");
}

TEST(too_many_segments_are_refused)
{
	unsigned int i;

	make_pvh();
	put_le16(img + 56, ELF_MAX_SEGMENTS + 1);
	for (i = 1; i <= ELF_MAX_SEGMENTS; i++)
		memcpy(img + 64 + i * 56, img + 64, 56);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "more than 32 ELF segments");
}

TEST(elf_of_32_bit_without_entry_is_refused)
{
	make_elf32(img);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "a 32-bit ELF file with neither");
}

int main(void)
{
	RUN_IN_VM(segments_are_read_to_physical_addresses, 64 * MIB, 0);
	RUN_IN_VM(pvh_note_is_the_entry, 64 * MIB, 0);
	RUN_IN_VM(start_info_is_version_1, 64 * MIB, 64 * MIB);
	RUN_IN_VM(initrd_is_the_first_module_below_4_gib, 64 * MIB, 64 * MIB);
	RUN_IN_VM(long_command_line_is_refused, 64 * MIB, 0);
	RUN_IN_VM(note_in_a_loaded_segment_is_found, 64 * MIB, 0);
	RUN_IN_VM(pvh_entry_in_32_bit_elf_is_taken, 64 * MIB, 0);
	RUN_IN_VM(bad_notes_are_passed_over, 64 * MIB, 0);
	RUN_IN_VM(empty_note_is_passed_over, 64 * MIB, 0);
	RUN_IN_VM(note_beyond_the_file_is_refused, 64 * MIB, 0);
	RUN_IN_VM(missing_initrd_is_refused_by_both_entries, 64 * MIB, 0);
	RUN_IN_VM(pvh_entry_outside_ram_is_refused, 64 * MIB, 0);
	RUN_IN_VM(without_note_the_64_bit_entry_is_taken, 64 * MIB, 64 * MIB);
	RUN_IN_VM(virtual_entry_is_translated, 64 * MIB, 0);
	RUN_IN_VM(entry_outside_ram_is_refused, 64 * MIB, 64 * MIB);
	RUN_IN_VM(forced_elf_ignores_the_note, 64 * MIB, 0);
	RUN_IN_VM(forced_pvh_needs_the_note, 64 * MIB, 0);
	RUN_IN_VM(bss_is_zeroed_at_a_restart, 64 * MIB, 0);
	RUN_IN_VM(bss_is_not_touched_at_the_first_boot, 64 * MIB, 0);
	RUN_IN_VM(segment_outside_ram_is_refused_with_the_sizes, 64 * MIB, 0);
	RUN_IN_VM(segment_that_wraps_is_refused, 64 * MIB, 0);
	RUN_IN_VM(segment_below_1_mib_is_refused, 64 * MIB, 0);
	RUN_IN_VM(segment_larger_in_the_file_is_refused, 64 * MIB, 0);
	RUN_IN_VM(truncated_file_is_refused, 64 * MIB, 0);
	RUN_IN_VM(other_elf_files_are_refused_by_what_they_are, 64 * MIB, 0);
	RUN_IN_VM(bad_program_headers_are_refused, 64 * MIB, 0);
	RUN_IN_VM(too_many_segments_are_refused, 64 * MIB, 0);
	RUN_IN_VM(elf_of_32_bit_without_entry_is_refused, 64 * MIB, 0);
	return tap_done();
}
