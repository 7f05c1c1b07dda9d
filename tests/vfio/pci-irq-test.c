/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts of a VFIO function: which kind is on at the device, that none is lost on the way and nothing is left behind however often the
 * guest changes its mind. The fake device has the kernel's rules (one kind at a time, no more vectors than were asked for at first).
 *
 * links: vfio/pci-irq.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c util/json.c util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vfio/pci.h"

#include <dirent.h>

#include "fake-device.h"
#include "heard.h"
#include "util/json.h"
#include "vmm/event.h"

enum {
	FN = 8, COMMAND = 4, INTX_DISABLE = 0x400, GSI = 17,
	BAR0 = 0x10, TABLE = 0, PBA = 0x1000,
	MSI = 0x40, MSI_LEN = 24, MSIX = 0x58,
	MSI_ENABLE = 1, MSIX_ENABLE = 0x8000, MSIX_MASKALL = 0x4000,
	INTX_INDEX = VFIO_PCI_INTX_IRQ_INDEX, MSI_INDEX = VFIO_PCI_MSI_IRQ_INDEX, MSIX_INDEX = VFIO_PCI_MSIX_IRQ_INDEX,
};

#define AT 0x80000000ULL

/* pci-bar.c's, not linked here: the table's BAR has nothing else in it */
void vfio_pci_bar_activated(struct pci_dev *pdev, unsigned int bar)
{
}

void vfio_pci_bar_deactivating(struct pci_dev *pdev, unsigned int bar)
{
}

/* As pci-config.c does. */
static void fake_config_was_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val)
{
	vfio_pci_irq_update(vfio_pci_of(pdev));
}

static void cw(struct vm *vm, unsigned int off, unsigned int size, u32 val)
{
	pci_config_write(vm->pci, 0, FN, off, size, val);
}

static u32 cr(struct vm *vm, unsigned int off, unsigned int size)
{
	return pci_config_read(vm->pci, 0, FN, off, size);
}

/* Vectors the device has of MSI and MSI-X; 0: it has no such capability. */
static struct fake_vfio *device_on(struct vm *vm, unsigned int msi, unsigned int msix)
{
	struct fake_vfio *f = fake_vfio(vm);

	if (event_loop_create("test", &vm->loop) < 0)
		abort();
	fake.more_routes = FAKE_ROUTES_MAX - FAKE_ROUTES;
	if (pci_dev_add_bar(&f->vp.pdev, 0, PCI_BAR_MEM32, 8192, &pci_msix_io) < 0 ||
	    (msi && pci_dev_add_msi(&f->vp.pdev, msi) != 0) ||
	    (msix && pci_dev_add_msix(&f->vp.pdev, msix, 0, TABLE, PBA) < 0) || pci_plug(vm->pci, &f->vp.pdev, -1) < 0)
		abort();
	f->irq[INTX_INDEX].count = 1;
	f->irq[MSI_INDEX].count = msi;
	f->irq[MSIX_INDEX].count = msix;
	f->irq[VFIO_PCI_ERR_IRQ_INDEX].count = f->irq[VFIO_PCI_REQ_IRQ_INDEX].count = 1;
	return f;
}

static struct vm *device(struct fake_vfio **ret, unsigned int msi, unsigned int msix)
{
	struct vm *vm = fake_vm();

	*ret = device_on(vm, msi, msix);
	return vm;
}

static struct vm *started(struct fake_vfio **ret, unsigned int msi, unsigned int msix)
{
	struct vm *vm = device(ret, msi, msix);
	struct error err = { "" };

	if (vfio_pci_irq_init(&(*ret)->vp, &err) < 0)
		abort();
	cw(vm, BAR0, 4, (u32)AT);
	cw(vm, COMMAND, 2, 2);
	return vm;
}

static void end(struct vm *vm, struct fake_vfio *f)
{
	struct event_loop *loop = vm->loop;

	vfio_pci_irq_free(&f->vp);
	pci_dev_cleanup(&f->vp.pdev);
	fake_vfio_end(vm, f);
	event_loop_free(loop);
}

static unsigned int routes(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < FAKE_ROUTES_MAX; i++)
		n += fake.route[i].used;
	return n;
}

static unsigned int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	if (!d)
		abort();
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void program(struct vm *vm, unsigned int vector, u32 data, u32 control)
{
	mem_write(vm, AT + TABLE + vector * 16, 4, 0xfee00000);
	mem_write(vm, AT + TABLE + vector * 16 + 8, 4, data);
	mem_write(vm, AT + TABLE + vector * 16 + 12, 4, control);
}

