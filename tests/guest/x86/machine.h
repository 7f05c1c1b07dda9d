/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86 machine as bare-metal guests know it: where things are, and the instructions that C has not.
 */
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#define RAM_SPOT	0x1000000ULL	/* 16 MiB into RAM, which has 64: nothing of the guest is from there on */
#define VIRTIO_MMIO	0xdff00000ULL	/* there are no slots: nobody's */
#define ECAM		0xe0000000ULL
#define ECAM_HOLE	0xe00f8000ULL	/* the last slot of bus 0: no function */
#define ECAM_END	0xf0000000ULL
#define MEM_WINDOW	0xd0000000ULL	/* of PCI, 32 bit */
#define MEM_WINDOW_END	0xe0000000ULL
#define WINDOW_HOLE	0xdff00000ULL	/* in it, nobody's */
#define MEM64_SPOT	0x10000000000ULL	/* in the 64 bit window, nobody's */
#define FIRMWARE_HOLE	0xff000000ULL
#define FLASH		FIRMWARE_HOLE	/* there is none */
enum {
	HAVE_PORTS = 1,		/* port instructions and a PC's ports */
	HAVE_MSI = 1,		/* irq_setup() and irq_msi_addr() deliver */
	ODD_ACCESS = 1,		/* loads and stores across their natural alignment reach devices */
};

/* Where a BAR does no good, and must do no harm. */
#define BAD_PLACES \
	{ 0, "a BAR at 0" }, { 0x100000, "a BAR onto RAM" }, { 0x200000, "a BAR onto the code that runs" }, \
	{ 0xe0000000, "a BAR onto ECAM" }, { 0xe00f8000, "a BAR onto the hole of ones" }, { 0xeff00000, "a BAR onto another one" }, \
	{ 0xfec00000, "a BAR onto the I/O APIC" }, { 0xfee00000, "a BAR onto the local APIC" }, \
	{ 0xfed10000, "a BAR onto another device" }, { 0xfeff8000, "a BAR onto KVM's own pages" }, \
	{ 0xff000000, "a BAR where firmware would be" }, { 0xffff8000, "a BAR at the end of 4 GiB" }, \
	{ 0xcfff8000, "a BAR just before its window" }, { 0xfffffff0, "a BAR at all ones" },
/* Addresses of messages to nobody. */
#define BAD_MSI \
	0, 0xfee00000, 0xfeefffff, 0xfee00000 | 0xff000, 0xfec00000, 0xffffffff, 0x100000, ~0ULL, 0xfffffffffee00000, 0xd0000000,

static inline u8 read8(u64 a) { return *(volatile u8 *)a; }
static inline u16 read16(u64 a) { return *(volatile u16 *)a; }
static inline u32 read32(u64 a) { return *(volatile u32 *)a; }
static inline u64 read64(u64 a) { return *(volatile u64 *)a; }
static inline void write8(u64 a, u8 v) { *(volatile u8 *)a = v; }
static inline void write16(u64 a, u16 v) { *(volatile u16 *)a = v; }
static inline void write32(u64 a, u32 v) { *(volatile u32 *)a = v; }
static inline void write64(u64 a, u64 v) { *(volatile u64 *)a = v; }

static inline void out8(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void out16(u16 port, u16 v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void out32(u16 port, u32 v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline u8 in8(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u16 in16(u16 port) { u16 v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 in32(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static inline u8 uart_in(unsigned int uart, unsigned int reg) { return in8((u16)((uart ? 0x2f8 : 0x3f8) + reg)); }
static inline void uart_out(unsigned int uart, unsigned int reg, u8 v) { out8((u16)((uart ? 0x2f8 : 0x3f8) + reg), v); }

static inline void full_barrier(void) { __asm__ volatile("mfence" ::: "memory"); }
static inline void barrier(void) { __asm__ volatile("" ::: "memory"); }	/* loads with loads, stores with stores */
static inline void cpu_pause(void) { __asm__ volatile("pause"); }
/* Sleeps till an interrupt, to be called with interrupts off, which they are again after it. */
static inline void cpu_sleep(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }

/* One instruction: ring 0 may be emulated. */
static inline void mem_set(volatile void *p, u8 v, unsigned long n)
{
	__asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(v) : "memory");
}

static inline bool mem_is(const volatile void *p, u8 v, unsigned long n)
{
	bool same = true;

	if (n)
		__asm__ volatile("repe scasb; sete %2" : "+D"(p), "+c"(n), "=qm"(same) : "a"(v) : "memory", "cc");
	return same;
}

#endif
