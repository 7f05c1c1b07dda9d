/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups and containers, and guest memory in them: the order the kernel wants, what is refused and why, dirty pages, and that nothing is left.
 * links: vfio/device.c vfio/path.c vfio/group.c vfio/group-map.c vfio/iommufd.c vfio/iommu.c vfio/info.c vfio/kvm.c memslot.c memory.c
 * links: util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "fake-vm.h"

static struct vfio_device *a, *b;

static int open_a(void)
{
	return open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &a);
}

static int open_b(void)
{
	return open_as(1, "00:03.0", VFIO_IOMMU_GROUP, &b);
}

/* --- the way to a device --- */

TEST(device_is_opened_in_the_order_the_kernel_wants)
{
	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_STR(fake.log, "type3 kvm-add-group open-0000:00:02.0 map-0+4000000 map-100000000+1000000");
	CHECK_EQ(vm.mem.pins, 1);
	CHECK(host.container[3]->map[1].va == 0x200000000000);
	fake.log[0] = '\0';
	vfio_device_close(a);
	CHECK_STR(fake.log, "close-0000:00:02.0 kvm-del-group");
	CHECK(nothing_left());
}

TEST(device_is_opened_a_hundred_times)
{
	int i;

	setup();
	for (i = 0; i < 100; i++) {
		CHECK_EQ(open_a(), 0);
		CHECK_EQ(open_b(), 0);
		vfio_device_close(i & 1 ? a : b);
		vfio_device_close(i & 1 ? b : a);
		CHECK_EQ(fake.files, 2);	/* the VM's and KVM's */
		fake.log[0] = '\0';
	}
	CHECK(nothing_left());
}

TEST(groups_share_a_container)
{
	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(open_b(), 0);
	CHECK(a->iommu == b->iommu);
	CHECK(host.container[3] == host.container[4]);
	CHECK_EQ(host.containers, 1);
	CHECK_EQ(vm.mem.pins, 1);
	CHECK_EQ(fake_maps(host.container[3]), 2);
	vfio_device_close(a);
	CHECK_EQ(fake_maps(host.container[4]), 2);
	CHECK_EQ(vm.mem.pins, 1);
	vfio_device_close(b);
	CHECK(nothing_left());
}

TEST(devices_share_a_group)
{
	setup();
	fake_pci("0000:00:02.1", 3, "vfio-pci");
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(open_as(1, "00:02.1", VFIO_IOMMU_GROUP, &b), 0);
	vfio_device_close(a);
	CHECK(host.group_open[3]);
	CHECK(!strstr(fake.log, "kvm-del"));
	vfio_device_close(b);
	CHECK(!host.group_open[3]);
	CHECK(nothing_left());
}

TEST(group_that_a_container_refuses_gets_its_own)
{
	setup();
	host.one_group = true;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(open_b(), 0);
	CHECK(host.container[3] != host.container[4]);
	CHECK_EQ(fake_maps(host.container[3]), 2);
	CHECK_EQ(fake_maps(host.container[4]), 2);
	CHECK_EQ(vfio_iommu_map_bar(a->iommu, 0xc0000000, 0x4000, (void *)(uintptr_t)0x300000000000), 0);
	CHECK_EQ(fake_maps(host.container[3]), 3);
	CHECK_EQ(fake_maps(host.container[4]), 3);
	vfio_iommu_unmap_bar(a->iommu, 0xc0000000, 0x4000);
	CHECK_EQ(fake_maps(host.container[3]), 2);
	/* in one of two it fails: in none */
	fake_fail(VFIO_IOMMU_MAP_DMA, 1, -EFAULT);
	CHECK_EQ(vfio_iommu_map_bar(a->iommu, 0xc0000000, 0x4000, (void *)(uintptr_t)0x300000000000), -EFAULT);
	CHECK_EQ(fake_maps(host.container[3]), 2);
	vfio_device_close(a);
	CHECK_EQ(host.containers, 1);
	vfio_device_close(b);
	CHECK(nothing_left());
}

