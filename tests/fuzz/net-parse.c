/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One value of -n, after a byte that is the NIC's index: what is accepted is whole and within its bounds; what is refused has one line
 * that says why.
 *
 * links: net/parse.c util/str.c util/error.c
 */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/net.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void accepted(const struct net_config *cfg)
{
	unsigned int i;

	check(cfg->pairs >= 1 && cfg->pairs <= NET_MAX_PAIRS && cfg->nr_fds <= NET_MAX_PAIRS && cfg->nr_forwards <= NET_MAX_FORWARDS);
	check(!cfg->mtu || (cfg->mtu >= NET_MTU_MIN && cfg->mtu <= NET_MTU_MAX));
	check(!(cfg->guest_mac[0] & 1) && cfg->host_ip && cfg->guest_ip);
	check(!cfg->ifname || (*cfg->ifname && (*cfg->ifname == '/' || strlen(cfg->ifname) < IFNAMSIZ)));
	check(!cfg->script || *cfg->script);
	check(!cfg->downscript || *cfg->downscript);
	for (i = 0; i < cfg->nr_forwards; i++)
		check(cfg->forward[i].host_port && cfg->forward[i].guest_port);
	if (cfg->mode == NET_TAP) {
		check(!cfg->nr_forwards && (!cfg->nr_fds || (cfg->nr_fds == cfg->pairs && !cfg->ifname && !cfg->script)));
	} else if (cfg->mode == NET_USER) {
		check(!cfg->vhost && !cfg->nr_fds && !cfg->ifname && cfg->pairs == 1);
		check(!((cfg->host_ip ^ cfg->guest_ip) & ~255u) && cfg->host_ip != cfg->guest_ip);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct error err = { .msg = "" };
	struct net_config cfg;
	char *spec;

	if (!size)
		return 0;
	spec = strndup((const char *)data + 1, size - 1);	/* of exact size, so that a byte too far is seen */
	check(spec);
	if (net_parse(spec, data[0], &cfg, &err) == 0)
		accepted(&cfg);
	else
		check(*err.msg);
	free(spec);
	return 0;
}
