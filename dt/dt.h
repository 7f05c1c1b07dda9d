/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the machines have in common that are told to the guest by a device tree: the tree's making, the nodes of devices, the
 * Linux "Image" boot protocol. Compiled for arm64 and riscv64 only; includes no arch. [devicetree-specification v0.4]
 *
 * Main thread, no vCPU running.
 */
#ifndef DT_DT_H
#define DT_DT_H

#include <stddef.h>

#include "util/error.h"
#include "util/options.h"
#include "vmm/boot.h"
#include "vmm/config.h"
#include "vmm/memory.h"

struct vm;

/* --- tree.c: a tree is written front to back; what fails is remembered, and dt_finish() tells. --- */

struct dt {
	void *buf;		/* owned */
	size_t size;
	int error;		/* the first, -errno */
	u32 last_phandle;
	unsigned int depth;	/* nodes open */
	bool props_over;	/* a node in the open one was closed: properties come before nodes */
};

int dt_begin(struct dt *t);	/* the root node is open, with #address-cells = #size-cells = 2. 0 or -ENOMEM */
void dt_free(struct dt *t);
void dt_node(struct dt *t, const char *fmt, ...) PRINTF_LIKE(2, 3);	/* opens a node: "uart@%llx" */
void dt_end(struct dt *t);						/* closes it */
u32 dt_phandle(struct dt *t);			/* a fresh number, not written */
void dt_flag(struct dt *t, const char *name);	/* empty property */
void dt_str(struct dt *t, const char *name, const char *val);
void dt_strs(struct dt *t, const char *name, const char *const *list);	/* NULL terminated */
void dt_u32(struct dt *t, const char *name, u32 val);
void dt_u64(struct dt *t, const char *name, u64 val);
void dt_u32s(struct dt *t, const char *name, const u32 *val, unsigned int nr);
void dt_u64s(struct dt *t, const char *name, const u64 *val, unsigned int nr);	/* also "reg" with two cells each */
void dt_reg(struct dt *t, u64 base, u64 size);
void dt_bytes(struct dt *t, const char *name, const void *val, size_t len);
/* Closes the root. The tree stays @t's: packed, at t->buf, t->size bytes. 0 or the first error with a line. */
int dt_finish(struct dt *t, struct error *err);

/* --- devices.c --- */

/* How this machine's interrupt controllers are referred to; made by the arch before the devices are written. */
struct dt_interrupts {
	u32 phandle;			/* of the controller of wired lines */
	unsigned int cells;		/* of its interrupt specifiers: 1 PLIC, 2 APLIC, 3 GIC */
	unsigned int address_cells;	/* its #address-cells, for interrupt-map */
	/* Line @gsi as such a specifier of @cells. */
	void (*specifier)(u32 gsi, bool level, u32 *ret);
	u32 msi_phandle;		/* MSI controller of PCI; 0: none */
	bool msi_map;			/* it wants requester ids: msi-map and not msi-parent (ITS) */
};

/*
 * A node for each device on vm->devices that has a kind and resources to tell (UARTs, RTC, virtio-mmio, flash, power button), and the PCI host's:
 * ECAM, ranges (ports at vm->port_window), interrupt-map, MSI. Gives the path of the first UART's node, for stdout-path, in @ret_stdout (empty: none).
 */
void dt_devices(struct dt *t, struct vm *vm, const struct dt_interrupts *irq, char ret_stdout[64]);

/* --- image.c, boot.c --- */

/* What an arch is to the shared loader. */
struct dt_machine {
	const char *kernel_what;	/* "an arm64 kernel Image" */
	const char *image_magic;	/* 4 bytes at 0x38 of the header: "ARM\x64", "RSC\x05" */
	const char *zboot_machine;	/* PE machine of a zboot container, 2 bytes: "\x64\xaa", "\x64\x50" */
	u64 flat_offset;		/* from RAM's start: where a file of no known format goes: 0x80000, 0x200000 */
	u64 image_align;		/* where the image's text_offset counts from: 2 MiB */
	u64 dtb_max;			/* most bytes of the tree */
	u64 initrd_window;		/* kernel and initrd lie in this much from the GiB that the kernel begins in; UINT64_MAX: anywhere */
	const char *const *compatible;	/* root's, NULL terminated: "linux,dummy-virt" */
	/*
	 * Writes what only the arch knows: cpus, timer, interrupt controllers, firmware interface, reserved regions; fills *@ret for the devices.
	 * It is the first to write nodes, and so may write properties of the root (interrupt-parent) before them.
	 */
	int (*nodes)(struct vm *vm, struct dt *t, struct dt_interrupts *ret, struct error *err);
};

/* What a kernel's file is, after dt_image_parse(). */
struct dt_image {
	u64 offset;		/* from an aligned address to where it goes */
	u64 size;		/* bytes of RAM that it takes, > 0 */
	u64 len;		/* bytes of its content to load, at most @size */
	bool to_the_end;	/* the content may be shorter */
};
/*
 * Looks at an open kernel file, and unpacks it if it is compressed or a zboot container, to at most @max bytes. What is no kernel for this machine is
 * refused by what it looks like: -ENOEXEC; a damaged one: -EINVAL or -ENODATA.
 */
int dt_image_parse(struct boot_image *img, const struct dt_machine *m, enum kernel_format format, u64 max, struct dt_image *ret,
		   struct error *err);

struct dt_entry {
	gpa_t kernel;		/* where vCPU 0 begins */
	gpa_t dtb;
};

/*
 * Loads cfg's kernel (Image, gzip and other packed ones, zboot, flat) or firmware (at cfg.machine.firmware_address or RAM's start, then the tree
 * alone), its initrd, and the tree: /chosen with bootargs, stdout-path, initrd, rng-seed and kaslr-seed; /memory; cfg.machine.dtb_overlay applied;
 * cfg.machine.dump_dtb written. The line in @err names option and value. Also at a restart in place (files as boot_image_open() has them; overlay and dump file
 * are opened at the first boot only).
 */
int dt_boot_load(struct vm *vm, const struct dt_machine *m, struct dt_entry *ret, struct error *err);

/* --- options.c --- */

int dt_opt_kaslr_seed(void *ctx, const struct option_def *opt, const char *value, struct error *err);

/* Rows for arch_options[]. */
#define DT_OPTIONS \
	{ 0, "kaslr-seed", "n", "seed of the kernel's address randomisation, 0: none (default: a random one)", dt_opt_kaslr_seed }, \
	{ 0, "dump-dtb", "file", "write the device tree to a file as well", option_str, .offset = offsetof(struct vm_config, machine.dump_dtb) }, \
	{ 0, "dtb-overlay", "file", "apply an overlay (.dtbo) to the device tree", option_str, \
	  .offset = offsetof(struct vm_config, machine.dtb_overlay) }, \
	{ 0, "fdt-overlay", "file", NULL, option_str, .offset = offsetof(struct vm_config, machine.dtb_overlay) }

/* For arch_config_check(): cfg's kernel_format is one that dt_image_parse() knows. @machine: its name, for the refusal. */
int dt_check_format(const struct vm_config *cfg, const char *machine, struct error *err);

/* For arch_kernel_search(); @arch: what Linux calls its folder. */
#define DT_KERNEL_PATHS(arch) \
	"./Image", "arch/" arch "/boot/Image", "../../arch/" arch "/boot/Image", "arch/" arch "/boot/Image.gz", "arch/" arch "/boot/vmlinuz.efi", \
	"/boot/vmlinuz-%r", "/boot/Image-%r"

#endif
