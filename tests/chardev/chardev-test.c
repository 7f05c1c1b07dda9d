// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chardevs over real pipes, ptys, sockets and files, with a loop on a thread of its own.
 * links: chardev/chardev.c chardev/output.c chardev/input.c chardev/stdio.c chardev/pty.c chardev/file.c chardev/socket.c event.c util/str.c util/error.c util/io.c util/log.c util/cleanup.c util/thread.c
 */
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "util/io.h"
#include "util/log.h"
#include "vmm/chardev.h"
#include "vmm/event.h"

/* --- a client that takes what it is told to --- */

struct client {
	struct chardev_client c;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	u8 got[1 << 20];
	size_t len, room;
	unsigned int changed, writable, breaks;
	unsigned int keys;
	char key;
};

static struct client cl;
static struct event_loop *loop;
static char dir[64];
static int keep[3];	/* the process's own 0..2 */

static size_t receive(struct chardev_client *c, const u8 *buf, size_t len)
{
	size_t n;

	pthread_mutex_lock(&cl.lock);
	n = len < cl.room ? len : cl.room;
	if (n > sizeof(cl.got) - cl.len)
		n = sizeof(cl.got) - cl.len;
	memcpy(cl.got + cl.len, buf, n);
	cl.len += n;
	cl.room -= n;
	pthread_cond_broadcast(&cl.cond);
	pthread_mutex_unlock(&cl.lock);
	return n;
}

static void count(unsigned int *what)
{
	pthread_mutex_lock(&cl.lock);
	++*what;
	pthread_cond_broadcast(&cl.cond);
	pthread_mutex_unlock(&cl.lock);
}

static void on_changed(struct chardev_client *c) { count(&cl.changed); }
static void on_writable(struct chardev_client *c) { count(&cl.writable); }
static void on_break(struct chardev_client *c) { count(&cl.breaks); }

static void on_key(void *arg, char key)
{
	cl.key = key;
	count(&cl.keys);
}

static void give_room(struct chardev *cd, size_t room)
{
	pthread_mutex_lock(&cl.lock);
	cl.room = room;
	pthread_mutex_unlock(&cl.lock);
	chardev_resume_input(cd);
}

static size_t got_len(void)
{
	size_t len;

	pthread_mutex_lock(&cl.lock);
	len = cl.len;
	pthread_mutex_unlock(&cl.lock);
	return len;
}

static unsigned int get(const unsigned int *what)
{
	unsigned int n;

	pthread_mutex_lock(&cl.lock);
	n = *what;
	pthread_mutex_unlock(&cl.lock);
	return n;
}

static struct timespec in_seconds(int s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += s;
	return ts;
}

static bool wait_len(size_t len)
{
	struct timespec end = in_seconds(20);
	int r = 0;

	pthread_mutex_lock(&cl.lock);
	while (cl.len < len && !r)
		r = pthread_cond_timedwait(&cl.cond, &cl.lock, &end);
	pthread_mutex_unlock(&cl.lock);
	return !r;
}

static bool wait_count(unsigned int *what, unsigned int n)
{
	struct timespec end = in_seconds(20);
	int r = 0;

	pthread_mutex_lock(&cl.lock);
	while (*what < n && !r)
		r = pthread_cond_timedwait(&cl.cond, &cl.lock, &end);
	pthread_mutex_unlock(&cl.lock);
	return !r;
}

/* Waits until @cd is (not) connected: the loop's thread notices it. */
static bool wait_connected(struct chardev *cd, bool want)
{
	unsigned int i;

	for (i = 0; i < 2000 && chardev_connected(cd) != want; i++)
		poll(NULL, 0, 10);
	return chardev_connected(cd) == want;
}

/* Lets everything posted so far be done. */
static void loop_turn(void);

static void reset_client(void)
{
	pthread_mutex_lock(&cl.lock);
	cl.len = 0;
	cl.room = SIZE_MAX;
	cl.changed = cl.writable = cl.breaks = cl.keys = 0;
	cl.key = 0;
	pthread_mutex_unlock(&cl.lock);
}

static struct chardev *open_cd(enum chardev_kind kind, const char *path)
{
	struct chardev_config cfg = { .kind = kind, .path = path };
	struct chardev *cd = NULL;
	struct error err;

	reset_client();
	if (chardev_open(&cfg, loop, &err, &cd) < 0) {
		printf("# %s\n", err.msg);
		return NULL;
	}
	return cd;
}

static struct event_work turn_work;
static atomic_int turns;

static void turn_done(struct event_work *w)
{
	atomic_fetch_add(&turns, 1);
}

static void loop_turn(void)
{
	int before = atomic_load(&turns);

	event_post(loop, &turn_work, turn_done);
	while (atomic_load(&turns) == before)
		poll(NULL, 0, 1);
}

/* Stands in for 0 and 1 until restore_stdio(). */
static void set_stdio(int in, int out)
{
	fflush(stdout);
	dup2(in, 0);
	dup2(out, 1);
}

static void restore_stdio(void)
{
	dup2(keep[0], 0);
	dup2(keep[1], 1);
	dup2(keep[2], 2);
}

static void path_in_dir(char *buf, size_t room, const char *name)
{
	snprintf(buf, room, "%s/%s", dir, name);
}

