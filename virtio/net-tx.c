/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transmit queues of the network device. [virtio-1.2 5.1.6.2]
 *
 * A frame goes from guest memory to the back end in one net_send(). One that can be no frame is dropped and counted, and its chain
 * completed: the specification lets a device break over it, but a queue that lives on is what the driver's other users want. A
 * full back end leaves the chain in the ring, unpopped, until it says that there is room.
 *
 * Threads: loop's.
 */
#include "virtio/net.h"

#include <errno.h>

/* 0: the chain is done with. -EAGAIN: later. */
static int send_frame(struct virtio_net *net, unsigned int pair, const struct virtq_chain *c)
{
	if (c->out_len < net->hdr_len + ETH_LEN || c->out_len > net->hdr_len + NET_FRAME_MAX) {
		counter_add(&net->count.tx_errors, 1);
		net_refuse(net, "queue %u: %llu bytes are no frame and its header", net_tx_queue(pair), (unsigned long long)c->out_len);
		return 0;
	}
	if (net_send(net->be, pair, c->iov, c->out_cnt) == -EAGAIN)
		return -EAGAIN;
	counter_add(&net->count.tx_frames, 1);
	counter_add(&net->count.tx_bytes, c->out_len - net->hdr_len);
	return 0;
}

/* At most @room chains; gives how many were completed. */
static unsigned int take(struct virtio_net *net, unsigned int pair, struct virtq *vq, unsigned int room)
{
	struct virtq_chain c = { .iov = net->tx_iov, .room = NET_CHAIN_IOV };
	unsigned int n;

	for (n = 0; n < room && virtq_pop(vq, &c) > 0; n++) {
		if (send_frame(net, pair, &c) < 0) {
			virtq_unpop(vq, &c);
			net->pair[pair].tx_blocked = true;
			counter_add(&net->count.tx_full, 1);
			break;
		}
		virtq_push(vq, &c, 0);
	}
	return n;
}

void net_tx_run(struct virtio_net *net, unsigned int pair)
{
	struct net_pair *p = &net->pair[pair];
	unsigned int queue = net_tx_queue(pair), n = 0;
	struct virtq *vq = virtio_queue(&net->vdev, queue);

	if (pair >= net->pairs)
		return;		/* [5.1.6.5.6.1] not to be used; looked at when it may be */
	if (p->tx_blocked)
		return;
	do {
		virtq_disable_notify(vq);
		n += take(net, pair, vq, NET_BATCH - n);
	} while (n < NET_BATCH && !p->tx_blocked && virtq_enable_notify(vq));
	if (n == NET_BATCH)
		virtio_queue_kick(&net->vdev, queue);
	virtio_queue_interrupt(&net->vdev, queue);
}
