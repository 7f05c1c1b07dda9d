/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lkvm_vdev, personality "plain": what its two files share. v->lock guards it. A command copies
 * what it needs first and runs without the lock.
 */
#ifndef LKVM_VDEV_PLAIN_H
#define LKVM_VDEV_PLAIN_H

#include "vdev.h"
#include "../../include/uapi/lkvm/vdev.h"

enum { FIFO_WORDS = 16 };

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

/* plain-dma.c. v->lock held, but in the last two, where state_lock is. */
void plain_dma_init(struct plain *p);
void plain_dma_exit(struct plain *p);		/* no lock held */
/* The command register is written: what SRC, DST, LEN, PATTERN say is done, or begins. */
void plain_dma_start(struct plain *p, u32 cmd);
void plain_quiesce(struct vdev *v);
void plain_resume(struct vdev *v);

#endif
