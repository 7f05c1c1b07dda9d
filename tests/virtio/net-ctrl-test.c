// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control queue of the network device: each command, cut short in every way, refused for every reason; and the receive filter that
 * most of them set. [virtio-1.2 5.1.6.5]
 * links: util/iov.c virtio/net.c virtio/net-features.c virtio/net-rx.c virtio/net-tx.c virtio/net-ctrl.c virtio/net-filter.c virtio/net-vhost.c
 * links: virtio/vhost.c
 * links: virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: util/json.c util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/net-rig.h"

#define CTRL_VQ BIT_ULL(NET_F_CTRL_VQ)
#define ALL                                                                                                                     \
	(CTRL_VQ | BIT_ULL(NET_F_MRG_RXBUF) | BIT_ULL(NET_F_STATUS) | BIT_ULL(NET_F_CTRL_RX) | BIT_ULL(NET_F_CTRL_RX_EXTRA) |    \
	 BIT_ULL(NET_F_CTRL_VLAN) | BIT_ULL(NET_F_GUEST_ANNOUNCE) | BIT_ULL(NET_F_MQ) | BIT_ULL(NET_F_CTRL_MAC_ADDR) |           \
	 BIT_ULL(NET_F_GUEST_CSUM) | BIT_ULL(NET_F_GUEST_TSO4) | BIT_ULL(NET_F_CTRL_GUEST_OFFLOADS))

enum { PAIRS = 3, CQ = 2 * PAIRS, OK = 0, ERR = 1 };
enum { ALL_OFFLOADS = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN | NET_OFFLOAD_UFO | NET_OFFLOAD_USO };

static void up(u64 features)
{
	nic_up(ALL_OFFLOADS, PAIRS);
	if (!nic_start(features))
		abort();
}

static const u8 mac_a[6] = { 2, 0xa, 0, 0, 0, 1 }, mac_b[6] = { 2, 0xb, 0, 0, 0, 1 };
static const u8 multi_a[6] = { 1, 0, 0x5e, 0, 0, 1 }, multi_b[6] = { 1, 0, 0x5e, 0, 0, 2 };
static const u8 bcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* Does a frame to @mac arrive? */
static bool arrives_tagged(const u8 *mac, size_t len, int vlan)
{
	u64 had = counted(&nic()->count.rx_frames);
	u8 *p = fake_frame_to(0, mac, len) + fake.header;

	if (vlan >= 0) {
		memcpy(p + 12, "\x81\x00", 2);
		if (len >= 18) {
			p[14] = (u8)(0xf0 | vlan >> 8);	/* with a priority and DEI */
			p[15] = (u8)vlan;
		}
	}
	rig_turns(4);
	return counted(&nic()->count.rx_frames) != had;
}

static bool arrives(const u8 *mac)
{
	return arrives_tagged(mac, 60, -1);
}

static void set_mode(u8 command, u8 on)
{
	if (ctrl(CQ, 0, command, &on, 1) != OK)
		abort();
}

static unsigned int set_macs(const u8 *uni, unsigned int nr_uni, const u8 *multi, unsigned int nr_multi)
{
	static u8 data[0x1000];
	u32 len = 8 + 6 * (nr_uni + nr_multi);
	unsigned int i;

	put_le32(data, nr_uni);
	for (i = 0; i < nr_uni; i++)
		memcpy(data + 4 + 6 * i, uni, 6);
	put_le32(data + 4 + 6 * nr_uni, nr_multi);
	for (i = 0; i < nr_multi; i++)
		memcpy(data + 8 + 6 * (nr_uni + i), multi, 6);
	return ctrl(CQ, 1, 0, data, len);
}

/* --- commands as such --- */

static const u8 one_mac[] = { 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2 };

