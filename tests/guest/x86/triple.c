/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Triple fault: an exception, and no interrupt table to find a handler in.
 */
#include "guest.h"

int guest_main(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
	return 1;
}
