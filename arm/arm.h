/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arm64 machine's map and what its files share. Private to arm/ and its tests.
 *
 * Guest physical addresses, as kvmtool has them where it has them:
 *   0x00000000  PCI I/O ports, 64 KiB
 *   0x01000000  four 16550 UARTs, 4 KiB apart	0x01010000  RTC (MC146818: index, data)
 *   0x01020000  stolen time, 64 KiB		0x01030000  debug-exit
 *   0x01040000  GPIO (PL061): the power button	0x01050000  preempted flags, 64 KiB
 *   0x02000000  CFI flash, 16 MiB		0x03000000  virtio-mmio, 0x200 apart
 *   0x3fff0000  GIC distributor; below it the redistributors, 128 KiB a vCPU, and the ITS; or 0x3ffd0000 GICv2's CPU interface, 0x3ffcf000 MSI frame
 *   0x40000000  ECAM, 256 buses		0x50000000 .. 0x7fffffff  PCI memory window, 32 bit
 *   0x80000000  RAM, or where -m SIZE@ADDR says; above it the 64 bit PCI window, up to the size of guest addresses
 *
 * GSI n is SPI n, INTID n + 32: 0..3 UARTs, 4 RTC, 5 GPIO, 8..15 PCI INTx, 32..95 virtio-mmio, 128..191 GICv2m's MSIs. PPIs: timers 13, 14, 11, 10;
 * PMU 7 (INTID 23); the GIC's own, for nested guests, 9.
 */
#ifndef ARM_ARM_H
#define ARM_ARM_H

#include <linux/kvm.h>

#include "dt/dt.h"
#include "util/error.h"
#include "util/log.h"
#include "util/str.h"
#include "util/types.h"
#include "vmm/memory.h"
#include "vmm/pci.h"

struct msi_msg;
struct vcpu;
struct vm;
struct vm_config;

#define PORTS_BASE		0x0ULL
#define UART_BASE		0x01000000ULL
#define UART_STRIDE		0x1000ULL
#define RTC_BASE		0x01010000ULL
#define PVTIME_BASE		0x01020000ULL
#define PVTIME_SIZE		0x10000ULL
#define DEBUG_EXIT_BASE		0x01030000ULL
#define GPIO_BASE		0x01040000ULL
#define PVLOCK_BASE		0x01050000ULL
#define PVLOCK_SIZE		0x10000ULL
#define FLASH_BASE		0x02000000ULL
#define VIRTIO_MMIO_BASE	0x03000000ULL
#define VIRTIO_MMIO_STRIDE	0x200
#define VIRTIO_MMIO_SLOTS	64
#define GIC_END			0x40000000ULL
#define GIC_DIST_BASE		0x3fff0000ULL
#define GIC_CPUI_BASE		0x3ffd0000ULL	/* GICv2 */
#define V2M_BASE		0x3ffcf000ULL
#define V2M_SIZE		0x1000ULL
#define PCI_ECAM_BASE		0x40000000ULL
#define PCI_ECAM_BUSES		256
#define PCI_MEM32_BASE		0x50000000ULL
#define PCI_MEM32_SIZE		0x30000000ULL
#define PCI_IO_FIRMWARE		0x6200
#define RAM_BASE		0x80000000ULL

enum {
	GSI_UART = 0, GSI_RTC = 4, GSI_GPIO = 5, GSI_PCI = 8, GSI_VIRTIO_MMIO = 32, GSI_V2M = 128, V2M_SPIS = 64,
	GSI_LINES = 224,		/* SPIs of the controller: 256 INTIDs in all */
	SPI_FIRST_INTID = 32,
	PPI_VTIMER = 11, PPI_PTIMER = 14, PPI_STIMER = 13, PPI_HTIMER = 10, PPI_PMU = 7, PPI_MAINTENANCE = 9,	/* INTID = PPI + 16 */
};

enum gic_kind { GIC_NONE, GIC_V2, GIC_V2M, GIC_V3, GIC_V3_ITS, GIC_KINDS };

/* --- map.c: arithmetic, no KVM --- */

/* Address bits of the guest, where the host's most are @limit (0: it offers no choice), for RAM and a 64 bit PCI window above it. */
int arm_ipa_bits(const struct vm_config *cfg, unsigned int limit, unsigned int *ret, struct error *err);
struct pci_window arm_mem64_window(u64 ram_end, unsigned int ipa_bits);
/* Where the parts of a controller for @cpus vCPUs are; size 0: it has no such part. */
struct gic_map {
	struct pci_window dist, cpui, redist, its, v2m;
};
void gic_map(enum gic_kind kind, unsigned int cpus, struct gic_map *ret);
/* NULL or "auto": GIC_NONE, the best there is. -EINVAL: no such name. */
int gic_kind_named(const char *name, enum gic_kind *ret);
const char *gic_name(enum gic_kind kind);
/* Most vCPUs that such a controller can have; GIC_NONE: the best of them. 8 with GICv2. */
unsigned int gic_kind_vcpus(enum gic_kind kind);

