/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control socket's server, over real sockets and a real loop that the test itself turns; the VM is fake. accept4() and getsockopt()
 * are ours, to run out of descriptors and to be somebody else.
 * links: control.c control-path.c control-commands.c util/json.c util/json-parse.c
 * links: event.c util/str.c util/log.c util/io.c util/error.c util/thread.c
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/tap.h"
#include "util/io.h"
#include "util/log.h"
#include "vmm/control.h"
#include "vmm/hw.h"
#include "vmm/vm.h"

static struct {
	struct vm vm;
	struct control *control;
	char dir[64];
	unsigned int pressed, accepts;
	bool no_button, no_room, foreign;
	size_t big;			/* what the debug command adds */
} t;

/* --- what control.c stands on --- */

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	t.accepts++;
	if (t.no_room) {
		errno = EMFILE;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, addr, len, flags);
}

int getsockopt(int fd, int level, int opt, void *val, socklen_t *len)
{
	int r = (int)syscall(SYS_getsockopt, fd, level, opt, val, len);

	if (!r && t.foreign)
		((struct ucred *)val)->uid = geteuid() + 12345;
	return r;
}

int vm_pause(struct vm *vm)
{
	if (vm->paused)
		return -EALREADY;
	vm->paused = true;
	return 0;
}

int vm_resume(struct vm *vm)
{
	if (!vm->paused)
		return -EALREADY;
	vm->paused = false;
	return 0;
}

void vm_request_exit(struct vm *vm, enum vm_exit_cause cause, int status, const char *fmt, ...)
{
	vm->exit_cause = cause;
}

u64 vm_time_us(const struct vm *vm)
{
	return 77;
}

int power_button_press(struct vm *vm)
{
	if (t.no_button)
		return -ENODEV;
	t.pressed++;
	return 0;
}

int control_cmd_debug(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	char *s = malloc(t.big + 1);

	memset(s, 'x', t.big);
	s[t.big] = '\0';
	json_str(reply, "text", s);
	free(s);
	return 0;
}

int control_cmd_stat(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	json_u64(reply, "half", 1);
	return error_set(err, -EIO, "half done");
}

int control_cmd_nmi(struct vm *vm, const struct json_value *args, struct strbuf *r, struct error *err) { return -EPERM; }
int control_cmd_sysrq(struct vm *vm, const struct json_value *args, struct strbuf *r, struct error *err) { return 0; }
int control_cmd_balloon(struct vm *vm, const struct json_value *args, struct strbuf *r, struct error *err) { return 0; }

/* --- the fixture --- */

static void stop_loop(struct event_work *w)
{
	event_loop_stop(t.vm.loop);
}

/* One round of the loop: what is ready, then what is posted. */
static void turn(void)
{
	struct event_work end = { .pending = false };

	event_post(t.vm.loop, &end, stop_loop);
	event_loop_run(t.vm.loop);
}

static void turns(unsigned int n)
{
	while (n--)
		turn();
}

static bool up(void)
{
	struct error err;

	memset(&t, 0, sizeof(t));
	strcpy(t.dir, "/tmp/lkvm-control-XXXXXX");
	pthread_mutex_init(&t.vm.exit_lock, NULL);
	t.vm.cfg.name = "unit";
	t.vm.cfg.cpus = 3;
	t.vm.cfg.mem_size = 64 * MIB;
	return mkdtemp(t.dir) && !setenv("XDG_RUNTIME_DIR", t.dir, 1) && !event_loop_create("test", &t.vm.loop) &&
	       !control_create(&t.vm, &err, &t.control);
}

static void down(void)
{
	char path[128];

	control_free(t.control);
	event_loop_free(t.vm.loop);
	snprintf(path, sizeof(path), "%s/lkvm", t.dir);
	if (rmdir(path) < 0 || rmdir(t.dir) < 0) {	/* the socket is gone, and nothing else is there */
		printf("# %s: %s\n", path, strerror(errno));
		tap_this_failed = 1;
	}
}

