/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices by files of their own and an iommufd: binding, page tables that log dirty pages, refusals, and that nothing is left.
 * links: vfio/device.c vfio/path.c vfio/group.c vfio/group-map.c vfio/iommufd.c vfio/iommu.c vfio/info.c vfio/kvm.c memslot.c memory.c
 * links: util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "fake-vm.h"

static struct vfio_device *a, *b;

static int open_a(void)
{
	return open_as(0, "00:02.0", VFIO_IOMMU_IOMMUFD, &a);
}

static int open_b(void)
{
	return open_as(1, "00:03.0", VFIO_IOMMU_IOMMUFD, &b);
}

TEST(device_is_bound_in_the_order_the_kernel_wants)
{
	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_STR(a->iommu->ops->name, "iommufd");
	CHECK_STR(fake.log, "kvm-add-device bind-0000:00:02.0 attach-0000:00:02.0-1 map-0+4000000 map-100000000+1000000");
	CHECK_EQ(vm.mem.pins, 1);
	CHECK_EQ(a->iommu->info.nr_ranges, 1);
	CHECK_EQ(a->iommu->info.range[0].last, ~0ULL);
	CHECK_EQ(a->iommu->info.page_sizes, 4096);
	fake.log[0] = '\0';
	vfio_device_close(a);
	CHECK_STR(fake.log, "detach-0000:00:02.0 kvm-del-device close-0000:00:02.0 unmap-0 unmap-100000000");
	CHECK(nothing_left());
}

TEST(devices_share_the_address_space)
{
	int i;

	setup();
	for (i = 0; i < 20; i++) {
		CHECK_EQ(open_a(), 0);
		CHECK_EQ(open_b(), 0);
		CHECK_EQ(fake_maps(&host.ioas), 2);
		vfio_device_close(i & 1 ? a : b);
		CHECK_EQ(fake_maps(&host.ioas), 2);
		vfio_device_close(i & 1 ? b : a);
		CHECK_EQ(fake_maps(&host.ioas), 0);
		fake.log[0] = '\0';
	}
	CHECK(nothing_left());
}

TEST(both_ways_may_be_used_at_once)
{
	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(open_as(1, "00:03.0", VFIO_IOMMU_GROUP, &b), 0);
	CHECK(a->iommu != b->iommu);
	CHECK_EQ(vm.mem.pins, 2);
	vfio_device_close(a);
	CHECK_EQ(vm.mem.pins, 1);
	vfio_device_close(b);
	CHECK(nothing_left());
}

TEST(open_file_becomes_the_device)
{
	char device[16];
	int fd;

	setup();
	fd = vfio_sys_open("/dev/vfio/devices/vfio0", 0);
	fake_path(true, "/dev/vfio/devices/vfio0", "/proc/self/fd/%d", fd);
	snprintf(device, sizeof(device), "fd:%d", fd);
	CHECK_EQ(open_as(0, device, VFIO_IOMMU_AUTO, &a), 0);
	CHECK_EQ(a->fd, fd);
	CHECK_STR(vfio_device_name(a), "0000:00:02.0");
	CHECK_EQ(open_as(1, "00:02.0", VFIO_IOMMU_AUTO, &b), -EBUSY);
	CHECK(says("given twice"));
	vfio_device_close(a);
	CHECK(!fake_file(fd));
	CHECK(nothing_left());
}

TEST(open_file_that_is_no_device_is_refused_and_stays_the_users)
{
	char device[16];
	int fd;

	setup();
	fd = vfio_sys_open("/dev/vfio/devices/vfio0", 0);
	fake_path(true, "/dev/vfio/devices/vfio0", "/proc/self/fd/%d", fd);
	snprintf(device, sizeof(device), "fd:%d", fd);
	host.dev[0].bound = true;
	CHECK_EQ(open_as(0, device, VFIO_IOMMU_AUTO, &a), -EINVAL);
	CHECK(says("must be a file of /dev/vfio/devices that nobody has bound yet"));
	CHECK(fake_file(fd));
	vfio_sys_close(fd);
	CHECK(nothing_left());
}

