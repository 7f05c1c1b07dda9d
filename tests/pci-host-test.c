/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways into config space (ECAM, CF8/CFC), the host bridge, and the all-ones slots over absent functions.
 *
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vmm/pci.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pci-fake.h"
#include "uapi/lkvm/ones.h"

/* Stands for /dev/lkvm_ones; everything else is what it was. */
enum { ECAM_BUSES = 4 };	/* as in pci-fake.h */
static bool has_module;

int open(const char *path, int flags, ...)
{
	int fd;

	if (strcmp(path, LKVM_ONES_PATH))
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
	errno = ENOENT;
	if (!has_module)
		return -1;
	fd = memfd_create("ones", MFD_CLOEXEC);
	return fd < 0 || ftruncate(fd, (off_t)ECAM_BUSES << 20) < 0 ? -1 : fd;
}

static u64 ecam(u8 bus, u8 devfn, unsigned int off)
{
	return ECAM + ((u64)bus << 20) + ((u64)devfn << 12) + off;
}

/* The used slot over @gpa: its number, or -1. */
static int slot_over(u64 gpa)
{
	int i, found = -1;

	pthread_mutex_lock(&fake.lock);
	for (i = 0; i < FAKE_SLOTS; i++)
		if (fake.slot[i].used && gpa >= fake.slot[i].gpa && gpa - fake.slot[i].gpa < fake.slot[i].size)
			found = i;
	pthread_mutex_unlock(&fake.lock);
	return found;
}

static unsigned int slots(void)
{
	return fake.slot_adds - fake.slot_dels;
}

TEST(bridge_is_function_0_and_a_host_bridge)
{
	struct vm *vm = fake_vm();

	CHECK_EQ(mem_read(vm, ecam(0, 0, 0), 4), 0x00081b36);
	CHECK_EQ(mem_read(vm, ecam(0, 0, 8), 4), 0x06000000);
	CHECK_EQ(mem_read(vm, ecam(0, 0, 0x0e), 1), 0);
	mem_write(vm, ecam(0, 0, 0x10), 4, 0xffffffff);
	CHECK_EQ(mem_read(vm, ecam(0, 0, 0x10), 4), 0);
	CHECK(vm->pci);
	CHECK_EQ(pci_host_config(vm->pci)->ecam_base, ECAM);
	CHECK(device_find(vm, DEV_PCI_HOST, 0));
	fake_vm_free(vm);
}

TEST(ecam_reaches_functions_by_address)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;

	fake_dev_init(&d, 1);
	pci_plug(vm->pci, &d.pdev, 0x2b);
	CHECK_EQ(mem_read(vm, ecam(0, 0x2b, 0), 4), 0x56781234);
	CHECK_EQ(mem_read(vm, ecam(0, 0x2b, 2), 2), 0x5678);
	CHECK_EQ(mem_read(vm, ecam(0, 0x2b, 3), 1), 0x56);
	mem_write(vm, ecam(0, 0x2b, 0x3c), 1, 0x42);
	CHECK_EQ(mem_read(vm, ecam(0, 0x2b, 0x3c), 1), 0x42);
	CHECK_EQ(mem_read(vm, ecam(1, 0x2b, 0), 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, ecam(0, 0x2b, 0x100), 4), 0xffffffff);
	pci_dev_cleanup(&d.pdev);
	fake_vm_free(vm);
}

TEST(ecam_accesses_of_odd_size_and_alignment_are_cut)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;

	fake_dev_init(&d, 1);
	pci_plug(vm->pci, &d.pdev, 8);
	CHECK_EQ(mem_read(vm, ecam(0, 8, 0), 8), 0x0000000056781234);
	CHECK_EQ(mem_read(vm, ecam(0, 8, 1), 2), 0x7812);
	mem_write(vm, ecam(0, 8, 0x39), 8, 0x1111111111111111ULL);
	CHECK_EQ(mem_read(vm, ecam(0, 8, 0x3c), 2), 0x0111);
	/* over the end of a function into the next */
	CHECK_EQ(mem_read(vm, ecam(0, 7, 0xffe), 4), 0x1234ffff);
	pci_dev_cleanup(&d.pdev);
	fake_vm_free(vm);
}

