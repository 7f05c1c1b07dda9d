/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes JSON objects member by member into a strbuf, and reads what others wrote into a bounded tree [RFC 8259].
 */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include "util/str.h"

/* '{' ... '}': members in between; an object begun inside another is one of its members. @name NULL: the outermost. */
void json_begin(struct strbuf *b, const char *name);
void json_end(struct strbuf *b);
void json_u64(struct strbuf *b, const char *name, u64 v);
/* Bytes that are no UTF-8 or control characters are written so that the output is valid. NULL gives null. */
void json_str(struct strbuf *b, const char *name, const char *v);

void json_bool(struct strbuf *b, const char *name, bool v);
void json_i64(struct strbuf *b, const char *name, s64 v);
/* '[' ... ']': objects and values inside are written with a NULL name. */
void json_array_begin(struct strbuf *b, const char *name);
void json_array_end(struct strbuf *b);

/* --- reading --- */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* One value of a tree; those of an object or array are a list. */
struct json_value {
	enum json_type type;
	const char *name;	/* of an object's member, else NULL */
	const char *str;	/* STRING, unescaped; NUMBER: as written */
	bool boolean;
	const struct json_value *child, *next;	/* first of an OBJECT or ARRAY; next sibling */
};

enum { JSON_DEPTH = 16 };

/*
 * Parses exactly one value with nothing but white space around it. Strings are unescaped in place in @text (NUL terminated), into which the
 * tree points; nodes come from @node[@room]. -EINVAL: no JSON, an escaped NUL, deeper than JSON_DEPTH, a member named
 * twice; -E2BIG: @room is too small. No memory is allocated.
 */
int json_parse(char *text, struct json_value *node, unsigned int room, const struct json_value **ret);
/* NULL when @obj is no object or has no such member. */
const struct json_value *json_member(const struct json_value *obj, const char *name);
/* 0; -ENOENT: no such member; -EINVAL: of another type, or out of range. */
int json_get_u64(const struct json_value *obj, const char *name, u64 max, u64 *ret);
int json_get_i64(const struct json_value *obj, const char *name, s64 *ret);
int json_get_bool(const struct json_value *obj, const char *name, bool *ret);
int json_get_str(const struct json_value *obj, const char *name, const char **ret);

#endif
