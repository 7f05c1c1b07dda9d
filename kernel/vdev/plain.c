// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev, personality "plain": include/uapi/lkvm/vdev.h describes its registers. Here: all of
 * them but the DMA engine, which plain-dma.c is.
 */
#include <linux/pci_ids.h>
#include <linux/slab.h>

#include "plain.h"

enum { FIFO_LOST = BIT(31) };

/* --- interrupts, FIFO */

static void train_on(struct plain *p)
{
	if (!p->train)
		return;
	p->train--;
	vdev_irq_send(p->v, p->train_vector);
}

static void acknowledge(struct plain *p)
{
	vdev_intx_level(p->v, false);
	train_on(p);
}

static u32 irq_status(struct vdev *v)
{
	return vdev_irq_kind(v) << 8 | READ_ONCE(v->intx_level);
}

static void push(struct plain *p, u32 val)
{
	if (p->fifo_level == FIFO_WORDS)
		p->fifo_lost = true;
	else
		p->fifo[p->fifo_level++] = val;
}

static u32 pop(struct plain *p)
{
	u32 val = p->fifo[0];

	if (!p->fifo_level)
		return 0;
	p->fifo_level--;
	memmove(p->fifo, p->fifo + 1, p->fifo_level * sizeof(*p->fifo));
	return val;
}

/* --- registers */

static u32 read_register(struct plain *p, u64 off)
{
	switch (off) {
	case LKVM_VDEV_ID:
		return LKVM_VDEV_MAGIC;
	case LKVM_VDEV_VERSION:
		return 1;
	case LKVM_VDEV_SCRATCH:
		return p->scratch;
	case LKVM_VDEV_RESETS:
		return p->v->resets;
	case LKVM_VDEV_IRQ_ACK:
		return p->train;
	case LKVM_VDEV_IRQ_SENT:
		return READ_ONCE(p->v->irqs_sent);
	case LKVM_VDEV_IRQ_STATUS:
		return irq_status(p->v);
	case LKVM_VDEV_DMA_SRC:
		return lower_32_bits(p->src);
	case LKVM_VDEV_DMA_SRC + 4:
		return upper_32_bits(p->src);
	case LKVM_VDEV_DMA_DST:
		return lower_32_bits(p->dst);
	case LKVM_VDEV_DMA_DST + 4:
		return upper_32_bits(p->dst);
	case LKVM_VDEV_DMA_LEN:
		return p->len;
	case LKVM_VDEV_DMA_CMD:
		return p->cmd;
	case LKVM_VDEV_DMA_STATUS:
		return p->status;
	case LKVM_VDEV_DMA_RESULT:
		return p->result;
	case LKVM_VDEV_DMA_PATTERN:
		return p->pattern;
	case LKVM_VDEV_FIFO:
		return pop(p);
	case LKVM_VDEV_FIFO_LEVEL:
		return p->fifo_level | (p->fifo_lost ? FIFO_LOST : 0);
	}
	return 0;
}

static void set_half(u64 *val, bool high, u32 half)
{
	*val = high ? lower_32_bits(*val) | (u64)half << 32 : (*val & ~0xffffffffULL) | half;
}

/*
 * While a command is under way, its registers may not change: a saved state has only one copy of
 * them.
 */
static void write_dma(struct plain *p, u64 off, u32 val)
{
	if (p->status == LKVM_VDEV_DMA_BUSY)
		return;
	switch (off) {
	case LKVM_VDEV_DMA_SRC:
	case LKVM_VDEV_DMA_SRC + 4:
		return set_half(&p->src, off & 4, val);
	case LKVM_VDEV_DMA_DST:
	case LKVM_VDEV_DMA_DST + 4:
		return set_half(&p->dst, off & 4, val);
	case LKVM_VDEV_DMA_LEN:
		p->len = val;
		return;
	case LKVM_VDEV_DMA_CMD:
		return plain_dma_start(p, val);
	case LKVM_VDEV_DMA_PATTERN:
		p->pattern = val;
		return;
	}
}

static void write_register(struct plain *p, u64 off, u32 val)
{
	switch (off) {
	case LKVM_VDEV_SCRATCH:
		p->scratch = val;
		return;
	case LKVM_VDEV_IRQ_FIRE:
		return vdev_irq_send(p->v, val);
	case LKVM_VDEV_IRQ_TRAIN:
		p->train = val >> 8;
		p->train_vector = val & 0xff;
		return train_on(p);
	case LKVM_VDEV_IRQ_ACK:
		return acknowledge(p);
	case LKVM_VDEV_FIFO:
		return push(p, val);
	}
	write_dma(p, off, val);
}

static u32 read_io(struct plain *p, u64 off)
{
	switch (off) {
	case 0:
		return p->io_scratch;
	case 12:
		return READ_ONCE(p->v->irqs_sent);
	}
	return 0;
}

static void write_io(struct plain *p, u64 off, u32 val)
{
	switch (off) {
	case 0:
		p->io_scratch = val;
		return;
	case 4:
		return vdev_irq_send(p->v, val);
	case 8:
		return acknowledge(p);
	}
}

/*
 * Registers are 32 bits wide: other sizes but 8, which is two of them, read zeros and write
 * nothing.
 */
static u64 plain_read(struct vdev *v, unsigned int bar, u64 off, unsigned int size)
{
	struct plain *p = v->priv;
	u64 val;

	if (bar == 1)
		return size == 4 ? read_io(p, off) : 0;
	if (size < 4)
		return 0;
	val = read_register(p, off);
	return size == 8 ? val | (u64)read_register(p, off + 4) << 32 : val;
}

