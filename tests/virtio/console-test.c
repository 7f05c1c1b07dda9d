// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console device over the real core and ring, with a fake back end. [virtio-1.2 5.3]
 * links: util/iov.c util/json.c virtio/console.c virtio/console-control.c virtio/core.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/rig.h"

#include "vmm/chardev.h"
#include "vmm/virtio.h"

/* --- fake back end --- */

struct chardev {
	struct chardev_client *client;
	char out[1 << 16];
	size_t len, room;
	bool connected;
	u16 cols, rows;
	unsigned int resumed;
	bool refill;		/* each byte that goes out has the driver send another */
};

static struct chardev cds[3];

size_t chardev_write(struct chardev *cd, const u8 *buf, size_t len)
{
	size_t n = MIN(len, cd->room);

	memcpy(cd->out + cd->len, buf, n);
	cd->len += n;
	cd->room -= n;
	if (cd->refill)
		q_add(1, "x", 1, 0);
	return n;
}

void chardev_set_client(struct chardev *cd, struct chardev_client *client) { cd->client = client; }
void chardev_resume_input(struct chardev *cd) { cd->resumed++; }
bool chardev_connected(struct chardev *cd) { return cd->connected; }

bool chardev_size(struct chardev *cd, u16 *cols, u16 *rows)
{
	if (!cd->cols)
		return false;
	*cols = cd->cols;
	*rows = cd->rows;
	return true;
}

/* --- helpers --- */

enum { SIZE = 1, MULTIPORT = 2, EMERG = 4 };
enum { RX0, TX0, CTL_IN, CTL_OUT, RX1, TX1, RX2, TX2 };
enum { READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME };

static size_t feed(unsigned int cd, const char *s)
{
	size_t n = cds[cd].client->receive(cds[cd].client, (const u8 *)s, strlen(s));

	rig_turns(4);
	return n;
}

static void changed(unsigned int cd)
{
	cds[cd].client->changed(cds[cd].client);
	rig_turns(4);
}

static void tell_device(u32 id, u16 event, u16 value)
{
	u8 msg[8];

	put_le32(msg, id);
	put_le16(msg + 4, event);
	put_le16(msg + 6, value);
	q_add(CTL_OUT, msg, sizeof(msg), 0);
	q_kick(CTL_OUT);
}

/* The next control message of the device: offers a buffer and compares. */
static bool device_tells(u32 id, u16 event, u16 value, const void *more, u32 more_len)
{
	u8 *in = q_add(CTL_IN, NULL, 0, 200);
	u32 len;

	q_kick(CTL_IN);
	if (!q_take(CTL_IN, &len)) {
		printf("# nothing said\n");
		return false;
	}
	if (len == 8 + more_len && get_le32(in) == id && get_le16(in + 4) == event && get_le16(in + 6) == value &&
	    !memcmp(in + 8, more, more_len))
		return true;
	printf("# %u bytes: port %u event %u value %u\n", len, get_le32(in), get_le16(in + 4), get_le16(in + 6));
	return false;
}

/* The buffer it leaves behind takes the next message. */
static bool device_is_silent(void)
{
	static gpa_t left;
	u32 len;

	left = q_base(CTL_IN) + 0x4000 + (gpa_t)rig.q[CTL_IN].next * Q_SLOT;
	q_add(CTL_IN, NULL, 0, 200);
	q_kick(CTL_IN);
	if (!q_take(CTL_IN, &len))
		return true;
	printf("# event %u of port %u\n", get_le16(ram(left + Q_SLOT / 2 + 4)), get_le32(ram(left + Q_SLOT / 2)));
	return false;
}

static void clean(void)
{
	unsigned int i;

	rig_up();
	log_set_level(LOG_ERROR);
	memset(cds, 0, sizeof(cds));
	for (i = 0; i < ARRAY_SIZE(cds); i++) {
		cds[i].room = sizeof(cds[i].out);
		cds[i].connected = true;
	}
}

/* One port, no MULTIPORT. */
static void setup_single(void)
{
	struct virtio_console_port port = { .cd = &cds[0], .console = true };

	clean();
	cds[0].cols = 80;
	cds[0].rows = 25;
	if (virtio_console_create(&rig.vm, &port, 1, NULL) < 0 || !rig_driver(SIZE | EMERG))
		abort();
	rig_turns(4);
}

