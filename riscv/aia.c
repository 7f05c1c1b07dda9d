/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AIA: KVM's own APLIC for wires and an IMSIC in each vCPU for messages. [RISC-V AIA 1.0; Documentation/virt/kvm/api
 * KVM_CREATE_DEVICE; attributes as in riscv's asm/kvm.h]
 *
 * One APLIC domain that turns wires into messages, one page of IMSIC for each vCPU, side by side and aligned as a whole so that KVM
 * can tell a hart by its address. Where guest interrupt files are there KVM puts an IMSIC into one, else it traps and emulates.
 *
 * Left out: an APLIC of our own in front of KVM's IMSICs ("split"), whose wires would be slower and which no KVM asks for.
 *
 * Threads: the main thread; wires on any.
 */
#include "riscv/riscv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/arch.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

/* [riscv's asm/kvm.h "Device Control API: RISC-V AIA"], newer than the headers of some who build this */
enum {
	DEV_TYPE_AIA = 11,		/* KVM_DEV_TYPE_RISCV_AIA */
	GRP_CONFIG = 0, GRP_ADDR = 1, GRP_CTRL = 2, GRP_APLIC = 3, GRP_IMSIC = 4,
	CONFIG_IDS = 1, CONFIG_SRCS = 2, CONFIG_HART_BITS = 5,
	ADDR_APLIC = 0, ADDR_IMSIC0 = 1,
	CTRL_INIT = 0,
	APLIC_SIZE = 0x4000, IMSIC_SIZE = 0x1000,
	IMSIC_VCPU_SHIFT = 12,

	IMSICS_OFFSET = 0x4000000,	/* in the irqchip's window; a power of two beyond that of any number of pages */

	/* [AIA 4.5] */
	APLIC_DOMAINCFG = 0, APLIC_SOURCECFG = 4, APLIC_CLRIP = 0x1d00, APLIC_CLRIE = 0x1f00, APLIC_TARGET = 0x3004,
	/* [AIA 3.8] */
	IMSIC_EIDELIVERY = 0x70, IMSIC_EITHRESHOLD = 0x72, IMSIC_EIP0 = 0x80, IMSIC_EIE0 = 0xc0,

	SCAUSE_S_EXTERNAL = 9,
	IRQ_TYPE_EDGE_RISING = 1, IRQ_TYPE_LEVEL_HIGH = 4,	/* [Linux dt-bindings/interrupt-controller/irq.h] */
};

#ifdef KVM_DEV_RISCV_AIA_GRP_APLIC
_Static_assert(KVM_DEV_RISCV_AIA_GRP_APLIC == GRP_APLIC && KVM_DEV_RISCV_AIA_CONFIG_HART_BITS == CONFIG_HART_BITS, "asm/kvm.h");
_Static_assert(KVM_DEV_RISCV_APLIC_SIZE == APLIC_SIZE && KVM_DEV_RISCV_IMSIC_SIZE == IMSIC_SIZE, "asm/kvm.h");
#endif

struct aia {
	int fd;			/* owned: the KVM device's */
	u32 ids;		/* highest interrupt identity of an IMSIC */
};

static const u64 imsics_base = IRQCHIP_BASE + IMSICS_OFFSET;

