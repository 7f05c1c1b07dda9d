/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of the block device, whose queues run on a thread of its own: a VM of RAM, a transport that counts, and a
 * driver of split rings that builds requests from pieces and waits for their completion.
 */
#ifndef TESTS_VIRTIO_BLK_RIG_H
#define TESTS_VIRTIO_BLK_RIG_H

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "tests/tap.h"
#include "util/endian.h"
#include "util/io.h"
#include "virtio/blk.h"
#include "vmm/state.h"
#include "vmm/virtio.h"

enum {
	RAM_BASE = 0x100000, RAM_SIZE = 0x1000000,
	Q_BYTES = 0x10000,	/* rings of queue n at RAM_BASE + n * Q_BYTES, and its headers and indirect tables */
	Q_SIZE = 256,
	AVAIL = 0x2000, USED = 0x3000, HEADERS = 0x5000, STATUS = 0x9000, TABLES = 0xa000,
	DATA = RAM_BASE + 0x100000,
};

enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4 };

struct rig_queue {
	u16 avail, next, used;
};

struct rig {
	struct vm vm;
	struct virtio_dev *vdev;
	_Atomic unsigned int irqs, config_irqs;
	struct rig_queue q[8];
	bool refuse;
};

static struct rig rig;

static void rig_queue_interrupt(struct virtio_dev *vdev, unsigned int queue) { atomic_fetch_add(&rig.irqs, 1); }
static void rig_config_interrupt(struct virtio_dev *vdev) { atomic_fetch_add(&rig.config_irqs, 1); }
static int rig_queue_started(struct virtio_dev *vdev, unsigned int queue) { return -EOPNOTSUPP; }
static void rig_queue_stopping(struct virtio_dev *vdev, unsigned int queue) { }
static int rig_queue_irqfd(struct virtio_dev *vdev, unsigned int queue) { return -EOPNOTSUPP; }
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

