/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver of real devices over MMIO registers, and nothing else of lkvm's: it finds them by their id in the slots of pci-rig.h's VM, whose
 * loop the test turns. One ring for each queue, as legacy lays it out, which modern takes too.
 */
#ifndef TESTS_VIRTIO_MMIO_RIG_H
#define TESTS_VIRTIO_MMIO_RIG_H

#include "tests/virtio/pci-rig.h"
#include "virtio/mmio.h"

enum {
	M_MAGIC = 0, M_VERSION = 4, M_DEVICE = 8, M_FEATURES = 0x10, M_FEATURES_SEL = 0x14, M_ACCEPTED = 0x20, M_ACCEPTED_SEL = 0x24,
	M_PAGE_SIZE = 0x28, M_QSEL = 0x30, M_QMAX = 0x34, M_QNUM = 0x38, M_QALIGN = 0x3c, M_PFN = 0x40, M_READY = 0x44, M_NOTIFY = 0x50,
	M_ISR = 0x60, M_ACK = 0x64, M_STATUS = 0x70, M_QDESC = 0x80, M_QDRIVER = 0x90, M_QDEVICE = 0xa0, M_CONFIG = 0x100,
	M_QUEUES = 3, M_SIZE = 16,
};

struct mdev {
	struct vm *vm;
	u64 base;
	u32 gsi;
	struct drv q[M_QUEUES];		/* of them desc, avail, used, data and where they are */
};

static inline u32 m_rd(struct mdev *d, unsigned int off)
{
	return (u32)rig_read(d->vm, IO_MMIO, d->base + off, 4);
}

static inline void m_wr(struct mdev *d, unsigned int off, u32 val)
{
	rig_write(d->vm, IO_MMIO, d->base + off, 4, val);
}

static inline bool m_find(struct vm *vm, u32 id, struct mdev *d)
{
	unsigned int i;

	for (i = 0; i < RIG_NR_SLOTS; i++) {
		*d = (struct mdev){ .vm = vm, .base = RIG_SLOTS + i * RIG_STRIDE, .gsi = RIG_SLOT_GSI + i };
		if (m_rd(d, M_MAGIC) == 0x74726976 && m_rd(d, M_DEVICE) == id)
			return true;
	}
	return false;
}

struct m_turn {
	struct event_work work;
	struct event_loop *loop;
};

static inline void m_turned(struct event_work *w)
{
	event_loop_stop(container_of(w, struct m_turn, work)->loop);
}

/* Some turns of the loop: each serves all that is ready. */
static inline void m_turns(struct vm *vm)
{
	struct m_turn t = { .loop = vm->loop };
	int i;

	for (i = 0; i < 6; i++) {
		event_post(vm->loop, &t.work, m_turned);
		event_loop_run(vm->loop);
	}
}

static inline void m_queue(struct mdev *d, unsigned int n, unsigned int slot)
{
	struct drv *q = &d->q[n];

	drv_init(q, d->vm, slot, M_SIZE);
	m_wr(d, M_QSEL, n);
	m_wr(d, M_QNUM, M_SIZE);
	if (m_rd(d, M_VERSION) == 1) {
		m_wr(d, M_QALIGN, 4096);
		m_wr(d, M_PFN, (u32)(q->desc / 4096));
		return;
	}
	m_wr(d, M_QDESC, (u32)q->desc);
	m_wr(d, M_QDESC + 4, (u32)(q->desc >> 32));
	m_wr(d, M_QDRIVER, (u32)q->avail);
	m_wr(d, M_QDRIVER + 4, (u32)(q->avail >> 32));
	m_wr(d, M_QDEVICE, (u32)q->used);
	m_wr(d, M_QDEVICE + 4, (u32)(q->used >> 32));
	m_wr(d, M_READY, 1);
}

/* Takes what is offered of @features. The rings of its first @queues are in slots of memory from @slot on. */
static inline bool m_start(struct mdev *d, u64 features, unsigned int queues, unsigned int slot)
{
	bool legacy = m_rd(d, M_VERSION) == 1;
	unsigned int i;

	if (legacy)
		m_wr(d, M_PAGE_SIZE, 4096);
	else
		features |= BIT_ULL(VIRTIO_F_VERSION_1);
	m_wr(d, M_STATUS, 0);
	m_wr(d, M_STATUS, 1);
	m_wr(d, M_STATUS, 3);
	for (i = 2; i-- > 0; ) {
		m_wr(d, M_FEATURES_SEL, i);
		m_wr(d, M_ACCEPTED_SEL, i);
		m_wr(d, M_ACCEPTED, (u32)(features >> 32 * i) & m_rd(d, M_FEATURES));
	}
	if (!legacy)
		m_wr(d, M_STATUS, 11);
	for (i = 0; i < queues; i++)
		m_queue(d, i, slot + i);
	m_wr(d, M_STATUS, legacy ? 7 : 15);
	m_turns(d->vm);
	return m_rd(d, M_STATUS) == (legacy ? 7 : 15);
}

/* One chain: @out_len bytes at @out, then room for @in_len at @in, either of which may be absent. */
static inline void m_add(struct mdev *d, unsigned int n, gpa_t out, u32 out_len, gpa_t in, u32 in_len)
{
	struct drv *q = &d->q[n];
	u16 head = q->next, i = head;
	u8 *desc;

	if (out_len) {
		desc = at(d->vm, q->desc + 16ULL * i);
		put_le64(desc, out);
		put_le32(desc + 8, out_len);
		put_le16(desc + 12, in_len ? 1 : 0);	/* NEXT */
		i = (u16)((i + 1) % q->size);
		put_le16(desc + 14, i);
	}
	if (in_len) {
		desc = at(d->vm, q->desc + 16ULL * i);
		put_le64(desc, in);
		put_le32(desc + 8, in_len);
		put_le16(desc + 12, 2);			/* WRITE */
		i = (u16)((i + 1) % q->size);
	}
	q->next = i;
	put_le16(at(d->vm, q->avail + 4 + 2ULL * (q->avail_idx % q->size)), head);
	put_le16(at(d->vm, q->avail + 2), ++q->avail_idx);
}

static inline void m_kick(struct mdev *d, unsigned int n)
{
	m_wr(d, M_NOTIFY, n);
	m_turns(d->vm);
}

/* Did the device interrupt for a queue? Acknowledges it, as a driver does. */
static inline bool m_interrupted(struct mdev *d)
{
	bool high = rig.levels[d->gsi];
	u32 isr = m_rd(d, M_ISR);

	m_wr(d, M_ACK, isr);
	return high && isr == 1 && !rig.levels[d->gsi];
}

/* Where the test puts data for queue @n. */
static inline gpa_t m_data(struct mdev *d, unsigned int n)
{
	return d->q[n].data;
}

#endif
