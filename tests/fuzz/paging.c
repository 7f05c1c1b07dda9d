/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `lkvm debug`'s walk of a guest's page tables and what it reads through them, over any tables and registers. [Intel SDM 3A 4]
 *
 *	input := cr0 and mode, cr3, cr4, efer, width, address | entries: where (2), what (8)
 *
 * Each walk ends within the levels there are, each of its steps is the entry that memory has, and what it says is mapped obeys the CPU's width of
 * addresses. A read gives what is there, byte for byte, and stops where the walk does.
 *
 * links: x86/paging.c dump.c memory.c util/str.c util/json.c
 */
#include <sys/mman.h>

#include "tests/fuzz/input.h"
#include "x86/paging.h"

enum { RAM = 0x8000, FIRST = 0x1000, HIGH_PAGES = 2 };

static u8 *ram;
static struct guest_mem mem;

/* Tables at low addresses, and two pages just below 4 GiB; pages nobody may touch around both. */
static void memory_up(void)
{
	const u64 high = (1ULL << 32) - HIGH_PAGES * 4096;
	u8 *p;

	if (!ram) {
		p = mmap(NULL, RAM + (HIGH_PAGES + 3) * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(p != MAP_FAILED);
		ram = p + 4096;
		MUST(!mprotect(ram, RAM, PROT_READ | PROT_WRITE));
		MUST(!mprotect(ram + RAM + 4096, HIGH_PAGES * 4096, PROT_READ | PROT_WRITE));
		MUST(!guest_mem_add(&mem, FIRST, RAM, ram) && !guest_mem_add(&mem, high, HIGH_PAGES * 4096, ram + RAM + 4096));
	}
	memset(ram, 0, RAM);
}

static void fill(struct input *in)
{
	unsigned int at, n;
	u64 entry;

	for (n = 0; n < 64 && in->left; n++) {
		at = (unsigned int)take(in, 2);
		entry = take(in, at & 0x8000 ? 8 : 3);
		if (at & 0x4000)	/* into one of the first entries of a table: where small addresses lead */
			at = (at & 7) * 4096 + (at >> 4 & 7) * 4;
		memcpy(ram + at % (RAM - 8), &entry, 8);
	}
}

static void check_walk(const struct paging *p, u64 addr)
{
	struct walk w;
	unsigned int i;
	u64 entry;

	paging_walk(&mem, p, addr, &w);
	MUST(w.nr <= PAGING_LEVELS && w.mode && walk_end_name(w.end));
	for (i = 0; i < w.nr; i++) {
		entry = 0;
		if (guest_read(&mem, w.step[i].gpa, &entry, 4) < 0)
			MUST(i == w.nr - 1 && w.end == WALK_OUTSIDE);
		else
			MUST(w.step[i].name && (u32)w.step[i].entry == (u32)entry);
	}
	if (w.end == WALK_UNPAGED)
		MUST(w.gpa == addr && !w.nr);
	if (w.end != WALK_MAPPED)
		return;
	MUST(w.nr && w.page_size >= 4096 && !(w.page_size & (w.page_size - 1)));
	MUST(w.gpa < 1ULL << p->phys_bits);
	MUST((w.gpa & (w.page_size - 1)) == (addr & (w.page_size - 1)));
}

static void check_read(const struct paging *p, u64 addr, size_t len)
{
	static u8 buf[0x3000];
	struct walk w;
	size_t n, i;
	u8 byte;

	n = paging_read(&mem, p, addr, buf, len);
	MUST(n <= len);
	for (i = 0; i < n; i += 509) {
		paging_walk(&mem, p, addr + i, &w);
		MUST((w.end == WALK_MAPPED || w.end == WALK_UNPAGED) && !guest_read(&mem, w.gpa, &byte, 1) && byte == buf[i]);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int mode = (unsigned int)take(&in, 1);
	struct paging p = {
		.cr0 = mode & 1 ? 1ULL << 31 : ~0ULL, .cr3 = FIRST + (mode & 2 ? take(&in, 8) : 0),
		.cr4 = take(&in, 2), .efer = take(&in, 2), .gib_pages = mode & 4,
		.phys_bits = 32 + (unsigned int)take(&in, 1) % 21,
	};
	u64 addr = take(&in, mode & 8 ? 8 : 3);
	size_t len = take(&in, 2) % 0x3000;

	if ((mode & 0xf0) == 0xf0)
		p.cr0 = 0;
	memory_up();
	fill(&in);
	check_walk(&p, addr);
	check_read(&p, addr, len);
	return 0;
}
