/* SPDX-License-Identifier: GPL-2.0-only */
/* Never ends, and never leaves the guest. */
	.code16
1:	jmp	1b
