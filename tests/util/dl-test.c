/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * links: util/dl.c util/error.c
 */
#define LIBS_BY_DLOPEN
#include "util/dl.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "tests/tap.h"

/* The C library's own parts are the libraries that are on every machine. */
#define MATH_CALLS(X) X(cos) X(floor)
DL_LIBRARY(math, "libm.so.6", MATH_CALLS);

#define LACKING_CALLS(X) X(floor) X(dl_no_such_function)
void dl_no_such_function(void);
DL_LIBRARY(lacking, "libm.so.6", LACKING_CALLS);

#define ABSENT_CALLS(X) X(cos)
DL_LIBRARY(absent, "libno-such-library.so.9", ABSENT_CALLS);

static char failed[] = "failed";

static void *load_and_call(void *arg)
{
	return DL_LOAD(math, NULL) || math.floor(2.5) != 2.0 ? arg : NULL;
}

TEST(threads_that_load_at_once_all_get_a_whole_table)
{
	pthread_t t[8];
	void *bad = NULL, *r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		CHECK(!pthread_create(&t[i], NULL, load_and_call, failed));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		pthread_join(t[i], &r);
		bad = r ? r : bad;
	}
	CHECK(!bad);
	CHECK(math.cos(0.0) == 1.0);
}

TEST(second_load_changes_nothing)
{
	double (*before)(double);

	CHECK_EQ(DL_LOAD(math, NULL), 0);
	before = math.cos;
	CHECK_EQ(DL_LOAD(math, NULL), 0);
	CHECK(math.cos == before);
}

TEST(absent_library_is_named)
{
	struct error err = { "" };

	CHECK_EQ(DL_LOAD(absent, &err), -ENOENT);
	CHECK(strstr(err.msg, "libno-such-library.so.9"));
	CHECK_EQ(DL_LOAD(absent, NULL), -ENOENT);
}

TEST(absent_function_is_named)
{
	struct error err = { "" };

	CHECK_EQ(DL_LOAD(lacking, &err), -ENOEXEC);
	CHECK(strstr(err.msg, "libm.so.6"));
	CHECK(strstr(err.msg, "dl_no_such_function"));
}

int main(void)
{
	RUN(threads_that_load_at_once_all_get_a_whole_table);
	RUN(second_load_changes_nothing);
	RUN(absent_library_is_named);
	RUN(absent_function_is_named);
	return tap_done();
}