TEST(open_file_that_is_not_vfios_is_refused_and_stays_the_users)
{
	char device[16];
	int fd;

	setup();
	fd = vfio_sys_open("/dev/vfio/vfio", 0);
	fake_path(true, "/dev/vfio/vfio", "/proc/self/fd/%d", fd);
	snprintf(device, sizeof(device), "fd:%d", fd);
	CHECK_EQ(open_as(0, device, VFIO_IOMMU_AUTO, &a), -EINVAL);
	CHECK(says(device));
	CHECK(says("must be a file of /dev/vfio/devices that nobody has bound yet"));
	CHECK(!strstr(fake.log, "kvm-"));
	CHECK(fake_file(fd));
	vfio_sys_close(fd);
	CHECK(nothing_left());
	/* closed meanwhile */
	setup();
	fake_path(true, "/dev/vfio/devices/vfio0", "/proc/self/fd/%d", FAKE_FD + 20);
	snprintf(device, sizeof(device), "fd:%d", FAKE_FD + 20);
	CHECK_EQ(open_as(0, device, VFIO_IOMMU_AUTO, &a), -EBADF);
	CHECK(says("must be a file of /dev/vfio/devices"));
	CHECK(nothing_left());
}

static bool refused(int error, const char *what)
{
	int r = open_a();

	if (r == error && !a && says("--vfio '00:02.0': ") && says(what) && nothing_left())
		return true;
	printf("# %d: %s\n", r, err.msg);
	return false;
}

TEST(what_cannot_be_bound_is_told)
{
	setup();
	fake.open_fail.path = "/dev/vfio/devices/vfio0";
	fake.open_fail.error = -EBUSY;
	CHECK(refused(-EBUSY, "another process has it open"));
	setup();
	fake.open_fail.path = "/dev/vfio/devices/vfio0";
	fake.open_fail.error = -EACCES;
	CHECK(refused(-EACCES, "cannot open /dev/vfio/devices/vfio0"));
	setup();
	fake_fail(KVM_SET_DEVICE_ATTR, 0, -EIO);
	CHECK(refused(-EIO, "KVM does not take it"));
	setup();
	fake_pci("0000:00:02.1", 3, "ahci");
	host.viable[3] = false;
	CHECK(refused(-EBUSY, "0000:00:02.1 is bound to 'ahci'"));
	setup();
	fake_fail(VFIO_DEVICE_BIND_IOMMUFD, 0, -EPERM);
	CHECK(refused(-EPERM, "/sys/module/iommufd/parameters/allow_unsafe_interrupts"));
	setup();
	fake_fail(VFIO_DEVICE_BIND_IOMMUFD, 0, -ENODEV);
	CHECK(refused(-ENODEV, "cannot bind 0000:00:02.0 to an iommufd"));
	setup();
	fake_fail(VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0, -EADDRINUSE);
	CHECK(refused(-EADDRINUSE, "reserved regions lie in guest RAM"));
	setup();
	fake_fail(VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0, -EIO);
	CHECK(refused(-EIO, "the I/O address space does not take 0000:00:02.0: "));
}

