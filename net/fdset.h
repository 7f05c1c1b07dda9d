/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Descriptors of a library that says anew each time what it waits for, on an epoll instance that is told of the differences only. The
 * instance is itself a descriptor that is readable when one of them is ready, so an event loop has one source for all.
 *
 * Threads: one at a time.
 */
#ifndef NET_FDSET_H
#define NET_FDSET_H

#include "util/types.h"

struct fdset_entry;

enum { FDSET_BATCH = 64 };	/* found ready at a time; epoll goes round the others */

struct fdset {
	int epfd;			/* owned */
	struct fdset_entry *entry;	/* owned; by descriptor */
	int *list;			/* owned; those watched or wanted */
	unsigned int room, nr;
	int ready[FDSET_BATCH];
	unsigned int nr_ready;
};

/* 0 or -errno. */
int fdset_init(struct fdset *s);
void fdset_free(struct fdset *s);	/* all zero but epfd -1 is fine */

/* What is wanted from now on: begin, want() for each with EPOLL* bits, then commit. False: no memory, it is not watched. */
void fdset_begin(struct fdset *s);
bool fdset_want(struct fdset *s, int fd, u32 events);
void fdset_commit(struct fdset *s);
/* @fd is about to be closed, or is new. */
void fdset_forget(struct fdset *s, int fd);

/* Those that are ready now, for fdset_ready() until the next collect or clear. Their number. */
unsigned int fdset_collect(struct fdset *s);
u32 fdset_ready(const struct fdset *s, int fd);
void fdset_clear_ready(struct fdset *s);

#endif
