/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A network back end that keeps what it is sent and gives what a test puts into it, in the order and with the failures that the test
 * wants. On the loop's thread alone.
 */
#ifndef TESTS_VIRTIO_NET_FAKE_H
#define TESTS_VIRTIO_NET_FAKE_H

#include <errno.h>
#include <stdlib.h>

#include "util/iov.h"
#include "virtio/net.h"
#include "vmm/virtio.h"

enum { FAKE_FRAMES = 256 };

struct fake_frame {
	u8 *data;		/* owned; with its header */
	size_t len;
};

struct fake_queue {
	struct fake_frame frame[FAKE_FRAMES];
	unsigned int first, cnt;
};

struct net_backend {
	struct event_loop *loop;
	struct net_client *client;
	struct event_work work;		/* frames wait, or room for frames came */
	u32 can, offloads;
	unsigned int header, max_pairs, pairs, mtu;
	const u8 *mac;			/* a macvtap's */
	bool link_down, wants[NET_MAX_PAIRS], full[NET_MAX_PAIRS], room_came[NET_MAX_PAIRS];
	unsigned int send_left;		/* frames till it is full; 0: never */
	struct fake_queue in[NET_MAX_PAIRS], out[NET_MAX_PAIRS];
	unsigned int attaches, detaches, closes, receives;
	int refuse;			/* what net_set_*() give */
	int attach_result;
	int tap[NET_MAX_PAIRS], vhost[NET_MAX_PAIRS];
	bool vhost_on;
};

static struct net_backend fake;

static inline struct fake_frame *fake_put(struct fake_queue *q, size_t len)
{
	struct fake_frame *f = &q->frame[(q->first + q->cnt++) % FAKE_FRAMES];

	if (q->cnt > FAKE_FRAMES)
		abort();
	f->data = malloc(len ? len : 1);
	f->len = len;
	if (!f->data)
		abort();
	return f;
}

static inline void fake_drop(struct fake_queue *q)
{
	free(q->frame[q->first].data);
	q->first = (q->first + 1) % FAKE_FRAMES;
	q->cnt--;
}

static inline void fake_turn(struct event_work *w);

static inline void fake_wake(void)
{
	if (fake.loop)
		event_post(fake.loop, &fake.work, fake_turn);
}

static inline bool fake_ready(unsigned int pair)
{
	return fake.wants[pair] && fake.in[pair].cnt;
}

static inline void fake_turn(struct event_work *w)
{
	unsigned int i;
	bool again = false;

	for (i = 0; i < NET_MAX_PAIRS; i++) {
		if (fake.room_came[i]) {
			fake.room_came[i] = false;
			fake.client->sendable(fake.client, i);
		}
		if (fake_ready(i))
			fake.client->receivable(fake.client, i);
		again |= fake_ready(i);
	}
	if (again)
		fake_wake();
}

static inline void fake_init(u32 can, unsigned int pairs)
{
	unsigned int i;

	memset(&fake, 0, sizeof(fake));
	fake.can = can;
	fake.header = HDR_LEN;
	fake.max_pairs = pairs;
	fake.pairs = 1;
	for (i = 0; i < NET_MAX_PAIRS; i++)
		fake.tap[i] = fake.vhost[i] = -1;
}

void net_close(struct net_backend *be)
{
	unsigned int i;

	be->closes++;
	for (i = 0; i < NET_MAX_PAIRS; i++) {
		while (be->in[i].cnt)
			fake_drop(&be->in[i]);
		while (be->out[i].cnt)
			fake_drop(&be->out[i]);
	}
}

const char *net_describe(const struct net_backend *be) { return "fake0"; }
u32 net_offloads(const struct net_backend *be) { return be->can; }
unsigned int net_max_pairs(const struct net_backend *be) { return be->max_pairs; }
unsigned int net_mtu(const struct net_backend *be) { return be->mtu; }
enum thread_class net_thread_class(const struct net_backend *be) { return THREAD_IO; }
bool net_link_up(const struct net_backend *be) { return !be->link_down; }
int net_tap_fd(const struct net_backend *be, unsigned int pair) { return be->tap[pair]; }
int net_vhost_fd(const struct net_backend *be, unsigned int pair) { return be->vhost[pair]; }
void net_stats(const struct net_backend *be, struct strbuf *b) { }

