/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The legacy PCI interface, as a driver from before virtio 1.0 uses it.
 *
 * links: util/iov.c util/json.c virtio/pci-legacy.c virtio/pci-modern.c virtio/pci.c virtio/mmio.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/pci-rig.h"

static struct vm *vm;
static struct echo *echo;
static struct drv drv[ECHO_QUEUES];
static u16 io;
static u64 table;

enum { HF = 0, GF = 4, PFN = 8, QSIZE = 12, QSEL = 14, NOTIFY = 16, STATUS = 18, ISR = 19, CVEC = 20, QVEC = 22 };
enum { NO_VECTOR = 0xffff };

static u64 rd(unsigned int off, unsigned int size)
{
	return rig_read(vm, IO_PORT, io + off, size);
}

static void wr(unsigned int off, unsigned int size, u64 val)
{
	rig_write(vm, IO_PORT, io + off, size, val);
}

static void find_bars(void)
{
	io = (u16)(cfg_read(vm, 0x10, 4) & ~3U);
	table = cfg_read(vm, 0x14, 4) & ~0xfU;
}

static void create(void)
{
	vm = rig_pci_vm(VIRTIO_PCI_LEGACY, true);
	echo = echo_create(vm);
	if (pci_assign_bars(vm->pci, NULL) < 0)
		abort();
}

static void run_on(const char *name, void (*fn)(void))
{
	create();
	devices_start(vm);
	cfg_write(vm, 4, 2, 7);
	find_bars();
	tap_run(name, fn);
	rig_pci_vm_free(vm);
}
#define RUN_ON(name) run_on(#name, name)

static void set_queue(unsigned int q)
{
	drv_init(&drv[q], vm, q, ECHO_SIZE);
	wr(QSEL, 2, q);
	wr(PFN, 4, drv[q].desc / 4096);
}

static void bring_up(void)
{
	wr(STATUS, 1, 0);
	wr(STATUS, 1, 1);
	wr(STATUS, 1, 3);
	wr(GF, 4, BIT(ECHO_F_BASE));
	set_queue(0);
	set_queue(1);
	wr(STATUS, 1, 7);
	settle(vm);
}

static void one_request(void)
{
	drv_add(&drv[0], 1, 1);
	wr(NOTIFY, 2, 0);
	settle(vm);
}

static void msix(bool on)
{
	unsigned int v;

	for (v = 0; v < 3; v++) {
		rig_write(vm, IO_MMIO, table + 16 * v, 4, 0xfee00000);
		rig_write(vm, IO_MMIO, table + 16 * v + 8, 4, 0x40 + v);
		rig_write(vm, IO_MMIO, table + 16 * v + 12, 4, 0);
	}
	cfg_write(vm, cfg_cap(vm, 0x11, 0) + 2, 2, on ? 0x8000 : 0);
}

TEST(ids_are_those_of_a_legacy_device)
{
	CHECK_EQ(cfg_read(vm, 0, 4), 0x103f1af4);
	CHECK_EQ(cfg_read(vm, 8, 4), 0xff000000);	/* revision 0 */
	CHECK_EQ(cfg_read(vm, 0x2c, 4), 0x002a1af4);	/* subsystem: virtio device 42 */
	CHECK_EQ(cfg_read(vm, 0x10, 1) & 3, 1);		/* BAR 0 is I/O */
	CHECK_EQ(cfg_virtio_cap(vm, 1), 0);
}

TEST(a_device_without_legacy_id_is_refused)
{
	static const struct virtio_ops modern_only = { .id = 42, .free = echo_free };
	static const u16 size = 4;
	struct virtio_init init = { .ops = &modern_only, .nr_queues = 1, .queue_sizes = &size, .kind = "new" };
	struct virtio_dev vdev;
	struct error err;

	CHECK_EQ(virtio_dev_create(vm, &vdev, &init, &err), -ENOTSUP);
	CHECK_STR(err.msg, "virtio-new0: this device has no legacy interface (--virtio-transport pci)");
}

