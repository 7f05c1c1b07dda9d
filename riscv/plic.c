/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PLIC: the interrupt controller of machines whose KVM has none. Wires in, the external interrupt of each hart's S mode out, by
 * KVM_INTERRUPT. [RISC-V PLIC specification 1.0.0; Documentation/virt/kvm/api 4.16]
 *
 * Context n is S mode of hart n: there is no M mode here, and the device tree says so. Sources have 8 priorities, of which 0 is never.
 *
 * Every wire is level triggered, and its gateway lets one request in at a time: the next one comes after the completion, if the wire is
 * still high. A request that is in stays pending when the wire falls, so that a short pulse is not lost. [PLIC 1.2]
 *
 * Invariants, under the lock: (1) a source pends only while its gateway is closed; (2) a context's output is what the registers
 * say, and KVM was told of each change in that order.
 *
 * Left out: messages (MSI), which it has no way to take; M mode contexts.
 *
 * Threads: registers on vCPU threads, wires on any thread with irq.c's lock held; plic->lock is inside that one and guards all state.
 */
#include "riscv/riscv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/log.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	WORDS = (IRQ_SOURCES + 31) / 32,
	PRIORITY_MASK = 7,

	/* [PLIC 3 Memory Map] */
	REG_PENDING = 0x1000,
	REG_ENABLE = 0x2000,
	REG_ENABLE_END = 0x1f2000,
	ENABLE_STRIDE = 0x80,
	REG_CONTEXT = 0x200000,
	CONTEXT_STRIDE = 0x1000,
	CONTEXT_THRESHOLD = 0,
	CONTEXT_CLAIM = 4,
	PLIC_SIZE = 0x4000000,

	SCAUSE_S_EXTERNAL = 9,	/* [riscv-privileged scause] */
	VERSION = 1,
};

#define INTERRUPT_SET	(~0U)	/* KVM_INTERRUPT_SET and _UNSET of riscv's asm/kvm.h */
#define INTERRUPT_UNSET	(~1U)

struct plic_context {
	u32 enable[WORDS];
	u8 threshold;
	bool raised;		/* what KVM was told */
};

struct plic {
	struct device dev;
	struct io_region regs;
	struct vm *vm;			/* borrowed */
	pthread_mutex_t lock;
	u32 level[WORDS];		/* wires as irq.c has them */
	u32 pending[WORDS];
	u32 closed[WORDS];		/* gateways with a request inside */
	u8 priority[IRQ_SOURCES];
	unsigned int contexts;
	struct plic_context *ctx;	/* owned */
	struct log_rate rate;
};

static bool test_bit(const u32 *word, u32 n) { return word[n / 32] >> (n % 32) & 1; }
static void set_bit(u32 *word, u32 n) { word[n / 32] |= BIT(n % 32); }
static void clear_bit(u32 *word, u32 n) { word[n / 32] &= ~BIT(n % 32); }

/* --- the core --- */

/* The source a claim would take: the highest priority, the lowest number. 0: none. [PLIC 4, 8] */
static u32 best_source(const struct plic *p, const struct plic_context *c)
{
	u32 best = 0, n, bits;
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		for (bits = p->pending[i] & c->enable[i]; bits; bits &= bits - 1) {
			n = i * 32 + (u32)__builtin_ctz(bits);
			if (p->priority[n] > (best ? p->priority[best] : 0))
				best = n;
		}
	}
	return best;
}

static void tell_kvm(struct plic *p, unsigned int n, bool raise)
{
	struct kvm_interrupt irq = { .irq = raise ? INTERRUPT_SET : INTERRUPT_UNSET };

	p->ctx[n].raised = raise;
	if (ioctl(p->vm->vcpu[n].fd, KVM_INTERRUPT, &irq) < 0)
		log_ratelimited(&p->rate, LOG_WARNING, p->dev.name, "KVM_INTERRUPT of vCPU %u: %s", n, strerror(errno));
}

static void update_context(struct plic *p, unsigned int n)
{
	struct plic_context *c = &p->ctx[n];
	u32 best = best_source(p, c);
	bool raise = best && p->priority[best] > c->threshold;	/* [PLIC 7] */

	if (raise != c->raised)
		tell_kvm(p, n, raise);
}

