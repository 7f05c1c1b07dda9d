/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Config space, BARs, registers and MSI-X as no driver should use them, on virtio functions whose queues run. [pci-3.0 6, virtio-1.2 4.1]
 * Every virtio function that is there is attacked in turn; then it works, and so does a bystander. Modern and legacy.
 *
 * Left out: many CPUs at once, which is bar-stress.c's.
 */
#include "hostile.h"

static const struct subject subjects[] = {
	{ "rng", ID_RNG, 0, 0, rng_works },
	{ "blk", ID_BLK, 0, 0, blk_works },
	{ "console", ID_CONSOLE, 1, 0, console_works },
	{ "net", ID_NET, 1, 0, net_works },
	{ "balloon", ID_BALLOON, 1, 0, balloon_works },
};

enum {
	BAR_SIZE = 0x8000, MSIX_OFF = 0x4000,
	R_COMMAND = 4, R_BAR0 = 0x10, R_ROM = 0x30, R_CAPS = 0x34, CAP_MSIX = 0x11, CAP_VENDOR = 9, CONFIG = 256,
};

static u8 before[CONFIG];

static u8 fn(void) { return dut.v.devfn; }

/* Attacks leave things as they were before this looks. */
static void expect(bool good, const char *what)
{
	good &= recovered();
	attack_check(good, what);
}

/* --- config space --- */

static bool in(unsigned int off, unsigned int from, unsigned int len) { return off >= from && off < from + len; }

/* Bytes that a driver may change. */
static bool writable(unsigned int off)
{
	unsigned int msix = pci_find_cap(fn(), CAP_MSIX, 0), window = dut.v.cfg_cap;

	return in(off, R_COMMAND, 4) || off == 0xc || in(off, R_BAR0, 24) || in(off, R_ROM, 4) || off == 0x3c ||
	       (msix && in(off, msix + 2, 2)) || (window && (off == window + 4 || in(off, window + 8, 12)));
}

static void restore_config(void)
{
	unsigned int off;

	for (off = R_BAR0; off < 0x28; off += 4)
		pci_write(fn(), off, 4, before[off] | before[off + 1] << 8 | before[off + 2] << 16 | (u32)before[off + 3] << 24);
	pci_write(fn(), R_COMMAND, 2, before[4] | before[5] << 8);
	off = pci_find_cap(fn(), CAP_MSIX, 0);
	if (off)
		pci_write(fn(), off + 2, 2, before[off + 2] | before[off + 3] << 8);
}

static void overwrite(u32 val, unsigned int size)
{
	unsigned int off;

	for (off = 0; off < CONFIG; off += size)
		pci_write(fn(), off, size, val);
	for (off = CONFIG; off < 4096; off += 256)
		pci_write(fn(), off, size, val);
}

/* Configuration mechanism #1, written at widths and places it does not have. */
static void by_ports(void)
{
	out32(0xcf8, 0x80000003U | (u32)fn() << 8);
	out8(0xcfc, 0xff);
	out16(0xcfd, 0xffff);
	out32(0xcfd, 0xffffffff);
	out16(0xcff, 0xffff);
	out8(0xcf9 - 1, 0xff);
	out32(0xcf8, 0xffffffff);
	out32(0xcfc, 0xffffffff);
	out32(0xcf8, 0);
}

static void config_bytes(void)
{
	static const u32 values[] = { 0xffffffff, 0, 0x55555555, 0xaaaaaaaa };
	unsigned int i, size, off, wrong = 0;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		for (size = 1; size <= 4; size *= 2) {
			overwrite(values[i], size);
			for (off = 0; off < CONFIG; off++)
				wrong += !writable(off) && pci_read(fn(), off, 1) != before[off];
			restore_config();
		}
	expect(!wrong, "ids and capabilities written all over: they stay");
	for (off = CONFIG; off < 4096; off += 4)
		wrong += pci_read(fn(), off, 4) != 0xffffffff;
	expect(!wrong, "behind its 256 bytes config space reads ones");
	for (off = 0; ODD_ACCESS && off < 3; off++) {
		u64 at = ECAM + ((u64)fn() << 12);

		write32(at + 1 + off, 0);
		write16(at + 0xffd + 2 * off, 0xffff);
		write64(at + 8 * off + off, ~0ULL);
		wrong += read32(at + 0xffd + off) == 0x12345678;
	}
	restore_config();
	if (HAVE_PORTS)
		by_ports();
	for (off = 0; off < CONFIG; off++)
		wrong += !writable(off) && pci_read(fn(), off, 1) != before[off];
	restore_config();
	expect(!wrong, "accesses across dwords and functions change nothing else");
	for (i = 0; i < 300; i++) {
		off = h_random() % CONFIG;
		pci_write(fn(), off & ~3U, 4, h_random());
		pci_write(fn(), off, 1, h_random());
	}
	for (off = 0; off < CONFIG; off++)
		wrong += !writable(off) && pci_read(fn(), off, 1) != before[off];
	restore_config();
	expect(!wrong, "config space written at random");
}

