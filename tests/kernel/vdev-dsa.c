// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev's personality "dsa" as its driver sees it: capabilities, registers, every command and what can be wrong with it, descriptors of every
 * operation by the portals, faults; and its state moved to another one. usage: vdev-dsa lkvm_vdev.N lkvm_vdev.M MIG. A TAP producer;
 * tests/lab/kernel-migration.t runs it.
 *
 * links: vdev-user.c vdev-state.c
 */
#include "vdev-state.h"

#include <errno.h>
#include <linux/idxd.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../include/uapi/lkvm/dsa.h"

enum { GENCFG = 0x80, GENCTRL = 0x88, GENSTS = 0x90, INTCAUSE = 0x98, CMD = 0xa0, CMDSTS = 0xa8, CMDCAP = 0xb0, SWERR = 0xc0, PERM = 0x300,
       GRPCFG = 0x400, WQCFG = 0x500 };
enum { ENABLE_DEV = 1, DISABLE_DEV, DRAIN_ALL, ABORT_ALL, RESET_DEV, ENABLE_WQ, DISABLE_WQ, DRAIN_WQ, ABORT_WQ, RESET_WQ, DRAIN_PASID, ABORT_PASID,
       REQUEST_HANDLE, RELEASE_HANDLE };
#define INT_REQ (1u << 31)
#define ACTIVE (1u << 31)

static int fds[2] = { -1, -1 };
static uint8_t *portal;

static uint64_t reg64(uint32_t off)
{
	uint64_t val = 0;

	region_read(0, off, &val, 8);
	return val;
}

static uint32_t command(unsigned int cmd, uint32_t operand)
{
	reg_write(CMD, cmd << 20 | operand);
	return reg_read(CMDSTS);
}

/* After a reset, with both vectors; the device and its queue are on if @on. */
static void fresh(bool on)
{
	device_reset();
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (fds[0] < 0) {
		fds[0] = new_event();
		fds[1] = new_event();
	}
	set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 2, fds, NULL);
	event_take(fds[0]);
	event_take(fds[1]);
	reg_write(GENCTRL, 3);
	if (on && (command(ENABLE_DEV, 0) || command(ENABLE_WQ, 0)))
		printf("# it cannot be enabled\n");
}

