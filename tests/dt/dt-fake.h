/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM without KVM for what makes device trees: RAM, devices with resources, a PCI host's figures, files in memory, a machine with a
 * simple interrupt controller, and kernel images.
 */
#ifndef TESTS_DT_DT_FAKE_H
#define TESTS_DT_DT_FAKE_H

#include <errno.h>
#include <libfdt.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/files.h"
#include "tests/tap.h"

#include "dt/dt.h"
#include "vmm/hw.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

#define FAKE_RAM 0x80000000ULL
#define FAKE_DTB_MAX (2 * MIB)

enum { FAKE_CELLS = 3, FAKE_LEVEL = 4, FAKE_EDGE = 1 };

struct pci_host { struct pci_host_config cfg; };

static struct vm fake;
static struct vcpu fake_vcpu;
static struct error fake_err;
static struct dt_entry fake_entry;
static struct pci_host fake_pci;
static struct device fake_dev[16];
static unsigned int fake_devs;
static int fake_nodes_error;
static unsigned int fake_nodes_filler;	/* bytes that the machine's part of the tree has in it */
static struct dt_interrupts fake_irq;

const struct pci_host_config *pci_host_config(const struct pci_host *host)
{
	return &host->cfg;
}

static void fake_specifier(u32 gsi, bool level, u32 *ret)
{
	ret[0] = 0;
	ret[1] = gsi;
	ret[2] = level ? FAKE_LEVEL : FAKE_EDGE;
}

static int fake_nodes(struct vm *vm, struct dt *t, struct dt_interrupts *ret, struct error *err)
{
	u8 *filler = calloc(1, fake_nodes_filler + 1);

	if (fake_nodes_error) {
		free(filler);
		return error_set(err, fake_nodes_error, "no nodes today");
	}
	*ret = fake_irq;
	ret->phandle = dt_phandle(t);
	ret->specifier = fake_specifier;
	ret->cells = FAKE_CELLS;
	if (ret->msi_phandle)
		ret->msi_phandle = dt_phandle(t);
	dt_u32(t, "interrupt-parent", ret->phandle);
	dt_node(t, "intc@3fff0000");
	dt_str(t, "compatible", "arm,gic-v3");
	dt_flag(t, "interrupt-controller");
	dt_u32(t, "#interrupt-cells", FAKE_CELLS);
	dt_u32(t, "#address-cells", ret->address_cells);
	dt_u32(t, "#size-cells", 2);
	dt_reg(t, 0x3fff0000, 0x10000);
	dt_u32(t, "phandle", ret->phandle);
	if (fake_nodes_filler)
		dt_bytes(t, "filler", filler, fake_nodes_filler);
	dt_end(t);
	if (ret->msi_phandle) {
		dt_node(t, "msi-controller@3ffe0000");
		dt_str(t, "compatible", "arm,gic-v3-its");
		dt_flag(t, "msi-controller");
		dt_u32(t, "#msi-cells", ret->msi_map);
		dt_reg(t, 0x3ffe0000, 0x10000);
		dt_u32(t, "phandle", ret->msi_phandle);
		dt_end(t);
	}
	free(filler);
	return 0;
}

static const char *const fake_compatible[] = { "linux,dummy-virt", NULL };

static struct dt_machine fake_machine;

static void fake_add_ram(gpa_t gpa, u64 size)
{
	void *hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (hva == MAP_FAILED || guest_mem_add(&fake.mem, gpa, size, hva) < 0)
		abort();
}

static void fake_start(u64 ram)
{
	memset(&fake, 0, sizeof(fake));
	memset(&fake_vcpu, 0, sizeof(fake_vcpu));
	memset(fake_dev, 0, sizeof(fake_dev));
	memset(&fake_pci, 0, sizeof(fake_pci));
	memset(&fake_entry, 0xee, sizeof(fake_entry));
	fake_devs = fake_nodes_filler = 0;
	fake_nodes_error = 0;
	fake_irq = (struct dt_interrupts){ .address_cells = 2 };
	fake_err.msg[0] = '\0';
	list_init(&fake.devices);
	fake.vcpu = &fake_vcpu;
	fake.kernel_fd = fake.initrd_fd = fake.overlay_fd = -1;
	fake_machine = (struct dt_machine){
		.kernel_what = "an arm64 kernel Image", .image_magic = "ARM\x64", .zboot_machine = "\x64\xaa", .flat_offset = 0x80000,
		.image_align = 2 * MIB, .dtb_max = FAKE_DTB_MAX, .initrd_window = 32 * GIB, .compatible = fake_compatible, .nodes = fake_nodes,
	};
	fake_add_ram(FAKE_RAM, ram);
}

