/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An x86 vCPU: registers at power on or as a boot protocol wants them, and the exits only x86 knows.
 * [Intel SDM 3A 10.1.1 "Processor State After Reset"], [Documentation/virt/kvm/api 4.11 to 4.66]
 *
 * A new vCPU of KVM is at its power-on state, so the first reset writes only what differs. For a later
 * one (cfg.reboot) the first has kept KVM's own values of what we do not model: all MSRs and the local APIC.
 *
 * vCPU 0 enters the guest; the others wait for INIT and a startup IPI, as after a real reset.
 *
 * Left out: debug registers and the TSC go on over a restart in place, as they do over a warm reset of some boards.
 *
 * Threads: arch_vcpu_exit() is the vCPU's own; the rest the main thread's.
 */
#include "x86/x86.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

enum {
	CR0_PE = 1, CR0_ET = 0x10, CR0_RESET = 0x60000010,
	CR4_PAE = 0x20,
	EFER_LME = 0x100, EFER_LMA = 0x400,
	RFLAGS_FIXED = 2,
	APIC_BASE_BSP = 0x100, APIC_BASE_X2APIC = 0x400, APIC_BASE_ENABLE = 0x800,
};
#define CR0_PG 0x80000000ULL

enum {
	MSR_TSC = 0x10,
	MSR_APIC_BASE = 0x1b,
	MSR_MISC_ENABLE = 0x1a0,
	MISC_ENABLE_FAST_STRING = 1,
	MSR_MTRR_PHYS_BASE0 = 0x200,	/* mask follows; then the next pair */
	MSR_MTRR_FIX64K = 0x250,
	MSR_MTRR_FIX16K_80000 = 0x258,
	MSR_MTRR_FIX16K_A0000 = 0x259,
	MSR_MTRR_FIX4K_C0000 = 0x268,
	MTRR_FIX4K_REGS = 8,
	MSR_MTRR_DEF_TYPE = 0x2ff,
	MTRR_ENABLE = 0xc00,		/* variable and fixed ranges */
	MTRR_UC = 0, MTRR_WB = 6,
	MTRR_MASK_VALID = 0x800,
};

enum { MSRS_ROOM = 24 };

union msr_list {
	struct kvm_msrs head;
	u8 room[sizeof(struct kvm_msrs) + MSRS_ROOM * sizeof(struct kvm_msr_entry)];
};

union one_msr {
	struct kvm_msrs head;
	u8 room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static void add_msr(union msr_list *l, u32 index, u64 data)
{
	l->head.entries[l->head.nmsrs++] = (struct kvm_msr_entry){ .index = index, .data = data };
}

/* An MSR that this KVM does not have is one that the guest does not see either. */
static void set_msrs(struct vcpu *vcpu, struct kvm_msrs *list)
{
	union one_msr single = { .head.nmsrs = 1 };
	u32 i;

	if (ioctl(vcpu->fd, KVM_SET_MSRS, list) == (int)list->nmsrs)
		return;
	for (i = 0; i < list->nmsrs; i++) {
		single.head.entries[0] = list->entries[i];
		if (ioctl(vcpu->fd, KVM_SET_MSRS, &single) != 1)
			log_debug("vcpu", "KVM takes no MSR 0x%x", list->entries[i].index);
	}
}

/* RAM is write-back, devices below 4 GiB are uncached: as firmware leaves it. [SDM 3A 12.11] */
static void add_mtrrs(union msr_list *l, unsigned int phys_bits)
{
	static const struct { u64 base, size; } uncached[] = {
		{ RAM_HOLE_START, 0x10000000 }, { 0xe0000000, 0x20000000 },
	};
	const u64 all_wb = 0x0606060606060606ULL, top = phys_bits >= 64 ? ~0ULL : BIT_ULL(phys_bits) - 1;
	unsigned int i;

	add_msr(l, MSR_MTRR_FIX64K, all_wb);
	add_msr(l, MSR_MTRR_FIX16K_80000, all_wb);
	add_msr(l, MSR_MTRR_FIX16K_A0000, MTRR_UC);
	for (i = 0; i < MTRR_FIX4K_REGS; i++)
		add_msr(l, MSR_MTRR_FIX4K_C0000 + i, all_wb);
	for (i = 0; i < ARRAY_SIZE(uncached); i++) {
		add_msr(l, MSR_MTRR_PHYS_BASE0 + 2 * i, uncached[i].base | MTRR_UC);
		add_msr(l, MSR_MTRR_PHYS_BASE0 + 2 * i + 1, (~(uncached[i].size - 1) & top) | MTRR_MASK_VALID);
	}
	add_msr(l, MSR_MTRR_DEF_TYPE, MTRR_ENABLE | MTRR_WB);
}

/* --- power on --- */

static struct kvm_segment segment(u16 selector, u64 base, u32 limit, u8 type)
{
	return (struct kvm_segment){
		.selector = selector, .base = base, .limit = limit, .type = type, .present = 1, .s = 1,
	};
}

static void set_data_segments(struct kvm_sregs *s, struct kvm_segment seg)
{
	s->ds = s->es = s->fs = s->gs = s->ss = seg;
}

static void power_on_sregs(const struct vm *vm, struct kvm_sregs *s, bool bsp)
{
	memset(s, 0, sizeof(*s));
	s->cs = segment(0xf000, 0xffff0000, 0xffff, 0xb);
	set_data_segments(s, segment(0, 0, 0xffff, 3));
	s->tr = segment(0, 0, 0xffff, 0xb);
	s->ldt = segment(0, 0, 0xffff, 2);
	s->tr.s = s->ldt.s = 0;
	s->gdt.limit = s->idt.limit = 0xffff;
	s->cr0 = CR0_RESET;
	s->apic_base = LAPIC_BASE | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0);
	/* As firmware does it: an OS that finds xAPIC mode takes the other ids of the MADT for mistakes. */
	if (vm->arch->x2apic)
		s->apic_base |= APIC_BASE_X2APIC;
}