static const struct command {
	u8 class, command;
	u8 feature;		/* what it needs beside CTRL_VQ */
	u8 data[32];
	u32 len;
} commands[] = {
	{ 0, 0, NET_F_CTRL_RX, { 1 }, 1 },
	{ 0, 1, NET_F_CTRL_RX, { 1 }, 1 },
	{ 0, 2, NET_F_CTRL_RX_EXTRA, { 1 }, 1 },
	{ 0, 3, NET_F_CTRL_RX_EXTRA, { 1 }, 1 },
	{ 0, 4, NET_F_CTRL_RX_EXTRA, { 1 }, 1 },
	{ 0, 5, NET_F_CTRL_RX_EXTRA, { 1 }, 1 },
	{ 1, 0, NET_F_CTRL_RX, { 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2 }, sizeof(one_mac) },
	{ 1, 0, NET_F_CTRL_RX, { 0 }, 8 },
	{ 1, 1, NET_F_CTRL_MAC_ADDR, { 2, 1, 2, 3, 4, 5 }, 6 },
	{ 2, 0, NET_F_CTRL_VLAN, { 0xff, 0xf }, 2 },
	{ 2, 1, NET_F_CTRL_VLAN, { 0xff, 0xf }, 2 },
	{ 3, 0, NET_F_GUEST_ANNOUNCE, { 0 }, 0 },
	{ 4, 0, NET_F_MQ, { 3, 0 }, 2 },
	{ 5, 0, NET_F_CTRL_GUEST_OFFLOADS, { 0x82 }, 8 },
};

static u32 sum_of_state(void)
{
	const u8 *p = (const u8 *)&nic()->filter;
	u32 sum = 0;
	size_t i;

	for (i = 0; i < sizeof(nic()->filter); i++)
		sum = sum * 31 + p[i];
	return sum + (u32)atomic_load(&nic()->mac) + nic()->pairs + (u32)nic()->offloads * 3 + atomic_load(&nic()->announce) * 7;
}

TEST(each_command_works_with_its_feature_and_not_without)
{
	u64 without;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		up(ALL);
		CHECK_EQ(ctrl(CQ, commands[i].class, commands[i].command, commands[i].data, commands[i].len), OK);
		nic_down();
		without = ALL & ~BIT_ULL(commands[i].feature);
		up(without);
		CHECK_EQ(ctrl(commands[i].feature == NET_F_MQ ? 2 : CQ, commands[i].class, commands[i].command, commands[i].data,
			      commands[i].len), ERR);
		nic_down();
	}
}

TEST(a_command_cut_short_or_too_long_is_refused_and_changes_nothing)
{
	u8 data[64] = { 0 };
	unsigned int i;
	u32 len, before;

	up(ALL);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		memcpy(data, commands[i].data, sizeof(commands[i].data));
		before = sum_of_state();
		for (len = 0; len < commands[i].len; len++) {
			CHECK_EQ(ctrl(CQ, commands[i].class, commands[i].command, data, len), ERR);
			CHECK_EQ(sum_of_state(), before);
		}
		CHECK_EQ(ctrl(CQ, commands[i].class, commands[i].command, data, commands[i].len + 1), ERR);
		CHECK_EQ(sum_of_state(), before);
	}
	nic_down();
}

TEST(a_command_shorter_than_its_header_is_refused)
{
	u8 *ack;
	u32 len;

	up(ALL);
	ack = q_add(CQ, "\0", 1, 1);
	*ack = 0xee;
	q_kick(CQ);
	CHECK(q_take(CQ, &len) && len == 1);
	CHECK_EQ(*ack, ERR);
	q_add_at(CQ, 0, 0, RAM_BULK, 1);	/* only the answer */
	q_kick(CQ);
	CHECK(q_take(CQ, &len) && len == 1);
	CHECK_EQ(*(u8 *)ram(RAM_BULK), ERR);
	nic_down();
}

TEST(a_command_without_room_for_its_answer_does_not_happen)
{
	u32 before, len;

	up(ALL);
	before = sum_of_state();
	q_add(CQ, "\0\0\0", 3, 0);
	q_add(CQ, NULL, 0, 0);
	q_kick(CQ);
	CHECK(q_take(CQ, &len) && len == 0);
	CHECK(q_take(CQ, &len) && len == 0);
	CHECK_EQ(sum_of_state(), before);
	CHECK(!broken());
	nic_down();
}

