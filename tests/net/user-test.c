/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user-mode network with a guest made by hand, and with this machine's loopback, in a network namespace of our own, at the other
 * end.
 * links: util/iov.c net/net.c net/parse.c net/tap.c net/tap-open.c net/script.c net/user.c net/fdset.c net/frames.c event.c
 * links: util/str.c util/json.c util/error.c util/log.c util/io.c util/thread.c
 */
#include "tests/tap.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/net/net-rig.h"

enum { HOST = 0xc0a82101, NAMES = 0xc0a82103, GUEST = 0xc0a8210f, LOOPBACK = 0x7f000001 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static const u8 guest_mac[6] = { 2, 0x15, 0x15, 0x15, 0x15, 0x15 };
static const u8 everyone[6] = { 255, 255, 255, 255, 255, 255 };
static const char *no_names;	/* why no name server of our own */
static struct rig rig;
static struct error err;

#ifdef HAVE_SLIRP
#define NEED_SLIRP()
#else
#define NEED_SLIRP() SKIP("built without libslirp")
#endif

static struct net_config config(void)
{
	struct net_config cfg = { .mode = NET_USER, .pairs = 1, .host_ip = HOST, .guest_ip = GUEST };

	memcpy(cfg.guest_mac, guest_mac, 6);
	err.msg[0] = '\0';
	return cfg;
}

static bool start_rig(struct rig *r, const struct net_config *cfg)
{
	struct net_backend *be;

	if (net_open(cfg, &err, &be) < 0) {
		printf("# %s\n", err.msg);
		return false;
	}
	return rig_start(r, be);
}

static bool start(const struct net_config *cfg)
{
	return start_rig(&rig, cfg);
}

/* --- ARP: what the guest asks, and answers --- */

static size_t frame_arp(u8 *f, const u8 *to, unsigned int op, u32 from_ip, u32 to_ip)
{
	memset(f, 0, 42);
	memcpy(f, to, 6);
	memcpy(f + 6, guest_mac, 6);
	put_be16(f + 12, 0x0806);
	memcpy(f + 14, "\0\1\10\0\6\4", 6);
	put_be16(f + 20, op);
	memcpy(f + 22, guest_mac, 6);
	put_be32(f + 28, from_ip);
	if (op == 2)
		memcpy(f + 32, to, 6);
	put_be32(f + 38, to_ip);
	return 42;
}

struct arp_want {
	unsigned int op;
	u32 from, to;
};

static bool is_arp(const u8 *p, size_t len, const void *arg)
{
	const struct arp_want *w = arg;

	return len >= 42 && get_be16(p + 12) == 0x0806 && get_be16(p + 20) == w->op && (!w->from || get_be32(p + 28) == w->from) &&
	       (!w->to || get_be32(p + 38) == w->to);
}

/* The MAC of @ip, as the network answers. */
static bool ask_mac(struct rig *r, u32 guest, u32 ip, u8 *mac)
{
	struct arp_want w = { 2, ip, guest };
	struct rig_frame in;
	u8 f[64];

	if (rig_send(r, f, frame_arp(f, everyone, 1, guest, ip)) < 0)
		return false;
	in = rig_wait_frame(r, is_arp, &w);
	if (!in.data)
		return false;
	memcpy(mac, in.data + r->hdr + 22, 6);
	free(in.data);
	return true;
}

/* Tells the network who has @ip, before it asks. */
static void announce(u32 ip)
{
	u8 f[64];

	rig_send(&rig, f, frame_arp(f, everyone, 1, ip, ip));
}

/* --- sockets of the host's --- */

static int listen_on(int type, u16 *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK), .sin_port = htons(*port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	struct timeval tv = { .tv_sec = RIG_PATIENCE_S };
	socklen_t len = sizeof(sin);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (bind(fd, (struct sockaddr *)&sin, len) < 0 || (type == SOCK_STREAM && listen(fd, 200) < 0) ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return -1;
	*port = ntohs(sin.sin_port);
	return fd;
}

static int connect_to(int type, u16 port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(LOOPBACK), .sin_port = htons(port) };
	struct timeval tv = { .tv_sec = RIG_PATIENCE_S };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ? -1 : fd;
}

/* A port that was free a moment ago. */
static u16 free_port(int type)
{
	u16 port = 0;

	close(listen_on(type, &port));
	return port;
}

/* --- UDP and TCP of the guest's --- */

struct ports {
	u8 proto;
	u16 from, to;		/* of the frame; from 0: any */
};

static bool is_l4(const u8 *p, size_t len, const void *arg)
{
	const struct ports *w = arg;
	const u8 *u = p + ETH + IP4;

	return len >= ETH + IP4 + UDP && get_be16(p + 12) == 0x0800 && p[ETH + 9] == w->proto && (!w->from || get_be16(u) == w->from) &&
	       get_be16(u + 2) == w->to;
}

static struct rig_frame wait_l4(struct rig *r, u8 proto, u16 from, u16 to)
{
	struct ports w = { proto, from, to };

