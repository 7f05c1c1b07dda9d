/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user-mode network: libslirp takes the guest's frames apart and speaks for it through ordinary sockets of this process. No right is
 * needed, no interface is made, nobody outside can reach the guest but through hostfwd=.
 *
 * The network is host_ip/24: the host, which also stands for this machine's loopback; names at .3, passed on to the servers of
 * /etc/resolv.conf; the guest, by DHCP. IPv6 is fd00:<the same 24 bits>::/64 by router advertisement. Left out: TFTP, SMB, and
 * what libslirp calls emulation.
 *
 * libslirp wants to be asked, before each poll(2), which descriptors it waits for, and to be told after it. Done so for each
 * frame that would cost more than the frame. So:
 * 1. Its descriptors are in an epoll instance of their own (fdset.h), one source of the loop. A turn asks what is ready, tells, asks
 *    what is wanted next, and passes only the differences on to the kernel.
 * 2. A turn is due when a descriptor is ready, when a time is over, or after frames were sent: once for all that were sent before
 *    the loop comes round.
 * 3. Nothing is called back, and no turn taken, from within the library.
 * 4. While the guest takes nothing, little is read for it: the queue of frames is bounded, and above a mark the descriptors are
 *    not looked at, so that TCP's own windows hold the senders back.
 * 5. A guest can have only so many descriptors; then what would open another is dropped, and who calls a forwarded port waits.
 *
 * Threads: those of include/vmm/net.h. The library is only touched by net_open, net_close, and the loop's thread while attached.
 */
#include <errno.h>

#include "net/private.h"

#ifdef HAVE_SLIRP

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "net/fdset.h"
#include "net/frames.h"
#include "util/dl.h"
#include "util/endian.h"
#include "util/io.h"
#include "util/iov.h"
#include "util/log.h"

#define SLIRP_CALLS(X) \
	X(slirp_new) X(slirp_cleanup) X(slirp_pollfds_fill) X(slirp_pollfds_poll) X(slirp_input) X(slirp_add_hostfwd)
DL_LIBRARY(lib, "libslirp.so.0", SLIRP_CALLS);

enum {
	QUEUE_SIZE = 1 << 20,
	QUEUE_HIGH = QUEUE_SIZE / 4 * 3, QUEUE_LOW = QUEUE_SIZE / 2,
	MAX_FDS = 4096,
	IDLE_MS = 1000,		/* what the library asks for when it waits for nothing */
	MTU_DEFAULT = 1500,
	NS_PER_MS = 1000000,
};

struct user_timer {
	struct user_timer *next;
	SlirpTimerCb fn;
	void *arg;
	u64 at;			/* ns; 0: not set */
};

struct user {
	struct net_backend be;
	Slirp *slirp;		/* owned */
	struct fdset fds;
	unsigned int max_fds;
	int listener[NET_MAX_FORWARDS];	/* borrowed: where a call makes a descriptor (5) */
	unsigned int nr_listeners, nr_hidden;
	bool full;		/* callers are not looked at */
	struct frames frames;	/* towards the guest */
	struct user_timer *timers;	/* owned; the library's */
	struct event_source src;	/* fds */
	struct event_timer timer;
	struct event_work work;
	struct log_rate rate;
	u64 armed;		/* when timer fires, in ns; 0: not armed */
	bool want_in;
	bool posted;		/* work is */
	bool want_turn;
	bool in_turn;
	bool active;		/* something happened since the last turn that the clock asked for */
	bool throttled;		/* (4) */
	u8 packet[NET_FRAME_MAX];
};

static struct user *to_user(const struct net_backend *be)
{
	return container_of(be, struct user, be);
}

/* --- work to be done on the loop --- */

static void user_work(struct event_work *w);
static void user_time(struct event_timer *t);

static void post(struct user *u)
{
	if (u->posted)
		return;
	pthread_mutex_lock(&u->be.lock);
	u->posted = u->be.running;
	if (u->be.running)
		event_post(u->be.loop, &u->work, user_work);
	pthread_mutex_unlock(&u->be.lock);
}

static void post_turn(struct user *u)
{
	u->want_turn = true;
	post(u);
}

static void arm(struct user *u, u64 at)
{
	u64 now = time_now_ns();

	if (u->armed && u->armed <= at)
		return;		/* that turn arms again */
	u->armed = at;
	pthread_mutex_lock(&u->be.lock);
	if (u->be.running)
		event_timer_set(u->be.loop, &u->timer, at > now ? at - now : 1, user_time);
	pthread_mutex_unlock(&u->be.lock);
}

static void throttle(struct user *u, bool on)
{
	if (u->throttled == on)
		return;
	u->throttled = on;
	pthread_mutex_lock(&u->be.lock);
	if (u->be.running)
		event_mod(&u->src, on ? 0 : EPOLLIN);
	pthread_mutex_unlock(&u->be.lock);
}

