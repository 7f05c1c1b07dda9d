/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands that talk to running VMs share: finding them, asking them, showing what they said. Documentation/control.md
 */
#ifndef BUILTIN_CONTROL_H
#define BUILTIN_CONTROL_H

#include "util/error.h"
#include "util/json.h"
#include "util/options.h"

/* What kvmtool's users type: "-n NAME", "--name NAME", NAME alone, or "-a" for all. Embedded in a command's options. */
struct guest_choice {
	bool all;
	const char *name;
};
/* The two options, for a command's table whose context begins with a struct guest_choice. */
#define GUEST_CHOICE_OPTIONS                                                                                          \
	{ 'a', "all", NULL, "every running guest", option_bool, .offset = offsetof(struct guest_choice, all) },        \
	{ 'n', "name", "name", "the guest of that name", option_str, .offset = offsetof(struct guest_choice, name) }

struct guest_conn {
	int fd;			/* owned; -1: none */
	int pid;		/* of the VM's process; 0: in a namespace we do not see */
	char name[64];
	char *in;		/* owned: what came */
	size_t in_len, in_room;
	struct json_value *node;	/* owned: the last reply's tree, and the text it points into */
};

/* 0 or -errno with a line in @err. */
int guest_connect(struct guest_conn *c, const char *name, struct error *err);
void guest_disconnect(struct guest_conn *c);
/*
 * Sends {"v":1,"cmd":@cmd@members} (@members: "" or ",\"key\":value..." ready to go) and waits for the reply (at most GUEST_TIMEOUT_S).
 * 0 and the reply's tree, valid until the next call; -errno with the VM's own line in @err when it refused.
 */
enum { GUEST_TIMEOUT_S = 10 };
int guest_call(struct guest_conn *c, const char *cmd, const char *members, const struct json_value **ret, struct error *err);
/* The last reply as it came, one line without its newline, for --json; "" before the first. */
const char *guest_reply_text(const struct guest_conn *c);

/*
 * Calls @fn for the chosen guest, or for each running one. Prints a line on stderr for each that failed. The exit status: 0, or
 * LKVM_CANNOT_START when one failed or there was none by that name; LKVM_USAGE when neither -a nor a name was given.
 */
int guests_for_each(const struct guest_choice *choice, int (*fn)(struct guest_conn *c, void *arg, struct error *err), void *arg);

/* The names that have a socket, sorted; none is fine. 0 or -errno with a line in @err. */
struct guest_names {
	char **name;		/* owned, each of them too */
	unsigned int nr;
};
int guest_names(struct guest_names *ret, struct error *err);
void guest_names_free(struct guest_names *names);

/*
 * Options of a command that takes a guest_choice: what is no option is the guest's name. -1: go on; else the exit status, all said.
 * @usage: what follows "lkvm ". @choice is where the table's options write.
 */
int guest_options(const struct option_def *table, struct guest_choice *choice, const char *usage, int argc, char **argv);

/* What comes from a VM or a folder and goes onto a terminal: no byte of it is a control character. In place; gives @s. */
char *text_clean(char *s);

int cmd_list(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_debug(int argc, char **argv);
int cmd_balloon(int argc, char **argv);

#endif
