// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's state as a stream of frames (migration.h), made and taken. What a frame says is
 * checked before anything of it is used, and the device changes only when the whole stream was
 * there: frames are collected, and the last one's contents are the parts' own to check.
 *
 * Left out: eventfds. They are the user's own, who sets them up again.
 *
 * A stream belongs to one reader or writer, who has a lock around it. The device's lock is taken in
 * here.
 */
#include <linux/bitmap.h>
#include <linux/crc32.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "migration.h"

enum { FRAME_MAGIC = 0x5356444c, FRAME_VERSION = 1, FRAME_LAST = 1 };

struct frame {
	__le32 magic, version;
	char personality[8];
	__le32 flags, len;		/* len: of the frame, this header included */
	__le32 shape;			/* of a device that can take it: vdev_shape() */
	__le32 config, regs, pages;	/* what follows: bytes, bytes, struct frame_pages */
	__le32 reserved, crc;		/* of the frame with 0 here */
};

struct frame_page {
	__le32 bar, off;
	u8 data[VDEV_PAGE];
} __packed;	/* it may begin anywhere */

struct frame_part {
	__le32 len;
	u8 data[];
} __packed;

static size_t mem_size(struct vdev *v)
{
	size_t size = 0;

	for (int i = 0; i < VDEV_BARS; i++)
		size += v->bar[i].mem ? v->bar[i].mem_size : 0;
	return size;
}

/* The nth page of the BARs' memory, NULL after the last. */
static u8 *bar_page(struct vdev *v, size_t n, u32 *ret_bar, u32 *ret_off)
{
	size_t off = n * VDEV_PAGE;

	for (int i = 0; i < VDEV_BARS; i++) {
		if (!v->bar[i].mem)
			continue;
		if (off < v->bar[i].mem_size) {
			*ret_bar = i;
			*ret_off = off;
			return v->bar[i].mem + off;
		}
		off -= v->bar[i].mem_size;
	}
	return NULL;
}

/* And back: which one is it? -1: none. */
static ssize_t bar_page_index(struct vdev *v, u32 bar, u32 off)
{
	size_t n = off / VDEV_PAGE;

	if (bar >= VDEV_BARS || !v->bar[bar].mem || off >= v->bar[bar].mem_size || off % VDEV_PAGE)
		return -1;
	for (u32 i = 0; i < bar; i++)
		n += v->bar[i].mem ? v->bar[i].mem_size / VDEV_PAGE : 0;
	return n;
}

/*
 * Devices that differ in BARs or in what of config space can be written do not understand each
 * other.
 */
static u32 vdev_shape(struct vdev *v)
{
	u32 crc = crc32_le(~0, v->wmask, sizeof(v->wmask));

	for (int i = 0; i < VDEV_BARS; i++) {
		const struct vdev_bar *bar = &v->bar[i];
		__le64 shape[] = { cpu_to_le64(bar->size), cpu_to_le64(bar->mem_off), cpu_to_le64(bar->mem_size) };

		crc = crc32_le(crc, (u8 *)shape, sizeof(shape));
	}
	return crc;
}

static u32 frame_crc(const struct frame *f, size_t len)
{
	struct frame h = *f;

	h.crc = 0;
	return crc32_le(crc32_le(~0, (u8 *)&h, sizeof(h)), (const u8 *)(f + 1), len - sizeof(h));
}

/* --- made --- */

void vdev_out_init(struct vdev_out *o)
{
	memset(o, 0, sizeof(*o));
}

void vdev_out_free(struct vdev_out *o)
{
	kvfree(o->buf);
	kvfree(o->sent);
	vdev_out_init(o);
}

