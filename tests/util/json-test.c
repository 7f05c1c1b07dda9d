/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON written and read. Clause numbers are of RFC 8259.
 * links: util/json.c util/json-parse.c util/str.c
 */
#include <errno.h>

#include "tests/tap.h"
#include "util/json.h"

enum { NODES = 32 };

static char text[65536];
static struct json_value node[NODES];
static const struct json_value *v;

static int parse(const char *s)
{
	strcpy(text, s);
	return json_parse(text, node, NODES, &v);
}

static bool refuses(const char *s)
{
	if (parse(s) == -EINVAL)
		return true;
	printf("# taken: %s\n", s);
	return false;
}

TEST(values_of_every_kind_are_read)
{
	const char *s;
	bool b = false;
	s64 i;
	u64 n;

	CHECK_EQ(parse(" { \"a\" : 12 ,\t\"b\":true,\n\"c\":\"x\",\r\"d\":[1,[],{\"e\":null}, -0.5e+3],\"f\":{},\"g\":false,\"h\":-9 } "), 0);
	CHECK_EQ(v->type, JSON_OBJECT);
	CHECK_EQ(json_get_u64(v, "a", 12, &n), 0);
	CHECK_EQ(n, 12);
	CHECK_EQ(json_get_bool(v, "b", &b), 0);
	CHECK(b);
	CHECK_EQ(json_get_bool(v, "g", &b), 0);
	CHECK(!b);
	CHECK_EQ(json_get_str(v, "c", &s), 0);
	CHECK_STR(s, "x");
	CHECK_EQ(json_get_i64(v, "h", &i), 0);
	CHECK_EQ(i, -9);
	v = json_member(v, "d");
	CHECK(v && v->type == JSON_ARRAY && !v->child->name);
	CHECK_STR(v->child->str, "1");
	CHECK(v->child->next->type == JSON_ARRAY && !v->child->next->child);
	CHECK_EQ(json_member(v->child->next->next, "e")->type, JSON_NULL);
	CHECK_STR(v->child->next->next->next->str, "-0.5e+3");
	CHECK(!v->child->next->next->next->next);
}

TEST(any_value_may_stand_alone)
{
	CHECK_EQ(parse("12 "), 0);
	CHECK_STR(v->str, "12");
	CHECK_EQ(parse("0"), 0);
	CHECK_STR(v->str, "0");
	CHECK_EQ(parse("\"\""), 0);
	CHECK_STR(v->str, "");
	CHECK_EQ(parse("null"), 0);
	CHECK_EQ(v->type, JSON_NULL);
	CHECK_EQ(parse("[]"), 0);
	CHECK(!v->child);
}

TEST(what_the_grammar_lacks_is_refused)
{
	static const char *const bad[] = {
		"", " ", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}",
		"{a:1}", "{'a':1}", "{1:1}", "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]", "1 2", "{} {}", "[]]", "nul", "True", "nullx", "NaN",
		"Infinity", "// x\n1", "1 /* x */", "\357\273\2771", "\v1", "tru", "falsetrue",
		/* [6] */ "01", "-", "+1", ".5", "1.", "1.e1", "1e", "1e+", "0x10", "--1", "-01", "1,",
		/* [7] */ "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\", "\"a\nb\"", "\"\t\"", "\"\x1f\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\U0041\"",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(refuses(bad[i]));
}

TEST(escapes_become_what_they_stand_for)
{
	CHECK_EQ(parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\uffff\\ud83d\\ude00\x7f\""), 0);
	CHECK_STR(v->str, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xef\xbf\xbf\xf0\x9f\x98\x80\x7f");
	CHECK_EQ(parse("{\"\\u0061\":\"\\u0062\"}"), 0);
	CHECK(json_member(v, "a"));
}

TEST(nul_and_lone_surrogates_are_refused)
{
	CHECK(refuses("\"\\u0000\""));
	CHECK(refuses("\"\\ud800\""));
	CHECK(refuses("\"\\udc00\""));
	CHECK(refuses("\"\\ud800x\""));
	CHECK(refuses("\"\\ud800\\n\""));
	CHECK(refuses("\"\\ud800\\u0041\""));
	CHECK(refuses("\"\\ud800\\ud800\""));
	CHECK(refuses("\"\\ud800\\ue000\""));
	CHECK(refuses("\"\\ud800\\udc0\""));
}

/* [8.1], [RFC 3629 3, 4] */
TEST(utf8_passes_and_other_bytes_are_refused)
{
	static const char good[] = "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"";
	static const char *const bad[] = { "\"\x80\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xe0\x9f\xbf\"", "\"\xed\xa0\x80\"",
		"\"\xed\xbf\xbf\"", "\"\xf0\x8f\xbf\xbf\"", "\"\xf4\x90\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"", "\"\xff\"", "\"\xe2\x82\"",
		"\"\xf0\x9f\x98", "\"\xe2" };
	unsigned int i;

	CHECK_EQ(parse(good), 0);
	CHECK_EQ(strlen(v->str), sizeof(good) - 3);
	CHECK(!memcmp(v->str, good + 1, sizeof(good) - 3));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(refuses(bad[i]));
}

TEST(member_named_twice_is_refused)
{
	CHECK(refuses("{\"a\":1,\"a\":1}"));
	CHECK(refuses("{\"a\":1,\"b\":{},\"\\u0061\":2}"));
	CHECK_EQ(parse("{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}"), 0);
}

