/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices by their IOMMU groups: /dev/vfio/N is put into a container, /dev/vfio/vfio, whose IOMMU maps memory for all groups in it.
 * [Documentation/driver-api/vfio.rst, include/uapi/linux/vfio.h]
 *
 * Invariants and threads: vfio/group.h. What is mapped: group-map.c.
 */
#include "vfio/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- containers --- */

static int container_info(struct container *c)
{
	const struct vfio_iommu_type1_info question = { 0 };
	AUTO_FREE void *info = NULL;
	size_t size;
	int r = vfio_info_get(c->fd, VFIO_IOMMU_GET_INFO, &question, sizeof(question), &info, &size);

	return r < 0 ? r : vfio_parse_iommu_info(info, size, &c->info);
}

/* What both may map. */
static void intersect(struct vfio_iommu_info *all, const struct vfio_iommu_info *one)
{
	struct vfio_iova v[VFIO_IOVA_RANGES * 2];
	unsigned int i, k, n = 0;
	u64 start, last;

	if (!one->nr_ranges)
		return;
	if (!all->nr_ranges) {
		all->nr_ranges = one->nr_ranges;
		memcpy(all->range, one->range, sizeof(all->range));
		return;
	}
	for (i = 0; i < all->nr_ranges; i++) {
		for (k = 0; k < one->nr_ranges; k++) {
			start = MAX(all->range[i].start, one->range[k].start);
			last = MIN(all->range[i].last, one->range[k].last);
			if (start <= last)
				v[n++] = (struct vfio_iova){ start, last };
		}
	}
	if (!n)		/* nothing may be mapped; no range would be anything */
		v[n++] = (struct vfio_iova){ ~0ULL, ~0ULL };
	vfio_iommu_set_ranges(all, v, n);
}

static int group_refresh(struct vfio_iommu *iommu)
{
	struct vfio_iommu_info all;
	struct container *c;
	bool first = true;
	int r;

	memset(&all, 0, sizeof(all));
	list_for_each(c, &way_of(iommu)->containers, node) {
		r = container_info(c);
		if (r < 0)
			return r;
		if (first) {
			all = c->info;
			first = false;
			continue;
		}
		intersect(&all, &c->info);
		all.page_sizes &= c->info.page_sizes;
		all.dirty = all.dirty && c->info.dirty;
		all.dirty_page_sizes &= c->info.dirty_page_sizes;
		all.dirty_max_bitmap = MIN(all.dirty_max_bitmap, c->info.dirty_max_bitmap);
	}
	iommu->info = all;
	return 0;
}

static void container_free(struct container *c)
{
	list_del(&c->node);
	vfio_sys_close(c->fd);
	free(c);
}

static int container_open(const struct vfio_config *cfg, struct error *err)
{
	const char *path = "/dev/vfio/vfio";
	int fd, r;

	fd = vfio_sys_open(path, O_RDWR);
	if (fd < 0)
		return error_set_errno(err, fd, "%s '%s': cannot open %s (module vfio: modprobe vfio)", cfg->option, cfg->device, path);
	r = vfio_sys_ioctl(fd, VFIO_GET_API_VERSION, NULL);
	if (r == VFIO_API_VERSION)
		return fd;
	vfio_sys_close(fd);
	return error_set(err, -EPROTO, "%s '%s': %s speaks version %d of VFIO, we %d", cfg->option, cfg->device, path, r, VFIO_API_VERSION);
}

static int set_iommu(int fd, const struct vfio_config *cfg, struct error *err)
{
	unsigned long type = VFIO_TYPE1v2_IOMMU;
	int r;

	if (vfio_sys_ioctl(fd, VFIO_CHECK_EXTENSION, (void *)type) <= 0)
		type = VFIO_TYPE1_IOMMU;
	if (vfio_sys_ioctl(fd, VFIO_CHECK_EXTENSION, (void *)type) <= 0)
		return error_set(err, -ENODEV, "%s '%s': this host's VFIO has no IOMMU of type 1: modprobe vfio_iommu_type1", cfg->option,
				 cfg->device);
	r = vfio_sys_ioctl(fd, VFIO_SET_IOMMU, (void *)type);
	if (r == -EPERM)
		return error_set(err, r, "%s '%s': the host's IOMMU does not remap interrupts, so the guest could forge those of the host; to accept "
				 "that: echo 1 > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", cfg->option, cfg->device);
	return r < 0 ? error_set_errno(err, r, "%s '%s': VFIO refuses the IOMMU", cfg->option, cfg->device) : 0;
}

static void put_into(struct group *g, struct container *c)
{
	g->container = c;
	list_add_tail(&c->groups, &g->node);
}

/* A container for @g, with all maps there are. */
static int container_create(struct vfio_iommu *iommu, struct group *g, const struct vfio_config *cfg, struct error *err)
{
	struct container *c;
	int r;

	c = calloc(1, sizeof(*c));
	if (!c)
		return error_set_errno(err, -ENOMEM, "%s '%s'", cfg->option, cfg->device);
	list_init(&c->node);
	list_init(&c->groups);
	c->fd = container_open(cfg, err);
	if (c->fd < 0) {
		r = c->fd;
		goto fail;
	}
	r = vfio_sys_ioctl(g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd);
	if (r < 0) {
		error_set_errno(err, r, "%s '%s': group %d cannot be put into a container", cfg->option, cfg->device, g->nr);
		goto fail;
	}
	r = set_iommu(c->fd, cfg, err);
	if (!r) {
		r = vfio_group_replay(iommu, c);
		if (r < 0)
			vfio_iommu_map_failed(iommu, cfg, r, err);
	}
	if (r < 0)
		goto fail;
	list_add_tail(&way_of(iommu)->containers, &c->node);
	iommu->containers++;
	put_into(g, c);
	return 0;

fail:
	container_free(c);
	return r;
}

