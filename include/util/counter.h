/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters that one thread at a time adds to and any may read: no locked instruction is needed for that.
 */
#ifndef UTIL_COUNTER_H
#define UTIL_COUNTER_H

#include <stdatomic.h>

#include "util/types.h"

static inline u64 counter_get(const _Atomic u64 *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void counter_add(_Atomic u64 *c, u64 n)
{
	atomic_store_explicit(c, counter_get(c) + n, memory_order_relaxed);
}

#endif
