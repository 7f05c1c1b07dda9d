/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "--vfio 01:00.0,rom=off,...": which device, and how it is given. Whether it is there is path.c's to say.
 *
 * Threads: the main thread only.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vmm/vfio.h"

/* A key with words for values: each word's place is the value of an int-sized field. */
struct choice {
	const char *key;
	size_t offset;
	const char *words[5];
	const char *want;
};

#define FIELD(name) offsetof(struct vfio_config, name)

static const struct choice choices[] = {
	{ "iommu", FIELD(iommu), { [VFIO_IOMMU_AUTO] = "auto", [VFIO_IOMMU_GROUP] = "group", [VFIO_IOMMU_IOMMUFD] = "iommufd" },
	  "auto, group or iommufd" },
	{ "rom", FIELD(rom), { [VFIO_ROM_DEVICE] = "on", [VFIO_ROM_OFF] = "off" }, "on or off" },
	{ "on-error", FIELD(on_error), { [VFIO_ERROR_STOP] = "stop", [VFIO_ERROR_REPORT] = "report" }, "stop or report" },
	{ "on-request", FIELD(on_request),
	  { [VFIO_REQUEST_AUTO] = "auto", [VFIO_REQUEST_UNPLUG] = "unplug", [VFIO_REQUEST_POWEROFF] = "poweroff", [VFIO_REQUEST_REPORT] = "report" },
	  "auto, unplug, poweroff or report" },
	{ "migration", FIELD(migration),
	  { [VFIO_MIGRATION_AUTO] = "auto", [VFIO_MIGRATION_V2] = "v2", [VFIO_MIGRATION_V1] = "v1", [VFIO_MIGRATION_OFF] = "off" },
	  "auto, v2, v1 or off" },
};

static const struct {
	const char *key;
	size_t offset;
} flags[] = { { "aer", FIELD(aer) }, { "p2p", FIELD(p2p) } };

static int bad(const struct vfio_config *cfg, const char *key, const char *value, const char *want, struct error *err)
{
	return error_set(err, -EINVAL, "%s '%s': %s '%s': want %s", cfg->option, cfg->device, key, value ? value : "", want);
}

static int set_choice(struct vfio_config *cfg, const struct choice *c, const char *value, struct error *err)
{
	unsigned int i;

	_Static_assert(sizeof(cfg->iommu) == sizeof(int) && sizeof(cfg->rom) == sizeof(int) && sizeof(cfg->on_error) == sizeof(int) &&
		       sizeof(cfg->on_request) == sizeof(int) && sizeof(cfg->migration) == sizeof(int), "enums are ints");
	for (i = 0; value && i < ARRAY_SIZE(c->words); i++) {
		if (!c->words[i] || strcmp(c->words[i], value))
			continue;
		memcpy((char *)cfg + c->offset, &i, sizeof(i));
		return 0;
	}
	return bad(cfg, c->key, value, c->want, err);
}

static int parse_option(struct vfio_config *cfg, char *opt, struct error *err)
{
	char *value = strchr(opt, '=');
	unsigned int i;

	if (value)
		*value++ = '\0';
	for (i = 0; i < ARRAY_SIZE(choices); i++)
		if (!strcmp(opt, choices[i].key))
			return set_choice(cfg, &choices[i], value, err);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(opt, flags[i].key))
			continue;
		if (value)
			return error_set(err, -EINVAL, "%s '%s': %s='%s': %s takes no value", cfg->option, cfg->device, opt, value, opt);
		*((bool *)cfg + flags[i].offset) = true;
		return 0;
	}
	if (strcmp(opt, "romfile"))
		return error_set(err, -EINVAL, "%s '%s': unknown option '%s': want iommu=, rom=, romfile=, on-error=, on-request=, migration=, "
				 "aer or p2p", cfg->option, cfg->device, opt);
	if (!value || !*value)
		return bad(cfg, opt, value, "a file", err);
	cfg->romfile = value;
	return 0;
}

int vfio_parse(char *spec, const char *option, struct vfio_config *ret, struct error *err)
{
	struct vfio_config cfg = { .device = spec, .option = option };
	char *next = strchr(spec, ','), *opt;
	int r;

	while (next) {
		*next++ = '\0';
		opt = next;
		next = strchr(opt, ',');
		if (next)
			*next = '\0';
		r = parse_option(&cfg, opt, err);
		if (r < 0)
			return r;
	}
	if (!*spec)
		return error_set(err, -EINVAL, "%s '': want a device: [domain:]bus:device.function, a path, or fd:N", option);
	if (cfg.romfile && cfg.rom == VFIO_ROM_OFF)
		return error_set(err, -EINVAL, "%s '%s': romfile '%s' and rom=off: one of them", option, spec, cfg.romfile);
	if (cfg.romfile)
		cfg.rom = VFIO_ROM_FILE;
	/* iommufd maps memory that has pages, which a BAR's has not */
	if (cfg.p2p && cfg.iommu == VFIO_IOMMU_IOMMUFD)
		return error_set(err, -EINVAL, "%s '%s': p2p and iommu 'iommufd': the kernel's iommufd maps no BARs; want iommu=group", option, spec);
	if (cfg.p2p)
		cfg.iommu = VFIO_IOMMU_GROUP;
	*ret = cfg;
	return 0;
}
