/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VM's life: KVM, RAM, vCPUs, devices; the main loop; the decision what the end of a run means.
 *
 * An exit request comes from any thread: a device handler on a vCPU, the main loop, a signal. The first one wins; it holds the vCPUs
 * and posts exit_work, so that the main thread decides with nobody in the guest: end, or restart in place.
 *
 * Threads: vm_create, vm_run, vm_free and the restart are the main thread's; vm_request_exit, vm_guest_panicked and vm_emit any thread's.
 */
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/io.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/console.h"
#include "vmm/irq.h"
#include "vmm/kvm-stats.h"

enum { KVM_API = 12 };	/* [api 4.1] anything else is to be refused */

int vm_check_cap(const struct vm *vm, unsigned int cap)
{
	int r = ioctl(vm->vm_fd >= 0 ? vm->vm_fd : vm->kvm_fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

	return r < 0 ? 0 : r;
}

int vm_require_caps(const struct vm *vm, const struct vm_cap *cap, unsigned int nr, struct error *err)
{
	for (; nr; nr--, cap++)
		if (!vm_check_cap(vm, cap->cap))
			return error_set(err, -EOPNOTSUPP, "'%s': this KVM lacks KVM_CAP_%s", vm->cfg.dev, cap->name);
	return 0;
}

u64 vm_time_us(const struct vm *vm)
{
	return (time_now_ns() - vm->cfg.start_ns) / 1000;
}

void vm_emit(struct vm *vm, enum vm_event_kind kind, unsigned int value, const char *text)
{
	struct vm_event ev = { .kind = kind, .us = vm_time_us(vm), .value = value, .text = text };

	if (vm->on_event)
		vm->on_event(vm->on_event_arg, &ev);
}

/* --- the end of a run --- */

/* A vCPU that waits for room at a back end waits for this very loop: it must not while the loop waits for it. */
static void cancel_output(struct vm *vm, bool cancel)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vm->chardev); i++) {
		if (vm->chardev[i] && cancel)
			chardev_cancel(vm->chardev[i]);
		else if (vm->chardev[i])
			chardev_uncancel(vm->chardev[i]);
	}
}

void vm_hold_vcpus(struct vm *vm)
{
	cancel_output(vm, true);
	vcpus_pause(vm);
	cancel_output(vm, false);
}

void vm_release_vcpus(struct vm *vm)
{
	vcpus_resume(vm);
}

/* vCPUs are paused. */
static int restart(struct vm *vm, struct error *err)
{
	unsigned int i;
	int r;

	devices_stop(vm);
	devices_reset(vm);
	console_restart(vm);
	r = arch_boot(vm, err);
	for (i = 0; i < vm->cfg.cpus && !r; i++)
		r = arch_vcpu_reset(&vm->vcpu[i], err);
	if (r < 0)
		return r;
	vm_emit(vm, VM_EVENT_RESTART, 0, NULL);
	if (!vm->paused)
		devices_start(vm);
	vcpus_resume(vm);	/* decide_exit()'s */
	vcpus_resume(vm);	/* the request's hold */
	return 0;
}

/* Main loop: somebody asked for the end. */
static void decide_exit(struct event_work *work)
{
	struct vm *vm = container_of(work, struct vm, exit_work);
	bool again;

	if (vm->cfg.reboot)	/* what a vCPU still says on the way out belongs to the run that ends */
		vm_hold_vcpus(vm);
	pthread_mutex_lock(&vm->exit_lock);
	/* A guest that said it panicked has crashed, however it goes down after that. */
	if (vm->panicked && (vm->exit_cause == VM_EXIT_RESET || vm->exit_cause == VM_EXIT_CRASH ||
			     vm->exit_cause == VM_EXIT_POWEROFF))
		vm->exit_cause = VM_EXIT_PANIC;
	again = vm->exit_cause == VM_EXIT_RESET && vm->cfg.reboot;
	if (again) {	/* a request from here on is a first one again */
		vm->exit_cause = VM_EXIT_NONE;
		vm->panicked = false;
	}
	pthread_mutex_unlock(&vm->exit_lock);

	if (again) {
		vm->run_error = restart(vm, &vm->run_err);
		if (!vm->run_error)
			return;
	}
	event_loop_stop(vm->loop);
}