TEST(a_command_in_single_bytes_is_one_command)
{
	unsigned int i;
	u32 len;

	up(ALL);
	memcpy(ram(RAM_BULK), "\1\0", 2);
	memcpy(ram(RAM_BULK + 2), one_mac, sizeof(one_mac));
	for (i = 0; i < 2 + sizeof(one_mac); i++)
		q_desc(CQ, (u16)i, RAM_BULK + i, 1, 1, (u16)(i + 1));
	q_desc(CQ, (u16)i, RAM_BULK + 0x100, 7, 2, 0);
	q_publish(CQ, 0);
	*(u8 *)ram(RAM_BULK + 0x100) = *(u8 *)ram(RAM_BULK + 0x101) = 0xee;
	q_kick(CQ);
	CHECK(q_take(CQ, &len) && len == 1);
	CHECK_EQ(*(u8 *)ram(RAM_BULK + 0x100), OK);
	CHECK_EQ(*(u8 *)ram(RAM_BULK + 0x101), 0xee);
	CHECK_EQ(nic()->filter.nr_uni, 1);
	CHECK_EQ(nic()->filter.nr_multi, 2);
	CHECK(!memcmp(nic()->filter.multi[1], "\1\2\2\2\2\2", 6));
	nic_down();
}

TEST(unknown_classes_and_commands_are_refused)
{
	static const u8 data[8] = { 1 };
	unsigned int class, command, i, known;
	u32 len;

	up(ALL);
	for (class = 0; class < 256; class += class < 8 ? 1 : 31) {
		for (command = 0; command < 256; command += command < 8 ? 1 : 31) {
			known = 0;
			for (i = 0; i < ARRAY_SIZE(commands); i++)
				known |= commands[i].class == class && commands[i].command == command;
			for (len = 0; len <= 8 && !known; len++)
				CHECK_EQ(ctrl(CQ, (u8)class, (u8)command, data, len), ERR);
		}
	}
	nic_down();
}

TEST(values_out_of_range_are_refused)
{
	u32 before;

	up(ALL);
	before = sum_of_state();
	CHECK_EQ(ctrl(CQ, 0, 0, "\2", 1), ERR);
	CHECK_EQ(ctrl(CQ, 0, 5, "\xff", 1), ERR);
	CHECK_EQ(ctrl(CQ, 2, 0, "\x00\x10", 2), ERR);	/* 4096 */
	CHECK_EQ(ctrl(CQ, 2, 1, "\xff\xff", 2), ERR);
	CHECK_EQ(ctrl(CQ, 4, 0, "\0\0", 2), ERR);
	CHECK_EQ(ctrl(CQ, 4, 0, "\4\0", 2), ERR);
	CHECK_EQ(ctrl(CQ, 4, 0, "\xff\xff", 2), ERR);
	CHECK_EQ(ctrl(CQ, 5, 0, "\x02\x01\0\0\0\0\0\0", 8), ERR);	/* TSO6 was not negotiated */
	CHECK_EQ(ctrl(CQ, 5, 0, "\x03\0\0\0\0\0\0\0", 8), ERR);		/* CSUM is not the device's towards the guest */
	CHECK_EQ(ctrl(CQ, 5, 0, "\0\0\0\0\0\0\0\x80", 8), ERR);
	CHECK_EQ(sum_of_state(), before);
	nic_down();
}

TEST(tables_that_lie_about_their_length_are_refused)
{
	u8 data[64] = { 0 };
	u32 before;

	up(ALL);
	before = sum_of_state();
	put_le32(data, 0xffffffff);
	CHECK_EQ(ctrl(CQ, 1, 0, data, 64), ERR);
	put_le32(data, 0x2aaaaaab);		/* times six is 2 in 32 bits */
	CHECK_EQ(ctrl(CQ, 1, 0, data, 64), ERR);
	put_le32(data, 0);
	put_le32(data + 4, 0xffffffff);
	CHECK_EQ(ctrl(CQ, 1, 0, data, 64), ERR);
	put_le32(data, 10);
	CHECK_EQ(ctrl(CQ, 1, 0, data, 64), ERR);	/* no room for the second count */
	CHECK_EQ(sum_of_state(), before);
	nic_down();
}

TEST(a_storm_of_commands_leaves_the_loop_to_others)
{
	unsigned int i;

	up(ALL);
	for (i = 0; i < Q_SIZE / 2; i++)
		q_add(CQ, "\3\0", 2, 1);
	virtio_queue_kicked(rig.vdev, CQ);
	rig_turns(4);
	CHECK_EQ(q_completed(CQ), Q_SIZE / 2);
	CHECK_EQ(rig.irqs[CQ], 1);
	CHECK(q_wants_kicks(CQ));
	nic_down();
}

