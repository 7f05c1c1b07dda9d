/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things are: the arithmetic behind the map in x86.h, and how interrupts are numbered. No state, no threads.
 */
#include "x86/x86.h"

#include "vmm/arch.h"
#include "vmm/vm.h"

enum { MEM64_BITS_MAX = 46 };	/* guests with four-level page tables map no more */

/* --- addresses --- */

void arch_ram_layout(const struct vm_config *cfg, struct ram_layout *ret)
{
	ret->range[0].gpa = 0;
	ret->range[0].size = MIN(cfg->mem_size, RAM_HOLE_START);
	ret->nr = 1;
	if (cfg->mem_size > RAM_HOLE_START) {
		ret->range[1].gpa = RAM_HOLE_END;
		ret->range[1].size = cfg->mem_size - RAM_HOLE_START;
		ret->nr = 2;
	}
}

struct pci_window x86_mem64_window(u64 ram_end, unsigned int phys_bits)
{
	u64 top = BIT_ULL(MIN(phys_bits, (unsigned int)MEM64_BITS_MAX));
	u64 base = align_up(MAX(ram_end, RAM_HOLE_END), GIB);

	if (base < TIB && top > TIB)
		base = TIB;
	return base < top ? (struct pci_window){ base, top - base } : (struct pci_window){ 0, 0 };
}

unsigned int x86_e820(const struct vm *vm, struct e820_entry *ret, unsigned int room)
{
	const u64 size = vm->cfg.mem_size, low = MIN(size, RAM_HOLE_START);
	const struct e820_entry all[] = {
		{ 0, EBDA_BASE, E820_RAM },
		{ EBDA_BASE, 0xa0000 - EBDA_BASE, E820_RESERVED },
		{ BIOS_BASE, HIGH_RAM_BASE - BIOS_BASE, E820_RESERVED },
		{ HIGH_RAM_BASE, low - HIGH_RAM_BASE, E820_RAM },
		{ PCI_ECAM_BASE, PCI_ECAM_BUSES * MIB, E820_RESERVED },
		{ KVM_IDENTITY_MAP_BASE, 4 * GIB - KVM_IDENTITY_MAP_BASE, E820_RESERVED },
		{ RAM_HOLE_END, size - low, E820_RAM },
	};
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(all) && n < room; i++)
		if (all[i].size)
			ret[n++] = all[i];
	return n;
}

u64 x86_rsdp_gpa(const struct vm *vm)
{
	return vm->cfg.firmware ? 0 : ACPI_BASE;
}

/* --- interrupts --- */

unsigned int arch_irq_routes(struct vm *vm, struct kvm_irq_routing_entry *entries, unsigned int room)
{
	struct kvm_irq_routing_entry *e;
	unsigned int n = 0, gsi;

	/* ISA interrupts reach both the 8259s and the I/O APIC, as on a PC. */
	for (gsi = 0; gsi < 16 && n < room; gsi++) {
		e = &entries[n++];
		e->gsi = gsi;
		e->type = KVM_IRQ_ROUTING_IRQCHIP;
		e->u.irqchip.irqchip = gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
		e->u.irqchip.pin = gsi % 8;
	}
	for (gsi = 0; gsi < IOAPIC_PINS && n < room; gsi++) {
		e = &entries[n++];
		e->gsi = gsi;
		e->type = KVM_IRQ_ROUTING_IRQCHIP;
		e->u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e->u.irqchip.pin = gsi;
	}
	return n;
}

u32 arch_irq_first_msi_gsi(const struct vm *vm)
{
	return IOAPIC_PINS;
}

u64 x86_msi_address(const struct vm *vm, u64 addr)
{
	/* Bits 11:5 are bits 14:8 of the id; KVM takes bits 31:8 of it in the upper half. [kvm/x86/cpuid; kvm/api 4.70] */
	if (!vm->arch->msi_ext_dest_id || addr >> 32)
		return addr;
	return (addr & ~0xfe0ULL) | (addr >> 5 & 0x7f) << 40;
}
