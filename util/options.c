/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Option parsing by table.
 */
#include "util/options.h"

#include <errno.h>
#include <string.h>

#include "util/str.h"

int option_bad(struct error *err, const struct option_def *opt, const char *value, const char *want)
{
	return error_set(err, -EINVAL, "--%s '%s': want %s", opt->name, value, want);
}

int option_str(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	*(const char **)((char *)ctx + opt->offset) = value;
	return 0;
}

int option_bool(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	*(bool *)((char *)ctx + opt->offset) = value != NULL;
	return 0;
}

int option_uint(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	u64 max = opt->max ? opt->max : UINT32_MAX, v = 0;
	char want[64];
	int r;

	r = value ? str_to_u64(value, max, &v) : 0;
	if (r < 0) {
		snprintf(want, sizeof(want), "a number from 0 to %llu", (unsigned long long)max);
		return option_bad(err, opt, value, want);
	}
	*(unsigned int *)((char *)ctx + opt->offset) = (unsigned int)v;
	return 0;
}

/* The option that @name (length @len) means, and whether it is taken back. NULL: none or several. */
static const struct option_def *find_long(const struct option_def *table, const char *name, size_t len, bool *ret_no,
					  struct error *err)
{
	const struct option_def *o, *found = NULL, *other = NULL;
	bool no = len > 3 && !strncmp(name, "no-", 3);
	const char *typed = name;
	size_t typed_len = len;
	int pass;

	for (pass = 0; pass < 2; pass++) {	/* as it stands; then without its "no-" */
		if (pass) {
			if (found || !no)
				break;
			name += 3;
			len -= 3;
		}
		for (o = table; o->name; o++) {
			if (strncmp(o->name, name, len))
				continue;
			*ret_no = pass;
			if (strlen(o->name) == len)
				return o;	/* whole: whatever else begins with it */
			if (found)
				other = o;
			else
				found = o;
		}
	}
	if (other)
		error_set(err, -EINVAL, "ambiguous option '--%.*s' (--%s or --%s)", (int)typed_len, typed, found->name, other->name);
	else if (!found)
		error_set(err, -EINVAL, "unknown option '--%.*s'", (int)typed_len, typed);
	return other ? NULL : found;
}

static int parse_long(const struct option_def *table, void *ctx, char **argv, int argc, int *i, struct error *err)
{
	const char *arg = argv[*i] + 2, *eq = strchr(arg, '='), *value = eq ? eq + 1 : NULL;
	const struct option_def *o;
	bool no = false;

	if (!strcmp(arg, "help") || !strcmp(arg, "help-all"))
		return OPTIONS_USAGE;
	o = find_long(table, arg, eq ? (size_t)(eq - arg) : strlen(arg), &no, err);
	if (!o)
		return OPTIONS_USAGE;
	if (value && (no || !o->arg)) {
		error_set(err, -EINVAL, "option '--%s%s' takes no value", no ? "no-" : "", o->name);
		return OPTIONS_USAGE;
	}
	if (no)
		return o->parse(ctx, o, NULL, err);
	if (!o->arg)
		return o->parse(ctx, o, "", err);
	if (!value) {
		if (*i + 1 >= argc) {
			error_set(err, -EINVAL, "option '--%s' wants a value (%s)", o->name, o->arg);
			return OPTIONS_USAGE;
		}
		value = argv[++*i];
	}
	return o->parse(ctx, o, value, err);
}

static int parse_short(const struct option_def *table, void *ctx, char **argv, int argc, int *i, struct error *err)
{
	const struct option_def *o;
	const char *p, *value;
	int r;

	for (p = argv[*i] + 1; *p; p++) {
		if (*p == 'h')
			return OPTIONS_USAGE;
		for (o = table; o->name && o->short_name != *p; o++)
			;
		if (!o->name) {
			error_set(err, -EINVAL, "unknown option '-%c'", *p);
			return OPTIONS_USAGE;
		}
		if (!o->arg) {
			r = o->parse(ctx, o, "", err);
			if (r)
				return r;
			continue;
		}
		value = p[1] ? p + 1 : *i + 1 < argc ? argv[++*i] : NULL;
		if (!value) {
			error_set(err, -EINVAL, "option '-%c' wants a value (%s)", *p, o->arg);
			return OPTIONS_USAGE;
		}
		return o->parse(ctx, o, value, err);
	}
	return OPTIONS_OK;
}

int options_parse(const struct option_def *table, void *ctx, int argc, char **argv, char **ret_args, int *ret_nr,
		  int *ret_after, struct error *err)
{
	int i, r, nr = 0, after = 0;

	err->msg[0] = '\0';
	for (i = 0; i < argc; i++) {
		if (argv[i][0] != '-' || !argv[i][1]) {
			ret_args[nr++] = argv[i];
			continue;
		}
		if (!strcmp(argv[i], "--")) {
			for (i++; i < argc; i++, after++)
				ret_args[nr++] = argv[i];
			break;
		}
		r = argv[i][1] == '-' ? parse_long(table, ctx, argv, argc, &i, err) :
					parse_short(table, ctx, argv, argc, &i, err);
		if (r)
			return r;
	}
	*ret_nr = nr;
	*ret_after = after;
	return OPTIONS_OK;
}

void options_usage(const struct option_def *table, FILE *f)
{
	const struct option_def *o;
	char left[64];
	int n;

	for (o = table; o->name; o++) {
		if (!o->help)
			continue;
		n = o->short_name ? snprintf(left, sizeof(left), "-%c, --%s", o->short_name, o->name) :
				    snprintf(left, sizeof(left), "    --%s", o->name);
		if (o->arg && n > 0 && (size_t)n < sizeof(left))
			snprintf(left + n, sizeof(left) - (size_t)n, " <%s>", o->arg);
		if (strlen(left) > 30)
			fprintf(f, "    %s\n    %-30s  %s\n", left, "", o->help);
		else
			fprintf(f, "    %-30s  %s\n", left, o->help);
	}
}

void options_list(const struct option_def *table, FILE *f)
{
	const struct option_def *o;

	for (o = table; o->name; o++)
		if (o->help)
			fprintf(f, "--%s%s\n", o->name, o->arg ? "=" : "");
}