static void mask_vector(struct vm *vm, unsigned int vector, bool mask)
{
	mem_write(vm, AT + TABLE + vector * 16 + 12, 4, mask);
}

static void msix(struct vm *vm, u16 control)
{
	cw(vm, MSIX + 2, 2, control);
}

static void msix_alone(struct vm *vm, u16 control)	/* the device has no MSI */
{
	cw(vm, MSI + 2, 2, control);
}

/* KVM's part: takes what was signalled on the irqfds that are joined, by data. True: @data came. */
static bool arrives(u32 data)
{
	unsigned int i;

	for (i = 0; i < FAKE_ROUTES_MAX; i++)
		if (fake.route[i].used && fake.route[i].fd >= 0 && fake.route[i].msg.data == data && eventfd_drain(fake.route[i].fd))
			return true;
	for (i = 0; i < fake.msgs && i < ARRAY_SIZE(fake.msg); i++) {
		if (fake.msg[i].data != data)
			continue;
		fake.msg[i].data = ~0U;
		return true;
	}
	return false;
}

/* --- INTx --- */

TEST(intx_is_joined_to_the_gsi_of_the_pin_and_unmasked_by_kvm)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 0);

	CHECK_EQ(f->on, INTX_INDEX);
	CHECK(fake.pin[GSI].joined);
	CHECK_EQ(fake.pin[GSI].fd, f->fd[0]);
	CHECK_EQ(fake.pin[GSI].resample, f->unmask_fd);
	CHECK(f->unmask_fd >= 0);
	CHECK(f->unmask_fd != f->fd[0]);
	end(vm, f);
	CHECK(!fake.pin[GSI].joined);
}

TEST(intx_of_a_host_driver_that_takes_no_unmask_eventfd_is_unmasked_by_the_loop)
{
	struct fake_vfio *f;
	struct vm *vm = device(&f, 0, 0);

	f->no_unmask_fd = true;
	CHECK_EQ(vfio_pci_irq_init(&f->vp, NULL), 0);
	CHECK_EQ(f->on, INTX_INDEX);
	CHECK(fake.pin[GSI].joined);
	f->masked = true;				/* as it is once it has signalled */
	eventfd_signal(fake.pin[GSI].resample);		/* end of interrupt */
	fake_loop_run(vm);
	CHECK(!f->masked);
	cw(vm, COMMAND, 2, INTX_DISABLE);
	eventfd_signal(fake.pin[GSI].resample);
	fake_loop_run(vm);
	CHECK(f->masked);				/* the guest's mask stays */
	cw(vm, COMMAND, 2, 2);
	CHECK(!f->masked);
	CHECK_EQ(f->broken, 0);
	end(vm, f);
}

TEST(intx_disable_masks_the_device_and_lets_go_of_the_line)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 0);

	cw(vm, COMMAND, 2, INTX_DISABLE);
	CHECK(f->masked);
	CHECK(!fake.pin[GSI].joined);
	CHECK_EQ(f->on, INTX_INDEX);
	cw(vm, COMMAND, 2, INTX_DISABLE | 2);
	CHECK(f->masked);
	fake_fire(f, 0);
	cw(vm, COMMAND, 2, 2);
	CHECK(!f->masked);
	CHECK(fake.pin[GSI].joined);
	CHECK(eventfd_drain(fake.pin[GSI].fd));		/* not lost */
	CHECK_EQ(f->enables, 1);
	CHECK_EQ(f->broken, 0);
	cw(vm, COMMAND, 2, INTX_DISABLE);
	end(vm, f);
}

TEST(intx_is_not_begun_while_it_is_disabled)
{
	struct fake_vfio *f;
	struct vm *vm = device(&f, 0, 0);

	cw(vm, COMMAND, 2, INTX_DISABLE);
	CHECK_EQ(vfio_pci_irq_init(&f->vp, NULL), 0);
	CHECK_EQ(f->on, -1);
	CHECK(!fake.pin[GSI].joined);
	cw(vm, COMMAND, 2, 0);
	CHECK_EQ(f->on, INTX_INDEX);
	CHECK(fake.pin[GSI].joined);
	end(vm, f);
}

