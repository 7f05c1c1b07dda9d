/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two ways in that need no kernel format.
 *
 * Flat code, as kvmtool has it: a file of at most 64 KiB is read to 0x10000 and
 * entered in real mode at 1000:0000 with all segments 0x1000 and sp 0x8000. There is no BIOS
 * behind it: no interrupt services, no command line, no initrd (a warning says so
 * when they were asked for).
 *
 * Firmware: up to 16 MiB that end at 4 GiB, read-only, and the last 128 KiB of
 * it also below 1 MiB, writable; entered at the reset vector, in one of the two
 * by way of the other. It takes the place of the ACPI tables there.
 *
 * Main thread, no vCPU running.
 */
#include "x86/boot.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/log.h"

enum {
	FLAT_MAX = 64 * 1024,
	FLAT_SP = 0x8000,
	FIRMWARE_MAX = 16 * 1024 * 1024,
	FIRMWARE_LOW = 128 * 1024,
	PAGE = 4096,
};

int x86_boot_flat(struct x86_boot *b, struct error *err)
{
	int r;

	if (b->kernel.size > FLAT_MAX)
		return error_set(err, -EFBIG, "kernel '%s': %s are too large for a flat binary (64 KiB)",
				 b->kernel.path, SIZE_TEXT(b->kernel.size));
	if (b->cfg->initrd)
		log_warn("boot", "initrd '%s' is not used: a flat binary takes none", b->cfg->initrd);
	if (b->cfg->params && *b->cfg->params)
		log_warn("boot", "--params '%s' is not used: a flat binary takes no command line", b->cfg->params);
	r = boot_image_load(&b->kernel, 0, b->gm, BOOT_FLAT_ADDR, b->kernel.size, err);
	if (!r)
		r = x86_boot_zero(b, BOOT_FLAT_ADDR + b->kernel.size, FLAT_MAX - b->kernel.size, err);
	if (r < 0)
		return r;
	*b->entry = (struct boot_entry){ .mode = BOOT_REAL16, .cs_selector = BOOT_FLAT_ADDR >> 4, .rsp = FLAT_SP };
	return 0;
}

/* The firmware's ROM below 4 GiB: a device, so that it lives and dies with the VM. */
struct rom {
	struct device dev;
	void *hva;		/* owned mapping */
	u64 size;
	int slot;
};

static void rom_free(struct device *dev)
{
	struct rom *rom = container_of(dev, struct rom, dev);

	memslot_del(dev->vm, rom->slot);
	munmap(rom->hva, rom->size);
	free(rom);
}

/* Its content is the file's: nothing of it travels. */
static int rom_save(struct device *dev, struct state_writer *w, struct error *err)
{
	return 0;
}

static int rom_load(struct device *dev, struct state_reader *r)
{
	return 0;
}

static const struct device_ops rom_ops = { .save = rom_save, .load = rom_load, .free = rom_free };

static bool rom_exists(struct vm *vm)
{
	struct device *dev;

	list_for_each(dev, &vm->devices, node)
		if (dev->ops == &rom_ops)
			return true;
	return false;
}

static int rom_create(struct x86_boot *b, u64 size, struct error *err)
{
	struct rom *rom = calloc(1, sizeof(*rom));
	int r;

	if (!rom)
		return error_set(err, -ENOMEM, "out of memory");
	rom->size = size;
	rom->hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rom->hva == MAP_FAILED) {
		r = error_set_errno(err, -errno, "memory for firmware '%s'", b->kernel.path);
		goto free_rom;
	}
	r = boot_image_read(&b->kernel, 0, rom->hva, size, err);
	if (r < 0)
		goto unmap;
	r = memslot_add(b->vm, 4 * GIB - size, size, rom->hva, MEMSLOT_READONLY);
	if (r < 0) {
		error_set_errno(err, r, "firmware '%s': cannot be mapped below 4 GiB", b->kernel.path);
		goto unmap;
	}
	rom->slot = r;
	device_add(b->vm, &rom->dev, &rom_ops, "firmware");
	return 0;

unmap:
	munmap(rom->hva, size);
free_rom:
	free(rom);
	return r;
}

int x86_boot_firmware(struct x86_boot *b, struct error *err)
{
	u64 size = b->kernel.size, low = MIN(size, (u64)FIRMWARE_LOW);
	int r;

	if (size > FIRMWARE_MAX || !is_aligned(size, PAGE))
		return error_set(err, -EINVAL,
				 "firmware '%s': %llu bytes; it must be a multiple of 4 KiB, and at most 16 MiB",
				 b->kernel.path, (unsigned long long)size);
	r = boot_image_load(&b->kernel, size - low, b->gm, HIGH_RAM_BASE - low, low, err);
	if (!r && !rom_exists(b->vm))
		r = rom_create(b, size, err);
	if (r < 0)
		return r;
	*b->entry = (struct boot_entry){ .mode = BOOT_RESET_VECTOR };
	return 0;
}
