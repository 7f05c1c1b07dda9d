/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an x86 guest gets its first instruction: the file is looked at, one of
 * the loaders takes it, or it is refused by what it looks like. Here are also the steps they
 * share: command line, initrd, descriptor and page tables for the entry.
 *
 * Formats: bzImage (boot-bzimage.c), ELF with a PVH note, ELF with the 64-bit
 * Linux entry (boot-elf.c), multiboot 1 (boot-multiboot.c), these also compressed with
 * gzip, zstd or xz; flat real-mode code and firmware (boot-flat.c).
 *
 * Main thread, no vCPU running. The files are not trusted.
 */
#include "x86/boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLAT_AUTO_MAX = 64 * 1024 };

/* --- steps of the loaders --- */

int x86_boot_write(struct x86_boot *b, gpa_t gpa, const void *data, size_t len, struct error *err)
{
	int r = guest_write(b->gm, gpa, data, len);

	if (r < 0)
		return error_set(err, r, "the guest's %s of RAM are too little to boot a kernel; give more with --mem",
				 SIZE_TEXT(guest_ram_size(b->gm)));
	return 0;
}

int x86_boot_zero(struct x86_boot *b, gpa_t gpa, u64 len, struct error *err)
{
	if (b->fresh || !len)
		return 0;
	if (guest_fill(b->gm, gpa, 0, len) < 0)
		return error_set(err, -EFAULT, "kernel '%s': memory it wants zeroed at 0x%llx is not RAM",
				 b->kernel.path, (unsigned long long)gpa);
	return 0;
}

static int load_initrd(struct x86_boot *b, const struct boot_place *where, struct boot_area *ret, struct error *err)
{
	if (!b->cfg->initrd)
		return 0;
	return boot_initrd_load(b->gm, b->cfg->initrd, b->cfg->reboot ? &b->vm->initrd_fd : NULL, where, ret, err);
}

int x86_boot_initrd(struct x86_boot *b, gpa_t limit, struct boot_area *ret, struct error *err)
{
	const struct boot_place where = { .floor = HIGH_RAM_BASE, .limit = limit, .avoid = &b->used, .nr_avoid = 1 };

	return load_initrd(b, &where, ret, err);
}

int x86_boot_module(struct x86_boot *b, struct boot_area *ret, struct error *err)
{
	const struct boot_place where = { .floor = MAX(b->used.end, 1 * MIB), .limit = 4 * GIB, .lowest = true };

	return load_initrd(b, &where, ret, err);
}

int x86_boot_put_cmdline(struct x86_boot *b, const char *text, u64 max, struct error *err)
{
	size_t len = strlen(text) + 1;

	if (len > max)
		return error_set(err, -E2BIG,
				 "the command line of %zu characters is too long: kernel '%s' takes %llu (option --params)",
				 len - 1, b->kernel.path, (unsigned long long)max - 1);
	return x86_boot_write(b, BOOT_CMDLINE_ADDR, text, len, err);
}

int x86_boot_cmdline(struct x86_boot *b, u64 max, struct error *err)
{
	AUTO_FREE char *text = boot_cmdline(b->vm);

	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	return x86_boot_put_cmdline(b, text, max, err);
}

/* Flat descriptors at selectors 0x10 (code) and 0x18 (data). [Intel SDM 3A 3.4.5] */
static int write_gdt(struct x86_boot *b, bool long_mode, struct error *err)
{
	u8 gdt[4 * 8] = { 0 };
	int r;

	put_le64(gdt + BOOT_CS, long_mode ? 0x00af9b000000ffffULL : 0x00cf9b000000ffffULL);
	put_le64(gdt + BOOT_DS, 0x00cf93000000ffffULL);
	r = x86_boot_write(b, BOOT_GDT_ADDR, gdt, sizeof(gdt), err);
	if (r < 0)
		return r;
	b->entry->gdt_gpa = BOOT_GDT_ADDR;
	b->entry->gdt_size = sizeof(gdt);
	return 0;
}

/* The first 4 GiB as they are, in pages of 2 MiB, which each x86-64 CPU has. [Intel SDM 3A 4.5] */
static int write_page_tables(struct x86_boot *b, struct error *err)
{
	enum { TABLE = 4096, PRESENT_WRITE = 3, LARGE = 0x80 };
	AUTO_FREE u8 *t = calloc(6, TABLE);
	unsigned int i;
	u64 gpa = BOOT_PGTABLE_ADDR;

	if (!t)
		return error_set(err, -ENOMEM, "out of memory");
	put_le64(t, (gpa + TABLE) | PRESENT_WRITE);
	for (i = 0; i < 4; i++)
		put_le64(t + TABLE + i * 8, (gpa + (2 + i) * TABLE) | PRESENT_WRITE);
	for (i = 0; i < 4 * 512; i++)
		put_le64(t + 2 * TABLE + i * 8, i * 2 * MIB | LARGE | PRESENT_WRITE);
	return x86_boot_write(b, gpa, t, 6 * TABLE, err);
}