/* Reads @len bytes of @fd, within a time. */
static bool read_n(int fd, void *buf, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		if (poll(&pfd, 1, 20000) <= 0)
			return false;
		n = read(fd, (char *)buf + done, len - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool readable(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1;
}

static size_t put(struct chardev *cd, const char *s)
{
	return chardev_write(cd, (const u8 *)s, strlen(s));
}

/* Closes on the loop's thread, as the contract has it. */
struct closing {
	struct event_work work;
	struct chardev *cd;
	atomic_bool done;
};

static void do_close(struct event_work *w)
{
	struct closing *c = container_of(w, struct closing, work);

	chardev_close(c->cd);
	atomic_store(&c->done, true);
}

static void close_cd(struct chardev *cd)
{
	struct closing c = { .cd = cd };

	event_post(loop, &c.work, do_close);
	while (!atomic_load(&c.done))
		poll(NULL, 0, 1);
	event_work_cancel(loop, &c.work);
}

/* --- parsing --- */

TEST(specs_are_parsed_whole)
{
	static const char *const bad[] = {
		"", "std", "stdiox", "stdio:", "pty:", "file", "file:", "unix:", "tcp:1", "nullx", "File:x",
	};
	struct chardev_config cfg = { .kind = CHARDEV_PTY, .path = "untouched" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(chardev_parse(bad[i], &cfg), -EINVAL);
		CHECK_STR(cfg.path, "untouched");
	}
	CHECK_EQ(chardev_parse("stdio", &cfg), 0);
	CHECK_EQ(cfg.kind, CHARDEV_STDIO);
	CHECK_EQ(chardev_parse("pty", &cfg), 0);
	CHECK_EQ(cfg.kind, CHARDEV_PTY);
	CHECK_EQ(chardev_parse("null", &cfg), 0);
	CHECK_EQ(cfg.kind, CHARDEV_NONE);
	CHECK_EQ(chardev_parse("file:/a:b", &cfg), 0);
	CHECK_EQ(cfg.kind, CHARDEV_FILE);
	CHECK_STR(cfg.path, "/a:b");
	CHECK_EQ(chardev_parse("unix:s", &cfg), 0);
	CHECK_EQ(cfg.kind, CHARDEV_UNIX);
	CHECK_STR(cfg.path, "s");
}

TEST(null_takes_and_drops_output)
{
	struct chardev *cd = open_cd(CHARDEV_NONE, NULL);
	u16 cols, rows;

	CHECK(cd);
	chardev_set_client(cd, &cl.c);
	CHECK_EQ(put(cd, "gone"), 4);
	chardev_write_all(cd, (const u8 *)"gone", 4);
	CHECK(!chardev_connected(cd));
	CHECK(!chardev_size(cd, &cols, &rows));
	CHECK(!chardev_path(cd));
	close_cd(cd);
	chardev_close(NULL);
}

/* --- output --- */

static struct chardev *open_pipe_out(int *ret_read)
{
	int p[2], null = open("/dev/null", O_RDONLY);
	struct chardev *cd;

	if (pipe(p) < 0)
		return NULL;
	set_stdio(null, p[1]);
	cd = open_cd(CHARDEV_STDIO, NULL);
	restore_stdio();
	/* The chardev has a description of its own by now; its fds 0 and 1 are not used again. */
	close(p[1]);
	close(null);
	*ret_read = p[0];
	return cd;
}

TEST(a_line_is_written_at_once_and_the_rest_soon)
{
	char buf[16];
	int fd;
	struct chardev *cd = open_pipe_out(&fd);

	CHECK(cd);
	CHECK_EQ(put(cd, "line\nres"), 8);
	CHECK(readable(fd, 0));
	CHECK(read_n(fd, buf, 8));
	CHECK_EQ(put(cd, "t"), 1);
	CHECK(!readable(fd, 0));
	CHECK(readable(fd, 5000));
	CHECK(read_n(fd, buf, 1));
	CHECK_EQ(buf[0], 't');
	close_cd(cd);
	close(fd);
}

TEST(flush_and_close_push_what_waits)
{
	char buf[16];
	int fd;
	struct chardev *cd = open_pipe_out(&fd);

	CHECK(cd);
	put(cd, "a");
	chardev_flush(cd);
	CHECK(readable(fd, 0));
	CHECK(read_n(fd, buf, 1));
	put(cd, "b");
	close_cd(cd);
	CHECK(read_n(fd, buf, 1));
	CHECK_EQ(buf[0], 'b');
	CHECK_EQ(read(fd, buf, 1), 0);
	close(fd);
}

TEST(a_reader_that_does_not_read_makes_writes_short_and_tells_room)
{
	static u8 big[256 * 1024], back[sizeof(big)];
	size_t i, n;
	int fd;
	struct chardev *cd = open_pipe_out(&fd);

	CHECK(cd);
	chardev_set_client(cd, &cl.c);
	for (i = 0; i < sizeof(big); i++)
		big[i] = (u8)(i * 7 + i / 251);
	n = chardev_write(cd, big, sizeof(big));
	CHECK(n >= 64 * 1024 && n < sizeof(big));
	CHECK_EQ(chardev_write(cd, big + n, 1), 0);
	CHECK(read_n(fd, back, n));
	CHECK(!memcmp(big, back, n));
	CHECK(wait_count(&cl.writable, 1));
	CHECK_EQ(chardev_write(cd, (const u8 *)"x\n", 2), 2);
	CHECK(read_n(fd, back, 2));
	close_cd(cd);
	close(fd);
}

struct writer {
	struct chardev *cd;
	const u8 *buf;
	size_t len;
	atomic_bool done;
};

static void *write_all_thread(void *arg)
{
	struct writer *w = arg;

	chardev_write_all(w->cd, w->buf, w->len);
	atomic_store(&w->done, true);
	return NULL;
}

TEST(write_all_waits_for_the_reader)
{
	static u8 big[700 * 1024], back[sizeof(big)];
	struct writer w = { .buf = big, .len = sizeof(big) };
	pthread_t t;
	size_t i;
	int fd;

	w.cd = open_pipe_out(&fd);
	CHECK(w.cd);
	for (i = 0; i < sizeof(big); i++)
		big[i] = (u8)(i * 13 + i / 241);
	pthread_create(&t, NULL, write_all_thread, &w);
	poll(NULL, 0, 50);
	CHECK(!atomic_load(&w.done));
	CHECK(read_n(fd, back, sizeof(back)));
	pthread_join(t, NULL);
	CHECK(!memcmp(big, back, sizeof(big)));
	close_cd(w.cd);
	close(fd);
}

TEST(cancel_lets_writers_go_and_uncancel_makes_them_wait_again)
{
	static u8 big[300 * 1024];
	struct writer w = { .buf = big, .len = sizeof(big) };
	pthread_t t;
	int fd;

	w.cd = open_pipe_out(&fd);
	CHECK(w.cd);
	pthread_create(&t, NULL, write_all_thread, &w);
	poll(NULL, 0, 50);
	CHECK(!atomic_load(&w.done));
	chardev_cancel(w.cd);
	pthread_join(t, NULL);
	chardev_write_all(w.cd, big, sizeof(big));	/* future ones return too */
	chardev_uncancel(w.cd);
	atomic_store(&w.done, false);
	pthread_create(&t, NULL, write_all_thread, &w);
	poll(NULL, 0, 50);
	CHECK(!atomic_load(&w.done));
	close(fd);	/* a reader that goes lets them go, too */
	pthread_join(t, NULL);
	CHECK(!chardev_connected(w.cd));
	close_cd(w.cd);
}

TEST(close_gives_up_on_a_reader_that_does_not_read)
{
	static u8 big[300 * 1024];
	u64 since;
	int fd;
	struct chardev *cd = open_pipe_out(&fd);

	CHECK(cd);
	chardev_write(cd, big, sizeof(big));
	since = time_now_ns();
	close_cd(cd);
	CHECK(time_now_ns() - since < 8000000000ULL);
	close(fd);
}

TEST(output_after_the_reader_went_is_dropped)
{
	int fd, i;
	struct chardev *cd = open_pipe_out(&fd);

	CHECK(cd);
	close(fd);
	for (i = 0; i < 1000; i++)
		CHECK_EQ(put(cd, "nobody reads this\n"), 18);
	CHECK(!chardev_connected(cd));
	close_cd(cd);
}

TEST(a_pipe_shared_with_the_shell_stays_blocking)
{
	int p[2], null = open("/dev/null", O_RDONLY);
	struct chardev *cd;

	CHECK(pipe(p) == 0);
	set_stdio(p[0], p[1]);
	cd = open_cd(CHARDEV_STDIO, NULL);
	restore_stdio();
	CHECK(cd);
	chardev_set_client(cd, &cl.c);
	put(cd, "round\n");
	CHECK(wait_len(6));
	CHECK(!(fcntl(p[0], F_GETFL) & O_NONBLOCK));
	CHECK(!(fcntl(p[1], F_GETFL) & O_NONBLOCK));
	close_cd(cd);
	close(p[0]);
	close(p[1]);
	close(null);
}

TEST(standard_output_to_a_file_shares_the_offset)
{
	char path[128], buf[32] = "";
	int fd, null = open("/dev/null", O_RDONLY);
	struct chardev *cd;

	path_in_dir(path, sizeof(path), "out");
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "before ", 7), 7);
	set_stdio(null, fd);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	put(cd, "guest\n");
	close_cd(cd);
	restore_stdio();
	CHECK_EQ(write(fd, "after", 5), 5);
	CHECK_EQ(pread(fd, buf, sizeof(buf) - 1, 0), 18);
	CHECK_STR(buf, "before guest\nafter");
	close(fd);
	close(null);
}

