/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `lkvm version`: one line that is the version, then what the binary was built for and with: "+lib" is in, "-lib" is not.
 */
#include <stdio.h>

#include "builtin.h"
#include "vmm/arch.h"

int cmd_version(int argc, char **argv)
{
	if (argc) {
		fprintf(stderr, "\n usage: lkvm version\n\n");
		return LKVM_USAGE;
	}
	printf("lkvm %s\narch: %s\nlibraries: %s\n", LKVM_VERSION, arch_name, LKVM_LIBS);
	return 0;
}
