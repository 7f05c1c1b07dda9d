/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each class of threads may ask of the kernel once the guest runs, turned into seccomp filters while lkvm is built: this program
 * runs on the build machine, prints a header with the finished filters, and is the only user of libseccomp. So a start costs one
 * system call a thread, and no library is carried along.
 *
 * The policy is a white list. What is not on it:
 *  - is answered by an error where a libc asks for something optional and can do without (refused[]);
 *  - kills the process at once where nobody but an intruder asks (never[]);
 *  - else traps: the call fails, and lkvm says which and ends (sandbox.c).
 * It covers glibc and musl, which use different calls for the same functions.
 *
 *	policy ARCH [sanitize] > filters.h		ARCH as uname -m says it
 *
 * "sanitize" is for builds with ASan or TSan, which need more: to look at their own maps and files, and to stop all threads when they
 * look for leaks.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>

#include "util/thread.h"

enum {
	M = 1 << THREAD_MAIN, V = 1 << THREAD_VCPU, I = 1 << THREAD_IO, W = 1 << THREAD_WORKER, N = 1 << THREAD_USERNET,
	LOOPS = M | I | N,		/* run an event loop */
	DATA = I | W | N,		/* move a device's data */
	ALL = M | V | I | W | N,
	OWN_PID = 0x4f574e50,		/* stands for the process' own id, which is put in at start; no ioctl's number */
	MAX_INSNS = 1024,
};

/*
 * clone3; from here on all architectures count alike. None of these, and none that a newer kernel has, is needed: a libc that tries one
 * is told that there is no such call, and takes the older one it knows.
 */
#define FIRST_RECENT 435
#define X32_CALLS 0x40000000	/* x86's other ABI, which libseccomp's part of the filter refuses */

/* --- the policy --- */

struct call {
	const char *name;
	unsigned int classes;
};

static const struct call allowed[] = {
	/* memory; mmap and mprotect are below */
	{ "brk", ALL }, { "munmap", ALL }, { "mremap", ALL }, { "madvise", ALL },
	/* threads and signals */
	{ "futex", ALL }, { "set_robust_list", ALL }, { "rseq", ALL }, { "sched_yield", ALL }, { "sched_getaffinity", ALL },
	{ "gettid", ALL }, { "getpid", ALL }, { "rt_sigaction", ALL }, { "rt_sigprocmask", ALL }, { "rt_sigreturn", ALL },
	{ "restart_syscall", ALL }, { "exit", ALL }, { "exit_group", ALL },
	/* time, and what a libc asks on its own */
	{ "clock_gettime", ALL }, { "clock_nanosleep", ALL }, { "nanosleep", ALL }, { "gettimeofday", ALL }, { "time", ALL },
	{ "getrandom", ALL }, { "sysinfo", ALL }, { "getcpu", ALL },
	/* who we are: control clients are asked the same */
	{ "getuid", ALL }, { "geteuid", ALL }, { "getgid", ALL }, { "getegid", ALL },
	/* descriptors that are open */
	{ "read", ALL }, { "write", ALL }, { "readv", ALL }, { "writev", ALL }, { "close", ALL }, { "fstat", ALL },
	{ "poll", ALL }, { "ppoll", ALL }, { "sendto", ALL },
	/* events: handlers of devices add sources and timers from any thread */
	{ "eventfd2", M | V | I | N }, { "epoll_ctl", M | V | I | N }, { "timerfd_create", M | V | I | N },
	{ "timerfd_settime", M | V | I | N }, { "timerfd_gettime", M | V | I | N },
	{ "epoll_wait", LOOPS }, { "epoll_pwait", LOOPS },
	/* the PCI host makes its page of ones when a guest first looks */
	{ "memfd_create", V },
	/* positioned I/O: disks, the kernel's image at a restart, KVM's statistics, a VFIO device's registers */
	{ "pread64", M | V | DATA }, { "preadv", M | DATA }, { "preadv2", M | DATA }, { "lseek", M | DATA },
	{ "pwrite64", M | V | DATA }, { "pwritev", DATA }, { "pwritev2", DATA }, { "fallocate", M | DATA }, { "fdatasync", DATA },
	{ "io_submit", I }, { "io_getevents", I }, { "io_pgetevents", I }, { "io_uring_enter", I },
	/* a worker's filter is laid over that of the loop that starts it */
	{ "seccomp", I | N },
	/* chardevs and control clients */
	{ "accept4", M | N }, { "accept", M | N }, { "recvfrom", M | N }, { "recvmsg", M | N }, { "sendmsg", M | N },
	{ "shutdown", M | N }, { "getsockopt", M | N }, { "fcntl", M | N }, { "getpgrp", M }, { "getpgid", M },
	{ "inotify_rm_watch", M }, { "dup", M },
	/* the end: sockets are removed if they are still ours, a down script is waited for */
	{ "unlink", M }, { "unlinkat", M }, { "lstat", M }, { "stat", M }, { "newfstatat", M | N }, { "wait4", M }, { "io_destroy", M },
	/* user-mode network */
	{ "bind", N }, { "listen", N }, { "connect", N }, { "setsockopt", N }, { "getsockname", N }, { "getpeername", N },
	{ "stat", N }, { "lstat", N },
};

/* Calls that ask for something a library can do without. */
static const struct {
	const char *name;
	int error;
} refused[] = {
	{ "open", EACCES }, { "openat", EACCES }, { "access", EACCES }, { "faccessat", EACCES }, { "readlink", EACCES },
	{ "readlinkat", EACCES }, { "stat", EACCES }, { "lstat", EACCES }, { "newfstatat", EACCES }, { "statx", EACCES },
	{ "uname", EPERM }, { "socket", EACCES }, { "prlimit64", EPERM }, { "getrlimit", EPERM },
	{ "clone", EPERM },	/* pthread_create() has all signals blocked: a trap would kill */
};

/* Those of them that some class may make, with arguments as add_conditional() says. */
static const struct call conditional[] = { { "open", N }, { "openat", N }, { "socket", N }, { "clone", I | N } };

static const char *const never[] = {
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "kexec_load", "init_module", "finit_module", "bpf",
	"perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "mount", "umount2", "pivot_root", "chroot", "setns",
	"unshare",
};

/* Leak detection stops the other threads with ptrace; reports read maps, symbols and sources. */
static const char *const sanitizers[] = {
	"open", "openat", "access", "faccessat", "readlink", "readlinkat", "stat", "lstat", "newfstatat", "statx", "lseek", "fcntl",
	"pread64", "getdents64", "getdents", "uname", "prctl", "socket", "prlimit64", "getrlimit", "sigaltstack", "ptrace", "wait4", "clone",
	"personality", "getppid", "getuid", "geteuid", "kill", "tkill", "pipe2", "dup2", "sched_setaffinity", "process_vm_readv",
	"membarrier", "setrlimit", "mincore", "set_tid_address", "arch_prctl", "gettid", "getcwd", "mlock", "rt_sigtimedwait", "msync",
};

#include "ioctls.h"

struct arch {
	const struct request *ioctls;
	size_t nr_ioctls;
	uint32_t token;
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct arch arches[] = {
	{ ioctls_x86, COUNT(ioctls_x86), SCMP_ARCH_X86_64 },
	{ ioctls_arm, COUNT(ioctls_arm), SCMP_ARCH_AARCH64 },
	{ ioctls_riscv, COUNT(ioctls_riscv), SCMP_ARCH_RISCV64 },
};

/* --- the making of a filter --- */

static const char *progress = "";

static void check(int r)
{
	if (r >= 0 || r == -EEXIST)	/* the same rule twice is one */
		return;
	fprintf(stderr, "policy: %s: %s\n", progress, strerror(-r));
	exit(1);
}

/*
 * libseccomp takes numbers of the machine that it runs on, and itself makes the target's of them, by name: what the target's own number
 * would mean here is another call. One that this machine does not have has a number below 0. False: the target has none of that name.
 */
static bool call_of(uint32_t arch, const char *name, int *ret_nr)
{
	progress = name;
	*ret_nr = seccomp_syscall_resolve_name(name);
	return seccomp_syscall_resolve_name_arch(arch, name) >= 0;
}

/* Calls that all have. */
static int number_of(const char *name)
{
	progress = name;
	return seccomp_syscall_resolve_name(name);
}

static bool contains(const char *const *list, size_t len, const char *name)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

/* Perhaps with some arguments only. */
static bool is_allowed(const char *name, unsigned int class, bool sanitize)
{
	size_t i;

	for (i = 0; i < COUNT(allowed); i++)
		if (!strcmp(allowed[i].name, name) && (allowed[i].classes & class))
			return true;
	for (i = 0; i < COUNT(conditional); i++)
		if (!strcmp(conditional[i].name, name) && (conditional[i].classes & class))
			return true;
	return sanitize && contains(sanitizers, COUNT(sanitizers), name);
}

static void add_allowed(scmp_filter_ctx ctx, uint32_t arch, unsigned int class, bool sanitize)
{
	size_t i;
	int nr;

	for (i = 0; i < COUNT(allowed); i++)
		if (call_of(arch, allowed[i].name, &nr) && (allowed[i].classes & class))
			check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0));
	for (i = 0; sanitize && i < COUNT(sanitizers); i++)
		if (call_of(arch, sanitizers[i], &nr))
			check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0));
}

static void add_refused(scmp_filter_ctx ctx, uint32_t arch, unsigned int class, bool sanitize)
{
	size_t i;
	int nr;

	for (i = 0; i < COUNT(refused); i++)
		if (call_of(arch, refused[i].name, &nr) && !is_allowed(refused[i].name, class, sanitize))
			check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(refused[i].error), nr, 0));
	for (i = 0; i < COUNT(never); i++)
		if (call_of(arch, never[i], &nr) && !is_allowed(never[i], class, sanitize))
			check(seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, nr, 0));
}

static const struct request *requests_of(uint32_t token, size_t *ret_nr)
{
	size_t i;

	for (i = 0; i < COUNT(arches) && arches[i].token != token; i++)
		;
	*ret_nr = i < COUNT(arches) ? arches[i].nr_ioctls : 0;
	return i < COUNT(arches) ? arches[i].ioctls : NULL;
}

#define LOW32(arg, value) SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, 0xffffffffU, (uint32_t)(value))

static void add_ioctls(scmp_filter_ctx ctx, unsigned int class, const struct request *list, size_t len)
{
	const int nr = number_of("ioctl");
	size_t i;

	for (i = 0; i < len; i++)
		if (list[i].classes & class)
			check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, LOW32(1, list[i].number)));
}

/* Calls whose arguments decide. An argument that the kernel takes as int is compared as one: musl and glibc extend it differently. */
static void add_conditional(scmp_filter_ctx ctx, uint32_t arch, unsigned int class, bool sanitize)
{
	static const uint32_t names[] = { PR_SET_NAME, PR_GET_NAME, 0x53564d41 /* PR_SET_VMA: malloc names its arenas */ };
	static const int families[] = { AF_INET, AF_INET6 }, others[] = { AF_UNIX, AF_NETLINK };	/* a libc asks for interfaces by these */
	/* What every thread of a process shares; the rest of the flags glibc and musl may choose. */
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	const uint64_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	const struct request *own;
	size_t i, nr_own;
	int nr;

	nr = number_of("mmap");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)));
	nr = number_of("mprotect");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)));
	nr = number_of("tgkill");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, LOW32(0, OWN_PID)));
	add_ioctls(ctx, class, ioctls, COUNT(ioctls));
	own = requests_of(arch, &nr_own);
	add_ioctls(ctx, class, own, nr_own);
	nr = number_of("prctl");
	for (i = 0; !sanitize && i < COUNT(names); i++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, LOW32(0, names[i])));
	if ((class & (I | N)) && !sanitize) {
		nr = number_of("clone");
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, thread | spaces, thread)));
	}
	if (class != N || sanitize)
		return;
	nr = number_of("socket");
	for (i = 0; i < COUNT(families); i++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, LOW32(0, families[i])));
	for (i = 0; i < COUNT(others); i++)
		check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), nr, 1, LOW32(0, others[i])));
	nr = number_of("openat");
	check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)));
	if (call_of(arch, "open", &nr))
		check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)));
}

/*
 * What comes before libseccomp's part: recent calls, in one comparison, and the one call that a vCPU makes all the time. A filter is
 * position-independent, so it can be put behind this.
 */
static size_t add_prefix(uint32_t arch, unsigned int class, struct sock_filter *insn)
{
	const uint32_t nr_ioctl = (uint32_t)seccomp_syscall_resolve_name_arch(arch, "ioctl");
	const struct sock_filter prefix[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, class == V ? 8 : 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_RECENT, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	}, run[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),	/* little endian: the low half */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	memcpy(insn, prefix, sizeof(prefix));
	if (class != V)
		return COUNT(prefix);
	memcpy(insn + COUNT(prefix), run, sizeof(run));
	return COUNT(prefix) + COUNT(run);
}

