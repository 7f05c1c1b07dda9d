/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Character back ends: where a console's bytes go to and come from. They know
 * files and sockets, not guests.
 *
 * Output never blocks the caller for long: bytes go into a bounded buffer that
 * is written when a line ends, when it is full, or a moment (CHARDEV_FLUSH_NS)
 * after the first byte that waits, whichever is first; a reader that does not
 * read makes chardev_write() take less than it was given. While there is nobody
 * at the other end (no client, a closed pipe) output is taken and dropped.
 *
 * The process ignores SIGPIPE, SIGTTIN and SIGTTOU, and has descriptors 0..2 open.
 */
#ifndef VMM_CHARDEV_H
#define VMM_CHARDEV_H

#include "util/error.h"
#include "util/types.h"

struct chardev;
struct event_loop;

#define CHARDEV_FLUSH_NS 2000000ULL	/* 2 ms */

enum chardev_kind {
	CHARDEV_NONE,	/* output dropped, no input */
	CHARDEV_STDIO,	/* tty (raw, restored at close), pipe or file */
	CHARDEV_PTY,	/* path of the other end is logged as info and given by chardev_path() */
	CHARDEV_FILE,	/* output only; created or truncated */
	CHARDEV_UNIX,	/* listens; one client at a time; removed at close */
};

struct chardev_config {
	enum chardev_kind kind;
	const char *path;	/* FILE, UNIX */
	const char *name;	/* virtio port name, or NULL; also who speaks in messages */
};

/* The device in front. Called on the loop's thread, without a chardev lock held. */
struct chardev_client {
	/* Gives how many of the bytes it took; the rest is offered again after chardev_resume_input(). */
	size_t (*receive)(struct chardev_client *c, const u8 *buf, size_t len);
	/* Room came free after a short chardev_write(). May be NULL. */
	void (*writable)(struct chardev_client *c);
	/* The other end came or went (UNIX, PTY), or the tty changed size. May be NULL. */
	void (*changed)(struct chardev_client *c);
	/* BREAK was sent (Ctrl-A b, chardev_send_break). May be NULL. */
	void (*line_break)(struct chardev_client *c);
};

/* "stdio", "pty", "null", "file:PATH", "unix:PATH". -EINVAL otherwise. */
int chardev_parse(const char *spec, struct chardev_config *ret);

/* @loop carries its input and late output. Main thread. */
int chardev_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret);
/*
 * Writes what is buffered (bounded time), restores the tty, removes the socket. On the loop's thread or while the loop
 * does not run; no other thread uses it any more. NULL is fine.
 */
void chardev_close(struct chardev *cd);

/* At most one client; NULL detaches and, unless on the loop's thread, waits for a running callback. */
void chardev_set_client(struct chardev *cd, struct chardev_client *client);

/*
 * Input goes to @reader->receive and no longer to the client: for a guest that reads its console by calls to firmware and not at a
 * device. NULL ends that and, unless on the loop's thread, waits for a running callback. Any thread.
 */
void chardev_divert_input(struct chardev *cd, struct chardev_client *reader);

/* Gives the bytes taken (all, unless the buffer is full). Any thread. */
size_t chardev_write(struct chardev *cd, const u8 *buf, size_t len);
/*
 * As chardev_write(), but waits for room while the other end is there; for consoles
 * whose guest expects no loss. Returns early after chardev_cancel().
 */
void chardev_write_all(struct chardev *cd, const u8 *buf, size_t len);
/* Pushes buffered bytes out now as far as the other end takes them. Any thread. */
void chardev_flush(struct chardev *cd);
/*
 * Lets every present and future chardev_write_all() return at once: the VM ends, or
 * the main thread is about to wait for its vCPUs; chardev_uncancel() is the way back. Any thread.
 */
void chardev_cancel(struct chardev *cd);
void chardev_uncancel(struct chardev *cd);

/* The client can take more. Any thread. */
void chardev_resume_input(struct chardev *cd);
/* Somebody is (or may be) at the other end. Any thread. */
bool chardev_connected(struct chardev *cd);
/* As if the other end had sent BREAK. Any thread. */
void chardev_send_break(struct chardev *cd);
/* Columns and rows of the tty behind it; false if there is none. */
bool chardev_size(struct chardev *cd, u16 *cols, u16 *rows);
/* SIGWINCH came: has client->changed called. Any thread. NULL is fine. */
void chardev_tty_resized(struct chardev *cd);
/* SIGCONT came: raw mode again if the tty is ours. Loop's thread. NULL is fine. */
void chardev_tty_continued(struct chardev *cd);
/* Puts the tty back as it was; for handlers of fatal signals: async-signal-safe. NULL is fine. */
void chardev_tty_restore(const struct chardev *cd);
/* "/dev/pts/3", the FILE's or UNIX path, else NULL. */
const char *chardev_path(const struct chardev *cd);

/*
 * Sees every byte taken, in the order of output (console log, panic line). Set before the VM runs. Caller's thread;
 * it must not write to the same chardev.
 */
typedef void (*chardev_tap_fn)(void *arg, const u8 *buf, size_t len);
void chardev_set_tap(struct chardev *cd, chardev_tap_fn fn, void *arg);

/*
 * STDIO on a tty: Ctrl-A followed by a key gives @fn the key. Ctrl-A Ctrl-A sends one Ctrl-A, Ctrl-A b sends BREAK, and
 * Ctrl-A h tells the keys; those do not reach @fn. Works while the guest takes no input. Loop's thread.
 */
typedef void (*chardev_escape_fn)(void *arg, char key);
void chardev_set_escape(struct chardev *cd, chardev_escape_fn fn, void *arg);

#endif
