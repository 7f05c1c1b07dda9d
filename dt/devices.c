/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes of the device tree for the devices that are the same on each machine, from what the devices tell of themselves
 * (vmm/device.h). Bindings are those of Linux, Documentation/devicetree/bindings/: serial/8250.yaml, rtc/rtc-cmos.txt, virtio/mmio.yaml,
 * mtd/mtd-physmap.yaml, gpio/pl061-gpio.yaml, input/gpio-keys.yaml, pci/host-generic-pci.yaml; for PCI [IEEE 1275 PCI bus binding 2.1].
 *
 * Not told: what a guest finds by itself (PCI devices) and what Linux has no driver for (debug-exit).
 *
 * Main thread.
 */
#include "dt/dt.h"

#include <stdio.h>
#include <string.h>

#include "vmm/hw.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

enum {
	UART_CLOCK = 1843200,		/* [PC16550D] the usual crystal */
	PL061_CLOCK = 24000000,
	KEY_POWER = 116,		/* [linux/input-event-codes.h] */
	MAX_CELLS = 4,			/* of one interrupt specifier, or of its controller's address */
	PCI_SLOTS = 32, PCI_PINS = 4,
	UARTS = 4,
};

/* phys.hi of a PCI address. [IEEE 1275 PCI 2.2.1.1] */
enum { PCI_SPACE_IO = 0x01000000, PCI_SPACE_MEM32 = 0x02000000, PCI_SPACE_MEM64 = 0x03000000, PCI_PREFETCH = 0x40000000 };

/*
 * Linux puts BARs that are not prefetchable into windows that are not, and dislikes such a window of 4 GiB or more: of a large one this much is
 * told to be one.
 */
#define NOT_PREFETCHABLE (2 * GIB)

typedef char path_text[64];

struct writer {
	struct dt *t;
	struct vm *vm;
	const struct dt_interrupts *irq;
	path_text uart[UARTS];		/* for /aliases; empty: none */
};

/* The device's @n-th range of memory; NULL: it has not as many. */
static const struct dev_resource *mem_of(const struct device *dev, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < DEV_RESOURCES; i++)
		if (dev->res[i].type == DEV_RES_IO && dev->res[i].space == IO_MMIO && !n--)
			return &dev->res[i];
	return NULL;
}

static void interrupts(struct writer *w, const struct device *dev)
{
	u32 spec[DEV_RESOURCES * MAX_CELLS];
	unsigned int i, n = 0;

	for (i = 0; i < DEV_RESOURCES; i++) {
		if (dev->res[i].type != DEV_RES_IRQ)
			continue;
		w->irq->specifier(dev->res[i].irq, dev->res[i].level, spec + n);
		n += w->irq->cells;
	}
	if (!n)
		return;
	dt_u32(w->t, "interrupt-parent", w->irq->phandle);
	dt_u32s(w->t, "interrupts", spec, n);
}

/* Opens the node of a device with one range of memory, with what all of them have. */
static void open_node(struct writer *w, const struct device *dev, const struct dev_resource *mem, const char *name,
		      const char *compatible)
{
	dt_node(w->t, "%s@%llx", name, (unsigned long long)mem->base);
	dt_str(w->t, "compatible", compatible);
	dt_reg(w->t, mem->base, mem->size);
	interrupts(w, dev);
}

static void uart(struct writer *w, const struct device *dev, const struct dev_resource *mem)
{
	unsigned int shift = 0;

	open_node(w, dev, mem, "serial", "ns16550a");
	dt_u32(w->t, "clock-frequency", UART_CLOCK);
	while (mem->size >> (shift + 1) >= SERIAL_REGISTERS)
		shift++;
	if (shift)
		dt_u32(w->t, "reg-shift", shift);
	dt_end(w->t);
	if (dev->index < UARTS)
		snprintf(w->uart[dev->index], sizeof(w->uart[0]), "/serial@%llx", (unsigned long long)mem->base);
}

