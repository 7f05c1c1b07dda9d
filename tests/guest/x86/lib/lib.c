/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86 half of tests/guest/guest.h.
 */
#include "lib/lib.h"

#define LAPIC 0xfee00000ULL
#define IOAPIC 0xfec00000ULL
#define WIRED 0x50	/* its vector */

extern u64 page_pml4[], page_pdpt[];
extern char irq_stubs[];

volatile u32 irq_count[16], wired_count;
volatile bool wired_eoi_first;
static u64 page_pd[8][512] __attribute__((aligned(4096)));
static unsigned int pds;

void guest_exit(int status)
{
	out8(0xf4, (u8)status);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void mark(u8 value)
{
	out8(0xf5, value);
}

void console_put(char c)
{
	out8(0x3f8, (u8)c);
}

void map_gib(u64 addr)
{
	u64 *pdpt = (u64 *)(page_pml4[addr >> 39 & 511] & ~0xfffULL), *pd;
	unsigned int i;

	if (!pdpt) {
		pdpt = page_pd[pds++];
		page_pml4[addr >> 39 & 511] = (u64)pdpt | 3;
	}
	if (pdpt[addr >> 30 & 511])
		return;
	pd = page_pd[pds++];
	for (i = 0; i < 512; i++)
		pd[i] = (addr & ~0x3fffffffULL) + ((u64)i << 21) + 0x83;
	pdpt[addr >> 30 & 511] = (u64)pd | 3;
	__asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

struct gate {
	u16 low, selector;
	u8 ist, type;
	u16 mid;
	u32 high, zero;
} __attribute__((packed));

static struct gate idt[256] __attribute__((aligned(16)));

static struct gate gate(u64 p)
{
	u16 cs;

	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	return (struct gate){ (u16)p, cs, 0, 0x8e, (u16)(p >> 16), (u32)(p >> 32), 0 };
}

void irq_setup(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idtr = { sizeof(idt) - 1, (u64)idt };
	int i;

	map_gib(LAPIC & ~0x3fffffffULL);
	for (i = 0; i < 16; i++) {
		u64 p = (u64)irq_stubs;

		p = ((p + 15) & ~15ULL) + (u64)i * 16;
		idt[0x40 + i] = gate(p);
	}
	__asm__ volatile("lidt %0" : : "m"(idtr));
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	write32(LAPIC + 0x350, 0x10000);	/* LINT0 masked: no legacy PIC */
	write32(LAPIC + 0x80, 0);
	write32(LAPIC + 0xf0, 0x1ff);
	__asm__ volatile("sti");
}

u64 irq_msi_addr(void)
{
	return LAPIC | (read32(LAPIC + 0x20) >> 24) << 12;
}

static void (*wired_handler)(void);

struct frame;

static __attribute__((interrupt, target("general-regs-only"))) void wired(struct frame *f)
{
	bool early = wired_eoi_first;

	wired_count++;
	if (early)
		write32(LAPIC + 0xb0, 0);
	wired_handler();
	if (!early)
		write32(LAPIC + 0xb0, 0);
}

/* [82093AA 3.2] */
bool irq_wire(u32 gsi, void (*handler)(void))
{
	idt[WIRED] = gate((u64)wired);
	wired_handler = handler;
	map_gib(IOAPIC & ~0x3fffffffULL);
	write32(IOAPIC, 0x11 + gsi * 2);
	write32(IOAPIC + 0x10, read32(LAPIC + 0x20) & 0xff000000);
	write32(IOAPIC, 0x10 + gsi * 2);
	write32(IOAPIC + 0x10, 0x8000U | WIRED);
	return true;
}

/* --- what the boot loader left: the zero page [Linux x86 zero-page] --- */

extern u64 zero_page;

u64 ram_start(void)
{
	return 0;
}

u64 ram_end(void)
{
	u64 end = 0;
	unsigned int i;

	for (i = 0; i < read8(zero_page + 0x1e8); i++) {
		u64 e = zero_page + 0x2d0 + i * 20ULL;

		if (read32(e + 16) == 1 && !read32(e + 4))
			end = read32(e) + *(volatile u64 *)(e + 8);
	}
	return end;
}

const char *cmdline(void)
{
	return (const char *)(u64)read32(zero_page + 0x228);
}

/* --- more CPUs --- */

enum { CPUS_MAX = 16, AP_CODE = 0x10000, AP_STACK = 16384 };

extern char ap_start[], ap_end[];
u64 ap_stack;	/* of the one that is starting; it takes this to 0 */
static u8 ap_stacks[CPUS_MAX][AP_STACK] __attribute__((aligned(16)));
static volatile u32 ap_here, ap_done;
static void (*ap_fn)(unsigned int cpu);

void ap_main(void)
{
	unsigned int cpu;

	irq_setup();
	__asm__ volatile("cli");
	cpu = __atomic_add_fetch(&ap_here, 1, __ATOMIC_SEQ_CST);
	ap_fn(cpu);
	__atomic_add_fetch(&ap_done, 1, __ATOMIC_SEQ_CST);
}

static void ipi(unsigned int cpu, u32 command)
{
	write32(LAPIC + 0x310, cpu << 24);
	write32(LAPIC + 0x300, command);
	while (read32(LAPIC + 0x300) & 0x1000)
		;
}

void cpus_start(unsigned int nr, void (*fn)(unsigned int cpu))
{
	unsigned int cpu, i;

	ap_fn = fn;
	for (i = 0; i < (unsigned int)(ap_end - ap_start); i++)
		write8(AP_CODE + i, (u8)ap_start[i]);
	for (cpu = 1; cpu < nr && cpu < CPUS_MAX; cpu++) {
		ap_stack = (u64)ap_stacks[cpu] + AP_STACK;
		ipi(cpu, 0x4500);
		ipi(cpu, 0x4600 | AP_CODE >> 12);
		while (*(volatile u32 *)&ap_here < cpu)
			cpu_pause();
	}
}

void cpu_wake(unsigned int cpu)
{
	ipi(cpu, 0x4f);
}

unsigned int cpus_done(void)
{
	return ap_done;
}
