/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The small chips together on one bus, under any accesses, passing time, presses of the power button, resets and loaded states. The serial port
 * has a target of its own.
 *
 *	step := op | region, offset, size, value; or time; or a state
 *
 * What must hold: the clock's registers give a time; its wire rises only with a flag that tells why; the power button's wire is its event; what was
 * saved is loaded, and saved again is the same; after a reset the keyboard controller answers.
 *
 * links: hw/rtc.c hw/i8042.c hw/pcports.c hw/power.c hw/pvpanic.c hw/debug-exit.c device.c state.c util/str.c util/error.c
 */
#include "tests/fuzz/input.h"
#include "tests/hw/hw-fake.h"
#include "vmm/event.h"
#include "vmm/pci.h"

enum { KBD = 0x60, RTC = 0x70, POWER = 0x600, EXIT = 0xf4, GSI_KBD = 1, GSI_RTC = 8, GSI_POWER = 9, GSI_AUX = 12 };

/* --- time --- */

static u64 now, timer_at;		/* 0: not armed */
static struct event_timer *timer;

static u64 clock_now(void)
{
	return now;
}

int event_timer_set(struct event_loop *l, struct event_timer *t, u64 ns, void (*fn)(struct event_timer *t))
{
	t->src.loop = l;
	t->fn = fn;
	timer = t;
	timer_at = ns ? now + ns : 0;
	return 0;
}

void event_timer_del(struct event_timer *t)
{
	t->src.loop = NULL;
	timer_at = 0;
}

/* The timer fires as often as it wants, which must not be for ever. */
static void pass(u64 ns)
{
	unsigned int n = 0;
	u64 end = now + ns;

	while (timer_at && timer_at <= end && n++ < 100) {
		now = timer_at;
		timer_at = 0;
		timer->fn(timer);
		MUST(!timer_at || timer_at > now);
	}
	now = MAX(now, end);
}

/* --- pvpanic's bus --- */

static struct pci_dev *panic_dev;
static const struct io_ops *panic_io;

int pci_dev_init(struct pci_dev *pdev, const struct pci_dev_ops *ops, const struct pci_ids *ids) { return 0; }

int pci_dev_add_bar(struct pci_dev *pdev, unsigned int bar, enum pci_bar_type type, u64 size, const struct io_ops *ops)
{
	panic_io = ops;
	pdev->bar[bar].pdev = pdev;
	return 0;
}

int pci_plug(struct pci_host *host, struct pci_dev *pdev, int devfn)
{
	panic_dev = pdev;
	return 0;
}

void pci_dev_cleanup(struct pci_dev *pdev) { }
void pci_dev_reset(struct pci_dev *pdev) { }
void pci_dev_save(struct pci_dev *pdev, struct state_writer *w) { }
int pci_dev_load(struct pci_dev *pdev, struct state_reader *r) { return 0; }

/* --- the machine --- */

static void machine_up(void)
{
	static const struct rtc_config rtc = { .base = RTC, .gsi = GSI_RTC, .ram_below_4g = 3ULL << 30, .ram_above_4g = 5ULL << 30,
					       .utc_ns = clock_now };
	static const struct i8042_config kbd = { .base = KBD, .gsi_kbd = GSI_KBD, .gsi_aux = GSI_AUX };
	static const struct power_config power = { .base = POWER, .gsi = GSI_POWER };
	static const struct debug_exit_config debug_exit = { .base = EXIT };

	fake_vm();
	vm.loop = (struct event_loop *)&vm;	/* never looked into */
	now = 1709210096123456789ULL;
	timer_at = 0;
	MUST(!rtc_create(&vm, &rtc) && !i8042_create(&vm, &kbd) && !power_create(&vm, &power) && !debug_exit_create(&vm, &debug_exit) &&
	     !pcports_create(&vm) && !pvpanic_pci_create(&vm));
	devices_start(&vm);
}

static int load(const void *p, size_t len)
{
	struct state_reader r;

	state_reader_init(&r, p, len);
	return devices_load(&vm, &r, NULL);
}

