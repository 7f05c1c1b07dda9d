/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel's scan of PCI at its most thorough: the ids of every function of every bus, by ECAM. rounds=N times; the first round finds out which
 * functions of bus 0 are there, the others read the absent ones alone. writes=N then writes as often to functions that are not there. buses=N
 * looks at fewer. Its one line, always of the same length, says what was found; then it sleeps for good, so that the test can look at KVM's counters.
 */
#include "guest.h"

static bool present[256];
static u32 wrong;

static u64 function(u64 bus, u64 devfn)
{
	return ECAM + (bus << 20 | devfn << 12);
}

static void look(u64 bus, unsigned int devfn, bool first)
{
	bool absent;

	if (!bus && present[devfn])
		return;
	absent = read32(function(bus, devfn)) == 0xffffffff;
	if (!bus && first)
		present[devfn] = !absent;
	else
		wrong += !absent;
}

static void scan(u64 buses, bool first)
{
	unsigned int devfn;
	u64 bus;

	for (bus = 0; bus < buses; bus++)
		for (devfn = 0; devfn < 256; devfn++)
			look(bus, devfn, first);
}

static void write_absent(u64 writes, u64 buses)
{
	u64 i, at;

	for (i = 0; i < writes; i++) {
		at = function(1 + i % (buses - 1), i & 255);
		write32(at, 0);
		wrong += read32(at) != 0xffffffff;
	}
}

static u32 count_present(void)
{
	u32 i, n = 0;

	for (i = 0; i < 256; i++)
		n += present[i];
	return n;
}

/* Runs of absent functions on bus 0. */
static u32 count_gaps(void)
{
	u32 i, n = 0;

	for (i = 1; i < 256; i++)
		n += !present[i] && present[i - 1];
	return n + !present[0];
}

int guest_main(void)
{
	u64 buses = cmdline_number("buses", (ECAM_END - ECAM) >> 20), rounds = cmdline_number("rounds", 1), i;

	irq_setup();
	map_gib(ECAM & ~0x3fffffffULL);
	for (i = 0; i < rounds; i++)
		scan(buses, i == 0);
	write_absent(cmdline_number("writes", 0), buses);
	print("scanned: present=%c%c gaps=%c%c wrong=%s\n", '0' + count_present() / 10 % 10, '0' + count_present() % 10, '0' + count_gaps() / 10 % 10,
	      '0' + count_gaps() % 10, wrong ? "yes" : "no");
	for (;;)
		cpu_sleep();
}
