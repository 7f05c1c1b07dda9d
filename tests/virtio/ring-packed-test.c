/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packed virtqueue byte by byte, and its hostile drivers. [virtio-1.2 2.8]
 * links: virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c util/str.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "tests/virtio/ring-driver.h"

enum { SIZE = 5, ROOM = 64, ENABLE = 0, DISABLE = 1, DESC = 2 };	/* a size that is no power of two */

#define PACKED true
#include "tests/virtio/ring-fixture.h"

static void desc(unsigned int i, u16 id, u16 flags)
{
	drv_desc(&d, DRV_DESC + 16 * i, DRV_DATA + 64 * i, 16, id, flags);
}

static u16 flags_of(unsigned int i)
{
	return drv_r16(&d, DRV_DESC + 16 * i + 14);
}

#define CHECK_BREAKS(why)                                                                                              \
	do {                                                                                                           \
		CHECK_EQ(virtq_pop(&q, &c), -EIO);                                                                     \
		CHECK_STR(broke, why);                                                                                 \
	} while (0)

TEST(available_means_avail_matches_the_wrap_counter_and_used_does_not)	/* [2.8.1] */
{
	static const struct { u16 flags; bool first_lap, second_lap; } t[] = {
		{ 0, false, false }, { D_AVAIL, true, false }, { D_USED, false, true }, { D_AVAIL | D_USED, false, false },
	};
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(false, false, false);
		desc(0, 0, t[i].flags);
		CHECK_EQ(virtq_pop(&q, &c), t[i].first_lap);
		teardown();
		setup(false, false, false);
		for (k = 0; k < SIZE; k++) {
			desc(k, 0, D_AVAIL);
			CHECK_EQ(virtq_pop(&q, &c), 1);
			virtq_push(&q, &c, 0);
		}
		desc(0, 0, t[i].flags);
		CHECK_EQ(virtq_pop(&q, &c), t[i].second_lap);
		teardown();
	}
}

TEST(used_descriptor_has_both_bits_as_the_wrap_counter)
{
	unsigned int lap, k;

	setup(false, false, false);
	for (lap = 0; lap < 4; lap++) {
		for (k = 0; k < SIZE; k++) {
			desc(k, (u16)(7 + k), (lap & 1 ? D_USED : D_AVAIL) | (k & 1 ? D_WRITE : 0));
			CHECK_EQ(virtq_pop(&q, &c), 1);
			CHECK_EQ(c.id, 7 + k);
			virtq_push(&q, &c, 3);
			CHECK_EQ(flags_of(k), (lap & 1 ? 0 : D_AVAIL | D_USED) | (k & 1 ? D_WRITE : 0));
			CHECK_EQ(drv_r16(&d, DRV_DESC + 16 * k + 12), 7 + k);
			CHECK_EQ(drv_r32(&d, DRV_DESC + 16 * k + 8), k & 1 ? 3 : 0);
		}
	}
	teardown();
}

TEST(id_is_that_of_the_last_descriptor_and_may_be_any_number)	/* [2.8.6] */
{
	setup(false, false, false);
	desc(1, 0xfffe, D_AVAIL);
	desc(0, 4, D_AVAIL | D_NEXT);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.id, 0xfffe);
	CHECK_EQ(c.ndesc, 2);
	virtq_push(&q, &c, 0);
	CHECK_EQ(drv_r16(&d, DRV_DESC + 12), 0xfffe);
	CHECK_EQ(flags_of(1), D_AVAIL);	/* skipped, not written */
	teardown();
}

TEST(list_goes_over_the_end_of_the_ring)
{
	unsigned int k;

	setup(false, false, false);
	for (k = 0; k < 4; k++) {
		desc(k, 0, D_AVAIL);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		virtq_push(&q, &c, 0);
	}
	desc(0, 3, D_USED);	/* next lap */
	desc(4, 3, D_AVAIL | D_NEXT);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.ndesc, 2);
	virtq_push(&q, &c, 0);
	CHECK_EQ(flags_of(4), D_AVAIL | D_USED);
	desc(1, 0, D_USED);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 0);
	CHECK_EQ(flags_of(1), 0);
	teardown();
}

