/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Times whole commands in turn, A B C A B C ..., from exec to exit, and prints each one's median beside the first one's. In turn, because
 * the speed of a shared machine drifts; medians, because single runs are noise.
 *
 *	compare -n RUNS NAME [VAR=VALUE...] command args... -- NAME command args... [-- ...]
 *
 * A command's output is thrown away, but the first @ on its standard output is timed: what the guest's first deed is, when that is to write one. A status other than the first run's of that command is an error: a run that failed has no time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_COMMANDS = 8, MAX_RUNS = 1000, MAX_ENV = 512 };

struct sample {
	double wall_us, mark_us, cpu_us, faults;	/* mark_us 0: no mark came */
	long rss_kib;
};

static double us_of(struct timeval tv)
{
	return (double)tv.tv_sec * 1e6 + (double)tv.tv_usec;
}

/* Words with a = before the command are its environment, on top of ours. */
static char **command_of(char **word, char **env)
{
	int n;

	for (n = 0; environ[n] && n < MAX_ENV / 2; n++)
		env[n] = environ[n];
	while (*word && strchr(*word, '=') && n < MAX_ENV - 1)
		env[n++] = *word++;
	env[n] = NULL;
	return word;
}

static double us_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) * 1e6 + (double)(to->tv_nsec - from->tv_nsec) / 1e3;
}

/* Reads to the end. */
static double time_mark(int fd, const struct timespec *from)
{
	struct timespec now;
	double mark = 0;
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0 && !mark && memchr(buf, '@', (size_t)n)) {
			clock_gettime(CLOCK_MONOTONIC, &now);
			mark = us_between(from, &now);
		}
	}
	return mark;
}

static int run_once(char **word, struct sample *s)
{
	char *env[MAX_ENV], **argv = command_of(word, env);
	struct timespec from, to;
	struct rusage ru;
	int status, null, out[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &from);
	pid = vfork();
	if (!pid) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(out[1], 1);
		dup2(null, 2);
		execvpe(argv[0], argv, env);
		_exit(127);
	}
	close(out[1]);
	s->mark_us = pid > 0 ? time_mark(out[0], &from) : 0;
	close(out[0]);
	if (pid < 0 || wait4(pid, &status, 0, &ru) < 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &to);
	s->wall_us = us_between(&from, &to);
	s->cpu_us = us_of(ru.ru_utime) + us_of(ru.ru_stime);
	s->faults = (double)(ru.ru_minflt + ru.ru_majflt);
	s->rss_kib = ru.ru_maxrss;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct sample *s, int n, size_t off)
{
	double v[MAX_RUNS];
	int i;

	for (i = 0; i < n; i++)
		memcpy(&v[i], (const char *)&s[i] + off, sizeof(v[i]));
	qsort(v, (size_t)n, sizeof(v[0]), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

int main(int argc, char **argv)
{
	static struct sample sample[MAX_COMMANDS][MAX_RUNS];
	char *name[MAX_COMMANDS], **cmd[MAX_COMMANDS];
	int status[MAX_COMMANDS], nr = 0, runs, i, k;

	if (argc < 5 || strcmp(argv[1], "-n")) {
		fprintf(stderr, "usage: compare -n RUNS NAME COMMAND... [-- NAME COMMAND...]\n");
		return 2;
	}
	runs = atoi(argv[2]);
	if (runs < 1 || runs > MAX_RUNS)
		return 2;
	for (i = 3; i < argc && nr < MAX_COMMANDS; i++) {
		name[nr] = argv[i++];
		cmd[nr++] = &argv[i];
		while (i < argc && strcmp(argv[i], "--"))
			i++;
		argv[i] = NULL;
	}
	for (k = 0; k < nr; k++) {	/* warm-up, and the status to expect */
		status[k] = run_once(cmd[k], &sample[k][0]);
		if (status[k] < 0 || status[k] == 127) {
			fprintf(stderr, "compare: cannot run %s\n", cmd[k][0]);
			return 2;
		}
	}
	for (i = 0; i < runs; i++) {
		for (k = 0; k < nr; k++) {
			int r = run_once(cmd[k], &sample[k][i]);

			if (r != status[k]) {
				fprintf(stderr, "compare: %s: status %d, then %d\n", name[k], status[k], r);
				return 1;
			}
		}
	}
	printf("%-16s %6s %12s %8s %12s %12s %12s %12s\n", "", "status", "wall ms", "ratio", "first @ ms", "cpu ms", "page faults", "peak RSS KiB");
	for (k = 0; k < nr; k++) {
		double wall = median(sample[k], runs, offsetof(struct sample, wall_us));
		double first = median(sample[0], runs, offsetof(struct sample, wall_us));
		long rss = 0;

		for (i = 0; i < runs; i++)
			rss = sample[k][i].rss_kib > rss ? sample[k][i].rss_kib : rss;
		printf("%-16s %6d %12.3f %8.3f %12.3f %12.3f %12.0f %12ld\n", name[k], status[k], wall / 1e3, wall / first,
		       median(sample[k], runs, offsetof(struct sample, mark_us)) / 1e3,
		       median(sample[k], runs, offsetof(struct sample, cpu_us)) / 1e3,
		       median(sample[k], runs, offsetof(struct sample, faults)), rss);
	}
	return 0;
}
