/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The streams of vfio/sys.c under signals, which are nobody's business there.
 * links: vfio/sys.c util/cleanup.c
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/tap.h"
#include "vfio/vfio.h"

static _Atomic int signals;
static _Atomic bool over;	/* the call ended */
static int fd[2];

static void on_signal(int sig)
{
	atomic_fetch_add(&signals, 1);
}

static void *read_one(void *arg)
{
	ssize_t *n = arg;
	char b;

	*n = vfio_sys_read(fd[0], &b, 1);
	over = true;
	return NULL;
}

static void *write_one(void *arg)
{
	ssize_t *n = arg;

	*n = vfio_sys_write(fd[1], "x", 1);
	over = true;
	return NULL;
}

/* Runs @fn, which waits for the pipe, under signals; then lets it end. */
static ssize_t interrupted(void *(*fn)(void *), void (*let)(void))
{
	pthread_t thread;
	ssize_t n = -1;

	signals = 0;
	over = false;
	if (pthread_create(&thread, NULL, fn, &n))
		return -1;
	/* Some are sent again: a sanitizer keeps one that comes just before the call till after it */
	while (atomic_load(&signals) < 50 && !over) {
		pthread_kill(thread, SIGUSR1);
		usleep(100);
	}
	let();
	pthread_join(thread, NULL);
	return n;
}

static void give(void)
{
	if (write(fd[1], "x", 1) != 1)
		abort();
}

static void drain(void)
{
	static char buf[65536];

	if (read(fd[0], buf, sizeof(buf)) <= 0)
		abort();
}

TEST(a_signal_ends_no_call)
{
	struct sigaction act = { .sa_handler = on_signal };	/* without SA_RESTART */
	char page[4096] = { 0 };

	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	CHECK_EQ(pipe2(fd, O_CLOEXEC), 0);
	CHECK_EQ(interrupted(read_one, give), 1);
	CHECK_EQ(fcntl(fd[1], F_SETFL, O_NONBLOCK), 0);
	while (write(fd[1], page, sizeof(page)) > 0)
		;
	CHECK_EQ(fcntl(fd[1], F_SETFL, 0), 0);
	CHECK_EQ(interrupted(write_one, drain), 1);
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	RUN(a_signal_ends_no_call);
	return tap_done();
}
