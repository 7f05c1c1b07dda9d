/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disk options, and which images open: kinds of file, sizes, locks, signatures, identity.
 * links: disk/open.c disk/disk.c disk/probe.c disk/sync.c disk/aio.c disk/uring.c event.c
 * links: util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "disk/engine.h"
#include "tests/tap.h"
#include "util/endian.h"
#include "util/log.h"

static char dir[64];
static char path[128];
static struct error err;

static const char *in_dir(const char *name)
{
	static char s[128];

	snprintf(s, sizeof(s), "%s/%s", dir, name);
	return s;
}

static int make_image(u64 size)
{
	int fd;

	snprintf(path, sizeof(path), "%s", in_dir("a.img"));
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		abort();
	return fd;
}

static void image(u64 size)
{
	close(make_image(size));
}

static int try_open(const struct disk_config *cfg, struct disk **ret)
{
	err.msg[0] = '\0';
	return disk_open(cfg, &err, ret);
}

/* Opening gives @code and a line that has the path and @what in it. */
static bool refused(const struct disk_config *cfg, int code, const char *what)
{
	struct disk *d = NULL;
	int r = try_open(cfg, &d);

	if (r == code && !d && strstr(err.msg, cfg->path) && strstr(err.msg, what) && !strchr(err.msg, '\n'))
		return true;
	printf("# %d \"%s\"\n", r, err.msg);
	disk_close(d);
	return false;
}

static int parse(const char *s, struct disk_config *ret)
{
	static char spec[128];

	snprintf(spec, sizeof(spec), "%s", s);
	err.msg[0] = '\0';
	return disk_parse(spec, ret, &err);
}

/* --- options --- */

TEST(plain_path_gets_the_defaults)
{
	struct disk_config cfg;

	CHECK_EQ(parse("a.img", &cfg), 0);
	CHECK_STR(cfg.path, "a.img");
	CHECK(!cfg.readonly && !cfg.direct && !cfg.writethrough && !cfg.serial && !cfg.queues);
	CHECK_EQ(cfg.engine, DISK_ENGINE_AUTO);
	CHECK_EQ(cfg.format, DISK_FORMAT_AUTO);
}

TEST(all_options_are_taken)
{
	struct disk_config cfg;

	CHECK_EQ(parse("x,ro,direct,engine=io_uring,format=raw,serial=01234567890123456789,queues=64,cache=writethrough", &cfg), 0);
	CHECK_STR(cfg.path, "x");
	CHECK(cfg.readonly && cfg.direct && cfg.writethrough);
	CHECK_EQ(cfg.engine, DISK_ENGINE_URING);
	CHECK_EQ(cfg.format, DISK_FORMAT_RAW);
	CHECK_STR(cfg.serial, "01234567890123456789");
	CHECK_EQ(cfg.queues, 64);
	CHECK_EQ(parse("x,engine=aio,cache=writeback,format=auto", &cfg), 0);
	CHECK_EQ(cfg.engine, DISK_ENGINE_AIO);
	CHECK_EQ(parse("x,engine=sync", &cfg), 0);
	CHECK_EQ(cfg.engine, DISK_ENGINE_SYNC);
	CHECK_EQ(parse("x,engine=auto", &cfg), 0);
	CHECK_EQ(cfg.engine, DISK_ENGINE_AUTO);
}