TEST(device_without_a_pin_has_no_intx)
{
	struct fake_vfio *f;
	struct vm *vm = device(&f, 1, 0);

	f->irq[INTX_INDEX].count = 0;
	CHECK_EQ(vfio_pci_irq_init(&f->vp, NULL), 0);
	CHECK_EQ(f->on, -1);
	CHECK(!fake.pin[GSI].joined);
	end(vm, f);
}

TEST(intx_without_resample_is_refused_by_name_if_there_is_nothing_else)
{
	struct error err = { "" };
	struct fake_vfio *f;
	struct vm *vm = device(&f, 0, 0);

	f->vp.pin_lost = true;		/* pci-config.c found that */
	CHECK_EQ(vfio_pci_irq_init(&f->vp, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--vfio '0000:01:00.0': the device has INTx only, and KVM lacks KVM_CAP_IRQFD_RESAMPLE"));
	CHECK(!f->vp.irq);
	end(vm, f);
	vm = device(&f, 0, 4);
	f->vp.pin_lost = true;		/* pci-config.c found that */
	fake.no_msi = true;
	CHECK_EQ(vfio_pci_irq_init(&f->vp, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--vfio '0000:01:00.0': no interrupt of the device would arrive: "));
	CHECK(!f->vp.irq);
	fake.no_msi = false;
	CHECK_EQ(vfio_pci_irq_init(&f->vp, &err), 0);
	CHECK_EQ(f->on, -1);
	msix_alone(vm, MSIX_ENABLE);
	CHECK_EQ(f->on, MSIX_INDEX);
	end(vm, f);
}

TEST(intx_that_the_host_refuses_leaves_nothing)
{
	struct fake_vfio *f;
	struct vm *vm = device(&f, 0, 4);

	f->irq_error = -EBUSY;
	f->irq[VFIO_PCI_ERR_IRQ_INDEX].count = f->irq[VFIO_PCI_REQ_IRQ_INDEX].count = 0;
	CHECK_EQ(vfio_pci_irq_init(&f->vp, NULL), 0);	/* the guest may use MSI-X */
	CHECK(!fake.pin[GSI].joined);
	cw(vm, COMMAND, 2, INTX_DISABLE);
	cw(vm, COMMAND, 2, 0);
	CHECK(!fake.pin[GSI].joined);
	f->irq_error = 0;
	cw(vm, COMMAND, 2, 2);			/* not asked for again */
	CHECK_EQ(f->on, -1);
	cw(vm, COMMAND, 2, INTX_DISABLE);
	CHECK_EQ(f->on, -1);
	cw(vm, COMMAND, 2, 0);
	CHECK_EQ(f->on, INTX_INDEX);
	CHECK(fake.pin[GSI].joined);
	CHECK(!f->masked);
	cw(vm, COMMAND, 2, INTX_DISABLE);
	CHECK(f->masked);
	cw(vm, COMMAND, 2, 0);
	msix_alone(vm, MSIX_ENABLE);
	msix_alone(vm, 0);
	CHECK_EQ(f->on, INTX_INDEX);
	CHECK_EQ(f->broken, 0);
	end(vm, f);
}

/* What vfio_pci_irq_init() warns of. */
static const char *init_says(struct fake_vfio *f)
{
	static struct hearing h;

	hear(&h, LOG_WARNING);
	if (vfio_pci_irq_init(&f->vp, NULL) < 0)
		abort();
	return heard(&h);
}

TEST(intx_line_shared_with_one_of_ours_is_told_where_kvm_has_one_level)
{
	static struct fake_dev d[30];
	struct pci_host_config cfg = fake_host_config;
	struct fake_vfio *f;
	unsigned int i, one;
	struct vm *vm;

	for (one = 0; one < 2; one++) {
		cfg.intx_one_level = one;
		vm = fake_vm_with(&cfg);
		for (i = 0; i < 30; i++) {
			fake_dev_init(&d[i], 1);
			snprintf(d[i].pdev.dev.name, sizeof(d[i].pdev.dev.name), "ours%u", i);
			if (pci_plug(vm->pci, &d[i].pdev, ((int)i + 1) * 8) < 0)
				abort();
		}
		f = device_on(vm, 0, 0);
		snprintf(f->vp.pdev.dev.name, sizeof(f->vp.pdev.dev.name), "vfio7");
		CHECK_EQ(f->vp.pdev.devfn, 31 * 8);
		if (one)
			CHECK(strstr(init_says(f), "vfio7: --vfio '0000:01:00.0' and ours6 have GSI 23 together, and may lose interrupts: "
				     "let the guest's drivers use MSI or MSI-X, or give this VM fewer PCI devices"));
		else
			CHECK_STR(init_says(f), "");
		CHECK(fake.pin[23].joined);
		for (i = 0; i < 30; i++)
			pci_dev_cleanup(&d[i].pdev);
		end(vm, f);
	}
	vm = device(&f, 0, 0);
	CHECK_STR(init_says(f), "");
	end(vm, f);
}

/* --- MSI-X --- */

TEST(msix_vectors_arrive_with_the_guests_messages)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 8);
	unsigned int i;

	for (i = 0; i < 8; i++)
		program(vm, i, 0x40 + i, 0);
	msix_alone(vm, MSIX_ENABLE);
	CHECK_EQ(f->on, MSIX_INDEX);
	CHECK_EQ(f->nr, 8);
	CHECK(!fake.pin[GSI].joined);
	for (i = 0; i < 8; i++) {
		fake_fire(f, i);
		CHECK(arrives(0x40 + i));
		CHECK(!arrives(0x40 + i));
	}
	CHECK_EQ(fake.msgs, 0);		/* none came by lkvm */
	msix_alone(vm, 0);
	CHECK_EQ(f->on, INTX_INDEX);
	CHECK_EQ(routes(), 0);
	CHECK_EQ(f->broken, 0);
	end(vm, f);
}

TEST(masked_vector_is_pending_from_the_start)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 8);

	msix_alone(vm, MSIX_ENABLE | MSIX_MASKALL);	/* as Linux: no message yet */
	fake_fire(f, 3);
	CHECK_EQ(mem_read(vm, AT + PBA, 4), 8);
	program(vm, 3, 0x43, 0);
	CHECK(!arrives(0x43));
	msix_alone(vm, MSIX_ENABLE);
	CHECK(arrives(0x43));
	CHECK_EQ(mem_read(vm, AT + PBA, 4), 0);
	mask_vector(vm, 3, true);
	fake_fire(f, 3);
	CHECK_EQ(mem_read(vm, AT + PBA, 4), 8);
	mask_vector(vm, 3, false);
	CHECK(arrives(0x43));
	end(vm, f);
}

