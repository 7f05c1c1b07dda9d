/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Up and down scripts of a tap: programs that get its name as their only argument.
 *
 * The down script cannot be started at the end: by then the process has locked itself in, or was killed. So a shell is started
 * beforehand that waits for the end of a pipe which only we hold open, and then becomes the script. It is in a process group
 * of its own, or ^C on the terminal would take it along.
 *
 * What they inherit: the environment, stderr for both outputs (stdout is the guest's console), no signal blocked or ignored, no
 * descriptor of ours.
 *
 * Threads: the main thread only.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/tap.h"
#include "util/log.h"

extern char **environ;

/* @in: its stdin; -1: /dev/null. 0 or -errno. */
static int spawn(const char *path, char *const argv[], int in, bool own_group, pid_t *ret)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (own_group ? POSIX_SPAWN_SETPGROUP : 0);
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int r;

	r = posix_spawn_file_actions_init(&fa);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r)
		goto destroy_fa;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, flags);
	r = in < 0 ? posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0) :
		     posix_spawn_file_actions_adddup2(&fa, in, STDIN_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&fa, STDERR_FILENO, STDOUT_FILENO);
#ifdef __GLIBC__	/* not in musl; our own are close-on-exec, this is for those we were started with */
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(&fa, STDERR_FILENO + 1);
#endif
	if (!r)
		r = posix_spawn(ret, path, &fa, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
destroy_fa:
	posix_spawn_file_actions_destroy(&fa);
	return -r;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

int script_run(const char *key, const char *path, const char *arg, struct error *err)
{
	char *argv[] = { (char *)path, (char *)arg, NULL };
	pid_t pid;
	int r;

	r = spawn(path, argv, -1, false, &pid);
	if (r < 0)
		return error_set_errno(err, r, "--network '%s=%s': cannot be run", key, path);
	r = wait_for(pid);
	if (!r)
		return 0;
	if (WIFSIGNALED(r))
		return error_set(err, -ECANCELED, "--network '%s=%s': killed by signal %d", key, path, WTERMSIG(r));
	return error_set(err, -ECANCELED, "--network '%s=%s': failed with status %d", key, path, WEXITSTATUS(r));
}

int script_prepare(const char *key, const char *path, const char *arg, struct script_wait *w, struct error *err)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"read -r end; exec \"$0\" \"$@\"", (char *)path, (char *)arg, NULL };
	int pipefd[2], r;

	if (access(path, X_OK) < 0)
		return error_set_errno(err, -errno, "--network '%s=%s': cannot be run", key, path);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return error_set_errno(err, -errno, "--network '%s=%s': pipe", key, path);
	r = spawn("/bin/sh", argv, pipefd[0], true, &w->pid);
	close(pipefd[0]);
	if (r < 0) {
		close(pipefd[1]);
		w->pid = 0;
		return error_set_errno(err, r, "--network '%s=%s': /bin/sh, which is to start it", key, path);
	}
	w->fd = pipefd[1];
	return 0;
}

void script_finish(const char *who, struct script_wait *w)
{
	int status;

	if (!w->pid)
		return;
	close(w->fd);
	status = wait_for(w->pid);
	w->pid = 0;
	if (status)
		log_warn(who, "the down script failed (wait status 0x%x)", (unsigned int)status);
}
