// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev, personality "plain": its DMA engine. A command runs in the register write that gives
 * it, or with DMA_ASYNC on a worker. What is left out: descriptors, more than one command at a
 * time.
 *
 * While the device is quiesced, a command waits, BUSY, for resume, which is also how one travels in
 * a saved state.
 */
#include <linux/crc32.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "plain.h"

enum { PIECE = 64 * 1024 };

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

void plain_dma_start(struct plain *p, u32 cmd)
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

void plain_quiesce(struct vdev *v)
{
	struct plain *p = v->priv;

	mutex_lock(&v->lock);
	p->quiesced = true;
	mutex_unlock(&v->lock);
	flush_work(&p->work);
}

void plain_resume(struct vdev *v)
{
	struct plain *p = v->priv;

	mutex_lock(&v->lock);
	if (p->quiesced && p->status == LKVM_VDEV_DMA_BUSY)
		queue_work(system_unbound_wq, &p->work);
	p->quiesced = false;
	mutex_unlock(&v->lock);
}

void plain_dma_init(struct plain *p)
{
	INIT_WORK(&p->work, work);
}

void plain_dma_exit(struct plain *p)
{
	cancel_work_sync(&p->work);
}