TEST(many_vectors_get_their_route_when_they_are_used)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 200);
	unsigned int i;

	msix_alone(vm, MSIX_ENABLE);
	CHECK_EQ(f->nr, 200);
	CHECK_EQ(routes(), 0);
	fake_fire(f, 150);		/* waits in the device */
	for (i = 0; i < 200; i += 50) {
		program(vm, i, 0x40 + i, 0);
		mask_vector(vm, i, true);
		mask_vector(vm, i, false);
	}
	CHECK_EQ(routes(), 4);
	CHECK(arrives(0x40 + 150));
	for (i = 0; i < 200; i += 50) {
		fake_fire(f, i);
		CHECK(arrives(0x40 + i));
	}
	CHECK_EQ(f->enables, 2);	/* INTx, and MSI-X once */
	CHECK_EQ(f->broken, 0);
	msix_alone(vm, 0);
	CHECK_EQ(routes(), 0);
	/* enabled again with the table as it is */
	msix_alone(vm, MSIX_ENABLE);
	CHECK_EQ(routes(), 4);
	fake_fire(f, 100);
	CHECK(arrives(0x40 + 100));
	/* as after a state was loaded */
	vfio_pci_irq_off(&f->vp);
	CHECK_EQ(routes(), 0);
	vfio_pci_irq_update(&f->vp);
	fake_fire(f, 100);
	CHECK(arrives(0x40 + 100));
	end(vm, f);
	CHECK_EQ(routes(), 0);
}

TEST(host_with_fewer_vectors_gives_what_it_has)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 16);
	unsigned int i, old;

	for (old = 0; old < 2; old++) {
		f->host_vectors = 5;
		f->enospc = old;
		for (i = 0; i < 16; i++)
			program(vm, i, 0x40 + i, 0);
		msix_alone(vm, MSIX_ENABLE);
		CHECK_EQ(f->on, MSIX_INDEX);
		CHECK_EQ(f->nr, old ? 4 : 5);
		fake_fire(f, 3);
		CHECK(arrives(0x43));
		mask_vector(vm, 9, true);
		mask_vector(vm, 9, false);	/* nothing to be done for it */
		CHECK_EQ(f->broken, 0);
		f->host_vectors = 0;
		msix_alone(vm, 0);
	}
	CHECK_EQ(routes(), 0);
	end(vm, f);
	vm = started(&f, 0, 100);
	f->host_vectors = 5;
	msix_alone(vm, MSIX_ENABLE);
	program(vm, 50, 0x40, 0);
	CHECK_EQ(routes(), 0);
	program(vm, 4, 0x44, 0);
	fake_fire(f, 4);
	CHECK(arrives(0x44));
	CHECK_EQ(f->broken, 0);
	end(vm, f);
}

