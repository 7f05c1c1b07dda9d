/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flat real-mode code and firmware.
 *
 * links: x86/boot.c x86/boot-bzimage.c x86/boot-elf.c x86/boot-multiboot.c x86/boot-flat.c boot-image.c boot-guess.c memory.c
 * links: util/decompress.c util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "tests/x86/boot-fake.h"
#include "util/log.h"

static u8 img[256 * 1024];

static void fill(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(img); i++)
		img[i] = (u8)(0xf4 + i / 4096);
}

TEST(flat_code_starts_at_1000_0)
{
	fill();
	CHECK_BOOTS(boot(img, 64 * KIB));
	CHECK(!memcmp(ram(0x10000), img, 64 * KIB));
	CHECK_EQ(fake_entry.mode, BOOT_REAL16);
	CHECK_EQ(fake_entry.cs_selector, 0x1000);
	CHECK_EQ(fake_entry.rip, 0);
	CHECK_EQ(fake_entry.rsp, 0x8000);
}

TEST(one_byte_is_flat_code)
{
	CHECK_BOOTS(boot("\xf4", 1));
	CHECK_EQ(*ram(0x10000), 0xf4);
}

TEST(boot_sector_is_flat_code)
{
	memset(img, 0x90, 512);
	put_le16(img + 510, 0xaa55);
	CHECK_BOOTS(boot(img, 512));
	CHECK_EQ(fake_entry.mode, BOOT_REAL16);
}

TEST(larger_file_without_signature_is_refused)
{
	fill();
	CHECK_REFUSED(boot(img, 64 * KIB + 1), -ENOEXEC, "neither bzImage, ELF nor multiboot");
	fake.cfg.kernel_format = KERNEL_FLAT;
	CHECK_REFUSED(boot(img, 64 * KIB + 1), -EFBIG, "too large for a flat binary");
}

TEST(forced_flat_takes_any_content)
{
	fake.cfg.kernel_format = KERNEL_FLAT;
	CHECK_BOOTS(boot("#!/bin/sh\n", 10));
	CHECK_EQ(fake_entry.mode, BOOT_REAL16);
	make_bzimage(img);
	CHECK_BOOTS(boot(img, BZ_SIZE));
	CHECK_EQ(fake_entry.mode, BOOT_REAL16);
}

TEST(flat_segment_is_fresh_at_a_restart)
{
	*ram(0x1ffff) = 0xff;
	fake_vcpu.started = true;
	CHECK_BOOTS(boot("\xf4", 1));
	CHECK_EQ(*ram(0x1ffff), 0);
}

TEST(flat_segment_must_be_ram)
{
	struct guest_range all = fake.mem.ram[0];
	int r;

	fake_vcpu.started = true;
	fake.mem.ram[0].size = 0x18000;
	r = boot("\xf4", 1);
	fake.mem.ram[0] = all;
	CHECK_REFUSED(r, -EFAULT, "wants zeroed at 0x10001 is not RAM");
	fake.mem.ram[0].size = 0x10000;
	r = boot("\xf4", 1);
	fake.mem.ram[0] = all;
	CHECK_REFUSED(r, -EFAULT, "lie outside the guest's RAM");
}

TEST(flat_code_boots_beside_useless_options)
{
	fake.cfg.initrd = "/nonexistent";
	fake.cfg.params = "quiet";
	CHECK_BOOTS(boot("\xf4", 1));
}

static int firmware(size_t len)
{
	memset(&fake_entry, 0xee, sizeof(fake_entry));
	fake.cfg.firmware = file_with(img, len);
	return x86_boot_load(&fake, &fake_entry, &fake_err);
}

TEST(firmware_ends_at_4_gib_and_at_1_mib)
{
	fill();
	CHECK_BOOTS(firmware(256 * KIB));
	CHECK_EQ(fake_entry.mode, BOOT_RESET_VECTOR);
	CHECK_EQ(fake_slot.added, 1);
	CHECK_EQ(fake_slot.gpa, 4 * GIB - 256 * KIB);
	CHECK_EQ(fake_slot.size, 256 * KIB);
	CHECK_EQ(fake_slot.flags, MEMSLOT_READONLY);
	CHECK(!memcmp(fake_slot.hva, img, 256 * KIB));
	CHECK(!memcmp(ram(0xe0000), img + 128 * KIB, 128 * KIB));
}

