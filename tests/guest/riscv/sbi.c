/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console that SBI gives: what it writes, and reads from who is at the other end (lines that the test sends: "ping", which is answered, and
 * "end"), and addresses that it must refuse. [riscv-sbi 2.0, 12 DBCN]
 */
#include "guest.h"

enum { DBCN = 0x4442434e, WRITE = 0, READ = 1, WRITE_BYTE = 2 };
enum { NOT_SUPPORTED = -2, INVALID_PARAM = -3, PAGE = 4096 };

struct result {
	long error;
	u64 value;
};

static struct result sbi(u64 ext, u64 fn, u64 x, u64 y, u64 z)
{
	register u64 a0 __asm__("a0") = x, a1 __asm__("a1") = y, a2 __asm__("a2") = z, a6 __asm__("a6") = fn, a7 __asm__("a7") = ext;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
	return (struct result){ (long)a0, a1 };
}

static char pages[2 * PAGE] __attribute__((aligned(PAGE)));

/* All of it, however little each call takes. */
static bool say(const char *text, u64 len)
{
	struct result r;

	while (len) {
		r = sbi(DBCN, WRITE, len, (u64)text, 0);
		if (r.error || r.value > len)
			return false;
		text += r.value;
		len -= r.value;
	}
	return true;
}

static bool refused(u64 len, u64 lo, u64 hi)
{
	struct result w = sbi(DBCN, WRITE, len, lo, hi), r = sbi(DBCN, READ, len, lo, hi);

	return w.error == INVALID_PARAM && !w.value && r.error == INVALID_PARAM && !r.value;
}

/* A line into pages[], by reads of up to @step bytes. */
static u64 line(u64 step)
{
	u64 len = 0;
	struct result r;

	do {
		r = sbi(DBCN, READ, step, (u64)pages + PAGE - 3 + len, 0);
		if (r.error || r.value > step)
			return 0;
		len += r.value;
	} while ((!len || pages[PAGE - 3 + len - 1] != '\n') && len < 64);
	return len;
}

static bool is_line(const char *want, u64 len)
{
	u64 i;

	for (i = 0; i < len; i++)
		if (pages[PAGE - 3 + i] != want[i])
			return false;
	return !want[i];
}

int guest_main(void)
{
	static const char text[] = "# by SBI, across two pages\n";
	u64 i, end = ram_end();
	struct result r;

	for (i = 0; i < sizeof(text); i++)
		pages[PAGE - 10 + i] = text[i];
	check(say(pages + PAGE - 10, sizeof(text) - 1), "a text is written");
	check(sbi(DBCN, WRITE_BYTE, '#', 0, 0).error == 0 && sbi(DBCN, WRITE_BYTE, '\n', 0, 0).error == 0, "and bytes");
	r = sbi(DBCN, WRITE, 0, 0, 0);
	check(!r.error && !r.value, "nothing is written from nowhere");
	check(refused(1, 0x1000, 0), "no memory is refused");
	check(refused(1, UART, 0), "a device is refused");
	check(refused(16, end - 8, 0), "the end of memory is refused");
	check(refused(16, (u64)text, 1), "the high half of an address is refused");
	check(refused(16, ~0ULL - 7, 0), "the end of all is refused");
	check(refused(~0ULL, (u64)text, 0), "all of memory and more is refused");
	check(sbi(DBCN, 3, 0, 0, 0).error == NOT_SUPPORTED, "there is no fourth function");
	say("# ready\n", 8);
	check(is_line("ping\n", line(1)), "a line comes byte by byte");
	say("# pong\n", 7);
	check(is_line("end\n", line(100)), "a line comes in pieces, across two pages");
	return checks_done();
}
