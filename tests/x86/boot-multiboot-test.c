/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Multiboot kernels, checked against the offsets of [multiboot 3.1, 3.2, 3.3].
 *
 * links: x86/boot.c x86/boot-bzimage.c x86/boot-elf.c x86/boot-multiboot.c x86/boot-flat.c boot-image.c boot-guess.c memory.c
 * links: util/decompress.c util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "tests/x86/boot-fake.h"

static u8 img[ELF_SIZE];

static u32 mbi(unsigned int off)
{
	return get_le32(ram(0x30000) + off);
}

static void make_mb(u32 flags)
{
	make_elf32(img);
	put_multiboot(img + 0x1000, flags);
}

TEST(elf32_enters_at_its_entry)
{
	make_mb(0);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK(!memcmp(ram(2 * MIB), img + ELF_DATA, ELF_SIZE - ELF_DATA));
	CHECK_EQ(fake_entry.mode, BOOT_PROT32);
	CHECK_EQ(fake_entry.rip, 0x200010);
	CHECK_EQ(fake_entry.rax, 0x2badb002);	/* [3.2] */
	CHECK_EQ(fake_entry.rbx, 0x30000);
	CHECK_EQ(get_le64(ram(fake_entry.gdt_gpa + 0x10)), 0x00cf9b000000ffff);
	CHECK_EQ(get_le64(ram(fake_entry.gdt_gpa + 0x18)), 0x00cf93000000ffff);
}

TEST(elf64_enters_in_32_bit_mode)
{
	make_elf64(img, NULL, 0);
	put_multiboot(img + 0x1000, 3);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.mode, BOOT_PROT32);
	CHECK_EQ(fake_entry.rip, 0x200010);
	CHECK_EQ(fake_entry.rax, 0x2badb002);
}

TEST(pvh_note_goes_before_a_multiboot_header)
{
	make_elf64(img, pvh_note, sizeof(pvh_note));
	put_multiboot(img + 0x1000, 0);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.rip, 0x200020);
	fake.cfg.kernel_format = KERNEL_MULTIBOOT;
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(fake_entry.rip, 0x200010);
}

TEST(info_tells_memory)
{
	u32 map;

	make_mb(2);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(mbi(0), 1 | 4 | 64 | 512);	/* memory, command line, map, loader name */
	CHECK_EQ(mbi(4), 639);			/* KiB from 0 */
	CHECK_EQ(mbi(8), 63 * 1024);		/* KiB from 1 MiB */
	CHECK_EQ(mbi(20), 0);
	CHECK_EQ(mbi(44), 5 * 24);
	map = mbi(48);
	CHECK_EQ(get_le32(ram(map)), 20);
	CHECK_EQ(get_le64(ram(map + 4)), 0);
	CHECK_EQ(get_le64(ram(map + 12)), 0x9fc00);
	CHECK_EQ(get_le32(ram(map + 20)), 1);
	map += 4 * 24;
	CHECK_EQ(get_le32(ram(map)), 20);
	CHECK_EQ(get_le64(ram(map + 4)), 4 * GIB);
	CHECK_EQ(get_le64(ram(map + 12)), 64 * MIB);
	CHECK_STR((char *)ram(mbi(64)), "lkvm");
}

TEST(command_line_is_path_and_params_only)
{
	char want[80];

	make_mb(0);
	fake.cfg.params = "smap smep";
	CHECK_BOOTS(boot(img, ELF_SIZE));
	snprintf(want, sizeof(want), "%s smap smep", fake.cfg.kernel);
	CHECK_STR((char *)ram(mbi(16)), want);
}

TEST(command_line_without_params_is_the_path)
{
	make_mb(0);
	fake.cfg.params = "";
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_STR((char *)ram(mbi(16)), fake.cfg.kernel);
}

TEST(initrd_is_a_module_behind_the_kernel)
{
	u32 mod;

	make_mb(1);
	fake.cfg.initrd = file_with("A=1\n", 4);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK_EQ(mbi(0), 1 | 4 | 8 | 64 | 512);
	CHECK_EQ(mbi(20), 1);
	mod = mbi(24);
	CHECK_EQ(get_le32(ram(mod)), 2 * MIB + 0x3000);	/* after the bss, page aligned */
	CHECK_EQ(get_le32(ram(mod + 4)), 2 * MIB + 0x3000 + 4);
	CHECK_STR((char *)ram(get_le32(ram(mod + 8))), fake.cfg.initrd);
	CHECK_EQ(get_le32(ram(mod + 12)), 0);
	CHECK(!memcmp(ram(2 * MIB + 0x3000), "A=1\n", 4));
	CHECK_STR((char *)ram(mbi(16)), fake.cfg.kernel);	/* not overwritten by the module's string */
}

