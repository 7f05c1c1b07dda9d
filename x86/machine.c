/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86-64 machine: a PC without firmware. KVM has the interrupt controllers (two 8259, I/O APIC, local APICs) and the
 * PIT; the rest is wired here. The map is in x86.h.
 *
 * There is no check of the host's CPU vendor: what counts is what KVM says it can do.
 *
 * Left out: HPET (kvmclock and the APIC timer do its work), SMBIOS, DMA controllers, parallel port.
 *
 * TODO: the I/O APIC in KVM has 8 bit destinations, so an interrupt of a wired device must stay on the first 256 vCPUs
 * of a larger machine; Linux leaves it there unless an administrator moves it. MSIs reach all.
 *
 * Main thread, but for what delivers interrupts.
 */
#include "x86/x86.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/hw.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

enum {
	MAX_CPUS = 4096,		/* the ACPI tables of more would not fit */
	MAX_CPUS_8BIT = 255,		/* id 255 is everybody */
	CPUS_WITHOUT_EXT_IDS = 256,	/* ids that fit an MSI address as it is */
};

const char arch_name[] = "x86_64";
const u64 arch_min_ram = 2 * MIB;
const char arch_kvm_hint[] = "load the module kvm_intel or kvm_amd (modprobe), and see that virtualization is enabled in the firmware";
const struct option_def arch_options[] = { { 0, NULL } };

int arch_config_check(const struct vm_config *cfg, struct error *err)
{
	if (cfg->machine.ram_base_given)
		return error_set(err, -EINVAL, "--mem @0x%llx: RAM of this machine begins at 0", (unsigned long long)cfg->machine.ram_base);
	if (cfg->machine.flash)
		return error_set(err, -EOPNOTSUPP, "--flash '%s': this machine has none", cfg->machine.flash);
	if (cfg->kernel_format == KERNEL_IMAGE)
		return error_set(err, -EOPNOTSUPP, "--kernel-format image: not a format of x86");
	if (cfg->virtio_transport == VIRTIO_MMIO_MODERN || cfg->virtio_transport == VIRTIO_MMIO_LEGACY)
		return error_set(err, -EOPNOTSUPP, "--virtio-transport mmio: this machine has PCI only");
	return cfg->cpu ? cpu_spec_check(cfg->cpu, err) : 0;
}

const char *const *arch_kernel_search(void)
{
	static const char *const paths[] = {
		"./bzImage", "arch/x86/boot/bzImage", "../../arch/x86/boot/bzImage", "/boot/vmlinuz-%r", "/boot/bzImage-%r", NULL,
	};

	return paths;
}

int arch_vm_type(struct vm *vm, unsigned long *ret, struct error *err)
{
	*ret = 0;
	return 0;
}

/* --- KVM: irqchip, CPUID --- */

static const struct vm_cap required[] = {
	VM_CAP(USER_MEMORY),
	VM_CAP(IRQCHIP),
	VM_CAP(PIT2),
	VM_CAP(SET_TSS_ADDR),
	VM_CAP(IRQ_ROUTING),
	VM_CAP(IRQFD),
	VM_CAP(IOEVENTFD),
	VM_CAP(SIGNAL_MSI),
	VM_CAP(EXT_CPUID),
	VM_CAP(MP_STATE),
	VM_CAP(VCPU_EVENTS),
	VM_CAP(XSAVE),
	VM_CAP(IMMEDIATE_EXIT),
};

/* Tile registers need this process' consent before KVM lists them. [Linux Documentation/arch/x86/xstate] */
static void permit_amx(struct vm *vm)
{
	enum { ARCH_REQ_XCOMP_GUEST_PERM = 0x1025, XFEATURE_XTILEDATA = 18 };
	u64 mask = 0;
	struct kvm_device_attr attr = { .attr = KVM_X86_XCOMP_GUEST_SUPP, .addr = (uintptr_t)&mask };

	if (ioctl(vm->kvm_fd, KVM_GET_DEVICE_ATTR, &attr) < 0 || !(mask & BIT_ULL(XFEATURE_XTILEDATA)))
		return;
	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_GUEST_PERM, XFEATURE_XTILEDATA) < 0)
		log_debug("machine", "AMX stays off: %s", strerror(errno));
}

