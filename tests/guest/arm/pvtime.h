/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hypercalls and structure of [Arm DEN0057A].
 */
u64 smc_call(u64 fn, u64 a, u64 b, u64 c);

static u64 stolen_at;

static bool stolen_begin(void)
{
	enum { NS = 8 };
	const u64 features = 0xc5000020, st = 0xc5000021;

	if (smc_call(features, st, 0, 0))
		return false;
	stolen_at = smc_call(st, 0, 0, 0);
	if (stolen_at >> 63 || stolen_at % 64 || read32(stolen_at) || read32(stolen_at + 4))	/* revision and attributes are 0 */
		return false;
	stolen_at += NS;
	return true;
}

/* The guest has it mapped as a device and its host as memory: what is in the host's cache goes to memory first. */
static u64 stolen_read(void)
{
	__asm__ volatile("dc civac, %0; dsb sy" : : "r"(stolen_at) : "memory");
	return read64(stolen_at);
}
