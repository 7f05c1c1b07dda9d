/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where control sockets are, and who gets a name when several want it.
 * links: control-path.c util/str.c util/io.c util/error.c
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tap.h"
#include "vmm/control.h"

static char base[64], dir[80], sock[96];
static struct error err;

/* The moments in which others may come between are made long. */
int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int r = (int)syscall(SYS_connect, fd, addr, len), e = errno;

	if (r < 0)
		usleep(200);
	errno = e;
	return r;
}

int listen(int fd, int backlog)
{
	usleep(200);
	return (int)syscall(SYS_listen, fd, backlog);
}

/* A fresh runtime folder. */
static bool up(void)
{
	strcpy(base, "/tmp/lkvm-path-XXXXXX");
	if (!mkdtemp(base))
		return false;
	snprintf(dir, sizeof(dir), "%s/lkvm", base);
	snprintf(sock, sizeof(sock), "%s/lkvm/x.sock", base);
	unsetenv("HOME");
	return !setenv("XDG_RUNTIME_DIR", base, 1);
}

/* True: nothing is left in it. */
static bool down(void)
{
	return (rmdir(dir) == 0 || errno == ENOENT) && rmdir(base) == 0;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* A socket as a killed VM leaves it. */
static bool leave_stale(void)
{
	struct control_socket s;

	if (control_listen(&s, "x", &err) < 0)
		return false;
	s.ino++;	/* so that it does not take the file for its own */
	control_unlisten(&s);
	return exists(sock);
}

TEST(folder_and_socket_are_private)
{
	struct control_socket s;
	struct stat st;

	CHECK(up());
	umask(0);
	CHECK_EQ(control_listen(&s, "x", &err), 0);
	umask(022);
	CHECK_STR(s.path, sock);
	CHECK(!stat(dir, &st) && (st.st_mode & 07777) == 0700);
	CHECK(!stat(sock, &st) && (st.st_mode & 07777) == 0600 && S_ISSOCK(st.st_mode));
	control_unlisten(&s);
	CHECK(!exists(sock));
	CHECK(down());
}

TEST(names_that_are_no_file_names_are_refused)
{
	static const char *const bad[] = { "", ".", "..", ".x", "a/b", "../x", "/x", "a\nb", "\x7f",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	struct control_socket s;
	unsigned int i;
	char *path;

	CHECK(up());
	CHECK(!mkdir(dir, 0700));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(control_path(bad[i], &path, &err), -EINVAL);
		CHECK(strstr(err.msg, "--name"));
		CHECK_EQ(control_listen(&s, bad[i], &err), -EINVAL);
	}
	CHECK_EQ(control_path(bad[9] + 1, &path, &err), 0);	/* one byte less */
	free(path);
	CHECK(down());
}

TEST(path_that_no_socket_can_have_is_refused_by_name)
{
	struct control_socket s;
	char deep[200], *path;
	int i;

	CHECK(up());
	snprintf(deep, sizeof(deep), "%s/", base);
	for (i = (int)strlen(deep); i < 110; i++)
		deep[i] = 'd';
	deep[i] = '\0';
	CHECK(!mkdir(deep, 0700));
	setenv("XDG_RUNTIME_DIR", deep, 1);
	CHECK_EQ(control_listen(&s, "x", &err), -ENAMETOOLONG);
	CHECK(strstr(err.msg, "--name 'x'") && strstr(err.msg, "longer than"));
	CHECK_EQ(control_path("x", &path, &err), -ENAMETOOLONG);
	CHECK_EQ(control_dial(deep), -ENAMETOOLONG);
	strcat(deep, "/lkvm");
	CHECK(!rmdir(deep));
	*strrchr(deep, '/') = '\0';
	CHECK(!rmdir(deep));
	CHECK(down());
}

TEST(folder_that_others_may_write_is_refused)
{
	struct control_socket s;

	CHECK(up());
	CHECK(!mkdir(dir, 0700));
	CHECK(!chmod(dir, 0720));
	CHECK_EQ(control_listen(&s, "x", &err), -EPERM);
	CHECK(strstr(err.msg, dir));
	CHECK(!chmod(dir, 0702));
	CHECK_EQ(control_listen(&s, "x", &err), -EPERM);
	CHECK(!chmod(dir, 0755));	/* as other programs left it: looking is no harm */
	CHECK_EQ(control_listen(&s, "x", &err), 0);
	control_unlisten(&s);
	CHECK(down());
}

TEST(folder_of_another_user_is_refused)
{
	struct control_socket s;

	if (geteuid())
		SKIP("not root");
	CHECK(up());
	CHECK(!mkdir(dir, 0700) && !chown(dir, 12345, 12345));
	CHECK_EQ(control_listen(&s, "x", &err), -EPERM);
	CHECK(down());
}

TEST(environment_of_another_user_is_not_used)
{
	char *path, want[128];

	if (geteuid())
		SKIP("not root");
	CHECK(up());
	setenv("HOME", base, 1);
	setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	snprintf(want, sizeof(want), "%s/.lkvm", base);
	CHECK_EQ(control_dir(false, &path, &err), -ENOENT);
	CHECK_EQ(control_dir(true, &path, &err), 0);
	CHECK_STR(path, want);
	free(path);
	CHECK(!rmdir(want));
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	CHECK_EQ(control_dir(false, &path, &err), -ENOENT);
	setenv("XDG_RUNTIME_DIR", base, 1);
	CHECK(!chown(base, 12345, 12345));
	CHECK_EQ(control_dir(true, &path, &err), -ENXIO);
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("HOME");
	CHECK_EQ(control_dir(true, &path, &err), -ENXIO);
	CHECK(down());
}

TEST(folder_that_cannot_be_made_is_told)
{
	struct control_socket s;
	int fd;

	CHECK(up());
	fd = open(dir, O_CREAT | O_WRONLY, 0600);
	CHECK_EQ(control_listen(&s, "x", &err), -ENOTDIR);
	CHECK(strstr(err.msg, dir));
	close(fd);
	unlink(dir);
	CHECK(down());
}

TEST(live_name_is_refused_and_a_dead_one_replaced)
{
	struct control_socket a, b;
	int fd;

	CHECK(up());
	CHECK(leave_stale());
	CHECK_EQ(control_dial(sock), -ECONNREFUSED);
	CHECK_EQ(control_listen(&a, "x", &err), 0);
	CHECK_EQ(control_listen(&b, "x", &err), -EEXIST);
	CHECK(strstr(err.msg, "Guest socket file '") && strstr(err.msg, "already exists"));
	fd = control_dial(sock);
	CHECK(fd >= 0);
	close(fd);
	control_unlisten(&a);
	CHECK(!exists(sock));
	CHECK(down());
}

TEST(what_is_no_socket_is_never_replaced)
{
	struct control_socket s;
	int fd;

	CHECK(up());
	CHECK(!mkdir(dir, 0700));
	fd = open(sock, O_CREAT | O_WRONLY, 0600);
	CHECK_EQ(control_listen(&s, "x", &err), -EEXIST);
	control_remove_stale(sock);
	CHECK(exists(sock));
	close(fd);
	unlink(sock);
	CHECK(!symlink("/nonexistent", sock));
	CHECK_EQ(control_listen(&s, "x", &err), -EEXIST);
	CHECK(exists(sock));
	unlink(sock);
	CHECK(down());
}

TEST(only_what_nobody_listens_at_is_removed)
{
	struct control_socket s;

	CHECK(up());
	control_remove_stale(sock);	/* not even a folder */
	CHECK(leave_stale());
	control_remove_stale(sock);
	CHECK(!exists(sock));
	CHECK_EQ(control_listen(&s, "x", &err), 0);
	control_remove_stale(sock);
	CHECK(exists(sock));
	control_unlisten(&s);
	CHECK(down());
}

TEST(a_file_that_took_the_place_of_ours_stays)
{
	struct control_socket a, b;

	CHECK(up());
	CHECK_EQ(control_listen(&a, "x", &err), 0);
	CHECK(!unlink(sock));
	CHECK_EQ(control_listen(&b, "x", &err), 0);
	control_unlisten(&a);
	CHECK(exists(sock));
	control_unlisten(&b);
	CHECK(!exists(sock));
	CHECK(down());
}

TEST(who_holds_the_lock_for_ever_holds_nobody_up_for_ever)
{
	struct control_socket s;
	int fd;

	CHECK(up());
	CHECK(leave_stale());
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && !flock(fd, LOCK_EX));
	CHECK_EQ(control_listen(&s, "x", &err), -ETIMEDOUT);
	CHECK(strstr(err.msg, "lock"));
	control_remove_stale(sock);
	CHECK(exists(sock));
	close(fd);
	control_remove_stale(sock);
	CHECK(!exists(sock));
	CHECK(down());
}

