/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest addresses: bounds, wraps, ranges side by side.
 * links: memory.c
 */
#include <errno.h>
#include <sys/mman.h>

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

enum { PAGES = 16, PAGE = 4096 };

static struct guest_mem own;
static u8 *block;

/* Two ranges side by side and one apart; memory of our own, filled. */
static void setup_own(bool shared)
{
	block = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED)
		abort();
	memset(block, 7, PAGES * PAGE);
	own = (struct guest_mem){ .host_page = PAGE, .shared = shared };
	if (guest_mem_add(&own, 0x10000, 4 * PAGE, block) < 0 || guest_mem_add(&own, 0x14000, 4 * PAGE, block + 8 * PAGE) < 0 ||
	    guest_mem_add(&own, 0x40000, 4 * PAGE, block + 12 * PAGE) < 0)
		abort();
}

/* Bit n: page n of the block is zero. */
static unsigned int zero_pages(void)
{
	unsigned int i, k, mask = 0;

	for (i = 0; i < PAGES; i++) {
		for (k = 0; k < PAGE && !block[i * PAGE + k]; k++)
			;
		mask |= (unsigned int)(k == PAGE) << i;
	}
	return mask;
}

TEST(discarded_pages_read_zero_and_parts_of_pages_stay)
{
	unsigned int shared;
	u64 done;

	for (shared = 0; shared < 2; shared++) {
		setup_own(shared);
		CHECK_EQ(guest_discard(&own, 0x11000, PAGE, &done), 0);
		CHECK_EQ(done, PAGE);
		CHECK_EQ(zero_pages(), 0x2);
		CHECK_EQ(guest_discard(&own, 0x12001, 2 * PAGE, &done), 0);
		CHECK_EQ(done, PAGE);
		CHECK_EQ(zero_pages(), 0xa);
		CHECK_EQ(guest_discard(&own, 0x40001, PAGE - 1, &done), 0);
		CHECK_EQ(done, 0);
		CHECK_EQ(guest_discard(&own, 0x13000, 3 * PAGE, &done), 0);	/* from one range into the next */
		CHECK_EQ(done, 3 * PAGE);
		CHECK_EQ(zero_pages(), 0x30a);
		munmap(block, PAGES * PAGE);
	}
}

TEST(discard_is_whole_or_nothing_outside_ram)
{
	u64 done = 9;

	setup_own(false);
	CHECK(guest_is_ram(&own, 0x10000, 8 * PAGE));
	CHECK(!guest_is_ram(&own, 0x10000, 8 * PAGE + 1));
	CHECK(!guest_is_ram(&own, ~0ULL, 2));
	CHECK_EQ(guest_discard(&own, 0x17000, 2 * PAGE, &done), -EFAULT);
	CHECK_EQ(done, 0);
	CHECK_EQ(guest_discard(&own, 0xf000, PAGE, &done), -EFAULT);
	CHECK_EQ(guest_discard(&own, 0x10000, ~0ULL, &done), -EFAULT);
	CHECK_EQ(guest_discard(&own, 0x10000, 0, &done), 0);
	CHECK_EQ(zero_pages(), 0);
	munmap(block, PAGES * PAGE);
}

TEST(discard_takes_a_piece_of_a_vector)
{
	struct iovec iov = { block, 0 };
	u64 done;

	setup_own(false);
	CHECK_EQ(guest_iov(&own, 0x40000, 2 * PAGE, HOST_TO_GUEST, &iov, 1), 1);
	CHECK_EQ(guest_discard_piece(&own, &iov, &done), 0);
	CHECK_EQ(done, 2 * PAGE);
	CHECK_EQ(zero_pages(), 0x3000);
	iov = (struct iovec){ block + 4 * PAGE, PAGE };		/* the gap */
	CHECK_EQ(guest_discard_piece(&own, &iov, &done), -EFAULT);
	iov = (struct iovec){ block + 3 * PAGE, 2 * PAGE };	/* out of a range */
	CHECK_EQ(guest_discard_piece(&own, &iov, &done), -EFAULT);
	CHECK_EQ(zero_pages(), 0x3000);
	munmap(block, PAGES * PAGE);
}

TEST(pinned_memory_is_not_discarded)
{
	struct iovec iov;
	u64 done;

	setup_own(false);
	iov = (struct iovec){ block, PAGE };
	guest_mem_pin(&own);
	guest_mem_pin(&own);
	guest_mem_unpin(&own);
	CHECK_EQ(guest_discard(&own, 0x10000, PAGE, &done), -EBUSY);
	CHECK_EQ(guest_discard_piece(&own, &iov, &done), -EBUSY);
	CHECK_EQ(zero_pages(), 0);
	guest_mem_unpin(&own);
	CHECK_EQ(guest_discard_piece(&own, &iov, &done), 0);
	CHECK_EQ(zero_pages(), 1);
	munmap(block, PAGES * PAGE);
}

TEST(larger_host_pages_go_whole)
{
	u64 done;

	setup_own(false);
	own.host_page = 2 * PAGE;
	/* Three pages, of which two are one of the host's: which ones, the mapping's address says. */
	CHECK_EQ(guest_discard(&own, 0x11000, 3 * PAGE, &done), 0);
	CHECK_EQ(done, 2 * PAGE);
	CHECK_EQ(zero_pages(), (uintptr_t)block % (2 * PAGE) ? 0x6 : 0xc);
	munmap(block, PAGES * PAGE);
}

TEST(discard_that_the_host_refuses_or_does_not_know)
{
	u64 done;

	setup_own(false);
	munmap(block + 13 * PAGE, PAGE);
	CHECK_EQ(guest_discard(&own, 0x41000, PAGE, &done), -ENOMEM);
	CHECK_EQ(done, 0);
	own.host_page = 0;
	CHECK_EQ(guest_discard(&own, 0x10000, PAGE, &done), -EOPNOTSUPP);
	munmap(block, PAGES * PAGE);
}

int main(void)
{
	RUN(ranges_are_sorted_and_disjoint);
	RUN(copies_are_whole_or_nothing);
	RUN(copies_cross_adjacent_ranges);
	RUN(pointers_stay_in_one_range);
	RUN(iov_has_a_piece_a_range);
	RUN(ram_end_and_size);
	RUN(discarded_pages_read_zero_and_parts_of_pages_stay);
	RUN(discard_is_whole_or_nothing_outside_ram);
	RUN(discard_takes_a_piece_of_a_vector);
	RUN(pinned_memory_is_not_discarded);
	RUN(larger_host_pages_go_whole);
	RUN(discard_that_the_host_refuses_or_does_not_know);
	return tap_done();
}
