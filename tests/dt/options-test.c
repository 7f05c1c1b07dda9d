/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options that the machines told by a device tree share.
 *
 * links: dt/options.c util/options.c util/str.c util/error.c
 */
#include <errno.h>
#include <string.h>

#include "dt/dt.h"
#include "tests/tap.h"

static const struct option_def table[] = { DT_OPTIONS, { 0, NULL } };
static struct vm_config cfg;
static struct error err;

/* One option, as on the command line. */
static int option(const char *arg)
{
	char *argv[] = { (char *)(uintptr_t)arg }, *args[1];
	int nr, after;

	memset(&err, 0, sizeof(err));
	return options_parse(table, &cfg, 1, argv, args, &nr, &after, &err);
}

TEST(kaslr_seed_is_a_number_and_0_is_none)
{
	memset(&cfg, 0, sizeof(cfg));
	CHECK(!option("--kaslr-seed=0xffffffffffffffff") && cfg.machine.kaslr_seed_given && cfg.machine.kaslr_seed == UINT64_MAX);
	CHECK(!option("--kaslr-seed=0") && cfg.machine.kaslr_seed_given && !cfg.machine.kaslr_seed);
	CHECK(!option("--kaslr-seed=7") && !option("--no-kaslr-seed") && !cfg.machine.kaslr_seed_given && !cfg.machine.kaslr_seed);
	CHECK_EQ(option("--kaslr-seed=0x10000000000000000"), -EINVAL);
	CHECK_EQ(option("--kaslr-seed=12x"), -EINVAL);
	CHECK_STR(err.msg, "--kaslr-seed '12x': want a number of 64 bits, 0 for none");
}

TEST(tree_options_name_files)
{
	memset(&cfg, 0, sizeof(cfg));
	CHECK(!option("--dump-dtb=a") && !option("--dtb-overlay=b"));
	CHECK_STR(cfg.machine.dump_dtb, "a");
	CHECK_STR(cfg.machine.dtb_overlay, "b");
	CHECK_EQ(option("--fdt-overlay=c"), 0);
	CHECK_STR(cfg.machine.dtb_overlay, "c");
	CHECK_EQ(option("--no-dump-dtb"), 0);
	CHECK(!cfg.machine.dump_dtb);
}

TEST(formats_of_other_machines_are_refused)
{
	static const struct { enum kernel_format format; const char *says; } t[] = {
		{ KERNEL_BZIMAGE, "--kernel-format bzimage: not a format of tests" }, { KERNEL_ELF, "--kernel-format elf: not a format of tests" },
		{ KERNEL_PVH, "--kernel-format pvh: not a format of tests" }, { KERNEL_MULTIBOOT, "--kernel-format multiboot: not a format of tests" },
		{ KERNEL_AUTO, NULL }, { KERNEL_FLAT, NULL }, { KERNEL_IMAGE, NULL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memset(&cfg, 0, sizeof(cfg));
		cfg.kernel_format = t[i].format;
		CHECK_EQ(dt_check_format(&cfg, "tests", &err), t[i].says ? -EOPNOTSUPP : 0);
		CHECK(!t[i].says || !strcmp(err.msg, t[i].says));
	}
}

TEST(kernels_are_searched_in_a_source_tree_and_by_release)
{
	static const char *const paths[] = { DT_KERNEL_PATHS("s390"), NULL };
	unsigned int i, in_tree = 0, with_release = 0;

	for (i = 0; paths[i]; i++) {
		in_tree += strstr(paths[i], "arch/s390/boot/") != NULL;
		with_release += strstr(paths[i], "%r") != NULL;
	}
	CHECK(in_tree && with_release);
	CHECK_EQ(in_tree + with_release + 1, i);
}

int main(void)
{
	RUN(kaslr_seed_is_a_number_and_0_is_none);
	RUN(tree_options_name_files);
	RUN(formats_of_other_machines_are_refused);
	RUN(kernels_are_searched_in_a_source_tree_and_by_release);
	return tap_done();
}
