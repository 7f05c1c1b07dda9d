/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers, sizes and small strings as users write them. Every parser takes the
 * whole string or refuses it; nothing is written on failure.
 */
#ifndef UTIL_STR_H
#define UTIL_STR_H

#include "util/types.h"

/*
 * Unsigned number, decimal, or hex with 0x. -EINVAL: empty, a sign, garbage
 * after it; -ERANGE: beyond @max.
 */
int str_to_u64(const char *s, u64 max, u64 *ret);

/*
 * A size in bytes with an optional unit letter B K M G T P (either case;
 * powers of 1024); without one @unit applies. -EINVAL, -ERANGE (overflow).
 */
int str_to_size(const char *s, u64 unit, u64 *ret);

/* A growing string. Zero-initialise; strbuf_free() when done. */
struct strbuf {
	char *s;	/* owned; NULL until something is added */
	size_t len, room;
	bool failed;	/* an allocation failed: the content is not to be used */
};

void strbuf_add(struct strbuf *b, const void *data, size_t len);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_free(struct strbuf *b);

/* asprintf that gives NULL on failure. The caller frees. */
char *str_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* memcpy-like bounded copy; always terminates; false when @src was cut. */
bool str_copy(char *dst, size_t room, const char *src);

#endif
