/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stream of a device's state, as both migration protocols carry it; state.c makes and takes it.
 *
 * A stream is frames, one after the other, each with its own length and checksum, so that it may be
 * cut into reads and writes anywhere:
 *
 *	any number of	pages of the BARs' memory, sent while the device runs. A later one replaces
 *			an earlier one.
 *	exactly one	last frame: config space, registers, and those pages that no frame before it
 *			has as they are now
 *
 * User space writes the mapped parts of BARs without our knowing. So what the reader got is kept as
 * a copy, and a page is dirty when it differs from that.
 */
#ifndef LKVM_VDEV_MIGRATION_H
#define LKVM_VDEV_MIGRATION_H

#include "vdev.h"

enum { VDEV_PAGE = 4096 };	/* the stream's, whatever the host's are */

struct vdev_out {
	u8 *buf;		/* frames: [pos, len) is still to be read */
	size_t pos, len, room;
	u8 *sent;		/* the BARs' memory as sent; NULL: nothing was */
	size_t initial;		/* bytes of the first pass that are still to be read */
};
void vdev_out_init(struct vdev_out *o);
void vdev_out_free(struct vdev_out *o);
/* Adds frames of all pages that differ from what was sent. Bytes added. No lock is needed. */
ssize_t vdev_out_pages(struct vdev *v, struct vdev_out *o);
/* Adds the last frame. The device is stopped, v->lock not held. */
int vdev_out_last(struct vdev *v, struct vdev_out *o);
size_t vdev_out_left(const struct vdev_out *o);
const void *vdev_out_next(const struct vdev_out *o);	/* what is left */
void vdev_out_took(struct vdev_out *o, size_t len);
u64 vdev_out_dirty(struct vdev *v, const struct vdev_out *o);	/* bytes that vdev_out_pages() would add */

struct vdev_in {
	u8 *buf;		/* the frame being written */
	size_t have;
	u8 *mem;		/* the BARs' memory so far */
	unsigned long *seen;	/* its pages that came */
	bool last;		/* buf is the last frame, whole and checked */
	int error;		/* the stream is refused, for good */
};
void vdev_in_init(struct vdev_in *in);
void vdev_in_free(struct vdev_in *in);
/* All of @len or -EINVAL: no stream of such a device. */
int vdev_in_write(struct vdev *v, struct vdev_in *in, const void *buf, size_t len);
/*
 * The device becomes what the stream says. It is stopped, v->lock not held. A stream that is not
 * whole is refused with -EINVAL and changes nothing; where the frames are right but their contents
 * are not, the device needs a reset.
 */
int vdev_in_apply(struct vdev *v, struct vdev_in *in);

size_t vdev_stream_max(struct vdev *v);	/* of a stream without pages sent before */

/* migration.c: what both protocols share; state_lock held. */
void vdev_mig_note(struct vdev *v, const char *from, const char *to);	/* for sysfs' transitions */
bool vdev_mig_fault(unsigned int fault);	/* this is to fail now; used up by that */

/* migration-file.c; state_lock held but in the last. */
struct file *vdev_mig_open(struct vdev *v, enum vfio_device_mig_state state);	/* with a reference for the caller */
int vdev_mig_keep(struct vdev *v, enum vfio_device_mig_state state);	/* PRE_COPY, PRE_COPY_P2P and STOP_COPY share one */
int vdev_mig_close(struct vdev *v, bool apply);		/* @apply: the device becomes what was written */
void vdev_mig_slow(size_t *len);	/* fault VDEV_FAULT_SLOW: a piece is that long at most, and takes a while */

/* migration-v1.c */
struct vdev_v1;
int vdev_v1_init(struct vdev *v, struct vdev_v1 **ret);
void vdev_v1_free(struct vdev_v1 *m);
int vdev_v1_renew(struct vdev_v1 *m);				/* state_lock held */
void vdev_v1_reset(struct vdev *v, struct vdev_v1 *m);		/* state_lock held: to RUNNING */
bool vdev_v1_idle(const struct vdev_v1 *m);	/* RUNNING */

/* dirty.c */
int vdev_log_init(struct vdev *v);
void vdev_log_free(struct vdev *v);
void vdev_log_close(struct vdev *v);		/* off */

struct vdev_migration {
	enum vfio_device_mig_state state;
	unsigned int offer;		/* VDEV_MIG_* */
	struct vdev_mig_file *file;	/* the stream of a state that has one */
	struct vdev_v1 *v1;		/* NULL: not offered */
	/* the latest transitions; the numbers are all devices' together */
	struct {
		unsigned int nr;
		const char *from, *to;
	} note[32];
	unsigned int notes;
};

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/* 6.1 knows no PRE_COPY, but passes it through. */
#define VFIO_DEVICE_STATE_PRE_COPY	6
#define VFIO_DEVICE_STATE_PRE_COPY_P2P	7
#define VFIO_MIGRATION_PRE_COPY		(1 << 2)
struct vfio_precopy_info {
	__u32 argsz;
	__u32 flags;
	__aligned_u64 initial_bytes;
	__aligned_u64 dirty_bytes;
};
#define VFIO_MIG_GET_PRECOPY_INFO	_IO(VFIO_TYPE, VFIO_BASE + 21)
#endif

#endif
