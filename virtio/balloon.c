// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traditional memory balloon [virtio-1.2 5.5]: the guest is asked to give memory back (inflate) and gets it again (deflate), may do
 * the latter by itself before it runs out of memory, tells what it knows of its memory, and reports pages that are free now.
 *
 * Features that are not offered:
 * - MUST_TELL_HOST. What is given back is discarded before the inflate request is acknowledged, and never looked at later; a
 *   page that the guest touches again is there, zeroed, whether we were told or not. So nobody has to wait for us.
 * - FREE_PAGE_HINT. Hints only say which pages a migration may skip.
 * PAGE_POISON is offered because it tells what a guest expects to find in its free pages: reported ones that must hold
 * something other than zeroes are left alone. [5.5.6.7]
 *
 * Queues [5.5.2] are 0 inflate, 1 deflate, 2 statistics, 3 hints, 4 reporting, each as far as its feature was negotiated. Drivers of
 * Linux number those that they use without gaps, so that reporting is 3 for them, or 2 without statistics. As a number whose own
 * feature is missing has no other meaning, all of these are taken as reporting.
 *
 * Host memory in pages larger than 4 KiB (hugetlbfs) goes back when one request covers a whole page of it: reporting does so, as Linux
 * reports 2 MiB and more at a time; inflation by single pages hardly ever does.
 *
 * Memory that a host's device has mapped is pinned (vmm/memory.h): requests are acknowledged then, and nothing is discarded.
 *
 * Threads: handlers run on the main loop, in portions that are bounded (balloon-pages.c); config space is read and written on
 * vCPU threads; what control commands call runs on the main thread. The target outlives a reset by the guest.
 */
#include "virtio/balloon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "vmm/state.h"
#include "vmm/virtio.h"

enum { C_NUM_PAGES = 0, C_ACTUAL = 4, C_POISON = 12, C_SIZE = 16 };	/* [5.5.4] */

enum balloon_role balloon_role(const struct virtio_dev *vdev, unsigned int queue)
{
	if (queue == 0)
		return BALLOON_INFLATE;
	if (queue == 1)
		return BALLOON_DEFLATE;
	if (queue == 2 && virtio_has(vdev, BALLOON_F_STATS_VQ))
		return BALLOON_STATISTICS;
	return virtio_has(vdev, BALLOON_F_REPORTING) ? BALLOON_REPORT : BALLOON_NO_QUEUE;
}

static void balloon_notify(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_balloon *b = to_balloon(vdev);

	switch (balloon_role(vdev, queue)) {
	case BALLOON_INFLATE:
		balloon_inflate_notify(b, queue);
		break;
	case BALLOON_DEFLATE:
		balloon_deflate_notify(b, queue);
		break;
	case BALLOON_STATISTICS:
		balloon_stats_notify(b, queue);
		break;
	case BALLOON_REPORT:
		balloon_report_notify(b, queue);
		break;
	case BALLOON_NO_QUEUE:
		log_ratelimited(&b->rate, LOG_DEBUG, vdev->name, "queue %u used, which needs a feature that was not accepted", queue);
		break;
	}
}

/* --- config space; always little-endian, legacy too [5.5.4] --- */

static void balloon_config_read(struct virtio_dev *vdev, unsigned int off, void *buf, unsigned int len)
{
	struct virtio_balloon *b = to_balloon(vdev);
	u8 now[C_SIZE] = { 0 };

	pthread_mutex_lock(&b->lock);
	put_le32(now + C_NUM_PAGES, b->num_pages);
	put_le32(now + C_ACTUAL, b->actual);
	put_le32(now + C_POISON, b->poison);
	pthread_mutex_unlock(&b->lock);
	memcpy(buf, now + off, len);
}

/* A field counts from when its last byte was written: drivers have been seen to write single ones, from the lowest up [5.5.6.2.1]. */
static bool field_written(const struct virtio_balloon *b, unsigned int field, unsigned int off, unsigned int len, u32 *ret)
{
	if (off >= field + 4 || off + len < field + 4)
		return false;
	*ret = get_le32(b->config + field);
	return true;
}

