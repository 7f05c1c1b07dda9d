/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices by files of their own, /dev/vfio/devices/vfioN, bound to an iommufd, whose one I/O address space (IOAS) all of them share.
 * [Documentation/userspace-api/iommufd.rst, include/uapi/linux/iommufd.h; Linux 6.6]
 *
 * A device whose IOMMU can log dirty pages (Linux 6.7) is attached to a page table (HWPT) made for that over the IOAS, shared with those that
 * fit it; another one to the IOAS itself, where the kernel picks the table. What is mapped is the IOAS' in either case.
 *
 * Main thread; maps from any, which the kernel orders.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "vfio/vfio.h"

#define DIRTY_PAGE 4096ULL

enum { MAX_RANGES = 4096 };

struct table {
	struct list_node node;		/* way.tables */
	u32 id;
	unsigned int users;
};

struct bound {
	struct list_node node;		/* way.devices */
	int fd;				/* the device's, borrowed */
	u32 id;
	struct table *table;		/* NULL: the IOAS itself */
};

struct way {
	int fd;				/* owned */
	u32 ioas;
	struct list_node tables, devices;
};

static struct way *way_of(struct vfio_iommu *iommu)
{
	return iommu->priv;
}

/* --- page tables --- */

static int table_track(const struct way *way, const struct table *t, bool on)
{
	struct uapi_iommu_hwpt_set_dirty_tracking arg = {
		.size = sizeof(arg), .flags = on ? UAPI_HWPT_DIRTY_TRACKING_ENABLE : 0, .hwpt_id = t->id,
	};

	return vfio_sys_ioctl(way->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &arg);
}

static bool can_track(const struct way *way, u32 device)
{
	struct uapi_iommu_hw_info arg = { .size = sizeof(arg), .dev_id = device };

	return vfio_sys_ioctl(way->fd, IOMMU_GET_HW_INFO, &arg) >= 0 && arg.out_capabilities & UAPI_HW_CAP_DIRTY_TRACKING;
}

static int attach_to(int fd, u32 id)
{
	struct uapi_vfio_attach_iommufd_pt arg = { .argsz = sizeof(arg), .pt_id = id };

	return vfio_sys_ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

static void table_put(struct way *way, struct table *t)
{
	struct uapi_iommu_destroy arg = { .size = sizeof(arg) };

	if (!t || --t->users)
		return;
	arg.id = t->id;
	vfio_sys_ioctl(way->fd, IOMMU_DESTROY, &arg);
	list_del(&t->node);
	free(t);
}

/* A new one that logs, with one user; NULL: there is none to be had. */
static struct table *table_create(struct vfio_iommu *iommu, u32 device)
{
	struct way *way = way_of(iommu);
	struct uapi_iommu_hwpt_alloc arg = {
		.size = sizeof(arg), .flags = UAPI_HWPT_ALLOC_DIRTY_TRACKING, .dev_id = device, .pt_id = way->ioas,
	};
	struct table *t = calloc(1, sizeof(*t));

	if (!t || vfio_sys_ioctl(way->fd, IOMMU_HWPT_ALLOC, &arg) < 0) {
		free(t);
		return NULL;
	}
	t->id = arg.out_hwpt_id;
	t->users = 1;
	list_add_tail(&way->tables, &t->node);
	if (iommu->tracking && table_track(way, t, true) < 0) {
		table_put(way, t);
		return NULL;
	}
	return t;
}

/* A table that logs if there is one for it, else the IOAS. */
static int attach_device(struct vfio_iommu *iommu, struct bound *b)
{
	struct way *way = way_of(iommu);
	struct table *t;

	if (can_track(way, b->id)) {
		list_for_each(t, &way->tables, node) {
			if (attach_to(b->fd, t->id) >= 0) {
				b->table = t;
				t->users++;
				return 0;
			}
		}
		t = table_create(iommu, b->id);
		if (t && attach_to(b->fd, t->id) >= 0) {
			b->table = t;
			return 0;
		}
		table_put(way, t);
	}
	return attach_to(b->fd, way->ioas);
}

/* --- devices --- */

static int bind_failed(const struct vfio_config *cfg, const struct vfio_place *place, int r, struct error *err)
{
	if ((r == -EPERM || r == -EBUSY) && place->group >= 0 && !vfio_group_viable(place->group))
		return vfio_group_explain(cfg, place->group, err);
	if (r == -EPERM)
		return error_set(err, r, "%s '%s': the host's IOMMU does not remap interrupts, so the guest could forge those of the host; to accept "
				 "that: echo 1 > /sys/module/iommufd/parameters/allow_unsafe_interrupts", cfg->option, cfg->device);
	if (place->fd >= 0 && (r == -EINVAL || r == -ENOTTY || r == -EBADF))
		return error_set(err, r, "%s '%s': it must be a file of /dev/vfio/devices that nobody has bound yet", cfg->option, cfg->device);
	return error_set_errno(err, r, "%s '%s': cannot bind %s to an iommufd", cfg->option, cfg->device, place->name);
}

/* KVM is the first to tell what an open file of the user's is. */
static int kvm_failed(const struct vfio_config *cfg, const struct vfio_place *place, int r, struct error *err)
{
	if (place->fd >= 0 && (r == -EINVAL || r == -EBADF))
		return bind_failed(cfg, place, r, err);
	return error_set_errno(err, r, "%s '%s': KVM does not take it", cfg->option, cfg->device);
}

static int open_device(const struct vfio_config *cfg, const struct vfio_place *place, struct error *err)
{
	int fd;

	if (place->fd >= 0)
		return place->fd;
	fd = vfio_sys_open(place->cdev, O_RDWR);
	if (fd == -EBUSY)
		return error_set(err, fd, "%s '%s': another process has it open", cfg->option, cfg->device);
	return fd < 0 ? error_set_errno(err, fd, "%s '%s': cannot open %s", cfg->option, cfg->device, place->cdev) : fd;
}

static void release(struct vfio_iommu *iommu, struct bound *b)
{
	vfio_kvm_del(iommu->host, b->fd);
	list_del(&b->node);
	free(b);
}

static int iommufd_attach(struct vfio_iommu *iommu, const struct vfio_config *cfg, const struct vfio_place *place, struct error *err)
{
	struct uapi_vfio_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = way_of(iommu)->fd };
	struct bound *b = calloc(1, sizeof(*b));
	int fd, r;

	if (!b)
		return error_set_errno(err, -ENOMEM, "%s '%s'", cfg->option, cfg->device);
	list_init(&b->node);
	fd = open_device(cfg, place, err);
	if (fd < 0) {
		free(b);
		return fd;
	}
	b->fd = fd;
	/* Before the bind, which opens the device: it looks then whose VM it is. */
	r = vfio_kvm_add(iommu->host, fd);
	if (r < 0) {
		kvm_failed(cfg, place, r, err);
		free(b);
		goto close;
	}
	r = vfio_sys_ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (r < 0) {
		r = bind_failed(cfg, place, r, err);
		goto release;
	}
	b->id = bind.out_devid;
	r = attach_device(iommu, b);
	if (r < 0) {
		error_set_errno(err, r, "%s '%s': the I/O address space does not take %s%s", cfg->option, cfg->device, place->name,
				r == -EADDRINUSE ? ", whose reserved regions lie in guest RAM" : "");
		goto release;
	}
	list_add_tail(&way_of(iommu)->devices, &b->node);
	return fd;

release:
	release(iommu, b);
close:
	if (place->fd < 0)
		vfio_sys_close(fd);
	return r;
}

