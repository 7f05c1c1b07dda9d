/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VFIO function over a device whose config space is anything, and a hostile driver of it; the device changes its mind and fails meanwhile.
 *
 * What must hold: the guest's capability lists end; what is emulated keeps its value and is never written to the device: ids, BARs, ids and
 * links of capabilities, MSI and MSI-X; BARs are decoded only as COMMAND and the power state say, and while the device was told so; a state
 * comes back as it was saved.
 *
 * links: vfio/pci-config.c vfio/pci-caps.c vfio/pci-extcaps.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c
 * links: util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "tests/vfio/config-rig.h"

#include "tests/fuzz/input.h"

/* Dwords where they do the most: a header, the list, a few extended ones. */
static void make_device(struct input *in)
{
	u8 how = (u8)take(in, 1);
	unsigned int n = (unsigned int)take(in, 1), off;

	rig_init();
	rig.quiet = true;
	rig.region[VFIO_PCI_CONFIG_REGION_INDEX].size = how & 1 ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE;
	rig.cfg.aer = how & 2;
	rig.vd.flags = how & 4 ? VFIO_DEVICE_FLAGS_RESET : 0;
	rig.irq[VFIO_PCI_INTX_IRQ_INDEX].count = how >> 3 & 1;
	rig.irq[VFIO_PCI_MSI_IRQ_INDEX].count = 1U << (how >> 4 & 7);
	rig.irq[VFIO_PCI_MSIX_IRQ_INDEX].count = how & 0x80 ? 2048 : 3;
	memset(rig.dev + 0x40, (int)take(in, 1), sizeof(rig.dev) - 0x40);
	rig.dev[PCI_STATUS] = (u8)take(in, 1);
	rig.dev[PCI_HEADER_TYPE] = (u8)take(in, 1) & 0x83;
	rig.dev[PCI_CAPABILITY_LIST] = (u8)take(in, 1);
	rig.dev[PCI_INTERRUPT_PIN] = (u8)take(in, 1) & 7;
	for (; n; n--) {
		off = (unsigned int)take(in, how & 1 ? 2 : 1) & (how & 1 ? 0xffc : 0xfc);
		if (off >= 0x40)
			put_le32(rig.dev + off, (u32)take(in, 4));
	}
}

static void check_lists(void)
{
	unsigned int at = cr(PCI_CAPABILITY_LIST, 1), n;

	for (n = 0; at; n++, at = cr(at + 1, 1)) {
		MUST(n < 48 && at >= 0x40 && !(at & 3));
		MUST(!rig.written[at] && !rig.written[at + 1]);
	}
	for (n = 0, at = rig.vp->config_size > 0x100 ? 0x100 : 0; at; n++, at = cr(at, 4) >> 20) {
		MUST(n < 960 && at >= 0x100 && !(at & 3));
		MUST(!rig.written[at] && !rig.written[at + 3]);
	}
}

static void check_untouched(unsigned int off, unsigned int len)
{
	for (; len; len--)
		MUST(!rig.written[off++]);
}

static void check_bars(void)
{
	const struct pci_dev *pdev = &rig.vp->pdev;
	u32 command = cr(PCI_COMMAND, 2);
	unsigned int i;

	for (i = 0; i < PCI_BARS; i++)
		MUST(!pdev->bar[i].active || (command & (pdev->bar[i].type == PCI_BAR_IO ? 1 : 2) && !rig.vp->power));
}

static void check_all(void)
{
	MUST(cr(PCI_VENDOR_ID, 4) == 0x10d38086 && cr(PCI_SUBSYSTEM_VENDOR_ID, 4) == 0xa01f8086 && cr(PCI_HEADER_TYPE, 1) == 0);
	check_untouched(0, 4);
	check_untouched(8, 0x38);
	if (rig.vp->msi_cap)
		check_untouched(rig.vp->msi_cap, 10);
	if (rig.vp->msix_cap)
		check_untouched(rig.vp->msix_cap, 12);
	if (rig.vp->pm_cap)
		MUST((cr(rig.vp->pm_cap + PCI_PM_CTRL, 1) & 3) == rig.vp->power && (rig.vp->power_states & BIT(rig.vp->power)));
	check_bars();
}

