/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's MSR and structure. [Documentation/virt/kvm/x86/msr MSR_KVM_STEAL_TIME, cpuid]
 */
static volatile struct {
	u64 steal;
	u32 version;		/* odd: being written */
	u32 rest[13];
} stolen __attribute__((aligned(64)));

static bool stolen_begin(void)
{
	enum { FEATURES = 0x40000001, STEAL_TIME = 1 << 5, MSR_STEAL_TIME = 0x4b564d03, ENABLE = 1 };
	u32 a = FEATURES, b, c = 0, d;
	u64 at = (u64)&stolen | ENABLE;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(a & STEAL_TIME))
		return false;
	__asm__ volatile("wrmsr" : : "c"(MSR_STEAL_TIME), "a"((u32)at), "d"((u32)(at >> 32)));
	return true;
}

static u64 stolen_read(void)
{
	u32 version;
	u64 ns;

	do {
		version = stolen.version;
		barrier();
		ns = stolen.steal;
		barrier();
	} while (version & 1 || version != stolen.version);
	return ns;
}
