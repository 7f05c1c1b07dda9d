/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a bare-metal guest in C may use, on any architecture. Each check is a TAP line on the console; the exit status is
 * 0 when all passed, else 1.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

int guest_main(void);
void guest_exit(int status) __attribute__((noreturn));
void mark(u8 value);

void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* %s %u %d %x %llx %llu %c */
void check_at(bool good, const char *name, const char *file, int line);
#define check(cond, name) check_at((cond), (name), __FILE__, __LINE__)
int checks_done(void);	/* prints the plan; 0 or 1 for guest_main to return */

/* PCI config space by ECAM, bus 0; size 1, 2 or 4. */
u32 pci_read(u8 devfn, unsigned int off, unsigned int size);
void pci_write(u8 devfn, unsigned int off, unsigned int size, u32 val);
int pci_find_id(u16 vendor, u16 device, unsigned int nth);	/* devfn or -1 */
unsigned int pci_find_cap(u8 devfn, u8 id, unsigned int after);	/* offset or 0 */
u64 pci_bar(u8 devfn, unsigned int bar);

/* read8() .. write64(), in8() .. out32(), barriers, what is where */
#include "machine.h"

/* Can the CPU do this access to a device? */
static inline bool may_access(u64 at, unsigned int size) { return ODD_ACCESS || !(at & (size - 1)); }

/* What follows "NAME=" in the kernel's command line as a decimal number, else @fallback. */
u64 cmdline_number(const char *name, u64 fallback);
u64 ram_start(void), ram_end(void);	/* of the RAM below 4 GiB */

/* Makes [addr, addr + 1 GiB) reachable, @addr a multiple of 1 GiB. */
void map_gib(u64 addr);

/*
 * Interrupts, with HAVE_MSI: 16 vectors from 0x40; irq_count[vector - 0x40] counts. irq_setup() must come first; then they are on. Elsewhere it
 * only makes ready for more CPUs.
 */
extern volatile u32 irq_count[16];
void irq_setup(void);
u64 irq_msi_addr(void);
/*
 * Wired interrupt @gsi, level triggered, comes to this CPU: @handler takes the level away, before the end of interrupt (with wired_eoi_first:
 * after it, so that the level comes once more), and wired_count counts. One of them. False: no driver for that here.
 * It must not be left to the code that was interrupted: KVM hears of the level again before that executes another instruction, so it may never
 * get there.
 */
extern volatile u32 wired_count;
extern volatile bool wired_eoi_first;
bool irq_wire(u32 gsi, void (*handler)(void));

/*
 * Has CPUs 1 .. nr - 1 run @fn(cpu), ready for interrupts but with them off; returns when all are in it. They stop when it returns.
 * Once only; after irq_setup().
 */
void cpus_start(unsigned int nr, void (*fn)(unsigned int cpu));
unsigned int cpus_done(void);	/* how many have returned */
/* Ends another CPU's cpu_sleep(). */
void cpu_wake(unsigned int cpu);

#endif
