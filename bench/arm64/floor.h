/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bench/floor-image.c makes on arm64: the GICv3 with ITS that lkvm takes where it can, for one vCPU.
 */
enum { UART = 0x01000000, SPIS = 224 };

static struct { int gic, its; } irqchip;

static int set_attr(int fd, unsigned int group, unsigned long attr, void *val)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (unsigned long)val };

	return ioctl(fd, KVM_SET_DEVICE_ATTR, &a);
}

static void irqchip_create(int vm)
{
	struct kvm_create_device gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 }, its = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS };
	unsigned long long dist = 0x3fff0000, redist = 0x3ffd0000 | 1ULL << 52;	/* one vCPU's, region 0 */
	unsigned int intids = 32 + SPIS;

	if (ioctl(vm, KVM_CREATE_DEVICE, &gic) < 0 || ioctl(vm, KVM_CREATE_DEVICE, &its) < 0 ||
	    set_attr((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &dist) < 0 ||
	    set_attr((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &redist) < 0 ||
	    set_attr((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &intids) < 0)
		die("irqchip");
	irqchip.gic = (int)gic.fd;
	irqchip.its = (int)its.fd;
}

static void vcpu_start(int vm, int vcpu, unsigned long long pc)
{
	struct kvm_one_reg reg = { .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.pc),
				   .addr = (unsigned long)&pc };
	unsigned long long its = 0x3ffb0000;
	struct kvm_vcpu_init init;

	if (ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) < 0)
		die("target");
	init.features[0] |= 1U << KVM_ARM_VCPU_PSCI_0_2;
	if (ioctl(vcpu, KVM_ARM_VCPU_INIT, &init) < 0 || ioctl(vcpu, KVM_SET_ONE_REG, &reg) < 0)
		die("vCPU's registers");
	if (set_attr(irqchip.gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL) < 0 ||
	    set_attr(irqchip.its, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, &its) < 0 ||
	    set_attr(irqchip.its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL) < 0)
		die("starting the irqchip");
}
