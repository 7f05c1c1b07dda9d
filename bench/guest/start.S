/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry of the benchmark's guests: a flat image that any VMM loads at 1000:0 in real mode, kvmtool too. On to long mode with the first
 * 4 GiB mapped one to one, for everybody, and from there to ring 3 with all ports open: where a KVM emulates ring 0, as that of a
 * paravirtual host does, ring 3 is still the processor's own. No interrupts, so no TSS and no IDT. Below 1 MiB: code and data from
 * 0x10000, page tables at 0x70000, the stack below 0x90000.
 */
	.section .text.start, "ax"
	.code16
	.globl	_start
_start:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	mov	$0x7000, %ax
	mov	%ax, %es
	movl	$0x71007, %es:0x0		/* PML4: present, writable, user */
	mov	$0x1000, %di			/* PDPT: four directories */
	mov	$0x72007, %eax
1:	mov	%eax, %es:(%di)
	add	$0x1000, %eax
	add	$8, %di
	cmp	$0x1020, %di
	jb	1b
	mov	$0x2000, %di			/* 2 MiB pages; the high halves are zero */
	mov	$0x87, %eax
2:	mov	%eax, %es:(%di)
	add	$8, %di
	add	$0x200000, %eax
	jnc	2b
	lgdtl	gdtr - _start
	mov	%cr4, %eax
	or	$0x20, %eax			/* PAE */
	mov	%eax, %cr4
	mov	$0x70000, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax			/* LME */
	wrmsr
	mov	%cr0, %eax
	and	$0x9fffffff, %eax		/* caches on */
	or	$0x80000001, %eax		/* PG, PE */
	mov	%eax, %cr0
	ljmpl	$8, $long_mode
	.balign	8
gdt:
	.quad	0
	.quad	0x00af9a000000ffff		/*  8: code, ring 0 */
	.quad	0x00cf92000000ffff		/* 16: data, ring 0 */
	.quad	0x00affa000000ffff		/* 24: code, ring 3 */
	.quad	0x00cff2000000ffff		/* 32: data, ring 3 */
gdtr:
	.word	gdtr - gdt - 1
	.long	gdt
	.code64
long_mode:
	mov	$16, %eax
	mov	%eax, %ss
	mov	$35, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	$0x80000, %esp
	push	$35				/* SS */
	push	$0x90000			/* RSP */
	push	$0x3002				/* RFLAGS: IOPL 3 */
	push	$27				/* CS */
	push	$ring3				/* RIP */
	iretq
ring3:
	call	guest_main
	mov	$0xfe, %al			/* the one end all VMMs know */
	out	%al, $0x64
3:	pause
	jmp	3b
	.section .note.GNU-stack, "", @progbits
