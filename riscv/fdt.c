/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of the device tree only this machine knows: harts and interrupt controllers. Timer and IPIs have no nodes: the SBI gives them.
 * [devicetree-specification v0.4 3.8; Linux Documentation/devicetree/bindings/riscv/cpus.yaml, extensions.yaml]
 *
 * Main thread, no vCPU running.
 */
#include "riscv/riscv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/vm.h"

/* Configuration registers, by KVM's numbers. [Documentation/virt/kvm/api 4.68; struct kvm_riscv_config] */
enum { CONFIG_ZICBOM_BLOCK = 1, CONFIG_ZICBOZ_BLOCK = 5, CONFIG_SATP_MODE = 6, CONFIG_ZICBOP_BLOCK = 7 };
#define REG_CONFIG(nr) (0x8030000001000000ULL | (nr))

enum { MAX_EXTENSIONS = 128 };

/* What is the same for each hart. */
struct harts {
	struct strbuf isa;
	const char *list[MAX_EXTENSIONS];
	const char *mmu;
	u32 cbom, cboz, cbop;		/* bytes; 0: not told */
};

static const char *mmu_type(struct vcpu *vcpu)
{
	u64 mode;

	/* Unknown before Linux 6.7: what every MMU of 64 bits has. [riscv-privileged satp.MODE] */
	if (riscv_get_reg(vcpu, REG_CONFIG(CONFIG_SATP_MODE), &mode) < 0)
		return "riscv,sv39";
	return mode >= 10 ? "riscv,sv57" : mode == 9 ? "riscv,sv48" : mode == 8 ? "riscv,sv39" : "riscv,none";
}

/* The bytes of a block of cache, if the harts have extension @ext. */
static u32 block_size(struct vcpu *vcpu, const struct harts *h, const char *ext, unsigned int reg)
{
	unsigned int i;
	u64 size;

	for (i = 0; h->list[i] && strcmp(h->list[i], ext); i++)
		;
	if (!h->list[i] || riscv_get_reg(vcpu, REG_CONFIG(reg), &size) < 0 || size > UINT32_MAX)
		return 0;
	return (u32)size;
}

static int look(struct vcpu *vcpu, struct harts *h, struct error *err)
{
	int r = isa_string(vcpu, &h->isa, h->list, ARRAY_SIZE(h->list));

	if (!r && h->isa.failed)
		r = -ENOMEM;
	if (r < 0)
		return error_set_errno(err, r, "the guest's ISA");
	h->mmu = mmu_type(vcpu);
	h->cbom = block_size(vcpu, h, "zicbom", CONFIG_ZICBOM_BLOCK);
	h->cboz = block_size(vcpu, h, "zicboz", CONFIG_ZICBOZ_BLOCK);
	h->cbop = block_size(vcpu, h, "zicbop", CONFIG_ZICBOP_BLOCK);
	return 0;
}

static u32 cpu_node(struct dt *t, const struct harts *h, u32 id)
{
	u32 intc = dt_phandle(t);

	dt_node(t, "cpu@%x", id);
	dt_str(t, "device_type", "cpu");
	dt_str(t, "compatible", "riscv");
	dt_u32(t, "reg", id);
	dt_str(t, "status", "okay");
	dt_str(t, "riscv,isa", h->isa.s);
	dt_str(t, "riscv,isa-base", "rv64i");
	dt_strs(t, "riscv,isa-extensions", h->list);
	dt_str(t, "mmu-type", h->mmu);
	if (h->cbom)
		dt_u32(t, "riscv,cbom-block-size", h->cbom);
	if (h->cboz)
		dt_u32(t, "riscv,cboz-block-size", h->cboz);
	if (h->cbop)
		dt_u32(t, "riscv,cbop-block-size", h->cbop);

	dt_node(t, "interrupt-controller");
	dt_str(t, "compatible", "riscv,cpu-intc");
	dt_flag(t, "interrupt-controller");
	dt_u32(t, "#interrupt-cells", 1);
	dt_u32(t, "#address-cells", 0);
	dt_u32(t, "phandle", intc);
	dt_end(t);
	dt_end(t);
	return intc;
}

static void cpus_node(struct vm *vm, struct dt *t, const struct harts *h, u32 *ret_intc)
{
	unsigned int i;

	dt_node(t, "cpus");
	dt_u32(t, "#address-cells", 1);
	dt_u32(t, "#size-cells", 0);
	dt_u32(t, "timebase-frequency", (u32)vm->arch->timebase);
	for (i = 0; i < vm->cfg.cpus; i++)
		ret_intc[i] = cpu_node(t, h, i);
	dt_end(t);
}

int riscv_dt_nodes(struct vm *vm, struct dt *t, struct dt_interrupts *ret, struct error *err)
{
	u32 *intc = calloc(vm->cfg.cpus, sizeof(*intc));
	struct harts h = { .mmu = NULL };
	int r;

	if (!intc)
		return error_set_errno(err, -ENOMEM, "device tree");
	r = look(&vm->vcpu[0], &h, err);
	if (!r) {
		cpus_node(vm, t, &h, intc);
		vm->arch->irqchip->dt(vm, t, intc, ret);
	}
	strbuf_free(&h.isa);
	free(intc);
	return r;
}
