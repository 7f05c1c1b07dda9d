/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What machine.h of arm and riscv share: ports are a window in memory, memory is set by loops.
 */
#ifndef GUEST_GENERIC_H
#define GUEST_GENERIC_H

/* One across its alignment is not made, and reads ones: KVM on riscv64 ends the run for it. */
static inline void out8(u16 port, u8 v) { write8(PORTS + port, v); }
static inline void out16(u16 port, u16 v) { if (!(port & 1)) write16(PORTS + port, v); }
static inline void out32(u16 port, u32 v) { if (!(port & 3)) write32(PORTS + port, v); }
static inline u8 in8(u16 port) { return read8(PORTS + port); }
static inline u16 in16(u16 port) { return port & 1 ? 0xffff : read16(PORTS + port); }
static inline u32 in32(u16 port) { return port & 3 ? ~0U : read32(PORTS + port); }

static inline u8 uart_in(unsigned int uart, unsigned int reg) { return read8(UART + uart * 0x1000 + reg); }
static inline void uart_out(unsigned int uart, unsigned int reg, u8 v) { write8(UART + uart * 0x1000 + reg, v); }

static inline void mem_set(volatile void *p, u8 v, unsigned long n)
{
	volatile u8 *b = p;

	while (n--)
		*b++ = v;
}

static inline bool mem_is(const volatile void *p, u8 v, unsigned long n)
{
	const volatile u8 *b = p;

	while (n && *b == v)
		b++, n--;
	return !n;
}

#endif
