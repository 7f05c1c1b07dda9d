/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel files of machines with a device tree, whole from dt_boot_load(): the input is either the file itself, or bytes to change in an Image
 * that boots, in the file that it is compressed to, and in the container around that. The rest may be an overlay. Whatever came: if it booted, the tree is
 * one, and kernel, tree and initrd lie in RAM and apart.
 *
 *	byte 0		bits 0-1 compression, 2: in a container, 3: the file is the input, 4: an initrd, 5: an overlay, 6: boots twice, 7: firmware
 *	byte 1		bits 0-1 format, 2-3 how much RAM
 *	then		patches of four bytes (which, offset 2, value) up to a zero; or the file
 *
 * links: dt/boot.c dt/image.c dt/tree.c dt/devices.c dt/dump.c boot-image.c boot-guess.c memory.c device.c
 * links: util/decompress.c util/error.c util/str.c util/io.c util/log.c util/cleanup.c
 */
#include "tests/dt/dt-fake.h"

#include "tests/fuzz/input.h"
#include "tests/util/pack.h"
#include "util/log.h"

static u8 image[IMAGE_BYTES];

struct patches { const u8 *p; size_t nr; };

/* Those of @kind. Headers are where it hurts: most offsets land there. */
static void patch(u8 *buf, size_t len, const struct patches *p, u8 kind)
{
	size_t i;
	u16 off;

	for (i = 0; i < p->nr && len; i++) {
		if ((p->p[i * 4] & 3) != kind)
			continue;
		off = get_le16(p->p + i * 4 + 1);
		buf[(p->p[i * 4] & 0x80 ? off : off % 0x60) % len] = p->p[i * 4 + 3];
	}
}

static size_t make_overlay(u8 *buf, int room)
{
	fdt_create(buf, room);
	fdt_finish_reservemap(buf);
	fdt_begin_node(buf, "");
	fdt_begin_node(buf, "fragment@0");
	fdt_property_string(buf, "target-path", "/");
	fdt_begin_node(buf, "__overlay__");
	fdt_property_string(buf, "added", "yes");
	fdt_end_node(buf);
	fdt_end_node(buf);
	fdt_end_node(buf);
	fdt_finish(buf);
	return fdt_totalsize(buf);
}

static void check_booted(size_t initrd)
{
	const void *t = tree();
	u64 start, end;

	MUST(t);
	MUST(guest_is_ram(&fake.mem, fake_entry.kernel, 1));
	MUST(fake_entry.kernel < fake_entry.dtb || fake_entry.kernel >= fake_entry.dtb + FAKE_DTB_MAX);
	if (!initrd || fake.cfg.firmware)
		return;
	start = cells64(t, "/chosen", "linux,initrd-start", 0);
	end = cells64(t, "/chosen", "linux,initrd-end", 0);
	MUST(end - start == initrd && guest_is_ram(&fake.mem, start, end - start));
	MUST(end <= fake_entry.dtb || start >= fake_entry.dtb + FAKE_DTB_MAX);
	MUST(fake_entry.kernel < start || fake_entry.kernel >= end);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u64 ram_size[] = { 8 * MIB, 4 * MIB, MIB, 64 * MIB };
	static u8 overlay[1024];
	struct patches p = { 0 };
	u8 *packed = NULL, *box = NULL, how, more;
	const u8 *file = image;
	size_t len = sizeof(image);

	if (size < 2)
		return 0;
	how = data[0];
	more = data[1];
	data += 2;
	size -= 2;
	make_image(image);
	if (how & 8) {
		len = MIN(size, sizeof(image));
		memcpy(image, data, len);
		if (!len)
			return 0;
	} else {
		p = (struct patches){ data, size / 4 };
		patch(image, len, &p, 0);
	}
	if (how & 3) {
		packed = test_pack((enum compression)(how & 3), image, len, &len);
		if (!packed)
			return 0;
		patch(packed, len, &p, 1);
		file = packed;
	}
	if (how & 4) {
		box = make_zboot(file, len, "gzip", &len);
		patch(box, len, &p, 2);
		file = box;
	}

	log_set_level(LOG_ERROR);
	fake_start(ram_size[more >> 2 & 3]);
	fake_all_devices();
	fake.cfg.kernel_format = (more & 3) == 1 ? KERNEL_IMAGE : (more & 3) == 2 ? KERNEL_FLAT : KERNEL_AUTO;
	fake.cfg.reboot = how & 0x40;
	if (how & 0x10)
		fake.cfg.initrd = file_with(image, 5000);
	if (how & 0x20) {
		size_t n = make_overlay(overlay, sizeof(overlay));

		patch(overlay, n, &p, 3);
		fake.cfg.machine.dtb_overlay = file_with(overlay, n);
	}
	if (how & 0x80) {
		fake.cfg.firmware = file_with(file, len);
		fake.cfg.machine.firmware_address = size >= 8 ? get_le64(data) : 0;
		fake.cfg.initrd = NULL;
	}
	if (!boot(file, len))
		check_booted(how & 0x10 ? 5000 : 0);
	if (how & 0x40) {
		fake_vcpu.started = true;
		memset(&fake_entry, 0xee, sizeof(fake_entry));
		if (!dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err))
			check_booted(how & 0x10 ? 5000 : 0);
	}
	fake_end();
	file_end();
	free(packed);
	free(box);
	return 0;
}
