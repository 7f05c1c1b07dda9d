/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/lkvm_pvlock as its users see it: lkvm_pvlock is loaded, nobody else uses it, and we are root. The threads that are watched and the one
 * that watches share one CPU, so that whenever the latter looks, the former are off it: what is to be seen does not depend on time. The shell
 * that starts us looks at the kernel's log, and unloads the module.
 *
 * With the argument "hold": threads that are registered, one line that says so, and nothing more until a signal ends it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <lkvm/pvlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"

enum { FLAG = 64, SWITCHES = 20, MANY = 8, ROUNDS = 300, MOST = 8 };

static const char *const device = "/dev/lkvm_pvlock";
static uint64_t *page;		/* of flags */
static pthread_t thread;

struct spinner {
	int fd;
	_Atomic uint64_t *flag;
	_Atomic int registered;		/* 1, or -errno */
	_Atomic unsigned long turns;
	_Atomic unsigned long seen;	/* its own flag set */
	_Atomic bool stop;
	int pipe[2];			/* it reads from, instead of spinning, if pipe[0] is not 0 */
	_Atomic int tid;
};

static _Atomic uint64_t *flag_at(unsigned int i)
{
	return (_Atomic uint64_t *)page + i * FLAG / sizeof(uint64_t);
}

static int register_at(int fd, const volatile void *addr)
{
	struct lkvm_pvlock_register reg = { .argsz = sizeof(reg), .addr = (uintptr_t)addr };

	return ioctl(fd, LKVM_PVLOCK_REGISTER, &reg) < 0 ? -errno : 0;
}

static int unregister(int fd)
{
	return ioctl(fd, LKVM_PVLOCK_UNREGISTER) < 0 ? -errno : 0;
}

static long number_in(const char *path, const char *key)
{
	char line[256], word[64];
	FILE *f = fopen(path, "r");
	long n = -1, v;

	while (f && fgets(line, sizeof(line), f)) {
		if (!key && sscanf(line, "%ld", &v) == 1)
			n = v;
		if (key && sscanf(line, "%63s %ld", word, &v) == 2 && !strcmp(word, key))
			n = v;
	}
	if (f)
		fclose(f);
	return n;
}

/* References of the module: one for each open file and each registered thread */
static long references(void) { return number_in("/sys/module/lkvm_pvlock/refcnt", NULL); }
static long locked(void) { return number_in("/proc/self/status", "VmLck:"); }
static long pins(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);	/* each CPU counts for itself until it is asked */
	char c;

	if (read(fd, &c, 1) < 0)
		return -1;
	close(fd);
	return number_in("/proc/vmstat", "nr_foll_pin_acquired") - number_in("/proc/vmstat", "nr_foll_pin_released");
}

/* Nothing else than waiting can be done for what the kernel does behind us; the bound only matters in failure. */
static bool comes_to(long (*what)(void), long value)
{
	unsigned int i;

	for (i = 0; i < 60 * 100 && what() != value; i++)
		usleep(10000);
	return what() == value;
}

/* What tests before began has ended: a reference goes after the memory. */
static bool quiet(void)
{
	return comes_to(references, 0);
}

static void *spin(void *arg)
{
	struct spinner *s = arg;
	char c;

	s->tid = gettid();
	s->registered = register_at(s->fd, s->flag) ?: 1;
	if (s->pipe[0] && read(s->pipe[0], &c, 1) != 1)
		s->registered = -EPIPE;
	while (!s->stop) {
		if (*s->flag)
			s->seen++;
		s->turns++;
	}
	return NULL;
}

/* Is never freed: the thread of a test that failed goes on with it. */
static struct spinner *spinner(unsigned int flag)
{
	struct spinner *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->fd = open(device, O_RDWR);
	s->flag = flag_at(flag);
	return s;
}

static void begin(struct spinner *s)
{
	pthread_create(&thread, NULL, spin, s);
	while (!s->registered)
		sched_yield();
}

static void end(struct spinner *s)
{
	s->stop = true;
	pthread_join(thread, NULL);
}

/* Looks until the spinner has had the CPU SWITCHES times. How often it was off the CPU with the flag not as it should be */
static unsigned int looks_wrong(struct spinner *s, uint64_t want)
{
	unsigned long turns = s->turns;
	unsigned int switches, wrong = 0;

	/* It may just sleep: a fork() holds its address space, and leaves it pages to copy. */
	while (s->turns == turns)
		sched_yield();
	turns = s->turns;
	for (switches = 0; switches < SWITCHES;) {
		wrong += *s->flag != want;
		if (s->turns != turns) {
			turns = s->turns;
			switches++;
		}
	}
	return wrong;
}

