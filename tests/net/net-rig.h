/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A NIC's side of a back end, on a loop with a thread of its own: keeps every frame that comes until a test looks for it.
 */
#ifndef TESTS_NET_RIG_H
#define TESTS_NET_RIG_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/endian.h"
#include "util/log.h"
#include "vmm/event.h"
#include "vmm/net.h"

enum { RIG_FRAMES = 512, RIG_PATIENCE_S = 60 };

struct rig_frame {
	unsigned int pair;
	size_t len;		/* header included */
	u8 *data;
};

struct rig {
	struct net_client client;
	struct net_backend *be;
	struct event_loop *loop;
	unsigned int hdr;
	u8 buf[NET_FRAME_MAX + 12];	/* the loop's: what it receives into */
	pthread_mutex_t lock;	/* guards what follows */
	pthread_cond_t cond;
	struct rig_frame frame[RIG_FRAMES];
	unsigned int nr, sendable, link_changes;
	bool link;
	struct event_work work;
	void (*call)(struct rig *r, void *arg);
	void *arg;
	bool called;
};

static inline void rig_receivable(struct net_client *c, unsigned int pair)
{
	struct rig *r = container_of(c, struct rig, client);
	/* In two pieces, the first as short as a header may be cut. */
	struct iovec iov[2] = { { r->buf, 7 }, { r->buf + 7, sizeof(r->buf) - 7 } };
	ssize_t n;

	while ((n = net_receive(r->be, pair, iov, 2)) > 0) {
		pthread_mutex_lock(&r->lock);
		if (r->nr < RIG_FRAMES) {
			r->frame[r->nr] = (struct rig_frame){ pair, (size_t)n, malloc((size_t)n) };
			memcpy(r->frame[r->nr++].data, r->buf, (size_t)n);
		}
		pthread_cond_broadcast(&r->cond);
		pthread_mutex_unlock(&r->lock);
	}
}

