/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of a device as a typed, versioned, bounded stream.
 *
 *   stream  := section*
 *   section := u32 magic 'LKST', u32 version, u32 length, u8 name_len, name, fields[length]
 *   field   := u8 type, value        type 1 u8, 2 u16, 4 u32, 8 u64, 'b' u32 length + bytes
 *
 * All numbers are little endian. A reader asks for what it expects; a field of
 * another type, a short section or bytes left over is -EBADMSG, once and for
 * all: after the first failure every getter gives 0 and state_close() the error. So
 * load() functions read everything, check values against their own bounds,
 * and only then commit. Nothing in a stream is trusted.
 */
#ifndef VMM_STATE_H
#define VMM_STATE_H

#include "util/str.h"
#include "util/types.h"

struct state_writer {
	struct strbuf buf;	/* the stream so far */
	size_t section;		/* offset of the open section's header */
	bool open;
};

struct state_reader {
	const u8 *p;		/* borrowed */
	size_t len, off;	/* of the stream */
	size_t end;		/* end of the open section */
	int error;		/* first failure, -errno */
};

void state_begin(struct state_writer *w, const char *name, u32 version);
void state_end(struct state_writer *w);
void state_put_u8(struct state_writer *w, u8 v);
void state_put_u16(struct state_writer *w, u16 v);
void state_put_u32(struct state_writer *w, u32 v);
void state_put_u64(struct state_writer *w, u64 v);
void state_put_bytes(struct state_writer *w, const void *p, u32 len);
void state_writer_free(struct state_writer *w);

void state_reader_init(struct state_reader *r, const void *p, size_t len);
/* Opens the next section: it must bear @name and a version of 1..@max_version, given in @ret_version. */
int state_open(struct state_reader *r, const char *name, u32 max_version, u32 *ret_version);
/* -EBADMSG unless every byte of the section was read and nothing failed. */
int state_close(struct state_reader *r);
u8 state_get_u8(struct state_reader *r);
u16 state_get_u16(struct state_reader *r);
u32 state_get_u32(struct state_reader *r);
u64 state_get_u64(struct state_reader *r);
/* Exactly @len bytes, else failure and zeroes. */
void state_get_bytes(struct state_reader *r, void *p, u32 len);
/* At most @room; gives the length. */
u32 state_get_blob(struct state_reader *r, void *p, u32 room);
/* The value must be <= @max, else failure and 0. */
u32 state_get_u32_max(struct state_reader *r, u32 max);
/* Marks the stream bad: for checks of load() functions. */
void state_fail(struct state_reader *r);

#endif