	return rig_wait_frame(r, is_l4, &w);
}

struct tcp {
	struct rig *rig;
	u8 peer_mac[6];
	u32 me, peer, snd, rcv;
	u16 sport, dport;
};

static int tcp_send(struct tcp *t, u8 flags, const void *data, size_t len)
{
	u8 f[2048] = { 0 }, *h = f + ETH + IP4;
	size_t n;

	put_be16(h, t->sport);
	put_be16(h + 2, t->dport);
	put_be32(h + 4, t->snd);
	put_be32(h + 8, flags & ACK ? t->rcv : 0);
	h[12] = 5 << 4;
	h[13] = flags;
	put_be16(h + 14, 32768);
	if (len)
		memcpy(h + TCP, data, len);
	n = frame_ip4(f, t->peer_mac, guest_mac, t->me, t->peer, 6, TCP + len);
	put_be16(h + 16, (u16)~frame_fold(frame_pseudo(f, TCP + len) + frame_sum(0, h, TCP + len)));
	t->snd += (u32)len + !!(flags & (SYN | FIN));
	return rig_send(t->rig, f, n);
}

/* The next segment of ours: its flags; data to @buf. -1: none came. What we have had already is passed over. */
static int tcp_next(struct tcp *t, u8 *buf, size_t room, size_t *ret_len)
{
	struct rig_frame in;
	size_t len, off;
	u8 *h, flags;

	for (;; free(in.data)) {
		in = wait_l4(t->rig, 6, t->dport, t->sport);
		if (!in.data)
			return -1;
		h = in.data + t->rig->hdr + ETH + IP4;
		flags = h[13];
		off = (size_t)(h[12] >> 4) * 4;
		len = get_be16(in.data + t->rig->hdr + ETH + 2) - IP4 - off;
		if (!(flags & (SYN | RST)) && get_be32(h + 4) != t->rcv)
			continue;
		break;
	}
	if (flags & SYN)
		t->rcv = get_be32(h + 4);
	memcpy(buf, h + off, len < room ? len : room);
	t->rcv += (u32)len + !!(flags & (SYN | FIN));
	*ret_len = len;
	free(in.data);
	return flags;
}

/* The guest calls. */
static bool tcp_open(struct tcp *t)
{
	u8 buf[16];
	size_t len;

	return tcp_send(t, SYN, NULL, 0) == 0 && tcp_next(t, buf, sizeof(buf), &len) == (SYN | ACK) && tcp_send(t, ACK, NULL, 0) == 0;
}

/* Reads @len bytes that are @want, and says so. */
static bool tcp_expect(struct tcp *t, const char *want, size_t len)
{
	u8 buf[2048];
	size_t got = 0, n;
	int flags;

	while (got < len) {
		flags = tcp_next(t, buf, sizeof(buf), &n);
		if (flags < 0 || (flags & RST) || n > len - got || memcmp(buf, want + got, n))
			return false;
		got += n;
	}
	return tcp_send(t, ACK, NULL, 0) == 0;
}

static struct tcp tcp_to(struct rig *r, u32 guest, u32 host, u16 port)
{
	struct tcp t = { .rig = r, .me = guest, .peer = host, .snd = 1000, .sport = 40000, .dport = port };

