// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which memory lkvm_vdev wrote: by its own log (VFIO_DEVICE_FEATURE_DMA_LOGGING_*), and by the container's (VFIO_IOMMU_DIRTY_PAGES).
 * usage: vdev-dirty lkvm_vdev.N lkvm_vdev.M MIG. A TAP producer; tests/lab/kernel-migration.t runs it.
 *
 * links: vdev-user.c vdev-state.c
 */
#include "vdev-state.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { GET = 1 << 16, SET = 1 << 17, LOG_START = 6, LOG_STOP = 7, LOG_REPORT = 8, PAGE = 4096, PAGES = MEM_SIZE / PAGE };

static uint64_t bitmap[PAGES / 64];

struct range { uint64_t iova, len; };

static int log_start(uint64_t page_size, struct range *ranges, uint32_t nr, uint64_t *ret_size)
{
	struct { uint64_t page_size; uint32_t nr, reserved; uint64_t ranges; } s = { page_size, nr, 0, (uintptr_t)ranges };
	int r = feature(SET | LOG_START, &s, sizeof(s));

	if (ret_size)
		*ret_size = s.page_size;
	return r;
}

static int log_stop(void) { return feature(SET | LOG_STOP, NULL, 0); }

static int log_report(uint64_t iova, uint64_t len, uint64_t page_size)
{
	uint64_t r[4] = { iova, len, page_size, (uintptr_t)bitmap };

	return feature(GET | LOG_REPORT, r, sizeof(r));
}

static void forget(void) { memset(bitmap, 0, sizeof(bitmap)); }
static bool is_dirty(unsigned int page) { return bitmap[page / 64] >> page % 64 & 1; }
static unsigned int count(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PAGES / 64; i++)
		n += (unsigned int)__builtin_popcountll(bitmap[i]);
	return n;
}

static uint32_t fill(uint64_t off, uint32_t len, uint32_t flags)
{
	return dma(LKVM_VDEV_DMA_FILL | flags, 0, MEM_IOVA + off, len);
}

static bool log_works(void)
{
	struct range all = { MEM_IOVA, MEM_SIZE };
	int r = log_start(PAGE, &all, 1, NULL) ?: log_report(MEM_IOVA, MEM_SIZE, PAGE);

	log_stop();
	return r != -EOPNOTSUPP;
}

TEST(log_is_exact)
{
	struct range all = { MEM_IOVA, MEM_SIZE };
	bool works = log_works();
	uint64_t got = 0;

	CHECK_EQ(fill(0, 8192, 0), LKVM_VDEV_DMA_DONE);	/* before: not in it */
	CHECK_EQ(log_start(PAGE, &all, 1, &got), 0);
	CHECK_EQ(log_start(PAGE, &all, 1, NULL), -EINVAL);	/* it is on */
	CHECK_EQ(got, PAGE);
	if (!works) {
		CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), -EOPNOTSUPP);
		CHECK_EQ(log_stop(), 0);
		SKIP("this kernel cannot report (CONFIG_IOMMUFD_DRIVER is off)");
	}
	forget();
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), 0);
	CHECK_EQ(count(), 0);
	CHECK_EQ(fill(5 * PAGE + 100, PAGE, 0), LKVM_VDEV_DMA_DONE);			/* 5 and 6 */
	CHECK_EQ(fill(700 * PAGE, 3 * PAGE, LKVM_VDEV_DMA_PIN), LKVM_VDEV_DMA_DONE);	/* 700 to 702 */
	CHECK_EQ(dma(LKVM_VDEV_DMA_CRC, MEM_IOVA + 20 * PAGE, 0, PAGE), LKVM_VDEV_DMA_DONE);	/* read: none */
	dev.mem[30 * PAGE] = 1;									/* nor what the CPU writes */
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), 0);
	CHECK_EQ(count(), 5);
	CHECK(is_dirty(5) && is_dirty(6) && is_dirty(700) && is_dirty(701) && is_dirty(702));
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), 0);	/* bits are only set, never cleared */
	CHECK_EQ(count(), 5);
	forget();
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), 0);	/* and each is told once */
	CHECK_EQ(count(), 0);
	CHECK_EQ(fill(8 * PAGE, 4, 0), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(fill(900 * PAGE, 4, 0), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(log_report(MEM_IOVA, 64 * PAGE, PAGE), 0);	/* a part: the rest is kept */
	CHECK(count() == 1 && is_dirty(8));
	forget();
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), 0);
	CHECK(count() == 1 && is_dirty(900));
	CHECK_EQ(log_report(HOLE_IOVA, MEM_SIZE, PAGE), -EINVAL);	/* is not looked after */
	CHECK_EQ(unmap_dma(MEM_IOVA, MEM_SIZE), MEM_SIZE);	/* two mappings, and only the first may be written */
	CHECK_EQ(map_dma(MEM_IOVA, dev.mem, 32 * PAGE, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE), 0);
	CHECK_EQ(map_dma(MEM_IOVA + 32 * PAGE, dev.mem + 32 * PAGE, MEM_SIZE - 32 * PAGE, VFIO_DMA_MAP_FLAG_READ), 0);
	dev.mem[31 * PAGE] = 0;
	reg_write(LKVM_VDEV_DMA_PATTERN, 0x77777777);
	CHECK(fill(28 * PAGE, 8 * PAGE, 0) != LKVM_VDEV_DMA_DONE);
	forget();
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), 0);
	CHECK(!dev.mem[31 * PAGE] || (is_dirty(28) && is_dirty(31)));	/* what was written of it before that was found is in the log */
	CHECK(!is_dirty(27) && !is_dirty(36));
	CHECK_EQ(unmap_dma(MEM_IOVA, MEM_SIZE), MEM_SIZE);
	CHECK_EQ(map_dma(MEM_IOVA, dev.mem, MEM_SIZE, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE), 0);
	CHECK_EQ(log_stop(), 0);
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), -EINVAL);
	CHECK_EQ(log_stop(), 0);
}

