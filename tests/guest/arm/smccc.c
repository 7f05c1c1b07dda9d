/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hypercalls of lkvm's own, where KVM hands them over (the test says: hypercalls=1), and of nobody's. [Arm DEN0028]
 */
#include "guest.h"

struct result { u64 x[4]; };

static struct result call(u32 id, bool smc)
{
	register u64 x0 __asm__("x0") = id;
	register u64 x1 __asm__("x1") = 0x11;
	register u64 x2 __asm__("x2") = 0x22;
	register u64 x3 __asm__("x3") = 0x33;

	if (smc)
		__asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
				 "x12", "x13", "x14", "x15", "x16", "x17", "memory");
	else
		__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
				 "x12", "x13", "x14", "x15", "x16", "x17", "memory");
	return (struct result){ { x0, x1, x2, x3 } };
}

static bool not_supported(u32 id, bool smc)
{
	return call(id, smc).x[0] == ~0ULL;
}

static void with(bool smc)
{
	bool ours = cmdline_number("hypercalls", 0);
	struct result uid = call(0x8300ff01, smc), revision = call(0x8300ff03, smc);

	if (ours) {
		check(uid.x[0] == 0x85a1db57 && uid.x[1] == 0x41414812 && uid.x[2] == 0x4586caaf && uid.x[3] == 0x2a970fa3,
		      smc ? "SMC: the platform's UID is lkvm's" : "HVC: the platform's UID is lkvm's");
		check(revision.x[0] == 1 && revision.x[1] == 0, "its revision");
	} else {
		check(uid.x[0] == ~0ULL && revision.x[0] == ~0ULL, "without a filter the platform has no UID");
	}
	check(not_supported(0x8300ff00, smc) && not_supported(0x8300ff02, smc), "other queries of the platform are not supported");
	check(not_supported(0x83000000, smc) && not_supported(0xc3000001, smc) && not_supported(0x8200ff01, smc) && not_supported(0, smc),
	      "nor are calls of nobody's");
	check(call(0x80000000, smc).x[0] >> 16 >= 1 || smc, "KVM's own still answer: SMCCC_VERSION");
}

int guest_main(void)
{
	unsigned int i, wrong = 0;

	with(false);
	with(true);
	for (i = 0; i < 2000; i++)
		wrong += !not_supported(0x8300ff10 + (i & 63), i & 1);
	check(!wrong, "and so 2000 times");
	return checks_done();
}