	ask_mac(r, guest, host, t.peer_mac);
	return t;
}

/* --- tests --- */

TEST(arp_answers_for_host_and_names_only)
{
	struct net_config cfg = config();
	struct arp_want other = { 2, 0xc0a82163, 0 };
	u8 mac[6], f[64];
	unsigned int i;

	NEED_SLIRP();
	CHECK(start(&cfg));
	CHECK_STR(net_describe(rig.be), "user");
	CHECK_EQ(net_offloads(rig.be), 0);
	CHECK_EQ(net_set_offloads(rig.be, 0), 0);
	CHECK_EQ(net_set_offloads(rig.be, NET_OFFLOAD_CSUM), -EOPNOTSUPP);
	CHECK_EQ(net_max_pairs(rig.be), 1);
	CHECK_EQ(net_set_pairs(rig.be, 2), -EINVAL);
	CHECK_EQ(net_set_pairs(rig.be, 1), 0);
	CHECK_EQ(net_tap_fd(rig.be, 0), -1);
	CHECK_EQ(net_vhost_fd(rig.be, 0), -1);
	CHECK(net_link_up(rig.be));
	CHECK_EQ(rig_send(&rig, f, frame_arp(f, everyone, 1, GUEST, 0xc0a82163)), 0);
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	CHECK(ask_mac(&rig, GUEST, NAMES, mac));
	for (i = 0; i < rig_get(&rig, &rig.nr); i++)
		CHECK(!is_arp(rig.frame[i].data + rig.hdr, rig.frame[i].len - rig.hdr, &other));
	CHECK_EQ(rig_counter(&rig, "tx_frames"), 3);
	CHECK(rig_counter(&rig, "rx_frames") >= 2);
	rig_stop(&rig);
}

static size_t frame_dhcp(u8 *f, u8 type, u32 ask)
{
	u8 b[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 }, *o = b + 236;

	put_be16(b + 10, 0x8000);	/* answer to all: we have no address yet */
	memcpy(b + 28, guest_mac, 6);
	memcpy(o, "\x63\x82\x53\x63\x35\x01", 6);
	o[6] = type;
	o += 7;
	if (ask) {
		memcpy(o, "\x32\x04", 2);
		put_be32(o + 2, ask);
		o += 6;
	}
	*o = 255;
	return frame_udp(f, everyone, guest_mac, 0, 0xffffffff, 68, 67, b, sizeof(b));
}

/* Option @code of a DHCP answer, as a number; 0: not there. */
static u32 dhcp_option(const u8 *b, size_t len, u8 code)
{
	size_t at;

	for (at = 240; at + 2 < len && b[at] != 255; at += b[at] ? 2u + b[at + 1] : 1u)
		if (b[at] == code)
			return b[at + 1] == 1 ? b[at + 2] : get_be32(b + at + 2);
	return 0;
}

static bool dhcp(u32 guest, u32 host, u32 names)
{
	static const u8 ask[] = { 1, 3 }, answer[] = { 2, 5 };
	struct rig_frame in;
	unsigned int i;
	bool ok = true;
	size_t len;
	u8 f[512], *b;

	for (i = 0; i < 2 && ok; i++) {
		rig_send(&rig, f, frame_dhcp(f, ask[i], i ? guest : 0));
		in = wait_l4(&rig, 17, 67, 68);
		if (!in.data)
			return false;
		b = in.data + rig.hdr + ETH + IP4 + UDP;
		len = in.len - rig.hdr - ETH - IP4 - UDP;
		ok = dhcp_option(b, len, 53) == answer[i] && get_be32(b + 16) == guest && dhcp_option(b, len, 3) == host &&
		     dhcp_option(b, len, 6) == names && dhcp_option(b, len, 1) == ~255u && !memcmp(in.data, (u8[12]){ 0 }, rig.hdr);
		free(in.data);
	}
	return ok;
}

TEST(dhcp_gives_the_default_addresses)
{
	struct net_config cfg = config();

	NEED_SLIRP();
	CHECK(start(&cfg));
	CHECK(dhcp(GUEST, HOST, NAMES));
	rig_stop(&rig);
}

TEST(dhcp_gives_the_addresses_that_were_asked_for)
{
	struct net_config cfg = config();

	NEED_SLIRP();
	cfg.host_ip = 0x0a010203;	/* 10.1.2.3 is where the names would be */
	cfg.guest_ip = 0x0a010280;
	CHECK(start(&cfg));
	CHECK(dhcp(0x0a010280, 0x0a010203, 0x0a010204));
	rig_stop(&rig);
}

TEST(legacy_header_is_shorter)
{
	struct net_config cfg = config();

	NEED_SLIRP();
	CHECK(start(&cfg));
	net_detach(rig.be);
	CHECK_EQ(net_set_header(rig.be, 10), 0);
	rig.hdr = 10;
	CHECK_EQ(net_attach(rig.be, rig.loop, &rig.client), 0);
	rig_want(&rig, true);
	CHECK(dhcp(GUEST, HOST, NAMES));
	rig_stop(&rig);
}

TEST(tcp_reaches_the_loopback_of_this_machine)
{
	struct net_config cfg = config();
	u16 port = 0;
	char buf[64];
	struct tcp t;
	size_t len;
	int l, s;

	NEED_SLIRP();
	CHECK(start(&cfg));
	l = listen_on(SOCK_STREAM, &port);
	t = tcp_to(&rig, GUEST, HOST, port);
	CHECK(tcp_open(&t));
	s = accept(l, NULL, NULL);
	CHECK(s >= 0);
	CHECK_EQ(tcp_send(&t, ACK | PSH, "ping from the guest", 19), 0);
	CHECK_EQ(recv(s, buf, 19, MSG_WAITALL), 19);
	CHECK(!memcmp(buf, "ping from the guest", 19));
	CHECK_EQ(send(s, "pong", 4, 0), 4);
	CHECK(tcp_expect(&t, "pong", 4));
	close(s);
	CHECK(tcp_next(&t, (u8 *)buf, sizeof(buf), &len) & FIN);
	CHECK_EQ(tcp_send(&t, ACK | FIN, NULL, 0), 0);
	close(l);
	rig_stop(&rig);
}

TEST(tcp_to_where_nobody_listens_is_reset)
{
	struct net_config cfg = config();
	struct tcp t;
	u8 buf[16];
	size_t len;

	NEED_SLIRP();
	CHECK(start(&cfg));
	t = tcp_to(&rig, GUEST, HOST, free_port(SOCK_STREAM));
	CHECK_EQ(tcp_send(&t, SYN, NULL, 0), 0);
	CHECK(tcp_next(&t, buf, sizeof(buf), &len) & RST);
	rig_stop(&rig);
}

/* More than queue and window hold, to a guest that reads now and then: all of it comes, in order, and nothing is lost on the way. */
TEST(tcp_bulk_arrives_whole)
{
	enum { TOTAL = 3 << 20 };
	struct net_config cfg = config();
	size_t off = 0, i, n;
	static u8 data[TOTAL];
	u8 buf[2048];
	u16 port = 0;
	struct tcp t;
	pid_t pid;
	int l, s;

	NEED_SLIRP();
	for (i = 0; i < TOTAL; i++)
		data[i] = (u8)(i * 7 + i / 251);
	l = listen_on(SOCK_STREAM, &port);
	pid = fork();
	if (!pid) {
		s = accept(l, NULL, NULL);
		for (i = 0; i < TOTAL; i += n) {
			ssize_t w = write(s, data + i, TOTAL - i);

			if (w < 0)
				_exit(1);
			n = (size_t)w;
		}
		_exit(0);
	}
	CHECK(start(&cfg));
	t = tcp_to(&rig, GUEST, HOST, port);
	CHECK(tcp_open(&t));
	while (off < TOTAL) {
		CHECK(tcp_next(&t, buf, sizeof(buf), &n) >= 0);
		CHECK(n <= TOTAL - off);
		CHECK(!memcmp(buf, data + off, n));
		off += n;
		CHECK_EQ(tcp_send(&t, ACK, NULL, 0), 0);
	}
	CHECK_EQ(rig_counter(&rig, "rx_lost"), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	close(l);
	rig_stop(&rig);
}

TEST(udp_reaches_the_loopback_and_comes_back)
{
	struct net_config cfg = config();
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct rig_frame in;
	u8 f[256], mac[6];
	u16 port = 0;
	char buf[64];
	int s;

	NEED_SLIRP();
	CHECK(start(&cfg));
	s = listen_on(SOCK_DGRAM, &port);
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	CHECK_EQ(rig_send(&rig, f, frame_udp(f, mac, guest_mac, GUEST, HOST, 1234, port, "datagram", 8)), 0);
	CHECK_EQ(recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len), 8);
	CHECK_EQ(sendto(s, "answer", 6, 0, (struct sockaddr *)&from, len), 6);
	in = wait_l4(&rig, 17, port, 1234);
	CHECK(in.data);
	CHECK(!memcmp(in.data + in.len - 6, "answer", 6));
	free(in.data);
	close(s);
	rig_stop(&rig);
}

TEST(names_are_forwarded_to_the_resolver)
{
	struct net_config cfg = config();
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct rig_frame in;
	u8 f[256], mac[6];
	u16 port = 53;
	char buf[64];
	int s;

	NEED_SLIRP();
	if (no_names)
		SKIP(no_names);
	CHECK(start(&cfg));
	s = listen_on(SOCK_DGRAM, &port);
	CHECK(s >= 0);
	CHECK(ask_mac(&rig, GUEST, NAMES, mac));
	CHECK_EQ(rig_send(&rig, f, frame_udp(f, mac, guest_mac, GUEST, NAMES, 1234, 53, "who is?", 7)), 0);
	CHECK_EQ(recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len), 7);
	CHECK_EQ(sendto(s, "it is!", 6, 0, (struct sockaddr *)&from, len), 6);
	in = wait_l4(&rig, 17, 53, 1234);
	CHECK(in.data);
	CHECK_EQ(get_be32(in.data + 12 + ETH + 12), NAMES);
	free(in.data);
	close(s);
	rig_stop(&rig);
}

