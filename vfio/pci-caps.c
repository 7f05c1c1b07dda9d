/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which capabilities of a VFIO PCI function its guest gets, and which bits of them are whose. [pci-3.0 6.7, appendix H], [pci-pm-1.2 3.2],
 * [pcie-4.0 7.5.3]
 *
 * A capability stays at its own offset, for drivers that know their device by heart; one that is hidden is unlinked and reads 0. What lies
 * between 40h and ffh in no capability is the device's own business and passed both ways. That is not known of a device whose list loops
 * or points where no capability can be: the list is cut there, and only what came before it is passed.
 *
 * PCI Express. The function keeps its type. An endpoint straight on the root bus, where the specification wants integrated endpoints, is
 * what Linux and the firmware it needs take as it comes, and only for endpoints do they look at the link registers, which drivers read to
 * say how fast they are connected. The other end of the link is the host's, so writes to link registers are dropped. Max_Payload_Size is
 * kept from the device: all that the host's packets pass must agree on it. Of root and slot registers there are none.
 *
 * Threads: the main thread, before the function is plugged.
 */
#include "vfio/pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "util/endian.h"

enum {
	CAPS = (PCI_CONFIG_SIZE - PCI_STD_HEADER_SIZEOF) / 4,	/* as many as have room */
	PM_LEN = 8,
	AF_LEN = 6,
	EXP_V1_LEN = 0x14,
	EXP_V2_LEN = 0x3c,
	/* [pcie-4.0 7.5.3.4] what a guest may set of Device Control, but the two caught: payload size and FLR */
	EXP_DEVCTL_PASSED = 0x7f1f,
	EXP_DEVSTA_ERRORS = 0xf,
	/* [pcie-4.0 7.5.3.16] completion timeout and ID-based ordering; ARI, AtomicOps, LTR, 10-bit tags and OBFF need the path's consent */
	EXP_DEVCTL2_PASSED = PCI_EXP_DEVCTL2_COMP_TIMEOUT | 0x10 | PCI_EXP_DEVCTL2_IDO_REQ_EN | PCI_EXP_DEVCTL2_IDO_CMP_EN,
};

struct cap {
	u8 id;
	unsigned int off, room;	/* up to the next one */
};

/* --- the device's list --- */

static unsigned int walk(const u8 *raw, struct cap *cap, bool *ret_cut)
{
	unsigned int n = 0, i, j, at;
	u64 seen = 0;

	*ret_cut = false;
	at = get_le16(raw + PCI_STATUS) & PCI_STATUS_CAP_LIST ? raw[PCI_CAPABILITY_LIST] & ~3U : 0;
	while (at) {
		if (at < PCI_STD_HEADER_SIZEOF || seen & BIT_ULL(at / 4) || raw[at] == 0xff) {
			*ret_cut = true;
			break;
		}
		seen |= BIT_ULL(at / 4);
		cap[n++] = (struct cap){ .id = raw[at], .off = at, .room = PCI_CONFIG_SIZE - at };	/* 4 at least */
		at = raw[at + PCI_CAP_LIST_NEXT] & ~3U;
	}
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			if (cap[j].off > cap[i].off)
				cap[i].room = MIN(cap[i].room, cap[j].off - cap[i].off);
	return n;
}

unsigned int vfio_pci_cap_find(const struct vfio_pci *vp, u8 id)
{
	struct cap cap[CAPS];
	unsigned int i, n;
	bool cut;

	n = walk(vp->raw, cap, &cut);
	for (i = 0; i < n; i++)
		if (cap[i].id == id)
			return cap[i].off;
	return 0;
}

/* --- one by one: 0, or why not --- */

static int add(struct vfio_pci *vp, const struct cap *cap, unsigned int len)
{
	int r = len <= cap->room ? pci_dev_add_cap_at(&vp->pdev, cap->off, cap->id, len) : -EINVAL;

	return MIN(r, 0);
}

/* The bytes of [off, off+len) are what they were when the device was opened. */
static void keep(struct vfio_pci *vp, unsigned int off, unsigned int len)
{
	memcpy(vp->pdev.config + off, vp->raw + off, len);
}

