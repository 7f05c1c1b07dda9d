/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ELF kernels [ELF gABI 4.1], 32 and 64 bit: program headers judged whole,
 * segments read to their physical addresses, and the two ways in that an ELF
 * file itself tells of:
 *
 * - PVH [Xen x86 HVM direct boot ABI]: a note names a 32-bit entry, which gets
 *   hvm_start_info in ebx. Linux's vmlinux with CONFIG_PVH, FreeBSD, Xen's own guests.
 * - the 64-bit Linux entry [Linux x86 boot 64-bit protocol] at e_entry, with the
 *   zero page in rsi; for an x86-64 file that has neither a note nor a multiboot header.
 *
 * Left out on purpose: relocation (ET_DYN is loaded where it was linked), section headers.
 * Main thread, no vCPU running.
 */
#include "x86/boot.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ELF_MAX_PHDRS = 128,
	ELF_MAX_NOTES = 64 * 1024,	/* bytes of one PT_NOTE that are looked through */
	XEN_ELFNOTE_PHYS32_ENTRY = 18,
};

static const char *machine_name(unsigned int machine)
{
	switch (machine) {
	case EM_386:
		return "i386";
	case EM_X86_64:
		return "x86-64";
	case EM_AARCH64:
		return "arm64";
	case EM_ARM:
		return "arm";
	case EM_RISCV:
		return "riscv";
	case EM_PPC64:
		return "powerpc64";
	case EM_S390:
		return "s390";
	case 258:
		return "loongarch";
	default:
		return "unknown";
	}
}

static int elf_refuse(const struct boot_image *img, struct error *err, const char *why)
{
	return error_set(err, -ENOEXEC, "%s '%s': %s", img->what, img->path, why);
}

/* The identification and the fixed header. [gABI 4 "ELF Header"] */
static int parse_header(struct boot_image *img, struct elf_kernel *elf, u64 *phoff, unsigned int *phnum,
			struct error *err)
{
	unsigned int machine, type, phentsize;
	union {
		Elf32_Ehdr e32;
		Elf64_Ehdr e64;
		u8 ident[EI_NIDENT];
	} h;
	int r;

