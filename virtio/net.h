/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network device between its files: net.c (device, life), net-features.c, net-rx.c and net-tx.c (the data path in lkvm), net-ctrl.c (control
 * queue), net-filter.c (which frames the driver wants), net-vhost.c. [virtio-1.2 5.1]
 */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include <stdatomic.h>

#include "virtio/vhost.h"
#include "virtio/virtio.h"
#include "vmm/net.h"

/* [virtio-1.2 5.1.3]; USO [virtio-1.3 5.1.3] */
enum {
	NET_F_CSUM = 0, NET_F_GUEST_CSUM = 1, NET_F_CTRL_GUEST_OFFLOADS = 2, NET_F_MTU = 3, NET_F_MAC = 5, NET_F_GUEST_TSO4 = 7,
	NET_F_GUEST_TSO6 = 8, NET_F_GUEST_ECN = 9, NET_F_GUEST_UFO = 10, NET_F_HOST_TSO4 = 11, NET_F_HOST_TSO6 = 12,
	NET_F_HOST_ECN = 13, NET_F_HOST_UFO = 14, NET_F_MRG_RXBUF = 15, NET_F_STATUS = 16, NET_F_CTRL_VQ = 17, NET_F_CTRL_RX = 18,
	NET_F_CTRL_VLAN = 19, NET_F_CTRL_RX_EXTRA = 20, NET_F_GUEST_ANNOUNCE = 21, NET_F_MQ = 22, NET_F_CTRL_MAC_ADDR = 23,
	NET_F_GUEST_USO4 = 54, NET_F_GUEST_USO6 = 55, NET_F_HOST_USO = 56,
};

/* What frames towards the driver may use, and CTRL_GUEST_OFFLOADS_SET may turn off. */
#define NET_GUEST_OFFLOADS                                                                                                      \
	(BIT_ULL(NET_F_GUEST_CSUM) | BIT_ULL(NET_F_GUEST_TSO4) | BIT_ULL(NET_F_GUEST_TSO6) | BIT_ULL(NET_F_GUEST_ECN) |        \
	 BIT_ULL(NET_F_GUEST_UFO) | BIT_ULL(NET_F_GUEST_USO4) | BIT_ULL(NET_F_GUEST_USO6))

/* struct virtio_net_hdr [5.1.6]: byte offsets */
enum { HDR_FLAGS = 0, HDR_GSO_TYPE = 1, HDR_NUM_BUFFERS = 10, HDR_LEN = 12, HDR_LEN_OLD = 10 };
enum { GSO_NONE = 0, GSO_ECN = 0x80 };

enum { ETH_LEN = 14, VLAN_LEN = 4, ETH_P_8021Q = 0x8100, ETH_P_8021AD = 0x88a8 };

enum {
	NET_QUEUE_SIZE = 256,
	NET_CHAIN_IOV = NET_QUEUE_SIZE + 8,	/* pieces of one chain; some room for RAM that is not in one range */
	NET_BATCH = 64,				/* frames or commands in one run of a queue: then others have their turn */
	NET_RX_IOV = 1023,			/* with the spill as many as readv(2) takes */
	NET_SPILL = HDR_LEN + NET_FRAME_MAX + 1,
	NET_FILTER_MACS = 64,			/* of each kind */
	NET_VLANS = 4096,
};

/*
 * Which frames reach the driver [5.1.6.5.1, 5.1.6.5.2, 5.1.6.5.3]. Everything does until the driver says otherwise: promisc is how a
 * device begins, since a driver may know nothing of filters.
 */
struct net_filter {
	bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
	bool vlan_on;		/* CTRL_VLAN was negotiated */
	bool uni_all, multi_all;	/* more addresses than there is room for: all are let in */
	unsigned int nr_uni, nr_multi;
	u8 uni[NET_FILTER_MACS][NET_MAC_LEN], multi[NET_FILTER_MACS][NET_MAC_LEN];
	u64 vlan[NET_VLANS / 64];
};

void net_filter_reset(struct net_filter *f);
/* @frame: its first @len >= ETH_LEN bytes, of which ETH_LEN + VLAN_LEN are enough. @mac: the device's own address. */
bool net_filter_accepts(const struct net_filter *f, const u8 mac[NET_MAC_LEN], const u8 *frame, size_t len);
void net_filter_vlan(struct net_filter *f, u16 id, bool on);
void net_filter_save(const struct net_filter *f, struct state_writer *w);
/* False: not what save() writes. */
bool net_filter_load(struct net_filter *f, struct state_reader *r);

/* Counted on the loop's thread, read by any. */
struct net_counters {
	_Atomic u64 rx_frames, rx_bytes, rx_dropped, rx_filtered, rx_errors;
	_Atomic u64 tx_frames, tx_bytes, tx_errors, tx_full, commands;
};

/* A receive chain that was popped and waits for its frame. Copied for push and unpop: its iov is not used. */
struct net_rx_chain {
	struct virtq_chain c;
	unsigned int pieces;
};

