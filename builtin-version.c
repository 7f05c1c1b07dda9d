/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `lkvm version`: one line that is the version, then what the binary was built for and with: "+lib" is in, "-lib" is not. Of those in,
 * the dynamic program loads some when first needed (util/dl.h): one that this machine lacks has a line of its own.
 */
#include <stdio.h>

#include "builtin.h"
#include "util/decompress.h"
#include "vmm/arch.h"

int cmd_version(int argc, char **argv)
{
	struct error err;
	int c;

	if (argc) {
		fprintf(stderr, "\n usage: lkvm version\n\n");
		return LKVM_USAGE;
	}
	printf("lkvm %s\narch: %s\nlibraries: %s\n", LKVM_VERSION, arch_name, LKVM_LIBS);
	for (c = COMPRESSION_GZIP; c <= COMPRESSION_XZ; c++)
		if (compression_supported(c) && compression_load(c, &err) < 0)
			printf("missing: %s\n", err.msg);
	return 0;
}
