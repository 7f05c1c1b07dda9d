/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The modern PCI transport, as a driver sees it: capabilities, registers, interrupts, kicks, state.
 *
 * links: util/iov.c util/json.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/mmio.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/pci-rig.h"
#include "virtio/pci.h"

static struct vm *vm;
static struct echo *echo;
static struct drv drv[ECHO_QUEUES];
static u64 common, isr, device, notify, table;

enum {
	DFSEL = 0, DF = 4, GFSEL = 8, GF = 0xc, CVEC = 0x10, NUMQ = 0x12, STATUS = 0x14, GEN = 0x15, QSEL = 0x16, QSIZE = 0x18,
	QVEC = 0x1a, QEN = 0x1c, QNOFF = 0x1e, QDESC = 0x20, QDRV = 0x28, QDEV = 0x30, QNDATA = 0x38, QRESET = 0x3a,
};
enum { ALL_OK = 15, BROKEN = 64, NO_VECTOR = 0xffff };

static u64 rd(u64 addr, unsigned int size)
{
	return rig_read(vm, IO_MMIO, addr, size);
}

static void wr(u64 addr, unsigned int size, u64 val)
{
	rig_write(vm, IO_MMIO, addr, size, val);
}

static u64 cap_address(u8 type)
{
	unsigned int at = cfg_virtio_cap(vm, type), bar = cfg_read(vm, at + 4, 1);

	return (cfg_read(vm, 0x10 + 4 * bar, 4) & ~0xfU) + cfg_read(vm, at + 8, 4);
}

static void find_structures(void)
{
	unsigned int msix = cfg_cap(vm, 0x11, 0);

	common = cap_address(1);
	notify = cap_address(2);
	isr = cap_address(3);
	device = cap_address(4);
	table = (cfg_read(vm, 0x10, 4) & ~0xfU) + (cfg_read(vm, msix + 4, 4) & ~7U);
}

static void setup(void)
{
	vm = rig_pci_vm(VIRTIO_PCI_MODERN, true);
	echo = echo_create(vm);
	if (pci_assign_bars(vm->pci, NULL) < 0)
		abort();
	devices_start(vm);
	cfg_write(vm, 4, 2, 6);		/* memory, bus master */
	find_structures();
}

static void run_on(const char *name, void (*fn)(void))
{
	setup();
	tap_run(name, fn);
	rig_pci_vm_free(vm);
}
#define RUN_ON(name) run_on(#name, name)

static void select_queue(unsigned int q)
{
	wr(common + QSEL, 2, q);
}

static void set_queue(unsigned int q)
{
	drv_init(&drv[q], vm, q, ECHO_SIZE);
	select_queue(q);
	wr(common + QSIZE, 2, ECHO_SIZE);
	wr(common + QDESC, 4, drv[q].desc);
	wr(common + QDESC + 4, 4, 0);
	wr(common + QDRV, 8, drv[q].avail);	/* the bus makes two halves of it */
	wr(common + QDEV, 4, drv[q].used);
	wr(common + QDEV + 4, 4, 0);
	wr(common + QEN, 2, 1);
}

static void negotiate(u64 features)
{
	wr(common + STATUS, 1, 0);
	wr(common + STATUS, 1, 1);
	wr(common + STATUS, 1, 3);
	wr(common + GFSEL, 4, 0);
	wr(common + GF, 4, (u32)features);
	wr(common + GFSEL, 4, 1);
	wr(common + GF, 4, features >> 32);
	wr(common + STATUS, 1, 11);
}

#define V1 BIT_ULL(VIRTIO_F_VERSION_1)

static void bring_up(u64 features)
{
	negotiate(features);
	set_queue(0);
	set_queue(1);
	wr(common + STATUS, 1, ALL_OK);
	settle(vm);
}

static void kick(unsigned int q)
{
	wr(notify + 4 * q, 2, q);
	settle(vm);
}

static void one_request(void)
{
	drv_add(&drv[0], 1, 1);
	kick(0);
}

static void msix_on(void)
{
	unsigned int cap = cfg_cap(vm, 0x11, 0), v;

	for (v = 0; v < 3; v++) {
		wr(table + 16 * v, 4, 0xfee00000);
		wr(table + 16 * v + 4, 4, 0);
		wr(table + 16 * v + 8, 4, 0x40 + v);
		wr(table + 16 * v + 12, 4, 0);
	}
	cfg_write(vm, cap + 2, 2, 0x8000);
}

/* --- what the function looks like [virtio-1.2 4.1.2, 4.1.4] --- */

TEST(ids_are_those_of_a_modern_device)
{
	CHECK_EQ(cfg_read(vm, 0, 4), 0x106a1af4);	/* 0x1040 + 42 */
	CHECK_EQ(cfg_read(vm, 8, 4), 0xff000001);
	CHECK_EQ(cfg_read(vm, 0x2c, 4), 0x006a1af4);
	CHECK_EQ(cfg_read(vm, 0x3d, 1), 1);
}

