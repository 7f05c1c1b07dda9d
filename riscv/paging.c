/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks a guest's page tables. [riscv-privileged 12.3.2 "Virtual Address Translation Process", 12.4 to 12.6]
 *
 * One loop serves the three modes, which differ in their number of levels only. The tables are a hostile guest's: a level is one read, and
 * there are no more reads than levels.
 *
 * Left out: sstatus.SUM and MXR, which depend on the access.
 *
 * Threads: none of its own; the vCPU whose registers these are stands still.
 */
#include "riscv/paging.h"

#include "util/endian.h"

enum { PTE_V = BIT(0), PTE_R = BIT(1), PTE_W = BIT(2), PTE_X = BIT(3), PTE_U = BIT(4), PTE_A = BIT(6), PTE_D = BIT(7) };
#define PTE_PPN		(BIT_ULL(54) - 1 - 0x3ff)
#define PTE_RESERVED	(0x7fULL << 54)
#define PTE_PBMT	(3ULL << 61)
#define PTE_N		BIT_ULL(63)
enum { SATP_BARE = 0, SATP_SV39 = 8, SATP_SV48 = 9, SATP_SV57 = 10 };
enum { INDEX_BITS = 9, PAGE_SHIFT = 12 };
#define SATP_PPN	(BIT_ULL(44) - 1)

static unsigned int levels(u64 satp)
{
	switch (satp >> 60) {
	case SATP_SV39:
		return 3;
	case SATP_SV48:
		return 4;
	case SATP_SV57:
		return 5;
	}
	return 0;
}

const char *paging_mode_name(u64 satp)
{
	static const char *const name[] = { [SATP_BARE] = "bare", [SATP_SV39] = "Sv39", [SATP_SV48] = "Sv48", [SATP_SV57] = "Sv57" };
	u64 mode = satp >> 60;

	return mode < ARRAY_SIZE(name) && name[mode] ? name[mode] : "unknown";
}

static bool is_leaf(u64 e)
{
	return e & (PTE_R | PTE_W | PTE_X);
}

static bool reserved_set(u64 e, unsigned int level)
{
	if (e & PTE_RESERVED || (e & PTE_W && !(e & PTE_R)))
		return true;
	if (!is_leaf(e))
		return e & (PTE_D | PTE_A | PTE_U | PTE_PBMT | PTE_N);
	if ((e & PTE_PBMT) == PTE_PBMT)
		return true;
	/* [13 Svnapot] 64 KiB is all that is defined. */
	return e & PTE_N && (level || (e >> 10 & 0xf) != 8);
}

static enum walk_end take_leaf(u64 e, unsigned int level, u64 addr, struct walk *w)
{
	u64 size = BIT_ULL(PAGE_SHIFT + INDEX_BITS * level), base = (e & PTE_PPN) << 2;

	if (e & PTE_N) {
		size = 16 << PAGE_SHIFT;
		base &= ~(size - 1);
	}
	if (base & (size - 1))
		return WALK_MISALIGNED;
	w->page_size = size;
	w->gpa = base | (addr & (size - 1));
	w->read = e & PTE_R;
	w->write = e & PTE_W;
	w->exec = e & PTE_X;
	w->user = e & PTE_U;
	return WALK_MAPPED;
}

static enum walk_end walk_levels(const struct guest_mem *mem, u64 satp, u64 addr, struct walk *w)
{
	u64 table = (satp & SATP_PPN) << PAGE_SHIFT, gpa, e;
	unsigned int level = levels(satp);
	s64 high = (s64)addr >> (PAGE_SHIFT + INDEX_BITS * level - 1);
	u8 raw[8];

	if (high != 0 && high != -1)
		return WALK_NONCANONICAL;
	while (level--) {
		gpa = table + (addr >> (PAGE_SHIFT + INDEX_BITS * level) & (BIT(INDEX_BITS) - 1)) * 8;
		w->step[w->nr++].gpa = gpa;
		if (guest_read(mem, gpa, raw, sizeof(raw)) < 0)
			return WALK_OUTSIDE;
		e = w->step[w->nr - 1].entry = get_le64(raw);
		if (!(e & PTE_V))
			return WALK_INVALID;
		if (reserved_set(e, level))
			return WALK_RESERVED;
		if (is_leaf(e))
			return take_leaf(e, level, addr, w);
		table = (e & PTE_PPN) << 2;
	}
	return WALK_RESERVED;	/* a pointer at the last level [step 4 of 12.3.2] */
}

void paging_walk(const struct guest_mem *mem, u64 satp, u64 addr, struct walk *ret)
{
	*ret = (struct walk){ .mode = paging_mode_name(satp) };
	if (levels(satp)) {
		ret->end = walk_levels(mem, satp, addr, ret);
		return;
	}
	ret->end = satp >> 60 ? WALK_MODE : WALK_BARE;
	if (ret->end == WALK_MODE)
		return;
	ret->gpa = addr;
	ret->page_size = BIT(PAGE_SHIFT);
	ret->read = ret->write = ret->exec = ret->user = true;
}

const char *walk_end_name(enum walk_end end)
{
	static const char *const name[] = {
		[WALK_MAPPED] = "mapped", [WALK_BARE] = "not translated", [WALK_INVALID] = "not valid", [WALK_RESERVED] = "reserved bits set",
		[WALK_MISALIGNED] = "misaligned page", [WALK_OUTSIDE] = "table outside RAM", [WALK_NONCANONICAL] = "not canonical",
		[WALK_MODE] = "unknown mode",
	};

	return name[end];
}

bool paging_translate(const struct guest_mem *mem, const void *paging, u64 addr, gpa_t *ret)
{
	struct walk w;

	paging_walk(mem, *(const u64 *)paging, addr, &w);
	*ret = w.gpa;
	return w.end == WALK_MAPPED || w.end == WALK_BARE;
}
