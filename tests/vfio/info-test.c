/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's answers as chains of capabilities: what is right is understood, what is not is refused, and nothing behind the answer is read.
 * links: vfio/info.c util/cleanup.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "vfio/vfio.h"

enum { PAGE = 4096 };

/* An answer on the heap, of its exact length, so that a byte too far is seen. */
static u8 raw[4096];
static size_t len;

static void put(size_t at, u64 v, unsigned int size)
{
	memcpy(raw + at, &v, size);
	len = MAX(len, at + size);
}

static void region(u32 flags, u64 size, u64 offset)
{
	struct vfio_region_info info = { .flags = flags, .index = 2, .size = size, .offset = offset };

	memset(raw, 0, sizeof(raw));
	memcpy(raw, &info, sizeof(info));
	len = sizeof(info);
}

static u32 cap(u16 id, u32 next, size_t at)
{
	put(at, id, 2);
	put(at + 2, 1, 2);
	put(at + 4, next, 4);
	return (u32)at;
}

enum { RW = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE, MMAP = VFIO_REGION_INFO_FLAG_MMAP, CAPS = VFIO_REGION_INFO_FLAG_CAPS };

static struct vfio_region r;

static int parse(void)
{
	u8 *copy;
	int rc;

	put(0, len, 4);		/* argsz */
	put(offsetof(struct vfio_region_info, cap_offset), raw[4] & CAPS ? 32 : 0, 4);
	copy = malloc(len);
	memcpy(copy, raw, len);
	memset(&r, 0xee, sizeof(r));
	rc = vfio_parse_region_info(copy, len, PAGE, &r);
	free(copy);
	return rc;
}

static void sparse(unsigned int nr, const u64 (*area)[2])
{
	unsigned int i;

	region(RW | MMAP | CAPS, 0x10000, 0x20000);
	cap(VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0, 32);
	put(40, nr, 4);
	put(44, 0, 4);
	for (i = 0; i < nr; i++) {
		put(48 + 16 * i, area[i][0], 8);
		put(56 + 16 * i, area[i][1], 8);
	}
}

TEST(region_that_maps_is_one_area)
{
	region(RW | MMAP, 0x4000, 0x20000);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.index, 2);
	CHECK_EQ(r.flags, RW | MMAP);
	CHECK_EQ(r.size, 0x4000);
	CHECK_EQ(r.offset, 0x20000);
	CHECK_EQ(r.nr_areas, 1);
	CHECK_EQ(r.area[0].off, 0);
	CHECK_EQ(r.area[0].size, 0x4000);
	CHECK_EQ(r.type, 0);
}

TEST(region_that_does_not_map_has_no_area)
{
	region(RW, 0x4000, 0x20000);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, 0);
	region(RW | MMAP, 0x100, 0x20000);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, 0);
	region(RW | MMAP, 0x4000, 0x20100);	/* cannot be mapped at its offset */
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, 0);
	region(RW | MMAP, 0, 0);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, 0);
}

TEST(end_of_a_region_that_is_no_whole_page_is_left_out)
{
	region(RW | MMAP, 0x4100, 0x20000);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, 1);
	CHECK_EQ(r.area[0].size, 0x4000);
}

TEST(sparse_areas_are_sorted_trimmed_and_joined)
{
	static const u64 area[][2] = { { 0x8000, 0x1000 }, { 0x100, 0x2f00 }, { 0x2000, 0x2000 }, { 0x9000, 0x800 }, { 0xf000, 0x1000 }, { 5, 0 } };

	sparse(6, area);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, 3);
	CHECK_EQ(r.area[0].off, 0x1000);
	CHECK_EQ(r.area[0].size, 0x3000);
	CHECK_EQ(r.area[1].off, 0x8000);
	CHECK_EQ(r.area[1].size, 0x1000);
	CHECK_EQ(r.area[2].off, 0xf000);
	CHECK_EQ(r.area[2].size, 0x1000);
}

TEST(no_sparse_area_is_nothing_to_map)
{
	sparse(0, NULL);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, 0);
}

TEST(sparse_areas_mean_nothing_without_mmap)
{
	static const u64 area[][2] = { { 0, 0x1000 } };

	sparse(1, area);
	put(4, RW | CAPS, 4);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, 0);
}

TEST(area_outside_its_region_is_refused)
{
	static const u64 area[][1][2] = { { { 0xf000, 0x1001 } }, { { 0x10001, 0 } }, { { ~0ULL, 0x1000 } }, { { 0x1000, ~0ULL } } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(area); i++) {
		sparse(1, area[i]);
		CHECK_EQ(parse(), -EINVAL);
	}
}

TEST(more_areas_than_the_answer_holds_are_refused)
{
	static const u64 area[][2] = { { 0, 0x1000 }, { 0x2000, 0x1000 } };

	sparse(2, area);
	put(40, 3, 4);
	CHECK_EQ(parse(), -EINVAL);
	put(40, 0xffffffff, 4);
	CHECK_EQ(parse(), -EINVAL);
	sparse(0, NULL);
	len = 40;	/* the capability itself is cut */
	CHECK_EQ(parse(), -EINVAL);
}

TEST(areas_beyond_our_room_are_left_out)
{
	static u64 area[VFIO_AREAS + 8][2];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(area); i++) {
		area[i][0] = i * 0x2000;
		area[i][1] = 0x1000;
	}
	sparse(ARRAY_SIZE(area), (const u64 (*)[2])area);
	put(offsetof(struct vfio_region_info, size), 0x100000, 8);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.nr_areas, VFIO_AREAS);
	CHECK_EQ(r.area[VFIO_AREAS - 1].off, (VFIO_AREAS - 1) * 0x2000);
}

TEST(type_is_understood_and_the_unknown_is_skipped)
{
	region(RW | CAPS, 0x1000, 0x20000);
	cap(99, 48, 32);
	cap(VFIO_REGION_INFO_CAP_TYPE, 64, 48);
	put(56, VFIO_REGION_TYPE_MIGRATION_DEPRECATED, 4);
	put(60, 1, 4);
	cap(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 0, 64);
	CHECK_EQ(parse(), 0);
	CHECK_EQ(r.type, VFIO_REGION_TYPE_MIGRATION_DEPRECATED);
	CHECK_EQ(r.subtype, 1);
}

TEST(cut_type_capability_is_refused)
{
	region(RW | CAPS, 0x1000, 0x20000);
	cap(VFIO_REGION_INFO_CAP_TYPE, 0, 32);
	CHECK_EQ(parse(), -EINVAL);
}

TEST(loop_of_capabilities_is_refused)
{
	region(RW | CAPS, 0x1000, 0x20000);
	cap(99, 40, 32);
	cap(99, 32, 40);
	CHECK_EQ(parse(), -EINVAL);
	region(RW | CAPS, 0x1000, 0x20000);
	cap(99, 32, 32);
	CHECK_EQ(parse(), -EINVAL);
}

TEST(capability_outside_the_answer_is_refused)
{
	static const u32 next[] = { 41, 48, 0x1000, 0xffffffff, 8, 31 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(next); i++) {
		region(RW | CAPS, 0x1000, 0x20000);
		cap(99, next[i], 32);
		CHECK_EQ(parse(), -EINVAL);
	}
}

TEST(second_sparse_capability_is_refused)
{
	region(RW | MMAP | CAPS, 0x1000, 0x20000);
	cap(VFIO_REGION_INFO_CAP_SPARSE_MMAP, 48, 32);
	put(40, 0, 8);
	cap(VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0, 48);
	put(56, 0, 8);
	CHECK_EQ(parse(), -EINVAL);
}

TEST(short_answers_are_refused)
{
	u8 *copy = malloc(32);
	size_t n;

	region(RW, 0x1000, 0x20000);
	put(0, 32, 4);
	memcpy(copy, raw, 32);
	for (n = 0; n < 32; n++) {
		u8 *cut = malloc(n + 1);

		memcpy(cut, raw, n);
		CHECK_EQ(vfio_parse_region_info(cut, n, PAGE, &r), -EINVAL);
		free(cut);
	}
	copy[0] = 31;	/* argsz */
	CHECK_EQ(vfio_parse_region_info(copy, 32, PAGE, &r), -EINVAL);
	free(copy);
}

TEST(argsz_bounds_the_capabilities)
{
	region(RW | CAPS, 0x1000, 0x20000);
	cap(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 0, 32);
	CHECK_EQ(parse(), 0);
	put(0, 36, 4);
	CHECK_EQ(vfio_parse_region_info(raw, len, PAGE, &r), -EINVAL);
	put(0, 0xffffffff, 4);		/* more than there is: the room counts */
	CHECK_EQ(vfio_parse_region_info(raw, len, PAGE, &r), 0);
}

TEST(region_past_the_end_of_a_file_is_refused)
{
	region(RW, 0x1000, ~0ULL);
	CHECK_EQ(parse(), -EINVAL);
	region(RW, 0xfff, INT64_MAX - 0xfff);
	CHECK_EQ(parse(), 0);
	region(RW, 0x1000, INT64_MAX - 0xfff);
	CHECK_EQ(parse(), -EINVAL);
	region(RW, ~0ULL, 0x1000);
	CHECK_EQ(parse(), -EINVAL);
}

/* --- the IOMMU --- */

static struct vfio_iommu_info info;

static void iommu(u32 flags)
{
	memset(raw, 0, sizeof(raw));
	len = 0;
	put(4, flags, 4);
	put(8, 0x201000, 8);
	put(16, flags & VFIO_IOMMU_INFO_CAPS ? 24 : 0, 4);
	put(20, 0, 4);
}

static int parse_iommu(void)
{
	u8 *copy;
	int rc;

	put(0, len, 4);
	copy = malloc(len);
	memcpy(copy, raw, len);
	memset(&info, 0xee, sizeof(info));
	rc = vfio_parse_iommu_info(copy, len, &info);
	free(copy);
	return rc;
}

static void ranges(unsigned int nr, const u64 (*range)[2])
{
	unsigned int i;

	iommu(VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
	cap(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 0, 24);
	put(32, nr, 4);
	put(36, 0, 4);
	for (i = 0; i < nr; i++) {
		put(40 + 16 * i, range[i][0], 8);
		put(48 + 16 * i, range[i][1], 8);
	}
}

TEST(iommu_without_capabilities_is_understood)
{
	iommu(VFIO_IOMMU_INFO_PGSIZES);
	CHECK_EQ(parse_iommu(), 0);
	CHECK_EQ(info.page_sizes, 0x201000);
	CHECK_EQ(info.nr_ranges, 0);
	CHECK(!info.dirty);
	len = 16;	/* as before Linux 5.4 */
	CHECK_EQ(parse_iommu(), 0);
	CHECK_EQ(info.page_sizes, 0x201000);
	iommu(0);
	CHECK_EQ(parse_iommu(), 0);
	CHECK_EQ(info.page_sizes, 0);
}

TEST(ranges_are_sorted_and_joined)
{
	static const u64 range[][2] = {
		{ 0xfef00000, 0xffffffffff }, { 0, 0xfff }, { 0x1000, 0x7fff }, { 0x8000, 0xfedfffff }, { 0x4000, 0x4fff }, { ~0ULL - 1, ~0ULL },
	};

	ranges(6, range);
	CHECK_EQ(parse_iommu(), 0);
	CHECK_EQ(info.nr_ranges, 3);
	CHECK_EQ(info.range[0].start, 0);
	CHECK_EQ(info.range[0].last, 0xfedfffff);
	CHECK_EQ(info.range[1].start, 0xfef00000);
	CHECK_EQ(info.range[1].last, 0xffffffffff);
	CHECK_EQ(info.range[2].last, ~0ULL);
}

TEST(all_of_memory_is_a_range)
{
	static const u64 range[][2] = { { 0, ~0ULL }, { 5, 7 } };
	struct vfio_iova hole;

	ranges(2, range);
	CHECK_EQ(parse_iommu(), 0);
	CHECK_EQ(info.nr_ranges, 1);
	CHECK(!vfio_iommu_hole(&info, 0, ~0ULL, &hole));
}

TEST(migration_is_understood_and_the_unknown_is_skipped)
{
	iommu(VFIO_IOMMU_INFO_CAPS);
	cap(VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 56, 24);
	put(40, 0x1000, 8);
	put(48, 1 << 20, 8);
	cap(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 72, 56);
	put(64, 77, 4);
	cap(99, 0, 72);		/* of a newer kernel */
	CHECK_EQ(parse_iommu(), 0);
	CHECK(info.dirty);
	CHECK_EQ(info.dirty_page_sizes, 0x1000);
	CHECK_EQ(info.dirty_max_bitmap, 1 << 20);
	put(48, 7, 8);		/* not one word */
	CHECK_EQ(parse_iommu(), 0);
	CHECK(!info.dirty);
}

TEST(wrong_ranges_are_refused)
{
	static const u64 turned[][2] = { { 5, 4 } };
	static const u64 good[][2] = { { 4, 5 } };

	ranges(1, turned);
	CHECK_EQ(parse_iommu(), -EINVAL);
	ranges(0, NULL);
	CHECK_EQ(parse_iommu(), -EINVAL);
	ranges(1, good);
	put(32, 2, 4);
	CHECK_EQ(parse_iommu(), -EINVAL);
	put(32, 0xffffffff, 4);
	CHECK_EQ(parse_iommu(), -EINVAL);
	ranges(1, good);
	cap(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 24, 24);	/* itself again */
	CHECK_EQ(parse_iommu(), -EINVAL);
	iommu(VFIO_IOMMU_INFO_CAPS);
	cap(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 0, 24);
	CHECK_EQ(parse_iommu(), -EINVAL);
}

TEST(cut_capabilities_of_the_iommu_are_refused)
{
	iommu(VFIO_IOMMU_INFO_CAPS);
	cap(VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 0, 24);
	CHECK_EQ(parse_iommu(), -EINVAL);
	iommu(VFIO_IOMMU_INFO_CAPS);
	len = 16;	/* has capabilities, but no offset of them */
	CHECK_EQ(parse_iommu(), -EINVAL);
	len = 12;
	CHECK_EQ(parse_iommu(), -EINVAL);
	iommu(VFIO_IOMMU_INFO_CAPS);
	put(16, 12, 4);
	CHECK_EQ(parse_iommu(), -EINVAL);
}

TEST(argsz_of_the_iommu_counts)
{
	iommu(VFIO_IOMMU_INFO_PGSIZES);
	put(0, 15, 4);
	CHECK_EQ(vfio_parse_iommu_info(raw, len, &info), -EINVAL);
}

TEST(ranges_beyond_our_room_are_left_out)
{
	static u64 range[VFIO_IOVA_RANGES + 3][2];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(range); i++) {
		range[i][0] = (ARRAY_SIZE(range) - i) * 0x10000;
		range[i][1] = range[i][0] + 0xfff;
	}
	ranges(ARRAY_SIZE(range), (const u64 (*)[2])range);
	CHECK_EQ(parse_iommu(), 0);
	CHECK_EQ(info.nr_ranges, VFIO_IOVA_RANGES);
	CHECK_EQ(info.range[0].start, 0x10000);
}