static void fake_end(void)
{
	unsigned int i;

	for (i = 0; i < fake.mem.nr; i++)
		munmap(fake.mem.ram[i].hva, fake.mem.ram[i].size);
	for (i = 0; i < 3; i++)
		if ((&fake.kernel_fd)[i] >= 0)
			close((&fake.kernel_fd)[i]);
	fake.mem.nr = 0;
}

/* --- devices --- */

static inline struct device *fake_device(enum dev_kind kind, unsigned int index, u64 base, u64 size)
{
	struct device *dev = &fake_dev[fake_devs++];

	dev->kind = kind;
	dev->index = index;
	dev->vm = &fake;
	dev->res[0] = (struct dev_resource){ .type = DEV_RES_IO, .space = IO_MMIO, .base = base, .size = size };
	list_add_tail(&fake.devices, &dev->node);
	return dev;
}

static inline void fake_wire(struct device *dev, u32 gsi, bool level)
{
	dev->res[1] = (struct dev_resource){ .type = DEV_RES_IRQ, .irq = gsi, .level = level };
}

static inline void fake_pci_host(void)
{
	unsigned int i;

	fake_pci.cfg = (struct pci_host_config){
		.ecam_base = 0x40000000, .ecam_buses = 256, .io = { 0x6200, 0x9e00 }, .mem32 = { 0x50000000, 0x30000000 },
		.mem64 = { 0x8000000000, 0x8000000000 },
	};
	for (i = 0; i < PCI_INTX_LINES; i++)
		fake_pci.cfg.intx_gsi[i] = 8 + i;
	fake.pci = &fake_pci;
	fake.port_window = (struct io_region){ .base = 0x100000, .size = 0x10000, .mapped = true };
	fake_device(DEV_PCI_HOST, 0, 0x40000000, 256 * MIB);
}

/* Everything that has a node. */
static inline void fake_all_devices(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		fake_wire(fake_device(DEV_UART_16550, i, 0x1000000 + i * 0x1000ULL, 8), i, true);
	fake_wire(fake_device(DEV_RTC_MC146818, 0, 0x1010000, 2), 4, true);
	fake_wire(fake_device(DEV_GPIO_PL061, 0, 0x1040000, 0x1000), 5, true);
	fake_device(DEV_FLASH, 0, 0x2000000, 4 * MIB);
	fake_device(DEV_DEBUG_EXIT, 0, 0x1030000, 4);
	for (i = 0; i < 2; i++)
		fake_wire(fake_device(DEV_VIRTIO_MMIO, i, 0x3000000 + i * 0x200ULL, 0x200), 32 + i, false);
	fake_pci_host();
}

/* --- images --- */

enum { IMAGE_BYTES = 24 * 1024 };

/* [Linux Documentation/arch/arm64/booting.rst 4.] 1 MiB in memory, at offset 0. */
static inline void make_image(u8 img[IMAGE_BYTES])
{
	unsigned int i;

	for (i = 0; i < IMAGE_BYTES; i++)
		img[i] = (u8)(i * 7 + i / 256);
	memset(img, 0, 64);
	memcpy(img, "MZ\0\x91", 4);
	put_le64(img + 8, 0);
	put_le64(img + 16, MIB);
	put_le64(img + 24, 0xa);
	memcpy(img + 0x38, "ARM\x64", 4);
	put_le32(img + 0x3c, 0x40);
}

enum { ZBOOT_HEADER = 0x400 };

