/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads and stores of a device that the CPU gives its hypervisor no syndrome for: each ends in an external abort of the guest's own, and
 * harms nobody. [Arm ARM D24.2 ESR_ELx, ISV]
 */
#include "guest.h"

enum { EC_DATA_ABORT = 0x25, EXTERNAL = 0x10, LINE_STATUS = 5, IDLE = 0x60 };

/* Vectors that note the syndrome of a synchronous exception and go on behind its instruction. Nothing else is on. */
extern char nisv_vectors[];
volatile u64 nisv_esr, nisv_far;
__asm__(
	"	.balign	2048\n"
	"nisv_vectors:\n"
	"	.rept	16\n"
	"	.balign	128\n"
	"	stp	x16, x17, [sp, #-16]!\n"
	"	adrp	x16, nisv_esr\n"
	"	add	x16, x16, :lo12:nisv_esr\n"
	"	mrs	x17, esr_el1\n"
	"	str	x17, [x16]\n"
	"	adrp	x16, nisv_far\n"
	"	add	x16, x16, :lo12:nisv_far\n"
	"	mrs	x17, far_el1\n"
	"	str	x17, [x16]\n"
	"	mrs	x16, elr_el1\n"
	"	add	x16, x16, #4\n"
	"	msr	elr_el1, x16\n"
	"	ldp	x16, x17, [sp], #16\n"
	"	eret\n"
	"	.endr\n");

static bool aborted(u64 at)
{
	u32 esr = (u32)nisv_esr;	/* Linux 6.1 injects it with its sign extended */
	bool good = esr >> 26 == EC_DATA_ABORT && (esr & 0x3f) == EXTERNAL && nisv_far == at;

	if (!good)
		print("# ESR_EL1 %llx, FAR_EL1 %llx\n", (unsigned long long)nisv_esr, (unsigned long long)nisv_far);
	nisv_esr = nisv_far = 0;
	return good;
}

int guest_main(void)
{
	u64 at = UART + LINE_STATUS, x = 0, y = 0;
	unsigned int i, wrong = 0;

	__asm__ volatile("msr vbar_el1, %0; isb" : : "r"(nisv_vectors));
	x = UART;
	__asm__ volatile("ldrb w1, [%0, #5]!" : "+r"(x) : : "x1", "memory");
	check(aborted(at) && x == UART, "a load with write-back is an external abort, and wrote nothing back");
	__asm__ volatile("ldp %w0, %w1, [%2]" : "=&r"(x), "=&r"(y) : "r"(UART) : "memory");
	check(aborted(UART), "a load of a pair");
	__asm__ volatile("stp wzr, wzr, [%0]" : : "r"(UART + 0x1000) : "memory");
	check(aborted(UART + 0x1000), "a store of a pair");
	for (i = 0; i < 1000; i++) {
		x = UART;
		__asm__ volatile("strb wzr, [%0], #1" : "+r"(x) : : "memory");
		wrong += !aborted(UART);
	}
	check(!wrong, "1000 stores with write-back");
	check((read8(at) & IDLE) == IDLE, "the device still answers");
	return checks_done();
}
