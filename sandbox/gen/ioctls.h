/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of the policy: which, and by which classes of threads. [ioctl(2)] Included by policy.c only, which has M, V, I, W and N.
 *
 * An ioctl's number holds the size of its structure, so one of a name may have another on each architecture. The headers of the machine
 * that builds tell its own only: what differs is written here as numbers, as <linux/kvm.h> with the <asm/kvm.h> of that architecture
 * makes them. The header that policy.c makes has an assertion for each name, which the compiler for the target checks.
 */

struct request {
	const char *name;	/* NULL: no header that all have names it */
	uint32_t number;
	unsigned int classes;
};

#define REQUEST(name, classes) { #name, name, classes }

/* The same everywhere. */
static const struct request ioctls[] = {
	/* Devices interrupt from any thread of theirs; a guest moves BARs and starts drivers from any vCPU. */
	REQUEST(KVM_SIGNAL_MSI, M | V | I | N), REQUEST(KVM_IRQ_LINE, M | V | I | N), REQUEST(KVM_SET_USER_MEMORY_REGION, M | V),
	REQUEST(KVM_IOEVENTFD, M | V), REQUEST(KVM_IRQFD, M | V), REQUEST(KVM_SET_GSI_ROUTING, M | V), REQUEST(KVM_CHECK_EXTENSION, M | V),
	REQUEST(KVM_RUN, V), REQUEST(KVM_GET_STATS_FD, M),
	/* LKVM_PVLOCK_REGISTER and _UNREGISTER: a guest says where its flag is to be */
	{ NULL, 0x40104c40, V }, { NULL, 0x4c41, V },
	/* terminals */
	REQUEST(TCGETS, M), REQUEST(TCSETS, M), REQUEST(TCSETSW, M), REQUEST(TCSETSF, M), REQUEST(TCFLSH, M), REQUEST(TIOCGPGRP, M),
	REQUEST(TIOCGWINSZ, M | V),
	{ NULL, 0x802c542a /* TCGETS2 */, M }, { NULL, 0x402c542b /* TCSETS2 */, M }, { NULL, 0x402c542c, M }, { NULL, 0x402c542d, M },
	/* block devices */
	REQUEST(BLKDISCARD, DATA), REQUEST(BLKZEROOUT, DATA),
	/* tap and vhost: a driver comes (vCPU), changes its mind by the control queue (loop), or goes (also the main thread) */
	REQUEST(TUNSETOFFLOAD, M | V | I), REQUEST(TUNSETQUEUE, M | V | I), REQUEST(TUNSETVNETHDRSZ, M | V | I),
	REQUEST(TUNGETIFF, M | V | I),
	REQUEST(TUNSETSNDBUF, M), REQUEST(SIOCSIFHWADDR, M),	/* a tap is given back as it was */
	REQUEST(VHOST_SET_FEATURES, M | V | I), REQUEST(VHOST_SET_MEM_TABLE, M | V | I), REQUEST(VHOST_SET_VRING_NUM, M | V | I),
	REQUEST(VHOST_SET_VRING_BASE, M | V | I), REQUEST(VHOST_GET_VRING_BASE, M | V | I), REQUEST(VHOST_SET_VRING_ADDR, M | V | I),
	REQUEST(VHOST_SET_VRING_KICK, M | V | I), REQUEST(VHOST_SET_VRING_CALL, M | V | I), REQUEST(VHOST_SET_VRING_ERR, M | V | I),
	REQUEST(VHOST_NET_SET_BACKEND, M | V | I),
	/*
	 * VFIO: a guest changes how its device interrupts and resets it (vCPU), where BARs that others reach by DMA are; migration and the
	 * end are the main thread's. The last are iommufd's IOAS_MAP, IOAS_UNMAP, HWPT_SET_DIRTY_TRACKING, HWPT_GET_DIRTY_BITMAP, then
	 * MIG_GET_PRECOPY_INFO, DETACH_IOMMUFD_PT and iommufd's DESTROY, which older headers lack.
	 */
	REQUEST(VFIO_DEVICE_SET_IRQS, M | V), REQUEST(VFIO_DEVICE_RESET, M | V), REQUEST(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, M | V),
	REQUEST(VFIO_DEVICE_PCI_HOT_RESET, M | V), REQUEST(VFIO_DEVICE_FEATURE, M), REQUEST(VFIO_IOMMU_MAP_DMA, M | V),
	REQUEST(VFIO_IOMMU_UNMAP_DMA, M | V), REQUEST(VFIO_IOMMU_DIRTY_PAGES, M),
	REQUEST(VFIO_GROUP_UNSET_CONTAINER, M),
	REQUEST(KVM_SET_DEVICE_ATTR, M),	/* KVM forgets a device's file; interrupt controllers at a restart */
	{ NULL, 0x3b85, M | V }, { NULL, 0x3b86, M | V }, { NULL, 0x3b8b, M }, { NULL, 0x3b8c, M }, { NULL, 0x3b79, M },
	{ NULL, 0x3b78, M }, { NULL, 0x3b80, M },
	/* user-mode network */
	REQUEST(FIONREAD, N), REQUEST(FIONBIO, N),
	/* the state of a vCPU: restart and debug on the main thread, a crash report on its own */
	REQUEST(KVM_GET_ONE_REG, M | V), REQUEST(KVM_SET_ONE_REG, M), REQUEST(KVM_GET_MP_STATE, M | V), REQUEST(KVM_SET_MP_STATE, M),
};

