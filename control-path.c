// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where control sockets are, and how one comes and goes there. unix(7), flock(2)
 *
 * The folder is $XDG_RUNTIME_DIR/lkvm if that variable names a folder of this user's, else ~/.lkvm if HOME does: a variable kept by su or
 * sudo names somebody else's, and is not used.
 *
 * Two starts with one name, a start that finds a socket left by a crash, `lkvm list` that cleans up, all at the same time:
 * 1. A name is taken by bind(2), which makes the file or fails: of two, one wins.
 * 2. bind and listen are done under the folder's lock, and so is removing a socket that nobody listens at. So who holds the lock and
 *    is refused by connect(2) sees a dead socket, not one that is about to listen, and a dead one never lives again. What it
 *    unlinks then is what it was refused by: only a holder of the lock makes another appear there.
 * 3. A VM that ends removes its own file without the lock, which somebody may hold for ever, while it still listens: by 2 nobody
 *    else has removed it. Device and inode are compared all the same, for a user who did.
 * 4. On a file system without locks nothing is removed but what 3 says. A lock that is not to be had for seconds ends the start: to bind
 *    without it would let its holder take our socket for a dead one before we listen.
 *
 * Threads: the main thread's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "util/io.h"
#include "vmm/control.h"

#define LOCK_PATIENCE_NS 2000000000ULL	/* it is held for some ten microseconds */
#define LOCK_PAUSE_NS 500000

/* A folder that is this user's, from the environment. */
static const char *own_folder(const char *variable)
{
	const char *path = getenv(variable);
	struct stat st;

	if (!path || path[0] != '/' || stat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return NULL;
	return path;
}

static int dir_name(char **ret, struct error *err)
{
	const char *base = own_folder("XDG_RUNTIME_DIR");
	const char *home = base ? NULL : own_folder("HOME");

	if (!base && !home)
		return error_set(err, -ENXIO, "neither XDG_RUNTIME_DIR nor HOME names a folder of this user's");
	*ret = base ? str_printf("%s/lkvm", base) : str_printf("%s/.lkvm", home);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "control socket");
}

/* Its descriptor. @ret owns the path. */
static int open_dir(bool make, char **ret, struct error *err)
{
	struct stat st;
	char *path;
	int fd, r;

	r = dir_name(&path, err);
	if (r < 0)
		return r;
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST) {
		r = error_set_errno(err, -errno, "folder '%s'", path);
		goto free_path;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		r = error_set_errno(err, -errno, "folder '%s'", path);
		goto free_path;
	}
	if (fstat(fd, &st) < 0) {
		r = error_set_errno(err, -errno, "folder '%s'", path);
		goto close_fd;
	}
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))) {
		r = error_set(err, -EPERM, "folder '%s': others may write to it; want it owned by this user, mode 0700", path);
		goto close_fd;
	}
	*ret = path;
	return fd;

close_fd:
	close(fd);
free_path:
	free(path);
	return r;
}

