/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every thread but the main one begins with.
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <pthread.h>
#include <signal.h>

/*
 * What a thread blocks: all signals, which are the main loop's, but those of a crash: blocked, they would kill the process
 * past the handler that gives the user the terminal back.
 */
static inline void thread_signals(sigset_t *set)
{
	sigfillset(set);
	sigdelset(set, SIGSEGV);
	sigdelset(set, SIGBUS);
	sigdelset(set, SIGILL);
	sigdelset(set, SIGFPE);
	sigdelset(set, SIGABRT);
}

/* pthread_create() of a thread that begins so. 0 or -errno. */
static inline int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg)
{
	sigset_t set, old;
	int r;

	thread_signals(&set);
	pthread_sigmask(SIG_SETMASK, &set, &old);
	r = pthread_create(ret, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

#endif
