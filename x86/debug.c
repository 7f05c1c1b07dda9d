/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU is doing: registers, the code at RIP, the stack, and how RIP and RSP are translated. As text for a crash report and
 * `lkvm debug`, and as JSON. Everything is collected first, so that the two say the same.
 *
 * Addresses are the guest's: any of them may lead nowhere, and what cannot be read is shown as such. The code and stack are
 * found by our own walk of the page tables, not KVM_TRANSLATE, which says neither where a walk ended nor why.
 *
 * Left out: the contents of the FPU's and vector registers; MMIO and ROM behind a page (only RAM is read).
 *
 * Threads: the vCPU's own, or the main thread while the vCPUs stand still.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/json.h"
#include "vmm/arch.h"
#include "vmm/dump.h"
#include "vmm/vm.h"
#include "x86/paging.h"
#include "x86/x86.h"

enum { EFER_LMA = 0x400, CR0_PE = 1, RFLAGS_VM = 0x20000, EDX_GIB_PAGES = 1 << 26 };
enum { VECTORS = 256 };

enum { G_GENERAL, G_CONTROL, G_DEBUG, G_MSR, G_FPU, G_LAPIC, G_EVENTS, GROUPS };

struct spot {			/* a linear address and where it leads */
	const char *name;
	u64 addr;
	struct walk walk;
};

struct dump {
	int error;		/* -errno: even the general registers cannot be read */
	const char *state, *mode;
	unsigned int cpl;
	struct dump_group group[GROUPS];
	struct kvm_sregs sregs;
	bool irr[VECTORS], isr[VECTORS];
	struct dump_memory memory;
	struct spot spot[2];	/* RIP, RSP */
};

/* --- collecting --- */

static void add(struct dump_group *g, const char *name, u64 val)
{
	g->reg[g->nr++] = (struct dump_reg){ name, val };
}

static void general(struct dump_group *g, const struct kvm_regs *r)
{
	g->name = "general";
	add(g, "rip", r->rip);
	add(g, "rsp", r->rsp);
	add(g, "rflags", r->rflags);
	add(g, "rax", r->rax);
	add(g, "rbx", r->rbx);
	add(g, "rcx", r->rcx);
	add(g, "rdx", r->rdx);
	add(g, "rsi", r->rsi);
	add(g, "rdi", r->rdi);
	add(g, "rbp", r->rbp);
	add(g, "r8", r->r8);
	add(g, "r9", r->r9);
	add(g, "r10", r->r10);
	add(g, "r11", r->r11);
	add(g, "r12", r->r12);
	add(g, "r13", r->r13);
	add(g, "r14", r->r14);
	add(g, "r15", r->r15);
}

static void control(struct vcpu *vcpu, struct dump_group *g, const struct kvm_sregs *s)
{
	struct kvm_xcrs xcrs;

	g->name = "control";
	add(g, "cr0", s->cr0);
	add(g, "cr2", s->cr2);
	add(g, "cr3", s->cr3);
	add(g, "cr4", s->cr4);
	add(g, "cr8", s->cr8);
	add(g, "efer", s->efer);
	add(g, "apic_base", s->apic_base);
	if (!ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs) && xcrs.nr_xcrs)
		add(g, "xcr0", xcrs.xcrs[0].value);
}

static void debug_regs(struct vcpu *vcpu, struct dump_group *g)
{
	static const char *const name[] = { "dr0", "dr1", "dr2", "dr3" };
	struct kvm_debugregs d;
	unsigned int i;

	g->name = "debug";
	if (ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &d) < 0)
		return;
	for (i = 0; i < ARRAY_SIZE(name); i++)
		add(g, name[i], d.db[i]);
	add(g, "dr6", d.dr6);
	add(g, "dr7", d.dr7);
}

