// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entropy device over the real core and ring. [virtio-1.2 5.4]
 * links: util/iov.c util/json.c virtio/rng.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/rig.h"

#include "vmm/virtio.h"

static void setup(void)
{
	rig_up();
	log_set_level(LOG_ERROR);
	if (virtio_rng_create(&rig.vm, NULL) < 0 || !rig_driver(0))
		abort();
	rig_turns(4);
}

static unsigned int zeroes(const u8 *p, size_t len)
{
	unsigned int n = 0;

	while (len--)
		n += !*p++;
	return n;
}

static bool stats_have(const char *what)
{
	struct strbuf b = { 0 };
	bool has;

	rig.vdev->ops->stats(rig.vdev, &b);
	strbuf_add(&b, "", 1);
	has = strstr(b.s, what);
	if (!has)
		printf("# not in: %s\n", b.s);
	strbuf_free(&b);
	return has;
}

TEST(requests_are_counted)
{
	q_add(0, NULL, 0, 64);
	q_add(0, NULL, 0, 32);
	q_kick(0);
	CHECK_EQ(q_completed(0), 2);
	CHECK(stats_have("\"requests\":2,\"bytes\":96"));
}

TEST(a_request_is_filled_whole_and_interrupts)
{
	u8 *in = q_add(0, NULL, 0, 64);
	u32 len;

	q_kick(0);
	CHECK(q_take(0, &len));
	CHECK_EQ(len, 64);
	CHECK(zeroes(in, 64) < 32);
	CHECK_EQ(rig.irqs[0], 1);
}

TEST(bytes_differ_from_request_to_request)
{
	u8 *a = q_add(0, NULL, 0, 32), *b = q_add(0, NULL, 0, 32);

	q_kick(0);
	CHECK_EQ(q_completed(0), 2);
	CHECK(memcmp(a, b, 32));
}

TEST(a_large_request_gets_64k_and_no_byte_more)
{
	u8 *bulk = ram(RAM_BULK);
	u32 len;

	q_add_at(0, 0, 0, RAM_BULK, 0x100000);
	q_kick(0);
	CHECK(q_take(0, &len));
	CHECK_EQ(len, 65536);
	CHECK(zeroes(bulk, 65536) < 1000);
	CHECK_EQ(zeroes(bulk + 65536, 0x100000 - 65536), 0x100000 - 65536);
}

TEST(pieces_of_a_chain_are_all_filled)
{
	gpa_t at = RAM_BULK;
	u32 len;
	u16 i;

	for (i = 0; i < 8; i++)
		q_desc(0, i, at + i * 0x1000u, 40, i < 7 ? 3 : 2, (u16)(i + 1));
	q_publish(0, 0);
	q_kick(0);
	CHECK(q_take(0, &len));
	CHECK_EQ(len, 320);
	for (i = 0; i < 8; i++) {
		CHECK(zeroes(ram(at + i * 0x1000u), 40) < 20);
		CHECK_EQ(zeroes(ram(at + i * 0x1000u + 40), 64), 64);
	}
}

/* [virtio-1.2 5.4.6.1] */
TEST(device_readable_parts_are_left_alone_and_completed)
{
	u8 *in = q_add(0, "driver", 6, 16);
	u32 len;

	CHECK_EQ(in[-Q_SLOT / 2], 'd');
	q_kick(0);
	CHECK(q_take(0, &len));
	CHECK_EQ(len, 16);
	CHECK(!memcmp(in - Q_SLOT / 2, "driver", 6));
	q_add(0, "only", 4, 0);
	q_kick(0);
	CHECK(q_take(0, &len));
	CHECK_EQ(len, 0);
}

TEST(a_storm_of_requests_leaves_the_loop_to_others)
{
	unsigned int i, per_turn;

	for (i = 0; i < Q_SIZE; i++)
		q_add_at(0, 0, 0, RAM_BULK, 0x10000);
	virtio_queue_kicked(rig.vdev, 0);
	rig_turns(1);
	per_turn = q_completed(0);
	CHECK(per_turn >= 1 && per_turn <= 4);
	rig_turns(Q_SIZE);
	CHECK_EQ(q_completed(0), Q_SIZE);
	CHECK(q_wants_kicks(0));
}

