/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists of CPUs. Any thread.
 */
#include "util/cpulist.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CPU_LIST_TEXT = 4096 };

/* Digits at *@s, which moves behind them. */
static int number(const char **s, unsigned int *ret)
{
	unsigned int n = 0;

	if (**s < '0' || **s > '9')
		return -EINVAL;
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		n = n * 10 + (unsigned int)(**s - '0');
		if (n >= CPU_LIST_MAX)
			return -ERANGE;
	}
	*ret = n;
	return 0;
}

int cpu_list_parse(const char *s, struct cpu_list *ret)
{
	struct cpu_list l = { { 0 } };
	unsigned int first, last, i;
	int r;

	for (;; s++) {
		r = number(&s, &first);
		if (r < 0)
			return r;
		last = first;
		if (*s == '-') {
			s++;
			r = number(&s, &last);
			if (r < 0)
				return r;
		}
		if (last < first)
			return -EINVAL;
		for (i = first; i <= last; i++)
			l.bits[i / 64] |= 1ULL << i % 64;
		if (!*s)
			break;
		if (*s != ',')
			return -EINVAL;
	}
	*ret = l;
	return 0;
}

int cpu_list_outside(const struct cpu_list *a, const struct cpu_list *b)
{
	unsigned int i;
	u64 left;

	for (i = 0; i < ARRAY_SIZE(a->bits); i++) {
		left = a->bits[i] & ~b->bits[i];
		if (left)
			return (int)(i * 64) + __builtin_ctzll(left);
	}
	return -1;
}

int cpu_list_read(const char *path, struct cpu_list *ret)
{
	char text[CPU_LIST_TEXT];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	r = n < 0 ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return cpu_list_parse(text, ret);
}
