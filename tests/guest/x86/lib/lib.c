/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86 half of tests/guest/guest.h.
 */
#include <stdarg.h>

#include "guest.h"

#define ECAM 0xe0000000ULL
#define LAPIC 0xfee00000ULL

extern u64 page_pml4[], page_pdpt[];
extern char irq_stubs[];

volatile u32 irq_count[16];
static u64 page_pd[8][512] __attribute__((aligned(4096)));
static unsigned int pds;
static int nr_checks, nr_failed;

static inline void outb(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

void guest_exit(int status)
{
	outb(0xf4, (u8)status);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void mark(u8 value)
{
	outb(0xf5, value);
}

static void put(char c)
{
	outb(0x3f8, (u8)c);
}

static void put_number(u64 v, unsigned int base)
{
	char buf[24];
	int n = 0;

	do
		buf[n++] = "0123456789abcdef"[v % base];
	while ((v /= base));
	while (n--)
		put(buf[n]);
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		bool wide = false;
		const char *s;

		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		for (fmt++; *fmt == 'l'; fmt++)
			wide = true;
		switch (*fmt) {
		case 's':
			for (s = va_arg(ap, const char *); *s; s++)
				put(*s);
			break;
		case 'c':
			put((char)va_arg(ap, int));
			break;
		case 'd':
		case 'u':
			put_number(wide ? va_arg(ap, u64) : va_arg(ap, unsigned int), 10);
			break;
		case 'x':
			put_number(wide ? va_arg(ap, u64) : va_arg(ap, unsigned int), 16);
			break;
		}
	}
	va_end(ap);
}

void check_at(bool good, const char *name, const char *file, int line)
{
	nr_checks++;
	if (!good) {
		nr_failed++;
		print("# %s:%d\n", file, line);
	}
	print("%sok %d - %s\n", good ? "" : "not ", nr_checks, name);
}

int checks_done(void)
{
	print("1..%d\n", nr_checks);
	return nr_failed ? 1 : 0;
}

static u64 config_addr(u8 devfn, unsigned int off)
{
	map_gib(ECAM & ~0x3fffffffULL);
	return ECAM + ((u64)devfn << 12) + off;
}

u32 pci_read(u8 devfn, unsigned int off, unsigned int size)
{
	u64 a = config_addr(devfn, off);

	return size == 1 ? read8(a) : size == 2 ? read16(a) : read32(a);
}

void pci_write(u8 devfn, unsigned int off, unsigned int size, u32 val)
{
	u64 a = config_addr(devfn, off);

	if (size == 1)
		write8(a, (u8)val);
	else if (size == 2)
		write16(a, (u16)val);
	else
		write32(a, val);
}

int pci_find_id(u16 vendor, u16 device, unsigned int nth)
{
	int devfn;

	for (devfn = 0; devfn < 256; devfn += 8)
		if (pci_read((u8)devfn, 0, 4) == ((u32)device << 16 | vendor) && !nth--)
			return devfn;
	return -1;
}

unsigned int pci_find_cap(u8 devfn, u8 id, unsigned int after)
{
	unsigned int off = pci_read(devfn, after ? after + 1 : 0x34, 1), n;

	for (n = 0; off && n < 48; n++, off = pci_read(devfn, off + 1, 1))
		if (pci_read(devfn, off, 1) == id)
			return off;
	return 0;
}

u64 pci_bar(u8 devfn, unsigned int bar)
{
	u32 low = pci_read(devfn, 0x10 + bar * 4, 4);

	if (low & 1)
		return low & ~3U;
	return (low & 6) == 4 ? (u64)pci_read(devfn, 0x14 + bar * 4, 4) << 32 | (low & ~0xfU) : low & ~0xfU;
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

void irq_setup(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idtr = { sizeof(idt) - 1, (u64)idt };
	u16 cs;
	int i;

	map_gib(LAPIC & ~0x3fffffffULL);
	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	for (i = 0; i < 16; i++) {
		u64 p = (u64)irq_stubs;

		p = ((p + 15) & ~15ULL) + (u64)i * 16;
		idt[0x40 + i] = (struct gate){ (u16)p, cs, 0, 0x8e, (u16)(p >> 16), (u32)(p >> 32), 0 };
	}
	__asm__ volatile("lidt %0" : : "m"(idtr));
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	write32(LAPIC + 0x350, 0x10000);	/* LINT0 masked: no legacy PIC */
	write32(LAPIC + 0x80, 0);
	write32(LAPIC + 0xf0, 0x1ff);
	__asm__ volatile("sti");
}

u64 irq_msi_addr(void)
{
	return LAPIC | (read32(LAPIC + 0x20) >> 24) << 12;
}

/* --- what the boot loader left: the zero page [Linux x86 zero-page] --- */

extern u64 zero_page;

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

u64 cmdline_number(const char *name, u64 fallback)
{
	const char *start = (const char *)(u64)read32(zero_page + 0x228), *p;
	u64 v = 0;

	for (p = start; p && *p; p++) {
		unsigned int i = 0;

		while (name[i] && p[i] == name[i])
			i++;
		if (name[i] || p[i] != '=' || (p != start && p[-1] != ' '))
			continue;
		for (p += i + 1; *p >= '0' && *p <= '9'; p++)
			v = v * 10 + (u64)(*p - '0');
		return v;
	}
	return fallback;
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
			__asm__ volatile("pause");
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
