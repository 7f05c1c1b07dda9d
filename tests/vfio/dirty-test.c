/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which memory VFIO devices wrote: the way that is taken for each, what it reports, and that everything counts as written once a way fails.
 * Logs are as the kernel's: what is read is cleared, and bits are only set.
 * links: vfio/dirty.c util/str.c util/error.c util/log.c util/cleanup.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "vfio/migration.h"
#include "vmm/vm.h"

enum { PAGES = 100, LOW = 0x100000, HIGH = 0x40000000, HIGH_PAGES = 1000, DEVICES = 3 };

struct fake {
	struct vfio_device vd;		/* first */
	int start_error, report_error;	/* what it answers; 0: it works */
	bool on, told;			/* told: an odd request came */
	bool dirty[2][HIGH_PAGES];	/* by range of RAM and page */
	unsigned int starts, stops;
};

static struct vm vm;
static struct vfio_host host;
static struct fake dev[DEVICES];
static u64 bitmap[16];
static struct error err;

/* --- the IOMMUs: one dirty map for each --- */

static struct {
	int start_error, read_error;
	bool on, dirty[2][HIGH_PAGES];
	unsigned int starts, stops;
} iommu[2];

static bool place(u64 iova, u64 *ret_range, u64 *ret_page)
{
	*ret_range = iova >= HIGH;
	*ret_page = (iova - (iova >= HIGH ? HIGH : LOW)) / 4096;
	return iova >= LOW && *ret_page < (*ret_range ? HIGH_PAGES : PAGES);
}

static void report(bool dirty[2][HIGH_PAGES], u64 iova, u64 size, u64 *bits)
{
	u64 i, range, page;

	for (i = 0; i < size / 4096; i++) {
		if (!place(iova + i * 4096, &range, &page))
			abort();
		if (dirty[range][page])
			bits[i / 64] |= 1ULL << i % 64;
		dirty[range][page] = false;
	}
}

static int iommu_start(struct vfio_iommu *o)
{
	unsigned int n = (unsigned int)(o - host.iommu);

	if (iommu[n].start_error)
		return iommu[n].start_error;
	iommu[n].starts++;
	iommu[n].on = true;
	return 0;
}

static int iommu_read(struct vfio_iommu *o, u64 iova, u64 size, u64 *bits)
{
	unsigned int n = (unsigned int)(o - host.iommu);

	if (iommu[n].read_error)
		return iommu[n].read_error;
	if (!iommu[n].on)
		return -EINVAL;
	report(iommu[n].dirty, iova, size, bits);
	return 0;
}

static void iommu_stop(struct vfio_iommu *o)
{
	iommu[o - host.iommu].stops++;
	iommu[o - host.iommu].on = false;
}

static const struct vfio_iommu_ops iommu_ops = {
	.name = "fake", .dirty_start = iommu_start, .dirty_read = iommu_read, .dirty_stop = iommu_stop,
};
static const struct vfio_iommu_ops iommu_without = { .name = "fake" };

/* --- the devices --- */

static int log_start(struct fake *f, const struct vfio_device_feature_dma_logging_control *c)
{
	const struct vfio_device_feature_dma_logging_range *r = (const void *)(uintptr_t)c->ranges;

	if (f->start_error)
		return f->start_error;
	f->told |= f->on || c->page_size != 4096 || c->num_ranges != 2 || r[0].iova != LOW || r[0].length != PAGES * 4096 ||
		   r[1].iova != HIGH || r[1].length != HIGH_PAGES * 4096;
	f->starts++;
	f->on = true;
	return 0;
}

int vfio_feature(struct vfio_device *vd, u32 flags, void *data, size_t len)
{
	struct fake *f = container_of(vd, struct fake, vd);
	const struct vfio_device_feature_dma_logging_report *r = data;

	switch (flags) {
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
		return log_start(f, data);
	case VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
		f->told |= !f->on || r->page_size != 4096;
		if (f->report_error)
			return f->report_error;
		report(f->dirty, r->iova, r->length, (u64 *)(uintptr_t)r->bitmap);
		return 0;
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
		f->told |= !f->on;
		f->on = false;
		f->stops++;
		return 0;
	}
	return -ENOTTY;
}

const char *vfio_device_name(const struct vfio_device *vd)
{
	return "fake";
}

/* --- */

