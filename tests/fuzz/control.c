/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What clients of the control socket may send: the input is what four clients do over real sockets to the real server, on a loop that is
 * turned in between. What must hold: each complete line a client sent gets one line that is a reply, in order, or the connection
 * ends; and in the end there is no socket, and nothing of the clients.
 *
 *	op := client (low 2 bits), kind (3 bits), length of bytes to send
 *
 * links: control.c control-path.c util/json.c util/json-parse.c
 * links: event.c util/str.c util/log.c util/io.c util/error.c util/thread.c
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/control.h"
#include "vmm/hw.h"
#include "vmm/vm.h"

#define LKVM_VERSION "fuzz"
#include "control-commands.c"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { CLIENTS = 4 };

static struct fuzz_client {
	int fd;			/* -1: none */
	unsigned int lines, replies;
	char *buf;		/* of CONTROL_REPLY_MAX + 1 */
	size_t len;
} client[CLIENTS];

static struct vm vm;

static void check(bool ok)
{
	if (!ok)
		abort();
}

int vm_pause(struct vm *v)
{
	if (v->paused)
		return -EALREADY;
	v->paused = true;
	return 0;
}

int vm_resume(struct vm *v)
{
	if (!v->paused)
		return -EALREADY;
	v->paused = false;
	return 0;
}

void vm_request_exit(struct vm *v, enum vm_exit_cause cause, int status, const char *fmt, ...) { v->exit_cause = cause; }
u64 vm_time_us(const struct vm *v) { return 1; }
int power_button_press(struct vm *v) { return v->paused ? -ENODEV : 0; }

/* Once in a while more than a socket holds. */
int control_cmd_debug(struct vm *v, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	static char text[CONTROL_REPLY_MAX];
	u64 n = 100;

	if (!text[0])
		memset(text, 'x', sizeof(text) - 1);
	json_get_u64(args, "n", sizeof(text) - 1, &n);
	strbuf_addf(reply, ",\"text\":\"%.*s\"", (int)n, text);
	return 0;
}

/* Says what it was told, so that the reply is made of the request. */
int control_cmd_stat(struct vm *v, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	const char *s = NULL;
	bool b = false;
	s64 i = 0;

	json_get_str(args, "s", &s);
	json_get_bool(args, "b", &b);
	json_get_i64(args, "i", &i);
	json_str(reply, "s", s);
	json_bool(reply, "b", b);
	json_i64(reply, "i", i);
	return 0;
}

int control_cmd_nmi(struct vm *v, const struct json_value *args, struct strbuf *r, struct error *err) { return -EIO; }

int control_cmd_sysrq(struct vm *v, const struct json_value *args, struct strbuf *r, struct error *err)
{
	const char *s = "";

	json_get_str(args, "key", &s);
	return error_set(err, -EINVAL, "key '%s'", s);
}

int control_cmd_balloon(struct vm *v, const struct json_value *args, struct strbuf *r, struct error *err) { return 0; }

/* --- the world --- */

static void stop_loop(struct event_work *w)
{
	event_loop_stop(vm.loop);
}

static void turn(void)
{
	struct event_work end = { .pending = false };

	event_post(vm.loop, &end, stop_loop);
	event_loop_run(vm.loop);
}

static void hang_up(struct fuzz_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->lines = c->replies = 0;
	c->len = 0;
}

static void check_reply(char *line)
{
	struct json_value node[32];
	const struct json_value *v;
	const char *error;
	bool ok = false;
	u64 n;

	if (strlen(line) > 4096) {	/* of the debug command: only its length is of interest */
		check(!strncmp(line, "{\"v\":1,\"ok\":true", 16));
		return;
	}
	check(json_parse(line, node, ARRAY_SIZE(node), &v) == 0);
	check(json_get_u64(v, "v", CONTROL_VERSION, &n) == 0);
	check(json_get_bool(v, "ok", &ok) == 0);
	if (!ok)
		check(json_get_str(v, "error", &error) == 0 && *error && json_get_u64(v, "errno", 4095, &n) == 0 && n);
}

