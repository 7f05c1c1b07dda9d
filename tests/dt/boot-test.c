/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What dt_boot_load() leaves in RAM: kernel, initrd, firmware, and the tree as libfdt and dtc read it.
 * [Linux Documentation/arch/arm64/booting.rst], [devicetree-specification v0.4 3.]
 * links: dt/boot.c dt/image.c dt/tree.c dt/devices.c dt/dump.c boot-image.c boot-guess.c memory.c device.c
 * links: util/decompress.c util/error.c util/str.c util/io.c util/cleanup.c
 */
#include "tests/dt/dt-fake.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/util/pack.h"

static u8 image[IMAGE_BYTES];
static char dir[] = "/tmp/dt-boot-test.XXXXXX";

static char *in_dir(const char *name)
{
	static char path[80];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* --- the kernel --- */

TEST(image_goes_to_the_start_of_ram)
{
	make_image(image);
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(fake_entry.kernel, FAKE_RAM);
	CHECK(!memcmp(ram(FAKE_RAM), image, sizeof(image)));
	CHECK_EQ(*ram(FAKE_RAM + sizeof(image)), 0);
	CHECK_EQ(fake_entry.dtb, FAKE_RAM + 62 * MIB);
	CHECK(tree());
}

TEST(text_offset_counts_from_an_aligned_address)
{
	make_image(image);
	put_le64(image + 8, 0x80000);
	fake.mem.ram[0].gpa += 0x1000;	/* RAM that begins at an odd place */
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(fake_entry.kernel, FAKE_RAM + 2 * MIB + 0x80000);
	CHECK(!memcmp(ram(fake_entry.kernel), image, sizeof(image)));
}

TEST(tree_stays_clear_of_what_image_size_says)
{
	make_image(image);
	put_le64(image + 16, 61 * MIB);
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(fake_entry.dtb, FAKE_RAM + 62 * MIB);
	put_le64(image + 16, 62 * MIB + 1);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "no room for a device tree of 2 MiB behind the 62.0 MiB of the kernel");
	put_le64(image + 16, 64 * MIB);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "no room for a device tree");
}

TEST(kernel_larger_than_ram_is_refused)
{
	make_image(image);
	put_le64(image + 16, 64 * MIB + 1);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "its 64.0 MiB at address 0x80000000 do not fit in the guest's 64 MiB");
	put_le64(image + 16, UINT64_MAX);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "do not fit");
	make_image(image);
	put_le64(image + 8, 64 * MIB);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "do not fit");
	put_le64(image + 8, UINT64_MAX);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "do not fit");
	put_le64(image + 8, UINT64_MAX - MIB + 1);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "do not fit");
}

TEST(ram_smaller_than_the_alignment_is_refused)
{
	make_image(image);
	fake.mem.ram[0].gpa += 0x1000;
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "do not fit in the guest's 1 MiB of RAM");
}

TEST(no_kernel_is_told)
{
	CHECK_REFUSED(dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err), -EINVAL, "--kernel");
	fake.cfg.kernel = "/nonexistent/Image";
	CHECK_REFUSED(dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err), -ENOENT, "Unable to open kernel /nonexistent/Image");
}

TEST(tree_lies_within_reach_of_the_kernel)
{
	make_image(image);
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(fake_entry.dtb, FAKE_RAM + 510 * MIB);
	CHECK(tree());
}

/* --- initrd --- */

static char initrd[3 * 4096 + 5];

TEST(initrd_goes_as_high_as_it_may)
{
	const void *t;
	u64 start, end;

	make_image(image);
	memset(initrd, 'i', sizeof(initrd));
	fake.cfg.initrd = file_with(initrd, sizeof(initrd));
	CHECK_BOOTS(boot(image, sizeof(image)));
	t = tree();
	CHECK(t);
	start = cells64(t, "/chosen", "linux,initrd-start", 0);
	end = cells64(t, "/chosen", "linux,initrd-end", 0);
	CHECK_EQ(end - start, sizeof(initrd));
	CHECK_EQ(start, FAKE_RAM + 1024 * MIB - 4 * 4096);
	CHECK(!memcmp(ram(start), initrd, sizeof(initrd)));
}

