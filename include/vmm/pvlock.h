/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --pv-lock: the guest reads which of its vCPUs are off their CPU though they could run, and need not wait for a lock that such a one holds.
 * On x86 and on patched arm64 hosts KVM itself tells (PVLOCK_KVM). Elsewhere the module lkvm_pvlock does, of the vCPU's thread: it keeps an
 * le64 in memory at 1 while the thread is kept off the CPU that was taken from it, else at 0. [kernel/README, include/uapi/lkvm/pvlock.h]
 *
 * The module writes through its own mapping: KVM's log of dirty pages does not see it, and a page that is given back to the host is no
 * longer the one it writes.
 */
#ifndef VMM_PVLOCK_H
#define VMM_PVLOCK_H

#include "util/error.h"
#include "util/types.h"

struct vcpu;
struct vm;

#define PVLOCK_DEVICE "/dev/lkvm_pvlock"

enum { PVLOCK_STRUCT = 64 };	/* bytes; the flag is the first 8 of them, and all of it is aligned to as many */

enum pvlock_kind {
	PVLOCK_OFF,
	PVLOCK_KVM,	/* KVM tells the guest */
	PVLOCK_SLOT,	/* the module, in memory of lkvm's */
	PVLOCK_GUEST,	/* the module, in RAM that the guest named */
};

struct vcpu_pvlock {
	_Atomic enum pvlock_kind kind;	/* as lkvm stat says */
	void *home;	/* borrowed from the arch: memory of lkvm's for the flag; NULL: the module has nothing to do. Set before the threads start */
	void *guest;	/* in guest RAM: instead of that; main thread while vCPUs are paused, else the vCPU's own thread */
	void *now;	/* what the module has; the vCPU's own thread */
};

/* Opens the device. Before the sandbox is closed; -errno and a line that names --pv-lock and what is missing. Main thread. */
int pvlock_open(struct vm *vm, struct error *err);
void pvlock_close(struct vm *vm);
/* The flag goes where .guest or .home say. First thing in a vCPU's thread, and whenever .guest changed. 0 or -errno. vCPU's thread. */
int pvlock_update(struct vcpu *vcpu);
const char *pvlock_kind_name(enum pvlock_kind kind);

#endif
