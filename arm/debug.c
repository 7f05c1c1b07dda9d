/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU is doing: registers, the code at PC, the stack, and how PC and SP are translated. As text for a crash report and
 * `lkvm debug`, and as JSON. Everything is collected first, so that the two say the same.
 *
 * Addresses are the guest's: any of them may lead nowhere, and what cannot be read is shown as such.
 *
 * Left out: the contents of vector registers and the interrupt controller's; EL2's registers, with --nested; the page tables of EL2 and of
 * a 32-bit kernel, so that code and stack are shown only while those have their MMU off.
 *
 * Threads: the vCPU's own, or the main thread while the vCPUs stand still.
 */
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "arm/paging.h"
#include "arm/regs.h"
#include "util/json.h"
#include "vmm/arch.h"
#include "vmm/dump.h"
#include "vmm/vm.h"

enum { MP_STATE_SUSPENDED = 10 };	/* not in the headers of Linux 5.x */
enum { ESR_EC = 26 };

enum { G_GENERAL, G_SYSTEM, G_TIMER, G_FPU, GROUPS };

struct spot {			/* a virtual address and where it leads */
	const char *name;
	u64 addr;
	struct walk walk;
};

struct dump {
	int error;		/* -errno: even the general registers cannot be read */
	const char *state, *mode, *not_walked;
	char flags[12];
	unsigned int el;
	struct dump_group group[GROUPS];
	struct paging paging;
	u64 esr;
	struct dump_memory memory;
	struct spot spot[2];	/* PC, SP */
};

struct named_reg {
	const char *name;
	u64 id;
};

static const struct named_reg general[] = {
	{ "pc", REG_PC }, { "pstate", REG_PSTATE }, { "sp_el0", REG_SP_EL0 }, { "sp_el1", REG_SP_EL1 },
	{ "x0", REG_X(0) }, { "x1", REG_X(1) }, { "x2", REG_X(2) }, { "x3", REG_X(3) }, { "x4", REG_X(4) }, { "x5", REG_X(5) },
	{ "x6", REG_X(6) }, { "x7", REG_X(7) }, { "x8", REG_X(8) }, { "x9", REG_X(9) }, { "x10", REG_X(10) }, { "x11", REG_X(11) },
	{ "x12", REG_X(12) }, { "x13", REG_X(13) }, { "x14", REG_X(14) }, { "x15", REG_X(15) }, { "x16", REG_X(16) },
	{ "x17", REG_X(17) }, { "x18", REG_X(18) }, { "x19", REG_X(19) }, { "x20", REG_X(20) }, { "x21", REG_X(21) },
	{ "x22", REG_X(22) }, { "x23", REG_X(23) }, { "x24", REG_X(24) }, { "x25", REG_X(25) }, { "x26", REG_X(26) },
	{ "x27", REG_X(27) }, { "x28", REG_X(28) }, { "x29", REG_X(29) }, { "x30", REG_X(30) },
};
static const struct named_reg system_regs[] = {
	{ "elr_el1", REG_ELR_EL1 }, { "spsr_el1", REG_SPSR_EL1 }, { "esr_el1", REG_ESR_EL1 }, { "far_el1", REG_FAR_EL1 },
	{ "sctlr_el1", REG_SCTLR_EL1 }, { "tcr_el1", REG_TCR_EL1 }, { "ttbr0_el1", REG_TTBR0_EL1 }, { "ttbr1_el1", REG_TTBR1_EL1 },
	{ "mair_el1", REG_MAIR_EL1 }, { "amair_el1", REG_AMAIR_EL1 }, { "vbar_el1", REG_VBAR_EL1 }, { "cpacr_el1", REG_CPACR_EL1 },
	{ "par_el1", REG_PAR_EL1 }, { "afsr0_el1", REG_AFSR0_EL1 }, { "afsr1_el1", REG_AFSR1_EL1 },
	{ "contextidr_el1", REG_CONTEXTIDR_EL1 }, { "tpidr_el1", REG_TPIDR_EL1 }, { "tpidr_el0", REG_TPIDR_EL0 },
	{ "tpidrro_el0", REG_TPIDRRO_EL0 }, { "midr_el1", REG_MIDR_EL1 }, { "mpidr_el1", REG_MPIDR_EL1 },
};
static const struct named_reg timer[] = {
	{ "cntvct_el0", REG_CNTVCT_EL0 }, { "cntv_ctl_el0", REG_CNTV_CTL_EL0 }, { "cntv_cval_el0", REG_CNTV_CVAL_EL0 },
	{ "cntp_ctl_el0", REG_CNTP_CTL_EL0 }, { "cntp_cval_el0", REG_CNTP_CVAL_EL0 }, { "cntkctl_el1", REG_CNTKCTL_EL1 },
};
static const struct named_reg fpu[] = { { "fpsr", REG_FPSR }, { "fpcr", REG_FPCR } };

