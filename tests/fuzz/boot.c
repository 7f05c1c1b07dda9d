/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel files of every format, whole from x86_boot_load(): the input is either the file itself, or
 * bytes to change in a small image that boots, before and after it is compressed.
 *
 *	byte 0		template: none, bzImage, ELF64 with PVH note, ELF64, ELF32, multiboot ELF, multiboot raw,
 *			firmware
 *	byte 1		bits 0-1 compression, 2: 32 bytes of patches go behind it, 3: boots twice, 4-6 format,
 *			7: with an initrd
 *	then		the file, or patches of three bytes: offset, offset, value
 *
 * links: x86/boot.c x86/boot-bzimage.c x86/boot-elf.c x86/boot-multiboot.c x86/boot-flat.c boot-image.c boot-guess.c memory.c
 * links: util/decompress.c util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "tests/x86/boot-fake.h"

#include "tests/util/pack.h"
#include "util/log.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static size_t template(unsigned int kind, u8 *img)
{
	switch (kind) {
	case 1:
		make_bzimage(img);
		return BZ_SIZE;
	case 2:
		make_elf64(img, pvh_note, sizeof(pvh_note));
		return ELF_SIZE;
	case 3:
		make_elf64(img, NULL, 0);
		return ELF_SIZE;
	case 4:
		make_elf32(img);
		return ELF_SIZE;
	case 5:
		make_elf32(img);
		put_multiboot(img + 0x1000, 3);
		return ELF_SIZE;
	case 6:
		memset(img, 0xf4, ELF_SIZE);
		put_multiboot(img, 1 << 16);
		put_le32(img + 12, 3 * MIB);
		put_le32(img + 16, 3 * MIB);
		put_le32(img + 20, 3 * MIB + 0x1000);
		put_le32(img + 24, 3 * MIB + 0x2000);
		put_le32(img + 28, 3 * MIB);
		return ELF_SIZE;
	default:
		memset(img, 0xf4, 8192);
		return 8192;
	}
}

static void patch(u8 *img, size_t len, const u8 *data, size_t size)
{
	for (; size >= 3 && len; data += 3, size -= 3)
		img[get_le16(data) % len] = data[2];
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 img[64 * 1024];
	u8 *packed = NULL;
	const u8 *file;
	unsigned int kind, how;
	size_t len, late;

	if (size < 2)
		return 0;
	kind = data[0] % 8;
	how = data[1];
	data += 2;
	size -= 2;
	late = how & 4 ? MIN(size, (size_t)32) : 0;
	if (kind) {
		len = template(kind, img);
		patch(img, len, data + late, size - late);
	} else {
		len = MIN(size - late, sizeof(img));
		memcpy(img, data + late, len);
	}
	file = img;
	if (how & 3) {
		packed = test_pack((enum compression)(how & 3), img, len, &len);
		if (!packed)
			return 0;
		patch(packed, len, data, late);
		file = packed;
	}

	log_set_level(LOG_ERROR);
	fake_start(20 * MIB, 2 * MIB);
	fake.cfg.kernel_format = (enum kernel_format)((how >> 4 & 7) % 6);
	fake.cfg.params = "a=b";
	if (how & 0x80)
		fake.cfg.initrd = file_with("initrd", 6);
	if (kind == 7)
		fake.cfg.firmware = file_with(file, len);
	boot(file, len);
	if (how & 8) {
		fake_vcpu.started = true;	/* RAM is dirty now */
		boot(file, len);
	}
	fake_end();
	file_end();
	free(packed);
	return 0;
}
