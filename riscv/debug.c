/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU is doing: registers, the code at pc, the stack, and how pc and sp are translated. As text for a crash report and `lkvm debug`,
 * and as JSON. Everything is collected first, so that the two say the same; the JSON has every register KVM lists, the text those a
 * reader wants.
 *
 * Addresses are the guest's: any of them may lead nowhere, and what cannot be read is shown as such.
 *
 * Left out: MMIO and ROM behind a page (only RAM is read); in the text, floating point and vector registers.
 *
 * Threads: the vCPU's own, or the main thread while the vCPUs stand still.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "riscv/onereg.h"
#include "riscv/paging.h"
#include "riscv/riscv.h"
#include "util/json.h"
#include "vmm/arch.h"
#include "vmm/dump.h"
#include "vmm/vm.h"

struct reg {
	u64 id;
	unsigned int size;
	u64 val;		/* of those up to 8 bytes */
	char *wide;		/* owned: of wider ones, in hexadecimal */
};

struct spot {			/* a virtual address and where it leads */
	const char *name;
	u64 addr;
	struct walk walk;
};

struct dump {
	int error;		/* -errno: registers cannot be read */
	const char *state;
	struct reg *reg;	/* owned */
	unsigned int nr, room;
	u64 satp, mode;
	struct dump_memory memory;
	struct spot spot[2];	/* pc, sp */
};

typedef unsigned long long ull;

/* --- collecting --- */

/* As one number, the highest byte first. */
static char *wide_hex(const u8 *val, unsigned int size)
{
	char *hex = malloc(2 * size + 1);
	unsigned int i;

	for (i = 0; hex && i < size; i++)
		snprintf(hex + 2 * i, 3, "%02x", val[size - 1 - i]);
	return hex;
}

static int add(void *arg, u64 id, const u8 *val, unsigned int size)
{
	struct dump *d = arg;
	struct reg *r;

	if (d->nr == d->room) {
		r = realloc(d->reg, (d->room + 128) * sizeof(*r));
		if (!r)
			return -ENOMEM;
		d->reg = r;
		d->room += 128;
	}
	r = &d->reg[d->nr];
	*r = (struct reg){ .id = id, .size = size };
	if (size > 8) {
		r->wide = wide_hex(val, size);
		if (!r->wide)
			return -ENOMEM;
	} else {
		memcpy(&r->val, val, size);	/* we are little-endian, as the host is */
	}
	d->nr++;
	return 0;
}

static u64 value(const struct dump *d, u64 id)
{
	unsigned int i;

	for (i = 0; i < d->nr; i++)
		if (d->reg[i].id == id)
			return d->reg[i].val;
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
		return "stopped";
	}
	return "in an unknown state";
}

static void memory(const struct guest_mem *mem, struct dump *d)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(d->spot); i++)
		paging_walk(mem, d->satp, d->spot[i].addr, &d->spot[i].walk);
	d->memory = (struct dump_memory){ .pc = d->spot[0].addr, .sp = d->spot[1].addr, .word = 8 };
	dump_memory_read(&d->memory, mem, paging_translate, &d->satp);
}

static void collect(struct vcpu *vcpu, struct dump *d)
{
	*d = (struct dump){ 0 };
	d->error = onereg_each(vcpu, add, d);
	if (d->error)
		return;
	d->state = state_name(vcpu);
	d->satp = value(d, ONEREG_CSR_ID(CSR_SATP));
	d->mode = value(d, ONEREG_CORE_ID(CORE_MODE));
	d->spot[0] = (struct spot){ .name = "pc", .addr = value(d, ONEREG_CORE_ID(CORE_PC)) };
	d->spot[1] = (struct spot){ .name = "sp", .addr = value(d, ONEREG_CORE_ID(CORE_SP)) };
	memory(&vcpu->vm->mem, d);
}

static void discard(struct dump *d)
{
	unsigned int i;

	for (i = 0; i < d->nr; i++)
		free(d->reg[i].wide);
	free(d->reg);
}

