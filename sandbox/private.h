/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the parts of the sandbox.
 */
#ifndef SANDBOX_PRIVATE_H
#define SANDBOX_PRIVATE_H

#include "util/sandbox.h"

/* Sanitizers read their own files and maps when they report. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZER 1
#endif
#endif
#ifndef SANDBOX_SANITIZER
#define SANDBOX_SANITIZER 0
#endif

/* landlock.c: this thread and those it starts. The ABI's version in force; 0: the kernel has none; -errno. */
int landlock_enter(const struct sandbox *box, struct error *err);
/* Of the folder that @path is in. 0 or -errno. */
struct stat;
int landlock_stat_folder(const char *path, struct stat *ret);

/* filter.c: the class' filter on this thread. 0, -EOPNOTSUPP: not here; -errno. */
int filter_supported(void);
int filter_install(enum thread_class class);
/* "openat", or "". Signal handlers may call it. */
const char *filter_call_name(int nr);

#endif
