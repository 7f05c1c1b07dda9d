/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open VFIO device: its regions, interrupts, features, reset. [include/uapi/linux/vfio.h]
 *
 * What is known after the open does not change; all else is one system call, so any thread may come in. Opening and closing is the main
 * thread's. A device's bytes are little endian, as is every host of ours.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/endian.h"
#include "vfio/vfio.h"
#include "vmm/vm.h"

enum {
	MAX_REGIONS = 256,	/* a PCI device has 9 and its own; what is far beyond is nonsense */
	MAX_INFO = 1 << 20,
};

const char *vfio_device_name(const struct vfio_device *vd)
{
	return vd->place.name;
}

/* --- open --- */

int vfio_info_get(int fd, unsigned long request, const void *question, size_t len, void **ret, size_t *ret_len)
{
	AUTO_FREE void *info = malloc(len);
	u32 argsz = (u32)len;
	size_t size;
	void *p;
	int r;

	if (!info)
		return -ENOMEM;
	memcpy(info, question, len);
	memcpy(info, &argsz, sizeof(argsz));
	r = vfio_sys_ioctl(fd, request, info);
	if (r < 0)
		return r;
	memcpy(&argsz, info, sizeof(argsz));	/* how much there is */
	size = MAX(len, (size_t)argsz);
	if (size > MAX_INFO)
		return -EINVAL;
	p = calloc(1, size);
	if (!p)
		return -ENOMEM;
	memcpy(p, question, len);
	argsz = (u32)size;
	memcpy(p, &argsz, sizeof(argsz));
	r = vfio_sys_ioctl(fd, request, p);
	if (r < 0) {
		free(p);
		return r;
	}
	*ret = p;
	*ret_len = size;
	return 0;
}

static int region_info(struct vfio_device *vd, u32 index, struct vfio_region *ret)
{
	const struct vfio_region_info question = { .index = index };
	AUTO_FREE void *info = NULL;
	size_t size;
	int r = vfio_info_get(vd->fd, VFIO_DEVICE_GET_REGION_INFO, &question, sizeof(question), &info, &size);

	return r < 0 ? r : vfio_parse_region_info(info, size, (u64)sysconf(_SC_PAGESIZE), ret);
}

static int get_regions(struct vfio_device *vd)
{
	u32 i;
	int r;

	vd->region = calloc(vd->nr_regions + 1UL, sizeof(*vd->region));
	if (!vd->region)
		return -ENOMEM;
	for (i = 0; i < vd->nr_regions; i++) {
		r = region_info(vd, i, &vd->region[i]);
		/* PCI has numbers of regions that a device may lack, as VGA. */
		if (r == -EINVAL && i == VFIO_PCI_VGA_REGION_INDEX)
			memset(&vd->region[i], 0, sizeof(vd->region[i]));
		else if (r < 0)
			return r;
		vd->region[i].index = i;
	}
	return 0;
}

static const char *kind_name(u32 flags)
{
	static const struct { u32 flag; const char *name; } kind[] = {
		{ VFIO_DEVICE_FLAGS_PLATFORM, "a platform device" }, { VFIO_DEVICE_FLAGS_AMBA, "an AMBA device" },
		{ VFIO_DEVICE_FLAGS_CCW, "a channel device (CCW)" }, { VFIO_DEVICE_FLAGS_AP, "an AP device" },
		{ VFIO_DEVICE_FLAGS_FSL_MC, "an fsl-mc device" }, { VFIO_DEVICE_FLAGS_CDX, "a CDX device" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kind); i++)
		if (flags & kind[i].flag)
			return kind[i].name;
	return "a device of unknown kind";
}

