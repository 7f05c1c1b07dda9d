/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event loops: sources, timers, posted work, and removal against a running callback.
 * links: event.c util/str.c util/thread.c
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/tap.h"
#include "vmm/event.h"

static struct event_loop *loop;

static struct {
	struct event_source src;
	int fd;
	_Atomic int calls;
	_Atomic bool inside, hold;
	struct event_source *other;	/* removed by the handler */
} a, b;

static void count_a(struct event_source *src, u32 events)
{
	a.inside = true;
	while (a.hold)
		usleep(100);
	eventfd_drain(src->fd);
	a.calls++;
	if (a.other)
		event_del(a.other);
	a.inside = false;
}

static void count_b(struct event_source *src, u32 events)
{
	eventfd_drain(src->fd);
	b.calls++;
	if (b.other)
		event_del(b.other);
}

static void stop_loop(struct event_timer *t)
{
	event_loop_stop(t->src.loop);
}

static bool setup(void)
{
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.fd = eventfd_create();
	b.fd = eventfd_create();
	return !event_loop_create("test", &loop) && !event_add(loop, &a.src, a.fd, EPOLLIN, count_a) &&
	       !event_add(loop, &b.src, b.fd, EPOLLIN, count_b);
}

static void teardown(void)
{
	event_del(&a.src);
	event_del(&b.src);
	event_loop_free(loop);
	close(a.fd);
	close(b.fd);
}

static void wait_for(_Atomic int *n, int want)
{
	while (*n < want)
		usleep(100);
}

TEST(sources_are_called_on_the_loops_thread)
{
	CHECK(setup());
	CHECK_EQ(event_loop_start_thread(loop), 0);
	CHECK(!event_loop_is_current(loop));
	eventfd_signal(a.fd);
	wait_for(&a.calls, 1);
	eventfd_signal(b.fd);
	wait_for(&b.calls, 1);
	CHECK_EQ(a.calls, 1);
	teardown();
}

TEST(a_handler_may_remove_another_ready_source)
{
	struct event_timer t = { 0 };

	CHECK(setup());
	a.other = &b.src;
	b.other = &a.src;
	eventfd_signal(a.fd);	/* both are in the first batch; whichever runs first removes the other */
	eventfd_signal(b.fd);
	event_timer_set(loop, &t, 20000000, stop_loop);
	CHECK_EQ(event_loop_run(loop), 0);
	CHECK_EQ(a.calls + b.calls, 1);
	event_timer_del(&t);
	teardown();
}

static void *delete_a(void *arg)
{
	event_del(&a.src);
	return a.inside ? &a : NULL;
}

TEST(removal_waits_for_a_running_handler)
{
	pthread_t thread;
	void *was_inside;

	CHECK(setup());
	a.hold = true;
	CHECK_EQ(event_loop_start_thread(loop), 0);
	eventfd_signal(a.fd);
	while (!a.inside)
		usleep(100);
	pthread_create(&thread, NULL, delete_a, NULL);
	usleep(20000);
	a.hold = false;
	pthread_join(thread, &was_inside);
	CHECK(!was_inside);
	eventfd_signal(a.fd);
	eventfd_signal(b.fd);
	wait_for(&b.calls, 1);
	CHECK_EQ(a.calls, 1);
	teardown();
}

TEST(timers_fire_once_and_can_be_disarmed)
{
	struct event_timer t = { 0 }, never = { 0 };

	CHECK(setup());
	CHECK_EQ(event_timer_set(loop, &never, 5000000, stop_loop), 0);
	CHECK_EQ(event_timer_set(loop, &never, 0, stop_loop), 0);
	CHECK_EQ(event_timer_set(loop, &t, 10000000, stop_loop), 0);
	CHECK_EQ(event_loop_run(loop), 0);
	event_timer_del(&t);
	event_timer_del(&t);
	event_timer_del(&never);
	teardown();
}

static _Atomic int worked;

static void work_fn(struct event_work *w)
{
	worked++;
}

static void stop_work(struct event_work *w)
{
	event_loop_stop(loop);
}

TEST(posted_work_runs_once_in_order)
{
	struct event_work w = { .pending = false }, end = { .pending = false };

	CHECK(setup());
	worked = 0;
	event_post(loop, &w, work_fn);
	event_post(loop, &w, work_fn);
	event_post(loop, &end, stop_work);
	CHECK_EQ(event_loop_run(loop), 0);
	CHECK_EQ(worked, 1);
	event_post(loop, &w, work_fn);
	event_work_cancel(loop, &w);
	event_post(loop, &end, stop_work);
	CHECK_EQ(event_loop_run(loop), 0);
	CHECK_EQ(worked, 1);
	teardown();
}

TEST(a_stop_before_the_run_counts)
{
	CHECK(setup());
	event_loop_stop(loop);
	CHECK_EQ(event_loop_run(loop), 0);
	teardown();
}

static _Atomic bool storm_over;

static void *storm(void *arg)
{
	while (!storm_over)
		eventfd_signal(a.fd);
	return NULL;
}

TEST(adding_and_removing_under_load_is_safe)
{
	pthread_t thread;
	int i, before;

	CHECK(setup());
	storm_over = false;
	CHECK_EQ(event_loop_start_thread(loop), 0);
	pthread_create(&thread, NULL, storm, NULL);
	for (i = 0; i < 2000; i++) {
		event_del(&a.src);
		before = a.calls;
		if (i % 16 == 0) {
			eventfd_signal(b.fd);
			wait_for(&b.calls, i / 16 + 1);
		}
		CHECK_EQ(a.calls, before);
		CHECK_EQ(event_add(loop, &a.src, a.fd, EPOLLIN, count_a), 0);
	}
	storm_over = true;
	pthread_join(thread, NULL);
	teardown();
}

static sigset_t mask;
static _Atomic bool mask_seen;

static void look_at_mask(struct event_work *w)
{
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	mask_seen = true;
}

TEST(thread_of_a_loop_takes_no_signal_but_those_of_a_crash)
{
	struct event_work w = { 0 };
	struct event_loop *l;

	CHECK(!event_loop_create("mask", &l));
	CHECK(!event_loop_start_thread(l));
	event_post(l, &w, look_at_mask);
	while (!mask_seen)
		usleep(100);
	event_loop_free(l);
	CHECK(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGCHLD));
	CHECK(!sigismember(&mask, SIGSEGV) && !sigismember(&mask, SIGBUS) && !sigismember(&mask, SIGABRT));
}

int main(void)
{
	RUN(sources_are_called_on_the_loops_thread);
	RUN(a_handler_may_remove_another_ready_source);
	RUN(removal_waits_for_a_running_handler);
	RUN(timers_fire_once_and_can_be_disarmed);
	RUN(posted_work_runs_once_in_order);
	RUN(a_stop_before_the_run_counts);
	RUN(adding_and_removing_under_load_is_safe);
	RUN(thread_of_a_loop_takes_no_signal_but_those_of_a_crash);
	return tap_done();
}
