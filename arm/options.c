/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options that only this machine has, and what can be judged of a config without a KVM. Names are kvmtool's where it has the option.
 * Features of the CPU are features.c's, the flash's file is flash.c's; dt/options.c has what other machines have too.
 *
 * Main thread.
 */
#include "arm/arm.h"

#include <errno.h>

#include "util/options.h"
#include "vmm/arch.h"
#include "vmm/config.h"

#define MACHINE_OPT(field) .offset = offsetof(struct vm_config, machine.field)
#define INSN_ALIGN 4U
#define RAM_ALIGN (2 * MIB)	/* of a kernel's base [Linux Documentation/arch/arm64/booting 4] */

static int opt_irqchip(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct vm_config *cfg = ctx;
	enum gic_kind kind;

	if (gic_kind_named(value, &kind) < 0)
		return option_bad(err, opt, value, "auto, gicv3-its, gicv3, gicv2m or gicv2");
	cfg->machine.irqchip = kind == GIC_NONE ? NULL : value;
	return 0;
}

static int opt_firmware_address(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct vm_config *cfg = ctx;

	cfg->machine.firmware_address = 0;
	if (value && (str_to_u64(value, UINT64_MAX, &cfg->machine.firmware_address) < 0 || !cfg->machine.firmware_address))
		return option_bad(err, opt, value, "an address in RAM");
	return 0;
}

static int opt_cntfrq(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct vm_config *cfg = ctx;

	cfg->machine.bad_cntfrq = 0;
	if (value && (str_to_u64(value, UINT32_MAX, &cfg->machine.bad_cntfrq) < 0 || !cfg->machine.bad_cntfrq))
		return option_bad(err, opt, value, "a frequency in Hz, of 32 bits");
	return 0;
}

/* kvmtool's users may still say it: there is no machine without PCI. */
static int opt_force_pci(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	return 0;
}

const struct option_def arch_options[] = {
	{ 0, "irqchip", "kind", "interrupt controller: gicv3-its, gicv3, gicv2m or gicv2 (default auto: the first of them that the host has)",
	  opt_irqchip },
	{ 0, "pmu", NULL, "performance monitor for the guest", option_bool, MACHINE_OPT(pmu) },
	{ 0, "disable-mte", NULL, "no memory tagging for the guest, as --cpu host,-mte", option_bool, MACHINE_OPT(disable_mte) },
	{ 0, "sve-max-vl", "bits", "longest SVE vector: a multiple of 128 (default: the host's)", option_uint, MACHINE_OPT(sve_max_vl) },
	{ 0, "aarch32", NULL, "32 bit guest", option_bool, MACHINE_OPT(aarch32) },
	{ 0, "nested", NULL, "the guest may have guests: EL2, where KVM has it", option_bool, MACHINE_OPT(nested) },
	DT_OPTIONS,
	{ 0, "firmware-address", "addr", "where --firmware is loaded (default: RAM's start)", opt_firmware_address },
	{ 0, "override-bad-firmware-cntfrq", "hz", "frequency of the timer, told in the device tree, where the host's firmware set a wrong one",
	  opt_cntfrq },
	{ 0, "force-pci", NULL, NULL, opt_force_pci },
	{ 0, NULL },
};

static int check_ram(const struct vm_config *cfg, struct error *err)
{
	const struct machine_config *m = &cfg->machine;
	u64 base = m->ram_base_given ? m->ram_base : RAM_BASE;

	if (base < RAM_BASE || !is_aligned(base, RAM_ALIGN))
		return error_set(err, -EINVAL, "--mem @0x%llx: want a multiple of 2 MiB, 0x%llx or above", (unsigned long long)base, RAM_BASE);
	if (!m->firmware_address)
		return 0;
	if (!cfg->firmware)
		return error_set(err, -EINVAL, "--firmware-address 0x%llx: there is no --firmware", (unsigned long long)m->firmware_address);
	if (m->firmware_address < base || m->firmware_address - base >= cfg->mem_size)
		return error_set(err, -EINVAL, "--firmware-address 0x%llx: RAM is %lluM at 0x%llx", (unsigned long long)m->firmware_address,
				 (unsigned long long)(cfg->mem_size / MIB), (unsigned long long)base);
	if (!is_aligned(m->firmware_address, INSN_ALIGN))
		return error_set(err, -EINVAL, "--firmware-address 0x%llx: want a multiple of %u", (unsigned long long)m->firmware_address,
				 INSN_ALIGN);
	return 0;
}

int arch_config_check(const struct vm_config *cfg, struct error *err)
{
	enum gic_kind kind;
	int r;

	r = gic_kind_named(cfg->machine.irqchip, &kind);
	if (r < 0)
		return error_set(err, r, "--irqchip '%s': no such controller", cfg->machine.irqchip);
	if (cfg->cpus > gic_kind_vcpus(kind))
		return error_set(err, -EINVAL, "--cpus %u: with --irqchip %s at most %u", cfg->cpus, gic_name(kind), gic_kind_vcpus(kind));
	r = check_ram(cfg, err);
	if (!r)
		r = dt_check_format(cfg, "arm64", err);
	return r < 0 ? r : arm_features_check(cfg, err);
}

const char *const *arch_kernel_search(void)
{
	static const char *const paths[] = { DT_KERNEL_PATHS("arm64"), NULL };

	return paths;
}
