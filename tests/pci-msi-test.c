/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI and MSI-X: registers, masks, pending bits, what is sent when, and eventfds that follow it.
 *
 * links: pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vmm/pci.h"

#include <sched.h>

#include "pci-fake.h"
#include "vfio/heard.h"
#include "vmm/event.h"

enum {
	FN = 8,
	BAR0 = 0x10,
	CAP = 0x40,		/* the only capability */
	TABLE = 0x100,
	PBA = 0x1000,
	VECTORS = 70,		/* two words of PBA */
	GSI_INTX = 17,
	MSIX_ENABLE = 0x8000,
	MSIX_MASK = 0x4000,
};

#define BAR 0x80000000ULL

static u32 cr(struct vm *vm, unsigned int off, unsigned int size)
{
	return pci_config_read(vm->pci, 0, FN, off, size);
}

static void cw(struct vm *vm, unsigned int off, unsigned int size, u32 val)
{
	pci_config_write(vm->pci, 0, FN, off, size, val);
}

static struct vm *plugged(struct fake_dev *d)
{
	struct vm *vm = fake_vm();

	if (pci_plug(vm->pci, &d->pdev, -1) < 0)
		abort();
	cw(vm, BAR0, 4, (u32)BAR);
	cw(vm, 4, 2, 2);
	return vm;
}

static struct vm *msix_device(struct fake_dev *d)
{
	fake_dev_init(d, 0);
	pci_dev_add_bar(&d->pdev, 0, PCI_BAR_MEM32, 8192, &pci_msix_io);
	if (pci_dev_add_msix(&d->pdev, VECTORS, 0, TABLE, PBA) < 0)
		abort();
	return plugged(d);
}

static void finish(struct vm *vm, struct fake_dev *d)
{
	pci_dev_cleanup(&d->pdev);
	fake_vm_free(vm);
}

static u64 entry(unsigned int vector, unsigned int dword)
{
	return BAR + TABLE + vector * 16 + dword * 4;
}

static void program(struct vm *vm, unsigned int vector, u64 addr, u32 data, u32 control)
{
	mem_write(vm, entry(vector, 0), 4, (u32)addr);
	mem_write(vm, entry(vector, 1), 4, (u32)(addr >> 32));
	mem_write(vm, entry(vector, 2), 4, data);
	mem_write(vm, entry(vector, 3), 4, control);
}

static void control(struct vm *vm, u16 val)
{
	cw(vm, CAP + 2, 2, val);
}

static bool pba(struct vm *vm, unsigned int vector)
{
	return mem_read(vm, BAR + PBA + vector / 64 * 8, 8) >> vector % 64 & 1;
}

/* --- MSI-X registers [pci-3.0 6.8.2] --- */

TEST(msix_capability_tells_size_and_places_and_is_read_only)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	CHECK_EQ(cr(vm, 0x34, 1), CAP);
	CHECK_EQ(cr(vm, CAP, 4), (VECTORS - 1) << 16 | 0x11);
	CHECK_EQ(cr(vm, CAP + 4, 4), TABLE);
	CHECK_EQ(cr(vm, CAP + 8, 4), PBA);
	cw(vm, CAP, 4, 0xffffffff);
	cw(vm, CAP + 4, 4, 0xffffffff);
	cw(vm, CAP + 8, 4, 0xffffffff);
	CHECK_EQ(cr(vm, CAP, 4), 0xc0000000 | (VECTORS - 1) << 16 | 0x11);
	CHECK_EQ(cr(vm, CAP + 4, 4), TABLE);
	CHECK_EQ(cr(vm, CAP + 8, 4), PBA);
	CHECK_EQ(pci_msix_vectors(&d.pdev), VECTORS);
	finish(vm, &d);
}

TEST(msix_that_does_not_fit_is_refused)
{
	struct fake_dev d;

	fake_dev_init(&d, 0);
	pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM32, 8192, NULL);
	pci_dev_add_bar(&d.pdev, 1, PCI_BAR_IO, 256, NULL);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 0, 0, 0, 4096), -EINVAL);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 2049, 0, 0, 4096), -EINVAL);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 1, 1, 0, 128), -EINVAL);		/* I/O */
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 1, 2, 0, 128), -EINVAL);		/* no BAR */
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 1, 6, 0, 128), -EINVAL);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 1, 0, 4, 128), -EINVAL);		/* the low bits are the BAR's number */
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 1, 0, 0, 132), -EINVAL);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 512, 0, 8, 0), -EINVAL);		/* over the end */
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 1, 0, 0, 8192), -EINVAL);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 1, 0, 0xfffffff8, 0), -EINVAL);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 2, 0, 0, 24), -EINVAL);		/* one over the other */
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 2, 0, 32, 24), 0);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 2, 0, 32, 24), -EINVAL);		/* twice */
	pci_dev_cleanup(&d.pdev);
	fake_dev_init(&d, 0);
	pci_dev_add_bar(&d.pdev, 0, PCI_BAR_MEM32, 8192, NULL);
	pci_dev_add_cap(&d.pdev, 9, 0xb8);
	CHECK_EQ(pci_dev_add_msix(&d.pdev, 1, 0, 0, 128), -ENOSPC);
	CHECK_EQ(pci_dev_add_msi(&d.pdev, 1), -ENOSPC);
	CHECK(!d.pdev.msix && !d.pdev.msi);
	pci_dev_cleanup(&d.pdev);
}

TEST(table_entries_start_masked_and_keep_what_is_written)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	CHECK_EQ(mem_read(vm, entry(0, 0), 8), 0);
	CHECK_EQ(mem_read(vm, entry(VECTORS - 1, 3), 4), 1);
	program(vm, 5, 0x1122334455667787ULL, 0xcafe, 0xffffffff);
	CHECK_EQ(mem_read(vm, entry(5, 0), 4), 0x55667784);	/* dword aligned */
	CHECK_EQ(mem_read(vm, entry(5, 1), 4), 0x11223344);
	CHECK_EQ(mem_read(vm, entry(5, 2), 4), 0xcafe);
	CHECK_EQ(mem_read(vm, entry(5, 3), 4), 1);
	CHECK_EQ(mem_read(vm, entry(4, 3), 4), 1);
	CHECK_EQ(mem_read(vm, entry(6, 0), 4), 0);
	CHECK_EQ(d.vector_changes, 4);
	finish(vm, &d);
}

