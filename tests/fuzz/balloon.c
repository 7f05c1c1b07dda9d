/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hostile driver of the balloon: libFuzzer writes its lists and its config space, offers chains on every queue, resets queues and device,
 * while the user changes targets, asks for statistics, stops, starts, saves and loads.
 *
 * After each input nothing may be in flight once the device is stopped, guest memory outside of what was named is as it was, and the
 * device comes back by a reset and serves one list.
 *
 * links: util/iov.c virtio/balloon.c virtio/balloon-pages.c virtio/balloon-stats.c util/json.c virtio/core.c virtio/ring.c virtio/ring-split.c
 * links: virtio/ring-packed.c memory.c state.c event.c util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include "tests/fuzz/input.h"
#include "tests/virtio/rig.h"
#include "util/json.h"
#include "virtio/balloon.h"
#include "vmm/virtio.h"

enum { SAFE = RAM_BASE + 0x100000, SAFE_PFN = SAFE >> 12, F_ALL = 0x36 };

static bool damaged;	/* a state that was not ours to trust went in: rings may lie anywhere since */

/* Page numbers near RAM's ends, or any; never the one page that must stay. */
static u32 pfn(struct input *in)
{
	u32 v = (u32)take(in, 1);

	v = v & 0x80 ? (RAM_BASE + RAM_SIZE) / 4096 - 64 + (v & 0x7f) : v & 0x40 ? (u32)take(in, 4) : RAM_BULK / 4096 + v;
	return v == SAFE_PFN ? 0 : v;
}

static void offer(struct input *in, unsigned int queue)
{
	gpa_t at = q_base(queue) + 0x8000;
	unsigned int i, nr = (unsigned int)take(in, 1) & 31, kind = (unsigned int)take(in, 1);

	if (rig.q[queue].avail - q_completed(queue) >= Q_SIZE)
		return;
	if (kind & 1) {		/* a range for reporting, aligned or not, beyond RAM's end at times */
		gpa_t gpa = RAM_BULK + (take(in, 4) & 0xffffff);

		q_add_at(queue, 0, 0, gpa, (u32)take(in, 3));
		return;
	}
	for (i = 0; i < nr; i++)
		put_le32(ram(at + 4 * i), kind & 2 ? (u32)take(in, 4) : pfn(in));
	for (i = 0; (kind & 2) && i < nr; i++)
		if (get_le32(ram(at + 4 * i)) == SAFE_PFN)
			put_le32(ram(at + 4 * i), 0);
	q_add_at(queue, at, 4 * nr + (kind >> 4 & 3), at, kind & 4 ? 8 : 0);
}

/* What was saved, perhaps damaged, goes in again. */
static void save_and_load(struct input *in, bool damage)
{
	struct state_writer w = { .open = false };
	struct state_reader r;
	u32 version;

	virtio_dev_stop(rig.vdev);
	state_begin(&w, "balloon", 1);
	virtio_dev_save(rig.vdev, &w);
	state_end(&w);
	damaged |= damage;
	if (damage)
		w.buf.s[take(in, 2) % w.buf.len] ^= (char)take(in, 1);
	state_reader_init(&r, w.buf.s, w.buf.len);
	if (!state_open(&r, "balloon", 1, &version))
		(void)virtio_dev_load(rig.vdev, &r);
	state_writer_free(&w);
	virtio_dev_start(rig.vdev);
}

static void report(bool refresh)
{
	struct strbuf b = { 0 };

	json_begin(&b, NULL);
	if (balloon_report(&rig.vm, refresh, &b) < 0)
		abort();
	virtio_dev_stats(rig.vdev, &b);
	json_end(&b);
	strbuf_free(&b);
}

static void step(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1), queue = (op >> 4) % BALLOON_QUEUES;
	u64 v;

	switch (op & 15) {
	case 0: case 1: case 2:
		offer(in, queue);
		break;
	case 3:
		virtio_queue_kicked(rig.vdev, queue);
		break;
	case 4:
		v = take(in, 8);
		virtio_config_write(rig.vdev, (unsigned int)take(in, 1), &v, 1U << (op >> 4 & 3));
		break;
	case 5:
		virtio_config_read(rig.vdev, op >> 4, &v, 8);
		break;
	case 6:
		(void)balloon_set_target(&rig.vm, take(in, 3) << 4);
		break;
	case 7:
		report(op & 0x10);
		break;
	case 8:
		virtio_dev_stop(rig.vdev);
		if (op & 0x10)
			rig_turns(1);
		virtio_dev_start(rig.vdev);
		break;
	case 9:
		virtio_queue_set_reset(rig.vdev, queue);
		if (op & 0x80)
			q_enable(queue);
		break;
	case 10:
		(void)rig_driver((take(in, 1) & F_ALL) | (op & 0x10 ? BIT_ULL(VIRTIO_F_RING_RESET) : 0));
		break;
	case 11:
		save_and_load(in, op & 0x10);
		break;
	case 12:
		op & 0x10 ? guest_mem_pin(&rig.vm.mem) : rig.vm.mem.pins ? guest_mem_unpin(&rig.vm.mem) : (void)0;
		break;
	case 13:
		q_publish(queue, (u16)take(in, 2));
		break;
	default:
		rig_turns(1);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { .p = data, .left = size };
	unsigned int i;
	u32 len;

	log_set_level(LOG_ERROR);
	damaged = false;
	rig_up();
	rig.vm.mem.host_page = 4096;
	if (virtio_balloon_create(&rig.vm, NULL) < 0 || !rig_driver(F_ALL))
		abort();
	memset(ram(SAFE), 0x77, 4096);
	for (i = 0; i < 200 && in.left; i++)
		step(&in);

	virtio_dev_stop(rig.vdev);
	for (i = 0; i < BALLOON_QUEUES; i++)
		if (virtio_queue(rig.vdev, i)->inflight_cnt)
			abort();
	for (i = 0; i < 4096; i++)
		if (!damaged && ((u8 *)ram(SAFE))[i] != 0x77)
			abort();
	virtio_dev_start(rig.vdev);
	if (!rig_driver(F_ALL))
		abort();
	put_le32(ram(q_base(0) + 0x8000), RAM_BULK / 4096);
	q_add_at(0, q_base(0) + 0x8000, 4, 0, 0);
	q_kick(0);
	if (!q_take(0, &len))
		abort();
	rig_down();
	return 0;
}
