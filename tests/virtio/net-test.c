// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device over the real core and ring, on a back end of the test's own: features, config space, receiving, transmitting, and
 * what is left after a stop. [virtio-1.2 5.1]
 * links: util/iov.c virtio/net.c virtio/net-features.c virtio/net-rx.c virtio/net-tx.c virtio/net-ctrl.c virtio/net-filter.c virtio/net-vhost.c
 * links: virtio/vhost.c
 * links: virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: util/json.c util/json-parse.c util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/net-rig.h"

#include "util/json.h"
#include "virtio/ring-private.h"

#define MRG BIT_ULL(NET_F_MRG_RXBUF)
#define CTRL (BIT_ULL(NET_F_CTRL_VQ) | BIT_ULL(NET_F_CTRL_RX) | BIT_ULL(NET_F_CTRL_VLAN))
#define EVENT BIT_ULL(VIRTIO_F_EVENT_IDX)

enum { ALL_OFFLOADS = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN | NET_OFFLOAD_UFO | NET_OFFLOAD_USO };

/* --- features and config space --- */

TEST(what_the_back_end_cannot_do_is_not_offered)
{
	u64 always = BIT_ULL(NET_F_MAC) | MRG | BIT_ULL(NET_F_STATUS) | CTRL | BIT_ULL(NET_F_CTRL_RX_EXTRA) |
		     BIT_ULL(NET_F_GUEST_ANNOUNCE) | BIT_ULL(NET_F_CTRL_MAC_ADDR);
	u64 own = 0x0700000000ffffffULL | BIT_ULL(54) | BIT_ULL(55) | BIT_ULL(56);
	static const struct {
		u32 can;
		u64 features;
	} table[] = {
		{ 0, 0 },
		{ NET_OFFLOAD_CSUM, 7 },
		{ NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4, 7 | BIT_ULL(7) | BIT_ULL(11) },
		{ NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO6, 7 | BIT_ULL(8) | BIT_ULL(12) },
		{ NET_OFFLOAD_CSUM | NET_OFFLOAD_ECN, 7 | BIT_ULL(9) | BIT_ULL(13) },
		{ NET_OFFLOAD_CSUM | NET_OFFLOAD_UFO, 7 | BIT_ULL(10) | BIT_ULL(14) },
		{ NET_OFFLOAD_CSUM | NET_OFFLOAD_USO, 7 | BIT_ULL(54) | BIT_ULL(55) | BIT_ULL(56) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		nic_up(table[i].can, 1);
		CHECK_EQ(rig.vdev->offered & own, always | table[i].features);
		nic_down();
	}
}

/* [virtio-1.2 5.1.3.1] */
TEST(a_feature_without_the_one_it_needs_is_refused)
{
	static const struct {
		u8 feature, needs;
	} table[] = {
		{ NET_F_GUEST_TSO4, NET_F_GUEST_CSUM }, { NET_F_GUEST_TSO6, NET_F_GUEST_CSUM }, { NET_F_GUEST_UFO, NET_F_GUEST_CSUM },
		{ NET_F_GUEST_USO4, NET_F_GUEST_CSUM }, { NET_F_GUEST_USO6, NET_F_GUEST_CSUM }, { NET_F_HOST_TSO4, NET_F_CSUM },
		{ NET_F_HOST_TSO6, NET_F_CSUM }, { NET_F_HOST_UFO, NET_F_CSUM }, { NET_F_HOST_USO, NET_F_CSUM },
		{ NET_F_CTRL_RX, NET_F_CTRL_VQ }, { NET_F_CTRL_VLAN, NET_F_CTRL_VQ }, { NET_F_GUEST_ANNOUNCE, NET_F_CTRL_VQ },
		{ NET_F_MQ, NET_F_CTRL_VQ }, { NET_F_CTRL_MAC_ADDR, NET_F_CTRL_VQ },
	};
	u64 ecn = BIT_ULL(NET_F_GUEST_ECN) | BIT_ULL(NET_F_GUEST_CSUM), hecn = BIT_ULL(NET_F_HOST_ECN) | BIT_ULL(NET_F_CSUM);
	unsigned int i;

	nic_up(ALL_OFFLOADS, 2);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		CHECK(!nic_start(BIT_ULL(table[i].feature)));
		CHECK(nic_start(BIT_ULL(table[i].feature) | BIT_ULL(table[i].needs)));
	}
	CHECK(!nic_start(ecn));
	CHECK(nic_start(ecn | BIT_ULL(NET_F_GUEST_TSO4)));
	CHECK(nic_start(ecn | BIT_ULL(NET_F_GUEST_TSO6)));
	CHECK(!nic_start(hecn));
	CHECK(nic_start(hecn | BIT_ULL(NET_F_HOST_TSO4)));
	CHECK(nic_start(hecn | BIT_ULL(NET_F_HOST_TSO6)));
	nic_down();
}

TEST(what_was_negotiated_the_back_end_is_told)
{
	u64 csum = BIT_ULL(NET_F_GUEST_CSUM);

	nic_up(ALL_OFFLOADS, 1);
	nic_start(0);
	CHECK_EQ(fake.offloads, 0);
	CHECK_EQ(fake.header, 12);	/* [5.1.6.1] modern: with num_buffers whatever was negotiated */
	nic_start(csum);
	CHECK_EQ(fake.offloads, NET_OFFLOAD_CSUM);
	nic_start(csum | BIT_ULL(NET_F_GUEST_TSO4) | BIT_ULL(NET_F_GUEST_ECN) | BIT_ULL(NET_F_GUEST_UFO));
	CHECK_EQ(fake.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_ECN | NET_OFFLOAD_UFO);
	nic_start(csum | BIT_ULL(NET_F_GUEST_USO4));
	CHECK_EQ(fake.offloads, NET_OFFLOAD_CSUM);	/* it cannot do one IP version alone */
	nic_start(csum | BIT_ULL(NET_F_GUEST_USO4) | BIT_ULL(NET_F_GUEST_USO6) | BIT_ULL(NET_F_GUEST_TSO6));
	CHECK_EQ(fake.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO6 | NET_OFFLOAD_USO);
	virtio_set_status(rig.vdev, 0);
	nic_start(0);
	CHECK_EQ(fake.offloads, 0);
	nic_down();
}

