/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Driver and device on two threads, each idle whenever the other says it need not look: a notification lost to a missing
 * barrier is a test that runs out of time. First they sleep and wake each other, and each request carries a number out and
 * back; then one request at a time goes to and fro as fast as it can, where one side goes idle just as the other acts.
 * links: util/iov.c virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c util/str.c
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/tap.h"
#include "tests/virtio/ring-driver.h"

enum { SIZE = 8, ROOM = 4, REQUESTS = 60000, RACES = 30000, PATIENCE = 20 };

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

/* --- close races --- */

static _Atomic unsigned int kick_flag, irq_flag;

static bool take(_Atomic unsigned int *flag)
{
	return *flag && atomic_exchange(flag, 0);
}

/* Until @flag is set, it is over, or patience is. */
static bool spin(_Atomic unsigned int *flag)
{
	time_t start = time(NULL);
	unsigned int n;

	for (n = 1; !take(flag); n++) {
		if (end)
			return false;
		if (n % 1024)
			continue;
		sched_yield();
		if (n % (1 << 20) == 0 && time(NULL) - start > PATIENCE) {
			gave_up = true;
			return false;
		}
	}
	return true;
}

static void *racing_device(void *arg)
{
	struct iovec iov[ROOM];
	struct virtq_chain c = { .iov = iov, .room = ROOM };
	volatile unsigned int pause;
	unsigned int n = 0;

	while (spin(&kick_flag)) {
		do {
			virtq_disable_notify(&q);
			while (virtq_pop(&q, &c) == 1) {
				for (pause = n++ % 64; pause; pause--)
					;
				virtq_push(&q, &c, 0);
				if (virtq_should_interrupt(&q))
					irq_flag = 1;
			}
		} while (virtq_enable_notify(&q));
	}
	return NULL;
}

static void race(bool wait_for_interrupts)
{
	unsigned int n, spins;
	volatile unsigned int pause;
	u32 len;
	u16 old;

	for (n = 0; n < RACES && !gave_up; n++) {
		old = d.added;
		drv_disable_interrupts(&d);
		drv_add_simple(&d, 0, 4, 0);
		if (drv_must_kick(&d, old, 1))
			kick_flag = 1;
		for (pause = wait_for_interrupts ? n * 7 % 509 : 0; pause; pause--)
			;	/* so that it asks for the interrupt about when the device is done */
		for (spins = 1; drv_used(&d, &len) < 0; spins++) {
			if (wait_for_interrupts) {
				if (!drv_enable_interrupts(&d) && !spin(&irq_flag))
					return;
			} else if (spins % (1 << 14) == 0) {
				sched_yield();
				if (gave_up)
					return;
			}
		}
		for (pause = n % 64; pause; pause--)
			;
	}
}

/* --- both --- */

static void drive_races_for_kicks(void) { race(false); }
static void drive_races_for_interrupts(void) { race(true); }

static void run(bool packed, bool event_idx, const char *what, void *(*dev)(void *), void (*drv)(void))
{
	struct virtq_config cfg = drv_config(SIZE, packed);
	pthread_t thread;
	const char *why;
	bool bad;

	cfg.event_idx = event_idx;
	cfg.indirect = true;
	drv_init(&d, &cfg);
	memset(&q, 0, sizeof(q));
	sem_init(&kick, 0, 0);
	sem_init(&irq, 0, 0);
	end = gave_up = false;
	kick_flag = irq_flag = 0;
	wrong = kicks = irqs = 0;
	if (virtq_enable(&q, &d.gm, &cfg, &why) < 0 || pthread_create(&thread, NULL, dev, NULL))
		abort();
	drv();
	end = true;
	sem_post(&kick);
	pthread_join(thread, NULL);
	bad = gave_up || wrong || q.broken;
	tap_count++;
	tap_failed += bad;
	printf("%sok %d - %s_%s_event_index_%s\n", bad ? "not " : "", tap_count, packed ? "packed" : "split",
	       event_idx ? "with" : "without", what);
	virtq_disable(&q);
	drv_free(&d);
	sem_destroy(&kick);
	sem_destroy(&irq);
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		run(i & 2, i & 1, "loses_no_notification", device, drive);
		run(i & 2, i & 1, "loses_no_kick_in_a_race", racing_device, drive_races_for_kicks);
		run(i & 2, i & 1, "loses_no_interrupt_in_a_race", racing_device, drive_races_for_interrupts);
	}
	return tap_done();
}
