/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers, sizes, and strings that grow.
 */
#include "util/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c, unsigned int base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Digits up to the first other character, which *end then points at. */
static int parse_u64(const char *s, const char **end, u64 *ret)
{
	unsigned int base = 10;
	u64 v = 0;
	int d;

	if (s[0] == '0' && (s[1] | 0x20) == 'x') {
		base = 16;
		s += 2;
	}
	if (digit(*s, base) < 0)
		return -EINVAL;
	for (; (d = digit(*s, base)) >= 0; s++)
		if (__builtin_mul_overflow(v, (u64)base, &v) || __builtin_add_overflow(v, (u64)d, &v))
			return -ERANGE;
	*end = s;
	*ret = v;
	return 0;
}

int str_to_u64(const char *s, u64 max, u64 *ret)
{
	const char *end;
	u64 v;
	int r;

	r = parse_u64(s, &end, &v);
	if (r < 0)
		return r;
	if (*end)
		return -EINVAL;
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int str_to_size(const char *s, u64 unit, u64 *ret)
{
	static const char units[] = "BKMGTP";
	const char *end, *u;
	u64 v;
	int r;

	r = parse_u64(s, &end, &v);
	if (r < 0)
		return r;
	if (*end) {
		u = strchr(units, *end >= 'a' && *end <= 'z' ? *end - 0x20 : *end);
		if (!u || end[1])
			return -EINVAL;
		unit = 1ULL << (10 * (u - units));
	}
	if (__builtin_mul_overflow(v, unit, &v))
		return -ERANGE;
	*ret = v;
	return 0;
}

static bool strbuf_reserve(struct strbuf *b, size_t more)
{
	size_t room = b->room ? b->room : 128;
	char *s;

	if (b->failed)
		return false;
	while (room - b->len <= more)
		room *= 2;
	if (room == b->room)
		return true;
	s = realloc(b->s, room);
	if (!s) {
		b->failed = true;
		return false;
	}
	b->s = s;
	b->room = room;
	return true;
}

void strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	if (!strbuf_reserve(b, len))
		return;
	memcpy(b->s + b->len, data, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !strbuf_reserve(b, n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += n;
}

void strbuf_free(struct strbuf *b)
{
	free(b->s);
	memset(b, 0, sizeof(*b));
}

char *str_printf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}

bool str_copy(char *dst, size_t room, const char *src)
{
	size_t len = strlen(src);

	if (!room)
		return false;
	memcpy(dst, src, MIN(len, room - 1));
	dst[MIN(len, room - 1)] = '\0';
	return len < room;
}
