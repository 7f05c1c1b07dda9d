/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The JSON reader on any text [RFC 8259]. The first byte is how many nodes there are. Of an accepted text the tree is sound: values lie in the
 * text, members are found by their names, and what json.c writes of it reads back as the same tree.
 *
 * links: util/json.c util/json-parse.c util/str.c
 */
#include <errno.h>

#include "tests/fuzz/input.h"
#include "util/json.h"

enum { NODES = 256 };

static const char *text;
static size_t text_len;
static unsigned int nodes;

static bool inside(const char *s)
{
	return s >= text && s <= text + text_len && s + strlen(s) <= text + text_len;
}

/* Every way of asking for a member, whatever it is. */
static void ask(const struct json_value *obj, const struct json_value *v)
{
	const char *s;
	bool yes;
	u64 n;
	s64 i;

	MUST(json_member(obj, v->name) == v);
	MUST(!json_get_str(obj, v->name, &s) == (v->type == JSON_STRING));
	MUST(!json_get_bool(obj, v->name, &yes) == (v->type == JSON_BOOL));
	MUST(v->type == JSON_NUMBER || (json_get_u64(obj, v->name, ~0ULL, &n) && json_get_i64(obj, v->name, &i)));
	if (!json_get_u64(obj, v->name, 1000, &n))
		MUST(n <= 1000 && !json_get_i64(obj, v->name, &i) && i == (s64)n);
}

static void check(const struct json_value *v, const struct json_value *parent, unsigned int depth)
{
	const struct json_value *c;

	nodes++;
	MUST(depth <= JSON_DEPTH);
	MUST(!v->name == !(parent && parent->type == JSON_OBJECT) && (!v->name || inside(v->name)));
	MUST(!v->str == !(v->type == JSON_STRING || v->type == JSON_NUMBER) && (!v->str || inside(v->str)));
	MUST(!v->child || v->type == JSON_OBJECT || v->type == JSON_ARRAY);
	if (v->name)
		ask(parent, v);
	for (c = v->child; c; c = c->next)
		check(c, v, depth + 1);
}

static void put(struct strbuf *b, const struct json_value *v)
{
	const struct json_value *c;

	switch (v->type) {
	case JSON_NULL:
		json_str(b, v->name, NULL);
		break;
	case JSON_BOOL:
		json_bool(b, v->name, v->boolean);
		break;
	case JSON_NUMBER:	/* there is no writer of other numbers than integers */
		json_u64(b, v->name, strlen(v->str));
		break;
	case JSON_STRING:
		json_str(b, v->name, v->str);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		v->type == JSON_ARRAY ? json_array_begin(b, v->name) : json_begin(b, v->name);
		for (c = v->child; c; c = c->next)
			put(b, c);
		v->type == JSON_ARRAY ? json_array_end(b) : json_end(b);
		break;
	}
}

static bool same(const struct json_value *a, const struct json_value *b)
{
	if (!a || !b)
		return a == b;
	if (a->type != b->type || !a->name != !b->name || (a->name && strcmp(a->name, b->name)))
		return false;
	if ((a->type == JSON_BOOL && a->boolean != b->boolean) || (a->type == JSON_STRING && strcmp(a->str, b->str)))
		return false;
	return same(a->child, b->child) && same(a->next, b->next);
}

static bool ascii(const char *s, char from)
{
	for (; s && *s; s++)
		if (*s < from || *s > '~' || (from && (*s == '"' || *s == '\\')))
			return false;
	return true;
}

/* Names come from our own code and are written as they are; other bytes than ASCII are written one by one, as if Latin-1. */
static bool can_be_written(const struct json_value *v)
{
	for (; v; v = v->next)
		if (!ascii(v->name, ' ') || (v->type == JSON_STRING && !ascii(v->str, 0)) || !can_be_written(v->child))
			return false;
	return true;
}

static void round_trip(const struct json_value *v)
{
	static struct json_value node[NODES];
	const struct json_value *again;
	struct strbuf b = { 0 };

	if (v->type != JSON_OBJECT || !can_be_written(v))
		return;
	put(&b, v);
	MUST(!json_parse(b.s, node, NODES, &again) && same(v, again));
	strbuf_free(&b);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct json_value node[NODES];
	const struct json_value *v = NULL;
	unsigned int room;
	char *copy;
	int r;

	if (!size)
		return 0;
	room = data[0];
	copy = malloc(size);		/* as long as it is: a read beyond its end is seen */
	MUST(copy);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = 0;
	text = copy;
	text_len = size - 1;
	r = json_parse(copy, node, room, &v);
	MUST(r == 0 || r == -EINVAL || r == -E2BIG);
	nodes = 0;
	if (!r) {
		check(v, NULL, 0);
		MUST(nodes <= room);
		round_trip(v);
	}
	free(copy);
	return 0;
}
