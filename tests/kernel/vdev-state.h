/* SPDX-License-Identifier: GPL-2.0-only */
/* Two devices of lkvm_vdev, and what of their state a guest sees: what the tests of migration share. One thread. */
#ifndef TESTS_KERNEL_VDEV_STATE_H
#define TESTS_KERNEL_VDEV_STATE_H

#include "vdev-user.h"

/* mig= of the module */
enum { MIG_STOP_COPY = 1, MIG_PRE_COPY = 2, MIG_P2P = 4, MIG_V1 = 8, MIG_LOG = 16 };
enum { FAULT_STREAM = 1, FAULT_SLOW = 2, FAULT_TRANSITION = 4, FAULT_ERROR = 8, FAULT_TRUNCATE = 16 };
enum { ROOM = 1 << 20 };	/* for a stream */

extern struct user source, target;
extern unsigned int offer;	/* both devices' mig= */
extern uint8_t stream[ROOM];
extern size_t stream_len;

/* Opens the two devices that the command line names, from personality "plain"; then comes mig=. */
void pair_start(int argc, char **argv);
void with(const struct user *u);	/* it is `dev` from now on */
void set_faults(unsigned int faults);

/* Gives `dev` a state of which no two @seeds have a byte in common where it can be helped; with COMMAND 7 and a FIFO that is not empty. */
void plain_scramble(unsigned int seed);
/* All that can be read without changing it. */
struct plain_state {
	uint8_t config[4096], regs[0x100], bar2[65536], bar4[0x4000];
	uint32_t io;
};
void plain_look(struct plain_state *ret);
/* What differs, for a message; NULL: nothing */
const char *plain_differ(const struct plain_state *a, const struct plain_state *b);
/* Takes it out; words */
unsigned int plain_fifo(uint32_t *ret_words);

/*
 * What kernel/vdev/state.c makes of a device that was not in PRE_COPY: one frame, of a header with these fields, config space, and registers in
 * two parts, each behind its length: the interrupts' and the personality's; then pages, each behind BAR and offset.
 */
enum { FRAME_FLAGS = 16, FRAME_LEN = 20, FRAME_CONFIG = 28, FRAME_REGS = 32, FRAME_PAGES = 36, FRAME_RESERVED = 40, FRAME_CRC = 44, FRAME_HEADER = 48,
       FRAME_PAGE = 8 + 4096 };
uint32_t field(unsigned int off);
void set_field(unsigned int off, uint32_t val);
unsigned int frame_part(unsigned int n);	/* where its length is; 2: where pages begin */
void sign(void);				/* what is in `stream` has the right checksum again */

/* VFIO_DEVICE_FEATURE with @size bytes of data: 0 or -errno */
int feature(uint32_t flags, void *data, size_t size);

/* Version 2's states, which `dev` is to go to: the file that comes with one, -1 for none, or -errno - 1000 */
enum { STATE_STOP = 1, STATE_RUNNING, STATE_STOP_COPY, STATE_RESUMING };
int set_state(uint32_t state);
/* `dev` goes to STOP_COPY; `stream` is what it says there, read in pieces of @piece */
void stream_save(size_t piece);
/* 0 or -errno: `dev` takes it, and runs. If not, it takes a reset to go on. */
int stream_load(void);

#endif
