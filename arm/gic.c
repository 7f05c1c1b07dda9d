/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controller, one of KVM's: GICv3 with or without an ITS, or GICv2 with or without the MSI frame of gic-v2m.c.
 * [Arm IHI 0069, IHI 0048; Documentation/virt/kvm/devices/arm-vgic-v3, arm-vgic, arm-vgic-its]
 *
 * Devices' lines are SPIs, edge or level as the guest sets them up. MSIs: an ITS takes the message with its sender's id; the frame of a
 * GICv2m names an SPI in the message's data, and KVM need not know of it.
 *
 * Left out: a second controller, LPIs without ITS, direct injection.
 *
 * Threads: creation is the main thread's; lines and messages come from any.
 */
#include "arm/arm.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arm/gic-abi.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

#ifdef __aarch64__
_Static_assert(VGIC_GRP_ADDR == KVM_DEV_ARM_VGIC_GRP_ADDR && VGIC_GRP_DIST_REGS == KVM_DEV_ARM_VGIC_GRP_DIST_REGS &&
	       VGIC_GRP_CPU_REGS == KVM_DEV_ARM_VGIC_GRP_CPU_REGS && VGIC_GRP_NR_IRQS == KVM_DEV_ARM_VGIC_GRP_NR_IRQS &&
	       VGIC_GRP_CTRL == KVM_DEV_ARM_VGIC_GRP_CTRL && VGIC_GRP_REDIST_REGS == KVM_DEV_ARM_VGIC_GRP_REDIST_REGS &&
	       VGIC_GRP_CPU_SYSREGS == KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, "groups of arm-vgic");
_Static_assert(VGIC_ADDR_V2_DIST == KVM_VGIC_V2_ADDR_TYPE_DIST && VGIC_ADDR_V2_CPU == KVM_VGIC_V2_ADDR_TYPE_CPU &&
	       VGIC_ADDR_V3_DIST == KVM_VGIC_V3_ADDR_TYPE_DIST && VGIC_ADDR_ITS == KVM_VGIC_ITS_ADDR_TYPE &&
	       VGIC_ADDR_V3_REDIST_REGION == KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, "addresses of arm-vgic");
_Static_assert(VGIC_CTRL_INIT == KVM_DEV_ARM_VGIC_CTRL_INIT && VGIC_CTRL_ITS_RESET == KVM_DEV_ARM_ITS_CTRL_RESET &&
	       VGIC_CPU_SHIFT == KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT && VGIC_CPU_SHIFT == KVM_DEV_ARM_VGIC_CPUID_SHIFT &&
	       KVM_IRQ_TYPE_SHIFT == KVM_ARM_IRQ_TYPE_SHIFT && KVM_IRQ_TYPE_SPI == KVM_ARM_IRQ_TYPE_SPI, "control of arm-vgic");
#endif

/* --- KVM's devices --- */

int gic_get_attr(int fd, u32 group, u64 attr, void *val)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)val };

	return ioctl(fd, KVM_GET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

int gic_set_attr(int fd, u32 group, u64 attr, const void *val)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)val };

	return ioctl(fd, KVM_SET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

static bool offers(struct vm *vm, u32 type)
{
	struct kvm_create_device dev = { .type = type, .flags = KVM_CREATE_DEVICE_TEST };

	return !ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &dev);
}

static int create_device(struct vm *vm, u32 type, int *ret_fd, const char *what, struct error *err)
{
	struct kvm_create_device dev = { .type = type };

	if (ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &dev) < 0)
		return error_set_errno(err, -errno, "making %s", what);
	*ret_fd = (int)dev.fd;
	return 0;
}

static int set_addr(int fd, u64 attr, u64 addr, const char *what, struct error *err)
{
	int r = gic_set_attr(fd, VGIC_GRP_ADDR, attr, &addr);

	return r < 0 ? error_set_errno(err, r, "%s at 0x%llx", what, (unsigned long long)addr) : 0;
}

/* --- which one --- */

static bool has_its(enum gic_kind kind)
{
	return kind == GIC_V3_ITS;
}

static u32 kvm_type(enum gic_kind kind)
{
	return kind == GIC_V2 || kind == GIC_V2M ? KVM_DEV_TYPE_ARM_VGIC_V2 : KVM_DEV_TYPE_ARM_VGIC_V3;
}

static bool possible(struct vm *vm, enum gic_kind kind)
{
	return vm->cfg.cpus <= gic_kind_vcpus(kind) && offers(vm, kvm_type(kind)) &&
	       (!has_its(kind) || offers(vm, KVM_DEV_TYPE_ARM_VGIC_ITS));
}

