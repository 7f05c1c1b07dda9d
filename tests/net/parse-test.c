/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What -n takes: each key, each refusal, and what does not go together.
 * links: net/parse.c util/str.c util/error.c
 */
#include "tests/tap.h"

#include <errno.h>

#include "vmm/net.h"

static char spec[4096];
static struct net_config cfg;
static struct error err;

static int parse(const char *s)
{
	snprintf(spec, sizeof(spec), "%s", s);
	err.msg[0] = '\0';
	return net_parse(spec, 0, &cfg, &err);
}

/* Refused with just this line, and nothing written. */
static bool refused(const char *s, const char *line)
{
	struct net_config before = cfg;

	if (parse(s) == -EINVAL && !strcmp(err.msg, line) && !memcmp(&before, &cfg, sizeof(cfg)))
		return true;
	printf("# '%s' gives \"%s\"\n", s, err.msg);
	return false;
}

/* ", want ..." of a key whose every bad value gets it. */
static bool bad_values(const char *key, const char *want, const char *const *values)
{
	char item[256], line[512];

	for (; *values; values++) {
		snprintf(item, sizeof(item), "%s=%s", key, *values);
		snprintf(line, sizeof(line), "--network '%s': want %s", item, want);
		if (!refused(item, line))
			return false;
	}
	return true;
}

#define BAD_VALUES(key, want, ...) CHECK(bad_values(key, want, (const char *const[]){ __VA_ARGS__, NULL }))

TEST(mode_is_a_key_or_the_first_word)
{
	CHECK_EQ(parse("mode=user"), 0);
	CHECK_EQ(cfg.mode, NET_USER);
	CHECK_EQ(parse("mode=tap"), 0);
	CHECK_EQ(cfg.mode, NET_TAP);
	CHECK_EQ(parse("mode=none"), 0);
	CHECK_EQ(cfg.mode, NET_NONE);
	CHECK_EQ(parse("user"), 0);
	CHECK_EQ(cfg.mode, NET_USER);
	CHECK_EQ(parse("none"), 0);
	CHECK_EQ(cfg.mode, NET_NONE);
	CHECK_EQ(parse("tap,mq=2"), 0);
	CHECK_EQ(cfg.mode, NET_TAP);
	CHECK_EQ(cfg.pairs, 2);
	CHECK_EQ(parse("mtu=1400"), 0);		/* kvmtool's: no mode is tap */
	CHECK_EQ(cfg.mode, NET_TAP);
	CHECK_EQ(parse("mode=user,mode=tap"), 0);
	CHECK_EQ(cfg.mode, NET_TAP);
	BAD_VALUES("mode", "user, tap or none", "", "bridge", "USER", "user ", "tapx");
	CHECK(refused("bridge", "--network 'bridge': want key=value, or user, tap or none"));
	CHECK(refused("", "--network '': want key=value, or user, tap or none"));
	CHECK(refused("mtu=1400,user", "--network 'user': want key=value"));
	CHECK(refused("user,", "--network '': want key=value"));
	CHECK(refused("user,,mtu=1400", "--network '': want key=value"));
}

TEST(unknown_keys_are_refused_by_name)
{
	CHECK(refused("mod=user", "--network 'mod=user': no such key; want mode, trans, guest_mac, host_mac, guest_ip, host_ip, script, "
				  "downscript, tapif, vhost, fd, mq, mtu, hostfwd or ipv6"));
	CHECK_EQ(parse("=user"), -EINVAL);
	CHECK_EQ(parse("MODE=user"), -EINVAL);
}

TEST(transport_is_that_of_nics)
{
	CHECK_EQ(parse("user,trans=pci"), 0);
	BAD_VALUES("trans", "pci, which is what NICs are attached by", "mmio", "pci-legacy", "mmio-legacy", "", "pcix");
}