/*
 * The guest sets a context up. Its hart may have been started since it was last told of: KVM's reset of a vCPU forgets the interrupt, and there
 * is no exit for that.
 */
static void open_context(struct plic *p, unsigned int n)
{
	bool told = p->ctx[n].raised;

	update_context(p, n);
	if (told && p->ctx[n].raised)
		tell_kvm(p, n, true);
}

/* Something about source @n changed: it concerns those who enabled it. */
static void update_source(struct plic *p, u32 n)
{
	unsigned int i;

	for (i = 0; i < p->contexts; i++)
		if (test_bit(p->ctx[i].enable, n))
			update_context(p, i);
}

static void update_all(struct plic *p)
{
	unsigned int i;

	for (i = 0; i < p->contexts; i++)
		update_context(p, i);
}

/* A high wire at an open gateway is a request. [PLIC 1.2] */
static void gateway(struct plic *p, u32 n)
{
	if (!test_bit(p->level, n) || test_bit(p->closed, n))
		return;
	set_bit(p->closed, n);
	set_bit(p->pending, n);
	update_source(p, n);
}

static u32 claim(struct plic *p, unsigned int n)
{
	u32 source = best_source(p, &p->ctx[n]);	/* [PLIC 8] whatever the threshold */

	if (!source)
		return 0;
	clear_bit(p->pending, source);
	update_source(p, source);
	return source;
}

/* [PLIC 9] Ignored unless the source is enabled for this context; whether it was claimed is not looked at. */
static void complete(struct plic *p, unsigned int n, u32 source)
{
	if (!source || source >= IRQ_SOURCES || !test_bit(p->ctx[n].enable, source) || test_bit(p->pending, source))
		return;
	clear_bit(p->closed, source);
	gateway(p, source);
}

/* --- registers: 32 bits wide, anything else is cut or refused by the bus --- */

/* Which context, and what in it, is at @off; false: nothing. */
static bool find_enable(const struct plic *p, u64 off, unsigned int *ctx, unsigned int *word)
{
	if (off < REG_ENABLE || off >= REG_ENABLE_END)
		return false;
	*ctx = (unsigned int)((off - REG_ENABLE) / ENABLE_STRIDE);
	*word = (unsigned int)((off - REG_ENABLE) % ENABLE_STRIDE / 4);
	return *ctx < p->contexts && *word < WORDS;
}

static bool find_context(const struct plic *p, u64 off, unsigned int *ctx, unsigned int *reg)
{
	if (off < REG_CONTEXT)
		return false;
	*ctx = (unsigned int)((off - REG_CONTEXT) / CONTEXT_STRIDE);
	*reg = (unsigned int)((off - REG_CONTEXT) % CONTEXT_STRIDE);
	return *ctx < p->contexts;
}

static u32 read_locked(struct plic *p, u64 off)
{
	unsigned int ctx, n;

	if (off < sizeof(p->priority) * 4)
		return p->priority[off / 4];
	if (off >= REG_PENDING && off < REG_PENDING + WORDS * 4)
		return p->pending[(off - REG_PENDING) / 4];
	if (find_enable(p, off, &ctx, &n))
		return p->ctx[ctx].enable[n];
	if (find_context(p, off, &ctx, &n) && n == CONTEXT_THRESHOLD)
		return p->ctx[ctx].threshold;
	if (find_context(p, off, &ctx, &n) && n == CONTEXT_CLAIM)
		return claim(p, ctx);
	return 0;
}

static void write_locked(struct plic *p, u64 off, u32 val)
{
	unsigned int ctx, n;

	if (off < sizeof(p->priority) * 4) {
		n = (unsigned int)off / 4;
		p->priority[n] = n ? val & PRIORITY_MASK : 0;	/* [PLIC 3] there is no source 0 */
		update_source(p, n);
	} else if (find_enable(p, off, &ctx, &n)) {
		p->ctx[ctx].enable[n] = n ? val : val & ~BIT(0);
		update_context(p, ctx);
	} else if (find_context(p, off, &ctx, &n) && n == CONTEXT_THRESHOLD) {
		p->ctx[ctx].threshold = val & PRIORITY_MASK;
		open_context(p, ctx);
	} else if (find_context(p, off, &ctx, &n) && n == CONTEXT_CLAIM) {
		complete(p, ctx, val);
	}
}

