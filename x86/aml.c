/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ACPI Machine Language, written. [acpi-6.4 20.2] Lengths come before what they measure: a scope's content is moved
 * up when its length is known; the tables are small. Main thread; knows nothing of VMs.
 */
#include "x86/aml.h"

#include <assert.h>
#include <string.h>

#include "util/endian.h"

enum {
	OP_NAME = 0x08, OP_BYTE = 0x0a, OP_WORD = 0x0b, OP_DWORD = 0x0c, OP_STRING = 0x0d, OP_QWORD = 0x0e,
	OP_SCOPE = 0x10, OP_BUFFER = 0x11, OP_PACKAGE = 0x12, OP_METHOD = 0x14,
	OP_DUAL_NAME = 0x2e, OP_MULTI_NAME = 0x2f, OP_EXT = 0x5b, OP_LOCAL0 = 0x60, OP_ARG0 = 0x68,
	OP_IF = 0xa0, OP_ELSE = 0xa1,
	EXT_REGION = 0x80, EXT_FIELD = 0x81, EXT_DEVICE = 0x82,
};

static void put8(struct strbuf *b, u8 v)
{
	strbuf_add(b, &v, 1);
}

static void put_number(struct strbuf *b, u64 v, unsigned int size)
{
	u8 raw[8];

	put_le(raw, size, v);
	strbuf_add(b, raw, size);
}

/* Gives the bytes used. [20.2.4] @len counts what follows, not itself. */
static unsigned int pkg_length(u8 out[4], size_t len)
{
	unsigned int n = 1, i;

	if (len + 1 < 64) {
		out[0] = (u8)(len + 1);
		return 1;
	}
	while (n < 4 && len + n >= 1U << (4 + 8 * (n - 1)))
		n++;
	len += n;
	assert(len < 1U << 28);
	out[0] = (u8)((n - 1) << 6 | (len & 0xf));
	for (i = 1; i < n; i++)
		out[i] = (u8)(len >> (4 + 8 * (i - 1)));
	return n;
}

static struct aml_mark begin(struct strbuf *b, int ext, u8 op)
{
	if (ext)
		put8(b, OP_EXT);
	put8(b, op);
	return (struct aml_mark){ b->len };
}

void aml_end(struct strbuf *b, struct aml_mark m)
{
	size_t len = b->len - m.at;
	u8 head[4];
	unsigned int n;

	if (b->failed)
		return;
	n = pkg_length(head, len);
	strbuf_add(b, head, n);		/* makes room */
	if (b->failed)
		return;
	memmove(b->s + m.at + n, b->s + m.at, len);
	memcpy(b->s + m.at, head, n);
}

void aml_namestring(struct strbuf *b, const char *name)
{
	unsigned int segments = 1;
	const char *p;

	while (*name == '\\' || *name == '^')
		put8(b, (u8)*name++);
	for (p = name; *p; p++)
		segments += *p == '.';
	if (segments == 2)
		put8(b, OP_DUAL_NAME);
	if (segments > 2) {
		put8(b, OP_MULTI_NAME);
		put8(b, (u8)segments);
	}
	for (p = name; *p; p += *p == '.') {
		size_t len = strcspn(p, ".");

		assert(len <= 4);
		strbuf_add(b, p, len);
		strbuf_add(b, "____", 4 - len);
		p += len;
	}
}

struct aml_mark aml_scope(struct strbuf *b, const char *name)
{
	struct aml_mark m = begin(b, 0, OP_SCOPE);

	aml_namestring(b, name);
	return m;
}

struct aml_mark aml_device(struct strbuf *b, const char *name)
{
	struct aml_mark m = begin(b, 1, EXT_DEVICE);

	aml_namestring(b, name);
	return m;
}

struct aml_mark aml_method(struct strbuf *b, const char *name, unsigned int args, bool serialized)
{
	struct aml_mark m = begin(b, 0, OP_METHOD);

	aml_namestring(b, name);
	put8(b, (u8)(args | (serialized ? 8 : 0)));
	return m;
}

struct aml_mark aml_package(struct strbuf *b, unsigned int elements)
{
	struct aml_mark m = begin(b, 0, OP_PACKAGE);

	assert(elements < 256);
	put8(b, (u8)elements);
	return m;
}

struct aml_mark aml_if(struct strbuf *b)
{
	return begin(b, 0, OP_IF);
}

struct aml_mark aml_else(struct strbuf *b)
{
	return begin(b, 0, OP_ELSE);
}

void aml_name(struct strbuf *b, const char *name)
{
	put8(b, OP_NAME);
	aml_namestring(b, name);
}

void aml_int(struct strbuf *b, u64 v)
{
	if (v <= 1) {
		put8(b, (u8)v);		/* ZeroOp, OneOp */
	} else if (v <= 0xff) {
		put8(b, OP_BYTE);
		put_number(b, v, 1);
	} else if (v <= 0xffff) {
		put8(b, OP_WORD);
		put_number(b, v, 2);
	} else if (v <= 0xffffffff) {
		put8(b, OP_DWORD);
		put_number(b, v, 4);
	} else {
		put8(b, OP_QWORD);
		put_number(b, v, 8);
	}
}

void aml_string(struct strbuf *b, const char *s)
{
	put8(b, OP_STRING);
	strbuf_add(b, s, strlen(s) + 1);
}

static unsigned int hex(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') : (unsigned int)((c | 0x20) - 'a' + 10);
}

