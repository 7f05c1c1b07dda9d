/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each class of threads in the real sandbox, in a process of its own: what it may not do is refused, what it needs is not.
 * links: sandbox/sandbox.c sandbox/filter.c sandbox/landlock.c $(A)/trap.c util/thread.c util/log.c util/str.c util/error.c
 */
#include "util/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/private.h"
#include "tests/tap.h"
#include "util/str.h"
#include "vmm/arch.h"

enum {
	M = 1 << THREAD_MAIN, V = 1 << THREAD_VCPU, I = 1 << THREAD_IO, W = 1 << THREAD_WORKER, N = 1 << THREAD_USERNET,
	ALL = M | V | I | W | N,
	SLOTS = 64,
};

static const char *const class_name[THREAD_CLASSES] = {
	[THREAD_MAIN] = "main", [THREAD_VCPU] = "vcpu", [THREAD_IO] = "io", [THREAD_WORKER] = "worker", [THREAD_USERNET] = "usernet",
};

/* What a child leaves behind. */
static struct shared {
	int result[SLOTS];
	bool violated, readable;
	char described[128];
	char said[512];
} *sh;

static char folder[] = "/tmp/sandbox-test-XXXXXX";
static char ours[64], other[64], data_path[64];	/* files: may be removed, may not, read */
static int data_fd, tmp_fd;
static bool has_landlock;

/* --- children --- */

struct body {
	enum thread_class class;
	void (*fn)(void);
};

static void *thread_body(void *arg)
{
	struct body *b = arg;

	thread_begin(b->class, class_name[b->class]);
	b->fn();
	return NULL;
}

static void child(struct body *b, bool network)
{
	struct sandbox box = { .network = network, .answer = arch_answer_call };
	struct error err = { "" };
	struct pollfd pfd;
	pthread_t t;

	sandbox_allow(&box, ours, SANDBOX_REMOVE);
	sandbox_allow(&box, data_path, SANDBOX_READ);
	sandbox_allow(&box, "/nonexistent/file", SANDBOX_REMOVE);
	if (sandbox_enter(&box, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		_exit(99);
	}
	if (b->class == THREAD_MAIN)
		thread_body(b);
	else if (thread_start(&t, thread_body, b) < 0 || pthread_join(t, NULL))
		_exit(98);
	sh->violated = sandbox_violated();
	pfd = (struct pollfd){ .fd = sandbox_violation_fd(), .events = POLLIN };
	sh->readable = poll(&pfd, 1, 0) == 1;
	strncpy(sh->described, sandbox_describe(), sizeof(sh->described) - 1);
	_exit(0);
}

/* Has @fn run in a thread of @class; gives the child's wait status. What it says on stderr is in sh->said. */
static int run_as(enum thread_class class, bool network, void (*fn)(void))
{
	struct body b = { class, fn };
	int said[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	memset(sh, 0, sizeof(*sh));
	fflush(stdout);
	if (pipe(said) < 0)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		dup2(said[1], STDERR_FILENO);
		close(said[0]);
		close(said[1]);
		child(&b, network);
	}
	close(said[1]);
	while ((n = read(said[0], sh->said + len, sizeof(sh->said) - 1 - len)) > 0)
		len += (size_t)n;
	close(said[0]);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return status;
}

static bool ended_well(int status, enum thread_class class)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	printf("# class %s: wait status 0x%x: %s\n", class_name[class], status, sh->said);
	return false;
}

static int result_of(long r)
{
	return r < 0 ? -errno : 0;
}

/* --- attempts: 0 or -errno each --- */

