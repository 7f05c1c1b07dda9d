/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the hostile drivers (hostile-*.c) share: a virtio device with all its queues, modern or legacy, split or packed, whose every
 * step can be done wrong; a healthy device beside it; and the verdict on an attack.
 *
 * Waits end with what they wait for. Their bound is far beyond what a loaded machine needs, and only matters in failure.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "virtio.h"

enum {
	ID_NET = 1, ID_BLK = 2, ID_CONSOLE = 3, ID_RNG = 4, ID_BALLOON = 5,
	S_NEEDS_RESET = 64,
	HQ_QUEUES = 10, HQ_MAX = 1024, HQ_SIZE = 16, HQ_MEM = 40960,
	/* legacy registers [virtio-1.2 4.1.4.10] */
	L_HF = 0, L_GF = 4, L_PFN = 8, L_QSIZE = 12, L_QSELECT = 14, L_NOTIFY = 16, L_STATUS = 18, L_ISR = 19, L_CONFIG = 20,
	P_AVAIL = 1 << 7, P_USED = 1 << 15,	/* packed descriptor flags */
	HOSTILE_PATIENCE = 1000000,
};

#define F_INDIRECT (1ULL << 28)
#define F_EVENT_IDX (1ULL << 29)
#define F_VERSION_1 (1ULL << 32)
#define F_PACKED (1ULL << 34)
#define F_RING_RESET (1ULL << 40)
#define F_CONSOLE_MULTIPORT (1ULL << 1)
#define F_NET_CTRL_VQ (1ULL << 17)

static inline void h_set(volatile void *p, u8 v, unsigned long n) { mem_set(p, v, n); }
static inline void h_zero(volatile void *p, unsigned long n) { h_set(p, 0, n); }

struct hqueue {
	u8 mem[HQ_MEM] __attribute__((aligned(4096)));
	volatile struct vdesc *desc;	/* packed: the same 16 bytes, flags in next and the id in flags */
	volatile u16 *driver, *device;	/* split: available and used ring; packed: event areas */
	u16 index, size;
	u64 kick;			/* modern: its notify address */
	u16 next, seen;			/* where the next chain goes, which used entry is awaited */
	bool wrap, seen_wrap;		/* packed */
	u16 count[HQ_MAX];		/* packed: descriptors of the chain with that id */
};

struct hdev {
	struct vdev v;
	bool legacy, packed;
	u16 io;				/* legacy: port of the registers */
	u64 offered;
	unsigned int nr;		/* queues */
	struct hqueue q[HQ_QUEUES];
	/* what it writes, its own: two devices' writes to one byte are a race, if only for a sanitizer */
	struct blk_head head;
	volatile u8 status, round;
	u8 buf[512] __attribute__((aligned(64)));
};

struct helem { u64 addr; u32 len; u16 flags; };
#define E_OUT(p, n) { (u64)(p), (n), 0 }
#define E_IN(p, n) { (u64)(p), (n), D_WRITE }

static inline u8 h_status(struct hdev *h) { return h->legacy ? in8(h->io + L_STATUS) : vdev_status(&h->v); }

static inline void h_set_status(struct hdev *h, u8 s)
{
	if (h->legacy)
		out8(h->io + L_STATUS, s);
	else
		vdev_set_status(&h->v, s);
}

static inline u64 h_offered(struct hdev *h) { return h->legacy ? in32(h->io + L_HF) : vdev_features(&h->v); }

/* Selects queue @i. Gives its largest size, 0 without such a queue; the device must be freshly reset for that. */
static inline u16 h_select(struct hdev *h, u16 i)
{
	if (h->legacy) {
		out16(h->io + L_QSELECT, i);
		return in16(h->io + L_QSIZE);
	}
	write16(h->v.common + C_QSELECT, i);
	return read16(h->v.common + C_QSIZE);
}

/* The @nth device with virtio id @id, over either transport. False: there is none. */
static inline bool h_find(struct hdev *h, u16 id, unsigned int nth)
{
	static const u16 legacy_id[] = { 0, 0x1000, 0x1001, 0x1003, 0x1005, 0x1002 };
	int devfn = pci_find_id(0x1af4, (u16)(0x1040 + id), nth);

	h->legacy = devfn < 0;
	h->packed = false;
	if (h->legacy)
		devfn = pci_find_id(0x1af4, legacy_id[id], nth);
	if (devfn < 0)
		return false;
	if (h->legacy) {
		h->v.devfn = (u8)devfn;
		h->io = (u16)pci_bar(h->v.devfn, 0);
		pci_write(h->v.devfn, 4, 2, 7);
	} else {
		vdev_find(&h->v, devfn);	/* not all have a device configuration */
		if (!h->v.common || !h->v.notify || !h->v.isr)
			return false;
	}
	h_set_status(h, 0);
	h->offered = h_offered(h);
	for (h->nr = 0; h->nr < HQ_QUEUES && h_select(h, (u16)h->nr); h->nr++)
		;
	return true;
}

