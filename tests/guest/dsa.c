/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver for lkvm_vdev's personality "dsa", given to the guest by --vfio: the device and its one work queue enabled by commands, descriptors
 * through the portals, each judged by its completion record. It writes descriptors to the portals' memory as include/uapi/lkvm/dsa.h says,
 * where others would use MOVDIR64B, so that it runs on any CPU.
 *
 * [Intel DSA architecture specification, 341204: 8 descriptors, 9 registers]. Kernel command line: rounds=N of random ones (default 200).
 */
#include <lkvm/dsa.h>

#include "guest.h"

enum {
	COMMAND = 4, COMMAND_MEM = 2, COMMAND_MASTER = 4, CAP_MSIX = 0x11, MSIX_ENABLE = 0x8000, MSIX_TABLE = 0x600,
	GENCAP = 0x10, GENSTS = 0x90, CMD = 0xa0, CMDSTS = 0xa8, SWERR = 0xc0, WQCFG = 0x500,
	ENABLE_DEV = 1, DISABLE_DEV = 2, DRAIN_ALL = 3, RESET_DEV = 5, ENABLE_WQ = 6, DRAIN_WQ = 8,
	NOOP = 0, MEMMOVE = 3, FILL = 4, COMPARE = 5, COMPVAL = 6, CRC = 0x10, COPY_CRC = 0x11,
	RECORD = 0xc, INTERRUPT = 0x10,		/* flags: the record's address is valid, and wanted; so is an interrupt */
	SUCCESS = 1, PAGE_FAULT = 3, BAD_OPCODE = 0x10, ON_WRITE = 0x80,	/* a record's status */
	VECTOR = 0x41,				/* of the CPU; irq_count[1] counts it, [2] the next one */
	PATIENCE = 20000000,			/* looks; only a failure takes as many */
	ROOM = 0x10000,				/* of each buffer below */
};

static u8 devfn;
static u64 regs, portals, heap;		/* BARs; RAM for the record, and from 64 KiB on for source and destination */
static unsigned int next;		/* slot of both portals together */

struct descriptor {
	u32 pasid, flags_op;
	u64 record, src, dst;
	u32 size;
	u16 handle, reserved;
	u64 seed, more[2];
};

static volatile u8 *src(void) { return (volatile u8 *)(heap + ROOM); }
static volatile u8 *dst(void) { return (volatile u8 *)(heap + 3 * ROOM); }

static u32 command(u32 cmd, u32 operand)
{
	u32 i;

	write32(regs + CMD, cmd << 20 | operand);
	for (i = 0; i < PATIENCE && read32(regs + CMDSTS) >> 31; i++)
		;
	return read32(regs + CMDSTS);
}

/* What the spec wants of a writer: the first 8 bytes last. A slot that is taken already is waited for. */
static bool submit(const struct descriptor *d)
{
	volatile u64 *slot = (volatile u64 *)(portals + next++ % (LKVM_DSA_PORTALS * LKVM_DSA_PORTAL_SIZE / LKVM_DSA_SLOT_SIZE) * LKVM_DSA_SLOT_SIZE);
	const u64 *from = (const u64 *)d;
	u32 i;

	for (i = 0; i < PATIENCE && slot[0]; i++)
		cpu_pause();
	if (slot[0])
		return false;
	for (i = 1; i < 8; i++)
		slot[i] = from[i];
	__atomic_store_n(&slot[0], from[0], __ATOMIC_RELEASE);
	return true;
}

/* The record's status; 0: it did not come */
static unsigned int run(struct descriptor *d)
{
	volatile u64 *record = (volatile u64 *)heap;
	u32 i;

	for (i = 0; i < 4; i++)
		record[i] = 0;
	d->record = heap;
	d->flags_op |= RECORD;
	if (!submit(d))
		return 0;
	for (i = 0; i < PATIENCE && !__atomic_load_n((volatile u8 *)heap, __ATOMIC_ACQUIRE); i++)
		cpu_pause();
	return *(volatile u8 *)heap;
}

static u32 result(void) { return read8(heap + 1); }
static u32 bytes_done(void) { return read32(heap + 4); }
static u64 fault_address(void) { return *(volatile u64 *)(heap + 8); }
static u32 crc_value(void) { return read32(heap + 16); }

static struct descriptor descriptor(u32 op, u64 from, u64 to, u32 size)
{
	return (struct descriptor){ .flags_op = op << 24, .src = from, .dst = to, .size = size };
}

