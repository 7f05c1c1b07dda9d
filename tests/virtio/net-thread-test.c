// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device on a loop thread of its own, with a driver on one thread, an interface on another, and resets, stops and config
 * reads in between. For TSan and ASan.
 * links: util/iov.c virtio/net.c virtio/net-features.c virtio/net-rx.c virtio/net-tx.c virtio/net-ctrl.c virtio/net-filter.c virtio/net-vhost.c
 * links: virtio/vhost.c
 * links: virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: util/json.c util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/blk-rig.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/net.h"

/* --- the interface: a socket of messages, whose other end sends all it is sent back --- */

struct net_backend {
	int fd[2];
	struct event_source src;
	struct net_client *client;
	bool wants, blocked;
	pthread_mutex_t lock;	/* with running: no change of src once a detach began */
	bool running;
	pthread_t peer;
	_Atomic unsigned int echoed;
};

static struct net_backend be;

static void *echo(void *arg)
{
	static u8 buf[2048];
	ssize_t n;

	while ((n = recv(be.fd[1], buf, sizeof(buf), 0)) > 0) {
		if (send(be.fd[1], buf, (size_t)n, MSG_DONTWAIT) == n)	/* a full one loses, as wires do */
			atomic_fetch_add(&be.echoed, 1);
	}
	return NULL;
}

static void be_up(void)
{
	memset(&be, 0, sizeof(be));
	pthread_mutex_init(&be.lock, NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, be.fd) < 0 || pthread_create(&be.peer, NULL, echo, NULL))
		abort();
	fcntl(be.fd[0], F_SETFL, O_NONBLOCK);
}

void net_close(struct net_backend *b)
{
	shutdown(b->fd[0], SHUT_RDWR);
	pthread_join(b->peer, NULL);
	close(b->fd[0]);
	close(b->fd[1]);
}

const char *net_describe(const struct net_backend *b) { return "echo"; }
u32 net_offloads(const struct net_backend *b) { return 0; }
unsigned int net_max_pairs(const struct net_backend *b) { return 1; }
unsigned int net_mtu(const struct net_backend *b) { return 0; }
bool net_guest_mac(const struct net_backend *b, u8 mac[NET_MAC_LEN]) { return false; }
enum thread_class net_thread_class(const struct net_backend *b) { return THREAD_IO; }
bool net_link_up(const struct net_backend *b) { return true; }
int net_tap_fd(const struct net_backend *b, unsigned int pair) { return -1; }
int net_vhost_fd(const struct net_backend *b, unsigned int pair) { return -1; }
void net_stats(const struct net_backend *b, struct strbuf *s) { }
int net_set_offloads(struct net_backend *b, u32 offloads) { return 0; }
int net_set_header(struct net_backend *b, unsigned int len) { return 0; }
int net_set_pairs(struct net_backend *b, unsigned int pairs) { return 0; }

static u32 wanted(const struct net_backend *b)
{
	return (b->wants ? EPOLLIN : 0) | (b->blocked ? EPOLLOUT : 0);
}

static void watch(struct net_backend *b)
{
	pthread_mutex_lock(&b->lock);
	if (b->running)
		event_mod(&b->src, wanted(b));
	pthread_mutex_unlock(&b->lock);
}

static void ready(struct event_source *src, u32 events)
{
	if ((events & EPOLLOUT) && be.blocked) {
		be.blocked = false;
		watch(&be);
		be.client->sendable(be.client, 0);
	}
	if (events & EPOLLIN)
		be.client->receivable(be.client, 0);
}

int net_attach(struct net_backend *b, struct event_loop *loop, struct net_client *client)
{
	b->client = client;
	b->wants = b->blocked = false;
	pthread_mutex_lock(&b->lock);
	b->running = true;
	pthread_mutex_unlock(&b->lock);
	return event_add(loop, &b->src, b->fd[0], 0, ready);
}

void net_detach(struct net_backend *b)
{
	pthread_mutex_lock(&b->lock);
	b->running = false;
	pthread_mutex_unlock(&b->lock);
	event_del(&b->src);
}

void net_want_receive(struct net_backend *b, unsigned int pair, bool on)
{
	if (b->wants == on)
		return;
	b->wants = on;
	watch(b);
}

ssize_t net_receive(struct net_backend *b, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	ssize_t n = readv(b->fd[0], iov, (int)cnt);

	return n < 0 ? -errno : n;
}

int net_send(struct net_backend *b, unsigned int pair, const struct iovec *iov, unsigned int cnt)
{
	if (writev(b->fd[0], iov, (int)cnt) >= 0 || errno != EAGAIN)
		return 0;
	b->blocked = true;
	watch(b);
	return -EAGAIN;
}

/* --- the driver --- */

enum { FRAME = 900, SLOT = 1024, RX_ROOM = 64, PARTS = 15, RX_SLOTS = 240 };	/* a frame takes PARTS buffers */

static gpa_t rx_slot(unsigned int head) { return DATA + head * 1ULL * SLOT; }
static gpa_t tx_slot(unsigned int head) { return DATA + 0x100000 + head * 1ULL * SLOT; }

static void up(void)
{
	struct net_config cfg = { .mode = NET_TAP, .guest_mac = { 2, 1, 2, 3, 4, 5 } };

	rig_up();
	be_up();
	log_set_level(LOG_ERROR);
	if (virtio_net_create(&rig.vm, &be, &cfg, 0, NULL) < 0 || rig.vdev->ops->prepare(rig.vdev, NULL) < 0)
		abort();
}

static void add_rx(void)
{
	struct seg seg = { rx_slot(rig.q[0].next), RX_ROOM, true };

	q_chain(0, &seg, 1);
}

