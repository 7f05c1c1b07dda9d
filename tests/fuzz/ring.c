/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device's side of a virtqueue over memory that a fuzzer fills and goes on changing. [virtio-1.2 2.7, 2.8]
 * Input: a byte of features, a byte of size, operations; what is left at the start of each is guest memory.
 *
 * Holds at all times: pieces lie in guest RAM and add up; a broken ring stays silent; nothing is written but what the
 * device may write; no more is popped and not pushed than the ring has entries; state goes round.
 * links: virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c util/str.c
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/ring.h"
#include "vmm/state.h"

enum {
	GPA = 0x1000, RAM = 0x1000, HIGH_GPA = 0x2000, HIGH = 0x400,	/* two ranges, side by side */
	DESC = GPA, DRIVER = GPA + 0x400, DEVICE = GPA + 0x600,
	ROOM = 24, INFLIGHT = 64, MAX_SIZE = 32,
};

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			abort();                                                                                       \
	} while (0)

struct world {
	struct guest_mem gm;
	_Alignas(4096) u8 ram[RAM];
	u8 high[HIGH];
	u8 before[RAM], before_high[HIGH];
	struct virtq q;
	struct virtq_config cfg;
	struct virtq_chain inflight[INFLIGHT];
	unsigned int n;
	unsigned int breaks;
};

static struct world w;	/* one at a time; reset at each input */

static void on_break(struct virtq *q, const char *why)
{
	MUST(*why && q->broken);
	w.breaks++;
}

static bool in_ram(const struct iovec *v)
{
	const u8 *p = v->iov_base;

	return v->iov_len && ((p >= w.ram && p + v->iov_len <= w.ram + RAM) || (p >= w.high && p + v->iov_len <= w.high + HIGH));
}

static void check_chain(const struct virtq_chain *c)
{
	u64 out = 0, in = 0;
	unsigned int i;

	MUST(c->out_cnt + c->in_cnt <= c->room);
	for (i = 0; i < c->out_cnt + c->in_cnt; i++) {
		MUST(in_ram(&c->iov[i]));
		*(i < c->out_cnt ? &out : &in) += c->iov[i].iov_len;
	}
	MUST(out == c->out_len && in == c->in_len);
	MUST(c->ndesc >= 1 && c->ndesc <= w.cfg.size);
}

/* The ring writes the device area, and descriptors of a packed ring. */
static void check_writes(void)
{
	u64 device_len = w.cfg.packed ? 4 : 6 + 8 * w.cfg.size, desc_len = w.cfg.packed ? 16 * w.cfg.size : 0;
	size_t at = DEVICE - GPA;

	MUST(!memcmp(w.ram + desc_len, w.before + desc_len, at - desc_len));
	MUST(!memcmp(w.ram + at + device_len, w.before + at + device_len, RAM - at - device_len));
	MUST(!memcmp(w.high, w.before_high, HIGH));
}

static void save_and_load(void)
{
	struct state_writer out = { .open = false };
	struct state_reader in;
	struct virtq before;
	const char *why;
	u32 version;

	state_begin(&out, "q", 1);
	virtq_save(&w.q, &out);
	state_end(&out);
	before = w.q;
	virtq_disable(&w.q);
	MUST(!virtq_enable(&w.q, &w.gm, &w.cfg, &why));
	state_reader_init(&in, out.buf.s, out.buf.len);
	MUST(!state_open(&in, "q", 1, &version));
	MUST(!virtq_load(&w.q, &in) && !state_close(&in));
	MUST(w.q.broken == before.broken && w.q.last_avail == before.last_avail && w.q.notify_off == before.notify_off);
	MUST(before.broken || (w.q.used_idx == before.used_idx && w.q.used_wrap == before.used_wrap));
	state_writer_free(&out);
}

static void load_nonsense(const u8 *p, size_t len)
{
	struct state_writer out = { .open = false };
	struct state_reader in;
	u8 raw[11] = { 0 };
	u32 version;

	memcpy(raw, p, len < sizeof(raw) ? len : sizeof(raw));
	state_begin(&out, "q", 1);
	state_put_u8(&out, raw[0]);
	state_put_u8(&out, raw[1]);
	state_put_u16(&out, get_le16(raw + 2));
	state_put_u8(&out, raw[4]);
	state_put_u16(&out, get_le16(raw + 5));
	state_put_u32(&out, get_le32(raw + 7));
	state_end(&out);
	state_reader_init(&in, out.buf.s, out.buf.len);
	MUST(!state_open(&in, "q", 1, &version));
	if (virtq_load(&w.q, &in))
		return state_writer_free(&out);
	w.breaks = 0;
	MUST(!w.cfg.packed || w.q.last_avail < w.cfg.size);
	state_writer_free(&out);
}

