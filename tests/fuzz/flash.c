/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CFI flash under any sequence of writes, reads, resets and loaded states, beside a model that keeps the array as a list of
 * what each block is allowed to become. What must always hold: the array changes only by a confirmed erase, and a program of an unlocked block,
 * which clears bits; it is the guest's memory if and only if it is what reads give; the status says ready.
 *
 *	op := kind (1 byte) | offset (2 bytes, in words, folded onto few places) | value
 *
 * links: hw/flash.c device.c state.c util/str.c util/error.c util/log.c
 */
#include "tests/hw/flash-fake.h"

#include "tests/fuzz/input.h"
#include "util/log.h"

enum { SIZE = 2 * BLOCK, WORDS = SIZE / 4, STEP_READY = 0, STEP_PROGRAM, STEP_ERASE, STEP_LOCK, STEP_COUNT, STEP_DATA, STEP_CONFIRM };

static u32 model[WORDS];	/* the array */
static struct {
	int step;
	u8 mode;		/* the command that chose what is read */
	u8 status;
	u8 lock[2];
	unsigned int count, got, at;
	u32 data[32];
	bool known;		/* the model still follows: no state of unknown content was loaded */
} m;

static void model_reset(void)
{
	m.step = STEP_READY;
	m.mode = 0xff;
	m.status = 0x80;
	m.lock[0] = m.lock[1] = 0;
	m.known = true;
}

static void model_error(u8 bits)
{
	m.status |= bits;
	m.step = STEP_READY;
}

static void model_command(u8 c)
{
	static const u8 starts[][2] = { { 0x40, STEP_PROGRAM }, { 0x10, STEP_PROGRAM }, { 0x20, STEP_ERASE }, { 0x60, STEP_LOCK }, { 0xe8, STEP_COUNT } };
	unsigned int i;

	if (c == 0xff || c == 0x70 || c == 0x90 || c == 0x98)
		m.mode = c;
	if (c == 0x50)
		m.status = 0x80;
	for (i = 0; i < ARRAY_SIZE(starts); i++) {
		if (c == starts[i][0]) {
			m.step = starts[i][1];
			m.mode = 0x70;
		}
	}
}

static void model_data(unsigned int w, u32 v)
{
	unsigned int i, per_block = BLOCK / 4;

	switch (m.step) {
	case STEP_PROGRAM:
		m.step = STEP_READY;
		if (m.lock[w / per_block] & 1)
			model_error(0x12);
		else
			model[w] &= v;
		break;
	case STEP_ERASE:
		m.step = STEP_READY;
		if ((u8)v != 0xd0)
			model_error(0x30);
		else if (m.lock[w / per_block] & 1)
			model_error(0x22);
		else
			memset(&model[w / per_block * per_block], 0xff, BLOCK);
		break;
	case STEP_LOCK:
		m.step = STEP_READY;
		if ((u8)v == 0x01)
			m.lock[w / per_block] |= 1;
		else if ((u8)v == 0x2f)
			m.lock[w / per_block] = 3;
		else if ((u8)v != 0xd0)
			model_error(0x30);
		else if (m.lock[w / per_block] != 3)
			m.lock[w / per_block] = 0;
		break;
	case STEP_COUNT:
		if ((u16)v > 31) {
			model_error(0x30);
			break;
		}
		m.count = (u16)v + 1U;
		m.got = 0;
		memset(m.data, 0xff, sizeof(m.data));
		m.step = STEP_DATA;
		break;
	case STEP_DATA:
		if (!m.got)
			m.at = w;
		if (w < m.at || w >= m.at + m.count || (m.at + m.count - 1) / per_block != m.at / per_block) {
			model_error(0x30);
			break;
		}
		m.data[w - m.at] = v;
		m.got++;
		m.step = m.got == m.count ? STEP_CONFIRM : STEP_DATA;
		break;
	case STEP_CONFIRM:
		m.step = STEP_READY;
		if ((u8)v != 0xd0)
			model_error(0x30);
		else if (m.lock[m.at / per_block] & 1)
			model_error(0x12);
		else
			for (i = 0; i < m.count; i++)
				model[m.at + i] &= m.data[i];
		break;
	}
}

static void check_read(unsigned int w)
{
	u32 v = get(w * 4ULL), want;

	MUST(slot.there == (m.mode == 0xff));
	if (m.mode == 0xff)
		MUST(v == model[w]);
	if (m.mode == 0x70) {
		want = m.status | (u32)m.status << 16;
		MUST(v == want);
	}
	if (m.mode == 0x90 && w % (BLOCK / 4) == 2)
		MUST((v & 0xffff) == m.lock[w / (BLOCK / 4)]);
}

static void round_trip(void)
{
	struct state_writer w;

	dev_save(&w);
	dev_reset();
	MUST(dev_load(w.buf.s, w.buf.len) == 0);
	state_writer_free(&w);
}

/* A state of anybody's making; then all starts anew, with whatever the array holds. */
static void load_any(struct input *in)
{
	struct state_writer w = { .open = false };
	u8 buf[470];
	unsigned int i;

	take_bytes(in, buf, sizeof(buf));
	dev_save(&w);
	for (i = 30; i < w.buf.len; i++)
		w.buf.s[i] = (char)(w.buf.s[i] ^ (i < sizeof(buf) && (buf[i] & 3) == 3 ? buf[i] >> 2 : 0));
	if (!dev_load(w.buf.s, w.buf.len)) {
		tell(0, 0xd0);
		for (i = 0; i < 34; i++)	/* through whatever was begun */
			tell(i * 4, 0xd0);
	}
	state_writer_free(&w);
	dev_reset();
	model_reset();
	if (pread(flash_fd, model, SIZE, 0) != SIZE)
		abort();
}

static u32 value(struct input *in)
{
	static const u8 cmds[] = { 0x40, 0x20, 0xd0, 0xe8, 0xff, 0x70, 0x50, 0x60, 0x01, 0x2f, 0x90, 0x98, 0x10, 0x02, 0x1f, 0x00 };
	u8 v = (u8)take(in, 1);
	u32 c = cmds[v & 15];

	return v & 0x80 ? (u32)take(in, 4) : c | c << 16;
}

/* Where things end, and a few words in between. */
static unsigned int place(struct input *in)
{
	u16 v = (u16)take(in, 2);

	return (v & 0x8000 ? WORDS - 1 : v & 0x4000 ? BLOCK / 4 : 0) ^ (v & 0x3f);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int w;
	u32 v;

	log_set_level(LOG_ERROR);
	flash_start(SIZE);
	model_reset();
	if (pread(flash_fd, model, SIZE, 0) != SIZE)
		abort();
	while (in.left) {
		switch (take(&in, 1) & 15) {
		default:
			w = place(&in);
			v = value(&in);
			if (m.step == STEP_READY)
				model_command((u8)v);
			else
				model_data(w, v);
			put(w * 4ULL, v);
			check_read(w);
			break;
		case 10:
		case 11:
			check_read(place(&in));
			break;
		case 12:
			get_n(place(&in) * 4ULL + take(&in, 1) % 4, 1);
			break;
		case 13:
			out_n(FLASH_BASE + place(&in) * 4ULL, take(&in, 2), 2);
			break;
		case 14:
			round_trip();
			break;
		case 15:
			if (take(&in, 1) & 1) {
				load_any(&in);
			} else {
				dev_reset();
				model_reset();
			}
			break;
		}
	}
	for (w = 0; w < WORDS; w += w < 64 || w > WORDS - 64 ? 1 : 61) {
		if (m.mode == 0xff)
			check_read(w);
	}
	flash_end();
	return 0;
}
