/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The receive queues of the network device. [virtio-1.2 5.1.6.3, 5.1.6.4]
 *
 * A frame is read from the back end straight into the driver's buffers, with the spill of our own behind them for what does not fit.
 * With MRG_RXBUF as many chains are popped ahead as an ordinary frame needs; after a large one, as many as the largest needs, so that a
 * stream of large ones is not copied either. The rest of a frame is copied from the spill into further chains.
 * Chains that are not used stay popped for the next frame.
 *
 * Invariants:
 * 1. Popped chains are completed in the order they were popped, and only from the front. So the ones that are left can be put back.
 * 2. What is judged is a copy of the header and the first bytes of the frame. The driver may write over its buffers meanwhile: only
 *    what it receives itself then changes.
 * 3. rx->frame != 0: a frame lies in the chains and the spill, judged and wanted; nothing is read till it is delivered or dropped.
 * 4. The receive queue waits for a kick only when the ring is empty: whoever waits can be woken.
 *
 * Threads: loop's; net_rx_stop() while it is kept out.
 */
#include "virtio/net.h"

#include <errno.h>
#include <stdlib.h>

enum { ORDINARY = HDR_LEN + ETH_LEN + VLAN_LEN + 1500, BIG_FRAMES = 32 };

enum rx_step {
	RX_ON,		/* a frame, or a chain that is of no use, is done with */
	RX_NO_FRAME,
	RX_NO_CHAIN,
	RX_GONE,	/* the interface */
};

static struct net_rx_chain *chain_at(struct net_rx *rx, unsigned int i)
{
	return &rx->chain[(rx->first + i) % NET_QUEUE_SIZE];
}

static bool mergeable(const struct virtio_net *net)
{
	return virtio_has(&net->vdev, NET_F_MRG_RXBUF);
}

/* --- the chains popped ahead --- */

/* Room for one more chain's pieces behind the others, and in the ring of chains. */
static bool make_room(struct net_rx *rx)
{
	if (rx->cnt == NET_QUEUE_SIZE)
		return false;
	if (rx->iov_end + NET_CHAIN_IOV <= NET_RX_IOV)
		return true;
	memmove(rx->iov, rx->iov + rx->iov_first, (rx->iov_end - rx->iov_first) * sizeof(*rx->iov));
	rx->iov_end -= rx->iov_first;
	rx->iov_first = 0;
	return rx->iov_end + NET_CHAIN_IOV <= NET_RX_IOV;
}

/* One more chain behind the others. 1; 0: the ring has none, or is broken. Needs make_room(). */
static int pop_chain(struct net_rx *rx, struct virtq *vq)
{
	struct iovec *at = rx->iov + rx->iov_end;
	struct virtq_chain c = { .iov = at, .room = NET_CHAIN_IOV };
	struct net_rx_chain *rc;

	if (virtq_pop(vq, &c) <= 0)
		return 0;
	if (c.out_cnt)		/* nothing here is for the device to read */
		memmove(at, at + c.out_cnt, c.in_cnt * sizeof(*at));
	rc = chain_at(rx, rx->cnt++);
	*rc = (struct net_rx_chain){ .c = c, .pieces = c.in_cnt };
	rx->iov_end += c.in_cnt;
	rx->ndesc += c.ndesc;
	rx->room += c.in_len;
	return 1;
}

/* The first chain has left. */
static void drop_first(struct net_rx *rx)
{
	struct net_rx_chain *rc = chain_at(rx, 0);

	rx->iov_first += rc->pieces;
	rx->ndesc -= rc->c.ndesc;
	rx->room -= rc->c.in_len;
	rx->first = (rx->first + 1) % NET_QUEUE_SIZE;
	if (!--rx->cnt)
		rx->iov_first = rx->iov_end = 0;
}

/* Chains for the next frame. False: not even one. */
static bool gather(struct virtio_net *net, struct net_rx *rx, struct virtq *vq)
{
	u64 want = !mergeable(net) ? 1 : rx->big ? HDR_LEN + NET_FRAME_MAX : ORDINARY;

	while (rx->room < want && make_room(rx) && pop_chain(rx, vq))
		;
	return rx->cnt;
}

/* --- the frame that was read --- */

