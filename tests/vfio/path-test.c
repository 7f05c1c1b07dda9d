/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From what the user named to its place, and why VFIO does not have it: each message says what to do.
 * links: vfio/path.c vfio/host.c util/error.c util/str.c util/cleanup.c
 */
#include "fake-host.h"
#include "util/str.h"

static struct vfio_config cfg = { .option = "--vfio" };
static struct vfio_place place;
static struct error err;

static int find(const char *device)
{
	memset(&place, 0xee, sizeof(place));
	err.msg[0] = '\0';
	cfg.device = device;
	return vfio_place_find(&cfg, &place, &err);
}

static bool says(const char *what)
{
	return strstr(err.msg, what) && !strchr(err.msg, '\n');
}

#define PCI "/sys/bus/pci/devices/0000:00:02.0"

TEST(address_on_pci_is_found)
{
	static const char *const form[] = { "0000:00:02.0", "00:02.0", "0:2.0", "000:00:02.0" };
	unsigned int i;

	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	for (i = 0; i < ARRAY_SIZE(form); i++) {
		CHECK_EQ(find(form[i]), 0);
		CHECK_STR(place.name, "0000:00:02.0");
		CHECK_STR(place.sysfs, PCI);
		CHECK_EQ(place.group, 3);
		CHECK_STR(place.cdev, "/dev/vfio/devices/vfio0");
		CHECK_EQ(place.fd, -1);
	}
	fake_pci("10000:e1:1f.7", 4, "vfio-pci");
	CHECK_EQ(find("10000:E1:1F.7"), 0);
	CHECK_STR(place.name, "10000:e1:1f.7");
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {
		"", "x", "00:02", "00:02.8", "00:20.0", "100:00.0", "0:100:00.0", "00:02.0 ", "00:02.0x", ":02.0", "00::02.0", "00:02.", "1:2:3:4.0", "0:0:20.0", "0:0:1ff.0",
		"100000000:00:02.0", "fd", "-1:02.0", "00:\x10.0",
	};
	unsigned int i;

	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(find(bad[i]), -EINVAL);
		CHECK(says("expected a PCI address"));
		CHECK_EQ(place.group, (int)0xeeeeeeee);
	}
}

TEST(device_that_is_not_there_is_refused)
{
	fake_world();
	CHECK_EQ(find("00:1e.7"), -ENODEV);
	CHECK_STR(err.msg, "--vfio '00:1e.7': no such device");
	CHECK_EQ(find("/sys/bus/mdev/devices/none"), -ENODEV);
	CHECK(says("no such device"));
	CHECK_EQ(find("/dev/vfio/devices/vfio7"), -ENODEV);
	CHECK(says("no such device"));
}

TEST(folder_in_sysfs_is_found)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	CHECK_EQ(find(PCI "//"), 0);
	CHECK_STR(place.name, "0000:00:02.0");
	CHECK_STR(place.sysfs, PCI);
	CHECK_EQ(place.group, 3);
}

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

TEST(mdev_is_found_by_its_uuid)
{
	fake_world();
	fake_path(true, "../../../devices/virtual/mtty/mtty/" UUID, "/sys/bus/mdev/devices/" UUID);
	fake_path(true, "bus/mdev", "/sys/bus/mdev/devices/" UUID "/subsystem");
	fake_path(true, "drivers/vfio_mdev_mtty", "/sys/bus/mdev/devices/" UUID "/driver");
	fake_path(true, "iommu_groups/5", "/sys/bus/mdev/devices/" UUID "/iommu_group");
	fake_path(false, "", "/sys/bus/mdev/devices/" UUID "/vfio-dev/vfio1/dev");
	CHECK_EQ(find("/sys/bus/mdev/devices/" UUID), 0);
	CHECK_STR(place.name, UUID);
	CHECK_EQ(place.group, 5);
	CHECK_STR(place.cdev, "");	/* no such file in /dev: a kernel without */
	fake_path(false, "", "/dev/vfio/devices/vfio1");
	CHECK_EQ(find("/sys/bus/mdev/devices/" UUID), 0);
	CHECK_STR(place.cdev, "/dev/vfio/devices/vfio1");
}