static void setup(unsigned int devices)
{
	unsigned int i;

	memset(dev, 0, sizeof(dev));
	memset(iommu, 0, sizeof(iommu));
	memset(&host, 0, sizeof(host));
	memset(bitmap, 0, sizeof(bitmap));
	list_init(&host.devices);
	host.iommu[0].ops = host.iommu[1].ops = &iommu_ops;
	vm.vfio = &host;
	vm.mem.nr = 2;
	vm.mem.ram[0] = (struct guest_range){ .gpa = LOW, .size = PAGES * 4096 };
	vm.mem.ram[1] = (struct guest_range){ .gpa = HIGH, .size = HIGH_PAGES * 4096 };
	for (i = 0; i < devices; i++) {
		dev[i].vd.iommu = &host.iommu[0];
		dev[i].vd.host = &host;
		list_add_tail(&host.devices, &dev[i].vd.node);
	}
}

static struct vfio_dirty *start(void)
{
	struct vfio_dirty *d = NULL;

	return vfio_dirty_start(&vm, &d, &err) ? NULL : d;
}

/* Bits that are set among the first @n; ~0: one after them is. */
static unsigned int count(unsigned int n)
{
	unsigned int i, c = 0;

	for (i = 0; i < sizeof(bitmap) * 8; i++) {
		if (!(bitmap[i / 64] >> i % 64 & 1))
			continue;
		if (i >= n)
			return ~0U;
		c++;
	}
	return c;
}

static int read_dirty(struct vfio_dirty *d, u64 gpa, u64 pages)
{
	memset(bitmap, 0, sizeof(bitmap));
	return vfio_dirty_read(d, gpa, pages * 4096, bitmap);
}

TEST(without_a_device_there_is_nothing)
{
	struct vfio_dirty *d = (void *)&vm;

	setup(0);
	CHECK_EQ(vfio_dirty_start(&vm, &d, &err), 0);
	CHECK(!d);
	vm.vfio = NULL;
	d = (void *)&vm;
	CHECK_EQ(vfio_dirty_start(&vm, &d, &err), 0);
	CHECK(!d);
	CHECK_EQ(vfio_dirty_way_of(NULL, &dev[0].vd), VFIO_DIRTY_NONE);
	vfio_dirty_stop(NULL);
}

TEST(a_device_s_own_log_is_exact_and_read_once)
{
	struct vfio_dirty *d;

	setup(1);
	d = start();
	CHECK_EQ(vfio_dirty_way_of(d, &dev[0].vd), VFIO_DIRTY_DEVICE);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[1].vd), VFIO_DIRTY_NONE);
	CHECK_EQ(iommu[0].starts, 0);
	dev[0].dirty[0][5] = dev[0].dirty[1][6] = dev[0].dirty[1][999] = true;
	CHECK_EQ(read_dirty(d, LOW, PAGES), 0);
	CHECK_EQ(count(PAGES), 1);
	CHECK_EQ(bitmap[0], 1 << 5);
	CHECK_EQ(read_dirty(d, HIGH, HIGH_PAGES), 0);
	CHECK_EQ(count(HIGH_PAGES), 2);
	CHECK_EQ(bitmap[15], BIT_ULL(999 % 64));
	CHECK_EQ(read_dirty(d, HIGH, HIGH_PAGES), 0);
	CHECK_EQ(count(HIGH_PAGES), 0);
	dev[0].dirty[1][70] = true;
	CHECK_EQ(read_dirty(d, HIGH + 70 * 4096, 3), 0);
	CHECK_EQ(bitmap[0], 1);
	bitmap[0] = 0xf0;	/* what others found stays */
	dev[0].dirty[0][0] = true;
	CHECK_EQ(vfio_dirty_read(d, LOW, 8 * 4096, bitmap), 0);
	CHECK_EQ(bitmap[0], 0xf1);
	vfio_dirty_stop(d);
	CHECK_EQ(dev[0].stops, 1);
	CHECK(!dev[0].told);
}

TEST(what_the_proof_at_the_start_cleared_is_told_once)
{
	struct vfio_dirty *d;

	setup(1);
	dev[0].dirty[0][0] = true;	/* before the report that proves the log */
	d = start();
	CHECK(!dev[0].dirty[0][0]);
	CHECK_EQ(read_dirty(d, LOW + 4096, 10), 0);
	CHECK_EQ(count(10), 0);
	CHECK_EQ(read_dirty(d, LOW, 10), 0);
	CHECK_EQ(bitmap[0], 1);
	CHECK_EQ(read_dirty(d, LOW, 10), 0);
	CHECK_EQ(count(10), 0);
	vfio_dirty_stop(d);
}

TEST(a_log_that_starts_and_cannot_report_is_not_used)
{
	struct vfio_dirty *d;

	setup(1);
	dev[0].report_error = -EOPNOTSUPP;	/* Debian's 6.12 */
	d = start();
	CHECK_EQ(vfio_dirty_way_of(d, &dev[0].vd), VFIO_DIRTY_IOMMU);
	CHECK_EQ(dev[0].stops, 1);
	CHECK(!dev[0].on && !dev[0].told);
	vfio_dirty_stop(d);
	CHECK_EQ(dev[0].stops, 1);
}

