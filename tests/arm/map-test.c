/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arm64 map: RAM, bits of guest addresses, the 64 bit window, where controllers are, interrupt routes.
 *
 * links: arm/map.c util/error.c
 */
#include <errno.h>

#include "arm/arm.h"
#include "tests/tap.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

static struct vm_config cfg;
static struct error err;

static void make(u64 base, u64 mem)
{
	memset(&cfg, 0, sizeof(cfg));
	memset(&err, 0, sizeof(err));
	cfg.mem_size = mem;
	cfg.machine.ram_base = base;
	cfg.machine.ram_base_given = base;
}

TEST(ram_is_one_piece_where_it_is_wanted)
{
	struct ram_layout l;

	make(0, 5 * GIB);
	arch_ram_layout(&cfg, &l);
	CHECK_EQ(l.nr, 1);
	CHECK_EQ(l.range[0].gpa, 0x80000000);
	CHECK_EQ(l.range[0].size, 5 * GIB);
	make(0x4080000000, GIB);
	arch_ram_layout(&cfg, &l);
	CHECK_EQ(l.range[0].gpa, 0x4080000000);
}

TEST(addresses_are_no_larger_than_ram_and_window_want)
{
	static const struct { u64 base, mem; unsigned int limit, bits; } t[] = {
		{ 0, 4 * MIB, 44, 34 }, { 0, 4 * GIB, 44, 34 }, { 0, 8 * GIB, 44, 35 }, { 0, 64 * GIB, 44, 37 },
		{ 0, TIB, 48, 41 }, { BIT_ULL(40), GIB, 44, 41 }, { 0, GIB, 33, 33 }, { 0, GIB, 32, 32 },
		{ 0, 14 * GIB, 34, 34 },	/* all of it RAM */
		{ 0, GIB, 0, 40 },		/* the host offers no choice */
	};
	unsigned int i, bits;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		make(t[i].base, t[i].mem);
		bits = 0;
		CHECK_EQ(arm_ipa_bits(&cfg, t[i].limit, &bits, &err), 0);
		CHECK_EQ(bits, t[i].bits);
	}
}

TEST(ram_beyond_the_hosts_addresses_is_refused)
{
	unsigned int bits = 7;

	make(0, TIB);
	CHECK_EQ(arm_ipa_bits(&cfg, 40, &bits, &err), -EINVAL);
	CHECK_STR(err.msg, "--mem 1048576M@0x80000000: guest addresses have at most 40 bits on this host, which is less");
	CHECK_EQ(arm_ipa_bits(&cfg, 0, &bits, &err), -EINVAL);
	make(0xffffffffffe00000, 4 * MIB);	/* wraps */
	CHECK_EQ(arm_ipa_bits(&cfg, 52, &bits, &err), -EINVAL);
	make(BIT_ULL(40) - GIB, GIB + MIB);
	CHECK_EQ(arm_ipa_bits(&cfg, 40, &bits, &err), -EINVAL);
	CHECK_EQ(bits, 7);
	make(BIT_ULL(40) - GIB, GIB);
	CHECK_EQ(arm_ipa_bits(&cfg, 40, &bits, &err), 0);
	CHECK_EQ(bits, 40);
}

TEST(window_is_above_ram_and_4g)
{
	struct pci_window w = arm_mem64_window(0x80000000 + 256 * MIB, 34);

	CHECK_EQ(w.base, 4 * GIB);
	CHECK_EQ(w.size, 12 * GIB);
	w = arm_mem64_window(6 * GIB + 4096, 36);
	CHECK_EQ(w.base, 7 * GIB);
	CHECK_EQ(w.base + w.size, 64 * GIB);
	CHECK_EQ(arm_mem64_window(3 * GIB, 32).size, 0);
	CHECK_EQ(arm_mem64_window(16 * GIB, 34).size, 0);
}

static bool inside(const struct pci_window *w, u64 floor, u64 end)
{
	return !w->size || (w->base >= floor && w->base + w->size <= end);
}