TEST(device_of_a_platform_is_found)
{
	fake_world();
	fake_path(true, "bus/platform", "/sys/devices/platform/lkvm_vdev.0/subsystem");
	fake_path(true, "drivers/lkvm_vdev", "/sys/devices/platform/lkvm_vdev.0/driver");
	CHECK_EQ(find("/sys/devices/platform/lkvm_vdev.0"), -EBUSY);
	CHECK(says("lkvm_vdev.0 is bound to driver 'lkvm_vdev', which does not give it to VFIO"));
	/* Linux before 6.1: a group tells */
	fake_path(true, "iommu_groups/6", "/sys/devices/platform/lkvm_vdev.0/iommu_group");
	CHECK_EQ(find("/sys/devices/platform/lkvm_vdev.0"), 0);
	CHECK_STR(place.name, "lkvm_vdev.0");
	CHECK_EQ(place.group, 6);
	/* after: not any more */
	fake_path(true, "x", "/sys/class/vfio-dev/vfio0/device");
	CHECK_EQ(find("/sys/devices/platform/lkvm_vdev.0"), -EBUSY);
	fake_path(false, "", "/sys/devices/platform/lkvm_vdev.0/vfio-dev/vfio3/dev");
	CHECK_EQ(find("/sys/devices/platform/lkvm_vdev.0"), 0);
}

TEST(path_that_is_no_device_is_refused)
{
	char path[VFIO_PATH + 10], name[VFIO_PATH];

	fake_world();
	fake_path(false, "", "/etc/passwd");
	CHECK_EQ(find("/etc/passwd"), -EINVAL);
	CHECK(says("not a device's folder"));
	CHECK_EQ(find("/"), -ENODEV);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	CHECK_EQ(find(path), -ENAMETOOLONG);
	memset(name, 'a', sizeof(name));
	name[VFIO_NAME + 5] = '\0';
	memcpy(name, "/sys/", 5);
	fake_path(true, "bus/pci", "%s/subsystem", name);
	CHECK_EQ(find(name), -ENAMETOOLONG);
	memset(name, 'a', sizeof(name));
	memcpy(name, "/dev/vfio/devices/", 18);
	name[18 + VFIO_NAME] = '\0';
	fake_path(false, "", "%s", name);
	CHECK_EQ(find(name), -ENAMETOOLONG);
}

TEST(file_of_a_device_is_found)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	CHECK_EQ(find("/dev/vfio/devices/vfio0"), 0);
	CHECK_STR(place.name, "0000:00:02.0");
	CHECK_STR(place.cdev, "/dev/vfio/devices/vfio0");
	CHECK_STR(place.sysfs, "/sys/class/vfio-dev/vfio0/device");
	fake_path(false, "", "/dev/vfio/devices/vfio9");	/* without sysfs, as in a container */
	CHECK_EQ(find("/dev/vfio/devices/vfio9"), 0);
	CHECK_STR(place.name, "vfio9");
	CHECK_STR(place.sysfs, "");
	CHECK_EQ(place.group, -1);
}

TEST(open_file_is_found)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	fake_path(true, "/dev/vfio/devices/vfio0", "/proc/self/fd/17");
	fake_path(true, "/dev/null", "/proc/self/fd/18");
	CHECK_EQ(find("fd:17"), 0);
	CHECK_EQ(place.fd, 17);
	CHECK_STR(place.name, "0000:00:02.0");
	CHECK_EQ(find("fd:18"), 0);
	CHECK_EQ(place.fd, 18);
	CHECK_STR(place.name, "fd:18");
	CHECK_STR(place.cdev, "");
	CHECK_EQ(find("fd:19"), -EBADF);
	CHECK(says("no such file is open"));
	CHECK_EQ(find("fd:"), -EINVAL);
	CHECK_EQ(find("fd:-1"), -EINVAL);
	CHECK_EQ(find("fd:2147483648"), -EINVAL);
	CHECK(says("want fd:N, the number of an open file"));
}

TEST(function_of_another_driver_tells_how_to_bind_it)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "e1000e");
	CHECK_EQ(find("00:02.0"), -EBUSY);
	CHECK_STR(err.msg, "--vfio '00:02.0': 0000:00:02.0 is bound to driver 'e1000e'; to give it to VFIO: echo vfio-pci > " PCI "/driver_override; "
		  "echo 0000:00:02.0 > " PCI "/driver/unbind; echo 0000:00:02.0 > /sys/bus/pci/drivers_probe");
	fake_path_del("/sys/bus/pci/drivers/vfio-pci/bind");
	CHECK_EQ(find("00:02.0"), -EBUSY);
	CHECK(says("to give it to VFIO: modprobe vfio-pci; echo"));
}

TEST(function_without_driver_tells_how_to_bind_it)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, NULL);
	CHECK_EQ(find("00:02.0"), -EBUSY);
	CHECK_STR(err.msg, "--vfio '00:02.0': 0000:00:02.0 is bound to no driver; to give it to VFIO: echo vfio-pci > " PCI "/driver_override; "
		  "echo 0000:00:02.0 > /sys/bus/pci/drivers_probe");
}

