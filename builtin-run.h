/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two halves of `lkvm run` share: options become a config in builtin-run-options.c, which builtin-run.c runs.
 */
#ifndef BUILTIN_RUN_H
#define BUILTIN_RUN_H

#include <pthread.h>

#include "util/error.h"
#include "vmm/vm.h"

enum { RUN_DEFAULT_PANIC_SILENCE_S = 5 };

struct run {
	struct vm_config cfg;		/* first: the machine's own options write to it */
	const char *json;		/* --json as given */
	char *name;			/* owned */
	char *kernel;			/* owned: one found by search */
	char *spec[CONFIG_MAX_DISKS + CONFIG_MAX_NICS + CONFIG_MAX_VFIO + CONFIG_MAX_PORTS];	/* owned: what cfg points into */
	unsigned int nr_specs;
	bool cpus_given, mem_given;

	bool serial0_given;		/* even if it is null */

	struct vm *vm;
	struct control *control;	/* owned; NULL: no socket */
	struct chardev *stdio;		/* borrowed from vm; NULL: none */
	int json_fd;			/* -1: none */
	pthread_mutex_t json_lock;
	struct event_source signals;
	int signal_fd;
};

/*
 * Options into run->cfg and run->json, defaults filled in, all of it judged. OPTIONS_USAGE or -errno as options_parse(),
 * with a line in @err.
 */
int run_parse_options(struct run *run, int argc, char **argv, struct error *err);
void run_free_options(struct run *run);

#endif
