/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things are: the arithmetic behind the map in riscv.h. No state; any thread.
 */
#include "riscv/riscv.h"

#include "vmm/arch.h"
#include "vmm/vm.h"

void arch_ram_layout(const struct vm_config *cfg, struct ram_layout *ret)
{
	ret->range[0].gpa = RAM_BASE;
	ret->range[0].size = cfg->mem_size;
	ret->nr = 1;
}

struct pci_window riscv_mem64_window(u64 ram_end, unsigned int gpa_bits)
{
	u64 top = BIT_ULL(gpa_bits), base = align_up(MAX(ram_end, 4 * GIB), GIB);

	/* At an address that does not change with each size of RAM. */
	if (base < TIB && top > TIB)
		base = TIB;
	return base < top ? (struct pci_window){ base, top - base } : (struct pci_window){ 0, 0 };
}
