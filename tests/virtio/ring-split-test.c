/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The split virtqueue byte by byte, and its hostile drivers. [virtio-1.2 2.7]
 * links: virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c util/str.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "tests/virtio/ring-driver.h"

enum { SIZE = 8, ROOM = 64, AVAIL = DRV_DRIVER, USED = DRV_DEVICE };

#define PACKED false
#include "tests/virtio/ring-fixture.h"

static void desc(unsigned int i, u16 flags, u16 next)
{
	drv_desc(&d, DRV_DESC + 16 * i, DRV_DATA + 64 * i, 16, flags, next);
}

/* Makes @head available. */
static void avail(u16 head)
{
	u16 idx = drv_r16(&d, AVAIL + 2);

	drv_w16(&d, AVAIL + 4 + 2 * (idx % SIZE), head);
	drv_w16(&d, AVAIL + 2, (u16)(idx + 1));
}

#define CHECK_BREAKS(why)                                                                                              \
	do {                                                                                                           \
		CHECK_EQ(virtq_pop(&q, &c), -EIO);                                                                     \
		CHECK_STR(broke, why);                                                                                 \
	} while (0)

TEST(available_entry_beyond_the_table_breaks)
{
	setup(false, false, false);
	avail(SIZE);
	CHECK_BREAKS("available entry names descriptor 8 of 8");
	teardown();
	setup(false, false, false);
	avail(0xffff);
	CHECK_BREAKS("available entry names descriptor 65535 of 8");
	teardown();
}

TEST(available_index_may_not_jump_beyond_the_ring)
{
	setup(false, false, false);
	drv_w16(&d, AVAIL + 2, SIZE);	/* descriptors of no bytes: fine */
	CHECK_EQ(virtq_pop(&q, &c), 1);
	teardown();
	setup(false, false, false);
	drv_w16(&d, AVAIL + 2, SIZE + 1);
	CHECK_BREAKS("available index jumps by 9, 0 of 8 in use");
	teardown();
	setup(false, false, false);
	drv_w16(&d, AVAIL + 2, 0xffff);	/* backwards [2.7.6.1] */
	CHECK_BREAKS("available index jumps by 65535, 0 of 8 in use");
	teardown();
}

