/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The option parser's grammar.
 * links: util/options.c util/str.c util/error.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "util/options.h"

struct ctx {
	const char *kernel;
	const char *console;
	const char *console_log;
	bool rng, bare;
	unsigned int n;
};

#define AT(field) .offset = offsetof(struct ctx, field)

static const struct option_def table[] = {
	{ 'k', "kernel", "file", "help", option_str, AT(kernel) },
	{ 0, "console", "kind", "help", option_str, AT(console) },
	{ 0, "console-log", "file", "help", option_str, AT(console_log) },
	{ 'r', "rng", NULL, "help", option_bool, AT(rng) },
	{ 'b', "bare", NULL, "help", option_bool, AT(bare) },
	{ 0, "rate-in", "n", "help", option_str, AT(kernel) },
	{ 0, "rate-out", "n", "help", option_str, AT(kernel) },
	{ 0, "rate", "n", "help", option_str, AT(console) },
	{ 'n', "number", "n", "help", option_uint, AT(n), 9 },
	{ 0, NULL },
};

static struct ctx ctx;
static struct error err;
static char *args[16];
static int nr, after;

static int parse(int argc, ...)
{
	char *argv[16];
	__builtin_va_list ap;
	int i;

	memset(&ctx, 0, sizeof(ctx));
	__builtin_va_start(ap, argc);
	for (i = 0; i < argc; i++)
		argv[i] = __builtin_va_arg(ap, char *);
	__builtin_va_end(ap);
	nr = after = 0;
	return options_parse(table, &ctx, argc, argv, args, &nr, &after, &err);
}

TEST(values_follow_or_are_attached)
{
	CHECK_EQ(parse(4, "--kernel=a", "--console", "b", "c"), 0);
	CHECK_STR(ctx.kernel, "a");
	CHECK_STR(ctx.console, "b");
	CHECK_EQ(nr, 1);
	CHECK_STR(args[0], "c");
	CHECK_EQ(parse(2, "-k", "a"), 0);
	CHECK_STR(ctx.kernel, "a");
	CHECK_EQ(parse(1, "-kb"), 0);
	CHECK_STR(ctx.kernel, "b");
}

TEST(short_flags_cluster)
{
	CHECK_EQ(parse(1, "-rbka"), 0);
	CHECK(ctx.rng && ctx.bare);
	CHECK_STR(ctx.kernel, "a");
}

TEST(unique_prefixes_do)
{
	CHECK_EQ(parse(2, "--ker", "a"), 0);
	CHECK_STR(ctx.kernel, "a");
	CHECK_EQ(parse(1, "--no-ba"), 0);
	CHECK_EQ(parse(2, "--cons", "a"), OPTIONS_USAGE);
	CHECK(strstr(err.msg, "ambiguous"));
	CHECK_EQ(parse(2, "--console", "a"), 0);	/* whole name beats longer ones */
	CHECK_STR(ctx.console, "a");
}

TEST(no_takes_back)
{
	CHECK_EQ(parse(4, "--rng", "--no-rng", "--kernel=a", "--no-kernel"), 0);
	CHECK(!ctx.rng);
	CHECK(!ctx.kernel);
	CHECK_EQ(parse(1, "--no-kernel=a"), OPTIONS_USAGE);
}

TEST(double_dash_ends_options)
{
	CHECK_EQ(parse(4, "a", "--", "--rng", "b"), 0);
	CHECK(!ctx.rng);
	CHECK_EQ(nr, 3);
	CHECK_EQ(after, 2);
	CHECK_STR(args[1], "--rng");
}

TEST(unknown_and_incomplete_are_usage)
{
	CHECK_EQ(parse(1, "--nope"), OPTIONS_USAGE);
	CHECK(strstr(err.msg, "--nope"));
	CHECK_EQ(parse(1, "-z"), OPTIONS_USAGE);
	CHECK_EQ(parse(1, "--kernel"), OPTIONS_USAGE);
	CHECK_EQ(parse(1, "-k"), OPTIONS_USAGE);
	CHECK_EQ(parse(1, "--rng=1"), OPTIONS_USAGE);
	CHECK_EQ(parse(1, "-h"), OPTIONS_USAGE);
	CHECK_EQ(err.msg[0], 0);
	CHECK_EQ(parse(1, "--help"), OPTIONS_USAGE);
}

TEST(whole_name_wins_over_longer_ones_before_it)
{
	CHECK_EQ(parse(1, "--rate=5"), 0);
	CHECK_STR(ctx.console, "5");
	CHECK_EQ(parse(1, "--rate-=5"), OPTIONS_USAGE);
	CHECK(strstr(err.msg, "--rate-in or --rate-out"));
}

TEST(bad_values_name_option_and_value)
{
	CHECK_EQ(parse(1, "--number=1x"), -EINVAL);
	CHECK(strstr(err.msg, "--number '1x'"));
	CHECK_EQ(parse(1, "-n10"), -EINVAL);
	CHECK_EQ(parse(1, "-n9"), 0);
	CHECK_EQ(ctx.n, 9);
}

int main(void)
{
	RUN(values_follow_or_are_attached);
	RUN(short_flags_cluster);
	RUN(unique_prefixes_do);
	RUN(no_takes_back);
	RUN(double_dash_ends_options);
	RUN(unknown_and_incomplete_are_usage);
	RUN(whole_name_wins_over_longer_ones_before_it);
	RUN(bad_values_name_option_and_value);
	return tap_done();
}
