/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hostile driver of two VFIO functions: BARs that move, overlap and are switched, all kinds of interrupts in any order, tables written
 * at any moment, devices that interrupt in between, resets; on a host that has few vectors and a KVM that has few GSIs, or takes no irqfd.
 *
 * What must hold: the host's rules are kept; a piece of a BAR has its slot exactly while it is decoded, the device took COMMAND, and nothing
 * is in the way; the device has that kind of interrupt on that the guest has; an interrupt of a vector that is not masked arrives, once, and
 * one that is masked is pending; nothing is left in the end.
 *
 * links: vfio/pci-bar.c vfio/pci-irq.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c util/json.c
 * links: util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "tests/vfio/fake-device.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { DEVS = 2, COMMAND = 4, TABLE = 0x2000, PBA = 0x3000, MSI = 0x40, MSIX = 0x58 };

static const unsigned int vectors[DEVS] = { 70, 5 };	/* given their routes when they are used; at once */

static struct vm *vm;
static struct fake_vfio *dev[DEVS];
static bool refused;	/* KVM took no irqfd for a while: INTx that could not be had then is not there until its next change */

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

static void fake_config_was_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val)
{
	vfio_pci_irq_update(vfio_pci_of(pdev));
}

static void add_bar(struct fake_vfio *f, unsigned int bar, u32 reg, u64 size, u64 from, u64 to)
{
	f->bar_reg[bar] = reg;
	f->region[bar] = (struct vfio_region){
		.index = bar, .flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE, .size = size, .nr_areas = to ? 2 : 0,
		.area = { { 0, from }, { to, size - to } },
	};
}

static void machine(void)
{
	unsigned int i;

	refused = false;
	vm = fake_vm();
	check(!event_loop_create("fuzz", &vm->loop));
	for (i = 0; i < DEVS; i++) {
		dev[i] = fake_vfio(vm);
		add_bar(dev[i], 0, i ? 12 : 0, 64 * KIB, 0x7000, 0x8000);
		add_bar(dev[i], 2, 0, 8 * KIB, 0x1000, 0x1000);
		add_bar(dev[i], 4, 1, 64, 0, 0);
		dev[i]->vp.msix_bar = 0;
		dev[i]->vp.msix_table = TABLE;
		dev[i]->vp.msix_table_len = vectors[i] * 16;
		dev[i]->vp.msix_pba = PBA;
		dev[i]->vp.msix_pba_len = 16;
		check(!vfio_pci_bars_init(&dev[i]->vp, NULL));
		check(pci_dev_add_msi(&dev[i]->vp.pdev, 8) == 0 && pci_dev_add_msix(&dev[i]->vp.pdev, vectors[i], 0, TABLE, PBA) == 0);
		check(!pci_plug(vm->pci, &dev[i]->vp.pdev, -1));
		dev[i]->irq[VFIO_PCI_INTX_IRQ_INDEX].count = 1;
		dev[i]->irq[VFIO_PCI_MSI_IRQ_INDEX].count = 8;
		dev[i]->irq[VFIO_PCI_MSIX_IRQ_INDEX].count = vectors[i];
		check(!vfio_pci_irq_init(&dev[i]->vp, NULL));
	}
	dev[1]->cfg.p2p = true;
	fake_p2p = dev[1];
	check(!pci_assign_bars(vm->pci, NULL));
}

/* --- what must hold --- */

static bool in_the_way(gpa_t gpa, u64 size)
{
	unsigned int i;

	for (i = 0; i < FAKE_SLOTS; i++)
		if (fake.slot[i].used && gpa < fake.slot[i].gpa + fake.slot[i].size && fake.slot[i].gpa < gpa + size)
			return true;
	return false;
}

static void check_bars(struct fake_vfio *f)
{
	unsigned int i, j, dma = 0;

	for (i = 0; i < PCI_BARS; i++) {
		struct vfio_pci_bar *b = &f->vp.bar[i];
		struct pci_bar *pb = &f->vp.pdev.bar[i];

		check(b->on == pb->active);
		for (j = 0; j < b->nr_pieces; j++) {
			struct vfio_piece *p = &b->piece[j];

			dma += p->dma;
			check(p->dma == (p->slot >= 0 && f->cfg.p2p));
			if (p->slot < 0)
				check(!b->on || !f->vp.command_known || in_the_way(pb->addr + p->area.off, p->area.size));
			else
				check(b->on && f->vp.command_known && fake.slot[p->slot].used && fake.slot[p->slot].gpa == pb->addr + p->area.off &&
				      fake.slot[p->slot].hva == p->hva && fake.slot[p->slot].size == p->area.size);
		}
	}
	if (f->cfg.p2p)
		check(f->dma_maps - f->dma_unmaps == dma);
}

static void check_irqs(struct fake_vfio *f)
{
	struct pci_dev *pdev = &f->vp.pdev;

	check(!f->broken);
	if (pci_msix_enabled(pdev))
		check(f->on == VFIO_PCI_MSIX_IRQ_INDEX);
	else if (pci_msi_enabled(pdev))
		check(f->on == VFIO_PCI_MSI_IRQ_INDEX);
	else
		check(f->on == VFIO_PCI_INTX_IRQ_INDEX || (f->on == -1 && pdev->intx_disabled) || refused);
	if (f->on == VFIO_PCI_INTX_IRQ_INDEX)
		check(f->masked == pdev->intx_disabled || refused);
}

