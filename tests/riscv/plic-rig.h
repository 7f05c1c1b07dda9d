/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PLIC in a VM whose KVM is played: KVM_INTERRUPT of a vCPU's descriptor moves the line that the vCPU sees.
 */
#ifndef TESTS_RISCV_PLIC_RIG_H
#define TESTS_RISCV_PLIC_RIG_H

#include "tests/hw/hw-fake.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "riscv/riscv.h"
#include "util/log.h"

enum { FD0 = 5000, MAX_HARTS = 512, SOURCES = IRQ_SOURCES - 1 };

static struct arch_vm arch;
static struct vcpu vcpus[MAX_HARTS];
static bool line[MAX_HARTS];		/* external interrupt of each vCPU */
static unsigned int calls, wrong;	/* wrong: nonsense, or lowered twice */
static bool kvm_fails;

int ioctl(int fd, unsigned long req, ...)
{
	struct kvm_interrupt *irq;
	va_list ap;
	bool level;

	va_start(ap, req);
	irq = va_arg(ap, struct kvm_interrupt *);
	va_end(ap);
	if (fd < FD0 || fd >= FD0 + MAX_HARTS || req != KVM_INTERRUPT)
		return (int)syscall(SYS_ioctl, fd, req, irq);
	calls++;
	if (kvm_fails) {
		errno = EIO;
		return -1;
	}
	/* [riscv's asm/kvm.h] KVM_INTERRUPT_SET is -1U, KVM_INTERRUPT_UNSET -2U */
	level = irq->irq == 0xffffffff;
	wrong += (!level && irq->irq != 0xfffffffe) || (!level && !line[fd - FD0]);
	line[fd - FD0] = level;
	return 0;
}

static inline u64 reg_priority(u32 source) { return IRQCHIP_BASE + 4 * source; }
static inline u64 reg_pending(u32 word) { return IRQCHIP_BASE + 0x1000 + 4 * word; }
static inline u64 reg_enable(unsigned int hart, u32 word) { return IRQCHIP_BASE + 0x2000 + 0x80 * hart + 4 * word; }
static inline u64 reg_threshold(unsigned int hart) { return IRQCHIP_BASE + 0x200000 + 0x1000 * hart; }
static inline u64 reg_claim(unsigned int hart) { return reg_threshold(hart) + 4; }

static inline u32 rd(u64 addr) { return (u32)in_n(addr, 4); }
static inline void wr(u64 addr, u32 val) { out_n(addr, val, 4); }
static inline int wire_set(u32 gsi, bool level) { return plic_irqchip.set_line(&vm, gsi, level); }

static inline void rig_up(unsigned int harts)
{
	unsigned int i;

	fake_vm();
	memset(line, 0, sizeof(line));
	memset(&arch, 0, sizeof(arch));
	calls = wrong = 0;
	kvm_fails = false;
	vm.arch = &arch;
	vm.vcpu = vcpus;
	vm.cfg.cpus = harts;
	for (i = 0; i < MAX_HARTS; i++)
		vcpus[i] = (struct vcpu){ .vm = &vm, .index = i, .fd = FD0 + (int)i };
	if (plic_irqchip.create(&vm, NULL) < 0 || plic_irqchip.init(&vm, NULL) < 0)
		abort();
}

static inline void rig_down(void)
{
	devices_free(&vm);
	if (arch.chip || !nothing_left())
		abort();
}

#endif
