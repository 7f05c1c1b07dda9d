/* SPDX-License-Identifier: GPL-2.0-only */
/* Resets through the reset control register. */
	.code16
	mov	$0xcf9, %dx
	mov	$6, %al
	out	%al, %dx
1:	hlt
	jmp	1b
