/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of the virtio core and its transports: a VM of nothing but RAM and a loop thread, a small device over the
 * real core and ring, and a driver of split rings that writes into that RAM as a guest would.
 *
 * The device: queue 0 copies what it is given back at once; queue 1 keeps requests until it is stopped or told to finish.
 */
#ifndef TESTS_VIRTIO_DEV_H
#define TESTS_VIRTIO_DEV_H

#include <pthread.h>
#include <sys/mman.h>

#include "tests/tap.h"
#include "util/endian.h"
#include "virtio/virtio.h"
#include "vmm/state.h"

enum { RAM_BASE = 0x100000, RAM_SIZE = 0x200000 };

/* --- the VM --- */

static inline void rig_ram(struct vm *vm)
{
	void *p = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || guest_mem_add(&vm->mem, RAM_BASE, RAM_SIZE, p) < 0)
		abort();
}

struct settler {
	struct event_work work;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static inline void settled(struct event_work *w)
{
	struct settler *s = container_of(w, struct settler, work);

	pthread_mutex_lock(&s->lock);
	s->done = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

/* Returns when the loop has handled all that was signalled before: posted work comes after ready sources. */
static inline void settle(struct vm *vm)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct settler s = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

		event_post(vm->loop, &s.work, settled);
		pthread_mutex_lock(&s.lock);
		while (!s.done)
			pthread_cond_wait(&s.cond, &s.lock);
		pthread_mutex_unlock(&s.lock);
		event_work_cancel(vm->loop, &s.work);
	}
}

/* @threaded: its loop has a thread. Else its user turns it. */
static inline void rig_vm(struct vm *vm, bool threaded)
{
	memset(vm, 0, sizeof(*vm));
	vm->kvm_fd = vm->vm_fd = -1;
	list_init(&vm->devices);
	list_init(&vm->ram_listeners);
	rig_ram(vm);
	if (event_loop_create("test", &vm->loop) < 0 || (threaded && event_loop_start_thread(vm->loop) < 0))
		abort();
	if (threaded)
		settle(vm);	/* it is there */
}

static inline void rig_vm_free(struct vm *vm)
{
	event_loop_free(vm->loop);
	munmap(vm->mem.ram[0].hva, RAM_SIZE);
}

/* --- the device --- */

enum { ECHO_QUEUES = 2, ECHO_SIZE = 16, ECHO_CONFIG = 12, ECHO_F_BASE = 0, ECHO_F_NEEDS_BASE = 1, ECHO_IOV = 8 };

struct echo {
	struct virtio_dev vdev;
	u8 config[ECHO_CONFIG];		/* byte 0 is the driver's to write */
	struct virtq_chain held[64];
	struct iovec held_iov[64][ECHO_IOV];
	unsigned int nr_held;
	unsigned int notified[ECHO_QUEUES], config_writes, starts, stops, resets, features_oks;
	u32 count;			/* requests echoed: the device's own state */
	int start_result;
	bool *freed;
};

static inline struct echo *echo_of(struct virtio_dev *vdev)
{
	return container_of(vdev, struct echo, vdev);
}

static inline void echo_config_read(struct virtio_dev *vdev, unsigned int off, void *buf, unsigned int len)
{
	memcpy(buf, echo_of(vdev)->config + off, len);
}

static inline void echo_config_write(struct virtio_dev *vdev, unsigned int off, const void *buf, unsigned int len)
{
	echo_of(vdev)->config_writes++;
	if (!off && len)
		echo_of(vdev)->config[0] = *(const u8 *)buf;
}

static inline bool echo_features_valid(struct virtio_dev *vdev, u64 features)
{
	return !(features & BIT_ULL(ECHO_F_NEEDS_BASE)) || (features & BIT_ULL(ECHO_F_BASE));
}

static inline void echo_features_ok(struct virtio_dev *vdev)
{
	echo_of(vdev)->features_oks++;
}

static inline int echo_start(struct virtio_dev *vdev)
{
	echo_of(vdev)->starts++;
	return echo_of(vdev)->start_result;
}

static inline u32 echo_copy(const struct virtq_chain *c)
{
	u8 buf[4096];
	size_t n = iov_to_buf(c->iov, c->out_cnt, 0, buf, sizeof(buf));

	return (u32)iov_from_buf(c->iov + c->out_cnt, c->in_cnt, 0, buf, n);
}

static inline void echo_finish(struct echo *e)
{
	struct virtq *q = virtio_queue(&e->vdev, 1);
	unsigned int i;

	for (i = 0; i < e->nr_held; i++)
		virtq_push(q, &e->held[i], echo_copy(&e->held[i]));
	if (e->nr_held)
		virtio_queue_interrupt(&e->vdev, 1);
	e->nr_held = 0;
}

static inline void echo_queue_stop(struct virtio_dev *vdev, unsigned int queue)
{
	if (queue == 1)
		echo_finish(echo_of(vdev));
}

static inline void echo_stop(struct virtio_dev *vdev)
{
	echo_of(vdev)->stops++;
	echo_finish(echo_of(vdev));
}

static inline void echo_serve(struct echo *e)
{
	struct iovec iov[ECHO_IOV];
	struct virtq_chain c = { .iov = iov, .room = ECHO_IOV };
	struct virtq *q = virtio_queue(&e->vdev, 0);
	bool any = false;

	do {
		virtq_disable_notify(q);
		while (virtq_pop(q, &c) == 1) {
			virtq_push(q, &c, echo_copy(&c));
			e->count++;
			any = true;
		}
	} while (!q->broken && virtq_enable_notify(q));
	if (any)
		virtio_queue_interrupt(&e->vdev, 0);
}

