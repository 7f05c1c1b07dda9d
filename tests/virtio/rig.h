/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of virtio devices over the real core and ring: a VM of RAM and a main loop that the test itself turns, a
 * transport that counts interrupts, and a driver of split rings. One thread, so a test sees exactly what a handler did.
 */
#ifndef TESTS_VIRTIO_RIG_H
#define TESTS_VIRTIO_RIG_H

#include <errno.h>
#include <sys/mman.h>

#include "tests/tap.h"
#include "util/endian.h"
#include "virtio/virtio.h"
#include "vmm/state.h"

#ifndef RIG_Q_SIZE
#define RIG_Q_SIZE 16	/* 64 at most */
#endif
enum { RAM_BASE = 0x100000, RAM_SIZE = 0x800000, RAM_BULK = 0x600000, Q_BYTES = 0x20000, Q_SIZE = RIG_Q_SIZE, Q_SLOT = 0x400 };

struct rig_queue {
	u16 avail, next, used;
};

struct rig {
	struct vm vm;
	struct virtio_dev *vdev;	/* the last one that was put on the transport */
	unsigned int irqs[VIRTIO_MAX_QUEUES], config_irqs;
	struct rig_queue q[VIRTIO_MAX_QUEUES];
	bool refuse;			/* the transport has no room */
	int (*irqfd)(unsigned int queue);	/* NULL: it has none */
};

static struct rig rig;

static void rig_queue_interrupt(struct virtio_dev *vdev, unsigned int queue) { rig.irqs[queue]++; }
static void rig_config_interrupt(struct virtio_dev *vdev) { rig.config_irqs++; }
static int rig_queue_started(struct virtio_dev *vdev, unsigned int queue) { return -EOPNOTSUPP; }
static void rig_queue_stopping(struct virtio_dev *vdev, unsigned int queue) { }
static int rig_queue_irqfd(struct virtio_dev *vdev, unsigned int queue) { return rig.irqfd ? rig.irqfd(queue) : -EOPNOTSUPP; }
static void rig_transport_reset(struct virtio_dev *vdev) { }

int virtio_pci_create(struct vm *vm, struct virtio_dev *vdev, struct error *err)
{
	static const struct virtio_transport_ops tops = {
		.queue_interrupt = rig_queue_interrupt, .config_interrupt = rig_config_interrupt,
		.queue_started = rig_queue_started, .queue_stopping = rig_queue_stopping,
		.queue_irqfd = rig_queue_irqfd, .reset = rig_transport_reset,
	};

	if (rig.refuse)
		return error_set(err, -ENOSPC, "no room");
	vdev->tops = &tops;
	rig.vdev = vdev;
	return 0;
}

int virtio_mmio_create(struct vm *vm, struct virtio_dev *vdev, struct error *err)
{
	return virtio_pci_create(vm, vdev, err);
}

static inline void rig_up(void)
{
	void *p = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(&rig, 0, sizeof(rig));
	rig.vm.kvm_fd = rig.vm.vm_fd = -1;
	list_init(&rig.vm.devices);
	list_init(&rig.vm.ram_listeners);
	if (p == MAP_FAILED || guest_mem_add(&rig.vm.mem, RAM_BASE, RAM_SIZE, p) < 0 ||
	    event_loop_create("test", &rig.vm.loop) < 0)
		abort();
}

static inline void rig_down(void)
{
	if (rig.vdev) {
		virtio_dev_stop(rig.vdev);
		virtio_dev_free(rig.vdev);
	}
	event_loop_free(rig.vm.loop);
	munmap(rig.vm.mem.ram[0].hva, RAM_SIZE);
}

struct rig_turn {
	struct event_work work;
	unsigned int left;
};

static inline void rig_turned(struct event_work *w)
{
	struct rig_turn *t = container_of(w, struct rig_turn, work);

	if (--t->left)
		event_post(rig.vm.loop, w, rig_turned);
	else
		event_loop_stop(rig.vm.loop);
}

/* @n turns of the loop: each serves all that is ready. */
static inline void rig_turns(unsigned int n)
{
	struct rig_turn t = { .left = n };

	event_post(rig.vm.loop, &t.work, rig_turned);
	event_loop_run(rig.vm.loop);
}

static inline void *ram(gpa_t gpa)
{
	return (u8 *)rig.vm.mem.ram[0].hva + (gpa - RAM_BASE);
}

static inline gpa_t q_base(unsigned int n)
{
	return RAM_BASE + (gpa_t)n * Q_BYTES;
}

