// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev as VFIO shows it: infos, config space, BARs by read, write and mmap, reset.
 *
 *	vdev lkvm_vdev.N	a TAP producer; tests/lab/kernel-vdev.t runs it
 *	vdev lkvm_vdev.N hold	keeps the device busy: pinned DMA, interrupts. Says "busy"; ends when it is asked to give the device back
 *
 * links: vdev-user.c
 */
#include "vdev-user.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(device_info)
{
	struct vfio_device_info info = { .argsz = sizeof(info) }, small = { .argsz = 8 };

	CHECK_EQ(ioctl(dev.fd, VFIO_DEVICE_GET_INFO, &info), 0);
	CHECK_EQ(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	CHECK(info.num_regions == VFIO_PCI_NUM_REGIONS || info.num_regions == VFIO_PCI_NUM_REGIONS + 1);
	CHECK_EQ(info.num_irqs, VFIO_PCI_NUM_IRQS);
	CHECK_EQ(ioctl(dev.fd, VFIO_DEVICE_GET_INFO, &small), -1);
	CHECK_EQ(ioctl(dev.fd, VFIO_DEVICE_PCI_HOT_RESET, NULL), -1);
	CHECK_EQ(errno, ENOTTY);
	CHECK_EQ(counter("opens"), 1);
}

/* The one area of region @index that may be mapped: true if there is one */
static bool sparse_area(unsigned int index, struct vfio_region_sparse_mmap_area *ret)
{
	union {
		struct vfio_region_info info;
		uint8_t room[256];
	} u = { .info = { .argsz = sizeof(u), .index = index } };
	struct vfio_region_info_cap_sparse_mmap *cap;

	if (ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &u) || !(u.info.flags & VFIO_REGION_INFO_FLAG_CAPS) || !u.info.cap_offset)
		return false;
	cap = (void *)(u.room + u.info.cap_offset);
	if (cap->header.id != VFIO_REGION_INFO_CAP_SPARSE_MMAP || cap->header.version != 1 || cap->header.next || cap->nr_areas != 1)
		return false;
	*ret = cap->areas[0];
	return true;
}

TEST(region_infos)
{
	const unsigned int sizes[VFIO_PCI_NUM_REGIONS] = { 4096, 64, 65536, 0, 16384, 0, 0, 4096, 0 };
	struct vfio_region_info beyond = { .argsz = sizeof(beyond), .index = VFIO_PCI_NUM_REGIONS + 1 };
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE, page = sysconf(_SC_PAGESIZE);
	struct vfio_region_sparse_mmap_area area;
	unsigned int i;

	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++)
		CHECK_EQ(dev.region[i].size, sizes[i]);
	CHECK_EQ(dev.region[0].flags, rw);
	CHECK_EQ(dev.region[1].flags, rw);
	CHECK_EQ(dev.region[7].flags, rw);
	CHECK_EQ(dev.region[2].flags, rw | VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS);
	CHECK(dev.region[2].argsz > sizeof(dev.region[2]));	/* room for the capability: none was given */
	CHECK(sparse_area(2, &area));
	CHECK_EQ(area.offset, page);
	CHECK_EQ(area.size, 65536 - page);
	if (page == 4096) {
		CHECK(sparse_area(4, &area));
		CHECK_EQ(area.offset, 4096);
		CHECK_EQ(area.size, 4096);
	}
	CHECK_EQ(ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &beyond), -1);
	CHECK_EQ(errno, EINVAL);
}

