/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of descriptors that is said anew each time.
 * links: net/fdset.c
 */
#include "tests/tap.h"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net/fdset.h"

static struct fdset s;
static int p[2];

static void want(int fd, u32 events)
{
	fdset_begin(&s);
	if (fd >= 0)
		fdset_want(&s, fd, events);
	fdset_commit(&s);
}

/* As an event loop sees it. */
static bool readable(void)
{
	struct pollfd pfd = { .fd = s.epfd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

TEST(what_is_wanted_is_watched)
{
	CHECK_EQ(fdset_init(&s), 0);
	CHECK(pipe(p) == 0);
	want(p[0], EPOLLIN);
	CHECK(!readable());
	CHECK_EQ(fdset_collect(&s), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK(readable());
	CHECK_EQ(fdset_collect(&s), 1);
	CHECK_EQ(fdset_ready(&s, p[0]), EPOLLIN);
	CHECK_EQ(fdset_ready(&s, p[1]), 0);
	fdset_clear_ready(&s);
	CHECK_EQ(fdset_ready(&s, p[0]), 0);
	want(p[0], 0);				/* errors only */
	CHECK(!readable());
	want(p[0], EPOLLIN);
	CHECK(readable());
	want(-1, 0);
	CHECK(!readable());
	CHECK_EQ(s.nr, 0);
	close(p[0]);
	want(p[1], 0);
	CHECK_EQ(fdset_collect(&s), 1);
	CHECK_EQ(fdset_ready(&s, p[1]), EPOLLERR);
	close(p[1]);
	fdset_free(&s);
	fdset_free(&s);
}

TEST(numbers_that_come_again_are_watched_again)
{
	unsigned int how;

	CHECK_EQ(fdset_init(&s), 0);
	for (how = 0; how < 3; how++) {
		CHECK(pipe(p) == 0);
		want(p[0], EPOLLIN);
		if (how == 0)
			fdset_forget(&s, p[0]);		/* told before it is closed */
		close(p[0]);
		close(p[1]);
		CHECK(pipe(p) == 0);
		if (how == 1)
			fdset_forget(&s, p[0]);		/* or when another has its number */
		want(p[0], how == 2 ? EPOLLIN | EPOLLPRI : EPOLLIN);	/* or wants something else */
		CHECK_EQ(write(p[1], "x", 1), 1);
		CHECK_EQ(fdset_collect(&s), 1);
		CHECK_EQ(fdset_ready(&s, p[0]), EPOLLIN);
		want(-1, 0);
		close(p[0]);
		close(p[1]);
	}
	fdset_free(&s);
}

TEST(many_are_found_in_turns)
{
	enum { MANY = 150 };
	static int fd[MANY];
	unsigned int i, n, seen = 0;
	static bool found[4096];

	CHECK_EQ(fdset_init(&s), 0);
	CHECK(pipe(p) == 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	fdset_begin(&s);
	for (i = 0; i < MANY; i++) {
		fd[i] = dup(p[0]);
		CHECK(fd[i] >= 0 && fd[i] < 4096);
		CHECK(fdset_want(&s, fd[i], EPOLLIN));
	}
	CHECK(!fdset_want(&s, -1, EPOLLIN));
	fdset_commit(&s);
	for (i = 0; i < 10 && seen < MANY; i++) {
		CHECK(fdset_collect(&s) <= FDSET_BATCH);
		for (n = 0; n < MANY; n++) {
			if (!fdset_ready(&s, fd[n]) || found[fd[n]])
				continue;
			found[fd[n]] = true;
			seen++;
		}
	}
	CHECK_EQ(seen, MANY);
	for (i = 0; i < MANY; i++)
		close(fd[i]);
	close(p[0]);
	close(p[1]);
	fdset_free(&s);
}

int main(void)
{
	RUN(what_is_wanted_is_watched);
	RUN(numbers_that_come_again_are_watched_again);
	RUN(many_are_found_in_turns);
	return tap_done();
}
