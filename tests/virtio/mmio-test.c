/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MMIO transport of version 2, as a driver sees it: registers, interrupts, kicks, slots, state.
 *
 * links: util/iov.c util/json.c virtio/mmio.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/core.c virtio/ring.c
 * links: virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/pci-rig.h"

static struct vm *vm;
static struct echo *echo;
static struct drv drv[ECHO_QUEUES];

enum {
	MAGIC = 0, VERSION = 4, DEVICE = 8, VENDOR = 0xc, DF = 0x10, DFSEL = 0x14, GF = 0x20, GFSEL = 0x24, QSEL = 0x30, QMAX = 0x34,
	QNUM = 0x38, QREADY = 0x44, NOTIFY = 0x50, ISR = 0x60, ACK = 0x64, STATUS = 0x70, QDESC = 0x80, QDRV = 0x90, QDEV = 0xa0,
	SHMSEL = 0xac, SHMLEN = 0xb0, SHMBASE = 0xb8, QRESET = 0xc0, GEN = 0xfc, CONFIG = 0x100,
	/* version 1's */
	PAGE_SIZE = 0x28, QALIGN = 0x3c, PFN = 0x40,
};
enum { ALL_OK = 15, BROKEN = 64 };

#define V1 BIT_ULL(VIRTIO_F_VERSION_1)

static u64 rd_n(unsigned int off, unsigned int size)
{
	return rig_read(vm, IO_MMIO, RIG_SLOTS + off, size);
}

static u32 rd(unsigned int off)
{
	return (u32)rd_n(off, 4);
}

static void wr_n(unsigned int off, unsigned int size, u64 val)
{
	rig_write(vm, IO_MMIO, RIG_SLOTS + off, size, val);
}

static void wr(unsigned int off, u32 val)
{
	wr_n(off, 4, val);
}

static void create(void)
{
	vm = rig_pci_vm(VIRTIO_MMIO_MODERN, true);
	echo = echo_create(vm);
}

static void run_on(const char *name, void (*fn)(void))
{
	create();
	devices_start(vm);
	tap_run(name, fn);
	rig_pci_vm_free(vm);
}
#define RUN_ON(name) run_on(#name, name)

static void set_addresses(unsigned int q)
{
	wr(QSEL, q);
	wr(QNUM, ECHO_SIZE);
	wr(QDESC, (u32)drv[q].desc);
	wr(QDESC + 4, 0);
	wr(QDRV, (u32)drv[q].avail);
	wr(QDRV + 4, 0);
	wr(QDEV, (u32)drv[q].used);
	wr(QDEV + 4, 0);
}

static void set_queue(unsigned int q)
{
	drv_init(&drv[q], vm, q, ECHO_SIZE);
	set_addresses(q);
	wr(QREADY, 1);
}

static void negotiate(u64 features)
{
	wr(STATUS, 0);
	wr(STATUS, 1);
	wr(STATUS, 3);
	wr(GFSEL, 1);
	wr(GF, (u32)(features >> 32));
	wr(GFSEL, 0);
	wr(GF, (u32)features);
	wr(STATUS, 11);
}

static void bring_up(u64 features)
{
	negotiate(features);
	set_queue(0);
	set_queue(1);
	wr(STATUS, ALL_OK);
	settle(vm);
}

static void kick(u32 q)
{
	wr(NOTIFY, q);
	settle(vm);
}

static void one_request(void)
{
	drv_add(&drv[0], 1, 1);
	kick(0);
}

/* --- registers [virtio-1.2 4.2.2] --- */

TEST(ids_are_those_of_a_version_2_device)
{
	CHECK_EQ(rd(MAGIC), 0x74726976);
	CHECK_EQ(rd(VERSION), 2);
	CHECK_EQ(rd(DEVICE), 42);
	CHECK_EQ(rd(VENDOR), 0x4d564b4c);
	CHECK_EQ(rd(STATUS), 0);
	CHECK_EQ(rd(ISR), 0);
}

TEST(offered_features_are_read_by_words)
{
	CHECK_EQ(rd(DF), (u32)echo->vdev.offered);
	wr(DFSEL, 1);
	CHECK_EQ(rd(DF), echo->vdev.offered >> 32);
	wr(DFSEL, 2);
	CHECK_EQ(rd(DF), 0);
	wr(DFSEL, ~0U);
	CHECK_EQ(rd(DF), 0);
}

