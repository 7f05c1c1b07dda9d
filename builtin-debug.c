// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm debug: what the vCPUs of a running guest are doing; an NMI or a SysRq for it. Documentation/debug.md
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "builtin-control.h"
#include "builtin.h"

enum { NO_CPU = UINT_MAX };

struct debug_options {
	struct guest_choice guest;	/* first: GUEST_CHOICE_OPTIONS */
	bool dump, json;
	unsigned int cpu, nmi;		/* NO_CPU: not given */
	const char *sysrq;
};

static int opt_vcpu(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	if (value)
		return option_uint(ctx, opt, value, err);
	*(unsigned int *)((char *)ctx + opt->offset) = NO_CPU;
	return 0;
}

static int opt_sysrq(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct debug_options *o = ctx;

	if (value && (strlen(value) != 1 || value[0] <= ' ' || value[0] > '~' || value[0] == '"' || value[0] == '\\'))
		return option_bad(err, opt, value, "one key");
	o->sysrq = value;
	return 0;
}

static const struct option_def options[] = {
	GUEST_CHOICE_OPTIONS,
	{ 'd', "dump", NULL, "show registers, code, stack and page walks of each vCPU", option_bool,
	  .offset = offsetof(struct debug_options, dump) },
	{ 'm', "nmi", "vcpu", "send an NMI to this vCPU", opt_vcpu, .offset = offsetof(struct debug_options, nmi), .max = INT_MAX },
	{ 's', "sysrq", "key", "send BREAK and this key on the serial console", opt_sysrq },
	{ 0, "cpu", "vcpu", "with --dump: this one only", opt_vcpu, .offset = offsetof(struct debug_options, cpu), .max = INT_MAX },
	{ 0, "json", NULL, "the guest's replies as they came, one a line", option_bool, .offset = offsetof(struct debug_options, json) },
	{ 0 },
};

/* What another process says goes onto a terminal. */
static void print_lines(const char *s)
{
	for (; *s; s++)
		putchar(*s == '\n' || (*s >= ' ' && *s <= '~') ? *s : '?');
}

static void show_dump(const struct guest_conn *c, const struct json_value *reply)
{
	const struct json_value *vcpus = json_member(reply, "vcpus"), *v;
	const char *text;

	for (v = vcpus ? vcpus->child : NULL; v; v = v->next) {
		if (json_get_str(v, "text", &text) < 0)
			continue;
		print_lines(text);
		putchar('\n');
	}
}

/* A guest of very many vCPUs gives them in several replies. */
static int dump(struct guest_conn *c, const struct debug_options *o, struct error *err)
{
	const char *text = o->json ? "" : ",\"text\":true";
	const struct json_value *reply;
	char members[64];
	u64 first = 0, next;
	int r;

	if (!o->json)
		printf("# guest %s\n", c->name);
	for (;;) {
		if (o->cpu != NO_CPU)
			snprintf(members, sizeof(members), ",\"cpu\":%u%s", o->cpu, text);
		else
			snprintf(members, sizeof(members), ",\"first\":%llu%s", (unsigned long long)first, text);
		r = guest_call(c, "debug", members, &reply, err);
		if (r < 0)
			return r;
		if (o->json)
			printf("%s\n", guest_reply_text(c));
		else
			show_dump(c, reply);
		if (json_get_u64(reply, "next", UINT32_MAX, &next) < 0 || next <= first)
			return 0;
		first = next;
	}
}

/* sysrq and nmi */
static int poke(struct guest_conn *c, const struct debug_options *o, const char *cmd, const char *members, struct error *err)
{
	const struct json_value *reply;
	int r;

	r = guest_call(c, cmd, members, &reply, err);
	if (!r && o->json)
		printf("%s\n", guest_reply_text(c));
	return r;
}

static int one_guest(struct guest_conn *c, void *arg, struct error *err)
{
	const struct debug_options *o = arg;
	char members[64];
	int r = 0;

	if (o->sysrq) {
		snprintf(members, sizeof(members), ",\"key\":\"%s\"", o->sysrq);
		r = poke(c, o, "sysrq", members, err);
	}
	if (!r && o->nmi != NO_CPU) {
		snprintf(members, sizeof(members), ",\"cpu\":%u", o->nmi);
		r = poke(c, o, "nmi", members, err);
	}
	if (!r && o->dump)
		r = dump(c, o, err);
	return r;
}

int cmd_debug(int argc, char **argv)
{
	struct debug_options o = { .cpu = NO_CPU, .nmi = NO_CPU };
	int status;

	status = guest_options(options, &o.guest, "debug (-a | [-n] NAME) [-d [--cpu VCPU]] [-m VCPU] [-s KEY] [--json]", argc, argv);
	if (status >= 0)
		return status;
	if (!o.dump && o.nmi == NO_CPU && !o.sysrq) {
		fprintf(stderr, "  Error: what is to be done: --dump, --nmi or --sysrq?\n");
		return LKVM_USAGE;
	}
	return guests_for_each(&o.guest, one_guest, &o);
}
