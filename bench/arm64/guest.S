/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A byte to the UART, where lkvm and kvmtool have it, then off by PSCI; with HANG it sleeps instead. A Linux arm64 Image, wherever it is put.
 */
	.globl	_start
_start:
	b	1f
	.long	0
	.quad	0x200000		/* text_offset */
	.quad	0x1000			/* image_size */
	.quad	2			/* little endian, 4 KiB pages */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0
1:	mov	x0, #0x01000000
	mov	w1, #'@'
	strb	w1, [x0]
#ifndef HANG
	ldr	x0, =0x84000008		/* [PSCI 5.11] SYSTEM_OFF */
	hvc	#0
#endif
2:	wfi
	b	2b