TEST(driver_cannot_have_more_in_flight_than_the_ring_has)
{
	unsigned int i;

	setup(false, false, false);
	for (i = 0; i < SIZE; i++) {
		avail(0);	/* the same descriptor again and again */
		CHECK_EQ(virtq_pop(&q, &c), 1);
	}
	CHECK_EQ(virtq_pop(&q, &c), 0);
	virtq_push(&q, &c, 0);
	avail(0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	avail(0);
	CHECK_BREAKS("available index jumps by 1, 8 of 8 in use");
	CHECK_EQ(q.inflight_cnt, SIZE);
	teardown();
}

TEST(next_beyond_the_table_breaks)
{
	setup(false, false, false);
	desc(0, D_NEXT, SIZE);
	avail(0);
	CHECK_BREAKS("next descriptor 8 of 8");
	teardown();
}

TEST(next_is_ignored_without_its_flag)
{
	setup(false, false, false);
	desc(0, 0, 0xffff);
	avail(0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	teardown();
}

TEST(chain_loop_breaks_queue)
{
	setup(false, false, false);
	desc(0, D_NEXT, 1);
	desc(1, D_NEXT, 0);
	avail(0);
	CHECK_BREAKS("chain of more than 8 descriptors");
	teardown();
	setup(false, false, false);
	desc(3, D_NEXT, 3);
	avail(3);
	CHECK_BREAKS("chain of more than 8 descriptors");
	teardown();
}

TEST(loop_of_empty_elements_breaks_queue)
{
	setup(false, false, false);
	drv_desc(&d, DRV_DESC, 0, 0, D_NEXT, 0);
	avail(0);
	CHECK_BREAKS("chain of more than 8 descriptors");
	teardown();
}

TEST(chain_may_end_in_an_indirect_table)	/* [2.7.5.3.2] */
{
	setup(true, false, false);
	desc(0, D_NEXT, 1);
	drv_desc(&d, DRV_DESC + 16, DRV_TABLES, 48, D_INDIRECT | D_WRITE, 0xffff);
	drv_desc(&d, DRV_TABLES, DRV_DATA, 4, D_NEXT, 2);
	drv_desc(&d, DRV_TABLES + 32, DRV_DATA, 5, D_NEXT | D_WRITE, 1);
	drv_desc(&d, DRV_TABLES + 16, DRV_DATA, 6, D_WRITE, 0);
	avail(0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.ndesc, 2);
	CHECK_EQ(c.out_cnt, 2);
	CHECK_EQ(c.out_len, 20);
	CHECK_EQ(c.in_cnt, 2);
	CHECK_EQ(c.in_len, 11);
	CHECK_EQ(iov[2].iov_len, 5);
	teardown();
}

TEST(indirect_in_indirect_breaks)	/* [2.7.5.3.1] */
{
	setup(true, false, false);
	drv_desc(&d, DRV_DESC, DRV_TABLES, 32, D_INDIRECT, 0);
	drv_desc(&d, DRV_TABLES, DRV_DATA, 4, D_NEXT, 1);
	drv_desc(&d, DRV_TABLES + 16, DRV_TABLES, 32, D_INDIRECT, 0);
	avail(0);
	CHECK_BREAKS("indirect descriptor in an indirect table");
	teardown();
}

TEST(indirect_with_next_breaks)	/* [2.7.5.3.1] */
{
	setup(true, false, false);
	drv_desc(&d, DRV_DESC, DRV_TABLES, 16, D_INDIRECT | D_NEXT, 1);
	avail(0);
	CHECK_BREAKS("indirect descriptor with a next one");
	teardown();
}

TEST(indirect_next_beyond_its_table_breaks)
{
	setup(true, false, false);
	drv_desc(&d, DRV_DESC, DRV_TABLES, 32, D_INDIRECT, 0);
	drv_desc(&d, DRV_TABLES, DRV_DATA, 4, D_NEXT, 2);
	avail(0);
	CHECK_BREAKS("next descriptor 2 of 2");
	teardown();
}

TEST(loop_in_an_indirect_table_breaks)
{
	setup(true, false, false);
	drv_desc(&d, DRV_DESC, DRV_TABLES, 32, D_INDIRECT, 0);
	drv_desc(&d, DRV_TABLES, DRV_DATA, 4, D_NEXT, 1);
	drv_desc(&d, DRV_TABLES + 16, DRV_DATA, 4, D_NEXT, 0);
	avail(0);
	CHECK_BREAKS("chain of more than 2 descriptors");
	teardown();
}

/* --- in order --- */

TEST(in_order_head_out_of_place_breaks)	/* [2.7.5] */
{
	setup(false, false, true);
	desc(0, D_NEXT, 1);
	desc(1, 0, 0);
	avail(0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	desc(3, 0, 0);
	avail(3);
	CHECK_BREAKS("chain begins at descriptor 3, in order it is 2");
	teardown();
}

TEST(in_order_next_out_of_place_breaks)	/* [2.7.5.2] */
{
	setup(false, false, true);
	desc(0, D_NEXT, 2);
	avail(0);
	CHECK_BREAKS("descriptor 2 after 0 is out of order");
	teardown();
	setup(true, false, true);
	drv_desc(&d, DRV_DESC, DRV_TABLES, 48, D_INDIRECT, 0);
	drv_desc(&d, DRV_TABLES, DRV_DATA, 4, D_NEXT, 2);
	avail(0);
	CHECK_BREAKS("descriptor 2 after 0 is out of order");
	teardown();
}

TEST(in_order_chain_goes_over_the_end_of_the_table)
{
	unsigned int i;

	setup(false, false, true);
	for (i = 0; i < 6; i++) {
		desc(i, 0, 0);
		avail((u16)i);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		virtq_push(&q, &c, 0);
	}
	desc(6, D_NEXT, 7);
	desc(7, D_NEXT, 0);
	desc(0, 0, 0);
	avail(6);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.ndesc, 3);
	desc(1, 0, 0);
	avail(1);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.id, 1);
	teardown();
}

/* --- used ring and notifications, as bytes --- */

TEST(used_entry_holds_head_and_length)
{
	setup(false, false, false);
	desc(5, D_WRITE, 0);
	avail(5);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 9);
	CHECK_EQ(drv_r16(&d, USED), 0);
	CHECK_EQ(drv_r16(&d, USED + 2), 1);
	CHECK_EQ(drv_r32(&d, USED + 4), 5);
	CHECK_EQ(drv_r32(&d, USED + 8), 9);
	teardown();
}

