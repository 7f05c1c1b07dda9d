/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest addresses: bounds, wraps, ranges side by side, iovec helpers.
 * links: memory.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "vmm/memory.h"

static u8 low[0x2000], next[0x1000], high[0x1000];
static struct guest_mem gm;

/* [0x1000, 0x3000) then right after it [0x3000, 0x4000), and one page at the very top. */
static void setup(void)
{
	memset(&gm, 0, sizeof(gm));
	guest_mem_add(&gm, 0x3000, sizeof(next), next);
	guest_mem_add(&gm, 0x1000, sizeof(low), low);
	guest_mem_add(&gm, ~0ULL - 0x1fff, sizeof(high), high);
}

TEST(ranges_are_sorted_and_disjoint)
{
	setup();
	CHECK_EQ(gm.nr, 3);
	CHECK_EQ(gm.ram[0].gpa, 0x1000);
	CHECK_EQ(guest_mem_add(&gm, 0x2fff, 2, low), -EINVAL);
	CHECK_EQ(guest_mem_add(&gm, 0, 0x1001, low), -EINVAL);
	CHECK_EQ(guest_mem_add(&gm, ~0ULL, 2, low), -EINVAL);
	CHECK_EQ(guest_mem_add(&gm, 0x8000, 0, low), -EINVAL);
	CHECK_EQ(guest_mem_add(&gm, 0x8000, 1, low), 0);
	CHECK_EQ(guest_mem_add(&gm, 0x9000, 1, low), -ENOSPC);
}

TEST(copies_are_whole_or_nothing)
{
	u8 buf[0x40] = { 1, 2, 3 };

	setup();
	memset(low, 0, sizeof(low));
	CHECK_EQ(guest_write(&gm, 0x1000, buf, 3), 0);
	CHECK_EQ(low[2], 3);
	CHECK_EQ(guest_write(&gm, 0xfff, buf, 3), -EFAULT);
	CHECK_EQ(guest_write(&gm, 0x3ff0, buf, 0x11), -EFAULT);
	CHECK_EQ(next[0xff0], 0);
	CHECK_EQ(guest_read(&gm, ~0ULL - 0xfff, buf, 1), -EFAULT);
	CHECK_EQ(guest_read(&gm, ~0ULL - 0x1000, buf, 2), -EFAULT);
	CHECK_EQ(guest_read(&gm, ~0ULL - 0xf, buf, 0x20), -EFAULT);
}

TEST(copies_cross_adjacent_ranges)
{
	u8 in[4] = { 1, 2, 3, 4 }, out[4] = { 0 };

	setup();
	CHECK_EQ(guest_write(&gm, 0x2ffe, in, 4), 0);
	CHECK_EQ(low[0x1fff], 2);
	CHECK_EQ(next[0], 3);
	CHECK_EQ(guest_read(&gm, 0x2ffe, out, 4), 0);
	CHECK(!memcmp(in, out, 4));
	CHECK_EQ(guest_fill(&gm, 0x2fff, 9, 2), 0);
	CHECK_EQ(low[0x1fff], 9);
	CHECK_EQ(next[0], 9);
	CHECK_EQ(guest_fill(&gm, 0x3fff, 9, 2), -EFAULT);
}

TEST(pointers_stay_in_one_range)
{
	setup();
	CHECK(guest_ptr(&gm, 0x1000, 0x2000) == low);
	CHECK(!guest_ptr(&gm, 0x1000, 0x2001));
	CHECK(!guest_ptr(&gm, 0x1000, ~0ULL));
	CHECK(!guest_ptr(&gm, 0x1000, 0));
	CHECK(!guest_ptr(&gm, 0, 1));
}

TEST(iov_has_a_piece_a_range)
{
	struct iovec iov[2];

	setup();
	CHECK_EQ(guest_iov(&gm, 0x2000, 0x2000, GUEST_TO_HOST, iov, 2), 2);
	CHECK(iov[0].iov_base == low + 0x1000 && iov[0].iov_len == 0x1000);
	CHECK(iov[1].iov_base == next && iov[1].iov_len == 0x1000);
	CHECK_EQ(guest_iov(&gm, 0x2000, 0x2000, GUEST_TO_HOST, iov, 1), -E2BIG);
	CHECK_EQ(guest_iov(&gm, 0x2000, 0x2001, GUEST_TO_HOST, iov, 2), -EFAULT);
	CHECK_EQ(guest_iov(&gm, 0x2000, 0, GUEST_TO_HOST, iov, 2), -EINVAL);
	CHECK_EQ(guest_iov(&gm, 0x2000, ~0ULL, GUEST_TO_HOST, iov, 2), -EFAULT);
}

TEST(ram_end_and_size)
{
	setup();
	CHECK_EQ(guest_ram_end(&gm, 1ULL << 32), 0x4000);
	CHECK_EQ(guest_ram_end(&gm, 0x2000), 0x2000);
	CHECK_EQ(guest_ram_end(&gm, 0x1000), 0);
	CHECK_EQ(guest_ram_size(&gm), 0x4000);
}

TEST(iovec_copies_and_skips)
{
	u8 a[3] = "ab", b[4] = "cde", buf[8] = { 0 };
	struct iovec iov[2] = { { a, 2 }, { b, 3 } };

	CHECK_EQ(iov_size(iov, 2), 5);
	CHECK_EQ(iov_to_buf(iov, 2, 1, buf, 8), 4);
	CHECK_STR((char *)buf, "bcde");
	CHECK_EQ(iov_from_buf(iov, 2, 1, "XY", 2), 2);
	CHECK_EQ(a[1], 'X');
	CHECK_EQ(b[0], 'Y');
	CHECK_EQ(iov_to_buf(iov, 2, 5, buf, 8), 0);
	CHECK_EQ(iov_skip(iov, 2, 3), 1);
	CHECK(iov[0].iov_base == b + 1 && iov[0].iov_len == 2);
	CHECK_EQ(iov_skip(iov, 1, 2), 0);
}

int main(void)
{
	RUN(ranges_are_sorted_and_disjoint);
	RUN(copies_are_whole_or_nothing);
	RUN(copies_cross_adjacent_ranges);
	RUN(pointers_stay_in_one_range);
	RUN(iov_has_a_piece_a_range);
	RUN(ram_end_and_size);
	RUN(iovec_copies_and_skips);
	return tap_done();
}