static void plain_write(struct vdev *v, unsigned int bar, u64 off, unsigned int size, u64 val)
{
	struct plain *p = v->priv;

	if (size < 4)
		return;
	if (bar == 1)
		return write_io(p, off, val);
	write_register(p, off, val);
	if (size == 8)
		write_register(p, off + 4, val >> 32);
}

static void plain_reset(struct vdev *v)
{
	struct plain *p = v->priv;

	p->scratch = 0;
	p->io_scratch = 0;
	p->train = 0;
	p->train_vector = 0;
	p->src = 0;
	p->dst = 0;
	p->len = 0;
	p->cmd = 0;
	p->status = LKVM_VDEV_DMA_DONE;
	p->result = 0;
	p->pattern = 0;
	p->fifo_level = 0;
	p->fifo_lost = false;
}

/* --- the state */

struct plain_state {
	__le32 scratch, io_scratch, train, train_vector;
	__le64 src, dst;
	__le32 len, cmd, status, result, pattern;
	__le32 fifo_level, fifo_lost, fifo[FIFO_WORDS];
	__le32 reserved;
};

static ssize_t plain_save(struct vdev *v, void *buf, size_t room)
{
	const struct plain *p = v->priv;
	struct plain_state *s = buf;
	unsigned int i;

	if (room < sizeof(*s))
		return -ENOSPC;
	*s = (struct plain_state){
		.scratch = cpu_to_le32(p->scratch),
		.io_scratch = cpu_to_le32(p->io_scratch),
		.train = cpu_to_le32(p->train),
		.train_vector = cpu_to_le32(p->train_vector),
		.src = cpu_to_le64(p->src),
		.dst = cpu_to_le64(p->dst),
		.len = cpu_to_le32(p->len),
		.cmd = cpu_to_le32(p->cmd),
		.status = cpu_to_le32(p->status),
		.result = cpu_to_le32(p->result),
		.pattern = cpu_to_le32(p->pattern),
		.fifo_level = cpu_to_le32(p->fifo_level),
		.fifo_lost = cpu_to_le32(p->fifo_lost),
	};
	for (i = 0; i < p->fifo_level; i++)
		s->fifo[i] = cpu_to_le32(p->fifo[i]);
	return sizeof(*s);
}

static int plain_load(struct vdev *v, const void *buf, size_t len)
{
	const struct plain_state *s = buf;
	struct plain *p = v->priv;
	unsigned int i;

	if (len != sizeof(*s) || le32_to_cpu(s->fifo_level) > FIFO_WORDS ||
	    le32_to_cpu(s->fifo_lost) > 1 || le32_to_cpu(s->status) > LKVM_VDEV_DMA_OFF ||
	    le32_to_cpu(s->train_vector) > 0xff || le32_to_cpu(s->train) >> 24 || s->reserved)
		return -EINVAL;
	p->scratch = le32_to_cpu(s->scratch);
	p->io_scratch = le32_to_cpu(s->io_scratch);
	p->train = le32_to_cpu(s->train);
	p->train_vector = le32_to_cpu(s->train_vector);
	p->src = le64_to_cpu(s->src);
	p->dst = le64_to_cpu(s->dst);
	p->len = le32_to_cpu(s->len);
	p->cmd = le32_to_cpu(s->cmd);
	p->status = le32_to_cpu(s->status);
	p->result = le32_to_cpu(s->result);
	p->pattern = le32_to_cpu(s->pattern);
	p->fifo_level = le32_to_cpu(s->fifo_level);
	p->fifo_lost = le32_to_cpu(s->fifo_lost);
	for (i = 0; i < FIFO_WORDS; i++)
		p->fifo[i] = le32_to_cpu(s->fifo[i]);
	return 0;
}

/* --- the device */

static int add_bars(struct vdev *v)
{
	const u32 high = PCI_BASE_ADDRESS_MEM_TYPE_64;

	return vdev_bar_add(v, 0, SZ_4K, 0) ?:
	       vdev_bar_add(v, 1, 64, PCI_BASE_ADDRESS_SPACE_IO) ?:
	       vdev_bar_add(v, 2, SZ_64K, high | PCI_BASE_ADDRESS_MEM_PREFETCH) ?:
	       vdev_bar_memory(v, 2, 0, SZ_64K, SZ_4K) ?:
	       vdev_bar_add(v, 4, SZ_16K, high) ?:
	       vdev_bar_memory(v, 4, SZ_4K, SZ_4K, SZ_4K);
}

static int plain_init(struct vdev *v)
{
	struct plain *p = kzalloc(sizeof(*p), GFP_KERNEL);
	int r;

	if (!p)
		return -ENOMEM;
	p->v = v;
	plain_dma_init(p);
	v->priv = p;
	vdev_config_ids(v, LKVM_VDEV_VENDOR, LKVM_VDEV_DEVICE, PCI_CLASS_OTHERS << 16, 1);
	r = add_bars(v);
	if (!r)
		r = vdev_config_add_msi(v, LKVM_VDEV_MSI_VECTORS);
	if (!r)
		r = vdev_config_add_msix(v, LKVM_VDEV_MSIX_VECTORS, 4, LKVM_VDEV_MSIX_TABLE,
					 LKVM_VDEV_MSIX_PBA);
	return r;
}

static void plain_exit(struct vdev *v)
{
	struct plain *p = v->priv;

	if (p)
		plain_dma_exit(p);
	kfree(p);
}

const struct vdev_personality vdev_plain = {
	.name = "plain",
	.init = plain_init,
	.exit = plain_exit,
	.read = plain_read,
	.write = plain_write,
	.reset = plain_reset,
	.save = plain_save,
	.load = plain_load,
	.quiesce = plain_quiesce,
	.resume = plain_resume,
};
