/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The riscv64 machine's map and what its files share. Private to riscv/ and its tests.
 *
 * Guest physical addresses, as kvmtool has them where it has them:
 *   0x00000000  PCI I/O ports, 64 KiB		0x08000000  PLIC, or APLIC and IMSICs, 128 MiB
 *   0x10000000  four 16550 UARTs, 4 KiB apart	0x10010000  RTC (MC146818: index, data)
 *   0x10020000  virtio-mmio, 0x200 apart	0x10030000  debug-exit
 *   0x20000000  CFI flash, 16 MiB
 *   0x30000000  ECAM, 256 buses		0x40000000 .. 0x7fffffff  PCI memory window, 32 bit
 *   0x80000000  RAM; above it the 64 bit PCI window, up to the size of guest addresses
 *
 * GSI n is source n of the PLIC or APLIC, which have no 0: 1..4 UARTs, 5 RTC, 8..15 PCI INTx, 32..95 virtio-mmio.
 */
#ifndef RISCV_RISCV_H
#define RISCV_RISCV_H

#include <linux/kvm.h>

#include "dt/dt.h"
#include "util/error.h"
#include "util/log.h"
#include "util/str.h"
#include "util/types.h"
#include "vmm/memory.h"
#include "vmm/pci.h"

struct vcpu;
struct vm;
struct vm_config;

#define PORTS_BASE		0x0ULL
#define IRQCHIP_BASE		0x08000000ULL
#define IRQCHIP_SIZE		0x08000000ULL
#define UART_BASE		0x10000000ULL
#define UART_STRIDE		0x1000ULL
#define RTC_BASE		0x10010000ULL
#define VIRTIO_MMIO_BASE	0x10020000ULL
#define VIRTIO_MMIO_STRIDE	0x200
#define VIRTIO_MMIO_SLOTS	64
#define DEBUG_EXIT_BASE		0x10030000ULL
#define FLASH_BASE		0x20000000ULL
#define PCI_ECAM_BASE		0x30000000ULL
#define PCI_ECAM_BUSES		256
#define PCI_MEM32_BASE		0x40000000ULL
#define PCI_MEM32_SIZE		0x40000000ULL
#define PCI_IO_FIRMWARE		0x6200
#define RAM_BASE		0x80000000ULL

enum { GSI_UART = 1, GSI_RTC = 5, GSI_PCI = 8, GSI_VIRTIO_MMIO = 32, IRQ_SOURCES = 96 };

enum irqchip_kind { IRQCHIP_NONE, IRQCHIP_PLIC, IRQCHIP_AIA };

/* --- irqchip.c, aia.c, plic.c: the best, or the one cfg.machine.irqchip names (plic, aia) --- */

struct irqchip_ops {
	const char *name;
	int (*create)(struct vm *vm, struct error *err);	/* before the vCPUs */
	int (*init)(struct vm *vm, struct error *err);		/* when all vCPUs exist; a PLIC maps its registers */
	int (*set_line)(struct vm *vm, u32 gsi, bool level);	/* any thread, serialised by irq.c */
	int (*reset)(struct vm *vm, struct error *err);		/* restart in place; the first call keeps the power-on state */
	void (*free)(struct vm *vm);
	void (*dt)(struct vm *vm, struct dt *t, const u32 *cpu_intc, struct dt_interrupts *ret);	/* cpu_intc: phandle of each hart's controller */
	bool msi, irqfd;
};
extern const struct irqchip_ops aia_irqchip, plic_irqchip;
int riscv_irqchip_choose(struct vm *vm, struct error *err);	/* sets vm->arch->irqchip */
int riscv_irqchip_kind(const char *name);	/* of --irqchip: IRQCHIP_NONE is "the best"; -1: no such name */

/* --- map.c --- */

/* Above RAM, below the end of guest addresses; size 0: no room. */
struct pci_window riscv_mem64_window(u64 ram_end, unsigned int gpa_bits);

/* --- onereg.c: registers of a vCPU by KVM's typed numbers [Documentation/virt/kvm/api 4.68] --- */

int riscv_get_reg(struct vcpu *vcpu, u64 id, u64 *ret);		/* 32 or 64 bit, as the id says */
int riscv_set_reg(struct vcpu *vcpu, u64 id, u64 val);

/* --- isa.c: extensions of the ISA and of SBI, and options that take them away --- */

/* Judges cfg.cpu: "host[,-zba,-sbi-sta,...]". Names: riscv/isa-names.h, which machine.c makes --disable-NAME of (cfg.machine.isa_off[]). */
int isa_check(const struct vm_config *cfg, struct error *err);
/* Takes what cfg says (cpu, machine.isa_off[], sbi_off[], no_pvtime) from one vCPU, which never ran, and sets machine.m*id. */
int isa_apply(struct vcpu *vcpu, struct error *err);
/* riscv,isa of that vCPU ("rv64imafdc_zicntr_..."), and the NULL terminated names for riscv,isa-extensions in @ret_list. */
int isa_string(struct vcpu *vcpu, struct strbuf *ret, const char **ret_list, unsigned int room);

/* --- sbi.c, csr.c; the vCPU's thread --- */

int sbi_exit(struct vcpu *vcpu);	/* KVM_EXIT_RISCV_SBI. 0, or -errno: not to be answered */
int sbi_init(struct vm *vm);		/* these three: main thread */
void sbi_reset(struct vm *vm);
void sbi_free(struct vm *vm);
int csr_exit(struct vcpu *vcpu);	/* KVM_EXIT_RISCV_CSR */

/* --- machine.c, vcpu.c --- */

struct arch_vm {
	unsigned int gpa_bits;
	struct pci_window mem64;
	const struct irqchip_ops *irqchip;
	void *chip;			/* owned: the irqchip's */
	u32 sources;			/* GSIs 1 .. this are wired; set by the irqchip */
	u64 timebase;			/* Hz */
	struct sbi_console *console;	/* owned: sbi.c's, from the first vCPU to the last */
	struct dt_entry entry;
	bool booted;
};

struct arch_vcpu {
	bool was_reset;
	struct riscv_kept *kept;	/* owned: with cfg.reboot, registers at power on */
	struct log_rate rate;
};

/* --- fdt.c --- */
int riscv_dt_nodes(struct vm *vm, struct dt *t, struct dt_interrupts *ret, struct error *err);

#endif