/* A console, a named port, and a second console. */
static void setup_multi(void)
{
	struct virtio_console_port port[3] = {
		{ .cd = &cds[0], .console = true },
		{ .cd = &cds[1], .name = "org.test.0" },
		{ .cd = &cds[2], .console = true },
	};

	clean();
	cds[1].connected = false;
	cds[2].cols = 132;
	cds[2].rows = 43;
	if (virtio_console_create(&rig.vm, port, 3, NULL) < 0 || !rig_driver(SIZE | MULTIPORT | EMERG))
		abort();
	rig_turns(4);
}

/* --- one port --- */

static bool stats_have(const char *what)
{
	struct strbuf b = { 0 };
	bool has;

	rig.vdev->ops->stats(rig.vdev, &b);
	strbuf_add(&b, "", 1);
	has = strstr(b.s, what);
	if (!has)
		printf("# not in: %s\n", b.s);
	strbuf_free(&b);
	return has;
}

TEST(bytes_are_counted)
{
	q_add(TX0, "out", 3, 0);
	q_kick(TX0);
	q_add(RX0, NULL, 0, 64);
	q_kick(RX0);
	feed(0, "input");
	CHECK(stats_have("\"ports\":[{\"bytes_sent\":3,\"bytes_received\":5}]"));
}

TEST(output_reaches_the_back_end)
{
	u32 len;

	q_add(TX0, "hello ", 6, 0);
	q_add(TX0, "world", 5, 0);
	q_kick(TX0);
	CHECK_EQ(cds[0].len, 11);
	CHECK(!memcmp(cds[0].out, "hello world", 11));
	CHECK(q_take(TX0, &len));
	CHECK_EQ(len, 0);
	CHECK(q_take(TX0, &len));
	CHECK_EQ(rig.irqs[TX0], 1);
	CHECK(q_wants_kicks(TX0));
}

TEST(input_reaches_the_driver)
{
	u8 *a = q_add(RX0, NULL, 0, 4), *b = q_add(RX0, NULL, 0, 64);
	u32 len;

	q_kick(RX0);
	CHECK_EQ(q_completed(RX0), 0);
	CHECK_EQ(feed(0, "0123456789"), 10);
	CHECK(q_take(RX0, &len));
	CHECK_EQ(len, 4);
	CHECK(!memcmp(a, "0123", 4));
	CHECK(q_take(RX0, &len));
	CHECK_EQ(len, 6);
	CHECK(!memcmp(b, "456789", 6));
	CHECK_EQ(rig.irqs[RX0], 1);
}

TEST(input_waits_for_buffers_and_is_bounded)
{
	static char big[9000];
	u8 *in;
	u32 len;

	memset(big, 'x', sizeof(big) - 1);
	CHECK_EQ(feed(0, big), 4096);
	CHECK_EQ(feed(0, "more"), 0);
	CHECK_EQ(cds[0].resumed, 0);
	q_add_at(RX0, 0, 0, RAM_BULK, 4000);
	q_kick(RX0);
	CHECK(q_take(RX0, &len));
	CHECK_EQ(len, 4000);
	CHECK_EQ(cds[0].resumed, 0);
	in = q_add(RX0, NULL, 0, 100);
	q_kick(RX0);
	CHECK(q_take(RX0, &len));
	CHECK_EQ(len, 96);
	CHECK_EQ(in[95], 'x');
	CHECK_EQ(cds[0].resumed, 1);
	CHECK_EQ(feed(0, "more"), 4);
}

TEST(a_slow_back_end_holds_the_chain)
{
	u32 len;

	cds[0].room = 4;
	q_add(TX0, "0123456789", 10, 0);
	q_add(TX0, "next", 4, 0);
	q_kick(TX0);
	CHECK_EQ(cds[0].len, 4);
	CHECK(!q_take(TX0, &len));
	q_kick(TX0);	/* kicks do not help */
	CHECK_EQ(cds[0].len, 4);
	cds[0].room = 100;
	cds[0].client->writable(cds[0].client);
	rig_turns(4);
	CHECK_EQ(cds[0].len, 14);
	CHECK(!memcmp(cds[0].out, "0123456789next", 14));
	CHECK_EQ(q_completed(TX0), 2);
}