/* --- the filter --- */

TEST(a_driver_that_says_nothing_receives_everything)
{
	up(ALL);
	rx_fill(0, 0, 16, 2048, 2048);
	CHECK(arrives(mac_a) && arrives(multi_a) && arrives(bcast) && arrives(own_mac));
	CHECK(arrives_tagged(mac_a, 60, 5));
	nic_down();
}

TEST(only_what_is_in_the_tables_arrives)
{
	up(ALL);
	rx_fill(0, 0, 32, 2048, 2048);
	set_mode(0, 0);
	CHECK(arrives(own_mac) && arrives(bcast));
	CHECK(!arrives(mac_a) && !arrives(multi_a));
	CHECK_EQ(counted(&nic()->count.rx_filtered), 2);
	CHECK_EQ(set_macs(mac_a, 1, multi_a, 1), OK);
	CHECK(arrives(own_mac) && arrives(mac_a) && arrives(multi_a));
	CHECK(!arrives(mac_b) && !arrives(multi_b));
	CHECK_EQ(set_macs(NULL, 0, NULL, 0), OK);
	CHECK(!arrives(mac_a) && !arrives(multi_a));
	nic_down();
}

TEST(more_addresses_than_there_is_room_for_let_all_in)
{
	up(ALL);
	rx_fill(0, 0, 32, 2048, 2048);
	set_mode(0, 0);
	CHECK_EQ(set_macs(mac_a, NET_FILTER_MACS, multi_a, NET_FILTER_MACS), OK);
	CHECK(!arrives(mac_b) && !arrives(multi_b));
	CHECK_EQ(set_macs(mac_a, NET_FILTER_MACS + 1, multi_a, 1), OK);
	CHECK(arrives(mac_b) && !arrives(multi_b));
	CHECK_EQ(set_macs(mac_a, 1, multi_a, NET_FILTER_MACS + 1), OK);
	CHECK(!arrives(mac_b) && arrives(multi_b));
	CHECK_EQ(set_macs(mac_a, 300, multi_a, 300), OK);
	CHECK(arrives(mac_b) && arrives(multi_b));
	CHECK_EQ(set_macs(NULL, 0, NULL, 0), OK);
	CHECK(!arrives(mac_b) && !arrives(multi_b));
	nic_down();
}

/* [5.1.6.5.1.1] */
TEST(modes_let_in_and_keep_out)
{
	up(ALL);
	rx_fill(0, 0, 60, 2048, 2048);
	set_mode(0, 0);
	set_mode(1, 1);		/* allmulti */
	CHECK(arrives(multi_a) && !arrives(mac_a));
	set_mode(3, 1);		/* nomulti is stronger, and not for broadcast */
	CHECK(!arrives(multi_a) && arrives(bcast));
	set_mode(5, 1);		/* nobcast */
	CHECK(!arrives(bcast));
	set_mode(3, 0);
	CHECK(!arrives(bcast) && arrives(multi_a));
	set_mode(5, 0);
	set_mode(1, 0);
	CHECK(!arrives(multi_a));
	set_mode(2, 1);		/* alluni */
	CHECK(arrives(mac_a));
	set_mode(4, 1);		/* nouni is stronger */
	CHECK(!arrives(mac_a) && !arrives(own_mac));
	set_mode(0, 1);		/* promiscuous is the strongest */
	set_mode(3, 1);
	set_mode(5, 1);
	CHECK(arrives(mac_a) && arrives(multi_a) && arrives(bcast));
	nic_start(ALL);		/* and a reset forgets */
	rx_fill(0, 0, 8, 2048, 2048);
	set_mode(0, 0);
	CHECK(arrives(own_mac) && arrives(bcast) && !arrives(multi_a));
	nic_down();
}

