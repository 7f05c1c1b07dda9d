/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two interfaces of lkvm's arm/pvlock.c.
 */
u64 smc_call(u64 fn, u64 a, u64 b, u64 c);

enum { PVLOCK_ALWAYS = 1 };	/* the module sees every time that it is taken off its CPU */

static struct { volatile u64 flag, rest[7]; } pvlock_ram[2] __attribute__((aligned(64)));
static u64 pvlock_at[2];

static bool pvlock_begin(unsigned int cpu, u64 kind)
{
	const u64 features1 = 0xc5000040, preempted1 = 0xc5000041, features2 = 0xc6000020, preempted2 = 0xc6000021, none = ~0ULL;

	switch (kind) {
	case 1:
		if (smc_call(features2, features2, 0, 0) || smc_call(features2, preempted2, 0, 0))
			return false;
		pvlock_at[cpu] = smc_call(preempted2, 0, 0, 0);
		return !(pvlock_at[cpu] >> 63);
	case 2:
		if (smc_call(features1, features1, 0, 0) || smc_call(features1, preempted1, 0, 0))
			return false;
		pvlock_at[cpu] = (u64)&pvlock_ram[cpu];
		return !smc_call(preempted1, pvlock_at[cpu], 0, 0);
	default:
		return smc_call(features1, preempted1, 0, 0) != none || smc_call(preempted1, (u64)&pvlock_ram[cpu], 0, 0) != none ||
		       smc_call(features2, preempted2, 0, 0) != none || smc_call(preempted2, 0, 0, 0) != none;
	}
}

static u64 pvlock_place(unsigned int cpu) { return pvlock_at[cpu]; }

/* For this CPU, whose flag stays where it is. */
static bool pvlock_odd_calls(void)
{
	const u64 bad[] = { (u64)&pvlock_ram[0] + 8, (u64)&pvlock_ram[0] + 1, 0, ~63ULL, 0x01050000, 0x01000000, ram_end() };
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (smc_call(0xc5000041, bad[i], 0, 0) != ~0ULL)
			return false;
	return smc_call(0xc6000020, 0xc6000022, 0, 0) == ~0ULL && smc_call(0xc5000040, 0, 0, 0) == ~0ULL &&
	       smc_call(0xc6000022, 0, 0, 0) == ~0ULL && smc_call(0xc5000042, 0, 0, 0) == ~0ULL;
}

/* As stolen_read(): what the host's kernel wrote goes to memory first. */
static u64 pvlock_read(unsigned int cpu)
{
	__asm__ volatile("dc civac, %0; dsb sy" : : "r"(pvlock_at[cpu]) : "memory");
	return read64(pvlock_at[cpu]);
}

/* [Arm DEN0022 5.6 CPU_OFF] Its thread sleeps in KVM. */
static void pvlock_stop(void)
{
	smc_call(0x84000002, 0, 0, 0);
}