static int read_a_file(void) { return result_of(open("/etc/passwd", O_RDONLY | O_CLOEXEC)); }
static int make_a_file(void) { return result_of(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); }
static int make_a_unix_socket(void) { return result_of(socket(AF_UNIX, SOCK_STREAM, 0)); }
static int make_a_socket(void) { return result_of(socket(AF_INET, SOCK_STREAM, 0)); }
static int make_a_raw_socket(void) { return result_of(socket(AF_PACKET, SOCK_RAW, 0)); }
static int remove_a_file(void) { return result_of(unlink(other)); }
static int become_executable(void) { return result_of(mprotect(sh, 4096, PROT_READ | PROT_EXEC)); }
static int split(void) { return result_of(syscall(SYS_clone, (unsigned long)SIGCHLD, 0, 0, 0, 0)); }
static int signal_another(void) { return result_of(syscall(SYS_tgkill, getppid(), getppid(), 0)); }
static int signal_any(void) { return result_of(syscall(SYS_kill, 1, 0)); }
static int be_dumpable(void) { return result_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }
static int type_on_a_terminal(void) { return result_of(ioctl(data_fd, TIOCSTI, "x")); }
static int make_a_vm(void) { return result_of(ioctl(data_fd, KVM_CREATE_VM, 0)); }
static int run_a_vcpu(void) { return result_of(ioctl(data_fd, KVM_RUN, 0)); }
static int ask_a_kvm_device(void) { return result_of(ioctl(data_fd, KVM_GET_DEVICE_ATTR, NULL)); }
static int make_a_ring(void) { return result_of(syscall(SYS_io_uring_setup, 1, NULL)); }
static int add_a_filter(void) { return result_of(syscall(SYS_seccomp, 1, 0, NULL)); }
static int get_capabilities(void) { return result_of(syscall(SYS_setuid, 0)); }
static int change_a_mode(void) { return result_of(chmod(other, 0777)); }
static int call_of_the_future(void) { return result_of(syscall(470)); }
static int openat2_(void) { return result_of(syscall(437, -100, "/", NULL, 0)); }

static int map_executable(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -errno : 0;
}

static int leave_namespace(void)
{
	/* with CLONE_THREAD and the rest, as a thread, and one flag more */
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_NEWNET;

	return result_of(syscall(SYS_clone, flags, NULL, NULL, NULL, 0));
}

static void *nothing(void *arg)
{
	return arg;
}

static int start_a_thread(void)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, nothing, NULL);

	if (!r)
		pthread_join(t, NULL);
	return -r;
}

static int listen_on_tcp(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), r;

	r = fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

struct attempt {
	const char *name;
	int (*fn)(void);
	unsigned int classes;
	int error;	/* expected */
	bool sanitized;	/* also in builds with a sanitizer, which may do more */
};

#define REFUSED(fn, classes, error, sanitized) { #fn, fn, classes, error, sanitized }

static const struct attempt refused[] = {
	REFUSED(read_a_file, ALL & ~N, -EACCES, false),
	REFUSED(make_a_file, ALL & ~N, -EACCES, false),
	REFUSED(make_a_file, N, -EPERM, false),
	REFUSED(make_a_unix_socket, ALL, -EACCES, false),
	REFUSED(make_a_socket, ALL & ~N, -EACCES, false),
	REFUSED(make_a_raw_socket, N, -EPERM, false),
	REFUSED(remove_a_file, ALL & ~M, -EPERM, true),
	REFUSED(become_executable, ALL, -EPERM, true),
	REFUSED(map_executable, ALL, -EPERM, true),
	REFUSED(split, ALL, -EPERM, false),
	REFUSED(leave_namespace, ALL, -EPERM, false),
	REFUSED(start_a_thread, M | V | W, -EPERM, false),
	REFUSED(signal_another, ALL, -EPERM, false),
	REFUSED(signal_any, ALL, -EPERM, false),
	REFUSED(be_dumpable, ALL, -EPERM, false),
	REFUSED(type_on_a_terminal, ALL, -EPERM, true),
	REFUSED(make_a_vm, ALL, -EPERM, true),
	REFUSED(run_a_vcpu, ALL & ~V, -EPERM, true),
	REFUSED(ask_a_kvm_device, ALL, -EPERM, true),
	REFUSED(make_a_ring, ALL, -EPERM, true),
	REFUSED(add_a_filter, M | V | W, -EPERM, true),
	REFUSED(get_capabilities, ALL, -EPERM, true),
	REFUSED(change_a_mode, ALL, -EPERM, true),
	REFUSED(call_of_the_future, ALL, -ENOSYS, true),
	REFUSED(openat2_, ALL, -ENOSYS, true),
};