/* --- collecting --- */

/* Those that this KVM does not have are left out. */
static void fill(struct vcpu *vcpu, struct dump_group *g, const char *name, const struct named_reg *list, unsigned int nr)
{
	unsigned int i;
	u64 val;

	g->name = name;
	for (i = 0; i < nr; i++) {
		val = 0;	/* some have 32 bits */
		if (arm_get_reg(vcpu, list[i].id, &val) == 0)
			g->reg[g->nr++] = (struct dump_reg){ list[i].name, val };
	}
}

static u64 reg(const struct dump *d, unsigned int group, const char *name)
{
	const struct dump_group *g = &d->group[group];
	unsigned int i;

	for (i = 0; i < g->nr; i++)
		if (!strcmp(g->reg[i].name, name))
			return g->reg[i].val;
	return 0;
}

static const char *state_name(struct vcpu *vcpu)
{
	struct kvm_mp_state mp;

	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp) < 0)
		return "in an unknown state";
	switch (mp.mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		return "runnable";
	case KVM_MP_STATE_STOPPED:
		return "off";
	case MP_STATE_SUSPENDED:
		return "suspended";
	default:
		return "in an unknown state";
	}
}

/* [Arm ARM C5.2.19 SPSR_EL1] The mode field, and of AArch32 the number of the register that has its stack pointer [D1.20.1]. */
static const struct { const char *name; u8 el, sp; } modes32[16] = {
	[0x0] = { "AArch32 usr", 0, 13 }, [0x1] = { "AArch32 fiq", 1, 29 }, [0x2] = { "AArch32 irq", 1, 17 },
	[0x3] = { "AArch32 svc", 1, 19 }, [0x7] = { "AArch32 abt", 1, 21 }, [0xb] = { "AArch32 und", 1, 23 },
	[0xf] = { "AArch32 sys", 1, 13 },
};

static void find_mode(struct vcpu *vcpu, struct dump *d)
{
	static const char *const name[] = { [0] = "EL0", [4] = "EL1t", [5] = "EL1h", [8] = "EL2t", [9] = "EL2h" };
	u64 pstate = reg(d, G_GENERAL, "pstate"), sp;
	unsigned int mode = pstate & PSTATE_MODE;
	bool aarch32 = pstate & PSTATE_AARCH32;
	char x[8];

	d->memory.word = aarch32 ? 4 : 8;
	if (aarch32) {
		d->mode = modes32[mode].name;
		d->el = modes32[mode].el;
		snprintf(x, sizeof(x), "x%u", modes32[mode].sp);
		sp = (u32)reg(d, G_GENERAL, x);
	} else {
		d->mode = mode < ARRAY_SIZE(name) ? name[mode] : NULL;
		d->el = mode >> 2;
		sp = reg(d, G_GENERAL, mode == PSTATE_EL1H ? "sp_el1" : "sp_el0");
	}
	if (!d->mode)
		d->mode = "no known mode";
	snprintf(d->flags, sizeof(d->flags), "%c%c%c%c %c%c%c%c", pstate >> 31 & 1 ? 'N' : 'n', pstate >> 30 & 1 ? 'Z' : 'z',
		 pstate >> 29 & 1 ? 'C' : 'c', pstate >> 28 & 1 ? 'V' : 'v', pstate & PSTATE_D ? 'D' : 'd',
		 pstate & PSTATE_A ? 'A' : 'a', pstate & PSTATE_I ? 'I' : 'i', pstate & PSTATE_F ? 'F' : 'f');
	d->spot[0] = (struct spot){ .name = "pc", .addr = reg(d, G_GENERAL, "pc") };
	d->spot[1] = (struct spot){ .name = "sp", .addr = sp };
	if (d->el > 1)
		d->not_walked = "EL2's";
	else if (vcpu->vm->arch->features.aarch32 && d->paging.sctlr & 1)
		d->not_walked = "a 32-bit kernel's";
}

