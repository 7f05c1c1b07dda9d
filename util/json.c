/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A JSON writer. Commas follow from the byte before: a member needs one unless it is the first.
 */
#include "util/json.h"

#include <string.h>

static void name_of(struct strbuf *b, const char *name)
{
	if (b->len && !strchr("{[\n", b->s[b->len - 1]))
		strbuf_add(b, ",", 1);
	if (name)
		strbuf_addf(b, "\"%s\":", name);
}

void json_begin(struct strbuf *b, const char *name)
{
	name_of(b, name);
	strbuf_add(b, "{", 1);
}

void json_end(struct strbuf *b)
{
	strbuf_add(b, "}", 1);
}

void json_array_begin(struct strbuf *b, const char *name)
{
	name_of(b, name);
	strbuf_add(b, "[", 1);
}

void json_array_end(struct strbuf *b)
{
	strbuf_add(b, "]", 1);
}

void json_bool(struct strbuf *b, const char *name, bool v)
{
	name_of(b, name);
	strbuf_addf(b, "%s", v ? "true" : "false");
}

void json_i64(struct strbuf *b, const char *name, s64 v)
{
	name_of(b, name);
	strbuf_addf(b, "%lld", (long long)v);
}

void json_u64(struct strbuf *b, const char *name, u64 v)
{
	name_of(b, name);
	strbuf_addf(b, "%llu", (unsigned long long)v);
}

void json_str(struct strbuf *b, const char *name, const char *v)
{
	const unsigned char *p;

	name_of(b, name);
	if (!v) {
		strbuf_add(b, "null", 4);
		return;
	}
	strbuf_add(b, "\"", 1);
	for (p = (const unsigned char *)v; *p; p++) {
		if (*p == '"' || *p == '\\')
			strbuf_addf(b, "\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f)	/* bytes, as if Latin-1: always valid, never lost */
			strbuf_addf(b, "\\u%04x", *p);
		else
			strbuf_add(b, p, 1);
	}
	strbuf_add(b, "\"", 1);
}