static int get_info(struct vfio_device *vd, struct error *err)
{
	const struct vfio_config *cfg = vd->cfg;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int r;

	r = vfio_sys_ioctl(vd->fd, VFIO_DEVICE_GET_INFO, &info);
	if (r < 0)
		return error_set_errno(err, r, "%s '%s': cannot ask the device what it is", cfg->option, cfg->device);
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return error_set(err, -EOPNOTSUPP, "%s '%s': it is %s; only PCI functions can be given to the guest", cfg->option, cfg->device,
				 kind_name(info.flags));
	if (info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX || info.num_regions > MAX_REGIONS)
		return error_set(err, -EINVAL, "%s '%s': says it has %u regions", cfg->option, cfg->device, info.num_regions);
	vd->flags = info.flags;
	vd->nr_regions = info.num_regions;
	vd->nr_irqs = info.num_irqs;
	r = get_regions(vd);
	return r < 0 ? error_set_errno(err, r, "%s '%s': cannot ask the device for its regions", cfg->option, cfg->device) : 0;
}

static int check_once(struct vfio_host *host, const struct vfio_config *cfg, const struct vfio_place *place, struct error *err)
{
	struct vfio_device *other;

	list_for_each(other, &host->devices, node)
		if (!strcmp(other->place.name, place->name))
			return error_set(err, -EBUSY, "%s '%s': %s is given twice", cfg->option, cfg->device, place->name);
	return 0;
}

int vfio_device_open(struct vm *vm, const struct vfio_config *cfg, struct vfio_device **ret, struct error *err)
{
	struct vfio_device *vd = calloc(1, sizeof(*vd));
	int r;

	if (!vd)
		return error_set_errno(err, -ENOMEM, "%s '%s'", cfg->option, cfg->device);
	list_init(&vd->node);
	vd->cfg = cfg;
	vd->fd = -1;
	r = vfio_host_get(vm, &vd->host);
	if (r < 0) {
		error_set_errno(err, r, "%s '%s'", cfg->option, cfg->device);
		goto close;
	}
	r = vfio_place_find(cfg, &vd->place, err);
	if (r < 0)
		goto close;
	r = check_once(vd->host, cfg, &vd->place, err);
	if (r < 0)
		goto close;
	r = vfio_iommu_attach(vd->host, cfg, &vd->place, &vd->iommu, err);
	if (r < 0)
		goto close;
	vd->fd = r;
	list_add_tail(&vd->host->devices, &vd->node);
	r = get_info(vd, err);
	if (r < 0)
		goto close;
	r = vfio_iommu_use(vd->iommu, cfg, &vd->place, err);
	if (r < 0)
		goto close;
	vd->dma = true;
	*ret = vd;
	return 0;

close:
	vfio_device_close(vd);
	return r;
}

void vfio_device_close(struct vfio_device *vd)
{
	if (!vd)
		return;
	/* Closed, it does no more DMA: then the memory goes. */
	if (vd->fd >= 0)
		vd->iommu->ops->detach(vd->iommu, &vd->place, vd->fd);
	if (vd->dma)
		vfio_iommu_unuse(vd->iommu);
	list_del(&vd->node);
	free(vd->region);
	free(vd);
}

/* --- regions --- */

const struct vfio_region *vfio_region_get(const struct vfio_device *vd, u32 index)
{
	return index < vd->nr_regions && vd->region[index].size ? &vd->region[index] : NULL;
}

const struct vfio_region *vfio_region_find(const struct vfio_device *vd, u32 type, u32 subtype)
{
	u32 i;

	for (i = VFIO_PCI_NUM_REGIONS; i < vd->nr_regions; i++)
		if (vd->region[i].type == type && vd->region[i].subtype == subtype && vd->region[i].size)
			return &vd->region[i];
	return NULL;
}

static bool inside(const struct vfio_region *r, u64 off, u64 len)
{
	return off <= r->size && len <= r->size - off;
}

static bool one_access(const struct vfio_region *r, u64 off, unsigned int size)
{
	return size <= sizeof(u64) && is_power_of_two(size) && is_aligned(off, size) && inside(r, off, size);
}

int vfio_region_read(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 *ret)
{
	u64 raw = 0;
	int rc;

	if (!one_access(r, off, size))
		return -EINVAL;
	rc = vfio_sys_pread(vd->fd, &raw, size, r->offset + off);
	if (rc < 0)
		return rc;
	*ret = le64toh(raw);
	return 0;
}

