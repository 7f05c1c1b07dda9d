/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which extended capabilities of a VFIO PCI function its guest gets: policy[] says why. [pcie-4.0 7.6, 7.7, 7.8, 7.9]
 *
 * As with the others, what is kept stays where it is, and what is hidden is unlinked and reads 0. The chain must begin at 100h: a first one
 * that is hidden leaves a null header with a link behind. Unknown ones are hidden: they may give the device rights over what the guest does
 * not have. A chain that loops or leaves config space is cut there.
 *
 * Threads: the main thread, before the function is plugged.
 */
#include "vfio/pci.h"

#include <string.h>

#include <linux/pci_regs.h>

#include "util/endian.h"

enum {
	FIRST = PCI_CONFIG_SIZE,
	HEADER = 4,
	EXTCAPS = (PCIE_CONFIG_SIZE - FIRST) / 4,
	VENDOR_HEADER = 4,		/* of vendor-specific ones: length in bits 31:20 */
};

struct extcap {
	u16 id;
	unsigned int off, room;		/* up to the next one */
};

enum way {
	HIDE,
	READ,		/* passed to read, not written */
	VENDOR,		/* passed to read and write, but what says its length */
	POWER,		/* READ, but its Data Select register is written */
	AER,
};

struct policy {
	u16 id, len;	/* @len 0: up to the next one, or as it says itself */
	enum way way;
};

static const struct policy policy[] = {
	{ PCI_EXT_CAP_ID_ERR, 0x48, AER },		/* if asked for: hosts that take errors do so before the guest */
	{ PCI_EXT_CAP_ID_VC, 0, READ },			/* arbitration: the fabric's */
	{ PCI_EXT_CAP_ID_DSN, 12, READ },		/* drivers take names and licences from it */
	{ PCI_EXT_CAP_ID_PWR, 16, POWER },
	{ PCI_EXT_CAP_ID_RCLD, 0, HIDE },		/* other parts of the host's root complex */
	{ PCI_EXT_CAP_ID_RCILC, 0, HIDE },
	{ PCI_EXT_CAP_ID_RCEC, 0, HIDE },
	{ PCI_EXT_CAP_ID_MFVC, 0, HIDE },		/* functions that are not the guest's */
	{ PCI_EXT_CAP_ID_VC9, 0, READ },
	{ PCI_EXT_CAP_ID_RCRB, 0, HIDE },
	{ PCI_EXT_CAP_ID_VNDR, 0, VENDOR },		/* only its driver knows what it means */
	{ PCI_EXT_CAP_ID_ACS, 0, HIDE },		/* isolation is the host's to set */
	{ PCI_EXT_CAP_ID_ARI, 0, HIDE },		/* names the next function, which the guest does not have */
	{ PCI_EXT_CAP_ID_ATS, 0, HIDE },		/* needs the guest's own IOMMU: it has none */
	{ PCI_EXT_CAP_ID_SRIOV, 0, HIDE },		/* functions appear on the host's bus, not on ours */
	{ PCI_EXT_CAP_ID_MRIOV, 0, HIDE },
	{ PCI_EXT_CAP_ID_MCAST, 0, HIDE },		/* host addresses */
	{ PCI_EXT_CAP_ID_PRI, 0, HIDE },		/* as ATS */
	{ PCI_EXT_CAP_ID_REBAR, 0, HIDE },		/* the host has given the BARs their sizes */
	{ PCI_EXT_CAP_ID_DPA, 0, HIDE },		/* power the host must allow */
	{ PCI_EXT_CAP_ID_TPH, 0, HIDE },		/* steering tags are numbers of host CPUs */
	{ PCI_EXT_CAP_ID_LTR, 8, READ },		/* what the host's platform can do */
	{ PCI_EXT_CAP_ID_SECPCI, 0, READ },		/* the link: its other end is the host's */
	{ PCI_EXT_CAP_ID_PMUX, 0, HIDE },
	{ PCI_EXT_CAP_ID_PASID, 0, HIDE },		/* as ATS */
	{ PCI_EXT_CAP_ID_DPC, 0, HIDE },		/* ports only */
	{ PCI_EXT_CAP_ID_L1SS, 16, READ },		/* the link */
	{ PCI_EXT_CAP_ID_PTM, 0, HIDE },		/* needs an answer from the port above: there is none */
	{ PCI_EXT_CAP_ID_DVSEC, 0, VENDOR },
	{ PCI_EXT_CAP_ID_DLF, 12, READ },		/* the link */
	{ PCI_EXT_CAP_ID_PL_16GT, 0, READ },
};