TEST(module_without_room_is_refused)
{
	make_mb(0);
	put_le32(img + 52 + 20, 62 * MIB - 4096);
	fake.cfg.initrd = file_with(img, 4097);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOSPC, "no room for its 4097 bytes");
}

TEST(long_command_line_is_refused)
{
	static char params[64 * KIB];

	make_mb(0);
	memset(params, 'a', sizeof(params) - 1);
	fake.cfg.params = params;
	CHECK_REFUSED(boot(img, ELF_SIZE), -E2BIG, "is too long");
}

/* A file that is no ELF: header at 0x40, loads 0x40.. to 3 MiB. */
static void make_raw(u32 load_end, u32 bss_end)
{
	unsigned int i;

	for (i = 0; i < ELF_SIZE; i++)
		img[i] = (u8)(i * 3 + i / 256);
	put_multiboot(img + 0x40, 1 << 16);
	put_le32(img + 0x4c, 3 * MIB + 0x20);	/* header_addr: 0x20 behind the load address */
	put_le32(img + 0x50, 3 * MIB);
	put_le32(img + 0x54, load_end);
	put_le32(img + 0x58, bss_end);
	put_le32(img + 0x5c, 3 * MIB + 8);
}

TEST(addresses_in_the_header_load_any_file)
{
	make_raw(3 * MIB + 0x1000, 3 * MIB + 0x2000);
	fake_vcpu.started = true;
	memset(ram(3 * MIB), 0xff, 0x3000);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK(!memcmp(ram(3 * MIB), img + 0x20, 0x1000));
	CHECK_EQ(*ram(3 * MIB + 0x1000), 0);
	CHECK_EQ(*ram(3 * MIB + 0x1fff), 0);
	CHECK_EQ(*ram(3 * MIB + 0x2000), 0xff);
	CHECK_EQ(fake_entry.rip, 3 * MIB + 8);
}

TEST(load_end_zero_means_the_whole_file)
{
	make_raw(0, 0);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	CHECK(!memcmp(ram(3 * MIB), img + 0x20, ELF_SIZE - 0x20));
}

static int with_address(unsigned int off, u32 val)
{
	make_raw(3 * MIB + 0x1000, 3 * MIB + 0x2000);
	put_le32(img + off, val);
	return boot(img, ELF_SIZE);
}

TEST(bad_addresses_are_refused)
{
	CHECK_REFUSED(with_address(0x4c, 3 * MIB - 1), -ENOEXEC, "bad addresses");	/* header below load */
	CHECK_REFUSED(with_address(0x4c, 3 * MIB + 0x41), -ENOEXEC, "bad addresses");	/* begins before the file */
	CHECK_REFUSED(with_address(0x54, 3 * MIB - 1), -ENOEXEC, "bad addresses");
	CHECK_REFUSED(with_address(0x58, 3 * MIB + 0xfff), -ENOEXEC, "bad addresses");
	CHECK_REFUSED(with_address(0x54, 3 * MIB + ELF_SIZE), -ENOEXEC, "bad addresses");
	CHECK_REFUSED(with_address(0x58, 64 * MIB + 1), -ENOSPC, "at address 0x300000 do not fit in the guest's 64 MiB");
	CHECK_REFUSED(with_address(0x5c, 0xd0000000), -ENOEXEC, "entry 0xd0000000 is outside");
	make_raw(3 * MIB + ELF_SIZE, 0);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENODATA, "truncated");
	make_raw(0, 0);
	put_le32(img + 0x4c, 0x8020);
	put_le32(img + 0x50, 0x8000);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "bad addresses");	/* below 1 MiB */
}

TEST(header_without_addresses_needs_elf)
{
	make_raw(0, 0);
	put_multiboot(img + 0x40, 3);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "gives no addresses");
}

TEST(required_features_we_lack_are_refused)
{
	make_mb(4);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "requires a video mode");
	make_mb(8);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "requires unknown features (flags 0x8)");
	make_mb(0xfffe0000);	/* optional ones */
	CHECK_BOOTS(boot(img, ELF_SIZE));
}

TEST(header_is_searched_in_8192_bytes)
{
	make_elf32(img);
	put_multiboot(img + 8192 - 12, 0);
	CHECK_BOOTS(boot(img, ELF_SIZE));
	make_elf32(img);
	put_multiboot(img + 8192 - 8, 0);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "neither a PVH entry note nor a multiboot header");
	make_elf32(img);
	put_multiboot(img + 0x1002, 0);		/* not aligned */
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "neither");
	make_mb(0);
	img[0x1008]++;				/* checksum */
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "neither");
}

