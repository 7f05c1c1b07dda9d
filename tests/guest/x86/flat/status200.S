/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes a status above what a guest may choose: lkvm makes it 123. */
	.code16
	mov	$200, %eax
	out	%eax, $0xf4
1:	hlt
	jmp	1b
