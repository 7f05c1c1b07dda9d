/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of devices: in which order each thing is done, and what a device that cannot be prepared, saved or loaded stops.
 *
 * links: device.c state.c util/str.c util/error.c
 */
#include "vmm/device.h"

#include <errno.h>
#include <string.h>

#include "tests/tap.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum { DEVICES = 3 };

static struct vm vm;
static struct device dev[DEVICES];
static struct error err;
static char done[128];			/* "a0 a1 ": what, and at which device */
static int fails_at;			/* that device fails; -1: none */

static int note(char what, struct device *d, struct error *e)
{
	size_t len = strlen(done);
	int i = (int)(d - dev);

	snprintf(done + len, sizeof(done) - len, "%c%d ", what, i);
	return i == fails_at ? error_set(e, -EIO, "%s: %c", d->name, what) : 0;
}

static int on_prepare(struct device *d, struct error *e)
{
	return note('p', d, e);
}

static void on_reset(struct device *d)
{
	note('r', d, NULL);
}

static void on_stop(struct device *d)
{
	note('s', d, NULL);
}

static void on_start(struct device *d)
{
	note('g', d, NULL);
}

static int on_save(struct device *d, struct state_writer *w, struct error *e)
{
	state_begin(w, d->name, 1);
	state_put_u32(w, (u32)(d - dev));
	state_end(w);
	return note('v', d, e);
}

static int on_load(struct device *d, struct state_reader *r)
{
	u32 version, n;
	int ret = state_open(r, d->name, 1, &version);

	if (ret < 0)
		return ret;
	n = state_get_u32(r);
	ret = state_close(r);
	if (ret < 0)
		return ret;
	return n == (u32)(d - dev) ? note('l', d, NULL) : -EBADMSG;
}

static void on_free(struct device *d)
{
	note('f', d, NULL);
}

static const struct device_ops all_ops = {
	.prepare = on_prepare, .reset = on_reset, .stop = on_stop, .start = on_start, .save = on_save, .load = on_load, .free = on_free,
};
static const struct device_ops few_ops = { .free = on_free };

static void setup(const struct device_ops *middle)
{
	unsigned int i;

	memset(&vm, 0, sizeof(vm));
	memset(dev, 0, sizeof(dev));
	list_init(&vm.devices);
	for (i = 0; i < DEVICES; i++)
		device_add(&vm, &dev[i], i == 1 ? middle : &all_ops, "dev%u", i);
	fails_at = -1;
	done[0] = err.msg[0] = '\0';
}

static const char *happened(void)
{
	static char last[sizeof(done)];

	memcpy(last, done, sizeof(last));
	done[0] = '\0';
	return last;
}

TEST(creation_is_the_order_of_reset_and_start_and_its_reverse_that_of_stop_and_free)
{
	setup(&all_ops);
	CHECK_EQ(devices_prepare(&vm, &err), 0);
	CHECK_STR(happened(), "p0 p1 p2 ");
	devices_reset(&vm);
	CHECK_STR(happened(), "r0 r1 r2 ");
	devices_stop(&vm);
	CHECK_STR(happened(), "s2 s1 s0 ");
	devices_start(&vm);
	CHECK_STR(happened(), "g0 g1 g2 ");
	devices_free(&vm);
	CHECK_STR(happened(), "f2 f1 f0 ");
	CHECK(list_empty(&vm.devices));
}

TEST(a_device_needs_nothing_but_free)
{
	setup(&few_ops);
	CHECK_EQ(devices_prepare(&vm, &err), 0);
	devices_reset(&vm);
	devices_stop(&vm);
	devices_start(&vm);
	devices_free(&vm);
	CHECK_STR(happened(), "p0 p2 r0 r2 s2 s0 g0 g2 f2 f1 f0 ");
}

TEST(the_first_that_cannot_be_prepared_ends_it_with_its_line)
{
	setup(&all_ops);
	fails_at = 1;
	CHECK_EQ(devices_prepare(&vm, &err), -EIO);
	CHECK_STR(happened(), "p0 p1 ");
	CHECK_STR(err.msg, "dev1: p");
}

