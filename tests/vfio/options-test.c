/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio/options.c
 * links: vfio/options.c util/error.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "vmm/vfio.h"

static struct error err;

static int parse(const char *s, struct vfio_config *ret)
{
	static char spec[160];

	snprintf(spec, sizeof(spec), "%s", s);
	err.msg[0] = '\0';
	return vfio_parse(spec, "--vfio", ret, &err);
}

TEST(a_device_alone_gets_the_defaults)
{
	struct vfio_config cfg;

	CHECK_EQ(parse("0000:01:00.0", &cfg), 0);
	CHECK_STR(cfg.device, "0000:01:00.0");
	CHECK_STR(cfg.option, "--vfio");
	CHECK_EQ(cfg.iommu, VFIO_IOMMU_AUTO);
	CHECK_EQ(cfg.rom, VFIO_ROM_DEVICE);
	CHECK_EQ(cfg.on_error, VFIO_ERROR_STOP);
	CHECK_EQ(cfg.on_request, VFIO_REQUEST_AUTO);
	CHECK_EQ(cfg.migration, VFIO_MIGRATION_AUTO);
	CHECK(!cfg.aer && !cfg.p2p && !cfg.romfile);
}

TEST(all_options_are_taken)
{
	struct vfio_config cfg;

	CHECK_EQ(parse("fd:7,iommu=iommufd,romfile=a b.rom,on-error=report,on-request=poweroff,migration=v1,aer", &cfg), 0);
	CHECK_STR(cfg.device, "fd:7");
	CHECK_EQ(cfg.iommu, VFIO_IOMMU_IOMMUFD);
	CHECK_EQ(cfg.rom, VFIO_ROM_FILE);
	CHECK_STR(cfg.romfile, "a b.rom");
	CHECK_EQ(cfg.on_error, VFIO_ERROR_REPORT);
	CHECK_EQ(cfg.on_request, VFIO_REQUEST_POWEROFF);
	CHECK_EQ(cfg.migration, VFIO_MIGRATION_V1);
	CHECK(cfg.aer && !cfg.p2p);
	CHECK_EQ(parse("x,p2p", &cfg), 0);	/* by groups only */
	CHECK(cfg.p2p && !cfg.aer);
	CHECK_EQ(cfg.iommu, VFIO_IOMMU_GROUP);
	CHECK_EQ(parse("x,iommu=group,rom=off,on-error=stop,migration=off", &cfg), 0);
	CHECK_EQ(cfg.iommu, VFIO_IOMMU_GROUP);
	CHECK_EQ(cfg.rom, VFIO_ROM_OFF);
	CHECK_EQ(cfg.migration, VFIO_MIGRATION_OFF);
	CHECK_EQ(parse("x,on-request=report,on-request=unplug", &cfg), 0);
	CHECK_EQ(cfg.on_request, VFIO_REQUEST_UNPLUG);
	CHECK_EQ(parse("x,on-request=report", &cfg), 0);
	CHECK_EQ(cfg.on_request, VFIO_REQUEST_REPORT);
	CHECK_EQ(parse("x,on-request=auto", &cfg), 0);
	CHECK_EQ(cfg.on_request, VFIO_REQUEST_AUTO);
	CHECK_EQ(parse("x,iommu=auto,rom=on,migration=v2", &cfg), 0);
	CHECK_EQ(cfg.iommu, VFIO_IOMMU_AUTO);
	CHECK_EQ(cfg.rom, VFIO_ROM_DEVICE);
	CHECK_EQ(cfg.migration, VFIO_MIGRATION_V2);
}

TEST(bad_options_are_refused_by_device_and_value)
{
	static const struct {
		const char *spec, *what;
	} wrong[] = {
		{ "dev,nonsense", "'nonsense'" }, { "dev,", "''" }, { "dev,aer,,p2p", "''" }, { "dev,iommu=vhost", "'vhost'" },
		{ "dev,iommu", "''" }, { "dev,rom=maybe", "'maybe'" }, { "dev,rom=", "''" }, { "dev,romfile", "''" },
		{ "dev,romfile=", "''" }, { "dev,on-error=cry", "'cry'" },
		{ "dev,on-request=ignore", "'ignore'" }, { "dev,on-request", "''" }, { "dev,migration=v3", "'v3'" }, { "dev,aer=1", "'1'" },
		{ "dev,p2p=on", "'on'" }, { "dev,p2p,iommu=iommufd", "'iommufd'" }, { "dev,romfile=x,rom=off", "'x'" },
		{ "dev,rom=off,romfile=x", "'x'" },
	};
	struct vfio_config cfg = { .device = "before" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		CHECK_EQ(parse(wrong[i].spec, &cfg), -EINVAL);
		if (!strstr(err.msg, "--vfio 'dev'") || !strstr(err.msg, wrong[i].what))
			printf("# %s: %s\n", wrong[i].spec, err.msg);
		CHECK(strstr(err.msg, "--vfio 'dev'") && strstr(err.msg, wrong[i].what));
	}
	CHECK_EQ(parse("", &cfg), -EINVAL);
	CHECK_EQ(parse(",p2p", &cfg), -EINVAL);
	CHECK_STR(cfg.device, "before");	/* output on success only */
}

int main(void)
{
	RUN(a_device_alone_gets_the_defaults);
	RUN(all_options_are_taken);
	RUN(bad_options_are_refused_by_device_and_value);
	return tap_done();
}
