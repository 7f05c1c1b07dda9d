/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads a port nobody claims: all ones in every size, and writes are dropped. Status 0 if so, else 1. */
	.code16
	mov	$0x5678, %dx
	out	%al, %dx
	in	%dx, %al
	cmp	$0xff, %al
	jne	bad
	in	%dx, %ax
	cmp	$0xffff, %ax
	jne	bad
	in	%dx, %eax
	cmp	$-1, %eax
	jne	bad
	xor	%eax, %eax
	out	%al, $0xf4
1:	hlt
	jmp	1b
bad:	mov	$1, %al
	out	%al, $0xf4
	jmp	1b
