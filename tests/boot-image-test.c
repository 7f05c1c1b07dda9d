/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * links: boot-image.c memory.c util/decompress.c util/error.c
 */
#include "vmm/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/tap.h"
#include "tests/util/pack.h"

static struct guest_mem gm;
static struct boot_image img;
static struct error err;
static u8 data[100 * 1024];

static gpa_t place(u64 size, u64 align, struct boot_place where)
{
	gpa_t at;

	return boot_place(&gm, size, align, &where, &at) < 0 ? 1 : at;	/* 1: none */
}

TEST(highest_place_is_in_the_highest_range)
{
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = UINT64_MAX }), 4 * GIB + MIB - 4096);
	CHECK_EQ(place(1, 4096, (struct boot_place){ .limit = UINT64_MAX }), 4 * GIB + MIB - 4096);
	CHECK_EQ(place(MIB, 4096, (struct boot_place){ .limit = UINT64_MAX }), 4 * GIB);
}

TEST(what_is_too_large_for_one_range_goes_to_another)
{
	CHECK_EQ(place(MIB + 1, 4096, (struct boot_place){ .limit = UINT64_MAX }), 3 * MIB - 4096);
	CHECK_EQ(place(4 * MIB + 1, 4096, (struct boot_place){ .limit = UINT64_MAX }), 1);
	CHECK_EQ(place(UINT64_MAX, 4096, (struct boot_place){ .limit = UINT64_MAX }), 1);
}

TEST(limit_and_floor_are_kept)
{
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = 2 * MIB + 100 }), 2 * MIB - 4096);
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = 2 * MIB, .floor = 2 * MIB - 4096 }), 2 * MIB - 4096);
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = 2 * MIB, .floor = 2 * MIB - 4095 }), 1);
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = 4095 }), 1);
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = UINT64_MAX, .floor = 5 * GIB }), 1);
}

TEST(areas_are_avoided_downwards)
{
	const struct boot_area a[] = { { 2 * MIB, 4 * MIB }, { MIB, 2 * MIB - 4096 } };
	struct boot_place where = { .limit = 4 * GIB, .avoid = a, .nr_avoid = 2 };

	CHECK_EQ(place(4096, 4096, where), 2 * MIB - 4096);
	CHECK_EQ(place(8192, 4096, where), MIB - 8192);
	CHECK_EQ(place(MIB + 1, 4096, where), 1);
}

TEST(areas_are_avoided_upwards)
{
	const struct boot_area a[] = { { 0, MIB + 1 }, { 2 * MIB, 4 * MIB } };
	struct boot_place where = { .limit = UINT64_MAX, .avoid = a, .nr_avoid = 2, .lowest = true };

	CHECK_EQ(place(4096, 4096, where), MIB + 4096);
	CHECK_EQ(place(MIB, 4096, where), 4 * GIB);
	where.limit = 4 * GIB;
	CHECK_EQ(place(MIB, 4096, where), 1);
}

TEST(lowest_place_is_in_the_lowest_range)
{
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = UINT64_MAX, .floor = 5, .lowest = true }), 4096);
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = UINT64_MAX, .floor = UINT64_MAX, .lowest = true }), 1);
	CHECK_EQ(place(4096, 4096, (struct boot_place){ .limit = UINT64_MAX, .floor = 4 * MIB - 1, .lowest = true }),
		 4 * GIB);
}

TEST(load_stays_inside_ram)
{
	boot_image_wrap(&img, "kernel", "k", data, sizeof(data));
	CHECK_EQ(boot_image_load(&img, 0, &gm, 4 * MIB - 10, 11, &err), -EFAULT);
	CHECK(strstr(err.msg, "outside the guest's RAM"));
	CHECK_EQ(boot_image_load(&img, 0, &gm, UINT64_MAX, 2, &err), -EFAULT);
	CHECK_EQ(boot_image_load(&img, 0, &gm, UINT64_MAX, 0, &err), 0);
	CHECK_EQ(boot_image_load(&img, 50000, &gm, 4 * MIB - 10, 10, &err), 0);
	CHECK(!memcmp(guest_ptr(&gm, 4 * MIB - 10, 10), data + 50000, 10));
}

