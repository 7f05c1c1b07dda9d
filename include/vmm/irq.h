/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts into the in-kernel irqchip: wired lines, message signalled
 * interrupts, and eventfd routes for what runs outside lkvm (vhost, VFIO).
 * [Documentation/virt/kvm/api 4.25 KVM_IRQ_LINE, 4.52 KVM_SET_GSI_ROUTING, 4.70 KVM_SIGNAL_MSI, 4.75 KVM_IRQFD]
 */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include "util/types.h"

struct vm;
struct irq_line;

/* One device's end of a wire. Several may share a GSI: the wire is high while any end is. */
int irq_line_get(struct vm *vm, u32 gsi, struct irq_line **ret);
/* Lowers its end first. NULL is fine. */
void irq_line_put(struct irq_line *line);
/* Any thread. Setting the level it has costs nothing. */
void irq_line_set(struct irq_line *line, bool level);
/* Raise and lower: one edge. */
void irq_line_pulse(struct irq_line *line);

struct msi_msg {
	u64 addr;
	u32 data;
	u32 devid;	/* requester id; used where KVM wants it (ITS) */
};

/* Delivers once. Any thread. 0 or -errno; a message to no CPU is dropped silently. */
int irq_msi_send(struct vm *vm, const struct msi_msg *msg);
/* For arch_msi_send() and arch_msi_route(): as KVM takes them, with @addr in place of the message's. */
int irq_kvm_msi(struct vm *vm, const struct msi_msg *msg, u64 addr);
struct kvm_irq_routing_entry;
void irq_kvm_msi_route(const struct vm *vm, const struct msi_msg *msg, u64 addr, struct kvm_irq_routing_entry *e);

/* A GSI that stands for an MSI message, for irqfds. Any thread. -ENOSPC: all in use. */
int irq_route_add(struct vm *vm, const struct msi_msg *msg, u32 *ret_gsi);
int irq_route_update(struct vm *vm, u32 gsi, const struct msi_msg *msg);
void irq_route_del(struct vm *vm, u32 gsi);

/* Signalling @fd injects @gsi; @resample_fd >= 0 makes it level triggered (signalled at EOI). */
int irq_irqfd_add(struct vm *vm, u32 gsi, int fd, int resample_fd);
void irq_irqfd_del(struct vm *vm, u32 gsi, int fd);

/* After arch_irqchip_create(): whether KVM wants requester ids is not known before. Main thread. */
int irq_init(struct vm *vm);
void irq_free(struct vm *vm);

#include "vmm/iomap.h"

/*
 * KVM signals @fd on a guest write of @len bytes (0: any) at @addr, and no exit
 * happens; with @match only for value @data. [api 4.59 KVM_IOEVENTFD] Ports are where the machine has them (ioport_window_create).
 */
int ioeventfd_add(struct vm *vm, enum io_space space, u64 addr, unsigned int len, bool match, u64 data, int fd);
void ioeventfd_del(struct vm *vm, enum io_space space, u64 addr, unsigned int len, bool match, u64 data, int fd);

#endif
