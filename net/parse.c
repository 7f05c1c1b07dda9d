/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "-n mode=tap,mq=4,...": kvmtool's keys and ours. Every refusal is one line that names key and value. A key given twice: the
 * last one counts, but for hostfwd and those that follow from others.
 *
 * Threads: the main thread only.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "net/private.h"
#include "util/str.h"

/* What a spec said, beside the config: needed to judge it as a whole. */
struct spec {
	struct net_config cfg;
	bool guest_ip, host_ip, mq, ipv6;
};

const char *net_ip_text(u32 ip, char *buf)
{
	snprintf(buf, NET_IP_TEXT, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
	return buf;
}

/* Each: 0, or -EINVAL for a value that the key's `want` does not describe. @value may be cut in place. */

static int parse_mode(struct spec *s, char *value)
{
	static const char *const names[] = { [NET_NONE] = "none", [NET_USER] = "user", [NET_TAP] = "tap" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(value, names[i]))
			continue;
		s->cfg.mode = i;
		return 0;
	}
	return -EINVAL;
}

/* The one that NICs of this version have; --virtio-transport says which kind of PCI. */
static int parse_trans(struct spec *s, char *value)
{
	return strcmp(value, "pci") ? -EINVAL : 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Six numbers of one or two hex digits; neither all zero nor a group's. */
static int parse_mac(const char *s, u8 *ret)
{
	u8 mac[NET_MAC_LEN], any = 0;
	unsigned int i;
	int hi, lo;

	for (i = 0; i < NET_MAC_LEN; i++) {
		hi = hex_digit(*s);
		if (hi < 0)
			return -EINVAL;
		lo = hex_digit(*++s);
		if (lo >= 0)
			s++;
		mac[i] = (u8)(lo < 0 ? hi : hi << 4 | lo);
		any |= mac[i];
		if (*s != (i < NET_MAC_LEN - 1 ? ':' : '\0'))
			return -EINVAL;
		s++;
	}
	if (!any || (mac[0] & 1))
		return -EINVAL;
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

static int parse_guest_mac(struct spec *s, char *value)
{
	if (parse_mac(value, s->cfg.guest_mac) < 0)
		return -EINVAL;
	s->cfg.guest_mac_given = true;
	return 0;
}

static int parse_host_mac(struct spec *s, char *value)
{
	if (parse_mac(value, s->cfg.host_mac) < 0)
		return -EINVAL;
	s->cfg.host_mac_given = true;
	return 0;
}

/* A dotted quad of decimal numbers, whole. */
static int parse_quad(const char *s, u32 *ret)
{
	unsigned int i, v, digits;
	u32 ip = 0;

	for (i = 0; i < 4; i++) {
		for (v = digits = 0; *s >= '0' && *s <= '9' && digits < 3; digits++)
			v = v * 10 + (unsigned int)(*s++ - '0');
		if (!digits || v > 255 || *s != (i < 3 ? '.' : '\0'))
			return -EINVAL;
		s++;
		ip = ip << 8 | v;
	}
	*ret = ip;
	return 0;
}

/* An address that a machine can have. */
static int parse_ip(const char *s, u32 *ret)
{
	u32 ip;

	if (parse_quad(s, &ip) < 0 || !(ip >> 24) || ip >> 24 == 127 || ip >> 24 >= 224)
		return -EINVAL;
	*ret = ip;
	return 0;
}

static int parse_guest_ip(struct spec *s, char *value)
{
	s->guest_ip = true;
	return parse_ip(value, &s->cfg.guest_ip);
}

static int parse_host_ip(struct spec *s, char *value)
{
	s->host_ip = true;
	return parse_ip(value, &s->cfg.host_ip);
}

/* kvmtool's word for no script is "none". */
static int parse_script(const char **path, const char *value)
{
	*path = strcmp(value, "none") ? value : NULL;
	return *value ? 0 : -EINVAL;
}

static int parse_up(struct spec *s, char *value)
{
	return parse_script(&s->cfg.script, value);
}

static int parse_down(struct spec *s, char *value)
{
	return parse_script(&s->cfg.downscript, value);
}

/* A name as the kernel takes it, whole; '%' would make a pattern of it. */
static int parse_tapif(struct spec *s, char *value)
{
	bool path = !strncmp(value, "/dev/", 5) && value[5];
	const char *c;

	if (!path && (!*value || strlen(value) >= IFNAMSIZ || !strcmp(value, ".") || !strcmp(value, "..")))
		return -EINVAL;
	for (c = value; !path && *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("/:%", *c))
			return -EINVAL;
	s->cfg.ifname = value;
	return 0;
}

static int parse_switch(const char *value, bool *ret)
{
	bool on = !strcmp(value, "1") || !strcmp(value, "on");

	if (!on && strcmp(value, "0") && strcmp(value, "off"))
		return -EINVAL;
	*ret = on;
	return 0;
}

static int parse_vhost(struct spec *s, char *value)
{
	return parse_switch(value, &s->cfg.vhost);
}

static int parse_ipv6(struct spec *s, char *value)
{
	bool on;

	if (parse_switch(value, &on) < 0)
		return -EINVAL;
	s->cfg.no_ipv6 = !on;
	s->ipv6 = true;
	return 0;
}

/* "N[:N...]" */
static int parse_fd(struct spec *s, char *value)
{
	unsigned int i, n = 0;
	char *next;
	u64 fd;

	for (; value; value = next) {
		next = strchr(value, ':');
		if (next)
			*next++ = '\0';
		if (n == NET_MAX_PAIRS || str_to_u64(value, INT_MAX, &fd) || fd <= 2)
			return -EINVAL;
		for (i = 0; i < n; i++)
			if (s->cfg.fd[i] == (int)fd)
				return -EINVAL;
		s->cfg.fd[n++] = (int)fd;
	}
	s->cfg.nr_fds = n;
	return 0;
}

static int parse_number(const char *value, u64 min, u64 max, unsigned int *ret)
{
	u64 n;

	if (str_to_u64(value, max, &n) || n < min)
		return -EINVAL;
	*ret = (unsigned int)n;
	return 0;
}

static int parse_mq(struct spec *s, char *value)
{
	s->mq = true;
	return parse_number(value, 1, NET_MAX_PAIRS, &s->cfg.pairs);
}

static int parse_mtu(struct spec *s, char *value)
{
	return parse_number(value, NET_MTU_MIN, NET_MTU_MAX, &s->cfg.mtu);
}

/* "[ADDR]:PORT", cut in place; no address leaves @ip alone. */
static int parse_endpoint(char *s, u32 *ip, u16 *port)
{
	char *colon = strchr(s, ':');
	unsigned int n;

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	if (*s && parse_quad(s, ip) < 0)
		return -EINVAL;
	if (parse_number(colon + 1, 1, 65535, &n) < 0)
		return -EINVAL;
	*port = (u16)n;
	return 0;
}

static int parse_hostfwd(struct spec *s, char *value)
{
	struct net_forward f = { .udp = !strncmp(value, "udp:", 4) };
	char *guest = strchr(value, '-');

	if (!f.udp && strncmp(value, "tcp:", 4))
		return -EINVAL;
	if (!guest || s->cfg.nr_forwards == NET_MAX_FORWARDS)
		return -EINVAL;
	*guest++ = '\0';
	if (parse_endpoint(value + 4, &f.host_addr, &f.host_port) < 0 || parse_endpoint(guest, &f.guest_addr, &f.guest_port) < 0)
		return -EINVAL;
	s->cfg.forward[s->cfg.nr_forwards++] = f;
	return 0;
}

static const struct key {
	const char *name, *want;
	int (*parse)(struct spec *s, char *value);
} keys[] = {
	{ "mode", "user, tap or none", parse_mode },
	{ "trans", "pci, which is what NICs are attached by", parse_trans },
	{ "guest_mac", "xx:xx:xx:xx:xx:xx, neither zero nor multicast", parse_guest_mac },
	{ "host_mac", "xx:xx:xx:xx:xx:xx, neither zero nor multicast", parse_host_mac },
	{ "guest_ip", "an IPv4 address that a machine can have", parse_guest_ip },
	{ "host_ip", "an IPv4 address that a machine can have", parse_host_ip },
	{ "script", "a program's path, or none", parse_up },
	{ "downscript", "a program's path, or none", parse_down },
	{ "tapif", "an interface's name of 1 to 15 characters, or /dev/tapN", parse_tapif },
	{ "vhost", "0 or 1", parse_vhost },
	{ "fd", "1 to 8 different descriptors above 2, with ':' between", parse_fd },
	{ "mq", "1 to 8 queue pairs", parse_mq },
	{ "mtu", "68 to 65535 bytes", parse_mtu },
	{ "hostfwd", "tcp|udp:[address]:port-[address]:port, at most 32 of them", parse_hostfwd },
	{ "ipv6", "on or off", parse_ipv6 },
};

static int parse_item(struct spec *s, char *item, bool first, struct error *err)
{
	char *value = strchr(item, '='), shown[128];
	const struct key *k;

	if (!value && first && parse_mode(s, item) == 0)
		return 0;
	if (!value)
		return error_set(err, -EINVAL, "--network '%s': want key=value%s", item, first ? ", or user, tap or none" : "");
	str_copy(shown, sizeof(shown), item);	/* parsing cuts the value */
	*value++ = '\0';
	for (k = keys; k < keys + ARRAY_SIZE(keys); k++) {
		if (strcmp(k->name, item))
			continue;
		if (k->parse(s, value) < 0)
			return error_set(err, -EINVAL, "--network '%s': want %s", shown, k->want);
		return 0;
	}
	return error_set(err, -EINVAL, "--network '%s': no such key; want mode, trans, guest_mac, host_mac, guest_ip, host_ip, script, "
			 "downscript, tapif, vhost, fd, mq, mtu, hostfwd or ipv6", shown);
}

static int needs(struct error *err, const char *key, const char *mode)
{
	return error_set(err, -EINVAL, "--network '%s=': only with mode=%s", key, mode);
}

static int check_tap(struct spec *s, struct error *err)
{
	struct net_config *cfg = &s->cfg;
	const char *with_fd = cfg->ifname ? "tapif" : cfg->script ? "script" : cfg->downscript ? "downscript" : NULL;

	if (cfg->nr_forwards)
		return needs(err, "hostfwd", "user");
	if (s->ipv6)
		return needs(err, "ipv6", "user");
	if (cfg->nr_fds && !with_fd)
		with_fd = cfg->host_mac_given ? "host_mac" : NULL;
	if (cfg->nr_fds && with_fd)
		return error_set(err, -EINVAL, "--network '%s=' and 'fd=': whoever opened the descriptor has set the interface up",
				 with_fd);
	if (cfg->nr_fds && s->mq && cfg->pairs != cfg->nr_fds)
		return error_set(err, -EINVAL, "--network 'mq=%u': want one descriptor a pair, fd= has %u", cfg->pairs, cfg->nr_fds);
	if (cfg->nr_fds)
		cfg->pairs = cfg->nr_fds;
	return 0;
}

enum { USER_MTU_MAX = 65521 };	/* libslirp's: 64 KiB less its link header */

/* The network is host_ip/24: host .1, names .3, guest .15, each moved out of the way of one that was given. */
static int check_user(struct spec *s, struct error *err)
{
	struct net_config *cfg = &s->cfg;
	const char *tap_only = cfg->vhost ? "vhost" : cfg->nr_fds ? "fd" : cfg->ifname ? "tapif" : cfg->script ? "script" :
			       cfg->downscript ? "downscript" : cfg->host_mac_given ? "host_mac" : NULL;
	char a[NET_IP_TEXT], b[NET_IP_TEXT];
	unsigned int i;
	u32 to;

	if (tap_only)
		return needs(err, tap_only, "tap");
	if (cfg->pairs > 1)
		return error_set(err, -EINVAL, "--network 'mq=%u': only with mode=tap: user mode has one queue pair", cfg->pairs);
	if (cfg->mtu > USER_MTU_MAX)
		return error_set(err, -EINVAL, "--network 'mtu=%u': want at most %u with mode=user", cfg->mtu, USER_MTU_MAX);
	if ((cfg->guest_ip ^ cfg->host_ip) & ~255u)
		return error_set(err, -EINVAL, "--network 'guest_ip=%s': not in the network of host_ip=%s/24",
				 net_ip_text(cfg->guest_ip, a), net_ip_text(cfg->host_ip, b));
	if (!(cfg->host_ip & 255) || (cfg->host_ip & 255) == 255)
		return error_set(err, -EINVAL, "--network 'host_ip=%s': the address of a network", net_ip_text(cfg->host_ip, a));
	if (cfg->guest_ip == cfg->host_ip || !(cfg->guest_ip & 255) || (cfg->guest_ip & 255) == 255)
		return error_set(err, -EINVAL, "--network 'guest_ip=%s': want one that is free beside host_ip=%s/24",
				 net_ip_text(cfg->guest_ip, a), net_ip_text(cfg->host_ip, b));
	for (i = 0; i < cfg->nr_forwards; i++) {
		to = cfg->forward[i].guest_addr;
		if (to && ((to ^ cfg->host_ip) & ~255u || to == cfg->host_ip))
			return error_set(err, -EINVAL, "--network 'hostfwd=...-%s:%u': not a guest in the network of host_ip=%s/24",
					 net_ip_text(to, a), cfg->forward[i].guest_port, net_ip_text(cfg->host_ip, b));
	}
	return 0;
}

/* 192.168.(33 + index).0/24, so that a guest with several NICs can tell their networks apart. */
static void set_defaults(struct spec *s, unsigned int index)
{
	static const u8 mac[NET_MAC_LEN] = { 0x02, 0x15, 0x15, 0x15, 0x15, 0x15 };
	u32 net = 192u << 24 | 168 << 16 | ((33 + index) & 255) << 8;
	struct net_config *cfg = &s->cfg;

	if (s->host_ip)
		net = cfg->host_ip & ~255u;
	else if (s->guest_ip)
		net = cfg->guest_ip & ~255u;
	if (!s->host_ip)
		cfg->host_ip = net | (cfg->guest_ip == (net | 1) ? 2 : 1);
	if (!s->guest_ip)
		cfg->guest_ip = net | (cfg->host_ip == (net | 15) ? 16 : 15);
	if (!cfg->guest_mac_given) {
		memcpy(cfg->guest_mac, mac, sizeof(mac));
		cfg->guest_mac[5] = (u8)(mac[5] + index);
	}
}

int net_parse(char *spec, unsigned int index, struct net_config *ret, struct error *err)
{
	struct spec s = { .cfg = { .mode = NET_TAP, .pairs = 1 } };
	char *item, *next;
	int r;

	for (item = spec; item; item = next) {
		next = strchr(item, ',');
		if (next)
			*next++ = '\0';
		r = parse_item(&s, item, item == spec, err);
		if (r < 0)
			return r;
	}
	set_defaults(&s, index);
	r = s.cfg.mode == NET_TAP ? check_tap(&s, err) : s.cfg.mode == NET_USER ? check_user(&s, err) : 0;
	if (r < 0)
		return r;
	*ret = s.cfg;
	return 0;
}