bool net_guest_mac(const struct net_backend *be, u8 mac[NET_MAC_LEN])
{
	if (be->mac)
		memcpy(mac, be->mac, NET_MAC_LEN);
	return be->mac;
}

int net_set_offloads(struct net_backend *be, u32 offloads)
{
	if (be->refuse)
		return be->refuse;
	be->offloads = offloads;
	return 0;
}

int net_set_header(struct net_backend *be, unsigned int len)
{
	if (be->refuse)
		return be->refuse;
	be->header = len;
	return 0;
}

int net_set_pairs(struct net_backend *be, unsigned int pairs)
{
	if (be->refuse)
		return be->refuse;
	be->pairs = pairs;
	return 0;
}

int net_attach(struct net_backend *be, struct event_loop *loop, struct net_client *client)
{
	be->attaches++;
	if (be->attach_result)
		return be->attach_result;
	memset(be->wants, 0, sizeof(be->wants));
	be->client = client;
	be->loop = loop;
	return 0;
}

void net_detach(struct net_backend *be)
{
	be->detaches++;
	if (be->loop)
		event_work_cancel(be->loop, &be->work);
	be->loop = NULL;
}

void net_want_receive(struct net_backend *be, unsigned int pair, bool on)
{
	be->wants[pair] = on;
	if (fake_ready(pair))
		fake_wake();
}

ssize_t net_receive(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	struct fake_frame *f = &be->in[pair].frame[be->in[pair].first];
	size_t n;

	be->receives++;
	if (cnt > 1024)
		abort();	/* as readv(2) would */
	if (be->link_down)
		return -EBADFD;
	if (!be->in[pair].cnt)
		return -EAGAIN;
	n = iov_from_buf(iov, cnt, 0, f->data, f->len);
	fake_drop(&be->in[pair]);
	return (ssize_t)n;
}

int net_send(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	struct fake_frame *f;

	if (be->full[pair])
		return -EAGAIN;
	f = fake_put(&be->out[pair], iov_size(iov, cnt));
	iov_to_buf(iov, cnt, 0, f->data, f->len);
	if (be->send_left && !--be->send_left)
		be->full[pair] = true;
	return 0;
}

/* --- for tests --- */

static const u8 own_mac[NET_MAC_LEN] = { 0x02, 0x15, 0x15, 0x15, 0x15, 0x15 };

/* A frame of @len bytes for the guest: to @mac, then bytes that tell their place. */
static inline u8 *fake_frame_to(unsigned int pair, const u8 mac[NET_MAC_LEN], size_t len)
{
	struct fake_frame *f = fake_put(&fake.in[pair], fake.header + len);
	u8 *eth = f->data + fake.header;
	size_t i;

	memset(f->data, 0, fake.header);
	for (i = 0; i < len; i++)
		eth[i] = (u8)(i * 7 + i / 251);
	memcpy(eth, mac, MIN(len, (size_t)NET_MAC_LEN));
	if (len >= ETH_LEN) {
		eth[12] = 8;	/* IPv4 */
		eth[13] = 0;
	}
	if (fake_ready(pair))
		fake_wake();
	return f->data;
}

static inline u8 *fake_frame(unsigned int pair, size_t len)
{
	return fake_frame_to(pair, own_mac, len);
}

static inline bool frame_is(const u8 *eth, size_t len)
{
	size_t i;

	if (memcmp(eth, own_mac, NET_MAC_LEN))
		return false;
	for (i = ETH_LEN; i < len; i++)
		if (eth[i] != (u8)(i * 7 + i / 251))
			return false;
	return true;
}

static inline struct net_config nic_config(void)
{
	struct net_config cfg = { .mode = NET_TAP };

	memcpy(cfg.guest_mac, own_mac, NET_MAC_LEN);
	return cfg;
}

#endif