/* --- what the library calls --- */

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
	struct user *u = opaque;

	if (!frames_push(&u->frames, buf, len))
		net_backend_count(&u->be, NET_RX_LOST, 1);
	else if (u->want_in && !u->in_turn)
		post(u);
	return (ssize_t)len;
}

static void cb_guest_error(const char *msg, void *opaque)
{
	struct user *u = opaque;

	log_ratelimited(&u->rate, LOG_DEBUG, u->be.name, "guest: %s", msg);
}

static int64_t cb_clock(void *opaque)
{
	return (int64_t)time_now_ns();
}

static void *cb_timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
	struct user_timer *t = calloc(1, sizeof(*t));
	struct user *u = opaque;

	if (!t)
		abort();	/* as the library itself does when memory is out */
	t->fn = fn;
	t->arg = arg;
	t->next = u->timers;
	u->timers = t;
	return t;
}

static void cb_timer_free(void *timer, void *opaque)
{
	struct user_timer **p;
	struct user *u = opaque;

	for (p = &u->timers; *p; p = &(*p)->next) {
		if (*p != timer)
			continue;
		*p = (*p)->next;
		free(timer);
		return;
	}
}

/* @ms as time of cb_clock(). Armed by the turn that we are in, or that follows. */
static void cb_timer_mod(void *timer, int64_t ms, void *opaque)
{
	struct user_timer *t = timer;

	t->at = (u64)ms * NS_PER_MS;
}

static void cb_fd(int fd, void *opaque)
{
	struct user *u = opaque;

	fdset_forget(&u->fds, fd);
}

static void cb_notify(void *opaque)
{
	struct user *u = opaque;

	if (!u->in_turn)
		post_turn(u);
}

static const SlirpCb callbacks = {
	.send_packet = cb_send_packet, .guest_error = cb_guest_error, .clock_get_ns = cb_clock, .timer_new = cb_timer_new,
	.timer_free = cb_timer_free, .timer_mod = cb_timer_mod, .register_poll_fd = cb_fd, .unregister_poll_fd = cb_fd,
	.notify = cb_notify,
};

static const struct { int theirs; u32 ours; } poll_bits[] = {
	{ SLIRP_POLL_IN, EPOLLIN }, { SLIRP_POLL_OUT, EPOLLOUT }, { SLIRP_POLL_PRI, EPOLLPRI },
	{ SLIRP_POLL_ERR, EPOLLERR }, { SLIRP_POLL_HUP, EPOLLHUP },
};

static bool is_listener(const struct user *u, int fd)
{
	unsigned int i;

	for (i = 0; i < u->nr_listeners; i++)
		if (u->listener[i] == fd)
			return true;
	return false;
}

static int cb_add_poll(int fd, int events, void *opaque)
{
	struct user *u = opaque;
	unsigned int i;
	u32 want = 0;

	if (u->full && is_listener(u, fd)) {
		u->nr_hidden++;
		return -1;
	}
	for (i = 0; i < ARRAY_SIZE(poll_bits); i++)
		if (events & poll_bits[i].theirs)
			want |= poll_bits[i].ours;
	return fdset_want(&u->fds, fd, want) ? fd : -1;
}

static int cb_get_revents(int fd, void *opaque)
{
	struct user *u = opaque;
	u32 ready = fdset_ready(&u->fds, fd);
	unsigned int i;
	int events = 0;

	for (i = 0; i < ARRAY_SIZE(poll_bits); i++)
		if (ready & poll_bits[i].ours)
			events |= poll_bits[i].theirs;
	return events;
}

/* --- turns --- */

static void run_timers(struct user *u)
{
	u64 now = time_now_ns();
	struct user_timer *t;

	for (t = u->timers; t; t = t->next) {
		if (!t->at || t->at > now)
			continue;
		t->at = 0;
		t->fn(t->arg);
	}
}

/*
 * The library asks to be polled each second even when it waits for nothing. So it is, once after each activity, as frames that wait for
 * an ARP answer are dropped then; but an idle guest costs nothing.
 */
static void arm_next(struct user *u, u32 timeout_ms)
{
	struct user_timer *t;
	u64 at = UINT64_MAX;

	if (timeout_ms < IDLE_MS || (u->active && timeout_ms != UINT32_MAX))
		at = time_now_ns() + (u64)MAX(timeout_ms, 1u) * NS_PER_MS;
	for (t = u->timers; t; t = t->next)
		if (t->at && t->at < at)
			at = t->at;
	if (at != UINT64_MAX)
		arm(u, at);
}

static bool at_limit(const struct user *u)
{
	return u->fds.nr + u->nr_hidden >= u->max_fds;
}

