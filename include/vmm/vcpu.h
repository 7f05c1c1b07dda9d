/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual CPU: its KVM file, its thread, and the run loop that turns exits
 * into bus accesses. The arch adds registers and the exits only it knows.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <pthread.h>
#include <stdatomic.h>

#include <linux/kvm.h>

#include "util/error.h"
#include "vmm/iomap.h"
#include "vmm/pvlock.h"

struct vm;
struct arch_vcpu;

enum { VCPU_EXIT_REASONS = 64 };	/* KVM_EXIT_* that are told apart; the last also counts what is beyond */

struct vcpu {
	struct vm *vm;			/* borrowed */
	unsigned int index;
	int fd;				/* owned */
	struct kvm_run *run;		/* owned mapping */
	size_t run_size;
	pthread_t thread;
	bool started;			/* thread exists */
	_Atomic int tid;		/* its kernel id; 0 until it runs */
	bool pending_io;		/* KVM completes the last exit at the next KVM_RUN */
	struct io_reader reader[IO_SPACES];
	struct vcpu_pvlock pvlock;
	_Atomic u64 exits[VCPU_EXIT_REASONS];	/* by KVM_EXIT_*, counted by the vCPU's own thread (util/counter.h) */
	struct arch_vcpu *arch;		/* owned by the arch */
};

/* All of vm->cfg.cpus, registers at reset state but not yet set up for boot. Main thread. */
int vcpus_create(struct vm *vm, struct error *err);
/* Threads must be gone. */
void vcpus_free(struct vm *vm);

/* Starts the threads. They wait until vcpus_resume(). */
int vcpus_start(struct vm *vm, struct error *err);
/* After it returns no vCPU is in KVM_RUN or in a handler. Main thread; nests. */
void vcpus_pause(struct vm *vm);
/* The first half of vcpus_pause(): asks, and does not wait. Any thread, a vCPU's too. */
void vcpus_hold(struct vm *vm);
/* Takes one vcpus_pause() or vcpus_hold() back. */
void vcpus_resume(struct vm *vm);
/* The vCPU cannot go on: logs its state and ends the run as VM_EXIT_CRASH with @fmt as the reason. The vCPU's thread. */
void vcpu_crashed(struct vcpu *vcpu, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Ends and joins the threads. */
void vcpus_stop(struct vm *vm);

#endif