/* --- what numbers mean --- */

/* [riscv-privileged table 22] */
static const char *cause_name(u64 scause)
{
	static const char *const exception[] = {
		"instruction address misaligned", "instruction access fault", "illegal instruction", "breakpoint", "load address misaligned",
		"load access fault", "store address misaligned", "store access fault", "call from U mode", "call from S mode", NULL, NULL,
		"instruction page fault", "load page fault", NULL, "store page fault", NULL, NULL, "software check", "hardware error",
	};
	static const char *const interrupt[] = {
		[1] = "software interrupt", [5] = "timer interrupt", [9] = "external interrupt", [13] = "counter overflow interrupt",
	};
	const char *const *list = scause >> 63 ? interrupt : exception;
	u64 nr = scause & ~BIT_ULL(63);

	return nr < (scause >> 63 ? ARRAY_SIZE(interrupt) : ARRAY_SIZE(exception)) && list[nr] ? list[nr] : "reserved";
}

static const struct dump_bit sstatus_bits[] = {
	{ "SIE", 1 }, { "SPIE", 5 }, { "UBE", 6 }, { "SPP", 8 }, { "SUM", 18 }, { "MXR", 19 }, { "SD", 63 }, { NULL },
};
static const struct dump_bit interrupt_bits[] = { { "software", 1 }, { "timer", 5 }, { "external", 9 }, { "overflow", 13 }, { NULL } };
static const struct dump_bit entry_bits[] = {
	{ "V", 0 }, { "R", 1 }, { "W", 2 }, { "X", 3 }, { "U", 4 }, { "G", 5 }, { "A", 6 }, { "D", 7 }, { "N", 63 }, { NULL },
};

static const char *unit_state(u64 sstatus, unsigned int shift)
{
	static const char *const name[] = { "off", "initial", "clean", "dirty" };

	return name[sstatus >> shift & 3];
}

/* --- as text --- */

static void group_text(struct strbuf *out, const struct dump *d, enum onereg_type type, unsigned int per_line)
{
	unsigned int width = per_line == 4 ? 4 : 10, n = 0, i;
	char name[ONEREG_NAME];

	for (i = 0; i < d->nr; i++) {
		if (onereg_type(d->reg[i].id) != type)
			continue;
		onereg_name(d->reg[i].id, name);
		strbuf_addf(out, "%s%-*s %016llx", n % per_line ? " " : n ? "\n" : "", (int)width, strchr(name, '.') + 1,
			    (ull)d->reg[i].val);
		n++;
	}
	if (n)
		strbuf_addf(out, "\n");
}

static void extensions_text(struct strbuf *out, const struct dump *d)
{
	char name[ONEREG_NAME];
	unsigned int i;

	strbuf_addf(out, "extensions:");
	for (i = 0; i < d->nr; i++) {
		if ((onereg_type(d->reg[i].id) != ONEREG_ISA_EXT && onereg_type(d->reg[i].id) != ONEREG_SBI_EXT) || !d->reg[i].val)
			continue;
		onereg_name(d->reg[i].id, name);
		strbuf_addf(out, " %s", strncmp(name, "isa.", 4) ? name : name + 4);
	}
	strbuf_addf(out, "\n");
}

static void decoded_text(struct strbuf *out, const struct dump *d)
{
	u64 sstatus = value(d, ONEREG_CSR_ID(CSR_SSTATUS)), scause = value(d, ONEREG_CSR_ID(CSR_SCAUSE));
	char b[DUMP_BITS_TEXT];

	strbuf_addf(out, "sstatus: %s, fp %s, vector %s\n", dump_bits(sstatus, sstatus_bits, b), unit_state(sstatus, 13), unit_state(sstatus, 9));
	strbuf_addf(out, "scause: %s\n", cause_name(scause));
	strbuf_addf(out, "enabled: %s\n", dump_bits(value(d, ONEREG_CSR_ID(CSR_SIE)), interrupt_bits, b));
	strbuf_addf(out, "pending: %s\n", dump_bits(value(d, ONEREG_CSR_ID(CSR_SIP)), interrupt_bits, b));
	strbuf_addf(out, "satp: %s, asid %llu, root %016llx\n", paging_mode_name(d->satp), (ull)(d->satp >> 44 & 0xffff),
		    (ull)((d->satp & (BIT_ULL(44) - 1)) << 12));
}

