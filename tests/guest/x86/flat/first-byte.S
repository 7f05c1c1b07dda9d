/* SPDX-License-Identifier: GPL-2.0-only */
/* A byte to the serial console, then a reset through the keyboard controller. */
	.code16
	mov	$0x3f8, %dx
	mov	$'@', %al
	out	%al, %dx
	mov	$0xfe, %al
	out	%al, $0x64
1:	hlt
	jmp	1b
