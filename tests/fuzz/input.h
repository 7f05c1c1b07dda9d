/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fuzzer's bytes as a stream of numbers. Past the end all are 0.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdlib.h>
#include <string.h>

#include "util/endian.h"
#include "util/types.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MUST(cond) do { if (!(cond)) abort(); } while (0)

struct input {
	const u8 *p;
	size_t left;
};

/* The next @n bytes, 8 at most, as a number. */
static inline u64 take(struct input *in, unsigned int n)
{
	u64 v = 0;

	n = (unsigned int)MIN((size_t)n, in->left);
	memcpy(&v, in->p, n);
	in->p += n;
	in->left -= n;
	return le64toh(v);
}

/* 1, 2, 4 or 8. */
static inline unsigned int take_size(struct input *in)
{
	return 1U << (take(in, 1) & 3);
}

/* As many of @len bytes as there are; the rest tells its place. */
static inline void take_bytes(struct input *in, void *ret, size_t len)
{
	size_t n = MIN(len, in->left), i;

	memcpy(ret, in->p, n);
	in->p += n;
	in->left -= n;
	for (i = n; i < len; i++)
		((u8 *)ret)[i] = (u8)i;
}

#endif
