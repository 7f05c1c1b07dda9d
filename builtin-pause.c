// SPDX-License-Identifier: GPL-2.0-only
/*
 * `lkvm pause` and `lkvm resume`: the guest's CPUs and devices stand still when pause has said so.
 */
#include <errno.h>
#include <stdio.h>

#include "builtin-control.h"
#include "builtin.h"

struct pause {
	struct guest_choice choice;	/* first: the shared options write to it */
	bool json;
	const char *cmd, *state, *done, *already;
};

static int pause_one(struct guest_conn *c, void *arg, struct error *err)
{
	const struct pause *p = arg;
	const struct json_value *reply;
	struct strbuf b = { 0 };
	int r;

	r = guest_call(c, p->cmd, "", &reply, err);
	if (r < 0 && r != -EALREADY)
		return r;
	if (!p->json) {
		printf("Guest %s %s\n", c->name, r ? p->already : p->done);
		return 0;
	}
	json_begin(&b, NULL);
	json_str(&b, "name", c->name);
	json_str(&b, "state", p->state);
	json_bool(&b, "changed", !r);
	json_end(&b);
	printf("%s\n", b.failed ? "" : b.s);
	strbuf_free(&b);
	return 0;
}

static int run(struct pause *p, const char *usage, int argc, char **argv)
{
	static const struct option_def options[] = {
		GUEST_CHOICE_OPTIONS,
		{ 0, "json", NULL, "one JSON object for each guest", option_bool, .offset = offsetof(struct pause, json) },
		{ 0, NULL },
	};
	int status = guest_options(options, &p->choice, usage, argc, argv);

	return status >= 0 ? status : guests_for_each(&p->choice, pause_one, p);
}

int cmd_pause(int argc, char **argv)
{
	struct pause p = { .cmd = "pause", .state = "paused", .done = "paused", .already = "is already paused." };

	return run(&p, "pause [--json] NAME | -n NAME | -a", argc, argv);
}

int cmd_resume(int argc, char **argv)
{
	struct pause p = { .cmd = "resume", .state = "running", .done = "resumed", .already = "is still running." };

	return run(&p, "resume [--json] NAME | -n NAME | -a", argc, argv);
}
