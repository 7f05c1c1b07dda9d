/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the whole process gives up, and what happens to a thread that asks for more. Contract in include/util/sandbox.h.
 *
 * Its variables are the process', as what it does to the process is.
 *
 * Left out: namespaces. A network namespace of its own takes milliseconds to make, and what it would keep away is kept away by the
 * filters (no socket) and landlock (no file) already.
 *
 * Threads: sandbox_enter() is the main thread's; confine() comes on each thread, forbidden() as a signal on any.
 */
#include "sandbox/private.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/log.h"
#include "util/str.h"

enum {
	VIOLATIONS_MAX = 1000,	/* a thread that goes on asking would go on for ever */
	FROM_SECCOMP = 1,	/* si_code: SYS_SECCOMP of asm-generic/siginfo.h, which not every libc has */
};

/* Set by sandbox_enter(), before there are other threads; then only violations changes. */
static int violation_fd = -1;
static bool has_filters, kept_override;
static unsigned long (*answer)(void *context, long result);
static char description[96];
static _Atomic unsigned int violations;

void sandbox_allow(struct sandbox *box, const char *path, unsigned int rights)
{
	assert(box->nr_paths < SANDBOX_PATHS);
	box->path[box->nr_paths++] = (struct sandbox_path){ path, rights };
}

const char *sandbox_describe(void)
{
	return description;
}

int sandbox_violation_fd(void)
{
	return violation_fd;
}

bool sandbox_violated(void)
{
	return atomic_load(&violations) != 0;
}

static void describe(const char *what)
{
	size_t len = strlen(description);

	str_copy(description + len, sizeof(description) - len, len ? " " : "");
	len = strlen(description);
	str_copy(description + len, sizeof(description) - len, what);
}

/* --- a forbidden call --- */

/* In a signal handler, so no stdio. */
static size_t put(char *line, size_t at, size_t room, const char *text)
{
	while (*text && at < room)
		line[at++] = *text++;
	return at;
}

static size_t put_number(char *line, size_t at, size_t room, unsigned long n, unsigned int base)
{
	char digits[24], *p = digits + sizeof(digits) - 1;

	for (*p = '\0'; n || !*p; n /= base)
		*--p = "0123456789abcdef"[n % base];
	return put(line, at, room, p);
}

static void tell(int nr, unsigned long arg)
{
	const size_t room = 160;
	char line[161], thread[17] = "";
	u64 one = 1;
	size_t at;

	prctl(PR_GET_NAME, thread);
	at = put(line, 0, room, "  Error: sandbox: thread '");
	at = put(line, at, room, thread);
	at = put(line, at, room, "' made the forbidden system call ");
	at = put_number(line, at, room, (unsigned long)nr, 10);
	at = put(line, at, room, " (");
	at = put(line, at, room, filter_call_name(nr));
	at = put(line, at, room, "), second argument 0x");
	at = put_number(line, at, room, arg, 16);
	line[at++] = '\n';
	if (write(STDERR_FILENO, line, at) < 0 || write(violation_fd, &one, sizeof(one)) < 0)
		return;	/* whoever is to be told is gone; sandbox_violated() still tells */
}

static void forbidden(int sig, siginfo_t *si, void *context)
{
	int saved = errno;
	unsigned int before;
	unsigned long arg;

	if (si->si_code != FROM_SECCOMP) {	/* somebody sent it: what it does to any program */
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	arg = answer(context, -EPERM);
	before = atomic_fetch_add(&violations, 1);
	if (!before)
		tell(si->si_syscall, arg);
	else if (before >= VIOLATIONS_MAX)
		abort();
	errno = saved;
}

/* --- capabilities --- */

static int set_caps(u32 low)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = low, .permitted = low } };

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Root whose socket lies in a user's folder (sudo) could not remove it at the end as an owner could. */
static bool needs_override(const struct sandbox *box)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	bool foreign = false;
	struct stat st;
	unsigned int i;

	for (i = 0; i < box->nr_paths; i++)
		if (box->path[i].rights & SANDBOX_REMOVE && landlock_stat_folder(box->path[i].path, &st) == 0)
			foreign |= st.st_uid != geteuid() && !(st.st_mode & S_IWOTH);
	return foreign && syscall(SYS_capget, &head, data) == 0 && (data[0].effective & BIT(CAP_DAC_OVERRIDE));
}

/* --- in --- */

/* Each thread, at its beginning. A thread that cannot be confined must not go on, and has nobody to tell. */
static void confine(enum thread_class class)
{
	int r = 0;

	if (kept_override && class != THREAD_MAIN && class != THREAD_WORKER)	/* a worker inherits its loop's */
		r = set_caps(0);
	if (!r && has_filters)
		r = filter_install(class);
	if (r < 0) {
		log_err("sandbox", "a thread cannot be confined: %s", strerror(-r));
		abort();
	}
}

static int catch_forbidden(struct error *err)
{
	struct sigaction sa = { .sa_sigaction = forbidden, .sa_flags = SA_SIGINFO };

	violation_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (violation_fd < 0 || sigaction(SIGSYS, &sa, NULL) < 0)
		return error_set_errno(err, -errno, "sandbox");
	return 0;
}

int sandbox_enter(const struct sandbox *box, struct error *err)
{
	char text[24];
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_set_errno(err, -errno, "sandbox");
	describe("no-new-privileges no-dump");
	r = landlock_enter(box, err);
	if (r < 0)
		return r;
	if (r) {
		snprintf(text, sizeof(text), "landlock-%d", r);
		describe(text);
	}
	kept_override = needs_override(box);
	r = set_caps(kept_override ? BIT(CAP_DAC_OVERRIDE) : 0);
	if (r < 0)
		return error_set_errno(err, r, "sandbox: capabilities");
	describe("no-capabilities");
	has_filters = filter_supported() == 0;
	if (has_filters) {
		answer = box->answer;
		r = catch_forbidden(err);
		if (r < 0)
			return r;
		describe("seccomp");
	} else {
		log_debug("sandbox", "no seccomp filters: %s", sandbox_has_filters() ? "not in this kernel" : "not in this build");
	}
	thread_set_confine(confine);
	return 0;
}