TEST(read_stays_inside_the_file)
{
	u8 buf[16];

	boot_image_wrap(&img, "kernel", "k", data, sizeof(data));
	CHECK_EQ(boot_image_read(&img, sizeof(data) - 16, buf, 16, &err), 0);
	CHECK(!memcmp(buf, data + sizeof(data) - 16, 16));
	CHECK_EQ(boot_image_read(&img, sizeof(data) - 15, buf, 16, &err), -ENODATA);
	CHECK_EQ(boot_image_read(&img, sizeof(data) + 1, buf, 1, &err), -ENODATA);
	CHECK_EQ(boot_image_read(&img, UINT64_MAX, buf, 16, &err), -EINVAL);
	CHECK_EQ(boot_image_read(&img, 0, buf, SIZE_MAX, &err), -EINVAL);
	CHECK_EQ(boot_image_read(&img, sizeof(data), buf, 0, &err), 0);
}

TEST(part_of_a_file_is_a_file)
{
	u8 buf[16];
	u8 *packed;
	size_t len;
	int r;

	boot_image_wrap(&img, "kernel", "k", data, sizeof(data));
	CHECK_EQ(boot_image_narrow(&img, 50000, 20000, &err), 0);
	CHECK_EQ(img.size, 20000);
	CHECK(!memcmp(img.head, data + 50000, BOOT_IMAGE_HEAD));
	CHECK_EQ(boot_image_read(&img, 19984, buf, 16, &err), 0);
	CHECK(!memcmp(buf, data + 69984, 16));
	CHECK_EQ(boot_image_read(&img, 19985, buf, 16, &err), -ENODATA);
	CHECK_EQ(boot_image_narrow(&img, 100, 10, &err), 0);	/* and a part of that */
	CHECK_EQ(img.head_len, 10);
	CHECK(!memcmp(img.head, data + 50100, 10));

	packed = test_pack(COMPRESSION_GZIP, data + 1000, 3000, &len);
	if (!packed)
		SKIP("built without zlib");
	packed = realloc(packed, len + 7);
	memmove(packed + 7, packed, len);
	boot_image_wrap(&img, "kernel", "k", packed, len + 7);
	r = boot_image_narrow(&img, 7, len, &err);
	if (!r)
		r = boot_image_unpack(&img, MIB, &err);
	free(packed);
	CHECK_EQ(r, 0);
	CHECK_EQ(img.head_len, 3000);
	CHECK(!memcmp(img.head, data + 1000, 3000));
	boot_image_close(&img);
}

TEST(part_outside_the_file_is_refused)
{
	static const u64 bad[][2] = {
		{ sizeof(data), 1 }, { sizeof(data) - 1, 2 }, { 0, sizeof(data) + 1 }, { UINT64_MAX, 1 }, { 1, UINT64_MAX }, { 5, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		boot_image_wrap(&img, "kernel", "k", data, sizeof(data));
		CHECK_EQ(boot_image_narrow(&img, bad[i][0], bad[i][1], &err), -ENODATA);
		CHECK(strstr(err.msg, "truncated"));
		CHECK_EQ(img.size, sizeof(data));
	}
}

TEST(slack_at_the_end_is_zeroed)
{
	u8 *p = guest_ptr(&gm, MIB, 32);

	boot_image_wrap(&img, "kernel", "k", data, sizeof(data));
	memset(p, 0xee, 32);
	CHECK_EQ(boot_image_load_slack(&img, sizeof(data) - 10, &gm, MIB, 20, 9, &err), -ENODATA);
	CHECK_EQ(boot_image_load_slack(&img, sizeof(data) - 10, &gm, MIB, 20, 10, &err), 0);
	CHECK_EQ(p[9], data[sizeof(data) - 1]);
	CHECK_EQ(p[10], 0);
	CHECK_EQ(p[19], 0);
	CHECK_EQ(p[20], 0xee);
	CHECK_EQ(boot_image_load_slack(&img, sizeof(data) + 5, &gm, MIB, 4, 100, &err), -ENODATA);
}

/* A compressed content is read in any order, back and forth. */
static void any_order(enum compression c)
{
	static const u32 off[] = { 0, 99000, 20000, 16384, 100, 16380, 90000, 90010 };
	u8 buf[100], *packed;
	size_t len;
	unsigned int i;

	packed = test_pack(c, data, sizeof(data), &len);
	if (!packed)
		SKIP("built without its library");
	boot_image_wrap(&img, "kernel", "k", packed, len);
	CHECK_EQ(boot_image_unpack(&img, 1 * MIB, &err), 0);
	CHECK_EQ(boot_image_unpack(&img, 1 * MIB, &err), 0);	/* once is enough */
	CHECK_EQ(img.packed, c);
	CHECK_EQ(img.head_len, BOOT_IMAGE_HEAD);
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		CHECK_EQ(boot_image_read(&img, off[i], buf, sizeof(buf), &err), 0);
		CHECK(!memcmp(buf, data + off[i], sizeof(buf)));
	}
	CHECK_EQ(boot_image_read(&img, sizeof(data) - 99, buf, sizeof(buf), &err), -ENODATA);
	CHECK_EQ(boot_image_read(&img, sizeof(data) + 99, buf, sizeof(buf), &err), -ENODATA);
	CHECK_EQ(boot_image_read(&img, 2 * MIB, buf, 1, &err), -EFBIG);
	CHECK(strstr(err.msg, "unpacks to more than the 1 MiB"));
	boot_image_close(&img);
	free(packed);
}

