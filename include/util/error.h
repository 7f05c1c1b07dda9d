/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why something could not start, in one line for the user. Functions that can
 * fail for a reason worth naming take a `struct error *`; the number still
 * travels as -errno. builtin-*.c prints the line. A NULL error is allowed.
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include "util/types.h"

struct error {
	char msg[512];
};

/*
 * Sets the line and gives back @code (-errno), so that a check reads
 * `return error_set(err, -EINVAL, "disk '%s': ...", path);`
 */
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with ": strerror(-code)" appended. */
int error_set_errno(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
