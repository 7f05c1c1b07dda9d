/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM without KVM for the boot loaders: RAM below and above 4 GiB, a memory
 * map, files in memory, and small images of each format.
 */
#ifndef TESTS_X86_BOOT_FAKE_H
#define TESTS_X86_BOOT_FAKE_H

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/files.h"
#include "tests/tap.h"
#include "x86/boot.h"

#define FAKE_RSDP 0xe0010ULL

static struct vm fake;
static struct vcpu fake_vcpu;
static struct error fake_err;
static struct boot_entry fake_entry;
static int fake_slot_error;
static struct { gpa_t gpa; u64 size; void *hva; unsigned int flags, added, deleted; } fake_slot;

unsigned int x86_e820(const struct vm *vm, struct e820_entry *ret, unsigned int room)
{
	unsigned int n = 0;

	ret[n++] = (struct e820_entry){ 0, 0x9fc00, E820_RAM };
	ret[n++] = (struct e820_entry){ 0x9fc00, 0x400, E820_RESERVED };
	ret[n++] = (struct e820_entry){ 0xe0000, 0x20000, E820_ACPI };
	ret[n++] = (struct e820_entry){ MIB, vm->mem.ram[0].size - MIB, E820_RAM };
	if (vm->mem.nr > 1)
		ret[n++] = (struct e820_entry){ vm->mem.ram[1].gpa, vm->mem.ram[1].size, E820_RAM };
	return n;
}

u64 x86_rsdp_gpa(const struct vm *vm)
{
	return FAKE_RSDP;
}

int memslot_add(struct vm *vm, gpa_t gpa, u64 size, void *hva, unsigned int flags)
{
	if (fake_slot_error)
		return fake_slot_error;
	fake_slot.gpa = gpa;
	fake_slot.size = size;
	fake_slot.hva = hva;
	fake_slot.flags = flags;
	fake_slot.added++;
	return 7;
}

void memslot_del(struct vm *vm, int slot)
{
	fake_slot.deleted += slot == 7;
}

void device_add(struct vm *vm, struct device *dev, const struct device_ops *ops, const char *fmt, ...)
{
	dev->vm = vm;
	dev->ops = ops;
	list_add_tail(&vm->devices, &dev->node);
}

static void fake_add_ram(gpa_t gpa, u64 size)
{
	void *hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (hva == MAP_FAILED || guest_mem_add(&fake.mem, gpa, size, hva) < 0)
		abort();
}

/* A VM with @low bytes of RAM, and @high above 4 GiB. */
static void fake_start(u64 low, u64 high)
{
	memset(&fake, 0, sizeof(fake));
	memset(&fake_vcpu, 0, sizeof(fake_vcpu));
	memset(&fake_slot, 0, sizeof(fake_slot));
	memset(&fake_entry, 0xee, sizeof(fake_entry));
	fake_slot_error = 0;
	fake_err.msg[0] = '\0';
	list_init(&fake.devices);
	fake.vcpu = &fake_vcpu;
	fake.cfg.console = CONSOLE_SERIAL;
	fake_add_ram(0, low);
	if (high)
		fake_add_ram(4 * GIB, high);
}

static void fake_end(void)
{
	struct device *dev;
	unsigned int i;

	while (!list_empty(&fake.devices)) {
		dev = list_entry(fake.devices.next, struct device, node);
		list_del(&dev->node);
		dev->ops->free(dev);
	}
	for (i = 0; i < fake.mem.nr; i++)
		munmap(fake.mem.ram[i].hva, fake.mem.ram[i].size);
	fake.mem.nr = 0;
}

static inline u8 *ram(gpa_t gpa)
{
	return guest_ptr(&fake.mem, gpa, 1);
}

/* Boots @data of @len bytes; what the loader says. */
static int boot(const void *data, size_t len)
{
	fake.cfg.kernel = file_with(data, len);
	memset(&fake_entry, 0xee, sizeof(fake_entry));
	return x86_boot_load(&fake, &fake_entry, &fake_err);
}

