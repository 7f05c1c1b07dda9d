/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options that only this machine has, and what can be judged of a config without a KVM. Names are kvmtool's where it has the option.
 * What extensions there are, and which can go, is isa.c's.
 *
 * Main thread.
 */
#include "riscv/riscv.h"

#include <errno.h>

#include "riscv/isa-names.h"
#include "util/options.h"
#include "vmm/arch.h"
#include "vmm/config.h"

#define MACHINE_OPT(field) .offset = offsetof(struct vm_config, machine.field)

static int opt_irqchip(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct vm_config *cfg = ctx;

	if (riscv_irqchip_kind(value) < 0)
		return option_bad(err, opt, value, "auto, aia or plic");
	cfg->machine.irqchip = value;
	return 0;
}

/* A number the guest's firmware interface tells of its maker; each value is one. */
static int opt_id(const struct option_def *opt, const char *value, bool *given, u64 *id, struct error *err)
{
	*given = value;
	*id = 0;
	if (value && str_to_u64(value, UINT64_MAX, id) < 0)
		return option_bad(err, opt, value, "a number of 64 bits");
	return 0;
}

static int opt_mvendorid(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct machine_config *m = &((struct vm_config *)ctx)->machine;

	return opt_id(opt, value, &m->mvendorid_given, &m->mvendorid, err);
}

static int opt_marchid(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct machine_config *m = &((struct vm_config *)ctx)->machine;

	return opt_id(opt, value, &m->marchid_given, &m->marchid, err);
}

static int opt_mimpid(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct machine_config *m = &((struct vm_config *)ctx)->machine;

	return opt_id(opt, value, &m->mimpid_given, &m->mimpid, err);
}

static int opt_firmware_address(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	return value ? error_set(err, -EOPNOTSUPP, "--firmware-address %s: this machine takes no firmware", value) : 0;
}

/* Hidden from the usage: they are many, and --cpu says the same. */
#define ISA_OPTION(nr, ext) { 0, "disable-" ext, NULL, NULL, option_bool, MACHINE_OPT(isa_off[nr]) },
#define SBI_OPTION(nr, ext) { 0, "disable-sbi-" ext, NULL, NULL, option_bool, MACHINE_OPT(sbi_off[nr]) },

const struct option_def arch_options[] = {
	{ 0, "irqchip", "kind", "interrupt controller: aia or plic (default auto: aia where KVM has it)", opt_irqchip },
	DT_OPTIONS,
	{ 0, "firmware-address", "addr", NULL, opt_firmware_address },
	{ 0, "custom-mvendorid", "n", "what the guest's vCPUs give as their vendor", opt_mvendorid },
	{ 0, "custom-marchid", "n", "and as their architecture", opt_marchid },
	{ 0, "custom-mimpid", "n", "and as their implementation", opt_mimpid },
	ISA_EXTENSIONS(ISA_OPTION)
	SBI_EXTENSIONS(SBI_OPTION)
	{ 0, NULL },
};

int arch_config_check(const struct vm_config *cfg, struct error *err)
{
	int r;

	if (cfg->firmware)
		return error_set(err, -EOPNOTSUPP, "--firmware '%s': this machine takes none: KVM itself is what firmware (SBI) is to a guest",
				 cfg->firmware);
	if (cfg->machine.ram_base_given)
		return error_set(err, -EINVAL, "--mem @0x%llx: RAM of this machine begins at 0x%llx",
				 (unsigned long long)cfg->machine.ram_base, RAM_BASE);
	if (cfg->pv_lock)
		return error_set(err, -EOPNOTSUPP, "--pv-lock: KVM for riscv64 has no way to tell its guests");
	if (riscv_irqchip_kind(cfg->machine.irqchip) < 0)
		return error_set(err, -EINVAL, "--irqchip '%s': want auto, aia or plic", cfg->machine.irqchip);
	r = dt_check_format(cfg, "riscv64", err);
	return r < 0 ? r : isa_check(cfg, err);
}

const char *const *arch_kernel_search(void)
{
	static const char *const paths[] = { DT_KERNEL_PATHS("riscv"), NULL };

	return paths;
}