static char state_of(int tid)
{
	char path[64], line[256], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (f && fgets(line, sizeof(line), f) && strrchr(line, ')'))
		state = strrchr(line, ')')[2];
	if (f)
		fclose(f);
	return state;
}

TEST(what_it_cannot_do_is_refused)
{
	char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct lkvm_pvlock_register reg = { .argsz = sizeof(reg) - 1, .addr = (uintptr_t)page };
	int fd = open(device, O_RDWR | O_CLOEXEC), more[MOST];

	CHECK(fd >= 0 && ro != MAP_FAILED);
	CHECK(ioctl(fd, LKVM_PVLOCK_REGISTER, &reg) == -1 && errno == EINVAL);
	reg = (struct lkvm_pvlock_register){ .argsz = sizeof(reg), .flags = 1, .addr = (uintptr_t)page };
	CHECK(ioctl(fd, LKVM_PVLOCK_REGISTER, &reg) == -1 && errno == EINVAL);
	CHECK(ioctl(fd, LKVM_PVLOCK_REGISTER, NULL) == -1 && errno == EFAULT);
	CHECK(ioctl(fd, _IO('L', 0x42)) == -1 && errno == ENOTTY);
	CHECK_EQ(register_at(fd, (char *)page + 32), -EINVAL);
	CHECK_EQ(register_at(fd, (char *)page + 1), -EINVAL);
	CHECK_EQ(register_at(fd, NULL), -EFAULT);
	CHECK_EQ(register_at(fd, ro), -EFAULT);
	munmap(ro, 4096);
	CHECK_EQ(register_at(fd, ro), -EFAULT);
	CHECK_EQ(register_at(fd, (void *)(UINTPTR_MAX - 4095)), -EFAULT);
	CHECK_EQ(register_at(fd, (void *)(UINTPTR_MAX / 2 + 1)), -EFAULT);
	CHECK_EQ(unregister(fd), -ENOENT);
	CHECK_EQ(references(), 1);
	CHECK_EQ(locked(), 0);
	CHECK_EQ(register_at(fd, page), 0);
	CHECK_EQ(register_at(fd, flag_at(1)), -EEXIST);
	CHECK_EQ(references(), 2);
	for (int i = 0; i < MOST; i++) {	/* one by each file, but not without end */
		more[i] = open(device, O_RDWR | O_CLOEXEC);
		CHECK_EQ(register_at(more[i], page), i < MOST - 1 ? 0 : -EBUSY);
	}
	for (int i = 0; i < MOST; i++)
		close(more[i]);
	CHECK_EQ(unregister(fd), 0);
	CHECK_EQ(register_at(fd, page), 0);	/* what is closed does not count */
	CHECK_EQ(unregister(fd), 0);
	CHECK_EQ(unregister(fd), -ENOENT);
	close(fd);
	CHECK(quiet());
	CHECK_EQ(locked(), 0);
}

/* REGISTER at a page of that file, mapped anew */
static int register_file(int fd, int file, int flags)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, file, 0);
	int r = at == MAP_FAILED ? -ENODATA : register_at(fd, at);

	if (!r)
		r = unregister(fd);
	munmap(at, 4096);
	return r;
}

/* A file system is told of a page's first write, not of ours. Memory files have nothing behind them. */
TEST(page_of_a_file_on_a_disk_is_refused)
{
	const char *dir = getenv("LAB_SCRATCH");
	int fd = open(device, O_RDWR | O_CLOEXEC), file = memfd_create("pvlock", MFD_CLOEXEC), r;
	long before = pins();
	struct statfs fs;

	CHECK(fd >= 0 && file >= 0 && !ftruncate(file, 4096));
	CHECK_EQ(register_file(fd, file, MAP_SHARED), 0);
	CHECK_EQ(register_file(fd, -1, MAP_SHARED | MAP_ANONYMOUS), 0);
	close(file);
	if (!dir || statfs(dir, &fs) || fs.f_type == TMPFS_MAGIC) {
		close(fd);
		SKIP("no file on a disk: LAB_SCRATCH names no folder on one");
	}
	file = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CHECK(file >= 0 && !ftruncate(file, 4096));
	r = register_file(fd, file, MAP_SHARED);
	CHECK(r == -EOPNOTSUPP || r == -EFAULT);	/* the latter is Linux's own, since 6.5 */
	CHECK_EQ(references(), 1);
	CHECK_EQ(locked(), 0);
	CHECK_EQ(register_file(fd, file, MAP_PRIVATE), 0);
	close(file);
	close(fd);
	CHECK(quiet());
	CHECK(comes_to(pins, before));
	CHECK_EQ(locked(), 0);
}

