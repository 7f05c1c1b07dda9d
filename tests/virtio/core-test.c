/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtio core over the real ring and event loop, under a transport that only counts.
 *
 * links: util/iov.c util/json.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/dev.h"

#include <errno.h>
#include <sys/resource.h>

/* --- the transport --- */

static _Atomic unsigned int queue_irqs[ECHO_QUEUES], config_irqs;
static unsigned int started[ECHO_QUEUES], stopping[ECHO_QUEUES], transport_resets;
static int create_result;

static void t_queue_interrupt(struct virtio_dev *vdev, unsigned int queue)
{
	queue_irqs[queue]++;
}

static void t_config_interrupt(struct virtio_dev *vdev)
{
	config_irqs++;
}

static int t_queue_started(struct virtio_dev *vdev, unsigned int queue)
{
	started[queue]++;
	return -ENOSPC;	/* kicks come as exits */
}

static void t_queue_stopping(struct virtio_dev *vdev, unsigned int queue)
{
	stopping[queue]++;
}

static void t_reset(struct virtio_dev *vdev)
{
	transport_resets++;
}

static const struct virtio_transport_ops counting = {
	.queue_interrupt = t_queue_interrupt, .config_interrupt = t_config_interrupt, .queue_started = t_queue_started,
	.queue_stopping = t_queue_stopping, .reset = t_reset,
};

int virtio_pci_create(struct vm *vm, struct virtio_dev *vdev, struct error *err)
{
	vdev->tops = &counting;
	return create_result;
}

int virtio_mmio_create(struct vm *vm, struct virtio_dev *vdev, struct error *err)
{
	return virtio_pci_create(vm, vdev, err);
}

/* --- one VM with one device --- */

static struct vm vm;
static struct echo *echo;
static struct virtio_dev *vdev;
static struct drv drv[ECHO_QUEUES];
static const struct virtio_ops *ops = &echo_ops;

/* Each test has a VM and a device of its own. */
static void run_on(const char *name, void (*fn)(void), enum virtio_transport_kind kind, bool packed)
{
	unsigned int i;

	memset(started, 0, sizeof(started));
	memset(stopping, 0, sizeof(stopping));
	queue_irqs[0] = queue_irqs[1] = config_irqs = transport_resets = 0;
	rig_vm(&vm, true);
	vm.cfg.virtio_transport = kind;
	vm.cfg.virtio_packed = vm.cfg.virtio_in_order = packed;
	if (echo_create_ops(&vm, ops, &echo) < 0)
		abort();
	vdev = &echo->vdev;
	for (i = 0; i < ECHO_QUEUES; i++)
		drv_init(&drv[i], &vm, i, ECHO_SIZE);
	tap_run(name, fn);
	virtio_dev_stop(vdev);
	virtio_dev_free(vdev);
	rig_vm_free(&vm);
}

#define RUN_MODERN(name) run_on(#name, name, VIRTIO_PCI_MODERN, false)
#define RUN_PACKED(name) run_on(#name, name, VIRTIO_PCI_MODERN, true)
#define RUN_LEGACY(name) run_on(#name, name, VIRTIO_PCI_LEGACY, false)
#define RUN_WHOLE(name) run_on(#name "_without_queue_stop", name, VIRTIO_PCI_MODERN, false)

enum { ACK = VIRTIO_S_ACKNOWLEDGE, DRIVER = VIRTIO_S_DRIVER, OK = VIRTIO_S_DRIVER_OK, FEAT = VIRTIO_S_FEATURES_OK,
       BROKEN = VIRTIO_S_NEEDS_RESET };

#define V1 BIT_ULL(VIRTIO_F_VERSION_1)

static void accept(u64 features)
{
	virtio_set_accepted(vdev, 0, (u32)features);
	virtio_set_accepted(vdev, 1, (u32)(features >> 32));
}

/* The driver up to FEATURES_OK; true if that was taken. */
static bool negotiate(u64 features)
{
	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, ACK);
	virtio_set_status(vdev, ACK | DRIVER);
	accept(features);
	virtio_set_status(vdev, ACK | DRIVER | FEAT);
	return virtio_get_status(vdev) & FEAT;
}

static void set_addr(unsigned int q, enum virtio_area area, u64 addr)
{
	virtio_queue_set_addr(vdev, q, area, false, (u32)addr);
	virtio_queue_set_addr(vdev, q, area, true, (u32)(addr >> 32));
}

static void set_queue(unsigned int q)
{
	virtio_queue_set_size(vdev, q, drv[q].size);
	set_addr(q, VIRTIO_AREA_DESC, drv[q].desc);
	set_addr(q, VIRTIO_AREA_DRIVER, drv[q].avail);
	set_addr(q, VIRTIO_AREA_DEVICE, drv[q].used);
	virtio_queue_set_enable(vdev, q);
}

static void bring_up(u64 features)
{
	unsigned int i;

	if (!negotiate(features))
		abort();
	for (i = 0; i < ECHO_QUEUES; i++) {
		drv_init(&drv[i], &vm, i, ECHO_SIZE);
		set_queue(i);
	}
	virtio_set_status(vdev, ACK | DRIVER | FEAT | OK);
	settle(&vm);
}

static void kick(unsigned int q)
{
	virtio_queue_kicked(vdev, q);
	settle(&vm);
}

static bool enabled(unsigned int q)
{
	return virtio_queue_read(vdev, q, VIRTIO_Q_ENABLE);
}

/* --- features [virtio-1.2 2.2] --- */

TEST(offers_what_device_and_config_allow)
{
	u64 f = vdev->offered;

	CHECK_EQ(f & 3, 3);
	CHECK(f & V1);
	CHECK(f & BIT_ULL(VIRTIO_F_INDIRECT_DESC));
	CHECK(f & BIT_ULL(VIRTIO_F_EVENT_IDX));
	CHECK(f & BIT_ULL(VIRTIO_F_RING_RESET));
	CHECK(!(f & (BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_F_IN_ORDER))));
	CHECK_EQ(virtio_get_features(vdev, 0), (u32)f);
	CHECK_EQ(virtio_get_features(vdev, 1), (u32)(f >> 32));
	CHECK_EQ(virtio_get_features(vdev, 2), 0);
	CHECK_EQ(virtio_get_features(vdev, 0xffffffff), 0);
}

