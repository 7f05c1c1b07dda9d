/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is mapped in the containers of group.c, and which pages of it devices wrote. [include/uapi/linux/vfio.h: VFIO_IOMMU_MAP_DMA,
 * VFIO_IOMMU_UNMAP_DMA, VFIO_IOMMU_DIRTY_PAGES] Invariants and threads: vfio/group.h.
 *
 * The first version of type 1, which forgets pages at an unmap of less than was mapped, does as well: whole maps are unmapped.
 */
#include "vfio/group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

#define DIRTY_PAGE 4096ULL

/* --- one container's maps --- */

static int map_in(const struct container *c, const struct map *m)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg), .flags = VFIO_DMA_MAP_FLAG_READ | (m->writable ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)m->hva, .iova = m->iova, .size = m->size,
	};

	return vfio_sys_ioctl(c->fd, VFIO_IOMMU_MAP_DMA, &arg);
}

static int unmap_in(const struct container *c, const struct map *m)
{
	struct vfio_iommu_type1_dma_unmap arg = { .argsz = sizeof(arg), .iova = m->iova, .size = m->size };

	return vfio_sys_ioctl(c->fd, VFIO_IOMMU_UNMAP_DMA, &arg);
}

static int dirty_switch(const struct container *c, u32 flag)
{
	struct vfio_iommu_type1_dirty_bitmap arg = { .argsz = sizeof(arg), .flags = flag };

	return vfio_sys_ioctl(c->fd, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

/* --- maps --- */

static void unmap(struct way *way, struct map *m)
{
	struct container *c;
	int r;

	list_for_each(c, &way->containers, node) {
		r = unmap_in(c, m);
		if (r < 0)
			log_warn("vfio", "cannot unmap 0x%llx: %s", (unsigned long long)m->iova, strerror(-r));
	}
	list_del(&m->node);
	free(m->dirty);
	free(m);
}

/* In all containers or in none. */
static int map_one(struct way *way, u64 iova, u64 size, void *hva, bool writable)
{
	struct map *m = calloc(1, sizeof(*m));
	struct container *c, *undo;
	int r = 0;

	if (!m)
		return -ENOMEM;
	*m = (struct map){ .iova = iova, .size = size, .hva = hva, .writable = writable };
	list_for_each(c, &way->containers, node) {
		r = map_in(c, m);
		if (r < 0)
			break;
	}
	if (r < 0) {
		for (undo = list_entry(way->containers.next, struct container, node); undo != c;
		     undo = list_entry(undo->node.next, struct container, node))
			unmap_in(undo, m);
		free(m);
		return r;
	}
	list_add_tail(&way->maps, &m->node);
	return 0;
}

/* Those inside [iova, iova+size): they were made from such a range. */
static void unmap_range(struct way *way, u64 iova, u64 size)
{
	struct map *m, *next;

	list_for_each_safe(m, next, &way->maps, node)
		if (m->iova >= iova && m->iova - iova < size)
			unmap(way, m);
}

/* Bytes of memory whose dirty bits the kernel gives in one answer: a power of two. */
static u64 largest_map(const struct vfio_iommu_info *info)
{
	u64 bytes;

	if (!info->dirty || info->dirty_max_bitmap > 1ULL << 40)
		return 1ULL << 62;
	bytes = info->dirty_max_bitmap * 8 * DIRTY_PAGE;
	while (!is_power_of_two(bytes))
		bytes &= bytes - 1;
	return bytes;
}

int vfio_group_dma_map(struct vfio_iommu *iommu, u64 iova, u64 size, void *hva, bool writable)
{
	struct way *way = way_of(iommu);
	u64 done = 0, len, most = largest_map(&iommu->info);
	int r = 0;

	pthread_mutex_lock(&way->lock);
	for (; !r && done < size; done += len) {
		len = MIN(size - done, most - (iova + done) % most);
		r = map_one(way, iova + done, len, (char *)hva + done, writable);
		if (r < 0)
			unmap_range(way, iova, done);
	}
	pthread_mutex_unlock(&way->lock);
	return r;
}

int vfio_group_dma_unmap(struct vfio_iommu *iommu, u64 iova, u64 size)
{
	struct way *way = way_of(iommu);

	pthread_mutex_lock(&way->lock);
	unmap_range(way, iova, size);
	pthread_mutex_unlock(&way->lock);
	return 0;
}

int vfio_group_replay(struct vfio_iommu *iommu, const struct container *c)
{
	struct way *way = way_of(iommu);
	struct map *m;
	int r = 0;

	pthread_mutex_lock(&way->lock);
	list_for_each(m, &way->maps, node) {
		r = map_in(c, m);
		if (r < 0)
			break;
	}
	pthread_mutex_unlock(&way->lock);
	if (r >= 0 && iommu->tracking)
		r = dirty_switch(c, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
	return r < 0 ? r : 0;
}

/* --- dirty pages --- */

static void stop_all(struct way *way)
{
	struct container *c;
	struct map *m;

	list_for_each(c, &way->containers, node)
		dirty_switch(c, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
	pthread_mutex_lock(&way->lock);
	list_for_each(m, &way->maps, node) {
		free(m->dirty);
		m->dirty = NULL;
	}
	pthread_mutex_unlock(&way->lock);
}

int vfio_group_dirty_start(struct vfio_iommu *iommu)
{
	struct way *way = way_of(iommu);
	struct container *c;
	int r;

	if (!iommu->info.dirty)
		return -EOPNOTSUPP;
	list_for_each(c, &way->containers, node) {
		r = dirty_switch(c, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
		if (r < 0) {
			stop_all(way);
			return r;
		}
	}
	iommu->tracking = true;
	return 0;
}

void vfio_group_dirty_stop(struct vfio_iommu *iommu)
{
	if (iommu->tracking)
		stop_all(way_of(iommu));
	iommu->tracking = false;
}

static size_t bitmap_words(u64 bits)
{
	return (size_t)((bits + 63) / 64);
}

static bool test_bit(const u64 *bits, u64 nr)
{
	return bits[nr / 64] >> nr % 64 & 1;
}

/* The kernel's bitmap has a bit per @page bytes, ours one per DIRTY_PAGE. */
static void merge(u64 *dst, const u64 *src, u64 size, u64 page)
{
	u64 i, k, per = page / DIRTY_PAGE, bits = size / page;

	if (per == 1) {
		for (i = 0; i < bitmap_words(bits); i++)
			dst[i] |= src[i];
		return;
	}
	for (i = 0; i < bits; i++)
		for (k = i * per; test_bit(src, i) && k < (i + 1) * per; k++)
			dst[k / 64] |= 1ULL << k % 64;
}

/* What container @c has logged for @m since it was asked last, into m->dirty. */
static int fetch(const struct container *c, struct map *m)
{
	u64 page = c->info.dirty_page_sizes & -c->info.dirty_page_sizes;	/* it knows only the smallest */
	struct {
		u32 argsz, flags;	/* struct vfio_iommu_type1_dirty_bitmap */
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = { .argsz = sizeof(arg), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP };
	AUTO_FREE u64 *bits = NULL;
	int r;

	if (page < DIRTY_PAGE || !is_aligned(m->size, page))
		return -EINVAL;
	bits = calloc(bitmap_words(m->size / page), sizeof(u64));
	if (!bits)
		return -ENOMEM;
	arg.get.iova = m->iova;
	arg.get.size = m->size;
	arg.get.bitmap.pgsize = page;
	arg.get.bitmap.size = bitmap_words(m->size / page) * sizeof(u64);
	arg.get.bitmap.data = (void *)bits;
	r = vfio_sys_ioctl(c->fd, VFIO_IOMMU_DIRTY_PAGES, &arg);
	if (r < 0)
		return r;
	merge(m->dirty, bits, m->size, page);
	return 0;
}

/* Moves the bits of [iova, iova+size), which is inside @m, to @dst from bit @at on. */
static void hand_over(struct map *m, u64 iova, u64 size, u64 *dst, u64 at)
{
	u64 first = (iova - m->iova) / DIRTY_PAGE, i, n = size / DIRTY_PAGE;

	for (i = 0; i < n; i++) {
		u64 from = first + i, to = at + i;

		/* A word of the bitmap at a time where there is nothing. */
		if (from % 64 == 0 && n - i >= 64 && !m->dirty[from / 64]) {
			i += 63;
			continue;
		}
		if (test_bit(m->dirty, from)) {
			m->dirty[from / 64] &= ~(1ULL << from % 64);
			dst[to / 64] |= 1ULL << to % 64;
		}
	}
}

static int read_map(struct way *way, struct map *m, u64 iova, u64 size, u64 *bitmap)
{
	u64 start = MAX(iova, m->iova), end = MIN(iova + size, m->iova + m->size);
	struct container *c;
	int r;

	if (start >= end)
		return 0;
	if (!m->dirty)
		m->dirty = calloc(bitmap_words(m->size / DIRTY_PAGE), sizeof(u64));
	if (!m->dirty)
		return -ENOMEM;
	list_for_each(c, &way->containers, node) {
		r = fetch(c, m);
		if (r < 0)
			return r;
	}
	hand_over(m, start, end - start, bitmap, (start - iova) / DIRTY_PAGE);
	return 0;
}

int vfio_group_dirty_read(struct vfio_iommu *iommu, u64 iova, u64 size, u64 *bitmap)
{
	struct way *way = way_of(iommu);
	struct map *m;
	int r = 0;

	if (!iommu->tracking)
		return -EINVAL;
	if (!is_aligned(iova | size, DIRTY_PAGE) || iova + size < iova)
		return -EINVAL;
	pthread_mutex_lock(&way->lock);
	list_for_each(m, &way->maps, node) {
		r = read_map(way, m, iova, size, bitmap);
		if (r < 0)
			break;
	}
	pthread_mutex_unlock(&way->lock);
	return r;
}
