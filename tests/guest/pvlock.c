/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Preempted flags as a guest reads them. The test puts both vCPUs on one CPU of the host's: whenever this one looks, the other one is off it.
 * What is to be seen does not depend on time.
 *
 * pv_lock=0: the machine tells nothing. 1: the flags are in memory of the host's, or of the MSR's. 2: in RAM that the guest names (arm64).
 */
#include "guest.h"
#include "pvlock.h"

enum { TURNS = 200 };

static volatile u64 count;
static volatile u64 own;		/* how often the other CPU saw its own flag set */
static volatile bool there, found, stop;

static void other(unsigned int cpu)
{
	found = pvlock_begin(cpu, cmdline_number("pv_lock", 0));
	there = true;
	while (!stop) {
		count++;
		if (found && pvlock_read(cpu))
			own++;
	}
	pvlock_stop();
}

int guest_main(void)
{
	u64 kind = cmdline_number("pv_lock", 0), last, looks = 0, set = 0, turns = 0;
	bool mine;

	irq_setup();
	mine = pvlock_begin(0, kind);
	cpus_start(2, other);
	while (!there)
		cpu_pause();
	check(mine == (kind != 0) && found == mine, kind ? "both CPUs have a flag" : "there is none");
	if (!kind)
		return checks_done();
	check(pvlock_place(0) != pvlock_place(1) && !(pvlock_place(0) % 64) && !(pvlock_place(1) % 64), "each its own, 64 bytes apart or more");
	check(pvlock_odd_calls(), "what is asked wrongly is refused");

	for (last = count; turns < TURNS; looks++) {
		set += pvlock_read(1) != 0;
		if (count != last) {
			last = count;
			turns++;
		}
	}
	print("# %llu of %llu looks saw it set, while the other had its turn %llu times\n", (unsigned long long)set, (unsigned long long)looks,
	      (unsigned long long)turns);
	/* It may also have gone to sleep in its host, as when memory is first touched. */
	check(PVLOCK_ALWAYS ? set >= looks - looks / 50 : set > 0, "the other's flag is set while it is kept from running");
	check(!own, "it never was while it counted");
	check(!pvlock_read(0), "nor is one's own");

	stop = true;
	if (PVLOCK_ALWAYS) {
		/* Until it is off it is either kept from running or on our CPU in our place. */
		while (pvlock_read(1))
			cpu_pause();
		check(true, "a CPU that is off is not kept from running");
	}
	return checks_done();
}