/* KVM takes what was signalled on what is joined. */
static unsigned int taken(unsigned int before)
{
	unsigned int i, n = fake.msgs - before;

	for (i = 0; i < FAKE_ROUTES_MAX; i++)
		n += fake.route[i].used && fake.route[i].fd >= 0 && eventfd_drain(fake.route[i].fd);
	return n;
}

static void fire(struct fake_vfio *f, unsigned int v)
{
	bool on = pci_msix_deliverable(&f->vp.pdev, v);
	unsigned int before;

	fake_loop_run(vm);
	taken(fake.msgs);
	before = fake.msgs;
	fake_fire(f, v);
	fake_loop_run(vm);
	if (f->on == VFIO_PCI_MSIX_IRQ_INDEX && v < f->nr)
		check(taken(before) == on);
	fake.msgs = 0;
}

/* --- what is done --- */

static void config_write(struct input *in, struct fake_vfio *f)
{
	static const u8 hot[] = {
		COMMAND, COMMAND, COMMAND + 1, 0x10, 0x14, 0x18, 0x20, MSI + 2, MSI + 2, MSI + 4, MSI + 12, MSI + 16, MSIX + 2, MSIX + 3, MSIX + 3,
	};
	unsigned int off = hot[take(in, 1) % ARRAY_SIZE(hot)], size = 1;
	u32 val = (u32)take(in, 1);

	if (off >= 0x10 && off < 0x28) {	/* few places, so that they meet; and odd ones */
		size = 4;
		val = off == 0x20 ? val << 6 : off == 0x14 ? val & 3 : val & 0x80 ? val << 24 : MEM32 + (val & 7) * 0x2000;
	}
	pci_config_write(vm->pci, 0, f->vp.pdev.devfn, off, size, val);
}

static void table_write(struct input *in, struct fake_vfio *f)
{
	const struct pci_bar *b = &f->vp.pdev.bar[0];
	unsigned int v = (unsigned int)take(in, 1), what = v >> 7 ? 3 : v & 3;

	mem_write(vm, b->addr + TABLE + v % 72 * 16 + what * 4, 4, what == 3 ? take(in, 1) & 1 : take(in, 4));
	mem_read(vm, b->addr + (v & 1 ? PBA : TABLE + 64), 8);
}

static void reset(struct fake_vfio *f)
{
	vfio_pci_irq_off(&f->vp);
	check(f->on == -1);
	pci_dev_reset(&f->vp.pdev);
	check(f->on == -1);
	vfio_pci_irq_update(&f->vp);
}

/* As pci-config.c does when the device does not take COMMAND, and when it does again. */
static void command_lost(struct fake_vfio *f, bool lost)
{
	if (f->vp.command_known != lost)
		return;
	f->vp.command_known = !lost;
	vfio_pci_bars_command(&f->vp);
}

static void host(struct input *in, struct fake_vfio *f)
{
	u8 what = (u8)take(in, 1);

	f->host_vectors = what & 15;
	f->enospc = what & 16;
	fake.more_routes = what & 32 ? 20 : 0;
	fake.irqfd_error = (what & 0xc0) == 0xc0 ? -EINVAL : 0;
	refused |= fake.irqfd_error != 0;
}

static void step(struct input *in)
{
	u8 op = (u8)take(in, 1);
	struct fake_vfio *f = dev[op >> 4 & 1];

	switch (op & 15) {
	default:
		config_write(in, f);
		break;
	case 8:
	case 9:
	case 10:
		table_write(in, f);
		break;
	case 11:
	case 12:
		fire(f, (unsigned int)take(in, 1) % vectors[op >> 4 & 1]);
		break;
	case 13:
		mem_read(vm, f->vp.pdev.bar[2].addr + take(in, 2) % 0x2000, 1U << (op >> 5 & 3));
		port_write(vm, (u16)(f->vp.pdev.bar[4].addr + take(in, 1) % 64), 4, 1);
		break;
	case 14:
		if (op & 0x20)
			command_lost(f, !(op & 0x40));
		else
			reset(f);
		break;
	case 15:
		host(in, f);
		break;
	}
	check_bars(dev[0]);
	check_bars(dev[1]);
	check_irqs(f);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct event_loop *loop;
	unsigned int i;

	machine();
	for (i = 0; i < 200 && in.left; i++)
		step(&in);
	fake.irqfd_error = 0;
	for (i = 0; i < DEVS; i++)	/* whatever was done: a driver that starts anew finds it working */
		reset(dev[i]);
	for (i = 0; i < DEVS; i++)
		check(dev[i]->on == VFIO_PCI_INTX_IRQ_INDEX && fake.pin[17 + i].joined);
	loop = vm->loop;
	for (i = 0; i < DEVS; i++) {
		vfio_pci_irq_free(&dev[i]->vp);
		pci_dev_cleanup(&dev[i]->vp.pdev);
		vfio_pci_bars_free(&dev[i]->vp);
	}
	check(fake.slot_adds == fake.slot_dels && dev[1]->dma_maps == dev[1]->dma_unmaps);
	check(fake_unmaps == dev[0]->maps + dev[1]->maps);
	for (i = 0; i < FAKE_ROUTES_MAX; i++)
		check(!fake.route[i].used);
	for (i = 0; i < DEVS; i++)
		fake_vfio_end(vm, dev[i]);
	event_loop_free(loop);
	return 0;
}