int control_dir(bool make, char **ret, struct error *err)
{
	int fd = open_dir(make, ret, err);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int check_name(const char *name, struct error *err)
{
	const unsigned char *p;

	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > CONTROL_NAME_MAX)
		return error_set(err, -EINVAL, "--name '%s': want 1 to %d bytes, no '/', no '.' at its beginning", name,
				 CONTROL_NAME_MAX);
	for (p = (const unsigned char *)name; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return error_set(err, -EINVAL, "--name: want no control characters in it");
	return 0;
}

static int socket_path(const char *dir, const char *name, char **ret, struct error *err)
{
	struct sockaddr_un addr;
	char *path = str_printf("%s/%s.sock", dir, name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "control socket");
	if (strlen(path) >= sizeof(addr.sun_path)) {
		error_set(err, -ENAMETOOLONG, "--name '%s': the path of its socket, '%s', is longer than %zu bytes", name, path,
			  sizeof(addr.sun_path) - 1);
		free(path);
		return -ENAMETOOLONG;
	}
	*ret = path;
	return 0;
}

int control_path(const char *name, char **ret, struct error *err)
{
	char *dir;
	int r;

	r = check_name(name, err);
	if (!r)
		r = control_dir(false, &dir, err);
	if (r < 0)
		return r;
	r = socket_path(dir, name, ret, err);
	free(dir);
	return r;
}

static int sockaddr_of(const char *path, struct sockaddr_un *ret)
{
	size_t len = strlen(path);

	memset(ret, 0, sizeof(*ret));
	if (len >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, path, len);
	return 0;
}

int control_dial(const char *path)
{
	struct sockaddr_un addr;
	int fd, r;

	r = sockaddr_of(path, &addr);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* Somebody who may read the folder (an old one, mode 0755) may hold its lock for ever: we do not wait for ever. */
static int lock_dir(int dir_fd, u64 patience_ns)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	u64 end = 0;

	while (flock(dir_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (!end)
			end = time_now_ns() + patience_ns;
		if (time_now_ns() >= end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* The folder is locked (inv. 2). True: nothing is at @path now. */
static bool remove_stale_locked(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode))
		return false;
	fd = control_dial(path);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED && unlink(path) == 0;
}

void control_remove_stale(const char *path)
{
	struct error err;
	char *dir;
	int fd = open_dir(false, &dir, &err);

	if (fd < 0)
		return;
	free(dir);
	if (lock_dir(fd, 0) == 0)
		remove_stale_locked(path);
	close(fd);	/* and unlocks */
}

static int bind_listen(struct control_socket *s, int locked, struct error *err)
{
	struct sockaddr_un addr;
	struct stat st;
	int r;

	r = sockaddr_of(s->path, &addr);
	if (r < 0)
		return error_set_errno(err, r, "'%s'", s->path);
	if (bind(s->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno != EADDRINUSE)
			return error_set_errno(err, -errno, "Guest socket file '%s'", s->path);
		if (locked < 0 || !remove_stale_locked(s->path))
			return error_set(err, -EEXIST, "Guest socket file '%s' already exists%s%s", s->path,
					 locked < 0 ? "; cannot tell whether it is in use: no lock on its folder: " : "",
					 locked < 0 ? strerror(-locked) : "");
		if (bind(s->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
			return error_set_errno(err, -errno, "Guest socket file '%s'", s->path);
	}
	if (fstatat(s->dir_fd, s->file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, -errno, "Guest socket file '%s'", s->path);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	if (listen(s->fd, CONTROL_MAX_CLIENTS) < 0) {
		r = error_set_errno(err, -errno, "Guest socket file '%s'", s->path);
		unlinkat(s->dir_fd, s->file, 0);
		return r;
	}
	return 0;
}

int control_listen(struct control_socket *s, const char *name, struct error *err)
{
	int locked, r;
	char *dir;

	r = check_name(name, err);
	if (r < 0)
		return r;
	s->dir_fd = open_dir(true, &dir, err);
	if (s->dir_fd < 0)
		return s->dir_fd;
	r = socket_path(dir, name, &s->path, err);
	free(dir);
	if (r < 0)
		goto close_dir;
	s->file = strrchr(s->path, '/') + 1;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The mode of the unbound socket becomes that of the file: no moment in which others may connect. */
	if (s->fd < 0 || fchmod(s->fd, 0600) < 0) {
		r = error_set_errno(err, -errno, "control socket");
		goto close_fd;
	}
	locked = lock_dir(s->dir_fd, LOCK_PATIENCE_NS);
	if (locked == -ETIMEDOUT)
		r = error_set(err, -ETIMEDOUT, "'%s': another process holds the lock on the folder of this file", s->path);
	else
		r = bind_listen(s, locked, err);
	if (!locked)
		flock(s->dir_fd, LOCK_UN);
	if (!r)
		return 0;

close_fd:
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
close_dir:
	close(s->dir_fd);
	return r;
}

void control_unlisten(struct control_socket *s)
{
	struct stat st;

	/* inv. 3 */
	if (fstatat(s->dir_fd, s->file, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlinkat(s->dir_fd, s->file, 0);
	close(s->fd);
	close(s->dir_fd);
	free(s->path);
}