TEST(kernel_above_4_gib_is_refused)
{
	make_elf64(img, NULL, 0);
	put_multiboot(img + 0x1000, 0);
	put_le64(img + 64 + 24, 4 * GIB);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "must lie below 4 GiB");
}

/* As kvm-unit-tests' realmode has it. */
static int low_segment(u32 addr, u32 memsz)
{
	make_mb(0);
	put_le32(img + 24, addr + 0x10);
	put_le32(img + 52 + 8, addr);
	put_le32(img + 52 + 12, addr);
	put_le32(img + 52 + 20, memsz);
	return boot(img, ELF_SIZE);
}

TEST(kernel_below_1_mib_boots)
{
	fake.cfg.initrd = file_with("A=1\n", 4);
	CHECK_BOOTS(low_segment(0x8000, 0x18000));
	CHECK_EQ(fake_entry.rip, 0x8010);
	CHECK(!memcmp(ram(0x8000), img + ELF_DATA, ELF_SIZE - ELF_DATA));
	CHECK_EQ(get_le32(ram(mbi(24))), 1 * MIB);	/* what follows the kernel is ours, or no RAM */
	fake.cfg.initrd = NULL;
	CHECK_BOOTS(low_segment(0x2000, 0x1e000));
}

TEST(kernel_over_what_we_tell_it_is_refused)
{
	CHECK_REFUSED(low_segment(0x1000, 0x4000), -ENOEXEC, "linked to address 0x1000, below 1 MiB");
	CHECK_REFUSED(low_segment(0x8000, 0x18001), -ENOEXEC, "below 1 MiB");
	CHECK_REFUSED(low_segment(0x20000, 0x4000), -ENOEXEC, "below 1 MiB");
	CHECK_REFUSED(low_segment(0xff000, 0x4000), -ENOEXEC, "below 1 MiB");
	make_elf64(img, pvh_note, sizeof(pvh_note));	/* the PVH entry goes before, and its info lies there */
	put_multiboot(img + 0x1000, 0);
	put_le64(img + 64 + 24, 0x8000);
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "linked to address 0x8000, below 1 MiB");
}

TEST(forced_multiboot_needs_a_header)
{
	make_elf32(img);
	fake.cfg.kernel_format = KERNEL_MULTIBOOT;
	CHECK_REFUSED(boot(img, ELF_SIZE), -ENOEXEC, "no multiboot header");
	CHECK_REFUSED(boot(img, 20), -ENODATA, "truncated");
	make_bzimage(img);
	CHECK_REFUSED(boot(img, BZ_SIZE), -ENOEXEC, "no multiboot header");
}

int main(void)
{
	RUN_IN_VM(elf32_enters_at_its_entry, 64 * MIB, 0);
	RUN_IN_VM(elf64_enters_in_32_bit_mode, 64 * MIB, 0);
	RUN_IN_VM(pvh_note_goes_before_a_multiboot_header, 64 * MIB, 0);
	RUN_IN_VM(info_tells_memory, 64 * MIB, 64 * MIB);
	RUN_IN_VM(command_line_is_path_and_params_only, 64 * MIB, 0);
	RUN_IN_VM(command_line_without_params_is_the_path, 64 * MIB, 0);
	RUN_IN_VM(initrd_is_a_module_behind_the_kernel, 64 * MIB, 0);
	RUN_IN_VM(module_without_room_is_refused, 64 * MIB, 64 * MIB);
	RUN_IN_VM(long_command_line_is_refused, 64 * MIB, 0);
	RUN_IN_VM(addresses_in_the_header_load_any_file, 64 * MIB, 0);
	RUN_IN_VM(load_end_zero_means_the_whole_file, 64 * MIB, 0);
	RUN_IN_VM(bad_addresses_are_refused, 64 * MIB, 0);
	RUN_IN_VM(header_without_addresses_needs_elf, 64 * MIB, 0);
	RUN_IN_VM(required_features_we_lack_are_refused, 64 * MIB, 0);
	RUN_IN_VM(header_is_searched_in_8192_bytes, 64 * MIB, 0);
	RUN_IN_VM(kernel_above_4_gib_is_refused, 64 * MIB, 64 * MIB);
	RUN_IN_VM(kernel_below_1_mib_boots, 64 * MIB, 0);
	RUN_IN_VM(kernel_over_what_we_tell_it_is_refused, 64 * MIB, 0);
	RUN_IN_VM(forced_multiboot_needs_a_header, 64 * MIB, 0);
	return tap_done();
}