TEST(pieces_of_a_chain_go_out_in_order)
{
	u16 i;

	for (i = 0; i < 10; i++) {
		memset(ram(RAM_BULK + i * 100u), 'a' + i, 3);
		q_desc(TX0, i, RAM_BULK + i * 100u, 3, i < 9 ? 1 : 0, (u16)(i + 1));
	}
	cds[0].room = 13;
	q_publish(TX0, 0);
	q_kick(TX0);
	CHECK_EQ(cds[0].len, 13);
	cds[0].room = 100;
	cds[0].client->writable(cds[0].client);
	rig_turns(4);
	CHECK(!memcmp(cds[0].out, "aaabbbcccdddeeefffggghhhiiijjj", 30));
}

TEST(a_pause_in_the_middle_of_a_chain_repeats_nothing)
{
	cds[0].room = 4;
	q_add(TX0, "0123456789", 10, 0);
	q_kick(TX0);
	virtio_dev_stop(rig.vdev);
	cds[0].room = 100;
	cds[0].client->writable(cds[0].client);
	rig_turns(4);
	CHECK_EQ(cds[0].len, 4);
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	CHECK_EQ(cds[0].len, 10);
	CHECK(!memcmp(cds[0].out, "0123456789", 10));
	CHECK_EQ(q_completed(TX0), 1);
}

TEST(a_reset_forgets_the_held_chain)
{
	cds[0].room = 4;
	q_add(TX0, "0123456789", 10, 0);
	q_kick(TX0);
	CHECK(rig_driver(SIZE));
	cds[0].room = 100;
	q_add(TX0, "abcdefgh", 8, 0);
	q_kick(TX0);
	CHECK_EQ(cds[0].len, 12);
	CHECK(!memcmp(cds[0].out, "0123abcdefgh", 12));
}

TEST(a_queue_reset_forgets_the_held_chain)
{
	CHECK(rig_driver(BIT_ULL(VIRTIO_F_RING_RESET)));
	rig_turns(4);
	cds[0].room = 4;
	q_add(TX0, "0123456789", 10, 0);
	q_kick(TX0);
	virtio_queue_set_reset(rig.vdev, TX0);
	virtio_queue_set_reset(rig.vdev, RX0);
	cds[0].room = 100;
	cds[0].client->writable(cds[0].client);
	rig_turns(4);
	CHECK_EQ(cds[0].len, 4);
	q_enable(TX0);
	q_enable(RX0);
	q_add(TX0, "abcdefgh", 8, 0);
	q_kick(TX0);
	CHECK(!memcmp(cds[0].out, "0123abcdefgh", 12));
	q_add(RX0, NULL, 0, 8);
	q_kick(RX0);
	CHECK_EQ(feed(0, "in"), 2);
	CHECK_EQ(q_completed(RX0), 1);
}

TEST(input_before_the_driver_is_held_back)
{
	virtio_set_status(rig.vdev, 0);
	CHECK_EQ(feed(0, "early"), 0);
	CHECK_EQ(cds[0].resumed, 0);
	CHECK(rig_driver(0));
	rig_turns(4);
	CHECK_EQ(cds[0].resumed, 1);
}

TEST(config_tells_size_and_ports)
{
	u8 cfg[12];

	virtio_config_read(rig.vdev, 0, cfg, 12);
	CHECK_EQ(get_le16(cfg), 80);
	CHECK_EQ(get_le16(cfg + 2), 25);
	CHECK_EQ(get_le32(cfg + 4), 1);
	CHECK_EQ(get_le32(cfg + 8), 0);
}

TEST(a_new_size_interrupts_for_config)
{
	u8 cfg[4];

	changed(0);
	CHECK_EQ(rig.config_irqs, 0);
	cds[0].cols = 100;
	changed(0);
	CHECK_EQ(rig.config_irqs, 1);
	virtio_config_read(rig.vdev, 0, cfg, 4);
	CHECK_EQ(get_le16(cfg), 100);
}