/* One at a time: KVM stops a list at the first it does not have. */
static void msrs(struct vcpu *vcpu, struct dump_group *g)
{
	static const struct { const char *name; u32 index; } list[] = {
		{ "star", 0xc0000081 }, { "lstar", 0xc0000082 }, { "cstar", 0xc0000083 }, { "sfmask", 0xc0000084 },
		{ "kernel_gs_base", 0xc0000102 }, { "tsc_aux", 0xc0000103 }, { "sysenter_cs", 0x174 },
		{ "sysenter_esp", 0x175 }, { "sysenter_eip", 0x176 }, { "pat", 0x277 }, { "misc_enable", 0x1a0 },
		{ "tsc", 0x10 }, { "tsc_deadline", 0x6e0 }, { "kvm_wall_clock", 0x4b564d00 },
		{ "kvm_system_time", 0x4b564d01 }, { "kvm_async_pf", 0x4b564d02 }, { "kvm_steal_time", 0x4b564d03 },
	};
	union {
		struct kvm_msrs head;
		u8 room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} m;
	unsigned int i;

	g->name = "msr";
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		memset(&m, 0, sizeof(m));
		m.head.nmsrs = 1;
		m.head.entries[0].index = list[i].index;
		if (ioctl(vcpu->fd, KVM_GET_MSRS, &m) == 1)
			add(g, list[i].name, m.head.entries[0].data);
	}
}

static void fpu(struct vcpu *vcpu, struct dump_group *g)
{
	struct kvm_xsave xsave;
	const u8 *x = (const u8 *)xsave.region;

	g->name = "fpu";
	if (ioctl(vcpu->fd, KVM_GET_XSAVE, &xsave) < 0)
		return;
	add(g, "fcw", get_le16(x));		/* the FXSAVE area [SDM 1 10.5.1] */
	add(g, "fsw", get_le16(x + 2));
	add(g, "ftw", x[4]);
	add(g, "fop", get_le16(x + 6));
	add(g, "fip", get_le64(x + 8));
	add(g, "fdp", get_le64(x + 16));
	add(g, "mxcsr", get_le32(x + 24));
	add(g, "xstate_bv", get_le64(x + 512));	/* the header follows it [SDM 1 13.4.2] */
}

static void lapic(struct vcpu *vcpu, struct dump *d)
{
	static const struct { const char *name; unsigned int off; } list[] = {	/* [SDM 3A 11.4.1] */
		{ "id", 0x20 }, { "tpr", 0x80 }, { "ppr", 0xa0 }, { "ldr", 0xd0 }, { "svr", 0xf0 }, { "esr", 0x280 },
		{ "lvt_timer", 0x320 }, { "lvt_lint0", 0x350 }, { "lvt_lint1", 0x360 }, { "timer_initial", 0x380 },
		{ "timer_current", 0x390 }, { "timer_divide", 0x3e0 },
	};
	struct dump_group *g = &d->group[G_LAPIC];
	struct kvm_lapic_state s;
	unsigned int i, off;

	g->name = "lapic";
	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &s) < 0)
		return;
	for (i = 0; i < ARRAY_SIZE(list); i++)
		add(g, list[i].name, get_le32(s.regs + list[i].off));
	for (i = 0; i < VECTORS; i++) {
		off = i / 32 * 16;
		d->isr[i] = get_le32(s.regs + 0x100 + off) >> i % 32 & 1;
		d->irr[i] = get_le32(s.regs + 0x200 + off) >> i % 32 & 1;
	}
}

static void events(struct vcpu *vcpu, struct dump_group *g)
{
	struct kvm_vcpu_events e;

	g->name = "events";
	if (ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e) < 0)
		return;
	add(g, "exception_injected", e.exception.injected);
	add(g, "exception_nr", e.exception.nr);
	add(g, "exception_error", e.exception.error_code);
	add(g, "interrupt_injected", e.interrupt.injected);
	add(g, "interrupt_nr", e.interrupt.nr);
	add(g, "interrupt_shadow", e.interrupt.shadow);
	add(g, "nmi_injected", e.nmi.injected);
	add(g, "nmi_pending", e.nmi.pending);
	add(g, "nmi_masked", e.nmi.masked);
	add(g, "smm", e.smi.smm);
}