TEST(table_is_accessed_by_qwords_too)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	mem_write(vm, entry(3, 0), 8, 0x11223344fee00000ULL);
	mem_write(vm, entry(3, 2), 8, 0x0000000012345678ULL);
	CHECK_EQ(mem_read(vm, entry(3, 0), 8), 0x11223344fee00000ULL);
	CHECK_EQ(mem_read(vm, entry(3, 2), 8), 0x12345678);
	CHECK_EQ(mem_read(vm, entry(3, 1), 4), 0x11223344);
	finish(vm, &d);
}

TEST(narrow_or_odd_table_accesses_do_no_harm)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	u64 val;

	program(vm, 0, 0xfee01000, 0x4041, 1);
	mem_write(vm, entry(0, 0), 1, 0xaa);
	mem_write(vm, entry(0, 0) + 2, 4, 0xaaaaaaaa);
	CHECK_EQ(mem_read(vm, entry(0, 0), 4), 0xfee01000);
	/* from a BAR of the device's own that takes bytes */
	CHECK(pci_msix_read(&d.pdev, TABLE + 9, 1, &val));
	CHECK_EQ(val, 0x40);
	CHECK(pci_msix_read(&d.pdev, TABLE + 10, 4, &val));
	CHECK_EQ(val, 0xffffffff);
	CHECK(pci_msix_write(&d.pdev, TABLE + 8, 0, 2));
	CHECK(pci_msix_write(&d.pdev, TABLE + 10, 0, 4));
	CHECK_EQ(mem_read(vm, entry(0, 2), 4), 0x4041);
	finish(vm, &d);
}

TEST(outside_of_table_and_pba_is_the_devices)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	u64 val = 7;

	CHECK(!pci_msix_read(&d.pdev, TABLE - 4, 4, &val));
	CHECK(!pci_msix_read(&d.pdev, TABLE + VECTORS * 16, 4, &val));
	CHECK(!pci_msix_write(&d.pdev, TABLE + VECTORS * 16, 0, 4));
	CHECK(!pci_msix_read(&d.pdev, PBA + 16, 4, &val));
	CHECK(!pci_msix_read(&d.pdev, ~0ULL, 4, &val));
	CHECK_EQ(val, 7);
	CHECK(pci_msix_read(&d.pdev, PBA + 8, 8, &val));
	CHECK_EQ(mem_read(vm, BAR, 4), 0);	/* pci_msix_io: nothing else in the BAR */
	mem_write(vm, BAR, 4, 1);
	finish(vm, &d);
}

TEST(msix_accessors_without_msix_do_nothing)
{
	struct fake_dev d;
	u64 val;

	fake_dev_init(&d, 0);
	CHECK(!pci_msix_read(&d.pdev, 0, 4, &val));
	CHECK(!pci_msix_write(&d.pdev, 0, 0, 4));
	CHECK(!pci_msix_enabled(&d.pdev) && !pci_msi_enabled(&d.pdev));
	CHECK_EQ(pci_msix_vectors(&d.pdev), 0);
	CHECK_EQ(pci_msix_irqfd(&d.pdev, 0), -EINVAL);
	pci_msix_notify(&d.pdev, 0);
	pci_msi_notify(&d.pdev, 0);
	pci_dev_cleanup(&d.pdev);
}

/* --- MSI-X delivery --- */

TEST(enabled_unmasked_vector_sends_its_message)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	program(vm, 66, 0x1fee01000ULL, 0x4041, 0);
	control(vm, MSIX_ENABLE);
	CHECK(pci_msix_enabled(&d.pdev));
	pci_msix_notify(&d.pdev, 66);
	CHECK_EQ(fake.msgs, 1);
	CHECK_EQ(fake.msg[0].addr, 0x1fee01000ULL);
	CHECK_EQ(fake.msg[0].data, 0x4041);
	CHECK_EQ(fake.msg[0].devid, FN);
	CHECK(!pba(vm, 66));
	finish(vm, &d);
}

TEST(disabled_or_bad_vectors_send_nothing)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	program(vm, 0, 0xfee01000, 0x4041, 0);
	pci_msix_notify(&d.pdev, 0);
	CHECK(!pba(vm, 0));
	control(vm, MSIX_ENABLE);
	pci_msix_notify(&d.pdev, VECTORS);
	pci_msix_notify(&d.pdev, 0xffff);
	pci_msix_notify(&d.pdev, ~0U);
	CHECK_EQ(fake.msgs, 0);
	finish(vm, &d);
}

TEST(masked_vector_is_pending_and_sent_once_on_unmasking)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	program(vm, 65, 0xfee01000, 0x4041, 1);
	control(vm, MSIX_ENABLE);
	pci_msix_notify(&d.pdev, 65);
	pci_msix_notify(&d.pdev, 65);
	CHECK_EQ(fake.msgs, 0);
	CHECK(pba(vm, 65));
	CHECK(!pba(vm, 64));
	CHECK_EQ(mem_read(vm, BAR + PBA + 8, 4), 2);
	CHECK_EQ(mem_read(vm, BAR + PBA + 12, 4), 0);
	mem_write(vm, entry(65, 2), 4, 0x5050);		/* the message of the moment of unmasking counts */
	mem_write(vm, entry(65, 3), 4, 0);
	CHECK_EQ(fake.msgs, 1);
	CHECK_EQ(fake.msg[0].data, 0x5050);
	CHECK(!pba(vm, 65));
	finish(vm, &d);
}