static int dial(void)
{
	return control_dial(control_socket_path(t.control));
}

static void say(int fd, const char *s)
{
	if (*s && send(fd, s, strlen(s), MSG_NOSIGNAL) != (ssize_t)strlen(s))
		printf("# cannot send\n");
}

/* Reads a line, turning the loop meanwhile. "": the connection ended. */
static const char *hear(int fd)
{
	static char line[CONTROL_REPLY_MAX + 1];
	size_t n = 0;
	ssize_t r;
	int i = 0;

	while (i < 100000 && n < sizeof(line) - 1) {
		r = recv(fd, line + n, 1, MSG_DONTWAIT);
		if (r == 1 && line[n++] == '\n') {
			line[n - 1] = '\0';
			return line;
		}
		if (!r || (r < 0 && errno != EAGAIN))
			return "";
		if (r > 0)
			continue;
		turn();
		i++;
	}
	return "no answer";
}

static const char *ask(int fd, const char *request)
{
	say(fd, request);
	return hear(fd);
}

static bool refuses(int fd, const char *request, int code, const char *why)
{
	char want[64];
	const char *line = ask(fd, request);

	snprintf(want, sizeof(want), "\"errno\":%d}", code);
	if (!strncmp(line, "{\"v\":1,\"ok\":false,\"error\":\"", 27) && strstr(line, want) && strstr(line, why))
		return true;
	printf("# %s gave %s\n", request, line);
	return false;
}

static bool dead(int fd)
{
	char c;

	turns(8);
	return recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno != EAGAIN;
}

#define PAUSE "{\"v\":1,\"cmd\":\"pause\"}\n"
#define RESUME "{\"v\":1,\"cmd\":\"resume\"}\n"
#define INFO "{\"v\":1,\"cmd\":\"info\"}\n"
#define STOP "{\"v\":1,\"cmd\":\"stop\"}\n"
#define FORCE "{\"v\":1,\"cmd\":\"stop\",\"force\":true}\n"
#define DEBUG "{\"v\":1,\"cmd\":\"debug\"}\n"
#define OK "{\"v\":1,\"ok\":true"

/* --- commands --- */

TEST(info_tells_of_the_guest)
{
	char want[256];
	int fd;

	CHECK(up());
	fd = dial();
	snprintf(want, sizeof(want), OK ",\"name\":\"unit\",\"pid\":%d,\"state\":\"running\",\"cpus\":3,\"mem\":67108864,"
		 "\"uptime_us\":77,\"version\":\"" LKVM_VERSION "\"}", (int)getpid());
	CHECK_STR(ask(fd, INFO), want);
	t.vm.paused = true;
	CHECK(strstr(ask(fd, INFO), "\"state\":\"paused\""));
	close(fd);
	down();
}

TEST(pause_and_resume_tell_when_it_is_so_already)
{
	int fd;

	CHECK(up());
	fd = dial();
	CHECK_STR(ask(fd, PAUSE), OK ",\"state\":\"paused\"}");
	CHECK(t.vm.paused);
	CHECK(refuses(fd, PAUSE, EALREADY, "is already paused"));
	CHECK_STR(ask(fd, RESUME), OK ",\"state\":\"running\"}");
	CHECK(!t.vm.paused);
	CHECK(refuses(fd, RESUME, EALREADY, "is still running"));
	close(fd);
	down();
}