TEST(standard_output_to_a_socket_works)
{
	int s[2], null = open("/dev/null", O_RDONLY);
	char buf[8];
	struct chardev *cd;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	set_stdio(null, s[1]);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	put(cd, "sock\n");
	CHECK(read_n(s[0], buf, 5));
	close(s[0]);
	CHECK_EQ(put(cd, "gone\n"), 5);
	CHECK(!chardev_connected(cd));
	close_cd(cd);
	restore_stdio();
	close(s[1]);
	close(null);
}

TEST(a_full_disk_loses_output_and_no_more)
{
	struct chardev *cd = open_cd(CHARDEV_FILE, "/dev/full");

	CHECK(cd);
	CHECK_EQ(put(cd, "lost\n"), 5);
	CHECK_EQ(put(cd, "lost\n"), 5);
	CHECK(chardev_connected(cd));
	close_cd(cd);
}

static struct {
	u8 seen[65536];
	size_t len;
} tapped;

static void on_tap(void *arg, const u8 *buf, size_t len)
{
	memcpy(tapped.seen + tapped.len, buf, len);
	tapped.len += len;
}

static void *write_lines(void *arg)
{
	struct chardev *cd = arg;
	int i;

	for (i = 0; i < 500; i++)
		chardev_write_all(cd, (const u8 *)"0123456789abcdefghijklmnopqrs\n" + i % 20, 30 - i % 20);
	return NULL;
}