TEST(macs)
{
	CHECK_EQ(parse("guest_mac=02:0a:Bc:4:0:ff,host_mac=2:1:1:1:1:1"), 0);
	CHECK(!memcmp(cfg.guest_mac, "\x02\x0a\xbc\x04\x00\xff", 6) && cfg.guest_mac_given);
	CHECK(!memcmp(cfg.host_mac, "\2\1\1\1\1\1", 6) && cfg.host_mac_given);
	BAD_VALUES("guest_mac", "xx:xx:xx:xx:xx:xx, neither zero nor multicast", "", "02", "02:15:15:15:15", "02:15:15:15:15:15:15",
		   "02:15:15:15:15:15:", "02:15:15:15:15:1g", "02:15:15:15:15:015", "02-15-15-15-15-15", "0:0:0:0:0:0",
		   "03:15:15:15:15:15", "ff:ff:ff:ff:ff:ff", ":2:15:15:15:15:15", " 2:15:15:15:15:15");
	BAD_VALUES("host_mac", "xx:xx:xx:xx:xx:xx, neither zero nor multicast", "x", "01:0:0:0:0:1", "0:0:0:0:0:0");
}

TEST(default_mac_and_network_follow_the_index)
{
	strcpy(spec, "user");
	CHECK_EQ(net_parse(spec, 3, &cfg, &err), 0);
	CHECK(!memcmp(cfg.guest_mac, "\x02\x15\x15\x15\x15\x18", 6));
	CHECK(!cfg.guest_mac_given && !cfg.host_mac_given);
	CHECK_EQ(cfg.host_ip, 0xc0a82401);
	CHECK_EQ(cfg.guest_ip, 0xc0a8240f);
	CHECK_EQ(parse("user"), 0);
	CHECK(!memcmp(cfg.guest_mac, "\x02\x15\x15\x15\x15\x15", 6));
	CHECK_EQ(cfg.host_ip, 0xc0a82101);
	CHECK_EQ(cfg.guest_ip, 0xc0a8210f);
	strcpy(spec, "user,guest_mac=2:0:0:0:0:1");
	CHECK_EQ(net_parse(spec, 1000, &cfg, &err), 0);
	CHECK(!memcmp(cfg.guest_mac, "\2\0\0\0\0\1", 6));
}

TEST(addresses)
{
	CHECK_EQ(parse("user,host_ip=10.0.0.1,guest_ip=10.0.0.200"), 0);
	CHECK_EQ(cfg.host_ip, 0x0a000001);
	CHECK_EQ(cfg.guest_ip, 0x0a0000c8);
	CHECK_EQ(parse("user,host_ip=10.0.0.15"), 0);	/* the other one makes room */
	CHECK_EQ(cfg.guest_ip, 0x0a000010);
	CHECK_EQ(parse("user,guest_ip=10.0.0.1"), 0);
	CHECK_EQ(cfg.host_ip, 0x0a000002);
	CHECK_EQ(parse("tap,host_ip=10.0.0.1,guest_ip=172.16.0.1"), 0);	/* a tap's guest has what it gives itself */
	BAD_VALUES("host_ip", "an IPv4 address that a machine can have", "", "10.0.0", "10.0.0.1.2", "10.0.0.256", "10.0.0.1/24", "10..0.1",
		   "a.b.c.d", "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.0001", "+1.0.0.1", "::1");
	BAD_VALUES("guest_ip", "an IPv4 address that a machine can have", "x", "127.0.0.1");
	CHECK(refused("user,host_ip=10.0.0.1,guest_ip=10.0.1.2", "--network 'guest_ip=10.0.1.2': not in the network of host_ip=10.0.0.1/24"));
	CHECK(refused("user,host_ip=10.0.0.1,guest_ip=10.0.0.1", "--network 'guest_ip=10.0.0.1': want one that is free beside host_ip=10.0.0.1/24"));
	CHECK(refused("user,guest_ip=10.0.0.0", "--network 'guest_ip=10.0.0.0': want one that is free beside host_ip=10.0.0.1/24"));
	CHECK(refused("user,guest_ip=10.0.0.255", "--network 'guest_ip=10.0.0.255': want one that is free beside host_ip=10.0.0.1/24"));
	CHECK(refused("user,host_ip=10.0.0.0", "--network 'host_ip=10.0.0.0': the address of a network"));
	CHECK(refused("user,host_ip=10.0.0.255", "--network 'host_ip=10.0.0.255': the address of a network"));
}

TEST(scripts)
{
	CHECK_EQ(parse("script=/etc/up=1,downscript=./down"), 0);
	CHECK_STR(cfg.script, "/etc/up=1");
	CHECK_STR(cfg.downscript, "./down");
	CHECK_EQ(parse("script=none,downscript=none"), 0);
	CHECK(!cfg.script && !cfg.downscript);
	BAD_VALUES("script", "a program's path, or none", "");
	BAD_VALUES("downscript", "a program's path, or none", "");
	CHECK(refused("user,script=/up", "--network 'script=': only with mode=tap"));
	CHECK(refused("user,downscript=/down", "--network 'downscript=': only with mode=tap"));
}