TEST(gzip_is_read_in_any_order) { any_order(COMPRESSION_GZIP); }
TEST(zstd_is_read_in_any_order) { any_order(COMPRESSION_ZSTD); }
TEST(xz_is_read_in_any_order) { any_order(COMPRESSION_XZ); }

TEST(unpacking_within_less_than_the_head_is_bounded)
{
	u8 buf[100], *packed;
	size_t len;

	packed = test_pack(COMPRESSION_GZIP, data, sizeof(data), &len);
	if (!packed)
		SKIP("built without zlib");
	boot_image_wrap(&img, "kernel", "k", packed, len);
	CHECK_EQ(boot_image_unpack(&img, 50, &err), 0);
	CHECK_EQ(img.head_len, 50);
	CHECK_EQ(boot_image_read(&img, 0, buf, 50, &err), 0);
	CHECK_EQ(boot_image_read(&img, 0, buf, 51, &err), -EFBIG);
	boot_image_close(&img);
	free(packed);
}

TEST(plain_content_is_left_alone)
{
	boot_image_wrap(&img, "kernel", "k", data, sizeof(data));
	CHECK_EQ(boot_image_unpack(&img, 1, &err), 0);
	CHECK_EQ(img.packed, COMPRESSION_NONE);
	CHECK_EQ(img.size, sizeof(data));
}

TEST(file_is_read_like_memory)
{
	char path[40];
	u8 buf[100];
	int fd = memfd_create("f", MFD_CLOEXEC);

	CHECK_EQ(write(fd, data, sizeof(data)), sizeof(data));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_EQ(boot_image_open(&img, "kernel", path, NULL, &err), 0);
	CHECK_EQ(img.size, sizeof(data));
	CHECK_EQ(img.head_len, BOOT_IMAGE_HEAD);
	CHECK_EQ(boot_image_read(&img, 70000, buf, sizeof(buf), &err), 0);
	CHECK(!memcmp(buf, data + 70000, sizeof(buf)));
	CHECK_EQ(ftruncate(fd, 1000), 0);	/* it shrinks while we read */
	CHECK_EQ(boot_image_read(&img, 70000, buf, sizeof(buf), &err), -ENODATA);
	boot_image_close(&img);
	CHECK_EQ(img.fd, -1);
	close(fd);
}

