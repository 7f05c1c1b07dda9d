/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arm64 machine's own nodes, as libfdt reads them and as dtc does. Bindings: Linux Documentation/devicetree/bindings/ arm/cpus.yaml,
 * arm/psci.yaml, timer/arm,arch_timer.yaml, interrupt-controller/arm,gic.yaml, arm,gic-v3.yaml.
 *
 * links: arm/fdt.c arm/map.c dt/tree.c util/error.c
 */
#include <libfdt.h>
#include <unistd.h>

#include "arm/arm.h"
#include "tests/tap.h"
#include "vmm/vm.h"

static struct vm vm;
static struct arch_vm arch;
static struct vcpu vcpus[20];
static struct arch_vcpu arch_vcpus[20];
static struct dt_interrupts irq;
static struct error err;
static struct dt t;

static void make(enum gic_kind kind, unsigned int cpus)
{
	unsigned int i;

	memset(&vm, 0, sizeof(vm));
	memset(&arch, 0, sizeof(arch));
	vm.arch = &arch;
	vm.vcpu = vcpus;
	vm.cfg.cpus = cpus;
	arch.gic = kind;
	for (i = 0; i < ARRAY_SIZE(vcpus); i++) {	/* 16 in a cluster, as KVM has it */
		vcpus[i].arch = &arch_vcpus[i];
		arch_vcpus[i].mpidr = i % 16 | i / 16 << 8;
	}
}

static bool write_tree(void)
{
	dt_free(&t);
	return !dt_begin(&t) && !arm_dt_nodes(&vm, &t, &irq, &err) && !dt_finish(&t, &err) && !fdt_check_full(t.buf, t.size);
}

static u32 cell(const char *path, const char *name, unsigned int n)
{
	int len = 0, node = fdt_path_offset(t.buf, path);
	const fdt32_t *p = node < 0 ? NULL : fdt_getprop(t.buf, node, name, &len);

	return p && (unsigned int)len >= 4 * (n + 1) ? fdt32_to_cpu(p[n]) : 0xdeadbeef;
}

static int size_of(const char *path, const char *name)
{
	int len = -1, node = fdt_path_offset(t.buf, path);

	if (node >= 0)
		fdt_getprop(t.buf, node, name, &len);
	return len;
}

static const char *text(const char *path, const char *name)
{
	int node = fdt_path_offset(t.buf, path);

	return node < 0 ? "no node" : fdt_getprop(t.buf, node, name, NULL);
}

#define GIC "/interrupt-controller@3fff0000"

TEST(gicv3_with_its)
{
	make(GIC_V3_ITS, 4);
	CHECK(write_tree());
	CHECK_STR(text(GIC, "compatible"), "arm,gic-v3");
	CHECK_EQ(cell(GIC, "phandle", 0), irq.phandle);
	CHECK_EQ(cell("/", "interrupt-parent", 0), irq.phandle);
	CHECK(irq.cells == 3 && cell(GIC, "#interrupt-cells", 0) == 3);
	CHECK_EQ(cell(GIC, "#address-cells", 0), irq.address_cells);
	CHECK_EQ(size_of(GIC, "interrupt-controller"), 0);
	CHECK_EQ(size_of(GIC, "ranges"), 0);
	CHECK_EQ(size_of(GIC, "reg"), 32);
	CHECK(cell(GIC, "reg", 1) == 0x3fff0000 && cell(GIC, "reg", 3) == 0x10000);
	CHECK(cell(GIC, "reg", 5) == 0x3ff70000 && cell(GIC, "reg", 7) == 4 * 0x20000);
	CHECK_STR(text(GIC "/msi-controller@3ff50000", "compatible"), "arm,gic-v3-its");
	CHECK_EQ(cell(GIC "/msi-controller@3ff50000", "phandle", 0), irq.msi_phandle);
	CHECK_EQ(cell(GIC "/msi-controller@3ff50000", "#msi-cells", 0), 1);
	CHECK(irq.msi_map && irq.msi_phandle != irq.phandle);
	CHECK_EQ(size_of(GIC, "interrupts"), -FDT_ERR_NOTFOUND);
}

TEST(gicv3_alone_has_no_messages)
{
	make(GIC_V3, 1);
	CHECK(write_tree());
	CHECK(!irq.msi_phandle && fdt_first_subnode(t.buf, fdt_path_offset(t.buf, GIC)) < 0);
}

TEST(gicv2_with_frame)
{
	make(GIC_V2M, 2);
	CHECK(write_tree());
	CHECK_STR(text(GIC, "compatible"), "arm,cortex-a15-gic");
	CHECK(cell(GIC, "reg", 1) == 0x3fff0000 && cell(GIC, "reg", 5) == 0x3ffd0000 && cell(GIC, "reg", 7) == 0x2000);
	CHECK_STR(text(GIC "/msi-controller@3ffcf000", "compatible"), "arm,gic-v2m-frame");
	CHECK_EQ(cell(GIC "/msi-controller@3ffcf000", "phandle", 0), irq.msi_phandle);
	CHECK_EQ(size_of(GIC "/msi-controller@3ffcf000", "#msi-cells"), -FDT_ERR_NOTFOUND);
	CHECK(!irq.msi_map);
	make(GIC_V2, 2);
	CHECK(write_tree());
	CHECK_EQ(irq.msi_phandle, 0);
}

