/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes 100000 bytes to serial port 0, then ends. */
	.code16
	mov	$1000, %bx
	mov	$0x3f8, %dx
	push	%cs
	pop	%ds
1:	mov	$text, %si
	mov	$100, %cx
	rep	outsb
	dec	%bx
	jnz	1b
	xor	%eax, %eax
	out	%al, $0xf4
2:	hlt
	jmp	2b
text:	.fill	99, 1, 0x78
	.ascii	"\n"
