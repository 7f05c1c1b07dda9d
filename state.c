/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writer and reader of the device state stream; its grammar is in the header.
 *
 * The reader never goes past the open section, and after a failure gives zeroes: a load() function can read
 * straight on and ask once, in state_close(). Nothing here allocates by a length from the stream.
 */
#include "vmm/state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "util/endian.h"

#define STATE_MAGIC 0x54534b4cU		/* "LKST" */

enum {
	STATE_HEADER = 13,		/* magic, version, length, name_len */
	STATE_VERSION_AT = 4,
	STATE_LENGTH_AT = 8,
	STATE_NAME_LEN_AT = 12,
	STATE_U8 = 1,
	STATE_U16 = 2,
	STATE_U32 = 4,
	STATE_U64 = 8,
	STATE_BYTES = 'b',
};

void state_begin(struct state_writer *w, const char *name, u32 version)
{
	u8 header[STATE_HEADER] = { 0 };
	size_t len = strlen(name);

	assert(!w->open && len < 256);
	put_le32(header, STATE_MAGIC);
	put_le32(header + STATE_VERSION_AT, version);
	header[STATE_NAME_LEN_AT] = (u8)len;
	w->section = w->buf.len;
	w->open = true;
	strbuf_add(&w->buf, header, sizeof(header));
	strbuf_add(&w->buf, name, len);
}

void state_end(struct state_writer *w)
{
	u8 *header;

	assert(w->open);
	w->open = false;
	if (w->buf.failed)
		return;
	header = (u8 *)w->buf.s + w->section;
	put_le32(header + STATE_LENGTH_AT, (u32)(w->buf.len - w->section - STATE_HEADER - header[STATE_NAME_LEN_AT]));
}

static void put_number(struct state_writer *w, unsigned int size, u64 v)
{
	u8 field[9] = { (u8)size };

	assert(w->open);
	put_le(field + 1, size, v);
	strbuf_add(&w->buf, field, 1 + size);
}

void state_put_u8(struct state_writer *w, u8 v)
{
	put_number(w, STATE_U8, v);
}

void state_put_u16(struct state_writer *w, u16 v)
{
	put_number(w, STATE_U16, v);
}

void state_put_u32(struct state_writer *w, u32 v)
{
	put_number(w, STATE_U32, v);
}

void state_put_u64(struct state_writer *w, u64 v)
{
	put_number(w, STATE_U64, v);
}

void state_put_bytes(struct state_writer *w, const void *p, u32 len)
{
	u8 field[5] = { STATE_BYTES };

	assert(w->open);
	put_le32(field + 1, len);
	strbuf_add(&w->buf, field, sizeof(field));
	strbuf_add(&w->buf, p, len);
}

void state_writer_free(struct state_writer *w)
{
	strbuf_free(&w->buf);
	w->open = false;
}

void state_reader_init(struct state_reader *r, const void *p, size_t len)
{
	*r = (struct state_reader){ .p = p, .len = len };
}

void state_fail(struct state_reader *r)
{
	if (!r->error)
		r->error = -EBADMSG;
}

int state_open(struct state_reader *r, const char *name, u32 max_version, u32 *ret_version)
{
	const u8 *h = r->p + r->off;
	size_t left = r->len - r->off, name_len = strlen(name);
	u32 version, length;

	if (r->error)
		return r->error;
	if (left < STATE_HEADER || get_le32(h) != STATE_MAGIC || h[STATE_NAME_LEN_AT] != name_len ||
	    left - STATE_HEADER < name_len || memcmp(h + STATE_HEADER, name, name_len))
		goto bad;
	version = get_le32(h + STATE_VERSION_AT);
	length = get_le32(h + STATE_LENGTH_AT);
	if (!version || version > max_version || length > left - STATE_HEADER - name_len)
		goto bad;
	r->off += STATE_HEADER + name_len;
	r->end = r->off + length;
	*ret_version = version;
	return 0;
bad:
	state_fail(r);
	return r->error;
}

int state_close(struct state_reader *r)
{
	if (r->off != r->end)
		state_fail(r);
	return r->error;
}

/* The next @len bytes of the section, or NULL. */
static const u8 *take(struct state_reader *r, size_t len)
{
	const u8 *p = r->p + r->off;

	if (!r->error && len > r->end - r->off)
		state_fail(r);
	if (r->error)
		return NULL;
	r->off += len;
	return p;
}

static u64 get_number(struct state_reader *r, unsigned int size)
{
	const u8 *p = take(r, 1 + size);

	if (!p)
		return 0;
	if (p[0] != size) {
		state_fail(r);
		return 0;
	}
	return get_le(p + 1, size);
}

u8 state_get_u8(struct state_reader *r)
{
	return (u8)get_number(r, STATE_U8);
}

u16 state_get_u16(struct state_reader *r)
{
	return (u16)get_number(r, STATE_U16);
}

u32 state_get_u32(struct state_reader *r)
{
	return (u32)get_number(r, STATE_U32);
}

u64 state_get_u64(struct state_reader *r)
{
	return get_number(r, STATE_U64);
}

u32 state_get_u32_max(struct state_reader *r, u32 max)
{
	u32 v = state_get_u32(r);

	if (v <= max)
		return v;
	state_fail(r);
	return 0;
}

u32 state_get_blob(struct state_reader *r, void *buf, u32 room)
{
	const u8 *p = take(r, 5);
	u32 len;

	if (!p)
		return 0;
	len = get_le32(p + 1);
	if (p[0] != STATE_BYTES || len > room) {
		state_fail(r);
		return 0;
	}
	p = take(r, len);
	if (!p)
		return 0;
	memcpy(buf, p, len);
	return len;
}

void state_get_bytes(struct state_reader *r, void *p, u32 len)
{
	if (state_get_blob(r, p, len) != len)
		state_fail(r);
	if (r->error)
		memset(p, 0, len);
}
