/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device tree, written front to back by libfdt into a buffer that grows. What fails is remembered, and what comes after it does
 * nothing, so that those who write nodes need not look. [devicetree-specification v0.4]
 *
 * Main thread.
 */
#include "dt/dt.h"

#include <errno.h>
#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 8 * 1024, LIMIT = 16 * 1024 * 1024, NAME_MAX_LEN = 64 };

/* Does libfdt's answer @r want the call again? With room for it, then. */
static bool again(struct dt *t, int r)
{
	size_t size = t->size * 2;
	void *buf;

	if (r == -FDT_ERR_NOSPACE && size <= LIMIT) {
		buf = malloc(size);
		if (buf && !fdt_resize(t->buf, buf, (int)size)) {
			free(t->buf);
			t->buf = buf;
			t->size = size;
			return true;
		}
		free(buf);
		t->error = -ENOMEM;
	} else if (r < 0) {
		t->error = r == -FDT_ERR_NOSPACE ? -E2BIG : -EINVAL;
	}
	return false;
}

/* A step of writing: skipped after a failure, done anew when the buffer was too small. */
#define STEP(t, call) do { } while (!(t)->error && again((t), (call)))

static void check(struct dt *t, bool ok, int error)
{
	if (!ok && !t->error)
		t->error = error;
}

int dt_begin(struct dt *t)
{
	*t = (struct dt){ .size = FIRST_SIZE, .buf = malloc(FIRST_SIZE) };
	if (!t->buf)
		return -ENOMEM;
	STEP(t, fdt_create(t->buf, (int)t->size));
	STEP(t, fdt_finish_reservemap(t->buf));
	STEP(t, fdt_begin_node(t->buf, ""));
	t->depth = 1;
	dt_u32(t, "#address-cells", 2);
	dt_u32(t, "#size-cells", 2);
	return t->error;
}

void dt_free(struct dt *t)
{
	free(t->buf);
	t->buf = NULL;
}

void dt_node(struct dt *t, const char *fmt, ...)
{
	char name[NAME_MAX_LEN];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	check(t, n > 0 && (size_t)n < sizeof(name) && t->depth, -EINVAL);
	STEP(t, fdt_begin_node(t->buf, name));
	t->depth++;
	t->props_over = false;
}

void dt_end(struct dt *t)
{
	check(t, t->depth, -EINVAL);	/* libfdt does not count */
	STEP(t, fdt_end_node(t->buf));
	t->depth--;
	t->props_over = true;
}

u32 dt_phandle(struct dt *t)
{
	return ++t->last_phandle;
}

void dt_bytes(struct dt *t, const char *name, const void *val, size_t len)
{
	check(t, !t->props_over, -EINVAL);
	check(t, len <= LIMIT, -E2BIG);
	STEP(t, fdt_property(t->buf, name, val, (int)len));
}

void dt_flag(struct dt *t, const char *name)
{
	dt_bytes(t, name, NULL, 0);
}

void dt_str(struct dt *t, const char *name, const char *val)
{
	dt_bytes(t, name, val, strlen(val) + 1);
}

/* Room for @len bytes of property @name, to be filled before the next call; NULL after a failure. */
static u8 *placeholder(struct dt *t, const char *name, size_t len)
{
	void *p = NULL;

	check(t, !t->props_over, -EINVAL);
	check(t, len <= LIMIT, -E2BIG);
	STEP(t, fdt_property_placeholder(t->buf, name, (int)len, &p));
	return t->error ? NULL : p;
}

void dt_strs(struct dt *t, const char *name, const char *const *list)
{
	size_t len = 0, n;
	unsigned int i;
	u8 *p;

	for (i = 0; list[i]; i++)
		len += strlen(list[i]) + 1;
	p = placeholder(t, name, len);
	for (i = 0; p && list[i]; i++) {
		n = strlen(list[i]) + 1;
		memcpy(p, list[i], n);
		p += n;
	}
}

void dt_u32s(struct dt *t, const char *name, const u32 *val, unsigned int nr)
{
	u8 *p = placeholder(t, name, (size_t)nr * 4);
	unsigned int i;

	for (i = 0; p && i < nr; i++)
		fdt32_st(p + i * 4, val[i]);
}

void dt_u64s(struct dt *t, const char *name, const u64 *val, unsigned int nr)
{
	u8 *p = placeholder(t, name, (size_t)nr * 8);
	unsigned int i;

	for (i = 0; p && i < nr; i++)
		fdt64_st(p + i * 8, val[i]);
}

void dt_u32(struct dt *t, const char *name, u32 val)
{
	dt_u32s(t, name, &val, 1);
}

void dt_u64(struct dt *t, const char *name, u64 val)
{
	dt_u64s(t, name, &val, 1);
}

void dt_reg(struct dt *t, u64 base, u64 size)
{
	const u64 reg[] = { base, size };

	dt_u64s(t, "reg", reg, 2);
}

int dt_finish(struct dt *t, struct error *err)
{
	dt_end(t);
	check(t, !t->depth, -EINVAL);
	STEP(t, fdt_finish(t->buf));
	if (t->error)
		return error_set_errno(err, t->error, "making the device tree");
	t->size = fdt_totalsize(t->buf);
	return 0;
}
