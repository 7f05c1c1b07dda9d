/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration of a device: which protocol, its states, all devices of a VM together. A whole device to sections and back is
 * migration-save.c's.
 *
 * The device is asked where it is before every step and after it. So a device that fell into its error state by itself, or
 * stopped on the way, is known for what it is, and what belonged to the state it left (a file, a chunk) is given back by
 * ops->arrived().
 */
#include "vfio/migration.h"

#include <assert.h>
#include <errno.h>

#include "util/json.h"
#include "util/log.h"
#include "vfio/migration-protocol.h"
#include "vmm/vm.h"

static const char *const state_names[] = {
	[VFIO_MIG_ERROR] = "error", [VFIO_MIG_STOP] = "stop", [VFIO_MIG_RUNNING] = "running", [VFIO_MIG_STOP_COPY] = "stop-copy",
	[VFIO_MIG_RESUMING] = "resuming", [VFIO_MIG_RUNNING_P2P] = "running-p2p", [VFIO_MIG_PRE_COPY] = "pre-copy",
	[VFIO_MIG_PRE_COPY_P2P] = "pre-copy-p2p",
};

const char *vfio_mig_state_name(enum vfio_mig_state state)
{
	return state < ARRAY_SIZE(state_names) ? state_names[state] : "none";
}

/* --- which protocol --- */

static int try_protocol(struct vfio_device *vd, unsigned int number, struct vfio_migration **ret)
{
	int r = number == 2 ? vfio_migration_v2_create(vd, ret) : vfio_migration_v1_create(vd, ret);

	if (r < 0 && vd->cfg->migration == VFIO_MIGRATION_AUTO)
		log_warn(vfio_device_name(vd), "migration v%u is offered, but does not follow its rules: error %d", number, -r);
	return r;
}

/* Says that it has one: dirty.c finds out whether it works. */
static bool has_log(struct vfio_device *vd)
{
	return vfio_feature(vd, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, NULL, 0) >= 0;
}

int vfio_migration_create(struct vfio_device *vd, struct vfio_migration **ret, struct error *err)
{
	const enum vfio_migration_kind wish = vd->cfg->migration;
	struct vfio_migration *m = NULL;
	int r = 0;

	*ret = NULL;
	if (wish == VFIO_MIGRATION_OFF)
		return 0;
	if (wish != VFIO_MIGRATION_V1)
		r = try_protocol(vd, 2, &m);
	if (!m && wish != VFIO_MIGRATION_V2)
		r = try_protocol(vd, 1, &m);
	if (r == -ENOMEM)
		return error_set_errno(err, r, VFIO_WHO_FMT, VFIO_WHO(vd));
	if (!m && wish != VFIO_MIGRATION_AUTO)
		return error_set(err, r < 0 ? r : -EOPNOTSUPP, VFIO_WHO_FMT ": migration=%s: the device %s", VFIO_WHO(vd),
				 wish == VFIO_MIGRATION_V1 ? "v1" : "v2", r < 0 ? "offers it, but does not follow its rules" : "does not offer it");
	if (!m)
		return 0;
	if (has_log(vd))
		m->abilities |= VFIO_MIG_CAN_LOG;
	m->most = GIB;
	m->state = m->ops->state(m);
	*ret = m;
	return 0;
}

void vfio_migration_free(struct vfio_migration *m)
{
	if (m)
		m->ops->free(m);
}

/* --- one device --- */

enum vfio_mig_state vfio_migration_state(struct vfio_migration *m)
{
	enum vfio_mig_state now = m->ops->state(m);

	if (!vfio_mig_saves(now))
		m->taken = 0;
	m->ops->arrived(m, now);
	m->state = now;
	return now;
}

/* The state of this device that stands for @state; -EOPNOTSUPP, -EINVAL. */
static int nearest(const struct vfio_migration *m, enum vfio_mig_state state, enum vfio_mig_state *ret)
{
	if (state == VFIO_MIG_ERROR || state > VFIO_MIG_PRE_COPY_P2P)
		return -EINVAL;
	if (!(m->abilities & VFIO_MIG_CAN_P2P))
		state = state == VFIO_MIG_RUNNING_P2P ? VFIO_MIG_RUNNING : state == VFIO_MIG_PRE_COPY_P2P ? VFIO_MIG_PRE_COPY : state;
	if (vfio_mig_pre_copies(state) && !(m->abilities & VFIO_MIG_CAN_PRE_COPY))
		return -EOPNOTSUPP;
	*ret = state;
	return 0;
}

static int move(struct vfio_migration *m, enum vfio_mig_state from, enum vfio_mig_state to, struct error *err)
{
	int r = m->ops->set_state(m, from, to);
	enum vfio_mig_state now = vfio_migration_state(m);

	if (r >= 0 && now != to)
		r = -EIO;
	if (r >= 0)
		return 0;
	return error_set_errno(err, r, VFIO_WHO_FMT ": the device does not go from %s to %s, and is in %s now", VFIO_WHO(m->vd),
			       vfio_mig_state_name(from), vfio_mig_state_name(to), vfio_mig_state_name(now));
}

int vfio_migration_set_state(struct vfio_migration *m, enum vfio_mig_state state, struct error *err)
{
	enum vfio_mig_state from, to;
	int r = nearest(m, state, &to);

	if (r < 0)
		return error_set(err, r, VFIO_WHO_FMT ": the device has no migration state %s", VFIO_WHO(m->vd), vfio_mig_state_name(state));
	from = vfio_migration_state(m);
	if (from == to)
		return 0;
	if (from == VFIO_MIG_ERROR)
		return error_set(err, -EIO, VFIO_WHO_FMT ": the device is in its error state, which only a reset ends", VFIO_WHO(m->vd));
	/* [VFIO_DEVICE_STATE_STOP_COPY] it cannot save while it runs what it began to save at rest. (v1 has no such words, and no such arc.) */
	if (from == VFIO_MIG_STOP_COPY && vfio_mig_pre_copies(to))
		return error_set(err, -EINVAL, VFIO_WHO_FMT ": there is no way from %s to %s", VFIO_WHO(m->vd), vfio_mig_state_name(from),
				 vfio_mig_state_name(to));
	return move(m, from, to, err);
}