void vm_request_exit(struct vm *vm, enum vm_exit_cause cause, int status, const char *fmt, ...)
{
	bool first, restarts;
	va_list ap;

	pthread_mutex_lock(&vm->exit_lock);
	first = vm->exit_cause == VM_EXIT_NONE;
	/* A reset that would only start the guest again gives way: a signal or time-out comes once. */
	restarts = vm->exit_cause == VM_EXIT_RESET && vm->cfg.reboot && cause != VM_EXIT_RESET;
	if (first || restarts) {
		vm->exit_cause = cause;
		vm->exit_status = status;
		va_start(ap, fmt);
		vsnprintf(vm->exit_text, sizeof(vm->exit_text), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_unlock(&vm->exit_lock);
	if (!first)
		return;
	vcpus_hold(vm);
	event_post(vm->loop, &vm->exit_work, decide_exit);
}

void vm_guest_panicked(struct vm *vm, const char *how)
{
	bool first;

	pthread_mutex_lock(&vm->exit_lock);
	first = !vm->panicked;
	vm->panicked = vm->cfg.panic == PANIC_EXIT;
	pthread_mutex_unlock(&vm->exit_lock);
	if (first)
		vm_emit(vm, VM_EVENT_PANIC, 0, how);
	if (vm->cfg.panic == PANIC_EXIT)
		vm_request_exit(vm, VM_EXIT_PANIC, 0, "%s", how);
}

int vm_pause(struct vm *vm)
{
	if (vm->paused)
		return -EALREADY;
	vm_hold_vcpus(vm);
	devices_stop(vm);
	vm->paused = true;
	return 0;
}

int vm_resume(struct vm *vm)
{
	unsigned int i;

	if (!vm->paused)
		return -EALREADY;
	vm->paused = false;
	devices_start(vm);
	for (i = 0; i < vm->cfg.cpus; i++)
		arch_vcpu_paused(&vm->vcpu[i]);
	vcpus_resume(vm);
	return 0;
}

static void timed_out(struct event_timer *t)
{
	vm_request_exit(container_of(t, struct vm, timeout), VM_EXIT_TIMEOUT, 0, "time ran out");
}

/* --- life --- */

static int open_kvm(struct vm *vm, struct error *err)
{
	const char *dev = vm->cfg.dev, *opt = strcmp(dev, CONFIG_DEV) ? "--dev " : "";
	unsigned long type;
	int r;

	vm->kvm_fd = open(dev, O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0) {
		r = -errno;
		if (r == -ENOENT && !*opt)
			return error_set(err, r, "'%s' not found: %s", dev, arch_kvm_hint);
		if (r == -EACCES || r == -EPERM)
			return error_set(err, r, "%s'%s': permission denied: run as root, or add yourself to its group "
					 "(usually: adduser USER kvm)", opt, dev);
		return error_set_errno(err, r, "%s'%s'", opt, dev);
	}
	r = ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0);
	if (r < 0)
		return error_set(err, -ENODEV, "%s'%s' is not a KVM device", opt, dev);
	if (r != KVM_API)
		return error_set(err, -ENODEV, "%s'%s': KVM API version %d, want %d", opt, dev, r, KVM_API);
	r = arch_vm_type(vm, &type, err);
	if (r < 0)
		return r;
	do
		vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, type);
	while (vm->vm_fd < 0 && errno == EINTR);
	return vm->vm_fd < 0 ? error_set_errno(err, -errno, "'%s': cannot create a VM", dev) : 0;
}

static int check_cpus(struct vm *vm, struct error *err)
{
	unsigned int cpus = vm->cfg.cpus, most = (unsigned int)vm_check_cap(vm, KVM_CAP_MAX_VCPUS);

	if (cpus > most)
		return error_set(err, -EINVAL, "--cpus %u: KVM here allows at most %u", cpus, most);
	if (cpus > arch_max_vcpus(vm))
		return error_set(err, -EINVAL, "--cpus %u: this machine takes at most %u", cpus, arch_max_vcpus(vm));
	return 0;
}

static struct vm *vm_alloc(const struct vm_config *cfg)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->cfg = *cfg;
	vm->kvm_fd = vm->vm_fd = vm->pvlock_fd = vm->kernel_fd = vm->initrd_fd = vm->overlay_fd = -1;
	list_init(&vm->devices);
	list_init(&vm->ram_listeners);
	pthread_mutex_init(&vm->slot_lock, NULL);
	pthread_mutex_init(&vm->pause_lock, NULL);
	pthread_mutex_init(&vm->exit_lock, NULL);
	pthread_cond_init(&vm->pause_cond, NULL);
	return vm;
}

