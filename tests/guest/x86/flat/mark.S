/* SPDX-License-Identifier: GPL-2.0-only */
/* Marks 1 and 2, then ends. */
	.code16
	mov	$1, %al
	out	%al, $0xf5
	mov	$2, %al
	out	%al, $0xf5
	xor	%eax, %eax
	out	%al, $0xf4
1:	hlt
	jmp	1b
