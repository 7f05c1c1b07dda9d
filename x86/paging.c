/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks a guest's page tables. [Intel SDM 3A 4.3 32-bit, 4.4 PAE, 4.5 4-level and 5-level paging]
 *
 * Each paging mode is a table of its levels, so that one loop serves all. The tables are a hostile guest's: a level is one
 * read, there are no more reads than levels, and an address is used only after its reserved bits were seen to be 0.
 *
 * Left out: protection keys, shadow stacks and SMAP/SMEP, which depend on the access; nested paging inside the guest. PAE's four
 * top entries are read from memory, where a CPU uses those it loaded when CR3 was written [4.4.1].
 *
 * Threads: none of its own; the vCPU whose registers these are stands still.
 */
#include "x86/paging.h"

#include <string.h>

#include "util/endian.h"

#define CR0_PG	BIT_ULL(31)
enum { CR4_PSE = BIT(4), CR4_PAE = BIT(5), CR4_LA57 = BIT(12) };
enum { EFER_LMA = BIT(10), EFER_NXE = BIT(11) };
enum { PTE_P = BIT(0), PTE_RW = BIT(1), PTE_US = BIT(2), PTE_PS = BIT(7) };
#define PTE_NX	BIT_ULL(63)

struct level {
	const char *name;
	unsigned int shift, bits;	/* of the linear address */
	enum { TABLE, MAY_BE_PAGE, PAGE } leaf;
	u64 reserved;			/* besides what the physical address' width makes reserved */
	bool rights;			/* RW, US and XD count */
};

struct mode {
	const char *name;
	const struct level *level;
	unsigned int nr, entry_size;
	unsigned int addr_bits;		/* of a linear address: sign-extended beyond, or 32 */
	u64 root_mask;			/* of CR3 */
};

static const struct level long_levels[] = {
	{ "PML5", 48, 9, TABLE, PTE_PS, true },
	{ "PML4", 39, 9, TABLE, PTE_PS, true },
	{ "PDPT", 30, 9, MAY_BE_PAGE, 0, true },
	{ "PD", 21, 9, MAY_BE_PAGE, 0, true },
	{ "PT", 12, 9, PAGE, 0, true },
};
static const struct level pae_levels[] = {
	{ "PDPT", 30, 2, TABLE, 0x1e6, false },		/* [4.4.1 table 4-8] */
	{ "PD", 21, 9, MAY_BE_PAGE, 0, true },
	{ "PT", 12, 9, PAGE, 0, true },
};
static const struct level pse_levels[] = {
	{ "PD", 22, 10, MAY_BE_PAGE, 0, true },
	{ "PT", 12, 10, PAGE, 0, true },
};
static const struct level legacy_levels[] = {
	{ "PD", 22, 10, TABLE, 0, true },		/* PS is ignored without CR4.PSE */
	{ "PT", 12, 10, PAGE, 0, true },
};

static const struct mode mode_5level = { "5-level", long_levels, 5, 8, 57, ~0xfffULL };
static const struct mode mode_4level = { "4-level", long_levels + 1, 4, 8, 48, ~0xfffULL };
static const struct mode mode_pae = { "PAE", pae_levels, 3, 8, 32, 0xffffffe0ULL };
static const struct mode mode_pse = { "32-bit", pse_levels, 2, 4, 32, 0xfffff000ULL };
static const struct mode mode_legacy = { "32-bit", legacy_levels, 2, 4, 32, 0xfffff000ULL };

static const struct mode *mode_of(const struct paging *p)
{
	if (p->efer & EFER_LMA)
		return p->cr4 & CR4_LA57 ? &mode_5level : &mode_4level;
	if (p->cr4 & CR4_PAE)
		return &mode_pae;
	return p->cr4 & CR4_PSE ? &mode_pse : &mode_legacy;
}

static u64 phys_mask(const struct paging *p)
{
	return BIT_ULL(MIN(p->phys_bits, 52U)) - 1;
}

static bool address_ok(const struct mode *m, u64 addr)
{
	s64 high = (s64)addr >> (m->addr_bits - 1);

	return m->addr_bits == 32 ? !(addr >> 32) : high == 0 || high == -1;
}

/* A 32-bit directory's 4 MiB page: bits 20..13 are address bits 39..32. [4.3 table 4-4] */
static u64 pse36_gpa(u64 entry)
{
	return (entry & 0xffc00000ULL) | (entry >> 13 & 0xff) << 32;
}