TEST(lines_are_spis_of_their_number)
{
	u32 spec[3];

	make(GIC_V3, 1);
	CHECK(write_tree());
	irq.specifier(8, true, spec);
	CHECK(spec[0] == 0 && spec[1] == 8 && spec[2] == 4);
	irq.specifier(33, false, spec);
	CHECK(spec[0] == 0 && spec[1] == 33 && spec[2] == 1);
}

TEST(each_vcpu_has_a_node)
{
	make(GIC_V3, 20);
	CHECK(write_tree());
	CHECK_EQ(cell("/cpus", "#address-cells", 0), 1);
	CHECK_EQ(cell("/cpus", "#size-cells", 0), 0);
	CHECK_EQ(cell("/cpus/cpu@0", "reg", 0), 0);
	CHECK_EQ(cell("/cpus/cpu@f", "reg", 0), 15);
	CHECK_EQ(cell("/cpus/cpu@103", "reg", 0), 0x103);
	CHECK_STR(text("/cpus/cpu@103", "device_type"), "cpu");
	CHECK_STR(text("/cpus/cpu@103", "enable-method"), "psci");
	CHECK(fdt_path_offset(t.buf, "/cpus/cpu@104") < 0 && fdt_path_offset(t.buf, "/cpus/cpu@10") < 0);
	CHECK_STR(text("/psci", "method"), "hvc");
	CHECK_STR(text("/psci", "compatible"), "arm,psci-1.0");
}

TEST(a_guest_at_el2_calls_by_smc)
{
	make(GIC_V3, 1);
	arch.features.nested = true;
	CHECK(write_tree());
	CHECK_STR(text("/psci", "method"), "smc");
}

TEST(timers_are_the_four_of_the_binding)
{
	static const u32 ppi[] = { 13, 14, 11, 10 };
	unsigned int i;

	make(GIC_V3, 8);
	CHECK(write_tree());
	CHECK_EQ(size_of("/timer", "interrupts"), 4 * 3 * 4);
	for (i = 0; i < 4; i++)
		CHECK(cell("/timer", "interrupts", 3 * i) == 1 && cell("/timer", "interrupts", 3 * i + 1) == ppi[i] &&
		      cell("/timer", "interrupts", 3 * i + 2) == 4);
	CHECK_EQ(size_of("/timer", "always-on"), 0);
	CHECK_EQ(size_of("/timer", "clock-frequency"), -FDT_ERR_NOTFOUND);
	CHECK_EQ(size_of("/timer", "compatible"), sizeof("arm,armv8-timer"));
}

/* [arm,gic.yaml] bits 15:8 of the flags: the vCPUs that have the interrupt */
TEST(gicv2_names_the_cpus_of_a_ppi)
{
	make(GIC_V2, 3);
	CHECK(write_tree());
	CHECK_EQ(cell("/timer", "interrupts", 2), 0x704);
	make(GIC_V2M, 8);
	CHECK(write_tree());
	CHECK_EQ(cell("/timer", "interrupts", 2), 0xff04);
}

TEST(what_is_asked_for_is_told)
{
	make(GIC_V3, 1);
	CHECK(write_tree());
	CHECK(fdt_path_offset(t.buf, "/pmu") < 0);
	arch.features.pmu = arch.features.nested = arch.features.aarch32 = true;
	vm.cfg.machine.bad_cntfrq = 62500000;
	CHECK(write_tree());
	CHECK(cell("/pmu", "interrupts", 0) == 1 && cell("/pmu", "interrupts", 1) == 7 && cell("/pmu", "interrupts", 2) == 4);
	CHECK_STR(text("/pmu", "compatible"), "arm,armv8-pmuv3");
	CHECK(cell(GIC, "interrupts", 0) == 1 && cell(GIC, "interrupts", 1) == 9);
	CHECK_EQ(cell("/timer", "clock-frequency", 0), 62500000);
	CHECK_EQ(size_of("/timer", "compatible"), sizeof("arm,armv8-timer") + sizeof("arm,armv7-timer"));
}

TEST(dtc_reads_it_without_a_warning)
{
	char dtb[] = "/tmp/arm-fdt-test.XXXXXX", cmd[200];
	unsigned int kind;
	int fd, r = 0;

	if (system("command -v dtc > /dev/null"))
		SKIP("no dtc (Debian: device-tree-compiler)");
	fd = mkstemp(dtb);
	CHECK(fd >= 0);
	snprintf(cmd, sizeof(cmd), "dtc -I dtb -O dts -o /dev/null %s 2> %s.log; sed 's/^/# /' %s.log; test ! -s %s.log", dtb, dtb, dtb, dtb);
	for (kind = GIC_V2; kind < GIC_KINDS && !r; kind++) {
		make((enum gic_kind)kind, 4);
		arch.features.pmu = arch.features.nested = true;
		r = !write_tree() || ftruncate(fd, 0) || pwrite(fd, t.buf, t.size, 0) != (ssize_t)t.size || system(cmd);
	}
	close(fd);
	unlink(dtb);
	snprintf(cmd, sizeof(cmd), "%s.log", dtb);
	unlink(cmd);
	CHECK_EQ(r, 0);
}

int main(void)
{
	RUN(gicv3_with_its);
	RUN(gicv3_alone_has_no_messages);
	RUN(gicv2_with_frame);
	RUN(lines_are_spis_of_their_number);
	RUN(each_vcpu_has_a_node);
	RUN(a_guest_at_el2_calls_by_smc);
	RUN(timers_are_the_four_of_the_binding);
	RUN(gicv2_names_the_cpus_of_a_ppi);
	RUN(what_is_asked_for_is_told);
	RUN(dtc_reads_it_without_a_warning);
	dt_free(&t);
	return tap_done();
}