static const struct request ioctls_x86[] = {
	{ "KVM_GET_REGS", 0x8090ae81, M | V }, { "KVM_SET_REGS", 0x4090ae82, M },
	{ "KVM_GET_SREGS", 0x8138ae83, M | V }, { "KVM_SET_SREGS", 0x4138ae84, M },
	{ "KVM_GET_MSRS", 0xc008ae88, M | V }, { "KVM_SET_MSRS", 0x4008ae89, M },
	{ "KVM_GET_LAPIC", 0x8400ae8e, M | V }, { "KVM_SET_LAPIC", 0x4400ae8f, M },
	{ "KVM_GET_XSAVE", 0x9000aea4, M | V }, { "KVM_SET_XSAVE", 0x5000aea5, M },
	{ "KVM_GET_XCRS", 0x8188aea6, M | V }, { "KVM_SET_XCRS", 0x4188aea7, M },
	{ "KVM_GET_VCPU_EVENTS", 0x8040ae9f, M | V }, { "KVM_SET_VCPU_EVENTS", 0x4040aea0, M },
	{ "KVM_GET_DEBUGREGS", 0x8080aea1, M | V },
	{ "KVM_GET_IRQCHIP", 0xc208ae62, M }, { "KVM_SET_IRQCHIP", 0x8208ae63, M },
	{ "KVM_GET_PIT2", 0x8070ae9f, M }, { "KVM_SET_PIT2", 0x4070aea0, M },
	{ "KVM_KVMCLOCK_CTRL", 0x0000aead, M }, { "KVM_NMI", 0x0000ae9a, M },
};

/*
 * A restart puts vCPUs and the interrupt controller back to how they began. A vCPU's thread answers what its guest calls for, and accesses
 * that the CPU does not describe.
 */
static const struct request ioctls_arm[] = {
	{ "KVM_ARM_VCPU_INIT", 0x4020aeae, M }, REQUEST(KVM_GET_REG_LIST, M | V), REQUEST(KVM_SET_ONE_REG, V),
	{ "KVM_GET_VCPU_EVENTS", 0x8040ae9f, M | V }, { "KVM_SET_VCPU_EVENTS", 0x4040aea0, M | V },
};

/* Where KVM has no interrupt controller, lkvm's own tells each vCPU of its line. */
static const struct request ioctls_riscv[] = {
	REQUEST(KVM_GET_REG_LIST, M | V), REQUEST(KVM_INTERRUPT, M | V | I | N),
};