	memset(&h, 0, sizeof(h));
	r = boot_image_read(img, 0, h.ident, sizeof(h.ident), err);
	if (r < 0)
		return r;
	elf->is64 = h.ident[EI_CLASS] == ELFCLASS64;
	if (!elf->is64 && h.ident[EI_CLASS] != ELFCLASS32)
		return elf_refuse(img, err, "an ELF file of a class that is neither 32 nor 64 bit");
	if (h.ident[EI_DATA] != ELFDATA2LSB)
		return elf_refuse(img, err, "a big-endian ELF file, not for x86");
	r = boot_image_read(img, 0, &h, elf->is64 ? sizeof(h.e64) : sizeof(h.e32), err);
	if (r < 0)
		return r;
	machine = elf->is64 ? h.e64.e_machine : h.e32.e_machine;
	type = elf->is64 ? h.e64.e_type : h.e32.e_type;
	if (machine != (elf->is64 ? EM_X86_64 : EM_386))
		return error_set(err, -ENOEXEC, "%s '%s': a %d-bit ELF file for another machine (%s, number %u)",
				 img->what, img->path, elf->is64 ? 64 : 32, machine_name(machine), machine);
	if (type == ET_REL)
		return elf_refuse(img, err, "an ELF object file or module, not linked to run");
	if (type == ET_CORE)
		return elf_refuse(img, err, "an ELF core dump");
	if (type != ET_EXEC && type != ET_DYN)
		return elf_refuse(img, err, "an ELF file of a type that cannot run");
	phentsize = elf->is64 ? h.e64.e_phentsize : h.e32.e_phentsize;
	*phoff = elf->is64 ? h.e64.e_phoff : h.e32.e_phoff;
	*phnum = elf->is64 ? h.e64.e_phnum : h.e32.e_phnum;
	if (!*phnum)
		return elf_refuse(img, err, "an ELF file without program headers");
	if (phentsize != (elf->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || *phnum > ELF_MAX_PHDRS)
		return error_set(err, -ENOEXEC, "%s '%s': bad ELF program headers (%u of %u bytes)", img->what,
				 img->path, *phnum, phentsize);
	elf->entry = elf->is64 ? h.e64.e_entry : h.e32.e_entry;
	return 0;
}

/* One PT_LOAD, kept in the order of file offsets, which suits a stream. */
static int add_segment(struct boot_image *img, struct elf_kernel *elf, const Elf64_Phdr *p, struct error *err)
{
	unsigned int at;
	u64 end;

	if (!p->p_memsz && !p->p_filesz)
		return 0;
	if (p->p_filesz > p->p_memsz)
		return elf_refuse(img, err, "an ELF segment is larger in the file than in memory");
	if (__builtin_add_overflow(p->p_paddr, p->p_memsz, &end) ||
	    __builtin_add_overflow(p->p_offset, p->p_filesz, &end))
		return elf_refuse(img, err, "an ELF segment wraps around the end of the address space");
	if (elf->nr == ELF_MAX_SEGMENTS)
		return error_set(err, -ENOEXEC, "%s '%s': more than %d ELF segments", img->what, img->path,
				 ELF_MAX_SEGMENTS);
	for (at = elf->nr; at > 0 && elf->seg[at - 1].off > p->p_offset; at--)
		elf->seg[at] = elf->seg[at - 1];
	elf->seg[at] = (struct elf_segment){ .off = p->p_offset, .paddr = p->p_paddr, .vaddr = p->p_vaddr,
					     .filesz = p->p_filesz, .memsz = p->p_memsz };
	elf->nr++;
	elf->lo = MIN(elf->lo, p->p_paddr);
	elf->hi = MAX(elf->hi, p->p_paddr + p->p_memsz);
	return 0;
}

int elf_parse(struct boot_image *img, struct elf_kernel *elf, struct error *err)
{
	unsigned int phnum = 0, i;
	Elf32_Phdr p32;
	Elf64_Phdr p;
	u64 phoff = 0;
	int r;

	memset(elf, 0, sizeof(*elf));
	elf->lo = UINT64_MAX;
	r = parse_header(img, elf, &phoff, &phnum, err);
	if (r < 0)
		return r;
	for (i = 0; i < phnum; i++) {
		if (phoff > UINT64_MAX / 2)
			return elf_refuse(img, err, "ELF program headers lie beyond any file's end");
		if (elf->is64) {
			r = boot_image_read(img, phoff + i * sizeof(p), &p, sizeof(p), err);
		} else {
			r = boot_image_read(img, phoff + i * sizeof(p32), &p32, sizeof(p32), err);
			if (!r)
				p = (Elf64_Phdr){ .p_type = p32.p_type, .p_offset = p32.p_offset,
						  .p_vaddr = p32.p_vaddr, .p_paddr = p32.p_paddr,
						  .p_filesz = p32.p_filesz, .p_memsz = p32.p_memsz };
		}
		if (r < 0)
			return r;
		if (p.p_type == PT_INTERP)
			return elf_refuse(img, err, "an ELF program for an operating system, not a kernel");
		if (p.p_type == PT_NOTE && elf->nr_notes < ELF_MAX_NOTE_SEGMENTS)
			elf->note[elf->nr_notes++] = (struct elf_segment){ .off = p.p_offset, .filesz = p.p_filesz };
		r = p.p_type == PT_LOAD ? add_segment(img, elf, &p, err) : 0;
		if (r < 0)
			return r;
	}
	if (!elf->nr)
		return elf_refuse(img, err, "an ELF file without anything to load");
	return 0;
}

/* Below 1 MiB lie what we tell the kernel, and the firmware tables; a multiboot kernel is left some room there. */
static int check_low_segments(const struct x86_boot *b, const struct elf_kernel *elf, bool multiboot, struct error *err)
{
	const struct elf_segment *s;

	for (s = elf->seg; s < elf->seg + elf->nr; s++) {
		if (s->paddr >= 1 * MIB)
			continue;
		if (multiboot && s->paddr >= BOOT_LOW_KERNEL_START && s->paddr < BOOT_LOW_KERNEL_END &&
		    s->memsz <= BOOT_LOW_KERNEL_END - s->paddr)
			continue;
		return error_set(err, -ENOEXEC, "kernel '%s': an ELF segment is linked to address 0x%llx, below 1 MiB",
				 b->kernel.path, (unsigned long long)s->paddr);
	}
	return 0;
}

int elf_load(struct x86_boot *b, const struct elf_kernel *elf, bool multiboot, struct error *err)
{
	const struct elf_segment *s;
	unsigned int i;
	int r;

	r = check_low_segments(b, elf, multiboot, err);
	if (r < 0)
		return r;
	for (i = 0; i < elf->nr; i++) {
		s = &elf->seg[i];
		if (!guest_ptr(b->gm, s->paddr, s->memsz))
			return error_set(err, -ENOSPC,
					 "kernel '%s': the segment of %s at address 0x%llx does not fit in the guest's %s of RAM; give more with --mem",
					 b->kernel.path, SIZE_TEXT(s->memsz), (unsigned long long)s->paddr,
					 SIZE_TEXT(guest_ram_size(b->gm)));
	}
	for (i = 0; i < elf->nr; i++) {
		s = &elf->seg[i];
		r = boot_image_load(&b->kernel, s->off, b->gm, s->paddr, s->filesz, err);
		if (r < 0)
			return r;
		r = x86_boot_zero(b, s->paddr + s->filesz, s->memsz - s->filesz, err);
		if (r < 0)
			return r;
	}
	b->used = (struct boot_area){ elf->lo, elf->hi };
	return 0;
}

/*
 * A copy of a PT_NOTE's bytes: from RAM when a loaded segment holds them, which spares a compressed
 * file the way back.
 */
static int read_notes(struct x86_boot *b, const struct elf_kernel *elf, const struct elf_segment *note, u8 *buf,
		      size_t len, struct error *err)
{
	const struct elf_segment *s;
	unsigned int i;

	for (i = 0; i < elf->nr; i++) {
		s = &elf->seg[i];
		if (note->off >= s->off && note->off - s->off <= s->filesz && len <= s->filesz - (note->off - s->off))
			return guest_read(b->gm, s->paddr + (note->off - s->off), buf, len);	/* elf_load() checked it */
	}
	return boot_image_read(&b->kernel, note->off, buf, len, err);
}

/*
 * [gABI 5 "Note Section"] name size, descriptor size, type, then both padded to 4 bytes.
 * 1: found; 0: not there; -errno.
 */
static int find_pvh_entry(struct x86_boot *b, const struct elf_kernel *elf, u32 *ret, struct error *err)
{
	static const char owner[] = "Xen";
	AUTO_FREE u8 *buf = NULL;
	u32 namesz, descsz, type;
	size_t len, off, desc;
	unsigned int i;
	int r;

	for (i = 0; i < elf->nr_notes; i++) {
		len = (size_t)MIN(elf->note[i].filesz, (u64)ELF_MAX_NOTES);
		if (!len)
			continue;
		free(buf);
		buf = malloc(len);
		if (!buf)
			return error_set(err, -ENOMEM, "out of memory");
		r = read_notes(b, elf, &elf->note[i], buf, len, err);
		if (r < 0)
			return r;
		for (off = 0; len - off >= 12; off = desc + (size_t)align_up(descsz, 4)) {
			namesz = get_le32(buf + off);
			descsz = get_le32(buf + off + 4);
			type = get_le32(buf + off + 8);
			if (align_up(namesz, 4) > len - off - 12)
				break;
			desc = off + 12 + (size_t)align_up(namesz, 4);
			if (align_up(descsz, 4) > len - desc)
				break;
			if (type != XEN_ELFNOTE_PHYS32_ENTRY || namesz != sizeof(owner) ||
			    memcmp(buf + off + 12, owner, sizeof(owner)) || descsz < 4)
				continue;
			*ret = get_le32(buf + desc);
			return 1;
		}
	}
	return 0;
}

/*
 * struct hvm_start_info, version 1, with its module list and memory map behind it.
 * [Xen public/arch-x86/hvm/start_info.h]
 */
enum {
	HVM_START_MAGIC = 0x336ec578,
	HVM_START_SIZE = 56,
	HVM_MODULE_SIZE = 32,
	HVM_MEMMAP_SIZE = 24,
};

static int write_start_info(struct x86_boot *b, const struct boot_area *initrd, struct error *err)
{
	u8 buf[HVM_START_SIZE + HVM_MODULE_SIZE + BOOT_E820_MAX * HVM_MEMMAP_SIZE];
	u8 *mod = buf + HVM_START_SIZE, *map = mod + HVM_MODULE_SIZE;
	unsigned int i;

	memset(buf, 0, sizeof(buf));
	put_le32(buf, HVM_START_MAGIC);
	put_le32(buf + 4, 1);					/* version */
	if (initrd->end) {
		put_le32(buf + 12, 1);				/* nr_modules */
		put_le64(buf + 16, BOOT_INFO_ADDR + HVM_START_SIZE);
		put_le64(mod, initrd->start);
		put_le64(mod + 8, initrd->end - initrd->start);
	}
	put_le64(buf + 24, BOOT_CMDLINE_ADDR);
	put_le64(buf + 32, b->rsdp);
	put_le64(buf + 40, BOOT_INFO_ADDR + (map - buf));
	put_le32(buf + 48, b->nr_e820);
	for (i = 0; i < b->nr_e820; i++, map += HVM_MEMMAP_SIZE) {
		put_le64(map, b->e820[i].addr);
		put_le64(map + 8, b->e820[i].size);
		put_le32(map + 16, b->e820[i].type);
	}
	return x86_boot_write(b, BOOT_INFO_ADDR, buf, map - buf, err);
}

static int boot_pvh(struct x86_boot *b, u32 entry, struct error *err)
{
	struct boot_area initrd = { 0 };
	int r;

	if (!guest_ptr(b->gm, entry, 1))
		return error_set(err, -ENOEXEC, "kernel '%s': its PVH entry 0x%x is outside the guest's RAM",
				 b->kernel.path, entry);
	/* Linux keeps the address of the first module in 32 bits. */
	r = x86_boot_initrd(b, 4 * GIB, &initrd, err);
	if (r < 0)
		return r;
	r = x86_boot_cmdline(b, BOOT_CMDLINE_MAX, err);
	if (r < 0)
		return r;
	r = write_start_info(b, &initrd, err);
	if (r < 0)
		return r;
	return x86_boot_enter32(b, entry, 0, BOOT_INFO_ADDR, err);
}

/* e_entry may be the virtual address of the first instruction: the segment that holds it tells the physical one. */
u64 elf_physical_entry(const struct elf_kernel *elf)
{
	const struct elf_segment *s;
	unsigned int i;

	for (i = 0; i < elf->nr; i++)
		if (elf->entry >= elf->seg[i].paddr && elf->entry - elf->seg[i].paddr < elf->seg[i].memsz)
			return elf->entry;
	for (i = 0; i < elf->nr; i++) {
		s = &elf->seg[i];
		if (elf->entry >= s->vaddr && elf->entry - s->vaddr < s->memsz)
			return s->paddr + (elf->entry - s->vaddr);
	}
	return elf->entry;
}

static int boot_linux64(struct x86_boot *b, const struct elf_kernel *elf, struct error *err)
{
	u64 entry = elf_physical_entry(elf);

	if (!guest_ptr(b->gm, entry, 1) || elf->hi > 4 * GIB)
		return error_set(err, -ENOEXEC, "kernel '%s': its entry 0x%llx is outside the guest's RAM below 4 GiB",
				 b->kernel.path, (unsigned long long)entry);
	return x86_boot_linux(b, NULL, 0, entry, err);
}

int x86_boot_elf(struct x86_boot *b, enum kernel_format format, struct error *err)
{
	bool multiboot = format == KERNEL_AUTO && multiboot_detect(&b->kernel);
	struct elf_kernel elf;
	u32 entry = 0;
	int r;

	r = elf_parse(&b->kernel, &elf, err);
	if (r < 0)
		return r;
	r = elf_load(b, &elf, multiboot, err);
	if (r < 0)
		return r;
	if (format != KERNEL_ELF) {
		r = find_pvh_entry(b, &elf, &entry, err);
		if (r < 0)
			return r;
		if (r) {
			r = check_low_segments(b, &elf, false, err);
			return r < 0 ? r : boot_pvh(b, entry, err);
		}
		if (format == KERNEL_PVH)
			return elf_refuse(&b->kernel, err, "an ELF file without a PVH entry note");
	}
	if (multiboot)
		return x86_boot_multiboot(b, &elf, err);
	if (!elf.is64)
		return elf_refuse(&b->kernel, err, "a 32-bit ELF file with neither a PVH entry note nor a multiboot header");
	return boot_linux64(b, &elf, err);
}
