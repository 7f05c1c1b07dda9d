/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ends a run, and what only restarts it, when requests come close together. Everything below vm.c is fake.
 * links: vm.c pvlock.c kvm-stats.c event.c util/str.c util/log.c util/io.c util/error.c util/thread.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "vmm/arch.h"
#include "vmm/chardev.h"
#include "vmm/console.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

static struct {
	int depth;			/* pauses and holds */
	unsigned int boots, restarts;
	void (*at_start)(struct vm *vm);	/* the guest's first instructions, of each life */
	void (*at_pause)(struct vm *vm);	/* what a vCPU still does before it parks */
	void (*at_reset)(struct vm *vm);	/* another thread's doing while the devices are reset */
	int boot_error;			/* of the second boot */
} fake;

/* --- what vm.c stands on --- */

void vcpus_hold(struct vm *vm) { fake.depth++; }
void vcpus_stop(struct vm *vm) {}
void vcpus_free(struct vm *vm) {}
int vcpus_create(struct vm *vm, struct error *err) { return 0; }
void devices_stop(struct vm *vm) {}
void devices_start(struct vm *vm) {}
int devices_prepare(struct vm *vm, struct error *err) { return 0; }
int vm_confine(struct vm *vm, struct error *err) { return 0; }
void devices_free(struct vm *vm) {}
void console_restart(struct vm *vm) {}
void console_close(struct vm *vm) {}
int console_open(struct vm *vm, struct error *err) { return 0; }
void chardev_cancel(struct chardev *cd) {}
void chardev_uncancel(struct chardev *cd) {}
int irq_init(struct vm *vm) { return 0; }
void irq_free(struct vm *vm) {}
int io_map_init(struct io_map *map, u64 limit) { return 0; }
void io_map_free(struct io_map *map) {}
void io_reader_add(struct io_map *map, struct io_reader *rd) {}
int ram_create(struct vm *vm, const struct ram_layout *l, const char *dir, struct error *err) { return 0; }
void ram_free(struct vm *vm) {}
void arch_ram_layout(const struct vm_config *cfg, struct ram_layout *ret) {}
int arch_vm_init(struct vm *vm, struct error *err) { return 0; }
int arch_irqchip_create(struct vm *vm, struct error *err) { return 0; }
void arch_vm_free(struct vm *vm) {}
unsigned int arch_max_vcpus(const struct vm *vm) { return 1; }
int arch_machine_create(struct vm *vm, struct error *err) { return 0; }
int arch_vcpu_reset(struct vcpu *vcpu, struct error *err) { return 0; }

int vcpus_start(struct vm *vm, struct error *err)
{
	fake.depth++;
	return 0;
}

void vcpus_pause(struct vm *vm)
{
	fake.depth++;
	if (fake.at_pause)
		fake.at_pause(vm);
}

void vcpus_resume(struct vm *vm)
{
	if (!--fake.depth && fake.at_start)
		fake.at_start(vm);
}

void devices_reset(struct vm *vm)
{
	if (fake.at_reset)
		fake.at_reset(vm);
}

int arch_boot(struct vm *vm, struct error *err)
{
	return fake.boots++ && fake.boot_error ? error_set(err, fake.boot_error, "no kernel any more") : 0;
}

/* --- */

static void on_event(void *arg, const struct vm_event *ev)
{
	fake.restarts += ev->kind == VM_EVENT_RESTART;
}

static struct vcpu vcpu;
static struct vm vm;
static struct error err;

static int run(bool reboot)
{
	int r;

	memset(&vm, 0, sizeof(vm));
	err.msg[0] = '\0';
	fake.depth = 0;
	fake.boots = fake.restarts = 0;
	vm.cfg.cpus = 1;
	vm.cfg.reboot = reboot;
	vm.cfg.panic = PANIC_EXIT;
	vm.vcpu = &vcpu;
	vm.on_event = on_event;
	pthread_mutex_init(&vm.exit_lock, NULL);
	if (event_loop_create("test", &vm.loop) < 0)
		return -ENOMEM;
	r = vm_run(&vm, &err);
	event_loop_free(vm.loop);
	memset(&fake.at_start, 0, sizeof(fake) - offsetof(typeof(fake), at_start));
	return r;
}

