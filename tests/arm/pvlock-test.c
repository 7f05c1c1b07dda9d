/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --pv-lock against hosts that have a patched KVM, the filter and the module, or lack some of it; and what a guest's calls do.
 * links: arm/pvlock.c util/error.c
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "arm/regs.h"
#include "arm/smccc.h"
#include "tests/tap.h"
#include "vmm/memslot.h"
#include "vmm/vm.h"

enum { CPUS = 3, FD = 100, RAM = 0x1000 };

static struct vm vm;
static struct arch_vm arch;
static struct vcpu vcpu[CPUS];
static struct error err;
static u64 ipa[CPUS], x1;
static u64 function;		/* of a patched KVM; 0: group 3 is not there */
static bool filter, module, slot, filtered, crashed;
static int update_error, slot_error, fail_vcpu;
static unsigned int updates;
static char ram[RAM] __attribute__((aligned(4096)));

int memslot_add(struct vm *v, gpa_t gpa, u64 size, void *hva, unsigned int flags)
{
	if (slot_error)
		return slot_error;
	slot = gpa == PVLOCK_BASE && size == PVLOCK_SIZE && hva && !flags;
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
	if (a->group != 3 || a->attr > 1 || !function)
		return -1;
	if (req == KVM_HAS_DEVICE_ATTR)
		return 0;
	if (req == KVM_GET_DEVICE_ATTR && a->attr == 1) {
		memcpy((void *)(uintptr_t)a->addr, &function, 8);
		return 0;
	}
	errno = EINVAL;
	if (req != KVM_SET_DEVICE_ATTR || a->attr || !slot || fd - FD == fail_vcpu)
		return -1;
	memcpy(&ipa[fd - FD], (void *)(uintptr_t)a->addr, 8);
	return 0;
}

bool smccc_has_filter(const struct vm *v) { return filter; }

int smccc_filter(struct vm *v, const struct smccc_range *table, unsigned int nr, struct error *e)
{
	filtered = table == pvlock_table && nr == pvlock_table_nr;
	return 0;
}

int pvlock_open(struct vm *v, struct error *e)
{
	return module ? 0 : error_set(e, -ENODEV, "--pv-lock: no module");
}

int pvlock_update(struct vcpu *v)
{
	updates++;
	return v->pvlock.guest || update_error == -ENOSPC ? update_error : 0;
}

int arm_get_reg(struct vcpu *v, u64 id, void *val)
{
	if (id != REG_X(1))
		return -ENOENT;
	memcpy(val, &x1, 8);
	return 0;
}

void *guest_ptr(const struct guest_mem *gm, gpa_t gpa, u64 len)
{
	return gpa >= RAM_BASE && gpa - RAM_BASE < RAM && len <= RAM - (gpa - RAM_BASE) ? ram + (gpa - RAM_BASE) : NULL;
}

void vcpu_crashed(struct vcpu *v, const char *fmt, ...)
{
	crashed = true;
}

static int create(bool wanted)
{
	unsigned int i;

	memset(&vm, 0, sizeof(vm));
	memset(ipa, 0, sizeof(ipa));
	memset(vcpu, 0, sizeof(vcpu));
	pvlock_free(&(struct vm){ .arch = &arch });
	vm.arch = &arch;
	vm.vcpu = vcpu;
	vm.cfg.cpus = CPUS;
	vm.cfg.pv_lock = wanted;
	slot = filtered = crashed = false;
	update_error = 0;
	updates = 0;
	err.msg[0] = 0;
	for (i = 0; i < CPUS; i++)
		vcpu[i] = (struct vcpu){ .vm = &vm, .fd = FD + (int)i, .index = i };
	return pvlock_create(&vm, &err);
}

static void host(u64 f, bool has_filter, bool has_module)
{
	function = f;
	filter = has_filter;
	module = has_module;
	slot_error = 0;
	fail_vcpu = -1;
}

static u64 call(unsigned int cpu, u32 id, u64 arg)
{
	u64 ret[SMCCC_RESULTS] = { 0 };
	unsigned int i;

	x1 = arg;
	for (i = 0; i < pvlock_table_nr; i++)
		if (id - pvlock_table[i].first < pvlock_table[i].count)
			return pvlock_table[i].call(&vcpu[cpu], id, ret) ? ret[0] : 0xbad;
	return 0xbadbad;
}

TEST(not_asked_for_nothing_is_there)
{
	host(0xc6000020, true, true);
	CHECK_EQ(create(false), 0);
	CHECK(!slot && !filtered && !arch.pvlock && !vcpu[0].pvlock.home);
}

