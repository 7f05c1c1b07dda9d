/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Knows the image formats of other programs by their signatures, so that none of them is taken for a raw disk and written
 * over. Raw has no signature: a guest can write any of these at the start of its raw disk. It then opens only with
 * format=raw, which never looks here; what a guest wrote never decides how its disk is read.
 *
 * Left out on purpose: what a raw disk may rightly hold (partition tables, file systems, LUKS, archives).
 */
#include <string.h>

#include "disk/engine.h"
#include "util/endian.h"

struct signature {
	u16 off;
	u8 len;
	const char *bytes;
	const char *name;
};

static const struct signature heads[] = {
	{ 0, 4, "QED\0", "qed" },
	{ 0, 4, "KDMV", "vmdk" },
	{ 0, 4, "COWD", "vmdk" },
	{ 0, 8, "\xbe\xba\xfe\xca\0\0\0\0", "vmdk" },		/* space-efficient sparse */
	{ 0, 21, "# Disk DescriptorFile", "vmdk descriptor" },
	{ 0, 8, "conectix", "vhd" },
	{ 0, 8, "vhdxfile", "vhdx" },
	{ 0x40, 4, "\x7f\x10\xda\xbe", "vdi" },
	{ 0, 16, "WithoutFreeSpace", "parallels" },
	{ 0, 16, "WithouFreSpacExt", "parallels" },
	{ 0, 22, "Bochs Virtual HD Image", "bochs" },
};

static const struct signature tails[] = {
	{ 0, 8, "conectix", "vhd" },		/* fixed size: data, then this footer */
	{ 0, 4, "koly", "dmg" },
};

static const char *match(const struct signature *s, unsigned int nr, const u8 *buf)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!memcmp(buf + s[i].off, s[i].bytes, s[i].len))
			return s[i].name;
	return NULL;
}

const char *disk_probe(const u8 head[DISK_PROBE_HEAD], const u8 tail[DISK_PROBE_TAIL])
{
	const char *name;

	if (!memcmp(head, "QFI\xfb", 4))
		return get_be32(head + 4) == 1 ? "qcow" : "qcow2";
	name = match(heads, ARRAY_SIZE(heads), head);
	return name ? name : match(tails, ARRAY_SIZE(tails), tail);
}