/* --- setting up --- */

/* Our side of a queue of @size entries, in its memory as legacy has it: descriptors, ours, page aligned the device's. [2.7.2] */
static inline void hq_lay_out(struct hqueue *q, u16 index, u16 size, bool packed)
{
	u64 at = (u64)q->mem;

	q->index = index;
	q->size = size;
	q->desc = (volatile struct vdesc *)at;
	q->driver = (volatile u16 *)(at + 16ULL * size);
	q->device = (volatile u16 *)((at + 16ULL * size + 2ULL * (3 + size) + 4095) & ~4095ULL);
	q->next = q->seen = 0;
	q->wrap = q->seen_wrap = true;
	h_zero((void *)q->desc, 18UL * size + 6);
	h_zero((void *)q->device, 8UL * size + 6);
	q->driver[packed ? 1 : 0] = 1;	/* no interrupts */
}

static inline void h_areas(struct hdev *h, u64 desc, u64 driver, u64 device)
{
	vdev_write64(h->v.common + C_QDESC, desc);
	vdev_write64(h->v.common + C_QDRIVER, driver);
	vdev_write64(h->v.common + C_QDEVICE, device);
}

/* Registers of queue @i but for what starts it. */
static inline void h_prepare(struct hdev *h, u16 i)
{
	struct hqueue *q = &h->q[i];
	u16 max = h_select(h, i);

	/* other CPUs may be at the selector, or at decode */
	hq_lay_out(q, i, max && max <= HQ_MAX && (h->legacy || max < HQ_SIZE) ? max : HQ_SIZE, h->packed);
	if (h->legacy)
		return;
	write16(h->v.common + C_QSIZE, q->size);
	write16(h->v.common + C_QVECTOR, 0xffff);
	h_areas(h, (u64)q->desc, (u64)q->driver, (u64)q->device);
	q->kick = h->v.notify + (u64)read16(h->v.common + C_QNOTIFY) * h->v.notify_multiplier;
}

static inline void h_queue(struct hdev *h, u16 i)
{
	h_prepare(h, i);
	if (h->legacy)
		out32(h->io + L_PFN, (u32)((u64)h->q[i].mem >> 12));
	else
		write16(h->v.common + C_QENABLE, 1);
}

/* Reset and negotiation. @features are added to VERSION_1 and, when it is to be packed, RING_PACKED. */
static inline bool h_negotiate(struct hdev *h, u64 features)
{
	if (!h->legacy)
		return vdev_negotiate(&h->v, (features & h->offered) | F_VERSION_1 | (h->packed ? F_PACKED : 0));
	h_set_status(h, 0);
	h_set_status(h, 1);
	h_set_status(h, 3);
	out32(h->io + L_GF, (u32)(features & h->offered));
	return h_status(h) == 3;
}

static inline void h_live(struct hdev *h) { h_set_status(h, h->legacy ? 7 : 15); }

/* Reset, and up with all queues. */
static inline bool h_start(struct hdev *h, u64 features)
{
	u16 i;

	if (!h_negotiate(h, features))
		return false;
	for (i = 0; i < h->nr; i++)
		h_queue(h, i);
	h_live(h);
	return !(h_status(h) & S_NEEDS_RESET);
}

/* --- chains --- */

/* An entry of an indirect table. */
static inline void h_table(volatile struct vdesc *t, bool packed, u64 addr, u32 len, u16 flags, u16 next)
{
	t->addr = addr;
	t->len = len;
	t->flags = packed ? next : flags;
	t->next = packed ? flags : next;
}

static inline u16 packed_flags(const struct hqueue *q, u16 at)
{
	bool wrap = at < q->size ? q->wrap : !q->wrap;

	return wrap ? P_AVAIL : P_USED;
}

/*
 * Writes the elements into descriptors, each but the last with a NEXT of its own and the last with its flags as they are. Nothing
 * is available yet. Gives the head.
 */
