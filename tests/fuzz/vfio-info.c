/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host's answers about regions and its IOMMU, from arbitrary bytes: refused, or what comes out keeps its promises.
 * links: vfio/info.c util/cleanup.c
 */
#include "tests/fuzz/input.h"
#include "vfio/vfio.h"

static void check_region(const struct vfio_region *r, u64 page)
{
	u64 end = 0;
	unsigned int i;

	MUST(r->nr_areas <= VFIO_AREAS);
	MUST(r->offset + r->size >= r->offset && r->offset + r->size <= INT64_MAX);
	MUST(!r->nr_areas || (r->flags & VFIO_REGION_INFO_FLAG_MMAP && is_aligned(r->offset, page)));
	for (i = 0; i < r->nr_areas; i++) {
		MUST(r->area[i].size && is_aligned(r->area[i].off | r->area[i].size, page));
		MUST(r->area[i].off < r->size && r->area[i].size <= r->size - r->area[i].off);
		MUST(!i || r->area[i].off > end);
		end = r->area[i].off + r->area[i].size;
	}
}

static bool mapped(const struct vfio_iommu_info *info, u64 addr)
{
	unsigned int i;

	for (i = 0; i < info->nr_ranges; i++)
		if (addr >= info->range[i].start && addr <= info->range[i].last)
			return true;
	return !info->nr_ranges;
}

static void check_iommu(const struct vfio_iommu_info *info, u64 start, u64 last)
{
	struct vfio_iova hole;
	unsigned int i;

	MUST(info->nr_ranges <= VFIO_IOVA_RANGES);
	for (i = 0; i < info->nr_ranges; i++) {
		MUST(info->range[i].start <= info->range[i].last);
		MUST(!i || info->range[i].start - 1 > info->range[i - 1].last);
	}
	if (start > last)
		return;
	if (vfio_iommu_hole(info, start, last, &hole)) {
		MUST(hole.start >= start && hole.last <= last && hole.start <= hole.last);
		MUST(!mapped(info, hole.start) && !mapped(info, hole.last));
		MUST(hole.start == start || mapped(info, hole.start - 1));
		MUST(hole.last == last || mapped(info, hole.last + 1));
	} else {
		MUST(mapped(info, start) && mapped(info, last));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { .p = data, .left = size };
	struct vfio_iommu_info info;
	struct vfio_region region;
	u64 kind, start, last;
	u8 *copy;

	kind = take(&in, 1);
	start = take(&in, 8);
	last = take(&in, 8);
	copy = malloc(in.left + 1);	/* of exact size, so that a byte too far is seen */
	MUST(copy);
	if (in.left)
		memcpy(copy, in.p, in.left);
	copy = realloc(copy, MAX(in.left, (size_t)1));
	if (kind & 1) {
		if (!vfio_parse_region_info(copy, in.left, kind & 2 ? 65536 : 4096, &region))
			check_region(&region, kind & 2 ? 65536 : 4096);
	} else if (!vfio_parse_iommu_info(copy, in.left, &info)) {
		check_iommu(&info, start, last);
	}
	free(copy);
	return 0;
}