TEST(a_tap_sees_every_byte_in_the_order_of_output)
{
	static u8 back[65536];
	char path[128];
	pthread_t t[2];
	int fd;
	struct chardev *cd;

	path_in_dir(path, sizeof(path), "tapped");
	cd = open_cd(CHARDEV_FILE, path);
	CHECK(cd);
	CHECK_STR(chardev_path(cd), path);
	tapped.len = 0;
	chardev_set_tap(cd, on_tap, NULL);
	pthread_create(&t[0], NULL, write_lines, cd);
	pthread_create(&t[1], NULL, write_lines, cd);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	close_cd(cd);
	fd = open(path, O_RDONLY);
	CHECK_EQ(read(fd, back, sizeof(back)), tapped.len);
	CHECK_EQ(tapped.len, 20500);
	CHECK(!memcmp(back, tapped.seen, tapped.len));
	close(fd);
}

TEST(a_tap_sees_only_what_was_taken)
{
	static u8 big[60000];
	size_t n, sum = 0;
	int fd;
	struct chardev *cd = open_pipe_out(&fd);

	CHECK(cd);
	tapped.len = 0;
	do {
		if (tapped.len > 1000)
			tapped.len = 0;
		n = chardev_write(cd, big, 1000);
		sum += n;
	} while (n == 1000 && sum < 1000000);
	CHECK(n < 1000);
	tapped.len = 0;
	chardev_set_tap(cd, on_tap, NULL);
	CHECK_EQ(chardev_write(cd, big, 1000), 0);
	CHECK_EQ(tapped.len, 0);
	close(fd);
	close_cd(cd);
}

TEST(a_file_that_cannot_be_made_is_named)
{
	struct chardev_config cfg = { .kind = CHARDEV_FILE, .path = "/nonexistent/x" };
	struct chardev *cd = NULL;
	struct error err;

	CHECK_EQ(chardev_open(&cfg, loop, &err, &cd), -ENOENT);
	CHECK(strstr(err.msg, "/nonexistent/x"));
	CHECK(!cd);
}

/* --- input --- */

static struct chardev *open_pipe_in(int *ret_write)
{
	int p[2], null = open("/dev/null", O_WRONLY);
	struct chardev *cd;

	if (pipe(p) < 0)
		return NULL;
	set_stdio(p[0], null);
	cd = open_cd(CHARDEV_STDIO, NULL);
	restore_stdio();
	close(p[0]);
	close(null);
	*ret_write = p[1];
	return cd;
}

TEST(piped_input_reaches_the_client_and_its_end_stops_it)
{
	int fd;
	struct chardev *cd = open_pipe_in(&fd);

	CHECK(cd);
	CHECK_EQ(write(fd, "early ", 6), 6);
	chardev_set_client(cd, &cl.c);
	CHECK(wait_len(6));
	CHECK_EQ(write(fd, "late", 4), 4);
	CHECK(wait_len(10));
	CHECK(!memcmp(cl.got, "early late", 10));
	close(fd);
	loop_turn();
	chardev_resume_input(cd);
	loop_turn();
	CHECK(chardev_connected(cd));
	close_cd(cd);
}

TEST(ctrl_a_from_a_pipe_is_an_ordinary_byte)
{
	int fd;
	struct chardev *cd = open_pipe_in(&fd);

	CHECK(cd);
	chardev_set_escape(cd, on_key, NULL);
	chardev_set_client(cd, &cl.c);
	CHECK_EQ(write(fd, "\001x", 2), 2);
	CHECK(wait_len(2));
	CHECK_EQ(get(&cl.keys), 0);
	close(fd);
	close_cd(cd);
}

TEST(a_client_without_room_holds_input_back_unharmed)
{
	static u8 big[200 * 1024];
	struct pollfd pfd = { .events = POLLOUT };
	size_t i, sent = 0;
	ssize_t n;
	int fd;
	struct chardev *cd = open_pipe_in(&fd);

	CHECK(cd);
	for (i = 0; i < sizeof(big); i++)
		big[i] = (u8)(i * 11 + i / 127);
	cl.room = 100;
	chardev_set_client(cd, &cl.c);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	pfd.fd = fd;
	while (poll(&pfd, 1, 100) == 1) {
		n = write(fd, big + sent, MIN(sizeof(big) - sent, (size_t)4096));
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	/* The pipe is full: we read no more than a piece ahead. */
	CHECK(sent < sizeof(big));
	CHECK_EQ(got_len(), 100);
	for (i = 0; got_len() < sent; i++) {
		n = (ssize_t)got_len();
		give_room(cd, 16 + i * 3);
		CHECK(wait_len(MIN((size_t)n + 16, sent)));
		loop_turn();
	}
	CHECK(!memcmp(cl.got, big, sent));
	close(fd);
	close_cd(cd);
}

TEST(a_regular_file_and_dev_null_are_input_too)
{
	static u8 big[100 * 1024];
	char path[128];
	int fd, null = open("/dev/null", O_RDWR);
	struct chardev *cd;
	size_t i;

	for (i = 0; i < sizeof(big); i++)
		big[i] = (u8)(i * 3 + i / 119);
	path_in_dir(path, sizeof(path), "in");
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK_EQ(write(fd, big, sizeof(big)), sizeof(big));
	lseek(fd, 10, SEEK_SET);
	set_stdio(fd, null);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	cl.room = 5;
	chardev_set_client(cd, &cl.c);
	CHECK(wait_len(5));
	give_room(cd, SIZE_MAX);
	CHECK(wait_len(sizeof(big) - 10));
	CHECK(!memcmp(cl.got, big + 10, sizeof(big) - 10));
	close_cd(cd);
	set_stdio(null, null);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	chardev_set_client(cd, &cl.c);
	loop_turn();
	loop_turn();
	CHECK_EQ(got_len(), 0);
	close_cd(cd);
	restore_stdio();
	close(fd);
	close(null);
}

TEST(no_callback_after_the_client_was_taken_away)
{
	int fd, i;
	size_t len;
	struct chardev *cd = open_pipe_in(&fd);

	CHECK(cd);
	for (i = 0; i < 50; i++) {
		chardev_set_client(cd, &cl.c);
		CHECK_EQ(write(fd, "x", 1), 1);
		chardev_set_client(cd, NULL);
		len = got_len();
		loop_turn();
		CHECK_EQ(got_len(), len);
	}
	chardev_set_client(cd, &cl.c);
	CHECK(wait_len(50));	/* nothing was lost meanwhile */
	close(fd);
	close_cd(cd);
}

static char diverted[64];
static _Atomic size_t diverted_len;

static size_t divert_receive(struct chardev_client *c, const u8 *buf, size_t len)
{
	memcpy(diverted + diverted_len, buf, MIN(len, sizeof(diverted) - diverted_len));
	diverted_len += len;
	return len;
}

TEST(input_is_diverted_and_comes_back)
{
	struct chardev_client reader = { .receive = divert_receive };
	struct chardev *cd;
	size_t before;
	int fd, i;

	diverted_len = 0;
	cd = open_pipe_in(&fd);
	CHECK(cd);
	before = got_len();
	chardev_divert_input(cd, &reader);	/* with no client: somebody reads all the same */
	CHECK_EQ(write(fd, "one", 3), 3);
	for (i = 0; i < 1000 && diverted_len < 3; i++)
		loop_turn();
	chardev_set_client(cd, &cl.c);
	CHECK_EQ(write(fd, "two", 3), 3);
	for (i = 0; i < 1000 && diverted_len < 6; i++)
		loop_turn();
	CHECK_EQ(diverted_len, 6);
	CHECK(!memcmp(diverted, "onetwo", 6));
	CHECK_EQ(got_len(), before);
	chardev_send_break(cd);		/* is not input */
	CHECK(wait_count(&cl.breaks, 1));
	chardev_divert_input(cd, NULL);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(wait_len(before + 1));
	CHECK_EQ(diverted_len, 6);
	close(fd);
	close_cd(cd);
}

TEST(break_reaches_the_client)
{
	struct chardev *cd = open_cd(CHARDEV_NONE, NULL);

	CHECK(cd);
	chardev_set_client(cd, &cl.c);
	chardev_send_break(cd);
	CHECK(wait_count(&cl.breaks, 1));
	close_cd(cd);
}

/* --- a terminal --- */

static int open_terminal(int *ret_tty)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	*ret_tty = open(ptsname(master), O_RDWR | O_NOCTTY);
	return *ret_tty < 0 ? -1 : master;
}

TEST(a_tty_is_raw_while_open_and_restored_after)
{
	int tty, master = open_terminal(&tty);
	struct termios before, during, after;
	struct chardev *cd;

	CHECK(master >= 0);
	tcgetattr(tty, &before);
	CHECK(before.c_lflag & ICANON);
	set_stdio(tty, tty);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	tcgetattr(tty, &during);
	CHECK(!(during.c_lflag & (ICANON | ECHO | ISIG)));
	CHECK(!(fcntl(tty, F_GETFL) & O_NONBLOCK));
	chardev_tty_restore(cd);	/* as a handler of a fatal signal does */
	tcgetattr(tty, &after);
	CHECK_EQ(after.c_lflag, before.c_lflag);
	chardev_tty_continued(NULL);
	chardev_tty_resized(NULL);
	chardev_tty_restore(NULL);
	close_cd(cd);
	tcgetattr(tty, &after);
	CHECK_EQ(after.c_lflag, before.c_lflag);
	CHECK_EQ(after.c_iflag, before.c_iflag);
	CHECK_EQ(after.c_oflag, before.c_oflag);
	restore_stdio();
	close(tty);
	close(master);
}

TEST(keys_reach_the_guest_except_those_after_ctrl_a)
{
	int tty, master = open_terminal(&tty), e[2];
	char help[512];
	ssize_t n;
	struct chardev *cd;

	CHECK(master >= 0);
	CHECK(pipe(e) == 0);
	set_stdio(tty, tty);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	chardev_set_escape(cd, on_key, NULL);
	chardev_set_client(cd, &cl.c);
	CHECK_EQ(write(master, "a\003\032\001", 4), 4);	/* Ctrl-C, Ctrl-Z; then half a sequence */
	CHECK(wait_len(3));
	CHECK_EQ(write(master, "x", 1), 1);
	CHECK(wait_count(&cl.keys, 1));
	CHECK_EQ(cl.key, 'x');
	CHECK_EQ(write(master, "\001\001b\001b", 5), 5);
	CHECK(wait_count(&cl.breaks, 1));
	dup2(e[1], 2);
	CHECK_EQ(write(master, "\001hq", 3), 3);
	CHECK(wait_len(6));
	n = read(e[0], help, sizeof(help) - 1);
	dup2(keep[2], 2);
	CHECK(n > 0);
	help[n] = 0;
	CHECK(strstr(help, "Ctrl-A x"));
	CHECK(!memcmp(cl.got, "a\003\032\001bq", 6));
	CHECK_EQ(get(&cl.keys), 1);
	close_cd(cd);
	restore_stdio();
	close(tty);
	close(master);
	close(e[0]);
	close(e[1]);
}

