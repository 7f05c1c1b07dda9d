/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls of vfio/ on files and folders of our own: what is whole, what is cut, what is not there.
 * links: vfio/sys.c util/cleanup.c
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tap.h"
#include "vfio/vfio.h"

static char dir[] = "/tmp/lkvm-vfio-sys.XXXXXX", path[128];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool file(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_CREAT | O_TRUNC | O_WRONLY, 0600);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	return ok && !close(fd);
}

TEST(small_files_are_read_without_their_newline)
{
	char buf[8];

	CHECK(file("a", "12\n\n"));
	CHECK_EQ(vfio_sys_read_file(in_dir("a"), buf, sizeof(buf)), 0);
	CHECK_STR(buf, "12");
	CHECK(file("a", "1\n23456789"));
	CHECK_EQ(vfio_sys_read_file(in_dir("a"), buf, sizeof(buf)), 0);
	CHECK_STR(buf, "1\n23456");
	CHECK(file("a", ""));
	CHECK_EQ(vfio_sys_read_file(in_dir("a"), buf, sizeof(buf)), 0);
	CHECK_STR(buf, "");
	CHECK_EQ(vfio_sys_read_file(in_dir("none"), buf, sizeof(buf)), -ENOENT);
	CHECK_EQ(vfio_sys_read_file(dir, buf, sizeof(buf)), -EISDIR);
}

TEST(links_give_their_last_component)
{
	char buf[8];

	CHECK_EQ(symlink("../../x/driver", in_dir("link")), 0);
	CHECK_EQ(symlink("plain", in_dir("plain")), 0);
	CHECK_EQ(symlink("../eight888", in_dir("long")), 0);
	CHECK_EQ(vfio_sys_read_link(in_dir("link"), buf, sizeof(buf)), 0);
	CHECK_STR(buf, "driver");
	CHECK_EQ(vfio_sys_read_link(in_dir("plain"), buf, sizeof(buf)), 0);
	CHECK_STR(buf, "plain");
	CHECK_EQ(vfio_sys_read_link(in_dir("long"), buf, sizeof(buf)), -ENAMETOOLONG);
	CHECK_EQ(vfio_sys_read_link(in_dir("none"), buf, sizeof(buf)), -ENOENT);
	CHECK_EQ(vfio_sys_read_link(dir, buf, sizeof(buf)), -EINVAL);
}

static void add(void *arg, const char *name)
{
	strcat(strcat(arg, name), " ");
}

TEST(folders_are_listed_in_order)
{
	char names[64] = "";

	CHECK_EQ(mkdir(in_dir("d"), 0700), 0);
	CHECK(file("d/2", "") && file("d/10", "") && file("d/1", ""));
	CHECK_EQ(vfio_sys_list(in_dir("d"), add, names), 0);
	CHECK_STR(names, "1 10 2 ");
	CHECK_EQ(vfio_sys_list(in_dir("none"), add, names), -ENOENT);
	CHECK(vfio_sys_exists(in_dir("d/10")));
	CHECK(!vfio_sys_exists(in_dir("d/3")));
}

TEST(files_are_accessed_whole_or_not_at_all)
{
	char buf[8];
	void *p;
	int fd;

	CHECK(file("f", "0123456789"));
	CHECK_EQ(vfio_sys_open(in_dir("none"), O_RDWR), -ENOENT);
	fd = vfio_sys_open(in_dir("f"), O_RDWR);
	CHECK(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK_EQ(vfio_sys_pread(fd, buf, 4, 3), 0);
	CHECK(!memcmp(buf, "3456", 4));
	CHECK_EQ(vfio_sys_pread(fd, buf, 4, 8), -EIO);
	CHECK_EQ(vfio_sys_pread(fd, buf, 4, 100), -EIO);
	CHECK_EQ(vfio_sys_pwrite(fd, "abcd", 4, 2), 0);
	CHECK_EQ(vfio_sys_pread(fd, buf, 8, 0), 0);
	CHECK(!memcmp(buf, "01abcd67", 8));
	CHECK_EQ(vfio_sys_mmap(fd, 4096, PROT_READ, 0, &p), 0);
	CHECK(!memcmp(p, "01abcd", 6));
	vfio_sys_munmap(p, 4096);
	CHECK_EQ(vfio_sys_mmap(fd, 4096, PROT_READ, 1, &p), -EINVAL);
	CHECK_EQ(vfio_sys_ioctl(fd, VFIO_GET_API_VERSION, NULL), -ENOTTY);
	vfio_sys_close(fd);
	vfio_sys_close(-1);
	CHECK_EQ(vfio_sys_pread(fd, buf, 1, 0), -EBADF);
	CHECK_EQ(vfio_sys_pwrite(fd, buf, 1, 0), -EBADF);
	CHECK_EQ(vfio_sys_ioctl(fd, VFIO_GET_API_VERSION, NULL), -EBADF);
	fd = vfio_sys_open("/dev/full", O_RDWR);
	CHECK_EQ(vfio_sys_pwrite(fd, "x", 1, 0), -ENOSPC);
	vfio_sys_close(fd);
}

TEST(streams_are_read_as_they_come)
{
	char buf[8];
	int fd[2];

	CHECK_EQ(pipe2(fd, O_NONBLOCK), 0);
	CHECK_EQ(vfio_sys_read(fd[0], buf, sizeof(buf)), -EAGAIN);
	CHECK_EQ(vfio_sys_write(fd[1], "abc", 3), 3);
	CHECK_EQ(vfio_sys_read(fd[0], buf, sizeof(buf)), 3);
	CHECK(!memcmp(buf, "abc", 3));
	vfio_sys_close(fd[1]);
	CHECK_EQ(vfio_sys_read(fd[0], buf, sizeof(buf)), 0);
	CHECK_EQ(vfio_sys_write(fd[0], "abc", 3), -EBADF);
	vfio_sys_close(fd[0]);
}

TEST(limit_of_locked_memory_moves_below_the_hard_one)
{
	struct rlimit lim;
	u64 soft, hard, was;

	CHECK_EQ(getrlimit(RLIMIT_MEMLOCK, &lim), 0);
	CHECK_EQ(vfio_sys_memlock(&was, &hard), 0);
	CHECK(lim.rlim_max == RLIM_INFINITY ? hard == ~0ULL : hard == lim.rlim_max);
	CHECK_EQ(vfio_sys_set_memlock(4096), 0);
	CHECK_EQ(vfio_sys_memlock(&soft, &hard), 0);
	CHECK_EQ(soft, 4096);
	CHECK_EQ(vfio_sys_set_memlock(hard), 0);
	CHECK_EQ(vfio_sys_memlock(&soft, &hard), 0);
	CHECK_EQ(soft, hard);
	CHECK_EQ(vfio_sys_set_memlock(was), 0);
}

int main(void)
{
	char clean[64];

	if (!mkdtemp(dir))
		return 1;
	RUN(small_files_are_read_without_their_newline);
	RUN(links_give_their_last_component);
	RUN(folders_are_listed_in_order);
	RUN(files_are_accessed_whole_or_not_at_all);
	RUN(streams_are_read_as_they_come);
	RUN(limit_of_locked_memory_moves_below_the_hard_one);
	snprintf(clean, sizeof(clean), "rm -rf %s", dir);
	return tap_done() | !!system(clean);
}
