/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers, sizes, growing strings, JSON.
 * links: util/str.c util/json.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "util/json.h"
#include "util/str.h"

TEST(numbers_are_taken_whole)
{
	u64 v = 7;

	CHECK_EQ(str_to_u64("0", 10, &v), 0);
	CHECK_EQ(v, 0);
	CHECK_EQ(str_to_u64("18446744073709551615", ~0ULL, &v), 0);
	CHECK_EQ(v, ~0ULL);
	CHECK_EQ(str_to_u64("0xfF", ~0ULL, &v), 0);
	CHECK_EQ(v, 255);
	CHECK_EQ(str_to_u64("010", 10, &v), 0);
	CHECK_EQ(v, 10);
}

TEST(garbage_is_refused_and_writes_nothing)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "12x", "0x", "x", "1.5", "0xg" };
	unsigned int i;
	u64 v = 7;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(str_to_u64(bad[i], ~0ULL, &v), -EINVAL);
	CHECK_EQ(str_to_u64("18446744073709551616", ~0ULL, &v), -ERANGE);
	CHECK_EQ(str_to_u64("11", 10, &v), -ERANGE);
	CHECK_EQ(v, 7);
}

TEST(sizes_have_units)
{
	u64 v;

	CHECK_EQ(str_to_size("64", MIB, &v), 0);
	CHECK_EQ(v, 64 * MIB);
	CHECK_EQ(str_to_size("3B", MIB, &v), 0);
	CHECK_EQ(v, 3);
	CHECK_EQ(str_to_size("2k", MIB, &v), 0);
	CHECK_EQ(v, 2048);
	CHECK_EQ(str_to_size("1P", MIB, &v), 0);
	CHECK_EQ(v, 1ULL << 50);
	CHECK_EQ(str_to_size("12x", MIB, &v), -EINVAL);
	CHECK_EQ(str_to_size("1MB", MIB, &v), -EINVAL);
	CHECK_EQ(str_to_size("M", MIB, &v), -EINVAL);
	CHECK_EQ(str_to_size("99999999999T", MIB, &v), -ERANGE);
}

TEST(strbuf_grows)
{
	struct strbuf b = { 0 };
	int i;

	for (i = 0; i < 1000; i++)
		strbuf_addf(&b, "%03d,", i);
	CHECK(!b.failed);
	CHECK_EQ(b.len, 4000);
	CHECK(!memcmp(b.s + 4 * 777, "777,", 4));
	CHECK_EQ(b.s[b.len], 0);
	strbuf_free(&b);
	CHECK(!b.s);
}

TEST(str_copy_cuts_and_tells)
{
	char buf[4];

	CHECK(str_copy(buf, sizeof(buf), "abc"));
	CHECK(!str_copy(buf, sizeof(buf), "abcd"));
	CHECK_STR(buf, "abc");
}

TEST(json_is_escaped_and_has_its_commas)
{
	struct strbuf b = { 0 };

	json_begin(&b, NULL);
	json_str(&b, "a", "x\"\\\n\xff");
	json_u64(&b, "b", 5);
	json_begin(&b, "c");
	json_str(&b, "d", NULL);
	json_end(&b);
	json_begin(&b, "e");
	json_end(&b);
	json_end(&b);
	CHECK_STR(b.s, "{\"a\":\"x\\\"\\\\\\u000a\\u00ff\",\"b\":5,\"c\":{\"d\":null},\"e\":{}}");
	strbuf_free(&b);
}

int main(void)
{
	RUN(numbers_are_taken_whole);
	RUN(garbage_is_refused_and_writes_nothing);
	RUN(sizes_have_units);
	RUN(strbuf_grows);
	RUN(str_copy_cuts_and_tells);
	RUN(json_is_escaped_and_has_its_commas);
	return tap_done();
}
