// SPDX-License-Identifier: GPL-2.0-only
/*
 * `lkvm stop`: presses the power button, or ends the guest with --force, and waits until the VM's process is gone, so that its
 * disks and its name are free when we say so.
 *
 * The process is watched by a pidfd; where that cannot be had (it runs in another PID namespace), the end of its connection will do.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "builtin-control.h"
#include "builtin.h"
#include "util/io.h"
#include "util/str.h"

enum { DEFAULT_TIMEOUT_S = 30, MAX_TIMEOUT_S = 1000000 };

#define NS_PER_S 1000000000ULL

struct stop {
	struct guest_choice choice;	/* first: the shared options write to it */
	bool json, force, no_wait;
	unsigned int timeout_s;
	struct stopping {
		struct guest_conn conn;	/* owned */
		int pid_fd;		/* owned; -1: none */
	} *guest;			/* owned: those that were asked, in order */
	unsigned int nr;
};

static void say(const struct stop *s, const char *name, const char *state, const char *line)
{
	struct strbuf b = { 0 };

	if (!s->json) {
		printf("Guest %s %s\n", name, line);
		fflush(stdout);
		return;
	}
	json_begin(&b, NULL);
	json_str(&b, "name", name);
	json_str(&b, "state", state);
	json_end(&b);
	printf("%s\n", b.failed ? "" : b.s);
	fflush(stdout);
	strbuf_free(&b);
}

/* The guest is asked; who is to be waited for is kept. */
static int stop_one(struct guest_conn *c, void *arg, struct error *err)
{
	const struct json_value *reply;
	struct stop *s = arg;
	struct stopping *more;
	bool resumed = false;
	int pid_fd, r;

	/* While it is connected its PID is its own. */
	pid_fd = c->pid > 0 && !s->no_wait ? (int)syscall(SYS_pidfd_open, c->pid, 0) : -1;
	r = guest_call(c, "stop", s->force ? ",\"force\":true" : "", &reply, err);
	if (r == -ECONNRESET || r == -ESHUTDOWN)
		r = 0;	/* it is ending all by itself */
	else if (!r)
		json_get_bool(reply, "resumed", &resumed);
	if (r == -ENODEV)
		error_set(err, r, "this machine has no power button; --force ends it all the same");
	if (r < 0)
		goto close_pid;
	if (resumed)
		fprintf(stderr, "  Info: guest '%s' was paused; it was resumed to see its power button\n", c->name);
	if (s->no_wait) {
		say(s, c->name, "stopping", "was told to stop");
		return 0;
	}
	more = realloc(s->guest, (s->nr + 1) * sizeof(*more));
	if (!more) {
		r = error_set_errno(err, -ENOMEM, "cannot wait for it");
		goto close_pid;
	}
	s->guest = more;
	more[s->nr].conn = *c;
	more[s->nr++].pid_fd = pid_fd;
	c->fd = -1;	/* ours now, with all it owns */
	c->in = NULL;
	c->node = NULL;
	return 0;

close_pid:
	if (pid_fd >= 0)
		close(pid_fd);
	return r;
}

static void forget(struct stopping *g)
{
	if (g->pid_fd >= 0)
		close(g->pid_fd);
	g->pid_fd = -1;
	guest_disconnect(&g->conn);
}

/* Is it gone? What it still says on the connection does not matter. */
static bool gone(struct stopping *g)
{
	char drop[256];
	ssize_t n;

	if (g->pid_fd >= 0)
		return true;
	n = read(g->conn.fd, drop, sizeof(drop));
	return !n || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static int wait_all(struct stop *s)
{
	u64 end = time_now_ns() + s->timeout_s * NS_PER_S, now = 0;
	struct pollfd *pfd = calloc(s->nr + 1, sizeof(*pfd));
	unsigned int i, left = s->nr;

	if (!pfd) {
		fprintf(stderr, "  Error: out of memory\n");
		return LKVM_CANNOT_START;
	}
	for (i = 0; i < s->nr; i++)
		pfd[i] = (struct pollfd){ s->guest[i].pid_fd >= 0 ? s->guest[i].pid_fd : s->guest[i].conn.fd, POLLIN, 0 };
	while (left && (now = time_now_ns()) < end) {
		if (poll(pfd, s->nr, (int)MIN((end - now) / 1000000 + 1, 1000000000ULL)) <= 0)
			continue;
		for (i = 0; i < s->nr; i++) {
			if (pfd[i].fd < 0 || !pfd[i].revents || !gone(&s->guest[i]))
				continue;
			say(s, s->guest[i].conn.name, "stopped", "stopped");
			pfd[i].fd = -1;
			left--;
		}
	}
	for (i = 0; i < s->nr; i++)
		if (pfd[i].fd >= 0)
			fprintf(stderr, "  Error: guest '%s': did not end within %u seconds%s\n", s->guest[i].conn.name, s->timeout_s,
				s->force ? "" : "; --force ends it all the same");
	free(pfd);
	return left ? LKVM_TIMEOUT : 0;
}

int cmd_stop(int argc, char **argv)
{
#define STOP_OPT(field) .offset = offsetof(struct stop, field)
	static const struct option_def options[] = {
		GUEST_CHOICE_OPTIONS,
		{ 'f', "force", NULL, "end it at once instead of pressing its power button", option_bool, STOP_OPT(force) },
		{ 0, "timeout", "seconds", "how long to wait for its end (default 30)", option_uint, STOP_OPT(timeout_s),
		  .max = MAX_TIMEOUT_S },
		{ 0, "no-wait", NULL, "do not wait for its end", option_bool, STOP_OPT(no_wait) },
		{ 0, "json", NULL, "one JSON object for each guest", option_bool, STOP_OPT(json) },
		{ 0, NULL },
	};
	struct stop s = { .timeout_s = DEFAULT_TIMEOUT_S };
	int status, r;

	status = guest_options(options, &s.choice, "stop [--force] [--timeout SECONDS] [--no-wait] [--json] NAME | -n NAME | -a",
			       argc, argv);
	if (status >= 0)
		return status;
	status = guests_for_each(&s.choice, stop_one, &s);
	r = s.nr ? wait_all(&s) : 0;
	while (s.nr)
		forget(&s.guest[--s.nr]);
	free(s.guest);
	return status ? status : r;
}