TEST(packed_and_in_order_are_offered_when_configured)
{
	CHECK(vdev->offered & BIT_ULL(VIRTIO_F_RING_PACKED));
	CHECK(vdev->offered & BIT_ULL(VIRTIO_F_IN_ORDER));
}

TEST(a_subset_of_the_offer_is_accepted)
{
	CHECK(negotiate(V1 | BIT_ULL(ECHO_F_BASE)));
	CHECK_EQ(vdev->accepted, V1 | BIT_ULL(ECHO_F_BASE));
	CHECK_EQ(virtio_get_accepted(vdev, 0), 1);
	CHECK_EQ(virtio_get_accepted(vdev, 1), 1);
	CHECK_EQ(virtio_get_accepted(vdev, 2), 0);
	CHECK_EQ(echo->features_oks, 1);
}

TEST(features_not_offered_refuse_FEATURES_OK)
{
	CHECK(!negotiate(V1 | BIT_ULL(ECHO_F_BASE) | BIT_ULL(20)));
	CHECK(!negotiate(V1 | BIT_ULL(63)));
	CHECK(!negotiate(V1 | BIT_ULL(VIRTIO_F_RING_PACKED)));
	CHECK_EQ(echo->features_oks, 0);
}

TEST(features_beyond_bit_63_refuse_FEATURES_OK)
{
	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, ACK | DRIVER);
	accept(V1);
	virtio_set_accepted(vdev, 2, 0);	/* a driver may write all its words */
	virtio_set_accepted(vdev, 3, 8);
	virtio_set_status(vdev, ACK | DRIVER | FEAT);
	CHECK(!(virtio_get_status(vdev) & FEAT));
	CHECK(negotiate(V1));	/* a reset forgets it */
}

TEST(driver_without_VERSION_1_is_refused)
{
	CHECK(!negotiate(BIT_ULL(ECHO_F_BASE)));
}

TEST(features_that_need_another_refuse_FEATURES_OK)
{
	CHECK(!negotiate(V1 | BIT_ULL(ECHO_F_NEEDS_BASE)));
	CHECK(negotiate(V1 | BIT_ULL(ECHO_F_NEEDS_BASE) | BIT_ULL(ECHO_F_BASE)));
}

TEST(features_are_frozen_after_FEATURES_OK)
{
	CHECK(negotiate(V1));
	accept(V1 | BIT_ULL(ECHO_F_BASE));
	CHECK_EQ(vdev->accepted, V1);
}

TEST(features_can_be_tried_again_after_a_refusal)
{
	CHECK(!negotiate(V1 | BIT_ULL(20)));
	accept(V1);
	virtio_set_status(vdev, ACK | DRIVER | FEAT);
	CHECK(virtio_get_status(vdev) & FEAT);
}

/* --- status [2.1, 3.1.1] --- */

TEST(status_bits_out_of_order_are_not_taken)
{
	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, DRIVER);
	CHECK_EQ(virtio_get_status(vdev), 0);
	virtio_set_status(vdev, ACK);
	accept(V1);
	virtio_set_status(vdev, ACK | FEAT);
	CHECK_EQ(virtio_get_status(vdev), ACK);
	virtio_set_status(vdev, ACK | OK);
	CHECK_EQ(virtio_get_status(vdev), ACK);
	virtio_set_status(vdev, ACK | DRIVER | OK);
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER);
	CHECK_EQ(echo->starts, 0);
}

TEST(one_write_may_carry_all_bits)
{
	virtio_set_status(vdev, 0);
	accept(V1);
	virtio_set_status(vdev, ACK | DRIVER | FEAT | OK);
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | FEAT | OK);
	CHECK_EQ(echo->starts, 1);
}

TEST(status_bits_are_never_cleared_but_by_reset)
{
	CHECK(negotiate(V1));
	virtio_set_status(vdev, ACK);
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | FEAT);
	virtio_set_status(vdev, 0);
	CHECK_EQ(virtio_get_status(vdev), 0);
}

TEST(driver_sets_neither_NEEDS_RESET_nor_reserved_bits)
{
	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, ACK | BROKEN | 16 | 32);
	CHECK_EQ(virtio_get_status(vdev), ACK);
}

TEST(driver_may_give_up_at_any_time)
{
	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, VIRTIO_S_FAILED);
	CHECK_EQ(virtio_get_status(vdev), VIRTIO_S_FAILED);
}

TEST(reset_clears_everything)
{
	bring_up(V1 | BIT_ULL(ECHO_F_BASE));
	virtio_queue_set_vector(vdev, 0, 1);
	virtio_set_status(vdev, 0);
	CHECK_EQ(virtio_get_status(vdev), 0);
	CHECK_EQ(vdev->accepted, 0);
	CHECK(!enabled(0) && !enabled(1));
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), ECHO_SIZE);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DESC), 0);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DRIVER), 0);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DEVICE), 0);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_VECTOR), VIRTIO_NO_VECTOR);
	CHECK_EQ(echo->stops, 1);
	CHECK(echo->resets >= 1 && transport_resets == echo->resets);
	bring_up(V1);
	drv_add(&drv[0], 7, 10);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
}

/* --- queue registers --- */