/* Is it refused with -errno and a line that has @part in it? */
#define CHECK_REFUSED(ret, code, part)                                                                                 \
	do {                                                                                                           \
		int ret_ = (ret);                                                                                      \
		if (ret_ != (code) || !strstr(fake_err.msg, (part))) {                                                 \
			printf("# %s:%d: %s gave %d: \"%s\"\n", __FILE__, __LINE__, #ret, ret_, fake_err.msg);         \
			tap_this_failed = 1;                                                                           \
			return;                                                                                        \
		}                                                                                                      \
		CHECK_EQ(fake_entry.mode, (enum boot_mode)0xeeeeeeee);	/* outputs only on success */                 \
	} while (0)

#define CHECK_BOOTS(ret)                                                                                               \
	do {                                                                                                           \
		int ret_ = (ret);                                                                                      \
		if (ret_) {                                                                                            \
			printf("# %s:%d: %s gave %d: \"%s\"\n", __FILE__, __LINE__, #ret, ret_, fake_err.msg);         \
			tap_this_failed = 1;                                                                           \
			return;                                                                                        \
		}                                                                                                      \
	} while (0)

/* A test in a VM of its own. */
#define RUN_IN_VM(name, low, high)                                                                                     \
	do {                                                                                                           \
		fake_start(low, high);                                                                                 \
		RUN(name);                                                                                             \
		fake_end();                                                                                            \
		file_end();                                                                                            \
	} while (0)

/* --- images --- */

enum { BZ_SECTS = 3, BZ_PAYLOAD = 8192, BZ_SIZE = (BZ_SECTS + 1) * 512 + BZ_PAYLOAD };

/* A bzImage of protocol 2.15: 16 MiB preferred, 1 MiB of init_size. [Linux x86 boot: real-mode kernel header] */
static inline void make_bzimage(u8 img[BZ_SIZE])
{
	unsigned int i;

	memset(img, 0, BZ_SIZE);
	memcpy(img, "MZ", 2);
	img[0x1f1] = BZ_SECTS;
	put_le32(img + 0x1f4, BZ_PAYLOAD / 16);
	put_le16(img + 0x1fe, 0xaa55);
	img[0x200] = 0xeb;
	img[0x201] = 0x6c;		/* to 0x26e */
	memcpy(img + 0x202, "HdrS", 4);
	put_le16(img + 0x206, 0x20f);
	img[0x211] = 1;
	put_le32(img + 0x22c, 0x7fffffff);
	put_le32(img + 0x230, 0x200000);
	img[0x234] = 1;
	put_le16(img + 0x236, 0x3f);
	put_le32(img + 0x238, 2047);
	put_le64(img + 0x258, 16 * MIB);
	put_le32(img + 0x260, 1 * MIB);
	put_le32(img + 0x264, 0x190);
	memcpy(img + 0x26e, "not header", 10);
	for (i = 0; i < BZ_PAYLOAD; i++)
		img[(BZ_SECTS + 1) * 512 + i] = (u8)(i * 7 + i / 256);
}

enum { ELF_DATA = 0x1000, ELF_SIZE = 0x3000, ELF_NOTE = 0x400 };

/* [ELF gABI 4.1] one segment: file 0x1000-0x2fff to 2 MiB, and 0x1000 bytes of bss; a PT_NOTE at 0x400, of @note_len. */
static inline void make_elf64(u8 img[ELF_SIZE], const void *note, size_t note_len)
{
	u8 *ph = img + 64;
	unsigned int i;

	memset(img, 0, ELF_SIZE);
	memcpy(img, "\x7f" "ELF\2\1\1", 7);
	put_le16(img + 16, 2);
	put_le16(img + 18, 62);
	put_le32(img + 20, 1);
	put_le64(img + 24, 2 * MIB + 0x10);
	put_le64(img + 32, 64);
	put_le16(img + 52, 64);
	put_le16(img + 54, 56);
	put_le16(img + 56, 2);
	put_le32(ph, 1);
	put_le64(ph + 8, ELF_DATA);
	put_le64(ph + 16, 0xffffffff80200000ULL);
	put_le64(ph + 24, 2 * MIB);
	put_le64(ph + 32, ELF_SIZE - ELF_DATA);
	put_le64(ph + 40, ELF_SIZE - ELF_DATA + 0x1000);
	put_le32(ph + 56, 4);
	put_le64(ph + 56 + 8, ELF_NOTE);
	put_le64(ph + 56 + 32, note_len);
	if (note_len)
		memcpy(img + ELF_NOTE, note, note_len);
	for (i = ELF_DATA; i < ELF_SIZE; i++)
		img[i] = (u8)(i * 5 + i / 256);
}

/* The same in 32 bit, with no note. */
static inline void make_elf32(u8 img[ELF_SIZE])
{
	u8 *ph = img + 52;
	unsigned int i;

	memset(img, 0, ELF_SIZE);
	memcpy(img, "\x7f" "ELF\1\1\1", 7);
	put_le16(img + 16, 2);
	put_le16(img + 18, 3);
	put_le32(img + 20, 1);
	put_le32(img + 24, 2 * MIB + 0x10);
	put_le32(img + 28, 52);
	put_le16(img + 40, 52);
	put_le16(img + 42, 32);
	put_le16(img + 44, 1);
	put_le32(ph, 1);
	put_le32(ph + 4, ELF_DATA);
	put_le32(ph + 8, 0xc0200000);
	put_le32(ph + 12, 2 * MIB);
	put_le32(ph + 16, ELF_SIZE - ELF_DATA);
	put_le32(ph + 20, ELF_SIZE - ELF_DATA + 0x1000);
	for (i = ELF_DATA; i < ELF_SIZE; i++)
		img[i] = (u8)(i * 5 + i / 256);
}

/* A note of Xen's that names a 32-bit entry. [Xen public/elfnote.h] */
static const u8 pvh_note[] = {
	4, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0, 'G', 'N', 'U', 0, 9, 9, 9, 9,		/* another owner's */
	4, 0, 0, 0, 8, 0, 0, 0, 18, 0, 0, 0, 'X', 'e', 'n', 0, 0x20, 0, 0x20, 0, 0, 0, 0, 0,
};

/* A multiboot header. [multiboot 3.1.1] */
static inline void put_multiboot(u8 *at, u32 flags)
{
	put_le32(at, 0x1badb002);
	put_le32(at + 4, flags);
	put_le32(at + 8, 0U - 0x1badb002U - flags);
}

#endif
