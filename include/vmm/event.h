/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event loops: file descriptors, timers and posted work, each handled on the
 * loop's one thread. The VM's main loop runs on the main thread; a disk or NIC
 * may own another. Nothing here knows of guests.
 */
#ifndef VMM_EVENT_H
#define VMM_EVENT_H

#include <pthread.h>
#include <sys/epoll.h>

#include "util/list.h"
#include "util/thread.h"
#include "util/types.h"

struct event_loop;

/* Embedded in its owner. fn runs on the loop's thread with the ready EPOLL* bits. */
struct event_source {
	int fd;			/* borrowed */
	void (*fn)(struct event_source *src, u32 events);
	struct event_loop *loop;	/* NULL: not watched */
};

struct event_timer {
	struct event_source src;	/* a timerfd, made at the first event_timer_set() */
	void (*fn)(struct event_timer *t);	/* loop's thread */
};

/* Work to be done once on the loop's thread. Posting what is posted already does nothing. */
struct event_work {
	struct list_node node;
	void (*fn)(struct event_work *w);
	bool pending;		/* guarded by the loop's lock */
};

int event_loop_create(const char *name, struct event_loop **ret);
/* Stops and joins the thread, if any. Sources must have been removed. NULL is fine. */
void event_loop_free(struct event_loop *loop);

/* Runs on the calling thread until event_loop_stop(). 0 or -errno. */
int event_loop_run(struct event_loop *loop);
/*
 * Runs on a thread of its own, all signals blocked, until event_loop_free(). A device does it in its prepare() (vmm/device.h): the
 * sandbox lets a vCPU start none.
 */
int event_loop_start_thread_as(struct event_loop *loop, enum thread_class class);
static inline int event_loop_start_thread(struct event_loop *loop)
{
	return event_loop_start_thread_as(loop, THREAD_IO);
}
/* Any thread; run() returns soon after. A stop before run() makes run() return at once. */
void event_loop_stop(struct event_loop *loop);
bool event_loop_is_current(const struct event_loop *loop);

/* Any thread. @events: EPOLLIN, EPOLLOUT ... level triggered. */
int event_add(struct event_loop *loop, struct event_source *src, int fd, u32 events,
	      void (*fn)(struct event_source *src, u32 events));
int event_mod(struct event_source *src, u32 events);
/*
 * After it returns fn is not running and will not run again, unless called from
 * fn itself. From another thread it waits for a running fn, so the caller holds
 * no lock that fn takes. Removing what is not watched is fine.
 */
void event_del(struct event_source *src);

/* Fires once @ns from now on; 0 disarms. Setting it again replaces the time. Any thread. */
int event_timer_set(struct event_loop *loop, struct event_timer *t, u64 ns, void (*fn)(struct event_timer *t));
/* As event_del(), and closes the timerfd. */
void event_timer_del(struct event_timer *t);

/* Any thread. */
void event_post(struct event_loop *loop, struct event_work *w, void (*fn)(struct event_work *w));
/* As event_del(). */
void event_work_cancel(struct event_loop *loop, struct event_work *w);

/* A non-blocking, close-on-exec eventfd; signal it; drain it (true: it was signalled). */
int eventfd_create(void);
void eventfd_signal(int fd);
bool eventfd_drain(int fd);

#endif