TEST(features_are_accepted_by_words)
{
	negotiate(V1 | BIT_ULL(ECHO_F_BASE));
	CHECK_EQ(echo->vdev.accepted, V1 | BIT_ULL(ECHO_F_BASE));
	CHECK_EQ(rd(STATUS), 11);
	wr(GF, 0);			/* settled */
	CHECK_EQ(echo->vdev.accepted, V1 | BIT_ULL(ECHO_F_BASE));
	negotiate(0);
	CHECK_EQ(rd(STATUS), 3);
	negotiate(V1 | BIT_ULL(40 + 20));	/* not offered */
	CHECK_EQ(rd(STATUS), 3);
	wr(STATUS, 0);
	wr(STATUS, 3);
	wr(GFSEL, 1);
	wr(GF, 1);
	wr(GFSEL, 2);
	wr(GF, 1);			/* bit 64 */
	wr(STATUS, 11);
	CHECK_EQ(rd(STATUS), 3);
}

TEST(status_is_a_byte)
{
	wr(STATUS, 3);
	wr(STATUS, 0x100);		/* would be a reset, if it were cut */
	CHECK_EQ(rd(STATUS), 3);
	wr(STATUS, ~0U);
	CHECK_EQ(rd(STATUS), 3);
	wr(STATUS, 0);
	CHECK_EQ(rd(STATUS), 0);
}

TEST(registers_take_aligned_words_only)
{
	static const u8 offs[] = { MAGIC, VERSION, DF, DFSEL, QSEL, QMAX, QREADY, NOTIFY, ISR, STATUS, QDESC, GEN };
	unsigned int i, size;

	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		for (size = 1; size <= 8; size *= 2) {
			if (size == 4 || !is_aligned(offs[i], size))
				continue;
			wr_n(offs[i], size, 3);
			CHECK_EQ(rd_n(offs[i], size), ones(size));
		}
	}
	wr_n(STATUS + 1, 1, 1);
	CHECK_EQ(rd_n(MAGIC + 1, 1), 0xff);
	CHECK_EQ(rd_n(MAGIC + 2, 2), 0xffff);
	CHECK_EQ(rd(STATUS), 0);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DESC), 0);
	wr_n(QDESC, 8, 0x123456789aULL);	/* no pair at once */
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DESC), 0);
	CHECK_EQ(rd(DF), (u32)echo->vdev.offered);
	CHECK_EQ(rd(QMAX), ECHO_SIZE);
}

/* Every word of the page: what cannot be read is ones, and what cannot be written stays. */
TEST(each_register_may_do_what_the_table_says)
{
	static const u8 readable[] = { MAGIC, VERSION, DEVICE, VENDOR, DF, QMAX, QREADY, ISR, STATUS, QRESET, GEN };
	unsigned int off, i;
	bool can;

	for (off = 0; off < CONFIG; off += 4) {
		for (i = 0, can = false; i < sizeof(readable); i++)
			can |= off == readable[i];
		if (can != (rd(off) != ~0U))
			CHECK_EQ(off, ~0U);
	}
	wr(MAGIC, 0);
	wr(VERSION, 1);
	wr(DEVICE, 0);
	wr(VENDOR, 0);
	wr(DF, 0);
	wr(QMAX, 2);
	wr(ISR, 3);
	wr(GEN, 9);
	CHECK_EQ(rd(MAGIC), 0x74726976);
	CHECK_EQ(rd(VERSION), 2);
	CHECK_EQ(rd(DEVICE), 42);
	CHECK_EQ(rd(VENDOR), 0x4d564b4c);
	CHECK_EQ(rd(DF), (u32)echo->vdev.offered);
	CHECK_EQ(rd(QMAX), ECHO_SIZE);
	CHECK_EQ(rd(ISR), 0);
	CHECK_EQ(rd(GEN), 0);
	CHECK(!rig.level);
}