TEST(bad_options_are_refused_by_disk_and_value)
{
	static const struct {
		const char *spec, *what;
	} bad[] = {
		{ "a.img,nonsense", "'nonsense'" }, { "a.img,rw", "'rw'" }, { "a.img,", "''" }, { "a.img,ro,,direct", "''" },
		{ "a.img,engine=steam", "'steam'" }, { "a.img,engine", "''" }, { "a.img,engine=uring", "'uring'" },
		{ "a.img,format=qcow2", "'qcow2'" }, { "a.img,cache=none", "'none'" }, { "a.img,queues=0", "'0'" },
		{ "a.img,queues=65", "'65'" }, { "a.img,queues=2x", "'2x'" }, { "a.img,queues=-1", "'-1'" },
		{ "a.img,serial=", "''" }, { "a.img,serial=012345678901234567890", "'012345678901234567890'" },
		{ "a.img,ro=yes", "'yes'" }, { "a.img,direct=1", "'1'" }, { "a.img,direct,x=y", "'x'" },
	};
	struct disk_config cfg = { .queues = 77 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(parse(bad[i].spec, &cfg), -EINVAL);
		if (!strstr(err.msg, "'a.img'") || !strstr(err.msg, bad[i].what))
			printf("# %s: %s\n", bad[i].spec, err.msg);
		CHECK(strstr(err.msg, "'a.img'") && strstr(err.msg, bad[i].what));
	}
	CHECK_EQ(parse("", &cfg), -EINVAL);
	CHECK_EQ(parse(",ro", &cfg), -EINVAL);
	CHECK_EQ(cfg.queues, 77);	/* output on success only */
}

/* --- which images open --- */

TEST(image_opens_with_its_size_and_identity)
{
	struct disk_config cfg = { .path = path };
	char serial[20], zero[20] = { 0 }, want[64];
	struct disk *d;
	struct stat st;

	image(1 << 20);
	CHECK_EQ(try_open(&cfg, &d), 0);
	CHECK_EQ(disk_size(d), 1 << 20);
	CHECK_EQ(disk_block_size(d), 512);
	CHECK(disk_physical_block_size(d) >= 512);
	CHECK(!disk_readonly(d) && disk_can_discard(d) && disk_can_write_zeroes(d));
	CHECK_STR(disk_path(d), path);
	CHECK_STR(disk_engine_name(d), "auto");
	disk_serial(d, serial);
	stat(path, &st);
	snprintf(want, sizeof(want), "%llu%llu%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_rdev,
		 (unsigned long long)st.st_ino);
	CHECK(!strncmp(serial, want, 20) && memcmp(serial, zero, 20));
	disk_close(d);

	cfg.readonly = true;
	cfg.serial = "twenty bytes serial!";
	CHECK_EQ(try_open(&cfg, &d), 0);
	CHECK(disk_readonly(d) && !disk_can_discard(d) && !disk_can_write_zeroes(d));
	disk_serial(d, serial);
	CHECK(!memcmp(serial, "twenty bytes serial!", 20));
	disk_close(d);
}

TEST(what_is_no_image_is_refused_by_name)
{
	struct disk_config cfg = { .path = path };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s;

	cfg.path = in_dir("none");
	CHECK(refused(&cfg, -ENOENT, "No such file"));
	cfg.path = dir;
	CHECK(refused(&cfg, -EINVAL, "a directory"));
	cfg.readonly = true;
	CHECK(refused(&cfg, -EINVAL, "a directory"));
	cfg.path = "/dev/zero";
	CHECK(refused(&cfg, -EINVAL, "a character device"));
	cfg.path = in_dir("pipe");
	CHECK_EQ(mkfifo(cfg.path, 0600), 0);
	CHECK(refused(&cfg, -EINVAL, "a pipe"));
	unlink(cfg.path);
	cfg.path = in_dir("sock");
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", cfg.path);
	CHECK_EQ(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	CHECK(refused(&cfg, -EINVAL, "a socket"));
	unlink(cfg.path);
	close(s);
}

TEST(sizes_that_are_no_whole_sectors_are_refused)
{
	struct disk_config cfg = { .path = path, .format = DISK_FORMAT_RAW };
	static const u64 sizes[] = { 1, 511, 513, 1048577 };
	char size[24];
	unsigned int i;
	struct disk *d;

	image(0);
	CHECK(refused(&cfg, -EINVAL, "is empty"));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		image(sizes[i]);
		snprintf(size, sizeof(size), " %llu ", (unsigned long long)sizes[i]);
		CHECK(refused(&cfg, -EINVAL, "not a multiple of 512"));
		CHECK(strstr(err.msg, size));
	}
	image(512);
	cfg.format = DISK_FORMAT_AUTO;
	CHECK_EQ(try_open(&cfg, &d), 0);
	disk_close(d);
}

