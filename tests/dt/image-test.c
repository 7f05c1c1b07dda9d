/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel files: what is taken, as what, and what is refused by which name.
 * [Linux Documentation/arch/arm64/booting.rst 4.], [Linux drivers/firmware/efi/libstub/zboot-header.S]
 * links: dt/boot.c dt/image.c dt/tree.c dt/devices.c dt/dump.c boot-image.c boot-guess.c memory.c device.c
 * links: util/decompress.c util/error.c util/str.c util/io.c util/cleanup.c
 */
#include "tests/dt/dt-fake.h"

#include "tests/util/pack.h"

static u8 image[IMAGE_BYTES];

/* Boots the image packed as @c, alone or in a container. */
static void boots_packed(enum compression c, bool zboot)
{
	size_t len, box_len;
	u8 *packed, *box;
	int r;

	make_image(image);
	packed = test_pack(c, image, sizeof(image), &len);
	if (!packed)
		SKIP("built without its library");
	box = make_zboot(packed, len, compression_name(c), &box_len);
	r = zboot ? boot(box, box_len) : boot(packed, len);
	free(box);
	free(packed);
	CHECK_BOOTS(r);
	CHECK_EQ(fake_entry.kernel, FAKE_RAM);
	CHECK(!memcmp(ram(FAKE_RAM), image, sizeof(image)));
	CHECK(tree());
}

TEST(gzip_is_unpacked) { boots_packed(COMPRESSION_GZIP, false); }
TEST(zstd_is_unpacked) { boots_packed(COMPRESSION_ZSTD, false); }
TEST(xz_is_unpacked) { boots_packed(COMPRESSION_XZ, false); }
TEST(zboot_with_gzip_is_unpacked) { boots_packed(COMPRESSION_GZIP, true); }
TEST(zboot_with_zstd_is_unpacked) { boots_packed(COMPRESSION_ZSTD, true); }
TEST(zboot_with_xz_is_unpacked) { boots_packed(COMPRESSION_XZ, true); }

TEST(file_beyond_image_size_is_not_loaded)
{
	size_t len;
	u8 *packed;
	int r;

	make_image(image);
	put_le64(image + 16, 20 * 1024);
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK(!memcmp(ram(FAKE_RAM), image, 20 * 1024));
	CHECK_EQ(*ram(FAKE_RAM + 20 * 1024 + 1), 0);
	packed = test_pack(COMPRESSION_GZIP, image, sizeof(image), &len);
	if (!packed)
		SKIP("built without zlib");
	memset(ram(FAKE_RAM), 0, sizeof(image));
	r = boot(packed, len);
	free(packed);
	CHECK_BOOTS(r);
	CHECK(!memcmp(ram(FAKE_RAM), image, 20 * 1024));
	CHECK_EQ(*ram(FAKE_RAM + 20 * 1024 + 1), 0);
}

TEST(header_without_image_size_means_the_file_at_the_old_offset)
{
	size_t len;
	u8 *packed;
	int r;

	make_image(image);
	put_le64(image + 8, 0x1234567800000000);	/* in the byte order of the kernel, they say */
	put_le64(image + 16, 0);
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(fake_entry.kernel, FAKE_RAM + 0x80000);
	CHECK(!memcmp(ram(fake_entry.kernel), image, sizeof(image)));
	packed = test_pack(COMPRESSION_GZIP, image, sizeof(image), &len);
	if (!packed)
		SKIP("built without zlib");
	r = boot(packed, len);
	free(packed);
	CHECK_REFUSED(r, -EOPNOTSUPP, "without image_size");
}

TEST(big_endian_kernel_is_refused)
{
	make_image(image);
	image[24] |= 1;
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOEXEC, "a big-endian kernel");
}

TEST(unknown_file_is_flat_code)
{
	memset(image, 0xfa, sizeof(image));
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(fake_entry.kernel, FAKE_RAM + 0x80000);
	CHECK(!memcmp(ram(fake_entry.kernel), image, sizeof(image)));
	CHECK_BOOTS(boot(image, 4));
	CHECK_EQ(fake_entry.kernel, FAKE_RAM + 0x80000);
}

TEST(flat_format_takes_anything)
{
	make_image(image);
	fake.cfg.kernel_format = KERNEL_FLAT;
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(fake_entry.kernel, FAKE_RAM + 0x80000);
	fake_machine.flat_offset = 64 * MIB - sizeof(image) + 1;
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "do not fit");
}

TEST(image_format_takes_images_only)
{
	fake.cfg.kernel_format = KERNEL_IMAGE;
	make_image(image);
	CHECK_BOOTS(boot(image, sizeof(image)));
	memset(image, 0xfa, sizeof(image));
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOEXEC, "not an arm64 kernel Image, but a file of unknown content");
	fake.cfg.kernel_format = KERNEL_BZIMAGE;
	CHECK_REFUSED(boot(image, sizeof(image)), -EINVAL, "--kernel-format");
}

