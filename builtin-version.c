/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `lkvm version`: one line that is the version, then what the binary was built for and with: "+lib" is in, "-lib" is not. Of those in,
 * the dynamic program loads some when first needed (util/dl.h): one that this machine lacks has a line of its own.
 *
 * With --host, what this host has that lkvm can use: lines "SECTION: THING: TEXT", or one JSON object with the same.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "builtin.h"
#include "util/decompress.h"
#include "util/json.h"
#include "util/options.h"
#include "util/str.h"
#include "vmm/arch.h"
#include "vmm/config.h"
#include "vmm/host.h"
#include "vmm/vfio.h"

struct version {
	bool host, json;
	const char *dev;
};

static int usage(const struct option_def *options, const char *why)
{
	if (*why)
		fprintf(stderr, "  Error: %s\n", why);
	fprintf(stderr, "\n usage: lkvm version [--host] [--json]\n\n");
	options_usage(options, stderr);
	fprintf(stderr, "\n");
	return LKVM_USAGE;
}

/* The section of a line, cut off it; *line is then the rest. */
static const char *cut_section(char **line)
{
	char *section = *line, *end = strstr(*line, ": ");

	if (!end)
		return "";
	*end = 0;
	*line = end + 2;
	return section;
}

/* {"kvm":["THING: TEXT", ...], ...} */
static void json_host(struct strbuf *b, char *lines)
{
	const char *section, *last = NULL;
	char *line, *save = NULL;

	json_begin(b, "host");
	for (line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		section = cut_section(&line);
		if (!last || strcmp(section, last)) {
			if (last)
				json_array_end(b);
			json_array_begin(b, section);
			last = section;
		}
		json_str(b, NULL, line);
	}
	if (last)
		json_array_end(b);
	json_end(b);
}

static void print_json(char *host)
{
	struct strbuf b = { 0 };

	json_begin(&b, NULL);
	json_str(&b, "version", LKVM_VERSION);
	json_str(&b, "arch", arch_name);
	json_str(&b, "libraries", LKVM_LIBS);
	if (host)
		json_host(&b, host);
	json_end(&b);
	printf("%s\n", b.failed ? "" : b.s);
	strbuf_free(&b);
}

static void print_text(const char *host)
{
	struct error err;
	int c;

	printf("lkvm %s\narch: %s\nlibraries: %s\n", LKVM_VERSION, arch_name, LKVM_LIBS);
	for (c = COMPRESSION_GZIP; c <= COMPRESSION_XZ; c++)
		if (compression_supported(c) && compression_load(c, &err) < 0)
			printf("missing: %s\n", err.msg);
	if (host)
		printf("%s", host);
}

int cmd_version(int argc, char **argv)
{
	static const struct option_def options[] = {
		{ 0, "host", NULL, "what this host has: KVM, vhost, modules, VFIO", option_bool, .offset = offsetof(struct version, host) },
		{ 0, "json", NULL, "one JSON object", option_bool, .offset = offsetof(struct version, json) },
		{ 0, "dev", "FILE", "the KVM device (default: /dev/kvm)", option_str, .offset = offsetof(struct version, dev) },
		{ 0, NULL },
	};
	char *args[argc > 0 ? argc : 1];
	struct version v = { .dev = CONFIG_DEV };
	struct strbuf host = { 0 };
	struct error err = { "" };
	int nr, after, r;

	r = options_parse(options, &v, argc, argv, args, &nr, &after, &err);
	if (!r && nr)
		r = error_set(&err, OPTIONS_USAGE, "unexpected argument '%s'", args[0]);
	if (r)
		return usage(options, err.msg);
	if (v.host) {
		host_describe(&host, v.dev ? v.dev : CONFIG_DEV);
		vfio_host_describe(&host);
	}
	if (v.json)
		print_json(host.failed ? NULL : host.s);
	else
		print_text(host.failed ? NULL : host.s);
	strbuf_free(&host);
	return 0;
}