TEST(host_that_refuses_is_asked_again_at_the_next_enable)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 4);

	f->irq_error = -EIO;
	program(vm, 0, 0x40, 0);
	msix_alone(vm, MSIX_ENABLE);
	CHECK_EQ(f->on, -1);
	mask_vector(vm, 0, true);
	mask_vector(vm, 0, false);
	f->irq_error = 0;
	msix_alone(vm, 0);
	CHECK_EQ(f->on, INTX_INDEX);
	msix_alone(vm, MSIX_ENABLE);
	fake_fire(f, 0);
	CHECK(arrives(0x40));
	CHECK_EQ(f->broken, 0);
	end(vm, f);
}

TEST(host_that_says_fewer_than_the_table_has)
{
	struct fake_vfio *f;
	struct vm *vm = device(&f, 0, 16);

	f->irq[MSIX_INDEX].count = 2;
	CHECK_EQ(vfio_pci_irq_init(&f->vp, NULL), 0);
	msix_alone(vm, MSIX_ENABLE);
	CHECK_EQ(f->nr, 2);
	CHECK_EQ(f->broken, 0);
	end(vm, f);
	vm = device(&f, 0, 16);
	f->irq[MSIX_INDEX].count = 0;
	CHECK_EQ(vfio_pci_irq_init(&f->vp, NULL), 0);
	msix_alone(vm, MSIX_ENABLE);
	CHECK_EQ(f->on, -1);
	CHECK_EQ(f->broken, 0);
	end(vm, f);
}

/* --- by the main loop --- */

TEST(vectors_without_a_gsi_come_by_the_main_loop)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 8);
	unsigned int i, fds = open_fds();

	fake.more_routes = 0;
	for (i = 0; i < 8; i++)
		program(vm, i, 0x40 + i, 0);
	msix_alone(vm, MSIX_ENABLE);
	CHECK_EQ(routes(), FAKE_ROUTES);
	for (i = 0; i < 8; i++)
		fake_fire(f, i);
	fake_loop_run(vm);
	CHECK_EQ(fake.msgs, 8 - FAKE_ROUTES);
	for (i = 0; i < 8; i++)
		CHECK(arrives(0x40 + i));
	/* masks hold there, too */
	mask_vector(vm, 7, true);
	fake_fire(f, 7);
	fake_loop_run(vm);
	CHECK(!arrives(0x47));
	CHECK_EQ(mem_read(vm, AT + PBA, 4), 0x80);
	mask_vector(vm, 7, false);
	CHECK(arrives(0x47));
	msix_alone(vm, 0);
	CHECK_EQ(open_fds(), fds);
	CHECK_EQ(routes(), 0);
	end(vm, f);
}

TEST(kvm_that_takes_no_irqfd_is_served_by_the_main_loop)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 4, 0);
	unsigned int i;

	fake.irqfd_error = -EINVAL;
	cw(vm, MSI + 4, 4, 0xfee00000);
	cw(vm, MSI + 12, 2, 0x60);
	cw(vm, MSI + 2, 2, MSI_ENABLE | 2 << 4);
	CHECK_EQ(f->on, MSI_INDEX);
	for (i = 0; i < 4; i++)
		fake_fire(f, i);
	fake_loop_run(vm);
	for (i = 0; i < 4; i++)
		CHECK(arrives(0x60 + i));
	end(vm, f);
}

/* --- MSI --- */

