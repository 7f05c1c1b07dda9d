/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front of the network back ends: dispatch, attaching, counters. Contract in include/vmm/net.h.
 *
 * Threads: as there.
 */
#include "vmm/net.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/private.h"
#include "util/iov.h"
#include "util/json.h"

enum { HEADER_LEGACY = 10, HEADER_LEN = 12 };	/* [virtio-1.2 5.1.6]: without and with num_buffers */

void *net_backend_alloc(size_t size, const struct net_backend_ops *ops, const struct net_config *cfg)
{
	struct net_backend *be = calloc(1, size);

	if (!be)
		return NULL;
	be->ops = ops;
	be->hdr_len = HEADER_LEN;
	be->pairs = be->max_pairs = 1;
	be->mtu = cfg->mtu;
	pthread_mutex_init(&be->lock, NULL);
	return be;
}

void net_backend_free(struct net_backend *be)
{
	if (!be)
		return;
	pthread_mutex_destroy(&be->lock);
	free(be);
}

int net_open(const struct net_config *cfg, struct error *err, struct net_backend **ret)
{
	switch (cfg->mode) {
	case NET_TAP:
		return net_tap_open(cfg, err, ret);
	case NET_USER:
		return net_user_open(cfg, err, ret);
	case NET_NONE:
		break;
	}
	return error_set(err, -EINVAL, "--network 'mode=none': there is nothing to open");
}

void net_close(struct net_backend *be)
{
	if (!be)
		return;
	assert(!be->loop);
	be->ops->close(be);
	net_backend_free(be);
}

const char *net_describe(const struct net_backend *be)
{
	return be->name;
}

u32 net_offloads(const struct net_backend *be)
{
	return be->offloads;
}

int net_set_offloads(struct net_backend *be, u32 offloads)
{
	if (offloads & ~be->offloads)
		return -EOPNOTSUPP;
	return be->ops->set_offloads ? be->ops->set_offloads(be, offloads) : 0;
}

int net_set_header(struct net_backend *be, unsigned int len)
{
	int r;

	if (len != HEADER_LEGACY && len != HEADER_LEN)
		return -EINVAL;
	r = be->ops->set_header ? be->ops->set_header(be, len) : 0;
	if (!r)
		be->hdr_len = len;
	return r;
}

unsigned int net_max_pairs(const struct net_backend *be)
{
	return be->max_pairs;
}

int net_set_pairs(struct net_backend *be, unsigned int pairs)
{
	if (!pairs || pairs > be->max_pairs)
		return -EINVAL;
	return be->ops->set_pairs ? be->ops->set_pairs(be, pairs) : 0;
}

enum thread_class net_thread_class(const struct net_backend *be)
{
	return be->ops->sockets ? THREAD_USERNET : THREAD_IO;
}

bool net_link_up(const struct net_backend *be)
{
	return !be->ops->link_up || be->ops->link_up(be);
}

unsigned int net_mtu(const struct net_backend *be)
{
	return be->mtu;
}

bool net_guest_mac(const struct net_backend *be, u8 mac[NET_MAC_LEN])
{
	if (be->has_guest_mac)
		memcpy(mac, be->guest_mac, NET_MAC_LEN);
	return be->has_guest_mac;
}

static void set_running(struct net_backend *be, bool on)
{
	pthread_mutex_lock(&be->lock);
	be->running = on;
	pthread_mutex_unlock(&be->lock);
}

int net_attach(struct net_backend *be, struct event_loop *loop, struct net_client *client)
{
	int r;

	assert(!be->loop);
	be->loop = loop;
	be->client = client;
	set_running(be, true);
	r = be->ops->attach(be);
	if (r < 0)
		net_detach(be);
	return r;
}

void net_detach(struct net_backend *be)
{
	if (!be->loop)
		return;
	set_running(be, false);
	be->ops->detach(be);
	be->loop = NULL;
	be->client = NULL;
}

void net_want_receive(struct net_backend *be, unsigned int pair, bool on)
{
	if (pair < be->max_pairs)
		be->ops->want_receive(be, pair, on);
}

ssize_t net_receive(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	ssize_t n;

	if (pair >= be->pairs)
		return -EAGAIN;
	n = be->ops->receive(be, pair, iov, cnt);
	if (n > 0) {
		net_backend_count(be, NET_RX_FRAMES, 1);
		net_backend_count(be, NET_RX_BYTES, (size_t)n > be->hdr_len ? (size_t)n - be->hdr_len : 0);
	}
	return n;
}

/* A back end's send() gives 1 for a frame that went, so that what was lost is counted here. */
int net_send(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	size_t len = iov_size(iov, cnt);
	int r = 0;

	if (pair < be->pairs && len > be->hdr_len && len - be->hdr_len <= NET_FRAME_MAX)
		r = be->ops->send(be, pair, iov, cnt, len);
	if (r == -EAGAIN)
		return r;
	if (r > 0) {
		net_backend_count(be, NET_TX_FRAMES, 1);
		net_backend_count(be, NET_TX_BYTES, len - be->hdr_len);
	} else {
		net_backend_count(be, NET_TX_LOST, 1);
	}
	return 0;
}

int net_tap_fd(const struct net_backend *be, unsigned int pair)
{
	return be->ops->tap_fd && pair < be->max_pairs ? be->ops->tap_fd(be, pair) : -1;
}

int net_vhost_fd(const struct net_backend *be, unsigned int pair)
{
	return be->ops->vhost_fd && pair < be->max_pairs ? be->ops->vhost_fd(be, pair) : -1;
}

void net_stats(const struct net_backend *be, struct strbuf *b)
{
	static const char *const names[NET_NR_COUNTERS] = {
		[NET_RX_FRAMES] = "rx_frames", [NET_RX_BYTES] = "rx_bytes", [NET_RX_LOST] = "rx_lost",
		[NET_TX_FRAMES] = "tx_frames", [NET_TX_BYTES] = "tx_bytes", [NET_TX_LOST] = "tx_lost",
	};
	unsigned int i;

	json_str(b, "backend", be->name);
	for (i = 0; i < NET_NR_COUNTERS; i++)
		json_u64(b, names[i], counter_get(&be->counter[i]));
}