static const struct policy *policy_of(u16 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policy); i++)
		if (policy[i].id == id)
			return &policy[i];
	return NULL;
}

static unsigned int walk(const struct vfio_pci *vp, struct extcap *cap, bool *ret_cut)
{
	bool seen[EXTCAPS] = { false };
	unsigned int n = 0, i, j, at = FIRST;
	u32 header;

	*ret_cut = false;
	while (at) {
		if (at < FIRST || seen[(at - FIRST) / 4]) {
			*ret_cut = true;
			break;
		}
		seen[(at - FIRST) / 4] = true;
		header = get_le32(vp->raw + at);
		if (!header && at == FIRST)	/* [pcie-4.0 7.6.1] there are none */
			break;
		if (header == ~0U) {
			*ret_cut = true;
			break;
		}
		cap[n++] = (struct extcap){ .id = PCI_EXT_CAP_ID(header), .off = at, .room = PCIE_CONFIG_SIZE - at };
		at = PCI_EXT_CAP_NEXT(header);
	}
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			if (cap[j].off > cap[i].off)
				cap[i].room = MIN(cap[i].room, cap[j].off - cap[i].off);
	return n;
}

/* [pcie-4.0 7.8.4] status registers clear by writing ones; masks, severities and the ECRC switches are the driver's */
static void pass_aer(struct vfio_pci *vp, unsigned int off, unsigned int len)
{
	static const u8 reg[] = { PCI_ERR_UNCOR_STATUS, PCI_ERR_UNCOR_MASK, PCI_ERR_UNCOR_SEVER, PCI_ERR_COR_STATUS, PCI_ERR_COR_MASK };
	unsigned int i;

	if (len < PCI_ERR_HEADER_LOG)
		return;
	for (i = 0; i < ARRAY_SIZE(reg); i++)
		vfio_pci_pass_write(vp, off + reg[i], 4);
	memset(vp->pdev.w1c + off + PCI_ERR_UNCOR_STATUS, 0xff, 4);
	memset(vp->pdev.w1c + off + PCI_ERR_COR_STATUS, 0xff, 4);
	vfio_pci_pass_write_bits(vp, off + PCI_ERR_CAP, 4, PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE);
}

static void pass(struct vfio_pci *vp, const struct extcap *cap, const struct policy *p)
{
	unsigned int off = cap->off, len = p->len ? MIN(cap->room, p->len) : cap->room;

	if (p->way == VENDOR && len >= HEADER + VENDOR_HEADER) {
		len = MIN(len, get_le32(vp->raw + off + HEADER) >> 20);
		if (len > HEADER + VENDOR_HEADER)
			vfio_pci_pass_write(vp, off + HEADER + VENDOR_HEADER, len - HEADER - VENDOR_HEADER);
		len = MAX(len, (unsigned int)HEADER + VENDOR_HEADER);
	}
	if (len > HEADER)
		vfio_pci_pass_read(vp, off + HEADER, len - HEADER);
	if (p->way == POWER && len > PCI_PWR_DSR)
		vfio_pci_pass_write(vp, off + PCI_PWR_DSR, 1);
	if (p->way == AER)
		pass_aer(vp, off, len);
}

static void link_to(struct vfio_pci *vp, unsigned int off, u32 header, unsigned int next)
{
	put_le32(vp->pdev.config + off, (header & 0xfffff) | next << 20);
}

void vfio_pci_extcaps_init(struct vfio_pci *vp)
{
	struct extcap cap[EXTCAPS];
	const struct policy *p;
	unsigned int i, n, last = FIRST;
	bool cut;

	n = walk(vp, cap, &cut);
	for (i = 0; i < n; i++) {
		p = policy_of(cap[i].id);
		if (!p || p->way == HIDE || (p->way == AER && !vp->vd->cfg->aer))
			continue;
		pass(vp, &cap[i], p);
		if (cap[i].off != FIRST)
			link_to(vp, last, get_le32(vp->pdev.config + last), cap[i].off);
		link_to(vp, cap[i].off, get_le32(vp->raw + cap[i].off), 0);
		last = cap[i].off;
	}
	if (cut)
		log_warn(vfio_device_name(vp->vd), "its list of extended capabilities is broken after the first %u", n);
}
