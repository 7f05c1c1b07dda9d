/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state stream: a round trip, and everything a hostile stream can hold.
 * links: state.c util/str.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "vmm/state.h"

static struct state_writer w;

static void write_one(void)
{
	memset(&w, 0, sizeof(w));
	state_begin(&w, "rtc0", 2);
	state_put_u8(&w, 0x11);
	state_put_u16(&w, 0x2233);
	state_put_u32(&w, 0x44556677);
	state_put_u64(&w, 0x8899aabbccddeeffULL);
	state_put_bytes(&w, "hello", 5);
	state_end(&w);
}

static int read_one(const void *p, size_t len)
{
	struct state_reader r;
	char buf[5];
	u32 version;
	u64 v;

	state_reader_init(&r, p, len);
	if (state_open(&r, "rtc0", 3, &version))
		return -EBADMSG;
	v = state_get_u8(&r);
	v += state_get_u16(&r);
	v += state_get_u32(&r);
	v += state_get_u64(&r);
	state_get_bytes(&r, buf, 5);
	if (!r.error && (version != 2 || v != 0x8899aabbccddeeffULL + 0x44556677 + 0x2233 + 0x11 || memcmp(buf, "hello", 5)))
		return -EINVAL;
	return state_close(&r);
}

TEST(round_trip)
{
	write_one();
	CHECK_EQ(read_one(w.buf.s, w.buf.len), 0);
	state_writer_free(&w);
}

TEST(every_truncation_is_refused)
{
	size_t len;

	write_one();
	for (len = 0; len < w.buf.len; len++) {
		char *copy = malloc(len ? len : 1);	/* exact, so that ASan sees a read past it */
		int r;

		memcpy(copy, w.buf.s, len);
		r = read_one(copy, len);
		free(copy);
		CHECK_EQ(r, -EBADMSG);
	}
	state_writer_free(&w);
}

TEST(every_changed_byte_of_structure_is_refused_or_changes_a_value)
{
	size_t i;

	write_one();
	for (i = 0; i < w.buf.len; i++) {
		w.buf.s[i] ^= 0x40;
		CHECK(read_one(w.buf.s, w.buf.len) != 0);
		w.buf.s[i] ^= 0x40;
	}
	state_writer_free(&w);
}

TEST(newer_version_and_other_name_are_refused)
{
	struct state_reader r;
	u32 version;

	write_one();
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "rtc0", 1, &version), -EBADMSG);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "rtc", 9, &version), -EBADMSG);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "rtc1", 9, &version), -EBADMSG);
	state_writer_free(&w);
}

TEST(bytes_left_over_are_refused)
{
	struct state_reader r;
	u32 version;

	write_one();
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "rtc0", 2, &version), 0);
	CHECK_EQ(state_get_u8(&r), 0x11);
	CHECK_EQ(state_close(&r), -EBADMSG);
	state_writer_free(&w);
}

TEST(a_blob_never_exceeds_its_room)
{
	struct state_reader r;
	u32 version;
	char buf[4];

	memset(&w, 0, sizeof(w));
	state_begin(&w, "x", 1);
	state_put_bytes(&w, "hello", 5);
	state_end(&w);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "x", 1, &version), 0);
	CHECK_EQ(state_get_blob(&r, buf, 4), 0);
	CHECK_EQ(r.error, -EBADMSG);
	CHECK_EQ(state_get_u32(&r), 0);	/* after a failure: zeroes */
	state_writer_free(&w);
}

TEST(values_above_their_maximum_are_refused)
{
	struct state_reader r;
	u32 version;

	memset(&w, 0, sizeof(w));
	state_begin(&w, "x", 1);
	state_put_u32(&w, 8);
	state_end(&w);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "x", 1, &version), 0);
	CHECK_EQ(state_get_u32_max(&r, 7), 0);
	CHECK_EQ(state_close(&r), -EBADMSG);
	state_writer_free(&w);
}

int main(void)
{
	RUN(round_trip);
	RUN(every_truncation_is_refused);
	RUN(every_changed_byte_of_structure_is_refused_or_changes_a_value);
	RUN(newer_version_and_other_name_are_refused);
	RUN(bytes_left_over_are_refused);
	RUN(a_blob_never_exceeds_its_room);
	RUN(values_above_their_maximum_are_refused);
	return tap_done();
}
