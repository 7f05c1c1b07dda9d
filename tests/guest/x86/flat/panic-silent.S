/* SPDX-License-Identifier: GPL-2.0-only */
/* Prints what a panicking Linux prints, then nothing more for ever. */
	.code16
	push	%cs
	pop	%ds
	mov	$text, %si
	mov	$end - text, %cx
	mov	$0x3f8, %dx
	rep	outsb
1:	hlt
	jmp	1b
text:	.ascii	"[    1.0] KKernel panic - not syncing: VFS\n"
end:
