/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Features of the network device: what is offered for which back end, what goes together, and what of it the back end is told.
 * [virtio-1.2 5.1.3]
 *
 * Threads: those of net.c.
 */
#include "virtio/net.h"

/* [5.1.3.1]; USO [virtio-1.3 5.1.3.1] */
bool net_features_valid(struct virtio_dev *vdev, u64 features)
{
	static const struct {
		u8 feature;
		u64 needs_one_of;
	} table[] = {
		{ NET_F_GUEST_TSO4, BIT_ULL(NET_F_GUEST_CSUM) },
		{ NET_F_GUEST_TSO6, BIT_ULL(NET_F_GUEST_CSUM) },
		{ NET_F_GUEST_ECN, BIT_ULL(NET_F_GUEST_TSO4) | BIT_ULL(NET_F_GUEST_TSO6) },
		{ NET_F_GUEST_UFO, BIT_ULL(NET_F_GUEST_CSUM) },
		{ NET_F_GUEST_USO4, BIT_ULL(NET_F_GUEST_CSUM) },
		{ NET_F_GUEST_USO6, BIT_ULL(NET_F_GUEST_CSUM) },
		{ NET_F_HOST_TSO4, BIT_ULL(NET_F_CSUM) },
		{ NET_F_HOST_TSO6, BIT_ULL(NET_F_CSUM) },
		{ NET_F_HOST_ECN, BIT_ULL(NET_F_HOST_TSO4) | BIT_ULL(NET_F_HOST_TSO6) },
		{ NET_F_HOST_UFO, BIT_ULL(NET_F_CSUM) },
		{ NET_F_HOST_USO, BIT_ULL(NET_F_CSUM) },
		{ NET_F_CTRL_RX, BIT_ULL(NET_F_CTRL_VQ) },
		{ NET_F_CTRL_VLAN, BIT_ULL(NET_F_CTRL_VQ) },
		{ NET_F_GUEST_ANNOUNCE, BIT_ULL(NET_F_CTRL_VQ) },
		{ NET_F_MQ, BIT_ULL(NET_F_CTRL_VQ) },
		{ NET_F_CTRL_MAC_ADDR, BIT_ULL(NET_F_CTRL_VQ) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if ((features & BIT_ULL(table[i].feature)) && !(features & table[i].needs_one_of))
			return false;
	return true;
}

void net_features_ok(struct virtio_dev *vdev)
{
	struct virtio_net *net = to_net(vdev);

	net->offloads = vdev->accepted & NET_GUEST_OFFLOADS;	/* [5.1.6.5.8.1] on until turned off */
	net->filter.vlan_on = virtio_has(vdev, NET_F_CTRL_VLAN);
	/* [5.1.6.1] num_buffers is there in a modern header, or with what it is for. */
	net->hdr_len = !vdev->legacy || virtio_has(vdev, NET_F_MRG_RXBUF) ? HDR_LEN : HDR_LEN_OLD;
}

int net_apply_offloads(struct virtio_net *net)
{
	u64 f = net->offloads, uso = BIT_ULL(NET_F_GUEST_USO4) | BIT_ULL(NET_F_GUEST_USO6);
	u32 o = 0;

	/* Segments without checksum offload make no sense to a back end; a driver may turn that off alone. */
	if (f & BIT_ULL(NET_F_GUEST_CSUM)) {
		o |= NET_OFFLOAD_CSUM;
		o |= f & BIT_ULL(NET_F_GUEST_TSO4) ? NET_OFFLOAD_TSO4 : 0;
		o |= f & BIT_ULL(NET_F_GUEST_TSO6) ? NET_OFFLOAD_TSO6 : 0;
		o |= f & BIT_ULL(NET_F_GUEST_ECN) && (o & (NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6)) ? NET_OFFLOAD_ECN : 0;
		o |= f & BIT_ULL(NET_F_GUEST_UFO) ? NET_OFFLOAD_UFO : 0;
		o |= (f & uso) == uso ? NET_OFFLOAD_USO : 0;
	}
	return net_set_offloads(net->be, o);
}

u64 net_features(const struct net_backend *be)
{
	static const struct {
		u32 offload;
		u64 features;
	} table[] = {
		{ NET_OFFLOAD_CSUM, BIT_ULL(NET_F_CSUM) | BIT_ULL(NET_F_GUEST_CSUM) | BIT_ULL(NET_F_CTRL_GUEST_OFFLOADS) },
		{ NET_OFFLOAD_TSO4, BIT_ULL(NET_F_HOST_TSO4) | BIT_ULL(NET_F_GUEST_TSO4) },
		{ NET_OFFLOAD_TSO6, BIT_ULL(NET_F_HOST_TSO6) | BIT_ULL(NET_F_GUEST_TSO6) },
		{ NET_OFFLOAD_ECN, BIT_ULL(NET_F_HOST_ECN) | BIT_ULL(NET_F_GUEST_ECN) },
		{ NET_OFFLOAD_UFO, BIT_ULL(NET_F_HOST_UFO) | BIT_ULL(NET_F_GUEST_UFO) },
		{ NET_OFFLOAD_USO, BIT_ULL(NET_F_HOST_USO) | BIT_ULL(NET_F_GUEST_USO4) | BIT_ULL(NET_F_GUEST_USO6) },
	};
	u64 f = BIT_ULL(NET_F_MAC) | BIT_ULL(NET_F_MRG_RXBUF) | BIT_ULL(NET_F_STATUS) | BIT_ULL(NET_F_CTRL_VQ) | BIT_ULL(NET_F_CTRL_RX) |
		BIT_ULL(NET_F_CTRL_VLAN) | BIT_ULL(NET_F_CTRL_RX_EXTRA) | BIT_ULL(NET_F_GUEST_ANNOUNCE) |
		BIT_ULL(NET_F_CTRL_MAC_ADDR);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (net_offloads(be) & table[i].offload)
			f |= table[i].features;
	if (net_mtu(be))
		f |= BIT_ULL(NET_F_MTU);
	if (net_max_pairs(be) > 1)
		f |= BIT_ULL(NET_F_MQ);
	return f;
}