TEST(hostfwd_tcp_calls_the_guest)
{
	struct net_config cfg = config();
	struct tcp t = { .rig = &rig, .me = GUEST, .peer = HOST, .snd = 5000, .sport = 22 };
	struct rig_frame in;
	u8 buf[64];
	u16 port;
	int s;

	NEED_SLIRP();
	port = free_port(SOCK_STREAM);
	cfg.forward[0] = (struct net_forward){ .host_addr = LOOPBACK, .host_port = port, .guest_port = 22 };
	cfg.nr_forwards = 1;
	CHECK(start(&cfg));
	announce(GUEST);
	s = connect_to(SOCK_STREAM, port);
	CHECK(s >= 0);
	in = wait_l4(&rig, 6, 0, 22);
	CHECK(in.data);
	memcpy(t.peer_mac, in.data + 12 + 6, 6);
	t.peer = get_be32(in.data + 12 + ETH + 12);
	t.dport = get_be16(in.data + 12 + ETH + IP4);
	t.rcv = get_be32(in.data + 12 + ETH + IP4 + 4) + 1;
	CHECK_EQ(in.data[12 + ETH + IP4 + 13], SYN);
	free(in.data);
	CHECK_EQ(tcp_send(&t, SYN | ACK, NULL, 0), 0);
	CHECK_EQ(send(s, "knock", 5, 0), 5);
	CHECK(tcp_expect(&t, "knock", 5));
	CHECK_EQ(tcp_send(&t, ACK | PSH, "come in", 7), 0);
	CHECK_EQ(recv(s, buf, 7, MSG_WAITALL), 7);
	CHECK(!memcmp(buf, "come in", 7));
	close(s);
	rig_stop(&rig);
	CHECK_EQ(connect_to(SOCK_STREAM, port), -1);	/* the port goes with the network */
}