static bool reserved_set(const struct paging *p, const struct mode *m, const struct level *l, u64 e, bool page)
{
	u64 mask = l->reserved;

	if (m->entry_size == 4) {	/* [4.3] only of a 4 MiB page: bit 21, and address bits the CPU does not have */
		if (!page || l->leaf == PAGE)
			return false;
		return e & BIT(21) || pse36_gpa(e) & ~phys_mask(p);
	}
	/* Bits 62..52 are ignored or keys with 4 levels, and reserved with PAE. */
	mask |= (p->efer & EFER_LMA ? BIT_ULL(52) - 1 : BIT_ULL(63) - 1) & ~phys_mask(p);
	if (!(p->efer & EFER_NXE) || !l->rights)
		mask |= PTE_NX;
	if (page && l->leaf != PAGE)	/* address bits below the page's size, but for PAT in bit 12 */
		mask |= (BIT_ULL(l->shift) - 1) & ~0x1fffULL;
	if (!page && l->leaf == MAY_BE_PAGE)	/* a PDPTE of a CPU without 1 GiB pages */
		mask |= PTE_PS;
	return e & mask;
}

static bool read_entry(const struct guest_mem *mem, const struct mode *m, u64 gpa, u64 *ret)
{
	u8 raw[8] = { 0 };

	if (guest_read(mem, gpa, raw, m->entry_size) < 0)
		return false;
	*ret = get_le64(raw);
	return true;
}

static void take_rights(const struct paging *p, u64 e, struct walk *w)
{
	w->writable &= !!(e & PTE_RW);
	w->user &= !!(e & PTE_US);
	if (p->efer & EFER_NXE && e & PTE_NX)
		w->exec = false;
}

static bool is_page(const struct paging *p, const struct level *l, u64 e)
{
	if (l->leaf != MAY_BE_PAGE)
		return l->leaf == PAGE;
	return e & PTE_PS && (l->shift != 30 || p->gib_pages);
}

static enum walk_end walk_levels(const struct guest_mem *mem, const struct paging *p, const struct mode *m, u64 addr,
				 struct walk *w)
{
	u64 e = 0, table = p->cr3 & m->root_mask & phys_mask(p);
	const struct level *l;
	struct walk_step *s;
	bool page;

	for (l = m->level; l < m->level + m->nr; l++) {
		s = &w->step[w->nr++];
		s->name = l->name;
		s->gpa = table + (addr >> l->shift & (BIT_ULL(l->bits) - 1)) * m->entry_size;
		if (!read_entry(mem, m, s->gpa, &e))
			return WALK_OUTSIDE;
		s->entry = e;
		if (!(e & PTE_P))
			return WALK_NOT_PRESENT;
		page = is_page(p, l, e);
		if (reserved_set(p, m, l, e, page))
			return WALK_RESERVED;
		if (l->rights)
			take_rights(p, e, w);
		table = e & phys_mask(p) & ~0xfffULL;
		if (page)
			break;
	}
	w->page_size = BIT_ULL(l->shift);
	if (m->entry_size == 4 && l->leaf != PAGE)
		table = pse36_gpa(e);
	w->gpa = (table & ~(w->page_size - 1)) | (addr & (w->page_size - 1));
	return WALK_MAPPED;
}

void paging_walk(const struct guest_mem *mem, const struct paging *p, u64 addr, struct walk *ret)
{
	const struct mode *m = mode_of(p);

	*ret = (struct walk){ .writable = true, .user = true, .exec = true };
	if (!(p->cr0 & CR0_PG)) {
		ret->end = WALK_UNPAGED;
		ret->mode = "none";
		ret->gpa = addr;
		ret->page_size = 4096;
		return;
	}
	ret->mode = m->name;
	ret->end = address_ok(m, addr) ? walk_levels(mem, p, m, addr, ret) : WALK_NONCANONICAL;
}

const char *walk_end_name(enum walk_end end)
{
	static const char *const name[] = {
		[WALK_MAPPED] = "mapped", [WALK_UNPAGED] = "not paged", [WALK_NOT_PRESENT] = "not present",
		[WALK_RESERVED] = "reserved bit set", [WALK_OUTSIDE] = "table outside RAM", [WALK_NONCANONICAL] = "not canonical",
	};

	return name[end];
}

bool paging_translate(const struct guest_mem *mem, const void *paging, u64 addr, gpa_t *ret)
{
	struct walk w;

	paging_walk(mem, paging, addr, &w);
	*ret = w.gpa;
	return w.end == WALK_MAPPED || w.end == WALK_UNPAGED;
}