TEST(any_vfio_driver_will_do)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "mlx5_vfio_pci");	/* Linux before 6.1: no class */
	CHECK_EQ(find("00:02.0"), 0);
	CHECK_STR(place.cdev, "");
	/* one whose name does not tell, on a newer one */
	fake_pci("0000:00:03.0", 4, "nvgrace");
	fake_path(true, "x", "/sys/class/vfio-dev/vfio3/device");
	CHECK_EQ(find("00:03.0"), -EBUSY);
	fake_path(false, "", "/sys/bus/pci/devices/0000:00:03.0/vfio-dev/vfio3/dev");
	CHECK_EQ(find("00:03.0"), 0);
	/* and on a kernel without groups */
	fake_path_del("/sys/bus/pci/devices/0000:00:03.0/iommu_group");
	fake_path(false, "", "/dev/vfio/devices/vfio3");
	CHECK_EQ(find("00:03.0"), 0);
	CHECK_EQ(place.group, -1);
	CHECK_STR(place.cdev, "/dev/vfio/devices/vfio3");
}

TEST(iommu_that_is_off_is_told)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "e1000e");
	fake_path_del(PCI "/iommu_group");
	CHECK_EQ(find("00:02.0"), -ENODEV);
	CHECK(says("no IOMMU of this host (dmar0) serves it"));
	fake_path_del("/sys/class/iommu/dmar0/devices");
	CHECK_EQ(find("00:02.0"), -ENODEV);
	CHECK(says("in no IOMMU group"));
	CHECK(says("intel_iommu=on"));
}

TEST(no_iommu_mode_is_refused)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	fake_path(false, "", "/dev/vfio/noiommu-3");
	CHECK_EQ(find("00:02.0"), -EPERM);
	CHECK(says("no-IOMMU mode"));
}

TEST(group_that_is_not_viable_names_its_siblings)
{
	fake_world();
	fake_pci("0000:00:1f.3", 3, "vfio-pci");
	fake_pci("0000:00:1f.0", 3, NULL);
	fake_pci("0000:00:1e.0", 3, "pcieport");
	fake_pci("0000:00:1e.1", 3, "pci-stub");
	CHECK(vfio_group_viable(3));
	cfg.device = "00:1f.3";
	CHECK_EQ(vfio_group_explain(&cfg, 3, &err), -EBUSY);
	CHECK(says("group 3 is not viable"));
	fake_pci("0000:00:1f.2", 3, "ahci");
	CHECK(!vfio_group_viable(3));
	CHECK_EQ(vfio_group_explain(&cfg, 3, &err), -EBUSY);
	CHECK_STR(err.msg, "--vfio '00:1f.3': the other devices of its IOMMU group 3 must be VFIO's, too: 0000:00:1f.2 is bound to 'ahci'; to do so: "
		  "echo vfio-pci > /sys/bus/pci/devices/0000:00:1f.2/driver_override; "
		  "echo 0000:00:1f.2 > /sys/bus/pci/devices/0000:00:1f.2/driver/unbind; echo 0000:00:1f.2 > /sys/bus/pci/drivers_probe");
	fake_pci("0000:00:1f.4", 3, "i801_smbus");
	CHECK_EQ(vfio_group_explain(&cfg, 3, &err), -EBUSY);
	CHECK(says("0000:00:1f.2 is bound to 'ahci', 0000:00:1f.4 is bound to 'i801_smbus'"));
	CHECK(says("for d in 0000:00:1f.2 0000:00:1f.4; do echo vfio-pci > /sys/bus/pci/devices/$d/driver_override; echo $d > "
		   "/sys/bus/pci/devices/$d/driver/unbind; echo $d > /sys/bus/pci/drivers_probe; done"));
}

TEST(many_siblings_leave_room_for_the_commands)
{
	unsigned int i;

	fake_world();
	for (i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "0000:00:1f.%u", i);
		fake_pci(name, 3, "driver_of_it");
	}
	cfg.device = "00:02.0";
	CHECK_EQ(vfio_group_explain(&cfg, 3, &err), -EBUSY);
	CHECK(says("0000:00:1f.2 is bound to 'driver_of_it', ...; to do so: for d in 0000:00:1f.0 "));
	CHECK(says(" 0000:00:1f.7; do echo"));
	CHECK_STR(err.msg + strlen(err.msg) - 6, "; done");
	/* too many: a command that is cut is worse than none */
	for (i = 0; i < 8; i++) {
		fake_path(true, "bus/pci", "/sys/kernel/iommu_groups/3/devices/0000:00:1e.%u/subsystem", i);
		fake_path(true, "drivers/driver_of_it", "/sys/kernel/iommu_groups/3/devices/0000:00:1e.%u/driver", i);
	}
	CHECK_EQ(vfio_group_explain(&cfg, 3, &err), -EBUSY);
	CHECK_STR(err.msg, "--vfio '00:02.0': its IOMMU group 3 is not viable; all devices in /sys/kernel/iommu_groups/3/devices must be "
			   "VFIO's or no driver's");
}

