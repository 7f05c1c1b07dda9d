/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Landlock: which files may still be opened or removed, and by whom else this process may be reached. [Linux
 * Documentation/userspace-api/landlock] Everything that the running kernel's ABI can deny is denied, but the paths of struct sandbox.
 *
 * The numbers are written here: headers of build machines are often older than the kernels it runs on. They are the same on all
 * architectures.
 *
 * Main thread; threads that it starts later inherit the domain.
 */
#include "sandbox/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/log.h"
#include "util/str.h"

enum { SYS_LANDLOCK_CREATE_RULESET = 444, SYS_LANDLOCK_ADD_RULE = 445, SYS_LANDLOCK_RESTRICT_SELF = 446 };
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

/* Of access to files: bits 0 .. 12 are ABI 1; REFER 2, TRUNCATE 3, IOCTL_DEV 5. */
enum {
	FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3, FS_REMOVE_FILE = 1 << 5,
	FS_ABI_1 = (1 << 13) - 1, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14, FS_IOCTL_DEV = 1 << 15,
};
enum { NET_BIND_TCP = 1, NET_CONNECT_TCP = 2 };			/* ABI 4 */
enum { SCOPE_ABSTRACT_UNIX_SOCKET = 1, SCOPE_SIGNAL = 2 };	/* ABI 6 */

struct ruleset_attr {
	u64 handled_fs, handled_net, scoped;
};

struct path_beneath_attr {
	u64 allowed;
	s32 parent_fd;
} __attribute__((packed));

static struct ruleset_attr all_that_abi_handles(int abi, bool network)
{
	struct ruleset_attr a = { .handled_fs = FS_ABI_1 };

	if (abi >= 2)
		a.handled_fs |= FS_REFER;
	if (abi >= 3)
		a.handled_fs |= FS_TRUNCATE;
	if (abi >= 4 && !network)
		a.handled_net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 5)
		a.handled_fs |= FS_IOCTL_DEV;
	if (abi >= 6)
		a.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	return a;
}

/* An older kernel wants a struct without the fields it does not know. */
static size_t attr_size(int abi)
{
	return abi >= 6 ? sizeof(struct ruleset_attr) : abi >= 4 ? 2 * sizeof(u64) : sizeof(u64);
}

static int open_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	if (!slash)
		return open(".", O_PATH | O_CLOEXEC | O_DIRECTORY);
	if (slash - path >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	str_copy(folder, (size_t)(slash - path) + 1, path);
	return open(slash == path ? "/" : folder, O_PATH | O_CLOEXEC | O_DIRECTORY);
}

int landlock_stat_folder(const char *path, struct stat *ret)
{
	int fd = open_folder(path);
	int r = fd < 0 || fstat(fd, ret) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int allow(int ruleset, const char *path, u64 rights)
{
	struct path_beneath_attr rule = { .allowed = rights };
	struct stat st;
	int r;

	rule.parent_fd = rights == FS_REMOVE_FILE ? open_folder(path) : open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0 || fstat(rule.parent_fd, &st) < 0) {
		r = -errno;
		goto close_fd;
	}
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= FS_READ_FILE;	/* the rest are a folder's */
	r = syscall(SYS_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
close_fd:
	if (rule.parent_fd >= 0)
		close(rule.parent_fd);
	return r == -ENOENT ? 0 : r;
}

static int add_rules(int ruleset, const struct sandbox *box, struct error *err)
{
	const struct sandbox_path *p;
	int r;

	for (p = box->path; p < box->path + box->nr_paths; p++) {
		r = allow(ruleset, p->path, p->rights == SANDBOX_REMOVE ? FS_REMOVE_FILE : FS_READ_FILE);
		if (r < 0)
			return error_set_errno(err, r, "sandbox: '%s'", p->path);
	}
	r = SANDBOX_SANITIZER ? allow(ruleset, "/", FS_READ_FILE | FS_READ_DIR) : 0;
	return r < 0 ? error_set_errno(err, r, "sandbox") : 0;
}

int landlock_enter(const struct sandbox *box, struct error *err)
{
	long abi = syscall(SYS_LANDLOCK_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
	struct ruleset_attr attr;
	int ruleset, r;

	if (abi < 0) {	/* ENOSYS: not in this kernel; EOPNOTSUPP: off at boot; or a sandbox around us says no */
		log_debug("sandbox", "no landlock: %s", strerror(errno));
		return 0;
	}
	attr = all_that_abi_handles((int)abi, box->network);
	ruleset = (int)syscall(SYS_LANDLOCK_CREATE_RULESET, &attr, attr_size((int)abi), 0);
	if (ruleset < 0)
		return error_set_errno(err, -errno, "sandbox: landlock");
	r = add_rules(ruleset, box, err);
	if (!r && syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) < 0)
		r = error_set_errno(err, -errno, "sandbox: landlock");
	close(ruleset);
	return r < 0 ? r : (int)abi;
}