TEST(kept_file_is_read_again_without_its_path)
{
	char path[] = "/tmp/boot-image-test-XXXXXX";
	int fd = mkstemp(path), keep = -1;
	u8 buf[100];

	CHECK_EQ(write(fd, data, 5000), 5000);
	CHECK_EQ(boot_image_open(&img, "kernel", path, &keep, &err), 0);
	CHECK_EQ(img.fd, keep);
	boot_image_close(&img);
	unlink(path);
	CHECK_EQ(ftruncate(fd, 4000), 0);	/* judged again */
	CHECK_EQ(boot_image_open(&img, "kernel", path, &keep, &err), 0);
	CHECK_EQ(img.size, 4000);
	CHECK_EQ(boot_image_read(&img, 3000, buf, sizeof(buf), &err), 0);
	CHECK(!memcmp(buf, data + 3000, sizeof(buf)));
	boot_image_close(&img);
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(boot_image_open(&img, "kernel", path, &keep, &err), -ENODATA);
	CHECK_EQ(fcntl(keep, F_GETFD), FD_CLOEXEC);	/* still the caller's */
	close(keep);
	close(fd);
}

TEST(read_error_is_passed_on)
{
	u8 buf[100];

	boot_image_wrap(&img, "kernel", "k", NULL, sizeof(data));
	img.fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
	CHECK_EQ(boot_image_read(&img, 0, buf, sizeof(buf), &err), -EISDIR);
	CHECK_STR(err.msg, "Unable to read kernel k: Is a directory");
	boot_image_close(&img);
}

TEST(initrd_is_read_to_its_place)
{
	const struct boot_place where = { .limit = 4 * GIB };
	struct boot_area at = { 1, 2 };
	char path[40];
	int fd = memfd_create("f", MFD_CLOEXEC);

	CHECK_EQ(write(fd, data, 5000), 5000);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_EQ(boot_initrd_load(&gm, path, NULL, &where, &at, &err), 0);
	CHECK_EQ(at.start, 4 * MIB - 8192);
	CHECK_EQ(at.end, 4 * MIB - 8192 + 5000);
	CHECK(!memcmp(guest_ptr(&gm, at.start, 5000), data, 5000));
	at.start = 1;
	CHECK_EQ(ftruncate(fd, 5 * MIB), 0);
	CHECK_EQ(boot_initrd_load(&gm, path, NULL, &where, &at, &err), -ENOSPC);
	CHECK(strstr(err.msg, "no room for its 5 MiB beside the kernel in the guest's 5 MiB of RAM"));
	CHECK_EQ(at.start, 1);
	CHECK_EQ(ftruncate(fd, 0), 0);
	CHECK_EQ(boot_initrd_load(&gm, path, NULL, &where, &at, &err), -ENODATA);
	CHECK(strstr(err.msg, "': the file is empty"));
	close(fd);
}

TEST(sizes_are_readable)
{
	CHECK_STR(SIZE_TEXT(300), "300 bytes");
	CHECK_STR(SIZE_TEXT(64 * MIB), "64 MiB");
	CHECK_STR(SIZE_TEXT(3 * MIB / 2), "1.5 MiB");
}

int main(void)
{
	u32 x = 1;
	size_t i;

	for (i = 0; i < sizeof(data); i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (u8)(x >> 24);
	}
	if (guest_mem_add(&gm, 0, 4 * MIB, mmap(NULL, 4 * MIB, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) < 0 ||
	    guest_mem_add(&gm, 4 * GIB, MIB, mmap(NULL, MIB, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) < 0)
		return 1;
	RUN(highest_place_is_in_the_highest_range);
	RUN(what_is_too_large_for_one_range_goes_to_another);
	RUN(limit_and_floor_are_kept);
	RUN(areas_are_avoided_downwards);
	RUN(areas_are_avoided_upwards);
	RUN(lowest_place_is_in_the_lowest_range);
	RUN(load_stays_inside_ram);
	RUN(read_stays_inside_the_file);
	RUN(part_of_a_file_is_a_file);
	RUN(part_outside_the_file_is_refused);
	RUN(slack_at_the_end_is_zeroed);
	RUN(gzip_is_read_in_any_order);
	RUN(zstd_is_read_in_any_order);
	RUN(xz_is_read_in_any_order);
	RUN(unpacking_within_less_than_the_head_is_bounded);
	RUN(plain_content_is_left_alone);
	RUN(file_is_read_like_memory);
	RUN(kept_file_is_read_again_without_its_path);
	RUN(read_error_is_passed_on);
	RUN(initrd_is_read_to_its_place);
	RUN(sizes_are_readable);
	return tap_done();
}
