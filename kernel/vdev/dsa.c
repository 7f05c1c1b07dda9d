// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev, personality "dsa": Intel's Data Streaming Accelerator [Intel DSA architecture
 * specification, 341204] as a virtual device of one dedicated work queue that is configured
 * already, "1dwq-v1". Registers and commands here, the queue itself in dsa-portal.c.
 *
 * BAR 0, 8 KiB: registers; MSI-X table at 0x600, pending bits at 0x700; vector 0 tells of commands
 * and errors, vector 1 of descriptors. BAR 2, 8 KiB: the portals. No INTx.
 *
 * A command is carried out in the write to CMD. While the device does not run, it stays active
 * until it does.
 *
 * Left out: shared queues, PASIDs, the event log, performance counters, IMS, occupancy interrupts;
 * what the read-only configuration has no use for, block on fault among it.
 */
#include <linux/idxd.h>
#include <linux/pci_ids.h>
#include <linux/slab.h>

#include "dsa.h"

enum { DSA_BAR_SIZE = 8192, DSA_MSIX_TABLE = 0x600, DSA_MSIX_PBA = 0x700, DSA_MSIX_CAP = 0x40, DSA_PCIE_CAP = 0x50 };

enum {
	VER = 0x00, GENCAP = 0x10, WQCAP = 0x20, GRPCAP = 0x30, ENGCAP = 0x38, OPCAP = 0x40,
	OFFSETS = 0x60, GENCFG = 0x80, GENCTRL = 0x88, GENSTS = 0x90, INTCAUSE = 0x98, CMD = 0xa0,
	CMDSTS = 0xa8, CMDCAP = 0xb0, SWERR = 0xc0, MSIXPERM = 0x300, GRPCFG = 0x400, WQCFG = 0x500,
};

enum { GENCTRL_SOFTERR = 1, GENCTRL_HALT = 2, INT_ERR = 1, INT_CMD = 2, INT_OCC = 4, INT_HALT = 0x10 };
enum { SWERR_VALID = 1, SWERR_OVERFLOW = 2, SWERR_DESC = 4, SWERR_WQ = 8 };

/* CMD and CMDSTS */
enum { CMD_OPERAND = 0xfffff, CMD_SHIFT = 20, CMDSTS_RESULT_SHIFT = 8 };
#define CMD_INT_REQ	BIT(31)
#define CMDSTS_ACTIVE	BIT(31)

enum {
	CMD_ENABLE_DEV = 1, CMD_DISABLE_DEV, CMD_DRAIN_ALL, CMD_ABORT_ALL, CMD_RESET_DEV,
	CMD_ENABLE_WQ, CMD_DISABLE_WQ, CMD_DRAIN_WQ,
	CMD_ABORT_WQ, CMD_RESET_WQ, CMD_DRAIN_PASID, CMD_ABORT_PASID, CMD_REQUEST_INT_HANDLE, CMD_RELEASE_INT_HANDLE,
	CMDS = (1 << (CMD_RELEASE_INT_HANDLE + 1)) - 2,
};

enum {
	ERR_CMD = 0x01, ERR_WQ_INDEX = 0x02, ERR_DEV_ENABLED = 0x10, ERR_BUS_MASTER = 0x12,
	ERR_DEV_OFF = 0x20, ERR_WQ_ENABLED = 0x21,
	ERR_NOT_ENABLED = 0x31, ERR_WQ_OFF = 0x32, ERR_INT_INDEX = 0x41, ERR_NO_HANDLE = 0x42,
};

static void interrupt(struct dsa *d, u32 cause)
{
	d->s.intcause |= cause;
	vdev_irq_send(d->v, 0);
}

void dsa_swerr(struct dsa *d, unsigned int code, const struct dsa_hw_desc *desc, u64 addr)
{
	if (d->s.swerr[0] & SWERR_VALID) {
		d->s.swerr[0] |= SWERR_OVERFLOW;
	} else {
		d->s.swerr[0] = SWERR_VALID | code << 8;
		if (desc)
			d->s.swerr[0] |= SWERR_DESC | SWERR_WQ | (u64)desc->opcode << 32;
		d->s.swerr[2] = addr;
	}
	if (d->s.genctrl & GENCTRL_SOFTERR)
		interrupt(d, INT_ERR);
	else
		d->s.intcause |= INT_ERR;
}

static void disable_wq(struct dsa *d)
{
	d->s.wq_enabled = false;
	dsa_portal_clear(d);
}

void dsa_check_master(struct dsa *d)
{
	if (!d->s.enabled || vdev_bus_master(d->v))
		return;
	disable_wq(d);
	d->s.enabled = false;
	dsa_swerr(d, DSA_SWERR_BUS_MASTER, NULL, 0);
}

