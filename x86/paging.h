/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's page tables as its CPU would walk them, read only: no accessed or dirty bit is set, nothing is cached. [Intel SDM 3A 4]
 */
#ifndef X86_PAGING_H
#define X86_PAGING_H

#include "vmm/dump.h"
#include "vmm/memory.h"

enum { PAGING_LEVELS = 5 };

/* The registers a walk depends on. */
struct paging {
	u64 cr0, cr3, cr4, efer;
	unsigned int phys_bits;		/* of a guest physical address */
	bool gib_pages;			/* CPUID has them */
};

enum walk_end {
	WALK_MAPPED,		/* gpa, page_size and the rights are valid */
	WALK_UNPAGED,		/* the same: no paging, all rights */
	WALK_NOT_PRESENT,	/* the last entry read says so */
	WALK_RESERVED,		/* the last entry read has a reserved bit set: a fault with RSVD [4.7] */
	WALK_OUTSIDE,		/* there is no RAM where the next table should be: no entry was read there */
	WALK_NONCANONICAL,	/* the address is none that the mode has */
};

struct walk_step {
	const char *name;	/* "PML4" */
	u64 gpa;		/* where the entry is */
	u64 entry;		/* as read; 0 when WALK_OUTSIDE ends here */
};

struct walk {
	enum walk_end end;
	const char *mode;	/* "4-level" */
	struct walk_step step[PAGING_LEVELS];
	unsigned int nr;
	u64 gpa;
	u64 page_size;
	bool writable, user, exec;
};

/* At most PAGING_LEVELS entries are read, whatever the tables say. */
void paging_walk(const struct guest_mem *mem, const struct paging *p, u64 addr, struct walk *ret);
/* "mapped", "not present" ... */
const char *walk_end_name(enum walk_end end);
/* For dump_read() and its like; @paging points to a struct paging. */
bool paging_translate(const struct guest_mem *mem, const void *paging, u64 addr, gpa_t *ret);
/* Reads by linear address. Gives how many bytes came before the first that cannot be read. */
static inline size_t paging_read(const struct guest_mem *mem, const struct paging *p, u64 addr, void *buf, size_t len)
{
	return dump_read(mem, paging_translate, p, addr, buf, len);
}

#endif