/*
 * APIC ids of 32 bits everywhere. With more vCPUs than an MSI address can name, the guest is also told of the bits that KVM's
 * paravirtual interface adds there. [Documentation/virt/kvm/api KVM_CAP_X2APIC_API; x86/cpuid KVM_FEATURE_MSI_EXT_DEST_ID]
 */
static void enable_x2apic_api(struct vm *vm)
{
	const u64 flags = KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK;
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API, .args[0] = flags };

	if (((u64)vm_check_cap(vm, KVM_CAP_X2APIC_API) & flags) != flags || ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap) < 0)
		return;
	vm->arch->msi_ext_dest_id = vm->cfg.cpus > CPUS_WITHOUT_EXT_IDS;
}

static int init_cpuid(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	const struct cpuid_caps caps = {
		.tsc_deadline = vm_check_cap(vm, KVM_CAP_TSC_DEADLINE_TIMER),
		.msi_ext_dest_id = arch->msi_ext_dest_id,
		.no_steal_time = vm->cfg.machine.no_pvtime,
	};
	int r;

	permit_amx(vm);
	r = cpuid_get_supported(vm->kvm_fd, &arch->cpuid, err);
	if (r < 0)
		return r;
	cpuid_prepare(&arch->cpuid, &caps);
	if (vm->cfg.cpu)
		r = cpu_spec_apply(&arch->cpuid, vm->cfg.cpu, err);
	if (r < 0)
		return r;
	if (vm->cfg.pv_lock && !cpuid_has_steal_time(&arch->cpuid))
		return error_set(err, -EOPNOTSUPP, "--pv-lock: %s", caps.no_steal_time ? "the guest reads it beside its stolen time (--no-pvtime)" :
				 "this host's KVM has no stolen time, beside which the guest reads it");
	arch->phys_bits = cpuid_phys_bits(&arch->cpuid);
	arch->x2apic = vm->cfg.cpus > MAX_CPUS_8BIT;
	if (arch->x2apic && !(cpuid_get(&arch->cpuid, 1, 0, R_ECX) & BIT(21)))
		return error_set(err, -EINVAL, "--cpus %u: without the CPU feature x2apic at most %u", vm->cfg.cpus, MAX_CPUS_8BIT);
	return 0;
}

static int check_addresses(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	struct ram_layout layout;
	u64 end;

	arch_ram_layout(&vm->cfg, &layout);
	end = layout.range[layout.nr - 1].gpa + layout.range[layout.nr - 1].size;
	if (arch->phys_bits < 64 && (end < vm->cfg.mem_size || end > BIT_ULL(arch->phys_bits)))
		return error_set(err, -EINVAL, "--mem %lluM: the guest CPU's addresses have %u bits, which is less",
				 (unsigned long long)(vm->cfg.mem_size / MIB), arch->phys_bits);
	arch->mem64 = x86_mem64_window(end, arch->phys_bits);
	return 0;
}

