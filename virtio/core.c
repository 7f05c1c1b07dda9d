/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is the same for every virtio device and transport: feature negotiation, the status machine, queue
 * registers, config space bounds, start, stop, reset, state. [virtio-1.2 2, 3]
 *
 * Left out: NOTIFICATION_DATA and NOTIF_CONFIG_DATA (a kick's payload tells nothing that the ring does not), shared
 * memory regions, ACCESS_PLATFORM (there is no IOMMU), the admin queue.
 *
 * Invariants:
 * 1. A queue is enabled exactly while its struct virtq is; its registers are frozen for that time.
 * 2. A kick source is on a loop only while vdev->running. Queues are enabled and disabled, and features accepted, under
 *    vdev->lock with all of them off. So what a handler reads does not change under it.
 * 3. Queue handlers never take vdev->lock. That is why event_del() may wait for a running handler with the lock held, and
 *    why a guest's reset, which does so on a vCPU's thread, cannot deadlock with the loop's thread: what a handler calls
 *    here (virtio_queue_interrupt, virtio_queue_kick, virtio_needs_reset, virtio_config_changed) works on
 *    atomics and takes only leaf locks of the transport. The wait is bounded by one handler's run and the device's own stop.
 * 4. status gains bits by atomic OR from any thread, and returns to 0 only when handlers are out and the device stopped. A late
 *    virtio_needs_reset() for a driver that is gone finds 0 and does nothing.
 *
 * Threads: transports call on vCPU threads; create, start, stop, reset, save, load and free come on the main thread;
 * kick handlers run on vdev->loop.
 */
#include "virtio/virtio.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/json.h"
#include "vmm/state.h"

#define ALL_STATUS                                                                                                  \
	(VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK | VIRTIO_S_DRIVER_OK | VIRTIO_S_NEEDS_RESET |   \
	 VIRTIO_S_FAILED)

#define refuse(vdev, ...) log_ratelimited(&(vdev)->debug_rate, LOG_DEBUG, (vdev)->name, __VA_ARGS__)

static void queue_defaults(struct virtio_queue *q)
{
	q->size = q->max_size;
	q->desc = q->driver = q->device = 0;
	atomic_store(&q->vector, VIRTIO_NO_VECTOR);
}

/* --- callable from any thread --- */

void virtio_needs_reset(struct virtio_dev *vdev, const char *why)
{
	u8 status = atomic_load(&vdev->status);

	do {
		if (!status || (status & VIRTIO_S_NEEDS_RESET))
			return;	/* (inv. 4), or told already */
	} while (!atomic_compare_exchange_weak(&vdev->status, &status, (u8)(status | VIRTIO_S_NEEDS_RESET)));
	log_ratelimited(&vdev->rate, LOG_WARNING, vdev->name, "needs a reset by its driver: %s", why);
	if (status & VIRTIO_S_DRIVER_OK)	/* [virtio-1.2 2.1.2] */
		vdev->tops->config_interrupt(vdev);
}

static void queue_broke(struct virtq *vq, const char *why)
{
	struct virtio_queue *q = container_of(vq, struct virtio_queue, vq);
	char text[160];

	snprintf(text, sizeof(text), "queue %u: %s", q->index, why);
	virtio_needs_reset(q->vdev, text);
}

void virtio_queue_interrupt(struct virtio_dev *vdev, unsigned int queue)
{
	if (!virtq_should_interrupt(&vdev->queue[queue].vq))
		return;
	counter_add(&vdev->queue[queue].interrupts, 1);
	vdev->tops->queue_interrupt(vdev, queue);
}

void virtio_config_changed(struct virtio_dev *vdev)
{
	if (atomic_load(&vdev->status) & VIRTIO_S_DRIVER_OK)
		vdev->tops->config_interrupt(vdev);
}

struct virtq *virtio_queue(struct virtio_dev *vdev, unsigned int queue)
{
	return &vdev->queue[queue].vq;
}

void virtio_queue_kick(struct virtio_dev *vdev, unsigned int queue)
{
	int fd = atomic_load(&vdev->queue[queue].kick_fd);

	if (fd >= 0)
		eventfd_signal(fd);
}

struct virtio_queue *virtio_queue_get(struct virtio_dev *vdev, u32 queue)
{
	return queue < vdev->nr_queues ? &vdev->queue[queue] : NULL;
}

/* --- running: vdev->lock held --- */

/* Loop's thread. Any number of kicks since the last run are one. */
static void kicked(struct event_source *src, u32 events)
{
	struct virtio_queue *q = container_of(src, struct virtio_queue, kick);

	eventfd_drain(src->fd);
	counter_add(&q->kicks, 1);
	if (!(atomic_load(&q->vdev->status) & VIRTIO_S_NEEDS_RESET))
		q->vdev->ops->queue_notify(q->vdev, q->index);
}

static int make_kicks_locked(struct virtio_dev *vdev)
{
	struct virtio_queue *q;
	int fd;

	for (q = vdev->queue; q < vdev->queue + vdev->nr_queues; q++) {
		if (!q->enabled || atomic_load(&q->kick_fd) >= 0)
			continue;
		fd = eventfd_create();
		if (fd < 0)
			return fd;
		atomic_store(&q->kick_fd, fd);
	}
	return 0;
}

static void queue_run_locked(struct virtio_queue *q)
{
	struct virtio_dev *vdev = q->vdev;
	int fd = atomic_load(&q->kick_fd), r = 0;

	if (!q->external)
		r = event_add(vdev->loop, &q->kick, fd, EPOLLIN, kicked);
	if (r < 0) {
		virtio_needs_reset(vdev, "cannot watch a queue");
		return;
	}
	r = vdev->tops->queue_started(vdev, q->index);
	if (r < 0)
		log_debug(vdev->name, "queue %u is kicked by exits: %s", q->index, strerror(-r));
	/* What became available before now had nobody to see it: before DRIVER_OK, or while the VM was stopped or moved. */
	eventfd_signal(fd);
}

static void queues_run_locked(struct virtio_dev *vdev)
{
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++)
		if (vdev->queue[i].enabled)
			queue_run_locked(&vdev->queue[i]);
}

