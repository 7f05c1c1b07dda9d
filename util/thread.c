/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread's beginning. The one variable is the process's, as the sandbox is: a thread of any VM or back end is confined or none is.
 *
 * Threads: thread_set_confine() on the main thread, before those that it is to confine are started.
 */
#include "util/thread.h"

#include <stdatomic.h>
#include <stddef.h>

static void (*_Atomic thread_confine)(enum thread_class class);

void thread_set_confine(void (*confine)(enum thread_class class))
{
	atomic_store(&thread_confine, confine);
}

void thread_begin(enum thread_class class, const char *name)
{
	void (*confine)(enum thread_class class) = atomic_load(&thread_confine);

	if (name)
		pthread_setname_np(pthread_self(), name);
	if (confine)
		confine(class);
}