TEST(emergency_write_needs_no_queues)
{
	u8 le[4] = { 'E', 1, 2, 3 };

	virtio_set_status(rig.vdev, 0);
	virtio_config_write(rig.vdev, 8, le, 4);
	virtio_config_write(rig.vdev, 8, le, 1);
	CHECK_EQ(cds[0].len, 2);
	CHECK_EQ(cds[0].out[0], 'E');
	/* Every other byte is read-only. */
	virtio_config_write(rig.vdev, 0, le, 4);
	virtio_config_write(rig.vdev, 9, le, 1);
	virtio_config_write(rig.vdev, 9, le, 4);
	CHECK_EQ(cds[0].len, 2);
	config_tells_size_and_ports();
}

TEST(empty_and_misdirected_chains_are_completed)
{
	u8 *in = q_add(TX0, NULL, 0, 8);
	u32 len;

	q_add(RX0, "wrong", 5, 0);
	q_kick(TX0);
	q_kick(RX0);
	CHECK(q_take(TX0, &len));
	CHECK_EQ(len, 0);
	CHECK_EQ(in[0], 0);
	CHECK_EQ(feed(0, "abc"), 3);
	CHECK(q_take(RX0, &len));
	CHECK_EQ(len, 0);
	in = q_add(RX0, NULL, 0, 8);
	q_kick(RX0);
	CHECK(q_take(RX0, &len));
	CHECK(!memcmp(in, "abc", 3));
}

TEST(a_broken_ring_breaks_the_device_until_reset)
{
	q_publish(TX0, 777);
	q_kick(TX0);
	CHECK(virtio_get_status(rig.vdev) & VIRTIO_S_NEEDS_RESET);
	CHECK(feed(0, "x") <= 1);
	CHECK(rig_driver(0));
	q_add(TX0, "ok", 2, 0);
	q_kick(TX0);
	CHECK_EQ(cds[0].len, 2);
}

TEST(single_port_has_no_control_queues)
{
	CHECK_EQ(rig.vdev->nr_queues, 2);
	CHECK(!(virtio_get_features(rig.vdev, 0) & MULTIPORT));
}

/* --- several ports --- */

TEST(ports_are_introduced_in_the_order_of_the_protocol)
{
	static const u8 size[4] = { 132, 0, 43, 0 };
	u32 len;

	CHECK(device_is_silent());
	tell_device(0, READY, 1);
	CHECK(q_take(CTL_IN, &len));	/* into the buffer that lay there */
	CHECK_EQ(len, 8);
	CHECK(device_tells(1, ADD, 1, "", 0));
	CHECK(device_tells(2, ADD, 1, "", 0));
	tell_device(0, PORT_READY, 1);
	CHECK(device_tells(0, CONSOLE, 1, "", 0));
	CHECK(device_tells(0, OPEN, 1, "", 0));
	tell_device(1, PORT_READY, 1);
	CHECK(device_tells(1, NAME, 1, "org.test.0", 10));
	tell_device(2, PORT_READY, 1);
	CHECK(device_tells(2, CONSOLE, 1, "", 0));
	CHECK(device_tells(2, RESIZE, 1, size, 4));
	CHECK(device_tells(2, OPEN, 1, "", 0));
	CHECK(device_is_silent());
}

/* Through the introduction, with all ports opened by the driver. */
static bool introduce(void)
{
	u32 len;
	unsigned int i;

	tell_device(0, READY, 1);
	for (i = 0; i < 3; i++)
		tell_device(i, PORT_READY, 1);
	for (i = 0; i < 3; i++)
		tell_device(i, OPEN, 1);
	for (i = 0; i < 9; i++) {
		q_add(CTL_IN, NULL, 0, 200);
		q_kick(CTL_IN);
		if (!q_take(CTL_IN, &len))
			return false;
	}
	rig_turns(4);
	return true;
}