int vfio_region_write(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 val)
{
	u64 raw = htole64(val);

	if (!one_access(r, off, size))
		return -EINVAL;
	return vfio_sys_pwrite(vd->fd, &raw, size, r->offset + off);
}

int vfio_region_pread(struct vfio_device *vd, const struct vfio_region *r, u64 off, void *buf, size_t len)
{
	return inside(r, off, len) ? vfio_sys_pread(vd->fd, buf, len, r->offset + off) : -EINVAL;
}

int vfio_region_pwrite(struct vfio_device *vd, const struct vfio_region *r, u64 off, const void *buf, size_t len)
{
	return inside(r, off, len) ? vfio_sys_pwrite(vd->fd, buf, len, r->offset + off) : -EINVAL;
}

int vfio_region_mmap(struct vfio_device *vd, const struct vfio_region *r, const struct vfio_area *area, void **ret)
{
	int prot = 0;

	assert(inside(r, area->off, area->size));
	if (r->flags & VFIO_REGION_INFO_FLAG_READ)
		prot |= PROT_READ;
	if (r->flags & VFIO_REGION_INFO_FLAG_WRITE)
		prot |= PROT_WRITE;
	return vfio_sys_mmap(vd->fd, area->size, prot, r->offset + area->off, ret);
}

/* --- interrupts --- */

int vfio_irq_get(struct vfio_device *vd, u32 index, struct vfio_irq *ret)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	int r;

	if (index >= vd->nr_irqs)
		return -EINVAL;
	r = vfio_sys_ioctl(vd->fd, VFIO_DEVICE_GET_IRQ_INFO, &info);
	if (r < 0)
		return r;
	*ret = (struct vfio_irq){ .flags = info.flags, .count = info.count };
	return 0;
}