static u16 config16(unsigned int off)
{
	u8 b[2];

	virtio_config_read(rig.vdev, off, b, 2);
	return get_le16(b);
}

TEST(config_space_says_address_link_pairs_and_mtu)
{
	struct net_config cfg = nic_config();
	u8 mac[6], more[8];

	rig_up();
	fake_init(0, 4);
	fake.mtu = 9000;
	nic_create(&cfg);
	virtio_config_read(rig.vdev, 0, mac, 6);
	CHECK(!memcmp(mac, own_mac, 6));
	CHECK_EQ(config16(6), 1);
	CHECK_EQ(config16(8), 4);
	CHECK_EQ(config16(10), 9000);
	virtio_config_read(rig.vdev, 8, more, 8);
	CHECK_EQ(get_le32(more + 4), 0xffffffff);	/* nothing behind it */
	CHECK(rig.vdev->offered & BIT_ULL(NET_F_MTU));
	CHECK(rig.vdev->offered & BIT_ULL(NET_F_MQ));
	nic_start(BIT_ULL(NET_F_STATUS));
	virtio_config_write(rig.vdev, 0, "\1\2\3\4\5\6", 6);	/* [5.1.4] read-only */
	virtio_config_read(rig.vdev, 0, mac, 6);
	CHECK(!memcmp(mac, own_mac, 6));
	nic_down();
}

TEST(a_macvtap_says_what_the_address_is)
{
	static const u8 mac[6] = { 2, 0, 0, 0, 0, 9 };
	struct net_config cfg = nic_config();
	u8 got[6];

	rig_up();
	fake_init(0, 1);
	fake.mac = mac;
	nic_create(&cfg);
	virtio_config_read(rig.vdev, 0, got, 6);
	CHECK(!memcmp(got, mac, 6));
	nic_down();
}

TEST(link_changes_interrupt_and_show)
{
	nic_up(0, 1);
	nic_start(BIT_ULL(NET_F_STATUS));
	fake.client->link_changed(fake.client, true);
	CHECK_EQ(rig.config_irqs, 0);	/* nothing new */
	fake.client->link_changed(fake.client, false);
	CHECK_EQ(rig.config_irqs, 1);
	CHECK_EQ(config16(6), 0);
	fake.client->link_changed(fake.client, true);
	CHECK_EQ(rig.config_irqs, 2);
	CHECK_EQ(config16(6), 1);
	nic_down();
}

static void legacy_up(struct net_config *cfg, u32 can)
{
	rig_up();
	log_set_level(LOG_ERROR);
	rig.vm.cfg.virtio_transport = VIRTIO_PCI_LEGACY;
	fake_init(can, 1);
	nic_create(cfg);
}

static void legacy_start(u32 features)
{
	unsigned int i;

	virtio_set_status(rig.vdev, 0);
	virtio_set_status(rig.vdev, 3);
	virtio_set_accepted(rig.vdev, 0, features);
	for (i = 0; i < 3; i++) {
		memset(ram(q_base(i)), 0, Q_BYTES);
		rig.q[i] = (struct rig_queue){ 0 };
		virtio_queue_set_size(rig.vdev, i, Q_SIZE);
		q_set_addr(i, VIRTIO_AREA_DESC, q_base(i));
		q_set_addr(i, VIRTIO_AREA_DRIVER, q_base(i) + 0x1000);
		q_set_addr(i, VIRTIO_AREA_DEVICE, q_base(i) + 0x2000);
	}
	virtio_set_status(rig.vdev, 7);
	for (i = 0; i < 3; i++)		/* legacy has one address register; the rig's layout is enabled as it is */
		virtio_queue_set_legacy_pfn(rig.vdev, i, q_base(i) / 4096, 4096);
	rig_turns(6);
}

TEST(a_legacy_driver_writes_its_address_and_has_short_headers)
{
	struct net_config cfg = nic_config();
	u8 mac[6] = { 2, 1, 2, 3, 4, 5 }, got[6];
	unsigned int i;

	legacy_up(&cfg, 0);
	legacy_start(0);
	CHECK_EQ(fake.header, 10);
	for (i = 0; i < 6; i++)
		virtio_config_write(rig.vdev, i, mac + i, 1);
	virtio_config_write(rig.vdev, 6, "\xff\xff", 2);	/* status is not the driver's */
	virtio_config_read(rig.vdev, 0, got, 6);
	CHECK(!memcmp(got, mac, 6));
	CHECK_EQ(config16(6), 1);
	virtio_config_write(rig.vdev, 4, "\x77\x78\x79\x7a", 4);	/* over the field's end */
	virtio_config_read(rig.vdev, 0, got, 6);
	CHECK(!memcmp(got, "\2\1\2\3\x77\x78", 6));
	CHECK_EQ(config16(6), 1);
	legacy_start((u32)MRG);
	CHECK_EQ(fake.header, 12);
	virtio_config_read(rig.vdev, 0, got, 6);
	CHECK(!memcmp(got, own_mac, 6));	/* a reset is a reset */
	nic_down();
}

/* [5.1.2] */
TEST(the_control_queue_is_behind_the_pairs_that_were_negotiated)
{
	static const u8 on = 1;

	nic_up(0, 3);
	CHECK_EQ(rig.vdev->nr_queues, 7);
	nic_start(CTRL);
	CHECK_EQ(ctrl(2, 0, 0, &on, 1), 0);
	CHECK_EQ(ctrl(6, 0, 0, &on, 1), 0x100);		/* no such queue without MQ */
	nic_start(CTRL | BIT_ULL(NET_F_MQ));
	CHECK_EQ(ctrl(6, 0, 0, &on, 1), 0);
	rx_fill(1, 0, 1, 2048, 2048);			/* queue 2 is a receive queue */
	CHECK_EQ(q_completed(2), 0);
	nic_start(0);
	CHECK_EQ(ctrl(2, 0, 0, &on, 1), 0x100);		/* nor without CTRL_VQ */
	CHECK(!broken());
	nic_down();
}

/* --- receiving --- */

