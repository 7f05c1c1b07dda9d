/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open device: what it says of itself is checked once, accesses stay inside its regions, and each call is the kernel's as it wants it.
 * links: vfio/device.c vfio/path.c vfio/group.c vfio/group-map.c vfio/iommufd.c vfio/iommu.c vfio/info.c vfio/kvm.c memslot.c memory.c
 * links: util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "fake-vm.h"

static struct vfio_device *vd;
#define DEV (&host.dev[0])

static bool opened(void)
{
	return open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &vd) == 0;
}

static bool closed(void)
{
	vfio_device_close(vd);
	vd = NULL;
	return nothing_left();
}

TEST(open_device_knows_its_regions)
{
	setup();
	CHECK(opened());
	CHECK_STR(vfio_device_name(vd), "0000:00:02.0");
	CHECK_EQ(vd->nr_regions, 9);
	CHECK_EQ(vd->nr_irqs, 5);
	CHECK_EQ(vfio_region_get(vd, 0)->size, 0x4000);
	CHECK_EQ(vfio_region_get(vd, 0)->nr_areas, 1);
	CHECK_EQ(vfio_region_get(vd, 7)->offset, 7ULL << 40);
	CHECK_EQ(vfio_region_get(vd, 7)->index, 7);
	CHECK(!vfio_region_get(vd, 1));		/* of no size */
	CHECK(!vfio_region_get(vd, VFIO_PCI_VGA_REGION_INDEX));
	CHECK(!vfio_region_get(vd, 9));
	CHECK(!vfio_region_get(vd, ~0U));
	CHECK(closed());
}

TEST(region_is_found_by_its_type)
{
	setup();
	DEV->nr_regions = 10;
	DEV->region[9].size = 0x3000;
	DEV->region[9].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_CAPS;
	fake_put(DEV->region[9].caps, 0, VFIO_REGION_INFO_CAP_TYPE, 2);
	fake_put(DEV->region[9].caps, 8, 3, 4);
	fake_put(DEV->region[9].caps, 12, 1, 4);
	DEV->region[9].caps_len = 16;
	CHECK(opened());
	CHECK(vfio_region_find(vd, 3, 1) == &vd->region[9]);
	CHECK(!vfio_region_find(vd, 3, 2));
	CHECK(!vfio_region_find(vd, 0, 0));
	CHECK(closed());
}

TEST(what_is_no_pci_function_is_refused_by_its_kind)
{
	static const struct { u32 flags; const char *says; } kind[] = {
		{ VFIO_DEVICE_FLAGS_PLATFORM, "it is a platform device; only PCI functions" }, { VFIO_DEVICE_FLAGS_AP, "an AP device" },
		{ VFIO_DEVICE_FLAGS_CCW, "channel" }, { VFIO_DEVICE_FLAGS_AMBA, "AMBA" }, { VFIO_DEVICE_FLAGS_FSL_MC, "fsl-mc" },
		{ VFIO_DEVICE_FLAGS_CDX, "CDX" }, { 0, "of unknown kind" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		setup();
		DEV->flags = kind[i].flags;
		CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &vd), -EOPNOTSUPP);
		CHECK(says(kind[i].says));
		CHECK(says("--vfio '00:02.0': "));
		CHECK(!vd);
		CHECK(nothing_left());
	}
}

TEST(nonsense_about_regions_is_refused)
{
	static const u32 nr[] = { 0, 7, 257, ~0U };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nr); i++) {
		setup();
		DEV->nr_regions = nr[i];
		CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &vd), -EINVAL);
		CHECK(says("regions"));
		CHECK(nothing_left());
	}
	setup();
	DEV->region[2].argsz = 0x7fffffff;
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &vd), -EINVAL);
	CHECK(says("cannot ask the device for its regions"));
	CHECK(nothing_left());
	setup();
	DEV->region[2].error = -EIO;
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &vd), -EIO);
	CHECK(nothing_left());
	setup();
	DEV->region[2].error = -EINVAL;		/* only VGA may be missing */
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &vd), -EINVAL);
	CHECK(nothing_left());
	setup();
	fake_fail(VFIO_DEVICE_GET_INFO, 0, -EIO);
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &vd), -EIO);
	CHECK(says("what it is"));
	CHECK(nothing_left());
	setup();
	fake_fail(VFIO_DEVICE_GET_REGION_INFO, 1, -EIO);
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_GROUP, &vd), -EIO);
	CHECK(nothing_left());
}