static u32 crc32c(const volatile u8 *p, u32 len, u32 seed)
{
	u32 crc = ~seed, i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static u32 seed = 4711;

static u32 any(u32 below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* --- control --- */

static void enable(void)
{
	check(command(RESET_DEV, 0) == 0 && (read32(regs + GENSTS) & 3) == 0, "reset: the device is off");
	check(!(read32(regs + GENCAP + 4) >> 31) && read32(regs + WQCFG) == 16 && (read32(regs + WQCFG + 8) & 1), "one dedicated queue, configured");
	check(command(ENABLE_WQ, 0) == 0x20, "the queue not without the device");
	pci_write(devfn, COMMAND, 2, COMMAND_MEM);
	check(command(ENABLE_DEV, 0) == 0x12, "the device not without bus mastering");
	pci_write(devfn, COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	check(command(ENABLE_DEV, 0) == 0 && (read32(regs + GENSTS) & 3) == 1, "then it is enabled");
	check(command(ENABLE_WQ, 0) == 0 && read32(regs + WQCFG + 24) >> 30 == 1, "and so is the queue");
	write32(regs + WQCFG, 1);
	check(read32(regs + WQCFG) == 16, "which nobody configures");
}

/* --- data --- */

static bool moves(u32 from, u32 to, u32 len)
{
	struct descriptor d = descriptor(MEMMOVE, (u64)src() + from, (u64)dst() + to, len);
	u32 i;

	for (i = 0; i < len; i++)
		src()[from + i] = (u8)any(256);
	for (i = 0; i < len + 2; i++)
		dst()[to - 1 + i] = 0xee;
	if (run(&d) != SUCCESS || dst()[to - 1] != 0xee || dst()[to + len] != 0xee)
		return false;
	for (i = 0; i < len && dst()[to + i] == src()[from + i]; i++)
		;
	return i == len;
}

static bool fills(u32 to, u32 len)
{
	struct descriptor d = descriptor(FILL, 0x0123456789abcdefULL * (to + 3), (u64)dst() + to, len);
	u32 i;

	dst()[to + len] = 0xee;
	if (run(&d) != SUCCESS || dst()[to + len] != 0xee)
		return false;
	for (i = 0; i < len && dst()[to + i] == (u8)(d.src >> i % 8 * 8); i++)
		;
	return i == len;
}

/* Two ranges that are the same, then not, from byte @at on */
static bool compares(u32 len, u32 at)
{
	struct descriptor d = descriptor(MEMMOVE, (u64)src(), (u64)dst(), len);

	if (run(&d) != SUCCESS)
		return false;
	d = descriptor(COMPARE, (u64)src(), (u64)dst(), len);
	if (run(&d) != SUCCESS || result() != 0)
		return false;
	dst()[at] ^= 1;
	d = descriptor(COMPARE, (u64)src(), (u64)dst(), len);
	return run(&d) == SUCCESS && result() == 1 && bytes_done() == at;
}

static bool sums(u32 from, u32 len)
{
	struct descriptor d = descriptor(CRC, (u64)src() + from, 0, len);
	u32 want;

	d.seed = any(~0U);
	want = crc32c(src() + from, len, (u32)d.seed);
	if (run(&d) != SUCCESS || crc_value() != want)
		return false;
	d = descriptor(COPY_CRC, (u64)src() + from, (u64)dst() + 1, len);
	return run(&d) == SUCCESS && crc_value() == crc32c(src() + from, len, 0) && crc32c(dst() + 1, len, 0) == crc_value();
}

static void data(u32 rounds)
{
	u32 i, len, wrong[4] = { 0 };
	struct descriptor d = descriptor(NOOP, 0, 0, 0);

	check(run(&d) == SUCCESS, "no operation: done");
	check(moves(0, 64, 64) && moves(1, 4095, 3) && moves(4000, 100, 300) && moves(5, 9, ROOM - 64), "moves: the CPU finds what it wrote");
	check(fills(64, 4096) && fills(4093, 13) && fills(8, ROOM), "fills: with a pattern of 8 bytes");
	check(compares(64, 63) && compares(ROOM, 40000) && compares(5000, 0), "compares: the same, and not");
	check(sums(0, 1) && sums(77, 5000) && sums(4095, 2), "CRCs: what the CPU computes");
	for (i = 0; i < rounds; i++) {
		len = 1 + any(6000);
		wrong[0] += !moves(any(9000), 1 + any(9000), len);
		wrong[1] += !fills(any(9000), len & ~7U ? len & ~7U : 8);
		wrong[2] += !compares(len, any(len));
		wrong[3] += !sums(any(9000), len);
	}
	print("# wrong of %u rounds: %u moves, %u fills, %u compares, %u sums\n", rounds, wrong[0], wrong[1], wrong[2], wrong[3]);
	check(!wrong[0] && !wrong[1] && !wrong[2] && !wrong[3], "of any length, from and to anywhere");
}

/* A portal full of them, without records but the last */
static void queued(void)
{
	u32 i, k, wrong = 0;
	struct descriptor d;

	for (i = 0; i < 64 * 64; i++)
		src()[i] = (u8)any(256), dst()[i] = 0;
	next = 0;	/* wherever in the portal the device looks next */
	for (i = 0; i < 63; i++) {
		d = descriptor(MEMMOVE, (u64)src() + i * 64, (u64)dst() + i * 64, 64);
		wrong += !submit(&d);
	}
	d = descriptor(MEMMOVE, (u64)src() + i * 64, (u64)dst() + i * 64, 64);
	check(!wrong && run(&d) == SUCCESS && command(DRAIN_WQ, 1) == 0, "64 at once");
	for (k = 0; k < 64 * 64; k++)
		wrong += dst()[k] != src()[k];
	check(!wrong, "all of them are done");
}

static void refused(void)
{
	struct descriptor d = descriptor(MEMMOVE, (u64)src(), 0xff000000, 64);
	unsigned int status = run(&d);

	check(status == (PAGE_FAULT | ON_WRITE) && fault_address() == 0xff000000, "a write to nobody's address: a page fault that names it");
	d = descriptor(MEMMOVE, ram_end() - 32, (u64)dst(), 64);
	status = run(&d);
	check(status == PAGE_FAULT && fault_address() == ram_end() && bytes_done() == 32, "a read beyond RAM: after what there is");
	d = descriptor(0x3e, 0, 0, 64);
	check(run(&d) == BAD_OPCODE && moves(0, 64, 64), "an operation that is none; the next one is done");
}

/* Vector 0 tells of commands, vector 1 of descriptors. */
static void interrupts(void)
{
	unsigned int cap = pci_find_cap(devfn, CAP_MSIX, 0), i;
	struct descriptor d = descriptor(NOOP, 0, 0, 0);
	u32 k, wrong = 0;

	for (i = 0; i < 2; i++) {
		write32(regs + MSIX_TABLE + i * 16, (u32)irq_msi_addr());
		write32(regs + MSIX_TABLE + i * 16 + 4, 0);
		write32(regs + MSIX_TABLE + i * 16 + 8, VECTOR + i);
		write32(regs + MSIX_TABLE + i * 16 + 12, 0);
	}
	pci_write(devfn, cap + 2, 2, MSIX_ENABLE);
	d.handle = 1;
	d.flags_op |= INTERRUPT;
	for (i = 0; i < 200; i++) {
		wrong += run(&d) != SUCCESS;
		for (k = 0; k < PATIENCE && irq_count[2] <= i; k++)
			cpu_pause();
		wrong += irq_count[2] != i + 1;
	}
	check(!wrong && irq_count[1] == 0, "200 descriptors that ask for an interrupt: each has its own");
	command(DRAIN_ALL | 1 << 11, 0);
	for (k = 0; k < PATIENCE && !irq_count[1]; k++)
		cpu_pause();
	check(irq_count[1] == 1, "a command that asks for one, too");
	pci_write(devfn, cap + 2, 2, 0);
}

int guest_main(void)
{
	int found = pci_find_id(0x8086, 0x0b25, 0);

	irq_setup();
	check(found >= 0, "the device is there");
	if (found < 0)
		return checks_done();
	devfn = (u8)found;
	regs = pci_bar(devfn, 0);
	portals = pci_bar(devfn, 2);
	heap = RAM_SPOT;
	map_gib(regs & ~0x3fffffffULL);
	map_gib(portals & ~0x3fffffffULL);
	pci_write(devfn, COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	enable();
	data((u32)cmdline_number("rounds", 200));
	queued();
	refused();
	if (HAVE_MSI)
		interrupts();
	check(command(DISABLE_DEV, 0) == 0 && (read32(regs + GENSTS) & 3) == 0 && read32(regs + SWERR) == 0, "disabled, without an error");
	return checks_done();
}