TEST(function_mask_holds_all_vectors)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	program(vm, 0, 0xfee01000, 1, 0);
	program(vm, 1, 0xfee01000, 2, 0);
	program(vm, 2, 0xfee01000, 3, 1);
	control(vm, MSIX_ENABLE | MSIX_MASK);
	pci_msix_notify(&d.pdev, 0);
	pci_msix_notify(&d.pdev, 1);
	pci_msix_notify(&d.pdev, 2);
	CHECK_EQ(fake.msgs, 0);
	CHECK_EQ(mem_read(vm, BAR + PBA, 8), 7);
	mem_write(vm, entry(0, 3), 4, 1);		/* vector bits below the function mask change nothing yet */
	mem_write(vm, entry(0, 3), 4, 0);
	CHECK_EQ(fake.msgs, 0);
	cw(vm, CAP + 3, 1, MSIX_ENABLE >> 8);		/* a byte write */
	CHECK_EQ(fake.msgs, 2);
	CHECK_EQ(mem_read(vm, BAR + PBA, 8), 4);
	finish(vm, &d);
}

TEST(pba_is_read_only)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	control(vm, MSIX_ENABLE);
	pci_msix_notify(&d.pdev, 0);
	mem_write(vm, BAR + PBA, 8, 0xfffffffe);
	CHECK_EQ(mem_read(vm, BAR + PBA, 8), 1);
	finish(vm, &d);
}

TEST(disabling_forgets_what_is_pending)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	program(vm, 0, 0xfee01000, 1, 1);
	control(vm, MSIX_ENABLE);
	pci_msix_notify(&d.pdev, 0);
	CHECK(pba(vm, 0));
	control(vm, 0);
	CHECK(!pba(vm, 0));
	mem_write(vm, entry(0, 3), 4, 0);
	control(vm, MSIX_ENABLE);
	CHECK_EQ(fake.msgs, 0);
	finish(vm, &d);
}

TEST(device_is_told_of_changes)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	control(vm, MSIX_ENABLE);
	CHECK_EQ(d.vector_changes, VECTORS);
	control(vm, MSIX_ENABLE);
	CHECK_EQ(d.vector_changes, VECTORS);
	mem_write(vm, entry(1, 3), 4, 0);
	CHECK_EQ(d.vector_changes, VECTORS + 1);
	finish(vm, &d);
}

/* [pci-3.0 6.8.2.3] with MSI-X on, the pin is not used */
TEST(intx_is_low_while_messages_are_enabled)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	pci_intx_set(&d.pdev, true);
	CHECK(fake.level[GSI_INTX]);
	control(vm, MSIX_ENABLE);
	CHECK(!fake.level[GSI_INTX]);
	CHECK_EQ(cr(vm, 6, 2) & 8, 8);
	control(vm, 0);
	CHECK(fake.level[GSI_INTX]);
	finish(vm, &d);
}

/* --- eventfds --- */

TEST(irqfd_is_joined_only_while_the_vector_is_deliverable)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	int fd = pci_msix_irqfd(&d.pdev, 3);

	CHECK(fd >= 0);
	CHECK_EQ(pci_msix_irqfd(&d.pdev, 3), fd);
	CHECK(fake.route[0].used);
	CHECK_EQ(fake.route[0].fd, -1);
	program(vm, 3, 0xfee02000, 0x41, 0);
	CHECK_EQ(fake.route[0].fd, -1);
	control(vm, MSIX_ENABLE);
	CHECK_EQ(fake.route[0].fd, fd);
	CHECK_EQ(fake.route[0].msg.addr, 0xfee02000);
	CHECK_EQ(fake.route[0].msg.data, 0x41);
	CHECK_EQ(fake.route[0].msg.devid, FN);
	mem_write(vm, entry(3, 3), 4, 1);
	CHECK_EQ(fake.route[0].fd, -1);
	mem_write(vm, entry(3, 2), 4, 0x42);
	mem_write(vm, entry(3, 3), 4, 0);
	CHECK_EQ(fake.route[0].fd, fd);
	CHECK_EQ(fake.route[0].msg.data, 0x42);
	mem_write(vm, entry(3, 2), 4, 0x43);		/* unmasked: undefined by the document; followed */
	CHECK_EQ(fake.route[0].msg.data, 0x43);
	control(vm, MSIX_ENABLE | MSIX_MASK);
	CHECK_EQ(fake.route[0].fd, -1);
	control(vm, MSIX_ENABLE);
	CHECK_EQ(fake.route[0].fd, fd);
	control(vm, 0);
	CHECK_EQ(fake.route[0].fd, -1);
	finish(vm, &d);
	CHECK(!fake.route[0].used);
}

TEST(signal_while_masked_is_pending_and_sent_on_unmasking)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	int fd = pci_msix_irqfd(&d.pdev, 3);

	program(vm, 3, 0xfee02000, 0x41, 1);
	control(vm, MSIX_ENABLE);
	CHECK(!pba(vm, 3));
	eventfd_signal(fd);
	CHECK(pba(vm, 3));
	CHECK(!eventfd_drain(fd));	/* it lives in the PBA now */
	CHECK_EQ(fake.msgs, 0);
	eventfd_signal(fd);
	mem_write(vm, entry(3, 3), 4, 0);
	CHECK_EQ(fake.msgs, 1);
	CHECK_EQ(fake.msg[0].data, 0x41);
	CHECK(!eventfd_drain(fd));
	CHECK(!pba(vm, 3));
	/* and without anyone having looked */
	mem_write(vm, entry(3, 3), 4, 1);
	eventfd_signal(fd);
	mem_write(vm, entry(3, 3), 4, 0);
	CHECK_EQ(fake.msgs, 2);
	finish(vm, &d);
}

TEST(signal_while_disabled_is_dropped)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	int fd = pci_msix_irqfd(&d.pdev, 3);

	program(vm, 3, 0xfee02000, 0x41, 0);
	eventfd_signal(fd);
	CHECK(!pba(vm, 3));
	eventfd_signal(fd);
	control(vm, MSIX_ENABLE);
	CHECK_EQ(fake.msgs, 0);
	CHECK(!eventfd_drain(fd));
	finish(vm, &d);
}