/* [pci-3.0 3.2.2.3.2] */
TEST(mechanism_1_reaches_functions_through_the_ports)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;

	fake_dev_init(&d, 1);
	pci_plug(vm->pci, &d.pdev, 0x2b);
	port_write(vm, 0xcf8, 4, 0x80000000 | 0x2b << 8);
	CHECK_EQ(port_read(vm, 0xcf8, 4), 0x80002b00);
	CHECK_EQ(port_read(vm, 0xcfc, 4), 0x56781234);
	CHECK_EQ(port_read(vm, 0xcfe, 2), 0x5678);
	CHECK_EQ(port_read(vm, 0xcff, 1), 0x56);
	CHECK_EQ(port_read(vm, 0xcfd, 2), 0x7812);
	port_write(vm, 0xcf8, 4, 0x80000000 | 0x2b << 8 | 0x3c);
	port_write(vm, 0xcfc, 1, 0x99);
	CHECK_EQ(mem_read(vm, ecam(0, 0x2b, 0x3c), 1), 0x99);
	/* another bus, another device */
	port_write(vm, 0xcf8, 4, 0x80000000 | 1 << 16 | 0x2b << 8);
	CHECK_EQ(port_read(vm, 0xcfc, 4), 0xffffffff);
	port_write(vm, 0xcf8, 4, 0x80000000 | 0x2c << 8);
	CHECK_EQ(port_read(vm, 0xcfc, 2), 0xffff);
	pci_dev_cleanup(&d.pdev);
	fake_vm_free(vm);
}

/* [pci-3.0 3.2.2.3.2] only dwords are for CONFIG_ADDRESS; reserved bits read 0 */
TEST(config_address_takes_dwords_only_and_masks_them)
{
	struct vm *vm = fake_vm();

	port_write(vm, 0xcf8, 4, 0xffffffff);
	CHECK_EQ(port_read(vm, 0xcf8, 4), 0x80fffffc);
	port_write(vm, 0xcf8, 1, 0);
	port_write(vm, 0xcfa, 2, 0);
	port_write(vm, 0xcfb, 1, 0);
	CHECK_EQ(port_read(vm, 0xcf8, 4), 0x80fffffc);
	CHECK_EQ(port_read(vm, 0xcf8, 2), 0xffff);
	CHECK_EQ(port_read(vm, 0xcf9, 1), 0xff);
	fake_vm_free(vm);
}

static u64 reset_read(struct io_region *r, u64 off, unsigned int size)
{
	return 0x06;
}

TEST(reset_control_at_cf9_does_not_cut_config_address)
{
	static const struct io_ops ops = { .read = reset_read, .sizes = 1 };
	struct vm *vm = fake_vm_with(NULL);
	struct io_region reset = { .name = "reset" };

	CHECK_EQ(io_map_region(vm, &reset, IO_PORT, 0xcf9, 1, &ops, "reset"), 0);
	CHECK_EQ(pci_host_create(vm, &fake_host_config), 0);
	port_write(vm, 0xcf8, 4, 0x80000000);
	CHECK_EQ(port_read(vm, 0xcf8, 4), 0x80000000);
	CHECK_EQ(port_read(vm, 0xcf9, 1), 0x06);
	CHECK_EQ(port_read(vm, 0xcfc, 4), 0x00081b36);
	fake_vm_free(vm);
}

