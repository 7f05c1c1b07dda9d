/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The MMIO transport of version 1, as a driver from before virtio 1.0 uses it. [virtio-1.2 4.2.4]
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
	MAGIC = 0, VERSION = 4, DEVICE = 8, VENDOR = 0xc, HF = 0x10, HFSEL = 0x14, GF = 0x20, GFSEL = 0x24, PAGE_SIZE = 0x28, QSEL = 0x30,
	QMAX = 0x34, QNUM = 0x38, QALIGN = 0x3c, PFN = 0x40, NOTIFY = 0x50, ISR = 0x60, ACK = 0x64, STATUS = 0x70, CONFIG = 0x100,
	/* version 2's */
	QREADY = 0x44, QDESC = 0x80, QRESET = 0xc0, GEN = 0xfc,
};

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
	vm = rig_pci_vm(VIRTIO_MMIO_LEGACY, true);
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

static void set_queue(unsigned int q)
{
	drv_init(&drv[q], vm, q, ECHO_SIZE);
	wr(QSEL, q);
	wr(QNUM, ECHO_SIZE);
	wr(QALIGN, 4096);
	wr(PFN, (u32)(drv[q].desc / 4096));
}

/* As Linux does: the page size first, and then a reset. */
static void bring_up(void)
{
	wr(PAGE_SIZE, 4096);
	wr(STATUS, 0);
	wr(STATUS, 1);
	wr(STATUS, 3);
	wr(GFSEL, 1);
	wr(GF, 0);
	wr(GFSEL, 0);
	wr(GF, BIT(ECHO_F_BASE));
	set_queue(0);
	set_queue(1);
	wr(STATUS, 7);
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

TEST(ids_are_those_of_a_version_1_device)
{
	CHECK_EQ(rd(MAGIC), 0x74726976);
	CHECK_EQ(rd(VERSION), 1);
	CHECK_EQ(rd(DEVICE), 42);
	CHECK_EQ(rd(VENDOR), 0x4d564b4c);
	CHECK_EQ(rd(QMAX), ECHO_SIZE);
	CHECK_EQ(rd(PFN), 0);
	CHECK_EQ(rd(STATUS), 0);
}

TEST(a_device_without_legacy_interface_is_refused)
{
	static const struct virtio_ops modern_only = { .id = 42, .free = echo_free };
	static const u16 size = 4;
	struct virtio_init init = { .ops = &modern_only, .nr_queues = 1, .queue_sizes = &size, .kind = "new" };
	struct virtio_dev vdev;
	struct error err;

	CHECK_EQ(virtio_dev_create(vm, &vdev, &init, &err), -ENOTSUP);
	CHECK_STR(err.msg, "virtio-new0: this device has no legacy interface (--virtio-transport mmio)");
	CHECK_EQ(vm->virtio_mmio.used, 1);
}

/* Every word of the page: what cannot be read is ones. */
TEST(each_register_may_do_what_the_table_says)
{
	static const u8 readable[] = { MAGIC, VERSION, DEVICE, VENDOR, HF, QMAX, PFN, ISR, STATUS };
	unsigned int off, i, size;
	bool can;

	for (off = 0; off < CONFIG; off += 4) {
		for (i = 0, can = false; i < sizeof(readable); i++)
			can |= off == readable[i];
		if (can != (rd(off) != ~0U))
			CHECK_EQ(off, ~0U);
	}
	for (size = 1; size <= 8; size *= 2) {
		wr_n(STATUS, size, size == 4 ? 0 : 3);
		CHECK_EQ(rd_n(STATUS, size), size == 4 ? 0 : ones(size));
	}
}

TEST(version_2_registers_are_not_there)
{
	bring_up();
	wr(QSEL, 0);
	wr(QREADY, 0);
	wr(QRESET, 1);
	wr(QDESC, 0);
	CHECK_EQ(rd(QREADY), ~0U);
	CHECK_EQ(rd(QRESET), ~0U);
	CHECK_EQ(rd(GEN), ~0U);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(features_are_32_bits_and_cut_to_the_offer)
{
	CHECK_EQ(rd(HF), echo->vdev.offered);
	wr(HFSEL, 1);
	CHECK_EQ(rd(HF), 0);
	wr(STATUS, 3);
	wr(GF, ~0U);
	CHECK_EQ(echo->vdev.accepted, echo->vdev.offered);
	wr(GFSEL, 1);			/* none of those; the others stay */
	wr(GF, ~0U);
	CHECK_EQ(echo->vdev.accepted, echo->vdev.offered);
	wr(GF, 0);
	CHECK_EQ(echo->vdev.accepted, echo->vdev.offered);
	wr(GFSEL, 0);
	wr(GF, 1);
	CHECK_EQ(echo->vdev.accepted, 1);
}

TEST(requests_are_served_and_the_line_rises)
{
	gpa_t in;

	bring_up();
	CHECK_EQ(rd(STATUS), 7);
	in = drv_add(&drv[0], 0x5a, 10);
	kick(0);
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(*(u8 *)at(vm, in + 9), 0x5a);
	CHECK(rig.level);
	CHECK_EQ(rd(ISR), 1);
	wr(ACK, 1);
	CHECK_EQ(rd(ISR), 0);
	CHECK(!rig.level);
	virtio_config_changed(&echo->vdev);
	CHECK_EQ(rd(ISR), 2);
	CHECK(rig.level);
}

TEST(page_size_scales_the_frame_number_and_stays_over_a_reset)
{
	wr(PAGE_SIZE, 8192);
	wr(STATUS, 0);
	wr(STATUS, 3);
	drv_init(&drv[0], vm, 0, ECHO_SIZE);
	wr(PFN, (u32)(drv[0].desc / 8192));
	CHECK_EQ(rd(PFN), drv[0].desc / 8192);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DESC), drv[0].desc);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_ENABLE), 1);
	/* the VM's reset is another thing */
	devices_stop(vm);
	devices_reset(vm);
	devices_start(vm);
	wr(STATUS, 3);
	wr(PFN, (u32)(drv[0].desc / 8192));
	CHECK_EQ(rd(PFN), 0);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_ENABLE), 0);
}

