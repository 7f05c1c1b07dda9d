/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which interrupt controllers the machine has, and interrupts as irq.c and PCI hand them over. AIA in KVM where it is there, since it
 * takes messages and costs no exits; else our PLIC, with which PCI devices have their wires alone.
 *
 * Threads: the choice on the main thread, the rest on any.
 */
#include "riscv/riscv.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/arch.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

enum { DEV_TYPE_AIA = 11 };	/* KVM_DEV_TYPE_RISCV_AIA, since Linux 6.5 */

/* --irqchip: NULL and "auto" are the best there is. -1: no such name. */
int riscv_irqchip_kind(const char *name)
{
	if (!name || !strcmp(name, "auto"))
		return IRQCHIP_NONE;
	if (!strcmp(name, aia_irqchip.name))
		return IRQCHIP_AIA;
	return strcmp(name, plic_irqchip.name) ? -1 : IRQCHIP_PLIC;
}

int riscv_irqchip_choose(struct vm *vm, struct error *err)
{
	struct kvm_create_device test = { .type = DEV_TYPE_AIA, .flags = KVM_CREATE_DEVICE_TEST };
	int kind = riscv_irqchip_kind(vm->cfg.machine.irqchip);
	bool aia = kind != IRQCHIP_PLIC && !ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &test);

	if (kind == IRQCHIP_AIA && !aia)
		return error_set(err, -EOPNOTSUPP, "--irqchip aia: this KVM has none: it takes a CPU with AIA and Linux 6.5");
	vm->arch->irqchip = aia ? &aia_irqchip : &plic_irqchip;
	return 0;
}

/* The APLIC's pins by number, as KVM has them when nobody sets a table. */
unsigned int arch_irq_routes(struct vm *vm, struct kvm_irq_routing_entry *entries, unsigned int room)
{
	u32 gsi;

	if (!vm->arch->irqchip->irqfd)
		return 0;
	for (gsi = 0; gsi <= vm->arch->sources && gsi < room; gsi++) {
		entries[gsi].gsi = gsi;
		entries[gsi].type = KVM_IRQ_ROUTING_IRQCHIP;
		entries[gsi].u.irqchip.irqchip = 0;
		entries[gsi].u.irqchip.pin = gsi;
	}
	return gsi;
}

u32 arch_irq_first_msi_gsi(const struct vm *vm)
{
	return IRQ_SOURCES;
}

int arch_irq_set(struct vm *vm, u32 gsi, bool level)
{
	return vm->arch->irqchip->set_line(vm, gsi, level);
}

int arch_msi_send(struct vm *vm, const struct msi_msg *msg)
{
	return vm->arch->irqchip->msi ? irq_kvm_msi(vm, msg, msg->addr) : -EOPNOTSUPP;
}

int arch_msi_route(struct vm *vm, const struct msi_msg *msg, struct kvm_irq_routing_entry *e)
{
	if (!vm->arch->irqchip->msi)
		return -EOPNOTSUPP;
	irq_kvm_msi_route(vm, msg, msg->addr, e);
	return 0;
}
