/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of CPUs as users and sysfs write them: "0-3,5".
 */
#ifndef UTIL_CPULIST_H
#define UTIL_CPULIST_H

#include "util/types.h"

enum { CPU_LIST_MAX = 8192 };

/* The kernel's layout of a CPU mask, on all our 64-bit machines. */
struct cpu_list {
	u64 bits[CPU_LIST_MAX / 64];
};

/* Numbers and ranges from low to high, with commas between. -EINVAL: no such list, or empty; -ERANGE: a number of CPU_LIST_MAX or more. */
int cpu_list_parse(const char *s, struct cpu_list *ret);
/* The first CPU that is in @a and not in @b; -1: there is none. */
int cpu_list_outside(const struct cpu_list *a, const struct cpu_list *b);
/* What a file such as /sys/devices/system/cpu/online says: one line. -errno of the file, or as cpu_list_parse(). */
int cpu_list_read(const char *path, struct cpu_list *ret);

#endif
