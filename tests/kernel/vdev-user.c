// SPDX-License-Identifier: GPL-2.0-only
/* See vdev-user.h. */
#include "vdev-user.h"

#include "../../vfio/uapi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct user dev = { .container = -1, .group = -1, .fd = -1 };

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static int group_of(const char *name)
{
	char path[128], link[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s/iommu_group", name);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = 0;
	return atoi(strrchr(link, '/') + 1);
}

static int ioas_map(uint64_t iova, void *p, uint64_t size, uint32_t flags)
{
	struct uapi_iommu_ioas_map map = {
		.size = sizeof(map), .flags = UAPI_IOAS_MAP_FIXED_IOVA, .ioas_id = dev.ioas,
		.user_va = (uintptr_t)p, .length = size, .iova = iova,
	};

	map.flags |= flags & VFIO_DMA_MAP_FLAG_READ ? UAPI_IOAS_MAP_READABLE : 0;
	map.flags |= flags & VFIO_DMA_MAP_FLAG_WRITE ? UAPI_IOAS_MAP_WRITEABLE : 0;
	return ioctl(dev.container, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

int map_dma(uint64_t iova, void *p, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = flags, .vaddr = (uintptr_t)p, .iova = iova, .size = size,
	};

	if (dev.ioas)
		return ioas_map(iova, p, size, flags);
	return ioctl(dev.container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int unmap_dma(uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = iova, .size = size };
	struct uapi_iommu_ioas_unmap ioas = { .size = sizeof(ioas), .ioas_id = dev.ioas, .iova = iova, .length = size };

	if (dev.ioas)
		return ioctl(dev.container, IOMMU_IOAS_UNMAP, &ioas) ? -errno : (int)ioas.length;
	return ioctl(dev.container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? -errno : (int)unmap.size;
}

static int map_memory(void)
{
	int r;

	dev.mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dev.ro = mmap(NULL, RO_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (dev.mem == MAP_FAILED || dev.ro == MAP_FAILED)
		return -errno;
	r = map_dma(MEM_IOVA, dev.mem, MEM_SIZE, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	return r ? r : map_dma(RO_IOVA, dev.ro, RO_SIZE, VFIO_DMA_MAP_FLAG_READ);
}

static int ask_regions(void)
{
	unsigned int i;

	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		dev.region[i] = (struct vfio_region_info){ .argsz = sizeof(dev.region[i]), .index = i };
		if (ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &dev.region[i]) && i != VFIO_PCI_VGA_REGION_INDEX)
			return -errno;
	}
	return 0;
}

static int open_by_group(const char *name)
{
	char path[64];
	int group = group_of(name);

	if (group < 0)
		return group;
	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	dev.container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	dev.group = open(path, O_RDWR | O_CLOEXEC);
	if (dev.container < 0 || dev.group < 0)
		return -errno;
	if (ioctl(dev.group, VFIO_GROUP_SET_CONTAINER, &dev.container) || ioctl(dev.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	dev.fd = ioctl(dev.group, VFIO_GROUP_GET_DEVICE_FD, name);
	return dev.fd < 0 ? -errno : 0;
}

/* The name of the only folder in the device's vfio-dev is its file's. */
static int open_file_of(const char *name)
{
	char path[320] = "";
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s/vfio-dev", name);
	d = opendir(path);
	if (!d)
		return -errno;
	while ((e = readdir(d)) && e->d_name[0] == '.')
		;
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", e ? e->d_name : "");
	closedir(d);
	dev.fd = open(path, O_RDWR | O_CLOEXEC);
	return dev.fd < 0 ? -errno : 0;
}

static int open_by_iommufd(const char *name)
{
	struct uapi_vfio_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct uapi_iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct uapi_vfio_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	int r = open_file_of(name);

	if (r)
		return r;
	dev.container = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev.container < 0 || ioctl(dev.container, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	bind.iommufd = dev.container;
	attach.pt_id = alloc.out_ioas_id;
	if (ioctl(dev.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) || ioctl(dev.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		return -errno;
	dev.ioas = alloc.out_ioas_id;
	return 0;
}

int user_open(const char *name)
{
	int r;

	dev.name = name;
	r = getenv("VDEV_IOMMUFD") ? open_by_iommufd(name) : open_by_group(name);
	if (!r)
		r = ask_regions();
	return r ? r : map_memory();
}

void user_start(int argc, char **argv)
{
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2) {
		fprintf(stderr, "usage: %s lkvm_vdev.N\n", argv[0]);
		exit(2);
	}
	r = user_open(argv[1]);
	if (r < 0) {
		errno = -r;
		die(argv[1]);
	}
	enable(PCI_COMMAND_MEMORY);
}

void user_close(void)
{
	close(dev.fd);
	if (dev.group >= 0)
		close(dev.group);
	close(dev.container);
	munmap(dev.mem, MEM_SIZE);
	munmap(dev.ro, RO_SIZE);
	dev.fd = dev.group = dev.container = -1;
	dev.ioas = 0;
}

static int open_attribute(const char *name, int flags)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s/%s", dev.name, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

long long counter(const char *name)
{
	int fd = open_attribute(name, O_RDONLY);
	char text[64] = "";

	if (read(fd, text, sizeof(text) - 1) <= 0)
		die(name);
	close(fd);
	return atoll(text);
}

void write_attribute(const char *name, const char *value)
{
	int fd = open_attribute(name, O_WRONLY);

	if (write(fd, value, strlen(value)) < 0)
		die(name);
	close(fd);
}

int device_reset(void)
{
	return ioctl(dev.fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

ssize_t region_read(unsigned int index, uint64_t off, void *buf, size_t len)
{
	ssize_t n = pread(dev.fd, buf, len, dev.region[index].offset + off);

	return n < 0 ? -errno : n;
}

ssize_t region_write(unsigned int index, uint64_t off, const void *buf, size_t len)
{
	ssize_t n = pwrite(dev.fd, buf, len, dev.region[index].offset + off);

	return n < 0 ? -errno : n;
}

uint32_t reg_read(uint32_t off)
{
	uint32_t val;

	if (region_read(0, off, &val, 4) != 4)
		die("a register");
	return val;
}

void reg_write(uint32_t off, uint32_t val)
{
	if (region_write(0, off, &val, 4) != 4)
		die("a register");
}

void reg_write64(uint32_t off, uint64_t val)
{
	if (region_write(0, off, &val, 8) != 8)
		die("a register");
}

uint32_t config_read(unsigned int off, unsigned int size)
{
	uint32_t val = 0;

	if (region_read(VFIO_PCI_CONFIG_REGION_INDEX, off, &val, size) != size)
		die("config space");
	return val;
}

void config_write(unsigned int off, unsigned int size, uint32_t val)
{
	if (region_write(VFIO_PCI_CONFIG_REGION_INDEX, off, &val, size) != size)
		die("config space");
}

unsigned int find_cap(uint8_t id)
{
	unsigned int off = config_read(PCI_CAPABILITY_LIST, 1), n;

	for (n = 0; off && n < 48; n++, off = config_read(off + 1, 1))
		if (config_read(off, 1) == id)
			return off;
	return 0;
}

unsigned int find_ext_cap(uint16_t id)
{
	unsigned int off = 256, n;

	for (n = 0; off && n < 960; n++, off = config_read(off + 2, 2) >> 4)
		if (config_read(off, 2) == id)
			return off;
	return 0;
}

void enable(uint16_t command_bits)
{
	config_write(PCI_COMMAND, 2, command_bits);
}

int set_irqs(unsigned int index, uint32_t action, unsigned int start, unsigned int count, const int *fds, const uint8_t *bools)
{
	union {
		struct vfio_irq_set set;
		uint8_t room[sizeof(struct vfio_irq_set) + 64 * sizeof(int)];
	} u = { .set = { .argsz = sizeof(u.set), .index = index, .start = start, .count = count } };

	u.set.flags = action | (fds ? VFIO_IRQ_SET_DATA_EVENTFD : bools ? VFIO_IRQ_SET_DATA_BOOL : VFIO_IRQ_SET_DATA_NONE);
	if (fds) {
		memcpy(u.set.data, fds, count * sizeof(int));
		u.set.argsz += count * sizeof(int);
	} else if (bools) {
		memcpy(u.set.data, bools, count);
		u.set.argsz += count;
	}
	return ioctl(dev.fd, VFIO_DEVICE_SET_IRQS, &u) ? -errno : 0;
}

int disable_irqs(unsigned int index)
{
	return set_irqs(index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0, NULL, NULL);
}

int new_event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		die("eventfd");
	return fd;
}

uint64_t event_take(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

uint64_t event_wait(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 60000) == 1 ? event_take(fd) : 0;
}

uint32_t dma(uint32_t cmd, uint64_t src, uint64_t dst, uint32_t len)
{
	uint32_t status;

	reg_write64(LKVM_VDEV_DMA_SRC, src);
	reg_write64(LKVM_VDEV_DMA_DST, dst);
	reg_write(LKVM_VDEV_DMA_LEN, len);
	reg_write(LKVM_VDEV_DMA_CMD, cmd);
	while ((status = reg_read(LKVM_VDEV_DMA_STATUS)) == LKVM_VDEV_DMA_BUSY)
		sched_yield();
	return status;
}
