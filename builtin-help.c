/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `lkvm help [COMMAND]`.
 */
#include <stdio.h>
#include <string.h>

#include "builtin.h"

int cmd_help(int argc, char **argv)
{
	int status;

	if (!argc) {
		help_commands();
		return 0;
	}
	if (!strcmp(argv[0], "help") || argv[0][0] == '-') {
		fprintf(stderr, "\n usage: lkvm help [COMMAND]\n\n");
		return LKVM_USAGE;
	}
	if (help_command(argv[0], &status))
		return status;
	fprintf(stderr, "lkvm: '%s' is not an lkvm command\n", argv[0]);
	return LKVM_USAGE;
}
