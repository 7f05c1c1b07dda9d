/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What group.c, who has the containers, and group-map.c, who has what is mapped in them, share.
 *
 * 1. One container for all groups as long as the kernel takes them; one that it refuses gets a container of its own. What is mapped is
 *    mapped in each.
 * 2. A group is open while a device of it is; a container exists while a group is in it: with its last group its maps go.
 * 3. Maps are kept in a list. A container asked for dirty pages must be asked for whole maps and forgets what it told: what nobody asked
 *    for stays in the map's own bitmap. Maps are cut so that no bitmap is larger than the kernel accepts.
 *
 * Main thread; way.lock guards the maps against map and unmap of a BAR from under the PCI host's lock.
 */
#ifndef VFIO_GROUP_H
#define VFIO_GROUP_H

#include <pthread.h>

#include "vfio/vfio.h"

struct container;

struct group {
	struct list_node node;		/* container.groups */
	struct container *container;	/* borrowed */
	int nr, fd;			/* fd: owned */
	bool told;			/* KVM */
	unsigned int devices;
};

struct container {
	struct list_node node;		/* way.containers */
	int fd;				/* owned */
	struct list_node groups;
	struct vfio_iommu_info info;
};

struct map {
	struct list_node node;		/* way.maps */
	u64 iova, size;
	void *hva;
	bool writable;
	u64 *dirty;			/* owned: told by the kernel, not yet asked for; a bit per DIRTY_PAGE. NULL: none yet */
};

struct way {
	struct list_node containers;
	pthread_mutex_t lock;		/* guards maps */
	struct list_node maps;
};

static inline struct way *way_of(struct vfio_iommu *iommu)
{
	return iommu->priv;
}

/* --- group-map.c --- */

int vfio_group_dma_map(struct vfio_iommu *iommu, u64 iova, u64 size, void *hva, bool writable);
int vfio_group_dma_unmap(struct vfio_iommu *iommu, u64 iova, u64 size);
/* All maps there are, and the log of dirty pages if it is on, for a new container. */
int vfio_group_replay(struct vfio_iommu *iommu, const struct container *c);
int vfio_group_dirty_start(struct vfio_iommu *iommu);
int vfio_group_dirty_read(struct vfio_iommu *iommu, u64 iova, u64 size, u64 *bitmap);
void vfio_group_dirty_stop(struct vfio_iommu *iommu);

#endif
