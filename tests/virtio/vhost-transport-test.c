/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts of queues that the host's kernel serves (played: vhost-kernel.h), over real transports: where KVM cannot take them by an irqfd,
 * they come by the loop and look to the driver like any other.
 *
 * links: virtio/net.c virtio/net-features.c virtio/net-rx.c virtio/net-tx.c virtio/net-ctrl.c virtio/net-filter.c
 * links: virtio/net-vhost.c virtio/vhost.c
 * links: util/iov.c util/json.c virtio/mmio.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/core.c virtio/ring.c
 * links: virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/mmio-rig.h"
#include "tests/virtio/vhost-kernel.h"
#include "virtio/pci.h"

static struct vm *vm;
static struct virtio_dev *vdev;
static struct drv drv[2];

enum { RX, TX };
enum { PCI_ISR = RIG_MEM32 + 0x1000, PCI_TABLE = RIG_MEM32 + 0x4000 };

static void setup(enum virtio_transport_kind kind)
{
	struct net_config cfg = nic_config();
	struct device *dev;

	vm = rig_pci_vm(kind, false);
	fake_init(0, 1);
	kernel_up();
	if (virtio_net_create(vm, &fake, &cfg, 0, NULL) < 0 || pci_assign_bars(vm->pci, NULL) < 0 || devices_prepare(vm, NULL) < 0)
		abort();
	dev = list_entry(vm->devices.prev, struct device, node);
	if (kind == VIRTIO_MMIO_MODERN || kind == VIRTIO_MMIO_LEGACY)
		vdev = container_of(dev, struct virtio_mmio, dev)->vdev;
	else
		vdev = container_of(dev, struct virtio_pci, pdev.dev)->vdev;
	devices_start(vm);
	cfg_write(vm, 4, 2, 7);
}

static void run_on(const char *name, void (*fn)(void), enum virtio_transport_kind kind)
{
	setup(kind);
	tap_run(name, fn);
	rig_pci_vm_free(vm);
	kernel_down();
}
#define RUN_ON(kind, name) run_on(#name, name, kind)

/* The driver; how it writes registers is other tests' business. */
static void bring_up(void)
{
	unsigned int i;

	virtio_set_status(vdev, 3);
	virtio_set_accepted(vdev, 1, 1);
	virtio_set_status(vdev, 11);
	for (i = 0; i < 2; i++) {
		drv_init(&drv[i], vm, i, 16);
		virtio_queue_set_size(vdev, i, 16);
		virtio_queue_set_addr(vdev, i, VIRTIO_AREA_DESC, false, (u32)drv[i].desc);
		virtio_queue_set_addr(vdev, i, VIRTIO_AREA_DRIVER, false, (u32)drv[i].avail);
		virtio_queue_set_addr(vdev, i, VIRTIO_AREA_DEVICE, false, (u32)drv[i].used);
		virtio_queue_set_enable(vdev, i);
	}
	virtio_set_status(vdev, 15);
	m_turns(vm);
}

/* A frame goes out, and the kernel says so. */
static bool frame(void)
{
	drv_add(&drv[TX], 0, 60);
	if (serve(0, TX, 0) != 1)
		return false;
	m_turns(vm);
	return true;
}

static u32 mmio_isr(void)
{
	return (u32)rig_read(vm, IO_MMIO, RIG_SLOTS + M_ISR, 4);
}

TEST(over_mmio_calls_set_InterruptStatus_and_the_line)
{
	bring_up();
	CHECK(kernel[0].ring[TX].tap >= 0);
	CHECK_EQ(mmio_isr(), 0);
	CHECK(frame());
	CHECK_EQ(mmio_isr(), 1);
	CHECK(rig.level);
	rig_write(vm, IO_MMIO, RIG_SLOTS + M_ACK, 4, 1);
	CHECK(!rig.level);
	CHECK(frame());
	CHECK(rig.level);
	virtio_set_status(vdev, 0);
	CHECK(!rig.level);
	CHECK_EQ(mmio_isr(), 0);
	CHECK_EQ(wrong, 0);
}

