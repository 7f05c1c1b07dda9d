/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames through a tap or macvtap, one descriptor a queue pair [Documentation/networking/tuntap.rst of Linux]. The kernel gives and
 * takes struct virtio_net_hdr in front of each frame as the guest's driver does, so nothing is changed on the way.
 *
 * Invariants:
 * 1. Each queue's source stays on the loop from attach to detach. What is of no interest is watched for with EPOLLET and
 *    no other bit: epoll reports errors whether asked to or not, and a disabled queue or one whose interface vanished has one all the time.
 * 2. A tap that is deleted shows as EPOLLERR, or as -EBADFD; what a tap that is down refuses (-EIO) is a lost frame, like
 *    anything sent into an unplugged cable. A macvtap that is deleted shows nothing: it swallows what is sent.
 *
 * Threads: those of include/vmm/net.h.
 */
#include "net/tap.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/log.h"

#ifndef TUN_F_USO4	/* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static struct tap *to_tap(const struct net_backend *be)
{
	return container_of(be, struct tap, be);
}

static void tell_gone(struct event_work *w)
{
	struct tap *t = container_of(w, struct tap, gone_work);

	t->be.client->link_changed(t->be.client, false);
}

/* Not told from here: whoever sends or receives may hold locks. */
static void tap_gone(struct tap *t)
{
	if (atomic_exchange(&t->gone, true))
		return;
	log_warn(t->ifname, "the interface vanished");
	pthread_mutex_lock(&t->be.lock);
	if (t->be.running)
		event_post(t->be.loop, &t->gone_work, tell_gone);
	pthread_mutex_unlock(&t->be.lock);
}

/* After an error that may mean it. */
static bool tap_is_gone(struct tap_queue *q)
{
	struct ifreq ifr;

	if (ioctl(q->fd, TUNGETIFF, &ifr) == 0)
		return false;
	tap_gone(q->tap);
	return true;
}

static u32 watched(const struct tap_queue *q)
{
	u32 events = (q->want_in ? EPOLLIN : 0) | (q->want_out ? EPOLLOUT : 0);

	return events && q->enabled && !q->tap->gone ? events : EPOLLET;
}

static void tap_watch(struct tap_queue *q)
{
	struct net_backend *be = &q->tap->be;

	pthread_mutex_lock(&be->lock);
	if (be->running)
		event_mod(&q->src, watched(q));
	pthread_mutex_unlock(&be->lock);
}

static void tap_ready(struct event_source *src, u32 events)
{
	struct tap_queue *q = container_of(src, struct tap_queue, src);
	struct net_client *client = q->tap->be.client;

	if (!q->enabled || q->tap->gone)
		return;
	if (events & (EPOLLERR | EPOLLHUP)) {
		tap_gone(q->tap);
		tap_watch(q);
		return;
	}
	if ((events & EPOLLOUT) && q->want_out) {
		q->want_out = false;
		tap_watch(q);
		client->sendable(client, q->index);
	}
	if ((events & EPOLLIN) && q->want_in)
		client->receivable(client, q->index);
}

static int tap_attach(struct net_backend *be)
{
	struct tap *t = to_tap(be);
	unsigned int i;
	int r;

	for (i = 0; i < t->nr_queues; i++) {
		t->queue[i].want_in = t->queue[i].want_out = false;
		r = event_add(be->loop, &t->queue[i].src, t->queue[i].fd, EPOLLET, tap_ready);
		if (r < 0)
			return r;
	}
	return 0;
}

static void tap_detach(struct net_backend *be)
{
	struct tap *t = to_tap(be);
	unsigned int i;

	for (i = 0; i < t->nr_queues; i++)
		event_del(&t->queue[i].src);
	event_work_cancel(be->loop, &t->gone_work);
}

static void tap_want_receive(struct net_backend *be, unsigned int pair, bool on)
{
	struct tap_queue *q = &to_tap(be)->queue[pair];

	if (q->want_in == on)
		return;
	q->want_in = on;
	tap_watch(q);
}

static ssize_t tap_receive(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	struct tap_queue *q = &to_tap(be)->queue[pair];
	ssize_t n;

	if (q->tap->gone)
		return -ENODEV;
	do
		n = readv(q->fd, iov, (int)cnt);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN)
		return -EAGAIN;
	if (tap_is_gone(q))
		return -ENODEV;
	net_backend_count(be, NET_RX_LOST, 1);	/* the kernel has dropped it: no loop can come of this */
	return -EAGAIN;
}

static int tap_send(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt, size_t len)
{
	struct tap_queue *q = &to_tap(be)->queue[pair];
	ssize_t n;

	if (q->tap->gone)
		return 0;
	do
		n = writev(q->fd, iov, (int)cnt);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 1;
	if (errno == EAGAIN) {
		if (!q->want_out) {
			q->want_out = true;
			tap_watch(q);
		}
		return -EAGAIN;
	}
	if (errno != EIO && errno != EINVAL)
		tap_is_gone(q);
	return 0;
}

