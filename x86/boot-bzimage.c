/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linux bzImage by its 64-bit entry [Linux x86 boot: "64-bit Boot Protocol",
 * Documentation/arch/x86/boot.rst of 6.12, and zero-page.rst beside it].
 *
 * The protected-mode part is read to pref_address; a relocatable kernel moves
 * itself up to there when it finds itself below, so another place gains
 * nothing. The CPU starts at +0x200 in long mode with the zero page in rsi.
 * The real-mode part never runs.
 *
 * Left out on purpose: the 16- and 32-bit entries, hence kernels before
 * protocol 2.12 (Linux 3.8) and 32-bit kernels; both are refused by name.
 * Main thread, no vCPU running.
 */
#include "x86/boot.h"

#include <errno.h>
#include <string.h>

/* The setup header, by its offset in the file and in the zero page alike. */
enum {
	HDR_SETUP_SECTS = 0x1f1,
	HDR_SYSSIZE = 0x1f4,
	HDR_BOOT_FLAG = 0x1fe,
	HDR_JUMP_LEN = 0x201,		/* the header ends that far behind 0x202 */
	HDR_MAGIC = 0x202,
	HDR_VERSION = 0x206,
	HDR_TYPE_OF_LOADER = 0x210,
	HDR_LOADFLAGS = 0x211,
	HDR_RAMDISK_IMAGE = 0x218,
	HDR_RAMDISK_SIZE = 0x21c,
	HDR_CMD_LINE_PTR = 0x228,
	HDR_INITRD_ADDR_MAX = 0x22c,
	HDR_KERNEL_ALIGNMENT = 0x230,
	HDR_RELOCATABLE = 0x234,
	HDR_XLOADFLAGS = 0x236,
	HDR_CMDLINE_SIZE = 0x238,
	HDR_PREF_ADDRESS = 0x258,
	HDR_INIT_SIZE = 0x260,
	HDR_END_2_12 = 0x268,		/* where the header of protocol 2.12 ends */
	HDR_END_MAX = 0x290,		/* what follows in the zero page is not header */
};

enum {
	LOADFLAG_LOADED_HIGH = 1,
	XLF_KERNEL_64 = 1,
	XLF_CAN_BE_LOADED_ABOVE_4G = 2,
	PROTOCOL_MIN = 0x20c,
	LOADER_UNDEFINED = 0xff,
	ENTRY_64 = 0x200,
};

/* The zero page. [zero-page.rst] */
enum {
	ZP_SIZE = 4096,
	ZP_ACPI_RSDP_ADDR = 0x70,
	ZP_EXT_RAMDISK_IMAGE = 0xc0,
	ZP_EXT_RAMDISK_SIZE = 0xc4,
	ZP_EXT_CMD_LINE_PTR = 0xc8,
	ZP_E820_ENTRIES = 0x1e8,
	ZP_E820_TABLE = 0x2d0,
	ZP_E820_SIZE = 20,
};

bool bzimage_detect(const struct boot_image *img)
{
	return img->head_len >= HDR_VERSION + 2 && get_le16(img->head + HDR_BOOT_FLAG) == 0xaa55 &&
	       !memcmp(img->head + HDR_MAGIC, "HdrS", 4);
}

