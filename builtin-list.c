// SPDX-License-Identifier: GPL-2.0-only
/*
 * `lkvm list`: the guests that have a control socket, asked all at once, so that one that hangs costs the time limit once; and the root
 * file systems below ~/.lkvm, which may be guests' one day.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "builtin-control.h"
#include "builtin.h"
#include "util/io.h"
#include "util/str.h"
#include "vmm/control.h"

enum { PATIENCE_MS = 2000, BATCH = 256, REPLY_MAX = 4096, REPLY_NODES = 64 };

struct list {
	bool running, rootfs, json;
};

struct asked {
	struct guest_conn conn;
	char reply[REPLY_MAX + 1];
	size_t len;
	char state[16];		/* empty: not known yet */
};

static void show(const struct list *l, int pid, const char *name, const char *state)
{
	char shown[NAME_MAX + 1], number[16] = "";
	struct strbuf b = { 0 };

	if (!l->json) {
		str_copy(shown, sizeof(shown), name);
		if (pid)
			snprintf(number, sizeof(number), "%d", pid);
		printf("%6s %-20s %s\n", number, text_clean(shown), state);
		return;
	}
	json_begin(&b, NULL);
	json_str(&b, "name", name);
	if (pid)
		json_u64(&b, "pid", (u64)pid);
	json_str(&b, "state", state);
	json_end(&b);
	printf("%s\n", b.failed ? "" : b.s);
	strbuf_free(&b);
}

/* --- running guests --- */

static void understand(struct asked *a)
{
	struct json_value node[REPLY_NODES];
	const struct json_value *v;
	const char *state;
	bool ok;

	a->reply[a->len - 1] = '\0';
	if (json_parse(a->reply, node, REPLY_NODES, &v) == 0 && json_get_bool(v, "ok", &ok) == 0 &&
	    (ok ? json_get_str(v, "state", &state) == 0 && (!strcmp(state, "running") || !strcmp(state, "paused")) : true))
		str_copy(a->state, sizeof(a->state), ok ? state : "ending");
	else
		str_copy(a->state, sizeof(a->state), "not understood");
}

/* What is there of the reply. False: no more is to come. */
static bool hear(struct asked *a)
{
	ssize_t n = recv(a->conn.fd, a->reply + a->len, REPLY_MAX - a->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (a->len == REPLY_MAX)
		str_copy(a->state, sizeof(a->state), "not understood");
	if (n <= 0)
		return false;	/* no room, or it has ended meanwhile */
	a->len += (size_t)n;
	if (a->reply[a->len - 1] != '\n')
		return true;
	understand(a);
	return false;
}

static void hear_all(struct asked *a, unsigned int nr)
{
	u64 end = time_now_ns() + PATIENCE_MS * 1000000ULL, now;
	struct pollfd pfd[BATCH];
	unsigned int i, left = 0;

	for (i = 0; i < nr; i++) {
		pfd[i] = (struct pollfd){ a[i].conn.fd, POLLIN, 0 };
		left += a[i].conn.fd >= 0;
	}
	while (left && (now = time_now_ns()) < end) {
		if (poll(pfd, nr, (int)((end - now) / 1000000) + 1) <= 0)
			continue;
		for (i = 0; i < nr; i++) {
			if (pfd[i].fd < 0 || !pfd[i].revents || hear(&a[i]))
				continue;
			pfd[i].fd = -1;
			left--;
		}
	}
	for (i = 0; i < nr; i++)
		if (pfd[i].fd >= 0)
			str_copy(a[i].state, sizeof(a[i].state), "not answering");
}

static void list_batch(const struct list *l, struct asked *a, char **name, unsigned int nr)
{
	static const char ask[] = "{\"v\":1,\"cmd\":\"info\"}\n";
	struct error err;
	unsigned int i;
	int r;

	for (i = 0; i < nr; i++) {
		memset(&a[i], 0, sizeof(a[i]));
		r = guest_connect(&a[i].conn, name[i], &err);
		if (!r && send(a[i].conn.fd, ask, sizeof(ask) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			guest_disconnect(&a[i].conn);
		else if (r < 0 && r != -ENOENT && r != -ECONNREFUSED)
			str_copy(a[i].state, sizeof(a[i].state), r == -EAGAIN ? "not answering" : "not reachable");
	}
	hear_all(a, nr);
	for (i = 0; i < nr; i++) {
		if (a[i].state[0])	/* else it has ended */
			show(l, a[i].conn.pid, name[i], a[i].state);
		guest_disconnect(&a[i].conn);
	}
}

static int list_running(const struct list *l, struct error *err)
{
	struct guest_names names;
	struct asked *a;
	unsigned int i;
	int r;

	r = guest_names(&names, err);
	if (r < 0)
		return r;
	a = calloc(BATCH, sizeof(*a));
	if (!a)
		r = error_set_errno(err, -ENOMEM, "list of guests");
	for (i = 0; !r && i < names.nr; i += BATCH)
		list_batch(l, a, names.name + i, MIN(names.nr - i, (unsigned int)BATCH));
	free(a);
	guest_names_free(&names);
	return r;
}

/* --- root file systems --- */

static int visible(const struct dirent *de)
{
	return de->d_name[0] != '.' && (de->d_type == DT_DIR || de->d_type == DT_UNKNOWN);
}

static int list_rootfs(const struct list *l, struct error *err)
{
	const char *home = getenv("HOME");
	char *path = home ? str_printf("%s/.lkvm", home) : NULL;
	struct dirent **de;
	int i, nr;

	nr = path ? scandir(path, &de, visible, alphasort) : 0;
	for (i = 0; i < nr; i++) {
		show(l, 0, de[i]->d_name, "shut off");
		free(de[i]);
	}
	if (nr > 0 || (nr == 0 && path))
		free(de);
	if (nr < 0 && errno != ENOENT)
		nr = error_set_errno(err, -errno, "folder '%s'", path);
	else
		nr = 0;
	free(path);
	return nr;
}

static int usage(const struct option_def *options, const char *line)
{
	if (*line)
		fprintf(stderr, "  Error: %s\n", line);
	fprintf(stderr, "\n usage: lkvm list [--run] [--rootfs] [--json]\n\n");
	options_usage(options, stderr);
	fprintf(stderr, "\n");
	return LKVM_USAGE;
}

int cmd_list(int argc, char **argv)
{
	static const struct option_def options[] = {
		{ 'i', "run", NULL, "running guests", option_bool, .offset = offsetof(struct list, running) },
		{ 'r', "rootfs", NULL, "root file systems", option_bool, .offset = offsetof(struct list, rootfs) },
		{ 0, "json", NULL, "one JSON object a line", option_bool, .offset = offsetof(struct list, json) },
		{ 0, NULL },
	};
	char *args[argc > 0 ? argc : 1];
	struct error err = { "" };
	struct list l = { 0 };
	int nr, after, r;

	r = options_parse(options, &l, argc, argv, args, &nr, &after, &err);
	if (!r && nr)
		r = error_set(&err, OPTIONS_USAGE, "unexpected argument '%s'", args[0]);
	if (r)
		return usage(options, err.msg);
	if (!l.running && !l.rootfs)
		l.running = l.rootfs = true;
	if (!l.json)
		printf("%6s %-20s %s\n------------------------------------\n", "PID", "NAME", "STATE");
	r = l.running ? list_running(&l, &err) : 0;
	if (!r && l.rootfs)
		r = list_rootfs(&l, &err);
	if (r < 0)
		fprintf(stderr, "  Error: %s\n", err.msg);
	return r < 0 ? LKVM_CANNOT_START : 0;
}
