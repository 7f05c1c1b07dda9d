/* SPDX-License-Identifier: GPL-2.0-only */
/* Never ends, interrupts off. */
	.code16
	cli
1:	hlt
	jmp	1b
