/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second UART as a driver finds it: registers, FIFO, loopback. [PC16550D 8] Nothing is plugged into it.
 */
#include "guest.h"

enum {
	RBR = 0, THR = 0, DLL = 0, IER = 1, DLM = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7,
	LCR_DLAB = 0x80, LSR_DR = 1, LSR_OE = 2, LSR_IDLE = 0x60, MCR_LOOP = 0x10,
};

static u8 in(unsigned int reg) { return uart_in(1, reg); }
static void out(unsigned int reg, u8 v) { uart_out(1, reg, v); }

static void registers(void)
{
	out(SCR, 0x5a);
	check(in(SCR) == 0x5a, "the scratch register keeps what is written");
	out(LCR, LCR_DLAB | 3);
	out(DLL, 0x34);
	out(DLM, 0x12);
	check(in(DLL) == 0x34 && in(DLM) == 0x12, "the divisor is behind DLAB");
	out(DLL, 1);
	out(DLM, 0);
	out(LCR, 3);
	out(IER, 0xff);
	check(in(IER) == 0x0f, "four interrupts can be enabled");
	check((in(IIR) & 0xf) == 2, "an empty transmitter is one that is pending");
	check((in(IIR) & 0xf) == 1, "until it was read");
	out(IER, 0);
	check((in(LSR) & LSR_IDLE) == LSR_IDLE, "the transmitter is idle");
}

static void loopback(void)
{
	unsigned int i, wrong = 0;

	out(FCR, 7);
	check((in(IIR) & 0xc0) == 0xc0, "the FIFOs are on");
	out(MCR, MCR_LOOP | 0xf);
	check((in(MSR) & 0xf0) == 0xf0, "looped back, all modem lines are up");
	out(MCR, MCR_LOOP);
	check((in(MSR) & 0xf0) == 0, "or down");
	for (i = 0; i < 16; i++)
		out(THR, (u8)(0x40 + i));
	for (i = 0; i < 16; i++)
		wrong += !(in(LSR) & LSR_DR) || in(RBR) != 0x40 + i;
	check(!wrong, "16 bytes come back in order");
	check(!(in(LSR) & LSR_DR), "and no more");
	for (i = 0; i < 200; i++)
		out(THR, (u8)i);
	check(in(LSR) & LSR_OE, "too many overrun the FIFO");
	check(!(in(LSR) & LSR_OE), "which is told once");
	out(FCR, 3);
	check(!(in(LSR) & LSR_DR), "the FIFO is cleared");
	out(MCR, 0);
}

static void at_random(void)
{
	u32 x = 12345;
	unsigned int i;

	for (i = 0; i < 4000; i++) {
		x = x * 1103515245 + 12345;
		if (x >> 31)
			out(x >> 16 & 7, (u8)(x >> 20));
		else
			in(x >> 16 & 7);
	}
	out(LCR, 3);
	out(MCR, 0);
	out(IER, 0);
	out(FCR, 7);
	out(SCR, 0xa5);
	check(in(SCR) == 0xa5 && (in(LSR) & LSR_IDLE) == LSR_IDLE, "registers written at random: it works on");
}

int guest_main(void)
{
	map_gib(0);
	registers();
	loopback();
	at_random();
	return checks_done();
}