TEST(a_patched_kvm_is_told_and_needs_no_module)
{
	host(0xc6000020, true, false);
	CHECK_EQ(create(true), 0);
	CHECK(slot && !filtered);
	CHECK_EQ(ipa[0], PVLOCK_BASE);
	CHECK_EQ(ipa[2], PVLOCK_BASE + 128);
	CHECK_EQ(vcpu[1].pvlock.kind, PVLOCK_KVM);
	CHECK(!vcpu[1].pvlock.home);
}

TEST(another_meaning_of_group_3_is_not_taken_for_it)
{
	host(0x12345678, true, true);
	CHECK_EQ(create(true), 0);
	CHECK(slot && filtered);
	CHECK_EQ(ipa[0], 0);
	CHECK(vcpu[1].pvlock.home == (char *)arch.pvlock + 64);
}

TEST(what_a_host_lacks_is_said)
{
	host(0, false, true);
	CHECK_EQ(create(true), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--pv-lock") && strstr(err.msg, "6.4"));
	host(0, true, false);
	CHECK_EQ(create(true), -ENODEV);
	CHECK(!slot);
	host(0, true, true);
	slot_error = -ENOSPC;
	CHECK_EQ(create(true), -ENOSPC);
	CHECK(strstr(err.msg, "--pv-lock"));
	host(0xc6000020, false, false);
	fail_vcpu = 1;
	CHECK_EQ(create(true), -EINVAL);
	CHECK(strstr(err.msg, "vCPU 1"));
}

TEST(more_vcpus_than_room_are_refused)
{
	host(0, true, true);
	CHECK_EQ(create(false), 0);
	vm.cfg.pv_lock = true;
	vm.cfg.cpus = 1025;
	CHECK_EQ(pvlock_create(&vm, &err), -EINVAL);
	CHECK(strstr(err.msg, "1024"));
}

TEST(second_interface)
{
	host(0, true, true);
	CHECK_EQ(create(true), 0);
	CHECK_EQ(call(0, 0xc6000020, 0xc6000020), 0);
	CHECK_EQ(call(0, 0xc6000020, 0xc6000021), 0);
	CHECK_EQ(call(0, 0xc6000020, 0xc6000022), -1);
	CHECK_EQ(call(0, 0xc6000020, ~0ULL), -1);
	CHECK_EQ(call(0, 0xc6000021, 0), PVLOCK_BASE);
	CHECK_EQ(call(2, 0xc6000021, 0), PVLOCK_BASE + 128);
	CHECK_EQ(updates, 0);
}

TEST(first_interface_takes_ram_alone)
{
	static const u64 bad[] = { 1, RAM_BASE + 8, RAM_BASE + 32, RAM_BASE - 64, RAM_BASE + RAM, PVLOCK_BASE, 0, ~63ULL };
	unsigned int i;

	host(0, true, true);
	CHECK_EQ(create(true), 0);
	CHECK_EQ(call(1, 0xc5000040, 0xc5000041), 0);
	CHECK_EQ(call(1, 0xc5000040, 0xc5000020), -1);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(call(1, 0xc5000041, bad[i]), -1);
	CHECK_EQ(updates, 0);
	CHECK_EQ(call(1, 0xc5000041, RAM_BASE + 192), 0);
	CHECK(vcpu[1].pvlock.guest == ram + 192);
	CHECK_EQ(updates, 1);
	pvlock_reset(&vcpu[1]);
	CHECK(!vcpu[1].pvlock.guest);
}

TEST(a_page_that_cannot_be_pinned_is_refused_and_the_flag_stays)
{
	host(0, true, true);
	CHECK_EQ(create(true), 0);
	update_error = -ENOMEM;
	CHECK_EQ(call(1, 0xc5000041, RAM_BASE), -1);
	CHECK(!vcpu[1].pvlock.guest && !crashed);
	CHECK_EQ(updates, 2);
	update_error = -ENOSPC;
	CHECK_EQ(call(1, 0xc5000041, RAM_BASE), -1);
	CHECK(crashed);
}

int main(void)
{
	RUN(not_asked_for_nothing_is_there);
	RUN(a_patched_kvm_is_told_and_needs_no_module);
	RUN(another_meaning_of_group_3_is_not_taken_for_it);
	RUN(what_a_host_lacks_is_said);
	RUN(more_vcpus_than_room_are_refused);
	RUN(second_interface);
	RUN(first_interface_takes_ram_alone);
	RUN(a_page_that_cannot_be_pinned_is_refused_and_the_flag_stays);
	return tap_done();
}