TEST(a_frame_is_received_with_its_header)
{
	u32 len;

	nic_up(0, 1);
	nic_start(0);
	rx_fill(0, 0, 4, 2048, 2048);
	fake_frame(0, 100);
	rig_turns(4);
	CHECK(q_take(0, &len));
	CHECK_EQ(len, 112);
	CHECK_EQ(get_le16(ram(rx_at(0, 0, 2048) + 10)), 1);	/* [5.1.6.4.1] num_buffers is 1 without MRG_RXBUF */
	CHECK(frame_is(ram(rx_at(0, 0, 2048) + 12), 100));
	CHECK_EQ(rig.irqs[0], 1);
	CHECK_EQ(*(u8 *)ram(rx_at(0, 0, 2048) + 112), 0xee);
	CHECK_EQ(counted(&nic()->count.rx_frames), 1);
	CHECK_EQ(counted(&nic()->count.rx_bytes), 100);
	nic_down();
}

TEST(a_legacy_frame_has_a_header_of_ten_bytes)
{
	struct net_config cfg = nic_config();
	u8 *used;

	legacy_up(&cfg, 0);
	legacy_start(0);
	q_desc(0, 0, rx_at(0, 0, 2048), 2048, 2, 0);
	put_le16(ram(q_base(0) + 16 * 256 + 4), 0);	/* where legacy has its rings [2.7.2]; the size is the device's */
	put_le16(ram(q_base(0) + 16 * 64 + 4), 0);
	put_le16(ram(q_base(0) + 16 * 64 + 2), 1);
	q_kick(0);
	fake_frame(0, 60);
	rig_turns(4);
	used = ram(align_up(q_base(0) + 16 * 64 + 2 * (3 + 64), 4096));
	CHECK_EQ(get_le16(used + 2), 1);
	CHECK_EQ(get_le32(used + 8), 70);
	CHECK(frame_is(ram(rx_at(0, 0, 2048) + 10), 60));
	nic_down();
}

/* Frames of every size over buffers of every size. The driver sees all buffers of a frame, each but the last full. */
static int spread(size_t frame, u32 buffer, bool packed_pieces)
{
	unsigned int i, n, bad = 0;
	size_t left = frame + 12, at = 0, k;
	u32 len = 0, stride = (u32)align_up(buffer, 16);
	const u8 *p;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(MRG | (packed_pieces ? EVENT : 0));
	rx_fill(0, 0, Q_SIZE, stride, buffer);
	fake_frame(0, frame);
	rig_turns(4);
	n = (unsigned int)((left + buffer - 1) / buffer);
	bad += q_completed(0) != n;
	if (!bad) {
		bad += get_le16(ram(rx_at(0, 0, stride) + 10)) != n;
		bad += rig.irqs[0] != 1;
		for (i = 0; i < n && !bad; i++) {
			bad += !q_take(0, &len);
			bad += len != MIN(left, (size_t)buffer);
			p = ram(rx_at(0, i, stride));
			for (k = i ? 0 : 12 + ETH_LEN; k < len && !bad; k++)
				bad += p[k] != (u8)((at + k - 12) * 7 + (at + k - 12) / 251);
			bad += len < stride && p[len] != 0xee;
			at += len;
			left -= len;
		}
		bad += left != 0;
	}
	if (bad)
		printf("# a frame of %zu over buffers of %u\n", frame, buffer);
	nic_down();
	return (int)bad;
}

TEST(mergeable_buffers_take_frames_of_every_size)
{
	static const u32 buffers[] = { 1100, 1526, 1536, 2048, 4096, 16384 };
	static const size_t frames[] = { 14, 60, 1088, 1089, 1500, 1514, 1518, 1519, 2036, 2037, 4084, 9014, 16384, 32768, 65536, NET_FRAME_MAX };
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(frames); i++)
		for (k = 0; k < ARRAY_SIZE(buffers); k++)
			CHECK(!spread(frames[i], buffers[k], k & 1));
	for (i = 1; i <= 64; i++)
		CHECK(!spread(i * 1024, 1536, i & 1));
}

/* [5.1.6.4.1] Looks at what the driver could see after each entry that is written. */
static const struct virtq_ring_ops *real_ops;
static unsigned int entries, seen_early;

static void spy_write_used(struct virtq *q, u16 id, u32 written, u16 chains, u16 ndesc)
{
	real_ops->write_used(q, id, written, chains, ndesc);
	entries++;
	seen_early += q_completed(0) != 0;
}

TEST(all_buffers_of_a_frame_become_visible_at_once)
{
	struct virtq_ring_ops spy;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(MRG);
	rx_fill(0, 0, 10, 2048, 2048);
	real_ops = virtio_queue(rig.vdev, 0)->ops;
	spy = *real_ops;
	spy.write_used = spy_write_used;
	virtio_queue(rig.vdev, 0)->ops = &spy;
	entries = seen_early = 0;
	fake_frame(0, 10000);
	rig_turns(4);
	CHECK_EQ(entries, 5);
	CHECK_EQ(seen_early, 0);
	CHECK_EQ(q_completed(0), 5);
	nic_down();
}

TEST(a_stream_of_large_frames_is_not_copied_by_way_of_the_spill)
{
	unsigned int i, k;
	u32 len;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(MRG);
	rx_fill(0, 0, 64, 2048, 2048);
	for (i = 0; i < 3; i++) {
		fake_frame(0, 20000);
		rig_turns(4);
		CHECK_EQ(nic()->pair[0].rx.spilled_at, i ? 20012U : 2048U);
		CHECK_EQ(q_completed(0), 10 * (i + 1));
		for (k = 0; k < 10; k++)
			CHECK(q_take(0, &len));
		rx_fill(0, 64 + 10 * i, 10, 2048, 2048);
	}
	/* Once they are over, no more is popped ahead than an ordinary frame takes. */
	for (i = 0; i < 40; i++) {
		fake_frame(0, 60);
		rig_turns(4);
		CHECK(q_take(0, &len));
		rx_fill(0, 94 + i, 1, 2048, 2048);
	}
	for (i = 0; i < 50; i++)
		fake_frame(0, 60);
	rig_turns(8);
	CHECK(nic()->pair[0].rx.cnt <= 1);
	nic_down();
}

