/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The queue of frames, round its end, full and cut off.
 * links: net/frames.c
 */
#include "tests/tap.h"

#include "net/frames.h"

static struct frames f;
static u8 in[256], out[256];

static size_t pop(size_t zeroes, size_t a, size_t b)
{
	struct iovec iov[2] = { { out, a }, { out + a, b } };

	memset(out, 0xee, sizeof(out));
	return frames_pop(&f, zeroes, iov, 2);
}

TEST(frames_come_out_as_they_went_in_round_the_end)
{
	unsigned int i, k;

	CHECK_EQ(frames_init(&f, 64), 0);
	for (i = 0; i < 500; i++) {
		for (k = 0; k < i % 27; k++)
			in[k] = (u8)(i + k);
		CHECK(frames_push(&f, in, i % 27));
		CHECK(frames_push(&f, "tail", 4));
		CHECK_EQ(f.nr, 2);
		CHECK_EQ(pop(3, 2, 100), 3 + i % 27);
		CHECK(!out[0] && !out[1] && !out[2]);
		CHECK(!memcmp(out + 3, in, i % 27));
		CHECK_EQ(pop(0, 100, 0), 4);
		CHECK(!memcmp(out, "tail", 4));
		CHECK_EQ(f.used, 0);
	}
	frames_free(&f);
}

TEST(full_queue_takes_no_more)
{
	CHECK_EQ(frames_init(&f, 64), 0);
	CHECK(!frames_push(&f, in, 61));	/* never */
	CHECK(!frames_push(&f, in, (size_t)-1));
	CHECK(frames_push(&f, in, 30));
	CHECK(!frames_push(&f, in, 27));
	CHECK(frames_push(&f, in, 26));		/* to the last byte */
	CHECK(!frames_push(&f, in, 0));
	CHECK_EQ(f.used, 64);
	CHECK_EQ(pop(0, 100, 0), 30);
	CHECK(frames_push(&f, in, 30));
	frames_free(&f);
	frames_free(&f);
}

TEST(what_does_not_fit_is_cut_off)
{
	CHECK_EQ(frames_init(&f, 64), 0);
	CHECK(frames_push(&f, "0123456789", 10));
	CHECK(frames_push(&f, "next", 4));
	CHECK_EQ(pop(12, 10, 5), 15);
	CHECK(!memcmp(out + 12, "012\xee", 4));
	CHECK_EQ(pop(2, 1, 0), 1);
	CHECK_EQ(out[1], 0xee);
	CHECK_EQ(f.nr, 0);
	CHECK_EQ(f.used, 0);
	frames_free(&f);
}

int main(void)
{
	RUN(frames_come_out_as_they_went_in_round_the_end);
	RUN(full_queue_takes_no_more);
	RUN(what_does_not_fit_is_cut_off);
	return tap_done();
}
