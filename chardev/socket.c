// SPDX-License-Identifier: GPL-2.0-only
/*
 * A Unix stream socket: it listens at a path, serves one client at a time and
 * tells further ones so. The path is ours: mode 0600 from the start, refused
 * when somebody else listens there, taken over when nobody answers (left by
 * a crash), removed at close if it is still the one we made. unix(7)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/private.h"
#include "util/log.h"

struct chardev_unix {
	struct chardev cd;
	int listener;			/* owned */
	int in, out;			/* owned: the client, and again for output; -1: none */
	bool bound;			/* the path is ours: */
	dev_t dev;
	ino_t ino;
	struct event_source listen_src;
	struct event_timer retry;	/* watches the listener again */
};

#define RETRY_NS 1000000000ULL

static const char busy[] = "lkvm: another client is connected\n";

static struct chardev_unix *to_unix(struct chardev *cd)
{
	return container_of(cd, struct chardev_unix, cd);
}

static void close_client(struct chardev_unix *u)
{
	if (u->in >= 0)
		close(u->in);
	if (u->out >= 0)
		close(u->out);
	u->in = u->out = -1;
}

static void unix_accept(struct event_source *src, u32 events);

static void unix_retry(struct event_timer *t)
{
	struct chardev_unix *u = container_of(t, struct chardev_unix, retry);

	if (!u->listen_src.loop)
		event_add(u->cd.loop, &u->listen_src, u->listener, EPOLLIN, unix_accept);
}

static void unix_accept(struct event_source *src, u32 events)
{
	struct chardev_unix *u = container_of(src, struct chardev_unix, listen_src);
	int fd = accept4(u->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		/* Out of descriptors: the client waits in the backlog, and we must not spin meanwhile. */
		if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) &&
		    event_timer_set(u->cd.loop, &u->retry, RETRY_NS, unix_retry) == 0)
			event_del(src);
		return;
	}
	if (u->in >= 0) {
		send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	u->out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (u->out < 0) {
		close(fd);
		return;
	}
	u->in = fd;
	chardev_attach(&u->cd, u->in, u->out);
}

static void unix_hangup(struct chardev *cd)
{
	chardev_detach(cd);
	close_client(to_unix(cd));
}

static ssize_t unix_write(struct chardev *cd, const u8 *buf, size_t len)
{
	ssize_t n = send(cd->out_fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t unix_read(struct chardev *cd, u8 *buf, size_t len)
{
	ssize_t n = recv(cd->in_fd, buf, len, MSG_DONTWAIT);
	struct pollfd pfd = { .fd = cd->in_fd };

	if (n > 0)
		return n;
	/* A client that has said all (`echo | socat`) may still want the answer. */
	if (n == 0)
		return poll(&pfd, 1, 0) == 1 ? 0 : -ESHUTDOWN;
	return errno == EINTR ? -EAGAIN : -errno;
}

static void unix_close(struct chardev *cd)
{
	struct chardev_unix *u = to_unix(cd);
	struct stat st;

	event_timer_del(&u->retry);
	event_del(&u->listen_src);
	close_client(u);
	if (u->bound && lstat(cd->path, &st) == 0 && st.st_dev == u->dev && st.st_ino == u->ino)
		unlink(cd->path);
	if (u->listener >= 0)
		close(u->listener);
	chardev_cleanup(cd);
	free(u);
}

static const struct chardev_ops unix_ops = {
	.write = unix_write, .read = unix_read, .hangup = unix_hangup, .close = unix_close,
};

/* A socket at @addr that nobody listens at. */
static bool is_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int unix_listen(struct chardev_unix *u)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct sockaddr *sa = (const struct sockaddr *)&addr;
	size_t len = strlen(u->cd.path);
	struct stat st;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, u->cd.path, len);
	u->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->listener < 0)
		return -errno;
	/* The mode of the unbound socket becomes that of the file: no moment in which others may connect. */
	if (fchmod(u->listener, 0600) < 0)
		return -errno;
	if (bind(u->listener, sa, sizeof(addr)) < 0) {
		if (errno != EADDRINUSE || !is_stale(&addr))
			return -errno;
		if (unlink(u->cd.path) < 0 || bind(u->listener, sa, sizeof(addr)) < 0)
			return -errno;
	}
	if (lstat(u->cd.path, &st) < 0)
		return -errno;
	u->bound = true;
	u->dev = st.st_dev;
	u->ino = st.st_ino;
	if (listen(u->listener, 4) < 0)
		return -errno;
	return event_add(u->cd.loop, &u->listen_src, u->listener, EPOLLIN, unix_accept);
}

int chardev_unix_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret)
{
	struct chardev_unix *u = calloc(1, sizeof(*u));
	int r;

	if (!u || chardev_init(&u->cd, &unix_ops, cfg, "unix", loop) < 0) {
		free(u);
		return error_set_errno(err, -ENOMEM, "unix:%s", cfg->path);
	}
	u->listener = u->in = u->out = -1;
	u->cd.path = strdup(cfg->path);
	r = u->cd.path ? unix_listen(u) : -ENOMEM;
	if (r < 0) {
		unix_close(&u->cd);
		return error_set_errno(err, r, "unix:%s", cfg->path);
	}
	*ret = &u->cd;
	return 0;
}