static int add_read(struct vfio_pci *vp, const struct cap *cap)
{
	int r = add(vp, cap, cap->room);

	if (r == 0)
		vfio_pci_pass_read(vp, cap->off + 2, cap->room - 2);
	return r;
}

static int add_all(struct vfio_pci *vp, const struct cap *cap)
{
	int r = add_read(vp, cap);

	if (r == 0)
		vfio_pci_pass_write(vp, cap->off + 2, cap->room - 2);
	return r;
}

/* No PME: there is no wire for it to the guest. */
static int add_pm(struct vfio_pci *vp, const struct cap *cap)
{
	unsigned int off = cap->off;
	u16 pmc = get_le16(vp->raw + off + PCI_PM_PMC);
	int r = vp->pm_cap ? -EEXIST : add(vp, cap, PM_LEN);

	if (r < 0)
		return r;
	put_le16(vp->pdev.config + off + PCI_PM_PMC, pmc & (u16)~(PCI_PM_CAP_PME_MASK | PCI_PM_CAP_PME_CLOCK));
	put_le16(vp->pdev.config + off + PCI_PM_CTRL, get_le16(vp->raw + off + PCI_PM_CTRL) & PCI_PM_CTRL_NO_SOFT_RESET);
	pci_config_set_wmask(&vp->pdev, off + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK);
	vp->power_states = BIT(0) | BIT(3) | (pmc & PCI_PM_CAP_D1 ? BIT(1) : 0) | (pmc & PCI_PM_CAP_D2 ? BIT(2) : 0);
	vp->pm_cap = off;
	return 0;
}

/* How many vectors the host can give us. */
static unsigned int vectors(struct vfio_pci *vp, u32 index)
{
	struct vfio_irq irq;

	return vfio_irq_get(vp->vd, index, &irq) < 0 ? 0 : irq.count;
}

/* [pci-3.0 6.8.1] figure 6-9 */
static unsigned int msi_len(u16 control)
{
	return (control & PCI_MSI_FLAGS_64BIT ? 14 : 10) + (control & PCI_MSI_FLAGS_MASKBIT ? 10 : 0);
}

static int add_msi(struct vfio_pci *vp, const struct cap *cap)
{
	u16 control = get_le16(vp->raw + cap->off + PCI_MSI_FLAGS);
	unsigned int n = 1U << MIN((control & PCI_MSI_FLAGS_QMASK) >> 1, 5);
	unsigned int host = vectors(vp, VFIO_PCI_MSI_IRQ_INDEX);
	int r;

	while (n > host)
		n /= 2;
	if (!n || msi_len(control) > cap->room)
		return -EINVAL;
	r = pci_dev_add_msi_at(&vp->pdev, cap->off, n, control & PCI_MSI_FLAGS_64BIT, control & PCI_MSI_FLAGS_MASKBIT);
	if (r == 0)
		vp->msi_cap = cap->off;
	return r;
}