TEST(msi_has_as_many_vectors_as_the_driver_allowed)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 8, 0);
	unsigned int i;

	cw(vm, MSI + 4, 4, 0xfee00000);
	cw(vm, MSI + 12, 2, 0x60);
	cw(vm, MSI + 2, 2, MSI_ENABLE | 2 << 4);
	CHECK_EQ(f->on, MSI_INDEX);
	CHECK_EQ(f->nr, 4);
	for (i = 0; i < 4; i++) {
		fake_fire(f, i);
		CHECK(arrives(0x60 + i));
	}
	cw(vm, MSI + 16, 4, 2);		/* vector 1 masked */
	fake_fire(f, 1);
	CHECK(!arrives(0x61));
	CHECK_EQ(cr(vm, MSI + 20, 4), 2);
	cw(vm, MSI + 16, 4, 0);
	CHECK(arrives(0x61));
	cw(vm, MSI + 2, 2, MSI_ENABLE | 3 << 4);	/* more, without switching off */
	CHECK_EQ(f->nr, 8);
	fake_fire(f, 7);
	CHECK(arrives(0x67));
	CHECK_EQ(f->broken, 0);
	cw(vm, MSI + 2, 2, 0);
	CHECK_EQ(f->on, INTX_INDEX);
	CHECK_EQ(routes(), 0);
	end(vm, f);
}

/* --- one after another --- */

TEST(kinds_follow_each_other_in_any_order)
{
	enum { NONE, INTX, ONE_MSI, MANY, KINDS };
	static const int on[KINDS] = { -1, INTX_INDEX, MSI_INDEX, MSIX_INDEX };
	struct fake_vfio *f;
	struct vm *vm = started(&f, 4, 8);
	unsigned int from, to, i, seq[2];

	for (from = 0; from < KINDS; from++) {
		for (to = 0; to < KINDS; to++) {
			seq[0] = from;
			seq[1] = to;
			for (i = 0; i < 2; i++) {
				/* what comes is on before what goes is off: drivers are like that */
				cw(vm, COMMAND, 2, seq[i] == NONE ? INTX_DISABLE | 2 : 2);
				if (seq[i] == MANY)
					msix(vm, MSIX_ENABLE);
				cw(vm, MSI + 2, 2, seq[i] == ONE_MSI ? MSI_ENABLE : 0);
				if (seq[i] != MANY)
					msix(vm, 0);
				if (seq[i] != NONE)
					CHECK_EQ(f->on, on[seq[i]]);
				if (seq[i] != INTX)
					CHECK(!fake.pin[GSI].joined);
				CHECK_EQ(f->broken, 0);
			}
		}
	}
	end(vm, f);
	CHECK_EQ(routes(), 0);
}

TEST(nothing_arrives_while_it_is_off)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 4);

	program(vm, 0, 0x40, 0);
	msix_alone(vm, MSIX_ENABLE);
	vfio_pci_irq_off(&f->vp);
	CHECK_EQ(f->on, -1);
	CHECK_EQ(routes(), 0);
	mask_vector(vm, 0, true);	/* another vCPU's, meanwhile */
	mask_vector(vm, 0, false);
	CHECK_EQ(f->on, -1);
	pci_dev_reset(&f->vp.pdev);
	CHECK_EQ(f->on, -1);
	vfio_pci_irq_update(&f->vp);
	CHECK_EQ(f->on, INTX_INDEX);
	vfio_pci_irq_off(&f->vp);
	CHECK(!fake.pin[GSI].joined);
	end(vm, f);
}

TEST(reconfiguration_for_ever_leaves_nothing)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 4, 100);
	unsigned int i, v, fds = open_fds();

	for (v = 0; v < 100; v++)
		program(vm, v, 0x100 + v, v % 3 == 0);
	for (i = 0; i < 3000; i++) {
		msix(vm, i % 2 ? MSIX_ENABLE : MSIX_ENABLE | MSIX_MASKALL);
		mask_vector(vm, i % 100, false);
		mask_vector(vm, i % 99, true);
		if (i % 5 == 0)
			msix(vm, MSIX_ENABLE);
		fake_fire(f, i % 100);
		msix(vm, 0);
		cw(vm, MSI + 2, 2, MSI_ENABLE | i % 3 << 4);
		fake_fire(f, 0);
		cw(vm, MSI + 2, 2, 0);
		cw(vm, COMMAND, 2, i % 2 ? INTX_DISABLE | 2 : 2);
		CHECK_EQ(routes(), 0);
	}
	CHECK_EQ(open_fds(), fds);
	CHECK_EQ(f->broken, 0);
	end(vm, f);
	CHECK_EQ(routes(), 0);
}

/* --- two threads --- */

enum { ROUNDS = 1500 };

struct pair {
	struct vm *vm;
	struct fake_vfio *f;
	unsigned int n;
};

