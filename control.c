// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket's server. Documentation/control.md is the protocol, control-path.c the file, control-commands.c what can be asked.
 *
 * Nothing here waits, and no client can make another one or the VM wait:
 * 1. One request of a client is handled a turn of the main loop; further ones it has sent wait behind everything else the loop has.
 * 2. While a reply is not taken, nothing is read from that client: it holds one reply and less than one request at most.
 * 3. All replies held together are bounded: past that, who has held most is dropped.
 * 4. When clients or descriptors run out, the client that was silent for longest makes room. c->spare is a descriptor to give away for
 *    the first client, should the VM have none left.
 * 5. Who half-closes gets its replies; who is gone has what it was being served done, and no more.
 *
 * Threads: the main loop's, but for control_create() and control_free(), with the loop not running.
 */
#include "vmm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"
#include "vmm/vm.h"

enum {
	ACCEPT_BATCH = 8,	/* a turn */
	REQUEST_NODES = 64,	/* values in a request */
};

struct control {
	struct vm *vm;			/* borrowed */
	struct control_socket sock;	/* owned */
	uid_t uid;			/* ours, and whose requests are served beside root's */
	struct event_source listen_src;
	struct list_node clients;	/* client.node; whoever spoke last is at the end */
	unsigned int nr, max;
	size_t held;			/* bytes of replies not taken, all clients */
	int spare;			/* owned; -1: given away (inv. 4) */
	bool deaf;			/* the listener only tells of new clients: no descriptor for those that wait */
};

struct client {
	struct control *c;
	struct list_node node;
	struct event_source src;
	struct event_work next;		/* the turn of a request that is here already */
	u32 watched;			/* EPOLL* bits */
	int fd;				/* owned */
	char *in;			/* owned: CONTROL_REQUEST_MAX and a NUL; NULL while nothing is there */
	size_t in_len;
	struct strbuf out;		/* a reply, of which the first @sent bytes are gone */
	size_t sent;
	bool eof;			/* it says no more */
	bool closing;			/* once the reply is out */
};

static void client_event(struct event_source *src, u32 events);
static void client_turn(struct event_work *work);
static void listener_ready(struct event_source *src, u32 events);

/* --- clients come and go --- */

/* Level triggered, or no more than a look whenever another client comes: epoll(7) EPOLLET. */
static void watch_listener(struct control *c, bool on)
{
	if (c->deaf == on && event_mod(&c->listen_src, on ? EPOLLIN : EPOLLIN | EPOLLET) == 0)
		c->deaf = !on;
}

static void client_free(struct client *cl)
{
	struct control *c = cl->c;

	event_del(&cl->src);
	event_work_cancel(c->vm->loop, &cl->next);
	list_del(&cl->node);
	c->held -= cl->out.len;
	c->nr--;
	close(cl->fd);
	strbuf_free(&cl->out);
	free(cl->in);
	free(cl);
	if (c->spare < 0)
		c->spare = fcntl(c->sock.fd, F_DUPFD_CLOEXEC, 0);
	watch_listener(c, true);
}

/* The one silent for longest. */
static struct client *oldest(struct control *c)
{
	return list_empty(&c->clients) ? NULL : list_entry(c->clients.next, struct client, node);
}

static bool may_ask(const struct control *c, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && len == sizeof(cred) &&
	       (cred.uid == 0 || cred.uid == c->uid);
}

/* Owns @fd from here on. */
static void client_create(struct control *c, int fd)
{
	struct client *cl = may_ask(c, fd) ? calloc(1, sizeof(*cl)) : NULL;

	if (!cl) {
		close(fd);
		return;
	}
	cl->c = c;
	cl->fd = fd;
	cl->watched = EPOLLIN;
	if (event_add(c->vm->loop, &cl->src, fd, EPOLLIN, client_event) < 0) {
		close(fd);
		free(cl);
		return;
	}
	list_add_tail(&c->clients, &cl->node);
	c->nr++;
}

/* accept() found no descriptor. False: none is to be had from us. */
static bool make_room(struct control *c)
{
	if (c->spare >= 0) {
		close(c->spare);
		c->spare = -1;
		return true;
	}
	if (!oldest(c))
		return false;
	client_free(oldest(c));
	if (c->spare >= 0) {	/* which client_free() has made of it */
		close(c->spare);
		c->spare = -1;
	}
	return true;
}

static void listener_ready(struct event_source *src, u32 events)
{
	struct control *c = container_of(src, struct control, listen_src);
	int fd, n, room = 2;

	for (n = 0; n < ACCEPT_BATCH; n++) {
		fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			watch_listener(c, true);
			if (c->nr >= c->max)
				client_free(oldest(c));
			client_create(c, fd);
			continue;
		}
		if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
			return;	/* EAGAIN: that was all; else a client that went again */
		if (poll(&(struct pollfd){ .fd = src->fd, .events = POLLIN }, 1, 0) != 1)
			return;	/* the descriptor is looked for before the client is: there is none */
		if (room-- && make_room(c))
			continue;
		/* Others took what we gave. No spinning: the next client that comes or goes makes us look again. */
		if (!c->deaf)
			log_warn("control", "no descriptor left: no client can be served");
		watch_listener(c, false);
		return;
	}
}

