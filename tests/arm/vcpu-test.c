/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How arm64 vCPUs are made, started and started again, on a KVM of ours; and the exits only arm64 has.
 * arch: arm
 * links: arm/vcpu.c util/error.c util/log.c
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "arm/regs.h"
#include "tests/tap.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

enum { TARGET = 5, VM_FD = 99, FD = 100, BIT_OFF = 1, BIT_32 = 2, BIT_PSCI = 4, BIT_PMU = 8, BIT_SVE = 16, BIT_PAUTH = 0x60, BIT_EL2 = 0x80 };
#define MPIDR 0x80000123ULL

static struct vm vm;
static struct arch_vm arch;
static struct vcpu vcpu[2];
static struct kvm_run run;
static struct error err;
static u64 vls[8];
static struct { u64 id, val; } set[16];
static unsigned int sets, inits, finalized, aborts, nisv_cap;
static u32 features[2];
static u64 get_error, set_error;	/* register that fails */
static unsigned int fail_init, fail_finalize, fail_events, fail_target, has_dabt;
static u32 hypercalls;

int vm_check_cap(const struct vm *v, unsigned int cap)
{
	return cap == KVM_CAP_ARM_INJECT_EXT_DABT && has_dabt;
}

static unsigned int pvlock_resets;

void pvlock_reset(struct vcpu *v)
{
	pvlock_resets++;
}

int smccc_exit(struct vcpu *v)
{
	hypercalls++;
	return 0;
}

static int fail(int e)
{
	errno = e;
	return -1;
}

static int get_reg(const struct kvm_one_reg *reg)
{
	u64 val = reg->id == REG_MPIDR_EL1 ? MPIDR : 0x4711;

	if (reg->id == get_error)
		return fail(ENOENT);
	if (reg->id == REG_SVE_VLS)
		memcpy((void *)(uintptr_t)reg->addr, vls, sizeof(vls));
	else
		memcpy((void *)(uintptr_t)reg->addr, &val, sizeof(val));
	return 0;
}

static int set_reg(const struct kvm_one_reg *reg)
{
	if (reg->id == set_error || sets == ARRAY_SIZE(set))
		return fail(EINVAL);
	if (reg->id == REG_SVE_VLS) {
		memcpy(vls, (void *)(uintptr_t)reg->addr, sizeof(vls));
		return 0;
	}
	set[sets].id = reg->id;
	memcpy(&set[sets++].val, (void *)(uintptr_t)reg->addr, sizeof(u64));
	return 0;
}

int ioctl(int fd, unsigned long req, ...)
{
	const struct kvm_vcpu_events *events;
	struct kvm_vcpu_init *init;
	va_list ap;
	void *arg;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (req) {
	case KVM_ARM_PREFERRED_TARGET:
		init = arg;
		*init = (struct kvm_vcpu_init){ .target = TARGET };
		return fail_target ? fail(ENODEV) : 0;
	case KVM_ARM_VCPU_INIT:
		init = arg;
		inits++;
		features[fd - FD] = init->features[0];
		return fail_init || init->target != TARGET ? fail(EINVAL) : 0;
	case KVM_ARM_VCPU_FINALIZE:
		finalized++;
		return fail_finalize || *(int *)arg != KVM_ARM_VCPU_SVE ? fail(EPERM) : 0;
	case KVM_ENABLE_CAP:
		nisv_cap += ((struct kvm_enable_cap *)arg)->cap == KVM_CAP_ARM_NISV_TO_USER && fd == VM_FD;
		return 0;
	case KVM_SET_VCPU_EVENTS:
		events = arg;
		aborts += events->exception.ext_dabt_pending;
		return fail_events || events->exception.serror_pending ? fail(EINVAL) : 0;
	case KVM_GET_ONE_REG:
		return get_reg(arg);
	case KVM_SET_ONE_REG:
		return set_reg(arg);
	default:
		return fail(ENOTTY);
	}
}

