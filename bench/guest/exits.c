/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exits of each kind, WARM_UP of them, then N of one: KIND 0 writes the serial port's scratch register, 1 reads the disk's status register, 2 kicks the
 * disk with a request that needs no I/O and waits for its end.
 */
#include "bench.h"

enum { GET_ID = 8, WARM_UP = 50 };

static struct disk disk;

static void leave(unsigned int kind, unsigned int times)
{
	unsigned int i;

	for (i = 0; i < times; i++) {
		if (kind == 0)
			outb(0x3ff, (u8)i);
		if (kind == 1)
			vdev_status(&disk.dev);
		if (kind == 2) {
			disk_offer(&disk, 0, GET_ID, 0, BUFFERS, 20);
			disk_kick(&disk);
			disk_wait(&disk);
		}
	}
}

int guest_main(void)
{
	unsigned int kind;

	if (!disk_start(&disk))
		return 1;
	for (kind = 0; kind < 3; kind++)
		leave(kind, WARM_UP);
	leave(KIND, N);
	say("done", KIND, N);
	return 0;
}
