/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks a guest's stage 1 page tables. [Arm ARM DDI 0487 D8.2 translation process, D8.3 descriptor formats, D24.2 TCR_EL1]
 *
 * One loop serves all three granules, with addresses of 48 bits and of 52 (64 KiB granules with IPS of 52 bits, the others with TCR.DS).
 * The tables are a hostile guest's: a level is one read, there are no more reads than levels, and the shape of the walk is judged before
 * the first.
 *
 * Left out: EL2's own tables, which a guest with --nested may have, and a 32-bit guest's; 128-bit descriptors; permission indirection and
 * overlays; who may execute what is writable (WXN). The guest's choice of byte order (SCTLR.EE) is taken to be little-endian.
 *
 * Threads: none of its own; the vCPU whose registers these are stands still.
 */
#include "arm/paging.h"

#include <stdio.h>
#include <string.h>

#include "util/endian.h"

enum { SCTLR_M = BIT(0) };
enum { T0SZ = 0, EPD0 = 7, TG0 = 14, T1SZ = 16, EPD1 = 23, TG1 = 30, IPS = 32, TBI0 = 37, HPD0 = 41, DS = 59 };
enum { IPS_52 = 6 };
enum { VALID = 1, TABLE = 2, AP_USER = BIT(6), AP_READ_ONLY = BIT(7), AF = BIT(10) };
#define PXN		BIT_ULL(53)
#define UXN		BIT_ULL(54)
#define PXN_TABLE	BIT_ULL(59)
#define UXN_TABLE	BIT_ULL(60)
#define NO_USER_TABLE	BIT_ULL(61)
#define READ_ONLY_TABLE	BIT_ULL(62)

/* Of the half of the address space that an address is in. */
struct half {
	u64 ttbr;
	unsigned int granule;	/* its shift: 12, 14, 16 */
	unsigned int va_bits;
	bool high;		/* TTBR1's */
	bool wide;		/* physical addresses of 52 bits */
	bool hierarchy;		/* rights of table entries count */
};

static unsigned int field(u64 v, unsigned int shift, unsigned int bits)
{
	return (unsigned int)(v >> shift) & ((1U << bits) - 1);
}

/* [D24.2 TCR_EL1] The two halves encode the granule each its own way; 0: reserved. */
static unsigned int granule_shift(u64 tcr, bool high)
{
	static const u8 tg0[4] = { 12, 16, 14, 0 }, tg1[4] = { 0, 14, 12, 16 };

	return high ? tg1[field(tcr, TG1, 2)] : tg0[field(tcr, TG0, 2)];
}

static enum walk_end choose_half(const struct paging *p, u64 addr, struct half *h)
{
	unsigned int size;
	u64 above;

	h->high = addr >> 55 & 1;
	h->ttbr = h->high ? p->ttbr1 : p->ttbr0;
	h->granule = granule_shift(p->tcr, h->high);
	size = field(p->tcr, h->high ? T1SZ : T0SZ, 6);
	h->va_bits = 64 - size;
	h->hierarchy = !(p->tcr >> (HPD0 + h->high) & 1);
	if (!h->granule)
		return WALK_BAD_TCR;
	h->wide = h->granule == 16 ? field(p->tcr, IPS, 3) == IPS_52 : p->tcr >> DS & 1;
	/* [D8.2.2] 16 to 48, and down to 12 with 52-bit addresses; a table's index needs a bit at least */
	if (h->va_bits > (h->granule == 16 || h->wide ? 52U : 48U) || h->va_bits < 16 || h->va_bits <= h->granule)
		return WALK_BAD_TCR;
	if (p->tcr >> (h->high ? EPD1 : EPD0) & 1)
		return WALK_NONCANONICAL;
	/* Bits from the size of the half up to 55 are all as bit 55; the top byte may be a tag. */
	above = addr << 8 >> 8;
	if (!(p->tcr >> (TBI0 + h->high) & 1))
		above = addr;
	else if (h->high)
		above |= 0xff00000000000000ULL;
	above >>= h->va_bits;
	return above == (h->high ? ~0ULL >> h->va_bits : 0) ? WALK_MAPPED : WALK_NONCANONICAL;
}

