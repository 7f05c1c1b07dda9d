/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map: RAM and holes of machines small and large, the 64 bit window, interrupt routes, MSI addresses.
 *
 * links: x86/map.c
 */
#include "tests/tap.h"
#include "vmm/arch.h"
#include "vmm/vm.h"
#include "x86/x86.h"

static struct arch_vm arch;
static struct vm vm;

static void make(u64 mem)
{
	memset(&vm, 0, sizeof(vm));
	memset(&arch, 0, sizeof(arch));
	vm.cfg.mem_size = mem;
	vm.arch = &arch;
}

/* Sorted, disjoint, and all RAM is in it but what lies under 0x9fc00..1 MiB. */
static void check_map(u64 mem, unsigned int entries)
{
	struct e820_entry e[16];
	struct ram_layout layout;
	u64 ram = 0, end = 0;
	unsigned int i, n;

	make(mem);
	n = x86_e820(&vm, e, ARRAY_SIZE(e));
	CHECK_EQ(n, entries);
	for (i = 0; i < n; i++) {
		CHECK(e[i].size && e[i].addr >= end);
		end = e[i].addr + e[i].size;
		if (e[i].type == E820_RAM)
			ram += e[i].size;
	}
	CHECK_EQ(ram, mem - (HIGH_RAM_BASE - EBDA_BASE));

	arch_ram_layout(&vm.cfg, &layout);
	CHECK_EQ(layout.nr, mem > RAM_HOLE_START ? 2 : 1);
	CHECK_EQ(layout.range[0].gpa, 0);
	CHECK_EQ(layout.range[0].size + (layout.nr > 1 ? layout.range[1].size : 0), mem);
	CHECK(layout.nr == 1 || layout.range[1].gpa == 4 * GIB);
}

TEST(small_machine_has_ram_below_the_hole)
{
	check_map(2 * MIB, 6);
}

TEST(hole_begins_exactly_after_full_low_ram)
{
	check_map(RAM_HOLE_START, 6);
}

TEST(one_page_more_goes_above_4g)
{
	check_map(RAM_HOLE_START + 4096, 7);
}

TEST(large_machine)
{
	check_map(2 * TIB, 7);
}

TEST(memory_map_never_exceeds_its_room)
{
	struct e820_entry e[3] = { { 0 } };

	make(8 * GIB);
	CHECK_EQ(x86_e820(&vm, e, 2), 2);
	CHECK_EQ(e[2].size, 0);
}

TEST(window_is_above_ram_and_below_the_address_limit)
{
	static const struct { u64 ram_end; unsigned int bits; u64 base, end; } cases[] = {
		{ 256 * MIB, 36, 4 * GIB, 64 * GIB },
		{ 5 * GIB + 4096, 36, 6 * GIB, 64 * GIB },
		{ 256 * MIB, 40, 4 * GIB, TIB },
		{ 256 * MIB, 41, TIB, 2 * TIB },
		{ 256 * MIB, 48, TIB, 64 * TIB },
		{ 3 * TIB, 52, 3 * TIB, 64 * TIB },
	};
	struct pci_window w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		w = x86_mem64_window(cases[i].ram_end, cases[i].bits);
		CHECK_EQ(w.base, cases[i].base);
		CHECK_EQ(w.base + w.size, cases[i].end);
	}
	CHECK_EQ(x86_mem64_window(64 * GIB, 36).size, 0);
	CHECK_EQ(x86_mem64_window(GIB, 32).size, 0);
}

TEST(firmware_gets_no_tables_of_ours)
{
	make(GIB);
	CHECK_EQ(x86_rsdp_gpa(&vm), ACPI_BASE);
	vm.cfg.firmware = "bios.bin";
	CHECK_EQ(x86_rsdp_gpa(&vm), 0);
}

TEST(isa_interrupts_reach_both_kinds_of_controller)
{
	struct kvm_irq_routing_entry e[64] = { { 0 } };
	unsigned int i, n, pic[24] = { 0 }, ioapic[24] = { 0 };

	make(GIB);
	n = arch_irq_routes(&vm, e, ARRAY_SIZE(e));
	CHECK_EQ(n, 40);
	for (i = 0; i < n; i++) {
		CHECK(e[i].gsi < arch_irq_first_msi_gsi(&vm));
		CHECK_EQ(e[i].type, KVM_IRQ_ROUTING_IRQCHIP);
		if (e[i].u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC) {
			CHECK_EQ(e[i].u.irqchip.pin, e[i].gsi);
			ioapic[e[i].gsi]++;
		} else {
			CHECK_EQ(e[i].u.irqchip.pin + 8 * (e[i].u.irqchip.irqchip == KVM_IRQCHIP_PIC_SLAVE), e[i].gsi);
			pic[e[i].gsi]++;
		}
	}
	for (i = 0; i < 24; i++) {
		CHECK_EQ(ioapic[i], 1);
		CHECK_EQ(pic[i], i < 16);
	}
	CHECK_EQ(arch_irq_routes(&vm, e, 5), 5);
}

/* [kvm/x86/cpuid KVM_FEATURE_MSI_EXT_DEST_ID] bits 11:5 are bits 14:8 of the id */
TEST(msi_addresses_carry_15_bits_of_id)
{
	make(GIB);
	CHECK_EQ(x86_msi_address(&vm, 0xfee0ffe4), 0xfee0ffe4);	/* not told of: as it is */
	arch.msi_ext_dest_id = true;
	CHECK_EQ(x86_msi_address(&vm, 0xfee0f004), 0xfee0f004);
	CHECK_EQ(x86_msi_address(&vm, 0xfee1f024), 0x00000100fee1f004ULL);	/* id 0x11f: KVM takes 0x100 above, 0x1f below */
	CHECK_EQ(x86_msi_address(&vm, 0xfeeffff0), 0x00007f00feeff010ULL);	/* id 0x7fff, logical mode kept */
	CHECK_EQ(x86_msi_address(&vm, 0x1fee0f024ULL), 0x1fee0f024ULL);	/* no MSI address of a PC */
}

int main(void)
{
	RUN(small_machine_has_ram_below_the_hole);
	RUN(hole_begins_exactly_after_full_low_ram);
	RUN(one_page_more_goes_above_4g);
	RUN(large_machine);
	RUN(memory_map_never_exceeds_its_room);
	RUN(window_is_above_ram_and_below_the_address_limit);
	RUN(firmware_gets_no_tables_of_ours);
	RUN(isa_interrupts_reach_both_kinds_of_controller);
	RUN(msi_addresses_carry_15_bits_of_id);
	return tap_done();
}