static u64 plic_read(struct io_region *r, u64 off, unsigned int size)
{
	struct plic *p = container_of(r, struct plic, regs);
	u32 val;

	pthread_mutex_lock(&p->lock);
	val = read_locked(p, off);
	pthread_mutex_unlock(&p->lock);
	return val;
}

static void plic_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct plic *p = container_of(r, struct plic, regs);

	pthread_mutex_lock(&p->lock);
	write_locked(p, off, (u32)val);
	pthread_mutex_unlock(&p->lock);
}

static const struct io_ops plic_io = { .read = plic_read, .write = plic_write, .sizes = 4 };

/* --- the device: in the stream is all but the wires, which their devices hold --- */

static int plic_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct plic *p = container_of(dev, struct plic, dev);
	unsigned int i, n;

	pthread_mutex_lock(&p->lock);
	state_begin(w, dev->name, VERSION);
	state_put_u32(w, IRQ_SOURCES);
	state_put_u32(w, p->contexts);
	state_put_bytes(w, p->priority, sizeof(p->priority));
	for (i = 0; i < WORDS; i++) {
		state_put_u32(w, p->pending[i]);
		state_put_u32(w, p->closed[i]);
	}
	for (n = 0; n < p->contexts; n++) {
		for (i = 0; i < WORDS; i++)
			state_put_u32(w, p->ctx[n].enable[i]);
		state_put_u8(w, p->ctx[n].threshold);
	}
	state_end(w);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

/* Nothing of source 0, and invariant 1. */
static bool sound(const struct plic *p, const struct plic *in)
{
	unsigned int i, n;

	if (in->priority[0] || in->closed[0] & BIT(0))
		return false;
	for (i = 0; i < IRQ_SOURCES; i++)
		if (in->priority[i] & ~PRIORITY_MASK)
			return false;
	for (i = 0; i < WORDS; i++)
		if (in->pending[i] & ~in->closed[i])
			return false;
	for (n = 0; n < p->contexts; n++)
		if (in->ctx[n].threshold & ~PRIORITY_MASK || in->ctx[n].enable[0] & BIT(0))
			return false;
	return true;
}

/* What came in takes the place of what was; outputs and gateways follow it. */
static void adopt(struct plic *p, const struct plic *in)
{
	unsigned int i, n;

	pthread_mutex_lock(&p->lock);
	memcpy(p->priority, in->priority, sizeof(p->priority));
	memcpy(p->pending, in->pending, sizeof(p->pending));
	memcpy(p->closed, in->closed, sizeof(p->closed));
	for (n = 0; n < p->contexts; n++) {
		memcpy(p->ctx[n].enable, in->ctx[n].enable, sizeof(p->ctx[n].enable));
		p->ctx[n].threshold = in->ctx[n].threshold;
	}
	for (i = 1; i < IRQ_SOURCES; i++)
		gateway(p, i);
	update_all(p);
	pthread_mutex_unlock(&p->lock);
}

static int plic_load(struct device *dev, struct state_reader *r)
{
	struct plic *p = container_of(dev, struct plic, dev), in = { .vm = NULL };
	u32 version;
	unsigned int i, n;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (ret < 0)
		return ret;
	in.ctx = calloc(p->contexts, sizeof(*in.ctx));
	if (!in.ctx)
		return -ENOMEM;
	if (state_get_u32(r) != IRQ_SOURCES || state_get_u32(r) != p->contexts)
		state_fail(r);
	state_get_bytes(r, in.priority, sizeof(in.priority));
	for (i = 0; i < WORDS; i++) {
		in.pending[i] = state_get_u32(r);
		in.closed[i] = state_get_u32(r);
	}
	for (n = 0; n < p->contexts; n++) {
		for (i = 0; i < WORDS; i++)
			in.ctx[n].enable[i] = state_get_u32(r);
		in.ctx[n].threshold = state_get_u8(r);
	}
	if (!sound(p, &in))
		state_fail(r);
	ret = state_close(r);
	if (!ret)
		adopt(p, &in);
	free(in.ctx);
	return ret;
}

static void plic_free(struct device *dev)
{
	struct plic *p = container_of(dev, struct plic, dev);

	io_unmap_region(p->vm, &p->regs);
	p->vm->arch->chip = NULL;
	pthread_mutex_destroy(&p->lock);
	free(p->ctx);
	free(p);
}

