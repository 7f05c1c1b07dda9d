/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Saved states that somebody else wrote, for a board of small chips that has run a while: registers are read and written, time passes, and
 * sections are loaded with bytes changed. What must hold: a refused state leaves its device as it was; an accepted one is a state
 * that the device can have, which saves and loads again as the same bytes.
 *
 *	op := kind (low 3 bits), device (4 bits) | operands
 *
 * links: hw/rtc.c hw/i8042.c hw/power.c hw/debug-exit.c hw/pcports.c hw/pvpanic.c hw/serial.c
 * links: chardev/chardev.c chardev/output.c chardev/input.c chardev/stdio.c chardev/pty.c chardev/file.c chardev/socket.c
 * links: pci-eject.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c
 * links: util/json.c util/str.c util/log.c util/error.c util/cleanup.c util/io.c util/thread.c
 */
#include <stdarg.h>

#include "tests/eject-fake.h"

#include "vmm/event.h"
#include "vmm/hw.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u64 now_ns;		/* the world's clock */
static const struct { u64 base; unsigned int size; } ports[] = {
	{ 0x60, 8 }, { 0x70, 8 }, { 0x80, 1 }, { 0x92, 1 }, { 0xf4, 4 }, { 0x3f8, 8 }, { 0x600, 8 }, { EJECT_PORT, 8 }, { 0xcf8, 8 },
};

void vm_request_exit(struct vm *v, enum vm_exit_cause cause, int status, const char *fmt, ...) { }
void vm_emit(struct vm *v, enum vm_event_kind kind, unsigned int value, const char *text) { }
void vm_guest_panicked(struct vm *v, const char *how) { }

static void check(bool ok)
{
	if (!ok)
		abort();
}

static u64 utc_ns(void)
{
	return now_ns;
}

struct input {
	const u8 *p;
	size_t left;
};