TEST(holes_are_found)
{
	static const u64 range[][2] = { { 0x1000, 0xfedfffff }, { 0xfef00000, 0xffffffffff } };
	struct vfio_iova hole;

	ranges(2, range);
	CHECK_EQ(parse_iommu(), 0);
	CHECK(!vfio_iommu_hole(&info, 0x1000, 0xfedfffff, &hole));
	CHECK(!vfio_iommu_hole(&info, 0xfef00000, 0xffffffffff, &hole));
	CHECK(vfio_iommu_hole(&info, 0, 0x1fff, &hole));
	CHECK_EQ(hole.start, 0);
	CHECK_EQ(hole.last, 0xfff);
	CHECK(vfio_iommu_hole(&info, 0, 0x7ff, &hole));
	CHECK_EQ(hole.last, 0x7ff);
	CHECK(vfio_iommu_hole(&info, 0x2000, 0x1ffffffff, &hole));
	CHECK_EQ(hole.start, 0xfee00000);
	CHECK_EQ(hole.last, 0xfeefffff);
	CHECK(vfio_iommu_hole(&info, 0xfee80000, 0xfee80fff, &hole));
	CHECK_EQ(hole.start, 0xfee80000);
	CHECK_EQ(hole.last, 0xfee80fff);
	CHECK(vfio_iommu_hole(&info, 0xfffffff000, 0x10000000fff, &hole));
	CHECK_EQ(hole.start, 0x10000000000);
	CHECK_EQ(hole.last, 0x10000000fff);
	CHECK(vfio_iommu_hole(&info, ~0ULL, ~0ULL, &hole));
	info.nr_ranges = 0;
	CHECK(!vfio_iommu_hole(&info, 0, ~0ULL, &hole));
}

int main(void)
{
	RUN(region_that_maps_is_one_area);
	RUN(region_that_does_not_map_has_no_area);
	RUN(end_of_a_region_that_is_no_whole_page_is_left_out);
	RUN(sparse_areas_are_sorted_trimmed_and_joined);
	RUN(no_sparse_area_is_nothing_to_map);
	RUN(sparse_areas_mean_nothing_without_mmap);
	RUN(area_outside_its_region_is_refused);
	RUN(more_areas_than_the_answer_holds_are_refused);
	RUN(areas_beyond_our_room_are_left_out);
	RUN(type_is_understood_and_the_unknown_is_skipped);
	RUN(cut_type_capability_is_refused);
	RUN(loop_of_capabilities_is_refused);
	RUN(capability_outside_the_answer_is_refused);
	RUN(second_sparse_capability_is_refused);
	RUN(short_answers_are_refused);
	RUN(argsz_bounds_the_capabilities);
	RUN(region_past_the_end_of_a_file_is_refused);
	RUN(iommu_without_capabilities_is_understood);
	RUN(ranges_are_sorted_and_joined);
	RUN(all_of_memory_is_a_range);
	RUN(migration_is_understood_and_the_unknown_is_skipped);
	RUN(wrong_ranges_are_refused);
	RUN(cut_capabilities_of_the_iommu_are_refused);
	RUN(argsz_of_the_iommu_counts);
	RUN(ranges_beyond_our_room_are_left_out);
	RUN(holes_are_found);
	return tap_done();
}