TEST(empty_requests_count_as_work_too)
{
	u16 i;

	/* A driver that makes the same empty chain available for ever, as far as the ring's accounting lets it. */
	for (i = 0; i < Q_SIZE; i++)
		q_add(0, "x", 1, 0);
	q_kick(0);
	CHECK_EQ(q_completed(0), Q_SIZE);
	CHECK(!(virtio_get_status(rig.vdev) & VIRTIO_S_NEEDS_RESET));
}

TEST(a_broken_ring_breaks_this_device_only_until_reset)
{
	u32 len;

	q_publish(0, 999);
	q_kick(0);
	CHECK(virtio_get_status(rig.vdev) & VIRTIO_S_NEEDS_RESET);
	CHECK(rig_driver(0));
	q_add(0, NULL, 0, 8);
	q_kick(0);
	CHECK(q_take(0, &len));
	CHECK_EQ(len, 8);
}

TEST(a_queue_can_be_reset_alone)
{
	u32 len;

	CHECK(rig_driver(BIT_ULL(VIRTIO_F_RING_RESET)));
	rig_turns(2);
	virtio_queue_set_reset(rig.vdev, 0);
	q_add(0, NULL, 0, 8);
	q_kick(0);
	CHECK_EQ(q_completed(0), 0);
	q_enable(0);
	q_add(0, NULL, 0, 8);
	q_kick(0);
	CHECK(q_take(0, &len));
}

TEST(nothing_is_written_while_the_vm_is_stopped)
{
	u8 *in;

	virtio_dev_stop(rig.vdev);
	in = q_add(0, NULL, 0, 64);
	virtio_queue_kick(rig.vdev, 0);
	rig_turns(4);
	CHECK_EQ(zeroes(in, 64), 64);
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	CHECK(zeroes(in, 64) < 32);
}

TEST(state_goes_round)
{
	struct state_writer w = { .open = false };
	struct state_reader r;
	u32 len;

	q_add(0, NULL, 0, 8);
	q_kick(0);
	CHECK(q_take(0, &len));
	virtio_dev_stop(rig.vdev);
	state_begin(&w, "rng", 1);
	virtio_dev_save(rig.vdev, &w);
	state_end(&w);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "rng", 1, &len), 0);
	CHECK_EQ(virtio_dev_load(rig.vdev, &r), 0);
	CHECK_EQ(state_close(&r), 0);
	virtio_dev_start(rig.vdev);
	q_add(0, NULL, 0, 24);
	q_kick(0);
	CHECK(q_take(0, &len));
	CHECK_EQ(len, 24);
	state_writer_free(&w);
}

TEST(a_transport_without_room_leaves_nothing)
{
	struct error err;

	rig_up();
	rig.refuse = true;
	CHECK_EQ(virtio_rng_create(&rig.vm, &err), -ENOSPC);
	CHECK_STR(err.msg, "no room");
	rig_down();
}

static void with_device(const char *name, void (*fn)(void))
{
	setup();
	tap_run(name, fn);
	rig_down();
}
#define RUN_DEV(name) with_device(#name, name)

int main(void)
{
	RUN_DEV(a_request_is_filled_whole_and_interrupts);
	RUN_DEV(requests_are_counted);
	RUN_DEV(bytes_differ_from_request_to_request);
	RUN_DEV(a_large_request_gets_64k_and_no_byte_more);
	RUN_DEV(pieces_of_a_chain_are_all_filled);
	RUN_DEV(device_readable_parts_are_left_alone_and_completed);
	RUN_DEV(a_storm_of_requests_leaves_the_loop_to_others);
	RUN_DEV(empty_requests_count_as_work_too);
	RUN_DEV(a_broken_ring_breaks_this_device_only_until_reset);
	RUN_DEV(a_queue_can_be_reset_alone);
	RUN_DEV(nothing_is_written_while_the_vm_is_stopped);
	RUN_DEV(state_goes_round);
	RUN(a_transport_without_room_leaves_nothing);
	return tap_done();
}
