/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's own options: each one's effect and its refusals, and what a config may not ask of this machine.
 * links: riscv/options.c dt/options.c util/options.c util/str.c util/error.c
 */
#include "tests/tap.h"

#include <errno.h>

#include "riscv/isa-names.h"
#include "riscv/riscv.h"
#include "vmm/arch.h"
#include "vmm/config.h"

static struct vm_config cfg;
static struct error err;

int riscv_irqchip_kind(const char *name)
{
	return !name || !strcmp(name, "auto") ? IRQCHIP_NONE : !strcmp(name, "aia") ? IRQCHIP_AIA : strcmp(name, "plic") ? -1 : IRQCHIP_PLIC;
}

int isa_check(const struct vm_config *c, struct error *e)
{
	return c->cpu ? error_set(e, -EINVAL, "isa.c's") : 0;
}

/* One option, or two that are one word each. */
static int parse(const char *a, const char *b)
{
	char *argv[] = { (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL }, *rest[2];
	int nr, after;

	err.msg[0] = '\0';
	return options_parse(arch_options, &cfg, b ? 2 : 1, argv, rest, &nr, &after, &err);
}

static void fresh(void)
{
	memset(&cfg, 0, sizeof(cfg));
	cfg.mem_size = 256 * MIB;
	cfg.cpus = 1;
}

TEST(irqchip_is_one_of_two_or_auto)
{
	static const char *const good[] = { "--irqchip=aia", "--irqchip=plic", "--irqchip=auto" };
	unsigned int i;

	fresh();
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		CHECK_EQ(parse(good[i], NULL), OPTIONS_OK);
		CHECK_STR(cfg.machine.irqchip, strchr(good[i], '=') + 1);
		CHECK_EQ(arch_config_check(&cfg, &err), 0);
	}
	CHECK_EQ(parse("--irqchip=gicv3", NULL), -EINVAL);
	CHECK(strstr(err.msg, "irqchip") && strstr(err.msg, "gicv3"));
	CHECK_EQ(parse("--no-irqchip", NULL), OPTIONS_OK);
	CHECK(!cfg.machine.irqchip);
}

TEST(kaslr_seed_is_a_number_and_0_is_none)
{
	fresh();
	CHECK_EQ(parse("--kaslr-seed=0xffffffffffffffff", NULL), OPTIONS_OK);
	CHECK(cfg.machine.kaslr_seed_given && cfg.machine.kaslr_seed == UINT64_MAX);
	CHECK_EQ(parse("--kaslr-seed=0", NULL), OPTIONS_OK);
	CHECK(cfg.machine.kaslr_seed_given && !cfg.machine.kaslr_seed);
	CHECK_EQ(parse("--kaslr-seed=12x", NULL), -EINVAL);
	CHECK(strstr(err.msg, "12x"));
	CHECK_EQ(parse("--no-kaslr-seed", NULL), OPTIONS_OK);
	CHECK(!cfg.machine.kaslr_seed_given);
}

TEST(ids_of_the_vcpus_are_numbers)
{
	const struct machine_config *m = &cfg.machine;

	fresh();
	CHECK_EQ(parse("--custom-mvendorid", "0x10"), OPTIONS_OK);
	CHECK_EQ(parse("--custom-marchid", "0x20"), OPTIONS_OK);
	CHECK_EQ(parse("--custom-mimpid", "0"), OPTIONS_OK);
	CHECK(m->mvendorid_given && m->marchid_given && m->mimpid_given);
	CHECK(m->mvendorid == 0x10 && m->marchid == 0x20 && !m->mimpid);
	CHECK_EQ(parse("--custom-mimpid", "riscv"), -EINVAL);
	CHECK(strstr(err.msg, "custom-mimpid"));
	CHECK_EQ(parse("--no-custom-marchid", NULL), OPTIONS_OK);
	CHECK(!m->marchid_given && !m->marchid);
}

TEST(tree_options_name_files)
{
	fresh();
	CHECK_EQ(parse("--dump-dtb", "a"), OPTIONS_OK);
	CHECK_EQ(parse("--dtb-overlay", "b"), OPTIONS_OK);
	CHECK_STR(cfg.machine.dump_dtb, "a");
	CHECK_STR(cfg.machine.dtb_overlay, "b");
	CHECK_EQ(parse("--fdt-overlay", "c"), OPTIONS_OK);
	CHECK_STR(cfg.machine.dtb_overlay, "c");
}

/* Each extension by KVM's number, one option for each, and nothing twice. */
TEST(each_extension_can_be_switched_off)
{
#define NAME(nr, name) [nr] = name,
	static const char *const isa[] = { ISA_EXTENSIONS(NAME) }, *const sbi[] = { SBI_EXTENSIONS(NAME) };
	char opt[64];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(isa) + ARRAY_SIZE(sbi); i++) {
		fresh();
		snprintf(opt, sizeof(opt), "--disable-%s%s", i < ARRAY_SIZE(isa) ? "" : "sbi-",
			 i < ARRAY_SIZE(isa) ? isa[i] : sbi[i - ARRAY_SIZE(isa)]);
		CHECK_EQ(parse(opt, NULL), OPTIONS_OK);
		for (j = 0; j < ARRAY_SIZE(cfg.machine.isa_off); j++)
			CHECK_EQ(cfg.machine.isa_off[j], i < ARRAY_SIZE(isa) && j == i);
		for (j = 0; j < ARRAY_SIZE(cfg.machine.sbi_off); j++)
			CHECK_EQ(cfg.machine.sbi_off[j], j + ARRAY_SIZE(isa) == i);
	}
	CHECK_EQ(parse("--disable-zzz", NULL), OPTIONS_USAGE);
}

