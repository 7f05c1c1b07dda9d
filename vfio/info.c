/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's answers about a region and about the IOMMU: a fixed part, and behind it a chain of capabilities, each with the offset of the
 * next. [include/uapi/linux/vfio.h: VFIO_DEVICE_GET_REGION_INFO, VFIO_IOMMU_GET_INFO, struct vfio_info_cap_header]
 *
 * Pure functions on a copy: nothing in it is believed before it was measured against the answer's length. What more areas or ranges there
 * are than we have room for is left out, which is safe: it is trapped, or not mapped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vfio/vfio.h"

struct answer {
	const u8 *p;
	size_t len;	/* no byte behind is the answer's */
};

/* @size bytes at @off, or false. */
static bool get(const struct answer *a, u64 off, void *ret, size_t size)
{
	if (off > a->len || size > a->len - off)
		return false;
	memcpy(ret, a->p + off, size);
	return true;
}

/* Calls @each for all of the chain that begins at @off; stops at its first -errno. */
static int walk(const struct answer *a, u64 off, size_t fixed, int (*each)(const struct answer *a, u64 off, u16 id, void *arg), void *arg)
{
	size_t left = a->len / sizeof(struct vfio_info_cap_header);	/* more than these do not fit: a loop */
	struct vfio_info_cap_header h;
	int r;

	for (; off; off = h.next) {
		if (!left-- || off < fixed || !get(a, off, &h, sizeof(h)))
			return -EINVAL;
		r = each(a, off, h.id, arg);
		if (r < 0)
			return r;
	}
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct vfio_iova *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorts @nr pieces; those that overlap or touch become one. Gives how many are left. */
static unsigned int join(struct vfio_iova *v, unsigned int nr)
{
	unsigned int i, n = 0;

	qsort(v, nr, sizeof(*v), by_start);
	for (i = 1; i < nr; i++) {
		if (v[n].last == ~0ULL || v[i].start <= v[n].last + 1)
			v[n].last = MAX(v[n].last, v[i].last);
		else
			v[++n] = v[i];
	}
	return nr ? n + 1 : 0;
}

/* --- regions --- */

struct region_caps {
	struct vfio_region *region;
	u64 page;
	bool sparse;	/* there was such a capability */
};

/* The whole pages of [off, off+size), which is inside the region; false: none. */
static bool whole_pages(u64 off, u64 size, u64 page, struct vfio_iova *ret)
{
	u64 start = align_up(off, page), end = align_down(off + size, page);

	if (start >= end)
		return false;
	*ret = (struct vfio_iova){ .start = start, .last = end - 1 };
	return true;
}

static void set_areas(struct vfio_region *r, struct vfio_iova *v, unsigned int nr)
{
	unsigned int i;

	nr = MIN(join(v, nr), (unsigned int)VFIO_AREAS);
	for (i = 0; i < nr; i++)
		r->area[i] = (struct vfio_area){ .off = v[i].start, .size = v[i].last - v[i].start + 1 };
	r->nr_areas = nr;
}

static int sparse_cap(const struct answer *a, u64 off, struct region_caps *c)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area area;
	struct vfio_region *r = c->region;
	unsigned int i, n = 0;
	AUTO_FREE struct vfio_iova *v = NULL;

	if (c->sparse || !get(a, off, &cap, sizeof(cap)))
		return -EINVAL;
	c->sparse = true;
	if (cap.nr_areas > a->len / sizeof(area))
		return -EINVAL;
	v = calloc(cap.nr_areas + 1UL, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (i = 0; i < cap.nr_areas; i++) {
		if (!get(a, off + sizeof(cap) + i * sizeof(area), &area, sizeof(area)))
			return -EINVAL;
		if (area.offset > r->size || area.size > r->size - area.offset)
			return -EINVAL;
		if (whole_pages(area.offset, area.size, c->page, &v[n]))
			n++;
	}
	set_areas(r, v, n);
	return 0;
}

static int region_cap(const struct answer *a, u64 off, u16 id, void *arg)
{
	struct vfio_region_info_cap_type type;
	struct region_caps *c = arg;

	switch (id) {
	case VFIO_REGION_INFO_CAP_SPARSE_MMAP:
		return sparse_cap(a, off, c);
	case VFIO_REGION_INFO_CAP_TYPE:
		if (!get(a, off, &type, sizeof(type)))
			return -EINVAL;
		c->region->type = type.type;
		c->region->subtype = type.subtype;
		return 0;
	}
	return 0;	/* MSIX_MAPPABLE: the table is ours and traps; or of a newer kernel */
}

int vfio_parse_region_info(const void *buf, size_t len, u64 page, struct vfio_region *ret)
{
	struct vfio_region region = { 0 };
	struct region_caps caps = { .region = &region, .page = page };
	struct answer a = { .p = buf, .len = len };
	struct vfio_region_info info;
	struct vfio_iova all;
	int r;

	if (!get(&a, 0, &info, sizeof(info)) || info.argsz < sizeof(info))
		return -EINVAL;
	a.len = MIN(len, (size_t)info.argsz);
	/* Offsets of a file are signed. */
	if (info.offset > INT64_MAX || info.size > INT64_MAX - info.offset)
		return -EINVAL;
	region.index = info.index;
	region.flags = info.flags;
	region.size = info.size;
	region.offset = info.offset;
	r = info.flags & VFIO_REGION_INFO_FLAG_CAPS ? walk(&a, info.cap_offset, sizeof(info), region_cap, &caps) : 0;
	if (r < 0)
		return r;
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || !is_aligned(info.offset, page))
		region.nr_areas = 0;
	else if (!caps.sparse && whole_pages(0, info.size, page, &all))
		set_areas(&region, &all, 1);
	*ret = region;
	return 0;
}

