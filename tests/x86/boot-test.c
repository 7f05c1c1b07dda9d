/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which loader takes a file, what is refused as what, compressed kernels, the default command line.
 *
 * links: x86/boot.c x86/boot-bzimage.c x86/boot-elf.c x86/boot-multiboot.c x86/boot-flat.c boot-image.c boot-guess.c memory.c
 * links: util/decompress.c util/error.c util/str.c util/log.c util/cleanup.c
 */
#include "tests/x86/boot-fake.h"

#include <sys/stat.h>

#include "tests/util/pack.h"

static u8 img[128 * 1024];

/* --- not there, not readable --- */

static int boot_path(const char *path)
{
	fake.cfg.kernel = path;
	memset(&fake_entry, 0xee, sizeof(fake_entry));
	return x86_boot_load(&fake, &fake_entry, &fake_err);
}

TEST(missing_kernel_is_named)
{
	CHECK_REFUSED(boot_path("/nonexistent/bzImage"), -ENOENT, "No such file or directory");
	CHECK(!strncmp(fake_err.msg, "Unable to open kernel /nonexistent/bzImage", 42));
}

TEST(directory_is_refused)
{
	CHECK_REFUSED(boot_path("/proc/self"), -EISDIR, "Unable to open kernel /proc/self: it is a directory, not a file");
}

TEST(pipe_is_refused_without_waiting)
{
	char name[] = "/tmp/lkvm-fifo-XXXXXX";

	CHECK(mkdtemp(name));
	snprintf((char *)img, 100, "%s/fifo", name);
	CHECK_EQ(mkfifo((char *)img, 0600), 0);
	CHECK_REFUSED(boot_path((char *)img), -EINVAL, "it is a pipe, not a file");
	unlink((char *)img);
	rmdir(name);
}

TEST(device_is_refused)
{
	CHECK_REFUSED(boot_path("/dev/null"), -EINVAL, "it is a device, not a file");
}

TEST(unreadable_kernel_is_named)
{
	char name[] = "/tmp/lkvm-kernel-XXXXXX";
	int fd = mkstemp(name), r;

	CHECK(fd >= 0);
	close(fd);
	chmod(name, 0);
	r = seteuid(65534) ? 1 : boot_path(name);
	if (seteuid(getuid()))
		abort();
	unlink(name);
	if (r == 1)
		SKIP("cannot become another user");
	CHECK_REFUSED(r, -EACCES, "Permission denied");
	CHECK(!strncmp(fake_err.msg, "Unable to open kernel /tmp/lkvm-kernel-", 39));
}

TEST(no_kernel_at_all_is_an_error)
{
	CHECK_REFUSED(boot_path(NULL), -EINVAL, "no kernel: give one with --kernel");
}

TEST(empty_file_is_refused)
{
	CHECK_REFUSED(boot("", 0), -ENODATA, "the file is empty");
}

/* --- not a kernel --- */

/* Zeroes with @magic at @off. */
static int with_magic(size_t off, const char *magic, size_t len, size_t size)
{
	memset(img, 0, sizeof(img));
	memcpy(img + off, magic, len);
	return boot(img, size);
}

#define REFUSED_AS(off, magic, what)                                                                                   \
	CHECK_REFUSED(with_magic(off, magic, sizeof(magic) - 1, 4096), -ENOEXEC, "not an x86 kernel, but " what)