TEST(config_data_is_nobody_while_not_enabled)
{
	struct vm *vm = fake_vm();

	port_write(vm, 0xcf8, 4, 0x3c);
	CHECK_EQ(port_read(vm, 0xcfc, 4), 0xffffffff);
	port_write(vm, 0xcfc, 1, 0x55);
	port_write(vm, 0xcf8, 4, 0x8000003c);
	CHECK_EQ(port_read(vm, 0xcfc, 1), 0);
	fake_vm_free(vm);
}

TEST(ports_are_nobody_without_mechanism_1)
{
	struct pci_host_config cfg = fake_host_config;
	struct vm *vm;

	cfg.cf8 = false;
	vm = fake_vm_with(&cfg);
	port_write(vm, 0xcf8, 4, 0x80000000);
	CHECK_EQ(port_read(vm, 0xcf8, 4), 0xffffffff);
	CHECK_EQ(port_read(vm, 0xcfc, 4), 0xffffffff);
	fake_vm_free(vm);
}

/* --- all-ones slots --- */

TEST(nothing_is_mapped_before_the_first_read_of_an_absent_function)
{
	struct vm *vm = fake_vm();

	mem_read(vm, ecam(0, 0, 0), 4);
	mem_write(vm, ecam(0, 8, 0), 4, 0);	/* a write is no reason */
	CHECK_EQ(fake.slot_adds, 0);
	fake_vm_free(vm);
}

TEST(first_absent_read_maps_ones_over_the_whole_gap)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;
	int slot;
	u64 i;

	fake_dev_init(&d, 1);
	pci_plug(vm->pci, &d.pdev, 0x20);
	CHECK_EQ(mem_read(vm, ecam(0, 0x10, 0), 4), 0xffffffff);
	CHECK_EQ(fake.slot_adds, 1);
	slot = slot_over(ecam(0, 0x10, 0));
	CHECK(slot >= 0);
	CHECK_EQ(fake.slot[slot].gpa, ecam(0, 1, 0));
	CHECK_EQ(fake.slot[slot].size, 0x1f * 4096);
	for (i = 0; i < fake.slot[slot].size; i++)
		if (fake.slot[slot].hva[i] != 0xff)
			break;
	CHECK_EQ(i, fake.slot[slot].size);
	CHECK_EQ(slot_over(ecam(0, 0, 0)), -1);
	CHECK_EQ(slot_over(ecam(0, 0x20, 0)), -1);
	/* two vCPUs may come with the same gap: the second changes nothing */
	CHECK_EQ(mem_read(vm, ecam(0, 0x11, 0), 4), 0xffffffff);
	CHECK_EQ(fake.slot_adds, 1);
	CHECK_EQ(mem_read(vm, ecam(0, 0x21, 0), 4), 0xffffffff);
	slot = slot_over(ecam(0, 0xff, 0xfff));
	CHECK(slot >= 0);
	CHECK_EQ(fake.slot[slot].gpa, ecam(0, 0x21, 0));
	CHECK_EQ(slot_over(ecam(1, 0, 0)), -1);
	pci_dev_cleanup(&d.pdev);
	fake_vm_free(vm);
	CHECK_EQ(slots(), 0);
}

TEST(a_scan_of_everything_costs_one_exit_a_gap)
{
	struct vm *vm = fake_vm();
	static struct fake_dev d[3];
	unsigned int bus, devfn, exits = 0, i;

	for (i = 0; i < 3; i++) {
		fake_dev_init(&d[i], i);
		pci_plug(vm->pci, &d[i].pdev, (int)(i + 2) * 24);
	}
	for (bus = 0; bus < 4; bus++) {
		for (devfn = 0; devfn < 256; devfn++) {
			if (slot_over(ecam((u8)bus, (u8)devfn, 0)) >= 0)
				continue;
			exits++;
			mem_read(vm, ecam((u8)bus, (u8)devfn, 0), 4);
		}
	}
	CHECK_EQ(exits, 4 + 4 + 3);	/* functions, gaps on bus 0, other buses */
	CHECK_EQ(slots(), 4 + 3);
	for (i = 0; i < 3; i++)
		pci_dev_cleanup(&d[i].pdev);
	fake_vm_free(vm);
}