TEST(config_ids_and_capabilities)
{
	unsigned int express = find_cap(PCI_CAP_ID_EXP), vendor = find_cap(PCI_CAP_ID_VNDR);

	CHECK_EQ(config_read(PCI_VENDOR_ID, 4), LKVM_VDEV_VENDOR | LKVM_VDEV_DEVICE << 16);
	CHECK_EQ(config_read(PCI_HEADER_TYPE, 1), 0);
	CHECK_EQ(config_read(PCI_INTERRUPT_PIN, 1), 1);
	CHECK_EQ(config_read(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	CHECK(find_cap(PCI_CAP_ID_PM) && find_cap(PCI_CAP_ID_MSI) && find_cap(PCI_CAP_ID_MSIX));
	CHECK(express && vendor);
	CHECK_EQ(config_read(express + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR, PCI_EXP_DEVCAP_FLR);
	CHECK_EQ(config_read(vendor + 2, 1), 16);
	CHECK(find_ext_cap(PCI_EXT_CAP_ID_DSN) && find_ext_cap(PCI_EXT_CAP_ID_VNDR));
	CHECK_EQ(config_read(find_cap(PCI_CAP_ID_MSIX) + PCI_MSIX_TABLE, 4), LKVM_VDEV_MSIX_TABLE | 4);
	CHECK_EQ(config_read(find_cap(PCI_CAP_ID_MSIX) + PCI_MSIX_PBA, 4), LKVM_VDEV_MSIX_PBA | 4);
}

TEST(bar_sizing)
{
	const uint32_t want[VFIO_PCI_CONFIG_REGION_INDEX - 1] = { 0xfffff000, 0xffffffc1, 0xffff000c, 0xffffffff, 0xffffc004, 0xffffffff };
	unsigned int i;

	for (i = 0; i < 6; i++) {
		config_write(PCI_BASE_ADDRESS_0 + 4 * i, 4, ~0u);
		CHECK_EQ(config_read(PCI_BASE_ADDRESS_0 + 4 * i, 4), want[i]);
	}
	config_write(PCI_ROM_ADDRESS, 4, ~0u);
	CHECK_EQ(config_read(PCI_ROM_ADDRESS, 4), 0);
	config_write(PCI_BASE_ADDRESS_2, 4, 0x12345678);
	config_write(PCI_BASE_ADDRESS_3, 4, 0x9a);
	CHECK_EQ(config_read(PCI_BASE_ADDRESS_2, 4), 0x1234000c);
	CHECK_EQ(config_read(PCI_BASE_ADDRESS_3, 4), 0x9a);
	config_write(PCI_BASE_ADDRESS_3 + 1, 1, 0xbc);
	CHECK_EQ(config_read(PCI_BASE_ADDRESS_3 + 1, 2), 0xbc);
}

TEST(config_masks)
{
	unsigned int pm = find_cap(PCI_CAP_ID_PM) + PCI_PM_CTRL, vendor = find_cap(PCI_CAP_ID_VNDR), i;
	uint8_t bytes[4096];

	config_write(PCI_VENDOR_ID, 4, 0);
	CHECK_EQ(config_read(PCI_VENDOR_ID, 2), LKVM_VDEV_VENDOR);
	enable(0xffff);
	CHECK_EQ(config_read(PCI_COMMAND, 2), 0x547);
	enable(PCI_COMMAND_MEMORY);
	config_write(vendor + 8, 4, 0xcafe0123);
	CHECK_EQ(config_read(vendor + 8, 4), 0xcafe0123);
	config_write(vendor + 4, 4, 0);
	CHECK(config_read(vendor + 4, 4));
	/* D1 is not there, D3hot is: no memory in it */
	config_write(pm, 2, 1);
	CHECK_EQ(config_read(pm, 2) & 3, 0);
	config_write(pm, 2, 3);
	CHECK_EQ(config_read(pm, 2) & 3, 3);
	CHECK_EQ(region_read(0, 0, bytes, 4), -EIO);
	config_write(pm, 2, 0);
	CHECK_EQ(reg_read(LKVM_VDEV_ID), LKVM_VDEV_MAGIC);
	/* as a whole, and its end */
	CHECK_EQ(region_read(VFIO_PCI_CONFIG_REGION_INDEX, 0, bytes, 5000), 4096);
	for (i = 0; i < 4096; i++)
		CHECK_EQ(bytes[i], config_read(i, 1));
	CHECK_EQ(region_read(VFIO_PCI_CONFIG_REGION_INDEX, 4096, bytes, 1), -EINVAL);
}

TEST(memory_off)
{
	uint32_t val;

	enable(PCI_COMMAND_IO);
	CHECK_EQ(region_read(0, 0, &val, 4), -EIO);
	CHECK_EQ(region_write(2, 0, &val, 4), -EIO);
	CHECK_EQ(region_read(1, 0, &val, 4), 4);
	enable(PCI_COMMAND_MEMORY);
	CHECK_EQ(region_read(0, 0, &val, 4), 4);
}

TEST(registers)
{
	uint32_t val = 0x13572468;
	uint64_t two;

	CHECK_EQ(reg_read(LKVM_VDEV_ID), LKVM_VDEV_MAGIC);
	CHECK_EQ(reg_read(LKVM_VDEV_VERSION), 1);
	reg_write(LKVM_VDEV_ID, 0);
	CHECK_EQ(reg_read(LKVM_VDEV_ID), LKVM_VDEV_MAGIC);
	reg_write(LKVM_VDEV_SCRATCH, val);
	CHECK_EQ(region_read(4, LKVM_VDEV_SCRATCH, &val, 4), 4);	/* the same registers */
	CHECK_EQ(val, 0x13572468);
	CHECK_EQ(region_read(0, LKVM_VDEV_ID, &two, 8), 8);
	CHECK_EQ(two, LKVM_VDEV_MAGIC | 1ULL << 32);
	CHECK_EQ(region_read(0, LKVM_VDEV_SCRATCH, &val, 2), 2);
	CHECK_EQ(val & 0xffff, 0);
	val = 77;
	CHECK_EQ(region_write(1, 0, &val, 4), 4);
	CHECK_EQ(region_read(1, 0, &val, 4), 4);
	CHECK_EQ(val, 77);
	CHECK_EQ(reg_read(LKVM_VDEV_SCRATCH), 0x13572468);
	CHECK_EQ(region_read(0, 4096, &val, 4), -EINVAL);
	CHECK_EQ(region_read(0, 4094, &val, 4), 2);
	CHECK_EQ(region_read(3, 0, &val, 4), -EINVAL);
	CHECK_EQ(region_write(6, 0, &val, 4), -EINVAL);
	CHECK_EQ(pread(dev.fd, &val, 4, 100LL << 40), -1);
}

TEST(fifo)
{
	unsigned int i;

	for (i = 0; i < 17; i++)
		reg_write(LKVM_VDEV_FIFO, 100 + i);
	CHECK_EQ(reg_read(LKVM_VDEV_FIFO_LEVEL), 0x80000010u);
	for (i = 0; i < 16; i++)
		CHECK_EQ(reg_read(LKVM_VDEV_FIFO), 100 + i);
	CHECK_EQ(reg_read(LKVM_VDEV_FIFO), 0);
}

static void *map(unsigned int index, uint64_t off, size_t len, int flags)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, flags, dev.fd, dev.region[index].offset + off);
}

/* All of @area, both ways, and that it is the memory that accesses reach. */
static void check_coherent(unsigned int index, const struct vfio_region_sparse_mmap_area *area)
{
	uint8_t *p = map(index, area->offset, area->size, MAP_SHARED);
	uint32_t val;
	size_t off;

	CHECK(p != MAP_FAILED);
	for (off = 0; off < area->size; off += 508) {
		uint32_t *word = (uint32_t *)(p + off);

		*word = 0xa0000000 + off;
		CHECK_EQ(region_read(index, area->offset + off, &val, 4), 4);
		CHECK_EQ(val, 0xa0000000 + off);
		val = ~val;
		CHECK_EQ(region_write(index, area->offset + off, &val, 4), 4);
		CHECK_EQ(*word, val);
	}
	CHECK_EQ(munmap(p, area->size), 0);
}

TEST(mmap_is_coherent)
{
	struct vfio_region_sparse_mmap_area area;

	CHECK(sparse_area(2, &area));
	check_coherent(2, &area);
	if (sparse_area(4, &area))
		check_coherent(4, &area);
}

TEST(mmap_refusals)
{
	const size_t page = sysconf(_SC_PAGESIZE);

	CHECK(map(2, 0, page, MAP_SHARED) == MAP_FAILED);
	CHECK(map(2, 0, 65536, MAP_SHARED) == MAP_FAILED);
	CHECK(map(2, 65536 - page, 2 * page, MAP_SHARED) == MAP_FAILED);
	CHECK(map(2, page, page, MAP_PRIVATE) == MAP_FAILED);
	CHECK(map(0, 0, page, MAP_SHARED) == MAP_FAILED);
	CHECK(map(3, 0, page, MAP_SHARED) == MAP_FAILED);
	CHECK(map(4, 2 * 4096, page, MAP_SHARED) == MAP_FAILED);	/* the MSI-X table */
	CHECK(map(7, 0, page, MAP_SHARED) == MAP_FAILED);
}

static void dirty_the_device(void)
{
	reg_write(LKVM_VDEV_SCRATCH, 1);
	reg_write(LKVM_VDEV_FIFO, 1);
	region_write(2, 100, &(uint32_t){ 7 }, 4);
	config_write(PCI_BASE_ADDRESS_0, 4, 0xfebf0000);
	config_write(find_cap(PCI_CAP_ID_VNDR) + 8, 4, 7);
}

/* Of config space, what the host's kernel would put back after it reset a device is @kept, or all is as at power-on. */
static void check_clean(bool kept)
{
	uint32_t val = 1;

	CHECK_EQ(config_read(PCI_COMMAND, 2), kept ? PCI_COMMAND_MEMORY : 0);
	CHECK_EQ(config_read(PCI_BASE_ADDRESS_0, 4), kept ? 0xfebf0000 : 0);
	CHECK_EQ(config_read(find_cap(PCI_CAP_ID_VNDR) + 8, 4), 0);
	enable(PCI_COMMAND_MEMORY);
	CHECK_EQ(reg_read(LKVM_VDEV_SCRATCH), 0);
	CHECK_EQ(reg_read(LKVM_VDEV_FIFO_LEVEL), 0);
	CHECK_EQ(region_read(2, 100, &val, 4), 4);
	CHECK_EQ(val, 0);
}

/* By the ioctl and as a function level reset: back to power-on state, but the user's eventfds and most of config space stay. */
TEST(reset)
{
	unsigned int flr = find_cap(PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL, resets = reg_read(LKVM_VDEV_RESETS);
	int event = new_event();

	CHECK_EQ(set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &event, NULL), 0);
	enable(PCI_COMMAND_MEMORY);
	dirty_the_device();
	CHECK_EQ(device_reset(), 0);
	check_clean(true);
	CHECK_EQ(reg_read(LKVM_VDEV_RESETS), resets + 1);
	dirty_the_device();
	config_write(flr, 2, config_read(flr, 2) | PCI_EXP_DEVCTL_BCR_FLR);
	check_clean(true);
	CHECK_EQ(config_read(flr, 2) & PCI_EXP_DEVCTL_BCR_FLR, 0);
	CHECK_EQ(counter("resets"), resets + 2);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(event_take(event), 1);
	CHECK_EQ(disable_irqs(VFIO_PCI_MSIX_IRQ_INDEX), 0);
	close(event);
}

/* The next user finds nothing of the last one: not even an eventfd, which is dropped. */
TEST(close_and_open_again)
{
	const char *name = dev.name;
	int event = new_event();
	long long opens = counter("opens");

	CHECK_EQ(set_irqs(VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &event, NULL), 0);
	dirty_the_device();
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	CHECK_EQ(dma(LKVM_VDEV_DMA_FILL | LKVM_VDEV_DMA_PIN, 0, MEM_IOVA, 4), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(counter("pinned"), 1);
	user_close();
	CHECK_EQ(counter("pinned"), 0);
	CHECK_EQ(user_open(name), 0);
	CHECK_EQ(counter("opens"), opens + 1);
	check_clean(false);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(event_take(event), 0);
	close(event);
}

static int hold(void)
{
	int event = new_event(), request = new_event();
	uint32_t i;

	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &event, NULL) ||
	    set_irqs(VFIO_PCI_REQ_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &request, NULL))
		return 1;
	reg_write64(LKVM_VDEV_DMA_SRC, MEM_IOVA);
	reg_write64(LKVM_VDEV_DMA_DST, MEM_IOVA + (2 << 20));
	reg_write(LKVM_VDEV_DMA_LEN, LKVM_VDEV_DMA_MAX);
	for (i = 0; !event_take(request); i++) {
		reg_write(LKVM_VDEV_DMA_CMD, LKVM_VDEV_DMA_COPY | LKVM_VDEV_DMA_PIN | LKVM_VDEV_DMA_ASYNC | LKVM_VDEV_DMA_IRQ);
		if (event_wait(event) != 1)
			return 1;
		if (i == 10)
			puts("busy");
	}
	reg_write(LKVM_VDEV_DMA_CMD, LKVM_VDEV_DMA_COPY | LKVM_VDEV_DMA_PIN | LKVM_VDEV_DMA_ASYNC);
	user_close();
	return 0;
}

int main(int argc, char **argv)
{
	user_start(argc, argv);
	if (argc > 2 && !strcmp(argv[2], "hold"))
		return hold();
	RUN(device_info);
	RUN(region_infos);
	RUN(config_ids_and_capabilities);
	RUN(bar_sizing);
	RUN(config_masks);
	RUN(memory_off);
	RUN(registers);
	RUN(fifo);
	RUN(mmap_is_coherent);
	RUN(mmap_refusals);
	RUN(reset);
	RUN(close_and_open_again);
	return tap_done();
}