TEST(irqfds_without_a_route_are_refused)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	unsigned int i;

	CHECK_EQ(pci_msix_irqfd(&d.pdev, VECTORS), -EINVAL);
	for (i = 0; i < FAKE_ROUTES; i++)
		CHECK(pci_msix_irqfd(&d.pdev, i) >= 0);
	CHECK_EQ(pci_msix_irqfd(&d.pdev, i), -ENOSPC);
	control(vm, MSIX_ENABLE);
	finish(vm, &d);
	for (i = 0; i < FAKE_ROUTES; i++)
		CHECK(!fake.route[i].used);
}

/* Then whoever asked has to come by us with each interrupt. */
TEST(irqfds_that_kvm_does_not_take_are_refused)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	fake.irqfd_error = -EINVAL;
	CHECK_EQ(pci_msix_irqfd(&d.pdev, 3), -EINVAL);
	CHECK(!fake.route[0].used);
	program(vm, 3, 0xfee02000, 0x41, 0);
	control(vm, MSIX_ENABLE);
	CHECK_EQ(pci_msix_irqfd(&d.pdev, 3), -EINVAL);
	pci_msix_notify(&d.pdev, 3);
	CHECK_EQ(fake.msgs, 1);
	fake.irqfd_error = 0;
	CHECK(pci_msix_irqfd(&d.pdev, 3) >= 0);
	CHECK_EQ(fake.route[0].msg.data, 0x41);
	/* A message that cannot be a route: the same. */
	fake.refused_addr = 0xbad000;
	program(vm, 4, 0xbad000, 0x42, 0);
	CHECK_EQ(pci_msix_irqfd(&d.pdev, 4), -EINVAL);
	program(vm, 4, 0xfee02000, 0x42, 0);
	CHECK(pci_msix_irqfd(&d.pdev, 4) >= 0);
	CHECK_EQ(fake.route[1].msg.data, 0x42);
	finish(vm, &d);
}

TEST(message_kvm_refuses_goes_nowhere_until_a_better_one)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	int fd = pci_msix_irqfd(&d.pdev, 0);

	control(vm, MSIX_ENABLE);
	fake.refused_addr = 0xbad000;
	program(vm, 0, 0xfee02000, 0x41, 0);
	CHECK_EQ(fake.route[0].fd, fd);
	mem_write(vm, entry(0, 0), 4, 0xbad000);
	CHECK_EQ(fake.route[0].fd, -1);
	mem_write(vm, entry(0, 0), 4, 0xfee03000);
	CHECK_EQ(fake.route[0].fd, fd);
	CHECK_EQ(fake.route[0].msg.addr, 0xfee03000);
	finish(vm, &d);
}

TEST(vector_that_the_host_cannot_join_again_is_told_by_name)
{
	struct hearing h;
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	int fd = pci_msix_irqfd(&d.pdev, 5);
	const char *said;

	snprintf(d.pdev.dev.name, sizeof(d.pdev.dev.name), "card");
	control(vm, MSIX_ENABLE);
	program(vm, 5, 0xfee02000, 0x41, 0);
	fake.refused_addr = 0xbad000;
	hear(&h, LOG_WARNING);
	mem_write(vm, entry(5, 0), 4, 0xbad000);	/* the guest's own doing */
	CHECK_STR(heard(&h), "");
	mem_write(vm, entry(5, 0), 4, 0xfee02000);
	CHECK_EQ(fake.route[0].fd, fd);
	mem_write(vm, entry(5, 3), 4, 1);
	fake.irqfd_error = -ENOMEM;
	hear(&h, LOG_WARNING);
	mem_write(vm, entry(5, 3), 4, 0);
	said = heard(&h);
	CHECK(strstr(said, "card: vector 5 gives no interrupts") && strstr(said, strerror(ENOMEM)));
	CHECK_EQ(fake.route[0].fd, -1);
	fake.irqfd_error = 0;
	hear(&h, LOG_WARNING);
	mem_write(vm, entry(5, 3), 4, 1);
	mem_write(vm, entry(5, 3), 4, 0);		/* and comes back */
	CHECK_STR(heard(&h), "");
	CHECK_EQ(fake.route[0].fd, fd);
	fake.route_error = -ENOSPC;
	hear(&h, LOG_WARNING);
	mem_write(vm, entry(5, 2), 4, 0x42);
	said = heard(&h);
	CHECK(strstr(said, "card: vector 5: no route") && strstr(said, strerror(ENOSPC)));
	CHECK_EQ(fake.route[0].fd, -1);
	fake.route_error = 0;
	finish(vm, &d);
}

TEST(reprogramming_for_ever_takes_no_more_routes)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	unsigned int i, used = 0;

	pci_msix_irqfd(&d.pdev, 0);
	for (i = 0; i < 1000; i++) {
		program(vm, 0, 0xfee00000 + i * 4096, i, i & 1);
		control(vm, i % 3 ? MSIX_ENABLE : 0);
	}
	for (i = 0; i < FAKE_ROUTES; i++)
		used += fake.route[i].used;
	CHECK_EQ(used, 1);
	finish(vm, &d);
}

/* --- MSI [pci-3.0 6.8.1] --- */

enum { MSI_CTL = CAP + 2, MSI_ADDR = CAP + 4, MSI_DATA = CAP + 12, MSI_MASK = CAP + 16, MSI_PEND = CAP + 20 };

static struct vm *msi_device(struct fake_dev *d, unsigned int vectors)
{
	fake_dev_init(d, 0);
	if (pci_dev_add_msi(&d->pdev, vectors) < 0)
		abort();
	return plugged(d);
}

