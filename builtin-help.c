/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `lkvm help [COMMAND]`.
 */
#include <stdio.h>
#include <string.h>

#include "builtin.h"

int cmd_help(int argc, char **argv)
{
	if (!argc) {
		help_commands();
		return 0;
	}
	if (!strcmp(argv[0], "run")) {
		run_usage();
		return LKVM_USAGE;
	}
	if (!strcmp(argv[0], "version") || !strcmp(argv[0], "help")) {
		fprintf(stderr, "\n usage: lkvm %s\n\n", argv[0]);
		return LKVM_USAGE;
	}
	fprintf(stderr, "lkvm: '%s' is not an lkvm command\n", argv[0]);
	return LKVM_USAGE;
}