/* --- what must work --- */

static int use_memory(void)
{
	char *p = malloc(10 * 1024 * 1024), *q;

	if (!p)
		return -ENOMEM;
	memset(p, 1, 1024 * 1024);
	q = realloc(p, 20 * 1024 * 1024);
	free(q ? q : p);
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || madvise(p, 65536, MADV_DONTNEED) < 0 || mprotect(p, 4096, PROT_NONE) < 0)
		return -errno;
	return result_of(munmap(p, 65536));
}

static int use_a_pipe(void)
{
	char c = 0;

	return write(tmp_fd, "x", 1) == 1 && read(data_fd, &c, 1) == 1 ? 0 : -errno;
}

static int signal_ourselves(void) { return result_of(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0)); }
static int sleep_a_little(void) { return result_of(nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL)); }
static int name_ourselves(void) { return -pthread_setname_np(pthread_self(), "renamed"); }
static int see_run_ioctl(void) { return ioctl(data_fd, KVM_RUN, 0) < 0 && errno == ENOTTY ? 0 : -errno; }
static int see_window_size(void) { return ioctl(data_fd, TIOCGWINSZ, NULL) < 0 && errno == ENOTTY ? 0 : -errno; }
static int remove_our_file(void) { return result_of(unlink(ours)); }
static int make_an_inet_socket(void) { return make_a_socket(); }
static int start_one(void) { return start_a_thread(); }

static int use_events(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = eventfd(0, EFD_CLOEXEC), t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), r;
	struct itimerspec its = { .it_value.tv_nsec = 1 };

	r = fd < 0 || t < 0 || timerfd_settime(t, 0, &its, NULL) < 0 ? -errno : 0;
	if (!r && epoll_ctl(tmp_fd, EPOLL_CTL_ADD, fd, &ev) < 0 && errno != EINVAL && errno != EPERM)
		r = -errno;	/* tmp_fd is no epoll */
	close(fd);
	close(t);
	return r;
}

static int move_data(void)
{
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };

	return preadv(data_fd, &iov, 1, 0) < 0 || pwritev(tmp_fd, &iov, 1, 0) < 0 || fdatasync(tmp_fd) < 0 ||
	       fallocate(tmp_fd, FALLOC_FL_KEEP_SIZE, 0, 4096) < 0 ? -errno : 0;
}

#define ALLOWED(fn, classes) { #fn, fn, classes, 0, true }

static const struct attempt allowed[] = {
	ALLOWED(use_memory, ALL), ALLOWED(use_a_pipe, ALL), ALLOWED(signal_ourselves, ALL), ALLOWED(sleep_a_little, ALL),
	ALLOWED(name_ourselves, ALL), ALLOWED(see_run_ioctl, V), ALLOWED(see_window_size, M | V), ALLOWED(use_events, M | V | I | N),
	ALLOWED(move_data, I | W | N), ALLOWED(remove_our_file, M), ALLOWED(make_an_inet_socket, N), ALLOWED(start_one, I | N),
};

static const struct attempt *table;
static size_t table_len;
static unsigned int table_class;

static bool applies(const struct attempt *a)
{
	return (a->classes & table_class) && (a->sanitized || !SANDBOX_SANITIZER);
}

static void try_all(void)
{
	size_t i;
	int r;

	for (i = 0; i < table_len; i++) {
		if (!applies(&table[i]))
			continue;
		r = table[i].fn();
		sh->result[i] = r;
	}
}

