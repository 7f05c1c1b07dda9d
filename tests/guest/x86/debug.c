/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For `lkvm debug` and `lkvm stat`: CPU 1 spins with known registers, on a stack in a page mapped high up. CPU 0 listens at the serial
 * port and says what comes: BREAK, keys, and NMIs. The key q ends it.
 */
#include "guest.h"

#define STACK_PAGE 0x0000123456789000ULL

extern u64 page_pml4[];
extern char spin_loop[], spin_end[], nmi_entry[];

static u64 pdpt[512] __attribute__((aligned(4096)));
static u64 pd[512] __attribute__((aligned(4096)));
static u64 pt[512] __attribute__((aligned(4096)));
static u64 stack[512] __attribute__((aligned(4096)));
volatile u32 nmis;

__asm__(
	"	.text\n"
	"nmi_entry:\n"
	"	lock incl nmis\n"
	"	iretq\n"
	"	.globl	spin_with_registers, spin_loop, spin_end\n"
	"spin_with_registers:\n"
	"	mov	%rdi, %rsp\n"
	"	mov	$0x1111111111111111, %rax\n"
	"	mov	$0x2222222222222222, %rbx\n"
	"	mov	$0x3333333333333333, %rcx\n"
	"	mov	$0x4444444444444444, %rdx\n"
	"	mov	$0x5555555555555555, %rsi\n"
	"	mov	$0x6666666666666666, %rdi\n"
	"	mov	$0x7777777777777777, %rbp\n"
	"	mov	$0x8888888888888888, %r8\n"
	"	mov	$0xffffffffffffffff, %r15\n"
	"spin_loop:\n"
	"	pause\n"
	"	jmp	spin_loop\n"
	"spin_end:\n");

void spin_with_registers(u64 rsp) __attribute__((noreturn));

static void spin(unsigned int cpu)
{
	spin_with_registers(STACK_PAGE + 4096 - 32);
}

static void map_stack(void)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		stack[i] = 0xfeed0000ULL + i;
	page_pml4[STACK_PAGE >> 39 & 511] = (u64)pdpt | 7;
	pdpt[STACK_PAGE >> 30 & 511] = (u64)pd | 7;
	pd[STACK_PAGE >> 21 & 511] = (u64)pt | 7;
	pt[STACK_PAGE >> 12 & 511] = (u64)stack | 3;
}

static void catch_nmis(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idtr;
	u64 p = (u64)nmi_entry;
	u32 *gate;
	u16 cs;

	__asm__ volatile("sidt %0" : "=m"(idtr));
	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	gate = (u32 *)(idtr.base + 2 * 16);
	gate[0] = (u32)cs << 16 | (p & 0xffff);
	gate[1] = (p & 0xffff0000) | 0x8e00;
	gate[2] = (u32)(p >> 32);
	gate[3] = 0;
}

int guest_main(void)
{
	u32 seen = 0;
	u8 lsr, key;

	irq_setup();
	catch_nmis();
	map_stack();
	out8(0x3fa, 1);		/* FIFOs */
	cpus_start(2, spin);
	print("spin %llx %llx stack %llx\n", (unsigned long long)(u64)spin_loop, (unsigned long long)(u64)spin_end,
	      (unsigned long long)(u64)stack);
	print("ready\n");
	for (;;) {
		if (nmis != seen)
			print("NMI %u\n", ++seen);
		lsr = in8(0x3fd);
		if (!(lsr & 1))
			continue;
		key = in8(0x3f8);
		if (lsr & 0x10)
			print("BREAK\n");
		else
			print("key %c\n", key);
		if (key == 'q')
			return 0;
	}
}
