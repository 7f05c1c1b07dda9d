/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers of KVM's arm64 device interface that <asm/kvm.h> has only on arm64. Here so that what is made of them is built and tested
 * on every architecture; gic.c holds them against <asm/kvm.h> where there is one.
 * [Documentation/virt/kvm/devices/arm-vgic, arm-vgic-v3, arm-vgic-its; api 4.25]
 */
#ifndef ARM_GIC_ABI_H
#define ARM_GIC_ABI_H

#include "util/types.h"

enum {
	VGIC_GRP_ADDR = 0,
	VGIC_GRP_DIST_REGS = 1,
	VGIC_GRP_CPU_REGS = 2,		/* GICv2's GICC */
	VGIC_GRP_NR_IRQS = 3,
	VGIC_GRP_CTRL = 4,
	VGIC_GRP_REDIST_REGS = 5,
	VGIC_GRP_CPU_SYSREGS = 6,

	VGIC_ADDR_V2_DIST = 0,
	VGIC_ADDR_V2_CPU = 1,
	VGIC_ADDR_V3_DIST = 2,
	VGIC_ADDR_ITS = 4,
	VGIC_ADDR_V3_REDIST_REGION = 5,

	VGIC_CTRL_INIT = 0,
	VGIC_CTRL_ITS_RESET = 4,

	VGIC_CPU_SHIFT = 32,		/* of the vCPU in a register's attribute: its number, or its affinity packed */
	VGIC_REDIST_COUNT_SHIFT = 52,

	KVM_IRQ_TYPE_SHIFT = 24,	/* in kvm_irq_level.irq */
	KVM_IRQ_TYPE_SPI = 1,
};

#endif