static void flat_sregs(struct kvm_sregs *s, const struct boot_entry *e)
{
	struct kvm_segment cs = segment(BOOT_CS, 0, ~0U, 0xb), ds = segment(BOOT_DS, 0, ~0U, 3);

	cs.g = ds.g = ds.db = 1;
	cs.l = e->mode == BOOT_LONG64;
	cs.db = !cs.l;
	s->cs = cs;
	set_data_segments(s, ds);
	s->gdt.base = e->gdt_gpa;
	s->gdt.limit = e->gdt_size ? e->gdt_size - 1 : 0;
	s->idt.limit = 0;
	s->cr0 = CR0_PE | CR0_ET;
	if (e->mode != BOOT_LONG64)
		return;
	s->cr0 |= CR0_PG;
	s->cr3 = e->cr3;
	s->cr4 = CR4_PAE;
	s->efer = EFER_LME | EFER_LMA;
}

static void entry_state(const struct vm *vm, struct kvm_sregs *s, struct kvm_regs *r)
{
	const struct boot_entry *e = &vm->arch->entry;

	*r = (struct kvm_regs){
		.rip = e->rip, .rsp = e->rsp, .rax = e->rax, .rbx = e->rbx, .rsi = e->rsi, .rdi = e->rdi,
		.rflags = RFLAGS_FIXED,
	};
	power_on_sregs(vm, s, true);
	switch (e->mode) {
	case BOOT_LONG64:
	case BOOT_PROT32:
		flat_sregs(s, e);
		break;
	case BOOT_REAL16:
		s->cs = segment(e->cs_selector, (u64)e->cs_selector << 4, 0xffff, 0xb);
		set_data_segments(s, segment(e->cs_selector, (u64)e->cs_selector << 4, 0xffff, 3));
		break;
	case BOOT_RESET_VECTOR:
		*r = (struct kvm_regs){ .rip = 0xfff0, .rflags = RFLAGS_FIXED,
					.rdx = cpuid_get(&vm->arch->cpuid, 1, 0, R_EAX) };
		break;
	}
}

/* The legacy PIC's output and NMI reach vCPU 0 by its local interrupt pins. [MultiProcessor Specification 1.4, 3.6.2.2] */
static int wire_lapic(struct vcpu *vcpu, struct kvm_lapic_state *lapic)
{
	enum { LVT_LINT0 = 0x350, LVT_LINT1 = 0x360, EXTINT = 7 << 8, NMI = 4 << 8 };

	put_le32(lapic->regs + LVT_LINT0, EXTINT);
	put_le32(lapic->regs + LVT_LINT1, NMI);
	return ioctl(vcpu->fd, KVM_SET_LAPIC, lapic) < 0 ? -errno : 0;
}

/* Every MSR KVM saves, with the value it has now. The TSC and what is part of the special registers stay out. */
static int keep_msrs(struct vcpu *vcpu)
{
	struct kvm_msr_list probe = { .nmsrs = 0 }, *list;
	union one_msr get = { .head.nmsrs = 1 };
	struct kvm_msrs *kept;
	u32 i;
	int r = 0;

	ioctl(vcpu->vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, &probe);	/* E2BIG tells the number */
	list = calloc(1, sizeof(*list) + probe.nmsrs * sizeof(list->indices[0]));
	kept = calloc(1, sizeof(*kept) + probe.nmsrs * sizeof(kept->entries[0]));
	if (!list || !kept) {
		r = -ENOMEM;
		goto fail;
	}
	list->nmsrs = probe.nmsrs;
	if (ioctl(vcpu->vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0) {
		r = -errno;
		goto fail;
	}
	for (i = 0; i < list->nmsrs; i++) {
		get.head.entries[0] = (struct kvm_msr_entry){ .index = list->indices[i] };
		if (list->indices[i] == MSR_TSC || list->indices[i] == MSR_APIC_BASE ||
		    ioctl(vcpu->fd, KVM_GET_MSRS, &get) != 1)
			continue;
		kept->entries[kept->nmsrs++] = get.head.entries[0];
	}
	vcpu->vm->arch->msrs = kept;
	free(list);
	return 0;

fail:
	free(list);
	free(kept);
	return r;
}

/* What a guest that ran has changed, beside the registers every reset writes. */
static int forget_run(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { 0 };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 1 };
	struct kvm_xsave xsave = { .region[0] = 0x37f, .region[6] = 0x1f80 };	/* FCW, MXCSR; all components initial */

	if (ioctl(vcpu->fd, KVM_SET_XSAVE, &xsave) < 0)
		return -errno;
	if (vm_check_cap(vcpu->vm, KVM_CAP_XCRS) && cpuid_get(&vcpu->vm->arch->cpuid, 1, 0, R_ECX) & BIT(26) &&
	    ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs) < 0)
		return -errno;
	if (ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) < 0)
		return -errno;
	if (vcpu->vm->arch->msrs)
		set_msrs(vcpu, vcpu->vm->arch->msrs);
	return ioctl(vcpu->fd, KVM_SET_LAPIC, &vcpu->arch->lapic) < 0 ? -errno : 0;
}

