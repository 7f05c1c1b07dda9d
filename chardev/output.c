// SPDX-License-Identifier: GPL-2.0-only
/*
 * Output of a chardev: a bounded ring, written by whoever completes a line or
 * fills it, by the flush timer, or by the loop when the other end takes more.
 *
 *	idle --byte--> waiting (timer armed) --line, full, timer--> written
 *	                                      \--other end full--> stalled: EPOLLOUT on the loop
 *
 * While stalled nobody tries to write but the loop, so a slow reader costs a
 * fast writer nothing. The timer is armed once per burst and left to expire:
 * one timerfd call in CHARDEV_FLUSH_NS at most.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "chardev/private.h"
#include "util/io.h"
#include "util/log.h"

/* How long chardev_close() waits for a reader that takes nothing. */
#define DRAIN_MS 2000

static void wake_writers(struct chardev *cd)
{
	pthread_cond_broadcast(&cd->room);
	if (cd->want_room && cd->out_len <= CHARDEV_OUT_SIZE / 2) {
		cd->want_room = false;
		cd->tell_writable = true;
		chardev_post(cd);
	}
}

void chardev_drop_locked(struct chardev *cd)
{
	cd->out_head = cd->out_len = 0;
	wake_writers(cd);
}

static void out_failed(struct chardev *cd, int err)
{
	if (cd->ops->hangup) {
		cd->out_open = false;
		cd->hung = true;
		chardev_post(cd);
	} else {
		/* A disk that is full may have room again; a reader that went does not come back. */
		if (err != -ENOSPC && err != -EDQUOT)
			cd->out_open = false;
		if (!cd->warned)
			log_warn(cd->who, "console output is lost: %s", strerror(-err));
		cd->warned = true;
	}
	chardev_drop_locked(cd);
}

static void flush_timer_fired(struct event_timer *t)
{
	struct chardev *cd = container_of(t, struct chardev, flush_timer);

	pthread_mutex_lock(&cd->lock);
	cd->timer_armed = false;
	if (!cd->stalled)
		chardev_push_locked(cd);
	pthread_mutex_unlock(&cd->lock);
}

static void arm_timer(struct chardev *cd)
{
	if (cd->timer_armed || cd->stalled)
		return;
	if (event_timer_set(cd->loop, &cd->flush_timer, CHARDEV_FLUSH_NS, flush_timer_fired) < 0)
		chardev_push_locked(cd);	/* no timer, no coalescing */
	else
		cd->timer_armed = true;
}

static void stall(struct chardev *cd)
{
	if (cd->stalled)
		return;
	cd->stalled = event_add(cd->loop, &cd->out_src, cd->out_fd, EPOLLOUT, chardev_out_event) == 0;
}

void chardev_push_locked(struct chardev *cd)
{
	size_t before = cd->out_len;

	while (cd->out_len && cd->out_open) {
		size_t piece = MIN(cd->out_len, CHARDEV_OUT_SIZE - cd->out_head);
		ssize_t n = cd->ops->write(cd, cd->out + cd->out_head, piece);

		if (n == -EAGAIN) {
			stall(cd);
			break;
		}
		if (n < 0) {
			out_failed(cd, (int)n);
			return;
		}
		cd->out_head = (cd->out_head + (size_t)n) % CHARDEV_OUT_SIZE;
		cd->out_len -= (size_t)n;
	}
	if (cd->out_len != before)
		wake_writers(cd);
}

void chardev_out_event(struct event_source *src, u32 events)
{
	struct chardev *cd = container_of(src, struct chardev, out_src);

	pthread_mutex_lock(&cd->lock);
	chardev_push_locked(cd);
	if (cd->stalled && (!cd->out_len || !cd->out_open)) {
		event_del(&cd->out_src);
		cd->stalled = false;
	}
	pthread_mutex_unlock(&cd->lock);
}