TEST(each_structure_has_a_capability_inside_the_bar)
{
	static const struct {
		u8 type, len;
		u32 min, align;
	} want[] = { { 1, 16, 0x3c, 4 }, { 2, 20, 2, 4 }, { 3, 16, 1, 1 }, { 4, 16, ECHO_CONFIG, 4 }, { 5, 20, 0, 1 } };
	unsigned int i, at, off, len;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		at = cfg_virtio_cap(vm, want[i].type);
		CHECK(at);
		CHECK_EQ(cfg_read(vm, at + 2, 1), want[i].len);
		CHECK_EQ(cfg_read(vm, at + 4, 1), 0);
		off = cfg_read(vm, at + 8, 4);
		len = cfg_read(vm, at + 12, 4);
		CHECK(len >= want[i].min && is_aligned(off, want[i].align) && off + len <= 0x8000);
		CHECK_EQ(cfg_read(vm, at + 6, 2), 0);
	}
	CHECK_EQ(cfg_read(vm, cfg_virtio_cap(vm, 2) + 16, 4), 4);	/* notify_off_multiplier */
	CHECK_EQ(cfg_read(vm, cfg_cap(vm, 0x11, 0) + 2, 2), ECHO_QUEUES);	/* a vector each, and one for config */
}

TEST(capabilities_are_read_only_but_the_window)
{
	unsigned int i, j, at;

	for (i = 1; i <= 5; i++) {
		at = cfg_virtio_cap(vm, (u8)i);
		for (j = 0; j < 16; j++) {
			u32 old = cfg_read(vm, at + j, 1);
			bool open = i == 5 && (j == 4 || j >= 8);

			cfg_write(vm, at + j, 1, ~old & 0xff);
			CHECK_EQ(cfg_read(vm, at + j, 1), open ? (~old & 0xff) : old);
		}
	}
}

TEST(a_function_without_free_slot_is_an_error)
{
	struct error err;
	static const u16 size = 4;
	struct virtio_init init = { .ops = &echo_ops, .nr_queues = 1, .queue_sizes = &size, .kind = "echo", .index = 77 };
	struct echo *e = NULL;
	int i, r = 0;

	for (i = 0; i < 40 && !r; i++) {
		e = calloc(1, sizeof(*e));
		r = virtio_dev_create(vm, &e->vdev, &init, &err);
	}
	free(e);
	CHECK_EQ(r, -ENOSPC);
	CHECK_EQ(i, 31);	/* slot 0 is the bridge, 1 the first device */
	CHECK_STR(err.msg, "virtio-echo77: the PCI bus has no free slot");
}

/* --- registers --- */

TEST(common_configuration_reads_as_the_document_says)
{
	CHECK_EQ(rd(common + NUMQ, 2), ECHO_QUEUES);
	CHECK_EQ(rd(common + CVEC, 2), NO_VECTOR);
	CHECK_EQ(rd(common + STATUS, 1), 0);
	CHECK_EQ(rd(common + DF, 4), (u32)echo->vdev.offered);
	wr(common + DFSEL, 4, 1);
	CHECK_EQ(rd(common + DFSEL, 4), 1);
	CHECK_EQ(rd(common + DF, 4), echo->vdev.offered >> 32);
	wr(common + DFSEL, 4, 2);
	CHECK_EQ(rd(common + DF, 4), 0);
	wr(common + DFSEL, 4, 0xffffffff);
	CHECK_EQ(rd(common + DF, 4), 0);
	select_queue(1);
	CHECK_EQ(rd(common + QSEL, 2), 1);
	CHECK_EQ(rd(common + QSIZE, 2), ECHO_SIZE);
	CHECK_EQ(rd(common + QVEC, 2), NO_VECTOR);
	CHECK_EQ(rd(common + QEN, 2), 0);
	CHECK_EQ(rd(common + QNOFF, 2), 1);
	CHECK_EQ(rd(common + QNDATA, 2), 1);
	CHECK_EQ(rd(common + QRESET, 2), 0);
}

TEST(accepted_features_read_back)
{
	negotiate(V1 | BIT_ULL(ECHO_F_BASE));
	CHECK_EQ(rd(common + GF, 4), 1);
	wr(common + GFSEL, 4, 0);
	CHECK_EQ(rd(common + GFSEL, 4), 0);
	CHECK_EQ(rd(common + GF, 4), 1);
	wr(common + GFSEL, 4, 7);
	CHECK_EQ(rd(common + GF, 4), 0);
	CHECK_EQ(rd(common + STATUS, 1), 11);
}

TEST(addresses_are_64_bits_in_halves)
{
	wr(common + QDESC, 4, 0x11111111);
	wr(common + QDESC + 4, 4, 0x22222222);
	wr(common + QDRV + 4, 4, 0x33333333);
	wr(common + QDEV, 8, 0x5555555566666666);
	CHECK_EQ(rd(common + QDESC, 8), 0x2222222211111111);
	CHECK_EQ(rd(common + QDESC + 4, 4), 0x22222222);
	CHECK_EQ(rd(common + QDRV, 8), 0x3333333300000000);
	CHECK_EQ(rd(common + QDEV, 4), 0x66666666);
	CHECK_EQ(rd(common + QDEV + 4, 4), 0x55555555);
	CHECK_EQ(rd(common + QDRV + 4, 4), 0x33333333);
	CHECK_EQ(rd(common + QDESC, 4), 0x11111111);
	CHECK_EQ(rd(common + QDRV, 4), 0);
}