/* What lies in none of them is not in the log. Pages may be larger. */
TEST(log_of_ranges)
{
	struct range some[256];
	uint64_t got;

	if (!log_works())
		SKIP("this kernel cannot report");
	for (unsigned int i = 0; i < 256; i++)
		some[i] = (struct range){ MEM_IOVA + (i * 4) * PAGE, 2 * PAGE };
	CHECK_EQ(log_start(PAGE, some, 256, NULL), 0);
	CHECK_EQ(fill(0, 16 * PAGE, 0), LKVM_VDEV_DMA_DONE);
	forget();
	CHECK_EQ(log_report(MEM_IOVA + 4 * PAGE, 2 * PAGE, PAGE), 0);
	CHECK_EQ(bitmap[0], 3);
	CHECK_EQ(log_report(MEM_IOVA, 3 * PAGE, PAGE), -EINVAL);
	CHECK_EQ(log_stop(), 0);
	some[0] = (struct range){ MEM_IOVA, MEM_SIZE };
	CHECK_EQ(log_start(65536, some, 1, &got), 0);
	CHECK_EQ(got, 65536);
	CHECK_EQ(fill(3 * 65536 + 100, 4, 0), LKVM_VDEV_DMA_DONE);
	forget();
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, 65536), 0);
	CHECK_EQ(count(), 1);
	CHECK(is_dirty(3));
	CHECK_EQ(log_stop(), 0);
}

/* It goes on whatever the device's state, and ends with its last file. */
TEST(log_and_the_device)
{
	struct range all = { MEM_IOVA, MEM_SIZE };

	if (!log_works())
		SKIP("this kernel cannot report");
	CHECK_EQ(log_start(PAGE, &all, 1, NULL), 0);
	CHECK_EQ(fill(17 * PAGE, 4, 0), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(device_reset(), 0);
	forget();
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), 0);
	CHECK(count() == 1 && is_dirty(17));
	user_close();
	CHECK_EQ(user_open(source.name), 0);
	source = dev;
	CHECK_EQ(log_report(MEM_IOVA, MEM_SIZE, PAGE), -EINVAL);
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static int container(uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap d = { .argsz = sizeof(d), .flags = flags };

	return ioctl(dev.container, VFIO_IOMMU_DIRTY_PAGES, &d) ? -errno : 0;
}

static int container_report(void)
{
	union {
		struct vfio_iommu_type1_dirty_bitmap d;
		uint8_t room[sizeof(struct vfio_iommu_type1_dirty_bitmap) + sizeof(struct vfio_iommu_type1_dirty_bitmap_get)];
	} s = { .d = { .argsz = sizeof(s), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP } };
	struct vfio_iommu_type1_dirty_bitmap_get get = {
		.iova = MEM_IOVA, .size = MEM_SIZE, .bitmap = { .pgsize = PAGE, .size = sizeof(bitmap), .data = (void *)bitmap },
	};

	memcpy(s.d.data, &get, sizeof(get));
	forget();
	return ioctl(dev.container, VFIO_IOMMU_DIRTY_PAGES, &s) ? -errno : 0;
}

TEST(container_tells_too)
{
	if (dev.ioas)
		SKIP("iommufd, and no container");
	CHECK(container_report() < 0);
	CHECK_EQ(fill(0, 4, LKVM_VDEV_DMA_PIN), LKVM_VDEV_DMA_DONE);	/* pins: from here on only what it has pinned or writes counts */
	CHECK_EQ(device_reset(), 0);
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	CHECK_EQ(container(VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);
	CHECK_EQ(container_report(), 0);
	forget();
	CHECK_EQ(container_report(), 0);
	CHECK_EQ(count(), 0);
	CHECK_EQ(fill(5 * PAGE + 100, PAGE, 0), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(container_report(), 0);
	CHECK_EQ(count(), 2);
	CHECK(is_dirty(5) && is_dirty(6));
	CHECK_EQ(container_report(), 0);
	CHECK_EQ(count(), 0);
	CHECK_EQ(fill(800 * PAGE, 2 * PAGE, LKVM_VDEV_DMA_PIN), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(container_report(), 0);
	CHECK(is_dirty(800) && is_dirty(801) && count() == 2);
	CHECK_EQ(container(VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), 0);
	CHECK(container_report() < 0);
}

int main(int argc, char **argv)
{
	pair_start(argc, argv);
	if (!(offer & MIG_LOG))
		return 2;
	with(&source);
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	RUN(log_is_exact);
	RUN(log_of_ranges);
	RUN(log_and_the_device);
	RUN(container_tells_too);
	return tap_done();
}