TEST(what_waits_for_control_buffers_is_bounded_and_current)
{
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		u8 msg[8] = { 0 };

		put_le16(msg + 4, i & 1 ? PORT_READY : READY);
		put_le16(msg + 6, 1);
		q_add(CTL_OUT, msg, 8, 0);
		q_kick(CTL_OUT);
		cds[0].connected = !cds[0].connected;
		changed(0);
	}
	CHECK(device_tells(0, ADD, 1, "", 0));
	CHECK(device_tells(0, CONSOLE, 1, "", 0));
	CHECK(device_tells(0, OPEN, 1, "", 0));
	CHECK(device_tells(1, ADD, 1, "", 0));
}

TEST(each_port_has_its_own_queues)
{
	u8 *in;
	u32 len;

	CHECK(introduce());
	q_add(TX0, "zero", 4, 0);
	q_kick(TX0);
	q_add(TX1, "one", 3, 0);
	q_kick(TX1);
	q_add(TX2, "two", 3, 0);
	q_kick(TX2);
	CHECK(!memcmp(cds[0].out, "zero", 5));
	CHECK(!memcmp(cds[1].out, "one", 4));
	CHECK(!memcmp(cds[2].out, "two", 4));
	in = q_add(RX1, NULL, 0, 16);
	q_kick(RX1);
	CHECK_EQ(feed(1, "in1"), 3);
	CHECK(q_take(RX1, &len));
	CHECK_EQ(len, 3);
	CHECK(!memcmp(in, "in1", 3));
	CHECK_EQ(q_completed(RX0), 0);
}

TEST(the_other_end_opening_and_closing_is_told)
{
	CHECK(introduce());
	cds[1].connected = true;
	changed(1);
	CHECK(device_tells(1, OPEN, 1, "", 0));
	cds[1].connected = false;
	changed(1);
	CHECK(device_tells(1, OPEN, 0, "", 0));
	changed(1);
	CHECK(device_is_silent());
}

TEST(a_resize_is_told_by_control_message)
{
	static const u8 size[4] = { 200, 0, 50, 0 };

	CHECK(introduce());
	cds[2].cols = 200;
	cds[2].rows = 50;
	changed(2);
	CHECK(device_tells(2, RESIZE, 1, size, 4));
}

TEST(a_port_the_driver_has_not_open_takes_no_input)
{
	u32 len;

	tell_device(1, PORT_READY, 1);
	q_add(RX1, NULL, 0, 16);
	q_kick(RX1);
	CHECK_EQ(feed(1, "held"), 0);
	CHECK_EQ(cds[1].resumed, 0);
	tell_device(1, OPEN, 1);
	CHECK_EQ(cds[1].resumed, 1);
	CHECK_EQ(feed(1, "held"), 4);
	CHECK(q_take(RX1, &len));
	/* What waits when it closes is gone. */
	CHECK_EQ(feed(1, "stale"), 5);
	tell_device(1, OPEN, 0);
	CHECK_EQ(feed(1, "held"), 0);
	tell_device(1, OPEN, 1);
	q_add(RX1, NULL, 0, 16);
	q_kick(RX1);
	CHECK(!q_take(RX1, &len));
}

TEST(bad_control_messages_are_ignored)
{
	u8 msg[16] = { 0 };
	u32 len;
	unsigned int i;

	tell_device(3, PORT_READY, 1);
	tell_device(0xffffffff, OPEN, 1);
	tell_device(0, RESIZE, 1);	/* the device's to send */
	tell_device(0, 0xffff, 0xffff);
	tell_device(0, READY, 0);
	for (i = 0; i < 8; i++) {
		q_add(CTL_OUT, msg, i, i ? 0 : 4);
		q_kick(CTL_OUT);
	}
	for (i = 0; i < 13; i++)
		CHECK(q_take(CTL_OUT, &len));
	CHECK(device_is_silent());
	CHECK(!(virtio_get_status(rig.vdev) & VIRTIO_S_NEEDS_RESET));
}

TEST(a_control_buffer_too_small_gets_what_fits)
{
	u8 *in;
	u32 len;

	tell_device(0, READY, 1);
	in = q_add(CTL_IN, NULL, 0, 3);
	q_kick(CTL_IN);
	CHECK(q_take(CTL_IN, &len));
	CHECK_EQ(len, 3);
	CHECK_EQ(in[3], 0);
	CHECK(device_tells(1, ADD, 1, "", 0));	/* it was its chance */
}