static void window(void)
{
	static const u32 offs[] = { 0, 1, 2, 3, 0x14, 0x38, 0x3c, 0xfff, 0x1000, 0x2000, 0x3000, 0x3ffe, 0x3fff, 0x4000, 0x7ffc, 0x8000,
				    0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff };
	static const u32 lens[] = { 0, 1, 2, 3, 4, 5, 8, 0x100, 0xffffffff };
	unsigned int i, j, bar, cap = dut.v.cfg_cap;

	if (!cap)
		return;
	for (i = 0; i < sizeof(offs) / sizeof(offs[0]); i++)
		for (j = 0; j < sizeof(lens) / sizeof(lens[0]); j++)
			for (bar = 0; bar < 256; bar = bar < 7 ? bar + 1 : bar * 2 + 1) {
				pci_write(fn(), cap + 4, 1, bar);
				pci_write(fn(), cap + 8, 4, offs[i]);
				pci_write(fn(), cap + 12, 4, lens[j]);
				pci_read(fn(), cap + 16, 4);
				pci_write(fn(), cap + 16, 4, 0xa5a5a5a5);
				pci_write(fn(), cap + 17, 1, 0);
			}
	expect(true, "the configuration window anywhere, of any length");
	pci_write(fn(), cap + 4, 1, 0);
	pci_write(fn(), cap + 8, 4, C_STATUS);
	pci_write(fn(), cap + 12, 4, 1);
	pci_write(fn(), cap + 16, 1, 0);
	expect(h_status(&dut) == 0, "a reset through the window");
	pci_write(fn(), R_COMMAND, 2, 0);
	pci_write(fn(), cap + 16, 1, 0);
	pci_write(fn(), cap + 16, 1, 1);
	i = pci_read(fn(), cap + 16, 1);
	restore_config();
	expect(i == 1 && h_status(&dut) == 1, "the window works with memory decode off");
}

/* --- registers --- */

static void registers(void)
{
	unsigned int i, off;
	u64 bar = pci_bar(fn(), 0);

	if (dut.legacy) {
		for (i = 0; i < 2000; i++) {
			u16 port = (u16)(dut.io + h_random() % 64);

			switch (h_random() % 6) {
			case 0: out8(port, (u8)h_random()); break;
			case 1: out16(port, (u16)h_random()); break;
			case 2: out32(port, h_random()); break;
			case 3: in8(port); break;
			case 4: in16(port); break;
			default: in32(port);
			}
		}
		expect(true, "its ports read and written at random");
		return;
	}
	for (off = 0; off < BAR_SIZE; off = (off & 0xfff) == 0x80 ? (off | 0xfff) - 7 : off + 1) {
		read8(bar + off);
		if (may_access(bar + off, 2))
			read16(bar + off);
		if (may_access(bar + off, 4))
			read32(bar + off);
		if (may_access(bar + off, 8))
			read64(bar + off);
	}
	expect(true, "its registers read in every width, at odd offsets too");
	for (i = 0; i < 3000; i++) {
		u64 at = bar + (h_random() % 5 << 12) + (h_random() & 15 ? h_random() % 0x48 : h_random() % 0x1000);

		u32 width = h_random() % 4;

		if (!may_access(at, 1U << width))
			width = 0;
		switch (width) {
		case 0: write8(at, (u8)h_random()); break;
		case 1: write16(at, (u16)h_random()); break;
		case 2: write32(at, h_random()); break;
		default: write64(at, h_random());
		}
	}
	expect(true, "its registers written at random");
}