TEST(other_files_are_refused_by_what_they_are)
{
	REFUSED_AS(0x38, "ARMd", "an arm64 kernel Image");
	REFUSED_AS(0x38, "RSC\5", "a riscv kernel Image");
	REFUSED_AS(4, "zimg", "a compressed EFI kernel");
	REFUSED_AS(0, "\x27\x05\x19\x56", "a U-Boot uImage");
	REFUSED_AS(0, "\xd0\x0d\xfe\xed", "a device tree");
	REFUSED_AS(0, "ANDROID!", "an Android boot image");
	REFUSED_AS(0, "070701", "a cpio archive (an initramfs?)");
	REFUSED_AS(257, "ustar", "a tar archive");
	REFUSED_AS(0, "PK\3\4", "a zip archive");
	REFUSED_AS(0, "!<arch>\n", "an ar archive");
	REFUSED_AS(0, "\xed\xab\xee\xdb", "an RPM package");
	REFUSED_AS(0, "QFI\xfb", "a qcow2 disk image");
	REFUSED_AS(0, "hsqs", "a squashfs image");
	REFUSED_AS(0x438, "\x53\xef", "an ext2/3/4 file system image");
	REFUSED_AS(0, "#!/bin/sh\n", "a script");
	REFUSED_AS(0, "MZ", "a PE/EFI program without a Linux boot header");
}

TEST(arm64_image_with_an_efi_stub_is_an_arm64_image)
{
	memset(img, 0, 4096);
	memcpy(img, "MZ", 2);
	memcpy(img + 0x38, "ARMd", 4);
	CHECK_REFUSED(boot(img, 4096), -ENOEXEC, "an arm64 kernel Image");
}

TEST(text_is_refused)
{
	CHECK_REFUSED(boot("CONFIG_KVM=y\n", 13), -ENOEXEC, "a text file");
}

TEST(forced_formats_refuse_other_files)
{
	memset(img, 0, sizeof(img));
	fake.cfg.kernel_format = KERNEL_BZIMAGE;
	CHECK_REFUSED(boot(img, 4096), -ENOEXEC, "not a bzImage, but a file of unknown content");
	fake.cfg.kernel_format = KERNEL_ELF;
	CHECK_REFUSED(boot("#!/bin/sh\n", 10), -ENOEXEC, "not an ELF file, but a script");
	fake.cfg.kernel_format = KERNEL_BZIMAGE;
	make_bzimage(img);
	CHECK_BOOTS(boot(img, BZ_SIZE));
}

/* --- compressed --- */

static void boots_packed(enum compression c)
{
	u8 *packed;
	size_t len;
	int r;

	make_bzimage(img);
	packed = test_pack(c, img, BZ_SIZE, &len);
	if (!packed)
		SKIP("built without its library");
	r = boot(packed, len);
	free(packed);
	CHECK_BOOTS(r);
	CHECK(!memcmp(ram(16 * MIB), img + (BZ_SECTS + 1) * 512, BZ_PAYLOAD));
	CHECK_EQ(fake_entry.rip, 16 * MIB + 0x200);
}

TEST(gzip_bzimage_boots) { boots_packed(COMPRESSION_GZIP); }
TEST(zstd_bzimage_boots) { boots_packed(COMPRESSION_ZSTD); }
TEST(xz_bzimage_boots) { boots_packed(COMPRESSION_XZ); }

/* Larger than the head that is kept, with the note at its end and the segments in the wrong order. */
TEST(gzip_elf_boots)
{
	enum { SIZE = 100 * 1024 };
	u8 *packed;
	size_t len;
	int r;

	make_elf64(img, NULL, 0);
	memset(img + ELF_SIZE, 0x90, SIZE - ELF_SIZE);
	put_le16(img + 56, 3);
	memcpy(img + 64 + 2 * 56, img + 64, 56);
	put_le64(img + 64 + 8, 0x8000);			/* PT_LOAD: later in the file, comes first */
	put_le64(img + 64 + 24, 8 * MIB);
	put_le64(img + 64 + 32, 0x10000);
	put_le64(img + 64 + 40, 0x10000);
	put_le64(img + 64 + 56 + 8, 0x17000);		/* PT_NOTE: inside it */
	put_le64(img + 64 + 56 + 32, sizeof(pvh_note));
	memcpy(img + 0x17000, pvh_note, sizeof(pvh_note));
	packed = test_pack(COMPRESSION_GZIP, img, SIZE, &len);
	if (!packed)
		SKIP("built without zlib");
	r = boot(packed, len);
	free(packed);
	CHECK_BOOTS(r);
	CHECK_EQ(fake_entry.rip, 0x200020);
	CHECK(!memcmp(ram(2 * MIB), img + ELF_DATA, ELF_SIZE - ELF_DATA));
	CHECK(!memcmp(ram(8 * MIB), img + 0x8000, 0x10000));
}