/* One switches kinds, one masks vectors, one lets the device interrupt. */
static void *worker(void *arg)
{
	struct pair *p = arg;
	u8 data[4];
	unsigned int i;

	fake_current = &p->vm->vcpu[p->n];
	for (i = 0; i < ROUNDS; i++) {
		switch (p->n) {
		case 0:
			msix(p->vm, i % 4 ? MSIX_ENABLE : 0);
			cw(p->vm, MSI + 2, 2, i % 3 ? 0 : MSI_ENABLE);
			cw(p->vm, COMMAND, 2, i % 5 ? 2 : 2 | INTX_DISABLE);
			break;
		case 1:
			put_le32(data, i & 1);
			mmio_access(fake_current, AT + TABLE + i % 80 * 16 + 12, data, 4, true);
			break;
		default:
			fake_fire(p->f, i % 80);
			break;
		}
	}
	return NULL;
}

TEST(kinds_and_masks_change_at_once)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 4, 80);
	struct pair p[3];
	pthread_t thread[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		p[i] = (struct pair){ vm, f, i };
		if (pthread_create(&thread[i], NULL, worker, &p[i]))
			abort();
	}
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(f->broken, 0);
	msix(vm, MSIX_ENABLE);
	program(vm, 5, 0x45, 0);
	fake_fire(f, 5);
	CHECK(arrives(0x45));
	end(vm, f);
	CHECK_EQ(routes(), 0);
}

/* --- those for us --- */

TEST(error_ends_the_vm_or_is_reported)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 0);
	struct strbuf b = { 0 };

	atomic_store(&fake_exits, 0);
	CHECK(f->own_fd[VFIO_PCI_ERR_IRQ_INDEX] >= 0);
	eventfd_signal(f->own_fd[VFIO_PCI_ERR_IRQ_INDEX]);
	fake_loop_run(vm);
	CHECK_EQ(fake_exits, 1);
	CHECK_STR(fake_exit_text, "--vfio '0000:01:00.0': the device met an error that it cannot mend");
	f->cfg.on_error = VFIO_ERROR_REPORT;
	eventfd_signal(f->own_fd[VFIO_PCI_ERR_IRQ_INDEX]);
	fake_loop_run(vm);
	CHECK_EQ(fake_exits, 1);
	eventfd_signal(f->own_fd[VFIO_PCI_REQ_IRQ_INDEX]);
	fake_loop_run(vm);
	json_begin(&b, NULL);
	vfio_pci_irq_stats(&f->vp, &b);
	json_end(&b);
	CHECK_STR(b.s, "{\"interrupt\":\"INTx\",\"vectors\":0,\"slow_vectors\":0,\"errors\":2,\"requests_back\":1}");
	strbuf_free(&b);
	vfio_pci_irq_free(&f->vp);
	CHECK_EQ(f->own_fd[VFIO_PCI_ERR_IRQ_INDEX], -1);
	CHECK_EQ(f->own_fd[VFIO_PCI_REQ_IRQ_INDEX], -1);
	end(vm, f);
}

static void host_asks(struct vm *vm, struct fake_vfio *f, enum vfio_request_policy policy, bool can)
{
	fake_back.no_eject = fake_back.no_button = !can;
	fake_back.asked = fake_back.pressed = 0;
	f->cfg.on_request = policy;
	eventfd_signal(f->own_fd[VFIO_PCI_REQ_IRQ_INDEX]);
	fake_loop_run(vm);
}

TEST(host_that_asks_for_the_device_is_served_as_the_user_said)
{
	struct fake_vfio *f;
	struct vm *vm = started(&f, 0, 0);

	host_asks(vm, f, VFIO_REQUEST_AUTO, true);
	CHECK(fake_back.asked == 1 && !fake_back.pressed);
	host_asks(vm, f, VFIO_REQUEST_UNPLUG, true);
	CHECK(fake_back.asked == 1 && !fake_back.pressed);
	host_asks(vm, f, VFIO_REQUEST_POWEROFF, true);
	CHECK(!fake_back.asked && fake_back.pressed == 1);
	host_asks(vm, f, VFIO_REQUEST_REPORT, true);
	CHECK(!fake_back.asked && !fake_back.pressed);
	host_asks(vm, f, VFIO_REQUEST_AUTO, false);
	CHECK(!fake_back.asked && !fake_back.pressed);
	end(vm, f);
}

