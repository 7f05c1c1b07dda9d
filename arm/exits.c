/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of the exits arm64 has. [Documentation/virt/kvm/api 5] Numbers are part of KVM's ABI, so those that the headers we are built
 * with may lack are written as such.
 */
#include <linux/kvm.h>

#include "vmm/arch.h"

enum { EXIT_MEMORY_FAULT = 39 };

const char *arch_exit_name(u32 reason)
{
	static const char *const name[] = {
		[KVM_EXIT_UNKNOWN] = "unknown",
		[KVM_EXIT_EXCEPTION] = "exception",
		[KVM_EXIT_HYPERCALL] = "hypercall",
		[KVM_EXIT_DEBUG] = "debug",
		[KVM_EXIT_MMIO] = "mmio",
		[KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_FAIL_ENTRY] = "fail_entry",
		[KVM_EXIT_INTR] = "intr",
		[KVM_EXIT_INTERNAL_ERROR] = "internal_error",
		[KVM_EXIT_SYSTEM_EVENT] = "system_event",
		[KVM_EXIT_ARM_NISV] = "arm_nisv",
		[KVM_EXIT_DIRTY_RING_FULL] = "dirty_ring_full",
		[EXIT_MEMORY_FAULT] = "memory_fault",
	};

	return reason < ARRAY_SIZE(name) ? name[reason] : NULL;
}
