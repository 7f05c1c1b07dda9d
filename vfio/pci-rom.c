/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The expansion ROM of a VFIO PCI function: a copy, read once from the device or from a file of the user's. [pci-3.0 6.2.5.2, 6.3]
 *
 * A copy because many devices answer on the ROM's or on their other BARs, but not on both at a time, and because some show their ROM once
 * only. It is given as it is: neither ids nor checksum in the image are mended. Reads trap: firmware and drivers read it once.
 *
 * Left out on purpose: the legacy VGA ranges. The guest's display is another device's.
 *
 * Threads: making on the main thread; reads on vCPU threads, of what does not change any more.
 */
#include "vfio/pci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "util/endian.h"
#include "util/io.h"

enum {
	ROM_MIN = 2048,		/* smallest BAR */
	ROM_MAX = 16 << 20,
	SIGNATURE = 0xaa55,	/* bytes 55 aa */
};

static u64 rom_read(struct io_region *r, u64 off, unsigned int size)
{
	return get_le(vfio_pci_of(pci_bar_of(r)->pdev)->rom + off, size);
}

/* Read-only. */
static void rom_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
}

static const struct io_ops rom_io = { .read = rom_read, .write = rom_write, .sizes = 1 | 2 | 4 | 8 };

static u64 bar_size(u64 len)
{
	u64 size = ROM_MIN;

	while (size < len)
		size *= 2;
	return size;
}

/* Memory for a BAR with @len bytes in it: what is beyond reads ones, as an unprogrammed ROM. */
static u8 *rom_alloc(u64 len)
{
	u8 *rom = malloc(bar_size(len));

	if (rom)
		memset(rom, 0xff, bar_size(len));
	return rom;
}

static bool blank(const u8 *rom, u64 len)
{
	return rom[0] == 0xff && !memcmp(rom, rom + 1, len - 1);
}

/* The device answers while its memory is decoded. It is not told who else reads it: nobody yet. */
static int read_device(struct vfio_pci *vp, const struct vfio_region *region, u8 *rom)
{
	int r;

	vfio_pci_decoding(&vp->pdev, PCI_COMMAND_MEMORY);
	r = vfio_region_pread(vp->vd, region, 0, rom, region->size);
	vfio_pci_decoding(&vp->pdev, 0);
	return r;
}

/* A ROM that cannot be had is no reason not to start: the device does without where there is no firmware that runs it. */
static int from_device(struct vfio_pci *vp, u64 *ret_len)
{
	const struct vfio_region *region = vfio_region_get(vp->vd, VFIO_PCI_ROM_REGION_INDEX);
	int r;

	if (!region)
		return 0;
	if (region->size > ROM_MAX) {
		log_warn(vfio_device_name(vp->vd), "its ROM of %llu bytes is not shown to the guest", (unsigned long long)region->size);
		return 0;
	}
	vp->rom = rom_alloc(region->size);
	if (!vp->rom)
		return -ENOMEM;
	r = read_device(vp, region, vp->rom);
	if (r == 0 && !blank(vp->rom, region->size)) {
		*ret_len = region->size;
		return 0;
	}
	log_warn(vfio_device_name(vp->vd), "its ROM is not shown to the guest: %s", r < 0 ? strerror(-r) : "it reads ones");
	vfio_pci_rom_free(vp);
	return 0;
}

static int from_fd(struct vfio_pci *vp, int fd, u64 *ret_len, struct error *err)
{
	const struct vfio_config *cfg = vp->vd->cfg;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s '%s': romfile '%s'", cfg->option, cfg->device, cfg->romfile);
	if (!S_ISREG(st.st_mode) || st.st_size < 2 || st.st_size > ROM_MAX)
		return error_set(err, -EINVAL, "%s '%s': romfile '%s': not a file of 2 bytes to 16 MiB", cfg->option, cfg->device, cfg->romfile);
	vp->rom = rom_alloc((u64)st.st_size);
	if (!vp->rom)
		return error_set_errno(err, -ENOMEM, "%s '%s': romfile '%s'", cfg->option, cfg->device, cfg->romfile);
	r = io_pread_full(fd, vp->rom, (size_t)st.st_size, 0);
	if (r < 0)
		return error_set_errno(err, r, "%s '%s': romfile '%s'", cfg->option, cfg->device, cfg->romfile);
	if (get_le16(vp->rom) != SIGNATURE)
		return error_set(err, -EINVAL, "%s '%s': romfile '%s': no ROM image, it does not begin with 55 aa", cfg->option, cfg->device,
				 cfg->romfile);
	*ret_len = (u64)st.st_size;
	return 0;
}

static int from_file(struct vfio_pci *vp, u64 *ret_len, struct error *err)
{
	const struct vfio_config *cfg = vp->vd->cfg;
	AUTO_CLOSE int fd = open(cfg->romfile, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set_errno(err, -errno, "%s '%s': romfile '%s'", cfg->option, cfg->device, cfg->romfile);
	return from_fd(vp, fd, ret_len, err);
}

int vfio_pci_rom_init(struct vfio_pci *vp, struct error *err)
{
	const struct vfio_config *cfg = vp->vd->cfg;
	u64 len = 0;
	int r = 0;

	if (cfg->rom == VFIO_ROM_DEVICE)
		r = from_device(vp, &len);
	else if (cfg->rom == VFIO_ROM_FILE)
		r = from_file(vp, &len, err);
	if (r == -ENOMEM)
		error_set_errno(err, r, "%s '%s': its ROM", cfg->option, cfg->device);
	if (r == 0 && len) {
		r = pci_dev_add_bar(&vp->pdev, PCI_ROM, PCI_BAR_ROM, bar_size(len), &rom_io);
		if (r < 0)
			error_set_errno(err, r, "%s '%s': its ROM", cfg->option, cfg->device);
	}
	if (r < 0)
		vfio_pci_rom_free(vp);
	return r;
}

void vfio_pci_rom_free(struct vfio_pci *vp)
{
	free(vp->rom);
	vp->rom = NULL;
}