/* --- features.c: what the vCPUs have --- */

struct arm_features {
	bool sve, pauth, mte, pmu, nested, aarch32;
	unsigned int sve_max_vl;	/* bits; 0: all the host's */
};
/* Judges cfg.cpu ("host[,+name,-name]": sve, pauth, mte, pmu) and cfg.machine (disable_mte is as -mte) without a KVM. */
int arm_features_check(const struct vm_config *cfg, struct error *err);
/* What of it this KVM offers: by default all but pmu and nested. Asked for and not offered: -EOPNOTSUPP by name. After the VM's file exists. */
int arm_features_get(struct vm *vm, struct arm_features *ret, struct error *err);

/* --- machine.c, vcpu.c --- */

struct arch_vm {
	unsigned int ipa_bits;
	struct pci_window mem64;
	enum gic_kind gic;
	int gic_fd, its_fd;		/* owned; -1: none */
	struct gic_state *gic_state;	/* owned: gic-state.c's; with cfg.reboot: at power on */
	struct arm_features features;
	struct dt_entry entry;
	void *pvtime;			/* owned: its memory, PVTIME_SIZE; NULL: none */
	void *pvlock;			/* owned: its memory, PVLOCK_SIZE; NULL: none */
};

struct arch_vcpu {
	u32 target;			/* of KVM_ARM_VCPU_INIT */
	bool was_reset;
	u64 mpidr;			/* its affinity fields alone */
	struct log_rate nisv_rate;
};

/* --- gic.c: kinds tried best first, or the one cfg.machine.irqchip names (gicv2, gicv2m, gicv3, gicv3-its) --- */

int gic_create(struct vm *vm, struct error *err);	/* before the vCPUs */
int gic_init(struct vm *vm, struct error *err);		/* when all vCPUs exist */
void gic_free(struct vm *vm);
/* Attribute @attr of @group of a KVM device file. 0 or -errno. */
int gic_get_attr(int fd, u32 group, u64 attr, void *val);
int gic_set_attr(int fd, u32 group, u64 attr, const void *val);

/* --- gic-state.c: restart in place --- */

/* The first call keeps the registers' values at power on, later ones put them back. vCPUs paused. */
int gic_reset(struct vm *vm, struct error *err);
void gic_state_free(struct gic_state *st);

/* --- gic-v2m.c: the MSI frame of a GICv2, a device of ours [Arm DEN0029 SBSA, GICv2m architecture] --- */

int gic_v2m_create(struct vm *vm, struct error *err);	/* with the machine */
/* The line that message @msg pulses. -EINVAL: it is none of the frame's. */
int gic_v2m_gsi(const struct msi_msg *msg, u32 *ret);

/* --- pvtime.c [Arm DEN0057A], [Documentation/virt/kvm/arm/pvtime, devices/vcpu 4] --- */

/* The region's memory and slot, each vCPU's IPA told to KVM. Not offered by the host: nothing, 0. After the vCPUs were initialised. */
int pvtime_create(struct vm *vm, struct error *err);
void pvtime_free(struct vm *vm);

/* --- pvlock.c: --pv-lock --- */

/* As pvtime_create(), but what the host cannot do is an error. Before the first KVM_RUN. */
int pvlock_create(struct vm *vm, struct error *err);
void pvlock_free(struct vm *vm);
/* The guest starts again: what it said is forgotten. vCPUs paused. */
void pvlock_reset(struct vcpu *vcpu);

/* --- smccc.c [Arm DEN0028], [Documentation/virt/kvm/devices/vm 5.] --- */

/* The filter that its table asks for, where KVM has one. Before the first KVM_RUN. */
int smccc_init(struct vm *vm, struct error *err);
/* KVM_EXIT_HYPERCALL: serves it by the table, or answers -1 in x0. vCPU's thread. */
int smccc_exit(struct vcpu *vcpu);

/* --- vcpu.c: one register of a vCPU --- */

int arm_get_reg(struct vcpu *vcpu, u64 id, void *val);	/* as many bytes as the id says. 0 or -errno */
int arm_set_reg(struct vcpu *vcpu, u64 id, const void *val);
/* PMU and such that need an initialised GIC, after gic_init(). */
int arm_vcpus_finish(struct vm *vm, struct error *err);

/* --- fdt.c --- */
/* The controllers' nodes, ret->phandle being what the GIC is to have; the rest of @ret tells how devices refer to them. */
void gic_dt(struct vm *vm, struct dt *t, struct dt_interrupts *ret);
int arm_dt_nodes(struct vm *vm, struct dt *t, struct dt_interrupts *ret, struct error *err);

#endif
