// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues that the host's kernel serves. The kernel is played (vhost-kernel.h).
 * links: util/iov.c virtio/net.c virtio/net-features.c virtio/net-rx.c virtio/net-tx.c virtio/net-ctrl.c virtio/net-filter.c virtio/net-vhost.c
 * links: virtio/vhost.c
 * links: virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: util/json.c util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/net-rig.h"
#include "tests/virtio/vhost-kernel.h"

#include <unistd.h>

#define MRG BIT_ULL(NET_F_MRG_RXBUF)
#define CTRL_Q BIT_ULL(NET_F_CTRL_VQ)
#define MQ BIT_ULL(NET_F_MQ)
/* --- fixture --- */

static int irqfds[8];

static int irqfd_of(unsigned int queue) { return irqfds[queue]; }

static struct net_config world(unsigned int pairs)
{
	unsigned int i;

	rig_up();
	log_set_level(LOG_ERROR);
	fake_init(0, pairs);
	kernel_up();
	for (i = 0; i < ARRAY_SIZE(irqfds); i++)
		irqfds[i] = eventfd_create();
	return nic_config();
}

static void end(void)
{
	unsigned int i;

	nic_down();
	kernel_down();
	for (i = 0; i < ARRAY_SIZE(irqfds); i++)
		close(irqfds[i]);
}

static void up(unsigned int pairs)
{
	struct net_config cfg = world(pairs);

	nic_create(&cfg);
	if (rig.vdev->ops->prepare(rig.vdev, NULL) < 0)
		abort();
}

static struct kernel_ring *ring(unsigned int queue)
{
	return &kernel[queue / 2].ring[queue % 2];
}

static bool served(unsigned int queue)
{
	return ring(queue)->tap >= 0;
}

/* Nothing of the kernel's is left. */
static bool quiet(void)
{
	unsigned int i;

	for (i = 0; i < 2 * PAIRS; i++)
		if (ring(i)->tap >= 0 || ring(i)->kick >= 0 || ring(i)->call >= 0 || ring(i)->err >= 0)
			return false;
	for (i = 0; i < rig.vdev->nr_queues; i++)
		if (rig.vdev->queue[i].external)
			return false;
	return true;
}

/* --- tests --- */

TEST(only_what_vhost_can_is_offered)
{
	struct net_config cfg = world(1);

	rig.vm.cfg.virtio_packed = rig.vm.cfg.virtio_in_order = true;
	nic_create(&cfg);
	CHECK(rig.vdev->offered & MRG);
	CHECK(rig.vdev->offered & BIT_ULL(VIRTIO_F_EVENT_IDX));
	CHECK(rig.vdev->offered & BIT_ULL(VIRTIO_F_RING_RESET));
	CHECK(rig.vdev->offered & CTRL_Q);
	CHECK(!(rig.vdev->offered & BIT_ULL(VIRTIO_F_RING_PACKED)));
	CHECK(!(rig.vdev->offered & BIT_ULL(VIRTIO_F_IN_ORDER)));	/* though it can */
	end();
	cfg = world(1);
	kernel[0].can = BIT_ULL(VIRTIO_F_VERSION_1);
	nic_create(&cfg);
	CHECK(!(rig.vdev->offered & (MRG | BIT_ULL(VIRTIO_F_EVENT_IDX) | BIT_ULL(VIRTIO_F_INDIRECT_DESC))));
	CHECK(rig.vdev->offered & BIT_ULL(VIRTIO_F_VERSION_1));
	end();
}

