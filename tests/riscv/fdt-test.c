/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the device tree says of harts and of the PLIC, from a KVM whose registers are played; judged by libfdt, and by dtc where it is.
 * links: riscv/fdt.c riscv/plic.c dt/tree.c device.c state.c util/str.c util/error.c util/log.c util/io.c util/cleanup.c
 */
#include "tests/riscv/plic-rig.h"

#include <libfdt.h>

static u64 satp_mode, cbom, cboz, cbop;
static bool old_kvm;		/* none but the ISA's registers */
static int isa_fails;
static const char *isa_names[8];

int riscv_get_reg(struct vcpu *vcpu, u64 id, u64 *ret)
{
	const u64 config = 0x8030000001000000ULL;

	if (old_kvm || id < config || id > config + 7)
		return -EINVAL;
	*ret = id == config + 1 ? cbom : id == config + 5 ? cboz : id == config + 6 ? satp_mode : id == config + 7 ? cbop : 0;
	return 0;
}

int isa_string(struct vcpu *vcpu, struct strbuf *ret, const char **ret_list, unsigned int room)
{
	unsigned int i;

	strbuf_addf(ret, "rv64");
	for (i = 0; isa_names[i]; i++) {
		strbuf_addf(ret, "%s%s", isa_names[i][1] ? "_" : "", isa_names[i]);
		ret_list[i] = isa_names[i];
	}
	ret_list[i] = NULL;
	return isa_fails;
}

static struct dt_interrupts irq;

/* A tree for @harts with those extensions. The caller frees. */
static struct dt tree(unsigned int harts, const char *ext)
{
	struct dt t;

	rig_up(harts);
	arch.irqchip = &plic_irqchip;
	arch.timebase = 10000000;
	memset(isa_names, 0, sizeof(isa_names));
	isa_names[0] = "i";
	isa_names[1] = "m";
	isa_names[2] = ext;
	if (dt_begin(&t) < 0 || riscv_dt_nodes(&vm, &t, &irq, NULL) < 0 || dt_finish(&t, NULL) < 0)
		abort();
	return t;
}

static void cut(struct dt *t)
{
	dt_free(t);
	rig_down();
}

static int at_path(const struct dt *t, const char *path)
{
	return fdt_path_offset(t->buf, path);
}

static u32 cell(const struct dt *t, const char *path, const char *name, unsigned int n)
{
	int len;
	const fdt32_t *p = fdt_getprop(t->buf, at_path(t, path), name, &len);

	return p && len >= (int)(4 * (n + 1)) ? fdt32_to_cpu(p[n]) : ~0U;
}

static const char *text(const struct dt *t, const char *path, const char *name)
{
	return fdt_getprop(t->buf, at_path(t, path), name, NULL);
}

TEST(each_hart_has_its_node)
{
	struct dt t = tree(3, NULL);

	CHECK_EQ(cell(&t, "/cpus", "timebase-frequency", 0), 10000000);
	CHECK_EQ(cell(&t, "/cpus", "#address-cells", 0), 1);
	CHECK_EQ(cell(&t, "/cpus", "#size-cells", 0), 0);
	CHECK_EQ(cell(&t, "/cpus/cpu@2", "reg", 0), 2);
	CHECK(at_path(&t, "/cpus/cpu@3") < 0);
	CHECK_STR(text(&t, "/cpus/cpu@2", "device_type"), "cpu");
	CHECK_STR(text(&t, "/cpus/cpu@2", "compatible"), "riscv");
	CHECK_STR(text(&t, "/cpus/cpu@2/interrupt-controller", "compatible"), "riscv,cpu-intc");
	cut(&t);
}

TEST(numbers_of_harts_are_hexadecimal)
{
	struct dt t = tree(12, NULL);

	CHECK_EQ(cell(&t, "/cpus/cpu@b", "reg", 0), 11);
	cut(&t);
}

TEST(isa_is_told_both_ways)
{
	struct dt t = tree(1, "zba");

	CHECK_STR(text(&t, "/cpus/cpu@0", "riscv,isa"), "rv64im_zba");
	CHECK_STR(text(&t, "/cpus/cpu@0", "riscv,isa-base"), "rv64i");
	CHECK_EQ(fdt_stringlist_count(t.buf, at_path(&t, "/cpus/cpu@0"), "riscv,isa-extensions"), 3);
	CHECK_EQ(fdt_stringlist_search(t.buf, at_path(&t, "/cpus/cpu@0"), "riscv,isa-extensions", "zba"), 2);
	cut(&t);
}

TEST(mmu_type_is_what_kvm_says)
{
	static const struct { u64 mode; bool old; const char *type; } t[] = {
		{ 0, false, "riscv,none" }, { 8, false, "riscv,sv39" }, { 9, false, "riscv,sv48" }, { 10, false, "riscv,sv57" },
		{ 10, true, "riscv,sv39" },
	};
	struct dt d;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		satp_mode = t[i].mode;
		old_kvm = t[i].old;
		d = tree(1, NULL);
		CHECK_STR(text(&d, "/cpus/cpu@0", "mmu-type"), t[i].type);
		cut(&d);
	}
	old_kvm = false;
}

