/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The run loop. [Documentation/virt/kvm/api 4.10 KVM_RUN, 5 kvm_run]
 *
 * A vCPU is stopped by immediate_exit and the kick signal: whoever asks sets vm->vcpus_attention, then immediate_exit, so that KVM_RUN
 * returns when it is about to begin, and then sends the signal, which ends it when it has begun. The loop clears immediate_exit first and
 * looks for a reason to stop after that: one of the three is always seen. The signal's handler has nothing to do: that it ran is what counts.
 *
 * Pausing waits until every vCPU thread is parked, outside of handlers, its last exit completed.
 *
 * Threads: vcpu_thread() is one a vCPU; vcpus_hold() any; everything else the main thread's.
 */
#include "vmm/vcpu.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/counter.h"
#include "util/cpulist.h"
#include "util/log.h"
#include "util/thread.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

static _Thread_local struct vcpu *current;

struct vcpu *vcpu_current(void)
{
	return current;
}

static int kick_signal(void)
{
	return SIGRTMIN;
}

static void kicked(int sig)
{
}

static int vcpu_create(struct vm *vm, unsigned int index, size_t run_size, struct error *err)
{
	struct vcpu *vcpu = &vm->vcpu[index];
	int i;

	vcpu->vm = vm;
	vcpu->index = index;
	for (i = 0; i < IO_SPACES; i++)
		io_reader_add(&vm->io[i], &vcpu->reader[i]);
	vcpu->fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0)
		return error_set_errno(err, -errno, "--cpus %u: KVM cannot make vCPU %u", vm->cfg.cpus, index);
	vcpu->run_size = run_size;
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return error_set_errno(err, -errno, "vCPU %u: mapping kvm_run", index);
	}
	return arch_vcpu_init(vcpu, err);
}