TEST(initrd_stays_in_the_window)
{
	make_image(image);
	fake_machine.initrd_window = GIB;
	fake_add_ram(4 * GIB, GIB);
	fake.cfg.initrd = file_with(initrd, sizeof(initrd));
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(cells64(tree(), "/chosen", "linux,initrd-start", 0), FAKE_RAM + 1024 * MIB - 4 * 4096);
	fake_machine.initrd_window = UINT64_MAX;
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(cells64(tree(), "/chosen", "linux,initrd-start", 0), 5 * GIB - 4 * 4096);
}

TEST(initrd_avoids_kernel_and_tree)
{
	static char big[3 * 1024 * 1024];
	u64 start;

	make_image(image);
	fake.cfg.initrd = file_with(big, sizeof(big));
	CHECK_BOOTS(boot(image, sizeof(image)));	/* kernel 1 MiB, tree at 6 MiB */
	start = cells64(tree(), "/chosen", "linux,initrd-start", 0);
	CHECK_EQ(start, FAKE_RAM + 3 * MIB);
	put_le64(image + 16, 3 * MIB);
	CHECK_BOOTS(boot(image, sizeof(image)));
	put_le64(image + 16, 3 * MIB + 1);
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "no room for its 3 MiB");
}

TEST(missing_initrd_is_told)
{
	make_image(image);
	fake.cfg.initrd = "/nonexistent/initrd";
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOENT, "Unable to open initrd /nonexistent/initrd");
}

/* --- firmware --- */

TEST(firmware_lies_at_the_start_of_ram_and_the_tree_behind_it)
{
	make_image(image);
	fake.cfg.firmware = file_with(image, sizeof(image));
	CHECK_BOOTS(dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err));
	CHECK_EQ(fake_entry.kernel, FAKE_RAM);
	CHECK_EQ(fake_entry.dtb, FAKE_RAM + 2 * MIB);
	CHECK(!memcmp(ram(FAKE_RAM), image, sizeof(image)));
	CHECK(tree());
	CHECK(!has_prop(tree(), "/chosen", "linux,initrd-start"));
}

TEST(firmware_address_is_kept)
{
	fake.cfg.firmware = file_with(image, sizeof(image));
	fake.cfg.machine.firmware_address = FAKE_RAM + 33 * MIB;
	CHECK_BOOTS(dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err));
	CHECK_EQ(fake_entry.kernel, FAKE_RAM + 33 * MIB);
	CHECK_EQ(fake_entry.dtb, FAKE_RAM + 34 * MIB);
	CHECK(!memcmp(ram(FAKE_RAM + 33 * MIB), image, sizeof(image)));
}

TEST(firmware_outside_ram_is_refused)
{
	static const u64 bad[] = { FAKE_RAM - 1, FAKE_RAM + 64 * MIB - IMAGE_BYTES + 1, 0x1000, UINT64_MAX };
	unsigned int i;

	fake.cfg.firmware = file_with(image, sizeof(image));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		fake.cfg.machine.firmware_address = bad[i];
		memset(&fake_entry, 0xee, sizeof(fake_entry));
		CHECK_REFUSED(dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err), -ENOSPC, "firmware '/proc");
	}
	fake.cfg.machine.firmware_address = FAKE_RAM + 64 * MIB - IMAGE_BYTES;	/* fits, and leaves no room for the tree */
	CHECK_REFUSED(dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err), -ENOSPC, "of the firmware in");
}

/* --- the tree --- */

TEST(chosen_has_all_that_a_kernel_asks)
{
	const void *t;
	int len;

	make_image(image);
	fake_all_devices();
	fake.cfg.params = "quiet";
	CHECK_BOOTS(boot(image, sizeof(image)));
	t = tree();
	CHECK(t);
	CHECK_STR(text(t, "/chosen", "bootargs"), "console=ttyS0 quiet");
	CHECK_STR(text(t, "/chosen", "stdout-path"), "/serial@1000000");
	CHECK(prop(t, "/chosen", "rng-seed", &len) && len >= 32);
	CHECK(prop(t, "/chosen", "kaslr-seed", &len) && len == 8);
	CHECK(!has_prop(t, "/chosen", "linux,initrd-start"));
	CHECK(!has_prop(t, "/chosen", "linux,pci-probe-only"));
	CHECK_STR(text(t, "/", "compatible"), "linux,dummy-virt");
	CHECK_EQ(cell(t, "/", "#address-cells", 0), 2);
	CHECK_EQ(cell(t, "/", "#size-cells", 0), 2);
}

TEST(no_uart_no_stdout)
{
	make_image(image);
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK(!has_prop(tree(), "/chosen", "stdout-path"));
}

TEST(seeds_are_new_at_each_boot)
{
	u8 rng[32], kaslr[8];
	int len;

	make_image(image);
	CHECK_BOOTS(boot(image, sizeof(image)));
	memcpy(rng, prop(tree(), "/chosen", "rng-seed", &len), sizeof(rng));
	memcpy(kaslr, prop(tree(), "/chosen", "kaslr-seed", &len), sizeof(kaslr));
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK(memcmp(rng, prop(tree(), "/chosen", "rng-seed", &len), sizeof(rng)));
	CHECK(memcmp(kaslr, prop(tree(), "/chosen", "kaslr-seed", &len), sizeof(kaslr)));
}

TEST(kaslr_seed_is_the_users)
{
	make_image(image);
	fake.cfg.machine.kaslr_seed_given = true;
	fake.cfg.machine.kaslr_seed = 0x123456789abcdef0;
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK_EQ(cells64(tree(), "/chosen", "kaslr-seed", 0), 0x123456789abcdef0);
	fake.cfg.machine.kaslr_seed = 0;
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK(!has_prop(tree(), "/chosen", "kaslr-seed"));
	CHECK(has_prop(tree(), "/chosen", "rng-seed"));
}

TEST(memory_tells_all_of_ram)
{
	const void *t;

	make_image(image);
	fake_add_ram(0x8080000000, 8 * MIB);
	CHECK_BOOTS(boot(image, sizeof(image)));
	t = tree();
	CHECK_STR(text(t, "/memory@80000000", "device_type"), "memory");
	CHECK_EQ(cells64(t, "/memory@80000000", "reg", 0), FAKE_RAM);
	CHECK_EQ(cells64(t, "/memory@80000000", "reg", 2), 64 * MIB);
	CHECK_EQ(cells64(t, "/memory@8080000000", "reg", 0), 0x8080000000);
	CHECK_EQ(cells64(t, "/memory@8080000000", "reg", 2), 8 * MIB);
}

TEST(machine_that_fails_fails_the_boot)
{
	make_image(image);
	fake_nodes_error = -EIO;
	CHECK_REFUSED(boot(image, sizeof(image)), -EIO, "no nodes today");
}

TEST(tree_beyond_its_room_is_refused)
{
	make_image(image);
	fake_machine.dtb_max = 64 * KIB;
	fake_nodes_filler = 64 * 1024;
	CHECK_REFUSED(boot(image, sizeof(image)), -E2BIG, "too large: this machine's can have 65536");
	fake_nodes_filler = 32 * 1024;
	CHECK_BOOTS(boot(image, sizeof(image)));
}

/* --- overlay --- */

/* An overlay that gives the node at @target-path a property; more, when asked, of another kind. */
static size_t make_overlay(void *buf, int room, const char *target, const char *label)
{
	fdt_create(buf, room);
	fdt_finish_reservemap(buf);
	fdt_begin_node(buf, "");
	fdt_begin_node(buf, "fragment@0");
	if (label)
		fdt_property_u32(buf, "target", 0xffffffff);
	else
		fdt_property_string(buf, "target-path", target);
	fdt_begin_node(buf, "__overlay__");
	fdt_property_string(buf, "added", "yes");
	fdt_begin_node(buf, "below");
	fdt_property_u32(buf, "phandle", 1);
	fdt_end_node(buf);
	fdt_end_node(buf);
	fdt_end_node(buf);
	if (label) {
		fdt_begin_node(buf, "__fixups__");
		fdt_property_string(buf, label, "/fragment@0:target:0");
		fdt_end_node(buf);
	}
	fdt_end_node(buf);
	fdt_finish(buf);
	return fdt_totalsize(buf);
}

static u8 overlay[4096];

TEST(overlay_is_applied)
{
	const void *t;
	size_t len;

	make_image(image);
	fake_all_devices();
	len = make_overlay(overlay, sizeof(overlay), "/serial@1000000", NULL);
	fake.cfg.machine.dtb_overlay = file_with(overlay, len);
	CHECK_BOOTS(boot(image, sizeof(image)));
	t = tree();
	CHECK(t);
	CHECK_STR(text(t, "/serial@1000000", "added"), "yes");
	CHECK(cell(t, "/serial@1000000/below", "phandle", 0) > 1);	/* a number of its own */
	CHECK_STR(text(t, "/serial@1000000", "compatible"), "ns16550a");
	CHECK(has_prop(t, "/chosen", "rng-seed"));
}

TEST(overlay_without_a_target_is_refused)
{
	size_t len;

	make_image(image);
	len = make_overlay(overlay, sizeof(overlay), "/nothing", NULL);
	fake.cfg.machine.dtb_overlay = file_with(overlay, len);
	CHECK_REFUSED(boot(image, sizeof(image)), -EINVAL, "cannot be applied: FDT_ERR_NOTFOUND (its target-path");
	len = make_overlay(overlay, sizeof(overlay), NULL, "uart0");
	fake.cfg.machine.dtb_overlay = file_with(overlay, len);
	CHECK_REFUSED(boot(image, sizeof(image)), -EINVAL, "cannot be applied: ");
}

TEST(overlay_that_is_none_is_refused)
{
	size_t len;

	make_image(image);
	fake.cfg.machine.dtb_overlay = "/nonexistent/a.dtbo";
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOENT, "Unable to open device tree overlay /nonexistent/a.dtbo");
	fake.cfg.machine.dtb_overlay = file_with("/dts-v1/;", 9);
	CHECK_REFUSED(boot(image, sizeof(image)), -EINVAL, "not a compiled device tree (.dtbo)");
	len = make_overlay(overlay, sizeof(overlay), "/", NULL);
	fake.cfg.machine.dtb_overlay = file_with(overlay, len - 1);
	CHECK_REFUSED(boot(image, sizeof(image)), -EINVAL, "not a compiled device tree (.dtbo)");
	overlay[len / 2] ^= 0xff;
	overlay[60] ^= 0xff;
	fake.cfg.machine.dtb_overlay = file_with(overlay, len);
	CHECK_REFUSED(boot(image, sizeof(image)), -EINVAL, "overlay '");
}

TEST(overlay_that_is_too_large_is_refused)
{
	static u8 big[1024 * 1024 + 1];
	size_t len;

	make_image(image);
	fake.cfg.machine.dtb_overlay = file_with(big, sizeof(big));
	CHECK_REFUSED(boot(image, sizeof(image)), -EFBIG, "1.0 MiB, more than 1 MiB");
	/* one that fits, and what it makes does not */
	fdt_create(big, sizeof(big));
	fdt_finish_reservemap(big);
	fdt_begin_node(big, "");
	fdt_begin_node(big, "fragment@0");
	fdt_property_string(big, "target-path", "/");
	fdt_begin_node(big, "__overlay__");
	fdt_property(big, "filler", image, 20 * 1024);
	fdt_end_node(big);
	fdt_end_node(big);
	fdt_end_node(big);
	fdt_finish(big);
	len = fdt_totalsize(big);
	fake_machine.dtb_max = 16 * 1024;
	fake.cfg.machine.dtb_overlay = file_with(big, len);
	CHECK_REFUSED(boot(image, sizeof(image)), -EINVAL, "FDT_ERR_NOSPACE");
}

/* An overlay of @wide empty properties, or of @deep nodes each in the other. */
static size_t make_many(void *buf, int room, unsigned int wide, unsigned int deep)
{
	unsigned int i;

	fdt_create(buf, room);
	fdt_finish_reservemap(buf);
	fdt_begin_node(buf, "");
	fdt_begin_node(buf, "fragment@0");
	fdt_property_string(buf, "target-path", "/");
	fdt_begin_node(buf, "__overlay__");
	for (i = 0; i < wide; i++)	/* one name: libfdt looks for each among all there are */
		fdt_property(buf, "p", NULL, 0);
	for (i = 0; i < deep; i++)
		fdt_begin_node(buf, "n");
	for (i = 0; i < deep + 3; i++)
		fdt_end_node(buf);
	return fdt_finish(buf) < 0 ? 0 : fdt_totalsize(buf);
}

/* Three nodes, one in the other, and a property are around what is asked for. */
TEST(overlay_that_would_take_long_is_refused)
{
	static const struct { unsigned int wide, deep; bool fits; } t[] = {
		{ 4092, 0, true }, { 4093, 0, false }, { 40000, 0, false }, { 0, 29, true }, { 0, 30, false }, { 0, 80000, false },
	};
	static u8 buf[1024 * 1024];
	unsigned int i;
	size_t len;

	make_image(image);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		len = make_many(buf, sizeof(buf), t[i].wide, t[i].deep);
		CHECK(len);
		fake.cfg.machine.dtb_overlay = file_with(buf, len);
		if (t[i].fits)
			CHECK_BOOTS(boot(image, sizeof(image)));
		else
			CHECK_REFUSED(boot(image, sizeof(image)), -E2BIG, "more than 4096 nodes and properties, or 32 levels");
	}
}

/* --- dump --- */

static bool dumped(const char *path)
{
	u8 *buf = malloc(FAKE_DTB_MAX);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, FAKE_DTB_MAX);
	bool ok = n > 0 && (u32)n == fdt_totalsize(tree()) && !memcmp(buf, tree(), (size_t)n);

	if (fd >= 0)
		close(fd);
	free(buf);
	return ok;
}

TEST(dump_is_the_tree)
{
	make_image(image);
	fake_all_devices();
	fake.cfg.machine.dump_dtb = in_dir("a.dtb");
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK(dumped(in_dir("a.dtb")));
	fake_nodes_filler = 100;
	CHECK_BOOTS(boot(image, sizeof(image)));	/* replaced */
	CHECK(dumped(in_dir("a.dtb")));
	fake_vcpu.started = true;			/* a restart writes none */
	fake_nodes_filler = 200;
	CHECK_BOOTS(boot(image, sizeof(image)));
	CHECK(!dumped(in_dir("a.dtb")));
	unlink(in_dir("a.dtb"));
}

TEST(dump_that_fails_fails_the_boot)
{
	make_image(image);
	fake.cfg.machine.dump_dtb = "/nonexistent/a.dtb";
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOENT, "--dump-dtb '/nonexistent/a.dtb'");
	fake.cfg.machine.dump_dtb = dir;
	CHECK_REFUSED(boot(image, sizeof(image)), -EISDIR, "--dump-dtb");
	fake.cfg.machine.dump_dtb = "/dev/full";
	CHECK_REFUSED(boot(image, sizeof(image)), -ENOSPC, "--dump-dtb '/dev/full'");
}

/* --- a restart in place --- */

TEST(restart_opens_no_file)
{
	u8 first[32];
	int len;
	size_t n;

	make_image(image);
	fake_all_devices();
	fake.cfg.reboot = true;
	fake.cfg.initrd = file_with(initrd, sizeof(initrd));
	n = make_overlay(overlay, sizeof(overlay), "/", NULL);
	fake.cfg.machine.dtb_overlay = file_with(overlay, n);
	CHECK_BOOTS(boot(image, sizeof(image)));
	memcpy(first, prop(tree(), "/chosen", "rng-seed", &len), sizeof(first));
	fake_vcpu.started = true;
	fake.cfg.kernel = fake.cfg.initrd = fake.cfg.machine.dtb_overlay = "/nonexistent";
	fake.cfg.machine.dump_dtb = "/nonexistent/dump";
	memset(ram(FAKE_RAM), 0xff, 64 * MIB);
	CHECK_BOOTS(dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err));
	CHECK(!memcmp(ram(FAKE_RAM), image, sizeof(image)));
	CHECK_STR(text(tree(), "/", "added"), "yes");
	CHECK(memcmp(first, prop(tree(), "/chosen", "rng-seed", &len), sizeof(first)));
	CHECK_EQ(*ram(cells64(tree(), "/chosen", "linux,initrd-start", 0)), 'i');
}

/* --- dtc has nothing to say against it --- */

