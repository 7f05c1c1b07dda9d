/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages to stderr, one write(2) a line, so that lines of several threads
 * do not mix. Control characters are shown as '?': part of a message may
 * come from a guest, and must not steer the user's terminal.
 */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum log_level log_level = LOG_INFO;

void log_set_level(enum log_level level)
{
	log_level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= log_level;
}

PRINTF_LIKE(3, 0) static void log_line(enum log_level level, const char *who, const char *fmt, va_list ap)
{
	static const char *const prefix[] = { "Error", "Warning", "Info", "Debug" };
	char line[1024];
	size_t len, i;
	int n;

	n = snprintf(line, sizeof(line) - 1, "  %s: %s%s", prefix[level], who ? who : "", who ? ": " : "");
	len = MIN((size_t)n, sizeof(line) - 2);
	n = vsnprintf(line + len, sizeof(line) - 1 - len, fmt, ap);
	if (n > 0)
		len = MIN(len + (size_t)n, sizeof(line) - 2);
	for (i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return;	/* nobody listens: nothing to tell, nobody to tell it to */
}

void log_msg(enum log_level level, const char *who, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_line(level, who, fmt, ap);
	va_end(ap);
}

void log_ratelimited(struct log_rate *rate, enum log_level level, const char *who, const char *fmt, ...)
{
	struct timespec ts;
	u64 window;
	u32 count;
	va_list ap;

	if (!log_enabled(level))
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	window = __atomic_load_n(&rate->window, __ATOMIC_RELAXED);
	if (!window || (u64)ts.tv_sec >= window + LOG_RATE_SECONDS) {
		/* Of several threads one opens the window; the others' lines count in it. */
		if (__atomic_compare_exchange_n(&rate->window, &window, (u64)ts.tv_sec + !ts.tv_sec, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			count = __atomic_exchange_n(&rate->count, 0, __ATOMIC_RELAXED);
			if (count > LOG_RATE_BURST)
				log_msg(level, who, "(%u similar messages left out)", count - LOG_RATE_BURST);
		}
	}
	count = __atomic_add_fetch(&rate->count, 1, __ATOMIC_RELAXED);
	if (count > LOG_RATE_BURST)
		return;
	va_start(ap, fmt);
	log_line(level, who, fmt, ap);
	va_end(ap);
}
