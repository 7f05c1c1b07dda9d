/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What migration.c and migration-save.c ask of a protocol, migration-v1.c or migration-v2.c. A protocol embeds struct vfio_migration.
 */
#ifndef VFIO_MIGRATION_PROTOCOL_H
#define VFIO_MIGRATION_PROTOCOL_H

#include "vfio/migration.h"

struct vfio_migration_ops {
	const char *name;	/* "v1", "v2" */
	unsigned int number;	/* as states name it */
	enum vfio_mig_state loaded;	/* where a device that was given all of its state waits to run */
	/* Asks the device; ERROR when it does not answer, or with what is no state. */
	enum vfio_mig_state (*state)(struct vfio_migration *m);
	/* @to differs from @from, both are states of this device, ERROR is neither. -errno: it may be anywhere. */
	int (*set_state)(struct vfio_migration *m, enum vfio_mig_state from, enum vfio_mig_state to);
	/* It is in @state now, however it came there: what belonged to another one is given back. */
	void (*arrived)(struct vfio_migration *m, enum vfio_mig_state state);
	/* In a state that saves. */
	int (*pending)(struct vfio_migration *m, struct vfio_mig_pending *ret);
	ssize_t (*read)(struct vfio_migration *m, void *buf, size_t len);
	/* In RESUMING. */
	int (*write)(struct vfio_migration *m, const void *buf, size_t len);
	void (*free)(struct vfio_migration *m);
};

struct vfio_migration {
	const struct vfio_migration_ops *ops;
	struct vfio_device *vd;		/* borrowed: it owns us */
	unsigned int abilities;
	enum vfio_mig_state state;	/* when last asked */
	u64 most;			/* bytes a saved state may have */
	u64 taken;			/* bytes read since it came to a state that saves */
};

/* 0 with *ret NULL: the device does not have it; -errno: it does, and does not work. */
int vfio_migration_v1_create(struct vfio_device *vd, struct vfio_migration **ret);
int vfio_migration_v2_create(struct vfio_device *vd, struct vfio_migration **ret);

static inline bool vfio_mig_pre_copies(enum vfio_mig_state state)
{
	return state == VFIO_MIG_PRE_COPY || state == VFIO_MIG_PRE_COPY_P2P;
}

static inline bool vfio_mig_saves(enum vfio_mig_state state)
{
	return state == VFIO_MIG_STOP_COPY || vfio_mig_pre_copies(state);
}

/* "--vfio '01:00.0'", for messages. */
#define VFIO_WHO_FMT "%s '%s'"
#define VFIO_WHO(vd) (vd)->cfg->option, (vd)->cfg->device

#endif