TEST(version_1_registers_are_not_there)
{
	negotiate(V1);
	wr(PAGE_SIZE, 4096);
	wr(QALIGN, 4096);
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(rd(PAGE_SIZE), ~0U);
	CHECK_EQ(rd(QALIGN), ~0U);
	CHECK_EQ(rd(PFN), ~0U);
	CHECK_EQ(rd(QREADY), 0);
	CHECK_EQ(rd(STATUS), 11);
}

TEST(there_is_no_shared_memory)
{
	unsigned int id;

	for (id = 0; id < 300; id += 100) {
		wr(SHMSEL, id);
		CHECK_EQ(rd(SHMLEN), ~0U);
		CHECK_EQ(rd(SHMLEN + 4), ~0U);
		CHECK_EQ(rd(SHMBASE), ~0U);
		CHECK_EQ(rd(SHMBASE + 4), ~0U);
	}
}

/* [4.2.2.2] */
TEST(device_configuration_takes_any_width)
{
	CHECK_EQ(rd_n(CONFIG, 1), 0xc0);
	CHECK_EQ(rd_n(CONFIG + 3, 1), 0xc3);
	CHECK_EQ(rd_n(CONFIG + 2, 2), 0xc3c2);
	CHECK_EQ(rd(CONFIG), 0xc3c2c1c0);
	CHECK_EQ(rd_n(CONFIG, 8), 0xc7c6c5c4c3c2c1c0);
	wr_n(CONFIG, 1, 0x99);
	CHECK_EQ(rd_n(CONFIG, 1), 0x99);
	wr(CONFIG, 0x11223344);
	CHECK_EQ(rd_n(CONFIG, 1), 0x44);
	wr_n(CONFIG, 8, 0x55);
	CHECK_EQ(rd_n(CONFIG, 1), 0x55);
	CHECK_EQ(echo->config_writes, 3);
}

TEST(device_configuration_ends_where_it_ends)
{
	CHECK_EQ(rd(CONFIG + ECHO_CONFIG), ~0U);
	CHECK_EQ(rd_n(CONFIG + ECHO_CONFIG - 4, 8), 0xffffffffcbcac9c8);
	CHECK_EQ(rd_n(RIG_STRIDE - 1, 1), 0xff);
	CHECK_EQ(rd_n(RIG_STRIDE - 8, 8), ~0ULL);
	wr_n(CONFIG + ECHO_CONFIG - 4, 8, 0);
	wr(CONFIG + ECHO_CONFIG, 0);
	wr(RIG_STRIDE - 4, 0);
	CHECK_EQ(echo->config_writes, 0);
	CHECK_EQ(rd(CONFIG + ECHO_CONFIG - 4), 0xcbcac9c8);
}

TEST(generation_tells_of_changes)
{
	u32 old = rd(GEN);

	rd(CONFIG);
	echo->config[1] ^= 1;
	rd(CONFIG);
	CHECK(rd(GEN) != old);
	old = rd(GEN);
	rd(CONFIG);
	CHECK_EQ(rd(GEN), old);
}

/* --- queues --- */

TEST(absent_queues_read_as_unavailable)
{
	negotiate(V1 | BIT_ULL(VIRTIO_F_RING_RESET));
	drv_init(&drv[0], vm, 0, ECHO_SIZE);
	drv_init(&drv[1], vm, 1, ECHO_SIZE);
	wr(QSEL, ECHO_QUEUES);
	CHECK_EQ(rd(QMAX), 0);
	CHECK_EQ(rd(QREADY), 0);
	wr(QNUM, 4);
	wr(QDESC, RAM_BASE);
	wr(QREADY, 1);
	wr(QREADY, 0);
	wr(QRESET, 1);
	CHECK_EQ(rd(QREADY), 0);
	wr(QSEL, 0x10000);	/* not queue 0 */
	CHECK_EQ(rd(QMAX), 0);
	wr(QSEL, ~0U);
	CHECK_EQ(rd(QMAX), 0);
	CHECK_EQ(rd(STATUS), 11);
	wr(QSEL, 1);
	CHECK_EQ(rd(QMAX), ECHO_SIZE);
}

TEST(queue_size_is_kept_if_it_can_be)
{
	static const u32 bad[] = { 0, 3, ECHO_SIZE * 2, 0x10000 + 4, ~0U };
	unsigned int i;

	negotiate(V1);
	wr(QNUM, 8);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		wr(QNUM, bad[i]);
		CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_SIZE), 8);
	}
	CHECK_EQ(rd(QMAX), ECHO_SIZE);	/* stays the most */
}

