/* SPDX-License-Identifier: GPL-2.0-only */
/* Gives back each byte of serial port 0 plus one, until a q: then ends with status 3. */
	.code16
	mov	$0x3fd, %dx
1:	in	%dx, %al
	test	$1, %al
	jz	1b
	mov	$0x3f8, %dx
	in	%dx, %al
	cmp	$0x71, %al
	je	2f
	inc	%al
	out	%al, %dx
	mov	$0x3fd, %dx
	jmp	1b
2:	mov	$3, %al
	out	%al, $0xf4
3:	hlt
	jmp	3b
