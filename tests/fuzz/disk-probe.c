/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Image signatures and disk options from arbitrary bytes. The first byte says which.
 * links: disk/probe.c disk/open.c disk/disk.c disk/sync.c disk/aio.c disk/uring.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include <stdlib.h>
#include <string.h>

#include "disk/engine.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void probe(const u8 *data, size_t size)
{
	/* On the heap and of exact size, so that a byte too far is seen. */
	u8 *head = calloc(1, DISK_PROBE_HEAD), *tail = calloc(1, DISK_PROBE_TAIL);

	if (!head || !tail)
		abort();
	memcpy(head, data, MIN(size, (size_t)DISK_PROBE_HEAD));
	if (size > DISK_PROBE_HEAD)
		memcpy(tail, data + DISK_PROBE_HEAD, MIN(size - DISK_PROBE_HEAD, (size_t)DISK_PROBE_TAIL));
	disk_probe(head, tail);
	free(head);
	free(tail);
}

static void parse(const u8 *data, size_t size)
{
	char *spec = calloc(1, size + 1);
	struct disk_config cfg;
	struct error err;

	if (!spec)
		abort();
	memcpy(spec, data, size);
	if (!disk_parse(spec, &cfg, &err)) {
		/* What was accepted keeps its bounds. */
		if (!*cfg.path || cfg.queues > 64 || (cfg.serial && strlen(cfg.serial) > 20))
			abort();
	}
	free(spec);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		parse(data + 1, size - 1);
	else
		probe(data + 1, size - 1);
	return 0;
}