TEST(second_container_that_takes_no_memory_is_refused)
{
	setup();
	host.one_group = true;
	host.lock_limit = fake.soft = fake.hard = 100 * MIB;
	CHECK_EQ(open_a(), 0);
	fake_fail(VFIO_IOMMU_MAP_DMA, 0, -ENOMEM);
	CHECK_EQ(open_b(), -ENOMEM);
	CHECK(says("--vfio '00:03.0': DMA needs 163840 KiB of locked memory for 81920 KiB of guest RAM, and the limit is 102400 KiB"));
	CHECK(!host.group_open[4]);
	CHECK_EQ(host.containers, 1);
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(each_container_counts_in_the_locked_memory_needed)
{
	struct vfio_device *third;

	setup();
	fake_pci("0000:00:04.0", 5, "vfio-pci");
	host.one_group = true;
	host.lock_limit = fake.soft = fake.hard = 200 * MIB;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(open_b(), 0);
	fake_fail(VFIO_IOMMU_MAP_DMA, 0, -ENOMEM);
	CHECK_EQ(open_as(2, "00:04.0", VFIO_IOMMU_GROUP, &third), -ENOMEM);
	CHECK(says("DMA needs 245760 KiB of locked memory for 81920 KiB of guest RAM, and the limit is 204800 KiB"));
	fake_fail(IOMMU_IOAS_MAP, 0, -ENOMEM);	/* counted apart */
	CHECK_EQ(open_as(2, "00:04.0", VFIO_IOMMU_IOMMUFD, &third), -ENOMEM);
	CHECK(says("DMA needs 81920 KiB of locked memory for 81920 KiB of guest RAM, beside what else this user has pinned by iommufd, and the limit"));
	vfio_device_close(b);
	fake_fail(VFIO_IOMMU_MAP_DMA, 0, -ENOMEM);
	CHECK_EQ(open_as(2, "00:04.0", VFIO_IOMMU_GROUP, &third), -ENOMEM);
	CHECK(says("DMA needs 163840 KiB"));
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(older_type_will_do)
{
	setup();
	host.types = 1 << VFIO_TYPE1_IOMMU;
	CHECK_EQ(open_a(), 0);
	CHECK(strstr(fake.log, "type1 "));
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(kvm_without_vfio_is_fine)
{
	setup();
	host.no_kvm = true;
	CHECK_EQ(open_a(), 0);
	CHECK(!strstr(fake.log, "kvm"));
	vfio_device_close(a);
	CHECK(nothing_left());
}

/* Each refusal leaves nothing, and one line that names option and device. */
static bool refused(int error, const char *what)
{
	int r = open_a();

	if (r == error && !a && says("--vfio '00:02.0': ") && says(what) && nothing_left())
		return true;
	printf("# %d: %s\n", r, err.msg);
	return false;
}

TEST(what_the_host_lacks_is_told)
{
	setup();
	fake_path_del("/dev/vfio/vfio");
	CHECK(refused(-ENOENT, "modprobe vfio"));
	setup();
	host.api = 3;
	CHECK(refused(-EPROTO, "speaks version 3 of VFIO, we 0"));
	setup();
	host.types = 0;
	CHECK(refused(-ENODEV, "modprobe vfio_iommu_type1"));
	setup();
	host.set_iommu_error = -EPERM;
	CHECK(refused(-EPERM, "allow_unsafe_interrupts"));
	setup();
	host.set_iommu_error = -EBUSY;
	CHECK(refused(-EBUSY, "VFIO refuses the IOMMU"));
}

TEST(group_that_cannot_be_had_is_told)
{
	setup();
	fake.open_fail.path = "/dev/vfio/3";
	fake.open_fail.error = -EBUSY;
	CHECK(refused(-EBUSY, "another process has /dev/vfio/3 open"));
	setup();
	fake.open_fail.path = "/dev/vfio/3";
	fake.open_fail.error = -EACCES;
	CHECK(refused(-EACCES, "cannot open /dev/vfio/3: Permission denied"));
	setup();
	fake_fail(VFIO_GROUP_GET_STATUS, 0, -EIO);
	CHECK(refused(-EIO, "no answer from /dev/vfio/3"));
	setup();
	host.viable[3] = false;
	fake_pci("0000:00:02.1", 3, "ahci");
	host.viable[3] = false;
	CHECK(refused(-EBUSY, "0000:00:02.1 is bound to 'ahci'; to do so: echo vfio-pci"));
	setup();
	fake_fail(VFIO_GROUP_SET_CONTAINER, 0, -EIO);
	CHECK(refused(-EIO, "group 3 cannot be put into a container"));
	setup();
	fake_fail(KVM_SET_DEVICE_ATTR, 0, -EIO);
	CHECK(refused(-EIO, "KVM does not take group 3"));
	setup();
	fake_fail(KVM_CREATE_DEVICE, 0, -EMFILE);
	CHECK(refused(-EMFILE, "KVM does not take group 3"));
	setup();
	host.dev[0].opened = true;
	CHECK(refused(-EBUSY, "group 3 does not open its device 0000:00:02.0"));
}

/* --- which way --- */

TEST(iommufd_is_taken_where_there_is_one)
{
	setup();
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), 0);
	CHECK_STR(a->iommu->ops->name, "iommufd");
	vfio_device_close(a);
	CHECK(nothing_left());
	setup();
	fake_path_del("/dev/iommu");
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), 0);
	CHECK_STR(a->iommu->ops->name, "group");
	vfio_device_close(a);
	CHECK(nothing_left());
	setup();
	fake_path_del("/dev/vfio/devices/vfio0");
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), 0);
	CHECK_STR(a->iommu->ops->name, "group");
	vfio_device_close(a);
	CHECK(nothing_left());
	setup();
	fake.open_fail.path = "/dev/iommu";
	fake.open_fail.error = -EACCES;
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), 0);
	CHECK_STR(a->iommu->ops->name, "group");
	vfio_device_close(a);
	CHECK(nothing_left());
}

