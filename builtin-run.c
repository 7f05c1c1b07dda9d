/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `lkvm run`: a config becomes a VM, and the end of the guest an exit status.
 *
 * Threads: the main thread's; but the event callback runs on any thread and locks what it writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "builtin-run.h"
#include "builtin.h"
#include "util/counter.h"
#include "util/io.h"
#include "util/json.h"
#include "util/log.h"
#include "util/options.h"
#include "util/str.h"
#include "vmm/control.h"
#include "vmm/hw.h"

enum { WANT_DESCRIPTORS = 4096 };

/* --- events --- */

static void json_line(struct run *run, struct strbuf *b)
{
	int r;

	strbuf_add(b, "\n", 1);
	pthread_mutex_lock(&run->json_lock);
	r = !b->failed && run->json_fd >= 0 ? io_write_patient(run->json_fd, b->s, b->len) : 0;
	if (r < 0) {
		log_warn(NULL, "--json '%s': %s; no more is written", run->json, strerror(-r));
		close(run->json_fd);
		run->json_fd = -1;
	}
	pthread_mutex_unlock(&run->json_lock);
	strbuf_free(b);
}

static void on_event(void *arg, const struct vm_event *ev)
{
	static const char *const name[] = {
		[VM_EVENT_STARTED] = "started", [VM_EVENT_MARK] = "mark", [VM_EVENT_PANIC] = "panic",
		[VM_EVENT_RESTART] = "restart", [VM_EVENT_CONSOLE] = "console",
	};
	struct strbuf b = { 0 };
	struct run *run = arg;

	json_begin(&b, NULL);
	json_str(&b, "event", name[ev->kind]);
	json_u64(&b, "us", ev->us);
	if (ev->kind == VM_EVENT_MARK)
		json_u64(&b, "value", ev->value);
	if (ev->text)
		json_str(&b, "text", ev->text);
	if (ev->kind == VM_EVENT_STARTED && run->control)
		json_str(&b, "control", control_socket_path(run->control));
	if (ev->kind == VM_EVENT_STARTED)
		json_str(&b, "sandbox", sandbox_describe());
	json_end(&b);
	json_line(run, &b);
}

static const char *cause_name(enum vm_exit_cause cause)
{
	static const char *const name[] = {
		[VM_EXIT_NONE] = "none", [VM_EXIT_POWEROFF] = "poweroff", [VM_EXIT_RESET] = "reset",
		[VM_EXIT_STATUS] = "status", [VM_EXIT_QUIT] = "quit", [VM_EXIT_TIMEOUT] = "timeout",
		[VM_EXIT_PANIC] = "panic", [VM_EXIT_CRASH] = "crash", [VM_EXIT_SIGNAL] = "signal",
		[VM_EXIT_HOST_ERROR] = "host-error",
	};

	return name[cause];
}

static void emit_exit(struct run *run, enum vm_exit_cause cause, int status, const char *text)
{
	u64 all = 0, mmio = 0, pio = 0;
	struct vm *vm = run->vm;
	struct strbuf b = { 0 };
	unsigned int i, reason;

	if (run->json_fd < 0)
		return;
	for (i = 0; vm && i < vm->cfg.cpus; i++) {
		for (reason = 0; reason < VCPU_EXIT_REASONS; reason++)
			all += counter_get(&vm->vcpu[i].exits[reason]);
		mmio += counter_get(&vm->vcpu[i].exits[KVM_EXIT_MMIO]);
		pio += counter_get(&vm->vcpu[i].exits[KVM_EXIT_IO]);
	}
	json_begin(&b, NULL);
	json_str(&b, "event", "exit");
	json_u64(&b, "us", (time_now_ns() - run->cfg.start_ns) / 1000);
	json_str(&b, "cause", cause_name(cause));
	json_u64(&b, "status", (u64)status);
	json_str(&b, "text", text);
	json_begin(&b, "exits");
	json_u64(&b, "mmio", mmio);
	json_u64(&b, "pio", pio);
	json_u64(&b, "other", all - mmio - pio);
	json_end(&b);
	json_end(&b);
	json_line(run, &b);
}