/* --- commands: each gives CMDSTS' error and, above it, its result --- */

static u32 enable_device(struct dsa *d)
{
	if (d->s.enabled)
		return ERR_DEV_ENABLED;
	if (!vdev_bus_master(d->v))
		return ERR_BUS_MASTER;
	d->s.enabled = true;
	return 0;
}

static u32 disable_device(struct dsa *d)
{
	if (!d->s.enabled)
		return ERR_NOT_ENABLED;
	dsa_portal_run(d);
	disable_wq(d);
	d->s.enabled = false;
	return 0;
}

static u32 reset_device(struct dsa *d)
{
	disable_wq(d);
	d->s.enabled = false;
	d->s.gencfg = d->s.genctrl = 0;
	memset(d->s.swerr, 0, sizeof(d->s.swerr));
	return 0;
}

static u32 enable_wq(struct dsa *d, u32 wq)
{
	if (wq != 0)
		return ERR_WQ_INDEX;
	if (!d->s.enabled)
		return ERR_DEV_OFF;
	if (d->s.wq_enabled)
		return ERR_WQ_ENABLED;
	dsa_portal_clear(d);
	d->s.wq_enabled = true;
	wake_up(&d->wait);
	return 0;
}

/* The others take a set of queues: 16 of them in the lower half, and in the upper which 16. */
static u32 change_wq(struct dsa *d, unsigned int cmd, u32 set)
{
	if (set != 1)
		return ERR_WQ_INDEX;
	if (!d->s.enabled)
		return ERR_DEV_OFF;
	if (!d->s.wq_enabled && cmd != CMD_RESET_WQ)
		return ERR_WQ_OFF;
	if (cmd == CMD_DISABLE_WQ || cmd == CMD_DRAIN_WQ)
		dsa_portal_run(d);
	if (cmd == CMD_ABORT_WQ)
		dsa_portal_clear(d);
	if (cmd == CMD_DISABLE_WQ || cmd == CMD_RESET_WQ)
		disable_wq(d);
	return 0;
}

static u32 int_handle(u32 operand, bool request)
{
	if (operand & BIT(16))
		return ERR_NO_HANDLE;
	if (operand != DSA_INT_HANDLE)
		return ERR_INT_INDEX;
	return request ? DSA_INT_HANDLE << CMDSTS_RESULT_SHIFT : 0;
}

static u32 command(struct dsa *d, unsigned int cmd, u32 operand)
{
	switch (cmd) {
	case CMD_ENABLE_DEV:
		return enable_device(d);
	case CMD_DISABLE_DEV:
		return disable_device(d);
	case CMD_DRAIN_ALL:
	case CMD_DRAIN_PASID:
		dsa_portal_run(d);
		return 0;
	case CMD_ABORT_ALL:
	case CMD_ABORT_PASID:
		dsa_portal_clear(d);
		return 0;
	case CMD_RESET_DEV:
		return reset_device(d);
	case CMD_ENABLE_WQ:
		return enable_wq(d, operand);
	case CMD_DISABLE_WQ:
	case CMD_DRAIN_WQ:
	case CMD_ABORT_WQ:
	case CMD_RESET_WQ:
		return change_wq(d, cmd, operand);
	case CMD_REQUEST_INT_HANDLE:
	case CMD_RELEASE_INT_HANDLE:
		return int_handle(operand, cmd == CMD_REQUEST_INT_HANDLE);
	default:
		return ERR_CMD;
	}
}

/* The command that is active, if the device may run it. */
static void run_command(struct dsa *d)
{
	if (!(d->s.cmdsts & CMDSTS_ACTIVE) || !d->v->running)
		return;
	d->s.cmdsts = command(d, (d->s.cmd >> CMD_SHIFT) & 0x1f, d->s.cmd & CMD_OPERAND);
	if (d->s.cmd & CMD_INT_REQ)
		interrupt(d, INT_CMD);
}

static void write_command(struct dsa *d, u32 val)
{
	if (d->s.cmdsts & CMDSTS_ACTIVE) {
		dsa_swerr(d, DSA_SWERR_CMD_BUSY, NULL, 0);
		return;
	}
	d->s.cmd = val;
	d->s.cmdsts = CMDSTS_ACTIVE;
	run_command(d);
}

/* --- registers --- */

/*
 * 32 bytes: size; threshold; dedicated; transfer and batch shift; no occupancy interrupts; the
 * state in the last two bits of byte 27
 */
