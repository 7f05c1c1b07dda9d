/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark's guests: a virtio disk without interrupts, up to DEPTH_MAX requests in flight, everything from ring 3.
 */
#ifndef BENCH_H
#define BENCH_H

#include "virtio.h"

enum { DEPTH_MAX = 32 };
#define RINGS 0x100000ULL
#define BUFFERS 0x200000ULL	/* 1 MiB each */

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline u32 inl(u16 port)
{
	u32 v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline u64 cycles(void)
{
	u32 low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) :: "memory");
	return (u64)high << 32 | low;
}

struct disk {
	struct vdev dev;
	u16 num, offered, seen;
	u64 notify_at;
	struct vdesc *desc;
	volatile u16 *avail, *used;
	struct blk_head head[DEPTH_MAX] __attribute__((aligned(16)));
	volatile u8 status[DEPTH_MAX];
};

void say(const char *s, u64 a, u64 b);	/* a line on the console */
bool disk_start(struct disk *k);
void disk_offer(struct disk *k, unsigned int slot, u32 type, u64 sector, u64 data, u32 len);
void disk_kick(struct disk *k);
unsigned int disk_wait(struct disk *k);	/* the slot that is done */

#endif
