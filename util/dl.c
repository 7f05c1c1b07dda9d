/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads an optional library by dlopen. Nothing is ever unloaded.
 *
 * Threads: any.
 */
#include "util/dl.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* guards every table while it is filled */

static int load_locked(struct dl_library *lib, struct error *err)
{
	unsigned int i;
	void *so;

	if (atomic_load(&lib->loaded))
		return 0;
	so = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);
	if (!so)
		return error_set(err, -ENOENT, "optional library %s: %s", lib->soname, dlerror());
	for (i = 0; lib->name[i]; i++) {
		lib->table[i] = dlsym(so, lib->name[i]);
		if (!lib->table[i]) {
			dlclose(so);
			return error_set(err, -ENOEXEC, "optional library %s has no %s", lib->soname, lib->name[i]);
		}
	}
	atomic_store(&lib->loaded, true);
	return 0;
}

int dl_load(struct dl_library *lib, struct error *err)
{
	int r;

	if (atomic_load(&lib->loaded))	/* pairs with the store above: the table is whole */
		return 0;
	pthread_mutex_lock(&lock);
	r = load_locked(lib, err);
	pthread_mutex_unlock(&lock);
	return r;
}
