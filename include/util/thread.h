/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every thread but the main one begins with.
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

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

#endif
