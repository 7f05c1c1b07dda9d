/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tap between its files: tap.c moves frames, tap-open.c makes or takes the interface and gives it back, script.c runs programs.
 */
#ifndef NET_TAP_H
#define NET_TAP_H

#include <net/if.h>
#include <sys/types.h>

#include "net/private.h"

struct tap;

struct tap_queue {
	struct event_source src;
	struct tap *tap;
	unsigned int index;
	int fd, vhost_fd;		/* owned; -1: none */
	bool enabled;			/* the kernel gives it frames: TUNSETQUEUE, of a tap with several */
	bool want_in, want_out;		/* loop's thread */
};

/* A program that waits to be run at the end, whatever that end is: see script.c. */
struct script_wait {
	pid_t pid;			/* 0: none */
	int fd;				/* owned; closing it starts the program */
};

struct tap {
	struct net_backend be;
	char ifname[IFNAMSIZ];
	bool created;			/* goes with its last descriptor; else it is left as it was found */
	bool multi;			/* opened with IFF_MULTI_QUEUE, so that TUNSETQUEUE works */
	bool macvtap;
	bool mac_changed;		/* old_mac is to be set again */
	u8 old_mac[NET_MAC_LEN];
	int old_sndbuf, old_header;
	_Atomic bool gone;		/* the interface vanished */
	struct event_work gone_work;	/* tells the client, once */
	struct script_wait down;
	unsigned int nr_queues;
	struct tap_queue queue[NET_MAX_PAIRS];
};

/* tap-open.c */
int tap_setup(struct tap *t, const struct net_config *cfg, struct error *err);
/* Runs the down script and lets go of everything; half-set-up is fine. */
void tap_teardown(struct tap *t);
/* 0 or -errno. */
int tap_queue_enable(struct tap *t, struct tap_queue *q, bool on);

/* script.c */
/* Runs "@path @arg" to its end; a status that is not 0 is refused by name. @key names the option. */
int script_run(const char *key, const char *path, const char *arg, struct error *err);
/* Has "@path @arg" run when @w->fd is closed, be it by script_finish() or because this process is no more. */
int script_prepare(const char *key, const char *path, const char *arg, struct script_wait *w, struct error *err);
/* Lets it run, and waits for its end. Not prepared is fine. */
void script_finish(const char *who, struct script_wait *w);

#endif
