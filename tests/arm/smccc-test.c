/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hypercalls by table: which ranges KVM is told of, and what the guest gets in x0 to x3. [Arm DEN0028]
 * links: arm/smccc.c util/error.c util/log.c
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "arm/regs.h"
#include "arm/smccc.h"
#include "tests/tap.h"
#include "vmm/vm.h"

enum { FILTERS = 8 };

static struct vm vm;
static struct arch_vm arch;
static struct vcpu vcpu;
static struct kvm_run run;
static struct error err;
static u64 x[4], seen_arg;
static struct { u32 base, nr; u8 action, pad[15]; } filter[FILTERS];
static unsigned int filters;
static bool has_filter, broken_reg;
static int filter_error;

int ioctl(int fd, unsigned long req, ...)
{
	struct kvm_device_attr *a;
	va_list ap;

	va_start(ap, req);
	a = va_arg(ap, struct kvm_device_attr *);
	va_end(ap);
	if (a->group || a->attr || !has_filter) {
		errno = ENXIO;
		return -1;
	}
	if (req == KVM_HAS_DEVICE_ATTR)
		return 0;
	if (req != KVM_SET_DEVICE_ATTR || filter_error) {
		errno = filter_error;
		return -1;
	}
	memcpy(&filter[filters++], (void *)(uintptr_t)a->addr, sizeof(filter[0]));
	return 0;
}

int arm_get_reg(struct vcpu *v, u64 id, void *val)
{
	memcpy(val, &x[(id - REG_X(0)) / 2], 8);
	return 0;
}

int arm_set_reg(struct vcpu *v, u64 id, const void *val)
{
	if (broken_reg || id < REG_X(0) || id > REG_X(3))
		return -EINVAL;
	memcpy(&x[(id - REG_X(0)) / 2], val, 8);
	return 0;
}

static void setup(void)
{
	memset(filter, 0xee, sizeof(filter));
	filters = 0;
	has_filter = true;
	broken_reg = false;
	filter_error = 0;
	arch = (struct arch_vm){ .gic_fd = -1 };
	vm.arch = &arch;
	vcpu.vm = &vm;
	vcpu.run = &run;
	run.exit_reason = KVM_EXIT_HYPERCALL;
	x[0] = x[1] = x[2] = x[3] = 0x1111;
}

static bool pv_call(struct vcpu *v, u32 id, u64 ret[SMCCC_RESULTS])
{
	ret[0] = id & 0xf;
	return true;
}

const struct smccc_range pvlock_table[] = { { 0xc6000020, 2, SMCCC_FORWARD, pv_call } };
const unsigned int pvlock_table_nr = 1;

static int hypercall(u64 nr, u64 flags)
{
	setup();
	run.hypercall.nr = nr;
	run.hypercall.longmode = (u32)flags;	/* arm64's flags are in the same union */
	return smccc_exit(&vcpu);
}

static bool add_one(struct vcpu *v, u32 id, u64 ret[SMCCC_RESULTS])
{
	if (arm_get_reg(v, REG_X(1), &seen_arg) < 0)
		return false;
	ret[0] = seen_arg + 1;
	ret[3] = id;
	return id != 0xc5000041;
}

static const struct smccc_range table[] = {
	{ 0x86000000, 4, SMCCC_DENY, NULL },
	{ 0xc5000040, 2, SMCCC_FORWARD, add_one },
	{ 0x84000050, 1, SMCCC_HANDLE, NULL },
	{ 0xffffff00, 0x100, SMCCC_FORWARD, add_one },
};

TEST(kvm_is_told_of_ranges_it_does_not_handle)
{
	unsigned int i;

	setup();
	CHECK_EQ(smccc_filter(&vm, table, ARRAY_SIZE(table), &err), 0);
	CHECK_EQ(filters, 3);
	CHECK(filter[0].base == 0x86000000 && filter[0].nr == 4 && filter[0].action == 1);
	CHECK(filter[1].base == 0xc5000040 && filter[1].nr == 2 && filter[1].action == 2);
	CHECK(filter[2].base == 0xffffff00 && filter[2].nr == 0x100 && filter[2].action == 2);
	for (i = 0; i < sizeof(filter[0].pad); i++)
		CHECK_EQ(filter[0].pad[i], 0);
}