TEST(interfaces)
{
	CHECK_EQ(parse("tapif=tap0"), 0);
	CHECK_STR(cfg.ifname, "tap0");
	CHECK_EQ(parse("tapif=exactly15.chars"), 0);
	CHECK_EQ(parse("tapif=/dev/tap17"), 0);
	CHECK_STR(cfg.ifname, "/dev/tap17");
	BAD_VALUES("tapif", "an interface's name of 1 to 15 characters, or /dev/tapN", "", ".", "..", "sixteencharacter", "a/b", "/dev/",
		   "/tmp/tap0", "tap%d", "a b", "a:b", "tap\t", "t\xc3\xa4p");
	CHECK(refused("user,tapif=tap0", "--network 'tapif=': only with mode=tap"));
}

TEST(vhost)
{
	CHECK_EQ(parse("vhost=1"), 0);
	CHECK(cfg.vhost);
	CHECK_EQ(parse("vhost=on"), 0);
	CHECK(cfg.vhost);
	CHECK_EQ(parse("vhost=0"), 0);
	CHECK(!cfg.vhost);
	CHECK_EQ(parse("vhost=1,mq=4"), 0);	/* which kvmtool refuses */
	CHECK(cfg.vhost);
	CHECK_EQ(parse("user,vhost=0"), 0);
	BAD_VALUES("vhost", "0 or 1", "", "2", "yes", "-1", "11");
	CHECK(refused("user,vhost=1", "--network 'vhost=': only with mode=tap"));
	CHECK(refused("vhost=1,mode=user", "--network 'vhost=': only with mode=tap"));
}

TEST(descriptors)
{
	CHECK_EQ(parse("fd=5"), 0);
	CHECK_EQ(cfg.nr_fds, 1);
	CHECK_EQ(cfg.fd[0], 5);
	CHECK_EQ(cfg.pairs, 1);
	CHECK_EQ(parse("fd=5:7:3,mq=3"), 0);
	CHECK_EQ(cfg.nr_fds, 3);
	CHECK_EQ(cfg.fd[2], 3);
	CHECK_EQ(parse("fd=5:7"), 0);
	CHECK_EQ(cfg.pairs, 2);
	CHECK_EQ(parse("fd=3:4:5:6:7:8:9:10"), 0);
	BAD_VALUES("fd", "1 to 8 different descriptors above 2, with ':' between", "", "x", "-1", "2", "0", "5:", ":5", "5:5", "2147483648",
		   "5x", "3:4:5:6:7:8:9:10:11");
	CHECK(refused("fd=5,mq=2", "--network 'mq=2': want one descriptor a pair, fd= has 1"));
	CHECK(refused("fd=5:6,mq=1", "--network 'mq=1': want one descriptor a pair, fd= has 2"));
	CHECK(refused("fd=5,tapif=tap0", "--network 'tapif=' and 'fd=': whoever opened the descriptor has set the interface up"));
	CHECK(refused("fd=5,script=/up", "--network 'script=' and 'fd=': whoever opened the descriptor has set the interface up"));
	CHECK(refused("fd=5,downscript=/x", "--network 'downscript=' and 'fd=': whoever opened the descriptor has set the interface up"));
	CHECK(refused("fd=5,host_mac=2:0:0:0:0:1", "--network 'host_mac=' and 'fd=': whoever opened the descriptor has set the interface up"));
	CHECK(refused("user,fd=5", "--network 'fd=': only with mode=tap"));
}

TEST(queue_pairs)
{
	CHECK_EQ(parse("mq=8"), 0);
	CHECK_EQ(cfg.pairs, 8);
	CHECK_EQ(parse("tap"), 0);
	CHECK_EQ(cfg.pairs, 1);
	CHECK_EQ(parse("user,mq=1"), 0);
	BAD_VALUES("mq", "1 to 8 queue pairs", "", "0", "9", "-1", "1x", "99999999999999999999");
	CHECK(refused("user,mq=2", "--network 'mq=2': only with mode=tap: user mode has one queue pair"));
}