TEST(used_event_is_ignored_without_event_index)	/* [2.7.7.2] */
{
	setup(false, false, false);
	drv_w16(&d, AVAIL + 4 + 2 * SIZE, 100);
	desc(0, 0, 0);
	avail(0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 0);
	CHECK(virtq_should_interrupt(&q));
	teardown();
}

TEST(flags_are_ignored_with_event_index)	/* [2.7.7.2, 2.7.10.2] */
{
	setup(false, true, false);
	drv_w16(&d, AVAIL, 1);
	desc(0, 0, 0);
	avail(0);
	virtq_disable_notify(&q);
	CHECK_EQ(drv_r16(&d, USED), 0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 0);
	CHECK(virtq_should_interrupt(&q));
	teardown();
}

TEST(notification_fields_are_written_as_negotiated)
{
	setup(false, false, false);
	virtq_disable_notify(&q);
	CHECK_EQ(drv_r16(&d, USED), 1);
	CHECK(!virtq_enable_notify(&q));
	CHECK_EQ(drv_r16(&d, USED), 0);
	CHECK_EQ(drv_r16(&d, USED + 4 + 8 * SIZE), 0);
	teardown();
	setup(false, true, false);
	desc(0, 0, 0);
	avail(0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK(!virtq_enable_notify(&q));
	CHECK_EQ(drv_r16(&d, USED), 0);
	CHECK_EQ(drv_r16(&d, USED + 4 + 8 * SIZE), 1);
	teardown();
}

TEST(long_silence_of_the_device_still_interrupts)
{
	unsigned int i;

	setup(false, true, false);
	desc(0, 0, 0);
	for (i = 0; i < 0x10000; i++) {	/* the index comes round to where it was */
		avail(0);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		virtq_push(&q, &c, 0);
	}
	CHECK_EQ(q.used_idx, 0);
	CHECK(virtq_should_interrupt(&q));
	teardown();
}

int main(void)
{
	RUN(available_entry_beyond_the_table_breaks);
	RUN(available_index_may_not_jump_beyond_the_ring);
	RUN(driver_cannot_have_more_in_flight_than_the_ring_has);
	RUN(next_beyond_the_table_breaks);
	RUN(next_is_ignored_without_its_flag);
	RUN(chain_loop_breaks_queue);
	RUN(loop_of_empty_elements_breaks_queue);
	RUN(chain_may_end_in_an_indirect_table);
	RUN(indirect_in_indirect_breaks);
	RUN(indirect_with_next_breaks);
	RUN(indirect_next_beyond_its_table_breaks);
	RUN(loop_in_an_indirect_table_breaks);
	RUN(in_order_head_out_of_place_breaks);
	RUN(in_order_next_out_of_place_breaks);
	RUN(in_order_chain_goes_over_the_end_of_the_table);
	RUN(used_entry_holds_head_and_length);
	RUN(used_event_is_ignored_without_event_index);
	RUN(flags_are_ignored_with_event_index);
	RUN(notification_fields_are_written_as_negotiated);
	RUN(long_silence_of_the_device_still_interrupts);
	return tap_done();
}