TEST(device_given_twice_is_refused)
{
	struct vfio_device *second;

	setup();
	CHECK(opened());
	CHECK_EQ(open_as(1, "0000:00:02.0", VFIO_IOMMU_GROUP, &second), -EBUSY);
	CHECK_STR(err.msg, "--vfio '0000:00:02.0': 0000:00:02.0 is given twice");
	CHECK_EQ(open_as(1, "/dev/vfio/devices/vfio0", VFIO_IOMMU_IOMMUFD, &second), -EBUSY);
	CHECK(says("given twice"));
	CHECK(closed());
}

TEST(closing_nothing_is_fine)
{
	vfio_device_close(NULL);
	setup();
	CHECK(nothing_left());	/* no device, no host */
	CHECK(nothing_left());
}

TEST(access_reaches_the_device_at_its_size)
{
	const struct vfio_region *r;
	u64 val = 0;

	setup();
	CHECK(opened());
	r = vfio_region_get(vd, 7);
	CHECK_EQ(vfio_region_write(vd, r, 8, 4, 0x1122334455667788), 0);
	CHECK_EQ(DEV->mem[8], 0x88);
	CHECK_EQ(DEV->mem[11], 0x55);
	CHECK_EQ(DEV->mem[12], 0);
	CHECK_EQ(vfio_region_read(vd, r, 8, 2, &val), 0);
	CHECK_EQ(val, 0x7788);
	CHECK_EQ(vfio_region_read(vd, r, 8, 8, &val), 0);
	CHECK_EQ(val, 0x55667788);
	fake.io_error = -EIO;	/* as for a BAR that is switched off */
	CHECK_EQ(vfio_region_read(vd, r, 8, 4, &val), -EIO);
	CHECK_EQ(val, 0x55667788);
	CHECK_EQ(vfio_region_write(vd, r, 8, 4, 0), -EIO);
	CHECK(closed());
}

TEST(access_outside_or_askew_is_refused)
{
	static const struct { u64 off; unsigned int size; } bad[] = {
		{ 0, 0 }, { 0, 3 }, { 0, 16 }, { 1, 2 }, { 2, 4 }, { 4, 8 }, { 0x100, 1 }, { 0xff, 2 }, { 0xfc, 8 }, { ~0ULL, 1 }, { ~0ULL - 7, 8 },
	};
	const struct vfio_region *r;
	u64 val = 42;
	unsigned int i;

	setup();
	CHECK(opened());
	r = vfio_region_get(vd, 7);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(vfio_region_read(vd, r, bad[i].off, bad[i].size, &val), -EINVAL);
		CHECK_EQ(vfio_region_write(vd, r, bad[i].off, bad[i].size, 0), -EINVAL);
		CHECK_EQ(val, 42);
	}
	CHECK(closed());
}

TEST(bulk_access_stays_inside)
{
	const struct vfio_region *r;
	u8 buf[300];

	setup();
	CHECK(opened());
	r = vfio_region_get(vd, 7);
	memset(buf, 0x5a, sizeof(buf));
	CHECK_EQ(vfio_region_pwrite(vd, r, 3, buf, 253), 0);
	CHECK_EQ(DEV->mem[2], 0);
	CHECK_EQ(DEV->mem[255], 0x5a);
	CHECK_EQ(vfio_region_pread(vd, r, 0, buf, 256), 0);
	CHECK_EQ(buf[2], 0);
	CHECK_EQ(vfio_region_pread(vd, r, 1, buf, 256), -EINVAL);
	CHECK_EQ(vfio_region_pwrite(vd, r, 257, buf, 0), -EINVAL);
	CHECK_EQ(vfio_region_pwrite(vd, r, 0, buf, 257), -EINVAL);
	CHECK(closed());
}

TEST(area_is_mapped_as_its_region_allows)
{
	const struct vfio_region *r;
	void *p;

	setup();
	DEV->region[2].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP;
	CHECK(opened());
	r = vfio_region_get(vd, 0);
	fake.log[0] = '\0';
	CHECK_EQ(vfio_region_mmap(vd, r, &(struct vfio_area){ 0x1000, 0x2000 }, &p), 0);
	vfio_sys_munmap(p, 0x2000);
	r = vfio_region_get(vd, 2);
	CHECK_EQ(vfio_region_mmap(vd, r, &r->area[0], &p), 0);
	vfio_sys_munmap(p, 0x1000);
	CHECK_STR(fake.log, "mmap-1000+2000-3 mmap-20000000000+1000-1");
	CHECK(closed());
}

