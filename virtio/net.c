/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network device: config space, life. [virtio-1.2 5.1] Its queues are in net-rx.c, net-tx.c and net-ctrl.c; with vhost=1 the
 * host's kernel serves receive and transmit queues (net-vhost.c), and the control queue stays ours.
 *
 * Left out on purpose: RSS and hash reports (one flow table, the tap's own, is enough), notification coalescing, SPEED_DUPLEX (no
 * answer would be true), RSC_EXT, STANDBY, HDRLEN, UDP tunnels.
 *
 * Invariants:
 * 1. Frames flow between start and stop only: the back end is attached then, or vhost has its tap.
 * 2. Between them the back end is called on the loop's thread; else with vdev->lock held. Handlers are out when start and stop run,
 *    so the fields that both use need no lock; those that others read are atomic.
 * 3. What the back end is told (header length, offloads, pairs) follows from the state here, and is told anew at each start.
 *
 * Threads: one event loop of the NIC's own, made by prepare; with vhost the VM's main loop, on which only the control queue
 * and what vhost cannot do itself are served.
 */
#include "virtio/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "vmm/state.h"
#include "vmm/virtio.h"

/* struct virtio_net_config [5.1.4] */
enum { CFG_MAC = 0, CFG_STATUS = 6, CFG_MAX_PAIRS = 8, CFG_MTU = 10, CFG_SIZE = 12 };
enum { S_LINK_UP = 1, S_ANNOUNCE = 2 };

/* --- config space --- */

static void net_config_read(struct virtio_dev *vdev, unsigned int off, void *buf, unsigned int len)
{
	struct virtio_net *net = to_net(vdev);
	u8 cfg[CFG_SIZE] = { 0 };

	net_mac(net, cfg + CFG_MAC);
	put_le16(cfg + CFG_STATUS, (atomic_load(&net->link_up) ? S_LINK_UP : 0) | (atomic_load(&net->announce) ? S_ANNOUNCE : 0));
	put_le16(cfg + CFG_MAX_PAIRS, (u16)net->max_pairs);
	put_le16(cfg + CFG_MTU, (u16)net->mtu);
	memcpy(buf, cfg + off, len);
}

/* [5.1.4.3] A legacy driver sets its address here. */
static void net_config_write(struct virtio_dev *vdev, unsigned int off, const void *buf, unsigned int len)
{
	struct virtio_net *net = to_net(vdev);
	u8 mac[NET_MAC_LEN];

	if (!vdev->legacy || off >= NET_MAC_LEN)
		return;
	net_mac(net, mac);
	memcpy(mac + off, buf, MIN(len, NET_MAC_LEN - off));
	net_set_mac(net, mac);
}

/* --- running --- */

static bool is_broken(const struct virtio_net *net)
{
	return atomic_load(&net->vdev.status) & VIRTIO_S_NEEDS_RESET;
}

static void net_notify(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_net *net = to_net(vdev);
	unsigned int pairs = virtio_has(vdev, NET_F_MQ) ? net->max_pairs : 1;

	if (virtio_has(vdev, NET_F_CTRL_VQ) && queue == net_ctrl_queue(net))
		net_ctrl_run(net);
	else if (net->vhost)
		net_refuse(net, "queue %u stands still without its tap", queue);
	else if (queue >= 2 * pairs)
		net_refuse(net, "queue %u does not exist with these features", queue);
	else if (queue % 2)
		net_tx_run(net, queue / 2);
	else
		net_rx_run(net, queue / 2);
}

static void net_receivable(struct net_client *c, unsigned int pair)
{
	struct virtio_net *net = container_of(c, struct virtio_net, client);

	if (is_broken(net))
		net_want_receive(net->be, pair, false);
	else
		net_rx_run(net, pair);
}

static void net_sendable(struct net_client *c, unsigned int pair)
{
	struct virtio_net *net = container_of(c, struct virtio_net, client);

	net->pair[pair].tx_blocked = false;
	if (!is_broken(net))
		net_tx_run(net, pair);
}

static void net_link_changed(struct net_client *c, bool up)
{
	struct virtio_net *net = container_of(c, struct virtio_net, client);

	if (atomic_exchange(&net->link_up, up) != up)
		virtio_config_changed(&net->vdev);
}