/* Into the ring as far as there is room; all of it when nobody wants it. */
static size_t put(struct chardev *cd, const u8 *buf, size_t len)
{
	size_t tail, n, first;

	if (!cd->out_open)
		return len;
	n = MIN(len, CHARDEV_OUT_SIZE - cd->out_len);
	tail = (cd->out_head + cd->out_len) % CHARDEV_OUT_SIZE;
	first = MIN(n, CHARDEV_OUT_SIZE - tail);
	memcpy(cd->out + tail, buf, first);
	memcpy(cd->out, buf + first, n - first);
	cd->out_len += n;
	return n;
}

/* Fills the ring from @buf, emptying it on the way as far as that goes without waiting. */
static size_t put_and_push(struct chardev *cd, const u8 *buf, size_t len)
{
	size_t done = put(cd, buf, len);

	while (done < len && !cd->stalled) {
		chardev_push_locked(cd);
		done += put(cd, buf + done, len - done);
		if (cd->out_len == CHARDEV_OUT_SIZE)
			break;
	}
	if (cd->out_len && !cd->stalled) {
		if (cd->out_len == CHARDEV_OUT_SIZE || memrchr(buf, '\n', done))
			chardev_push_locked(cd);
		else
			arm_timer(cd);
	}
	return done;
}

static void tap_begin(struct chardev *cd)
{
	if (cd->tap)
		pthread_mutex_lock(&cd->tap_lock);
}

static void tap_end(struct chardev *cd, const u8 *buf, size_t len)
{
	if (!cd->tap)
		return;
	if (len)
		cd->tap(cd->tap_arg, buf, len);
	pthread_mutex_unlock(&cd->tap_lock);
}

size_t chardev_write(struct chardev *cd, const u8 *buf, size_t len)
{
	size_t done;

	if (!len)
		return 0;
	tap_begin(cd);
	pthread_mutex_lock(&cd->lock);
	done = put_and_push(cd, buf, len);
	if (done < len) {
		cd->want_room = true;
		wake_writers(cd);	/* room may have come since */
	}
	pthread_mutex_unlock(&cd->lock);
	tap_end(cd, buf, done);
	return done;
}

void chardev_write_all(struct chardev *cd, const u8 *buf, size_t len)
{
	size_t done;

	if (!len)
		return;
	tap_begin(cd);
	pthread_mutex_lock(&cd->lock);
	done = put_and_push(cd, buf, len);
	/* The loop's thread cannot wait for itself; without a watch nobody would wake us. */
	while (done < len && !event_loop_is_current(cd->loop)) {
		while (cd->out_len == CHARDEV_OUT_SIZE && cd->stalled && !cd->cancelled)
			pthread_cond_wait(&cd->room, &cd->lock);
		if (cd->out_len == CHARDEV_OUT_SIZE)
			break;
		done += put_and_push(cd, buf + done, len - done);
	}
	pthread_mutex_unlock(&cd->lock);
	tap_end(cd, buf, len);
}

void chardev_flush(struct chardev *cd)
{
	pthread_mutex_lock(&cd->lock);
	chardev_push_locked(cd);
	pthread_mutex_unlock(&cd->lock);
}

void chardev_cancel(struct chardev *cd)
{
	pthread_mutex_lock(&cd->lock);
	cd->cancelled = true;
	pthread_cond_broadcast(&cd->room);
	pthread_mutex_unlock(&cd->lock);
}

void chardev_uncancel(struct chardev *cd)
{
	pthread_mutex_lock(&cd->lock);
	cd->cancelled = false;
	pthread_mutex_unlock(&cd->lock);
}

void chardev_drain(struct chardev *cd)
{
	size_t left, before = CHARDEV_OUT_SIZE + 1;
	struct pollfd pfd = { .events = POLLOUT };
	u64 since = time_now_ns();

	for (;;) {
		pthread_mutex_lock(&cd->lock);
		chardev_push_locked(cd);
		left = cd->out_open ? cd->out_len : 0;
		pfd.fd = cd->out_fd;
		pthread_mutex_unlock(&cd->lock);
		if (!left)
			return;
		if (left < before)
			since = time_now_ns();
		before = left;
		if (time_now_ns() - since > DRAIN_MS * 1000000ULL)
			break;
		poll(&pfd, 1, 100);
	}
	log_warn(cd->who, "nobody reads the console: its last %zu bytes are lost", left);
}