/* As the real KVM numbers them [riscv's asm/kvm.h]: the ends of what each release added. */
TEST(numbers_are_those_of_kvm)
{
	static const struct { const char *opt; unsigned int nr; } t[] = {
		{ "--disable-svpbmt", 7 }, { "--disable-ssaia", 14 }, { "--disable-smstateen", 23 }, { "--disable-zkr", 32 },
		{ "--disable-zvkt", 45 }, { "--disable-sscofpmf", 54 }, { "--disable-zawrs", 61 }, { "--disable-svvptc", 66 },
		{ "--disable-zicbop", 71 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		fresh();
		CHECK_EQ(parse(t[i].opt, NULL), OPTIONS_OK);
		CHECK(cfg.machine.isa_off[t[i].nr]);
	}
	fresh();
	CHECK_EQ(parse("--disable-sbi-sta", NULL), OPTIONS_OK);
	CHECK(cfg.machine.sbi_off[10]);
}

TEST(names_of_options_are_told_apart)
{
	const struct option_def *a, *b;
	unsigned int n = 0;

	for (a = arch_options; a->name; a++, n++)
		for (b = a + 1; b->name; b++)
			CHECK(strcmp(a->name, b->name));
	CHECK(n < 128);		/* what builtin-run-options.c has room for */
}

TEST(pv_lock_is_refused)
{
	struct vm_config with = { .pv_lock = true };

	CHECK_EQ(arch_config_check(&with, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--pv-lock") && strstr(err.msg, "riscv64"));
}

TEST(firmware_is_refused)
{
	fresh();
	CHECK_EQ(parse("--firmware-address", "0x80000000"), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "0x80000000"));
	CHECK_EQ(parse("--no-firmware-address", NULL), OPTIONS_OK);
	cfg.firmware = "edk2.fd";
	CHECK_EQ(arch_config_check(&cfg, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--firmware") && strstr(err.msg, "edk2.fd"));
}

TEST(ram_cannot_be_moved)
{
	fresh();
	cfg.machine.ram_base_given = true;
	cfg.machine.ram_base = 0x100000000;
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	CHECK(strstr(err.msg, "0x100000000") && strstr(err.msg, "0x80000000"));
}

TEST(formats_of_x86_are_refused)
{
	static const struct { enum kernel_format format; const char *name; } t[] = {
		{ KERNEL_BZIMAGE, "bzimage" }, { KERNEL_ELF, "elf" }, { KERNEL_PVH, "pvh" }, { KERNEL_MULTIBOOT, "multiboot" },
		{ KERNEL_AUTO, NULL }, { KERNEL_FLAT, NULL }, { KERNEL_IMAGE, NULL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		fresh();
		cfg.kernel_format = t[i].format;
		CHECK_EQ(arch_config_check(&cfg, &err), t[i].name ? -EOPNOTSUPP : 0);
		CHECK(!t[i].name || strstr(err.msg, t[i].name));
	}
}

TEST(unknown_irqchip_of_a_config_is_refused)
{
	fresh();
	cfg.machine.irqchip = "gic";
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	CHECK(strstr(err.msg, "gic"));
}

TEST(cpu_is_judged_by_isa_c)
{
	fresh();
	cfg.cpu = "x";
	CHECK_EQ(arch_config_check(&cfg, &err), -EINVAL);
	CHECK_STR(err.msg, "isa.c's");
}

TEST(kernels_are_searched_where_builds_leave_them)
{
	const char *const *p = arch_kernel_search();
	bool image = false, installed = false;

	for (; *p; p++) {
		image |= !strcmp(*p, "arch/riscv/boot/Image");
		installed |= !strcmp(*p, "/boot/vmlinuz-%r");
	}
	CHECK(image && installed);
}

int main(void)
{
	RUN(irqchip_is_one_of_two_or_auto);
	RUN(kaslr_seed_is_a_number_and_0_is_none);
	RUN(ids_of_the_vcpus_are_numbers);
	RUN(tree_options_name_files);
	RUN(each_extension_can_be_switched_off);
	RUN(numbers_are_those_of_kvm);
	RUN(names_of_options_are_told_apart);
	RUN(pv_lock_is_refused);
	RUN(firmware_is_refused);
	RUN(ram_cannot_be_moved);
	RUN(formats_of_x86_are_refused);
	RUN(unknown_irqchip_of_a_config_is_refused);
	RUN(cpu_is_judged_by_isa_c);
	RUN(kernels_are_searched_where_builds_leave_them);
	return tap_done();
}