TEST(queue_numbers_out_of_range_do_nothing)
{
	u32 bad[] = { ECHO_QUEUES, 63, 64, 0xffff, 0xffffffff };
	unsigned int i;

	bring_up(V1 | BIT_ULL(VIRTIO_F_RING_RESET));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(!virtio_queue_get(vdev, bad[i]));
		virtio_queue_set_size(vdev, bad[i], 4);
		virtio_queue_set_addr(vdev, bad[i], VIRTIO_AREA_DESC, false, 4096);
		virtio_queue_set_vector(vdev, bad[i], 1);
		virtio_queue_set_enable(vdev, bad[i]);
		virtio_queue_set_reset(vdev, bad[i]);
		virtio_queue_set_disable(vdev, bad[i]);
		virtio_queue_set_legacy_pfn(vdev, bad[i], 1, 4096);
		virtio_queue_kicked(vdev, bad[i]);
		CHECK_EQ(virtio_queue_read(vdev, bad[i], VIRTIO_Q_SIZE), 0);
		CHECK_EQ(virtio_queue_read(vdev, bad[i], VIRTIO_Q_ENABLE), 0);
		CHECK_EQ(virtio_queue_read(vdev, bad[i], VIRTIO_Q_VECTOR), VIRTIO_NO_VECTOR);
	}
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | FEAT | OK);
}

TEST(bad_queue_sizes_are_refused)
{
	CHECK(negotiate(V1));
	virtio_queue_set_size(vdev, 0, 8);
	virtio_queue_set_size(vdev, 0, 0);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), 8);
	virtio_queue_set_size(vdev, 0, 6);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), 8);
	virtio_queue_set_size(vdev, 0, 2 * ECHO_SIZE);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), 8);
	virtio_queue_set_size(vdev, 0, 0x8000);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), 8);
}

TEST(packed_queue_size_need_not_be_a_power_of_two)
{
	virtio_set_status(vdev, 0);
	accept(V1 | BIT_ULL(VIRTIO_F_RING_PACKED));
	virtio_queue_set_size(vdev, 0, 6);	/* nothing is negotiated yet [4.1.4.3.1] */
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), ECHO_SIZE);
	CHECK(negotiate(V1 | BIT_ULL(VIRTIO_F_RING_PACKED)));
	virtio_queue_set_size(vdev, 0, 6);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), 6);
	virtio_queue_set_size(vdev, 0, ECHO_SIZE + 1);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), 6);
}

TEST(queue_enable_needs_FEATURES_OK)
{
	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, ACK | DRIVER);
	set_queue(0);
	CHECK(!enabled(0));
	CHECK(!(virtio_get_status(vdev) & BROKEN));
}

TEST(queue_registers_are_frozen_while_enabled)
{
	CHECK(negotiate(V1));
	set_queue(0);
	CHECK(enabled(0));
	virtio_queue_set_size(vdev, 0, 4);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), ECHO_SIZE);
	set_addr(0, VIRTIO_AREA_DESC, RAM_BASE);
	set_addr(0, VIRTIO_AREA_DRIVER, RAM_BASE);
	set_addr(0, VIRTIO_AREA_DEVICE, RAM_BASE);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DESC), drv[0].desc);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DRIVER), drv[0].avail);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DEVICE), drv[0].used);
	virtio_queue_set_vector(vdev, 0, 1);	/* may change at any time */
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_VECTOR), 1);
}

TEST(address_halves_are_set_apart)
{
	virtio_queue_set_addr(vdev, 0, VIRTIO_AREA_DEVICE, true, 0x11223344);
	virtio_queue_set_addr(vdev, 0, VIRTIO_AREA_DEVICE, false, 0x55667788);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DEVICE), 0x1122334455667788);
	virtio_queue_set_addr(vdev, 0, VIRTIO_AREA_DEVICE, true, 0);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DEVICE), 0x55667788);
}

TEST(ring_outside_ram_needs_reset_and_stays_disabled)
{
	u64 bad[] = { 0, RAM_BASE - 16, RAM_BASE + RAM_SIZE - 16, RAM_BASE + 8, 0xfffffffffffffff0ULL, 1ULL << 62 };
	unsigned int i, area;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (area = 0; area < 3; area++) {
			if (area && is_aligned(bad[i], 4) && bad[i] == RAM_BASE + 8)
				continue;	/* misaligned for descriptors only */
			if (area && bad[i] == RAM_BASE + RAM_SIZE - 16)
				bad[i] += 12;
			CHECK(negotiate(V1));
			set_addr(0, VIRTIO_AREA_DESC, area == 0 ? bad[i] : drv[0].desc);
			set_addr(0, VIRTIO_AREA_DRIVER, area == 1 ? bad[i] : drv[0].avail);
			set_addr(0, VIRTIO_AREA_DEVICE, area == 2 ? bad[i] : drv[0].used);
			virtio_queue_set_enable(vdev, 0);
			CHECK(!enabled(0));
			CHECK(virtio_get_status(vdev) & BROKEN);
		}
	}
	/* [2.1.2] the driver is told as soon as it can be */
	CHECK_EQ(config_irqs, 0);
	virtio_set_status(vdev, ACK | DRIVER | FEAT | OK);
	CHECK_EQ(config_irqs, 1);
	CHECK_EQ(echo->starts, 0);
	CHECK(negotiate(V1));
	CHECK(!(virtio_get_status(vdev) & BROKEN));
}

/* --- running --- */

TEST(requests_are_served_and_interrupt)
{
	gpa_t in;

	bring_up(V1);
	in = drv_add(&drv[0], 0x5a, 100);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(*(u8 *)at(&vm, in), 0x5a);
	CHECK_EQ(*(u8 *)at(&vm, in + 99), 0x5a);
	CHECK_EQ(*(u8 *)at(&vm, in + 100), 0);
	CHECK_EQ(queue_irqs[0], 1);
	CHECK_EQ(queue_irqs[1], 0);
}

TEST(no_interrupt_when_the_driver_wants_none)
{
	bring_up(V1);
	drv_no_interrupt(&drv[0]);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(queue_irqs[0], 0);
}

