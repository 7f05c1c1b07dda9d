/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a function interrupts: INTx [pci-3.0 6.2.2, 6.2.3], MSI [pci-3.0 6.8.1] in its four layouts, MSI-X [pci-3.0
 * 6.8.2].
 *
 * A vector of MSI-X is deliverable while MSI-X is enabled, the function mask is clear and the vector's own mask is
 * clear; one of MSI while MSI is enabled, the driver allows so many and its mask is clear. Every change ends in
 * vector_sync() or msi_sync_locked(), which make three things agree with that:
 *
 *   pending bit     set by an interrupt that finds its vector masked, cleared when it is sent; sent on unmasking
 *   GSI route       the vector's message, for the eventfd; brought up to date only while deliverable, because a
 *                   driver writes the words of a message one by one under mask and KVM judges them as a whole
 *   irqfd           eventfd and route joined in KVM while deliverable
 *
 * While the vector is masked its eventfd is with nobody: a signal stays in its counter, and who wants to know
 * looks there (collect()): a read of the pending bits, unmasking, saving. So nothing has to watch it. While MSI-X is
 * disabled signals and notifications have no meaning [pci-3.0 6.8.2.3: the function then uses INTx] and are
 * dropped, with what is pending. A message that KVM refuses to route goes nowhere, until the driver writes a
 * better one.
 *
 * The low and the reserved bits of a table entry read 0; accesses of the table are dwords and qwords [pci-3.0
 * 6.8.2]; smaller reads give the bytes, smaller writes are dropped. The PBA is read-only.
 *
 * Threads: any; pdev->irq_lock guards all of it. A message is sent under the lock, so that once a write of a
 * mask bit is done nothing more is sent. vector_changed() is called without irq_lock.
 */
#include "vmm/pci.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci-internal.h"
#include "util/endian.h"
#include "vmm/event.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	MSI_CONTROL = 2,
	MSI_CONTROL_ENABLE = 0x1,
	MSI_CONTROL_64BIT = 0x80,
	MSI_CONTROL_MASKING = 0x100,
	MSI_ADDRESS = 4,
	MSI_MAX_VECTORS = 32,

	MSIX_CONTROL = 2,
	MSIX_CONTROL_MASK = 0x4000,
	MSIX_CONTROL_ENABLE = 0x8000,
	MSIX_TABLE = 4,
	MSIX_PBA = 8,
	MSIX_LEN = 12,
	MSIX_MAX_VECTORS = 2048,

	ENTRY_SIZE = 16,
	ENTRY_ADDR = 0,
	ENTRY_DATA = 2,
	ENTRY_CONTROL = 3,
	ENTRY_MASKED = 1,
};

struct msi_irqfd {
	int fd;				/* owned; -1: none */
	u32 gsi;			/* owned route, if there is one */
	bool has_gsi;
	bool joined;			/* fd and gsi, in KVM */
	struct msi_msg routed;		/* what gsi stands for */
};

struct pci_msi {
	unsigned int cap, log2_vectors;
	bool addr64;
	unsigned int data_reg, mask_reg, pending_reg, len;	/* in the capability; mask_reg and pending_reg 0: no such registers */
	_Atomic bool enabled;
	/* as the guest wrote config, for those without the host's lock */
	_Atomic unsigned int allocated;	/* vectors it allows: power of two */
	u64 addr;
	u16 data;
	u32 mask, pending;
	struct msi_irqfd *irqfd;	/* owned; [MSI_MAX_VECTORS]; NULL until the first */
};

struct pci_msix {
	unsigned int vectors, cap;
	u32 table_off, pba_off;
	bool pba_elsewhere;		/* in a BAR that the device answers itself */
	_Atomic bool enabled;
	bool masked;			/* function mask */
	u32 (*entry)[4];		/* owned; [vectors] */
	u64 *pending;			/* owned; a bit each */
	struct msi_irqfd *irqfd;	/* owned; [vectors]; NULL until the first */
};

/* --- INTx --- */

/* [pci-3.0 6.8.1.3, 6.8.2.3] a function with MSI or MSI-X enabled does not use its pin */
void pci_intx_update_locked(struct pci_dev *pdev)
{
	if (pdev->intx)
		irq_line_set(pdev->intx, atomic_load(&pdev->intx_asserted) && !pdev->intx_disabled &&
					 !pci_msi_enabled(pdev) && !pci_msix_enabled(pdev));
}

void pci_intx_set(struct pci_dev *pdev, bool level)
{
	pthread_mutex_lock(&pdev->irq_lock);
	atomic_store(&pdev->intx_asserted, level);
	pci_intx_update_locked(pdev);
	pthread_mutex_unlock(&pdev->irq_lock);
}