/* [5.1.6.5.3] */
TEST(tagged_frames_arrive_for_vlans_in_the_table)
{
	up(ALL);
	rx_fill(0, 0, 32, 2048, 2048);
	set_mode(0, 0);
	CHECK(!arrives_tagged(own_mac, 60, 7));
	CHECK_EQ(ctrl(CQ, 2, 0, "\x07\x00", 2), OK);
	CHECK_EQ(ctrl(CQ, 2, 0, "\xff\x0f", 2), OK);
	CHECK(arrives_tagged(own_mac, 60, 7) && arrives_tagged(own_mac, 60, 4095));
	CHECK(!arrives_tagged(own_mac, 60, 8) && !arrives_tagged(own_mac, 60, 0));
	CHECK(!arrives_tagged(mac_a, 60, 7));
	CHECK_EQ(ctrl(CQ, 2, 1, "\x07\x00", 2), OK);
	CHECK(!arrives_tagged(own_mac, 60, 7) && arrives_tagged(own_mac, 60, 4095));
	CHECK_EQ(ctrl(CQ, 2, 0, "\x00\x00", 2), OK);
	CHECK(arrives_tagged(own_mac, 18, 0));
	CHECK(!arrives_tagged(own_mac, 14, 0));	/* a type that says tag, and none */
	CHECK(arrives(own_mac));
	nic_start(ALL & ~BIT_ULL(NET_F_CTRL_VLAN));
	rx_fill(0, 0, 8, 2048, 2048);
	set_mode(0, 0);
	CHECK(arrives_tagged(own_mac, 60, 8));	/* not negotiated: all */
	nic_down();
}

TEST(the_address_set_is_the_one_that_receives_and_shows)
{
	u8 got[6];

	up(ALL);
	rx_fill(0, 0, 16, 2048, 2048);
	set_mode(0, 0);
	CHECK_EQ(ctrl(CQ, 1, 1, mac_a, 6), OK);
	CHECK(arrives(mac_a) && !arrives(own_mac));
	virtio_config_read(rig.vdev, 0, got, 6);
	CHECK(!memcmp(got, mac_a, 6));
	virtio_set_status(rig.vdev, 0);
	virtio_config_read(rig.vdev, 0, got, 6);
	CHECK(!memcmp(got, own_mac, 6));
	nic_down();
}

/* --- pairs, offloads, announce --- */

static bool frame_through(unsigned int pair)
{
	unsigned int had = q_completed(net_rx_queue(pair));

	fake_frame(pair, 60);
	rig_turns(6);
	return q_completed(net_rx_queue(pair)) != had;
}

TEST(pairs_carry_frames_once_they_are_enabled)
{
	unsigned int i;

	up(ALL);
	for (i = 0; i < PAIRS; i++) {
		rx_fill(i, 0, 16, 2048, 2048);
		tx_frame(i, 12, 60);
		q_kick(net_tx_queue(i));
	}
	CHECK(frame_through(0));
	CHECK(!frame_through(1) && !frame_through(2));	/* [5.1.6.5.6.2] */
	CHECK_EQ(sent(0), 1);
	CHECK_EQ(sent(1), 0);
	CHECK_EQ(ctrl(CQ, 4, 0, "\3\0", 2), OK);
	CHECK_EQ(fake.pairs, 3);
	rig_turns(6);
	CHECK_EQ(q_completed(2), 1);	/* what waited */
	CHECK_EQ(q_completed(4), 1);
	CHECK_EQ(sent(1), 1);
	CHECK_EQ(sent(2), 1);
	CHECK(frame_through(0) && frame_through(1) && frame_through(2));
	CHECK_EQ(ctrl(CQ, 4, 0, "\2\0", 2), OK);
	CHECK(frame_through(0) && frame_through(1) && !frame_through(2));
	tx_frame(2, 12, 60);
	q_kick(5);
	CHECK_EQ(sent(2), 1);
	virtio_set_status(rig.vdev, 0);
	nic_start(ALL);			/* [5.1.6.5.6.2] a reset: the first pair alone */
	CHECK_EQ(fake.pairs, 1);
	nic_down();
}

TEST(a_frame_that_waits_on_a_pair_no_longer_used_is_lost)
{
	up(ALL);
	CHECK_EQ(ctrl(CQ, 4, 0, "\2\0", 2), OK);
	rx_fill(1, 0, 2, 2048, 1500);
	fake_frame(1, 5000);
	rig_turns(4);
	CHECK_EQ(counted(&nic()->count.rx_dropped), 0);
	CHECK_EQ(ctrl(CQ, 4, 0, "\1\0", 2), OK);
	CHECK_EQ(counted(&nic()->count.rx_dropped), 1);
	CHECK_EQ(ctrl(CQ, 4, 0, "\2\0", 2), OK);
	CHECK(frame_through(1));
	nic_down();
}

