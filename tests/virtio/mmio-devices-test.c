/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every device in a slot of virtio-mmio, modern and legacy, driven through its registers alone; behind them back ends that are memory.
 *
 * links: virtio/blk.c virtio/blk-request.c virtio/console.c virtio/console-control.c virtio/rng.c virtio/balloon.c virtio/balloon-pages.c
 * links: virtio/balloon-stats.c virtio/net.c virtio/net-features.c virtio/net-rx.c virtio/net-tx.c virtio/net-ctrl.c virtio/net-filter.c
 * links: virtio/net-vhost.c virtio/vhost.c
 * links: util/iov.c util/json.c virtio/mmio.c virtio/pci.c virtio/pci-modern.c virtio/pci-legacy.c virtio/core.c virtio/ring.c
 * links: virtio/ring-split.c virtio/ring-packed.c
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c device.c memory.c state.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/virtio/mmio-rig.h"
#include "tests/virtio/net-fake.h"
#include "virtio/blk.h"
#include "vmm/chardev.h"

static struct vm *vm;
static struct mdev dev;

/* --- a disk that completes when the loop turns --- */

enum { DISK_SIZE = 64 * 512 };

struct disk {
	struct event_loop *loop;
	void (*batch_done)(void *arg);
	void *arg;
	struct event_work work;
	struct disk_req *held;
	u8 platter[DISK_SIZE];
};

static struct disk disk;

u64 disk_size(const struct disk *d) { return DISK_SIZE; }
u32 disk_block_size(const struct disk *d) { return 512; }
u32 disk_physical_block_size(const struct disk *d) { return 512; }
bool disk_readonly(const struct disk *d) { return false; }
bool disk_can_discard(const struct disk *d) { return false; }
bool disk_can_write_zeroes(const struct disk *d) { return false; }
const char *disk_path(const struct disk *d) { return "fake"; }
void disk_serial(const struct disk *d, char serial[20]) { memcpy(serial, "serial-0123456789ab!", 20); }
void disk_close(struct disk *d) { }
int disk_prepare(struct disk *d, struct error *err) { return 0; }

static void disk_turn(struct event_work *w)
{
	struct disk_req *req;

	while ((req = disk.held)) {
		disk.held = req->next;
		if (req->op == DISK_READ)
			req->done_len = iov_from_buf(req->iov, req->iovcnt, 0, disk.platter + req->off, req->len);
		if (req->op == DISK_WRITE)
			iov_to_buf(req->iov, req->iovcnt, 0, disk.platter + req->off, req->len);
		req->done(req, 0);
	}
	disk.batch_done(disk.arg);
}

int disk_attach(struct disk *d, struct event_loop *loop, void (*batch_done)(void *arg), void *arg)
{
	d->loop = loop;
	d->batch_done = batch_done;
	d->arg = arg;
	return 0;
}

void disk_detach(struct disk *d) { event_work_cancel(d->loop, &d->work); }
void disk_drain(struct disk *d) { disk_turn(NULL); }
void disk_commit(struct disk *d) { event_post(d->loop, &d->work, disk_turn); }

void disk_submit(struct disk *d, struct disk_req *req)
{
	req->next = d->held;
	d->held = req;
}

/* --- a terminal --- */

struct chardev {
	struct chardev_client *client;
	char out[64];
	size_t len;
};

static struct chardev terminal;

size_t chardev_write(struct chardev *cd, const u8 *buf, size_t len)
{
	len = MIN(len, sizeof(cd->out) - cd->len);
	memcpy(cd->out + cd->len, buf, len);
	cd->len += len;
	return len;
}

void chardev_set_client(struct chardev *cd, struct chardev_client *client) { cd->client = client; }
void chardev_resume_input(struct chardev *cd) { }
bool chardev_connected(struct chardev *cd) { return true; }
bool chardev_size(struct chardev *cd, u16 *cols, u16 *rows) { return false; }

/* --- the VM: all of them --- */

static struct virtio_dev *vdev_of(unsigned int n)
{
	return container_of(device_find(vm, DEV_VIRTIO_MMIO, n), struct virtio_mmio, dev)->vdev;
}

