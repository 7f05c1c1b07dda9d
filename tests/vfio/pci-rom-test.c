/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The expansion ROM of a VFIO function: from the device, from a file, or none.
 *
 * links: vfio/pci-rom.c vfio/pci-config.c vfio/pci-caps.c vfio/pci-extcaps.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c
 * links: state.c event.c util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vfio/pci.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config-rig.h"

static u8 image[4096];
static char path[64];

static void init(void)
{
	unsigned int i;

	rig_init();
	for (i = 0; i < sizeof(image); i++)
		image[i] = (u8)(i * 7);
	image[0] = 0x55;
	image[1] = 0xaa;
	rig.rom = image;
	rig.region[VFIO_PCI_ROM_REGION_INDEX] = (struct vfio_region){ .index = VFIO_PCI_ROM_REGION_INDEX, .size = sizeof(image) };
	rig.rom_needs_memory = true;
}

/* Makes the function, with what @r is expected of its ROM. */
static bool starts(int want, struct error *err)
{
	int r;

	if (rig_make(NULL) < 0)
		return false;
	r = vfio_pci_rom_init(rig.vp, err);
	if (r == 0)
		rig_plug();
	return r == want;
}

static void done(void)
{
	pci_dev_cleanup(&rig.vp->pdev);
	vfio_pci_rom_free(rig.vp);
	rig_free();
}

static void show_rom(void)
{
	cw(PCI_ROM_ADDRESS, 4, MEM32 + 0x1000000 + 1);
	cw(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

static u64 rom_read(u64 off, unsigned int size)
{
	return mem_read(rig.vm, MEM32 + 0x1000000 + off, size);
}

TEST(rom_of_the_device_is_read_once_and_shown)
{
	init();
	CHECK(starts(0, NULL));
	CHECK_EQ(rig.dev[PCI_COMMAND], 0);
	show_rom();
	CHECK_EQ(cr(PCI_ROM_ADDRESS, 4), MEM32 + 0x1000001);
	image[2] = 0;				/* what the device shows later is not seen */
	CHECK_EQ(rom_read(0, 4), 0x150eaa55);
	CHECK_EQ(rom_read(0xfff, 1), (u8)(0xfff * 7));
	CHECK_EQ(rom_read(8, 8), 0x69625b544d463f38);
	mem_write(rig.vm, MEM32 + 0x1000000, 4, 0);
	CHECK_EQ(rom_read(0, 2), 0xaa55);
	cw(PCI_ROM_ADDRESS, 4, MEM32 + 0x1000000);
	CHECK_EQ(rom_read(0, 2), 0xffff);
	done();
}

TEST(bar_of_the_rom_has_its_size)
{
	init();
	CHECK(starts(0, NULL));
	cw(PCI_ROM_ADDRESS, 4, ~0U);
	CHECK_EQ(cr(PCI_ROM_ADDRESS, 4), ~0xfffU | 1);
	done();
	init();
	rig.region[VFIO_PCI_ROM_REGION_INDEX].size = 3000;	/* no power of two */
	CHECK(starts(0, NULL));
	cw(PCI_ROM_ADDRESS, 4, ~0U);
	CHECK_EQ(cr(PCI_ROM_ADDRESS, 4), ~0xfffU | 1);
	show_rom();
	CHECK_EQ(rom_read(2999, 1), (u8)(2999 * 7));
	CHECK_EQ(rom_read(3000, 4), 0xffffffff);
	done();
	init();
	rig.region[VFIO_PCI_ROM_REGION_INDEX].size = 512;
	CHECK(starts(0, NULL));
	cw(PCI_ROM_ADDRESS, 4, ~0U);
	CHECK_EQ(cr(PCI_ROM_ADDRESS, 4), ~0x7ffU | 1);
	done();
}

static void none(void)
{
	bool ok = starts(0, NULL);

	CHECK(ok);
	CHECK(!rig.vp->rom);
	cw(PCI_ROM_ADDRESS, 4, ~0U);
	CHECK_EQ(cr(PCI_ROM_ADDRESS, 4), 0);
	done();
}

TEST(a_rom_that_cannot_be_read_is_none)
{
	init();
	rig.rom_error = -EIO;
	none();
}

TEST(a_rom_of_ones_is_none)
{
	init();
	memset(image, 0xff, sizeof(image));
	none();
}

TEST(a_rom_too_large_is_none)
{
	init();
	rig.region[VFIO_PCI_ROM_REGION_INDEX].size = (16 << 20) + 1;
	none();
}

TEST(a_device_without_rom_has_none)
{
	init();
	rig.region[VFIO_PCI_ROM_REGION_INDEX].size = 0;
	none();
}

TEST(rom_can_be_switched_off)
{
	init();
	rig.cfg.rom = VFIO_ROM_OFF;
	none();
}

static void write_file(u64 size)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/lkvm-rom-test-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, image, MIN(size, sizeof(image))) < 0 || ftruncate(fd, (off_t)size) < 0)
		abort();
	close(fd);
}

