/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event loops on epoll(7).
 *
 * Invariants:
 * 1. A batch taken from epoll_wait() is kept in the loop, and event_del() strikes its source out of it, so a source removed
 *    by an earlier handler of the same batch is not called.
 * 2. loop->running names the object whose callback runs; a removal from another thread waits until it is another. So
 *    after removal the owner may free the object.
 * 3. loop->lock is a leaf: no callback runs under it.
 *
 * Threads: everything but run() may be called from any thread.
 */
#include "vmm/event.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/str.h"
#include "util/thread.h"

enum { EVENT_BATCH = 16 };

struct event_loop {
	char name[16];
	enum thread_class class;	/* of its own thread */
	int epfd;			/* owned */
	int wakefd;			/* owned eventfd: stop, posted work */
	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t idle;		/* running became another */
	const void *running;		/* object whose callback runs now (inv. 2) */
	struct list_node work;		/* event_work.node, in order of posting */
	struct epoll_event batch[EVENT_BATCH];	/* data.ptr NULL: struck out (inv. 1) */
	int batch_len, batch_pos;
	_Atomic unsigned int removals;	/* event_del() calls so far; changed under the lock */
	bool stop;
	bool has_thread;
	pthread_t thread;		/* the thread in run(), while in_run */
	bool in_run;
};

int eventfd_create(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void eventfd_signal(int fd)
{
	u64 one = 1;
	ssize_t n;

	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);	/* EAGAIN: the counter is full, so it is signalled */
}

bool eventfd_drain(int fd)
{
	u64 count;
	ssize_t n;

	do
		n = read(fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	return n == sizeof(count);
}

int event_loop_create(const char *name, struct event_loop **ret)
{
	struct event_loop *loop = calloc(1, sizeof(*loop));
	struct epoll_event ev = { .events = EPOLLIN };
	int r;

	if (!loop)
		return -ENOMEM;
	str_copy(loop->name, sizeof(loop->name), name);
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->idle, NULL);
	list_init(&loop->work);
	loop->wakefd = -1;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		r = -errno;
		goto fail;
	}
	loop->wakefd = eventfd_create();
	if (loop->wakefd < 0) {
		r = loop->wakefd;
		goto fail;
	}
	ev.data.ptr = loop;	/* the loop itself stands for its wake-up */
	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, loop->wakefd, &ev) < 0) {
		r = -errno;
		goto fail;
	}
	*ret = loop;
	return 0;

fail:
	event_loop_free(loop);
	return r;
}

