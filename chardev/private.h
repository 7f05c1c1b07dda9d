/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kinds of chardev share. A kind is a struct with struct chardev
 * first, const ops, and an open function; buffering (output.c), input
 * (input.c) and the client's side (chardev.c) are common.
 *
 * Lock order: tap_lock -> lock -> the loop's own. Only output and the flags
 * said so below are under lock; input state belongs to the loop's thread.
 */
#ifndef CHARDEV_PRIVATE_H
#define CHARDEV_PRIVATE_H

#include <pthread.h>
#include <sys/types.h>

#include "vmm/chardev.h"
#include "vmm/event.h"

enum { CHARDEV_OUT_SIZE = 64 * 1024, CHARDEV_IN_SIZE = 4096 };

struct chardev_ops {
	/* As much as goes without blocking: bytes, -EAGAIN, or -errno. lock held. */
	ssize_t (*write)(struct chardev *cd, const u8 *buf, size_t len);
	/*
	 * Bytes, 0 at the end, -EAGAIN or -errno; -ESHUTDOWN: no more input, but the other end is still there, and will show
	 * as EPOLLHUP when it goes. Loop's thread. NULL: no input.
	 */
	ssize_t (*read)(struct chardev *cd, u8 *buf, size_t len);
	/* Takes out what is not for the client, in place; gives what is left. Loop's thread. May be NULL. */
	size_t (*filter)(struct chardev *cd, u8 *buf, size_t len);
	/*
	 * The other end went: reading ended or writing failed. Loop's thread. NULL: it never comes back, and
	 * output is dropped from then on (after one warning) when it was writing that failed.
	 */
	void (*hangup)(struct chardev *cd);
	bool (*size)(struct chardev *cd, u16 *cols, u16 *rows);
	/* No callback runs and none will. Closes and frees what the kind added. */
	void (*close)(struct chardev *cd);
};

struct chardev {
	const struct chardev_ops *ops;
	struct event_loop *loop;	/* borrowed */
	char who[32];
	char *path;			/* owned; or NULL */

	pthread_mutex_t tap_lock;	/* keeps what a tap sees in the order of output */
	chardev_tap_fn tap;
	void *tap_arg;
	chardev_escape_fn escape;
	void *escape_arg;

	pthread_mutex_t lock;		/* guards everything down to the next comment */
	pthread_cond_t room;		/* output left, or nobody waits for it any more */
	pthread_cond_t idle;		/* a client's callback returned */
	struct chardev_client *client;	/* borrowed */
	struct chardev_client *reader;	/* borrowed: takes the input in place of client; or NULL */
	bool calling;			/* the loop's thread is in a callback of client */
	int out_fd;			/* the kind's; -1: none */
	u8 *out;			/* owned: ring of CHARDEV_OUT_SIZE */
	size_t out_head, out_len;
	bool out_open;			/* someone takes output; otherwise it is dropped */
	bool stalled;			/* out_src is watched */
	bool timer_armed;
	bool want_room;			/* a chardev_write() was short */
	bool cancelled;
	bool warned;
	bool hung;			/* for the loop's thread: call ops->hangup */
	bool tell_changed, tell_writable, tell_break;

	/* the loop's thread */
	struct event_source out_src, in_src;
	struct event_timer flush_timer;
	struct event_work work;		/* what is to be told, and input that waits */
	int in_fd;			/* the kind's; -1: none (any more) */
	bool in_always;			/* a regular file: no readiness to wait for */
	bool in_keep_reading;		/* even when the client takes nothing: a tty, for its escape keys */
	bool in_watched;
	bool in_ended;			/* watched for the other end's going only */
	u8 in[CHARDEV_IN_SIZE];
	size_t in_off, in_len;
};

/* chardev.c */
int chardev_init(struct chardev *cd, const struct chardev_ops *ops, const struct chardev_config *cfg, const char *kind,
		 struct event_loop *loop);
void chardev_cleanup(struct chardev *cd);
/* Any thread, lock held or not: has the loop look at the flags and at input that waits. */
void chardev_post(struct chardev *cd);
/* Loop's thread. */
size_t chardev_client_receive(struct chardev *cd, const u8 *buf, size_t len);

/* output.c: lock held */
void chardev_push_locked(struct chardev *cd);
void chardev_drop_locked(struct chardev *cd);
void chardev_out_event(struct event_source *src, u32 events);
/* Lock not held; waits for the other end, a bounded time. */
void chardev_drain(struct chardev *cd);

/* input.c: loop's thread */
void chardev_input_run(struct chardev *cd);
void chardev_input_pause(struct chardev *cd);	/* until the next run */
void chardev_input_stop(struct chardev *cd);	/* for good, or until chardev_attach() */

/* Another end came: @in_fd and @out_fd are the kind's. Loop's thread, or while opening. */
void chardev_attach(struct chardev *cd, int in_fd, int out_fd);
/* It went: forgets both descriptors (the kind closes them) and what was buffered for them. Loop's thread. */
void chardev_detach(struct chardev *cd);

int chardev_stdio_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret);
int chardev_pty_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret);
int chardev_file_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret);
int chardev_unix_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret);
#endif