TEST(a_host_without_filter_is_fine)
{
	setup();
	has_filter = false;
	CHECK_EQ(smccc_init(&vm, &err), 0);
	CHECK_EQ(filters, 0);
}

TEST(a_filter_that_kvm_refuses_is_an_error)
{
	setup();
	filter_error = EEXIST;
	CHECK_EQ(smccc_filter(&vm, table, 1, &err), -EEXIST);
	CHECK(strstr(err.msg, "0x86000000 to 0x86000003"));
}

TEST(calls_go_by_the_table)
{
	setup();
	x[1] = 41;
	CHECK_EQ(smccc_serve(&vcpu, table, ARRAY_SIZE(table), 0xc5000040), 0);
	CHECK_EQ(x[0], 42);
	CHECK_EQ(x[1], 0);
	CHECK_EQ(x[2], 0);
	CHECK_EQ(x[3], 0xc5000040);
	setup();
	CHECK_EQ(smccc_serve(&vcpu, table, ARRAY_SIZE(table), 0xffffffff), 0);
	CHECK_EQ(x[3], 0xffffffff);
}

TEST(unknown_calls_get_not_supported)
{
	static const u32 id[] = { 0, 0x86000000, 0x86000004, 0xc500003f, 0xc5000041, 0xc5000042, 0x84000050, 0xfffffeff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(id); i++) {
		setup();
		CHECK_EQ(smccc_serve(&vcpu, table, ARRAY_SIZE(table), id[i]), 0);
		CHECK_EQ(x[0], -1);
		CHECK_EQ(x[1], 0x1111);
		CHECK_EQ(x[3], 0x1111);
	}
}

TEST(the_oem_queries_are_ours)
{
	/* Each, with the conduit's flags that must not matter. [DEN0028 5.2] byte 0 of the UID is the lowest of x0 */
	CHECK_EQ(hypercall(SMCCC_OEM_UID, 0), 0);
	CHECK_EQ(x[0] & 0xff, 0x57);
	CHECK_EQ(x[0] >> 32, 0);
	CHECK_EQ(x[3] >> 24, 0x2a);
	CHECK_EQ(hypercall(SMCCC_OEM_REVISION, 3), 0);
	CHECK_EQ(x[0], LKVM_SMCCC_REVISION_MAJOR);
	CHECK_EQ(x[1], LKVM_SMCCC_REVISION_MINOR);
	CHECK_EQ(hypercall(0x8300ff02, 1), 0);
	CHECK_EQ(x[0], -1);
	CHECK_EQ(hypercall(0x8300ff00, 0), 0);
	CHECK_EQ(x[0], -1);
	CHECK_EQ(hypercall(0xc6000021, 0), 0);	/* pvlock.c's */
	CHECK_EQ(x[0], 1);
	CHECK_EQ(hypercall(0xc6000022, 0), 0);
	CHECK_EQ(x[0], -1);
}

TEST(a_vcpu_that_cannot_be_answered_is_an_error)
{
	setup();
	broken_reg = true;
	CHECK_EQ(smccc_exit(&vcpu), -EINVAL);
}

/* KVM refuses a range of Arm's own, and any two that overlap. */
TEST(the_real_table_is_one_kvm_takes)
{
	const struct smccc_range *a, *b;

	for (a = smccc_table; a < smccc_table + smccc_table_nr; a++) {
		CHECK(a->count && a->first + (a->count - 1) >= a->first);
		CHECK(a->first >> 16 != 0x8000 && a->first >> 16 != 0xc000);
		CHECK((a->action == SMCCC_FORWARD) == (a->call != NULL));
		for (b = smccc_table; b < a; b++)
			CHECK(a->first > b->first + (b->count - 1) || b->first > a->first + (a->count - 1));
	}
}

int main(void)
{
	RUN(kvm_is_told_of_ranges_it_does_not_handle);
	RUN(a_host_without_filter_is_fine);
	RUN(a_filter_that_kvm_refuses_is_an_error);
	RUN(calls_go_by_the_table);
	RUN(unknown_calls_get_not_supported);
	RUN(the_oem_queries_are_ours);
	RUN(a_vcpu_that_cannot_be_answered_is_an_error);
	RUN(the_real_table_is_one_kvm_takes);
	return tap_done();
}