static void walk_text(struct strbuf *out, const struct spot *spot)
{
	const struct walk *w = &spot->walk;
	unsigned int i;
	char b[DUMP_BITS_TEXT];

	strbuf_addf(out, "walk %s %016llx, %s\n", spot->name, (ull)spot->addr, w->mode);
	for (i = 0; i < w->nr; i++) {
		if (w->end == WALK_OUTSIDE && i == w->nr - 1)
			strbuf_addf(out, "  %016llx: --\n", (ull)w->step[i].gpa);
		else
			strbuf_addf(out, "  %016llx: %016llx %s\n", (ull)w->step[i].gpa, (ull)w->step[i].entry,
				    dump_bits(w->step[i].entry, entry_bits, b));
	}
	if (w->end == WALK_MAPPED)
		strbuf_addf(out, "  = gpa %016llx, page of %llu KiB, %s%s%s%s\n", (ull)w->gpa, (ull)(w->page_size / KIB),
			    w->user ? "user" : "kernel", w->read ? " read" : "", w->write ? " write" : "", w->exec ? " exec" : "");
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
		discard(&d);
		return;
	}
	strbuf_addf(out, "vCPU %u %s, %c mode\n", vcpu->index, d.state, d.mode == MODE_S ? 'S' : 'U');
	group_text(out, &d, ONEREG_CORE, 4);
	group_text(out, &d, ONEREG_CSR, 3);
	group_text(out, &d, ONEREG_TIMER, 3);
	decoded_text(out, &d);
	extensions_text(out, &d);
	dump_memory_text(out, &d.memory);
	for (i = 0; i < ARRAY_SIZE(d.spot); i++)
		walk_text(out, &d.spot[i]);
	discard(&d);
}

/* --- as JSON --- */

/* Every register, "core.pc" and so on. */
static void registers_json(struct strbuf *b, const struct dump *d)
{
	char name[ONEREG_NAME];
	const struct reg *r;

	json_begin(b, "registers");
	for (r = d->reg; r < d->reg + d->nr; r++) {
		onereg_name(r->id, name);
		if (r->wide)
			json_str(b, name, r->wide);
		else
			dump_hex_json(b, name, r->val);
	}
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
		dump_hex_json(b, "gpa", w->step[i].gpa);
		if (w->end != WALK_OUTSIDE || i < w->nr - 1) {
			dump_hex_json(b, "entry", w->step[i].entry);
			json_str(b, "flags", dump_bits(w->step[i].entry, entry_bits, flags));
		}
		json_end(b);
	}
	json_array_end(b);
	json_str(b, "end", walk_end_name(w->end));
	if (w->end == WALK_MAPPED || w->end == WALK_BARE)
		dump_hex_json(b, "gpa", w->gpa);
	if (w->end == WALK_MAPPED) {
		json_u64(b, "page_size", w->page_size);
		json_bool(b, "user", w->user);
		json_bool(b, "read", w->read);
		json_bool(b, "write", w->write);
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
		discard(&d);
		return;
	}
	json_str(b, "state", d.state);
	json_str(b, "mode", d.mode == MODE_S ? "S" : "U");
	json_str(b, "cause", cause_name(value(&d, ONEREG_CSR_ID(CSR_SCAUSE))));
	registers_json(b, &d);
	dump_memory_json(b, &d.memory);
	json_begin(b, "walk");
	for (i = 0; i < ARRAY_SIZE(d.spot); i++)
		walk_json(b, &d.spot[i]);
	json_end(b);
	discard(&d);
}