TEST(header_reads_as_the_document_says)
{
	CHECK_EQ(rd(HF, 4), echo->vdev.offered);
	CHECK_EQ(rd(GF, 4), 0);
	CHECK_EQ(rd(PFN, 4), 0);
	CHECK_EQ(rd(QSIZE, 2), ECHO_SIZE);
	CHECK_EQ(rd(QSEL, 2), 0);
	CHECK_EQ(rd(STATUS, 1), 0);
	CHECK_EQ(rd(ISR, 1), 0);
	wr(GF, 4, 0xffffffff);
	CHECK_EQ(rd(GF, 4), echo->vdev.offered);
}

TEST(header_fields_take_their_own_width_only)
{
	wr(GF, 2, 1);
	wr(STATUS, 2, 1);
	wr(QSEL, 1, 1);
	wr(PFN, 2, 1);
	CHECK_EQ(rd(GF, 4), 0);
	CHECK_EQ(rd(STATUS, 1), 0);
	CHECK_EQ(rd(QSEL, 2), 0);
	CHECK_EQ(rd(PFN, 4), 0);
	CHECK_EQ(rd(PFN, 2), 0xffff);
	CHECK_EQ(rd(STATUS, 2), 0xffff);
	CHECK_EQ(rd(HF + 1, 1), 0xff);
}

TEST(read_only_fields_stay)
{
	wr(HF, 4, 0);
	wr(QSIZE, 2, 4);
	wr(ISR, 1, 3);
	CHECK_EQ(rd(HF, 4), echo->vdev.offered);
	CHECK_EQ(rd(QSIZE, 2), ECHO_SIZE);
	CHECK_EQ(rd(ISR, 1), 0);
}

TEST(requests_are_served_and_intx_rises)
{
	gpa_t in;

	bring_up();
	CHECK_EQ(rd(STATUS, 1), 7);
	in = drv_add(&drv[0], 0x5a, 10);
	wr(NOTIFY, 2, 0);
	settle(vm);
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(*(u8 *)at(vm, in + 9), 0x5a);
	CHECK(rig.level);
	CHECK_EQ(rd(ISR, 1), 1);
	CHECK(!rig.level);
	CHECK_EQ(rd(ISR, 1), 0);
}

TEST(queue_address_reads_back_and_0_frees_it)
{
	bring_up();
	wr(QSEL, 2, 0);
	CHECK_EQ(rd(PFN, 4), drv[0].desc / 4096);
	wr(PFN, 4, 0x555);
	CHECK_EQ(rd(PFN, 4), drv[0].desc / 4096);
	wr(PFN, 4, 0);
	CHECK_EQ(rd(PFN, 4), 0);
	CHECK_EQ(rig_ioeventfds(), 1);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 0);
}

TEST(queue_outside_ram_is_not_there)
{
	wr(STATUS, 1, 3);
	wr(PFN, 4, 0xffffffff);
	wr(STATUS, 1, 7);
	CHECK_EQ(rd(STATUS, 1), 7 | VIRTIO_S_NEEDS_RESET);
	CHECK_EQ(virtio_queue_read(&echo->vdev, 0, VIRTIO_Q_ENABLE), 0);
	wr(NOTIFY, 2, 0);
	settle(vm);
	CHECK_EQ(echo->notified[0], 0);
}

TEST(absent_queues_read_as_size_0)
{
	bring_up();
	wr(QSEL, 2, ECHO_QUEUES);
	CHECK_EQ(rd(QSIZE, 2), 0);
	CHECK_EQ(rd(PFN, 4), 0);
	wr(PFN, 4, drv[0].desc / 4096);
	CHECK_EQ(rd(PFN, 4), 0);
	echo->notified[0] = echo->notified[1] = 0;
	wr(NOTIFY, 2, ECHO_QUEUES);
	wr(NOTIFY, 2, 0xffff);
	settle(vm);
	CHECK_EQ(echo->notified[0] + echo->notified[1], 0);
	CHECK_EQ(rd(STATUS, 1), 7);
}

TEST(device_configuration_moves_while_msix_is_enabled)
{
	CHECK_EQ(rd(20, 4), 0xc3c2c1c0);
	msix(true);
	CHECK_EQ(rd(CVEC, 2), NO_VECTOR);
	CHECK_EQ(rd(QVEC, 2), NO_VECTOR);
	CHECK_EQ(rd(24, 4), 0xc3c2c1c0);
	CHECK_EQ(rd(24 + 1, 1), 0xc1);
	wr(24, 1, 0x77);
	CHECK_EQ(rd(24, 1), 0x77);
	msix(false);
	CHECK_EQ(rd(20, 1), 0x77);
	CHECK_EQ(rd(20 + ECHO_CONFIG, 2), 0xffff);
	wr(20 + ECHO_CONFIG, 2, 0);
	CHECK_EQ(rd(20 + ECHO_CONFIG - 1, 1), 0xcb);
}

