/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entropy device under a hostile driver. [virtio-1.2 5.4]
 * links: util/iov.c virtio/rng.c
 * links: util/json.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/mmio.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/fuzz/virtio.h"

static void target_create(struct input *in)
{
	MUST(!virtio_rng_create(vm, NULL));
}

static void target_request(struct input *in, unsigned int q)
{
	target_offer(in, q, NULL, 0, (u32)take(in, 2) & 0x3ff);
}

static void target_event(struct input *in) { }
static void target_willing(void) { }
static bool target_completes(unsigned int q) { return true; }

static bool target_serves(void)
{
	struct piece p = { place_in(32), 32, true };

	queue_add(&queue[0], &p, 1, false);
	kick(0);
	turn();
	reap();
	return queue[0].completed == 1 && queue[0].len == 32;
}

static void target_free(void) { }
