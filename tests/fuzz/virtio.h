/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hostile driver of one virtio device over the real transports (PCI or MMIO), core and rings. A target includes this after it defined what
 * it needs, and says below "target's" what is the device's own. No thread: the loop is turned between steps, so an input always does
 * the same.
 *
 *	input := kind of VM, driver | step*
 *	step  := op | what it needs: a request, an event of the outside world, registers, stop and start, save and load, damage
 *
 * Rings are valid ones until a step damages them; that lasts till the driver starts the device anew. What must hold, besides
 * what sanitizers see and the guard pages around RAM:
 * 1. While rings are valid each chain is completed once, and all of them are when the world is willing and the driver has kicked.
 * 2. A stopped device has nothing in flight.
 * 3. As long as no descriptor was damaged, memory that devices only read stays as it is.
 * 4. After all of it a reset gives a device that serves.
 */
#ifndef TESTS_FUZZ_VIRTIO_H
#define TESTS_FUZZ_VIRTIO_H

#include "tests/fuzz/save-load.h"
#include "tests/fuzz/virtio-driver.h"
#include "tests/virtio/pci-rig.h"
#include "util/json.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"
#include "vmm/virtio.h"

enum { MOVED_MAX = 32 << 20 };

static struct vm *vm;
static struct virtio_dev *vdev;
static struct queue queue[QUEUES];
static unsigned int queues;
static u64 moved;		/* bytes that requests were for: an input has its end */
static bool wild;		/* rings may be anything */
static bool ever_wild;		/* they were */
static bool quiet, unkicked[QUEUES];	/* the driver adds without a kick; it has */

/* --- the target's --- */

/* Puts the device into @vm, its queues on @vm->loop. */
static void target_create(struct input *in);
/* A request as drivers make it, by target_offer(). */
static void target_request(struct input *in, unsigned int q);
/* Something happens in the world behind the device. */
static void target_event(struct input *in);
/* The world does all it can for the device: whatever waits for it ends. */
static void target_willing(void);
/* Are chains of this queue completed by that, whatever they are? */
static bool target_completes(unsigned int q);
/* Just brought up with all features: serves one request. */
static bool target_serves(void);
/* The device is stopped; about to be freed. */
static void target_free(void);

/* The device that was made last. */
static struct virtio_dev *newest(void)
{
	struct device *dev = container_of(vm->devices.prev, struct device, node);

	if (dev->kind == DEV_VIRTIO_MMIO)
		return container_of(dev, struct virtio_mmio, dev)->vdev;
	return container_of(dev, struct virtio_pci, pdev.dev)->vdev;
}

/* --- the loop --- */

static void end_turn(struct event_work *w)
{
	event_loop_stop(vm->loop);
}

/* Everything that is ready is handled, then the posted end. */
static void turn(void)
{
	struct event_work w = { 0 };

	event_post(vm->loop, &w, end_turn);
	MUST(event_loop_run(vm->loop) >= 0);
}

/* --- registers --- */

/* Where a transport has what drivers use. */
struct layout {
	enum io_space space;
	u64 base;
	unsigned int range;		/* mask of offsets that damage is done to */
	unsigned int widest;		/* access */
	unsigned int word;		/* size of the registers of status, and of those with a queue's number */
	unsigned int status, features_sel, features, queue_sel, queue_size, pfn, desc, driver, device, enable, reset, notify, config;
	unsigned int notify_stride;	/* 0: all queues share it */
};

static const struct layout layouts[] = {
	[VIRTIO_PCI_MODERN] = {
		.space = IO_MMIO, .base = RIG_MEM32, .range = 0x7fff, .widest = 8, .word = 2, .status = 0x14, .features_sel = 8,
		.features = 0xc, .queue_sel = 0x16, .queue_size = 0x18, .desc = 0x20, .driver = 0x28, .device = 0x30, .enable = 0x1c,
		.reset = 0x3a, .notify = 0x3000, .notify_stride = 4, .config = 0x2000,
	},
	[VIRTIO_PCI_LEGACY] = {
		.space = IO_PORT, .base = RIG_IO, .range = 0x7f, .widest = 4, .word = 2, .status = 18, .features = 4, .queue_sel = 14,
		.pfn = 8, .notify = 16, .config = 20,
	},
	[VIRTIO_MMIO_MODERN] = {
		.space = IO_MMIO, .base = RIG_SLOTS, .range = 0x1ff, .widest = 8, .word = 4, .status = 0x70, .features_sel = 0x24,
		.features = 0x20, .queue_sel = 0x30, .queue_size = 0x38, .desc = 0x80, .driver = 0x90, .device = 0xa0, .enable = 0x44,
		.reset = 0xc0, .notify = 0x50, .config = 0x100,
	},
	[VIRTIO_MMIO_LEGACY] = {
		.space = IO_MMIO, .base = RIG_SLOTS, .range = 0x1ff, .widest = 8, .word = 4, .status = 0x70, .features_sel = 0x24,
		.features = 0x20, .queue_sel = 0x30, .queue_size = 0x38, .pfn = 0x40, .notify = 0x50, .config = 0x100,
	},
};

