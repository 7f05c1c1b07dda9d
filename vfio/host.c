/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this host has for VFIO, for `lkvm version --host`: both ways to a device, the IOMMU, the driver, and the devices that are ready.
 * Asking opens /dev/vfio/vfio, at which a host may load the module. Main thread.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"
#include "vfio/vfio.h"

static void add_name(void *arg, const char *name)
{
	strbuf_addf(arg, " %s", name);
}

static void count_name(void *arg, const char *name)
{
	++*(unsigned int *)arg;
}

static void describe_groups(struct strbuf *out)
{
	int fd = vfio_sys_open("/dev/vfio/vfio", O_RDWR), r;

	if (fd < 0) {
		strbuf_addf(out, "vfio: groups: no: /dev/vfio/vfio: %s\n", strerror(-fd));
		return;
	}
	r = vfio_sys_ioctl(fd, VFIO_GET_API_VERSION, NULL);
	if (r != VFIO_API_VERSION)
		strbuf_addf(out, "vfio: groups: no: /dev/vfio/vfio speaks version %d\n", r);
	else if (vfio_sys_ioctl(fd, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1v2_IOMMU) > 0)
		strbuf_addf(out, "vfio: groups: type 1 v2\n");
	else if (vfio_sys_ioctl(fd, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1_IOMMU) > 0)
		strbuf_addf(out, "vfio: groups: type 1\n");
	else
		strbuf_addf(out, "vfio: groups: no: modprobe vfio_iommu_type1\n");
	vfio_sys_close(fd);
}

static void describe_iommufd(struct strbuf *out)
{
	int fd = vfio_sys_open("/dev/iommu", O_RDWR);

	if (fd < 0)
		strbuf_addf(out, "vfio: iommufd: no: /dev/iommu: %s\n", strerror(-fd));
	else
		strbuf_addf(out, "vfio: iommufd: yes\n");
	vfio_sys_close(fd);
}

static void describe_iommu(struct strbuf *out)
{
	unsigned int groups = 0;
	struct strbuf names = { 0 };

	vfio_sys_list("/sys/class/iommu", add_name, &names);
	vfio_sys_list("/sys/kernel/iommu_groups", count_name, &groups);
	if (names.len && !names.failed)
		strbuf_addf(out, "vfio: IOMMU:%s, %u groups\n", names.s, groups);
	else
		strbuf_addf(out, "vfio: IOMMU: no, or off\n");
	strbuf_free(&names);
}

struct ready {
	struct strbuf *out;
	bool any;
};

static void add_ready(void *arg, const char *vfio)
{
	struct ready *ready = arg;
	char path[VFIO_PATH], name[VFIO_NAME];

	snprintf(path, sizeof(path), "/sys/class/vfio-dev/%.*s/device", VFIO_NAME, vfio);
	if (vfio_sys_read_link(path, name, sizeof(name)) < 0)
		return;
	strbuf_addf(ready->out, "%s %s", ready->any ? "" : "vfio: devices:", name);
	ready->any = true;
}

void vfio_host_describe(struct strbuf *out)
{
	struct ready ready = { .out = out };

	describe_groups(out);
	describe_iommufd(out);
	describe_iommu(out);
	strbuf_addf(out, "vfio: vfio-pci: %s\n", vfio_sys_exists("/sys/bus/pci/drivers/vfio-pci") ? "yes" : "no: modprobe vfio-pci");
	vfio_sys_list("/sys/class/vfio-dev", add_ready, &ready);
	if (ready.any)
		strbuf_addf(out, "\n");
}
