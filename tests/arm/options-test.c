/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arm64 machine's options, and what of a config it refuses.
 *
 * links: arm/options.c arm/map.c dt/options.c util/options.c util/str.c util/error.c
 */
#include <errno.h>

#include "arm/arm.h"
#include "tests/tap.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

static struct vm_config cfg;
static struct error err;
static int features_say;

int arm_features_check(const struct vm_config *c, struct error *e)
{
	return features_say;
}

static void make(void)
{
	memset(&cfg, 0, sizeof(cfg));
	memset(&err, 0, sizeof(err));
	cfg.mem_size = GIB;
	cfg.cpus = 1;
	features_say = 0;
}

/* One option, as on the command line. */
static int option(const char *arg)
{
	char *argv[] = { (char *)(uintptr_t)arg }, *args[1];
	int nr, after;

	memset(&err, 0, sizeof(err));
	return options_parse(arch_options, &cfg, 1, argv, args, &nr, &after, &err);
}

TEST(values_reach_the_config)
{
	make();
	CHECK_EQ(option("--irqchip=gicv2m"), 0);
	CHECK_STR(cfg.machine.irqchip, "gicv2m");
	CHECK_EQ(option("--irqchip=auto"), 0);
	CHECK(!cfg.machine.irqchip);
	CHECK(!option("--pmu") && !option("--disable-mte") && !option("--aarch32") && !option("--nested"));
	CHECK(cfg.machine.pmu && cfg.machine.disable_mte && cfg.machine.aarch32 && cfg.machine.nested);
	CHECK(!option("--no-pmu") && !cfg.machine.pmu);
	CHECK(!option("--sve-max-vl=512") && cfg.machine.sve_max_vl == 512);
	CHECK(!option("--kaslr-seed=0x123456789abcdef0") && cfg.machine.kaslr_seed_given &&
	      cfg.machine.kaslr_seed == 0x123456789abcdef0);
	CHECK(!option("--kaslr-seed=0") && cfg.machine.kaslr_seed_given && !cfg.machine.kaslr_seed);
	CHECK(!option("--no-kaslr-seed") && !cfg.machine.kaslr_seed_given);
	CHECK(!option("--firmware-address=0x80200000") && cfg.machine.firmware_address == 0x80200000);
	CHECK(!option("--no-firmware-address") && !cfg.machine.firmware_address);
	CHECK(!option("--override-bad-firmware-cntfrq=50000000") && cfg.machine.bad_cntfrq == 50000000);
	CHECK(!option("--dump-dtb=a") && !option("--dtb-overlay=b"));
	CHECK_STR(cfg.machine.dump_dtb, "a");
	CHECK_STR(cfg.machine.dtb_overlay, "b");
	CHECK_EQ(option("--fdt-overlay=c"), 0);
	CHECK_STR(cfg.machine.dtb_overlay, "c");
	CHECK_EQ(option("--force-pci"), 0);
}