TEST(msi_that_cannot_be_is_refused)
{
	struct fake_dev d;

	fake_dev_init(&d, 0);
	CHECK_EQ(pci_dev_add_msi(&d.pdev, 0), -EINVAL);
	CHECK_EQ(pci_dev_add_msi(&d.pdev, 3), -EINVAL);
	CHECK_EQ(pci_dev_add_msi(&d.pdev, 64), -EINVAL);
	CHECK_EQ(pci_dev_add_msi(&d.pdev, 32), 0);
	CHECK_EQ(pci_dev_add_msi(&d.pdev, 1), -EINVAL);
	pci_dev_cleanup(&d.pdev);
}

TEST(msi_registers_keep_their_writable_bits_only)
{
	struct fake_dev d;
	struct vm *vm = msi_device(&d, 4);
	unsigned int i;

	CHECK_EQ(cr(vm, CAP, 4), 0x01840005);
	for (i = 2; i < 24; i++)
		cw(vm, CAP + i, 1, 0xff);
	CHECK_EQ(cr(vm, MSI_CTL, 2), 0x01f5);
	CHECK_EQ(cr(vm, MSI_ADDR, 4), 0xfffffffc);
	CHECK_EQ(cr(vm, MSI_ADDR + 4, 4), 0xffffffff);
	CHECK_EQ(cr(vm, MSI_DATA, 4), 0xffff);
	CHECK_EQ(cr(vm, MSI_MASK, 4), 0xf);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 0);
	finish(vm, &d);
}

TEST(msi_sends_data_with_the_vector_in_its_low_bits)
{
	struct fake_dev d;
	struct vm *vm = msi_device(&d, 4);

	pci_msi_notify(&d.pdev, 0);
	CHECK_EQ(fake.msgs, 0);
	cw(vm, MSI_ADDR, 4, 0xfee01000);
	cw(vm, MSI_ADDR + 4, 4, 1);
	cw(vm, MSI_DATA, 2, 0x4041);
	cw(vm, MSI_CTL, 2, 2 << 4 | 1);		/* all four */
	CHECK(pci_msi_enabled(&d.pdev));
	pci_msi_notify(&d.pdev, 3);
	CHECK_EQ(fake.msg[0].addr, 0x1fee01000ULL);
	CHECK_EQ(fake.msg[0].data, 0x4043);
	CHECK_EQ(fake.msg[0].devid, FN);
	pci_msi_notify(&d.pdev, 4);		/* it has no such vector */
	pci_msi_notify(&d.pdev, ~0U);
	CHECK_EQ(fake.msgs, 1);
	cw(vm, MSI_CTL, 2, 1 << 4 | 1);		/* two: folded */
	pci_msi_notify(&d.pdev, 3);
	CHECK_EQ(fake.msg[1].data, 0x4041);
	cw(vm, MSI_CTL, 2, 7 << 4 | 1);		/* reserved: what it has */
	pci_msi_notify(&d.pdev, 2);
	CHECK_EQ(fake.msg[2].data, 0x4042);
	finish(vm, &d);
}

TEST(masked_msi_vector_is_pending_and_sent_on_unmasking)
{
	struct fake_dev d;
	struct vm *vm = msi_device(&d, 4);

	cw(vm, MSI_DATA, 2, 0x40);
	cw(vm, MSI_MASK, 4, 0x6);
	cw(vm, MSI_CTL, 2, 2 << 4 | 1);
	pci_msi_notify(&d.pdev, 1);
	pci_msi_notify(&d.pdev, 1);
	pci_msi_notify(&d.pdev, 2);
	CHECK_EQ(fake.msgs, 0);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 6);
	CHECK_EQ(cr(vm, MSI_PEND, 1), 6);
	CHECK_EQ(cr(vm, MSI_PEND + 2, 2), 0);
	cw(vm, MSI_MASK, 1, 4);
	CHECK_EQ(fake.msgs, 1);
	CHECK_EQ(fake.msg[0].data, 0x41);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 4);
	cw(vm, MSI_CTL, 2, 0);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 0);
	finish(vm, &d);
}

TEST(msi_holds_intx_low)
{
	struct fake_dev d;
	struct vm *vm = msi_device(&d, 1);

	pci_intx_set(&d.pdev, true);
	cw(vm, MSI_CTL, 2, 1);
	CHECK(!fake.level[GSI_INTX]);
	cw(vm, MSI_CTL, 2, 0);
	CHECK(fake.level[GSI_INTX]);
	finish(vm, &d);
}

TEST(a_vector_32_msi_capability_masks_all_32)
{
	struct fake_dev d;
	struct vm *vm = msi_device(&d, 32);

	cw(vm, MSI_MASK, 4, 0xffffffff);
	CHECK_EQ(cr(vm, MSI_MASK, 4), 0xffffffff);
	cw(vm, MSI_CTL, 2, 5 << 4 | 1);
	pci_msi_notify(&d.pdev, 31);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 0x80000000);
	CHECK_EQ(cr(vm, MSI_PEND + 3, 1), 0x80);
	finish(vm, &d);
}

/* --- reset and state --- */

TEST(reset_masks_forgets_and_parts)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	int fd = pci_msix_irqfd(&d.pdev, 0);

	program(vm, 0, 0xfee01000, 1, 0);
	control(vm, MSIX_ENABLE);
	pci_msix_notify(&d.pdev, 9);
	CHECK_EQ(fake.route[0].fd, fd);
	pci_dev_reset(&d.pdev);
	CHECK(!pci_msix_enabled(&d.pdev));
	CHECK_EQ(fake.route[0].fd, -1);
	cw(vm, BAR0, 4, (u32)BAR);
	cw(vm, 4, 2, 2);
	CHECK_EQ(cr(vm, CAP + 2, 2), VECTORS - 1);
	CHECK_EQ(mem_read(vm, entry(0, 0), 8), 0);
	CHECK_EQ(mem_read(vm, entry(0, 2), 8), 1ULL << 32);
	CHECK(!pba(vm, 9));
	finish(vm, &d);
}

static void save(struct pci_dev *pdev, struct state_writer *w)
{
	*w = (struct state_writer){ 0 };
	state_begin(w, "dev", 1);
	pci_dev_save(pdev, w);
	state_end(w);
}