static inline void echo_hold(struct echo *e)
{
	struct virtq *q = virtio_queue(&e->vdev, 1);
	struct virtq_chain *c;

	while (e->nr_held < ARRAY_SIZE(e->held)) {
		c = &e->held[e->nr_held];
		*c = (struct virtq_chain){ .iov = e->held_iov[e->nr_held], .room = ECHO_IOV };
		if (virtq_pop(q, c) != 1)
			break;
		e->nr_held++;
	}
}

static inline void echo_notify(struct virtio_dev *vdev, unsigned int queue)
{
	echo_of(vdev)->notified[queue]++;
	if (queue)
		echo_hold(echo_of(vdev));
	else
		echo_serve(echo_of(vdev));
}

static inline void echo_reset(struct virtio_dev *vdev)
{
	echo_of(vdev)->resets++;
	echo_of(vdev)->count = 0;
}

static inline void echo_save(struct virtio_dev *vdev, struct state_writer *w)
{
	state_put_u32(w, echo_of(vdev)->count);
}

static inline int echo_load(struct virtio_dev *vdev, struct state_reader *r)
{
	echo_of(vdev)->count = state_get_u32(r);
	return 0;
}

static inline void echo_free(struct virtio_dev *vdev)
{
	struct echo *e = echo_of(vdev);

	if (e->freed)
		*e->freed = true;
	free(e);
}

#define ECHO_OPS                                                                                                       \
	.id = 42, .pci_class = 0xff0000, .legacy_pci_id = 0x103f, .config_read = echo_config_read,                     \
	.config_write = echo_config_write, .features_valid = echo_features_valid, .features_ok = echo_features_ok,     \
	.start = echo_start, .stop = echo_stop, .queue_notify = echo_notify, .reset = echo_reset, .save = echo_save,   \
	.load = echo_load, .free = echo_free

static const struct virtio_ops echo_ops = { ECHO_OPS, .queue_stop = echo_queue_stop };

static inline int echo_create_ops(struct vm *vm, const struct virtio_ops *ops, struct echo **ret)
{
	static const u16 sizes[ECHO_QUEUES] = { ECHO_SIZE, ECHO_SIZE };
	struct virtio_init init = {
		.ops = ops, .features = BIT_ULL(ECHO_F_BASE) | BIT_ULL(ECHO_F_NEEDS_BASE), .config_size = ECHO_CONFIG,
		.nr_queues = ECHO_QUEUES, .queue_sizes = sizes, .in_order_ok = true, .kind = "echo",
	};
	struct echo *e = calloc(1, sizeof(*e));
	int i, r;

	if (!e)
		abort();
	r = virtio_dev_create(vm, &e->vdev, &init, NULL);
	if (r < 0) {
		free(e);
		return r;
	}
	for (i = 0; i < ECHO_CONFIG; i++)
		e->config[i] = (u8)(0xc0 + i);
	*ret = e;
	return 0;
}

static inline struct echo *echo_create(struct vm *vm)
{
	struct echo *e;

	if (echo_create_ops(vm, &echo_ops, &e) < 0)
		abort();
	return e;
}

/* --- the driver's rings: as legacy lays them out, which modern takes too --- */

struct drv {
	struct vm *vm;
	gpa_t desc, avail, used, data;
	u16 size, avail_idx, used_seen, next;
};

static inline void *at(struct vm *vm, gpa_t gpa)
{
	return (u8 *)vm->mem.ram[0].hva + (gpa - RAM_BASE);
}

static inline void drv_init(struct drv *d, struct vm *vm, unsigned int slot, u16 size)
{
	gpa_t base = RAM_BASE + 0x20000 * (slot + 1);

	*d = (struct drv){ .vm = vm, .size = size, .desc = base, .avail = base + 16ULL * size, .data = base + 0x10000 };
	d->used = align_up(d->avail + 6 + 2ULL * size, 4096);
	memset(at(vm, base), 0, 0x20000);
}

/* One more request: @len bytes of @byte out, as much room in. Gives its data address. */
static inline gpa_t drv_add(struct drv *d, u8 byte, u32 len)
{
	u16 head = d->next;
	gpa_t out = d->data + 0x400ULL * head, in = out + 0x200;
	u8 *desc = at(d->vm, d->desc + 16ULL * head);
	u16 second = (u16)((head + 1) % d->size);
	u8 *desc2 = at(d->vm, d->desc + 16ULL * second);

	memset(at(d->vm, out), byte, len);
	memset(at(d->vm, in), 0, len);
	put_le64(desc, out);
	put_le32(desc + 8, len);
	put_le16(desc + 12, 1);	/* NEXT */
	put_le16(desc + 14, second);
	put_le64(desc2, in);
	put_le32(desc2 + 8, len);
	put_le16(desc2 + 12, 2);	/* WRITE */
	d->next = (u16)((d->next + 2) % d->size);
	put_le16(at(d->vm, d->avail + 4 + 2ULL * (d->avail_idx % d->size)), head);
	d->avail_idx++;
	__atomic_store_n((u16 *)at(d->vm, d->avail + 2), htole16(d->avail_idx), __ATOMIC_RELEASE);
	return in;
}

/* A head outside of the table: breaks the ring. */
static inline void drv_add_bad(struct drv *d)
{
	put_le16(at(d->vm, d->avail + 4 + 2ULL * (d->avail_idx % d->size)), 0x7fff);
	d->avail_idx++;
	__atomic_store_n((u16 *)at(d->vm, d->avail + 2), htole16(d->avail_idx), __ATOMIC_RELEASE);
}

/* Completions so far. */
static inline u16 drv_used(struct drv *d)
{
	return le16toh(__atomic_load_n((u16 *)at(d->vm, d->used + 2), __ATOMIC_ACQUIRE));
}

static inline void drv_no_interrupt(struct drv *d)
{
	put_le16(at(d->vm, d->avail), 1);
}

#endif
