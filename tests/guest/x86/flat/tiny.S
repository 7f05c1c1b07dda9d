/* SPDX-License-Identifier: GPL-2.0-only */
/* Ends with status 0: the shortest run there is. */
	.code16
	xor	%eax, %eax
	out	%al, $0xf4
1:	hlt
	jmp	1b
