/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the dumps of a vCPU have in common on every architecture: groups of registers, the code and the stack, bits by name; each as text
 * for a person and as JSON for a program. arch_vcpu_dump() and arch_vcpu_dump_json() are made of these.
 *
 * In JSON what has 64 bits is a string, since many readers' numbers have 53.
 *
 * Threads: the caller's; the vCPU does not run.
 */
#ifndef VMM_DUMP_H
#define VMM_DUMP_H

#include "util/str.h"
#include "vmm/memory.h"

enum { DUMP_GROUP_ROOM = 36, DUMP_CODE_BEFORE = 16, DUMP_CODE_BYTES = 64, DUMP_STACK_WORDS = 16, DUMP_BITS_TEXT = 64 };

/* "0x..." */
void dump_hex_json(struct strbuf *b, const char *name, u64 val);

struct dump_reg {
	const char *name;
	u64 val;
};

struct dump_group {
	const char *name;
	struct dump_reg reg[DUMP_GROUP_ROOM];
	unsigned int nr;
};
void dump_group_text(struct strbuf *out, const struct dump_group *g);
void dump_group_json(struct strbuf *b, const struct dump_group *g);

/* Names of the bits that are set in @val, with a space between them, in the list's order; it ends with a NULL name. Gives @out. */
struct dump_bit {
	const char *name;
	unsigned int bit;
};
const char *dump_bits(u64 val, const struct dump_bit *list, char out[DUMP_BITS_TEXT]);

/* A virtual address by the page tables that @paging stands for. False: it leads nowhere. */
typedef bool dump_translate_fn(const struct guest_mem *mem, const void *paging, u64 addr, gpa_t *ret);
/* Reads by virtual address. Gives how many bytes came before the first that cannot be read. */
size_t dump_read(const struct guest_mem *mem, dump_translate_fn *translate, const void *paging, u64 addr, void *buf, size_t len);

struct dump_memory {
	u64 pc, sp;
	unsigned int word;		/* bytes of one of the stack: 2, 4, 8 */
	u8 code[DUMP_CODE_BYTES];	/* from DUMP_CODE_BEFORE before pc on */
	bool code_ok[DUMP_CODE_BYTES];
	u64 stack[DUMP_STACK_WORDS];
	unsigned int stack_nr;
};
/* Reads what @m's pc, sp and word ask for; the rest is zero before. */
void dump_memory_read(struct dump_memory *m, const struct guest_mem *mem, dump_translate_fn *translate, const void *paging);
void dump_memory_text(struct strbuf *out, const struct dump_memory *m);
void dump_memory_json(struct strbuf *b, const struct dump_memory *m);

#endif