TEST(a_write_under_a_slot_is_dropped)
{
	struct vm *vm = fake_vm();
	int slot;

	mem_read(vm, ecam(0, 8, 0), 4);
	slot = slot_over(ecam(0, 8, 0));
	mem_write(vm, ecam(0, 8, 0), 4, 0);
	CHECK_EQ(get_le32(fake.slot[slot].hva), 0xffffffff);
	CHECK_EQ(fake.slot_adds, 1);
	fake_vm_free(vm);
}

TEST(a_plugged_function_is_not_hidden_by_a_slot)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;

	mem_read(vm, ecam(0, 8, 0), 4);
	CHECK_EQ(slots(), 1);
	fake_dev_init(&d, 1);
	CHECK_EQ(pci_plug(vm->pci, &d.pdev, 0x40), 0);
	CHECK_EQ(slot_over(ecam(0, 0x40, 0)), -1);
	CHECK_EQ(mem_read(vm, ecam(0, 0x40, 0), 4), 0x56781234);
	/* both remains of the gap come back on demand */
	mem_read(vm, ecam(0, 0x3f, 0), 4);
	mem_read(vm, ecam(0, 0x41, 0), 4);
	CHECK_EQ(slots(), 2);
	CHECK_EQ(fake.slot[slot_over(ecam(0, 0x3f, 0))].gpa, ecam(0, 1, 0));
	CHECK_EQ(fake.slot[slot_over(ecam(0, 0x3f, 0))].size, 0x3f * 4096);
	/* gone again: its own place is a gap between slots */
	pci_dev_cleanup(&d.pdev);
	CHECK_EQ(mem_read(vm, ecam(0, 0x40, 0), 4), 0xffffffff);
	CHECK_EQ(slots(), 3);
	CHECK_EQ(fake.slot[slot_over(ecam(0, 0x40, 0))].size, 4096);
	fake_vm_free(vm);
	CHECK_EQ(slots(), 0);
}

TEST(plugging_and_unplugging_for_ever_leaks_no_slot)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;
	unsigned int i;

	for (i = 0; i < 2000; i++) {
		fake_dev_init(&d, 1);
		CHECK_EQ(pci_plug(vm->pci, &d.pdev, (int)(1 + i * 37 % 255)), 0);
		mem_read(vm, ecam(0, (u8)(i * 11), 0), 4);
		pci_dev_cleanup(&d.pdev);
		mem_read(vm, ecam(0, (u8)(i * 13), 0), 4);
		CHECK(slots() <= 256);
	}
	fake_vm_free(vm);
	CHECK_EQ(slots(), 0);
}

TEST(every_other_function_fits_the_table_of_slots)
{
	struct vm *vm = fake_vm();
	static struct fake_dev d[127];
	unsigned int i;

	for (i = 0; i < 127; i++) {
		fake_dev_init(&d[i], i);
		CHECK_EQ(pci_plug(vm->pci, &d[i].pdev, (int)(i + 1) * 2), 0);
	}
	for (i = 0; i < 256; i++)
		mem_read(vm, ecam(0, (u8)i, 0), 4);
	for (i = 1; i < 4; i++)
		mem_read(vm, ecam((u8)i, 0, 0), 4);
	CHECK_EQ(slots(), 128 + 3);
	for (i = 0; i < 127; i++)
		pci_dev_cleanup(&d[i].pdev);
	fake_vm_free(vm);
	CHECK_EQ(slots(), 0);
}