int pci_intx_gsi(const struct pci_dev *pdev, u32 *ret_gsi)
{
	unsigned int pin = pdev->config[PCI_INTERRUPT_PIN];

	if (!pin || !pdev->host)
		return -EINVAL;
	*ret_gsi = pdev->host->cfg.intx_gsi[pci_intx_line(pdev->devfn / 8, pin)];
	return 0;
}

/* --- eventfds, of MSI and MSI-X --- */

static struct msi_irqfd *irqfd_of(struct msi_irqfd *table, unsigned int vector)
{
	return table && table[vector].fd >= 0 ? &table[vector] : NULL;
}

static bool same_msg(const struct msi_msg *a, const struct msi_msg *b)
{
	return a->addr == b->addr && a->data == b->data && a->devid == b->devid;
}

static void irqfd_part(struct pci_dev *pdev, struct msi_irqfd *f)
{
	if (f->joined)
		irq_irqfd_del(pdev->host->dev.vm, f->gsi, f->fd);
	f->joined = false;
}

static int irqfd_route(struct pci_dev *pdev, struct msi_irqfd *f, const struct msi_msg *msg)
{
	struct vm *vm = pdev->host->dev.vm;
	int r = 0;

	if (!f->has_gsi)
		r = irq_route_add(vm, msg, &f->gsi);
	else if (!same_msg(msg, &f->routed))
		r = irq_route_update(vm, f->gsi, msg);
	if (r < 0)
		return r;
	f->has_gsi = true;
	f->routed = *msg;
	return 0;
}

/* A message that KVM refuses (-EINVAL) is the guest's fault; any other failure is the host's, and costs the guest interrupts. */
static void irqfd_join(struct pci_dev *pdev, unsigned int vector, struct msi_irqfd *f, const struct msi_msg *msg)
{
	int r = irqfd_route(pdev, f, msg);

	if (r < 0) {
		irqfd_part(pdev, f);
		log_ratelimited(&pdev->host->rate, r == -EINVAL ? LOG_DEBUG : LOG_WARNING, pci_dev_name(pdev),
				"vector %u: no route for the message 0x%x to 0x%" PRIx64 ": %s", vector, msg->data, msg->addr, strerror(-r));
		return;
	}
	if (f->joined)
		return;
	r = irq_irqfd_add(pdev->host->dev.vm, f->gsi, f->fd, -1);
	f->joined = !r;
	if (r < 0)
		log_ratelimited(&pdev->host->rate, LOG_WARNING, pci_dev_name(pdev), "vector %u gives no interrupts until the guest sets it up "
				"again: KVM does not take its eventfd: %s", vector, strerror(-r));
}

static void irqfd_free(struct pci_dev *pdev, struct msi_irqfd *f)
{
	irqfd_part(pdev, f);
	if (f->has_gsi)
		irq_route_del(pdev->host->dev.vm, f->gsi);
	close(f->fd);
	f->fd = -1;
}

/*
 * Makes @table[@vector]. Its route is taken now, so that a lack of GSIs is the caller's to know and not the guest's. So is a KVM that takes
 * no irqfds, as where the interrupt controller is not in the kernel, and a message that cannot be a route; but a vector that the guest has
 * not @ready yet may have no such message: it gets its route with the first good one.
 */
static int irqfd_make(struct pci_dev *pdev, struct msi_irqfd *table, unsigned int vector, const struct msi_msg *msg, bool ready)
{
	struct msi_irqfd f = { .fd = eventfd_create() };
	int r;

	if (f.fd < 0)
		return f.fd;
	r = irqfd_route(pdev, &f, msg);
	if (!r) {
		r = irq_irqfd_add(pdev->host->dev.vm, f.gsi, f.fd, -1);
		f.joined = !r;
	} else if (r == -EINVAL && !ready) {
		r = 0;
	}
	if (r < 0) {
		irqfd_free(pdev, &f);
		return r;
	}
	table[vector] = f;
	return f.fd;
}

static struct msi_irqfd *irqfd_table(unsigned int vectors)
{
	struct msi_irqfd *table = calloc(vectors, sizeof(*table));

	while (table && vectors--)
		table[vectors].fd = -1;
	return table;
}

static void irqfd_table_free(struct pci_dev *pdev, struct msi_irqfd **table, unsigned int vectors)
{
	unsigned int i;

	for (i = 0; *table && i < vectors; i++)
		if (irqfd_of(*table, i))
			irqfd_free(pdev, &(*table)[i]);
	free(*table);
	*table = NULL;
}

/* --- MSI --- */