static inline u16 hq_lay(struct hdev *h, struct hqueue *q, const struct helem *e, unsigned int n)
{
	u16 head = q->next, at, flags;
	unsigned int i;

	for (i = 0; i < n; i++) {
		at = (u16)((head + i) % q->size);
		flags = e[i].flags | (i + 1 < n ? D_NEXT : 0);
		if (h->packed && i)
			flags |= packed_flags(q, (u16)(head + i));
		h_table(&q->desc[at], h->packed, e[i].addr, e[i].len, flags, h->packed ? head : (u16)((at + 1) % q->size));
	}
	/* the head's flags stay those of the round before until it is published */
	if (h->packed)
		q->desc[head].next = (u16)((q->desc[head].next & ~(P_AVAIL | P_USED)) | (packed_flags(q, head) ^ (P_AVAIL | P_USED)));
	return head;
}

/* Makes the chain of @n descriptors at @head available. */
static inline void hq_publish(struct hdev *h, struct hqueue *q, u16 head, unsigned int n)
{
	full_barrier();
	if (h->packed) {
		q->count[head % HQ_MAX] = (u16)n;
		q->desc[head].next = (u16)((q->desc[head].next & ~(P_AVAIL | P_USED)) | packed_flags(q, head));
	} else {
		q->driver[2 + q->driver[1] % q->size] = head;
		barrier();
		q->driver[1]++;
	}
	if (q->next + n >= q->size)
		q->wrap = !q->wrap;
	q->next = (u16)((q->next + n) % q->size);
	full_barrier();
}

static inline void hq_kick(struct hdev *h, struct hqueue *q)
{
	if (h->legacy)
		out16(h->io + L_NOTIFY, q->index);
	else
		write16(q->kick, q->index);
}

static inline void hq_put(struct hdev *h, struct hqueue *q, const struct helem *e, unsigned int n)
{
	hq_publish(h, q, hq_lay(h, q, e, n), n);
}

/* The next used entry, if there is one: its length, else -1. */
static inline long hq_used(struct hdev *h, struct hqueue *q)
{
	u32 len;
	u16 id;

	if (!h->packed) {
		if (q->device[1] == q->seen)
			return -1;
		barrier();
		len = *(volatile u32 *)(q->device + 2 + 4 * (q->seen % q->size) + 2);
		q->seen++;
		return len;
	}
	if ((q->desc[q->seen].next & (P_AVAIL | P_USED)) != (q->seen_wrap ? P_AVAIL | P_USED : 0))
		return -1;
	barrier();
	len = q->desc[q->seen].len;
	id = q->desc[q->seen].flags;
	q->seen = (u16)(q->seen + q->count[id % HQ_MAX]);
	if (q->seen >= q->size) {
		q->seen = (u16)(q->seen - q->size);
		q->seen_wrap = !q->seen_wrap;
	}
	return len;
}

/* Until a chain comes back: its used length; or the device breaks: -1. */
static inline long hq_wait(struct hdev *h, struct hqueue *q)
{
	unsigned int n;
	long len;

	for (n = 0; n < HOSTILE_PATIENCE; n++) {
		len = hq_used(h, q);
		if (len >= 0)
			return len;
		if (!(n & 63) && (h_status(h) & S_NEEDS_RESET))
			return hq_used(h, q);	/* what came before it broke counts */
		cpu_pause();
	}
	print("# nothing came back, queue %u\n", q->index);
	return -1;
}

static inline long hq_run(struct hdev *h, u16 i, const struct helem *e, unsigned int n)
{
	hq_put(h, &h->q[i], e, n);
	hq_kick(h, &h->q[i]);
	return hq_wait(h, &h->q[i]);
}
#define hq_do(h, i, ...) \
	hq_run(h, i, (const struct helem[]){ __VA_ARGS__ }, sizeof((struct helem[]){ __VA_ARGS__ }) / sizeof(struct helem))

static inline bool h_broke(struct hdev *h)
{
	unsigned int n;

	for (n = 0; n < HOSTILE_PATIENCE; n++)
		if (h_status(h) & S_NEEDS_RESET)
			return true;
	return false;
}

/* --- does it work? Each with the device started --- */

static inline bool h_is(const volatile void *p, u8 v, unsigned long n) { return mem_is(p, v, n); }

static inline bool rng_works(struct hdev *h)
{
	h_set(h->buf, 0, 64);
	return hq_do(h, 0, E_IN(h->buf, 64)) == 64 && !h_is(h->buf, 0, 64);
}