static int first_reset(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	union msr_list msrs = { .head.nmsrs = 0 };
	int r = 0;

	if (!vcpu->index || vm->cfg.reboot)
		r = ioctl(vcpu->fd, KVM_GET_LAPIC, &vcpu->arch->lapic) < 0 ? -errno : 0;
	if (!r && !vcpu->index)
		r = wire_lapic(vcpu, &vcpu->arch->lapic);
	if (r < 0)
		return r;
	add_msr(&msrs, MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRING);
	if (cpuid_get(&vm->arch->cpuid, 1, 0, R_EDX) & BIT(12))
		add_mtrrs(&msrs, vm->arch->phys_bits);
	set_msrs(vcpu, &msrs.head);
	if (vm->cfg.reboot && !vcpu->index)
		r = keep_msrs(vcpu);
	return r;
}

int arch_vcpu_reset(struct vcpu *vcpu, struct error *err)
{
	bool bsp = !vcpu->index, first = !vcpu->arch->was_reset;
	struct kvm_mp_state mp = { .mp_state = bsp ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED };
	struct kvm_regs regs = { .rip = 0xfff0, .rflags = RFLAGS_FIXED };
	struct kvm_sregs sregs;
	int r = 0;

	power_on_sregs(vcpu->vm, &sregs, bsp);
	if (bsp)
		entry_state(vcpu->vm, &sregs, &regs);
	/* A vCPU that never ran and waits for INIT, which leaves the APIC's mode alone, has these from KVM. */
	if (bsp || !first || vcpu->vm->arch->x2apic)
		if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
			r = -errno;
	if (!r)
		r = first ? first_reset(vcpu) : forget_run(vcpu);
	if (!r && ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp) < 0)
		r = -errno;
	if (r < 0)
		return error_set_errno(err, r, "vCPU %u: setting registers", vcpu->index);
	vcpu->arch->was_reset = true;
	return 0;
}

/* --- life --- */

static int set_cpuid(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct kvm_cpuid2 *list;
	struct cpuid c;
	int r;

	r = cpuid_copy(&c, &vm->arch->cpuid);
	if (r < 0)
		return r;
	r = cpuid_set_vcpu(&c, vcpu->index, vm->cfg.cpus);
	list = r < 0 ? NULL : calloc(1, sizeof(*list) + c.nr * sizeof(list->entries[0]));
	if (list) {
		list->nent = c.nr;
		memcpy(list->entries, c.e, c.nr * sizeof(c.e[0]));
		r = ioctl(vcpu->fd, KVM_SET_CPUID2, list) < 0 ? -errno : 0;
		free(list);
	} else {
		r = -ENOMEM;
	}
	cpuid_free(&c);
	return r;
}

int arch_vcpu_init(struct vcpu *vcpu, struct error *err)
{
	struct kvm_enable_cap obey = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args[0] = 1 };
	int r;

	vcpu->arch = calloc(1, sizeof(*vcpu->arch));
	r = vcpu->arch ? set_cpuid(vcpu) : -ENOMEM;
	if (cpuid_has_steal_time(&vcpu->vm->arch->cpuid))
		atomic_store(&vcpu->pvlock.kind, PVLOCK_KVM);
	/* Else KVM's own MSRs work, whatever CPUID says of them. */
	if (!r && vcpu->vm->cfg.machine.no_pvtime && ioctl(vcpu->fd, KVM_ENABLE_CAP, &obey) < 0)
		log_debug("vcpu", "KVM keeps its paravirtual MSRs that CPUID does not tell of");
	return r < 0 ? error_set_errno(err, r, "vCPU %u: CPUID", vcpu->index) : 0;
}

void arch_vcpu_free(struct vcpu *vcpu)
{
	free(vcpu->arch);
	vcpu->arch = NULL;
}

/* The guest's watchdogs are not to count it. [api 4.70 KVM_KVMCLOCK_CTRL] */
void arch_vcpu_paused(struct vcpu *vcpu)
{
	ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

/* --- exits --- */

int arch_vcpu_exit(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		/* [SDM 3A 6.15 #DF] On SVM the registers are those after the INIT that KVM answers it with. */
		vcpu_crashed(vcpu, "triple fault");
		return 0;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
		return 0;
	default:
		return -ENOSYS;
	}
}