static void clear(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		arch_vcpu_free(&vcpu[i]);
		vcpu[i] = (struct vcpu){ .vm = &vm, .index = i, .fd = FD + (int)i, .run = &run };
	}
	memset(&vm, 0, sizeof(vm));
	memset(&arch, 0, sizeof(arch));
	memset(&run, 0, sizeof(run));
	memset(set, 0, sizeof(set));
	vm.vm_fd = VM_FD;
	vm.arch = &arch;
	vm.vcpu = vcpu;
	arch.entry.kernel = 0x80200000;
	arch.entry.dtb = 0x8fe00000;
	sets = inits = finalized = aborts = nisv_cap = hypercalls = 0;
	get_error = set_error = 0;
	fail_init = fail_finalize = fail_events = fail_target = has_dabt = 0;
}

static int init(unsigned int i)
{
	return arch_vcpu_init(&vcpu[i], &err);
}

static int reset(unsigned int i)
{
	sets = 0;
	return arch_vcpu_reset(&vcpu[i], &err);
}

static u64 val(u64 id)
{
	unsigned int i;

	for (i = 0; i < sets; i++)
		if (set[i].id == id)
			return set[i].val;
	return ~0ULL;
}

TEST(only_vcpu_0_is_on_and_features_are_asked_for)
{
	clear();
	CHECK_EQ(init(0), 0);
	CHECK_EQ(init(1), 0);
	CHECK_EQ(features[0], BIT_PSCI);
	CHECK_EQ(features[1], BIT_PSCI | BIT_OFF);
	CHECK_EQ(vcpu[0].arch->mpidr, MPIDR & 0xff00ffffff);
	CHECK_EQ(finalized, 0);
	clear();
	arch.features = (struct arm_features){ .sve = true, .pauth = true, .pmu = true, .nested = true };
	CHECK_EQ(init(0), 0);
	CHECK_EQ(features[0], BIT_PSCI | BIT_SVE | BIT_PAUTH | BIT_PMU | BIT_EL2);
	CHECK_EQ(finalized, 1);
	clear();
	arch.features.aarch32 = true;
	CHECK_EQ(init(0), 0);
	CHECK_EQ(features[0], BIT_PSCI | BIT_32);
}

TEST(accesses_without_syndrome_come_to_us_where_we_can_answer)
{
	clear();
	has_dabt = 1;
	CHECK_EQ(init(0), 0);
	CHECK_EQ(init(1), 0);
	CHECK_EQ(nisv_cap, 1);
	clear();
	CHECK_EQ(init(0), 0);
	CHECK_EQ(nisv_cap, 0);
}

static void limit(unsigned int bits)
{
	clear();
	arch.features.sve = true;
	arch.features.sve_max_vl = bits;
	memset(vls, 0xff, sizeof(vls));
	vls[0] = 0x800f;	/* 128 to 512 bits, and 2048 */
}

TEST(vectors_longer_than_the_limit_go)
{
	limit(256);
	CHECK_EQ(init(0), 0);
	CHECK_EQ(vls[0], 3);
	CHECK_EQ(vls[1], 0);
	CHECK_EQ(vls[7], 0);
	CHECK_EQ(finalized, 1);
	limit(2048);
	CHECK_EQ(init(0), 0);
	CHECK_EQ(vls[0], 0x800f);
	CHECK_EQ(vls[1], 0);
	limit(0);
	CHECK_EQ(init(0), 0);
	CHECK_EQ(vls[1], ~0ULL);
}

TEST(the_first_reset_writes_the_entry_of_vcpu_0_alone)
{
	clear();
	CHECK(!init(0) && !init(1));
	CHECK_EQ(reset(0), 0);
	CHECK_EQ(inits, 2);
	CHECK_EQ(val(REG_X(0)), 0x8fe00000);
	CHECK(!val(REG_X(1)) && !val(REG_X(2)) && !val(REG_X(3)));
	CHECK_EQ(val(REG_PC), 0x80200000);
	CHECK_EQ(val(REG_PSTATE), 0x3c5);
	pvlock_resets = 0;
	CHECK_EQ(reset(1), 0);
	CHECK_EQ(pvlock_resets, 1);
	CHECK_EQ(sets, 0);
	CHECK_EQ(inits, 2);
}

