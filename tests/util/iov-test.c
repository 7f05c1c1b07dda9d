/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory in pieces: copies that begin in the middle, end early or run over; sizes; skipping.
 * links: util/iov.c
 */
#include <string.h>

#include "tests/tap.h"
#include "util/iov.h"

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
	RUN(iovec_copies_and_skips);
	return tap_done();
}
