/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot-count OUT CMD...: runs CMD, its output in the file OUT, and prints "STATUS NS EXITS IO MMIO": how it ended, the nanoseconds it
 * took (under QEMU's -icount shift=0 one of them is one instruction of the whole host), and how often KVM left the guest, from
 * debugfs. These counters die with the VM, so they are read again and again meanwhile: the last SAMPLE_NS are not in them.
 *
 * A guest that prints a line "COUNT ..." and sleeps for some SAMPLE_NS has it repeated by us with the counters at that time, EXITS IO MMIO, and the
 * nanoseconds in which the host's one CPU was not idle. So has any other program that does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COUNTERS = 3, SAMPLE_NS = 10000000 };

static const char *const counter[COUNTERS] = { "exits", "io_exits", "mmio_exits" };

static unsigned long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (unsigned long long)ts.tv_sec * 1000000000ULL + (unsigned long long)ts.tv_nsec;
}

/* debugfs gives a value once an open: these files cannot seek. */
static void sample(unsigned long long *max)
{
	unsigned long long v;
	char path[64], buf[32];
	ssize_t n;
	int i, fd;

	for (i = 0; i < COUNTERS; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%s", counter[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
		buf[n > 0 ? n : 0] = '\0';
		v = strtoull(buf, NULL, 10);
		if (v > max[i])
			max[i] = v;
	}
}

/* How long each CPU has been idle, to the nanosecond. */
static unsigned long long idle(void)
{
	unsigned long long v, sum = 0;
	char line[256];
	FILE *f = fopen("/proc/timer_list", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " .idle_sleeptime : %llu", &v) == 1 || sscanf(line, " .iowait_sleeptime: %llu", &v) == 1)
			sum += v;
	if (f)
		fclose(f);
	return sum;
}

/* What has come since the last look; a line may be in it only in part. */
static void marks(FILE *log, unsigned long long *max)
{
	static char line[256];
	static size_t len;
	int c;

	clearerr(log);
	while ((c = fgetc(log)) != EOF) {
		if (c != '\n') {
			if (len < sizeof(line) - 1 && c != '\r')
				line[len++] = (char)c;
			continue;
		}
		line[len] = '\0';
		len = 0;
		if (strncmp(line, "COUNT ", 6))
			continue;
		sample(max);
		printf("%s %llu %llu %llu %llu\n", line, max[0], max[1], max[2], now() - idle());
	}
}

int main(int argc, char **argv)
{
	struct timespec step = { .tv_nsec = SAMPLE_NS };
	unsigned long long max[COUNTERS] = { 0 }, t;
	int status = 0, null, out;
	FILE *log;
	pid_t pid;

	if (argc < 3)
		return 2;
	null = open("/dev/null", O_RDONLY);
	out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	log = fopen(argv[1], "r");
	if (!log)
		return 2;
	t = now();
	pid = fork();
	if (!pid) {
		dup2(null, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		sample(max);
		marks(log, max);
		nanosleep(&step, NULL);
	}
	t = now() - t;
	printf("%d %llu %llu %llu %llu\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), t, max[0], max[1], max[2]);
	return 0;
}
