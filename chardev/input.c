// SPDX-License-Identifier: GPL-2.0-only
/*
 * Input of a chardev: read when the client took what was read before, at most
 * CHARDEV_IN_SIZE ahead of it. All on the loop's thread.
 *
 * A descriptor without readiness (regular file, /dev/null) is read by posted
 * work, a piece a turn, so that it cannot keep the loop for itself. A tty is
 * read even while the client takes nothing, because its escape keys must work
 * when the guest hangs; what then finds no room is dropped, as a terminal does.
 *
 * At the end of input the other end is gone, or (a socket shut down one way)
 * only silent: then it is still watched, for nothing but its going.
 */
#include <errno.h>

#include "chardev/private.h"

static void deliver(struct chardev *cd)
{
	while (cd->in_len) {
		size_t n = chardev_client_receive(cd, cd->in + cd->in_off, cd->in_len);

		if (!n)
			return;
		cd->in_off += n;
		cd->in_len -= n;
	}
	cd->in_off = 0;
}

static void end_of_input(struct chardev *cd)
{
	if (cd->ops->hangup)
		cd->ops->hangup(cd);
	else
		chardev_input_stop(cd);
}

/* One read. False when there was nothing or it was the last. */
static bool read_some(struct chardev *cd)
{
	u8 spill[256];
	size_t at = cd->in_off + cd->in_len;
	bool full = at == CHARDEV_IN_SIZE;
	u8 *p = full ? spill : cd->in + at;
	ssize_t n = cd->ops->read(cd, p, full ? sizeof(spill) : CHARDEV_IN_SIZE - at);

	if (n == -EAGAIN)
		return false;
	if (n == -ESHUTDOWN) {
		cd->in_ended = true;
		if (cd->in_watched)
			event_mod(&cd->in_src, 0);
		return false;
	}
	if (n <= 0) {
		end_of_input(cd);
		return false;
	}
	if (cd->ops->filter)
		n = (ssize_t)cd->ops->filter(cd, p, (size_t)n);
	if (!full)
		cd->in_len += (size_t)n;
	return true;
}

static void in_event(struct event_source *src, u32 events)
{
	struct chardev *cd = container_of(src, struct chardev, in_src);

	if (read_some(cd))
		deliver(cd);
	if (cd->in_len && !cd->in_keep_reading)
		chardev_input_pause(cd);
}

void chardev_input_pause(struct chardev *cd)
{
	if (cd->in_watched)
		event_del(&cd->in_src);
	cd->in_watched = false;
}

void chardev_input_stop(struct chardev *cd)
{
	chardev_input_pause(cd);
	cd->in_fd = -1;
}

/* Whether there is a client to read for. */
static bool wanted(struct chardev *cd)
{
	bool have;

	pthread_mutex_lock(&cd->lock);
	have = cd->client || cd->reader;
	pthread_mutex_unlock(&cd->lock);
	return have || cd->in_keep_reading;
}

void chardev_input_run(struct chardev *cd)
{
	int r;

	deliver(cd);
	if (cd->in_fd < 0 || cd->in_watched || !wanted(cd) || (cd->in_len && !cd->in_keep_reading))
		return;
	if (cd->in_always) {
		if (read_some(cd)) {
			deliver(cd);
			if (!cd->in_len)
				chardev_post(cd);
		}
		return;
	}
	r = event_add(cd->loop, &cd->in_src, cd->in_fd, cd->in_ended ? 0 : EPOLLIN, in_event);
	if (r == -EPERM) {
		cd->in_always = true;
		chardev_post(cd);
	} else {
		cd->in_watched = r == 0;
	}
}