/* --- groups --- */

static struct group *find_group(struct vfio_iommu *iommu, int nr)
{
	struct container *c;
	struct group *g;

	list_for_each(c, &way_of(iommu)->containers, node)
		list_for_each(g, &c->groups, node)
			if (g->nr == nr)
				return g;
	return NULL;
}

static int open_group(const struct vfio_config *cfg, int nr, struct error *err)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[32];
	int fd, r;

	snprintf(path, sizeof(path), "/dev/vfio/%d", nr);
	fd = vfio_sys_open(path, O_RDWR);
	if (fd == -EBUSY)
		return error_set(err, fd, "%s '%s': another process has %s open", cfg->option, cfg->device, path);
	if (fd < 0)
		return error_set_errno(err, fd, "%s '%s': cannot open %s", cfg->option, cfg->device, path);
	r = vfio_sys_ioctl(fd, VFIO_GROUP_GET_STATUS, &status);
	if (r < 0)
		error_set_errno(err, r, "%s '%s': no answer from %s", cfg->option, cfg->device, path);
	else if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		r = vfio_group_explain(cfg, nr, err);
	if (r >= 0)
		return fd;
	vfio_sys_close(fd);
	return r;
}

static int join_container(struct vfio_iommu *iommu, struct group *g, const struct vfio_config *cfg, struct error *err)
{
	struct container *c;

	list_for_each(c, &way_of(iommu)->containers, node) {
		if (vfio_sys_ioctl(g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd) >= 0) {
			put_into(g, c);
			return 0;
		}
	}
	return container_create(iommu, g, cfg, err);
}

static int add_group(struct vfio_iommu *iommu, const struct vfio_config *cfg, int nr, struct group **ret, struct error *err)
{
	struct group *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return error_set_errno(err, -ENOMEM, "%s '%s'", cfg->option, cfg->device);
	list_init(&g->node);
	g->nr = nr;
	g->fd = open_group(cfg, nr, err);
	r = g->fd < 0 ? g->fd : join_container(iommu, g, cfg, err);
	if (r < 0) {
		vfio_sys_close(g->fd);
		free(g);
		return r;
	}
	*ret = g;
	return 0;
}

/* A group that no device of ours needs, which leaves its container with its file; and that if it was the last in it. */
static void drop_group(struct vfio_iommu *iommu, struct group *g)
{
	struct container *c = g->container;

	if (g->told)
		vfio_kvm_del(iommu->host, g->fd);
	list_del(&g->node);
	vfio_sys_close(g->fd);
	free(g);
	if (!list_empty(&c->groups))
		return;
	container_free(c);
	iommu->containers--;
}

static int group_attach(struct vfio_iommu *iommu, const struct vfio_config *cfg, const struct vfio_place *place, struct error *err)
{
	struct group *g = find_group(iommu, place->group);
	int fd, r;

	if (!g) {
		r = add_group(iommu, cfg, place->group, &g, err);
		if (r < 0)
			return r;
		/* Before a device is open: it looks then whose VM it is. */
		r = vfio_kvm_add(iommu->host, g->fd);
		if (r < 0) {
			drop_group(iommu, g);
			return error_set_errno(err, r, "%s '%s': KVM does not take group %d", cfg->option, cfg->device, place->group);
		}
		g->told = true;
	}
	fd = vfio_sys_ioctl(g->fd, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)place->name);
	if (fd < 0) {
		if (!g->devices)
			drop_group(iommu, g);
		return error_set_errno(err, fd, "%s '%s': group %d does not open its device %s", cfg->option, cfg->device, place->group,
				       place->name);
	}
	g->devices++;
	return fd;
}

static void group_detach(struct vfio_iommu *iommu, const struct vfio_place *place, int fd)
{
	struct group *g = find_group(iommu, place->group);

	vfio_sys_close(fd);
	if (g && !--g->devices)
		drop_group(iommu, g);
}

static int group_fd(struct vfio_iommu *iommu, int group)
{
	const struct group *g = find_group(iommu, group);

	return g ? g->fd : -ENOENT;
}

/* --- life --- */

static void group_free(struct vfio_iommu *iommu)
{
	struct way *way = way_of(iommu);

	pthread_mutex_destroy(&way->lock);
	free(way);
}

static const struct vfio_iommu_ops group_ops = {
	.name = "group", .attach = group_attach, .detach = group_detach, .refresh = group_refresh, .dma_map = vfio_group_dma_map,
	.dma_unmap = vfio_group_dma_unmap, .dirty_start = vfio_group_dirty_start, .dirty_read = vfio_group_dirty_read, .dirty_stop = vfio_group_dirty_stop,
	.group_fd = group_fd, .free = group_free,
};

int vfio_group_iommu_create(struct vfio_host *host, const struct vfio_config *cfg, struct vfio_iommu *iommu, struct error *err)
{
	struct way *way = calloc(1, sizeof(*way));

	if (!way)
		return error_set_errno(err, -ENOMEM, "%s '%s'", cfg->option, cfg->device);
	list_init(&way->containers);
	list_init(&way->maps);
	pthread_mutex_init(&way->lock, NULL);
	memset(iommu, 0, sizeof(*iommu));
	iommu->host = host;
	iommu->priv = way;
	iommu->ops = &group_ops;
	return 0;
}
