/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry of the 64-bit guests: plain ELF64, long mode, identity mapping by whoever booted us, rsi = zero page. We take a stack and page
 * tables of our own (the first GiB here; map_gib() adds others), so that nothing depends on the boot loader's.
 */
	.section .text.start, "ax"
	.globl	_start
_start:
	cli
	cld
	mov	$stack_top, %esp
	/* first GiB, 2 MiB pages: present, writable, large */
	mov	$first_pd, %edi
	mov	$0x83, %eax
1:	mov	%rax, (%rdi)
	add	$8, %rdi
	add	$0x200000, %rax
	cmp	$0x40000083, %rax
	jb	1b
	movl	$first_pd + 3, page_pdpt
	movl	$page_pdpt + 3, page_pml4
	mov	$page_pml4, %eax
	mov	%rax, %cr3
	mov	%rsi, zero_page
	call	guest_main
	mov	%eax, %edi
	call	guest_exit
2:	hlt
	jmp	2b

	/* Interrupt entry: vector 0x40..0x4f each count themselves and end at the local APIC. */
	.globl	irq_stubs
irq_stubs:
	.set	vec, 0x40
	.rept	16
	.balign	16
	push	%rax
	mov	$vec, %eax
	jmp	irq_common
	.set	vec, vec + 1
	.endr
irq_common:
	push	%rcx
	lock	incl irq_count - 0x40 * 4(, %rax, 4)
	mov	$0xfee000b0, %ecx
	movl	$0, (%rcx)
	pop	%rcx
	pop	%rax
	iretq

	/*
	 * Another CPU: this code is copied to 0x10000 and entered there in real mode with IP 0. On to long mode with the page tables
	 * and the stack that are ready; one CPU at a time.
	 */
	.code16
	.globl	ap_start, ap_end
ap_start:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	ap_gdtr - ap_start
	mov	%cr4, %eax
	or	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	ap_cr3 - ap_start, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax		/* LME */
	wrmsr
	mov	%cr0, %eax
	and	$0x9fffffff, %eax	/* caches on, as on the first CPU */
	or	$0x80000001, %eax	/* PG, PE */
	mov	%eax, %cr0
	ljmpl	$16, $ap_long
	.balign	8
ap_gdt:
	.quad	0, 0, 0x00af9a000000ffff, 0x00cf92000000ffff	/* selectors as on the first CPU */
ap_gdtr:
	.word	31
	.long	0x10000 + ap_gdt - ap_start
ap_cr3: .long	page_pml4
ap_end:
	.code64
ap_long:
	mov	$24, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	ap_stack, %rsp
	call	ap_main
3:	hlt
	jmp	3b

	.bss
	.balign	4096
	.globl	page_pml4, page_pdpt
page_pml4: .skip 4096
page_pdpt: .skip 4096
first_pd: .skip 4096
	.skip	16384
stack_top:
	.globl	zero_page
	.balign	8
zero_page: .skip 8
	.section .note.GNU-stack, "", @progbits
