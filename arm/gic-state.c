/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Restart in place: KVM's interrupt controller as it was at power on. It has no reset of its own but the ITS', so what the guest can write is kept
 * before the first run, register by register, and put back. [Documentation/virt/kvm/devices/arm-vgic-v3, arm-vgic, arm-vgic-its; registers:
 * Arm IHI 0069, IHI 0048]
 *
 * Levels of wired lines are not touched: those are the devices', which were reset before, and for timers and PMU KVM's, which the reset of the
 * vCPUs lowers.
 *
 * Main thread, vCPUs paused: KVM refuses otherwise.
 */
#include "arm/arm.h"

#include <errno.h>
#include <stdlib.h>

#include "arm/gic-abi.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

/* What becomes of a register: its first value again; or a clear register is written, which takes ones or (v3's ISPENDR, for KVM) zeroes. */
enum how { KEEP, ONES, ZERO };

struct row {
	u32 group, off;
	unsigned int words;		/* of 32 bits; CPU_SYSREGS: one of 64 */
	bool per_cpu;
	enum how how;
};

enum { SPI_WORDS = GSI_LINES / 32 };	/* words of SPIs with a bit each */

#define ICC(crn, crm, op2) (3 << 14 | (crn) << 7 | (crm) << 3 | (op2))

static const struct row v3_rows[] = {
	{ VGIC_GRP_DIST_REGS, 0x0000, 1, false, KEEP },				/* GICD_CTLR */
	{ VGIC_GRP_DIST_REGS, 0x0080 + 4, SPI_WORDS, false, KEEP },		/* IGROUPR */
	{ VGIC_GRP_DIST_REGS, 0x0180 + 4, SPI_WORDS, false, ONES },		/* ICENABLER */
	{ VGIC_GRP_DIST_REGS, 0x0200 + 4, SPI_WORDS, false, ZERO },		/* ISPENDR */
	{ VGIC_GRP_DIST_REGS, 0x0380 + 4, SPI_WORDS, false, ONES },		/* ICACTIVER */
	{ VGIC_GRP_DIST_REGS, 0x0400 + 32, GSI_LINES / 4, false, KEEP },	/* IPRIORITYR */
	{ VGIC_GRP_DIST_REGS, 0x0c00 + 8, GSI_LINES / 16, false, KEEP },	/* ICFGR */
	{ VGIC_GRP_DIST_REGS, 0x6000 + 8 * 32, GSI_LINES * 2, false, KEEP },	/* IROUTER */
	{ VGIC_GRP_REDIST_REGS, 0x0000, 1, true, KEEP },			/* GICR_CTLR: without LPIs the next two can be written */
	{ VGIC_GRP_REDIST_REGS, 0x0070, 2, true, KEEP },			/* PROPBASER */
	{ VGIC_GRP_REDIST_REGS, 0x0078, 2, true, KEEP },			/* PENDBASER */
	{ VGIC_GRP_REDIST_REGS, 0x10080, 1, true, KEEP },			/* IGROUPR0 */
	{ VGIC_GRP_REDIST_REGS, 0x10180, 1, true, ONES },			/* ICENABLER0 */
	{ VGIC_GRP_REDIST_REGS, 0x10200, 1, true, ZERO },			/* ISPENDR0 */
	{ VGIC_GRP_REDIST_REGS, 0x10380, 1, true, ONES },			/* ICACTIVER0 */
	{ VGIC_GRP_REDIST_REGS, 0x10400, 8, true, KEEP },			/* IPRIORITYR0..7 */
	{ VGIC_GRP_REDIST_REGS, 0x10c04, 1, true, KEEP },			/* ICFGR1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(12, 12, 5), 1, true, KEEP },		/* ICC_SRE_EL1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(12, 12, 4), 1, true, KEEP },		/* ICC_CTLR_EL1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(4, 6, 0), 1, true, KEEP },			/* ICC_PMR_EL1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(12, 8, 3), 1, true, KEEP },			/* ICC_BPR0_EL1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(12, 12, 3), 1, true, KEEP },		/* ICC_BPR1_EL1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(12, 12, 6), 1, true, KEEP },		/* ICC_IGRPEN0_EL1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(12, 12, 7), 1, true, KEEP },		/* ICC_IGRPEN1_EL1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(12, 8, 4), 4, true, KEEP },			/* ICC_AP0R0..3_EL1 */
	{ VGIC_GRP_CPU_SYSREGS, ICC(12, 9, 0), 4, true, KEEP },			/* ICC_AP1R0..3_EL1 */
};