TEST(image_that_may_not_be_written_says_how_to_read_it)
{
	struct disk_config cfg = { .path = path };
	struct disk *d;
	int r;

	if (geteuid() == 0)
		SKIP("root may write everything");
	image(4096);
	chmod(path, 0400);
	CHECK(refused(&cfg, -EACCES, ",ro"));
	cfg.readonly = true;
	r = try_open(&cfg, &d);
	CHECK_EQ(r, 0);
	disk_close(d);
}

/* --- locks --- */

TEST(writer_excludes_writers_and_readers)
{
	struct disk_config w = { .path = path }, r = { .path = path, .readonly = true };
	struct disk *d, *e;

	image(4096);
	CHECK_EQ(try_open(&w, &d), 0);
	CHECK(refused(&w, -EBUSY, "locked"));
	CHECK(refused(&r, -EBUSY, "locked"));
	disk_close(d);
	CHECK_EQ(try_open(&w, &e), 0);
	disk_close(e);
}

TEST(readers_share_and_exclude_writers)
{
	struct disk_config w = { .path = path }, r = { .path = path, .readonly = true };
	struct disk *d, *e;

	image(4096);
	CHECK_EQ(try_open(&r, &d), 0);
	CHECK_EQ(try_open(&r, &e), 0);
	CHECK(refused(&w, -EBUSY, "locked"));
	disk_close(d);
	CHECK(refused(&w, -EBUSY, "locked"));
	disk_close(e);
	CHECK_EQ(try_open(&w, &d), 0);
	disk_close(d);
}

TEST(another_open_and_close_of_the_file_does_not_drop_the_lock)
{
	struct disk_config w = { .path = path };
	struct disk *d;
	int fd;

	image(4096);
	CHECK_EQ(try_open(&w, &d), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);	/* a process's own POSIX lock would go with this */
	close(fd);
	CHECK(refused(&w, -EBUSY, "locked"));
	disk_close(d);
}

TEST(a_refused_image_is_not_left_locked)
{
	struct disk_config w = { .path = path };
	struct disk *d;

	image(1000);
	CHECK(refused(&w, -EINVAL, "multiple"));
	CHECK_EQ(truncate(path, 1024), 0);
	CHECK_EQ(try_open(&w, &d), 0);
	disk_close(d);
}

/* --- signatures --- */

static const struct {
	const char *name;
	u64 off;
	unsigned int len;
	const char *bytes;
} signatures[] = {
	{ "qcow image", 0, 8, "QFI\xfb\0\0\0\1" },
	{ "qcow2", 0, 8, "QFI\xfb\0\0\0\2" },
	{ "qcow2", 0, 8, "QFI\xfb\0\0\0\3" },
	{ "qed", 0, 4, "QED\0" },
	{ "vmdk", 0, 4, "KDMV" },
	{ "vmdk", 0, 4, "COWD" },
	{ "vmdk", 0, 8, "\xbe\xba\xfe\xca\0\0\0\0" },
	{ "vmdk descriptor", 0, 21, "# Disk DescriptorFile" },
	{ "vhd", 0, 8, "conectix" },
	{ "vhd", 65536 - 512, 8, "conectix" },
	{ "vhdx", 0, 8, "vhdxfile" },
	{ "vdi", 64, 4, "\x7f\x10\xda\xbe" },
	{ "parallels", 0, 16, "WithoutFreeSpace" },
	{ "parallels", 0, 16, "WithouFreSpacExt" },
	{ "bochs", 0, 22, "Bochs Virtual HD Image" },
	{ "dmg", 65536 - 512, 4, "koly" },
};

