/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the options of machines told by a device tree have in common: the rows themselves are DT_OPTIONS in dt.h.
 *
 * Main thread.
 */
#include "dt/dt.h"

#include <errno.h>

#include "util/str.h"

int dt_opt_kaslr_seed(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct vm_config *cfg = ctx;

	cfg->machine.kaslr_seed_given = value;
	cfg->machine.kaslr_seed = 0;
	if (value && str_to_u64(value, UINT64_MAX, &cfg->machine.kaslr_seed) < 0)
		return option_bad(err, opt, value, "a number of 64 bits, 0 for none");
	return 0;
}

int dt_check_format(const struct vm_config *cfg, const char *machine, struct error *err)
{
	static const char *const foreign[] = {
		[KERNEL_BZIMAGE] = "bzimage", [KERNEL_ELF] = "elf", [KERNEL_PVH] = "pvh", [KERNEL_MULTIBOOT] = "multiboot",
	};

	if (cfg->kernel_format < ARRAY_SIZE(foreign) && foreign[cfg->kernel_format])
		return error_set(err, -EOPNOTSUPP, "--kernel-format %s: not a format of %s", foreign[cfg->kernel_format], machine);
	return 0;
}
