/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clients' side of the control socket, against servers that say whatever the test wants.
 * links: builtin-control.c control-path.c util/json-parse.c util/options.c util/str.c util/io.c util/error.c
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtin-control.h"
#include "builtin.h"
#include "tests/tap.h"
#include "vmm/control.h"

static struct {
	char base[64], dir[80];
	struct control_socket sock;
	pthread_t thread;
	const char *reply;		/* then it hangs up */
	size_t len;
	char heard[256];
} t;

static struct error err;
static struct guest_conn conn;
static const struct json_value *reply;

/* Takes one request, and says its piece. */
static void *serve(void *arg)
{
	size_t n = 0, done = 0;
	ssize_t r;
	int fd;

	while ((fd = accept(t.sock.fd, NULL, NULL)) < 0 && errno == EAGAIN)
		usleep(1000);
	while (n < sizeof(t.heard) - 1 && !memchr(t.heard, '\n', n) && (r = recv(fd, t.heard + n, sizeof(t.heard) - 1 - n, 0)) > 0)
		n += (size_t)r;
	while (done < t.len && (r = send(fd, t.reply + done, t.len - done, MSG_NOSIGNAL)) > 0)
		done += (size_t)r;
	close(fd);
	return NULL;
}

static bool up(const char *say, size_t len)
{
	memset(&t, 0, sizeof(t));
	t.reply = say;
	t.len = len;
	strcpy(t.base, "/tmp/lkvm-client-XXXXXX");
	if (!mkdtemp(t.base))
		return false;
	snprintf(t.dir, sizeof(t.dir), "%s/lkvm", t.base);
	return !setenv("XDG_RUNTIME_DIR", t.base, 1) && !control_listen(&t.sock, "x", &err) &&
	       !pthread_create(&t.thread, NULL, serve, NULL) && !guest_connect(&conn, "x", &err);
}

static void down(void)
{
	guest_disconnect(&conn);
	pthread_join(t.thread, NULL);
	control_unlisten(&t.sock);
	rmdir(t.dir);
	rmdir(t.base);
}

/* What a call makes of a server that says @say. */
static int call(const char *say, size_t len)
{
	int r = -1;

	err.msg[0] = '\0';
	if (up(say, len))
		r = guest_call(&conn, "info", ",\"a\":1", &reply, &err);
	return r;
}

#define CALL(s) call(s, sizeof(s) - 1)

TEST(call_gives_the_reply_and_its_text)
{
	const char *s;

	CHECK_EQ(CALL("{\"v\":1,\"ok\":true,\"a\":\"\\u0041\",\"b\":[1,2,{}]}\n"), 0);
	CHECK_STR(t.heard, "{\"v\":1,\"cmd\":\"info\",\"a\":1}\n");
	CHECK_EQ(json_get_str(reply, "a", &s), 0);
	CHECK_STR(s, "A");
	CHECK_STR(guest_reply_text(&conn), "{\"v\":1,\"ok\":true,\"a\":\"\\u0041\",\"b\":[1,2,{}]}");
	CHECK_EQ(conn.pid, getpid());
	down();
}

TEST(refusal_is_the_vms_own_line_and_number)
{
	CHECK_EQ(CALL("{\"v\":1,\"ok\":false,\"error\":\"not now\",\"errno\":114}\n"), -EALREADY);
	CHECK_STR(err.msg, "not now");
	down();
	CHECK_EQ(CALL("{\"v\":1,\"ok\":false,\"error\":\"why\"}\n"), -EIO);
	down();
	CHECK_EQ(CALL("{\"v\":1,\"ok\":false,\"error\":\"why\",\"errno\":0}\n"), -EIO);
	down();
}

TEST(what_is_no_reply_is_told_so)
{
	static const struct { const char *say; size_t len; } bad[] = {
#define BAD(s) { s, sizeof(s) - 1 }
		BAD("hello\n"), BAD("[]\n"), BAD("\n"), BAD("{}\n"), BAD("{\"v\":1}\n"), BAD("{\"v\":2,\"ok\":true}\n"),
		BAD("{\"v\":1,\"ok\":1}\n"), BAD("{\"v\":1,\"ok\":false}\n"), BAD("{\"v\":1,\"ok\":true}\n{\"v\":1,\"ok\":true}\n"),
		BAD("{\"v\":1,\"ok\":true}\0\n"), BAD("{\"v\":1,\"ok\":true,\"ok\":true}\n"),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(call(bad[i].say, bad[i].len), -EBADMSG);
		CHECK(strstr(err.msg, "no control protocol"));
		down();
	}
}

