/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole command line of `lkvm run`: every line of the input is an argument. What is accepted is a config within its bounds; what is
 * refused has one line that says why.
 *
 * links: builtin-run-options.c config.c util/cpulist.c net/parse.c vfio/options.c x86/cpuid.c x86/cpu-features.c
 * links: disk/probe.c disk/open.c disk/disk.c disk/sync.c disk/aio.c disk/uring.c
 * links: chardev/chardev.c chardev/output.c chardev/input.c chardev/stdio.c chardev/pty.c chardev/file.c chardev/socket.c event.c
 * links: util/options.c util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builtin-run.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "x86/x86.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { MAX_ARGS = 128 };

const struct option_def arch_options[] = { { 0, NULL } };
const char arch_name[] = "x86_64";
const u64 arch_min_ram = 2 * MIB;

int arch_config_check(const struct vm_config *cfg, struct error *err)
{
	return cfg->cpu ? cpu_spec_check(cfg->cpu, err) : 0;
}

const char *const *arch_kernel_search(void)
{
	static const char *const paths[] = { "/nonexistent/vmlinuz-%r", "/dev/null", NULL };

	return paths;
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void accepted(const struct vm_config *cfg)
{
	unsigned int i, stdio = 0;

	check(cfg->cpus >= 1 && cfg->cpus <= 4096);
	check(cfg->mem_size >= arch_min_ram && !(cfg->mem_size % (u64)sysconf(_SC_PAGESIZE)));
	check(!cfg->kernel != !cfg->firmware && cfg->name);
	check(cfg->nr_disks <= CONFIG_MAX_DISKS && cfg->nr_ports <= CONFIG_MAX_PORTS);
	for (i = 0; i < cfg->nr_disks; i++)
		check(cfg->disk[i].path && *cfg->disk[i].path);
	for (i = 0; i < CONFIG_SERIAL_PORTS; i++)
		stdio += cfg->serial[i].kind == CHARDEV_STDIO;
	for (i = 0; i < cfg->nr_ports; i++) {
		stdio += cfg->port[i].kind == CHARDEV_STDIO;
		check(!cfg->port[i].name || *cfg->port[i].name);
	}
	check(stdio <= 1);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const u8 *end = data + size, *nl;
	char *argv[MAX_ARGS];
	struct error err = { .msg = "" };
	struct run *run;
	bool help = false;
	int argc = 0, r;

	run = calloc(1, sizeof(*run));
	check(run);
	while (data < end && argc < MAX_ARGS) {
		nl = memchr(data, '\n', (size_t)(end - data));
		if (!nl)
			nl = end;
		argv[argc] = strndup((const char *)data, (size_t)(nl - data));	/* of exact size, so that a byte too far is seen */
		check(argv[argc]);
		help = help || !strncmp(argv[argc], "--help", 6) || (argv[argc][0] == '-' && strchr(argv[argc], 'h'));
		argc++;
		data = nl < end ? nl + 1 : end;
	}
	r = run_parse_options(run, argc, argv, &err);
	log_set_level(LOG_ERROR);
	if (!r)
		accepted(&run->cfg);
	else
		check(*err.msg || help);
	run_free_options(run);
	free(run);
	while (argc)
		free(argv[--argc]);
	return 0;
}