/* [pci-3.0 6.8.1] figure 6-9 */
static void msi_layout(struct pci_msi *msi, bool addr64, bool maskable)
{
	msi->addr64 = addr64;
	msi->data_reg = addr64 ? MSI_ADDRESS + 8 : MSI_ADDRESS + 4;
	msi->len = msi->data_reg + 2;
	if (maskable) {
		msi->mask_reg = msi->data_reg + 4;
		msi->pending_reg = msi->mask_reg + 4;
		msi->len = msi->pending_reg + 4;
	}
}

static void msi_registers(struct pci_dev *pdev, const struct pci_msi *msi)
{
	u16 control = (u16)(msi->log2_vectors << 1);

	memset(pdev->config + msi->cap + MSI_ADDRESS, 0, msi->len - MSI_ADDRESS);
	pci_config_set_wmask(pdev, msi->cap + MSI_CONTROL, 2, MSI_CONTROL_ENABLE | 7 << 4);
	pci_config_set_wmask(pdev, msi->cap + MSI_ADDRESS, 4, ~3U);
	pci_config_set_wmask(pdev, msi->cap + msi->data_reg, 2, 0xffff);
	if (msi->addr64) {
		control |= MSI_CONTROL_64BIT;
		pci_config_set_wmask(pdev, msi->cap + MSI_ADDRESS + 4, 4, ~0U);
	}
	if (msi->mask_reg) {
		control |= MSI_CONTROL_MASKING;
		pci_config_set_wmask(pdev, msi->cap + msi->mask_reg, 4, (u32)((1ULL << (1U << msi->log2_vectors)) - 1));
	}
	put_le16(pdev->config + msi->cap + MSI_CONTROL, control);
}

/* @off: where it lies; 0: where there is room. */
static int add_msi(struct pci_dev *pdev, unsigned int off, unsigned int vectors, bool addr64, bool maskable)
{
	struct pci_msi *msi;
	int cap;

	if (!is_power_of_two(vectors) || vectors > MSI_MAX_VECTORS || pdev->msi)
		return -EINVAL;
	msi = calloc(1, sizeof(*msi));
	if (!msi)
		return -ENOMEM;
	msi_layout(msi, addr64, maskable);
	cap = off ? pci_dev_add_cap_at(pdev, off, PCI_CAP_ID_MSI, msi->len) : pci_dev_add_cap(pdev, PCI_CAP_ID_MSI, msi->len);
	if (cap < 0) {
		free(msi);
		return cap;
	}
	msi->cap = (unsigned int)cap;
	while (vectors >> msi->log2_vectors > 1)
		msi->log2_vectors++;
	msi->allocated = 1;
	msi_registers(pdev, msi);
	pdev->msi = msi;
	return 0;
}

int pci_dev_add_msi(struct pci_dev *pdev, unsigned int vectors)
{
	return add_msi(pdev, 0, vectors, true, true);
}

int pci_dev_add_msi_at(struct pci_dev *pdev, unsigned int off, unsigned int vectors, bool addr64, bool maskable)
{
	return off ? add_msi(pdev, off, vectors, addr64, maskable) : -EINVAL;
}

bool pci_msi_enabled(const struct pci_dev *pdev)
{
	return pdev->msi && atomic_load(&pdev->msi->enabled);
}

/* [pci-3.0 6.8.1.6] the low bits of the data tell the vectors apart */
static struct msi_msg msi_msg_of(const struct pci_dev *pdev, unsigned int vector)
{
	const struct pci_msi *msi = pdev->msi;
	return (struct msi_msg){
		.addr = msi->addr, .data = (msi->data & ~(msi->allocated - 1)) | vector, .devid = pdev->devfn,
	};
}

static bool msi_deliverable(const struct pci_msi *msi, unsigned int vector)
{
	return msi->enabled && vector < msi->allocated && !(msi->mask & BIT(vector));
}

static void msi_send_pending_locked(struct pci_dev *pdev)
{
	struct pci_msi *msi = pdev->msi;
	struct msi_msg msg;
	unsigned int i;

	for (i = 0; i < msi->allocated; i++) {
		if (!(msi->pending & BIT(i)) || !msi_deliverable(msi, i))
			continue;
		msi->pending &= ~BIT(i);
		msg = msi_msg_of(pdev, i);
		irq_msi_send(pdev->host->dev.vm, &msg);
	}
}

/* As collect() does for MSI-X; for all vectors. */
static void msi_collect(struct pci_msi *msi)
{
	struct msi_irqfd *f;
	unsigned int i;

	for (i = 0; i < 1U << msi->log2_vectors; i++) {
		f = irqfd_of(msi->irqfd, i);
		if (f && !f->joined && eventfd_drain(f->fd) && msi->enabled)
			msi->pending |= BIT(i);
	}
}