TEST(config_space)
{
	CHECK_EQ(config_read(PCI_VENDOR_ID, 4), 0x0b258086);
	CHECK_EQ(config_read(PCI_SUBSYSTEM_VENDOR_ID, 4), 0x20108086);
	CHECK_EQ(config_read(PCI_CLASS_REVISION, 4) >> 8, 0x088000);
	CHECK_EQ(config_read(PCI_INTERRUPT_PIN, 1), 0);
	CHECK_EQ(config_read(PCI_BASE_ADDRESS_0, 4) & 15, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	CHECK_EQ(config_read(PCI_BASE_ADDRESS_2, 4) & 15, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	CHECK(dev.region[0].size == 8192 && dev.region[2].size == 8192);
	CHECK_EQ(find_cap(PCI_CAP_ID_MSIX), 0x40);
	CHECK_EQ(config_read(0x42, 2) & PCI_MSIX_FLAGS_QSIZE, 1);
	CHECK_EQ(config_read(0x44, 4), 0x600);
	CHECK_EQ(config_read(0x48, 4), 0x700);
	CHECK_EQ(find_cap(PCI_CAP_ID_EXP), 0x50);
	CHECK_EQ(config_read(0x52, 2) >> 4 & 15, PCI_EXP_TYPE_RC_END);
	CHECK(find_cap(PCI_CAP_ID_PM));
	CHECK(!find_cap(PCI_CAP_ID_MSI));
}

TEST(capability_registers)
{
	uint64_t gencap, wqcap;

	fresh(false);
	gencap = reg64(0x10);
	wqcap = reg64(0x20);
	CHECK_EQ(reg64(0), 0x100);
	CHECK(gencap & 1 << 4);			/* commands are listed */
	CHECK(!(gencap & (1u << 31 | 1)));	/* no configuration, no block on fault */
	CHECK_EQ(gencap >> 16 & 31, 20);
	CHECK_EQ(gencap >> 21 & 15, 5);
	CHECK_EQ(wqcap >> 16 & 0xff, 1);
	CHECK_EQ(wqcap >> 24 & 15, 0);
	CHECK((wqcap >> 49 & 1) && !(wqcap >> 48 & 1));
	CHECK_EQ(reg64(0x30) & 0xff, 1);
	CHECK_EQ(reg64(0x38) & 0xff, 1);
	CHECK(reg64(0x40) & 1 << DSA_OPCODE_MEMMOVE);
	CHECK_EQ(reg64(0x60), 4 | 5 << 16 | 3ULL << 32);
	CHECK_EQ(reg_read(CMDCAP), 0x7ffe);
	CHECK_EQ(reg64(GRPCFG), 1);		/* queue 0 and engine 0 are of group 0 */
	CHECK_EQ(reg64(GRPCFG + 0x20), 1);
	CHECK_EQ(reg64(WQCFG) & 0xffff, wqcap & 0xffff);
	CHECK_EQ(reg_read(WQCFG + 8), 1);	/* dedicated */
	CHECK_EQ(reg_read(WQCFG + 12), 20 | 5 << 5);
	CHECK_EQ(reg_read(WQCFG + 24), 0);
	CHECK_EQ(reg_read(0x11), gencap >> 8 & 0xffffffff);	/* cut by us into aligned pieces */
	reg_write64(WQCFG, ~0ULL);
	reg_write64(GRPCFG, ~0ULL);
	reg_write64(0x10, ~0ULL);
	CHECK(reg64(WQCFG) == (wqcap & 0xffff) && reg64(GRPCFG) == 1 && reg64(0x10) == gencap);
	reg_write64(PERM + 8, ~0ULL);
	CHECK_EQ(reg64(PERM + 8), 0xfffff009);
	reg_write(GENCFG, 0x1ff);
	CHECK_EQ(reg_read(GENCFG), 0xff);
	CHECK_EQ(command(ENABLE_DEV, 0), 0);
	reg_write(GENCFG, 0);		/* not while it is enabled */
	CHECK_EQ(reg_read(GENCFG), 0xff);
	CHECK_EQ(reg_read(0x1ff8), 0);
}

TEST(commands)
{
	fresh(false);
	CHECK_EQ(command(0, 0), 1);
	CHECK_EQ(command(15, 0), 1);
	CHECK_EQ(command(31, 0), 1);
	CHECK_EQ(command(DISABLE_DEV, 0), 0x31);
	CHECK_EQ(command(ENABLE_WQ, 0), 0x20);
	CHECK_EQ(command(DISABLE_WQ, 1), 0x20);
	enable(PCI_COMMAND_MEMORY);
	CHECK_EQ(command(ENABLE_DEV, 0), 0x12);
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	CHECK_EQ(command(ENABLE_DEV, 0), 0);
	CHECK_EQ(reg_read(GENSTS) & 3, 1);
	CHECK_EQ(command(ENABLE_DEV, 0), 0x10);
	CHECK_EQ(command(ENABLE_WQ, 1), 2);
	CHECK_EQ(command(DISABLE_WQ, 2), 2);
	CHECK_EQ(command(DISABLE_WQ, 1), 0x32);
	CHECK_EQ(command(ENABLE_WQ, 0), 0);
	CHECK_EQ(reg_read(WQCFG + 24) >> 30, 1);
	CHECK_EQ(command(ENABLE_WQ, 0), 0x21);
	for (unsigned int cmd = DRAIN_WQ; cmd <= RESET_WQ; cmd++)
		CHECK_EQ(command(cmd, 1), 0);
	CHECK_EQ(reg_read(WQCFG + 24) >> 30, 0);	/* by RESET_WQ */
	CHECK_EQ(command(RESET_WQ, 1), 0);
	CHECK_EQ(command(DRAIN_ALL, 0), 0);
	CHECK_EQ(command(ABORT_ALL, 0), 0);
	CHECK_EQ(command(DRAIN_PASID, 5), 0);
	CHECK_EQ(command(ABORT_PASID, 5), 0);
	CHECK_EQ(command(REQUEST_HANDLE, 1), 1 << 8);
	CHECK_EQ(command(REQUEST_HANDLE, 0), 0x41);
	CHECK_EQ(command(REQUEST_HANDLE, 2), 0x41);
	CHECK_EQ(command(REQUEST_HANDLE, 1 | 1 << 16), 0x42);
	CHECK_EQ(command(RELEASE_HANDLE, 1), 0);
	CHECK_EQ(command(RELEASE_HANDLE, 7), 0x41);
	CHECK_EQ(command(DISABLE_DEV, 0), 0);
	CHECK_EQ(reg_read(GENSTS) & 3, 0);
	/* with an interrupt: vector 0, and the cause stays until it is cleared */
	CHECK_EQ(event_take(fds[0]), 0);
	CHECK_EQ(command(RESET_DEV | 1 << 11, 0), 0);
	CHECK_EQ(event_wait(fds[0]), 1);
	CHECK_EQ(reg_read(INTCAUSE), 2);
	reg_write(INTCAUSE, 2);
	CHECK_EQ(reg_read(INTCAUSE), 0);
	/* nothing but whole dwords are commands */
	region_write(0, CMD + 2, &(uint16_t){ ENABLE_DEV << 4 }, 2);
	CHECK_EQ(reg_read(GENSTS) & 3, 0);
}

/* While the device is stopped a command waits, and a second one is an error. */
TEST(a_command_waits)
{
	fresh(false);
	CHECK_EQ(set_state(STATE_STOP), -1);
	CHECK_EQ(command(ENABLE_DEV | 1 << 11, 0), ACTIVE);
	CHECK_EQ(command(DISABLE_DEV, 0), ACTIVE);
	CHECK_EQ(reg64(SWERR) & 0xff01, 0x5201);
	CHECK_EQ(reg_read(GENSTS) & 3, 0);
	CHECK_EQ(event_take(fds[0]), 0);
	CHECK_EQ(set_state(STATE_RUNNING), -1);
	CHECK_EQ(reg_read(CMDSTS), 0);
	CHECK_EQ(reg_read(GENSTS) & 3, 1);
	CHECK_EQ(event_wait(fds[0]), 1);
	CHECK_EQ(reg_read(INTCAUSE), 3);
	command(ENABLE_DEV, 0);
}

TEST(errors_are_told)
{
	fresh(true);
	event_take(fds[0]);
	enable(PCI_COMMAND_MEMORY);
	CHECK_EQ(reg_read(GENSTS) & 3, 0);
	CHECK_EQ(reg64(SWERR), 0x5101);
	CHECK_EQ(reg_read(INTCAUSE), 1);
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	CHECK_EQ(command(ENABLE_DEV, 0), 0);
	enable(PCI_COMMAND_MEMORY);
	CHECK_EQ(reg64(SWERR), 0x5103);	/* and another one came */
	reg_write64(SWERR, 2);
	CHECK_EQ(reg64(SWERR), 0x5101);
	reg_write64(SWERR, 3);
	CHECK_EQ(reg64(SWERR), 0);
	CHECK_EQ(event_wait(fds[0]) > 0, 1);
}

/* Addresses of the tests' memory */
enum { RECORD = 0, SRC = 4096, DST = 1 << 20, OTHER = 2 << 20, LIST = 3 << 20 };

static struct dsa_completion_record *record(void) { return (struct dsa_completion_record *)(dev.mem + RECORD); }

static struct dsa_hw_desc descriptor(unsigned int opcode, uint64_t src, uint64_t dst, uint32_t size)
{
	return (struct dsa_hw_desc){
		.opcode = opcode, .flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR, .completion_addr = MEM_IOVA + RECORD, .src_addr = src,
		.dst_addr = dst, .xfer_size = size,
	};
}

/* To slot @n of a portal, its first 8 bytes last */
static void submit(unsigned int n, const struct dsa_hw_desc *d)
{
	uint8_t *slot = portal + n * LKVM_DSA_SLOT_SIZE;
	uint64_t first;

	memcpy(&first, d, 8);
	memcpy(slot + 8, (const uint8_t *)d + 8, sizeof(*d) - 8);
	atomic_store_explicit((_Atomic uint64_t *)slot, first, memory_order_release);
}

static unsigned int next;

/* The completion's status; 0 if none comes in a minute */
static unsigned int run(const struct dsa_hw_desc *d)
{
	memset(record(), 0, 32);
	submit(next++ % 128, d);
	for (unsigned int i = 0; i < 60 * 1000 && !record()->status; i++)
		usleep(1000);
	atomic_thread_fence(memory_order_acquire);
	return record()->status;
}

static void random_fill(uint8_t *p, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

static uint32_t crc32c(const uint8_t *p, size_t len, uint32_t seed)
{
	uint32_t crc = ~seed;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

TEST(operations)
{
	const uint64_t m = MEM_IOVA;
	const uint32_t len = 20001;
	struct dsa_hw_desc d;

	fresh(true);
	CHECK(portal != MAP_FAILED);
	random_fill(dev.mem + SRC, len + 100, 1);
	d = descriptor(DSA_OPCODE_NOOP, 0, 0, 0);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	d = descriptor(DSA_OPCODE_MEMMOVE, m + SRC + 1, m + DST + 7, len);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK_EQ(record()->bytes_completed, len);
	CHECK(!memcmp(dev.mem + SRC + 1, dev.mem + DST + 7, len));
	/* overlapping, both ways */
	memcpy(dev.mem + OTHER, dev.mem + DST, len + 6000);
	d = descriptor(DSA_OPCODE_MEMMOVE, m + DST, m + DST + 5000, len);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK(!memcmp(dev.mem + OTHER, dev.mem + DST + 5000, len));
	memcpy(dev.mem + OTHER, dev.mem + DST, len + 6000);
	d = descriptor(DSA_OPCODE_MEMMOVE, m + DST + 5000, m + DST, len);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK(!memcmp(dev.mem + OTHER + 5000, dev.mem + DST, len));

	d = descriptor(DSA_OPCODE_MEMFILL, 0x8877665544332211, m + DST + 3, 10001);
	dev.mem[DST + 3 + 10001] = 0x99;
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	for (unsigned int i = 0; i < 10001; i++)
		CHECK_EQ(dev.mem[DST + 3 + i], 0x11 * (i % 8 + 1));
	CHECK_EQ(dev.mem[DST + 3 + 10001], 0x99);

	d = descriptor(DSA_OPCODE_COMPVAL, m + DST + 3, 0x8877665544332211, 10001);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK_EQ(record()->result, 0);
	memcpy(dev.mem + DST, dev.mem + SRC, len);
	d = descriptor(DSA_OPCODE_COMPARE, m + SRC, m + DST, len);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK_EQ(record()->result, 0);
	dev.mem[DST + 7777] ^= 1;
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK_EQ(record()->result, 1);
	CHECK_EQ(record()->bytes_completed, 7777);
	d.flags |= IDXD_OP_FLAG_CR;	/* equal was expected */
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS_PRED);
	d.expected_res = 1;
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);

	d = descriptor(DSA_OPCODE_CRCGEN, m + SRC, 0, len);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK_EQ(record()->crc_val, crc32c(dev.mem + SRC, len, 0));
	d.crc_seed = 0x1234;
	d.opcode = DSA_OPCODE_COPY_CRC;
	d.dst_addr = m + DST;
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK_EQ(record()->crc_val, crc32c(dev.mem + SRC, len, 0x1234));
	CHECK(!memcmp(dev.mem + SRC, dev.mem + DST, len));

	d = descriptor(DSA_OPCODE_DUALCAST, m + SRC, m + DST + 5, 9000);
	d.dest2 = m + OTHER + 5;
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK(!memcmp(dev.mem + SRC, dev.mem + DST + 5, 9000) && !memcmp(dev.mem + SRC, dev.mem + OTHER + 5, 9000));
	d.dest2 = m + OTHER + 6;
	CHECK_EQ(run(&d), DSA_COMP_DCAST_ERR);
	d = descriptor(DSA_OPCODE_DRAIN, 0, 0, 0);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	d = descriptor(DSA_OPCODE_CFLUSH, 0, m + DST, 4096);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
}

/* Vector 1, or its handle; without a record asked for, none; the valid bit; by a write instead of a mapping */
TEST(completions)
{
	struct dsa_hw_desc d = descriptor(DSA_OPCODE_NOOP, 0, 0, 0);
	uint64_t first;

	fresh(true);
	d.flags |= IDXD_OP_FLAG_RCI;
	d.int_handle = 1;
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK_EQ(event_wait(fds[1]), 1);
	d.flags = IDXD_OP_FLAG_RCI;
	memset(record(), 0, 32);
	submit(5, &d);
	CHECK_EQ(event_wait(fds[1]), 1);
	CHECK_EQ(record()->status, 0);
	memset(&d, 0, sizeof(d));
	d.rsvd = LKVM_DSA_VALID >> 20;
	submit(6, &d);
	for (unsigned int i = 0; i < 60 * 1000 && portal[6 * 64 + 3]; i++)
		usleep(1000);
	CHECK_EQ(portal[6 * 64 + 3], 0);	/* the slot is free */
	d = descriptor(DSA_OPCODE_MEMMOVE, MEM_IOVA + SRC, MEM_IOVA + DST, 64);
	memset(dev.mem + DST, 0, 64);
	memset(record(), 0, 32);
	region_write(2, 4096 + 128 + 8, (uint8_t *)&d + 8, 56);
	memcpy(&first, &d, 8);
	region_write(2, 4096 + 128, &first, 8);
	for (unsigned int i = 0; i < 60 * 1000 && !record()->status; i++)
		usleep(1000);
	CHECK_EQ(record()->status, DSA_COMP_SUCCESS);
	CHECK(!memcmp(dev.mem + SRC, dev.mem + DST, 64));
}

TEST(bad_descriptors)
{
	const uint64_t m = MEM_IOVA;
	const struct {
		unsigned int opcode, flags;
		uint64_t src, dst;
		uint32_t size;
		unsigned int status, done;
		uint64_t fault;
	} bad[] = {
		{ 0x3f, 0, m, m, 64, DSA_COMP_BAD_OPCODE, 0, 0 },
		{ 0xff, 0, m, m, 64, DSA_COMP_BAD_OPCODE, 0, 0 },
		{ DSA_OPCODE_CR_DELTA, 0, m, m, 64, DSA_COMP_BAD_OPCODE, 0, 0 },
		{ DSA_OPCODE_MEMMOVE, IDXD_OP_FLAG_BOF, m, m, 64, DSA_COMP_INVALID_FLAGS, 0, 0 },
		{ DSA_OPCODE_CRCGEN, 0x10000, m, m, 64, DSA_COMP_INVALID_FLAGS, 0, 0 },
		{ DSA_OPCODE_MEMMOVE, 0, m, m, 0, DSA_COMP_XFER_ERANGE, 0, 0 },
		{ DSA_OPCODE_MEMMOVE, 0, m, m, (1 << 20) + 1, DSA_COMP_XFER_ERANGE, 0, 0 },
		{ DSA_OPCODE_MEMMOVE, 0, ~0ULL - 10, m, 64, DSA_COMP_XFER_ERANGE, 0, 0 },
		{ DSA_OPCODE_NOOP, IDXD_OP_FLAG_RCI, 0, 0, 0, DSA_COMP_INT_HANDLE_INVAL, 0, 0 },
		{ DSA_OPCODE_MEMMOVE, 0, NOWHERE_IOVA, m + DST, 64, DSA_COMP_PAGE_FAULT_NOBOF, 0, NOWHERE_IOVA },
		{ DSA_OPCODE_MEMMOVE, 0, m + MEM_SIZE - 5000, m + DST, 9000, DSA_COMP_PAGE_FAULT_NOBOF, 5000, HOLE_IOVA },
		{ DSA_OPCODE_MEMMOVE, 0, m + SRC, RO_IOVA + 10, 64, DSA_COMP_PAGE_FAULT_NOBOF | DSA_COMP_STATUS_WRITE, 0, RO_IOVA },
		{ DSA_OPCODE_MEMFILL, 0, 7, m + MEM_SIZE - 100, 200, DSA_COMP_PAGE_FAULT_NOBOF | DSA_COMP_STATUS_WRITE, 100, HOLE_IOVA },
		{ DSA_OPCODE_BATCH, 0, m + LIST + 32, 0, 2, DSA_COMP_DESCLIST_ALIGN, 0, 0 },
		{ DSA_OPCODE_BATCH, 0, m + LIST, 0, 1, DSA_COMP_DESC_CNT_ERANGE, 0, 0 },
		{ DSA_OPCODE_BATCH, 0, m + LIST, 0, 33, DSA_COMP_DESC_CNT_ERANGE, 0, 0 },
		{ DSA_OPCODE_BATCH, 0, NOWHERE_IOVA, 0, 2, DSA_COMP_BATCH_PAGE_FAULT, 0, NOWHERE_IOVA },
	};
	struct dsa_hw_desc d;

	fresh(true);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		d = descriptor(bad[i].opcode, bad[i].src, bad[i].dst, bad[i].size);
		d.flags |= bad[i].flags;
		if (run(&d) != bad[i].status || record()->bytes_completed != bad[i].done || record()->fault_addr != bad[i].fault) {
			printf("# descriptor %zu\n", i);
			CHECK_EQ(record()->status, bad[i].status);
			CHECK_EQ(record()->bytes_completed, bad[i].done);
			CHECK_EQ(record()->fault_addr, bad[i].fault);
		}
	}
	/* a refusal interrupts as well, but by the device's own handle only */
	d = descriptor(bad[0].opcode, 0, 0, 0);
	d.flags |= IDXD_OP_FLAG_RCI;
	CHECK_EQ(run(&d), DSA_COMP_BAD_OPCODE);
	CHECK_EQ(event_take(fds[0]), 0);
	CHECK_EQ(event_take(fds[1]), 0);
	d.int_handle = 1;
	CHECK_EQ(run(&d), DSA_COMP_BAD_OPCODE);
	CHECK_EQ(event_wait(fds[1]), 1);
	d = descriptor(DSA_OPCODE_NOOP, 0, 0, 0);
	d.rsvd = 1;
	CHECK_EQ(run(&d), DSA_COMP_NOZERO_RESERVE);
	CHECK_EQ(reg64(SWERR), 0);
	/* where there is no record to write, SWERR has it */
	d = descriptor(0x3e, 0, 0, 0);
	d.flags = 0;
	submit(9, &d);
	CHECK_EQ(command(DRAIN_WQ, 1), 0);
	CHECK_EQ(reg64(SWERR), 0x3e0000000dULL | DSA_COMP_BAD_OPCODE << 8);
	reg_write64(SWERR, 1);
	d = descriptor(DSA_OPCODE_NOOP, 0, 0, 0);
	d.completion_addr = MEM_IOVA + 8;
	submit(10, &d);
	CHECK_EQ(command(DRAIN_WQ, 1), 0);
	CHECK_EQ(reg64(SWERR), 0xdULL | DSA_COMP_CRA_ALIGN << 8);
	reg_write64(SWERR, 1);
	d.completion_addr = NOWHERE_IOVA;
	submit(11, &d);
	CHECK_EQ(command(DRAIN_WQ, 1), 0);
	CHECK_EQ(reg64(SWERR), 0xdULL | DSA_COMP_CRA_XLAT << 8);
	CHECK_EQ(reg64(SWERR + 16), NOWHERE_IOVA);
}

TEST(batches)
{
	struct dsa_hw_desc *list = (struct dsa_hw_desc *)(dev.mem + LIST), d;

	fresh(true);
	random_fill(dev.mem + SRC, 64 * 1024, 9);
	memset(dev.mem + DST, 0, 64 * 1024);
	for (unsigned int i = 0; i < 32; i++) {
		list[i] = descriptor(DSA_OPCODE_MEMMOVE, MEM_IOVA + SRC + i * 2048, MEM_IOVA + DST + i * 2048, 2048);
		list[i].completion_addr = MEM_IOVA + OTHER + i * 32;
	}
	memset(dev.mem + OTHER, 0, 32 * 32);
	d = descriptor(DSA_OPCODE_BATCH, MEM_IOVA + LIST, 0, 32);
	CHECK_EQ(run(&d), DSA_COMP_SUCCESS);
	CHECK_EQ(record()->bytes_completed, 32);
	CHECK(!memcmp(dev.mem + SRC, dev.mem + DST, 64 * 1024));
	for (unsigned int i = 0; i < 32; i++)
		CHECK_EQ(dev.mem[OTHER + i * 32], DSA_COMP_SUCCESS);
	/* one fails, and a fence stops those behind */
	list[3].src_addr = NOWHERE_IOVA;
	list[5].flags |= IDXD_OP_FLAG_FENCE;
	memset(dev.mem + OTHER, 0, 32 * 32);
	CHECK_EQ(run(&d), DSA_COMP_BATCH_FAIL);
	CHECK_EQ(record()->bytes_completed, 5);
	CHECK_EQ(dev.mem[OTHER + 3 * 32], DSA_COMP_PAGE_FAULT_NOBOF);
	CHECK(dev.mem[OTHER + 4 * 32] == DSA_COMP_SUCCESS && dev.mem[OTHER + 5 * 32] == 0);
	/* no batch in a batch */
	list[0] = d;
	list[0].completion_addr = MEM_IOVA + OTHER;
	d.desc_count = 2;
	CHECK_EQ(run(&d), DSA_COMP_BATCH_FAIL);
	CHECK_EQ(dev.mem[OTHER], DSA_COMP_BAD_OPCODE);
}

/* All slots, many times round, as a driver that has sixteen under way uses them */
TEST(many)
{
	enum { ALL = 2000, AT_ONCE = 16 };
	struct dsa_hw_desc d = descriptor(DSA_OPCODE_MEMFILL, 0, 0, 8);
	uint32_t sent = 0, done = 0;
	unsigned int idle = 0;

	fresh(true);
	memset(dev.mem + DST, 0, ALL * 8);
	memset(dev.mem + OTHER, 0, ALL * 32);
	while (done < ALL && idle < 60 * 1000) {
		for (; sent < ALL && sent - done < AT_ONCE; sent++) {
			d.pattern = sent + 1;
			d.dst_addr = MEM_IOVA + DST + sent * 8;
			d.completion_addr = MEM_IOVA + OTHER + sent * 32;
			submit(64 + sent % 64, &d);
		}
		if (*(volatile uint8_t *)(dev.mem + OTHER + done * 32)) {
			CHECK_EQ(*(uint64_t *)(dev.mem + DST + done * 8), done + 1);
			done++;
			idle = 0;
		} else {
			usleep(1000);
			idle++;
		}
	}
	CHECK_EQ(done, ALL);
}

/* Off, nothing happens; what lies in the portals when it is enabled is gone; what is there when it stops is done when it goes on. */
TEST(off_and_on)
{
	struct dsa_hw_desc d = descriptor(DSA_OPCODE_NOOP, 0, 0, 0);

	fresh(false);
	memset(record(), 0, 32);
	submit(3, &d);
	CHECK_EQ(command(ENABLE_DEV, 0), 0);
	CHECK_EQ(command(ENABLE_WQ, 0), 0);
	CHECK_EQ(command(DRAIN_WQ, 1), 0);
	CHECK_EQ(record()->status, 0);
	CHECK_EQ(set_state(STATE_STOP), -1);
	submit(4, &d);
	usleep(20000);
	CHECK_EQ(record()->status, 0);
	CHECK_EQ(set_state(STATE_RUNNING), -1);
	CHECK_EQ(command(DRAIN_ALL, 0), 0);
	CHECK_EQ(record()->status, DSA_COMP_SUCCESS);
	CHECK_EQ(command(DISABLE_DEV, 0), 0);
	CHECK_EQ(reg_read(WQCFG + 24), 0);
}

/* With the queue on and a descriptor in it, which the other one carries out */
TEST(moved_to_another)
{
	struct dsa_hw_desc d = descriptor(DSA_OPCODE_MEMMOVE, MEM_IOVA + SRC, MEM_IOVA + DST, 4096);

	with(&source);
	fresh(true);
	reg_write(PERM, 0x5000);
	CHECK_EQ(set_state(STATE_STOP), -1);
	submit(77, &d);
	stream_save(1000);
	device_reset();
	with(&target);
	device_reset();
	enable(PCI_COMMAND_MEMORY);
	random_fill(dev.mem + SRC, 4096, 3);
	memset(dev.mem + DST, 0, 4096);
	memset(record(), 0, 32);
	CHECK_EQ(stream_load(), 0);
	CHECK_EQ(command(DRAIN_WQ, 1), 0);
	CHECK_EQ(record()->status, DSA_COMP_SUCCESS);
	CHECK(!memcmp(dev.mem + SRC, dev.mem + DST, 4096));
	CHECK(reg_read(PERM) == 0x5000 && reg_read(GENSTS) == 1 && reg_read(GENCTRL) == 3 && reg_read(WQCFG + 24) >> 30 == 1);
	CHECK_EQ(command(DISABLE_DEV, 0), 0);
	/* registers with values that they never have */
	memset(stream + frame_part(1) + 4, 0xff, field(frame_part(1)));
	sign();
	CHECK_EQ(stream_load(), -EINVAL);
	CHECK_EQ(device_reset(), 0);
	enable(PCI_COMMAND_MEMORY);
	CHECK_EQ(reg_read(GENSTS), 0);
}

int main(int argc, char **argv)
{
	pair_start(argc, argv);
	portal = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, (off_t)dev.region[2].offset);
	RUN(config_space);
	RUN(capability_registers);
	RUN(commands);
	RUN(a_command_waits);
	RUN(errors_are_told);
	RUN(operations);
	RUN(completions);
	RUN(bad_descriptors);
	RUN(batches);
	RUN(many);
	RUN(off_and_on);
	RUN(moved_to_another);
	return tap_done();
}
