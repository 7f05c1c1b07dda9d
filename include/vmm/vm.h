/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual machine. Everything hangs off struct vm; two in one process work.
 *
 * Life: vm_create (KVM, RAM, vCPUs, devices) -> vm_run (boot image, threads, main loop) -> vm_free.
 *
 * Threads: the main thread runs vm->loop; one thread per vCPU; a disk may own a loop thread.
 *
 * Lock order, outermost first:
 *   vm->pause_lock -> pci_host.lock -> io_map.lock -> virtio_dev.lock -> a device's own lock
 *   -> pci_dev.irq_lock -> irq state lock; a back end's own lock -> an event loop's; vm->slot_lock, vm->exit_lock, the event loops' locks
 *   and chardev locks are leaves.
 * No lock is held across a back end's submit, or a callback out of a module.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <pthread.h>
#include <stdatomic.h>

#include "util/error.h"
#include "util/list.h"
#include "util/sandbox.h"
#include "vmm/config.h"
#include "vmm/device.h"
#include "vmm/event.h"
#include "vmm/iomap.h"
#include "vmm/memory.h"
#include "vmm/memslot.h"
#include "vmm/vcpu.h"

struct arch_vm;
struct console_watch;
struct irq_state;
struct pci_host;
struct vm_kvm_stats;

enum vm_exit_cause {
	VM_EXIT_NONE,
	VM_EXIT_POWEROFF,	/* the guest switched itself off */
	VM_EXIT_RESET,		/* the guest asked for a reset */
	VM_EXIT_STATUS,		/* debug-exit: vm->exit_status */
	VM_EXIT_QUIT,		/* the user ended it (Ctrl-A x, stop) */
	VM_EXIT_TIMEOUT,
	VM_EXIT_PANIC,		/* pvpanic, or a panic line and then reset or silence */
	VM_EXIT_CRASH,		/* triple fault, KVM internal error, unhandled exit */
	VM_EXIT_SIGNAL,		/* vm->exit_status: the signal's number */
	VM_EXIT_HOST_ERROR,	/* lkvm lost something of its host */
};

/* Moments worth telling; @us is microseconds since cfg.start_ns. */
enum vm_event_kind {
	VM_EVENT_STARTED,	/* about to enter the guest for the first time */
	VM_EVENT_MARK,		/* value: byte written to the mark register */
	VM_EVENT_PANIC,		/* text: what told it */
	VM_EVENT_RESTART,	/* reset in place */
	VM_EVENT_CONSOLE,	/* first byte of console output */
};

struct vm_event {
	enum vm_event_kind kind;
	u64 us;
	unsigned int value;
	const char *text;
};

struct memslot_table;
struct vfio_host;

struct vm {
	struct vm_config cfg;
	int kvm_fd, vm_fd;		/* owned; -1: none */
	int pvlock_fd;			/* owned: pvlock.c's; -1: none */
	int kernel_fd, initrd_fd, overlay_fd;	/* owned; with cfg.reboot, once they were loaded: read again at a restart; -1: none */
	struct guest_mem mem;
	struct memslot_table *slots;	/* memslot.c's */
	pthread_mutex_t slot_lock;	/* guards slots */
	struct list_node ram_listeners;
	struct io_map io[IO_SPACES];
	struct io_region port_window;	/* where ports are in memory; unmapped: this machine has port instructions, or no ports */
	struct virtio_mmio_slots {	/* the machine's, for virtio devices that are not on PCI; nr 0: it has none */
		u64 base;
		unsigned int stride;	/* bytes from one to the next */
		u32 gsi;		/* of the first; one each */
		unsigned int nr, used;
	} virtio_mmio;
	struct io_reader main_reader[IO_SPACES];	/* for tests and tools that dispatch on the main thread */
	struct irq_state *irq;
	struct event_loop *loop;	/* the main loop */
	struct list_node devices;
	struct pci_host *pci;		/* borrowed: a device; NULL before it exists */
	struct vfio_host *vfio;		/* owned: vfio/'s, from the first --vfio; NULL: none */
	struct virtio_balloon *balloon;	/* borrowed: a device; NULL: there is none */
	struct chardev *chardev[CONFIG_SERIAL_PORTS + CONFIG_MAX_PORTS];	/* owned: serial ports, then virtio ports */
	struct chardev *console;	/* borrowed: the one cfg.console names; may be NULL */