static void rtc(struct writer *w, const struct device *dev, const struct dev_resource *mem)
{
	open_node(w, dev, mem, "rtc", "motorola,mc146818");
	dt_end(w->t);
}

static void virtio_mmio(struct writer *w, const struct device *dev, const struct dev_resource *mem)
{
	open_node(w, dev, mem, "virtio_mmio", "virtio,mmio");
	dt_flag(w->t, "dma-coherent");
	dt_end(w->t);
}

static void flash(struct writer *w, const struct device *dev, const struct dev_resource *mem)
{
	open_node(w, dev, mem, "flash", "cfi-flash");
	dt_u32(w->t, "bank-width", 4);
	dt_end(w->t);
}

/* A PL061, the clock its driver wants as of each PrimeCell, and the key behind its line. */
static void gpio(struct writer *w, const struct device *dev, const struct dev_resource *mem)
{
	static const char *const compatible[] = { "arm,pl061", "arm,primecell", NULL };
	u32 clock = dt_phandle(w->t), self = dt_phandle(w->t);
	const u32 key[] = { self, PL061_POWER_LINE, 0 /* active high */ };

	dt_node(w->t, "apb-pclk");
	dt_str(w->t, "compatible", "fixed-clock");
	dt_u32(w->t, "#clock-cells", 0);
	dt_u32(w->t, "clock-frequency", PL061_CLOCK);
	dt_u32(w->t, "phandle", clock);
	dt_end(w->t);

	dt_node(w->t, "gpio@%llx", (unsigned long long)mem->base);
	dt_strs(w->t, "compatible", compatible);
	dt_reg(w->t, mem->base, mem->size);
	interrupts(w, dev);
	dt_flag(w->t, "gpio-controller");
	dt_u32(w->t, "#gpio-cells", 2);
	dt_flag(w->t, "interrupt-controller");
	dt_u32(w->t, "#interrupt-cells", 2);
	dt_u32(w->t, "#address-cells", 0);
	dt_u32(w->t, "clocks", clock);
	dt_str(w->t, "clock-names", "apb_pclk");
	dt_u32(w->t, "phandle", self);
	dt_end(w->t);

	dt_node(w->t, "gpio-keys");
	dt_str(w->t, "compatible", "gpio-keys");
	dt_node(w->t, "key-power");
	dt_str(w->t, "label", "Power button");
	dt_u32(w->t, "linux,code", KEY_POWER);
	dt_u32s(w->t, "gpios", key, ARRAY_SIZE(key));
	dt_end(w->t);
	dt_end(w->t);
}

/* --- the PCI host --- */

static void put64(u32 *cell, u64 val)
{
	cell[0] = (u32)(val >> 32);
	cell[1] = (u32)val;
}

/* One of "ranges", unless the window is absent: PCI address, CPU address, size. [IEEE 1275 PCI 4.1.1] Cells written. */
static unsigned int range(u32 *cell, u32 space, u64 base, u64 size, u64 cpu)
{
	if (!size)
		return 0;
	cell[0] = space;
	put64(cell + 1, base);
	put64(cell + 3, cpu);
	put64(cell + 5, size);
	return 7;
}

/* Pin 1..4 of each slot to its line. [IEEE 1275 PCI 4.1.1 interrupt-map, "Recommended Practice: Interrupt Mapping"] */
static void interrupt_map(struct writer *w, const struct pci_host_config *cfg)
{
	enum { ROOM = PCI_SLOTS * PCI_PINS * (3 + 1 + 1 + 2 * MAX_CELLS) };
	static const u32 mask[] = { (PCI_SLOTS - 1) << 11, 0, 0, 7 };
	u32 map[ROOM], *cell = map;
	unsigned int slot, pin;

	memset(map, 0, sizeof(map));
	for (slot = 0; slot < PCI_SLOTS; slot++) {
		for (pin = 1; pin <= PCI_PINS; pin++) {
			cell[0] = slot << 11;
			cell[3] = pin;
			cell[4] = w->irq->phandle;
			cell += 5 + w->irq->address_cells;
			w->irq->specifier(cfg->intx_gsi[pci_intx_line(slot, pin)], true, cell);
			cell += w->irq->cells;
		}
	}
	dt_u32(w->t, "#interrupt-cells", 1);
	dt_u32s(w->t, "interrupt-map-mask", mask, ARRAY_SIZE(mask));
	dt_u32s(w->t, "interrupt-map", map, (unsigned int)(cell - map));
}