/* After any change: eventfds follow, and what has become deliverable is sent. */
static void msi_sync_locked(struct pci_dev *pdev)
{
	struct pci_msi *msi = pdev->msi;
	struct msi_irqfd *f;
	struct msi_msg msg;
	unsigned int i;

	msi_collect(msi);
	for (i = 0; msi->irqfd && i < 1U << msi->log2_vectors; i++) {
		f = irqfd_of(msi->irqfd, i);
		if (!f)
			continue;
		msg = msi_msg_of(pdev, i);
		if (msi_deliverable(msi, i))
			irqfd_join(pdev, i, f, &msg);
		else
			irqfd_part(pdev, f);
	}
	msi_send_pending_locked(pdev);
}

void pci_msi_notify(struct pci_dev *pdev, unsigned int vector)
{
	struct pci_msi *msi = pdev->msi;

	if (!msi || vector >> msi->log2_vectors)
		return;
	pthread_mutex_lock(&pdev->irq_lock);
	if (msi->enabled) {
		msi->pending |= BIT(vector & (msi->allocated - 1));
		msi_send_pending_locked(pdev);
	}
	pthread_mutex_unlock(&pdev->irq_lock);
}

/* Takes over what config says. */
static void msi_parse_locked(struct pci_dev *pdev)
{
	struct pci_msi *msi = pdev->msi;
	const u8 *c = pdev->config + msi->cap;
	u16 control = get_le16(c + MSI_CONTROL);

	if (!msi->enabled)
		msi_collect(msi);	/* drops it */
	/* [pci-3.0 6.8.1.3] more than it has, or a reserved value: what it has */
	msi->allocated = 1U << MIN(control >> 4 & 7U, msi->log2_vectors);
	msi->addr = msi->addr64 ? get_le64(c + MSI_ADDRESS) : get_le32(c + MSI_ADDRESS);
	msi->data = get_le16(c + msi->data_reg);
	msi->mask = msi->mask_reg ? get_le32(c + msi->mask_reg) : 0;
	atomic_store(&msi->enabled, control & MSI_CONTROL_ENABLE);
	if (!msi->enabled)
		msi->pending = 0;
}

static void msi_written(struct pci_dev *pdev)
{
	unsigned int i;

	pthread_mutex_lock(&pdev->irq_lock);
	msi_parse_locked(pdev);
	pci_intx_update_locked(pdev);
	msi_sync_locked(pdev);
	pthread_mutex_unlock(&pdev->irq_lock);
	for (i = 0; pdev->pops->vector_changed && i < 1U << pdev->msi->log2_vectors; i++)
		pdev->pops->vector_changed(pdev, i);
}

unsigned int pci_msi_vectors(const struct pci_dev *pdev)
{
	return pdev->msi ? 1U << pdev->msi->log2_vectors : 0;
}

unsigned int pci_msi_allocated(const struct pci_dev *pdev)
{
	return pdev->msi ? atomic_load(&pdev->msi->allocated) : 0;
}

int pci_msi_irqfd(struct pci_dev *pdev, unsigned int vector)
{
	struct pci_msi *msi = pdev->msi;
	struct msi_msg msg;
	int r;

	if (!msi || vector >> msi->log2_vectors || !pdev->host)
		return -EINVAL;
	pthread_mutex_lock(&pdev->irq_lock);
	if (!msi->irqfd)
		msi->irqfd = irqfd_table(MSI_MAX_VECTORS);
	r = msi->irqfd ? msi->irqfd[vector].fd : -ENOMEM;
	if (r == -1) {
		msg = msi_msg_of(pdev, vector);
		r = irqfd_make(pdev, msi->irqfd, vector, &msg, msi_deliverable(msi, vector));
		if (r >= 0)
			msi_sync_locked(pdev);
	}
	pthread_mutex_unlock(&pdev->irq_lock);
	return r;
}

/* --- MSI-X: vectors --- */

static bool deliverable(const struct pci_msix *x, unsigned int vector)
{
	return x->enabled && !x->masked && !(x->entry[vector][ENTRY_CONTROL] & ENTRY_MASKED);
}

static bool is_pending(const struct pci_msix *x, unsigned int vector)
{
	return x->pending[vector / 64] >> vector % 64 & 1;
}

static void set_pending(struct pci_msix *x, unsigned int vector, bool on)
{
	if (on)
		x->pending[vector / 64] |= BIT_ULL(vector % 64);
	else
		x->pending[vector / 64] &= ~BIT_ULL(vector % 64);
}

static struct msi_msg entry_msg(const struct pci_dev *pdev, unsigned int vector)
{
	const u32 *e = pdev->msix->entry[vector];

	return (struct msi_msg){
		.addr = e[ENTRY_ADDR] | (u64)e[ENTRY_ADDR + 1] << 32, .data = e[ENTRY_DATA], .devid = pdev->devfn,
	};
}

/* What was signalled while the eventfd was with nobody. */
static void collect(struct pci_msix *x, unsigned int vector)
{
	struct msi_irqfd *f = irqfd_of(x->irqfd, vector);

	if (f && !f->joined && eventfd_drain(f->fd) && x->enabled)
		set_pending(x, vector, true);
}

static void vector_sync(struct pci_dev *pdev, unsigned int vector)
{
	struct pci_msix *x = pdev->msix;
	struct msi_irqfd *f = irqfd_of(x->irqfd, vector);
	struct msi_msg msg = entry_msg(pdev, vector);

	if (!deliverable(x, vector)) {
		if (f)
			irqfd_part(pdev, f);
		return;
	}
	if (f) {
		collect(x, vector);
		irqfd_join(pdev, vector, f, &msg);
	}
	if (is_pending(x, vector)) {
		set_pending(x, vector, false);
		irq_msi_send(pdev->host->dev.vm, &msg);
	}
}

bool pci_msix_enabled(const struct pci_dev *pdev)
{
	return pdev->msix && atomic_load(&pdev->msix->enabled);
}

unsigned int pci_msix_vectors(const struct pci_dev *pdev)
{
	return pdev->msix ? pdev->msix->vectors : 0;
}

void pci_msix_notify(struct pci_dev *pdev, unsigned int vector)
{
	struct pci_msix *x = pdev->msix;
	struct msi_msg msg;

	if (!x || vector >= x->vectors)
		return;
	pthread_mutex_lock(&pdev->irq_lock);
	if (deliverable(x, vector)) {
		msg = entry_msg(pdev, vector);
		irq_msi_send(pdev->host->dev.vm, &msg);
	} else if (x->enabled) {
		set_pending(x, vector, true);
	}
	pthread_mutex_unlock(&pdev->irq_lock);
}

int pci_msix_irqfd(struct pci_dev *pdev, unsigned int vector)
{
	struct pci_msix *x = pdev->msix;
	struct msi_msg msg;
	int r;

	if (!x || vector >= x->vectors || !pdev->host)
		return -EINVAL;
	pthread_mutex_lock(&pdev->irq_lock);
	if (!x->irqfd)
		x->irqfd = irqfd_table(x->vectors);
	r = x->irqfd ? x->irqfd[vector].fd : -ENOMEM;
	if (r == -1) {
		msg = entry_msg(pdev, vector);
		r = irqfd_make(pdev, x->irqfd, vector, &msg, deliverable(x, vector));
		if (r >= 0)
			vector_sync(pdev, vector);
	}
	pthread_mutex_unlock(&pdev->irq_lock);
	return r;
}

bool pci_msix_deliverable(struct pci_dev *pdev, unsigned int vector)
{
	struct pci_msix *x = pdev->msix;
	bool ret;

	if (!x || vector >= x->vectors)
		return false;
	pthread_mutex_lock(&pdev->irq_lock);
	ret = deliverable(x, vector);
	pthread_mutex_unlock(&pdev->irq_lock);
	return ret;
}

void pci_msi_irqfds_free(struct pci_dev *pdev)
{
	struct pci_msix *x = pdev->msix;
	unsigned int i;

	pthread_mutex_lock(&pdev->irq_lock);
	/* What nobody has seen yet stays pending. */
	for (i = 0; x && i < x->vectors; i++)
		collect(x, i);
	if (x)
		irqfd_table_free(pdev, &x->irqfd, x->vectors);
	if (pdev->msi) {
		msi_collect(pdev->msi);
		irqfd_table_free(pdev, &pdev->msi->irqfd, MSI_MAX_VECTORS);
	}
	pthread_mutex_unlock(&pdev->irq_lock);
}

/* --- MSI-X: registers --- */

static bool memory_bar(const struct pci_dev *pdev, unsigned int bar)
{
	return bar < PCI_BARS && pdev->bar[bar].type != PCI_BAR_NONE && pdev->bar[bar].type != PCI_BAR_IO;
}

static bool ranges_ok(const struct pci_dev *pdev, unsigned int vectors, const struct pci_msix_place *at)
{
	u64 table_end = at->table_off + (u64)vectors * ENTRY_SIZE;
	u64 pba_end = at->pba_off + (u64)(vectors + 63) / 64 * 8;

	return memory_bar(pdev, at->bar) && memory_bar(pdev, at->pba_bar) && is_aligned(at->table_off | at->pba_off, 8) &&
	       table_end <= pdev->bar[at->bar].size && pba_end <= pdev->bar[at->pba_bar].size &&
	       (at->bar != at->pba_bar || table_end <= at->pba_off || pba_end <= at->table_off);
}