TEST(list_that_is_not_all_available_breaks)	/* [2.8.6, 2.8.17] */
{
	setup(false, false, false);
	desc(0, 0, D_AVAIL | D_NEXT);
	CHECK_BREAKS("descriptor 1 of a list is not available");
	teardown();
}

TEST(list_longer_than_the_ring_breaks)	/* [2.8.17] */
{
	unsigned int k;

	setup(false, false, false);
	for (k = 0; k < SIZE; k++)
		desc(k, 0, D_AVAIL | D_NEXT);
	CHECK_BREAKS("list of more than 5 descriptors, 0 of 5 in use");
	teardown();
}

TEST(descriptors_in_flight_cannot_be_made_available_again)
{
	unsigned int k;

	setup(false, false, false);
	for (k = 0; k < SIZE; k++)
		desc(k, 0, D_AVAIL);
	for (k = 0; k < SIZE; k++)
		CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(virtq_pop(&q, &c), 0);
	desc(0, 0, D_USED);	/* the next lap's, though nothing was used */
	CHECK_BREAKS("list of more than 0 descriptors, 5 of 5 in use");
	teardown();
}

TEST(indirect_in_a_list_breaks)	/* [2.8.5, 2.8.19] */
{
	setup(true, false, false);
	drv_desc(&d, DRV_DESC, DRV_TABLES, 16, 0, D_AVAIL | D_INDIRECT | D_NEXT);
	desc(1, 0, D_AVAIL);
	CHECK_BREAKS("indirect descriptor in a list");
	teardown();
	setup(true, false, false);
	desc(0, 0, D_AVAIL | D_NEXT);
	drv_desc(&d, DRV_DESC + 16, DRV_TABLES, 16, 0, D_AVAIL | D_INDIRECT);
	CHECK_BREAKS("indirect descriptor in a list");
	teardown();
}

TEST(write_is_the_only_flag_that_counts_in_an_indirect_table)	/* [2.8.7] */
{
	setup(true, false, false);
	drv_desc(&d, DRV_DESC, DRV_TABLES, 48, 9, D_AVAIL | D_INDIRECT);
	drv_desc(&d, DRV_TABLES, DRV_DATA, 1, 77, D_INDIRECT);
	drv_desc(&d, DRV_TABLES + 16, DRV_DATA, 2, 78, D_NEXT | D_AVAIL);
	drv_desc(&d, DRV_TABLES + 32, DRV_DATA, 4, 79, D_WRITE | D_NEXT | D_INDIRECT);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.id, 9);
	CHECK_EQ(c.out_len, 3);
	CHECK_EQ(c.in_len, 4);
	teardown();
}

/* --- events --- */

TEST(device_event_is_written_as_negotiated)	/* [2.8.10, 2.8.14] */
{
	unsigned int k;

	setup(false, false, false);
	virtq_disable_notify(&q);
	CHECK_EQ(drv_r16(&d, DRV_DEVICE + 2), DISABLE);
	CHECK(!virtq_enable_notify(&q));
	CHECK_EQ(drv_r16(&d, DRV_DEVICE + 2), ENABLE);
	teardown();
	setup(false, true, false);
	for (k = 0; k < SIZE + 2; k++) {
		CHECK(!virtq_enable_notify(&q));
		CHECK_EQ(drv_r16(&d, DRV_DEVICE), k < SIZE ? (k | 0x8000) : k - SIZE);
		CHECK_EQ(drv_r16(&d, DRV_DEVICE + 2), DESC);
		virtq_disable_notify(&q);
		CHECK_EQ(drv_r16(&d, DRV_DEVICE + 2), DISABLE);
		desc(k % SIZE, 0, k < SIZE ? D_AVAIL : D_USED);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		virtq_push(&q, &c, 0);
	}
	teardown();
}

static bool interrupt_after_one(u16 off_wrap, u16 flags, bool event_idx)
{
	bool r;

	setup(false, event_idx, false);
	drv_w16(&d, DRV_DRIVER, off_wrap);
	drv_w16(&d, DRV_DRIVER + 2, flags);
	desc(0, 0, D_AVAIL);
	if (virtq_pop(&q, &c) != 1)
		abort();
	virtq_push(&q, &c, 0);
	r = virtq_should_interrupt(&q);
	teardown();
	return r;
}