TEST(images_of_other_formats_are_refused_by_name)
{
	struct disk_config cfg = { .path = path };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(signatures); i++) {
		fd = make_image(65536);
		CHECK_EQ(pwrite(fd, signatures[i].bytes, signatures[i].len, (off_t)signatures[i].off), signatures[i].len);
		close(fd);
		CHECK(refused(&cfg, -EINVAL, signatures[i].name));
		CHECK(strstr(err.msg, "format=raw"));
		cfg.readonly = !cfg.readonly;	/* either way */
	}
}

TEST(what_a_guest_wrote_never_changes_how_a_raw_disk_is_read)
{
	struct disk_config cfg = { .path = path, .format = DISK_FORMAT_RAW };
	unsigned int i;
	struct disk *d;
	int fd;

	for (i = 0; i < ARRAY_SIZE(signatures); i++) {
		fd = make_image(65536);
		CHECK_EQ(pwrite(fd, signatures[i].bytes, signatures[i].len, (off_t)signatures[i].off), signatures[i].len);
		close(fd);
		CHECK_EQ(try_open(&cfg, &d), 0);
		CHECK_EQ(disk_size(d), 65536);
		disk_close(d);
	}
}

TEST(what_a_raw_disk_may_hold_is_no_signature)
{
	struct disk_config cfg = { .path = path };
	static const char *const fine[] = { "LUKS\xba\xbe", "\xeb\x3c\x90mkdosfs", "QFI", "\x1f\x8b\x08", "conectiX", "koly" };
	unsigned int i;
	struct disk *d;
	int fd;

	for (i = 0; i < ARRAY_SIZE(fine); i++) {
		fd = make_image(1024);
		CHECK(pwrite(fd, fine[i], strlen(fine[i]), 0) > 0);
		close(fd);
		CHECK_EQ(try_open(&cfg, &d), 0);
		disk_close(d);
	}
}

/* --- engines --- */

TEST(named_engine_is_set_up_at_open_or_refused_with_the_others)
{
	static const struct {
		enum disk_engine id;
		const char *name;
		bool built;
	} engines[] = {
		{ DISK_ENGINE_SYNC, "sync", true },
#ifdef HAVE_AIO
		{ DISK_ENGINE_AIO, "aio", true },
#else
		{ DISK_ENGINE_AIO, "aio", false },
#endif
#ifdef HAVE_URING
		{ DISK_ENGINE_URING, "io_uring", true },
#else
		{ DISK_ENGINE_URING, "io_uring", false },
#endif
	};
	struct disk_config cfg = { .path = path };
	struct disk *d;
	unsigned int i;
	int r;

	image(4096);
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		cfg.engine = engines[i].id;
		if (!engines[i].built) {
			CHECK(refused(&cfg, -EOPNOTSUPP, engines[i].name));
			CHECK(strstr(err.msg, "sync"));
			continue;
		}
		r = try_open(&cfg, &d);
		if (r < 0) {	/* forbidden here */
			CHECK(strstr(err.msg, engines[i].name) && strstr(err.msg, "want"));
			continue;
		}
		CHECK_STR(disk_engine_name(d), engines[i].name);
		disk_close(d);
	}
}

/* --- block devices --- */

TEST(mounts_are_found_by_device_number)
{
	char file[128];
	char where[32] = "";
	FILE *f;

	snprintf(file, sizeof(file), "%s", in_dir("mountinfo"));
	f = fopen(file, "we");
	CHECK(f);
	fputs("22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
	      "garbage\n"
	      "36 35 8:17 /sub /mnt/a\\040b rw,noatime master:1 - ext4 /dev/sdb1 rw\n", f);
	fclose(f);
	CHECK(disk_mounted_at(file, makedev(8, 17), where, sizeof(where)));
	CHECK_STR(where, "/mnt/a\\040b");
	CHECK(disk_mounted_at(file, makedev(254, 0), where, sizeof(where)));
	CHECK_STR(where, "/");
	CHECK(!disk_mounted_at(file, makedev(8, 16), where, sizeof(where)));
	CHECK(!disk_mounted_at(in_dir("none"), makedev(8, 17), where, sizeof(where)));
	unlink(file);
}

