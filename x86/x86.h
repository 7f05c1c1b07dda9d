/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86-64 machine's map and what its files share. Private to x86/ and its tests.
 *
 * Guest physical addresses:
 *   0 .. 0xcfffffff            RAM (as kvmtool has it); the first MiB as below
 *   0xd0000000 .. 0xdfffffff   PCI memory window, 32 bit
 *   0xe0000000 .. 0xefffffff   ECAM, 256 buses
 *   0xfec00000                 I/O APIC
 *   0xfed10000                 debug-exit
 *   0xfee00000                 local APIC
 *   0xfeffc000 .. 0xfeffffff   KVM's own pages (Intel: identity map, TSS)
 *   0xff000000 .. 0xffffffff   firmware, up to its reset vector
 *   4 GiB ..                   the rest of RAM, then the 64 bit PCI window
 *
 * Ports: as on a PC, 0x600 power registers, 0x608 those of PCI functions that can be given back. Interrupts: GSI 0 PIT, 1 keyboard, 3 and 4
 * serial, 8 RTC, 9 power button, 12 mouse, all as on a PC; 10 PCI functions asked back; 16..23 PCI.
 *
 * The first MiB; what a loader puts there is its own business until the guest runs:
 *   0x00400  BIOS data area: EBDA segment
 *   0x01000  GDT                   0x02000  page tables, 6 pages
 *   0x08000  zero page             0x09000  PVH start info (28 KiB)
 *   0x10000  flat image, 64 KiB    0x20000  command line, 64 KiB
 *   0x30000  multiboot info (28 KiB); a multiboot kernel may itself lie in 0x02000 .. 0x1ffff
 *   0x9fc00  EBDA, 1 KiB           0xe0000  RSDP and all ACPI tables, 128 KiB less 16 bytes:
 *   0xffff0  the code that a jump to the BIOS reaches
 */
#ifndef X86_X86_H
#define X86_X86_H

#include <linux/kvm.h>

#include "util/error.h"
#include "util/str.h"
#include "util/types.h"
#include "vmm/memory.h"
#include "vmm/pci.h"
#include "x86/cpuid.h"

struct vcpu;
struct vm;

#define RAM_HOLE_START	0xd0000000ULL
#define RAM_HOLE_END	(4 * GIB)

#define PCI_MEM32_BASE	0xd0000000ULL
#define PCI_MEM32_SIZE	0x10000000ULL
#define PCI_ECAM_BASE	0xe0000000ULL
#define PCI_ECAM_BUSES	256		/* in the window; those but the root bus read ones */
/*
 * What the tables tell: there are no bridges. Linux reads a function of each slot of every bus up to MCFG's last, by ports, in search
 * of host bridges that nobody told it of (pcibios_fixup_peer_bridges): 16000 exits for 256 buses, most of a boot's.
 */
#define PCI_LAST_BUS	0
#define PCI_IO_FIRMWARE	0x6200		/* first port given to a BAR */

#define IOAPIC_BASE	0xfec00000ULL
#define IOAPIC_PINS	24
#define DEBUG_EXIT_BASE	0xfed10000ULL
#define LAPIC_BASE	0xfee00000ULL
/*
 * Ports, not memory: an exit costs less, and Linux writes SLEEP_CONTROL with interrupts off without a mapping to make.
 */
#define POWER_PORT	0x600
#define POWER_GSI	9
#define PCI_EJECT_PORT	0x608
#define PCI_EJECT_GSI	10
#define PCI_INTX_GSI	16
/*
 * Below the 16 MiB that firmware images end at. kvmtool's 0xfffbd000 leaves them 256 KiB; no guest sees the difference.
 */
#define KVM_IDENTITY_MAP_BASE	0xfeffc000ULL
#define KVM_TSS_BASE		0xfeffd000ULL

#define BDA_EBDA_SEGMENT	0x40eULL	/* u16: real-mode segment of the EBDA */
#define BOOT_GDT_ADDR		0x1000ULL
#define BOOT_PGTABLE_ADDR	0x2000ULL	/* PML4, PDPT, four page directories of 2 MiB pages */
#define BOOT_ZERO_PAGE_ADDR	0x8000ULL
#define BOOT_INFO_ADDR		0x9000ULL
#define BOOT_INFO_SIZE		0x7000ULL
#define BOOT_FLAT_ADDR		0x10000ULL
#define BOOT_CMDLINE_ADDR	0x20000ULL
#define BOOT_MULTIBOOT_ADDR	0x30000ULL
#define BOOT_LOW_KERNEL_START	0x2000ULL	/* no multiboot kernel needs our page tables and what follows them */
#define BOOT_LOW_KERNEL_END	0x20000ULL
#define EBDA_BASE		0x9fc00ULL
#define EBDA_SIZE		0x400ULL
#define ACPI_BASE		0xe0000ULL	/* the RSDP is first: x86_rsdp_gpa() */
#define ACPI_SIZE		0x1fff0ULL
#define BIOS_BASE		0xe0000ULL	/* reserved up to 1 MiB */
#define BIOS_RESET_ADDR		0xffff0ULL
#define HIGH_RAM_BASE		0x100000ULL

