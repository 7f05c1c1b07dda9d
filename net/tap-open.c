/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taps: made, taken by name, by device (macvtap), or as descriptors that are open already; and given back.
 *
 * One that is made here is not persistent: it goes with its last descriptor. Without a script it gets host_ip/24 and is brought
 * up, as kvmtool does it. One that was there is left alone: neither address, MTU nor state is touched, and what goes
 * with its descriptors (send buffer, header, offloads; a macvtap's MAC) is set back at the end.
 *
 * Threads: the main thread only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "net/tap.h"
#include "util/log.h"
#include "util/str.h"

enum {
	USUAL_MTU = 1500,
	SNDBUF = 1 << 20,	/* bytes on their way before a send has to wait: else a slow link would take all of the host's memory */
	TUN_MINOR = 200,	/* of the misc devices, major 10: /dev/net/tun */
	MISC_MAJOR = 10,
};

static const char tun_path[] = "/dev/net/tun";

/* --- the interface, by a socket --- */

static void ifr_init(const struct tap *t, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	str_copy(ifr->ifr_name, sizeof(ifr->ifr_name), t->ifname);
}

static int set_address(const struct tap *t, int sock, unsigned long req, u32 ip)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(ip) };
	struct ifreq ifr;

	ifr_init(t, &ifr);
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	return ioctl(sock, req, &ifr) < 0 ? -errno : 0;
}

static int bring_up(const struct tap *t, int sock)
{
	struct ifreq ifr;

	ifr_init(t, &ifr);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) < 0)
		return -errno;
	ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
	return ioctl(sock, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

/* A new one: what was asked for, and without a script an address. */
static int configure_new(const struct tap *t, const struct net_config *cfg, int sock, struct error *err)
{
	char ip[NET_IP_TEXT];
	struct ifreq ifr;
	int r;

	ifr_init(t, &ifr);
	ifr.ifr_mtu = (int)cfg->mtu;
	if (cfg->mtu && ioctl(sock, SIOCSIFMTU, &ifr) < 0)
		return error_set_errno(err, -errno, "--network 'mtu=%u': '%s'", cfg->mtu, t->ifname);
	ifr_init(t, &ifr);
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, cfg->host_mac, NET_MAC_LEN);
	if (cfg->host_mac_given && ioctl(sock, SIOCSIFHWADDR, &ifr) < 0)
		return error_set_errno(err, -errno, "--network 'host_mac=': '%s'", t->ifname);
	if (cfg->script)
		return 0;
	r = set_address(t, sock, SIOCSIFADDR, cfg->host_ip);
	if (!r)
		r = set_address(t, sock, SIOCSIFNETMASK, ~255u);
	if (!r)
		r = bring_up(t, sock);
	if (r < 0)
		return error_set_errno(err, r, "--network 'host_ip=%s': '%s'", net_ip_text(cfg->host_ip, ip), t->ifname);
	return 0;
}

/* One that was there: judged, not touched. */
static int inspect_found(struct tap *t, const struct net_config *cfg, int sock, struct error *err)
{
	struct ifreq ifr;

	ifr_init(t, &ifr);
	if (ioctl(sock, SIOCGIFMTU, &ifr) < 0)
		return error_set_errno(err, -errno, "--network 'tapif=%s': '%s'", cfg->ifname, t->ifname);
	if (cfg->mtu && (unsigned int)ifr.ifr_mtu < cfg->mtu)
		return error_set(err, -EINVAL, "--network 'mtu=%u': '%s' has an MTU of %d", cfg->mtu, t->ifname, ifr.ifr_mtu);
	if (!cfg->mtu && ifr.ifr_mtu != USUAL_MTU && ifr.ifr_mtu >= NET_MTU_MIN && ifr.ifr_mtu <= NET_MTU_MAX)
		t->be.mtu = (unsigned int)ifr.ifr_mtu;
	if (cfg->script)
		return 0;
	ifr_init(t, &ifr);
	if (ioctl(sock, SIOCGIFFLAGS, &ifr) == 0 && !(ifr.ifr_flags & IFF_UP))
		log_warn(t->ifname, "is down: no frame passes until 'ip link set %s up'", t->ifname);
	return 0;
}