static int set_attr(const struct aia *aia, u32 group, u64 attr, const void *val)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)val };

	return ioctl(aia->fd, KVM_SET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

static int set_config(const struct aia *aia, u64 attr, u32 val)
{
	return set_attr(aia, GRP_CONFIG, attr, &val);
}

static int get_config(const struct aia *aia, u64 attr, u32 *ret)
{
	struct kvm_device_attr a = { .group = GRP_CONFIG, .attr = attr, .addr = (uintptr_t)ret };

	return ioctl(aia->fd, KVM_GET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

/* Bits it takes to number the harts. */
static u32 hart_bits(unsigned int cpus)
{
	u32 bits = 0;

	while (BIT(bits) < cpus)
		bits++;
	return bits;
}

static int aia_create(struct vm *vm, struct error *err)
{
	struct kvm_create_device dev = { .type = DEV_TYPE_AIA };
	struct aia *aia;
	int r;

	if (ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &dev) < 0)
		return error_set_errno(err, -errno, "--irqchip aia: KVM's AIA");
	aia = calloc(1, sizeof(*aia));
	if (!aia) {
		close((int)dev.fd);
		return error_set_errno(err, -ENOMEM, "AIA");
	}
	aia->fd = (int)dev.fd;
	vm->arch->chip = aia;
	r = get_config(aia, CONFIG_IDS, &aia->ids);
	if (r < 0)
		return error_set_errno(err, r, "AIA: number of interrupt identities");
	/* KVM wants an identity for each source. */
	vm->arch->sources = MIN((u32)IRQ_SOURCES - 1, aia->ids);
	return 0;
}

static int set_addresses(struct vm *vm, const struct aia *aia)
{
	u64 addr = IRQCHIP_BASE;
	unsigned int i;
	int r;

	r = set_attr(aia, GRP_ADDR, ADDR_APLIC, &addr);
	for (i = 0; i < vm->cfg.cpus && !r; i++) {
		addr = imsics_base + (u64)i * IMSIC_SIZE;
		r = set_attr(aia, GRP_ADDR, ADDR_IMSIC0 + i, &addr);
	}
	return r;
}

static int aia_init(struct vm *vm, struct error *err)
{
	const struct aia *aia = vm->arch->chip;
	int r;

	r = set_config(aia, CONFIG_SRCS, vm->arch->sources);
	if (!r)
		r = set_config(aia, CONFIG_HART_BITS, hart_bits(vm->cfg.cpus));
	if (r < 0)
		return error_set_errno(err, r, "AIA: %u sources, %u harts", vm->arch->sources, vm->cfg.cpus);
	r = set_addresses(vm, aia);
	if (r < 0)
		return error_set_errno(err, r, "AIA: addresses");
	r = set_attr(aia, GRP_CTRL, CTRL_INIT, NULL);
	return r < 0 ? error_set_errno(err, r, "AIA") : 0;
}

static int aia_set_line(struct vm *vm, u32 gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	if (!gsi || gsi > vm->arch->sources)
		return -EINVAL;
	return ioctl(vm->vm_fd, KVM_IRQ_LINE, &irq) < 0 ? -errno : 0;
}

/* --- restart in place: every register that a guest can have written goes back to 0. Wires keep their level. --- */

static int reset_aplic(const struct aia *aia, u32 sources)
{
	const u32 zero = 0, all = ~0U;
	u32 i;
	int r = 0;

	for (i = 0; i <= sources / 32 && !r; i++) {
		r = set_attr(aia, GRP_APLIC, APLIC_CLRIE + 4 * i, &all);
		/* Before the modes go: an inactive source has no pending bit to clear. [AIA 4.5.2] */
		if (!r)
			r = set_attr(aia, GRP_APLIC, APLIC_CLRIP + 4 * i, &all);
	}
	for (i = 0; i < sources && !r; i++) {
		r = set_attr(aia, GRP_APLIC, APLIC_TARGET + 4 * i, &zero);
		if (!r)
			r = set_attr(aia, GRP_APLIC, APLIC_SOURCECFG + 4 * i, &zero);
	}
	return r ? r : set_attr(aia, GRP_APLIC, APLIC_DOMAINCFG, &zero);
}

static int reset_imsic(const struct aia *aia, unsigned int vcpu)
{
	const u64 at = (u64)vcpu << IMSIC_VCPU_SHIFT;
	const unsigned long zero = 0;
	u32 i;
	int r;

	r = set_attr(aia, GRP_IMSIC, at | IMSIC_EIDELIVERY, &zero);
	if (!r)
		r = set_attr(aia, GRP_IMSIC, at | IMSIC_EITHRESHOLD, &zero);
	/* On RV64 only the even registers are there, with 64 bits each. [AIA 3.8.3] */
	for (i = 0; i <= aia->ids / 64 && !r; i++) {
		r = set_attr(aia, GRP_IMSIC, at | (IMSIC_EIE0 + 2 * i), &zero);
		if (!r)
			r = set_attr(aia, GRP_IMSIC, at | (IMSIC_EIP0 + 2 * i), &zero);
	}
	return r;
}

static int aia_reset(struct vm *vm, struct error *err)
{
	const struct aia *aia = vm->arch->chip;
	unsigned int i;
	int r;

	if (!vm->arch->booted)
		return 0;
	r = reset_aplic(aia, vm->arch->sources);
	for (i = 0; i < vm->cfg.cpus && !r; i++)
		r = reset_imsic(aia, i);
	return r < 0 ? error_set_errno(err, r, "resetting the AIA") : 0;
}

static void aia_free(struct vm *vm)
{
	struct aia *aia = vm->arch->chip;

	if (!aia)
		return;
	close(aia->fd);
	free(aia);
	vm->arch->chip = NULL;
}

/* --- the device tree --- */

static void aia_specifier(u32 gsi, bool level, u32 *ret)
{
	ret[0] = gsi;
	ret[1] = level ? IRQ_TYPE_LEVEL_HIGH : IRQ_TYPE_EDGE_RISING;
}

/* [Linux Documentation/devicetree/bindings/interrupt-controller/riscv,imsics.yaml] */
static void imsics_node(struct vm *vm, struct dt *t, const u32 *cpu_intc, u32 phandle)
{
	const struct aia *aia = vm->arch->chip;
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
	dt_node(t, "interrupt-controller@%llx", (unsigned long long)imsics_base);
	dt_str(t, "compatible", "riscv,imsics");
	dt_reg(t, imsics_base, (u64)vm->cfg.cpus * IMSIC_SIZE);
	dt_flag(t, "interrupt-controller");
	dt_u32(t, "#interrupt-cells", 0);
	dt_u32(t, "#address-cells", 0);
	dt_flag(t, "msi-controller");
	dt_u32(t, "#msi-cells", 0);
	dt_u32s(t, "interrupts-extended", ext, 2 * vm->cfg.cpus);
	dt_u32(t, "riscv,num-ids", aia->ids);
	dt_u32(t, "riscv,hart-index-bits", hart_bits(vm->cfg.cpus));
	dt_u32(t, "phandle", phandle);
	dt_end(t);
	free(ext);
}

/* [Linux Documentation/devicetree/bindings/interrupt-controller/riscv,aplic.yaml] */
static void aia_dt(struct vm *vm, struct dt *t, const u32 *cpu_intc, struct dt_interrupts *ret)
{
	*ret = (struct dt_interrupts){
		.phandle = dt_phandle(t), .cells = 2, .specifier = aia_specifier, .msi_phandle = dt_phandle(t),
	};
	imsics_node(vm, t, cpu_intc, ret->msi_phandle);
	dt_node(t, "interrupt-controller@%llx", (unsigned long long)IRQCHIP_BASE);
	dt_str(t, "compatible", "riscv,aplic");
	dt_reg(t, IRQCHIP_BASE, APLIC_SIZE);
	dt_flag(t, "interrupt-controller");
	dt_u32(t, "#interrupt-cells", 2);
	dt_u32(t, "#address-cells", 0);
	dt_u32(t, "msi-parent", ret->msi_phandle);
	dt_u32(t, "riscv,num-sources", vm->arch->sources);
	dt_u32(t, "phandle", ret->phandle);
	dt_end(t);
}

const struct irqchip_ops aia_irqchip = {
	.name = "aia", .create = aia_create, .init = aia_init, .set_line = aia_set_line, .reset = aia_reset, .free = aia_free,
	.dt = aia_dt, .msi = true, .irqfd = true,
};
