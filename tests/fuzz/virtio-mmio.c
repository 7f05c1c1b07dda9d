/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hostile driver on a virtio device in an MMIO slot: libFuzzer drives registers, guest memory and the VM's own operations of a small
 * device over the real transport, core and rings, modern or legacy. No thread: the loop is turned between steps, so an input always does
 * the same.
 *
 * The line is high exactly while InterruptStatus is not 0, all the time. After each input the device must still come back by a reset and
 * serve one request, and hold no ioeventfd when gone.
 *
 * links: util/iov.c util/json.c virtio/mmio.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/core.c virtio/ring.c
 * links: virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/fuzz/input.h"
#include "tests/fuzz/save-load.h"
#include "tests/virtio/mmio-rig.h"

static struct vm *vm;
static struct mdev dev;

static void turn(void)
{
	m_turns(vm);
}

static void step(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1), off, size;
	u64 val;

	switch (op % 10) {
	case 0:
	case 1:		/* the registers there are */
		off = (unsigned int)take(in, 1) & 0xfc;
		m_wr(&dev, off, (u32)take(in, op & 0x80 ? 4 : 1));
		break;
	case 2:		/* any place, any width */
		size = take_size(in);
		off = (unsigned int)take(in, 2) & (2 * RIG_STRIDE - 1);
		rig_write(vm, IO_MMIO, RIG_SLOTS + off, size, take(in, size));
		break;
	case 3:
		size = take_size(in);
		rig_read(vm, IO_MMIO, RIG_SLOTS + (take(in, 2) & (2 * RIG_STRIDE - 1)), size);
		break;
	case 4:		/* anywhere in the rings' memory */
		size = take_size(in);
		off = (unsigned int)take(in, 3) % (0x60000 - 8);
		val = take(in, size);
		memcpy(at(vm, RAM_BASE + off), &val, size);
		break;
	case 5:
		m_start(&dev, take(in, 8), ECHO_QUEUES, 0);
		break;
	case 6:
		drv_add(&dev.q[op >> 7], (u8)take(in, 1), (u32)take(in, 1));
		break;
	case 7:
		m_wr(&dev, M_NOTIFY, (u32)take(in, 1) & 3);
		break;
	case 8:
		save_and_load(vm, in, op & 0x80);
		break;
	case 9:
		devices_stop(vm);
		if (op & 0x80)
			devices_reset(vm);
		devices_start(vm);
		break;
	}
	if (op & 0x10)
		turn();
	MUST(rig.level == (m_rd(&dev, M_ISR) != 0));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int kind, i;

	log_set_level(LOG_ERROR);
	kind = (unsigned int)take(&in, 1);
	vm = rig_pci_vm(kind & 1 ? VIRTIO_MMIO_LEGACY : VIRTIO_MMIO_MODERN, false);
	vm->cfg.virtio_packed = kind & 2;
	vm->cfg.virtio_in_order = kind & 4;
	rig.ioeventfd_error = kind & 8 ? -EEXIST : 0;
	echo_create(vm);
	MUST(m_find(vm, 42, &dev));
	for (i = 0; i < ECHO_QUEUES; i++)
		drv_init(&dev.q[i], vm, i, M_SIZE);
	devices_start(vm);
	for (i = 0; i < 200 && in.left; i++)
		step(&in);

	MUST(m_start(&dev, 0, ECHO_QUEUES, 0));
	drv_add(&dev.q[0], 1, 1);
	m_kick(&dev, 0);
	MUST(drv_used(&dev.q[0]) == 1);
	devices_stop(vm);
	MUST(!rig_ioeventfds());
	rig_pci_vm_free(vm);
	return 0;
}
