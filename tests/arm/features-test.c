/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of its wishes a guest gets, on hosts that offer more or less.
 * links: arm/features.c util/error.c util/log.c
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "tests/tap.h"
#include "vmm/vm.h"

enum { ALL = 0x1f, SVE = 1, PAUTH = 2, MTE = 4, PMU = 8, AARCH32 = 0x10, EL2 = 0x20, PAUTH_HALF = 0x40 };

static unsigned int host, enabled, refuse_enable;
static struct vm vm;
static struct arm_features got;
static struct error err;

int vm_check_cap(const struct vm *v, unsigned int cap)
{
	switch (cap) {
	case KVM_CAP_ARM_SVE:
		return !!(host & SVE);
	case KVM_CAP_ARM_PTRAUTH_ADDRESS:
		return !!(host & PAUTH);
	case KVM_CAP_ARM_PTRAUTH_GENERIC:
		return host & PAUTH && !(host & PAUTH_HALF);
	case KVM_CAP_ARM_MTE:
		return !!(host & MTE);
	case KVM_CAP_ARM_PMU_V3:
		return !!(host & PMU);
	case KVM_CAP_ARM_EL1_32BIT:
		return !!(host & AARCH32);
	case 240:
		return !!(host & EL2);
	default:
		return 0;
	}
}

int ioctl(int fd, unsigned long req, ...)
{
	struct kvm_enable_cap *cap;
	va_list ap;

	va_start(ap, req);
	cap = va_arg(ap, struct kvm_enable_cap *);
	va_end(ap);
	if (req != KVM_ENABLE_CAP || refuse_enable) {
		errno = EINVAL;
		return -1;
	}
	enabled = cap->cap;
	return 0;
}

static void config(const char *cpu)
{
	memset(&vm, 0, sizeof(vm));
	memset(&err, 0, sizeof(err));
	vm.cfg.cpu = cpu;
	enabled = refuse_enable = 0;
	got = (struct arm_features){ .sve_max_vl = 77 };
}

static int get(unsigned int h)
{
	host = h;
	return arm_features_get(&vm, &got, &err);
}

static unsigned int set(void)
{
	return got.sve * SVE | got.pauth * PAUTH | got.mte * MTE | got.pmu * PMU | got.aarch32 * AARCH32 | got.nested * EL2;
}

static int check(const char *cpu)
{
	config(cpu);
	return arm_features_check(&vm.cfg, &err);
}

TEST(by_default_what_the_host_has_but_no_pmu)
{
	config(NULL);
	CHECK_EQ(get(ALL), 0);
	CHECK_EQ(set(), SVE | PAUTH | MTE);
	CHECK_EQ(enabled, KVM_CAP_ARM_MTE);
	config("host");
	CHECK_EQ(get(0), 0);
	CHECK_EQ(set(), 0);
	CHECK_EQ(enabled, 0);
	CHECK_EQ(get(PAUTH | PAUTH_HALF), 0);
	CHECK_EQ(set(), 0);
}

TEST(each_can_be_taken_away)
{
	config("host,-sve");
	CHECK_EQ(get(ALL), 0);
	CHECK_EQ(set(), PAUTH | MTE);
	config("host,-pauth,-mte");
	CHECK_EQ(get(ALL), 0);
	CHECK_EQ(set(), SVE);
	CHECK_EQ(enabled, 0);
	config("host,+sve,-sve,-mte,-pauth,+pauth,+pmu,-pmu");
	CHECK_EQ(get(ALL), 0);
	CHECK_EQ(set(), PAUTH);
	config(NULL);
	vm.cfg.machine.disable_mte = true;
	CHECK_EQ(get(ALL), 0);
	CHECK_EQ(set(), SVE | PAUTH);
}

