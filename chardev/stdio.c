// SPDX-License-Identifier: GPL-2.0-only
/*
 * Standard input and output as a console: a terminal, pipes, sockets or files.
 *
 * The descriptors are shared with whoever started us, so their O_NONBLOCK is
 * never touched: ttys and pipes are opened a second time through /proc, which gives a
 * description of our own. Where that is refused (a tty of another user) a
 * write follows a poll() and is at most PIPE_BUF, which a pipe that polls
 * writable takes whole. Regular files are used as they are: the offset is
 * shared on purpose.
 *
 * A tty is raw while we are in its foreground process group: every key is the
 * guest's but Ctrl-A. In the background it is neither set nor read, and looked
 * after twice a second, since nothing tells a process that it was brought forward.
 *
 * All on the loop's thread but write (lock held) and chardev_tty_restore (a signal handler).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/private.h"
#include "util/io.h"
#include "util/log.h"

enum { CTRL_A = 1 };
#define FOREGROUND_NS 500000000ULL

enum stdio_how { STDIO_DIRECT, STDIO_POLLED, STDIO_SOCKET };

struct chardev_stdio {
	struct chardev cd;
	enum stdio_how how;		/* how to write */
	int own_in, own_out;		/* owned: descriptions of our own; -1: none */
	int tty;			/* borrowed: input, when it is one; else -1 */
	struct termios saved;		/* valid while raw */
	_Atomic bool raw;
	bool escaped;			/* the last key was Ctrl-A */
	struct event_timer foreground;
};

static const char key_help[] =
	"\r\n"
	"  Ctrl-A x       end the guest\r\n"
	"  Ctrl-A p       press the power button\r\n"
	"  Ctrl-A b       send BREAK (with SysRq: the next key is its command)\r\n"
	"  Ctrl-A h       this help\r\n"
	"  Ctrl-A Ctrl-A  send Ctrl-A\r\n";

static struct chardev_stdio *to_stdio(struct chardev *cd)
{
	return container_of(cd, struct chardev_stdio, cd);
}

/* --- the terminal --- */

static bool in_foreground(const struct chardev_stdio *s)
{
	pid_t pgrp = tcgetpgrp(s->tty);

	return pgrp < 0 || pgrp == getpgrp();	/* not our controlling tty: no job control on it */
}

static void tty_make_raw(struct chardev_stdio *s)
{
	struct termios t;

	if (!atomic_load(&s->raw) && tcgetattr(s->tty, &s->saved) < 0)
		return;
	t = s->saved;
	cfmakeraw(&t);
	if (tcsetattr(s->tty, TCSANOW, &t) == 0)
		atomic_store(&s->raw, true);
}

static void tty_look(struct event_timer *t);

/* Raw if the tty is ours, else looks again later. */
static void tty_claim(struct chardev_stdio *s)
{
	if (in_foreground(s))
		tty_make_raw(s);
	else if (event_timer_set(s->cd.loop, &s->foreground, FOREGROUND_NS, tty_look) < 0)
		log_warn(s->cd.who, "no timer: input stays with the shell until SIGCONT");
}

static void tty_look(struct event_timer *t)
{
	struct chardev_stdio *s = container_of(t, struct chardev_stdio, foreground);

	tty_claim(s);
	chardev_post(&s->cd);	/* goes on reading */
}