static int open_json(struct run *run, struct error *err)
{
	u64 fd;

	if (!run->json)
		return 0;
	if (!strncmp(run->json, "fd:", 3)) {
		if (str_to_u64(run->json + 3, INT_MAX, &fd) < 0)
			return error_set(err, -EBADF, "--json '%s': no such open file descriptor", run->json);
		run->json_fd = fcntl((int)fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);	/* it may be one of the console's */
		return run->json_fd < 0 ? error_set(err, -EBADF, "--json '%s': no such open file descriptor", run->json) : 0;
	}
	run->json_fd = open(run->json, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	return run->json_fd < 0 ? error_set_errno(err, -errno, "--json '%s'", run->json) : 0;
}

/* --- signals and keys --- */

static void press_power_button(struct run *run)
{
	if (power_button_press(run->vm) < 0)
		log_warn(NULL, "this machine has no power button");
}

static void signalled(struct event_source *src, u32 events)
{
	struct run *run = container_of(src, struct run, signals);
	struct signalfd_siginfo si;

	if (read(src->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH || si.ssi_signo == SIGCONT) {
		if (si.ssi_signo == SIGWINCH)
			chardev_tty_resized(run->stdio);
		else
			chardev_tty_continued(run->stdio);
		return;
	}
	if (si.ssi_signo == SIGPWR) {
		press_power_button(run);
		return;
	}
	vm_request_exit(run->vm, VM_EXIT_SIGNAL, (int)si.ssi_signo, "signal %u", si.ssi_signo);
}

/*
 * From here on the signals that end a run wait for the main loop, in whichever thread's time. One the caller
 * had us ignore (nohup, a shell's background job) stays ignored.
 */
static int block_signals(sigset_t *set)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction sa;
	unsigned int i;

	sigemptyset(set);
	sigaddset(set, SIGWINCH);
	sigaddset(set, SIGCONT);
	sigaddset(set, SIGPWR);
	signal(SIGTTOU, SIG_IGN);	/* in the background the guest goes on; its output may come out at any time */
	signal(SIGTTIN, SIG_IGN);
	for (i = 0; i < ARRAY_SIZE(ends); i++)
		if (!sigaction(ends[i], NULL, &sa) && sa.sa_handler != SIG_IGN)
			sigaddset(set, ends[i]);
	return sigprocmask(SIG_BLOCK, set, NULL) < 0 ? -errno : 0;
}

static int watch_signals(struct run *run, const sigset_t *set, struct error *err)
{
	int r;

	run->signal_fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (run->signal_fd < 0)
		return error_set_errno(err, -errno, "signalfd");
	r = event_add(run->vm->loop, &run->signals, run->signal_fd, EPOLLIN, signalled);
	return r < 0 ? error_set_errno(err, r, "signalfd") : 0;
}

/* A signal handler has no argument: the one terminal of this process, while it is raw. */
static struct chardev *_Atomic raw_tty;

/* We crashed: leave the user a terminal that works, then die of it as before. */
static void fatal_signal(int sig)
{
	struct chardev *tty = raw_tty;

	if (tty)
		chardev_tty_restore(tty);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void restore_tty_when_fatal(struct chardev *tty)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction sa = { .sa_handler = fatal_signal, .sa_flags = SA_NODEFER };
	unsigned int i;

	raw_tty = tty;
	for (i = 0; i < ARRAY_SIZE(fatal) && tty; i++)
		sigaction(fatal[i], &sa, NULL);
}

static void escape_key(void *arg, char key)
{
	struct run *run = arg;

	if (key == 'x' || key == 'X')
		vm_request_exit(run->vm, VM_EXIT_QUIT, 0, "Ctrl-A x");
	if (key == 'p' || key == 'P')
		press_power_button(run);
}

/* Whoever has standard input and output, which need not be the console; NULL: nobody. */
static struct chardev *find_stdio(const struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < CONFIG_SERIAL_PORTS; i++)
		if (vm->cfg.serial[i].kind == CHARDEV_STDIO)
			return vm->chardev[i];
	for (i = 0; i < vm->cfg.nr_ports; i++)
		if (vm->cfg.port[i].kind == CHARDEV_STDIO)
			return vm->chardev[CONFIG_SERIAL_PORTS + i];
	return NULL;
}

/* --- control --- */

/*
 * A run whose name nobody chose goes on without a socket, where there is no place for one (no home, a read-only one): nobody will look
 * for it. Who chose a name wants to find the guest by it.
 */
static int open_control(struct run *run, struct error *err)
{
	int r;

	r = control_create(run->vm, err, &run->control);
	if (r < 0 && run->cfg.name == run->name) {
		log_info(NULL, "no control socket: %s", err->msg);
		err->msg[0] = '\0';
		return 0;
	}
	return r;
}

/* --- the run --- */