TEST(stop_presses_the_button_and_force_ends_the_run)
{
	int fd;

	CHECK(up());
	fd = dial();
	CHECK_STR(ask(fd, STOP), OK ",\"pressed\":true,\"resumed\":false}");
	t.vm.paused = true;
	CHECK_STR(ask(fd, STOP), OK ",\"pressed\":true,\"resumed\":true}");
	CHECK_EQ(t.pressed, 2);
	CHECK(!t.vm.paused);
	t.no_button = true;
	CHECK(refuses(fd, STOP, ENODEV, "no power button"));
	CHECK(refuses(fd, "{\"v\":1,\"cmd\":\"stop\",\"force\":1}\n", EINVAL, "want true or false"));
	CHECK_EQ(t.vm.exit_cause, VM_EXIT_NONE);
	CHECK_STR(ask(fd, FORCE), OK ",\"forced\":true}");
	CHECK_EQ(t.vm.exit_cause, VM_EXIT_QUIT);
	close(fd);
	down();
}

TEST(guest_that_ends_refuses_but_not_one_that_restarts)
{
	int fd;

	CHECK(up());
	fd = dial();
	t.vm.exit_cause = VM_EXIT_RESET;
	CHECK(refuses(fd, INFO, ESHUTDOWN, "ending"));
	t.vm.cfg.reboot = true;
	CHECK(!strncmp(ask(fd, INFO), OK, strlen(OK)));
	t.vm.exit_cause = VM_EXIT_POWEROFF;
	CHECK(refuses(fd, INFO, ESHUTDOWN, "ending"));
	close(fd);
	down();
}

TEST(failed_command_leaves_nothing_of_its_reply)
{
	int fd;

	CHECK(up());
	fd = dial();
	CHECK_STR(ask(fd, "{\"v\":1,\"cmd\":\"stat\"}\n"), "{\"v\":1,\"ok\":false,\"error\":\"half done\",\"errno\":5}");
	CHECK(refuses(fd, "{\"v\":1,\"cmd\":\"nmi\"}\n", EPERM, "Operation not permitted"));	/* it gave no line of its own */
	t.big = CONTROL_REPLY_MAX;
	CHECK(refuses(fd, DEBUG, EMSGSIZE, "too long"));
	close(fd);
	down();
}

/* --- requests that are none --- */

TEST(bad_request_is_refused_and_the_client_stays)
{
	static const char nul[] = "{\"v\":1,\"cmd\":\"info\"}\0\n";
	char many[1024] = "{\"v\":1,\"cmd\":\"info\",\"a\":[0";
	int fd, i;

	CHECK(up());
	fd = dial();
	CHECK(refuses(fd, "{\"cmd\":\"info\"}\n", EPROTONOSUPPORT, "speaks version 1"));
	CHECK(refuses(fd, "{\"v\":2,\"cmd\":\"info\"}\n", EPROTONOSUPPORT, "speaks version 1"));
	CHECK(refuses(fd, "{\"v\":\"1\",\"cmd\":\"info\"}\n", EPROTONOSUPPORT, "speaks version 1"));
	CHECK(refuses(fd, "{\"v\":1}\n", EINVAL, "no \\\"cmd\\\""));
	CHECK(refuses(fd, "{\"v\":1,\"cmd\":7}\n", EINVAL, "no \\\"cmd\\\""));
	CHECK(refuses(fd, "{\"v\":1,\"cmd\":\"infos\"}\n", ENOSYS, "unknown command 'infos'"));
	CHECK(refuses(fd, "\n", EINVAL, "not a JSON object"));
	CHECK(refuses(fd, "[1]\n", EINVAL, "not a JSON object"));
	CHECK(refuses(fd, "{\"v\":1,\"cmd\":\"info\"\n", EINVAL, "not a JSON object"));
	CHECK(refuses(fd, "GET / HTTP/1.1\r\n", EINVAL, "not a JSON object"));
	for (i = 0; i < 70; i++)
		strcat(many, ",0");
	strcat(many, "]}\n");
	CHECK(refuses(fd, many, E2BIG, "more than"));
	CHECK(send(fd, nul, sizeof(nul) - 1, 0) > 0);
	CHECK(refuses(fd, "", EINVAL, "a NUL"));
	CHECK(!strncmp(ask(fd, INFO), OK, strlen(OK)));
	close(fd);
	down();
}