TEST(hostfwd_udp_calls_the_guest)
{
	struct net_config cfg = config();
	struct rig_frame in;
	char buf[64];
	u8 f[256];
	u16 port;
	int s;

	NEED_SLIRP();
	port = free_port(SOCK_DGRAM);
	cfg.forward[0] = (struct net_forward){ .udp = true, .host_port = port, .guest_addr = GUEST, .guest_port = 69 };
	cfg.nr_forwards = 1;
	CHECK(start(&cfg));
	announce(GUEST);
	s = connect_to(SOCK_DGRAM, port);
	CHECK_EQ(send(s, "knock", 5, 0), 5);
	in = wait_l4(&rig, 17, 0, 69);
	CHECK(in.data);
	CHECK(!memcmp(in.data + 12 + ETH + IP4 + UDP, "knock", 5));
	CHECK_EQ(rig_send(&rig, f, frame_udp(f, in.data + 12 + 6, guest_mac, GUEST, get_be32(in.data + 12 + ETH + 12), 69,
					    get_be16(in.data + 12 + ETH + IP4), "come in", 7)), 0);
	free(in.data);
	CHECK_EQ(recv(s, buf, sizeof(buf), 0), 7);
	close(s);
	rig_stop(&rig);
}

/* Nobody told who the guest is: the network asks, and what waits for the answer is sent then. */
TEST(hostfwd_waits_for_the_guests_arp)
{
	struct net_config cfg = config();
	struct arp_want w = { 1, 0, GUEST };
	struct rig_frame in;
	u8 f[64];
	u16 port;
	int s;

	NEED_SLIRP();
	port = free_port(SOCK_DGRAM);
	cfg.forward[0] = (struct net_forward){ .udp = true, .host_port = port, .guest_port = 69 };
	cfg.nr_forwards = 1;
	CHECK(start(&cfg));
	s = connect_to(SOCK_DGRAM, port);
	CHECK_EQ(send(s, "knock", 5, 0), 5);
	in = rig_wait_frame(&rig, is_arp, &w);
	CHECK(in.data);
	CHECK_EQ(rig_send(&rig, f, frame_arp(f, in.data + 12 + 6, 2, GUEST, get_be32(in.data + 12 + 28))), 0);
	free(in.data);
	in = wait_l4(&rig, 17, 0, 69);
	CHECK(in.data);
	free(in.data);
	close(s);
	rig_stop(&rig);
}

static void in_use(bool udp)
{
	struct net_config cfg = config();
	struct net_backend *be;
	u16 port = 0;
	char want[128];
	int s;

	s = listen_on(udp ? SOCK_DGRAM : SOCK_STREAM, &port);
	CHECK(s >= 0);
	cfg.forward[0] = (struct net_forward){ .udp = udp, .host_addr = LOOPBACK, .host_port = port, .guest_port = 22 };
	cfg.nr_forwards = 1;
	CHECK_EQ(net_open(&cfg, &err, &be), -EADDRINUSE);
	snprintf(want, sizeof(want), "--network 'hostfwd=%s:127.0.0.1:%u-...': Address already in use", udp ? "udp" : "tcp", port);
	CHECK_STR(err.msg, want);
	close(s);
	CHECK_EQ(net_open(&cfg, &err, &be), 0);		/* nothing was left behind */
	net_close(be);
}

TEST(hostfwd_of_a_tcp_port_in_use_is_refused)
{
	NEED_SLIRP();
	in_use(false);
}

TEST(hostfwd_of_a_udp_port_in_use_is_refused)
{
	NEED_SLIRP();
	in_use(true);
}

static bool is_ra(const u8 *p, size_t len, const void *arg)
{
	return len >= ETH + 40 + 16 && get_be16(p + 12) == 0x86dd && p[ETH + 6] == 58 && p[ETH + 40] == 134;
}

/* A router solicitation [RFC 4861 4.1]. */
static int solicit(void)
{
	u8 f[ETH + 48] = { 0x33, 0x33, 0, 0, 0, 2 }, *ip = f + ETH;
	u32 sum;

	memcpy(f + 6, guest_mac, 6);
	put_be16(f + 12, 0x86dd);
	ip[0] = 0x60;
	put_be16(ip + 4, 8);
	ip[6] = 58;
	ip[7] = 255;
	memcpy(ip + 8, "\xfe\x80\0\0\0\0\0\0\0\x15\x15\xff\xfe\x15\x15\x15", 16);
	ip[24] = 0xff;
	ip[25] = 2;
	ip[39] = 2;
	ip[40] = 133;
	sum = frame_sum(58 + 8, ip + 8, 32);
	put_be16(ip + 42, (u16)~frame_fold(frame_sum(sum, ip + 40, 8)));
	return rig_send(&rig, f, sizeof(f));
}