/* What stands before the device by iommufd and not by its group. */
static void stand_before(unsigned int what)
{
	setup();
	if (what == 0) {
		fake.open_fail.path = "/dev/vfio/devices/vfio0";
		fake.open_fail.error = -EACCES;
	} else {
		fake_fail(what == 1 ? VFIO_DEVICE_BIND_IOMMUFD : VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0, -EPERM);
	}
}

TEST(group_is_taken_where_iommufd_is_not_allowed)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		stand_before(i);
		CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), 0);
		CHECK_STR(a->iommu->ops->name, "group");
		CHECK_EQ(fake_maps(host.container[3]), 2);
		CHECK_EQ(fake_maps(&host.ioas), 0);
		CHECK_EQ(vm.mem.pins, 1);
		vfio_device_close(a);
		CHECK(nothing_left());
		/* asked for by name, it is that or nothing */
		stand_before(i);
		CHECK(open_as(0, "00:02.0", VFIO_IOMMU_IOMMUFD, &a) < 0);
		CHECK(!host.group_open[3] && !host.containers);
		CHECK(nothing_left());
	}
}

TEST(neither_way_allowed_tells_of_iommufd)
{
	stand_before(0);
	host.set_iommu_error = -EPERM;
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), -EACCES);
	CHECK(says("--vfio '00:02.0': cannot open /dev/vfio/devices/vfio0: Permission denied"));
	CHECK(nothing_left());
	/* the group is allowed, and does not work: that is what can be mended */
	stand_before(0);
	fake_fail(VFIO_GROUP_GET_STATUS, 0, -EIO);
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), -EIO);
	CHECK(says("--vfio '00:02.0': no answer from /dev/vfio/3"));
	CHECK(nothing_left());
	stand_before(1);
	host.set_iommu_error = -EPERM;
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), -EPERM);
	CHECK(says("/sys/module/iommufd/parameters/allow_unsafe_interrupts"));
	CHECK(nothing_left());
	/* what is no question of rights is not tried the other way */
	setup();
	fake_fail(VFIO_DEVICE_BIND_IOMMUFD, 0, -ENODEV);
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_AUTO, &a), -ENODEV);
	CHECK(says("cannot bind 0000:00:02.0 to an iommufd"));
	CHECK(!strstr(fake.log, "kvm-add-group"));
	CHECK(nothing_left());
}

