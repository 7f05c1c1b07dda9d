// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clients' side of the control socket: finding guests, asking them. Documentation/control.md
 *
 * A VM may be hung, or be no lkvm at all: each wait has an end, and a reply a bound.
 */
#include "builtin-control.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "builtin.h"
#include "util/io.h"
#include "util/str.h"
#include "vmm/control.h"

#define NS_PER_MS 1000000ULL
#define TIMEOUT_NS (GUEST_TIMEOUT_S * 1000 * NS_PER_MS)

/* --- one guest --- */

int guest_connect(struct guest_conn *c, const char *name, struct error *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	char *path;
	int r;

	memset(c, 0, sizeof(*c));
	c->fd = -1;
	str_copy(c->name, sizeof(c->name), name);
	r = control_path(name, &path, err);
	if (r == -ENOENT)
		return error_set(err, r, "no guest of that name is running");
	if (r < 0)
		return r;
	c->fd = control_dial(path);
	if (c->fd == -ECONNREFUSED)
		control_remove_stale(path);
	free(path);
	if (c->fd == -ECONNREFUSED || c->fd == -ENOENT) {
		r = c->fd;
		c->fd = -1;
		return error_set(err, r, "no guest of that name is running");
	}
	if (c->fd < 0) {
		r = c->fd;
		c->fd = -1;
		return r == -EAGAIN ? error_set(err, r, "does not answer") : error_set_errno(err, r, "cannot connect");
	}
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		c->pid = cred.pid;	/* of who listens, so it needs no answer */
	return 0;
}

void guest_disconnect(struct guest_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->in);
	free(c->node);
	c->in = NULL;
	c->node = NULL;
	c->in_len = c->in_room = 0;
}

/* 0 when @events are there before @end (CLOCK_MONOTONIC). */
static int wait_for(int fd, short events, u64 end)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	u64 now;

	for (;;) {
		now = time_now_ns();
		if (now >= end)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, (int)((end - now) / NS_PER_MS) + 1) > 0)
			return 0;
	}
}