TEST(fields_take_accesses_of_their_width_only)
{
	static const struct {
		u8 off, size;
	} bad[] = { { DFSEL, 1 }, { DF, 2 }, { CVEC, 1 }, { CVEC, 4 }, { STATUS, 2 }, { STATUS, 4 }, { QSEL, 1 }, { QSIZE, 4 },
		    { QDESC, 2 }, { QDESC + 2, 2 }, { QEN, 4 }, { GFSEL + 3, 1 }, { 0x39, 1 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		wr(common + bad[i].off, bad[i].size, 1);
		CHECK_EQ(rd(common + bad[i].off, bad[i].size), ones(bad[i].size));
	}
	CHECK_EQ(rd(common + DFSEL, 4), 0);
	CHECK_EQ(rd(common + GFSEL, 4), 0);
	CHECK_EQ(rd(common + STATUS, 1), 0);
	CHECK_EQ(rd(common + QSEL, 2), 0);
	CHECK_EQ(rd(common + QDESC, 8), 0);
}

TEST(read_only_fields_stay)
{
	wr(common + DF, 4, 0);
	wr(common + NUMQ, 2, 9);
	wr(common + GEN, 1, 9);
	wr(common + QNOFF, 2, 9);
	wr(common + QNDATA, 2, 9);
	CHECK_EQ(rd(common + DF, 4), (u32)echo->vdev.offered);
	CHECK_EQ(rd(common + NUMQ, 2), ECHO_QUEUES);
	CHECK_EQ(rd(common + GEN, 1), 0);
	CHECK_EQ(rd(common + QNOFF, 2), 0);
}

TEST(absent_queue_reads_as_unavailable)
{
	negotiate(V1 | BIT_ULL(VIRTIO_F_RING_RESET));
	select_queue(ECHO_QUEUES);
	wr(common + QSIZE, 2, 4);
	wr(common + QVEC, 2, 1);
	wr(common + QDESC, 4, RAM_BASE);
	wr(common + QEN, 2, 1);
	wr(common + QRESET, 2, 1);
	CHECK_EQ(rd(common + QSIZE, 2), 0);
	CHECK_EQ(rd(common + QVEC, 2), NO_VECTOR);
	CHECK_EQ(rd(common + QDESC, 4), 0);
	CHECK_EQ(rd(common + QEN, 2), 0);
	CHECK_EQ(rd(common + QNOFF, 2), 0);
	select_queue(0xffff);
	CHECK_EQ(rd(common + QSIZE, 2), 0);
	CHECK_EQ(rd(common + STATUS, 1), 11);
}

TEST(what_is_between_the_structures_reads_ones)
{
	u64 holes[] = { common + 0x3c, common + 0xffc, isr + 4, device + ECHO_CONFIG, device + 0xffc, notify, notify + 8,
			table + 16 * 3, table + 0x1000, common + 0x7ffc };
	unsigned int i;

	bring_up(V1);
	for (i = 0; i < ARRAY_SIZE(holes); i++) {
		wr(holes[i], 4, 0);
		CHECK_EQ(rd(holes[i], 4), 0xffffffff);
	}
	CHECK_EQ(rd(common + STATUS, 1), ALL_OK);
}

TEST(device_configuration_takes_any_width)
{
	CHECK_EQ(rd(device, 1), 0xc0);
	CHECK_EQ(rd(device + 2, 2), 0xc3c2);
	CHECK_EQ(rd(device, 4), 0xc3c2c1c0);
	CHECK_EQ(rd(device, 8), 0xc7c6c5c4c3c2c1c0);
	wr(device, 1, 0x99);
	CHECK_EQ(rd(device, 1), 0x99);
	wr(device + ECHO_CONFIG - 1, 2, 0);	/* over the end */
	CHECK_EQ(rd(device + ECHO_CONFIG - 1, 1), 0xcb);
	CHECK_EQ(rd(common + GEN, 1), 1);
}

TEST(queue_enable_takes_1_only)
{
	negotiate(V1);
	drv_init(&drv[0], vm, 0, ECHO_SIZE);
	wr(common + QDESC, 4, drv[0].desc);
	wr(common + QDRV, 4, drv[0].avail);
	wr(common + QDEV, 4, drv[0].used);
	wr(common + QEN, 2, 2);
	CHECK_EQ(rd(common + QEN, 2), 0);
	wr(common + QEN, 2, 1);
	CHECK_EQ(rd(common + QEN, 2), 1);
	wr(common + QEN, 2, 0);
	CHECK_EQ(rd(common + QEN, 2), 1);
	wr(common + QDESC, 4, RAM_BASE);	/* frozen */
	CHECK_EQ(rd(common + QDESC, 4), drv[0].desc);
}

TEST(queue_reset_register_resets_one_queue)
{
	bring_up(V1 | BIT_ULL(VIRTIO_F_RING_RESET));
	select_queue(1);
	wr(common + QRESET, 2, 2);
	CHECK_EQ(rd(common + QEN, 2), 1);
	wr(common + QRESET, 2, 1);
	CHECK_EQ(rd(common + QRESET, 2), 0);
	CHECK_EQ(rd(common + QEN, 2), 0);
	CHECK_EQ(rig_ioeventfds(), 1);
	set_queue(1);
	CHECK_EQ(rd(common + QEN, 2), 1);
	CHECK_EQ(rig_ioeventfds(), 2);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
}

/* --- interrupts [4.1.4.5, 4.1.5] --- */

TEST(intx_is_level_and_reading_isr_lowers_it)
{
	bring_up(V1);
	CHECK(!rig.level);
	one_request();
	CHECK(rig.level);
	CHECK(cfg_read(vm, 6, 2) & 8);	/* Interrupt Status */
	CHECK_EQ(rd(isr, 1), 1);
	CHECK(!rig.level);
	CHECK(!(cfg_read(vm, 6, 2) & 8));
	CHECK_EQ(rd(isr, 1), 0);
	virtio_config_changed(&echo->vdev);
	one_request();
	CHECK(rig.level);
	CHECK_EQ(rd(isr, 1), 3);
	CHECK_EQ(rig.msis, 0);
}

TEST(intx_disable_masks_the_pin_only)
{
	bring_up(V1);
	cfg_write(vm, 4, 2, 6 | 0x400);
	one_request();
	CHECK(!rig.level);
	CHECK(cfg_read(vm, 6, 2) & 8);
	cfg_write(vm, 4, 2, 6);
	CHECK(rig.level);
	CHECK_EQ(rd(isr, 1), 1);
	CHECK(!rig.level);
}

TEST(msix_vectors_are_mapped_per_queue)
{
	msix_on();
	wr(common + CVEC, 2, 0);
	CHECK_EQ(rd(common + CVEC, 2), 0);
	bring_up(V1);
	wr(common + CVEC, 2, 0);
	select_queue(0);
	wr(common + QVEC, 2, 2);
	CHECK_EQ(rd(common + QVEC, 2), 2);
	one_request();
	CHECK_EQ(rig.msis, 1);
	CHECK_EQ(rig.last_msi.data, 0x42);
	CHECK(!rig.level);
	CHECK_EQ(rd(isr, 1), 0);	/* [4.1.5.1.2] unused for queues */
	virtio_config_changed(&echo->vdev);
	CHECK_EQ(rig.last_msi.data, 0x40);
	CHECK_EQ(rd(isr, 1), 2);	/* [4.1.4.5.1] */
	CHECK(!rig.level);
}

TEST(vectors_out_of_range_read_back_NO_VECTOR)
{
	msix_on();
	bring_up(V1);
	wr(common + CVEC, 2, 1);
	wr(common + CVEC, 2, 3);
	CHECK_EQ(rd(common + CVEC, 2), NO_VECTOR);
	select_queue(0);
	wr(common + QVEC, 2, 1);
	wr(common + QVEC, 2, 0x7ff);
	CHECK_EQ(rd(common + QVEC, 2), NO_VECTOR);
	wr(common + QVEC, 2, 3);
	CHECK_EQ(rd(common + QVEC, 2), NO_VECTOR);
	one_request();		/* [4.1.5.3.1] */
	virtio_config_changed(&echo->vdev);
	CHECK_EQ(rig.msis, 0);
	CHECK(!rig.level);
}

TEST(masked_vector_is_pending_until_unmasked)
{
	msix_on();
	bring_up(V1);
	select_queue(0);
	wr(common + QVEC, 2, 1);
	wr(table + 16 + 12, 4, 1);
	one_request();
	CHECK_EQ(rig.msis, 0);
	CHECK_EQ(rd(table + 0x800, 4), 2);	/* PBA */
	wr(table + 16 + 12, 4, 0);
	CHECK_EQ(rig.msis, 1);
	CHECK_EQ(rig.last_msi.data, 0x41);
}

TEST(msix_switched_on_moves_the_interrupt_off_the_pin)
{
	bring_up(V1);
	one_request();
	CHECK(rig.level);
	msix_on();
	CHECK(!rig.level);
	cfg_write(vm, cfg_cap(vm, 0x11, 0) + 2, 2, 0);
	CHECK(rig.level);
	CHECK_EQ(rd(isr, 1), 1);
	CHECK(!rig.level);
}

static unsigned int irq_changes;

static void note_irq_change(struct virtio_dev *vdev, unsigned int queue)
{
	irq_changes += 1 + 100 * queue;
}

/* A queue that vhost serves has an interrupt of its own to be moved. */
TEST(external_queues_are_told_when_their_interrupt_moves)
{
	struct virtio_ops ops = echo_ops;

	ops.queue_irq_changed = note_irq_change;
	echo->vdev.ops = &ops;
	bring_up(V1);
	irq_changes = 0;
	msix_on();
	CHECK_EQ(irq_changes, 0);	/* none is external */
	cfg_write(vm, cfg_cap(vm, 0x11, 0) + 2, 2, 0);
	echo->vdev.queue[1].external = true;
	msix_on();
	CHECK_EQ(irq_changes, 101);
	msix_on();
	CHECK_EQ(irq_changes, 101);	/* nothing new */
	cfg_write(vm, cfg_cap(vm, 0x11, 0) + 2, 2, 0);
	CHECK_EQ(irq_changes, 202);
	select_queue(1);
	wr(common + QVEC, 2, 2);
	CHECK_EQ(irq_changes, 303);
	select_queue(0);
	wr(common + QVEC, 2, 2);
	CHECK_EQ(irq_changes, 303);
	echo->vdev.queue[1].external = false;
	echo->vdev.ops = &echo_ops;
}

TEST(reset_clears_interrupts_and_vectors)
{
	msix_on();
	bring_up(V1);
	wr(common + CVEC, 2, 0);
	select_queue(0);
	wr(common + QVEC, 2, 1);
	wr(common + DFSEL, 4, 1);
	cfg_write(vm, cfg_cap(vm, 0x11, 0) + 2, 2, 0);
	one_request();
	CHECK(rig.level);
	wr(common + STATUS, 1, 0);
	CHECK(!rig.level);
	CHECK_EQ(rd(isr, 1), 0);
	CHECK_EQ(rd(common + CVEC, 2), NO_VECTOR);
	CHECK_EQ(rd(common + QVEC, 2), NO_VECTOR);
	CHECK_EQ(rd(common + DFSEL, 4), 0);
	echo->vdev.tops->config_interrupt(&echo->vdev);	/* from before the reset, only late [2.4.1] */
	CHECK(!rig.level);
	CHECK_EQ(rd(isr, 1), 0);
}

TEST(needs_reset_is_a_configuration_interrupt)
{
	bring_up(V1);
	drv_add_bad(&drv[0]);
	kick(0);
	CHECK_EQ(rd(common + STATUS, 1), ALL_OK | BROKEN);
	CHECK(rig.level);
	CHECK_EQ(rd(isr, 1), 2);
}

TEST(irqfd_only_for_a_mapped_vector)
{
	const struct virtio_transport_ops *tops = echo->vdev.tops;

	CHECK_EQ(tops->queue_irqfd(&echo->vdev, 0), -ENOTSUP);
	msix_on();
	CHECK_EQ(tops->queue_irqfd(&echo->vdev, 0), -ENOTSUP);
	select_queue(0);
	wr(common + QVEC, 2, 1);
	CHECK(tops->queue_irqfd(&echo->vdev, 0) >= 0);
}

/* --- kicks --- */

TEST(kicks_of_running_queues_are_ioeventfds)
{
	negotiate(V1);
	set_queue(0);
	set_queue(1);
	CHECK_EQ(rig_ioeventfds(), 0);
	wr(common + STATUS, 1, ALL_OK);
	CHECK_EQ(rig_ioeventfds(), 2);
	CHECK_EQ(rig.io[0].addr, notify);
	CHECK_EQ(rig.io[1].addr, notify + 4);
	CHECK_EQ(rig.io[0].len, 0);
	rig.exits = 0;
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(rig.exits, 0);
	wr(common + STATUS, 1, 0);
	CHECK_EQ(rig_ioeventfds(), 0);
}

TEST(kicks_have_a_length_where_KVM_wants_one)
{
	rig_pci_vm_free(vm);
	vm = rig_pci_vm(VIRTIO_PCI_MODERN, true);
	rig.any_length = false;
	echo = echo_create(vm);
	CHECK_EQ(pci_assign_bars(vm->pci, NULL), 0);
	cfg_write(vm, 4, 2, 6);
	find_structures();
	bring_up(V1);
	CHECK_EQ(rig.io[0].len, 2);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(kicks_come_as_exits_when_KVM_refuses)
{
	rig.ioeventfd_error = -EEXIST;
	bring_up(V1);
	CHECK_EQ(rig_ioeventfds(), 0);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	drv_add(&drv[0], 1, 1);
	wr(notify, 4, 0);	/* as wide as NOTIFICATION_DATA would make it */
	settle(vm);
	CHECK_EQ(drv_used(&drv[0]), 2);
	rig.ioeventfd_error = 0;
	wr(common + STATUS, 1, 0);
}

TEST(kicks_of_absent_queues_or_odd_addresses_do_nothing)
{
	rig.ioeventfd_error = -ENOSPC;
	bring_up(V1);
	echo->notified[0] = echo->notified[1] = 0;
	wr(notify + 8, 2, 0);
	wr(notify + 0xffc, 2, 0);
	wr(notify + 2, 2, 0);
	wr(notify + 1, 1, 0);
	wr(notify, 1, 0);
	settle(vm);
	CHECK_EQ(echo->notified[0] + echo->notified[1], 0);
}

TEST(ioeventfds_follow_the_bar)
{
	u32 old = cfg_read(vm, 0x10, 4);

	bring_up(V1);
	cfg_write(vm, 4, 2, 4);		/* decode off */
	CHECK_EQ(rig_ioeventfds(), 0);
	CHECK_EQ(rd(common + STATUS, 1), 0xff);
	cfg_write(vm, 0x10, 4, old + 0x100000);
	CHECK_EQ(rig_ioeventfds(), 0);
	cfg_write(vm, 4, 2, 6);
	find_structures();
	CHECK_EQ(rig_ioeventfds(), 2);
	CHECK_EQ(rig.io[0].addr, notify);
	rig.exits = 0;
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(rig.exits, 0);
	cfg_write(vm, 0x10, 4, 0xffffffff);	/* sizing, with decode on */
	CHECK_EQ(cfg_read(vm, 0x10, 4), 0xffff8000);
	CHECK_EQ(rig_ioeventfds(), 0);
	cfg_write(vm, 0x10, 4, old);
	CHECK_EQ(rig_ioeventfds(), 2);
	find_structures();
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 2);
}

TEST(a_bar_that_comes_before_the_driver_is_enough_too)
{
	cfg_write(vm, 4, 2, 4);
	bring_up(V1);			/* goes nowhere */
	CHECK_EQ(virtio_get_status(&echo->vdev), 0);
	cfg_write(vm, 4, 2, 6);
	CHECK_EQ(rig_ioeventfds(), 0);
	bring_up(V1);
	CHECK_EQ(rig_ioeventfds(), 2);
}

struct guest_thread {
	pthread_t thread;
	struct io_reader reader;
	u64 regs;
};

static _Atomic bool guests_over;

/* A driver that resets and starts over, on its own vCPU. */
static void *restless_driver(void *arg)
{
	struct guest_thread *g = arg;
	static const u8 status[] = { 0, 1, 3, 11, 15 };
	unsigned int i;
	u64 val;

	while (!guests_over) {
		for (i = 0; i < sizeof(status); i++) {
			io_map_write(&vm->io[IO_MMIO], &g->reader, g->regs + GFSEL, 4, 1);
			io_map_write(&vm->io[IO_MMIO], &g->reader, g->regs + GF, 4, 1);
			io_map_write(&vm->io[IO_MMIO], &g->reader, g->regs + QDESC, 4, RAM_BASE);
			io_map_write(&vm->io[IO_MMIO], &g->reader, g->regs + QDRV, 4, RAM_BASE + 0x1000);
			io_map_write(&vm->io[IO_MMIO], &g->reader, g->regs + QDEV, 4, RAM_BASE + 0x2000);
			io_map_write(&vm->io[IO_MMIO], &g->reader, g->regs + STATUS, 1, status[i]);
			io_map_write(&vm->io[IO_MMIO], &g->reader, g->regs + QEN, 2, 1);
			io_map_write(&vm->io[IO_MMIO], &g->reader, g->regs + 0x3000, 2, 0);
			io_map_read(&vm->io[IO_MMIO], &g->reader, g->regs + 0x1000, 1, &val);
		}
	}
	return NULL;
}

/* Another vCPU moves the BAR, switches decode and MSI-X, and resets through the window; the device changes its config. */
TEST(bar_moves_resets_and_interrupts_may_cross)
{
	struct guest_thread g[2] = { 0 };
	unsigned int cap = cfg_cap(vm, 0x11, 0), at_window = cfg_virtio_cap(vm, 5), i;
	u64 base = common;

	guests_over = false;
	for (i = 0; i < 2; i++) {
		io_reader_add(&vm->io[IO_MMIO], &g[i].reader);
		g[i].regs = base;
	}
	for (i = 0; i < 2; i++)
		pthread_create(&g[i].thread, NULL, restless_driver, &g[i]);
	cfg_write(vm, at_window + 8, 4, STATUS);
	cfg_write(vm, at_window + 12, 4, 1);
	for (i = 0; i < 300; i++) {
		cfg_write(vm, 0x10, 4, (u32)base + (i % 3 ? 0 : 0x100000));
		cfg_write(vm, 4, 2, i % 5 ? 6 : 4);
		cfg_write(vm, cap + 2, 2, i % 7 ? 0 : 0x8000);
		if (i % 11 == 0)
			cfg_write(vm, at_window + 16, 1, 0);
		virtio_config_changed(&echo->vdev);
	}
	guests_over = true;
	for (i = 0; i < 2; i++) {
		pthread_join(g[i].thread, NULL);
		io_reader_del(&vm->io[IO_MMIO], &g[i].reader);
	}
	cfg_write(vm, 0x10, 4, (u32)base);
	cfg_write(vm, 4, 2, 6);
	cfg_write(vm, cap + 2, 2, 0);
	bring_up(V1);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK(rig.level);
	CHECK_EQ(rig_ioeventfds(), 2);
	wr(common + STATUS, 1, 0);
	CHECK(!rig.level);
	CHECK_EQ(rig_ioeventfds(), 0);
}

/* --- PCI_CFG [4.1.4.9] --- */

static void window(u32 bar, u32 off, u32 len)
{
	unsigned int at = cfg_virtio_cap(vm, 5);

	cfg_write(vm, at + 4, 1, bar);
	cfg_write(vm, at + 8, 4, off);
	cfg_write(vm, at + 12, 4, len);
}

static u32 window_read(unsigned int size)
{
	return cfg_read(vm, cfg_virtio_cap(vm, 5) + 16, size);
}

static void window_write(unsigned int size, u32 val)
{
	cfg_write(vm, cfg_virtio_cap(vm, 5) + 16, size, val);
}

TEST(window_reaches_the_structures_without_decode)
{
	cfg_write(vm, 4, 2, 0);
	window(0, NUMQ, 2);
	CHECK_EQ(window_read(2), ECHO_QUEUES);
	window(0, STATUS, 1);
	window_write(1, 1);
	CHECK_EQ(window_read(1), 1);
	CHECK_EQ(virtio_get_status(&echo->vdev), 1);
	window(0, 0x2000, 4);
	CHECK_EQ(window_read(4), 0xc3c2c1c0);
	window(0, QDESC + 4, 4);
	window_write(4, 0x1234);
	CHECK_EQ(window_read(4), 0x1234);
}

TEST(window_drives_a_whole_request)
{
	bring_up(V1);
	drv_add(&drv[0], 1, 1);
	window(0, 0x3000, 2);
	window_write(2, 0);
	settle(vm);
	CHECK_EQ(drv_used(&drv[0]), 1);
	window(0, 0x1000, 1);
	CHECK_EQ(window_read(1), 1);
	CHECK(!rig.level);
	window(0, STATUS, 1);
	window_write(1, 0);
	CHECK_EQ(rd(common + STATUS, 1), 0);
}

TEST(window_does_not_reach_the_msix_table)
{
	wr(table, 4, 0x12340000);
	window(0, (u32)(table - common), 4);
	window_write(4, 0);
	CHECK_EQ(window_read(4), 0xffffffff);
	CHECK_EQ(rd(table, 4), 0x12340000);
}

TEST(window_on_anything_else_reads_ones_and_writes_nothing)
{
	static const u32 bad[][3] = {
		{ 1, STATUS, 1 }, { 5, STATUS, 1 }, { 6, STATUS, 1 }, { 0xff, STATUS, 1 },	/* BAR */
		{ 0, STATUS, 0 }, { 0, STATUS, 3 }, { 0, STATUS, 8 }, { 0, STATUS, 0xffffffff },	/* length */
		{ 0, 0x15, 2 }, { 0, 0x16, 4 },						/* alignment */
		{ 0, 0x4000, 4 }, { 0, 0x8000, 4 }, { 0, 0xfffffffc, 4 },			/* beyond */
	};
	unsigned int i;

	wr(common + STATUS, 1, 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		window(bad[i][0], bad[i][1], bad[i][2]);
		window_write(4, 0);
		CHECK_EQ(window_read(4), 0xffffffff);
	}
	CHECK_EQ(rd(common + STATUS, 1), 1);
}

/* --- the VM's side --- */

TEST(vm_reset_returns_everything_to_power_on)
{
	msix_on();
	bring_up(V1);
	devices_stop(vm);
	CHECK_EQ(rig_ioeventfds(), 0);
	devices_reset(vm);
	devices_start(vm);
	CHECK_EQ(rd(common + STATUS, 1), 0xff);	/* COMMAND is off */
	cfg_write(vm, 4, 2, 6);
	find_structures();
	CHECK_EQ(rd(common + STATUS, 1), 0);
	CHECK_EQ(cfg_read(vm, cfg_cap(vm, 0x11, 0) + 2, 2) & 0x8000, 0);
	bring_up(V1);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
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
	vm = rig_pci_vm(VIRTIO_PCI_MODERN, true);
	memcpy(vm->mem.ram[0].hva, ram, RAM_SIZE);
	free(ram);
	for (i = 0; i < ECHO_QUEUES; i++)
		drv[i].vm = vm;
	echo = echo_create(vm);
	if (pci_assign_bars(vm->pci, NULL) < 0)
		abort();
}

static int load(void)
{
	struct state_reader r;

	state_reader_init(&r, saved.buf.s, saved.buf.len);
	return devices_load(vm, &r, NULL);
}

TEST(state_continues_in_another_vm)
{
	int i;

	msix_on();
	bring_up(V1);
	wr(common + CVEC, 2, 0);
	select_queue(0);
	wr(common + QVEC, 2, 1);
	cfg_write(vm, 4, 2, 4);
	cfg_write(vm, 0x10, 4, RIG_MEM32 + 0x200000);
	cfg_write(vm, 4, 2, 6);
	find_structures();
	wr(common + DFSEL, 4, 1);
	for (i = 0; i < 5; i++)
		one_request();
	drv_add(&drv[1], 9, 9);
	kick(1);
	CHECK_EQ(echo->nr_held, 1);
	drv_add(&drv[0], 1, 1);		/* not kicked */
	save();
	CHECK_EQ(drv_used(&drv[1]), 1);	/* stop completed it */
	move();
	CHECK_EQ(load(), 0);
	devices_start(vm);
	settle(vm);
	CHECK_EQ(drv_used(&drv[0]), 6);
	CHECK_EQ(rd(common + DFSEL, 4), 1);
	CHECK_EQ(rd(common + CVEC, 2), 0);
	CHECK_EQ(rd(common + STATUS, 1), ALL_OK);
	CHECK_EQ(rig_ioeventfds(), 2);
	CHECK_EQ(rig.msis, 1);
	CHECK_EQ(rig.last_msi.data, 0x41);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 7);
}

