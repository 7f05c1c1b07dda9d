/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network device with vhost=1: the host's kernel serves the receive and transmit queues, a pair on each of its descriptors.
 * Frames do not come by here, so the receive filter does nothing, as the specification allows [virtio-1.2 5.1.6.5.1].
 *
 * Which pairs carry frames is the tap's business: rings of all pairs run from the start, as far as the driver enabled them.
 *
 * Threads: those of net.c; tap_gone() on the VM's main loop.
 */
#include "virtio/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Device features that vhost-net must know. */
#define VHOST_OWN BIT_ULL(NET_F_MRG_RXBUF)

/* --- running --- */

/* A tap that is deleted. What vhost sends from then on is lost, and nobody says so. */
static void tap_gone(struct event_source *src, u32 events)
{
	struct virtio_net *net = container_of(src, struct virtio_net, gone);

	event_del(src);
	net->client.link_changed(&net->client, false);
}

void net_vhost_stop(struct virtio_net *net)
{
	unsigned int i, v;

	event_del(&net->gone);
	for (i = 0; i < net->max_pairs; i++) {
		for (v = 0; v < 2; v++)
			if (vhost_running(&net->vhost[i], v))
				vhost_net_set_backend(&net->vhost[i], v, -1);
		vhost_stop(&net->vhost[i]);
	}
}

int net_vhost_start(struct virtio_net *net)
{
	unsigned int i, v, pairs = virtio_has(&net->vdev, NET_F_MQ) ? net->max_pairs : 1;
	int r = 0;

	if (!atomic_load(&net->link_up))
		return 0;	/* the tap is gone: queues stand still, like those of a NIC without a cable */
	for (i = 0; !r && i < pairs; i++) {
		r = vhost_start(&net->vhost[i], VHOST_OWN);
		for (v = 0; !r && v < 2; v++)
			if (vhost_running(&net->vhost[i], v))
				r = vhost_net_set_backend(&net->vhost[i], v, net_tap_fd(net->be, i));
	}
	/* Errors are reported without being asked for. */
	if (!r)
		r = event_add(net->vdev.loop, &net->gone, net_tap_fd(net->be, 0), 0, tap_gone);
	if (r < 0) {
		log_ratelimited(&net->rate, LOG_WARNING, net->vdev.name, "vhost-net: %s", strerror(-r));
		net_vhost_stop(net);
	}
	return r;
}

void net_vhost_irq_changed(struct virtio_dev *vdev, unsigned int queue)
{
	vhost_irq_changed(&to_net(vdev)->vhost[queue / 2], queue % 2);
}

/* --- life --- */

int net_vhost_init(struct virtio_net *net)
{
	int r = 0;

	net->vhost = calloc(net->max_pairs, sizeof(*net->vhost));
	if (!net->vhost)
		return -ENOMEM;
	while (!r && net->nr_vhost < net->max_pairs) {
		r = vhost_init(&net->vhost[net->nr_vhost], &net->vdev, net_vhost_fd(net->be, net->nr_vhost),
			       net_rx_queue(net->nr_vhost), 2);
		if (!r)
			net->nr_vhost++;
	}
	return r;
}

void net_vhost_free(struct virtio_net *net)
{
	unsigned int i;

	for (i = 0; i < net->nr_vhost; i++)
		vhost_cleanup(&net->vhost[i]);
	free(net->vhost);
}

u64 net_vhost_offer(const struct virtio_net *net, u64 offered)
{
	return vhost_offer(&net->vhost[0], offered, VHOST_OWN);
}

int net_vhost_prepare(struct virtio_net *net)
{
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < net->nr_vhost; i++)
		r = vhost_own(&net->vhost[i]);
	return r;
}
