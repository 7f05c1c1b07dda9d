/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network device with two queue pairs and a control queue under a hostile driver, before a back end that has frames of any
 * length, no room at times, and may lose its interface. [virtio-1.2 5.1]
 *
 * links: util/iov.c virtio/net.c virtio/net-features.c virtio/net-rx.c virtio/net-tx.c virtio/net-ctrl.c virtio/net-filter.c virtio/net-vhost.c virtio/vhost.c
 * links: util/json.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/mmio.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "virtio/net.h"

#include "tests/fuzz/virtio.h"

/* --- the back end --- */

enum { PAIRS = 2, FRAMES = 8, MTU = 1500 };

struct net_backend {
	struct net_client *client;	/* attached */
	struct event_work work;
	bool wants[PAIRS], full[PAIRS], room_came[PAIRS], down, refuses;
	unsigned int header, sent;
	u32 frame[PAIRS][FRAMES], frames[PAIRS];	/* lengths without header */
	u8 first;			/* of its bytes: whom the frames are for */
};

static struct net_backend be;
static u8 any[HDR_LEN + NET_FRAME_MAX + 0x100];

static void world_turns(struct event_work *w);

static void wake(void)
{
	if (be.client)
		event_post(vm->loop, &be.work, world_turns);
}

static bool ready(unsigned int pair)
{
	return be.wants[pair] && (be.frames[pair] || be.down);
}

static void world_turns(struct event_work *w)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		if (be.room_came[i]) {
			be.room_came[i] = false;
			be.client->sendable(be.client, i);
		}
		if (ready(i))
			be.client->receivable(be.client, i);
	}
	if ((ready(0) || ready(1)) && !be.down)
		wake();
}

void net_close(struct net_backend *b) { MUST(!b->client); }
const char *net_describe(const struct net_backend *b) { return "fake"; }
u32 net_offloads(const struct net_backend *b) { return 0x3f; }
unsigned int net_max_pairs(const struct net_backend *b) { return PAIRS; }
unsigned int net_mtu(const struct net_backend *b) { return MTU; }
bool net_guest_mac(const struct net_backend *b, u8 mac[NET_MAC_LEN]) { return false; }
enum thread_class net_thread_class(const struct net_backend *b) { return THREAD_IO; }
bool net_link_up(const struct net_backend *b) { return !b->down; }
int net_tap_fd(const struct net_backend *b, unsigned int pair) { return -1; }
int net_vhost_fd(const struct net_backend *b, unsigned int pair) { return -1; }
void net_stats(const struct net_backend *b, struct strbuf *s) { }
int net_set_offloads(struct net_backend *b, u32 offloads) { return b->refuses ? -EIO : 0; }

int net_set_header(struct net_backend *b, unsigned int len)
{
	MUST(len == HDR_LEN || len == HDR_LEN_OLD);
	b->header = len;
	return 0;
}

int net_set_pairs(struct net_backend *b, unsigned int pairs)
{
	MUST(pairs >= 1 && pairs <= PAIRS);
	return b->refuses ? -EIO : 0;
}

int net_attach(struct net_backend *b, struct event_loop *loop, struct net_client *client)
{
	MUST(!b->client);
	memset(b->wants, 0, sizeof(b->wants));
	b->client = client;
	return 0;
}

void net_detach(struct net_backend *b)
{
	if (b->client)
		event_work_cancel(vm->loop, &b->work);
	b->client = NULL;
}

void net_want_receive(struct net_backend *b, unsigned int pair, bool on)
{
	MUST(b->client && pair < PAIRS);
	b->wants[pair] = on;
	if (ready(pair))
		wake();
}

ssize_t net_receive(struct net_backend *b, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	size_t len, n;

	MUST(b->client && pair < PAIRS && cnt <= 1024);
	if (b->down)
		return -EBADFD;
	if (!b->frames[pair])
		return -EAGAIN;
	len = b->header + b->frame[pair][--b->frames[pair]];
	any[b->header] = b->first;
	n = iov_from_buf(iov, cnt, 0, any, len);
	MUST(n == MIN(len, iov_size(iov, cnt)));
	return (ssize_t)n;
}

int net_send(struct net_backend *b, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	static u8 frame[sizeof(any)];

	MUST(b->client && pair < PAIRS);
	if (b->full[pair])
		return -EAGAIN;
	MUST(iov_size(iov, cnt) >= b->header + ETH_LEN && iov_size(iov, cnt) <= b->header + NET_FRAME_MAX);
	iov_to_buf(iov, cnt, 0, frame, sizeof(frame));
	b->sent++;
	return 0;
}

static void frame_comes(unsigned int pair, u32 len)
{
	if (be.frames[pair] < FRAMES)
		be.frame[pair][be.frames[pair]++] = len;
	if (ready(pair))
		wake();
}

