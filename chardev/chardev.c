// SPDX-License-Identifier: GPL-2.0-only
/*
 * Character back ends: opening, the client in front, and what the loop's thread
 * does for it. Contract in include/vmm/chardev.h.
 *
 * Every callback into the client is made on the loop's thread and without a
 * lock; `calling` lets chardev_set_client() wait until it returned.
 */
#include "vmm/chardev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chardev/private.h"
#include "util/str.h"

int chardev_parse(const char *spec, struct chardev_config *ret)
{
	static const struct {
		const char *word;
		enum chardev_kind kind;
		bool path;
	} kinds[] = {
		{ "null", CHARDEV_NONE, false },	{ "none", CHARDEV_NONE, false },
		{ "stdio", CHARDEV_STDIO, false },	{ "pty", CHARDEV_PTY, false },
		{ "file:", CHARDEV_FILE, true },	{ "unix:", CHARDEV_UNIX, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i].word);

		if (strncmp(spec, kinds[i].word, n))
			continue;
		if (kinds[i].path != !!spec[n])
			return -EINVAL;
		*ret = (struct chardev_config){ .kind = kinds[i].kind, .path = kinds[i].path ? spec + n : NULL };
		return 0;
	}
	return -EINVAL;
}

/* Begins a call into the client, or with @input into who reads in its place; NULL when there is none. */
static struct chardev_client *client_enter(struct chardev *cd, bool input)
{
	struct chardev_client *c;

	pthread_mutex_lock(&cd->lock);
	c = input && cd->reader ? cd->reader : cd->client;
	cd->calling = c != NULL;
	pthread_mutex_unlock(&cd->lock);
	return c;
}

static void client_leave(struct chardev *cd)
{
	pthread_mutex_lock(&cd->lock);
	cd->calling = false;
	pthread_cond_broadcast(&cd->idle);
	pthread_mutex_unlock(&cd->lock);
}

size_t chardev_client_receive(struct chardev *cd, const u8 *buf, size_t len)
{
	struct chardev_client *c = client_enter(cd, true);
	size_t n;

	if (!c)
		return 0;
	n = c->receive(c, buf, len);
	client_leave(cd);
	return n;
}

/* The loop's thread: whatever other threads, or its own handlers, left to be done. */
static void chardev_work(struct event_work *w)
{
	struct chardev *cd = container_of(w, struct chardev, work);
	bool hung, changed, writable, line_break;
	struct chardev_client *c;

	pthread_mutex_lock(&cd->lock);
	hung = cd->hung;
	changed = cd->tell_changed;
	writable = cd->tell_writable;
	line_break = cd->tell_break;
	cd->hung = cd->tell_changed = cd->tell_writable = cd->tell_break = false;
	pthread_mutex_unlock(&cd->lock);

	if (hung && cd->ops->hangup)
		cd->ops->hangup(cd);
	c = client_enter(cd, false);
	if (c) {
		if (changed && c->changed)
			c->changed(c);
		if (writable && c->writable)
			c->writable(c);
		if (line_break && c->line_break)
			c->line_break(c);
		client_leave(cd);
	}
	chardev_input_run(cd);
}

void chardev_post(struct chardev *cd)
{
	event_post(cd->loop, &cd->work, chardev_work);
}

void chardev_set_client(struct chardev *cd, struct chardev_client *client)
{
	bool on_loop = event_loop_is_current(cd->loop);

	pthread_mutex_lock(&cd->lock);
	cd->client = client;
	while (cd->calling && !on_loop)
		pthread_cond_wait(&cd->idle, &cd->lock);
	pthread_mutex_unlock(&cd->lock);
	if (client)
		chardev_post(cd);
}

void chardev_divert_input(struct chardev *cd, struct chardev_client *reader)
{
	bool on_loop = event_loop_is_current(cd->loop);

	pthread_mutex_lock(&cd->lock);
	cd->reader = reader;
	while (!reader && cd->calling && !on_loop)
		pthread_cond_wait(&cd->idle, &cd->lock);
	pthread_mutex_unlock(&cd->lock);
	chardev_post(cd);
}

void chardev_resume_input(struct chardev *cd)
{
	chardev_post(cd);
}

static void set_and_post(struct chardev *cd, bool *flag)
{
	pthread_mutex_lock(&cd->lock);
	*flag = true;
	chardev_post(cd);
	pthread_mutex_unlock(&cd->lock);
}

void chardev_send_break(struct chardev *cd)
{
	set_and_post(cd, &cd->tell_break);
}

void chardev_tty_resized(struct chardev *cd)
{
	if (cd)
		set_and_post(cd, &cd->tell_changed);
}

