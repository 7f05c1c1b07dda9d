/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taps in a network namespace of our own: the kernel's stack is at the other end. Needs CAP_NET_ADMIN there; what this machine
 * cannot do is skipped.
 * links: util/iov.c net/net.c net/parse.c net/tap.c net/tap-open.c net/script.c net/user.c net/fdset.c net/frames.c event.c
 * links: util/str.c util/json.c util/error.c util/log.c util/io.c util/thread.c
 */
#include "tests/tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/net/net-rig.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum { HOST = 0xc0a82101, GUEST = 0xc0a8210f };	/* 192.168.33.1, .15 */

static const char *no_taps;	/* why */
static int sock = -1;		/* in our namespace */
static char dir[64];
static const u8 guest_mac[6] = { 2, 0x15, 0x15, 0x15, 0x15, 0x15 };
static struct rig rig;
static struct net_backend *be;
static struct error err;

#define NEED_TAPS()                                                                                                    \
	do {                                                                                                           \
		if (no_taps)                                                                                           \
			SKIP(no_taps);                                                                                 \
	} while (0)

static struct net_config config(void)
{
	struct net_config cfg = { .mode = NET_TAP, .pairs = 1, .host_ip = HOST, .guest_ip = GUEST };

	memcpy(cfg.guest_mac, guest_mac, 6);
	err.msg[0] = '\0';
	return cfg;
}

static struct ifreq ifr_of(const char *name)
{
	struct ifreq ifr = { 0 };

	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
	return ifr;
}

static bool sh(const char *fmt, const char *a, const char *b)
{
	char cmd[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(cmd, sizeof(cmd), fmt, a, b);
#pragma GCC diagnostic pop
	return system(cmd) == 0;
}

static bool have_ip(void)
{
	return sh("command -v ip > /dev/null", "", "");
}

/* A tap of the test's own, by hand. */
static int raw_tap(const char *name, unsigned int flags)
{
	struct ifreq ifr = ifr_of(name);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	ifr.ifr_flags = (short)flags;
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool persistent(const char *name, unsigned int flags, bool on)
{
	int fd = raw_tap(name, flags);
	bool ok = fd >= 0 && ioctl(fd, TUNSETPERSIST, on) == 0;

	close(fd);
	return ok;
}

enum { PLAIN = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, MQ = PLAIN | IFF_MULTI_QUEUE };

static bool is_up(const char *name)
{
	struct ifreq ifr = ifr_of(name);

	return ioctl(sock, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP);
}

static bool set_up(const char *name, bool up)
{
	struct ifreq ifr = ifr_of(name);

	if (ioctl(sock, SIOCGIFFLAGS, &ifr) < 0)
		return false;
	ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	return ioctl(sock, SIOCSIFFLAGS, &ifr) == 0;
}

static bool mac_of(const char *name, u8 *mac)
{
	struct ifreq ifr = ifr_of(name);

	if (ioctl(sock, SIOCGIFHWADDR, &ifr) < 0)
		return false;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return true;
}

/* The kernel needs no ARP to reach the guest. */
static bool know_guest(const char *name)
{
	struct arpreq arp = { .arp_flags = ATF_COM | ATF_PERM, .arp_ha.sa_family = ARPHRD_ETHER };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(GUEST) };

	memcpy(&arp.arp_pa, &sin, sizeof(sin));
	memcpy(arp.arp_ha.sa_data, guest_mac, 6);
	str_copy(arp.arp_dev, sizeof(arp.arp_dev), name);
	return ioctl(sock, SIOCSARP, &arp) == 0;
}

/* A UDP socket of the host's; its port in *port. */
static int udp_socket(u16 *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct timeval tv = { .tv_sec = RIG_PATIENCE_S };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sin, len) < 0 || getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	*port = ntohs(sin.sin_port);
	return fd;
}

static bool udp_to_guest(int fd, u16 port, const void *data, size_t len)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(GUEST) };

	return sendto(fd, data, len, 0, (struct sockaddr *)&sin, sizeof(sin)) == (ssize_t)len;
}

static bool is_udp_to(const u8 *p, size_t len, const void *arg)
{
	return len >= ETH + IP4 + UDP && get_be16(p + 12) == 0x0800 && p[ETH + 9] == 17 &&
	       get_be16(p + ETH + IP4 + 2) == *(const u16 *)arg;
}

static struct rig_frame wait_udp(u16 port)
{
	return rig_wait_frame(&rig, is_udp_to, &port);
}

/* Opened, attached, the guest known. */
static bool start(const struct net_config *cfg)
{
	if (net_open(cfg, &err, &be) < 0) {
		printf("# %s\n", err.msg);
		return false;
	}
	return rig_start(&rig, be) && (cfg->ifname || know_guest(net_describe(be)));
}

