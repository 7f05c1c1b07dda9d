/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvpanic as its PCI function, on a bus that only notes what is plugged.
 * links: hw/pvpanic.c device.c state.c util/str.c util/error.c
 */
#include "tests/hw/hw-fake.h"
#include "vmm/pci.h"

static struct pci_ids ids;
static struct pci_dev *plugged;
static struct { enum pci_bar_type type; u64 size; const struct io_ops *ops; } bar0;
static unsigned int live, resets;
static int plug_result;
static u8 config_state;		/* stands for what pci.c saves */

int pci_dev_init(struct pci_dev *pdev, const struct pci_dev_ops *ops, const struct pci_ids *i)
{
	ids = *i;
	live++;
	return 0;
}

int pci_dev_add_bar(struct pci_dev *pdev, unsigned int bar, enum pci_bar_type type, u64 size, const struct io_ops *ops)
{
	if (bar)
		return -EINVAL;
	bar0.type = type;
	bar0.size = size;
	bar0.ops = ops;
	pdev->bar[0].pdev = pdev;
	return 0;
}

int pci_plug(struct pci_host *host, struct pci_dev *pdev, int devfn)
{
	plugged = plug_result ? NULL : pdev;
	return plug_result;
}

void pci_dev_cleanup(struct pci_dev *pdev) { live--; plugged = NULL; }
void pci_dev_reset(struct pci_dev *pdev) { resets++; }
void pci_dev_save(struct pci_dev *pdev, struct state_writer *w) { state_put_u8(w, config_state); }

int pci_dev_load(struct pci_dev *pdev, struct state_reader *r)
{
	u8 v = state_get_u8(r);

	if (r->error)
		return r->error;
	config_state = v;
	return 0;
}

static void setup(void)
{
	fake_vm();
	live = resets = 0;
	plug_result = 0;
	if (pvpanic_pci_create(&vm) < 0)
		abort();
}

static void teardown(void)
{
	devices_free(&vm);
}

static void write_at(u64 off, u8 v)
{
	bar0.ops->write(&plugged->bar[0].region, off, v, 1);
}

TEST(function_has_the_ids_drivers_know)
{
	setup();
	CHECK_EQ(ids.vendor, 0x1b36);
	CHECK_EQ(ids.device, 0x0011);
	CHECK_EQ(ids.class_code, 0x088000);
	CHECK_EQ(ids.pin, 0);
	CHECK_EQ(bar0.type, PCI_BAR_MEM32);
	CHECK_EQ(bar0.size, 16);
	CHECK_EQ(bar0.ops->sizes, 1);
	teardown();
}

TEST(reading_tells_the_events_it_takes)
{
	unsigned int i;

	setup();
	CHECK_EQ(bar0.ops->read(&plugged->bar[0].region, 0, 1), 3);
	for (i = 1; i < 16; i++)
		CHECK_EQ(bar0.ops->read(&plugged->bar[0].region, i, 1), 0);
	teardown();
}

TEST(panicked_is_told)
{
	setup();
	write_at(0, 1);
	CHECK_EQ(panics, 1);
	write_at(0, 3);
	CHECK_EQ(panics, 2);
	teardown();
}

TEST(crash_kernel_is_left_to_run_and_told)
{
	setup();
	write_at(0, 2);
	CHECK_EQ(panics, 0);
	CHECK_EQ(told.count, 1);
	CHECK_EQ(told.kind, VM_EVENT_PANIC);
	CHECK_EQ(asked.count, 0);
	teardown();
}

TEST(other_bits_and_bytes_are_ignored)
{
	unsigned int i;

	setup();
	write_at(0, 0xfc);
	write_at(0, 0);
	for (i = 1; i < 16; i++)
		write_at(i, 1);
	CHECK_EQ(panics + told.count + asked.count, 0);
	teardown();
}

TEST(state_is_that_of_the_function)
{
	struct state_writer w;

	setup();
	config_state = 5;
	dev_save(&w);
	config_state = 0;
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK_EQ(config_state, 5);
	CHECK(truncations_refused());
	dev_reset();
	CHECK_EQ(resets, 1);
	state_writer_free(&w);
	teardown();
	CHECK_EQ(live, 0);
}

TEST(full_bus_leaves_nothing)
{
	fake_vm();
	live = 0;
	plug_result = -ENOSPC;
	CHECK_EQ(pvpanic_pci_create(&vm), -ENOSPC);
	CHECK_EQ(live, 0);
	CHECK(nothing_left());
}

int main(void)
{
	RUN(function_has_the_ids_drivers_know);
	RUN(reading_tells_the_events_it_takes);
	RUN(panicked_is_told);
	RUN(crash_kernel_is_left_to_run_and_told);
	RUN(other_bits_and_bytes_are_ignored);
	RUN(state_is_that_of_the_function);
	RUN(full_bus_leaves_nothing);
	return tap_done();
}
