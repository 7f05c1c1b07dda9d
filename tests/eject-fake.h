/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pci-eject.c needs around tests/pci-fake.h: vCPUs that can be held, which here are threads that call vcpu_point() between two accesses,
 * and a main loop that is run for what is posted.
 */
#ifndef TESTS_EJECT_FAKE_H
#define TESTS_EJECT_FAKE_H

#include "pci-fake.h"
#include "vmm/event.h"

enum { EJECT_PORT = 0x608, EJECT_GSI = 10 };

static const struct pci_eject_config eject_config = { .space = IO_PORT, .base = EJECT_PORT, .gsi = EJECT_GSI };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned int depth, runners, parked;
	unsigned int holds;		/* by vcpus_hold() */
	unsigned int told;		/* vCPUs that stood still, while all did */
} held = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

void vcpus_hold(struct vm *vm)
{
	pthread_mutex_lock(&held.lock);
	held.depth++;
	held.holds++;
	pthread_mutex_unlock(&held.lock);
}

void vcpus_resume(struct vm *vm)
{
	pthread_mutex_lock(&held.lock);
	if (!held.depth--)
		abort();
	pthread_cond_broadcast(&held.cond);
	pthread_mutex_unlock(&held.lock);
}

void vm_hold_vcpus(struct vm *vm)
{
	pthread_mutex_lock(&held.lock);
	held.depth++;
	while (held.parked < held.runners)
		pthread_cond_wait(&held.cond, &held.lock);
	pthread_mutex_unlock(&held.lock);
}

void vm_release_vcpus(struct vm *vm)
{
	vcpus_resume(vm);
}

void arch_vcpu_paused(struct vcpu *vcpu)
{
	if (!held.depth || vcpu != &vcpu->vm->vcpu[held.told % vcpu->vm->cfg.cpus])
		abort();
	held.told++;
}

UNUSED static void vcpu_point(void)
{
	pthread_mutex_lock(&held.lock);
	held.parked++;
	pthread_cond_broadcast(&held.cond);
	while (held.depth)
		pthread_cond_wait(&held.cond, &held.lock);
	held.parked--;
	pthread_mutex_unlock(&held.lock);
}

struct loop_end {
	struct event_work work;
	struct event_loop *loop;
};

UNUSED static void stop_loop(struct event_work *work)
{
	event_loop_stop(container_of(work, struct loop_end, work)->loop);
}

/* Does what was posted. */
UNUSED static void run_posted(struct vm *vm)
{
	struct loop_end end = { .loop = vm->loop };

	event_post(vm->loop, &end.work, stop_loop);
	event_loop_run(vm->loop);
}

#endif