TEST(way_that_is_not_there_is_refused)
{
	setup();
	fake_path_del("/dev/iommu");
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_IOMMUFD, &a), -ENODEV);
	CHECK(says("no /dev/iommu"));
	CHECK(nothing_left());
	setup();
	fake_path_del("/dev/vfio/devices/vfio0");
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_IOMMUFD, &a), -ENODEV);
	CHECK(says("no file in /dev/vfio/devices"));
	CHECK(nothing_left());
	setup();
	fake_path(true, "/dev/vfio/devices/vfio0", "/proc/self/fd/17");
	CHECK_EQ(open_as(0, "fd:17", VFIO_IOMMU_GROUP, &a), -EINVAL);
	CHECK(says("with iommufd only"));
	CHECK(nothing_left());
	setup();
	fake_path_del("/dev/iommu");
	fake_path(true, "/dev/vfio/devices/vfio0", "/proc/self/fd/17");
	CHECK_EQ(open_as(0, "fd:17", VFIO_IOMMU_AUTO, &a), -ENODEV);
	CHECK(says("no /dev/iommu"));
	CHECK(nothing_left());
	setup();
	fake_path(false, "", "/dev/vfio/devices/vfio7");
	CHECK_EQ(open_as(0, "/dev/vfio/devices/vfio7", VFIO_IOMMU_GROUP, &a), -ENODEV);
	CHECK(says("vfio7 has no IOMMU group"));
	CHECK(nothing_left());
	setup();
	CHECK_EQ(open_as(0, "00:09.0", VFIO_IOMMU_AUTO, &a), -ENODEV);
	CHECK(says("no such device"));
	CHECK(nothing_left());
}

/* --- RAM --- */

TEST(ram_in_a_reserved_region_is_refused_by_name)
{
	setup();
	host.range[0].start = 0;
	host.range[0].end = 0xfedfffff;
	host.range[1].start = 0xfef00000;
	host.range[1].end = 0x7fffffffff;
	host.nr_ranges = 2;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->info.nr_ranges, 2);
	CHECK_EQ(a->iommu->info.page_sizes, 4096 | 2 << 20);
	vfio_device_close(a);
	CHECK(nothing_left());

	setup();
	host.range[0].end = 0x1ffffff;
	host.range[1].start = 0x2100000;
	host.range[1].end = 0x7fffffffff;
	host.nr_ranges = 2;
	fake_path(false, "0x0000000000000000 0x0000000000ffffff direct-relaxable\n0x0000000002000000 0x00000000020fffff msi",
		  "/sys/kernel/iommu_groups/3/reserved_regions");
	CHECK(refused(-EADDRNOTAVAIL, "guest RAM 0x0-0x3ffffff cannot be mapped for the DMA of 0000:00:02.0: the host's IOMMU reserves "
		      "0x2000000-0x20fffff (msi)"));
}

TEST(ram_beyond_the_iommu_is_refused)
{
	setup();
	host.range[0].end = 0x100ffffff - 4096;
	host.nr_ranges = 1;
	CHECK(refused(-EADDRNOTAVAIL, "guest RAM 0x100000000-0x100ffffff cannot be mapped for the DMA of 0000:00:02.0: the host's IOMMU does not "
		      "translate 0x100fff000-0x100ffffff"));
	setup();
	host.range[0].end = 0xffff;
	host.nr_ranges = 1;
	fake_path(false, "garbage\n0x0 0xffff direct", "/sys/kernel/iommu_groups/3/reserved_regions");
	CHECK(refused(-EADDRNOTAVAIL, "does not translate 0x10000-0x3ffffff"));
}

TEST(ranges_of_two_containers_are_those_of_both)
{
	setup();
	host.one_group = true;
	host.range[0].end = 0x3ffffffff;
	host.nr_ranges = 1;
	CHECK_EQ(open_a(), 0);
	host.range[0].start = 0x100000;	/* both say so from now on */
	CHECK_EQ(open_b(), -EINVAL);	/* already the kernel does not map it */
	CHECK(says("--vfio '00:03.0': cannot map 81920 KiB of guest RAM for DMA: Invalid argument"));
	host.range[0].start = 0;
	CHECK_EQ(open_b(), 0);
	CHECK_EQ(b->iommu->info.nr_ranges, 1);
	CHECK_EQ(b->iommu->info.range[0].last, 0x3ffffffff);
	CHECK(b->iommu->info.dirty);
	vfio_device_close(a);
	vfio_device_close(b);
	CHECK(nothing_left());
}