TEST(iommufd_that_does_not_answer_is_refused)
{
	setup();
	fake.open_fail.path = "/dev/iommu";
	fake.open_fail.error = -EACCES;
	CHECK(refused(-EACCES, "cannot use /dev/iommu: Permission denied"));
	setup();
	fake_fail(IOMMU_IOAS_ALLOC, 0, -ENOMEM);
	CHECK(refused(-ENOMEM, "cannot use /dev/iommu: Cannot allocate memory"));
	setup();
	fake_fail(IOMMU_IOAS_IOVA_RANGES, 0, -EIO);
	CHECK(refused(-EIO, "what it maps"));
	setup();
	fake_fail(IOMMU_IOAS_IOVA_RANGES, 1, -EIO);
	CHECK(refused(-EIO, "what it maps"));
	setup();
	host.ranges_lie = 1000000;
	CHECK(refused(-EINVAL, "what it maps"));
	setup();
	host.ranges_grow = true;
	CHECK(refused(-EINVAL, "what it maps"));
	setup();
	host.ranges_lie = 2;		/* and then fills but one: the other is 0-0 */
	CHECK_EQ(open_a(), 0);
	vfio_device_close(a);
	CHECK(nothing_left());
	setup();
	host.range[0].start = 5;
	host.range[0].end = 4;
	host.nr_ranges = 1;
	CHECK(refused(-EINVAL, "what it maps"));
}

TEST(ram_in_a_reserved_region_is_refused_by_name)
{
	setup();
	host.range[0].end = 0x1ffffff;
	host.range[1].start = 0x2100000;
	host.range[1].end = ~0ULL;
	host.nr_ranges = 2;
	fake_path(false, "0x0000000002000000 0x00000000020fffff msi", "/sys/kernel/iommu_groups/3/reserved_regions");
	CHECK(refused(-EADDRNOTAVAIL, "reserves 0x2000000-0x20fffff (msi)"));
}

TEST(memory_that_cannot_be_mapped_is_told)
{
	setup();
	fake_fail(IOMMU_IOAS_MAP, 1, -EFAULT);
	CHECK(refused(-EFAULT, "cannot map 81920 KiB of guest RAM for DMA"));
}

TEST(unmap_that_fails_is_no_end)
{
	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(vfio_iommu_map_bar(a->iommu, 0xc0000000, 0x4000, (void *)(uintptr_t)0x300000000000), 0);
	vfio_iommu_unmap_bar(a->iommu, 0xc0000000, 0x4000);
	CHECK_EQ(fake_maps(&host.ioas), 2);
	fake_fail(IOMMU_IOAS_UNMAP, 0, -EIO);
	vfio_iommu_unmap_bar(a->iommu, 0xd0000000, 0x4000);
	fake_fail(IOMMU_IOAS_UNMAP, 0, -EIO);
	vfio_device_close(a);
	CHECK_EQ(fake_maps(&host.ioas), 1);
	CHECK_EQ(vm.mem.pins, 0);
	host.ioas.map[0].size = 0;	/* goes with the iommufd */
	CHECK(nothing_left());
}

/* --- dirty pages --- */

static u64 bitmap[LOW_RAM / 4096 / 64];

static int read_dirty(u64 gpa, u64 size)
{
	memset(bitmap, 0, sizeof(bitmap));
	return a->iommu->ops->dirty_read(a->iommu, gpa, size, bitmap);
}

static void written(u64 gpa)
{
	host.ioas.dirty[host.ioas.nr_dirty++] = gpa;
}

TEST(devices_that_can_share_a_table_that_logs)
{
	setup();
	host.dev[0].can_track = host.dev[1].can_track = true;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(open_b(), 0);
	CHECK_EQ(host.dev[0].pt, 2);
	CHECK_EQ(host.dev[1].pt, 2);
	CHECK_EQ(host.tables, 1);
	CHECK(a->iommu->info.dirty);
	CHECK_EQ(read_dirty(0, LOW_RAM), -EINVAL);	/* not started */
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	written(0x3000);
	written(0x40000);
	CHECK_EQ(read_dirty(0, 0x10000), 0);
	CHECK_EQ(bitmap[0], 8);
	CHECK_EQ(bitmap[1], 0);
	CHECK_EQ(read_dirty(0, LOW_RAM), 0);
	CHECK_EQ(bitmap[0], 0);
	CHECK_EQ(bitmap[1], 1);
	CHECK_EQ(read_dirty(0, 100), -EINVAL);
	fake_fail(IOMMU_HWPT_GET_DIRTY_BITMAP, 0, -EIO);
	CHECK_EQ(read_dirty(0, LOW_RAM), -EIO);
	a->iommu->ops->dirty_stop(a->iommu);
	a->iommu->ops->dirty_stop(a->iommu);
	CHECK(!host.ioas.tracking);
	vfio_device_close(a);
	CHECK_EQ(host.tables, 1);
	vfio_device_close(b);
	CHECK_EQ(host.tables, 0);
	CHECK(nothing_left());
}

