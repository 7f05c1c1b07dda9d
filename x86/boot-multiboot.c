/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Multiboot 1 kernels [Multiboot 0.6.96], as kvm-unit-tests and teaching kernels
 * use: a header in the first 8192 bytes of an ELF file, 32 or 64 bit, or of any
 * file whose header says where it loads (the "a.out kludge"). Entered in 32-bit
 * protected mode.
 *
 * The command line is the kernel's path, a space, and --params: argv[0] comes
 * first, as under other loaders, and Linux' default parameters do not appear. The initrd is
 * the one module; its string is its path.
 *
 * Left out on purpose: video modes, which a kernel may require and is then refused; symbols, drives, APM.
 * Main thread, no vCPU running.
 */
#include "x86/boot.h"

#include <errno.h>
#include <string.h>

enum {
	MB_SEARCH = 8192,
	MB_HEADER_MAGIC = 0x1badb002,
	MB_BOOT_MAGIC = 0x2badb002,
};

/* [3.1.1] The header, by offset; what follows the checksum is there with FLAG_ADDRESSES only. */
enum {
	MBH_FLAGS = 4,
	MBH_CHECKSUM = 8,
	MBH_HEADER_ADDR = 12,
	MBH_LOAD_ADDR = 16,
	MBH_LOAD_END_ADDR = 20,
	MBH_BSS_END_ADDR = 24,
	MBH_ENTRY_ADDR = 28,
	MBH_SIZE = 32,
};

enum {
	FLAG_PAGE_ALIGN = 1 << 0,
	FLAG_MEMORY = 1 << 1,
	FLAG_VIDEO = 1 << 2,
	FLAGS_REQUIRED = 0xffff,	/* one of these that we do not know forbids to go on [3.1.2] */
	FLAG_ADDRESSES = 1 << 16,
};

/* [3.3] The information structure, by offset. */
enum {
	MBI_FLAGS = 0,
	MBI_MEM_LOWER = 4,
	MBI_MEM_UPPER = 8,
	MBI_CMDLINE = 16,
	MBI_MODS_COUNT = 20,
	MBI_MODS_ADDR = 24,
	MBI_MMAP_LENGTH = 44,
	MBI_MMAP_ADDR = 48,
	MBI_LOADER_NAME = 64,
	MBI_SIZE = 116,
	MOD_SIZE = 16,
	MMAP_SIZE = 24,
	NAME_SIZE = 8,
};

enum {
	INFO_MEMORY = 1 << 0,
	INFO_CMDLINE = 1 << 2,
	INFO_MODS = 1 << 3,
	INFO_MMAP = 1 << 6,
	INFO_LOADER_NAME = 1 << 9,
};

/* The header's offset in head[], or -1. [3.1] */
static int find_header(const struct boot_image *img)
{
	size_t len = MIN(img->head_len, (size_t)MB_SEARCH), off;
	const u8 *h;

	for (off = 0; off + MBH_HEADER_ADDR <= len; off += 4) {
		h = img->head + off;
		if (get_le32(h) == MB_HEADER_MAGIC &&
		    !(u32)(get_le32(h) + get_le32(h + MBH_FLAGS) + get_le32(h + MBH_CHECKSUM)))
			return (int)off;
	}
	return -1;
}

bool multiboot_detect(const struct boot_image *img)
{
	return find_header(img) >= 0;
}

static int mb_refuse(const struct x86_boot *b, struct error *err, const char *why)
{
	return error_set(err, -ENOEXEC, "kernel '%s': %s", b->kernel.path, why);
}

/* Loads what the header's own addresses say. [3.1.3] */
static int load_by_addresses(struct x86_boot *b, u32 header_off, u32 *ret_entry, struct error *err)
{
	u32 header, load, load_end;
	u64 off, len, bss_end;
	u8 h[MBH_SIZE];
	int r;

	r = boot_image_read(&b->kernel, header_off, h, sizeof(h), err);
	if (r < 0)
		return r;
	header = get_le32(h + MBH_HEADER_ADDR);
	load = get_le32(h + MBH_LOAD_ADDR);
	load_end = get_le32(h + MBH_LOAD_END_ADDR);
	bss_end = get_le32(h + MBH_BSS_END_ADDR);
	if (header < load || header - load > header_off || load < MIB || (load_end && load_end < load))
		return mb_refuse(b, err, "bad addresses in its multiboot header");
	off = header_off - (header - load);
	if (load_end)
		len = load_end - load;
	else if (b->kernel.size != UINT64_MAX)
		len = b->kernel.size - off;
	else
		return mb_refuse(b, err, "its multiboot header does not tell its size; unpack the file first");
	if (bss_end && bss_end < load + len)
		return mb_refuse(b, err, "bad addresses in its multiboot header");
	bss_end = MAX(bss_end, load + len);
	if (!guest_ptr(b->gm, load, bss_end - load))
		return error_set(err, -ENOSPC,
				 "kernel '%s': %s at address 0x%x do not fit in the guest's %s of RAM; give more with --mem",
				 b->kernel.path, SIZE_TEXT(bss_end - load), load,
				 SIZE_TEXT(guest_ram_size(b->gm)));
	r = boot_image_load(&b->kernel, off, b->gm, load, len, err);
	if (r < 0)
		return r;
	b->used = (struct boot_area){ load, bss_end };
	*ret_entry = get_le32(h + MBH_ENTRY_ADDR);
	return x86_boot_zero(b, load + len, bss_end - load - len, err);
}