TEST(requests_from_before_DRIVER_OK_are_served_after_it)
{
	CHECK(negotiate(V1));
	set_queue(0);
	drv_add(&drv[0], 1, 1);
	kick(0);	/* [3.1.1] the driver must not */
	CHECK_EQ(drv_used(&drv[0]), 0);
	CHECK_EQ(echo->notified[0], 0);
	virtio_set_status(vdev, ACK | DRIVER | FEAT | OK);
	settle(&vm);
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(a_kick_for_a_disabled_queue_is_dropped)
{
	CHECK(negotiate(V1));
	set_queue(0);
	virtio_set_status(vdev, ACK | DRIVER | FEAT | OK);
	kick(1);
	CHECK_EQ(echo->notified[1], 0);
}

TEST(a_queue_enabled_after_DRIVER_OK_runs)
{
	CHECK(negotiate(V1));
	virtio_set_status(vdev, ACK | DRIVER | FEAT | OK);
	drv_add(&drv[0], 1, 1);
	set_queue(0);
	settle(&vm);
	CHECK_EQ(drv_used(&drv[0]), 1);
}

struct blocker {
	struct event_work work;
	pthread_mutex_t lock;
};

static void block(struct event_work *w)
{
	struct blocker *b = container_of(w, struct blocker, work);

	pthread_mutex_lock(&b->lock);
	pthread_mutex_unlock(&b->lock);
}

TEST(a_storm_of_kicks_is_one_notification)
{
	struct blocker b = { .lock = PTHREAD_MUTEX_INITIALIZER };
	int i;

	bring_up(V1);
	echo->notified[0] = 0;
	pthread_mutex_lock(&b.lock);
	event_post(vm.loop, &b.work, block);
	for (i = 0; i < 1000; i++)
		virtio_queue_kicked(vdev, 0);
	pthread_mutex_unlock(&b.lock);
	settle(&vm);
	event_work_cancel(vm.loop, &b.work);
	CHECK(echo->notified[0] >= 1 && echo->notified[0] <= 2);
}

TEST(a_broken_ring_needs_reset_and_only_a_reset_helps)
{
	bring_up(V1);
	drv_add_bad(&drv[0]);
	kick(0);
	CHECK(virtio_get_status(vdev) & BROKEN);
	CHECK_EQ(config_irqs, 1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 0);
	CHECK_EQ(config_irqs, 1);	/* told once */
	CHECK_EQ(queue_irqs[0], 0);
	bring_up(V1);
	CHECK(!(virtio_get_status(vdev) & BROKEN));
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(needs_reset_without_a_driver_is_nothing)
{
	virtio_set_status(vdev, 0);
	virtio_needs_reset(vdev, "test");
	CHECK_EQ(virtio_get_status(vdev), 0);
	virtio_set_status(vdev, ACK);
	virtio_needs_reset(vdev, "test");
	CHECK_EQ(virtio_get_status(vdev), ACK | BROKEN);
	CHECK_EQ(config_irqs, 0);	/* [2.1.2] not before DRIVER_OK */
}

TEST(a_device_that_needs_reset_serves_nothing)
{
	bring_up(V1);
	virtio_needs_reset(vdev, "test");
	CHECK_EQ(config_irqs, 1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 0);
	bring_up(V1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(a_device_that_cannot_start_needs_reset)
{
	echo->start_result = -ENOMEM;
	bring_up(V1);
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | FEAT | OK | BROKEN);
	CHECK_EQ(config_irqs, 1);
	kick(0);
	CHECK_EQ(echo->notified[0], 0);
}

TEST(without_file_descriptors_a_queue_needs_reset)
{
	struct rlimit none = { 0, 0 }, old;

	getrlimit(RLIMIT_NOFILE, &old);
	none.rlim_max = old.rlim_max;
	CHECK(negotiate(V1));
	set_queue(0);
	setrlimit(RLIMIT_NOFILE, &none);
	virtio_set_status(vdev, ACK | DRIVER | FEAT | OK);
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK(virtio_get_status(vdev) & BROKEN);
	CHECK_EQ(config_irqs, 1);
	kick(0);
	CHECK_EQ(echo->notified[0], 0);
	bring_up(V1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(requests_in_flight_are_completed_by_reset)
{
	bring_up(V1);
	drv_add(&drv[1], 3, 10);
	drv_add(&drv[1], 4, 10);
	kick(1);
	CHECK_EQ(echo->nr_held, 2);
	CHECK_EQ(drv_used(&drv[1]), 0);
	virtio_set_status(vdev, 0);
	CHECK_EQ(echo->nr_held, 0);
	CHECK_EQ(drv_used(&drv[1]), 2);
}

static _Atomic bool storm_over;

static void *storm(void *arg)
{
	while (!storm_over) {
		virtio_queue_kick(vdev, 0);
		virtio_queue_kick(vdev, 1);
	}
	return NULL;
}

/* Under TSan and ASan: a vCPU resets and restarts the device while the loop's thread is kept in its handlers. */
TEST(resets_while_handlers_run_neither_race_nor_deadlock)
{
	pthread_t t;
	int i;

	bring_up(V1);	/* the eventfds exist from here on */
	storm_over = false;
	pthread_create(&t, NULL, storm, NULL);
	for (i = 0; i < 200; i++) {
		bring_up(V1);
		drv_add(&drv[0], 1, 1);
		drv_add(&drv[1], 1, 1);
		virtio_queue_kicked(vdev, 0);
		virtio_queue_kicked(vdev, 1);
		if (i % 3 == 0)
			drv_add_bad(&drv[0]);
		virtio_set_status(vdev, 0);
	}
	storm_over = true;
	pthread_join(t, NULL);
	CHECK_EQ(echo->starts, 201);
	CHECK_EQ(echo->stops, 201);
}

/* --- RING_RESET [2.6.1] --- */

TEST(queue_reset_gives_back_a_queue_as_at_power_on)
{
	bring_up(V1 | BIT_ULL(VIRTIO_F_RING_RESET));
	drv_add(&drv[1], 3, 10);
	kick(1);
	virtio_queue_set_vector(vdev, 1, 1);
	virtio_queue_set_reset(vdev, 1);
	CHECK(!enabled(1));
	CHECK_EQ(drv_used(&drv[1]), 1);	/* completed, not lost */
	CHECK_EQ(virtio_queue_read(vdev, 1, VIRTIO_Q_DESC), 0);
	CHECK_EQ(virtio_queue_read(vdev, 1, VIRTIO_Q_VECTOR), VIRTIO_NO_VECTOR);
	drv_add(&drv[1], 3, 10);
	kick(1);
	CHECK_EQ(echo->nr_held, 0);
	CHECK_EQ(drv_used(&drv[1]), 1);
}

TEST(other_queues_live_through_a_queue_reset)
{
	bring_up(V1 | BIT_ULL(VIRTIO_F_RING_RESET));
	virtio_queue_set_reset(vdev, 1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | FEAT | OK);
}

TEST(a_reset_queue_can_be_enabled_with_another_size)
{
	bring_up(V1 | BIT_ULL(VIRTIO_F_RING_RESET));
	drv_add(&drv[0], 1, 1);
	kick(0);
	virtio_queue_set_reset(vdev, 0);
	drv_init(&drv[0], &vm, 0, 4);
	set_queue(0);
	CHECK(enabled(0));
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), 4);
	drv_add(&drv[0], 2, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(queue_reset_without_the_feature_is_refused)
{
	bring_up(V1);
	virtio_queue_set_reset(vdev, 0);
	CHECK(enabled(0));
}

/* --- QueueReady [4.2.2.2] --- */

TEST(a_disabled_queue_keeps_nothing_and_may_be_moved)
{
	bring_up(V1);
	drv_add(&drv[1], 3, 10);
	kick(1);
	virtio_queue_set_disable(vdev, 1);
	CHECK(!enabled(1));
	CHECK_EQ(echo->nr_held, 0);
	CHECK_EQ(drv_used(&drv[1]), 1);
	CHECK_EQ(virtio_queue_read(vdev, 1, VIRTIO_Q_DESC), drv[1].desc);
	virtio_queue_set_disable(vdev, 1);	/* again: nothing */
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);		/* the other lives on */
	drv_init(&drv[1], &vm, 4, 8);
	set_queue(1);
	CHECK(enabled(1));
	drv_add(&drv[1], 3, 10);
	kick(1);
	CHECK_EQ(echo->nr_held, 1);
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | FEAT | OK);
}

/* --- config space --- */

TEST(config_is_bounded)
{
	u8 buf[8];

	virtio_config_read(vdev, 0, buf, 4);
	CHECK_EQ(get_le32(buf), 0xc3c2c1c0);
	virtio_config_read(vdev, ECHO_CONFIG - 2, buf, 4);
	CHECK_EQ(get_le32(buf), 0xffffcbca);
	virtio_config_read(vdev, ECHO_CONFIG, buf, 4);
	CHECK_EQ(get_le32(buf), 0xffffffff);
	virtio_config_read(vdev, 0xffffffff, buf, 8);
	CHECK_EQ(get_le64(buf), ~0ULL);
	memset(buf, 0x11, sizeof(buf));
	virtio_config_write(vdev, 0xffffffff, buf, 8);
	virtio_config_write(vdev, ECHO_CONFIG, buf, 1);
	virtio_config_write(vdev, ECHO_CONFIG - 2, buf, 4);
	CHECK_EQ(echo->config[0], 0xc0);
	CHECK_EQ(echo->config_writes, 0);
	virtio_config_write(vdev, 0, buf, 1);
	CHECK_EQ(echo->config[0], 0x11);
}

TEST(generation_changes_when_a_changed_config_is_read)
{
	u8 buf[4], gen;

	virtio_config_read(vdev, 0, buf, 4);
	gen = virtio_get_generation(vdev);
	virtio_config_read(vdev, 4, buf, 4);
	CHECK_EQ(virtio_get_generation(vdev), gen);
	echo->config[11]++;	/* not even what is read next */
	virtio_config_read(vdev, 4, buf, 4);
	CHECK_EQ(virtio_get_generation(vdev), (u8)(gen + 1));
	virtio_config_read(vdev, 8, buf, 4);
	CHECK_EQ(virtio_get_generation(vdev), (u8)(gen + 1));
}

TEST(config_change_interrupts_a_live_driver_only)
{
	virtio_config_changed(vdev);
	CHECK_EQ(config_irqs, 0);
	bring_up(V1);
	virtio_config_changed(vdev);
	CHECK_EQ(config_irqs, 1);
}

/* --- the VM's stop and start, state --- */

TEST(stop_and_start_keep_the_rings)
{
	bring_up(V1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	virtio_dev_stop(vdev);
	virtio_dev_stop(vdev);
	drv_add(&drv[0], 2, 1);
	virtio_queue_kick(vdev, 0);
	settle(&vm);
	CHECK_EQ(drv_used(&drv[0]), 1);
	virtio_dev_start(vdev);
	settle(&vm);
	CHECK_EQ(drv_used(&drv[0]), 2);
	CHECK_EQ(echo->starts, 2);
	virtio_dev_start(vdev);
	CHECK_EQ(echo->starts, 2);
}

TEST(start_without_a_driver_starts_nothing)
{
	virtio_dev_start(vdev);
	CHECK_EQ(echo->starts, 0);
}

static struct state_writer saved;

static void save(void)
{
	state_writer_free(&saved);
	saved = (struct state_writer){ 0 };
	virtio_dev_stop(vdev);
	state_begin(&saved, "test", 1);
	virtio_dev_save(vdev, &saved);
	state_end(&saved);
}

static int load(void)
{
	struct state_reader r;
	u32 version;
	int ret;

	state_reader_init(&r, saved.buf.s, saved.buf.len);
	if (state_open(&r, "test", 1, &version) < 0)
		return -ENOENT;
	ret = virtio_dev_load(vdev, &r);
	return ret < 0 ? ret : state_close(&r);
}

/* The device is replaced by another one in the same memory. */
static void replace_device(void)
{
	virtio_dev_stop(vdev);
	virtio_dev_free(vdev);
	if (echo_create_ops(&vm, ops, &echo) < 0)
		abort();
	vdev = &echo->vdev;
}

TEST(state_moves_to_another_device_in_the_middle_of_a_ring)
{
	gpa_t in;
	u8 gen;
	int i;

	bring_up(V1 | BIT_ULL(VIRTIO_F_EVENT_IDX) | BIT_ULL(ECHO_F_BASE));
	for (i = 0; i < 21; i++) {
		drv_add(&drv[0], 1, 1);
		kick(0);
	}
	virtio_queue_set_vector(vdev, 0, 2);
	in = drv_add(&drv[0], 0x77, 1);	/* available, and nobody kicked */
	save();
	CHECK_EQ(drv_used(&drv[0]), 21);
	gen = virtio_get_generation(vdev);
	replace_device();
	CHECK_EQ(load(), 0);
	CHECK(virtio_get_generation(vdev) != gen);	/* its config space may be another */
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | FEAT | OK);
	CHECK_EQ(vdev->accepted, V1 | BIT_ULL(VIRTIO_F_EVENT_IDX) | BIT_ULL(ECHO_F_BASE));
	CHECK_EQ(echo->count, 21);
	CHECK_EQ(echo->features_oks, 1);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_VECTOR), 2);
	settle(&vm);
	CHECK_EQ(drv_used(&drv[0]), 21);	/* not before start */
	virtio_dev_start(vdev);
	settle(&vm);
	CHECK_EQ(drv_used(&drv[0]), 22);
	CHECK_EQ(*(u8 *)at(&vm, in), 0x77);
	for (i = 0; i < 40; i++) {
		drv_add(&drv[0], 1, 1);
		kick(0);
	}
	CHECK_EQ(drv_used(&drv[0]), 62);
	CHECK_EQ(echo->count, 62);
}

TEST(state_of_a_half_negotiated_device_moves_too)
{
	CHECK(negotiate(V1 | BIT_ULL(VIRTIO_F_RING_RESET)));
	virtio_queue_set_size(vdev, 0, 4);
	set_addr(0, VIRTIO_AREA_DESC, 0x123456789aULL);
	save();
	replace_device();
	CHECK_EQ(load(), 0);
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | FEAT);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_SIZE), 4);
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DESC), 0x123456789aULL);
	virtio_dev_start(vdev);
	CHECK_EQ(echo->starts, 0);
}

