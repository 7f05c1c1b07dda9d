/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the x86 boot loaders share: the boot in progress, where below 1 MiB
 * they put what they tell the kernel, and each other's entry points.
 * Private to x86/boot*.c and their tests. Main thread, no vCPU running.
 */
#ifndef X86_BOOT_H
#define X86_BOOT_H

#include "util/endian.h"
#include "util/str.h"
#include "vmm/boot.h"
#include "vmm/config.h"
#include "vmm/vm.h"
#include "x86/x86.h"

enum {
	BOOT_E820_MAX = 32,
	BOOT_CMDLINE_MAX = 64 * 1024,	/* with its NUL; a bzImage may say less */
};

struct x86_boot {
	struct vm *vm;			/* borrowed */
	const struct vm_config *cfg;	/* borrowed */
	const struct guest_mem *gm;	/* borrowed */
	bool fresh;			/* no guest ran in this RAM yet: it is all zero */
	struct boot_image kernel;
	struct e820_entry e820[BOOT_E820_MAX];
	unsigned int nr_e820;
	u64 rsdp;
	struct boot_area used;		/* RAM the loaded kernel occupies or will, before it reads the memory map */
	struct boot_entry *entry;	/* result */
};

/* boot.c: the steps loaders share. Each sets @err when it fails. */

/* Reads the initrd, if there is one, as high as possible below @limit; @ret is untouched otherwise. */
int x86_boot_initrd(struct x86_boot *b, gpa_t limit, struct boot_area *ret, struct error *err);
/* The same behind the kernel, below 4 GiB, where multiboot kernels expect modules. */
int x86_boot_module(struct x86_boot *b, struct boot_area *ret, struct error *err);
/* Linux' command line, at BOOT_CMDLINE_ADDR; @max includes the NUL. */
int x86_boot_cmdline(struct x86_boot *b, u64 max, struct error *err);
/* The same for @text. */
int x86_boot_put_cmdline(struct x86_boot *b, const char *text, u64 max, struct error *err);
/* Zeroes RAM that a kernel expects to be zero, unless it is. */
int x86_boot_zero(struct x86_boot *b, gpa_t gpa, u64 len, struct error *err);
int x86_boot_write(struct x86_boot *b, gpa_t gpa, const void *data, size_t len, struct error *err);
/* 32-bit protected mode, flat segments, paging off. */
int x86_boot_enter32(struct x86_boot *b, u32 entry, u32 eax, u32 ebx, struct error *err);
/* Long mode, identity mapped below 4 GiB, rsi = @rsi. */
int x86_boot_enter64(struct x86_boot *b, u64 entry, u64 rsi, struct error *err);

/* boot-bzimage.c */
bool bzimage_detect(const struct boot_image *img);
int x86_boot_bzimage(struct x86_boot *b, struct error *err);
/*
 * The Linux 64-bit entry: zero page, initrd, command line. @setup is the setup
 * header [0x1f1, ...) of a bzImage, @len bytes of it, or NULL for a kernel without one.
 */
int x86_boot_linux(struct x86_boot *b, const u8 *setup, size_t len, u64 entry, struct error *err);

/* boot-elf.c */
enum { ELF_MAX_SEGMENTS = 32, ELF_MAX_NOTE_SEGMENTS = 8 };

struct elf_segment {
	u64 off, paddr, vaddr, filesz, memsz;
};

struct elf_kernel {
	bool is64;
	u64 entry;
	u64 lo, hi;		/* physical, of all segments */
	unsigned int nr, nr_notes;
	struct elf_segment seg[ELF_MAX_SEGMENTS];
	struct elf_segment note[ELF_MAX_NOTE_SEGMENTS];
};

/* Judges header and program headers: an ELF file for this machine, to be loaded somewhere. */
int elf_parse(struct boot_image *img, struct elf_kernel *elf, struct error *err);
/* Reads the segments and sets b->used. @multiboot: some of them may lie below 1 MiB. */
int elf_load(struct x86_boot *b, const struct elf_kernel *elf, bool multiboot, struct error *err);
/* e_entry as a physical address. */
u64 elf_physical_entry(const struct elf_kernel *elf);
/* @format: KERNEL_AUTO takes PVH, multiboot or the 64-bit entry, in this order; KERNEL_PVH or KERNEL_ELF just that. */
int x86_boot_elf(struct x86_boot *b, enum kernel_format format, struct error *err);

/* boot-multiboot.c */
bool multiboot_detect(const struct boot_image *img);
/* @elf is the file when it is ELF and loaded, NULL otherwise. */
int x86_boot_multiboot(struct x86_boot *b, const struct elf_kernel *elf, struct error *err);

/* boot-flat.c */
int x86_boot_flat(struct x86_boot *b, struct error *err);
int x86_boot_firmware(struct x86_boot *b, struct error *err);

#endif