static u64 wqcfg(struct dsa *d, unsigned int qword)
{
	const u64 value[] = {
		DSA_WQ_SIZE, 1 | (u64)(DSA_XFER_SHIFT | DSA_BATCH_SHIFT << 5) << 32, 0, (u64)d->s.wq_enabled << 30,
	};

	return value[qword];
}

static u64 register_value(struct dsa *d, unsigned int off)
{
	switch (off) {
	case VER:
		return 0x100;
	case GENCAP:	/* no configuration by the guest, commands are listed in CMDCAP */
		return BIT(4) | DSA_XFER_SHIFT << 16 | DSA_BATCH_SHIFT << 21;
	case WQCAP:	/* dedicated only, 32 bytes of WQCFG each */
		return DSA_WQ_SIZE | 1 << 16 | BIT_ULL(49);
	case GRPCAP:
	case ENGCAP:
		return 1;
	case OPCAP:
		return dsa_opcap();
	case OFFSETS:	/* in units of 0x100 */
		return GRPCFG >> 8 | WQCFG >> 8 << 16 | (u64)MSIXPERM >> 8 << 32;
	case GENCFG:
		return d->s.gencfg;
	case GENCTRL:
		return d->s.genctrl;
	case GENSTS:
		return d->s.enabled;
	case INTCAUSE:
		return d->s.intcause;
	case CMD:
		return d->s.cmd;
	case CMDSTS:
		return d->s.cmdsts;
	case CMDCAP:
		return CMDS;
	case SWERR ... SWERR + 24:
		return d->s.swerr[(off - SWERR) / 8];
	case MSIXPERM ... MSIXPERM + 8:
		return d->s.perm[(off - MSIXPERM) / 8];
	case GRPCFG:		/* queue 0 */
	case GRPCFG + 0x20:	/* engine 0 */
		return 1;
	case WQCFG ... WQCFG + 24:
		return wqcfg(d, (off - WQCFG) / 8);
	default:
		return 0;
	}
}

static u64 dsa_read(struct vdev *v, unsigned int bar, u64 off, unsigned int size)
{
	struct dsa *d = v->priv;
	u64 val;

	dsa_check_master(d);
	val = register_value(d, off & ~7) >> (8 * (off & 7));
	return size == 8 ? val : val & (BIT_ULL(8 * size) - 1);
}

/* @val is what the aligned qword becomes, @mask its bits that are written. */
static void write_register(struct dsa *d, unsigned int off, u64 val, u64 mask)
{
	switch (off) {
	case GENCFG:
		if (!d->s.enabled)
			d->s.gencfg = val & 0xff;
		break;
	case GENCTRL:
		d->s.genctrl = val & (GENCTRL_SOFTERR | GENCTRL_HALT);
		break;
	case INTCAUSE:
		d->s.intcause &= ~(val & mask);
		break;
	case SWERR:
		if (val & mask & SWERR_VALID)
			memset(d->s.swerr, 0, sizeof(d->s.swerr));
		else
			d->s.swerr[0] &= ~(val & mask & SWERR_OVERFLOW);
		break;
	case MSIXPERM ... MSIXPERM + 8:
		d->s.perm[(off - MSIXPERM) / 8] = val & (0xfffff000 | BIT(3) | BIT(0));
		break;
	}
}

static void dsa_write(struct vdev *v, unsigned int bar, u64 off, unsigned int size, u64 val)
{
	struct dsa *d = v->priv;
	u64 mask = size == 8 ? ~0ull : (BIT_ULL(8 * size) - 1) << (8 * (off & 7));
	unsigned int reg = off & ~7;

	dsa_check_master(d);
	if (off == CMD && size == 4)
		write_command(d, val);
	else if (reg != CMD)
		write_register(d, reg, (register_value(d, reg) & ~mask) | (val << (8 * (off & 7)) & mask), mask);
}

/* --- the device --- */

static void dsa_reset(struct vdev *v)
{
	struct dsa *d = v->priv;

	memset(&d->s, 0, sizeof(d->s));
	dsa_portal_clear(d);
}

/*
 * There is nothing to quiesce: whether the device runs is looked at before each descriptor, under
 * the lock.
 */
static void dsa_resume(struct vdev *v)
{
	struct dsa *d = v->priv;

	mutex_lock(&v->lock);
	run_command(d);
	mutex_unlock(&v->lock);
	wake_up(&d->wait);
}

static ssize_t dsa_save(struct vdev *v, void *buf, size_t room)
{
	struct dsa *d = v->priv;

	if (room < sizeof(d->s))
		return -ENOSPC;
	memcpy(buf, &d->s, sizeof(d->s));
	return sizeof(d->s);
}