static const struct layout *lay;

static void reg(unsigned int off, unsigned int size, u64 val)
{
	rig_write(vm, lay->space, lay->base + off, size, val);
}

static void set_status(u8 status)
{
	reg(lay->status, lay->word == 4 ? 4 : 1, status);
}

static void reg64(unsigned int off, u64 val)
{
	reg(off, 4, (u32)val);
	reg(off + 4, 4, val >> 32);
}

/* The registers where they are looked for, whatever was done to BAR and COMMAND. */
static void open_registers(void)
{
	if (lay->base == RIG_SLOTS) {
		if (vdev->legacy)
			reg(0x28, 4, 4096);	/* GuestPageSize */
		return;
	}
	cfg_write(vm, 4, 2, 0);
	cfg_write(vm, 0x10, 4, (u32)lay->base);
	if (vdev->legacy)
		cfg_write(vm, 0x14, 4, RIG_MEM32);
	cfg_write(vm, 4, 2, 7);
}

static void driver_queue(unsigned int n, u16 size, u64 features)
{
	struct queue *q = &queue[n];

	queue_init(q, n, size);
	unkicked[n] = false;
	q->packed = features >> VIRTIO_F_RING_PACKED & 1;
	q->in_order = features >> VIRTIO_F_IN_ORDER & 1;
	q->indirect = features >> VIRTIO_F_INDIRECT_DESC & 1;
	reg(lay->queue_sel, lay->word, n);
	if (lay->queue_size)
		reg(lay->queue_size, lay->word, size);
	if (lay->pfn) {
		reg(lay->pfn, 4, q->desc / 4096);
		return;
	}
	reg64(lay->desc, q->desc);
	reg64(lay->driver, q->driver);
	reg64(lay->device, q->device);
	reg(lay->enable, lay->word, 1);
}

static u16 max_size(unsigned int n)
{
	return MIN(vdev->queue[n].max_size, (u16)QUEUE_MAX);
}

/* The driver starts: @shrink makes its rings smaller. The device may refuse the features. */
static bool driver_start(u64 features, unsigned int shrink)
{
	unsigned int n, word;

	open_registers();
	features &= vdev->offered;
	set_status(0);
	wild = false;
	set_status(3);
	features = vdev->legacy ? (u32)features : features | BIT_ULL(VIRTIO_F_VERSION_1);
	for (word = lay->features_sel ? 2 : 1; word--; ) {
		if (lay->features_sel)
			reg(lay->features_sel, 4, word);
		reg(lay->features, 4, (u32)(features >> 32 * word));
	}
	if (!vdev->legacy) {
		set_status(11);
		if (!(virtio_get_status(vdev) & VIRTIO_S_FEATURES_OK)) {
			wild = true;	/* there is no driver: the rings are those of before */
			return false;
		}
	}
	for (n = 0; n < queues; n++)
		driver_queue(n, (u16)MAX(max_size(n) >> (lay->queue_size ? shrink : 0), 4), features);
	set_status(vdev->legacy ? 7 : 15);
	turn();
	return true;
}

static void kick(unsigned int n)
{
	unkicked[n] = false;
	reg(lay->notify + lay->notify_stride * n, lay->word, n);
}

static void reap(void)
{
	unsigned int n;

	for (n = 0; !wild && n < queues; n++)
		queue_reap(&queue[n]);
}

/* --- requests --- */

static bool broken(void)
{
	return virtio_get_status(vdev) & VIRTIO_S_NEEDS_RESET;
}

static unsigned int cut(struct input *in, struct piece *p, unsigned int most, gpa_t gpa, u32 len, bool write)
{
	unsigned int n = 0;
	u32 part;

	for (; len && n + 1 < most && (take(in, 1) & 3) == 3; n++, gpa += part, len -= part) {
		part = (u32)take(in, 1);
		part = part & 0x80 ? len / ((part & 7) + 1) : MIN(part, len);
		p[n] = (struct piece){ gpa, part, write };
	}
	if (len)
		p[n++] = (struct piece){ gpa, len, write };
	return n;
}