/* --- replies --- */

/* What is watched follows from what can be done next. */
static void client_watch(struct client *cl)
{
	u32 want = cl->out.len ? EPOLLOUT : cl->eof || cl->closing ? 0 : EPOLLIN;

	if (want != cl->watched && event_mod(&cl->src, want) == 0)
		cl->watched = want;
}

/* Sends what it takes. False: the client is to be freed. */
static bool client_flush(struct client *cl)
{
	ssize_t n;

	while (cl->sent < cl->out.len) {
		n = send(cl->fd, cl->out.s + cl->sent, cl->out.len - cl->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		cl->sent += (size_t)n;
	}
	cl->c->held -= cl->out.len;
	strbuf_free(&cl->out);
	cl->sent = 0;
	return !cl->closing;
}

/* inv. 3 */
static void bound_held(struct control *c, const struct client *but)
{
	struct client *cl, *most;

	while (c->held > CONTROL_HELD_MAX) {
		most = NULL;
		list_for_each(cl, &c->clients, node)
			if (cl != but && (!most || cl->out.len > most->out.len))
				most = cl;
		if (!most || !most->out.len)
			return;
		client_free(most);
	}
}

static void reply_error(struct strbuf *b, int code, const char *line)
{
	strbuf_free(b);
	json_begin(b, NULL);
	json_u64(b, "v", CONTROL_VERSION);
	json_bool(b, "ok", false);
	json_str(b, "error", line);
	json_u64(b, "errno", (u64)-code);
	json_end(b);
}

/* The reply in @b, which becomes the client's. False: the client is to be freed. */
static bool client_reply(struct client *cl, struct strbuf *b)
{
	if (b->len >= CONTROL_REPLY_MAX)
		reply_error(b, -EMSGSIZE, "the reply would be too long");
	strbuf_add(b, "\n", 1);
	if (b->failed) {
		strbuf_free(b);
		return false;
	}
	cl->out = *b;
	cl->c->held += b->len;
	return client_flush(cl);
}

/* --- requests --- */

static bool vm_ends(struct vm *vm)
{
	bool ends;

	pthread_mutex_lock(&vm->exit_lock);
	/* A reset that restarts is no end. */
	ends = vm->exit_cause != VM_EXIT_NONE && !(vm->exit_cause == VM_EXIT_RESET && vm->cfg.reboot);
	pthread_mutex_unlock(&vm->exit_lock);
	return ends;
}

static const struct control_command *find_command(const char *name)
{
	const struct control_command *cmd;

	for (cmd = control_commands; cmd->name; cmd++)
		if (!strcmp(cmd->name, name))
			return cmd;
	return NULL;
}

static int run_request(struct vm *vm, char *line, size_t len, struct strbuf *b, struct error *err)
{
	struct json_value node[REQUEST_NODES];
	const struct control_command *cmd;
	const struct json_value *req;
	const char *name;
	u64 v;
	int r;

	if (strlen(line) != len)
		return error_set(err, -EINVAL, "a NUL in a request");
	r = json_parse(line, node, REQUEST_NODES, &req);
	if (r == -E2BIG)
		return error_set(err, r, "more than %d values in a request", REQUEST_NODES);
	if (r < 0 || req->type != JSON_OBJECT)
		return error_set(err, -EINVAL, "not a JSON object");
	if (json_get_u64(req, "v", UINT32_MAX, &v) < 0 || v != CONTROL_VERSION)
		return error_set(err, -EPROTONOSUPPORT, "this lkvm speaks version %d: want \"v\":%d", CONTROL_VERSION, CONTROL_VERSION);
	if (json_get_str(req, "cmd", &name) < 0)
		return error_set(err, -EINVAL, "no \"cmd\" in the request, or no string");
	cmd = find_command(name);
	if (!cmd)
		return error_set(err, -ENOSYS, "unknown command '%.64s'", name);
	if (vm_ends(vm))
		return error_set(err, -ESHUTDOWN, "the guest is ending");
	return cmd->run(vm, req, b, err);
}

static bool handle_request(struct client *cl, char *line, size_t len)
{
	struct strbuf b = { 0 };
	struct error err = { "" };
	int r;

	json_begin(&b, NULL);
	json_u64(&b, "v", CONTROL_VERSION);
	json_bool(&b, "ok", true);
	r = run_request(cl->c->vm, line, len, &b, &err);
	if (r < 0)
		reply_error(&b, r, err.msg[0] ? err.msg : strerror(-r));
	else
		json_end(&b);
	return client_reply(cl, &b);
}

/* What cannot be told apart from here on: says so and hangs up. */
static bool hang_up(struct client *cl, int code, const char *line)
{
	struct strbuf b = { 0 };

	cl->closing = true;
	reply_error(&b, code, line);
	return client_reply(cl, &b);
}

/* Removes the first @n bytes of what is there. */
static void consume(struct client *cl, size_t n)
{
	cl->in_len -= n;
	memmove(cl->in, cl->in + n, cl->in_len);
	if (!cl->in_len) {
		free(cl->in);
		cl->in = NULL;
	}
}

/* One request, if it is there (inv. 1) and the last reply is gone (inv. 2). False: the client is to be freed. */
static bool client_serve(struct client *cl)
{
	char *nl = cl->in ? memchr(cl->in, '\n', cl->in_len) : NULL;
	size_t len;
	bool alive;

	if (nl) {
		len = (size_t)(nl - cl->in);
		*nl = '\0';
		alive = handle_request(cl, cl->in, len);
		consume(cl, len + 1);
		return alive;
	}
	if (cl->in_len >= CONTROL_REQUEST_MAX)
		return hang_up(cl, -EMSGSIZE, "the request is longer than 4096 bytes");
	if (cl->eof)
		return cl->in_len ? hang_up(cl, -EINVAL, "the request is cut off: no newline at its end") : false;
	return true;
}

/* False: the client is to be freed. */
static bool client_read(struct client *cl)
{
	ssize_t n;

	if (!cl->in)
		cl->in = malloc(CONTROL_REQUEST_MAX + 1);
	if (!cl->in)
		return false;
	n = recv(cl->fd, cl->in + cl->in_len, CONTROL_REQUEST_MAX - cl->in_len, MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (n > 0) {
		cl->in_len += (size_t)n;
		list_del(&cl->node);
		list_add_tail(&cl->c->clients, &cl->node);
	}
	cl->eof = !n;
	if (!cl->in_len)
		consume(cl, 0);
	return true;
}

/* Whatever can be done for this client now; then waits for what it needs next. */
static void client_go(struct client *cl)
{
	struct control *c = cl->c;
	bool alive = true;

	if (cl->out.len)
		alive = client_flush(cl);
	if (alive && !cl->out.len)
		alive = client_serve(cl);
	if (!alive) {
		client_free(cl);
		return;
	}
	bound_held(c, cl);
	/* Another request is here, or what follows the last one: a later turn. */
	if (!cl->out.len && (cl->eof || (cl->in && memchr(cl->in, '\n', cl->in_len))))
		event_post(c->vm->loop, &cl->next, client_turn);
	client_watch(cl);
}

static void client_turn(struct event_work *work)
{
	client_go(container_of(work, struct client, next));
}

static void client_event(struct event_source *src, u32 events)
{
	struct client *cl = container_of(src, struct client, src);

	if ((cl->watched & EPOLLIN) && cl->in_len < CONTROL_REQUEST_MAX && !client_read(cl)) {
		client_free(cl);
		return;
	}
	if (cl->next.pending)	/* its turn comes */
		return;
	client_go(cl);
}

/* --- life --- */

/* A client is not to take the descriptors that the VM needs. */
static unsigned int max_clients(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur / 2 >= CONTROL_MAX_CLIENTS)
		return CONTROL_MAX_CLIENTS;
	return MAX((unsigned int)(lim.rlim_cur / 2), 1U);
}

int control_create(struct vm *vm, struct error *err, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return error_set_errno(err, -ENOMEM, "control socket");
	c->vm = vm;
	c->max = max_clients();
	c->uid = geteuid();	/* the sandbox has no call for it later */
	list_init(&c->clients);
	r = control_listen(&c->sock, vm->cfg.name, err);
	if (r < 0)
		goto free_c;
	c->spare = fcntl(c->sock.fd, F_DUPFD_CLOEXEC, 0);
	r = event_add(vm->loop, &c->listen_src, c->sock.fd, EPOLLIN, listener_ready);
	if (r < 0) {
		error_set_errno(err, r, "control socket");
		goto unlisten;
	}
	*ret = c;
	return 0;

unlisten:
	if (c->spare >= 0)
		close(c->spare);
	control_unlisten(&c->sock);
free_c:
	free(c);
	return r;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	event_del(&c->listen_src);
	while (oldest(c))
		client_free(oldest(c));
	if (c->spare >= 0)
		close(c->spare);
	control_unlisten(&c->sock);
	free(c);
}

const char *control_socket_path(const struct control *c)
{
	return c ? c->sock.path : NULL;
}

int control_dir_fd(const struct control *c)
{
	return c ? c->sock.dir_fd : -1;
}