static int load(struct pci_dev *pdev, const struct state_writer *w)
{
	struct state_reader r;
	u32 version;
	int ret;

	state_reader_init(&r, w->buf.s, w->buf.len);
	ret = state_open(&r, "dev", 1, &version);
	if (ret < 0)
		return ret;
	ret = pci_dev_load(pdev, &r);
	return ret < 0 ? ret : state_close(&r);
}

TEST(msix_state_comes_back_and_delivers_what_was_pending)
{
	struct fake_dev a, b;
	struct vm *vm = msix_device(&a), *other;
	struct state_writer w;
	int fd = pci_msix_irqfd(&a.pdev, 3);

	program(vm, 3, 0xfee02000, 0x41, 1);
	program(vm, 69, 0xfee03000, 0x42, 0);
	control(vm, MSIX_ENABLE);
	eventfd_signal(fd);		/* nobody looked at it yet */
	save(&a.pdev, &w);
	CHECK(pba(vm, 3));		/* saving changes nothing */
	CHECK_EQ(mem_read(vm, entry(69, 0), 4), 0xfee03000);
	finish(vm, &a);

	other = msix_device(&b);
	fd = pci_msix_irqfd(&b.pdev, 69);
	CHECK_EQ(load(&b.pdev, &w), 0);
	CHECK(pci_msix_enabled(&b.pdev));
	CHECK_EQ(fake.route[0].fd, fd);
	CHECK_EQ(fake.route[0].msg.data, 0x42);
	CHECK(pba(other, 3));
	CHECK_EQ(fake.msgs, 0);
	mem_write(other, entry(3, 3), 4, 0);
	CHECK_EQ(fake.msgs, 1);
	CHECK_EQ(fake.msg[0].addr, 0xfee02000);
	finish(other, &b);
	state_writer_free(&w);
}

/* Offsets of the fields in the stream, for msix_device(). */
enum { AT_BODY = 16, AT_MSIX = AT_BODY + 5 + 5 + 256 + 2, AT_VECTORS = AT_MSIX + 1, AT_ENTRY = AT_MSIX + 5 + 5 };

TEST(msix_state_is_masked_and_bounded)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	struct state_writer w;
	u8 *p;

	program(vm, 0, 0xfee01000, 1, 1);
	control(vm, MSIX_ENABLE);
	save(&d.pdev, &w);
	p = (u8 *)w.buf.s;
	CHECK_EQ(get_le32(p + AT_VECTORS), VECTORS);
	CHECK_EQ(get_le32(p + AT_ENTRY), 0xfee01000);
	put_le32(p + AT_VECTORS, VECTORS + 1);
	CHECK_EQ(load(&d.pdev, &w), -EBADMSG);
	put_le32(p + AT_VECTORS, VECTORS);
	put_le32(p + AT_ENTRY, 0xfee01003);
	put_le32(p + AT_ENTRY + 12, 0xffffffff);
	memset(p + w.buf.len - 8, 0xff, 8);		/* pending bits 64..127 */
	CHECK_EQ(load(&d.pdev, &w), 0);
	CHECK_EQ(mem_read(vm, entry(0, 0), 4), 0xfee01000);
	CHECK_EQ(mem_read(vm, entry(0, 3), 4), 1);
	CHECK_EQ(mem_read(vm, BAR + PBA + 8, 8), 0x3f);
	finish(vm, &d);
	state_writer_free(&w);
}

TEST(msi_state_comes_back)
{
	struct fake_dev a, b;
	struct vm *vm = msi_device(&a, 4), *other;
	struct state_writer w;

	cw(vm, MSI_DATA, 2, 0x40);
	cw(vm, MSI_MASK, 4, 2);
	cw(vm, MSI_CTL, 2, 2 << 4 | 1);
	pci_msi_notify(&a.pdev, 1);
	save(&a.pdev, &w);
	finish(vm, &a);
	other = msi_device(&b, 4);
	CHECK_EQ(load(&b.pdev, &w), 0);
	CHECK_EQ(cr(other, MSI_PEND, 4), 2);
	cw(other, MSI_MASK, 4, 0);
	CHECK_EQ(fake.msgs, 1);
	CHECK_EQ(fake.msg[0].data, 0x41);
	finish(other, &b);
	/* into a device with fewer vectors: bounded by what that has */
	other = msi_device(&b, 2);
	CHECK_EQ(load(&b.pdev, &w), 0);		/* control's read-only bits are ours */
	CHECK_EQ(cr(other, MSI_CTL, 2) & 0xe, 2);
	CHECK_EQ(cr(other, MSI_PEND, 4), 2);
	CHECK_EQ(cr(other, MSI_MASK, 4), 2);
	finish(other, &b);
	state_writer_free(&w);
}

/* --- threads --- */

struct race {
	struct vm *vm;
	struct fake_dev d;
	_Atomic bool stop;
};

static void *notify_thread(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		pci_msix_notify(&r->d.pdev, 0);
		pci_intx_set(&r->d.pdev, true);
		pci_intx_set(&r->d.pdev, false);
	}
	return NULL;
}