static int configure(struct tap *t, const struct net_config *cfg, struct error *err)
{
	int sock, r;

	if (cfg->nr_fds)	/* its name may be one of another network namespace */
		return 0;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return error_set_errno(err, -errno, "--network: '%s': socket", t->ifname);
	r = t->created ? configure_new(t, cfg, sock, err) : inspect_found(t, cfg, sock, err);
	close(sock);
	return r;
}

/* A macvtap is given the frames to its own MAC only, so that must be the guest's. */
static int macvtap_mac(struct tap *t, const struct net_config *cfg, struct error *err)
{
	int fd = t->queue[0].fd;
	struct ifreq ifr;

	ifr_init(t, &ifr);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return error_set_errno(err, -errno, "--network: '%s': its MAC", t->ifname);
	memcpy(t->old_mac, ifr.ifr_hwaddr.sa_data, NET_MAC_LEN);
	if (cfg->guest_mac_given && memcmp(t->old_mac, cfg->guest_mac, NET_MAC_LEN)) {
		memcpy(ifr.ifr_hwaddr.sa_data, cfg->guest_mac, NET_MAC_LEN);
		if (ioctl(fd, SIOCSIFHWADDR, &ifr) < 0)
			return error_set_errno(err, -errno, "--network 'guest_mac=': '%s' has another and cannot take it", t->ifname);
		t->mac_changed = true;
	}
	memcpy(t->be.guest_mac, ifr.ifr_hwaddr.sa_data, NET_MAC_LEN);
	t->be.has_guest_mac = true;
	return 0;
}

/* --- descriptors --- */