int vm_create(const struct vm_config *cfg, struct error *err, struct vm **ret)
{
	static const u64 space_limit[IO_SPACES] = { [IO_MMIO] = ~0ULL, [IO_PORT] = 0xffff };
	struct ram_layout layout = { .nr = 0 };
	struct vm *vm = vm_alloc(cfg);
	int i, r;

	if (!vm)
		return error_set_errno(err, -ENOMEM, "VM");
	for (i = 0; i < IO_SPACES; i++) {
		r = io_map_init(&vm->io[i], space_limit[i]);
		if (r < 0) {
			error_set_errno(err, r, "I/O map");
			goto fail;
		}
		io_reader_add(&vm->io[i], &vm->main_reader[i]);
	}
	r = open_kvm(vm, err);
	if (r < 0)
		goto fail;
	r = event_loop_create("main", &vm->loop);
	if (r < 0) {
		error_set_errno(err, r, "VM");
		goto fail;
	}
	r = check_cpus(vm, err);
	if (!r)
		r = arch_vm_init(vm, err);
	if (r < 0)
		goto fail;
	arch_ram_layout(cfg, &layout);
	r = ram_create(vm, &layout, cfg->hugetlbfs, err);
	if (!r)
		r = arch_irqchip_create(vm, err);
	if (!r) {
		r = irq_init(vm);
		if (r < 0)
			error_set_errno(err, r, "VM");
	}
	if (!r)
		r = vcpus_create(vm, err);
	if (!r)
		r = console_open(vm, err);
	if (!r)
		r = arch_machine_create(vm, err);
	if (r < 0)
		goto fail;
	*ret = vm;
	return 0;

fail:
	vm_free(vm);
	return r;
}

int vm_run(struct vm *vm, struct error *err)
{
	unsigned int i;
	int r;

	r = arch_boot(vm, err);
	for (i = 0; i < vm->cfg.cpus && !r; i++)
		r = arch_vcpu_reset(&vm->vcpu[i], err);
	if (r < 0)
		return r;
	if (vm->cfg.timeout_ns) {
		r = event_timer_set(vm->loop, &vm->timeout, vm->cfg.timeout_ns, timed_out);
		if (r < 0)
			return error_set_errno(err, r, "--timeout");
	}
	/* Each thread inherits what the main thread has given up, and gives up more when it begins. */
	if (!vm->cfg.no_sandbox)
		r = vm_confine(vm, err);
	if (!r)
		r = devices_prepare(vm, err);
	if (!r)
		r = vcpus_start(vm, err);
	if (r < 0)
		goto stop;
	devices_start(vm);
	thread_begin(THREAD_MAIN, NULL);
	vm_emit(vm, VM_EVENT_STARTED, 0, NULL);
	vcpus_resume(vm);
	r = event_loop_run(vm->loop);
	if (r < 0)
		error_set_errno(err, r, "main loop");
	else if (vm->run_error) {
		r = vm->run_error;
		*err = vm->run_err;
	}
stop:
	cancel_output(vm, true);
	vcpus_stop(vm);
	devices_stop(vm);
	return r;
}

void vm_free(struct vm *vm)
{
	int i;

	if (!vm)
		return;
	vcpus_stop(vm);
	devices_free(vm);
	vfio_free(vm);
	vm_kvm_stats_free(vm);
	if (vm->loop)
		console_close(vm);
	vcpus_free(vm);
	if (vm->vm_fd >= 0)
		arch_vm_free(vm);
	irq_free(vm);
	if (vm->loop) {
		event_timer_del(&vm->timeout);
		event_del(&vm->violation);
		event_work_cancel(vm->loop, &vm->exit_work);
		event_loop_free(vm->loop);
	}
	pvlock_close(vm);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	if (vm->kernel_fd >= 0)
		close(vm->kernel_fd);
	if (vm->initrd_fd >= 0)
		close(vm->initrd_fd);
	if (vm->overlay_fd >= 0)
		close(vm->overlay_fd);
	ram_free(vm);
	for (i = 0; i < IO_SPACES; i++)
		io_map_free(&vm->io[i]);
	pthread_mutex_destroy(&vm->slot_lock);
	pthread_mutex_destroy(&vm->pause_lock);
	pthread_mutex_destroy(&vm->exit_lock);
	pthread_cond_destroy(&vm->pause_cond);
	free(vm);
}
