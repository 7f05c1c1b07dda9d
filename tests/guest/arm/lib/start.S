/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A Linux arm64 Image: header, entry at EL1 with the MMU off and x0 = device tree. [Linux Documentation/arch/arm64/booting]
 */
	.section .text.start, "ax"
	.globl	_start
_start:
	b	1f
	.long	0
	.quad	0x200000		/* text_offset: guest.ld */
	.quad	image_end - _start	/* image_size: with .bss */
	.quad	2			/* little endian, 4 KiB pages */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0
1:	adrp	x1, dtb
	str	x0, [x1, :lo12:dtb]
	adrp	x1, stack_top
	add	sp, x1, :lo12:stack_top
	bl	mmu_tables
	bl	cpu_setup
	bl	guest_main
	bl	guest_exit

	/* PSCI enters here: x0 = stack */
	.globl	ap_start
ap_start:
	mov	sp, x0
	bl	cpu_setup
	bl	ap_main
2:	wfi
	b	2b

	/* MMU on with the tables at page_root, FP on, exceptions to vectors. Keeps nothing but x29, x30's users: none. */
cpu_setup:
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	adrp	x0, vectors
	add	x0, x0, :lo12:vectors
	msr	vbar_el1, x0
	ldr	x0, =0x00000000000000ff	/* attribute 0: normal write-back; 1: device nGnRnE */
	msr	mair_el1, x0
	ldr	x0, =0x200803510	/* 48 bits, 4 KiB, write-back tables, inner shareable, no TTBR1; 40 bit addresses */
	msr	tcr_el1, x0
	adrp	x0, page_root
	msr	ttbr0_el1, x0
	isb
	tlbi	vmalle1
	dsb	nsh
	isb
	mrs	x0, sctlr_el1
	mov	x1, #0x1005		/* I, C, M */
	orr	x0, x0, x1
	bic	x0, x0, #2		/* no alignment checks */
	msr	sctlr_el1, x0
	isb
	ret

	.globl	smc_call
smc_call:				/* x0: function, up to three arguments */
	hvc	#0
	ret

	.balign	2048
vectors:
	.rept	16
	.balign	128
	b	trapped
	.endr
trapped:
	mrs	x0, esr_el1
	mrs	x1, elr_el1
	mrs	x2, far_el1
	bl	guest_trapped

	.bss
	.balign	4096
	.globl	page_root
page_root: .skip 4096
	.skip	65536
stack_top:
	.section .note.GNU-stack, "", @progbits
