// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm stat: the counters of a running guest, once or again and again. Documentation/stat.md
 *
 * A reply is flattened into series, which live as long as the guest is watched: the difference of two looks is a rate. What another process
 * says goes onto a terminal, so names are cleaned first.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "builtin-control.h"
#include "builtin.h"
#include "util/io.h"
#include "util/str.h"

enum { COLUMNS = 8 };	/* vCPUs shown one by one, when there are no more */

struct stat_options {
	struct guest_choice guest;	/* first: GUEST_CHOICE_OPTIONS */
	bool memory, json, all_counters;
	unsigned int interval, count;
	const char *only;
};

struct series {
	char *group, *name;		/* owned */
	bool level, bucket;
	u64 total, before;
	u64 col[COLUMNS], col_before[COLUMNS];
};

struct table {
	struct series *s;		/* owned */
	unsigned int nr, room, hint;
	unsigned int vcpus;
	u64 us, us_before;
	bool again;			/* there are two looks to compare */
	const struct json_value *levels;
};

static int opt_only(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct stat_options *o = ctx;

	if (value && strcmp(value, "vm") && strcmp(value, "vcpus") && strcmp(value, "devices"))
		return option_bad(err, opt, value, "vm, vcpus or devices");
	o->only = value;
	return 0;
}

static const struct option_def options[] = {
	GUEST_CHOICE_OPTIONS,
	{ 'm', "memory", NULL, "what the guest says of its memory, by the balloon", option_bool, .offset = offsetof(struct stat_options, memory) },
	{ 'i', "interval", "seconds", "look again and again, and show what happens in a second", option_uint,
	  .offset = offsetof(struct stat_options, interval), .max = 86400 },
	{ 0, "count", "n", "end after so many looks", option_uint, .offset = offsetof(struct stat_options, count) },
	{ 0, "only", "section", "vm, vcpus or devices", opt_only },
	{ 'z', "all-counters", NULL, "also those that are 0, and histograms", option_bool,
	  .offset = offsetof(struct stat_options, all_counters) },
	{ 0, "json", NULL, "the guest's replies as they came, one a line", option_bool, .offset = offsetof(struct stat_options, json) },
	{ 0 },
};

/* --- series --- */

static bool is(const struct series *s, const char *group, const char *name)
{
	return !strcmp(s->name, name) && !strcmp(s->group, group);
}

/* Named by the last part of "queues[0].size". */
static bool in_levels(const struct table *t, const char *name)
{
	const char *dot = strrchr(name, '.');
	const struct json_value *v;

	if (dot)
		name = dot + 1;
	for (v = t->levels ? t->levels->child : NULL; v; v = v->next)
		if (v->type == JSON_STRING && !strcmp(v->str, name))
			return true;
	return false;
}

/* Replies are alike, so it is mostly the one after the last. NULL: no memory. */
static struct series *find(struct table *t, const char *group, const char *name)
{
	struct series *s;
	unsigned int i, at;

	for (i = 0; i < t->nr; i++) {
		at = (t->hint + i) % t->nr;
		if (is(&t->s[at], group, name)) {
			t->hint = at + 1;
			return &t->s[at];
		}
	}
	if (t->nr == t->room) {
		at = t->room ? 2 * t->room : 256;
		s = realloc(t->s, at * sizeof(*s));
		if (!s)
			return NULL;
		t->s = s;
		t->room = at;
	}
	s = &t->s[t->nr];
	*s = (struct series){ .group = strdup(group), .name = strdup(name), .level = in_levels(t, name) };
	if (!s->group || !s->name) {
		free(s->group);
		free(s->name);
		return NULL;
	}
	t->hint = ++t->nr;
	return s;
}

static void add(struct table *t, const char *group, const char *name, unsigned int col, bool bucket, u64 val)
{
	struct series *s;
	char g[64], n[160];

	str_copy(g, sizeof(g), group);
	str_copy(n, sizeof(n), name);
	text_clean(g);
	text_clean(n);
	s = find(t, g, n);
	if (!s)
		return;
	s->bucket = bucket;
	s->total += val;
	if (col < COLUMNS)
		s->col[col] += val;
}

/* Numbers below @v, under names like "queues[0].kicks". @v is no deeper than JSON_DEPTH. */
static void flatten(struct table *t, const char *group, const char *path, unsigned int col, const struct json_value *v)
{
	const struct json_value *c;
	unsigned int i = 0;
	char sub[160];
	u64 val;

	for (c = v->child; c; c = c->next, i++) {
		if (v->type == JSON_ARRAY)
			snprintf(sub, sizeof(sub), "%s[%u]", path, i);
		else
			snprintf(sub, sizeof(sub), "%s%s%s", path, *path ? "." : "", c->name);
		if (c->type == JSON_NUMBER && !str_to_u64(c->str, UINT64_MAX, &val))
			add(t, group, sub, col, v->type == JSON_ARRAY, val);
		else if (c->child)
			flatten(t, group, sub, col, c);
	}
}

