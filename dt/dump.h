/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file of --dump-dtb. Private to dt/ and its tests. Main thread, before the sandbox.
 */
#ifndef DT_DUMP_H
#define DT_DUMP_H

#include "util/error.h"

/*
 * Writes @len bytes to @path: a regular file there is replaced as a whole, or stays as it was; what is no regular file is written to.
 */
int dt_dump(const char *path, const void *data, size_t len, struct error *err);

#endif