static u8 take(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

/* A function that the guest may give back, and the host asks for. */
static struct fake_dev *leaver;

static void leaver_leave(struct device *dev) { }

static void leaver_free(struct device *dev)
{
	pci_dev_cleanup(&leaver->pdev);
	free(leaver);
	leaver = NULL;
}

static int leaver_save(struct device *dev, struct state_writer *w, struct error *err)
{
	state_begin(w, dev->name, 1);
	pci_dev_save(&leaver->pdev, w);
	state_end(w);
	return 0;
}

static int leaver_load(struct device *dev, struct state_reader *r)
{
	u32 version;
	int ret = state_open(r, dev->name, 1, &version);

	if (!ret)
		ret = pci_dev_load(&leaver->pdev, r);
	return ret ? ret : state_close(r);
}

static void leaver_create(struct vm *vm)
{
	static const struct device_ops ops = { .save = leaver_save, .load = leaver_load, .leave = leaver_leave, .free = leaver_free };

	leaver = calloc(1, sizeof(*leaver));
	check(leaver);
	fake_dev_init(leaver, 1);
	check(!pci_plug(vm->pci, &leaver->pdev, -1) && !pci_eject_allow(&leaver->pdev));
	device_add(vm, &leaver->pdev.dev, &ops, "leaver");
}

static struct vm *board(void)
{
	static struct event_loop *loop;		/* one for all inputs: making one takes longer than an input */
	const struct serial_config serial = { .base = 0x3f8, .space = IO_PORT, .gsi = 4 };
	const struct rtc_config rtc = { .space = IO_PORT, .base = 0x70, .gsi = 8, .ram_below_4g = 64 * MIB, .utc_ns = utc_ns };
	const struct i8042_config i8042 = { .base = 0x60, .gsi_kbd = 1, .gsi_aux = 12 };
	const struct debug_exit_config debug_exit = { .space = IO_PORT, .base = 0xf4 };
	const struct power_config power = { .space = IO_PORT, .base = 0x600, .gsi = 9 };
	struct vm *vm = fake_vm_with(NULL);

	check(loop || !event_loop_create("fuzz", &loop));
	vm->loop = loop;
	check(!pcports_create(vm));
	check(!pci_host_create(vm, &fake_host_config) && !pci_eject_create(vm, &eject_config));
	check(!serial_create(vm, &serial) && !rtc_create(vm, &rtc) && !i8042_create(vm, &i8042));
	check(!debug_exit_create(vm, &debug_exit) && !power_create(vm, &power) && !pvpanic_pci_create(vm));
	leaver_create(vm);
	check(!pci_assign_bars(vm->pci, NULL));
	devices_reset(vm);
	devices_start(vm);
	return vm;
}

static struct device *pick(struct vm *vm, unsigned int n)
{
	struct device *dev, *first = NULL;

	list_for_each(dev, &vm->devices, node) {
		first = first ? first : dev;
		if (!n--)
			return dev;
	}
	return first;
}

static int load(struct device *dev, const void *p, size_t len)
{
	struct state_reader r;
	char *copy = malloc(len ? len : 1);	/* of exact size, so that a byte too far is seen */
	int ret;

	check(copy);
	memcpy(copy, p, len);
	state_reader_init(&r, copy, len);
	ret = dev->ops->load(dev, &r);
	free(copy);
	return ret;
}

static void save(struct device *dev, struct state_writer *w)
{
	*w = (struct state_writer){ .open = false };
	check(!dev->ops->save(dev, w, NULL) && !w->buf.failed);
}

static bool same(const struct state_writer *a, const struct state_writer *b)
{
	return a->buf.len == b->buf.len && !memcmp(a->buf.s, b->buf.s, a->buf.len);
}

/* What it saves, it loads, and then saves the same again. */
static void round_trip(struct device *dev)
{
	struct state_writer first, second;

	save(dev, &first);
	check(!load(dev, first.buf.s, first.buf.len));
	save(dev, &second);
	check(same(&first, &second));
	state_writer_free(&first);
	state_writer_free(&second);
}

static void load_spoilt(struct vm *vm, struct device *dev, struct input *in)
{
	struct state_writer before, after;
	unsigned int n = take(in) % 16;
	size_t len;
	char *bad;
	int r;

	devices_stop(vm);
	save(dev, &before);
	len = before.buf.len;
	bad = malloc(len);
	check(bad);
	memcpy(bad, before.buf.s, len);
	if (n == 15)
		len = (take(in) | take(in) << 8) % len;
	for (; n && len; n--) {
		size_t at = (size_t)(take(in) | take(in) << 8) % len;

		bad[at] = (char)take(in);
	}
	r = load(dev, bad, len);
	free(bad);
	if (r < 0) {
		save(dev, &after);
		check(same(&before, &after));
		state_writer_free(&after);
	} else {
		round_trip(dev);
	}
	state_writer_free(&before);
	devices_start(vm);
}

/* The section whole from the input. */
static void load_raw(struct vm *vm, struct device *dev, struct input *in)
{
	struct state_writer w = { .open = false };
	size_t len = MIN((size_t)take(in), in->left);

	state_begin(&w, dev->name, 1);
	strbuf_add(&w.buf, in->p, len);
	state_end(&w);
	in->p += len;
	in->left -= len;
	devices_stop(vm);
	if (!load(dev, w.buf.s, w.buf.len))
		round_trip(dev);
	devices_start(vm);
	state_writer_free(&w);
}

static void step(struct vm *vm, struct input *in)
{
	u8 op = take(in), where = take(in);
	struct device *dev = pick(vm, op >> 3 & 15);
	u16 port = (u16)(ports[where % ARRAY_SIZE(ports)].base + (where >> 3) % ports[where % ARRAY_SIZE(ports)].size);

	switch (op & 7) {
	case 0:
	case 1:
		port_write(vm, port, 1U << (op >> 6) % 3, take(in));
		if (held.depth)
			run_posted(vm);		/* the function is gone before the vCPU goes on */
		check(!held.depth && !leaver == !pci_eject_slots(vm->pci));
		break;
	case 2:
		port_read(vm, port, 1U << (op >> 6) % 3);
		break;
	case 3:
		now_ns += (u64)where << 24;
		break;
	case 4:
		if (where & 1)
			power_button_press(vm);
		else if (where & 2 && leaver)
			check(!pci_eject_ask(&leaver->pdev));
		else
			devices_reset(vm);
		break;
	case 5:
	case 6:
		load_spoilt(vm, dev, in);
		break;
	case 7:
		load_raw(vm, dev, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct device *dev;
	struct vm *vm;

	now_ns = 1709210096ULL * 1000000000ULL;
	vm = board();
	while (in.left)
		step(vm, &in);
	devices_stop(vm);
	list_for_each(dev, &vm->devices, node)
		round_trip(dev);
	devices_reset(vm);
	devices_start(vm);
	devices_stop(vm);
	fake_vm_free(vm);
	check(!fake.lines);
	return 0;
}