TEST(a_frame_waits_till_there_are_buffers_for_all_of_it)
{
	unsigned int i;
	u32 len;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(MRG);
	rx_fill(0, 0, 3, 2048, 2048);
	fake_frame(0, 10000);		/* takes five */
	fake_frame(0, 60);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 0);
	CHECK(!fake.wants[0]);		/* the next one is not read meanwhile */
	CHECK(q_wants_kicks(0));
	rx_fill(0, 3, 1, 2048, 2048);
	CHECK_EQ(q_completed(0), 0);
	rx_fill(0, 4, 2, 2048, 2048);
	CHECK_EQ(q_completed(0), 6);
	CHECK_EQ(get_le16(ram(rx_at(0, 0, 2048) + 10)), 5);
	for (i = 0; i < 5; i++)
		CHECK(q_take(0, &len) && len == (i < 4 ? 2048 : 10012 - 4 * 2048));
	CHECK(q_take(0, &len) && len == 72);
	nic_down();
}

TEST(a_frame_longer_than_the_whole_queue_is_dropped)
{
	u32 len;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(MRG);
	rx_fill(0, 0, Q_SIZE, 256, 100);
	fake_frame(0, 64 * 100 - 11);
	fake_frame(0, 64 * 100 - 12);
	rig_turns(4);
	CHECK_EQ(counted(&nic()->count.rx_dropped), 1);
	CHECK_EQ(q_completed(0), 64);
	CHECK(q_take(0, &len) && len == 100);
	CHECK_EQ(get_le16(ram(rx_at(0, 0, 256) + 10)), 64);
	CHECK(!broken());
	nic_down();
}

/* Buffers of so many pieces that no read could name them all. */
TEST(a_frame_over_too_many_pieces_is_dropped_and_the_next_arrives)
{
	enum { PIECES = 250 };
	u8 *table = ram(RAM_BULK + 0x100000);
	unsigned int i;
	u32 len;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(MRG | BIT_ULL(VIRTIO_F_INDIRECT_DESC));
	table = ram(RAM_BULK + 0x100000);
	for (i = 0; i < PIECES; i++) {
		put_le64(table + 16 * i, RAM_BULK + 4 * i);
		put_le32(table + 16 * i + 8, 1);
		put_le16(table + 16 * i + 12, i + 1 < PIECES ? 3 : 2);
		put_le16(table + 16 * i + 14, (u16)(i + 1));
	}
	for (i = 0; i < 32; i++) {
		q_desc(0, (u16)i, RAM_BULK + 0x100000, 16 * PIECES, 4, 0);
		q_publish(0, (u16)i);
	}
	q_kick(0);
	fake_frame(0, 3000);
	fake_frame(0, 200);
	rig_turns(4);
	CHECK_EQ(counted(&nic()->count.rx_dropped), 1);
	CHECK_EQ(q_completed(0), 1);
	CHECK(q_take(0, &len) && len == 212);
	for (i = 0; i < 20; i++)	/* the pieces move up */
		fake_frame(0, 200);
	rig_turns(8);
	CHECK_EQ(q_completed(0), 21);
	nic_down();
}

TEST(without_mergeable_buffers_a_frame_has_one_or_is_dropped)
{
	u32 len;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(0);
	rx_fill(0, 0, 3, 2048, 1526);
	fake_frame(0, 1515);
	fake_frame(0, 1514);
	rig_turns(4);
	CHECK_EQ(counted(&nic()->count.rx_dropped), 1);
	CHECK_EQ(q_completed(0), 1);
	CHECK(q_take(0, &len) && len == 1526);
	CHECK(frame_is(ram(rx_at(0, 0, 2048) + 12), 1514));	/* into the buffer that the long one did not use up */
	nic_down();
}

TEST(a_buffer_shorter_than_the_header_is_given_back_empty)
{
	u32 len;

	nic_up(0, 1);
	nic_start(MRG);
	q_add_at(0, 0, 0, RAM_BULK, 11);
	q_add(0, "only for the device to read", 27, 0);
	q_add_at(0, 0, 0, RAM_BULK + 0x1000, 2048);
	q_kick(0);
	fake_frame(0, 60);
	rig_turns(4);
	CHECK(q_take(0, &len) && len == 0);
	CHECK(q_take(0, &len) && len == 0);
	CHECK(q_take(0, &len) && len == 72);
	CHECK(frame_is(ram(RAM_BULK + 0x1000 + 12), 60));
	CHECK(!broken());
	nic_down();
}

TEST(readable_pieces_of_a_receive_chain_are_not_written)
{
	u8 *in;
	u32 len;

	nic_up(0, 1);
	nic_start(MRG);
	in = q_add(0, "driver", 6, 256);
	q_kick(0);
	fake_frame(0, 100);
	rig_turns(4);
	CHECK(q_take(0, &len) && len == 112);
	CHECK(frame_is(in + 12, 100));
	CHECK(!memcmp(in - Q_SLOT / 2, "driver", 6));
	nic_down();
}

TEST(runts_and_giants_are_dropped_and_counted)
{
	size_t i;
	u32 len;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(MRG);
	rx_fill(0, 0, 64, 2048, 2048);
	for (i = 0; i < 14; i++)
		fake_frame(0, i);
	fake_frame(0, NET_FRAME_MAX + 1);
	fake_frame(0, NET_FRAME_MAX + 5000);
	free(fake.in[0].frame[0].data);
	fake.in[0].frame[0].data = calloc(1, 16);
	fake.in[0].frame[0].len = 3;		/* shorter than the header */
	rig_turns(4);
	CHECK_EQ(counted(&nic()->count.rx_errors), 16);
	CHECK_EQ(q_completed(0), 0);
	fake_frame(0, 14);
	rig_turns(4);
	CHECK(q_take(0, &len) && len == 26);
	CHECK(frame_is(ram(rx_at(0, 0, 2048) + 12), 14));
	nic_down();
}