static void queues_quiet_locked(struct virtio_dev *vdev)
{
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++) {
		vdev->tops->queue_stopping(vdev, i);
		event_del(&vdev->queue[i].kick);	/* (inv. 3) */
	}
}

/* The driver's device is live: have it run, unless it is beyond that. */
static void run_locked(struct virtio_dev *vdev)
{
	int r;

	if (atomic_load(&vdev->status) & VIRTIO_S_NEEDS_RESET)
		return;
	r = make_kicks_locked(vdev);
	if (!r && vdev->ops->start)
		r = vdev->ops->start(vdev);
	if (r < 0) {
		virtio_needs_reset(vdev, strerror(-r));
		return;
	}
	vdev->running = true;
	queues_run_locked(vdev);
}

static void halt_locked(struct virtio_dev *vdev)
{
	if (!vdev->running)
		return;
	queues_quiet_locked(vdev);
	if (vdev->ops->stop)
		vdev->ops->stop(vdev);
	vdev->running = false;
}

static void go_live_locked(struct virtio_dev *vdev)
{
	vdev->live = true;
	if (vdev->legacy && vdev->ops->features_ok)
		vdev->ops->features_ok(vdev);
	run_locked(vdev);
}

/* Everything the driver set goes. [2.4.1] */
static void reset_locked(struct virtio_dev *vdev)
{
	unsigned int i;

	halt_locked(vdev);
	for (i = 0; i < vdev->nr_queues; i++) {
		if (vdev->queue[i].enabled)
			virtq_disable(&vdev->queue[i].vq);
		vdev->queue[i].enabled = false;
		queue_defaults(&vdev->queue[i]);
	}
	vdev->live = false;
	vdev->accepted = 0;
	vdev->features_beyond = false;
	atomic_store(&vdev->status, 0);	/* (inv. 4) */
	if (vdev->ops->reset)
		vdev->ops->reset(vdev);
	vdev->tops->reset(vdev);
}

