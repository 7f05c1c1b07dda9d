/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints how many cycles of the time stamp counter there are in a millisecond, by the host's clock: a guest on this machine that counts
 * them has a watch no clock device of its VMM has a part in. The median of several, for another program may run between two looks.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLES = 9, SAMPLE_NS = 10000000 };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static double sample(void)
{
	uint64_t from = now_ns(), cycles = __builtin_ia32_rdtsc(), to;

	while ((to = now_ns()) - from < SAMPLE_NS)
		;
	return (double)(__builtin_ia32_rdtsc() - cycles) * 1e6 / (double)(to - from);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	double khz[SAMPLES];
	int i;

	for (i = 0; i < SAMPLES; i++)
		khz[i] = sample();
	qsort(khz, SAMPLES, sizeof(khz[0]), by_value);
	printf("%.0f\n", khz[SAMPLES / 2]);
	return 0;
}