TEST(longest_request_is_served_and_a_longer_one_hung_up_on)
{
	char text[CONTROL_REQUEST_MAX + 1];
	int fd;

	CHECK(up());
	fd = dial();
	memset(text, ' ', sizeof(text));
	memcpy(text, INFO, strlen(INFO) - 1);
	text[CONTROL_REQUEST_MAX - 1] = '\n';
	text[CONTROL_REQUEST_MAX] = '\0';
	CHECK(!strncmp(ask(fd, text), OK, strlen(OK)));
	text[CONTROL_REQUEST_MAX - 1] = ' ';
	CHECK(refuses(fd, text, EMSGSIZE, "longer than 4096 bytes"));
	CHECK(dead(fd));
	close(fd);
	down();
}

TEST(request_in_pieces_is_one_request)
{
	static const char text[] = INFO;
	unsigned int i;
	int fd;

	CHECK(up());
	fd = dial();
	for (i = 0; i < sizeof(text) - 1; i++) {
		CHECK_EQ(send(fd, text + i, 1, 0), 1);
		turns(2);
	}
	CHECK(!strncmp(hear(fd), OK, strlen(OK)));
	close(fd);
	down();
}

/* --- clients that leave --- */

TEST(half_closed_client_gets_all_its_replies)
{
	int fd;

	CHECK(up());
	fd = dial();
	say(fd, PAUSE RESUME INFO);
	shutdown(fd, SHUT_WR);
	CHECK_STR(hear(fd), OK ",\"state\":\"paused\"}");
	CHECK_STR(hear(fd), OK ",\"state\":\"running\"}");
	CHECK(strstr(hear(fd), "\"cpus\":3"));
	CHECK_STR(hear(fd), "");
	close(fd);
	down();
}

TEST(cut_off_request_is_told_so_and_not_served)
{
	int fd;

	CHECK(up());
	fd = dial();
	say(fd, "{\"v\":1,\"cmd\":\"pause\"}");
	shutdown(fd, SHUT_WR);
	CHECK(refuses(fd, "", EINVAL, "cut off"));
	CHECK_STR(hear(fd), "");
	CHECK(!t.vm.paused);
	close(fd);
	down();
}

TEST(client_that_dies_in_the_middle_is_forgotten)
{
	int fd, other, i;

	CHECK(up());
	other = dial();
	for (i = 0; i < 50; i++) {
		fd = dial();
		CHECK(fd >= 0);
		say(fd, i & 1 ? "{\"v\":1,\"cm" : PAUSE RESUME PAUSE);
		if (i & 2)
			turn();
		close(fd);
		turns(4);
	}
	t.vm.paused = false;
	CHECK_STR(ask(other, PAUSE), OK ",\"state\":\"paused\"}");
	close(other);
	down();
}

TEST(server_that_ends_hangs_up_on_everyone)
{
	int idle, busy;

	CHECK(up());
	idle = dial();
	busy = dial();
	turns(4);
	say(busy, INFO INFO INFO "{\"v\"");
	turn();
	turn();
	down();
	CHECK_EQ(recv(idle, &(char){ 0 }, 1, 0), 0);
	CHECK_EQ(access(t.dir, F_OK), -1);
	close(idle);
	close(busy);
}

/* --- nobody waits for another --- */

TEST(pipelined_requests_take_turns_with_those_of_others)
{
	int flood, one, before = 0;
	const char *line;
	int i;

	CHECK(up());
	flood = dial();
	one = dial();
	turns(4);
	for (i = 0; i < 40; i++)
		say(flood, INFO);
	say(one, PAUSE);
	CHECK_STR(hear(one), OK ",\"state\":\"paused\"}");
	for (i = 0; i < 40; i++) {
		line = hear(flood);
		CHECK(!strncmp(line, OK, strlen(OK)));
		before += strstr(line, "\"running\"") != NULL;
	}
	CHECK(before < 10);	/* the others came after the pause */
	close(flood);
	close(one);
	down();
}