/* The end of the RAM that holds @at, by the memory map; @at when it is none. */
static u64 ram_end_of(const struct x86_boot *b, u64 at)
{
	unsigned int i;

	for (i = 0; i < b->nr_e820; i++)
		if (b->e820[i].type == E820_RAM && at >= b->e820[i].addr && at - b->e820[i].addr < b->e820[i].size)
			return b->e820[i].addr + b->e820[i].size;
	return at;
}

static int write_info(struct x86_boot *b, const struct boot_area *initrd, gpa_t module_string, struct error *err)
{
	u8 buf[MBI_SIZE + MOD_SIZE + NAME_SIZE + BOOT_E820_MAX * MMAP_SIZE];
	u8 *mod = buf + MBI_SIZE, *name = mod + MOD_SIZE, *map = name + NAME_SIZE;
	u32 flags = INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER_NAME;
	unsigned int i;

	memset(buf, 0, sizeof(buf));
	put_le32(buf + MBI_MEM_LOWER, (u32)(MIN(ram_end_of(b, 0), 640 * KIB) / KIB));
	put_le32(buf + MBI_MEM_UPPER, (u32)((MIN(ram_end_of(b, MIB), 4 * GIB) - MIB) / KIB));
	put_le32(buf + MBI_CMDLINE, BOOT_CMDLINE_ADDR);
	if (initrd->end) {
		flags |= INFO_MODS;
		put_le32(buf + MBI_MODS_COUNT, 1);
		put_le32(buf + MBI_MODS_ADDR, BOOT_MULTIBOOT_ADDR + (mod - buf));
		put_le32(mod, (u32)initrd->start);
		put_le32(mod + 4, (u32)initrd->end);
		put_le32(mod + 8, (u32)module_string);
	}
	memcpy(name, "lkvm", 5);
	put_le32(buf + MBI_LOADER_NAME, BOOT_MULTIBOOT_ADDR + (name - buf));
	put_le32(buf + MBI_MMAP_ADDR, BOOT_MULTIBOOT_ADDR + (map - buf));
	put_le32(buf + MBI_MMAP_LENGTH, b->nr_e820 * MMAP_SIZE);
	for (i = 0; i < b->nr_e820; i++, map += MMAP_SIZE) {
		put_le32(map, MMAP_SIZE - 4);	/* of what follows */
		put_le64(map + 4, b->e820[i].addr);
		put_le64(map + 12, b->e820[i].size);
		put_le32(map + 20, b->e820[i].type);
	}
	put_le32(buf + MBI_FLAGS, flags);
	return x86_boot_write(b, BOOT_MULTIBOOT_ADDR, buf, map - buf, err);
}

int x86_boot_multiboot(struct x86_boot *b, const struct elf_kernel *elf, struct error *err)
{
	struct boot_area initrd = { 0 };
	AUTO_FREE char *cmdline = NULL;
	int header_off = find_header(&b->kernel);
	gpa_t string;
	u32 flags, entry = 0;
	int r;

	if (header_off < 0)
		return mb_refuse(b, err, "no multiboot header in its first 8192 bytes");
	flags = get_le32(b->kernel.head + header_off + MBH_FLAGS);
	if (flags & FLAG_VIDEO)
		return mb_refuse(b, err, "its multiboot header requires a video mode, and there is no display");
	if (flags & FLAGS_REQUIRED & ~(FLAG_PAGE_ALIGN | FLAG_MEMORY))
		return error_set(err, -ENOEXEC, "kernel '%s': its multiboot header requires unknown features (flags 0x%x)",
				 b->kernel.path, flags);
	if (flags & FLAG_ADDRESSES) {
		r = load_by_addresses(b, header_off, &entry, err);
		if (r < 0)
			return r;
	} else if (!elf) {
		return mb_refuse(b, err, "its multiboot header gives no addresses, and it is not an ELF file");
	} else if (elf_physical_entry(elf) > UINT32_MAX || elf->hi > 4 * GIB) {
		return mb_refuse(b, err, "a multiboot kernel must lie below 4 GiB");
	} else {
		entry = (u32)elf_physical_entry(elf);
	}
	if (!guest_ptr(b->gm, entry, 1))
		return error_set(err, -ENOEXEC, "kernel '%s': its entry 0x%x is outside the guest's RAM", b->kernel.path,
				 entry);
	r = x86_boot_module(b, &initrd, err);
	if (r < 0)
		return r;
	cmdline = str_printf("%s%s%s", b->cfg->kernel, b->cfg->params && *b->cfg->params ? " " : "",
			     b->cfg->params ? b->cfg->params : "");
	if (!cmdline)
		return error_set(err, -ENOMEM, "out of memory");
	string = BOOT_CMDLINE_ADDR + strlen(cmdline) + 1;
	r = x86_boot_put_cmdline(b, cmdline, BOOT_CMDLINE_MAX - (initrd.end ? strlen(b->cfg->initrd) + 1 : 0), err);
	if (!r && initrd.end)
		r = x86_boot_write(b, string, b->cfg->initrd, strlen(b->cfg->initrd) + 1, err);
	if (!r)
		r = write_info(b, &initrd, string, err);
	if (r < 0)
		return r;
	return x86_boot_enter32(b, entry, MB_BOOT_MAGIC, BOOT_MULTIBOOT_ADDR, err);
}
