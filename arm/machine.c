/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arm64 machine: a board of our own that a device tree describes. KVM has the interrupt controller, timers and PSCI, which also ends and
 * resets the machine; the rest is wired here. The map is in arm.h.
 *
 * Left out: ACPI and SMBIOS (firmware makes its own), UARTs of Arm's kind, TPM, hot-plug of CPUs.
 *
 * Main thread.
 */
#include "arm/arm.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/arch.h"
#include "vmm/hw.h"
#include "vmm/vm.h"

const char arch_name[] = "aarch64";
const u64 arch_min_ram = 4 * MIB;
const char arch_kvm_hint[] = "KVM is part of arm64 kernels, and there when they were started at EL2; dmesg says why not";

int arch_vm_type(struct vm *vm, unsigned long *ret, struct error *err)
{
	int limit = vm_check_cap(vm, KVM_CAP_ARM_VM_IPA_SIZE), r;
	unsigned int bits;

	r = arm_ipa_bits(&vm->cfg, (unsigned int)limit, &bits, err);
	if (r < 0)
		return r;
	*ret = limit ? KVM_VM_TYPE_ARM_IPA_SIZE(bits) : 0;
	return 0;
}

/* --- KVM --- */

static const struct vm_cap required[] = {
	VM_CAP(USER_MEMORY),
	VM_CAP(ONE_REG),
	VM_CAP(MP_STATE),
	VM_CAP(DEVICE_CTRL),
	VM_CAP(ARM_PSCI_0_2),
	VM_CAP(IRQCHIP),
	VM_CAP(IRQFD),
	VM_CAP(IRQ_ROUTING),
	VM_CAP(IOEVENTFD),
	VM_CAP(SIGNAL_MSI),
	VM_CAP(IMMEDIATE_EXIT),
};

static int set_addresses(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	struct ram_layout ram;
	int r;

	r = arm_ipa_bits(&vm->cfg, (unsigned int)vm_check_cap(vm, KVM_CAP_ARM_VM_IPA_SIZE), &arch->ipa_bits, err);
	if (r < 0)
		return r;
	arch_ram_layout(&vm->cfg, &ram);
	arch->mem64 = arm_mem64_window(ram.range[0].gpa + ram.range[0].size, arch->ipa_bits);
	return 0;
}

int arch_vm_init(struct vm *vm, struct error *err)
{
	int r;

	vm->arch = calloc(1, sizeof(*vm->arch));
	if (!vm->arch)
		return error_set_errno(err, -ENOMEM, "VM");
	vm->arch->gic_fd = vm->arch->its_fd = -1;
	r = vm_require_caps(vm, required, ARRAY_SIZE(required), err);
	if (!r)
		r = set_addresses(vm, err);
	if (!r)
		r = arm_features_get(vm, &vm->arch->features, err);
	return r < 0 ? r : smccc_init(vm, err);
}

int arch_irqchip_create(struct vm *vm, struct error *err)
{
	return gic_create(vm, err);
}

void arch_vm_free(struct vm *vm)
{
	if (!vm->arch)
		return;
	gic_free(vm);
	pvtime_free(vm);
	pvlock_free(vm);
	free(vm->arch);
	vm->arch = NULL;
}

unsigned int arch_max_vcpus(const struct vm *vm)
{
	enum gic_kind kind;

	gic_kind_named(vm->cfg.machine.irqchip, &kind);	/* arch_config_check() judged it */
	return gic_kind_vcpus(kind);
}

/* --- devices --- */

static int create_board(struct vm *vm, struct error *err)
{
	const struct debug_exit_config debug_exit = { .space = IO_MMIO, .base = DEBUG_EXIT_BASE };
	const struct rtc_config rtc = { .space = IO_MMIO, .base = RTC_BASE, .gsi = GSI_RTC };
	const struct gpio_pl061_config gpio = { .base = GPIO_BASE, .gsi = GSI_GPIO };
	static const struct serial_place uart[CONFIG_SERIAL_PORTS] = {
		{ UART_BASE, GSI_UART }, { UART_BASE + UART_STRIDE, GSI_UART + 1 },
		{ UART_BASE + 2 * UART_STRIDE, GSI_UART + 2 }, { UART_BASE + 3 * UART_STRIDE, GSI_UART + 3 },
	};
	const struct flash_config flash = { .base = FLASH_BASE, .path = vm->cfg.machine.flash };
	int r;

	r = devices_create_serial(vm, IO_MMIO, uart, err);
	if (r < 0)
		return r;
	r = rtc_create(vm, &rtc);
	if (r < 0)
		return error_set_errno(err, r, "RTC");
	r = debug_exit_create(vm, &debug_exit);
	if (r < 0)
		return error_set_errno(err, r, "debug-exit");
	r = gpio_pl061_create(vm, &gpio);
	if (r < 0)
		return error_set_errno(err, r, "power button");
	if (vm->arch->gic == GIC_V2M)
		r = gic_v2m_create(vm, err);
	if (!r && flash.path)
		r = flash_create(vm, &flash, err);
	return r;
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

	r = ioport_window_create(vm, PORTS_BASE);
	if (r < 0)
		return error_set_errno(err, r, "PCI ports");
	for (i = 0; i < PCI_INTX_LINES; i++)
		cfg.intx_gsi[i] = cfg.intx_line[i] = GSI_PCI + i;
	r = pci_host_create(vm, &cfg);
	return r < 0 ? error_set_errno(err, r, "PCI host bridge") : 0;
}

int arch_machine_create(struct vm *vm, struct error *err)
{
	int r;

	vm->virtio_mmio = (struct virtio_mmio_slots){
		.base = VIRTIO_MMIO_BASE, .stride = VIRTIO_MMIO_STRIDE, .gsi = GSI_VIRTIO_MMIO, .nr = VIRTIO_MMIO_SLOTS,
	};
	r = gic_init(vm, err);
	if (!r)
		r = arm_vcpus_finish(vm, err);
	if (!r)
		r = pvtime_create(vm, err);
	if (!r)
		r = pvlock_create(vm, err);
	if (!r)
		r = create_board(vm, err);
	if (!r)
		r = create_pci(vm, err);
	if (!r)
		r = devices_create_common(vm, err);
	return r < 0 ? r : pci_assign_bars(vm->pci, err);
}

/* --- boot --- */

int arch_boot(struct vm *vm, struct error *err)
{
	static const char *const compatible[] = { "linux,dummy-virt", NULL };
	static const struct dt_machine machine = {
		.kernel_what = "an arm64 kernel Image",
		.image_magic = "ARM\x64",
		.zboot_machine = "\x64\xaa",
		.flat_offset = 0x80000,
		.image_align = 2 * MIB,
		.dtb_max = 2 * MIB,		/* [Linux Documentation/arch/arm64/booting 2] */
		.initrd_window = 32 * GIB,	/* the same, 4 */
		.compatible = compatible,
		.nodes = arm_dt_nodes,
	};
	int r = 0;

	if (vm->cfg.reboot)
		r = gic_reset(vm, err);
	return r < 0 ? r : dt_boot_load(vm, &machine, &vm->arch->entry, err);
}
