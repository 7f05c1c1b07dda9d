/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes dots to serial port 0 until the power button is pressed; then powers off. */
	.code16
1:	mov	$0x3f8, %dx
	mov	$0x2e, %al
	out	%al, %dx
	mov	$0x604, %dx		/* pending power events */
	in	%dx, %eax
	test	$1, %al
	jz	1b
	mov	$0x600, %dx
	mov	$0x34, %al		/* S5, SLP_EN */
	out	%al, %dx
2:	hlt
	jmp	2b
