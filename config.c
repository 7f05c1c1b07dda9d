/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What no single option parser can judge: whether the parts of a config go together.
 */
#include "vmm/config.h"

#include <errno.h>
#include <unistd.h>

#include "util/cpulist.h"
#include "vmm/arch.h"

/* Each must be one that runs; whether this process may use it, the host says when the threads go there. */
static int check_affinity(const char *list, struct error *err)
{
	struct cpu_list want, online;
	int outside;

	if (!list)
		return 0;
	if (cpu_list_parse(list, &want) < 0)
		return error_set(err, -EINVAL, "--vcpu-affinity '%s': want a list of host CPUs, as 0-3,5", list);
	if (cpu_list_read("/sys/devices/system/cpu/online", &online) < 0)
		return 0;
	outside = cpu_list_outside(&want, &online);
	if (outside >= 0)
		return error_set(err, -EINVAL, "--vcpu-affinity '%s': this host has no CPU %d, or it is not online", list, outside);
	return 0;
}

int vm_config_check(const struct vm_config *cfg, struct error *err)
{
	bool whole_kib = is_aligned(cfg->mem_size, KIB);
	unsigned int i, stdio = 0;
	int r;

	if (cfg->kernel && cfg->firmware)
		return error_set(err, -EINVAL, "--firmware '%s' and --kernel '%s': one of them", cfg->firmware, cfg->kernel);
	if (cfg->firmware && cfg->initrd)
		return error_set(err, -EINVAL, "--initrd '%s': firmware takes none", cfg->initrd);
	if (cfg->mem_size < arch_min_ram)
		return error_set(err, -EINVAL, "--mem %llu%s: a guest needs at least %lluK",
				 (unsigned long long)(cfg->mem_size / (whole_kib ? KIB : 1)), whole_kib ? "K" : "B", (unsigned long long)(arch_min_ram / KIB));
	if (!is_aligned(cfg->mem_size, (u64)sysconf(_SC_PAGESIZE)))
		return error_set(err, -EINVAL, "--mem %lluB: want a multiple of the page size, %ld",
				 (unsigned long long)cfg->mem_size, sysconf(_SC_PAGESIZE));
	for (i = 0; i < CONFIG_SERIAL_PORTS; i++)
		stdio += cfg->serial[i].kind == CHARDEV_STDIO;
	for (i = 0; i < cfg->nr_ports; i++)
		stdio += cfg->port[i].kind == CHARDEV_STDIO;
	if (stdio > 1)
		return error_set(err, -EINVAL, "--serial, --port: stdio is given to %u of them: it can be behind one", stdio);
	r = check_affinity(cfg->machine.vcpu_affinity, err);
	return r < 0 ? r : arch_config_check(cfg, err);
}