static void add_tx(u32 number)
{
	gpa_t at = tx_slot(rig.q[1].next);
	struct seg seg = { at, 12 + FRAME, false };
	u8 *p = ram(at);

	memset(p, 0, 12);
	memset(p + 12, (int)number, FRAME);
	put_le32(p + 12, number);
	q_chain(1, &seg, 1);
}

static bool start(void)
{
	unsigned int i;

	if (!rig_driver(BIT_ULL(NET_F_MRG_RXBUF) | BIT_ULL(NET_F_CTRL_VQ) | BIT_ULL(NET_F_CTRL_MAC_ADDR)))
		return false;
	for (i = 0; i < RX_SLOTS; i++)
		add_rx();
	virtio_queue_kicked(rig.vdev, 0);
	return true;
}

struct flow {
	u32 sent, received, last;
	unsigned int bad, tx_room;
};

/* Takes what was completed, both ways, and gives new buffers. */
static void reap(struct flow *f)
{
	u32 id, len, left, number = 0;
	unsigned int i;
	bool any = false;
	u8 *p;

	while (q_take(1, &id, &len))
		f->tx_room++;
	while (q_take(0, &id, &len)) {
		p = ram(rx_slot(id));
		f->bad += get_le16(p + 10) != PARTS;
		for (i = 0, left = 12 + FRAME; i < PARTS; i++, left -= len) {
			/* [5.1.6.4.1] who sees one of a frame's buffers sees all */
			if (i && !q_take(0, &id, &len)) {
				f->bad++;
				break;
			}
			p = ram(rx_slot(id));
			if (i == 0)
				number = get_le32(p + 12);
			f->bad += len != MIN(left, (u32)RX_ROOM) || p[len - 1] != (u8)number;
			add_rx();
		}
		f->bad += f->received && number <= f->last;
		f->last = number;
		f->received++;
		any = true;
	}
	if (any)
		virtio_queue_kicked(rig.vdev, 0);
}

static bool flow_step(void *arg)
{
	struct flow *f = arg;
	unsigned int i;

	for (i = 0; i < 8 && f->tx_room; i++, f->tx_room--)
		add_tx(f->sent++);
	virtio_queue_kicked(rig.vdev, 1);
	reap(f);
	return f->received >= 1000 || f->bad;
}

TEST(frames_go_out_and_come_back_in_order)
{
	struct flow f = { .tx_room = 100 };

	up();
	CHECK(start());
	CHECK(rig_wait_for(flow_step, &f));
	CHECK_EQ(f.bad, 0);
	CHECK(atomic_load(&rig.irqs) > 0);
	rig_down();
}

TEST(resets_in_the_middle_of_traffic)
{
	unsigned int round, i;
	struct flow f;

	up();
	for (round = 0; round < 30; round++) {
		CHECK(start());
		f = (struct flow){ .tx_room = 100 };
		for (i = 0; i < 20; i++) {
			flow_step(&f);
			if (i == round % 20)
				break;
		}
		virtio_set_status(rig.vdev, 0);
		CHECK_EQ(virtio_queue(rig.vdev, 0)->inflight_cnt, 0);
	}
	rig_down();
}

TEST(stops_and_starts_in_the_middle_of_traffic)
{
	struct flow f = { .tx_room = 100 };
	unsigned int round;

	up();
	CHECK(start());
	for (round = 0; round < 40; round++) {
		flow_step(&f);
		virtio_dev_stop(rig.vdev);
		CHECK_EQ(virtio_queue(rig.vdev, 0)->inflight_cnt, 0);
		CHECK_EQ(virtio_queue(rig.vdev, 1)->inflight_cnt, 0);
		virtio_dev_start(rig.vdev);
	}
	CHECK(rig_wait_for(flow_step, &f));
	CHECK_EQ(f.bad, 0);
	rig_down();
}

static _Atomic bool readers_end;

static void *reader(void *arg)
{
	struct strbuf b = { 0 };
	u8 mac[6], *odd = arg;

	while (!atomic_load(&readers_end)) {
		virtio_config_read(rig.vdev, 0, mac, 6);
		if (mac[0] != 2 || (mac[5] != mac[4] && memcmp(mac, "\2\1\2\3\4\5", 6)))
			*odd = 1;
		virtio_dev_stats(rig.vdev, &b);
	}
	strbuf_free(&b);
	return NULL;
}

TEST(config_is_read_while_commands_change_it)
{
	gpa_t at = DATA + 0x200000;
	struct flow f = { .tx_room = 100 };
	unsigned int i;
	pthread_t t;
	u32 id, len;
	u8 odd = 0;

	up();
	CHECK(start());
	atomic_store(&readers_end, false);
	CHECK(!pthread_create(&t, NULL, reader, &odd));
	for (i = 0; i < 100; i++) {
		struct seg seg[2] = { { at, 8, false }, { at + 0x100, 1, true } };

		memcpy(ram(at), "\1\1\2\7\7\7", 6);
		*(u8 *)ram(at + 6) = *(u8 *)ram(at + 7) = (u8)i;
		*(u8 *)ram(at + 0x100) = 0xee;
		q_chain(2, seg, 2);
		CHECK(q_run(2, rig.q[2].avail));
		CHECK(q_take(2, &id, &len) && *(u8 *)ram(at + 0x100) == 0);
		flow_step(&f);
	}
	atomic_store(&readers_end, true);
	pthread_join(t, NULL);
	CHECK_EQ(odd, 0);
	CHECK_EQ(f.bad, 0);
	rig_down();
}

int main(void)
{
	RUN(frames_go_out_and_come_back_in_order);
	RUN(resets_in_the_middle_of_traffic);
	RUN(stops_and_starts_in_the_middle_of_traffic);
	RUN(config_is_read_while_commands_change_it);
	return tap_done();
}
