/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names that counters give exits.
 * links: arm/exits.c
 */
#include <linux/kvm.h>

#include "tests/tap.h"
#include "vmm/arch.h"

TEST(each_exit_of_arm64_has_a_name_and_others_none)
{
	CHECK_STR(arch_exit_name(KVM_EXIT_MMIO), "mmio");
	CHECK_STR(arch_exit_name(KVM_EXIT_ARM_NISV), "arm_nisv");
	CHECK_STR(arch_exit_name(KVM_EXIT_SYSTEM_EVENT), "system_event");
	CHECK_STR(arch_exit_name(39), "memory_fault");
	CHECK(!arch_exit_name(KVM_EXIT_IO));
	CHECK(!arch_exit_name(40));
	CHECK(!arch_exit_name(~0U));
}

int main(void)
{
	RUN(each_exit_of_arm64_has_a_name_and_others_none);
	return tap_done();
}