/* [5.1.6.4.1] */
TEST(flags_are_zero_for_a_driver_without_guest_csum)
{
	u8 *hdr;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(0);
	rx_fill(0, 0, 2, 2048, 2048);
	hdr = fake_frame(0, 60);
	hdr[0] = 2;			/* DATA_VALID */
	rig_turns(4);
	CHECK_EQ(*(u8 *)ram(rx_at(0, 0, 2048)), 0);
	nic_start(BIT_ULL(NET_F_GUEST_CSUM));
	rx_fill(0, 0, 2, 2048, 2048);
	hdr = fake_frame(0, 60);
	hdr[0] = 2;
	rig_turns(4);
	CHECK_EQ(*(u8 *)ram(rx_at(0, 0, 2048)), 2);
	nic_down();
}

/* [5.1.4.1] */
TEST(frames_beyond_the_negotiated_mtu_do_not_pass)
{
	struct net_config cfg = nic_config();
	u8 *hdr;

	rig_up();
	fake_init(ALL_OFFLOADS, 1);
	fake.mtu = 1000;
	nic_create(&cfg);
	nic_start(MRG | BIT_ULL(NET_F_MTU));
	rx_fill(0, 0, 8, 2048, 2048);
	fake_frame(0, 1014);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 1);
	fake_frame(0, 1015);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 1);
	hdr = fake_frame(0, 1018);	/* a VLAN tag is no part of it */
	put_le16(hdr + 12 + 12, 0x0081);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 2);
	hdr = fake_frame(0, 1500);
	hdr[1] = 0x80;			/* ECN alone is no segmentation */
	rig_turns(4);
	CHECK_EQ(q_completed(0), 2);
	hdr = fake_frame(0, 1500);
	hdr[1] = 1;
	rig_turns(4);
	CHECK_EQ(q_completed(0), 3);
	CHECK_EQ(counted(&nic()->count.rx_errors), 2);
	nic_start(MRG);			/* not negotiated: as the interface gives them */
	rx_fill(0, 0, 8, 2048, 2048);
	fake_frame(0, 1500);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 1);
	nic_down();
}

TEST(without_buffers_frames_stay_in_the_back_end)
{
	nic_up(0, 1);
	nic_start(MRG);
	fake_frame(0, 60);
	rig_turns(4);
	CHECK_EQ(fake.receives, 0);
	CHECK(!fake.wants[0]);
	rx_fill(0, 0, 1, 2048, 2048);
	CHECK_EQ(q_completed(0), 1);
	CHECK(!fake.wants[0]);		/* none left */
	CHECK(q_wants_kicks(0));
	fake_frame(0, 60);
	rig_turns(4);
	CHECK_EQ(fake.receives, 1);
	rx_fill(0, 1, 2, 2048, 2048);
	CHECK_EQ(q_completed(0), 2);
	CHECK(fake.wants[0]);
	CHECK(!q_wants_kicks(0));	/* there are some */
	nic_down();
}

TEST(a_storm_of_frames_leaves_the_loop_to_others)
{
	unsigned int i, per_turn;

	nic_up(0, 1);
	nic_start(MRG);
	fake.wants[0] = false;
	rx_fill(0, 0, 64, 2048, 2048);
	for (i = 0; i < 200; i++)	/* none of which is for us */
		fake_frame(0, 10);
	fake.receives = 0;
	fake.client->receivable(fake.client, 0);
	per_turn = fake.receives;
	CHECK_EQ(per_turn, NET_BATCH);
	rig_turns(8);
	CHECK_EQ(fake.in[0].cnt, 0);
	nic_down();
}

TEST(an_interface_that_vanished_ends_nothing)
{
	nic_up(0, 1);
	nic_start(MRG | BIT_ULL(NET_F_STATUS));
	rx_fill(0, 0, 4, 2048, 2048);
	fake.link_down = true;
	fake.receives = 0;
	fake_frame(0, 60);
	rig_turns(4);
	CHECK_EQ(fake.receives, 1);
	CHECK(!fake.wants[0]);
	fake.client->link_changed(fake.client, false);
	CHECK_EQ(rig.config_irqs, 1);
	fake.refuse = -EBADFD;		/* a driver may come and go all the same */
	CHECK(nic_start(MRG | BIT_ULL(NET_F_STATUS)));
	CHECK(!broken());
	CHECK_EQ(config16(6), 0);
	nic_down();
}

TEST(an_interface_that_is_there_and_refuses_needs_a_reset)
{
	nic_up(0, 1);
	fake.refuse = -EINVAL;
	nic_start(MRG);
	CHECK(broken());
	fake.refuse = 0;
	fake.attach_result = -ENOMEM;
	nic_start(MRG);
	CHECK(broken());
	fake.attach_result = 0;
	nic_start(MRG);
	CHECK(!broken());
	nic_down();
}

TEST(a_broken_device_receives_and_sends_no_more)
{
	nic_up(0, 1);
	nic_start(MRG);
	rx_fill(0, 0, 4, 2048, 2048);
	tx_frame(0, 12, 60);
	virtio_needs_reset(rig.vdev, "test");
	fake_frame(0, 60);
	fake_drain(0);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 0);
	CHECK_EQ(sent(0), 0);
	CHECK(!fake.wants[0]);
	nic_down();
}

TEST(a_broken_receive_ring_needs_a_reset_and_spins_nothing)
{
	nic_up(0, 1);
	nic_start(MRG);
	rx_fill(0, 0, 2, 2048, 2048);
	q_desc(0, 5, 0xdead0000, 2048, 2, 0);
	q_publish(0, 5);
	fake_frame(0, 6000);
	rig_turns(4);
	CHECK(broken());
	CHECK(!fake.wants[0]);
	CHECK(nic_start(MRG));
	rx_fill(0, 0, 2, 2048, 2048);
	fake_frame(0, 60);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 1);
	nic_down();
}

/* --- transmitting --- */

TEST(a_frame_is_sent_with_its_header)
{
	u32 len;

	nic_up(0, 1);
	nic_start(0);
	tx_frame(0, 12, 100);
	q_kick(1);
	CHECK_EQ(sent(0), 1);
	CHECK_EQ(fake.out[0].frame[0].len, 112);
	CHECK(frame_is(fake.out[0].frame[0].data + 12, 100));
	CHECK(q_take(1, &len));
	CHECK_EQ(len, 0);
	CHECK_EQ(rig.irqs[1], 1);
	CHECK_EQ(counted(&nic()->count.tx_frames), 1);
	CHECK_EQ(counted(&nic()->count.tx_bytes), 100);
	nic_down();
}