static void pop(void)
{
	static struct iovec iov[ROOM];
	struct virtq_chain c = { .iov = iov, .room = ROOM };
	bool broken = w.q.broken;
	int r;

	if (w.n == INFLIGHT)
		return;
	r = virtq_pop(&w.q, &c);
	MUST(r == 1 || r == 0 || r == -EIO);
	MUST((r == -EIO) == w.q.broken && (!broken || r == -EIO));
	if (r != 1)
		return;
	check_chain(&c);
	w.inflight[w.n++] = c;
	MUST(w.n <= w.cfg.size);
	MUST(w.q.inflight_cnt == w.n);
}

static void push(u8 which, u32 written)
{
	if (!w.n)
		return;
	which %= w.n;
	virtq_push(&w.q, &w.inflight[which], written);
	w.n--;
	memmove(&w.inflight[which], &w.inflight[which + 1], (w.n - which) * sizeof(w.inflight[0]));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	bool just_popped = false;
	const char *why;
	size_t at, n, used;
	u8 op;

	if (len < 4)
		return 0;
	memset(&w, 0, sizeof(w));
	MUST(!guest_mem_add(&w.gm, GPA, RAM, w.ram) && !guest_mem_add(&w.gm, HIGH_GPA, HIGH, w.high));
	w.cfg = (struct virtq_config){
		.size = 1 + data[1] % MAX_SIZE, .desc = DESC, .driver = DRIVER, .device = DEVICE,
		.packed = data[0] & 1, .indirect = data[0] & 2, .event_idx = data[0] & 4, .in_order = data[0] & 8,
	};
	if (!w.cfg.packed)
		w.cfg.size = (u16)(1 << data[1] % 6);
	w.q.on_break = on_break;
	/* Half of what is left fills memory, from the descriptors on. */
	n = (len - 2) / 2;
	memcpy(w.ram, data + 2, n < RAM ? n : RAM);
	MUST(!virtq_enable(&w.q, &w.gm, &w.cfg, &why));
	for (at = 2 + n; at < len; at += used) {
		op = data[at];
		used = 1;
		memcpy(w.before, w.ram, RAM);
		memcpy(w.before_high, w.high, HIGH);
		switch (op & 15) {
		case 0 ... 3:
			n = w.n;
			pop();
			just_popped = w.n > n;
			break;
		case 4 ... 5:
			push(op >> 4, at + 1 < len ? data[at + 1] * 0x01010101U : 0);
			just_popped = false;
			break;
		case 6:
			if (just_popped)
				virtq_unpop(&w.q, &w.inflight[--w.n]);
			just_popped = false;
			break;
		case 7:
			virtq_should_interrupt(&w.q);
			break;
		case 8:
			if (virtq_enable_notify(&w.q))
				MUST(!w.q.broken);
			break;
		case 9:
			virtq_disable_notify(&w.q);
			break;
		case 10:
			MUST(!w.q.broken || virtq_empty(&w.q));
			break;
		case 11:
			while (w.n)
				push(0, op >> 4);
			save_and_load();
			just_popped = false;
			break;
		case 12:
			while (w.n)
				push(0, op >> 4);
			load_nonsense(data + at + 1, len - at - 1);
			just_popped = false;
			break;
		case 13:	/* the driver makes one more available, if that was the ring's state */
			if (!w.cfg.packed)
				put_le16(w.ram + (DRIVER - GPA) + 2, (u16)(get_le16(w.ram + (DRIVER - GPA) + 2) + 1 + (op >> 6)));
			else
				put_le16(w.ram + 16 * w.q.last_avail + 14,
					 (u16)((get_le16(w.ram + 16 * w.q.last_avail + 14) & 0x7f7f) |
					       (w.q.avail_wrap ? 0x80 : 0x8000)));
			continue;
		default:	/* the driver writes anywhere: two bytes of address, two of value */
			if (len - at < 5)
				return virtq_disable(&w.q), 0;
			used = 5;
			n = get_le16(data + at + 1) % (RAM + HIGH - 1);
			if (n < RAM - 1)
				memcpy(w.ram + n, data + at + 3, 2);
			else if (n >= RAM)
				memcpy(w.high + (n - RAM), data + at + 3, 2);
			continue;
		}
		check_writes();
		MUST(w.breaks <= 1);
	}
	virtq_disable(&w.q);
	return 0;
}