TEST(addresses_are_64_bits_in_halves)
{
	wr(QSEL, 1);
	wr(QDESC, 0x11111111);
	wr(QDESC + 4, 0x22222222);
	wr(QDRV + 4, 0x33333333);
	wr(QDEV, 0x44444444);
	wr(QDEV + 4, 0x55555555);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 1, VIRTIO_Q_DESC), 0x2222222211111111);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 1, VIRTIO_Q_DRIVER), 0x3333333300000000);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 1, VIRTIO_Q_DEVICE), 0x5555555544444444);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DESC), 0);
}

TEST(ready_takes_0_and_1)
{
	wr(STATUS, 3);
	drv_init(&drv[0], vm, 0, ECHO_SIZE);
	set_addresses(0);
	wr(QREADY, 1);
	CHECK_EQ(rd(QREADY), 0);	/* before FEATURES_OK */
	negotiate(V1);
	set_addresses(0);
	wr(QREADY, 2);
	CHECK_EQ(rd(QREADY), 0);
	wr(QREADY, 1);
	CHECK_EQ(rd(QREADY), 1);
	wr(QREADY, 2);
	CHECK_EQ(rd(QREADY), 1);
	wr(QDESC, RAM_BASE);		/* frozen */
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DESC), drv[0].desc);
	wr(QREADY, 0);
	CHECK_EQ(rd(QREADY), 0);
	wr(QDESC, RAM_BASE);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DESC), RAM_BASE);
	CHECK_EQ(rd(STATUS), 11);
}

/* [4.2.2.2] 0, and reading it back, is how a driver stops one queue; the device has nothing of it then. */
TEST(ready_0_stops_one_queue_of_a_running_device)
{
	bring_up(V1);
	drv_add(&drv[1], 7, 9);
	kick(1);
	CHECK_EQ(echo->nr_held, 1);
	wr(QSEL, 1);
	wr(QREADY, 0);
	CHECK_EQ(rd(QREADY), 0);
	CHECK_EQ(echo->nr_held, 0);
	CHECK_EQ(drv_used(&drv[1]), 1);
	CHECK_EQ(rig_ioeventfds(), 1);
	wr(QREADY, 0);			/* again: nothing */
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	set_queue(1);
	CHECK_EQ(rd(QREADY), 1);
	CHECK_EQ(rig_ioeventfds(), 2);
	drv_add(&drv[1], 7, 9);
	kick(1);
	CHECK_EQ(echo->nr_held, 1);
}

TEST(queue_outside_ram_needs_a_reset)
{
	negotiate(V1);
	drv_init(&drv[0], vm, 0, ECHO_SIZE);
	set_addresses(0);
	wr(QDESC + 4, 0xffffffff);
	wr(QREADY, 1);
	CHECK_EQ(rd(QREADY), 0);
	CHECK_EQ(rd(STATUS), 11 | BROKEN);
	wr(STATUS, 0);
	bring_up(V1);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(queue_reset_resets_one_queue)
{
	bring_up(V1 | BIT_ULL(VIRTIO_F_RING_RESET));
	wr(QSEL, 1);
	wr(QRESET, 2);
	wr(QRESET, 0);
	CHECK_EQ(rd(QREADY), 1);
	wr(QRESET, 1);
	CHECK_EQ(rd(QRESET), 0);
	CHECK_EQ(rd(QREADY), 0);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 1, VIRTIO_Q_DESC), 0);
	set_queue(1);
	CHECK_EQ(rd(QREADY), 1);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	bring_up(V1);			/* not negotiated */
	wr(QRESET, 1);
	CHECK_EQ(rd(QREADY), 1);
}