/* --- BARs --- */

/* Moves BAR 0, or the legacy function's BAR 1; the queues run on. */
static void place(u8 devfn, u64 addr) { pci_write(devfn, R_BAR0 + (dut.legacy ? 4 : 0), 4, (u32)addr); }

static void bad_places(void)
{
	static const struct { u32 at; const char *what; } places[] = {
		BAD_PLACES
	};
	static volatile u32 word = 0x5a5a5a5a;
	u64 home = pci_bar(fn(), dut.legacy ? 1 : 0);
	u32 id = pci_read(fn(), 0, 4);
	unsigned int i;
	bool good;

	read32(ECAM_HOLE);	/* has the hole of ones mapped */
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		place(fn(), places[i].at);
		good = word == 0x5a5a5a5a && pci_read(fn(), 0, 4) == id && read32(ECAM_HOLE) == 0xffffffff &&
		       read32(ECAM_END - 0x8000) == 0xffffffff;
		good &= bystander_works(&bystander);
		place(fn(), home);
		good &= dut_works(&dut);	/* its queues ran all the time */
		expect(good, places[i].what);
	}
	place(fn(), MEM_WINDOW_END - 0x8000);
	good = bystander_works(&bystander) && (dut.legacy || read16(MEM_WINDOW_END - 0x8000 + C_NUMQ) == read16(MEM_WINDOW_END - 0x8000 + C_NUMQ));
	place(fn(), home);
	expect(good && dut_works(&dut), "a BAR at the end of its window");
}

/* Whose the kicks are meanwhile is nobody's business; afterwards each has its own. */
static void kick_there(void)
{
	unsigned int n;

	for (n = 0; n < 8 && !dut.legacy; n++)
		write16(bystander.q[0].kick, (u16)n);
}

static void onto_each_other(void)
{
	u64 mine = pci_bar(fn(), dut.legacy ? 1 : 0), other = pci_bar(bystander.v.devfn, dut.legacy ? 1 : 0);
	unsigned int i;
	bool good = true;

	for (i = 0; i < 3; i++) {
		place(fn(), other);
		good &= dut.legacy || h_status(&bystander) != 0xff;
		kick_there();
		place(fn(), mine);
		good &= dut_works(&dut) && bystander_works(&bystander);
		place(bystander.v.devfn, mine);
		place(fn(), other);
		place(bystander.v.devfn, other);
		kick_there();
		place(fn(), mine);
		good &= dut_works(&dut) && bystander_works(&bystander);
	}
	expect(good, "two BARs in one place, and apart again");
	for (i = 0; i < 3; i++) {
		pci_write(fn(), R_COMMAND, 2, 0);
		place(fn(), other);
		pci_write(fn(), R_COMMAND, 2, before[4] | before[5] << 8);
		kick_there();
		pci_write(fn(), R_COMMAND, 2, 0);
		place(fn(), mine);
		pci_write(fn(), R_COMMAND, 2, before[4] | before[5] << 8);
		good &= dut_works(&dut) && bystander_works(&bystander);
	}
	expect(good, "a BAR that comes up where another one is");
}

static void io_places(void)
{
	static const u16 ports[] = { 0, 0x20, 0x40, 0x60, 0x70, 0xf0, 0x3f8, 0x600, 0xcf8, 0xffc0, 0xfffc };
	unsigned int i;
	bool good = true;
	u32 home;

	if (!dut.legacy)
		return;
	home = pci_read(fn(), R_BAR0, 4);
	for (i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		pci_write(fn(), R_BAR0, 4, ports[i]);
		good &= bystander_works(&bystander) && (!HAVE_PORTS || (in8(0x3f8 + 5) != 0xff && in8(0xf4) == 'L' && in32(0xcf8) != 0x5a5a5a5a));
		pci_write(fn(), R_BAR0, 4, home);
		good &= dut_works(&dut);
	}
	pci_write(fn(), R_BAR0, 4, 0xffffffff);
	pci_write(fn(), R_BAR0, 4, home);
	expect(good && dut_works(&dut), "the I/O BAR onto the machine's own ports");
	pci_write(fn(), R_BAR0, 4, pci_read(bystander.v.devfn, R_BAR0, 4));
	good = bystander_works(&bystander);
	pci_write(fn(), R_BAR0, 4, home);
	expect(good && dut_works(&dut) && bystander_works(&bystander), "the I/O BAR onto another device's");
}