TEST(a_frame_in_any_pieces_is_sent_whole)
{
	unsigned int i;

	nic_up(0, 1);
	nic_start(0);
	memset(ram(RAM_BULK), 0, 12);
	for (i = 0; i < 60; i++)	/* the header, too, is in pieces */
		q_desc(1, (u16)i, RAM_BULK + i, 1, i < 59 ? 1 : 0, (u16)(i + 1));
	q_publish(1, 0);
	q_kick(1);
	CHECK_EQ(sent(0), 1);
	CHECK_EQ(fake.out[0].frame[0].len, 60);
	nic_down();
}

TEST(what_is_no_frame_is_dropped_and_completed)
{
	unsigned int i;
	u32 len;

	nic_up(0, 1);
	nic_start(0);
	for (i = 1; i < 26; i++)
		q_add(1, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", i, 0);
	q_add(1, NULL, 0, 0);		/* nothing at all */
	q_add(1, NULL, 0, 64);		/* nothing to read */
	q_add_at(1, RAM_BULK, 12 + NET_FRAME_MAX + 1, 0, 0);
	q_add_at(1, RAM_BULK, 0x200000, 0, 0);
	q_kick(1);
	CHECK_EQ(sent(0), 0);
	CHECK_EQ(counted(&nic()->count.tx_errors), 29);
	CHECK_EQ(q_completed(1), 29);
	while (q_take(1, &len))
		CHECK_EQ(len, 0);
	tx_frame(0, 12, 14);
	q_add_at(1, RAM_BULK, 12 + NET_FRAME_MAX, 0, 0);
	q_kick(1);
	CHECK_EQ(sent(0), 2);
	CHECK(!broken());
	nic_down();
}

TEST(a_full_back_end_leaves_frames_in_the_ring)
{
	unsigned int i;
	u32 len;

	nic_up(0, 1);
	nic_start(0);
	fake.send_left = 3;
	for (i = 0; i < 8; i++)
		tx_frame(0, 12, 60 + i);
	q_kick(1);
	CHECK_EQ(sent(0), 3);
	CHECK_EQ(q_completed(1), 3);
	CHECK_EQ(counted(&nic()->count.tx_full), 1);
	q_kick(1);			/* kicks do not make it try */
	CHECK_EQ(counted(&nic()->count.tx_full), 1);
	CHECK(!q_wants_kicks(1));
	fake.send_left = 2;
	fake_drain(0);
	CHECK_EQ(sent(0), 5);
	fake.send_left = 0;
	fake_drain(0);
	CHECK_EQ(sent(0), 8);
	for (i = 0; i < 8; i++) {
		CHECK_EQ(fake.out[0].frame[i].len, 72 + i);	/* in order, none twice */
		CHECK(q_take(1, &len));
	}
	CHECK(q_wants_kicks(1));
	nic_down();
}

TEST(a_storm_of_frames_out_leaves_the_loop_to_others)
{
	unsigned int i, first;

	nic_up(0, 1);
	nic_start(0);
	for (i = 0; i < Q_SIZE; i++)
		tx_frame(0, 12, 60);
	virtio_queue_kicked(rig.vdev, 1);
	rig_turns(1);
	first = sent(0);
	CHECK(first >= 1 && first <= NET_BATCH);
	rig_turns(4);
	CHECK_EQ(sent(0), Q_SIZE);
	CHECK(q_wants_kicks(1));
	nic_down();
}

/* --- stop, reset, state --- */

TEST(a_stop_gives_back_what_was_popped_ahead)
{
	unsigned int i;
	u32 len;

	nic_up(ALL_OFFLOADS, 1);
	nic_start(MRG);
	rx_fill(0, 0, 3, 2048, 500);
	fake_frame(0, 1600);		/* held: 1612 of 1500 bytes */
	rig_turns(4);
	CHECK_EQ(nic()->pair[0].rx.cnt, 3);
	CHECK(nic()->pair[0].rx.frame);
	virtio_dev_stop(rig.vdev);
	CHECK_EQ(rig.vdev->queue[0].vq.inflight_cnt, 0);
	CHECK_EQ(counted(&nic()->count.rx_dropped), 1);
	CHECK_EQ(fake.detaches, 1);
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	rx_fill(0, 3, 3, 2048, 500);
	for (i = 0; i < 6; i++)
		fake_frame(0, 60 + i);
	rig_turns(4);
	for (i = 0; i < 6; i++) {
		CHECK(q_take(0, &len));
		CHECK_EQ(len, 72 + i);
		CHECK(frame_is(ram(rx_at(0, i, 2048) + 12), 60 + i));
	}
	CHECK(!q_take(0, &len));
	nic_down();
}

TEST(a_reset_queue_starts_afresh_and_the_others_go_on)
{
	u32 len;

	nic_up(0, 1);
	nic_start(MRG | BIT_ULL(VIRTIO_F_RING_RESET));
	rx_fill(0, 0, 4, 2048, 2048);
	fake.full[0] = true;
	tx_frame(0, 12, 60);
	q_kick(1);
	virtio_queue_set_reset(rig.vdev, 0);	/* [2.6.1] */
	rig_turns(4);
	CHECK_EQ(nic()->pair[0].rx.cnt, 0);
	fake_frame(0, 60);
	rig_turns(4);
	CHECK_EQ(fake.in[0].cnt, 1);
	fake_drain(0);
	CHECK_EQ(sent(0), 1);
	q_enable(0);
	rx_fill(0, 0, 4, 2048, 2048);
	CHECK(q_take(0, &len) && len == 72);
	CHECK(!broken());
	nic_down();
}

TEST(a_driver_may_come_and_go_ten_times)
{
	unsigned int i;
	u32 len;

	nic_up(ALL_OFFLOADS, 2);
	for (i = 0; i < 10; i++) {
		CHECK(nic_start(MRG | (i % 2 ? EVENT : 0)));
		rx_fill(0, 0, 8, 2048, 2048);
		fake_frame(0, 5000);
		rig_turns(4);
		CHECK_EQ(q_completed(0), 3);
		CHECK(q_take(0, &len));
		tx_frame(0, 12, 60);
		q_kick(1);
		CHECK_EQ(sent(0), i + 1);
		fake.full[0] = true;
		tx_frame(0, 12, 60);
		q_kick(1);
		virtio_set_status(rig.vdev, 0);
		CHECK_EQ(fake.attaches, fake.detaches);
		CHECK_EQ(nic()->pair[0].rx.cnt, 0);
		fake.full[0] = false;
	}
	nic_down();
	CHECK_EQ(fake.closes, 1);
}

static void save(struct state_writer *w)
{
	*w = (struct state_writer){ 0 };
	state_begin(w, "net", 1);
	virtio_dev_save(rig.vdev, w);
	state_end(w);
}

static int load(const void *p, size_t len)
{
	struct state_reader r;
	u32 version;

	state_reader_init(&r, p, len);
	if (state_open(&r, "net", 1, &version) < 0)
		return -1;
	return virtio_dev_load(rig.vdev, &r);
}

TEST(state_is_saved_and_loaded_whole_and_the_driver_asked_to_announce)
{
	u64 f = MRG | CTRL | BIT_ULL(NET_F_MQ) | BIT_ULL(NET_F_CTRL_MAC_ADDR) | BIT_ULL(NET_F_GUEST_ANNOUNCE) | BIT_ULL(NET_F_STATUS) |
		BIT_ULL(NET_F_GUEST_CSUM) | BIT_ULL(NET_F_GUEST_TSO4) | BIT_ULL(NET_F_CTRL_GUEST_OFFLOADS) |
		BIT_ULL(NET_F_CTRL_RX_EXTRA);
	u8 mac[6] = { 2, 9, 9, 9, 9, 9 }, off[8] = { 2 }, macs[4 + 6 + 4 + 12] = { 1, 0, 0, 0, 2, 1, 1, 1, 1, 1, 2, 0, 0, 0, 1, 2, 3, 4, 5, 6 };
	struct net_filter before;
	struct state_writer w;
	unsigned int i;
	u8 got[6];

	nic_up(ALL_OFFLOADS, 2);
	CHECK(nic_start(f));
	CHECK_EQ(ctrl(4, 0, 0, "\0", 1), 0);
	CHECK_EQ(ctrl(4, 0, 4, "\1", 1), 0);
	CHECK_EQ(ctrl(4, 1, 0, macs, sizeof(macs)), 0);
	CHECK_EQ(ctrl(4, 1, 1, mac, 6), 0);
	CHECK_EQ(ctrl(4, 2, 0, "\7\1", 2), 0);
	CHECK_EQ(ctrl(4, 4, 0, "\2\0", 2), 0);
	CHECK_EQ(ctrl(4, 5, 0, off, 8), 0);
	rx_fill(0, 0, 8, 2048, 2048);
	virtio_dev_stop(rig.vdev);
	before = nic()->filter;
	save(&w);
	virtio_set_status(rig.vdev, 0);
	fake.offloads = 0;
	fake.pairs = 1;
	rig.config_irqs = 0;
	CHECK_EQ(load(w.buf.s, w.buf.len), 0);
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	CHECK(!memcmp(&before, &nic()->filter, sizeof(before)));
	virtio_config_read(rig.vdev, 0, got, 6);
	CHECK(!memcmp(got, mac, 6));
	CHECK_EQ(fake.offloads, NET_OFFLOAD_CSUM);
	CHECK_EQ(fake.pairs, 2);
	CHECK_EQ(config16(6), 3);	/* link and announce */
	CHECK_EQ(rig.config_irqs, 1);
	CHECK_EQ(ctrl(4, 3, 0, NULL, 0), 0);
	CHECK_EQ(config16(6), 1);
	virtio_dev_stop(rig.vdev);
	virtio_dev_start(rig.vdev);	/* a pause is no move */
	CHECK_EQ(config16(6), 1);
	virtio_dev_stop(rig.vdev);
	for (i = 0; i < w.buf.len; i++)	/* cut short anywhere */
		CHECK(load(w.buf.s, i) < 0);
	strbuf_free(&w.buf);
	nic_down();
}

/* The device's own part as its save() lays it out. */
static void put_state(struct state_writer *w, u64 offloads, u16 pairs, u8 announce, u32 nr_uni)
{
	struct net_filter f = { .promisc = true, .nr_uni = MIN(nr_uni, (u32)NET_FILTER_MACS) };

	*w = (struct state_writer){ 0 };
	state_begin(w, "net", 1);
	state_put_bytes(w, own_mac, 6);
	state_put_u64(w, offloads);
	state_put_u16(w, pairs);
	state_put_u8(w, announce);
	if (nr_uni <= NET_FILTER_MACS) {
		net_filter_save(&f, w);
	} else {
		state_put_u8(w, 1);
		state_put_u32(w, nr_uni);
	}
	state_end(w);
}

static int load_own(u64 offloads, u16 pairs, u8 announce, u32 nr_uni)
{
	struct state_writer w;
	struct state_reader r;
	u32 version;
	int ret;

	put_state(&w, offloads, pairs, announce, nr_uni);
	state_reader_init(&r, w.buf.s, w.buf.len);
	state_open(&r, "net", 1, &version);
	ret = rig.vdev->ops->load(rig.vdev, &r);
	strbuf_free(&w.buf);
	return ret;
}

TEST(state_that_cannot_be_is_refused)
{
	nic_up(ALL_OFFLOADS, 4);
	CHECK(nic_start(CTRL | BIT_ULL(NET_F_MQ) | BIT_ULL(NET_F_GUEST_CSUM)));
	virtio_dev_stop(rig.vdev);
	CHECK_EQ(load_own(2, 4, 1, 64), 0);
	CHECK_EQ(load_own(2 | BIT_ULL(NET_F_GUEST_TSO4), 1, 0, 0), -EBADMSG);	/* not negotiated */
	CHECK_EQ(load_own(BIT_ULL(NET_F_MRG_RXBUF), 1, 0, 0), -EBADMSG);
	CHECK_EQ(load_own(0, 0, 0, 0), -EBADMSG);
	CHECK_EQ(load_own(0, 5, 0, 0), -EBADMSG);
	CHECK_EQ(load_own(0, 1, 2, 0), -EBADMSG);
	CHECK_EQ(load_own(0, 1, 0, 65), -EBADMSG);
	virtio_dev_start(rig.vdev);
	CHECK(nic_start(CTRL));
	virtio_dev_stop(rig.vdev);
	CHECK_EQ(load_own(0, 2, 0, 0), -EBADMSG);	/* without MQ */
	nic_down();
}

TEST(in_order_and_packed_rings_may_be_negotiated)
{
	struct net_config cfg = nic_config();
	unsigned int i;
	u32 len;

	rig_up();
	rig.vm.cfg.virtio_packed = rig.vm.cfg.virtio_in_order = true;
	fake_init(0, 1);
	nic_create(&cfg);
	CHECK(rig.vdev->offered & BIT_ULL(VIRTIO_F_RING_PACKED));
	CHECK(nic_start(MRG | BIT_ULL(VIRTIO_F_IN_ORDER)));
	rx_fill(0, 0, 16, 2048, 2048);
	fake_frame(0, 5000);
	fake_frame(0, 10);
	fake_frame(0, 60);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 4);
	for (i = 0; i < 8; i++)
		tx_frame(0, 12, 60);
	q_kick(1);
	CHECK_EQ(q_completed(1), 8);
	CHECK(q_take(1, &len));
	virtio_dev_stop(rig.vdev);
	CHECK_EQ(rig.vdev->queue[0].vq.held_cnt, 0);
	virtio_dev_start(rig.vdev);	/* those that went back come again in order */
	fake_frame(0, 5000);
	rig_turns(4);
	CHECK_EQ(q_completed(0), 7);
	CHECK(!broken());
	nic_down();
}

