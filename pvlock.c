/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flags of vCPUs that lkvm_pvlock writes: one open file of a VM, with which each vCPU's thread registers its own flag.
 * [include/uapi/lkvm/pvlock.h]
 *
 * Nothing has to be taken back at the end: a thread's flag goes with the thread.
 *
 * Threads: pvlock_update() the vCPU's own, the rest the main thread's.
 */
#include "vmm/pvlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "uapi/lkvm/pvlock.h"
#include "util/types.h"
#include "vmm/vm.h"

int pvlock_open(struct vm *vm, struct error *err)
{
	int fd = open(PVLOCK_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return error_set(err, -ENODEV, "--pv-lock: no '" PVLOCK_DEVICE "': this host's KVM takes the module lkvm_pvlock for it "
				 "(modprobe lkvm_pvlock)");
	if (fd < 0)
		return error_set_errno(err, -errno, "--pv-lock: '" PVLOCK_DEVICE "'");
	vm->pvlock_fd = fd;
	return 0;
}

void pvlock_close(struct vm *vm)
{
	if (vm->pvlock_fd >= 0)
		close(vm->pvlock_fd);
	vm->pvlock_fd = -1;
}

static int put(struct vcpu *vcpu, void *flag)
{
	struct lkvm_pvlock_register reg = { .argsz = sizeof(reg), .addr = (uintptr_t)flag };

	if (ioctl(vcpu->vm->pvlock_fd, LKVM_PVLOCK_REGISTER, &reg) < 0)
		return -errno;
	vcpu->pvlock.now = flag;
	atomic_store(&vcpu->pvlock.kind, flag == vcpu->pvlock.home ? PVLOCK_SLOT : PVLOCK_GUEST);
	return 0;
}

int pvlock_update(struct vcpu *vcpu)
{
	struct vcpu_pvlock *pv = &vcpu->pvlock;
	void *want = pv->guest ? pv->guest : pv->home;

	if (!pv->home || pv->now == want)
		return 0;
	if (pv->now && ioctl(vcpu->vm->pvlock_fd, LKVM_PVLOCK_UNREGISTER) < 0)
		return -errno;
	pv->now = NULL;
	return put(vcpu, want);
}

const char *pvlock_kind_name(enum pvlock_kind kind)
{
	static const char *const name[] = {
		[PVLOCK_OFF] = "off", [PVLOCK_KVM] = "kvm", [PVLOCK_SLOT] = "module", [PVLOCK_GUEST] = "module, guest memory",
	};

	return name[kind];
}