TEST(packed_rings_work)
{
	rig_pci_vm_free(vm);
	vm = rig_pci_vm(VIRTIO_MMIO_MODERN, true);
	vm->cfg.virtio_packed = true;
	echo = echo_create(vm);
	negotiate(V1 | BIT_ULL(VIRTIO_F_RING_PACKED));
	CHECK_EQ(rd(STATUS), 11);
	wr(QNUM, 12);			/* not a power of two */
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_SIZE), 12);
	wr(QDESC, RAM_BASE);
	wr(QDRV, RAM_BASE + 0x1000);
	wr(QDEV, RAM_BASE + 0x2000);
	wr(QREADY, 1);
	CHECK_EQ(rd(QREADY), 1);
}

/* --- interrupts --- */

TEST(the_line_is_high_while_status_is_not_0)
{
	bring_up(V1);
	CHECK(!rig.level);
	one_request();
	CHECK(rig.level);
	CHECK_EQ(rd(ISR), 1);
	CHECK_EQ(rd(ISR), 1);		/* reading it changes nothing */
	CHECK(rig.level);
	wr(ACK, 2);
	CHECK(rig.level);
	wr(ACK, 1);
	CHECK_EQ(rd(ISR), 0);
	CHECK(!rig.level);
	virtio_config_changed(&echo->vdev);
	one_request();
	CHECK_EQ(rd(ISR), 3);
	wr(ACK, 1);
	CHECK_EQ(rd(ISR), 2);
	CHECK(rig.level);
	wr(ACK, ~0U);
	CHECK_EQ(rd(ISR), 0);
	CHECK(!rig.level);
	wr(ACK, 3);			/* of nothing */
	CHECK(!rig.level);
	CHECK_EQ(rig.msis, 0);
}

TEST(needs_reset_is_a_configuration_interrupt)
{
	bring_up(V1);
	drv_add_bad(&drv[0]);
	kick(0);
	CHECK_EQ(rd(STATUS), ALL_OK | BROKEN);
	CHECK_EQ(rd(ISR), 2);
	CHECK(rig.level);
}

TEST(reset_lowers_the_line_and_clears_what_selects)
{
	bring_up(V1);
	one_request();
	wr(DFSEL, 1);
	wr(QSEL, 7);
	CHECK(rig.level);
	wr(STATUS, 0);
	CHECK_EQ(rd(STATUS), 0);
	CHECK(!rig.level);
	CHECK_EQ(rd(ISR), 0);
	CHECK_EQ(rd(DF), (u32)echo->vdev.offered);
	CHECK_EQ(rd(QMAX), ECHO_SIZE);
	CHECK_EQ(rd(QREADY), 0);
	CHECK_EQ(rig_ioeventfds(), 0);
	echo->vdev.tops->config_interrupt(&echo->vdev);	/* from before the reset, only late [2.4.1] */
	CHECK(!rig.level);
	CHECK_EQ(rd(ISR), 0);
}

TEST(there_is_no_eventfd_that_interrupts)
{
	bring_up(V1);
	CHECK_EQ(echo->vdev.tops->queue_irqfd(&echo->vdev, 0), -ENOTSUP);
}

/* --- kicks --- */

TEST(kicks_are_ioeventfds_told_apart_by_value)
{
	negotiate(V1);
	set_queue(0);
	set_queue(1);
	CHECK_EQ(rig_ioeventfds(), 0);
	wr(STATUS, ALL_OK);
	CHECK_EQ(rig_ioeventfds(), 2);
	CHECK_EQ(rig.io[0].space, IO_MMIO);
	CHECK_EQ(rig.io[0].addr, RIG_SLOTS + NOTIFY);
	CHECK_EQ(rig.io[0].len, 4);
	CHECK(rig.io[0].match && rig.io[1].match);
	CHECK_EQ(rig.io[0].data, 0);
	CHECK_EQ(rig.io[1].data, 1);
	rig.exits = 0;
	drv_add(&drv[1], 1, 1);
	kick(1);
	CHECK_EQ(echo->nr_held, 1);
	CHECK_EQ(rig.exits, 0);
	wr(STATUS, 0);
	CHECK_EQ(rig_ioeventfds(), 0);
}

TEST(kicks_come_as_exits_when_KVM_refuses)
{
	rig.ioeventfd_error = -EEXIST;
	bring_up(V1);
	CHECK_EQ(rig_ioeventfds(), 0);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	rig.ioeventfd_error = 0;
	wr(STATUS, 0);			/* takes nothing away that was not there */
}

