// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon's statistics [virtio-1.2 5.5.6.3]. The driver's buffer is held; given back, it asks for a new one, which comes
 * whenever the guest gets to it, or never. Nobody waits here.
 *
 * While the device is stopped the buffer is back in the ring (balloon.c); stats_old tells then that it was read.
 *
 * Threads: the main loop's.
 */
#include "util/io.h"
#include "util/json.h"
#include "virtio/balloon.h"

enum {
	ENTRY = 10,		/* le16 tag, le64 value */
	ENTRIES = 64,		/* that are looked at */
};

/* [5.5.6.4]; from 10 on Linux's include/uapi/linux/virtio_balloon.h */
static const char *const names[BALLOON_STATS] = {
	"swap_in", "swap_out", "major_faults", "minor_faults", "free_memory", "total_memory", "available_memory", "disk_caches",
	"hugetlb_allocations", "hugetlb_failures", "oom_kills", "allocation_stalls", "async_scans", "direct_scans",
	"async_reclaims", "direct_reclaims",
};

/* Any order, unknown tags ignored [5.5.6.3.2]; of one that comes twice the last counts. */
static void read_locked(struct virtio_balloon *b, const struct balloon_job *j)
{
	u8 buf[ENTRIES * ENTRY];
	size_t n = iov_to_buf(j->c.iov, j->c.out_cnt, 0, buf, sizeof(buf)), i;
	u16 tag;

	b->stats_present = 0;
	for (i = 0; i + ENTRY <= n; i += ENTRY) {
		tag = get_le16(buf + i);
		if (tag >= BALLOON_STATS)
			continue;
		b->stats[tag] = get_le64(buf + i + 2);
		b->stats_present |= BIT(tag);
	}
	b->stats_seq++;
	b->stats_ns = time_now_ns();
	b->refresh = false;	/* this is what was asked for */
}

/* Holds the next buffer if there is one. */
static void take(struct virtio_balloon *b, unsigned int queue)
{
	struct virtq *q = virtio_queue(&b->vdev, queue);
	struct balloon_job *j = &b->job[queue];
	int r;

	do {
		j->c = (struct virtq_chain){ .iov = j->iov, .room = BALLOON_IOV };
		r = virtq_pop(q, &j->c);
	} while (!r && virtq_enable_notify(q));
	if (r <= 0)
		return;
	j->active = true;
	pthread_mutex_lock(&b->lock);
	if (!b->stats_old)
		read_locked(b, j);
	b->stats_old = true;
	pthread_mutex_unlock(&b->lock);
}

static bool refresh_wanted(struct virtio_balloon *b)
{
	bool wanted;

	pthread_mutex_lock(&b->lock);
	wanted = b->refresh;
	b->refresh = false;
	b->stats_old &= !wanted;
	pthread_mutex_unlock(&b->lock);
	return wanted;
}

void balloon_stats_notify(struct virtio_balloon *b, unsigned int queue)
{
	struct balloon_job *j = &b->job[queue];

	if (!j->active)
		take(b, queue);
	if (!j->active || !refresh_wanted(b))
		return;
	virtq_push(virtio_queue(&b->vdev, queue), &j->c, 0);
	j->active = false;
	virtio_queue_interrupt(&b->vdev, queue);
	take(b, queue);
}

/* b->lock held. */
void balloon_stats_json(struct virtio_balloon *b, struct strbuf *s)
{
	unsigned int i;

	json_u64(s, "stats_seq", b->stats_seq);
	if (!b->stats_seq)
		return;
	json_begin(s, "stats");
	for (i = 0; i < BALLOON_STATS; i++)
		if (b->stats_present & BIT(i))
			json_u64(s, names[i], b->stats[i]);
	json_end(s);
	json_u64(s, "stats_age_ms", (time_now_ns() - b->stats_ns) / 1000000);
}