TEST(a_broken_device_is_broken_after_load)
{
	bring_up(V1);
	drv_add_bad(&drv[0]);
	kick(0);
	save();
	replace_device();
	CHECK_EQ(load(), 0);
	virtio_dev_start(vdev);
	CHECK(virtio_get_status(vdev) & BROKEN);
	CHECK_EQ(echo->starts, 0);
	bring_up(V1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(every_cut_of_a_state_is_refused)
{
	struct state_reader r;
	size_t len, at_header = 13 + 4;
	u32 version;

	bring_up(V1);
	save();
	virtio_dev_reset(vdev);
	for (len = at_header; len < saved.buf.len; len++) {
		put_le32(saved.buf.s + 8, (u32)(len - at_header));
		state_reader_init(&r, saved.buf.s, len);
		CHECK_EQ(state_open(&r, "test", 1, &version), 0);
		CHECK(virtio_dev_load(vdev, &r) < 0 || state_close(&r) < 0);
		virtio_dev_start(vdev);
	}
	put_le32(saved.buf.s + 8, (u32)(saved.buf.len - at_header));
	virtio_dev_stop(vdev);
	CHECK_EQ(load(), 0);
}

/* Fields of the stream: a type byte, then the number. */
enum {
	S_ID = 17 + 1, S_ACCEPTED = 17 + 3 + 1, S_BEYOND = 17 + 12 + 1, S_STATUS = 17 + 14 + 1, S_LIVE = 17 + 16 + 1,
	S_QUEUES = 17 + 20 + 1, S_Q0 = 17 + 25, S_Q_SIZE = S_Q0 + 1, S_Q_DESC = S_Q0 + 4, S_Q_ENABLED = S_Q0 + 34,
};

TEST(states_that_no_driver_could_have_made_are_refused)
{
	static const struct {
		unsigned int off, size;
		u64 val;
	} bad[] = {
		{ S_ID, 2, 2 },				/* another device */
		{ S_ACCEPTED, 8, V1 | BIT_ULL(50) },	/* not offered here */
		{ S_ACCEPTED, 8, 0 },			/* FEATURES_OK without VERSION_1 */
		{ S_BEYOND, 1, 1 }, { S_BEYOND, 1, 2 },
		{ S_STATUS, 1, ACK | DRIVER | FEAT | OK | 16 },
		{ S_STATUS, 1, ACK | DRIVER | OK },	/* live without FEATURES_OK */
		{ S_STATUS, 1, 0 },
		{ S_LIVE, 1, 2 },
		{ S_QUEUES, 4, 1 }, { S_QUEUES, 4, 3 }, { S_QUEUES, 4, 0xffffffff },
		{ S_Q_SIZE, 2, 0 }, { S_Q_SIZE, 2, 3 }, { S_Q_SIZE, 2, 32 },
		{ S_Q_DESC, 8, 0 }, { S_Q_DESC, 8, ~0ULL },
		{ S_Q_ENABLED, 1, 2 },
	};
	unsigned int i;
	u64 good;

	bring_up(V1);
	save();
	CHECK_EQ(get_le16(saved.buf.s + S_ID), 42);
	CHECK_EQ(saved.buf.s[S_STATUS], ACK | DRIVER | FEAT | OK);
	CHECK_EQ(saved.buf.s[S_Q_ENABLED], 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		good = get_le(saved.buf.s + bad[i].off, bad[i].size);
		put_le(saved.buf.s + bad[i].off, bad[i].size, bad[i].val);
		CHECK(load() < 0);
		CHECK_EQ(virtio_get_status(vdev), 0);
		CHECK(!enabled(0) && !enabled(1));
		put_le(saved.buf.s + bad[i].off, bad[i].size, good);
	}
	CHECK_EQ(load(), 0);
}

TEST(an_enabled_queue_without_FEATURES_OK_is_refused_in_a_state)
{
	CHECK(negotiate(V1));
	set_queue(0);
	save();
	saved.buf.s[S_STATUS] = ACK | DRIVER;
	CHECK(load() < 0);
	CHECK(!enabled(0));
	saved.buf.s[S_STATUS] = ACK | DRIVER | FEAT;
	CHECK_EQ(load(), 0);
	CHECK(enabled(0));
}

TEST(a_VM_that_offers_less_refuses_the_state)
{
	CHECK(negotiate(V1 | BIT_ULL(ECHO_F_BASE)));
	save();
	replace_device();
	vdev->offered &= ~BIT_ULL(ECHO_F_BASE);
	CHECK(load() < 0);
}

/* --- legacy interface --- */

static gpa_t legacy_queue(unsigned int q)
{
	virtio_queue_set_legacy_pfn(vdev, q, drv[q].desc / 4096, 4096);
	return drv[q].desc;
}

static void legacy_up(void)
{
	unsigned int i;

	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, ACK);
	virtio_set_status(vdev, ACK | DRIVER);
	virtio_set_accepted(vdev, 0, BIT(ECHO_F_BASE));
	for (i = 0; i < ECHO_QUEUES; i++) {
		drv_init(&drv[i], &vm, i, ECHO_SIZE);
		legacy_queue(i);
	}
	virtio_set_status(vdev, ACK | DRIVER | OK);
	settle(&vm);
}

TEST(legacy_offers_32_bits)
{
	CHECK_EQ(vdev->offered >> 32, 0);
	CHECK(vdev->offered & BIT_ULL(VIRTIO_F_ANY_LAYOUT));
	CHECK_EQ(virtio_get_features(vdev, 1), 0);
}

TEST(legacy_features_are_cut_to_the_offer)
{
	virtio_set_status(vdev, 0);
	virtio_set_accepted(vdev, 0, 0xffffffff);
	CHECK_EQ(vdev->accepted, vdev->offered);
	virtio_set_accepted(vdev, 1, 0xffffffff);	/* there are none [4.2.4], and the first word's stay */
	CHECK_EQ(vdev->accepted, vdev->offered);
	virtio_set_accepted(vdev, 0, 1);
	CHECK_EQ(vdev->accepted, 1);
}

TEST(legacy_device_is_served_without_FEATURES_OK)
{
	legacy_up();
	CHECK_EQ(virtio_get_status(vdev), ACK | DRIVER | OK);
	CHECK_EQ(echo->features_oks, 1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
	virtio_set_accepted(vdev, 0, 0);
	CHECK_EQ(vdev->accepted, BIT(ECHO_F_BASE));	/* frozen */
}

TEST(legacy_device_is_served_before_DRIVER_OK)
{
	virtio_set_status(vdev, 0);
	legacy_queue(0);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 0);	/* not even a driver */
	virtio_set_status(vdev, ACK | DRIVER);
	kick(1);			/* this queue is not there */
	CHECK_EQ(echo->starts, 0);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(echo->features_oks, 1);
	legacy_queue(1);		/* set up while running */
	virtio_set_status(vdev, ACK | DRIVER | OK);
	drv_add(&drv[1], 1, 1);
	kick(1);
	CHECK_EQ(echo->nr_held, 1);
	CHECK_EQ(echo->features_oks, 1);
}

TEST(legacy_features_after_the_queue_reach_the_ring)
{
	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, ACK | DRIVER);
	legacy_queue(0);
	CHECK(!vdev->queue[0].vq.cfg.event_idx);
	virtio_set_accepted(vdev, 0, BIT(VIRTIO_F_EVENT_IDX));
	CHECK(enabled(0));
	CHECK(vdev->queue[0].vq.cfg.event_idx);
	virtio_set_accepted(vdev, 0, BIT(VIRTIO_F_EVENT_IDX));
	CHECK(enabled(0));
}