/*
 * A receive queue. Chains are popped ahead and form a queue whose pieces lie one after another in iov[], followed by the spill: one
 * net_receive() reads a frame of any length.
 *
 *	iov:	... iov_first [pieces of chain 0][chain 1]... iov_end [spill]
 */
struct net_rx {
	struct net_rx_chain *chain;	/* owned; NET_QUEUE_SIZE, a ring */
	unsigned int first, cnt;
	struct iovec *iov;		/* owned; NET_RX_IOV + 1 */
	unsigned int iov_first, iov_end;
	unsigned int ndesc;		/* entries of the ring that they hold */
	u64 room;			/* their bytes */
	u8 *spill;			/* owned; NET_SPILL */
	u32 frame;			/* bytes of the frame that lies in them and waits for more chains; 0: none */
	u32 spilled_at;			/* those of it before the spill */
	unsigned int big;		/* frames to go till room for an ordinary one is enough again */
};

struct net_pair {
	struct net_rx rx;
	bool tx_blocked;		/* net_send() had no room; sendable() will come */
};

/* On the loop's thread, or between stop and start, unless it says otherwise. */
struct virtio_net {
	struct virtio_dev vdev;
	struct net_backend *be;		/* owned */
	struct net_client client;
	struct event_loop *loop;	/* owned; NULL with vhost */
	unsigned int max_pairs, mtu;
	u8 power_on_mac[NET_MAC_LEN];

	_Atomic u64 mac;		/* as the bytes of a little-endian number. vCPU threads read it, and a legacy driver's write it */
	_Atomic bool link_up, announce;	/* any thread reads them */
	bool announce_due;		/* the state was loaded: others are to learn where we are */

	struct net_filter filter;
	u64 offloads;			/* of GUEST_*: feature bits */
	unsigned int hdr_len, pairs;
	struct net_pair pair[NET_MAX_PAIRS];
	struct iovec tx_iov[NET_CHAIN_IOV];
	struct net_counters count;
	struct log_rate rate, debug_rate;

	struct vhost *vhost;		/* owned; max_pairs of them, or NULL */
	unsigned int nr_vhost;		/* of them made */
	struct event_source gone;	/* with vhost nobody else watches the tap */
};

static inline struct virtio_net *to_net(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_net, vdev);
}

static inline void net_mac(const struct virtio_net *net, u8 ret[NET_MAC_LEN])
{
	u8 b[8];

	put_le64(b, atomic_load(&net->mac));
	memcpy(ret, b, NET_MAC_LEN);
}

static inline void net_set_mac(struct virtio_net *net, const u8 mac[NET_MAC_LEN])
{
	u8 b[8] = { 0 };

	memcpy(b, mac, NET_MAC_LEN);
	atomic_store(&net->mac, get_le64(b));
}

static inline unsigned int net_rx_queue(unsigned int pair) { return 2 * pair; }
static inline unsigned int net_tx_queue(unsigned int pair) { return 2 * pair + 1; }

/* [5.1.2] The queue behind those of all pairs there are, and there is one pair unless MQ was negotiated. */
static inline unsigned int net_ctrl_queue(const struct virtio_net *net)
{
	return 2 * (virtio_has(&net->vdev, NET_F_MQ) ? net->max_pairs : 1);
}

#define net_refuse(net, ...) log_ratelimited(&(net)->debug_rate, LOG_DEBUG, (net)->vdev.name, __VA_ARGS__)

/* net-features.c: ops, and what is offered */
bool net_features_valid(struct virtio_dev *vdev, u64 features);
void net_features_ok(struct virtio_dev *vdev);
u64 net_features(const struct net_backend *be);
/* What the driver chose, to the back end. 0 or -errno. */
int net_apply_offloads(struct virtio_net *net);

/* net.c. Asks the driver to tell its peers where it is, once the link is up. Loop's thread, or between stop and start's end. */
void net_announce(struct virtio_net *net);

/* net-rx.c */
int net_rx_init(struct net_rx *rx);
void net_rx_free(struct net_rx *rx);
/* Chains are there, or frames may be. Loop's thread. */
void net_rx_run(struct virtio_net *net, unsigned int pair);
/* Gives popped chains back; a frame that waited is lost. Handlers are out. */
void net_rx_stop(struct virtio_net *net, unsigned int pair);

/* net-tx.c. Loop's thread. */
void net_tx_run(struct virtio_net *net, unsigned int pair);

/* net-ctrl.c. Loop's thread. */
void net_ctrl_run(struct virtio_net *net);

/* net-vhost.c: as the parts of the device's life are named. Queues of pairs are external from start to stop. */
int net_vhost_init(struct virtio_net *net);
void net_vhost_free(struct virtio_net *net);
u64 net_vhost_offer(const struct virtio_net *net, u64 offered);
int net_vhost_prepare(struct virtio_net *net);
int net_vhost_start(struct virtio_net *net);
void net_vhost_stop(struct virtio_net *net);
void net_vhost_irq_changed(struct virtio_dev *vdev, unsigned int queue);

#endif
