/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes a line to serial port 0 with one string instruction, and ends. */
	.code16
	push	%cs
	pop	%ds
	mov	$text, %si
	mov	$end - text, %cx
	mov	$0x3f8, %dx
	cld
	rep	outsb
	xor	%eax, %eax
	out	%al, $0xf4
1:	hlt
	jmp	1b
text:	.ascii	"hello from a flat guest\n"
end:
