// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: VFIO migration, version 2 [include/uapi/linux/vfio.h,
 * VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE], with a state machine of our own: the kernel's knows
 * PRE_COPY since 6.2 only, and 6.1 passes any state through.
 *
 *	RESUMING -- STOP -- RUNNING_P2P ---- RUNNING
 *	             |           |              |
 *	         STOP_COPY <- PRE_COPY_P2P -- PRE_COPY
 *
 * A device without P2P lacks its column and has RUNNING and PRE_COPY in that place. A longer way
 * than one arc is the shortest one that has no state with a data file in between, but for PRE_COPY
 * -> PRE_COPY_P2P -> STOP_COPY, which keep theirs.
 *
 * Callers: ioctls on the device, all under state_lock. The data file is migration-file.c's.
 */
#include <linux/atomic.h>
#include <linux/slab.h>

#include "migration.h"

enum { NR_STATES = 8 };

/* Names as VFIO has them, without VFIO_DEVICE_STATE_ */
static const char *const state_names[NR_STATES] = {
	"ERROR", "STOP", "RUNNING", "STOP_COPY", "RESUMING", "RUNNING_P2P", "PRE_COPY", "PRE_COPY_P2P",
};

#define S(x) (1u << VFIO_DEVICE_STATE_##x)
enum { WITH_FILE = S(STOP_COPY) | S(RESUMING) | S(PRE_COPY) | S(PRE_COPY_P2P) };

static unsigned int arcs(unsigned int from, bool p2p)
{
	switch (from) {
	case VFIO_DEVICE_STATE_STOP:
		return S(STOP_COPY) | S(RESUMING) | (p2p ? S(RUNNING_P2P) : S(RUNNING));
	case VFIO_DEVICE_STATE_RUNNING:
		return S(PRE_COPY) | (p2p ? S(RUNNING_P2P) : S(STOP));
	case VFIO_DEVICE_STATE_RUNNING_P2P:
		return S(STOP) | S(RUNNING) | S(PRE_COPY_P2P);
	case VFIO_DEVICE_STATE_PRE_COPY:
		return S(RUNNING) | (p2p ? S(PRE_COPY_P2P) : S(STOP_COPY));
	case VFIO_DEVICE_STATE_PRE_COPY_P2P:
		return S(PRE_COPY) | S(RUNNING_P2P) | S(STOP_COPY);
	case VFIO_DEVICE_STATE_STOP_COPY:
	case VFIO_DEVICE_STATE_RESUMING:
		return S(STOP);
	default:
		return 0;
	}
}

/* The states that this device has */
static unsigned int states(const struct vdev_migration *m)
{
	unsigned int set = S(STOP) | S(RUNNING) | S(STOP_COPY) | S(RESUMING);

	if (m->offer & VDEV_MIG_P2P)
		set |= S(RUNNING_P2P);
	if (m->offer & VDEV_MIG_PRE_COPY)
		set |= S(PRE_COPY) | (m->offer & VDEV_MIG_P2P ? S(PRE_COPY_P2P) : 0);
	return set;
}

/* The first step from @from to @to, another one. -EINVAL: there is no way. */
static int next_state(const struct vdev_migration *m, unsigned int from, unsigned int to)
{
	unsigned int through = states(m) & ~WITH_FILE, reach = BIT(to), before;
	bool p2p = m->offer & VDEV_MIG_P2P;

	if (!(states(m) & BIT(to)) || (from == VFIO_DEVICE_STATE_STOP_COPY && (BIT(to) & (S(PRE_COPY) | S(PRE_COPY_P2P)))))
		return -EINVAL;
	if (from == VFIO_DEVICE_STATE_PRE_COPY && to == VFIO_DEVICE_STATE_STOP_COPY)
		through = states(m) & S(PRE_COPY_P2P);
	/*
	 * All states from which @to is at most so many steps away, one more each time round, until
	 * one step leads there.
	 */
	do {
		if (arcs(from, p2p) & reach)
			return __ffs(arcs(from, p2p) & reach);
		before = reach;
		for (unsigned int s = 0; s < NR_STATES; s++)
			if ((through & BIT(s)) && (arcs(s, p2p) & before))
				reach |= BIT(s);
	} while (reach != before);
	return -EINVAL;
}

/* --- states --- */

static atomic_t notes;

void vdev_mig_note(struct vdev *v, const char *from, const char *to)
{
	struct vdev_migration *m = v->mig;
	unsigned int i = m->notes++ % ARRAY_SIZE(m->note);

	m->note[i].nr = atomic_inc_return(&notes);
	m->note[i].from = from;
	m->note[i].to = to;
	dev_dbg(v->dev, "migration: %s to %s\n", from, to);
}

static void set_state(struct vdev *v, enum vfio_device_mig_state to)
{
	vdev_mig_note(v, state_names[v->mig->state], state_names[to]);
	v->mig->state = to;
}

bool vdev_mig_fault(unsigned int fault)
{
	if (!(READ_ONCE(vdev_faults) & fault))
		return false;
	WRITE_ONCE(vdev_faults, vdev_faults & ~fault);
	return true;
}

/*
 * One arc. A file that is new, NULL, or why it failed; the device is in the state it was, or in
 * ERROR.
 */
static struct file *step(struct vdev *v, unsigned int to)
{
	unsigned int from = v->mig->state;
	struct file *filp = NULL;
	int r = 0;