TEST(legacy_queue_address_0_disables_one_queue)
{
	legacy_up();
	drv_add(&drv[1], 1, 1);
	kick(1);
	virtio_queue_set_legacy_pfn(vdev, 1, 0, 4096);
	CHECK(!enabled(1));
	CHECK_EQ(virtio_queue_read(vdev, 1, VIRTIO_Q_DESC), 0);
	CHECK_EQ(drv_used(&drv[1]), 1);
	drv_add(&drv[0], 1, 1);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
	virtio_queue_set_legacy_pfn(vdev, 0, 0xffffffff, 4096);	/* frozen: address 0 first */
	CHECK_EQ(virtio_queue_read(vdev, 0, VIRTIO_Q_DESC), drv[0].desc);
}

TEST(legacy_queue_outside_ram_needs_reset)
{
	virtio_set_status(vdev, 0);
	virtio_set_status(vdev, ACK | DRIVER);
	virtio_queue_set_legacy_pfn(vdev, 0, 0xffffffff, 4096);
	CHECK(!enabled(0));
	CHECK(virtio_get_status(vdev) & BROKEN);
}

TEST(legacy_state_moves)
{
	legacy_up();
	drv_add(&drv[0], 1, 1);
	kick(0);
	save();
	replace_device();
	CHECK_EQ(load(), 0);
	CHECK_EQ(echo->features_oks, 1);
	drv_add(&drv[0], 1, 1);
	virtio_dev_start(vdev);
	settle(&vm);
	CHECK_EQ(drv_used(&drv[0]), 2);
}

