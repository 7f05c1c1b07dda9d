// SPDX-License-Identifier: GPL-2.0-only
/*
 * What control clients may ask for, and the commands of a VM's life: info, pause, resume, stop. The others have files of their own:
 * control-stat.c, control-debug.c, control-balloon.c. Documentation/control.md
 *
 * Threads: the main loop's.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/control.h"
#include "vmm/hw.h"
#include "vmm/vm.h"

static int cmd_info(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	json_str(reply, "name", vm->cfg.name);
	json_u64(reply, "pid", (u64)getpid());
	json_str(reply, "state", vm->paused ? "paused" : "running");
	json_u64(reply, "cpus", vm->cfg.cpus);
	json_u64(reply, "mem", vm->cfg.mem_size);
	json_u64(reply, "uptime_us", vm_time_us(vm));
	json_str(reply, "version", LKVM_VERSION);
	return 0;
}

static int cmd_pause(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	int r = vm_pause(vm);

	if (r == -EALREADY)
		return error_set(err, r, "is already paused");
	if (r < 0)
		return error_set_errno(err, r, "cannot pause");
	json_str(reply, "state", "paused");
	return 0;
}

static int cmd_resume(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	int r = vm_resume(vm);

	if (r == -EALREADY)
		return error_set(err, r, "is still running");
	if (r < 0)
		return error_set_errno(err, r, "cannot resume");
	json_str(reply, "state", "running");
	return 0;
}

/* A paused guest would never see its power button: it is resumed, and the reply says so. */
static int cmd_stop(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	bool force = false, resumed = false;
	int r;

	r = json_get_bool(args, "force", &force);
	if (r < 0 && r != -ENOENT)
		return error_set(err, -EINVAL, "force: want true or false");
	if (force) {
		vm_request_exit(vm, VM_EXIT_QUIT, 0, "stopped by a control client");
		json_bool(reply, "forced", true);
		return 0;
	}
	r = power_button_press(vm);
	if (r < 0)
		return error_set(err, r, "this machine has no power button; force ends it all the same");
	if (vm->paused)
		resumed = vm_resume(vm) == 0;
	json_bool(reply, "pressed", true);
	json_bool(reply, "resumed", resumed);
	return 0;
}

const struct control_command control_commands[] = {
	{ "info", cmd_info },
	{ "pause", cmd_pause },
	{ "resume", cmd_resume },
	{ "stop", cmd_stop },
	{ "stat", control_cmd_stat },
	{ "debug", control_cmd_debug },
	{ "nmi", control_cmd_nmi },
	{ "sysrq", control_cmd_sysrq },
	{ "balloon", control_cmd_balloon },
	{ NULL },
};