/* Makes one chain of bytes to read and room to write available, in pieces as the input says. */
static void target_offer(struct input *in, unsigned int n, const void *out, u32 out_len, u32 in_len)
{
	unsigned int how = (unsigned int)take(in, 1), nr;
	struct piece p[PIECES];

	reap();
	moved += out_len + in_len;
	if (!queue[n].free || moved > MOVED_MAX)
		return;
	nr = cut(in, p, PIECES / 2, place_out(out, out_len), out_len, false);
	nr += cut(in, p + nr, PIECES - nr, place_in(in_len), in_len, true);
	if (!nr)
		p[nr++] = (struct piece){ IN, 0, how & 2 };
	if (!queue_add(&queue[n], p, nr, how & 1))
		return;
	unkicked[n] = true;
	if (!quiet && !(how & 4))
		kick(n);
}

/* The same request over and over, then a kick: more than a device takes in one run. */
static void burst(struct input *in, unsigned int n)
{
	unsigned int left = (unsigned int)take(in, 1);
	struct input same;

	quiet = true;
	do {
		same = *in;
		target_request(&same, n);
	} while (left-- && queue[n].free);
	quiet = false;
	*in = same;
	kick(n);
}

/* No device's request in particular: lengths that are on edges, or any. */
static void any_request(struct input *in, unsigned int n)
{
	static const u32 edges[] = { 0, 1, 8, 9, 10, 12, 16, 24, 26, 511, 512, 513, 1514, 4096, 65535, 65562 };
	static u8 buf[0x10000 + 32];
	u32 len[2];
	int i;

	for (i = 0; i < 2; i++) {
		len[i] = (u32)take(in, 1);
		len[i] = len[i] & 0x80 ? (u32)take(in, 2) : edges[len[i] % ARRAY_SIZE(edges)];
	}
	take_bytes(in, buf, MIN(len[0], 32U));
	target_offer(in, n, buf, len[0], len[1]);
}

/* --- damage --- */

static void damage_descriptor(struct input *in, struct queue *q)
{
	static const u64 edges[] = { 0, LOW - 1, HIGH - 1, HIGH, HIGH + HIGH_SIZE - 1, HIGH + HIGH_SIZE, ~0ULL, RINGS };
	gpa_t at = q->desc + 16ULL * ((q->next - 1U - (take(in, 1) & 3)) % q->size);
	u8 *d = ram(at);

	if (get_le16(d + (q->packed ? 14 : 12)) & D_INDIRECT && take(in, 1) & 1)
		d = ram(q->tables + 16 * (take(in, 2) % (QUEUE_MAX * PIECES)));
	switch (take(in, 1) & 3) {
	case 0:
		put_le64(d, edges[take(in, 1) % ARRAY_SIZE(edges)] + (u64)(s8)take(in, 1));
		break;
	case 1:
		put_le32(d + 8, (u32)take(in, 4));
		break;
	case 2:
		d[12] ^= (u8)take(in, 1);
		break;
	case 3:
		d[14] ^= (u8)take(in, 1);
		break;
	}
}

static void damage(struct input *in, unsigned int how)
{
	struct queue *q = &queue[how % queues];
	unsigned int size;
	u64 val;

	wild = ever_wild = true;
	switch (how >> 4 & 3) {
	case 0:
		damage_descriptor(in, q);
		kick(how % queues);
		break;
	case 1:		/* rings and indirect tables */
		size = take_size(in);
		val = take(in, 3) % (RINGS_SIZE - 8);
		put_le64(ram(RINGS + val), (get_le64(ram(RINGS + val)) & ~(~0ULL >> (64 - 8 * size))) | take(in, size));
		break;
	case 2:
		size = take_size(in);
		val = take(in, 2) & lay->range;
		reg((unsigned int)val, MIN(size, lay->widest), take(in, size));
		break;
	case 3:
		size = MIN(take_size(in), 4U);
		val = take(in, 1) & ~(size - 1);
		cfg_write(vm, (unsigned int)val, size, (u32)take(in, size));
		break;
	}
}

/* --- the VM's operations --- */

static void stop(void)
{
	unsigned int n;

	devices_stop(vm);
	for (n = 0; n < vdev->nr_queues; n++)
		MUST(!virtio_queue(vdev, n)->inflight_cnt);
}

static void stop_and_load(struct input *in, bool spoil)
{
	stop();
	if (spoil)
		wild = ever_wild = true;
	save_and_load_stopped(vm, in, spoil, 1);
	devices_start(vm);
}

static void stats(void)
{
	struct strbuf b = { 0 };

	json_begin(&b, NULL);
	virtio_dev_stats(vdev, &b);
	json_end(&b);
	strbuf_free(&b);
}

