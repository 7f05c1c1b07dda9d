/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fixed-endian fields as structs, so that forgetting the conversion does not
 * compile, and byte-wise access to unaligned little- and big-endian numbers.
 */
#ifndef UTIL_ENDIAN_H
#define UTIL_ENDIAN_H

#include <endian.h>
#include <string.h>

#include "util/types.h"

struct le16 { u16 raw; };
struct le32 { u32 raw; };
struct le64 { u64 raw; };

static inline u16 le16_get(struct le16 v) { return le16toh(v.raw); }
static inline u32 le32_get(struct le32 v) { return le32toh(v.raw); }
static inline u64 le64_get(struct le64 v) { return le64toh(v.raw); }
static inline struct le16 to_le16(u16 v) { return (struct le16){ htole16(v) }; }
static inline struct le32 to_le32(u32 v) { return (struct le32){ htole32(v) }; }
static inline struct le64 to_le64(u64 v) { return (struct le64){ htole64(v) }; }

static inline u16 get_le16(const void *p) { u16 v; memcpy(&v, p, 2); return le16toh(v); }
static inline u32 get_le32(const void *p) { u32 v; memcpy(&v, p, 4); return le32toh(v); }
static inline u64 get_le64(const void *p) { u64 v; memcpy(&v, p, 8); return le64toh(v); }
static inline void put_le16(void *p, u16 v) { v = htole16(v); memcpy(p, &v, 2); }
static inline void put_le32(void *p, u32 v) { v = htole32(v); memcpy(p, &v, 4); }
static inline void put_le64(void *p, u64 v) { v = htole64(v); memcpy(p, &v, 8); }

static inline u16 get_be16(const void *p) { u16 v; memcpy(&v, p, 2); return be16toh(v); }
static inline u32 get_be32(const void *p) { u32 v; memcpy(&v, p, 4); return be32toh(v); }

/*
 * The number held in the @size little-endian bytes at @p, at most 8, and its inverse, which stores the low @size bytes of @v.
 * The usual sizes without a call, for these are on the way of every exit.
 */
static inline u64 get_le(const void *p, unsigned int size)
{
	u64 v = 0;

	if (size == 1)
		return *(const u8 *)p;
	if (size == 2)
		return get_le16(p);
	if (size == 4)
		return get_le32(p);
	memcpy(&v, p, size);
	return le64toh(v);
}

static inline void put_le(void *p, unsigned int size, u64 v)
{
	if (size == 1) {
		*(u8 *)p = (u8)v;
		return;
	}
	v = htole64(v);
	memcpy(p, &v, size);
}

/* All ones in the low @size bytes: what an access nobody claims reads. */
static inline u64 ones(unsigned int size)
{
	return size >= 8 ? ~0ULL : (1ULL << (size * 8)) - 1;
}

#endif
