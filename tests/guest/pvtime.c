/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stolen time as a guest reads it. A CPU that is always busy, and for each byte on the console does what it says:
 *
 *	r	"stolen N": nanoseconds since the start, or "stolen none" on a machine that does not tell
 *	q	the end
 */
#include "guest.h"
#include "pvtime.h"

enum { RBR = 0, LSR = 5, LSR_DR = 1, SPINS = 20000 };

int guest_main(void)
{
	bool there = stolen_begin();
	unsigned int i;

	print("ready\n");
	for (;;) {
		for (i = 0; i < SPINS; i++)	/* time in the guest, and few exits */
			cpu_pause();
		if (!(uart_in(0, LSR) & LSR_DR))
			continue;
		switch (uart_in(0, RBR)) {
		case 'r':
			if (there)
				print("stolen %llu\n", (unsigned long long)stolen_read());
			else
				print("stolen none\n");
			break;
		case 'q':
			return 0;
		}
	}
}