int arch_irqchip_create(struct vm *vm, struct error *err)
{
	u64 identity = KVM_IDENTITY_MAP_BASE;
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_enable_cap ids = { .cap = KVM_CAP_MAX_VCPU_ID, .args[0] = vm->cfg.cpus };

	if (vm_check_cap(vm, KVM_CAP_SET_IDENTITY_MAP_ADDR) && ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		return error_set_errno(err, -errno, "KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_BASE) < 0)
		return error_set_errno(err, -errno, "KVM_SET_TSS_ADDR");
	/* Lets KVM size its tables; before Linux 6.1 it does not know this, and need not. */
	ioctl(vm->vm_fd, KVM_ENABLE_CAP, &ids);
	if (ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return error_set_errno(err, -errno, "KVM_CREATE_IRQCHIP");
	if (ioctl(vm->vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return error_set_errno(err, -errno, "KVM_CREATE_PIT2");
	return 0;
}

int arch_vm_init(struct vm *vm, struct error *err)
{
	int r;

	vm->arch = calloc(1, sizeof(*vm->arch));
	if (!vm->arch)
		return error_set_errno(err, -ENOMEM, "VM");
	r = vm_require_caps(vm, required, ARRAY_SIZE(required), err);
	if (r < 0)
		return r;
	enable_x2apic_api(vm);
	r = init_cpuid(vm, err);
	return r < 0 ? r : check_addresses(vm, err);
}

void arch_vm_free(struct vm *vm)
{
	if (!vm->arch)
		return;
	cpuid_free(&vm->arch->cpuid);
	free(vm->arch->msrs);
	free(vm->arch);
	vm->arch = NULL;
}

unsigned int arch_max_vcpus(const struct vm *vm)
{
	return vm_check_cap(vm, KVM_CAP_X2APIC_API) ? MAX_CPUS : MAX_CPUS_8BIT;
}

/* --- devices --- */

static int create_pci(struct vm *vm, struct error *err)
{
	struct pci_host_config cfg = {
		.ecam_base = PCI_ECAM_BASE,
		.ecam_buses = PCI_ECAM_BUSES,
		.cf8 = true,
		.io = { 0, 0x10000 },
		.mem32 = { PCI_MEM32_BASE, PCI_MEM32_SIZE },
		.mem64 = vm->arch->mem64,
		.firmware_io = PCI_IO_FIRMWARE,
	};
	static const struct pci_eject_config eject = { .space = IO_PORT, .base = PCI_EJECT_PORT, .gsi = PCI_EJECT_GSI };
	unsigned int i;
	int r;

	for (i = 0; i < PCI_INTX_LINES; i++)
		cfg.intx_gsi[i] = cfg.intx_line[i] = PCI_INTX_GSI + i;
	r = pci_host_create(vm, &cfg);
	if (r < 0)
		return error_set_errno(err, r, "PCI host bridge");
	/* What devices of the host can be given back by, which our tables tell of. */
	if (vm->cfg.nr_vfio && !vm->cfg.firmware)
		r = pci_eject_create(vm, &eject);
	return r < 0 ? error_set_errno(err, r, "PCI eject registers") : 0;
}

static int create_board(struct vm *vm, struct error *err)
{
	const u64 low = MIN(vm->cfg.mem_size, RAM_HOLE_START);
	const struct debug_exit_config exit_port = { .space = IO_PORT, .base = 0xf4 };
	const struct debug_exit_config exit_mmio = { .space = IO_MMIO, .base = DEBUG_EXIT_BASE };
	const struct rtc_config rtc = {
		.space = IO_PORT, .base = 0x70, .gsi = 8, .ram_below_4g = low, .ram_above_4g = vm->cfg.mem_size - low,
	};
	const struct i8042_config i8042 = { .base = 0x60, .gsi_kbd = 1, .gsi_aux = 12 };
	static const struct serial_place serial[CONFIG_SERIAL_PORTS] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };
	const struct power_config power = { .space = IO_PORT, .base = POWER_PORT, .gsi = POWER_GSI };
	int r;

	r = pcports_create(vm);
	if (r < 0)
		return error_set_errno(err, r, "PC ports");
	r = debug_exit_create(vm, &exit_port);
	if (!r)
		r = debug_exit_create(vm, &exit_mmio);
	if (r < 0)
		return error_set_errno(err, r, "debug-exit");
	r = devices_create_serial(vm, IO_PORT, serial, err);
	if (r < 0)
		return r;
	r = rtc_create(vm, &rtc);
	if (r < 0)
		return error_set_errno(err, r, "RTC");
	r = i8042_create(vm, &i8042);
	if (r < 0)
		return error_set_errno(err, r, "i8042");
	r = power_create(vm, &power);
	return r < 0 ? error_set_errno(err, r, "power registers") : 0;
}

int arch_machine_create(struct vm *vm, struct error *err)
{
	int r;

	r = create_board(vm, err);
	if (!r)
		r = create_pci(vm, err);
	if (!r)
		r = devices_create_common(vm, err);
	if (!r)
		r = pci_assign_bars(vm->pci, err);
	return r;
}

/* --- interrupts; any thread --- */

int arch_irq_set(struct vm *vm, u32 gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	return ioctl(vm->vm_fd, KVM_IRQ_LINE, &irq) < 0 ? -errno : 0;
}

int arch_msi_send(struct vm *vm, const struct msi_msg *msg)
{
	return irq_kvm_msi(vm, msg, x86_msi_address(vm, msg->addr));
}

int arch_msi_route(struct vm *vm, const struct msi_msg *msg, struct kvm_irq_routing_entry *e)
{
	irq_kvm_msi_route(vm, msg, x86_msi_address(vm, msg->addr), e);
	return 0;
}

/* --- boot --- */

/*
 * An OS may reset the machine by a jump to F000:FFF0, as Linux does when ACPI is hardware-reduced and there is no EFI: it
 * does not use the reset register then. cli; mov dx, POWER_PORT + POWER_RESET; mov al, POWER_RESET_VALUE; out dx, al; 1: hlt; jmp 1b
 */
static const u8 bios_reset[] = {
	0xfa, 0xba, (POWER_PORT + POWER_RESET) & 0xff, (POWER_PORT + POWER_RESET) >> 8, 0xb0, POWER_RESET_VALUE, 0xee,
	0xf4, 0xeb, 0xfd,
};

/* What firmware leaves below 1 MiB: the tables, a way to reset, and where the EBDA is. */
static int write_tables(struct vm *vm, struct error *err)
{
	const struct acpi_machine m = {
		.cpus = vm->cfg.cpus, .devices = &vm->devices, .pci = pci_host_config(vm->pci), .eject_slots = pci_eject_slots(vm->pci),
		.base = ACPI_BASE,
	};
	struct strbuf tables = { 0 };
	u8 ebda_segment[2], ebda_kib = EBDA_SIZE / KIB;
	int r;

	put_le16(ebda_segment, EBDA_BASE >> 4);
	r = acpi_build(&m, &tables);
	if (!r && tables.len > ACPI_SIZE)
		r = -ENOSPC;
	if (!r)
		r = guest_write(&vm->mem, ACPI_BASE, tables.s, tables.len);
	if (!r)
		r = guest_write(&vm->mem, BIOS_RESET_ADDR, bios_reset, sizeof(bios_reset));
	if (!r)
		r = guest_write(&vm->mem, BDA_EBDA_SEGMENT, ebda_segment, sizeof(ebda_segment));
	if (!r)
		r = guest_write(&vm->mem, EBDA_BASE, &ebda_kib, 1);
	strbuf_free(&tables);
	return r < 0 ? error_set_errno(err, r, "ACPI tables") : 0;
}

/* The interrupt controllers and the PIT as KVM made them: kept before the first run, put back for later ones. */
static int reset_irqchips(struct vm *vm)
{
	struct arch_vm *arch = vm->arch;
	unsigned long chip_op = arch->booted ? KVM_SET_IRQCHIP : KVM_GET_IRQCHIP;
	unsigned long pit_op = arch->booted ? KVM_SET_PIT2 : KVM_GET_PIT2;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(arch->chip); i++) {
		arch->chip[i].chip_id = i;	/* KVM_IRQCHIP_PIC_MASTER, _PIC_SLAVE, _IOAPIC */
		if (ioctl(vm->vm_fd, chip_op, &arch->chip[i]) < 0)
			return -errno;
	}
	return ioctl(vm->vm_fd, pit_op, &arch->pit) < 0 ? -errno : 0;
}

/*
 * As firmware leaves the 8259s: vectors away from the exceptions, and every line masked. An OS told of no 8259 (hardware-reduced
 * ACPI) never touches them, and with the lines open an ISA interrupt would come as an exception.
 */
static int mask_pics(struct vm *vm)
{
	static const u8 vector[] = { 0x08, 0x70 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(vector); i++) {
		struct kvm_irqchip chip = { .chip_id = i };

		if (ioctl(vm->vm_fd, KVM_GET_IRQCHIP, &chip) < 0)
			return -errno;
		chip.chip.pic.irq_base = vector[i];
		chip.chip.pic.imr = 0xff;
		if (ioctl(vm->vm_fd, KVM_SET_IRQCHIP, &chip) < 0)
			return -errno;
	}
	return 0;
}

int arch_boot(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	int r = 0;

	if (vm->cfg.reboot)
		r = reset_irqchips(vm);
	if (r < 0)
		return error_set_errno(err, r, "resetting the interrupt controllers");
	if (!vm->cfg.firmware)
		r = write_tables(vm, err);
	if (!r)
		r = x86_boot_load(vm, &arch->entry, err);
	if (r < 0)
		return r;
	/* Real-mode code finds the machine as the CPU comes out of reset, and sets up the 8259s itself. */
	if (arch->entry.mode == BOOT_LONG64 || arch->entry.mode == BOOT_PROT32)
		r = mask_pics(vm);
	arch->booted = true;
	return r < 0 ? error_set_errno(err, r, "setting up the 8259s") : 0;
}