static void msix_free(struct pci_msix *x)
{
	if (!x)
		return;
	free(x->entry);
	free(x->pending);
	free(x);
}

static struct pci_msix *msix_alloc(unsigned int vectors, const struct pci_msix_place *at)
{
	struct pci_msix *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->entry = calloc(vectors, sizeof(*x->entry));
	x->pending = calloc((vectors + 63) / 64, sizeof(*x->pending));
	if (!x->entry || !x->pending) {
		msix_free(x);
		return NULL;
	}
	x->vectors = vectors;
	x->table_off = at->table_off;
	x->pba_off = at->pba_off;
	x->pba_elsewhere = at->pba_bar != at->bar;
	while (vectors--)	/* [pci-3.0 6.8.2.9] masked after reset */
		x->entry[vectors][ENTRY_CONTROL] = ENTRY_MASKED;
	return x;
}

/* @off: where it lies; 0: where there is room. */
static int add_msix(struct pci_dev *pdev, unsigned int off, unsigned int vectors, const struct pci_msix_place *at)
{
	struct pci_msix *x;
	int cap;

	if (!vectors || vectors > MSIX_MAX_VECTORS || pdev->msix || !ranges_ok(pdev, vectors, at))
		return -EINVAL;
	x = msix_alloc(vectors, at);
	if (!x)
		return -ENOMEM;
	cap = off ? pci_dev_add_cap_at(pdev, off, PCI_CAP_ID_MSIX, MSIX_LEN) : pci_dev_add_cap(pdev, PCI_CAP_ID_MSIX, MSIX_LEN);
	if (cap < 0) {
		msix_free(x);
		return cap;
	}
	x->cap = (unsigned int)cap;
	put_le16(pdev->config + cap + MSIX_CONTROL, (u16)(vectors - 1));
	put_le32(pdev->config + cap + MSIX_TABLE, at->table_off | at->bar);
	put_le32(pdev->config + cap + MSIX_PBA, at->pba_off | at->pba_bar);
	pci_config_set_wmask(pdev, x->cap + MSIX_CONTROL, 2, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK);
	pdev->msix = x;
	return 0;
}

int pci_dev_add_msix(struct pci_dev *pdev, unsigned int vectors, unsigned int bar, u32 table_off, u32 pba_off)
{
	const struct pci_msix_place at = { .bar = bar, .table_off = table_off, .pba_bar = bar, .pba_off = pba_off };

	return add_msix(pdev, 0, vectors, &at);
}

int pci_dev_add_msix_at(struct pci_dev *pdev, unsigned int off, unsigned int vectors, const struct pci_msix_place *at)
{
	return off ? add_msix(pdev, off, vectors, at) : -EINVAL;
}

static void msix_control_written(struct pci_dev *pdev)
{
	struct pci_msix *x = pdev->msix;
	u16 control = get_le16(pdev->config + x->cap + MSIX_CONTROL);
	bool enabled = control & MSIX_CONTROL_ENABLE, masked = control & MSIX_CONTROL_MASK, changed;
	unsigned int i;

	pthread_mutex_lock(&pdev->irq_lock);
	changed = enabled != x->enabled || masked != x->masked;
	if (changed) {
		for (i = 0; i < x->vectors && !x->enabled; i++)
			collect(x, i);		/* disabled: drops it */
		atomic_store(&x->enabled, enabled);
		x->masked = masked;
		if (!enabled)
			memset(x->pending, 0, (x->vectors + 63) / 64 * sizeof(*x->pending));
		for (i = 0; i < x->vectors; i++)
			vector_sync(pdev, i);
		pci_intx_update_locked(pdev);
	}
	pthread_mutex_unlock(&pdev->irq_lock);
	for (i = 0; changed && pdev->pops->vector_changed && i < x->vectors; i++)
		pdev->pops->vector_changed(pdev, i);
}

static u32 table_read_locked(const struct pci_msix *x, u32 dword)
{
	return x->entry[dword / 4][dword % 4];
}

static u32 pba_read_locked(struct pci_msix *x, u32 dword)
{
	unsigned int i = dword * 32, end = MIN(i + 32, x->vectors);

	for (; i < end; i++)
		collect(x, i);
	return (u32)(x->pending[dword / 2] >> dword % 2 * 32);
}