static void save_and_load(struct input *in, bool spoil)
{
	struct state_writer w = { 0 }, again = { 0 };
	unsigned int n;

	devices_stop(&vm);
	MUST(!devices_save(&vm, &w, NULL));
	if (spoil) {
		for (n = (unsigned int)(take(in, 1) & 7) + 1; n; n--)
			w.buf.s[take(in, 2) % w.buf.len] ^= (char)take(in, 1);
		load(w.buf.s, w.buf.len);
	} else {
		MUST(!load(w.buf.s, w.buf.len) && !devices_save(&vm, &again, NULL));
		MUST(w.buf.len == again.buf.len && !memcmp(w.buf.s, again.buf.s, w.buf.len));
	}
	state_writer_free(&w);
	state_writer_free(&again);
	devices_start(&vm);
}

/* --- what must hold --- */

static u8 rtc_get(u8 reg)
{
	out(RTC, reg);
	return in(RTC + 1);
}

static unsigned int decoded(u8 v, u8 b)
{
	return b & 4 ? v : (v >> 4) * 10U + (v & 15);
}

static void check_clock(void)
{
	u8 b = rtc_get(0xb), flags, hour;
	bool high = wire[GSI_RTC].level;

	flags = rtc_get(0xc);
	MUST(!high || flags & 0x80);
	MUST(!(flags & 0x80) == !(flags & b & 0x70) && !wire[GSI_RTC].level);
	if (b & 0x80)		/* SET: the bytes are the guest's */
		return;
	hour = rtc_get(4);
	MUST(decoded(rtc_get(0), b) < 60 && decoded(rtc_get(2), b) < 60);
	MUST(b & 2 ? decoded(hour, b) < 24 : decoded(hour & 0x7f, b) - 1U < 12);
	MUST(decoded(rtc_get(7), b) - 1U < 31 && decoded(rtc_get(8), b) - 1U < 12 && decoded(rtc_get(6), b) - 1U < 7);
}

static void check_power(void)
{
	MUST(!in_n(POWER + POWER_EVENT, 4) == !wire[GSI_POWER].level);
}

/* [IBM PS/2 TR] The self-test, after whatever waited to be read. */
static void check_keyboard(void)
{
	unsigned int n;

	for (n = 0; in(KBD + 4) & 1; n++) {
		MUST(n < 64);
		in(KBD);
	}
	out(KBD + 4, 0xaa);
	MUST(in(KBD + 4) & 1 && in(KBD) == 0x55);
}

/* --- steps --- */

static void access_region(struct input *in, bool write)
{
	struct io_region *r = region[take(in, 1) % regions];
	unsigned int size = MIN(take_size(in), 4U);
	u64 off = take(in, 1) % r->size & ~(u64)(size - 1);

	if (!(r->ops->sizes & size))
		size = 1;
	if (write)
		r->ops->write(r, off, take(in, size), size);
	else
		MUST(size == 4 || !(r->ops->read(r, off, size) >> 8 * size));
}

static void step(struct input *in)
{
	unsigned int op = (unsigned int)take(in, 1);

	switch (op & 15) {
	case 0 ... 3:
		access_region(in, true);
		break;
	case 4:
		access_region(in, false);
		break;
	case 5:
		out(RTC, (u8)take(in, 1) & 15);
		out(RTC + 1, (u8)take(in, 1));
		break;
	case 6:
		pass(take(in, 1) << (op >> 4) * 3);
		break;
	case 7:
		check_clock();
		break;
	case 8:
		out(KBD + 4, (u8)take(in, 1));
		break;
	case 9:
		in_n(KBD, 1);
		break;
	case 10:
		MUST(!power_button_press(&vm));
		break;
	case 11:
		save_and_load(in, op & 0x10);
		break;
	case 12:
		devices_stop(&vm);
		devices_reset(&vm);
		devices_start(&vm);
		break;
	case 13:
		now -= MIN(take(in, 4) << 20, now / 2);		/* the host's clock is set back */
		break;
	case 14:
		panic_io->write(&panic_dev->bar[0].region, op >> 4, take(in, 1), 1);
		MUST(!(panic_io->read(&panic_dev->bar[0].region, op >> 4, 1) >> 8));
		break;
	case 15:
		in_n(KBD + 4, 1);
		break;
	}
	check_power();
	MUST(asked.status >= 0 && asked.status <= 123);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	unsigned int i;

	machine_up();
	for (i = 0; i < 500 && in.left; i++)
		step(&in);
	check_clock();
	devices_stop(&vm);
	devices_reset(&vm);
	devices_start(&vm);
	check_clock();
	check_power();
	check_keyboard();
	devices_free(&vm);
	MUST(nothing_left());
	return 0;
}