TEST(ipv6_prefix_is_advertised)
{
	struct net_config cfg = config();
	struct rig_frame in;
	u8 *o, *end;
	bool found = false;

	NEED_SLIRP();
	CHECK(start(&cfg));
	CHECK_EQ(solicit(), 0);
	in = rig_wait_frame(&rig, is_ra, NULL);
	CHECK(in.data);
	end = in.data + in.len;
	for (o = in.data + 12 + ETH + 40 + 16; o + 8 <= end && o[1]; o += o[1] * 8)
		if (o[0] == 3 && o[1] == 4 && o[2] == 64)
			found = !memcmp(o + 16, "\xfd\0\xc0\xa8\x21\0\0\0\0\0\0\0\0\0\0\0", 16);
	CHECK(found);
	free(in.data);
	rig_stop(&rig);
}

TEST(ipv6_off_is_silent)
{
	struct net_config cfg = config();
	unsigned int i;
	u8 mac[6];

	NEED_SLIRP();
	cfg.no_ipv6 = true;
	CHECK(start(&cfg));
	CHECK_EQ(solicit(), 0);
	CHECK(ask_mac(&rig, GUEST, HOST, mac));		/* the answer to what was asked later is here */
	for (i = 0; i < rig_get(&rig, &rig.nr); i++)
		CHECK(!is_ra(rig.frame[i].data + rig.hdr, rig.frame[i].len - rig.hdr, NULL));
	rig_stop(&rig);
}

TEST(several_networks_do_not_meet)
{
	static struct rig other;
	struct net_config cfg = config();
	struct tcp a, b;
	u16 port = 0;
	char buf[8];
	int l, sa, sb;

	NEED_SLIRP();
	l = listen_on(SOCK_STREAM, &port);
	CHECK(start(&cfg));
	CHECK(start_rig(&other, &cfg));		/* even with the same addresses */
	a = tcp_to(&rig, GUEST, HOST, port);
	b = tcp_to(&other, GUEST, HOST, port);
	CHECK(tcp_open(&a));
	sa = accept(l, NULL, NULL);
	CHECK(tcp_open(&b));
	sb = accept(l, NULL, NULL);
	CHECK_EQ(tcp_send(&a, ACK | PSH, "a", 1), 0);
	CHECK_EQ(tcp_send(&b, ACK | PSH, "b", 1), 0);
	CHECK(recv(sa, buf, 1, 0) == 1 && buf[0] == 'a');
	CHECK(recv(sb, buf, 1, 0) == 1 && buf[0] == 'b');
	rig_stop(&other);
	CHECK_EQ(send(sa, "still", 5, 0), 5);
	CHECK(tcp_expect(&a, "still", 5));
	close(sa);
	close(sb);
	close(l);
	rig_stop(&rig);
}

/* The queue is bounded, what does not fit waits in sockets or is lost, and it goes on when the guest reads again. */
TEST(guest_that_does_not_read_holds_up_to_a_queue)
{
	struct net_config cfg = config();
	static u8 data[1400];
	struct rig_frame in;
	u16 port;
	u8 mac[6];
	int i, s;

	NEED_SLIRP();
	port = free_port(SOCK_DGRAM);
	cfg.forward[0] = (struct net_forward){ .udp = true, .host_port = port, .guest_port = 69 };
	cfg.nr_forwards = 1;
	CHECK(start(&cfg));
	announce(GUEST);
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	rig_want(&rig, false);
	rig_forget_frames(&rig);
	s = connect_to(SOCK_DGRAM, port);
	for (i = 0; i < 4000; i++) {
		send(s, data, sizeof(data), 0);
		if (i % 50 == 0)
			rig_want(&rig, false);	/* the loop comes round */
	}
	CHECK_EQ(rig_get(&rig, &rig.nr), 0);
	rig_want(&rig, true);
	for (i = 0; i < 300; i++) {
		in = wait_l4(&rig, 17, 0, 69);
		CHECK(in.data);
		free(in.data);
	}
	rig_forget_frames(&rig);
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	close(s);
	rig_stop(&rig);
}

static unsigned int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