/* @fd NULL: @count interrupts without data. */
static int set_irqs(struct vfio_device *vd, u32 flags, u32 index, u32 start, u32 count, const int *fd)
{
	const size_t data = fd ? count * sizeof(s32) : 0;
	struct vfio_irq_set *set;
	int r;

	set = calloc(1, sizeof(*set) + data);
	if (!set)
		return -ENOMEM;
	set->argsz = (u32)(sizeof(*set) + data);
	set->flags = flags | (fd ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = index;
	set->start = start;
	set->count = count;
	if (fd)
		memcpy(set->data, fd, data);
	r = vfio_sys_ioctl(vd->fd, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return r;
}

int vfio_irq_set_fds(struct vfio_device *vd, u32 index, u32 start, u32 count, const int *fd)
{
	/* No interrupts with data would be no data, which means all off. */
	if (!count || count > UINT16_MAX)
		return -EINVAL;
	return set_irqs(vd, VFIO_IRQ_SET_ACTION_TRIGGER, index, start, count, fd);
}

int vfio_irq_disable(struct vfio_device *vd, u32 index)
{
	return set_irqs(vd, VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0, NULL);
}

int vfio_irq_mask(struct vfio_device *vd, u32 index, bool mask)
{
	return set_irqs(vd, mask ? VFIO_IRQ_SET_ACTION_MASK : VFIO_IRQ_SET_ACTION_UNMASK, index, 0, 1, NULL);
}

int vfio_irq_unmask_fd(struct vfio_device *vd, u32 index, int fd)
{
	return set_irqs(vd, VFIO_IRQ_SET_ACTION_UNMASK, index, 0, 1, &fd);
}

/* --- features --- */

int vfio_feature(struct vfio_device *vd, u32 flags, void *data, size_t len)
{
	struct vfio_device_feature *f;
	int r;

	f = calloc(1, sizeof(*f) + len);
	if (!f)
		return -ENOMEM;
	f->argsz = (u32)(sizeof(*f) + len);
	f->flags = flags;
	if (len)
		memcpy(f->data, data, len);
	r = vfio_sys_ioctl(vd->fd, VFIO_DEVICE_FEATURE, f);
	if (r >= 0 && len)
		memcpy(data, f->data, len);	/* a SET answers too: MIG_DEVICE_STATE's data_fd */
	free(f);
	return r < 0 ? r : 0;
}

/* --- reset --- */

/* Which devices a hot reset reaches. The caller frees. */
static int hot_reset_info(struct vfio_device *vd, struct uapi_vfio_hot_reset_info **ret)
{
	struct uapi_vfio_hot_reset_info head = { .argsz = sizeof(head) }, *info;
	size_t size;
	int r;

	r = vfio_sys_ioctl(vd->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &head);
	if (r < 0 && r != -ENOSPC)
		return r;
	if (!head.count || head.count > UINT16_MAX)
		return -EINVAL;
	size = sizeof(*info) + head.count * sizeof(info->device[0]);
	info = calloc(1, size);
	if (!info)
		return -ENOMEM;
	info->argsz = (u32)size;
	r = vfio_sys_ioctl(vd->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
	if (r < 0 || info->count > head.count) {
		free(info);
		return r < 0 ? r : -EINVAL;
	}
	*ret = info;
	return 0;
}

static bool has_fd(const struct vfio_pci_hot_reset *reset, int fd)
{
	u32 i;

	for (i = 0; i < reset->count; i++)
		if (reset->group_fds[i] == fd)
			return true;
	return false;
}

/* The groups prove that all of them are ours; an iommufd proves itself. -ENOTTY: they are not. */
static int hot_reset_proof(struct vfio_device *vd, const struct uapi_vfio_hot_reset_info *info, struct vfio_pci_hot_reset *reset)
{
	struct vfio_iommu *iommu = vd->iommu;
	u32 i;
	int fd;

	if (!iommu->ops->group_fd)
		return info->flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED ? 0 : -ENOTTY;
	for (i = 0; i < info->count; i++) {
		fd = iommu->ops->group_fd(iommu, (int)info->device[i].id);
		if (fd < 0)
			return -ENOTTY;
		if (!has_fd(reset, fd))
			reset->group_fds[reset->count++] = fd;
	}
	return 0;
}

static bool reaches(const struct uapi_vfio_hot_reset_info *info, const struct vfio_device *vd)
{
	const struct uapi_vfio_dependent_device *d;
	char name[VFIO_NAME];

	for (d = info->device; d < info->device + info->count; d++) {
		snprintf(name, sizeof(name), "%04x:%02x:%02x.%x", d->segment, d->bus, d->devfn >> 3, d->devfn & 7);
		if (!strcmp(name, vd->place.name))
			return true;
	}
	return false;
}

/* At the VM's end the first of a bus to go resets it for those that follow, which cannot: that one's group is closed by then. */
static void mark_clean(const struct vfio_host *host, const struct uapi_vfio_hot_reset_info *info)
{
	struct vfio_device *vd;

	if (!host->ending)
		return;
	list_for_each(vd, &host->devices, node)
		if (reaches(info, vd))
			vd->clean = true;
}

static int hot_reset(struct vfio_device *vd)
{
	AUTO_FREE struct uapi_vfio_hot_reset_info *info = NULL;
	AUTO_FREE struct vfio_pci_hot_reset *reset = NULL;
	int r;

	r = hot_reset_info(vd, &info);
	if (r < 0)
		return r == -ENODEV ? -ENOTTY : r;
	reset = calloc(1, sizeof(*reset) + info->count * sizeof(s32));
	if (!reset)
		return -ENOMEM;
	r = hot_reset_proof(vd, info, reset);
	if (r < 0)
		return r;
	reset->argsz = (u32)(sizeof(*reset) + reset->count * sizeof(s32));
	r = vfio_sys_ioctl(vd->fd, VFIO_DEVICE_PCI_HOT_RESET, reset);
	if (r < 0)
		return r;
	mark_clean(vd->host, info);
	return 0;
}

int vfio_device_reset(struct vfio_device *vd)
{
	int r;

	if (!(vd->flags & VFIO_DEVICE_FLAGS_RESET))
		return hot_reset(vd);
	r = vfio_sys_ioctl(vd->fd, VFIO_DEVICE_RESET, NULL);
	return r < 0 ? r : 0;
}