TEST(depth_is_bounded)
{
	char s[2 * JSON_DEPTH + 3];

	memset(s, '[', JSON_DEPTH);
	memset(s + JSON_DEPTH, ']', JSON_DEPTH);
	s[2 * JSON_DEPTH] = '\0';
	CHECK_EQ(parse(s), 0);
	memset(s, '[', JSON_DEPTH + 1);
	memset(s + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
	s[2 * JSON_DEPTH + 2] = '\0';
	CHECK(refuses(s));
}

TEST(room_is_bounded)
{
	struct strbuf b = { 0 };
	static struct json_value many[2000];
	char name[16];
	int i, n;

	for (n = NODES - 1; n <= NODES; n++) {
		json_array_begin(&b, NULL);
		for (i = 0; i < n; i++)
			json_u64(&b, NULL, 1);
		json_array_end(&b);
		CHECK_EQ(parse(b.s), n == NODES ? -E2BIG : 0);
		strbuf_free(&b);
	}
	json_begin(&b, NULL);	/* as many members as names are compared with each other */
	for (i = 0; i < 1025; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		json_u64(&b, name, 1);
	}
	json_end(&b);
	strcpy(text, b.s);
	CHECK_EQ(json_parse(text, many, ARRAY_SIZE(many), &v), -E2BIG);
	strbuf_free(&b);
}

TEST(members_of_another_kind_are_not_taken)
{
	u64 n = 5;
	s64 i = 5;
	bool b;
	const char *s;

	CHECK_EQ(parse("{\"n\":18446744073709551615,\"over\":18446744073709551616,\"neg\":-1,\"frac\":1.0,\"exp\":1e3,\"s\":\"1\","
		       "\"min\":-9223372036854775808,\"below\":-9223372036854775809,\"max\":9223372036854775807,\"z\":-0}"), 0);
	CHECK_EQ(json_get_u64(v, "none", 9, &n), -ENOENT);
	CHECK_EQ(json_get_u64(NULL, "none", 9, &n), -ENOENT);
	CHECK_EQ(json_get_u64(json_member(v, "s"), "n", 9, &n), -ENOENT);
	CHECK_EQ(json_get_u64(v, "over", ~0ULL, &n), -EINVAL);
	CHECK_EQ(json_get_u64(v, "neg", ~0ULL, &n), -EINVAL);
	CHECK_EQ(json_get_u64(v, "frac", ~0ULL, &n), -EINVAL);
	CHECK_EQ(json_get_u64(v, "exp", ~0ULL, &n), -EINVAL);
	CHECK_EQ(json_get_u64(v, "s", ~0ULL, &n), -EINVAL);
	CHECK_EQ(json_get_u64(v, "n", ~0ULL - 1, &n), -EINVAL);
	CHECK_EQ(n, 5);
	CHECK_EQ(json_get_u64(v, "n", ~0ULL, &n), 0);
	CHECK(n == ~0ULL);
	CHECK_EQ(json_get_i64(v, "below", &i), -EINVAL);
	CHECK_EQ(json_get_i64(v, "n", &i), -EINVAL);
	CHECK_EQ(i, 5);
	CHECK_EQ(json_get_i64(v, "min", &i), 0);
	CHECK_EQ(i, INT64_MIN);
	CHECK_EQ(json_get_i64(v, "max", &i), 0);
	CHECK_EQ(i, INT64_MAX);
	CHECK_EQ(json_get_i64(v, "z", &i), 0);
	CHECK_EQ(i, 0);
	CHECK_EQ(json_get_bool(v, "n", &b), -EINVAL);
	CHECK_EQ(json_get_str(v, "n", &s), -EINVAL);
	CHECK_EQ(json_get_str(v, "s", &s), 0);
}

TEST(what_is_written_is_what_is_read)
{
	struct strbuf b = { 0 };
	const char *s;
	bool yes;
	s64 i;

	json_begin(&b, NULL);
	json_str(&b, "s", "\x01\"\\\n\xff" "a\x7f");
	json_str(&b, "none", NULL);
	json_begin(&b, "o");
	json_bool(&b, "t", true);
	json_i64(&b, "i", INT64_MIN);
	json_end(&b);
	json_array_begin(&b, "a");
	json_begin(&b, NULL);
	json_end(&b);
	json_str(&b, NULL, "x");
	json_array_end(&b);
	json_end(&b);
	CHECK(!b.failed);
	CHECK_EQ(parse(b.s), 0);
	CHECK_EQ(json_get_str(v, "s", &s), 0);
	CHECK_STR(s, "\x01\"\\\n\xc3\xbf" "a\x7f");	/* bytes are written as if Latin-1 */
	CHECK_EQ(json_member(v, "none")->type, JSON_NULL);
	CHECK_EQ(json_get_bool(json_member(v, "o"), "t", &yes), 0);
	CHECK(yes);
	CHECK_EQ(json_get_i64(json_member(v, "o"), "i", &i), 0);
	CHECK_EQ(i, INT64_MIN);
	CHECK_STR(json_member(v, "a")->child->next->str, "x");
	strbuf_free(&b);
}

int main(void)
{
	RUN(values_of_every_kind_are_read);
	RUN(any_value_may_stand_alone);
	RUN(what_the_grammar_lacks_is_refused);
	RUN(escapes_become_what_they_stand_for);
	RUN(nul_and_lone_surrogates_are_refused);
	RUN(utf8_passes_and_other_bytes_are_refused);
	RUN(member_named_twice_is_refused);
	RUN(depth_is_bounded);
	RUN(room_is_bounded);
	RUN(members_of_another_kind_are_not_taken);
	RUN(what_is_written_is_what_is_read);
	return tap_done();
}