/* [D8.3.1] Where an entry leads: bits above 47 lie where the granule leaves room. */
static u64 output(const struct half *h, u64 e)
{
	u64 low = e & (BIT_ULL(48) - 1) & ~(BIT_ULL(h->granule) - 1);

	if (!h->wide)
		return low;
	if (h->granule == 16)
		return low | (e >> 12 & 0xf) << 48;
	return low | (e & (BIT_ULL(50) - BIT_ULL(48))) | (e >> 8 & 3) << 50;
}

/* The first table: aligned to its size, which is 64 bytes at least where the register's low bits are high ones of the address. */
static u64 root(const struct half *h, unsigned int first_bits)
{
	u64 align = h->wide ? MAX(64ULL, 8ULL << first_bits) : 8ULL << first_bits;
	u64 base = h->ttbr & (BIT_ULL(48) - 1) & ~(align - 1);

	return h->wide ? base | (h->ttbr >> 2 & 0xf) << 48 : base;
}

/* [D8.3.1] Levels that have blocks: 1 and 2 with 4 KiB, 2 otherwise; one more up with addresses of 52 bits. */
static bool may_be_block(const struct half *h, int level)
{
	int first = h->granule == 12 ? 1 : 2;

	return level < 3 && level >= first - h->wide;
}

static void take_table_rights(u64 e, struct walk *w)
{
	if (e & PXN_TABLE)
		w->exec_kernel = false;
	if (e & UXN_TABLE)
		w->exec_user = false;
	if (e & NO_USER_TABLE)
		w->user = false;
	if (e & READ_ONLY_TABLE)
		w->writable = false;
}

static void take_rights(u64 e, struct walk *w)
{
	w->writable &= !(e & AP_READ_ONLY);
	w->user &= !!(e & AP_USER);
	w->exec_kernel &= !(e & PXN);
	w->exec_user &= !(e & UXN);
	w->accessed = e & AF;
}

static enum walk_end walk_levels(const struct guest_mem *mem, const struct half *h, u64 addr, struct walk *w)
{
	unsigned int stride = h->granule - 3, shift, bits;
	int level = 4 - (int)((h->va_bits - h->granule + stride - 1) / stride);
	struct walk_step *s;
	u64 e = 0, table;
	u8 raw[8];

	shift = h->granule + stride * (unsigned int)(3 - level);
	bits = h->va_bits - shift;
	table = root(h, bits);
	for (;; level++, shift -= stride, bits = stride) {
		s = &w->step[w->nr++];
		s->level = level;
		s->gpa = table + (addr >> shift & (BIT_ULL(bits) - 1)) * sizeof(raw);
		if (guest_read(mem, s->gpa, raw, sizeof(raw)) < 0)
			return WALK_OUTSIDE;
		s->entry = e = get_le64(raw);
		if (!(e & VALID))
			return WALK_NOT_VALID;
		if (level == 3 || !(e & TABLE))
			break;
		if (h->hierarchy)
			take_table_rights(e, w);
		table = output(h, e);
	}
	if (level == 3 ? !(e & TABLE) : !may_be_block(h, level))
		return WALK_RESERVED;
	take_rights(e, w);
	w->page_size = BIT_ULL(shift);
	w->gpa = (output(h, e) & ~(w->page_size - 1)) | (addr & (w->page_size - 1));
	return WALK_MAPPED;
}

void paging_walk(const struct guest_mem *mem, const struct paging *p, u64 addr, struct walk *ret)
{
	struct half h = { .ttbr = 0 };

	*ret = (struct walk){ .mode = "off", .writable = true, .user = true, .exec_user = true, .exec_kernel = true, .accessed = true };
	if (!(p->sctlr & SCTLR_M)) {
		ret->end = WALK_UNPAGED;
		ret->gpa = addr;
		ret->page_size = 4096;
		return;
	}
	ret->end = choose_half(p, addr, &h);
	snprintf(ret->mode, sizeof(ret->mode), "TTBR%d, %u KiB, %u bits", h.high, h.granule ? 1U << (h.granule - 10) : 0, h.va_bits);
	if (ret->end == WALK_MAPPED)
		ret->end = walk_levels(mem, &h, addr, ret);
}

const char *walk_end_name(enum walk_end end)
{
	static const char *const name[] = {
		[WALK_MAPPED] = "mapped", [WALK_UNPAGED] = "not paged", [WALK_NOT_VALID] = "not valid",
		[WALK_RESERVED] = "reserved kind of entry", [WALK_OUTSIDE] = "table outside RAM",
		[WALK_NONCANONICAL] = "in no table's range", [WALK_BAD_TCR] = "no such granule or size in TCR_EL1",
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