static int add_msix(struct vfio_pci *vp, const struct cap *cap)
{
	const u8 *raw = vp->raw + cap->off;
	struct pci_msix_place at;
	unsigned int n;
	u32 table, pba;
	int r;

	if (cap->room < PCI_CAP_MSIX_SIZEOF || cap->off != vfio_pci_cap_find(vp, PCI_CAP_ID_MSIX))	/* find_msix()'s, or none */
		return -EINVAL;
	table = get_le32(raw + PCI_MSIX_TABLE);
	pba = get_le32(raw + PCI_MSIX_PBA);
	at = (struct pci_msix_place){
		.bar = table & PCI_MSIX_TABLE_BIR, .table_off = table & PCI_MSIX_TABLE_OFFSET,
		.pba_bar = pba & PCI_MSIX_PBA_BIR, .pba_off = pba & PCI_MSIX_PBA_OFFSET,
	};
	n = (get_le16(raw + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1U;
	r = pci_dev_add_msix_at(&vp->pdev, cap->off, MIN(n, vectors(vp, VFIO_PCI_MSIX_IRQ_INDEX)), &at);
	if (r == 0)
		vp->msix_cap = cap->off;
	return r;
}

static void init_exp2(struct vfio_pci *vp, unsigned int off, unsigned int len)
{
	vfio_pci_pass_read(vp, off + PCI_EXP_DEVCAP2, len - PCI_EXP_DEVCAP2);
	vfio_pci_pass_write_bits(vp, off + PCI_EXP_DEVCTL2, 2, EXP_DEVCTL2_PASSED);
}

static unsigned int exp_len(u16 flags)
{
	return (flags & PCI_EXP_FLAGS_VERS) > 1 ? EXP_V2_LEN : EXP_V1_LEN;
}

static int add_exp(struct vfio_pci *vp, const struct cap *cap)
{
	unsigned int off = cap->off, len;
	u16 flags = get_le16(vp->raw + off + PCI_EXP_FLAGS);
	unsigned int type = (flags & PCI_EXP_FLAGS_TYPE) >> 4;
	int r;

	if (vp->exp_cap)
		return -EEXIST;
	if (type != PCI_EXP_TYPE_ENDPOINT && type != PCI_EXP_TYPE_LEG_END && type != PCI_EXP_TYPE_RC_END)
		return -EINVAL;
	len = MIN(exp_len(flags), cap->room);	/* there are devices that leave the end away */
	r = len < PCI_EXP_LNKCAP ? -EINVAL : add(vp, cap, len);
	if (r < 0)
		return r;
	vp->exp_cap = off;
	keep(vp, off + PCI_EXP_FLAGS, PCI_EXP_LNKCAP - PCI_EXP_FLAGS - 4);
	if (!vp->flr)
		vp->pdev.config[off + PCI_EXP_DEVCAP + 3] &= (u8)~(PCI_EXP_DEVCAP_FLR >> 24);
	put_le16(vp->passed_read + off + PCI_EXP_DEVCTL, EXP_DEVCTL_PASSED);
	vfio_pci_pass_write_bits(vp, off + PCI_EXP_DEVCTL, 2, EXP_DEVCTL_PASSED);
	put_le16(vp->pdev.config + off + PCI_EXP_DEVCTL, get_le16(vp->raw + off + PCI_EXP_DEVCTL) & PCI_EXP_DEVCTL_PAYLOAD);
	pci_config_set_wmask(&vp->pdev, off + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_PAYLOAD);
	vfio_pci_pass_read(vp, off + PCI_EXP_DEVSTA, 2);
	put_le16(vp->pdev.w1c + off + PCI_EXP_DEVSTA, EXP_DEVSTA_ERRORS);
	vfio_pci_pass_write_bits(vp, off + PCI_EXP_DEVSTA, 2, EXP_DEVSTA_ERRORS);
	if (len >= EXP_V1_LEN)
		vfio_pci_pass_read(vp, off + PCI_EXP_LNKCAP, EXP_V1_LEN - PCI_EXP_LNKCAP);
	if (len == EXP_V2_LEN)
		init_exp2(vp, off, len);
	return 0;
}

static int add_af(struct vfio_pci *vp, const struct cap *cap)
{
	int r = vp->af_cap ? -EEXIST : add(vp, cap, AF_LEN);

	if (r < 0)
		return r;
	vp->af_cap = cap->off;
	vp->pdev.config[cap->off + 2] = AF_LEN;
	vp->pdev.config[cap->off + PCI_AF_CAP] = vp->raw[cap->off + PCI_AF_CAP] & (PCI_AF_CAP_TP | (vp->flr ? PCI_AF_CAP_FLR : 0));
	put_le(vp->passed_read + cap->off + PCI_AF_STATUS, 1, PCI_AF_STATUS_TP);
	return 0;
}

/* --- policy --- */

struct policy {
	u8 id, len;		/* @len 0: as it says itself, or up to the next one */
	int (*add)(struct vfio_pci *vp, const struct cap *cap);	/* NULL: hidden */
};

/* What is not here is passed to read, and not written. */
static const struct policy policy[] = {
	{ 0x00, 4, NULL },				/* null: nothing in it */
	{ PCI_CAP_ID_PM, PM_LEN, add_pm },
	{ PCI_CAP_ID_AGP, 0, NULL },			/* a bridge's aperture belongs to it */
	{ PCI_CAP_ID_VPD, 8, add_all },			/* an address register that reads through a data register */
	{ PCI_CAP_ID_SLOTID, 0, NULL },			/* the host's chassis */
	{ PCI_CAP_ID_MSI, 0, add_msi },
	{ PCI_CAP_ID_CHSWP, 0, NULL },			/* hot swap of the host's board */
	{ PCI_CAP_ID_HT, 0, NULL },			/* interrupt and address mapping of the host's fabric */
	{ PCI_CAP_ID_VNDR, 0, add_all },		/* only its driver knows what it means, as with virtio */
	{ PCI_CAP_ID_SHPC, 0, NULL },			/* hot plug of the host's slots */
	{ PCI_CAP_ID_AGP3, 0, NULL },
	{ PCI_CAP_ID_EXP, 0, add_exp },
	{ PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF, add_msix },
	{ PCI_CAP_ID_SATA, 8, add_all },		/* an index register that reads through a data register */
	{ PCI_CAP_ID_AF, AF_LEN, add_af },
	{ PCI_CAP_ID_EA, 0, NULL },			/* fixed addresses: the host's */
};

static const struct policy *policy_of(u8 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policy); i++)
		if (policy[i].id == id)
			return &policy[i];
	return NULL;
}

