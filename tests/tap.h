/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TAP producer for unit tests: each TEST is one line of output; a failed
 * CHECK fails its test and goes on with the next test.
 *
 *	TEST(chain_loop_breaks_queue)
 *	{
 *		CHECK_EQ(virtq_pop(&q, &c), -EIO);
 *	}
 *	int main(void) { RUN(chain_loop_breaks_queue); return tap_done(); }
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed, tap_this_failed;
static const char *tap_skip;

#define TEST(name) static void name(void)

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			printf("# %s:%d: CHECK(%s)\n", __FILE__, __LINE__, #cond);                                     \
			tap_this_failed = 1;                                                                           \
			return;                                                                                        \
		}                                                                                                      \
	} while (0)

#define CHECK_EQ(a, b)                                                                                                 \
	do {                                                                                                           \
		long long a_ = (long long)(a), b_ = (long long)(b);                                                    \
		if (a_ != b_) {                                                                                        \
			printf("# %s:%d: %s is %lld (0x%llx), not %lld (0x%llx)\n", __FILE__, __LINE__, #a, a_, a_,    \
			       b_, b_);                                                                                \
			tap_this_failed = 1;                                                                           \
			return;                                                                                        \
		}                                                                                                      \
	} while (0)

#define CHECK_STR(a, b)                                                                                                \
	do {                                                                                                           \
		const char *a_ = (a), *b_ = (b);                                                                       \
		if (!a_ || !b_ || strcmp(a_, b_)) {                                                                    \
			printf("# %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #a, a_ ? a_ : "(null)",      \
			       b_ ? b_ : "(null)");                                                                    \
			tap_this_failed = 1;                                                                           \
			return;                                                                                        \
		}                                                                                                      \
	} while (0)

/* Inside a TEST: it cannot be run here; @why says what is missing. */
#define SKIP(why)                                                                                                      \
	do {                                                                                                           \
		tap_skip = (why);                                                                                      \
		return;                                                                                                \
	} while (0)

static inline void tap_run(const char *name, void (*fn)(void))
{
	tap_this_failed = 0;
	tap_skip = NULL;
	fn();
	tap_count++;
	if (tap_this_failed)
		tap_failed++;
	printf("%sok %d - %s%s%s\n", tap_this_failed ? "not " : "", tap_count, name, tap_skip ? " # SKIP " : "",
	       tap_skip ? tap_skip : "");
	fflush(stdout);
}

#define RUN(name) tap_run(#name, name)

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
