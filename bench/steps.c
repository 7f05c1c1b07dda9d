/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the instructions a program executes in user space, all its threads', by having the processor stop after each [ptrace(2)
 * PTRACE_SINGLESTEP]. Exact, the same on a busy machine, and needs neither counters in hardware nor a simulator that knows KVM; it
 * takes some microseconds an instruction. A repeated string instruction counts as often as it repeats; what the kernel and a guest
 * do does not count. Prints the sum and each thread's name and part; the program's output is thrown away.
 *
 *	steps [VAR=VALUE...] COMMAND...
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_THREADS = 512 };

static struct thread {
	pid_t tid;
	char name[32];
	unsigned long long steps;
} thread[MAX_THREADS];
static int nr_threads;

static struct thread *thread_of(pid_t tid)
{
	int i;

	for (i = nr_threads - 1; i >= 0; i--)	/* an id may come again: its last owner's */
		if (thread[i].tid == tid)
			return &thread[i];
	if (nr_threads == MAX_THREADS) {
		fprintf(stderr, "steps: more than %d threads\n", MAX_THREADS);
		exit(2);
	}
	thread[nr_threads].tid = tid;
	return &thread[nr_threads++];
}

/* A thread has its last name when it ends. */
static void name_thread(struct thread *t, pid_t pid)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, t->tid);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		n = read(fd, t->name, sizeof(t->name) - 1);
	close(fd);
	t->name[n > 0 ? n - 1 : 0] = '\0';
}

static pid_t start(char **argv)
{
	pid_t pid = fork();
	int null;

	if (pid)
		return pid;
	for (; *argv && strchr(*argv, '='); argv++)
		putenv(*argv);
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	if (!*argv || ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		_exit(127);
	execvp(argv[0], argv);
	_exit(127);
}

/* Follows one stop; the signal that goes on to the thread, or 0. */
static int stopped(pid_t pid, struct thread *t, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (event == PTRACE_EVENT_EXIT)
		name_thread(t, pid);
	if (event)
		return 0;
	if (sig == SIGTRAP) {
		t->steps++;
		return 0;
	}
	if (sig == SIGSTOP && !t->steps)	/* it was made just now */
		return 0;
	return sig;
}

static int by_steps(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;

	return (x->steps < y->steps) - (x->steps > y->steps);
}

int main(int argc, char **argv)
{
	unsigned long long sum = 0;
	int status, end = 0, i;
	pid_t pid, tid;

	if (argc < 2) {
		fprintf(stderr, "usage: steps [VAR=VALUE...] COMMAND...\n");
		return 2;
	}
	pid = start(argv + 1);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) {
		fprintf(stderr, "steps: cannot run %s\n", argv[1]);
		return 2;
	}
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (tid <= 0)
			continue;
		if (WIFSTOPPED(status))
			ptrace(PTRACE_SINGLESTEP, tid, 0, stopped(pid, thread_of(tid), status));
		else if (tid == pid)
			end = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
	}
	qsort(thread, (size_t)nr_threads, sizeof(thread[0]), by_steps);
	for (i = 0; i < nr_threads; i++)
		sum += thread[i].steps;
	printf("status %d\nall %llu\n", end, sum);
	for (i = 0; i < nr_threads; i++)
		printf("%s %llu\n", thread[i].name, thread[i].steps);
	return 0;
}
