/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest that is told by a device tree finds in RAM: kernel and initrd, or firmware, and the tree.
 *
 *   kernel	at the first aligned address of RAM and what its header adds; it owns as much as its header says
 *   tree	as high as the kernel's first mapping is sure to reach: 512 MiB [Linux Documentation/arch/arm64/booting.rst 2.]
 *   initrd	as high as the rules of the arch and the rest allow
 *   firmware	at RAM's start, or where the user says, and the tree in the next 2 MiB behind it, as kvmtool's guests expect
 *
 * Main thread, no vCPU running. The files are not trusted.
 */
#include "dt/dt.h"

#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dt/dump.h"
#include "util/str.h"
#include "vmm/vm.h"

enum {
	SEED_BYTES = 64,
	/* What libfdt does for an overlay grows with the square of its nodes and properties, and it calls itself for each level of them. */
	OVERLAY_MAX = 1024 * 1024, OVERLAY_PARTS = 4096, OVERLAY_DEPTH = 32,
};

#define DTB_ALIGN (2 * MIB)
#define DTB_REACH (512 * MIB)

struct loader {
	struct vm *vm;
	const struct dt_machine *m;
	const struct guest_mem *gm;
	gpa_t entry;
	struct boot_area image;		/* kernel or firmware */
	struct boot_area dtb;		/* room for it */
	struct boot_area initrd;	/* empty: none */
};

/* --- the files --- */

static int no_room(struct loader *l, const char *what, const char *path, u64 size, gpa_t at, struct error *err)
{
	return error_set(err, -ENOSPC, "%s '%s': its %s at address 0x%llx do not fit in the guest's %s of RAM at 0x%llx; give more with --mem",
			 what, path, SIZE_TEXT(size), (unsigned long long)at, SIZE_TEXT(guest_ram_size(l->gm)),
			 (unsigned long long)l->gm->ram[0].gpa);
}

static int load_kernel(struct loader *l, struct boot_image *img, struct error *err)
{
	const struct guest_range *ram = &l->gm->ram[0];
	u64 base = align_up(ram->gpa, l->m->image_align) - ram->gpa;	/* from RAM's start */
	struct dt_image k;
	int r;

	r = dt_image_parse(img, l->m, l->vm->cfg.kernel_format, guest_ram_size(l->gm), &k, err);
	if (r < 0)
		return r;
	if (base > ram->size || k.offset > ram->size - base || k.size > ram->size - base - k.offset)
		return no_room(l, "kernel", img->path, k.size, ram->gpa + base + k.offset, err);
	l->entry = ram->gpa + base + k.offset;
	l->image = (struct boot_area){ l->entry, l->entry + k.size };
	return boot_image_load_slack(img, 0, l->gm, l->entry, k.len, k.to_the_end ? k.len : 0, err);
}

static int load_firmware(struct loader *l, struct boot_image *img, struct error *err)
{
	u64 at = l->vm->cfg.machine.firmware_address;

	l->entry = at ? at : l->gm->ram[0].gpa;
	if (!guest_ptr(l->gm, l->entry, img->size))
		return no_room(l, "firmware", img->path, img->size, l->entry, err);
	l->image = (struct boot_area){ l->entry, l->entry + img->size };
	return boot_image_load(img, 0, l->gm, l->entry, img->size, err);
}

static int load_image(struct loader *l, struct error *err)
{
	const struct vm_config *cfg = &l->vm->cfg;
	struct boot_image *img = malloc(sizeof(*img));	/* large for a stack */
	int r;

	if (!img)
		return error_set(err, -ENOMEM, "out of memory");
	r = boot_image_open(img, cfg->firmware ? "firmware" : "kernel", cfg->firmware ? cfg->firmware : cfg->kernel,
			    cfg->reboot ? &l->vm->kernel_fd : NULL, err);
	if (!r) {
		r = cfg->firmware ? load_firmware(l, img, err) : load_kernel(l, img, err);
		boot_image_close(img);
	}
	free(img);
	return r;
}