TEST(statistics_name_every_counter)
{
	struct strbuf b = { 0 };
	static const char *const names[] = {
		"rx_frames", "rx_bytes", "rx_dropped", "rx_filtered", "rx_errors", "tx_frames", "tx_bytes", "tx_errors", "tx_full", "commands",
	};
	struct json_value node[128];
	const struct json_value *root;
	unsigned int i;
	u64 v;

	nic_up(0, 1);
	nic_start(MRG);
	rx_fill(0, 0, 2, 2048, 2048);
	fake_frame(0, 60);
	rig_turns(4);
	json_begin(&b, NULL);
	virtio_dev_stats(rig.vdev, &b);
	json_end(&b);
	strbuf_add(&b, "", 1);
	CHECK_EQ(json_parse(b.s, node, ARRAY_SIZE(node), &root), 0);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_EQ(json_get_u64(root, names[i], ~0ULL, &v), 0);
		CHECK_EQ(v, i == 0 ? 1 : i == 1 ? 60 : 0);
	}
	strbuf_free(&b);
	nic_down();
}

TEST(a_transport_without_room_leaves_the_back_end_to_the_caller)
{
	struct net_config cfg = nic_config();

	rig_up();
	fake_init(0, 1);
	rig.refuse = true;
	CHECK(virtio_net_create(&rig.vm, &fake, &cfg, 0, NULL) < 0);
	CHECK_EQ(fake.closes, 0);
	rig_down();
}