static void memory(const struct guest_mem *mem, struct dump *d)
{
	const struct paging *p = &d->paging;
	unsigned int i;

	if (d->not_walked)
		return;
	for (i = 0; i < ARRAY_SIZE(d->spot); i++)
		paging_walk(mem, p, d->spot[i].addr, &d->spot[i].walk);
	d->memory.pc = d->spot[0].addr;
	d->memory.sp = d->spot[1].addr;
	dump_memory_read(&d->memory, mem, paging_translate, p);
}

static void collect(struct vcpu *vcpu, struct dump *d)
{
	u64 pc;

	memset(d, 0, sizeof(*d));
	d->error = arm_get_reg(vcpu, REG_PC, &pc);
	if (d->error)
		return;
	d->state = state_name(vcpu);
	fill(vcpu, &d->group[G_GENERAL], "general", general, ARRAY_SIZE(general));
	fill(vcpu, &d->group[G_SYSTEM], "system", system_regs, ARRAY_SIZE(system_regs));
	fill(vcpu, &d->group[G_TIMER], "timer", timer, ARRAY_SIZE(timer));
	fill(vcpu, &d->group[G_FPU], "fpu", fpu, ARRAY_SIZE(fpu));
	d->esr = reg(d, G_SYSTEM, "esr_el1");
	d->paging = (struct paging){
		.sctlr = reg(d, G_SYSTEM, "sctlr_el1"), .tcr = reg(d, G_SYSTEM, "tcr_el1"),
		.ttbr0 = reg(d, G_SYSTEM, "ttbr0_el1"), .ttbr1 = reg(d, G_SYSTEM, "ttbr1_el1"),
	};
	find_mode(vcpu, d);
	memory(&vcpu->vm->mem, d);
}

/* [Arm ARM D24.2 ESR_EL1, EC] What the last exception to EL1 was. */
static const char *exception_class(u64 esr)
{
	static const char *const name[64] = {
		[0x00] = "unknown reason", [0x01] = "WFI or WFE", [0x07] = "SIMD or floating point not enabled",
		[0x09] = "pointer authentication not enabled", [0x0d] = "branch target", [0x0e] = "illegal execution state",
		[0x11] = "SVC of AArch32", [0x15] = "SVC", [0x16] = "HVC", [0x17] = "SMC", [0x18] = "system register",
		[0x19] = "SVE not enabled", [0x1c] = "pointer authentication failed", [0x20] = "instruction abort from EL0",
		[0x21] = "instruction abort", [0x22] = "PC alignment", [0x24] = "data abort from EL0", [0x25] = "data abort",
		[0x26] = "SP alignment", [0x2c] = "floating point", [0x2f] = "SError", [0x30] = "breakpoint from EL0",
		[0x31] = "breakpoint", [0x32] = "single step from EL0", [0x33] = "single step", [0x34] = "watchpoint from EL0",
		[0x35] = "watchpoint", [0x38] = "BKPT of AArch32", [0x3c] = "BRK",
	};
	const char *s = name[esr >> ESR_EC & 0x3f];

	return s ? s : "another reason";
}

/* The bits of an entry that all its readers know, in the order of their numbers. [Arm ARM D8.3] */
static const struct dump_bit entry_bits[] = {
	{ "V", 0 }, { "T", 1 }, { "EL0", 6 }, { "RO", 7 }, { "AF", 10 }, { "nG", 11 }, { "C", 52 }, { "PXN", 53 }, { "UXN", 54 }, { NULL },
};

/* --- as text --- */

typedef unsigned long long ull;