static void setup(enum virtio_transport_kind kind)
{
	struct virtio_console_port port = { .cd = &terminal, .console = true };
	struct net_config cfg = nic_config();

	vm = rig_pci_vm(kind, false);
	vm->mem.host_page = 4096;
	memset(&disk, 0, sizeof(disk));
	memset(&terminal, 0, sizeof(terminal));
	fake_init(0, 1);
	if (virtio_blk_create(vm, &disk, 1, false, NULL) < 0 || virtio_net_create(vm, &fake, &cfg, 0, NULL) < 0 ||
	    virtio_console_create(vm, &port, 1, NULL) < 0 || virtio_rng_create(vm, NULL) < 0 || virtio_balloon_create(vm, NULL) < 0)
		abort();
	/* One thread. */
	to_blk(vdev_of(0))->loop = to_net(vdev_of(1))->loop = vm->loop;
	devices_start(vm);
}

static void teardown(void)
{
	devices_stop(vm);
	to_blk(vdev_of(0))->loop = NULL;
	to_net(vdev_of(1))->loop = NULL;
	rig_pci_vm_free(vm);
}

static void run_on(const char *name, void (*fn)(void), enum virtio_transport_kind kind)
{
	setup(kind);
	tap_run(name, fn);
	teardown();
}
#define RUN_BOTH(name)                                                                                                          \
	do {                                                                                                                    \
		run_on(#name, name, VIRTIO_MMIO_MODERN);                                                                        \
		run_on(#name "_legacy", name, VIRTIO_MMIO_LEGACY);                                                              \
	} while (0)

/* Gives the status byte. */
static unsigned int request(u32 type, u64 sector, gpa_t data, u32 len)
{
	gpa_t head = m_data(&dev, 0) + 0x8000, status = head + 0x100;
	struct drv *q = &dev.q[0];
	u16 before = drv_used(q);

	put_le32(at(vm, head), type);
	put_le32(at(vm, head + 4), 0);
	put_le64(at(vm, head + 8), sector);
	*(u8 *)at(vm, status) = 0xff;
	if (type == BLK_T_OUT) {	/* any layout: header and data in one piece */
		memmove(at(vm, head + 16), at(vm, data), len);
		m_add(&dev, 0, head, 16 + len, status, 1);
	} else {
		m_add(&dev, 0, head, 16, data, len + 1);
		status = data + len;
	}
	m_kick(&dev, 0);
	return drv_used(q) == (u16)(before + 1) ? *(u8 *)at(vm, status) : 0x100;
}

TEST(each_device_is_in_a_slot_of_its_own)
{
	static const u32 ids[] = { VIRTIO_ID_BLOCK, VIRTIO_ID_NET, VIRTIO_ID_CONSOLE, VIRTIO_ID_RNG, VIRTIO_ID_BALLOON };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		CHECK(m_find(vm, ids[i], &dev));
		CHECK_EQ(dev.gsi, RIG_SLOT_GSI + i);
	}
}

TEST(blk_writes_flushes_and_reads)
{
	gpa_t data;

	CHECK(m_find(vm, VIRTIO_ID_BLOCK, &dev));
	CHECK(m_start(&dev, ~0ULL & ~BIT_ULL(VIRTIO_F_EVENT_IDX), 1, 0));
	CHECK_EQ(rig_read(vm, IO_MMIO, dev.base + M_CONFIG, 8), DISK_SIZE / 512);
	data = m_data(&dev, 0);
	memset(at(vm, data), 0x5a, 1024);
	CHECK_EQ(request(BLK_T_OUT, 3, data, 1024), 0);
	CHECK(m_interrupted(&dev));
	CHECK_EQ(disk.platter[3 * 512], 0x5a);
	CHECK_EQ(disk.platter[5 * 512 - 1], 0x5a);
	CHECK_EQ(disk.platter[5 * 512], 0);
	CHECK_EQ(request(BLK_T_FLUSH, 0, data, 0), 0);
	CHECK_EQ(request(BLK_T_IN, 4, data, 1024), 0);
	CHECK(m_interrupted(&dev));
	CHECK_EQ(*(u8 *)at(vm, data + 511), 0x5a);
	CHECK_EQ(*(u8 *)at(vm, data + 512), 0);
	CHECK_EQ(request(BLK_T_IN, 64, data, 512), 1);	/* beyond the end */
}

TEST(net_sends_and_receives)
{
	const unsigned int header = m_find(vm, VIRTIO_ID_NET, &dev) && m_rd(&dev, M_VERSION) == 1 ? 10 : 12;
	gpa_t tx, rx;
	unsigned int i;

	CHECK(m_start(&dev, BIT_ULL(NET_F_MAC), 2, 0));
	for (i = 0; i < NET_MAC_LEN; i++)
		CHECK_EQ(rig_read(vm, IO_MMIO, dev.base + M_CONFIG + i, 1), own_mac[i]);
	CHECK_EQ(fake.header, header);
	tx = m_data(&dev, 1);
	memset(at(vm, tx), 0, header);
	memset(at(vm, tx + header), 0x77, 60);
	m_add(&dev, 1, tx, header + 60, 0, 0);
	m_kick(&dev, 1);
	CHECK_EQ(fake.out[0].cnt, 1);
	CHECK_EQ(fake.out[0].frame[0].len, header + 60);
	CHECK_EQ(fake.out[0].frame[0].data[header + 59], 0x77);
	CHECK_EQ(drv_used(&dev.q[1]), 1);
	CHECK(m_interrupted(&dev));
	rx = m_data(&dev, 0);
	m_add(&dev, 0, 0, 0, rx, 2048);
	m_kick(&dev, 0);
	CHECK_EQ(drv_used(&dev.q[0]), 0);
	fake_frame(0, 100);
	m_turns(vm);
	CHECK_EQ(drv_used(&dev.q[0]), 1);
	CHECK_EQ(get_le32(at(vm, dev.q[0].used + 8)), header + 100);
	CHECK(frame_is(at(vm, rx + header), 100));
	CHECK(m_interrupted(&dev));
}

TEST(console_carries_both_ways)
{
	gpa_t in, out;

	CHECK(m_find(vm, VIRTIO_ID_CONSOLE, &dev));
	CHECK(m_start(&dev, 0, 2, 0));
	in = m_data(&dev, 0);
	out = m_data(&dev, 1);
	memcpy(at(vm, out), "hello", 5);
	m_add(&dev, 1, out, 5, 0, 0);
	m_kick(&dev, 1);
	CHECK_EQ(terminal.len, 5);
	CHECK(!memcmp(terminal.out, "hello", 5));
	CHECK(m_interrupted(&dev));
	m_add(&dev, 0, 0, 0, in, 64);
	m_kick(&dev, 0);
	CHECK_EQ(terminal.client->receive(terminal.client, (const u8 *)"yes", 3), 3);
	m_turns(vm);
	CHECK_EQ(drv_used(&dev.q[0]), 1);
	CHECK(!memcmp(at(vm, in), "yes", 3));
	CHECK(m_interrupted(&dev));
}

TEST(rng_gives_bytes)
{
	unsigned int i, zeroes = 0;
	gpa_t in;

	CHECK(m_find(vm, VIRTIO_ID_RNG, &dev));
	CHECK(m_start(&dev, 0, 1, 0));
	in = m_data(&dev, 0);
	m_add(&dev, 0, 0, 0, in, 64);
	m_kick(&dev, 0);
	CHECK_EQ(drv_used(&dev.q[0]), 1);
	for (i = 0; i < 64; i++)
		zeroes += !*(u8 *)at(vm, in + i);
	CHECK(zeroes < 32);
	CHECK(m_interrupted(&dev));
}

TEST(balloon_gives_pages_back)
{
	gpa_t page = RAM_BASE + RAM_SIZE - 4096;
	u8 *p = at(vm, page);
	u32 isr;

	CHECK(m_find(vm, VIRTIO_ID_BALLOON, &dev));
	CHECK(m_start(&dev, 0, 2, 0));
	CHECK_EQ(balloon_set_target(vm, 4096), 0);
	m_turns(vm);
	isr = m_rd(&dev, M_ISR);
	CHECK_EQ(isr, 2);
	m_wr(&dev, M_ACK, isr);
	CHECK_EQ(m_rd(&dev, M_CONFIG), 1);
	memset(p, 0x5a, 4096);
	put_le32(at(vm, m_data(&dev, 0)), (u32)(page / 4096));
	m_add(&dev, 0, m_data(&dev, 0), 4, 0, 0);
	m_kick(&dev, 0);
	CHECK_EQ(drv_used(&dev.q[0]), 1);
	CHECK(m_interrupted(&dev));
	CHECK(!p[0] && !memcmp(p, p + 1, 4095));
	m_wr(&dev, M_CONFIG + 4, 1);
	CHECK_EQ(m_rd(&dev, M_CONFIG + 4), 1);
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_BOTH(each_device_is_in_a_slot_of_its_own);
	RUN_BOTH(blk_writes_flushes_and_reads);
	RUN_BOTH(net_sends_and_receives);
	RUN_BOTH(console_carries_both_ways);
	RUN_BOTH(rng_gives_bytes);
	RUN_BOTH(balloon_gives_pages_back);
	return tap_done();
}