int vcpus_create(struct vm *vm, struct error *err)
{
	unsigned int i;
	int size, r;

	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return error_set(err, -EIO, "KVM_GET_VCPU_MMAP_SIZE gives %d", size);
	vm->vcpu = calloc(vm->cfg.cpus, sizeof(*vm->vcpu));
	if (!vm->vcpu)
		return error_set_errno(err, -ENOMEM, "--cpus %u", vm->cfg.cpus);
	for (i = 0; i < vm->cfg.cpus; i++)
		vm->vcpu[i].fd = -1;
	for (i = 0; i < vm->cfg.cpus; i++) {
		r = vcpu_create(vm, i, (size_t)size, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void vcpus_free(struct vm *vm)
{
	struct vcpu *vcpu;
	unsigned int i;
	int s;

	if (!vm->vcpu)
		return;
	for (i = 0; i < vm->cfg.cpus; i++) {
		vcpu = &vm->vcpu[i];
		if (!vcpu->vm)
			continue;
		arch_vcpu_free(vcpu);
		if (vcpu->run)
			munmap(vcpu->run, vcpu->run_size);
		if (vcpu->fd >= 0)
			close(vcpu->fd);
		for (s = 0; s < IO_SPACES; s++)
			io_reader_del(&vm->io[s], &vcpu->reader[s]);
	}
	free(vm->vcpu);
	vm->vcpu = NULL;
}

static void handle_exit(struct vcpu *vcpu);

/*
 * The instruction that exited is finished at the next entry: enter, and leave at once. One that needs more exits on
 * the way (a wide access, a string) has each of them served here.
 */
static void complete_io(struct vcpu *vcpu)
{
	while (vcpu->pending_io) {
		vcpu->pending_io = false;
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
			handle_exit(vcpu);
	}
}

/* Called when somebody wants the vCPU. False: the thread is to end. */
static bool park(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	bool go_on;

	complete_io(vcpu);
	pthread_mutex_lock(&vm->pause_lock);
	vm->vcpus_parked++;
	pthread_cond_broadcast(&vm->pause_cond);
	while (!vm->vcpus_end && vm->pause_depth)
		pthread_cond_wait(&vm->pause_cond, &vm->pause_lock);
	vm->vcpus_parked--;
	go_on = !vm->vcpus_end;
	pthread_mutex_unlock(&vm->pause_lock);
	return go_on;
}

void vcpu_crashed(struct vcpu *vcpu, const char *fmt, ...)
{
	struct strbuf dump = { 0 };
	char why[120], who[16];
	va_list ap;
	char *line, *save = NULL;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(who, sizeof(who), "vcpu%u", vcpu->index);
	arch_vcpu_dump(vcpu, &dump);
	for (line = dump.s && !dump.failed ? strtok_r(dump.s, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		log_err(who, "%s", line);
	strbuf_free(&dump);
	vm_request_exit(vcpu->vm, VM_EXIT_CRASH, 0, "vCPU %u: %s", vcpu->index, why);
}

static void internal_error(struct vcpu *vcpu)
{
	static const char *const suberror[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "an instruction KVM cannot emulate",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "simultaneous exceptions",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "event delivery failed",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "unexpected exit reason",
	};
	u32 sub = vcpu->run->internal.suberror;

	vcpu_crashed(vcpu, "KVM internal error %u (%s)", sub,
		     sub < ARRAY_SIZE(suberror) && suberror[sub] ? suberror[sub] : "unknown");
}

static void system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_request_exit(vcpu->vm, VM_EXIT_POWEROFF, 0, "system event");
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_request_exit(vcpu->vm, VM_EXIT_RESET, 0, "system event");
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vm_guest_panicked(vcpu->vm, "crash event");
		break;
	default:
		vcpu_crashed(vcpu, "unknown system event %u", vcpu->run->system_event.type);
	}
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	counter_add(&vcpu->exits[MIN(run->exit_reason, VCPU_EXIT_REASONS - 1U)], 1);
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu->pending_io = true;
		ioport_access(vcpu, run->io.port, (u8 *)run + run->io.data_offset, run->io.size, run->io.count,
			      run->io.direction == KVM_EXIT_IO_OUT);
		return;
	case KVM_EXIT_MMIO:
		vcpu->pending_io = true;
		mmio_access(vcpu, run->mmio.phys_addr, run->mmio.data, run->mmio.len, run->mmio.is_write);
		return;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event(vcpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		internal_error(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vcpu_crashed(vcpu, "KVM cannot enter the guest, hardware reason 0x%llx",
			     (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		if (arch_vcpu_exit(vcpu) < 0)
			vcpu_crashed(vcpu, "unhandled exit, reason %u", run->exit_reason);
	}
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	char name[16];
	sigset_t set;
	int r;

	current = vcpu;
	vcpu->tid = (int)syscall(SYS_gettid);
	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	sigemptyset(&set);
	sigaddset(&set, kick_signal());
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	r = pvlock_update(vcpu);
	thread_begin(THREAD_VCPU, name);

	for (;;) {
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		if (atomic_load(&vcpu->vm->vcpus_attention)) {
			if (!park(vcpu))
				break;
			if (!r)
				r = pvlock_update(vcpu);	/* after a restart */
		}
		if (r < 0) {
			vcpu_crashed(vcpu, "--pv-lock: %s", strerror(-r));
			r = 0;
			continue;
		}
		vcpu->pending_io = false;
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN)
				vcpu_crashed(vcpu, "KVM_RUN: %s", strerror(errno));
			continue;
		}
		handle_exit(vcpu);
	}
	current = NULL;
	return NULL;
}

/* The thread waits for vcpus_resume(), so that it never ran guest code elsewhere. */
static int keep_to_cpus(struct vcpu *vcpu, const struct cpu_list *cpus)
{
	return -pthread_setaffinity_np(vcpu->thread, sizeof(*cpus), (const cpu_set_t *)cpus->bits);
}

int vcpus_start(struct vm *vm, struct error *err)
{
	struct sigaction sa = { .sa_handler = kicked };
	const char *affinity = vm->cfg.machine.vcpu_affinity;
	struct cpu_list cpus;
	unsigned int i;
	int r = 0;

	if (affinity && cpu_list_parse(affinity, &cpus) < 0)
		return error_set(err, -EINVAL, "--vcpu-affinity '%s': no list of CPUs", affinity);
	sigaction(kick_signal(), &sa, NULL);
	pthread_mutex_lock(&vm->pause_lock);
	vm->pause_depth++;	/* they wait for vcpus_resume() */
	vm->vcpus_end = false;
	pthread_mutex_unlock(&vm->pause_lock);
	vm->vcpus_attention = true;

	for (i = 0; i < vm->cfg.cpus && !r; i++) {
		r = thread_start(&vm->vcpu[i].thread, vcpu_thread, &vm->vcpu[i]);
		vm->vcpu[i].started = !r;
		vm->vcpus_started += !r;
	}
	if (r < 0)
		return error_set_errno(err, r, "--cpus %u: thread of vCPU %u", vm->cfg.cpus, i - 1);
	for (i = 0; affinity && i < vm->cfg.cpus && !r; i++)
		r = keep_to_cpus(&vm->vcpu[i], &cpus);
	return r < 0 ? error_set_errno(err, r, "--vcpu-affinity %s", affinity) : 0;
}

/* Not pthread_kill(), which in musl is tkill: the sandbox has no signals to other processes. */
static void kick_all(struct vm *vm)
{
	unsigned int i;

	/* One that has no id yet has still to look at vcpus_attention. */
	for (i = 0; i < vm->cfg.cpus; i++) {
		if (!vm->vcpu[i].started || !vm->vcpu[i].tid)
			continue;
		__atomic_store_n(&vm->vcpu[i].run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_tgkill, getpid(), vm->vcpu[i].tid, kick_signal());
	}
}

static void hold_locked(struct vm *vm)
{
	if (!vm->pause_depth++) {
		vm->vcpus_attention = true;
		kick_all(vm);
	}
}

void vcpus_hold(struct vm *vm)
{
	pthread_mutex_lock(&vm->pause_lock);
	hold_locked(vm);
	pthread_mutex_unlock(&vm->pause_lock);
}

void vcpus_pause(struct vm *vm)
{
	pthread_mutex_lock(&vm->pause_lock);
	hold_locked(vm);
	while (vm->vcpus_parked < vm->vcpus_started)
		pthread_cond_wait(&vm->pause_cond, &vm->pause_lock);
	pthread_mutex_unlock(&vm->pause_lock);
}

void vcpus_resume(struct vm *vm)
{
	pthread_mutex_lock(&vm->pause_lock);
	assert(vm->pause_depth);
	if (!--vm->pause_depth) {
		vm->vcpus_attention = false;
		pthread_cond_broadcast(&vm->pause_cond);
	}
	pthread_mutex_unlock(&vm->pause_lock);
}

void vcpus_stop(struct vm *vm)
{
	unsigned int i;

	if (!vm->vcpu)
		return;
	pthread_mutex_lock(&vm->pause_lock);
	vm->vcpus_end = true;
	vm->vcpus_attention = true;
	pthread_cond_broadcast(&vm->pause_cond);
	kick_all(vm);
	pthread_mutex_unlock(&vm->pause_lock);
	for (i = 0; i < vm->cfg.cpus; i++) {
		if (!vm->vcpu[i].started)
			continue;
		pthread_join(vm->vcpu[i].thread, NULL);
		vm->vcpu[i].started = false;
		vm->vcpu[i].tid = 0;
		vm->vcpus_started--;
	}
}