static bool table_holds(enum thread_class class, const struct attempt *attempts, size_t len)
{
	bool good = true;
	size_t i;

	table = attempts;
	table_len = len;
	table_class = 1U << class;
	if (!ended_well(run_as(class, true, try_all), class))
		return false;
	for (i = 0; i < len; i++) {
		if (!applies(&attempts[i]) || sh->result[i] == attempts[i].error)
			continue;
		printf("# class %s: %s gives %d, not %d\n", class_name[class], attempts[i].name, sh->result[i], attempts[i].error);
		good = false;
	}
	return good;
}

static void fresh_files(void)
{
	close(open(ours, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void refuses(enum thread_class class)
{
	if (!sandbox_has_filters())
		SKIP("built without libseccomp");
	fresh_files();
	CHECK(table_holds(class, refused, ARRAY_SIZE(refused)));
	CHECK(sh->violated);
	CHECK(sh->readable);
	CHECK(!access(other, F_OK));
}

static void permits(enum thread_class class)
{
	fresh_files();
	CHECK(table_holds(class, allowed, ARRAY_SIZE(allowed)));
	if (sh->violated)
		printf("# %s\n", sh->said);
	CHECK(!sh->violated);
	CHECK(!sh->readable);
}

TEST(main_thread_is_refused_what_it_does_not_need) { refuses(THREAD_MAIN); }
TEST(vcpu_thread_is_refused_what_it_does_not_need) { refuses(THREAD_VCPU); }
TEST(io_thread_is_refused_what_it_does_not_need) { refuses(THREAD_IO); }
TEST(worker_thread_is_refused_what_it_does_not_need) { refuses(THREAD_WORKER); }
TEST(usernet_thread_is_refused_what_it_does_not_need) { refuses(THREAD_USERNET); }
TEST(main_thread_may_do_its_work) { permits(THREAD_MAIN); }
TEST(vcpu_thread_may_do_its_work) { permits(THREAD_VCPU); }
TEST(io_thread_may_do_its_work) { permits(THREAD_IO); }
TEST(worker_thread_may_do_its_work) { permits(THREAD_WORKER); }
TEST(usernet_thread_may_do_its_work) { permits(THREAD_USERNET); }

/* A worker is started by an io thread, and gets its filter on top of that one's. */
static void worker_under_io(void)
{
	struct body b = { THREAD_WORKER, try_all };
	pthread_t t;

	if (thread_start(&t, thread_body, &b) < 0 || pthread_join(t, NULL))
		_exit(97);
	sh->result[SLOTS - 1] = start_a_thread();
}

TEST(worker_of_an_io_thread_is_a_worker)
{
	size_t i;

	if (!sandbox_has_filters())
		SKIP("built without libseccomp");
	fresh_files();
	table = refused;
	table_len = ARRAY_SIZE(refused);
	table_class = W;
	CHECK(ended_well(run_as(THREAD_IO, false, worker_under_io), THREAD_IO));
	for (i = 0; i < table_len; i++)
		if (applies(&refused[i]))
			CHECK_EQ(sh->result[i], refused[i].error);
	CHECK_EQ(sh->result[SLOTS - 1], 0);	/* the loop is still one that may */
}

/* --- what ends the process --- */

static void exec_(void)
{
	execl("/bin/true", "true", NULL);
}

static void execat_(void)
{
	char *argv[] = { (char *)"true", NULL };

	syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0);
}

static void ptrace_(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void read_another(void)
{
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };

	process_vm_readv(getppid(), &iov, 1, &iov, 1, 0);
}

static void mount_(void)
{
	mount("none", folder, "tmpfs", 0, NULL);
}

#if defined(__x86_64__)
static void as_i386(void)
{
	long r = 20;	/* getpid there */

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
}

static void as_x32(void)
{
	syscall(0x40000000 | SYS_getpid);
}
#endif

static const struct {
	const char *name;
	void (*fn)(void);
	bool sanitized;
} deadly[] = {
	{ "execve", exec_, true }, { "execveat", execat_, true }, { "ptrace", ptrace_, false },
	{ "process_vm_readv", read_another, false }, { "mount", mount_, true },
#if defined(__x86_64__)
	{ "a call of 32-bit x86", as_i386, true }, { "a call of x32", as_x32, true },
#endif
};

TEST(what_only_an_intruder_asks_for_kills)
{
	unsigned int i, class;
	int status;

	if (!sandbox_has_filters())
		SKIP("built without libseccomp");
	for (i = 0; i < ARRAY_SIZE(deadly); i++) {
		for (class = 0; class < THREAD_CLASSES && (deadly[i].sanitized || !SANDBOX_SANITIZER); class++) {
			status = run_as(class, false, deadly[i].fn);
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
				printf("# class %s, %s: wait status 0x%x\n", class_name[class], deadly[i].name, status);
			CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
		}
	}
}

static void ring_once(void)
{
	make_a_ring();
}

static void ring_often(void)
{
	int i;

	for (i = 0; i < 3000; i++)
		make_a_ring();
	sh->result[0] = i;
}

TEST(violation_is_told_once_by_thread_number_and_name)
{
	char want[120];

	if (!sandbox_has_filters())
		SKIP("built without libseccomp");
	snprintf(want, sizeof(want),
		 "  Error: sandbox: thread 'io' made the forbidden system call %d (io_uring_setup), second argument 0x0\n",
		 SYS_io_uring_setup);
	CHECK(ended_well(run_as(THREAD_IO, false, ring_once), THREAD_IO));
	CHECK_STR(sh->said, want);
	CHECK(sh->violated && sh->readable);
}

TEST(thread_that_does_not_stop_asking_is_stopped)
{
	int status;

	if (!sandbox_has_filters())
		SKIP("built without libseccomp");
	status = run_as(THREAD_VCPU, false, ring_often);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CHECK_EQ(sh->result[0], 0);
}

static void send_sigsys(void)
{
	raise(SIGSYS);
}

TEST(signal_that_somebody_sent_is_no_violation)
{
	int status = run_as(THREAD_MAIN, false, send_sigsys);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	CHECK_STR(sh->said, "");
}

/* --- the parts that are no filter --- */

static int status_line(const char *name, char *ret, size_t room)
{
	char line[256];
	FILE *f = fopen("/proc/thread-self/status", "re");
	size_t len = strlen(name);
	int r = -ENOENT;

	while (f && r < 0 && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, len) || line[len] != ':')
			continue;
		str_copy(ret, room, line + len + 1 + strspn(line + len + 1, "\t "));
		r = 0;
	}
	if (f)
		fclose(f);
	return r;
}

