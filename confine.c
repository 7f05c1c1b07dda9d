/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM into the sandbox (util/sandbox.h): what of the host it still needs follows from its config, and a forbidden call ends its run.
 *
 * Main thread.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* Sockets that chardevs remove at the end. */
static void allow_removals(struct vm *vm)
{
	const struct vm_config *cfg = &vm->cfg;
	unsigned int i;

	for (i = 0; i < CONFIG_SERIAL_PORTS; i++)
		if (cfg->serial[i].kind == CHARDEV_UNIX)
			sandbox_allow(&vm->box, cfg->serial[i].path, SANDBOX_REMOVE);
	for (i = 0; i < cfg->nr_ports; i++)
		if (cfg->port[i].kind == CHARDEV_UNIX)
			sandbox_allow(&vm->box, cfg->port[i].path, SANDBOX_REMOVE);
}

/*
 * A user-mode network asks the host's name servers, which may change while it runs. Where the file is a link, what it points to is
 * replaced by whoever owns that folder, which has nothing else in it.
 */
static void allow_network(struct vm *vm, char folder[PATH_MAX])
{
	bool user = false;
	unsigned int i;
	char *slash;

	for (i = 0; i < vm->cfg.nr_nics; i++)
		user |= vm->cfg.nic[i].mode == NET_USER;
	vm->box.network = user;
	if (!user || !realpath(RESOLV_CONF, folder))
		return;
	sandbox_allow(&vm->box, RESOLV_CONF, SANDBOX_READ);
	slash = strrchr(folder, '/');
	if (strcmp(folder, RESOLV_CONF) && slash != folder) {
		*slash = '\0';
		if (strcmp(folder, "/etc"))
			sandbox_allow(&vm->box, folder, SANDBOX_READ);
	}
}

static void violated(struct event_source *src, u32 events)
{
	struct vm *vm = container_of(src, struct vm, violation);

	event_del(src);
	vm_request_exit(vm, VM_EXIT_HOST_ERROR, 0, "the sandbox refused a system call (see above)");
}

int vm_confine(struct vm *vm, struct error *err)
{
	char folder[PATH_MAX];
	int r;

	allow_removals(vm);
	allow_network(vm, folder);
	vm->box.answer = arch_answer_call;
	r = sandbox_enter(&vm->box, err);
	if (r < 0)
		return r;
	log_debug("sandbox", "%s", sandbox_describe());
	if (sandbox_violation_fd() < 0)
		return 0;
	r = event_add(vm->loop, &vm->violation, sandbox_violation_fd(), EPOLLIN, violated);
	return r < 0 ? error_set_errno(err, r, "sandbox") : 0;
}