static int exit_status(const struct vm *vm)
{
	switch (vm->exit_cause) {
	case VM_EXIT_POWEROFF:
	case VM_EXIT_RESET:
	case VM_EXIT_QUIT:
		return 0;
	case VM_EXIT_STATUS:
		return vm->exit_status;
	case VM_EXIT_TIMEOUT:
		return LKVM_TIMEOUT;
	case VM_EXIT_PANIC:
	case VM_EXIT_CRASH:
		return LKVM_GUEST_CRASHED;
	case VM_EXIT_SIGNAL:
		return LKVM_SIGNAL_BASE + vm->exit_status;
	case VM_EXIT_HOST_ERROR:
	case VM_EXIT_NONE:
		break;
	}
	return LKVM_CANNOT_START;
}

/* Each client is a descriptor, and so is much of what a guest may have: take what we are allowed to take. */
static void raise_descriptor_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur >= WANT_DESCRIPTORS || lim.rlim_cur == lim.rlim_max)
		return;
	lim.rlim_cur = MIN(lim.rlim_max, (rlim_t)WANT_DESCRIPTORS);
	setrlimit(RLIMIT_NOFILE, &lim);
}

static int run_vm(struct run *run, const sigset_t *signals, struct error *err)
{
	int r;

	raise_descriptor_limit();
	r = vm_create(&run->cfg, err, &run->vm);
	if (r < 0)
		return r;
	if (run->json_fd >= 0) {
		run->vm->on_event = on_event;
		run->vm->on_event_arg = run;
	}
	run->stdio = find_stdio(run->vm);
	if (run->stdio) {
		chardev_set_escape(run->stdio, escape_key, run);
		if (isatty(STDIN_FILENO))
			restore_tty_when_fatal(run->stdio);
	}
	r = watch_signals(run, signals, err);
	if (!r)
		r = open_control(run, err);
	if (!r && run->control)
		sandbox_allow(&run->vm->box, control_socket_path(run->control), SANDBOX_REMOVE);
	if (!r)
		r = vm_run(run->vm, err);
	return r;
}

/* After the terminal is itself again. */
static void say_end(enum vm_exit_cause cause, const char *text, int status)
{
	if (!status)
		log_info(NULL, "# KVM session ended normally.");
	else if (cause == VM_EXIT_STATUS)
		log_info(NULL, "# guest ended with status %d", status);
	else
		log_err(NULL, "%s: %s", cause_name(cause), text);
}

static void run_free(struct run *run)
{
	control_free(run->control);
	event_del(&run->signals);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
	restore_tty_when_fatal(NULL);
	vm_free(run->vm);
	if (run->json_fd >= 0)
		close(run->json_fd);
	run_free_options(run);
}

int cmd_run(int argc, char **argv)
{
	struct run run = {
		.cfg = {
			.pvpanic = true,
			.panic_silence_ns = RUN_DEFAULT_PANIC_SILENCE_S * 1000000000ULL,
			.start_ns = time_now_ns(),
		},
		.json_fd = -1,
		.signal_fd = -1,
	};
	struct error err = { "" };
	enum vm_exit_cause cause;
	sigset_t signals;
	int r, status;

	if (argc == 1 && !strcmp(argv[0], "--list-options")) {
		run_list_options();
		return 0;
	}
	pthread_mutex_init(&run.json_lock, NULL);
	r = run_parse_options(&run, argc, argv, &err);
	if (r == OPTIONS_USAGE) {
		if (err.msg[0])
			fprintf(stderr, "  Error: %s\n", err.msg);
		if (err.msg[0])
			fprintf(stderr, "  see 'lkvm help run'\n");
		else
			run_usage();
		run_free_options(&run);
		return LKVM_USAGE;
	}
	if (!r)
		r = open_json(&run, &err);
	if (!r)
		r = block_signals(&signals);
	if (!r) {
		log_info(NULL, "# lkvm run -k %s -m %llu -c %u --name %s",
			 run.cfg.kernel ? run.cfg.kernel : run.cfg.firmware,
			 (unsigned long long)(run.cfg.mem_size / MIB), run.cfg.cpus, run.cfg.name);
		r = run_vm(&run, &signals, &err);
	}
	if (r < 0) {
		cause = VM_EXIT_HOST_ERROR;
		status = LKVM_CANNOT_START;
		if (!err.msg[0])
			error_set(&err, r, "%s", strerror(-r));
	} else {
		cause = run.vm->exit_cause;
		status = exit_status(run.vm);
		error_set(&err, 0, "%s", run.vm->exit_text);
	}
	emit_exit(&run, cause, status, err.msg);
	run_free(&run);
	if (sandbox_violated())		/* perhaps only now */
		status = LKVM_CANNOT_START;
	if (r < 0)
		fprintf(stderr, "  Fatal: %s\n", err.msg);
	else
		say_end(cause, err.msg, status);
	return status;
}
