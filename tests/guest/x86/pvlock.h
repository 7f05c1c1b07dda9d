/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's flag beside the stolen time. [Documentation/virt/kvm/x86/msr MSR_KVM_STEAL_TIME]
 */
enum { PVLOCK_ALWAYS = 0 };	/* KVM says it only of some of the places where a vCPU may lose its CPU, and also of one that sleeps */

static struct {
	u64 steal;
	u32 version, flags;
	volatile u8 preempted;
	u8 rest[47];
} pvlock_area[2] __attribute__((aligned(64)));

static bool pvlock_begin(unsigned int cpu, u64 kind)
{
	enum { FEATURES = 0x40000001, STEAL_TIME = 1 << 5, MSR_STEAL_TIME = 0x4b564d03, ENABLE = 1 };
	u32 a = FEATURES, b, c = 0, d;
	u64 at = (u64)&pvlock_area[cpu] | ENABLE;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (!(a & STEAL_TIME))
		return false;
	__asm__ volatile("wrmsr" : : "c"(MSR_STEAL_TIME), "a"((u32)at), "d"((u32)(at >> 32)));
	return true;
}

static u64 pvlock_place(unsigned int cpu) { return (u64)&pvlock_area[cpu]; }
static bool pvlock_odd_calls(void) { return true; }
static u64 pvlock_read(unsigned int cpu) { return pvlock_area[cpu].preempted; }
static void pvlock_stop(void) {}
