/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The riscv64 machine: a board like those that Linux calls "virt". KVM has the harts with their timers and the SBI, and where it can the
 * interrupt controllers; the rest is wired here. The map is in riscv.h.
 *
 * Left out: a power button (there is no line for one), watchdog, IOMMU.
 *
 * Main thread.
 */
#include "riscv/riscv.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/arch.h"
#include "vmm/hw.h"
#include "vmm/vm.h"

enum {
	MAX_CPUS = 512,			/* the device tree of more would not fit */
	GPA_BITS_DEFAULT = 41,		/* Sv39x4, which every hypervisor extension has [riscv-privileged "hgatp"] */
	GPA_BITS_MOST = 56,		/* a guest's own page tables reach no further, though Sv57x4 has 59 [riscv-privileged "Sv57"] */
	DTB_MAX = 2 * 1024 * 1024,	/* Linux maps that much of it, from a multiple of it [arch/riscv/include/asm/fixmap.h] */
};

const char arch_name[] = "riscv64";
const u64 arch_min_ram = 8 * MIB;	/* a kernel at 2 MiB, and the tree */
const char arch_kvm_hint[] = "load the module kvm (modprobe kvm); it takes a CPU with the hypervisor extension (h in /proc/cpuinfo)";

int arch_vm_type(struct vm *vm, unsigned long *ret, struct error *err)
{
	*ret = 0;
	return 0;
}

/* --- KVM --- */

static const struct vm_cap required[] = {
	VM_CAP(USER_MEMORY),
	VM_CAP(ONE_REG),
	VM_CAP(MP_STATE),
	VM_CAP(IOEVENTFD),
	VM_CAP(IMMEDIATE_EXIT),
};

static int check_addresses(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	struct ram_layout layout;
	int bits = vm_check_cap(vm, KVM_CAP_VM_GPA_BITS);
	u64 end;

	arch->gpa_bits = bits > 0 ? (unsigned int)MIN(bits, (int)GPA_BITS_MOST) : GPA_BITS_DEFAULT;
	arch_ram_layout(&vm->cfg, &layout);
	end = layout.range[0].gpa + layout.range[0].size;
	if (end < layout.range[0].size || end > BIT_ULL(arch->gpa_bits))
		return error_set(err, -EINVAL, "--mem %lluM: guest addresses have %u bits on this host, which is less",
				 (unsigned long long)(vm->cfg.mem_size / MIB), arch->gpa_bits);
	arch->mem64 = riscv_mem64_window(end, arch->gpa_bits);
	return 0;
}

int arch_vm_init(struct vm *vm, struct error *err)
{
	int r;

	vm->arch = calloc(1, sizeof(*vm->arch));
	if (!vm->arch)
		return error_set_errno(err, -ENOMEM, "VM");
	r = vm_require_caps(vm, required, ARRAY_SIZE(required), err);
	return r < 0 ? r : check_addresses(vm, err);
}

int arch_irqchip_create(struct vm *vm, struct error *err)
{
	int r = riscv_irqchip_choose(vm, err);

	return r < 0 ? r : vm->arch->irqchip->create(vm, err);
}

void arch_vm_free(struct vm *vm)
{
	if (!vm->arch)
		return;
	if (vm->arch->irqchip && vm->arch->irqchip->free)
		vm->arch->irqchip->free(vm);
	free(vm->arch);
	vm->arch = NULL;
}

unsigned int arch_max_vcpus(const struct vm *vm)
{
	return MAX_CPUS;
}

/* --- devices --- */

static int create_board(struct vm *vm, struct error *err)
{
	const struct debug_exit_config debug_exit = { .space = IO_MMIO, .base = DEBUG_EXIT_BASE };
	const struct rtc_config rtc = { .space = IO_MMIO, .base = RTC_BASE, .gsi = GSI_RTC };
	static const struct serial_place uart[CONFIG_SERIAL_PORTS] = {
		{ UART_BASE, GSI_UART }, { UART_BASE + UART_STRIDE, GSI_UART + 1 },
		{ UART_BASE + 2 * UART_STRIDE, GSI_UART + 2 }, { UART_BASE + 3 * UART_STRIDE, GSI_UART + 3 },
	};
	const struct flash_config flash = { .base = FLASH_BASE, .path = vm->cfg.machine.flash };
	int r;

	r = ioport_window_create(vm, PORTS_BASE);
	if (r < 0)
		return error_set_errno(err, r, "PCI's I/O ports");
	r = devices_create_serial(vm, IO_MMIO, uart, err);
	if (r < 0)
		return r;
	r = rtc_create(vm, &rtc);
	if (r < 0)
		return error_set_errno(err, r, "RTC");
	r = debug_exit_create(vm, &debug_exit);
	if (r < 0)
		return error_set_errno(err, r, "debug-exit");
	return flash.path ? flash_create(vm, &flash, err) : 0;
}

static int create_pci(struct vm *vm, struct error *err)
{
	struct pci_host_config cfg = {
		.ecam_base = PCI_ECAM_BASE,
		.ecam_buses = PCI_ECAM_BUSES,
		.io = { 0, 0x10000 },
		.mem32 = { PCI_MEM32_BASE, PCI_MEM32_SIZE },
		.mem64 = vm->arch->mem64,
		.firmware_io = PCI_IO_FIRMWARE,
		.intx_one_level = true,
	};
	unsigned int i;
	int r;

	for (i = 0; i < PCI_INTX_LINES; i++)
		cfg.intx_gsi[i] = cfg.intx_line[i] = (u8)(GSI_PCI + i);
	r = pci_host_create(vm, &cfg);
	return r < 0 ? error_set_errno(err, r, "PCI host bridge") : 0;
}

/* As many as there are wires for. */
static void place_virtio_mmio(struct vm *vm)
{
	vm->virtio_mmio = (struct virtio_mmio_slots){
		.base = VIRTIO_MMIO_BASE,
		.stride = VIRTIO_MMIO_STRIDE,
		.gsi = GSI_VIRTIO_MMIO,
		.nr = MIN((u32)VIRTIO_MMIO_SLOTS, vm->arch->sources + 1 - GSI_VIRTIO_MMIO),
	};
}

int arch_machine_create(struct vm *vm, struct error *err)
{
	int r;

	r = vm->arch->irqchip->init(vm, err);
	if (!r)
		r = create_board(vm, err);
	if (!r)
		r = create_pci(vm, err);
	if (r < 0)
		return r;
	place_virtio_mmio(vm);
	r = devices_create_common(vm, err);
	return r < 0 ? r : pci_assign_bars(vm->pci, err);
}

/* --- boot --- */

static const char *const compatible[] = { "linux,dummy-virt", NULL };

/* [Linux Documentation/arch/riscv/boot.rst, boot-image-header.rst; PE/COFF IMAGE_FILE_MACHINE_RISCV64] */
static const struct dt_machine machine = {
	.kernel_what = "a riscv64 kernel Image",
	.image_magic = "RSC\x05",
	.zboot_machine = "\x64\x50",
	.flat_offset = 2 * MIB,
	.image_align = 2 * MIB,
	.dtb_max = DTB_MAX,
	.initrd_window = UINT64_MAX,
	.compatible = compatible,
	.nodes = riscv_dt_nodes,
};

int arch_boot(struct vm *vm, struct error *err)
{
	int r;

	r = vm->arch->irqchip->reset(vm, err);
	if (!r)
		r = dt_boot_load(vm, &machine, &vm->arch->entry, err);
	if (!r)
		vm->arch->booted = true;
	return r;
}