static int boot_packed(const void *data, size_t len, size_t cut)
{
	u8 *packed = test_pack(COMPRESSION_GZIP, data, len, &len);
	int r;

	if (!packed)
		return 1;
	r = boot(packed, len - cut);
	free(packed);
	return r;
}

TEST(packed_multiboot_must_tell_its_size)
{
	int r;

	memset(img, 0xf4, 1024);
	put_multiboot(img, 1 << 16);
	put_le32(img + 12, MIB);
	put_le32(img + 16, MIB);
	put_le32(img + 20, 0);
	put_le32(img + 24, 0);
	put_le32(img + 28, MIB);
	r = boot_packed(img, 1024, 0);
	if (r == 1)
		SKIP("built without zlib");
	CHECK_REFUSED(r, -ENOEXEC, "does not tell its size");
	put_le32(img + 20, MIB + 1024);
	CHECK_BOOTS(boot_packed(img, 1024, 0));
	CHECK_EQ(fake_entry.rip, MIB);
}

TEST(packed_archive_is_refused_as_what_it_is)
{
	int r;

	memset(img, 0, 4096);
	memcpy(img, "070701", 6);
	r = boot_packed(img, 4096, 0);
	if (r == 1)
		SKIP("built without zlib");
	CHECK_REFUSED(r, -ENOEXEC, "not an x86 kernel, but gzip-compressed: a cpio archive (an initramfs?)");
	memset(img, 0, 4096);
	CHECK_REFUSED(boot_packed(img, 4096, 0), -ENOEXEC, "gzip-compressed: file of unknown content");
}

TEST(broken_gzip_is_refused)
{
	u8 *packed;
	size_t len;
	int r;

	make_bzimage(img);
	r = boot_packed(img, BZ_SIZE, 50);
	if (r == 1)
		SKIP("built without zlib");
	CHECK_REFUSED(r, -ENODATA, "truncated gzip data");
	packed = test_pack(COMPRESSION_GZIP, img, BZ_SIZE, &len);
	memset(packed + 10, 0xff, 20);
	r = boot(packed, len);
	free(packed);
	CHECK_REFUSED(r, -EBADMSG, "corrupt gzip data");
	r = boot_packed(img, BZ_SIZE - 100, 0);
	CHECK_REFUSED(r, -ENODATA, "truncated: its header speaks of 10240 bytes, and there are fewer");
	CHECK_REFUSED(boot_packed("", 0, 0), -ENODATA, "unpacks to nothing");
}

/* A segment whose data comes behind more zeroes than the guest has RAM. */
TEST(decompression_bomb_is_stopped)
{
	u8 *bomb, *packed;
	size_t len;
	int r;

	bomb = calloc(1, 65 * MIB + ELF_SIZE);
	make_elf64(bomb, NULL, 0);
	put_le64(bomb + 64 + 8, 65 * MIB);
	packed = test_pack(COMPRESSION_GZIP, bomb, 65 * MIB + ELF_SIZE, &len);
	free(bomb);
	if (!packed)
		SKIP("built without zlib");
	r = boot(packed, len);
	free(packed);
	CHECK_REFUSED(r, -EFBIG, "unpacks to more than the 64 MiB that fit in the guest's RAM");
}

TEST(formats_we_cannot_unpack_are_named)
{
	CHECK_REFUSED(with_magic(0, "BZh9", 4, 4096), -EOPNOTSUPP, "bzip2-compressed, which lkvm does not unpack");
	CHECK_REFUSED(with_magic(0, "\x02\x21\x4c\x18", 4, 4096), -EOPNOTSUPP, "lz4-compressed");
	if (!compression_supported(COMPRESSION_XZ))
		CHECK_REFUSED(with_magic(0, "\xfd" "7zXZ\0", 6, 4096), -EOPNOTSUPP,
			      "xz-compressed, and this lkvm was built without liblzma");
}