TEST(flag_is_set_while_off_the_cpu_and_never_seen_by_its_thread)
{
	struct spinner *s = spinner(3);

	*s->flag = 0x123456789abcdefULL;	/* REGISTER clears it */
	begin(s);
	CHECK_EQ(s->registered, 1);
	CHECK_EQ(looks_wrong(s, 1), 0);
	CHECK_EQ(locked(), sysconf(_SC_PAGESIZE) / 1024);
	end(s);
	CHECK_EQ(s->seen, 0);
	close(s->fd);
	CHECK(quiet());
}

TEST(flag_is_clear_while_asleep)
{
	struct spinner *s = spinner(0);
	unsigned int i;

	CHECK_EQ(pipe(s->pipe), 0);
	begin(s);
	CHECK_EQ(s->registered, 1);
	while (state_of(s->tid) != 'S' || *s->flag)	/* on its way there it may lose the CPU once more */
		sched_yield();
	for (i = 0; i < 1000; i++) {
		CHECK_EQ(*s->flag, 0);
		sched_yield();
	}
	CHECK_EQ(write(s->pipe[1], "x", 1), 1);
	while (!s->turns)	/* one that was woken and has not run yet was not taken off: still clear */
		sched_yield();
	CHECK_EQ(looks_wrong(s, 1), 0);
	end(s);
	CHECK_EQ(s->seen, 0);
	close(s->fd);
	close(s->pipe[0]);
	close(s->pipe[1]);
	CHECK(quiet());
}

TEST(ends_with_its_thread)
{
	struct spinner *s = spinner(0);
	long before = pins();

	begin(s);
	CHECK_EQ(s->registered, 1);
	CHECK_EQ(references(), 2);
	CHECK_EQ(pins(), before + 1);
	end(s);
	CHECK(comes_to(references, 1));
	CHECK(comes_to(pins, before));
	CHECK(comes_to(locked, 0));
	CHECK_EQ(*s->flag, 0);
	close(s->fd);
	CHECK(quiet());
}

TEST(ends_with_the_close_by_another_thread)
{
	struct spinner *s = spinner(0);

	begin(s);
	CHECK_EQ(looks_wrong(s, 1), 0);
	close(s->fd);
	CHECK(quiet());
	CHECK(comes_to(locked, 0));
	CHECK_EQ(looks_wrong(s, 0), 0);
	end(s);
}

TEST(ends_with_the_close_while_asleep)
{
	struct spinner *s = spinner(0);

	CHECK_EQ(pipe(s->pipe), 0);
	begin(s);
	while (state_of(s->tid) != 'S')
		sched_yield();
	close(s->fd);
	CHECK(quiet());
	CHECK_EQ(write(s->pipe[1], "x", 1), 1);
	end(s);
	CHECK_EQ(s->registered, 1);	/* read() went on */
	close(s->pipe[0]);
	close(s->pipe[1]);
}

TEST(two_files_are_two_flags)
{
	struct spinner *s = spinner(0);
	int other = open(device, O_RDWR);

	CHECK_EQ(register_at(s->fd, flag_at(1)), 0);
	CHECK_EQ(register_at(other, flag_at(2)), 0);
	begin(s);
	CHECK_EQ(looks_wrong(s, 1), 0);
	CHECK_EQ(*flag_at(1), 0);
	CHECK_EQ(*flag_at(2), 0);
	end(s);
	CHECK_EQ(unregister(s->fd), 0);
	close(other);
	close(s->fd);
	CHECK(quiet());
}

/*
 * The child has the parent's memory and its open file, and none of its flags; it can have one of its own. The file, which the parent closes,
 * is the child's until the parent has looked: its last close would end the parent's flag, too.
 */
TEST(fork_takes_no_flag_along)
{
	struct spinner *s = spinner(0);
	int status, child, looked[2];
	unsigned int wrong;
	char c;

	CHECK_EQ(pipe(looked), 0);
	begin(s);
	CHECK_EQ(s->registered, 1);
	child = fork();
	if (!child) {
		struct spinner own = { .fd = s->fd, .flag = flag_at(1) };

		close(looked[1]);
		if (unregister(s->fd) != -ENOENT)
			_exit(1);
		begin(&own);
		_exit(own.registered != 1 || looks_wrong(&own, 1) || read(looked[0], &c, 1));
	}
	close(s->fd);
	wrong = looks_wrong(s, 1);
	close(looked[0]);
	close(looked[1]);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_EQ(status, 0);
	CHECK_EQ(wrong, 0);
	CHECK(quiet());
	CHECK_EQ(looks_wrong(s, 0), 0);
	end(s);
}