static const struct row v2_rows[] = {
	{ VGIC_GRP_DIST_REGS, 0x000, 1, false, KEEP },				/* GICD_CTLR */
	{ VGIC_GRP_DIST_REGS, 0x080 + 4, SPI_WORDS, false, KEEP },		/* IGROUPR */
	{ VGIC_GRP_DIST_REGS, 0x180 + 4, SPI_WORDS, false, ONES },		/* ICENABLER */
	{ VGIC_GRP_DIST_REGS, 0x280 + 4, SPI_WORDS, false, ONES },		/* ICPENDR */
	{ VGIC_GRP_DIST_REGS, 0x380 + 4, SPI_WORDS, false, ONES },		/* ICACTIVER */
	{ VGIC_GRP_DIST_REGS, 0x400 + 32, GSI_LINES / 4, false, KEEP },		/* IPRIORITYR */
	{ VGIC_GRP_DIST_REGS, 0x800 + 32, GSI_LINES / 4, false, KEEP },		/* ITARGETSR */
	{ VGIC_GRP_DIST_REGS, 0xc00 + 8, GSI_LINES / 16, false, KEEP },		/* ICFGR */
	{ VGIC_GRP_DIST_REGS, 0x080, 1, true, KEEP },				/* the same of a vCPU's own */
	{ VGIC_GRP_DIST_REGS, 0x180, 1, true, ONES },
	{ VGIC_GRP_DIST_REGS, 0x280, 1, true, ONES },
	{ VGIC_GRP_DIST_REGS, 0x380, 1, true, ONES },
	{ VGIC_GRP_DIST_REGS, 0x400, 8, true, KEEP },
	{ VGIC_GRP_DIST_REGS, 0xc04, 1, true, KEEP },
	{ VGIC_GRP_DIST_REGS, 0xf10, 4, true, ONES },				/* CPENDSGIR */
	{ VGIC_GRP_CPU_REGS, 0x00, 1, true, KEEP },				/* GICC_CTLR */
	{ VGIC_GRP_CPU_REGS, 0x04, 1, true, KEEP },				/* PMR */
	{ VGIC_GRP_CPU_REGS, 0x08, 1, true, KEEP },				/* BPR */
	{ VGIC_GRP_CPU_REGS, 0x1c, 1, true, KEEP },				/* ABPR */
	{ VGIC_GRP_CPU_REGS, 0xd0, 1, true, KEEP },				/* APR0 */
};

struct kept {
	u64 val;
	bool exists;
};

struct gic_state {
	const struct row *row;
	unsigned int rows;
	bool v3;
	struct kept *kept;	/* owned: of all KEEP registers, in the rows' order */
};

/* One register at a time, in the same order each time. */
struct cursor {
	struct vm *vm;
	struct gic_state *st;
	bool save;
	unsigned int next;	/* of st->kept */
};

static u64 cpu_bits(const struct cursor *c, const struct row *row, unsigned int cpu)
{
	u64 mpidr;

	if (!row->per_cpu)
		return 0;
	if (!c->st->v3)
		return (u64)cpu << VGIC_CPU_SHIFT;
	/* Affinities 3 to 0 side by side; in MPIDR_EL1 affinity 3 is apart. */
	mpidr = c->vm->vcpu[cpu].arch->mpidr;
	return ((mpidr & 0xffffff) | (mpidr >> 8 & 0xff000000)) << VGIC_CPU_SHIFT;
}

