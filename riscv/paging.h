/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's page tables as its hart would walk them, read only: no accessed or dirty bit is set, nothing is cached. The second stage is
 * KVM's and not seen. [riscv-privileged 12.3 to 12.6: Sv32 is not here, Sv39, Sv48, Sv57] Private to riscv/ and its tests.
 */
#ifndef RISCV_PAGING_H
#define RISCV_PAGING_H

#include "vmm/dump.h"
#include "vmm/memory.h"

enum { PAGING_LEVELS = 5 };

enum walk_end {
	WALK_MAPPED,		/* gpa, page_size and the rights are valid */
	WALK_BARE,		/* the same: no translation, all rights */
	WALK_INVALID,		/* the last entry read has V clear */
	WALK_RESERVED,		/* the last entry read has bits set that may not be */
	WALK_MISALIGNED,	/* a large page that begins amid one */
	WALK_OUTSIDE,		/* there is no RAM where the next table should be: no entry was read there */
	WALK_NONCANONICAL,	/* the address is none that the mode has */
	WALK_MODE,		/* satp's mode is none that is known */
};

struct walk {
	enum walk_end end;
	const char *mode;	/* "Sv39" */
	struct { u64 gpa, entry; } step[PAGING_LEVELS];	/* root first */
	unsigned int nr;
	u64 gpa, page_size;
	bool read, write, exec, user;
};

/* At most PAGING_LEVELS entries are read, whatever the tables say. */
void paging_walk(const struct guest_mem *mem, u64 satp, u64 addr, struct walk *ret);
const char *walk_end_name(enum walk_end end);
/* "Sv39", "bare"; "unknown". */
const char *paging_mode_name(u64 satp);
/* For dump_read() and its like; @paging points to a satp. */
bool paging_translate(const struct guest_mem *mem, const void *paging, u64 addr, gpa_t *ret);
/* Reads by virtual address. Gives how many bytes came before the first that cannot be read. */
static inline size_t paging_read(const struct guest_mem *mem, u64 satp, u64 addr, void *buf, size_t len)
{
	return dump_read(mem, paging_translate, &satp, addr, buf, len);
}

#endif