TEST(all_of_a_ring_is_set_before_its_tap)
{
	unsigned int i;

	up(1);
	CHECK_EQ(kernel[0].owners, 1);
	CHECK(!nic()->loop);		/* no thread of ours */
	CHECK(nic_start(MRG | CTRL_Q | BIT_ULL(VIRTIO_F_EVENT_IDX)));
	/* Header: the tap's. What vhost need not know it is not told. */
	CHECK_EQ(kernel[0].features, MRG | BIT_ULL(VIRTIO_F_EVENT_IDX) | BIT_ULL(VIRTIO_F_VERSION_1));
	CHECK_EQ(fake.header, 12);
	CHECK_EQ(kernel[0].regions, 1);
	CHECK_EQ(kernel[0].region[0].guest_phys_addr, RAM_BASE);
	CHECK_EQ(kernel[0].region[0].memory_size, RAM_SIZE);
	CHECK(kernel[0].region[0].userspace_addr == (uintptr_t)ram(RAM_BASE));
	for (i = 0; i < 2; i++) {
		CHECK_EQ(ring(i)->num, Q_SIZE);
		CHECK_EQ(ring(i)->base, 0);
		CHECK(ring(i)->addr.desc_user_addr == (uintptr_t)ram(q_base(i)));
		CHECK(ring(i)->addr.avail_user_addr == (uintptr_t)ram(q_base(i) + 0x1000));
		CHECK(ring(i)->addr.used_user_addr == (uintptr_t)ram(q_base(i) + 0x2000));
		CHECK_EQ(ring(i)->kick, atomic_load(&rig.vdev->queue[i].kick_fd));
		CHECK_EQ(ring(i)->tap, tap_pipe[0][0]);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(fake.attaches, 0);
	end();
}

TEST(kicks_are_vhosts_and_calls_without_an_irqfd_ours)
{
	u32 len;

	up(1);
	nic_start(MRG);
	eventfd_drain(ring(1)->kick);
	tx_frame(0, 12, 60);
	q_kick(1);			/* as an exit */
	CHECK(eventfd_drain(ring(1)->kick));
	CHECK_EQ(q_completed(1), 0);	/* nobody here looked at it */
	CHECK_EQ(serve(0, 1, 0), 1);
	rig_turns(4);
	CHECK_EQ(rig.irqs[1], 1);
	CHECK(q_take(1, &len));
	CHECK_EQ(sent(0), 0);
	end();
}

TEST(calls_follow_vector_and_msix)
{
	up(1);
	rig.irqfd = irqfd_of;
	nic_start(MRG);
	CHECK_EQ(ring(0)->call, irqfds[0]);
	CHECK_EQ(ring(1)->call, irqfds[1]);
	tx_frame(0, 12, 60);
	serve(0, 1, 0);
	rig_turns(4);
	CHECK_EQ(rig.irqs[1], 0);	/* past us */
	CHECK(eventfd_drain(irqfds[1]));
	irqfds[7] = irqfds[0];
	irqfds[0] = eventfd_create();
	virtio_queue_set_vector(rig.vdev, 0, 5);
	CHECK_EQ(ring(0)->call, irqfds[0]);
	CHECK(eventfd_drain(irqfds[0]));	/* what came meanwhile is not lost */
	rig.irqfd = NULL;			/* MSI-X goes off */
	virtio_irqs_changed(rig.vdev);
	CHECK(ring(0)->call != irqfds[0] && ring(1)->call != irqfds[1]);
	rig_turns(4);
	CHECK_EQ(rig.irqs[0], 1);
	tx_frame(0, 12, 60);
	serve(0, 1, 0);
	rig_turns(4);
	CHECK_EQ(rig.irqs[1], 2);
	rig.irqfd = irqfd_of;
	virtio_irqs_changed(rig.vdev);
	CHECK_EQ(ring(1)->call, irqfds[1]);
	virtio_set_status(rig.vdev, 0);
	virtio_irqs_changed(rig.vdev);		/* nothing runs: nothing is done */
	virtio_queue_set_vector(rig.vdev, 0, 1);
	CHECK(quiet());
	CHECK_EQ(wrong, 0);
	end();
}

TEST(an_interrupt_that_cannot_be_moved_needs_a_reset)
{
	up(1);
	nic_start(MRG);
	calls = 0;
	fail_at = 1;
	virtio_queue_set_vector(rig.vdev, 0, 5);
	CHECK(broken());
	end();
}

TEST(a_stop_takes_the_rings_back_where_they_are)
{
	u32 len;

	up(1);
	nic_start(MRG);
	tx_frame(0, 12, 60);
	tx_frame(0, 12, 60);
	rx_fill(0, 0, 5, 2048, 2048);
	CHECK_EQ(serve(0, 1, 0), 2);
	virtio_dev_stop(rig.vdev);
	CHECK(quiet());
	CHECK_EQ(virtio_queue(rig.vdev, 1)->last_avail, 2);
	CHECK_EQ(virtio_queue(rig.vdev, 1)->used_idx, 2);
	CHECK_EQ(virtio_queue(rig.vdev, 0)->last_avail, 0);
	CHECK_EQ(rig.irqs[1], 1);	/* the call that the loop did not come to see */
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	CHECK_EQ(ring(1)->base, 2);
	CHECK_EQ(ring(0)->base, 0);
	CHECK(eventfd_drain(ring(0)->kick));	/* it is told to look */
	tx_frame(0, 12, 60);
	CHECK_EQ(serve(0, 1, 0), 1);
	CHECK_EQ(serve(0, 0, 72), 5);
	CHECK(q_take(1, &len) && q_take(1, &len) && q_take(1, &len));
	CHECK_EQ(wrong, 0);
	end();
}

TEST(a_driver_may_come_and_go_ten_times)
{
	unsigned int i;
	u32 len;

	up(1);
	for (i = 0; i < 10; i++) {
		CHECK(nic_start(i % 2 ? MRG : MRG | CTRL_Q | BIT_ULL(VIRTIO_F_EVENT_IDX)));
		CHECK(served(0) && served(1));
		CHECK_EQ(ring(1)->base, 0);
		CHECK_EQ(kernel[0].features & BIT_ULL(VIRTIO_F_EVENT_IDX), i % 2 ? 0 : BIT_ULL(VIRTIO_F_EVENT_IDX));
		tx_frame(0, 12, 60);
		CHECK_EQ(serve(0, 1, 0), 1);
		rig_turns(4);
		CHECK(q_take(1, &len));
		virtio_set_status(rig.vdev, 0);
		CHECK(quiet());
	}
	CHECK_EQ(kernel[0].owners, 1);
	CHECK_EQ(wrong, 0);
	end();
}

TEST(one_queue_may_be_reset_while_the_others_go_on)
{
	u32 len;

	up(1);
	nic_start(MRG | BIT_ULL(VIRTIO_F_RING_RESET));
	tx_frame(0, 12, 60);
	CHECK_EQ(serve(0, 1, 0), 1);
	virtio_queue_set_reset(rig.vdev, 0);
	CHECK(!served(0) && served(1));
	CHECK_EQ(ring(1)->base, 1);
	tx_frame(0, 12, 60);
	CHECK_EQ(serve(0, 1, 0), 1);
	q_enable(0);
	CHECK(served(0) && served(1));
	rx_fill(0, 0, 1, 2048, 2048);
	CHECK_EQ(serve(0, 0, 72), 1);
	CHECK(q_take(0, &len) && len == 72);
	CHECK_EQ(wrong, 0);
	end();
}

TEST(a_bad_ring_needs_a_reset)
{
	up(1);
	nic_start(MRG);
	eventfd_signal(ring(0)->err);
	rig_turns(4);
	CHECK(broken());
	CHECK_EQ(rig.config_irqs, 1);
	virtio_set_status(rig.vdev, 0);
	CHECK(quiet());
	CHECK(nic_start(MRG));
	rig_turns(4);
	CHECK(!broken());
	CHECK(served(0));
	eventfd_signal(ring(0)->err);	/* an error of the last driver's, not yet looked at */
	virtio_set_status(rig.vdev, 0);
	CHECK(nic_start(MRG));
	rig_turns(4);
	CHECK(!broken());
	end();
}

TEST(whatever_fails_at_the_start_leaves_nothing_behind)
{
	unsigned int i, all;

	up(2);
	calls = 0;
	CHECK(nic_start(MRG | CTRL_Q | MQ));
	all = calls;
	CHECK(all > 20);
	virtio_set_status(rig.vdev, 0);
	for (i = 1; i <= all; i++) {
		calls = 0;
		fail_at = i;
		nic_start(MRG | CTRL_Q | MQ);
		CHECK(broken());
		CHECK(quiet());
		fail_at = 0;
		virtio_set_status(rig.vdev, 0);
	}
	CHECK(nic_start(MRG | CTRL_Q | MQ));
	CHECK(!broken());
	CHECK(served(3));
	CHECK_EQ(wrong, 0);
	end();
}

TEST(a_ring_whose_place_is_not_told_needs_a_reset)
{
	up(1);
	nic_start(MRG);
	calls = 0;
	fail_at = 4;		/* both taps off, kick off, base */
	virtio_dev_stop(rig.vdev);
	CHECK(broken());
	virtio_dev_start(rig.vdev);
	CHECK(!served(1));
	end();
}

TEST(pairs_and_the_control_queue_work_beside_it)
{
	up(2);
	CHECK(nic_start(MRG | CTRL_Q | MQ));
	CHECK(served(0) && served(1) && served(2) && served(3));
	CHECK_EQ(ring(2)->tap, tap_pipe[1][0]);
	CHECK_EQ(ctrl(4, 4, 0, "\2\0", 2), 0);
	CHECK_EQ(fake.pairs, 2);
	CHECK_EQ(ctrl(4, 4, 0, "\3\0", 2), 1);
	CHECK(nic_start(MRG | CTRL_Q));	/* queue 2 is the control queue now */
	CHECK(served(0) && served(1) && !served(2) && !served(3));
	CHECK_EQ(ctrl(2, 0, 0, "\1", 1), 1);	/* CTRL_RX was not negotiated, but it answers */
	CHECK_EQ(wrong, 0);
	end();
}

TEST(queues_that_are_not_enabled_have_no_ring)
{
	up(1);
	virtio_set_status(rig.vdev, 3);
	virtio_set_accepted(rig.vdev, 0, 0);
	virtio_set_accepted(rig.vdev, 1, 1);
	virtio_set_status(rig.vdev, 11);
	q_enable(1);
	virtio_set_status(rig.vdev, 15);
	CHECK(!served(0) && served(1));
	CHECK(!broken());
	end();
}

TEST(a_tap_that_goes_takes_the_link_down)
{
	u8 b[2];

	up(1);
	nic_start(MRG | BIT_ULL(NET_F_STATUS));
	close(tap_pipe[0][1]);
	tap_pipe[0][1] = -1;
	fake.link_down = true;
	rig_turns(4);
	CHECK_EQ(rig.config_irqs, 1);
	virtio_config_read(rig.vdev, 6, b, 2);
	CHECK_EQ(get_le16(b), 0);
	nic_start(MRG | CTRL_Q | BIT_ULL(NET_F_STATUS));	/* a driver that comes later finds a NIC without a cable */
	CHECK(!broken());
	CHECK(!served(0));
	tx_frame(0, 12, 60);
	q_kick(0);
	q_kick(1);
	CHECK_EQ(q_completed(1), 0);
	CHECK_EQ(ctrl(2, 0, 0, "\1", 1), 1);
	CHECK(!broken());
	end();
}

TEST(state_goes_from_vhost_to_a_nic_without)
{
	struct state_writer w = { 0 };
	struct state_reader r;
	struct net_config cfg;
	u32 version, len;
	u8 *copy;

	up(1);
	nic_start(MRG);
	tx_frame(0, 12, 60);
	CHECK_EQ(serve(0, 1, 0), 1);
	tx_frame(0, 12, 61);
	rx_fill(0, 0, 4, 2048, 2048);
	virtio_dev_stop(rig.vdev);
	state_begin(&w, "net", 1);
	virtio_dev_save(rig.vdev, &w);
	state_end(&w);
	copy = malloc(RAM_SIZE);
	memcpy(copy, ram(RAM_BASE), RAM_SIZE);
	end();
	rig_up();
	memcpy(ram(RAM_BASE), copy, RAM_SIZE);
	free(copy);
	fake_init(0, 1);
	cfg = nic_config();
	nic_create(&cfg);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "net", 1, &version), 0);
	CHECK_EQ(virtio_dev_load(rig.vdev, &r), 0);
	virtio_dev_start(rig.vdev);
	fake_frame(0, 60);
	rig_turns(6);
	CHECK_EQ(sent(0), 1);
	CHECK_EQ(fake.out[0].frame[0].len, 73);
	CHECK_EQ(q_completed(1), 2);
	CHECK_EQ(q_completed(0), 1);
	rig.q[1].used = 1;
	CHECK(q_take(1, &len));
	strbuf_free(&w.buf);
	nic_down();
}