enum { RACERS = 8, ROUNDS = 60 };

/* Both end when the test closes them; each racer tells in @tried that it has what it will get. */
struct race {
	int go[2], end[2], tried[2];
};

/* 0: it has the name, and is who is reached by it; 1: another has. */
static int racer(struct race *r)
{
	struct control_socket s;
	bool have;
	char c;
	int fd;

	if (read(r->go[0], &c, 1))
		return 9;
	have = control_listen(&s, "x", &err) == 0;
	if (!have && !strstr(err.msg, "already exists"))
		return 8;
	if (write(r->tried[1], "", 1) != 1 || read(r->end[0], &c, 1))
		return 7;
	if (!have)
		return 1;
	fd = control_dial(sock);
	if (fd < 0 || accept4(s.fd, NULL, NULL, 0) < 0)
		return 6;
	control_unlisten(&s);
	return 0;
}

/* `lkvm list` cleans up meanwhile: less often than the winner has room for connections. */
static int cleaner(struct race *r)
{
	int n = 0;
	struct pollfd pfd = { .fd = r->end[0] };

	while (n++ < CONTROL_MAX_CLIENTS / 2 && poll(&pfd, 1, 0) == 0)	/* until it hangs up */
		control_remove_stale(sock);
	return 1;
}

static bool race_round(struct race *r)
{
	int i, status, won = 0;
	pid_t pid[RACERS + 1];
	bool good = true;
	char c;

	if (pipe(r->go) || pipe(r->end) || pipe(r->tried))
		return false;
	for (i = 0; i <= RACERS; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		close(r->go[1]);
		close(r->end[1]);
		close(r->tried[0]);
		_exit(i < RACERS ? racer(r) : cleaner(r));
	}
	close(r->tried[1]);
	close(r->go[1]);
	for (i = 0; i < RACERS; i++)
		good = good && read(r->tried[0], &c, 1) == 1;
	close(r->end[1]);
	for (i = 0; i <= RACERS; i++) {
		good = waitpid(pid[i], &status, 0) == pid[i] && WIFEXITED(status) && WEXITSTATUS(status) <= 1 && good;
		won += !WEXITSTATUS(status);
	}
	close(r->go[0]);
	close(r->end[0]);
	close(r->tried[0]);
	if (!good || won != 1)
		printf("# %d of %d won\n", won, RACERS);
	return good && won == 1;
}

TEST(of_many_starts_with_one_name_one_wins)
{
	struct race r;
	int i;

	CHECK(up());
	for (i = 0; i < ROUNDS; i++) {
		CHECK(i % 2 || leave_stale());
		CHECK(race_round(&r));
		CHECK(!exists(sock));
	}
	CHECK(down());
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(folder_and_socket_are_private);
	RUN(names_that_are_no_file_names_are_refused);
	RUN(path_that_no_socket_can_have_is_refused_by_name);
	RUN(folder_that_others_may_write_is_refused);
	RUN(folder_of_another_user_is_refused);
	RUN(environment_of_another_user_is_not_used);
	RUN(folder_that_cannot_be_made_is_told);
	RUN(live_name_is_refused_and_a_dead_one_replaced);
	RUN(what_is_no_socket_is_never_replaced);
	RUN(only_what_nobody_listens_at_is_removed);
	RUN(a_file_that_took_the_place_of_ours_stays);
	RUN(who_holds_the_lock_for_ever_holds_nobody_up_for_ever);
	RUN(of_many_starts_with_one_name_one_wins);
	return tap_done();
}