TEST(what_was_saved_is_loaded)
{
	struct state_writer w = { .open = false };
	struct state_reader r;

	setup(&all_ops);
	CHECK_EQ(devices_save(&vm, &w, &err), 0);
	CHECK_STR(happened(), "v0 v1 v2 ");
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(devices_load(&vm, &r, &err), 0);
	CHECK_STR(happened(), "l0 l1 l2 ");
	state_reader_init(&r, w.buf.s, w.buf.len - 1);
	CHECK_EQ(devices_load(&vm, &r, &err), -EBADMSG);
	CHECK_STR(happened(), "l0 l1 ");
	CHECK(strstr(err.msg, "state of dev2"));
	state_writer_free(&w);
}

TEST(a_device_that_cannot_be_saved_is_named_before_anything_is)
{
	struct state_writer w = { .open = false };
	struct state_reader r;

	setup(&few_ops);
	CHECK_EQ(devices_save(&vm, &w, &err), -EOPNOTSUPP);
	CHECK_STR(err.msg, "dev1 cannot be saved");
	CHECK_STR(happened(), "");
	CHECK_EQ(w.buf.len, 0);
	on_save(&dev[0], &w, NULL);
	happened();
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(devices_load(&vm, &r, &err), -EOPNOTSUPP);
	CHECK_STR(err.msg, "dev1 cannot be restored");
	CHECK_STR(happened(), "l0 ");
	state_writer_free(&w);
}

TEST(a_save_that_fails_says_what_the_device_says)
{
	struct state_writer w = { .open = false };

	setup(&all_ops);
	fails_at = 1;
	CHECK_EQ(devices_save(&vm, &w, &err), -EIO);
	CHECK_STR(err.msg, "dev1: v");
	CHECK_STR(happened(), "v0 v1 ");
	state_writer_free(&w);
}

TEST(a_save_without_memory_names_the_device)
{
	struct state_writer w = { .open = false };

	setup(&all_ops);
	w.buf.failed = true;
	CHECK_EQ(devices_save(&vm, &w, &err), -ENOMEM);
	CHECK(strstr(err.msg, "state of dev0"));
	CHECK_STR(happened(), "v0 ");
	state_writer_free(&w);
}

TEST(devices_are_found_by_kind_and_number)
{
	setup(&all_ops);
	dev[0].kind = dev[2].kind = DEV_UART_16550;
	dev[1].kind = DEV_FLASH;
	CHECK(device_find(&vm, DEV_UART_16550, 0) == &dev[0]);
	CHECK(device_find(&vm, DEV_UART_16550, 1) == &dev[2]);
	CHECK(!device_find(&vm, DEV_UART_16550, 2));
	CHECK(device_find(&vm, DEV_FLASH, 0) == &dev[1]);
	CHECK(!device_find(&vm, DEV_POWER, 0));
}

TEST(resources_are_kept_in_the_order_they_are_described_in)
{
	setup(&all_ops);
	device_describe_io(&dev[0], IO_MMIO, 0x1000, 0x100);
	device_describe_irq(&dev[0], 7, true);
	device_describe_io(&dev[0], IO_PORT, 0x3f8, 8);
	CHECK_EQ(dev[0].res[0].type, DEV_RES_IO);
	CHECK_EQ(dev[0].res[0].space, IO_MMIO);
	CHECK_EQ(dev[0].res[0].base, 0x1000);
	CHECK_EQ(dev[0].res[0].size, 0x100);
	CHECK_EQ(dev[0].res[1].type, DEV_RES_IRQ);
	CHECK_EQ(dev[0].res[1].irq, 7);
	CHECK(dev[0].res[1].level);
	CHECK_EQ(dev[0].res[2].space, IO_PORT);
	CHECK_EQ(dev[0].res[3].type, DEV_RES_NONE);
}

int main(void)
{
	RUN(creation_is_the_order_of_reset_and_start_and_its_reverse_that_of_stop_and_free);
	RUN(a_device_needs_nothing_but_free);
	RUN(the_first_that_cannot_be_prepared_ends_it_with_its_line);
	RUN(what_was_saved_is_loaded);
	RUN(a_device_that_cannot_be_saved_is_named_before_anything_is);
	RUN(a_save_that_fails_says_what_the_device_says);
	RUN(a_save_without_memory_names_the_device);
	RUN(devices_are_found_by_kind_and_number);
	RUN(resources_are_kept_in_the_order_they_are_described_in);
	return tap_done();
}