TEST(each_device_has_its_best_way_and_an_iommu_starts_once)
{
	struct vfio_dirty *d;

	setup(3);
	dev[0].start_error = dev[2].start_error = -ENOTTY;
	d = start();
	CHECK_EQ(vfio_dirty_way_of(d, &dev[0].vd), VFIO_DIRTY_IOMMU);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[1].vd), VFIO_DIRTY_DEVICE);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[2].vd), VFIO_DIRTY_IOMMU);
	CHECK_EQ(iommu[0].starts, 1);
	CHECK(iommu[0].on && !iommu[1].on);
	iommu[0].dirty[0][1] = dev[1].dirty[0][2] = true;
	CHECK_EQ(read_dirty(d, LOW, PAGES), 0);
	CHECK_EQ(bitmap[0], 6);
	CHECK_EQ(count(PAGES), 2);
	iommu[0].dirty[1][10] = iommu[0].dirty[1][200] = dev[1].dirty[1][11] = true;
	CHECK_EQ(read_dirty(d, HIGH + 5 * 4096, 10), 0);
	CHECK_EQ(bitmap[0], 3 << 5);
	CHECK_EQ(read_dirty(d, HIGH, HIGH_PAGES), 0);
	CHECK_EQ(count(HIGH_PAGES), 1);
	vfio_dirty_stop(d);
	CHECK_EQ(iommu[0].stops, 1);
	CHECK(!iommu[0].on);

	setup(2);
	dev[0].start_error = dev[1].start_error = -ENOTTY;
	dev[1].vd.iommu = &host.iommu[1];
	d = start();
	CHECK_EQ(iommu[0].starts + iommu[1].starts, 2);
	iommu[0].dirty[1][1] = iommu[1].dirty[1][3] = true;
	CHECK_EQ(read_dirty(d, HIGH, 10), 0);
	CHECK_EQ(bitmap[0], 10);
	vfio_dirty_stop(d);
	CHECK_EQ(iommu[0].stops + iommu[1].stops, 2);
}

TEST(without_any_log_all_counts_as_written)
{
	struct vfio_dirty *d;

	setup(2);
	dev[0].start_error = -ENOTTY;
	dev[0].vd.iommu = &host.iommu[1];
	host.iommu[1].ops = &iommu_without;
	d = start();
	CHECK_EQ(vfio_dirty_way_of(d, &dev[0].vd), VFIO_DIRTY_ALL);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[1].vd), VFIO_DIRTY_DEVICE);
	CHECK_EQ(read_dirty(d, LOW, PAGES), 0);
	CHECK_EQ(count(PAGES), PAGES);
	CHECK_EQ(read_dirty(d, HIGH + 4096, 64), 0);
	CHECK_EQ(count(64), 64);
	CHECK_EQ(read_dirty(d, HIGH, HIGH_PAGES), 0);
	CHECK_EQ(count(HIGH_PAGES), HIGH_PAGES);
	vfio_dirty_stop(d);

	setup(1);
	dev[0].start_error = -ENOTTY;
	iommu[0].start_error = -EOPNOTSUPP;
	d = start();
	CHECK_EQ(vfio_dirty_way_of(d, &dev[0].vd), VFIO_DIRTY_ALL);
	CHECK_EQ(read_dirty(d, LOW, 1), 0);
	CHECK_EQ(count(1), 1);
	vfio_dirty_stop(d);
	CHECK_EQ(iommu[0].stops, 0);
}

TEST(a_log_that_fails_later_makes_all_written_for_ever)
{
	struct vfio_dirty *d;

	setup(1);
	d = start();
	CHECK_EQ(read_dirty(d, LOW, PAGES), 0);
	CHECK_EQ(count(PAGES), 0);
	dev[0].report_error = -EIO;
	CHECK_EQ(read_dirty(d, LOW, PAGES), -EIO);
	CHECK_EQ(count(PAGES), PAGES);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[0].vd), VFIO_DIRTY_ALL);
	CHECK_EQ(dev[0].stops, 1);
	dev[0].report_error = 0;
	CHECK_EQ(read_dirty(d, HIGH, HIGH_PAGES), 0);
	CHECK_EQ(count(HIGH_PAGES), HIGH_PAGES);
	vfio_dirty_stop(d);
	CHECK_EQ(dev[0].stops, 1);
	CHECK(!dev[0].told);

	setup(3);
	dev[0].start_error = dev[2].start_error = -ENOTTY;
	d = start();
	iommu[0].read_error = -ENOMEM;
	CHECK_EQ(read_dirty(d, LOW, 10), -ENOMEM);
	CHECK_EQ(count(10), 10);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[0].vd), VFIO_DIRTY_ALL);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[1].vd), VFIO_DIRTY_DEVICE);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[2].vd), VFIO_DIRTY_ALL);
	CHECK_EQ(iommu[0].stops, 1);
	CHECK_EQ(read_dirty(d, HIGH, HIGH_PAGES), 0);
	CHECK_EQ(count(HIGH_PAGES), HIGH_PAGES);
	vfio_dirty_stop(d);
	CHECK_EQ(iommu[0].stops, 1);
}

