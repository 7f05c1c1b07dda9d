/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bench/floor-image.c makes on riscv64. There is no interrupt controller: the PLIC of a host without AIA, such as the one the benchmark runs
 * on, is not KVM's. A vCPU starts as an S-mode one.
 */
enum { UART = 0x10000000 };

static void irqchip_create(int vm)
{
}

static void vcpu_start(int vm, int vcpu, unsigned long long pc)
{
	struct kvm_one_reg reg = { .id = KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_CORE | KVM_REG_RISCV_CORE_REG(regs.pc),
				   .addr = (unsigned long)&pc };

	if (ioctl(vcpu, KVM_SET_ONE_REG, &reg) < 0)
		die("vCPU's registers");
}