static void flatten_member(struct table *t, const char *group, unsigned int col, const struct json_value *obj, const char *member)
{
	const struct json_value *v = json_member(obj, member);

	if (v)
		flatten(t, group, "", col, v);
}

static void take_reply(struct table *t, const struct json_value *reply)
{
	const struct json_value *v, *list;
	u64 index;

	t->levels = json_member(reply, "levels");
	v = json_member(reply, "vm");
	if (v)
		flatten_member(t, "KVM, whole guest", 0, v, "kvm");
	list = json_member(reply, "vcpus");
	for (v = list ? list->child : NULL; v; v = v->next) {
		if (json_get_u64(v, "index", UINT32_MAX - 1, &index) < 0)
			continue;
		t->vcpus = MAX(t->vcpus, (unsigned int)index + 1);
		flatten_member(t, "KVM, vCPUs", (unsigned int)index, v, "kvm");
		flatten_member(t, "exits to lkvm", (unsigned int)index, v, "exits");
	}
	list = json_member(reply, "devices");
	for (v = list ? list->child : NULL; v; v = v->next)
		flatten(t, v->name, "", 0, v);
	t->levels = NULL;
}

static void next_look(struct table *t)
{
	struct series *s;

	for (s = t->s; s < t->s + t->nr; s++) {
		s->before = s->total;
		memcpy(s->col_before, s->col, sizeof(s->col));
		s->total = 0;
		memset(s->col, 0, sizeof(s->col));
	}
	t->us_before = t->us;
	t->hint = 0;
}

static void table_free(struct table *t)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		free(t->s[i].group);
		free(t->s[i].name);
	}
	free(t->s);
}

/* --- the table --- */

static u64 shown(const struct table *t, const struct series *s, u64 now, u64 before)
{
	u64 us = t->us - t->us_before;

	if (!t->again || s->level)
		return now;
	if (now < before || t->us <= t->us_before)
		return 0;	/* the guest was reset, or it is no counter after all */
	return (u64)((double)(now - before) * 1e6 / (double)us + 0.5);
}

static void print_series(const struct table *t, const struct series *s, bool columns)
{
	unsigned int i;

	printf("  %-34s %16llu", s->name, (unsigned long long)shown(t, s, s->total, s->before));
	for (i = 0; columns && i < t->vcpus; i++)
		printf(" %13llu", (unsigned long long)shown(t, s, s->col[i], s->col_before[i]));
	putchar('\n');
}

static void print_title(const struct table *t, const char *group, bool columns)
{
	char title[16];
	unsigned int i;

	if (!columns) {
		printf("%s\n", group);
		return;
	}
	printf("%-36s %16s", group, "all");
	for (i = 0; i < t->vcpus; i++) {
		snprintf(title, sizeof(title), "vcpu%u", i);
		printf(" %13s", title);
	}
	putchar('\n');
}

static void print_table(const struct table *t, const struct stat_options *o, const char *guest, const char *state)
{
	const char *group = "";
	const struct series *s;
	bool columns = false;

	printf("# guest %s, %s, %llu.%03llu s%s\n", guest, state, (unsigned long long)(t->us / 1000000),
	       (unsigned long long)(t->us / 1000 % 1000), t->again ? ", a second" : "");
	for (s = t->s; s < t->s + t->nr; s++) {
		if (!o->all_counters && (s->bucket || !shown(t, s, s->total, s->before)))
			continue;
		if (strcmp(group, s->group)) {
			group = s->group;
			columns = t->vcpus > 1 && t->vcpus <= COLUMNS && (strstr(group, "vCPU") || strstr(group, "exits"));
			print_title(t, group, columns);
		}
		print_series(t, s, columns);
	}
	putchar('\n');
}

/* One look, in as many replies as it takes: all after the first are for vCPUs only. */
static int look(struct guest_conn *c, const struct stat_options *o, struct table *t, struct error *err)
{
	const struct json_value *reply;
	const char *state, *only = o->only;
	char members[96], word[16] = "";
	u64 first = 0, next;
	int r;

	next_look(t);
	for (;;) {
		snprintf(members, sizeof(members), ",\"first\":%llu%s%s%s", (unsigned long long)first, only ? ",\"only\":\"" : "",
			 only ? only : "", only ? "\"" : "");
		r = guest_call(c, "stat", members, &reply, err);
		if (r < 0)
			return r;
		if (o->json) {
			printf("%s\n", guest_reply_text(c));
		} else {
			if (json_get_str(reply, "state", &state) == 0) {
				str_copy(word, sizeof(word), state);
				text_clean(word);
			}
			json_get_u64(reply, "us", UINT64_MAX, &t->us);
			take_reply(t, reply);
		}
		if (json_get_u64(reply, "next", UINT32_MAX, &next) < 0 || next <= first)
			break;
		first = next;
		only = "vcpus";
	}
	if (!o->json)
		print_table(t, o, c->name, word);
	t->again = true;
	return 0;
}