TEST(block_sizes_go_with_their_extensions)
{
	static const struct { const char *ext, *prop; u64 *reg; } t[] = {
		{ "zicbom", "riscv,cbom-block-size", &cbom }, { "zicboz", "riscv,cboz-block-size", &cboz },
		{ "zicbop", "riscv,cbop-block-size", &cbop },
	};
	struct dt d;
	unsigned int i, j;

	cbom = 64;
	cboz = 128;
	cbop = 32;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		d = tree(1, t[i].ext);
		for (j = 0; j < ARRAY_SIZE(t); j++)
			CHECK_EQ(cell(&d, "/cpus/cpu@0", t[j].prop, 0), i == j ? (u32)*t[j].reg : ~0U);
		cut(&d);
	}
	cbom = 1ULL << 32;	/* no such cache: not told */
	d = tree(1, "zicbom");
	CHECK_EQ(cell(&d, "/cpus/cpu@0", "riscv,cbom-block-size", 0), ~0U);
	cut(&d);
}

TEST(plic_is_wired_to_each_hart)
{
	struct dt t = tree(2, NULL);
	static const char plic[] = "/interrupt-controller@8000000";
	u32 spec;

	CHECK_EQ(cell(&t, plic, "interrupts-extended", 0), cell(&t, "/cpus/cpu@0/interrupt-controller", "phandle", 0));
	CHECK_EQ(cell(&t, plic, "interrupts-extended", 1), 9);
	CHECK_EQ(cell(&t, plic, "interrupts-extended", 2), cell(&t, "/cpus/cpu@1/interrupt-controller", "phandle", 0));
	CHECK_EQ(cell(&t, plic, "interrupts-extended", 4), ~0U);
	CHECK_EQ(cell(&t, plic, "riscv,ndev", 0), IRQ_SOURCES - 1);
	CHECK_EQ(cell(&t, plic, "reg", 1), IRQCHIP_BASE);
	CHECK(!fdt_node_check_compatible(t.buf, at_path(&t, plic), "sifive,plic-1.0.0"));
	CHECK_EQ(cell(&t, plic, "phandle", 0), irq.phandle);
	CHECK(irq.cells == 1 && !irq.address_cells && !irq.msi_phandle);
	irq.specifier(7, true, &spec);
	CHECK_EQ(spec, 7);
	cut(&t);
}

TEST(largest_machine_fits_what_linux_maps)
{
	struct dt t = tree(MAX_HARTS, NULL);

	CHECK(t.size < 2 * MIB / 4);
	CHECK_EQ(cell(&t, "/cpus/cpu@1ff", "reg", 0), 511);
	cut(&t);
}

TEST(failure_to_read_the_isa_is_told)
{
	struct error err;
	struct dt t;

	rig_up(1);
	arch.irqchip = &plic_irqchip;
	isa_fails = -EIO;
	CHECK_EQ(dt_begin(&t), 0);
	CHECK_EQ(riscv_dt_nodes(&vm, &t, &irq, &err), -EIO);
	CHECK(strstr(err.msg, "ISA"));
	isa_fails = 0;
	cut(&t);
}

TEST(dtc_has_nothing_to_say)
{
	char path[] = "/tmp/lkvm-fdt-test.XXXXXX", cmd[100], said[200] = "";
	int fd = mkstemp(path);
	struct dt t;
	ssize_t n;
	FILE *p;

	if (fd < 0 || system("dtc --version >/dev/null 2>&1")) {
		unlink(path);
		SKIP("no dtc");
	}
	t = tree(3, "zicbom");
	n = write(fd, t.buf, t.size);
	close(fd);
	snprintf(cmd, sizeof(cmd), "dtc -I dtb -O dts %s 2>&1 >/dev/null || echo refused", path);
	p = popen(cmd, "r");
	if (p && !fgets(said, sizeof(said), p))
		said[0] = '\0';
	if (p)
		pclose(p);
	unlink(path);
	CHECK_EQ(n, t.size);
	CHECK_STR(said, "");
	cut(&t);
}

int main(void)
{
	satp_mode = 10;
	RUN(each_hart_has_its_node);
	RUN(numbers_of_harts_are_hexadecimal);
	RUN(isa_is_told_both_ways);
	RUN(mmu_type_is_what_kvm_says);
	RUN(block_sizes_go_with_their_extensions);
	RUN(plic_is_wired_to_each_hart);
	RUN(largest_machine_fits_what_linux_maps);
	RUN(failure_to_read_the_isa_is_told);
	RUN(dtc_has_nothing_to_say);
	return tap_done();
}