static void pci_host(struct writer *w, const struct device *dev, const struct dev_resource *ecam)
{
	const struct pci_host_config *cfg = pci_host_config(w->vm->pci);
	const struct pci_window *mem64 = &cfg->mem64;
	const u64 plain = mem64->size < 4 * GIB ? mem64->size : NOT_PREFETCHABLE;
	const u32 bus_range[] = { 0, cfg->ecam_buses - 1 }, msi_map[] = { 0, w->irq->msi_phandle, 0, 0x10000 };
	u32 ranges[4 * 7];
	unsigned int n = 0;

	dt_node(w->t, "pci@%llx", (unsigned long long)ecam->base);
	dt_str(w->t, "compatible", "pci-host-ecam-generic");
	dt_str(w->t, "device_type", "pci");
	dt_reg(w->t, ecam->base, ecam->size);
	dt_u32s(w->t, "bus-range", bus_range, 2);
	dt_u32(w->t, "#address-cells", 3);
	dt_u32(w->t, "#size-cells", 2);
	if (w->vm->port_window.mapped)
		n += range(ranges + n, PCI_SPACE_IO, cfg->io.base, cfg->io.size, w->vm->port_window.base + cfg->io.base);
	n += range(ranges + n, PCI_SPACE_MEM32, cfg->mem32.base, cfg->mem32.size, cfg->mem32.base);
	n += range(ranges + n, PCI_SPACE_MEM64, mem64->base, plain, mem64->base);
	n += range(ranges + n, PCI_SPACE_MEM64 | PCI_PREFETCH, mem64->base + plain, mem64->size - plain, mem64->base + plain);
	dt_u32s(w->t, "ranges", ranges, n);
	interrupt_map(w, cfg);
	if (w->irq->msi_phandle && w->irq->msi_map)
		dt_u32s(w->t, "msi-map", msi_map, ARRAY_SIZE(msi_map));
	else if (w->irq->msi_phandle)
		dt_u32(w->t, "msi-parent", w->irq->msi_phandle);
	dt_flag(w->t, "dma-coherent");
	dt_end(w->t);
}

/* --- all of them --- */

/* Linux numbers ttyS by these, and not by who comes first. */
static void aliases(struct writer *w)
{
	char name[16];
	unsigned int i;

	dt_node(w->t, "aliases");
	for (i = 0; i < UARTS; i++) {
		snprintf(name, sizeof(name), "serial%u", i);
		if (w->uart[i][0])
			dt_str(w->t, name, w->uart[i]);
	}
	dt_end(w->t);
}

void dt_devices(struct dt *t, struct vm *vm, const struct dt_interrupts *irq, char ret_stdout[64])
{
	static void (*const node[])(struct writer *w, const struct device *dev, const struct dev_resource *mem) = {
		[DEV_UART_16550] = uart, [DEV_RTC_MC146818] = rtc, [DEV_PCI_HOST] = pci_host, [DEV_GPIO_PL061] = gpio,
		[DEV_VIRTIO_MMIO] = virtio_mmio, [DEV_FLASH] = flash,
	};
	struct writer w = { .t = t, .vm = vm, .irq = irq };
	const struct dev_resource *mem;
	const struct device *dev;
	unsigned int i;

	list_for_each(dev, &vm->devices, node) {
		mem = mem_of(dev, 0);
		if (mem && dev->kind < ARRAY_SIZE(node) && node[dev->kind])
			node[dev->kind](&w, dev, mem);
	}
	aliases(&w);
	ret_stdout[0] = '\0';
	for (i = 0; i < UARTS && !ret_stdout[0]; i++)
		memcpy(ret_stdout, w.uart[i], sizeof(path_text));
}