int x86_boot_enter32(struct x86_boot *b, u32 entry, u32 eax, u32 ebx, struct error *err)
{
	*b->entry = (struct boot_entry){ .mode = BOOT_PROT32, .rip = entry, .rax = eax, .rbx = ebx };
	return write_gdt(b, false, err);
}

int x86_boot_enter64(struct x86_boot *b, u64 entry, u64 rsi, struct error *err)
{
	int r;

	*b->entry = (struct boot_entry){ .mode = BOOT_LONG64, .rip = entry, .rsi = rsi, .cr3 = BOOT_PGTABLE_ADDR };
	r = write_gdt(b, true, err);
	return r < 0 ? r : write_page_tables(b, err);
}

/* --- what is this file? --- */

static int refuse(const struct boot_image *img, const char *wanted, struct error *err)
{
	const char *what = boot_image_describe(img);

	if (!what)
		what = img->packed != COMPRESSION_NONE ? "file of unknown content" : "a file of unknown content";
	if (img->packed != COMPRESSION_NONE)
		return error_set(err, -ENOEXEC, "kernel '%s': not %s, but %s-compressed: %s", img->path, wanted,
				 compression_name(img->packed), what);
	return error_set(err, -ENOEXEC, "kernel '%s': not %s, but %s", img->path, wanted, what);
}

static int load_auto(struct x86_boot *b, struct error *err)
{
	struct boot_image *img = &b->kernel;

	if (bzimage_detect(img))
		return x86_boot_bzimage(b, err);
	if (boot_image_has(img, 0, "\x7f" "ELF", 4))
		return x86_boot_elf(b, KERNEL_AUTO, err);
	if (multiboot_detect(img))
		return x86_boot_multiboot(b, NULL, err);
	if (img->packed != COMPRESSION_NONE || boot_image_describe(img))
		return refuse(img, "an x86 kernel", err);
	if (img->size > FLAT_AUTO_MAX)
		return error_set(err, -ENOEXEC,
				 "kernel '%s': neither bzImage, ELF nor multiboot, and %s are too large for a flat binary (64 KiB)",
				 img->path, SIZE_TEXT(img->size));
	return x86_boot_flat(b, err);
}

static int load_as(struct x86_boot *b, enum kernel_format format, struct error *err)
{
	bool elf = boot_image_has(&b->kernel, 0, "\x7f" "ELF", 4);
	struct elf_kernel e;
	int r;

	switch (format) {
	case KERNEL_BZIMAGE:
		if (!bzimage_detect(&b->kernel))
			return refuse(&b->kernel, "a bzImage", err);
		return x86_boot_bzimage(b, err);
	case KERNEL_ELF:
	case KERNEL_PVH:
		if (!elf)
			return refuse(&b->kernel, "an ELF file", err);
		return x86_boot_elf(b, format, err);
	case KERNEL_MULTIBOOT:
		if (!elf)
			return x86_boot_multiboot(b, NULL, err);
		r = elf_parse(&b->kernel, &e, err);
		if (!r)
			r = elf_load(b, &e, true, err);
		return r < 0 ? r : x86_boot_multiboot(b, &e, err);
	default:
		return load_auto(b, err);
	}
}

int x86_boot_load(struct vm *vm, struct boot_entry *ret, struct error *err)
{
	int *keep = vm->cfg.reboot ? &vm->kernel_fd : NULL;
	struct boot_entry entry = { 0 };
	struct x86_boot *b;
	int r;

	if (!vm->cfg.firmware && !vm->cfg.kernel)
		return error_set(err, -EINVAL, "no kernel: give one with --kernel");
	b = calloc(1, sizeof(*b));
	if (!b)
		return error_set(err, -ENOMEM, "out of memory");
	b->vm = vm;
	b->cfg = &vm->cfg;
	b->gm = &vm->mem;
	b->fresh = !vm->vcpu || !vm->vcpu[0].started;	/* the first boot comes before the vCPU threads */
	b->entry = &entry;
	b->nr_e820 = x86_e820(vm, b->e820, BOOT_E820_MAX);
	b->rsdp = x86_rsdp_gpa(vm);

	if (vm->cfg.firmware)
		r = boot_image_open(&b->kernel, "firmware", vm->cfg.firmware, keep, err);
	else
		r = boot_image_open(&b->kernel, "kernel", vm->cfg.kernel, keep, err);
	if (r < 0)
		goto free_boot;
	if (vm->cfg.firmware) {
		r = x86_boot_firmware(b, err);
	} else if (vm->cfg.kernel_format == KERNEL_FLAT) {
		r = x86_boot_flat(b, err);
	} else {
		r = boot_image_unpack(&b->kernel, guest_ram_size(b->gm), err);
		if (!r)
			r = load_as(b, vm->cfg.kernel_format, err);
	}
	boot_image_close(&b->kernel);
	if (!r)
		*ret = entry;
free_boot:
	free(b);
	return r;
}
