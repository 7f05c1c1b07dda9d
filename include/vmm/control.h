/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control socket of a running VM: $XDG_RUNTIME_DIR/lkvm/NAME.sock, else ~/.lkvm/NAME.sock; folder 0700, socket 0600.
 * Documentation/control.md is the protocol: one JSON object a line, either way.
 *
 *   request := {"v":1,"cmd":"pause", arguments...}       at most CONTROL_REQUEST_MAX bytes
 *   reply   := {"v":1,"ok":true, members...} | {"v":1,"ok":false,"error":"one line","errno":N}
 *
 * All of it runs on the main loop and never waits for a client: input is read as it comes, at most one request's worth; a reply that
 * a client does not read is held for it, bounded, and the client that lets it grow past that is dropped.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include "util/error.h"
#include "util/json.h"
#include "util/str.h"

struct control;
struct vm;

enum { CONTROL_VERSION = 1, CONTROL_REQUEST_MAX = 4096, CONTROL_REPLY_MAX = 1024 * 1024, CONTROL_MAX_CLIENTS = 1024 };

struct control_command {
	const char *name;
	/*
	 * Main thread, the VM running or paused, not ended. Adds members to the reply object open in @reply. 0, or -errno with a
	 * line in @err for the client (then what it added is dropped). Never waits for the guest.
	 */
	int (*run)(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err);
};

/* The table in control-commands.c ends with a NULL name. */
extern const struct control_command control_commands[];

int control_cmd_debug(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err);
int control_cmd_nmi(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err);
int control_cmd_sysrq(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err);
int control_cmd_stat(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err);
int control_cmd_balloon(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err);

/*
 * "NAME.sock" in the runtime folder, made when missing. Frees nothing: the caller does. -EINVAL: a name that is no plain
 * file name (empty, '/', leading '.', too long for sun_path).
 */
int control_path(const char *name, char **ret, struct error *err);
/* The folder alone; made when @make. */
int control_dir(bool make, char **ret, struct error *err);

/*
 * Listens at vm->cfg.name's path. -EEXIST: a VM of that name runs (a socket nobody listens at is replaced). Main thread, before
 * vm_run(); vm_free() after control_free().
 */
int control_create(struct vm *vm, struct error *err, struct control **ret);
/* Removes the socket. NULL is fine. */
void control_free(struct control *c);

#endif