/* The first thing that the guest does in its new place is to switch MSI-X off. */
TEST(external_queues_are_told_of_msix_after_a_move_too)
{
	struct virtio_ops ops = echo_ops;

	ops.queue_irq_changed = note_irq_change;
	msix_on();
	bring_up(V1);
	save();
	move();
	CHECK_EQ(load(), 0);
	devices_start(vm);
	settle(vm);	/* its loop looks at ops while it has a kick */
	echo->vdev.ops = &ops;
	echo->vdev.queue[1].external = true;
	irq_changes = 0;
	cfg_write(vm, cfg_cap(vm, 0x11, 0) + 2, 2, 0);
	CHECK_EQ(irq_changes, 101);
	echo->vdev.queue[1].external = false;
	echo->vdev.ops = &echo_ops;
}

TEST(a_pending_intx_survives_the_move)
{
	bring_up(V1);
	one_request();
	save();
	move();
	CHECK_EQ(load(), 0);
	devices_start(vm);
	CHECK(rig.level);
	CHECK_EQ(rd(isr, 1), 1);
	CHECK(!rig.level);
}

TEST(every_cut_of_a_state_is_refused)
{
	size_t len;

	bring_up(V1);
	save();
	move();
	for (len = 0; len < saved.buf.len; len += 7) {
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
	find_structures();
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 2);
}

