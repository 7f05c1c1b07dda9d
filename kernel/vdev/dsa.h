/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Personality "dsa": what its registers (dsa.c) and its work queue (dsa-portal.c) share. All under
 * the device's lock.
 */
#ifndef LKVM_VDEV_DSA_H
#define LKVM_VDEV_DSA_H

#include <linux/wait.h>

#include "vdev.h"
#include "../../include/uapi/lkvm/dsa.h"

enum {
	DSA_WQ_SIZE = 16,
	DSA_XFER_SHIFT = 20,	/* bytes of a descriptor at most */
	DSA_BATCH_SHIFT = 5,	/* descriptors of a batch at most */
	DSA_PORTAL_BAR = 2,
	DSA_INT_HANDLE = 1,	/* the only one: it stands for vector 1 */
};

/* Error codes of SWERR; a descriptor's is its completion status */
enum { DSA_SWERR_BUS_MASTER = 0x51, DSA_SWERR_CMD_BUSY = 0x52 };

/* As bytes it is the saved state, too: all hosts that have VFIO are little-endian. */
struct dsa_state {
	u64 swerr[4];
	u32 gencfg, genctrl, intcause, cmd, cmdsts;
	u32 perm[2];
	u8 enabled, wq_enabled;
	u8 next[LKVM_DSA_PORTALS];	/* the slot that is looked at next */
};

struct dsa {
	struct vdev *v;
	struct dsa_state s;
	unsigned int turn;		/* the portal that was looked at last */
	struct task_struct *thread;
	wait_queue_head_t wait;		/* until the queue is enabled and the device runs */
	u8 *buf;			/* two pages, for data on its way */
};

struct dsa_hw_desc;

void dsa_swerr(struct dsa *d, unsigned int code, const struct dsa_hw_desc *desc, u64 addr);
/* Bus mastering was taken away from the enabled device: it stops. */
void dsa_check_master(struct dsa *d);
/* Executes the descriptors that are in the portals. */
void dsa_portal_run(struct dsa *d);
void dsa_portal_clear(struct dsa *d);
int dsa_portal_start(struct dsa *d);
void dsa_portal_stop(struct dsa *d);
u64 dsa_opcap(void);	/* operations 0-63 */

#endif
