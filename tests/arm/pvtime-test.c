/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stolen time's memory and places, against a KVM that has it, lacks it, or refuses.
 * links: arm/pvtime.c util/error.c util/log.c
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "arm/regs.h"
#include "tests/tap.h"
#include "vmm/memslot.h"
#include "vmm/vm.h"

enum { CPUS = 3, FD = 100 };

static struct vm vm;
static struct arch_vm arch;
static struct vcpu vcpu[CPUS];
static struct error err;
static u64 ipa[CPUS], bitmap;
static bool cap, attr, has_bitmap, slot;
static int fail_vcpu, slot_error;

int vm_check_cap(const struct vm *v, unsigned int c)
{
	return c == KVM_CAP_STEAL_TIME && cap;
}

int memslot_add(struct vm *v, gpa_t gpa, u64 size, void *hva, unsigned int flags)
{
	if (slot_error)
		return slot_error;
	slot = gpa == PVTIME_BASE && size == PVTIME_SIZE && hva && !flags;
	return 7;
}

int ioctl(int fd, unsigned long req, ...)
{
	struct kvm_device_attr *a;
	va_list ap;

	va_start(ap, req);
	a = va_arg(ap, struct kvm_device_attr *);
	va_end(ap);
	errno = ENXIO;
	if (a->group != 2 || a->attr || !attr)
		return -1;
	if (req == KVM_HAS_DEVICE_ATTR)
		return 0;
	errno = EINVAL;
	if (req != KVM_SET_DEVICE_ATTR || !slot || fd - FD == fail_vcpu)	/* KVM wants the memory first */
		return -1;
	memcpy(&ipa[fd - FD], (void *)(uintptr_t)a->addr, 8);
	return 0;
}

int arm_get_reg(struct vcpu *v, u64 id, void *val)
{
	if (id != 0x6030000000160001 || !has_bitmap)
		return -ENOENT;
	memcpy(val, &bitmap, 8);
	return 0;
}

int arm_set_reg(struct vcpu *v, u64 id, const void *val)
{
	if (id != 0x6030000000160001)
		return -ENOENT;
	memcpy(&bitmap, val, 8);
	return 0;
}

static int create(void)
{
	unsigned int i;

	memset(&vm, 0, sizeof(vm));
	memset(ipa, 0, sizeof(ipa));
	arch.pvtime = NULL;
	vm.arch = &arch;
	vm.vcpu = vcpu;
	vm.cfg.cpus = CPUS;
	slot = false;
	bitmap = 0x13;
	for (i = 0; i < CPUS; i++) {
		vcpu[i].fd = FD + (int)i;
		vcpu[i].index = i;
	}
	return pvtime_create(&vm, &err);
}

static void offer(bool c, bool a)
{
	cap = c;
	attr = a;
	has_bitmap = true;
	fail_vcpu = -1;
	slot_error = 0;
}

TEST(each_vcpu_has_64_bytes_of_the_region)
{
	offer(true, true);
	CHECK_EQ(create(), 0);
	CHECK(slot && arch.pvtime);
	CHECK_EQ(ipa[0], PVTIME_BASE);
	CHECK_EQ(ipa[1], PVTIME_BASE + 64);
	CHECK_EQ(ipa[2], PVTIME_BASE + 128);
	CHECK_EQ(bitmap, 0x13);
	pvtime_free(&vm);
	CHECK(!arch.pvtime);
	pvtime_free(&vm);
}

TEST(a_host_without_it_is_fine)
{
	offer(false, true);
	CHECK_EQ(create(), 0);
	CHECK(!slot && !arch.pvtime);
	offer(true, false);
	CHECK_EQ(create(), 0);
	CHECK(!slot && !arch.pvtime);
}

TEST(it_can_be_left_out_and_its_calls_with_it)
{
	unsigned int old;

	for (old = 0; old < 2; old++) {
		offer(true, true);
		has_bitmap = !old;
		memset(&vm, 0, sizeof(vm));
		vm.arch = &arch;
		vm.vcpu = vcpu;
		vm.cfg.cpus = CPUS;
		vm.cfg.machine.no_pvtime = true;
		slot = false;
		bitmap = 0x13;
		CHECK_EQ(pvtime_create(&vm, &err), 0);
		CHECK(!slot);
		CHECK_EQ(bitmap, old ? 0x13 : 0x12);
	}
}

TEST(what_kvm_refuses_is_an_error)
{
	offer(true, true);
	fail_vcpu = 2;
	CHECK_EQ(create(), -EINVAL);
	CHECK(strstr(err.msg, "vCPU 2"));
	pvtime_free(&vm);
	offer(true, true);
	slot_error = -EEXIST;
	CHECK_EQ(create(), -EEXIST);
	CHECK(strstr(err.msg, "0x1020000"));
	pvtime_free(&vm);
}

TEST(more_vcpus_than_fit_are_refused)
{
	offer(true, true);
	CHECK_EQ(create(), 0);
	pvtime_free(&vm);
	vm.cfg.cpus = 1025;
	CHECK_EQ(pvtime_create(&vm, &err), -EINVAL);
	CHECK(strstr(err.msg, "--cpus 1025"));
	CHECK(!arch.pvtime);
}

int main(void)
{
	RUN(each_vcpu_has_64_bytes_of_the_region);
	RUN(a_host_without_it_is_fine);
	RUN(it_can_be_left_out_and_its_calls_with_it);
	RUN(what_kvm_refuses_is_an_error);
	RUN(more_vcpus_than_fit_are_refused);
	return tap_done();
}