static int tap_set_offloads(struct net_backend *be, u32 offloads)
{
	static const struct { u32 ours; unsigned int theirs; } map[] = {
		{ NET_OFFLOAD_CSUM, TUN_F_CSUM }, { NET_OFFLOAD_TSO4, TUN_F_TSO4 }, { NET_OFFLOAD_TSO6, TUN_F_TSO6 },
		{ NET_OFFLOAD_ECN, TUN_F_TSO_ECN }, { NET_OFFLOAD_UFO, TUN_F_UFO }, { NET_OFFLOAD_USO, TUN_F_USO4 | TUN_F_USO6 },
	};
	struct tap *t = to_tap(be);
	unsigned int i, flags = 0;

	for (i = 0; i < ARRAY_SIZE(map); i++)
		if (offloads & map[i].ours)
			flags |= map[i].theirs;
	/* A tap has one setting, a macvtap one for all its queues too: the first queue is never disabled. */
	return ioctl(t->queue[0].fd, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

static int tap_set_header(struct net_backend *be, unsigned int len)
{
	struct tap *t = to_tap(be);
	unsigned int i;
	int size = (int)len;

	/* A tap's is its own, a macvtap's each queue's. That of a tap's disabled queue is out of reach. */
	for (i = 0; i < t->nr_queues; i++)
		if ((!i || t->macvtap) && ioctl(t->queue[i].fd, TUNSETVNETHDRSZ, &size) < 0)
			return -errno;
	return 0;
}

static int tap_set_pairs(struct net_backend *be, unsigned int pairs)
{
	struct tap *t = to_tap(be);
	unsigned int i;
	int r = 0;

	if (t->gone)
		return -ENODEV;
	for (i = 0; i < t->nr_queues && !r; i++) {
		r = tap_queue_enable(t, &t->queue[i], i < pairs);
		tap_watch(&t->queue[i]);
	}
	if (!r) {
		be->pairs = pairs;
		return 0;
	}
	for (i = 0; i < t->nr_queues; i++) {
		tap_queue_enable(t, &t->queue[i], i < be->pairs);
		tap_watch(&t->queue[i]);
	}
	return r;
}

static bool tap_link_up(const struct net_backend *be)
{
	return !to_tap(be)->gone;
}

static int tap_fd(const struct net_backend *be, unsigned int pair)
{
	return to_tap(be)->queue[pair].fd;
}

static int tap_vhost_fd(const struct net_backend *be, unsigned int pair)
{
	return to_tap(be)->queue[pair].vhost_fd;
}

static void tap_close(struct net_backend *be)
{
	tap_teardown(to_tap(be));
}

static const struct net_backend_ops tap_ops = {
	.close = tap_close, .attach = tap_attach, .detach = tap_detach, .want_receive = tap_want_receive, .receive = tap_receive,
	.send = tap_send, .set_offloads = tap_set_offloads, .set_header = tap_set_header, .set_pairs = tap_set_pairs,
	.link_up = tap_link_up, .tap_fd = tap_fd, .vhost_fd = tap_vhost_fd,
};

int net_tap_open(const struct net_config *cfg, struct error *err, struct net_backend **ret)
{
	static const u32 wanted[] = { NET_OFFLOAD_TSO4, NET_OFFLOAD_TSO6, NET_OFFLOAD_ECN, NET_OFFLOAD_UFO, NET_OFFLOAD_USO };
	struct tap *t = net_backend_alloc(sizeof(*t), &tap_ops, cfg);
	unsigned int i;
	u32 more;
	int r;

	if (!t)
		return error_set_errno(err, -ENOMEM, "--network");
	for (i = 0; i < NET_MAX_PAIRS; i++)
		t->queue[i] = (struct tap_queue){ .tap = t, .index = i, .fd = -1, .vhost_fd = -1 };
	t->down.fd = -1;
	r = tap_setup(t, cfg, err);
	if (r < 0)
		goto fail;
	t->be.max_pairs = t->nr_queues;
	r = tap_set_pairs(&t->be, 1);
	if (r < 0) {
		r = error_set_errno(err, r, "--network: '%s': queues", t->ifname);
		goto fail;
	}
	/* What this kernel knows is found by asking for it; ECN only goes with TSO. */
	if (tap_set_offloads(&t->be, NET_OFFLOAD_CSUM) == 0)
		t->be.offloads = NET_OFFLOAD_CSUM;
	for (i = 0; t->be.offloads && i < ARRAY_SIZE(wanted); i++) {
		more = t->be.offloads | wanted[i];
		if (tap_set_offloads(&t->be, more) == 0)
			t->be.offloads = more;
	}
	tap_set_offloads(&t->be, 0);
	*ret = &t->be;
	return 0;

fail:
	tap_teardown(t);
	net_backend_free(&t->be);
	return r;
}