TEST(guest_cannot_take_all_descriptors)
{
	struct net_config cfg = config();
	struct rlimit old, few;
	unsigned int before;
	u8 f[256], mac[6];
	u16 port = 0;
	struct tcp t;
	char buf[8];
	int i, l, s;

	NEED_SLIRP();
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 400;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	CHECK(start(&cfg));
	setrlimit(RLIMIT_NOFILE, &old);
	l = listen_on(SOCK_STREAM, &port);
	t = tcp_to(&rig, GUEST, HOST, port);
	CHECK(tcp_open(&t));
	s = accept(l, NULL, NULL);
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	before = open_fds();
	for (i = 0; i < 2000; i++)
		CHECK_EQ(rig_send(&rig, f, frame_udp(f, mac, guest_mac, GUEST, HOST, (u16)(10000 + i), 9, "x", 1)), 0);
	CHECK(open_fds() <= before + 110);
	CHECK(rig_counter(&rig, "tx_lost") > 1000);
	t.sport = 40001;	/* nor by TCP */
	CHECK_EQ(tcp_send(&t, SYN, NULL, 0), 0);
	t.sport = 40000;	/* what is there goes on */
	t.snd--;
	CHECK_EQ(tcp_send(&t, ACK | PSH, "alive", 5), 0);
	CHECK_EQ(recv(s, buf, 5, MSG_WAITALL), 5);
	CHECK(open_fds() <= before + 110);
	close(s);
	close(l);
	rig_stop(&rig);
}

/* Who calls a forwarded port waits while all the descriptors that this network may have are taken, and is served when one is free again. */
TEST(callers_cannot_take_all_descriptors)
{
	struct net_config cfg = config();
	struct rlimit old, few;
	unsigned int before;
	struct rig_frame in;
	u8 f[256], mac[6];
	u16 port = 0;
	struct tcp t[8];
	int i, l, s;

	NEED_SLIRP();
	cfg.forward[0] = (struct net_forward){ .host_addr = LOOPBACK, .host_port = free_port(SOCK_STREAM), .guest_port = 22 };
	cfg.nr_forwards = 1;
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 400;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	CHECK(start(&cfg));
	setrlimit(RLIMIT_NOFILE, &old);
	announce(GUEST);
	l = listen_on(SOCK_STREAM, &port);
	for (i = 0; i < 8; i++) {
		t[i] = tcp_to(&rig, GUEST, HOST, port);
		t[i].sport = (u16)(40000 + i);
		CHECK(tcp_open(&t[i]));
	}
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	for (i = 0; i < 2000; i++)
		CHECK_EQ(rig_send(&rig, f, frame_udp(f, mac, guest_mac, GUEST, HOST, (u16)(10000 + i), 9, "x", 1)), 0);
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	s = connect_to(SOCK_STREAM, cfg.forward[0].host_port);	/* the kernel takes it */
	before = open_fds();
	for (i = 0; i < 10; i++)
		CHECK(ask_mac(&rig, GUEST, HOST, mac));
	CHECK_EQ(open_fds(), before);
	for (i = 0; i < 8; i++)
		CHECK_EQ(tcp_send(&t[i], RST, NULL, 0), 0);
	in = wait_l4(&rig, 6, 0, 22);
	CHECK(in.data);
	free(in.data);
	close(s);
	close(l);
	rig_stop(&rig);
}

/* What no guest should send: answered or not, the network goes on. */
TEST(nonsense_does_no_harm)
{
	struct net_config cfg = config();
	static u8 big[NET_FRAME_MAX + 1];
	u8 f[1600], mac[6];
	unsigned int i, k, seed = 12345;
	size_t n;

	NEED_SLIRP();
	CHECK(start(&cfg));
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	for (n = 0; n < 64; n++) {
		memset(f, 0, sizeof(f));
		frame_udp(f, mac, guest_mac, GUEST, HOST, 1, 2, "", 0);
		CHECK_EQ(rig_send(&rig, f, n), 0);	/* cut short */
		frame_arp(f, everyone, 1, GUEST, HOST);
		CHECK_EQ(rig_send(&rig, f, n), 0);
	}
	for (i = 0; i < 3000; i++) {
		n = ETH + (seed >> 8) % 200;
		frame_udp(f, mac, guest_mac, GUEST, HOST, 1, 9, f, 0);
		for (k = 0; k < n; k++) {
			seed = seed * 1103515245 + 12345;
			if (k >= ETH + IP4 || !(seed >> 28))
				f[k] = (u8)(seed >> 16);
		}
		CHECK_EQ(rig_send(&rig, f, n), 0);
	}
	frame_ip4(big, mac, guest_mac, GUEST, HOST, 17, 65535 - IP4);
	CHECK_EQ(rig_send(&rig, big, NET_FRAME_MAX), 0);
	CHECK_EQ(rig_send(&rig, big, NET_FRAME_MAX + 1), 0);
	CHECK(rig_counter(&rig, "tx_lost") >= 1);
	rig_forget_frames(&rig);
	CHECK(ask_mac(&rig, GUEST, HOST, mac));
	rig_stop(&rig);
}

