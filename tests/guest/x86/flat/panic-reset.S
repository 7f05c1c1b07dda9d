/* SPDX-License-Identifier: GPL-2.0-only */
/* Prints what a panicking Linux prints, then resets. */
	.code16
	push	%cs
	pop	%ds
	mov	$text, %si
	mov	$end - text, %cx
	mov	$0x3f8, %dx
	rep	outsb
	mov	$0xfe, %al
	out	%al, $0x64
1:	hlt
	jmp	1b
text:	.ascii	"[    1.0] Kernel panic - not syncing: Attempted to kill init!\n"
end:
