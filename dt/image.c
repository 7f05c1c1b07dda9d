/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel files of machines that boot from a device tree: Linux' Image of arm64 and riscv64, whose headers agree in what is used here, also
 * compressed, also in the container of an EFI kernel that unpacks itself (zboot); and flat code.
 * [Linux Documentation/arch/arm64/booting.rst 4.], [Linux Documentation/arch/riscv/boot-image-header.rst],
 * [Linux drivers/firmware/efi/libstub/zboot-header.S], [PE/COFF 3.3]
 *
 * Left out: whether the CPU has the page size that an arm64 kernel was built for; kernels that run in place (XIP).
 *
 * Main thread. The files are not trusted.
 */
#include "dt/dt.h"

#include <errno.h>
#include <string.h>

enum {
	IMAGE_TEXT_OFFSET = 8, IMAGE_SIZE = 16, IMAGE_FLAGS = 24, IMAGE_MAGIC = 0x38, IMAGE_HEADER = 64,
	IMAGE_BIG_ENDIAN = 1,	/* of flags */
	ZBOOT_MAGIC = 4, ZBOOT_PAYLOAD = 8, ZBOOT_PAYLOAD_SIZE = 12, ZBOOT_FORMAT = 24, ZBOOT_PE = 0x3c, ZBOOT_FORMAT_MAX = 16,
};

static bool is_zboot(const struct boot_image *img)
{
	return img->head_len >= IMAGE_HEADER && boot_image_has(img, 0, "MZ", 2) && boot_image_has(img, ZBOOT_MAGIC, "zimg", 4);
}

static int refuse(const struct boot_image *img, const struct dt_machine *m, struct error *err)
{
	const char *what = boot_image_describe(img);

	if (boot_image_has(img, 0, "\x7f" "ELF", 4))
		what = "an ELF file (of a kernel, the Image beside it is wanted)";
	if (img->packed != COMPRESSION_NONE)
		return error_set(err, -ENOEXEC, "kernel '%s': not %s, but %s-compressed: %s", img->path, m->kernel_what,
				 compression_name(img->packed), what ? what : "file of unknown content");
	return error_set(err, -ENOEXEC, "kernel '%s': not %s, but %s", img->path, m->kernel_what, what ? what : "a file of unknown content");
}

/* What unpacks the payload is told in words; only those of a word's letters are shown. */
static int unknown_payload(const struct boot_image *img, struct error *err)
{
	char format[ZBOOT_FORMAT_MAX + 1];
	unsigned int i;

	for (i = 0; i < ZBOOT_FORMAT_MAX && img->head[ZBOOT_FORMAT + i] > ' ' && img->head[ZBOOT_FORMAT + i] < 0x7f; i++)
		format[i] = (char)img->head[ZBOOT_FORMAT + i];
	format[i] = '\0';
	return error_set(err, -EOPNOTSUPP, "kernel '%s': an EFI kernel (zboot), compressed as '%s', which lkvm does not unpack", img->path, format);
}

/* The file becomes what is inside the container, still compressed. */
static int open_zboot(struct boot_image *img, const struct dt_machine *m, struct error *err)
{
	u32 pe = get_le32(img->head + ZBOOT_PE), off = get_le32(img->head + ZBOOT_PAYLOAD);
	struct error unknown;
	int r;

	if (!boot_image_has(img, pe, "PE\0\0", 4))
		return error_set(err, -EINVAL, "kernel '%s': an EFI kernel (zboot) without a PE header", img->path);
	if (!boot_image_has(img, (size_t)pe + 4, m->zboot_machine, 2))
		return refuse(img, m, err);
	unknown_payload(img, &unknown);
	r = boot_image_narrow(img, off, get_le32(img->head + ZBOOT_PAYLOAD_SIZE), err);
	if (r < 0)
		return r;
	if (compression_detect(img->head, img->head_len) == COMPRESSION_NONE)
		return error_set(err, -EOPNOTSUPP, "%s", unknown.msg);
	return 0;
}

static int parse_header(const struct boot_image *img, const struct dt_machine *m, struct dt_image *ret, struct error *err)
{
	u64 offset = get_le64(img->head + IMAGE_TEXT_OFFSET), size = get_le64(img->head + IMAGE_SIZE);
	bool packed = img->packed != COMPRESSION_NONE;

	if (get_le64(img->head + IMAGE_FLAGS) & IMAGE_BIG_ENDIAN)
		return error_set(err, -ENOEXEC, "kernel '%s': a big-endian kernel; lkvm boots little-endian ones", img->path);
	if (!size) {
		/* [booting 4.] before Linux 3.17: nothing is known but the usual offset */
		if (packed)
			return error_set(err, -EOPNOTSUPP, "kernel '%s': a header without image_size in a compressed file; unpack it",
					 img->path);
		*ret = (struct dt_image){ .offset = m->flat_offset, .size = img->size, .len = img->size };
		return 0;
	}
	/* What lies behind image_size in the file is not the kernel's; what image_size says beyond the file is its BSS. */
	*ret = (struct dt_image){ .offset = offset, .size = size, .len = packed ? size : MIN(size, img->size), .to_the_end = packed };
	return 0;
}

int dt_image_parse(struct boot_image *img, const struct dt_machine *m, enum kernel_format format, u64 max, struct dt_image *ret,
		   struct error *err)
{
	const struct dt_image flat = { .offset = m->flat_offset, .size = img->size, .len = img->size };
	int r = 0;

	if (format == KERNEL_FLAT) {
		*ret = flat;
		return 0;
	}
	if (format != KERNEL_AUTO && format != KERNEL_IMAGE)
		return error_set(err, -EINVAL, "--kernel-format: kernels of this machine are 'image' or 'flat'");
	if (is_zboot(img))
		r = open_zboot(img, m, err);
	if (!r)
		r = boot_image_unpack(img, max, err);
	if (r < 0)
		return r;
	if (img->head_len >= IMAGE_HEADER && boot_image_has(img, IMAGE_MAGIC, m->image_magic, 4))
		return parse_header(img, m, ret, err);
	if (format == KERNEL_IMAGE || img->packed != COMPRESSION_NONE || boot_image_has(img, 0, "\x7f" "ELF", 4) ||
	    boot_image_describe(img))
		return refuse(img, m, err);
	*ret = flat;
	return 0;
}
