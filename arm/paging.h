/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's stage 1 page tables of EL1 and EL0 as its CPU would walk them, read only. [Arm ARM DDI 0487 D8]
 */
#ifndef ARM_PAGING_H
#define ARM_PAGING_H

#include "vmm/dump.h"
#include "vmm/memory.h"

enum { PAGING_LEVELS = 5 };	/* -1 to 3 */

/* The registers a walk depends on. */
struct paging {
	u64 sctlr, tcr, ttbr0, ttbr1;
};

enum walk_end {
	WALK_MAPPED,		/* gpa, page_size and the rights are valid */
	WALK_UNPAGED,		/* the same: the MMU is off, all rights */
	WALK_NOT_VALID,		/* the last entry read says so */
	WALK_RESERVED,		/* the last entry read is of a kind that its level has not */
	WALK_OUTSIDE,		/* there is no RAM where the next table should be: no entry was read there */
	WALK_NONCANONICAL,	/* the address is in neither half, or the half's walks are disabled */
	WALK_BAD_TCR,		/* TCR_EL1 has a granule or size that there is not */
};

struct walk_step {
	int level;
	u64 gpa;		/* where the entry is */
	u64 entry;		/* as read; 0 when WALK_OUTSIDE ends here */
};

struct walk {
	enum walk_end end;
	char mode[32];		/* "TTBR1, 4 KiB, 48 bits"; "off" */
	struct walk_step step[PAGING_LEVELS];
	unsigned int nr;
	u64 gpa;
	u64 page_size;
	bool writable, user, exec_user, exec_kernel, accessed;
};

/* At most PAGING_LEVELS entries are read, whatever the tables say. */
void paging_walk(const struct guest_mem *mem, const struct paging *p, u64 addr, struct walk *ret);
/* "mapped", "not valid" ... */
const char *walk_end_name(enum walk_end end);
/* For dump_read() and its like; @paging points to a struct paging. */
bool paging_translate(const struct guest_mem *mem, const void *paging, u64 addr, gpa_t *ret);
/* Reads by virtual address. Gives how many bytes came before the first that cannot be read. */
static inline size_t paging_read(const struct guest_mem *mem, const struct paging *p, u64 addr, void *buf, size_t len)
{
	return dump_read(mem, paging_translate, p, addr, buf, len);
}

#endif