static void config_access(struct input *in, u8 op)
{
	static const u8 header[] = { 4, 4, 5, 6, 0x10, 0x14, 0x18, 0x30 };
	const unsigned int cap[] = { rig.vp->pm_cap, rig.vp->exp_cap, rig.vp->af_cap, rig.vp->msi_cap, rig.vp->msix_cap };
	unsigned int size = 1U << take(in, 1) % 3, off = (unsigned int)take(in, 2);

	if (op & 0x80)
		off = header[off % ARRAY_SIZE(header)];
	else if (op & 0x40)
		off = cap[off % ARRAY_SIZE(cap)] + off / 8 % 24;
	cw(off, size, (u32)take(in, size));
	cr(off, size);
}

static void save(struct state_writer *w)
{
	*w = (struct state_writer){ .open = false };
	state_begin(w, "vfio0", 1);
	pci_dev_save(&rig.vp->pdev, w);
	state_end(w);
}

static int load(const struct state_writer *w)
{
	struct state_reader r;
	u32 version;

	state_reader_init(&r, w->buf.s, w->buf.len);
	MUST(state_open(&r, "vfio0", 1, &version) == 0);
	return vfio_pci_config_load(rig.vp, &r);
}

static void state(struct input *in)
{
	unsigned int n = (unsigned int)take(in, 1) & 3;
	struct state_writer w, after;
	bool changed = n;

	save(&w);
	for (; n; n--)
		w.buf.s[40 + take(in, 2) % (w.buf.len - 40)] ^= (char)take(in, 1);
	if (load(&w) == 0 && !changed) {
		save(&after);
		MUST(after.buf.len == w.buf.len && !memcmp(after.buf.s, w.buf.s, w.buf.len));
		state_writer_free(&after);
	}
	state_writer_free(&w);
}

static void step(struct input *in)
{
	u8 op = (u8)take(in, 1);
	unsigned int off;

	switch (op & 15) {
	default:
		config_access(in, op);
		break;
	case 10:
		off = (unsigned int)take(in, 2) % PCIE_CONFIG_SIZE;
		if (off >= 0x40)
			rig.dev[off] = (u8)take(in, 1);
		break;
	case 11:
		rig.read_error = op & 0x10 ? -EIO : 0;
		rig.write_error = op & 0x20 ? -EIO : 0;
		rig.reset_error = op & 0x40 ? -ENOTTY : 0;
		break;
	case 12:
		vfio_pci_function_reset(rig.vp);
		break;
	case 13:
		state(in);
		break;
	case 14:
		mem_write(rig.vm, rig.vp->pdev.bar[0].addr + (take(in, 2) & 0xfff8), 8, take(in, 8));
		break;
	case 15:
		pci_msi_notify(&rig.vp->pdev, op >> 4);
		pci_msix_notify(&rig.vp->pdev, op >> 4);
		fake.msgs = 0;
		break;
	}
}

/* A driver that starts anew finds the device where it puts it. */
static void works_again(void)
{
	rig.read_error = rig.write_error = rig.reset_error = 0;
	vfio_pci_function_reset(rig.vp);
	cw(PCI_BASE_ADDRESS_0, 4, MEM32 + 0x1000000);
	cw(PCI_BASE_ADDRESS_1, 4, 0);
	cw(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	MUST(rig.vp->pdev.bar[0].active && rig.dev[PCI_COMMAND] & PCI_COMMAND_MEMORY);
	cw(PCI_COMMAND, 2, 0);
	MUST(!rig.vp->pdev.bar[0].active && !(rig.dev[PCI_COMMAND] & PCI_COMMAND_MEMORY));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int i;

	make_device(&in);
	if (rig_make(NULL) == 0) {
		rig_plug();
		check_lists();
		for (i = 0; i < 200 && in.left; i++) {
			step(&in);
			check_all();
		}
		check_lists();
		works_again();
	}
	rig_free();
	MUST(!fake.lines);
	return 0;
}