static void balloon_config_write(struct virtio_dev *vdev, unsigned int off, const void *buf, unsigned int len)
{
	struct virtio_balloon *b = to_balloon(vdev);

	pthread_mutex_lock(&b->lock);
	memcpy(b->config + off, buf, len);
	field_written(b, C_ACTUAL, off, len, &b->actual);
	if (virtio_has(vdev, BALLOON_F_PAGE_POISON))
		field_written(b, C_POISON, off, len, &b->poison);
	pthread_mutex_unlock(&b->lock);
}

/* --- running --- */

static int balloon_start(struct virtio_dev *vdev)
{
	struct virtio_balloon *b = to_balloon(vdev);

	pthread_mutex_lock(&b->lock);
	b->running = true;
	if (b->untold)
		virtio_config_changed(vdev);
	b->untold = false;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

/* A job that is begun anew after this does no harm: until it is acknowledged its pages are the device's. */
static void put_back(struct virtio_balloon *b, unsigned int queue)
{
	struct balloon_job *j = &b->job[queue];

	if (j->active)
		virtq_unpop(virtio_queue(&b->vdev, queue), &j->c);
	j->active = false;
}

static void balloon_stop(struct virtio_dev *vdev)
{
	struct virtio_balloon *b = to_balloon(vdev);
	unsigned int i;

	for (i = 0; i < BALLOON_QUEUES; i++)
		put_back(b, i);
	pthread_mutex_lock(&b->lock);
	b->running = false;
	pthread_mutex_unlock(&b->lock);
}

/* The next buffer of statistics will be the driver's first: what drivers put into that was uninitialised in old times [5.5.6.3.3]. */
static void forget_buffer_locked(struct virtio_balloon *b)
{
	b->stats_old = b->vdev.legacy;
}

static void balloon_queue_stop(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_balloon *b = to_balloon(vdev);

	put_back(b, queue);
	if (balloon_role(vdev, queue) != BALLOON_STATISTICS)
		return;
	pthread_mutex_lock(&b->lock);
	forget_buffer_locked(b);
	pthread_mutex_unlock(&b->lock);
}

static void balloon_reset(struct virtio_dev *vdev)
{
	struct virtio_balloon *b = to_balloon(vdev);

	pthread_mutex_lock(&b->lock);
	memset(b->config, 0, sizeof(b->config));
	b->actual = b->poison = 0;
	b->untold = b->refresh = false;
	b->stats_present = 0;
	b->stats_seq = 0;
	forget_buffer_locked(b);
	pthread_mutex_unlock(&b->lock);
}

/* --- state --- */

static void balloon_save(struct virtio_dev *vdev, struct state_writer *w)
{
	struct virtio_balloon *b = to_balloon(vdev);

	pthread_mutex_lock(&b->lock);
	state_put_u32(w, b->num_pages);
	state_put_u32(w, b->actual);
	state_put_u32(w, b->poison);
	pthread_mutex_unlock(&b->lock);
}

static u32 most_pages(const struct virtio_balloon *b)
{
	return (u32)MIN(guest_ram_size(&b->vdev.vm->mem) >> BALLOON_PFN_SHIFT, (u64)UINT32_MAX);
}

static int balloon_load(struct virtio_dev *vdev, struct state_reader *r)
{
	struct virtio_balloon *b = to_balloon(vdev);
	u32 num_pages = state_get_u32_max(r, most_pages(b)), actual = state_get_u32(r), poison = state_get_u32(r);

	if (r->error)
		return r->error;
	pthread_mutex_lock(&b->lock);
	b->num_pages = num_pages;
	b->actual = actual;
	b->poison = poison;
	/* The buffer that waits in the ring tells of the time before: have it sent round once. */
	b->stats_old = b->refresh = true;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

static void balloon_counters(struct virtio_dev *vdev, struct strbuf *s)
{
	struct virtio_balloon *b = to_balloon(vdev);

	pthread_mutex_lock(&b->lock);
	json_u64(s, "target", balloon_bytes(b->num_pages));
	json_u64(s, "actual", balloon_bytes(b->actual));
	pthread_mutex_unlock(&b->lock);
	json_u64(s, "inflated", balloon_bytes(b->inflated));
	json_u64(s, "deflated", balloon_bytes(b->deflated));
	json_u64(s, "ignored", balloon_bytes(b->ignored));
	json_u64(s, "reported", b->reported_bytes);
	json_u64(s, "discarded", b->discarded_bytes);
}

/* --- what the user asks --- */

int balloon_set_target(struct vm *vm, u64 bytes)
{
	struct virtio_balloon *b = vm->balloon;

	if (!b)
		return -ENODEV;
	if (bytes >> BALLOON_PFN_SHIFT > most_pages(b))
		return -ERANGE;
	/* Under our lock, so that no interrupt comes once stop has returned. */
	pthread_mutex_lock(&b->lock);
	if (b->num_pages != bytes >> BALLOON_PFN_SHIFT) {
		b->num_pages = (u32)(bytes >> BALLOON_PFN_SHIFT);
		b->untold = !b->running;
		if (b->running)
			virtio_config_changed(&b->vdev);
	}
	pthread_mutex_unlock(&b->lock);
	return 0;
}

int balloon_get_target(struct vm *vm, u64 *ret_bytes)
{
	struct virtio_balloon *b = vm->balloon;

	if (!b)
		return -ENODEV;
	pthread_mutex_lock(&b->lock);
	*ret_bytes = balloon_bytes(b->num_pages);
	pthread_mutex_unlock(&b->lock);
	return 0;
}

int balloon_report(struct vm *vm, bool refresh, struct strbuf *s)
{
	struct virtio_balloon *b = vm->balloon;

	if (!b)
		return -ENODEV;
	pthread_mutex_lock(&b->lock);
	json_u64(s, "target", balloon_bytes(b->num_pages));
	json_u64(s, "actual", balloon_bytes(b->actual));
	json_bool(s, "driver", atomic_load(&b->vdev.status) & VIRTIO_S_DRIVER_OK);
	json_bool(s, "pinned", vm->mem.pins);
	balloon_stats_json(b, s);
	b->refresh |= refresh;
	pthread_mutex_unlock(&b->lock);
	if (refresh)
		virtio_queue_kick(&b->vdev, BALLOON_STATS_QUEUE);	/* the handler sees to it; while the device is stopped, when it starts */
	return 0;
}

/* --- creation --- */

static void balloon_free(struct virtio_dev *vdev)
{
	struct virtio_balloon *b = to_balloon(vdev);

	vdev->vm->balloon = NULL;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static const struct virtio_ops balloon_ops = {
	.id = VIRTIO_ID_BALLOON,
	.pci_class = 0xff0000,
	.legacy_pci_id = 0x1002,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.start = balloon_start,
	.stop = balloon_stop,
	.queue_stop = balloon_queue_stop,
	.queue_notify = balloon_notify,
	.reset = balloon_reset,
	.save = balloon_save,
	.load = balloon_load,
	.free = balloon_free,
	.stats = balloon_counters,
};

int virtio_balloon_create(struct vm *vm, struct error *err)
{
	static const u16 sizes[BALLOON_QUEUES] = {
		BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE, BALLOON_QUEUE_SIZE,
	};
	static const struct virtio_init init = {
		.ops = &balloon_ops,
		.features = BIT_ULL(BALLOON_F_STATS_VQ) | BIT_ULL(BALLOON_F_DEFLATE_ON_OOM) | BIT_ULL(BALLOON_F_PAGE_POISON) |
			    BIT_ULL(BALLOON_F_REPORTING),
		.config_size = C_SIZE,
		.nr_queues = BALLOON_QUEUES,
		.queue_sizes = sizes,
		.in_order_ok = true,
		.kind = "balloon",
	};
	struct virtio_balloon *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return error_set_errno(err, -ENOMEM, "virtio-balloon");
	pthread_mutex_init(&b->lock, NULL);
	r = virtio_dev_create(vm, &b->vdev, &init, err);
	if (r < 0) {
		pthread_mutex_destroy(&b->lock);
		free(b);
		return r;
	}
	forget_buffer_locked(b);	/* no guest runs yet */
	vm->balloon = b;
	return 0;
}