static int send_all(struct guest_conn *c, const char *s, size_t len, u64 end)
{
	ssize_t n;
	int r;

	while (len) {
		n = send(c->fd, s, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n <= 0) {
			r = wait_for(c->fd, POLLOUT, end);
			if (r < 0)
				return r;
			continue;
		}
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

static int more_room(struct guest_conn *c)
{
	size_t room = c->in_room ? c->in_room * 2 : 4096;
	char *in;

	if (c->in_room > CONTROL_REPLY_MAX)
		return -EMSGSIZE;
	in = realloc(c->in, room);
	if (!in)
		return -ENOMEM;
	c->in = in;
	c->in_room = room;
	return 0;
}

/* One line into c->in, its newline made a NUL. */
static int receive_line(struct guest_conn *c, u64 end)
{
	char *nl;
	ssize_t n;
	int r;

	c->in_len = 0;
	for (;;) {
		if (c->in_len == c->in_room) {
			r = more_room(c);
			if (r < 0)
				return r;
		}
		r = wait_for(c->fd, POLLIN, end);
		if (r < 0)
			return r;
		n = recv(c->fd, c->in + c->in_len, c->in_room - c->in_len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n ? -errno : -ECONNRESET;
		c->in_len += (size_t)n;
		nl = memchr(c->in + c->in_len - n, '\n', (size_t)n);
		if (!nl)
			continue;
		*nl = '\0';
		/* We asked once: one line, and no NUL of its own. */
		return nl + 1 == c->in + c->in_len && strlen(c->in) == c->in_len - 1 ? 0 : -EBADMSG;
	}
}

/* No value without one of these before it, but the outermost. */
static unsigned int most_nodes(const char *s)
{
	unsigned int n = 1;

	for (; *s; s++)
		n += *s == ',' || *s == '{' || *s == '[';
	return n;
}

/* The tree of c->in, from a copy, so that the line stays as it came. */
static int parse_reply(struct guest_conn *c, const struct json_value **ret)
{
	size_t len = strlen(c->in) + 1;
	unsigned int room = most_nodes(c->in);
	char *text;

	free(c->node);
	c->node = malloc(room * sizeof(*c->node) + len);
	if (!c->node)
		return -ENOMEM;
	text = (char *)(c->node + room);
	memcpy(text, c->in, len);
	return json_parse(text, c->node, room, ret) < 0 || (*ret)->type != JSON_OBJECT ? -EBADMSG : 0;
}

static int refused(const struct json_value *reply, struct error *err)
{
	const char *line;
	u64 code = EIO;

	if (json_get_str(reply, "error", &line) < 0)
		return error_set(err, -EBADMSG, "no control protocol that this lkvm knows");
	json_get_u64(reply, "errno", 4095, &code);
	return error_set(err, code ? -(int)code : -EIO, "%s", line);
}

int guest_call(struct guest_conn *c, const char *cmd, const char *members, const struct json_value **ret, struct error *err)
{
	u64 end = time_now_ns() + TIMEOUT_NS, v;
	struct strbuf b = { 0 };
	bool ok;
	int r;

	strbuf_addf(&b, "{\"v\":%d,\"cmd\":\"%s\"%s}\n", CONTROL_VERSION, cmd, members);
	r = b.failed ? -ENOMEM : send_all(c, b.s, b.len, end);
	strbuf_free(&b);
	if (!r || r == -EPIPE)	/* it may have told us why before it hung up */
		r = receive_line(c, end);
	if (!r)
		r = parse_reply(c, ret);
	if (r == -ETIMEDOUT)
		return error_set(err, r, "does not answer");
	if (r == -ECONNRESET)
		return error_set(err, r, "ended before it answered");
	if (r < 0)
		return r == -EBADMSG ? refused(NULL, err) : error_set_errno(err, r, "cannot ask");
	if (json_get_u64(*ret, "v", CONTROL_VERSION, &v) < 0 || json_get_bool(*ret, "ok", &ok) < 0)
		return refused(NULL, err);
	return ok ? 0 : refused(*ret, err);
}

const char *guest_reply_text(const struct guest_conn *c)
{
	return c->in ? c->in : "";
}

/* --- all guests --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void guest_names_free(struct guest_names *names)
{
	while (names->nr)
		free(names->name[--names->nr]);
	free(names->name);
	names->name = NULL;
}

static int add_name(struct guest_names *names, const char *name, size_t len)
{
	char **more = realloc(names->name, (names->nr + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	names->name = more;
	names->name[names->nr] = strndup(name, len);
	return names->name[names->nr++] ? 0 : -ENOMEM;
}

int guest_names(struct guest_names *ret, struct error *err)
{
	static const char suffix[] = ".sock";
	struct guest_names names = { 0 };
	struct dirent *de;
	size_t len;
	char *dir;
	DIR *d;
	int r;

	*ret = names;
	r = control_dir(false, &dir, err);
	if (r == -ENOENT)
		return 0;	/* nobody ever ran here */
	if (r < 0)
		return r;
	d = opendir(dir);
	if (!d) {
		r = error_set_errno(err, -errno, "folder '%s'", dir);
		free(dir);
		return r;
	}
	free(dir);
	while (!r && (de = readdir(d))) {
		len = strlen(de->d_name);
		if (de->d_name[0] == '.' || len <= strlen(suffix) || strcmp(de->d_name + len - strlen(suffix), suffix))
			continue;
		r = add_name(&names, de->d_name, len - strlen(suffix));
	}
	closedir(d);
	if (r < 0) {
		guest_names_free(&names);
		return error_set_errno(err, r, "list of guests");
	}
	if (names.nr)
		qsort(names.name, names.nr, sizeof(*names.name), by_name);
	*ret = names;
	return 0;
}

static int one_guest(const char *name, bool chosen, int (*fn)(struct guest_conn *c, void *arg, struct error *err), void *arg)
{
	struct error err = { "" };
	struct guest_conn c;
	int r;

	r = guest_connect(&c, name, &err);
	if (!chosen && (r == -ECONNREFUSED || r == -ENOENT))
		return 0;	/* it ended since we looked, or long ago */
	if (!r)
		r = fn(&c, arg, &err);
	guest_disconnect(&c);
	if (r < 0)
		fprintf(stderr, "  Error: guest '%s': %s\n", name, err.msg[0] ? err.msg : strerror(-r));
	return r < 0 ? LKVM_CANNOT_START : 0;
}

int guests_for_each(const struct guest_choice *choice, int (*fn)(struct guest_conn *c, void *arg, struct error *err), void *arg)
{
	struct guest_names names;
	struct error err = { "" };
	unsigned int i;
	int status = 0;

	if (choice->name)
		return one_guest(choice->name, true, fn, arg);
	if (!choice->all)
		return LKVM_USAGE;
	if (guest_names(&names, &err) < 0) {
		fprintf(stderr, "  Error: %s\n", err.msg);
		return LKVM_CANNOT_START;
	}
	for (i = 0; i < names.nr; i++)
		if (one_guest(names.name[i], false, fn, arg))
			status = LKVM_CANNOT_START;
	guest_names_free(&names);
	return status;
}

/* --- options --- */

int guest_options(const struct option_def *table, struct guest_choice *choice, const char *usage, int argc, char **argv)
{
	char *args[argc > 0 ? argc : 1];
	struct error err = { "" };
	int nr = 0, after, r;

	r = options_parse(table, choice, argc, argv, args, &nr, &after, &err);
	if (!r && nr && !choice->name && !choice->all) {
		choice->name = args[0];
		args[0] = args[--nr];
	}
	if (!r && nr)
		r = error_set(&err, OPTIONS_USAGE, "unexpected argument '%s'", args[0]);
	if (!r && choice->all && choice->name)
		r = error_set(&err, OPTIONS_USAGE, "--all and a name at the same time");
	if (!r && !choice->all && !choice->name)
		r = error_set(&err, OPTIONS_USAGE, "want the name of a guest, or --all");
	if (!r)
		return -1;
	if (err.msg[0])
		fprintf(stderr, "  Error: %s\n", err.msg);
	fprintf(stderr, "\n usage: lkvm %s\n\n", usage);
	options_usage(table, stderr);
	fprintf(stderr, "\n");
	return LKVM_USAGE;
}

char *text_clean(char *s)
{
	char *p;

	for (p = s; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return s;
}