static void iommufd_detach(struct vfio_iommu *iommu, const struct vfio_place *place, int fd)
{
	struct uapi_vfio_detach_iommufd_pt arg = { .argsz = sizeof(arg) };
	struct way *way = way_of(iommu);
	struct bound *b, *next;
	struct table *t;

	list_for_each_safe(b, next, &way->devices, node) {
		if (b->fd != fd)
			continue;
		t = b->table;
		/* Whoever gave us an open file may still have it: the close alone would not be the end. */
		vfio_sys_ioctl(fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
		release(iommu, b);
		vfio_sys_close(fd);
		table_put(way, t);
		return;
	}
}

/* --- maps --- */

static int get_ranges(const struct way *way, struct vfio_iommu_info *info)
{
	struct uapi_iommu_ioas_iova_ranges arg = { .size = sizeof(arg), .ioas_id = way->ioas };
	AUTO_FREE struct vfio_iova *v = NULL;
	u32 room, i;
	int r;

	/* Without room it tells how many there are. */
	r = vfio_sys_ioctl(way->fd, IOMMU_IOAS_IOVA_RANGES, &arg);
	if (r < 0 && r != -EMSGSIZE)
		return r;
	room = arg.num_iovas;
	if (!room || room > MAX_RANGES)
		return -EINVAL;
	v = calloc(room, sizeof(*v));	/* as the kernel's: first and last */
	if (!v)
		return -ENOMEM;
	arg.allowed_iovas = (uintptr_t)v;
	r = vfio_sys_ioctl(way->fd, IOMMU_IOAS_IOVA_RANGES, &arg);
	if (r < 0)
		return r;
	if (!arg.num_iovas || arg.num_iovas > room)
		return -EINVAL;
	for (i = 0; i < arg.num_iovas; i++)
		if (v[i].start > v[i].last)
			return -EINVAL;
	vfio_iommu_set_ranges(info, v, arg.num_iovas);
	info->page_sizes = is_power_of_two(arg.out_iova_alignment) ? arg.out_iova_alignment : 0;
	return 0;
}

static bool all_track(const struct way *way)
{
	struct bound *b;

	list_for_each(b, &way->devices, node)
		if (!b->table)
			return false;
	return !list_empty(&way->devices);
}

static int iommufd_refresh(struct vfio_iommu *iommu)
{
	struct vfio_iommu_info info = { 0 };
	int r = get_ranges(way_of(iommu), &info);

	if (r < 0)
		return r;
	info.dirty = all_track(way_of(iommu));
	if (info.dirty) {
		info.dirty_page_sizes = DIRTY_PAGE;
		info.dirty_max_bitmap = ~0ULL;
	}
	iommu->info = info;
	return 0;
}

static int iommufd_dma_map(struct vfio_iommu *iommu, u64 iova, u64 size, void *hva, bool writable)
{
	struct way *way = way_of(iommu);
	struct uapi_iommu_ioas_map arg = {
		.size = sizeof(arg), .ioas_id = way->ioas, .user_va = (uintptr_t)hva, .length = size, .iova = iova,
		.flags = UAPI_IOAS_MAP_FIXED_IOVA | UAPI_IOAS_MAP_READABLE | (writable ? UAPI_IOAS_MAP_WRITEABLE : 0),
	};
	int r = vfio_sys_ioctl(way->fd, IOMMU_IOAS_MAP, &arg);

	return r < 0 ? r : 0;
}

static int iommufd_dma_unmap(struct vfio_iommu *iommu, u64 iova, u64 size)
{
	struct way *way = way_of(iommu);
	struct uapi_iommu_ioas_unmap arg = { .size = sizeof(arg), .ioas_id = way->ioas, .iova = iova, .length = size };
	int r = vfio_sys_ioctl(way->fd, IOMMU_IOAS_UNMAP, &arg);

	return r < 0 ? r : 0;
}

/* --- dirty pages --- */

static void iommufd_dirty_stop(struct vfio_iommu *iommu)
{
	struct way *way = way_of(iommu);
	struct table *t;

	if (iommu->tracking)
		list_for_each(t, &way->tables, node)
			table_track(way, t, false);
	iommu->tracking = false;
}

static int iommufd_dirty_start(struct vfio_iommu *iommu)
{
	struct way *way = way_of(iommu);
	struct table *t;
	int r;

	if (!all_track(way))
		return -EOPNOTSUPP;
	iommu->tracking = true;
	list_for_each(t, &way->tables, node) {
		r = table_track(way, t, true);
		if (r < 0) {
			iommufd_dirty_stop(iommu);
			return r;
		}
	}
	return 0;
}

static int iommufd_dirty_read(struct vfio_iommu *iommu, u64 iova, u64 size, u64 *bitmap)
{
	struct way *way = way_of(iommu);
	struct uapi_iommu_hwpt_get_dirty_bitmap arg = {
		.size = sizeof(arg), .iova = iova, .length = size, .page_size = DIRTY_PAGE, .data = (uintptr_t)bitmap,
	};
	struct table *t;
	int r;

	if (!iommu->tracking || !is_aligned(iova | size, DIRTY_PAGE))
		return -EINVAL;
	/* One came meanwhile that cannot. */
	if (!all_track(way))
		return -EOPNOTSUPP;
	list_for_each(t, &way->tables, node) {
		arg.hwpt_id = t->id;
		r = vfio_sys_ioctl(way->fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &arg);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- life --- */

static void iommufd_free(struct vfio_iommu *iommu)
{
	struct way *way = way_of(iommu);

	vfio_sys_close(way->fd);	/* and the IOAS with it */
	free(way);
}

static const struct vfio_iommu_ops iommufd_ops = {
	.name = "iommufd", .attach = iommufd_attach, .detach = iommufd_detach, .refresh = iommufd_refresh, .dma_map = iommufd_dma_map,
	.dma_unmap = iommufd_dma_unmap, .dirty_start = iommufd_dirty_start, .dirty_read = iommufd_dirty_read,
	.dirty_stop = iommufd_dirty_stop, .free = iommufd_free,
};

int vfio_iommufd_create(struct vfio_host *host, const struct vfio_config *cfg, struct vfio_iommu *iommu, struct error *err)
{
	struct uapi_iommu_ioas_alloc arg = { .size = sizeof(arg) };
	struct way *way = calloc(1, sizeof(*way));
	int r;

	if (!way)
		return error_set_errno(err, -ENOMEM, "%s '%s'", cfg->option, cfg->device);
	list_init(&way->tables);
	list_init(&way->devices);
	way->fd = vfio_sys_open("/dev/iommu", O_RDWR);
	r = way->fd < 0 ? way->fd : vfio_sys_ioctl(way->fd, IOMMU_IOAS_ALLOC, &arg);
	if (r < 0) {
		error_set_errno(err, r, "%s '%s': cannot use /dev/iommu", cfg->option, cfg->device);
		vfio_sys_close(way->fd);
		free(way);
		return r;
	}
	way->ioas = arg.out_ioas_id;
	memset(iommu, 0, sizeof(*iommu));
	iommu->host = host;
	iommu->priv = way;
	iommu->ops = &iommufd_ops;
	return 0;
}
