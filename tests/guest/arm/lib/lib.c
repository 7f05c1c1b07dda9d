/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arm64 half of tests/guest/guest.h. Memory is mapped as it is: RAM as such, all else as device memory. No interrupts: what MSIs need here
 * is a driver of its own (GICv3 ITS), and Linux has one.
 */
#include "lib/lib.h"

enum { CPUS_MAX = 16, AP_STACK = 16384, PSCI_CPU_ON = 0xc4000003U };

extern u64 page_root[];
extern char ap_start[];
u64 smc_call(u64 fn, u64 a, u64 b, u64 c);
void mmu_tables(void);
void ap_main(void);
void guest_trapped(u64 esr, u64 elr, u64 far);

volatile u32 irq_count[16], wired_count;
volatile bool wired_eoi_first;
static u64 level1[2][512] __attribute__((aligned(4096)));	/* the first TiB */
static u8 ap_stacks[CPUS_MAX][AP_STACK] __attribute__((aligned(16)));
static volatile u32 ap_here, ap_done;
static void (*ap_fn)(unsigned int cpu);

/* 1 GiB blocks: RAM (where we run) normal, inner shareable; the rest device memory that is not executed. [Arm ARM D8.3] */
void mmu_tables(void)
{
	u64 here = (u64)page_root >> 30, i;

	for (i = 0; i < 1024; i++)
		level1[i / 512][i % 512] = i << 30 | (i == here ? 0x701 : (3ULL << 53) | 0x405);
	page_root[0] = (u64)level1[0] | 3;
	page_root[1] = (u64)level1[1] | 3;
	__asm__ volatile("dsb sy; isb" ::: "memory");
}

void guest_trapped(u64 esr, u64 elr, u64 far)
{
	print("not ok - an exception: ESR %llx ELR %llx FAR %llx\n", (unsigned long long)esr, (unsigned long long)elr, (unsigned long long)far);
	guest_exit(99);
}

void guest_exit(int status)
{
	write8(DEBUG_EXIT, (u8)status);
	for (;;)
		__asm__ volatile("wfi");
}

void mark(u8 value)
{
	write8(DEBUG_EXIT + 1, value);
}

void console_put(char c)
{
	write8(UART, (u8)c);
}

void map_gib(u64 addr)
{
}

u64 mem64_spot(void)
{
	return 0x4000000000ULL;	/* 256 GiB */
}

void irq_setup(void)
{
}

bool irq_wire(u32 gsi, void (*handler)(void))
{
	return false;
}

u64 irq_msi_addr(void)
{
	return WINDOW_HOLE;
}

void ap_main(void)
{
	ap_fn(__atomic_add_fetch(&ap_here, 1, __ATOMIC_SEQ_CST));
	__atomic_add_fetch(&ap_done, 1, __ATOMIC_SEQ_CST);
}

void cpus_start(unsigned int nr, void (*fn)(unsigned int cpu))
{
	unsigned int cpu;

	ap_fn = fn;
	for (cpu = 1; cpu < nr && cpu < CPUS_MAX; cpu++) {
		if (smc_call(PSCI_CPU_ON, cpu, (u64)ap_start, (u64)ap_stacks[cpu] + AP_STACK))
			print("# CPU %u does not start\n", cpu);
		while (ap_here < cpu)
			cpu_pause();
	}
}

void cpu_wake(unsigned int cpu)
{
	__asm__ volatile("dsb sy; sev" ::: "memory");
}

unsigned int cpus_done(void)
{
	return ap_done;
}