/* True: @off is in the table (@ret_pba false) or PBA, at byte @ret_at of it. */
static bool msix_range(const struct pci_msix *x, u64 off, bool *ret_pba, u32 *ret_at)
{
	if (off >= x->table_off && off - x->table_off < x->vectors * ENTRY_SIZE) {
		*ret_pba = false;
		*ret_at = (u32)(off - x->table_off);
		return true;
	}
	if (!x->pba_elsewhere && off >= x->pba_off && off - x->pba_off < (x->vectors + 63) / 64 * 8) {
		*ret_pba = true;
		*ret_at = (u32)(off - x->pba_off);
		return true;
	}
	return false;
}

bool pci_msix_read(struct pci_dev *pdev, u64 off, unsigned int size, u64 *val)
{
	struct pci_msix *x = pdev->msix;
	unsigned int i;
	u64 v = 0;
	bool pba;
	u32 at;

	if (!x || !msix_range(x, off, &pba, &at))
		return false;
	if (size > 8 || !is_aligned(at, size)) {
		*val = ones(size);
		return true;
	}
	pthread_mutex_lock(&pdev->irq_lock);
	for (i = 0; i < (size == 8 ? 2U : 1U); i++)
		v |= (u64)(pba ? pba_read_locked(x, at / 4 + i) : table_read_locked(x, at / 4 + i)) << i * 32;
	pthread_mutex_unlock(&pdev->irq_lock);
	*val = v >> at % 4 * 8 & ones(size);
	return true;
}

static void entry_write_locked(struct pci_msix *x, u32 dword, u32 val)
{
	switch (dword % 4) {
	case ENTRY_ADDR:
		val &= ~3U;
		break;
	case ENTRY_CONTROL:
		val &= ENTRY_MASKED;
		break;
	}
	x->entry[dword / 4][dword % 4] = val;
}

bool pci_msix_write(struct pci_dev *pdev, u64 off, u64 val, unsigned int size)
{
	struct pci_msix *x = pdev->msix;
	unsigned int vector;
	bool pba;
	u32 at;

	if (!x || !msix_range(x, off, &pba, &at))
		return false;
	if (pba || (size != 4 && size != 8) || !is_aligned(at, size))
		return true;
	vector = at / ENTRY_SIZE;
	pthread_mutex_lock(&pdev->irq_lock);
	entry_write_locked(x, at / 4, (u32)val);
	if (size == 8)
		entry_write_locked(x, at / 4 + 1, (u32)(val >> 32));
	vector_sync(pdev, vector);
	pthread_mutex_unlock(&pdev->irq_lock);
	if (pdev->pops->vector_changed)
		pdev->pops->vector_changed(pdev, vector);
	return true;
}

static u64 msix_io_read(struct io_region *r, u64 off, unsigned int size)
{
	u64 val = 0;

	pci_msix_read(pci_bar_of(r)->pdev, off, size, &val);
	return val;
}

static void msix_io_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	pci_msix_write(pci_bar_of(r)->pdev, off, val, size);
}

const struct io_ops pci_msix_io = { .read = msix_io_read, .write = msix_io_write, .sizes = 4 | 8 };

/* --- both --- */

void pci_msi_config_read(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 *val)
{
	struct pci_msi *msi = pdev->msi;

	if (!msi || !msi->pending_reg || (off & ~3U) != msi->cap + msi->pending_reg)
		return;
	pthread_mutex_lock(&pdev->irq_lock);
	msi_collect(msi);
	*val = msi->pending >> off % 4 * 8 & (u32)ones(size);
	pthread_mutex_unlock(&pdev->irq_lock);
}

void pci_msi_config_written(struct pci_dev *pdev, unsigned int off, unsigned int size)
{
	const struct pci_msix *x = pdev->msix;
	const struct pci_msi *msi = pdev->msi;

	if (msi && off < msi->cap + msi->len && msi->cap < off + size)
		msi_written(pdev);
	if (x && off < x->cap + MSIX_LEN && x->cap < off + size)
		msix_control_written(pdev);
}

void pci_msi_reset(struct pci_dev *pdev)
{
	struct pci_msix *x = pdev->msix;
	unsigned int i;

	pthread_mutex_lock(&pdev->irq_lock);
	atomic_store(&pdev->intx_asserted, false);
	pdev->intx_disabled = false;
	if (pdev->msi) {
		msi_parse_locked(pdev);
		msi_sync_locked(pdev);
	}
	if (x) {
		atomic_store(&x->enabled, false);
		x->masked = false;
		memset(x->pending, 0, (x->vectors + 63) / 64 * sizeof(*x->pending));
		for (i = 0; i < x->vectors; i++) {
			memset(x->entry[i], 0, sizeof(x->entry[i]));
			x->entry[i][ENTRY_CONTROL] = ENTRY_MASKED;
			vector_sync(pdev, i);
		}
	}
	pci_intx_update_locked(pdev);
	pthread_mutex_unlock(&pdev->irq_lock);
}