static int place_dtb(struct loader *l, struct error *err)
{
	const struct boot_place low = { .floor = l->image.end, .limit = UINT64_MAX, .lowest = true };
	const struct boot_place high = { .floor = l->image.end, .limit = align_down(l->image.start, DTB_ALIGN) + DTB_REACH };
	int r;

	r = boot_place(l->gm, l->m->dtb_max, DTB_ALIGN, l->vm->cfg.firmware ? &low : &high, &l->dtb.start);
	if (r < 0)
		return error_set(err, r, "no room for a device tree of %s behind the %s of the %s in the guest's %s of RAM; give more with --mem",
				 SIZE_TEXT(l->m->dtb_max), SIZE_TEXT(l->image.end - l->image.start),
				 l->vm->cfg.firmware ? "firmware" : "kernel", SIZE_TEXT(guest_ram_size(l->gm)));
	l->dtb.end = l->dtb.start + l->m->dtb_max;
	return 0;
}

static int load_initrd(struct loader *l, struct error *err)
{
	const struct boot_area avoid[] = { l->image, l->dtb };
	struct boot_place where = { .floor = l->image.end, .limit = UINT64_MAX, .avoid = avoid, .nr_avoid = ARRAY_SIZE(avoid) };
	const struct vm_config *cfg = &l->vm->cfg;
	u64 limit;

	if (!cfg->initrd)
		return 0;
	if (!__builtin_add_overflow(align_down(l->image.start, GIB), l->m->initrd_window, &limit))
		where.limit = limit;
	return boot_initrd_load(l->gm, cfg->initrd, cfg->reboot ? &l->vm->initrd_fd : NULL, &where, &l->initrd, err);
}

/* --- the tree --- */

static int random_bytes(void *buf, size_t len, struct error *err)
{
	ssize_t n;

	do
		n = getrandom(buf, len, 0);	/* up to 256 bytes come whole */
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : error_set_errno(err, n < 0 ? -errno : -EIO, "random numbers for the guest");
}

static int chosen(struct loader *l, struct dt *t, const char *stdout_path, struct error *err)
{
	const struct machine_config *mc = &l->vm->cfg.machine;
	AUTO_FREE char *cmdline = boot_cmdline(l->vm);
	struct { u64 kaslr; u8 rng[SEED_BYTES]; } seed;
	int r;

	if (!cmdline)
		return error_set(err, -ENOMEM, "out of memory");
	r = random_bytes(&seed, sizeof(seed), err);
	if (r < 0)
		return r;
	if (mc->kaslr_seed_given)
		seed.kaslr = mc->kaslr_seed;
	dt_node(t, "chosen");
	dt_str(t, "bootargs", cmdline);
	if (*stdout_path)
		dt_str(t, "stdout-path", stdout_path);
	if (l->initrd.end) {
		dt_u64(t, "linux,initrd-start", l->initrd.start);
		dt_u64(t, "linux,initrd-end", l->initrd.end);
	}
	if (seed.kaslr)
		dt_u64(t, "kaslr-seed", seed.kaslr);
	dt_bytes(t, "rng-seed", seed.rng, sizeof(seed.rng));
	dt_end(t);
	return 0;
}

static void memory(struct loader *l, struct dt *t)
{
	unsigned int i;

	for (i = 0; i < l->gm->nr; i++) {
		dt_node(t, "memory@%llx", (unsigned long long)l->gm->ram[i].gpa);
		dt_str(t, "device_type", "memory");
		dt_reg(t, l->gm->ram[i].gpa, l->gm->ram[i].size);
		dt_end(t);
	}
}

/* Is it small enough to be merged in a moment? @fdt was checked. */
static bool overlay_is_modest(const void *fdt)
{
	int off = 0, next, depth = 0, parts = 0;
	u32 tag;

	do {
		tag = fdt_next_tag(fdt, off, &next);
		depth += tag == FDT_BEGIN_NODE;
		depth -= tag == FDT_END_NODE;
		parts += tag == FDT_BEGIN_NODE || tag == FDT_PROP;
		off = next;
	} while (tag != FDT_END && depth <= OVERLAY_DEPTH && parts <= OVERLAY_PARTS);
	return tag == FDT_END;
}