/* (inv. 3) An interface that is gone takes nothing, and needs nothing. */
static int configure(struct virtio_net *net)
{
	int r = net_set_header(net->be, net->hdr_len);

	if (!r)
		r = net_apply_offloads(net);
	if (!r)
		r = net_set_pairs(net->be, net->pairs);
	return net_link_up(net->be) ? r : 0;
}

/* --- life --- */

static int net_prepare(struct virtio_dev *vdev, struct error *err)
{
	struct virtio_net *net = to_net(vdev);
	int r;

	if (net->vhost) {
		r = net_vhost_prepare(net);
		return r < 0 ? error_set_errno(err, r, "network '%s': vhost-net", net_describe(net->be)) : 0;
	}
	r = event_loop_create(vdev->name, &net->loop);
	if (!r)
		r = event_loop_start_thread_as(net->loop, net_thread_class(net->be));
	return r < 0 ? error_set_errno(err, r, "network '%s': its thread", net_describe(net->be)) : 0;
}

static int net_start(struct virtio_dev *vdev)
{
	struct virtio_net *net = to_net(vdev);
	unsigned int i;
	int r;

	atomic_store(&net->link_up, net_link_up(net->be));
	r = configure(net);
	if (r < 0)
		return r;
	for (i = 0; i < net->max_pairs; i++)
		net->pair[i].tx_blocked = false;
	if (net->vhost) {
		r = net_vhost_start(net);
	} else {
		vdev->loop = net->loop;
		r = net_attach(net->be, net->loop, &net->client);
	}
	if (r < 0)
		return r;
	if (net->announce_due) {
		net->announce_due = false;
		net_announce(net);
	}
	return 0;
}

static void net_stop(struct virtio_dev *vdev)
{
	struct virtio_net *net = to_net(vdev);
	unsigned int i;

	if (net->vhost) {
		net_vhost_stop(net);
		return;
	}
	net_detach(net->be);
	for (i = 0; i < net->max_pairs; i++)
		net_rx_stop(net, i);
}

/* [5.1.6.5.4] */
void net_announce(struct virtio_net *net)
{
	if (!virtio_has(&net->vdev, NET_F_GUEST_ANNOUNCE) || !atomic_load(&net->link_up))
		return;
	atomic_store(&net->announce, true);
	virtio_config_changed(&net->vdev);
}

static void net_reset(struct virtio_dev *vdev)
{
	struct virtio_net *net = to_net(vdev);

	net_set_mac(net, net->power_on_mac);
	atomic_store(&net->announce, false);
	net->announce_due = false;
	net_filter_reset(&net->filter);
	net->offloads = 0;
	net->hdr_len = HDR_LEN;
	net->pairs = 1;
}

static void net_save(struct virtio_dev *vdev, struct state_writer *w)
{
	struct virtio_net *net = to_net(vdev);
	u8 mac[NET_MAC_LEN];

	net_mac(net, mac);
	state_put_bytes(w, mac, sizeof(mac));
	state_put_u64(w, net->offloads);
	state_put_u16(w, (u16)net->pairs);
	state_put_u8(w, atomic_load(&net->announce));
	net_filter_save(&net->filter, w);
}

static int net_load(struct virtio_dev *vdev, struct state_reader *r)
{
	struct virtio_net *net = to_net(vdev);
	u8 mac[NET_MAC_LEN], announce;
	u64 offloads;
	u16 pairs;

	state_get_bytes(r, mac, sizeof(mac));
	offloads = state_get_u64(r);
	pairs = state_get_u16(r);
	announce = state_get_u8(r);
	if (r->error || (offloads & ~(vdev->accepted & NET_GUEST_OFFLOADS)) || !pairs || pairs > net->max_pairs ||
	    (pairs > 1 && !virtio_has(vdev, NET_F_MQ)) || announce > 1 || !net_filter_load(&net->filter, r))
		return -EBADMSG;
	net_set_mac(net, mac);
	net->offloads = offloads;
	net->pairs = pairs;
	atomic_store(&net->announce, announce);
	net->announce_due = true;	/* where we are now others do not know */
	return 0;
}

