// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control command "balloon": {"target":BYTES}, or {"inflate":BYTES} or {"deflate":BYTES} relative to the target there is, and
 * {"refresh":true} for new statistics, which come in a later reply. The reply is balloon_report(), after the change.
 */
#include <errno.h>

#include "vmm/control.h"
#include "vmm/virtio.h"
#include "vmm/vm.h"

static unsigned long long mib(u64 bytes)
{
	return bytes / MIB;
}

/* What @args make of the target @now. 1: changed, 0: nothing asked, -errno. */
static int new_target(u64 now, u64 ram, const struct json_value *args, u64 *ret, struct error *err)
{
	static const char *const names[] = { "target", "inflate", "deflate" };
	unsigned int i, which = 0, given = 0;
	u64 v = 0;
	int r;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		r = json_get_u64(args, names[i], UINT64_MAX, &v);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return error_set(err, r, "balloon: '%s' is not a number of bytes", names[i]);
		which = i;
		if (given++)
			return error_set(err, -EINVAL, "balloon: only one of target, inflate and deflate");
	}
	if (!given)
		return 0;
	if (which == 2 && v > now)
		return error_set(err, -ERANGE, "balloon: cannot deflate by %lluM, its target is %lluM", mib(v), mib(now));
	if (which == 1 && v > ram - now)
		return error_set(err, -ERANGE, "balloon: cannot inflate by %lluM, its target is %lluM of the guest's %lluM", mib(v),
				 mib(now), mib(ram));
	if (which == 0 && v > ram)
		return error_set(err, -ERANGE, "balloon: target %lluM, the guest has %lluM", mib(v), mib(ram));
	*ret = which == 2 ? now - v : which == 1 ? now + v : v;
	return 1;
}

int control_cmd_balloon(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	bool refresh = false;
	u64 target;
	int r;

	r = json_get_bool(args, "refresh", &refresh);
	if (r == -EINVAL)
		return error_set(err, r, "balloon: 'refresh' is not true or false");
	r = balloon_get_target(vm, &target);
	if (r < 0)
		return error_set(err, r, "it has no balloon; 'lkvm run --balloon' gives it one");
	r = new_target(target, guest_ram_size(&vm->mem), args, &target, err);
	if (r > 0 && balloon_set_target(vm, target) < 0)
		r = error_set(err, -ERANGE, "balloon: target %lluM is beyond what a balloon can hold", mib(target));
	return r < 0 ? r : balloon_report(vm, refresh, reply);
}