TEST(what_the_back_end_refuses_is_refused)
{
	up(ALL);
	fake.refuse = -EINVAL;
	CHECK_EQ(ctrl(CQ, 4, 0, "\2\0", 2), ERR);
	CHECK_EQ(nic()->pairs, 1);
	CHECK_EQ(ctrl(CQ, 5, 0, "\2\0\0\0\0\0\0\0", 8), ERR);
	CHECK_EQ(nic()->offloads, BIT_ULL(NET_F_GUEST_CSUM) | BIT_ULL(NET_F_GUEST_TSO4));
	CHECK(!broken());
	nic_down();
}

TEST(offloads_are_turned_off_and_on)
{
	up(ALL);
	CHECK_EQ(fake.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4);
	CHECK_EQ(ctrl(CQ, 5, 0, "\2\0\0\0\0\0\0\0", 8), OK);
	CHECK_EQ(fake.offloads, NET_OFFLOAD_CSUM);
	CHECK_EQ(ctrl(CQ, 5, 0, "\x80\0\0\0\0\0\0\0", 8), OK);
	CHECK_EQ(fake.offloads, 0);	/* segments need checksums */
	CHECK_EQ(ctrl(CQ, 5, 0, "\0\0\0\0\0\0\0\0", 8), OK);
	CHECK_EQ(fake.offloads, 0);
	CHECK_EQ(ctrl(CQ, 5, 0, "\x82\0\0\0\0\0\0\0", 8), OK);
	CHECK_EQ(fake.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4);
	nic_down();
}

static u16 status(void)
{
	u8 b[2];

	virtio_config_read(rig.vdev, 6, b, 2);
	return get_le16(b);
}

/* [5.1.6.5.4] */
TEST(an_announcement_stands_till_it_is_acknowledged)
{
	up(ALL);
	CHECK_EQ(status(), 1);
	net_announce(nic());
	CHECK_EQ(status(), 3);
	CHECK_EQ(rig.config_irqs, 1);
	CHECK_EQ(ctrl(CQ, 3, 0, NULL, 0), OK);
	CHECK_EQ(status(), 1);
	net_announce(nic());
	virtio_set_status(rig.vdev, 0);
	CHECK_EQ(status(), 1);
	nic_start(ALL & ~BIT_ULL(NET_F_GUEST_ANNOUNCE));
	net_announce(nic());
	CHECK_EQ(status(), 1);
	nic_start(ALL);
	fake.client->link_changed(fake.client, false);
	net_announce(nic());	/* to nobody */
	CHECK_EQ(status(), 0);
	nic_down();
}

int main(void)
{
	RUN(each_command_works_with_its_feature_and_not_without);
	RUN(a_command_cut_short_or_too_long_is_refused_and_changes_nothing);
	RUN(a_command_shorter_than_its_header_is_refused);
	RUN(a_command_without_room_for_its_answer_does_not_happen);
	RUN(a_command_in_single_bytes_is_one_command);
	RUN(unknown_classes_and_commands_are_refused);
	RUN(values_out_of_range_are_refused);
	RUN(tables_that_lie_about_their_length_are_refused);
	RUN(a_storm_of_commands_leaves_the_loop_to_others);
	RUN(a_driver_that_says_nothing_receives_everything);
	RUN(only_what_is_in_the_tables_arrives);
	RUN(more_addresses_than_there_is_room_for_let_all_in);
	RUN(modes_let_in_and_keep_out);
	RUN(tagged_frames_arrive_for_vlans_in_the_table);
	RUN(the_address_set_is_the_one_that_receives_and_shows);
	RUN(pairs_carry_frames_once_they_are_enabled);
	RUN(a_frame_that_waits_on_a_pair_no_longer_used_is_lost);
	RUN(what_the_back_end_refuses_is_refused);
	RUN(offloads_are_turned_off_and_on);
	RUN(an_announcement_stands_till_it_is_acknowledged);
	return tap_done();
}
