/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network back ends: where a NIC's frames go to and come from: a tap, or a user-mode network. They know Ethernet frames and
 * file descriptors, not guests.
 *
 * Every frame, either way, is preceded by a struct virtio_net_hdr of net_set_header() bytes [virtio-1.2 5.1.6]: a back end that
 * has no use for one (user mode) ignores it on the way out and gives zeroes on the way in. So a NIC treats all back ends alike.
 *
 * Threads: net_open, net_close: main thread. Everything else on the thread of the loop it is attached to, or while it is not attached.
 */
#ifndef VMM_NET_H
#define VMM_NET_H

#include <sys/uio.h>

#include "util/error.h"
#include "util/str.h"
#include "util/thread.h"
#include "util/types.h"

struct event_loop;
struct net_backend;

enum net_mode { NET_NONE, NET_USER, NET_TAP };

enum {
	NET_MAX_PAIRS = 8,	/* queue pairs of one NIC */
	NET_MAX_FORWARDS = 32,
	NET_MAC_LEN = 6,
	NET_MTU_MIN = 68, NET_MTU_MAX = 65535,
	NET_FRAME_MAX = 65550,	/* the longest frame with segmentation offload: 64 KiB of IP and an Ethernet header with VLAN tag */
};

struct net_forward {		/* hostfwd=tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT */
	bool udp;
	u32 host_addr, guest_addr;	/* IPv4, as a number in host order; 0: any; the guest's own */
	u16 host_port, guest_port;
};

struct net_config {
	enum net_mode mode;
	const char *ifname;		/* tapif=: an interface's name or /dev/tapN (macvtap); NULL: a new one */
	const char *script, *downscript;
	int fd[NET_MAX_PAIRS];		/* fd=N[:N...]: taps that are open already; net_open() takes them over, also when it fails */
	unsigned int nr_fds;
	u8 guest_mac[NET_MAC_LEN], host_mac[NET_MAC_LEN];
	bool guest_mac_given, host_mac_given;
	u32 guest_ip, host_ip;		/* IPv4, as a number in host order */
	bool vhost;
	unsigned int pairs;		/* mq= */
	unsigned int mtu;		/* 0: not told to the guest */
	bool no_ipv6;			/* user mode */
	struct net_forward forward[NET_MAX_FORWARDS];
	unsigned int nr_forwards;
};

/*
 * "key=value,...", where "user", "tap" or "none" may stand first for the mode; cuts @spec in place, and @ret points into it. @index: n-th
 * NIC, for the default MAC and network. All addresses of @ret are set, and what it says goes together.
 */
int net_parse(char *spec, unsigned int index, struct net_config *ret, struct error *err);

/* Makes or takes the interface, runs the up script, opens /dev/vhost-net once a pair if asked. Frames wait until net_attach(). */
int net_open(const struct net_config *cfg, struct error *err, struct net_backend **ret);
/* Runs the down script; an interface that was made here goes. NULL is fine. Detached. */
void net_close(struct net_backend *be);
const char *net_describe(const struct net_backend *be);	/* "tap0", "user", for messages */
/* What to tell the guest: mtu=, or that of an interface that was there if it is not the usual 1500. 0: nothing. Any thread. */
unsigned int net_mtu(const struct net_backend *be);
/* A macvtap is given the frames to its own MAC only: the guest has to have that one. False: it may have any. Any thread. */
bool net_guest_mac(const struct net_backend *be, u8 mac[NET_MAC_LEN]);

/* What the back end's side can do with frames whose checksum or segments are not made yet. */
enum {
	NET_OFFLOAD_CSUM = 1,	/* it takes and gives VIRTIO_NET_HDR_F_NEEDS_CSUM */
	NET_OFFLOAD_TSO4 = 2,
	NET_OFFLOAD_TSO6 = 4,
	NET_OFFLOAD_ECN = 8,	/* with TSO */
	NET_OFFLOAD_UFO = 16,
	NET_OFFLOAD_USO = 32,	/* UDP segmentation, both IP versions */
};
u32 net_offloads(const struct net_backend *be);
/* Which of them frames towards the guest may use; 0 at first. 0 or -errno. */
int net_set_offloads(struct net_backend *be, u32 offloads);
/* 10 or 12 bytes. 12 at first. */
int net_set_header(struct net_backend *be, unsigned int len);
unsigned int net_max_pairs(const struct net_backend *be);
/* Pairs 0..@pairs - 1 carry frames. 1 at first. 0 or -errno. */
int net_set_pairs(struct net_backend *be, unsigned int pairs);
/* What the thread of the loop it is attached to has to be: THREAD_IO, or THREAD_USERNET. */
enum thread_class net_thread_class(const struct net_backend *be);
/* False: nothing comes and what goes is lost (the interface vanished). */
bool net_link_up(const struct net_backend *be);

/* The NIC. Loop's thread. */
struct net_client {
	/* net_receive() of @pair may have a frame. Comes again while it has and net_want_receive() is on. */
	void (*receivable)(struct net_client *c, unsigned int pair);
	/* After net_send() gave -EAGAIN: try again. */
	void (*sendable)(struct net_client *c, unsigned int pair);
	void (*link_changed)(struct net_client *c, bool up);
};

/* Frames flow until net_detach(). Receiving is off for each pair until net_want_receive(). 0 or -errno. */
int net_attach(struct net_backend *be, struct event_loop *loop, struct net_client *client);
/* No callback runs once it returned. Any thread but a callback's own; the loop need not be current. */
void net_detach(struct net_backend *be);
void net_want_receive(struct net_backend *be, unsigned int pair, bool on);

/*
 * One frame into the pieces: bytes given, header included; what does not fit is cut off. -EAGAIN: none now.
 * Another -errno: the interface is gone; link_changed() tells, once.
 */
ssize_t net_receive(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt);
/*
 * One frame of header and data. 0: gone, or lost for good (counted); -EAGAIN: no room, nothing was taken, sendable() will come.
 * Never waits. Frames of any length may be tried.
 */
int net_send(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt);

/* For vhost, which takes the data path over while this back end is detached: the pair's tap and vhost descriptors, or -1. */
int net_tap_fd(const struct net_backend *be, unsigned int pair);
int net_vhost_fd(const struct net_backend *be, unsigned int pair);

/* Counters of the back end's own as members of the JSON object open in @b. Any thread. */
void net_stats(const struct net_backend *be, struct strbuf *b);

#endif