/* In a process of its own that only enters, so that it can still look at itself; landlock does not keep /proc from it. */
TEST(rights_are_gone)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct sandbox box = { .answer = arch_answer_call };
		char v[64];
		bool good;

		sandbox_allow(&box, "/proc", SANDBOX_READ);
		good = sandbox_enter(&box, NULL) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
		       prctl(PR_GET_DUMPABLE) == 0;
		good = good && !status_line("CapEff", v, sizeof(v)) && !strcmp(v, "0000000000000000\n");
		good = good && !status_line("CapPrm", v, sizeof(v)) && !strcmp(v, "0000000000000000\n");
		_exit(!good);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

static void describe_only(void)
{
}

TEST(what_is_in_force_is_described)
{
	CHECK(ended_well(run_as(THREAD_MAIN, false, describe_only), THREAD_MAIN));
	CHECK(strstr(sh->described, "no-new-privileges"));
	CHECK(strstr(sh->described, "no-capabilities"));
	CHECK(!has_landlock || strstr(sh->described, "landlock-"));
	CHECK(!sandbox_has_filters() || strstr(sh->described, "seccomp"));
	CHECK_STR(sandbox_describe(), "");	/* not here: this process never entered */
}

static void files_of_main(void)
{
	sh->result[0] = result_of(unlink("/etc/sandbox-test-never-there"));
	sh->result[1] = result_of(rmdir(folder));
	sh->result[2] = result_of(unlink(ours));
}

