/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words every file uses: short integer names, container_of, array and
 * bit helpers, and scope-bound cleanup.
 */
#ifndef UTIL_TYPES_H
#define UTIL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1U << (n))
#define BIT_ULL(n) (1ULL << (n))

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#define MIN(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)
#define TIB (1024ULL * GIB)

/* @a is a power of two. */
static inline u64 align_up(u64 x, u64 a)
{
	return (x + a - 1) & ~(a - 1);
}

static inline u64 align_down(u64 x, u64 a)
{
	return x & ~(a - 1);
}

static inline bool is_aligned(u64 x, u64 a)
{
	return !(x & (a - 1));
}

static inline bool is_power_of_two(u64 x)
{
	return x && !(x & (x - 1));
}

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))

/* Scope-bound cleanup: AUTO_FREE char *p = ...; AUTO_CLOSE int fd = ...; */
void auto_free_(void *p);
void auto_close_(int *fd);
#define AUTO_FREE __attribute__((cleanup(auto_free_)))
#define AUTO_CLOSE __attribute__((cleanup(auto_close_)))

#endif