static void walk_text(struct strbuf *out, const struct spot *spot)
{
	const struct walk *w = &spot->walk;
	unsigned int i;
	char flags[DUMP_BITS_TEXT];

	strbuf_addf(out, "walk %s %016llx, paging %s\n", spot->name, (ull)spot->addr, w->mode);
	for (i = 0; i < w->nr; i++) {
		if (w->end == WALK_OUTSIDE && i == w->nr - 1) {
			strbuf_addf(out, "  L%-2d %016llx: --\n", w->step[i].level, (ull)w->step[i].gpa);
			continue;
		}
		strbuf_addf(out, "  L%-2d %016llx: %016llx %s\n", w->step[i].level, (ull)w->step[i].gpa, (ull)w->step[i].entry,
			    dump_bits(w->step[i].entry, entry_bits, flags));
	}
	if (w->end == WALK_MAPPED)
		strbuf_addf(out, "  = gpa %016llx, page of %llu KiB, %s%s%s%s%s\n", (ull)w->gpa, (ull)(w->page_size / KIB),
			    w->user ? "user" : "kernel", w->writable ? " write" : "", w->exec_kernel ? " exec-kernel" : "",
			    w->exec_user ? " exec-user" : "", w->accessed ? "" : " not-accessed");
	else
		strbuf_addf(out, "  = %s\n", walk_end_name(w->end));
}

void arch_vcpu_dump(struct vcpu *vcpu, struct strbuf *out)
{
	struct dump d;
	unsigned int i;

	collect(vcpu, &d);
	if (d.error) {
		strbuf_addf(out, "registers cannot be read: %s\n", strerror(-d.error));
		return;
	}
	strbuf_addf(out, "vCPU %u %s, %s, %s\n", vcpu->index, d.state, d.mode, d.flags);
	for (i = 0; i < GROUPS; i++)
		dump_group_text(out, &d.group[i]);
	strbuf_addf(out, "last exception to EL1: %s\n", exception_class(d.esr));
	if (d.not_walked) {
		strbuf_addf(out, "%s page tables are not followed\n", d.not_walked);
		return;
	}
	dump_memory_text(out, &d.memory);
	for (i = 0; i < ARRAY_SIZE(d.spot); i++)
		walk_text(out, &d.spot[i]);
}

/* --- as JSON --- */

static void walk_json(struct strbuf *b, const struct spot *spot)
{
	const struct walk *w = &spot->walk;
	unsigned int i;
	char text[DUMP_BITS_TEXT];

	json_begin(b, spot->name);
	dump_hex_json(b, "addr", spot->addr);
	json_str(b, "paging", w->mode);
	json_array_begin(b, "steps");
	for (i = 0; i < w->nr; i++) {
		json_begin(b, NULL);
		snprintf(text, sizeof(text), "L%d", w->step[i].level);
		json_str(b, "table", text);
		dump_hex_json(b, "gpa", w->step[i].gpa);
		if (w->end != WALK_OUTSIDE || i < w->nr - 1) {
			dump_hex_json(b, "entry", w->step[i].entry);
			json_str(b, "flags", dump_bits(w->step[i].entry, entry_bits, text));
		}
		json_end(b);
	}
	json_array_end(b);
	json_str(b, "end", walk_end_name(w->end));
	if (w->end == WALK_MAPPED || w->end == WALK_UNPAGED)
		dump_hex_json(b, "gpa", w->gpa);
	if (w->end == WALK_MAPPED) {
		json_u64(b, "page_size", w->page_size);
		json_bool(b, "user", w->user);
		json_bool(b, "write", w->writable);
		json_bool(b, "exec_kernel", w->exec_kernel);
		json_bool(b, "exec_user", w->exec_user);
		json_bool(b, "accessed", w->accessed);
	}
	json_end(b);
}

void arch_vcpu_dump_json(struct vcpu *vcpu, struct strbuf *b)
{
	struct dump d;
	unsigned int i;

	collect(vcpu, &d);
	if (d.error) {
		json_str(b, "error", strerror(-d.error));
		return;
	}
	json_str(b, "state", d.state);
	json_str(b, "mode", d.mode);
	json_str(b, "flags", d.flags);
	json_u64(b, "el", d.el);
	for (i = 0; i < GROUPS; i++)
		dump_group_json(b, &d.group[i]);
	json_str(b, "exception", exception_class(d.esr));
	if (d.not_walked)
		return;
	dump_memory_json(b, &d.memory);
	json_begin(b, "walk");
	for (i = 0; i < ARRAY_SIZE(d.spot); i++)
		walk_json(b, &d.spot[i]);
	json_end(b);
}