TEST(header_cut_short_is_no_header)
{
	fake.cfg.kernel_format = KERNEL_IMAGE;
	make_image(image);
	CHECK_REFUSED(boot(image, 63), -ENOEXEC, "not an arm64 kernel Image");
	CHECK_BOOTS(boot(image, 64));
}

TEST(kernels_of_other_machines_are_named)
{
	make_image(image);
	memcpy(image + 0x38, "RSC\5", 4);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOEXEC, "not an arm64 kernel Image, but a riscv kernel Image");
	memset(image, 0, sizeof(image));
	memcpy(image + 0x202, "HdrS", 4);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOEXEC, "but an x86 bzImage");
	memset(image, 0, sizeof(image));
	memcpy(image, "\x7f" "ELF\2\1\1", 7);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOEXEC, "but an ELF file");
}

TEST(known_files_are_named)
{
	size_t len;
	u8 *packed;
	int r;

	CHECK_REFUSED(boot("#!/bin/sh\n", 10), -ENOEXEC, "but a script");
	CHECK_REFUSED(boot("hello world\n", 12), -ENOEXEC, "but a text file");
	memset(image, 0, sizeof(image));
	memcpy(image, "070701", 6);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOEXEC, "but a cpio archive");
	memset(image, 0xfa, sizeof(image));
	packed = test_pack(COMPRESSION_GZIP, image, sizeof(image), &len);
	if (!packed)
		SKIP("built without zlib");
	r = boot(packed, len);
	free(packed);
	CHECK_REFUSED(r, -ENOEXEC, "but gzip-compressed: file of unknown content");
}

TEST(packed_kernel_of_another_machine_is_named)
{
	size_t len;
	u8 *packed;
	int r;

	make_image(image);
	memcpy(image + 0x38, "RSC\5", 4);
	packed = test_pack(COMPRESSION_GZIP, image, sizeof(image), &len);
	if (!packed)
		SKIP("built without zlib");
	r = boot(packed, len);
	free(packed);
	CHECK_REFUSED(r, -ENOEXEC, "but gzip-compressed: a riscv kernel Image");
}

/* --- the container's header --- */

static u8 *box;
static size_t box_len;

static bool make_box(void)
{
	size_t len;
	u8 *packed;

	make_image(image);
	free(box);
	box = NULL;
	packed = test_pack(COMPRESSION_GZIP, image, sizeof(image), &len);
	if (packed)
		box = make_zboot(packed, len, "gzip", &box_len);
	free(packed);
	return box;
}

TEST(zboot_of_another_machine_is_refused)
{
	if (!make_box())
		SKIP("built without zlib");
	memcpy(box + 0x44, "\x64\x50", 2);
	CHECK_REFUSED(boot(box, box_len), -ENOEXEC, "a compressed EFI kernel (zboot) of another architecture");
}

TEST(zboot_with_a_bad_pe_header_is_refused)
{
	static const u32 bad[] = { 0, 0x41, BOOT_IMAGE_HEAD - 3, BOOT_IMAGE_HEAD, 0x7fffffff, 0xfffffffc, 0xffffffff };
	unsigned int i;

	if (!make_box())
		SKIP("built without zlib");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		put_le32(box + 0x3c, bad[i]);
		CHECK_REFUSED(boot(box, box_len), -EINVAL, "without a PE header");
	}
}

TEST(zboot_payload_outside_the_file_is_refused)
{
	if (!make_box())
		SKIP("built without zlib");
	put_le32(box + 8, 0xfffffff0);
	CHECK_REFUSED(boot(box, box_len), -ENODATA, "truncated");
	make_box();
	put_le32(box + 12, 0xffffffff);
	CHECK_REFUSED(boot(box, box_len), -ENODATA, "truncated");
	make_box();
	put_le32(box + 12, (u32)box_len - ZBOOT_HEADER + 1);
	CHECK_REFUSED(boot(box, box_len), -ENODATA, "truncated");
	make_box();
	put_le32(box + 12, 0);
	CHECK_REFUSED(boot(box, box_len), -ENODATA, "truncated");
	make_box();
	put_le32(box + 8, (u32)box_len);
	CHECK_REFUSED(boot(box, box_len), -ENODATA, "truncated");
}

TEST(zboot_payload_that_is_cut_short_is_refused)
{
	if (!make_box())
		SKIP("built without zlib");
	put_le32(box + 12, get_le32(box + 12) - 9);
	CHECK_REFUSED(boot(box, box_len), -ENODATA, "truncated gzip data");
}

