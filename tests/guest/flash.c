/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CFI flash as a driver uses it: query, status, program, erase, buffered program, locks. [JESD68.01], [Intel P30] Wants 1 MiB of it that begins with "lkvm"
 * and is erased otherwise, and leaves a buffer of numbers in block 1. x86 has none.
 */
#include "guest.h"

#define BOTH(v) ((u32)(v) | (u32)(v) << 16)	/* the two chips are told the same */

enum { BLOCK = 0x10000, SIZE = 0x100000, WORDS = 16, HEAD = 0x6d766b6c, DONE = 0x80, ERASE_FAILED = 0x20, PROGRAM_FAILED = 0x10, LOCKED = 2 };

static u32 rd(u32 off) { return read32(FLASH + off); }
static void wr(u32 off, u32 v) { write32(FLASH + off, v); }

static u32 status(void)
{
	unsigned int n;

	wr(0, BOTH(0x70));
	for (n = 0; n < 100000 && (rd(0) & BOTH(DONE)) != BOTH(DONE); n++)
		cpu_pause();
	return rd(0);
}

/* Status after a command, cleared; then the array again. */
static u32 settle(void)
{
	u32 s = status();

	wr(0, BOTH(0x50));
	wr(0, BOTH(0xff));
	return s;
}

static u32 program(u32 off, u32 v)
{
	wr(off, BOTH(0x40));
	wr(off, v);
	return settle();
}

static u32 erase(u32 off)
{
	wr(off, BOTH(0x20));
	wr(off, BOTH(0xd0));
	return settle();
}

static void lock(u32 off, u8 how)
{
	wr(off, BOTH(0x60));
	wr(off, BOTH(how));
	wr(0, BOTH(0xff));
}

static void query(void)
{
	check(rd(0) == HEAD && rd(BLOCK) == 0xffffffff && rd(SIZE - 4) == 0xffffffff, "the file is what is read");
	wr(0x55 * 4, BOTH(0x98));
	check(rd(0x10 * 4) == BOTH('Q') && rd(0x11 * 4) == BOTH('R') && rd(0x12 * 4) == BOTH('Y'), "the query table is found");
	check(rd(0x27 * 4) == BOTH(19), "of chips of half a MiB");
	wr(0, BOTH(0x90));
	check(rd(0) == BOTH(0x89), "the maker's code");
	wr(0, BOTH(0xff));
	check(rd(0) == HEAD, "and the array again");
}

static void words(void)
{
	u32 i, wrong = 0;

	check(program(BLOCK, 0x12345678) == BOTH(DONE) && rd(BLOCK) == 0x12345678, "a word is programmed");
	check(program(BLOCK, 0xffff0000) == BOTH(DONE) && rd(BLOCK) == 0x12340000, "which clears bits only");
	check(erase(BLOCK + 0x100) == BOTH(DONE) && rd(BLOCK) == 0xffffffff && rd(2 * BLOCK - 4) == 0xffffffff, "its block is erased");
	wr(BLOCK, BOTH(0xe8));
	check((rd(BLOCK) & BOTH(DONE)) == BOTH(DONE), "a buffer is there");
	wr(BLOCK, BOTH(WORDS - 1));
	for (i = 0; i < WORDS; i++)
		wr(BLOCK + i * 4, 0xc0de0000 + i);
	wr(BLOCK, BOTH(0xd0));
	check(settle() == BOTH(DONE), "it is programmed");
	for (i = 0; i < WORDS; i++)
		wrong += rd(BLOCK + i * 4) != 0xc0de0000 + i;
	check(!wrong && rd(BLOCK + WORDS * 4) == 0xffffffff, "with all its words, and no more");
}

static void refusals(void)
{
	u32 i;

	lock(2 * BLOCK, 0x01);
	check((program(2 * BLOCK, 0) & 0xff) == (DONE | PROGRAM_FAILED | LOCKED) && rd(2 * BLOCK) == 0xffffffff, "a locked block is not programmed");
	check((erase(2 * BLOCK) & 0xff) == (DONE | ERASE_FAILED | LOCKED), "nor erased");
	lock(2 * BLOCK, 0xd0);
	check(program(2 * BLOCK, 0x5a5a5a5a) == BOTH(DONE) && rd(2 * BLOCK) == 0x5a5a5a5a && erase(2 * BLOCK) == BOTH(DONE), "unlocked it is");
	wr(BLOCK, BOTH(0x20));
	wr(BLOCK, BOTH(0x20));
	check((settle() & 0xff) == (DONE | ERASE_FAILED | PROGRAM_FAILED) && rd(BLOCK) == 0xc0de0000, "an erase that is not confirmed does nothing");
	wr(BLOCK, BOTH(0xe8));
	wr(BLOCK, BOTH(0x7fff));
	wr(BLOCK, BOTH(0xd0));
	settle();
	check(rd(0) == HEAD && rd(BLOCK) == 0xc0de0000, "a buffer longer than there is does nothing");
	for (i = 0; i < 2000; i++)	/* numbers without meaning, none of which programs, erases or locks */
		wr((i * 2654435761U) % SIZE & ~3U, BOTH(i % 3 ? 0x70 + i % 8 : 0x90));
	wr(0, BOTH(0x50));
	wr(0, BOTH(0xff));
	check(rd(0) == HEAD && rd(BLOCK) == 0xc0de0000 && rd(SIZE - 4) == 0xffffffff, "after a storm of commands it holds what it held");
	check(rd(SIZE) == 0xffffffff, "behind its end there is nothing");
}

int guest_main(void)
{
	map_gib(FLASH & ~0x3fffffffULL);
	query();
	words();
	refusals();
	return checks_done();
}
