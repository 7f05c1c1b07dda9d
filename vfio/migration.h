/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of a VFIO device, saved and restored through either protocol of the kernel's: v2,
 * VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE [include/uapi/linux/vfio.h, Linux 5.18], or v1, the region of type MIGRATION [Linux
 * 5.8], for devices that have only that. And which memory it wrote meanwhile. Of PCI nothing is known here but the words of
 * config space that say what kind of device it is. Main thread.
 */
#ifndef VFIO_MIGRATION_H
#define VFIO_MIGRATION_H

#include "vfio/vfio.h"
#include "vmm/state.h"

/* States in both protocols' terms; their numbers are v2's. */
enum vfio_mig_state {
	VFIO_MIG_ERROR, VFIO_MIG_STOP, VFIO_MIG_RUNNING, VFIO_MIG_STOP_COPY, VFIO_MIG_RESUMING, VFIO_MIG_RUNNING_P2P, VFIO_MIG_PRE_COPY,
	VFIO_MIG_PRE_COPY_P2P,
};

enum { VFIO_MIG_CAN_PRE_COPY = 1, VFIO_MIG_CAN_P2P = 2, VFIO_MIG_CAN_LOG = 4 };

struct vfio_migration;

/*
 * Asks the device what it can, as cfg->migration wishes. 0 with *ret NULL: it cannot be migrated, or shall not. -errno with a
 * line only when a wish cannot be met (migration=v1 without a v1 region).
 */
int vfio_migration_create(struct vfio_device *vd, struct vfio_migration **ret, struct error *err);
void vfio_migration_free(struct vfio_migration *m);
enum vfio_mig_state vfio_migration_state(struct vfio_migration *m);	/* asks the device */
const char *vfio_mig_state_name(enum vfio_mig_state state);
/* As members of the JSON object open in @b: protocol, abilities, state, bytes to go. A device without migration says so. */
void vfio_migration_stats(struct vfio_device *vd, struct strbuf *b);

/*
 * Goes to @state. A transition that fails leaves the device where vfio_migration_state() says; ERROR is left by
 * vfio_migration_reset() only. A device without P2P states (all of v1) is in RUNNING for RUNNING_P2P, in PRE_COPY for
 * PRE_COPY_P2P. -EOPNOTSUPP: not one of this device's.
 */
int vfio_migration_set_state(struct vfio_migration *m, enum vfio_mig_state state, struct error *err);
/* VFIO_DEVICE_RESET: to RUNNING with power-on state. */
int vfio_migration_reset(struct vfio_migration *m, struct error *err);

/* How much is still to be read, as far as the device knows. PRE_COPY: initial (must be read before stop) and dirty bytes. */
struct vfio_mig_pending {
	u64 initial, dirty, stop_copy;
};
int vfio_migration_pending(struct vfio_migration *m, struct vfio_mig_pending *ret);
/* In PRE_COPY, STOP_COPY: the next piece of the stream, @len > 0. Bytes read; 0: the end (STOP_COPY); -EAGAIN: nothing now (PRE_COPY). */
ssize_t vfio_migration_read(struct vfio_migration *m, void *buf, size_t len);
/* In RESUMING. All of it or -errno: the device refuses the stream, or is in ERROR. */
int vfio_migration_write(struct vfio_migration *m, const void *buf, size_t len);

/*
 * A whole device into sections of state (vmm/state.h) of bounded size, from any state: to STOP_COPY, the stream, to STOP.
 * What was read of a stream before does not count: it begins again. On failure nothing was added to @w, and the device is in
 * STOP; reset when it is in ERROR.
 */
int vfio_migration_save(struct vfio_migration *m, struct state_writer *w, struct error *err);
/*
 * And back: RESUMING, all of it; then it waits for vfio_migration_run_all(), or RUNNING, in STOP (v1: in RESUMING, which
 * leads to RUNNING only). The device sees nothing of a state that is malformed, another protocol's or another kind of
 * device's. If it refuses, it is reset and @err tells what it said. (v1: it may refuse as late as on the way to RUNNING.)
 */
int vfio_migration_load(struct vfio_migration *m, struct state_reader *r, struct error *err);

/*
 * All devices of a VM whose vCPUs stand: first each one that can to its P2P state, where it begins no more DMA but answers
 * that of others; only then each one to @to, STOP or STOP_COPY. PRE_COPY goes on in STOP_COPY's stream. Those without
 * migration go on with what they do; for STOP_COPY that is -EOPNOTSUPP, and nothing was done. Another failure: all are
 * running again, as far as they can.
 */
int vfio_migration_quiesce_all(struct vm *vm, enum vfio_mig_state to, struct error *err);
/*
 * From there, or from vfio_migration_load(): all that can to their P2P states, only then all to RUNNING. One that fails is
 * reset; the others run; the first failure is told.
 */
int vfio_migration_run_all(struct vm *vm, struct error *err);

/* --- dirty.c: memory that the devices of a VM wrote. --- */

enum vfio_dirty_way { VFIO_DIRTY_NONE, VFIO_DIRTY_DEVICE, VFIO_DIRTY_IOMMU, VFIO_DIRTY_ALL };
struct vfio_dirty;
/*
 * Starts it for all devices of @vm, each in the best way: the device's own log, else the IOMMU's, else ALL: all memory counts
 * as written. *ret NULL: the VM has no VFIO device.
 */
int vfio_dirty_start(struct vm *vm, struct vfio_dirty **ret, struct error *err);
enum vfio_dirty_way vfio_dirty_way_of(const struct vfio_dirty *d, const struct vfio_device *vd);
/*
 * ORs the pages of RAM [gpa, gpa+size), inside one range of it, written since the last call into @bitmap, a bit per 4 KiB
 * page, whole u64s. -EINVAL: not RAM, or not whole pages. Another -errno: a log was lost right now: not only these, which are
 * all set, but all pages of RAM count as written, those of which earlier calls said otherwise too. From then on every call
 * sets all, and gives 0; but after -ENODEV, a device that was closed, the devices that stay are followed as before.
 */
int vfio_dirty_read(struct vfio_dirty *d, gpa_t gpa, u64 size, u64 *bitmap);
void vfio_dirty_stop(struct vfio_dirty *d);	/* and frees it; NULL is fine */
void vfio_dirty_forget(struct vfio_device *vd);	/* it is about to be closed */

#endif