TEST(without_multiport_the_further_queues_are_dead)
{
	u32 len;

	CHECK(rig_driver(SIZE));
	q_add(CTL_OUT, "\0\0\0\0\0\0\1\0", 8, 0);
	q_kick(CTL_OUT);
	CHECK(!q_take(CTL_OUT, &len));
	q_add(TX1, "x", 1, 0);
	q_kick(TX1);
	CHECK(!q_take(TX1, &len));
	CHECK_EQ(cds[1].len, 0);
	q_add(TX0, "x", 1, 0);
	q_kick(TX0);
	CHECK_EQ(cds[0].len, 1);
	CHECK_EQ(feed(0, "x"), 1);
}

TEST(a_driver_that_refills_for_ever_leaves_the_loop_to_others)
{
	unsigned int before;

	cds[0].refill = true;
	q_add(TX0, "x", 1, 0);
	virtio_queue_kicked(rig.vdev, TX0);
	rig_turns(1);
	before = q_completed(TX0);
	CHECK(before && before <= 64);
	rig_turns(10);
	CHECK(q_completed(TX0) > before);	/* and goes on */
}

static void save(struct state_writer *w)
{
	virtio_dev_stop(rig.vdev);
	state_begin(w, "con", 1);
	virtio_dev_save(rig.vdev, w);
	state_end(w);
}

static int load(const char *p, size_t len)
{
	struct state_reader r;
	u32 version;
	int ret;

	state_reader_init(&r, p, len);
	ret = state_open(&r, "con", 1, &version);
	if (!ret)
		ret = virtio_dev_load(rig.vdev, &r);
	return ret ? ret : state_close(&r);
}

TEST(state_goes_round_in_the_middle_of_everything)
{
	struct state_writer w = { .open = false };
	struct virtio_console_port port[3] = {
		{ .cd = &cds[0], .console = true },
		{ .cd = &cds[1], .name = "org.test.0" },
		{ .cd = &cds[2], .console = true },
	};
	u8 *in;
	u32 len;

	CHECK(introduce());
	CHECK_EQ(feed(1, "waits"), 5);
	cds[2].room = 3;
	q_add(TX2, "half sent", 9, 0);
	q_kick(TX2);
	CHECK_EQ(cds[2].len, 3);
	save(&w);
	virtio_dev_free(rig.vdev);

	cds[1].connected = true;	/* on the new host somebody is there */
	cds[2].room = 100;
	CHECK_EQ(virtio_console_create(&rig.vm, port, 3, NULL), 0);
	CHECK_EQ(load(w.buf.s, w.buf.len), 0);
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	CHECK_EQ(cds[2].len, 9);
	CHECK(!memcmp(cds[2].out, "half sent", 9));
	CHECK_EQ(q_completed(TX2), 1);
	in = q_add(RX1, NULL, 0, 16);
	q_kick(RX1);
	CHECK(q_take(RX1, &len));
	CHECK(!memcmp(in, "waits", 5));
	CHECK(device_tells(1, OPEN, 1, "", 0));
	state_writer_free(&w);
}

TEST(bad_state_is_refused)
{
	struct state_writer w = { .open = false };
	size_t i;

	CHECK(introduce());
	feed(1, "abc");
	save(&w);
	CHECK_EQ(load(w.buf.s, w.buf.len), 0);
	for (i = 0; i < w.buf.len; i += 3)
		CHECK(load(w.buf.s, i) < 0);
	/* Any one byte wrong: refused or taken, but never a crash; this is what the sanitizers are for. */
	for (i = 0; i < w.buf.len; i++) {
		w.buf.s[i] ^= 0x5a;
		load(w.buf.s, w.buf.len);
		virtio_dev_start(rig.vdev);
		rig_turns(4);
		virtio_dev_stop(rig.vdev);
		w.buf.s[i] ^= 0x5a;
	}
	state_writer_free(&w);
}

/* --- creation --- */