static inline void rig_sendable(struct net_client *c, unsigned int pair)
{
	struct rig *r = container_of(c, struct rig, client);

	pthread_mutex_lock(&r->lock);
	r->sendable++;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

static inline void rig_link_changed(struct net_client *c, bool up)
{
	struct rig *r = container_of(c, struct rig, client);

	pthread_mutex_lock(&r->lock);
	r->link_changes++;
	r->link = up;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

static inline bool rig_wait_locked(struct rig *r, const struct timespec *until)
{
	return pthread_cond_timedwait(&r->cond, &r->lock, until) != ETIMEDOUT;
}

static inline struct timespec rig_deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += RIG_PATIENCE_S;
	return ts;
}

static inline unsigned int rig_get(struct rig *r, const unsigned int *counter)
{
	unsigned int n;

	pthread_mutex_lock(&r->lock);
	n = *counter;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* *counter >= @least. */
static inline bool rig_wait_count(struct rig *r, unsigned int *counter, unsigned int least)
{
	struct timespec until = rig_deadline();
	bool ok;

	pthread_mutex_lock(&r->lock);
	while (*counter < least && rig_wait_locked(r, &until))
		;
	ok = *counter >= least;
	pthread_mutex_unlock(&r->lock);
	return ok;
}

/* The first frame that @match likes (given without its header), taken out; .data is the caller's to free. NULL: it never came. */
static inline struct rig_frame rig_wait_frame(struct rig *r, bool (*match)(const u8 *p, size_t len, const void *arg), const void *arg)
{
	struct timespec until = rig_deadline();
	struct rig_frame f = { 0 };
	unsigned int i;

	pthread_mutex_lock(&r->lock);
	do {
		for (i = 0; i < r->nr && !f.data; i++) {
			if (r->frame[i].len < r->hdr || !match(r->frame[i].data + r->hdr, r->frame[i].len - r->hdr, arg))
				continue;
			f = r->frame[i];
			memmove(&r->frame[i], &r->frame[i + 1], (--r->nr - i) * sizeof(f));
		}
	} while (!f.data && rig_wait_locked(r, &until));
	pthread_mutex_unlock(&r->lock);
	return f;
}

static inline void rig_forget_frames(struct rig *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->nr)
		free(r->frame[--r->nr].data);
	pthread_mutex_unlock(&r->lock);
}

static inline void rig_work(struct event_work *w)
{
	struct rig *r = container_of(w, struct rig, work);

	r->call(r, r->arg);
	pthread_mutex_lock(&r->lock);
	r->called = true;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

/* fn on the loop's thread, and waits for it. */
static inline void rig_call(struct rig *r, void (*fn)(struct rig *r, void *arg), void *arg)
{
	r->call = fn;
	r->arg = arg;
	r->called = false;
	event_post(r->loop, &r->work, rig_work);
	pthread_mutex_lock(&r->lock);
	while (!r->called)
		pthread_cond_wait(&r->cond, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

struct rig_send {
	unsigned int pair;
	const u8 *hdr;		/* NULL: zeroes */
	const void *data;
	size_t len;
	int res;
};

static inline void rig_send_fn(struct rig *r, void *arg)
{
	static const u8 zeroes[12];
	struct rig_send *s = arg;
	struct iovec iov[3] = {
		{ (void *)(s->hdr ? s->hdr : zeroes), r->hdr }, { (void *)s->data, s->len / 2 },
		{ (u8 *)s->data + s->len / 2, s->len - s->len / 2 },
	};

	s->res = net_send(r->be, s->pair, iov, 3);
}

static inline int rig_send_hdr(struct rig *r, const u8 *hdr, const void *data, size_t len)
{
	struct rig_send s = { .hdr = hdr, .data = data, .len = len };

	rig_call(r, rig_send_fn, &s);
	return s.res;
}

static inline int rig_send(struct rig *r, const void *data, size_t len)
{
	return rig_send_hdr(r, NULL, data, len);
}

static inline void rig_want_fn(struct rig *r, void *arg)
{
	unsigned int i;

	for (i = 0; i < net_max_pairs(r->be); i++)
		net_want_receive(r->be, i, *(bool *)arg);
}

static inline void rig_want(struct rig *r, bool on)
{
	rig_call(r, rig_want_fn, &on);
}

/* Attached and receiving. */
static inline bool rig_start(struct rig *r, struct net_backend *be)
{
	*r = (struct rig){ .be = be, .hdr = 12, .link = true };
	r->client = (struct net_client){ rig_receivable, rig_sendable, rig_link_changed };
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->cond, NULL);
	if (event_loop_create("net", &r->loop) < 0 || event_loop_start_thread(r->loop) < 0 || net_attach(be, r->loop, &r->client) < 0)
		return false;
	rig_want(r, true);
	return true;
}

/* Closes the back end too. */
static inline void rig_stop(struct rig *r)
{
	net_detach(r->be);
	event_loop_free(r->loop);
	net_close(r->be);
	rig_forget_frames(r);
	pthread_cond_destroy(&r->cond);
	pthread_mutex_destroy(&r->lock);
}

static inline u64 rig_counter(struct rig *r, const char *name)
{
	struct strbuf b = { 0 };
	char *at;
	u64 n;

	net_stats(r->be, &b);
	at = strstr(b.s, name);
	n = at ? strtoull(strchr(at, ':') + 1, NULL, 10) : ~0ULL;
	strbuf_free(&b);
	return n;
}

/* --- frames --- */

static inline void put_be16(u8 *p, unsigned int v) { p[0] = (u8)(v >> 8); p[1] = (u8)v; }
static inline void put_be32(u8 *p, u32 v) { put_be16(p, v >> 16); put_be16(p + 2, v & 0xffff); }

static inline u32 frame_sum(u32 sum, const u8 *p, size_t len)
{
	for (; len > 1; p += 2, len -= 2)
		sum += get_be16(p);
	return len ? sum + (u32)(*p << 8) : sum;
}

static inline u16 frame_fold(u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

enum { ETH = 14, IP4 = 20, UDP = 8, TCP = 20 };

/* Ethernet and IPv4 headers in front of @len bytes; gives the frame's length. */
static inline size_t frame_ip4(u8 *f, const u8 *to_mac, const u8 *from_mac, u32 from, u32 to, u8 proto, size_t len)
{
	memcpy(f, to_mac, 6);
	memcpy(f + 6, from_mac, 6);
	put_be16(f + 12, 0x0800);
	memset(f + ETH, 0, IP4);
	f[ETH] = 0x45;
	put_be16(f + ETH + 2, (unsigned int)(IP4 + len));
	f[ETH + 8] = 64;
	f[ETH + 9] = proto;
	put_be32(f + ETH + 12, from);
	put_be32(f + ETH + 16, to);
	put_be16(f + ETH + 10, (u16)~frame_fold(frame_sum(0, f + ETH, IP4)));
	return ETH + IP4 + len;
}

/* Of the IPv4 pseudo header and what follows it. */
static inline u32 frame_pseudo(const u8 *f, size_t l4_len)
{
	return frame_sum(f[ETH + 9] + (u32)l4_len, f + ETH + 12, 8);
}

static inline size_t frame_udp(u8 *f, const u8 *to_mac, const u8 *from_mac, u32 from, u32 to, u16 sport, u16 dport,
			       const void *data, size_t len)
{
	u8 *u = f + ETH + IP4;

	put_be16(u, sport);
	put_be16(u + 2, dport);
	put_be16(u + 4, (unsigned int)(UDP + len));
	put_be16(u + 6, 0);
	memcpy(u + UDP, data, len);
	frame_ip4(f, to_mac, from_mac, from, to, 17, UDP + len);
	put_be16(u + 6, (u16)~frame_fold(frame_pseudo(f, UDP + len) + frame_sum(0, u, UDP + len)));
	return ETH + IP4 + UDP + len;
}

#endif