static const char *state_name(struct vcpu *vcpu)
{
	static const char *const name[] = {
		[KVM_MP_STATE_RUNNABLE] = "runnable", [KVM_MP_STATE_UNINITIALIZED] = "waits for INIT",
		[KVM_MP_STATE_INIT_RECEIVED] = "waits for SIPI", [KVM_MP_STATE_HALTED] = "halted",
		[KVM_MP_STATE_SIPI_RECEIVED] = "starts",
	};
	struct kvm_mp_state mp;

	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp) < 0 || mp.mp_state >= ARRAY_SIZE(name) || !name[mp.mp_state])
		return "in an unknown state";
	return name[mp.mp_state];
}

/* How addresses are made of registers. [SDM 3A 3.3, 20.1] */
static void find_mode(struct dump *d, const struct kvm_regs *r)
{
	const struct kvm_sregs *s = &d->sregs;
	u64 rip = s->cs.base + r->rip, rsp = s->ss.base + r->rsp;

	d->memory.word = s->ss.db ? 4 : 2;
	d->cpl = s->ss.dpl;
	if (s->efer & EFER_LMA && s->cs.l) {
		d->mode = "64-bit";
		rip = r->rip;
		rsp = r->rsp;
		d->memory.word = 8;
	} else {
		if (!(s->cr0 & CR0_PE))
			d->mode = "real";
		else if (r->rflags & RFLAGS_VM)
			d->mode = "virtual-8086";
		else
			d->mode = s->cs.db ? "32-bit" : "16-bit";
		if (!s->ss.db)
			rsp = s->ss.base + (u16)r->rsp;
		rip = (u32)rip;
		rsp = (u32)rsp;
	}
	d->spot[0] = (struct spot){ .name = "rip", .addr = rip };
	d->spot[1] = (struct spot){ .name = "rsp", .addr = rsp };
}

static void memory(struct vcpu *vcpu, struct dump *d)
{
	const struct guest_mem *mem = &vcpu->vm->mem;
	const struct cpuid *cpuid = &vcpu->vm->arch->cpuid;
	struct paging p = {
		.cr0 = d->sregs.cr0, .cr3 = d->sregs.cr3, .cr4 = d->sregs.cr4, .efer = d->sregs.efer,
		.phys_bits = vcpu->vm->arch->phys_bits,
		.gib_pages = cpuid_get(cpuid, 0x80000001, 0, R_EDX) & EDX_GIB_PAGES,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(d->spot); i++)
		paging_walk(mem, &p, d->spot[i].addr, &d->spot[i].walk);
	d->memory.pc = d->spot[0].addr;
	d->memory.sp = d->spot[1].addr;
	dump_memory_read(&d->memory, mem, paging_translate, &p);
}

static void collect(struct vcpu *vcpu, struct dump *d)
{
	struct kvm_regs r;

	memset(d, 0, sizeof(*d));
	if (ioctl(vcpu->fd, KVM_GET_REGS, &r) < 0 || ioctl(vcpu->fd, KVM_GET_SREGS, &d->sregs) < 0) {
		d->error = -errno;
		return;
	}
	d->state = state_name(vcpu);
	general(&d->group[G_GENERAL], &r);
	control(vcpu, &d->group[G_CONTROL], &d->sregs);
	debug_regs(vcpu, &d->group[G_DEBUG]);
	msrs(vcpu, &d->group[G_MSR]);
	fpu(vcpu, &d->group[G_FPU]);
	lapic(vcpu, d);
	events(vcpu, &d->group[G_EVENTS]);
	find_mode(d, &r);
	memory(vcpu, d);
}

