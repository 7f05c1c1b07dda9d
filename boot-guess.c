/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kernel's command line is unless the user says otherwise, and what a file is that is no kernel of this machine.
 *
 * Main thread.
 */
#include <string.h>

#include "vmm/boot.h"
#include "vmm/vm.h"

/* --- the command line --- */

/* Is there a word that begins with @prefix? */
static bool has_param(const char *params, const char *prefix)
{
	const char *p = params;

	while (p && (p = strstr(p, prefix))) {
		if (p == params || p[-1] == ' ' || p[-1] == '\t' || p[-1] == '\n')
			return true;
		p++;
	}
	return false;
}

char *boot_cmdline(const struct vm *vm)
{
	const struct vm_config *cfg = &vm->cfg;
	const char *params = cfg->params ? cfg->params : "";
	const char *root = "";

	if (cfg->nodefaults)
		return strdup(params);
	if (cfg->nr_disks && !cfg->initrd && !has_param(params, "root="))
		root = cfg->disk[0].readonly ? " root=/dev/vda ro" : " root=/dev/vda rw";
	return str_printf("console=%s%s%s%s", cfg->console == CONSOLE_VIRTIO ? "hvc0" : "ttyS0", root,
			  *params ? " " : "", params);
}

/* --- what is this file? --- */

/* Files that are often taken for kernels, and kernels of each architecture, by their magic. */
static const struct {
	u16 off;
	u8 len;
	const char *magic;
	const char *what;
} known_files[] = {
	{ 0x202, 4, "HdrS", "an x86 bzImage" },
	{ 0x38, 4, "ARMd", "an arm64 kernel Image" },
	{ 0x38, 4, "RSC\5", "a riscv kernel Image" },
	{ 4, 4, "zimg", "a compressed EFI kernel (zboot) of another architecture" },
	{ 0, 4, "\x27\x05\x19\x56", "a U-Boot uImage" },
	{ 0, 4, "\xd0\x0d\xfe\xed", "a device tree or FIT image" },
	{ 0, 8, "ANDROID!", "an Android boot image" },
	{ 0, 6, "070701", "a cpio archive (an initramfs?)" },
	{ 0, 6, "070702", "a cpio archive (an initramfs?)" },
	{ 0, 6, "070707", "a cpio archive" },
	{ 257, 5, "ustar", "a tar archive" },
	{ 0, 4, "PK\3\4", "a zip archive" },
	{ 0, 7, "!<arch>", "an ar archive (a Debian package?)" },
	{ 0, 4, "\xed\xab\xee\xdb", "an RPM package" },
	{ 0, 4, "QFI\xfb", "a qcow2 disk image" },
	{ 0, 4, "hsqs", "a squashfs image" },
	{ 0x438, 2, "\x53\xef", "an ext2/3/4 file system image" },
	{ 0, 2, "#!", "a script" },
};

bool boot_image_has(const struct boot_image *img, size_t off, const char *magic, size_t len)
{
	return off <= img->head_len && len <= img->head_len - off && !memcmp(img->head + off, magic, len);
}

static bool is_text(const struct boot_image *img)
{
	size_t i, len = MIN(img->head_len, (size_t)512);
	u8 c;

	for (i = 0; i < len; i++) {
		c = img->head[i];
		if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || c > '~')
			return false;
	}
	return true;
}

const char *boot_image_describe(const struct boot_image *img)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known_files); i++)
		if (boot_image_has(img, known_files[i].off, known_files[i].magic, known_files[i].len))
			return known_files[i].what;
	if (boot_image_has(img, 0, "MZ", 2))
		return img->size < KIB ? "a truncated bzImage or PE file"
				       : "a PE/EFI program without a Linux boot header";
	if (is_text(img))
		return "a text file";
	return NULL;
}
