// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm balloon: how much memory a running guest is asked to give back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "builtin-control.h"
#include "builtin.h"
#include "util/str.h"

enum change { CHANGE_NONE, CHANGE_INFLATE, CHANGE_DEFLATE, CHANGE_TARGET };

struct balloon_options {
	struct guest_choice guest;	/* first: GUEST_CHOICE_OPTIONS */
	enum change change;
	u64 bytes;
	bool json;
};

static const char *const member[] = { "", "inflate", "deflate", "target" };

static int opt_change(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct balloon_options *o = ctx;
	enum change change = CHANGE_NONE;

	if (!value) {	/* --no-inflate */
		o->change = CHANGE_NONE;
		return 0;
	}
	while (strcmp(member[change], opt->name))
		change++;
	if (o->change)
		return error_set(err, -EINVAL, "option --%s: only one of --inflate, --deflate and --target", opt->name);
	if (str_to_size(value, MIB, &o->bytes) < 0)
		return option_bad(err, opt, value, "a size; megabytes without a unit");
	o->change = change;
	return 0;
}

static void show(const struct guest_conn *c, const struct json_value *reply)
{
	u64 target = 0, actual = 0;
	bool driver = false, pinned = false;

	json_get_u64(reply, "target", UINT64_MAX, &target);
	json_get_u64(reply, "actual", UINT64_MAX, &actual);
	json_get_bool(reply, "driver", &driver);
	json_get_bool(reply, "pinned", &pinned);
	printf("%s: target %llu MiB, actual %llu MiB%s%s\n", c->name, (unsigned long long)(target / MIB),
	       (unsigned long long)(actual / MIB), driver ? "" : " (the guest has no driver for it)",
	       pinned ? " (memory is pinned by a device: the host gets none back)" : "");
}

/* As kvmtool's: silent when it only changes something. */
static int one_guest(struct guest_conn *c, void *arg, struct error *err)
{
	const struct balloon_options *o = arg;
	const struct json_value *reply;
	char members[64] = "";
	int r;

	if (o->change)
		snprintf(members, sizeof(members), ",\"%s\":%llu", member[o->change], (unsigned long long)o->bytes);
	r = guest_call(c, "balloon", members, &reply, err);
	if (r < 0)
		return r;
	if (o->json)
		printf("%s\n", guest_reply_text(c));
	else if (!o->change)
		show(c, reply);
	return 0;
}

int cmd_balloon(int argc, char **argv)
{
	static const struct option_def options[] = {
		GUEST_CHOICE_OPTIONS,
		{ 'i', "inflate", "MB", "take so much more from the guest", opt_change },
		{ 'd', "deflate", "MB", "give the guest so much of it back", opt_change },
		{ 0, "target", "size", "take so much in all", opt_change },
		{ 0, "json", NULL, "the guest's reply as it came", option_bool, .offset = offsetof(struct balloon_options, json) },
		{ 0, NULL },
	};
	struct balloon_options o = { .change = CHANGE_NONE };
	int status;

	status = guest_options(options, &o.guest, "balloon [-i MB | -d MB | --target SIZE] [--json] NAME | -n NAME | -a", argc, argv);
	return status >= 0 ? status : guests_for_each(&o.guest, one_guest, &o);
}
