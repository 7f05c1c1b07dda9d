/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control queue of the network device. [virtio-1.2 5.1.6.5]
 *
 * A command is class, command and data to read, and a byte for the answer. Data must be exactly as long as the command says;
 * what is shorter, longer, not negotiated or unknown gets ERR and changes nothing.
 *
 * Left out: RSS, hash reports, notification coalescing, statistics: not offered.
 *
 * Threads: loop's.
 */
#include "virtio/net.h"

#include <errno.h>

/* [5.1.6.5] */
enum { CTRL_HEADER = 2, CTRL_OK = 0, CTRL_ERR = 1 };
enum { CTRL_RX = 0, CTRL_MAC = 1, CTRL_VLAN = 2, CTRL_ANNOUNCE = 3, CTRL_MQ = 4, CTRL_GUEST_OFFLOADS = 5 };
enum { RX_PROMISC = 0, RX_ALLMULTI = 1, RX_ALLUNI = 2, RX_NOMULTI = 3, RX_NOUNI = 4, RX_NOBCAST = 5 };
enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1 };
enum { VLAN_ADD = 0, VLAN_DEL = 1 };
enum { ANNOUNCE_ACK = 0 };
enum { MQ_VQ_PAIRS_SET = 0 };
enum { GUEST_OFFLOADS_SET = 0 };

/* The data of a command. */
struct ctrl_data {
	const struct virtq_chain *c;
	u64 off, left;
};

/* The next @len bytes. False: there are not that many, and nothing was taken. */
static bool take(struct ctrl_data *d, void *ret, size_t len)
{
	if (len > d->left)
		return false;
	iov_to_buf(d->c->iov, d->c->out_cnt, d->off, ret, len);
	d->off += len;
	d->left -= len;
	return true;
}

/* All of it is @len bytes. */
static bool take_all(struct ctrl_data *d, void *ret, size_t len)
{
	return d->left == len && take(d, ret, len);
}

static bool ctrl_rx(struct virtio_net *net, u8 command, struct ctrl_data *d)
{
	struct net_filter *f = &net->filter;
	bool *mode[] = {
		[RX_PROMISC] = &f->promisc, [RX_ALLMULTI] = &f->allmulti, [RX_ALLUNI] = &f->alluni,
		[RX_NOMULTI] = &f->nomulti, [RX_NOUNI] = &f->nouni, [RX_NOBCAST] = &f->nobcast,
	};
	u8 on;

	if (command >= ARRAY_SIZE(mode) ||
	    !virtio_has(&net->vdev, command <= RX_ALLMULTI ? NET_F_CTRL_RX : NET_F_CTRL_RX_EXTRA))
		return false;
	if (!take_all(d, &on, 1) || on > 1)
		return false;
	*mode[command] = on;
	return true;
}

/* A table of any length: what is beyond our room is let in unseen. */
static bool take_macs(struct ctrl_data *d, u8 (*ret)[NET_MAC_LEN], unsigned int *ret_nr, bool *ret_all)
{
	u8 n[4];
	u64 bytes;

	if (!take(d, n, sizeof(n)))
		return false;
	bytes = (u64)get_le32(n) * NET_MAC_LEN;
	if (bytes > d->left)
		return false;
	*ret_all = get_le32(n) > NET_FILTER_MACS;
	*ret_nr = *ret_all ? 0 : get_le32(n);
	if (!*ret_all)
		return take(d, ret, bytes);
	d->off += bytes;
	d->left -= bytes;
	return true;
}

static bool mac_table_set(struct virtio_net *net, struct ctrl_data *d)
{
	struct net_filter n = net->filter;

	if (!take_macs(d, n.uni, &n.nr_uni, &n.uni_all) || !take_macs(d, n.multi, &n.nr_multi, &n.multi_all) || d->left)
		return false;
	net->filter = n;
	return true;
}

static bool ctrl_mac(struct virtio_net *net, u8 command, struct ctrl_data *d)
{
	u8 mac[NET_MAC_LEN];

	if (command == MAC_TABLE_SET && virtio_has(&net->vdev, NET_F_CTRL_RX))
		return mac_table_set(net, d);
	if (command != MAC_ADDR_SET || !virtio_has(&net->vdev, NET_F_CTRL_MAC_ADDR) || !take_all(d, mac, sizeof(mac)))
		return false;
	net_set_mac(net, mac);
	return true;
}