TEST(kicks_of_absent_queues_or_other_widths_do_nothing)
{
	rig.ioeventfd_error = -ENOSPC;
	bring_up(V1);
	echo->notified[0] = echo->notified[1] = 0;
	kick(ECHO_QUEUES);
	kick(0x10000);
	kick(~0U);
	wr_n(NOTIFY, 1, 0);
	wr_n(NOTIFY, 2, 0);
	wr_n(NOTIFY, 8, 0);
	settle(vm);
	CHECK_EQ(echo->notified[0] + echo->notified[1], 0);
	CHECK_EQ(rd(STATUS), ALL_OK);
}

/* --- slots --- */

TEST(the_device_tells_where_it_is)
{
	struct device *dev = device_find(vm, DEV_VIRTIO_MMIO, 0), *next;

	echo_create(vm);
	next = device_find(vm, DEV_VIRTIO_MMIO, 1);
	CHECK(dev && next && !device_find(vm, DEV_VIRTIO_MMIO, 2));
	CHECK_EQ(dev->res[0].type, DEV_RES_IO);
	CHECK_EQ(dev->res[0].space, IO_MMIO);
	CHECK_EQ(dev->res[0].base, RIG_SLOTS);
	CHECK_EQ(dev->res[0].size, RIG_STRIDE);
	CHECK_EQ(dev->res[1].type, DEV_RES_IRQ);
	CHECK_EQ(dev->res[1].irq, RIG_SLOT_GSI);
	CHECK(dev->res[1].level);
	CHECK_EQ(next->res[0].base, RIG_SLOTS + RIG_STRIDE);
	CHECK_EQ(next->res[1].irq, RIG_SLOT_GSI + 1);
	CHECK_EQ(next->index, 1);
	CHECK_EQ(rd(RIG_STRIDE + MAGIC), 0x74726976);
	CHECK_EQ(rd(2 * RIG_STRIDE + MAGIC), ~0U);	/* no device: no registers */
}

static int create_one_more(struct error *err)
{
	static const u16 size = 4;
	struct virtio_init init = { .ops = &echo_ops, .nr_queues = 1, .queue_sizes = &size, .kind = "echo", .index = 7 };
	struct echo *e = calloc(1, sizeof(*e));
	int r = virtio_dev_create(vm, &e->vdev, &init, err);

	if (r < 0)
		free(e);
	return r;
}

TEST(without_a_free_slot_the_number_is_told)
{
	struct error err;
	int i;

	for (i = 1; i < RIG_NR_SLOTS; i++)
		CHECK_EQ(create_one_more(&err), 0);
	CHECK_EQ(create_one_more(&err), -ENOSPC);
	CHECK_STR(err.msg, "virtio-echo7: all 6 virtio-mmio slots of this machine are in use");
}

TEST(a_slot_that_cannot_be_had_leaves_nothing)
{
	struct error err;

	rig.line_error = -EINVAL;
	CHECK_EQ(create_one_more(&err), -EINVAL);
	CHECK(strstr(err.msg, "virtio-echo7: virtio-mmio slot 1"));
	rig.line_error = 0;
	vm->virtio_mmio.base = ~0ULL - RIG_STRIDE;	/* not in the address space */
	CHECK_EQ(create_one_more(&err), -EINVAL);
	vm->virtio_mmio.base = RIG_SLOTS;
	CHECK_EQ(vm->virtio_mmio.used, 1);
	CHECK_EQ(create_one_more(&err), 0);
}

/* --- the VM's side --- */