static int dsa_load(struct vdev *v, const void *buf, size_t len)
{
	struct dsa *d = v->priv;
	struct dsa_state s;

	if (len != sizeof(s))
		return -EINVAL;
	memcpy(&s, buf, len);
	if (s.enabled > 1 || s.wq_enabled > s.enabled)
		return -EINVAL;
	for (int i = 0; i < LKVM_DSA_PORTALS; i++)
		if (s.next[i] >= LKVM_DSA_PORTAL_SIZE / LKVM_DSA_SLOT_SIZE)
			return -EINVAL;
	d->s = s;
	return 0;
}

/*
 * Capabilities at the places where the real device has them. What config.c knows of PM and PCI
 * Express stays as it made it.
 */
static int dsa_capabilities(struct vdev *v)
{
	u8 pm[2][PCI_PM_SIZEOF], pcie[2][PCI_CAP_EXP_ENDPOINT_SIZEOF_V2];
	int r, off;

	memcpy(pm[0], v->config + v->pm_cap, sizeof(pm[0]));
	memcpy(pm[1], v->wmask + v->pm_cap, sizeof(pm[1]));
	memcpy(pcie[0], v->config + v->pcie_cap, sizeof(pcie[0]));
	memcpy(pcie[1], v->wmask + v->pcie_cap, sizeof(pcie[1]));
	memset(v->config + PCI_STD_HEADER_SIZEOF, 0, PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF);
	memset(v->wmask + PCI_STD_HEADER_SIZEOF, 0, PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF);
	v->cap_last = 0;
	v->cap_end = DSA_MSIX_CAP;
	r = vdev_config_add_msix(v, 2, 0, DSA_MSIX_TABLE, DSA_MSIX_PBA);
	if (r)
		return r;
	v->cap_end = DSA_PCIE_CAP;
	off = vdev_config_add_cap(v, PCI_CAP_ID_EXP, sizeof(pcie[0]));
	if (off < 0)
		return off;
	memcpy(v->config + off + 2, pcie[0] + 2, sizeof(pcie[0]) - 2);
	memcpy(v->wmask + off + 2, pcie[1] + 2, sizeof(pcie[1]) - 2);
	/* It is integrated in the root complex: no link. */
	vdev_config_set(v, off + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_RC_END << 4, 0);
	memset(v->config + off + PCI_EXP_LNKCAP, 0, 8);
	memset(v->wmask + off + PCI_EXP_LNKCAP, 0, 8);
	v->pcie_cap = off;
	off = vdev_config_add_cap(v, PCI_CAP_ID_PM, sizeof(pm[0]));
	if (off < 0)
		return off;
	memcpy(v->config + off + 2, pm[0] + 2, sizeof(pm[0]) - 2);
	memcpy(v->wmask + off + 2, pm[1] + 2, sizeof(pm[1]) - 2);
	v->pm_cap = off;
	return 0;
}

static int dsa_init(struct vdev *v)
{
	const u32 high = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;
	struct dsa *d = kzalloc(sizeof(*d), GFP_KERNEL);
	int r;

	if (!d)
		return -ENOMEM;
	d->v = v;
	init_waitqueue_head(&d->wait);
	v->priv = d;
	d->buf = kmalloc(2 * SZ_4K, GFP_KERNEL);
	if (!d->buf)
		return -ENOMEM;
	v->irq_offer &= VDEV_IRQ_MSIX | VDEV_IRQ_DYNAMIC;
	vdev_config_ids(v, PCI_VENDOR_ID_INTEL, 0x0b25, 0x088000, 0);
	vdev_config_set(v, PCI_SUBSYSTEM_ID, 2, 0x2010, 0);
	r = vdev_bar_add(v, 0, DSA_BAR_SIZE, high);
	if (!r)
		r = vdev_bar_add(v, DSA_PORTAL_BAR, DSA_BAR_SIZE, high);
	if (!r)
		r = vdev_bar_memory(v, DSA_PORTAL_BAR, 0, DSA_BAR_SIZE, 0);
	if (!r)
		r = dsa_capabilities(v);
	return r ? r : dsa_portal_start(d);
}

static void dsa_exit(struct vdev *v)
{
	struct dsa *d = v->priv;

	if (!d)
		return;
	dsa_portal_stop(d);
	kfree(d->buf);
	kfree(d);
}

const struct vdev_personality vdev_dsa = {
	.name = "dsa",
	.init = dsa_init,
	.exit = dsa_exit,
	.read = dsa_read,
	.write = dsa_write,
	.reset = dsa_reset,
	.save = dsa_save,
	.load = dsa_load,
	.resume = dsa_resume,
};
