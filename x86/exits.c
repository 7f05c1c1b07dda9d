/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of the exits x86 has. [Documentation/virt/kvm/api 5] Numbers are part of KVM's ABI, so those that the headers we are built
 * with may lack are written as such.
 */
#include <linux/kvm.h>

#include "vmm/arch.h"

enum { EXIT_NOTIFY = 37, EXIT_MEMORY_FAULT = 39, EXIT_TDX = 40 };

const char *arch_exit_name(u32 reason)
{
	static const char *const name[] = {
		[KVM_EXIT_UNKNOWN] = "unknown",
		[KVM_EXIT_EXCEPTION] = "exception",
		[KVM_EXIT_IO] = "io",
		[KVM_EXIT_HYPERCALL] = "hypercall",
		[KVM_EXIT_DEBUG] = "debug",
		[KVM_EXIT_HLT] = "hlt",
		[KVM_EXIT_MMIO] = "mmio",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window_open",
		[KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_FAIL_ENTRY] = "fail_entry",
		[KVM_EXIT_INTR] = "intr",
		[KVM_EXIT_SET_TPR] = "set_tpr",
		[KVM_EXIT_TPR_ACCESS] = "tpr_access",
		[KVM_EXIT_NMI] = "nmi",
		[KVM_EXIT_INTERNAL_ERROR] = "internal_error",
		[KVM_EXIT_SYSTEM_EVENT] = "system_event",
		[KVM_EXIT_IOAPIC_EOI] = "ioapic_eoi",
		[KVM_EXIT_HYPERV] = "hyperv",
		[KVM_EXIT_X86_RDMSR] = "rdmsr",
		[KVM_EXIT_X86_WRMSR] = "wrmsr",
		[KVM_EXIT_DIRTY_RING_FULL] = "dirty_ring_full",
		[KVM_EXIT_AP_RESET_HOLD] = "ap_reset_hold",
		[KVM_EXIT_X86_BUS_LOCK] = "bus_lock",
		[KVM_EXIT_XEN] = "xen",
		[EXIT_NOTIFY] = "notify",
		[EXIT_MEMORY_FAULT] = "memory_fault",
		[EXIT_TDX] = "tdx",
	};

	return reason < ARRAY_SIZE(name) ? name[reason] : NULL;
}