static void decode(void)
{
	unsigned int i;
	bool good = true;

	for (i = 0; i < 64; i++) {
		pci_write(fn(), R_COMMAND, 2, i & 1 ? 0xffff : i & 2 ? 0 : 4);
		if (!dut.legacy)
			good &= (h_status(&dut) == 0xff) == !(i & 1);
		pci_write(fn(), R_COMMAND, 2, before[4] | before[5] << 8);
		good &= dut_works(&dut);
	}
	expect(good, "decode on and off while queues run");
}

/* --- MSI-X --- */

static u64 msix_table(unsigned int cap)
{
	return pci_bar(fn(), pci_read(fn(), cap + 4, 4) & 7) + (pci_read(fn(), cap + 4, 4) & ~7U);
}

static void set_entry(u64 entry, u64 addr, u32 data, u32 control)
{
	write32(entry, (u32)addr);
	write32(entry + 4, (u32)(addr >> 32));
	write32(entry + 8, data);
	write32(entry + 12, control);
}

/* Gives what both vector registers read back, or something else when they differ. */
static u16 set_vector(u16 vector)
{
	u16 config, queue;

	if (dut.legacy) {
		out16(dut.io + L_CONFIG, vector);
		out16(dut.io + L_CONFIG + 2, vector);
		config = in16(dut.io + L_CONFIG);
		queue = in16(dut.io + L_CONFIG + 2);
	} else {
		write16(dut.v.common + C_CONFIG_VECTOR, vector);
		write16(dut.v.common + C_QVECTOR, vector);
		config = read16(dut.v.common + C_CONFIG_VECTOR);
		queue = read16(dut.v.common + C_QVECTOR);
	}
	return config == queue ? queue : (u16)~vector;
}

/* As started, but with interrupts wanted, from the queue under attack through @vector. */
static void start_with_vector(u16 queue, u16 vector)
{
	h_start(&dut, dut_features);
	h_select(&dut, queue);
	set_vector(vector);
	dut.q[queue].driver[dut.packed ? 1 : 0] = 0;
}

static bool interrupts(u16 queue, unsigned int cap, u64 table)
{
	u32 was = irq_count[3];
	unsigned int n;

	pci_write(fn(), cap + 2, 2, 0x8000);
	start_with_vector(queue, 0);
	set_entry(table, irq_msi_addr(), 0x43, 0);
	if (!dut_works(&dut))
		return false;
	if (!HAVE_MSI)
		return true;
	for (n = 0; n < HOSTILE_PATIENCE && irq_count[3] == was; n++)
		cpu_pause();
	return irq_count[3] != was;
}