/* How many bytes are of this one, as far as that is known: never more than there is room. */
static unsigned int extent(const struct vfio_pci *vp, const struct cap *cap)
{
	const struct policy *p = policy_of(cap->id);
	unsigned int len = p ? p->len : 0;

	if (cap->id == PCI_CAP_ID_MSI)
		len = msi_len(get_le16(vp->raw + cap->off + PCI_MSI_FLAGS));
	else if (cap->id == PCI_CAP_ID_EXP)
		len = exp_len(get_le16(vp->raw + cap->off + PCI_EXP_FLAGS));
	return len ? MIN(len, cap->room) : cap->room;
}

static void add_cap(struct vfio_pci *vp, const struct cap *found)
{
	const struct policy *p = policy_of(found->id);
	struct cap cap = *found;
	int r;

	if (p && !p->add)
		return;
	cap.room = extent(vp, found);
	r = p ? p->add(vp, &cap) : add_read(vp, &cap);
	if (r < 0)
		log_warn(vfio_device_name(vp->vd), "capability 0x%x at 0x%x makes no sense or no use here, and is hidden", cap.id, cap.off);
}

/* The device's own registers: everything that is in no capability, hidden ones included. */
static void pass_gaps(struct vfio_pci *vp, const struct cap *cap, unsigned int n)
{
	bool used[PCI_CONFIG_SIZE] = { false };
	unsigned int i;

	for (i = 0; i < n; i++)
		memset(used + cap[i].off, true, align_up(extent(vp, &cap[i]), 4));
	for (i = PCI_STD_HEADER_SIZEOF; i < PCI_CONFIG_SIZE; i++) {
		if (used[i])
			continue;
		vfio_pci_pass_read(vp, i, 1);
		vfio_pci_pass_write(vp, i, 1);
	}
}

/* A device whose region is shorter than config space: what is beyond, and a dword that is cut by its end, reads 0. */
static void pass_no_further(struct vfio_pci *vp)
{
	u64 end = align_down(vfio_region_get(vp->vd, VFIO_PCI_CONFIG_REGION_INDEX)->size, 4);

	if (end >= vp->config_size)
		return;
	memset(vp->passed_read + end, 0, vp->config_size - end);
	memset(vp->passed_write + end, 0, vp->config_size - end);
}

void vfio_pci_caps_init(struct vfio_pci *vp)
{
	struct cap cap[CAPS];
	unsigned int i, n;
	bool cut;

	n = walk(vp->raw, cap, &cut);
	for (i = 0; i < n; i++)
		add_cap(vp, &cap[i]);
	if (cut)
		log_warn(vfio_device_name(vp->vd), "its list of capabilities is broken after the first %u", n);
	else
		pass_gaps(vp, cap, n);
	pass_no_further(vp);
	if (vp->config_size > PCI_CONFIG_SIZE && vp->exp_cap)
		vfio_pci_extcaps_init(vp);
	free(vp->raw);
	vp->raw = NULL;
}
