/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where things are: the arithmetic behind the map in arm.h, and how interrupts are numbered. No state; any thread.
 *
 * The size of guest addresses is the least that holds RAM and a window for 64 bit BARs: with few bits KVM's second stage of translation has a
 * level less to walk. [Documentation/virt/kvm/api 4.2 KVM_CREATE_VM, KVM_CAP_ARM_VM_IPA_SIZE]
 */
#include "arm/arm.h"

#include <errno.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

enum {
	IPA_BITS_MIN = 34,		/* two levels with pages of 4 KiB */
	IPA_BITS_DEFAULT = 40,		/* where KVM offers no choice */
	GIC_V2_VCPUS = 8,		/* a bit each in GICD_ITARGETSR [Arm IHI 0048] */
	GIC_V3_VCPUS = 512,		/* the redistributors' room; KVM's own limit is not above it */
};

#define MEM64_MIN	(8 * GIB)
#define REDIST_SIZE	0x20000ULL	/* RD_base and SGI_base frames, 64 KiB each [Arm IHI 0069] */
#define ITS_SIZE	0x20000ULL

/* --- addresses --- */

void arch_ram_layout(const struct vm_config *cfg, struct ram_layout *ret)
{
	ret->range[0].gpa = cfg->machine.ram_base_given ? cfg->machine.ram_base : RAM_BASE;
	ret->range[0].size = cfg->mem_size;
	ret->nr = 1;
}

struct pci_window arm_mem64_window(u64 ram_end, unsigned int ipa_bits)
{
	u64 base = align_up(MAX(ram_end, 4 * GIB), GIB), top = BIT_ULL(ipa_bits);

	return base < top ? (struct pci_window){ base, top - base } : (struct pci_window){ 0, 0 };
}

int arm_ipa_bits(const struct vm_config *cfg, unsigned int limit, unsigned int *ret, struct error *err)
{
	unsigned int most = limit ? limit : IPA_BITS_DEFAULT, bits;
	struct ram_layout layout;
	u64 end;

	arch_ram_layout(cfg, &layout);
	end = layout.range[0].gpa + layout.range[0].size;
	if (end < layout.range[0].size || end > BIT_ULL(most))
		return error_set(err, -EINVAL, "--mem %lluM@0x%llx: guest addresses have at most %u bits on this host, which is less",
				 (unsigned long long)(cfg->mem_size / MIB), (unsigned long long)layout.range[0].gpa, most);
	if (!limit) {
		*ret = IPA_BITS_DEFAULT;
		return 0;
	}
	for (bits = IPA_BITS_MIN; bits < most && arm_mem64_window(end, bits).size < MEM64_MIN; bits++)
		;
	*ret = MIN(bits, most);
	return 0;
}

void gic_map(enum gic_kind kind, unsigned int cpus, struct gic_map *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (kind == GIC_V2 || kind == GIC_V2M) {
		ret->dist = (struct pci_window){ GIC_DIST_BASE, 0x1000 };
		ret->cpui = (struct pci_window){ GIC_CPUI_BASE, 0x2000 };
		if (kind == GIC_V2M)
			ret->v2m = (struct pci_window){ V2M_BASE, V2M_SIZE };
		return;
	}
	ret->dist = (struct pci_window){ GIC_DIST_BASE, GIC_END - GIC_DIST_BASE };
	ret->redist = (struct pci_window){ GIC_DIST_BASE - cpus * REDIST_SIZE, cpus * REDIST_SIZE };
	if (kind == GIC_V3_ITS)
		ret->its = (struct pci_window){ ret->redist.base - ITS_SIZE, ITS_SIZE };
}

/* --- interrupt controllers by name --- */

static const char *const gic_names[GIC_KINDS] = {
	[GIC_NONE] = "auto", [GIC_V2] = "gicv2", [GIC_V2M] = "gicv2m", [GIC_V3] = "gicv3", [GIC_V3_ITS] = "gicv3-its",
};

const char *gic_name(enum gic_kind kind)
{
	return gic_names[kind];
}

int gic_kind_named(const char *name, enum gic_kind *ret)
{
	unsigned int i;

	for (i = 0; name && i < GIC_KINDS; i++)
		if (!strcmp(name, gic_names[i]))
			break;
	if (name && i == GIC_KINDS)
		return -EINVAL;
	*ret = (enum gic_kind)i;
	return 0;
}

unsigned int gic_kind_vcpus(enum gic_kind kind)
{
	return kind == GIC_V2 || kind == GIC_V2M ? GIC_V2_VCPUS : GIC_V3_VCPUS;
}

/* --- interrupts --- */

unsigned int arch_irq_routes(struct vm *vm, struct kvm_irq_routing_entry *entries, unsigned int room)
{
	unsigned int n;

	for (n = 0; n < GSI_LINES && n < room; n++)
		entries[n] = (struct kvm_irq_routing_entry){ .gsi = n, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip.pin = n };
	return n;
}

u32 arch_irq_first_msi_gsi(const struct vm *vm)
{
	return GSI_LINES;
}