int vfio_migration_reset(struct vfio_migration *m, struct error *err)
{
	enum vfio_mig_state now;
	int r = vfio_device_reset(m->vd);

	if (r < 0)
		error_set_errno(err, r, VFIO_WHO_FMT ": reset", VFIO_WHO(m->vd));
	now = vfio_migration_state(m);
	if (r < 0)
		return r;
	/* v1 does not say that a reset ends in RUNNING: a device that came to another state is sent there, one that is in ERROR, too */
	if (now != VFIO_MIG_RUNNING)
		return move(m, now, VFIO_MIG_RUNNING, err);
	return 0;
}

int vfio_migration_pending(struct vfio_migration *m, struct vfio_mig_pending *ret)
{
	if (!vfio_mig_saves(m->state)) {
		*ret = (struct vfio_mig_pending){ 0 };
		return 0;
	}
	return m->ops->pending(m, ret);
}

ssize_t vfio_migration_read(struct vfio_migration *m, void *buf, size_t len)
{
	ssize_t n;

	if (!vfio_mig_saves(m->state) || !len)
		return -EINVAL;
	n = m->ops->read(m, buf, len);
	if (n > 0)
		m->taken += (u64)n;
	return n;
}

int vfio_migration_write(struct vfio_migration *m, const void *buf, size_t len)
{
	return m->state == VFIO_MIG_RESUMING ? m->ops->write(m, buf, len) : -EINVAL;
}

void vfio_migration_stats(struct vfio_device *vd, struct strbuf *b)
{
	static const char *const names[] = { "pre-copy", "p2p", "log" };	/* by bit of VFIO_MIG_CAN_* */
	struct vfio_migration *m = vd->migration;
	struct vfio_mig_pending pending;
	unsigned int i;

	json_str(b, "protocol", m ? m->ops->name : "none");
	if (!m)
		return;
	json_array_begin(b, "abilities");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (m->abilities & BIT(i))
			json_str(b, NULL, names[i]);
	json_array_end(b);
	json_str(b, "state", vfio_mig_state_name(vfio_migration_state(m)));
	if (vfio_migration_pending(m, &pending) < 0)
		return;
	json_begin(b, "pending");
	json_u64(b, "initial", pending.initial);
	json_u64(b, "dirty", pending.dirty);
	json_u64(b, "stop_copy", pending.stop_copy);
	json_end(b);
}

/* --- all devices --- */

/* Each one that @which says, to what to(it) is; goes on after a failure if @all, with a reset of the one that failed. The first -errno. */
static int each_to(struct vm *vm, enum vfio_mig_state (*to)(struct vfio_migration *m, enum vfio_mig_state last), enum vfio_mig_state last,
		   bool all, struct error *err)
{
	struct vfio_device *vd;
	int r, first = 0;

	list_for_each(vd, &vm->vfio->devices, node) {
		if (!vd->migration)
			continue;
		r = vfio_migration_set_state(vd->migration, to(vd->migration, last), first < 0 ? NULL : err);
		if (r >= 0)
			continue;
		first = first < 0 ? first : r;
		if (!all)
			break;
		vfio_migration_reset(vd->migration, NULL);
	}
	return first;
}

/* What comes between where it is and @last: quiet towards others where it can be, else where it is. One in ERROR is to be told so. */
static enum vfio_mig_state quiet(struct vfio_migration *m, enum vfio_mig_state last)
{
	enum vfio_mig_state now = vfio_migration_state(m);

	if (now == VFIO_MIG_ERROR)
		return last;
	if (!(m->abilities & VFIO_MIG_CAN_P2P))
		return now;
	if (last == VFIO_MIG_RUNNING)
		return now == VFIO_MIG_STOP || now == VFIO_MIG_STOP_COPY || now == VFIO_MIG_RESUMING ? VFIO_MIG_RUNNING_P2P : now;
	return now == VFIO_MIG_RUNNING ? VFIO_MIG_RUNNING_P2P : now == VFIO_MIG_PRE_COPY ? VFIO_MIG_PRE_COPY_P2P : now;
}

static enum vfio_mig_state final(struct vfio_migration *m, enum vfio_mig_state last)
{
	return last;
}

int vfio_migration_quiesce_all(struct vm *vm, enum vfio_mig_state to, struct error *err)
{
	struct vfio_device *vd;
	int r;

	assert(to == VFIO_MIG_STOP || to == VFIO_MIG_STOP_COPY);
	if (!vm->vfio)
		return 0;
	list_for_each(vd, &vm->vfio->devices, node)
		if (!vd->migration && to == VFIO_MIG_STOP_COPY)
			return error_set(err, -EOPNOTSUPP, VFIO_WHO_FMT ": the device cannot be saved", VFIO_WHO(vd));
	r = each_to(vm, quiet, to, false, err);
	if (r >= 0)
		r = each_to(vm, final, to, false, err);
	if (r < 0)
		vfio_migration_run_all(vm, NULL);
	return r;
}

int vfio_migration_run_all(struct vm *vm, struct error *err)
{
	int r, last;

	if (!vm->vfio)
		return 0;
	r = each_to(vm, quiet, VFIO_MIG_RUNNING, true, err);
	last = each_to(vm, final, VFIO_MIG_RUNNING, true, r < 0 ? NULL : err);
	return r < 0 ? r : last;
}
