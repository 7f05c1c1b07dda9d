// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev with irq=0, a device without interrupts: whatever would send one, none is raised, and state that says so is not taken.
 * usage: vdev-no-irq lkvm_vdev.N lkvm_vdev.M MIG. A TAP producer; tests/lab/kernel-migration.t runs it.
 *
 * links: vdev-user.c vdev-state.c
 */
#include "vdev-state.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

TEST(there_are_none)
{
	with(&source);
	for (unsigned int index = VFIO_PCI_INTX_IRQ_INDEX; index <= VFIO_PCI_MSIX_IRQ_INDEX; index++) {
		struct vfio_irq_info info = { .argsz = sizeof(info), .index = index, .count = 1 };
		int event = new_event();

		if (!ioctl(dev.fd, VFIO_DEVICE_GET_IRQ_INFO, &info))
			CHECK_EQ(info.count, 0);
		CHECK(set_irqs(index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &event, NULL) < 0);
		close(event);
	}
	CHECK_EQ(config_read(PCI_INTERRUPT_PIN, 1), 0);
	CHECK(!find_cap(PCI_CAP_ID_MSI) && !find_cap(PCI_CAP_ID_MSIX));
}

static bool quiet(void)
{
	return !reg_read(LKVM_VDEV_IRQ_STATUS) && !reg_read(LKVM_VDEV_IRQ_SENT) && !(config_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
}

TEST(none_is_raised)
{
	with(&source);
	device_reset();
	enable(PCI_COMMAND_MEMORY);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK(quiet());
	reg_write(LKVM_VDEV_IRQ_TRAIN, 5 << 8);
	CHECK(quiet());
	CHECK_EQ(reg_read(LKVM_VDEV_IRQ_ACK), 4);	/* the first one was to come now */
}

TEST(state_with_a_level_is_refused)
{
	with(&source);
	plain_scramble(5);
	CHECK(quiet());
	stream_save(ROOM);
	with(&target);
	device_reset();
	CHECK_EQ(stream_load(), 0);
	CHECK(quiet());
	set_field(frame_part(0) + 4, 1);	/* the level, first of the interrupts' part */
	sign();
	CHECK_EQ(device_reset(), 0);
	CHECK_EQ(stream_load(), -EINVAL);
	CHECK_EQ(device_reset(), 0);
	CHECK(quiet());
}

int main(int argc, char **argv)
{
	pair_start(argc, argv);
	RUN(there_are_none);
	RUN(none_is_raised);
	RUN(state_with_a_level_is_refused);
	return tap_done();
}