TEST(a_gap_broken_into_single_functions_stays_inside_the_table)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;
	unsigned int i;

	for (i = 1; i < 256; i++) {
		fake_dev_init(&d, 1);
		CHECK_EQ(pci_plug(vm->pci, &d.pdev, (int)i), 0);
		mem_read(vm, ecam(0, (u8)(i - 1), 0), 4);
		mem_read(vm, ecam(0, (u8)(i + 1), 0), 4);
		pci_dev_cleanup(&d.pdev);
		CHECK_EQ(mem_read(vm, ecam(0, (u8)i, 0), 4), 0xffffffff);
	}
	CHECK_EQ(slots(), 128 + 4);	/* the table's room: the rest is answered each time */
	fake_vm_free(vm);
	CHECK_EQ(slots(), 0);
}

/* With the module, the further buses are one gap from the first read on, and bus 0 as ever. */
TEST(with_the_module_one_slot_covers_all_further_buses)
{
	struct vm *vm;
	struct fake_dev d;
	const u8 *ones;
	int slot;

	has_module = true;
	vm = fake_vm();
	has_module = false;
	CHECK_EQ(fake.slot_adds, 0);
	CHECK_EQ(mem_read(vm, ecam(3, 0x55, 0), 4), 0xffffffff);
	CHECK_EQ(fake.slot_adds, 1);
	slot = slot_over(ecam(1, 0, 0));
	CHECK(slot >= 0);
	CHECK_EQ(fake.slot[slot].gpa, ecam(1, 0, 0));
	CHECK_EQ(fake.slot[slot].size, (u64)(ECAM_BUSES - 1) << 20);
	ones = fake.slot[slot].hva;
	CHECK_EQ(mem_read(vm, ecam(3, 0xff, 0), 4), 0xffffffff);
	CHECK_EQ(fake.slot_adds, 1);
	CHECK_EQ(mem_read(vm, ecam(0, 0x10, 0), 4), 0xffffffff);
	slot = slot_over(ecam(0, 0x10, 0));
	CHECK(slot >= 0);
	CHECK_EQ(fake.slot[slot].gpa, ecam(0, 1, 0));
	CHECK_EQ(fake.slot[slot].size, 0xff * 4096);
	CHECK_EQ(ones - fake.slot[slot].hva, 0xff * 4096);	/* as far apart as for the guest */
	/* A function that comes has its own place alone taken out. */
	fake_dev_init(&d, 1);
	pci_plug(vm->pci, &d.pdev, 0x20);
	CHECK_EQ(slot_over(ecam(0, 0x20, 0)), -1);
	CHECK(slot_over(ecam(2, 0x20, 0)) >= 0);
	pci_dev_cleanup(&d.pdev);
	fake_vm_free(vm);
	CHECK_EQ(slots(), 0);
}

TEST(without_read_only_slots_absent_functions_are_answered_each_time)
{
	struct vm *vm = fake_vm();

	fake.no_readonly = true;
	CHECK_EQ(mem_read(vm, ecam(0, 8, 0), 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, ecam(0, 8, 0), 4), 0xffffffff);
	fake.no_readonly = false;
	CHECK_EQ(mem_read(vm, ecam(0, 8, 0), 4), 0xffffffff);
	CHECK_EQ(fake.slot_adds, 0);	/* asked once only */
	fake_vm_free(vm);
}

TEST(a_refused_slot_is_not_asked_for_again)
{
	struct vm *vm = fake_vm();

	fake.slot_error = -ENOSPC;
	CHECK_EQ(mem_read(vm, ecam(0, 8, 0), 4), 0xffffffff);
	fake.slot_error = 0;
	CHECK_EQ(mem_read(vm, ecam(0, 8, 0), 4), 0xffffffff);
	CHECK_EQ(fake.slot_adds, 0);
	fake_vm_free(vm);
}

/* --- the device --- */

TEST(host_that_cannot_be_mapped_is_refused)
{
	struct pci_host_config cfg = fake_host_config;
	struct vm *vm = fake_vm_with(NULL);

	cfg.ecam_buses = 0;	/* an empty region */
	CHECK_EQ(pci_host_create(vm, &cfg), -EINVAL);
	CHECK(!vm->pci);
	CHECK(list_empty(&vm->devices));
	CHECK_EQ(vm->io[IO_MMIO].nr_regions, 0);
	fake_vm_free(vm);
}