/* --- the IOMMU --- */

static int iova_cap(const struct answer *a, u64 off, struct vfio_iommu_info *info)
{
	struct vfio_iommu_type1_info_cap_iova_range cap;
	AUTO_FREE struct vfio_iova *v = NULL;
	unsigned int i;

	if (info->nr_ranges || !get(a, off, &cap, sizeof(cap)))
		return -EINVAL;
	if (!cap.nr_iovas || cap.nr_iovas > a->len / sizeof(*v))
		return -EINVAL;
	v = calloc(cap.nr_iovas, sizeof(*v));
	if (!v)
		return -ENOMEM;
	if (!get(a, off + sizeof(cap), v, cap.nr_iovas * sizeof(*v)))
		return -EINVAL;
	for (i = 0; i < cap.nr_iovas; i++)
		if (v[i].start > v[i].last)
			return -EINVAL;
	vfio_iommu_set_ranges(info, v, cap.nr_iovas);
	return 0;
}

static int migration_cap(const struct answer *a, u64 off, struct vfio_iommu_info *info)
{
	struct vfio_iommu_type1_info_cap_migration cap;

	if (!get(a, off, &cap, sizeof(cap)))
		return -EINVAL;
	info->dirty_page_sizes = cap.pgsize_bitmap;
	info->dirty_max_bitmap = cap.max_dirty_bitmap_size;
	info->dirty = cap.pgsize_bitmap && cap.max_dirty_bitmap_size >= sizeof(u64);
	return 0;
}

static int iommu_cap(const struct answer *a, u64 off, u16 id, void *arg)
{
	struct vfio_iommu_info *info = arg;

	switch (id) {
	case VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE:
		return iova_cap(a, off, info);
	case VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION:
		return migration_cap(a, off, info);
	}
	return 0;	/* DMA_AVAIL: far more maps than a VM makes; or of a newer kernel */
}

void vfio_iommu_set_ranges(struct vfio_iommu_info *info, struct vfio_iova *v, unsigned int nr)
{
	info->nr_ranges = MIN(join(v, nr), (unsigned int)VFIO_IOVA_RANGES);
	memcpy(info->range, v, info->nr_ranges * sizeof(*v));
}

int vfio_parse_iommu_info(const void *buf, size_t len, struct vfio_iommu_info *ret)
{
	/* What Linux had before there were capabilities. */
	const size_t least = offsetof(struct vfio_iommu_type1_info, cap_offset);
	struct answer a = { .p = buf, .len = len };
	struct vfio_iommu_type1_info info = { 0 };
	struct vfio_iommu_info got = { 0 };
	int r;

	if (!get(&a, 0, &info, least) || info.argsz < least)
		return -EINVAL;
	a.len = MIN(len, (size_t)info.argsz);
	if (info.flags & VFIO_IOMMU_INFO_PGSIZES)
		got.page_sizes = info.iova_pgsizes;
	if (info.flags & VFIO_IOMMU_INFO_CAPS) {
		if (!get(&a, least, &info.cap_offset, sizeof(info.cap_offset)))
			return -EINVAL;
		r = walk(&a, info.cap_offset, least + sizeof(info.cap_offset), iommu_cap, &got);
		if (r < 0)
			return r;
	}
	*ret = got;
	return 0;
}

static bool in_range(const struct vfio_iommu_info *info, u64 addr, const struct vfio_iova **ret)
{
	unsigned int i;

	*ret = NULL;
	for (i = 0; i < info->nr_ranges && info->range[i].start <= addr; i++)
		*ret = &info->range[i];
	return *ret && addr <= (*ret)->last;
}

bool vfio_iommu_hole(const struct vfio_iommu_info *info, u64 start, u64 last, struct vfio_iova *ret)
{
	const struct vfio_iova *r;

	if (!info->nr_ranges)
		return false;
	if (in_range(info, start, &r)) {
		if (last <= r->last)
			return false;
		start = r->last + 1;
	}
	/* From there to the next range that may be mapped: ranges do not touch. */
	r = r ? r + 1 : info->range;
	if (r < info->range + info->nr_ranges)
		last = MIN(last, r->start - 1);
	*ret = (struct vfio_iova){ .start = start, .last = last };
	return true;
}
