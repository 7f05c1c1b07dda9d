/* SPDX-License-Identifier: GPL-2.0-only */
/* Resets through the keyboard controller. */
	.code16
	mov	$0xfe, %al
	out	%al, $0x64
1:	hlt
	jmp	1b