/* --- features and status --- */

u32 virtio_get_features(struct virtio_dev *vdev, u32 select)
{
	return select < 2 ? (u32)(vdev->offered >> (32 * select)) : 0;	/* [4.1.4.3.1] */
}

u32 virtio_get_accepted(struct virtio_dev *vdev, u32 select)
{
	u32 v;

	pthread_mutex_lock(&vdev->lock);
	v = select < 2 ? (u32)(vdev->accepted >> (32 * select)) : 0;
	pthread_mutex_unlock(&vdev->lock);
	return v;
}

static int queue_enable_locked(struct virtio_queue *q);

/* A legacy driver may hand over queues before it accepts features [3.1.2]; the rings, still unused, learn of them here. */
static void legacy_features_locked(struct virtio_dev *vdev, u32 val)
{
	struct virtio_queue *q;

	if (vdev->accepted == (val & vdev->offered))
		return;
	vdev->accepted = val & vdev->offered;
	for (q = vdev->queue; q < vdev->queue + vdev->nr_queues; q++) {
		if (!q->enabled)
			continue;
		virtq_disable(&q->vq);
		q->enabled = false;
		queue_enable_locked(q);
	}
}

void virtio_set_accepted(struct virtio_dev *vdev, u32 select, u32 val)
{
	pthread_mutex_lock(&vdev->lock);
	if (vdev->live || (atomic_load(&vdev->status) & VIRTIO_S_FEATURES_OK))
		refuse(vdev, "features written after they were settled");
	else if (select >= 2)
		vdev->features_beyond |= val != 0;
	else if (vdev->legacy && select)
		;	/* none of those are offered, or taken; by MMIO a driver writes them all the same [4.2.4] */
	else if (vdev->legacy)
		legacy_features_locked(vdev, val);
	else
		vdev->accepted = (vdev->accepted & ~(0xffffffffULL << (32 * select))) | (u64)val << (32 * select);
	pthread_mutex_unlock(&vdev->lock);
}

/* [2.2.2, 6.2] */
static bool features_fit_locked(struct virtio_dev *vdev)
{
	if (vdev->features_beyond || (vdev->accepted & ~vdev->offered)) {
		refuse(vdev, "features %#llx accepted that were not offered",
		       (unsigned long long)(vdev->accepted & ~vdev->offered));
		return false;
	}
	if (!virtio_has(vdev, VIRTIO_F_VERSION_1)) {
		refuse(vdev, "driver without VERSION_1");
		return false;
	}
	if (vdev->ops->features_valid && !vdev->ops->features_valid(vdev, vdev->accepted)) {
		refuse(vdev, "features %#llx do not go together", (unsigned long long)vdev->accepted);
		return false;
	}
	return true;
}

u8 virtio_get_status(struct virtio_dev *vdev)
{
	return atomic_load(&vdev->status);
}

/*
 * Bits that a driver may set are taken in the order of [3.1.1], each on top of those before it; what is out of order is
 * not taken, and reads back as 0. A driver must not clear a bit [2.1.1], so none is cleared.
 */
