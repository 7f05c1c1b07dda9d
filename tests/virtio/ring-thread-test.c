/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Driver and device on two threads, each asleep whenever the other says it need not look: a notification lost to a missing
 * barrier is a test that runs out of time. Each request carries a number out and back.
 * links: virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c util/str.c
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "tests/tap.h"
#include "tests/virtio/ring-driver.h"

enum { SIZE = 8, ROOM = 4, REQUESTS = 60000, PATIENCE = 20 };

static struct drv d;
static struct virtq q;
static sem_t kick, irq;
static _Atomic bool end, gave_up;
static unsigned int kicks, irqs;

/* False: nothing came for too long. */
static bool await(sem_t *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += PATIENCE;
	while (sem_timedwait(s, &ts) < 0) {
		if (errno != EINTR) {
			gave_up = true;
			return false;
		}
	}
	return true;
}

static void serve(void)
{
	struct iovec iov[ROOM];
	struct virtq_chain c = { .iov = iov, .room = ROOM };
	u32 v;

	do {
		virtq_disable_notify(&q);
		while (virtq_pop(&q, &c) == 1) {
			iov_to_buf(c.iov, c.out_cnt, 0, &v, sizeof(v));
			v = ~v;
			iov_from_buf(c.iov + c.out_cnt, c.in_cnt, 0, &v, sizeof(v));
			virtq_push(&q, &c, sizeof(v));
			if (v % 3 == 0 && virtq_should_interrupt(&q)) {
				irqs++;
				sem_post(&irq);
			}
		}
		if (virtq_should_interrupt(&q)) {
			irqs++;
			sem_post(&irq);
		}
	} while (virtq_enable_notify(&q));
}

static void *device(void *arg)
{
	while (await(&kick) && !end)
		serve();
	return NULL;
}

static unsigned int wrong;

/* The driver: fills the ring, kicks if asked to, sleeps till something is used. */
static void drive(void)
{
	unsigned int sent = 0, done = 0, n;
	u32 expect[SIZE], len, v;
	u16 old, room;
	int id;

	while (done < REQUESTS && !gave_up) {
		old = d.added;
		room = d.free;
		for (n = 0; sent < REQUESTS; n++) {
			const struct drv_seg seg[2] = {
				{ DRV_DATA + 64ULL * (sent % SIZE), 4, false },
				{ DRV_DATA + 0x1000 + 64ULL * (sent % SIZE), 4, true },
			};

			if (d.free < 2)
				break;
			memcpy(drv_at(&d, seg[0].addr), &sent, 4);
			id = drv_add(&d, seg, 2, sent & 1);
			expect[id] = sent++;
		}
		if (d.cfg.packed)
			n = room - d.free;
		if (n && drv_must_kick(&d, old, n)) {
			kicks++;
			sem_post(&kick);
		}
		drv_disable_interrupts(&d);
		n = done;
		while ((id = drv_used(&d, &len)) >= 0) {
			memcpy(&v, drv_at(&d, DRV_DATA + 0x1000 + 64ULL * (expect[id] % SIZE)), 4);
			wrong += v != ~expect[id] || len != 4;
			done++;
		}
		if (n == done && !drv_enable_interrupts(&d) && !await(&irq))
			return;
	}
}

static void run(bool packed, bool event_idx)
{
	struct virtq_config cfg = drv_config(SIZE, packed);
	pthread_t thread;
	const char *why;
	char name[64];

	cfg.event_idx = event_idx;
	cfg.indirect = true;
	drv_init(&d, &cfg);
	memset(&q, 0, sizeof(q));
	sem_init(&kick, 0, 0);
	sem_init(&irq, 0, 0);
	end = gave_up = false;
	wrong = kicks = irqs = 0;
	if (virtq_enable(&q, &d.gm, &cfg, &why) < 0 || pthread_create(&thread, NULL, device, NULL))
		abort();
	drive();
	end = true;
	sem_post(&kick);
	pthread_join(thread, NULL);
	tap_count++;
	if (gave_up || wrong || q.broken)
		tap_failed++;
	snprintf(name, sizeof(name), "%s_%s_loses_no_notification", packed ? "packed" : "split",
		 event_idx ? "with_event_index" : "without_event_index");
	printf("%sok %d - %s\n", gave_up || wrong || q.broken ? "not " : "", tap_count, name);
	printf("# %u requests, %u kicks, %u interrupts, %u wrong%s\n", REQUESTS, kicks, irqs, wrong, gave_up ? ", gave up" : "");
	virtq_disable(&q);
	drv_free(&d);
	sem_destroy(&kick);
	sem_destroy(&irq);
}

int main(void)
{
	run(false, false);
	run(false, true);
	run(true, false);
	run(true, true);
	return tap_done();
}
