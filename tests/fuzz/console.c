/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console device, with one port or three and the control queues, under a hostile driver, before back ends that come and go, take as much as
 * the input says and offer again what was left. [virtio-1.2 5.3]
 *
 * links: util/iov.c virtio/console.c virtio/console-control.c
 * links: util/json.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/mmio.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "virtio/console.h"

#include "tests/fuzz/virtio.h"

enum { PORTS = 3 };

/* --- the back end --- */

struct chardev {
	struct chardev_client *client;
	size_t room, waits;		/* for output; input not yet taken */
	bool connected, resumed, starved;
	u16 cols, rows;
	u64 out, sum;
};

static struct chardev cds[PORTS];

size_t chardev_write(struct chardev *cd, const u8 *buf, size_t len)
{
	size_t n = MIN(len, cd->room), i;

	for (i = 0; i < n; i++)
		cd->sum += buf[i];
	cd->room -= n;
	cd->out += n;
	cd->starved |= n < len;
	return n;
}

void chardev_set_client(struct chardev *cd, struct chardev_client *client) { cd->client = client; }
void chardev_resume_input(struct chardev *cd) { cd->resumed = true; }
bool chardev_connected(struct chardev *cd) { return cd->connected; }

bool chardev_size(struct chardev *cd, u16 *cols, u16 *rows)
{
	*cols = cd->cols;
	*rows = cd->rows;
	return cd->cols;
}

/* What waits is offered, as chardev.c does it: from the loop, and again once there is room. */
static void input_comes(struct chardev *cd, size_t len)
{
	static u8 buf[INPUT_SIZE + 0x100];
	size_t n;

	cd->waits = MIN(cd->waits + len, sizeof(buf));
	cd->resumed = false;
	if (!cd->waits)
		return;
	n = cd->client->receive(cd->client, buf, cd->waits);
	MUST(n <= cd->waits);
	cd->waits -= n;
}

static void room_comes(struct chardev *cd, size_t room)
{
	cd->room += room;
	if (cd->starved && cd->client->writable) {
		cd->starved = false;
		cd->client->writable(cd->client);
	}
}

/* --- the target --- */

static void target_create(struct input *in)
{
	static const struct virtio_console_port port[PORTS] = {
		{ .cd = &cds[0], .console = true }, { .cd = &cds[1], .name = "org.test.0" }, { .cd = &cds[2], .console = true },
	};
	unsigned int how = (unsigned int)take(in, 1), i;

	for (i = 0; i < PORTS; i++)
		cds[i] = (struct chardev){ .room = how & 2 ? 4 : 1 << 20, .connected = how & 4, .cols = how & 8 ? 80 : 0, .rows = 25 };
	MUST(!virtio_console_create(vm, port, how & 1 ? 1 : PORTS, NULL));
}

static void target_request(struct input *in, unsigned int q)
{
	u8 msg[256];
	u32 len = (u32)take(in, 1);

	if (q == CTL_FROM_DRIVER) {
		put_le32(msg, len & 0x80 ? (u32)take(in, 4) : len & 3);
		put_le16(msg + 4, (u16)take(in, 1) & 15);
		put_le16(msg + 6, (u16)take(in, 1));
		target_offer(in, q, msg, len & 0x40 ? len & 15 : CTL_SIZE, 0);
	} else if (q & 1) {
		take_bytes(in, msg, MIN(len, 4U));
		target_offer(in, q, msg, len, 0);
	} else {
		target_offer(in, q, NULL, 0, len);
	}
}

static void target_event(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1);
	struct chardev *cd = &cds[(op >> 4) % to_con(vdev)->nr_ports];

	switch (op & 7) {
	case 0:
	case 1:
		input_comes(cd, (size_t)take(in, 1) << (op & 8 ? 4 : 0));
		break;
	case 2:
		room_comes(cd, (size_t)take(in, 1));
		break;
	case 3:
		cd->room = 0;
		break;
	case 4:
		cd->connected = op & 8;
		cd->client->changed(cd->client);
		break;
	case 5:
		cd->cols = (u16)take(in, 2);
		cd->rows = (u16)take(in, 2);
		cd->client->changed(cd->client);
		break;
	default:
		if (cd->resumed)
			input_comes(cd, 0);
		break;
	}
}

static void target_willing(void)
{
	unsigned int i;

	for (i = 0; i < to_con(vdev)->nr_ports; i++) {
		room_comes(&cds[i], 1 << 20);
		if (cds[i].resumed)
			input_comes(&cds[i], 0);
	}
}

static bool target_completes(unsigned int q)
{
	return q & 1 && (q < 2 || virtio_has(vdev, F_MULTIPORT));
}

/* Output of port 0, and a control message where there are any. */
static bool target_serves(void)
{
	struct piece p = { place_out("output", 6), 6, false };
	u8 ready[CTL_SIZE] = { [4] = CTL_DEVICE_READY, [6] = 1 };
	struct piece ctl = { place_out(ready, CTL_SIZE), CTL_SIZE, false }, told = { place_in(200), 200, true };
	u64 before = cds[0].out;

	cds[0].room = 100;
	queue_add(&queue[1], &p, 1, false);
	kick(1);
	if (virtio_has(vdev, F_MULTIPORT)) {
		queue_add(&queue[CTL_TO_DRIVER], &told, 1, false);
		queue_add(&queue[CTL_FROM_DRIVER], &ctl, 1, false);
		kick(CTL_FROM_DRIVER);
		turn();
		turn();
		reap();
		if (queue[CTL_FROM_DRIVER].completed != 1 || queue[CTL_TO_DRIVER].completed != 1)
			return false;
	}
	turn();
	reap();
	return queue[1].completed == 1 && cds[0].out == before + 6;
}

static void target_free(void) { }
