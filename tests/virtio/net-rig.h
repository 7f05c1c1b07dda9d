/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of the network device: the rig with the back end of net-fake.h, and what a driver of the device does. The device's loop is the
 * rig's, which the test turns: one thread.
 */
#ifndef TESTS_VIRTIO_NET_RIG_H
#define TESTS_VIRTIO_NET_RIG_H

#define RIG_Q_SIZE 64
#include "tests/virtio/net-fake.h"
#include "tests/virtio/rig.h"

/* Room for frames again. */
static inline void fake_drain(unsigned int pair)
{
	fake.full[pair] = false;
	fake.room_came[pair] = true;
	fake_wake();
	rig_turns(6);
}

static inline struct virtio_net *nic(void) { return to_net(rig.vdev); }
static inline bool broken(void) { return virtio_get_status(rig.vdev) & VIRTIO_S_NEEDS_RESET; }
static inline u64 counted(_Atomic u64 *c) { return atomic_load(c); }

/* The device on the rig's loop. */
static inline void nic_create(const struct net_config *cfg)
{
	if (virtio_net_create(&rig.vm, &fake, cfg, 0, NULL) < 0)
		abort();
	if (!nic()->vhost)
		nic()->loop = rig.vm.loop;
}

static inline void nic_up(u32 can, unsigned int pairs)
{
	struct net_config cfg = nic_config();

	rig_up();
	log_set_level(LOG_ERROR);
	fake_init(can, pairs);
	nic_create(&cfg);
}

static inline void nic_down(void)
{
	nic()->loop = NULL;	/* the rig's */
	rig_down();
	rig.vdev = NULL;
}

/* The driver starts with @features; false: refused. */
static inline bool nic_start(u64 features)
{
	bool ok = rig_driver(features);

	rig_turns(6);
	return ok;
}

/* Receive buffers: chain i at RAM_BULK + i * @stride. */
static inline gpa_t rx_at(unsigned int pair, unsigned int i, u32 stride)
{
	return RAM_BULK + pair * 0x100000ULL + (gpa_t)i * stride;
}

static inline void rx_fill(unsigned int pair, unsigned int first, unsigned int nr, u32 stride, u32 len)
{
	unsigned int i;

	for (i = first; i < first + nr; i++) {
		memset(ram(rx_at(pair, i, stride)), 0xee, stride);
		q_add_at(net_rx_queue(pair), 0, 0, rx_at(pair, i, stride), len);
	}
	q_kick(net_rx_queue(pair));
}

/* A frame from the driver: header, then @len bytes that tell their place, as one chain of one piece. */
static inline void tx_frame(unsigned int pair, unsigned int header, size_t len)
{
	static u8 buf[Q_SLOT / 2];
	size_t i;

	memset(buf, 0, sizeof(buf));
	memcpy(buf + header, own_mac, MIN(len, (size_t)NET_MAC_LEN));
	for (i = NET_MAC_LEN; i < len; i++)
		buf[header + i] = (u8)(i * 7 + i / 251);
	q_add(net_tx_queue(pair), buf, (u32)(header + len), 0);
}

static inline unsigned int sent(unsigned int pair)
{
	return fake.out[pair].cnt;
}

/* A control command with its data; what the device answers, or 0x100: nothing. */
static inline unsigned int ctrl(unsigned int queue, u8 class, u8 command, const void *data, u32 len)
{
	static u8 buf[2 + 0x1000];
	gpa_t at = RAM_BULK + 0x1f0000;
	u32 n;

	buf[0] = class;
	buf[1] = command;
	memcpy(buf + 2, data ? data : "", len);
	memcpy(ram(at), buf, len + 2);
	*(u8 *)ram(at + 0x2000) = 0xee;
	q_add_at(queue, at, len + 2, at + 0x2000, 1);
	q_kick(queue);
	if (!q_take(queue, &n) || n != 1)
		return 0x100;
	return *(u8 *)ram(at + 0x2000);
}

#endif