TEST(wanted_and_not_there_is_refused_by_name)
{
	static const struct { const char *cpu; unsigned int without; } c[] = {
		{ "host,+sve", SVE }, { "host,+pauth", PAUTH }, { "host,+mte", MTE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		config(c[i].cpu);
		CHECK_EQ(get(ALL), 0);
		CHECK_EQ(get(ALL & ~c[i].without), -EOPNOTSUPP);
		CHECK(strstr(err.msg, c[i].cpu));
	}
	config("host,+pmu");
	CHECK_EQ(get(ALL & ~(unsigned int)PMU), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--pmu"));
	CHECK_EQ(get(ALL), 0);
	CHECK(got.pmu);
	config(NULL);
	vm.cfg.machine.pmu = true;
	CHECK_EQ(get(ALL), 0);
	CHECK(got.pmu);
	CHECK_EQ(get(0), -EOPNOTSUPP);
	config(NULL);
	vm.cfg.machine.sve_max_vl = 256;
	CHECK_EQ(get(ALL & ~(unsigned int)SVE), -EOPNOTSUPP);
	CHECK_EQ(get(ALL), 0);
	CHECK_EQ(got.sve_max_vl, 256);
	config(NULL);
	vm.cfg.machine.nested = true;
	CHECK_EQ(get(ALL), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--nested"));
	CHECK_EQ(get(ALL | EL2), 0);
	CHECK(got.nested);
	config(NULL);
	vm.cfg.machine.aarch32 = true;
	CHECK_EQ(get(0), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--aarch32"));
}

TEST(a_32_bit_guest_has_no_64_bit_features)
{
	config(NULL);
	vm.cfg.machine.aarch32 = true;
	CHECK_EQ(get(ALL), 0);
	CHECK_EQ(set(), AARCH32);
	vm.cfg.cpu = "host,+pauth";
	CHECK_EQ(get(ALL), -EINVAL);
	CHECK(strstr(err.msg, "pauth"));
}

TEST(tags_need_memory_that_can_have_them)
{
	config(NULL);
	vm.cfg.hugetlbfs = "/h";
	CHECK_EQ(get(ALL), 0);
	CHECK_EQ(set(), SVE | PAUTH);
	vm.cfg.cpu = "host,+mte";
	CHECK_EQ(get(ALL), -EINVAL);
	CHECK(strstr(err.msg, "--hugetlbfs"));
	config(NULL);
	refuse_enable = 1;
	CHECK_EQ(get(ALL), -EINVAL);
	CHECK(strstr(err.msg, "mte"));
	CHECK_EQ(got.sve_max_vl, 77);
}

TEST(bad_words_are_named)
{
	static const char *const bad[] = { "", "max", "hostile", "host,", "host,sve", "host,+", "host,+svex", "host,+sv", "host,,+sve",
					   "host,-sve,", "host+sve", "host, +sve" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(check(bad[i]), -EINVAL);
		CHECK(strstr(err.msg, "--cpu '"));
	}
	CHECK_EQ(check("host,+sve,-pauth,+mte,-pmu"), 0);
	CHECK_EQ(check(NULL), 0);
}

TEST(options_that_contradict_are_refused)
{
	config("host,-pmu");
	vm.cfg.machine.pmu = true;
	CHECK_EQ(arm_features_check(&vm.cfg, &err), -EINVAL);
	config("host,-sve");
	vm.cfg.machine.sve_max_vl = 128;
	CHECK_EQ(arm_features_check(&vm.cfg, &err), -EINVAL);
	config("host,+mte");
	vm.cfg.machine.disable_mte = true;
	CHECK_EQ(arm_features_check(&vm.cfg, &err), -EINVAL);
	config(NULL);
	vm.cfg.machine.nested = vm.cfg.machine.aarch32 = true;
	CHECK_EQ(arm_features_check(&vm.cfg, &err), -EINVAL);
	config(NULL);
	vm.cfg.machine.sve_max_vl = 200;
	CHECK_EQ(arm_features_check(&vm.cfg, &err), -EINVAL);
	CHECK(strstr(err.msg, "--sve-max-vl 200"));
	vm.cfg.machine.sve_max_vl = 2176;
	CHECK_EQ(arm_features_check(&vm.cfg, &err), -EINVAL);
	vm.cfg.machine.sve_max_vl = 2048;
	CHECK_EQ(arm_features_check(&vm.cfg, &err), 0);
}

int main(void)
{
	RUN(by_default_what_the_host_has_but_no_pmu);
	RUN(each_can_be_taken_away);
	RUN(wanted_and_not_there_is_refused_by_name);
	RUN(a_32_bit_guest_has_no_64_bit_features);
	RUN(tags_need_memory_that_can_have_them);
	RUN(bad_words_are_named);
	RUN(options_that_contradict_are_refused);
	return tap_done();
}
