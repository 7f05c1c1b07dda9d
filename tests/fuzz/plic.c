/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hostile harts and busy wires at a PLIC: libFuzzer writes and reads any register, moves wires, resets, saves and loads. A second PLIC, written
 * down source by source as its document has it, says what each read must give and where each line must be. [RISC-V PLIC 1.0.0]
 *
 * links: riscv/plic.c dt/tree.c device.c state.c util/str.c util/error.c util/log.c util/io.c util/cleanup.c
 */
#include "tests/fuzz/input.h"
#include "tests/riscv/plic-rig.h"

enum { HARTS = 3 };

static struct model {
	struct { bool level, pending, open; u32 priority; } src[IRQ_SOURCES];
	struct { bool enabled[IRQ_SOURCES]; u32 threshold; } hart[HARTS];
} model;

static u32 model_best(unsigned int hart)
{
	u32 n, best = 0;

	for (n = IRQ_SOURCES - 1; n > 0; n--)
		if (model.src[n].pending && model.hart[hart].enabled[n] && model.src[n].priority &&
		    (!best || model.src[n].priority >= model.src[best].priority))
			best = n;
	return best;
}

static void model_gateway(u32 n)
{
	if (!model.src[n].level || !model.src[n].open)
		return;
	model.src[n].open = false;
	model.src[n].pending = true;
}

static void model_reset(void)
{
	u32 n;

	memset(model.hart, 0, sizeof(model.hart));
	for (n = 1; n < IRQ_SOURCES; n++) {
		model.src[n].pending = false;
		model.src[n].open = true;
		model.src[n].priority = 0;
		model_gateway(n);
	}
}

/* A register of a source or hart, as an index; false: there is none at @off. */
static bool part(u64 off, u64 base, u64 stride, u64 nr, u64 *ret)
{
	*ret = (off - base) / stride;
	return off >= base && *ret < nr;
}

static u32 model_read(u64 off)
{
	u64 n, word;
	u32 i, val = 0;

	if (part(off, 0, 4, IRQ_SOURCES, &n))
		return model.src[n].priority;
	if (part(off, 0x1000, 4, 3, &word)) {
		for (i = 0; i < 32; i++)
			val |= (u32)model.src[word * 32 + i].pending << i;
		return val;
	}
	if (part(off, 0x2000, 0x80, HARTS, &n) && (off & 0x7f) / 4 < 3) {
		for (i = 0; i < 32; i++)
			val |= (u32)model.hart[n].enabled[(off & 0x7f) * 8 + i] << i;
		return val;
	}
	if (!part(off, 0x200000, 0x1000, HARTS, &n))
		return 0;
	if ((off & 0xfff) == 0)
		return model.hart[n].threshold;
	if ((off & 0xfff) != 4)
		return 0;
	val = model_best((unsigned int)n);
	model.src[val].pending = false;
	return val;
}

static void model_write(u64 off, u32 val)
{
	u64 n;
	u32 i;

	if (part(off, 0, 4, IRQ_SOURCES, &n)) {
		model.src[n].priority = n ? val & 7 : 0;
	} else if (part(off, 0x2000, 0x80, HARTS, &n) && (off & 0x7f) / 4 < 3) {
		for (i = 0; i < 32; i++)
			model.hart[n].enabled[(off & 0x7f) * 8 + i] = ((off & 0x7f) || i) && val >> i & 1;
	} else if (part(off, 0x200000, 0x1000, HARTS, &n) && (off & 0xfff) == 0) {
		model.hart[n].threshold = val & 7;
	} else if (part(off, 0x200000, 0x1000, HARTS, &n) && (off & 0xfff) == 4) {
		if (!val || val >= IRQ_SOURCES || !model.hart[n].enabled[val] || model.src[val].pending)
			return;
		model.src[val].open = true;
		model_gateway(val);
	}
}

/* --- the input --- */

/* Mostly one of a few, so that they meet. */
static u32 source(struct input *in)
{
	static const u8 few[] = { 1, 2, 31, 32, 33, 95 };
	unsigned int n = (unsigned int)take(in, 1);

	return n < 0xc0 ? few[n % ARRAY_SIZE(few)] : n & 0x7f;
}

/* Mostly where something is. */
static u64 offset(struct input *in)
{
	unsigned int n = (unsigned int)take(in, 1), hart = n >> 3 & 3;

	switch (n & 7) {
	case 0:	return 4 * source(in);
	case 1:	return 0x1000 + 4 * hart;
	case 2:
	case 3:	return 0x2000 + 0x80 * hart + 4 * (n >> 5);
	case 4:	return 0x200000 + 0x1000 * hart;
	case 5:
	case 6:	return 0x200004 + 0x1000 * hart;
	default: return take(in, 4) & 0x3fffffc;
	}
}

static u32 value(struct input *in)
{
	unsigned int n = (unsigned int)take(in, 1);

	return n < 0x80 ? n & 7 : n < 0xc0 ? ~0U : n < 0xe0 ? source(in) : (u32)take(in, 4);
}

static void save_and_load(struct input *in, bool damage)
{
	struct state_writer w;

	dev_save(&w);
	if (damage) {
		w.buf.s[take(in, 2) % w.buf.len] ^= (char)(1 + take(in, 1));
		/* what passes all checks is some state of a PLIC; ours, to go on with, comes after it */
		(void)dev_load(w.buf.s, w.buf.len);
		state_writer_free(&w);
		MUST(!plic_irqchip.reset(&vm, NULL));
		model_reset();
		return;
	}
	MUST(!dev_load(w.buf.s, w.buf.len));
	state_writer_free(&w);
}

static void step(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1);
	u32 n, val;
	u64 off;

	switch (op & 7) {
	case 0:
	case 1:
	case 2:
		n = source(in);
		MUST(wire_set(n, op & 0x80) == (n && n < IRQ_SOURCES ? 0 : -EINVAL));
		if (!n || n >= IRQ_SOURCES)
			break;
		model.src[n].level = op & 0x80;
		model_gateway(n);
		break;
	case 3:
	case 4:
		off = offset(in);
		val = value(in);
		wr(IRQCHIP_BASE + off, val);
		model_write(off, val);
		break;
	case 5:
	case 6:
		off = offset(in);
		val = rd(IRQCHIP_BASE + off);
		MUST(val == model_read(off));
		break;
	default:
		if (op == 0xff) {
			MUST(!plic_irqchip.reset(&vm, NULL));
			model_reset();
		} else {
			save_and_load(in, op & 0x40);
		}
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int i;
	u32 best;

	rig_up(HARTS);
	memset(&model, 0, sizeof(model));
	model_reset();
	while (in.left) {
		step(&in);
		for (i = 0; i < HARTS; i++) {
			best = model_best(i);
			MUST(line[i] == (best && model.src[best].priority > model.hart[i].threshold));
		}
	}
	MUST(!wrong);
	rig_down();
	return 0;
}