/* As the driver may see it. [5.1.6.4.1] */
static void settle_header(struct virtio_net *net, struct net_rx *rx, const u8 *hdr)
{
	static const u8 none;

	/* The host's tap says DATA_VALID whatever it was told. */
	if (hdr[HDR_FLAGS] && !virtio_has(&net->vdev, NET_F_GUEST_CSUM))
		iov_from_buf(rx->iov + rx->iov_first, rx->iov_end - rx->iov_first, HDR_FLAGS, &none, 1);
}

/* [5.1.4.1] */
static bool beyond_mtu(const struct virtio_net *net, const u8 *hdr, const u8 *frame, u32 len)
{
	u16 type = get_be16(frame + 2 * NET_MAC_LEN);
	u32 eth = ETH_LEN + (type == ETH_P_8021Q || type == ETH_P_8021AD ? VLAN_LEN : 0);

	return virtio_has(&net->vdev, NET_F_MTU) && (hdr[HDR_GSO_TYPE] & ~GSO_ECN) == GSO_NONE && len > net->mtu + eth;
}

/* Is the frame of @len bytes with its header one for the driver? Counts what is not. */
static bool judge(struct virtio_net *net, struct net_rx *rx, u32 len)
{
	u8 head[HDR_LEN + ETH_LEN + VLAN_LEN] = { 0 }, mac[NET_MAC_LEN];
	const u8 *frame = head + net->hdr_len;
	size_t n;

	if (len < net->hdr_len + ETH_LEN || len > net->hdr_len + NET_FRAME_MAX) {
		counter_add(&net->count.rx_errors, 1);
		return false;
	}
	n = iov_to_buf(rx->iov + rx->iov_first, rx->iov_end - rx->iov_first + 1, 0, head, MIN((size_t)len, sizeof(head)));
	if (beyond_mtu(net, head, frame, len - net->hdr_len)) {
		counter_add(&net->count.rx_errors, 1);
		return false;
	}
	net_mac(net, mac);
	if (!net_filter_accepts(&net->filter, mac, frame, n - net->hdr_len)) {
		counter_add(&net->count.rx_filtered, 1);
		return false;
	}
	settle_header(net, rx, head);
	return true;
}

/* Reads a frame behind the chains that are there. */
static enum rx_step read_frame(struct virtio_net *net, struct net_rx *rx, unsigned int pair)
{
	ssize_t r;

	rx->iov[rx->iov_end] = (struct iovec){ .iov_base = rx->spill, .iov_len = NET_SPILL };
	r = net_receive(net->be, pair, rx->iov + rx->iov_first, rx->iov_end - rx->iov_first + 1);
	if (r == -EAGAIN)
		return RX_NO_FRAME;
	if (r < 0)
		return RX_GONE;
	if (rx->big)
		rx->big--;
	if ((u64)r > rx->room && mergeable(net))
		rx->big = BIG_FRAMES;
	if (judge(net, rx, (u32)r)) {
		rx->frame = (u32)r;
		rx->spilled_at = (u32)MIN(rx->room, (u64)r);
	}
	return RX_ON;
}

static void lose_frame(struct virtio_net *net, struct net_rx *rx, unsigned int pair, const char *why)
{
	rx->frame = 0;
	counter_add(&net->count.rx_dropped, 1);
	net_refuse(net, "queue %u: a frame is dropped: %s", net_rx_queue(pair), why);
}

/* Has chains for all of the frame. Else it waits for more (RX_NO_CHAIN), or was dropped (RX_ON, no frame). */
static enum rx_step spread(struct virtio_net *net, struct net_rx *rx, struct virtq *vq, unsigned int pair)
{
	unsigned int end;
	u64 at;

	if (!mergeable(net) && rx->room < rx->frame) {
		lose_frame(net, rx, pair, "longer than its buffer");
		return RX_ON;
	}
	while (rx->room < rx->frame) {
		if (!make_room(rx)) {
			lose_frame(net, rx, pair, "the buffers for it are in too many pieces");
			return RX_ON;
		}
		at = rx->room;
		end = rx->iov_end;
		if (!pop_chain(rx, vq)) {
			if (rx->ndesc < vq->cfg.size)
				return RX_NO_CHAIN;
			/* The driver has nothing left to make available: waiting would be for ever. */
			lose_frame(net, rx, pair, "longer than all buffers of its queue");
			return RX_ON;
		}
		iov_from_buf(rx->iov + end, rx->iov_end - end, 0, rx->spill + (at - rx->spilled_at), rx->frame - at);
	}
	return RX_ON;
}