static int access_reg(int fd, const struct row *row, u64 attr, bool save, u64 *val)
{
	u32 word = (u32)*val;
	int r;

	if (row->group == VGIC_GRP_CPU_SYSREGS)
		return save ? gic_get_attr(fd, row->group, attr, val) : gic_set_attr(fd, row->group, attr, val);
	if (!save)
		return gic_set_attr(fd, row->group, attr, &word);
	r = gic_get_attr(fd, row->group, attr, &word);
	if (!r)
		*val = word;
	return r;
}

static int visit(struct cursor *c, const struct row *row, u64 attr)
{
	u64 clear = row->how == ONES ? UINT32_MAX : 0;
	int fd = c->vm->arch->gic_fd, r;
	struct kept *k;

	if (row->how != KEEP)
		return c->save ? 0 : access_reg(fd, row, attr, false, &clear);
	k = &c->st->kept[c->next++];
	if (!c->save)
		return k->exists ? access_reg(fd, row, attr, false, &k->val) : 0;
	r = access_reg(fd, row, attr, true, &k->val);
	k->exists = !r;
	/* The active priorities' registers are as many as there are bits of priority; which error it is depends on KVM's age. */
	return row->words > 1 && (r == -ENXIO || r == -EINVAL) && row->group == VGIC_GRP_CPU_SYSREGS ? 0 : r;
}

static int walk(struct vm *vm, struct gic_state *st, bool save, struct error *err)
{
	struct cursor c = { .vm = vm, .st = st, .save = save };
	unsigned int cpu, i, step;
	const struct row *row;
	int r;

	for (row = st->row; row < st->row + st->rows; row++) {
		step = row->group == VGIC_GRP_CPU_SYSREGS ? 1 : 4;
		for (cpu = 0; cpu < (row->per_cpu ? vm->cfg.cpus : 1); cpu++) {
			for (i = 0; i < row->words; i++) {
				r = visit(&c, row, cpu_bits(&c, row, cpu) | (row->off + i * step));
				if (r < 0)
					return error_set_errno(err, r, "GIC: group %u, register 0x%x of vCPU %u", row->group,
							       row->off + i * step, cpu);
			}
		}
	}
	return 0;
}

static struct gic_state *state_alloc(const struct vm *vm)
{
	struct gic_state *st = calloc(1, sizeof(*st));
	unsigned int i, n = 0;

	if (!st)
		return NULL;
	st->v3 = vm->arch->gic == GIC_V3 || vm->arch->gic == GIC_V3_ITS;
	st->row = st->v3 ? v3_rows : v2_rows;
	st->rows = st->v3 ? ARRAY_SIZE(v3_rows) : ARRAY_SIZE(v2_rows);
	for (i = 0; i < st->rows; i++)
		if (st->row[i].how == KEEP)
			n += st->row[i].words * (st->row[i].per_cpu ? vm->cfg.cpus : 1);
	st->kept = calloc(n, sizeof(*st->kept));
	if (st->kept)
		return st;
	free(st);
	return NULL;
}

int gic_reset(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	bool first = !arch->gic_state;
	int r;

	if (first)
		arch->gic_state = state_alloc(vm);
	if (!arch->gic_state)
		return error_set_errno(err, -ENOMEM, "GIC");
	r = walk(vm, arch->gic_state, first, err);
	if (r < 0 || first || arch->its_fd < 0)
		return r;
	r = gic_set_attr(arch->its_fd, VGIC_GRP_CTRL, VGIC_CTRL_ITS_RESET, NULL);
	return r < 0 ? error_set_errno(err, r, "resetting the ITS") : 0;
}

void gic_state_free(struct gic_state *st)
{
	if (!st)
		return;
	free(st->kept);
	free(st);
}