TEST(slow_reader_holds_one_reply_and_gets_all)
{
	int slow, other, i;

	CHECK(up());
	t.big = 900000;
	slow = dial();
	other = dial();
	for (i = 0; i < 5; i++)
		say(slow, DEBUG);
	turns(20);
	CHECK(!strncmp(ask(other, INFO), OK, strlen(OK)));
	for (i = 0; i < 5; i++)
		CHECK(strlen(hear(slow)) > t.big);
	close(slow);
	close(other);
	down();
}

TEST(held_replies_are_bounded_over_all_clients)
{
	int fd[16], other, i, alive = 0;
	struct pollfd pfd;

	CHECK(up());
	t.big = 1000000;
	other = dial();
	for (i = 0; i < 16; i++) {
		fd[i] = dial();
		say(fd[i], DEBUG);
		turns(4);
	}
	CHECK(!strncmp(ask(other, INFO), OK, strlen(OK)));
	for (i = 0; i < 16; i++) {
		pfd = (struct pollfd){ .fd = fd[i], .events = POLLOUT };
		CHECK_EQ(poll(&pfd, 1, 0), 1);
		alive += !(pfd.revents & POLLHUP);
	}
	CHECK(alive >= 6 && alive <= 8);	/* 8 MiB in replies of one million bytes */
	for (i = 0; i < 16; i++)
		close(fd[i]);
	close(other);
	down();
}

TEST(a_thousand_idle_clients_are_in_nobodys_way)
{
	struct rlimit lim, old;
	int fd[1000], other, i;

	getrlimit(RLIMIT_NOFILE, &old);
	if (old.rlim_max < 2100)
		SKIP("the limit of open files is below 2100");
	lim = old;
	lim.rlim_cur = old.rlim_max;
	CHECK(!setrlimit(RLIMIT_NOFILE, &lim));
	CHECK(up());
	for (i = 0; i < 1000; i++) {
		fd[i] = dial();
		CHECK(fd[i] >= 0);
		if (i % 8 == 0)
			turn();
		if (i & 1)
			say(fd[i], "{\"v\":1,");
	}
	other = dial();
	CHECK_STR(ask(other, PAUSE), OK ",\"state\":\"paused\"}");
	for (i = 0; i < 1000; i += 2)	/* and are served when they wake up */
		CHECK(!strncmp(ask(fd[i], INFO), OK, strlen(OK)));
	for (i = 1; i < 1000; i += 2)
		CHECK(!strncmp(ask(fd[i], "\"cmd\":\"info\"}\n"), OK, strlen(OK)));
	for (i = 0; i < 1000; i++)
		close(fd[i]);
	CHECK_STR(ask(other, RESUME), OK ",\"state\":\"running\"}");
	close(other);
	down();
	setrlimit(RLIMIT_NOFILE, &old);
}

/* With 40 descriptors allowed there are 20 clients. */
TEST(one_client_too_many_takes_the_place_of_the_most_silent)
{
	struct rlimit lim, old;
	int fd[20], other, i;

	getrlimit(RLIMIT_NOFILE, &old);
	lim = old;
	lim.rlim_cur = 40;
	CHECK(!setrlimit(RLIMIT_NOFILE, &lim));
	CHECK(up());
	setrlimit(RLIMIT_NOFILE, &old);	/* the clients are in this process too */
	for (i = 0; i < 20; i++)
		fd[i] = dial();
	turns(10);
	for (i = 0; i < 20; i++)
		CHECK(i == 3 || !strncmp(ask(fd[i], INFO), OK, strlen(OK)));
	other = dial();
	CHECK(!strncmp(ask(other, INFO), OK, strlen(OK)));
	for (i = 0; i < 20; i++)
		CHECK_EQ(dead(fd[i]), i == 3);
	for (i = 0; i < 20; i++)
		close(fd[i]);
	close(other);
	down();
}