TEST(server_that_ends_in_the_middle_is_told_so)
{
	CHECK_EQ(CALL(""), -ECONNRESET);
	CHECK_STR(err.msg, "ended before it answered");
	down();
	CHECK_EQ(CALL("{\"v\":1,\"ok\":true}"), -ECONNRESET);
	down();
}

TEST(reply_has_a_bound)
{
	size_t len = CONTROL_REPLY_MAX * 4;
	char *s = malloc(len);

	memset(s, ' ', len);
	CHECK_EQ(call(s, len), -EMSGSIZE);
	down();
	s[CONTROL_REPLY_MAX - 1] = '\n';
	memcpy(s, "{\"v\":1,\"ok\":true}", 17);
	CHECK_EQ(call(s, CONTROL_REPLY_MAX), 0);
	down();
	free(s);
}

static int name_it(struct guest_conn *c, void *arg, struct error *e)
{
	strcat(arg, c->name);
	return strcmp(c->name, "bad") ? 0 : error_set(e, -EIO, "refused");
}

TEST(each_guest_is_called_in_order_and_one_that_fails_is_told)
{
	static const char *const name[] = { "zoe", "bad", "ann" };
	struct guest_choice all = { .all = true }, one = { .name = "ann" }, none = { 0 }, nobody = { .name = "nobody" };
	struct control_socket sock[3];
	struct guest_names names;
	char called[64] = "", path[128];
	FILE *f;
	int i;

	strcpy(t.base, "/tmp/lkvm-client-XXXXXX");
	CHECK(mkdtemp(t.base) && !setenv("XDG_RUNTIME_DIR", t.base, 1));
	snprintf(t.dir, sizeof(t.dir), "%s/lkvm", t.base);
	CHECK_EQ(guests_for_each(&all, name_it, called), 0);	/* there is not even a folder */
	CHECK_EQ(guests_for_each(&nobody, name_it, called), LKVM_CANNOT_START);
	for (i = 0; i < 3; i++)
		CHECK_EQ(control_listen(&sock[i], name[i], &err), 0);
	snprintf(path, sizeof(path), "%s/other.file", t.dir);
	f = fopen(path, "w");
	CHECK(f && !fclose(f));
	CHECK_EQ(guest_names(&names, &err), 0);
	CHECK_EQ(names.nr, 3);
	guest_names_free(&names);
	CHECK_EQ(guests_for_each(&all, name_it, called), LKVM_CANNOT_START);
	CHECK_STR(called, "annbadzoe");
	CHECK_EQ(guests_for_each(&one, name_it, called), 0);
	CHECK_STR(called, "annbadzoeann");
	CHECK_EQ(guests_for_each(&none, name_it, called), LKVM_USAGE);
	CHECK_EQ(guests_for_each(&nobody, name_it, called), LKVM_CANNOT_START);
	unlink(path);
	for (i = 0; i < 3; i++)
		control_unlisten(&sock[i]);
	CHECK(!rmdir(t.dir) && !rmdir(t.base));
}

static const struct option_def options[] = { GUEST_CHOICE_OPTIONS, { 0, NULL } };

static int choose(struct guest_choice *c, const char *a, const char *b)
{
	char *argv[] = { (char *)a, (char *)b };

	*c = (struct guest_choice){ .all = false };
	return guest_options(options, c, "cmd", b ? 2 : a ? 1 : 0, argv);
}

TEST(guest_is_named_by_option_or_alone)
{
	struct guest_choice c;

	CHECK_EQ(choose(&c, "x", NULL), -1);
	CHECK_STR(c.name, "x");
	CHECK_EQ(choose(&c, "-n", "y"), -1);
	CHECK_STR(c.name, "y");
	CHECK_EQ(choose(&c, "--all", NULL), -1);
	CHECK(c.all && !c.name);
	CHECK_EQ(choose(&c, NULL, NULL), LKVM_USAGE);
	CHECK_EQ(choose(&c, "x", "y"), LKVM_USAGE);
	CHECK_EQ(choose(&c, "-a", "y"), LKVM_USAGE);
	CHECK_EQ(choose(&c, "-nx", "-a"), LKVM_USAGE);
	CHECK_EQ(choose(&c, "-h", NULL), LKVM_USAGE);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (!freopen("/dev/null", "w", stderr))
		return 1;
	RUN(call_gives_the_reply_and_its_text);
	RUN(refusal_is_the_vms_own_line_and_number);
	RUN(what_is_no_reply_is_told_so);
	RUN(server_that_ends_in_the_middle_is_told_so);
	RUN(reply_has_a_bound);
	RUN(each_guest_is_called_in_order_and_one_that_fails_is_told);
	RUN(guest_is_named_by_option_or_alone);
	return tap_done();
}
