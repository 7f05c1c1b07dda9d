/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flash with a file of its own behind it, and the memory slot that it makes: what the guest reads without an exit.
 */
#ifndef TESTS_HW_FLASH_FAKE_H
#define TESTS_HW_FLASH_FAKE_H

#include "tests/hw/hw-fake.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/endian.h"
#include "vmm/memslot.h"

#define FLASH_BASE 0x2000000ULL

enum { BLOCK = 64 * 1024, FAKE_SLOT = 3 };

static struct { u64 gpa, size; const u8 *hva; unsigned int flags, added, deleted; bool there; int error; } slot;
static int flash_fd = -1;
static char flash_path[40];
static struct error flash_err;

int memslot_add(struct vm *v, gpa_t gpa, u64 size, void *hva, unsigned int flags)
{
	if (slot.error)
		return slot.error;
	if (slot.there)
		abort();
	slot.gpa = gpa;
	slot.size = size;
	slot.hva = hva;
	slot.flags = flags;
	slot.added++;
	slot.there = true;
	return FAKE_SLOT;
}

void memslot_del(struct vm *v, int id)
{
	if (id < 0)
		return;
	if (id != FAKE_SLOT || !slot.there)
		abort();
	slot.deleted++;
	slot.there = false;
}

/* A file of @size bytes whose byte n is n + n / 256. */
static inline void flash_file(u64 size)
{
	u8 buf[4096];
	u64 off;
	unsigned int i;

	flash_fd = memfd_create("flash", MFD_CLOEXEC);
	if (flash_fd < 0 || ftruncate(flash_fd, (off_t)size) < 0)
		abort();
	for (off = 0; off + sizeof(buf) <= size; off += sizeof(buf)) {
		for (i = 0; i < sizeof(buf); i++)
			buf[i] = (u8)(off + i + (off + i) / 256);
		if (pwrite(flash_fd, buf, sizeof(buf), (off_t)off) != sizeof(buf))
			abort();
	}
	snprintf(flash_path, sizeof(flash_path), "/proc/self/fd/%d", flash_fd);
}

static inline int flash_make(void)
{
	const struct flash_config cfg = { .base = FLASH_BASE, .path = flash_path };

	return flash_create(&vm, &cfg, &flash_err);
}

static inline void flash_start(u64 size)
{
	fake_vm();
	memset(&slot, 0, sizeof(slot));
	flash_file(size);
	if (flash_make() < 0)
		abort();
}

static inline void flash_end(void)
{
	devices_free(&vm);
	close(flash_fd);
	flash_fd = -1;
}

/* As the guest: memory where there is some, else the device. */
static inline u64 get_n(u64 off, unsigned int size)
{
	if (slot.there && FLASH_BASE + off >= slot.gpa && FLASH_BASE + off - slot.gpa < slot.size)
		return get_le(slot.hva + (FLASH_BASE + off - slot.gpa), size);
	return in_n(FLASH_BASE + off, size);
}

static inline u32 get(u64 off) { return (u32)get_n(off, 4); }
static inline void put(u64 off, u32 val) { out_n(FLASH_BASE + off, val, 4); }
/* A command to both chips. */
static inline void tell(u64 off, u8 cmd) { put(off, cmd | (u32)cmd << 16); }

#endif