static int choose(struct vm *vm, enum gic_kind *ret, struct error *err)
{
	static const enum gic_kind best_first[] = { GIC_V3_ITS, GIC_V3, GIC_V2M, GIC_V2 };
	unsigned int i;

	gic_kind_named(vm->cfg.machine.irqchip, ret);	/* arch_config_check() judged it */
	if (*ret != GIC_NONE && !possible(vm, *ret))
		return error_set(err, -EOPNOTSUPP, "--irqchip %s: KVM on this host has %s", gic_name(*ret),
				 offers(vm, kvm_type(*ret)) ? "its GIC, but no ITS" : "no such GIC");
	for (i = 0; i < ARRAY_SIZE(best_first) && *ret == GIC_NONE; i++)
		if (possible(vm, best_first[i]))
			*ret = best_first[i];
	return *ret == GIC_NONE ? error_set(err, -EOPNOTSUPP, "KVM on this host has no interrupt controller for %u vCPUs", vm->cfg.cpus) : 0;
}

int gic_create(struct vm *vm, struct error *err)
{
	const u32 intids = SPI_FIRST_INTID + GSI_LINES;
	struct arch_vm *arch = vm->arch;
	struct gic_map map;
	int r;

	r = choose(vm, &arch->gic, err);
	if (r < 0)
		return r;
	log_debug("gic", "%s", gic_name(arch->gic));
	gic_map(arch->gic, vm->cfg.cpus, &map);
	r = create_device(vm, kvm_type(arch->gic), &arch->gic_fd, gic_name(arch->gic), err);
	if (r < 0)
		return r;
	r = set_addr(arch->gic_fd, map.cpui.size ? VGIC_ADDR_V2_DIST : VGIC_ADDR_V3_DIST, map.dist.base, "GIC distributor", err);
	if (!r && map.cpui.size)
		r = set_addr(arch->gic_fd, VGIC_ADDR_V2_CPU, map.cpui.base, "GIC CPU interface", err);
	if (!r && map.redist.size)	/* region 0 */
		r = set_addr(arch->gic_fd, VGIC_ADDR_V3_REDIST_REGION, map.redist.base | (u64)vm->cfg.cpus << VGIC_REDIST_COUNT_SHIFT,
			     "GIC redistributors", err);
	if (r < 0)
		return r;
	r = gic_set_attr(arch->gic_fd, VGIC_GRP_NR_IRQS, 0, &intids);
	if (r < 0)
		return error_set_errno(err, r, "GIC of %u interrupts", intids);
	return has_its(arch->gic) ? create_device(vm, KVM_DEV_TYPE_ARM_VGIC_ITS, &arch->its_fd, "the ITS", err) : 0;
}

int gic_init(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	struct gic_map map;
	int r;

	r = gic_set_attr(arch->gic_fd, VGIC_GRP_CTRL, VGIC_CTRL_INIT, NULL);
	if (r < 0)
		return error_set_errno(err, r, "starting the GIC");
	if (!has_its(arch->gic))
		return 0;
	gic_map(arch->gic, vm->cfg.cpus, &map);
	r = set_addr(arch->its_fd, VGIC_ADDR_ITS, map.its.base, "ITS", err);
	if (r < 0)
		return r;
	r = gic_set_attr(arch->its_fd, VGIC_GRP_CTRL, VGIC_CTRL_INIT, NULL);
	return r < 0 ? error_set_errno(err, r, "starting the ITS") : 0;
}

void gic_free(struct vm *vm)
{
	struct arch_vm *arch = vm->arch;

	if (arch->its_fd >= 0)
		close(arch->its_fd);
	if (arch->gic_fd >= 0)
		close(arch->gic_fd);
	arch->gic_fd = arch->its_fd = -1;
	gic_state_free(arch->gic_state);
	arch->gic_state = NULL;
}

/* --- interrupts --- */

int arch_irq_set(struct vm *vm, u32 gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = KVM_IRQ_TYPE_SPI << KVM_IRQ_TYPE_SHIFT | (gsi + SPI_FIRST_INTID), .level = level };

	if (gsi >= GSI_LINES)
		return -EINVAL;
	return ioctl(vm->vm_fd, KVM_IRQ_LINE, &irq) < 0 ? -errno : 0;
}

int arch_msi_send(struct vm *vm, const struct msi_msg *msg)
{
	u32 gsi;
	int r;

	if (vm->arch->gic == GIC_V3_ITS)
		return irq_kvm_msi(vm, msg, msg->addr);
	if (vm->arch->gic != GIC_V2M)
		return -EOPNOTSUPP;
	r = gic_v2m_gsi(msg, &gsi);
	if (!r)
		r = arch_irq_set(vm, gsi, true);
	return r < 0 ? r : arch_irq_set(vm, gsi, false);
}

int arch_msi_route(struct vm *vm, const struct msi_msg *msg, struct kvm_irq_routing_entry *e)
{
	u32 gsi;
	int r;

	if (vm->arch->gic == GIC_V3_ITS) {
		irq_kvm_msi_route(vm, msg, msg->addr, e);
		return 0;
	}
	if (vm->arch->gic != GIC_V2M)
		return -EOPNOTSUPP;
	r = gic_v2m_gsi(msg, &gsi);
	if (r < 0)
		return r;
	e->type = KVM_IRQ_ROUTING_IRQCHIP;
	e->u.irqchip.irqchip = 0;
	e->u.irqchip.pin = gsi;
	return 0;
}
