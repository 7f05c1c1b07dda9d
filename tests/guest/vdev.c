/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver for lkvm_vdev (include/uapi/lkvm/vdev.h), given to the guest by --vfio: registers and memory by every BAR and at every width, BARs
 * that move, DMA by both ways and where it must not go, interrupts by INTx, MSI and MSI-X with none lost, resets. Last many CPUs read the
 * memory of BAR 2 while others take it away, move it, and put it back.
 *
 * Kernel command line: irqs=N of each kind (default 10000), stress=N toggles (default 2000), cpus=N (default 1: no stress).
 */
#include <lkvm/vdev.h>

#include "guest.h"

enum {
	COMMAND = 4, COMMAND_IO = 1, COMMAND_MEM = 2, COMMAND_MASTER = 4, COMMAND_NO_INTX = 0x400,
	CAP_PM = 1, CAP_MSI = 5, CAP_EXP = 0x10, CAP_MSIX = 0x11,
	MSIX_ENABLE = 0x8000, MSIX_MASK = 0x4000,
	VECTOR = 0x41,			/* of the CPU; irq_count[1] counts it */
	PATIENCE = 20000000,		/* looks; only a failure takes as many */
	MEM_SIZE = 0x10000, PAGE = 4096,
};

static u8 devfn;
static u64 bar[5];			/* 0, 2, 4: where they are */
static u16 port;			/* BAR 1 */
static u64 high;			/* nobody's, in the 64-bit window */

static u32 reg(u32 off) { return read32(bar[0] + off); }
static void set(u32 off, u32 v) { write32(bar[0] + off, v); }
static void set64(u32 off, u64 v) { set(off, (u32)v); set(off + 4, (u32)(v >> 32)); }

static void command(u16 v) { pci_write(devfn, COMMAND, 2, v); }
static void decode(bool on) { command(on ? COMMAND_IO | COMMAND_MEM | COMMAND_MASTER : COMMAND_MASTER); }

static void place(unsigned int n, u64 addr)
{
	bool wide = (pci_read(devfn, 0x10 + n * 4, 4) & 6) == 4;

	pci_write(devfn, 0x10 + n * 4, 4, (u32)addr);
	if (wide)
		pci_write(devfn, 0x14 + n * 4, 4, (u32)(addr >> 32));
	bar[n] = addr;
}

/* --- registers and memory --- */

static void registers(void)
{
	check(reg(LKVM_VDEV_ID) == LKVM_VDEV_MAGIC && reg(LKVM_VDEV_VERSION) == 1, "BAR 0 has the device's registers");
	check(read32(bar[4] + LKVM_VDEV_ID) == LKVM_VDEV_MAGIC, "BAR 4 has them beside the MSI-X table");
	set(LKVM_VDEV_SCRATCH, 0x12345678);
	check(reg(LKVM_VDEV_SCRATCH) == 0x12345678 && read32(bar[4] + LKVM_VDEV_SCRATCH) == 0x12345678, "what one writes the other reads");
	out32(port, 0xcafe0001);
	check(in32(port) == 0xcafe0001 && reg(LKVM_VDEV_SCRATCH) == 0x12345678, "the I/O BAR has a register of its own");
	check(in32(port + 12) == reg(LKVM_VDEV_IRQ_SENT), "and one that both have");
}

static void fifo(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < 16; i++)
		set(LKVM_VDEV_FIFO, 0x100 + i);
	check((reg(LKVM_VDEV_FIFO_LEVEL) & 0xff) == 16, "the FIFO holds 16");
	set(LKVM_VDEV_FIFO, 99);
	check(reg(LKVM_VDEV_FIFO_LEVEL) >> 31, "and loses the next");
	for (i = 0; i < 16; i++)
		wrong += reg(LKVM_VDEV_FIFO) != 0x100 + i;
	check(!wrong && reg(LKVM_VDEV_FIFO) == 0, "they come out in order, then zeroes");
}

/* The same bytes by every width, across the border between what is trapped (the first page) and what is mapped. */
static void memory(void)
{
	u64 at = bar[2] + PAGE - 64;
	unsigned int i, wrong = 0;

	for (i = 0; i < 128; i++)
		write8(at + i, (u8)(i * 7 + 1));
	for (i = 0; i < 128; i += 2)
		wrong += read16(at + i) != (u16)((u8)(i * 7 + 1) | (u8)((i + 1) * 7 + 1) << 8);
	check(!wrong, "bytes read back as words");
	for (i = 0; i < 128; i += 8)
		write64(at + i, 0x0102030405060708ULL * (i / 8 + 1));
	for (i = 0; i < 128; i += 4)
		wrong += read32(at + i) != (u32)(0x0102030405060708ULL * (i / 8 + 1) >> i % 8 * 8);
	check(!wrong, "qwords read back as dwords");
	write32(bar[4] + 0x1000, 0x5eed);
	check(read32(bar[4] + 0x1000) == 0x5eed, "BAR 4 has memory beside the table");
	write32(bar[2] + MEM_SIZE - 4, 0xe0f);
	check(read32(bar[2] + MEM_SIZE - 4) == 0xe0f, "BAR 2 has memory up to its end");
}

static void moves(void)
{
	static const u8 mem_bars[] = { 0, 2, 4 };
	u32 seed = 4711, old32;
	u64 home, to, old;
	unsigned int i, n, wrong = 0;

	write32(bar[2] + PAGE, 0xabcd);
	for (i = 0; i < 64 * 3; i++) {
		n = mem_bars[i % 3];
		old = bar[n];
		seed = seed * 1103515245 + 12345;
		to = MEM_WINDOW + 0x8000000ULL + n * 0x1000000ULL + ((u64)(seed >> 8 & 0x7f) << 16);
		if (to == old)
			continue;
		place(n, to);
		wrong += reg(LKVM_VDEV_ID) != LKVM_VDEV_MAGIC || read32(bar[4]) != LKVM_VDEV_MAGIC || read32(bar[2] + PAGE) != 0xabcd;
		wrong += read32(old) != 0xffffffff;
	}
	check(!wrong, "memory BARs move 192 times: new address answers, old one is silent");
	home = bar[2];
	place(2, high);
	check(read32(bar[2] + PAGE) == 0xabcd && read32(home + PAGE) == 0xffffffff, "the 64-bit one above 4 GiB too");
	place(2, home);
	check(read32(bar[2] + PAGE) == 0xabcd, "and back");
	old32 = port;
	pci_write(devfn, 0x14, 4, old32 ^ 0x100);
	port = (u16)(old32 ^ 0x100);
	out32(port, 77);
	check(in32(port) == 77 && in32((u16)old32) == 0xffffffff, "the I/O BAR moves");
	pci_write(devfn, 0x14, 4, old32);
	port = (u16)old32;
	decode(false);
	check(read32(bar[2] + PAGE) == 0xffffffff && read32(bar[0]) == 0xffffffff && in32(port) == 0xffffffff, "decode off: ones");
	decode(true);
	check(read32(bar[2] + PAGE) == 0xabcd && reg(LKVM_VDEV_ID) == LKVM_VDEV_MAGIC, "decode on: the device, its memory as it was");
}

/* --- DMA --- */