static void add_status_locked(struct virtio_dev *vdev, u8 add)
{
	static const struct {
		u8 bit, needs;
	} order[] = {
		{ VIRTIO_S_ACKNOWLEDGE, 0 },
		{ VIRTIO_S_DRIVER, VIRTIO_S_ACKNOWLEDGE },
		{ VIRTIO_S_FEATURES_OK, VIRTIO_S_DRIVER },
		{ VIRTIO_S_DRIVER_OK, VIRTIO_S_FEATURES_OK },
		{ VIRTIO_S_FAILED, 0 },
	};
	u8 had = atomic_load(&vdev->status), now = had;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		if (!(add & order[i].bit) || (now & order[i].bit))
			continue;
		/* Legacy drivers take shortcuts, and know no FEATURES_OK [3.1.2]. */
		if (!vdev->legacy && (now & order[i].needs) != order[i].needs) {
			refuse(vdev, "status %#x on top of %#x is out of order", order[i].bit, now);
			continue;
		}
		if (order[i].bit == VIRTIO_S_FEATURES_OK) {
			if (vdev->legacy || !features_fit_locked(vdev))
				continue;
			if (vdev->ops->features_ok)
				vdev->ops->features_ok(vdev);
		}
		now |= order[i].bit;
	}
	atomic_fetch_or(&vdev->status, now);
	if (!(now & ~had & VIRTIO_S_DRIVER_OK))
		return;
	if (!vdev->live)
		go_live_locked(vdev);
	/* It broke before the driver could be told. */
	if (had & VIRTIO_S_NEEDS_RESET)
		vdev->tops->config_interrupt(vdev);
}

void virtio_set_status(struct virtio_dev *vdev, u8 status)
{
	pthread_mutex_lock(&vdev->lock);
	if (status)
		add_status_locked(vdev, status);
	else
		reset_locked(vdev);
	pthread_mutex_unlock(&vdev->lock);
}

/* --- config space --- */

/*
 * The generation must differ once the driver has read a byte that changed since it last read any [4.1.4.3.1]. So
 * each read compares the whole space, which is small, with what was shown before; no device has to announce a change in time.
 */
void virtio_config_read(struct virtio_dev *vdev, unsigned int off, void *buf, unsigned int len)
{
	u8 now[VIRTIO_MAX_CONFIG] = { 0 };

	memset(buf, 0xff, len);
	if (off >= vdev->config_size)
		return;
	pthread_mutex_lock(&vdev->lock);
	if (vdev->ops->config_read)
		vdev->ops->config_read(vdev, 0, now, vdev->config_size);
	if (vdev->config_seen && memcmp(now, vdev->config_shown, vdev->config_size))
		vdev->config_generation++;
	memcpy(vdev->config_shown, now, vdev->config_size);
	vdev->config_seen = true;
	pthread_mutex_unlock(&vdev->lock);
	memcpy(buf, now + off, MIN(len, vdev->config_size - off));
}

void virtio_config_write(struct virtio_dev *vdev, unsigned int off, const void *buf, unsigned int len)
{
	if (off > vdev->config_size || len > vdev->config_size - off) {
		refuse(vdev, "config write of %u at %u, its size is %u", len, off, vdev->config_size);
		return;
	}
	pthread_mutex_lock(&vdev->lock);
	if (vdev->ops->config_write)
		vdev->ops->config_write(vdev, off, buf, len);
	pthread_mutex_unlock(&vdev->lock);
}

u8 virtio_get_generation(struct virtio_dev *vdev)
{
	u8 v;

	pthread_mutex_lock(&vdev->lock);
	v = vdev->config_generation;
	pthread_mutex_unlock(&vdev->lock);
	return v;
}

/* --- queue registers --- */

u64 virtio_queue_read(struct virtio_dev *vdev, u32 queue, enum virtio_queue_reg reg)
{
	struct virtio_queue *q = virtio_queue_get(vdev, queue);
	u64 v = 0;

	if (!q)
		return reg == VIRTIO_Q_VECTOR ? VIRTIO_NO_VECTOR : 0;
	pthread_mutex_lock(&vdev->lock);
	switch (reg) {
	case VIRTIO_Q_SIZE:
		v = q->size;
		break;
	case VIRTIO_Q_ENABLE:
		v = q->enabled;
		break;
	case VIRTIO_Q_DESC:
		v = q->desc;
		break;
	case VIRTIO_Q_DRIVER:
		v = q->driver;
		break;
	case VIRTIO_Q_DEVICE:
		v = q->device;
		break;
	case VIRTIO_Q_VECTOR:
		v = atomic_load(&q->vector);
		break;
	}
	pthread_mutex_unlock(&vdev->lock);
	return v;
}

