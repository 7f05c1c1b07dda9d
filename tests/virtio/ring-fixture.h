/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One queue and the driver that feeds it, for tests that write descriptors of one kind by hand. The test that includes it defines SIZE, ROOM
 * and PACKED.
 */
#ifndef TESTS_VIRTIO_RING_FIXTURE_H
#define TESTS_VIRTIO_RING_FIXTURE_H

#include "tests/virtio/ring-driver.h"

static struct drv d;
static struct virtq q;
static struct virtq_chain c;
static struct iovec iov[ROOM];
static char broke[160];

static void on_break(struct virtq *vq, const char *why)
{
	snprintf(broke, sizeof(broke), "%s", why);
}

static void setup(bool indirect, bool event_idx, bool in_order)
{
	struct virtq_config cfg = drv_config(SIZE, PACKED);
	const char *why;

	cfg.indirect = indirect;
	cfg.event_idx = event_idx;
	cfg.in_order = in_order;
	drv_init(&d, &cfg);
	memset(&q, 0, sizeof(q));
	q.on_break = on_break;
	broke[0] = 0;
	c = (struct virtq_chain){ .iov = iov, .room = ROOM };
	if (virtq_enable(&q, &d.gm, &cfg, &why) < 0)
		abort();
}

static void teardown(void)
{
	virtq_disable(&q);
	drv_free(&d);
}

#endif
