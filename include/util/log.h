/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What lkvm says goes to stderr, one line a message, never mixed with the
 * guest's console: "  Error: ", "  Warning: ", "  Info: ", "  Debug: ", the
 * prefixes that scripts written for kvmtool match. Any thread may log; a line
 * is one write(2).
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "util/types.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* The one file-scope variable of the program beside those of the sandbox. Set before threads start. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* @who names the device or part that speaks ("virtio-blk0"), or is NULL. */
void log_msg(enum log_level level, const char *who, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_err(who, ...) log_msg(LOG_ERROR, who, __VA_ARGS__)
#define log_warn(who, ...) log_msg(LOG_WARNING, who, __VA_ARGS__)
#define log_info(who, ...) log_msg(LOG_INFO, who, __VA_ARGS__)
#define log_debug(who, ...)                                                                                            \
	do {                                                                                                           \
		if (log_enabled(LOG_DEBUG))                                                                            \
			log_msg(LOG_DEBUG, who, __VA_ARGS__);                                                          \
	} while (0)

/*
 * For what a guest can repeat: at most LOG_RATE_BURST lines in LOG_RATE_SECONDS
 * through one log_rate, then one line that says how many were left out. Lives
 * in the device; zero-initialised; thread safe.
 */
#define LOG_RATE_BURST 5
#define LOG_RATE_SECONDS 5

struct log_rate {
	u64 window;	/* CLOCK_MONOTONIC second the window began; 0: none yet */
	u32 count;	/* lines in this window, those left out included */
};

void log_ratelimited(struct log_rate *rate, enum log_level level, const char *who, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

#endif