	if (vdev_mig_fault(VDEV_FAULT_TRANSITION))
		return ERR_PTR(-EIO);
	if (vdev_mig_fault(VDEV_FAULT_ERROR)) {
		r = -EIO;
		goto broken;
	}
	if (BIT(to) & (S(RUNNING_P2P) | S(PRE_COPY_P2P) | S(STOP) | S(STOP_COPY)))
		vdev_stop(v);
	if (!(BIT(from) & WITH_FILE) && (BIT(to) & WITH_FILE)) {
		filp = vdev_mig_open(v, to);
		r = PTR_ERR_OR_ZERO(filp);
	} else if ((BIT(from) & WITH_FILE) && (BIT(to) & WITH_FILE)) {
		r = vdev_mig_keep(v, to);
	} else {
		r = vdev_mig_close(v, from == VFIO_DEVICE_STATE_RESUMING);
	}
	if (r && from == VFIO_DEVICE_STATE_RESUMING)
		goto broken;
	if (BIT(r ? from : to) & (S(RUNNING) | S(PRE_COPY)))
		vdev_start(v);
	if (r)
		return ERR_PTR(r);
	set_state(v, to);
	return filp;

broken:
	vdev_stop(v);
	vdev_mig_close(v, false);
	set_state(v, VFIO_DEVICE_STATE_ERROR);
	return ERR_PTR(r);
}

static struct file *mig_set_state(struct vfio_device *vfio, enum vfio_device_mig_state to)
{
	struct vdev *v = vdev_of(vfio);
	struct vdev_migration *m = v->mig;
	struct file *filp = NULL;

	mutex_lock(&v->state_lock);
	if (to == VFIO_DEVICE_STATE_ERROR || (unsigned int)to >= NR_STATES || (m->v1 && !vdev_v1_idle(m->v1)))
		filp = ERR_PTR(-EINVAL);
	/* Only the last arc of a way opens a file. */
	while (!IS_ERR(filp) && m->state != to) {
		int next = next_state(m, m->state, to);

		filp = next < 0 ? ERR_PTR(next) : step(v, next);
	}
	mutex_unlock(&v->state_lock);
	return filp;
}

static int mig_get_state(struct vfio_device *vfio, enum vfio_device_mig_state *ret_state)
{
	struct vdev *v = vdev_of(vfio);

	mutex_lock(&v->state_lock);
	*ret_state = v->mig->state;
	mutex_unlock(&v->state_lock);
	return 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
static int mig_get_data_size(struct vfio_device *vfio, unsigned long *ret_size)
{
	*ret_size = vdev_stream_max(vdev_of(vfio));
	return 0;
}
#endif

static const struct vfio_migration_ops vdev_migration_ops = {
	.migration_set_state = mig_set_state,
	.migration_get_state = mig_get_state,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	.migration_get_data_size = mig_get_data_size,
#endif
};

/* --- the device's life --- */

ssize_t vdev_migration_transitions(struct vdev *v, char *buf)
{
	struct vdev_migration *m = v->mig;
	ssize_t len = 0;

	mutex_lock(&v->state_lock);
	for (unsigned int n = 0; m && n < ARRAY_SIZE(m->note); n++) {
		unsigned int i = (m->notes + n) % ARRAY_SIZE(m->note);

		if (m->note[i].nr)
			len += sysfs_emit_at(buf, len, "%u %s %s\n", m->note[i].nr, m->note[i].from, m->note[i].to);
	}
	mutex_unlock(&v->state_lock);
	return len;
}

int vdev_migration_init(struct vdev *v, unsigned int offer)
{
	struct vdev_migration *m;
	int r = 0;

	if (!(offer & VDEV_MIG_STOP_COPY))
		offer &= ~(VDEV_MIG_PRE_COPY | VDEV_MIG_P2P);
	if (!offer)
		return 0;
	if (vdev_stream_max(v) > VDEV_STATE_MAX)
		return -E2BIG;
	m = kzalloc(sizeof(*m), GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	m->state = VFIO_DEVICE_STATE_RUNNING;
	m->offer = offer;
	v->mig = m;
	if (offer & VDEV_MIG_V1)
		r = vdev_v1_init(v, &m->v1);
	if (!r && (offer & VDEV_MIG_LOG))
		r = vdev_log_init(v);
	if (r) {
		vdev_v1_free(m->v1);
		vdev_log_free(v);
		v->mig = NULL;
		kfree(m);
		return r;
	}
	if (offer & VDEV_MIG_STOP_COPY) {
		v->vfio.mig_ops = &vdev_migration_ops;
		v->vfio.migration_flags = VFIO_MIGRATION_STOP_COPY | (offer & VDEV_MIG_P2P ? VFIO_MIGRATION_P2P : 0) |
					  (offer & VDEV_MIG_PRE_COPY ? VFIO_MIGRATION_PRE_COPY : 0);
	}
	return 0;
}

void vdev_migration_free(struct vdev *v)
{
	if (!v->mig)
		return;
	vdev_v1_free(v->mig->v1);
	vdev_log_free(v);
	kfree(v->mig);
	v->mig = NULL;
}

void vdev_migration_reset(struct vdev *v)
{
	struct vdev_migration *m = v->mig;

	if (!m)
		return;
	vdev_mig_close(v, false);
	if (m->state != VFIO_DEVICE_STATE_RUNNING)
		set_state(v, VFIO_DEVICE_STATE_RUNNING);
	if (m->v1)
		vdev_v1_reset(v, m->v1);
}

int vdev_migration_open(struct vdev *v)
{
	int r = 0;

	mutex_lock(&v->state_lock);
	if (v->mig && v->mig->v1)
		r = vdev_v1_renew(v->mig->v1);
	mutex_unlock(&v->state_lock);
	return r;
}

void vdev_migration_close(struct vdev *v)
{
	mutex_lock(&v->state_lock);
	vdev_migration_reset(v);
	mutex_unlock(&v->state_lock);
	vdev_log_close(v);
}
