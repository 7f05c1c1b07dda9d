/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk of SECTORS sectors by polling: random 4 KiB and sequential 1 MiB, reads and writes, one request in flight and 32. Prints
 * for each "NAME-DEPTH REQUESTS CYCLES".
 */
#include "bench.h"

static struct disk disk;
static u64 seed = 88172645463325252ULL;

/* Marsaglia's xorshift: the same places on each VMM. */
static u64 next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void one_more(unsigned int slot, u32 type, u32 len, u64 n)
{
	u64 places = SECTORS * 512ULL / len, place = len == 4096 ? next_random() % places : n % places;

	disk_offer(&disk, slot, type, place * (len / 512), BUFFERS + ((u64)slot << 20), len);
}

static void phase(const char *name, u32 type, u32 len, unsigned int depth, u64 requests)
{
	u64 begin = cycles(), offered, done = 0;

	for (offered = 0; offered < depth; offered++)
		one_more((unsigned int)offered, type, len, offered);
	disk_kick(&disk);
	while (done < requests) {
		bool more = false;

		do {	/* all that are done at once get one kick */
			unsigned int slot = disk_wait(&disk);

			done++;
			if (offered < requests) {
				one_more(slot, type, len, offered++);
				more = true;
			}
		} while (done < requests && disk.used[1] != disk.seen);
		if (more)
			disk_kick(&disk);
	}
	say(name, requests, cycles() - begin);
}

int guest_main(void)
{
	if (!disk_start(&disk)) {
		say("no-disk", 0, 0);
		return 1;
	}
	phase("warm-up", 0, 1 << 20, 1, SECTORS / 2048);
	phase("read-4k-1", 0, 4096, 1, 4000);
	phase("write-4k-1", 1, 4096, 1, 4000);
	phase("read-4k-32", 0, 4096, 32, 20000);
	phase("write-4k-32", 1, 4096, 32, 20000);
	phase("read-1M-1", 0, 1 << 20, 1, 200);
	phase("write-1M-1", 1, 1 << 20, 1, 200);
	phase("read-1M-32", 0, 1 << 20, 32, 400);
	phase("write-1M-32", 1, 1 << 20, 32, 400);
	return 0;
}
