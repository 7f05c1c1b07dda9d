// SPDX-License-Identifier: GPL-2.0-only
/*
 * A strict JSON reader [RFC 8259]: no recursion, no allocation, nothing beyond the grammar (no comments, no trailing commas, no NaN, no
 * byte order mark). What the RFC leaves open is refused when readers could differ about it: members named twice, NUL in a string, lone
 * surrogates, bytes that are no UTF-8 [RFC 8259 4, 8.1, 8.2].
 *
 * Strings are unescaped in place: what is written is never longer than what it is read from. A number gets its NUL only when the byte
 * after it has been looked at.
 */
#include <errno.h>
#include <string.h>

#include "util/json.h"

enum { MEMBERS_MAX = 1024 };	/* of one object: names are compared with each other */

struct parser {
	char *p;
	char *number_end;		/* the NUL of the last number is to go here; NULL: nowhere */
	struct json_value *node;
	unsigned int room, used;
	struct json_value *open[JSON_DEPTH];	/* objects and arrays we are in */
	struct json_value *last[JSON_DEPTH];	/* their last value so far; NULL: empty */
	unsigned int members[JSON_DEPTH];
	unsigned int depth;
};

/* The next byte that is no white space [RFC 8259 2]; the one after a number among them. */
static char peek(struct parser *ps)
{
	char c;

	while (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\n' || *ps->p == '\r')
		ps->p++;
	c = *ps->p;
	if (ps->number_end && ps->number_end != ps->p)
		*ps->number_end = '\0';
	return c;
}

static void take(struct parser *ps)
{
	ps->p++;
	if (ps->number_end)
		*ps->number_end = '\0';
	ps->number_end = NULL;
}

static int hex4(const char *s, unsigned int *ret)
{
	unsigned int v = 0, i;

	for (i = 0; i < 4; i++) {
		v <<= 4;
		if (s[i] >= '0' && s[i] <= '9')
			v |= (unsigned int)(s[i] - '0');
		else if ((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'f')
			v |= (unsigned int)((s[i] | 0x20) - 'a' + 10);
		else
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

static char *put_utf8(char *out, unsigned int c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* \uXXXX, of which p is at the first X; a high surrogate takes a low one after it [RFC 8259 7] */
static int unescape_u(struct parser *ps, char **out)
{
	unsigned int c, low;

	if (hex4(ps->p, &c) < 0)
		return -EINVAL;
	ps->p += 4;
	if (!c || (c >= 0xdc00 && c < 0xe000))
		return -EINVAL;
	if (c >= 0xd800 && c < 0xdc00) {
		if (ps->p[0] != '\\' || ps->p[1] != 'u' || hex4(ps->p + 2, &low) < 0 || low < 0xdc00 || low >= 0xe000)
			return -EINVAL;
		ps->p += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*out = put_utf8(*out, c);
	return 0;
}

static int unescape(struct parser *ps, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	char c = *ps->p;

	if (c == 'u') {
		ps->p++;
		return unescape_u(ps, out);
	}
	at = c ? strchr(from, c) : NULL;
	if (!at)
		return -EINVAL;
	ps->p++;
	*(*out)++ = to[at - from];
	return 0;
}

/* Copies one character of more than one byte: shortest form, no surrogates, at most U+10FFFF [RFC 3629 4]. */
static int copy_utf8(struct parser *ps, char **out)
{
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)ps->p;
	unsigned int len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2, c, i;

	if (s[0] < 0xc0 || s[0] >= 0xf8)
		return -EINVAL;
	c = s[0] & (0x7fU >> len);
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)	/* the NUL at the end too */
			return -EINVAL;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return -EINVAL;
	memmove(*out, ps->p, len);
	*out += len;
	ps->p += len;
	return 0;
}

/* p is after the opening quote. */
static int parse_string(struct parser *ps, const char **ret)
{
	char *out = ps->p;
	unsigned char c;
	int r = 0;

	*ret = out;
	while (!r) {
		c = (unsigned char)*ps->p;
		if (c < 0x20)	/* also the end of the text */
			return -EINVAL;
		if (c == '"')
			break;
		if (c >= 0x80) {
			r = copy_utf8(ps, &out);
		} else if (c == '\\') {
			ps->p++;
			r = unescape(ps, &out);
		} else {
			*out++ = (char)c;
			ps->p++;
		}
	}
	if (r < 0)
		return r;
	ps->p++;
	*out = '\0';
	return 0;
}

static bool digits(struct parser *ps)
{
	const char *from = ps->p;

	while (*ps->p >= '0' && *ps->p <= '9')
		ps->p++;
	return ps->p != from;
}

/* [RFC 8259 6] */
static int parse_number(struct parser *ps, const char **ret)
{
	*ret = ps->p;
	if (*ps->p == '-')
		ps->p++;
	if (*ps->p == '0')
		ps->p++;
	else if (!digits(ps))
		return -EINVAL;
	if (*ps->p == '.') {
		ps->p++;
		if (!digits(ps))
			return -EINVAL;
	}
	if (*ps->p == 'e' || *ps->p == 'E') {
		ps->p++;
		if (*ps->p == '+' || *ps->p == '-')
			ps->p++;
		if (!digits(ps))
			return -EINVAL;
	}
	ps->number_end = ps->p;
	return 0;
}

static int parse_word(struct parser *ps, struct json_value *v)
{
	static const struct {
		const char *word;
		enum json_type type;
		bool boolean;
	} words[] = { { "null", JSON_NULL, false }, { "true", JSON_BOOL, true }, { "false", JSON_BOOL, false } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (strncmp(ps->p, words[i].word, strlen(words[i].word)))
			continue;
		ps->p += strlen(words[i].word);
		v->type = words[i].type;
		v->boolean = words[i].boolean;
		return 0;
	}
	return -EINVAL;
}

/* "name": of the object we are in. */
static int parse_name(struct parser *ps, const char **ret)
{
	unsigned int top = ps->depth - 1;
	const char *name;
	int r;

	if (peek(ps) != '"')
		return -EINVAL;
	take(ps);
	r = parse_string(ps, &name);
	if (r < 0)
		return r;
	if (peek(ps) != ':')
		return -EINVAL;
	take(ps);
	if (json_member(ps->open[top], name))
		return -EINVAL;
	if (++ps->members[top] > MEMBERS_MAX)
		return -E2BIG;
	*ret = name;
	return 0;
}

/* A node for the next value, linked to what it is in. */
static int add_node(struct parser *ps, const char *name, struct json_value **ret)
{
	unsigned int top = ps->depth - 1;
	struct json_value *v;

	if (ps->used == ps->room)
		return -E2BIG;
	v = &ps->node[ps->used++];
	memset(v, 0, sizeof(*v));
	v->name = name;
	if (ps->depth) {
		if (ps->last[top])
			ps->last[top]->next = v;
		else
			ps->open[top]->child = v;
		ps->last[top] = v;
	}
	*ret = v;
	return 0;
}

/* A value; of an object or array its opening bracket, after which we are in it. */
static int parse_value(struct parser *ps, const char *name)
{
	struct json_value *v;
	char c;
	int r;

	r = add_node(ps, name, &v);
	if (r < 0)
		return r;
	c = peek(ps);
	if (c == '{' || c == '[') {
		if (ps->depth == JSON_DEPTH)
			return -EINVAL;
		v->type = c == '{' ? JSON_OBJECT : JSON_ARRAY;
		ps->open[ps->depth] = v;
		ps->last[ps->depth] = NULL;
		ps->members[ps->depth++] = 0;
		take(ps);
		return 0;
	}
	if (c == '"') {
		v->type = JSON_STRING;
		take(ps);
		return parse_string(ps, &v->str);
	}
	if (c == '-' || (c >= '0' && c <= '9')) {
		v->type = JSON_NUMBER;
		return parse_number(ps, &v->str);
	}
	return parse_word(ps, v);
}

/* What may follow inside of an object or array: its end, or a value after a comma unless it is the first. */
static int parse_next(struct parser *ps)
{
	const struct json_value *in = ps->open[ps->depth - 1];
	bool object = in->type == JSON_OBJECT;
	const char *name = NULL;
	char c = peek(ps);
	int r = 0;

	if (c == (object ? '}' : ']')) {
		ps->depth--;
		take(ps);
		return 0;
	}
	if (in->child) {
		if (c != ',')
			return -EINVAL;
		take(ps);
	}
	if (object)
		r = parse_name(ps, &name);
	return r < 0 ? r : parse_value(ps, name);
}

int json_parse(char *text, struct json_value *node, unsigned int room, const struct json_value **ret)
{
	struct parser ps = { .p = text, .node = node, .room = room };
	int r;

	r = parse_value(&ps, NULL);
	while (!r && ps.depth)
		r = parse_next(&ps);
	if (r < 0)
		return r;
	if (peek(&ps))
		return -EINVAL;
	*ret = node;
	return 0;
}

const struct json_value *json_member(const struct json_value *obj, const char *name)
{
	const struct json_value *v;

	if (!obj || obj->type != JSON_OBJECT)
		return NULL;
	for (v = obj->child; v; v = v->next)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

/* Whole numbers only: 1.0 and 1e3 are numbers too, but nobody writes counts so. */
static int whole_number(const char *s, u64 max, u64 *ret)
{
	u64 v = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10ULL, &v) || __builtin_add_overflow(v, (u64)(*s - '0'), &v))
			return -EINVAL;
	if (*s || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int member_of(const struct json_value *obj, const char *name, enum json_type type, const struct json_value **ret)
{
	*ret = json_member(obj, name);
	if (!*ret)
		return -ENOENT;
	return (*ret)->type == type ? 0 : -EINVAL;
}

int json_get_u64(const struct json_value *obj, const char *name, u64 max, u64 *ret)
{
	const struct json_value *v;
	int r = member_of(obj, name, JSON_NUMBER, &v);

	return r < 0 ? r : whole_number(v->str, max, ret);
}

int json_get_i64(const struct json_value *obj, const char *name, s64 *ret)
{
	const struct json_value *v;
	bool minus;
	u64 n;
	int r;

	r = member_of(obj, name, JSON_NUMBER, &v);
	if (r < 0)
		return r;
	minus = v->str[0] == '-';
	r = whole_number(v->str + minus, (u64)INT64_MAX + minus, &n);
	if (r < 0)
		return r;
	*ret = minus ? (s64)(0 - n) : (s64)n;
	return 0;
}

int json_get_bool(const struct json_value *obj, const char *name, bool *ret)
{
	const struct json_value *v;
	int r = member_of(obj, name, JSON_BOOL, &v);

	if (!r)
		*ret = v->boolean;
	return r;
}

int json_get_str(const struct json_value *obj, const char *name, const char **ret)
{
	const struct json_value *v;
	int r = member_of(obj, name, JSON_STRING, &v);

	if (!r)
		*ret = v->str;
	return r;
}