TEST(reset_and_state_cover_the_address_register)
{
	struct vm *vm = fake_vm();
	struct state_writer w = { 0 };
	struct state_reader r;
	struct error err;

	port_write(vm, 0xcf8, 4, 0x8000083c);
	CHECK_EQ(devices_save(vm, &w, &err), 0);
	devices_reset(vm);
	CHECK_EQ(port_read(vm, 0xcf8, 4), 0);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(devices_load(vm, &r, &err), 0);
	CHECK_EQ(port_read(vm, 0xcf8, 4), 0x8000083c);
	state_reader_init(&r, w.buf.s, w.buf.len - 1);
	CHECK(devices_load(vm, &r, &err) < 0);
	state_writer_free(&w);
	fake_vm_free(vm);
}

/* vCPUs scan while the main thread plugs and unplugs. */
static _Atomic bool stop;
static _Atomic unsigned int bad;

static void *scan(void *arg)
{
	struct vcpu *vcpu = arg;
	u32 val, n = 0;
	u8 data[4];

	fake_current = vcpu;
	while (!atomic_load(&stop)) {
		mmio_access(vcpu, ecam(0, (u8)n++, 0), data, 4, false);
		val = get_le32(data);
		if (val != 0xffffffff && val != 0x56781234 && val != 0x00081b36)
			atomic_fetch_add(&bad, 1);
	}
	return NULL;
}

TEST(scanning_while_devices_come_and_go)
{
	struct vm *vm = fake_vm();
	struct fake_dev d;
	pthread_t thread[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, scan, &vm->vcpu[i + 1]);
	for (i = 0; i < 3000; i++) {
		fake_dev_init(&d, 1);
		if (pci_plug(vm->pci, &d.pdev, (int)(1 + i % 255)) < 0)
			atomic_fetch_add(&bad, 1);
		if (slot_over(ecam(0, (u8)(1 + i % 255), 0)) >= 0)
			atomic_fetch_add(&bad, 1);
		pci_dev_cleanup(&d.pdev);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(atomic_load(&bad), 0);
	fake_vm_free(vm);
	CHECK_EQ(slots(), 0);
}

int main(void)
{
	RUN(bridge_is_function_0_and_a_host_bridge);
	RUN(ecam_reaches_functions_by_address);
	RUN(ecam_accesses_of_odd_size_and_alignment_are_cut);
	RUN(mechanism_1_reaches_functions_through_the_ports);
	RUN(config_address_takes_dwords_only_and_masks_them);
	RUN(reset_control_at_cf9_does_not_cut_config_address);
	RUN(config_data_is_nobody_while_not_enabled);
	RUN(ports_are_nobody_without_mechanism_1);
	RUN(nothing_is_mapped_before_the_first_read_of_an_absent_function);
	RUN(first_absent_read_maps_ones_over_the_whole_gap);
	RUN(a_scan_of_everything_costs_one_exit_a_gap);
	RUN(a_write_under_a_slot_is_dropped);
	RUN(a_plugged_function_is_not_hidden_by_a_slot);
	RUN(plugging_and_unplugging_for_ever_leaks_no_slot);
	RUN(every_other_function_fits_the_table_of_slots);
	RUN(a_gap_broken_into_single_functions_stays_inside_the_table);
	RUN(with_the_module_one_slot_covers_all_further_buses);
	RUN(without_read_only_slots_absent_functions_are_answered_each_time);
	RUN(a_refused_slot_is_not_asked_for_again);
	RUN(host_that_cannot_be_mapped_is_refused);
	RUN(reset_and_state_cover_the_address_register);
	RUN(scanning_while_devices_come_and_go);
	return tap_done();
}