/* --- the target --- */

static struct virtio_net *net(void)
{
	return to_net(vdev);
}

static void target_create(struct input *in)
{
	static const struct net_config cfg = { .mode = NET_TAP, .guest_mac = { 2, 0x15, 0x15, 0x15, 0x15, 0x15 } };

	be = (struct net_backend){ .header = HDR_LEN };
	memset(any, 0, sizeof(any));
	MUST(!virtio_net_create(vm, &be, &cfg, 0, NULL));
	vdev = newest();
	net()->loop = vm->loop;
}

/* Class, command, data: by the tables of [5.1.6.5], long enough and not. */
static void command(struct input *in, unsigned int q)
{
	static const u8 lengths[] = { 1, 1, 1, 1, 1, 1, 12, 6, 2, 2, 0, 2, 8, 8 + 6 };
	static const u8 classes[] = { 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 1 }, commands[] = { 0, 1, 2, 3, 4, 5, 0, 1, 0, 1, 0, 0, 0, 0 };
	unsigned int which = (unsigned int)take(in, 1), i = which % ARRAY_SIZE(lengths), n;
	u8 buf[2 + 0x400] = { classes[i], commands[i] };
	u32 len = lengths[i];

	take_bytes(in, buf + 2, len);
	if (classes[i] == 1 && !commands[i]) {	/* two tables of addresses */
		n = (unsigned int)take(in, 1) % 80;
		put_le32(buf + 2, n);
		put_le32(buf + 6 + 6ULL * n, (u32)take(in, 1) % 4);
		len = 8 + 6 * (n + get_le32(buf + 6 + 6ULL * n));
		buf[6] = (u8)take(in, 1);
	}
	if (classes[i] == 4)
		put_le16(buf + 2, get_le16(buf + 2) % (PAIRS + 2));
	target_offer(in, q, buf, 2 + len - (which == 0xff), 1);
}

static void target_request(struct input *in, unsigned int q)
{
	static u8 frame[sizeof(any)];
	u32 len = (u32)take(in, 2);

	if (q == net_ctrl_queue(net())) {
		command(in, q);
	} else if (q & 1) {
		take_bytes(in, frame, HDR_LEN);
		target_offer(in, q, frame, len & 0x8000 ? be.header + (len & 0x7fff) * 2 + 26 : be.header + (len & 0x7ff), 0);
	} else {
		target_offer(in, q, NULL, 0, len & 0x8000 ? 65562 : len & 0x4000 ? 1526 : len & 0x7ff);
	}
}

static void target_event(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1), pair = op >> 7;

	switch (op & 7) {
	case 0 ... 2:
		take_bytes(in, any, op & 0x10 ? HDR_LEN + ETH_LEN + VLAN_LEN : 2);
		be.first = (u8)take(in, 1) & 3;
		frame_comes(pair, (u32)take(in, 2) + (op & 0x20 ? 15 : 0));
		break;
	case 3:
		be.first = 0xff;
		frame_comes(pair, (u32)take(in, 2) & 0x7ff);
		break;
	case 4:
		be.full[pair] = true;
		break;
	case 5:
		be.room_came[pair] = be.full[pair] || op & 0x10;
		be.full[pair] = false;
		wake();
		break;
	case 6:
		be.refuses = op & 0x10;
		break;
	case 7:		/* it never comes back */
		if (op == 0xff && !be.down) {
			be.down = true;
			if (be.client)
				be.client->link_changed(be.client, false);
		}
		break;
	}
}

static void target_willing(void)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		be.room_came[i] |= be.full[i];
		be.full[i] = false;
	}
	wake();
}

static bool target_completes(unsigned int q)
{
	if (q == net_ctrl_queue(net()))
		return virtio_has(vdev, NET_F_CTRL_VQ);
	return q & 1 && q / 2 < net()->pairs;
}

/* A frame each way. */
static bool target_serves(void)
{
	struct piece tx = { 0, HDR_LEN + 60, false }, rx = { place_in(1600), 1600, true };

	if (be.down)
		return true;
	be = (struct net_backend){ .client = be.client, .header = be.header, .first = 0xff, .work = be.work };
	memset(any, 0, sizeof(any));
	driver_start(~0ULL, 0);
	tx.gpa = place_out(any, tx.len);
	queue_add(&queue[0], &rx, 1, false);
	queue_add(&queue[1], &tx, 1, false);
	kick(0);
	kick(1);
	turn();
	frame_comes(0, 60);
	turn();
	turn();
	reap();
	return be.sent == 1 && queue[1].completed == 1 && queue[0].completed == 1 && queue[0].len == be.header + 60;
}

static void target_free(void)
{
	net()->loop = NULL;
}