TEST(new_tap_has_address_and_goes_at_close)
{
	struct net_config cfg = config();
	struct ifreq ifr;
	char name[32];

	NEED_TAPS();
	cfg.mtu = 9000;
	cfg.host_mac_given = true;
	memcpy(cfg.host_mac, "\2\1\1\1\1\1", 6);
	CHECK_EQ(net_open(&cfg, &err, &be), 0);
	strcpy(name, net_describe(be));
	CHECK(if_nametoindex(name));
	CHECK(is_up(name));
	ifr = ifr_of(name);
	CHECK_EQ(ioctl(sock, SIOCGIFADDR, &ifr), 0);
	CHECK_EQ(ntohl(((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr.s_addr), HOST);
	CHECK_EQ(ioctl(sock, SIOCGIFNETMASK, &ifr), 0);
	CHECK_EQ(ntohl(((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr.s_addr), 0xffffff00);
	CHECK_EQ(ioctl(sock, SIOCGIFMTU, &ifr), 0);
	CHECK_EQ(ifr.ifr_mtu, 9000);
	CHECK_EQ(net_mtu(be), 9000);
	CHECK_EQ(ioctl(sock, SIOCGIFHWADDR, &ifr), 0);
	CHECK(!memcmp(ifr.ifr_hwaddr.sa_data, "\2\1\1\1\1\1", 6));
	CHECK_EQ(net_max_pairs(be), 1);
	CHECK(net_link_up(be));
	CHECK(net_tap_fd(be, 0) >= 0);
	CHECK_EQ(net_tap_fd(be, 1), -1);
	CHECK_EQ(net_vhost_fd(be, 0), -1);
	net_close(be);
	CHECK_EQ(if_nametoindex(name), 0);
}

TEST(frames_of_the_kernel_arrive)
{
	struct net_config cfg = config();
	struct rig_frame f;
	u16 port;
	int s;

	NEED_TAPS();
	CHECK(start(&cfg));
	s = udp_socket(&port);
	CHECK(udp_to_guest(s, 4321, "hello", 5));
	f = wait_udp(4321);
	CHECK(f.data);
	CHECK_EQ(f.len, 12 + ETH + IP4 + UDP + 5);
	CHECK(!memcmp(f.data + 12, guest_mac, 6));
	CHECK(!memcmp(f.data + f.len - 5, "hello", 5));
	CHECK_EQ(f.data[0], 0);		/* no offload was turned on: the checksum is made */
	CHECK_EQ(frame_fold(frame_pseudo(f.data + 12, UDP + 5) + frame_sum(0, f.data + 12 + ETH + IP4, UDP + 5)), 0xffff);
	CHECK(rig_counter(&rig, "rx_frames") >= 1);
	CHECK(rig_counter(&rig, "rx_bytes") >= ETH + IP4 + UDP + 5);
	free(f.data);
	close(s);
	rig_stop(&rig);
}

TEST(nothing_comes_while_receiving_is_off)
{
	struct net_config cfg = config();
	struct rig_frame f;
	u16 port;
	int s;

	NEED_TAPS();
	CHECK(start(&cfg));
	s = udp_socket(&port);
	rig_want(&rig, false);
	rig_forget_frames(&rig);
	CHECK(udp_to_guest(s, 4321, "later", 5));
	rig_want(&rig, false);		/* the loop came round */
	CHECK_EQ(rig_get(&rig, &rig.nr), 0);
	rig_want(&rig, true);
	f = wait_udp(4321);
	CHECK(f.data);
	free(f.data);
	close(s);
	rig_stop(&rig);
}

TEST(frames_sent_reach_the_kernel)
{
	struct net_config cfg = config();
	u8 f[256], mac[6], got[64];
	u16 port;
	size_t n;
	int s;

	NEED_TAPS();
	CHECK(start(&cfg));
	s = udp_socket(&port);
	CHECK(mac_of(net_describe(be), mac));
	n = frame_udp(f, mac, guest_mac, GUEST, HOST, 1111, port, "from the guest", 14);
	CHECK_EQ(rig_send(&rig, f, n), 0);
	CHECK_EQ(recv(s, got, sizeof(got), 0), 14);
	CHECK(!memcmp(got, "from the guest", 14));
	CHECK_EQ(rig_counter(&rig, "tx_frames"), 1);
	CHECK_EQ(rig_counter(&rig, "tx_bytes"), n);
	CHECK_EQ(rig_counter(&rig, "tx_lost"), 0);
	close(s);
	rig_stop(&rig);
}

TEST(frames_no_tap_takes_are_lost)
{
	struct net_config cfg = config();
	static u8 big[NET_FRAME_MAX + 1];
	u8 hdr[12] = { VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };	/* a checksum far outside */
	u8 f[256], mac[6];
	size_t n;

	NEED_TAPS();
	CHECK(start(&cfg));
	CHECK(mac_of(net_describe(be), mac));
	n = frame_udp(f, mac, guest_mac, GUEST, HOST, 1111, 2222, "x", 1);
	CHECK_EQ(rig_send(&rig, f, 0), 0);		/* a header only */
	CHECK_EQ(rig_send(&rig, f, 13), 0);		/* no Ethernet frame */
	CHECK_EQ(rig_send(&rig, big, sizeof(big)), 0);
	CHECK_EQ(rig_send_hdr(&rig, hdr, f, n), 0);
	CHECK_EQ(rig_counter(&rig, "tx_lost"), 4);
	CHECK(set_up(net_describe(be), false));
	CHECK_EQ(rig_send(&rig, f, n), 0);
	CHECK_EQ(rig_counter(&rig, "tx_lost"), 5);
	CHECK(net_link_up(be));				/* down is not gone */
	CHECK(set_up(net_describe(be), true));
	CHECK_EQ(rig_send(&rig, f, n), 0);
	CHECK_EQ(rig_counter(&rig, "tx_frames"), 1);
	rig_stop(&rig);
}

static void offloads_fn(struct rig *r, void *arg)
{
	*(int *)arg = net_set_offloads(r->be, *(u32 *)arg);
}

static void pairs_fn(struct rig *r, void *arg)
{
	*(int *)arg = net_set_pairs(r->be, (unsigned int)*(int *)arg);
}

static int set_pairs(unsigned int pairs)
{
	int res = (int)pairs;

	rig_call(&rig, pairs_fn, &res);
	return res;
}

static int set_offloads(u32 offloads)
{
	int res = (int)offloads;

	rig_call(&rig, offloads_fn, &res);
	return res;
}

TEST(checksums_are_left_to_the_other_side)
{
	struct net_config cfg = config();
	u8 hdr[12] = { VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, 0, 0, 0, 0, ETH + IP4, 0, 6, 0 };
	u8 f[256], mac[6], got[64];
	struct rig_frame in;
	u16 port;
	size_t n;
	int s;

	NEED_TAPS();
	CHECK(start(&cfg));
	CHECK(net_offloads(be) & NET_OFFLOAD_CSUM);
	s = udp_socket(&port);
	CHECK(mac_of(net_describe(be), mac));
	n = frame_udp(f, mac, guest_mac, GUEST, HOST, 1111, port, "partial", 7);
	put_be16(f + ETH + IP4 + 6, frame_fold(frame_pseudo(f, UDP + 7)));
	CHECK_EQ(rig_send_hdr(&rig, hdr, f, n), 0);
	CHECK_EQ(recv(s, got, sizeof(got), 0), 7);
	CHECK_EQ(set_offloads(NET_OFFLOAD_CSUM), 0);
	CHECK(udp_to_guest(s, 4321, "hello", 5));
	in = wait_udp(4321);
	CHECK(in.data);
	CHECK(in.data[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CHECK_EQ(get_le16(in.data + 6), ETH + IP4);
	CHECK_EQ(get_le16(in.data + 8), 6);
	free(in.data);
	CHECK_EQ(set_offloads(NET_OFFLOAD_TSO4), -EINVAL);	/* without checksums: the kernel says no */
	CHECK_EQ(set_offloads(1u << 20), -EOPNOTSUPP);
	close(s);
	rig_stop(&rig);
}

TEST(segments_are_left_to_the_other_side)
{
	struct net_config cfg = config();
	u8 hdr[12] = { VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_UDP_L4, ETH + IP4 + UDP, 0, 100, 0, ETH + IP4, 0, 6, 0 };
	u8 f[512], mac[6], data[300];
	struct rig_frame in;
	int s, i, size = 100;
	u16 port;
	size_t n;

	NEED_TAPS();
	CHECK(start(&cfg));
	if (!(net_offloads(be) & NET_OFFLOAD_USO)) {
		rig_stop(&rig);
		SKIP("no UDP segmentation offload in this kernel");
	}
	CHECK((net_offloads(be) & 7) == 7);	/* and TSO */
	for (i = 0; i < 300; i++)
		data[i] = (u8)i;
	s = udp_socket(&port);
	CHECK(mac_of(net_describe(be), mac));
	n = frame_udp(f, mac, guest_mac, GUEST, HOST, 1111, port, data, 300);
	put_be16(f + ETH + IP4 + 6, frame_fold(frame_pseudo(f, UDP + 300)));
	CHECK_EQ(rig_send_hdr(&rig, hdr, f, n), 0);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(recv(s, f, sizeof(f), 0), 100);
		CHECK(!memcmp(f, data + 100 * i, 100));
	}
	CHECK_EQ(setsockopt(s, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	CHECK(udp_to_guest(s, 4321, data, 300));	/* not turned on: one by one */
	for (i = 0; i < 3; i++) {
		in = wait_udp(4321);
		CHECK(in.data);
		CHECK_EQ(in.len, 12 + ETH + IP4 + UDP + 100);
		free(in.data);
	}
	CHECK_EQ(set_offloads(net_offloads(be)), 0);
	CHECK(udp_to_guest(s, 4321, data, 300));
	in = wait_udp(4321);
	CHECK(in.data);
	CHECK_EQ(in.len, 12 + ETH + IP4 + UDP + 300);
	CHECK_EQ(in.data[1], VIRTIO_NET_HDR_GSO_UDP_L4);
	CHECK_EQ(get_le16(in.data + 4), 100);
	free(in.data);
	close(s);
	rig_stop(&rig);
}

TEST(legacy_header_is_shorter)
{
	struct net_config cfg = config();
	u8 f[256], mac[6], got[64];
	struct rig_frame in;
	u16 port;
	size_t n;
	int s;

	NEED_TAPS();
	CHECK(start(&cfg));
	CHECK_EQ(net_set_header(be, 11), -EINVAL);
	net_detach(be);
	CHECK_EQ(net_set_header(be, 10), 0);
	rig.hdr = 10;
	CHECK_EQ(net_attach(be, rig.loop, &rig.client), 0);
	rig_want(&rig, true);
	s = udp_socket(&port);
	CHECK(mac_of(net_describe(be), mac));
	n = frame_udp(f, mac, guest_mac, GUEST, HOST, 1111, port, "ten", 3);
	CHECK_EQ(rig_send(&rig, f, n), 0);
	CHECK_EQ(recv(s, got, sizeof(got), 0), 3);
	CHECK(udp_to_guest(s, 4321, "hello", 5));
	in = wait_udp(4321);
	CHECK(in.data);
	CHECK_EQ(in.len, 10 + ETH + IP4 + UDP + 5);
	free(in.data);
	close(s);
	rig_stop(&rig);
}

/* A slow link behind a bridge keeps what the guest sent. */
TEST(full_tap_takes_no_more_until_it_is_sendable)
{
	struct net_config cfg = config();
	static u8 f[1600], data[1400];
	unsigned int i, sent;
	size_t n;
	int r = 0;

	NEED_TAPS();
	if (!have_ip() || !sh("ip link add br0 type bridge 2> /dev/null && ip link add v0 type veth peer name v1 2> /dev/null", "", ""))
		SKIP("no ip, bridge or veth");
	if (!sh("tc qdisc add dev v0 root tbf rate 8kbit burst 3000 limit 100000000 2> /dev/null", "", "")) {
		sh("ip link del br0; ip link del v0", "", "");
		SKIP("no tc or tbf");
	}
	CHECK(start(&cfg));
	CHECK(sh("ip link set v0 master br0 && ip link set %s master br0", net_describe(be), ""));
	CHECK(sh("ip link set br0 up && ip link set v1 up && ip link set v0 up", "", ""));
	/* Until the bridge's ports forward, nothing is kept and all is taken: go on. */
	n = frame_udp(f, (const u8[6]){ 2, 0, 0, 0, 0, 9 }, guest_mac, GUEST, 0xc0a82163, 1, 2, data, sizeof(data));
	put_be16(f + 12, 0x88b5);	/* of no protocol: nothing but the bridge handles it */
	for (i = sent = 0; i < 200000 && r != -EAGAIN; i++) {
		r = rig_send(&rig, f, n);
		CHECK(r == 0 || r == -EAGAIN);
		sent += !r;
	}
	CHECK_EQ(r, -EAGAIN);
	CHECK_EQ(rig_counter(&rig, "tx_frames"), sent);		/* what was refused is not counted */
	CHECK_EQ(rig_get(&rig, &rig.sendable), 0);
	CHECK(sh("tc qdisc del dev v0 root", "", ""));		/* drops what it has */
	CHECK(rig_wait_count(&rig, &rig.sendable, 1));
	CHECK_EQ(rig_send(&rig, f, n), 0);
	rig_stop(&rig);
	CHECK(sh("ip link del br0; ip link del v0", "", ""));
}

static void receive_fn(struct rig *r, void *arg)
{
	struct iovec iov = { r->buf, sizeof(r->buf) };

	*(ssize_t *)arg = net_receive(r->be, 0, &iov, 1);
}

static void vanish(unsigned int pairs)
{
	struct net_config cfg = config();
	u8 f[256];
	ssize_t got = 0;

	cfg.pairs = pairs;
	CHECK(start(&cfg));
	CHECK_EQ(set_pairs(pairs), 0);
	CHECK(sh("ip link del %s", net_describe(be), ""));
	CHECK(rig_wait_count(&rig, &rig.link_changes, 1));
	CHECK(!rig.link);
	CHECK(!net_link_up(be));
	CHECK_EQ(rig_send(&rig, f, sizeof(f)), 0);
	CHECK_EQ(rig_counter(&rig, "tx_lost"), 1);
	rig_call(&rig, receive_fn, &got);
	CHECK_EQ(got, -ENODEV);
	rig_want(&rig, false);
	rig_want(&rig, true);
	CHECK_EQ(set_pairs(1), -ENODEV);
	CHECK_EQ(rig_get(&rig, &rig.link_changes), 1);
	rig_stop(&rig);
}

TEST(vanished_interface_is_told_once)
{
	NEED_TAPS();
	if (!have_ip())
		SKIP("no ip");
	vanish(1);
}

TEST(vanished_interface_with_queues_is_told_once)
{
	NEED_TAPS();
	if (!have_ip())
		SKIP("no ip");
	vanish(4);
}

/* While nobody looks, and found out by sending. */
TEST(interface_that_vanished_while_detached)
{
	struct net_config cfg = config();
	u8 f[256] = { 0 };

	NEED_TAPS();
	if (!have_ip())
		SKIP("no ip");
	CHECK(start(&cfg));
	net_detach(be);
	CHECK(sh("ip link del %s", net_describe(be), ""));
	CHECK(net_link_up(be));
	CHECK_EQ(net_send(be, 0, &(struct iovec){ f, sizeof(f) }, 1), 0);
	CHECK(!net_link_up(be));
	CHECK_EQ(net_attach(be, rig.loop, &rig.client), 0);
	rig_want(&rig, true);
	CHECK_EQ(rig_get(&rig, &rig.link_changes), 0);		/* whoever attaches can see it */
	rig_stop(&rig);
}

TEST(queue_pairs_come_and_go)
{
	struct net_config cfg = config();
	bool seen[4] = { false };
	u8 f[256], mac[6], got[64];
	struct rig_frame in;
	unsigned int i, p, n_seen = 0;
	u16 port;
	size_t n;
	int s;

	NEED_TAPS();
	cfg.pairs = 4;
	CHECK(start(&cfg));
	CHECK_EQ(net_max_pairs(be), 4);
	CHECK_EQ(set_pairs(0), -EINVAL);
	CHECK_EQ(set_pairs(5), -EINVAL);
	s = udp_socket(&port);
	CHECK(mac_of(net_describe(be), mac));
	for (i = 0; i < 100; i++) {	/* one pair at first */
		p = 5000 + i;
		CHECK(udp_to_guest(s, (u16)p, "one", 3));
		in = wait_udp((u16)p);
		CHECK(in.data);
		CHECK_EQ(in.pair, 0);
		free(in.data);
	}
	CHECK_EQ(set_pairs(4), 0);
	for (i = 0; i < 4; i++) {
		struct rig_send rs = { .pair = i, .data = f };

		rs.len = frame_udp(f, mac, guest_mac, GUEST, HOST, (u16)(6000 + i), port, "queue", 5);
		rig_call(&rig, rig_send_fn, &rs);
		CHECK_EQ(recv(s, got, sizeof(got), 0), 5);
	}
	for (i = 0; i < 400 && n_seen < 4; i++) {	/* flows are spread by hash */
		p = 7000 + i;
		CHECK(udp_to_guest(s, (u16)p, "any", 3));
		in = wait_udp((u16)p);
		CHECK(in.data);
		CHECK(in.pair < 4);
		n_seen += !seen[in.pair];
		seen[in.pair] = true;
		free(in.data);
	}
	CHECK_EQ(n_seen, 4);
	CHECK_EQ(set_pairs(2), 0);
	for (i = 0; i < 100; i++) {
		p = 8000 + i;
		CHECK(udp_to_guest(s, (u16)p, "two", 3));
		in = wait_udp((u16)p);
		CHECK(in.data);
		CHECK(in.pair < 2);
		free(in.data);
	}
	n = frame_udp(f, mac, guest_mac, GUEST, HOST, 1, port, "off", 3);
	{
		struct rig_send rs = { .pair = 3, .data = f, .len = n };

		rig_call(&rig, rig_send_fn, &rs);	/* a pair that is off */
		CHECK_EQ(rs.res, 0);
		CHECK_EQ(rig_counter(&rig, "tx_lost"), 1);
	}
	close(s);
	rig_stop(&rig);
}

TEST(named_tap_is_left_as_it_was)
{
	struct net_config cfg = config();
	int fd, header = 11, got = 0;
	struct net_backend *second;
	struct ifreq ifr;

	NEED_TAPS();
	CHECK(persistent("mine", PLAIN, true));
	fd = raw_tap("mine", PLAIN);
	CHECK_EQ(ioctl(fd, TUNSETVNETHDRSZ, &header), 0);
	close(fd);
	ifr = ifr_of("mine");
	ifr.ifr_mtu = 4000;
	CHECK_EQ(ioctl(sock, SIOCSIFMTU, &ifr), 0);
	cfg.ifname = "mine";
	cfg.mtu = 5000;
	CHECK_EQ(net_open(&cfg, &err, &be), -EINVAL);
	CHECK_STR(err.msg, "--network 'mtu=5000': 'mine' has an MTU of 4000");
	cfg.mtu = 0;
	CHECK_EQ(net_open(&cfg, &err, &be), 0);
	CHECK_EQ(net_mtu(be), 4000);
	CHECK(!net_guest_mac(be, (u8[6]){ 0 }));
	CHECK(!is_up("mine"));
	CHECK_EQ(net_open(&cfg, &err, &second), -EBUSY);
	CHECK_STR(err.msg, "--network 'tapif=mine': another program has it open");
	CHECK_EQ(net_set_offloads(be, NET_OFFLOAD_CSUM), 0);
	net_close(be);
	fd = raw_tap("mine", PLAIN);
	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, TUNGETVNETHDRSZ, &got), 0);
	CHECK_EQ(got, 11);
	close(fd);
	ifr = ifr_of("mine");
	CHECK(ioctl(sock, SIOCGIFADDR, &ifr) < 0);
	cfg.pairs = 2;
	CHECK_EQ(net_open(&cfg, &err, &be), -EINVAL);
	CHECK(strstr(err.msg, "'mq=2' wants 'ip tuntap add dev mine mode tap multi_queue'"));
	CHECK(persistent("mine", PLAIN, false));
}

TEST(named_tap_made_for_queues_serves_one)
{
	struct net_config cfg = config();

	NEED_TAPS();
	CHECK(persistent("many", MQ, true));
	cfg.ifname = "many";
	CHECK_EQ(net_open(&cfg, &err, &be), 0);
	CHECK_EQ(net_max_pairs(be), 1);
	net_close(be);
	cfg.pairs = 3;
	CHECK_EQ(net_open(&cfg, &err, &be), 0);
	CHECK_EQ(net_max_pairs(be), 3);
	net_close(be);
	CHECK(persistent("many", MQ, false));
}

TEST(names_that_are_no_taps_are_refused)
{
	struct net_config cfg = config();

	NEED_TAPS();
	cfg.ifname = "nosuch";
	CHECK_EQ(net_open(&cfg, &err, &be), -ENODEV);
	CHECK(strstr(err.msg, "'tapif=nosuch': no such interface"));
	cfg.ifname = "lo";
	CHECK_EQ(net_open(&cfg, &err, &be), -EINVAL);
	CHECK_STR(err.msg, "--network 'tapif=lo': is not a tap");
	cfg.ifname = "/dev/null";
	CHECK_EQ(net_open(&cfg, &err, &be), -EINVAL);
	CHECK_STR(err.msg, "--network 'tapif=/dev/null': is not a tap");
	cfg.ifname = "/dev/net/tun";
	CHECK_EQ(net_open(&cfg, &err, &be), -ENOTTY);
	CHECK(strstr(err.msg, "not the device of a macvtap"));
	cfg.ifname = "/dev/tap-that-is-not-there";
	CHECK_EQ(net_open(&cfg, &err, &be), -ENOENT);
	CHECK(strstr(err.msg, "No such file"));
}

static int open_fds(int a, int b)
{
	struct net_config cfg = config();

	cfg.fd[0] = a;
	cfg.fd[1] = b;
	cfg.pairs = cfg.nr_fds = b < 0 ? 1 : 2;
	return net_open(&cfg, &err, &be);
}

TEST(open_descriptors_are_taken_over)
{
	u8 f[256], mac[6], got[16];
	u16 port;
	size_t n;
	int a, b, s, keep, val = 4000000;

	NEED_TAPS();
	a = raw_tap("passed", PLAIN);
	CHECK_EQ(ioctl(a, TUNSETSNDBUF, &val), 0);
	keep = dup(a);
	CHECK_EQ(open_fds(a, -1), 0);
	CHECK_STR(net_describe(be), "passed");
	CHECK_EQ(net_tap_fd(be, 0), a);
	CHECK(fcntl(a, F_GETFL) & O_NONBLOCK);
	CHECK(!is_up("passed"));
	CHECK(set_up("passed", true));
	CHECK(rig_start(&rig, be));
	s = udp_socket(&port);
	CHECK(mac_of("passed", mac));
	n = frame_udp(f, mac, guest_mac, GUEST, 0xffffffff, 1111, port, "bc", 2);
	CHECK_EQ(rig_send(&rig, f, n), 0);
	CHECK_EQ(recv(s, got, sizeof(got), 0), 2);
	close(s);
	rig_stop(&rig);
	CHECK_EQ(ioctl(keep, TUNGETSNDBUF, &val), 0);	/* whoever has another is not disturbed */
	CHECK_EQ(val, 4000000);
	CHECK_EQ(ioctl(keep, TUNGETVNETHDRSZ, &val), 0);
	CHECK_EQ(val, 10);
	close(keep);
	CHECK_EQ(if_nametoindex("passed"), 0);
	a = raw_tap("passed", MQ);
	b = raw_tap("passed", MQ);
	CHECK_EQ(open_fds(a, b), 0);
	CHECK_EQ(net_max_pairs(be), 2);
	CHECK_EQ(net_set_pairs(be, 2), 0);
	net_close(be);
	CHECK(fcntl(a, F_GETFL) < 0 && fcntl(b, F_GETFL) < 0);
}

TEST(descriptors_that_are_no_such_taps_are_refused)
{
	int p[2], a, b;

	NEED_TAPS();
	CHECK_EQ(open_fds(999, -1), -EBADF);
	CHECK(strstr(err.msg, "'fd=999': Bad file descriptor"));
	a = raw_tap("bad0", MQ);
	CHECK_EQ(open_fds(999, a), -EBADF);
	CHECK(fcntl(a, F_GETFL) < 0);
	CHECK(pipe(p) == 0);
	CHECK_EQ(open_fds(p[0], -1), -EINVAL);
	CHECK(strstr(err.msg, "is not a tap"));
	close(p[1]);
	CHECK_EQ(open_fds(open("/dev/null", O_RDWR), -1), -EINVAL);
	CHECK(strstr(err.msg, "is not a tap"));
	CHECK_EQ(open_fds(open("/dev/net/tun", O_RDWR), -1), -EINVAL);
	CHECK(strstr(err.msg, "is a tap without an interface"));
	CHECK_EQ(open_fds(raw_tap("bad0", IFF_TAP | IFF_NO_PI), -1), -EINVAL);
	CHECK(strstr(err.msg, "IFF_VNET_HDR"));
	CHECK_EQ(open_fds(raw_tap("bad0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR), -1), -EINVAL);
	CHECK(strstr(err.msg, "IFF_TAP"));
	a = raw_tap("bad0", PLAIN);
	b = raw_tap("bad1", PLAIN);
	CHECK_EQ(open_fds(a, b), -EINVAL);
	CHECK(strstr(err.msg, "IFF_MULTI_QUEUE"));
	close(b);
	a = raw_tap("bad0", MQ);
	b = raw_tap("bad1", MQ);
	CHECK_EQ(open_fds(a, b), -EINVAL);
	CHECK(strstr(err.msg, "belongs to another interface"));
	CHECK_EQ(if_nametoindex("bad0"), 0);	/* closed, refused or not */
}

static const char *file_text(const char *name, char *buf, size_t room)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, buf, room - 1);
	close(fd);
	unlink(path);
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static bool write_script(const char *name, const char *body, char *path)
{
	FILE *f;

	snprintf(path, 128, "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f)
		return false;
	fprintf(f, "#!/bin/sh\n%s\n", body);
	fclose(f);
	return chmod(path, 0755) == 0;
}

/* A script that tells what it found: argument, number of descriptors, signals blocked and ignored (not those of the C library), stdin. */
#define TELL "cd \"${0%/*}\"; sig() { set $(grep $1 /proc/self/status); echo $((0x$2 & 0x7fffffff)); }; " \
	     "{ echo $#:$1; ls /proc/self/fd | wc -l; sig SigBlk; sig SigIgn; cat; } > "

TEST(scripts_get_the_name_and_nothing_else)
{
	struct net_config cfg = config();
	char up[128], down[128], buf[512], want[256];
	sigset_t set, old;
	char name[32];

	NEED_TAPS();
	CHECK(write_script("up", TELL "told-up", up));
	CHECK(write_script("down", TELL "told-down; test -e /sys/class/net || true", down));
	cfg.script = up;
	cfg.downscript = down;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(net_open(&cfg, &err, &be), 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	strcpy(name, net_describe(be));
	CHECK(!is_up(name));	/* the script's to do */
	/* 0, 1, 2, and what ls opened to look; the shell's pipe is 0 and 1 of others */
	snprintf(want, sizeof(want), "1:%s\n4\n0\n0\n", name);
	CHECK_STR(file_text("told-up", buf, sizeof(buf)), want);
	CHECK_STR(file_text("told-down", buf, sizeof(buf)), "");
	net_close(be);
	CHECK_STR(file_text("told-down", buf, sizeof(buf)), want);
	CHECK_EQ(if_nametoindex(name), 0);
}

TEST(script_makes_the_named_tap_its_own)
{
	struct net_config cfg = config();
	char up[128], buf[64];

	NEED_TAPS();
	CHECK(write_script("up", "echo $1 > ${0%/*}/told", up));
	cfg.ifname = "byscript";
	cfg.script = up;
	CHECK_EQ(net_open(&cfg, &err, &be), 0);
	CHECK_STR(file_text("told", buf, sizeof(buf)), "byscript\n");
	net_close(be);
	CHECK_EQ(if_nametoindex("byscript"), 0);
}

TEST(script_that_fails_is_refused_by_name)
{
	struct net_config cfg = config();
	char path[128], down[128], want[256], buf[16];

	NEED_TAPS();
	CHECK(write_script("down", "echo x > ${0%/*}/told", down));
	CHECK(write_script("bad", "exit 3", path));
	cfg.script = path;
	cfg.downscript = down;
	CHECK_EQ(net_open(&cfg, &err, &be), -ECANCELED);
	snprintf(want, sizeof(want), "--network 'script=%s': failed with status 3", path);
	CHECK_STR(err.msg, want);
	CHECK_STR(file_text("told", buf, sizeof(buf)), "");
	CHECK_EQ(if_nametoindex("tap0"), 0);
	CHECK(write_script("bad", "kill -9 $$", path));
	CHECK_EQ(net_open(&cfg, &err, &be), -ECANCELED);
	CHECK(strstr(err.msg, "killed by signal 9"));
	cfg.script = "/nonexistent/up";
	CHECK_EQ(net_open(&cfg, &err, &be), -ENOENT);
	CHECK_STR(err.msg, "--network 'script=/nonexistent/up': cannot be run: No such file or directory");
	cfg.script = NULL;
	cfg.downscript = "/nonexistent/down";
	CHECK_EQ(net_open(&cfg, &err, &be), -ENOENT);
	CHECK_STR(err.msg, "--network 'downscript=/nonexistent/down': cannot be run: No such file or directory");
	CHECK(write_script("down", "exit 1", down));
	cfg.downscript = down;		/* at the end it is only told */
	CHECK_EQ(net_open(&cfg, &err, &be), 0);
	net_close(be);
}

TEST(down_script_runs_for_one_that_was_killed)
{
	struct net_config cfg = config();
	char down[128], fifo[128], buf[64] = "";
	pid_t pid;
	int fd;

	NEED_TAPS();
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK(write_script("down", "echo $1 > ${0%/*}/fifo", down));
	cfg.downscript = down;
	pid = fork();
	if (!pid) {
		if (net_open(&cfg, &err, &be) < 0)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	fd = open(fifo, O_RDONLY);	/* the script's end */
	CHECK(read(fd, buf, sizeof(buf) - 1) > 0);
	CHECK(!strncmp(buf, "tap", 3));
	close(fd);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	unlink(fifo);
}

TEST(vhost_is_opened_once_a_pair)
{
	struct net_config cfg = config();
	int r;

	NEED_TAPS();
	cfg.vhost = true;
	cfg.pairs = 2;
	r = net_open(&cfg, &err, &be);
	if (access("/dev/vhost-net", F_OK) < 0) {
		CHECK_EQ(r, -ENOENT);
		CHECK_STR(err.msg, "--network 'vhost=1': no /dev/vhost-net: 'modprobe vhost_net' loads the module");
		CHECK_EQ(if_nametoindex("tap0"), 0);
		return;
	}
	if (r == -EACCES || r == -EPERM || r == -ENODEV || r == -ENXIO)
		SKIP("/dev/vhost-net cannot be opened");
	CHECK_EQ(r, 0);
	CHECK(net_vhost_fd(be, 0) >= 0 && net_vhost_fd(be, 1) >= 0 && net_vhost_fd(be, 0) != net_vhost_fd(be, 1));
	CHECK_EQ(net_vhost_fd(be, 2), -1);
	net_close(be);
}

/* The device of macvtap @name, as a node in our folder. Its number is in sysfs, as our namespace has it. */
static bool macvtap_node(const char *name, char *node)
{
	char path[128], glob[256], num[32] = "";
	unsigned int maj, min;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys", dir);
	mkdir(path, 0700);
	if (mount("sysfs", path, "sysfs", 0, NULL) < 0)
		return false;
	snprintf(glob, sizeof(glob), "cat %s/class/net/%s/macvtap/tap*/dev", path, name);
	f = popen(glob, "r");
	if (f && !fgets(num, sizeof(num), f))
		num[0] = '\0';
	if (f)
		pclose(f);
	umount2(path, MNT_DETACH);
	rmdir(path);
	snprintf(node, 128, "%s/tapnode", dir);
	return sscanf(num, "%u:%u", &maj, &min) == 2 && mknod(node, S_IFCHR | 0600, makedev(maj, min)) == 0;
}

TEST(macvtap_is_opened_once_a_queue)
{
	struct net_config cfg = config();
	u8 f[256], mac[6], old[6], got[16];
	char node[128];
	struct rig_frame in;
	u16 port;
	size_t n;
	int s;

	NEED_TAPS();
	if (!have_ip() || !sh("ip link add v0 type veth peer name v1 2> /dev/null && "
			      "ip link add link v0 name mv0 type macvtap mode bridge 2> /dev/null", "", "")) {
		sh("ip link del v0 2> /dev/null", "", "");
		SKIP("no ip, veth or macvtap");
	}
	if (!macvtap_node("mv0", node)) {
		sh("ip link del v0", "", "");
		SKIP("no device node for a macvtap");
	}
	CHECK(sh("ip addr add 192.168.33.1/24 dev v1; ip link set v0 up; ip link set v1 up; ip link set mv0 mtu 1400 up", "", ""));
	CHECK(mac_of("mv0", old));
	cfg.ifname = node;
	cfg.pairs = 2;
	CHECK_EQ(net_open(&cfg, &err, &be), 0);		/* guest_mac= not given: the guest takes the macvtap's */
	CHECK_STR(net_describe(be), "mv0");
	CHECK(net_guest_mac(be, mac));
	CHECK(!memcmp(mac, old, 6));
	CHECK_EQ(net_mtu(be), 1400);
	CHECK_EQ(net_max_pairs(be), 2);
	net_close(be);
	cfg.guest_mac_given = true;
	CHECK_EQ(net_open(&cfg, &err, &be), 0);
	CHECK(net_guest_mac(be, mac) && !memcmp(mac, guest_mac, 6));
	CHECK(mac_of("mv0", mac) && !memcmp(mac, guest_mac, 6));
	CHECK(rig_start(&rig, be));
	CHECK_EQ(set_pairs(2), 0);
	CHECK(know_guest("v1"));
	s = udp_socket(&port);
	CHECK(mac_of("v1", mac));
	n = frame_udp(f, mac, guest_mac, GUEST, HOST, 1111, port, "macvtap", 7);
	CHECK_EQ(rig_send(&rig, f, n), 0);
	CHECK_EQ(recv(s, got, sizeof(got), 0), 7);
	CHECK(udp_to_guest(s, 4321, "hello", 5));
	in = wait_udp(4321);
	CHECK(in.data);
	CHECK(!memcmp(in.data + in.len - 5, "hello", 5));
	free(in.data);
	CHECK_EQ(set_pairs(1), 0);
	CHECK(udp_to_guest(s, 4322, "hello", 5));
	in = wait_udp(4322);
	CHECK(in.data);
	CHECK_EQ(in.pair, 0);
	free(in.data);
	close(s);
	rig_stop(&rig);
	CHECK(mac_of("mv0", mac) && !memcmp(mac, old, 6));	/* as it was found */
	CHECK(sh("ip link del mv0; ip link del v0", "", ""));
	unlink(node);
}

TEST(without_the_right_the_way_is_told)
{
	struct net_config cfg = config();
	int status, fd;
	pid_t pid;

	NEED_TAPS();
	CHECK(persistent("theirs", PLAIN, true));
	fd = raw_tap("theirs", PLAIN);
	CHECK_EQ(ioctl(fd, TUNSETOWNER, 0), 0);		/* one without an owner is everybody's */
	close(fd);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int r;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(77);
		r = net_open(&cfg, &err, &be);
		if (r == -EACCES)	/* only root may open it here: said with its name */
			_exit(strstr(err.msg, "/dev/net/tun: Permission denied") ? 0 : 1);
		if (r != -EPERM || !strstr(err.msg, "ip tuntap add dev tap0 mode tap user NAME"))
			_exit(2);
		cfg.ifname = "theirs";
		r = net_open(&cfg, &err, &be);
		_exit(r == -EPERM && strstr(err.msg, "'tapif=theirs': belongs to another user") ? 0 : 3);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(persistent("theirs", PLAIN, false));
	if (WEXITSTATUS(status) == 77)
		SKIP("no other user to be");
	CHECK_EQ(status, 0);
}

/* For the thread sanitizer: frames in flight both ways while the back end is taken off its loop and put back. */
TEST(detach_ends_all_callbacks)
{
	struct net_config cfg = config();
	u8 f[256], mac[6];
	unsigned int i, before;
	struct rig_frame in;
	u16 port;
	size_t n;
	int s;

	NEED_TAPS();
	CHECK(start(&cfg));
	s = udp_socket(&port);
	CHECK(mac_of(net_describe(be), mac));
	n = frame_udp(f, mac, guest_mac, GUEST, HOST, 1111, port, "x", 1);
	for (i = 0; i < 50; i++) {
		CHECK_EQ(rig_send(&rig, f, n), 0);
		CHECK(udp_to_guest(s, 4321, "y", 1));
		net_detach(be);
		before = rig_get(&rig, &rig.nr);
		CHECK(udp_to_guest(s, 4321, "y", 1));
		CHECK_EQ(rig_get(&rig, &rig.nr), before);
		rig_forget_frames(&rig);
		CHECK_EQ(net_attach(be, rig.loop, &rig.client), 0);
		rig_want(&rig, true);
		in = wait_udp(4321);	/* what came meanwhile was kept */
		CHECK(in.data);
		free(in.data);
	}
	close(s);
	rig_stop(&rig);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		printf("# %s: %s\n", path, strerror(errno));
	close(fd);
}

/* A network, and mounts, of our own. */
static const char *enter(void)
{
	char map[64];
	uid_t uid = getuid();

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
			return "no network namespace: not permitted";
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/uid_map", map);
	}
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!set_up("lo", true))
		return "no loopback interface";
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		return "no /dev/net/tun that can be opened";
	if (!persistent("probe", PLAIN, false))
		return "taps are not permitted";
	return NULL;
}

int main(void)
{
	strcpy(dir, "/tmp/tap-test-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	log_set_level(LOG_ERROR);
	no_taps = enter();
	RUN(new_tap_has_address_and_goes_at_close);
	RUN(frames_of_the_kernel_arrive);
	RUN(nothing_comes_while_receiving_is_off);
	RUN(frames_sent_reach_the_kernel);
	RUN(frames_no_tap_takes_are_lost);
	RUN(checksums_are_left_to_the_other_side);
	RUN(segments_are_left_to_the_other_side);
	RUN(legacy_header_is_shorter);
	RUN(full_tap_takes_no_more_until_it_is_sendable);
	RUN(vanished_interface_is_told_once);
	RUN(vanished_interface_with_queues_is_told_once);
	RUN(interface_that_vanished_while_detached);
	RUN(queue_pairs_come_and_go);
	RUN(named_tap_is_left_as_it_was);
	RUN(named_tap_made_for_queues_serves_one);
	RUN(names_that_are_no_taps_are_refused);
	RUN(open_descriptors_are_taken_over);
	RUN(descriptors_that_are_no_such_taps_are_refused);
	RUN(scripts_get_the_name_and_nothing_else);
	RUN(script_makes_the_named_tap_its_own);
	RUN(script_that_fails_is_refused_by_name);
	RUN(down_script_runs_for_one_that_was_killed);
	RUN(vhost_is_opened_once_a_pair);
	RUN(macvtap_is_opened_once_a_queue);
	RUN(without_the_right_the_way_is_told);
	RUN(detach_ends_all_callbacks);
	sh("rm -rf %s", dir, "");
	return tap_done();
}