/* Completes the chains that the frame takes, which the driver must see all at once. [5.1.6.4.1] */
static void hand_over(struct virtio_net *net, struct net_rx *rx, struct virtq *vq)
{
	u64 left = rx->frame;
	unsigned int n = 0;
	u8 num[2];
	u32 len;

	if (net->hdr_len == HDR_LEN) {
		for (u64 sum = 0; sum < left; n++)
			sum += chain_at(rx, n)->c.in_len;
		put_le16(num, (u16)n);
		iov_from_buf(rx->iov + rx->iov_first, rx->iov_end - rx->iov_first, HDR_NUM_BUFFERS, num, sizeof(num));
	}
	counter_add(&net->count.rx_frames, 1);
	counter_add(&net->count.rx_bytes, left - net->hdr_len);
	virtq_push_begin(vq);
	while (left) {
		len = (u32)MIN(left, chain_at(rx, 0)->c.in_len);
		virtq_push(vq, &chain_at(rx, 0)->c, len);
		drop_first(rx);
		left -= len;
	}
	virtq_push_end(vq);
	rx->frame = 0;
}

static enum rx_step step(struct virtio_net *net, struct net_rx *rx, struct virtq *vq, unsigned int pair)
{
	enum rx_step r;

	if (!rx->frame) {
		if (!gather(net, rx, vq))
			return RX_NO_CHAIN;
		if (chain_at(rx, 0)->c.in_len < net->hdr_len) {	/* [5.1.6.3.1] */
			net_refuse(net, "queue %u: a buffer is shorter than the header", net_rx_queue(pair));
			virtq_push(vq, &chain_at(rx, 0)->c, 0);
			drop_first(rx);
			return RX_ON;
		}
		r = read_frame(net, rx, pair);
		if (r != RX_ON || !rx->frame)
			return r;
	}
	r = spread(net, rx, vq, pair);
	if (r == RX_ON && rx->frame)
		hand_over(net, rx, vq);
	return r;
}

void net_rx_run(struct virtio_net *net, unsigned int pair)
{
	unsigned int queue = net_rx_queue(pair), n = 0;
	struct virtq *vq = virtio_queue(&net->vdev, queue);
	struct net_rx *rx = &net->pair[pair].rx;
	enum rx_step r = RX_NO_CHAIN;

	if (pair < net->pairs) {
		virtq_disable_notify(vq);
		for (; n < NET_BATCH; n++) {
			r = step(net, rx, vq, pair);
			if (r == RX_NO_CHAIN && virtq_enable_notify(vq))
				virtq_disable_notify(vq);	/* one came just now */
			else if (r != RX_ON)
				break;
		}
		if (n == NET_BATCH && r != RX_ON)
			virtio_queue_kick(&net->vdev, queue);
		virtio_queue_interrupt(&net->vdev, queue);
	} else if (rx->frame) {
		lose_frame(net, rx, pair, "its queue is used no longer");
	}
	/* Without a chain frames wait where they are (inv. 4): a kick, or more pairs, bring us back. */
	net_want_receive(net->be, pair, r == RX_ON || r == RX_NO_FRAME);
}

/* --- life --- */

int net_rx_init(struct net_rx *rx)
{
	rx->chain = calloc(NET_QUEUE_SIZE, sizeof(*rx->chain));
	rx->iov = calloc(NET_RX_IOV + 1, sizeof(*rx->iov));
	rx->spill = malloc(NET_SPILL);
	return rx->chain && rx->iov && rx->spill ? 0 : -ENOMEM;
}

void net_rx_free(struct net_rx *rx)
{
	free(rx->chain);
	free(rx->iov);
	free(rx->spill);
}

void net_rx_stop(struct virtio_net *net, unsigned int pair)
{
	struct net_rx *rx = &net->pair[pair].rx;
	struct virtq *vq = virtio_queue(&net->vdev, net_rx_queue(pair));

	if (rx->frame)
		lose_frame(net, rx, pair, "the queue stops");
	while (rx->cnt)		/* (inv. 1) */
		virtq_unpop(vq, &chain_at(rx, --rx->cnt)->c);
	rx->iov_first = rx->iov_end = rx->ndesc = rx->big = 0;
	rx->room = 0;
}