int main(void)
{
	RUN(what_the_back_end_cannot_do_is_not_offered);
	RUN(a_feature_without_the_one_it_needs_is_refused);
	RUN(what_was_negotiated_the_back_end_is_told);
	RUN(config_space_says_address_link_pairs_and_mtu);
	RUN(a_macvtap_says_what_the_address_is);
	RUN(link_changes_interrupt_and_show);
	RUN(a_legacy_driver_writes_its_address_and_has_short_headers);
	RUN(the_control_queue_is_behind_the_pairs_that_were_negotiated);
	RUN(a_frame_is_received_with_its_header);
	RUN(a_legacy_frame_has_a_header_of_ten_bytes);
	RUN(mergeable_buffers_take_frames_of_every_size);
	RUN(all_buffers_of_a_frame_become_visible_at_once);
	RUN(a_stream_of_large_frames_is_not_copied_by_way_of_the_spill);
	RUN(a_frame_waits_till_there_are_buffers_for_all_of_it);
	RUN(a_frame_longer_than_the_whole_queue_is_dropped);
	RUN(a_frame_over_too_many_pieces_is_dropped_and_the_next_arrives);
	RUN(without_mergeable_buffers_a_frame_has_one_or_is_dropped);
	RUN(a_buffer_shorter_than_the_header_is_given_back_empty);
	RUN(readable_pieces_of_a_receive_chain_are_not_written);
	RUN(runts_and_giants_are_dropped_and_counted);
	RUN(flags_are_zero_for_a_driver_without_guest_csum);
	RUN(frames_beyond_the_negotiated_mtu_do_not_pass);
	RUN(without_buffers_frames_stay_in_the_back_end);
	RUN(a_storm_of_frames_leaves_the_loop_to_others);
	RUN(an_interface_that_vanished_ends_nothing);
	RUN(an_interface_that_is_there_and_refuses_needs_a_reset);
	RUN(a_broken_device_receives_and_sends_no_more);
	RUN(a_broken_receive_ring_needs_a_reset_and_spins_nothing);
	RUN(a_frame_is_sent_with_its_header);
	RUN(a_frame_in_any_pieces_is_sent_whole);
	RUN(what_is_no_frame_is_dropped_and_completed);
	RUN(a_full_back_end_leaves_frames_in_the_ring);
	RUN(a_storm_of_frames_out_leaves_the_loop_to_others);
	RUN(a_stop_gives_back_what_was_popped_ahead);
	RUN(a_reset_queue_starts_afresh_and_the_others_go_on);
	RUN(a_driver_may_come_and_go_ten_times);
	RUN(state_is_saved_and_loaded_whole_and_the_driver_asked_to_announce);
	RUN(state_that_cannot_be_is_refused);
	RUN(in_order_and_packed_rings_may_be_negotiated);
	RUN(statistics_name_every_counter);
	RUN(a_transport_without_room_leaves_the_back_end_to_the_caller);
	return tap_done();
}