/* Reads a user's overlay, whole, into memory that the caller frees. */
static int read_overlay(struct loader *l, const char *path, void **ret, struct error *err)
{
	struct boot_image *img = malloc(sizeof(*img));
	void *buf = NULL;
	int r;

	if (!img)
		return error_set(err, -ENOMEM, "out of memory");
	r = boot_image_open(img, "device tree overlay", path, l->vm->cfg.reboot ? &l->vm->overlay_fd : NULL, err);
	if (r < 0)
		goto free_img;
	if (img->size > OVERLAY_MAX)
		r = error_set(err, -EFBIG, "device tree overlay '%s': %s, more than 1 MiB", path, SIZE_TEXT(img->size));
	else if (!(buf = malloc(img->size)))
		r = error_set(err, -ENOMEM, "out of memory");
	else
		r = boot_image_read(img, 0, buf, img->size, err);
	if (!r) {
		r = fdt_check_full(buf, img->size);
		if (r < 0)
			r = error_set(err, -EINVAL, "device tree overlay '%s': not a compiled device tree (.dtbo): %s", path,
				      fdt_strerror(r));
		else if (!overlay_is_modest(buf))
			r = error_set(err, -E2BIG, "device tree overlay '%s': more than %d nodes and properties, or %d levels of them", path,
				      OVERLAY_PARTS, OVERLAY_DEPTH);
	}
	boot_image_close(img);
	if (!r)
		*ret = buf;
	else
		free(buf);
free_img:
	free(img);
	return r;
}

static int apply_overlay(struct loader *l, struct dt *t, const char *path, struct error *err)
{
	size_t size = MAX(t->size, (size_t)l->m->dtb_max);
	AUTO_FREE void *overlay = NULL;
	void *merged;
	int r;

	r = read_overlay(l, path, &overlay, err);
	if (r < 0)
		return r;
	merged = malloc(size);
	if (!merged)
		return error_set(err, -ENOMEM, "out of memory");
	r = fdt_open_into(t->buf, merged, (int)size);
	if (!r)
		r = fdt_overlay_apply(merged, overlay);
	if (!r)
		r = fdt_pack(merged);
	if (r < 0) {
		free(merged);
		return error_set(err, -EINVAL, "device tree overlay '%s': cannot be applied: %s%s", path, fdt_strerror(r),
				 r == -FDT_ERR_NOTFOUND ? " (its target-path is not in the tree, or it names a label, of which the tree has none)" : "");
	}
	free(t->buf);
	t->buf = merged;
	t->size = fdt_totalsize(merged);
	return 0;
}

static int make_tree(struct loader *l, struct dt *t, struct error *err)
{
	const struct machine_config *mc = &l->vm->cfg.machine;
	struct dt_interrupts irq = { 0 };
	char stdout_path[64];
	int r;

	dt_strs(t, "compatible", l->m->compatible);
	r = l->m->nodes(l->vm, t, &irq, err);
	if (r < 0)
		return r;
	dt_devices(t, l->vm, &irq, stdout_path);
	memory(l, t);
	r = chosen(l, t, stdout_path, err);
	if (!r)
		r = dt_finish(t, err);
	if (!r && mc->dtb_overlay)
		r = apply_overlay(l, t, mc->dtb_overlay, err);
	if (!r && t->size > l->m->dtb_max)
		r = error_set(err, -E2BIG, "the device tree of %zu bytes is too large: this machine's can have %llu", t->size,
			      (unsigned long long)l->m->dtb_max);
	return r;
}

static int load_tree(struct loader *l, struct error *err)
{
	bool first = !l->vm->vcpu || !l->vm->vcpu[0].started;	/* the first boot comes before the vCPU threads */
	struct dt t;
	int r;

	if (dt_begin(&t) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	r = make_tree(l, &t, err);
	if (!r && first && l->vm->cfg.machine.dump_dtb)
		r = dt_dump(l->vm->cfg.machine.dump_dtb, t.buf, t.size, err);
	if (!r && guest_write(l->gm, l->dtb.start, t.buf, t.size) < 0)
		r = error_set(err, -EFAULT, "the device tree's place is not RAM");
	dt_free(&t);
	return r;
}

int dt_boot_load(struct vm *vm, const struct dt_machine *m, struct dt_entry *ret, struct error *err)
{
	struct loader l = { .vm = vm, .m = m, .gm = &vm->mem };
	int r;

	if (!vm->cfg.firmware && !vm->cfg.kernel)
		return error_set(err, -EINVAL, "no kernel: give one with --kernel");
	r = load_image(&l, err);
	if (!r)
		r = place_dtb(&l, err);
	if (!r)
		r = load_initrd(&l, err);
	if (!r)
		r = load_tree(&l, err);
	if (!r)
		*ret = (struct dt_entry){ .kernel = l.entry, .dtb = l.dtb.start };
	return r;
}