/* An EFI kernel that unpacks itself, around @len bytes of payload. The caller frees. */
static inline u8 *make_zboot(const void *payload, size_t len, const char *format, size_t *ret_len)
{
	u8 *img = calloc(1, ZBOOT_HEADER + len + 16);

	memcpy(img, "MZ\0\0zimg", 8);
	put_le32(img + 8, ZBOOT_HEADER);
	put_le32(img + 12, (u32)len);
	strcpy((char *)img + 24, format);
	put_le32(img + 0x38, 0x818223cd);
	put_le32(img + 0x3c, 0x40);
	memcpy(img + 0x40, "PE\0\0\x64\xaa", 6);
	memcpy(img + ZBOOT_HEADER, payload, len);
	*ret_len = ZBOOT_HEADER + len + 16;
	return img;
}

/* --- booting, and looking at what came --- */

static inline u8 *ram(gpa_t gpa)
{
	return guest_ptr(&fake.mem, gpa, 1);
}

static inline int boot(const void *data, size_t len)
{
	fake.cfg.kernel = file_with(data, len);
	memset(&fake_entry, 0xee, sizeof(fake_entry));
	return dt_boot_load(&fake, &fake_machine, &fake_entry, &fake_err);
}

/* The tree where the guest finds it; NULL: it is none. */
static inline const void *tree(void)
{
	const void *t = guest_ptr(&fake.mem, fake_entry.dtb, FAKE_DTB_MAX);

	return t && !fdt_check_full(t, FAKE_DTB_MAX) ? t : NULL;
}

static inline const void *prop(const void *t, const char *path, const char *name, int *ret_len)
{
	int node = fdt_path_offset(t, path), len = -1;
	const void *p = node < 0 ? NULL : fdt_getprop(t, node, name, &len);

	if (ret_len)
		*ret_len = len;
	return p;
}

static inline bool has_prop(const void *t, const char *path, const char *name)
{
	return prop(t, path, name, NULL);
}

static inline u32 cell(const void *t, const char *path, const char *name, unsigned int n)
{
	int len;
	const u8 *p = prop(t, path, name, &len);

	return p && (size_t)len >= (n + 1) * 4 ? get_be32(p + n * 4) : 0xdeadbeef;
}

static inline u64 cells64(const void *t, const char *path, const char *name, unsigned int n)
{
	return (u64)cell(t, path, name, n) << 32 | cell(t, path, name, n + 1);
}

static inline int cells(const void *t, const char *path, const char *name)
{
	int len;

	return prop(t, path, name, &len) ? len / 4 : -1;
}

/* A string property, or "(none)". */
static inline const char *text(const void *t, const char *path, const char *name)
{
	int len;
	const char *p = prop(t, path, name, &len);

	return p && len > 0 && !p[len - 1] ? p : "(none)";
}

/* Is it refused with -errno and a line that has @part in it? */
#define CHECK_REFUSED(ret, code, part)                                                                                 \
	do {                                                                                                           \
		int ret_ = (ret);                                                                                      \
		if (ret_ != (code) || !strstr(fake_err.msg, (part))) {                                                 \
			printf("# %s:%d: %s gave %d: \"%s\"\n", __FILE__, __LINE__, #ret, ret_, fake_err.msg);         \
			tap_this_failed = 1;                                                                           \
			return;                                                                                        \
		}                                                                                                      \
		CHECK_EQ(fake_entry.kernel, 0xeeeeeeeeeeeeeeeeULL);	/* outputs only on success */                  \
	} while (0)

#define CHECK_BOOTS(ret)                                                                                               \
	do {                                                                                                           \
		int ret_ = (ret);                                                                                      \
		if (ret_) {                                                                                            \
			printf("# %s:%d: %s gave %d: \"%s\"\n", __FILE__, __LINE__, #ret, ret_, fake_err.msg);         \
			tap_this_failed = 1;                                                                           \
			return;                                                                                        \
		}                                                                                                      \
	} while (0)

/* A test in a VM of its own. */
#define RUN_IN_VM(name, ram)                                                                                           \
	do {                                                                                                           \
		fake_start(ram);                                                                                       \
		RUN(name);                                                                                             \
		fake_end();                                                                                            \
		file_end();                                                                                            \
	} while (0)

#endif