TEST(escape_works_while_the_guest_takes_no_input)
{
	static u8 typed[10000];
	int tty, master = open_terminal(&tty);
	struct chardev *cd;
	size_t i;

	CHECK(master >= 0);
	memset(typed, 'k', sizeof(typed));
	set_stdio(tty, tty);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	chardev_set_escape(cd, on_key, NULL);
	cl.room = 0;
	chardev_set_client(cd, &cl.c);
	for (i = 0; i < sizeof(typed); i += 1000) {
		CHECK_EQ(write(master, typed, 1000), 1000);
		loop_turn();
	}
	CHECK_EQ(write(master, "\001x", 2), 2);
	CHECK(wait_count(&cl.keys, 1));
	give_room(cd, SIZE_MAX);
	CHECK(wait_len(4096));	/* type-ahead was kept up to the buffer's size */
	close_cd(cd);
	restore_stdio();
	close(tty);
	close(master);
}

TEST(a_stopped_terminal_does_not_block_the_writer)
{
	static u8 big[256 * 1024];
	int tty, master = open_terminal(&tty);
	struct chardev *cd;
	u64 since;

	CHECK(master >= 0);
	memset(big, 'x', sizeof(big));
	set_stdio(tty, tty);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	since = time_now_ns();
	CHECK(chardev_write(cd, big, sizeof(big)) < sizeof(big));
	CHECK(time_now_ns() - since < 1000000000ULL);
	restore_stdio();
	close(tty);
	close(master);	/* hang-up */
	close_cd(cd);
}

TEST(size_of_the_tty_and_its_change_are_told)
{
	struct winsize ws = { .ws_col = 132, .ws_row = 43 };
	int tty, master = open_terminal(&tty);
	struct chardev *cd;
	unsigned int before;
	u16 cols, rows;

	CHECK(master >= 0);
	set_stdio(tty, tty);
	cd = open_cd(CHARDEV_STDIO, NULL);
	CHECK(cd);
	chardev_set_client(cd, &cl.c);
	loop_turn();
	before = get(&cl.changed);
	CHECK(!chardev_size(cd, &cols, &rows));	/* 0 by 0 is no size */
	ioctl(master, TIOCSWINSZ, &ws);
	chardev_tty_resized(cd);
	CHECK(wait_count(&cl.changed, before + 1));
	CHECK(chardev_size(cd, &cols, &rows));
	CHECK_EQ(cols, 132);
	CHECK_EQ(rows, 43);
	close_cd(cd);
	restore_stdio();
	close(tty);
	close(master);
}

/*
 * In the child: a session whose foreground group is another process's. Gives the step that failed, 0 when all is well.
 */
static int background_child(int tty, int master)
{
	struct chardev_config cfg = { .kind = CHARDEV_STDIO };
	struct event_loop *l;
	struct chardev *cd;
	struct termios t;
	pid_t other;
	int i;

	alarm(30);
	if (setsid() < 0 || ioctl(tty, TIOCSCTTY, 0) < 0)
		return 1;
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	other = fork();
	if (!other) {
		for (;;)
			pause();
	}
	setpgid(other, other);
	if (tcsetpgrp(tty, other) < 0)
		return 2;
	dup2(tty, 0);
	dup2(tty, 1);
	reset_client();
	if (event_loop_create("bg", &l) < 0 || event_loop_start_thread(l) < 0 || chardev_open(&cfg, l, NULL, &cd) < 0)
		return 3;
	chardev_set_client(cd, &cl.c);
	if (write(master, "shell\n", 6) != 6)
		return 4;
	poll(NULL, 0, 100);
	tcgetattr(tty, &t);
	if (got_len() || !(t.c_lflag & ICANON))
		return 5;
	/* Output is allowed. */
	if (put(cd, "out\n") != 4)
		return 6;
	/* Brought forward, without any signal. */
	if (tcsetpgrp(tty, getpgrp()) < 0)
		return 7;
	for (i = 0; i < 500; i++) {
		tcgetattr(tty, &t);
		if (!(t.c_lflag & ICANON))
			break;
		poll(NULL, 0, 10);
	}
	if (t.c_lflag & ICANON)
		return 8;
	tcflush(tty, TCIFLUSH);
	loop = l;
	loop_turn();
	if (write(master, "k", 1) != 1 || !wait_len(1))
		return 9;
	close_cd(cd);
	tcgetattr(tty, &t);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	event_loop_free(l);
	return t.c_lflag & ICANON ? 0 : 10;
}

TEST(in_the_background_the_tty_is_left_alone_until_it_is_ours)
{
	int tty, master = open_terminal(&tty), status = -1;
	pid_t pid;

	CHECK(master >= 0);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(background_child(tty, master));
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	close(tty);
	close(master);
}

/* --- pty --- */

TEST(a_pty_can_be_opened_closed_and_opened_again)
{
	struct chardev *cd = open_cd(CHARDEV_PTY, NULL);
	char buf[16];
	int fd, i;

	CHECK(cd);
	CHECK(!strncmp(chardev_path(cd), "/dev/pts/", 9));
	chardev_set_client(cd, &cl.c);
	for (i = 0; i < 3; i++) {
		CHECK(wait_connected(cd, false));
		CHECK_EQ(put(cd, "nobody sees this\n"), 17);
		fd = open(chardev_path(cd), O_RDWR | O_NOCTTY);
		CHECK(fd >= 0);
		CHECK(wait_connected(cd, true));
		CHECK_EQ(put(cd, "hi\n"), 3);
		CHECK(read_n(fd, buf, 3));
		CHECK(!memcmp(buf, "hi\n", 3));	/* raw: no \r before \n, no echo */
		CHECK_EQ(write(fd, "in", 2), 2);
		CHECK(wait_len((size_t)i * 2 + 2));
		close(fd);
	}
	CHECK(wait_connected(cd, false));
	CHECK_EQ(got_len(), 6);
	CHECK(get(&cl.changed) >= 6);
	close_cd(cd);
}