struct named_segment {
	const char *name;
	const struct kvm_segment *s;
};

enum { SEGMENTS = 8, TABLES = 2 };

static void segments(const struct dump *d, struct named_segment seg[SEGMENTS])
{
	const struct kvm_sregs *s = &d->sregs;
	const struct named_segment all[SEGMENTS] = {
		{ "cs", &s->cs }, { "ss", &s->ss }, { "ds", &s->ds }, { "es", &s->es }, { "fs", &s->fs }, { "gs", &s->gs },
		{ "tr", &s->tr }, { "ldt", &s->ldt },
	};

	memcpy(seg, all, sizeof(all));
}

/* The bits of an entry that all its readers know, in the order of their numbers. */
static const struct dump_bit entry_bits[] = {
	{ "P", 0 }, { "RW", 1 }, { "US", 2 }, { "PWT", 3 }, { "PCD", 4 }, { "A", 5 }, { "D", 6 }, { "PS", 7 },
	{ "G", 8 }, { "NX", 63 }, { NULL },
};

/* --- as text --- */

typedef unsigned long long ull;

/* Small numbers: as many as there are on one line, those that are 0 left out. */
static void events_text(struct strbuf *out, const struct dump_group *g)
{
	unsigned int i;

	strbuf_addf(out, "events:");
	for (i = 0; i < g->nr; i++)
		if (g->reg[i].val)
			strbuf_addf(out, " %s %llx", g->reg[i].name, (ull)g->reg[i].val);
	strbuf_addf(out, "\n");
}

static void vectors_text(struct strbuf *out, const char *name, const bool *set)
{
	unsigned int i;

	strbuf_addf(out, "%s:", name);
	for (i = 0; i < VECTORS; i++)
		if (set[i])
			strbuf_addf(out, " %02x", i);
	strbuf_addf(out, "\n");
}

static void segments_text(struct strbuf *out, const struct dump *d)
{
	struct named_segment seg[SEGMENTS];
	const struct kvm_segment *s;
	unsigned int i;

	segments(d, seg);
	for (i = 0; i < SEGMENTS; i++) {
		s = seg[i].s;
		strbuf_addf(out, "%-3s %04x base %016llx limit %08x type %x s %u dpl %u p %u db %u l %u g %u\n", seg[i].name,
			    s->selector, (ull)s->base, s->limit, s->type, s->s, s->dpl, s->present, s->db, s->l, s->g);
	}
	strbuf_addf(out, "gdt base %016llx limit %04x\n", (ull)d->sregs.gdt.base, d->sregs.gdt.limit);
	strbuf_addf(out, "idt base %016llx limit %04x\n", (ull)d->sregs.idt.base, d->sregs.idt.limit);
}

static void walk_text(struct strbuf *out, const struct spot *spot)
{
	const struct walk *w = &spot->walk;
	unsigned int i;
	char flags[DUMP_BITS_TEXT];

	strbuf_addf(out, "walk %s %016llx, paging %s\n", spot->name, (ull)spot->addr, w->mode);
	for (i = 0; i < w->nr; i++) {
		if (w->end == WALK_OUTSIDE && i == w->nr - 1) {
			strbuf_addf(out, "  %-4s %016llx: --\n", w->step[i].name, (ull)w->step[i].gpa);
			continue;
		}
		strbuf_addf(out, "  %-4s %016llx: %016llx %s\n", w->step[i].name, (ull)w->step[i].gpa, (ull)w->step[i].entry,
			    dump_bits(w->step[i].entry, entry_bits, flags));
	}
	if (w->end == WALK_MAPPED)
		strbuf_addf(out, "  = gpa %016llx, page of %llu KiB, %s%s%s\n", (ull)w->gpa, (ull)(w->page_size / KIB),
			    w->user ? "user" : "kernel", w->writable ? " write" : "", w->exec ? " exec" : "");
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
	strbuf_addf(out, "vCPU %u %s, %s mode, CPL %u\n", vcpu->index, d.state, d.mode, d.cpl);
	dump_group_text(out, &d.group[G_GENERAL]);
	dump_group_text(out, &d.group[G_CONTROL]);
	segments_text(out, &d);
	dump_group_text(out, &d.group[G_DEBUG]);
	dump_group_text(out, &d.group[G_MSR]);
	dump_group_text(out, &d.group[G_FPU]);
	dump_group_text(out, &d.group[G_LAPIC]);
	vectors_text(out, "irr", d.irr);
	vectors_text(out, "isr", d.isr);
	events_text(out, &d.group[G_EVENTS]);
	dump_memory_text(out, &d.memory);
	for (i = 0; i < ARRAY_SIZE(d.spot); i++)
		walk_text(out, &d.spot[i]);
}