TEST(over_mmio_kicks_go_past_us)
{
	bring_up();
	CHECK_EQ(rig_ioeventfds(), 2);
	eventfd_drain(kernel[0].ring[TX].kick);
	rig.exits = 0;
	rig_write(vm, IO_MMIO, RIG_SLOTS + M_NOTIFY, 4, TX);
	CHECK(eventfd_drain(kernel[0].ring[TX].kick));
	CHECK_EQ(rig.exits, 0);
}

/* A call that came while nobody looked is not lost: the driver sees it after the stop, at the latest. */
TEST(over_mmio_a_stop_loses_no_call)
{
	bring_up();
	drv_add(&drv[TX], 0, 60);
	CHECK_EQ(serve(0, TX, 0), 1);
	devices_stop(vm);
	CHECK_EQ(mmio_isr(), 1);
	CHECK(rig.level);
	devices_start(vm);
	rig_write(vm, IO_MMIO, RIG_SLOTS + M_ACK, 4, 1);
	CHECK(frame());
	CHECK(rig.level);
}

TEST(over_intx_calls_set_isr_and_the_pin)
{
	bring_up();
	CHECK(frame());
	CHECK(rig.level);
	CHECK_EQ(rig_read(vm, IO_MMIO, PCI_ISR, 1), 1);
	CHECK(!rig.level);
	CHECK_EQ(rig.msis, 0);
}

static void msix_on(void)
{
	unsigned int v;

	for (v = 0; v < 3; v++) {
		rig_write(vm, IO_MMIO, PCI_TABLE + 16 * v, 4, 0xfee00000);
		rig_write(vm, IO_MMIO, PCI_TABLE + 16 * v + 8, 4, 0x40 + v);
		rig_write(vm, IO_MMIO, PCI_TABLE + 16 * v + 12, 4, 0);
	}
	cfg_write(vm, cfg_cap(vm, 0x11, 0) + 2, 2, 0x8000);
}

TEST(over_msix_calls_go_past_us)
{
	msix_on();
	bring_up();
	virtio_queue_set_vector(vdev, TX, 2);
	CHECK(frame());
	CHECK_EQ(rig.msis, 0);
	CHECK(eventfd_drain(kernel[0].ring[TX].call));	/* KVM has it */
}

TEST(over_msix_without_irqfds_calls_are_messages_of_ours)
{
	rig.irqfd_error = -EINVAL;
	msix_on();
	bring_up();
	virtio_queue_set_vector(vdev, TX, 2);
	m_turns(vm);
	rig.msis = 0;
	CHECK(frame());
	CHECK_EQ(rig.msis, 1);
	CHECK_EQ(rig.last_msi.data, 0x42);
	CHECK(!rig.level);
	virtio_queue_set_vector(vdev, TX, VIRTIO_NO_VECTOR);
	m_turns(vm);
	rig.msis = 0;
	CHECK(frame());
	CHECK_EQ(rig.msis, 0);
	CHECK(!rig.level);
}

TEST(msix_going_on_and_off_moves_the_calls)
{
	bring_up();
	msix_on();
	virtio_queue_set_vector(vdev, TX, 1);
	m_turns(vm);
	CHECK(frame());
	CHECK(!rig.level);
	cfg_write(vm, cfg_cap(vm, 0x11, 0) + 2, 2, 0);
	m_turns(vm);
	rig_read(vm, IO_MMIO, PCI_ISR, 1);
	CHECK(frame());
	CHECK(rig.level);
	CHECK_EQ(wrong, 0);
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_ON(VIRTIO_MMIO_MODERN, over_mmio_calls_set_InterruptStatus_and_the_line);
	RUN_ON(VIRTIO_MMIO_MODERN, over_mmio_kicks_go_past_us);
	RUN_ON(VIRTIO_MMIO_MODERN, over_mmio_a_stop_loses_no_call);
	RUN_ON(VIRTIO_PCI_MODERN, over_intx_calls_set_isr_and_the_pin);
	RUN_ON(VIRTIO_PCI_MODERN, over_msix_calls_go_past_us);
	RUN_ON(VIRTIO_PCI_MODERN, over_msix_without_irqfds_calls_are_messages_of_ours);
	RUN_ON(VIRTIO_PCI_MODERN, msix_going_on_and_off_moves_the_calls);
	return tap_done();
}