TEST(vm_reset_returns_everything_to_power_on)
{
	bring_up(V1);
	one_request();
	devices_stop(vm);
	CHECK_EQ(rig_ioeventfds(), 0);
	devices_reset(vm);
	devices_start(vm);
	CHECK_EQ(rd(STATUS), 0);
	CHECK(!rig.level);
	bring_up(V1);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(stop_and_start_lose_nothing)
{
	bring_up(V1);
	one_request();
	devices_stop(vm);
	drv_add(&drv[0], 1, 1);
	devices_start(vm);
	settle(vm);
	CHECK_EQ(drv_used(&drv[0]), 2);
	CHECK_EQ(rig_ioeventfds(), 2);
	CHECK(rig.level);
}

static struct state_writer saved;

static void save(void)
{
	state_writer_free(&saved);
	saved = (struct state_writer){ 0 };
	devices_stop(vm);
	if (devices_save(vm, &saved, NULL) < 0)
		abort();
}

/* Another VM with the same memory contents. */
static void move(void)
{
	u8 *ram = malloc(RAM_SIZE);
	unsigned int i;

	memcpy(ram, vm->mem.ram[0].hva, RAM_SIZE);
	rig_pci_vm_free(vm);
	create();
	memcpy(vm->mem.ram[0].hva, ram, RAM_SIZE);
	free(ram);
	for (i = 0; i < ECHO_QUEUES; i++)
		drv[i].vm = vm;
}

static int load(void)
{
	struct state_reader r;

	state_reader_init(&r, saved.buf.s, saved.buf.len);
	return devices_load(vm, &r, NULL);
}

TEST(state_continues_in_another_vm)
{
	bring_up(V1);
	one_request();
	wr(DFSEL, 1);
	wr(GFSEL, 3);
	wr(QSEL, 1);
	drv_add(&drv[0], 1, 1);		/* not kicked */
	save();
	move();
	CHECK_EQ(load(), 0);
	CHECK(rig.level);
	CHECK_EQ(rd(ISR), 1);
	devices_start(vm);
	settle(vm);
	CHECK_EQ(drv_used(&drv[0]), 2);
	CHECK_EQ(rd(STATUS), ALL_OK);
	CHECK_EQ(rd(DF), echo->vdev.offered >> 32);
	CHECK_EQ(rd(QREADY), 1);
	wr(ACK, 1);
	CHECK(!rig.level);
	CHECK_EQ(rig_ioeventfds(), 2);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 3);
}

TEST(every_cut_of_a_state_is_refused)
{
	size_t len;

	bring_up(V1);
	save();
	move();
	for (len = 0; len < saved.buf.len; len += 3) {
		struct state_reader r;

		state_reader_init(&r, saved.buf.s, len);
		CHECK(devices_load(vm, &r, NULL) < 0);
	}
	CHECK_EQ(load(), 0);
}

/* Flips each byte in turn: a load gives an error or a device that works, and never a crash. */
TEST(no_flipped_byte_of_a_state_does_harm)
{
	size_t i;

	bring_up(V1);
	one_request();
	save();
	move();
	for (i = 0; i < saved.buf.len; i++) {
		saved.buf.s[i] ^= 0x55;
		if (load() == 0) {
			devices_start(vm);
			settle(vm);
			devices_stop(vm);
		}
		saved.buf.s[i] ^= 0x55;
	}
	CHECK_EQ(load(), 0);
	devices_start(vm);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 2);
}

/* The device's section is behind the PCI host's, and each of our fields behind a type: 14 bytes of header, 12 of name, then 5 bytes each. */
static u8 *field(unsigned int n)
{
	char *name = memmem(saved.buf.s, saved.buf.len, "virtio-echo0", 12);

	return (u8 *)name + 12 + 5 * n + 1;
}

TEST(values_that_no_register_holds_are_refused_in_a_state)
{
	static const struct {
		u8 field;
		u32 val;
	} bad[] = { { 3, 4 }, { 3, ~0U }, { 4, 3 }, { 5, 0 }, { 5, 6 }, { 6, 0x30 } };
	unsigned int i;
	u32 old;

	bring_up(V1);
	save();
	CHECK_EQ(get_le32(field(5)), 4096);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		old = get_le32(field(bad[i].field));
		put_le32(field(bad[i].field), bad[i].val);
		CHECK(load() < 0);
		put_le32(field(bad[i].field), old);
	}
	put_le32(field(4), 0x1000);	/* a page size is fine */
	CHECK_EQ(load(), 0);
}

struct guest_thread {
	pthread_t thread;
	struct io_reader reader;
};

static _Atomic bool guests_over;

