/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A byte to the UART, where lkvm and kvmtool have it, then off by SBI; with HANG it sleeps instead. A Linux riscv64 Image, wherever it is put.
 */
	.option	norvc
	.globl	_start
_start:
	j	1f
	.long	0
	.quad	0x200000		/* text_offset */
	.quad	0x1000			/* image_size */
	.quad	0			/* little endian */
	.long	2			/* version 0.2 */
	.long	0
	.quad	0
	.ascii	"RISCV\0\0\0"
	.ascii	"RSC\x05"
	.long	0
1:	li	t0, 0x10000000
	li	t1, '@'
	sb	t1, 0(t0)
#ifndef HANG
	li	a7, 0x53525354		/* [SBI 10.1] system reset: shutdown, no reason */
	li	a6, 0
	li	a0, 0
	li	a1, 0
	ecall
#endif
2:	wfi
	j	2b