/* The driver takes one queue away and gives it back. [2.6.1] */
static void reset_queue(unsigned int n)
{
	if (vdev->legacy || !(vdev->accepted >> VIRTIO_F_RING_RESET & 1) || wild)
		return;
	reg(lay->queue_sel, lay->word, n);
	reg(lay->reset, lay->word, 1);
	MUST(!virtio_queue(vdev, n)->inflight_cnt);
	driver_queue(n, queue[n].size, vdev->accepted);
}

static void operate(struct input *in)
{
	unsigned int how = (unsigned int)take(in, 1);

	switch (how & 7) {
	case 0:
	case 1:
		driver_start(how & 8 ? ~0ULL : take(in, 8), how >> 4 & 7);
		break;
	case 2:
		stop();
		if (how & 8) {
			devices_reset(vm);
			wild = true;	/* the driver knows nothing of it */
		}
		if (how & 16)
			turn();
		devices_start(vm);
		break;
	case 3:
		stop_and_load(in, false);
		break;
	case 4:
		stop_and_load(in, true);
		break;
	case 5:
	case 6:
		reset_queue((how >> 3) % queues);
		break;
	case 7:
		stats();
		break;
	}
}

/* The device's own config space, as registers. */
static void config(struct input *in, unsigned int op)
{
	unsigned int size = MIN(take_size(in), lay->widest);
	unsigned int off = lay->config + ((unsigned int)take(in, 1) & 0x7f);

	if (op & 0x80)
		reg(off, size, take(in, size));
	else
		rig_read(vm, lay->space, lay->base + off, size);
}

static void step(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1), n = (op >> 4) % queues;

	switch (op & 15) {
	case 0 ... 3:
		target_request(in, n);
		break;
	case 4:
		burst(in, n);
		break;
	case 5:
		any_request(in, n);
		break;
	case 6:
		kick(n);
		break;
	case 7 ... 9:
		target_event(in);
		break;
	case 10:
		config(in, op);
		break;
	case 11:
		turn();
		reap();
		break;
	case 12:
	case 13:
		operate(in);
		break;
	case 14:
		turn();
		break;
	case 15:
		damage(in, (unsigned int)take(in, 1));
		break;
	}
}

/* --- the end --- */

/* Whatever was made available and kicked comes to its end. What waits for the world waits for nothing else. */
static void all_ends(void)
{
	unsigned int n, i;

	for (n = 0; n < queues; n++)
		if (unkicked[n])
			kick(n);
	for (i = 0; i < 4; i++)
		turn();
	for (i = 0; i < 16; i++) {
		target_willing();
		turn();
	}
	reap();
	if (wild || broken())
		return;
	for (n = 0; n < queues; n++)
		MUST(!queue[n].cnt || !target_completes(n));
}

static void vm_up(unsigned int kind)
{
	enum virtio_transport_kind transport = kind & 1 ? VIRTIO_PCI_LEGACY : VIRTIO_PCI_MODERN;

	if (kind & 128)
		transport = kind & 1 ? VIRTIO_MMIO_LEGACY : VIRTIO_MMIO_MODERN;
	lay = &layouts[transport];
	vm = rig_pci_vm(transport, false);
	MUST(!munmap(vm->mem.ram[0].hva, RAM_SIZE));
	ram_up(&vm->mem);
	vm->cfg.virtio_packed = kind & 2;
	vm->cfg.virtio_in_order = kind & 4;
	rig.ioeventfd_error = kind & 8 ? -EEXIST : 0;
	wild = true;		/* there is no driver yet */
	ever_wild = false;
	moved = 0;
}

static void vm_down(void)
{
	int s;

	stop();
	MUST(!rig_ioeventfds());
	target_free();
	devices_free(vm);
	for (s = 0; s < IO_SPACES; s++) {
		io_reader_del(&vm->io[s], &vm->main_reader[s]);
		io_map_free(&vm->io[s]);
	}
	event_loop_free(vm->loop);
	free(vm);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int kind = (unsigned int)take(&in, 1), i;

	log_set_level(LOG_ERROR);
	vm_up(kind);
	target_create(&in);
	vdev = newest();
	queues = MIN(vdev->nr_queues, (unsigned int)QUEUES);
	MUST(pci_assign_bars(vm->pci, NULL) >= 0);
	devices_start(vm);
	driver_start(kind & 16 ? take(&in, 8) : ~0ULL, kind >> 5 & 3);
	for (i = 0; i < 200 && in.left; i++)
		step(&in);
	all_ends();
	MUST(ever_wild || ram_intact());
	driver_start(~0ULL, 0);
	MUST(target_serves());
	vm_down();
	return 0;
}

#endif