static u32 crc32(const volatile u8 *p, u32 len)
{
	u32 crc = ~0U, i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static u32 dma(u32 cmd, u64 src, u64 dst, u32 len)
{
	u32 i;

	set64(LKVM_VDEV_DMA_SRC, src);
	set64(LKVM_VDEV_DMA_DST, dst);
	set(LKVM_VDEV_DMA_LEN, len);
	set(LKVM_VDEV_DMA_CMD, cmd);
	for (i = 0; i < PATIENCE && reg(LKVM_VDEV_DMA_STATUS) == LKVM_VDEV_DMA_BUSY; i++)
		;
	return reg(LKVM_VDEV_DMA_STATUS);
}

static bool copies(u32 flags, u32 from, u32 to, u32 len)
{
	u64 src = RAM_SPOT + from, dst = RAM_SPOT + 0x200000 + to;
	u32 i;

	for (i = 0; i < len; i++)
		write8(src + i, (u8)(i * 13 + from + 5));
	for (i = 0; i < len + 2; i++)
		write8(dst - 1 + i, 0xee);
	if (dma(LKVM_VDEV_DMA_COPY | flags, src, dst, len) || read8(dst - 1) != 0xee || read8(dst + len) != 0xee)
		return false;
	for (i = 0; i < len && read8(dst + i) == (u8)(i * 13 + from + 5); i++)
		;
	return i == len;
}

static void dma_way(u32 flags, const char *name)
{
	volatile u32 *spot = (volatile u32 *)(RAM_SPOT + 0x400000);
	u32 i, wrong = 0, pattern = 0xfeedf00d;

	print("# DMA %s\n", name);
	check(copies(flags, 0, 64, 64) && copies(flags, 1, 4095, 3) && copies(flags, 4000, 100, 300), "copies of some bytes");
	check(copies(flags, 3, 7, 70000), "a copy over many pages, unaligned");
	set(LKVM_VDEV_DMA_PATTERN, pattern);
	check(!dma(LKVM_VDEV_DMA_FILL | flags, 0, (u64)spot, LKVM_VDEV_DMA_MAX), "a fill of as much as there may be");
	for (i = 0; i < LKVM_VDEV_DMA_MAX / 4; i += 509)
		wrong += spot[i] != pattern;
	check(!wrong && spot[LKVM_VDEV_DMA_MAX / 4 - 1] == pattern, "fills all of it");
	check(!dma(LKVM_VDEV_DMA_CRC | flags, (u64)spot + 1, 0, 5000) && reg(LKVM_VDEV_DMA_RESULT) == crc32((u8 *)spot + 1, 5000),
	      "its CRC is what the CPU computes");
	for (i = 0; i < 4096; i++)
		((volatile u8 *)spot)[i] = (u8)(i ^ i >> 8);
	check(!dma(LKVM_VDEV_DMA_TO_BAR | flags, (u64)spot, PAGE + 8, 4096), "from RAM into BAR 2");
	for (i = 0, wrong = 0; i < 4096; i++)
		wrong += read8(bar[2] + PAGE + 8 + i) != (u8)(i ^ i >> 8);
	check(!wrong, "the CPU reads there what the device put");
	for (i = 0; i < 4096; i += 4)
		write32(bar[2] + PAGE + i, i * 3 + 1);
	check(!dma(LKVM_VDEV_DMA_FROM_BAR | flags, PAGE, (u64)spot, 4096), "from BAR 2 into RAM");
	for (i = 0, wrong = 0; i < 4096; i += 4)
		wrong += spot[i / 4] != i * 3 + 1;
	check(!wrong, "the device reads there what the CPU wrote");
}

static void dma_refused(void)
{
	static const u32 ways[] = { 0, LKVM_VDEV_DMA_PIN, LKVM_VDEV_DMA_ASYNC };
	u64 end = ram_end(), at = RAM_SPOT;
	unsigned int i, wrong = 0;

	for (i = 0; i < 3; i++) {
		wrong += dma(LKVM_VDEV_DMA_COPY | ways[i], at, 0xff000000, 64) != LKVM_VDEV_DMA_FAULT;	/* nobody's */
		wrong += dma(LKVM_VDEV_DMA_COPY | ways[i], 0xff000000, at, 64) != LKVM_VDEV_DMA_FAULT;
		wrong += dma(LKVM_VDEV_DMA_COPY | ways[i], at, ECAM, 64) != LKVM_VDEV_DMA_FAULT;
		wrong += dma(LKVM_VDEV_DMA_COPY | ways[i], at, bar[2] + PAGE, 64) != LKVM_VDEV_DMA_FAULT;	/* no p2p */
		wrong += dma(LKVM_VDEV_DMA_COPY | ways[i], at, end - 32, 64) != LKVM_VDEV_DMA_FAULT;	/* across RAM's end */
		wrong += dma(LKVM_VDEV_DMA_COPY | ways[i], at, ~0ULL - 31, 64) != LKVM_VDEV_DMA_FAULT;	/* wraps */
		wrong += dma(LKVM_VDEV_DMA_CRC | ways[i], 1ULL << 52, 0, 64) != LKVM_VDEV_DMA_FAULT;
	}
	check(!wrong, "DMA outside of the guest's RAM is refused");
	check(!dma(LKVM_VDEV_DMA_COPY, at, end - 64, 64), "up to RAM's end it is not");
	wrong = dma(LKVM_VDEV_DMA_COPY, at, at, LKVM_VDEV_DMA_MAX + 1) != LKVM_VDEV_DMA_BAD;
	wrong += dma(99, at, at, 64) != LKVM_VDEV_DMA_BAD;
	wrong += dma(LKVM_VDEV_DMA_TO_BAR, at, MEM_SIZE - 8, 16) != LKVM_VDEV_DMA_BAD;
	check(!wrong, "so are commands that are none");
	command(COMMAND_IO | COMMAND_MEM);
	wrong = dma(LKVM_VDEV_DMA_COPY, at, at + 64, 64) != LKVM_VDEV_DMA_OFF;
	decode(true);
	check(!wrong && copies(0, 0, 0, 64), "and any without Bus Master Enable");
}

/* --- interrupts --- */

static bool wait_for(u32 count)
{
	u32 i;

	for (i = 0; i < PATIENCE && irq_count[1] < count; i++)
		cpu_pause();
	return irq_count[1] >= count;
}

/* @n messages, each of which the guest waits for before it has the device send the next one. */
static bool train(u32 n, u32 vector)
{
	u32 sent = reg(LKVM_VDEV_IRQ_SENT), before = irq_count[1], i;

	set(LKVM_VDEV_IRQ_TRAIN, n << 8 | vector);
	for (i = 1; i <= n && wait_for(before + i); i++)
		set(LKVM_VDEV_IRQ_ACK, 1);
	if (i <= n)
		print("# %u of %u arrived\n", i - 1, n);
	return i > n && irq_count[1] == before + n && reg(LKVM_VDEV_IRQ_SENT) - sent == n && !reg(LKVM_VDEV_IRQ_ACK);
}

static u64 entry(unsigned int vector) { return bar[4] + LKVM_VDEV_MSIX_TABLE + vector * 16; }

static void program(unsigned int vector, u32 data, bool masked)
{
	write32(entry(vector) + 12, 1);
	write32(entry(vector), (u32)irq_msi_addr());
	write32(entry(vector) + 4, 0);
	write32(entry(vector) + 8, data);
	write32(entry(vector) + 12, masked);
}

static void msix(u32 n)
{
	unsigned int cap = pci_find_cap(devfn, CAP_MSIX, 0), i, wrong = 0;
	u32 before;

	check(cap && (pci_read(devfn, cap + 2, 2) & 0x7ff) == LKVM_VDEV_MSIX_VECTORS - 1, "an MSI-X capability with all vectors");
	for (i = 0; i < LKVM_VDEV_MSIX_VECTORS; i++)
		program(i, VECTOR, i != 3);
	pci_write(devfn, cap + 2, 2, MSIX_ENABLE);
	check(reg(LKVM_VDEV_IRQ_STATUS) >> 8 == 2, "the device knows that MSI-X is on");
	check(train(n, 3), "MSI-X: none of them is lost");
	before = irq_count[1];
	set(LKVM_VDEV_IRQ_FIRE, 5);
	for (i = 0; i < 1000 && !(read32(bar[4] + LKVM_VDEV_MSIX_PBA) & 1 << 5); i++)
		;
	check(irq_count[1] == before && read32(bar[4] + LKVM_VDEV_MSIX_PBA) & 1 << 5, "a masked vector is pending");
	write32(entry(5) + 12, 0);
	check(wait_for(before + 1) && !(read32(bar[4] + LKVM_VDEV_MSIX_PBA) & 1 << 5), "and comes when it is unmasked");
	pci_write(devfn, cap + 2, 2, MSIX_ENABLE | MSIX_MASK);
	set(LKVM_VDEV_IRQ_FIRE, 3);
	for (i = 0; i < 1000; i++)
		wrong += reg(LKVM_VDEV_ID) != LKVM_VDEV_MAGIC || irq_count[1] != before + 1;
	pci_write(devfn, cap + 2, 2, MSIX_ENABLE);
	check(!wrong && wait_for(before + 2), "the function mask holds them all back");
	for (i = 0, wrong = 0; i < n / 10; i++) {	/* as a driver that is loaded again and again */
		pci_write(devfn, cap + 2, 2, 0);
		program(3, VECTOR, i & 1);
		pci_write(devfn, cap + 2, 2, MSIX_ENABLE);
		write32(entry(3) + 12, 0);
		before = irq_count[1];
		set(LKVM_VDEV_IRQ_FIRE, 3);
		wrong += !wait_for(before + 1);
	}
	check(!wrong, "switched off and on again and again it interrupts each time");
	pci_write(devfn, cap + 2, 2, 0);
}

static void msi(u32 n)
{
	unsigned int cap = pci_find_cap(devfn, CAP_MSI, 0), i, wrong = 0;
	u16 control = (u16)pci_read(devfn, cap + 2, 2);
	unsigned int data = cap + (control & 0x80 ? 12 : 8);
	u32 before;

	check(cap && (control >> 1 & 7) == 2, "an MSI capability with four vectors");
	pci_write(devfn, cap + 4, 4, (u32)irq_msi_addr());
	if (control & 0x80)
		pci_write(devfn, cap + 8, 4, 0);
	pci_write(devfn, data, 2, VECTOR & ~3U);
	pci_write(devfn, cap + 2, 2, 2 << 4 | 1);
	check(reg(LKVM_VDEV_IRQ_STATUS) >> 8 == 1, "the device knows that MSI is on");
	check(train(n, VECTOR & 3), "MSI: none of them is lost");
	for (i = 0; i < n / 10; i++) {
		pci_write(devfn, cap + 2, 2, 0);
		pci_write(devfn, cap + 2, 2, 2 << 4 | 1);
		before = irq_count[1];
		set(LKVM_VDEV_IRQ_FIRE, VECTOR & 3);
		wrong += !wait_for(before + 1);
	}
	check(!wrong, "switched off and on again and again it interrupts each time");
	pci_write(devfn, cap + 2, 2, 0);
}

/* INTx: the interrupt's handler has the device go on. */
static void acknowledge(void) { set(LKVM_VDEV_IRQ_ACK, 1); }

static bool wait_wired(u32 count)
{
	u32 i, last = wired_count;

	for (i = 0; i < PATIENCE && wired_count < count; i++) {
		if (wired_count != last)
			i = 0;
		last = wired_count;
		cpu_pause();
	}
	return wired_count == count;
}

static void intx(u32 n)
{
	u32 before = wired_count, sent = reg(LKVM_VDEV_IRQ_SENT);
	unsigned int i, wrong = 0;

	check(reg(LKVM_VDEV_IRQ_STATUS) >> 8 == 0, "the device knows that its pin is used");
	set(LKVM_VDEV_IRQ_TRAIN, n << 8);
	check(wait_wired(before + n) && reg(LKVM_VDEV_IRQ_SENT) - sent == n, "INTx: none of them is lost, none comes twice");
	check(!(pci_read(devfn, 6, 2) & 8) && !reg(LKVM_VDEV_IRQ_STATUS), "then its level is low");
	command(COMMAND_IO | COMMAND_MEM | COMMAND_MASTER | COMMAND_NO_INTX);
	before = wired_count;
	set(LKVM_VDEV_IRQ_FIRE, 0);
	for (i = 0; i < 1000; i++)	/* each read of a register is time for one that should not come */
		wrong += reg(LKVM_VDEV_ID) != LKVM_VDEV_MAGIC || wired_count != before;
	check(!wrong && pci_read(devfn, 6, 2) & 8, "INTx Disable holds it back");
	command(COMMAND_IO | COMMAND_MEM | COMMAND_MASTER);
	check(wait_wired(before + 1), "and it comes when that is gone");
}

/*
 * The same by a handler that ends the interrupt first: the level is still up then, so that the device sends again. That one may come for the
 * next interrupt, and the last one for none. Each needs one that is seen, so that a lost one is the end of all.
 */
static void intx_early(u32 n)
{
	u32 before = wired_count, sent = reg(LKVM_VDEV_IRQ_SENT), last = before, i;

	wired_eoi_first = true;
	set(LKVM_VDEV_IRQ_TRAIN, n << 8);
	for (i = 0; i < PATIENCE / 100 && (reg(LKVM_VDEV_IRQ_ACK) || reg(LKVM_VDEV_IRQ_STATUS)); i++) {
		if (wired_count != last)
			i = 0;
		last = wired_count;
	}
	last = reg(LKVM_VDEV_IRQ_ACK);
	check(!last && !reg(LKVM_VDEV_IRQ_STATUS) && reg(LKVM_VDEV_IRQ_SENT) - sent == n && wired_count - before >= n,
	      "INTx: none of them is lost by who ends it before the device is acknowledged");
	print("# %u of them, by %u interrupts; %u did not come\n", n, wired_count - before, last);
	wired_eoi_first = false;
}

/* --- resets --- */

static void function_reset(void)
{
	unsigned int cap = pci_find_cap(devfn, CAP_EXP, 0), i;
	u32 resets = reg(LKVM_VDEV_RESETS);

	if (!cap || !(pci_read(devfn, cap + 4, 4) >> 28 & 1)) {
		print("# no function level reset\n");
		return;
	}
	set(LKVM_VDEV_SCRATCH, 1);
	pci_write(devfn, cap + 8, 2, 0x8000);
	check(!(pci_read(devfn, COMMAND, 2) & 7) && read32(bar[0]) == 0xffffffff, "a function level reset switches decoding off");
	for (i = 0; i < 5; i++)
		if (i != 3 && i != 1)
			place(i, bar[i]);
	pci_write(devfn, 0x14, 4, port);
	decode(true);
	check(reg(LKVM_VDEV_RESETS) == resets + 1 && reg(LKVM_VDEV_SCRATCH) == 0, "the device is as after power-on");
}

/* --- many CPUs --- */

static volatile u32 stop, reads_done, ones_seen, bad_reads, values_seen;
static u64 spot[3];

static u32 step(u64 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (u32)(*x >> 20);
}

static void reader(unsigned int cpu)
{
	u64 x = 0x9e3779b97f4a7c15ULL * (cpu + 1);
	u32 v, r;

	while (!stop) {
		r = step(&x);
		v = read32(spot[r % 3] + (r >> 8 & 1 ? 0 : PAGE));
		__atomic_add_fetch(&reads_done, 1, __ATOMIC_RELAXED);
		if (v == 0xffffffff)
			__atomic_add_fetch(&ones_seen, 1, __ATOMIC_RELAXED);
		else if (v == 0x600d600d)
			__atomic_add_fetch(&values_seen, 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&bad_reads, 1, __ATOMIC_RELAXED);
	}
}

static void stress(unsigned int cpus, u32 n)
{
	u64 x = 88172645463325252ULL, home = bar[2];
	u32 i, r;

	for (i = 0; i < 3; i++)
		spot[i] = i < 2 ? MEM_WINDOW + 0xa000000ULL + i * MEM_SIZE : high;
	place(2, spot[0]);
	write32(bar[2], 0x600d600d);
	write32(bar[2] + PAGE, 0x600d600d);
	cpus_start(cpus, reader);
	for (i = 0; i < n || !ones_seen || !values_seen; i++) {
		r = step(&x);
		if (r & 1)
			decode(false);
		if (r & 6)
			place(2, spot[(r >> 4) % 3]);
		decode(true);
	}
	stop = 1;
	while (cpus_done() < cpus - 1)
		cpu_pause();
	print("# %u toggles, %u reads: %u values, %u ones, %u others\n", i, reads_done, values_seen, ones_seen, bad_reads);
	check(!bad_reads, "while BAR 2 comes, goes and moves, each read gives its memory or ones");
	place(2, home);
	check(read32(bar[2] + PAGE) == 0x600d600d, "at home again its memory is as it was");
}

int guest_main(void)
{
	u32 n = (u32)cmdline_number("irqs", 10000);
	unsigned int cpus = (unsigned int)cmdline_number("cpus", 1), i;
	int found;

	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	map_gib(0xc0000000);
	irq_setup();
	found = pci_find_id(LKVM_VDEV_VENDOR, LKVM_VDEV_DEVICE, 0);
	check(found >= 0, "the device is there");
	if (found < 0)
		return checks_done();
	devfn = (u8)found;
	for (i = 0; i < 5; i += 2)
		bar[i] = pci_bar(devfn, i);
	high = bar[2] + 0x4000000;
	port = (u16)(pci_read(devfn, 0x14, 4) & ~3U);
	for (i = 0; i < 5; i += 2)
		map_gib(bar[i] & ~0x3fffffffULL);
	decode(true);
	registers();
	fifo();
	memory();
	moves();
	dma_way(0, "by dma_rw");
	dma_way(LKVM_VDEV_DMA_PIN, "by pinned pages");
	dma_way(LKVM_VDEV_DMA_ASYNC, "by a worker");
	dma_refused();
	if (HAVE_MSI) {
		msix(n);
		msi(n);
	}
	if (irq_wire(pci_read(devfn, 0x3c, 1), acknowledge)) {
		intx(n);
		intx_early(n / 10);
	}
	function_reset();
	if (cpus > 1)
		stress(cpus, (u32)cmdline_number("stress", 2000));
	return checks_done();
}
