/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * links: util/decompress.c
 */
#include "util/decompress.h"

#include <errno.h>

#include "tests/tap.h"
#include "tests/util/pack.h"

enum { DATA = 700 * 1024 };

struct source {
	const u8 *p;
	size_t len;
	size_t chunk;		/* most bytes a call gives */
	int fail;		/* -errno that reading past the end gives; 0: the end */
};

static ssize_t source_read(void *arg, void *buf, size_t len, u64 off)
{
	struct source *s = arg;

	if (s->fail && off >= s->len)
		return s->fail;
	if (off >= s->len)
		return 0;
	len = MIN(len, s->chunk);
	len = MIN(len, (size_t)(s->len - off));
	memcpy(buf, s->p + off, len);
	return (ssize_t)len;
}

static u8 *plain;

static void make_plain(void)
{
	u32 x = 1;
	size_t i;

	plain = malloc(DATA);
	for (i = 0; i < DATA; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = (i / 5000) % 2 ? (u8)(x >> 24) : (u8)(i / 700);
	}
}

/* Reads the whole stream in pieces of @piece; the result of the last read that was short or failed. */
static ssize_t unpack_all(enum compression c, struct source *s, u64 max, size_t piece, u8 *out, size_t room,
			  size_t *ret_len)
{
	struct decompress *d;
	size_t got = 0;
	ssize_t n;
	int r;

	r = decompress_open(c, source_read, s, max, &d);
	if (r < 0)
		return r;
	for (;;) {
		piece = MIN(piece, room - got);
		n = decompress_read(d, out + got, piece);
		if (n < 0 || (size_t)n < piece || !piece)
			break;
		got += n;
	}
	if (n > 0)
		got += n;
	*ret_len = got;
	decompress_close(d);
	return n < 0 ? n : 0;
}

static void round_trip(enum compression c, size_t chunk, size_t piece, bool twice)
{
	u8 *packed, *out = malloc(2 * DATA + 10);
	struct source s = { .chunk = chunk };
	size_t len, got = 0;
	ssize_t r;

	packed = test_pack(c, plain, DATA, &len);
	if (!packed) {
		free(out);
		SKIP("built without its library");
	}
	if (twice) {
		packed = realloc(packed, 2 * len);
		memcpy(packed + len, packed, len);
		len *= 2;
	}
	s.p = packed;
	s.len = len;
	r = unpack_all(c, &s, UINT64_MAX, piece, out, 2 * DATA + 10, &got);
	free(packed);
	if (!r && got == (twice ? 2 : 1) * (size_t)DATA &&
	    (memcmp(out, plain, DATA) || (twice && memcmp(out + DATA, plain, DATA))))
		r = -1;
	free(out);
	CHECK_EQ(r, 0);
	CHECK_EQ(got, (twice ? 2 : 1) * (size_t)DATA);
}

TEST(gzip_unpacks) { round_trip(COMPRESSION_GZIP, 1 << 20, 1 << 20, false); }
TEST(zstd_unpacks) { round_trip(COMPRESSION_ZSTD, 1 << 20, 1 << 20, false); }
TEST(xz_unpacks) { round_trip(COMPRESSION_XZ, 1 << 20, 1 << 20, false); }
TEST(gzip_unpacks_in_small_steps) { round_trip(COMPRESSION_GZIP, 1, 13, false); }
TEST(zstd_unpacks_in_small_steps) { round_trip(COMPRESSION_ZSTD, 1, 13, false); }
TEST(xz_unpacks_in_small_steps) { round_trip(COMPRESSION_XZ, 1, 13, false); }
TEST(gzip_members_are_one_stream) { round_trip(COMPRESSION_GZIP, 777, 4096, true); }
TEST(zstd_frames_are_one_stream) { round_trip(COMPRESSION_ZSTD, 777, 4096, true); }
TEST(xz_streams_are_one_stream) { round_trip(COMPRESSION_XZ, 777, 4096, true); }