TEST(interrupts_are_asked_for_and_set)
{
	struct vfio_irq irq;
	int fd[] = { 7, -1, 9 };

	setup();
	CHECK(opened());
	CHECK_EQ(vfio_irq_get(vd, VFIO_PCI_MSIX_IRQ_INDEX, &irq), 0);
	CHECK_EQ(irq.count, 8);
	CHECK_EQ(vfio_irq_get(vd, 0, &irq), 0);
	CHECK_EQ(irq.flags, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE);
	CHECK_EQ(vfio_irq_get(vd, 5, &irq), -EINVAL);
	DEV->irq[VFIO_PCI_ERR_IRQ_INDEX].count = 0;
	irq.count = 77;
	CHECK_EQ(vfio_irq_get(vd, VFIO_PCI_ERR_IRQ_INDEX, &irq), -EIO);
	CHECK_EQ(irq.count, 77);
	CHECK_EQ(vfio_irq_set_fds(vd, VFIO_PCI_MSIX_IRQ_INDEX, 2, 3, fd), 0);
	CHECK_EQ(DEV->set_flags, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
	CHECK_EQ(DEV->set_index, VFIO_PCI_MSIX_IRQ_INDEX);
	CHECK_EQ(DEV->set_start, 2);
	CHECK_EQ(DEV->set_count, 3);
	CHECK_EQ(DEV->set_fd[0], 7);
	CHECK_EQ(DEV->set_fd[1], -1);
	CHECK_EQ(DEV->set_fd[2], 9);
	CHECK_EQ(vfio_irq_set_fds(vd, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, fd), -EINVAL);
	CHECK_EQ(vfio_irq_set_fds(vd, VFIO_PCI_MSIX_IRQ_INDEX, 0, ~0U, fd), -EINVAL);
	CHECK_EQ(vfio_irq_set_fds(vd, VFIO_PCI_MSIX_IRQ_INDEX, 6, 3, fd), -EINVAL);	/* the kernel's answer */
	CHECK_EQ(vfio_irq_disable(vd, VFIO_PCI_MSIX_IRQ_INDEX), 0);
	CHECK_EQ(DEV->set_flags, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
	CHECK_EQ(DEV->set_count, 0);
	CHECK_EQ(vfio_irq_mask(vd, 0, true), 0);
	CHECK_EQ(DEV->set_flags, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK);
	CHECK_EQ(DEV->set_count, 1);
	CHECK_EQ(vfio_irq_mask(vd, 0, false), 0);
	CHECK_EQ(DEV->set_flags, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK);
	CHECK_EQ(vfio_irq_unmask_fd(vd, 0, 12), 0);
	CHECK_EQ(DEV->set_flags, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK);
	CHECK_EQ(DEV->set_fd[0], 12);
	CHECK(closed());
}

TEST(features_go_both_ways)
{
	u64 data = 5;

	setup();
	DEV->feature_out = 7;
	CHECK(opened());
	CHECK_EQ(vfio_feature(vd, VFIO_DEVICE_FEATURE_MIGRATION | VFIO_DEVICE_FEATURE_SET, &data, 8), 0);
	CHECK_EQ(DEV->feature_in, 5);
	CHECK_EQ(data, 7);		/* some are answered: a new state by a file */
	data = 6;
	CHECK_EQ(vfio_feature(vd, VFIO_DEVICE_FEATURE_MIGRATION | VFIO_DEVICE_FEATURE_GET, &data, 8), 0);
	CHECK_EQ(data, 7);
	CHECK_EQ(vfio_feature(vd, VFIO_DEVICE_FEATURE_MIGRATION | VFIO_DEVICE_FEATURE_PROBE, NULL, 0), 0);
	data = 9;
	CHECK_EQ(vfio_feature(vd, 9 | VFIO_DEVICE_FEATURE_GET, &data, 8), -ENOTTY);
	CHECK_EQ(data, 9);
	CHECK(closed());
}

/* --- reset --- */

TEST(device_that_resets_itself_does)
{
	setup();
	CHECK(opened());
	fake.log[0] = '\0';
	CHECK_EQ(vfio_device_reset(vd), 0);
	CHECK_STR(fake.log, "reset");
	fake_fail(VFIO_DEVICE_RESET, 0, -EIO);
	CHECK_EQ(vfio_device_reset(vd), -EIO);
	CHECK(closed());
}

TEST(bus_that_is_all_ours_is_reset)
{
	struct vfio_device *other;

	setup();
	DEV->flags = VFIO_DEVICE_FLAGS_PCI;
	DEV->hot_count = 3;
	DEV->hot_id[0] = 3;
	DEV->hot_id[1] = 4;
	DEV->hot_id[2] = 3;
	CHECK(opened());
	CHECK_EQ(open_as(1, "00:03.0", VFIO_IOMMU_GROUP, &other), 0);
	fake.log[0] = '\0';
	CHECK_EQ(vfio_device_reset(vd), 0);
	CHECK_STR(fake.log, "hot-reset");
	CHECK_EQ(DEV->last_reset_count, 2);	/* each group once */
	CHECK_EQ(DEV->last_reset_fd[0], vd->iommu->ops->group_fd(vd->iommu, 3));
	CHECK_EQ(DEV->last_reset_fd[1], vd->iommu->ops->group_fd(vd->iommu, 4));
	vfio_device_close(other);
	fake.log[0] = '\0';
	CHECK_EQ(vfio_device_reset(vd), -ENOTTY);	/* the other one is not ours now */
	CHECK_STR(fake.log, "");
	CHECK(closed());
}

TEST(reset_of_the_bus_at_the_end_is_that_of_all_on_it)
{
	struct vfio_device *other, *apart;

	setup();
	fake_pci("0000:00:04.0", 5, "vfio-pci");
	DEV->flags = VFIO_DEVICE_FLAGS_PCI;
	DEV->hot_count = 2;
	DEV->hot_id[0] = 3;
	DEV->hot_devfn[0] = 2 << 3;
	DEV->hot_id[1] = 4;
	DEV->hot_devfn[1] = 3 << 3;
	CHECK(opened());
	CHECK_EQ(open_as(1, "00:03.0", VFIO_IOMMU_GROUP, &other), 0);
	CHECK_EQ(open_as(2, "00:04.0", VFIO_IOMMU_GROUP, &apart), 0);
	CHECK_EQ(vfio_device_reset(vd), 0);
	CHECK(!vd->clean && !other->clean);	/* the guest goes on, and makes them dirty */
	vd->host->ending = true;
	fake_fail(VFIO_DEVICE_PCI_HOT_RESET, 0, -EIO);
	CHECK_EQ(vfio_device_reset(vd), -EIO);
	CHECK(!vd->clean && !other->clean);
	CHECK_EQ(vfio_device_reset(vd), 0);
	CHECK(vd->clean && other->clean && !apart->clean);
	vfio_device_close(other);
	vfio_device_close(apart);
	CHECK(closed());
}

TEST(bus_of_an_iommufd_proves_itself)
{
	setup();
	DEV->flags = VFIO_DEVICE_FLAGS_PCI;
	DEV->hot_count = 2;
	DEV->hot_flags = VFIO_PCI_HOT_RESET_FLAG_DEV_ID;
	CHECK_EQ(open_as(0, "00:02.0", VFIO_IOMMU_IOMMUFD, &vd), 0);
	fake.log[0] = '\0';
	CHECK_EQ(vfio_device_reset(vd), -ENOTTY);
	CHECK_STR(fake.log, "");
	DEV->hot_flags |= VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED;
	CHECK_EQ(vfio_device_reset(vd), 0);
	CHECK_STR(fake.log, "hot-reset");
	CHECK_EQ(DEV->last_reset_count, 0);
	CHECK(closed());
}

TEST(device_without_any_reset_says_so)
{
	setup();
	DEV->flags = VFIO_DEVICE_FLAGS_PCI;
	CHECK(opened());
	CHECK_EQ(vfio_device_reset(vd), -ENOTTY);
	fake_fail(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, 0, -EIO);
	CHECK_EQ(vfio_device_reset(vd), -EIO);
	fake_fail(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, 0, 0);	/* reaches nobody */
	CHECK_EQ(vfio_device_reset(vd), -EINVAL);
	DEV->hot_count = 1;
	DEV->hot_id[0] = 3;
	DEV->hot_lie = 1000;
	CHECK_EQ(vfio_device_reset(vd), -EINVAL);
	DEV->hot_lie = 0;
	fake_fail(VFIO_DEVICE_PCI_HOT_RESET, 0, -EIO);
	CHECK_EQ(vfio_device_reset(vd), -EIO);
	CHECK(closed());
}

int main(void)
{
	RUN(open_device_knows_its_regions);
	RUN(region_is_found_by_its_type);
	RUN(what_is_no_pci_function_is_refused_by_its_kind);
	RUN(nonsense_about_regions_is_refused);
	RUN(device_given_twice_is_refused);
	RUN(closing_nothing_is_fine);
	RUN(access_reaches_the_device_at_its_size);
	RUN(access_outside_or_askew_is_refused);
	RUN(bulk_access_stays_inside);
	RUN(area_is_mapped_as_its_region_allows);
	RUN(interrupts_are_asked_for_and_set);
	RUN(features_go_both_ways);
	RUN(device_that_resets_itself_does);
	RUN(bus_that_is_all_ours_is_reset);
	RUN(reset_of_the_bus_at_the_end_is_that_of_all_on_it);
	RUN(bus_of_an_iommufd_proves_itself);
	RUN(device_without_any_reset_says_so);
	return tap_done();
}
