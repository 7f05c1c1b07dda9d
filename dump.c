/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of a vCPU's dump that are the same on every architecture. include/vmm/dump.h
 *
 * Addresses are the guest's: any of them may lead nowhere, and what cannot be read is shown as such.
 *
 * Threads: the caller's.
 */
#include "vmm/dump.h"

#include <stdio.h>
#include <string.h>

#include "util/endian.h"
#include "util/json.h"

typedef unsigned long long ull;

void dump_hex_json(struct strbuf *b, const char *name, u64 val)
{
	char s[20];

	snprintf(s, sizeof(s), "0x%llx", (ull)val);
	json_str(b, name, s);
}

/* --- registers --- */

void dump_group_text(struct strbuf *out, const struct dump_group *g)
{
	unsigned int i, per_line = 4;
	size_t width = 0;

	for (i = 0; i < g->nr; i++)
		width = MAX(width, strlen(g->reg[i].name));
	if (width > 9)
		per_line = 3;
	for (i = 0; i < g->nr; i++)
		strbuf_addf(out, "%-*s %016llx%s", (int)width, g->reg[i].name, (ull)g->reg[i].val,
			    i + 1 == g->nr || i % per_line == per_line - 1 ? "\n" : " ");
}

void dump_group_json(struct strbuf *b, const struct dump_group *g)
{
	unsigned int i;

	json_begin(b, g->name);
	for (i = 0; i < g->nr; i++)
		dump_hex_json(b, g->reg[i].name, g->reg[i].val);
	json_end(b);
}

const char *dump_bits(u64 val, const struct dump_bit *list, char out[DUMP_BITS_TEXT])
{
	size_t len = 0;

	out[0] = '\0';
	for (; list->name; list++)
		if (val >> list->bit & 1)
			len += (size_t)snprintf(out + len, DUMP_BITS_TEXT - len, "%s%s", len ? " " : "", list->name);
	return out;
}

/* --- code and stack --- */

size_t dump_read(const struct guest_mem *mem, dump_translate_fn *translate, const void *paging, u64 addr, void *buf, size_t len)
{
	size_t done, n;
	gpa_t gpa;

	for (done = 0; done < len; done += n) {
		if (!translate(mem, paging, addr + done, &gpa))
			break;
		n = MIN(len - done, (size_t)(4096 - (gpa & 4095)));
		if (guest_read(mem, gpa, (u8 *)buf + done, n) < 0)
			break;
	}
	return done;
}

void dump_memory_read(struct dump_memory *m, const struct guest_mem *mem, dump_translate_fn *translate, const void *paging)
{
	unsigned int i;
	u8 word[8];

	for (i = 0; i < DUMP_CODE_BYTES; i++)
		m->code_ok[i] = dump_read(mem, translate, paging, m->pc - DUMP_CODE_BEFORE + i, &m->code[i], 1) == 1;
	for (i = 0; i < DUMP_STACK_WORDS; i++) {
		if (dump_read(mem, translate, paging, m->sp + i * m->word, word, m->word) < m->word)
			break;
		m->stack[m->stack_nr++] = get_le(word, m->word);
	}
}

void dump_memory_text(struct strbuf *out, const struct dump_memory *m)
{
	unsigned int i, per_line = 32 / m->word;
	char byte[3];

	strbuf_addf(out, "code");
	for (i = 0; i < DUMP_CODE_BYTES; i++) {
		snprintf(byte, sizeof(byte), m->code_ok[i] ? "%02x" : "--", m->code[i]);
		strbuf_addf(out, i == DUMP_CODE_BEFORE ? " <%s>" : " %s", byte);
	}
	strbuf_addf(out, "\nstack");
	for (i = 0; i < m->stack_nr; i++)
		strbuf_addf(out, "%s %0*llx", i && i % per_line == 0 ? "\n     " : "", (int)m->word * 2, (ull)m->stack[i]);
	strbuf_addf(out, "%s\n", m->stack_nr < DUMP_STACK_WORDS ? " --" : "");
}

void dump_memory_json(struct strbuf *b, const struct dump_memory *m)
{
	char hex[2 * DUMP_CODE_BYTES + 1];
	unsigned int i;

	for (i = 0; i < DUMP_CODE_BYTES; i++)
		snprintf(hex + 2 * i, 3, m->code_ok[i] ? "%02x" : "--", m->code[i]);
	json_begin(b, "code");
	dump_hex_json(b, "addr", m->pc - DUMP_CODE_BEFORE);
	json_str(b, "bytes", hex);
	json_end(b);
	json_begin(b, "stack");
	dump_hex_json(b, "addr", m->sp);
	json_u64(b, "word", m->word);
	json_array_begin(b, "words");
	for (i = 0; i < m->stack_nr; i++)
		dump_hex_json(b, NULL, m->stack[i]);
	json_array_end(b);
	json_end(b);
}