/* --- for the machine --- */

static int plic_create(struct vm *vm, struct error *err)
{
	/* No reset: devices lower their wires at theirs, and after that comes plic_irqchip.reset. */
	static const struct device_ops ops = { .save = plic_save, .load = plic_load, .free = plic_free };
	struct plic *p = calloc(1, sizeof(*p));

	if (p)
		p->ctx = calloc(vm->cfg.cpus, sizeof(*p->ctx));
	if (!p || !p->ctx) {
		free(p);
		return error_set_errno(err, -ENOMEM, "PLIC");
	}
	p->vm = vm;
	p->contexts = vm->cfg.cpus;
	pthread_mutex_init(&p->lock, NULL);
	vm->arch->chip = p;
	vm->arch->sources = IRQ_SOURCES - 1;
	device_add(vm, &p->dev, &ops, "plic");
	return 0;
}

static int plic_init(struct vm *vm, struct error *err)
{
	struct plic *p = vm->arch->chip;
	int r = io_map_region(vm, &p->regs, IO_MMIO, IRQCHIP_BASE, PLIC_SIZE, &plic_io, "plic");

	return r < 0 ? error_set_errno(err, r, "PLIC") : 0;
}

static int plic_set_line(struct vm *vm, u32 gsi, bool level)
{
	struct plic *p = vm->arch->chip;

	if (!gsi || gsi >= IRQ_SOURCES)
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	if (level) {
		set_bit(p->level, gsi);
		gateway(p, gsi);
	} else {
		clear_bit(p->level, gsi);
	}
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static int plic_reset(struct vm *vm, struct error *err)
{
	const struct plic zero = { .vm = NULL };
	struct plic *p = vm->arch->chip;
	unsigned int i;

	pthread_mutex_lock(&p->lock);
	memcpy(p->priority, zero.priority, sizeof(p->priority));
	memcpy(p->pending, zero.pending, sizeof(p->pending));
	memcpy(p->closed, zero.closed, sizeof(p->closed));
	for (i = 0; i < p->contexts; i++) {
		memset(p->ctx[i].enable, 0, sizeof(p->ctx[i].enable));
		p->ctx[i].threshold = 0;
	}
	for (i = 1; i < IRQ_SOURCES; i++)
		gateway(p, i);
	update_all(p);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static void plic_specifier(u32 gsi, bool level, u32 *ret)
{
	ret[0] = gsi;
}

/* [Linux Documentation/devicetree/bindings/interrupt-controller/sifive,plic-1.0.0.yaml] */
static void plic_dt(struct vm *vm, struct dt *t, const u32 *cpu_intc, struct dt_interrupts *ret)
{
	static const char *const compatible[] = { "sifive,plic-1.0.0", "riscv,plic0", NULL };
	u32 *ext = calloc(vm->cfg.cpus, 2 * sizeof(*ext));
	unsigned int i;

	if (!ext) {
		t->error = t->error ? t->error : -ENOMEM;
		return;
	}
	for (i = 0; i < vm->cfg.cpus; i++) {
		ext[2 * i] = cpu_intc[i];
		ext[2 * i + 1] = SCAUSE_S_EXTERNAL;
	}
	*ret = (struct dt_interrupts){ .phandle = dt_phandle(t), .cells = 1, .specifier = plic_specifier };
	dt_node(t, "interrupt-controller@%llx", (unsigned long long)IRQCHIP_BASE);
	dt_strs(t, "compatible", compatible);
	dt_reg(t, IRQCHIP_BASE, PLIC_SIZE);
	dt_flag(t, "interrupt-controller");
	dt_u32(t, "#interrupt-cells", 1);
	dt_u32(t, "#address-cells", 0);
	dt_u32s(t, "interrupts-extended", ext, 2 * vm->cfg.cpus);
	dt_u32(t, "riscv,ndev", IRQ_SOURCES - 1);
	dt_u32(t, "phandle", ret->phandle);
	dt_end(t);
	free(ext);
}

const struct irqchip_ops plic_irqchip = {
	.name = "plic", .create = plic_create, .init = plic_init, .set_line = plic_set_line, .reset = plic_reset, .dt = plic_dt,
};