/* A driver that resets and starts over, on its own vCPU. */
static void *restless_driver(void *arg)
{
	struct guest_thread *g = arg;
	static const struct {
		u8 off;
		u32 val;
	} script[] = {
		{ STATUS, 0 }, { STATUS, 3 }, { GFSEL, 1 }, { GF, 1 }, { STATUS, 11 }, { QDESC, RAM_BASE }, { QDRV, RAM_BASE + 0x1000 },
		{ QDEV, RAM_BASE + 0x2000 }, { QREADY, 1 }, { STATUS, 15 }, { NOTIFY, 0 }, { ACK, 1 }, { QREADY, 0 }, { QREADY, 1 },
		{ NOTIFY, 0 }, { ACK, 3 },
	};
	unsigned int i;
	u64 val;

	while (!guests_over) {
		for (i = 0; i < ARRAY_SIZE(script); i++) {
			io_map_write(&vm->io[IO_MMIO], &g->reader, RIG_SLOTS + script[i].off, 4, script[i].val);
			io_map_read(&vm->io[IO_MMIO], &g->reader, RIG_SLOTS + ISR, 4, &val);
		}
	}
	return NULL;
}

TEST(two_drivers_and_a_device_that_interrupts_may_cross)
{
	struct guest_thread g[2] = { 0 };
	unsigned int i;

	guests_over = false;
	for (i = 0; i < 2; i++)
		io_reader_add(&vm->io[IO_MMIO], &g[i].reader);
	for (i = 0; i < 2; i++)
		pthread_create(&g[i].thread, NULL, restless_driver, &g[i]);
	for (i = 0; i < 1000; i++) {
		virtio_config_changed(&echo->vdev);
		echo->vdev.tops->queue_interrupt(&echo->vdev, 0);
		settle(vm);
	}
	guests_over = true;
	for (i = 0; i < 2; i++) {
		pthread_join(g[i].thread, NULL);
		io_reader_del(&vm->io[IO_MMIO], &g[i].reader);
	}
	wr(STATUS, 0);
	CHECK(!rig.level);
	CHECK_EQ(rig_ioeventfds(), 0);
	bring_up(V1);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK(rig.level);
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_ON(ids_are_those_of_a_version_2_device);
	RUN_ON(offered_features_are_read_by_words);
	RUN_ON(features_are_accepted_by_words);
	RUN_ON(status_is_a_byte);
	RUN_ON(registers_take_aligned_words_only);
	RUN_ON(each_register_may_do_what_the_table_says);
	RUN_ON(version_1_registers_are_not_there);
	RUN_ON(there_is_no_shared_memory);
	RUN_ON(device_configuration_takes_any_width);
	RUN_ON(device_configuration_ends_where_it_ends);
	RUN_ON(generation_tells_of_changes);
	RUN_ON(absent_queues_read_as_unavailable);
	RUN_ON(queue_size_is_kept_if_it_can_be);
	RUN_ON(addresses_are_64_bits_in_halves);
	RUN_ON(ready_takes_0_and_1);
	RUN_ON(ready_0_stops_one_queue_of_a_running_device);
	RUN_ON(queue_outside_ram_needs_a_reset);
	RUN_ON(queue_reset_resets_one_queue);
	RUN_ON(packed_rings_work);
	RUN_ON(the_line_is_high_while_status_is_not_0);
	RUN_ON(needs_reset_is_a_configuration_interrupt);
	RUN_ON(reset_lowers_the_line_and_clears_what_selects);
	RUN_ON(there_is_no_eventfd_that_interrupts);
	RUN_ON(kicks_are_ioeventfds_told_apart_by_value);
	RUN_ON(kicks_come_as_exits_when_KVM_refuses);
	RUN_ON(kicks_of_absent_queues_or_other_widths_do_nothing);
	RUN_ON(the_device_tells_where_it_is);
	RUN_ON(without_a_free_slot_the_number_is_told);
	RUN_ON(a_slot_that_cannot_be_had_leaves_nothing);
	RUN_ON(vm_reset_returns_everything_to_power_on);
	RUN_ON(stop_and_start_lose_nothing);
	RUN_ON(state_continues_in_another_vm);
	RUN_ON(every_cut_of_a_state_is_refused);
	RUN_ON(no_flipped_byte_of_a_state_does_harm);
	RUN_ON(values_that_no_register_holds_are_refused_in_a_state);
	RUN_ON(two_drivers_and_a_device_that_interrupts_may_cross);
	state_writer_free(&saved);
	return tap_done();
}
