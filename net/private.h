/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the back ends share. One is a struct with struct net_backend first, const ops, and an open function; net.c dispatches,
 * and keeps what is the same for all.
 */
#ifndef NET_PRIVATE_H
#define NET_PRIVATE_H

#include <pthread.h>

#include "util/counter.h"
#include "vmm/event.h"
#include "vmm/net.h"

/* Seen from the guest: RX comes to it. */
enum net_counter {
	NET_RX_FRAMES, NET_RX_BYTES, NET_RX_LOST,
	NET_TX_FRAMES, NET_TX_BYTES, NET_TX_LOST,
	NET_NR_COUNTERS,
};

struct net_backend;

struct net_backend_ops {
	bool sockets;			/* opens some of its own as it runs */
	void (*close)(struct net_backend *be);
	int (*attach)(struct net_backend *be);	/* loop, client and running are set */
	void (*detach)(struct net_backend *be);	/* running is false; leaves nothing on the loop */
	void (*want_receive)(struct net_backend *be, unsigned int pair, bool on);
	ssize_t (*receive)(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt);
	int (*send)(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt, size_t len);
	/* What follows may be NULL: one pair, no offloads, header only remembered, always up, no descriptors. */
	int (*set_offloads)(struct net_backend *be, u32 offloads);
	int (*set_header)(struct net_backend *be, unsigned int len);
	int (*set_pairs)(struct net_backend *be, unsigned int pairs);
	bool (*link_up)(const struct net_backend *be);
	int (*tap_fd)(const struct net_backend *be, unsigned int pair);
	int (*vhost_fd)(const struct net_backend *be, unsigned int pair);
};

struct net_backend {
	const struct net_backend_ops *ops;
	char name[32];
	u32 offloads;			/* what net_offloads() says */
	unsigned int hdr_len;
	unsigned int pairs, max_pairs;
	unsigned int mtu;		/* for the guest; 0: not told */
	u8 guest_mac[NET_MAC_LEN];
	bool has_guest_mac;
	struct event_loop *loop;	/* borrowed; NULL: detached */
	struct net_client *client;	/* borrowed; NULL: detached */
	/*
	 * Held around what adds to or changes what the loop watches, with a look at running first: once net_detach()
	 * cleared it nothing comes back on the loop, whatever callback still runs.
	 */
	pthread_mutex_t lock;
	bool running;
	_Atomic u64 counter[NET_NR_COUNTERS];	/* written by one thread at a time */
};

/* Zeroed memory, or NULL. net_close() frees it after ops->close(). */
void *net_backend_alloc(size_t size, const struct net_backend_ops *ops, const struct net_config *cfg);
void net_backend_free(struct net_backend *be);

static inline void net_backend_count(struct net_backend *be, enum net_counter what, u64 n)
{
	counter_add(&be->counter[what], n);
}

int net_tap_open(const struct net_config *cfg, struct error *err, struct net_backend **ret);
int net_user_open(const struct net_config *cfg, struct error *err, struct net_backend **ret);

/* 192.168.33.1 and friends, for messages. @buf of NET_IP_TEXT bytes. */
enum { NET_IP_TEXT = 16 };
const char *net_ip_text(u32 ip, char *buf);

#endif