static int open_tun(struct tap_queue *q, struct error *err)
{
	q->fd = open(tun_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (q->fd >= 0)
		return 0;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return error_set(err, -errno, "--network 'mode=tap': no %s: 'modprobe tun' loads the module", tun_path);
	return error_set_errno(err, -errno, "--network 'mode=tap': %s", tun_path);
}

static int tun_error(const struct net_config *cfg, int code, struct error *err)
{
	const char *name = cfg->ifname;

	if (!name && code == -EPERM)
		return error_set(err, code, "--network 'mode=tap': a new tap needs CAP_NET_ADMIN; root makes one for a user with "
				 "'ip tuntap add dev tap0 mode tap user NAME; ip link set tap0 up', then tapif=tap0");
	if (!name)
		return error_set_errno(err, code, "--network 'mode=tap': a new tap");
	if (code == -EPERM)
		return error_set(err, code, "--network 'tapif=%s': belongs to another user (ip tuntap add dev %s mode tap user NAME)",
				 name, name);
	if (code == -EBUSY)
		return error_set(err, code, "--network 'tapif=%s': another program has it open", name);
	if (code == -EINVAL && cfg->pairs > 1)
		return error_set(err, code, "--network 'tapif=%s': not a tap, or not one with several queues: 'mq=%u' wants "
				 "'ip tuntap add dev %s mode tap multi_queue'", name, cfg->pairs, name);
	if (code == -EINVAL)
		return error_set(err, code, "--network 'tapif=%s': is not a tap", name);
	return error_set_errno(err, code, "--network 'tapif=%s'", name);
}

static int take_tun(struct tap *t, struct tap_queue *q)
{
	struct ifreq ifr;

	ifr_init(t, &ifr);
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (t->multi ? IFF_MULTI_QUEUE : 0));
	if (ioctl(q->fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	str_copy(t->ifname, sizeof(t->ifname), ifr.ifr_name);
	q->enabled = true;
	return 0;
}

/* A new tap, or one that is there by name. A name that is not there is made only if a script is to set it up. */
static int open_by_name(struct tap *t, const struct net_config *cfg, struct error *err)
{
	bool found = cfg->ifname && if_nametoindex(cfg->ifname);
	unsigned int i;
	int r;

	if (cfg->ifname && !found && !cfg->script)
		return error_set(err, -ENODEV, "--network 'tapif=%s': no such interface ('ip tuntap add dev %s mode tap' makes it)",
				 cfg->ifname, cfg->ifname);
	str_copy(t->ifname, sizeof(t->ifname), cfg->ifname ? cfg->ifname : "tap%d");
	t->multi = cfg->pairs > 1;
	for (i = 0; i < cfg->pairs; i++) {
		r = open_tun(&t->queue[i], err);
		if (r < 0)
			return r;
		t->nr_queues = i + 1;
		r = take_tun(t, &t->queue[i]);
		if (r == -EINVAL && found && cfg->pairs == 1) {	/* made with multi_queue */
			t->multi = true;
			r = take_tun(t, &t->queue[i]);
		}
		if (r < 0)
			return tun_error(cfg, r, err);
		t->created = !found;
	}
	return 0;
}

/* /dev/tapN gives another queue of the same macvtap each time it is opened. */
static int open_macvtap(struct tap *t, const struct net_config *cfg, struct error *err)
{
	struct stat st;
	unsigned int i;
	int fd;

	if (stat(cfg->ifname, &st) < 0)
		return error_set_errno(err, -errno, "--network 'tapif=%s'", cfg->ifname);
	if (!S_ISCHR(st.st_mode) || st.st_rdev == makedev(MISC_MAJOR, TUN_MINOR))
		return error_set(err, -ENOTTY, "--network 'tapif=%s': not the device of a macvtap", cfg->ifname);
	t->multi = cfg->pairs > 1;
	for (i = 0; i < cfg->pairs; i++) {
		fd = open(cfg->ifname, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno == EBUSY)
			return error_set(err, -EBUSY, "--network 'tapif=%s': has no %s queue", cfg->ifname, i ? "further" : "free");
		if (fd < 0)
			return error_set_errno(err, -errno, "--network 'tapif=%s'", cfg->ifname);
		t->queue[i].fd = fd;
		t->nr_queues = i + 1;
	}
	return 0;
}

/* They are ours from here on. */
static int take_fds(struct tap *t, const struct net_config *cfg, struct error *err)
{
	unsigned int i;
	int flags;

	for (i = 0; i < cfg->nr_fds; i++)
		t->queue[i].fd = cfg->fd[i];
	t->nr_queues = cfg->nr_fds;
	t->multi = cfg->nr_fds > 1;
	for (i = 0; i < cfg->nr_fds; i++) {
		flags = fcntl(cfg->fd[i], F_GETFL);
		if (flags < 0 || fcntl(cfg->fd[i], F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(cfg->fd[i], F_SETFD, FD_CLOEXEC) < 0)
			return error_set_errno(err, -errno, "--network 'fd=%d'", cfg->fd[i]);
	}
	return 0;
}

static int bad_fd(struct error *err, const char *what, const char *why)
{
	return error_set(err, -EINVAL, "--network '%s': %s", what, why);
}

/* What came by device or descriptor: is it a tap, the same for all queues, with the header in front of its frames? */
static int check_queue(struct tap *t, const struct net_config *cfg, struct tap_queue *q, struct error *err)
{
	unsigned int want = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	char what[64] = "";
	struct ifreq ifr;
	struct stat st;

	if (cfg->nr_fds)
		snprintf(what, sizeof(what), "fd=%d", q->fd);
	else
		snprintf(what, sizeof(what), "tapif=%.40s", cfg->ifname);
	memset(&ifr, 0, sizeof(ifr));
	if (fstat(q->fd, &st) < 0 || !S_ISCHR(st.st_mode) || (ioctl(q->fd, TUNGETIFF, &ifr) < 0 && errno != EBADFD))
		return bad_fd(err, what, "is not a tap");
	if (!ifr.ifr_name[0])
		return bad_fd(err, what, "is a tap without an interface");
	t->macvtap = st.st_rdev != makedev(MISC_MAJOR, TUN_MINOR);
	if (t->macvtap) {	/* its flags are the queue's own */
		ifr.ifr_flags = (short)(want | (t->multi ? IFF_MULTI_QUEUE : 0));
		if (ioctl(q->fd, TUNSETIFF, &ifr) < 0)
			return error_set_errno(err, -errno, "--network '%s': '%s'", what, ifr.ifr_name);
	}
	if (((unsigned int)ifr.ifr_flags & want) != want)
		return bad_fd(err, what, "want a tap that was opened with IFF_TAP | IFF_NO_PI | IFF_VNET_HDR");
	if (t->multi && !(ifr.ifr_flags & IFF_MULTI_QUEUE))
		return bad_fd(err, what, "want IFF_MULTI_QUEUE for several queue pairs");
	if (q->index && strcmp(t->ifname, ifr.ifr_name))
		return bad_fd(err, what, "belongs to another interface than the descriptor before it");
	str_copy(t->ifname, sizeof(t->ifname), ifr.ifr_name);
	q->enabled = true;
	return 0;
}

static int open_vhost(struct tap *t, struct error *err)
{
	static const char path[] = "/dev/vhost-net";
	unsigned int i;

	for (i = 0; i < t->nr_queues; i++) {
		t->queue[i].vhost_fd = open(path, O_RDWR | O_CLOEXEC);
		if (t->queue[i].vhost_fd >= 0)
			continue;
		if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
			return error_set(err, -errno, "--network 'vhost=1': no %s: 'modprobe vhost_net' loads the module", path);
		return error_set_errno(err, -errno, "--network 'vhost=1': %s", path);
	}
	return 0;
}

int tap_queue_enable(struct tap *t, struct tap_queue *q, bool on)
{
	struct ifreq ifr = { .ifr_flags = (short)(on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE) };

	if (!t->multi || q->enabled == on)
		return 0;
	if (ioctl(q->fd, TUNSETQUEUE, &ifr) < 0)
		return -errno;
	q->enabled = on;
	return 0;
}

static int set_limits(struct tap *t, struct error *err)
{
	int sndbuf = SNDBUF, header = (int)t->be.hdr_len;
	unsigned int i;

	/* A macvtap does not tell its send buffer, which is the queue's own and goes with it. */
	if (!t->macvtap && ioctl(t->queue[0].fd, TUNGETSNDBUF, &t->old_sndbuf) < 0)
		return error_set_errno(err, -errno, "--network: '%s'", t->ifname);
	if (ioctl(t->queue[0].fd, TUNGETVNETHDRSZ, &t->old_header) < 0)
		return error_set_errno(err, -errno, "--network: '%s'", t->ifname);
	for (i = 0; i < t->nr_queues; i++)
		if (ioctl(t->queue[i].fd, TUNSETSNDBUF, &sndbuf) < 0 || ioctl(t->queue[i].fd, TUNSETVNETHDRSZ, &header) < 0)
			return error_set_errno(err, -errno, "--network: '%s'", t->ifname);
	return 0;
}

int tap_setup(struct tap *t, const struct net_config *cfg, struct error *err)
{
	bool device = cfg->ifname && cfg->ifname[0] == '/';
	unsigned int i;
	int r;

	r = cfg->nr_fds ? take_fds(t, cfg, err) : device ? open_macvtap(t, cfg, err) : open_by_name(t, cfg, err);
	for (i = 0; !r && (cfg->nr_fds || device) && i < t->nr_queues; i++)
		r = check_queue(t, cfg, &t->queue[i], err);
	if (!r)
		r = set_limits(t, err);
	if (!r && t->macvtap)
		r = macvtap_mac(t, cfg, err);
	if (!r)
		r = configure(t, cfg, err);
	if (!r && cfg->vhost)
		r = open_vhost(t, err);
	if (r < 0)
		return r;
	str_copy(t->be.name, sizeof(t->be.name), t->ifname);
	if (cfg->downscript && access(cfg->downscript, X_OK) < 0)	/* known before the up script ran */
		return error_set_errno(err, -errno, "--network 'downscript=%s': cannot be run", cfg->downscript);
	if (cfg->script)
		r = script_run("script", cfg->script, t->ifname, err);
	if (!r && cfg->downscript)
		r = script_prepare("downscript", cfg->downscript, t->ifname, &t->down, err);
	return r;
}

/* As it was found. Errors are those of an interface that is no more. */
static void restore(struct tap *t)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	unsigned int i;

	if (t->created || !t->old_header)
		return;
	ioctl(t->queue[0].fd, TUNSETOFFLOAD, 0);
	for (i = 0; i < t->nr_queues; i++) {
		if (!t->queue[i].enabled && !t->macvtap)
			continue;
		if (t->old_sndbuf)
			ioctl(t->queue[i].fd, TUNSETSNDBUF, &t->old_sndbuf);
		ioctl(t->queue[i].fd, TUNSETVNETHDRSZ, &t->old_header);
	}
	memcpy(ifr.ifr_hwaddr.sa_data, t->old_mac, NET_MAC_LEN);
	if (t->mac_changed)
		ioctl(t->queue[0].fd, SIOCSIFHWADDR, &ifr);
}

void tap_teardown(struct tap *t)
{
	unsigned int i;

	script_finish(t->ifname, &t->down);
	restore(t);
	for (i = 0; i < t->nr_queues; i++) {
		if (t->queue[i].vhost_fd >= 0)
			close(t->queue[i].vhost_fd);
		if (t->queue[i].fd >= 0)
			close(t->queue[i].fd);
	}
}
