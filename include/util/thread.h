/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every thread but the main one begins with: its signals, its name, and its class, which says what it may ask of the kernel
 * once the sandbox is on (util/sandbox.h).
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <pthread.h>
#include <signal.h>

enum thread_class {
	THREAD_MAIN,	/* main loop: chardevs, control socket, restart in place, the end */
	THREAD_VCPU,	/* KVM_RUN and the device handlers behind it */
	THREAD_IO,	/* a device's loop: disk, tap; makes its workers */
	THREAD_WORKER,	/* blocking file I/O for a disk; made by an io thread */
	THREAD_USERNET,	/* a NIC's loop with a user-mode network: as io, and sockets */
	THREAD_CLASSES,
};

/*
 * What a thread blocks: all signals, which are the main loop's, but those of a crash: blocked, they would kill the process
 * past the handler that gives the user the terminal back. So too the sandbox's.
 */
static inline void thread_signals(sigset_t *set)
{
	sigfillset(set);
	sigdelset(set, SIGSEGV);
	sigdelset(set, SIGBUS);
	sigdelset(set, SIGILL);
	sigdelset(set, SIGFPE);
	sigdelset(set, SIGABRT);
	sigdelset(set, SIGSYS);
}

/*
 * A thread's stack, whichever libc: more than musl's default of 128 KiB, less than the huge page that a host may put behind
 * glibc's 8 MiB.
 */
enum { THREAD_STACK = 1 << 20 };

/* pthread_create() of a thread that begins so; the first thing @fn does is thread_begin(). 0 or -errno. */
static inline int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg)
{
	sigset_t set, old;
	pthread_attr_t attr;
	int r;

	r = pthread_attr_init(&attr);
	if (r)
		return -r;
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	thread_signals(&set);
	pthread_sigmask(SIG_SETMASK, &set, &old);
	r = pthread_create(ret, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

/*
 * The calling thread's name, and its class for good: no going back. The main thread calls it with name NULL when all it needs
 * is there.
 */
void thread_begin(enum thread_class class, const char *name);

/* @confine is called by each thread_begin() from now on, on the thread it confines. Process-wide, as what it does is. */
void thread_set_confine(void (*confine)(enum thread_class class));

#endif