TEST(device_that_fits_no_table_gets_its_own)
{
	setup();
	host.dev[0].can_track = host.dev[1].can_track = true;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	fake_fail(VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0, -EINVAL);
	CHECK_EQ(open_b(), 0);
	CHECK_EQ(host.dev[1].pt, 3);
	CHECK_EQ(host.tables, 2);
	CHECK_EQ(read_dirty(0, LOW_RAM), 0);
	vfio_device_close(a);
	vfio_device_close(b);
	CHECK(nothing_left());
}

TEST(one_that_cannot_log_takes_it_from_all)
{
	setup();
	host.dev[0].can_track = true;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	CHECK_EQ(open_b(), 0);		/* comes meanwhile */
	CHECK_EQ(host.dev[1].pt, 1);
	CHECK(!a->iommu->info.dirty);
	CHECK_EQ(read_dirty(0, LOW_RAM), -EOPNOTSUPP);
	a->iommu->ops->dirty_stop(a->iommu);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), -EOPNOTSUPP);
	vfio_device_close(b);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	a->iommu->ops->dirty_stop(a->iommu);
	fake_fail(IOMMU_HWPT_SET_DIRTY_TRACKING, 0, -EIO);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), -EIO);
	CHECK(!a->iommu->tracking);
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(table_that_cannot_be_had_is_done_without)
{
	setup();
	host.dev[0].can_track = host.dev[1].can_track = true;
	fake_fail(IOMMU_HWPT_ALLOC, 0, -EOPNOTSUPP);
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(host.dev[0].pt, 1);
	CHECK(!a->iommu->info.dirty);
	fake_fail(VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0, -EINVAL);	/* made, but does not fit */
	CHECK_EQ(open_b(), 0);
	CHECK_EQ(host.dev[1].pt, 1);
	CHECK_EQ(host.tables, 0);
	vfio_device_close(a);
	vfio_device_close(b);
	CHECK(nothing_left());
	/* one that does not begin to log when the others do */
	setup();
	host.dev[0].can_track = host.dev[1].can_track = true;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	fake_fail(VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0, -EINVAL);
	fake_fail(IOMMU_HWPT_SET_DIRTY_TRACKING, 0, -EIO);
	CHECK_EQ(open_b(), 0);
	CHECK_EQ(host.dev[1].pt, 1);
	CHECK_EQ(host.tables, 1);
	vfio_device_close(a);
	vfio_device_close(b);
	CHECK(nothing_left());
}

int main(void)
{
	RUN(device_is_bound_in_the_order_the_kernel_wants);
	RUN(devices_share_the_address_space);
	RUN(both_ways_may_be_used_at_once);
	RUN(open_file_becomes_the_device);
	RUN(open_file_that_is_no_device_is_refused_and_stays_the_users);
	RUN(open_file_that_is_not_vfios_is_refused_and_stays_the_users);
	RUN(what_cannot_be_bound_is_told);
	RUN(iommufd_that_does_not_answer_is_refused);
	RUN(ram_in_a_reserved_region_is_refused_by_name);
	RUN(memory_that_cannot_be_mapped_is_told);
	RUN(unmap_that_fails_is_no_end);
	RUN(devices_that_can_share_a_table_that_logs);
	RUN(device_that_fits_no_table_gets_its_own);
	RUN(one_that_cannot_log_takes_it_from_all);
	RUN(table_that_cannot_be_had_is_done_without);
	return tap_done();
}