/* One request with one data buffer; 0xff when no status came. */
static inline u8 blk_do(struct hdev *h, u32 type, u64 sector, volatile void *data, u32 len)
{
	bool in = type == 0 || type == 8;

	h->head = (struct blk_head){ type, 0, sector };
	h->status = 0xff;
	if (hq_do(h, 0, E_OUT(&h->head, 16), { (u64)data, len, in ? D_WRITE : 0 }, E_IN(&h->status, 1)) < 0)
		return 0xff;
	return h->status;
}

static inline bool blk_works(struct hdev *h)
{
	h_set(h->buf, ++h->round, 512);
	if (blk_do(h, 1, 9, h->buf, 512))
		return false;
	h_set(h->buf, 0, 512);
	return !blk_do(h, 0, 9, h->buf, 512) && h_is(h->buf, h->round, 512);
}

static inline bool console_works(struct hdev *h)
{
	static u8 out[16] = "console output\n";

	return hq_do(h, 1, E_OUT(out, 15)) == 0;
}

static inline bool net_works(struct hdev *h)
{
	static u8 frame[12 + 60];

	h_set(frame, 0, sizeof(frame));
	h_set(frame + (h->legacy ? 10 : 12), 0xff, 6);
	return hq_do(h, 1, E_OUT(frame, h->legacy ? 70 : 72)) == 0;
}

static inline bool balloon_works(struct hdev *h)
{
	static u8 page[4096] __attribute__((aligned(4096)));
	static u32 pfn;

	pfn = (u32)((u64)page >> 12);
	return hq_do(h, 0, E_OUT(&pfn, 4)) == 0 && hq_do(h, 1, E_OUT(&pfn, 4)) == 0;
}

struct subject {
	const char *name;
	u16 id, queue;			/* the queue to attack: one that is looked at when it is kicked */
	u64 features;			/* of the device type, that the queue needs */
	bool (*works)(struct hdev *h);
};

/* --- the attack in hand --- */

static struct hdev dut, bystander;	/* the one under attack; another of the same VM, in use all the time */
static bool (*dut_works)(struct hdev *h), (*bystander_works)(struct hdev *h);
static u64 __attribute__((unused)) dut_base, dut_features;	/* those its queue needs; those it is started with again */
static const char *label = "";

enum outcome { BREAKS, ANSWERS, EITHER };

static inline char *h_append(char *to, const char *s)
{
	while (*s)
		*to++ = *s++;
	*to = '\0';
	return to;
}

static inline void attack_check(bool good, const char *what)
{
	static char name[160];

	h_append(h_append(name, label), what);
	check(good, name);
}

/* Starts the bystander: a disk that is not under attack, else the random numbers. */
static inline bool bystander_start(u16 attacked)
{
	bool disk = h_find(&bystander, ID_BLK, attacked == ID_BLK ? 1 : 0);

	if (!disk && (attacked == ID_RNG || !h_find(&bystander, ID_RNG, 0)))
		return false;
	bystander_works = disk ? blk_works : rng_works;
	return h_start(&bystander, 0) && bystander_works(&bystander);
}

/* The rest of the VM works; and so does the device after a reset. */
static inline bool recovered(void)
{
	if (!bystander_works(&bystander)) {
		print("# the bystander does not work\n");
		return false;
	}
	if (!h_start(&dut, dut_features)) {
		print("# no start after the attack, status %x\n", h_status(&dut));
		return false;
	}
	if (!dut_works(&dut)) {
		print("# does not work after a reset, status %x\n", h_status(&dut));
		return false;
	}
	return true;
}

/* One attack was just made on queue @queue. */
static inline void verdict(enum outcome want, u16 queue, const char *what)
{
	bool good = true;

	if (want == BREAKS)
		good = h_broke(&dut);
	if (want == ANSWERS)
		good = hq_wait(&dut, &dut.q[queue]) >= 0;
	if (!good)
		print("# status %x: want %s\n", h_status(&dut), want == BREAKS ? "NEEDS_RESET" : "an answer");
	good &= recovered();
	attack_check(good, what);
}

static inline void attack_chain(enum outcome want, u16 queue, const char *what, const struct helem *e, unsigned int n)
{
	struct hqueue *q = &dut.q[queue];

	hq_put(&dut, q, e, n);
	hq_kick(&dut, q);
	verdict(want, queue, what);
}
#define attack(want, queue, what, ...) attack_chain(want, queue, what, (const struct helem[]){ __VA_ARGS__ }, \
						    sizeof((struct helem[]){ __VA_ARGS__ }) / sizeof(struct helem))

/* Numbers without meaning, the same ones in each run. */
static inline u32 h_random(void)
{
	static u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (u32)(x >> 16);
}

#endif