/* --- as JSON --- */

static void vectors_json(struct strbuf *b, const char *name, const bool *set)
{
	unsigned int i;

	json_array_begin(b, name);
	for (i = 0; i < VECTORS; i++)
		if (set[i])
			json_u64(b, NULL, i);
	json_array_end(b);
}

static void table_json(struct strbuf *b, const char *name, const struct kvm_dtable *t)
{
	json_begin(b, name);
	dump_hex_json(b, "base", t->base);
	json_u64(b, "limit", t->limit);
	json_end(b);
}

static void segments_json(struct strbuf *b, const struct dump *d)
{
	struct named_segment seg[SEGMENTS];
	const struct kvm_segment *s;
	unsigned int i;

	segments(d, seg);
	json_begin(b, "segments");
	for (i = 0; i < SEGMENTS; i++) {
		s = seg[i].s;
		json_begin(b, seg[i].name);
		json_u64(b, "selector", s->selector);
		dump_hex_json(b, "base", s->base);
		json_u64(b, "limit", s->limit);
		json_u64(b, "type", s->type);
		json_u64(b, "s", s->s);
		json_u64(b, "dpl", s->dpl);
		json_u64(b, "p", s->present);
		json_u64(b, "db", s->db);
		json_u64(b, "l", s->l);
		json_u64(b, "g", s->g);
		json_end(b);
	}
	table_json(b, "gdt", &d->sregs.gdt);
	table_json(b, "idt", &d->sregs.idt);
	json_end(b);
}

static void walk_json(struct strbuf *b, const struct spot *spot)
{
	const struct walk *w = &spot->walk;
	unsigned int i;
	char flags[DUMP_BITS_TEXT];

	json_begin(b, spot->name);
	dump_hex_json(b, "addr", spot->addr);
	json_str(b, "paging", w->mode);
	json_array_begin(b, "steps");
	for (i = 0; i < w->nr; i++) {
		json_begin(b, NULL);
		json_str(b, "table", w->step[i].name);
		dump_hex_json(b, "gpa", w->step[i].gpa);
		if (w->end != WALK_OUTSIDE || i < w->nr - 1) {
			dump_hex_json(b, "entry", w->step[i].entry);
			json_str(b, "flags", dump_bits(w->step[i].entry, entry_bits, flags));
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
		json_bool(b, "exec", w->exec);
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
	json_u64(b, "cpl", d.cpl);
	for (i = 0; i < GROUPS; i++)
		dump_group_json(b, &d.group[i]);
	vectors_json(b, "irr", d.irr);
	vectors_json(b, "isr", d.isr);
	segments_json(b, &d);
	dump_memory_json(b, &d.memory);
	json_begin(b, "walk");
	for (i = 0; i < ARRAY_SIZE(d.spot); i++)
		walk_json(b, &d.spot[i]);
	json_end(b);
}

/* --- NMI --- */

int arch_vcpu_nmi(struct vcpu *vcpu)
{
	return ioctl(vcpu->fd, KVM_NMI, 0) < 0 ? -errno : 0;
}