TEST(msix_vectors_are_mapped_and_checked)
{
	msix(true);
	bring_up();
	wr(CVEC, 2, 0);
	wr(QSEL, 2, 0);
	wr(QVEC, 2, 3);
	CHECK_EQ(rd(QVEC, 2), NO_VECTOR);
	one_request();
	CHECK_EQ(rig.msis, 0);
	wr(QVEC, 2, 2);
	CHECK_EQ(rd(QVEC, 2), 2);
	one_request();
	CHECK_EQ(rig.msis, 1);
	CHECK_EQ(rig.last_msi.data, 0x42);
	virtio_config_changed(&echo->vdev);
	CHECK_EQ(rig.last_msi.data, 0x40);
	CHECK(!rig.level);
	wr(CVEC, 2, 0x100);
	CHECK_EQ(rd(CVEC, 2), NO_VECTOR);
	wr(QSEL, 2, ECHO_QUEUES);
	wr(QVEC, 2, 1);
	CHECK_EQ(rd(QVEC, 2), NO_VECTOR);
}

TEST(device_is_served_before_DRIVER_OK)
{
	wr(STATUS, 1, 3);
	set_queue(0);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
	CHECK_EQ(rig_ioeventfds(), 1);
	wr(STATUS, 1, 7);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 2);
	CHECK_EQ(echo->starts, 1);
}

TEST(kicks_are_ioeventfds_told_apart_by_value)
{
	bring_up();
	CHECK_EQ(rig_ioeventfds(), 2);
	CHECK_EQ(rig.io[0].space, IO_PORT);
	CHECK_EQ(rig.io[0].addr, io + NOTIFY);
	CHECK_EQ(rig.io[0].len, 2);
	CHECK(rig.io[0].match && rig.io[1].match);
	CHECK_EQ(rig.io[1].data, 1);
	rig.exits = 0;
	drv_add(&drv[1], 1, 1);
	wr(NOTIFY, 2, 1);
	settle(vm);
	CHECK_EQ(echo->nr_held, 1);
	CHECK_EQ(rig.exits, 0);
	cfg_write(vm, 4, 2, 0);
	CHECK_EQ(rig_ioeventfds(), 0);
	cfg_write(vm, 0x10, 4, 0x2001);
	cfg_write(vm, 4, 2, 7);
	find_bars();
	CHECK_EQ(io, 0x2000);
	CHECK_EQ(rig.io[0].addr, 0x2000 + NOTIFY);
	one_request();
	CHECK_EQ(drv_used(&drv[0]), 1);
}

TEST(status_0_resets)
{
	bring_up();
	one_request();
	wr(STATUS, 1, 0);
	CHECK_EQ(rd(STATUS, 1), 0);
	CHECK(!rig.level);
	CHECK_EQ(rd(PFN, 4), 0);
	CHECK_EQ(rd(GF, 4), 0);
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
	CHECK_EQ(rd(STATUS, 1), 7);
	CHECK_EQ(drv_used(&drv[0]), 2);
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_ON(ids_are_those_of_a_legacy_device);
	RUN_ON(a_device_without_legacy_id_is_refused);
	RUN_ON(header_reads_as_the_document_says);
	RUN_ON(header_fields_take_their_own_width_only);
	RUN_ON(read_only_fields_stay);
	RUN_ON(requests_are_served_and_intx_rises);
	RUN_ON(queue_address_reads_back_and_0_frees_it);
	RUN_ON(queue_outside_ram_is_not_there);
	RUN_ON(absent_queues_read_as_size_0);
	RUN_ON(device_configuration_moves_while_msix_is_enabled);
	RUN_ON(msix_vectors_are_mapped_and_checked);
	RUN_ON(device_is_served_before_DRIVER_OK);
	RUN_ON(kicks_are_ioeventfds_told_apart_by_value);
	RUN_ON(status_0_resets);
	RUN_ON(state_continues_in_another_vm);
	return tap_done();
}