TEST(sibling_that_is_not_on_pci_is_unbound)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	fake_path(true, "bus/platform", "/sys/kernel/iommu_groups/3/devices/9000000.dma/subsystem");
	fake_path(true, "drivers/pl330", "/sys/kernel/iommu_groups/3/devices/9000000.dma/driver");
	cfg.device = "00:02.0";
	CHECK_EQ(vfio_group_explain(&cfg, 3, &err), -EBUSY);
	CHECK(says("to do so: echo 9000000.dma > /sys/kernel/iommu_groups/3/devices/9000000.dma/driver/unbind"));
	CHECK_EQ(err.msg[strlen(err.msg) - 1], 'd');
	fake_pci("0000:00:1f.2", 3, "ahci");
	CHECK_EQ(vfio_group_explain(&cfg, 3, &err), -EBUSY);
	CHECK(says("driver/unbind; echo vfio-pci"));
}

/* --- host.c --- */

static struct strbuf out;

static bool described_as(const char *line)
{
	strbuf_free(&out);
	vfio_host_describe(&out);
	return out.s && strstr(out.s, line);
}

TEST(host_with_all_is_described)
{
	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	fake_pci("0000:00:03.0", 4, "vfio-pci");
	strbuf_free(&out);
	vfio_host_describe(&out);
	CHECK_STR(out.s, "vfio: groups: type 1 v2\nvfio: iommufd: yes\nvfio: IOMMU: dmar0, 2 groups\nvfio: vfio-pci: yes\n"
		  "vfio: devices: 0000:00:02.0 0000:00:03.0\n");
	CHECK_EQ(fake.files, 0);
}

TEST(host_without_is_described)
{
	fake_world();
	fake_path_del("/dev/vfio/vfio");
	fake_path_del("/dev/iommu");
	fake_path_del("/sys/class/iommu/dmar0/devices");
	fake_path_del("/sys/bus/pci/drivers/vfio-pci/bind");
	strbuf_free(&out);
	vfio_host_describe(&out);
	CHECK_STR(out.s, "vfio: groups: no: /dev/vfio/vfio: No such file or directory\nvfio: iommufd: no: /dev/iommu: No such file or directory\n"
		  "vfio: IOMMU: no, or off\nvfio: vfio-pci: no: modprobe vfio-pci\n");
}

TEST(lesser_hosts_are_described)
{
	fake_world();
	host.types = 1 << VFIO_TYPE1_IOMMU;
	CHECK(described_as("vfio: groups: type 1\n"));
	host.types = 0;
	CHECK(described_as("vfio: groups: no: modprobe vfio_iommu_type1\n"));
	host.api = 7;
	CHECK(described_as("vfio: groups: no: /dev/vfio/vfio speaks version 7\n"));
	CHECK_EQ(fake.files, 0);
	strbuf_free(&out);
}

int main(void)
{
	RUN(address_on_pci_is_found);
	RUN(what_is_no_address_is_refused);
	RUN(device_that_is_not_there_is_refused);
	RUN(folder_in_sysfs_is_found);
	RUN(mdev_is_found_by_its_uuid);
	RUN(device_of_a_platform_is_found);
	RUN(path_that_is_no_device_is_refused);
	RUN(file_of_a_device_is_found);
	RUN(open_file_is_found);
	RUN(function_of_another_driver_tells_how_to_bind_it);
	RUN(function_without_driver_tells_how_to_bind_it);
	RUN(any_vfio_driver_will_do);
	RUN(iommu_that_is_off_is_told);
	RUN(no_iommu_mode_is_refused);
	RUN(group_that_is_not_viable_names_its_siblings);
	RUN(many_siblings_leave_room_for_the_commands);
	RUN(sibling_that_is_not_on_pci_is_unbound);
	RUN(host_with_all_is_described);
	RUN(host_without_is_described);
	RUN(lesser_hosts_are_described);
	return tap_done();
}