TEST(containers_that_map_different_ranges_agree)
{
	setup();
	host.one_group = true;
	CHECK_EQ(open_a(), 0);
	host.container[3]->any = true;
	host.range[0].end = 0x7fffffffff;
	host.nr_ranges = 1;
	CHECK_EQ(open_b(), 0);
	CHECK_EQ(b->iommu->info.nr_ranges, 1);
	CHECK_EQ(b->iommu->info.range[0].last, 0x7fffffffff);
	vfio_device_close(b);
	host.container[3]->any = false;
	host.container[3]->only = 0x1000000;
	host.container[3]->last = ~0ULL;
	CHECK_EQ(open_b(), -EADDRNOTAVAIL);
	CHECK(says("does not translate 0x0-0xffffff"));
	host.container[3]->only = 0x8000000000;		/* nothing that both map */
	CHECK_EQ(open_b(), -EADDRNOTAVAIL);
	CHECK(says("does not translate 0x0-0x3ffffff"));
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(larger_pages_of_the_iommu_are_respected)
{
	setup();
	host.page_sizes = 32 << 20;
	CHECK(refused(-EINVAL, "guest RAM 0x100000000-0x100ffffff is not made of pages of 32768 KiB"));
}

TEST(iommu_that_does_not_answer_is_refused)
{
	setup();
	fake_fail(VFIO_IOMMU_GET_INFO, 0, -EIO);
	CHECK(refused(-EIO, "cannot ask the host's IOMMU what it maps"));
	setup();
	fake_fail(VFIO_IOMMU_GET_INFO, 1, -EIO);
	CHECK(refused(-EIO, "cannot ask the host's IOMMU what it maps"));
	setup();
	host.one_group = true;
	CHECK_EQ(open_a(), 0);
	host.container[3]->argsz = 0x7fffffff;
	CHECK_EQ(open_b(), -EINVAL);
	CHECK(says("cannot ask the host's IOMMU what it maps"));
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(soft_limit_of_locked_memory_is_raised)
{
	setup();
	host.lock_limit = ~0ULL;
	fake.soft = 8 * MIB;
	fake.hard = 100 * MIB;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(fake.soft, 100 * MIB);
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(limit_of_locked_memory_tells_the_number_needed)
{
	setup();
	host.lock_limit = ~0ULL;
	fake.soft = 4 * MIB;
	fake.hard = 70 * MIB;	/* enough for the first piece */
	CHECK(refused(-ENOMEM, "DMA needs 81920 KiB of locked memory for 81920 KiB of guest RAM, and the limit is 71680 KiB: `ulimit -l 81920' as "
		      "root, or LimitMEMLOCK=81920K in the systemd unit"));
}

TEST(memory_that_cannot_be_mapped_is_told)
{
	setup();
	fake_fail(VFIO_IOMMU_MAP_DMA, 1, -ENOSPC);
	CHECK(refused(-ENOSPC, "cannot map 81920 KiB of guest RAM for DMA: No space left"));
	setup();
	fake_fail(VFIO_IOMMU_MAP_DMA, 0, -ENOMEM);	/* without a limit: the host has no more */
	CHECK(refused(-ENOMEM, "cannot map 81920 KiB of guest RAM for DMA: Cannot allocate memory"));
}

TEST(unmap_that_fails_is_no_end)
{
	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(vfio_iommu_map_bar(a->iommu, 0xc0000000, 0x4000, (void *)(uintptr_t)0x300000000000), 0);
	fake_fail(VFIO_IOMMU_UNMAP_DMA, 0, -EIO);
	vfio_iommu_unmap_bar(a->iommu, 0xc0000000, 0x4000);
	vfio_iommu_unmap_bar(a->iommu, 0xd0000000, 0x4000);	/* nothing there */
	vfio_device_close(a);
	CHECK(nothing_left());
}

/* --- dirty pages --- */

static u64 bitmap[HIGH_GPA / 4096 / 64];

static void written(unsigned int group, u64 gpa)
{
	struct fake_space *s = host.container[group];

	s->dirty[s->nr_dirty++] = gpa;
}

static int read_dirty(u64 gpa, u64 size)
{
	memset(bitmap, 0, sizeof(bitmap));
	return a->iommu->ops->dirty_read(a->iommu, gpa, size, bitmap);
}

static unsigned int bits(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(bitmap); i++)
		n += (unsigned int)__builtin_popcountll(bitmap[i]);
	return n;
}

static bool bit(u64 nr)
{
	return bitmap[nr / 64] >> nr % 64 & 1;
}

TEST(dirty_pages_are_read_once)
{
	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(read_dirty(0, LOW_RAM), -EINVAL);	/* not started */
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	CHECK(a->iommu->tracking);
	written(3, 0x5000);
	written(3, LOW_RAM - 4096);
	written(3, HIGH_GPA);
	CHECK_EQ(read_dirty(0, LOW_RAM), 0);
	CHECK_EQ(bits(), 2);
	CHECK(bit(5) && bit(LOW_RAM / 4096 - 1));
	CHECK_EQ(read_dirty(0, LOW_RAM), 0);
	CHECK_EQ(bits(), 0);
	CHECK_EQ(read_dirty(HIGH_GPA, HIGH_RAM), 0);
	CHECK_EQ(bits(), 1);
	CHECK(bit(0));
	a->iommu->ops->dirty_stop(a->iommu);
	a->iommu->ops->dirty_stop(a->iommu);
	CHECK(!host.container[3]->tracking);
	CHECK_EQ(read_dirty(0, LOW_RAM), -EINVAL);
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(part_of_a_map_keeps_the_rest_for_later)
{
	u64 i;

	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	for (i = 0; i < 20; i++)
		written(3, i * 61 * 4096);
	CHECK_EQ(read_dirty(0x3d000, 0x3d000 * 3), 0);	/* pages 61 to 243 */
	CHECK_EQ(bits(), 3);
	CHECK(bit(0) && bit(61) && bit(122));
	CHECK_EQ(read_dirty(0x3d000, 0x3d000 * 3), 0);
	CHECK_EQ(bits(), 0);
	CHECK_EQ(read_dirty(0, LOW_RAM), 0);
	CHECK_EQ(bits(), 17);
	CHECK(bit(0) && !bit(61) && bit(244));
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(bits_are_added_to_those_that_are_there)
{
	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	written(3, 0x3000);
	memset(bitmap, 0, sizeof(bitmap));
	bitmap[0] = 1;
	CHECK_EQ(a->iommu->ops->dirty_read(a->iommu, 0, LOW_RAM, bitmap), 0);
	CHECK_EQ(bitmap[0], 9);
	CHECK_EQ(read_dirty(1, 4096), -EINVAL);
	CHECK_EQ(read_dirty(0, 100), -EINVAL);
	CHECK_EQ(read_dirty(~0ULL - 4095, 8192), -EINVAL);
	CHECK_EQ(read_dirty(GIB, GIB), 0);	/* no RAM: nothing written */
	CHECK_EQ(bits(), 0);
	fake_fail(VFIO_IOMMU_DIRTY_PAGES, 0, -EIO);
	CHECK_EQ(read_dirty(0, LOW_RAM), -EIO);
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(maps_are_cut_to_the_bitmap_the_kernel_gives)
{
	u64 i;

	setup();
	host.max_bitmap = 300;	/* of which 256 are used: 8 MiB of memory */
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(fake_maps(host.container[3]), 10);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	for (i = 0; i < 8; i++)
		written(3, i * 8 * MIB + 0x1000);
	CHECK_EQ(read_dirty(0, LOW_RAM), 0);
	CHECK_EQ(bits(), 8);
	CHECK(bit(2048 * 7 + 1));
	written(3, 8 * MIB);
	written(3, 16 * MIB);
	CHECK_EQ(read_dirty(4 * MIB, 8 * MIB), 0);	/* of two maps a part */
	CHECK_EQ(bits(), 1);
	CHECK(bit(1024));
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(larger_dirty_pages_are_many_of_ours)
{
	setup();
	host.dirty_pages = 0x210000;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	written(3, 0x20000);
	CHECK_EQ(read_dirty(0, LOW_RAM), 0);
	CHECK_EQ(bits(), 16);
	CHECK(bit(32) && bit(47) && !bit(48));
	vfio_device_close(a);
	CHECK(nothing_left());
	setup();
	host.dirty_pages = 1024;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	CHECK_EQ(read_dirty(0, LOW_RAM), -EINVAL);
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(iommu_without_dirty_pages_says_so)
{
	setup();
	host.no_migration_cap = true;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), -EOPNOTSUPP);
	CHECK(!a->iommu->tracking);
	vfio_device_close(a);
	CHECK(nothing_left());
}

TEST(all_containers_track)
{
	setup();
	host.one_group = true;
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	CHECK_EQ(open_b(), 0);		/* comes meanwhile */
	CHECK(host.container[4]->tracking);
	written(3, 0x1000);
	written(4, 0x2000);
	CHECK_EQ(read_dirty(0, LOW_RAM), 0);
	CHECK_EQ(bitmap[0], 6);
	a->iommu->ops->dirty_stop(a->iommu);
	CHECK(!host.container[3]->tracking && !host.container[4]->tracking);
	fake_fail(VFIO_IOMMU_DIRTY_PAGES, 1, -EIO);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), -EIO);	/* one cannot: none does */
	CHECK(!host.container[3]->tracking && !a->iommu->tracking);
	vfio_device_close(a);
	vfio_device_close(b);
	CHECK(nothing_left());
}

static void *move_bar(void *arg)
{
	unsigned int i;

	for (i = 0; i < 2000; i++) {
		u64 gpa = 0xc0000000 + i % 7 * 0x10000;

		if (vfio_iommu_map_bar(a->iommu, gpa, 0x4000, (void *)(uintptr_t)0x300000000000))
			return NULL;
		vfio_iommu_unmap_bar(a->iommu, gpa, 0x4000);
	}
	return a;
}

TEST(bar_moves_while_dirty_pages_are_read)
{
	unsigned int i;
	pthread_t t;
	void *done;

	setup();
	CHECK_EQ(open_a(), 0);
	CHECK_EQ(a->iommu->ops->dirty_start(a->iommu), 0);
	CHECK_EQ(pthread_create(&t, NULL, move_bar, NULL), 0);
	for (i = 0; i < 20; i++) {
		if (read_dirty(0, LOW_RAM))
			break;
	}
	pthread_join(t, &done);
	CHECK_EQ(i, 20);
	CHECK(done == a);
	CHECK_EQ(fake_maps(host.container[3]), 2);
	vfio_device_close(a);
	CHECK(nothing_left());
}

int main(void)
{
	RUN(device_is_opened_in_the_order_the_kernel_wants);
	RUN(device_is_opened_a_hundred_times);
	RUN(groups_share_a_container);
	RUN(devices_share_a_group);
	RUN(group_that_a_container_refuses_gets_its_own);
	RUN(second_container_that_takes_no_memory_is_refused);
	RUN(each_container_counts_in_the_locked_memory_needed);
	RUN(older_type_will_do);
	RUN(kvm_without_vfio_is_fine);
	RUN(what_the_host_lacks_is_told);
	RUN(group_that_cannot_be_had_is_told);
	RUN(iommufd_is_taken_where_there_is_one);
	RUN(group_is_taken_where_iommufd_is_not_allowed);
	RUN(neither_way_allowed_tells_of_iommufd);
	RUN(way_that_is_not_there_is_refused);
	RUN(ram_in_a_reserved_region_is_refused_by_name);
	RUN(ram_beyond_the_iommu_is_refused);
	RUN(ranges_of_two_containers_are_those_of_both);
	RUN(containers_that_map_different_ranges_agree);
	RUN(larger_pages_of_the_iommu_are_respected);
	RUN(iommu_that_does_not_answer_is_refused);
	RUN(soft_limit_of_locked_memory_is_raised);
	RUN(limit_of_locked_memory_tells_the_number_needed);
	RUN(memory_that_cannot_be_mapped_is_told);
	RUN(unmap_that_fails_is_no_end);
	RUN(dirty_pages_are_read_once);
	RUN(part_of_a_map_keeps_the_rest_for_later);
	RUN(bits_are_added_to_those_that_are_there);
	RUN(maps_are_cut_to_the_bitmap_the_kernel_gives);
	RUN(larger_dirty_pages_are_many_of_ours);
	RUN(iommu_without_dirty_pages_says_so);
	RUN(all_containers_track);
	RUN(bar_moves_while_dirty_pages_are_read);
	return tap_done();
}
