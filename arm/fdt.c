/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the device tree says that only this machine has: vCPUs, PSCI, interrupt controllers, timer, performance monitor. Bindings of Linux,
 * Documentation/devicetree/bindings/: arm/cpus.yaml, arm/psci.yaml, arm/pmu.yaml, timer/arm,arch_timer.yaml,
 * interrupt-controller/arm,gic.yaml, arm,gic-v3.yaml.
 *
 * Main thread.
 */
#include "arm/arm.h"

#include "vmm/vcpu.h"
#include "vmm/vm.h"

enum {
	IRQ_SPI = 0, IRQ_PPI = 1,		/* first cell of a specifier */
	EDGE_RISING = 1, LEVEL_HIGH = 4,	/* third cell */
	PPI_CPUS_SHIFT = 8,			/* of the third cell: to which vCPUs; GICv2 alone */
	IRQ_CELLS = 3,
};

static void spi_specifier(u32 gsi, bool level, u32 *ret)
{
	ret[0] = IRQ_SPI;
	ret[1] = gsi;
	ret[2] = level ? LEVEL_HIGH : EDGE_RISING;
}

static void ppi_specifier(const struct vm *vm, u32 ppi, u32 *ret)
{
	bool v2 = vm->arch->gic == GIC_V2 || vm->arch->gic == GIC_V2M;

	ret[0] = IRQ_PPI;
	ret[1] = ppi;
	ret[2] = LEVEL_HIGH | (v2 ? (BIT(vm->cfg.cpus) - 1) << PPI_CPUS_SHIFT : 0);
}

/* Nodes of the MSI controller inside the GIC's. */
static void msi_dt(struct dt *t, const char *compatible, const struct pci_window *at, bool ids, struct dt_interrupts *ret)
{
	ret->msi_phandle = dt_phandle(t);
	ret->msi_map = ids;
	dt_node(t, "msi-controller@%llx", (unsigned long long)at->base);
	dt_str(t, "compatible", compatible);
	dt_flag(t, "msi-controller");
	if (ids)
		dt_u32(t, "#msi-cells", 1);
	dt_reg(t, at->base, at->size);
	dt_u32(t, "phandle", ret->msi_phandle);
	dt_end(t);
}

void gic_dt(struct vm *vm, struct dt *t, struct dt_interrupts *ret)
{
	struct gic_map map;
	u32 maintenance[IRQ_CELLS];

	gic_map(vm->arch->gic, vm->cfg.cpus, &map);
	ret->cells = IRQ_CELLS;
	ret->address_cells = 2;
	ret->specifier = spi_specifier;
	dt_node(t, "interrupt-controller@%llx", (unsigned long long)map.dist.base);
	if (map.cpui.size) {
		dt_str(t, "compatible", "arm,cortex-a15-gic");
		dt_u64s(t, "reg", (u64 []){ map.dist.base, map.dist.size, map.cpui.base, map.cpui.size }, 4);
	} else {
		dt_str(t, "compatible", "arm,gic-v3");
		dt_u64s(t, "reg", (u64 []){ map.dist.base, map.dist.size, map.redist.base, map.redist.size }, 4);
	}
	dt_flag(t, "interrupt-controller");
	dt_u32(t, "#interrupt-cells", IRQ_CELLS);
	if (vm->arch->features.nested) {	/* for the guest's own guests */
		ppi_specifier(vm, PPI_MAINTENANCE, maintenance);
		dt_u32s(t, "interrupts", maintenance, IRQ_CELLS);
	}
	dt_u32(t, "phandle", ret->phandle);
	dt_u32(t, "#address-cells", 2);
	dt_u32(t, "#size-cells", 2);
	dt_flag(t, "ranges");
	if (map.its.size)
		msi_dt(t, "arm,gic-v3-its", &map.its, true, ret);
	if (map.v2m.size)
		msi_dt(t, "arm,gic-v2m-frame", &map.v2m, false, ret);
	dt_end(t);
}

static void cpus_dt(struct vm *vm, struct dt *t)
{
	u32 affinity;
	unsigned int i;

	dt_node(t, "cpus");
	dt_u32(t, "#address-cells", 1);
	dt_u32(t, "#size-cells", 0);
	for (i = 0; i < vm->cfg.cpus; i++) {
		affinity = vm->vcpu[i].arch->mpidr & 0xffffff;	/* KVM uses affinities 2 to 0 [Arm DDI 0487 MPIDR_EL1] */
		dt_node(t, "cpu@%x", affinity);
		dt_str(t, "device_type", "cpu");
		dt_str(t, "compatible", "arm,armv8");
		dt_u32(t, "reg", affinity);
		dt_str(t, "enable-method", "psci");
		dt_end(t);
	}
	dt_end(t);
}

/* [Arm DEN0022] KVM answers PSCI; numbers of the calls are those of 0.2 and later. A guest at EL2 has HVC for itself. */
static void psci_dt(struct vm *vm, struct dt *t)
{
	static const char *const compatible[] = { "arm,psci-1.0", "arm,psci-0.2", NULL };

	dt_node(t, "psci");
	dt_strs(t, "compatible", compatible);
	dt_str(t, "method", vm->arch->features.nested ? "smc" : "hvc");
	dt_end(t);
}

static void timer_dt(struct vm *vm, struct dt *t)
{
	static const u32 ppis[] = { PPI_STIMER, PPI_PTIMER, PPI_VTIMER, PPI_HTIMER };	/* the binding's order */
	static const char *const compatible[] = { "arm,armv8-timer", "arm,armv7-timer", NULL };
	u32 spec[ARRAY_SIZE(ppis) * IRQ_CELLS];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ppis); i++)
		ppi_specifier(vm, ppis[i], spec + i * IRQ_CELLS);
	dt_node(t, "timer");
	if (vm->arch->features.aarch32)
		dt_strs(t, "compatible", compatible);
	else
		dt_str(t, "compatible", "arm,armv8-timer");
	dt_u32s(t, "interrupts", spec, ARRAY_SIZE(spec));
	dt_flag(t, "always-on");
	if (vm->cfg.machine.bad_cntfrq)
		dt_u32(t, "clock-frequency", (u32)vm->cfg.machine.bad_cntfrq);
	dt_end(t);
}

static void pmu_dt(struct vm *vm, struct dt *t)
{
	u32 spec[IRQ_CELLS];

	ppi_specifier(vm, PPI_PMU, spec);
	dt_node(t, "pmu");
	dt_str(t, "compatible", "arm,armv8-pmuv3");
	dt_u32s(t, "interrupts", spec, IRQ_CELLS);
	dt_end(t);
}

int arm_dt_nodes(struct vm *vm, struct dt *t, struct dt_interrupts *ret, struct error *err)
{
	*ret = (struct dt_interrupts){ .phandle = dt_phandle(t) };
	dt_u32(t, "interrupt-parent", ret->phandle);
	gic_dt(vm, t, ret);
	cpus_dt(vm, t);
	psci_dt(vm, t);
	timer_dt(vm, t);
	if (vm->arch->features.pmu)
		pmu_dt(vm, t);
	return 0;
}