static void init_file(u64 size)
{
	init();
	memset(image + 2, 0x33, sizeof(image) - 2);
	write_file(size);
	rig.cfg.rom = VFIO_ROM_FILE;
	rig.cfg.romfile = path;
}

TEST(romfile_is_shown_in_place_of_the_devices)
{
	init_file(2500);
	CHECK(starts(0, NULL));
	cw(PCI_ROM_ADDRESS, 4, ~0U);
	CHECK_EQ(cr(PCI_ROM_ADDRESS, 4), ~0xfffU | 1);
	show_rom();
	CHECK_EQ(rom_read(0, 4), 0x3333aa55);
	CHECK_EQ(rom_read(2499, 1), 0x33);
	CHECK_EQ(rom_read(2500, 4), 0xffffffff);
	CHECK_EQ(rom_read(4092, 4), 0xffffffff);
	unlink(path);
	done();
	init_file(2);
	rig.region[VFIO_PCI_ROM_REGION_INDEX].size = 0;	/* the device has none */
	CHECK(starts(0, NULL));
	show_rom();
	CHECK_EQ(rom_read(0, 4), 0xffffaa55);
	unlink(path);
	done();
}

static void file_refused(int code, const char *why)
{
	struct error err = { .msg = "" };

	CHECK(starts(code, &err));
	CHECK(strstr(err.msg, "--vfio '0000:01:00.0': romfile '"));
	CHECK(strstr(err.msg, path));
	CHECK(strstr(err.msg, why));
	CHECK(!rig.vp->rom);
	unlink(path);
	done();
}

TEST(romfile_that_is_no_rom_is_refused)
{
	init_file(1);
	file_refused(-EINVAL, "2 bytes to 16 MiB");
	init_file((16 << 20) + 1);
	file_refused(-EINVAL, "2 bytes to 16 MiB");
	init_file(100);
	unlink(path);
	file_refused(-ENOENT, "No such file");
	init();
	image[0] = 0x54;
	write_file(100);
	rig.cfg.rom = VFIO_ROM_FILE;
	rig.cfg.romfile = path;
	file_refused(-EINVAL, "55 aa");
	init_file(100);
	unlink(path);
	if (mkfifo(path, 0600) < 0)
		abort();
	file_refused(-EINVAL, "not a file");
}

int main(void)
{
	RUN(rom_of_the_device_is_read_once_and_shown);
	RUN(bar_of_the_rom_has_its_size);
	RUN(a_rom_that_cannot_be_read_is_none);
	RUN(a_rom_of_ones_is_none);
	RUN(a_rom_too_large_is_none);
	RUN(a_device_without_rom_has_none);
	RUN(rom_can_be_switched_off);
	RUN(romfile_is_shown_in_place_of_the_devices);
	RUN(romfile_that_is_no_rom_is_refused);
	return tap_done();
}