void event_loop_free(struct event_loop *loop)
{
	if (!loop)
		return;
	if (loop->has_thread) {
		event_loop_stop(loop);
		pthread_join(loop->thread, NULL);
	}
	if (loop->wakefd >= 0)
		close(loop->wakefd);
	if (loop->epfd >= 0)
		close(loop->epfd);
	pthread_cond_destroy(&loop->idle);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

bool event_loop_is_current(const struct event_loop *loop)
{
	struct event_loop *l = (struct event_loop *)loop;
	bool is;

	pthread_mutex_lock(&l->lock);
	is = (l->in_run || l->has_thread) && pthread_equal(l->thread, pthread_self());
	pthread_mutex_unlock(&l->lock);
	return is;
}

static void set_running_locked(struct event_loop *loop, const void *obj)
{
	loop->running = obj;
	pthread_cond_broadcast(&loop->idle);
}

/* Waits until @obj's callback is over, unless we are in it. */
static void wait_not_running_locked(struct event_loop *loop, const void *obj)
{
	while (loop->running == obj && !pthread_equal(loop->thread, pthread_self()))
		pthread_cond_wait(&loop->idle, &loop->lock);
}

/* What was posted before we began: work that posts itself again waits its turn behind the other sources. */
static void run_work(struct event_loop *loop)
{
	void (*fn)(struct event_work *w);
	struct event_work *w;
	struct list_node now;

	list_init(&now);
	pthread_mutex_lock(&loop->lock);
	while (!list_empty(&loop->work)) {
		w = list_entry(loop->work.next, struct event_work, node);
		list_del(&w->node);
		list_add_tail(&now, &w->node);
	}
	while (!list_empty(&now)) {
		w = list_entry(now.next, struct event_work, node);
		list_del(&w->node);
		w->pending = false;
		fn = w->fn;
		set_running_locked(loop, w);
		pthread_mutex_unlock(&loop->lock);
		fn(w);
		pthread_mutex_lock(&loop->lock);
	}
	set_running_locked(loop, NULL);
	pthread_mutex_unlock(&loop->lock);
}

static void run_batch(struct event_loop *loop)
{
	struct event_source *src;
	bool woken = false;
	u32 events;

	pthread_mutex_lock(&loop->lock);
	for (; loop->batch_pos < loop->batch_len; loop->batch_pos++) {
		src = loop->batch[loop->batch_pos].data.ptr;
		events = loop->batch[loop->batch_pos].events;
		if ((void *)src == loop) {
			woken = true;
			continue;
		}
		if (!src)
			continue;
		set_running_locked(loop, src);
		pthread_mutex_unlock(&loop->lock);
		src->fn(src, events);
		pthread_mutex_lock(&loop->lock);
	}
	loop->batch_len = loop->batch_pos = 0;
	set_running_locked(loop, NULL);
	pthread_mutex_unlock(&loop->lock);
	if (woken) {
		eventfd_drain(loop->wakefd);
		run_work(loop);
	}
}

static bool stopping(struct event_loop *loop)
{
	bool stop;

	pthread_mutex_lock(&loop->lock);
	stop = loop->stop;
	loop->stop = stop && loop->has_thread;	/* a loop run on a caller's thread can be run again */
	pthread_mutex_unlock(&loop->lock);
	return stop;
}

int event_loop_run(struct event_loop *loop)
{
	int n, r = 0;

	pthread_mutex_lock(&loop->lock);
	if (!loop->has_thread)
		loop->thread = pthread_self();
	loop->in_run = true;
	pthread_mutex_unlock(&loop->lock);
	while (!stopping(loop)) {
		struct epoll_event batch[EVENT_BATCH];
		unsigned int removals = atomic_load(&loop->removals);

		n = epoll_wait(loop->epfd, batch, EVENT_BATCH, -1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			break;
		}
		/*
		 * What was removed while we waited is perhaps still in the batch, and freed: then ask again under the
		 * lock, without waiting; epoll no longer reports it.
		 */
		pthread_mutex_lock(&loop->lock);
		if (atomic_load(&loop->removals) != removals)
			n = epoll_wait(loop->epfd, batch, EVENT_BATCH, 0);
		loop->batch_len = n > 0 ? n : 0;
		loop->batch_pos = 0;
		memcpy(loop->batch, batch, sizeof(batch[0]) * (size_t)loop->batch_len);
		pthread_mutex_unlock(&loop->lock);
		run_batch(loop);
	}
	pthread_mutex_lock(&loop->lock);
	loop->in_run = false;
	pthread_mutex_unlock(&loop->lock);
	return r;
}

static void *loop_thread(void *arg)
{
	struct event_loop *loop = arg;

	thread_begin(loop->class, loop->name);
	event_loop_run(loop);
	return NULL;
}

int event_loop_start_thread_as(struct event_loop *loop, enum thread_class class)
{
	int r;

	loop->class = class;
	pthread_mutex_lock(&loop->lock);
	r = thread_start(&loop->thread, loop_thread, loop);
	loop->has_thread = !r;
	pthread_mutex_unlock(&loop->lock);
	return r;
}

void event_loop_stop(struct event_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->stop = true;
	pthread_mutex_unlock(&loop->lock);
	eventfd_signal(loop->wakefd);
}

int event_add(struct event_loop *loop, struct event_source *src, int fd, u32 events,
	      void (*fn)(struct event_source *src, u32 events))
{
	struct epoll_event ev = { .events = events, .data.ptr = src };
	int r = 0;

	assert(!src->loop);
	pthread_mutex_lock(&loop->lock);
	src->fd = fd;
	src->fn = fn;
	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		r = -errno;
	else
		src->loop = loop;
	pthread_mutex_unlock(&loop->lock);
	return r;
}

int event_mod(struct event_source *src, u32 events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	if (!src->loop)
		return -ENOENT;
	return epoll_ctl(src->loop->epfd, EPOLL_CTL_MOD, src->fd, &ev) < 0 ? -errno : 0;
}

void event_del(struct event_source *src)
{
	struct event_loop *loop = src->loop;
	int i;

	if (!loop)
		return;
	pthread_mutex_lock(&loop->lock);
	if (src->loop) {
		epoll_ctl(loop->epfd, EPOLL_CTL_DEL, src->fd, NULL);
		loop->removals++;
		for (i = loop->batch_pos; i < loop->batch_len; i++)
			if (loop->batch[i].data.ptr == src)
				loop->batch[i].data.ptr = NULL;
		src->loop = NULL;
	}
	wait_not_running_locked(loop, src);
	pthread_mutex_unlock(&loop->lock);
}

static void timer_fired(struct event_source *src, u32 events)
{
	struct event_timer *t = container_of(src, struct event_timer, src);
	u64 count;

	/* Disarmed since epoll saw it: nothing to read. */
	if (read(src->fd, &count, sizeof(count)) == sizeof(count))
		t->fn(t);
}

int event_timer_set(struct event_loop *loop, struct event_timer *t, u64 ns, void (*fn)(struct event_timer *t))
{
	struct itimerspec its = { .it_value = { .tv_sec = ns / 1000000000ULL, .tv_nsec = ns % 1000000000ULL } };
	int fd, r;

	if (!t->src.loop) {
		if (!ns)
			return 0;
		fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		if (fd < 0)
			return -errno;
		t->fn = fn;
		r = event_add(loop, &t->src, fd, EPOLLIN, timer_fired);
		if (r < 0) {
			close(fd);
			return r;
		}
	}
	if (t->fn != fn)
		t->fn = fn;
	return timerfd_settime(t->src.fd, 0, &its, NULL) < 0 ? -errno : 0;
}

void event_timer_del(struct event_timer *t)
{
	if (!t->src.loop)
		return;
	event_del(&t->src);
	close(t->src.fd);
	t->src.fd = -1;
}

void event_post(struct event_loop *loop, struct event_work *w, void (*fn)(struct event_work *w))
{
	bool wake;

	pthread_mutex_lock(&loop->lock);
	wake = !w->pending;
	if (wake) {
		w->fn = fn;
		w->pending = true;
		list_add_tail(&loop->work, &w->node);
	}
	pthread_mutex_unlock(&loop->lock);
	if (wake)
		eventfd_signal(loop->wakefd);
}

void event_work_cancel(struct event_loop *loop, struct event_work *w)
{
	pthread_mutex_lock(&loop->lock);
	if (w->pending) {
		list_del(&w->node);
		w->pending = false;
	}
	wait_not_running_locked(loop, w);
	pthread_mutex_unlock(&loop->lock);
}