TEST(a_pty_whose_user_does_not_read_makes_writes_short)
{
	static u8 big[256 * 1024];
	struct chardev *cd = open_cd(CHARDEV_PTY, NULL);
	int fd;

	CHECK(cd);
	fd = open(chardev_path(cd), O_RDWR | O_NOCTTY);
	CHECK(fd >= 0);
	chardev_set_client(cd, &cl.c);
	CHECK(wait_connected(cd, true));
	CHECK(chardev_write(cd, big, sizeof(big)) < sizeof(big));
	close(fd);
	CHECK(wait_connected(cd, false));
	CHECK_EQ(put(cd, "dropped"), 7);
	close_cd(cd);
}

TEST(a_pty_without_inotify_is_looked_after_by_a_timer)
{
	struct rlimit old, low;
	struct chardev *cd;
	int fd, fill[4096], n = 0, i;

	/* inotify instances are limited per user; take them all */
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = MIN(old.rlim_max, (rlim_t)4096);
	setrlimit(RLIMIT_NOFILE, &low);
	while (n < 4000 && (fill[n] = inotify_init1(IN_CLOEXEC)) >= 0)
		n++;
	if (n == 4000 || errno != EMFILE) {
		while (n)
			close(fill[--n]);
		setrlimit(RLIMIT_NOFILE, &old);
		SKIP("no per-user inotify limit below 4000 here");
	}
	cd = open_cd(CHARDEV_PTY, NULL);
	for (i = 0; i < n; i++)
		close(fill[i]);
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK(cd);
	chardev_set_client(cd, &cl.c);
	CHECK(!chardev_connected(cd));
	fd = open(chardev_path(cd), O_RDWR | O_NOCTTY);
	CHECK(wait_connected(cd, true));
	close(fd);
	CHECK(wait_connected(cd, false));
	close_cd(cd);
}

/* --- unix sockets --- */

static struct sockaddr_un unix_addr(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%.*s", (int)sizeof(a.sun_path) - 1, path);
	return a;
}

