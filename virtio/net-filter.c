/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which frames a driver wants to receive. [virtio-1.2 5.1.6.5.1 - 5.1.6.5.3]
 *
 * It spares the driver frames that it would drop itself, no more: it guards nothing, and vhost does without it, as the
 * specification allows. Addresses beyond the table's room let all of their kind in.
 *
 * Threads: the caller's.
 */
#include "virtio/net.h"

#include "vmm/state.h"

static const u8 broadcast[NET_MAC_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

void net_filter_reset(struct net_filter *f)
{
	*f = (struct net_filter){ .promisc = true };
}

void net_filter_vlan(struct net_filter *f, u16 id, bool on)
{
	if (on)
		f->vlan[id / 64] |= BIT_ULL(id % 64);
	else
		f->vlan[id / 64] &= ~BIT_ULL(id % 64);
}

static bool has_mac(const u8 (*table)[NET_MAC_LEN], unsigned int nr, const u8 *mac)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!memcmp(table[i], mac, NET_MAC_LEN))
			return true;
	return false;
}

static bool vlan_accepts(const struct net_filter *f, const u8 *frame, size_t len)
{
	u16 type = get_be16(frame + 2 * NET_MAC_LEN), id;

	if (!f->vlan_on || (type != ETH_P_8021Q && type != ETH_P_8021AD))
		return true;
	if (len < ETH_LEN + VLAN_LEN)
		return false;	/* a tag cut short */
	id = get_be16(frame + ETH_LEN) & (NET_VLANS - 1);
	return f->vlan[id / 64] >> id % 64 & 1;
}

static bool address_accepts(const struct net_filter *f, const u8 own[NET_MAC_LEN], const u8 *to)
{
	if (!memcmp(to, broadcast, NET_MAC_LEN))
		return !f->nobcast;
	if (to[0] & 1)
		return !f->nomulti && (f->allmulti || f->multi_all || has_mac(f->multi, f->nr_multi, to));
	return !f->nouni && (f->alluni || f->uni_all || !memcmp(to, own, NET_MAC_LEN) || has_mac(f->uni, f->nr_uni, to));
}

bool net_filter_accepts(const struct net_filter *f, const u8 mac[NET_MAC_LEN], const u8 *frame, size_t len)
{
	if (f->promisc)		/* [5.1.6.5.1.1] whatever the other modes say */
		return true;
	return vlan_accepts(f, frame, len) && address_accepts(f, mac, frame);
}

/* --- state --- */

enum { S_PROMISC = 1, S_ALLMULTI = 2, S_ALLUNI = 4, S_NOMULTI = 8, S_NOUNI = 16, S_NOBCAST = 32, S_UNI_ALL = 64, S_MULTI_ALL = 128 };

void net_filter_save(const struct net_filter *f, struct state_writer *w)
{
	unsigned int i;

	state_put_u8(w, (f->promisc ? S_PROMISC : 0) | (f->allmulti ? S_ALLMULTI : 0) | (f->alluni ? S_ALLUNI : 0) |
			(f->nomulti ? S_NOMULTI : 0) | (f->nouni ? S_NOUNI : 0) | (f->nobcast ? S_NOBCAST : 0) |
			(f->uni_all ? S_UNI_ALL : 0) | (f->multi_all ? S_MULTI_ALL : 0));
	state_put_u32(w, f->nr_uni);
	state_put_bytes(w, f->uni, f->nr_uni * NET_MAC_LEN);
	state_put_u32(w, f->nr_multi);
	state_put_bytes(w, f->multi, f->nr_multi * NET_MAC_LEN);
	for (i = 0; i < ARRAY_SIZE(f->vlan); i++)
		state_put_u64(w, f->vlan[i]);
}

bool net_filter_load(struct net_filter *f, struct state_reader *r)
{
	struct net_filter n = { .vlan_on = f->vlan_on };
	unsigned int i;
	u8 modes;

	modes = state_get_u8(r);
	n.promisc = modes & S_PROMISC;
	n.allmulti = modes & S_ALLMULTI;
	n.alluni = modes & S_ALLUNI;
	n.nomulti = modes & S_NOMULTI;
	n.nouni = modes & S_NOUNI;
	n.nobcast = modes & S_NOBCAST;
	n.uni_all = modes & S_UNI_ALL;
	n.multi_all = modes & S_MULTI_ALL;
	n.nr_uni = state_get_u32_max(r, NET_FILTER_MACS);
	state_get_bytes(r, n.uni, n.nr_uni * NET_MAC_LEN);
	n.nr_multi = state_get_u32_max(r, NET_FILTER_MACS);
	state_get_bytes(r, n.multi, n.nr_multi * NET_MAC_LEN);
	for (i = 0; i < ARRAY_SIZE(n.vlan); i++)
		n.vlan[i] = state_get_u64(r);
	if (r->error)
		return false;
	*f = n;
	return true;
}