/* @cut: bytes taken off the end; @flip: byte spoilt; @tail: garbage appended */
static void broken(enum compression c, size_t cut, size_t flip, size_t tail, int want, size_t want_len)
{
	u8 *packed, *out = malloc(DATA + 10);
	struct source s = { .chunk = 4096 };
	size_t len, got = 0;
	ssize_t r;

	packed = test_pack(c, plain, DATA, &len);
	if (!packed) {
		free(out);
		SKIP("built without its library");
	}
	packed = realloc(packed, len + tail);
	memset(packed + len, 0x55, tail);
	packed[flip] ^= 0xff;
	if (!flip)
		packed[flip] ^= 0xff;
	s.p = packed;
	s.len = len - cut + tail;
	r = unpack_all(c, &s, UINT64_MAX, 1 << 20, out, DATA + 10, &got);
	free(packed);
	free(out);
	CHECK_EQ(r, want);
	if (!want)
		CHECK_EQ(got, want_len);
}

TEST(truncated_gzip_is_an_error) { broken(COMPRESSION_GZIP, 1, 0, 0, -ENODATA, 0); }
TEST(truncated_zstd_is_an_error) { broken(COMPRESSION_ZSTD, 1, 0, 0, -ENODATA, 0); }
TEST(truncated_xz_is_an_error) { broken(COMPRESSION_XZ, 1, 0, 0, -ENODATA, 0); }
TEST(half_a_gzip_is_an_error) { broken(COMPRESSION_GZIP, 100000, 0, 0, -ENODATA, 0); }
TEST(half_a_zstd_is_an_error) { broken(COMPRESSION_ZSTD, 100000, 0, 0, -ENODATA, 0); }
TEST(half_an_xz_is_an_error) { broken(COMPRESSION_XZ, 100000, 0, 0, -ENODATA, 0); }
TEST(corrupt_gzip_is_an_error) { broken(COMPRESSION_GZIP, 0, 3000, 0, -EBADMSG, 0); }
TEST(corrupt_zstd_is_an_error) { broken(COMPRESSION_ZSTD, 0, 4, 0, -EBADMSG, 0); }
TEST(corrupt_xz_is_an_error) { broken(COMPRESSION_XZ, 0, 3000, 0, -EBADMSG, 0); }
TEST(garbage_after_gzip_is_ignored) { broken(COMPRESSION_GZIP, 0, 0, 4, 0, DATA); }
TEST(garbage_after_zstd_is_ignored) { broken(COMPRESSION_ZSTD, 0, 0, 4, 0, DATA); }

static void limited(enum compression c, u64 max, ssize_t want)
{
	u8 *packed, *out = malloc(DATA + 10);
	struct source s = { .chunk = 4096 };
	size_t got = 0;
	ssize_t r;

	packed = test_pack(c, plain, DATA, &s.len);
	if (!packed) {
		free(out);
		SKIP("built without its library");
	}
	s.p = packed;
	r = unpack_all(c, &s, max, 10000, out, DATA + 10, &got);
	free(packed);
	free(out);
	CHECK_EQ(r, want);
	CHECK(got <= max);
}

TEST(gzip_output_is_bounded) { limited(COMPRESSION_GZIP, DATA - 1, -EFBIG); }
TEST(zstd_output_is_bounded) { limited(COMPRESSION_ZSTD, 5000, -EFBIG); }
TEST(xz_output_is_bounded) { limited(COMPRESSION_XZ, 0, -EFBIG); }
TEST(gzip_output_may_reach_the_bound) { limited(COMPRESSION_GZIP, DATA, 0); }
TEST(zstd_output_may_reach_the_bound) { limited(COMPRESSION_ZSTD, DATA, 0); }
TEST(xz_output_may_reach_the_bound) { limited(COMPRESSION_XZ, DATA, 0); }

static void source_fails(enum compression c)
{
	u8 *packed, *out = malloc(DATA);
	struct source s = { .chunk = 4096, .fail = -EIO };
	size_t got = 0;
	ssize_t r;

	packed = test_pack(c, plain, DATA, &s.len);
	if (!packed) {
		free(out);
		SKIP("built without its library");
	}
	s.p = packed;
	s.len /= 2;
	r = unpack_all(c, &s, UINT64_MAX, 10000, out, DATA, &got);
	free(packed);
	free(out);
	CHECK_EQ(r, -EIO);
}

TEST(read_error_of_gzip_is_passed_on) { source_fails(COMPRESSION_GZIP); }
TEST(read_error_of_zstd_is_passed_on) { source_fails(COMPRESSION_ZSTD); }
TEST(read_error_of_xz_is_passed_on) { source_fails(COMPRESSION_XZ); }

TEST(formats_are_known_by_their_magic)
{
	CHECK_EQ(compression_detect((const u8 *)"\x1f\x8b\x08", 3), COMPRESSION_GZIP);
	CHECK_EQ(compression_detect((const u8 *)"\x1f\x8b\x08", 2), COMPRESSION_NONE);
	CHECK_EQ(compression_detect((const u8 *)"\x28\xb5\x2f\xfd", 4), COMPRESSION_ZSTD);
	CHECK_EQ(compression_detect((const u8 *)"\xfd" "7zXZ\0", 6), COMPRESSION_XZ);
	CHECK_EQ(compression_detect((const u8 *)"BZh9", 4), COMPRESSION_BZIP2);
	CHECK_EQ(compression_detect((const u8 *)"\x02\x21\x4c\x18", 4), COMPRESSION_LZ4);
	CHECK_EQ(compression_detect((const u8 *)"\x5d\0\0\x80", 4), COMPRESSION_LZMA);
	CHECK_EQ(compression_detect((const u8 *)"\x89LZO\0\r\n\x1a\n", 9), COMPRESSION_LZO);
	CHECK_EQ(compression_detect((const u8 *)"MZ\0\0", 4), COMPRESSION_NONE);
	CHECK_EQ(compression_detect(NULL, 0), COMPRESSION_NONE);
}

TEST(format_without_code_is_refused)
{
	struct source s = { 0 };
	struct decompress *d;

	CHECK(!compression_library(COMPRESSION_LZ4));
	CHECK(!compression_supported(COMPRESSION_LZ4));
	CHECK_STR(compression_library(COMPRESSION_XZ), "liblzma");
	CHECK_EQ(decompress_open(COMPRESSION_LZ4, source_read, &s, 1, &d), -EOPNOTSUPP);
}

int main(void)
{
	make_plain();
	RUN(gzip_unpacks);
	RUN(zstd_unpacks);
	RUN(xz_unpacks);
	RUN(gzip_unpacks_in_small_steps);
	RUN(zstd_unpacks_in_small_steps);
	RUN(xz_unpacks_in_small_steps);
	RUN(gzip_members_are_one_stream);
	RUN(zstd_frames_are_one_stream);
	RUN(xz_streams_are_one_stream);
	RUN(truncated_gzip_is_an_error);
	RUN(truncated_zstd_is_an_error);
	RUN(truncated_xz_is_an_error);
	RUN(half_a_gzip_is_an_error);
	RUN(half_a_zstd_is_an_error);
	RUN(half_an_xz_is_an_error);
	RUN(corrupt_gzip_is_an_error);
	RUN(corrupt_zstd_is_an_error);
	RUN(corrupt_xz_is_an_error);
	RUN(garbage_after_gzip_is_ignored);
	RUN(garbage_after_zstd_is_ignored);
	RUN(gzip_output_is_bounded);
	RUN(zstd_output_is_bounded);
	RUN(xz_output_is_bounded);
	RUN(gzip_output_may_reach_the_bound);
	RUN(zstd_output_may_reach_the_bound);
	RUN(xz_output_may_reach_the_bound);
	RUN(read_error_of_gzip_is_passed_on);
	RUN(read_error_of_zstd_is_passed_on);
	RUN(read_error_of_xz_is_passed_on);
	RUN(formats_are_known_by_their_magic);
	RUN(format_without_code_is_refused);
	free(plain);
	return tap_done();
}