/* --- creation --- */

TEST(failed_transport_leaves_nothing)
{
	struct echo *e;

	create_result = -ENOSPC;
	CHECK_EQ(echo_create_ops(&vm, &echo_ops, &e), -ENOSPC);
	create_result = 0;
}

TEST(device_bears_its_name_and_is_freed_by_ops)
{
	static bool freed;

	CHECK_STR(vdev->name, "virtio-echo0");
	echo->freed = &freed;
	replace_device();
	CHECK(freed);
}

static const struct virtio_ops whole_ops = { ECHO_OPS };

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_MODERN(offers_what_device_and_config_allow);
	RUN_MODERN(a_subset_of_the_offer_is_accepted);
	RUN_MODERN(features_not_offered_refuse_FEATURES_OK);
	RUN_MODERN(features_beyond_bit_63_refuse_FEATURES_OK);
	RUN_MODERN(driver_without_VERSION_1_is_refused);
	RUN_MODERN(features_that_need_another_refuse_FEATURES_OK);
	RUN_MODERN(features_are_frozen_after_FEATURES_OK);
	RUN_MODERN(features_can_be_tried_again_after_a_refusal);
	RUN_MODERN(status_bits_out_of_order_are_not_taken);
	RUN_MODERN(one_write_may_carry_all_bits);
	RUN_MODERN(status_bits_are_never_cleared_but_by_reset);
	RUN_MODERN(driver_sets_neither_NEEDS_RESET_nor_reserved_bits);
	RUN_MODERN(driver_may_give_up_at_any_time);
	RUN_MODERN(reset_clears_everything);
	RUN_MODERN(queue_numbers_out_of_range_do_nothing);
	RUN_MODERN(bad_queue_sizes_are_refused);
	RUN_MODERN(queue_enable_needs_FEATURES_OK);
	RUN_MODERN(queue_registers_are_frozen_while_enabled);
	RUN_MODERN(address_halves_are_set_apart);
	RUN_MODERN(ring_outside_ram_needs_reset_and_stays_disabled);
	RUN_MODERN(requests_are_served_and_interrupt);
	RUN_MODERN(no_interrupt_when_the_driver_wants_none);
	RUN_MODERN(requests_from_before_DRIVER_OK_are_served_after_it);
	RUN_MODERN(a_kick_for_a_disabled_queue_is_dropped);
	RUN_MODERN(a_queue_enabled_after_DRIVER_OK_runs);
	RUN_MODERN(a_storm_of_kicks_is_one_notification);
	RUN_MODERN(a_broken_ring_needs_reset_and_only_a_reset_helps);
	RUN_MODERN(needs_reset_without_a_driver_is_nothing);
	RUN_MODERN(a_device_that_needs_reset_serves_nothing);
	RUN_MODERN(a_device_that_cannot_start_needs_reset);
	RUN_MODERN(without_file_descriptors_a_queue_needs_reset);
	RUN_MODERN(requests_in_flight_are_completed_by_reset);
	RUN_MODERN(resets_while_handlers_run_neither_race_nor_deadlock);
	RUN_MODERN(queue_reset_gives_back_a_queue_as_at_power_on);
	RUN_MODERN(other_queues_live_through_a_queue_reset);
	RUN_MODERN(a_reset_queue_can_be_enabled_with_another_size);
	RUN_MODERN(queue_reset_without_the_feature_is_refused);
	RUN_MODERN(a_disabled_queue_keeps_nothing_and_may_be_moved);
	RUN_MODERN(config_is_bounded);
	RUN_MODERN(generation_changes_when_a_changed_config_is_read);
	RUN_MODERN(config_change_interrupts_a_live_driver_only);
	RUN_MODERN(stop_and_start_keep_the_rings);
	RUN_MODERN(start_without_a_driver_starts_nothing);
	RUN_MODERN(state_moves_to_another_device_in_the_middle_of_a_ring);
	RUN_MODERN(state_of_a_half_negotiated_device_moves_too);
	RUN_MODERN(a_broken_device_is_broken_after_load);
	RUN_MODERN(every_cut_of_a_state_is_refused);
	RUN_MODERN(states_that_no_driver_could_have_made_are_refused);
	RUN_MODERN(an_enabled_queue_without_FEATURES_OK_is_refused_in_a_state);
	RUN_MODERN(a_VM_that_offers_less_refuses_the_state);
	RUN_MODERN(failed_transport_leaves_nothing);
	RUN_MODERN(device_bears_its_name_and_is_freed_by_ops);
	RUN_PACKED(packed_and_in_order_are_offered_when_configured);
	RUN_PACKED(packed_queue_size_need_not_be_a_power_of_two);
	RUN_LEGACY(legacy_offers_32_bits);
	RUN_LEGACY(legacy_features_are_cut_to_the_offer);
	RUN_LEGACY(legacy_device_is_served_without_FEATURES_OK);
	RUN_LEGACY(legacy_device_is_served_before_DRIVER_OK);
	RUN_LEGACY(legacy_features_after_the_queue_reach_the_ring);
	RUN_LEGACY(legacy_queue_address_0_disables_one_queue);
	RUN_LEGACY(legacy_queue_outside_ram_needs_reset);
	RUN_LEGACY(legacy_state_moves);
	ops = &whole_ops;
	RUN_WHOLE(queue_reset_gives_back_a_queue_as_at_power_on);
	RUN_WHOLE(other_queues_live_through_a_queue_reset);
	RUN_WHOLE(a_reset_queue_can_be_enabled_with_another_size);
	RUN_WHOLE(queue_reset_without_the_feature_is_refused);
	RUN_WHOLE(a_disabled_queue_keeps_nothing_and_may_be_moved);
	RUN_WHOLE(a_queue_enabled_after_DRIVER_OK_runs);
	RUN_WHOLE(resets_while_handlers_run_neither_race_nor_deadlock);
	state_writer_free(&saved);
	return tap_done();
}