/* (5) The next turn asks for the listeners, or no longer. */
static void mind_limit(struct user *u)
{
	bool full = at_limit(u);

	if (full == u->full)
		return;
	u->full = full;
	post_turn(u);
}

static void turn(struct user *u)
{
	u32 timeout = UINT32_MAX;

	u->in_turn = true;
	u->want_turn = false;
	if (!u->throttled && fdset_collect(&u->fds))
		u->active = true;
	run_timers(u);
	lib.slirp_pollfds_poll(u->slirp, 0, cb_get_revents, u);
	fdset_clear_ready(&u->fds);
	fdset_begin(&u->fds);
	u->nr_hidden = 0;
	lib.slirp_pollfds_fill(u->slirp, &timeout, cb_add_poll, u);
	fdset_commit(&u->fds);
	u->in_turn = false;
	mind_limit(u);
	if (u->frames.used > QUEUE_HIGH)
		throttle(u, true);
	arm_next(u, timeout);
}

static void deliver(struct user *u)
{
	if (u->want_in && u->frames.nr)
		u->be.client->receivable(u->be.client, 0);
	if (u->want_in && u->frames.nr)
		post(u);
}

static void user_work(struct event_work *w)
{
	struct user *u = container_of(w, struct user, work);

	u->posted = false;
	if (u->want_turn)
		turn(u);
	deliver(u);
}

static void user_time(struct event_timer *t)
{
	struct user *u = container_of(t, struct user, timer);

	u->armed = 0;
	u->active = false;
	turn(u);
	deliver(u);
}

static void user_ready(struct event_source *src, u32 events)
{
	struct user *u = container_of(src, struct user, src);

	turn(u);
	deliver(u);
}

/* --- the back end's side --- */

static int user_attach(struct net_backend *be)
{
	struct user *u = to_user(be);
	int r;

	u->want_in = u->posted = u->throttled = false;
	u->active = true;
	u->armed = 0;
	r = event_add(be->loop, &u->src, u->fds.epfd, EPOLLIN, user_ready);
	if (r < 0)
		return r;
	post_turn(u);
	return 0;
}

/* running is off: neither the callbacks that are waited for here nor anything they call puts something back. */
static void user_detach(struct net_backend *be)
{
	struct user *u = to_user(be);

	event_del(&u->src);
	event_timer_del(&u->timer);
	event_work_cancel(be->loop, &u->work);
}

static void user_want_receive(struct net_backend *be, unsigned int pair, bool on)
{
	struct user *u = to_user(be);

	u->want_in = on;
	if (on && u->frames.nr)
		post(u);
}

static ssize_t user_receive(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	struct user *u = to_user(be);
	size_t n;

	if (!u->frames.nr)
		return -EAGAIN;
	n = frames_pop(&u->frames, be->hdr_len, iov, cnt);
	if (u->frames.used < QUEUE_LOW)
		throttle(u, false);
	return (ssize_t)n;
}

/* May this frame make the library open a descriptor? Anything does but segments of TCP connections that are there. */
static bool opens(const u8 *p, size_t len)
{
	enum { SYN = 0x02, ACK = 0x10 };
	size_t tcp;

	if (len < ETH_HLEN + 40)
		return len >= ETH_HLEN && get_be16(p + 12) != ETHERTYPE_ARP;
	if (get_be16(p + 12) == ETHERTYPE_ARP)
		return false;
	tcp = ETH_HLEN + (get_be16(p + 12) == ETHERTYPE_IP ? (p[ETH_HLEN] & 15u) * 4 : 40);
	if (p[get_be16(p + 12) == ETHERTYPE_IP ? ETH_HLEN + 9 : ETH_HLEN + 6] != IPPROTO_TCP || tcp + 14 > len)
		return true;
	return (p[tcp + 13] & (SYN | ACK)) == SYN;
}

static int user_send(struct net_backend *be, unsigned int pair, const struct iovec *iov, unsigned int cnt, size_t len)
{
	struct user *u = to_user(be);
	size_t n = iov_to_buf(iov, cnt, be->hdr_len, u->packet, sizeof(u->packet));

	if (at_limit(u) && opens(u->packet, n))
		return 0;
	lib.slirp_input(u->slirp, u->packet, (int)n);
	u->active = true;
	post_turn(u);
	return 1;
}

static void user_close(struct net_backend *be)
{
	struct user *u = to_user(be);
	struct user_timer *t;

	if (u->slirp)
		lib.slirp_cleanup(u->slirp);
	while ((t = u->timers)) {
		u->timers = t->next;
		free(t);
	}
	frames_free(&u->frames);
	fdset_free(&u->fds);
}

static const struct net_backend_ops user_ops = {
	.sockets = true,
	.close = user_close, .attach = user_attach, .detach = user_detach, .want_receive = user_want_receive, .receive = user_receive,
	.send = user_send,
};

/* --- opening --- */