static ssize_t stdio_read(struct chardev *cd, u8 *buf, size_t len)
{
	ssize_t n = read(cd->in_fd, buf, len);

	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t tty_read(struct chardev *cd, u8 *buf, size_t len)
{
	struct chardev_stdio *s = to_stdio(cd);

	if (!in_foreground(s)) {
		chardev_input_pause(cd);
		tty_claim(s);
		return -EAGAIN;
	}
	return stdio_read(cd, buf, len);
}

static size_t tty_filter(struct chardev *cd, u8 *buf, size_t len)
{
	struct chardev_stdio *s = to_stdio(cd);
	size_t i, kept = 0;

	for (i = 0; i < len; i++) {
		if (!s->escaped) {
			if (buf[i] == CTRL_A)
				s->escaped = true;
			else
				buf[kept++] = buf[i];
			continue;
		}
		s->escaped = false;
		if (buf[i] == CTRL_A)
			buf[kept++] = CTRL_A;
		else if (buf[i] == 'b')
			chardev_send_break(cd);
		else if (buf[i] == 'h')
			io_write_full(STDERR_FILENO, key_help, sizeof(key_help) - 1);
		else if (cd->escape)
			cd->escape(cd->escape_arg, (char)buf[i]);
	}
	return kept;
}

static bool stdio_size(struct chardev *cd, u16 *cols, u16 *rows)
{
	struct winsize ws;

	if (ioctl(cd->out_fd, TIOCGWINSZ, &ws) < 0 && ioctl(cd->in_fd, TIOCGWINSZ, &ws) < 0)
		return false;
	if (!ws.ws_col || !ws.ws_row)
		return false;	/* a serial line, which does not know */
	*cols = ws.ws_col;
	*rows = ws.ws_row;
	return true;
}

/* --- output --- */

static ssize_t stdio_write(struct chardev *cd, const u8 *buf, size_t len)
{
	struct pollfd pfd = { .fd = cd->out_fd, .events = POLLOUT };
	ssize_t n;

	switch (to_stdio(cd)->how) {
	case STDIO_SOCKET:
		n = send(cd->out_fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case STDIO_POLLED:
		if (poll(&pfd, 1, 0) <= 0)
			return -EAGAIN;
		n = write(cd->out_fd, buf, MIN(len, (size_t)PIPE_BUF));
		break;
	default:
		n = write(cd->out_fd, buf, len);
	}
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

static void stdio_close(struct chardev *cd)
{
	struct chardev_stdio *s = to_stdio(cd);

	event_timer_del(&s->foreground);
	chardev_tty_restore(cd);
	if (s->own_in >= 0)
		close(s->own_in);
	if (s->own_out >= 0)
		close(s->own_out);
	chardev_cleanup(cd);
	free(s);
}

static const struct chardev_ops stdio_ops = {
	.write = stdio_write, .read = stdio_read, .size = stdio_size, .close = stdio_close,
};

static const struct chardev_ops tty_ops = {
	.write = stdio_write, .read = tty_read, .filter = tty_filter, .size = stdio_size, .close = stdio_close,
};

void chardev_tty_restore(const struct chardev *cd)
{
	const struct chardev_stdio *s = (const struct chardev_stdio *)cd;

	if (cd && cd->ops == &tty_ops && atomic_load(&s->raw) && in_foreground(s))
		tcsetattr(s->tty, TCSANOW, &s->saved);
}

void chardev_tty_continued(struct chardev *cd)
{
	if (!cd || cd->ops != &tty_ops)
		return;
	tty_claim(to_stdio(cd));
	chardev_post(cd);
}

/* --- opening --- */

/* A description of our own for the same tty or pipe, or -1. */
static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int open_output(struct chardev_stdio *s)
{
	struct stat st;
	int fd = STDOUT_FILENO;

	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISSOCK(st.st_mode)) {
		s->how = STDIO_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || isatty(fd)) {
		s->own_out = reopen(fd, O_WRONLY);
		if (s->own_out >= 0)
			fd = s->own_out;
		else
			s->how = STDIO_POLLED;
	}
	return fd;
}

static int open_input(struct chardev_stdio *s)
{
	struct stat st;
	int fd = STDIN_FILENO;

	if (fstat(fd, &st) < 0)
		return -1;
	if (isatty(fd))
		s->tty = fd;
	if (s->tty >= 0 || S_ISFIFO(st.st_mode)) {
		s->own_in = reopen(fd, O_RDONLY);
		if (s->own_in >= 0)
			fd = s->own_in;
	}
	return fd;
}

int chardev_stdio_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret)
{
	struct chardev_stdio *s = calloc(1, sizeof(*s));
	int in_fd, out_fd;

	if (!s || chardev_init(&s->cd, &stdio_ops, cfg, "stdio", loop) < 0) {
		free(s);
		return error_set_errno(err, -ENOMEM, "standard input and output");
	}
	s->own_in = s->own_out = s->tty = -1;
	out_fd = open_output(s);
	in_fd = open_input(s);
	if (s->tty >= 0) {
		s->cd.ops = &tty_ops;
		s->cd.in_keep_reading = true;
		tty_claim(s);
	}
	chardev_attach(&s->cd, in_fd, out_fd);
	*ret = &s->cd;
	return 0;
}
