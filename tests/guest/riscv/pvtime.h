/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SBI's steal-time accounting. [SBI 2.0 chapter 16]
 */
static volatile struct {
	u32 sequence;		/* odd: being written */
	u32 flags;
	u64 steal;
	u8 preempted, rest[47];
} stolen __attribute__((aligned(64)));

static long stolen_call(u64 ext, u64 fn, u64 x, u64 y, u64 z, u64 *ret)
{
	register u64 a0 __asm__("a0") = x;
	register u64 a1 __asm__("a1") = y;
	register u64 a2 __asm__("a2") = z;
	register u64 a6 __asm__("a6") = fn;
	register u64 a7 __asm__("a7") = ext;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
	*ret = a1;
	return (long)a0;
}

static bool stolen_begin(void)
{
	enum { BASE = 0x10, PROBE = 3, STA = 0x535441, SET_SHMEM = 0 };
	u64 there;

	if (stolen_call(BASE, PROBE, STA, 0, 0, &there) || !there)
		return false;
	return !stolen_call(STA, SET_SHMEM, (u64)&stolen, 0, 0, &there);
}

static u64 stolen_read(void)
{
	u32 sequence;
	u64 ns;

	do {
		sequence = stolen.sequence;
		barrier();
		ns = stolen.steal;
		barrier();
	} while (sequence & 1 || sequence != stolen.sequence);
	return ns;
}