bool chardev_connected(struct chardev *cd)
{
	bool open;

	pthread_mutex_lock(&cd->lock);
	open = cd->out_open;
	pthread_mutex_unlock(&cd->lock);
	return open;
}

bool chardev_size(struct chardev *cd, u16 *cols, u16 *rows)
{
	return cd->ops->size && cd->ops->size(cd, cols, rows);
}

const char *chardev_path(const struct chardev *cd)
{
	return cd->path;
}

void chardev_set_tap(struct chardev *cd, chardev_tap_fn fn, void *arg)
{
	cd->tap = fn;
	cd->tap_arg = arg;
}

void chardev_set_escape(struct chardev *cd, chardev_escape_fn fn, void *arg)
{
	cd->escape = fn;
	cd->escape_arg = arg;
}

void chardev_attach(struct chardev *cd, int in_fd, int out_fd)
{
	cd->in_fd = in_fd;
	cd->in_always = cd->in_ended = false;
	cd->in_off = cd->in_len = 0;
	pthread_mutex_lock(&cd->lock);
	cd->out_fd = out_fd;
	cd->out_open = out_fd >= 0;
	cd->hung = false;
	cd->tell_changed = true;
	chardev_post(cd);
	pthread_mutex_unlock(&cd->lock);
}

void chardev_detach(struct chardev *cd)
{
	chardev_input_stop(cd);
	pthread_mutex_lock(&cd->lock);
	if (cd->stalled) {
		event_del(&cd->out_src);	/* on the loop's thread it waits for nobody */
		cd->stalled = false;
	}
	cd->out_fd = -1;
	cd->out_open = false;
	chardev_drop_locked(cd);
	cd->hung = false;
	cd->tell_changed = true;
	chardev_post(cd);
	pthread_mutex_unlock(&cd->lock);
}

int chardev_init(struct chardev *cd, const struct chardev_ops *ops, const struct chardev_config *cfg, const char *kind,
		 struct event_loop *loop)
{
	cd->out = malloc(CHARDEV_OUT_SIZE);
	if (!cd->out)
		return -ENOMEM;
	cd->ops = ops;
	cd->loop = loop;
	str_copy(cd->who, sizeof(cd->who), cfg->name ? cfg->name : kind);
	pthread_mutex_init(&cd->lock, NULL);
	pthread_mutex_init(&cd->tap_lock, NULL);
	pthread_cond_init(&cd->room, NULL);
	pthread_cond_init(&cd->idle, NULL);
	cd->in_fd = cd->out_fd = -1;
	return 0;
}

/* Leaves @cd itself, which is the first member of the kind's own struct. */
void chardev_cleanup(struct chardev *cd)
{
	pthread_cond_destroy(&cd->idle);
	pthread_cond_destroy(&cd->room);
	pthread_mutex_destroy(&cd->tap_lock);
	pthread_mutex_destroy(&cd->lock);
	free(cd->out);
	free(cd->path);
}

static void none_close(struct chardev *cd)
{
	chardev_cleanup(cd);
	free(cd);
}

/* out_open stays false: what is written is dropped, and there is nobody connected. */
static const struct chardev_ops none_ops = { .close = none_close };

static int none_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret)
{
	struct chardev *cd = calloc(1, sizeof(*cd));

	if (!cd || chardev_init(cd, &none_ops, cfg, "null", loop) < 0) {
		free(cd);
		return error_set_errno(err, -ENOMEM, "character device");
	}
	*ret = cd;
	return 0;
}

int chardev_open(const struct chardev_config *cfg, struct event_loop *loop, struct error *err, struct chardev **ret)
{
	switch (cfg->kind) {
	case CHARDEV_NONE:
		return none_open(cfg, loop, err, ret);
	case CHARDEV_STDIO:
		return chardev_stdio_open(cfg, loop, err, ret);
	case CHARDEV_PTY:
		return chardev_pty_open(cfg, loop, err, ret);
	case CHARDEV_FILE:
		return chardev_file_open(cfg, loop, err, ret);
	case CHARDEV_UNIX:
		return chardev_unix_open(cfg, loop, err, ret);
	}
	return error_set(err, -EINVAL, "no such kind of character device");
}

void chardev_close(struct chardev *cd)
{
	if (!cd)
		return;
	chardev_cancel(cd);
	chardev_set_client(cd, NULL);
	chardev_drain(cd);
	event_del(&cd->in_src);
	event_del(&cd->out_src);
	event_timer_del(&cd->flush_timer);
	event_work_cancel(cd->loop, &cd->work);
	cd->ops->close(cd);
}