static void files_of_usernet(void)
{
	sh->result[0] = read_a_file();
	sh->result[1] = result_of(open(data_path, O_RDONLY | O_CLOEXEC));
	sh->result[2] = listen_on_tcp();
}

TEST(landlock_lets_nothing_be_removed_but_what_is_ours)
{
	if (!has_landlock)
		SKIP("no landlock in this kernel");
	fresh_files();
	CHECK(ended_well(run_as(THREAD_MAIN, false, files_of_main), THREAD_MAIN));
	CHECK(sh->result[0] == -EACCES || sh->result[0] == -ENOENT);
	CHECK(sh->result[1] < 0);
	CHECK_EQ(sh->result[2], 0);
	CHECK(access(ours, F_OK) < 0);
}

TEST(landlock_lets_only_named_files_be_read)
{
	if (!has_landlock || SANDBOX_SANITIZER)
		SKIP("no landlock in this kernel, or a build that reads all files");
	CHECK(ended_well(run_as(THREAD_USERNET, true, files_of_usernet), THREAD_USERNET));
	CHECK_EQ(sh->result[0], -EACCES);
	CHECK_EQ(sh->result[1], 0);
	CHECK_EQ(sh->result[2], 0);
}

TEST(landlock_lets_no_port_be_bound_without_a_user_network)
{
	if (syscall(444, NULL, 0, 1) < 4)
		SKIP("this kernel's landlock knows no ports");
	CHECK(ended_well(run_as(THREAD_USERNET, false, files_of_usernet), THREAD_USERNET));
	CHECK_EQ(sh->result[2], -EACCES);
}

int main(void)
{
	sh = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED || !mkdtemp(folder))
		return 1;
	snprintf(ours, sizeof(ours), "%s/ours", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(data_path, sizeof(data_path), "%s/data", folder);
	tmp_fd = open(data_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	data_fd = open(data_path, O_RDONLY | O_CLOEXEC);
	if (tmp_fd < 0 || data_fd < 0 || write(tmp_fd, "0123456789abcdef", 16) != 16)
		return 1;
	has_landlock = syscall(444, NULL, 0, 1) > 0;
	RUN(main_thread_is_refused_what_it_does_not_need);
	RUN(vcpu_thread_is_refused_what_it_does_not_need);
	RUN(io_thread_is_refused_what_it_does_not_need);
	RUN(worker_thread_is_refused_what_it_does_not_need);
	RUN(usernet_thread_is_refused_what_it_does_not_need);
	RUN(main_thread_may_do_its_work);
	RUN(vcpu_thread_may_do_its_work);
	RUN(io_thread_may_do_its_work);
	RUN(worker_thread_may_do_its_work);
	RUN(usernet_thread_may_do_its_work);
	RUN(worker_of_an_io_thread_is_a_worker);
	RUN(what_only_an_intruder_asks_for_kills);
	RUN(violation_is_told_once_by_thread_number_and_name);
	RUN(thread_that_does_not_stop_asking_is_stopped);
	RUN(signal_that_somebody_sent_is_no_violation);
	RUN(rights_are_gone);
	RUN(what_is_in_force_is_described);
	RUN(landlock_lets_nothing_be_removed_but_what_is_ours);
	RUN(landlock_lets_only_named_files_be_read);
	RUN(landlock_lets_no_port_be_bound_without_a_user_network);
	unlink(ours);
	unlink(other);
	unlink(data_path);
	rmdir(folder);
	return tap_done();
}
