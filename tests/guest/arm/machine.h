/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arm64 machine as bare-metal guests know it (arm/arm.h). Accesses to devices are one plain load or store each: KVM decodes no other.
 */
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#define PORTS		0x0ULL
#define UART		0x01000000ULL
#define DEBUG_EXIT	0x01030000ULL
#define RAM_SPOT	0x81000000ULL	/* 16 MiB into RAM, which has 64: nothing of the guest is from there on */
#define VIRTIO_MMIO	0x03000000ULL	/* the first slot */
#define ECAM		0x40000000ULL
#define ECAM_HOLE	0x400f8000ULL	/* the last slot of bus 0: no function */
#define ECAM_END	0x50000000ULL
#define MEM_WINDOW	0x50000000ULL	/* of PCI, 32 bit */
#define MEM_WINDOW_END	0x80000000ULL
#define WINDOW_HOLE	0x7ff00000ULL	/* in it, nobody's */
#define MEM64_SPOT	mem64_spot()	/* in the 64 bit window, nobody's */
#define FIRMWARE_HOLE	0x02000000ULL	/* flash that is not there */
#define FLASH		0x02000000ULL
enum { HAVE_PORTS = 0, HAVE_MSI = 0, ODD_ACCESS = 0 };

#define BAD_PLACES \
	{ 0x80000000, "a BAR onto RAM" }, { 0x80200000, "a BAR onto the code that runs" }, \
	{ 0x40000000, "a BAR onto ECAM" }, { 0x400f8000, "a BAR onto the hole of ones" }, { 0x4ff00000, "a BAR onto another one" }, \
	{ 0x01000000, "a BAR onto the UARTs" }, { 0x01030000, "a BAR onto another device" }, { 0x02000000, "a BAR where flash would be" }, \
	{ 0x3fff0000, "a BAR onto the interrupt controller" }, { 0x4fff8000, "a BAR just before its window" }, { 0xfffffff0, "a BAR at all ones" },
#define BAD_MSI 0, 0x3fff0000, 0xffffffff, 0x80100000, ~0ULL, 0x7ff00000,

static inline u8 read8(u64 a) { u32 v; __asm__ volatile("ldrb %w0, [%1]" : "=r"(v) : "r"(a) : "memory"); return (u8)v; }
static inline u16 read16(u64 a) { u32 v; __asm__ volatile("ldrh %w0, [%1]" : "=r"(v) : "r"(a) : "memory"); return (u16)v; }
static inline u32 read32(u64 a) { u32 v; __asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(a) : "memory"); return v; }
static inline u64 read64(u64 a) { u64 v; __asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(a) : "memory"); return v; }
static inline void write8(u64 a, u8 v) { __asm__ volatile("strb %w0, [%1]" : : "rZ"(v), "r"(a) : "memory"); }
static inline void write16(u64 a, u16 v) { __asm__ volatile("strh %w0, [%1]" : : "rZ"(v), "r"(a) : "memory"); }
static inline void write32(u64 a, u32 v) { __asm__ volatile("str %w0, [%1]" : : "rZ"(v), "r"(a) : "memory"); }
static inline void write64(u64 a, u64 v) { __asm__ volatile("str %x0, [%1]" : : "rZ"(v), "r"(a) : "memory"); }

static inline void full_barrier(void) { __asm__ volatile("dsb sy" ::: "memory"); }
static inline void barrier(void) { __asm__ volatile("dmb ish" ::: "memory"); }
static inline void cpu_pause(void) { __asm__ volatile("yield"); }
static inline void cpu_sleep(void) { __asm__ volatile("wfe" ::: "memory"); }
u64 mem64_spot(void);

#include "lib/generic.h"

#endif