void pci_msi_free(struct pci_dev *pdev)
{
	pci_msi_irqfds_free(pdev);
	msix_free(pdev->msix);
	free(pdev->msi);
	pdev->msix = NULL;
	pdev->msi = NULL;
}

/* --- state: u8 INTx; MSI: u32 pending; MSI-X: u32 vectors, bytes entries, bytes pending --- */

struct pci_msi_state {
	bool intx;
	u32 msi_pending;
	u32 (*entry)[4];
	u64 *pending;
};

/* A clean copy in little endian of @n numbers, or back: the stream's bytes do not depend on the host. */
static void swap_entries(u32 *v, size_t n)
{
	for (; n; n--, v++)
		*v = htole32(*v);
}

static void swap_pending(u64 *v, size_t n)
{
	for (; n; n--, v++)
		*v = htole64(*v);
}

void pci_msi_save(struct pci_dev *pdev, struct state_writer *w)
{
	struct pci_msix *x = pdev->msix;
	unsigned int i, words;

	pthread_mutex_lock(&pdev->irq_lock);
	state_put_u8(w, atomic_load(&pdev->intx_asserted));
	if (pdev->msi) {
		msi_collect(pdev->msi);
		state_put_u32(w, pdev->msi->pending);
	}
	if (x) {
		words = (x->vectors + 63) / 64;
		for (i = 0; i < x->vectors; i++)
			collect(x, i);
		state_put_u32(w, x->vectors);
		swap_entries(x->entry[0], x->vectors * 4);
		state_put_bytes(w, x->entry, x->vectors * ENTRY_SIZE);
		swap_entries(x->entry[0], x->vectors * 4);
		swap_pending(x->pending, words);
		state_put_bytes(w, x->pending, words * 8);
		swap_pending(x->pending, words);
	}
	pthread_mutex_unlock(&pdev->irq_lock);
}

static void state_free(struct pci_msi_state *st)
{
	free(st->entry);
	free(st->pending);
	free(st);
}

static bool msix_load(const struct pci_msix *x, struct state_reader *r, struct pci_msi_state *st)
{
	unsigned int i, words = (x->vectors + 63) / 64;

	if (state_get_u32(r) != x->vectors)
		state_fail(r);
	st->entry = calloc(x->vectors, sizeof(*st->entry));
	st->pending = calloc(words, sizeof(*st->pending));
	if (!st->entry || !st->pending)
		return false;
	state_get_bytes(r, st->entry, x->vectors * ENTRY_SIZE);
	state_get_bytes(r, st->pending, words * 8);
	swap_entries(st->entry[0], x->vectors * 4);
	swap_pending(st->pending, words);
	for (i = 0; i < x->vectors; i++) {
		st->entry[i][ENTRY_ADDR] &= ~3U;
		st->entry[i][ENTRY_CONTROL] &= ENTRY_MASKED;
	}
	return true;
}

struct pci_msi_state *pci_msi_load(struct pci_dev *pdev, struct state_reader *r)
{
	struct pci_msi_state *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->intx = state_get_u8(r);
	if (pdev->msi)
		st->msi_pending = state_get_u32(r) & (u32)((1ULL << (1U << pdev->msi->log2_vectors)) - 1);
	if ((!pdev->msix || msix_load(pdev->msix, r, st)) && !r->error)
		return st;
	state_free(st);
	return NULL;
}

void pci_msi_load_commit(struct pci_dev *pdev, struct pci_msi_state *st)
{
	struct pci_msix *x = pdev->msix;
	unsigned int i;
	u16 control;

	pthread_mutex_lock(&pdev->irq_lock);
	atomic_store(&pdev->intx_asserted, st->intx && pdev->config[PCI_INTERRUPT_PIN]);
	pdev->intx_disabled = get_le16(pdev->config + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
	if (pdev->msi) {
		msi_parse_locked(pdev);
		if (pdev->msi->enabled)
			pdev->msi->pending = st->msi_pending;
		msi_sync_locked(pdev);
	}
	if (x) {
		control = get_le16(pdev->config + x->cap + MSIX_CONTROL);
		atomic_store(&x->enabled, control & MSIX_CONTROL_ENABLE);
		x->masked = control & MSIX_CONTROL_MASK;
		memcpy(x->entry, st->entry, x->vectors * sizeof(*x->entry));
		for (i = 0; i < x->vectors; i++)
			set_pending(x, i, x->enabled && st->pending[i / 64] >> i % 64 & 1);
		for (i = 0; i < x->vectors; i++)
			vector_sync(pdev, i);
	}
	pci_intx_update_locked(pdev);
	pthread_mutex_unlock(&pdev->irq_lock);
	state_free(st);
}