static bool ctrl_vlan(struct virtio_net *net, u8 command, struct ctrl_data *d)
{
	u8 id[2];

	if (command > VLAN_DEL || !virtio_has(&net->vdev, NET_F_CTRL_VLAN) || !take_all(d, id, sizeof(id)) ||
	    get_le16(id) >= NET_VLANS)
		return false;
	net_filter_vlan(&net->filter, get_le16(id), command == VLAN_ADD);
	return true;
}

static bool ctrl_announce(struct virtio_net *net, u8 command, struct ctrl_data *d)
{
	if (command != ANNOUNCE_ACK || !virtio_has(&net->vdev, NET_F_GUEST_ANNOUNCE) || d->left)
		return false;
	atomic_store(&net->announce, false);
	return true;
}

static bool ctrl_mq(struct virtio_net *net, u8 command, struct ctrl_data *d)
{
	unsigned int i, had = net->pairs;
	u8 n[2];
	int r;

	if (command != MQ_VQ_PAIRS_SET || !virtio_has(&net->vdev, NET_F_MQ) || !take_all(d, n, sizeof(n)) || !get_le16(n) ||
	    get_le16(n) > net->max_pairs)
		return false;
	r = net_set_pairs(net->be, get_le16(n));
	if (r < 0) {
		log_ratelimited(&net->rate, LOG_WARNING, net->vdev.name, "cannot use %u queue pairs: %s", get_le16(n), strerror(-r));
		return false;
	}
	net->pairs = get_le16(n);
	if (net->vhost)
		return true;
	/* Those that came to be used have waited, and those that are no longer are to take no frame. */
	for (i = MIN(had, net->pairs); i < MAX(had, net->pairs); i++) {
		net->pair[i].tx_blocked = false;
		virtio_queue_kick(&net->vdev, net_tx_queue(i));
		net_rx_run(net, i);
	}
	return true;
}

static bool ctrl_offloads(struct virtio_net *net, u8 command, struct ctrl_data *d)
{
	u64 had = net->offloads;
	u8 bits[8];

	if (command != GUEST_OFFLOADS_SET || !virtio_has(&net->vdev, NET_F_CTRL_GUEST_OFFLOADS) || !take_all(d, bits, sizeof(bits)) ||
	    (get_le64(bits) & ~(net->vdev.accepted & NET_GUEST_OFFLOADS)))
		return false;
	net->offloads = get_le64(bits);
	if (net_apply_offloads(net) == 0)
		return true;
	net->offloads = had;
	return false;
}

static bool execute(struct virtio_net *net, const struct virtq_chain *c)
{
	static bool (*const classes[])(struct virtio_net *net, u8 command, struct ctrl_data *d) = {
		[CTRL_RX] = ctrl_rx, [CTRL_MAC] = ctrl_mac, [CTRL_VLAN] = ctrl_vlan, [CTRL_ANNOUNCE] = ctrl_announce,
		[CTRL_MQ] = ctrl_mq, [CTRL_GUEST_OFFLOADS] = ctrl_offloads,
	};
	struct ctrl_data d = { .c = c, .left = c->out_len };
	u8 head[CTRL_HEADER];

	if (!take(&d, head, sizeof(head)))
		return false;
	if (head[0] < ARRAY_SIZE(classes) && classes[head[0]](net, head[1], &d))
		return true;
	net_refuse(net, "control command %u.%u with %llu bytes is refused", head[0], head[1],
		   (unsigned long long)c->out_len - CTRL_HEADER);
	return false;
}

static void serve(struct virtio_net *net, struct virtq *vq, const struct virtq_chain *c)
{
	u8 ack;

	if (!c->in_len) {	/* no way to tell how it went: it does not happen */
		net_refuse(net, "control command without a byte for its answer");
		virtq_push(vq, c, 0);
		return;
	}
	ack = execute(net, c) ? CTRL_OK : CTRL_ERR;
	counter_add(&net->count.commands, 1);
	iov_from_buf(c->iov + c->out_cnt, c->in_cnt, 0, &ack, 1);
	virtq_push(vq, c, 1);
}

void net_ctrl_run(struct virtio_net *net)
{
	unsigned int queue = net_ctrl_queue(net), n = 0;
	struct virtq *vq = virtio_queue(&net->vdev, queue);
	struct virtq_chain c = { .iov = net->tx_iov, .room = NET_CHAIN_IOV };

	do {
		virtq_disable_notify(vq);
		for (; n < NET_BATCH && virtq_pop(vq, &c) > 0; n++)
			serve(net, vq, &c);
	} while (n < NET_BATCH && virtq_enable_notify(vq));
	if (n == NET_BATCH)
		virtio_queue_kick(&net->vdev, queue);
	virtio_queue_interrupt(&net->vdev, queue);
}
