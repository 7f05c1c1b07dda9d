/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What compilers call by themselves.
 */
#include "lib.h"

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int v, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	const u8 *f = from;
	u8 *t = to;

	while (n--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int v, size_t n)
{
	u8 *t = to;

	while (n--)
		*t++ = (u8)v;
	return to;
}