TEST(without_a_page_size_there_is_no_queue)
{
	wr(STATUS, 3);
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(rd(PFN), 0);
	wr(PFN, 0);			/* frees what is not there */
	CHECK_EQ(rd(STATUS), 3);
	wr(PAGE_SIZE, 0);
	wr(PAGE_SIZE, 4095);
	wr(PAGE_SIZE, ~0U);
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(rd(PFN), 0);
	wr(PAGE_SIZE, 4096);
	wr(PAGE_SIZE, 3);		/* the last good one stays */
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(rd(PFN), RAM_BASE / 4096);
}

TEST(alignment_places_the_used_ring)
{
	u64 avail_end = RAM_BASE + 16 * ECHO_SIZE + 2 * (3 + ECHO_SIZE);

	wr(PAGE_SIZE, 4096);
	wr(STATUS, 3);
	wr(QSEL, 1);
	wr(QALIGN, 64);
	wr(QSEL, 0);			/* it was for the other */
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DEVICE), RAM_BASE + 4096);
	wr(PFN, 0);
	wr(QALIGN, 64);
	wr(QALIGN, 0);
	wr(QALIGN, 96);			/* no powers of two */
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DEVICE), align_up(avail_end, 64));
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_ENABLE), 1);
	wr(STATUS, 0);			/* forgets it */
	wr(STATUS, 3);
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_DEVICE), RAM_BASE + 4096);
}

TEST(an_alignment_no_ring_can_have_needs_a_reset)
{
	wr(PAGE_SIZE, 4096);
	wr(STATUS, 3);
	wr(QALIGN, 2);			/* the used ring is one of dwords */
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_ENABLE), 0);
	CHECK_EQ(rd(STATUS), 3 | VIRTIO_S_NEEDS_RESET);
}

TEST(addresses_beyond_ram_need_a_reset)
{
	static const u32 page[] = { 1, 4096, 0x80000000 }, align[] = { 4, 0x80000000 };
	unsigned int p, a;

	for (p = 0; p < ARRAY_SIZE(page); p++) {
		for (a = 0; a < ARRAY_SIZE(align); a++) {
			wr(PAGE_SIZE, page[p]);
			wr(STATUS, 0);
			wr(STATUS, 3);
			wr(QALIGN, align[a]);
			wr(PFN, ~0U);
			wr(STATUS, 7);
			CHECK_EQ(rd(STATUS), 7 | VIRTIO_S_NEEDS_RESET);
			CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_ENABLE), 0);
		}
	}
	bring_up();
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(queue_address_reads_back_and_0_frees_it)
{
	bring_up();
	wr(QSEL, 0);
	CHECK_EQ(rd(PFN), drv[0].desc / 4096);
	wr(PFN, 0x555);
	CHECK_EQ(rd(PFN), drv[0].desc / 4096);
	CHECK_EQ(rig_ioeventfds(), 2);
	wr(PFN, 0);
	CHECK_EQ(rd(PFN), 0);
	CHECK_EQ(rig_ioeventfds(), 1);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 0);
}