TEST(a_restart_makes_each_anew_with_the_same_features)
{
	clear();
	arch.features.sve = arch.features.pauth = true;
	CHECK(!init(0) && !init(1) && !reset(0) && !reset(1));
	features[0] = features[1] = 0;
	arch.entry.kernel = 0x80400000;
	CHECK(!reset(0));
	CHECK_EQ(features[0], BIT_PSCI | BIT_SVE | BIT_PAUTH);
	CHECK_EQ(val(REG_PC), 0x80400000);
	CHECK(!reset(1));
	CHECK_EQ(features[1], BIT_PSCI | BIT_SVE | BIT_PAUTH | BIT_OFF);
	CHECK_EQ(sets, 0);
	CHECK_EQ(inits, 4);
	CHECK_EQ(finalized, 2);	/* once in a vCPU's life */
}

TEST(other_guests_are_entered_as_they_are_used_to)
{
	clear();
	arch.features.aarch32 = true;
	CHECK(!init(0) && !reset(0));
	CHECK_EQ(val(REG_X(0)), 0);
	CHECK_EQ(val(REG_X(1)), 0xffffffff);
	CHECK_EQ(val(REG_X(2)), 0x8fe00000);
	CHECK_EQ(val(REG_PSTATE), 0x1d3);
	clear();
	arch.features.nested = true;
	CHECK(!init(0) && !reset(0));
	CHECK_EQ(val(REG_PSTATE), 0x3c9);
}

TEST(what_kvm_refuses_is_an_error)
{
	clear();
	fail_target = 1;
	CHECK_EQ(init(0), -ENODEV);
	clear();
	fail_init = 1;
	CHECK_EQ(init(0), -EINVAL);
	CHECK(strstr(err.msg, "--cpu"));
	clear();
	arch.features.sve = true;
	fail_finalize = 1;
	CHECK_EQ(init(0), -EPERM);
	clear();
	arch.features.sve = true;
	arch.features.sve_max_vl = 128;
	get_error = REG_SVE_VLS;
	CHECK_EQ(init(0), -ENOENT);
	CHECK_EQ(finalized, 0);
	clear();
	get_error = REG_MPIDR_EL1;
	CHECK_EQ(init(0), -ENOENT);
	clear();
	CHECK(!init(0));
	set_error = REG_PC;
	CHECK_EQ(reset(0), -EINVAL);
	CHECK(!vcpu[0].arch->was_reset);
	set_error = 0;
	CHECK(!reset(0));
	fail_init = 1;
	CHECK_EQ(reset(0), -EINVAL);
}

TEST(exits_of_arm64)
{
	clear();
	CHECK(!init(0));
	run.exit_reason = KVM_EXIT_HYPERCALL;
	CHECK_EQ(arch_vcpu_exit(&vcpu[0]), 0);
	CHECK_EQ(hypercalls, 1);
	run.exit_reason = KVM_EXIT_ARM_NISV;
	run.arm_nisv.fault_ipa = 0x1000000;
	CHECK_EQ(arch_vcpu_exit(&vcpu[0]), 0);
	CHECK_EQ(aborts, 1);
	get_error = REG_PC;	/* it is only for the message */
	CHECK_EQ(arch_vcpu_exit(&vcpu[0]), 0);
	fail_events = 1;
	CHECK_EQ(arch_vcpu_exit(&vcpu[0]), -EINVAL);
	run.exit_reason = KVM_EXIT_DEBUG;
	CHECK_EQ(arch_vcpu_exit(&vcpu[0]), -ENOSYS);
	CHECK_EQ(arch_vcpu_nmi(&vcpu[0]), -EOPNOTSUPP);
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN(only_vcpu_0_is_on_and_features_are_asked_for);
	RUN(accesses_without_syndrome_come_to_us_where_we_can_answer);
	RUN(vectors_longer_than_the_limit_go);
	RUN(the_first_reset_writes_the_entry_of_vcpu_0_alone);
	RUN(a_restart_makes_each_anew_with_the_same_features);
	RUN(other_guests_are_entered_as_they_are_used_to);
	RUN(what_kvm_refuses_is_an_error);
	RUN(exits_of_arm64);
	clear();
	return tap_done();
}
