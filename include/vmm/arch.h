/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole contract of an arch folder, chosen at link time: a missing function
 * is a link error. Shared code sees nothing else of an architecture.
 *
 * Order of calls: arch_config_check; arch_vm_type; arch_vm_init; arch_ram_layout; arch_irqchip_create; per
 * vCPU arch_vcpu_init; arch_machine_create (devices, firmware tables are written
 * later); then for each start or restart arch_boot (RAM content) and per vCPU arch_vcpu_reset.
 */
#ifndef VMM_ARCH_H
#define VMM_ARCH_H

#include "util/error.h"
#include "util/options.h"
#include "util/str.h"
#include "vmm/memslot.h"

struct msi_msg;
struct vcpu;
struct vm;
struct vm_config;

extern const char arch_name[];			/* "x86_64", as uname -m says it */
extern const u64 arch_min_ram;			/* bytes */
extern const char arch_kvm_hint[];		/* what to do when there is no /dev/kvm: "load the module kvm_intel or kvm_amd ..." */
/* Options of `lkvm run` that only this machine has; they write to a struct vm_config. Ended by one without a name. */
extern const struct option_def arch_options[];

int arch_config_check(const struct vm_config *cfg, struct error *err);
/* Paths searched for a kernel when none is given, %r being the host kernel's release; NULL terminated. */
const char *const *arch_kernel_search(void);
void arch_ram_layout(const struct vm_config *cfg, struct ram_layout *ret);
/* KVM_CREATE_VM's argument. Only the KVM file exists: vm_check_cap() asks it. */
int arch_vm_type(struct vm *vm, unsigned long *ret, struct error *err);
/* vm_fd exists, RAM does not yet. */
int arch_vm_init(struct vm *vm, struct error *err);
/*
 * RAM exists, no vCPU does: what of the interrupt controllers must be there before the first one. RAM comes first, because
 * Linux since 6.18 ends the registration of in-kernel devices in the background, and a new memory slot would wait for that (7 ms).
 */
int arch_irqchip_create(struct vm *vm, struct error *err);
void arch_vm_free(struct vm *vm);
int arch_vcpu_init(struct vcpu *vcpu, struct error *err);
void arch_vcpu_free(struct vcpu *vcpu);
/* Most vCPUs the machine can describe (KVM may allow fewer). */
unsigned int arch_max_vcpus(const struct vm *vm);
int arch_machine_create(struct vm *vm, struct error *err);
/* Loads kernel, initrd and tables into RAM; remembers entry state for the vCPUs. Main thread, vCPUs paused. */
int arch_boot(struct vm *vm, struct error *err);
/* Power-on or boot-entry state. On the main thread, vCPU paused. */
int arch_vcpu_reset(struct vcpu *vcpu, struct error *err);
/* An exit shared code does not know. 0: handled, go on; -errno: unhandled, the VM ends as crashed. vCPU's thread. */
int arch_vcpu_exit(struct vcpu *vcpu);
/* Registers, code bytes, stack, page walks as lines of text; for a crash report and `lkvm debug`. vCPU not running. */
void arch_vcpu_dump(struct vcpu *vcpu, struct strbuf *out);
/* The same as members of the JSON object open in @b. */
void arch_vcpu_dump_json(struct vcpu *vcpu, struct strbuf *b);
/* Injects an NMI, or what is most like it. vCPU not running. -EOPNOTSUPP: the architecture has nothing like it. */
int arch_vcpu_nmi(struct vcpu *vcpu);
/* The vCPU stood still, by vm_pause() or as a device left, and goes on now; the guest's clock went on. Main thread, vCPU not running. */
void arch_vcpu_paused(struct vcpu *vcpu);
/* What counters call KVM_EXIT_@reason; NULL: one that this architecture has not. */
const char *arch_exit_name(u32 reason);
/* Fills @entries (room for @room) with the irqchip's own routes; gives their number. */
struct kvm_irq_routing_entry;
unsigned int arch_irq_routes(struct vm *vm, struct kvm_irq_routing_entry *entries, unsigned int room);
/* First GSI free for MSI routes. */
u32 arch_irq_first_msi_gsi(const struct vm *vm);
/* The level of wired line @gsi, into whichever controller the machine has. 0 or -errno. Any thread, serialised by irq.c; changes only. */
int arch_irq_set(struct vm *vm, u32 gsi, bool level);
/* Delivers an MSI as a guest's device sends it: irq_kvm_msi() where KVM takes them. -EOPNOTSUPP: this machine has none. Any thread. */
int arch_msi_send(struct vm *vm, const struct msi_msg *msg);
/* The same as a route, all but @e->gsi. -EOPNOTSUPP, or -EINVAL for a message that cannot be one. Any thread. */
int arch_msi_route(struct vm *vm, const struct msi_msg *msg, struct kvm_irq_routing_entry *e);
/*
 * Makes the system call that the signal context (ucontext_t) interrupted give @result. Gives the call's second argument. Any thread, in a
 * signal handler.
 */
unsigned long arch_answer_call(void *context, long result);

#endif
