/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of descriptors under epoll, changed by difference.
 *
 * Whoever forgets to say that a descriptor was closed does no harm but for one thing: one of the same number that wants the same is taken
 * for watched. So new ones are to be forgotten as well.
 */
#include "net/fdset.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct fdset_entry {
	u32 watched;		/* as epoll was told; 0: not at all */
	u32 wanted, ready;
	bool listed;
};

enum { ALWAYS = EPOLLERR };	/* reported whether asked to or not; makes what is watched for differ from 0 */

int fdset_init(struct fdset *s)
{
	*s = (struct fdset){ .epfd = epoll_create1(EPOLL_CLOEXEC) };
	return s->epfd < 0 ? -errno : 0;
}

void fdset_free(struct fdset *s)
{
	if (s->epfd >= 0)
		close(s->epfd);
	free(s->entry);
	free(s->list);
	*s = (struct fdset){ .epfd = -1 };
}

static bool grow(struct fdset *s, unsigned int fd)
{
	unsigned int room = s->room ? s->room : 64, i;
	struct fdset_entry *entry;
	int *list;

	while (room <= fd)
		room *= 2;
	if (room == s->room)
		return true;
	list = realloc(s->list, room * sizeof(*list));
	if (!list)
		return false;
	s->list = list;
	entry = realloc(s->entry, room * sizeof(*entry));
	if (!entry)
		return false;
	s->entry = entry;
	for (i = s->room; i < room; i++)
		entry[i] = (struct fdset_entry){ 0 };
	s->room = room;
	return true;
}

void fdset_begin(struct fdset *s)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		s->entry[s->list[i]].wanted = 0;
}

bool fdset_want(struct fdset *s, int fd, u32 events)
{
	struct fdset_entry *e;

	if (fd < 0 || !grow(s, (unsigned int)fd))
		return false;
	e = &s->entry[fd];
	e->wanted |= events | ALWAYS;
	if (!e->listed)
		s->list[s->nr++] = fd;
	e->listed = true;
	return true;
}

static void tell(struct fdset *s, int fd, struct fdset_entry *e)
{
	struct epoll_event ev = { .events = e->wanted, .data.fd = fd };
	int r;

	if (!e->wanted) {
		epoll_ctl(s->epfd, EPOLL_CTL_DEL, fd, NULL);	/* perhaps closed already */
		e->watched = 0;
		return;
	}
	r = epoll_ctl(s->epfd, e->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
	if (r < 0 && (errno == ENOENT || errno == EEXIST))
		r = epoll_ctl(s->epfd, errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev);
	e->watched = r < 0 ? 0 : e->wanted;	/* what failed is tried again at the next commit */
}

void fdset_commit(struct fdset *s)
{
	struct fdset_entry *e;
	unsigned int i = 0;

	while (i < s->nr) {
		e = &s->entry[s->list[i]];
		if (e->wanted != e->watched)
			tell(s, s->list[i], e);
		if (e->wanted) {
			i++;
			continue;
		}
		e->listed = false;
		s->list[i] = s->list[--s->nr];
	}
}

void fdset_forget(struct fdset *s, int fd)
{
	struct fdset_entry *e;

	if (fd < 0 || (unsigned int)fd >= s->room)
		return;
	e = &s->entry[fd];
	if (e->watched)
		epoll_ctl(s->epfd, EPOLL_CTL_DEL, fd, NULL);
	e->watched = e->ready = e->wanted = 0;	/* it leaves the list at the next commit */
}

unsigned int fdset_collect(struct fdset *s)
{
	struct epoll_event ev[FDSET_BATCH];
	int i, n;

	fdset_clear_ready(s);
	do
		n = epoll_wait(s->epfd, ev, FDSET_BATCH, 0);
	while (n < 0 && errno == EINTR);
	for (i = 0; i < n; i++) {
		s->ready[i] = ev[i].data.fd;
		s->entry[ev[i].data.fd].ready = ev[i].events;
	}
	s->nr_ready = n < 0 ? 0 : (unsigned int)n;
	return s->nr_ready;
}

u32 fdset_ready(const struct fdset *s, int fd)
{
	return fd >= 0 && (unsigned int)fd < s->room ? s->entry[fd].ready : 0;
}

void fdset_clear_ready(struct fdset *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_ready; i++)
		s->entry[s->ready[i]].ready = 0;
	s->nr_ready = 0;
}