static void msix(u16 queue)
{
	static const u64 addresses[] = {
		BAD_MSI
	};
	unsigned int cap = pci_find_cap(fn(), CAP_MSIX, 0), vectors, i, wrong = 0;
	u64 table, pba;

	if (!cap)
		return;
	vectors = (pci_read(fn(), cap + 2, 2) & 0x7ff) + 1;
	table = msix_table(cap);
	pba = pci_bar(fn(), pci_read(fn(), cap + 8, 4) & 7) + (pci_read(fn(), cap + 8, 4) & ~7U);
	expect(interrupts(queue, cap, table), "MSI-X works");

	pci_write(fn(), cap + 2, 2, 0x8000);
	h_start(&dut, dut_features);
	h_select(&dut, queue);
	for (i = vectors; i < 0xffff; i = i < vectors + 40 ? i + 1 : i * 2 + 1)
		wrong += set_vector((u16)i) != 0xffff;
	wrong += set_vector((u16)(vectors - 1)) != vectors - 1;
	expect(!wrong && interrupts(queue, cap, table), "vectors out of range read back as none");

	wrong = 0;
	for (i = 0; i < 2048; i += 4) {
		write32(table + i, 0xffffffff);
		write32(pba + (i & 0x3f8), 0xffffffff);
		write8(table + i + 1, 0);
		write64(table + (i & ~7U), ~0ULL);
		read8(table + i + 3);
		if (ODD_ACCESS) {
			write16(table + i + 3, 0xffff);
			read16(table + i + 3);
			read32(table + i + 2);
		}
		if (i / 16 >= vectors)	/* a BAR of the table's own reads 0 there */
			wrong += read32(table + i) != 0xffffffff && read32(table + i) != 0;
	}
	for (i = 0; i < (vectors + 63) / 64 * 8; i += 4)
		wrong += read32(pba + i) != 0;
	expect(!wrong && interrupts(queue, cap, table), "table written all over and behind its end, PBA written");

	wrong = 0;
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		pci_write(fn(), cap + 2, 2, 0x8000);
		start_with_vector(queue, 0);
		set_entry(table, addresses[i], i & 1 ? 0xffffffff : 0x700, 0);	/* never a vector that we have */
		wrong += !dut_works(&dut);
	}
	expect(!wrong && interrupts(queue, cap, table), "messages to addresses that are nobody's");

	wrong = 0;
	for (i = 0; i < 3000; i++) {
		set_entry(table, irq_msi_addr() + (i << 20), 0x50 + i % 64, i & 1);
		pci_write(fn(), cap + 2, 2, i & 2 ? 0xc000 : 0x8000);
		if (!(i & 127)) {
			set_entry(table, irq_msi_addr() + ((u64)(i & 0xff) << 12), 0, 0);
			wrong += !dut_works(&dut);
		}
	}
	expect(!wrong && interrupts(queue, cap, table), "a message reprogrammed 3000 times");

	for (i = 0; i < 200; i++) {
		pci_write(fn(), cap + 2, 2, i & 1 ? 0x8000 : 0);
		if (dut.legacy)	/* the device's registers move by four bytes */
			in32(dut.io + L_CONFIG);
	}
	expect(interrupts(queue, cap, table), "MSI-X on and off while queues run");
	pci_write(fn(), cap + 2, 2, 0);
	expect(true, "and without MSI-X");
}

static void all(const struct subject *s)
{
	static char name[64];
	unsigned int off;

	if (!h_find(&dut, s->id, 0))
		return;
	dut.nr = s->queue + 1U;	/* no more than it needs: each takes KVM its time */
	dut_works = s->works;
	dut_base = s->features;
	dut_features = dut_base | F_INDIRECT;
	h_append(h_append(h_append(name, s->name), dut.legacy ? " legacy" : ""), ": ");
	label = name;
	for (off = 0; off < CONFIG; off++)
		before[off] = (u8)pci_read(fn(), off, 1);
	attack_check(bystander_start(s->id) && recovered(), "works, and a bystander does");
	config_bytes();
	window();
	registers();
	bad_places();
	onto_each_other();
	io_places();
	decode();
	msix(s->queue);
	h_set_status(&dut, 0);
	h_set_status(&bystander, 0);
}

/* The functions without virtio, the bridge first. */
static void others(void)
{
	static u8 was[CONFIG];
	int devfn[2] = { 0, pci_find_id(0x1b36, 0x11, 0) };
	unsigned int i, off, round, wrong = 0;

	for (i = 0; i < 2 && devfn[i] >= 0; i++) {
		u8 f = (u8)devfn[i];

		for (off = 0; off < CONFIG; off++)
			was[off] = (u8)pci_read(f, off, 1);
		for (round = 0; round < 2; round++)
			for (off = 0; off < CONFIG; off += 4)
				pci_write(f, off, 4, round ? 0xffffffff : 0);
		for (off = R_BAR0; off < 0x28; off++)
			pci_write(f, off, 1, was[off]);
		pci_write(f, 4, 2, was[4] | was[5] << 8);
		for (off = 0; off < CONFIG; off++)
			wrong += !in(off, 4, 4) && off != 0xc && off != 0x3c && !in(off, R_ROM, 4) && pci_read(f, off, 1) != was[off];
	}
	check(!wrong, "bridge and pvpanic: config space written all over");
}

int guest_main(void)
{
	unsigned int i;

	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	irq_setup();
	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		all(&subjects[i]);
	others();
	return checks_done();
}