TEST(impossible_ports_are_refused)
{
	struct virtio_console_port port[17] = { { .cd = &cds[0] } };
	char name[200];
	struct error err;

	clean();
	CHECK_EQ(virtio_console_create(&rig.vm, port, 17, &err), -EINVAL);
	CHECK_EQ(virtio_console_create(&rig.vm, port, 0, &err), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[121] = 0;
	port[0].name = name;
	CHECK_EQ(virtio_console_create(&rig.vm, port, 1, &err), -EINVAL);
	CHECK(strstr(err.msg, "nnn"));
	name[120] = 0;
	rig.refuse = true;
	CHECK_EQ(virtio_console_create(&rig.vm, port, 1, &err), -ENOSPC);
	CHECK(!cds[0].client);
	rig_down();
}

TEST(a_port_with_nothing_behind_it_swallows_output)
{
	struct virtio_console_port port[2] = { { .console = true }, { .name = "x" } };
	u8 byte = 'x';

	clean();
	CHECK_EQ(virtio_console_create(&rig.vm, port, 2, NULL), 0);
	CHECK(rig_driver(MULTIPORT));
	tell_device(0, READY, 1);
	tell_device(0, PORT_READY, 1);
	CHECK(device_tells(0, ADD, 1, "", 0));
	CHECK(device_tells(0, CONSOLE, 1, "", 0));
	CHECK(device_tells(1, ADD, 1, "", 0));
	CHECK(device_is_silent());
	q_add(TX0, "x", 1, 0);
	q_kick(TX0);
	CHECK_EQ(q_completed(TX0), 1);
	virtio_config_write(rig.vdev, 8, &byte, 1);
	rig_down();
}

TEST(freeing_takes_the_client_away)
{
	setup_multi();
	CHECK(cds[2].client);
	rig_down();
	CHECK(!cds[0].client && !cds[1].client && !cds[2].client);
}

static void with(const char *name, void (*set)(void), void (*fn)(void))
{
	set();
	tap_run(name, fn);
	rig_down();
}
#define RUN_ONE(name) with(#name, setup_single, name)
#define RUN_MULTI(name) with(#name, setup_multi, name)

int main(void)
{
	RUN_ONE(output_reaches_the_back_end);
	RUN_ONE(bytes_are_counted);
	RUN_ONE(input_reaches_the_driver);
	RUN_ONE(input_waits_for_buffers_and_is_bounded);
	RUN_ONE(a_slow_back_end_holds_the_chain);
	RUN_ONE(pieces_of_a_chain_go_out_in_order);
	RUN_ONE(a_pause_in_the_middle_of_a_chain_repeats_nothing);
	RUN_ONE(a_reset_forgets_the_held_chain);
	RUN_ONE(a_queue_reset_forgets_the_held_chain);
	RUN_ONE(input_before_the_driver_is_held_back);
	RUN_ONE(config_tells_size_and_ports);
	RUN_ONE(a_new_size_interrupts_for_config);
	RUN_ONE(emergency_write_needs_no_queues);
	RUN_ONE(empty_and_misdirected_chains_are_completed);
	RUN_ONE(a_broken_ring_breaks_the_device_until_reset);
	RUN_ONE(single_port_has_no_control_queues);
	RUN_MULTI(ports_are_introduced_in_the_order_of_the_protocol);
	RUN_MULTI(what_waits_for_control_buffers_is_bounded_and_current);
	RUN_MULTI(each_port_has_its_own_queues);
	RUN_MULTI(the_other_end_opening_and_closing_is_told);
	RUN_MULTI(a_resize_is_told_by_control_message);
	RUN_MULTI(a_port_the_driver_has_not_open_takes_no_input);
	RUN_MULTI(bad_control_messages_are_ignored);
	RUN_MULTI(a_control_buffer_too_small_gets_what_fits);
	RUN_MULTI(without_multiport_the_further_queues_are_dead);
	RUN_MULTI(a_driver_that_refills_for_ever_leaves_the_loop_to_others);
	RUN_MULTI(state_goes_round_in_the_middle_of_everything);
	RUN_MULTI(bad_state_is_refused);
	RUN(impossible_ports_are_refused);
	RUN(a_port_with_nothing_behind_it_swallows_output);
	RUN(freeing_takes_the_client_away);
	return tap_done();
}
