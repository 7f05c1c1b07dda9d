/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A Linux riscv64 Image: header, entry in S-mode with paging off, a0 = hart, a1 = device tree. [Linux Documentation/arch/riscv/boot-image-header]
 */
	.section .text.start, "ax"
	.option	norvc
	.globl	_start
_start:
	j	1f
	.long	0
	.quad	0x200000		/* text_offset: image.ld */
	.quad	image_end - _start	/* image_size: with .bss */
	.quad	0			/* little endian */
	.long	2			/* version 0.2 */
	.long	0
	.quad	0
	.ascii	"RISCV\0\0\0"
	.ascii	"RSC\x05"
	.long	0
	.option	rvc
1:	la	t0, dtb
	sd	a1, 0(t0)
	la	t0, boot_hart
	sw	a0, 0(t0)
	la	sp, stack_top
	call	cpu_setup
	call	guest_main
	call	guest_exit

	/* SBI HSM enters here: a0 = hart, a1 = stack */
	.globl	ap_start
	.balign	4
ap_start:
	mv	sp, a1
	call	cpu_setup
	call	ap_main
2:	wfi
	j	2b

cpu_setup:
	csrw	sie, zero
	csrsi	sie, 2			/* wakes from wfi; SIE stays off */
	li	t0, 1 << 13		/* FS: initial */
	csrs	sstatus, t0
	la	t0, trapped
	csrw	stvec, t0
	ret

	.balign	4
trapped:
	csrr	a0, scause
	csrr	a1, sepc
	csrr	a2, stval
	call	guest_trapped

	.bss
	.balign	16
	.skip	65536
stack_top:
	.section .note.GNU-stack, "", @progbits
