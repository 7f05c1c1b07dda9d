// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completions that the driver sees together, and rings that others serve for a while. [virtio-1.2 2.7.8, 2.8.8, 5.1.6.4.1]
 * links: virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c
 */
#include "tests/virtio/ring-driver.h"

enum { SIZE = 16 };

static struct drv d;
static struct virtq q;
static struct virtq_chain c[SIZE];
static struct iovec iov[SIZE][4];

static void up(bool packed, bool in_order)
{
	struct virtq_config cfg = drv_config(SIZE, packed);
	const char *why;
	unsigned int i;

	cfg.in_order = in_order;
	cfg.indirect = true;
	drv_init(&d, &cfg);
	memset(&q, 0, sizeof(q));
	if (virtq_enable(&q, &d.gm, &cfg, &why) < 0)
		abort();
	for (i = 0; i < SIZE; i++)
		c[i] = (struct virtq_chain){ .iov = iov[i], .room = 4 };
}

static void down(void)
{
	virtq_disable(&q);
	drv_free(&d);
}

static bool pop(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		drv_add_simple(&d, i, 0, 32);
		if (virtq_pop(&q, &c[i]) != 1)
			return false;
	}
	return true;
}

static int seen(void)
{
	u32 len;
	int n = 0;

	while (drv_used(&d, &len) >= 0)
		n++;
	return n;
}

/* Round the ring more than once. */
static int rounds(bool packed, bool in_order)
{
	unsigned int i, k, n;
	u32 len;
	int r = 0;

	up(packed, in_order);
	for (i = 0; i < 40 && !r; i++) {
		n = i % 5 + 1;
		if (!pop(n))
			return -1;
		virtq_push_begin(&q);
		for (k = 0; k < n && !r; k++) {
			virtq_push(&q, &c[k], 32);
			r = drv_used(&d, &len) >= 0;	/* none before the end */
		}
		virtq_push_end(&q);
		if (seen() != (int)n)
			r = -2;
	}
	down();
	return r;
}

TEST(split_completions_are_seen_together) { CHECK_EQ(rounds(false, false), 0); }
TEST(packed_completions_are_seen_together) { CHECK_EQ(rounds(true, false), 0); }
TEST(split_in_order_completions_are_seen_together) { CHECK_EQ(rounds(false, true), 0); }
TEST(packed_in_order_completions_are_seen_together) { CHECK_EQ(rounds(true, true), 0); }

TEST(an_end_without_completions_shows_none)
{
	int packed;

	for (packed = 0; packed < 2; packed++) {
		up(packed, false);
		CHECK(pop(2));
		virtq_push_begin(&q);
		virtq_push_end(&q);
		CHECK_EQ(seen(), 0);
		virtq_push(&q, &c[0], 32);
		CHECK_EQ(seen(), 1);
		virtq_push(&q, &c[1], 32);
		down();
	}
}

TEST(a_ring_that_broke_in_between_shows_none)
{
	int packed;

	for (packed = 0; packed < 2; packed++) {
		up(packed, false);
		CHECK(pop(2));
		virtq_push_begin(&q);
		virtq_push(&q, &c[0], 32);
		virtq_break(&q, "test");
		virtq_push(&q, &c[1], 32);
		virtq_push_end(&q);
		CHECK_EQ(seen(), 0);
		down();
	}
}

TEST(a_ring_lent_and_returned_goes_on_where_it_was_left)
{
	struct virtq_place place;
	u8 *used;
	u32 len;

	up(false, false);
	CHECK(pop(3));
	virtq_push(&q, &c[0], 32);
	virtq_push(&q, &c[1], 32);
	virtq_push(&q, &c[2], 32);
	CHECK_EQ(seen(), 3);
	virtq_disable_notify(&q);
	place = virtq_lend(&q);
	CHECK_EQ(place.next, 3);
	CHECK_EQ(place.size, SIZE);
	CHECK(place.desc == (uintptr_t)drv_at(&d, DRV_DESC) && place.driver == (uintptr_t)drv_at(&d, DRV_DRIVER) &&
	      place.device == (uintptr_t)drv_at(&d, DRV_DEVICE));
	/* The other one completes two. */
	CHECK(drv_add_simple(&d, 0, 0, 32) >= 0);
	CHECK(drv_add_simple(&d, 1, 0, 32) >= 0);
	used = drv_at(&d, DRV_DEVICE);
	put_le32(used + 4 + 8 * 3, get_le16(drv_at(&d, DRV_DRIVER + 4 + 2 * 3)));
	put_le32(used + 4 + 8 * 4, get_le16(drv_at(&d, DRV_DRIVER + 4 + 2 * 4)));
	put_le16(used + 2, 5);
	CHECK_EQ(seen(), 2);
	virtq_return(&q, 5);
	CHECK(!virtq_enable_notify(&q));
	CHECK(drv_add_simple(&d, 2, 0, 32) >= 0);
	CHECK_EQ(virtq_pop(&q, &c[0]), 1);
	virtq_push(&q, &c[0], 7);
	CHECK(drv_used(&d, &len) >= 0);
	CHECK_EQ(len, 7);
	CHECK(virtq_should_interrupt(&q));
	down();
}

int main(void)
{
	RUN(split_completions_are_seen_together);
	RUN(packed_completions_are_seen_together);
	RUN(split_in_order_completions_are_seen_together);
	RUN(packed_in_order_completions_are_seen_together);
	RUN(an_end_without_completions_shows_none);
	RUN(a_ring_that_broke_in_between_shows_none);
	RUN(a_ring_lent_and_returned_goes_on_where_it_was_left);
	return tap_done();
}
