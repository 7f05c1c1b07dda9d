/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this process gives up before the guest's first instruction, and what is left. Documentation/sandbox.md says why.
 *
 * In two steps, since a thread inherits all of it from the one that starts it:
 *
 *	sandbox_enter()			no new privileges, no core dump, landlock, no capabilities
 *	... threads are started, each with a thread_begin(), which installs its class' seccomp filter ...
 *	thread_begin(THREAD_MAIN)	the main thread's own
 *
 * All of it is the process', not one VM's: a process that runs two VMs enters once, with the needs of both.
 */
#ifndef UTIL_SANDBOX_H
#define UTIL_SANDBOX_H

#include "util/error.h"
#include "util/thread.h"
#include "util/types.h"

enum {
	SANDBOX_READ = 1,	/* the file, or all in the folder: may be opened for reading */
	SANDBOX_REMOVE = 2,	/* the file may be removed; the kernel's measure is its folder, so others in that may be, too */
	SANDBOX_PATHS = 32,
};

struct sandbox_path {
	const char *path;	/* one that is not there is left out */
	unsigned int rights;	/* one of them */
};

struct sandbox {
	struct sandbox_path path[SANDBOX_PATHS];
	unsigned int nr_paths;
	bool network;		/* new connections, TCP and UDP: a user-mode network */
	/*
	 * Any thread, in a signal handler: makes the system call that the signal context @context interrupted give @result. Gives the
	 * call's second argument, which tells ioctls apart. The arch's.
	 */
	unsigned long (*answer)(void *context, long result);
};

/* @path: borrowed until sandbox_enter(). */
void sandbox_allow(struct sandbox *box, const char *path, unsigned int rights);

/* Was this lkvm built with seccomp filters? */
bool sandbox_has_filters(void);

/* Main thread, before there is any other. What the kernel does not have is left out, at debug level. 0 or -errno. */
int sandbox_enter(const struct sandbox *box, struct error *err);
/* "seccomp landlock no-new-privileges ...": what is in force; "" before sandbox_enter(). */
const char *sandbox_describe(void);

/*
 * A forbidden call fails with EPERM, is told on stderr (the first one), and makes this descriptor, an eventfd, readable: the run is to
 * end. -1 before sandbox_enter(). Borrowed, for good.
 */
int sandbox_violation_fd(void);
bool sandbox_violated(void);

#endif