/* All replies that are there. */
static void hear(struct fuzz_client *c)
{
	ssize_t n;
	char *nl;

	while (c->fd >= 0) {
		n = recv(c->fd, c->buf + c->len, CONTROL_REPLY_MAX + 1 - c->len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)	/* reset: it did not want to hear more from us */
			n = 0;
		c->len += (size_t)n;
		while (c->len && (nl = memchr(c->buf, '\n', c->len))) {
			*nl = '\0';
			check_reply(c->buf);
			c->replies++;
			c->len -= (size_t)(nl + 1 - c->buf);
			memmove(c->buf, nl + 1, c->len);
		}
		check(c->len <= CONTROL_REPLY_MAX);
		if (!n) {
			check(!c->len);	/* no half reply to who reads to the end */
			hang_up(c);
		}
	}
	/* The one more is for what ends a connection: too long, cut off. */
	check(c->replies <= c->lines + 1);
}

static void say(struct fuzz_client *c, const u8 *data, size_t len)
{
	size_t i;

	if (c->fd < 0 || send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		return hang_up(c);
	for (i = 0; i < len; i++)
		c->lines += data[i] == '\n';
}

static void one_op(struct control *control, u8 op, const u8 *data, size_t len)
{
	struct fuzz_client *c = &client[op & 3];

	if (c->fd < 0 && c->lines == 0)
		c->fd = control_dial(control_socket_path(control));
	switch (op >> 2 & 7) {
	case 0:
		hang_up(c);
		break;
	case 1:
		if (c->fd >= 0)
			shutdown(c->fd, SHUT_WR);
		break;
	case 2:
		hear(c);
		break;
	case 3:
		turn();
		break;
	case 4:
		vm.exit_cause = VM_EXIT_NONE;
		/* fall through */
	default:
		say(c, data, len);
		if (op & 0x80)
			turn();
	}
}

/* Who is still there gets what it is owed. */
static void settle(void)
{
	struct fuzz_client *c;
	int i, n;

	for (i = 0; i < CLIENTS; i++) {
		c = &client[i];
		if (c->fd < 0)
			continue;
		shutdown(c->fd, SHUT_WR);
		for (n = 0; n < 20000 && c->fd >= 0; n++) {
			hear(c);
			turn();
		}
		check(c->fd < 0);
	}
}

static char dir[64];

static void remove_dir(void)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/lkvm", dir);
	rmdir(path);
	rmdir(dir);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const u8 *end = data + size;
	struct control *control;
	struct error err;
	struct stat st;
	size_t len;
	int i;

	if (!dir[0]) {
		signal(SIGPIPE, SIG_IGN);
		strcpy(dir, "/tmp/lkvm-fuzz-XXXXXX");
		check(mkdtemp(dir) && !setenv("XDG_RUNTIME_DIR", dir, 1) && !atexit(remove_dir));
		for (i = 0; i < CLIENTS; i++)
			check((client[i].buf = malloc(CONTROL_REPLY_MAX + 1)) != NULL);
	}
	memset(&vm, 0, sizeof(vm));
	pthread_mutex_init(&vm.exit_lock, NULL);
	vm.cfg.name = "fuzz";
	check(!event_loop_create("fuzz", &vm.loop) && !control_create(&vm, &err, &control));
	for (i = 0; i < CLIENTS; i++) {
		client[i].fd = -1;
		hang_up(&client[i]);
	}
	while (end - data >= 2) {
		len = MIN((size_t)(end - data) - 2, (size_t)data[1] * (data[0] & 0x40 ? 32 : 1));
		one_op(control, data[0], data + 2, len);
		data += 2 + len;
	}
	settle();
	turn();
	check(stat(control_socket_path(control), &st) == 0);
	control_free(control);
	event_loop_free(vm.loop);
	for (i = 0; i < CLIENTS; i++)
		hang_up(&client[i]);
	return 0;
}
