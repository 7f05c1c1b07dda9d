/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hostile driver of PCI config space, BARs, MSI and MSI-X, by every way in: ECAM, CF8/CFC, ports and memory; with resets, states
 * and the device's own interrupts in between. Four functions have BARs of each kind; two share a device.
 *
 * What must hold: read-only registers stay; a BAR answers exactly while its COMMAND bit is set and only inside the bridge's windows; each
 * activation has its deactivation; no message leaves a disabled capability; nothing is left when the devices are gone.
 *
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c
 * links: util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "tests/pci-fake.h"
#include "vmm/event.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { DEVS = 4, VECTORS = 5, TABLE = 0, PBA = 0x800, COMMAND = 4 };

static struct vm *vm;
static struct fake_dev dev[DEVS];

struct input {
	const u8 *p;
	size_t left;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static u64 take(struct input *in, unsigned int n)
{
	u64 v = 0;

	n = (unsigned int)MIN((size_t)n, in->left);
	memcpy(&v, in->p, n);
	in->p += n;
	in->left -= n;
	return le64toh(v);
}

static void add(struct fake_dev *d, unsigned int bar, enum pci_bar_type type, u64 size, const struct io_ops *ops)
{
	check(!pci_dev_add_bar(&d->pdev, bar, type, size, ops));
}

static void machine(void)
{
	static const int devfn[DEVS] = { 0x08, 0x09, 0x10, 0xf8 };
	unsigned int i;

	vm = fake_vm();
	for (i = 0; i < DEVS; i++)
		fake_dev_init(&dev[i], i << 8);
	add(&dev[0], 0, PCI_BAR_IO, 32, &fake_bar_io);
	add(&dev[0], 1, PCI_BAR_MEM32, 4096, &pci_msix_io);
	check(!pci_dev_add_msix(&dev[0].pdev, VECTORS, 1, TABLE, PBA));
	add(&dev[0], 2, PCI_BAR_MEM64_PREFETCH, 64 * KIB, &fake_bar_io);
	add(&dev[1], 0, PCI_BAR_MEM64, 16, &fake_bar_io);
	add(&dev[1], 4, PCI_BAR_MEM32_PREFETCH, 256, &fake_bar_io);
	check(!pci_dev_add_msi(&dev[1].pdev, 8));
	add(&dev[2], 0, PCI_BAR_MEM32, 4096, &fake_bar_io);
	add(&dev[2], PCI_ROM, PCI_BAR_ROM, 2048, &fake_bar_io);
	add(&dev[3], 5, PCI_BAR_IO, 4, &fake_bar_io);
	add(&dev[3], 0, PCI_BAR_MEM64, 8 * GIB, &fake_bar_io);
	check(pci_dev_add_cap(&dev[3].pdev, 9, 16) > 0);
	pci_config_set_wmask(&dev[3].pdev, 0x44, 4, 0x00ff00ff);
	for (i = 0; i < DEVS; i++)
		check(!pci_plug(vm->pci, &dev[i].pdev, devfn[i]));
	check(!pci_assign_bars(vm->pci, NULL));
}

static u32 config(struct fake_dev *d, unsigned int off, unsigned int size)
{
	return pci_config_read(vm->pci, 0, d->pdev.devfn, off, size);
}

static bool inside(const struct pci_window *w, u64 addr, u64 size)
{
	return addr >= w->base && size <= w->size && addr - w->base <= w->size - size;
}

/* A BAR that is decoded lies in a window and its space is switched on; it was activated once more than it was deactivated. */
static void check_bars(struct fake_dev *d)
{
	const struct pci_host_config *cfg = &fake_host_config;
	u32 command = config(d, COMMAND, 2);
	unsigned int i;

	for (i = 0; i <= PCI_BARS; i++) {
		struct pci_bar *b = &d->pdev.bar[i];

		check(d->activated[i] - d->deactivated[i] == (b->active ? 1 : 0));
		if (!b->active)
			continue;
		check(b->type != PCI_BAR_NONE && command & (b->type == PCI_BAR_IO ? 1 : 2));
		check(!(b->addr & (b->size - 1)));
		if (b->type == PCI_BAR_IO)
			check(inside(&cfg->io, b->addr, b->size));
		else
			check(inside(&cfg->mem32, b->addr, b->size) || inside(&cfg->mem64, b->addr, b->size));
	}
}

static void invariants(void)
{
	unsigned int i;

	for (i = 0; i < DEVS; i++) {
		struct fake_dev *d = &dev[i];

		check(config(d, 0, 4) == 0x56781234 && config(d, 8, 4) == 0x01020307 && config(d, 0x2c, 4) == 0xdef09abc);
		check(config(d, 0x0e, 1) == (d->pdev.devfn == 0x08 ? 0x80U : 0U) || config(d, 0x0e, 1) == 0x80);
		check_bars(d);
	}
	check(!(config(&dev[3], 0x44, 4) & ~0x00ff00ffU));
}

static void config_access(struct input *in, u8 op)
{
	static const u8 hot[] = { 4, 5, 6, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30, 0x3c, 0x40, 0x42, 0x44, 0x48, 0x4c, 0x50, 0x54 };
	struct fake_dev *d = &dev[op >> 4 & 3];
	unsigned int size = 1U << take(in, 1) % 3, off = (unsigned int)take(in, 1);
	u32 val;

	off = op & 0x80 ? off : hot[off % ARRAY_SIZE(hot)];
	val = (u32)take(in, size);
	switch (op >> 6 & 1) {
	case 0:
		mem_write(vm, ECAM + ((u64)d->pdev.devfn << 12) + off, size, val);
		mem_read(vm, ECAM + ((u64)d->pdev.devfn << 12) + off, size);
		break;
	case 1:
		port_write(vm, 0xcf8, 4, 0x80000000U | (u32)d->pdev.devfn << 8 | (off & 0xfc));
		port_write(vm, (u16)(0xcfc + (off & 3)), size, val);
		port_read(vm, (u16)(0xcfc + (off & 3)), size);
		break;
	}
}

/* Anywhere in a BAR, and a little outside. */
static void bar_access(struct input *in, u8 op)
{
	struct fake_dev *d = &dev[op >> 4 & 3];
	struct pci_bar *b = &d->pdev.bar[take(in, 1) % (PCI_BARS + 1)];
	unsigned int size = 1U << take(in, 1) % 4;
	u64 addr = b->addr + (take(in, 2) & 0xfff), val = take(in, size);

	if (b->type == PCI_BAR_IO && addr <= 0xffff - 8) {
		port_write(vm, (u16)addr, MIN(size, 4U), (u32)val);
		port_read(vm, (u16)addr, MIN(size, 4U));
	} else if (b->type != PCI_BAR_NONE) {
		mem_write(vm, addr, size, val);
		mem_read(vm, addr, size);
	}
}

/* eventfds are made, signalled, and given back. */
static void irqfds(unsigned int vector)
{
	int fd = -1;

	switch (vector >> 6) {
	case 0:
	case 1:
		fd = pci_msix_irqfd(&dev[0].pdev, vector % 64 % (VECTORS + 2));
		break;
	case 2:
		fd = pci_msi_irqfd(&dev[1].pdev, vector % 64 % 10);
		break;
	default:
		pci_msi_irqfds_free(&dev[vector & 1].pdev);
		break;
	}
	if (fd >= 0 && vector & 32)
		eventfd_signal(fd);
}

static void interrupt(struct input *in, u8 op)
{
	unsigned int vector = (unsigned int)take(in, 1), before = fake.msgs;

	switch (op >> 4 & 3) {
	case 0:
		pci_msix_notify(&dev[0].pdev, vector % (VECTORS + 2));
		check(fake.msgs == before || pci_msix_enabled(&dev[0].pdev));
		break;
	case 1:
		pci_msi_notify(&dev[1].pdev, vector % 40);
		check(fake.msgs == before || pci_msi_enabled(&dev[1].pdev));
		break;
	case 2:
		pci_intx_set(&dev[vector % DEVS].pdev, vector & 0x80);
		check(fake.msgs == before);
		break;
	case 3:
		irqfds(vector);
		break;
	}
	fake.msgs = MIN(fake.msgs, 32U);
}

static void save(struct fake_dev *d, struct state_writer *w)
{
	*w = (struct state_writer){ .open = false };
	state_begin(w, "dev", 1);
	pci_dev_save(&d->pdev, w);
	state_end(w);
}

static int load(struct fake_dev *d, const void *p, size_t len)
{
	struct state_reader r;
	u32 version;
	int ret;

	state_reader_init(&r, p, len);
	ret = state_open(&r, "dev", 1, &version);
	if (!ret)
		ret = pci_dev_load(&d->pdev, &r);
	return ret < 0 ? ret : state_close(&r);
}

static bool same(const struct state_writer *a, const struct state_writer *b)
{
	return a->buf.len == b->buf.len && !memcmp(a->buf.s, b->buf.s, a->buf.len);
}

static void state(struct input *in, u8 op)
{
	struct fake_dev *d = &dev[op >> 4 & 3];
	struct state_writer before, after;
	unsigned int n = op & 0x80 ? (unsigned int)take(in, 1) & 7 : 0;
	struct state_writer bad;
	int r;

	save(d, &before);
	save(d, &bad);
	for (; n; n--)
		bad.buf.s[take(in, 2) % bad.buf.len] = (char)take(in, 1);
	r = load(d, bad.buf.s, bad.buf.len);
	save(d, &after);
	check(r == 0 || op & 0x80);
	if (!(op & 0x80))
		check(same(&before, &after));
	state_writer_free(&bad);
	state_writer_free(&before);
	if (!r) {	/* a state that was accepted goes round */
		check(!load(d, after.buf.s, after.buf.len));
		save(d, &before);
		check(same(&before, &after));
		state_writer_free(&before);
	}
	state_writer_free(&after);
}

static void step(struct input *in)
{
	u8 op = (u8)take(in, 1);

	switch (op & 15) {
	default:
		config_access(in, op);
		break;
	case 8:
	case 9:
	case 10:
		bar_access(in, op);
		break;
	case 11:
	case 12:
		interrupt(in, op);
		break;
	case 13:
		state(in, op);
		break;
	case 14:
		pci_dev_reset(&dev[op >> 4 & 3].pdev);
		break;
	case 15:
		port_write(vm, 0xcf8, 4, (u32)take(in, 4));
		port_write(vm, 0xcfc, 4, (u32)take(in, 4));
		break;
	}
}

/* Whatever was done to it: a driver that starts anew finds the device where it puts it. */
static void works_again(void)
{
	unsigned int i;

	for (i = 0; i < DEVS; i++)
		pci_dev_reset(&dev[i].pdev);
	pci_config_write(vm->pci, 0, dev[2].pdev.devfn, 0x10, 4, MEM32 + 0x5000);
	pci_config_write(vm->pci, 0, dev[2].pdev.devfn, COMMAND, 2, 2);
	check(mem_read(vm, MEM32 + 0x5000, 4) == dev[2].tag);
	pci_config_write(vm->pci, 0, dev[2].pdev.devfn, COMMAND, 2, 0);
	check(mem_read(vm, MEM32 + 0x5000, 4) == 0xffffffff);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int i;

	machine();
	for (i = 0; i < 400 && in.left; i++) {
		step(&in);
		invariants();
	}
	works_again();
	for (i = 0; i < DEVS; i++) {
		pci_dev_cleanup(&dev[i].pdev);
		check(!memcmp(dev[i].activated, dev[i].deactivated, sizeof(dev[i].activated)));
	}
	fake_vm_free(vm);
	check(!fake.lines);
	for (i = 0; i < FAKE_ROUTES; i++)
		check(!fake.route[i].used);
	return 0;
}
