/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's side of VFIO: its pseudo device knows the groups, or device files, of a VM, so that their drivers learn whose VM it is, and whether
 * DMA is coherent. [Documentation/virt/kvm/devices/vfio.rst] KVM has a reference to each file until it is taken back. Main thread.
 */
#include <errno.h>
#include <linux/kvm.h>

#include "vfio/vfio.h"
#include "vmm/vm.h"

/* Newer headers call them KVM_DEV_VFIO_FILE*: the numbers are the same. */
static int set_file(struct vfio_host *host, u64 what, int fd)
{
	s32 arg = fd;
	struct kvm_device_attr attr = { .group = KVM_DEV_VFIO_GROUP, .attr = what, .addr = (uintptr_t)&arg };
	int r = vfio_sys_ioctl(host->kvm_fd, KVM_SET_DEVICE_ATTR, &attr);

	return r < 0 ? r : 0;
}

int vfio_kvm_add(struct vfio_host *host, int fd)
{
	struct kvm_create_device dev = { .type = KVM_DEV_TYPE_VFIO };
	int r;

	if (host->kvm_fd < 0) {
		r = vfio_sys_ioctl(host->vm->vm_fd, KVM_CREATE_DEVICE, &dev);
		/* A KVM without (riscv64) has no use for it either. */
		if (r == -ENODEV)
			return 0;
		if (r < 0)
			return r;
		host->kvm_fd = (int)dev.fd;
	}
	return set_file(host, KVM_DEV_VFIO_GROUP_ADD, fd);
}

void vfio_kvm_del(struct vfio_host *host, int fd)
{
	if (host->kvm_fd >= 0)
		set_file(host, KVM_DEV_VFIO_GROUP_DEL, fd);
}