/* Once the write of the mask is done nothing more is sent. */
TEST(masking_is_exact_while_another_thread_notifies)
{
	static struct race r;
	unsigned int i, msgs;
	pthread_t thread;

	r.vm = msix_device(&r.d);
	program(r.vm, 0, 0xfee01000, 1, 0);
	control(r.vm, MSIX_ENABLE);
	pthread_create(&thread, NULL, notify_thread, &r);
	for (i = 0; i < 2000; i++) {
		mem_write(r.vm, entry(0, 3), 4, 1);
		pthread_mutex_lock(&fake.lock);
		msgs = fake.msgs;
		pthread_mutex_unlock(&fake.lock);
		while (!pba(r.vm, 0))
			sched_yield();
		pthread_mutex_lock(&fake.lock);
		if (fake.msgs != msgs)
			i = 1000000;
		pthread_mutex_unlock(&fake.lock);
		control(r.vm, MSIX_ENABLE | MSIX_MASK);
		mem_write(r.vm, entry(0, 3), 4, 0);
		control(r.vm, MSIX_ENABLE);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	CHECK_EQ(i, 2000);
	CHECK(fake.msgs >= 2000);	/* each pending one was sent */
	finish(r.vm, &r.d);
}

/* --- eventfds of MSI, and giving them back --- */

static void msi_program(struct vm *vm, u16 data, u16 control_bits)
{
	cw(vm, MSI_ADDR, 4, 0xfee02000);
	cw(vm, MSI_DATA, 2, data);
	cw(vm, MSI_CTL, 2, control_bits);
}

TEST(msi_irqfd_follows_enable_message_mask_and_allocation)
{
	struct fake_dev d;
	struct vm *vm = msi_device(&d, 4);
	int fd = pci_msi_irqfd(&d.pdev, 1);

	CHECK(fd >= 0);
	CHECK_EQ(pci_msi_irqfd(&d.pdev, 1), fd);
	CHECK_EQ(pci_msi_irqfd(&d.pdev, 4), -EINVAL);
	CHECK_EQ(pci_msi_vectors(&d.pdev), 4);
	CHECK_EQ(pci_msi_allocated(&d.pdev), 1);
	CHECK(fake.route[0].used);
	CHECK_EQ(fake.route[0].fd, -1);
	msi_program(vm, 0x50, 1);			/* one vector: not this one */
	CHECK_EQ(fake.route[0].fd, -1);
	msi_program(vm, 0x50, 1 | 2 << 4);
	CHECK_EQ(pci_msi_allocated(&d.pdev), 4);
	CHECK_EQ(fake.route[0].fd, fd);
	CHECK_EQ(fake.route[0].msg.addr, 0xfee02000);
	CHECK_EQ(fake.route[0].msg.data, 0x51);
	CHECK_EQ(fake.route[0].msg.devid, FN);
	cw(vm, MSI_DATA, 2, 0x73);			/* its low bits are the vector's */
	CHECK_EQ(fake.route[0].msg.data, 0x71);
	CHECK_EQ(fake.route[0].fd, fd);
	cw(vm, MSI_MASK, 4, 2);
	CHECK_EQ(fake.route[0].fd, -1);
	cw(vm, MSI_MASK, 4, 0xd);
	CHECK_EQ(fake.route[0].fd, fd);
	cw(vm, MSI_CTL, 2, 0);
	CHECK_EQ(fake.route[0].fd, -1);
	finish(vm, &d);
	CHECK(!fake.route[0].used);
}

TEST(msi_signal_while_masked_is_pending_and_sent_on_unmasking)
{
	struct fake_dev d;
	struct vm *vm = msi_device(&d, 4);
	int fd = pci_msi_irqfd(&d.pdev, 2);

	msi_program(vm, 0x50, 1 | 2 << 4);
	cw(vm, MSI_MASK, 4, 4);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 0);
	eventfd_signal(fd);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 4);
	CHECK_EQ(fake.msgs, 0);
	cw(vm, MSI_MASK, 4, 0);
	CHECK_EQ(fake.msgs, 1);
	CHECK_EQ(fake.msg[0].data, 0x52);
	cw(vm, MSI_MASK, 4, 4);
	eventfd_signal(fd);				/* and nobody looked */
	cw(vm, MSI_MASK, 4, 0);
	CHECK_EQ(fake.msgs, 2);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 0);
	/* what comes while it is disabled is nobody's */
	cw(vm, MSI_CTL, 2, 0);
	eventfd_signal(fd);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 0);
	eventfd_signal(fd);
	cw(vm, MSI_CTL, 2, 1 | 2 << 4);
	CHECK_EQ(fake.msgs, 2);
	pci_dev_reset(&d.pdev);
	CHECK_EQ(fake.route[0].fd, -1);
	finish(vm, &d);
}

TEST(msi_irqfds_that_cannot_be_are_refused)
{
	struct fake_dev d;
	struct vm *vm = msi_device(&d, 8);
	unsigned int i;

	fake.irqfd_error = -EINVAL;
	CHECK_EQ(pci_msi_irqfd(&d.pdev, 0), -EINVAL);
	CHECK(!fake.route[0].used);
	fake.irqfd_error = 0;
	for (i = 0; i < FAKE_ROUTES; i++)
		CHECK(pci_msi_irqfd(&d.pdev, i) >= 0);
	CHECK_EQ(pci_msi_irqfd(&d.pdev, i), -ENOSPC);
	finish(vm, &d);
	for (i = 0; i < FAKE_ROUTES; i++)
		CHECK(!fake.route[i].used);
	vm = msix_device(&d);
	CHECK_EQ(pci_msi_irqfd(&d.pdev, 0), -EINVAL);
	CHECK_EQ(pci_msi_vectors(&d.pdev), 0);
	CHECK_EQ(pci_msi_allocated(&d.pdev), 0);
	finish(vm, &d);
}

/* A driver makes the message first and unmasks then; where the message is a frame's SPI, zero is no message. */
TEST(masked_vector_with_a_message_that_cannot_be_gets_its_route_later)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	int fd;

	control(vm, MSIX_ENABLE);
	program(vm, 3, 0xbad000, 0, 1);
	fake.refused_addr = 0xbad000;
	fd = pci_msix_irqfd(&d.pdev, 3);
	CHECK(fd >= 0);
	CHECK(!fake.route[0].used);
	eventfd_signal(fd);
	CHECK(pba(vm, 3));
	program(vm, 3, 0xfee02000, 0x41, 0);
	CHECK(fake.route[0].used);
	CHECK_EQ(fake.route[0].fd, fd);
	CHECK_EQ(fake.msgs, 1);
	mem_write(vm, entry(3, 3), 4, 1);
	finish(vm, &d);
	CHECK(!fake.route[0].used);
}

