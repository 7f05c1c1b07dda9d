// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev, personality "plain": include/uapi/lkvm/vdev.h describes its registers. A DMA command
 * runs in the register write that gives it, or with DMA_ASYNC on a worker. What is left out:
 * descriptors, more than one command at a time.
 *
 * v->lock guards the registers; a command copies what it needs of them first and runs without it.
 * While the device is quiesced, a command waits, BUSY, for resume, which is also how one travels in
 * a saved state.
 */
#include <linux/crc32.h>
#include <linux/pci_ids.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "vdev.h"
#include "../../include/uapi/lkvm/vdev.h"

enum { FIFO_WORDS = 16, FIFO_LOST = BIT(31), PIECE = 64 * 1024 };

struct plain {
	struct vdev *v;
	struct work_struct work;
	bool quiesced;		/* v->lock */
	u32 scratch, io_scratch;
	u32 train, train_vector;	/* still to come */
	u64 src, dst;
	u32 len, cmd, status, result, pattern;
	u32 fifo[FIFO_WORDS], fifo_level;	/* oldest first */
	bool fifo_lost;
};

/* A command's own copy of what it shall do, and what came out */
struct command {
	struct vdev *v;
	u64 src, dst;
	u32 len, cmd, pattern;
	u32 done, crc;
	void *buf;	/* PIECE bytes */
};

static unsigned int operation(u32 cmd)
{
	return cmd & 0xff;
}

static int guest_rw(struct command *c, u64 iova, size_t len, bool write)
{
	if (c->cmd & LKVM_VDEV_DMA_PIN)
		return vdev_dma_rw_pinned(c->v, iova, c->buf, len, write);
	return vdev_dma_rw(c->v, iova, c->buf, len, write);
}

static void *bar_memory(struct command *c, u64 off)
{
	return c->v->bar[2].mem + off;
}

/* The next @len bytes of the command */
static int run_piece(struct command *c, u32 len)
{
	u64 src = c->src + c->done, dst = c->dst + c->done;
	int r;

	switch (operation(c->cmd)) {
	case LKVM_VDEV_DMA_COPY:
		r = guest_rw(c, src, len, false);
		return r ?: guest_rw(c, dst, len, true);
	case LKVM_VDEV_DMA_FILL:
		memset32(c->buf, (__force u32)cpu_to_le32(c->pattern), len / 4);
		return guest_rw(c, dst, len, true);
	case LKVM_VDEV_DMA_CRC:
		r = guest_rw(c, src, len, false);
		if (!r)
			c->crc = crc32_le(c->crc, c->buf, len);
		return r;
	case LKVM_VDEV_DMA_TO_BAR:
		r = guest_rw(c, src, len, false);
		if (!r)
			memcpy(bar_memory(c, dst), c->buf, len);
		return r;
	default:
		memcpy(c->buf, bar_memory(c, src), len);
		return guest_rw(c, dst, len, true);
	}
}

static bool inside(struct vdev *v, u64 off, u32 len)
{
	return off <= v->bar[2].mem_size && len <= v->bar[2].mem_size - off;
}

static bool valid(struct command *c)
{
	unsigned int op = operation(c->cmd);

	if (op < LKVM_VDEV_DMA_COPY || op > LKVM_VDEV_DMA_FROM_BAR || !c->len ||
	    c->len > LKVM_VDEV_DMA_MAX)
		return false;
	if (op == LKVM_VDEV_DMA_FILL && c->len % 4)
		return false;
	if (op == LKVM_VDEV_DMA_TO_BAR)
		return inside(c->v, c->dst, c->len);
	return op != LKVM_VDEV_DMA_FROM_BAR || inside(c->v, c->src, c->len);
}

/* DMA_STATUS's value */
static u32 run(struct command *c)
{
	int r = 0;

	if (!valid(c))
		return LKVM_VDEV_DMA_BAD;
	c->crc = ~0u;
	c->buf = kvmalloc(min_t(u32, c->len, PIECE), GFP_KERNEL);
	while (c->buf && c->done < c->len && !r) {
		u32 piece = min_t(u32, c->len - c->done, PIECE);

		r = run_piece(c, piece);
		if (!r)
			c->done += piece;
	}
	if (!c->buf)
		r = -ENOMEM;
	kvfree(c->buf);
	if (r == -EPERM)
		return LKVM_VDEV_DMA_OFF;
	return r ? LKVM_VDEV_DMA_FAULT : LKVM_VDEV_DMA_DONE;
}

static void finish(struct plain *p, const struct command *c, u32 status)
{
	bool crc = operation(c->cmd) == LKVM_VDEV_DMA_CRC && status == LKVM_VDEV_DMA_DONE;

	p->result = crc ? ~c->crc : c->done;
	p->status = status;
	if (c->cmd & LKVM_VDEV_DMA_IRQ)
		vdev_irq_send(p->v, c->cmd >> LKVM_VDEV_DMA_VECTOR_SHIFT);
}

static struct command command_of(struct plain *p)
{
	return (struct command){
		.v = p->v,
		.src = p->src,
		.dst = p->dst,
		.len = p->len,
		.cmd = p->cmd,
		.pattern = p->pattern,
	};
}

static void work(struct work_struct *w)
{
	struct plain *p = container_of(w, struct plain, work);
	struct command c;
	u32 status;

	mutex_lock(&p->v->lock);
	c = command_of(p);
	mutex_unlock(&p->v->lock);
	status = run(&c);
	mutex_lock(&p->v->lock);
	finish(p, &c, status);
	mutex_unlock(&p->v->lock);
}

static void start(struct plain *p, u32 cmd)
{
	struct command c;

	if (p->status == LKVM_VDEV_DMA_BUSY)
		return;
	p->cmd = cmd;
	if (p->quiesced || (cmd & LKVM_VDEV_DMA_ASYNC)) {
		p->status = LKVM_VDEV_DMA_BUSY;
		if (!p->quiesced)
			queue_work(system_unbound_wq, &p->work);
		return;
	}
	c = command_of(p);
	finish(p, &c, run(&c));
}

static void quiesce(struct vdev *v)
{
	struct plain *p = v->priv;

	mutex_lock(&v->lock);
	p->quiesced = true;
	mutex_unlock(&v->lock);
	flush_work(&p->work);
}

static void resume(struct vdev *v)
{
	struct plain *p = v->priv;

	mutex_lock(&v->lock);
	if (p->quiesced && p->status == LKVM_VDEV_DMA_BUSY)
		queue_work(system_unbound_wq, &p->work);
	p->quiesced = false;
	mutex_unlock(&v->lock);
}

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
		return start(p, val);
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
	INIT_WORK(&p->work, work);
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
		cancel_work_sync(&p->work);
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
	.quiesce = quiesce,
	.resume = resume,
};