/* [acpi-6.4 19.6.37 EISAID] Three letters of five bits and four hex digits, stored big-endian. */
void aml_eisa_id(struct strbuf *b, const char *id)
{
	u32 v;

	assert(strlen(id) == 7);
	v = (u32)(id[0] - 0x40) << 26 | (u32)(id[1] - 0x40) << 21 | (u32)(id[2] - 0x40) << 16 | hex(id[3]) << 12 |
	    hex(id[4]) << 8 | hex(id[5]) << 4 | hex(id[6]);
	put8(b, OP_DWORD);
	put_number(b, __builtin_bswap32(v), 4);
}

static void buffer(struct strbuf *b, const void *data, size_t len)
{
	struct aml_mark m = begin(b, 0, OP_BUFFER);

	aml_int(b, len);
	strbuf_add(b, data, len);
	aml_end(b, m);
}

/* [acpi-6.4 19.6.142 ToUUID] */
void aml_uuid(struct strbuf *b, const char *uuid)
{
	static const u8 digit[16] = { 6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34 };
	u8 raw[16];
	unsigned int i;

	assert(strlen(uuid) == 36);
	for (i = 0; i < sizeof(raw); i++)
		raw[i] = (u8)(hex(uuid[digit[i]]) << 4 | hex(uuid[digit[i] + 1]));
	buffer(b, raw, sizeof(raw));
}

void aml_region(struct strbuf *b, const char *name, enum aml_space space, u64 base, u64 len)
{
	put8(b, OP_EXT);
	put8(b, EXT_REGION);
	aml_namestring(b, name);
	put8(b, (u8)space);
	aml_int(b, base);
	aml_int(b, len);
}

void aml_dword_field(struct strbuf *b, const char *region, const char *name)
{
	enum { DWORD_ACC = 3, WRITE_AS_ZEROS = 2 << 5, BITS = 32 };
	struct aml_mark m = begin(b, 1, EXT_FIELD);

	aml_namestring(b, region);
	put8(b, DWORD_ACC | WRITE_AS_ZEROS);
	aml_namestring(b, name);
	put8(b, BITS);		/* a PkgLength below 64 is one byte */
	aml_end(b, m);
}

void aml_op(struct strbuf *b, enum aml_op op)
{
	put8(b, (u8)op);
}

void aml_local(struct strbuf *b, unsigned int n)
{
	put8(b, (u8)(OP_LOCAL0 + n));
}

void aml_arg(struct strbuf *b, unsigned int n)
{
	put8(b, (u8)(OP_ARG0 + n));
}

void aml_no_target(struct strbuf *b)
{
	put8(b, 0);	/* NullName */
}

/* --- resource templates --- */

void aml_crs_begin(struct strbuf *b, struct aml_resources *r)
{
	aml_name(b, "_CRS");
	memset(r, 0, sizeof(*r));
}

void aml_crs_end(struct strbuf *b, struct aml_resources *r)
{
	/* [6.4.2.9] a checksum of zero counts as correct */
	put8(&r->body, 0x79);
	put8(&r->body, 0);
	b->failed |= r->body.failed;
	if (!b->failed)
		buffer(b, r->body.s, r->body.len);
	strbuf_free(&r->body);
}

/* [6.4.2.5] */
void aml_res_io(struct aml_resources *r, u16 base, u8 len)
{
	put8(&r->body, 0x47);
	put8(&r->body, 1);		/* 16-bit decode */
	put_number(&r->body, base, 2);
	put_number(&r->body, base, 2);
	put8(&r->body, 1);		/* alignment */
	put8(&r->body, len);
}

/* [6.4.3.4] */
void aml_res_memory32(struct aml_resources *r, u32 base, u32 len)
{
	put8(&r->body, 0x86);
	put_number(&r->body, 9, 2);
	put8(&r->body, 1);		/* read and write */
	put_number(&r->body, base, 4);
	put_number(&r->body, len, 4);
}

/* [6.4.3.6] Consumer, active high. */
void aml_res_irq(struct aml_resources *r, u32 gsi, bool level, bool shared)
{
	put8(&r->body, 0x89);
	put_number(&r->body, 6, 2);
	put8(&r->body, (u8)(1 | (level ? 0 : 2) | (shared ? 8 : 0)));
	put8(&r->body, 1);
	put_number(&r->body, gsi, 4);
}

/* Address space descriptors [6.4.3.5]: producer, fixed at both ends, positive decode. */
static void window(struct aml_resources *r, u8 type, u8 flags, unsigned int size, u64 min, u64 max)
{
	enum { MEMORY, IO, BUS, MIN_MAX_FIXED = 0xc };
	static const u8 tag[] = { [2] = 0x88, [4] = 0x87, [8] = 0x8a };

	put8(&r->body, tag[size]);
	put_number(&r->body, 3 + 5 * size, 2);
	put8(&r->body, type);
	put8(&r->body, MIN_MAX_FIXED);
	put8(&r->body, flags);
	put_number(&r->body, 0, size);		/* granularity */
	put_number(&r->body, min, size);
	put_number(&r->body, max, size);
	put_number(&r->body, 0, size);		/* translation */
	put_number(&r->body, max - min + 1, size);
}

void aml_res_bus(struct aml_resources *r, u16 min, u16 max)
{
	window(r, 2, 0, 2, min, max);
}

void aml_res_window_io(struct aml_resources *r, u16 min, u16 max)
{
	window(r, 1, 3, 2, min, max);		/* the entire range: ISA and non-ISA */
}

void aml_res_window_mem32(struct aml_resources *r, u32 min, u32 max)
{
	window(r, 0, 1, 4, min, max);		/* read and write, not cacheable */
}

void aml_res_window_mem64(struct aml_resources *r, u64 min, u64 max)
{
	window(r, 0, 1, 8, min, max);
}