/* Room for @extra bytes at the end. */
static int out_room(struct vdev_out *o, size_t extra)
{
	size_t left = o->len - o->pos;
	void *buf;

	if (o->room - o->len >= extra)
		return 0;
	buf = kvmalloc(left + extra, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	if (left)
		memcpy(buf, o->buf + o->pos, left);
	kvfree(o->buf);
	o->buf = buf;
	o->pos = 0;
	o->len = left;
	o->room = left + extra;
	return 0;
}

/* A frame's header goes to @f, whose contents are there already. */
static void out_frame(struct vdev *v, struct vdev_out *o, struct frame *f, u32 flags, size_t regs, u32 pages)
{
	size_t config = flags & FRAME_LAST ? sizeof(v->config) : 0;
	size_t len = sizeof(*f) + config + regs + pages * sizeof(struct frame_page);

	memset(f, 0, sizeof(*f));
	f->magic = cpu_to_le32(FRAME_MAGIC);
	f->version = cpu_to_le32(FRAME_VERSION);
	strscpy(f->personality, v->p->name, sizeof(f->personality));
	f->flags = cpu_to_le32(flags);
	f->len = cpu_to_le32(len);
	f->shape = cpu_to_le32(vdev_shape(v));
	f->config = cpu_to_le32(config);
	f->regs = cpu_to_le32(regs);
	f->pages = cpu_to_le32(pages);
	f->crc = cpu_to_le32(frame_crc(f, len));
	o->len += len;
}

static int out_sent(struct vdev *v, struct vdev_out *o)
{
	if (!o->sent && mem_size(v)) {
		o->sent = kvzalloc(mem_size(v), GFP_KERNEL_ACCOUNT);
		if (!o->sent)
			return -ENOMEM;
	}
	return 0;
}

/*
 * The page is copied first: user space may write it at any time, and what is sent and what counts
 * as sent must be the same.
 */
static bool out_page(struct vdev_out *o, size_t n, const u8 *mem, u32 bar, u32 off, bool always, struct frame_page *p)
{
	u8 *sent = o->sent + n * VDEV_PAGE;

	if (!always && !memcmp(sent, mem, VDEV_PAGE))
		return false;
	memcpy(sent, mem, VDEV_PAGE);
	p->bar = cpu_to_le32(bar);
	p->off = cpu_to_le32(off);
	memcpy(p->data, sent, VDEV_PAGE);
	return true;
}

ssize_t vdev_out_pages(struct vdev *v, struct vdev_out *o)
{
	bool first = !o->sent;
	size_t before = vdev_out_left(o);
	u32 bar, off;
	u8 *mem;
	int r = out_sent(v, o);

	for (size_t n = 0; !r && (mem = bar_page(v, n, &bar, &off)); n++) {
		struct frame *f;

		r = out_room(o, sizeof(*f) + sizeof(struct frame_page));
		if (r)
			break;
		f = (struct frame *)(o->buf + o->len);
		if (out_page(o, n, mem, bar, off, first, (struct frame_page *)(f + 1)))
			out_frame(v, o, f, 0, 0, 1);
	}
	if (r && first) {	/* not all of them count as sent */
		kvfree(o->sent);
		o->sent = NULL;
	}
	if (first)
		o->initial = vdev_out_left(o);
	return r ? r : vdev_out_left(o) - before;
}

/* Registers: the interrupts' and the personality's, each after its length. */
static ssize_t out_regs(struct vdev *v, u8 *buf, size_t room)
{
	ssize_t (*const part[])(struct vdev *v, void *buf, size_t room) = { vdev_irq_save, v->p->save };
	size_t len = 0;

	for (int i = 0; i < ARRAY_SIZE(part); i++) {
		struct frame_part *p = (struct frame_part *)(buf + len);
		ssize_t r = part[i](v, p->data, room - len - sizeof(*p));

		if (r < 0)
			return r;
		p->len = cpu_to_le32(r);
		len += sizeof(*p) + r;
	}
	return len;
}

int vdev_out_last(struct vdev *v, struct vdev_out *o)
{
	size_t memory = mem_size(v) / VDEV_PAGE * sizeof(struct frame_page);
	bool first = !o->sent;
	struct frame_page *p;
	struct frame *f;
	u32 bar, off, pages = 0;
	ssize_t regs;
	u8 *mem;
	int r = out_sent(v, o);

	if (!r)
		r = out_room(o, VDEV_STATE_MAX);
	if (r)
		return r;
	mutex_lock(&v->lock);
	f = (struct frame *)(o->buf + o->len);
	memcpy(f + 1, v->config, sizeof(v->config));
	mem = (u8 *)(f + 1) + sizeof(v->config);
	regs = out_regs(v, mem, VDEV_STATE_MAX - sizeof(*f) - sizeof(v->config) - memory);
	if (regs >= 0) {
		p = (struct frame_page *)(mem + regs);
		for (size_t n = 0; (mem = bar_page(v, n, &bar, &off)); n++)
			pages += out_page(o, n, mem, bar, off, first, p + pages);
		out_frame(v, o, f, FRAME_LAST, regs, pages);
	}
	mutex_unlock(&v->lock);
	if (regs < 0)
		return regs;
	if (READ_ONCE(vdev_faults) & VDEV_FAULT_STREAM)
		o->buf[o->len - 1] ^= 0x10;
	if (READ_ONCE(vdev_faults) & VDEV_FAULT_TRUNCATE)
		o->len -= 100;
	return 0;
}

size_t vdev_out_left(const struct vdev_out *o)
{
	return o->len - o->pos;
}

u64 vdev_out_dirty(struct vdev *v, const struct vdev_out *o)
{
	u32 bar, off;
	u64 size = 0;
	u8 *mem;

	for (size_t n = 0; (mem = bar_page(v, n, &bar, &off)); n++)
		if (!o->sent || memcmp(o->sent + n * VDEV_PAGE, mem, VDEV_PAGE))
			size += sizeof(struct frame) + sizeof(struct frame_page);
	return size;
}

const void *vdev_out_next(const struct vdev_out *o)
{
	return o->buf + o->pos;
}

void vdev_out_took(struct vdev_out *o, size_t len)
{
	o->pos += len;
	o->initial -= min(o->initial, len);
}

size_t vdev_stream_max(struct vdev *v)
{
	return sizeof(struct frame) + VDEV_CONFIG_SIZE + mem_size(v) / VDEV_PAGE * sizeof(struct frame_page) + VDEV_PAGE;
}

/* --- taken --- */

void vdev_in_init(struct vdev_in *in)
{
	memset(in, 0, sizeof(*in));
}

void vdev_in_free(struct vdev_in *in)
{
	kvfree(in->buf);
	kvfree(in->mem);
	bitmap_free(in->seen);
	vdev_in_init(in);
}

static int in_start(struct vdev *v, struct vdev_in *in)
{
	size_t size = mem_size(v);

	if (in->buf)
		return 0;
	in->buf = kvmalloc(VDEV_STATE_MAX, GFP_KERNEL_ACCOUNT);
	in->mem = kvzalloc(size ?: 1, GFP_KERNEL_ACCOUNT);
	in->seen = bitmap_zalloc(size / VDEV_PAGE ?: 1, GFP_KERNEL_ACCOUNT);
	if (in->buf && in->mem && in->seen)
		return 0;
	vdev_in_free(in);
	return -ENOMEM;
}

static bool header_ok(struct vdev *v, const struct frame *f)
{
	u32 flags = le32_to_cpu(f->flags), config = le32_to_cpu(f->config);
	bool last = flags & FRAME_LAST;
	u64 len = sizeof(*f) + (u64)config + le32_to_cpu(f->regs) + (u64)le32_to_cpu(f->pages) * sizeof(struct frame_page);

	if (le32_to_cpu(f->magic) != FRAME_MAGIC || le32_to_cpu(f->version) != FRAME_VERSION)
		return false;
	if (strncmp(f->personality, v->p->name, sizeof(f->personality)) || le32_to_cpu(f->shape) != vdev_shape(v))
		return false;
	if (flags & ~FRAME_LAST || f->reserved)
		return false;
	if (last ? config != sizeof(v->config) : config || f->regs || !f->pages)
		return false;
	return len == le32_to_cpu(f->len) && len <= VDEV_STATE_MAX;
}

/* The frame in in->buf is whole. */
static int in_frame(struct vdev *v, struct vdev_in *in)
{
	const struct frame *f = (struct frame *)in->buf;
	const struct frame_page *p = (struct frame_page *)(in->buf + sizeof(*f) + le32_to_cpu(f->config) + le32_to_cpu(f->regs));

	if (frame_crc(f, in->have) != le32_to_cpu(f->crc))
		return -EINVAL;
	for (u32 i = 0; i < le32_to_cpu(f->pages); i++) {
		ssize_t n = bar_page_index(v, le32_to_cpu(p[i].bar), le32_to_cpu(p[i].off));

		if (n < 0)
			return -EINVAL;
		memcpy(in->mem + n * VDEV_PAGE, p[i].data, VDEV_PAGE);
		__set_bit(n, in->seen);
	}
	if (le32_to_cpu(f->flags) & FRAME_LAST)
		in->last = true;
	else
		in->have = 0;
	return 0;
}

int vdev_in_write(struct vdev *v, struct vdev_in *in, const void *buf, size_t len)
{
	if (!in->error)
		in->error = in_start(v, in);
	while (len && !in->error) {
		const struct frame *f = (struct frame *)in->buf;
		size_t want = in->have < sizeof(*f) ? sizeof(*f) : le32_to_cpu(f->len);
		size_t n = min(len, want - in->have);

		if (in->last) {		/* nothing comes after that */
			in->error = -EINVAL;
			break;
		}
		memcpy(in->buf + in->have, buf, n);
		in->have += n;
		buf += n;
		len -= n;
		if (in->have == sizeof(*f) && !header_ok(v, f))
			in->error = -EINVAL;
		else if (in->have >= sizeof(*f) && in->have == le32_to_cpu(f->len))
			in->error = in_frame(v, in);
	}
	return in->error;
}

static int in_regs(struct vdev *v, const u8 *buf, size_t len)
{
	int (*const part[])(struct vdev *v, const void *buf, size_t len) = { vdev_irq_load, v->p->load };

	for (int i = 0; i < ARRAY_SIZE(part); i++) {
		const struct frame_part *p = (const struct frame_part *)buf;
		int r;

		if (len < sizeof(*p) || le32_to_cpu(p->len) > len - sizeof(*p))
			return -EINVAL;
		r = part[i](v, p->data, le32_to_cpu(p->len));
		if (r < 0)
			return r;
		len -= sizeof(*p) + le32_to_cpu(p->len);
		buf += sizeof(*p) + le32_to_cpu(p->len);
	}
	return len ? -EINVAL : 0;
}

int vdev_in_apply(struct vdev *v, struct vdev_in *in)
{
	size_t pages = mem_size(v) / VDEV_PAGE;
	const struct frame *f = (struct frame *)in->buf;
	const u8 *config;
	u32 bar, off;
	u8 *mem;
	int r;

	if (in->error || !in->last || !bitmap_full(in->seen, pages))
		return -EINVAL;
	config = (u8 *)(f + 1);
	mutex_lock(&v->lock);
	r = vdev_config_load(v, config);
	if (!r)
		r = in_regs(v, config + sizeof(v->config), le32_to_cpu(f->regs));
	if (!r)
		for (size_t n = 0; (mem = bar_page(v, n, &bar, &off)); n++)
			memcpy(mem, in->mem + n * VDEV_PAGE, VDEV_PAGE);
	mutex_unlock(&v->lock);
	return r;
}
