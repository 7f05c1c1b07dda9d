/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The riscv64 half of tests/guest/guest.h. S-mode without paging; no interrupts but the one that ends wfi.
 */
#include "lib/lib.h"

enum { CPUS_MAX = 16, AP_STACK = 16384, SBI_HSM = 0x48534d, SBI_IPI = 0x735049 };

extern char ap_start[];
void ap_main(void);
void guest_trapped(u64 cause, u64 pc, u64 value);

volatile u32 irq_count[16], wired_count;
volatile bool wired_eoi_first;
u32 boot_hart;
static u8 ap_stacks[CPUS_MAX][AP_STACK] __attribute__((aligned(16)));
static volatile u32 ap_here, ap_done;
static void (*ap_fn)(unsigned int cpu);

static long sbi(u64 ext, u64 fn, u64 x, u64 y, u64 z)
{
	register u64 a0 __asm__("a0") = x, a1 __asm__("a1") = y, a2 __asm__("a2") = z, a6 __asm__("a6") = fn, a7 __asm__("a7") = ext;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
	return (long)a0;
}

void guest_trapped(u64 cause, u64 pc, u64 value)
{
	print("not ok - an exception: cause %llx at %llx, value %llx\n", (unsigned long long)cause, (unsigned long long)pc,
	      (unsigned long long)value);
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

/* Hart numbers are vCPU numbers, and the first one boots. */
void cpus_start(unsigned int nr, void (*fn)(unsigned int cpu))
{
	unsigned int cpu;

	ap_fn = fn;
	for (cpu = 1; cpu < nr && cpu < CPUS_MAX; cpu++) {
		if (sbi(SBI_HSM, 0, cpu, (u64)ap_start, (u64)ap_stacks[cpu] + AP_STACK))
			print("# CPU %u does not start\n", cpu);
		while (ap_here < cpu)
			cpu_pause();
	}
}

void cpu_wake(unsigned int cpu)
{
	sbi(SBI_IPI, 0, 1, cpu, 0);
}

unsigned int cpus_done(void)
{
	return ap_done;
}