int x86_boot_linux(struct x86_boot *b, const u8 *setup, size_t len, u64 entry, struct error *err)
{
	gpa_t initrd_limit = 4 * GIB;
	struct boot_area initrd = { 0 };
	u64 cmdline_max = BOOT_CMDLINE_MAX;
	u8 zp[ZP_SIZE], *e;
	unsigned int i;
	int r;

	memset(zp, 0, sizeof(zp));
	if (setup) {
		memcpy(zp + HDR_SETUP_SECTS, setup, len);
		initrd_limit = get_le32(zp + HDR_INITRD_ADDR_MAX) + 1ULL;
		if (get_le16(zp + HDR_XLOADFLAGS) & XLF_CAN_BE_LOADED_ABOVE_4G)
			initrd_limit = UINT64_MAX;
		cmdline_max = MIN(cmdline_max, get_le32(zp + HDR_CMDLINE_SIZE) + 1ULL);
	} else {
		put_le16(zp + HDR_BOOT_FLAG, 0xaa55);
		memcpy(zp + HDR_MAGIC, "HdrS", 4);
		put_le16(zp + HDR_VERSION, PROTOCOL_MIN);
		zp[HDR_LOADFLAGS] = LOADFLAG_LOADED_HIGH;
	}
	r = x86_boot_initrd(b, initrd_limit, &initrd, err);
	if (r < 0)
		return r;
	r = x86_boot_cmdline(b, cmdline_max, err);
	if (r < 0)
		return r;
	zp[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
	put_le32(zp + HDR_CMD_LINE_PTR, BOOT_CMDLINE_ADDR);
	put_le32(zp + ZP_EXT_CMD_LINE_PTR, BOOT_CMDLINE_ADDR >> 32);
	put_le32(zp + HDR_RAMDISK_IMAGE, (u32)initrd.start);
	put_le32(zp + ZP_EXT_RAMDISK_IMAGE, initrd.start >> 32);
	put_le32(zp + HDR_RAMDISK_SIZE, (u32)(initrd.end - initrd.start));
	put_le32(zp + ZP_EXT_RAMDISK_SIZE, (initrd.end - initrd.start) >> 32);
	put_le64(zp + ZP_ACPI_RSDP_ADDR, b->rsdp);
	zp[ZP_E820_ENTRIES] = b->nr_e820;
	for (i = 0, e = zp + ZP_E820_TABLE; i < b->nr_e820; i++, e += ZP_E820_SIZE) {
		put_le64(e, b->e820[i].addr);
		put_le64(e + 8, b->e820[i].size);
		put_le32(e + 16, b->e820[i].type);
	}
	r = x86_boot_write(b, BOOT_ZERO_PAGE_ADDR, zp, sizeof(zp), err);
	if (r < 0)
		return r;
	return x86_boot_enter64(b, entry, BOOT_ZERO_PAGE_ADDR, err);
}

/* Where the kernel runs, all of its init_size in RAM below 4 GiB. */
static int find_load_address(struct x86_boot *b, const u8 *head, u64 payload, u64 *ret, struct error *err)
{
	u64 align = get_le32(head + HDR_KERNEL_ALIGNMENT);
	u64 at = get_le64(head + HDR_PREF_ADDRESS);
	u64 size = MAX(payload, (u64)get_le32(head + HDR_INIT_SIZE));

	if (head[HDR_RELOCATABLE]) {
		if (!is_power_of_two(align))
			return error_set(err, -ENOEXEC, "kernel '%s': bad bzImage: kernel_alignment is 0x%llx",
					 b->kernel.path, (unsigned long long)align);
		at = MAX(at, (u64)MIB);
		if (at <= 4 * GIB)
			at = align_up(at, align);
	}
	if (at < MIB || at >= 4 * GIB)
		return error_set(err, -ENOEXEC, "kernel '%s': bad bzImage: pref_address is 0x%llx", b->kernel.path,
				 (unsigned long long)get_le64(head + HDR_PREF_ADDRESS));
	if (!guest_ptr(b->gm, at, size) || size > 4 * GIB - at)
		return error_set(err, -ENOSPC,
				 "kernel '%s': it needs %s of RAM at address 0x%llx, and the guest has %s in all; give more with --mem",
				 b->kernel.path, SIZE_TEXT(size), (unsigned long long)at,
				 SIZE_TEXT(guest_ram_size(b->gm)));
	b->used = (struct boot_area){ at, at + size };
	*ret = at;
	return 0;
}

int x86_boot_bzimage(struct x86_boot *b, struct error *err)
{
	unsigned int version, setup_sects, header_end;
	u64 payload, at = 0;
	u8 head[HDR_END_MAX];
	int r;

	memset(head, 0, sizeof(head));
	r = boot_image_read(&b->kernel, 0, head, HDR_VERSION + 2, err);
	if (r < 0)
		return r;
	version = get_le16(head + HDR_VERSION);
	if (version < PROTOCOL_MIN)
		return error_set(err, -ENOEXEC,
				 "kernel '%s': boot protocol %u.%02u is too old: the 64-bit entry needs 2.12 (Linux 3.8)",
				 b->kernel.path, version >> 8, version & 0xff);
	header_end = MIN(HDR_MAGIC + (unsigned int)head[HDR_JUMP_LEN], (unsigned int)HDR_END_MAX);
	header_end = MAX(header_end, (unsigned int)HDR_END_2_12);
	r = boot_image_read(&b->kernel, 0, head, header_end, err);
	if (r < 0)
		return r;
	if (!(get_le16(head + HDR_XLOADFLAGS) & XLF_KERNEL_64))
		return error_set(err, -ENOEXEC, "kernel '%s': a 32-bit kernel, without the 64-bit entry", b->kernel.path);
	if (!(head[HDR_LOADFLAGS] & LOADFLAG_LOADED_HIGH))
		return error_set(err, -ENOEXEC, "kernel '%s': a zImage, which loads low; build a bzImage", b->kernel.path);

	setup_sects = head[HDR_SETUP_SECTS] ? head[HDR_SETUP_SECTS] : 4;
	payload = get_le32(head + HDR_SYSSIZE) * 16ULL;
	if (payload <= ENTRY_64)
		return error_set(err, -ENOEXEC, "kernel '%s': bad bzImage: %llu bytes of kernel", b->kernel.path,
				 (unsigned long long)payload);
	r = find_load_address(b, head, payload, &at, err);
	if (r < 0)
		return r;
	/* syssize counts paragraphs: the file may end within the last one. */
	r = boot_image_load_slack(&b->kernel, (setup_sects + 1) * 512, b->gm, at, payload, 15, err);
	if (r < 0)
		return r;
	return x86_boot_linux(b, head + HDR_SETUP_SECTS, header_end - HDR_SETUP_SECTS, at + ENTRY_64, err);
}