static inline void q_set_addr(unsigned int n, enum virtio_area area, gpa_t gpa)
{
	virtio_queue_set_addr(rig.vdev, n, area, false, (u32)gpa);
	virtio_queue_set_addr(rig.vdev, n, area, true, (u32)(gpa >> 32));
}

/* As a driver does after power on or reset of the queue. */
static inline void q_enable(unsigned int n)
{
	memset(ram(q_base(n)), 0, Q_BYTES);
	rig.q[n] = (struct rig_queue){ 0 };
	virtio_queue_set_size(rig.vdev, n, Q_SIZE);
	q_set_addr(n, VIRTIO_AREA_DESC, q_base(n));
	q_set_addr(n, VIRTIO_AREA_DRIVER, q_base(n) + 0x1000);
	q_set_addr(n, VIRTIO_AREA_DEVICE, q_base(n) + 0x2000);
	virtio_queue_set_enable(rig.vdev, n);
}

/* Driver start-up with @features and VERSION_1. */
static inline bool rig_driver(u64 features)
{
	unsigned int i;

	virtio_set_status(rig.vdev, 0);
	virtio_set_status(rig.vdev, 1);
	virtio_set_status(rig.vdev, 3);
	features |= BIT_ULL(VIRTIO_F_VERSION_1);
	virtio_set_accepted(rig.vdev, 0, (u32)features);
	virtio_set_accepted(rig.vdev, 1, (u32)(features >> 32));
	virtio_set_status(rig.vdev, 11);
	if (!(virtio_get_status(rig.vdev) & VIRTIO_S_FEATURES_OK))
		return false;
	for (i = 0; i < rig.vdev->nr_queues; i++)
		q_enable(i);
	virtio_set_status(rig.vdev, 15);
	return true;
}

static inline void q_desc(unsigned int n, u16 i, gpa_t addr, u32 len, u16 flags, u16 next)
{
	u8 *d = ram(q_base(n) + 16ULL * i);

	put_le64(d, addr);
	put_le32(d + 8, len);
	put_le16(d + 12, flags);
	put_le16(d + 14, next);
}

static inline void q_publish(unsigned int n, u16 head)
{
	struct rig_queue *q = &rig.q[n];
	u8 *avail = ram(q_base(n) + 0x1000);

	put_le16(avail + 4 + 2 * (q->avail % Q_SIZE), head);
	q->avail++;
	put_le16(avail + 2, q->avail);
}

/* One chain of bytes at @out and room at @in, either of which may be absent (length 0; both: an empty one). */
static inline void q_add_at(unsigned int n, gpa_t out, u32 out_len, gpa_t in, u32 in_len)
{
	struct rig_queue *q = &rig.q[n];
	u16 head = q->next, second = (u16)((head + 1) % Q_SIZE);

	if (out_len && in_len) {
		q_desc(n, head, out, out_len, 1, second);
		q_desc(n, second, in, in_len, 2, 0);
		q->next = (u16)((head + 2) % Q_SIZE);
	} else {
		q_desc(n, head, out_len ? out : in, out_len ? out_len : in_len, out_len ? 0 : 2, 0);
		q->next = second;
	}
	q_publish(n, head);
}

/* The same with bytes given, in the queue's own memory. Gives where the device writes. */
static inline u8 *q_add(unsigned int n, const void *out, u32 out_len, u32 in_len)
{
	gpa_t data = q_base(n) + 0x4000 + (gpa_t)rig.q[n].next * Q_SLOT;

	memcpy(ram(data), out ? out : "", out_len);
	memset(ram(data + Q_SLOT / 2), 0, in_len);
	q_add_at(n, data, out_len, data + Q_SLOT / 2, in_len);
	return ram(data + Q_SLOT / 2);
}

static inline void q_kick(unsigned int n)
{
	virtio_queue_kicked(rig.vdev, n);
	rig_turns(4);
}

/* The next completion: true, and how many bytes were written. */
static inline bool q_take(unsigned int n, u32 *ret_len)
{
	struct rig_queue *q = &rig.q[n];
	u8 *used = ram(q_base(n) + 0x2000);

	if (get_le16(used + 2) == q->used)
		return false;
	*ret_len = get_le32(used + 4 + 8 * (q->used % Q_SIZE) + 4);
	q->used++;
	return true;
}

static inline unsigned int q_completed(unsigned int n)
{
	return get_le16(ram(q_base(n) + 0x2000 + 2));
}

static inline bool q_wants_kicks(unsigned int n)
{
	return !(get_le16(ram(q_base(n) + 0x2000)) & 1);
}

#endif