TEST(no_descriptors_left_makes_nobody_spin)
{
	int first, second;
	unsigned int before;

	log_set_level(LOG_ERROR);
	CHECK(up());
	t.no_room = true;
	first = dial();
	turns(20);
	before = t.accepts;
	turns(20);
	CHECK_EQ(t.accepts, before);
	t.no_room = false;	/* the next one makes us look again */
	second = dial();
	CHECK(!strncmp(ask(second, INFO), OK, strlen(OK)));
	CHECK(!strncmp(ask(first, INFO), OK, strlen(OK)));
	close(first);
	close(second);
	down();
	log_set_level(LOG_INFO);
}

/* Really: the limit is what is open. */
TEST(last_descriptor_is_kept_for_a_client_and_idle_ones_give_theirs)
{
	struct rlimit lim, old;
	int first, second, next;

	CHECK(up());
	first = dial();
	second = dial();
	next = dup(0);
	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	lim = old;
	lim.rlim_cur = (rlim_t)next;
	CHECK(!setrlimit(RLIMIT_NOFILE, &lim));
	/* Both wait to be accepted: the first gets the spare one, and gives it to the other. */
	CHECK(!strncmp(ask(second, INFO), OK, strlen(OK)));
	CHECK(!strncmp(ask(second, INFO), OK, strlen(OK)));
	CHECK(dead(first));
	setrlimit(RLIMIT_NOFILE, &old);
	close(first);
	CHECK(!strncmp(ask(second, INFO), OK, strlen(OK)));
	close(second);
	down();
}

TEST(client_on_the_last_descriptor_stays)
{
	struct rlimit lim, old;
	int fd, next, i;

	CHECK(up());
	fd = dial();
	next = dup(0);
	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	lim = old;
	lim.rlim_cur = (rlim_t)next;
	CHECK(!setrlimit(RLIMIT_NOFILE, &lim));
	for (i = 0; i < 10; i++)
		CHECK(!strncmp(ask(fd, INFO), OK, strlen(OK)));
	setrlimit(RLIMIT_NOFILE, &old);
	close(fd);
	down();
}

TEST(other_users_are_not_served)
{
	int fd;

	CHECK(up());
	t.foreign = true;
	fd = dial();
	CHECK(fd >= 0);
	say(fd, FORCE);
	CHECK(dead(fd));
	CHECK_EQ(t.vm.exit_cause, VM_EXIT_NONE);
	close(fd);
	down();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(info_tells_of_the_guest);
	RUN(pause_and_resume_tell_when_it_is_so_already);
	RUN(stop_presses_the_button_and_force_ends_the_run);
	RUN(guest_that_ends_refuses_but_not_one_that_restarts);
	RUN(failed_command_leaves_nothing_of_its_reply);
	RUN(bad_request_is_refused_and_the_client_stays);
	RUN(longest_request_is_served_and_a_longer_one_hung_up_on);
	RUN(request_in_pieces_is_one_request);
	RUN(half_closed_client_gets_all_its_replies);
	RUN(cut_off_request_is_told_so_and_not_served);
	RUN(client_that_dies_in_the_middle_is_forgotten);
	RUN(server_that_ends_hangs_up_on_everyone);
	RUN(pipelined_requests_take_turns_with_those_of_others);
	RUN(slow_reader_holds_one_reply_and_gets_all);
	RUN(held_replies_are_bounded_over_all_clients);
	RUN(a_thousand_idle_clients_are_in_nobodys_way);
	RUN(one_client_too_many_takes_the_place_of_the_most_silent);
	RUN(no_descriptors_left_makes_nobody_spin);
	RUN(last_descriptor_is_kept_for_a_client_and_idle_ones_give_theirs);
	RUN(client_on_the_last_descriptor_stays);
	RUN(other_users_are_not_served);
	return tap_done();
}