TEST(a_kernel_that_refuses_is_told_of_before_the_guest_runs)
{
	struct net_config cfg = world(2);
	struct error err;

	calls = 0;
	fail_at = 2;		/* features of the second pair */
	CHECK_EQ(virtio_net_create(&rig.vm, &fake, &cfg, 0, &err), -EFAULT);
	CHECK(strstr(err.msg, "fake0") && strstr(err.msg, "vhost-net"));
	fail_at = 0;
	nic_create(&cfg);
	calls = 0;
	fail_at = 2;
	CHECK_EQ(rig.vdev->ops->prepare(rig.vdev, &err), -EFAULT);
	CHECK(strstr(err.msg, "fake0") && strstr(err.msg, "vhost-net"));
	end();
}

int main(void)
{
	RUN(only_what_vhost_can_is_offered);
	RUN(all_of_a_ring_is_set_before_its_tap);
	RUN(kicks_are_vhosts_and_calls_without_an_irqfd_ours);
	RUN(calls_follow_vector_and_msix);
	RUN(an_interrupt_that_cannot_be_moved_needs_a_reset);
	RUN(a_stop_takes_the_rings_back_where_they_are);
	RUN(a_driver_may_come_and_go_ten_times);
	RUN(one_queue_may_be_reset_while_the_others_go_on);
	RUN(a_bad_ring_needs_a_reset);
	RUN(whatever_fails_at_the_start_leaves_nothing_behind);
	RUN(a_ring_whose_place_is_not_told_needs_a_reset);
	RUN(pairs_and_the_control_queue_work_beside_it);
	RUN(queues_that_are_not_enabled_have_no_ring);
	RUN(a_tap_that_goes_takes_the_link_down);
	RUN(state_goes_from_vhost_to_a_nic_without);
	RUN(a_kernel_that_refuses_is_told_of_before_the_guest_runs);
	return tap_done();
}
