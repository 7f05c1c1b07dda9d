/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The subcommands. Each gets what follows its name and gives the exit status. Only these files and main.c print for the
 * user or choose a status.
 */
#ifndef BUILTIN_H
#define BUILTIN_H

#include <stdbool.h>

/* What lkvm itself says by its status; Documentation/exit-status.md. */
enum {
	LKVM_TIMEOUT = 124,
	LKVM_CANNOT_START = 125,
	LKVM_GUEST_CRASHED = 126,
	LKVM_USAGE = 129,
	LKVM_SIGNAL_BASE = 128,
};

int cmd_run(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

/* A command's usage on stderr, and the exit status of that; false: no such command. */
bool help_command(const char *name, int *ret);
/* The list of commands, with the line scripts look for. */
void help_commands(void);
/* Usage of `lkvm run` on stderr; the names of its options on stdout. */
void run_usage(void);
void run_list_options(void);

#endif
