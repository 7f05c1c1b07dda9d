// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: VFIO_DEVICE_SET_IRQS, with what vfio-pci makes of it: one kind of interrupts at a
 * time, MSI's number of vectors fixed while it is on, MSI-X's too unless irq= has VDEV_IRQ_DYNAMIC;
 * INTx can be masked and unmasked, by an eventfd too. v->lock is held; what irq.c reads changes
 * under irq_lock.
 */
#include "vdev.h"

static bool none_in_use(struct vdev *v)
{
	return v->irq_index == VFIO_PCI_NUM_IRQS;
}

static void set_trigger(struct vdev *v, struct eventfd_ctx **slot, struct eventfd_ctx *ctx)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	swap(*slot, ctx);
	spin_unlock_irqrestore(&v->irq_lock, flags);
	if (ctx)
		eventfd_ctx_put(ctx);
}

static int get_eventfd(s32 fd, struct eventfd_ctx **ret)
{
	*ret = fd < 0 ? NULL : eventfd_ctx_fdget(fd);
	return fd < -1 ? -EINVAL : PTR_ERR_OR_ZERO(*ret);
}

static void set_enable_bits(struct vdev *v, unsigned int index, unsigned int nr)
{
	u16 flags;

	if (v->msi_cap) {
		flags = vdev_config_get(v, v->msi_cap + PCI_MSI_FLAGS, 2) &
			~(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
		if (index == VFIO_PCI_MSI_IRQ_INDEX)
			flags |= PCI_MSI_FLAGS_ENABLE | ilog2(roundup_pow_of_two(nr)) << 4;
		vdev_config_set(v, v->msi_cap + PCI_MSI_FLAGS, 2, flags, 0);
	}
	if (v->msix_cap) {
		flags = vdev_config_get(v, v->msix_cap + PCI_MSIX_FLAGS, 2) &
			~PCI_MSIX_FLAGS_ENABLE;
		if (index == VFIO_PCI_MSIX_IRQ_INDEX)
			flags |= PCI_MSIX_FLAGS_ENABLE;
		vdev_config_set(v, v->msix_cap + PCI_MSIX_FLAGS, 2, flags, PCI_MSIX_FLAGS_MASKALL);
	}
}

static void set_index(struct vdev *v, unsigned int index, unsigned int nr)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	WRITE_ONCE(v->irq_index, index);
	v->nr_irqs = nr;
	if (index == VFIO_PCI_NUM_IRQS)
		v->pending = 0;
	v->intx_masked = false;
	set_enable_bits(v, index, nr);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

static void disable(struct vdev *v)
{
	unsigned int i;

	for (i = 0; i < v->msix_vectors; i++)
		vdev_msix_write(v, i * 4 + 3, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	if (v->irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		vfio_virqfd_disable(&v->intx_unmask);
	set_index(v, VFIO_PCI_NUM_IRQS, 0);
	for (i = 0; i < VDEV_MAX_VECTORS; i++)
		set_trigger(v, &v->trigger[i], NULL);
}

/* The vector @i of index @index gets the eventfd @fd. */
static int set_vector(struct vdev *v, unsigned int index, unsigned int i, s32 fd)
{
	struct eventfd_ctx *ctx;
	int r = get_eventfd(fd, &ctx);

	if (r)
		return r;
	if (ctx && index == VFIO_PCI_MSIX_IRQ_INDEX)
		vdev_msix_write(v, i * 4 + 3, 0);
	set_trigger(v, &v->trigger[i], ctx);
	vdev_irq_kick(v);
	return 0;
}

/* User space's own test: the eventfd is signalled as if the device had. */
static void loop_back(struct vdev *v, unsigned int i)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	if (v->trigger[i] && !vdev_intx_disabled(v))
		lkvm_eventfd_signal(v->trigger[i]);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

/* Is item @i of @set meant: always by NONE, as it says by BOOL. */
static bool meant(const struct vfio_irq_set *set, const void *data, unsigned int i)
{
	return (set->flags & VFIO_IRQ_SET_DATA_NONE) ||
	       ((set->flags & VFIO_IRQ_SET_DATA_BOOL) && ((const u8 *)data)[i]);
}

static int may_resize(struct vdev *v, const struct vfio_irq_set *set)
{
	if (set->start + set->count <= v->nr_irqs)
		return 0;
	if (vdev_irq_flags(v, set->index) & VFIO_IRQ_INFO_NORESIZE)
		return -EINVAL;
	v->nr_irqs = set->start + set->count;
	return 0;
}

static int set_eventfds(struct vdev *v, const struct vfio_irq_set *set, const s32 *fds)
{
	bool first = none_in_use(v);
	unsigned int i;
	int r = 0;

	if (!set->count)
		return -EINVAL;
	if (first)
		set_index(v, set->index, set->start + set->count);
	else
		r = may_resize(v, set);
	for (i = 0; i < set->count && !r; i++)
		r = set_vector(v, set->index, set->start + i, fds[i]);
	if (r && first)
		disable(v);
	return r;
}

static int set_triggers(struct vdev *v, const struct vfio_irq_set *set, void *data)
{
	unsigned int i;

	if (!none_in_use(v) && v->irq_index != set->index)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return set_eventfds(v, set, data);
	if (v->irq_index != set->index || set->start + set->count > v->nr_irqs)
		return -EINVAL;
	if (!set->count) {
		if (!(set->flags & VFIO_IRQ_SET_DATA_NONE))
			return -EINVAL;
		disable(v);
	}
	for (i = 0; i < set->count; i++)
		if (meant(set, data, i))
			loop_back(v, set->start + i);
	return 0;
}

/*
 * The unmask eventfd was signalled: here still under its own lock, then on a worker, where another
 * may be signalled.
 */
static int unmask_event(void *opaque, void *data)
{
	return 1;
}

static void unmask_work(void *opaque, void *data)
{
	vdev_intx_mask(opaque, false);
}

static int set_intx_masks(struct vdev *v, const struct vfio_irq_set *set, void *data, bool mask)
{
	if (v->irq_index != VFIO_PCI_INTX_IRQ_INDEX || set->count != 1)
		return -EINVAL;
	if (!(set->flags & VFIO_IRQ_SET_DATA_EVENTFD)) {
		if (meant(set, data, 0))
			vdev_intx_mask(v, mask);
		return 0;
	}
	if (mask)
		return -ENOTTY;
	if (*(s32 *)data < 0) {
		vfio_virqfd_disable(&v->intx_unmask);
		return 0;
	}
	return vfio_virqfd_enable(v, unmask_event, unmask_work, NULL, &v->intx_unmask,
				  *(s32 *)data);
}

static int set_notice(struct vdev *v, const struct vfio_irq_set *set, void *data)
{
	struct eventfd_ctx **slot = set->index == VFIO_PCI_REQ_IRQ_INDEX ? &v->req_trigger
									 : &v->err_trigger;
	struct eventfd_ctx *ctx;
	int r;

	if (!set->count) {
		if (!(set->flags & VFIO_IRQ_SET_DATA_NONE) || !*slot)
			return -EINVAL;
		set_trigger(v, slot, NULL);
		return 0;
	}
	if (!(set->flags & VFIO_IRQ_SET_DATA_EVENTFD)) {
		if ((set->flags & VFIO_IRQ_SET_DATA_NONE) && !*slot)
			return -EINVAL;
		if (meant(set, data, 0))
			vdev_irq_notify(v, set->index);
		return 0;
	}
	r = get_eventfd(*(s32 *)data, &ctx);
	if (!r)
		set_trigger(v, slot, ctx);
	return r;
}

/*
 * Exactly one action, as vfio-pci wants it; which kinds of data there may be, the core has checked.
 */
int vdev_irq_set(struct vdev *v, const struct vfio_irq_set *set, void *data)
{
	u32 action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	lockdep_assert_held(&v->lock);
	if (action == VFIO_IRQ_SET_ACTION_TRIGGER) {
		if (set->index == VFIO_PCI_ERR_IRQ_INDEX || set->index == VFIO_PCI_REQ_IRQ_INDEX)
			return set_notice(v, set, data);
		return set_triggers(v, set, data);
	}
	if (set->index != VFIO_PCI_INTX_IRQ_INDEX)
		return -ENOTTY;
	if (action == VFIO_IRQ_SET_ACTION_MASK)
		return set_intx_masks(v, set, data, true);
	return action == VFIO_IRQ_SET_ACTION_UNMASK ? set_intx_masks(v, set, data, false) : -ENOTTY;
}

unsigned int vdev_irq_count(struct vdev *v, unsigned int index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return v->irq_offer & VDEV_IRQ_INTX ? 1 : 0;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return v->msi_vectors;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return v->msix_vectors;
	case VFIO_PCI_ERR_IRQ_INDEX:
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	}
	return 0;
}

u32 vdev_irq_flags(struct vdev *v, unsigned int index)
{
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	if (index == VFIO_PCI_MSIX_IRQ_INDEX && (v->irq_offer & VDEV_IRQ_DYNAMIC))
		return VFIO_IRQ_INFO_EVENTFD;
	return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
}

void vdev_irq_free(struct vdev *v)
{
	disable(v);
	set_trigger(v, &v->req_trigger, NULL);
	set_trigger(v, &v->err_trigger, NULL);
}