TEST(vectors_that_do_not_exist_are_refused_in_a_state)
{
	struct virtio_dev *vdev = &echo->vdev;

	bring_up(V1);
	atomic_store(&vdev->queue[1].vector, 3);
	save();
	CHECK(load() < 0);
	CHECK_EQ(virtio_get_status(vdev), 0);
	bring_up(V1);
	atomic_store(&((struct virtio_pci *)vdev->transport)->config_vector, 3);
	save();
	CHECK(load() < 0);
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_ON(ids_are_those_of_a_modern_device);
	RUN_ON(each_structure_has_a_capability_inside_the_bar);
	RUN_ON(capabilities_are_read_only_but_the_window);
	RUN_ON(a_function_without_free_slot_is_an_error);
	RUN_ON(common_configuration_reads_as_the_document_says);
	RUN_ON(accepted_features_read_back);
	RUN_ON(addresses_are_64_bits_in_halves);
	RUN_ON(fields_take_accesses_of_their_width_only);
	RUN_ON(read_only_fields_stay);
	RUN_ON(absent_queue_reads_as_unavailable);
	RUN_ON(what_is_between_the_structures_reads_ones);
	RUN_ON(device_configuration_takes_any_width);
	RUN_ON(queue_enable_takes_1_only);
	RUN_ON(queue_reset_register_resets_one_queue);
	RUN_ON(intx_is_level_and_reading_isr_lowers_it);
	RUN_ON(intx_disable_masks_the_pin_only);
	RUN_ON(msix_vectors_are_mapped_per_queue);
	RUN_ON(vectors_out_of_range_read_back_NO_VECTOR);
	RUN_ON(masked_vector_is_pending_until_unmasked);
	RUN_ON(msix_switched_on_moves_the_interrupt_off_the_pin);
	RUN_ON(external_queues_are_told_when_their_interrupt_moves);
	RUN_ON(reset_clears_interrupts_and_vectors);
	RUN_ON(needs_reset_is_a_configuration_interrupt);
	RUN_ON(irqfd_only_for_a_mapped_vector);
	RUN_ON(kicks_of_running_queues_are_ioeventfds);
	RUN_ON(kicks_have_a_length_where_KVM_wants_one);
	RUN_ON(kicks_come_as_exits_when_KVM_refuses);
	RUN_ON(kicks_of_absent_queues_or_odd_addresses_do_nothing);
	RUN_ON(ioeventfds_follow_the_bar);
	RUN_ON(a_bar_that_comes_before_the_driver_is_enough_too);
	RUN_ON(bar_moves_resets_and_interrupts_may_cross);
	RUN_ON(window_reaches_the_structures_without_decode);
	RUN_ON(window_drives_a_whole_request);
	RUN_ON(window_does_not_reach_the_msix_table);
	RUN_ON(window_on_anything_else_reads_ones_and_writes_nothing);
	RUN_ON(vm_reset_returns_everything_to_power_on);
	RUN_ON(state_continues_in_another_vm);
	RUN_ON(external_queues_are_told_of_msix_after_a_move_too);
	RUN_ON(a_pending_intx_survives_the_move);
	RUN_ON(every_cut_of_a_state_is_refused);
	RUN_ON(no_flipped_byte_of_a_state_does_harm);
	RUN_ON(vectors_that_do_not_exist_are_refused_in_a_state);
	state_writer_free(&saved);
	return tap_done();
}