/* Nothing of a controller reaches into another part of it, the slots below or the bus above. */
TEST(controllers_fit_below_pci)
{
	const u64 floor = VIRTIO_MMIO_BASE + VIRTIO_MMIO_SLOTS * VIRTIO_MMIO_STRIDE;
	unsigned int kind, cpus;
	struct gic_map m;

	for (kind = GIC_V2; kind < GIC_KINDS; kind++) {
		for (cpus = 1; cpus <= gic_kind_vcpus((enum gic_kind)kind); cpus++) {
			gic_map((enum gic_kind)kind, cpus, &m);
			CHECK_EQ(m.dist.base, 0x3fff0000);
			CHECK(inside(&m.dist, floor, GIC_END));
			CHECK(inside(&m.cpui, floor, m.dist.base) && inside(&m.redist, floor, m.dist.base));
			CHECK(inside(&m.v2m, floor, m.cpui.base) && inside(&m.its, floor, m.redist.base));
			CHECK_EQ(m.redist.size, kind >= GIC_V3 ? cpus * 0x20000ULL : 0);
			CHECK_EQ(m.redist.base % 0x10000, 0);
			CHECK_EQ(m.its.size != 0, kind == GIC_V3_ITS);
			CHECK_EQ(m.v2m.size != 0, kind == GIC_V2M);
		}
	}
}

/* Where kvmtool has them: firmware for it may know. */
TEST(controllers_are_where_kvmtool_has_them)
{
	struct gic_map m;

	gic_map(GIC_V2M, 4, &m);
	CHECK(m.cpui.base == 0x3ffd0000 && m.v2m.base == 0x3ffcf000);
	gic_map(GIC_V3_ITS, 4, &m);
	CHECK(m.redist.base == 0x3ff70000 && m.its.base == 0x3ff50000);
}

TEST(controllers_have_names)
{
	enum gic_kind kind = GIC_V2;
	unsigned int i;

	CHECK_EQ(gic_kind_named(NULL, &kind), 0);
	CHECK_EQ(kind, GIC_NONE);
	for (i = 0; i < GIC_KINDS; i++) {
		CHECK_EQ(gic_kind_named(gic_name((enum gic_kind)i), &kind), 0);
		CHECK_EQ(kind, i);
	}
	CHECK_EQ(gic_kind_named("gicv4", &kind), -EINVAL);
	CHECK_EQ(gic_kind_named("", &kind), -EINVAL);
	CHECK(gic_kind_vcpus(GIC_V2) == 8 && gic_kind_vcpus(GIC_V2M) == 8 && gic_kind_vcpus(GIC_NONE) == 512);
}

TEST(each_line_is_the_spi_of_its_number)
{
	struct kvm_irq_routing_entry e[256] = { { 0 } };
	static struct vm vm;
	unsigned int i;

	CHECK_EQ(arch_irq_routes(&vm, e, ARRAY_SIZE(e)), GSI_LINES);
	for (i = 0; i < GSI_LINES; i++)
		CHECK(e[i].gsi == i && e[i].type == KVM_IRQ_ROUTING_IRQCHIP && !e[i].u.irqchip.irqchip && e[i].u.irqchip.pin == i);
	CHECK_EQ(arch_irq_routes(&vm, e, 5), 5);
	CHECK_EQ(arch_irq_first_msi_gsi(&vm), GSI_LINES);
	CHECK(GSI_V2M + V2M_SPIS <= GSI_LINES && GSI_VIRTIO_MMIO + VIRTIO_MMIO_SLOTS <= GSI_V2M);
}

int main(void)
{
	RUN(ram_is_one_piece_where_it_is_wanted);
	RUN(addresses_are_no_larger_than_ram_and_window_want);
	RUN(ram_beyond_the_hosts_addresses_is_refused);
	RUN(window_is_above_ram_and_4g);
	RUN(controllers_fit_below_pci);
	RUN(controllers_are_where_kvmtool_has_them);
	RUN(controllers_have_names);
	RUN(each_line_is_the_spi_of_its_number);
	return tap_done();
}