TEST(exec_ends_it_with_the_process)
{
	int fd = open(device, O_RDWR), status, child;
	long before = pins();

	child = fork();
	if (!child) {
		if (register_at(fd, page))
			_exit(1);
		execl("/bin/true", "true", NULL);
		_exit(2);
	}
	close(fd);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_EQ(status, 0);
	CHECK(quiet());
	CHECK(comes_to(pins, before));
}

static void many_threads(int fd)
{
	static struct spinner s[MANY];
	pthread_t t;
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		s[i] = (struct spinner){ .fd = fd, .flag = flag_at(i) };
		pthread_create(&t, NULL, spin, &s[i]);
	}
	for (i = 0; i < MANY; i++)
		while (!s[i].registered)
			sched_yield();
}

TEST(kill_leaves_nothing_pinned)
{
	long before = pins();
	int status, child, go[2];
	char c;

	CHECK_EQ(pipe(go), 0);
	child = fork();
	if (!child) {
		many_threads(open(device, O_RDWR));
		if (write(go[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	CHECK_EQ(read(go[0], &c, 1), 1);
	CHECK_EQ(references(), 1 + MANY);
	CHECK_EQ(pins(), before + MANY);
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	CHECK(quiet());
	CHECK(comes_to(pins, before));
	close(go[0]);
	close(go[1]);
}

TEST(locked_memory_is_limited)
{
	int status, child = fork();

	if (!child) {
		struct rlimit none = { 0, 0 };
		int fd = open(device, O_RDWR);

		if (setrlimit(RLIMIT_MEMLOCK, &none) || setuid(65534))
			_exit(1);
		_exit(register_at(fd, page) != -ENOMEM);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_EQ(status, 0);
	CHECK(quiet());
}

/* While a thread is registered nobody takes the module away. */
TEST(module_stays_while_it_is_used)
{
	struct spinner *s = spinner(0);

	begin(s);
	CHECK(syscall(SYS_delete_module, "lkvm_pvlock", O_NONBLOCK) == -1 && errno == EAGAIN);
	end(s);
	CHECK(comes_to(references, 1));
	CHECK(syscall(SYS_delete_module, "lkvm_pvlock", O_NONBLOCK) == -1 && errno == EAGAIN);
	close(s->fd);
	CHECK(quiet());
}

static void *come_and_go(void *arg)
{
	int fd = *(int *)arg;

	if (!register_at(fd, flag_at(gettid() % 64)) && gettid() % 3)
		unregister(fd);
	return NULL;
}

/* Threads end, unregister and lose the file at the same time, in every order. */
TEST(ends_of_all_kinds_at_once)
{
	long before = pins();
	pthread_t t[MANY];
	unsigned int i, j;
	int fd;

	for (i = 0; i < ROUNDS; i++) {
		fd = open(device, O_RDWR);
		CHECK(fd >= 0);
		for (j = 0; j < MANY; j++)
			CHECK_EQ(pthread_create(&t[j], NULL, come_and_go, &fd), 0);
		for (j = 0; j < i % MANY; j++)
			pthread_join(t[j], NULL);
		close(fd);
		for (; j < MANY; j++)
			pthread_join(t[j], NULL);
	}
	CHECK(quiet());
	CHECK(comes_to(pins, before));
	CHECK(comes_to(locked, 0));
}

static int hold(void)
{
	nice(19);	/* who is to look at them is not kept from it */
	many_threads(open(device, O_RDWR));
	puts("ready");
	fflush(stdout);
	pause();
	return EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || sched_setaffinity(0, sizeof(one), &one) || access(device, R_OK)) {
		printf("Bail out! %s: %s\n", device, strerror(errno));
		return EXIT_FAILURE;
	}
	if (argc > 1 && !strcmp(argv[1], "hold"))
		return hold();
	RUN(what_it_cannot_do_is_refused);
	RUN(page_of_a_file_on_a_disk_is_refused);
	RUN(flag_is_set_while_off_the_cpu_and_never_seen_by_its_thread);
	RUN(flag_is_clear_while_asleep);
	RUN(ends_with_its_thread);
	RUN(ends_with_the_close_by_another_thread);
	RUN(ends_with_the_close_while_asleep);
	RUN(two_files_are_two_flags);
	RUN(fork_takes_no_flag_along);
	RUN(exec_ends_it_with_the_process);
	RUN(kill_leaves_nothing_pinned);
	RUN(locked_memory_is_limited);
	RUN(module_stays_while_it_is_used);
	/* On every CPU there is. */
	CPU_ZERO(&one);
	for (int i = 0; i < 64; i++)
		CPU_SET(i, &one);
	sched_setaffinity(0, sizeof(one), &one);
	RUN(ends_of_all_kinds_at_once);
	return tap_done();
}