/* What vm_run() does before the guest's first instruction. */
static inline void rig_prepare(void)
{
	if (rig.vdev->ops->prepare && rig.vdev->ops->prepare(rig.vdev, NULL) < 0)
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
	memset(&rig, 0, sizeof(rig));
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

static inline void q_enable(unsigned int n)
{
	memset(ram(q_base(n)), 0, Q_BYTES);
	rig.q[n] = (struct rig_queue){ 0 };
	virtio_queue_set_size(rig.vdev, n, Q_SIZE);
	q_set_addr(n, VIRTIO_AREA_DESC, q_base(n));
	q_set_addr(n, VIRTIO_AREA_DRIVER, q_base(n) + AVAIL);
	q_set_addr(n, VIRTIO_AREA_DEVICE, q_base(n) + USED);
	virtio_queue_set_enable(rig.vdev, n);
}

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

/* --- building requests --- */

struct seg {
	gpa_t addr;
	u32 len;
	bool write;
};

static inline void put_desc(u8 *d, gpa_t addr, u32 len, u16 flags, u16 next)
{
	put_le64(d, addr);
	put_le32(d + 8, len);
	put_le16(d + 12, flags);
	put_le16(d + 14, next);
}

static inline void q_publish(unsigned int n, u16 head)
{
	struct rig_queue *q = &rig.q[n];

	put_le16(ram(q_base(n) + AVAIL + 4 + 2ULL * (q->avail % Q_SIZE)), head);
	q->avail++;
	__atomic_store_n((u16 *)ram(q_base(n) + AVAIL + 2), htole16(q->avail), __ATOMIC_RELEASE);
}

/* Gives its head. */
static inline u16 q_chain(unsigned int n, const struct seg *seg, unsigned int nr)
{
	struct rig_queue *q = &rig.q[n];
	u16 head = q->next;
	unsigned int i;

	for (i = 0; i < nr; i++, q->next = (u16)((q->next + 1) % Q_SIZE))
		put_desc(ram(q_base(n) + 16ULL * q->next), seg[i].addr, seg[i].len,
			 (seg[i].write ? D_WRITE : 0) | (i + 1 < nr ? D_NEXT : 0), (u16)((q->next + 1) % Q_SIZE));
	q_publish(n, head);
	return head;
}

/* The same in a table of its own (6 pieces at most), one descriptor of the ring. */
static inline u16 q_chain_indirect(unsigned int n, const struct seg *seg, unsigned int nr)
{
	struct rig_queue *q = &rig.q[n];
	u16 head = q->next;
	gpa_t table = q_base(n) + TABLES + 96ULL * head;
	unsigned int i;

	for (i = 0; i < nr; i++)
		put_desc(ram(table + 16ULL * i), seg[i].addr, seg[i].len, (seg[i].write ? D_WRITE : 0) | (i + 1 < nr ? D_NEXT : 0),
			 (u16)(i + 1));
	put_desc(ram(q_base(n) + 16ULL * head), table, 16 * nr, D_INDIRECT, 0);
	q->next = (u16)((head + 1) % Q_SIZE);
	q_publish(n, head);
	return head;
}

/* A header in the slot of the next chain. */
static inline gpa_t q_header(unsigned int n, u32 type, u64 sector)
{
	gpa_t h = q_base(n) + HEADERS + 16ULL * rig.q[n].next;

	put_le32(ram(h), type);
	put_le32(ram(h + 4), 0xabcd);	/* reserved (legacy: priority): not looked at */
	put_le64(ram(h + 8), sector);
	return h;
}

static inline u8 *q_status_at(unsigned int n, u16 head)
{
	return ram(q_base(n) + STATUS + head);
}

/* Header, data, status as drivers do it. Gives the head. */
static inline u16 q_request(unsigned int n, u32 type, u64 sector, gpa_t data, u32 len)
{
	gpa_t status = q_base(n) + STATUS + rig.q[n].next;
	struct seg seg[3] = {
		{ q_header(n, type, sector), 16, false },
		{ data, len, type == BLK_T_IN || type == BLK_T_GET_ID },
		{ status, 1, true },
	};

	*(u8 *)ram(status) = 0xff;
	if (!len)
		seg[1] = seg[2];
	return q_chain(n, seg, len ? 3 : 2);
}

/* --- waiting --- */

static inline u16 q_completed(unsigned int n)
{
	return le16toh(__atomic_load_n((u16 *)ram(q_base(n) + USED + 2), __ATOMIC_ACQUIRE));
}

static inline bool rig_wait_for(bool (*cond)(void *arg), void *arg)
{
	u64 end = time_now_ns() + 20000000000ULL;

	while (!cond(arg)) {
		if (time_now_ns() > end)
			return false;
		sched_yield();
	}
	return true;
}

struct q_target {
	unsigned int n;
	u16 used;
};

static inline bool q_reached(void *arg)
{
	struct q_target *t = arg;

	return q_completed(t->n) == t->used;
}

/* Kicks; waits until @count chains in all have completed. */
static inline bool q_run(unsigned int n, u16 count)
{
	struct q_target t = { n, count };

	virtio_queue_kicked(rig.vdev, n);
	return rig_wait_for(q_reached, &t);
}

static inline bool q_take(unsigned int n, u32 *ret_id, u32 *ret_len)
{
	struct rig_queue *q = &rig.q[n];
	u8 *e = ram(q_base(n) + USED + 4 + 8ULL * (q->used % Q_SIZE));

	if (q_completed(n) == q->used)
		return false;
	*ret_id = get_le32(e);
	*ret_len = get_le32(e + 4);
	q->used++;
	return true;
}

/* One request to its end: status, or 0x100 when it never ends. *ret_len: what the ring says was written. */
static inline unsigned int q_one(u32 type, u64 sector, gpa_t data, u32 len, u32 *ret_len)
{
	u16 head = q_request(0, type, sector, data, len);
	u32 id = ~0U, n = 0;

	if (!q_run(0, rig.q[0].avail))
		return 0x100;
	while (id != head && q_take(0, &id, &n))	/* first those of before that the test left */
		;
	if (id != head)
		return 0x100;
	if (ret_len)
		*ret_len = n;
	return *q_status_at(0, head);
}

static inline bool rig_broken(void *arg)
{
	return virtio_get_status(rig.vdev) & VIRTIO_S_NEEDS_RESET;
}

#endif