/* --- how vCPU 0 starts; the others wait for a startup IPI --- */

enum boot_mode {
	/*
	 * Paging on through @cr3, CS 0x10 and data segments 0x18, flat, as the loader's GDT at @gdt_gpa says.
	 * [Linux x86 boot "64-bit boot protocol"]
	 */
	BOOT_LONG64,
	BOOT_PROT32,		/* the same flat segments, 32 bit, paging off. [PVH], [multiboot 3.2] */
	BOOT_REAL16,		/* @cs_selector:@rip; the data segments are the same; rsp = @rsp */
	BOOT_RESET_VECTOR,	/* as the CPU comes out of reset: CS base 0xffff0000, ip 0xfff0; nothing else is used */
};

struct boot_entry {
	enum boot_mode mode;
	u64 rip, rsp;
	u64 rax, rbx, rsi, rdi;
	u16 cs_selector;	/* BOOT_REAL16 */
	u64 gdt_gpa;		/* GDT written by the loader (BOOT_LONG64, BOOT_PROT32); 0: none */
	u16 gdt_size;		/* bytes */
	u64 cr3;		/* BOOT_LONG64 */
};

enum { BOOT_CS = 0x10, BOOT_DS = 0x18 };

/* boot.c: loads what vm->cfg names into RAM. ACPI tables are there already. Main thread, no vCPU running. */
int x86_boot_load(struct vm *vm, struct boot_entry *ret, struct error *err);

/* --- map.c --- */

enum e820_type {
	E820_RAM = 1,
	E820_RESERVED = 2,
	E820_ACPI = 3,
};

/* In host order and without the packing of the zero page's. */
struct e820_entry {
	u64 addr, size;
	u32 type;	/* enum e820_type: the same numbers in int 15h, the zero page, PVH and multiboot */
};

/* The guest's memory map, sorted; gives the number of entries (7 at most), never more than @room. */
unsigned int x86_e820(const struct vm *vm, struct e820_entry *ret, unsigned int room);
/* An MSI address as the guest's devices send it, turned into the one KVM_SIGNAL_MSI and MSI routes take. Any thread. */
u64 x86_msi_address(const struct vm *vm, u64 addr);
/* Where the RSDP is, for the zero page and PVH; 0: this machine has no ACPI tables of ours (firmware makes its own). */
u64 x86_rsdp_gpa(const struct vm *vm);
/*
 * The 64 bit PCI window: what lies above RAM, as far as the CPU's addresses go. It begins at 1 TiB where there is room
 * for that, beyond the addresses that AMD's IOMMUs keep for themselves. Size 0: there is no room.
 */
struct pci_window x86_mem64_window(u64 ram_end, unsigned int phys_bits);

/* --- machine.c and vcpu.c --- */

struct arch_vm {
	struct cpuid cpuid;		/* owned: what all vCPUs have in common */
	unsigned int phys_bits;		/* of a guest physical address */
	bool x2apic;			/* APIC ids beyond 8 bits: the guest is entered in x2APIC mode */
	bool msi_ext_dest_id;		/* MSI addresses carry 15 bits of APIC id */
	struct pci_window mem64;
	struct boot_entry entry;
	bool booted;
	/* With cfg.reboot: what a restart goes back to. */
	struct kvm_irqchip chip[3];	/* PIC master and slave, I/O APIC */
	struct kvm_pit_state2 pit;
	struct kvm_msrs *msrs;		/* owned */
};

struct arch_vcpu {
	bool was_reset;			/* not the first time */
	struct kvm_lapic_state lapic;	/* with cfg.reboot: at power on */
};

/* --- acpi.c --- */

struct acpi_machine {
	unsigned int cpus;
	const struct list_node *devices;	/* struct device, described by their resources */
	const struct pci_host_config *pci;
	u32 eject_slots;			/* device numbers that the guest may empty; with a DEV_PCI_EJECT */
	gpa_t base;				/* where the tables will be */
};

/* All tables as one piece of memory, the RSDP first. -ENOMEM. */
int acpi_build(const struct acpi_machine *m, struct strbuf *ret);

#endif