/* --- the command line --- */

static void cmdline_is(const char *params, const char *want)
{
	char *s;

	fake.cfg.params = params;
	s = boot_cmdline(&fake);
	CHECK_STR(s, want);
	free(s);
}

TEST(default_command_line_is_the_console)
{
	cmdline_is(NULL, "console=ttyS0");
	cmdline_is("", "console=ttyS0");
	cmdline_is("quiet", "console=ttyS0 quiet");
	fake.cfg.console = CONSOLE_VIRTIO;
	cmdline_is("quiet", "console=hvc0 quiet");
}

TEST(disk_is_the_root_unless_told_otherwise)
{
	fake.cfg.nr_disks = 1;
	cmdline_is("quiet", "console=ttyS0 root=/dev/vda rw quiet");
	cmdline_is("root=/dev/vda1", "console=ttyS0 root=/dev/vda1");
	cmdline_is("quiet root=LABEL=x", "console=ttyS0 quiet root=LABEL=x");
	cmdline_is("nfsroot=10.0.0.1:/", "console=ttyS0 root=/dev/vda rw nfsroot=10.0.0.1:/");
	fake.cfg.disk[0].readonly = true;
	cmdline_is("", "console=ttyS0 root=/dev/vda ro");
	fake.cfg.initrd = "/initrd";
	cmdline_is("quiet", "console=ttyS0 quiet");
}

TEST(nodefaults_leaves_params_alone)
{
	fake.cfg.nr_disks = 1;
	fake.cfg.nodefaults = true;
	cmdline_is("a b", "a b");
	cmdline_is(NULL, "");
}

int main(void)
{
	RUN_IN_VM(missing_kernel_is_named, 64 * MIB, 0);
	RUN_IN_VM(directory_is_refused, 64 * MIB, 0);
	RUN_IN_VM(pipe_is_refused_without_waiting, 64 * MIB, 0);
	RUN_IN_VM(device_is_refused, 64 * MIB, 0);
	RUN_IN_VM(unreadable_kernel_is_named, 64 * MIB, 0);
	RUN_IN_VM(no_kernel_at_all_is_an_error, 64 * MIB, 0);
	RUN_IN_VM(empty_file_is_refused, 64 * MIB, 0);
	RUN_IN_VM(other_files_are_refused_by_what_they_are, 64 * MIB, 0);
	RUN_IN_VM(arm64_image_with_an_efi_stub_is_an_arm64_image, 64 * MIB, 0);
	RUN_IN_VM(text_is_refused, 64 * MIB, 0);
	RUN_IN_VM(forced_formats_refuse_other_files, 64 * MIB, 0);
	RUN_IN_VM(gzip_bzimage_boots, 64 * MIB, 0);
	RUN_IN_VM(zstd_bzimage_boots, 64 * MIB, 0);
	RUN_IN_VM(xz_bzimage_boots, 64 * MIB, 0);
	RUN_IN_VM(gzip_elf_boots, 64 * MIB, 0);
	RUN_IN_VM(packed_multiboot_must_tell_its_size, 64 * MIB, 0);
	RUN_IN_VM(packed_archive_is_refused_as_what_it_is, 64 * MIB, 0);
	RUN_IN_VM(broken_gzip_is_refused, 64 * MIB, 0);
	RUN_IN_VM(decompression_bomb_is_stopped, 64 * MIB, 0);
	RUN_IN_VM(formats_we_cannot_unpack_are_named, 64 * MIB, 0);
	RUN_IN_VM(default_command_line_is_the_console, 64 * MIB, 0);
	RUN_IN_VM(disk_is_the_root_unless_told_otherwise, 64 * MIB, 0);
	RUN_IN_VM(nodefaults_leaves_params_alone, 64 * MIB, 0);
	return tap_done();
}
