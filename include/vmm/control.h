/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control socket of a running VM: $XDG_RUNTIME_DIR/lkvm/NAME.sock, else ~/.lkvm/NAME.sock; folder 0700, socket 0600.
 * Documentation/control.md is the protocol: one JSON object a line, either way.
 *
 *   request := {"v":1,"cmd":"pause", arguments...}       at most CONTROL_REQUEST_MAX bytes
 *   reply   := {"v":1,"ok":true, members...} | {"v":1,"ok":false,"error":"one line","errno":N}
 *
 * All of it runs on the main loop and never waits for a client: input is read as it comes, at most one request's worth; a client's next
 * request is looked at when it has taken the last reply; a client that is in the way of another one is dropped.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <sys/types.h>

#include "util/error.h"
#include "util/json.h"
#include "util/str.h"

struct control;
struct vm;

enum {
	CONTROL_VERSION = 1,
	CONTROL_REQUEST_MAX = 4096,		/* the newline included */
	CONTROL_REPLY_MAX = 1024 * 1024,
	CONTROL_MAX_CLIENTS = 1024,		/* and at most half of the descriptors we may have */
	CONTROL_HELD_MAX = 8 * 1024 * 1024,	/* replies that are not read, all clients together */
	CONTROL_NAME_MAX = 63,
};

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

/* --- where sockets are: control-path.c; servers and clients --- */

/*
 * "NAME.sock" in the runtime folder, which must be there. The caller frees it. -EINVAL: a name that is no plain
 * file name (empty, '/', leading '.', a control character, longer than CONTROL_NAME_MAX); -ENAMETOOLONG: for sun_path.
 */
int control_path(const char *name, char **ret, struct error *err);
/* The folder alone; made when @make. -ENOENT: there is none; -ENXIO: no place for one; -EPERM: it is not ours alone to write. */
int control_dir(bool make, char **ret, struct error *err);

/* A listening socket and the file that is its name. */
struct control_socket {
	int fd;			/* owned; -1: none */
	int dir_fd;		/* owned: the folder */
	char *path;		/* owned */
	const char *file;	/* its last part */
	dev_t dev;
	ino_t ino;
};

/* Makes the folder when missing. -EEXIST: a VM of that name runs. A socket nobody listens at is replaced. */
int control_listen(struct control_socket *s, const char *name, struct error *err);
/* Removes the file if it is still ours, and closes. A zeroed or failed one is not for it. */
void control_unlisten(struct control_socket *s);
/* A connected descriptor, close-on-exec and non-blocking; -ECONNREFUSED: nobody listens any more; -EAGAIN: too busy to take us. */
int control_dial(const char *path);
/* Removes @path if nobody listens at it; never one that somebody does. */
void control_remove_stale(const char *path);

/* --- the server: control.c --- */

/*
 * Listens at vm->cfg.name's path. -EEXIST: a VM of that name runs (a socket nobody listens at is replaced). Main thread, before
 * vm_run(); vm_free() after control_free().
 */
int control_create(struct vm *vm, struct error *err, struct control **ret);
/* Removes the socket. NULL is fine. */
void control_free(struct control *c);
/* Its path, and the descriptor of its folder, in which control_free() unlinks it. NULL and -1 for NULL. */
const char *control_socket_path(const struct control *c);
int control_dir_fd(const struct control *c);

#endif