/* --- memory --- */

enum { MEMORY_WAIT_MS = 1000, MEMORY_POLL_MS = 20 };

/* New numbers come when the guest gets to it: asked for, and then looked for, a second at most. */
static int refresh(struct guest_conn *c, const struct json_value **ret, bool *ret_new, struct error *err)
{
	u64 first = 0, seq = 0, end = time_now_ns() + MEMORY_WAIT_MS * 1000000ULL;
	int r;

	r = guest_call(c, "balloon", ",\"refresh\":true", ret, err);
	if (r < 0)
		return r;
	json_get_u64(*ret, "stats_seq", UINT64_MAX, &first);
	for (;;) {
		r = guest_call(c, "balloon", "", ret, err);
		if (r < 0)
			return r;
		json_get_u64(*ret, "stats_seq", UINT64_MAX, &seq);
		*ret_new = seq > first;
		if (*ret_new || time_now_ns() >= end)
			return 0;
		poll(NULL, 0, MEMORY_POLL_MS);
	}
}

static const char *memory_label(const char *name, bool *ret_bytes)
{
	static const struct { const char *name, *label; bool bytes; } label[] = {
		{ "swap_in", "Swapped in", true }, { "swap_out", "Swapped out", true },
		{ "major_faults", "Major page faults", false }, { "minor_faults", "Minor page faults", false },
		{ "free_memory", "Free", true }, { "total_memory", "Total", true }, { "available_memory", "Available", true },
		{ "disk_caches", "Disk caches", true }, { "hugetlb_allocations", "Huge pages allocated", false },
		{ "hugetlb_failures", "Huge pages refused", false },
	};
	unsigned int i;

	*ret_bytes = false;
	for (i = 0; i < ARRAY_SIZE(label); i++) {
		if (strcmp(label[i].name, name))
			continue;
		*ret_bytes = label[i].bytes;
		return label[i].label;
	}
	return name;
}

static int show_memory(struct guest_conn *c, const struct stat_options *o, struct error *err)
{
	const struct json_value *reply, *stats, *v;
	bool is_new, bytes;
	char name[64];
	u64 val;
	int r;

	r = refresh(c, &reply, &is_new, err);
	if (r < 0)
		return r;
	if (o->json) {
		printf("%s\n", guest_reply_text(c));
		return 0;
	}
	stats = json_member(reply, "stats");
	if (!stats)
		return error_set(err, -ENODATA, "the guest has told nothing of its memory (has it a driver for the balloon?)");
	printf("\n\t*** Guest memory statistics ***\n\n");
	for (v = stats->child; v; v = v->next) {
		if (v->type != JSON_NUMBER || str_to_u64(v->str, UINT64_MAX, &val) < 0)
			continue;
		str_copy(name, sizeof(name), memory_label(v->name, &bytes));
		text_clean(name);
		printf("%-24s %20llu%s\n", name, (unsigned long long)val, bytes ? " bytes" : "");
	}
	if (!is_new && !json_get_u64(reply, "stats_age_ms", UINT64_MAX, &val))
		printf("(from %llu ms ago: the guest does not answer)\n", (unsigned long long)val);
	printf("\n");
	return 0;
}

/* --- the command --- */

/* From the last look on: rates are over the guest's own clock, so it need not be exact. */
static void wait_seconds(unsigned int s)
{
	struct timespec ts = { .tv_sec = s };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* What a guest that goes down while it is watched makes of a call. */
static bool has_ended(int r)
{
	return r == -ECONNRESET || r == -ESHUTDOWN || r == -EPIPE;
}

static int one_guest(struct guest_conn *c, void *arg, struct error *err)
{
	const struct stat_options *o = arg;
	struct table t = { 0 };
	unsigned int n;
	int r;

	for (n = 1;; n++) {
		r = o->memory ? show_memory(c, o, err) : look(c, o, &t, err);
		if (fflush(stdout) < 0) {	/* nobody reads any more */
			r = n > 1 ? 0 : error_set_errno(err, -errno, "standard output");
			break;
		}
		if (r < 0 || n == o->count || (!o->interval && !o->count))
			break;
		wait_seconds(MAX(o->interval, 1U));
	}
	table_free(&t);
	return r < 0 && n > 1 && has_ended(r) ? 0 : r;
}

/* Which choices go together. */
static int check(const struct stat_options *o)
{
	if (!o->guest.all || !o->interval || o->count)
		return 0;
	fprintf(stderr, "  Error: --all with --interval looks at one guest for ever: want its name, or --count\n");
	return LKVM_USAGE;
}

int cmd_stat(int argc, char **argv)
{
	struct stat_options o = { .interval = 0 };
	int status;

	status = guest_options(options, &o.guest, "stat (-a | [-n] NAME) [-m] [-i SECONDS] [--count N] [--only SECTION] [-z] [--json]",
			       argc, argv);
	if (status < 0)
		status = check(&o);
	return status ? status : guests_for_each(&o.guest, one_guest, &o);
}