TEST(mtu)
{
	CHECK_EQ(parse("mtu=68"), 0);
	CHECK_EQ(cfg.mtu, 68);
	CHECK_EQ(parse("mtu=65535"), 0);
	CHECK_EQ(parse("tap"), 0);
	CHECK_EQ(cfg.mtu, 0);
	BAD_VALUES("mtu", "68 to 65535 bytes", "", "67", "65536", "1500b", "-1");
	CHECK_EQ(parse("user,mtu=65521"), 0);
	CHECK(refused("user,mtu=65522", "--network 'mtu=65522': want at most 65521 with mode=user"));
}

TEST(forwards)
{
	char many[2048] = "user";
	unsigned int i;

	CHECK_EQ(parse("user,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:5353-192.168.33.15:53"), 0);
	CHECK_EQ(cfg.nr_forwards, 2);
	CHECK(!cfg.forward[0].udp && !cfg.forward[0].host_addr && !cfg.forward[0].guest_addr);
	CHECK_EQ(cfg.forward[0].host_port, 2222);
	CHECK_EQ(cfg.forward[0].guest_port, 22);
	CHECK(cfg.forward[1].udp);
	CHECK_EQ(cfg.forward[1].host_addr, 0x7f000001);
	CHECK_EQ(cfg.forward[1].guest_addr, 0xc0a8210f);
	CHECK_EQ(parse("user,hostfwd=tcp:0.0.0.0:1-:65535"), 0);
	BAD_VALUES("hostfwd", "tcp|udp:[address]:port-[address]:port, at most 32 of them", "", "tcp", "tcp:", "tcp::", "tcp::22", "tcp::22-",
		   "tcp::22-22", "tcp:22-:22", "sctp::22-:22", "tcp::0-:22", "tcp::22-:0", "tcp::65536-:22", "tcp:x:22-:22",
		   "tcp::22-x:22", "tcp::22-:22-", "tcp:1.2.3:22-:22", "tcp:::22-:22", "TCP::22-:22", "tcp::-:22");
	for (i = 0; i < 32; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), ",hostfwd=tcp::%u-:22", 1000 + i);
	CHECK_EQ(parse(many), 0);
	CHECK_EQ(cfg.nr_forwards, NET_MAX_FORWARDS);
	strcat(many, ",hostfwd=tcp::999-:22");
	CHECK(refused(many, "--network 'hostfwd=tcp::999-:22': want tcp|udp:[address]:port-[address]:port, at most 32 of them"));
	CHECK(refused("tap,hostfwd=tcp::22-:22", "--network 'hostfwd=': only with mode=user"));
	CHECK(refused("user,hostfwd=tcp::22-10.0.0.1:23",
		      "--network 'hostfwd=...-10.0.0.1:23': not a guest in the network of host_ip=192.168.33.1/24"));
	CHECK(refused("user,hostfwd=tcp::22-192.168.33.1:23",
		      "--network 'hostfwd=...-192.168.33.1:23': not a guest in the network of host_ip=192.168.33.1/24"));
}

TEST(ipv6)
{
	CHECK_EQ(parse("user"), 0);
	CHECK(!cfg.no_ipv6);
	CHECK_EQ(parse("user,ipv6=off"), 0);
	CHECK(cfg.no_ipv6);
	CHECK_EQ(parse("user,ipv6=on"), 0);
	CHECK(!cfg.no_ipv6);
	BAD_VALUES("ipv6", "on or off", "", "maybe");
	CHECK(refused("tap,ipv6=off", "--network 'ipv6=': only with mode=user"));
}

TEST(host_mac_is_a_taps)
{
	CHECK(refused("user,host_mac=2:1:1:1:1:1", "--network 'host_mac=': only with mode=tap"));
	CHECK_EQ(parse("none,mq=4"), 0);	/* no network: nothing has to go together */
}

int main(void)
{
	RUN(mode_is_a_key_or_the_first_word);
	RUN(unknown_keys_are_refused_by_name);
	RUN(transport_is_that_of_nics);
	RUN(macs);
	RUN(default_mac_and_network_follow_the_index);
	RUN(addresses);
	RUN(scripts);
	RUN(interfaces);
	RUN(vhost);
	RUN(descriptors);
	RUN(queue_pairs);
	RUN(mtu);
	RUN(forwards);
	RUN(ipv6);
	RUN(host_mac_is_a_taps);
	return tap_done();
}
