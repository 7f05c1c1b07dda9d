// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pseudo terminal: ours is the master, the user opens the other end by its
 * path, closes it and opens it again as often as he likes. pty(7)
 *
 * While nobody has the other end open the master reports a hang-up for ever
 * and reads give EIO, so it is not watched then; inotify on the path tells of
 * the next open. Without inotify (its per-user limit) a timer looks.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/private.h"
#include "util/log.h"

#define PTY_LOOK_NS 500000000ULL

struct chardev_pty {
	struct chardev cd;
	int master;			/* owned; watched for input */
	int out;			/* owned: the same description, watched for output */
	int notify;			/* owned inotify; -1: none */
	struct event_source notify_src;
	struct event_timer look;
};

static struct chardev_pty *to_pty(struct chardev *cd)
{
	return container_of(cd, struct chardev_pty, cd);
}

static bool has_other_end(const struct chardev_pty *p)
{
	struct pollfd pfd = { .fd = p->master };

	return poll(&pfd, 1, 0) == 0 || !(pfd.revents & POLLHUP);
}

static void pty_look(struct event_timer *t);

/* Connects if the other end is there. */
static void pty_check(struct chardev_pty *p)
{
	if (p->cd.in_fd >= 0)
		return;
	if (has_other_end(p))
		chardev_attach(&p->cd, p->master, p->out);
	else if (p->notify < 0)
		event_timer_set(p->cd.loop, &p->look, PTY_LOOK_NS, pty_look);
}

static void pty_look(struct event_timer *t)
{
	pty_check(container_of(t, struct chardev_pty, look));
}

static void pty_notified(struct event_source *src, u32 events)
{
	struct chardev_pty *p = container_of(src, struct chardev_pty, notify_src);
	char buf[4096] __attribute__((aligned(8)));

	while (read(p->notify, buf, sizeof(buf)) > 0)
		;	/* which event it was does not matter */
	pty_check(p);
}

static void pty_hangup(struct chardev *cd)
{
	struct chardev_pty *p = to_pty(cd);

	if (cd->in_fd < 0)
		return;
	chardev_detach(cd);
	tcflush(p->master, TCIOFLUSH);
	pty_check(p);	/* opened again already, or look later */
}

static ssize_t pty_write(struct chardev *cd, const u8 *buf, size_t len)
{
	ssize_t n = write(cd->out_fd, buf, len);

	if (n > 0)
		return n;
	return n == 0 || errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t pty_read(struct chardev *cd, u8 *buf, size_t len)
{
	ssize_t n = read(cd->in_fd, buf, len);

	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

static bool pty_size(struct chardev *cd, u16 *cols, u16 *rows)
{
	struct winsize ws;

	if (ioctl(to_pty(cd)->master, TIOCGWINSZ, &ws) < 0 || !ws.ws_col || !ws.ws_row)
		return false;
	*cols = ws.ws_col;
	*rows = ws.ws_row;
	return true;
}

static void pty_close(struct chardev *cd)
{
	struct chardev_pty *p = to_pty(cd);

	event_del(&p->notify_src);
	event_timer_del(&p->look);
	if (p->notify >= 0)
		close(p->notify);
	if (p->out >= 0)
		close(p->out);
	if (p->master >= 0)
		close(p->master);
	chardev_cleanup(cd);
	free(p);
}

static const struct chardev_ops pty_ops = {
	.write = pty_write, .read = pty_read, .hangup = pty_hangup, .size = pty_size, .close = pty_close,
};

static void watch_opens(struct chardev_pty *p)
{
	p->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (p->notify < 0)
		return;
	if (inotify_add_watch(p->notify, p->cd.path, IN_OPEN) < 0 ||
	    event_add(p->cd.loop, &p->notify_src, p->notify, EPOLLIN, pty_notified) < 0) {
		close(p->notify);
		p->notify = -1;
	}
}

/* Makes the pair; the other end is raw from the start, or it would echo the guest's output back to it. */
static int make_pair(struct chardev_pty *p)
{
	struct termios t;
	char path[64];
	int other, r = 0;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (p->master < 0 || grantpt(p->master) < 0 || unlockpt(p->master) < 0)
		return -errno;
	r = ptsname_r(p->master, path, sizeof(path));
	if (r)
		return -r;
	p->out = fcntl(p->master, F_DUPFD_CLOEXEC, 0);
	if (p->out < 0)
		return -errno;
	p->cd.path = strdup(path);
	if (!p->cd.path)
		return -ENOMEM;
	other = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (other < 0)
		return -errno;
	if (tcgetattr(other, &t) < 0)
		r = -errno;
	cfmakeraw(&t);
	if (!r && tcsetattr(other, TCSANOW, &t) < 0)
		r = -errno;
	watch_opens(p);
	close(other);	/* from here on the master says whether anybody else opened it */
	return r;
}

int chardev_pty_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret)
{
	struct chardev_pty *p = calloc(1, sizeof(*p));
	int r;

	if (!p || chardev_init(&p->cd, &pty_ops, cfg, "pty", loop) < 0) {
		free(p);
		return error_set_errno(err, -ENOMEM, "pty");
	}
	p->master = p->out = p->notify = -1;
	r = make_pair(p);
	if (r < 0) {
		pty_close(&p->cd);
		return error_set_errno(err, r, "pty");
	}
	if (p->notify < 0)
		event_timer_set(loop, &p->look, PTY_LOOK_NS, pty_look);
	log_info(p->cd.who, "%s", p->cd.path);
	*ret = &p->cd;
	return 0;
}
