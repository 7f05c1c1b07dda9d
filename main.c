/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of subcommands, and nothing else.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "builtin-control.h"
#include "builtin.h"
#include "util/types.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run", cmd_run, "boot a guest" },
	{ "list", cmd_list, "show the running guests" },
	{ "stop", cmd_stop, "have a guest power off, or end it" },
	{ "pause", cmd_pause, "have a guest stand still" },
	{ "resume", cmd_resume, "have it go on" },
	{ "stat", cmd_stat, "show a guest's counters" },
	{ "debug", cmd_debug, "show a guest's CPUs, send an NMI or a SysRq key" },
	{ "balloon", cmd_balloon, "take memory from a guest, or give it back" },
	{ "version", cmd_version, "show the version and what was built in" },
	{ "help", cmd_help, "show this list, or a command's options" },
};

bool help_command(const char *name, int *ret)
{
	char dashes[] = "--help", *argv[] = { dashes };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(name, commands[i].name))
			continue;
		*ret = commands[i].run(1, argv);
		return true;
	}
	return false;
}

void help_commands(void)
{
	unsigned int i;

	printf("\n usage: lkvm COMMAND [ARGS]\n\n The most commonly used lkvm commands are:\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("   %-12s %s\n", commands[i].name, commands[i].help);
	printf("\n See 'lkvm help COMMAND' for more information on a specific command.\n\n");
}

/* So that no file we open later becomes "stdin" or "stdout". */
static void open_std_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";
	unsigned int i;

	open_std_fds();
	signal(SIGPIPE, SIG_IGN);	/* a reader that went away is an error of its write, not of the VM */
	signal(SIGXFSZ, SIG_IGN);	/* so is a file at its limit (ulimit -f) */
	if (!strcmp(name, "--version") || !strcmp(name, "-v"))
		name = "version";
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc > 2 ? argc - 2 : 0, argv + 2);
	fprintf(stderr, "lkvm: '%s' is not an lkvm command\n", name);
	help_commands();
	return LKVM_USAGE;
}