TEST(bad_values_are_named)
{
	static const struct { const char *arg, *says; } t[] = {
		{ "--irqchip=gicv9", "--irqchip 'gicv9': want auto, gicv3-its, gicv3, gicv2m or gicv2" },
		{ "--kaslr-seed=x", "--kaslr-seed 'x': want a number of 64 bits, 0 for none" },
		{ "--firmware-address=0", "--firmware-address '0': want an address in RAM" },
		{ "--firmware-address=top", "--firmware-address 'top': want an address in RAM" },
		{ "--override-bad-firmware-cntfrq=0", "--override-bad-firmware-cntfrq '0': want a frequency in Hz, of 32 bits" },
		{ "--override-bad-firmware-cntfrq=0x100000000",
		  "--override-bad-firmware-cntfrq '0x100000000': want a frequency in Hz, of 32 bits" },
		{ "--sve-max-vl=-1", "--sve-max-vl '-1': want a number from 0 to 4294967295" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		make();
		CHECK_EQ(option(t[i].arg), -EINVAL);
		CHECK_STR(err.msg, t[i].says);
	}
}

TEST(controller_and_cpus_must_go_together)
{
	make();
	CHECK_EQ(arch_config_check(&cfg, &err), 0);
	cfg.machine.irqchip = "gicv2";
	cfg.cpus = 8;
	CHECK_EQ(arch_config_check(&cfg, &err), 0);
	cfg.cpus = 9;
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	CHECK_STR(err.msg, "--cpus 9: with --irqchip gicv2 at most 8");
	cfg.machine.irqchip = NULL;
	CHECK_EQ(arch_config_check(&cfg, &err), 0);
	cfg.cpus = 513;
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	cfg.machine.irqchip = "pic";
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	CHECK_STR(err.msg, "--irqchip 'pic': no such controller");
}

TEST(ram_begins_where_the_map_lets_it)
{
	static const struct { u64 base; int r; } t[] = {
		{ 0, -EINVAL }, { 0x40000000, -EINVAL }, { 0x7fe00000, -EINVAL }, { 0x80000000, 0 }, { 0x80100000, -EINVAL },
		{ 0x80001000, -EINVAL }, { 0x8000000000, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		make();
		cfg.machine.ram_base_given = true;
		cfg.machine.ram_base = t[i].base;
		CHECK_EQ(arch_config_check(&cfg, &err), t[i].r);
		CHECK(!t[i].r || !strncmp(err.msg, "--mem @0x", 9));
	}
}

TEST(firmware_address_is_in_ram_and_for_firmware)
{
	make();
	cfg.machine.firmware_address = 0x80000000;
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	CHECK_STR(err.msg, "--firmware-address 0x80000000: there is no --firmware");
	cfg.firmware = "fw";
	CHECK_EQ(arch_config_check(&cfg, &err), 0);
	cfg.machine.firmware_address = 0x7fffffff;
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	CHECK_STR(err.msg, "--firmware-address 0x7fffffff: RAM is 1024M at 0x80000000");
	cfg.machine.firmware_address = 0xc0000000;
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	cfg.machine.firmware_address = 0xbffffffc;
	CHECK_EQ(arch_config_check(&cfg, &err), 0);
	cfg.machine.firmware_address = 0xbffffffe;
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	CHECK_STR(err.msg, "--firmware-address 0xbffffffe: want a multiple of 4");
}

TEST(kernels_of_a_pc_are_refused)
{
	static const enum kernel_format ours[] = { KERNEL_AUTO, KERNEL_IMAGE, KERNEL_FLAT };
	static const enum kernel_format theirs[] = { KERNEL_BZIMAGE, KERNEL_ELF, KERNEL_PVH, KERNEL_MULTIBOOT };
	unsigned int i;

	make();
	for (i = 0; i < ARRAY_SIZE(ours); i++) {
		cfg.kernel_format = ours[i];
		CHECK_EQ(arch_config_check(&cfg, &err), 0);
	}
	for (i = 0; i < ARRAY_SIZE(theirs); i++) {
		cfg.kernel_format = theirs[i];
		CHECK_EQ(arch_config_check(&cfg, &err), -EOPNOTSUPP);
		CHECK(strstr(err.msg, "not a format of arm64"));
	}
}

TEST(cpu_features_have_their_say)
{
	make();
	features_say = -EOPNOTSUPP;
	CHECK_EQ(arch_config_check(&cfg, &err), -EOPNOTSUPP);
}

TEST(kernels_are_searched_by_release)
{
	const char *const *p;
	unsigned int with = 0;

	for (p = arch_kernel_search(); *p; p++)
		with += strstr(*p, "%r") != NULL;
	CHECK(with >= 1);
}

int main(void)
{
	RUN(values_reach_the_config);
	RUN(bad_values_are_named);
	RUN(controller_and_cpus_must_go_together);
	RUN(ram_begins_where_the_map_lets_it);
	RUN(firmware_address_is_in_ram_and_for_firmware);
	RUN(kernels_of_a_pc_are_refused);
	RUN(cpu_features_have_their_say);
	RUN(kernels_are_searched_by_release);
	return tap_done();
}