TEST(host_that_asks_while_the_guest_is_paused_is_told_what_helps)
{
	static const struct { enum vfio_request_policy policy; bool paused; const char *says; } row[] = {
		{ VFIO_REQUEST_AUTO, false, "'0000:01:00.0' back: the guest is asked for it\n" },
		{ VFIO_REQUEST_AUTO, true, "'0000:01:00.0' back: that takes the guest, which is paused: resume it, or end this VM\n" },
		{ VFIO_REQUEST_POWEROFF, false, "'0000:01:00.0' back: the guest is asked to power off\n" },
		{ VFIO_REQUEST_POWEROFF, true, "back: that takes a power-off of the guest, which is paused: resume it, or end this VM\n" },
		{ VFIO_REQUEST_REPORT, true, "'0000:01:00.0' back: end this VM to give it back\n" },
	};
	struct fake_vfio *f;
	struct hearing h;
	unsigned int i;
	struct vm *vm;

	for (i = 0; i < ARRAY_SIZE(row); i++) {
		vm = started(&f, 0, 0);
		vm->paused = row[i].paused;
		CHECK(!f->vp.requested);
		hear(&h, LOG_WARNING);
		host_asks(vm, f, row[i].policy, true);
		CHECK(strstr(heard(&h), row[i].says));
		CHECK(f->vp.requested);
		CHECK_EQ(fake_back.asked + fake_back.pressed, row[i].policy != VFIO_REQUEST_REPORT);
		end(vm, f);
	}
}

TEST(error_interrupt_that_the_host_refuses_is_told)
{
	struct error err = { "" };
	struct fake_vfio *f;
	struct vm *vm = device(&f, 0, 0);
	unsigned int fds = open_fds();

	f->irq[INTX_INDEX].count = 0;
	f->irq_error = -EIO;
	CHECK_EQ(vfio_pci_irq_init(&f->vp, &err), -EIO);
	CHECK(strstr(err.msg, "error and request interrupts"));
	CHECK_EQ(open_fds(), fds);
	end(vm, f);
}

TEST(nothing_is_done_before_init_and_after_free)
{
	struct fake_vfio *f;
	struct vm *vm = device(&f, 4, 4);

	cw(vm, COMMAND, 2, 2);
	msix(vm, MSIX_ENABLE);
	vfio_pci_irq_off(&f->vp);
	CHECK_EQ(f->on, -1);
	CHECK_EQ(vfio_pci_irq_init(&f->vp, NULL), 0);
	CHECK_EQ(f->on, MSIX_INDEX);		/* a state that was loaded before */
	vfio_pci_irq_free(&f->vp);
	CHECK_EQ(f->on, -1);
	msix(vm, 0);
	CHECK_EQ(f->on, -1);
	end(vm, f);
}

int main(void)
{
	RUN(intx_is_joined_to_the_gsi_of_the_pin_and_unmasked_by_kvm);
	RUN(intx_of_a_host_driver_that_takes_no_unmask_eventfd_is_unmasked_by_the_loop);
	RUN(intx_disable_masks_the_device_and_lets_go_of_the_line);
	RUN(intx_is_not_begun_while_it_is_disabled);
	RUN(device_without_a_pin_has_no_intx);
	RUN(intx_without_resample_is_refused_by_name_if_there_is_nothing_else);
	RUN(intx_that_the_host_refuses_leaves_nothing);
	RUN(intx_line_shared_with_one_of_ours_is_told_where_kvm_has_one_level);
	RUN(msix_vectors_arrive_with_the_guests_messages);
	RUN(masked_vector_is_pending_from_the_start);
	RUN(many_vectors_get_their_route_when_they_are_used);
	RUN(host_with_fewer_vectors_gives_what_it_has);
	RUN(host_that_refuses_is_asked_again_at_the_next_enable);
	RUN(host_that_says_fewer_than_the_table_has);
	RUN(vectors_without_a_gsi_come_by_the_main_loop);
	RUN(kvm_that_takes_no_irqfd_is_served_by_the_main_loop);
	RUN(msi_has_as_many_vectors_as_the_driver_allowed);
	RUN(kinds_follow_each_other_in_any_order);
	RUN(nothing_arrives_while_it_is_off);
	RUN(reconfiguration_for_ever_leaves_nothing);
	RUN(kinds_and_masks_change_at_once);
	RUN(error_ends_the_vm_or_is_reported);
	RUN(host_that_asks_for_the_device_is_served_as_the_user_said);
	RUN(host_that_asks_while_the_guest_is_paused_is_told_what_helps);
	RUN(error_interrupt_that_the_host_refuses_is_told);
	RUN(nothing_is_done_before_init_and_after_free);
	return tap_done();
}