static void dtc_is_quiet(void)
{
	char cmd[256];
	int r;

	if (system("command -v dtc > /dev/null"))
		SKIP("no dtc (Debian: device-tree-compiler)");
	make_image(image);
	fake_all_devices();
	fake.cfg.initrd = file_with(initrd, sizeof(initrd));
	fake.cfg.machine.dump_dtb = in_dir("b.dtb");
	CHECK_BOOTS(boot(image, sizeof(image)));
	snprintf(cmd, sizeof(cmd), "dtc -I dtb -O dts -o %s/b.dts %s/b.dtb 2> %s/log; cat %s/log | sed 's/^/# /'; test ! -s %s/log", dir, dir, dir,
		 dir, dir);
	r = system(cmd);
	snprintf(cmd, sizeof(cmd), "rm -f %s/b.dts %s/b.dtb %s/log", dir, dir, dir);
	CHECK_EQ(system(cmd), 0);
	CHECK_EQ(r, 0);
}

TEST(dtc_reads_it_without_a_warning)
{
	fake_irq.msi_phandle = 1;
	fake_irq.msi_map = true;
	dtc_is_quiet();
}

TEST(dtc_reads_it_with_an_msi_parent)
{
	fake_irq.msi_phandle = 1;
	dtc_is_quiet();
}

TEST(dtc_reads_it_without_msi)
{
	fake_irq.address_cells = 0;
	dtc_is_quiet();
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	RUN_IN_VM(image_goes_to_the_start_of_ram, 64 * MIB);
	RUN_IN_VM(text_offset_counts_from_an_aligned_address, 64 * MIB);
	RUN_IN_VM(tree_stays_clear_of_what_image_size_says, 64 * MIB);
	RUN_IN_VM(kernel_larger_than_ram_is_refused, 64 * MIB);
	RUN_IN_VM(ram_smaller_than_the_alignment_is_refused, MIB);
	RUN_IN_VM(no_kernel_is_told, 64 * MIB);
	RUN_IN_VM(tree_lies_within_reach_of_the_kernel, 1024 * MIB);
	RUN_IN_VM(initrd_goes_as_high_as_it_may, 1024 * MIB);
	RUN_IN_VM(initrd_stays_in_the_window, 1024 * MIB);
	RUN_IN_VM(initrd_avoids_kernel_and_tree, 8 * MIB);
	RUN_IN_VM(missing_initrd_is_told, 64 * MIB);
	RUN_IN_VM(firmware_lies_at_the_start_of_ram_and_the_tree_behind_it, 64 * MIB);
	RUN_IN_VM(firmware_address_is_kept, 64 * MIB);
	RUN_IN_VM(firmware_outside_ram_is_refused, 64 * MIB);
	RUN_IN_VM(chosen_has_all_that_a_kernel_asks, 64 * MIB);
	RUN_IN_VM(no_uart_no_stdout, 64 * MIB);
	RUN_IN_VM(seeds_are_new_at_each_boot, 64 * MIB);
	RUN_IN_VM(kaslr_seed_is_the_users, 64 * MIB);
	RUN_IN_VM(memory_tells_all_of_ram, 64 * MIB);
	RUN_IN_VM(machine_that_fails_fails_the_boot, 64 * MIB);
	RUN_IN_VM(tree_beyond_its_room_is_refused, 64 * MIB);
	RUN_IN_VM(overlay_is_applied, 64 * MIB);
	RUN_IN_VM(overlay_without_a_target_is_refused, 64 * MIB);
	RUN_IN_VM(overlay_that_is_none_is_refused, 64 * MIB);
	RUN_IN_VM(overlay_that_is_too_large_is_refused, 64 * MIB);
	RUN_IN_VM(overlay_that_would_take_long_is_refused, 64 * MIB);
	RUN_IN_VM(dump_is_the_tree, 64 * MIB);
	RUN_IN_VM(dump_that_fails_fails_the_boot, 64 * MIB);
	RUN_IN_VM(restart_opens_no_file, 64 * MIB);
	RUN_IN_VM(dtc_reads_it_without_a_warning, 64 * MIB);
	RUN_IN_VM(dtc_reads_it_with_an_msi_parent, 64 * MIB);
	RUN_IN_VM(dtc_reads_it_without_msi, 64 * MIB);
	rmdir(dir);
	return tap_done();
}
