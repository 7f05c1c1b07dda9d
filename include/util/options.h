/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Command line options as git and perf have them: "--name=value", "--name value", "-nvalue", "-n value", clustered short
 * flags, unique prefixes of long names, "--no-name" to take back, "--" to end options. A table per command.
 */
#ifndef UTIL_OPTIONS_H
#define UTIL_OPTIONS_H

#include <stdio.h>

#include "util/error.h"

struct option_def {
	char short_name;	/* 0: none */
	const char *name;
	const char *arg;	/* what usage calls the value; NULL: a flag */
	const char *help;	/* NULL: not shown in usage */
	/*
	 * @value is NULL for "--no-name". A flag gets "". 0, or -errno with a line in @err that names option and value.
	 */
	int (*parse)(void *ctx, const struct option_def *opt, const char *value, struct error *err);
	/* What the shared parse functions below write to, as an offset into @ctx. */
	size_t offset;
	u64 max;		/* option_u64, option_uint: largest value; 0: any */
};

enum { OPTIONS_OK = 0, OPTIONS_USAGE = 1 };

/*
 * Calls parse() for each option in turn. What is no option goes to @ret_args (room for argc), in order; all after
 * "--" is counted in *ret_after, the last ones of *ret_nr. OPTIONS_USAGE: unknown or ambiguous option, value missing
 * (line in @err, empty for -h); -errno: a parse() refused.
 */
int options_parse(const struct option_def *table, void *ctx, int argc, char **argv, char **ret_args, int *ret_nr,
		  int *ret_after, struct error *err);
void options_usage(const struct option_def *table, FILE *f);
/* "--name" a line, for shell completion; "--name=" where a value follows. */
void options_list(const struct option_def *table, FILE *f);

/* Shared parse functions: const char *, bool (set/clear), u64 and unsigned int at ctx + offset. */
int option_str(void *ctx, const struct option_def *opt, const char *value, struct error *err);
int option_bool(void *ctx, const struct option_def *opt, const char *value, struct error *err);
int option_uint(void *ctx, const struct option_def *opt, const char *value, struct error *err);
/* "option --mem '12x': want ..." */
int option_bad(struct error *err, const struct option_def *opt, const char *value, const char *want);

#endif