TEST(frame_is_cut_to_the_room_there_is)
{
	struct net_config cfg = config();
	struct net_backend *be;
	u8 f[12 + 64] = { 0 }, got[30];
	struct iovec iov[2] = { { got, 5 }, { got + 5, sizeof(got) - 5 } };

	NEED_SLIRP();
	CHECK_EQ(net_open(&cfg, &err, &be), 0);		/* not attached: as the thread that opened it */
	CHECK_EQ(net_receive(be, 0, iov, 2), -EAGAIN);
	frame_arp(f + 12, everyone, 1, GUEST, HOST);
	CHECK_EQ(net_send(be, 0, &(struct iovec){ f, 12 + 42 }, 1), 0);
	memset(got, 0xaa, sizeof(got));
	CHECK_EQ(net_receive(be, 0, iov, 2), 30);
	CHECK(!memcmp(got, (u8[12]){ 0 }, 12));
	CHECK(!memcmp(got + 12, guest_mac, 6));
	CHECK_EQ(net_receive(be, 0, iov, 2), -EAGAIN);
	CHECK_EQ(net_send(be, 1, &(struct iovec){ f, 12 + 42 }, 1), 0);		/* no such pair */
	CHECK_EQ(net_receive(be, 1, iov, 2), -EAGAIN);
	net_close(be);
}

/* For the thread sanitizer. */
TEST(detach_ends_all_callbacks)
{
	struct net_config cfg = config();
	unsigned int i, before;
	u8 f[64], mac[6];

	NEED_SLIRP();
	CHECK(start(&cfg));
	for (i = 0; i < 100; i++) {
		CHECK_EQ(rig_send(&rig, f, frame_arp(f, everyone, 1, GUEST, HOST)), 0);
		net_detach(rig.be);
		before = rig_get(&rig, &rig.nr);
		CHECK_EQ(net_send(rig.be, 0, (struct iovec[2]){ { (u8[12]){ 0 }, 12 }, { f, 42 } }, 2), 0);
		CHECK_EQ(rig_get(&rig, &rig.nr), before);
		CHECK_EQ(net_attach(rig.be, rig.loop, &rig.client), 0);
		rig_want(&rig, true);
		CHECK(ask_mac(&rig, GUEST, HOST, mac));
		rig_forget_frames(&rig);
	}
	rig_stop(&rig);
}

TEST(no_network_is_not_opened)
{
	struct net_config cfg = config();
	struct net_backend *be;

	cfg.mode = NET_NONE;
	CHECK_EQ(net_open(&cfg, &err, &be), -EINVAL);
	CHECK(*err.msg);
	net_close(NULL);
}

#ifndef HAVE_SLIRP
TEST(without_the_library_user_mode_is_refused)
{
	struct net_config cfg = config();
	struct net_backend *be;

	CHECK_EQ(net_open(&cfg, &err, &be), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "built without libslirp"));
}
#endif

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		printf("# %s: %s\n", path, strerror(errno));
	close(fd);
}

/* A loopback of our own, and /etc/resolv.conf that names it; where that is not permitted the machine's will do. */
static void enter(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	char map[64], path[] = "/tmp/user-test-XXXXXX";
	uid_t uid = getuid();
	int fd;

	no_names = "no network and mount namespace: not permitted";
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
			return;
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", map);
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	fd = mkstemp(path);
	if (fd < 0 || write(fd, "nameserver 127.0.0.1\n", 21) != 21 || fchmod(fd, 0644) < 0)
		return;
	close(fd);
	if (mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0)
		no_names = NULL;
	unlink(path);
}

int main(void)
{
	enter();
	RUN(arp_answers_for_host_and_names_only);
	RUN(dhcp_gives_the_default_addresses);
	RUN(dhcp_gives_the_addresses_that_were_asked_for);
	RUN(legacy_header_is_shorter);
	RUN(tcp_reaches_the_loopback_of_this_machine);
	RUN(tcp_to_where_nobody_listens_is_reset);
	RUN(tcp_bulk_arrives_whole);
	RUN(udp_reaches_the_loopback_and_comes_back);
	RUN(names_are_forwarded_to_the_resolver);
	RUN(hostfwd_tcp_calls_the_guest);
	RUN(hostfwd_udp_calls_the_guest);
	RUN(hostfwd_waits_for_the_guests_arp);
	RUN(hostfwd_of_a_tcp_port_in_use_is_refused);
	RUN(hostfwd_of_a_udp_port_in_use_is_refused);
	RUN(ipv6_prefix_is_advertised);
	RUN(ipv6_off_is_silent);
	RUN(several_networks_do_not_meet);
	RUN(guest_that_does_not_read_holds_up_to_a_queue);
	RUN(guest_cannot_take_all_descriptors);
	RUN(callers_cannot_take_all_descriptors);
	RUN(nonsense_does_no_harm);
	RUN(frame_is_cut_to_the_room_there_is);
	RUN(detach_ends_all_callbacks);
	RUN(no_network_is_not_opened);
#ifndef HAVE_SLIRP
	RUN(without_the_library_user_mode_is_refused);
#endif
	return tap_done();
}