TEST(absent_queues_read_as_size_0)
{
	bring_up();
	wr(QSEL, ECHO_QUEUES);
	CHECK_EQ(rd(QMAX), 0);
	CHECK_EQ(rd(PFN), 0);
	wr(QALIGN, 4096);
	wr(PFN, RAM_BASE / 4096);
	wr(PFN, 0);
	CHECK_EQ(rd(PFN), 0);
	wr(QSEL, ~0U);
	wr(QALIGN, 4096);
	wr(PFN, RAM_BASE / 4096);
	CHECK_EQ(rd(QMAX), 0);
	CHECK_EQ(rd(STATUS), 7);
}

TEST(device_configuration_is_little_endian_of_any_width)
{
	CHECK_EQ(rd(CONFIG), 0xc3c2c1c0);
	CHECK_EQ(rd_n(CONFIG + 2, 2), 0xc3c2);
	wr_n(CONFIG, 1, 0x77);
	CHECK_EQ(rd_n(CONFIG, 1), 0x77);
	CHECK_EQ(rd_n(CONFIG + ECHO_CONFIG, 2), 0xffff);
}

TEST(device_is_served_before_DRIVER_OK)
{
	wr(PAGE_SIZE, 4096);
	wr(STATUS, 3);
	set_queue(0);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	wr(STATUS, 7);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 2);
	CHECK_EQ(echo->starts, 1);
}

TEST(status_0_resets)
{
	bring_up();
	one_request();
	wr(STATUS, 0);
	CHECK_EQ(rd(STATUS), 0);
	CHECK(!rig.level);
	CHECK_EQ(rd(PFN), 0);
	CHECK_EQ(rig_ioeventfds(), 0);
	bring_up();
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(state_continues_in_another_vm)
{
	struct state_writer w = { 0 };
	struct state_reader r;
	u8 *ram = malloc(RAM_SIZE);
	int ret;

	bring_up();
	wr(QSEL, 1);
	wr(QALIGN, 128);
	one_request();
	drv_add(&drv[0], 1, 1);
	devices_stop(vm);
	ret = devices_save(vm, &w, NULL);
	memcpy(ram, vm->mem.ram[0].hva, RAM_SIZE);
	rig_pci_vm_free(vm);
	create();
	memcpy(vm->mem.ram[0].hva, ram, RAM_SIZE);
	free(ram);
	drv[0].vm = drv[1].vm = vm;
	state_reader_init(&r, w.buf.s, w.buf.len);
	if (!ret)
		ret = devices_load(vm, &r, NULL);
	state_writer_free(&w);
	CHECK_EQ(ret, 0);
	devices_start(vm);
	settle(vm);
	CHECK(rig.level);
	CHECK_EQ(rd(STATUS), 7);
	CHECK_EQ(drv_used(&drv[0]), 2);
	CHECK_EQ(rd(PFN), drv[1].desc / 4096);	/* in its pages still */
	wr(PFN, 0);
	wr(PFN, (u32)(drv[1].desc / 4096));	/* with its alignment still */
	CHECK_EQ(virtio_queue_read(&echo->vdev, 1, VIRTIO_Q_DEVICE), align_up(drv[1].desc + 16 * ECHO_SIZE + 2 * (3 + ECHO_SIZE), 128));
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_ON(ids_are_those_of_a_version_1_device);
	RUN_ON(a_device_without_legacy_interface_is_refused);
	RUN_ON(each_register_may_do_what_the_table_says);
	RUN_ON(version_2_registers_are_not_there);
	RUN_ON(features_are_32_bits_and_cut_to_the_offer);
	RUN_ON(requests_are_served_and_the_line_rises);
	RUN_ON(page_size_scales_the_frame_number_and_stays_over_a_reset);
	RUN_ON(without_a_page_size_there_is_no_queue);
	RUN_ON(alignment_places_the_used_ring);
	RUN_ON(an_alignment_no_ring_can_have_needs_a_reset);
	RUN_ON(addresses_beyond_ram_need_a_reset);
	RUN_ON(queue_address_reads_back_and_0_frees_it);
	RUN_ON(absent_queues_read_as_size_0);
	RUN_ON(device_configuration_is_little_endian_of_any_width);
	RUN_ON(device_is_served_before_DRIVER_OK);
	RUN_ON(status_0_resets);
	RUN_ON(state_continues_in_another_vm);
	return tap_done();
}