	struct vcpu *vcpu;		/* owned array of cfg.cpus */
	pthread_mutex_t pause_lock;	/* guards the next four */
	pthread_cond_t pause_cond;
	unsigned int pause_depth;	/* > 0: vCPUs wait */
	unsigned int vcpus_parked, vcpus_started;
	bool vcpus_end;			/* threads are to return */
	_Atomic bool vcpus_attention;	/* vCPUs look at the above, and at exit_cause, before they enter the guest */

	pthread_mutex_t exit_lock;	/* guards the next four */
	enum vm_exit_cause exit_cause;	/* first one wins, but over a reset that restarts */
	int exit_status;
	char exit_text[160];
	bool panicked;			/* the guest told so: a reset after it is a crash */
	bool paused;			/* main thread: by vm_pause() */
	struct event_work exit_work;	/* takes the decision to the main loop */
	int run_error;			/* main thread: a restart failed, -errno */
	struct error run_err;

	struct sandbox box;		/* what is needed after the start; others may add to it before vm_run() */
	struct event_source violation;

	struct event_timer timeout;
	struct console_watch *watch;	/* owned: console log and panic line */
	struct vm_kvm_stats *kvm_stats;	/* owned: kvm-stats.c's, once somebody asked */

	void (*on_event)(void *arg, const struct vm_event *ev);	/* any thread; may be NULL */
	void *on_event_arg;

	struct arch_vm *arch;		/* owned by the arch */
};

int vm_create(const struct vm_config *cfg, struct error *err, struct vm **ret);
/* Runs to the end of the guest. 0: see exit_cause and exit_status; -errno: could not start. Main thread. */
int vm_run(struct vm *vm, struct error *err);
void vm_free(struct vm *vm);	/* NULL and half built are fine */

/*
 * Ends the run (or restarts it: VM_EXIT_RESET with cfg.reboot). Any thread; the
 * first cause wins, but any other wins over a reset that restarts. A vCPU thread that calls it does not enter the guest again
 * before the main thread decided.
 */
void vm_request_exit(struct vm *vm, enum vm_exit_cause cause, int status, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* confine.c, for vm_run(): all rights that cfg and vm->box do not ask for are gone; vm->loop learns of a violation. Main thread. */
int vm_confine(struct vm *vm, struct error *err);

/*
 * vCPUs and devices stand still after vm_pause() until vm_resume(). The user's pause: others nest inside it. Main thread.
 * -EALREADY: it is so already.
 */
int vm_pause(struct vm *vm);
int vm_resume(struct vm *vm);
/*
 * The vCPUs alone stand still, for the moment it takes to look at them: devices go on. Output that a vCPU has no room for at its back end
 * meanwhile is dropped, since the room would be made by this thread. Nests, in the user's pause too. Main thread.
 */
void vm_hold_vcpus(struct vm *vm);
void vm_release_vcpus(struct vm *vm);

/* The guest told it panicked; ends the run as VM_EXIT_PANIC unless cfg.panic says not. Any thread. */
void vm_guest_panicked(struct vm *vm, const char *how);

void vm_emit(struct vm *vm, enum vm_event_kind kind, unsigned int value, const char *text);
/* Microseconds since cfg.start_ns. */
u64 vm_time_us(const struct vm *vm);

/* KVM_CHECK_EXTENSION on the VM; 0 when absent. */
int vm_check_cap(const struct vm *vm, unsigned int cap);
struct vm_cap {
	unsigned int cap;
	const char *name;	/* without its KVM_CAP_ */
};
#define VM_CAP(name) { KVM_CAP_##name, #name }
/* -EOPNOTSUPP with the name of the first of @nr that this KVM lacks. */
int vm_require_caps(const struct vm *vm, const struct vm_cap *cap, unsigned int nr, struct error *err);

#endif