/* The queue, lock held, if its registers may be written; else NULL without the lock. */
static struct virtio_queue *queue_lock(struct virtio_dev *vdev, u32 queue, bool disabled_only)
{
	struct virtio_queue *q = virtio_queue_get(vdev, queue);

	if (!q) {
		refuse(vdev, "queue %u of %u", queue, vdev->nr_queues);
		return NULL;
	}
	pthread_mutex_lock(&vdev->lock);
	if (!disabled_only || !q->enabled)
		return q;
	pthread_mutex_unlock(&vdev->lock);
	refuse(vdev, "queue %u written while enabled", queue);
	return NULL;
}

static bool size_fits_locked(const struct virtio_queue *q, u32 size)
{
	bool packed = (atomic_load(&q->vdev->status) & VIRTIO_S_FEATURES_OK) && virtio_has(q->vdev, VIRTIO_F_RING_PACKED);

	return size && size <= q->max_size && (packed || is_power_of_two(size));
}

void virtio_queue_set_size(struct virtio_dev *vdev, u32 queue, u16 size)
{
	struct virtio_queue *q = queue_lock(vdev, queue, true);

	if (!q)
		return;
	if (size_fits_locked(q, size))
		q->size = size;
	else
		refuse(vdev, "queue %u: size %u", queue, size);
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_queue_set_addr(struct virtio_dev *vdev, u32 queue, enum virtio_area area, bool high, u32 val)
{
	struct virtio_queue *q = queue_lock(vdev, queue, true);
	unsigned int shift = high ? 32 : 0;
	u64 *addr;

	if (!q)
		return;
	addr = area == VIRTIO_AREA_DESC ? &q->desc : area == VIRTIO_AREA_DRIVER ? &q->driver : &q->device;
	*addr = (*addr & ~(0xffffffffULL << shift)) | (u64)val << shift;
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_queue_set_vector(struct virtio_dev *vdev, u32 queue, u16 vector)
{
	struct virtio_queue *q = queue_lock(vdev, queue, false);

	if (!q)
		return;
	atomic_store(&q->vector, vector);
	if (q->external)
		vdev->ops->queue_irq_changed(vdev, queue);
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_irqs_changed(struct virtio_dev *vdev)
{
	unsigned int i;

	pthread_mutex_lock(&vdev->lock);
	for (i = 0; i < vdev->nr_queues; i++)
		if (vdev->queue[i].external)
			vdev->ops->queue_irq_changed(vdev, i);
	pthread_mutex_unlock(&vdev->lock);
}

static int queue_enable_locked(struct virtio_queue *q)
{
	struct virtio_dev *vdev = q->vdev;
	struct virtq_config cfg = {
		.size = q->size,
		.desc = q->desc,
		.driver = q->driver,
		.device = q->device,
		.packed = virtio_has(vdev, VIRTIO_F_RING_PACKED),
		.indirect = virtio_has(vdev, VIRTIO_F_INDIRECT_DESC),
		.event_idx = virtio_has(vdev, VIRTIO_F_EVENT_IDX),
		.in_order = virtio_has(vdev, VIRTIO_F_IN_ORDER),
	};
	const char *why = "out of memory";
	bool running = vdev->running;
	int r;

	/* A handler of another queue may look at this one, so a device that runs stops for it. (inv. 2) */
	halt_locked(vdev);
	q->vq.on_break = queue_broke;
	r = virtq_enable(&q->vq, &vdev->vm->mem, &cfg, &why);
	if (r < 0)
		queue_broke(&q->vq, why);
	else
		q->enabled = true;
	if (running)
		run_locked(vdev);
	return r;
}

void virtio_queue_set_enable(struct virtio_dev *vdev, u32 queue)
{
	struct virtio_queue *q = queue_lock(vdev, queue, true);

	if (!q)
		return;
	if (atomic_load(&vdev->status) & VIRTIO_S_FEATURES_OK)
		queue_enable_locked(q);
	else
		refuse(vdev, "queue %u enabled before FEATURES_OK", queue);
	pthread_mutex_unlock(&vdev->lock);
}

/* Takes one queue out of a device that may be running. Without queue_stop() the whole device stops for it. */
static void queue_disable_locked(struct virtio_queue *q)
{
	struct virtio_dev *vdev = q->vdev;
	bool running = vdev->running, alone = running && vdev->ops->queue_stop;

	if (!q->enabled)
		return;
	if (alone) {
		queues_quiet_locked(vdev);
		vdev->ops->queue_stop(vdev, q->index);
	} else {
		halt_locked(vdev);
	}
	virtq_disable(&q->vq);
	q->enabled = false;
	if (alone)
		queues_run_locked(vdev);
	else if (running)
		run_locked(vdev);
}

void virtio_queue_set_disable(struct virtio_dev *vdev, u32 queue)
{
	struct virtio_queue *q = queue_lock(vdev, queue, false);

	if (!q)
		return;
	queue_disable_locked(q);
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_queue_set_reset(struct virtio_dev *vdev, u32 queue)
{
	struct virtio_queue *q = queue_lock(vdev, queue, false);

	if (!q)
		return;
	if ((atomic_load(&vdev->status) & VIRTIO_S_FEATURES_OK) && virtio_has(vdev, VIRTIO_F_RING_RESET)) {
		queue_disable_locked(q);
		queue_defaults(q);
	} else {
		refuse(vdev, "queue %u reset without RING_RESET", queue);
	}
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_queue_set_legacy(struct virtio_dev *vdev, u32 queue, gpa_t addr, u32 align)
{
	struct virtio_queue *q = queue_lock(vdev, queue, addr != 0);

	if (!q)
		return;
	if (!addr) {
		queue_disable_locked(q);
		q->desc = q->driver = q->device = 0;
	} else {
		/* One block: descriptors, available ring, and aligned behind it the used ring [2.7.2]. */
		q->desc = addr;
		q->driver = q->desc + 16ULL * q->size;
		q->device = align_up(q->driver + 2ULL * (3 + q->size), align);
		queue_enable_locked(q);
	}
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_queue_kicked(struct virtio_dev *vdev, u32 queue)
{
	struct virtio_queue *q = queue_lock(vdev, queue, false);

	if (!q)
		return;
	/* Legacy drivers used the device before DRIVER_OK, and it had to serve them [3.1.2]. */
	if (vdev->legacy && !vdev->live && q->enabled && (atomic_load(&vdev->status) & VIRTIO_S_DRIVER))
		go_live_locked(vdev);
	if (vdev->running && q->enabled)
		virtio_queue_kick(vdev, queue);
	else
		refuse(vdev, "queue %u kicked, but it does not run", queue);
	pthread_mutex_unlock(&vdev->lock);
}

/* --- the VM's stop, start, reset, state --- */

void virtio_dev_stop(struct virtio_dev *vdev)
{
	pthread_mutex_lock(&vdev->lock);
	halt_locked(vdev);
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_dev_start(struct virtio_dev *vdev)
{
	pthread_mutex_lock(&vdev->lock);
	if (vdev->live && !vdev->running)
		run_locked(vdev);
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_dev_reset(struct virtio_dev *vdev)
{
	pthread_mutex_lock(&vdev->lock);
	reset_locked(vdev);
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_dev_save(struct virtio_dev *vdev, struct state_writer *w)
{
	struct virtio_queue *q;

	pthread_mutex_lock(&vdev->lock);
	assert(!vdev->running);
	state_put_u16(w, vdev->ops->id);
	state_put_u64(w, vdev->accepted);
	state_put_u8(w, vdev->features_beyond);
	state_put_u8(w, atomic_load(&vdev->status));
	state_put_u8(w, vdev->live);
	state_put_u8(w, vdev->config_generation);
	state_put_u32(w, vdev->nr_queues);
	for (q = vdev->queue; q < vdev->queue + vdev->nr_queues; q++) {
		state_put_u16(w, q->size);
		state_put_u64(w, q->desc);
		state_put_u64(w, q->driver);
		state_put_u64(w, q->device);
		state_put_u16(w, atomic_load(&q->vector));
		state_put_u8(w, q->enabled);
		if (q->enabled)
			virtq_save(&q->vq, w);
	}
	if (vdev->ops->save)
		vdev->ops->save(vdev, w);
	pthread_mutex_unlock(&vdev->lock);
}

static int load_queue_locked(struct virtio_queue *q, struct state_reader *r)
{
	u8 enabled;
	int ret;

	q->size = state_get_u16(r);
	q->desc = state_get_u64(r);
	q->driver = state_get_u64(r);
	q->device = state_get_u64(r);
	atomic_store(&q->vector, state_get_u16(r));
	enabled = state_get_u8(r);
	if (r->error || enabled > 1 || !size_fits_locked(q, q->size))
		return -EBADMSG;
	if (!enabled)
		return 0;
	ret = queue_enable_locked(q);
	return ret < 0 ? ret : virtq_load(&q->vq, r);
}

static int load_locked(struct virtio_dev *vdev, struct state_reader *r)
{
	u16 id = state_get_u16(r);
	u64 accepted = state_get_u64(r);
	u8 beyond = state_get_u8(r), status = state_get_u8(r), live = state_get_u8(r), generation = state_get_u8(r);
	u32 i, nr = state_get_u32(r);
	bool settled = vdev->legacy || (status & VIRTIO_S_FEATURES_OK);
	int ret;

	if (r->error || id != vdev->ops->id || nr != vdev->nr_queues || beyond > 1 || live > 1 ||
	    (status & ~ALL_STATUS) || (live && !(status & (VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK))) ||
	    (live && !settled))
		return -EBADMSG;
	vdev->accepted = accepted;
	vdev->features_beyond = beyond;
	/* This VM may offer less than the one that was saved. */
	if (settled && (vdev->legacy ? (accepted & ~vdev->offered) != 0 : !features_fit_locked(vdev)))
		return -EBADMSG;
	vdev->live = live;
	vdev->config_generation = generation + 1;	/* its config may differ from what was shown there */
	vdev->config_seen = false;
	atomic_store(&vdev->status, status);
	if (vdev->ops->features_ok && (vdev->legacy ? live : settled))
		vdev->ops->features_ok(vdev);
	for (i = 0; i < nr; i++) {
		ret = load_queue_locked(&vdev->queue[i], r);
		if (ret < 0)
			return ret;
		if (vdev->queue[i].enabled && !settled)
			return -EBADMSG;
	}
	ret = vdev->ops->load ? vdev->ops->load(vdev, r) : 0;
	return ret < 0 ? ret : r->error;
}

int virtio_dev_load(struct virtio_dev *vdev, struct state_reader *r)
{
	int ret;

	pthread_mutex_lock(&vdev->lock);
	reset_locked(vdev);
	ret = load_locked(vdev, r);
	if (ret < 0) {
		state_fail(r);
		reset_locked(vdev);
	}
	pthread_mutex_unlock(&vdev->lock);
	return ret;
}

/* --- creation --- */

static u64 features_to_offer(const struct virtio_dev *vdev, const struct virtio_init *init)
{
	u64 f = init->features | BIT_ULL(VIRTIO_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_F_EVENT_IDX);

	if (vdev->legacy)
		return (f | BIT_ULL(VIRTIO_F_ANY_LAYOUT)) & 0xffffffff;
	f |= BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_F_RING_RESET);
	if (vdev->vm->cfg.virtio_packed)
		f |= BIT_ULL(VIRTIO_F_RING_PACKED);
	if (vdev->vm->cfg.virtio_in_order && init->in_order_ok)
		f |= BIT_ULL(VIRTIO_F_IN_ORDER);
	return f;
}

static void core_cleanup(struct virtio_dev *vdev)
{
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++) {
		if (vdev->queue[i].enabled)
			virtq_disable(&vdev->queue[i].vq);
		if (atomic_load(&vdev->queue[i].kick_fd) >= 0)
			close(atomic_load(&vdev->queue[i].kick_fd));
	}
	free(vdev->queue);
	vdev->queue = NULL;
	vdev->nr_queues = 0;
	pthread_mutex_destroy(&vdev->lock);
}

int virtio_dev_create(struct vm *vm, struct virtio_dev *vdev, const struct virtio_init *init, struct error *err)
{
	enum virtio_transport_kind kind = vm->cfg.virtio_transport;
	unsigned int i;
	int r;

	assert(init->nr_queues && init->nr_queues <= VIRTIO_MAX_QUEUES && init->config_size <= VIRTIO_MAX_CONFIG);
	memset(vdev, 0, sizeof(*vdev));
	vdev->vm = vm;
	vdev->ops = init->ops;
	vdev->loop = vm->loop;
	vdev->legacy = kind == VIRTIO_PCI_LEGACY || kind == VIRTIO_MMIO_LEGACY;
	vdev->config_size = init->config_size;
	vdev->offered = features_to_offer(vdev, init);
	snprintf(vdev->name, sizeof(vdev->name), "virtio-%s%u", init->kind, init->index);
	vdev->queue = calloc(init->nr_queues, sizeof(*vdev->queue));
	if (!vdev->queue)
		return error_set_errno(err, -ENOMEM, "%s", vdev->name);
	vdev->nr_queues = init->nr_queues;
	pthread_mutex_init(&vdev->lock, NULL);
	for (i = 0; i < init->nr_queues; i++) {
		assert(is_power_of_two(init->queue_sizes[i]) && init->queue_sizes[i] <= VIRTQ_MAX_SIZE);
		vdev->queue[i].vdev = vdev;
		vdev->queue[i].index = (u16)i;
		vdev->queue[i].max_size = init->queue_sizes[i];
		atomic_init(&vdev->queue[i].kick_fd, -1);
		queue_defaults(&vdev->queue[i]);
	}
	if (kind == VIRTIO_MMIO_MODERN || kind == VIRTIO_MMIO_LEGACY)
		r = virtio_mmio_create(vm, vdev, err);
	else
		r = virtio_pci_create(vm, vdev, err);
	if (r < 0)
		core_cleanup(vdev);
	return r;
}

void virtio_dev_stats(struct virtio_dev *vdev, struct strbuf *b)
{
	unsigned int i;

	pthread_mutex_lock(&vdev->lock);
	json_u64(b, "status", atomic_load(&vdev->status));
	json_u64(b, "features", vdev->accepted);
	json_array_begin(b, "queues");
	for (i = 0; i < vdev->nr_queues; i++) {
		json_begin(b, NULL);
		json_u64(b, "size", vdev->queue[i].enabled ? vdev->queue[i].size : 0);
		json_u64(b, "kicks", counter_get(&vdev->queue[i].kicks));
		json_u64(b, "interrupts", counter_get(&vdev->queue[i].interrupts));
		json_end(b);
	}
	json_array_end(b);
	if (vdev->ops->stats)
		vdev->ops->stats(vdev, b);
	pthread_mutex_unlock(&vdev->lock);
}

void virtio_dev_free(struct virtio_dev *vdev)
{
	assert(!vdev->running);
	core_cleanup(vdev);
	vdev->ops->free(vdev);
}