TEST(small_firmware_ends_at_1_mib_too)
{
	fill();
	CHECK_BOOTS(firmware(4096));
	CHECK_EQ(fake_slot.gpa, 4 * GIB - 4096);
	CHECK(!memcmp(ram(MIB - 4096), img, 4096));
	CHECK_EQ(*ram(MIB - 4097), 0);
}

TEST(firmware_takes_the_place_of_the_kernel)
{
	fill();
	fake.cfg.kernel = "/nonexistent";
	CHECK_BOOTS(firmware(4096));
}

TEST(restart_copies_the_low_part_again_and_keeps_the_rom)
{
	fill();
	CHECK_BOOTS(firmware(8192));
	*ram(0xfffff) ^= 0xff;
	CHECK_BOOTS(firmware(8192));
	CHECK_EQ(*ram(0xfffff), img[8191]);
	CHECK_EQ(fake_slot.added, 1);
}

TEST(rom_goes_with_the_vm)
{
	struct device *dev;

	fill();
	CHECK_BOOTS(firmware(8192));
	dev = list_entry(fake.devices.next, struct device, node);
	CHECK(dev->ops->save && dev->ops->load);
	CHECK_EQ(dev->ops->save(dev, NULL, NULL), 0);
	CHECK_EQ(dev->ops->load(dev, NULL), 0);
	list_del(&dev->node);
	dev->ops->free(dev);
	CHECK_EQ(fake_slot.deleted, 1);
}

TEST(firmware_of_a_wrong_size_is_refused)
{
	CHECK_REFUSED(firmware(4095), -EINVAL, "4095 bytes; it must be a multiple of 4 KiB, and at most 16 MiB");
	fake.cfg.firmware = file_with("", 0);
	CHECK_REFUSED(x86_boot_load(&fake, &fake_entry, &fake_err), -ENODATA, "is empty");
	fake.cfg.firmware = file_with("x", 1);
	CHECK_EQ(ftruncate(file_fd[files - 1], 16 * MIB + 4096), 0);
	CHECK_REFUSED(x86_boot_load(&fake, &fake_entry, &fake_err), -EINVAL, "at most 16 MiB");
	CHECK_EQ(ftruncate(file_fd[files - 1], 16 * MIB), 0);
	CHECK_BOOTS(x86_boot_load(&fake, &fake_entry, &fake_err));
	CHECK_EQ(fake_slot.gpa, 0xff000000);
}

TEST(missing_firmware_is_named)
{
	fake.cfg.firmware = "/nonexistent/fw";
	CHECK_REFUSED(x86_boot_load(&fake, &fake_entry, &fake_err), -ENOENT, "Unable to open firmware /nonexistent/fw");
}

TEST(rom_that_cannot_be_mapped_is_an_error)
{
	fill();
	fake_slot_error = -EEXIST;
	CHECK_REFUSED(firmware(4096), -EEXIST, "cannot be mapped below 4 GiB");
	CHECK(list_empty(&fake.devices));
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_IN_VM(flat_code_starts_at_1000_0, 2 * MIB, 0);
	RUN_IN_VM(one_byte_is_flat_code, 2 * MIB, 0);
	RUN_IN_VM(boot_sector_is_flat_code, 2 * MIB, 0);
	RUN_IN_VM(larger_file_without_signature_is_refused, 2 * MIB, 0);
	RUN_IN_VM(forced_flat_takes_any_content, 2 * MIB, 0);
	RUN_IN_VM(flat_segment_is_fresh_at_a_restart, 2 * MIB, 0);
	RUN_IN_VM(flat_segment_must_be_ram, 2 * MIB, 0);
	RUN_IN_VM(flat_code_boots_beside_useless_options, 2 * MIB, 0);
	RUN_IN_VM(firmware_ends_at_4_gib_and_at_1_mib, 2 * MIB, 0);
	RUN_IN_VM(small_firmware_ends_at_1_mib_too, 2 * MIB, 0);
	RUN_IN_VM(firmware_takes_the_place_of_the_kernel, 2 * MIB, 0);
	RUN_IN_VM(restart_copies_the_low_part_again_and_keeps_the_rom, 2 * MIB, 0);
	RUN_IN_VM(rom_goes_with_the_vm, 2 * MIB, 0);
	RUN_IN_VM(firmware_of_a_wrong_size_is_refused, 2 * MIB, 0);
	RUN_IN_VM(missing_firmware_is_named, 2 * MIB, 0);
	RUN_IN_VM(rom_that_cannot_be_mapped_is_an_error, 2 * MIB, 0);
	return tap_done();
}