TEST(zboot_with_an_unknown_compression_is_refused)
{
	if (!make_box())
		SKIP("built without zlib");
	memset(box + ZBOOT_HEADER, 0x77, 16);
	strcpy((char *)box + 24, "lzfoo");
	CHECK_REFUSED(boot(box, box_len), -EOPNOTSUPP, "compressed as 'lzfoo', which lkvm does not unpack");
	memset(box + 24, 'x', 32);		/* no end, and then what no terminal should see */
	CHECK_REFUSED(boot(box, box_len), -EOPNOTSUPP, "'xxxxxxxxxxxxxxxx'");
	memcpy(box + 24, "a\033[2J", 6);
	CHECK_REFUSED(boot(box, box_len), -EOPNOTSUPP, "'a'");
	make_box();
	memcpy(box + ZBOOT_HEADER, "\x02\x21\x4c\x18", 4);
	CHECK_REFUSED(boot(box, box_len), -EOPNOTSUPP, "lz4-compressed, which lkvm does not unpack");
}

TEST(zboot_that_holds_no_image_is_refused)
{
	size_t len;
	u8 *packed;

	memset(image, 0xfa, sizeof(image));
	packed = test_pack(COMPRESSION_GZIP, image, sizeof(image), &len);
	if (!packed)
		SKIP("built without zlib");
	free(box);
	box = make_zboot(packed, len, "gzip", &box_len);
	free(packed);
	CHECK_REFUSED(boot(box, box_len), -ENOEXEC, "but gzip-compressed: file of unknown content");
}

TEST(zboot_restarts_from_the_same_file)
{
	if (!make_box())
		SKIP("built without zlib");
	fake.cfg.reboot = true;
	CHECK_BOOTS(boot(box, box_len));
	memset(ram(FAKE_RAM), 0xff, sizeof(image));
	CHECK_BOOTS(dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err));
	CHECK(!memcmp(ram(FAKE_RAM), image, sizeof(image)));
}

TEST(content_larger_than_ram_is_cut_by_image_size)
{
	size_t len;
	u8 *packed, *big = calloc(1, 9 * MIB);
	int r;

	make_image(image);
	memcpy(big, image, sizeof(image));
	packed = test_pack(COMPRESSION_GZIP, big, 9 * MIB, &len);
	r = packed ? boot(packed, len) : 0;
	free(big);
	if (!packed)
		SKIP("built without zlib");
	free(packed);
	CHECK_BOOTS(r);
	CHECK(!memcmp(ram(FAKE_RAM), image, sizeof(image)));
}

int main(void)
{
	RUN_IN_VM(gzip_is_unpacked, 64 * MIB);
	RUN_IN_VM(zstd_is_unpacked, 64 * MIB);
	RUN_IN_VM(xz_is_unpacked, 64 * MIB);
	RUN_IN_VM(zboot_with_gzip_is_unpacked, 64 * MIB);
	RUN_IN_VM(zboot_with_zstd_is_unpacked, 64 * MIB);
	RUN_IN_VM(zboot_with_xz_is_unpacked, 64 * MIB);
	RUN_IN_VM(file_beyond_image_size_is_not_loaded, 64 * MIB);
	RUN_IN_VM(header_without_image_size_means_the_file_at_the_old_offset, 64 * MIB);
	RUN_IN_VM(big_endian_kernel_is_refused, 64 * MIB);
	RUN_IN_VM(unknown_file_is_flat_code, 64 * MIB);
	RUN_IN_VM(flat_format_takes_anything, 64 * MIB);
	RUN_IN_VM(image_format_takes_images_only, 64 * MIB);
	RUN_IN_VM(header_cut_short_is_no_header, 64 * MIB);
	RUN_IN_VM(kernels_of_other_machines_are_named, 64 * MIB);
	RUN_IN_VM(known_files_are_named, 64 * MIB);
	RUN_IN_VM(packed_kernel_of_another_machine_is_named, 64 * MIB);
	RUN_IN_VM(zboot_of_another_machine_is_refused, 64 * MIB);
	RUN_IN_VM(zboot_with_a_bad_pe_header_is_refused, 64 * MIB);
	RUN_IN_VM(zboot_payload_outside_the_file_is_refused, 64 * MIB);
	RUN_IN_VM(zboot_payload_that_is_cut_short_is_refused, 64 * MIB);
	RUN_IN_VM(zboot_with_an_unknown_compression_is_refused, 64 * MIB);
	RUN_IN_VM(zboot_that_holds_no_image_is_refused, 64 * MIB);
	RUN_IN_VM(zboot_restarts_from_the_same_file, 64 * MIB);
	RUN_IN_VM(content_larger_than_ram_is_cut_by_image_size, 8 * MIB);
	free(box);
	return tap_done();
}