static void reset(struct vm *v)
{
	vm_request_exit(v, VM_EXIT_RESET, 0, "reset");
}

static void reset_then_status(struct vm *v)
{
	if (fake.boots == 1)
		reset(v);
	else
		vm_request_exit(v, VM_EXIT_STATUS, 5, "status");
}

static void power_off(struct vm *v)
{
	vm_request_exit(v, VM_EXIT_POWEROFF, 0, "off");
}

static void reset_and_signal(struct vm *v)
{
	if (fake.boots > 1)
		power_off(v);	/* the signal was lost */
	else
		reset(v);
	vm_request_exit(v, VM_EXIT_SIGNAL, 15, "signal 15");
}

static void power_off_then_signal(struct vm *v)
{
	power_off(v);
	vm_request_exit(v, VM_EXIT_SIGNAL, 15, "signal 15");
}

static void panic_once(struct vm *v)
{
	vm_guest_panicked(v, "late");
}

TEST(reset_ends_the_run)
{
	fake.at_start = reset;
	CHECK_EQ(run(false), 0);
	CHECK_EQ(vm.exit_cause, VM_EXIT_RESET);
	CHECK_EQ(fake.boots, 1);
}

TEST(reset_restarts_with_reboot)
{
	fake.at_start = reset_then_status;
	CHECK_EQ(run(true), 0);
	CHECK_EQ(vm.exit_cause, VM_EXIT_STATUS);
	CHECK_EQ(vm.exit_status, 5);
	CHECK_EQ(fake.boots, 2);
	CHECK_EQ(fake.restarts, 1);
}

TEST(first_cause_wins)
{
	fake.at_start = power_off_then_signal;
	CHECK_EQ(run(false), 0);
	CHECK_EQ(vm.exit_cause, VM_EXIT_POWEROFF);
	CHECK_STR(vm.exit_text, "off");
}

TEST(signal_beside_a_reset_is_not_lost_to_the_restart)
{
	fake.at_start = reset_and_signal;
	CHECK_EQ(run(true), 0);
	CHECK_EQ(vm.exit_cause, VM_EXIT_SIGNAL);
	CHECK_EQ(vm.exit_status, 15);
	CHECK_EQ(fake.boots, 1);
}

TEST(without_reboot_the_reset_came_first)
{
	fake.at_start = reset_and_signal;
	CHECK_EQ(run(false), 0);
	CHECK_EQ(vm.exit_cause, VM_EXIT_RESET);
}

TEST(request_during_the_restart_is_not_lost)
{
	fake.at_start = reset_then_status;
	fake.at_reset = power_off;
	CHECK_EQ(run(true), 0);
	CHECK_EQ(vm.exit_cause, VM_EXIT_POWEROFF);
	CHECK_EQ(fake.boots, 2);
}

TEST(panic_told_on_the_way_to_the_pause_is_a_crash)
{
	fake.at_start = reset_then_status;
	fake.at_pause = panic_once;
	CHECK_EQ(run(true), 0);
	CHECK_EQ(vm.exit_cause, VM_EXIT_PANIC);
	CHECK_EQ(fake.boots, 1);
}

TEST(restart_that_fails_ends_the_run_with_its_reason)
{
	fake.at_start = reset_then_status;
	fake.boot_error = -ENOENT;
	CHECK_EQ(run(true), -ENOENT);
	CHECK_STR(err.msg, "no kernel any more");
}

int main(void)
{
	RUN(reset_ends_the_run);
	RUN(reset_restarts_with_reboot);
	RUN(first_cause_wins);
	RUN(signal_beside_a_reset_is_not_lost_to_the_restart);
	RUN(without_reboot_the_reset_came_first);
	RUN(request_during_the_restart_is_not_lost);
	RUN(panic_told_on_the_way_to_the_pause_is_a_crash);
	RUN(restart_that_fails_ends_the_run_with_its_reason);
	return tap_done();
}