static int dial(const char *path)
{
	struct sockaddr_un a = unix_addr(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

TEST(one_client_at_a_time_talks_both_ways)
{
	char path[128], buf[64];
	struct chardev *cd;
	struct stat st;
	int fd, second, i;

	path_in_dir(path, sizeof(path), "s1");
	cd = open_cd(CHARDEV_UNIX, path);
	CHECK(cd);
	CHECK(stat(path, &st) == 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK(!chardev_connected(cd));
	CHECK_EQ(put(cd, "nobody\n"), 7);
	chardev_set_client(cd, &cl.c);
	for (i = 0; i < 3; i++) {
		fd = dial(path);
		CHECK(fd >= 0);
		CHECK(wait_connected(cd, true));
		CHECK_EQ(put(cd, "hi\n"), 3);
		CHECK(read_n(fd, buf, 3));
		CHECK(!memcmp(buf, "hi\n", 3));
		CHECK_EQ(write(fd, "in", 2), 2);
		CHECK(wait_len((size_t)i * 2 + 2));
		second = dial(path);
		CHECK(second >= 0);
		CHECK(read_n(second, buf, 5));
		CHECK(!memcmp(buf, "lkvm:", 5));
		while (read(second, buf, sizeof(buf)) > 0)
			;
		close(second);
		CHECK(chardev_connected(cd));
		close(fd);
		CHECK(wait_connected(cd, false));
	}
	close_cd(cd);
	CHECK(stat(path, &st) < 0);
}

TEST(a_client_that_has_said_all_still_gets_the_answer)
{
	char path[128], buf[8];
	struct chardev *cd;
	int fd;

	path_in_dir(path, sizeof(path), "s5");
	cd = open_cd(CHARDEV_UNIX, path);
	CHECK(cd);
	chardev_set_client(cd, &cl.c);
	fd = dial(path);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "ask", 3), 3);
	CHECK(shutdown(fd, SHUT_WR) == 0);
	CHECK(wait_len(3));
	loop_turn();
	chardev_resume_input(cd);
	loop_turn();
	CHECK(chardev_connected(cd));
	CHECK_EQ(put(cd, "answer\n"), 7);
	CHECK(read_n(fd, buf, 7));
	close(fd);
	CHECK(wait_connected(cd, false));
	close_cd(cd);
}

TEST(a_client_that_dies_under_output_is_let_go)
{
	static u8 big[256 * 1024];
	struct writer w = { .buf = big, .len = sizeof(big) };
	char path[128];
	pthread_t t;
	int fd;

	path_in_dir(path, sizeof(path), "s2");
	w.cd = open_cd(CHARDEV_UNIX, path);
	CHECK(w.cd);
	cl.room = 0;
	chardev_set_client(w.cd, &cl.c);
	fd = dial(path);
	CHECK(wait_connected(w.cd, true));
	CHECK_EQ(write(fd, "unread", 6), 6);	/* input is held, so only writing can notice */
	pthread_create(&t, NULL, write_all_thread, &w);
	poll(NULL, 0, 50);
	close(fd);
	pthread_join(t, NULL);
	CHECK(wait_connected(w.cd, false));
	fd = dial(path);
	CHECK(wait_connected(w.cd, true));
	close(fd);
	close_cd(w.cd);
}

TEST(a_stale_socket_is_replaced_a_live_one_and_a_file_are_not)
{
	struct chardev_config cfg = { .kind = CHARDEV_UNIX };
	struct sockaddr_un a;
	struct chardev *cd, *cd2 = NULL;
	char path[128], file[128];
	struct error err;
	struct stat st;
	int fd;

	path_in_dir(path, sizeof(path), "s3");
	a = unix_addr(path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	close(fd);	/* as a crash leaves it */
	cd = open_cd(CHARDEV_UNIX, path);
	CHECK(cd);
	cfg.path = path;
	CHECK_EQ(chardev_open(&cfg, loop, &err, &cd2), -EADDRINUSE);
	CHECK(strstr(err.msg, path));
	CHECK(stat(path, &st) == 0);
	close_cd(cd);

	path_in_dir(file, sizeof(file), "regular");
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	close(fd);
	cfg.path = file;
	CHECK_EQ(chardev_open(&cfg, loop, &err, &cd2), -EADDRINUSE);
	CHECK(stat(file, &st) == 0 && S_ISREG(st.st_mode));
}

TEST(a_path_that_does_not_fit_is_refused)
{
	struct chardev_config cfg = { .kind = CHARDEV_UNIX };
	struct chardev *cd = NULL;
	char path[200];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[108] = 0;
	cfg.path = path;
	CHECK_EQ(chardev_open(&cfg, loop, NULL, &cd), -ENAMETOOLONG);
	CHECK(!cd);
}

TEST(a_socket_somebody_replaced_is_not_removed)
{
	struct chardev *cd;
	char path[128];
	struct stat st;
	int fd;

	path_in_dir(path, sizeof(path), "s4");
	cd = open_cd(CHARDEV_UNIX, path);
	CHECK(cd);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	close(fd);
	close_cd(cd);
	CHECK(stat(path, &st) == 0);
}

/* A test that fails half way leaves its own descriptors as 0 and 1. */
static void (*test_fn)(void);

static void with_own_stdio(void)
{
	test_fn();
	restore_stdio();
}

#undef RUN
#define RUN(name) (test_fn = (name), tap_run(#name, with_own_stdio))

int main(void)
{
	char cmd[128];
	int i;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	log_set_level(LOG_ERROR);
	for (i = 0; i < 3; i++)
		keep[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
	strcpy(dir, "/tmp/chardev-test-XXXXXX");
	pthread_mutex_init(&cl.lock, NULL);
	pthread_cond_init(&cl.cond, NULL);
	cl.c = (struct chardev_client){
		.receive = receive, .changed = on_changed, .writable = on_writable, .line_break = on_break,
	};
	RUN(in_the_background_the_tty_is_left_alone_until_it_is_ours);	/* it forks: before there are threads */

	if (!mkdtemp(dir) || event_loop_create("test", &loop) < 0 || event_loop_start_thread(loop) < 0)
		return 1;
	RUN(specs_are_parsed_whole);
	RUN(null_takes_and_drops_output);
	RUN(a_line_is_written_at_once_and_the_rest_soon);
	RUN(flush_and_close_push_what_waits);
	RUN(a_reader_that_does_not_read_makes_writes_short_and_tells_room);
	RUN(write_all_waits_for_the_reader);
	RUN(cancel_lets_writers_go_and_uncancel_makes_them_wait_again);
	RUN(close_gives_up_on_a_reader_that_does_not_read);
	RUN(output_after_the_reader_went_is_dropped);
	RUN(a_pipe_shared_with_the_shell_stays_blocking);
	RUN(standard_output_to_a_file_shares_the_offset);
	RUN(standard_output_to_a_socket_works);
	RUN(a_full_disk_loses_output_and_no_more);
	RUN(a_tap_sees_every_byte_in_the_order_of_output);
	RUN(a_tap_sees_only_what_was_taken);
	RUN(a_file_that_cannot_be_made_is_named);
	RUN(piped_input_reaches_the_client_and_its_end_stops_it);
	RUN(ctrl_a_from_a_pipe_is_an_ordinary_byte);
	RUN(a_client_without_room_holds_input_back_unharmed);
	RUN(a_regular_file_and_dev_null_are_input_too);
	RUN(no_callback_after_the_client_was_taken_away);
	RUN(input_is_diverted_and_comes_back);
	RUN(break_reaches_the_client);
	RUN(a_tty_is_raw_while_open_and_restored_after);
	RUN(keys_reach_the_guest_except_those_after_ctrl_a);
	RUN(escape_works_while_the_guest_takes_no_input);
	RUN(a_stopped_terminal_does_not_block_the_writer);
	RUN(size_of_the_tty_and_its_change_are_told);
	RUN(a_pty_can_be_opened_closed_and_opened_again);
	RUN(a_pty_whose_user_does_not_read_makes_writes_short);
	RUN(a_pty_without_inotify_is_looked_after_by_a_timer);
	RUN(one_client_at_a_time_talks_both_ways);
	RUN(a_client_that_has_said_all_still_gets_the_answer);
	RUN(a_client_that_dies_under_output_is_let_go);
	RUN(a_stale_socket_is_replaced_a_live_one_and_a_file_are_not);
	RUN(a_path_that_does_not_fit_is_refused);
	RUN(a_socket_somebody_replaced_is_not_removed);

	event_loop_free(loop);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) ? 1 : tap_done();
}
