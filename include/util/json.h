/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes JSON objects member by member into a strbuf [RFC 8259].
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

#endif