TEST(irqfds_that_are_given_back_leave_nothing)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);
	unsigned int i, n;

	for (n = 0; n < 100; n++) {
		control(vm, MSIX_ENABLE);
		for (i = 0; i < FAKE_ROUTES; i++) {
			program(vm, i, 0xfee02000, 0x40 + i, i == 1);
			CHECK(pci_msix_irqfd(&d.pdev, i) >= 0);
		}
		CHECK_EQ(pci_msix_irqfd(&d.pdev, i), -ENOSPC);
		eventfd_signal(pci_msix_irqfd(&d.pdev, 1));
		pci_msi_irqfds_free(&d.pdev);
		for (i = 0; i < FAKE_ROUTES; i++)
			CHECK(!fake.route[i].used && fake.route[i].fd == -1);
		CHECK(pba(vm, 1));		/* was seen by nobody yet */
		control(vm, n % 2 ? 0 : MSIX_ENABLE | MSIX_MASK);
	}
	pci_msi_irqfds_free(&d.pdev);
	finish(vm, &d);
	vm = msi_device(&d, 2);
	msi_program(vm, 0x50, 1 | 1 << 4);
	cw(vm, MSI_MASK, 4, 1);
	eventfd_signal(pci_msi_irqfd(&d.pdev, 0));
	pci_msi_irqfds_free(&d.pdev);
	CHECK(!fake.route[0].used);
	CHECK_EQ(cr(vm, MSI_PEND, 4), 1);
	finish(vm, &d);
}

TEST(deliverable_is_enabled_and_unmasked_both_ways)
{
	struct fake_dev d;
	struct vm *vm = msix_device(&d);

	program(vm, 3, 0xfee02000, 0x41, 0);
	CHECK(!pci_msix_deliverable(&d.pdev, 3));
	control(vm, MSIX_ENABLE | MSIX_MASK);
	CHECK(!pci_msix_deliverable(&d.pdev, 3));
	control(vm, MSIX_ENABLE);
	CHECK(pci_msix_deliverable(&d.pdev, 3));
	CHECK(!pci_msix_deliverable(&d.pdev, 4));
	CHECK(!pci_msix_deliverable(&d.pdev, VECTORS));
	finish(vm, &d);
	vm = msi_device(&d, 1);
	CHECK(!pci_msix_deliverable(&d.pdev, 0));
	finish(vm, &d);
}

TEST(gsi_of_the_pin)
{
	struct fake_dev d;
	struct vm *vm;
	u32 gsi = 0;

	fake_dev_init(&d, 0);
	CHECK_EQ(pci_intx_gsi(&d.pdev, &gsi), -EINVAL);		/* not plugged */
	vm = fake_vm();
	if (pci_plug(vm->pci, &d.pdev, FN + 8) < 0)
		abort();
	CHECK_EQ(pci_intx_gsi(&d.pdev, &gsi), 0);
	CHECK_EQ(gsi, GSI_INTX + 1);
	pci_dev_cleanup(&d.pdev);
	fake_dev_init(&d, 0);
	d.pdev.config[0x3d] = 0;
	if (pci_plug(vm->pci, &d.pdev, -1) < 0)
		abort();
	CHECK_EQ(pci_intx_gsi(&d.pdev, &gsi), -EINVAL);
	finish(vm, &d);
}

int main(void)
{
	RUN(msix_capability_tells_size_and_places_and_is_read_only);
	RUN(msix_that_does_not_fit_is_refused);
	RUN(table_entries_start_masked_and_keep_what_is_written);
	RUN(table_is_accessed_by_qwords_too);
	RUN(narrow_or_odd_table_accesses_do_no_harm);
	RUN(outside_of_table_and_pba_is_the_devices);
	RUN(msix_accessors_without_msix_do_nothing);
	RUN(enabled_unmasked_vector_sends_its_message);
	RUN(disabled_or_bad_vectors_send_nothing);
	RUN(masked_vector_is_pending_and_sent_once_on_unmasking);
	RUN(function_mask_holds_all_vectors);
	RUN(pba_is_read_only);
	RUN(disabling_forgets_what_is_pending);
	RUN(device_is_told_of_changes);
	RUN(intx_is_low_while_messages_are_enabled);
	RUN(irqfd_is_joined_only_while_the_vector_is_deliverable);
	RUN(signal_while_masked_is_pending_and_sent_on_unmasking);
	RUN(signal_while_disabled_is_dropped);
	RUN(irqfds_without_a_route_are_refused);
	RUN(irqfds_that_kvm_does_not_take_are_refused);
	RUN(message_kvm_refuses_goes_nowhere_until_a_better_one);
	RUN(vector_that_the_host_cannot_join_again_is_told_by_name);
	RUN(reprogramming_for_ever_takes_no_more_routes);
	RUN(msi_that_cannot_be_is_refused);
	RUN(msi_registers_keep_their_writable_bits_only);
	RUN(msi_sends_data_with_the_vector_in_its_low_bits);
	RUN(masked_msi_vector_is_pending_and_sent_on_unmasking);
	RUN(msi_holds_intx_low);
	RUN(a_vector_32_msi_capability_masks_all_32);
	RUN(reset_masks_forgets_and_parts);
	RUN(msix_state_comes_back_and_delivers_what_was_pending);
	RUN(msix_state_is_masked_and_bounded);
	RUN(msi_state_comes_back);
	RUN(masking_is_exact_while_another_thread_notifies);
	RUN(msi_irqfd_follows_enable_message_mask_and_allocation);
	RUN(msi_signal_while_masked_is_pending_and_sent_on_unmasking);
	RUN(msi_irqfds_that_cannot_be_are_refused);
	RUN(masked_vector_with_a_message_that_cannot_be_gets_its_route_later);
	RUN(irqfds_that_are_given_back_leave_nothing);
	RUN(deliverable_is_enabled_and_unmasked_both_ways);
	RUN(gsi_of_the_pin);
	return tap_done();
}