static void net_stats_json(struct virtio_dev *vdev, struct strbuf *b)
{
	struct virtio_net *net = to_net(vdev);
	const struct {
		const char *name;
		_Atomic u64 *counter;
	} table[] = {
		{ "rx_frames", &net->count.rx_frames }, { "rx_bytes", &net->count.rx_bytes },
		{ "rx_dropped", &net->count.rx_dropped }, { "rx_filtered", &net->count.rx_filtered },
		{ "rx_errors", &net->count.rx_errors }, { "tx_frames", &net->count.tx_frames },
		{ "tx_bytes", &net->count.tx_bytes }, { "tx_errors", &net->count.tx_errors },
		{ "tx_full", &net->count.tx_full }, { "commands", &net->count.commands },
	};
	unsigned int i;

	json_bool(b, "vhost", net->vhost);	/* whose frames are not among these */
	json_bool(b, "link", atomic_load(&net->link_up));
	for (i = 0; i < ARRAY_SIZE(table); i++)
		json_u64(b, table[i].name, counter_get(table[i].counter));
	json_begin(b, "host");
	net_stats(net->be, b);
	json_end(b);
}

static void free_all(struct virtio_net *net)
{
	unsigned int i;

	event_loop_free(net->loop);
	net_vhost_free(net);
	for (i = 0; i < net->max_pairs; i++)
		net_rx_free(&net->pair[i].rx);
	free(net);
}

static void net_free(struct virtio_dev *vdev)
{
	struct virtio_net *net = to_net(vdev);
	struct net_backend *be = net->be;

	free_all(net);
	net_close(be);
}

static const struct virtio_ops net_ops = {
	.id = VIRTIO_ID_NET,
	.pci_class = 0x020000,
	.legacy_pci_id = 0x1000,
	.prepare = net_prepare,
	.config_read = net_config_read,
	.config_write = net_config_write,
	.features_valid = net_features_valid,
	.features_ok = net_features_ok,
	.start = net_start,
	.stop = net_stop,
	.queue_irq_changed = net_vhost_irq_changed,
	.queue_notify = net_notify,
	.reset = net_reset,
	.save = net_save,
	.load = net_load,
	.free = net_free,
	.stats = net_stats_json,
};

static int set_up(struct virtio_net *net, struct net_backend *be, const struct net_config *cfg)
{
	unsigned int i;
	int r = 0;

	net->be = be;
	net->max_pairs = net_max_pairs(be);
	net->mtu = net_mtu(be);
	net->client = (struct net_client){ .receivable = net_receivable, .sendable = net_sendable, .link_changed = net_link_changed };
	if (!net_guest_mac(be, net->power_on_mac))
		memcpy(net->power_on_mac, cfg->guest_mac, NET_MAC_LEN);
	atomic_store(&net->link_up, net_link_up(be));
	net_reset(&net->vdev);
	if (net_vhost_fd(be, 0) >= 0)
		return net_vhost_init(net);
	for (i = 0; !r && i < net->max_pairs; i++)
		r = net_rx_init(&net->pair[i].rx);
	return r;
}

int virtio_net_create(struct vm *vm, struct net_backend *be, const struct net_config *cfg, unsigned int index, struct error *err)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	unsigned int i, queues = 2 * net_max_pairs(be) + 1;
	u16 sizes[VIRTIO_MAX_QUEUES];
	struct virtio_init init = {
		.ops = &net_ops,
		.features = net_features(be),
		.config_size = CFG_SIZE,
		.nr_queues = queues,
		.queue_sizes = sizes,
		.in_order_ok = true,
		.index = index,
		.kind = "net",
	};
	int r;

	if (!net)
		return error_set_errno(err, -ENOMEM, "virtio-net");
	for (i = 0; i < queues; i++)
		sizes[i] = NET_QUEUE_SIZE;
	r = set_up(net, be, cfg);
	if (r < 0)
		error_set_errno(err, r, "network '%s': %s", net_describe(be), net->vhost ? "vhost-net" : "virtio-net");
	else
		r = virtio_dev_create(vm, &net->vdev, &init, err);
	if (r < 0) {
		free_all(net);
		return r;
	}
	if (net->vhost)
		net->vdev.offered = net_vhost_offer(net, net->vdev.offered);
	return 0;
}