static size_t make_filter(uint32_t arch, unsigned int class, bool sanitize, struct sock_filter *insn)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	size_t len, before = add_prefix(arch, class, insn);
	FILE *f = tmpfile();

	progress = "libseccomp";
	if (!ctx || !f)
		check(-ENOMEM);
	if (arch != seccomp_arch_native()) {
		check(seccomp_arch_add(ctx, arch));
		check(seccomp_arch_remove(ctx, seccomp_arch_native()));
	}
	check(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
	check(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2));	/* a binary search: the kernel tries each number once at start */
	add_allowed(ctx, arch, class, sanitize);
	add_conditional(ctx, arch, class, sanitize);
	add_refused(ctx, arch, class, sanitize);
	progress = "export";
	check(seccomp_export_bpf(ctx, fileno(f)));
	rewind(f);
	len = fread(insn + before, sizeof(*insn), MAX_INSNS - before, f);
	if (!len || !feof(f))
		check(-E2BIG);
	fclose(f);
	seccomp_release(ctx);
	return before + len;
}

/* --- output --- */

static void print_filter(const char *name, const struct sock_filter *insn, size_t len)
{
	size_t i, pid_at = 0, found = 0;

	printf("static const struct sock_filter filter_%s[] = {\n", name);
	for (i = 0; i < len; i++) {
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", insn[i].code, insn[i].jt, insn[i].jf, insn[i].k);
		if (BPF_CLASS(insn[i].code) == BPF_JMP && insn[i].k == (uint32_t)OWN_PID) {
			pid_at = i;
			found++;
		}
	}
	printf("};\nenum { filter_%s_pid_at = %zu };\n\n", name, pid_at);
	progress = "one place for the process id";
	if (found != 1)
		check(-EINVAL);
}

/* The target's headers have the numbers that the filters have. */
static void print_assertions(const struct request *list, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (list[i].name)
			printf("_Static_assert((unsigned int)%s == 0x%08x, \"sandbox/gen/ioctls.h: %s\");\n", list[i].name,
			       list[i].number, list[i].name);
}

static void print_names(uint32_t arch)
{
	char *name;
	int nr;

	printf("/* Of system call 0, 1, ...; those that never trap are left out. */\nstatic const char call_names[] =\n");
	for (nr = 0; nr < FIRST_RECENT; nr++) {
		name = seccomp_syscall_resolve_num_arch(arch, nr);
		printf("\t\"%s\\0\"\n", name ? name : "");
		free(name);
	}
	printf("\t;\n");
}

int main(int argc, char **argv)
{
	static const char *const names[THREAD_CLASSES] = {
		[THREAD_MAIN] = "main", [THREAD_VCPU] = "vcpu", [THREAD_IO] = "io", [THREAD_WORKER] = "worker",
		[THREAD_USERNET] = "usernet",
	};
	static struct sock_filter insn[MAX_INSNS];
	uint32_t arch = argc > 1 ? seccomp_arch_resolve_name(argv[1]) : 0;
	bool sanitize = argc > 2 && !strcmp(argv[2], "sanitize");
	const struct request *own;
	size_t len, nr_own, most = 0;
	unsigned int i;

	own = requests_of(arch, &nr_own);
	if (!own) {
		fprintf(stderr, "usage: policy x86_64|aarch64|riscv64 [sanitize]\n");
		return 129;
	}
	printf("/* SPDX-License-Identifier: GPL-2.0-only */\n/* Made by sandbox/gen/policy.c. */\n#include <linux/filter.h>\n"
	       "#include <linux/fs.h>\n#include <linux/if_tun.h>\n#include <linux/kvm.h>\n#include <linux/sockios.h>\n"
	       "#include <linux/vfio.h>\n#include <linux/vhost.h>\n#include <sys/ioctl.h>\n\n");
	print_assertions(ioctls, COUNT(ioctls));
	print_assertions(own, nr_own);
	printf("\n");
	for (i = 0; i < THREAD_CLASSES; i++) {
		len = make_filter(arch, 1U << i, sanitize, insn);
		most = len > most ? len : most;
		print_filter(names[i], insn, len);
	}
	printf("enum { filter_longest = %zu };\n\n", most);
	print_names(arch);
	return 0;
}