/* A loop device over the image; -1 when there is none to be had. */
static int loop_device(char *name, size_t room)
{
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n = ctl < 0 ? -1 : ioctl(ctl, LOOP_CTL_GET_FREE), fd, img;

	if (ctl >= 0)
		close(ctl);
	if (n < 0)
		return -1;
	snprintf(name, room, "/dev/loop%d", n);
	fd = open(name, O_RDWR | O_CLOEXEC);
	img = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && (img < 0 || ioctl(fd, LOOP_SET_FD, img) < 0)) {
		close(fd);
		fd = -1;
	}
	if (img >= 0)
		close(img);
	return fd;
}

TEST(block_device_in_use_by_the_host_is_not_written)
{
	struct disk_config cfg = { .path = path };
	char name[32], cmd[256];
	int fd, excl, r;
	struct disk *d;

	image(1 << 20);
	fd = loop_device(name, sizeof(name));
	if (fd < 0)
		SKIP("no loop device to be had here");
	cfg.path = name;
	r = try_open(&cfg, &d);
	if (!r) {
		r = disk_size(d) == 1 << 20 && disk_can_write_zeroes(d) ? 0 : -1;
		disk_close(d);
	}
	excl = open(name, O_RDONLY | O_EXCL | O_CLOEXEC);	/* as LVM, RAID or swap hold it */
	r = r || excl < 0 || !refused(&cfg, -EBUSY, "the host uses it");
	close(excl);
	snprintf(cmd, sizeof(cmd), "mkfs.ext4 -q -F %s >/dev/null 2>&1", name);
	if (!r && system(cmd) == 0 && mkdir(in_dir("mnt"), 0700) == 0 && mount(name, in_dir("mnt"), "ext4", MS_RDONLY, "noload") == 0) {
		r = !refused(&cfg, -EBUSY, "is mounted at");
		cfg.readonly = true;
		r = r || try_open(&cfg, &d);
		if (!r)
			disk_close(d);
		umount(in_dir("mnt"));
	}
	rmdir(in_dir("mnt"));
	ioctl(fd, LOOP_CLR_FD, 0);
	close(fd);
	CHECK_EQ(r, 0);
}

int main(void)
{
	snprintf(dir, sizeof(dir), "%s/lkvm-disk-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(dir))
		abort();
	log_set_level(LOG_ERROR);
	RUN(plain_path_gets_the_defaults);
	RUN(all_options_are_taken);
	RUN(bad_options_are_refused_by_disk_and_value);
	RUN(image_opens_with_its_size_and_identity);
	RUN(what_is_no_image_is_refused_by_name);
	RUN(sizes_that_are_no_whole_sectors_are_refused);
	RUN(image_that_may_not_be_written_says_how_to_read_it);
	RUN(writer_excludes_writers_and_readers);
	RUN(readers_share_and_exclude_writers);
	RUN(another_open_and_close_of_the_file_does_not_drop_the_lock);
	RUN(a_refused_image_is_not_left_locked);
	RUN(images_of_other_formats_are_refused_by_name);
	RUN(what_a_guest_wrote_never_changes_how_a_raw_disk_is_read);
	RUN(what_a_raw_disk_may_hold_is_no_signature);
	RUN(named_engine_is_set_up_at_open_or_refused_with_the_others);
	RUN(mounts_are_found_by_device_number);
	RUN(block_device_in_use_by_the_host_is_not_written);
	unlink(in_dir("a.img"));
	rmdir(dir);
	return tap_done();
}