TEST(only_whole_pages_of_one_range_of_ram_are_read)
{
	struct vfio_dirty *d;

	setup(1);
	d = start();
	CHECK_EQ(read_dirty(d, LOW, 0), -EINVAL);
	CHECK_EQ(read_dirty(d, LOW + 1, 1), -EINVAL);
	CHECK_EQ(vfio_dirty_read(d, LOW, 4095, bitmap), -EINVAL);
	CHECK_EQ(read_dirty(d, LOW, PAGES + 1), -EINVAL);
	CHECK_EQ(read_dirty(d, LOW - 4096, 2), -EINVAL);
	CHECK_EQ(read_dirty(d, LOW + PAGES * 4096, 1), -EINVAL);
	CHECK_EQ(read_dirty(d, HIGH + 999 * 4096ULL, 2), -EINVAL);
	CHECK_EQ(vfio_dirty_read(d, HIGH + 4096, ~0ULL << 12, bitmap), -EINVAL);
	CHECK_EQ(vfio_dirty_read(d, ~0ULL << 12, 4096, bitmap), -EINVAL);
	CHECK_EQ(count(0), 0);
	CHECK_EQ(read_dirty(d, HIGH + 999 * 4096ULL, 1), 0);
	vfio_dirty_stop(d);
}

/* As vfio/pci.c closes it: then nobody may ask it again. */
static void close_device(struct fake *f)
{
	vfio_dirty_forget(&f->vd);
	list_del(&f->vd.node);
	f->vd.iommu = NULL;
	f->told |= f->on;
	f->report_error = -ENODEV;
}

TEST(a_device_that_is_closed_makes_all_written_once)
{
	struct vfio_dirty *d;

	setup(3);
	dev[0].start_error = dev[1].start_error = -ENOTTY;
	vfio_dirty_forget(&dev[0].vd);		/* nothing follows it */
	d = start();
	CHECK_EQ(read_dirty(d, LOW, PAGES), 0);
	close_device(&dev[0]);
	CHECK_EQ(vfio_dirty_way_of(d, &dev[0].vd), VFIO_DIRTY_NONE);
	CHECK_EQ(iommu[0].stops, 0);		/* another one there is followed by it */
	CHECK_EQ(read_dirty(d, LOW, PAGES), -ENODEV);
	CHECK_EQ(count(PAGES), PAGES);
	dev[2].dirty[0][2] = iommu[0].dirty[0][4] = true;
	CHECK_EQ(read_dirty(d, LOW, PAGES), 0);
	CHECK_EQ(bitmap[0], BIT(2) | BIT(4));
	CHECK_EQ(count(PAGES), 2);
	close_device(&dev[1]);
	CHECK_EQ(iommu[0].stops, 1);
	close_device(&dev[2]);
	CHECK_EQ(dev[2].stops, 1);
	CHECK(!dev[2].told);
	CHECK_EQ(read_dirty(d, HIGH, 10), -ENODEV);
	CHECK_EQ(count(10), 10);
	CHECK_EQ(read_dirty(d, HIGH, 10), 0);
	CHECK_EQ(count(10), 0);
	vfio_dirty_stop(d);
	CHECK_EQ(dev[2].stops + iommu[0].stops, 2);
	CHECK(!host.dirty);
}

int main(void)
{
	RUN(without_a_device_there_is_nothing);
	RUN(a_device_s_own_log_is_exact_and_read_once);
	RUN(what_the_proof_at_the_start_cleared_is_told_once);
	RUN(a_log_that_starts_and_cannot_report_is_not_used);
	RUN(each_device_has_its_best_way_and_an_iommu_starts_once);
	RUN(without_any_log_all_counts_as_written);
	RUN(a_log_that_fails_later_makes_all_written_for_ever);
	RUN(a_device_that_is_closed_makes_all_written_once);
	RUN(only_whole_pages_of_one_range_of_ram_are_read);
	return tap_done();
}