static struct in_addr addr4(u32 ip)
{
	return (struct in_addr){ .s_addr = htonl(ip) };
}

/* fd00:AABB:CC00::N for A.B.C.N [RFC 4193]. */
static struct in6_addr addr6(u32 ip)
{
	struct in6_addr a = { .s6_addr = { 0xfd, 0, (u8)(ip >> 24), (u8)(ip >> 16), (u8)(ip >> 8) } };

	a.s6_addr[15] = (u8)ip;
	return a;
}

static u32 name_server(const struct net_config *cfg)
{
	u32 ip;

	for (ip = (cfg->host_ip & ~255u) | 3; ip == cfg->host_ip || ip == cfg->guest_ip; ip++)
		;
	return ip;
}

static Slirp *start(struct user *u, const struct net_config *cfg)
{
	SlirpConfig sc = {
		.version = 1,	/* all that is used here */
		.in_enabled = true,
		.vnetwork = addr4(cfg->host_ip & ~255u), .vnetmask = addr4(~255u), .vhost = addr4(cfg->host_ip),
		.vdhcp_start = addr4(cfg->guest_ip), .vnameserver = addr4(name_server(cfg)),
		.in6_enabled = !cfg->no_ipv6,
		.vprefix_addr6 = addr6(cfg->host_ip & ~255u), .vprefix_len = 64, .vhost6 = addr6(cfg->host_ip),
		.vnameserver6 = addr6(name_server(cfg)),
		.if_mtu = cfg->mtu ? cfg->mtu : MTU_DEFAULT, .if_mru = cfg->mtu ? cfg->mtu : MTU_DEFAULT,
	};

	return lib.slirp_new(&sc, &callbacks, u);
}

static int forward(struct user *u, const struct net_config *cfg, const struct net_forward *f, struct error *err)
{
	char host[NET_IP_TEXT];
	int r;

	errno = 0;
	r = lib.slirp_add_hostfwd(u->slirp, f->udp, addr4(f->host_addr), f->host_port, addr4(f->guest_addr ? f->guest_addr : cfg->guest_ip),
				  f->guest_port);
	if (r >= 0)
		return 0;
	r = errno ? -errno : -EADDRINUSE;
	return error_set_errno(err, r, "--network 'hostfwd=%s:%s:%u-...'", f->udp ? "udp" : "tcp",
			       f->host_addr ? net_ip_text(f->host_addr, host) : "", f->host_port);
}

static int cb_note_listener(int fd, int events, void *opaque)
{
	struct user *u = opaque;
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (u->nr_listeners < NET_MAX_FORWARDS && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens)
		u->listener[u->nr_listeners++] = fd;
	return -1;
}

/* At this time what the library waits for is the forwarded ports, which stay to its end. They do not count against the guest. */
static void note_listeners(struct user *u)
{
	u32 timeout = UINT32_MAX;

	lib.slirp_pollfds_fill(u->slirp, &timeout, cb_note_listener, u);
	u->max_fds += u->nr_listeners;
}

int net_user_open(const struct net_config *cfg, struct error *err, struct net_backend **ret)
{
	struct error why = { .msg = "" };
	struct rlimit lim;
	struct user *u;
	unsigned int i;
	int r;

	r = DL_LOAD(lib, &why);
	if (r < 0)
		return error_set(err, r, "--network 'mode=user': %s", why.msg);
	u = net_backend_alloc(sizeof(*u), &user_ops, cfg);
	if (!u)
		return error_set_errno(err, -ENOMEM, "--network 'mode=user'");
	u->fds.epfd = -1;
	strcpy(u->be.name, "user");
	u->max_fds = getrlimit(RLIMIT_NOFILE, &lim) == 0 ? (unsigned int)MIN(lim.rlim_cur / 4, (rlim_t)MAX_FDS) : 256;
	r = frames_init(&u->frames, QUEUE_SIZE);
	if (!r)
		r = fdset_init(&u->fds);
	if (r < 0) {
		error_set_errno(err, r, "--network 'mode=user'");
		goto fail;
	}
	u->slirp = start(u, cfg);
	if (!u->slirp) {
		r = error_set(err, -EINVAL, "--network 'mode=user': libslirp does not start");
		goto fail;
	}
	for (i = 0; i < cfg->nr_forwards; i++) {
		r = forward(u, cfg, &cfg->forward[i], err);
		if (r < 0)
			goto fail;
	}
	note_listeners(u);
	*ret = &u->be;
	return 0;

fail:
	user_close(&u->be);
	net_backend_free(&u->be);
	return r;
}

#else

int net_user_open(const struct net_config *cfg, struct error *err, struct net_backend **ret)
{
	return error_set(err, -EOPNOTSUPP, "--network 'mode=user': this lkvm was built without libslirp (lkvm version)");
}

#endif