TEST(driver_event_flags)
{
	CHECK(interrupt_after_one(0, ENABLE, true));
	CHECK(!interrupt_after_one(0x8000, DISABLE, true));
	CHECK(interrupt_after_one(0x8000, DESC, true));
	CHECK(!interrupt_after_one(0x8001, DESC, true));
	CHECK(!interrupt_after_one(0, DESC, true));		/* the lap before */
	CHECK(!interrupt_after_one(0xffff, DESC, true));	/* no such position */
	CHECK(!interrupt_after_one(0x7fff, DESC, true));
	CHECK(interrupt_after_one(0x8001, DESC, false));	/* reserved without event index: rather one too many */
	CHECK(interrupt_after_one(0x8001, 3, true));
	CHECK(interrupt_after_one(0x8000, 0xfffc | DESC, true));	/* reserved bits */
	CHECK(!interrupt_after_one(0x8000, 0xfffc | DISABLE, true));
}

TEST(event_in_the_skipped_part_of_a_list_interrupts)
{
	setup(false, true, false);
	drv_w16(&d, DRV_DRIVER, 0x8002);
	drv_w16(&d, DRV_DRIVER + 2, DESC);
	desc(1, 0, D_AVAIL | D_NEXT);
	desc(2, 0, D_AVAIL);
	desc(0, 0, D_AVAIL | D_NEXT);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 0);
	CHECK(virtq_should_interrupt(&q));
	teardown();
}

TEST(a_whole_lap_without_a_decision_interrupts)
{
	unsigned int k;

	setup(false, true, false);
	drv_w16(&d, DRV_DRIVER, 0x8003);
	drv_w16(&d, DRV_DRIVER + 2, DESC);
	for (k = 0; k < 2 * SIZE; k++) {
		desc(k % SIZE, 0, k < SIZE ? D_AVAIL : D_USED);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		virtq_push(&q, &c, 0);
	}
	CHECK(virtq_should_interrupt(&q));
	teardown();
}

TEST(in_order_batch_is_written_at_its_first_and_skips_all)
{
	struct virtq_chain p[3];
	unsigned int k;

	setup(false, false, true);
	desc(1, 10, D_AVAIL);
	desc(0, 10, D_AVAIL | D_NEXT);
	desc(2, 11, D_AVAIL);
	for (k = 0; k < 2; k++) {
		CHECK_EQ(virtq_pop(&q, &c), 1);
		p[k] = c;
	}
	virtq_push(&q, &p[1], 0);
	CHECK_EQ(flags_of(0), D_AVAIL | D_NEXT);
	virtq_push(&q, &p[0], 0);
	CHECK_EQ(flags_of(0), D_AVAIL | D_USED);
	CHECK_EQ(drv_r16(&d, DRV_DESC + 12), 11);
	CHECK_EQ(flags_of(2), D_AVAIL);
	desc(3, 12, D_AVAIL);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 0);
	CHECK_EQ(flags_of(3), D_AVAIL | D_USED);
	teardown();
}

int main(void)
{
	RUN(available_means_avail_matches_the_wrap_counter_and_used_does_not);
	RUN(used_descriptor_has_both_bits_as_the_wrap_counter);
	RUN(id_is_that_of_the_last_descriptor_and_may_be_any_number);
	RUN(list_goes_over_the_end_of_the_ring);
	RUN(list_that_is_not_all_available_breaks);
	RUN(list_longer_than_the_ring_breaks);
	RUN(descriptors_in_flight_cannot_be_made_available_again);
	RUN(indirect_in_a_list_breaks);
	RUN(write_is_the_only_flag_that_counts_in_an_indirect_table);
	RUN(device_event_is_written_as_negotiated);
	RUN(driver_event_flags);
	RUN(event_in_the_skipped_part_of_a_list_interrupts);
	RUN(a_whole_lap_without_a_decision_interrupts);
	RUN(in_order_batch_is_written_at_its_first_and_skips_all);
	return tap_done();
}
