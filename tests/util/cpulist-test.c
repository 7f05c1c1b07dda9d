/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists of CPUs: what is one, and what is in it.
 * links: util/cpulist.c
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/tap.h"
#include "util/cpulist.h"

static struct cpu_list a, b;

TEST(numbers_and_ranges_are_taken)
{
	CHECK_EQ(cpu_list_parse("0-3,5", &a), 0);
	CHECK_EQ(a.bits[0], 0x2f);
	CHECK_EQ(cpu_list_parse("5,0-3,2-4,5", &a), 0);
	CHECK_EQ(a.bits[0], 0x3f);
	CHECK_EQ(cpu_list_parse("63-64", &a), 0);
	CHECK(a.bits[0] == 1ULL << 63 && a.bits[1] == 1);
	CHECK_EQ(cpu_list_parse("8191", &a), 0);
	CHECK_EQ(a.bits[127] >> 63, 1);
	CHECK_EQ(a.bits[0], 0);
}

TEST(other_text_is_refused)
{
	static const char *const bad[] = { "", ",", "0,", ",0", "-1", "1-", "3-1", "0--1", "0 ", " 0", "0x1", "all", "0-3:1", "1\n", "0,,1" };
	unsigned int i;

	a.bits[0] = 77;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(cpu_list_parse(bad[i], &a), -EINVAL);
	CHECK_EQ(cpu_list_parse("8192", &a), -ERANGE);
	CHECK_EQ(cpu_list_parse("0-99999999999999999999", &a), -ERANGE);
	CHECK_EQ(a.bits[0], 77);
}

TEST(what_is_outside_is_found)
{
	CHECK(!cpu_list_parse("1,70", &a) && !cpu_list_parse("0-69", &b));
	CHECK_EQ(cpu_list_outside(&a, &b), 70);
	CHECK(!cpu_list_parse("1", &a));
	CHECK_EQ(cpu_list_outside(&a, &b), -1);
	CHECK_EQ(cpu_list_outside(&b, &a), 0);
}

TEST(a_file_is_one_line)
{
	char path[] = "/tmp/cpulist-XXXXXX";
	int fd = mkstemp(path), r;

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "0-1\n", 4), 4);
	close(fd);
	r = cpu_list_read(path, &a);
	unlink(path);
	CHECK_EQ(r, 0);
	CHECK_EQ(a.bits[0], 3);
	CHECK_EQ(cpu_list_read(path, &a), -ENOENT);
	CHECK_EQ(cpu_list_read("/dev/null", &a), -EINVAL);
}

int main(void)
{
	RUN(numbers_and_ranges_are_taken);
	RUN(other_text_is_refused);
	RUN(what_is_outside_is_found);
	RUN(a_file_is_one_line);
	return tap_done();
}
