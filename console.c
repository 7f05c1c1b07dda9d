/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console's watch: a tap on the console's chardev.
 *
 * The panic line is what Linux prints first in panic(): "Kernel panic - not syncing". The search keeps its place between
 * writes, so a line that comes byte by byte is found as well. A guest can print the line at will: it then ends its own run.
 *
 * Threads: the tap runs on whichever thread writes to the chardev (a vCPU, or the main loop for virtio), serialised by watch->lock.
 */
#include "vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/io.h"
#include "util/log.h"
#include "vmm/chardev.h"
#include "vmm/vm.h"

static const char panic_line[] = "Kernel panic - not syncing";

struct console_watch {
	struct vm *vm;
	pthread_mutex_t lock;		/* guards all below */
	int log_fd;			/* owned; -1: none */
	bool spoke;			/* VM_EVENT_CONSOLE was sent */
	unsigned int matched;		/* bytes of panic_line seen */
	bool panic_seen;
	struct event_timer silence;
};

static void silence_over(struct event_timer *t)
{
	struct console_watch *w = container_of(t, struct console_watch, silence);

	vm_request_exit(w->vm, VM_EXIT_PANIC, 0, "panic line on the console, then silence");
}

static bool find_panic(struct console_watch *w, const u8 *buf, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (buf[i] == (u8)panic_line[w->matched])
			w->matched++;
		else	/* 'K' stands nowhere else in the line, so only a new start can match */
			w->matched = buf[i] == (u8)panic_line[0];
		if (w->matched == sizeof(panic_line) - 1) {
			w->matched = 0;
			return true;
		}
	}
	return false;
}

static void console_tap(void *arg, const u8 *buf, size_t len)
{
	struct console_watch *w = arg;
	bool first, found;
	int r;

	if (!len)
		return;
	pthread_mutex_lock(&w->lock);
	first = !w->spoke;
	w->spoke = true;
	if (w->log_fd >= 0) {
		r = io_write_patient(w->log_fd, buf, len);
		if (r < 0) {
			log_warn("console", "--console-log '%s': %s; no more is kept", w->vm->cfg.console_log, strerror(-r));
			close(w->log_fd);
			w->log_fd = -1;
		}
	}
	found = w->vm->cfg.panic == PANIC_EXIT && !w->panic_seen && find_panic(w, buf, len);
	w->panic_seen |= found;
	if (w->panic_seen)
		event_timer_set(w->vm->loop, &w->silence, w->vm->cfg.panic_silence_ns, silence_over);
	pthread_mutex_unlock(&w->lock);

	if (first)
		vm_emit(w->vm, VM_EVENT_CONSOLE, 0, NULL);
	if (found) {
		pthread_mutex_lock(&w->vm->exit_lock);
		found = !w->vm->panicked;	/* else pvpanic told it already */
		w->vm->panicked = true;
		pthread_mutex_unlock(&w->vm->exit_lock);
	}
	if (found)
		vm_emit(w->vm, VM_EVENT_PANIC, 0, "console");
}

static int watch_create(struct vm *vm, struct error *err)
{
	struct console_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return error_set_errno(err, -ENOMEM, "console");
	w->vm = vm;
	pthread_mutex_init(&w->lock, NULL);
	w->log_fd = -1;
	vm->watch = w;
	if (vm->cfg.console_log) {
		/* O_NONBLOCK: a FIFO that nobody reads is an error, not a wait that no signal ends */
		w->log_fd = open(vm->cfg.console_log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
		if (w->log_fd < 0)
			return error_set_errno(err, -errno, "--console-log '%s'", vm->cfg.console_log);
	}
	return 0;
}

int console_open(struct vm *vm, struct error *err)
{
	const struct vm_config *cfg = &vm->cfg;
	const unsigned int console = cfg->console == CONSOLE_SERIAL ? 0 : CONFIG_SERIAL_PORTS;
	struct error why;
	unsigned int i;
	int r;

	r = watch_create(vm, err);
	if (r < 0)
		return r;
	for (i = 0; i < CONFIG_SERIAL_PORTS + cfg->nr_ports; i++) {
		bool serial = i < CONFIG_SERIAL_PORTS;
		struct chardev_config c = serial ? cfg->serial[i] : cfg->port[i - CONFIG_SERIAL_PORTS];
		char name[16];

		if (c.kind == CHARDEV_NONE && i != console)	/* a console nobody reads is still watched */
			continue;
		snprintf(name, sizeof(name), serial ? "serial%u" : "port%u", serial ? i : i - CONFIG_SERIAL_PORTS);
		if (!c.name)
			c.name = name;
		r = chardev_open(&c, vm->loop, &why, &vm->chardev[i]);
		if (r < 0)
			return error_set(err, r, "--%s %u: %s", serial ? "serial" : "port", serial ? i : i - CONFIG_SERIAL_PORTS, why.msg);
	}
	vm->console = vm->chardev[console];
	if (vm->console)
		chardev_set_tap(vm->console, console_tap, vm->watch);
	return 0;
}

void console_restart(struct vm *vm)
{
	struct console_watch *w = vm->watch;

	pthread_mutex_lock(&w->lock);
	w->matched = 0;
	w->panic_seen = false;
	event_timer_set(vm->loop, &w->silence, 0, silence_over);
	pthread_mutex_unlock(&w->lock);
}

void console_close(struct vm *vm)
{
	struct console_watch *w = vm->watch;
	unsigned int i;

	for (i = 0; i < CONFIG_SERIAL_PORTS + CONFIG_MAX_PORTS; i++) {
		chardev_close(vm->chardev[i]);
		vm->chardev[i] = NULL;
	}
	vm->console = NULL;
	if (!w)
		return;
	event_timer_del(&w->silence);
	if (w->log_fd >= 0)
		close(w->log_fd);
	pthread_mutex_destroy(&w->lock);
	free(w);
	vm->watch = NULL;
}
