/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What no single option parser can judge: whether the parts of a config go together.
 */
#include "vmm/config.h"

#include <errno.h>
#include <unistd.h>

#include "vmm/arch.h"

int vm_config_check(const struct vm_config *cfg, struct error *err)
{
	unsigned int i, stdio = 0;

	if (cfg->kernel && cfg->firmware)
		return error_set(err, -EINVAL, "--firmware '%s' and --kernel '%s': one of them", cfg->firmware, cfg->kernel);
	if (cfg->firmware && cfg->initrd)
		return error_set(err, -EINVAL, "--initrd '%s': firmware takes none", cfg->initrd);
	if (cfg->mem_size < arch_min_ram)
		return error_set(err, -EINVAL, "--mem %lluK: a guest needs at least %lluK",
				 (unsigned long long)(cfg->mem_size / KIB), (unsigned long long)(arch_min_ram / KIB));
	if (!is_aligned(cfg->mem_size, (u64)sysconf(_SC_PAGESIZE)))
		return error_set(err, -EINVAL, "--mem %lluB: want a multiple of the page size, %ld",
				 (unsigned long long)cfg->mem_size, sysconf(_SC_PAGESIZE));
	for (i = 0; i < CONFIG_SERIAL_PORTS; i++)
		stdio += cfg->serial[i].kind == CHARDEV_STDIO;
	for (i = 0; i < cfg->nr_ports; i++)
		stdio += cfg->port[i].kind == CHARDEV_STDIO;
	if (stdio > 1)
		return error_set(err, -EINVAL, "stdio is given to %u ports: it can be behind one", stdio);
	return arch_config_check(cfg, err);
}
