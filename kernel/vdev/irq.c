// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: interrupts, by the eventfds of VFIO_DEVICE_SET_IRQS. Which kind the device sends is
 * what user space has set up there; without any, INTx' level rises and waits, if it has that. As
 * vfio-pci does: INTx is masked when it is sent and comes again after unmask while its level is up;
 * when INTx Disable goes it is unmasked; an eventfd for an MSI-X vector unmasks its table entry, as
 * the host's kernel would.
 *
 * A vector that fires while it is masked, has no eventfd or the device is stopped is pending, and
 * goes out when that ends. eventfds are signalled under irq_lock, so that none is sent after it was
 * taken away. The mask bits in config space are read without v->lock: whoever writes them calls
 * vdev_irq_kick() afterwards.
 */
#include "vdev.h"

static bool messages_in_use(struct vdev *v)
{
	return v->irq_index == VFIO_PCI_MSI_IRQ_INDEX || v->irq_index == VFIO_PCI_MSIX_IRQ_INDEX;
}

static bool vector_masked(struct vdev *v, unsigned int vector)
{
	if (v->irq_index == VFIO_PCI_MSI_IRQ_INDEX)
		return vdev_config_get(v, v->msi_cap + PCI_MSI_MASK_64, 4) & BIT(vector);
	return (vdev_config_get(v, v->msix_cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_MASKALL) ||
	       (v->msix_table[vector * 4 + 3] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void signal_vector(struct vdev *v, unsigned int vector)
{
	lkvm_eventfd_signal(v->trigger[vector]);
	atomic64_inc(&v->irqs);
}

bool vdev_intx_disabled(struct vdev *v)
{
	return v->irq_index == VFIO_PCI_INTX_IRQ_INDEX &&
	       (vdev_config_get(v, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
}

static void deliver_intx(struct vdev *v)
{
	if (!v->intx_level || v->intx_masked || !v->trigger[0] || vdev_intx_disabled(v))
		return;
	v->intx_masked = true;
	signal_vector(v, 0);
}

static void deliver_messages(struct vdev *v)
{
	unsigned long pending = v->pending;
	unsigned int i;

	for_each_set_bit(i, &pending, min_t(unsigned int, v->nr_irqs, VDEV_MAX_VECTORS)) {
		if (!v->trigger[i] || vector_masked(v, i))
			continue;
		WRITE_ONCE(v->pending, v->pending & ~BIT(i));
		signal_vector(v, i);
	}
}

static void deliver_locked(struct vdev *v)
{
	lockdep_assert_held(&v->irq_lock);
	if (!v->running)
		return;
	if (v->irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		deliver_intx(v);
	else if (messages_in_use(v))
		deliver_messages(v);
}

void vdev_irq_kick(struct vdev *v)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	deliver_locked(v);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

/* Without the pin there is no level, whatever the personality does. */
static void set_level_locked(struct vdev *v, bool level)
{
	level = level && (v->irq_offer & VDEV_IRQ_INTX);
	if (level && !v->intx_level)
		v->irqs_sent++;
	WRITE_ONCE(v->intx_level, level);
	deliver_locked(v);
}

void vdev_intx_level(struct vdev *v, bool level)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	set_level_locked(v, level);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

void vdev_intx_mask(struct vdev *v, bool masked)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	v->intx_masked = masked;
	deliver_locked(v);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

static void send_message_locked(struct vdev *v, unsigned int vector)
{
	/* A device with fewer messages than it asked for shares them [PCI-3.0 6.8.1.3]. */
	if (v->irq_index == VFIO_PCI_MSI_IRQ_INDEX)
		vector %= v->nr_irqs;
	else if (vector >= v->msix_vectors)
		return;
	if (!(v->pending & BIT(vector)))
		v->irqs_sent++;
	WRITE_ONCE(v->pending, v->pending | BIT(vector));
	deliver_locked(v);
}

void vdev_irq_send(struct vdev *v, unsigned int vector)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	if (messages_in_use(v))
		send_message_locked(v, vector);
	else
		set_level_locked(v, true);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

unsigned int vdev_irq_kind(struct vdev *v)
{
	unsigned int index = READ_ONCE(v->irq_index);

	return index == VFIO_PCI_NUM_IRQS ? VFIO_PCI_INTX_IRQ_INDEX : index;
}

/*
 * The MSI-X table and pending bits [PCI-3.0 6.8.2.6]. Accesses of 1 and 2 bytes are undefined:
 * reads are served, writes dropped.
 */

void vdev_msix_write(struct vdev *v, unsigned int n, u32 val)
{
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	v->msix_table[n] = n % 4 == 3 ? val & PCI_MSIX_ENTRY_CTRL_MASKBIT : val;
	deliver_locked(v);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

static u64 read_dwords(u32 low, u32 high, u64 off, unsigned int size)
{
	u64 val = (low | (u64)high << 32) >> (8 * (off & 3));

	return size == 8 ? val : val & (BIT_ULL(8 * size) - 1);
}

bool vdev_msix_access(struct vdev *v, unsigned int bar, u64 off, unsigned int size, u64 *val,
		      bool write)
{
	u64 table = off - v->msix_table_off, pba = off - v->msix_pba_off;
	unsigned int n = table / 4;

	if (!v->msix_cap || bar != v->msix_bar)
		return false;
	if (off >= v->msix_pba_off && pba < 8 * DIV_ROUND_UP(v->msix_vectors, 64)) {
		if (!write)
			*val = pba & 4 ? 0 : read_dwords(READ_ONCE(v->pending), 0, pba, size);
		return true;
	}
	if (off < v->msix_table_off || table >= 16 * v->msix_vectors)
		return false;
	if (!write) {
		*val = read_dwords(v->msix_table[n], size == 8 ? v->msix_table[n + 1] : 0, table,
				   size);
	} else if (size >= 4) {
		vdev_msix_write(v, n, *val);
		if (size == 8)
			vdev_msix_write(v, n + 1, *val >> 32);
	}
	return true;
}

void vdev_irq_notify(struct vdev *v, unsigned int index)
{
	struct eventfd_ctx **slot = index == VFIO_PCI_REQ_IRQ_INDEX ? &v->req_trigger
								    : &v->err_trigger;
	unsigned long flags;

	spin_lock_irqsave(&v->irq_lock, flags);
	if (*slot)
		lkvm_eventfd_signal(*slot);
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

/* --- state */

void vdev_irq_init(struct vdev *v)
{
	spin_lock_init(&v->irq_lock);
	v->irq_index = VFIO_PCI_NUM_IRQS;
}

/*
 * Vectors with an eventfd stay unmasked: the host's kernel would restore its table after a reset.
 */
void vdev_irq_reset(struct vdev *v)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&v->irq_lock, flags);
	WRITE_ONCE(v->intx_level, false);
	v->pending = 0;
	v->irqs_sent = 0;
	memset(v->msix_table, 0, sizeof(v->msix_table));
	for (i = 0; i < VDEV_MAX_VECTORS; i++)
		if (!v->trigger[i] || v->irq_index != VFIO_PCI_MSIX_IRQ_INDEX)
			v->msix_table[i * 4 + 3] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	spin_unlock_irqrestore(&v->irq_lock, flags);
}

struct irq_state {
	__le32 level, pending, sent;
	__le32 table[VDEV_MAX_VECTORS * 4];
};

ssize_t vdev_irq_save(struct vdev *v, void *buf, size_t room)
{
	struct irq_state *s = buf;
	unsigned long flags;
	unsigned int i;

	if (room < sizeof(*s))
		return -ENOSPC;
	spin_lock_irqsave(&v->irq_lock, flags);
	s->level = cpu_to_le32(v->intx_level);
	s->pending = cpu_to_le32(v->pending);
	s->sent = cpu_to_le32(v->irqs_sent);
	for (i = 0; i < ARRAY_SIZE(s->table); i++)
		s->table[i] = cpu_to_le32(v->msix_table[i]);
	spin_unlock_irqrestore(&v->irq_lock, flags);
	return sizeof(*s);
}

static int check_state(struct vdev *v, const struct irq_state *s)
{
	unsigned int i;

	for (i = 3; i < ARRAY_SIZE(s->table); i += 4)
		if (le32_to_cpu(s->table[i]) & ~PCI_MSIX_ENTRY_CTRL_MASKBIT)
			return -EINVAL;
	return le32_to_cpu(s->level) > !!(v->irq_offer & VDEV_IRQ_INTX) ? -EINVAL : 0;
}

int vdev_irq_load(struct vdev *v, const void *buf, size_t len)
{
	const struct irq_state *s = buf;
	unsigned long flags;
	unsigned int i;

	if (len != sizeof(*s) || check_state(v, s))
		return -EINVAL;
	spin_lock_irqsave(&v->irq_lock, flags);
	WRITE_ONCE(v->intx_level, le32_to_cpu(s->level));
	v->pending = le32_to_cpu(s->pending);
	v->irqs_sent = le32_to_cpu(s->sent);
	for (i = 0; i < ARRAY_SIZE(s->table); i++)
		v->msix_table[i] = le32_to_cpu(s->table[i]);
	deliver_locked(v);
	spin_unlock_irqrestore(&v->irq_lock, flags);
	return 0;
}
